package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// What browsers do to pages, done by the browser itself: it goes offline, freezes a page,
// keeps it in the back/forward cache, copies a tab, sleeps; and the wasm traps. Whatever
// it is, the page hears every message that the gateway stored once and in order, and
// every send settles.

// talks lets the agent talk to a chat, at a pace that the desk allows, until stop is
// called, which returns when the last word is stored.
func (d *desk) talks(engagementID string) (stop func()) {
	d.t.Helper()
	quit, over := make(chan struct{}), make(chan error, 1)
	go func() {
		pace := time.NewTicker(40 * time.Millisecond)
		defer pace.Stop()
		for n := 1; ; n++ {
			if err := d.trySay(engagementID, fmt.Sprint("agent ", n)); err != nil {
				over <- err
				return
			}
			select {
			case <-quit:
				over <- nil
				return
			case <-pace.C:
			}
		}
	}()
	return func() {
		d.t.Helper()
		close(quit)
		if err := <-over; err != nil {
			d.t.Fatal(err)
		}
	}
}

// heardAll says the last word, waits until the page has heard it, and compares what it
// heard from the chat's first message on with what the gateway stored.
func (c began) heardAll(t *testing.T) {
	t.Helper()
	c.agent.say(c.id, "the last word")
	c.waitText("the last word")
	wantTexts(t, "STREAM-3 MSG-6: heard", c.texts(c.log.all(), "", ""), texts(c.agent.messages(c.id), ""))
	c.wantOnceInOrder(c.log.all())
}

// sends begins sends whose outcomes settled waits for.
func (c began) sends(list []string) {
	c.t.Helper()
	c.eval(nil, `void (t.pending = Promise.all(%s.map((text) => t.send(%s, text))))`, list, c.id)
}

// settledSends returns the codes of the sends that failed.
func (c began) settledSends() (failed []string) {
	c.t.Helper()
	c.eval(&failed, `t.pending.then((l) => l.filter((r) => r.error).map((r) => r.error.code))`)
	return failed
}

func TestOffline(t *testing.T) {
	t.Parallel()
	w := shared(t)
	t.Run("STREAM-3 STREAM-5 MSG-4 MSG-6 offline and online again, while both talk", func(t *testing.T) {
		f := w.faulty(t)
		c := w.chatAt(t, f.origin, "page.html", `{logLevel: "WARN"}`)
		stop := c.agent.talks(c.id)
		for i := range 2 {
			mark := c.mark()
			// This browser holds back the frames of an open WebSocket; it does not close it.
			c.run(network.EmulateNetworkConditions(true, 0, -1, -1))
			mine := numbered(fmt.Sprint("while offline ", i+1, "."), 5)
			c.sends(mine)
			c.since(mark, "EVENT_STREAM_FAILED", 1)
			c.run(network.EmulateNetworkConditions(false, 0, -1, -1))
			c.since(mark, "EVENT_STREAM_CONNECTED", 1)
			wantTexts(t, "MSG-4: failed", c.settledSends(), nil)
		}
		stop()
		c.heardAll(t)
	})
}

func TestFrozen(t *testing.T) {
	t.Parallel()
	w := shared(t)
	t.Run("STREAM-3 MSG-4 MSG-6 frozen in the midst of sends while the agent talks", func(t *testing.T) {
		f := w.faulty(t)
		c := w.chatAt(t, f.origin, "page.html", `{logLevel: "WARN"}`)
		for _, cut := range []bool{false, true} {
			stop := c.agent.talks(c.id)
			c.sends(numbered(fmt.Sprint("frozen ", cut), 5))
			c.freeze(true)
			heard := c.mark()
			c.agent.say(c.id, fmt.Sprint("to the frozen page ", cut))
			if cut {
				f.last().cut()
			}
			stop()
			if got := c.texts(c.heard(heard), "", ""); slices.Contains(got, fmt.Sprint("to the frozen page ", cut)) {
				t.Fatalf("the page is not frozen: %q", got)
			}
			c.freeze(false)
			wantTexts(t, "MSG-4: failed", c.settledSends(), nil)
			c.waitText(fmt.Sprint("to the frozen page ", cut))
		}
		c.heardAll(t)
	})
}

