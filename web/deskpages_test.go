package main

import (
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"openchat/sdk/wire"
	"openchat/tests/harness"
	"openchat/web/desk"
)

// The desk's pages without the demo: where desks connect and nowhere else, the same files as the
// demo's, and nothing that signs anybody in.
func TestDeskPages(t *testing.T) {
	const secret = "secret-of-the-only-desk"
	for name, more := range map[string][]string{
		"beside the customers":            nil,
		"on a listener of the desks' own": {"--desk-addr", "127.0.0.1:0"},
	} {
		t.Run(name, func(t *testing.T) {
			p := launch(t, built(t), append(append(twoTenants(t), "--desk-credential", secret, "--desk-pages"), more...)...)
			p.logged("Agents' pages at http://")
			printed := regexp.MustCompile(`Agents' pages at (http://[^/\s]+)/desk/\n`).FindStringSubmatch(p.Log.String())
			if printed == nil {
				t.Fatalf("the pages' address is not printed: %s", p.Log.String())
			}
			desks := &running{t, &harness.Process{URL: printed[1]}}
			if (desks.URL == p.URL) != (more == nil) {
				t.Errorf("customers at %s, desks' pages at %s", p.URL, desks.URL)
			}
			for path, want := range map[string]string{
				"/desk/": "<!DOCTYPE html>", "/desk": "<!DOCTYPE html>", "/desk/desk.js": "import", "/desk/shared/theme.css": ":root", "/desk/favicon.svg": "<svg",
				"/desk/config.json": "{}", desk.BasePath + "/me": "accounts",
			} {
				status, b := desks.call("GET", path, "", "Authorization", "Bearer "+secret)
				if status != http.StatusOK || !strings.Contains(string(b), want) {
					t.Errorf("%s answers %d %.100s, without %q", path, status, b, want)
				}
				if strings.Contains(string(b), secret) {
					t.Errorf("%s holds the credential", path)
				}
			}
			for _, path := range []string{"/", "/index.html", "/desk/pages.go", "/customer/main.js", "/demo-config.json"} {
				if status, _ := desks.call("GET", path, ""); status != http.StatusNotFound {
					t.Errorf("%s answers %d", path, status)
				}
			}
			if more != nil {
				for _, path := range []string{"/desk/", "/desk", "/desk/desk.js", "/desk/config.json"} {
					if status, _ := p.call("GET", path, ""); status != http.StatusNotFound {
						t.Errorf("the customers' listener answers %s with %d", path, status)
					}
				}
				if status, _ := desks.call("GET", wire.BasePath+"/engagements", ""); status != http.StatusNotFound {
					t.Errorf("the desks' listener answers a customer's call with %d", status)
				}
			}
			p.terminate(syscall.SIGTERM)
		})
	}
}
