package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// A page of another site that has its name resolve to 127.0.0.1 must get nothing of the demo.
func TestDemoAnswersToLoopbackHostsOnly(t *testing.T) {
	p := launchDemo(t, t.TempDir(), "127.0.0.1:0")
	addr := strings.TrimPrefix(p.URL, "http://")
	_, port, _ := net.SplitHostPort(strings.TrimSuffix(addr, "/"))
	get := func(host, path string) (int, string) {
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