// cacheable is an origin whose pages browsers may keep when one goes away from them.
func (w *world) cacheable(t *testing.T) *faults {
	f := w.faulty(t)
	f.rest(func(rw http.ResponseWriter, r *http.Request) bool {
		if name, ok := strings.CutPrefix(r.URL.Path, "/t/"); ok && strings.HasSuffix(name, ".html") {
			rw.Header().Set("Content-Security-Policy", strictPolicy)
			http.ServeFile(rw, r, "pages/"+name)
			return true
		}
		return false
	})
	return f
}

// staysPage lets the page tell when it comes back out of the cache, and keep what it
// hears of messages: what a page says while it is going away does not reach the test.
func (b *tab) staysPage() {
	b.t.Helper()
	b.eval(nil, `(() => {
		addEventListener("pageshow", (e) => note(JSON.stringify({ kind: "page", name: "back", data: e.persisted })));
		t.kept = [];
		t.react.MESSAGE_ARRIVED = t.react.MESSAGE_DELIVERED = (m) => t.kept.push(m.messageIndex + " " + m.body.elementText.text);
	})()`)
}

// keptAll is heardAll for a page that keeps what it hears, from where it began to.
func (c began) keptAll(t *testing.T) {
	t.Helper()
	c.agent.say(c.id, "the last word")
	c.waitText("the last word")
	var kept, want []string
	c.eval(&kept, `t.kept`)
	for _, m := range c.agent.messages(c.id)[2:] { // what was said before there was an agent
		want = append(want, fmt.Sprint(m.MessageIndex, " ", m.text()))
	}
	wantTexts(t, "STREAM-3 MSG-6: heard", kept, want)
}

// back goes back one page of the tab's history, and fails the test unless the page there
// is the one that was left.
func (b *tab) back() {
	b.t.Helper()
	mark := b.mark()
	var why string
	ctx, stop := context.WithCancel(b.ctx)
	defer stop()
	chromedp.ListenTarget(ctx, func(event any) {
		if e, ok := event.(*page.EventBackForwardCacheNotUsed); ok {
			text, _ := json.Marshal(e.NotRestoredExplanations)
			b.log.add(entry{"page", "not kept", text})
		}
	})
	b.run(chromedp.ActionFunc(func(ctx context.Context) error {
		at, list, err := page.GetNavigationHistory().Do(ctx)
		if err != nil {
			return err
		}
		return page.NavigateToHistoryEntry(list[at-1].ID).Do(ctx)
	}))
	b.wait("the page that was left", func(list []entry) bool {
		for _, e := range list[mark:] {
			if e.Name == "not kept" {
				why = string(e.Data)
			}
			if e.Name == "back" && string(e.Data) == "true" {
				return true
			}
		}
		return why != ""
	})
	if why != "" {
		b.t.Fatalf("the page was not kept: %s", why)
	}
}

func TestBackForwardCache(t *testing.T) {
	t.Parallel()
	w := shared(t)
	t.Run("STREAM-3 STREAM-5 MSG-6 away, and back to the very page", func(t *testing.T) {
		f := w.cacheable(t)
		c := w.chatAt(t, f.origin, "page.html", `{logLevel: "WARN"}`)
		c.staysPage()
		for i := range 4 {
			stop := c.agent.talks(c.id)
			mark := c.mark()
			c.since(mark, "MESSAGE_ARRIVED", 3)
			c.open(f.url + "/t/icon.svg")
			c.agent.say(c.id, fmt.Sprint("to a page that is away ", i))
			c.back()
			c.since(mark, "EVENT_STREAM_CONNECTED", 1)
			// The browser closes the connection of a page that it keeps.
			wantTexts(t, "STREAM-1", slices.DeleteFunc(events(c.heard(mark)), func(s string) bool { return !strings.HasPrefix(s, "EVENT_STREAM") }),
				[]string{"EVENT_STREAM_FAILED", "EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED"})
			if got := failures(t, c.heard(mark))[0].RetryAfter; got != 1 {
				t.Errorf("STREAM-2 STREAM-5: after return %d the first retry is told after %v s, want under 1", i+1, got)
			}
			send(c.tab, c.id, fmt.Sprint("back again ", i))
			stop()
		}
		c.keptAll(t)
		if n := count(c.log.all(), "INITIALIZED"); n != 1 {
			t.Errorf("%d times INITIALIZED: it is not the page that was left", n)
		}
	})
}

