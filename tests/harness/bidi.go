package harness

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// firefox is the connection to Firefox's own remote agent, by WebDriver BiDi
// (https://www.w3.org/TR/webdriver-bidi/).
type firefox struct {
	dir     string
	process Process
	version string
	conn    *websocket.Conn
	closed  chan struct{} // when nothing is read any more; why is then set
	why     error

	keyboard sync.Mutex // held by the tab that has it

	mu       sync.Mutex
	last     int
	answers  map[int]chan<- bidiAnswer
	tabs     map[string]*firefoxTab   // by browsing context, those of frames too
	channels map[string]func(string)  // what pages call, by channel
	popups   map[string]chan<- string // contexts that a context opens
}

type bidiAnswer struct {
	Type    string
	Error   string
	Message string
	Result  json.RawMessage
}

// firefoxPath returns the path of a Firefox: the one that the environment variable FIREFOX
// names, or the first that is installed.
func firefoxPath() (string, error) {
	if path := os.Getenv("FIREFOX"); path != "" {
		return exec.LookPath(path)
	}
	for _, name := range []string{"firefox-esr", "firefox"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no Firefox found: run tests/setup/firefox.sh, or name one in FIREFOX")
}

// firefoxPreferences are those beside what the remote agent itself sets for tests. Of rcwn: a slow disk
// does not make it ask the network for what it has in its cache.
const firefoxPreferences = `
user_pref("dom.disable_open_during_load", false);
user_pref("dom.min_background_timeout_value", 4);
user_pref("dom.timeout.enable_budget_timer_throttling", false);
user_pref("browser.tabs.remote.autostart", true);
user_pref("browser.sessionstore.resume_from_crash", false);
user_pref("browser.newtabpage.enabled", false);
user_pref("browser.startup.page", 0);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("toolkit.telemetry.enabled", false);
user_pref("dom.ipc.processPrelaunch.enabled", false);
user_pref("ui.prefersReducedMotion", 0);
user_pref("ui.systemUsesDarkTheme", 0);
user_pref("network.http.rcwn.enabled", false);
`

// sharedFirefox is the one Firefox of a package's tests, started by the first call. Main ends it.
var sharedFirefox = sync.OnceValues(func() (*firefox, error) {
	f, err := startFirefox()
	if err == nil {
		atEnd(f.end)
	}
	return f, err
})

func startFirefox() (*firefox, error) {
	path, err := firefoxPath()
	if err != nil {
		return nil, err
	}
	f := &firefox{
		closed: make(chan struct{}), answers: map[int]chan<- bidiAnswer{}, tabs: map[string]*firefoxTab{},
		channels: map[string]func(string){}, popups: map[string]chan<- string{},
	}
	if f.dir, err = scratchDir("firefox"); err == nil {
		err = f.start(path)
	}
	if err != nil {
		f.process.Kill()
		f.end()
		return nil, fmt.Errorf("starting %s: %w", path, err)
	}
	return f, nil
}

func (f *firefox) start(path string) error {
	f.process = Process{
		Name: "firefox", Path: path, Ready: regexp.MustCompile(`ws://[^/\s]+`),
		Args: []string{"--headless", "--no-remote", "--profile", f.dir, "--remote-debugging-port", "0", "about:blank"},
		Env:  []string{"HOME=" + f.dir, "MOZ_CRASHREPORTER_DISABLE=1"},
	}
	if err := os.WriteFile(filepath.Join(f.dir, "user.js"), []byte(firefoxPreferences), 0o666); err != nil {
		return err
	}
	if err := f.process.Start(context.Background()); err != nil {
		return err
	}
	if err := endsWithScratch(f.dir, &f.process); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	var err error
	if f.conn, _, err = websocket.Dial(ctx, f.process.URL+"/session", nil); err != nil {
		return err
	}
	f.conn.SetReadLimit(-1)
	go f.read() // ends with the connection, which end closes
	var made struct {
		Capabilities struct{ BrowserVersion string }
	}
	if err := f.ask(ctx, &made, "session.new", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"unhandledPromptBehavior": map[string]any{"default": "ignore"},
	}}}); err != nil {
		return err
	}
	f.version = made.Capabilities.BrowserVersion
	_, err = f.call(ctx, "session.subscribe", map[string]any{"events": []string{
		"log.entryAdded", "script.message", "browsingContext.contextCreated", "browsingContext.load", "browsingContext.userPromptOpened",
	}})
	return err
}

