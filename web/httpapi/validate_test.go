package httpapi_test

import (
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"openchat/sdk/wire"
	"openchat/web/desk"
	"openchat/web/gateway"
	"openchat/web/httpapi"
	"openchat/web/store"
)

// Each value at its bounds; lengths of texts are in UTF-16 code units, of which 😀 is two.
func TestRequestValues(t *testing.T) {
	long := func(n int) string { return strings.Repeat("é", n) }
	many := func(n int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[string(rune('a'+i))] = ""
		}
		return m
	}
	staff := func(name string) error { _, err := httpapi.StaffName("f", name); return err }
	for _, x := range []struct {
		name string
		err  error
		code int // of the violation; 0: taken
	}{
		{"a UUID", httpapi.UUID("f", integration), 0},
		{"no UUID", httpapi.UUID("f", integration[1:]), wire.ViolationPattern},
		{"no id", httpapi.UUID("f", ""), wire.ViolationNull},
		{"no correlationId", httpapi.CorrelationID(""), 0},
		{"the longest correlationId", httpapi.CorrelationID(long(wire.MaxCorrelationID / 2)), 0},
		{"a longer correlationId", httpapi.CorrelationID(long(wire.MaxCorrelationID/2) + "x"), wire.ViolationLength},
		{"no text", httpapi.Text("f", ""), wire.ViolationNull},
		{"the longest text", httpapi.Text("f", strings.Repeat("😀", wire.MaxText/2)), 0},
		{"a longer text", httpapi.Text("f", strings.Repeat("😀", wire.MaxText/2)+"x"), wire.ViolationLength},
		{"no name", httpapi.DisplayName("f", ""), 0},
		{"the longest name", httpapi.DisplayName("f", long(wire.MaxDisplayName)), 0},
		{"a longer name", httpapi.DisplayName("f", long(wire.MaxDisplayName+1)), wire.ViolationLength},
		{"an agent without a name", staff(" "), wire.ViolationNull},
		{"the longest name of an agent", staff(" " + long(wire.MaxDisplayName) + " "), 0},
		{"a longer name of an agent", staff(long(wire.MaxDisplayName + 1)), wire.ViolationLength},
		{"an agent's name with a control character", staff("a\u0007"), wire.ViolationPattern},
		{"no parameters", httpapi.Parameters("f", nil), 0},
		{"the most parameters", httpapi.Parameters("f", many(wire.MaxParameters)), 0},
		{"more parameters", httpapi.Parameters("f", many(wire.MaxParameters+1)), wire.ViolationLength},
		{"the longest parameter", httpapi.Parameters("f", map[string]string{long(wire.MaxParameterKey): long(wire.MaxParameterValue)}), 0},
		{"an empty key", httpapi.Parameters("f", map[string]string{"": ""}), wire.ViolationLength},
		{"a longer key", httpapi.Parameters("f", map[string]string{long(wire.MaxParameterKey + 1): ""}), wire.ViolationLength},
		{"a longer value", httpapi.Parameters("f", map[string]string{"k": long(wire.MaxParameterValue + 1)}), wire.ViolationLength},
	} {
		var p *httpapi.Problem
		switch {
		case x.code == 0 && x.err != nil:
			t.Errorf("%s is refused: %v", x.name, x.err)
		case x.code != 0 && (!errors.As(x.err, &p) || p.Status != http.StatusBadRequest || len(p.Violations) != 1 || p.Violations[0].Code != x.code):
			t.Errorf("%s: %v", x.name, x.err)
		}
	}
}

