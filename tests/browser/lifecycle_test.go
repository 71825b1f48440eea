package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"openchat/tests/harness"
)

// What browsers do to pages, done by the browser itself: it goes offline, freezes a page,
// keeps it in the back/forward cache, copies a tab, sleeps; and the wasm traps. Whatever
// it is, the page receives every message that the gateway stored once and in order, and
// every send settles.

// keepTalking lets the agent talk to a chat, at a pace that the desk allows, until stop is
// called, which returns when the last word is stored.
func keepTalking(d *harness.Agent, engagementID string) (stop func()) {
	d.T.Helper()
	quit, over := make(chan struct{}), make(chan error, 1)
	go func() {
		pace := time.NewTicker(40 * time.Millisecond)
		defer pace.Stop()
		for n := 1; ; n++ {
			if err := d.TrySend(engagementID, fmt.Sprint("agent ", n)); err != nil {
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
		d.T.Helper()
		close(quit)
		if err := <-over; err != nil {
			d.T.Fatal(err)
		}
	}
}

// receivedAll says the last word, waits until the page has received it, and compares what it
// received from the chat's first message on with what the gateway stored.
func receivedAll(t *testing.T, c harness.Conversation) {
	t.Helper()
	c.Agent.Send(c.ID, "the last word")
	c.WaitText("the last word")
	harness.ExpectTexts(t, "STREAM-3 MSG-6: received", c.Texts(c.Reports.All(), "", ""), harness.TextsFrom(c.Agent.Messages(c.ID), ""))
	c.WantOnceInOrder(c.Reports.All())
}

// sends begins sends whose outcomes settled waits for.
func sends(c harness.Conversation, list []string) {
	c.T.Helper()
	c.Eval(nil, `void (t.pending = Promise.all(%s.map((text) => t.send(%s, text))))`, list, c.ID)
}

// settledSends returns the codes of the sends that failed.
func settledSends(c harness.Conversation) (failed []string) {
	c.T.Helper()
	c.Eval(&failed, `t.pending.then((l) => l.filter((r) => r.error).map((r) => r.error.code))`)
	return failed
}

func TestOffline(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	t.Run("STREAM-3 STREAM-5 MSG-4 MSG-6 offline and online again, while both talk", func(t *testing.T) {
		f := w.FaultyOrigin(t)
		c := w.StartChatAt(t, f.Origin, "page.html", `{logLevel: "WARN"}`)
		stop := keepTalking(c.Agent, c.ID)
		passes := harness.Lacks(t, harness.HoldingSockets)
		for i := range 2 {
			mark := c.Mark()
			// Chromium holds back the frames of an open WebSocket; it does not close it. Firefox lets
			// them pass: there the proxy does not hold frames, which no network would do while it is away.
			if passes {
				f.NewestStream().Hold()
			}
			c.SetOffline(true)
			mine := harness.Numbered(fmt.Sprint("while offline ", i+1, "."), 5)
			sends(c, mine)
			c.WaitNth(mark, "EVENT_STREAM_FAILED", 1)
			c.SetOffline(false)
			c.WaitNth(mark, "EVENT_STREAM_CONNECTED", 1)
			harness.ExpectTexts(t, "MSG-4: failed", settledSends(c), nil)
		}
		stop()
		receivedAll(t, c)
	})
}

func TestFrozen(t *testing.T) {
	harness.Needs(t, harness.Freezing)
	t.Parallel()
	w := harness.Shared(t)
	t.Run("STREAM-3 MSG-4 MSG-6 frozen in the midst of sends while the agent talks", func(t *testing.T) {
		f := w.FaultyOrigin(t)
		c := w.StartChatAt(t, f.Origin, "page.html", `{logLevel: "WARN"}`)
		for i := range 3 {
			stop := keepTalking(c.Agent, c.ID)
			sends(c, harness.Numbered(fmt.Sprint("frozen ", i, "."), 5))
			freeze(c.Tab, true)
			mark := c.Mark()
			c.Agent.Send(c.ID, fmt.Sprint("to the frozen page ", i))
			if i > 0 {
				f.NewestStream().Cut()
			}
			stop()
			if got := c.Texts(c.Since(mark), "", ""); slices.Contains(got, fmt.Sprint("to the frozen page ", i)) {
				t.Fatalf("the page is not frozen: %q", got)
			}
			freeze(c.Tab, false)
			harness.ExpectTexts(t, "MSG-4: failed", settledSends(c), nil)
			c.WaitText(fmt.Sprint("to the frozen page ", i))
		}
		receivedAll(t, c)
	})
}

// cacheable is an origin whose pages browsers may keep when one goes away from them.
func cacheable(t *testing.T, w *harness.Environment) *harness.FaultyOrigin {
	f := w.FaultyOrigin(t)
	f.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
		if name, ok := strings.CutPrefix(r.URL.Path, "/t/"); ok && strings.HasSuffix(name, ".html") {
			rw.Header().Set("Content-Security-Policy", harness.StrictPolicy)
			http.ServeFile(rw, r, "pages/"+name)
			return true
		}
		return false
	})
	return f
}