// end ends the browser. That it ends well is not the tests'.
func (f *firefox) end() {
	if f.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		_, _ = f.call(ctx, "browser.close", map[string]any{})
		cancel()
		f.conn.CloseNow()
	}
	if f.process.Exited() != nil {
		_ = f.process.Wait(20 * time.Second)
	}
	if f.dir != "" {
		os.RemoveAll(f.dir)
	}
}

func newFirefoxUser(t *testing.T) string {
	t.Helper()
	f, err := sharedFirefox()
	if err != nil {
		t.Fatal(err)
	}
	user, err := f.addUser()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.removeUser(user); err != nil {
			t.Error(err)
		}
	})
	return user
}

// addUser returns a new user, with cookies, cache and storage of its own.
func (f *firefox) addUser() (string, error) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), Timeout, errTooLong)
	defer cancel()
	var user struct{ UserContext string }
	err := f.ask(ctx, &user, "browser.createUserContext", map[string]any{})
	return user.UserContext, err
}

func (f *firefox) removeUser(user string) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), Timeout, errTooLong)
	defer cancel()
	return f.ask(ctx, nil, "browser.removeUserContext", map[string]any{"userContext": user})
}

// call makes a call and returns its result, or what the browser refuses it with.
func (f *firefox) call(ctx context.Context, method string, params any) (json.RawMessage, error) {
	answer := make(chan bidiAnswer, 1)
	f.mu.Lock()
	f.last++
	id := f.last
	f.answers[id] = answer
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.answers, id)
		f.mu.Unlock()
	}()
	text, err := json.Marshal(map[string]any{"id": id, "method": method, "params": params})
	if err != nil {
		return nil, err
	}
	// A context that ends while it writes would close the connection of all tabs.
	if err := f.conn.Write(context.WithoutCancel(ctx), websocket.MessageText, text); err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	select {
	case a := <-answer:
		if a.Type != "success" {
			return nil, &bidiError{method, a.Error, a.Message}
		}
		return a.Result, nil
	case <-f.closed:
		return nil, fmt.Errorf("%s: the browser is gone: %w", method, f.why)
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", method, context.Cause(ctx))
	}
}

// bidiError is what the browser refuses a call with.
type bidiError struct{ method, code, message string }

func (e *bidiError) Error() string { return e.method + ": " + e.code + ": " + e.message }

// ask is call, and reads the result into out, unless that is nil.
func (f *firefox) ask(ctx context.Context, out any, method string, params any) error {
	result, err := f.call(ctx, method, params)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(result, out)
}

// read takes all that the browser says, until the connection ends.
func (f *firefox) read() {
	defer close(f.closed)
	for {
		_, text, err := f.conn.Read(context.Background())
		if err != nil {
			f.why = err
			return
		}
		var m struct {
			bidiAnswer
			ID     int
			Method string
			Params json.RawMessage
		}
		if err := json.Unmarshal(text, &m); err != nil {
			f.why = err
			return
		}
		if m.Type == "event" {
			f.event(m.Method, m.Params)
			continue
		}
		f.mu.Lock()
		answer := f.answers[m.ID]
		f.mu.Unlock()
		if answer != nil {
			answer <- m.bidiAnswer
		}
	}
}

// bidiLogEntry is what the event log.entryAdded carries.
type bidiLogEntry struct {
	Type, Level, Method, Text string
	Source                    struct{ Context string }
	StackTrace                struct {
		CallFrames []struct {
			URL        string
			LineNumber int
		}
	}
}

