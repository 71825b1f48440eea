// Package harness has what the tests start and talk to.
package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"github.com/chromedp/chromedp"
)

// FindBrowser returns the path of a Chromium: the one that the environment variable CHROMIUM
// names, or the first that is installed.
func FindBrowser() (string, error) {
	if path := os.Getenv("CHROMIUM"); path != "" {
		return exec.LookPath(path)
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no Chromium found: run tests/setup/chromium.sh, or name one in CHROMIUM")
}

// StartBrowser starts a headless browser with a fresh profile. The context that it returns is
// the browser's first tab and the parent of all others; end closes the browser and
// returns when its process is gone. More options come after those that all tests need,
// and so override them.
//
// The profile lies in a temporary folder of chromedp's, which removes it as far as it
// can: helper processes of the browser may outlive it by a moment and still write
// there, so a test's own TempDir would fail the test.
func StartBrowser(parent context.Context, more ...chromedp.ExecAllocatorOption) (ctx context.Context, end func(), err error) {
	path, err := FindBrowser()
	if err != nil {
		return nil, nil, err
	}
	alloc, endAlloc := chromedp.NewExecAllocator(parent, append([]chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path),
		chromedp.Flag("headless", "new"),
		chromedp.NoSandbox, // root in a container
		chromedp.DisableGPU,
		chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-quic", true),
		// Every window loads the address bar's list beforehand, a page of 400 modules: most
		// of what the machine then does, and no visitor's page waits for it.
		chromedp.Flag("disable-features", "WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup"),
		// Tabs of other tests must not be slowed down for being hidden.
		chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("disable-renderer-backgrounding", true),
	}, more...)...)
	// The browser is newer than the library, and speaks of things it does not know.
	silent := func(string, ...any) {}
	ctx, endTab := chromedp.NewContext(alloc, chromedp.WithLogf(silent), chromedp.WithErrorf(silent))
	end = func() { endTab(); endAlloc() }
	if err := chromedp.Run(ctx); err != nil {
		end()
		return nil, nil, fmt.Errorf("starting %s: %w", path, err)
	}
	return ctx, end, nil
}
