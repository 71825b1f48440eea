package harness

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// webkitDriverPath returns the path of WebKitGTK's driver: the one that the environment variable
// WEBKITDRIVER names, or the one that is installed.
func webkitDriverPath() (string, error) {
	path, err := exec.LookPath(cmp.Or(os.Getenv("WEBKITDRIVER"), "WebKitWebDriver"))
	if err != nil {
		return "", errors.New("no WebKitWebDriver found: run tests/setup/webkit.sh, or name one in WEBKITDRIVER")
	}
	return path, nil
}

// sharedDisplay is the one X server of a package's tests, started by the first call. Main ends it.
var sharedDisplay = sync.OnceValues(func() (string, error) {
	display, end, err := startDisplay()
	if err == nil {
		atEnd(end)
	}
	return display, err
})

// startDisplay starts an X server without a screen.
func startDisplay() (display string, end func(), err error) {
	x := &Process{
		Name: "Xvfb", Path: "Xvfb", Ready: regexp.MustCompile(`^\d+$`),
		Args: []string{"-displayfd", "1", "-screen", "0", "2560x1600x24", "-nolisten", "tcp", "-noreset"},
	}
	if err := x.Start(context.Background()); err != nil {
		return "", nil, fmt.Errorf("%w: run tests/setup/webkit.sh", err)
	}
	return ":" + x.URL, x.Kill, nil
}

// webkitUser is a user of WebKit: a browser of the user's own, because all windows of one share
// storage and cookies. WebKitWebDriver drives one browser, by classic WebDriver
// (https://www.w3.org/TR/webdriver2/).
type webkitUser struct {
	dir     string
	driver  Process
	proxy   *webkitProxy
	session string // its URL
	version string // of the browser

	turn    sync.Mutex // held by the tab whose window is the driver's current one
	current string     // window
	tabs    int
	first   string // the window that the browser began with, and lives as long as: no tab has it
}

// webkitUsers has the users by name.
var webkitUsers sync.Map

func newWebkitUser(t *testing.T) string {
	t.Helper()
	display, err := sharedDisplay()
	if err != nil {
		t.Fatal(err)
	}
	u, err := startWebkit(display, true)
	if err != nil {
		t.Fatal(err)
	}
	webkitUsers.Store(u.session, u)
	t.Cleanup(func() {
		webkitUsers.Delete(u.session)
		u.end()
	})
	return u.session
}

// startWebkit starts a user's browser. Only behind the proxy its tabs can do all that a Driver's can;
// without it they can do what a Page's can, as fast as for anybody.
func startWebkit(display string, behindProxy bool) (*webkitUser, error) {
	path, err := webkitDriverPath()
	if err != nil {
		return nil, err
	}
	u := &webkitUser{}
	if u.proxy, err = newWebkitProxy(); err != nil {
		return nil, err
	}
	if u.dir, err = scratchDir("webkit"); err == nil {
		err = u.start(path, display, behindProxy)
	}
	if err != nil {
		u.end()
		return nil, fmt.Errorf("starting %s: %w\n%s", path, err, u.driver.Log.Last(20))
	}
	return u, nil
}

func (u *webkitUser) start(path, display string, behindProxy bool) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), Timeout, errTooLong)
	defer cancel()
	port, err := freePort()
	if err != nil {
		return err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	u.driver = Process{
		Name: "WebKitWebDriver", Path: path, Args: []string{"--host=127.0.0.1", "--port=" + strconv.Itoa(port)},
		Env: []string{
			"DISPLAY=" + display, "HOME=" + u.dir, "XDG_RUNTIME_DIR=" + u.dir, "LANG=C.UTF-8", "LANGUAGE=en_US",
			"GDK_BACKEND=x11", "GSETTINGS_BACKEND=memory", "NO_AT_BRIDGE=1", "LIBGL_ALWAYS_SOFTWARE=1",
			"WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS=1", // root in a container, as for Chromium
		},
	}
	if err := u.driver.Start(ctx); err != nil {
		return err
	}
	if err := endsWithScratch(u.dir, &u.driver); err != nil {
		return err
	}
	if err := awaitPort(ctx, address, u.driver.Exited()); err != nil {
		return err
	}
	proxy := map[string]any{"proxyType": "direct"}
	if behindProxy {
		proxy = map[string]any{"proxyType": "manual", "httpProxy": u.proxy.address()}
	}
	var made struct {
		SessionID    string
		Capabilities struct{ BrowserVersion string }
	}
	err = webdriver(ctx, &made, http.MethodPost, "http://"+address+"/session", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"pageLoadStrategy": "normal",
		"timeouts":         map[string]any{"script": nil, "pageLoad": 10 * Timeout.Milliseconds()},
		"proxy":            proxy,
		"webkitgtk:browserOptions": map[string]any{"args": []string{
			"--automation", "--javascript-can-open-windows-automatically=true", // for Popup: no script is run as the user
		}},
	}}})
	if err != nil {
		return err
	}
	u.version = made.Capabilities.BrowserVersion
	u.session = "http://" + address + "/session/" + made.SessionID
	return webdriver(ctx, &u.first, http.MethodGet, u.session+"/window", nil)
}

