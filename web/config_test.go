package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"openchat/web/desk"
)

// The process has all its settings in a file, which SIGHUP has it read again: good ones, and bad
// ones, of which none takes effect.
func TestSettingsFileOfTheProcess(t *testing.T) {
	t.Parallel()
	_, private, _ := newKeys(t)
	dir := t.TempDir()
	key, secret, file := filepath.Join(dir, "private.pem"), filepath.Join(dir, "server.txt"), filepath.Join(dir, "gateway.toml")
	write(t, key, string(private))
	write(t, secret, serverSecret)
	const first, second = "desk-credential-of-the-first-time", "desk-credential-of-the-second-time"
	settings := func(lines ...string) {
		t.Helper()
		write(t, file, append([]string{
			`tenant = ["` + tenantText + `appkey-one"] # a literal appkey is no secret`, fmt.Sprintf("server-credential = %q", "@"+secret), fmt.Sprintf("jwt-private-key = %q", key),
			fmt.Sprintf("data = %q", filepath.Join(dir, "data")), `dist = ""`, `addr = "127.0.0.1:0"`,
		}, lines...)...)
	}
	settings("desk-credential = '"+first+"'", "customer-chats = 1", `allowed-origins = ["https://shop.example.com"]`)
	p := launch(t, built(t), "--config", file)
	status := func(want int, credential string) {
		t.Helper()
		if got, b := p.call("GET", desk.BasePath+"/engagements", "", "Authorization", "Bearer "+credential); got != want {
			t.Errorf("the desk answers %d %s, not %d", got, b, want)
		}
	}
	ann := p.tokenFor("ann")
	ann.create("{}")
	ann.rest(409, "POST", "/engagements", fmt.Sprintf(`{"sessionId":%q}`, ann.session.SessionID))
	status(200, first)

	for line, said := range map[string]string{
		"customer-chats = \"many\"":            file + ":8: --customer-chats: \\\"many\\\" is not a whole number",
		"customer-chat = 2":                    file + ":8: customer-chat is no setting; did you mean customer-chats?",
		"allowed-origins = [\n\n\"nonsense\"]": file + ":10: --allowed-origins nonsense is not an origin",
		"customer-chats = ":                    file + ":8: this is no TOML",
	} {
		settings("desk-credential = '"+second+"'", line)
		p.hangup(said)
	}
	status(200, first)
	status(401, second)
	if strings.Contains(p.Log.String(), second) || strings.Contains(p.Log.String(), first) || strings.Contains(p.Log.String(), serverSecret) {
		t.Error("a secret is logged")
	}

	settings("desk-credential = ['"+second+"']", "customer-chats = 2", `max-age = "48h"`)
	p.hangup("settings read again")
	status(401, first)
	status(200, second)
	ann.rest(201, "POST", "/engagements", fmt.Sprintf(`{"sessionId":%q}`, ann.session.SessionID))
	p.logged("settings=--max-age")
	p.terminate(syscall.SIGTERM)
}

