package browser

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"openchat/tests/harness"
)

// scriptPolicy lets a page load from anywhere but scripts: what the SDK's script runs is
// what this policy is about.
const scriptPolicy = "script-src 'self' 'wasm-unsafe-eval'; base-uri *"

// stranger is another origin. It has an image, and a wasm that is sound and not the build's.
type stranger struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string // paths, but for the image
}

func newStranger(t *testing.T, wasm func([]byte) []byte) *stranger {
	t.Helper()
	file, err := os.ReadFile("../../dist/avaya-ccaas-chat-sdk.wasm")
	if err != nil {
		t.Fatal(err)
	}
	s := &stranger{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		if r.URL.Path == "/x.svg" {
			w.Header().Set("Content-Type", "image/svg+xml")
			io.WriteString(w, `<svg xmlns="http://www.w3.org/2000/svg"/>`)
			return
		}
		s.mu.Lock()
		s.asked = append(s.asked, r.URL.Path)
		s.mu.Unlock()
		w.Header().Set("Content-Type", "application/wasm")
		w.Write(wasm(file))
	}))
	t.Cleanup(s.Close)
	return s
}

// changed is a wasm that does the same, in other bytes: an empty section is added.
func changed(wasm []byte) []byte { return append(bytes.Clone(wasm), 0, 1, 0) }

func (s *stranger) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// namesRead are the names that the built script may read of the page: every word of it, but
// for those of one or two letters, which are the minifier's own, and what the wasm and Go's
// packages for JavaScript ask for.
func namesRead(t *testing.T) []string {
	t.Helper()
	found := map[string]bool{}
	script, err := os.ReadFile("../../dist/avaya-ccaas-chat-sdk.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range regexp.MustCompile(`[A-Za-z_$][\w$]{2,}`).FindAllString(string(script), -1) {
		found[word] = true
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := strings.TrimSpace(string(goroot)) + "/src/"
	asks := regexp.MustCompile(`\b(?:Get|Call|New|Set)\("(\w+)"`)
	for _, pattern := range []string{"../../wasm/*.go", root + "syscall/js/*.go", root + "syscall/*_js.go", root + "time/*_js.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no files (%v)", pattern, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range asks.FindAllSubmatch(text, -1) {
				found[string(m[1])] = true
			}
		}
	}
	var names []string
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range []string{"AvayaCCaaSChatSDK", "Zone", "currentScript", "baseURI", "visibilityState", "addEventListener", "fetch",
		"sessionStorage", "AbortController", "Object", "process"} {
		if !found[name] {
			t.Errorf("%s is read, and was not found", name)
		}
	}
	return names
}

// clobbers are elements whose name or id makes them a property of the document or the
// window. %[1]s stands for the name, %[2]s for another origin.
var clobbers = map[string]string{
	"img":    `<img name="%[1]s" id="%[1]s" src="%[2]s/x.svg">`,
	"a":      `<a id="%[1]s" href="%[2]s/">link</a>`,
	"form":   `<form name="%[1]s" id="%[1]s" action="%[2]s/"><input name="src" value="%[2]s/x.js"><input name="getAttribute"><input name="integrity"><input name="init"><input name="current"></form>`,
	"iframe": `<iframe name="%[1]s"></iframe>`,
	"object": `<object name="%[1]s" id="%[1]s"></object>`,
	"embed":  `<embed name="%[1]s" id="%[1]s">`,
	// Two elements of one name are a collection, which has them by their names in turn.
	"collection": `<a id="%[1]s"></a><a id="%[1]s" name="src" href="%[2]s/x.js"></a>`,
}

// hookPage is an origin with a page of its own, /t/own.html, under scriptPolicy.
func hookPage(t *testing.T, w *harness.Environment, body string, more func(http.ResponseWriter, *http.Request) bool) *harness.Origin {
	t.Helper()
	o := w.NewOrigin(t)
	o.Intercept(t, func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/t/own.html" {
			return more != nil && more(rw, r)
		}
		rw.Header().Set("Content-Security-Policy", scriptPolicy)
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(rw, `<!doctype html><html lang="en"><meta charset="utf-8"><title>A page with strangers' elements</title><link rel="icon" href="/t/icon.svg"><body>`+body)
		return true
	})
	return o
}

