package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

const unitFile = "web/deploy/systemd/chat-gateway.service"

// directives returns the values of a unit's directive, in their order.
func directives(unit, name string) (values []string) {
	for _, m := range regexp.MustCompile(`(?m)^`+name+`=(.*)$`).FindAllStringSubmatch(unit, -1) {
		values = append(values, m[1])
	}
	return values
}

// directive returns the one value of a directive.
func directive(t *testing.T, unit, name string) string {
	t.Helper()
	values := directives(unit, name)
	if len(values) != 1 {
		t.Fatalf("%s= stands %d times in %s", name, len(values), unitFile)
	}
	return values[0]
}

func TestUnitFitsTheGateway(t *testing.T) {
	unit := source(t, unitFile)
	exec := strings.Fields(directive(t, unit, "ExecStart"))
	names, err := settingNames()
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range exec[1:] {
		if flag, ok := strings.CutPrefix(word, "--"); ok {
			if !names[flag] {
				t.Errorf("ExecStart has --%s, which the gateway does not have", flag)
			}
		}
	}
	for name, want := range map[string]string{
		"Restart": "on-failure", "RestartSec": "2", "StartLimitIntervalSec": "0", // as docs/operations.md asks for exit code 75
		"RestartPreventExitStatus": "2", // misused
		"ExecReload":               "/bin/kill -HUP $MAINPID",
		"StateDirectory":           "chat-gateway", "ConfigurationDirectory": "chat-gateway",
		"NoNewPrivileges": "yes", "CapabilityBoundingSet": "", "ProtectSystem": "strict",
	} {
		if got := directive(t, unit, name); got != want {
			t.Errorf("%s=%s, want %s", name, got, want)
		}
	}
	if !strings.Contains(directive(t, unit, "ExecStart"), "--data /var/lib/"+directive(t, unit, "StateDirectory")+" ") {
		t.Error("--data is not the StateDirectory")
	}
	if !strings.HasSuffix(directive(t, unit, "ExecStart"), " --config /etc/"+directive(t, unit, "ConfigurationDirectory")+"/gateway.toml") {
		t.Error("--config is not in the ConfigurationDirectory")
	}
	// The user's name is that of the file for systemd-sysusers.
	if user := directive(t, unit, "User"); !strings.HasPrefix(source(t, "web/deploy/systemd/chat-gateway.sysusers"), "u "+user+" ") {
		t.Errorf("the user %s is not made", user)
	}
	seconds, err := strconv.Atoi(directive(t, unit, "TimeoutStopSec"))
	if err != nil || time.Duration(seconds)*time.Second < 30*time.Second+10*time.Second {
		t.Errorf("TimeoutStopSec=%d is shorter than the drain of 30s that the document allows, and a stop", seconds)
	}
	if n, err := strconv.Atoi(directive(t, unit, "LimitNOFILE")); err != nil || n < 65536 {
		t.Errorf("LimitNOFILE=%d", n)
	}
}

func TestUnitIsAcceptedAndHardened(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not installed (Debian: apt-get install systemd)")
	}
	// systemd-analyze wants the program to be there.
	dir := t.TempDir()
	file := filepath.Join(dir, "chat-gateway.service")
	unit := replace(t, source(t, unitFile), "/usr/local/bin/gateway", gateway(t))
	if err := os.WriteFile(file, []byte(unit), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", "--man=no", file).CombinedOutput(); err != nil || strings.Contains(string(out), "chat-gateway") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	out, err := exec.Command("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=15", file).CombinedOutput()
	if err != nil && !strings.Contains(string(out), "exposure level") {
		t.Skipf("this systemd-analyze cannot judge a file: %s", out)
	}
	level := regexp.MustCompile(`exposure level for chat-gateway\.service: ([0-9.]+)`).FindSubmatch(out)
	if err != nil || level == nil {
		t.Fatalf("systemd-analyze security: %v\n%s", err, out)
	}
	t.Logf("systemd-analyze security: exposure level %s", level[1])
	// Versions of systemd count differently; the document names that of Debian 12.
	version, err := exec.Command("systemd-analyze", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := "exposure level of " + string(level[1]) + " (systemd 252)"; strings.HasPrefix(string(version), "systemd 252 ") && !strings.Contains(source(t, "docs/operations.md"), want) {
		t.Errorf("docs/operations.md does not say %q", want)
	}
}

// The commands of the document put everything where the unit looks for it.
func TestUnitIsInstalledAsTheDocumentSays(t *testing.T) {
	commands := blocks(t, "## systemd", "sh")
	if len(commands) != 2 { // the other one is for the settings: TestDocumentedCommandsWork
		t.Fatalf("%d blocks of commands", len(commands))
	}
	// In a folder that stands for /, without what only root may do.
	root, archive := t.TempDir(), t.TempDir()
	text := replace(t, commands[0], " /usr/local/", " "+root+"/usr/local/", " /etc/", " "+root+"/etc/", "-o root -g chat-gateway ", "", "systemd-sysusers\n", "")
	if err := os.Symlink(gateway(t), filepath.Join(archive, "gateway")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(archive, "dist"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(archive, "deploy"), os.DirFS(filepath.Dir(filepath.Dir(repository(unitFile))))); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("sh", "-euc", text)
	c.Dir = archive
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	unit := source(t, unitFile)
	for _, path := range []string{
		strings.Fields(directive(t, unit, "ExecStart"))[0], "/usr/local/share/chat-gateway/dist", directive(t, unit, "WorkingDirectory"),
		"/etc/systemd/system/chat-gateway.service", "/etc/sysusers.d/chat-gateway.conf",
	} {
		if _, err := os.Stat(root + path); err != nil {
			t.Error(err)
		}
	}
}
