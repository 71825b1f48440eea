package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"openchat/tests/harness"
)

// A page of another site that has its name resolve to 127.0.0.1 must get nothing of the demo.
func TestDemoAnswersToLoopbackHostsOnly(t *testing.T) {
	p := launchDemo(t, t.TempDir(), "127.0.0.1:0")
	addr := strings.TrimPrefix(p.URL, "http://")
	_, port, _ := net.SplitHostPort(strings.TrimSuffix(addr, "/"))
	get := func(host, path string) (int, string) { return rawGet(t, port, host, path) }
	for _, host := range []string{"127.0.0.1:" + port, "127.0.0.1", "localhost:" + port, "LocalHost", "[::1]:" + port, "[::1]", "127.0.0.2"} {
		if status, _ := get(host, "/demo-config.json"); status != 200 {
			t.Errorf("Host %s is answered %d", host, status)
		}
	}
	for _, host := range []string{"rebound.example:" + port, "rebound.example", "127.0.0.1.rebound.example", "localhost.rebound.example:" + port, "192.168.1.2:" + port, ""} {
		for _, path := range []string{"/demo-config.json", "/desk/config.json", "/", "/desk/", "/healthz", "/api/desk/v1/chats", "/avaya-ccaas-chat-sdk.js"} {
			if status, body := get(host, path); status != 421 || strings.Contains(body, demoDesk) || !strings.Contains(body, "127.0.0.1, localhost") {
				t.Errorf("Host %q, %s is answered %d %.200s", host, path, status, body)
			}
		}
	}
}

// rawGet asks a server on this machine by this Host for exactly this path.
func rawGet(t *testing.T, port, host, path string) (status int, body string) {
	t.Helper()
	c, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// What --demo-host lets in: the customers' part, under one more name, and nothing that shows others' chats.
func TestDemoHostLetsOneHostIn(t *testing.T) {
	const loopback, network, phone = "127.0.0.1:40000", "192.168.1.77:40000", "phone.example:8080"
	const pages, privileged = "/ /desk/shared/theme.css /demo-config.json /v1/getJWT /avaya-ccaas-chat-sdk.js /api/digital/chat/v1/sessions /healthz", "/api/digital/chat/v1/accounts/DEMOAC/tokens /api/digital/chat/v1/accounts"
	const desk = "/desk /desk/ /desk/config.json /api/desk/v1/engagements"
	for _, test := range []struct {
		demoHost  string
		deskPages bool
		from      string
		host      string
		answered  string // paths
		refused   string
	}{
		{"", false, loopback, "127.0.0.1:8080", pages + " " + desk + " " + privileged, ""},
		{"", false, loopback, phone, "", pages + " " + desk},
		{"phone.example", false, loopback, "localhost:8080", pages + " " + desk + " " + privileged, ""},
		{"phone.example", false, network, phone, pages, desk + " " + privileged},
		{"Phone.Example", false, network, "PHONE.example", pages, desk + " " + privileged},
		{"phone.example", false, loopback, phone, pages, desk + " " + privileged},
		{"phone.example", true, network, phone, pages + " " + desk, privileged},
		// Whoever is elsewhere can send any Host.
		{"phone.example", true, network, "127.0.0.1:8080", "", pages + " " + desk + " " + privileged},
		{"phone.example", true, network, "localhost", "", pages + " " + desk},
		{"phone.example", true, network, "other.example", "", pages + " " + desk},
		{"phone.example", true, network, "phone.example.other.example", "", pages},
		{"phone.example", true, network, "", "", pages},
		{"192.168.1.20", false, network, "192.168.1.20:8080", pages, desk + " " + privileged},
		{"192.168.1.20", false, network, "192.168.1.21:8080", "", pages},
		{"fd00::20", false, "[fd00::77]:40000", "[fd00:0::20]:8080", pages, desk + " " + privileged},
		{"fd00::20", false, "[fd00::77]:40000", "[fd00::20]", pages, desk + " " + privileged},
		// A container does not see who connects.
		{"localhost", false, "172.17.0.1:40000", "localhost:8080", pages + " " + desk + " " + privileged, ""},
		{"localhost", false, "172.17.0.1:40000", "127.0.0.1:8080", pages + " " + desk, ""},
		{"localhost", false, "172.17.0.1:40000", phone, "", pages + " " + desk},
	} {
		args := []string{"--demo", "--dist", "", "--addr", ":8080"}
		if test.demoHost == "" {
			args[4] = "127.0.0.1:8080"
		} else {
			args = append(args, "--demo-host", test.demoHost)
		}
		if test.deskPages {
			args = append(args, "--desk-pages")
		}
		s, err := parse(args, env())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.check(); err != nil {
			t.Fatalf("%q: %v", args, err)
		}
		handler := onlyHosts(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) }), s.demoHost, s.deskPages)
		for status, paths := range map[int]string{http.StatusTeapot: test.answered, http.StatusMisdirectedRequest: test.refused} {
			for _, path := range strings.Fields(paths) {
				r := httptest.NewRequest("GET", path, nil)
				r.Host, r.RemoteAddr = test.host, test.from
				answer := httptest.NewRecorder()
				if handler.ServeHTTP(answer, r); answer.Code != status {
					t.Errorf("--demo-host %q, desk %v, from %s, Host %s: %s is answered %d, not %d", test.demoHost, test.deskPages, test.from, test.host, path, answer.Code, status)
				}
			}
		}
	}
}

