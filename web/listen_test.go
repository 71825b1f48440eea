package main

import (
	"errors"
	"net"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"openchat/sdk/wire"
	"openchat/tests/harness"
	"openchat/web/desk"
)

// silent opens an event stream that says nothing, and returns the answer's status.
func silent(t *testing.T, url, subprotocol string) int {
	t.Helper()
	conn, answer, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: []string{subprotocol}})
	if err == nil {
		t.Cleanup(func() { _ = conn.CloseNow() })
	}
	if answer == nil {
		t.Fatal(err)
	}
	return answer.StatusCode
}

// Desks on a listener of their own, in the real process: strangers who hold all that the
// customers' listener leaves to them keep no desk out, and SIGTERM drains both.
func TestDeskAddr(t *testing.T) {
	const secret = "secret-of-the-only-desk"
	p := launch(t, built(t), append(twoTenants(t), "--desk-credential", secret, "--desk-addr", "127.0.0.1:0", "--drain-delay", "3s")...)
	p.logged("Desks at http://")
	address := regexp.MustCompile(`Desks at (http://[^/\s]+)/`).FindStringSubmatch(p.Log.String())
	if address == nil || address[1] == p.URL {
		t.Fatalf("the desks' address is not printed: %s", p.Log.String())
	}
	customers, desks := p, &running{t, &harness.Process{URL: address[1]}}
	status := func(at *running, path string, want int) {
		t.Helper()
		if got, b := at.call("GET", path, "", "Authorization", "Bearer "+secret); got != want {
			t.Errorf("%s at %s answers %d %s, want %d", path, at.URL, got, b, want)
		}
	}
	for _, path := range []string{"/livez", "/readyz", "/healthz"} {
		status(customers, path, http.StatusOK)
		status(desks, path, http.StatusOK)
	}
	status(customers, desk.BasePath+"/engagements", http.StatusNotFound)
	status(customers, desk.BasePath+"/me", http.StatusNotFound)
	status(desks, desk.BasePath+"/engagements", http.StatusOK)
	status(desks, wire.BasePath+"/engagements", http.StatusNotFound)
	status(desks, "/", http.StatusNotFound)

	id := customers.begin("Cleo")
	for range 150 { // one address may have 100 desks that have not authenticated
		if got := silent(t, customers.URL+desk.BasePath+"/events", desk.Subprotocol); got != http.StatusNotFound {
			t.Fatalf("the customers' listener answers a desk's socket with %d", got)
		}
	}
	full := false
	for late := time.Now().Add(limit); !full && time.Now().Before(late); {
		full = silent(t, customers.URL+wire.BasePath+"/sessions/"+uuid.NewString()+"/events", wire.Subprotocol) == http.StatusTooManyRequests
	}
	if !full {
		t.Fatal("the customers' listener takes any number of silent streams")
	}
	desks.shown(secret, id)

	conn, _, err := websocket.Dial(t.Context(), desks.URL+desk.BasePath+"/events", &websocket.DialOptions{Subprotocols: []string{desk.Subprotocol}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"authenticate","credential":"`+secret+`"}`)); err != nil {
		t.Fatal(err)
	}
	if _, b, err := conn.Read(t.Context()); err != nil || !strings.Contains(string(b), id) {
		t.Fatalf("the desk reads %s, %v", b, err)
	}
	p.Signal(syscall.SIGTERM)
	p.logged("not ready any more")
	for _, at := range []*running{customers, desks} {
		status(at, "/livez", http.StatusOK)
		status(at, "/readyz", http.StatusServiceUnavailable)
	}
	status(desks, desk.BasePath+"/engagements/"+id, http.StatusOK)
	for err == nil {
		_, _, err = conn.Read(t.Context())
	}
	var end websocket.CloseError
	if !errors.As(err, &end) || end.Code != wire.CloseGoingAway {
		t.Errorf("the desk's socket ends with %v, want code %d", err, wire.CloseGoingAway)
	}
	p.ended(stopWithin)
}

// Connections that say nothing leave the process its file descriptors, and room on both
// listeners. They would end by themselves after ten seconds.
func TestSilentConnections(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no ulimit")
	}
	const secret = "secret-of-the-only-desk"
	p := launch(t, "/bin/sh", append([]string{"-c", `ulimit -n 256 && exec "$0" "$@"`, built(t), "--desk-credential", secret, "--desk-addr", "127.0.0.1:0"}, twoTenants(t)...)...)
	p.logged("Desks at http://")
	desks := &running{t, &harness.Process{URL: regexp.MustCompile(`Desks at (http://[^/\s]+)/`).FindStringSubmatch(p.Log.String())[1]}}
	begun := time.Now()
	for range 400 {
		for _, url := range []string{p.URL, desks.URL} {
			conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
	}
	desks.shown(secret, p.begin("Cleo"))
	if took := time.Since(begun); took > 8*time.Second {
		t.Errorf("a chat and a desk took %v", took)
	}
}

// Who has a call or a stream is not cut for others, and who is quiet for longest is first.
func TestShares(t *testing.T) {
	for _, x := range []struct {
		nofile          int
		desks           bool
		customers, desk int
	}{{20000, false, 18976, 0}, {20000, true, 16604, 2372}, {1024, false, 768, 0}, {256, true, 168, 24}, {10, false, 16, 0}} {
		if customers, desk := shares(x.nofile, x.desks); customers != x.customers || desk != x.desk {
			t.Errorf("of %d: %d and %d, want %d and %d", x.nofile, customers, desk, x.customers, x.desk)
		}
	}
	all := newConnections(2)
	first, second, third, fourth := &connection{of: all}, &connection{of: all}, &connection{of: all}, &connection{of: all}
	if all.add(first) != nil || all.add(second) != nil {
		t.Fatal("one is cut too early")
	}
	all.changed(first, http.StateActive)
	if cut := all.add(third); cut != second {
		t.Error("not the one that is quiet is cut")
	}
	all.changed(third, http.StateHijacked)
	if cut := all.add(fourth); cut != fourth {
		t.Error("one with a call or a stream is cut")
	}
	all.changed(first, http.StateIdle)
	if cut := all.add(fourth); cut != first {
		t.Error("one that has had its call is not cut")
	}
}

// What cannot be listened on is said with the option that names it, and nothing stays open.
func TestDeskAddrInUse(t *testing.T) {
	p := launch(t, built(t), append(twoTenants(t), "--desk-credential", "secret-of-the-only-desk", "--desk-addr", "127.0.0.1:0")...)
	fails(t, exitFailed, []string{"cannot listen on", "--desk-addr"}, append(twoTenants(t), "--desk-credential", "secret-of-the-only-desk", "--desk-addr", strings.TrimPrefix(p.URL, "http://"))...)
	p.terminate(syscall.SIGTERM)
}
