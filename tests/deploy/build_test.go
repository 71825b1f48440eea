package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A build with empty caches takes minutes: each step is said before it begins, and what is built already
// is not spoken of.
func TestBuildSaysWhatItBeginsBeforeItDoes(t *testing.T) {
	if testing.Short() {
		t.Skip("builds everything")
	}
	real, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	programs, out := t.TempDir(), t.TempDir()
	wrapper := "#!/bin/sh\necho \"go $*\" >&2\nexec " + real + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(programs, "go"), []byte(wrapper), 0o755); err != nil {
		t.Fatal(err)
	}
	build := func(words ...string) string {
		t.Helper()
		c := exec.Command(repository("build.sh"), words...)
		c.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"))
		text, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("build.sh %q: %v\n%s", words, err, text)
		}
		return string(text)
	}
	// inOrder wants the lines that begin so, one after the other.
	inOrder := func(text string, begins ...string) {
		t.Helper()
		for rest, i := text, 0; i < len(begins); i++ {
			_, after, found := strings.Cut("\n"+rest, "\n"+begins[i])
			if !found {
				t.Fatalf("%q is not said, or not in its turn:\n%s", begins[i], text)
			}
			rest = after
		}
	}
	inOrder(build(out), "Building the SDK's WebAssembly", "go build -C ./wasm", "Packing and compressing the SDK", "go run ./js/pack")
	if text := build(out); strings.Contains(text, "Building") || strings.Contains(text, "Packing") {
		t.Errorf("what is built already is spoken of:\n%s", text)
	}
	inOrder(build("gateway", out), "Building the gateway", "go build")
}
