package browser

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestWasmDoesNotCome answers the wasm as misconfigured servers do.
func TestWasmDoesNotCome(t *testing.T) {
	w := shared(t)
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
			o := w.newOrigin(t)
			o.answer(t, func(rw http.ResponseWriter, r *http.Request) bool {
				if !isWasm(r) {
					return false
				}
				rw.Header().Set("Content-Type", tt.mime)
				rw.WriteHeader(tt.status)
				io.WriteString(rw, tt.body)
				return true
			})
			b := newTab(t, "customer")
			b.allow(`Failed to load resource|integrity`) // the browser's own words
			b.open(o.url + "/t/page.html")
			var r struct {
				Error *struct{ Code, Message, Text string }
			}
			b.eval(&r, `t.init(%s)`, w.params(t, fresh("journey-h"), tokenOptions{}))
			if r.Error == nil || r.Error.Code != "ACS-311" {
				t.Fatalf("init: %+v, want ACS-311", r.Error)
			}
			for _, want := range []string{o.url + "/avaya-ccaas-chat-sdk.wasm", strconv.Itoa(tt.status), tt.mime} {
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
		o := w.newOrigin(t)
		o.answer(t, func(rw http.ResponseWriter, r *http.Request) bool {
			if !isWasm(r) {
				return false
			}
			rw.Header().Set("Content-Type", "application/octet-stream")
			io.Copy(rw, bytes.NewReader(wasm))
			return true
		})
		b := newTab(t, "customer")
		b.open(o.url + "/t/page.html")
		w.initPage(b, fresh("journey-h"), tokenOptions{})
		createChat(b)
		b.waitEvent("MESSAGE_ARRIVED", nil)
	})
}