const ownScripts = `<script src="/avaya-ccaas-chat-sdk.js"></script><script src="/t/page.js"></script>`

func TestClobbering(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	names := namesRead(t)
	b := harness.NewTab(t, "plain page")
	b.Open(w.Origin.URL + "/t/page.html")
	var present []string
	b.Eval(&present, `%s.filter((name) => name in document || name in window)`, names)
	present = append(present, "AvayaCCaaSChatSDK", "Zone", "Go", "shim", "process", "fs", "path")
	if len(present) < 50 {
		t.Fatalf("only %q are properties of a page", present)
	}
	for kind, element := range clobbers {
		t.Run("NS-1 NS-2 INIT-9 STREAM-5 an element of any name hides nothing from the script: "+kind, func(t *testing.T) {
			s := newStranger(t, changed)
			var body strings.Builder
			for _, name := range names {
				// A browser spends a document on each frame: these are what a page has and may have.
				if kind == "iframe" && !slices.Contains(present, name) {
					continue
				}
				fmt.Fprintf(&body, element, name, s.URL)
			}
			o := hookPage(t, w, body.String()+ownScripts, nil)
			b := harness.NewTab(t, "customer")
			b.AllowErrors(harness.NetworkErrors)
			b.Open(o.URL + "/t/own.html")
			// The page is one in which names do hide what it has.
			var hidden bool
			b.Eval(&hidden, hides(kind))
			if !hidden {
				t.Fatal("the page's elements hide nothing")
			}
			params := w.InitParams(t, harness.NewCustomerID("clobber"), harness.TokenOptions{})
			var r struct {
				Error *struct{ Code, Message string }
				Same  bool
			}
			if b.Eval(&r, `t.init(%s)`, params); r.Error != nil || !r.Same {
				t.Fatalf("init: %+v", r)
			}
			id := harness.CreateEngagement(b)
			b.WaitEvent("MESSAGE_ARRIVED", nil)
			agent := w.NewAgent(t, "Bo "+harness.NewCustomerID("clobber"))
			agent.Accept(id)
			agent.Send(id, "to the page")
			b.WaitText("to the page")
			harness.SendTexts(b, id, "from the page")
			agent.WaitText(id, "from the page")
			// A wake-up reads whether the page is visible.
			b.Expect("STREAM-5", map[string]any{"code": "", "chats": 1, "pinged": true}, `
				const { send } = WebSocket.prototype;
				let pings = 0;
				WebSocket.prototype.send = function (frame) {
					if (frame.includes("ping")) pings++;
					return send.call(this, frame);
				};
				EventTarget.prototype.dispatchEvent.call(document, new Event("visibilitychange"));
				const list = await sdk.getEngagements(); // comes later than what the wake-up sends
				WebSocket.prototype.send = send;
				return { code: await code(() => sdk.resetIdleTimeout()), chats: list.length, pinged: pings > 0 }`)
			b.Expect("SHUT-1", map[string]any{"code": ""}, `return { code: await code(() => sdk.shutdown()) }`)
			if asked := s.all(); len(asked) > 0 {
				t.Errorf("another origin was asked for %q", asked)
			}
		})
	}
}

// hides is an expression that is true where elements of a kind stand before properties.
func hides(kind string) string {
	if kind == "a" || kind == "collection" {
		return `!(window.Zone === undefined)`
	}
	return `document.currentScript !== null && document.visibilityState !== "visible" && document.addEventListener !== EventTarget.prototype.addEventListener`
}