func (f *firefox) event(method string, params json.RawMessage) {
	var p struct {
		bidiLogEntry
		Channel string
		Data    bidiValue
		Context string
		Parent  string
		Opener  string `json:"originalOpener"`
		Message string
	}
	if err := json.Unmarshal(params, &p); err != nil {
		p.Message = err.Error() // reported as a dialog's, of no tab
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch method {
	case "script.message":
		if call := f.channels[p.Channel]; call != nil {
			var text string
			if json.Unmarshal(p.Data.Value, &text) == nil { // Expose sends strings
				call(text)
			}
		}
	case "log.entryAdded":
		if tab := f.tabs[p.Source.Context]; tab != nil {
			tab.log(p.bidiLogEntry)
		}
	case "browsingContext.contextCreated":
		if p.Parent != "" {
			if tab := f.tabs[p.Parent]; tab != nil {
				f.tabs[p.Context] = tab
			}
		} else if opened := f.popups[p.Opener]; opened != nil {
			delete(f.popups, p.Opener)
			opened <- p.Context
		}
	case "browsingContext.load":
		if tab := f.tabs[p.Context]; tab != nil && tab.context == p.Context {
			tab.receive(Signal{Kind: Loaded})
		}
	case "browsingContext.userPromptOpened":
		if tab := f.tabs[p.Context]; tab != nil {
			tab.receive(Signal{Kind: Dialog, Text: p.Message})
		}
	}
}

// firefoxTab is a Driver by WebDriver BiDi.
type firefoxTab struct {
	f       *firefox
	context string // of browsing
	receive func(Signal)
}

func openFirefoxTab(user string, receive func(Signal)) (Driver, error) {
	f, err := sharedFirefox()
	if err != nil {
		return nil, err
	}
	return f.open(user, receive)
}

// open opens an empty tab of a user.
func (f *firefox) open(user string, receive func(Signal)) (Driver, error) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), Timeout, errTooLong)
	defer cancel()
	var made struct{ Context string }
	if err := f.ask(ctx, &made, "browsingContext.create", map[string]any{"type": "window", "userContext": user}); err != nil {
		return nil, err
	}
	return f.attach(made.Context, receive), nil
}

func (f *firefox) attach(context string, receive func(Signal)) Driver {
	t := &firefoxTab{f: f, context: context, receive: receive}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tabs[context] = t
	return t
}

// firefoxWords matches what Firefox itself says with the exceptions in its log.
var firefoxWords = regexp.MustCompile(`^(Content-Security-Policy: |Firefox can’t establish a connection |The connection to |Cross-Origin Request Blocked: |None of the “|The resource )`)

// log translates an entry of the browser's log.
func (t *firefoxTab) log(e bidiLogEntry) {
	switch {
	case e.Type == "console":
		level := e.Method
		if level == "warn" {
			level = "warning"
		}
		t.receive(Signal{Printed, level, e.Text})
	case e.Level == "error" && firefoxWords.MatchString(e.Text):
		t.receive(Signal{Logged, "error", e.Text})
	case e.Level == "error":
		text := "Uncaught " + e.Text
		for _, frame := range e.StackTrace.CallFrames {
			text += fmt.Sprintf("\n    at %s:%d", frame.URL, frame.LineNumber+1)
		}
		t.receive(Signal{Kind: Uncaught, Text: text})
	}
}

// ask makes a call that is the tab's.
func (t *firefoxTab) ask(ctx context.Context, out any, method string, params map[string]any) error {
	params["context"] = t.context
	return t.f.ask(ctx, out, method, params)
}

func (t *firefoxTab) preload(ctx context.Context, function string, args ...any) error {
	if args == nil {
		args = []any{}
	}
	return t.f.ask(ctx, nil, "script.addPreloadScript", map[string]any{
		"functionDeclaration": function, "arguments": args, "contexts": []string{t.context},
	})
}

func (t *firefoxTab) Preload(ctx context.Context, script string) error {
	// As a script of the document's, not as a function's body: its declarations are the page's.
	return t.preload(ctx, "() => {\n"+script+"\n}")
}

func (t *firefoxTab) Expose(ctx context.Context, name string) error {
	channel := name + " of " + t.context
	t.f.mu.Lock()
	t.f.channels[channel] = func(text string) { t.receive(Signal{Called, name, text}) }
	t.f.mu.Unlock()
	return t.preload(ctx, fmt.Sprintf(`(channel) => { const text = String; window[%q] = (v) => void channel(text(v)); }`, name),
		map[string]any{"type": "channel", "value": map[string]any{"channel": channel}})
}

