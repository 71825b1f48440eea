package httpapi

import (
	"net/http"
	"testing"
)

func TestAddress(t *testing.T) {
	for _, x := range []struct {
		remote    string
		forwarded []string
		behind    bool
		want      string
	}{
		{"192.0.2.1:1234", nil, false, "192.0.2.1"},
		{"192.0.2.1:1234", []string{"198.51.100.1"}, false, "192.0.2.1"},
		{"192.0.2.1:1234", nil, true, "192.0.2.1"}, // past the proxy
		{"192.0.2.1:1234", []string{"198.51.100.1"}, true, "198.51.100.1"},
		{"192.0.2.1:1234", []string{"10.0.0.1, 198.51.100.1"}, true, "198.51.100.1"},
		{"192.0.2.1:1234", []string{"10.0.0.1", "198.51.100.1"}, true, "198.51.100.1"},
		{"192.0.2.1:1234", []string{"198.51.100.1:443"}, true, "198.51.100.1"},
		{"192.0.2.1:1234", []string{"x"}, true, "unknown"},
		{"192.0.2.1:1234", []string{""}, true, "unknown"},
		{"[::ffff:192.0.2.1]:1234", nil, false, "192.0.2.1"},
		{"[2001:db8:1:2:3:4:5:6]:1234", nil, false, "2001:db8:1:2::/64"},
		{"[fe80::1%eth0]:1234", nil, false, "fe80::/64"},
		{"192.0.2.1:1234", []string{"[2001:db8:1:2:3::]"}, true, "2001:db8:1:2::/64"},
		{"@", nil, false, "unknown"},
	} {
		r := &http.Request{RemoteAddr: x.remote, Header: http.Header{"X-Forwarded-For": x.forwarded}}
		if got := Address(r, x.behind); got != x.want {
			t.Errorf("%s, %q, behind a proxy: %v: %s, not %s", x.remote, x.forwarded, x.behind, got, x.want)
		}
	}
}
