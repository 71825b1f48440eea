package main

import (
	"fmt"
	"net"
	"net/http"
	"strings"

	"openchat/web/jwks"
)

// checkDemo refuses what --demo does not go together with. The demo hands its credentials
// to every page that asks, so production's must not be among them; and through a proxy it
// would be reachable from other machines.
func (s *settings) checkDemo(host string) error {
	if !jwks.IsLoopback(host) {
		return fmt.Errorf("--demo listens on loopback only, for its secrets are known to everybody: use --addr 127.0.0.1:8080, or leave --demo out and set your own")
	}
	if s.behindProxy {
		return fmt.Errorf("--demo and --behind-proxy do not go together: the demo's secrets are known to everybody, and through a proxy others could reach it; leave one of them out")
	}
	for _, secret := range []struct {
		flag  string
		given bool
	}{
		{"tenant", len(s.tenants) > 0},
		{"appkey", s.appkey != ""},
		{"jwt-public-key", len(s.publicKeys) > 0},
		{"jwks", len(s.jwks) > 0},
		{"jwt-private-key", s.privateKey != ""},
		{"server-credential", len(s.serverCredential) > 0},
		{"desk-credential", len(s.deskCredential) > 0},
		{"agents", s.agents != ""},
		{"desk-oidc-issuer", s.deskIssuer != ""},
	} {
		if secret.given {
			return fmt.Errorf("--demo and --%s do not go together: the demo has secrets of its own, which it hands to everybody on this machine; leave one of them out", secret.flag)
		}
	}
	return nil
}

// onLoopback refuses requests whose Host is not this machine's loopback. A page of another
// site whose name's address changes to 127.0.0.1 (DNS rebinding) would else read the demo's
// credentials as its own origin's.
func onLoopback(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !loopbackHost(r.Host) {
			w.Header().Set("Connection", "close")
			http.Error(w, "This is a demo, which answers to 127.0.0.1, localhost and [::1] only.", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// loopbackHost reports whether a Host header, with or without a port, names the loopback.
func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return jwks.IsLoopback(strings.ToLower(name))
	}
	return jwks.IsLoopback(strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")))
}