func (t *firefoxTab) Navigate(ctx context.Context, url string) error {
	return t.ask(ctx, nil, "browsingContext.navigate", map[string]any{"url": url, "wait": "complete"})
}

func (t *firefoxTab) Travel(ctx context.Context, by int) error {
	return t.ask(ctx, nil, "browsingContext.traverseHistory", map[string]any{"delta": by})
}

func (t *firefoxTab) Evaluate(ctx context.Context, expression string, as Caller) (json.RawMessage, error) {
	if as == AsPage { // what the debugger calls may make code of strings; what a timer calls may not
		expression = "new Promise((done, fail) => setTimeout(() => { try { done(" + expression + ") } catch (e) { fail(e) } }))"
	}
	return t.evaluate(ctx, expression, as == AsUser, map[string]any{"context": t.context})
}

// apart evaluates an expression where nothing that the page has changed is seen, in what BiDi
// calls a sandbox.
func (t *firefoxTab) apart(ctx context.Context, expression string) (json.RawMessage, error) {
	return t.evaluate(ctx, expression, true, map[string]any{"context": t.context, "sandbox": "tests"})
}

func (t *firefoxTab) evaluate(ctx context.Context, expression string, byUser bool, where map[string]any) (json.RawMessage, error) {
	var got struct {
		Type      string
		Result    bidiValue
		Exception struct{ Text string } `json:"exceptionDetails"`
	}
	err := t.f.ask(ctx, &got, "script.evaluate", map[string]any{
		"expression": expression, "awaitPromise": true, "userActivation": byUser, "target": where,
	})
	if err != nil {
		return nil, err
	}
	if got.Type != "success" {
		return nil, errors.New("exception: " + got.Exception.Text)
	}
	return got.Result.json()
}

// Click finds where to click as often as the page is left meanwhile.
func (t *firefoxTab) Click(ctx context.Context, selector string) error {
	quoted, err := json.Marshal(selector)
	if err != nil {
		return err
	}
	find := `new Promise((done) => {
		const checkPlace = () => {
			const e = document.querySelector(` + string(quoted) + `);
			e?.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" });
			const box = e?.getBoundingClientRect();
			if (box?.width > 0 && box.height > 0 && e.checkVisibility({ visibilityProperty: true })) done([box.left + box.width / 2, box.top + box.height / 2]);
			else requestAnimationFrame(checkPlace);
		};
		checkPlace();
	})`
	for {
		var at [2]float64
		value, err := t.apart(ctx, find)
		if err == nil {
			err = json.Unmarshal(value, &at)
		}
		if err == nil {
			err = t.actions(ctx, "pointer",
				map[string]any{"type": "pointerMove", "x": math.Floor(at[0]), "y": math.Floor(at[1])},
				map[string]any{"type": "pointerDown", "button": 0}, map[string]any{"type": "pointerUp", "button": 0})
			return err
		}
		if _, refused := err.(*bidiError); !refused || ctx.Err() != nil {
			return err
		}
	}
}

// actions are those of one device.
func (t *firefoxTab) actions(ctx context.Context, device string, list ...any) error {
	return t.ask(ctx, nil, "input.performActions", inputSources(device, list))
}

func (t *firefoxTab) Insert(ctx context.Context, text string) error {
	quoted, err := json.Marshal(text)
	if err != nil {
		return err
	}
	_, err = t.apart(ctx, `document.execCommand("insertText", false, `+string(quoted)+`)`)
	return err
}

func (t *firefoxTab) Press(ctx context.Context, key Key, shift bool) error {
	// Keys go to the window that has the focus, and not all that they do is done in another.
	t.f.keyboard.Lock()
	defer t.f.keyboard.Unlock()
	if err := t.ask(ctx, nil, "browsingContext.activate", map[string]any{}); err != nil {
		return err
	}
	return t.actions(ctx, "key", keyActions(key, shift)...)
}

func (t *firefoxTab) MoveMouse(ctx context.Context, x, y float64) error {
	return t.actions(ctx, "pointer", map[string]any{"type": "pointerMove", "x": math.Floor(x), "y": math.Floor(y)})
}