// staysPage lets the page tell when it comes back out of the cache, and keep what it
// receives of messages and the stream: what a page says while it is going away does not reach the test.
func staysPage(b *harness.Tab) {
	b.T.Helper()
	b.Eval(nil, `(() => {
		addEventListener("pageshow", (e) => note(JSON.stringify({ kind: "page", name: "back", data: e.persisted })));
		t.kept = [];
		t.streams = [];
		for (const type of ["FAILED", "CONNECTING", "CONNECTED", "CLOSED"]) t.react["EVENT_STREAM_" + type] = (e) => t.streams.push([type, e.message, e.retryAfter].join(" ").trim());
		t.react.MESSAGE_ARRIVED = t.react.MESSAGE_DELIVERED = (m) => t.kept.push(m.messageIndex + " " + m.body.elementText.text);
	})()`)
}

// keptAll is receivedAll for a page that keeps what it receives, from where it began to.
func keptAll(t *testing.T, c harness.Conversation) {
	t.Helper()
	c.Agent.Send(c.ID, "the last word")
	c.WaitText("the last word")
	var kept, want []string
	c.Eval(&kept, `t.kept`)
	for _, m := range c.Agent.Messages(c.ID)[2:] { // what was said before there was an agent
		want = append(want, fmt.Sprint(m.MessageIndex, " ", m.Body.Text))
	}
	harness.ExpectTexts(t, "STREAM-3 MSG-6: received", kept, want)
}

