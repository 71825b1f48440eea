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

	"github.com/chromedp/cdproto/memory"
	"github.com/chromedp/chromedp"

	"openchat/tests/harness"
)

func TestRowsIdle(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)

	t.Run("IDLE-1 NS-8 what resets the timer, and what does not", func(t *testing.T) {
		t.Parallel()
		f := w.FaultyOrigin(t)
		c := w.StartChatAt(t, f.Origin, "fast.html", `{logLevel: "WARN", idleTimeout: 300}`)
		second := harness.CreateEngagement(c.Tab)
		c.JS(nil, `
			t.e = await sdk.getEngagementById(%s);
			t.f = await sdk.getEngagementById(%s);
			t.expired = () => t.n;
			t.n = 0;
			t.react.IDLE_TIMEOUT_EXPIRED = () => t.n++;
			sdk.resetIdleTimeout();`, c.ID, second)
		// Nearly all of the time passes before each, and after it: only one that resets
		// the timer keeps it from running out.
		for _, tt := range []struct{ name, act string }{
			{"resetIdleTimeout", `sdk.resetIdleTimeout()`},
			{"resetTimer", `sdk.resetTimer()`},
			{"sendMessage", `await t.e.sendMessage("here")`},
			{"createEngagement", `t.g = await sdk.createEngagement()`},
			{"disconnect", `await t.f.disconnect()`},
			{"join, though refused", `await code(() => t.e.join())`},
		} {
			c.JS(nil, `clock.skip(290); await sdk.getEngagements(); `+tt.act+`; clock.skip(290); await sdk.getEngagements();`)
			c.WaitSettled()
			var n int
			c.Eval(&n, `t.n`)
			if n != 0 {
				t.Fatalf("IDLE-1: the timer ran out in spite of %s", tt.name)
			}
			c.JS(nil, `sdk.resetIdleTimeout()`)
		}
		// Neither looking nor being spoken to is activity.
		for _, s := range []string{`await sdk.getEngagements()`, `await t.e.getMessages()`, `await sdk.getEngagementById(t.e.engagementId)`, `sdk.setLogLevel("WARN")`} {
			c.JS(nil, `clock.skip(70); `+s)
			c.Agent.Send(c.ID, "are you there?")
		}
		c.JS(nil, `clock.skip(25)`)
		c.WaitEvent("IDLE_TIMEOUT_EXPIRED", nil)
	})

	t.Run("IDLE-2 EV-5 the warning, and activity in the grace period", func(t *testing.T) {
		t.Parallel()
		c := w.StartChatAt(t, w.FaultyOrigin(t).Origin, "fast.html", `{logLevel: "WARN", idleTimeout: 400, idleShutdownGraceTimeout: 45}`)
		c.JS(nil, `
			t.warnings = [];
			console.warn = (...words) => t.warnings.push(words.join(" "));
			sdk.on("IDLE_TIMEOUT", (p) => { t.got = p; note(JSON.stringify({ kind: "event", name: "IDLE_TIMEOUT_EXPIRED", data: p })) });
			sdk.resetIdleTimeout();
			t.e = await sdk.getEngagementById(%s);
			clock.skip(399);
			await sdk.getEngagements();`, c.ID)
		c.WaitSettled()
		if harness.CountEvents(c.Reports.All(), "IDLE_TIMEOUT_EXPIRED") != 0 {
			t.Fatal("IDLE-2: a second too early")
		}
		for i, act := range []string{`sdk.resetIdleTimeout()`, `await t.e.sendMessage("still here")`, `await code(() => t.e.join())`} {
			mark := c.Mark()
			c.JS(nil, `clock.skip(401)`)
			c.WaitNth(mark, "IDLE_TIMEOUT_EXPIRED", 1)
			c.Expect("IDLE-2", map[string]any{"grace": 45, "date": true, "names": []string{"eventDate", "gracePeriod"}, "warned": i + 1}, `
				return { grace: t.got.gracePeriod, date: t.got.eventDate instanceof Date && Math.abs(t.got.eventDate - Date.now()) < 30000, names: Object.keys(t.got).sort(),
					warned: t.warnings.filter((s) => s.includes("ACS-206")).length }`)
			// In the last moment, and then it starts over: the whole idle time, not the rest of the grace.
			c.JS(nil, `clock.skip(40); `+act+`; clock.skip(300); await sdk.getEngagements()`)
			c.WaitSettled()
			if n := harness.CountEvents(c.Since(mark), "SHUTDOWN") + harness.CountEvents(c.Since(mark), "IDLE_TIMEOUT_EXPIRED"); n != 1 {
				t.Fatalf("IDLE-2: after %s: %q", act, harness.EventNames(c.Since(mark)))
			}
			c.JS(nil, `sdk.resetIdleTimeout()`)
		}
	})

	t.Run("IDLE-1 IDLE-2 IDLE-3 SHUT-1 EV-14 the defaults by a fast clock; the chat lives on", func(t *testing.T) {
		t.Parallel()
		f := w.FaultyOrigin(t)
		deleted := deletions(f)
		c := w.StartChatAt(t, f.Origin, "fast.html", `{logLevel: "WARN"}`)
		other := harness.NewTab(t, "other")
		w.OpenPage(other, w.Origin, "page.html", strings.TrimPrefix(c.Agent.Name, "Bo "), harness.TokenOptions{}, `{logLevel: "WARN"}`)
		other.JS(nil, `await (await sdk.getEngagements())[0].join()`)
		other.WaitEvent("ENGAGEMENT_ACTIVE", nil)
		c.JS(nil, `
			t.at = {};
			for (const type of ["IDLE_TIMEOUT_EXPIRED", "EVENT_STREAM_CLOSED", "SHUTDOWN"]) t.react[type] = () => {
				t.at[type] = Date.now();
				// The call that ends the session has as long as on a page whose clock is right.
				if (type === "IDLE_TIMEOUT_EXPIRED") setTimeout(() => clock.speed(1), 28000);
			};
			sdk.resetIdleTimeout();
			t.at.begin = Date.now();
			clock.speed(60);`)
		c.WaitEvent("SHUTDOWN", nil)
		var at map[string]float64
		c.Eval(&at, `t.at`)
		// At this speed 10 ms of this machine are 0.6 s.
		idle, end := (at["IDLE_TIMEOUT_EXPIRED"]-at["begin"])/1000, (at["SHUTDOWN"]-at["begin"])/1000
		if idle < 300 || idle > 330 || end < 330 || end > 390 {
			t.Errorf("IDLE-3: expired after %.1f s, shut down after %.1f; want 300 and 330", idle, end)
		}
		list := c.Reports.All()
		if s := harness.EventNames(list); !slices.Equal(s[len(s)-3:], []string{"IDLE_TIMEOUT_EXPIRED", "EVENT_STREAM_CLOSED", "SHUTDOWN"}) {
			t.Errorf("IDLE-3: %q", s)
		}
		if s := string(list[len(list)-1].Data); !strings.Contains(s, `"reason":"USER_INACTIVE"`) {
			t.Errorf("IDLE-3: SHUTDOWN %s", s)
		}
		if all := deleted.all(); len(all) != 1 || all[0] != "reason=USER_INACTIVE" {
			t.Errorf("IDLE-3: the server received %q", all)
		}
		c.Expect("IDLE-3", map[string]any{"stored": nil, "code": "ACS-310"}, `return { stored: sessionStorage.getItem("ccaasClientSessionId"), code: await code(() => sdk.getEngagements()) }`)
		c.Agent.Send(c.ID, "who else is here?")
		other.WaitText("who else is here?")
		harness.SendTexts(other, c.ID, "I am")
		if harness.CountEvents(other.Reports.All(), "ENGAGEMENT_TERMINATED") != 0 {
			t.Error("IDLE-3: the chat was closed")
		}
	})

	t.Run("IDLE-1 INIT-6 idleTimeout 0: never", func(t *testing.T) {
		t.Parallel()
		customer := harness.NewCustomerID("row")
		b := harness.NewTab(t, "customer")
		b.AllowErrors(harness.NetworkErrors)
		w.OpenPage(b, w.Origin, "fast.html", customer, harness.TokenOptions{TTL: 24 * time.Hour}, `{logLevel: "WARN", idleTimeout: 0}`)
		for range 5 {
			b.JS(nil, `clock.skip(3400); await sdk.getEngagements()`)
		}
		b.WaitSettled()
		if n := harness.CountEvents(b.Reports.All(), "IDLE_TIMEOUT_EXPIRED"); n != 0 {
			t.Error("IDLE-1: the timer is not off")
		}
	})
}

