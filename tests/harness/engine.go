package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// Engines are all engines that can be driven.
var Engines = []Engine{Chromium, Firefox, WebKit}

// Lack tells why an engine lacks an ability; "" where it has it.
func (e Engine) Lack(a Ability) string { return lacks[e][a] }

// Title is the engine's name as people write it.
func (e Engine) Title() string {
	return map[Engine]string{Chromium: "Chromium", Firefox: "Firefox", WebKit: "WebKit"}[e]
}

// Page is a tab as far as programs need one: see Driver.
type Page interface {
	Navigate(ctx context.Context, url string) error
	Evaluate(ctx context.Context, expression string, as Caller) (json.RawMessage, error)
	Close()
}

// Visitor is a user of an engine, for programs as well as tests: with cookies, cache and storage
// of its own. One goroutine at a time uses it.
type Visitor struct {
	// Open opens an empty tab, in a window of its own.
	Open func() (Page, error)
	// End ends all that is the user's.
	End func()
	// Root is the process that the browser's others descend from.
	Root int
	// Version is the browser's, in digits and points.
	Version string
}

// nothing is for tabs whose signals nobody receives.
func nothing(Signal) {}

// EngineBrowser is a browser for a program, beside the one that tests share.
type EngineBrowser struct {
	Visit func() (*Visitor, error) // a new user
	End   func()                   // after all users have ended
}

// StartEngine starts a browser of an engine, or what it takes to start one.
func StartEngine(ctx context.Context, e Engine) (*EngineBrowser, error) {
	switch e {
	case Chromium:
		return startChromiumEngine(ctx)
	case Firefox:
		f, err := startFirefox()
		if err != nil {
			return nil, err
		}
		return &EngineBrowser{End: f.end, Visit: func() (*Visitor, error) {
			user, err := f.addUser()
			if err != nil {
				return nil, err
			}
			return &Visitor{
				Open: func() (Page, error) { return f.open(user, nothing) },
				End:  func() { _ = f.removeUser(user) }, // at the latest it goes with the browser
				Root: f.process.PID(), Version: f.version,
			}, nil
		}}, nil
	case WebKit:
		display, end, err := startDisplay()
		if err != nil {
			return nil, err
		}
		return &EngineBrowser{End: end, Visit: func() (*Visitor, error) {
			u, err := startWebkit(display, false)
			if err != nil {
				return nil, err
			}
			return &Visitor{Open: func() (Page, error) { return u.openTab(nothing) }, End: u.end, Root: u.driver.PID(), Version: u.version}, nil
		}}, nil
	}
	return nil, fmt.Errorf("there is no engine %q", e)
}

func startChromiumEngine(ctx context.Context) (*EngineBrowser, error) {
	browser, end, err := StartBrowser(ctx)
	if err != nil {
		return nil, err
	}
	_, product, _, _, _, err := cdpbrowser.GetVersion().Do(Executor(browser))
	if err != nil {
		end()
		return nil, err
	}
	_, version, _ := strings.Cut(product, "/") // of Chrome/1.2.3.4
	return &EngineBrowser{End: end, Visit: func() (*Visitor, error) {
		profile, err := target.CreateBrowserContext().Do(Executor(browser))
		if err != nil {
			return nil, err
		}
		return &Visitor{
			Open: func() (Page, error) { return openChromium(browser, string(profile), nothing) },
			End: func() {
				_ = target.DisposeBrowserContext(profile).Do(Executor(browser)) // at the latest it goes with the browser
			},
			Root: chromedp.FromContext(browser).Browser.Process().Pid, Version: version,
		}, nil
	}}, nil
}

// openChromium opens an empty tab of a user of a Chromium.
func openChromium(browser context.Context, profile string, receive func(Signal)) (Driver, error) {
	t, err := OpenTarget(browser, cdp.BrowserContextID(profile), signals(receive))
	if err != nil {
		return nil, err
	}
	return t.driver(browser)
}
