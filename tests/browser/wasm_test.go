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
