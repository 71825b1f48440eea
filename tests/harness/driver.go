package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Engine names a kind of browser that the tests can drive.
type Engine string

// The engines.
const (
	Chromium Engine = "chromium" // by the DevTools protocol, in devtools.go
	Firefox  Engine = "firefox"  // by WebDriver BiDi, in bidi.go
	WebKit   Engine = "webkit"   // by classic WebDriver, in webkit.go
)

// currentEngine is the engine that the tests of this process drive: the one that the
// environment variable BROWSER names, Chromium where it names none. A name that is no
// engine's fails the test that opens the first tab.
var currentEngine = sync.OnceValue(func() Engine {
	if name := os.Getenv("BROWSER"); name != "" {
		return Engine(name)
	}
	return Chromium
})

// Driver is one tab as every engine has it, whatever protocol is behind it. Its methods may
// wait as long as their context; they are called one at a time, but for Evaluate.
type Driver interface {
	// Preload runs a script in each new document of the tab, before the document's own.
	Preload(ctx context.Context, script string) error
	// Expose gives each new document of the tab a function of that name on window. The tab
	// receives the text that a page calls it with, as a Signal.
	Expose(ctx context.Context, name string) error
	// Navigate loads a page, and returns when it is loaded with all it refers to.
	Navigate(ctx context.Context, url string) error
	// Travel goes to another page of the tab's history, so many on or, below zero, back. It
	// does not wait for the page.
	Travel(ctx context.Context, by int) error
	// Evaluate returns the value of an expression in the page as JSON; that of a promise, once
	// it is settled.
	Evaluate(ctx context.Context, expression string, as Caller) (json.RawMessage, error)
	// Click clicks in the middle of an element, once it can be seen.
	Click(ctx context.Context, selector string) error
	// Insert enters text where the focus is, as an input method does: without keys.
	Insert(ctx context.Context, text string) error
	// Press presses a key and lets it go, while Shift is held down or not.
	Press(ctx context.Context, key Key, shift bool) error
	// MoveMouse moves the mouse to a point of the viewport, in CSS pixels.
	MoveMouse(ctx context.Context, x, y float64) error
	// SetSize sets the size of the viewport in CSS pixels, and the colors that the user prefers.
	SetSize(ctx context.Context, width, height int64, dark bool) error
	// SetOffline takes the network from the tab, or gives it back.
	SetOffline(ctx context.Context, offline bool) error
	// Screenshot returns what the viewport shows, as PNG.
	Screenshot(ctx context.Context) ([]byte, error)
	// Popup opens a window by the page's own script, and returns the tab in it.
	Popup(ctx context.Context, url string, receive func(Signal)) (Driver, error)
	// Close closes the tab.
	Close()
}

// Caller tells as whom an expression is evaluated.
type Caller int

// The callers.
const (
	AsDebugger Caller = iota // nothing that the page forbids holds for it
	AsUser                   // as if the user had just clicked: it may open windows
	AsPage                   // the page's policy for code made of strings holds for it
)

// Key is a key of the keyboard.
type Key string

// The keys that tests press.
const (
	EnterKey  Key = "Enter"
	EscapeKey Key = "Escape"
	TabKey    Key = "Tab"
)

// The code points by which WebDriver names keys.
var webdriverKeys = map[Key]string{EnterKey: "\uE006", EscapeKey: "\uE00C", TabKey: "\uE004"}

const webdriverShift = "\uE008"

// inputSources is what WebDriver, classic and BiDi, takes of the actions of one device.
func inputSources(device string, actions []any) map[string]any {
	source := map[string]any{"type": device, "id": device, "actions": actions}
	if device == "pointer" {
		source["parameters"] = map[string]any{"pointerType": "mouse"}
	}
	return map[string]any{"actions": []any{source}}
}

// keyActions are the actions that press a key and let it go, in both kinds of WebDriver.
func keyActions(key Key, shift bool) []any {
	action := func(kind, value string) any { return map[string]any{"type": kind, "value": value} }
	list := []any{action("keyDown", webdriverKeys[key]), action("keyUp", webdriverKeys[key])}
	if shift {
		list = append(append([]any{action("keyDown", webdriverShift)}, list...), action("keyUp", webdriverShift))
	}
	return list
}

