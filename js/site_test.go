package js_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"openchat/sdk/wire"
	"openchat/tests/harness"
)

// These tests load the built script and wasm in Chromium, from a site that can also
// serve them wrongly, and let them talk to a stand-in gateway that does things in the
// order that a test wants. Those with the real gateway are in tests/browser.

const (
	script  = "avaya-ccaas-chat-sdk.js"
	wasm    = "avaya-ccaas-chat-sdk.wasm"
	dist    = "../dist/"
	account = "3b7a3d3a-8d7e-4f5c-9f39-0f1f3f6f2a11"
)

func TestMain(m *testing.M) { harness.Main(m) }

// tab is one page of the site.
type tab struct {
	*harness.Target
	t       *testing.T
	console harness.Log[string] // "level: text"
}

// open loads a page of the site in a tab of its own.
func (s *site) open(t *testing.T, page string) *tab {
	t.Helper()
	browser, err := harness.SharedBrowser()
	if err != nil {
		t.Fatal(err)
	}
	b := &tab{t: t}
	if b.Target, err = harness.OpenTarget(browser, "", func(event any) {
		if line := harness.ConsoleLine(event); line != "" {
			b.console.Add(line)
		}
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("console:\n%s", strings.Join(b.console.All(), "\n"))
		}
		b.Close()
	})
	if err := b.Run(chromedp.Navigate(s.URL + page)); err != nil {
		t.Fatal(err)
	}
	return b
}

// logged reports whether a console line holds text.
func (b *tab) logged(text string) bool {
	return slices.ContainsFunc(b.console.All(), func(line string) bool { return strings.Contains(line, text) })
}

// run runs the body of an async function in the page, with sdk and the helpers of
// /page.js, and returns the JSON of what it returns.
func (b *tab) run(body string) (result string) {
	b.t.Helper()
	if err := b.Eval(&result, `(async () => { const sdk = window.AvayaCCaaSChatSDK;
		const result = await (async () => {`+strings.ReplaceAll(body, "%", "%%")+`})(); return result === undefined ? "undefined" : JSON.stringify(result) })()`); err != nil {
		b.t.Fatal(err)
	}
	return result
}

// want runs body and compares what it returns with the JSON of want.
func (b *tab) want(body string, want any) {
	b.t.Helper()
	text, err := json.Marshal(want)
	if err != nil {
		b.t.Fatal(err)
	}
	// Both through the same reader: the order of members is not compared.
	var is, should any
	got := b.run(body)
	json.Unmarshal([]byte(got), &is)
	json.Unmarshal(text, &should)
	a, _ := json.Marshal(is)
	if c, _ := json.Marshal(should); !bytes.Equal(a, c) {
		b.t.Errorf("got  %s\nwant %s\nfrom %s", got, text, strings.TrimSpace(body))
	}
}

// page.js runs before the page's own script and gives it helpers.
const pageJS = `
window.seen = [];      // all events, as [type, payload]
window.violations = [];
document.addEventListener("securitypolicyviolation", (e) => violations.push(e.violatedDirective + " " + e.blockedURI));
window.failure = (f) => { try { const r = f(); if (r && r.then) return r.then(() => "resolved", (e) => e.code); return "returned"; } catch (e) { return e.code || String(e); } };
window.event = (type) => new Promise((resolve) => {
  const old = seen.find((e) => e[0] === type && !e[2]);
  if (old) { old[2] = true; return resolve(old[1]); }
  (waiting[type] = waiting[type] || []).push(resolve);
});
window.waiting = {};
window.listen = (sdk) => { for (const type of Object.keys(sdk.EventType)) sdk.on(type, (payload) => {
  const w = (waiting[type] || []).shift();
  seen.push([type, payload, !!w]);
  if (w) w(payload);
}); };
window.params = {hostURL: location.origin + "/gw/", integrationId: "` + account + `", appkey: "key", token: "TOKEN"};
window.before = new Set(Object.getOwnPropertyNames(window));
`

