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

	"openchat/tests/harness"
)

// Within this a moment counts as met, in Chromium; sdk/ proves it to the millisecond.
const precisely = 250 // ms

// tokenOf returns a token and its exp, in milliseconds since 1970.
func tokenOf(t *testing.T, w *harness.Environment, customer string, exp time.Time) (string, int64) {
	t.Helper()
	return tokenWith(t, w, customer, jwt.MapClaims{"exp": exp.Unix()}), exp.Unix() * 1000
}

// tokenPage opens a page whose events of the token are kept in t.received, each with the
// page's time, and calls init with the token.
func tokenPage(t *testing.T, w *harness.Environment, o *harness.Origin, html, customer, token string) *harness.Tab {
	t.Helper()
	b := openTokenPage(t, o, html)
	initTokenPage(w, b, customer, token)
	return b
}

// openTokenPage is what tokenPage does before it needs the token: it takes a browser some seconds.
func openTokenPage(t *testing.T, o *harness.Origin, html string) *harness.Tab {
	t.Helper()
	b := harness.NewTab(t, "customer")
	b.AllowErrors(harness.NetworkErrors)
	b.Open(o.URL + "/t/" + html)
	return b
}

func initTokenPage(w *harness.Environment, b *harness.Tab, customer, token string) {
	b.T.Helper()
	p := w.InitParams(b.T, customer, harness.TokenOptions{})
	p["token"] = token
	b.JS(nil, `
		t.received = [];
		for (const type of ["TOKEN_EXPIRY_REMINDER", "TOKEN_EXPIRED"]) t.react[type] = (p) => t.received.push({ type, at: Date.now(), ...p });
		const { error } = await t.init(%s, {logLevel: "WARN", idleTimeout: 0});
		if (error) throw new Error(error.text);`, p)
}

// tokenEvent are the token's events that the page received.
type tokenEvent struct {
	Type                               string
	At                                 float64
	EventDate, ExpiryDate, ExpiredDate *time.Time
}

func tokenEvents(b *harness.Tab) (list []tokenEvent) {
	b.T.Helper()
	b.Eval(&list, `JSON.parse(JSON.stringify(t.received))`)
	return list
}

// freeze stops a page as a browser does with one that is long hidden, or lets it go
// on.
func freeze(b *harness.Tab, frozen bool) {
	b.T.Helper()
	harness.Needs(b.T, harness.Freezing)
	state := page.SetWebLifecycleStateStateActive
	if frozen {
		state = page.SetWebLifecycleStateStateFrozen
	}
	b.Run(chromedp.ActionFunc(func(ctx context.Context) error { return page.SetWebLifecycleState(state).Do(ctx) }))
}

// watchToken lets the page set a timer of its own to a moment, in ms since 1970: it tells how
// late this machine is, for whatever reason.
func watchToken(b *harness.Tab, moment int64) {
	b.T.Helper()
	b.Eval(nil, `void (t.late = 0, setTimeout(() => { t.late = Date.now() - %s }, %s - Date.now()))`, moment, moment)
}

// wantWithin fails the test unless something happened at its moment, or not more than
// precisely after the page's own timer.
func wantWithin(b *harness.Tab, row string, got float64, want int64) {
	b.T.Helper()
	var late float64
	b.Eval(&late, `t.late || 0`)
	if late > precisely {
		b.T.Logf("this machine is %.0f ms late", late)
	}
	if d := got - float64(want); d < 0 || d > max(0, late)+precisely {
		b.T.Errorf("%s: %.0f ms after its moment, want 0 to %d; the page's own timer came %.0f ms after it", row, d, precisely, late)
	}
}

