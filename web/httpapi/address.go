package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Address names where a request comes from, for counting: an IPv4 address, or the
// /64 network of an IPv6 one, which is the least that anybody is given. With
// behindProxy it is what the proxy in front has appended to X-Forwarded-For; the
// client may have made up what comes before that. Without behindProxy the header is ignored.
func Address(r *http.Request, behindProxy bool) string {
	from := r.RemoteAddr
	if host, _, err := net.SplitHostPort(from); err == nil {
		from = host
	}
	if behindProxy {
		if list := r.Header.Values("X-Forwarded-For"); len(list) > 0 {
			last := list[len(list)-1]
			from = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
			if host, _, err := net.SplitHostPort(from); err == nil {
				from = host // some proxies add the port
			}
		}
	}
	ip, err := netip.ParseAddr(strings.Trim(from, "[]"))
	if err != nil {
		return "unknown" // all of them together
	}
	if ip = ip.Unmap().WithZone(""); ip.Is6() {
		network, _ := ip.Prefix(64)
		return network.String()
	}
	return ip.String()
}
