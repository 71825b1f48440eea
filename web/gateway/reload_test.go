package gateway

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"openchat/sdk/wire"
	"openchat/web/jwks"
)

func TestATokenCountsForItsAgeOnly(t *testing.T) {
	key, public := newKey(t)
	w := newEnvironment(t, func(c *Config) {
		c.Keys, c.MaxTokenAge = []Key{{PEM: public, Accounts: []string{account}}}, 2*time.Hour
	})
	now := time.Now()
	aged := func(iat any, exp time.Duration) string {
		return signedBy(t, key, "", func(c jwt.MapClaims) {
			if c["iat"] = iat; iat == nil {
				delete(c, "iat")
			}
			c["exp"] = now.Add(exp).Unix()
		})
	}
	w.taken("an hour old", aged(now.Add(-time.Hour).Unix(), 24*time.Hour), appkey)
	w.taken("of an age that does not show, and soon over", aged(nil, time.Hour), appkey)
	if r := w.call("GET", "/sessions/"+unknownID, aged(now.Add(-2*time.Hour).Unix(), time.Hour), ""); r.status != http.StatusUnauthorized || !strings.Contains(string(r.body), `"iat"`) {
		t.Errorf("too old: %d %s", r.status, r.body)
	}
	s := w.dial(unknownID)
	s.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: aged(now.Add(-2*time.Hour).Unix(), time.Hour), Appkey: appkey, ClientID: clientOne})
	s.closed(wire.CloseTokenExpired)
	if status, p, _ := w.attempt(aged(nil, 3*time.Hour), appkey); status != http.StatusUnauthorized || !p.Has("iat") {
		t.Errorf("of an age that does not show: %d %+v", status, p)
	}

	// A running stream ends when its token has reached the age.
	ann := &chat{w: w, token: aged(now.Add(-2*time.Hour+3*time.Second).Unix(), time.Hour)}
	ann.session = must(w, wire.DecodeSession, "POST", "/sessions", ann.token, `{"integrationId":"`+integration+`"}`)
	open, _ := ann.open(clientOne, 0)
	open.closed(wire.CloseTokenExpired)

	any := newEnvironment(t, func(c *Config) { c.Keys, c.MaxTokenAge = []Key{{PEM: public}}, -1 })
	any.taken("of any age", aged(now.Add(-1000*time.Hour).Unix(), time.Hour), appkey)
	day := newEnvironment(t, func(c *Config) { c.Keys = []Key{{PEM: public}} })
	day.taken("of most of a day", aged(now.Add(-23*time.Hour).Unix(), time.Hour), appkey)
	if r := day.call("GET", "/sessions/"+unknownID, aged(now.Add(-25*time.Hour).Unix(), time.Hour), ""); r.status != http.StatusUnauthorized {
		t.Errorf("of more than a day: %d", r.status)
	}
}

func TestMintedTokensCountNoLongerThanATokenMay(t *testing.T) {
	w := newEnvironment(t, func(c *Config) { c.MaxTokenAge, c.GetJWTTime = 5*time.Minute, 30*time.Minute })
	for path, headers := range map[string][]string{
		"/v1/getJWT": nil,
		wire.BasePath + "/accounts/" + account + "/tokens": {"Authorization", "Bearer " + serverSecret, "appkey", appkey},
	} {
		r := w.request("POST", path, "", `{"customerId":"ann","integrationId":"`+integration+`"}`, headers...)
		claims, err := wire.ReadToken(field(t, r.body, "jwtToken"))
		if left := time.Until(claims.Expiry); err != nil || left > 5*time.Minute || left < 4*time.Minute {
			t.Errorf("%s: holds for %v, %v", path, left, err)
		}
	}
}

// running is a customer with a stream.
func (w *environment) running(token string, headers ...string) *client {
	w.t.Helper()
	c := &chat{w: w, token: token}
	c.session = must(w, wire.DecodeSession, "POST", "/sessions", token, `{"integrationId":"`+integration+`"}`)
	s := w.dial(c.session.SessionID, headers...)
	s.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: token, Appkey: appkey, ClientID: clientOne})
	if f := s.read(); f.Type != wire.FrameReady {
		w.t.Fatalf("got %+v instead of ready", f)
	}
	return s
}

