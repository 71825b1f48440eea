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

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
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
	*Target
	T       *testing.T
	Name    string
	profile cdp.BrowserContextID // whose cookies and storage it shares
	Reports Log[Report]
	Errors  Log[string] // errors on the console, exceptions, violations of the policy
	allowed []*regexp.Regexp
}

// NewTab opens a tab of a user of its own.
func NewTab(t *testing.T, name string) *Tab {
	t.Helper()
	return newTab(t, name, NewProfile(t))
}

// Another opens a second tab of the same user.
func (b *Tab) Another(name string) *Tab {
	b.T.Helper()
	return newTab(b.T, name, b.profile)
}

func newTab(t *testing.T, name string, profile cdp.BrowserContextID) *Tab {
	t.Helper()
	browser, err := SharedBrowser()
	if err != nil {
		t.Fatal(err)
	}
	b := &Tab{T: t, Name: name, profile: profile}
	if b.Target, err = OpenTarget(browser, profile, b.receive); err != nil {
		t.Fatal(err)
	}
	b.prepare()
	return b
}

// Duplicate opens a tab as the browser's own command does: with a copy of the
// sessionStorage of this one, which shows a page.
func (b *Tab) Duplicate(name string) *Tab {
	b.T.Helper()
	b.Run(chromedp.Evaluate(`void window.open("/t/icon.svg", "", "popup")`, nil, func(p *runtime.EvaluateParams) *runtime.EvaluateParams {
		return p.WithUserGesture(true) // else there are no pop-ups
	}))
	browser, err := SharedBrowser()
	if err != nil {
		b.T.Fatal(err)
	}
	// The browser has made the tab before window.open returns.
	list, err := target.GetTargets().Do(Executor(browser))
	if err != nil {
		b.T.Fatal(err)
	}
	i := slices.IndexFunc(list, func(i *target.Info) bool { return i.OpenerID == chromedp.FromContext(b.Context).Target.TargetID })
	if i < 0 {
		b.T.Fatal("no second tab came")
	}
	c := &Tab{T: b.T, Name: name, profile: b.profile}
	if c.Target, err = AttachTarget(browser, list[i].TargetID, c.receive); err != nil {
		b.T.Fatal(err)
	}
	c.prepare()
	return c
}

// prepare lets the tab's pages report, and closes it when the test ends.
func (b *Tab) prepare() {
	b.T.Helper()
	b.T.Cleanup(func() {
		b.CheckErrors()
		if b.T.Failed() {
			b.Screenshot("failed-" + strings.ReplaceAll(b.T.Name(), "/", "-") + "-" + b.Name)
			b.dump()
		}
		b.Close()
	})
	b.Run(
		runtime.Enable(),
		cdplog.Enable(),
		runtime.AddBinding("note"),
		runtime.AddBinding("noteViolation"),
	)
	b.OnNewDocument(`document.addEventListener("securitypolicyviolation", (e) =>
		noteViolation(e.violatedDirective + " blocked " + e.blockedURI + " " + e.sourceFile + ":" + e.lineNumber + " " + e.sample))`)
}

// receive takes what the browser reports of the tab. It must not block.
func (b *Tab) receive(event any) {
	if e, ok := event.(*runtime.EventBindingCalled); ok {
		if e.Name == "noteViolation" {
			b.Errors.Add("policy violated: " + e.Payload)
			return
		}
		var n Report
		if err := json.Unmarshal([]byte(e.Payload), &n); err != nil {
			b.Errors.Add("the page's report is not JSON: " + err.Error())
			return
		}
		if Verbose {
			fmt.Printf("    %s: %s\n", b.Name, n)
		}
		b.Reports.Add(n)
		return
	}
	if e, ok := event.(*cdplog.EventEntryAdded); ok && e.Entry.Level == cdplog.LevelError {
		b.Errors.Add("console: " + e.Entry.Text + " " + e.Entry.URL)
	}
	switch level, text, _ := strings.Cut(ConsoleLine(event), ": "); level {
	case "error", "assert":
		b.Errors.Add("console: " + text)
	case "uncaught":
		b.Errors.Add("uncaught: " + text)
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
	var png []byte
	if err := b.Target.Run(chromedp.CaptureScreenshot(&png)); err != nil {
		b.T.Logf("no screenshot of %q: %v", b.Name, err)
		return
	}
	file := filepath.Join(Root(), "tests", "browser", "out", name+".png")
	err := os.MkdirAll(filepath.Dir(file), 0o777)
	if err == nil {
		err = os.WriteFile(file, png, 0o666)
	}
	b.T.Logf("screenshot: %s (%v)", file, err)
}

// Run runs actions, and fails the test when one fails.
func (b *Tab) Run(actions ...chromedp.Action) {
	b.T.Helper()
	if err := b.Target.Run(actions...); err != nil {
		b.T.Fatalf("tab %q: %v", b.Name, err)
	}
}

// Eval is Target's, and fails the test when it fails.
func (b *Tab) Eval(out any, expression string, args ...any) {
	b.T.Helper()
	if err := b.Target.Eval(out, expression, args...); err != nil {
		b.T.Fatalf("tab %q: %v", b.Name, err)
	}
}

// Open loads a page.
func (b *Tab) Open(url string) {
	b.T.Helper()
	b.Run(chromedp.Navigate(url))
}

// SetSize sets the size of the window, in CSS pixels.
func (b *Tab) SetSize(width, height int64, dark bool) {
	b.T.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.Run(
		emulation.SetDeviceMetricsOverride(width, height, 1, width < 600),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
	)
}

// Wait waits until the page has reported enough, and returns all it has reported.
func (b *Tab) Wait(what string, done func([]Report) bool) []Report {
	b.T.Helper()
	ctx, cancel := context.WithTimeoutCause(b.Context, Timeout, fmt.Errorf("not in %v", Timeout))
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
