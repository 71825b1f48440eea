package browser

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
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// patience bounds every wait of a journey.
const patience = 60 * time.Second

// entry is something a page reported: an event, or a call's outcome.
type entry struct {
	Kind string // "event", "call" or "page"
	Name string
	Data json.RawMessage
}

// message is the part of a MESSAGE_* event that journeys look at.
type message struct {
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

func (e entry) message(t *testing.T) (m message) {
	t.Helper()
	if err := json.Unmarshal(e.Data, &m); err != nil {
		t.Fatalf("%s %s: %v", e.Kind, e.Name, err)
	}
	return m
}

func (e entry) String() string {
	data := string(e.Data)
	if len(data) > 300 {
		data = data[:300] + "…"
	}
	return e.Kind + " " + e.Name + " " + data
}

// tab is one browser tab.
type tab struct {
	t       *testing.T
	name    string
	user    cdp.BrowserContextID // whose cookies and storage it shares
	ctx     context.Context
	log     journal[entry]
	trouble journal[string] // errors on the console, exceptions, violations of the policy
	allowed []*regexp.Regexp
}

// newTab opens a tab of a user of its own.
func newTab(t *testing.T, name string) *tab {
	t.Helper()
	user, err := target.CreateBrowserContext().Do(browserExecutor())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := target.DisposeBrowserContext(user).Do(browserExecutor()); err != nil {
			t.Error(err)
		}
	})
	return openTab(t, name, user)
}

// another opens a second tab of the same user.
func (b *tab) another(name string) *tab {
	b.t.Helper()
	return openTab(b.t, name, b.user)
}

func browserExecutor() context.Context {
	return cdp.WithExecutor(browser, chromedp.FromContext(browser).Browser)
}

func openTab(t *testing.T, name string, user cdp.BrowserContextID) *tab {
	t.Helper()
	// Each in a window of its own: a tab behind another is hidden, and gets no frames.
	id, err := target.CreateTarget("about:blank").WithBrowserContextID(user).WithNewWindow(true).Do(browserExecutor())
	if err != nil {
		t.Fatal(err)
	}
	return adoptTab(t, name, user, id, 3*time.Minute)
}

// duplicate opens a tab as the browser's own command does: with a copy of the
// sessionStorage of this one, which shows a page.
func (b *tab) duplicate(name string) *tab {
	b.t.Helper()
	b.run(chromedp.Evaluate(`void window.open("/t/icon.svg", "", "popup")`, nil, func(p *runtime.EvaluateParams) *runtime.EvaluateParams {
		return p.WithUserGesture(true) // else there are no pop-ups
	}))
	// The browser has made the tab before window.open returns.
	list, err := target.GetTargets().Do(browserExecutor())
	if err != nil {
		b.t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(i *target.Info) bool { return i.OpenerID == chromedp.FromContext(b.ctx).Target.TargetID })
	if i < 0 {
		b.t.Fatal("no second tab came")
	}
	return adoptTab(b.t, name, b.user, list[i].TargetID, 3*time.Minute)
}

// adoptTab takes an open tab into the test's hand, for so long.
func adoptTab(t *testing.T, name string, user cdp.BrowserContextID, id target.ID, lifetime time.Duration) *tab {
	t.Helper()
	ctx, end := chromedp.NewContext(browser, chromedp.WithTargetID(id))
	ctx, cancel := context.WithTimeoutCause(ctx, lifetime, fmt.Errorf("the tab %q had %v", name, lifetime))
	b := &tab{t: t, name: name, user: user, ctx: ctx}
	chromedp.ListenTarget(ctx, b.hear)
	// The tab lives as long as the context of its first run.
	if err := chromedp.Run(ctx); err != nil {
		t.Fatal(err)
	}
	b.run(
		runtime.Enable(),
		cdplog.Enable(),
		runtime.AddBinding("note"),
		runtime.AddBinding("noteViolation"),
		chromedp.ActionFunc(func(ctx context.Context) error {
			_, err := page.AddScriptToEvaluateOnNewDocument(`document.addEventListener("securitypolicyviolation", (e) =>
				noteViolation(e.violatedDirective + " blocked " + e.blockedURI + " " + e.sourceFile + ":" + e.lineNumber + " " + e.sample))`).Do(ctx)
			return err
		}),
	)
	t.Cleanup(func() {
		b.check()
		if t.Failed() {
			b.screenshot("failed-" + strings.ReplaceAll(t.Name(), "/", "-") + "-" + name)
			b.dump()
		}
		cancel()
		end()
	})
	return b
}

