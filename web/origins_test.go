package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"

	"openchat/sdk/wire"
	"openchat/web/desk"
)

// A list of origins with all hosts below a domain, as pages see it that call the process, open
// streams and desks; and a list that SIGHUP brings.
func TestOriginsBelowADomain(t *testing.T) {
	t.Parallel()
	const shared = "desk-credential-of-all-the-time"
	file := filepath.Join(t.TempDir(), "gateway.env")
	write(t, file, "GATEWAY_ALLOWED_ORIGINS=https://*.example.com, https://Pay.Example.net:443,http://plain.example.net:80,https://*.example.org:8443")
	p := launch(t, built(t), append(twoTenants(t), "--desk-credential", shared, "--environment-file", file)...)
	socket := func(path, protocol, origin string) int {
		t.Helper()
		conn, res, err := websocket.Dial(t.Context(), p.URL+path, &websocket.DialOptions{Subprotocols: []string{protocol}, HTTPHeader: http.Header{"Origin": {origin}}})
		if err != nil {
			if res == nil {
				t.Fatal(err)
			}
			return res.StatusCode
		}
		_ = conn.CloseNow()
		return http.StatusSwitchingProtocols
	}
	ann := p.tokenFor("ann")
	judge := func(may map[string]bool) {
		t.Helper()
		for origin, may := range may {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, p.URL+wire.BasePath+"/sessions", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Origin", origin)
			r.Header.Set("Access-Control-Request-Method", "POST")
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			preflight, upgrade, allowed := http.StatusForbidden, http.StatusForbidden, ""
			if may {
				preflight, upgrade, allowed = http.StatusNoContent, http.StatusSwitchingProtocols, origin
			}
			if got := res.Header.Get("Access-Control-Allow-Origin"); res.StatusCode != preflight || got != allowed || !strings.Contains(res.Header.Get("Vary"), "Origin") {
				t.Errorf("a preflight of %s: %d, allowed is %q", origin, res.StatusCode, got)
			}
			if got := socket(wire.BasePath+"/sessions/"+ann.session.SessionID+"/events", wire.Subprotocol, origin); got != upgrade {
				t.Errorf("a stream of %s: %d", origin, got)
			}
			if got := socket(desk.BasePath+"/events", desk.Subprotocol, origin); got != upgrade {
				t.Errorf("a desk of %s: %d", origin, got)
			}
		}
	}
	judge(map[string]bool{
		"https://shop.example.com": true, "https://a.shop.example.com": true, "HTTPS://Shop.EXAMPLE.com": true, "https://shop.example.com:443": true,
		"https://example.com": false, "https://evilexample.com": false, "https://shop.example.com.evil.example": false, "http://shop.example.com": false, "https://shop.example.com:8443": false,
		"https://.example.com": false, "https://*.example.com": false, "https://a..example.com": false, "https://evil.example/.example.com": false, "null": false,
		"https://pay.example.net": true, "https://a.pay.example.net": false, "http://plain.example.net": true, "http://plain.example.net:443": false,
		"https://a.example.org:8443": true, "https://a.example.org": false,
	})
	write(t, file, "GATEWAY_ALLOWED_ORIGINS=https://*.com")
	p.hangup("--allowed-origins https://*.com is not possible")
	judge(map[string]bool{"https://shop.example.com": true, "https://shop.com": false})

	write(t, file, "GATEWAY_ALLOWED_ORIGINS=https://*.shop.example.com")
	held := p.deskSocket(shared, "https://a.shop.example.com")
	withdrawn := p.deskSocket(shared, "https://b.example.com")
	p.hangup("settings read again")
	withdrawn.closed(wire.CloseGoingAway, "the page's origin is not allowed any more")
	held.runs("a host that is below both domains")
	judge(map[string]bool{"https://a.shop.example.com": true, "https://shop.example.com": false, "https://pay.example.net": false})
	p.terminate(syscall.SIGTERM)
}

// A proxy may name the scheme's own port in Host; a browser never does in Origin.
func TestThePagesOfTheGatewaysOwnOriginMayCallWhateverItsPort(t *testing.T) {
	t.Parallel()
	p := launch(t, built(t), append(twoTenants(t), "--desk-credential", "desk-credential-of-all-the-time")...)
	for host, status := range map[string]int{"chat.example.com:443": http.StatusNoContent, "CHAT.example.com": http.StatusNoContent, "chat.example.com:8443": http.StatusForbidden, "example.com": http.StatusForbidden} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, p.URL+wire.BasePath+"/sessions", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		r.Header.Set("Origin", "https://chat.example.com")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != status {
			t.Errorf("Host %s: %d", host, res.StatusCode)
		}
	}
	p.terminate(syscall.SIGTERM)
}
