package deploy

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"openchat/tests/harness"
)

var (
	binaries string // the folder of the programs under test, once they are built
	build    = sync.OnceValue(func() error {
		var err error
		if binaries, err = os.MkdirTemp("", "openchat-deploy-"); err != nil {
			return err
		}
		if err = os.Chmod(binaries, 0o755); err != nil { // other users run them
			return err
		}
		_, err = harness.BuildGateway(context.Background(), binaries)
		return err
	})
)

func TestMain(m *testing.M) {
	code := m.Run()
	if binaries != "" {
		_ = os.RemoveAll(binaries)
	}
	os.Exit(code)
}

// gateway returns the path of the gateway, built as it is shipped.
func gateway(t *testing.T) string {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(binaries, "gateway")
}

// source reads a file of the repository.
func source(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(repository(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocks returns the fenced blocks of a language below a heading of docs/operations.md, up to
// the next heading.
func blocks(t *testing.T, heading, language string) (list []string) {
	t.Helper()
	_, text, ok := strings.Cut(source(t, "docs/operations.md"), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("docs/operations.md has no heading %q", heading)
	}
	if end := regexp.MustCompile(`(?m)^##+ `).FindStringIndex(text); end != nil {
		text = text[:end[0]]
	}
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	return list
}

// replace replaces in a text that has to hold what is replaced.
func replace(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the text does not hold %q:\n%s", pairs[i], text)
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

// settingNames are the names of the gateway's flags, as its help has them.
var settingNames = sync.OnceValues(func() (map[string]bool, error) {
	if err := build(); err != nil {
		return nil, err
	}
	out, err := exec.Command(filepath.Join(binaries, "gateway"), "--help").Output()
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^  --([a-z0-9-]+)`).FindAllSubmatch(out, -1) {
		names[string(m[1])] = true
	}
	return names, nil
})

// wantSettings fails for each GATEWAY_ name in a text that is no setting of the gateway.
func wantSettings(t *testing.T, where, text string) {
	t.Helper()
	names, err := settingNames()
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 30 {
		t.Fatalf("the help names %d flags", len(names))
	}
	for _, m := range regexp.MustCompile(`GATEWAY_([A-Z0-9_]+)\b`).FindAllStringSubmatch(text, -1) {
		if !names[strings.ToLower(strings.ReplaceAll(m[1], "_", "-"))] {
			t.Errorf("%s names %s, which is no setting of the gateway", where, m[0])
		}
	}
}

// need has apt install a program, and skips the test where it cannot.
func need(t *testing.T, program, pkg string) {
	t.Helper()
	out, err := exec.Command(repository("tests/setup/apt.sh"), program, pkg).CombinedOutput()
	if err != nil {
		t.Skipf("%s cannot be had here: %s", program, bytes.TrimSpace(out))
	}
}

func TestDocumentsNameSettingsOfTheGateway(t *testing.T) {
	_, text, _ := strings.Cut(source(t, "docs/operations.md"), "\n## systemd\n")
	wantSettings(t, "docs/operations.md", text)
}

// repository returns the path of a file of the repository.
func repository(name string) string { return filepath.Join(harness.Root(), name) }