// end ends the browser, its driver and its proxy. That the browser ends well is not the tests'.
func (u *webkitUser) end() {
	if u.session != "" {
		ctx, cancel := context.WithTimeoutCause(context.Background(), 10*time.Second, errTooLong)
		_ = webdriver(ctx, nil, http.MethodDelete, u.session, nil)
		cancel()
	}
	killGroup(&u.driver)
	u.driver.Kill()
	u.proxy.close()
	if u.dir != "" {
		os.RemoveAll(u.dir)
	}
}

// webdriverError is what the driver refuses a command with.
type webdriverError struct{ method, path, code, message string }

func (e *webdriverError) Error() string {
	return e.method + " " + e.path + ": " + e.code + ": " + e.message
}

// webdriverClient has no bound on connections: each script that has not ended holds one.
var webdriverClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}

// webdriver gives a command and reads its result into out, unless that is nil.
func webdriver(ctx context.Context, out any, method, url string, params any) error {
	var body io.Reader
	if method == http.MethodPost {
		if params == nil {
			params = struct{}{}
		}
		text, err := json.Marshal(params)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	path := r.URL.Path
	if _, after, found := strings.Cut(strings.TrimPrefix(path, "/session/"), "/"); found {
		path = after
	}
	a, err := webdriverClient.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer a.Body.Close()
	var answer struct{ Value json.RawMessage }
	if err := json.NewDecoder(a.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s %s: %s: %w", method, path, a.Status, err)
	}
	if a.StatusCode != http.StatusOK {
		var refusal struct{ Error, Message string }
		_ = json.Unmarshal(answer.Value, &refusal) // then it is refused without a reason
		return &webdriverError{method, path, cmp.Or(refusal.Error, a.Status), refusal.Message}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer.Value, out)
}

// run runs the body of a function in the current window.
func run(ctx context.Context, session, body string) error {
	return webdriver(ctx, nil, http.MethodPost, session+"/execute/sync", map[string]any{"script": body, "args": []any{}})
}

// webkitTab is a Driver by classic WebDriver.
type webkitTab struct {
	user   *webkitUser
	window string
	tell   func(Signal)
	ctx    context.Context // ends with the tab
	end    context.CancelFunc
	polled chan struct{} // closed when no poll is under way any more

	mu       sync.Mutex
	document string         // the newest that has reported something
	received map[string]int // how many of its reports, by document
}

func openWebkitTab(name string, receive func(Signal)) (Driver, error) {
	found, ok := webkitUsers.Load(name)
	if !ok {
		return nil, errors.New("there is no such user of WebKit")
	}
	return found.(*webkitUser).openTab(receive)
}

func (u *webkitUser) openTab(receive func(Signal)) (Driver, error) {
	u.turn.Lock()
	window, err := u.open()
	u.turn.Unlock()
	if err != nil {
		return nil, err
	}
	return u.attach(window, receive), nil
}

// open opens a window for a tab, by a script of the browser's first window: one without a toolbar,
// which would keep it from being narrow, and without an opener. The caller has the turn.
func (u *webkitUser) open() (window string, err error) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), Timeout, errTooLong)
	defer cancel()
	if u.tabs == 1 && u.current != "" {
		_ = run(ctx, u.session, "return null") // see script
	}
	before, err := u.handles(ctx)
	if err == nil {
		err = webdriver(ctx, nil, http.MethodPost, u.session+"/window", map[string]any{"handle": u.first})
	}
	if err != nil {
		return "", err
	}
	u.current = u.first
	if err := run(ctx, u.session, `window.open("about:blank", "", "popup, noopener")`); err != nil {
		return "", err
	}
	if window, err = u.opened(ctx, before); err != nil {
		return "", err
	}
	if err := webdriver(ctx, nil, http.MethodPost, u.session+"/window", map[string]any{"handle": window}); err != nil {
		return "", err
	}
	u.current = window
	// Of scripts that are a new window's first, one alone is answered.
	return window, run(ctx, u.session, "return null")
}