// travel goes to another page of the tab's history, so many on or, below zero, back, and
// fails the test unless it is the very page that was left.
func travel(b *harness.Tab, by int) {
	b.T.Helper()
	mark := b.Mark()
	var why string
	b.Travel(by)
	b.Wait("the page that was left", func(list []harness.Report) bool {
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
		b.T.Fatalf("the page was not kept: %s", why)
	}
}

func TestBackForwardCache(t *testing.T) {
	harness.Needs(t, harness.KeepingPages)
	t.Parallel()
	w := harness.Shared(t)
	t.Run("STREAM-3 STREAM-5 MSG-6 away, and back to the very page", func(t *testing.T) {
		f := cacheable(t, w)
		c := w.StartChatAt(t, f.Origin, "page.html", `{logLevel: "WARN"}`)
		staysPage(c.Tab)
		for i := range 2 {
			stop := keepTalking(c.Agent, c.ID)
			mark := c.Mark()
			c.WaitNth(mark, "MESSAGE_ARRIVED", 3)
			c.Open(f.URL + "/t/icon.svg")
			c.Agent.Send(c.ID, fmt.Sprint("to a page that is away ", i))
			travel(c.Tab, -1)
			c.WaitNth(mark, "EVENT_STREAM_CONNECTED", 1)
			var streams []string
			c.Eval(&streams, `t.streams.splice(0)`)
			harness.ExpectTexts(t, "STREAM-1 EV-7", streams, []string{"FAILED The page was left 0", "CONNECTING", "CONNECTED"})
			harness.SendTexts(c.Tab, c.ID, fmt.Sprint("back again ", i))
			stop()
		}
		keptAll(t, c)
		if n := harness.CountEvents(c.Reports.All(), "INITIALIZED"); n != 1 {
			t.Errorf("%d times INITIALIZED: it is not the page that was left", n)
		}
	})
}

// Where the engine keeps no page with an open WebSocket, one comes back as after a reload.
func TestLeftPageNotKept(t *testing.T) {
	t.Parallel()
	if harness.Has(harness.KeepingPages) {
		t.Skip("this engine keeps the page, as Chromium and WebKit do (https://webkit.org/blog/427/webkit-page-cache-i-the-basics/): see TestBackForwardCache")
	}
	w := harness.Shared(t)
	t.Run("SES-1 STREAM-3 MSG-6 away, and back to a new page in the same session", func(t *testing.T) {
		f := cacheable(t, w)
		customer := harness.NewCustomerID("left")
		c := w.StartChatAs(t, f.Origin, "page.html", customer, `{logLevel: "WARN"}`)
		stop := keepTalking(c.Agent, c.ID)
		c.WaitNth(c.Mark(), "MESSAGE_ARRIVED", 3)
		mark := c.Mark()
		c.Open(f.URL + "/t/icon.svg")
		c.Agent.Send(c.ID, "to a page that is away")
		c.Travel(-1)
		c.Wait("the page to load", func(list []harness.Report) bool {
			return slices.ContainsFunc(list[mark:], func(r harness.Report) bool { return r.Kind == "page" && r.Name == "loaded" })
		})
		w.Init(c.Tab, customer, harness.TokenOptions{}, `{logLevel: "WARN"}`)
		var status string
		c.Eval(&status, `t.user.engagements[0].engagementStatus`)
		if status != "ACTIVE" {
			t.Errorf("SES-1: the chat is %s", status)
		}
		stop()
		c.Agent.Send(c.ID, "the last word")
		c.WaitText("the last word")
		harness.ExpectTexts(t, "PAGE-2: the history", harness.ReadHistory(c.Tab, c.ID, 50), harness.TextsFrom(c.Agent.Messages(c.ID), ""))
	})
}

// A shop has more than one page, each with the chat on it.
func TestBackForwardCacheBetweenPages(t *testing.T) {
	harness.Needs(t, harness.KeepingPages)
	t.Parallel()
	w := harness.Shared(t)
	t.Run("SES-1 STREAM-3 MSG-6 two pages of one tab take turns in one session", func(t *testing.T) {
		f := cacheable(t, w)
		customer := harness.NewCustomerID("pages")
		c := w.StartChatAs(t, f.Origin, "page.html", customer, `{logLevel: "WARN"}`)
		staysPage(c.Tab)
		stop := keepTalking(c.Agent, c.ID)
		w.OpenPage(c.Tab, f.Origin, "page.html?second", customer, harness.TokenOptions{}, `{logLevel: "WARN"}`)
		var status string
		c.Eval(&status, `t.user.engagements[0].engagementStatus`)
		if status != "ACTIVE" {
			t.Fatalf("SES-1: in the second page the chat is %s", status)
		}
		// The gateway did not have to find out that nobody is there.
		if n := f.Stream(1).CountFrames(false, "ping"); n != 0 {
			t.Error("SES-4: the first page's connection stood in the way")
		}
		staysPage(c.Tab)
		begin := harness.ReadHistory(c.Tab, c.ID, 50)
		for i := range 2 {
			for _, by := range []int{-1, 1} {
				harness.SendTexts(c.Tab, c.ID, fmt.Sprint("before going ", by, ", ", i))
				mark := c.Mark()
				travel(c.Tab, by)
				c.WaitNth(mark, "EVENT_STREAM_CONNECTED", 1)
			}
		}
		stop()
		c.Agent.Send(c.ID, "to both")
		c.WaitText("to both")
		// Each page has it all: the second with what it read of the history.
		all := harness.TextsFrom(c.Agent.Messages(c.ID), "")
		var kept []string
		c.Eval(&kept, `t.kept.map((s) => s.replace(/^\d+ /, ""))`)
		for len(kept) > 0 && !slices.Equal(kept, all[len(all)-len(kept):]) && slices.Contains(begin, kept[0]) {
			kept = kept[1:] // received before the history was read
		}
		harness.ExpectTexts(t, "the second page", append(begin[:min(len(begin), len(all)-len(kept))], kept...), all)
		mark := c.Mark()
		travel(c.Tab, -1)
		c.WaitNth(mark, "EVENT_STREAM_CONNECTED", 1)
		keptAll(t, c)
	})
	t.Run("SHUT-3 EV-14 the session that the next page has ended", func(t *testing.T) {
		f := cacheable(t, w)
		customer := harness.NewCustomerID("pages")
		c := w.StartChatAs(t, f.Origin, "page.html", customer, `{logLevel: "WARN"}`)
		staysPage(c.Tab)
		w.OpenPage(c.Tab, f.Origin, "page.html?second", customer, harness.TokenOptions{}, `{logLevel: "WARN"}`)
		c.JS(nil, `await sdk.shutdown()`)
		mark := c.Mark()
		travel(c.Tab, -1)
		c.WaitNth(mark, "SHUTDOWN", 1)
		list := failures(t, c.Since(mark))
		if got := list[len(list)-1].Reason; got != "SDK_SESSION_INVALID" {
			t.Errorf("SHUT-3: %s", got)
		}
		w.Init(c.Tab, customer, harness.TokenOptions{}, `{logLevel: "WARN"}`)
		c.Eval(nil, `t.join(%s)`, c.ID)
		c.WaitNth(mark, "ENGAGEMENT_ACTIVE", 1)
		mark = c.Mark()
		c.Agent.Send(c.ID, "again")
		harness.SendTexts(c.Tab, c.ID, "and again")
		c.WaitText("again")
		c.WaitText("and again")
		harness.ExpectTexts(t, "received", c.Texts(c.Since(mark), "", ""), []string{"again", "and again"})
	})
}

// The demo's own pages come back as they were, with what was said meanwhile.
func TestBackForwardCacheDemo(t *testing.T) {
	harness.Needs(t, harness.KeepingPages)
	t.Parallel()
	w := harness.Shared(t)
	o := w.NewOrigin(t)
	t.Run("STREAM-3 MSG-6 the customer's page and the desk", func(t *testing.T) {
		customer, agent := harness.NewTab(t, "customer"), harness.NewTab(t, "agent")
		for _, b := range []*harness.Tab{customer, agent} {
			b.AllowErrors(harness.NetworkErrors)
			b.SetSize(1280, 800, false)
		}
		customer.Open(o.URL + "/")
		customer.Click(testid("launcher"))
		customer.Type(testid("name"), harness.NewCustomerID("Cora"))
		customer.Type(testid("topic"), "back and forth")
		customer.Click(testid("start"))
		waitShown(customer, "I am looking for an agent")
		var id string
		customer.Eval(&id, `AvayaCCaaSChatSDK.getEngagements().then((l) => l[0].engagementId)`)
		agent.Open(o.URL + "/desk?name=Bo")
		agent.Click(testid("sign-in"))
		agent.Click(fmt.Sprintf(`[data-engagement-id=%q] [data-testid="accept"]`, id))
		customer.WaitUntil("the agent", `document.querySelector('[data-testid="chat-title"]').textContent.includes("Bo")`)
		supervisor := w.NewAgent(t, "Cleo")
		supervisor.Call("POST", "/engagements/"+id+":supervise", supervisor.Me(), nil)
		for i := range 2 {
			for _, b := range []*harness.Tab{customer, agent} {
				b.Eval(nil, `void addEventListener("pageshow", (e) => note(JSON.stringify({ kind: "page", name: "back", data: e.persisted })), { once: true })`)
				// The desk is isolated, and WebKit keeps no page that is left for one that is not.
				b.Open(o.URL + map[*harness.Tab]string{customer: "/favicon.svg", agent: "/docs/"}[b])
			}
			for _, text := range harness.Numbered(fmt.Sprint("while both are away ", i, "."), 5) {
				supervisor.Send(id, text)
			}
			for _, b := range []*harness.Tab{customer, agent} {
				travel(b, -1)
			}
			supervisor.Send(id, fmt.Sprint("to both ", i))
			for _, b := range []*harness.Tab{customer, agent} {
				waitShown(b, fmt.Sprint("to both ", i))
				// The clicks of Chromium's driver look for elements of the page that was left.
				b.Eval(nil, `void document.querySelector('[data-testid="composer"]').focus()`)
				b.Insert(fmt.Sprint(b.Name, " is back ", i))
				b.PressEnter()
			}
			waitShown(customer, fmt.Sprint("agent is back ", i))
			waitShown(agent, fmt.Sprint("customer is back ", i))
			for _, b := range []*harness.Tab{customer, agent} {
				b.WaitUntil("all messages stored", `[...document.querySelectorAll('[data-testid="message"]')].every((e) => /received|delivered|sent$/.test(e.dataset.state))`)
				harness.ExpectTexts(t, b.Name+" shows", timeline(b), harness.TextsFrom(supervisor.Messages(id), ""))
			}
		}
	})
}

func TestTabDuplicated(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	t.Run("SES-4 MSG-6 ENG-9 duplicated while both talk: each tab gets all, once", func(t *testing.T) {
		f := w.FaultyOrigin(t)
		customer := harness.NewCustomerID("twice")
		c := w.StartChatAs(t, f.Origin, "page.html", customer, `{logLevel: "WARN"}`)
		stop := keepTalking(c.Agent, c.ID)
		second := c.Duplicate("second")
		second.AllowErrors(harness.NetworkErrors)
		sends(c, harness.Numbered("from the first", 5))
		w.OpenPage(second, f.Origin, "page.html", customer, harness.TokenOptions{}, `{logLevel: "WARN"}`)
		var copied, mine string
		loaded := second.Reports.All()[0]
		c.Eval(&mine, `sessionStorage.getItem("`+sessionKey+`")`)
		if err := json.Unmarshal(loaded.Data, &copied); err != nil || copied != mine {
			t.Fatalf("the second tab has no copy: it stores %s, the first %s", loaded, mine)
		}
		second.Eval(nil, `t.join(%s)`, c.ID)
		second.WaitEvent("ENGAGEMENT_ACTIVE", nil)
		harness.SendTexts(second, c.ID, harness.Numbered("from the second", 5)...)
		harness.ExpectTexts(t, "MSG-4: failed", settledSends(c), nil)
		stop()
		receivedAll(t, c)
		second.WaitText("the last word")
		all := harness.TextsFrom(c.Agent.Messages(c.ID), "")
		got := second.Texts(second.Reports.All(), "", "")
		harness.ExpectTexts(t, "ENG-9 MSG-6: received in the second tab from its join on", got, all[len(all)-len(got):])
		second.WantOnceInOrder(second.Reports.All())
		for _, b := range []*harness.Tab{c.Tab, second} {
			if list := harness.EventNames(b.Reports.All()); slices.Contains(list, "EVENT_STREAM_FAILED") || slices.Contains(list, "SHUTDOWN") {
				t.Errorf("SES-4: tab %q was disturbed: %q", b.Name, list)
			}
		}
	})
}

func TestDeviceSleeps(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	t.Run("STREAM-3 STREAM-5 MSG-4 MSG-6 asleep for ten hours in the midst of sends: the connection is dead, the clock ahead", func(t *testing.T) {
		f := w.FaultyOrigin(t)
		customer := harness.NewCustomerID("sleep")
		params := w.InitParams(t, customer, harness.TokenOptions{TTL: 24 * time.Hour})
		b := harness.NewTab(t, "customer")
		b.AllowErrors(harness.NetworkErrors)
		b.Open(f.URL + "/t/fast.html")
		b.Eval(nil, `t.init(%s, {logLevel: "WARN", idleTimeout: 0})`, params)
		id := harness.CreateEngagement(b)
		c := harness.Conversation{Tab: b, ID: id, Agent: w.NewAgent(t, "Bo "+customer)}
		c.Agent.Accept(id)
		c.Agent.Send(id, "good night")
		c.WaitText("good night")

		// Nothing passes any more; what is said stays unsaid for the page.
		asleep := make(chan struct{})
		f.InterceptREST(func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/messages") {
				<-asleep
				harness.AbortConnection()
			}
			return false
		})
		f.NewestStream().Hold()
		sends(c, harness.Numbered("before sleep", 3))
		mark := c.Mark()
		for _, text := range harness.Numbered("in the night", 10) {
			c.Agent.Send(id, text)
		}
		c.Eval(nil, `clock.sleep(36000)`)
		f.InterceptREST(nil)
		close(asleep)
		// Whatever wakes first finds out.
		c.Eval(nil, `void document.dispatchEvent(new Event("visibilitychange"))`)
		c.WaitNth(mark, "EVENT_STREAM_CONNECTED", 1)
		harness.ExpectTexts(t, "MSG-4: failed", settledSends(c), nil)
		receivedAll(t, c)
	})
}

