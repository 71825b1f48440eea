package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// Report is something a page reported: an event, or a call's outcome.
type Report struct {
	Kind string // "event", "call" or "page"
	Name string
	Data json.RawMessage
}

// Message is the part of a MESSAGE_* event that tests look at.
type Message struct {
	EngagementID string `json:"engagementId"`
	MessageID    string `json:"messageId"`
	MessageIndex int64  `json:"messageIndex"`
	Body         struct {
		ElementText struct{ Text string } `json:"elementText"`
	} `json:"body"`
	SenderParticipant struct {
		ParticipantType string `json:"participantType"`
		DisplayName     string `json:"displayName"`
	} `json:"senderParticipant"`
	Participant struct {
		ParticipantType string `json:"participantType"`
	} `json:"participant"`
}

// Message reads an event's payload.
func (e Report) Message(t *testing.T) (m Message) {
	t.Helper()
	if err := json.Unmarshal(e.Data, &m); err != nil {
		t.Fatalf("%s %s: %v", e.Kind, e.Name, err)
	}
	return m
}

func (e Report) String() string {
	data := string(e.Data)
	if len(data) > 300 {
		data = data[:300] + "…"
	}
	return e.Kind + " " + e.Name + " " + data
}

// Tab is one tab of the shared browser, in a test. Its page can call note(text), with a
// Report as JSON; whatever else goes wrong in it fails the test.
type Tab struct {
	T       *testing.T
	Name    string
	Reports Log[Report]
	Errors  Log[string] // errors on the console, exceptions, violations of the policy
	Printed Log[string] // the lines on the console, "level: text"
	driver  Driver
	user    string // whose cookies and storage it shares
	loads   Log[struct{}]
	allowed []*regexp.Regexp
}

// NewTab opens a tab of a user of its own.
func NewTab(t *testing.T, name string) *Tab {
	t.Helper()
	return newTab(t, name, newUser(t))
}

// Another opens a second tab of the same user.
func (b *Tab) Another(name string) *Tab {
	b.T.Helper()
	return newTab(b.T, name, b.user)
}

func newTab(t *testing.T, name, user string) *Tab {
	t.Helper()
	b := &Tab{T: t, Name: name, user: user}
	driver, err := openTab(user, b.receive)
	if err != nil {
		t.Fatal(err)
	}
	b.prepare(driver)
	return b
}

// Duplicate opens a tab as the browser's own command does: with a copy of the
// sessionStorage of this one, which shows a page.
func (b *Tab) Duplicate(name string) *Tab {
	b.T.Helper()
	c := &Tab{T: b.T, Name: name, user: b.user}
	b.drive("opening another tab", func(ctx context.Context) error {
		driver, err := b.driver.Popup(ctx, "/t/icon.svg", c.receive)
		if err == nil {
			c.prepare(driver)
		}
		return err
	})
	return c
}

// prepare lets the tab's pages report, and closes it when the test ends.
func (b *Tab) prepare(driver Driver) {
	b.T.Helper()
	b.driver = driver
	b.T.Cleanup(func() {
		b.CheckErrors()
		if b.T.Failed() {
			b.Screenshot("failed-" + strings.ReplaceAll(b.T.Name(), "/", "-") + "-" + b.Name)
			b.dump()
		}
		driver.Close()
	})
	for _, name := range []string{"note", "noteViolation"} {
		b.drive("giving pages "+name, func(ctx context.Context) error { return driver.Expose(ctx, name) })
	}
	b.OnNewDocument(`document.addEventListener("securitypolicyviolation", (e) =>
		noteViolation(e.violatedDirective + " blocked " + e.blockedURI + " " + e.sourceFile + ":" + e.lineNumber + " " + e.sample))`)
}

