package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/css"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"openchat/tests/harness"
)

// tab is a page in the browser.
type tab struct{ *harness.Target }

// openTab loads a URL in a tab of its own. With fresh, nothing is shared with other
// tabs: no cache, no storage.
func openTab(browser context.Context, url string, fresh bool) (*tab, error) {
	var private cdp.BrowserContextID
	dispose := func() {}
	if fresh {
		var err error
		if private, err = target.CreateBrowserContext().Do(harness.Executor(browser)); err != nil {
			return nil, err
		}
		dispose = func() { target.DisposeBrowserContext(private).Do(harness.Executor(browser)) } // at the latest it goes with the browser
	}
	t, err := harness.OpenTarget(browser, private, nil)
	if err != nil {
		dispose()
		return nil, err
	}
	end := t.Close
	t.Close = func() { end(); dispose() }
	if err := t.Run(chromedp.Navigate(url)); err != nil {
		t.Close()
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	return &tab{t}, nil
}

// unobserved ends what chromedp has each tab report and no measurement of loading looks
// at: to record every response for a debugger costs a load time that no visitor's does.
func (t *tab) unobserved() error {
	return t.Run(network.Disable(), runtime.Disable(), log.Disable(), css.Disable(), dom.Disable())
}

// cpu is the time that the page's main thread has computed, in seconds. Unlike the time
// that passes, it hardly depends on what else the machine does.
func (t *tab) cpu() (seconds float64, err error) {
	err = t.Run(performance.Enable().WithTimeDomain(performance.EnableTimeDomainThreadTicks), chromedp.ActionFunc(func(ctx context.Context) error {
		metrics, err := performance.GetMetrics().Do(ctx)
		for _, m := range metrics {
			if m.Name == "TaskDuration" {
				seconds = m.Value
				return nil
			}
		}
		return errors.Join(errors.New("the browser does not tell the main thread's time"), err)
	}))
	return seconds, err
}