// The wasm of another origin is checked, however the script was led there.
func TestWasmOfAnotherOrigin(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	same := func(wasm []byte) []byte { return wasm }
	base := func(s *stranger) string {
		// The scripts' addresses are resolved where they stand, before the base.
		return `<script type="module" src="/avaya-ccaas-chat-sdk.js"></script><script type="module" src="/t/page.js"></script><base href="` + s.URL + `/">`
	}
	for _, tt := range []struct {
		name     string
		wasm     func([]byte) []byte
		page     func(s *stranger) string
		redirect bool
		code     string
	}{
		{"a base element leads a module there", changed, base, false, "ACS-311"},
		{"a base element leads there, to the very file", same, base, false, ""},
		{"a redirection leads there", changed, func(*stranger) string { return ownScripts }, true, "ACS-311"},
		{"a redirection leads there, to the very file", same, func(*stranger) string { return ownScripts }, true, ""},
	} {
		t.Run("INIT-9 the hash is checked: "+tt.name, func(t *testing.T) {
			s := newStranger(t, tt.wasm)
			o := hookPage(t, w, tt.page(s), func(rw http.ResponseWriter, r *http.Request) bool {
				if tt.redirect && strings.HasSuffix(r.URL.Path, ".wasm") {
					http.Redirect(rw, r, s.URL+r.URL.Path, http.StatusFound)
					return true
				}
				return false
			})
			b := harness.NewTab(t, "customer")
			b.AllowErrors(`integrity`) // the browser's own words
			b.Open(o.URL + "/t/own.html")
			var r struct {
				Error *struct{ Code, Message string }
			}
			params := w.InitParams(t, harness.NewCustomerID("clobber"), harness.TokenOptions{})
			params["hostURL"] = o.URL
			b.Eval(&r, `t.init(%s)`, params)
			got := ""
			if r.Error != nil {
				got = r.Error.Code
			}
			if got != tt.code {
				t.Errorf("init: %+v, want %q", r.Error, tt.code)
			}
			if len(s.all()) == 0 {
				t.Error("the other origin was not asked: the test does not show anything")
			}
		})
	}
}

// TestClobberedDemo chats on the demo's two pages, in which images have every name that the
// pages' scripts say.
func TestClobberedDemo(t *testing.T) {
	t.Parallel()
	w := harness.NewEnvironment(t) // whose only waiting chat is this one's
	var names strings.Builder
	said := map[string]bool{}
	files, err := filepath.Glob("../../web/pages/*/*.js")
	shared, errShared := filepath.Glob("../../web/pages/desk/shared/*.js")
	if files = append(files, shared...); err != nil || errShared != nil || len(shared) == 0 || len(files) < 10 {
		t.Fatalf("the demo's scripts: %q, %v, %v", files, err, errShared)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range regexp.MustCompile(`[A-Za-z_$][\w$]+`).FindAllString(string(text), -1) {
			if !said[word] {
				fmt.Fprintf(&names, `<img name="%s" alt="">`, word)
			}
			said[word] = true
		}
	}
	o := w.NewOrigin(t)
	o.Intercept(t, func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/" && r.URL.Path != "/desk/" {
			return false
		}
		answer, err := http.Get(w.Gateway.URL + r.URL.Path)
		if err != nil {
			t.Error(err)
			return false
		}
		defer answer.Body.Close()
		page, err := io.ReadAll(answer.Body)
		if err != nil || bytes.Count(page, []byte("<body")) != 1 {
			t.Errorf("%s: %v\n%s", r.URL.Path, err, page)
		}
		rw.Header().Set("Content-Security-Policy", answer.Header.Get("Content-Security-Policy"))
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		rw.Write(regexp.MustCompile(`<body[^>]*>`).ReplaceAll(page, []byte(`$0<div hidden>`+names.String()+`</div>`)))
		return true
	})
	shows := func(b *harness.Tab, text string) {
		t.Helper()
		b.WaitUntil(text, `Document.prototype.querySelector.call(document, "body").textContent.includes(%s)`, text)
	}
	customer := harness.NewTab(t, "customer")
	customer.Open(o.URL + "/")
	var hidden bool
	if customer.Eval(&hidden, `document.getElementById instanceof HTMLImageElement && document.activeElement instanceof HTMLImageElement`); !hidden {
		t.Fatal("the images hide nothing")
	}
	customer.Click(testid("launcher"))
	customer.Type(testid("name"), "Ada Lovelace")
	customer.Type(testid("topic"), "A lamp that hums")
	customer.Click(testid("start"))
	shows(customer, "I am looking for an agent")

	agent := harness.NewTab(t, "agent")
	agent.Open(o.URL + "/desk/")
	agent.Type(testid("agent-name"), "Bo Mender")
	agent.Click(testid("sign-in"))
	agent.Click(testid("waiting-item") + " " + testid("accept"))
	agent.Type(testid("composer"), "How does it hum?")
	agent.PressEnter()
	shows(customer, "How does it hum?")
	customer.Type(testid("composer"), "In B flat.")
	customer.PressEnter()
	shows(agent, "In B flat.")
}