// runs wants a pong of the stream.
func (c *client) runs(what string) {
	c.w.t.Helper()
	c.write(`{"type":"ping"}`)
	if f, err := c.tryRead(); err != nil || f.Type != wire.FramePong {
		c.w.t.Errorf("the stream of %s: %+v, %v instead of a pong", what, f, err)
	}
}

func TestReloadEndsTheStreamsOfWhatIsWithdrawn(t *testing.T) {
	own, ownPublic := newKey(t)
	for _, c := range []struct {
		name     string
		withdraw func(*Config)
		reason   string
	}{
		{"a customer on the deny-list", func(c *Config) { c.DenyList = denyList(t, "sub ann") }, "sub is on the deny-list"},
		{"a token on the deny-list", func(c *Config) { c.DenyList = denyList(t, "jti the-token") }, "jti is on the deny-list"},
		{"its key", func(c *Config) { c.Keys = c.Keys[1:] }, "the key that has signed the token counts no longer"},
		{"its key's account", func(c *Config) { c.Keys = []Key{{PEM: ownPublic, Accounts: []string{otherAccount}}} }, "the key that has signed the token counts no longer"},
		{"its appkey", func(c *Config) { c.Tenants = []Tenant{{account, integration, "another"}, c.Tenants[2]} }, "appkey is not that of the token's account and integration"},
		{"its integration", func(c *Config) { c.Tenants = c.Tenants[1:] }, "integrationId is not one of the account's that are served here"},
		{"its account", func(c *Config) { c.Tenants = c.Tenants[1:2] }, "accountId is not served here"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, otherPublic := newKey(t)
			w := newEnvironment(t, func(c *Config) { c.Keys = []Key{{PEM: ownPublic}, {PEM: otherPublic}} })
			token := signedBy(t, own, "", func(c jwt.MapClaims) { c["jti"] = "the-token" })
			ann := w.running(token)
			bob := w.running(w.token("bob"))
			next := w.cfg
			if err := w.g.Reload(next); err != nil {
				t.Fatal(err)
			}
			ann.runs("ann, whom nothing concerns")
			c.withdraw(&next)
			if err := w.g.Reload(next); err != nil {
				t.Fatal(err)
			}
			if _, reason := ann.closedWith(wire.CloseTokenRefused); reason != c.reason {
				t.Errorf("closed for %q", reason)
			}
			if r := w.call("GET", "/sessions/"+unknownID, token, ""); r.status == http.StatusNotFound {
				t.Error("its calls are answered")
			}
			if len(next.Tenants) == len(w.cfg.Tenants) {
				bob.runs("bob, whom it does not concern")
			}
		})
	}
}

func TestReloadEndsStreamsOfOriginsThatAreWithdrawn(t *testing.T) {
	w := newEnvironment(t)
	page := w.running(w.token("ann"), "Origin", allowedOrigin)
	own := w.running(w.token("bob"), "Origin", w.http.URL)
	server := w.running(w.token("eve"))
	next := w.cfg
	next.AllowedOrigins = []string{"https://other.example"}
	if err := w.g.Reload(next); err != nil {
		t.Fatal(err)
	}
	page.closed(wire.CloseGoingAway)
	own.runs("the gateway's own page")
	server.runs("no page")
	if r := w.call("GET", "/sessions/"+unknownID, w.token("ann"), "", "Origin", allowedOrigin); r.status != http.StatusForbidden || r.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("the page's calls: %d", r.status)
	}
	if r := w.call("GET", "/sessions/"+unknownID, w.token("ann"), "", "Origin", "https://other.example"); r.status != http.StatusNotFound {
		t.Errorf("the next page's calls: %d", r.status)
	}
}