func TestRowsToken(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)

	t.Run("JWT-1 JWT-2 at the moment, by the real clock", func(t *testing.T) {
		t.Parallel()
		customer := harness.NewCustomerID("row")
		b := openTokenPage(t, w.Origin, "page.html")
		token, exp := tokenOf(t, w, customer, time.Now().Add(188*time.Second))
		initTokenPage(w, b, customer, token)
		if list := tokenEvents(b); len(list) != 0 {
			t.Fatalf("JWT-1: too early: %+v", list)
		}
		watchToken(b, exp-180_000)
		b.WaitEvent("TOKEN_EXPIRY_REMINDER", nil)
		r := tokenEvents(b)[0]
		wantWithin(b, "JWT-1", r.At, exp-180_000)
		if r.ExpiryDate == nil || r.ExpiryDate.UnixMilli() != exp || r.EventDate == nil || r.ExpiredDate != nil {
			t.Errorf("JWT-1: payload %+v", r)
		}
		// A shorter one has less left: at once again, which is ten seconds after the last one
		// (JWT-6); and its end comes at its end.
		token, exp = tokenOf(t, w, customer, time.Now().Add(16*time.Second))
		mark := b.Mark()
		b.JS(nil, `t.received = []; t.set = %s + 10_000; sdk.setJwtToken(%s)`, r.At, token)
		watchToken(b, exp)
		b.WaitNth(mark, "TOKEN_EXPIRY_REMINDER", 1)
		b.WaitNth(mark, "TOKEN_EXPIRED", 1)
		list := tokenEvents(b)
		var set float64
		b.Eval(&set, `t.set`)
		if late := list[0].At - set; list[0].Type != "TOKEN_EXPIRY_REMINDER" || late < -precisely || late > 2*precisely {
			t.Errorf("JWT-1 JWT-6: less left, but %s came %.0f ms after its moment", list[0].Type, late)
		}
		wantWithin(b, "JWT-2", list[1].At, exp)
		if e := list[1]; e.ExpiredDate == nil || e.ExpiredDate.UnixMilli() != exp {
			t.Errorf("JWT-2: payload %+v", e)
		}
		harness.ExpectTexts(t, "JWT-2: then", harness.EventNames(b.Since(mark)), []string{"TOKEN_EXPIRY_REMINDER", "TOKEN_EXPIRED", "EVENT_STREAM_FAILED"})
	})

	t.Run("JWT-1 less left at init: at once, after INITIALIZED", func(t *testing.T) {
		t.Parallel()
		customer := harness.NewCustomerID("row")
		token, _ := tokenOf(t, w, customer, time.Now().Add(100*time.Second))
		b := tokenPage(t, w, w.Origin, "page.html", customer, token)
		b.WaitEvent("TOKEN_EXPIRY_REMINDER", nil)
		harness.ExpectTexts(t, "JWT-1", harness.EventNames(b.Reports.All()), []string{"EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "INITIALIZED", "TOKEN_EXPIRY_REMINDER"})
	})

	t.Run("JWT-1 three minutes frozen", func(t *testing.T) {
		harness.Needs(t, harness.Freezing)
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
				customer := harness.NewCustomerID("row")
				token, exp := tokenOf(t, w, customer, time.Now().Add(tt.left))
				b := tokenPage(t, w, w.Origin, "fast.html", customer, token)
				b.JS(nil, `document.addEventListener("resume", () => (t.resumed = Date.now()))`)
				freeze(b, true)
				b.Eval(nil, `clock.skip(180)`)
				if !tt.past {
					watchToken(b, exp-180_000)
				}
				if list := tokenEvents(b); len(list) != 0 {
					t.Fatalf("the page is not frozen: %+v", list)
				}
				freeze(b, false)
				b.WaitEvent("TOKEN_EXPIRY_REMINDER", nil)
				r := tokenEvents(b)[0]
				if !tt.past {
					wantWithin(b, "JWT-1", r.At, exp-180_000)
					return
				}
				var resumed float64
				b.Eval(&resumed, `t.resumed`)
				wantWithin(b, "JWT-1", r.At, int64(resumed))
			})
		}
	})

	t.Run("JWT-1 frozen for real while the moment passes", func(t *testing.T) {
		harness.Needs(t, harness.Freezing)
		t.Parallel()
		customer := harness.NewCustomerID("row")
		token, _ := tokenOf(t, w, customer, time.Now().Add(time.Hour))
		b := tokenPage(t, w, w.Origin, "page.html", customer, token)
		b.JS(nil, `document.addEventListener("resume", () => (t.resumed = Date.now()))`)
		for _, lead := range []int{2, 6, 18} { // seconds; a busy machine may be late
			token, exp := tokenOf(t, w, customer, time.Now().Add(time.Duration(180+lead)*time.Second))
			b.JS(nil, `t.received = []; sdk.setJwtToken(%s)`, token)
			freeze(b, true)
			if time.Now().UnixMilli() > exp-180_000-500 {
				freeze(b, false)
				continue
			}
			<-time.After(time.Until(time.UnixMilli(exp - 180_000 + 1500)))
			if list := tokenEvents(b); len(list) != 0 {
				t.Fatalf("the page is not frozen: %+v", list)
			}
			mark := b.Mark()
			freeze(b, false)
			b.WaitNth(mark, "TOKEN_EXPIRY_REMINDER", 1)
			var resumed float64
			b.Eval(&resumed, `t.resumed`)
			wantWithin(b, "JWT-1", tokenEvents(b)[0].At, int64(resumed))
			return
		}
		t.Error("this machine is too busy to freeze a page in 18 s")
	})

	t.Run("JWT-1 a laptop slept past the moment", func(t *testing.T) {
		t.Parallel()
		customer := harness.NewCustomerID("row")
		token, _ := tokenOf(t, w, customer, time.Now().Add(5*time.Minute))
		b := tokenPage(t, w, w.Origin, "fast.html", customer, token)
		// The calendar goes on, timers stood still: none of them is due.
		b.JS(nil, `clock.sleep(180); t.woke = Date.now(); document.dispatchEvent(new Event("visibilitychange"))`)
		b.WaitEvent("TOKEN_EXPIRY_REMINDER", nil)
		var woke float64
		b.Eval(&woke, `t.woke`)
		wantWithin(b, "JWT-1", tokenEvents(b)[0].At, int64(woke))
	})

	t.Run("JWT-1 JWT-2 slept past its end: only expired", func(t *testing.T) {
		t.Parallel()
		customer := harness.NewCustomerID("row")
		token, _ := tokenOf(t, w, customer, time.Now().Add(10*time.Minute))
		b := tokenPage(t, w, w.Origin, "fast.html", customer, token)
		b.JS(nil, `clock.sleep(900); window.dispatchEvent(new Event("pageshow"))`)
		b.WaitEvent("TOKEN_EXPIRED", nil)
		if n := harness.CountEvents(b.Reports.All(), "TOKEN_EXPIRY_REMINDER"); n != 0 {
			t.Errorf("a reminder of a token that is over")
		}
	})
}