func TestPageQuery(t *testing.T) {
	for query, want := range map[string]store.Query{
		"":                           {Size: wire.DefaultPageSize},
		"pageSize=1":                 {Size: 1},
		"pageSize=50&before=7":       {Size: 50, Before: 7},
		"after=7":                    {Size: wire.DefaultPageSize, After: 7},
		"after=0&pageSize=3":         {Size: 3, Before: 4}, // the oldest
		"before=9223372036854775807": {Size: wire.DefaultPageSize, Before: math.MaxInt64},
	} {
		values, _ := url.ParseQuery(query)
		if q, err := httpapi.Page(values); err != nil || q != want {
			t.Errorf("%s: %+v, %v", query, q, err)
		}
	}
	for query, field := range map[string]string{
		"pageSize=0": "pageSize", "pageSize=51": "pageSize", "pageSize=x": "pageSize", "before=0": "before", "before=-1": "before", "after=-1": "after",
		"before=9223372036854775808": "before", "before=1&after=1": "after", "before=1&after=0": "after",
	} {
		values, _ := url.ParseQuery(query)
		var p *httpapi.Problem
		if _, err := httpapi.Page(values); !errors.As(err, &p) || !p.Has(field) {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// Both servers take the same settings, and those are what the checks take.
func TestSettingsOfBoth(t *testing.T) {
	signer, err := gateway.NewSigner(gateway.SignerConfig{Secret: []byte(strings.Repeat("x", gateway.MinSecret)), Issuer: "i", Audience: "a"})
	if err != nil {
		t.Fatal(err)
	}
	st, _, _ := openStore(t)
	log := slog.New(slog.DiscardHandler)
	try := func(what string, want error, heartbeat time.Duration, origin, secret string) {
		t.Helper()
		g, err := gateway.New(gateway.Config{
			Store: st, Tenants: []gateway.Tenant{{Account: account, IntegrationID: integration, Appkey: appkey}}, Signer: signer, Issuer: "i", Audience: "a",
			HeartbeatInterval: heartbeat, AllowedOrigins: []string{origin}, ServerCredential: secret, Logger: log,
		})
		if err == nil {
			stop(t, g.Close)
		}
		if (err == nil) != (want == nil) {
			t.Errorf("%s: the gateway says %v, the check %v", what, err, want)
		}
		if _, err := desk.New(desk.Config{Store: st, HeartbeatInterval: heartbeat, AllowedOrigins: []string{origin}, Credential: secret, Logger: log}); (err == nil) != (want == nil) {
			t.Errorf("%s: the desk says %v, the check %v", what, err, want)
		}
	}
	for d, possible := range map[time.Duration]bool{
		-time.Second: false, time.Millisecond: false, time.Second: true, 1500 * time.Millisecond: false, time.Minute: true, 61 * time.Second: false, 5 * time.Minute: false,
	} {
		err := httpapi.CheckHeartbeat(d)
		if (err == nil) != possible {
			t.Errorf("a heartbeat of %v: %v", d, err)
		}
		try(d.String(), err, d, origin, credential)
	}
	for o, possible := range map[string]bool{
		origin: true, "http://localhost:3000": true, "HTTPS://Shop.Example": true, "shop.example": false, "https://shop.example/": false, "https://shop.example/x": false,
		"ftp://shop.example": false, "https://": false, "https://user@shop.example": false, "https://shop.example?x": false, "https://shop.example#x": false, "null": false,
		"https://*.shop.example": true, "https://*.a.shop.example:8443": true, "http://*.localhost:3000": true, "https://*": false, "https://*.example": false, "https://*shop.example": false, "https://shop.*.example": false,
		"https://*.*.example": false, "https://*.shop.example.": false, "https://*..shop.example": false, "*.shop.example": false, "https://*.0.0.1": false, "https://*.shop.example:*": false, "https://shop.example:": false,
		"https://shop.example:65536": false, "https://bücher.example": false, "https://[::1]:8443": true,
	} {
		err := httpapi.CheckOrigin(o)
		if (err == nil) != possible {
			t.Errorf("the origin %s: %v", o, err)
		}
		try(o, err, 0, o, credential)
	}
	for n, possible := range map[int]bool{httpapi.MinCredential - 1: false, httpapi.MinCredential: true} {
		err := httpapi.CheckCredential(credential[:n])
		if (err == nil) != possible {
			t.Errorf("a credential of %d bytes: %v", n, err)
		}
		try("a credential", err, 0, origin, credential[:n])
	}
	for secret, possible := range map[string]bool{"aaaaaaaaaaaaaaaa": false, "abcdeabcdeabcdeabcde": false, "abcdefabcdefabcdef": true} {
		err := httpapi.CheckCredential(secret)
		if (err == nil) != possible || err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the credential %s: %v", secret, err)
		}
		try(secret, err, 0, origin, secret)
	}
}
