package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"openchat/web/desk"
	"openchat/web/gateway"
)

const tenantText = "ABCDEF:a776d4f3-b886-40a3-9fa7-5b7df35b440b:"

func env(pairs ...string) environment {
	e := environment{}
	for i := 0; i < len(pairs); i += 2 {
		e[pairs[i]] = pairs[i+1]
	}
	return e
}

// production is a set of flags that passes.
func production(more ...string) []string {
	return append([]string{"--tenant", tenantText + "key:with:colons", "--jwt-public-key", "key.pem", "--desk-credential", "0123456789abcdef"}, more...)
}

func TestSettings(t *testing.T) {
	t.Run("flags win over the environment, lists too", func(t *testing.T) {
		s, err := parse([]string{"--addr=127.0.0.1:1", "-allowed-origins", "https://a.example, https://b.example", "--allowed-origins=https://c.example"}, env(
			"GATEWAY_ADDR", "127.0.0.1:2", "GATEWAY_ALLOWED_ORIGINS", "https://env.example", "GATEWAY_TENANT", "a:b:c,d:e:f",
			"GATEWAY_HELP", "true",
			"GATEWAY_REPLICAS", "3", "GATEWAY_DEMO", "true", "GATEWAY_TOKEN_TTL", "90s", "GATEWAY_LOG_LEVEL", "debug"))
		if err != nil {
			t.Fatal(err)
		}
		if s.addr != "127.0.0.1:1" || s.origins.String() != "https://a.example,https://b.example,https://c.example" || len(s.tenants) != 2 ||
			s.replicas != 3 || !s.demo || s.tokenTTL != 90*time.Second || s.logLevel != -4 || s.help {
			t.Errorf("got %+v", s)
		}
	})

	t.Run("when people are away, and never", func(t *testing.T) {
		for _, after := range []string{"0", "0s", "20s", "720h"} {
			s, err := parse(production("--abandon-after", after), env("GATEWAY_CUSTOMER_GRACE", "15s", "GATEWAY_AGENT_GRACE", "90s"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.check(); err != nil || s.customerGrace != 15*time.Second || s.agentGrace != 90*time.Second {
				t.Errorf("--abandon-after %s: %+v, %v", after, s, err)
			}
		}
		if d := defaults(); d.customerGrace != 20*time.Second || d.agentGrace != time.Minute || d.abandonAfter != 30*time.Minute {
			t.Errorf("the defaults are %v, %v, %v", d.customerGrace, d.agentGrace, d.abandonAfter)
		}
	})

	t.Run("quotas, and none", func(t *testing.T) {
		s, err := parse(production("--customer-chats", "5", "--customer-mib-per-hour=3", "--customer-calls", "0"), env("GATEWAY_ACCOUNT_CHATS", "7"))
		if err != nil {
			t.Fatal(err)
		}
		q := s.quotas.Unlimited()
		if q.CustomerChats != 5 || q.AccountChats != 7 || q.CustomerBytesPerHour != 3<<20 || q.CustomerCalls != -1 || q.AccountChatsPerHour != gateway.DefaultQuotas().AccountChatsPerHour {
			t.Errorf("%+v", q)
		}
		help := &bytes.Buffer{}
		usage(help)
		for _, want := range []string{"--customer-chats n", "0 (unlimited) to 1000000000 (default 30)", "--customer-mib-per-hour MiB", "(default 4096)"} {
			if !strings.Contains(help.String(), want) {
				t.Errorf("--help lacks %q", want)
			}
		}
	})

	t.Run("the demo needs nothing else", func(t *testing.T) {
		s, err := parse([]string{"--demo"}, env())
		if err != nil {
			t.Fatal(err)
		}
		tenants, err := s.check()
		if err != nil || len(tenants) != 1 || tenants[0].Account != demoAccount || s.deskAccess.Credentials[0].Secret != demoDesk || s.hs256Secret != demoHS256 {
			t.Errorf("got %+v, %+v, %v", tenants, s, err)
		}
	})

	t.Run("secrets out of files", func(t *testing.T) {
		const want = "0123456789abcdef-from-a-file-"
		dir := t.TempDir()
		file := func(of string) string {
			path := filepath.Join(dir, of)
			if err := os.WriteFile(path, []byte(want+of+"\r\nsecond line"), 0o600); err != nil {
				t.Fatal(err)
			}
			return "@" + path
		}
		s, err := parse([]string{"--tenant", tenantText + file("appkey"), "--jwt-public-key", "k", "--desk-credential", file("desk")}, env("GATEWAY_SERVER_CREDENTIAL", file("server")))
		if err != nil {
			t.Fatal(err)
		}
		tenants, err := s.check()
		if err != nil || tenants[0].Appkey != want+"appkey" || s.deskAccess.Credentials[0].Secret != want+"desk" || s.servers[0].Secret != want+"server" {
			t.Errorf("got %+v, %+v, %v", tenants, s, err)
		}
	})

	t.Run("a desk's credential for each account", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(file, []byte("GHIJKL=this-is-all-secret\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		other := []string{"--tenant", "GHIJKL:a776d4f3-b886-40a3-9fa7-5b7df35b440b:key"}
		const one, two, three, four = "secret,with=commas and-more", "ABCDEF=secret-of-abcdef-desks", "ABCDEF+GHIJKL=@", "Abcdefg=secret-with-a-prefix"
		want := []desk.Credential{
			{Secret: one, Accounts: []string{"*"}}, {Secret: "secret-of-abcdef-desks", Accounts: []string{"ABCDEF"}},
			{Secret: "GHIJKL=this-is-all-secret", Accounts: []string{"ABCDEF", "GHIJKL"}}, {Secret: four, Accounts: []string{"*"}},
		}
		for from, s := range map[string]func() (*settings, error){
			"flags": func() (*settings, error) {
				return parse(append(other, "--tenant", tenantText+"k", "--jwt-public-key", "k", "--desk-credential", one, "--desk-credential="+two, "--desk-credential", three+file, "--desk-credential", four),
					env("GATEWAY_DESK_CREDENTIAL", "not-this-one-any-more"))
			},
			"environment": func() (*settings, error) {
				return parse(append(other, "--tenant", tenantText+"k", "--jwt-public-key", "k"), env("GATEWAY_DESK_CREDENTIAL", one+"\n "+two+"\r\n\n"+three+file+"\n"+four+"\n"))
			},
		} {
			s, err := s()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.check(); err != nil || !reflect.DeepEqual(s.deskAccess.Credentials, want) {
				t.Errorf("%s: got %+v, %v", from, s.deskAccess.Credentials, err)
			}
		}
	})

	t.Run("production passes, with every colon of the appkey", func(t *testing.T) {
		s, err := parse(production(), env())
		if err != nil {
			t.Fatal(err)
		}
		if tenants, err := s.check(); err != nil || tenants[0].Appkey != "key:with:colons" {
			t.Errorf("got %+v, %v", tenants, err)
		}
	})
}

// Each mistake: what is wrong with it must be in the one line that is said.
func TestMistakes(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		env  []string
		want []string
	}{
		{args: []string{"--adr", "x"}, want: []string{"there is no flag -adr", "did you mean --addr?"}},
		{args: []string{"--replicas", "many"}, want: []string{"replicas", "many"}},
		{args: []string{"--customer-chats", "-1"}, want: []string{"--customer-chats", "0 (unlimited) to"}},
		{args: []string{"--customer-calls", "many"}, want: []string{"--customer-calls", `"many"`, "a whole number"}},
		{args: []string{"--addr"}, want: []string{"-addr"}},
		{args: []string{"serve"}, want: []string{`"serve"`}},
		{args: []string{"--log-level", "LOUD"}, want: []string{"log-level"}},
		{env: []string{"GATEWAY_REPLICAS", "many"}, want: []string{"GATEWAY_REPLICAS", "a whole number"}},
		{env: []string{"GATEWAY_TOKEN_TTL", "15"}, want: []string{"GATEWAY_TOKEN_TTL", "a duration like 15m"}},
		{env: []string{"GATEWAY_DEMO", "please"}, want: []string{"GATEWAY_DEMO", "true or false"}},
		{args: nil, want: []string{"--tenant", "--jwt-public-key", "--desk-credential", "--demo"}},
		{args: production("--jwt-private-key", "k"), want: []string{"--server-credential"}},
		{args: production("--jwt-hs256-secret", strings.Repeat("x", 32)), want: []string{"--jwt-hs256-secret", "--demo only"}},
		{args: production("--desk-credential", "ABCDEF=short"), want: []string{"--desk-credential number 2", "too short"}},
		{args: production("--desk-credential", "GHIJKL=0123456789abcdefg"), want: []string{"--desk-credential number 2", "GHIJKL", "--tenant"}},
		{args: production("--desk-credential", "ABCDEF=0123456789abcdef"), want: []string{"--desk-credential", "numbers 1 and 2", "the same secret"}},
		{args: production("--desk-credential", "ABCDEF=@/nowhere"), want: []string{"--desk-credential", "/nowhere"}},
		{args: production("--addr", "8080"), want: []string{"--addr 8080", "host:port"}},
		{args: production("--desk-addr", "8081"), want: []string{"--desk-addr 8081", "host:port"}},
		{args: []string{"--demo", "--desk-addr", "127.0.0.1:8081"}, want: []string{"--demo", "--desk-addr"}},
		{args: production("--account", "ABCDEF"), want: []string{"--integration-id", "--appkey"}},
		{args: production("--tenant", "secret-without-colons"), want: []string{"--tenant number 2", "account:integration-id:appkey"}},
		{args: production("--tenant", "ABC:a776d4f3-b886-40a3-9fa7-5b7df35b440b:secret"), want: []string{`"ABC"`, "six letters"}},
		{args: production("--tenant", "ABCDEF:7:secret"), want: []string{`"7"`, "UUID"}},
		{args: production("--desk-credential", "short"), want: []string{"--desk-credential", "16 bytes"}},
		{args: production("--server-credential", "short"), want: []string{"--server-credential", "16 bytes"}},
		{args: production("--desk-credential", "@/no/such/file"), want: []string{"--desk-credential", "/no/such/file"}},
		{args: production("--desk-credential", "@"+empty), want: []string{"--desk-credential", "empty"}},
		{args: production("--allowed-origins", "shop.example.com"), want: []string{"--allowed-origins", "https://shop.example.com"}},
		{args: production("--allowed-origins", "https://shop.example.com/path"), want: []string{"--allowed-origins", "without a path"}},
		{args: production("--allowed-origins", "*.example.com"), want: []string{"--allowed-origins *.example.com", "https://shop.example.com"}},
		{args: production("--allowed-origins", "https://shop.*.com"), want: []string{"--allowed-origins", "* may only stand once", "https://*.example.com"}},
		{args: production("--allowed-origins", "https://*.com"), want: []string{"--allowed-origins https://*.com", "strangers"}},
		{args: production("--allowed-origins", "https://*.0.0.1"), want: []string{"--allowed-origins", "nothing is below an address"}},
		{args: production("--allowed-origins", "https://shop.example.com:99999"), want: []string{"--allowed-origins", "port"}},
		{args: production("--allowed-origins", "https://bücher.example.com"), want: []string{"--allowed-origins", "xn--"}},
		{args: production("--heartbeat-interval", "100ms"), want: []string{"--heartbeat-interval"}},
		{args: production("--profile-addr", ":6060"), want: []string{"--profile-addr :6060", "loopback"}},
		{args: production("--metrics-addr", "9464"), want: []string{"--metrics-addr 9464", "host:port"}},
		{args: []string{"--demo", "--metrics-addr", ":9464"}, want: []string{"--demo", "loopback", "--metrics-addr 127.0.0.1:9464"}},
		{args: production("--otlp-endpoint", "127.0.0.1:4318"), want: []string{"--otlp-endpoint", "http://127.0.0.1:4318"}},
		{args: production("--otlp-endpoint", "https://user:secret-without-colons@collector.example"), want: []string{"--otlp-endpoint", "without a user"}},
		{args: production("--otlp-endpoint", "https://collector.example?key=secret-without-colons"), want: []string{"--otlp-endpoint", "query"}},
		{args: production("--otlp-header", "authorization=secret-without-colons"), want: []string{"--otlp-header", "--otlp-endpoint"}},
		{args: production("--otlp-endpoint", "https://collector.example", "--otlp-header", "secret-without-colons"), want: []string{"--otlp-header", "name=@file"}},
		{args: production("--otlp-endpoint", "https://collector.example", "--otlp-header", "a=@/no/such/file"), want: []string{"--otlp-header", "/no/such/file"}},
		{args: production("--otlp-endpoint", "https://collector.example", "--otlp-header", "a b=secret-without-colons"), want: []string{"--otlp-header", "letters"}},
		{args: production("--otlp-endpoint", "https://collector.example", "--otlp-header", "host=secret-without-colons"), want: []string{"--otlp-header", "host"}},
		{args: production("--otlp-endpoint", "http://collector.example:4318", "--otlp-header", "a=secret-without-colons"), want: []string{"--otlp-header", "https", "loopback"}},
		{args: production("--otlp-sampling", "0"), want: []string{"--otlp-sampling 0", "1 (every call) to 1000000"}},
		{args: production("--otlp-sampling", "1000001"), want: []string{"--otlp-sampling 1000001"}},
		{args: production("--otlp-sampling", "0.1"), want: []string{"--otlp-sampling", "a whole number"}},
		{args: production("--profile-addr", "127.0.0.1"), want: []string{"--profile-addr 127.0.0.1", "port"}},
		{args: production("--customer-grace", "20"), want: []string{"customer-grace", "20"}},
		{args: production("--customer-grace", "999ms"), want: []string{"--customer-grace", "1s to 10m"}},
		{args: production("--customer-grace", "11m"), want: []string{"--customer-grace", "1s to 10m"}},
		{args: production("--agent-grace", "2h"), want: []string{"--agent-grace", "1s to 1h"}},
		{args: production("--abandon-after", "19s"), want: []string{"--abandon-after", "0 (never)", "20s"}},
		{args: production("--abandon-after", "721h"), want: []string{"--abandon-after", "720h"}},
		{args: production("--abandon-after", "-1s"), want: []string{"--abandon-after"}},
		{args: production("--abandon-after", "30d"), want: []string{"--abandon-after", `"30d"`, "a duration like 15m, 90s or 24h", "0 (never), or 1s to 720h"}},
		{args: production("--max-age", "30d"), want: []string{"--max-age", `"30d"`, "a duration like", "at least 24h"}},
		{args: production("--max-age", ""), want: []string{"--max-age", `""`, "a duration like"}},
		{args: production("--agent-grace", "999ms"), want: []string{"--agent-grace 999ms", "1s to 1h"}},
		{args: production("--heartbeat-interval", "61s"), want: []string{"--heartbeat-interval 61s", "1s to 60s"}},
		{args: production("--heartbeat-interval", "1500ms"), want: []string{"--heartbeat-interval 1.5s", "whole seconds"}},
		{args: production("--demo=perhaps"), want: []string{"--demo", `"perhaps"`, "true or false"}},
		{env: []string{"GATEWAY_AGENT_GRACE", "1d"}, want: []string{"GATEWAY_AGENT_GRACE", `"1d"`, "a duration like", "1s to 1h"}},
		{env: []string{"GATEWAY_ABANDON_AFTER", "soon"}, want: []string{"GATEWAY_ABANDON_AFTER", "a duration like 15m"}},
		{args: production("--max-age", "1h"), want: []string{"--max-age", "24h"}},
		{args: production("--replicas", "2"), want: []string{"--replicas 2"}},
		{args: production("--replicas", "3"), want: []string{"--nats-url"}},
		{args: production("--data", ""), want: []string{"--data", "--nats-url"}},
		{args: []string{"--demo", "--addr", "0.0.0.0:8080"}, want: []string{"--demo", "loopback", "127.0.0.1"}},
		{args: []string{"--demo", "--addr", ":8080"}, want: []string{"--demo", "loopback"}},
		{args: []string{"--demo", "--addr", "192.168.1.2:8080"}, want: []string{"--demo", "loopback"}},
		{args: []string{"--demo", "--addr", "example.com:8080"}, want: []string{"--demo", "loopback"}},
		{args: []string{"--demo", "--jwt-hs256-secret", "short"}, want: []string{"--jwt-hs256-secret", "32 bytes"}},
		{args: []string{"--demo", "--token-ttl", "2h"}, want: []string{"--token-ttl", "1h"}},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), test.args, env(test.env...), &stdout, &stderr)
		said := stderr.String()
		if code != exitMisused || stdout.Len() != 0 || strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "gateway: ") {
			t.Errorf("%q %q: exit %d, stdout %q, stderr %q", test.args, test.env, code, &stdout, said)
		}
		for _, want := range test.want {
			if !strings.Contains(said, want) {
				t.Errorf("%q %q says %q, which does not hold %q", test.args, test.env, said, want)
			}
		}
		if strings.Contains(said, "secret-without-colons") {
			t.Errorf("%q: a secret is in %q", test.args, said)
		}
	}
}

