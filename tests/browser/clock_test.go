package browser

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"openchat/tests/harness"
)

// clockPage is a page whose wall clock is ahead of the gateway's by so many seconds, and
// that answers each event of its token with the next of tokens, the last again and again:
// as a page does whose back end hands them out. How often it did is in t.asked.
func clockPage(t *testing.T, w *harness.Environment, o *harness.Origin, ahead float64, customer string, tokens ...string) *harness.Tab {
	t.Helper()
	b := openClockPage(t, o)
	initClockPage(w, b, ahead, customer, tokens...)
	return b
}

// openClockPage is what clockPage does before it needs the tokens: it takes a browser some seconds.
func openClockPage(t *testing.T, o *harness.Origin) *harness.Tab {
	t.Helper()
	b := harness.NewTab(t, "customer")
	b.AllowErrors(harness.NetworkErrors)
	b.Open(o.URL + "/t/fast.html")
	return b
}

func initClockPage(w *harness.Environment, b *harness.Tab, ahead float64, customer string, tokens ...string) {
	b.T.Helper()
	p := w.InitParams(b.T, customer, harness.TokenOptions{})
	p["token"] = tokens[0]
	b.JS(nil, `
		clock.set(%s);
		t.asked = 0;
		t.tokens = %s;
		for (const type of ["TOKEN_EXPIRY_REMINDER", "TOKEN_EXPIRED"]) {
			t.react[type] = () => { try { sdk.setJwtToken(t.tokens[Math.min(++t.asked, t.tokens.length - 1)]) } catch (e) { t.refused = String(e) } };
		}
		const { error } = await t.init(%s, {logLevel: "WARN"});
		if (error) throw new Error(error.text);`, ahead, tokens, p)
}

// variants are n tokens that say what the given one says.
func variants(t *testing.T, n int, token string) (list []string) {
	t.Helper()
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(token, claims); err != nil {
		t.Fatal(err)
	}
	for range n {
		claims["jti"] = uuid.NewString()
		text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(harness.TokenSecret))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, text)
	}
	return list
}

// asked is how many tokens the page has asked its back end for.
func asked(b *harness.Tab) (n int) {
	b.T.Helper()
	b.Eval(&n, `t.asked`)
	return n
}

// wantNone fails the test if the page has received one of the events since mark.
func wantNone(b *harness.Tab, row string, mark int, names ...string) {
	b.T.Helper()
	for _, name := range names {
		if n := harness.CountEvents(b.Since(mark), name); n != 0 {
			b.T.Errorf("%s: %d times %s", row, n, name)
		}
	}
}

