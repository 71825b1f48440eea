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

	"github.com/chromedp/cdproto/network"
)

// failure is EVENT_STREAM_FAILED.
type failure struct {
	Reason     string
	Message    string
	RetryAfter float64
	EventDate  time.Time
}

func failures(t *testing.T, list []entry) (all []failure) {
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
func (f *faults) refuse() *atomic.Bool {
	var on atomic.Bool
	on.Store(true)
	f.rest(func(rw http.ResponseWriter, r *http.Request) bool {
		if on.Load() && strings.HasSuffix(r.URL.Path, "/events") {
			lose()
		}
		return false
	})
	return &on
}

func TestRowsStream(t *testing.T) {
	t.Parallel()
	w := shared(t)

	t.Run("STREAM-1 STREAM-2 STREAM-3 EV-6 EV-7 one word for each step", func(t *testing.T) {
		t.Parallel()
		f := w.faulty(t)
		c := w.chatAt(t, f.origin, "page.html", `{logLevel: "WARN"}`)
		mark := c.mark()
		var refused atomic.Int32
		f.rest(func(rw http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/events") && refused.Add(1) <= 2 {
				lose()
			}
			return false
		})
		f.last().cut()
		c.since(mark, "EVENT_STREAM_CONNECTED", 1)
		wantTexts(t, "STREAM-1", events(c.heard(mark)), []string{
			"EVENT_STREAM_FAILED", "EVENT_STREAM_CONNECTING", "EVENT_STREAM_FAILED", "EVENT_STREAM_CONNECTING", "EVENT_STREAM_FAILED",
			"EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED",
		})
		list := failures(t, c.heard(mark))
		if list[0].RetryAfter != 1 {
			t.Errorf("STREAM-2: the first retry is told after %v s, want under 1", list[0].RetryAfter)
		}
		for _, x := range list {
			if x.Reason != "SERVER_UNREACHABLE" || x.Message == "" || x.RetryAfter < 1 || time.Since(x.EventDate) > time.Minute {
				t.Errorf("EV-7: %+v", x)
			}
		}
		if e := c.since(mark, "EVENT_STREAM_CONNECTED", 1); !strings.Contains(string(e.Data), `"resumed":true`) {
			t.Errorf("STREAM-7: %s", e)
		}
		c.wants("EV-6", map[string]any{"date": true}, `
			let got;
			t.react.EVENT_STREAM_CLOSED = (p) => (got = p);
			t.react.SHUTDOWN = () => {};
			await sdk.shutdown();
			return { date: got.eventDate instanceof Date && Object.keys(got).join() === "eventDate" }`)
		if n := count(c.log.all(), "EVENT_STREAM_CLOSED"); n != 1 {
			t.Errorf("STREAM-1: %d times EVENT_STREAM_CLOSED", n)
		}
	})

	t.Run("EV-7 STREAM-1 what the close codes of the gateway come to", func(t *testing.T) {
		t.Parallel()
		f := w.faulty(t)
		c := w.chatAt(t, f.origin, "page.html", `{logLevel: "WARN"}`)
		for _, tt := range []struct {
			code   int
			reason string
		}{{1001, "SERVER_ERROR"}, {1012, "SERVER_ERROR"}, {1011, "SERVER_ERROR"}, {4400, "SERVER_ERROR"}, {4408, "SERVER_ERROR"}, {4429, "SERVER_ERROR"}, {1000, "SERVER_UNREACHABLE"}} {
			mark := c.mark()
			f.last().close(tt.code, "by the test")
			c.since(mark, "EVENT_STREAM_FAILED", 1)
			// Do not wait for the backoff.
			c.js(nil, `sdk.retryConnection()`)
			c.since(mark, "EVENT_STREAM_CONNECTED", 1)
			if got := failures(t, c.heard(mark))[0]; got.Reason != tt.reason || got.RetryAfter < 1 {
				t.Errorf("EV-7: close code %d: %+v", tt.code, got)
			}
		}
		mark := c.mark()
		f.last().close(4403, "refused")
		c.since(mark, "EVENT_STREAM_FAILED", 1)
		if got := failures(t, c.heard(mark))[0]; got.Reason != "FORBIDDEN" || got.RetryAfter < 1 {
			t.Errorf("EV-7: close code 4403: %+v", got)
		}
		customer := strings.TrimPrefix(c.agent.name, "Bo ")
		token, _ := w.token(t, customer, tokenOptions{})
		c.js(nil, `sdk.setJwtToken(%s)`, token)
		c.since(mark, "EVENT_STREAM_CONNECTED", 1)
		mark = c.mark()
		f.last().close(4401, "expired, says the server")
		c.since(mark, "TOKEN_EXPIRED", 1)
		c.since(mark, "EVENT_STREAM_FAILED", 1)
		if got := failures(t, c.heard(mark))[0]; got.Reason != "UNAUTHORIZED" || got.RetryAfter != 0 {
			t.Errorf("EV-7: close code 4401: %+v", got)
		}
		token, _ = w.token(t, customer, tokenOptions{ttl: time.Hour})
		c.js(nil, `sdk.setJwtToken(%s)`, token)
		c.since(mark, "EVENT_STREAM_CONNECTED", 1)
	})

	t.Run("STREAM-3 broken again and again while the agent talks", func(t *testing.T) {
		t.Parallel()
		f := w.faulty(t)
		c := w.chatAt(t, f.origin, "page.html", `{logLevel: "WARN"}`)
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewPCG(seed, 0))
		var want []string
		for i := range 24 {
			text := fmt.Sprint("said ", i)
			want = append(want, text)
			c.agent.say(c.id, text)
			if rnd.IntN(3) == 0 {
				f.last().cut()
				c.js(nil, `try { sdk.retryConnection() } catch {}`) // not to wait for the backoff
			}
		}
		c.agent.say(c.id, "the end")
		want = append(want, "the end")
		c.waitText("the end")
		got := c.texts(c.log.all(), "MESSAGE_ARRIVED", "AGENT")
		wantTexts(t, "STREAM-3", got, want)
		c.wantOnceInOrder(c.log.all())
	})

	t.Run("STREAM-2 STREAM-6 NS-9 the window over by a fast clock, then retryConnection", func(t *testing.T) {
		t.Parallel()
		for _, window := range []int{120, 300} {
			f := w.faulty(t)
			c := w.chatAt(t, f.origin, "fast.html", fmt.Sprintf(`{logLevel: "WARN", idleTimeout: 0, reconnectionTimeout: %d}`, window))
			mark := c.mark()
			on := f.refuse()
			c.js(nil, `clock.speed(40)`)
			f.last().cut()
			c.wait("RECONNECTION_TIMEOUT", func(list []entry) bool {
				return slices.ContainsFunc(list, func(e entry) bool { return strings.Contains(string(e.Data), "RECONNECTION_TIMEOUT") })
			})
			c.js(nil, `clock.speed(1)`)
			list := failures(t, c.heard(mark))
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
			for _, e := range c.heard(mark) {
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
					// 100 ms of this machine are 4 s at this speed.
					if d := p.EventDate.Sub(at).Seconds(); d > after+20 {
						t.Errorf("STREAM-2: the next attempt came after %.1f s, %v were told", d, after)
					}
				}
			}
			// It stays initialised, and stays given up.
			n := len(f.lines.all())
			c.js(nil, `clock.skip(400); await sdk.getEngagements()`)
			c.settled()
			if len(f.lines.all()) != n || events(c.heard(mark))[len(events(c.heard(mark)))-1] != "EVENT_STREAM_FAILED" {
				t.Error("STREAM-6: it went on by itself")
			}
			c.agent.say(c.id, "while given up")
			on.Store(false)
			mark = c.mark()
			c.wants("NS-9", map[string]any{"returns": true}, `return { returns: sdk.retryConnection() === undefined }`)
			c.since(mark, "MESSAGE_ARRIVED", 1)
			wantTexts(t, "NS-9", events(c.heard(mark)), []string{"EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "MESSAGE_ARRIVED"})
			c.wants("NS-9", map[string]any{"code": "ACS-318"}, `return { code: await code(() => sdk.retryConnection()) }`)

			// The retry has a window of its own.
			mark = c.mark()
			on.Store(true)
			f.last().cut()
			c.since(mark, "EVENT_STREAM_FAILED", 1)
			c.js(nil, `clock.skip(%s)`, window-20)
			c.since(mark, "EVENT_STREAM_FAILED", 2)
			c.js(nil, `sdk.retryConnection()`)
			c.since(mark, "EVENT_STREAM_FAILED", 3)
			c.js(nil, `clock.skip(30)`)
			c.since(mark, "EVENT_STREAM_CONNECTING", 3)
			for _, x := range failures(t, c.heard(mark)) {
				if x.Reason == "RECONNECTION_TIMEOUT" {
					t.Error("NS-9: the old window counted")
				}
			}
		}
	})

	t.Run("STREAM-4 half-open: found dead within 40 s, then all that was missed", func(t *testing.T) {
		t.Parallel()
		f := w.faulty(t)
		c := w.chatAt(t, f.origin, "fast.html", `{logLevel: "WARN", idleTimeout: 0}`)
		c.js(nil, `t.react.EVENT_STREAM_FAILED = () => { t.failedAt = Date.now(); clock.speed(1) }`)
		mark := c.mark()
		f.line(1).hold()
		c.agent.say(c.id, "into the void")
		c.js(nil, `t.held = Date.now(); clock.speed(20)`)
		c.since(mark, "EVENT_STREAM_FAILED", 1)
		var s float64
		c.eval(&s, `(t.failedAt - t.held) / 1000`)
		if s > 42 || s < 10 {
			t.Errorf("STREAM-4: found dead after %.1f s, want 40 at most", s)
		}
		if got := failures(t, c.heard(mark))[0]; got.Reason != "SERVER_UNREACHABLE" {
			t.Errorf("STREAM-4: %+v", got)
		}
		c.since(mark, "MESSAGE_ARRIVED", 1)
		wantTexts(t, "STREAM-4", events(c.heard(mark)), []string{"EVENT_STREAM_FAILED", "EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "MESSAGE_ARRIVED"})
		f.line(1).waitFrame(t, true, `"ping"`)
	})

	t.Run("STREAM-4 a quiet connection is kept", func(t *testing.T) {
		t.Parallel()
		f := w.faulty(t)
		c := w.chatAt(t, f.origin, "fast.html", `{logLevel: "WARN", idleTimeout: 0}`)
		mark := c.mark()
		// A minute and forty seconds: a ping whenever 20 s have passed without a frame.
		c.js(nil, `
			clock.speed(20);
			await new Promise((f) => setTimeout(f, 100000));
			clock.speed(1);`)
		if n := f.line(1).count(true, "ping"); n < 3 {
			t.Errorf("STREAM-4: %d pings", n)
		}
		wantTexts(t, "STREAM-4", events(c.heard(mark)), nil)
	})

	t.Run("STREAM-5 online and becoming visible try at once", func(t *testing.T) {
		t.Parallel()
		f := w.faulty(t)
		c := w.chatAt(t, f.origin, "fast.html", `{logLevel: "WARN", idleTimeout: 0, reconnectionTimeout: 300}`)
		on := f.refuse()
		for _, event := range []string{
			`window.dispatchEvent(new Event("online"))`, `document.dispatchEvent(new Event("visibilitychange"))`, `window.dispatchEvent(new Event("pageshow"))`,
			`document.dispatchEvent(new Event("resume"))`,
		} {
			on.Store(true)
			mark := c.mark()
			f.last().cut()
			// Until the next attempt is far away: the page's clock stands still from here.
			c.wait("a long pause", func(list []entry) bool {
				all := failures(t, list[mark:])
				return len(all) > 0 && all[len(all)-1].RetryAfter >= 1
			})
			c.js(nil, `clock.speed(0.0001)`)
			c.settled()
			c.wait("the end of an attempt that was under way", func(list []entry) bool {
				names := events(list)
				return names[len(names)-1] == "EVENT_STREAM_FAILED"
			})
			mark = c.mark()
			on.Store(false)
			c.js(nil, event)
			c.since(mark, "EVENT_STREAM_CONNECTED", 1)
			wantTexts(t, "STREAM-5: "+event, events(c.heard(mark)), []string{"EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED"})
			c.js(nil, `clock.speed(1)`)
		}
	})

	t.Run("STREAM-5 offline pauses attempts, not the window", func(t *testing.T) {
		t.Parallel()
		f := w.faulty(t)
		c := w.chatAt(t, f.origin, "fast.html", `{logLevel: "WARN", idleTimeout: 0}`)
		offline := func(off bool) {
			c.run(network.EmulateNetworkConditions(off, 0, -1, -1))
		}
		for _, over := range []bool{false, true} {
			mark := c.mark()
			c.js(nil, `t.offline = new Promise((f) => window.addEventListener("offline", f, { once: true }))`)
			offline(true)
			c.eval(nil, `t.offline.then(() => null)`)
			f.last().cut()
			e := c.since(mark, "EVENT_STREAM_FAILED", 1)
			if !strings.Contains(string(e.Data), `"retryAfter":0`) {
				t.Errorf("STREAM-5: %s: no attempt is planned while offline", e)
			}
			c.agent.say(c.id, fmt.Sprint("while offline ", over))
			c.js(nil, `clock.skip(100); await new Promise((f) => setTimeout(f, 300))`)
			wantTexts(t, "STREAM-5: offline", events(c.heard(mark)), []string{"EVENT_STREAM_FAILED"})
			if over {
				c.js(nil, `clock.skip(25)`)
				c.since(mark, "EVENT_STREAM_FAILED", 2)
				if got := failures(t, c.heard(mark))[1]; got.Reason != "RECONNECTION_TIMEOUT" {
					t.Errorf("STREAM-5: the window is paused, too: %+v", got)
				}
				offline(false)
				c.js(nil, `sdk.retryConnection()`)
			} else {
				offline(false)
			}
			c.since(mark, "MESSAGE_ARRIVED", 1)
			c.waitText(fmt.Sprint("while offline ", over))
		}
		c.wantOnceInOrder(c.log.all())
	})

	t.Run("STREAM-5 a wake-up finds out that an open connection is dead", func(t *testing.T) {
		t.Parallel()
		f := w.faulty(t)
		c := w.chatAt(t, f.origin, "fast.html", `{logLevel: "WARN", idleTimeout: 0}`)
		mark := c.mark()
		f.line(1).hold()
		c.agent.say(c.id, "behind the dead one")
		c.js(nil, `t.react.EVENT_STREAM_FAILED = () => (t.failedAt = Date.now()); t.woke = Date.now(); window.dispatchEvent(new Event("online")); clock.speed(10)`)
		c.since(mark, "EVENT_STREAM_FAILED", 1)
		var s float64
		c.js(&s, `clock.speed(1); return (t.failedAt - t.woke) / 1000`)
		if s < 4 || s > 9 {
			t.Errorf("STREAM-5: dead after %.1f s, want about 5", s)
		}
		c.waitText("behind the dead one")
	})

	t.Run("STREAM-7 EV-12 resumed false: what was missed comes before anything newer", func(t *testing.T) {
		t.Parallel()
		f := w.faulty(t)
		// As a gateway that has lost events: it begins anew, and says so.
		f.rewrite(func(l *line, up bool, frame []byte) []byte {
			if l.number == 1 {
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
		c := w.chatAt(t, f.origin, "page.html", `{logLevel: "ERROR"}`)
		// One of two chats ends meanwhile.
		mark := c.mark()
		other := createChat(c.tab)
		c.since(mark, "MESSAGE_ARRIVED", 1)
		c.agent.accept(other)
		c.since(mark, "PARTICIPANT_DISCONNECTED", 1)
		c.settled()
		mark = c.mark()
		reading, goOn := make(chan struct{}), make(chan struct{})
		var once atomic.Bool
		gate := make(chan struct{})
		f.rest(func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/events") {
				<-gate
			}
			if isRead(r) && once.CompareAndSwap(false, true) {
				close(reading)
				<-goOn
			}
			return false
		})
		f.line(1).cut()
		c.since(mark, "EVENT_STREAM_CONNECTING", 1)
		lost := numbered("lost", 60) // more than a page of the re-reading
		for i, s := range lost {
			c.agent.say(c.id, s)
			if i%20 == 19 {
				<-time.After(500 * time.Millisecond) // the desk's rate
			}
		}
		c.agent.end(other)
		close(gate)
		select {
		case <-reading:
		case <-time.After(patience):
			t.Fatal("STREAM-7: nothing is re-read")
		}
		c.agent.say(c.id, "newer")
		f.line(2).waitFrame(t, false, `newer`)
		close(goOn)
		c.waitText("newer")
		c.since(mark, "ENGAGEMENT_TERMINATED", 1)
		c.settled()
		list := c.heard(mark)
		if e := c.since(mark, "EVENT_STREAM_CONNECTED", 1); !strings.Contains(string(e.Data), `"resumed":false`) {
			t.Errorf("STREAM-7: %s", e)
		}
		var got []string
		for _, e := range list {
			if e.Name == "MESSAGE_ARRIVED" && e.message(t).EngagementID == c.id {
				got = append(got, e.message(t).Body.ElementText.Text)
			}
		}
		wantTexts(t, "STREAM-7", got, append(lost, "newer"))
		if n := count(list, "ENGAGEMENT_TERMINATED"); n != 1 {
			t.Errorf("STREAM-7: %d times ENGAGEMENT_TERMINATED", n)
		}
		if lastNamed(list, "ENGAGEMENT_TERMINATED") > slices.IndexFunc(list, func(e entry) bool { return strings.Contains(string(e.Data), `"newer"`) }) {
			t.Error("STREAM-7: the end of the other chat came after what is newer")
		}
		c.wantOnceInOrder(c.log.all())
		c.wants("STREAM-7", map[string]any{"status": "TERMINATED"}, `return { status: (await sdk.getEngagementById(%s)).engagementStatus }`, other)
	})
}