// A flag wins over the environment file, that over the environment, and that over the settings
// file; values that are several are those of one source.
func TestSettingsFileIsTheLastSource(t *testing.T) {
	dir := t.TempDir()
	file, variables := filepath.Join(dir, "gateway.toml"), filepath.Join(dir, "gateway.env")
	write(t, file, `addr = "file:1"`, `data = "file"`, `dist = "file"`, `desk-addr = "file:2"`, `tenant = ["a:b:c,d", "e:f:g"]`, `allowed-origins = "https://a.example, https://b.example"`,
		`behind-proxy = true`, `customer-chats = 7`, `abandon-after = 0`, `max-store = "20GB"`, `log-level = "DEBUG"`, `replicas = 0x3`, `desk-credential = ["x,y\tz"]`, `audit-log = ""`)
	write(t, variables, "GATEWAY_DATA=envfile", "GATEWAY_DIST=envfile", "GATEWAY_CONFIG="+file)
	for _, args := range [][]string{{"--config", file}, nil} {
		s, err := parse(append(args, "--dist", "flag", "--environment-file", variables), env("GATEWAY_DESK_ADDR", "env:2", "GATEWAY_DATA", "env", "GATEWAY_DIST", "env", "GATEWAY_AUDIT_LOG", "env"))
		if err != nil {
			t.Fatal(err)
		}
		if s.addr != "file:1" || s.data != "envfile" || s.dist != "flag" || s.deskAddr != "env:2" || s.auditLog != "env" {
			t.Errorf("got %+v", s)
		}
		if len(s.tenants) != 2 || s.tenants[0] != "a:b:c,d" || len(s.origins) != 2 || !s.behindProxy || s.quotas.CustomerChats != 7 || s.abandonAfter != 0 || s.maxStore != 20e9 ||
			s.logLevel != -4 || s.replicas != 3 || s.deskCredential[0] != "x,y\tz" || s.sessionIdle != 24*time.Hour {
			t.Errorf("got %+v", s)
		}
		for name, want := range map[string]string{"addr": file + ":1", "data": variables + ":1", "dist": "flag", "desk-addr": "environment", "max-age": "default"} {
			if got := s.sources[name].String(); got != want {
				t.Errorf("--%s is of %s, not of %s", name, got, want)
			}
		}
	}
	s, err := parse([]string{"--config", file, "--allowed-origins", "https://c.example", "--data", "tenant"}, env("GATEWAY_TENANT", "h:i:j"))
	if err != nil || s.origins.String() != "https://c.example" || s.tenants.String() != "h:i:j" {
		t.Errorf("got %+v, %v", s, err)
	}
}

// Each mistake in a settings file names the file and the line, and holds no secret.
func TestMistakesInASettingsFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "gateway.toml")
	for text, want := range map[string]string{
		"adr = 'x'":                         ":1: adr is no setting; did you mean addr?",
		"\n\nallowed_origins = ['x']":       ":3: allowed_origins is no setting; did you mean allowed-origins?",
		"nothing-like-any-other = 1":        ":1: nothing-like-any-other is no setting; gateway --help lists them all",
		"'a b' = 1":                         ":1: this is no setting",
		"config = 'x'":                      ":1: config is no setting that may stand here",
		"version = true":                    ":1: version is no setting that may stand here",
		"environment-file = 'x'":            ":1: environment-file is no setting that may stand here",
		"\n[tenant]\naccount = 'secret'":    ":2: settings stand by themselves",
		"\n[[tenant]]\naccount = 'secret'":  ":2: settings stand by themselves",
		"tenant.account = 'secret'":         ":1: settings stand by themselves",
		"addr = 'x'\naddr = 'secret'":       ":2: this is no TOML, at column 1: key addr is already defined",
		"addr = secret":                     ":1: this is no TOML, at column 8",
		"appkey = @secret.txt":              ":1: this is no TOML, at column 10",
		"appkey = 'secret":                  ":1: this is no TOML",
		"appkey = \"secret\\q\"":            ":1: this is no TOML",
		"appkey = 1e99999secret":            ":1: this is no TOML",
		"replicas = 99999999999999999999":   ":1: this is no TOML",
		"\xff":                              ":1: this is no TOML",
		"addr = ['x']":                      ":1: --addr takes one value",
		"addr = 1.5":                        ":1: --addr takes a text in quotation marks",
		"addr = {a = 'secret'}":             ":1: --addr takes a text",
		"tenant = [\n'a:b:c',\n['secret']]": ":1: --tenant takes a text",
		"addr = 1979-05-27":                 ":1: --addr takes a text",
		"\nmax-age = 30":                    `:2: --max-age: "30" is not a duration like 15m`,
		"\nbehind-proxy = 'please'":         `:2: --behind-proxy: "please" is not true or false`,
		"\ncustomer-chats = -1":             `:2: --customer-chats: "-1" is not a whole number that is possible here`,
		"tenant = [\n# two\n'ABCDEF:a776d4f3-b886-40a3-9fa7-5b7df35b440b:x',\n'secret']": ":4: --tenant number 2 is not account:integration-id:appkey",
		"desk-credential = [\n\n'short']":                                                ":3: --desk-credential is too short",
		"desk-credential = ['0123456789abcdef', '@/nowhere']":                            ":1: --desk-credential number 2: cannot read the file: open /nowhere",
		"heartbeat-interval = '100ms'":                                                   ":1: --heartbeat-interval 100ms",
	} {
		write(t, file, text)
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), []string{"--config", file}, env(), &stdout, &stderr)
		said := stderr.String()
		if code != exitMisused || stdout.Len() != 0 || strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "gateway: "+file+want) {
			t.Errorf("%q: exit %d, said %q", text, code, said)
		}
		if strings.Contains(said, "secret") {
			t.Errorf("%q: a secret is in %q", text, said)
		}
	}
	for path, want := range map[string]string{filepath.Join(dir, "none"): "no such file", dir: "is a directory"} {
		var stderr bytes.Buffer
		if code := run(t.Context(), []string{"--config", path}, env(), &bytes.Buffer{}, &stderr); code != exitMisused || strings.Count(stderr.String(), path) != 1 || !strings.Contains(stderr.String(), want) {
			t.Errorf("exit %d, said %q", code, &stderr)
		}
	}
	write(t, file, "#"+strings.Repeat("x", maxConfigFile))
	if _, err := parse([]string{"--config", file}, env()); err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") {
		t.Errorf("a large file: %v", err)
	}
}

