// Package harness is what the tests have in common. Everything that several packages of
// tests start, drive or talk to is here, once:
//
//	Process        a program: started, killed, stopped, started again
//	Target         a tab of Chromium, for programs
//	Tab            a tab for tests, of the engine that BROWSER names; a Driver is behind it
//	Environment    the gateway's process and an origin before it, shared by a package's tests
//	Origin         a reverse proxy that can answer instead of the gateway
//	FaultyOrigin   one whose calls and event streams can be held, cut and changed
//	Desk, Agent    a client of the agents' API, for programs and for tests
//	Conversation   a customer's page in a chat with an agent
//
// Its folder cluster has what several gateways need, and the SDK for Go. Like the gateway
// the harness imports nothing of sdk but sdk/wire.
package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
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

// debianShell is the program that Debian's package chromium-headless-shell has. The one in PATH is a
// shell script that does not become it, and that leaves it running when it is killed itself.
const debianShell = "/usr/lib/chromium/chromium-headless-shell"

// findShell returns the path of Chromium's engine without a browser's windows, menus and
// services: a page costs the machine less in it. Where Debian's is not installed, or where the
// environment variable CHROMIUM or BROWSER asks for a browser by name, it is the whole browser.
func findShell() (string, error) {
	if os.Getenv("CHROMIUM") == "" && os.Getenv("BROWSER") == "" {
		if path, err := exec.LookPath(debianShell); err == nil {
			return path, nil
		}
	}
	return FindBrowser()
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
		// The process that it keeps ready for the next page would be started for each page, too.
		chromedp.Flag("disable-features", "WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup,SpareRendererForSitePerProcess"),
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

// SharedBrowser returns the one browser of a package's tests, started by the first call.
// Main ends it. It lacks what only a whole browser has: see Needs.
var SharedBrowser = sync.OnceValues(func() (context.Context, error) { return startShared(findShell) })

// sharedWhole is a second one, for tests that need a whole browser.
var sharedWhole = sync.OnceValues(func() (context.Context, error) { return startShared(FindBrowser) })

// startShared starts a browser that Main ends.
func startShared(find func() (string, error)) (context.Context, error) {
	path, err := find()
	if err != nil {
		return nil, err
	}
	ctx, end, err := StartBrowser(context.Background(), chromedp.ExecPath(path))
	if err == nil {
		atEnd(end)
	}
	return ctx, err
}

// Executor runs commands that are the browser's and not a tab's.
func Executor(browser context.Context) context.Context {
	return cdp.WithExecutor(browser, chromedp.FromContext(browser).Browser)
}

// profiles has the browser of each Chromium profile that tests use: of cdp.BrowserContextID
// to context.Context.
var profiles sync.Map

// NewProfile returns a new user of a shared browser, with cookies, cache and storage of its
// own, until the test ends. The browser is a whole one if the test, or one that it is part of,
// has called Needs with an ability that takes one.
func NewProfile(t *testing.T) (browser context.Context, profile cdp.BrowserContextID) {
	t.Helper()
	start := SharedBrowser
	if needsWhole(t.Name()) {
		start = sharedWhole
	}
	browser, err := start()
	if err != nil {
		t.Fatal(err)
	}
	profile, err = target.CreateBrowserContext().Do(Executor(browser))
	if err != nil {
		t.Fatal(err)
	}
	profiles.Store(profile, browser)
	t.Cleanup(func() {
		profiles.Delete(profile)
		if err := target.DisposeBrowserContext(profile).Do(Executor(browser)); err != nil {
			t.Error(err)
		}
	})
	return browser, profile
}

// Target is a tab of the browser for programs as well as tests: its methods return what
// goes wrong. Tab is the one that fails a test instead.
type Target struct {
	Context context.Context // of chromedp; the tab lives as long
	Close   func()
}

// OpenTarget opens an empty tab of a user, "" for the browser's own. Each is in a window of
// its own: a tab behind another is hidden, and gets no frames. receive, unless nil, is
// called with each event of the DevTools protocol, and must not block.
func OpenTarget(browser context.Context, profile cdp.BrowserContextID, receive func(event any)) (*Target, error) {
	create := target.CreateTarget("about:blank").WithNewWindow(true)
	if profile != "" {
		create = create.WithBrowserContextID(profile)
	}
	id, err := create.Do(Executor(browser))
	if err != nil {
		return nil, err
	}
	return attachTarget(browser, id, receive)
}

// attachTarget returns a tab that is open.
func attachTarget(browser context.Context, id target.ID, receive func(event any)) (*Target, error) {
	ctx, end := chromedp.NewContext(browser, chromedp.WithTargetID(id))
	if receive != nil {
		chromedp.ListenTarget(ctx, receive)
	}
	// The tab lives as long as the context of its first run.
	if err := chromedp.Run(ctx); err != nil {
		end()
		return nil, err
	}
	return &Target{Context: ctx, Close: end}, nil
}

var errTooLong = fmt.Errorf("not done in %v", Timeout)

// Run runs actions, for at most Timeout.
func (t *Target) Run(actions ...chromedp.Action) error {
	ctx, cancel := context.WithTimeoutCause(t.Context, Timeout, errTooLong)
	defer cancel()
	err := chromedp.Run(ctx, actions...)
	if err != nil && ctx.Err() != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	return err
}

// Eval evaluates an expression in the page, waits if it is a promise, and reads its value
// into out, unless that is nil. Arguments stand for %s in it, as JSON.
func (t *Target) Eval(out any, expression string, args ...any) error {
	expression, err := fill(out == nil, expression, args)
	if err != nil {
		return err
	}
	if out == nil {
		out = new(json.RawMessage)
	}
	err = t.Run(chromedp.Evaluate(expression, out, func(p *runtime.EvaluateParams) *runtime.EvaluateParams {
		return p.WithAwaitPromise(true)
	}))
	if err != nil {
		return fmt.Errorf("%w in\n%s", err, expression)
	}
	return nil
}

// Script is JavaScript that stands as it is where Eval puts arguments.
type Script string

// fill puts the arguments, as JSON, into an expression for Evaluate. One that is only waited
// for has no value: what the debugger holds of it would be one object more in the page.
func fill(noValue bool, expression string, args []any) (string, error) {
	list := make([]any, len(args))
	for i, a := range args {
		if script, ok := a.(Script); ok {
			list[i] = script
			continue
		}
		text, err := json.Marshal(a)
		if err != nil {
			return "", err
		}
		list[i] = text
	}
	expression = fmt.Sprintf(expression, list...)
	if noValue {
		expression = "(async () => { await (" + expression + "); return null })()"
	}
	return expression, nil
}

// Heap returns how much of JavaScript's heap is in use after a garbage collection, in bytes.
func (t *Target) Heap() (used float64, err error) {
	err = t.Run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		for range 2 { // finalizers of the first free what the second collects
			if err = heapprofiler.CollectGarbage().Do(ctx); err != nil {
				return err
			}
		}
		used, _, _, _, err = runtime.GetHeapUsage().Do(ctx)
		return err
	}))
	return used, err
}

// ConsoleLine returns what a page puts on the console with an event of the DevTools
// protocol, as "level: text", or "uncaught: …" for an exception; "" for other events.
func ConsoleLine(event any) string {
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		line := string(e.Type) + ":"
		for _, a := range e.Args {
			text := a.Description
			if json.Unmarshal(a.Value, &text) != nil && text == "" {
				text = string(a.Value)
			}
			line += " " + text
		}
		return line
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		return "uncaught: " + text
	}
	return ""
}
