package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestBrowserIsTheProcess: what is started, and so ended, is the browser and no script that has started it.
func TestBrowserIsTheProcess(t *testing.T) {
	for name, find := range map[string]func() (string, error){"the whole browser": FindBrowser, "the engine alone": findShell} {
		t.Run(name, func(t *testing.T) {
			path, err := find()
			if err != nil {
				t.Fatal(err)
			}
			ctx, end, err := StartBrowser(t.Context(), chromedp.ExecPath(path))
			if err != nil {
				t.Fatal(err)
			}
			defer end()
			program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", chromedp.FromContext(ctx).Browser.Process().Pid))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(filepath.Base(program), "chrom") {
				t.Errorf("%s started %s", path, program)
			}
		})
	}
}