// The core's memory is overwritten, as by a fault in the engine or in the wasm itself.
func TestTrap(t *testing.T) {
	harness.Needs(t, harness.Trapping)
	t.Parallel()
	w := harness.Shared(t)
	for _, tt := range []struct {
		name  string
		enter func(c harness.Conversation) // lets something enter the broken core
	}{
		{"a call", func(c harness.Conversation) {
			var code string
			c.JS(&code, `return code(() => t.old.sendMessage("into the void"))`)
			if code != "ACS-311" {
				c.T.Errorf("the call that traps: %s", code)
			}
		}},
		{"a frame", func(c harness.Conversation) { c.Agent.Send(c.ID, "to the dead core") }},
		// The connection has been quiet: a ping is due.
		{"a timer", func(c harness.Conversation) { c.Eval(nil, `clock.skip(25)`) }},
	} {
		t.Run("EV-7 EV-14 SHUT-2 SES-1 a trap in "+tt.name+": said aloud, and init begins anew", func(t *testing.T) {
			f := w.FaultyOrigin(t)
			customer := harness.NewCustomerID("trap")
			params := w.InitParams(t, customer, harness.TokenOptions{TTL: 50 * time.Minute})
			c := w.StartChatAs(t, f.Origin, "core.html", customer, `{logLevel: "WARN", idleTimeout: 0}`)
			c.AllowErrors(`the SDK's core ended unexpectedly`)
			harness.SendTexts(c.Tab, c.ID, "before")
			c.Agent.Send(c.ID, "before, too")
			c.WaitText("before, too")

			// Calls whose answers come only to the dead core.
			dead := make(chan struct{})
			asked := make(chan struct{}, 10)
			f.InterceptREST(func(_ http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(r.URL.Path, "/engagements") {
					asked <- struct{}{}
					<-dead
				}
				return false
			})
			mark := c.Mark()
			c.JS(nil, `t.old = await sdk.getEngagementById(%s);
				t.waiting = Promise.all([() => t.old.sendMessage("on its way"), () => t.old.getMessages(), () => sdk.createEngagement(), () => sdk.getEngagements()].map(code))`, c.ID)
			for range 4 {
				select {
				case <-asked:
				case <-time.After(harness.Timeout):
					t.Fatal("a call is not made")
				}
			}
			c.Eval(nil, `core.overwrite()`)
			tt.enter(c)
			c.WaitNth(mark, "SHUTDOWN", 1)
			f.InterceptREST(nil)
			close(dead)
			var codes []string
			c.Eval(&codes, `t.waiting`)
			harness.ExpectTexts(t, "the calls that waited", codes, []string{"ACS-311", "ACS-311", "ACS-311", "ACS-311"})
			harness.ExpectTexts(t, "EV-14", harness.EventNames(c.Since(mark)), []string{"EVENT_STREAM_FAILED", "SHUTDOWN"})
			if got := failures(t, c.Since(mark))[0]; got.Reason != "UNEXPECTED_ERROR" || got.RetryAfter != 0 || got.Message == "" {
				t.Errorf("EV-7: %+v", got)
			}
			select {
			case <-f.Stream(1).Ended:
			case <-time.After(harness.Timeout):
				t.Error("SHUT-2: the dead core's connection stays open")
			}
			c.Expect("SHUT-2", map[string]any{"old": "ACS-310", "list": "ACS-310", "set": "ACS-310", "timers": 0}, `return {
				old: await code(() => t.old.sendMessage("x")), list: await code(() => sdk.getEngagements()), set: await code(() => sdk.resetIdleTimeout()),
				timers: clock.pending() }`)

			// A fresh core goes on with the session, and with the chat.
			mark = c.Mark()
			c.Eval(nil, `t.init(%s, {logLevel: "WARN", idleTimeout: 0})`, params)
			// But for the other chat, which the dead core's call may begin only now.
			received := func() []harness.Report {
				return slices.DeleteFunc(slices.Clone(c.Since(mark)), func(e harness.Report) bool {
					id := ""
					if e.Kind == "event" && e.Name != "INITIALIZED" {
						id = e.Message(t).EngagementID
					}
					return id != "" && id != c.ID
				})
			}
			harness.ExpectTexts(t, "INIT-7", harness.EventNames(received()), []string{"EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "INITIALIZED"})
			var status string
			c.JS(&status, `return t.user.engagements.find((e) => e.engagementId === %s).engagementStatus`, c.ID)
			if status != "ACTIVE" {
				t.Errorf("SES-1: the chat is %s", status)
			}
			stored := harness.ReadHistory(c.Tab, c.ID, 5)
			harness.ExpectTexts(t, "PAGE-2", stored, harness.TextsFrom(c.Agent.Messages(c.ID), ""))
			c.Agent.Send(c.ID, "after")
			harness.SendTexts(c.Tab, c.ID, "after, too")
			c.WaitText("after, too")
			harness.ExpectTexts(t, "MSG-6: received of the fresh core", c.Texts(received(), "", ""), []string{"after", "after, too"})
			harness.ExpectTexts(t, "MSG-4: stored", harness.TextsFrom(c.Agent.Messages(c.ID), "CUSTOMER"), []string{"before", "on its way", "after, too"})
		})
	}
}