// Signal is something that a tab tells by itself.
type Signal struct {
	Kind SignalKind
	Name string // Called: of the function. Printed: the console's level: log, info, warning, error, debug, assert
	Text string
}

// SignalKind is what a Signal tells of.
type SignalKind int

// The kinds of signals.
const (
	Called   SignalKind = iota // a function that Expose has made; Text is its argument
	Printed                    // a line on the console, by the page
	Logged                     // an error on the console, by the browser
	Uncaught                   // an exception that nobody caught
	Dialog                     // a dialog that the page has opened
	Loaded                     // a page is loaded
	NotKept                    // the page that Travel goes to was not kept and is loaded anew; Text is why
)

// Ability is something that a test asks of a browser beyond what a Driver has.
type Ability string

// The abilities.
const (
	DevTools        Ability = "the DevTools protocol"
	Freezing        Ability = "freezing a page"
	Memory          Ability = "counting what a page's memory holds"
	HoldingSockets  Ability = "holding an open WebSocket's frames while offline"
	KeepingPages    Ability = "keeping a page with an open WebSocket in the back/forward cache"
	Crashing        Ability = "ending a page's process"
	Prerender       Ability = "prerendering a page by speculation rules"
	Requests        Ability = "telling a call that the page gave up from one that failed"
	DarkColors      Ability = "colors for the dark, for one tab"
	ChangedRealm    Ability = "driving a page whose scripts have changed the language"
	AllFrames       Ability = "an error's stack with the functions that end in a call of another"
	FocusEverywhere Ability = "the keyboard's focus in more than one window at a time"
	ServiceRestart  Ability = "telling close code 1012 from a broken connection"
	CachingFiles    Ability = "a cache of files that were loaded"
	Trapping        Ability = "going on after an access beyond WebAssembly's memory"
)

// lacks has what an engine cannot do, and why: the reason that a test gives which is skipped.
var lacks = map[Engine]map[Ability]string{
	Firefox: {
		DevTools:       "Firefox has WebDriver BiDi instead (https://firefox-source-docs.mozilla.org/remote/)",
		Freezing:       "Firefox freezes no page; it slows a hidden page's timers (https://developer.mozilla.org/docs/Web/API/Page_Visibility_API#policies_in_place_to_aid_background_page_performance)",
		Memory:         "WebDriver BiDi tells nothing of a page's memory (https://www.w3.org/TR/webdriver-bidi/#modules)",
		HoldingSockets: "Firefox, set offline, refuses new connections and leaves open WebSockets alone (https://www.w3.org/TR/webdriver-bidi/#command-emulation-setNetworkConditions)",
		KeepingPages:   "Firefox closes a page's open WebSocket, with code 1001, before pagehide, and does not keep the page (https://developer.mozilla.org/docs/Web/API/Performance_API/Monitoring_bfcache_blocking_reasons)",
		Crashing:       "WebDriver BiDi cannot end a page's process (https://www.w3.org/TR/webdriver-bidi/#modules)",
		Prerender:      "Firefox has no speculation rules (https://developer.mozilla.org/docs/Web/API/Speculation_Rules_API#browser_compatibility)",
		Requests:       "the test reads events of the DevTools protocol, of which WebDriver BiDi tells less (https://www.w3.org/TR/webdriver-bidi/#module-network)",
		DarkColors:     "Firefox sets prefers-color-scheme for all tabs of a process; see ui.systemUsesDarkTheme",
	},
	WebKit: {
		DevTools:        "WebKit has classic WebDriver instead (https://www.w3.org/TR/webdriver2/)",
		Freezing:        "WebDriver cannot freeze a page (https://www.w3.org/TR/webdriver2/#endpoints)",
		Memory:          "WebDriver tells nothing of a page's memory (https://www.w3.org/TR/webdriver2/#endpoints)",
		Crashing:        "WebDriver cannot end a page's process (https://www.w3.org/TR/webdriver2/#endpoints)",
		Prerender:       "WebKit has no speculation rules (https://developer.mozilla.org/docs/Web/API/Speculation_Rules_API#browser_compatibility)",
		Requests:        "the test reads events of the DevTools protocol, of which WebDriver tells none (https://www.w3.org/TR/webdriver2/#endpoints)",
		DarkColors:      "WebDriver sets no prefers-color-scheme (https://www.w3.org/TR/webdriver2/#endpoints)",
		ChangedRealm:    "what WebDriver evaluates runs in the page's own realm (https://github.com/WebKit/WebKit/blob/main/Source/WebKit/WebProcess/Automation/WebAutomationSessionProxy.js)",
		AllFrames:       "JavaScriptCore drops the frame of a call in tail position (https://webkit.org/blog/6240/ecmascript-6-proper-tail-calls-in-webkit/)",
		FocusEverywhere: "of a display's windows one has the focus, and the others show none (https://docs.gtk.org/gtk3/method.Window.has_toplevel_focus.html)",
		ServiceRestart:  "libsoup, WebKitGTK's network library, takes unassigned codes below 3000 for an error of the protocol, and 1012 for one (https://gitlab.gnome.org/GNOME/libsoup/-/blob/master/libsoup/websocket/soup-websocket-connection.c)",
		CachingFiles:    "a browser that WebDriver starts has private windows only, and keeps no file (https://webkitgtk.org/reference/webkit2gtk/stable/property.WebsiteDataManager.is-ephemeral.html)",
	},
}