func TestRowsShutdown(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)

	t.Run("SHUT-1 SHUT-2 NS-11 EV-2 by the page", func(t *testing.T) {
		t.Parallel()
		for _, reason := range []string{"", "USER_CLOSED", "USER_INACTIVE"} {
			f := w.FaultyOrigin(t)
			deleted := deletions(f)
			c := w.StartChatAt(t, f.Origin, "page.html", `{logLevel: "WARN"}`)
			mark := c.Mark()
			arg := "%s"
			if reason == "" {
				arg, reason = "undefined && %s", "USER_CLOSED"
			}
			c.Expect("SHUT-1", map[string]any{"refused": "ACS-322", "resolved": true, "stored": nil, "keys": 0}, `
				t.e = await sdk.getEngagementById(%s);
				t.it = await t.e.getMessages();
				t.was = JSON.stringify({...t.e});
				const refused = await code(() => sdk.shutdown("BORED"));
				const resolved = (await sdk.shutdown(`+arg+`)) === undefined;
				return { refused, resolved, stored: sessionStorage.getItem("ccaasClientSessionId"), keys: sessionStorage.length + localStorage.length }`, c.ID, reason)
			c.WaitNth(mark, "SHUTDOWN", 1)
			list := c.Since(mark)
			harness.ExpectTexts(t, "SHUT-1", harness.EventNames(list), []string{"EVENT_STREAM_CLOSED", "SHUTDOWN"})
			var p struct {
				Reason    string
				EventDate time.Time
			}
			if err := json.Unmarshal(c.WaitNth(mark, "SHUTDOWN", 1).Data, &p); err != nil || p.Reason != reason || time.Since(p.EventDate) > time.Minute {
				t.Errorf("SHUT-1: SHUTDOWN %+v, want %s (%v)", p, reason, err)
			}
			if all := deleted.all(); len(all) != 1 || all[0] != "reason="+reason {
				t.Errorf("SHUT-1: the server received %q", all)
			}
			select {
			case <-f.NewestStream().Ended:
			case <-time.After(harness.Timeout):
				t.Error("SHUT-2: the stream is still open")
			}
			c.Expect("SHUT-2", map[string]any{
				"codes": slices.Repeat([]string{"ACS-310"}, 5), "moves": []string{"ACS-310"}, "kept": true, "member": true, "void": slices.Repeat([]string{"ACS-310"}, 4),
			}, `
				const codes = [];
				for (const f of [() => t.e.join(), () => t.e.disconnect(), () => t.e.sendMessage("x"), () => t.e.getMessages(), () => sdk.shutdown()]) codes.push(await code(f));
				const sync = (f) => { try { f(); return "" } catch (e) { return e.code } };
				return { codes, moves: [await code(() => t.it.previous())], kept: JSON.stringify({...t.e}) === t.was, member: t.e.getParticipants().length === 2,
					void: [() => sdk.setJwtToken("x"), () => sdk.resetIdleTimeout(), () => sdk.resetTimer(), () => sdk.retryConnection()].map(sync) }`)
			// The chat lives on: a new session sees it.
			customer := strings.TrimPrefix(c.Agent.Name, "Bo ")
			w.Init(c.Tab, customer, harness.TokenOptions{}, `{logLevel: "WARN"}`)
			c.Expect("SHUT-1", map[string]any{"ids": []string{c.ID}, "status": "PENDING", "other": true, "old": "ACS-310"}, `
				return { ids: t.user.engagements.map((e) => e.engagementId), status: t.user.engagements[0].engagementStatus, other: t.user.engagements[0] !== t.e,
					old: await code(() => t.e.sendMessage("x")) }`)
		}
	})

	t.Run("SHUT-1 the server can not be reached: within 5 s", func(t *testing.T) {
		t.Parallel()
		for _, how := range []string{"hangs", "breaks", "fails"} {
			t.Run("SHUT-1 "+how, func(t *testing.T) {
				t.Parallel()
				f := w.FaultyOrigin(t)
				b := harness.NewTab(t, how)
				b.AllowErrors(harness.NetworkErrors)
				w.OpenPage(b, f.Origin, "page.html", harness.NewCustomerID("row"), harness.TokenOptions{}, `{logLevel: "WARN"}`)
				f.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
					if r.Method == "DELETE" {
						switch how {
						case "hangs":
							<-r.Context().Done()
						case "breaks":
							harness.AbortConnection()
						case "fails":
							harness.WriteProblem(rw, 503, "server-error", "")
						}
					}
					return r.Method == "DELETE"
				})
				mark := b.Mark()
				b.Expect("SHUT-1", map[string]any{"resolved": true, "soon": true, "stored": nil}, `
				const begin = Date.now();
				const resolved = (await sdk.shutdown()) === undefined;
				return { resolved, soon: Date.now() - begin <= 5000, stored: sessionStorage.getItem("ccaasClientSessionId") }`)
				harness.ExpectTexts(t, "SHUT-1: where the server "+how, harness.EventNames(b.Since(mark)), []string{"EVENT_STREAM_CLOSED", "SHUTDOWN"})
			})
		}
	})

	t.Run("SHUT-3 EV-7 EV-14 ended by the server", func(t *testing.T) {
		t.Parallel()
		for _, how := range []string{"event", "close code", "404"} {
			f := w.FaultyOrigin(t)
			c := w.StartChatAt(t, f.Origin, "page.html", `{logLevel: "WARN"}`)
			customer := strings.TrimPrefix(c.Agent.Name, "Bo ")
			var id string
			c.JS(&id, `t.e = await sdk.getEngagementById(%s); return sessionStorage.getItem("ccaasClientSessionId")`, c.ID)
			mark := c.Mark()
			switch how {
			case "event": // by another program of the customer's
				token, appkey := w.Token(t, customer, harness.TokenOptions{})
				r, err := http.NewRequest("DELETE", w.Gateway.URL+"/api/digital/chat/v1/sessions/"+id+"?reason=SYSTEM_CLOSED", nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Authorization", "Bearer "+token)
				r.Header.Set("appkey", appkey)
				a, err := http.DefaultClient.Do(r)
				if err != nil || a.StatusCode != 204 {
					t.Fatal(a, err)
				}
				a.Body.Close()
			case "close code":
				f.NewestStream().Close(4404, "gone")
			case "404":
				f.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
					if isSend(r) {
						harness.WriteProblem(rw, 404, "not-found", "sessionId")
					}
					return isSend(r)
				})
				c.Expect("SHUT-3", map[string]any{"code": "ACS-320"}, `return { code: await code(() => t.e.sendMessage("x")) }`)
			}
			e := c.WaitNth(mark, "EVENT_STREAM_FAILED", 1)
			if s := string(e.Data); !strings.Contains(s, `"reason":"SDK_SESSION_INVALID"`) || !strings.Contains(s, `"retryAfter":0`) {
				t.Errorf("SHUT-3: %s: %s", how, e)
			}
			c.WaitNth(mark, "SHUTDOWN", 1)
			harness.ExpectTexts(t, "SHUT-3: "+how, harness.EventNames(c.Since(mark)), []string{"EVENT_STREAM_FAILED", "SHUTDOWN"})
			c.Expect("SHUT-3", map[string]any{"codes": []string{"ACS-310", "ACS-310"}, "stored": nil}, `
				return { codes: [await code(() => sdk.getEngagements()), await code(() => t.e.sendMessage("x"))], stored: sessionStorage.getItem("ccaasClientSessionId") }`)
			w.Init(c.Tab, customer, harness.TokenOptions{}, `{logLevel: "WARN"}`)
		}
	})
}

