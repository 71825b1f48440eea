package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
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
		for i := range 3 {
			stop := c.agent.talks(c.id)
			c.sends(numbered(fmt.Sprint("frozen ", i, "."), 5))
			c.freeze(true)
			mark := c.mark()
			c.agent.say(c.id, fmt.Sprint("to the frozen page ", i))
			if i > 0 {
				f.last().cut()
			}
			stop()
			if got := c.texts(c.heard(mark), "", ""); slices.Contains(got, fmt.Sprint("to the frozen page ", i)) {
				t.Fatalf("the page is not frozen: %q", got)
			}
			c.freeze(false)
			wantTexts(t, "MSG-4: failed", c.settledSends(), nil)
			c.waitText(fmt.Sprint("to the frozen page ", i))
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
// hears of messages and the stream: what a page says while it is going away does not reach the test.
func (b *tab) staysPage() {
	b.t.Helper()
	b.eval(nil, `(() => {
		addEventListener("pageshow", (e) => note(JSON.stringify({ kind: "page", name: "back", data: e.persisted })));
		t.kept = [];
		t.streams = [];
		for (const type of ["FAILED", "CONNECTING", "CONNECTED", "CLOSED"]) t.react["EVENT_STREAM_" + type] = (e) => t.streams.push([type, e.message, e.retryAfter].join(" ").trim());
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

// travel goes to another page of the tab's history, so many on or, below zero, back, and
// fails the test unless it is the very page that was left.
func (b *tab) travel(by int64) {
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
		return page.NavigateToHistoryEntry(list[at+by].ID).Do(ctx)
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
		for i := range 2 {
			stop := c.agent.talks(c.id)
			mark := c.mark()
			c.since(mark, "MESSAGE_ARRIVED", 3)
			c.open(f.url + "/t/icon.svg")
			c.agent.say(c.id, fmt.Sprint("to a page that is away ", i))
			c.travel(-1)
			c.since(mark, "EVENT_STREAM_CONNECTED", 1)
			var streams []string
			c.eval(&streams, `t.streams.splice(0)`)
			wantTexts(t, "STREAM-1 EV-7", streams, []string{"FAILED The page was left 0", "CONNECTING", "CONNECTED"})
			send(c.tab, c.id, fmt.Sprint("back again ", i))
			stop()
		}
		c.keptAll(t)
		if n := count(c.log.all(), "INITIALIZED"); n != 1 {
			t.Errorf("%d times INITIALIZED: it is not the page that was left", n)
		}
	})
}

// A shop has more than one page, each with the chat on it.
func TestBackForwardCacheBetweenPages(t *testing.T) {
	t.Parallel()
	w := shared(t)
	t.Run("SES-1 STREAM-3 MSG-6 two pages of one tab take turns in one session", func(t *testing.T) {
		f := w.cacheable(t)
		customer := fresh("pages")
		c := w.chatAs(t, f.origin, "page.html", customer, `{logLevel: "WARN"}`)
		c.staysPage()
		stop := c.agent.talks(c.id)
		w.openAt(c.tab, f.origin, "page.html?second", customer, tokenOptions{}, `{logLevel: "WARN"}`)
		var status string
		c.eval(&status, `t.user.engagements[0].engagementStatus`)
		if status != "ACTIVE" {
			t.Fatalf("SES-1: in the second page the chat is %s", status)
		}
		// The gateway did not have to find out that nobody is there.
		if n := f.line(1).count(false, "ping"); n != 0 {
			t.Error("SES-4: the first page's connection stood in the way")
		}
		c.staysPage()
		begin := history(c.tab, c.id, 50)
		for i := range 2 {
			for _, by := range []int64{-1, 1} {
				send(c.tab, c.id, fmt.Sprint("before going ", by, ", ", i))
				mark := c.mark()
				c.travel(by)
				c.since(mark, "EVENT_STREAM_CONNECTED", 1)
			}
		}
		stop()
		c.agent.say(c.id, "to both")
		c.waitText("to both")
		// Each page has it all: the second with what it read of the history.
		all := texts(c.agent.messages(c.id), "")
		var kept []string
		c.eval(&kept, `t.kept.map((s) => s.replace(/^\d+ /, ""))`)
		for len(kept) > 0 && !slices.Equal(kept, all[len(all)-len(kept):]) && slices.Contains(begin, kept[0]) {
			kept = kept[1:] // heard before the history was read
		}
		wantTexts(t, "the second page", append(begin[:min(len(begin), len(all)-len(kept))], kept...), all)
		mark := c.mark()
		c.travel(-1)
		c.since(mark, "EVENT_STREAM_CONNECTED", 1)
		c.keptAll(t)
	})
	t.Run("SHUT-3 EV-14 the session that the next page has ended", func(t *testing.T) {
		f := w.cacheable(t)
		customer := fresh("pages")
		c := w.chatAs(t, f.origin, "page.html", customer, `{logLevel: "WARN"}`)
		c.staysPage()
		w.openAt(c.tab, f.origin, "page.html?second", customer, tokenOptions{}, `{logLevel: "WARN"}`)
		c.js(nil, `await sdk.shutdown()`)
		mark := c.mark()
		c.travel(-1)
		c.since(mark, "SHUTDOWN", 1)
		list := failures(t, c.heard(mark))
		if got := list[len(list)-1].Reason; got != "SDK_SESSION_INVALID" {
			t.Errorf("SHUT-3: %s", got)
		}
		w.initWith(c.tab, customer, tokenOptions{}, `{logLevel: "WARN"}`)
		c.eval(nil, `t.join(%s)`, c.id)
		c.since(mark, "ENGAGEMENT_ACTIVE", 1)
		mark = c.mark()
		c.agent.say(c.id, "again")
		send(c.tab, c.id, "and again")
		c.waitText("again")
		c.waitText("and again")
		wantTexts(t, "heard", c.texts(c.heard(mark), "", ""), []string{"again", "and again"})
	})
}

// The demo's own pages come back as they were, with what was said meanwhile.
func TestBackForwardCacheDemo(t *testing.T) {
	t.Parallel()
	w := shared(t)
	o := w.newOrigin(t)
	t.Run("STREAM-3 MSG-6 the customer's page and the desk", func(t *testing.T) {
		customer, agent := newTab(t, "customer"), newTab(t, "agent")
		for _, b := range []*tab{customer, agent} {
			b.allow(networkTrouble)
			b.size(1280, 800, false)
		}
		customer.open(o.url + "/")
		customer.click(testid("launcher"))
		customer.typeInto(testid("name"), fresh("Cora"))
		customer.typeInto(testid("topic"), "back and forth")
		customer.click(testid("start"))
		customer.shown("I am looking for an agent")
		var id string
		customer.eval(&id, `AvayaCCaaSChatSDK.getEngagements().then((l) => l[0].engagementId)`)
		agent.open(o.url + "/desk?name=Bo")
		agent.click(testid("sign-in"))
		agent.click(fmt.Sprintf(`[data-engagement-id=%q] [data-testid="accept"]`, id))
		customer.until("the agent", `document.querySelector('[data-testid="chat-title"]').textContent.includes("Bo")`)
		supervisor := w.newDesk(t, "Cleo")
		supervisor.call("POST", "/engagements/"+id+":supervise", supervisor.me(), nil)
		for i := range 2 {
			for _, b := range []*tab{customer, agent} {
				b.eval(nil, `void addEventListener("pageshow", (e) => note(JSON.stringify({ kind: "page", name: "back", data: e.persisted })), { once: true })`)
				b.open(o.url + "/favicon.svg")
			}
			for _, text := range numbered(fmt.Sprint("while both are away ", i, "."), 5) {
				supervisor.say(id, text)
			}
			for _, b := range []*tab{customer, agent} {
				b.travel(-1)
			}
			supervisor.say(id, fmt.Sprint("to both ", i))
			for _, b := range []*tab{customer, agent} {
				b.shown(fmt.Sprint("to both ", i))
				// chromedp's own clicks look for elements of the page that was left.
				b.eval(nil, `void document.querySelector('[data-testid="composer"]').focus()`)
				b.run(input.InsertText(fmt.Sprint(b.name, " is back ", i)))
				b.enter()
			}
			customer.shown(fmt.Sprint("agent is back ", i))
			agent.shown(fmt.Sprint("customer is back ", i))
			for _, b := range []*tab{customer, agent} {
				b.until("all messages stored", `[...document.querySelectorAll('[data-testid="message"]')].every((e) => /received|delivered|sent$/.test(e.dataset.state))`)
				wantTexts(t, b.name+" shows", b.timeline(), texts(supervisor.messages(id), ""))
			}
		}
	})
}

func TestTabDuplicated(t *testing.T) {
	t.Parallel()
	w := shared(t)
	t.Run("SES-4 MSG-6 ENG-9 duplicated while both talk: each tab hears all, once", func(t *testing.T) {
		f := w.faulty(t)
		customer := fresh("twice")
		c := w.chatAs(t, f.origin, "page.html", customer, `{logLevel: "WARN"}`)
		stop := c.agent.talks(c.id)
		second := c.duplicate("second")
		second.allow(networkTrouble)
		c.sends(numbered("from the first", 5))
		w.openAt(second, f.origin, "page.html", customer, tokenOptions{}, `{logLevel: "WARN"}`)
		var copied, mine string
		loaded := second.log.all()[0]
		c.eval(&mine, `sessionStorage.getItem("`+sessionKey+`")`)
		if err := json.Unmarshal(loaded.Data, &copied); err != nil || copied != mine {
			t.Fatalf("the second tab has no copy: it stores %s, the first %s", loaded, mine)
		}
		second.eval(nil, `t.join(%s)`, c.id)
		second.waitEvent("ENGAGEMENT_ACTIVE", nil)
		send(second, c.id, numbered("from the second", 5)...)
		wantTexts(t, "MSG-4: failed", c.settledSends(), nil)
		stop()
		c.heardAll(t)
		second.waitText("the last word")
		all := texts(c.agent.messages(c.id), "")
		got := second.texts(second.log.all(), "", "")
		wantTexts(t, "ENG-9 MSG-6: heard in the second tab from its join on", got, all[len(all)-len(got):])
		second.wantOnceInOrder(second.log.all())
		for _, b := range []*tab{c.tab, second} {
			if list := events(b.log.all()); slices.Contains(list, "EVENT_STREAM_FAILED") || slices.Contains(list, "SHUTDOWN") {
				t.Errorf("SES-4: tab %q was disturbed: %q", b.name, list)
			}
		}
	})
}

func TestDeviceSleeps(t *testing.T) {
	t.Parallel()
	w := shared(t)
	t.Run("STREAM-3 STREAM-5 MSG-4 MSG-6 asleep for ten hours in the midst of sends: the connection is dead, the clock ahead", func(t *testing.T) {
		f := w.faulty(t)
		customer := fresh("sleep")
		params := w.params(t, customer, tokenOptions{ttl: 24 * time.Hour})
		b := newTab(t, "customer")
		b.allow(networkTrouble)
		b.open(f.url + "/t/fast.html")
		b.eval(nil, `t.init(%s, {logLevel: "WARN", idleTimeout: 0})`, params)
		id := createChat(b)
		c := began{b, id, w.newDesk(t, "Bo "+customer)}
		c.agent.accept(id)
		c.agent.say(id, "good night")
		c.waitText("good night")

		// Nothing passes any more; what is said stays unsaid for the page.
		asleep := make(chan struct{})
		f.rest(func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/messages") {
				<-asleep
				lose()
			}
			return false
		})
		f.last().hold()
		c.sends(numbered("before sleep", 3))
		mark := c.mark()
		for _, text := range numbered("in the night", 10) {
			c.agent.say(id, text)
		}
		c.eval(nil, `clock.sleep(36000)`)
		f.rest(nil)
		close(asleep)
		// Whatever wakes first finds out.
		c.eval(nil, `void document.dispatchEvent(new Event("visibilitychange"))`)
		c.since(mark, "EVENT_STREAM_CONNECTED", 1)
		wantTexts(t, "MSG-4: failed", c.settledSends(), nil)
		c.heardAll(t)
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
			// But for the other chat, which the dead core's call may begin only now.
			heard := func() []entry {
				return slices.DeleteFunc(slices.Clone(c.heard(mark)), func(e entry) bool {
					id := ""
					if e.Kind == "event" && e.Name != "INITIALIZED" {
						id = e.message(t).EngagementID
					}
					return id != "" && id != c.id
				})
			}
			wantTexts(t, "INIT-7", events(heard()), []string{"EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "INITIALIZED"})
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
			wantTexts(t, "MSG-6: heard of the fresh core", c.texts(heard(), "", ""), []string{"after", "after, too"})
			wantTexts(t, "MSG-4: stored", texts(c.agent.messages(c.id), "CUSTOMER"), []string{"before", "on its way", "after, too"})
		})
	}
}
