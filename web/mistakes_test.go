package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Whatever is wrong with a setting, the process says so in one line, in which the setting's flag and its
// file stand once, and a secret never.
func TestMistakesNameTheirFlagAndFileOnce(t *testing.T) {
	const secret = "a-secret-nobody-may-see-1234"
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	_, _, pem := newKeys(t)
	public := write("public", string(pem))
	missing := filepath.Join(dir, "missing")
	empty, garbage := write("empty", ""), write("garbage", secret+" }{\n")
	wide := write("wide", strings.Repeat("k", 32)+"\n")
	if err := os.Chmod(wide, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		flag  string
		value string
		file  string // "": the setting names none
		more  []string
	}{
		{"appkey", "@" + missing, missing, []string{"--account", "ABCDEF", "--integration-id", demoIntegrationID}},
		{"appkey", "@" + empty, empty, []string{"--account", "ABCDEF", "--integration-id", demoIntegrationID}},
		{"tenant", "ABCDEF:" + demoIntegrationID + ":@" + missing, missing, nil},
		{"tenant", "ABCDEF:" + demoIntegrationID + ":@" + empty, empty, nil},
		{"tenant", "ABC:" + demoIntegrationID + ":" + secret, "", nil},
		{"tenant", "ABCDEF:7:" + secret, "", nil},
		{"tenant", secret, "", nil},
		{"jwt-public-key", missing, missing, nil},
		{"jwt-public-key", garbage, garbage, nil},
		{"jwt-public-key", "ABCDEF/2026=" + missing, missing, nil},
		{"jwt-public-key", "GHIJKL=" + garbage, "", nil},
		{"jwks", missing, missing, nil},
		{"jwks", garbage, garbage, nil},
		{"jwks", "http://192.0.2.1/keys", "", nil},
		{"jwt-private-key", missing, missing, []string{"--server-credential", "0123456789-of-a-server"}},
		{"jwt-private-key", garbage, garbage, []string{"--server-credential", "0123456789-of-a-server"}},
		{"server-credential", "@" + missing, missing, nil},
		{"server-credential", "@" + empty, empty, nil},
		{"server-credential", "GHIJKL=" + secret, "", nil},
		{"server-credential", "short", "", nil},
		{"desk-credential", "@" + missing, missing, nil},
		{"desk-credential", "ABCDEF=@" + empty, empty, nil},
		{"desk-credential", "GHIJKL=" + secret, "", nil},
		{"agents", missing, missing, nil},
		{"agents", garbage, garbage, nil},
		{"agents", empty, empty, nil},
		{"deny-list", missing, missing, nil},
		{"deny-list", garbage, garbage, nil},
		{"environment-file", missing, missing, nil},
		{"environment-file", garbage, garbage, nil},
		{"config", missing, missing, nil},
		{"config", garbage, garbage, nil},
		{"store-key-file", missing, missing, nil},
		{"store-key-file", empty, empty, nil},
		{"store-key-file", wide, wide, nil},
		{"audit-log", filepath.Join(missing, "log"), filepath.Join(missing, "log"), nil},
		{"nats-url", "@" + missing, missing, nil},
		{"nats-url", "nats://gateway:" + secret + "@127.0.0.1:port", "", nil},
		{"nats-url", "nats://gateway:" + secret + "@127.0.0.1:1", "", nil},
		{"nats-monitor-url", "127.0.0.1:8222", "", []string{"--nats-url", "nats://127.0.0.1:1"}},
		{"dist", missing, missing, nil},
		{"data", "/proc/data", "/proc/data", nil},
		{"data", filepath.Join(garbage, "data"), filepath.Join(garbage, "data"), nil},
		{"addr", "127.0.0.1", "", nil},
		{"addr", "127.0.0.1:99999", "", nil},
		{"desk-addr", "127.0.0.1", "", nil},
		{"desk-addr", "127.0.0.1:99999", "", nil},
		{"metrics-addr", "127.0.0.1:99999", "", nil},
		{"profile-addr", "127.0.0.1:99999", "", nil},
		{"profile-addr", "192.0.2.1:6060", "", nil},
		{"allowed-origins", "shop.example.com", "", nil},
		{"desk-oidc-issuer", "http://192.0.2.1", "", []string{"--desk-oidc-audience", "desk"}},
		{"replicas", "2", "", nil},
		{"replicas", "many", "", nil},
		{"max-store", "much", "", nil},
		{"max-age", "1h", "", nil},
		{"retain-bytes", "much", "", nil},
		{"retain-bytes", "GHIJKL=2GB", "", nil},
		{"customer-chats", "-1", "", nil},
		{"heartbeat-interval", "soon", "", nil},
		{"log-level", "LOUD", "", nil},
	} {
		t.Run(x.flag+" "+filepath.Base(x.value), func(t *testing.T) {
			t.Parallel()
			settings := map[string][]string{
				"--tenant": {"ABCDEF:" + demoIntegrationID + ":the-appkey-of-abcdef"}, "--jwt-public-key": {public}, "--desk-credential": {"0123456789-of-desks"},
				"--addr": {"127.0.0.1:0"}, "--dist": {""}, "--data": {filepath.Join(t.TempDir(), "data")},
			}
			settings["--"+x.flag] = []string{x.value}
			var args []string
			for name, values := range settings {
				for _, value := range values {
					args = append(args, name+"="+value)
				}
			}
			args = append(args, x.more...)
			ctx, cancel := context.WithTimeout(t.Context(), 2*limit)
			defer cancel()
			cmd := exec.CommandContext(ctx, built(t), args...)
			cmd.Dir = dir
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			said := stderr.String()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || stdout.Len() != 0 || strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "gateway: ") {
				t.Fatalf("%v, stdout %q, stderr %q; want one line", err, &stdout, said)
			}
			// The package flag names a flag with one hyphen. What is wrong in a file of settings is said by
			// its line.
			if n := len(regexp.MustCompile(`(^|[^a-z-])--?`+x.flag+`\b([^-]|$)`).FindAllString(said, -1)); n != 1 && !(n == 0 && x.file != "" && strings.Contains(said, x.file+":1: ")) {
				t.Errorf("--%s is named %d times: %s", x.flag, n, said)
			}
			if x.file != "" && strings.Count(said, x.file) != 1 {
				t.Errorf("%s is named %d times: %s", x.file, strings.Count(said, x.file), said)
			}
			if strings.Contains(said, secret) {
				t.Errorf("a secret is in it: %s", said)
			}
		})
	}
}
