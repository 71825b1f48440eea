package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/target"

	"openchat/tests/harness"
)

// visitor is a browser's tab that the test does not inspect, because Chromium prerenders
// nothing for one that is. What its pages (pages/prerendered.js) report comes by requests, and
// so go the test's commands to the page that is shown.
type visitor struct {
	*harness.FaultyOrigin
	calls    callLog
	reports  harness.Log[harness.Report]
	commands chan string
	gone     chan struct{} // gets a value when a prerendered page is thrown away
	loaded   chan struct{} // closed when the wasm has been sent
}

// reported is what a page says with a report.
type reported struct {
	Hidden bool
	Data   json.RawMessage
}

func newVisitor(t *testing.T, w *harness.Environment) *visitor {
	t.Helper()
	v := &visitor{FaultyOrigin: w.FaultyOrigin(t), commands: make(chan string), gone: make(chan struct{}, 1), loaded: make(chan struct{})}
	customer := harness.NewCustomerID("prerender")
	var once sync.Once
	v.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
		switch {
		case harness.ServeWithoutPolicy(rw, r): // the rules of what to prerender are inline
		case r.URL.Path == "/t/account":
			json.NewEncoder(rw).Encode(w.InitParams(t, customer, harness.TokenOptions{TTL: 10 * time.Hour}))
		case r.URL.Path == "/t/report":
			var e harness.Report
			if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
				t.Errorf("a report: %v", err)
			}
			if harness.Verbose {
				fmt.Printf("    visitor: %s\n", e)
			}
			v.reports.Add(e)
		case r.URL.Path == "/t/command":
			select {
			case command := <-v.commands:
				io.WriteString(rw, command)
			case <-r.Context().Done():
			}
		case r.URL.Path == "/t/alive":
			<-r.Context().Done()
			select {
			case v.gone <- struct{}{}:
			default:
			}
		case r.URL.Path == "/t/wasm":
			select {
			case <-v.loaded:
			case <-r.Context().Done():
			}
		case strings.HasSuffix(r.URL.Path, ".wasm"):
			http.ServeFile(rw, r, "../../dist/avaya-ccaas-chat-sdk.wasm")
			once.Do(func() { close(v.loaded) })
		default:
			return v.calls.hook(rw, r)
		}
		return true
	})
	t.Cleanup(func() {
		if t.Failed() {
			for _, e := range v.reports.All() {
				t.Log(e)
			}
		}
	})
	harness.Needs(t, harness.Prerender)
	browser, profile := harness.NewProfile(t)
	if _, err := target.CreateTarget(v.URL + "/t/launcher.html").WithBrowserContextID(profile).WithNewWindow(true).Do(harness.Executor(browser)); err != nil {
		t.Fatal(err)
	}
	return v
}

// tell gives a command to the page that is shown.
func (v *visitor) tell(command string) {
	v.T.Helper()
	select {
	case v.commands <- command:
	case <-time.After(harness.Timeout):
		v.T.Fatalf("no page took the command %q", command)
	}
}

func (v *visitor) mark() int { return len(v.reports.All()) }

// wait waits for a report since mark, and returns it.
func (v *visitor) wait(name string, mark int) reported {
	v.T.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), harness.Timeout, fmt.Errorf("not in %v", harness.Timeout))
	defer cancel()
	list, err := v.reports.Wait(ctx, func(list []harness.Report) bool { return lastNamed(list[mark:], name) >= 0 })
	if err != nil {
		v.T.Fatalf("waited for the report %q: %v", name, err)
	}
	return decode[reported](v.T, list[mark:][lastNamed(list[mark:], name)])
}

// storedSession returns the session that is stored where the page sees it, and whether the page was
// prerendered.
func (v *visitor) storedSession() (session string, prerendered bool) {
	v.T.Helper()
	mark := v.mark()
	v.tell("session")
	var found struct {
		Session        string
		WasPrerendered bool
	}
	if err := json.Unmarshal(v.wait("session", mark).Data, &found); err != nil {
		v.T.Fatal(err)
	}
	return found.Session, found.WasPrerendered
}

