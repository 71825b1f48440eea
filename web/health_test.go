package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
)

func TestHealthCommandAsksTheRunningGateway(t *testing.T) {
	p := launchDemo(t, t.TempDir(), "127.0.0.1:0", "--drain-delay", "10m")
	at := []string{"--addr", strings.TrimPrefix(p.URL, "http://")}
	ask := func(code int, says string, args ...string) {
		t.Helper()
		if out, complaint, got := p.command(append([]string{"health"}, args...)...); got != code || !strings.Contains(out+complaint, says) || strings.Count(out+complaint, "\n") != 1 {
			t.Errorf("%q: exit code %d, %q, want %d and %q", args, got, out+complaint, code, says)
		}
	}
	ask(0, "ok", at...)
	ask(0, "ok", append([]string{"ready"}, at...)...)
	ask(0, "ok", "--url", p.URL+"/")
	ask(exitMisused, "--url", "--url", "127.0.0.1")
	ask(exitMisused, "flag", "--no-such-flag")
	ask(exitMisused, "unexpected", append(at, "alive")...)

	p.Signal(syscall.SIGTERM)
	if err := p.Log.Await(t.Context(), "not ready any more"); err != nil {
		t.Fatal(err)
	}
	ask(0, "ok", at...)
	ask(exitFailed, "503", append([]string{"ready"}, at...)...)
	p.Kill()
	ask(exitFailed, "no answer", at...)
}

func TestHealthCommandGivesUpOnAServerThatDoesNotAnswer(t *testing.T) {
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	defer server.Close()
	defer close(over)
	at := env("GATEWAY_ADDR", strings.TrimPrefix(server.URL, "http://"))
	if code, err := askHealth(t.Context(), nil, at, nil); code != exitFailed || err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("exit code %d, %v", code, err)
	}
}