// hear takes what the browser tells of the tab. It must not block.
func (b *tab) hear(event any) {
	switch e := event.(type) {
	case *runtime.EventBindingCalled:
		if e.Name == "noteViolation" {
			b.trouble.add("policy violated: " + e.Payload)
			return
		}
		var n entry
		if err := json.Unmarshal([]byte(e.Payload), &n); err != nil {
			b.trouble.add("the page reports nonsense: " + err.Error())
			return
		}
		if verbose {
			fmt.Printf("    %s: %s\n", b.name, n)
		}
		b.log.add(n)
	case *runtime.EventExceptionThrown:
		b.trouble.add("uncaught: " + e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeAssert {
			var words []string
			for _, a := range e.Args {
				words = append(words, strings.Trim(string(a.Value), `"`)+a.Description)
			}
			b.trouble.add("console: " + strings.Join(words, " "))
		}
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.LevelError {
			b.trouble.add("console: " + e.Entry.Text + " " + e.Entry.URL)
		}
	}
}

// allow takes trouble that matches for no failure, such as the browser's own words
// about a server that the test has killed.
func (b *tab) allow(pattern string) { b.allowed = append(b.allowed, regexp.MustCompile(pattern)) }

// check fails the test for trouble that was not allowed.
func (b *tab) check() {
	b.t.Helper()
	for _, s := range b.trouble.all() {
		if !slices.ContainsFunc(b.allowed, func(r *regexp.Regexp) bool { return r.MatchString(s) }) {
			b.t.Errorf("tab %q: %s", b.name, s)
		}
	}
}

func (b *tab) dump() {
	var s strings.Builder
	for _, e := range b.log.all() {
		fmt.Fprintln(&s, "   ", e)
	}
	b.t.Logf("tab %q reported:\n%s", b.name, s.String())
}

// screenshot writes what the tab shows to out/, as a file that people look at.
func (b *tab) screenshot(name string) {
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	var png []byte
	if err := chromedp.Run(ctx, chromedp.CaptureScreenshot(&png)); err != nil {
		b.t.Logf("no screenshot of %q: %v", b.name, err)
		return
	}
	file := filepath.Join("out", name+".png")
	if err := os.MkdirAll("out", 0o777); err == nil {
		err = os.WriteFile(file, png, 0o666)
		b.t.Logf("screenshot: tests/%s (%v)", file, err)
	}
}

// run runs actions, and fails the test when one fails.
func (b *tab) run(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeoutCause(b.ctx, patience, fmt.Errorf("not done in %v", patience))
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.t.Fatalf("tab %q: %v (%v)", b.name, err, context.Cause(ctx))
	}
}

// open loads a page.
func (b *tab) open(url string) {
	b.t.Helper()
	b.run(chromedp.Navigate(url))
}

// size sets the size of the window, in CSS pixels.
func (b *tab) size(width, height int64, dark bool) {
	b.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.run(
		emulation.SetDeviceMetricsOverride(width, height, 1, width < 600),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
	)
}

// eval evaluates an expression in the page, waits if it is a promise, and reads its
// value into out, which may be nil. Arguments stand for %s in it, as JSON.
func (b *tab) eval(out any, expression string, args ...any) {
	b.t.Helper()
	list := make([]any, len(args))
	for i, a := range args {
		text, err := json.Marshal(a)
		if err != nil {
			b.t.Fatal(err)
		}
		list[i] = text
	}
	expression = fmt.Sprintf(expression, list...)
	var discarded json.RawMessage
	if out == nil {
		out = &discarded
		expression = "(async () => { await (" + expression + "); return null })()"
	}
	b.run(chromedp.Evaluate(expression, out, func(p *runtime.EvaluateParams) *runtime.EvaluateParams {
		return p.WithAwaitPromise(true)
	}))
}

// wait waits until the page has reported enough, and returns all it has reported.
func (b *tab) wait(what string, done func([]entry) bool) []entry {
	b.t.Helper()
	ctx, cancel := context.WithTimeoutCause(b.ctx, patience, fmt.Errorf("not in %v", patience))
	defer cancel()
	list, err := b.log.wait(ctx, done)
	if err != nil {
		b.t.Fatalf("tab %q waited for %s: %v", b.name, what, err)
	}
	return list
}

// waitEvent waits for an event for which match, if not nil, is true.
func (b *tab) waitEvent(name string, match func(message) bool) entry {
	b.t.Helper()
	var found entry
	b.wait(name, func(list []entry) bool {
		for _, e := range list {
			if e.Kind == "event" && e.Name == name && (match == nil || match(e.message(b.t))) {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

// waitText waits for a message with these words, from anyone.
func (b *tab) waitText(text string) {
	b.t.Helper()
	b.wait("the message "+text, func(list []entry) bool {
		return slices.Contains(b.texts(list, "", ""), text)
	})
}

// events returns the names of all events.
func events(list []entry) (names []string) {
	for _, e := range list {
		if e.Kind == "event" {
			names = append(names, e.Name)
		}
	}
	return names
}

// count returns how many events of a name there are.
func count(list []entry, name string) (n int) {
	for _, s := range events(list) {
		if s == name {
			n++
		}
	}
	return n
}

// texts returns the texts of all messages that the page heard of, in order; "" for
// any event or sender.
func (b *tab) texts(list []entry, event, sender string) (texts []string) {
	b.t.Helper()
	for _, e := range list {
		if e.Kind != "event" || !strings.HasPrefix(e.Name, "MESSAGE_") || event != "" && e.Name != event {
			continue
		}
		if m := e.message(b.t); sender == "" || m.SenderParticipant.ParticipantType == sender {
			texts = append(texts, m.Body.ElementText.Text)
		}
	}
	return texts
}

// wantOnceInOrder fails the test if a message of an engagement was heard twice, or
// out of order (MSG-6).
func (b *tab) wantOnceInOrder(list []entry) {
	b.t.Helper()
	last := map[string]int64{}
	for _, e := range list {
		if e.Kind != "event" || !strings.HasPrefix(e.Name, "MESSAGE_") {
			continue
		}
		m := e.message(b.t)
		if n, seen := last[m.EngagementID]; seen && m.MessageIndex != n+1 {
			b.t.Errorf("tab %q: message %d (%s) follows %d", b.name, m.MessageIndex, m.Body.ElementText.Text, n)
		}
		last[m.EngagementID] = m.MessageIndex
	}
}
