package harness

import (
	"io"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"
)

// TestScratch lets a process panic that has a folder in scratch, and a process with a child as a
// browser's driver has one: nothing of that may be left.
func TestScratch(t *testing.T) {
	const panics = "OPENCHAT_SCRATCH_PANICS"
	if os.Getenv(panics) != "" {
		dir, err := scratchDir("browser")
		if err != nil {
			t.Fatal(err)
		}
		p := &Process{Name: "driver", Path: "sh", Args: []string{"-c", "sleep 600 & echo ready; wait"}, Ready: regexp.MustCompile("ready")}
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := endsWithScratch(dir, p); err != nil {
			t.Fatal(err)
		}
		panic("as a test may")
	}
	// All of these processes inherit the pipe: it ends with the last.
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	dir := t.TempDir()
	c := exec.Command(os.Args[0], "-test.run=^TestScratch$")
	c.Env = append(os.Environ(), panics+"=1", "TMPDIR="+dir)
	c.ExtraFiles = []*os.File{write}
	out, err := c.CombinedOutput()
	write.Close()
	if !regexp.MustCompile("panic: as a test may").Match(out) {
		t.Fatalf("it did not come to its panic: %v\n%s", err, out)
	}
	if err := read.SetReadDeadline(time.Now().Add(Timeout)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(read); err != nil {
		t.Fatalf("a process lives on: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left are %v (%v)", left, err)
	}
}