// handles returns all windows.
func (u *webkitUser) handles(ctx context.Context) (list []string, err error) {
	err = webdriver(ctx, &list, http.MethodGet, u.session+"/window/handles", nil)
	return list, err
}

// opened returns the window that is there since before. The browser makes it before window.open
// returns.
func (u *webkitUser) opened(ctx context.Context, before []string) (window string, err error) {
	after, err := u.handles(ctx)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(after, func(w string) bool { return !slices.Contains(before, w) })
	if i < 0 {
		return "", errors.New("no window was opened")
	}
	u.tabs++
	return after[i], nil
}

func (u *webkitUser) attach(window string, receive func(Signal)) Driver {
	t := &webkitTab{user: u, window: window, tell: receive, received: map[string]int{}, polled: make(chan struct{})}
	t.ctx, t.end = context.WithCancel(context.Background())
	go t.poll() // ends with Close
	return t
}

// ask gives a command for the tab's window, and reads its result into out, unless that is nil.
func (t *webkitTab) ask(ctx context.Context, out any, method, path string, params any) error {
	t.user.turn.Lock()
	defer t.user.turn.Unlock()
	if err := t.take(ctx); err != nil {
		return err
	}
	return t.alerted(webdriver(ctx, out, method, t.user.session+path, params))
}

// take makes the tab's window the driver's current one. The caller has the turn.
func (t *webkitTab) take(ctx context.Context) error {
	if t.user.current == t.window {
		return nil
	}
	if err := webdriver(ctx, nil, http.MethodPost, t.user.session+"/window", map[string]any{"handle": t.window}); err != nil {
		return err
	}
	t.user.current = t.window
	return nil
}

// alerted tells of the dialog that a command was refused for.
func (t *webkitTab) alerted(err error) error {
	if refused := (*webdriverError)(nil); errors.As(err, &refused) && refused.code == "unexpected alert open" {
		t.tell(Signal{Kind: Dialog, Text: refused.message})
	}
	return err
}

// script runs the body of a function in the page, in which done is what it answers with. Other
// commands may be given as soon as it runs.
func (t *webkitTab) script(ctx context.Context, out any, body string, args ...any) error {
	if args == nil {
		args = []any{}
	}
	t.user.turn.Lock()
	if err := t.take(ctx); err != nil {
		t.user.turn.Unlock()
		return err
	}
	sent := make(chan struct{})
	var once sync.Once
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { once.Do(func() { close(sent) }) }})
	answered := make(chan error, 1)
	go func() {
		answered <- webdriver(traced, out, http.MethodPost, t.user.session+"/execute/async", map[string]any{
			"script": "const done = arguments[arguments.length - 1], head = window[Symbol.for(\"tests\")];\n" + body, "args": args,
		})
	}()
	var err error
	select {
	case <-sent:
		if t.user.tabs > 1 {
			// The driver looks up which window is the current one when it has asked the browser
			// other things. Another script takes the same way, behind this one.
			_ = run(ctx, t.user.session, "return null")
		}
		t.user.turn.Unlock()
		err = <-answered
	case err = <-answered:
		t.user.turn.Unlock()
	}
	return t.alerted(err)
}

// webkitReport is what the script at a page's head answers with.
type webkitReport struct {
	ID    string
	From  int // the number of the first in Kept
	Kept  [][3]string
	Value *string
	Error *string
	Left  bool // before there was a value
}

