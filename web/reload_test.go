package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"

	"openchat/sdk/wire"
)

// hangup asks the process to read its settings again, and waits for the line that says what
// came of it.
func (p *running) hangup(line string) {
	p.Helper()
	p.Signal(syscall.SIGHUP)
	p.logged(line)
}

// logged waits for a line of the log.
func (p *running) logged(line string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), limit)
	defer cancel()
	if err := p.Log.Await(ctx, line); err != nil {
		p.Fatal(err)
	}
}

func write(t *testing.T, path string, lines ...string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A process is reloaded with good and bad settings; what has not changed goes on.
func TestHangupReadsTheSettingsAgain(t *testing.T) {
	_, private, _ := newKeys(t)
	dir := t.TempDir()
	key, deny, file := filepath.Join(dir, "private.pem"), filepath.Join(dir, "deny.txt"), filepath.Join(dir, "gateway.env")
	write(t, key, string(private))
	write(t, deny, "# nobody")
	const first, second = "desk-credential-of-the-first-time", "desk-credential-of-the-second-time"
	settings := func(lines ...string) {
		t.Helper()
		write(t, file, append([]string{"GATEWAY_TENANT=" + tenantText + "appkey-one", "GATEWAY_SERVER_CREDENTIAL=" + serverSecret}, lines...)...)
	}
	settings("GATEWAY_DESK_CREDENTIAL="+first, "GATEWAY_CUSTOMER_CHATS=1")
	p := launch(t, built(t), "--addr", "127.0.0.1:0", "--dist", "", "--data", t.TempDir(), "--jwt-private-key", key, "--deny-list", deny, "--environment-file", file)

	ann, bob := p.tokenFor("ann"), p.tokenFor("bob")
	annStream, bobStream := ann.stream(0), bob.stream(0)
	ann.create("{}")
	ann.rest(409, "POST", "/engagements", fmt.Sprintf(`{"sessionId":%q}`, ann.session.SessionID))
	status := func(want int, credential string) {
		t.Helper()
		if got, b := p.call("GET", "/api/desk/v1/engagements", "", "Authorization", "Bearer "+credential); got != want {
			t.Errorf("the desk answers %d %s, not %d", got, b, want)
		}
	}
	status(200, first)
	status(401, second)

	// Bad settings: none of them takes effect.
	write(t, deny, "sub ann")
	settings("GATEWAY_DESK_CREDENTIAL="+second, "GATEWAY_CUSTOMER_CHATS=many")
	p.hangup("those before stay")
	settings("GATEWAY_DESK_CREDENTIAL="+second, "GATEWAY_ALLOWED_ORIGINS=nonsense")
	p.hangup("--allowed-origins nonsense")
	settings("GATEWAY_DESK_CREDENTIAL=" + serverSecret)
	p.hangup("--server-credential and --desk-credential are the same")
	settings("GATEWAY_DESK_CREDENTIAL=abababababababab")
	p.hangup("--desk-credential is too weak")
	if log := p.Log.String(); strings.Contains(log, serverSecret) || strings.Contains(log, "abababab") {
		t.Error("a secret is logged")
	}
	status(200, first)
	status(401, second)
	ann.rest(200, "GET", "/engagements?sessionId="+ann.session.SessionID, "")

	// Good ones: all do, and one says that it needs another start.
	settings("GATEWAY_DESK_CREDENTIAL="+second, "GATEWAY_CUSTOMER_CHATS=2", "GATEWAY_MAX_AGE=48h")
	p.hangup("settings read again")
	status(401, first)
	status(200, second)
	p.logged("settings=--max-age")
	ann.rest(403, "GET", "/engagements?sessionId="+ann.session.SessionID, "")
	for {
		_, _, err := annStream.conn.Read(t.Context())
		if err == nil {
			continue
		}
		var end websocket.CloseError
		if !errors.As(err, &end) || end.Code != wire.CloseTokenRefused || !strings.Contains(end.Reason, "deny-list") {
			t.Errorf("ann's stream: %v", err)
		}
		break
	}
	bob.rest(201, "POST", "/engagements", fmt.Sprintf(`{"sessionId":%q}`, bob.session.SessionID))
	if f := bobStream.read(); f.Type != wire.FrameEvent {
		t.Errorf("bob's stream: %+v", f)
	}
	p.terminate(syscall.SIGTERM)
}

// tokenFor is a customer of the tokens call.
func (p *running) tokenFor(name string) *customer {
	p.Helper()
	status, b := p.call("POST", wire.BasePath+"/accounts/ABCDEF/tokens", fmt.Sprintf(`{"customerId":%q,"integrationId":%q}`, name, demoIntegrationID),
		"Authorization", "Bearer "+serverSecret, wire.HeaderAppkey, "appkey-one")
	if status != 201 {
		p.Fatalf("the tokens call answered %d %s", status, b)
	}
	c := &customer{running: p, token: member(p.T, b, "jwtToken"), appkey: "appkey-one"}
	var err error
	if c.session, err = wire.DecodeSession(c.rest(201, "POST", "/sessions", fmt.Sprintf(`{"integrationId":%q}`, demoIntegrationID))); err != nil {
		p.Fatal(err)
	}
	return c
}

func TestReloadableOptionsExist(t *testing.T) {
	for _, name := range reloadable {
		if !slices.ContainsFunc(defaults().options(), func(o option) bool { return o.name == name }) {
			t.Errorf("there is no --%s", name)
		}
	}
}

func TestEnvironmentFile(t *testing.T) {
	from, err := readEnvironment("gateway.env", []byte("# x\n\nGATEWAY_TENANT=a=b,c\nGATEWAY_TENANT='c d'\r\nGATEWAY_DESK_CREDENTIAL=\"one\"\nGATEWAY_DESK_CREDENTIAL=two\nGATEWAY_ADDR=:1\n"), defaults().options())
	tenants, desks, addr := from["GATEWAY_TENANT"], from["GATEWAY_DESK_CREDENTIAL"], from["GATEWAY_ADDR"]
	if err != nil || tenants.texts[0] != "a=b,c,c d" || fmt.Sprint(tenants.lines) != "[3 3 4]" || desks.texts[0] != "one\ntwo" || fmt.Sprint(desks.lines) != "[5 6]" || addr.texts[0] != ":1" || addr.at(0) != "gateway.env:7" {
		t.Errorf("got %v, %v", from, err)
	}
	for text, want := range map[string]string{
		"secret": "gateway.env:1: this is not the name of a setting", "\nGATEWAY_TENNANT=secret": "gateway.env:2: GATEWAY_TENNANT is no setting that may stand here; did you mean GATEWAY_TENANT?",
		"GATEWAY_ADDR=secret\nGATEWAY_ADDR=secret": "gateway.env:2: GATEWAY_ADDR stands here a second time", "GATEWAY_HELP=secret": "GATEWAY_HELP is no setting that may stand here",
		"GATEWAY_ENVIRONMENT_FILE=secret": "GATEWAY_ENVIRONMENT_FILE is no setting that may stand here", "export GATEWAY_ADDR=secret": "gateway.env:1: this is not the name of a setting",
		"secret\n\nsecret=": "gateway.env:1: this is not",
	} {
		if _, err := readEnvironment("gateway.env", []byte(text), defaults().options()); err == nil || !strings.HasPrefix(err.Error(), want) && !strings.Contains(err.Error(), ": "+want) || strings.Contains(err.Error(), "=secret") || strings.Contains(err.Error(), " secret") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestEnvironmentFileWinsOverTheEnvironmentAndFlagsOverBoth(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gateway.env")
	write(t, file, "GATEWAY_ADDR=127.0.0.1:2", "GATEWAY_DATA=file", "GATEWAY_DIST=file")
	for _, c := range []struct{ args, env []string }{
		{[]string{"--environment-file", file, "--dist=flag"}, []string{"GATEWAY_ADDR", "127.0.0.1:1"}},
		{[]string{"--dist", "flag"}, []string{"GATEWAY_ADDR", "127.0.0.1:1", "GATEWAY_ENVIRONMENT_FILE", file}},
	} {
		s, err := parse(c.args, env(c.env...))
		if err != nil || s.addr != "127.0.0.1:2" || s.data != "file" || s.dist != "flag" {
			t.Errorf("%q: %+v, %v", c.args, s, err)
		}
	}
}

func TestKeysAndCredentialsNameTheirAccounts(t *testing.T) {
	for text, want := range map[string]string{
		"key.pem": "[*]  key.pem", "ABCDEF=key.pem": "[ABCDEF]  key.pem", "ABCDEF+GHIJKL/k=a/b=c": "[ABCDEF GHIJKL] k a/b=c",
		"*/k1=key.pem": "[*] k1 key.pem", "/etc/a=b.pem": "[*]  /etc/a=b.pem",
	} {
		key, file := cutKey(text)
		if got := fmt.Sprint(key.Accounts, " ", key.ID, " ", file); got != want {
			t.Errorf("%s: %q, not %q", text, got, want)
		}
	}
	for want, more := range map[string][]string{
		"--server-credential number 2 is for the account GHIJKL, which no --tenant has": {"--server-credential", "ABCDEF=" + serverSecret, "--server-credential", "GHIJKL=" + serverSecret + "2"},
		"--server-credential: numbers 1 and 2 are the same secret":                      {"--server-credential", "ABCDEF=" + serverSecret, "--server-credential", serverSecret},
		"--jwks is for the account GHIJKL":                                              {"--jwks", "GHIJKL=keys.json"},
		"--jwks is not https":                                                           {"--jwks", "http://login.example/keys"},
	} {
		s, err := parse(production(more...), env())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.check(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), serverSecret) {
			t.Errorf("%v, not %s", err, want)
		}
	}
}

func FuzzEnvironmentFile(f *testing.F) {
	f.Add([]byte("GATEWAY_TENANT=a:b:c\n# x\nGATEWAY_ADDR='x'"))
	f.Add([]byte("GATEWAY_TENNANT=x\nGATEWAY_DESK_CREDENTIAL=x\nGATEWAY_DESK_CREDENTIAL=y\nx"))
	f.Fuzz(func(t *testing.T, text []byte) {
		options := defaults().options()
		from, err := readEnvironment("gateway.env", text, options)
		var m mistakes
		if err != nil && !errors.As(err, &m) {
			t.Fatalf("%v with %v", err, from)
		}
		for _, mistake := range m {
			if !strings.HasPrefix(mistake, "gateway.env:") || len(mistake) > 250 || strings.Contains(mistake, "\n") {
				t.Fatalf("it says %q", mistake)
			}
		}
		// Whatever it says is settings or a mistake, and no panic.
		e := environment{}
		for _, o := range options {
			if v, ok := from[envName(o.name)]; ok {
				if len(v.lines) < 1 || v.at(0) == "" || len(v.texts) != 1 {
					t.Fatalf("%s: %+v", o.name, v)
				}
				if o.name != configFile {
					e[envName(o.name)] = v.texts[0]
				}
			}
		}
		s, err := parse(nil, e)
		if (err == nil) != (s != nil) {
			t.Fatalf("%+v, %v", s, err)
		}
	})
}