func TestHelpNamesEveryFlag(t *testing.T) {
	for _, arg := range []string{"--help", "-h"} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), []string{arg}, env(), &stdout, &stderr); code != 0 || stderr.Len() != 0 {
			t.Fatalf("exit %d, %s", code, &stderr)
		}
		for _, o := range defaults().options() {
			if !strings.Contains(stdout.String(), "--"+o.name) {
				t.Errorf("--%s is not in the help", o.name)
			}
		}
		for _, line := range strings.Split(stdout.String(), "\n") {
			if len(line) > 130 {
				t.Errorf("a line of %d characters: %s", len(line), line)
			}
		}
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"--version"}, env(), &stdout, &stderr); code != 0 || strings.Count(stdout.String(), "\n") != 1 || len(stdout.String()) < 3 {
		t.Errorf("--version: exit %d, %q", code, &stdout)
	}
}

// A secret that is easily guessed, or that is given for two purposes, is refused at the start
// and on reload. What is said names the options and not the secret.
func TestWeakSecrets(t *testing.T) {
	const desks, servers, appkey = "secret-of-all-desks-here", "secret-of-the-servers-here", "appkey-of-the-tenant-here"
	agents := filepath.Join(t.TempDir(), "agents.json")
	token := strings.Repeat("0123456789abcdef", 2)
	hash := sha256.Sum256([]byte(token))
	if err := os.WriteFile(agents, fmt.Appendf(nil, `{"agents":[{"agentId":"3f0c1b52-8a0e-4f7c-9a55-0d2f4c1e7b90","agentName":"Ann","role":"agent","accounts":["*"],"tokens":["sha256:%x"]}]}`, hash), 0o600); err != nil {
		t.Fatal(err)
	}
	base := slices.Clip([]string{"--jwt-public-key", "key.pem", "--data", t.TempDir(), "--addr", "127.0.0.1:0"})
	tenant := slices.Clip(append(base, "--tenant", tenantText+appkey))
	for name, test := range map[string]struct {
		args []string
		want []string // nil: it is possible
	}{
		"all different":             {append(tenant, "--desk-credential", desks, "--server-credential", servers, "--agents", agents), nil},
		"one appkey of two tenants": {append(tenant, "--tenant", "GHIJKL:a776d4f3-b886-40a3-9fa7-5b7df35b440b:"+appkey, "--desk-credential", desks), nil},
		"an appkey is no secret":    {append(base, "--tenant", tenantText+"aaaaaaaaaaaaaaaa", "--desk-credential", desks), nil},
		"six characters":            {append(tenant, "--desk-credential", "abcdefabcdefabcdef"), nil},
		"one character":             {append(tenant, "--desk-credential", "aaaaaaaaaaaaaaaa"), []string{"--desk-credential is too weak", "6 different"}},
		"five characters":           {append(tenant, "--desk-credential", desks, "--server-credential", "ABCDEF=abcdeabcdeabcdeabcde"), []string{"--server-credential is too weak"}},
		"five, each of many bytes":  {append(tenant, "--desk-credential", strings.Repeat("äöüß€", 4)), []string{"--desk-credential is too weak"}},
		"the second":                {append(tenant, "--desk-credential", desks, "--desk-credential", "ABCDEF=0101010101010101"), []string{"--desk-credential number 2 is too weak"}},
		"HS256":                     {[]string{"--demo", "--jwt-hs256-secret", strings.Repeat("abcde", 8)}, []string{"--jwt-hs256-secret is too weak"}},
		"servers and desks":         {append(tenant, "--desk-credential", desks, "--server-credential", desks), []string{"--server-credential and --desk-credential are the same"}},
		"of several":                {append(tenant, "--desk-credential", desks, "--desk-credential", "ABCDEF="+servers, "--server-credential", servers), []string{"--server-credential and --desk-credential number 2 are the same"}},
		"appkey and desk":           {append(base, "--tenant", tenantText+desks, "--desk-credential", desks), []string{"the appkey of --tenant and --desk-credential are the same", "every browser"}},
		"appkey and server": {append(base, "--account", "ABCDEF", "--integration-id", demoIntegrationID, "--appkey", servers, "--tenant", tenantText+appkey, "--desk-credential", desks, "--server-credential", servers),
			[]string{"--appkey and --server-credential are the same"}},
		"an agent's and a server's": {append(tenant, "--agents", agents, "--server-credential", token), []string{"--server-credential and a token of agent number 1 in --agents are the same"}},
		"HS256 and the demo's own":  {[]string{"--demo", "--jwt-hs256-secret", demoServer}, []string{"--server-credential and --jwt-hs256-secret are the same"}},
	} {
		s, err := parse(test.args, env())
		if err != nil {
			t.Fatal(err)
		}
		if test.want == nil {
			if _, err := s.check(); err != nil {
				t.Errorf("%s: refused: %v", name, err)
			}
			continue
		}
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), test.args, env(), &stdout, &stderr)
		said := stderr.String()
		if code != exitMisused || strings.Count(said, "\n") != 1 {
			t.Errorf("%s: exit %d, said %q", name, code, said)
		}
		for _, want := range test.want {
			if !strings.Contains(said, want) {
				t.Errorf("%s: said %q, which does not hold %q", name, said, want)
			}
		}
		for _, secret := range []string{desks, servers, appkey, token, demoServer, "aaaaaaaa", "abcdeabcde", "01010101", "äöü"} {
			if strings.Contains(said, secret) {
				t.Errorf("%s: a secret is in %q", name, said)
			}
		}
	}
}
