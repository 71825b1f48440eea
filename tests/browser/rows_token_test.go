package browser

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// Within this a moment counts as met, in Chromium; sdk/ proves it to the millisecond.
const precisely = 250 // ms

// tokenOf returns a token and its exp, in milliseconds since 1970.
func (w *world) tokenOf(t *testing.T, customer string, exp time.Time) (string, int64) {
	t.Helper()
	return w.tokenWith(t, customer, jwt.MapClaims{"exp": exp.Unix()}), exp.Unix() * 1000
}

// tokenPage opens a page whose events of the token are kept in t.heard, each with the
// page's time, and calls init with the token.
func (w *world) tokenPage(t *testing.T, o *origin, html, customer, token string) *tab {
	t.Helper()
	b := newTab(t, "customer")
	b.allow(networkTrouble)
	b.open(o.url + "/t/" + html)
	p := w.params(t, customer, tokenOptions{})
	p["token"] = token
	b.js(nil, `
		t.heard = [];
		for (const type of ["TOKEN_EXPIRY_REMINDER", "TOKEN_EXPIRED"]) t.react[type] = (p) => t.heard.push({ type, at: Date.now(), ...p });
		const { error } = await t.init(%s, {logLevel: "WARN", idleTimeout: 0});
		if (error) throw new Error(error.text);`, p)
	return b
}

// heardToken are the token's events that the page heard.
type heardToken struct {
	Type                               string
	At                                 float64
	EventDate, ExpiryDate, ExpiredDate *time.Time
}

func (b *tab) tokenEvents() (list []heardToken) {
	b.t.Helper()
	b.eval(&list, `JSON.parse(JSON.stringify(t.heard))`)
	return list
}

// freeze stops a page as a browser does with one that is long hidden, or lets it go
// on.
func (b *tab) freeze(frozen bool) {
	b.t.Helper()
	state := page.SetWebLifecycleStateStateActive
	if frozen {
		state = page.SetWebLifecycleStateStateFrozen
	}
	b.run(chromedp.ActionFunc(func(ctx context.Context) error { return page.SetWebLifecycleState(state).Do(ctx) }))
}

// watch lets the page set a timer of its own to a moment, in ms since 1970: it tells how
// late this machine is, for whatever reason.
func (b *tab) watch(moment int64) {
	b.t.Helper()
	b.eval(nil, `void (t.late = 0, setTimeout(() => { t.late = Date.now() - %s }, %s - Date.now()))`, moment, moment)
}

// within fails the test unless something happened at its moment, or not more than
// precisely after the page's own timer.
func (b *tab) within(row string, got float64, want int64) {
	b.t.Helper()
	var late float64
	b.eval(&late, `t.late || 0`)
	if late > precisely {
		b.t.Logf("this machine is %.0f ms late", late)
	}
	if d := got - float64(want); d < 0 || d > max(0, late)+precisely {
		b.t.Errorf("%s: %.0f ms after its moment, want 0 to %d; the page's own timer came %.0f ms after it", row, d, precisely, late)
	}
}

