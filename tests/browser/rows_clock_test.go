package browser

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// clockPage is a page whose wall clock is ahead of the gateway's by so many seconds, and
// that answers each event of its token with the next of tokens, the last again and again:
// as a page does whose back end hands them out. How often it did is in t.asked.
func (w *world) clockPage(t *testing.T, o *origin, ahead float64, customer string, tokens ...string) *tab {
	t.Helper()
	b := newTab(t, "customer")
	b.allow(networkTrouble)
	b.open(o.url + "/t/fast.html")
	p := w.params(t, customer, tokenOptions{})
	p["token"] = tokens[0]
	b.js(nil, `
		clock.set(%s);
		t.asked = 0;
		t.tokens = %s;
		for (const type of ["TOKEN_EXPIRY_REMINDER", "TOKEN_EXPIRED"]) {
			t.react[type] = () => { try { sdk.setJwtToken(t.tokens[Math.min(++t.asked, t.tokens.length - 1)]) } catch (e) { t.refused = String(e) } };
		}
		const { error } = await t.init(%s, {logLevel: "WARN"});
		if (error) throw new Error(error.text);`, ahead, tokens, p)
	return b
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
		text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(tokenSecret))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, text)
	}
	return list
}

// asked is how many tokens the page has asked its back end for.
func (b *tab) asked() (n int) {
	b.t.Helper()
	b.eval(&n, `t.asked`)
	return n
}

// wantNone fails the test if the page has heard one of the events since mark.
func (b *tab) wantNone(row string, mark int, names ...string) {
	b.t.Helper()
	for _, name := range names {
		if n := count(b.heard(mark), name); n != 0 {
			b.t.Errorf("%s: %d times %s", row, n, name)
		}
	}
}

func TestRowsClock(t *testing.T) {
	t.Parallel()
	w := shared(t)

	for _, ahead := range []float64{750, 960, -750, 12 * 3600, -12 * 3600} {
		t.Run(fmt.Sprintf("JWT-8 JWT-6 INIT-3 a browser whose clock is %g s ahead: no token is asked for, and the chat works", ahead), func(t *testing.T) {
			t.Parallel()
			customer := fresh("clock")
			b := w.clockPage(t, w.origin, ahead, customer, variants(t, 40, w.tokenWith(t, customer, nil))...)
			id := createChat(b)
			b.waitEvent("MESSAGE_ARRIVED", nil)
			agent := w.newDesk(t, "Bo "+customer)
			agent.accept(id)
			send(b, id, "hello")
			agent.say(id, "on time")
			b.waitText("on time")
			b.js(nil, `sdk.setJwtToken(t.tokens[1])`)
			b.settled()
			if n := b.asked(); n != 0 {
				t.Errorf("JWT-8: %d tokens asked for", n)
			}
			b.wantNone("JWT-8", 0, "TOKEN_EXPIRY_REMINDER", "TOKEN_EXPIRED", "IDLE_TIMEOUT_EXPIRED", "EVENT_STREAM_FAILED")
			// Its moment is the gateway's.
			b.js(nil, `clock.skip(720)`)
			b.waitEvent("TOKEN_EXPIRY_REMINDER", nil)
		})
	}

	for _, step := range []float64{7200, -7200, 600} {
		t.Run(fmt.Sprintf("JWT-8 JWT-4 IDLE-1 MSG-6 the clock is set by %g s in a running chat", step), func(t *testing.T) {
			t.Parallel()
			customer := fresh("clock")
			b := w.clockPage(t, w.origin, 0, customer, w.tokenWith(t, customer, nil))
			id := createChat(b)
			b.waitEvent("MESSAGE_ARRIVED", nil)
			agent := w.newDesk(t, "Bo "+customer)
			agent.accept(id)
			agent.say(id, "before")
			b.waitText("before")
			mark := b.mark()
			b.js(nil, `clock.set(%s); document.dispatchEvent(new Event("visibilitychange"))`, step)
			b.js(nil, `sdk.setJwtToken(%s)`, w.tokenWith(t, customer, nil))
			send(b, id, "sent")
			agent.say(id, "after the step")
			b.waitText("after the step")
			// A minute passes, and so does a heartbeat.
			b.js(nil, `clock.skip(60); await new Promise((f) => setTimeout(f, 500))`)
			b.settled()
			b.wantNone("JWT-8", mark, "TOKEN_EXPIRY_REMINDER", "TOKEN_EXPIRED", "IDLE_TIMEOUT_EXPIRED", "EVENT_STREAM_FAILED")
			b.wantOnceInOrder(b.log.all())
		})
	}

	t.Run("JWT-8 INIT-3 an expired token is refused, also by a browser whose clock is slow", func(t *testing.T) {
		t.Parallel()
		customer := fresh("clock")
		expired := w.tokenWith(t, customer, jwt.MapClaims{"exp": time.Now().Add(-time.Minute).Unix()})
		b := newTab(t, "customer")
		b.allow(networkTrouble)
		b.open(w.origin.url + "/t/fast.html")
		p := w.params(t, customer, tokenOptions{})
		p["token"] = expired
		for _, ahead := range []float64{0, -3600, 3600} {
			b.wants("INIT-3", map[string]any{"code": "ACS-305"}, `clock.set(%s); const { error } = await t.init(%s, {}); return { code: error && error.code }`, ahead, p)
		}
	})
}

