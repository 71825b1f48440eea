package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// chromiumTab is a Driver by the DevTools protocol.
type chromiumTab struct {
	browser context.Context
	target  *Target
}

func openChromiumTab(profile string, receive func(Signal)) (Driver, error) {
	browser, ok := profiles.Load(cdp.BrowserContextID(profile))
	if !ok {
		return nil, fmt.Errorf("there is no profile %q", profile)
	}
	return openChromium(browser.(context.Context), profile, receive)
}

// driver begins to listen to what pages tell.
func (t *Target) driver(browser context.Context) (Driver, error) {
	if err := t.Run(runtime.Enable(), cdplog.Enable()); err != nil {
		t.Close()
		return nil, err
	}
	return chromiumTab{browser, t}, nil
}

// signals translates the protocol's events.
func signals(receive func(Signal)) func(event any) {
	return func(event any) {
		switch e := event.(type) {
		case *runtime.EventBindingCalled:
			receive(Signal{Called, e.Name, e.Payload})
		case *cdplog.EventEntryAdded:
			if e.Entry.Level == cdplog.LevelError {
				receive(Signal{Logged, "error", e.Entry.Text + " " + e.Entry.URL})
			}
		case *page.EventJavascriptDialogOpening:
			receive(Signal{Kind: Dialog, Text: e.Message})
		case *page.EventLoadEventFired:
			receive(Signal{Kind: Loaded})
		case *page.EventBackForwardCacheNotUsed:
			text, _ := json.Marshal(e.NotRestoredExplanations)
			receive(Signal{Kind: NotKept, Text: string(text)})
		case *runtime.EventConsoleAPICalled:
			level, text, _ := strings.Cut(ConsoleLine(event), ":")
			receive(Signal{Printed, level, strings.TrimPrefix(text, " ")})
		case *runtime.EventExceptionThrown:
			receive(Signal{Kind: Uncaught, Text: strings.TrimPrefix(ConsoleLine(event), "uncaught: ")})
		}
	}
}

// within runs actions that end with a caller's context, too.
func (c chromiumTab) within(ctx context.Context, actions ...chromedp.Action) error {
	own, cancel := context.WithCancelCause(c.target.Context)
	defer context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })()
	defer cancel(nil)
	err := chromedp.Run(own, actions...)
	if err != nil && own.Err() != nil {
		return errors.Join(err, context.Cause(own))
	}
	return err
}

func (c chromiumTab) Preload(ctx context.Context, script string) error {
	return c.within(ctx, chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := page.AddScriptToEvaluateOnNewDocument(script).Do(ctx)
		return err
	}))
}

func (c chromiumTab) Expose(ctx context.Context, name string) error {
	return c.within(ctx, runtime.AddBinding(name))
}

func (c chromiumTab) Navigate(ctx context.Context, url string) error {
	return c.within(ctx, chromedp.Navigate(url))
}

func (c chromiumTab) Travel(ctx context.Context, by int) error {
	return c.within(ctx, chromedp.ActionFunc(func(ctx context.Context) error {
		at, list, err := page.GetNavigationHistory().Do(ctx)
		if err != nil {
			return err
		}
		if to := int(at) + by; to >= 0 && to < len(list) {
			return page.NavigateToHistoryEntry(list[to].ID).Do(ctx)
		}
		return errors.New("the tab's history has no such page")
	}))
}

func (c chromiumTab) Evaluate(ctx context.Context, expression string, as Caller) (value json.RawMessage, err error) {
	err = c.within(ctx, chromedp.Evaluate(expression, &value, func(p *runtime.EvaluateParams) *runtime.EvaluateParams {
		p = p.WithAwaitPromise(true).WithUserGesture(as == AsUser)
		if as == AsPage {
			p = p.WithAllowUnsafeEvalBlockedByCSP(false)
		}
		return p
	}))
	return value, err
}

func (c chromiumTab) Click(ctx context.Context, selector string) error {
	return c.within(ctx, chromedp.Click(selector, chromedp.ByQuery, chromedp.NodeVisible))
}

func (c chromiumTab) Insert(ctx context.Context, text string) error {
	return c.within(ctx, input.InsertText(text))
}

// Press does not use chromedp's own key events, which insert a line break even where the page
// has taken the key for something else; a keyboard does not.
func (c chromiumTab) Press(ctx context.Context, key Key, shift bool) error {
	code, text := int64(13), "\r"
	switch key {
	case EscapeKey:
		code, text = 27, ""
	case TabKey:
		code, text = 9, ""
	}
	var modifiers input.Modifier
	if shift {
		modifiers = input.ModifierShift
	}
	event := func(kind input.KeyType, text string) chromedp.Action {
		return input.DispatchKeyEvent(kind).WithKey(string(key)).WithCode(string(key)).WithText(text).WithWindowsVirtualKeyCode(code).WithModifiers(modifiers)
	}
	down := input.KeyDown
	if text == "" {
		down = input.KeyRawDown
	}
	return c.within(ctx, event(down, text), event(input.KeyUp, ""))
}

func (c chromiumTab) MoveMouse(ctx context.Context, x, y float64) error {
	return c.within(ctx, chromedp.MouseEvent("mouseMoved", x, y))
}

func (c chromiumTab) SetSize(ctx context.Context, width, height int64, dark bool) error {
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	return c.within(ctx,
		emulation.SetDeviceMetricsOverride(width, height, 1, width < 600),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
	)
}

func (c chromiumTab) SetOffline(ctx context.Context, offline bool) error {
	return c.within(ctx, network.EmulateNetworkConditions(offline, 0, -1, -1))
}

func (c chromiumTab) Screenshot(ctx context.Context) (png []byte, err error) {
	err = c.within(ctx, chromedp.CaptureScreenshot(&png))
	return png, err
}

func (c chromiumTab) Popup(ctx context.Context, url string, receive func(Signal)) (Driver, error) {
	if _, err := c.Evaluate(ctx, fmt.Sprintf(`(window.open(%q, "", "popup"), null)`, url), AsUser); err != nil {
		return nil, err
	}
	// The browser has made the tab before window.open returns.
	list, err := target.GetTargets().Do(Executor(c.browser))
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(i *target.Info) bool {
		return i.OpenerID == chromedp.FromContext(c.target.Context).Target.TargetID
	})
	if i < 0 {
		return nil, errors.New("no second tab came")
	}
	t, err := attachTarget(c.browser, list[i].TargetID, signals(receive))
	if err != nil {
		return nil, err
	}
	return t.driver(c.browser)
}

func (c chromiumTab) Close() { c.target.Close() }