func TestRowsClock(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)

	for _, ahead := range []float64{750, 960, -750, 12 * 3600, -12 * 3600} {
		t.Run(fmt.Sprintf("JWT-8 JWT-6 INIT-3 a browser whose clock is %g s ahead: no token is asked for, and the chat works", ahead), func(t *testing.T) {
			t.Parallel()
			customer := harness.NewCustomerID("clock")
			b := clockPage(t, w, w.Origin, ahead, customer, variants(t, 40, tokenWith(t, w, customer, nil))...)
			id := harness.CreateEngagement(b)
			b.WaitEvent("MESSAGE_ARRIVED", nil)
			agent := w.NewAgent(t, "Bo "+customer)
			agent.Accept(id)
			harness.SendTexts(b, id, "hello")
			agent.Send(id, "on time")
			b.WaitText("on time")
			b.JS(nil, `sdk.setJwtToken(t.tokens[1])`)
			b.WaitSettled()
			if n := asked(b); n != 0 {
				t.Errorf("JWT-8: %d tokens asked for", n)
			}
			wantNone(b, "JWT-8", 0, "TOKEN_EXPIRY_REMINDER", "TOKEN_EXPIRED", "IDLE_TIMEOUT_EXPIRED", "EVENT_STREAM_FAILED")
			// Its moment is the gateway's.
			b.JS(nil, `clock.skip(720)`)
			b.WaitEvent("TOKEN_EXPIRY_REMINDER", nil)
		})
	}

	for _, step := range []float64{7200, -7200, 600} {
		t.Run(fmt.Sprintf("JWT-8 JWT-4 IDLE-1 MSG-6 the clock is set by %g s in a running chat", step), func(t *testing.T) {
			t.Parallel()
			customer := harness.NewCustomerID("clock")
			b := clockPage(t, w, w.Origin, 0, customer, tokenWith(t, w, customer, nil))
			id := harness.CreateEngagement(b)
			b.WaitEvent("MESSAGE_ARRIVED", nil)
			agent := w.NewAgent(t, "Bo "+customer)
			agent.Accept(id)
			agent.Send(id, "before")
			b.WaitText("before")
			mark := b.Mark()
			b.JS(nil, `clock.set(%s); document.dispatchEvent(new Event("visibilitychange"))`, step)
			b.JS(nil, `sdk.setJwtToken(%s)`, tokenWith(t, w, customer, nil))
			harness.SendTexts(b, id, "sent")
			agent.Send(id, "after the step")
			b.WaitText("after the step")
			// A minute passes, and so does a heartbeat.
			b.JS(nil, `clock.skip(60); await new Promise((f) => setTimeout(f, 500))`)
			b.WaitSettled()
			wantNone(b, "JWT-8", mark, "TOKEN_EXPIRY_REMINDER", "TOKEN_EXPIRED", "IDLE_TIMEOUT_EXPIRED", "EVENT_STREAM_FAILED")
			b.WantOnceInOrder(b.Reports.All())
		})
	}

	t.Run("JWT-8 INIT-3 an expired token is refused, also by a browser whose clock is slow", func(t *testing.T) {
		t.Parallel()
		customer := harness.NewCustomerID("clock")
		expired := tokenWith(t, w, customer, jwt.MapClaims{"exp": time.Now().Add(-time.Minute).Unix()})
		b := harness.NewTab(t, "customer")
		b.AllowErrors(harness.NetworkErrors)
		b.Open(w.Origin.URL + "/t/fast.html")
		p := w.InitParams(t, customer, harness.TokenOptions{})
		p["token"] = expired
		for _, ahead := range []float64{0, -3600, 3600} {
			b.Expect("INIT-3", map[string]any{"code": "ACS-305"}, `clock.set(%s); const { error } = await t.init(%s, {}); return { code: error && error.code }`, ahead, p)
		}
	})
}

func TestRowsTokenRate(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	for _, tt := range []struct {
		name   string
		claims jwt.MapClaims
		fresh  bool // each token is a new one
	}{
		{"tokens for two minutes", jwt.MapClaims{"exp": time.Now().Add(2 * time.Minute).Unix()}, true},
		{"one token from a cache", jwt.MapClaims{"exp": time.Now().Add(2 * time.Minute).Unix()}, false},
		{"tokens that the gateway refuses", jwt.MapClaims{"iss": "another issuer"}, true},
	} {
		t.Run("JWT-6 a back end that gives "+tt.name+": few events, few connections", func(t *testing.T) {
			t.Parallel()
			f := w.FaultyOrigin(t)
			customer := harness.NewCustomerID("rate")
			tokens := []string{tokenWith(t, w, customer, jwt.MapClaims{"exp": time.Now().Add(100 * time.Second).Unix()})}
			given := tokenWith(t, w, customer, tt.claims)
			if tt.fresh {
				tokens = append(tokens, variants(t, 200, given)...)
			} else {
				tokens = append(tokens, given)
			}
			b := clockPage(t, w, f.Origin, 0, customer, tokens...)
			const seconds = 14 // of real time; each event may come twice
			b.JS(nil, `await new Promise((f) => setTimeout(f, %s))`, seconds*1000)
			if n := asked(b); n < 1 || n > 4 {
				t.Errorf("JWT-6: %d tokens asked for in %d s", n, seconds)
			}
			if n := len(f.Streams.All()); n > 10 {
				t.Errorf("JWT-6: %d connections in %d s", n, seconds)
			}
			b.JS(nil, `sdk.setJwtToken(%s)`, tokenWith(t, w, customer, nil))
			id := harness.CreateEngagement(b)
			b.WaitEvent("MESSAGE_ARRIVED", nil)
			harness.SendTexts(b, id, "goes on")
		})
	}
}