func TestRowsToken(t *testing.T) {
	t.Parallel()
	w := shared(t)

	t.Run("JWT-1 JWT-2 at the moment, by the real clock", func(t *testing.T) {
		t.Parallel()
		customer := fresh("row")
		token, exp := w.tokenOf(t, customer, time.Now().Add(184*time.Second))
		b := w.tokenPage(t, w.origin, "page.html", customer, token)
		if list := b.tokenEvents(); len(list) != 0 {
			t.Fatalf("JWT-1: too early: %+v", list)
		}
		b.watch(exp - 180_000)
		b.waitEvent("TOKEN_EXPIRY_REMINDER", nil)
		r := b.tokenEvents()[0]
		b.within("JWT-1", r.At, exp-180_000)
		if r.ExpiryDate == nil || r.ExpiryDate.UnixMilli() != exp || r.EventDate == nil || r.ExpiredDate != nil {
			t.Errorf("JWT-1: payload %+v", r)
		}
		// A shorter one has less left: at once again, which is ten seconds after the last one
		// (JWT-6); and its end comes at its end.
		token, exp = w.tokenOf(t, customer, time.Now().Add(16*time.Second))
		mark := b.mark()
		b.js(nil, `t.heard = []; t.set = %s + 10_000; sdk.setJwtToken(%s)`, r.At, token)
		b.watch(exp)
		b.since(mark, "TOKEN_EXPIRY_REMINDER", 1)
		b.since(mark, "TOKEN_EXPIRED", 1)
		list := b.tokenEvents()
		var set float64
		b.eval(&set, `t.set`)
		if late := list[0].At - set; list[0].Type != "TOKEN_EXPIRY_REMINDER" || late < -precisely || late > 2*precisely {
			t.Errorf("JWT-1 JWT-6: less left, but %s came %.0f ms after its moment", list[0].Type, late)
		}
		b.within("JWT-2", list[1].At, exp)
		if e := list[1]; e.ExpiredDate == nil || e.ExpiredDate.UnixMilli() != exp {
			t.Errorf("JWT-2: payload %+v", e)
		}
		wantTexts(t, "JWT-2: then", events(b.heard(mark)), []string{"TOKEN_EXPIRY_REMINDER", "TOKEN_EXPIRED", "EVENT_STREAM_FAILED"})
	})

	t.Run("JWT-1 less left at init: at once, after INITIALIZED", func(t *testing.T) {
		t.Parallel()
		customer := fresh("row")
		token, _ := w.tokenOf(t, customer, time.Now().Add(100*time.Second))
		b := w.tokenPage(t, w.origin, "page.html", customer, token)
		b.waitEvent("TOKEN_EXPIRY_REMINDER", nil)
		wantTexts(t, "JWT-1", events(b.log.all()), []string{"EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "INITIALIZED", "TOKEN_EXPIRY_REMINDER"})
	})

	t.Run("JWT-1 three minutes frozen", func(t *testing.T) {
		t.Parallel()
		for _, tt := range []struct {
			name string
			left time.Duration // until exp, when init is called
			past bool          // the moment passes while the page is frozen
		}{
			{"its moment is past: at once", 5 * time.Minute, true},
			{"its moment is to come: then", 6*time.Minute + 4*time.Second, false},
		} {
			t.Run("JWT-1 "+tt.name, func(t *testing.T) {
				customer := fresh("row")
				token, exp := w.tokenOf(t, customer, time.Now().Add(tt.left))
				b := w.tokenPage(t, w.origin, "fast.html", customer, token)
				b.js(nil, `document.addEventListener("resume", () => (t.resumed = Date.now()))`)
				b.freeze(true)
				b.eval(nil, `clock.skip(180)`)
				if !tt.past {
					b.watch(exp - 180_000)
				}
				if list := b.tokenEvents(); len(list) != 0 {
					t.Fatalf("the page is not frozen: %+v", list)
				}
				b.freeze(false)
				b.waitEvent("TOKEN_EXPIRY_REMINDER", nil)
				r := b.tokenEvents()[0]
				if !tt.past {
					b.within("JWT-1", r.At, exp-180_000)
					return
				}
				var resumed float64
				b.eval(&resumed, `t.resumed`)
				b.within("JWT-1", r.At, int64(resumed))
			})
		}
	})

	t.Run("JWT-1 frozen for real while the moment passes", func(t *testing.T) {
		t.Parallel()
		customer := fresh("row")
		token, _ := w.tokenOf(t, customer, time.Now().Add(time.Hour))
		b := w.tokenPage(t, w.origin, "page.html", customer, token)
		b.js(nil, `document.addEventListener("resume", () => (t.resumed = Date.now()))`)
		for _, lead := range []int{2, 6, 18} { // seconds; a busy machine may be late
			token, exp := w.tokenOf(t, customer, time.Now().Add(time.Duration(180+lead)*time.Second))
			b.js(nil, `t.heard = []; sdk.setJwtToken(%s)`, token)
			b.freeze(true)
			if time.Now().UnixMilli() > exp-180_000-500 {
				b.freeze(false)
				continue
			}
			<-time.After(time.Until(time.UnixMilli(exp - 180_000 + 1500)))
			if list := b.tokenEvents(); len(list) != 0 {
				t.Fatalf("the page is not frozen: %+v", list)
			}
			mark := b.mark()
			b.freeze(false)
			b.since(mark, "TOKEN_EXPIRY_REMINDER", 1)
			var resumed float64
			b.eval(&resumed, `t.resumed`)
			b.within("JWT-1", b.tokenEvents()[0].At, int64(resumed))
			return
		}
		t.Error("this machine is too busy to freeze a page in 18 s")
	})

	t.Run("JWT-1 a laptop slept past the moment", func(t *testing.T) {
		t.Parallel()
		customer := fresh("row")
		token, _ := w.tokenOf(t, customer, time.Now().Add(5*time.Minute))
		b := w.tokenPage(t, w.origin, "fast.html", customer, token)
		// The calendar goes on, timers stood still: none of them is due.
		b.js(nil, `clock.sleep(180); t.woke = Date.now(); document.dispatchEvent(new Event("visibilitychange"))`)
		b.waitEvent("TOKEN_EXPIRY_REMINDER", nil)
		var woke float64
		b.eval(&woke, `t.woke`)
		b.within("JWT-1", b.tokenEvents()[0].At, int64(woke))
	})

	t.Run("JWT-1 JWT-2 slept past its end: only expired", func(t *testing.T) {
		t.Parallel()
		customer := fresh("row")
		token, _ := w.tokenOf(t, customer, time.Now().Add(10*time.Minute))
		b := w.tokenPage(t, w.origin, "fast.html", customer, token)
		b.js(nil, `clock.sleep(900); window.dispatchEvent(new Event("pageshow"))`)
		b.waitEvent("TOKEN_EXPIRED", nil)
		if n := count(b.log.all(), "TOKEN_EXPIRY_REMINDER"); n != 0 {
			t.Errorf("a reminder of a token that is over")
		}
	})
}

func TestRowsTokenExpired(t *testing.T) {
	t.Parallel()
	w := shared(t)
	t.Run("JWT-2 JWT-3 disconnected until a valid token, without attempts", func(t *testing.T) {
		f := w.faulty(t)
		customer := fresh("row")
		token, _ := w.tokenOf(t, customer, time.Now().Add(15*time.Minute))
		b := w.tokenPage(t, f.origin, "fast.html", customer, token)
		id := createChat(b)
		b.waitEvent("MESSAGE_ARRIVED", nil)
		agent := w.newDesk(t, "Bo "+customer)
		agent.accept(id)
		agent.say(id, "before")
		b.waitText("before")

		mark := b.mark()
		first := f.last()
		b.eval(nil, `clock.skip(901)`)
		b.since(mark, "TOKEN_EXPIRED", 1)
		failed := b.since(mark, "EVENT_STREAM_FAILED", 1)
		if s := string(failed.Data); !strings.Contains(s, `"reason":"UNAUTHORIZED"`) || !strings.Contains(s, `"retryAfter":0`) {
			t.Errorf("JWT-2: %s", failed)
		}
		select {
		case <-first.over:
		case <-time.After(patience):
			t.Fatal("JWT-2: the stream was not dropped")
		}
		agent.say(id, "meanwhile")
		// Far beyond the reconnection window, also where the browser wakes the SDK.
		b.js(nil, `
			for (let i = 0; i < 20; i++) {
				clock.skip(30);
				window.dispatchEvent(new Event("online"));
				document.dispatchEvent(new Event("visibilitychange"));
				await new Promise((f) => setTimeout(f, 10));
			}`)
		b.wants("JWT-4", map[string]any{"codes": []string{"ACS-305", "ACS-305"}}, `return { codes: [await code(() => sdk.setJwtToken(%s)), await code(() => sdk.retryConnection())] }`, token)
		if n := len(f.lines.all()); n != 1 {
			t.Errorf("JWT-2: %d event streams while there was no token", n)
		}
		for _, e := range events(b.heard(mark)) {
			if e != "TOKEN_EXPIRED" && e != "EVENT_STREAM_FAILED" && e != "TOKEN_EXPIRY_REMINDER" {
				t.Errorf("JWT-2: %s while there was no token", e)
			}
		}
		if n := count(b.heard(mark), "EVENT_STREAM_FAILED"); n != 1 {
			t.Errorf("JWT-2: %d times EVENT_STREAM_FAILED", n)
		}
		mark = b.mark()
		next, _ := w.tokenOf(t, customer, time.Now().Add(time.Hour))
		b.js(nil, `sdk.setJwtToken(%s)`, next)
		b.waitText("meanwhile")
		wantTexts(t, "JWT-3: after the new token", events(b.heard(mark)), []string{"EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "MESSAGE_ARRIVED"})
		if e := b.since(mark, "EVENT_STREAM_CONNECTED", 1); !strings.Contains(string(e.Data), `"resumed":true`) {
			t.Errorf("JWT-3: %s", e)
		}
		send(b, id, "good again")
		b.wantOnceInOrder(b.log.all())
	})

	t.Run("JWT-3 a live stream takes a new token in place, and both events are armed anew", func(t *testing.T) {
		t.Parallel()
		f := w.faulty(t)
		customer := fresh("row")
		token, exp := w.tokenOf(t, customer, time.Now().Add(15*time.Minute))
		b := w.tokenPage(t, f.origin, "fast.html", customer, token)
		next, nextExp := w.tokenOf(t, customer, time.UnixMilli(exp).Add(30*time.Minute))
		b.js(nil, `sdk.setJwtToken(%s)`, next)
		f.line(1).waitFrame(t, false, `"authenticated"`)
		if n := f.line(1).count(true, "authenticate"); n != 2 {
			t.Errorf("JWT-3: %d times authenticate on the stream", n)
		}
		// Through all moments of the first token, then to those of the second.
		b.js(nil, `clock.skip(16 * 60); await sdk.getEngagements()`)
		b.settled()
		if list := b.tokenEvents(); len(list) != 0 {
			t.Errorf("JWT-3: events of the replaced token: %+v", list)
		}
		b.watch(nextExp - 180_000)
		b.js(nil, `clock.skip((%s - 181000 - Date.now()) / 1000)`, nextExp)
		b.waitEvent("TOKEN_EXPIRY_REMINDER", nil)
		b.within("JWT-1", b.tokenEvents()[0].At, nextExp-180_000)
		b.watch(nextExp)
		b.js(nil, `clock.skip((%s - 1000 - Date.now()) / 1000)`, nextExp)
		b.waitEvent("TOKEN_EXPIRED", nil)
		b.within("JWT-2", b.tokenEvents()[1].At, nextExp)
		if n := len(f.lines.all()); n != 1 {
			t.Errorf("JWT-3: %d event streams", n)
		}
	})
}

func TestRowsTokenRefused(t *testing.T) {
	t.Parallel()
	w := shared(t)
	f := w.faulty(t)
	customer := fresh("row")
	token, _ := w.tokenOf(t, customer, time.Now().Add(15*time.Minute))
	b := w.tokenPage(t, f.origin, "page.html", customer, token)
	id := createChat(b)
	b.waitEvent("MESSAGE_ARRIVED", nil)

	t.Run("JWT-4 NS-7 what setJwtToken refuses, and the present token stays", func(t *testing.T) {
		var bearers calls
		f.rest(func(_ http.ResponseWriter, r *http.Request) bool {
			bearers.add(r.Header.Get("Authorization"))
			return false
		})
		defer f.rest(nil)
		mark := b.mark()
		for _, tt := range []struct {
			what, code string
			token      any
		}{
			{"undefined", "ACS-308", nil}, {"empty", "ACS-308", ""}, {"a number", "ACS-308", 7}, {"an object", "ACS-308", map[string]any{}},
			{"no JWT", "ACS-305", "no token"}, {"three empty parts", "ACS-305", ".."}, {"no base64", "ACS-305", "a.&.b"},
			{"without exp", "ACS-305", w.tokenWith(t, customer, jwt.MapClaims{"exp": nil})},
			{"expired", "ACS-305", w.tokenWith(t, customer, jwt.MapClaims{"exp": time.Now().Add(-time.Minute).Unix()})},
			{"of another user", "ACS-305", w.tokenWith(t, customer+" the other", nil)},
			{"of another integration", "ACS-305", w.tokenWith(t, customer, jwt.MapClaims{"integrationId": uuid.NewString()})},
		} {
			var got string
			b.js(&got, `return await code(() => { const r = sdk.setJwtToken(%s); if (r !== undefined) throw "returns" })`, tt.token)
			if got != tt.code {
				t.Errorf("JWT-4: a token that is %s: %q, want %s", tt.what, got, tt.code)
			}
		}
		send(b, id, "with the present token")
		if all := bearers.all(); len(all) != 1 || all[0] != "Bearer "+token {
			t.Error("JWT-4: the call did not carry the present token")
		}
		if n := f.line(1).count(true, "authenticate"); n != 1 {
			t.Errorf("JWT-4: %d times authenticate on the stream", n)
		}
		if n := count(b.heard(mark), "EVENT_STREAM_FAILED") + count(b.heard(mark), "TOKEN_EXPIRED"); n != 0 {
			t.Error("JWT-4: a refused token has done something")
		}
	})
	t.Run("JWT-4 with the prefix that existing back ends put before it", func(t *testing.T) {
		b.wants("JWT-4", map[string]any{"code": ""}, `return { code: await code(() => sdk.setJwtToken("jwt." + %s)) }`, token)
		send(b, id, "with a prefix")
	})

	t.Run("JWT-5 a 401 while a newer token is set is retried once with it", func(t *testing.T) {
		for _, good := range []bool{true, false} {
			next, _ := w.tokenOf(t, customer, time.Now().Add(20*time.Minute))
			var bearers calls
			reached, goOn := make(chan struct{}), make(chan struct{})
			f.rest(func(rw http.ResponseWriter, r *http.Request) bool {
				if !isSend(r) {
					return false
				}
				n := bearers.add(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
				if n == 1 {
					close(reached)
					<-goOn
				}
				if n > 1 && good {
					return false
				}
				problem(rw, 401, "unauthorized", "")
				return true
			})
			text := fmt.Sprint("retried ", good)
			mark := b.mark()
			b.eval(nil, `void (t.sending = t.send(%s, %s))`, id, text)
			select {
			case <-reached:
			case <-time.After(patience):
				t.Fatal("JWT-5: the call did not come")
			}
			b.js(nil, `sdk.setJwtToken(%s)`, next)
			close(goOn)
			var r struct{ Error *struct{ Code string } }
			b.eval(&r, `t.sending.then(({ error }) => ({ error }))`)
			f.rest(nil)
			switch all := bearers.all(); {
			case len(all) != 2 || all[1] != next || all[0] == next:
				t.Errorf("JWT-5: %d attempts", len(all))
			case good && r.Error != nil:
				t.Errorf("JWT-5: %s", r.Error.Code)
			case !good && (r.Error == nil || r.Error.Code != "ACS-305"):
				t.Errorf("JWT-5: a second 401: %+v, want ACS-305", r.Error)
			}
			if good {
				b.since(mark, "MESSAGE_DELIVERED", 1)
				if count(b.heard(mark), "TOKEN_EXPIRED") != 0 {
					t.Error("JWT-5: TOKEN_EXPIRED, though the newer token was good")
				}
			}
		}
	})
}