// receive takes what a page reports and was not received yet.
func (t *webkitTab) receive(r webkitReport) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.document = r.ID
	for i, s := range r.Kept {
		if r.From+i < t.received[r.ID] {
			continue
		}
		t.received[r.ID] = r.From + i + 1
		switch s[0] {
		case "called":
			t.tell(Signal{Called, s[1], s[2]})
		case "printed":
			t.tell(Signal{Printed, s[1], s[2]})
		case "uncaught":
			t.tell(Signal{Kind: Uncaught, Text: s[2]})
		case "loaded":
			t.tell(Signal{Kind: Loaded})
		case "not kept":
			t.tell(Signal{Kind: NotKept, Text: s[2]})
		}
	}
}

// known is the document that has reported something last, and how much of it was received.
func (t *webkitTab) known() (document string, received int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.document, t.received[t.document]
}

// poll asks the tab's pages for what they report, one question after the other: each is answered
// when there is something, or when the page is left.
func (t *webkitTab) poll() {
	defer close(t.polled)
	const most = 50 // that fail in a row: then it is not a page that was left
	for failed := 0; failed < most; {
		document, received := t.known()
		var answer *string
		err := t.script(t.ctx, &answer, `if (head) head.poll(arguments[0], arguments[1], done);
			else {
				const again = window[Symbol.for("tests: waits")] = () => done(null); // the head may be yet to come
				addEventListener("pagehide", again);
			}`, document, received)
		switch refused := (*webdriverError)(nil); {
		case t.ctx.Err() != nil, errors.As(err, &refused) && (refused.code == "no such window" || refused.code == "invalid session id"):
			return
		case err != nil:
			if failed++; failed == most {
				t.tell(Signal{Logged, "error", "WebKit does not tell what the page reports: " + err.Error()})
			}
			continue
		}
		failed = 0
		if err := t.read(answer); err != nil {
			t.tell(Signal{Logged, "error", err.Error()})
		}
	}
}

// read takes what the head of a page answers with; nil is no answer.
func (t *webkitTab) read(answer *string) error {
	if answer == nil {
		return nil
	}
	var r webkitReport
	if err := json.Unmarshal([]byte(*answer), &r); err != nil {
		return fmt.Errorf("the head of the page answers %.200q: %w", *answer, err)
	}
	t.receive(r)
	return nil
}

func (t *webkitTab) Preload(_ context.Context, script string) error {
	// Of all tabs of the user, because the proxy does not know one from the other.
	t.user.proxy.addScript(script)
	return nil
}

func (t *webkitTab) Expose(_ context.Context, name string) error {
	t.user.proxy.addScript(fmt.Sprintf(`{ const { put } = window[Symbol.for("tests")]; window[%q] = (v) => put("called", %[1]q, v); }`, name))
	return nil
}

func (t *webkitTab) Navigate(ctx context.Context, url string) error {
	// What the page that is left has reported.
	if _, err := t.Evaluate(ctx, "null", AsDebugger); err != nil {
		return err
	}
	if err := t.ask(ctx, nil, http.MethodPost, "/url", map[string]any{"url": url}); err != nil {
		return err
	}
	for { // a page may lead to another at once
		_, err := t.Evaluate(ctx, "head ? head.loaded() : null", AsDebugger)
		if !errors.Is(err, errLeft) {
			return err
		}
	}
}

// errLeft is why there is no value of an expression.
var errLeft = errors.New("the page was left before there was a value")

func (t *webkitTab) Travel(ctx context.Context, by int) error {
	_, err := t.Evaluate(ctx, fmt.Sprintf("(history.go(%d), null)", by), AsDebugger)
	return err
}

func (t *webkitTab) Evaluate(ctx context.Context, expression string, _ Caller) (json.RawMessage, error) {
	document, received := t.known()
	var answer string
	err := t.script(ctx, &answer, `const expression = () => (`+expression+`
);
		if (head) head.evaluate(expression, arguments[0], arguments[1], done);
		else (async () => {
			try { done(JSON.stringify({ value: JSON.stringify(await expression()) })); }
			catch (e) { done(JSON.stringify({ error: String(e) })); }
		})();`, document, received)
	if err != nil {
		return nil, err
	}
	var r webkitReport
	if err := json.Unmarshal([]byte(answer), &r); err != nil {
		return nil, fmt.Errorf("the page answers %.200q: %w", answer, err)
	}
	if r.ID != "" {
		t.receive(r)
	}
	switch {
	case r.Left:
		return nil, errLeft
	case r.Error != nil:
		return nil, errors.New("exception: " + *r.Error)
	case r.Value == nil:
		return nil, errors.New("the value is undefined")
	}
	return json.RawMessage(*r.Value), nil
}

