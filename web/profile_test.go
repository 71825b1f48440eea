package main

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// Profiles are for who asked for them, and not where customers are.
func TestProfiles(t *testing.T) {
	p := launch(t, built(t), "--demo", "--dist", "", "--addr", "127.0.0.1:0", "--data", t.TempDir(), "--profile-addr", "127.0.0.1:0")
	found := regexp.MustCompile(`"serving profiles" addr=(\S+)`).FindStringSubmatch(p.Log.String())
	if found == nil {
		t.Fatalf("it does not say where: %s", p.Log.String())
	}
	r, err := http.Get("http://" + found[1] + "/debug/pprof/heap?debug=1")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if text, err := io.ReadAll(r.Body); err != nil || !strings.Contains(string(text), "# HeapAlloc = ") {
		t.Errorf("%v: %s", err, text)
	}
	if status, _ := p.call(http.MethodGet, "/debug/pprof/heap", ""); status != http.StatusNotFound {
		t.Errorf("customers are answered %d", status)
	}
}
