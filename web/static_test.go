package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/andybalholm/brotli"
)

// build writes a folder like the one that the build makes.
func build(t *testing.T, dir, salt string) {
	t.Helper()
	for _, name := range distFiles {
		raw := []byte(strings.Repeat(name+salt+" ", 500))
		var br, gz bytes.Buffer
		b := brotli.NewWriter(&br)
		g := gzip.NewWriter(&gz)
		for _, w := range []io.WriteCloser{b, g} {
			if _, err := w.Write(raw); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
		for suffix, content := range map[string][]byte{"": raw, ".br": br.Bytes(), ".gz": gz.Bytes()} {
			if err := os.WriteFile(filepath.Join(dir, name+suffix), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func ask(t *testing.T, h http.Handler, method, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func content(t *testing.T, res *http.Response) string {
	t.Helper()
	var r io.Reader = res.Body
	switch res.Header.Get("Content-Encoding") {
	case "br":
		r = brotli.NewReader(r)
	case "gzip":
		g, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = g
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestDist(t *testing.T) {
	dir := t.TempDir()
	build(t, dir, "")
	var logged bytes.Buffer
	d, err := newDist(dir, slog.New(slog.NewTextHandler(&logged, nil)))
	if err != nil {
		t.Fatal(err)
	}
	const script, wasm = "/avaya-ccaas-chat-sdk.js", "/avaya-ccaas-chat-sdk.wasm"
	raw := strings.Repeat("avaya-ccaas-chat-sdk.wasm ", 500)

	for accept, coding := range map[string]string{
		"":                          "",
		"gzip, deflate, br, zstd":   "br",
		"gzip, deflate":             "gzip",
		"br;q=0, gzip;q=0.5":        "gzip",
		"br; q=0.1, gzip":           "br",
		"gzip;q=0":                  "",
		"brotli, xgzip, identity":   "",
		"BR":                        "br",
		"br;q=0.000, gzip; q=0.000": "",
	} {
		res := ask(t, d, "GET", wasm, "Accept-Encoding", accept)
		if res.StatusCode != 200 || res.Header.Get("Content-Encoding") != coding || content(t, res) != raw {
			t.Errorf("Accept-Encoding %q answered %d in %q", accept, res.StatusCode, res.Header.Get("Content-Encoding"))
		}
		for name, value := range map[string]string{
			"Content-Type": "application/wasm", "Vary": "Accept-Encoding", "Cache-Control": "no-cache",
			"X-Content-Type-Options": "nosniff", "Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin",
		} {
			if got := res.Header.Get(name); got != value {
				t.Errorf("%s is %q, want %q", name, got, value)
			}
		}
		if res.ContentLength == 0 {
			t.Errorf("%q: no length", accept)
		}
		tag := res.Header.Get("ETag")
		again := ask(t, d, "GET", wasm, "Accept-Encoding", accept, "If-None-Match", `"other", W/`+tag)
		if b := content(t, &http.Response{Body: again.Body, Header: http.Header{}}); again.StatusCode != 304 || again.Header.Get("ETag") != tag || again.Header.Get("Vary") == "" || b != "" {
			t.Errorf("%q: the second time it answered %d with %d bytes", accept, again.StatusCode, len(b))
		}
	}
	keeping := func(query string) string { return ask(t, d, "GET", wasm+query).Header.Get("Cache-Control") }
	if got := keeping("?v=1.2.3-abc"); got != "no-cache" {
		t.Errorf("of a folder that does not say its build: %s", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "build-info.json"), []byte(`{"build": "1.2.3-abc"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"?v=1.2.3-abc": "public, max-age=31536000, immutable", "?v=1.2.3-ab": "no-cache", "?v=": "no-cache", "": "no-cache",
	} {
		if got := keeping(query); got != want {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
	}
	tags := map[string]bool{}
	for _, accept := range []string{"", "br", "gzip"} {
		tags[ask(t, d, "GET", wasm, "Accept-Encoding", accept).Header.Get("ETag")] = true
	}
	if len(tags) != 3 {
		t.Errorf("the codings share a tag: %v", tags)
	}

	res := ask(t, d, "GET", wasm, "Accept-Encoding", "br", "Range", "bytes=6-10")
	if res.StatusCode != 206 || res.Header.Get("Content-Encoding") != "" || content(t, res) != raw[6:11] {
		t.Errorf("a range answered %d in %q", res.StatusCode, res.Header.Get("Content-Encoding"))
	}
	res = ask(t, d, "HEAD", wasm, "Accept-Encoding", "br")
	if res.StatusCode != 200 || res.Header.Get("Content-Length") == "" || content(t, &http.Response{Body: res.Body, Header: http.Header{}}) != "" {
		t.Errorf("HEAD answered %d, length %q", res.StatusCode, res.Header.Get("Content-Length"))
	}
	if res = ask(t, d, "POST", wasm); res.StatusCode != 405 || res.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST answered %d", res.StatusCode)
	}
	if got := ask(t, d, "GET", script).Header.Get("Content-Type"); got != "text/javascript; charset=utf-8" {
		t.Errorf("the script is %s", got)
	}

	// Built anew: at once, with other tags. Packed files of another build: not used.
	tag := ask(t, d, "GET", wasm).Header.Get("ETag")
	build(t, dir, " anew")
	res = ask(t, d, "GET", wasm, "Accept-Encoding", "br")
	if got := content(t, res); !strings.Contains(got, "anew") || res.Header.Get("ETag") == tag {
		t.Error("the new build is not served")
	}
	if logged.Len() != 0 {
		t.Errorf("it complained: %s", &logged)
	}
	if err := os.WriteFile(filepath.Join(dir, filepath.Base(wasm)), []byte("without its packed files"), 0o600); err != nil {
		t.Fatal(err)
	}
	res = ask(t, d, "GET", wasm, "Accept-Encoding", "br, gzip")
	if res.Header.Get("Content-Encoding") != "" || content(t, res) != "without its packed files" || !strings.Contains(logged.String(), "make build") {
		t.Error("another build's packed file was served, or nothing was said")
	}

	if err := os.Remove(filepath.Join(dir, filepath.Base(script))); err != nil {
		t.Fatal(err)
	}
	if res = ask(t, d, "GET", script); res.StatusCode != 404 || !strings.Contains(content(t, res), "make build") {
		t.Errorf("a removed file answered %d", res.StatusCode)
	}
	if _, err := newDist(dir, slog.Default()); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("an incomplete folder: %v", err)
	}
}

func TestPages(t *testing.T) {
	h, err := pageFiles(fstest.MapFS{
		"index.html":      {Data: []byte("customer")},
		"customer/a.js":   {Data: []byte("script")},
		"desk/index.html": {Data: []byte("desk")},
		"demo.go":         {Data: []byte("package demo")},
	}, func(string) headers { return pageHeaders })
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/": "customer", "/index.html": "customer", "/desk/": "desk", "/desk/index.html": "desk", "/customer/a.js": "script",
	} {
		res := ask(t, h, "GET", path)
		if got := content(t, res); res.StatusCode != 200 || got != want {
			t.Errorf("%s answered %d %q", path, res.StatusCode, got)
		}
		if again := ask(t, h, "GET", path, "If-None-Match", res.Header.Get("ETag")); again.StatusCode != 304 {
			t.Errorf("%s answered %d the second time", path, again.StatusCode)
		}
	}
	for path, status := range map[string]int{"/demo.go": 404, "/customer": 404, "/customer/": 404, "/nothing": 404} {
		if res := ask(t, h, "GET", path); res.StatusCode != status {
			t.Errorf("%s answered %d", path, res.StatusCode)
		}
	}
	for path, to := range map[string]string{"/desk": "desk/", "/desk?name=Bo&x=%3F": "desk/?name=Bo&x=%3F"} {
		if res := ask(t, h, "GET", path); res.StatusCode != 308 || res.Header.Get("Location") != to {
			t.Errorf("%s answered %d and leads to %q, want %q", path, res.StatusCode, res.Header.Get("Location"), to)
		}
	}
	if res := ask(t, h, "POST", "/"); res.StatusCode != 405 {
		t.Errorf("POST answered %d", res.StatusCode)
	}
	res := ask(t, h, "GET", "/")
	const csp = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'; require-trusted-types-for 'script'; trusted-types 'none'"
	for name, value := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": csp, "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "no-referrer", "Cache-Control": "no-cache",
	} {
		if got := res.Header.Get(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
}

// The real folder: what it holds is what can be served, and the desk needs nothing outside its own.
func TestDemoPages(t *testing.T) {
	h, err := pageHandler()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/desk/"} {
		if res := ask(t, h, "GET", path); res.StatusCode != 200 || !strings.Contains(content(t, res), "<!DOCTYPE html>") {
			t.Errorf("%s answered %d", path, res.StatusCode)
		}
	}
	if res := ask(t, h, "GET", "/pages.go"); res.StatusCode != 404 {
		t.Errorf("/pages.go answered %d", res.StatusCode)
	}
	for _, path := range []string{"/desk/", "/desk", "/desk/desk.js", "/desk/nothing"} {
		policy := ask(t, h, "GET", path).Header.Get("Content-Security-Policy")
		if policy != deskHeaders["Content-Security-Policy"] || strings.Contains(policy, "unsafe") {
			t.Errorf("the policy of %s is %s", path, policy)
		}
	}
}