// site serves pages, the SDK, and the stand-in gateway.
type site struct {
	*httptest.Server
	gateway *harness.StandIn

	absent  atomic.Bool   // the wasm of /sdk/late/ is answered 404
	release chan struct{} // what the wasm of /sdk/held/ waits for
}

// The policy that DESIGN promises to live under.
const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ws://*; worker-src 'self'; img-src data:; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

func newSite(t *testing.T) *site {
	t.Helper()
	if err := harness.BuildSDK(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := &site{gateway: harness.NewStandIn(), release: make(chan struct{})}
	mux := http.NewServeMux()
	serve := func(w http.ResponseWriter, kind string, content []byte) {
		w.Header().Set("Content-Type", kind)
		w.Write(content)
	}
	read := func(name string) []byte {
		content, err := os.ReadFile(filepath.Join(dist, name))
		if err != nil {
			t.Error(err)
		}
		return content
	}
	// ?script= the SDK's script, ?wasm= its data-wasm-url, ?then= a script after it,
	// ?checked= for an integrity, ?csp=
	mux.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) {
		csp := policy
		if r.FormValue("csp") != "" {
			csp = r.FormValue("csp")
		}
		w.Header().Set("Content-Security-Policy", csp)
		page := `<!doctype html><title>test</title><link rel="icon" href="data:,"><script src="/page.js"></script>`
		attribute := ""
		if r.FormValue("wasm") != "" {
			attribute = ` data-wasm-url="` + r.FormValue("wasm") + `"`
		}
		if r.FormValue("checked") != "" {
			var info struct{ SHA384 map[string]string }
			json.Unmarshal(read("build-info.json"), &info)
			attribute += ` integrity="` + info.SHA384[script] + `"`
		}
		for _, path := range r.Form["script"] {
			page += `<script src="` + path + `"` + attribute + `></script>`
		}
		for _, path := range r.Form["then"] {
			page += `<script src="` + path + `"></script>`
		}
		serve(w, "text/html", []byte(page))
	})
	mux.HandleFunc("/page.js", func(w http.ResponseWriter, r *http.Request) {
		serve(w, "text/javascript", []byte(strings.Replace(pageJS, "TOKEN", harness.UnsignedToken(account), 1)))
	})
	mux.HandleFunc("/then/{name}", func(w http.ResponseWriter, r *http.Request) {
		serve(w, "text/javascript", []byte(thenScripts[r.PathValue("name")]))
	})
	// The SDK, served in a way that the folder's name says.
	mux.HandleFunc("/sdk/{how}/"+script, func(w http.ResponseWriter, r *http.Request) {
		content := read(script)
		if r.PathValue("how") == "stamped" {
			var info struct{ Build string }
			json.Unmarshal(read("build-info.json"), &info)
			content = bytes.ReplaceAll(content, []byte(info.Build), []byte("9.9.9-other"))
		}
		serve(w, "text/javascript", content)
	})
	mux.HandleFunc("/sdk/{how}/"+wasm, func(w http.ResponseWriter, r *http.Request) {
		how := r.PathValue("how")
		content, kind := read(wasm), "application/wasm"
		switch how {
		case "missing":
			http.NotFound(w, r)
			return
		case "late":
			if s.absent.Load() {
				http.NotFound(w, r)
				return
			}
		case "html":
			content, kind = []byte("<!doctype html><title>App</title>"), "text/html; charset=utf-8"
		case "mime":
			kind = "text/plain"
		case "older":
			content = append(bytes.Clone(content), 0, 1, 0) // an empty custom section: sound, but not ours
		case "held":
			select {
			case <-s.release:
			case <-r.Context().Done():
			}
		}
		serve(w, kind, content)
	})
	mux.HandleFunc("/release", func(w http.ResponseWriter, r *http.Request) { close(s.release) })
	mux.Handle("/gw/", http.StripPrefix("/gw"+wire.BasePath, s.gateway))
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

const good = "/page?script=/sdk/good/" + script