// left is what a page still holds, after the collector has run.
type left struct {
	timers, sockets, aborters, listeners int
}

func leftovers(b *harness.Tab) (l left) {
	b.T.Helper()
	harness.Needs(b.T, harness.Memory)
	l.sockets = b.CountObjects("WebSocket", "o !== WebSocket.prototype && o.readyState !== WebSocket.CLOSED")
	l.aborters = b.CountObjects("AbortController", "true")
	// Go's runtime leaves the timeout of a timer that was stopped, if it was the last, to
	// run out by itself; it then sets none.
	b.JS(&l.timers, `
		clock.skip(60);
		// Timers fire in the order in which they are due: all that was due has, by then.
		for (let i = 0; i < 3; i++) await new Promise((f) => setTimeout(f, 20));
		for (let i = 0; i < 20; i++) await new Promise((f) => { const c = new MessageChannel(); c.port1.onmessage = () => { c.port1.close(); f() }; c.port2.postMessage(0) });
		await fetch("/t/icon.svg");
		return clock.pending()`)
	b.Run(chromedp.ActionFunc(func(ctx context.Context) error {
		_, _, n, err := memory.GetDOMCounters().Do(ctx)
		l.listeners = int(n)
		return err
	}))
	return l
}

func TestRowsShutdownLeavesNothing(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	t.Run("SHUT-2 20 rounds leave no timer, socket or callback", func(t *testing.T) {
		f := w.FaultyOrigin(t)
		customer := harness.NewCustomerID("row")
		b := harness.NewTab(t, "rounds")
		b.AllowErrors("429") // rounds may go faster than the customer's rate allows; the SDK waits, and the browser says so
		w.OpenPage(b, f.Origin, "fast.html", customer, harness.TokenOptions{}, `{logLevel: "WARN"}`)
		b.JS(nil, `t.params = %s; t.rounds = async (n) => {
			for (let i = 0; i < n; i++) {
				const e = await sdk.createEngagement();
				await e.getMessages();
				if (i %% 2) await sdk.shutdown(); else { const p = sdk.shutdown(); e.join().catch(() => {}); await p }
				if (i + 1 < n) await sdk.init({ hostURL: location.origin, ...t.params });
			}
		}`, w.InitParams(t, customer, harness.TokenOptions{}))
		b.JS(nil, `await t.rounds(4)`)
		early := leftovers(b)
		b.JS(nil, `await sdk.init({ hostURL: location.origin, ...t.params }); await t.rounds(16)`)
		late := leftovers(b)
		t.Logf("after 4 rounds %+v, after 20 %+v", early, late)
		if early.timers != 0 || late.timers != 0 {
			t.Errorf("SHUT-2: %d timers are left, later %d", early.timers, late.timers)
		}
		if late.sockets != 0 {
			t.Errorf("SHUT-2: %d sockets are open", late.sockets)
		}
		// A round makes five AbortControllers and four listeners. What Go has let go of stays
		// until its collector runs.
		if late.aborters > early.aborters+40 || late.listeners > early.listeners+40 {
			t.Errorf("SHUT-2: AbortControllers grow from %d to %d, listeners from %d to %d", early.aborters, late.aborters, early.listeners, late.listeners)
		}
		for _, l := range f.Streams.All() {
			select {
			case <-l.Ended:
			case <-time.After(harness.Timeout):
				t.Error(fmt.Sprint("SHUT-2: event stream ", l.Number, " is still open"))
			}
		}
	})
}

// deletions counts the calls that end a session, by their queries.
func deletions(f *harness.FaultyOrigin) *calls {
	deleted := &calls{}
	f.InterceptREST(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == "DELETE" {
			deleted.add(r.URL.RawQuery)
		}
		return false
	})
	return deleted
}