func TestRowsTokenRefusedLater(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)

	t.Run("JWT-7 EV-7 NS-9 the stream is refused once: it comes back by itself, and a token is asked for", func(t *testing.T) {
		t.Parallel()
		f := w.FaultyOrigin(t)
		customer := harness.NewCustomerID("refused")
		b := clockPage(t, w, f.Origin, 0, customer, tokenWith(t, w, customer, nil))
		id := harness.CreateEngagement(b)
		b.WaitEvent("MESSAGE_ARRIVED", nil)
		mark := b.Mark()
		// The stream comes back at once, and then there is nothing to retry: the handler is in time.
		b.JS(nil, `t.react.EVENT_STREAM_FAILED = () => { t.retried ??= code(() => sdk.retryConnection()) }`)
		f.NewestStream().Close(4403, "the token or appkey was refused") // as gateways of version 0.1 say it
		failed := failures(t, []harness.Report{b.WaitNth(mark, "EVENT_STREAM_FAILED", 1)})[0]
		if failed.Reason != "FORBIDDEN" || failed.RetryAfter < 1 {
			t.Errorf("EV-7: %+v", failed)
		}
		b.WaitNth(mark, "TOKEN_EXPIRY_REMINDER", 1)
		b.Expect("NS-9", map[string]any{"code": ""}, `return { code: await t.retried }`)
		b.WaitNth(mark, "EVENT_STREAM_CONNECTED", 1)
		harness.SendTexts(b, id, "back")
		b.WaitNth(mark, "MESSAGE_DELIVERED", 1)
	})

	t.Run("JWT-7 tokens of a back end whose clock is ahead: refused at first, taken when their time has come", func(t *testing.T) {
		t.Parallel()
		f := w.FaultyOrigin(t)
		customer := harness.NewCustomerID("refused")
		b := openClockPage(t, f.Origin)
		early := tokenWith(t, w, customer, jwt.MapClaims{"iat": time.Now().Add(44 * time.Second).Unix()}) // 30 s are tolerated
		first := tokenWith(t, w, customer, jwt.MapClaims{"exp": time.Now().Add(9 * time.Second).Unix()})
		initClockPage(w, b, 0, customer, first, early)
		id := harness.CreateEngagement(b)
		b.WaitEvent("MESSAGE_ARRIVED", nil)
		// The one before goes on being used until its end, then the early one is tried again.
		b.WaitEvent("TOKEN_EXPIRED", nil)
		mark := b.Mark()
		b.WaitNth(mark, "EVENT_STREAM_CONNECTED", 1)
		harness.SendTexts(b, id, "in time")
		b.WaitNth(mark, "MESSAGE_DELIVERED", 1)
		if n := len(f.Streams.All()); n > 12 {
			t.Errorf("JWT-7: %d connections", n)
		}
	})

	t.Run("JWT-7 JWT-5 calls are refused with a new token while the one before is valid", func(t *testing.T) {
		t.Parallel()
		f := w.FaultyOrigin(t)
		customer := harness.NewCustomerID("refused")
		b := clockPage(t, w, f.Origin, 0, customer, tokenWith(t, w, customer, nil))
		id := harness.CreateEngagement(b)
		b.WaitEvent("MESSAGE_ARRIVED", nil)
		refused := tokenWith(t, w, customer, jwt.MapClaims{"iss": "another issuer"})
		b.JS(nil, `sdk.setJwtToken(%s)`, refused)
		harness.SendTexts(b, id, "with the one before")
		b.WaitEvent("MESSAGE_DELIVERED", nil)
		wantNone(b, "JWT-7", 0, "TOKEN_EXPIRED", "SHUTDOWN")
	})

	t.Run("INIT-4 an appkey that the gateway refuses does not read as a bad token", func(t *testing.T) {
		t.Parallel()
		b := harness.NewTab(t, "customer")
		b.AllowErrors(harness.NetworkErrors)
		b.Open(w.Origin.URL + "/t/page.html")
		p := w.InitParams(t, harness.NewCustomerID("appkey"), harness.TokenOptions{})
		p["appkey"] = "not this one"
		var text string
		b.JS(&text, `const { error } = await t.init(%s, {}); return error.text`, p)
		if !strings.HasPrefix(text, "ACS-302: ") || !strings.Contains(text, "appkey") || strings.Contains(text, "JWT") {
			t.Errorf("INIT-4: %q", text)
		}
	})

	t.Run("INIT-3 JWT-4 an exp in milliseconds is said so", func(t *testing.T) {
		t.Parallel()
		customer := harness.NewCustomerID("millis")
		b := harness.NewTab(t, "customer")
		b.Open(w.Origin.URL + "/t/page.html")
		p := w.InitParams(t, customer, harness.TokenOptions{})
		p["token"] = tokenWith(t, w, customer, jwt.MapClaims{"exp": time.Now().Add(time.Hour).UnixMilli()})
		var text string
		b.JS(&text, `const { error } = await t.init(%s, {}); return error.text`, p)
		if !strings.HasPrefix(text, "ACS-305: ") || !strings.Contains(text, "milliseconds") {
			t.Errorf("INIT-3: %q", text)
		}
	})
}