// receive takes what the tab tells. It must not block.
func (b *Tab) receive(s Signal) {
	switch s.Kind {
	case Called:
		if s.Name == "noteViolation" {
			b.Errors.Add("policy violated: " + s.Text)
			return
		}
		var n Report
		if err := json.Unmarshal([]byte(s.Text), &n); err != nil {
			b.Errors.Add("the page's report is not JSON: " + err.Error())
			return
		}
		if Verbose {
			fmt.Printf("    %s: %s\n", b.Name, n)
		}
		b.Reports.Add(n)
	case Printed:
		b.Printed.Add(s.Name + ": " + s.Text)
		if s.Name == "error" || s.Name == "assert" {
			b.Errors.Add("console: " + s.Text)
		}
	case Logged:
		b.Errors.Add("console: " + s.Text)
	case Uncaught:
		b.Errors.Add("uncaught: " + s.Text)
	case Dialog:
		b.Errors.Add("a dialog opened: " + s.Text)
	case Loaded:
		b.loads.Add(struct{}{})
	case NotKept:
		text, _ := json.Marshal(s.Text)
		b.Reports.Add(Report{Kind: "page", Name: "not kept", Data: text})
	}
}

// AllowErrors lets errors that match fail no test, such as the browser's own words about a
// server that the test has killed.
func (b *Tab) AllowErrors(pattern string) { b.allowed = append(b.allowed, regexp.MustCompile(pattern)) }

// CheckErrors fails the test for errors that were not allowed.
func (b *Tab) CheckErrors() {
	b.T.Helper()
	for _, s := range b.Errors.All() {
		if !slices.ContainsFunc(b.allowed, func(r *regexp.Regexp) bool { return r.MatchString(s) }) {
			b.T.Errorf("tab %q: %s", b.Name, s)
		}
	}
}

func (b *Tab) dump() {
	var s strings.Builder
	for _, e := range b.Reports.All() {
		fmt.Fprintln(&s, "   ", e)
	}
	b.T.Logf("tab %q reported:\n%s", b.Name, s.String())
}

// Screenshot writes what the tab shows to tests/browser/out/, as a file that people look at.
func (b *Tab) Screenshot(name string) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), Timeout, errTooLong)
	defer cancel()
	png, err := b.driver.Screenshot(ctx)
	if err != nil {
		b.T.Logf("no screenshot of %q: %v", b.Name, err)
		return
	}
	if e := currentEngine(); e != Chromium {
		name += "-" + string(e)
	}
	file := filepath.Join(Root(), "tests", "browser", "out", name+".png")
	err = os.MkdirAll(filepath.Dir(file), 0o777)
	if err == nil {
		err = os.WriteFile(file, png, 0o666)
	}
	b.T.Logf("screenshot: %s (%v)", file, err)
}

// drive does something with the driver, for at most Timeout, and fails the test when it fails.
func (b *Tab) drive(what string, do func(ctx context.Context) error) {
	b.T.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), Timeout, errTooLong)
	defer cancel()
	if err := do(ctx); err != nil {
		b.T.Fatalf("tab %q: %s: %v", b.Name, what, err)
	}
}

// Target is the tab as the DevTools protocol has it. The test is skipped where the engine has
// none; one that needs a certain part of it better calls Needs with the name of that first.
func (b *Tab) Target() *Target {
	b.T.Helper()
	c, ok := b.driver.(chromiumTab)
	if !ok {
		Needs(b.T, DevTools)
		b.T.Fatalf("tab %q has no DevTools protocol", b.Name)
	}
	return c.target
}

// Run runs actions of the DevTools protocol, and fails the test when one fails. See Target.
func (b *Tab) Run(actions ...chromedp.Action) {
	b.T.Helper()
	if err := b.Target().Run(actions...); err != nil {
		b.T.Fatalf("tab %q: %v", b.Name, err)
	}
}

// Eval evaluates an expression in the page, waits if it is a promise, and reads its value
// into out, unless that is nil. Arguments stand for %s in it, as JSON.
func (b *Tab) Eval(out any, expression string, args ...any) {
	b.T.Helper()
	b.EvalAs(AsDebugger, out, expression, args...)
}

// EvalAs is Eval for another than the debugger.
func (b *Tab) EvalAs(as Caller, out any, expression string, args ...any) {
	b.T.Helper()
	expression, err := fill(out == nil, expression, args)
	if err != nil {
		b.T.Fatal(err)
	}
	b.drive("evaluating\n"+expression+"\n", func(ctx context.Context) error {
		value, err := b.driver.Evaluate(ctx, expression, as)
		if err != nil || out == nil {
			return err
		}
		return json.Unmarshal(value, out)
	})
}

