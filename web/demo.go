package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"openchat/sdk/wire"
	"openchat/web/desk"
	"openchat/web/jwks"
)

// checkDemo refuses what --demo does not go together with. The demo hands its credentials
// to every page that asks, so production's must not be among them; and through a proxy it
// would be reachable from other machines.
func (s *settings) checkDemo(host string) error {
	if err := s.checkDemoHost(host); err != nil {
		return err
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

// checkDemoHost checks --demo-host, and where the demo listens: on loopback, or with --demo-host on
// all addresses. On one address of the network alone the desk could not be reached by loopback.
func (s *settings) checkDemoHost(host string) error {
	s.demoHost = strings.ToLower(s.demoHost)
	switch {
	case s.demoHost == "" && !jwks.IsLoopback(host):
		return fmt.Errorf("--demo listens on loopback only, for its secrets are known to everybody: use --addr 127.0.0.1:8080, leave --demo out and set your own, or let one more name or address in with --demo-host")
	case s.demoHost == "":
		return nil
	case !isHost(s.demoHost):
		return fmt.Errorf("--demo-host %s is no name or address as a browser's address bar has it, without scheme and port, such as 192.168.1.20", s.demoHost)
	case !jwks.IsLoopback(host) && !isUnspecified(host):
		return fmt.Errorf("--demo-host goes with --addr on loopback or on all addresses: use --addr :8080")
	}
	return nil
}

// isHost reports whether a text is a host name or an IP address that a page can be opened under.
func isHost(text string) bool {
	if ip, err := netip.ParseAddr(text); err == nil {
		return !ip.IsUnspecified() && ip.Zone() == ""
	}
	return len(text) <= 253 && hostName.MatchString(text)
}

// hostName is a name as browsers send it: of the letters a to z, digits, hyphens and dots.
var hostName = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)*$`)

// isUnspecified reports whether a host to listen on stands for all addresses.
func isUnspecified(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

// reached is the kind of host name under which a request reached the demo.
type reached int

const (
	elsewhere  reached = iota // under none that the demo answers to
	asDemoHost                // under --demo-host
	asLoopback                // under a loopback name, from this machine
)

// reachedBy returns how a request has reached a demo that --demo-host lets more in to. Whoever is
// elsewhere on the network can send any Host, so that a loopback name counts for connections from this
// machine only; unless it is what --demo-host names, for a container, which does not see who connects.
func reachedBy(r *http.Request, demoHost string) reached {
	host := hostOf(r.Host)
	switch from, _, _ := net.SplitHostPort(r.RemoteAddr); {
	case jwks.IsLoopback(host) && (jwks.IsLoopback(from) || jwks.IsLoopback(demoHost)):
		return asLoopback
	case demoHost != "" && !jwks.IsLoopback(host) && sameHost(host, demoHost):
		return asDemoHost
	}
	return elsewhere
}

// sameHost reports whether two hosts are the same name, or the same address however it is written.
func sameHost(a, b string) bool {
	one, err := netip.ParseAddr(a)
	if err != nil {
		return strings.EqualFold(a, b)
	}
	other, err := netip.ParseAddr(b)
	return err == nil && one == other
}

// onLoopback refuses requests whose Host is not this machine's loopback.
func onLoopback(next http.Handler) http.Handler { return onlyHosts(next, "", false) }

// onlyHosts refuses requests whose Host is neither this machine's loopback nor --demo-host. A page
// of another site whose name's address changes to the demo's (DNS rebinding) would else read the
// demo's credentials as its own origin's. Under --demo-host the desk, which shows every chat, is
// served where --desk-pages (deskThere) asks for it, and the calls of servers, whose credential everybody knows,
// never.
func onlyHosts(next http.Handler, demoHost string, deskThere bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch by := reachedBy(r, demoHost); {
		case by == elsewhere:
			misdirected(w, "This is a demo, which answers to 127.0.0.1, localhost and [::1] only.")
		case by == asDemoHost && (!deskThere && ofDesk(r.URL.Path) || ofServers(r.URL.Path)):
			misdirected(w, "This part of the demo is to be had on its own machine only, at 127.0.0.1, localhost or [::1].")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func misdirected(w http.ResponseWriter, why string) {
	w.Header().Set("Connection", "close")
	http.Error(w, why, http.StatusMisdirectedRequest)
}

// ofDesk reports whether a path is one of the desk's pages or of its API. What its pages share with
// the customer's is not only theirs.
func ofDesk(path string) bool {
	return strings.HasPrefix(path+"/", deskPath) && !strings.HasPrefix(path, deskPath+"shared/") || strings.HasPrefix(path+"/", desk.BasePath+"/")
}

// ofServers reports whether a path is of the calls that a server credential permits.
func ofServers(path string) bool { return strings.HasPrefix(path+"/", wire.BasePath+"/accounts/") }

// hostOf returns the host of a Host header, without its port and brackets.
func hostOf(header string) string {
	if name, _, err := net.SplitHostPort(header); err == nil {
		return strings.ToLower(name)
	}
	return strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(header, "["), "]"))
}

// warnOfDemoHost logs that other machines may come.
func (p *process) warnOfDemoHost() {
	if p.demo && p.demoHost != "" {
		p.log.Warn("the demo lets in who is not on this machine: whoever reaches it gets tokens, and can chat as any customer; stop it when you are done",
			"host", p.demoHost, "addr", p.listener.Addr().String(), "desk", p.deskPages || jwks.IsLoopback(p.demoHost))
	}
}

// printDemoAddresses says where the demo's pages are.
func (p *process) printDemoAddresses(w io.Writer) {
	host, port, _ := net.SplitHostPort(p.listener.Addr().String())
	if isUnspecified(host) {
		host = "127.0.0.1"
	}
	at := url.URL{Scheme: "http", Host: net.JoinHostPort(host, port), Path: "/"}
	fmt.Fprintf(w, "Customer page  %[1]s\nAgent desk     %[1]sdesk\nDocuments      %[1]sdocs\n", at.String())
	if p.demoHost != "" && !jwks.IsLoopback(p.demoHost) {
		at.Host = net.JoinHostPort(p.demoHost, port)
		fmt.Fprintf(w, "From elsewhere %s\n", at.String())
	}
	fmt.Fprintf(w, "Metrics        http://%s/metrics\nA demo: its secrets are known to everybody and not for production. Ctrl-C stops it.\n", p.scraped.Addr())
}