// Click finds where to click as often as the page is left meanwhile.
func (t *webkitTab) Click(ctx context.Context, selector string) error {
	for {
		var place string
		var at struct{ X, Y int }
		err := t.script(ctx, &place, "head.place(arguments[0], done)", selector)
		if err == nil {
			err = json.Unmarshal([]byte(place), &at)
		}
		if err == nil {
			return t.actions(ctx, "pointer",
				map[string]any{"type": "pointerMove", "x": at.X, "y": at.Y, "origin": "viewport"},
				map[string]any{"type": "pointerDown", "button": 0}, map[string]any{"type": "pointerUp", "button": 0})
		}
		if _, refused := err.(*webdriverError); !refused || ctx.Err() != nil {
			return err
		}
	}
}

// actions are those of one device.
func (t *webkitTab) actions(ctx context.Context, device string, list ...any) error {
	return t.ask(ctx, nil, http.MethodPost, "/actions", inputSources(device, list))
}

func (t *webkitTab) Insert(ctx context.Context, text string) error {
	return t.script(ctx, nil, "head.insert(arguments[0]); done(null)", text)
}

func (t *webkitTab) Press(ctx context.Context, key Key, shift bool) error {
	return t.actions(ctx, "key", keyActions(key, shift)...)
}

func (t *webkitTab) MoveMouse(ctx context.Context, x, y float64) error {
	return t.actions(ctx, "pointer", map[string]any{"type": "pointerMove", "x": int(x), "y": int(y), "origin": "viewport"})
}

// SetSize makes the window larger than the viewport by what else is in it.
func (t *webkitTab) SetSize(ctx context.Context, width, height int64, _ bool) error {
	var window struct{ Width, Height int64 }
	if err := t.ask(ctx, &window, http.MethodGet, "/window/rect", nil); err != nil {
		return err
	}
	var viewport [2]int64
	size, err := t.Evaluate(ctx, "[innerWidth, innerHeight]", AsDebugger)
	if err == nil {
		err = json.Unmarshal(size, &viewport)
	}
	if err != nil || viewport == [2]int64{width, height} {
		return err
	}
	if err := t.ask(ctx, nil, http.MethodPost, "/window/rect", map[string]any{
		"width": window.Width + width - viewport[0], "height": window.Height + height - viewport[1],
	}); err != nil {
		return err
	}
	return t.script(ctx, nil, `const checkSize = () => innerWidth === arguments[0] && innerHeight === arguments[1] ? done(null) : requestAnimationFrame(checkSize);
		checkSize();`, width, height)
}

func (t *webkitTab) SetOffline(ctx context.Context, offline bool) error {
	t.user.proxy.setOffline(offline)
	return t.script(ctx, nil, "head.network(arguments[0]); done(null)", !offline)
}

func (t *webkitTab) Screenshot(ctx context.Context) (png []byte, err error) {
	err = t.ask(ctx, &png, http.MethodGet, "/screenshot", nil)
	return png, err
}

func (t *webkitTab) Popup(ctx context.Context, url string, receive func(Signal)) (Driver, error) {
	t.user.turn.Lock()
	before, err := t.user.handles(ctx)
	t.user.turn.Unlock()
	if err == nil {
		_, err = t.Evaluate(ctx, fmt.Sprintf(`(window.open(%q, "", "popup"), null)`, url), AsUser)
	}
	if err != nil {
		return nil, err
	}
	t.user.turn.Lock()
	window, err := t.user.opened(ctx, before)
	t.user.turn.Unlock()
	if err != nil {
		return nil, err
	}
	return t.user.attach(window, receive), nil
}

func (t *webkitTab) Close() {
	if t.ctx.Err() != nil {
		return
	}
	t.end()
	<-t.polled
	ctx, cancel := context.WithTimeoutCause(context.Background(), Timeout, errTooLong)
	defer cancel()
	t.user.turn.Lock()
	defer t.user.turn.Unlock()
	if err := t.take(ctx); err != nil {
		return // it is gone: a page can close its window
	}
	_ = webdriver(ctx, nil, http.MethodDelete, t.user.session+"/window", nil)
	t.user.current = ""
	t.user.tabs--
}