// The settings of the container in docs/testing.md.
func TestDemoHostInAContainer(t *testing.T) {
	s, err := parse(nil, env("GATEWAY_ADDR", ":8080", "GATEWAY_DATA", "/data", "GATEWAY_DIST", "", "GATEWAY_DEMO", "true", "GATEWAY_DEMO_HOST", "localhost"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.check(); err != nil {
		t.Error(err)
	}
}

func TestDemoHostMistakes(t *testing.T) {
	for args, want := range map[string]string{
		"--demo --demo-host http://phone.example":                      "without scheme and port",
		"--demo --demo-host phone.example:8080":                        "without scheme and port",
		"--demo --demo-host 0.0.0.0":                                   "--demo-host 0.0.0.0 is no name",
		"--demo --demo-host *":                                         "--demo-host * is no name",
		"--demo --demo-host a,b":                                       "--demo-host a,b is no name",
		"--demo --demo-host phone.example --addr 192.168.1.20:8080":    "use --addr :8080",
		"--demo --demo-host phone.example --addr :8080 --behind-proxy": "--behind-proxy",
		"--demo-host phone.example":                                    "--demo-host is for --demo only",
	} {
		s, err := parse(strings.Fields(args), env())
		if err != nil {
			t.Fatal(err)
		}
		if _, err = s.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

// A browser of another machine, which has the demo's page under a name that is no secure context: the
// customer can chat there, the log has a warning, and the desk is where it was.
func TestDemoHostInChromium(t *testing.T) {
	if err := harness.BuildSDK(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := launch(t, built(t), "--demo", "--demo-host", "phone.example", "--addr", "127.0.0.1:0", "--data", t.TempDir(), "--dist", filepath.Join(harness.Root(), "dist"))
	_, port, err := net.SplitHostPort(strings.TrimPrefix(p.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	browser, end, err := harness.StartBrowser(t.Context(), chromedp.Flag("host-resolver-rules", "MAP phone.example 127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	page := &harness.Target{Context: browser}
	element := func(id string) string { return `[data-testid="` + id + `"]` }
	ctx, cancel := context.WithTimeout(browser, limit)
	defer cancel()
	if err := p.Log.Await(ctx, "the demo lets in who is not on this machine"); err != nil {
		t.Error(err)
	}
	var secure bool
	if err := chromedp.Run(ctx,
		chromedp.Navigate("http://phone.example:"+port+"/"),
		chromedp.Evaluate(`isSecureContext`, &secure),
		chromedp.Click(element("launcher")),
		chromedp.SendKeys(element("name"), "Ann"),
		chromedp.SendKeys(element("topic"), "A lamp"),
		chromedp.Click(element("start")),
		chromedp.WaitVisible(element("composer")),
		chromedp.SendKeys(element("composer"), "from the phone"),
		chromedp.Click(element("send")),
		chromedp.WaitVisible(`[data-testid="message"][data-state="delivered"]`),
	); err != nil {
		var shown string
		_ = page.Eval(&shown, `document.body.innerText`)
		t.Fatalf("%v; the page shows %s", err, shown)
	}
	if secure {
		t.Error("the page is in a secure context: this test shows nothing")
	}
	var status []int
	if err := page.Eval(&status, `Promise.all(["/desk/config.json", "/api/desk/v1/engagements", "/demo-config.json"].map(async (path) => (await fetch(path)).status))`); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(status) != "[421 421 200]" {
		t.Errorf("the desk's configuration, the desk and the page's configuration are answered %v", status)
	}
	for _, path := range []string{"/desk/config.json", "//desk/config.json", "/desk/shared/../config.json", "/desk/shared/..%2fconfig.json", "/desk%2fconfig.json", "/%64esk/config.json"} {
		if status, text := rawGet(t, port, "phone.example", path); status == 200 || strings.Contains(text, demoDesk) {
			t.Errorf("GET %s is answered %d %s", path, status, text)
		}
	}
	if code, _ := p.call("GET", "/desk/config.json", ""); code != 200 {
		t.Errorf("on this machine the desk's configuration is answered %d", code)
	}
}

func TestDemoRefusesSecretsOfProductionAndProxies(t *testing.T) {
	for _, flags := range [][]string{
		{"--behind-proxy"},
		{"--tenant", "ABCDEF:" + demoIntegrationID + ":the-appkey"},
		{"--appkey", "the-appkey"},
		{"--jwt-public-key", "public.pem"},
		{"--jwt-private-key", "private.pem"},
		{"--server-credential", "a-server-credential-of-production"},
		{"--desk-credential", "a-desk-credential-of-production"},
		{"--agents", "agents.json"},
		{"--desk-oidc-issuer", "https://login.example.com"},
	} {
		s, err := parse(append([]string{"--demo"}, flags...), env())
		if err != nil {
			t.Fatal(err)
		}
		if _, err = s.check(); err == nil || !strings.Contains(err.Error(), "--demo and "+flags[0]+" do not go together") || len(flags) > 1 && strings.Contains(err.Error(), flags[1]) {
			t.Errorf("%s: %v", flags[0], err)
		}
	}
}
