package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// config runs the command of that name with these arguments.
func config(t *testing.T, e environment, args ...string) (out, complaint string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append([]string{configCommand}, args...), e, &stdout, &stderr)
	return stdout.String(), stderr.String(), code
}

// The command says all mistakes at once, each in one line with the place of the setting, which
// is named once; those of files that settings name, too.
func TestConfigCheckSaysAllMistakes(t *testing.T) {
	dir := t.TempDir()
	file, variables := filepath.Join(dir, "gateway.toml"), filepath.Join(dir, "gateway.env")
	write(t, filepath.Join(dir, "bad.pem"), "nonsense")
	write(t, filepath.Join(dir, "deny.txt"), "nonsense")
	write(t, filepath.Join(dir, "keys.json"), "nonsense")
	write(t, file,
		`adr = "x"`,
		`tenant = ["`+tenantText+`one", "ABC:x:secret-of-a-tenant", "secret-of-a-tenant",`,
		`  "GHIJKL:a776d4f3-b886-40a3-9fa7-5b7df35b440b:@/nowhere"]`,
		`allowed-origins = ["https://a.example", "b.example",`,
		`"https://*.com"]`,
		`desk-credential = ["GHIJKL=0123456789abcdef", "MNOPQR=secret-of-a-desk", "short"]`,
		`jwt-public-key = ["`+filepath.Join(dir, "bad.pem")+`", "`+filepath.Join(dir, "none.pem")+`"]`,
		`deny-list = "`+filepath.Join(dir, "deny.txt")+`"`,
		`jwks = ["http://a.example/keys", "`+filepath.Join(dir, "keys.json")+`"]`,
		`max-age = "1h"`,
		`customer-chats = -1`,
		`dist = "`+dir+`"`,
		`abandon-after = "1s"`,
	)
	write(t, variables, "GATEWAY_NONSENSE=1", "GATEWAY_REPLICAS=2", "GATEWAY_AGENT_GRACE=2h")
	data := filepath.Join(dir, "data")
	out, said, code := config(t, env("GATEWAY_TENNANT", "x", "GATEWAY_SESSION_IDLE", "1x"), "check", "--config", file, "--environment-file", variables, "--data", data, "--adress", "x", "--addr", "8080", "--log-level=LOUD", "more")
	if code != exitFailed || out != "" {
		t.Errorf("exit %d, printed %q", code, out)
	}
	lines := strings.Split(strings.TrimSuffix(said, "\n"), "\n")
	for _, want := range []string{
		"GATEWAY_TENNANT in the environment is no setting; did you mean GATEWAY_TENANT?", "GATEWAY_SESSION_IDLE: ", "there is no flag -adress; did you mean --addr?", `--log-level: "LOUD"`, `unexpected argument "more"`,
		"--addr 8080 is not host:port",
		variables + ":1: GATEWAY_NONSENSE is no setting", variables + ":2: --replicas 2 is not", variables + ":3: --agent-grace 2h",
		file + ":1: adr is no setting; did you mean addr?", file + ":2: --tenant number 2: ", file + ":2: --tenant number 3 is not account:", file + ":3: --tenant number 4: cannot read",
		file + ":4: --allowed-origins number 2 b.example", file + ":5: --allowed-origins number 3 https://*.com", file + ":6: --desk-credential number 2 is for the account MNOPQR", file + ":6: --desk-credential number 3 is too short",
		file + ":7: --jwt-public-key number 1: ", file + ":7: --jwt-public-key number 2: cannot read", file + ":8: --deny-list: ", file + ":9: --jwks number 1 is not https", file + ":9: --jwks number 2: ",
		file + ":10: --max-age 1h", file + ":11: --customer-chats: \"-1\"", file + ":12: --dist: ", file + ":13: --abandon-after 1s is shorter",
	} {
		n := 0
		for _, line := range lines {
			if strings.HasPrefix(line, "gateway: "+want) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d lines begin with %q", n, want)
		}
	}
	for _, line := range lines {
		option := aboutOption.FindString(strings.TrimPrefix(line, "gateway: "))
		if option != "" && strings.Count(line, option) != 1 && !strings.Contains(line, "--replicas") || strings.Count(line, file) > 1 || strings.Count(line, variables) > 1 {
			t.Errorf("the setting or its place is named twice: %s", line)
		}
	}
	if want := 27; len(lines) != want {
		t.Errorf("%d lines, not %d:\n%s", len(lines), want, said)
	}
	if strings.Contains(said, "secret-of") {
		t.Errorf("a secret is in %s", said)
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("the data folder: %v", err)
	}
}

// What a start takes, the command does, in the real process; it opens neither port nor store.
func TestConfigCheckOfGoodSettings(t *testing.T) {
	_, private, public := newKeys(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "public.pem"), string(public))
	write(t, filepath.Join(dir, "private.pem"), string(private))
	file := filepath.Join(dir, "gateway.toml")
	write(t, file, `tenant = "`+tenantText+`one"`, `desk-credential = "0123456789abcdef"`, `server-credential = "0123456789abcdefg"`, `jwt-private-key = "`+filepath.Join(dir, "private.pem")+`"`,
		`jwt-public-key = "`+filepath.Join(dir, "public.pem")+`"`, `dist = ""`, `data = "`+filepath.Join(dir, "data")+`"`)
	check := exec.CommandContext(t.Context(), built(t), configCommand, "check", "--config", file)
	check.Env = []string{}
	if out, err := check.CombinedOutput(); err != nil || string(out) != "ok\n" {
		t.Errorf("%v, said %q", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "data")); !os.IsNotExist(err) {
		t.Errorf("the data folder: %v", err)
	}
	for args, want := range map[string]string{"": configUsage, "chek": configUsage, "--demo": configUsage} {
		if _, said, code := config(t, env(), args); code != exitMisused || !strings.Contains(said, want) {
			t.Errorf("%q: exit %d, said %q", args, code, said)
		}
	}
	// What only the gateway itself refuses.
	_, said, code := config(t, env(), "check", "--config", file, "--tenant", tenantText+"one", "--tenant", tenantText+"one")
	if code != exitFailed || strings.Count(said, "\n") != 1 || !strings.Contains(said, "is given twice with the same appkey") {
		t.Errorf("exit %d, said %q", code, said)
	}
	if out, said, code := config(t, env(), "check", "--demo", "--dist", ""); code != 0 || out != "ok\n" {
		t.Errorf("the demo: exit %d, said %q", code, said)
	}
}