// wholeOnly are the abilities that only a whole browser has. Chromium's engine alone keeps and
// prerenders no page, and a page whose WebAssembly traps ends.
var wholeOnly = []Ability{KeepingPages, Prerender, Trapping}

// wholeNeeded has the names of the tests that need one of wholeOnly.
var wholeNeeded sync.Map

// needsWhole reports whether a test needs a whole browser, or one that it is part of does.
func needsWhole(test string) bool {
	for part := test; ; {
		if _, ok := wholeNeeded.Load(part); ok {
			return true
		}
		i := strings.LastIndexByte(part, '/')
		if i < 0 {
			return false
		}
		part = part[:i]
	}
}

// Needs skips the test, saying why, where the engine lacks one of the abilities. The users that the
// test makes afterwards have a browser with all of them.
func Needs(t *testing.T, abilities ...Ability) {
	t.Helper()
	for _, a := range abilities {
		if !Has(a) {
			t.Skipf("%s: no %s: %s", currentEngine(), a, lacks[currentEngine()][a])
		}
		if slices.Contains(wholeOnly, a) {
			wholeNeeded.Store(t.Name(), true)
		}
	}
}

// Lacks reports whether the engine lacks an ability that a part of the test asks for, and lets the
// test say so, which tests/meta/conformance reads.
func Lacks(t *testing.T, a Ability) bool {
	t.Helper()
	if Has(a) {
		return false
	}
	t.Logf("in part: %s: no %s: %s", currentEngine(), a, lacks[currentEngine()][a])
	return true
}

// Has reports whether the engine has an ability.
func Has(a Ability) bool {
	_, lacking := lacks[currentEngine()][a]
	return !lacking
}

// openTab opens an empty tab of a user, in a window of its own.
func openTab(user string, receive func(Signal)) (Driver, error) {
	switch currentEngine() {
	case Chromium:
		return openChromiumTab(user, receive)
	case Firefox:
		return openFirefoxTab(user, receive)
	case WebKit:
		return openWebkitTab(user, receive)
	}
	return nil, fmt.Errorf("BROWSER=%s: want %s, %s or %s", currentEngine(), Chromium, Firefox, WebKit)
}

// newUser returns a new user of the shared browser, with cookies, cache and storage of its
// own, until the test ends.
func newUser(t *testing.T) string {
	t.Helper()
	switch currentEngine() {
	case Firefox:
		return newFirefoxUser(t)
	case WebKit:
		return newWebkitUser(t)
	}
	_, profile := NewProfile(t)
	return string(profile)
}