// The core's memory is overwritten, as by a fault in the engine or in the wasm itself.
func TestTrap(t *testing.T) {
	t.Parallel()
	w := shared(t)
	for _, tt := range []struct {
		name  string
		enter func(c began) // lets something enter the broken core
	}{
		{"a call", func(c began) {
			var code string
			c.js(&code, `return code(() => t.old.sendMessage("into the void"))`)
			if code != "ACS-311" {
				c.t.Errorf("the call that traps: %s", code)
			}
		}},
		{"a frame", func(c began) { c.agent.say(c.id, "to the dead core") }},
		// The connection has been quiet: a ping is due.
		{"a timer", func(c began) { c.eval(nil, `clock.skip(25)`) }},
	} {
		t.Run("EV-7 EV-14 SHUT-2 SES-1 a trap in "+tt.name+": said aloud, and init begins anew", func(t *testing.T) {
			f := w.faulty(t)
			customer := fresh("trap")
			params := w.params(t, customer, tokenOptions{ttl: 50 * time.Minute})
			c := w.chatAs(t, f.origin, "core.html", customer, `{logLevel: "WARN", idleTimeout: 0}`)
			c.allow(`the SDK's core ended unexpectedly`)
			send(c.tab, c.id, "before")
			c.agent.say(c.id, "before, too")
			c.waitText("before, too")

			// Calls whose answers come only to the dead core.
			dead := make(chan struct{})
			asked := make(chan struct{}, 10)
			f.rest(func(_ http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(r.URL.Path, "/engagements") {
					asked <- struct{}{}
					<-dead
				}
				return false
			})
			mark := c.mark()
			c.js(nil, `t.old = await sdk.getEngagementById(%s);
				t.waiting = Promise.all([() => t.old.sendMessage("on its way"), () => t.old.getMessages(), () => sdk.createEngagement(), () => sdk.getEngagements()].map(code))`, c.id)
			for range 4 {
				select {
				case <-asked:
				case <-time.After(patience):
					t.Fatal("a call is not made")
				}
			}
			c.eval(nil, `core.overwrite()`)
			tt.enter(c)
			c.since(mark, "SHUTDOWN", 1)
			f.rest(nil)
			close(dead)
			var codes []string
			c.eval(&codes, `t.waiting`)
			wantTexts(t, "the calls that waited", codes, []string{"ACS-311", "ACS-311", "ACS-311", "ACS-311"})
			wantTexts(t, "EV-14", events(c.heard(mark)), []string{"EVENT_STREAM_FAILED", "SHUTDOWN"})
			if got := failures(t, c.heard(mark))[0]; got.Reason != "UNEXPECTED_ERROR" || got.RetryAfter != 0 || got.Message == "" {
				t.Errorf("EV-7: %+v", got)
			}
			select {
			case <-f.line(1).over:
			case <-time.After(patience):
				t.Error("SHUT-2: the dead core's connection stays open")
			}
			c.wants("SHUT-2", map[string]any{"old": "ACS-310", "list": "ACS-310", "set": "ACS-310", "timers": 0}, `return {
				old: await code(() => t.old.sendMessage("x")), list: await code(() => sdk.getEngagements()), set: await code(() => sdk.resetIdleTimeout()),
				timers: clock.pending() }`)

			// A fresh core goes on with the session, and with the chat.
			mark = c.mark()
			c.eval(nil, `t.init(%s, {logLevel: "WARN", idleTimeout: 0})`, params)
			wantTexts(t, "INIT-7", events(c.heard(mark)), []string{"EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "INITIALIZED"})
			var status string
			c.js(&status, `return t.user.engagements.find((e) => e.engagementId === %s).engagementStatus`, c.id)
			if status != "ACTIVE" {
				t.Errorf("SES-1: the chat is %s", status)
			}
			stored := history(c.tab, c.id, 5)
			wantTexts(t, "PAGE-2", stored, texts(c.agent.messages(c.id), ""))
			c.agent.say(c.id, "after")
			send(c.tab, c.id, "after, too")
			c.waitText("after, too")
			heard := slices.DeleteFunc(slices.Clone(c.heard(mark)), func(e entry) bool { return e.Kind == "event" && e.message(t).EngagementID != c.id })
			wantTexts(t, "MSG-6: heard of the fresh core", c.texts(heard, "", ""), []string{"after", "after, too"})
			wantTexts(t, "MSG-4: stored", texts(c.agent.messages(c.id), "CUSTOMER"), []string{"before", "on its way", "after, too"})
		})
	}
}