func TestDebugLines(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	f := w.FaultyOrigin(t)
	customer := harness.NewCustomerID("debug")
	b := harness.NewTab(t, "customer")
	b.AllowErrors(harness.NetworkErrors)
	b.Open(f.URL + "/t/page.html")
	p := w.InitParams(t, customer, harness.TokenOptions{})
	p["sessionParameters"] = map[string]string{"secret-key": "secret-value"}
	b.JS(nil, `
		t.lines = [];
		for (const level of ["debug", "info", "warn", "error"]) {
			const real = console[level];
			console[level] = (...what) => { t.lines.push(what.map(String).join(" ")); real.apply(console, what); };
		}
		const { error } = await t.init(%s, {logLevel: "DEBUG"});
		if (error) throw new Error(error.text);`, p)
	id := harness.CreateEngagement(b)
	b.WaitEvent("MESSAGE_ARRIVED", nil)
	f.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
		if isSend(r) {
			f.InterceptREST(nil)
			harness.WriteProblem(rw, 503, "server-error", "")
			return true
		}
		return false
	})
	harness.SendTexts(b, id, "a confidential text")
	mark := b.Mark()
	f.NewestStream().Cut()
	b.WaitNth(mark, "EVENT_STREAM_CONNECTED", 1)
	// No event of it can come before its answer.
	b.JS(nil, `await sdk.getEngagements()`)
	var lines []string
	b.Eval(&lines, `t.lines`)
	all := strings.Join(lines, "\n")
	for _, want := range []string{
		"POST /sessions: status 201 after ", "event stream: connecting, attempt 1", "event stream: connected in ", "the device's clock is 0 s ahead of the server's",
		"POST /engagements/" + id + "/messages: status 503 after ", ", attempt 1", ": MESSAGES " + id, "the token expires in ", "next attempt in ",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("NS-10: no line with %q", want)
		}
	}
	for _, secret := range []string{p["token"].(string), p["appkey"].(string), "confidential", "secret-value", "Customer debug"} {
		if strings.Contains(all, secret) {
			t.Errorf("NS-10: a line holds %q", secret)
		}
	}
	if t.Failed() {
		t.Log(all)
	}
}