func TestRowsTokenRate(t *testing.T) {
	t.Parallel()
	w := shared(t)
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
			f := w.faulty(t)
			customer := fresh("rate")
			tokens := []string{w.tokenWith(t, customer, jwt.MapClaims{"exp": time.Now().Add(100 * time.Second).Unix()})}
			given := w.tokenWith(t, customer, tt.claims)
			if tt.fresh {
				tokens = append(tokens, variants(t, 200, given)...)
			} else {
				tokens = append(tokens, given)
			}
			b := w.clockPage(t, f.origin, 0, customer, tokens...)
			const seconds = 14 // of real time; each event may come twice
			b.js(nil, `await new Promise((f) => setTimeout(f, %s))`, seconds*1000)
			if n := b.asked(); n < 1 || n > 4 {
				t.Errorf("JWT-6: %d tokens asked for in %d s", n, seconds)
			}
			if n := len(f.lines.all()); n > 10 {
				t.Errorf("JWT-6: %d connections in %d s", n, seconds)
			}
			b.js(nil, `sdk.setJwtToken(%s)`, w.tokenWith(t, customer, nil))
			id := createChat(b)
			b.waitEvent("MESSAGE_ARRIVED", nil)
			send(b, id, "goes on")
		})
	}
}

func TestRowsTokenRefusedLater(t *testing.T) {
	t.Parallel()
	w := shared(t)

	t.Run("JWT-7 EV-7 NS-9 the stream is refused once: it comes back by itself, and a token is asked for", func(t *testing.T) {
		t.Parallel()
		f := w.faulty(t)
		customer := fresh("refused")
		b := w.clockPage(t, f.origin, 0, customer, w.tokenWith(t, customer, nil))
		id := createChat(b)
		b.waitEvent("MESSAGE_ARRIVED", nil)
		mark := b.mark()
		f.last().close(4403, "the token or appkey was refused") // as gateways of version 0.1 say it
		failed := failures(t, []entry{b.since(mark, "EVENT_STREAM_FAILED", 1)})[0]
		if failed.Reason != "FORBIDDEN" || failed.RetryAfter < 1 {
			t.Errorf("EV-7: %+v", failed)
		}
		b.since(mark, "TOKEN_EXPIRY_REMINDER", 1)
		b.wants("NS-9", map[string]any{"code": ""}, `return { code: await code(() => sdk.retryConnection()) }`)
		b.since(mark, "EVENT_STREAM_CONNECTED", 1)
		send(b, id, "back")
		b.since(mark, "MESSAGE_DELIVERED", 1)
	})

	t.Run("JWT-7 tokens of a back end whose clock is ahead: refused at first, taken when their time has come", func(t *testing.T) {
		t.Parallel()
		f := w.faulty(t)
		customer := fresh("refused")
		early := w.tokenWith(t, customer, jwt.MapClaims{"iat": time.Now().Add(44 * time.Second).Unix()}) // 30 s are tolerated
		first := w.tokenWith(t, customer, jwt.MapClaims{"exp": time.Now().Add(9 * time.Second).Unix()})
		b := w.clockPage(t, f.origin, 0, customer, first, early)
		id := createChat(b)
		b.waitEvent("MESSAGE_ARRIVED", nil)
		// The one before goes on being used until its end, then the early one is tried again.
		b.waitEvent("TOKEN_EXPIRED", nil)
		mark := b.mark()
		b.since(mark, "EVENT_STREAM_CONNECTED", 1)
		send(b, id, "in time")
		b.since(mark, "MESSAGE_DELIVERED", 1)
		if n := len(f.lines.all()); n > 12 {
			t.Errorf("JWT-7: %d connections", n)
		}
	})

	t.Run("JWT-7 JWT-5 calls are refused with a new token while the one before is valid", func(t *testing.T) {
		t.Parallel()
		f := w.faulty(t)
		customer := fresh("refused")
		b := w.clockPage(t, f.origin, 0, customer, w.tokenWith(t, customer, nil))
		id := createChat(b)
		b.waitEvent("MESSAGE_ARRIVED", nil)
		refused := w.tokenWith(t, customer, jwt.MapClaims{"iss": "another issuer"})
		b.js(nil, `sdk.setJwtToken(%s)`, refused)
		send(b, id, "with the one before")
		b.waitEvent("MESSAGE_DELIVERED", nil)
		b.wantNone("JWT-7", 0, "TOKEN_EXPIRED", "SHUTDOWN")
	})

	t.Run("INIT-4 an appkey that the gateway refuses does not read as a bad token", func(t *testing.T) {
		t.Parallel()
		b := newTab(t, "customer")
		b.allow(networkTrouble)
		b.open(w.origin.url + "/t/page.html")
		p := w.params(t, fresh("appkey"), tokenOptions{})
		p["appkey"] = "not this one"
		var text string
		b.js(&text, `const { error } = await t.init(%s, {}); return error.text`, p)
		if !strings.HasPrefix(text, "ACS-302: ") || !strings.Contains(text, "appkey") || strings.Contains(text, "JWT") {
			t.Errorf("INIT-4: %q", text)
		}
	})

	t.Run("INIT-3 JWT-4 an exp in milliseconds is said so", func(t *testing.T) {
		t.Parallel()
		customer := fresh("millis")
		b := newTab(t, "customer")
		b.open(w.origin.url + "/t/page.html")
		p := w.params(t, customer, tokenOptions{})
		p["token"] = w.tokenWith(t, customer, jwt.MapClaims{"exp": time.Now().Add(time.Hour).UnixMilli()})
		var text string
		b.js(&text, `const { error } = await t.init(%s, {}); return error.text`, p)
		if !strings.HasPrefix(text, "ACS-305: ") || !strings.Contains(text, "milliseconds") {
			t.Errorf("INIT-3: %q", text)
		}
	})
}