func TestRowsTokenExpired(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	t.Run("JWT-2 JWT-3 disconnected until a valid token, without attempts", func(t *testing.T) {
		f := w.FaultyOrigin(t)
		customer := harness.NewCustomerID("row")
		token, _ := tokenOf(t, w, customer, time.Now().Add(15*time.Minute))
		b := tokenPage(t, w, f.Origin, "fast.html", customer, token)
		id := harness.CreateEngagement(b)
		b.WaitEvent("MESSAGE_ARRIVED", nil)
		agent := w.NewAgent(t, "Bo "+customer)
		agent.Accept(id)
		agent.Send(id, "before")
		b.WaitText("before")

		mark := b.Mark()
		first := f.NewestStream()
		b.Eval(nil, `clock.skip(901)`)
		b.WaitNth(mark, "TOKEN_EXPIRED", 1)
		failed := b.WaitNth(mark, "EVENT_STREAM_FAILED", 1)
		if s := string(failed.Data); !strings.Contains(s, `"reason":"UNAUTHORIZED"`) || !strings.Contains(s, `"retryAfter":0`) {
			t.Errorf("JWT-2: %s", failed)
		}
		select {
		case <-first.Ended:
		case <-time.After(harness.Timeout):
			t.Fatal("JWT-2: the stream was not dropped")
		}
		agent.Send(id, "meanwhile")
		// Far beyond the reconnection window, also where the browser wakes the SDK.
		b.JS(nil, `
			for (let i = 0; i < 20; i++) {
				clock.skip(30);
				window.dispatchEvent(new Event("online"));
				document.dispatchEvent(new Event("visibilitychange"));
				await new Promise((f) => setTimeout(f, 10));
			}`)
		b.Expect("JWT-4", map[string]any{"codes": []string{"ACS-305", "ACS-305"}}, `return { codes: [await code(() => sdk.setJwtToken(%s)), await code(() => sdk.retryConnection())] }`, token)
		if n := len(f.Streams.All()); n != 1 {
			t.Errorf("JWT-2: %d event streams while there was no token", n)
		}
		for _, e := range harness.EventNames(b.Since(mark)) {
			if e != "TOKEN_EXPIRED" && e != "EVENT_STREAM_FAILED" && e != "TOKEN_EXPIRY_REMINDER" {
				t.Errorf("JWT-2: %s while there was no token", e)
			}
		}
		if n := harness.CountEvents(b.Since(mark), "EVENT_STREAM_FAILED"); n != 1 {
			t.Errorf("JWT-2: %d times EVENT_STREAM_FAILED", n)
		}
		mark = b.Mark()
		next, _ := tokenOf(t, w, customer, time.Now().Add(time.Hour))
		b.JS(nil, `sdk.setJwtToken(%s)`, next)
		b.WaitText("meanwhile")
		harness.ExpectTexts(t, "JWT-3: after the new token", harness.EventNames(b.Since(mark)), []string{"EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "MESSAGE_ARRIVED"})
		if e := b.WaitNth(mark, "EVENT_STREAM_CONNECTED", 1); !strings.Contains(string(e.Data), `"resumed":true`) {
			t.Errorf("JWT-3: %s", e)
		}
		harness.SendTexts(b, id, "good again")
		b.WantOnceInOrder(b.Reports.All())
	})

	t.Run("JWT-3 a live stream takes a new token in place, and both events are armed anew", func(t *testing.T) {
		t.Parallel()
		f := w.FaultyOrigin(t)
		customer := harness.NewCustomerID("row")
		token, exp := tokenOf(t, w, customer, time.Now().Add(15*time.Minute))
		b := tokenPage(t, w, f.Origin, "fast.html", customer, token)
		next, nextExp := tokenOf(t, w, customer, time.UnixMilli(exp).Add(30*time.Minute))
		b.JS(nil, `sdk.setJwtToken(%s)`, next)
		f.Stream(1).WaitFrame(t, false, `"authenticated"`)
		if n := f.Stream(1).CountFrames(true, "authenticate"); n != 2 {
			t.Errorf("JWT-3: %d times authenticate on the stream", n)
		}
		// Through all moments of the first token, then to those of the second.
		b.JS(nil, `clock.skip(16 * 60); await sdk.getEngagements()`)
		b.WaitSettled()
		if list := tokenEvents(b); len(list) != 0 {
			t.Errorf("JWT-3: events of the replaced token: %+v", list)
		}
		watchToken(b, nextExp-180_000)
		b.JS(nil, `clock.skip((%s - 181000 - Date.now()) / 1000)`, nextExp)
		b.WaitEvent("TOKEN_EXPIRY_REMINDER", nil)
		wantWithin(b, "JWT-1", tokenEvents(b)[0].At, nextExp-180_000)
		watchToken(b, nextExp)
		b.JS(nil, `clock.skip((%s - 1000 - Date.now()) / 1000)`, nextExp)
		b.WaitEvent("TOKEN_EXPIRED", nil)
		wantWithin(b, "JWT-2", tokenEvents(b)[1].At, nextExp)
		if n := len(f.Streams.All()); n != 1 {
			t.Errorf("JWT-3: %d event streams", n)
		}
	})
}

func TestRowsTokenRefused(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	f := w.FaultyOrigin(t)
	customer := harness.NewCustomerID("row")
	token, _ := tokenOf(t, w, customer, time.Now().Add(15*time.Minute))
	b := tokenPage(t, w, f.Origin, "page.html", customer, token)
	id := harness.CreateEngagement(b)
	b.WaitEvent("MESSAGE_ARRIVED", nil)

	t.Run("JWT-4 NS-7 what setJwtToken refuses, and the present token stays", func(t *testing.T) {
		var bearers calls
		f.InterceptREST(func(_ http.ResponseWriter, r *http.Request) bool {
			bearers.add(r.Header.Get("Authorization"))
			return false
		})
		defer f.InterceptREST(nil)
		mark := b.Mark()
		for _, tt := range []struct {
			what, code string
			token      any
		}{
			{"undefined", "ACS-308", nil}, {"empty", "ACS-308", ""}, {"a number", "ACS-308", 7}, {"an object", "ACS-308", map[string]any{}},
			{"no JWT", "ACS-305", "no token"}, {"three empty parts", "ACS-305", ".."}, {"no base64", "ACS-305", "a.&.b"},
			{"without exp", "ACS-305", tokenWith(t, w, customer, jwt.MapClaims{"exp": nil})},
			{"expired", "ACS-305", tokenWith(t, w, customer, jwt.MapClaims{"exp": time.Now().Add(-time.Minute).Unix()})},
			{"of another user", "ACS-305", tokenWith(t, w, customer+" the other", nil)},
			{"of another integration", "ACS-305", tokenWith(t, w, customer, jwt.MapClaims{"integrationId": uuid.NewString()})},
		} {
			var got string
			b.JS(&got, `return await code(() => { const r = sdk.setJwtToken(%s); if (r !== undefined) throw "returns" })`, tt.token)
			if got != tt.code {
				t.Errorf("JWT-4: a token that is %s: %q, want %s", tt.what, got, tt.code)
			}
		}
		harness.SendTexts(b, id, "with the present token")
		if all := bearers.all(); len(all) != 1 || all[0] != "Bearer "+token {
			t.Error("JWT-4: the call did not carry the present token")
		}
		if n := f.Stream(1).CountFrames(true, "authenticate"); n != 1 {
			t.Errorf("JWT-4: %d times authenticate on the stream", n)
		}
		if n := harness.CountEvents(b.Since(mark), "EVENT_STREAM_FAILED") + harness.CountEvents(b.Since(mark), "TOKEN_EXPIRED"); n != 0 {
			t.Error("JWT-4: a refused token has done something")
		}
	})
	t.Run("JWT-4 with the prefix that existing back ends put before it", func(t *testing.T) {
		b.Expect("JWT-4", map[string]any{"code": ""}, `return { code: await code(() => sdk.setJwtToken("jwt." + %s)) }`, token)
		harness.SendTexts(b, id, "with a prefix")
	})

	t.Run("JWT-5 a 401 while a newer token is set is retried once with it", func(t *testing.T) {
		for _, good := range []bool{true, false} {
			next, _ := tokenOf(t, w, customer, time.Now().Add(20*time.Minute))
			var bearers calls
			reached, goOn := make(chan struct{}), make(chan struct{})
			f.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
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
				harness.WriteProblem(rw, 401, "unauthorized", "")
				return true
			})
			text := fmt.Sprint("retried ", good)
			mark := b.Mark()
			b.Eval(nil, `void (t.sending = t.send(%s, %s))`, id, text)
			select {
			case <-reached:
			case <-time.After(harness.Timeout):
				t.Fatal("JWT-5: the call did not come")
			}
			b.JS(nil, `sdk.setJwtToken(%s)`, next)
			close(goOn)
			var r struct{ Error *struct{ Code string } }
			b.Eval(&r, `t.sending.then(({ error }) => ({ error }))`)
			f.InterceptREST(nil)
			switch all := bearers.all(); {
			case len(all) != 2 || all[1] != next || all[0] == next:
				t.Errorf("JWT-5: %d attempts", len(all))
			case good && r.Error != nil:
				t.Errorf("JWT-5: %s", r.Error.Code)
			case !good && (r.Error == nil || r.Error.Code != "ACS-305"):
				t.Errorf("JWT-5: a second 401: %+v, want ACS-305", r.Error)
			}
			if good {
				b.WaitNth(mark, "MESSAGE_DELIVERED", 1)
				if harness.CountEvents(b.Since(mark), "TOKEN_EXPIRED") != 0 {
					t.Error("JWT-5: TOKEN_EXPIRED, though the newer token was good")
				}
			}
		}
	})
}