// The settings that are printed are a settings file that says the same, with where each comes from.
func TestConfigPrintWritesASettingsFile(t *testing.T) {
	dir := t.TempDir()
	file, again := filepath.Join(dir, "gateway.toml"), filepath.Join(dir, "again.toml")
	write(t, file, `tenant = ["`+tenantText+`@one, two.txt",`, `"`+tenantText+`@three.txt"]`, `desk-credential = ["ABCDEF=@desk.txt", '@"quoted" \ .txt']`, `allowed-origins = ["https://*.example.com"]`,
		`max-store = "20GB"`, `log-level = "WARN"`, `session-idle = 0`, `jwt-issuer = "a\tb #c"`, `nats-url = "nats://host:4222"`, `customer-mib-per-hour = 3`, `dist = ""`)
	e := env("GATEWAY_REPLICAS", "3", "GATEWAY_SERVER_CREDENTIAL", "@a.txt\nABCDEF=@b.txt")
	args := []string{"--config", file, "--behind-proxy", "--heartbeat-interval", "15s"}
	out, said, code := config(t, e, append([]string{"print"}, args...)...)
	if code != 0 || said != "" {
		t.Fatalf("exit %d, said %q", code, said)
	}
	for _, want := range []string{"max-store = '20GB' # " + file + ":5\n", "replicas = 3 # environment\n", "behind-proxy = true # flag\n", "heartbeat-interval = '15s' # flag\n", "max-age = '720h' # default\n", "customer-calls = 8 # default\n",
		"session-idle = '0s' # " + file + ":7\n", "# --config " + fmt.Sprintf("%q", file) + "\n", "log-level = 'WARN' # " + file + ":6\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("it lacks %q:\n%s", want, out)
		}
	}
	if err := os.WriteFile(again, []byte(out), 0o644); err != nil {
		t.Fatal(err)
	}
	before, err := parse(args, e)
	if err != nil {
		t.Fatal(err)
	}
	after, err := parse([]string{"--config", again}, env())
	if err != nil {
		t.Fatal(err)
	}
	next := after.options()
	for i, o := range before.options() {
		if slices.Contains(notInConfig, o.name) {
			continue
		}
		if got, want := valueOf(next[i]), valueOf(o); !reflect.DeepEqual(got, want) && fmt.Sprint(got, want) != "[] []" {
			t.Errorf("--%s is %#v, and was %#v", o.name, got, want)
		}
		if !strings.Contains(out, "\n"+o.name+" = ") {
			t.Errorf("--%s is not printed", o.name)
		}
	}
	if out, said, code := config(t, env("GATEWAY_NONSENSE", "1"), "print", "--replicas", "x"); code != exitFailed || out != "" || strings.Count(said, "\n") != 2 {
		t.Errorf("mistakes: exit %d, printed %q, said %q", code, out, said)
	}
}

// No secret is printed, of any setting that may have one; and what stands in its place is refused.
func TestConfigPrintHidesSecrets(t *testing.T) {
	const secret = "kept-from-everybody-1234567890abcdef"
	planted := 0
	for _, o := range defaults().options() {
		var texts []string
		switch {
		case strings.Contains(o.arg, "secret") && strings.Contains(o.arg, "account"):
			texts = []string{secret, "ABCDEF=" + secret, "ABCDEF+GHIJKL=" + secret}
		case strings.Contains(o.arg, "secret"):
			texts = []string{secret}
		case strings.Contains(o.arg, "appkey"):
			texts = []string{tenantText + secret, secret, tenantText + "a:" + secret}
		case strings.Contains(o.arg, "url"):
			texts = []string{"https://" + secret + "@host:1/x", "https://user:" + secret + "@host", "https://user:a/" + secret + "@host/y", "https://host/x?token=" + secret, "user:" + secret + "@host"}
			if o.name == "nats-url" {
				texts = append(texts, "nats://a:1, nats://u:"+secret+"@b:2")
			}
			if o.name == "jwks" {
				texts = append(texts, "ABCDEF=https://u:"+secret+"@host")
			}
		default:
			continue
		}
		for _, text := range texts {
			planted++
			out, said, code := config(t, env(), "print", "--"+o.name, text)
			if code != 0 || strings.Contains(out+said, secret) || !strings.Contains(out, masked) {
				t.Errorf("--%s %s: exit %d, said %q, printed\n%s", o.name, text, code, said, out)
			}
		}
	}
	if planted < 15 {
		t.Errorf("%d secrets are known", planted)
	}
	for name, value := range map[string]string{"desk-credential": "ABCDEF=***", "tenant": tenantText + "***", "nats-url": "nats://***@host:4222"} {
		if _, said, code := config(t, env(), "check", "--"+name, value); code != exitFailed || !strings.Contains(said, "--"+name+": *** stands for a secret that gateway config print did not write") {
			t.Errorf("--%s %s: exit %d, said %q", name, value, code, said)
		}
	}
}