func TestReloadThatIsRefusedChangesNothing(t *testing.T) {
	w := newEnvironment(t)
	ann := w.running(w.token("ann"), "Origin", allowedOrigin)
	for name, change := range map[string]func(*Config){
		"no tenants":         func(c *Config) { c.Tenants = nil },
		"no key":             func(c *Config) { c.Signer, c.EnableGetJWT = nil, false },
		"a bad key":          func(c *Config) { c.Keys = []Key{{PEM: []byte("x")}} },
		"a bad origin":       func(c *Config) { c.AllowedOrigins = []string{"x"} },
		"a short credential": func(c *Config) { c.ServerCredential = "x" },
	} {
		next := w.cfg
		next.DenyList, next.AllowedOrigins, next.Quotas = denyList(t, "sub ann"), nil, Quotas{CustomerChats: 1}
		change(&next)
		if err := w.g.Reload(next); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	ann.runs("ann")
	w.taken("ann", w.token("ann"), appkey)
	chat := w.chat("ann")
	w.call("POST", "/engagements", chat.token, `{"sessionId":"`+chat.session.SessionID+`"}`)
	if r := w.call("POST", "/engagements", chat.token, `{"sessionId":"`+chat.session.SessionID+`"}`, "Origin", allowedOrigin); r.status != http.StatusCreated {
		t.Errorf("a third chat: %d %s", r.status, r.body)
	}
}

func TestReloadChangesQuotasAndKeepsWhatHasBeenUsed(t *testing.T) {
	w := newEnvironment(t, func(c *Config) { c.Quotas = Quotas{CustomerChatsPerHour: 3, CustomerChats: -1} })
	c := w.session("ann")
	create := func(want int) {
		t.Helper()
		if r := w.call("POST", "/engagements", c.token, `{"sessionId":"`+c.session.SessionID+`"}`); r.status != want {
			t.Errorf("%d %s, not %d", r.status, r.body, want)
		}
	}
	reload := func(q Quotas) {
		t.Helper()
		next := w.cfg
		next.Quotas = q
		if err := w.g.Reload(next); err != nil {
			t.Fatal(err)
		}
	}
	create(201)
	create(201)
	reload(Quotas{CustomerChatsPerHour: 2, CustomerChats: -1})
	create(429)
	reload(Quotas{CustomerChatsPerHour: 4, CustomerChats: -1})
	create(201)
	create(201)
	create(429)
	reload(Quotas{CustomerChatsPerHour: -1, CustomerChats: 4})
	create(409)
	reload(Quotas{CustomerChatsPerHour: -1, CustomerChats: -1})
	create(201)
}

func TestReloadOfWhatEveryTokenMustHaveHasAllComeBack(t *testing.T) {
	w := newEnvironment(t)
	ann := w.running(w.token("ann"))
	next := w.cfg
	next.MaxTokenAge = time.Hour
	if err := w.g.Reload(next); err != nil {
		t.Fatal(err)
	}
	ann.closed(wire.CloseGoingAway)
}

func TestAKeyThatASetLosesEndsItsStreams(t *testing.T) {
	one, _ := newKey(t)
	two, _ := newKey(t)
	s := newKeyServer(t)
	s.publish(t, "k-one", one, "k-two", two)
	var w *environment
	set, err := jwks.New(jwks.Config{Source: s.URL, Changed: func() {
		if w != nil {
			w.g.CheckStreams()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	w = newEnvironment(t, func(c *Config) { c.KeySets = []KeySet{{Set: set}} })
	ann := w.running(signedBy(t, one, "k-one"))
	bob := w.running(signedBy(t, two, "k-two", func(c jwt.MapClaims) { c["sub"] = "bob" }))
	s.publish(t)
	_ = set.Load(t.Context())
	ann.runs("ann, while the set cannot be read")
	s.publish(t, "k-two", two)
	if err := set.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, reason := ann.closedWith(wire.CloseTokenRefused); !strings.Contains(reason, "key") {
		t.Errorf("closed for %q", reason)
	}
	bob.runs("bob, whose key is still there")
}
