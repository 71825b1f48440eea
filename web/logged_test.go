package main

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// One line at the start, and another after a reload, says whom the process serves and how much
// of it, with what is in effect and no secret.
func TestTheLogSaysTheSettingsInEffect(t *testing.T) {
	t.Parallel()
	const shared, appkey = "desk-credential-of-all-the-time", "appkey-of-the-second-time"
	file := filepath.Join(t.TempDir(), "gateway.toml")
	write(t, file, "allowed-origins = ['https://*.example.com', 'https://b.example']", "customer-chats = 5", "account-chats = 0", "max-store = '20GB'", "max-age = '48h'", "tenant = ['"+tenantText+appkey+"', '"+tenantText+"another', 'MNOPQR:a776d4f3-b886-40a3-9fa7-5b7df35b440b:third']")
	var args []string
	for two := twoTenants(t); len(two) > 0; { // without its tenants
		if two[0] == "--tenant" {
			two = two[2:]
			continue
		}
		args, two = append(args, two[0]), two[1:]
	}
	p := launch(t, built(t), append(args, "--desk-credential", shared, "--config", file, "--retain-bytes", "10GB")...)
	line := func(from string) string {
		t.Helper()
		p.logged(from)
		_, text, _ := strings.Cut(p.Log.String(), from)
		_, text, ok := strings.Cut(text, `msg="settings in effect" `)
		if !ok {
			t.Fatalf("the log has no such line:\n%s", p.Log.String())
		}
		text, _, _ = strings.Cut(text, "\n")
		return " " + text + " "
	}
	wants := func(line string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(line, " "+want+" ") {
				t.Errorf("the line lacks %s: %s", want, line)
			}
		}
	}
	const integration = "/a776d4f3-b886-40a3-9fa7-5b7df35b440b"
	p.logged("customer-chats=5")
	wants(line("msg=serving "), "tenants=ABCDEF"+integration+",MNOPQR"+integration, "origins=https://*.example.com,https://b.example", "customer-chats=5", "account-chats=0", "account-mib-per-hour=4096", "max-store=20GB",
		"max-age=48h", "session-idle=24h", "abandon-after=30m", "retain-bytes=10GB", "agents=0")

	write(t, file, "customer-chats = 6", "max-age = '72h'", "tenant = ['"+tenantText+appkey+"']")
	p.hangup("settings read again")
	p.logged(`settings="--max-age, --max-store"`)
	p.logged("customer-chats=6")
	wants(line("settings read again"), "tenants=ABCDEF"+integration, `origins=""`, "customer-chats=6", "max-age=48h")
	for _, secret := range []string{shared, appkey, serverSecret, "another", "third"} {
		if strings.Contains(p.Log.String(), secret) {
			t.Errorf("a secret is logged: %s", secret)
		}
	}
	p.terminate(syscall.SIGTERM)
	if few(make([]string, maxLogged+3)) != strings.Repeat(",", maxLogged-1)+" and 3 more" {
		t.Error("a long list is not shortened")
	}
}
