package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"openchat/sdk/wire"
)

// command runs the built gateway's command beside the running one.
func (p *running) command(args ...string) (out, complaint string, code int) {
	p.Helper()
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(p.Context(), built(p.T), args...)
	c.Stdout, c.Stderr = &stdout, &stderr
	c.Env = []string{"GATEWAY_SERVER_CREDENTIAL=" + demoServer}
	_ = c.Run() // the code says it
	return stdout.String(), stderr.String(), c.ProcessState.ExitCode()
}

func TestCommandsExportAndEraseWhileTheGatewayRuns(t *testing.T) {
	p := launchDemo(t, t.TempDir(), "127.0.0.1:0")
	c := &customer{running: p}
	c.token, c.appkey = p.tokens("ann", "Ann")
	var err error
	if c.session, err = wire.DecodeSession(c.rest(201, "POST", "/sessions", fmt.Sprintf(`{"integrationId":%q}`, demoIntegrationID))); err != nil {
		t.Fatal(err)
	}
	c.create(`{"topic":"my-own-words"}`)
	whom := []string{"--customer", "ann", "--account=" + demoAccount, "--addr", strings.TrimPrefix(p.URL, "http://")}
	out, complaint, code := p.command(append([]string{"customer", "export"}, whom...)...)
	if code != 0 || !strings.Contains(out, "my-own-words") || !strings.Contains(out, `{"type":"complete","entries":`) {
		t.Errorf("%d %s %s", code, out, complaint)
	}
	if out, complaint, code = p.command(append([]string{"customer", "erase"}, whom...)...); code != 0 || !strings.Contains(out, `"complete":true`) {
		t.Errorf("%d %s %s", code, out, complaint)
	}
	if out, _, code = p.command(append([]string{"customer", "export"}, whom...)...); code != 0 || out != `{"type":"complete","entries":0}`+"\n" {
		t.Errorf("%d %s", code, out)
	}
	for _, bad := range []struct {
		code int
		says string
		args []string
	}{
		{exitMisused, "this command is", []string{"customer"}},
		{exitMisused, "--customer", []string{"customer", "erase", "--account", demoAccount}},
		{exitMisused, "none for the account", append([]string{"customer", "erase", "--server-credential", "QQQQQQ=secret-of-another-account"}, whom...)},
		{exitMisused, "must be https", append([]string{"customer", "erase", "--url", "http://chat.example.com"}, whom...)},
		{exitFailed, "401", append([]string{"customer", "erase", "--server-credential", "secret-of-nobody-at-all"}, whom...)},
	} {
		if _, complaint, code := p.command(bad.args...); code != bad.code || !strings.Contains(complaint, bad.says) || strings.Contains(complaint, "secret-of") {
			t.Errorf("%q: %d %s", bad.args, code, complaint)
		}
	}
	p.terminate(syscall.SIGTERM)
}

// FuzzCustomerCommand gives the command any customer: the call is about exactly that one, and
// goes nowhere else.
func FuzzCustomerCommand(f *testing.F) {
	for _, id := range []string{"ann", "..", "a/../b", "%2e%2e", "?x#y", "\x00", "ümlaut ", "--url", "-", "a=b", "/"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		c, err := readCustomerCall([]string{"erase", "--customer=" + id, "--account", "ABCDEF"},
			env("GATEWAY_SERVER_CREDENTIAL", demoServer))
		if err != nil {
			if id != "" {
				t.Fatal(err)
			}
			return
		}
		r, err := http.NewRequest(c.method, c.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		segment, ok := strings.CutPrefix(r.URL.EscapedPath(), wire.BasePath+"/accounts/ABCDEF/customers/")
		got, err := url.PathUnescape(segment)
		if !ok || err != nil || strings.Contains(segment, "/") || got != id || segment == "." || segment == ".." || r.URL.Host != "127.0.0.1:8080" {
			t.Errorf("%q became %q at %s", id, got, r.URL.Host)
		}
	})
}
