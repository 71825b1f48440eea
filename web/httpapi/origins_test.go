package httpapi

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The log says which pages' origins are refused: each once, then a count a minute. A client that
// sends thousands of them, or what is no origin, cannot fill the log.
func TestRefusedOriginsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &bytes.Buffer{}
		logger := slog.New(slog.NewTextHandler(log, nil))
		s := &Server{Log: logger, Drain: NewDrain(), Origins: NewOrigins([]string{"https://good.example"}), Refused: NewOriginNotices(logger, "tests")}
		defer s.Refused.Close()
		answers := s.CORS(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
		call := func(origin string) int {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://host/", nil)
			if origin != "" {
				r.Header.Set("Origin", origin)
			}
			w := httptest.NewRecorder()
			answers.ServeHTTP(w, r)
			return w.Code
		}
		lines := func() []string {
			synctest.Wait()
			text := strings.TrimSpace(log.String())
			log.Reset()
			if text == "" {
				return nil
			}
			return strings.Split(text, "\n")
		}
		for _, good := range []string{"", "https://good.example", "http://host"} {
			if status := call(good); status != http.StatusNoContent {
				t.Errorf("%q: %d", good, status)
			}
		}
		if got := lines(); got != nil {
			t.Errorf("about pages that may call: %q", got)
		}
		for range 1000 {
			if status := call("https://Shop.example"); status != http.StatusForbidden {
				t.Fatalf("refused with %d", status)
			}
		}
		if got := lines(); len(got) != 1 || !strings.Contains(got[0], `"a page was refused whose origin is not allowed to call tests" origin=https://shop.example times=1`) {
			t.Errorf("a thousand times: %q", got)
		}
		time.Sleep(time.Minute)
		if got := lines(); len(got) != 1 || !strings.Contains(got[0], "times=999") {
			t.Errorf("after a minute: %q", got)
		}
		time.Sleep(2 * time.Minute)
		lines()
		call("null")
		for i := range 1000 {
			call(fmt.Sprintf("not an origin %d", i))
			call("https://" + strings.Repeat("x", maxShownOrigin) + fmt.Sprint(i))
		}
		if got := lines(); len(got) != 2 || !strings.Contains(got[0], "origin=null") || !strings.Contains(got[1], `origin="no origin"`) {
			t.Errorf("what is no origin: %q", got)
		}
		for i := range 1000 {
			call(fmt.Sprintf("https://page-%d.example", i))
		}
		if got := lines(); len(got) != maxOriginLines-2 {
			t.Errorf("of a thousand origins %d lines", len(got))
		}
		time.Sleep(time.Minute)
		if got := lines(); len(got) != 2 || !strings.Contains(strings.Join(got, ""), fmt.Sprint("times=", 1000-(maxOriginLines-2))) {
			t.Errorf("after a minute: %q", got)
		}
	})
}

// FuzzOrigins holds a list of two entries to what browsers say of origins.
func FuzzOrigins(f *testing.F) {
	for _, text := range []string{
		"https://*.example.com", "https://a.example.com", "https://a.b.example.com:443", "https://example.com", "https://evilexample.com", "https://.example.com", "https://a..example.com",
		"http://a.example.com", "https://a.example.com:8443", "HTTPS://A.Example.COM", "https://*.example.com:444", "https://user@a.example.com", "https://a.example.com/", "https://[::1]:443",
		"https://[::1", "https://*", "https://*.com", "https://a.*.com", "https://*.0.0.1", "null", "*", "", "https://a.example.com:", "https://a.example.com:0443", "https://bücher.example.com", "https://x/.example.com",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list := NewOrigins([]string{"https://*.example.com"})
		if list.Has(text) {
			u, err := url.Parse(text)
			if err != nil || u.Scheme != "https" || u.User != nil || u.Path != "" || u.Port() != "" && strings.TrimLeft(u.Port(), "0") != "443" ||
				!strings.HasSuffix(strings.ToLower(u.Hostname()), ".example.com") || len(u.Hostname()) <= len(".example.com") || strings.Contains(text, "*") {
				t.Fatalf("%q may call", text)
			}
		}
		if CheckOrigin(text) != nil {
			return
		}
		// What a list may hold is what it has, in any case, and no other port.
		list.Set([]string{text})
		page := strings.Replace(text, "*", "x.y", 1)
		if !list.Has(page) || !list.Has(strings.ToUpper(page)) || strings.Contains(text, "*") == list.Has(text) || list.Has(page+"x:1") || list.Has("https://other.example") && !strings.Contains(strings.ToLower(text), "example") {
			t.Fatalf("a list of %q has %q: %v", text, page, list.Has(page))
		}
	})
}
