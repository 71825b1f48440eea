package browser

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"openchat/tests/harness"
)

// failure is EVENT_STREAM_FAILED.
type failure struct {
	Reason     string
	Message    string
	RetryAfter float64
	EventDate  time.Time
}

func failures(t *testing.T, list []harness.Report) (all []failure) {
	t.Helper()
	for _, e := range list {
		if e.Name == "EVENT_STREAM_FAILED" {
			var f failure
			if err := json.Unmarshal(e.Data, &f); err != nil {
				t.Fatal(err)
			}
			all = append(all, f)
		}
	}
	return all
}

// refuse lets no event stream be opened while it is on.
func refuse(f *harness.FaultyOrigin) *atomic.Bool {
	var on atomic.Bool
	on.Store(true)
	f.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
		if on.Load() && strings.HasSuffix(r.URL.Path, "/events") {
			harness.AbortConnection()
		}
		return false
	})
	return &on
}

func TestRowsStream(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)

	t.Run("STREAM-1 STREAM-2 STREAM-3 EV-6 EV-7 one word for each step", func(t *testing.T) {
		t.Parallel()
		f := w.FaultyOrigin(t)
		c := w.StartChatAt(t, f.Origin, "page.html", `{logLevel: "WARN"}`)
		mark := c.Mark()
		var refused atomic.Int32
		f.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/events") && refused.Add(1) <= 2 {
				harness.AbortConnection()
			}
			return false
		})
		f.NewestStream().Cut()
		c.WaitNth(mark, "EVENT_STREAM_CONNECTED", 1)
		harness.ExpectTexts(t, "STREAM-1", harness.EventNames(c.Since(mark)), []string{
			"EVENT_STREAM_FAILED", "EVENT_STREAM_CONNECTING", "EVENT_STREAM_FAILED", "EVENT_STREAM_CONNECTING", "EVENT_STREAM_FAILED",
			"EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED",
		})
		list := failures(t, c.Since(mark))
		if list[0].RetryAfter != 1 {
			t.Errorf("STREAM-2: the first retry is announced after %v s, want under 1", list[0].RetryAfter)
		}
		for _, x := range list {
			if x.Reason != "SERVER_UNREACHABLE" || x.Message == "" || x.RetryAfter < 1 || time.Since(x.EventDate) > time.Minute {
				t.Errorf("EV-7: %+v", x)
			}
		}
		if e := c.WaitNth(mark, "EVENT_STREAM_CONNECTED", 1); !strings.Contains(string(e.Data), `"resumed":true`) {
			t.Errorf("STREAM-7: %s", e)
		}
		c.Expect("EV-6", map[string]any{"date": true}, `
			let got;
			t.react.EVENT_STREAM_CLOSED = (p) => (got = p);
			t.react.SHUTDOWN = () => {};
			await sdk.shutdown();
			return { date: got.eventDate instanceof Date && Object.keys(got).join() === "eventDate" }`)
		if n := harness.CountEvents(c.Reports.All(), "EVENT_STREAM_CLOSED"); n != 1 {
			t.Errorf("STREAM-1: %d times EVENT_STREAM_CLOSED", n)
		}
	})

	t.Run("EV-7 STREAM-1 what the close codes of the gateway come to", func(t *testing.T) {
		t.Parallel()
		f := w.FaultyOrigin(t)
		c := w.StartChatAt(t, f.Origin, "page.html", `{logLevel: "WARN"}`)
		restart := "SERVER_ERROR" // which gateways of version 0.1 close with; now they close with 1001
		if harness.Lacks(t, harness.ServiceRestart) {
			restart = "SERVER_UNREACHABLE"
		}
		for _, tt := range []struct {
			code   int
			reason string
		}{{1001, "SERVER_ERROR"}, {1012, restart}, {1011, "SERVER_ERROR"}, {4400, "SERVER_ERROR"}, {4408, "SERVER_ERROR"}, {4429, "SERVER_ERROR"}, {1000, "SERVER_UNREACHABLE"}} {
			mark := c.Mark()
			f.NewestStream().Close(tt.code, "by the test")
			c.WaitNth(mark, "EVENT_STREAM_FAILED", 1)
			// Do not wait for the backoff.
			c.JS(nil, `sdk.retryConnection()`)
			c.WaitNth(mark, "EVENT_STREAM_CONNECTED", 1)
			if got := failures(t, c.Since(mark))[0]; got.Reason != tt.reason || got.RetryAfter < 1 {
				t.Errorf("EV-7: close code %d: %+v", tt.code, got)
			}
		}
		mark := c.Mark()
		f.NewestStream().Close(4403, "refused")
		c.WaitNth(mark, "EVENT_STREAM_FAILED", 1)
		if got := failures(t, c.Since(mark))[0]; got.Reason != "FORBIDDEN" || got.RetryAfter < 1 {
			t.Errorf("EV-7: close code 4403: %+v", got)
		}
		customer := strings.TrimPrefix(c.Agent.Name, "Bo ")
		token, _ := w.Token(t, customer, harness.TokenOptions{})
		c.JS(nil, `sdk.setJwtToken(%s)`, token)
		c.WaitNth(mark, "EVENT_STREAM_CONNECTED", 1)
		mark = c.Mark()
		f.NewestStream().Close(4401, "expired, says the server")
		c.WaitNth(mark, "TOKEN_EXPIRED", 1)
		c.WaitNth(mark, "EVENT_STREAM_FAILED", 1)
		if got := failures(t, c.Since(mark))[0]; got.Reason != "UNAUTHORIZED" || got.RetryAfter != 0 {
			t.Errorf("EV-7: close code 4401: %+v", got)
		}
		token, _ = w.Token(t, customer, harness.TokenOptions{TTL: time.Hour})
		c.JS(nil, `sdk.setJwtToken(%s)`, token)
		c.WaitNth(mark, "EVENT_STREAM_CONNECTED", 1)
	})

	t.Run("STREAM-3 broken again and again while the agent talks", func(t *testing.T) {
		t.Parallel()
		f := w.FaultyOrigin(t)
		c := w.StartChatAt(t, f.Origin, "page.html", `{logLevel: "WARN"}`)
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewPCG(seed, 0))
		var want []string
		for i := range 24 {
			text := fmt.Sprint("said ", i)
			want = append(want, text)
			c.Agent.Send(c.ID, text)
			if rnd.IntN(3) == 0 {
				f.NewestStream().Cut()
				c.JS(nil, `try { sdk.retryConnection() } catch {}`) // not to wait for the backoff
			}
		}
		c.Agent.Send(c.ID, "the end")
		want = append(want, "the end")
		c.WaitText("the end")
		got := c.Texts(c.Reports.All(), "MESSAGE_ARRIVED", "AGENT")
		harness.ExpectTexts(t, "STREAM-3", got, want)
		c.WantOnceInOrder(c.Reports.All())
	})

	t.Run("STREAM-2 STREAM-6 NS-9 the window over by a fast clock, then retryConnection", func(t *testing.T) {
		t.Parallel()
		for _, window := range []int{120, 300} {
			f := w.FaultyOrigin(t)
			c := w.StartChatAt(t, f.Origin, "fast.html", fmt.Sprintf(`{logLevel: "WARN", idleTimeout: 0, reconnectionTimeout: %d}`, window))
			mark := c.Mark()
			on := refuse(f)
			c.JS(nil, `clock.speed(10)`)
			f.NewestStream().Cut()
			c.Wait("RECONNECTION_TIMEOUT", func(list []harness.Report) bool {
				return slices.ContainsFunc(list, func(e harness.Report) bool { return strings.Contains(string(e.Data), "RECONNECTION_TIMEOUT") })
			})
			c.JS(nil, `clock.speed(1)`)
			list := failures(t, c.Since(mark))
			first, last := list[0], list[len(list)-1]
			if s := last.EventDate.Sub(first.EventDate).Seconds(); s < float64(window)-1 || s > float64(window)+25 {
				t.Errorf("STREAM-2: given up after %.1f s, want %d", s, window)
			}
			if last.RetryAfter != 0 || last.Message == "" {
				t.Errorf("STREAM-6: %+v", last)
			}
			if first.RetryAfter != 1 || len(list) < 5 {
				t.Errorf("STREAM-2: %d failures, the first with retryAfter %v", len(list), first.RetryAfter)
			}
			// Each attempt begins when it was announced.
			var at time.Time
			var after float64
			for _, e := range c.Since(mark) {
				var p failure
				if err := json.Unmarshal(e.Data, &p); err != nil {
					t.Fatal(err)
				}
				switch e.Name {
				case "EVENT_STREAM_FAILED":
					at, after = p.EventDate, p.RetryAfter
					if after > 30 {
						t.Errorf("STREAM-2: retryAfter %v, want 30 at most", after)
					}
				case "EVENT_STREAM_CONNECTING":
					// 100 ms of this machine are a second at this speed.
					if d := p.EventDate.Sub(at).Seconds(); d > after+20 {
						t.Errorf("STREAM-2: the next attempt came after %.1f s, %v were announced", d, after)
					}
				}
			}
			// It stays initialised, and stays given up.
			n := len(f.Streams.All())
			c.JS(nil, `clock.skip(400); await sdk.getEngagements()`)
			c.WaitSettled()
			if len(f.Streams.All()) != n || harness.EventNames(c.Since(mark))[len(harness.EventNames(c.Since(mark)))-1] != "EVENT_STREAM_FAILED" {
				t.Error("STREAM-6: it went on by itself")
			}
			c.Agent.Send(c.ID, "while given up")
			on.Store(false)
			mark = c.Mark()
			c.Expect("NS-9", map[string]any{"returns": true}, `return { returns: sdk.retryConnection() === undefined }`)
			c.WaitNth(mark, "MESSAGE_ARRIVED", 1)
			harness.ExpectTexts(t, "NS-9", harness.EventNames(c.Since(mark)), []string{"EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "MESSAGE_ARRIVED"})
			c.Expect("NS-9", map[string]any{"code": "ACS-318"}, `return { code: await code(() => sdk.retryConnection()) }`)

			// The retry has a window of its own.
			mark = c.Mark()
			on.Store(true)
			f.NewestStream().Cut()
			c.WaitNth(mark, "EVENT_STREAM_FAILED", 1)
			c.JS(nil, `clock.skip(%s)`, window-20)
			c.WaitNth(mark, "EVENT_STREAM_FAILED", 2)
			c.JS(nil, `sdk.retryConnection()`)
			c.WaitNth(mark, "EVENT_STREAM_FAILED", 3)
			c.JS(nil, `clock.skip(30)`)
			c.WaitNth(mark, "EVENT_STREAM_CONNECTING", 3)
			for _, x := range failures(t, c.Since(mark)) {
				if x.Reason == "RECONNECTION_TIMEOUT" {
					t.Error("NS-9: the old window counted")
				}
			}
		}
	})

	t.Run("STREAM-4 half-open: found dead within 40 s, then all that was missed", func(t *testing.T) {
		t.Parallel()
		f := w.FaultyOrigin(t)
		c := w.StartChatAt(t, f.Origin, "fast.html", `{logLevel: "WARN", idleTimeout: 0}`)
		c.JS(nil, `t.react.EVENT_STREAM_FAILED = () => { t.failedAt = Date.now(); clock.speed(1) }`)
		mark := c.Mark()
		f.Stream(1).Hold()
		c.Agent.Send(c.ID, "into the void")
		// Near its moment the clock is right: a busy machine is late, too, and 20 times as late by a fast one.
		c.JS(nil, `t.held = Date.now(); clock.speed(20); setTimeout(() => clock.speed(1), 35000)`)
		c.WaitNth(mark, "EVENT_STREAM_FAILED", 1)
		var s float64
		c.Eval(&s, `(t.failedAt - t.held) / 1000`)
		if s > 42 || s < 10 {
			t.Errorf("STREAM-4: found dead after %.1f s, want 40 at most", s)
		}
		if got := failures(t, c.Since(mark))[0]; got.Reason != "SERVER_UNREACHABLE" {
			t.Errorf("STREAM-4: %+v", got)
		}
		c.WaitNth(mark, "MESSAGE_ARRIVED", 1)
		harness.ExpectTexts(t, "STREAM-4", harness.EventNames(c.Since(mark)), []string{"EVENT_STREAM_FAILED", "EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "MESSAGE_ARRIVED"})
		f.Stream(1).WaitFrame(t, true, `"ping"`)
	})

	t.Run("STREAM-4 a quiet connection is kept", func(t *testing.T) {
		t.Parallel()
		f := w.FaultyOrigin(t)
		c := w.StartChatAt(t, f.Origin, "fast.html", `{logLevel: "WARN", idleTimeout: 0}`)
		mark := c.Mark()
		// A minute and forty seconds: a ping whenever 20 s have passed without a frame.
		c.JS(nil, `
			clock.speed(20);
			await new Promise((f) => setTimeout(f, 100000));
			clock.speed(1);`)
		if n := f.Stream(1).CountFrames(true, "ping"); n < 3 {
			t.Errorf("STREAM-4: %d pings", n)
		}
		harness.ExpectTexts(t, "STREAM-4", harness.EventNames(c.Since(mark)), nil)
	})

	t.Run("STREAM-5 online and becoming visible try at once", func(t *testing.T) {
		t.Parallel()
		f := w.FaultyOrigin(t)
		c := w.StartChatAt(t, f.Origin, "fast.html", `{logLevel: "WARN", idleTimeout: 0, reconnectionTimeout: 300}`)
		on := refuse(f)
		for _, event := range []string{
			`window.dispatchEvent(new Event("online"))`, `document.dispatchEvent(new Event("visibilitychange"))`, `window.dispatchEvent(new Event("pageshow"))`,
			`document.dispatchEvent(new Event("resume"))`,
		} {
			on.Store(true)
			mark := c.Mark()
			f.NewestStream().Cut()
			// Until the next attempt is far away: the page's clock stands still from here.
			c.Wait("a long pause", func(list []harness.Report) bool {
				all := failures(t, list[mark:])
				return len(all) > 0 && all[len(all)-1].RetryAfter >= 1
			})
			c.JS(nil, `clock.speed(0.0001)`)
			c.WaitSettled()
			c.Wait("the end of an attempt that was under way", func(list []harness.Report) bool {
				names := harness.EventNames(list)
				return names[len(names)-1] == "EVENT_STREAM_FAILED"
			})
			mark = c.Mark()
			on.Store(false)
			c.JS(nil, event)
			c.WaitNth(mark, "EVENT_STREAM_CONNECTED", 1)
			harness.ExpectTexts(t, "STREAM-5: "+event, harness.EventNames(c.Since(mark)), []string{"EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED"})
			c.JS(nil, `clock.speed(1)`)
		}
	})

	t.Run("STREAM-5 offline pauses attempts, not the window", func(t *testing.T) {
		t.Parallel()
		f := w.FaultyOrigin(t)
		c := w.StartChatAt(t, f.Origin, "fast.html", `{logLevel: "WARN", idleTimeout: 0}`)
		offline := func(off bool) {
			c.SetOffline(off)
		}
		for _, over := range []bool{false, true} {
			mark := c.Mark()
			c.JS(nil, `t.offline = new Promise((f) => window.addEventListener("offline", f, { once: true }))`)
			offline(true)
			c.Eval(nil, `t.offline.then(() => null)`)
			f.NewestStream().Cut()
			e := c.WaitNth(mark, "EVENT_STREAM_FAILED", 1)
			if !strings.Contains(string(e.Data), `"retryAfter":0`) {
				t.Errorf("STREAM-5: %s: no attempt is planned while offline", e)
			}
			c.Agent.Send(c.ID, fmt.Sprint("while offline ", over))
			c.JS(nil, `clock.skip(100); await new Promise((f) => setTimeout(f, 300))`)
			harness.ExpectTexts(t, "STREAM-5: offline", harness.EventNames(c.Since(mark)), []string{"EVENT_STREAM_FAILED"})
			if over {
				c.JS(nil, `clock.skip(25)`)
				c.WaitNth(mark, "EVENT_STREAM_FAILED", 2)
				if got := failures(t, c.Since(mark))[1]; got.Reason != "RECONNECTION_TIMEOUT" {
					t.Errorf("STREAM-5: the window is paused, too: %+v", got)
				}
				offline(false)
				c.JS(nil, `sdk.retryConnection()`)
			} else {
				offline(false)
			}
			c.WaitNth(mark, "MESSAGE_ARRIVED", 1)
			c.WaitText(fmt.Sprint("while offline ", over))
		}
		c.WantOnceInOrder(c.Reports.All())
	})

	t.Run("STREAM-5 a wake-up finds out that an open connection is dead", func(t *testing.T) {
		t.Parallel()
		f := w.FaultyOrigin(t)
		c := w.StartChatAt(t, f.Origin, "fast.html", `{logLevel: "WARN", idleTimeout: 0}`)
		mark := c.Mark()
		f.Stream(1).Hold()
		c.Agent.Send(c.ID, "behind the dead one")
		c.JS(nil, `t.react.EVENT_STREAM_FAILED = () => (t.failedAt = Date.now()); t.woke = Date.now(); window.dispatchEvent(new Event("online")); clock.speed(10); setTimeout(() => clock.speed(1), 4000)`)
		c.WaitNth(mark, "EVENT_STREAM_FAILED", 1)
		var s float64
		c.JS(&s, `clock.speed(1); return (t.failedAt - t.woke) / 1000`)
		if s < 4 || s > 9 {
			t.Errorf("STREAM-5: dead after %.1f s, want about 5", s)
		}
		c.WaitText("behind the dead one")
	})

	t.Run("STREAM-7 EV-12 resumed false: what was missed comes before anything newer", func(t *testing.T) {
		t.Parallel()
		f := w.FaultyOrigin(t)
		// As a gateway that has lost events: it begins anew, and says so.
		f.Rewrite(func(l *harness.EventStream, up bool, frame []byte) []byte {
			if l.Number == 1 {
				return frame
			}
			var m map[string]any
			if json.Unmarshal(frame, &m) != nil {
				return frame
			}
			switch {
			case up && m["type"] == "authenticate":
				delete(m, "lastEventId")
			case !up && m["type"] == "ready":
				m["resumed"] = false
			default:
				return frame
			}
			frame, _ = json.Marshal(m)
			return frame
		})
		c := w.StartChatAt(t, f.Origin, "page.html", `{logLevel: "ERROR"}`)
		// One of two chats ends meanwhile.
		mark := c.Mark()
		other := harness.CreateEngagement(c.Tab)
		c.WaitNth(mark, "MESSAGE_ARRIVED", 1)
		c.Agent.Accept(other)
		c.WaitNth(mark, "PARTICIPANT_DISCONNECTED", 1)
		c.WaitSettled()
		mark = c.Mark()
		reading, goOn := make(chan struct{}), make(chan struct{})
		var once atomic.Bool
		gate := make(chan struct{})
		f.InterceptREST(func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/events") {
				<-gate
			}
			if isRead(r) && once.CompareAndSwap(false, true) {
				close(reading)
				<-goOn
			}
			return false
		})
		f.Stream(1).Cut()
		c.WaitNth(mark, "EVENT_STREAM_CONNECTING", 1)
		lost := harness.Numbered("lost", 60) // more than a page of the re-reading
		for i, s := range lost {
			c.Agent.Send(c.ID, s)
			if i%20 == 19 {
				<-time.After(500 * time.Millisecond) // the desk's rate
			}
		}
		c.Agent.EndChat(other)
		close(gate)
		select {
		case <-reading:
		case <-time.After(harness.Timeout):
			t.Fatal("STREAM-7: nothing is re-read")
		}
		c.Agent.Send(c.ID, "newer")
		f.Stream(2).WaitFrame(t, false, `newer`)
		close(goOn)
		c.WaitText("newer")
		c.WaitNth(mark, "ENGAGEMENT_TERMINATED", 1)
		c.WaitSettled()
		list := c.Since(mark)
		if e := c.WaitNth(mark, "EVENT_STREAM_CONNECTED", 1); !strings.Contains(string(e.Data), `"resumed":false`) {
			t.Errorf("STREAM-7: %s", e)
		}
		var got []string
		for _, e := range list {
			if e.Name == "MESSAGE_ARRIVED" && e.Message(t).EngagementID == c.ID {
				got = append(got, e.Message(t).Body.ElementText.Text)
			}
		}
		harness.ExpectTexts(t, "STREAM-7", got, append(lost, "newer"))
		if n := harness.CountEvents(list, "ENGAGEMENT_TERMINATED"); n != 1 {
			t.Errorf("STREAM-7: %d times ENGAGEMENT_TERMINATED", n)
		}
		if lastNamed(list, "ENGAGEMENT_TERMINATED") > slices.IndexFunc(list, func(e harness.Report) bool { return strings.Contains(string(e.Data), `"newer"`) }) {
			t.Error("STREAM-7: the end of the other chat came after what is newer")
		}
		c.WantOnceInOrder(c.Reports.All())
		c.Expect("STREAM-7", map[string]any{"status": "TERMINATED"}, `return { status: (await sdk.getEngagementById(%s)).engagementStatus }`, other)
	})
}
