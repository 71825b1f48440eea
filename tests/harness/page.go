package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// WaitUntil waits until a condition of the page's document holds, which is evaluated
// whenever the document changes.
func (b *Tab) WaitUntil(what, condition string, args ...any) {
	b.T.Helper()
	var held bool
	b.Eval(&held, `new Promise((resolve) => {
		const holds = () => `+condition+`;
		if (holds()) return resolve(true);
		const observer = new MutationObserver(() => { if (holds()) { observer.disconnect(); resolve(true); } });
		observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
		setTimeout(() => { observer.disconnect(); resolve(false); }, `+fmt.Sprint(Timeout.Milliseconds()-5000)+`);
	})`, args...)
	if !held {
		b.T.Fatalf("tab %q: %s did not come", b.Name, what)
	}
}

// PressEnter presses Enter.
func (b *Tab) PressEnter() { b.T.Helper(); b.Press(EnterKey, false) }

// Press presses a key and lets it go, while Shift is held down or not.
func (b *Tab) Press(key Key, shift bool) {
	b.T.Helper()
	b.drive("pressing "+string(key), func(ctx context.Context) error { return b.driver.Press(ctx, key, shift) })
}

// ClickToLoad clicks on what loads a page, and waits for that.
func (b *Tab) ClickToLoad(selector string) {
	b.T.Helper()
	before := len(b.loads.All())
	b.Click(selector)
	b.drive("loading a page", func(ctx context.Context) error {
		_, err := b.loads.Wait(ctx, func(list []struct{}) bool { return len(list) > before })
		return err
	})
}

// MoveMouse moves the mouse to a point of the viewport, in CSS pixels.
func (b *Tab) MoveMouse(x, y float64) {
	b.T.Helper()
	b.drive("moving the mouse", func(ctx context.Context) error { return b.driver.MoveMouse(ctx, x, y) })
}

// Type types text into an element.
func (b *Tab) Type(selector, text string) {
	b.T.Helper()
	b.Click(selector)
	b.Insert(text)
}

// Insert types text into what has the focus.
func (b *Tab) Insert(text string) {
	b.T.Helper()
	b.drive("typing", func(ctx context.Context) error { return b.driver.Insert(ctx, text) })
}

// CountObjects returns how many objects of a class are alive, after the collector has run, for
// which a condition on o holds.
func (b *Tab) CountObjects(class, condition string) (n int) {
	b.T.Helper()
	Needs(b.T, Memory)
	b.Run(chromedp.ActionFunc(func(ctx context.Context) error {
		p, _, err := runtime.Evaluate(class + ".prototype").WithObjectGroup("left").Do(ctx)
		if err != nil {
			return err
		}
		list, err := runtime.QueryObjects(p.ObjectID).WithObjectGroup("left").Do(ctx) // it collects first
		if err != nil {
			return err
		}
		r, _, err := runtime.CallFunctionOn("function () { return this.filter((o) => " + condition + ").length }").WithObjectID(list.ObjectID).WithReturnByValue(true).Do(ctx)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(r.Value, &n); err != nil {
			return err
		}
		return runtime.ReleaseObjectGroup("left").Do(ctx)
	}))
	return n
}

// OnNewDocument runs a script in each document of the tab, before its own scripts.
func (b *Tab) OnNewDocument(script string) {
	b.T.Helper()
	b.drive("adding a script", func(ctx context.Context) error { return b.driver.Preload(ctx, script) })
}

// ControlClock lets the test set the clock of all documents of the tab, as window.clock.
func (b *Tab) ControlClock() {
	b.T.Helper()
	text, err := os.ReadFile(filepath.Join(Pages(), "fastclock.js"))
	if err != nil {
		b.T.Fatal(err)
	}
	b.OnNewDocument(string(text))
}

// NetworkErrors is what browsers say on their consoles of calls that fail and
// connections that break, which the test does on purpose.
const NetworkErrors = `WebSocket connection to|Failed to load resource|net::ERR_|` + // Chromium's
	`establish a connection to the server|The connection to .* was interrupted|Cross-Origin Request Blocked` // Firefox's

// JS runs the body of an async function in the page and reads what it returns. In it
// stand sdk, and code(f): the code of the ACSException that f throws or rejects with,
// "" for none.
func (b *Tab) JS(out any, body string, args ...any) {
	b.T.Helper()
	b.Eval(out, `(async () => {
		const sdk = AvayaCCaaSChatSDK;
		const code = async (f) => {
			try { await f(); return "" } catch (e) { return e instanceof sdk.ACSException && e instanceof Error ? e.code : "no ACSException: " + e }
		};
		`+body+`
	})()`, args...)
}

// Expect runs body, which returns an object, and compares it member by member, as JSON.
func (b *Tab) Expect(row string, want map[string]any, body string, args ...any) {
	b.T.Helper()
	var got map[string]json.RawMessage
	b.JS(&got, body, args...)
	for name, value := range want {
		text, err := json.Marshal(value)
		if err != nil {
			b.T.Fatal(err)
		}
		if string(got[name]) != string(text) {
			b.T.Errorf("%s: %s is %s, want %s", row, name, got[name], text)
		}
		delete(got, name)
	}
	for name, value := range got {
		b.T.Errorf("%s: %s is %s, and is not expected", row, name, value)
	}
}

// WaitSettled lets everything that was delivered to the page, and that the core has queued
// before, be handled, by a call that goes through core and gateway, and is no user activity.
func (b *Tab) WaitSettled() {
	b.T.Helper()
	b.JS(nil, `await sdk.getEngagements(); await new Promise((f) => { const c = new MessageChannel(); c.port1.onmessage = () => { c.port1.close(); f() }; c.port2.postMessage(0) })`)
}

// Since returns the reports since mark.
func (b *Tab) Since(mark int) []Report { return b.Reports.All()[mark:] }

// Mark is the number of reports so far.
func (b *Tab) Mark() int { return len(b.Reports.All()) }

// WaitNth waits for n events of a name after mark, and returns the n-th.
func (b *Tab) WaitNth(mark int, name string, n int) Report {
	b.T.Helper()
	var found Report
	b.Wait(name, func(list []Report) bool {
		n := n
		for _, e := range list[mark:] {
			if e.Kind == "event" && e.Name == name {
				if n--; n == 0 {
					found = e
					return true
				}
			}
		}
		return false
	})
	return found
}
