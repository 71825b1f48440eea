package meta

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// mostFiles is how many files of production code a new event may be written by hand in.
const mostFiles = 8

const examplePatch = "tests/meta/testdata/typing-started.patch"

// The example of ARCHITECTURE.md, "Adding an event", is a patch that fits the code as it is. It
// leaves out what is generated.
//
// With OPENCHAT_EXAMPLE=1 a copy of the tree gets it, and its tests pass: the gateway raises the event
// and the handler of a page in Chromium gets it.
func TestExampleEvent(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	patch := filepath.Join(root, examplePatch)
	production := map[string]bool{}
	// The first line about each file, whatever becomes of it.
	for _, m := range regexp.MustCompile(`(?m)^diff --git a/.+ b/(.+)$`).FindAllStringSubmatch(source(t, examplePatch), -1) {
		if file := m[1]; !strings.HasPrefix(file, "docs/") && !strings.HasPrefix(file, "tests/") && !strings.HasSuffix(file, "_test.go") {
			production[file] = true
		}
	}
	if n := len(production); n == 0 || n > mostFiles {
		t.Errorf("the example writes %d files of production code by hand; at most %d are right", n, mostFiles)
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(section(t, "Adding an event"), -1) {
		if !strings.HasPrefix(m[1], "docs/") {
			documented[m[1]] = true
		}
	}
	if !maps.Equal(documented, production) {
		t.Errorf("ARCHITECTURE.md lists %q, the patch changes %q", slices.Sorted(maps.Keys(documented)), slices.Sorted(maps.Keys(production)))
	}
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed: whether the patch fits the code is not looked at")
	}
	runIn(t, root, "git", "apply", "--check", patch)
	if os.Getenv("OPENCHAT_EXAMPLE") == "" {
		return
	}
	dir := t.TempDir()
	runIn(t, root, "git", "checkout-index", "--all", "--prefix="+dir+"/")
	runIn(t, dir, "git", "apply", patch)
	for _, command := range []string{
		"go generate ./sdk/wire",
		"go test ./sdk/wire -run TestGolden -update",
		"tests/setup/typescript.sh",
		"go test ./tests/meta/types -run TestReference -update",
		"go vet ./...",
		"go test -count=1 -skip ^TestExampleEvent$ ./sdk/... ./web/desk ./tests/meta ./tests/meta/types",
	} {
		t.Log(command)
		runIn(t, dir, strings.Fields(command)...)
	}
	out := runIn(t, dir, "go", "test", "-count=1", "-v", "./tests/browser", "-run", "^TestRowsEvents$")
	if !strings.Contains(out, "--- PASS: TestRowsEvents/TYPING_STARTED") {
		t.Errorf("no page has got the event:\n%s", out)
	}
}

// runIn runs a command in a folder and returns what it prints; its failure ends the test.
func runIn(t *testing.T, dir string, words ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, words[0], words[1:]...)
	c.Dir = dir
	c.WaitDelay = time.Second
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
	}
	return string(out)
}
