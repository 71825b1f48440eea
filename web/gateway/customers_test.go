package gateway

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"openchat/sdk/wire"
	"openchat/web/store"
)

// asServer makes a call with a server credential.
func (w *environment) asServer(method, path, credential string, headers ...string) reply {
	w.t.Helper()
	return w.call(method, path, "", "", append([]string{"Authorization", "Bearer " + credential}, headers...)...)
}

func customerPath(of, customer string) string {
	return "/accounts/" + of + "/customers/" + strings.ReplaceAll(url.PathEscape(customer), ".", "%2E")
}

// lines reads an export that is complete.
func (r reply) lines(t *testing.T) (list []store.Exported) {
	t.Helper()
	scanner := bufio.NewScanner(bytes.NewReader(r.body))
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var e store.Exported
		if err := json.Unmarshal(scanner.Bytes(), &e); err != nil {
			t.Fatalf("%v in %s", err, scanner.Bytes())
		}
		list = append(list, e)
	}
	if n := len(list); n == 0 || list[n-1].Type != "complete" {
		t.Fatalf("the export has no end: %d %s", r.status, r.body)
	}
	return list[:len(list)-1]
}

func TestACustomerIsExportedAndErased(t *testing.T) {
	w := newEnvironment(t)
	ann, bob := w.chat("ann / ümlaut?#"), w.chat("bob")
	for range 5 {
		ann.say("secret words of ann", "")
		bob.say("secret words of bob", "")
	}
	stream, _ := ann.open(unknownID, 0)
	others, _ := bob.open(unknownID, 0)
	path := customerPath(account, "ann / ümlaut?#")

	r := w.asServer("GET", path+"/export", serverSecret)
	if r.status != 200 || r.header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("%d %v", r.status, r.header)
	}
	var types []string
	for _, e := range r.lines(t) {
		types = append(types, e.Type)
	}
	if n := bytes.Count(r.body, []byte("secret words of ann")); n != 5 || bytes.Contains(r.body, []byte("bob")) || !slices.Contains(types, "session") || !slices.Contains(types, "engagement") {
		t.Errorf("%d texts, and %q", n, types)
	}

	if r := w.asServer("DELETE", path, serverSecret); r.status != 200 || !strings.HasPrefix(string(r.body), `{"complete":true,"entries":`) {
		t.Fatalf("%d %s", r.status, r.body)
	}
	var seen []wire.EventType
	for _, f := range stream.closed(wire.CloseSessionGone) {
		if f.Type == wire.FrameEvent {
			seen = append(seen, f.Event.Type)
		}
	}
	if !slices.Contains(seen, wire.EventEngagementTerminated) || !slices.Contains(seen, wire.EventSessionTerminated) {
		t.Errorf("the stream was given %v", seen)
	}
	if list := w.asServer("GET", path+"/export", serverSecret).lines(t); len(list) > 0 {
		t.Errorf("there are %v", list)
	}
	if r := w.call("GET", "/sessions/"+ann.session.SessionID, ann.token, ""); r.status != 404 {
		t.Errorf("the session: %d %s", r.status, r.body)
	}
	err := filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil && !errors.Is(err, os.ErrNotExist) || d == nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte("words of ann")) || bytes.Contains(text, []byte("Name of ann")) {
			t.Errorf("%s still has it", path)
		}
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	bob.say("more", "")
	for {
		f := others.read()
		if f.Type == wire.FrameEvent && f.Event.Message != nil && f.Event.Message.Body.Text == "more" {
			break
		}
	}
}

func TestOnlyTheAccountsServersExportAndErase(t *testing.T) {
	const one = "credential-of-account-one"
	w := newEnvironment(t, func(c *Config) {
		c.ServerCredentials = []ServerCredential{{one, []string{account}}}
	})
	w.secrets = append(w.secrets, one)
	ann := w.chat("ann")
	ann.say("secret words", "")
	for _, c := range []struct {
		name, of, customer, by string
		headers                []string
		want                   int
	}{
		{"another account's", otherAccount, "ann", one, nil, 403},
		{"none", account, "ann", "", nil, 401},
		{"the customer's own token", account, "ann", ann.token, nil, 401},
		{"a page", account, "ann", one, []string{"Origin", allowedOrigin}, 403},
		{"no account", "abc.*", "ann", serverSecret, nil, 400},
		{"an id that is too long", account, strings.Repeat("ü", 257), one, nil, 400},
	} {
		for _, call := range [][2]string{{"GET", "/export"}, {"DELETE", ""}} {
			if r := w.asServer(call[0], customerPath(c.of, c.customer)+call[1], c.by, c.headers...); r.status != c.want {
				t.Errorf("%s, %s: %d %s, not %d", c.name, call[0], r.status, r.body, c.want)
			}
		}
	}
	for _, strange := range []string{"..", "*", ">", "ann.>", "a//b", "\x00", "%2e"} {
		if r := w.asServer("DELETE", customerPath(account, strange), one); r.status != http.StatusOK || string(r.body) != `{"complete":true,"entries":0}` {
			t.Errorf("%q: %d %s", strange, r.status, r.body)
		}
	}
	ann.say("still there", "")
	// Those in progress have an end.
	w.g.bulkCalls <- struct{}{}
	w.g.bulkCalls <- struct{}{}
	if r := w.asServer("GET", customerPath(account, "ann")+"/export", one); r.status != 429 || r.header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d", r.status)
	}
	<-w.g.bulkCalls
	if n := len(w.asServer("GET", customerPath(account, "ann")+"/export", one).lines(t)); n == 0 {
		t.Error("nothing is exported")
	}
	<-w.g.bulkCalls
}

// A customer may have any id, also one of which http.ServeMux makes something else.
func TestCustomersOfUnusualIDsAreErased(t *testing.T) {
	w := newEnvironment(t)
	for _, id := range []string{"/", "//", "..", "x/export", "{$}"} {
		token := w.token(id)
		w.request("POST", wire.BasePath+"/sessions", token, `{"integrationId":"`+integration+`"}`)
		path := customerPath(account, id)
		if r := w.asServer("GET", path+"/export", serverSecret); r.status != 200 || len(r.lines(t)) == 0 {
			t.Errorf("export of %q: %d %s", id, r.status, r.body)
		}
		if r := w.asServer("DELETE", path, serverSecret); r.status != 200 || strings.Contains(string(r.body), `"entries":0`) {
			t.Errorf("erasure of %q: %d %s", id, r.status, r.body)
		}
	}
	for _, path := range []string{"/customers/", "/customers/%2F/exports", "/customers/%2F%2F/x"} {
		for _, method := range []string{"GET", "DELETE"} {
			if r := w.asServer(method, "/accounts/"+account+path, serverSecret); r.status != 404 {
				t.Errorf("%s %s: %d %s", method, path, r.status, r.body)
			}
		}
	}
}