// Open loads a page.
func (b *Tab) Open(url string) {
	b.T.Helper()
	b.drive("opening "+url, func(ctx context.Context) error { return b.driver.Navigate(ctx, url) })
}

// Close closes the tab, before the test ends.
func (b *Tab) Close() { b.driver.Close() }

// Travel goes to another page of the tab's history, so many on or, below zero, back. A page
// that is loaded anew, because the browser has not kept it, reports "not kept".
func (b *Tab) Travel(by int) {
	b.T.Helper()
	b.drive("travelling", func(ctx context.Context) error { return b.driver.Travel(ctx, by) })
}

// SetSize sets the size of the window, in CSS pixels. Where the engine lacks DarkColors, dark
// has no effect.
func (b *Tab) SetSize(width, height int64, dark bool) {
	b.T.Helper()
	b.drive("setting the size", func(ctx context.Context) error { return b.driver.SetSize(ctx, width, height, dark) })
}

// SetOffline takes the network from the tab, or gives it back.
func (b *Tab) SetOffline(offline bool) {
	b.T.Helper()
	b.drive("setting the network", func(ctx context.Context) error { return b.driver.SetOffline(ctx, offline) })
}

// Wait waits until the page has reported enough, and returns all it has reported.
func (b *Tab) Wait(what string, done func([]Report) bool) []Report {
	b.T.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), Timeout, fmt.Errorf("not in %v", Timeout))
	defer cancel()
	list, err := b.Reports.Wait(ctx, done)
	if err != nil {
		b.T.Fatalf("tab %q waited for %s: %v", b.Name, what, err)
	}
	return list
}

// WaitEvent waits for an event for which match, if not nil, is true.
func (b *Tab) WaitEvent(name string, match func(Message) bool) Report {
	b.T.Helper()
	var found Report
	b.Wait(name, func(list []Report) bool {
		for _, e := range list {
			if e.Kind == "event" && e.Name == name && (match == nil || match(e.Message(b.T))) {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

// WaitText waits for a message with these words, from anyone.
func (b *Tab) WaitText(text string) {
	b.T.Helper()
	b.Wait("the message "+text, func(list []Report) bool {
		return slices.Contains(b.Texts(list, "", ""), text)
	})
}

// EventNames returns the names of all events.
func EventNames(list []Report) (names []string) {
	for _, e := range list {
		if e.Kind == "event" {
			names = append(names, e.Name)
		}
	}
	return names
}

// CountEvents returns how many events of a name there are.
func CountEvents(list []Report, name string) (n int) {
	for _, s := range EventNames(list) {
		if s == name {
			n++
		}
	}
	return n
}

// Texts returns the texts of all messages that the page received, in order; "" for
// any event or sender.
func (b *Tab) Texts(list []Report, event, sender string) (texts []string) {
	b.T.Helper()
	for _, e := range list {
		if e.Kind != "event" || !strings.HasPrefix(e.Name, "MESSAGE_") || event != "" && e.Name != event {
			continue
		}
		if m := e.Message(b.T); sender == "" || m.SenderParticipant.ParticipantType == sender {
			texts = append(texts, m.Body.ElementText.Text)
		}
	}
	return texts
}

// WantOnceInOrder fails the test if a message of an engagement was delivered twice, or
// out of order (MSG-6).
func (b *Tab) WantOnceInOrder(list []Report) {
	b.T.Helper()
	last := map[string]int64{}
	for _, e := range list {
		if e.Kind != "event" || !strings.HasPrefix(e.Name, "MESSAGE_") {
			continue
		}
		m := e.Message(b.T)
		if n, seen := last[m.EngagementID]; seen && m.MessageIndex != n+1 {
			b.T.Errorf("tab %q: message %d (%s) follows %d", b.Name, m.MessageIndex, m.Body.ElementText.Text, n)
		}
		last[m.EngagementID] = m.MessageIndex
	}
}