// prerender has the page that is shown prerender the other one, and returns when that has
// called init and waited for longer than init may take.
func (v *visitor) prerender() {
	v.T.Helper()
	mark := v.mark()
	v.tell("prerender")
	r := v.wait("begun", mark)
	if !r.Hidden {
		v.T.Fatal("the page was not prerendered")
	}
	var codes map[string]string
	if err := json.Unmarshal(r.Data, &codes); err != nil {
		v.T.Fatal(err)
	}
	for call, want := range map[string]string{"init": "ACS-321", "list": "ACS-321", "shutdown": "ACS-321", "reset": "ACS-321", "level": "ACS-303"} {
		if codes[call] != want {
			v.T.Errorf("NS-13: %s in the hidden page fails with %s, want %s", call, codes[call], want)
		}
	}
	v.wait("waited", mark)
	for _, e := range v.reports.All()[mark:] {
		if strings.HasPrefix(e.Name, "EVENT_STREAM_") || e.Name == "INITIALIZED" || e.Name == "init" {
			v.T.Errorf("the hidden page reports %s", e)
		}
	}
}

// made fails the test unless so many sessions were made, and streams opened.
func (v *visitor) made(what string, sessions, streams int) {
	v.T.Helper()
	if s, e := v.calls.of("POST sessions"), v.calls.of("GET events"); s != sessions || e != streams {
		v.T.Errorf("%s: %d sessions were made and %d streams opened, want %d and %d", what, s, e, sessions, streams)
	}
}

func TestPrerender(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)

	t.Run("INIT-8 INIT-9 NS-13 a prerendered page begins its session when it is shown", func(t *testing.T) {
		v := newVisitor(t, w)
		v.prerender()
		v.made("hidden", 0, 0)
		mark := v.mark()
		v.tell("show")
		if r := v.wait("init", mark); string(r.Data) != `"resolved"` || r.Hidden {
			t.Fatalf("INIT-9: init came to %s", r.Data)
		}
		v.made("shown", 1, 1)
		first, prerendered := v.storedSession()
		if len(first) != 36 || !prerendered {
			t.Fatalf("the stored session is %q; was the page prerendered: %v", first, prerendered)
		}
		var names []string
		for _, e := range v.reports.All()[mark:] {
			if e.Name != "session" {
				names = append(names, e.Name)
			}
		}
		harness.ExpectTexts(t, "the reports", names, []string{"shown", "EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "INITIALIZED", "init"})

		// A reload, and the way back and forward, are as for any other page (SES-1).
		for i, way := range [][]string{{"reload"}, {"back", "forward"}} {
			mark = v.mark()
			for _, step := range way {
				v.tell(step)
			}
			v.wait("EVENT_STREAM_CONNECTED", mark)
			if then, _ := v.storedSession(); then != first {
				t.Errorf("SES-1: after %q the session is %q, was %q", way, then, first)
			}
			v.made(strings.Join(way, " and "), 1, 2+i)
		}
	})

	t.Run("SES-1 SES-4 a prerendered page leaves the shown page's session alone, and goes on with it", func(t *testing.T) {
		v := newVisitor(t, w)
		v.tell("init")
		v.wait("init", 0)
		first, _ := v.storedSession()
		v.prerender()
		v.made("hidden", 1, 1)
		mark := v.mark()
		v.tell("show")
		if r := v.wait("init", mark); string(r.Data) != `"resolved"` {
			t.Errorf("init came to %s", r.Data)
		}
		if then, prerendered := v.storedSession(); then != first || !prerendered {
			t.Errorf("the session is %q, was %q; was the page prerendered: %v", then, first, prerendered)
		}
		v.made("shown", 1, 2)
	})

	t.Run("INIT-9 a prerendered page that is never shown makes no session", func(t *testing.T) {
		v := newVisitor(t, w)
		v.prerender()
		v.tell("leave")
		select {
		case <-v.gone:
		case <-time.After(harness.Timeout):
			t.Fatal("the prerendered page was not thrown away")
		}
		v.made("thrown away", 0, 0)
		if i := slices.IndexFunc(v.reports.All(), func(e harness.Report) bool { return e.Name == "init" }); i >= 0 {
			t.Errorf("init of a page that was never shown settled")
		}
	})
}