// A file that everybody may read has no secrets; files with secrets may be named, and an appkey
// is none.
func TestSettingsFileThatEverybodyMayRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gateway.toml")
	for text, secret := range map[string]bool{
		"desk-credential = ['ABCDEF=0123456789abcdef']": true, "server-credential = '0123456789abcdef'": true, "jwt-hs256-secret = 'x'": true,
		"nats-url = 'nats://user:password@host:4222'": true, "nats-url = 'nats://a:4222, nats://token@host:4222'": true, "jwks = ['ABCDEF=https://user:x@host/keys']": true,
		"desk-credential = ['ABCDEF=@desk.txt']": false, "tenant = ['" + tenantText + "literal']": false, "appkey = 'literal'": false, "nats-url = 'nats://host:4222'": false, "nats-url = '@nats.txt'": false,
		"desk-credential = ['***']": false, "agents = 'agents.json'": false,
	} {
		write(t, file, text)
		for mode, refused := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: secret, 0o604: secret} {
			if err := os.Chmod(file, mode); err != nil {
				t.Fatal(err)
			}
			_, err := parse([]string{"--config", file}, env())
			if (err != nil) != refused || err != nil && (!strings.Contains(err.Error(), "chmod o=") || strings.Contains(err.Error(), "0123456789") || strings.Count(err.Error(), file) != 1) {
				t.Errorf("%s, %v: %v", text, mode, err)
			}
		}
	}
}

// A name in the environment that is no setting is a mistake; what Kubernetes puts there is not.
func TestUnknownNamesInTheEnvironment(t *testing.T) {
	e := newEnvironment([]string{"PATH=/bin", "GATEWAY_DESK_CREDENTIAL=a=b", "GATEWAY_SERVICE_HOST=10.0.0.1", "GATEWAY_SERVICE_PORT=80", "GATEWAY_SERVICE_PORT_HTTP=80", "GATEWAY_PORT=tcp://10.0.0.1:80",
		"GATEWAY_PORT_80_TCP=tcp://10.0.0.1:80", "GATEWAY_PORT_80_TCP_ADDR=10.0.0.1", "GATEWAY_PORT_80_TCP_PORT=80", "GATEWAY_PORT_80_TCP_PROTO=tcp", "GATEWAY_NATS_SERVICE_HOST=10.0.0.2", "GATEWAY_NATS_PORT=tcp://10.0.0.2:4222"})
	if s, err := parse(nil, e); err != nil || s.deskCredential[0] != "a=b" {
		t.Errorf("%v", err)
	}
	for line, want := range map[string]string{
		"GATEWAY_TENNANT=secret": "GATEWAY_TENNANT in the environment is no setting; did you mean GATEWAY_TENANT?", "GATEWAY_PORT=8080": "GATEWAY_PORT in the environment is no setting",
		"GATEWAY_=secret": "in the environment is no setting", "GATEWAY_HOST_SERVICE=secret": "GATEWAY_HOST_SERVICE in the environment",
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), []string{"--demo"}, newEnvironment([]string{line}), &stdout, &stderr)
		if said := stderr.String(); code != exitMisused || !strings.Contains(said, want) || strings.Contains(said, "secret") || strings.Count(said, "\n") != 1 {
			t.Errorf("%s: exit %d, said %q", line, code, said)
		}
	}
}