func TestDebugLines(t *testing.T) {
	t.Parallel()
	w := shared(t)
	f := w.faulty(t)
	customer := fresh("debug")
	b := newTab(t, "customer")
	b.allow(networkTrouble)
	b.open(f.url + "/t/page.html")
	p := w.params(t, customer, tokenOptions{})
	p["sessionParameters"] = map[string]string{"secret-key": "secret-value"}
	b.js(nil, `
		t.lines = [];
		for (const level of ["debug", "info", "warn", "error"]) {
			const real = console[level];
			console[level] = (...what) => { t.lines.push(what.map(String).join(" ")); real.apply(console, what); };
		}
		const { error } = await t.init(%s, {logLevel: "DEBUG"});
		if (error) throw new Error(error.text);`, p)
	id := createChat(b)
	b.waitEvent("MESSAGE_ARRIVED", nil)
	f.rest(func(rw http.ResponseWriter, r *http.Request) bool {
		if isSend(r) {
			f.rest(nil)
			problem(rw, 503, "server-error", "")
			return true
		}
		return false
	})
	send(b, id, "a confidential text")
	mark := b.mark()
	f.last().cut()
	b.since(mark, "EVENT_STREAM_CONNECTED", 1)
	// No event of it can come before its answer.
	b.js(nil, `await sdk.getEngagements()`)
	var lines []string
	b.eval(&lines, `t.lines`)
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
