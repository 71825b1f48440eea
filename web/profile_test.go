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
	profile := func(name string) string {
		t.Helper()
		r, err := http.Get("http://" + found[1] + "/debug/pprof/" + name + "?debug=1")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if text := profile("heap"); !strings.Contains(text, "# HeapAlloc = ") {
		t.Errorf("heap: %s", text)
	}
	if status, _ := p.call(http.MethodGet, "/readyz", ""); status != http.StatusOK { // it waits for a write to the disk
		t.Fatalf("/readyz: %d", status)
	}
	if text := profile("block"); !strings.Contains(text, " @ ") {
		t.Errorf("block has nothing: %s", text)
	}
	if text := profile("mutex"); !regexp.MustCompile(`sampling period=[1-9]`).MatchString(text) {
		t.Errorf("mutex samples nothing: %s", text)
	}
	if status, _ := p.call(http.MethodGet, "/debug/pprof/heap", ""); status != http.StatusNotFound {
		t.Errorf("customers are answered %d", status)
	}
}