// FuzzSettingsFile reads every text as a settings file: it is settings or mistakes, each of one
// line with its place, and none quotes a secret.
func FuzzSettingsFile(f *testing.F) {
	for _, text := range []string{
		"addr = \":1\"\ntenant = [\n'a:b:c', # x\n\"\"\"d:e:f\"\"\"]\nreplicas = 3\ndemo = true", "desk-credential = ['ABCDEF=@x', 'y']\n[tenant]\nx=1", "a.b.c = {x = [1, 2.5, 1979-05-27]}",
		"addr = \"a\"\naddr = 'b'", "max-age = 1e9\nmax-store = '1GB'", "[[tenant]]\n[tenant.x]", "'' = 1\n\"\\u0000\" = 2", "nats-url = 'nats://a:b@c/d?e'", "tenant = [[['x']]]", "replicas = 0o17\nlog-level = nan",
	} {
		f.Add([]byte(text))
	}
	const secret = "kept-from-everybody"
	file := filepath.Join(f.TempDir(), "gateway.toml")
	f.Fuzz(func(t *testing.T, text []byte) {
		options := defaults().options()
		text = append([]byte("desk-credential = '"+secret+"'\n"), text...)
		from, err := readConfig("gateway.toml", text, options)
		var m mistakes
		switch {
		case err == nil:
		case errors.As(err, &m):
		default:
			m = mistakes{err.Error()}
		}
		for _, mistake := range m {
			if !strings.HasPrefix(mistake, "gateway.toml:") || len(mistake) > 250 || strings.ContainsAny(mistake, "\n\x00") || strings.Contains(mistake, secret) {
				t.Fatalf("it says %q", mistake)
			}
		}
		lines := bytes.Count(text, []byte("\n")) + 1
		for name, v := range from {
			if len(v.lines) < max(1, len(v.texts)) && v.verbatim || len(v.lines) == 0 {
				t.Fatalf("%s: %+v", name, v)
			}
			for _, line := range v.lines {
				if line < 1 || line > lines {
					t.Fatalf("%s is in line %d of %d", name, line, lines)
				}
			}
		}
		// Whatever it says is settings or a mistake, and no panic.
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := parse([]string{"--config", file}, environment{})
		if (err == nil) != (s != nil) || len(m) > 0 && err == nil {
			t.Fatalf("%+v, %v, %v", s, err, m)
		}
	})
}

// The settings file of docs/operations.md is one that starts.
func TestDocumentedSettingsFile(t *testing.T) {
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "\n```toml\n")
	block, _, ok := strings.Cut(block, "```\n")
	if !ok {
		t.Fatal("docs/operations.md has no settings file")
	}
	dir := t.TempDir()
	_, _, public := newKeys(t)
	_, hash := agentToken(t)
	for name, content := range map[string]string{
		"appkey.txt": "the-appkey", "desk.txt": "0123456789abcdef", "customers.pem": string(public),
		"agents.json":  `{"agents":[{"agentId":"` + agentID + `","agentName":"Ann","role":"agent","accounts":["ABCDEF"],"tokens":["` + hash + `"]}]}`,
		"gateway.toml": block,
	} {
		write(t, filepath.Join(dir, name), content)
	}
	if err := os.Chmod(filepath.Join(dir, "gateway.toml"), 0o644); err != nil { // it has no secret in it
		t.Fatal(err)
	}
	t.Chdir(dir)
	s, err := parse([]string{"--config", "gateway.toml"}, env())
	if err != nil {
		t.Fatal(err)
	}
	tenants, err := s.check()
	if err == nil {
		_, err = s.gatewayConfig(tenants)
	}
	if err != nil || len(tenants) != 1 || tenants[0].Appkey != "the-appkey" || len(s.deskAccess.Agents) != 1 || s.maxAge != 240*time.Hour || s.quotas.CustomerChats != 20 || len(s.origins) != 2 {
		t.Errorf("got %+v, %+v, %v", tenants, s, err)
	}
}
