package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/css"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// tab is a page in the browser.
type tab struct {
	ctx context.Context
	end func()
}

// openTab loads a URL in a tab of its own. With fresh, nothing is shared with other
// tabs: no cache, no storage.
func openTab(browser context.Context, url string, fresh bool) (*tab, error) {
	create := target.CreateTarget("about:blank").WithNewWindow(true)
	var id target.ID
	var private cdp.BrowserContextID
	var ends []func()
	end := func() {
		for _, f := range slices.Backward(ends) {
			f()
		}
	}
	err := chromedp.Run(browser, chromedp.ActionFunc(func(ctx context.Context) (err error) {
		ctx = cdp.WithExecutor(ctx, chromedp.FromContext(ctx).Browser)
		if fresh {
			if private, err = target.CreateBrowserContext().Do(ctx); err != nil {
				return err
			}
			create = create.WithBrowserContextID(private)
			ends = append(ends, func() { target.DisposeBrowserContext(private).Do(ctx) }) // at the latest it goes with the browser
		}
		id, err = create.Do(ctx)
		return err
	}))
	if err != nil {
		end()
		return nil, err
	}
	ctx, endTab := chromedp.NewContext(browser, chromedp.WithTargetID(id))
	ends = append(ends, endTab)
	t := &tab{ctx, end}
	if err := t.run(chromedp.Navigate(url)); err != nil {
		end()
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	return t, nil
}

func (t *tab) run(actions ...chromedp.Action) error {
	// The first run of a tab's context opens the tab, which lives as long as that context.
	if err := chromedp.Run(t.ctx); err != nil {
		return err
	}
	ctx, cancel := bounded(t.ctx)
	defer cancel()
	err := chromedp.Run(ctx, actions...)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// unobserved ends what chromedp has each tab report and no measurement of loading looks
// at: to record every response for a debugger costs a load time that no visitor's does.
func (t *tab) unobserved() error {
	return t.run(network.Disable(), runtime.Disable(), log.Disable(), css.Disable(), dom.Disable())
}

// eval awaits the value of an expression, whose placeholders are filled with the JSON of
// the arguments, and reads it into result, unless that is nil.
func (t *tab) eval(result any, expression string, arguments ...any) error {
	var texts []any
	for _, a := range arguments {
		text, err := json.Marshal(a)
		if err != nil {
			return err
		}
		texts = append(texts, text)
	}
	expression = fmt.Sprintf(expression, texts...)
	var value *runtime.RemoteObject
	err := t.run(chromedp.ActionFunc(func(ctx context.Context) error {
		v, thrown, err := runtime.Evaluate(expression).WithAwaitPromise(true).WithReturnByValue(true).Do(ctx)
		if thrown != nil {
			text := thrown.Text
			if thrown.Exception != nil {
				text += " " + thrown.Exception.Description
			}
			return errors.New(text)
		}
		value = v
		return err
	}))
	if err != nil {
		return fmt.Errorf("%s: %w", expression, err)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(value.Value, result); err != nil {
		return fmt.Errorf("%s: %s: %w", expression, value.Value, err)
	}
	return nil
}

// cpu is the time that the page's main thread has computed, in seconds. Unlike the time
// that passes, it hardly depends on what else the machine does.
func (t *tab) cpu() (seconds float64, err error) {
	err = t.run(performance.Enable().WithTimeDomain(performance.EnableTimeDomainThreadTicks), chromedp.ActionFunc(func(ctx context.Context) error {
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