func (t *firefoxTab) SetSize(ctx context.Context, width, height int64, _ bool) error {
	return t.ask(ctx, nil, "browsingContext.setViewport", map[string]any{"viewport": map[string]any{"width": width, "height": height}, "devicePixelRatio": 1})
}

func (t *firefoxTab) SetOffline(ctx context.Context, offline bool) error {
	var conditions any
	if offline {
		conditions = map[string]any{"type": "offline"}
	}
	return t.f.ask(ctx, nil, "emulation.setNetworkConditions", map[string]any{"contexts": []string{t.context}, "networkConditions": conditions})
}

func (t *firefoxTab) Screenshot(ctx context.Context) ([]byte, error) {
	var picture struct{ Data string }
	if err := t.ask(ctx, &picture, "browsingContext.captureScreenshot", map[string]any{}); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(picture.Data)
}

func (t *firefoxTab) Popup(ctx context.Context, url string, receive func(Signal)) (Driver, error) {
	opened := make(chan string, 1)
	t.f.mu.Lock()
	t.f.popups[t.context] = opened
	t.f.mu.Unlock()
	if _, err := t.Evaluate(ctx, fmt.Sprintf(`(window.open(%q, "", "popup"), null)`, url), AsUser); err != nil {
		return nil, err
	}
	select {
	case context := <-opened:
		return t.f.attach(context, receive), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("no second tab came: %w", context.Cause(ctx))
	}
}

func (t *firefoxTab) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	// It may be gone: a page can close its window.
	_ = t.ask(ctx, nil, "browsingContext.close", map[string]any{"promptUnload": false})
	t.f.mu.Lock()
	defer t.f.mu.Unlock()
	for context, tab := range t.f.tabs {
		if tab == t {
			delete(t.f.tabs, context)
		}
	}
	for channel := range t.f.channels {
		if strings.HasSuffix(channel, " of "+t.context) {
			delete(t.f.channels, channel)
		}
	}
}

// bidiValue is a value of the page's, as WebDriver BiDi spells it.
type bidiValue struct {
	Type  string
	Value json.RawMessage
}

// json returns a value as the page's JSON.stringify would, nearly: what has no JSON is an empty
// object, and a member that is undefined is left out.
func (v bidiValue) json() (json.RawMessage, error) {
	switch v.Type {
	case "undefined":
		return nil, errors.New("the value is undefined")
	case "null":
		return json.RawMessage("null"), nil
	case "string", "boolean", "date":
		return v.Value, nil
	case "number":
		var special string
		if json.Unmarshal(v.Value, &special) != nil {
			return v.Value, nil
		}
		if special == "-0" {
			return json.RawMessage("0"), nil
		}
		return json.RawMessage("null"), nil // NaN and the infinities
	case "bigint":
		var digits string
		if err := json.Unmarshal(v.Value, &digits); err != nil {
			return nil, err
		}
		if _, err := strconv.ParseInt(digits, 10, 64); err != nil {
			return nil, err
		}
		return json.RawMessage(digits), nil
	case "array":
		var list []bidiValue
		if err := json.Unmarshal(v.Value, &list); err != nil {
			return nil, err
		}
		parts := make([]json.RawMessage, len(list))
		for i, item := range list {
			if item.Type == "undefined" {
				item.Type = "null"
			}
			var err error
			if parts[i], err = item.json(); err != nil {
				return nil, err
			}
		}
		return json.Marshal(parts)
	case "object":
		var list [][2]json.RawMessage
		if err := json.Unmarshal(v.Value, &list); err != nil {
			return nil, err
		}
		var s strings.Builder
		for _, pair := range list {
			var item bidiValue
			if err := json.Unmarshal(pair[1], &item); err != nil {
				return nil, err
			}
			if item.Type == "undefined" {
				continue
			}
			text, err := item.json()
			if err != nil {
				return nil, err
			}
			if s.Len() > 0 {
				s.WriteByte(',')
			}
			s.Write(pair[0])
			s.WriteByte(':')
			s.Write(text)
		}
		return json.RawMessage("{" + s.String() + "}"), nil
	}
	return json.RawMessage("{}"), nil
}
