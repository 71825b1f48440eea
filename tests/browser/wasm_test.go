package browser

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"openchat/tests/harness"
)

// TestWasmDoesNotCome answers the wasm as misconfigured servers do.
func TestWasmDoesNotCome(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	isWasm := func(r *http.Request) bool { return strings.Contains(r.URL.Path, ".wasm") }
	for _, tt := range []struct {
		name   string
		status int
		mime   string
		body   string
	}{
		{"404", 404, "text/plain", "404 page not found"},
		{"HTML", 200, "text/html", "<!doctype html><title>A single page app</title>"},
	} {
		t.Run("INIT-9 wasm answered with "+tt.name, func(t *testing.T) {
			o := w.NewOrigin(t)
			o.Intercept(t, func(rw http.ResponseWriter, r *http.Request) bool {
				if !isWasm(r) {
					return false
				}
				rw.Header().Set("Content-Type", tt.mime)
				rw.WriteHeader(tt.status)
				io.WriteString(rw, tt.body)
				return true
			})
			b := harness.NewTab(t, "customer")
			b.AllowErrors(`Failed to load resource|integrity`) // the browser's own words
			b.Open(o.URL + "/t/page.html")
			var r struct {
				Error *struct{ Code, Message, Text string }
			}
			b.Eval(&r, `t.init(%s)`, w.InitParams(t, harness.NewCustomerID("chat-h"), harness.TokenOptions{}))
			if r.Error == nil || r.Error.Code != "ACS-311" {
				t.Fatalf("init: %+v, want ACS-311", r.Error)
			}
			for _, want := range []string{o.URL + "/avaya-ccaas-chat-sdk.wasm", strconv.Itoa(tt.status), tt.mime} {
				if !strings.Contains(r.Error.Message, want) {
					t.Errorf("the error does not name %q: %s", want, r.Error.Message)
				}
			}
		})
	}

	t.Run("INIT-1 wasm answered with the wrong MIME type", func(t *testing.T) {
		wasm, err := os.ReadFile("../../dist/avaya-ccaas-chat-sdk.wasm")
		if err != nil {
			t.Fatal(err)
		}
		o := w.NewOrigin(t)
		o.Intercept(t, func(rw http.ResponseWriter, r *http.Request) bool {
			if !isWasm(r) {
				return false
			}
			rw.Header().Set("Content-Type", "application/octet-stream")
			io.Copy(rw, bytes.NewReader(wasm))
			return true
		})
		b := harness.NewTab(t, "customer")
		b.Open(o.URL + "/t/page.html")
		w.Init(b, harness.NewCustomerID("chat-h"), harness.TokenOptions{}, harness.WarnLevel)
		harness.CreateEngagement(b)
		b.WaitEvent("MESSAGE_ARRIVED", nil)
	})
}

// TestBrowserLacks takes one feature away from the page, as a browser is that never had it.
func TestBrowserLacks(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	const floor = "(needs Chrome "
	// What an old engine does with instructions that it does not know.
	const oldEngine = `for (const name of ["compile", "compileStreaming"]) WebAssembly[name] = async () => { throw new WebAssembly.CompileError("invalid opcode 0xfc") };`
	for _, tt := range []struct{ lacks, script, says string }{
		{"WebAssembly", `delete window.WebAssembly`, "cannot be used: "},
		{"TextEncoder", `delete window.TextEncoder`, "cannot be used: "},
		{"TextDecoder", `delete window.TextDecoder`, "cannot be used: "},
		{"MessageChannel", `delete window.MessageChannel`, "cannot be used: "},
		{"fetch", `delete window.fetch`, "cannot be fetched"},
		{"instructions of the wasm", oldEngine, "cannot be used: invalid opcode 0xfc"},
		{"compileStreaming", `delete WebAssembly.compileStreaming`, ""},
		{"AbortController", `delete window.AbortController`, ""},
		{"streamed answers", `delete Response.prototype.body`, ""},
		{"asynchronous iteration", `Object.defineProperty(window, "Symbol", { value: new Proxy(Symbol, { get: (f, name) => name === "asyncIterator" ? undefined : f[name] }) })`, ""},
	} {
		t.Run("INIT-9 a browser without "+tt.lacks, func(t *testing.T) {
			b := harness.NewTab(t, "customer")
			b.OnNewDocument(tt.script)
			b.Open(w.Origin.URL + "/t/page.html")
			params := w.InitParams(t, harness.NewCustomerID("old"), harness.TokenOptions{})
			if tt.says == "" {
				var name string
				b.JS(&name, `return (await sdk.init(Object.assign({ hostURL: location.origin }, %s))).displayName`, params)
				harness.CreateEngagement(b)
				b.WaitEvent("MESSAGE_ARRIVED", nil)
				return
			}
			for range 2 { // and again
				var r struct {
					Error struct{ Code, Message string }
				}
				b.Eval(&r, `t.init(%s)`, params)
				if r.Error.Code != "ACS-311" || !strings.Contains(r.Error.Message, tt.says) || !strings.Contains(r.Error.Message, floor) && tt.lacks != "fetch" {
					t.Errorf("init: %+v, want ACS-311 and %q", r.Error, tt.says)
				}
			}
			if got := b.Printed.All(); len(got) > 0 {
				t.Errorf("on the console: %q", got)
			}
		})
	}
}
