package gateway

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"openchat/sdk/wire"
	"openchat/web/jwks"
)

// signedBy is a token for ann, of another signer than the gateway's own.
func signedBy(t *testing.T, key ed25519.PrivateKey, kid string, edit ...func(jwt.MapClaims)) string {
	t.Helper()
	now := time.Now()
	claims := jwt.MapClaims{
		"iss": issuer, "aud": audience, "sub": "ann", "accountId": account, "integrationId": integration,
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "jti": "1",
	}
	for _, f := range edit {
		f(claims)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims)
	if kid != "" {
		token.Header["kid"] = kid
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func ofOther(c jwt.MapClaims) { c["accountId"], c["integrationId"] = otherAccount, otherInt }

func newKey(t *testing.T) (private ed25519.PrivateKey, public []byte) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return private, publicPEM(t, private.Public())
}

// attempt says what becomes of a token, at REST and at a stream: the status and the
// problem, and the close frame's reason.
func (w *environment) attempt(token, key string) (status int, p wire.Problem, reason string) {
	w.t.Helper()
	r := w.call("GET", "/sessions/"+unknownID, token, "", "appkey", key)
	s := w.dial(unknownID)
	s.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: token, Appkey: key, ClientID: clientOne})
	code := wire.CloseTokenRefused
	if r.status == http.StatusNotFound { // of the session: the token is taken
		code = wire.CloseSessionGone
	}
	_, reason = s.closedWith(code)
	return r.status, r.problem(), reason
}

func (w *environment) taken(what, token, key string) {
	w.t.Helper()
	if status, p, reason := w.attempt(token, key); status != http.StatusNotFound {
		w.t.Errorf("%s: refused with %d %+v, %q", what, status, p, reason)
	}
}

func TestAKeyOfOneAccountSignsForNoOther(t *testing.T) {
	one, onePublic := newKey(t)
	two, twoPublic := newKey(t)
	both, bothPublic := newKey(t)
	shared, sharedPublic := newKey(t)
	w := newEnvironment(t, func(c *Config) {
		c.Keys = []Key{
			{PEM: onePublic, Accounts: []string{account}}, {PEM: twoPublic, Accounts: []string{otherAccount}},
			{PEM: bothPublic, Accounts: []string{account, otherAccount}},
			// The same key twice, for an account each.
			{PEM: sharedPublic, Accounts: []string{account}}, {PEM: sharedPublic, Accounts: []string{otherAccount}},
		}
	})
	for _, key := range []ed25519.PrivateKey{one, both, shared} {
		w.taken("for its account", signedBy(t, key, ""), appkey)
	}
	for _, key := range []ed25519.PrivateKey{two, both, shared} {
		w.taken("for the other", signedBy(t, key, "", ofOther), otherKey)
	}
	for name, c := range map[string]struct{ token, key string }{
		"one's key for the other account": {signedBy(t, one, "", ofOther), otherKey},
		"the other's key for one":         {signedBy(t, two, ""), appkey},
	} {
		status, p, reason := w.attempt(c.token, c.key)
		if status != http.StatusForbidden || !p.Has("accountId") || reason != "accountId is not one that the token's key signs for" {
			t.Errorf("%s: %d %+v, %q", name, status, p, reason)
		}
	}
}

func TestTheKidSelectsTheKey(t *testing.T) {
	old, oldPublic := newKey(t)
	young, youngPublic := newKey(t)
	w := newEnvironment(t, func(c *Config) {
		c.Keys = []Key{{ID: "2025", PEM: oldPublic}, {ID: "2026", PEM: youngPublic}}
	})
	w.taken("the old key", signedBy(t, old, "2025"), appkey)
	w.taken("the new key", signedBy(t, young, "2026"), appkey)
	for name, c := range map[string]struct{ token, reason string }{
		"a key under the other's kid": {signedBy(t, old, "2026"), "the token was refused"},
		"without a kid":               {signedBy(t, old, ""), "the token was refused"},
		"an unknown kid":              {signedBy(t, old, "2027"), "the token names a key (kid) that is not known here"},
	} {
		status, p, reason := w.attempt(c.token, appkey)
		if status != http.StatusUnauthorized || len(p.Violations) > 0 || reason != c.reason || (name == "an unknown kid") != strings.Contains(p.Detail, "(kid)") {
			t.Errorf("%s: %d %+v, %q", name, status, p, reason)
		}
	}
}

// keyServer publishes a key set.
type keyServer struct {
	*httptest.Server
	mu   sync.Mutex
	text []byte // nil: it answers 500
}

func newKeyServer(t *testing.T) *keyServer {
	s := &keyServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.text == nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(s.text)
	}))
	t.Cleanup(s.Close)
	return s
}

// publish takes kid, key, kid, key …; nothing has it answer 500.
func (s *keyServer) publish(t *testing.T, keys ...any) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.text = nil; len(keys) == 0 {
		return
	}
	var list []map[string]string
	for i := 0; i < len(keys); i += 2 {
		public := keys[i+1].(ed25519.PrivateKey).Public().(ed25519.PublicKey)
		list = append(list, map[string]string{"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": keys[i].(string), "x": base64.RawURLEncoding.EncodeToString(public)})
	}
	var err error
	if s.text, err = json.Marshal(map[string]any{"keys": list}); err != nil {
		t.Fatal(err)
	}
}

func TestKeysOfAKeySetAreFoundWhenTheyAreNeeded(t *testing.T) {
	one, _ := newKey(t)
	two, _ := newKey(t)
	s := newKeyServer(t)
	s.publish(t, "k-one", one)
	set, err := jwks.New(jwks.Config{Source: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	w := newEnvironment(t, func(c *Config) {
		c.Signer, c.EnableGetJWT, c.KeySets = nil, false, []KeySet{{Set: set, Accounts: []string{account}}}
	})
	w.taken("a key that has not been read before", signedBy(t, one, "k-one"), appkey)
	w.taken("without a kid", signedBy(t, one, ""), appkey)
	if status, p, _ := w.attempt(signedBy(t, one, "k-one", ofOther), otherKey); status != http.StatusForbidden || !p.Has("accountId") {
		t.Errorf("for another account: %d %+v", status, p)
	}
	if status, _, reason := w.attempt(signedBy(t, two, "k-two"), appkey); status != http.StatusUnauthorized || !strings.Contains(reason, "(kid)") {
		t.Errorf("a key that is not published: %d, %q", status, reason)
	}
	s.publish(t)
	if set.Load(t.Context()) == nil {
		t.Error("a set that cannot be read was read")
	}
	w.taken("while the set cannot be read", signedBy(t, one, "k-one"), appkey)
	s.publish(t, "k-two", two)
	if err := set.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.taken("the next key", signedBy(t, two, "k-two"), appkey)
	if status, _, _ := w.attempt(signedBy(t, one, "k-one"), appkey); status != http.StatusUnauthorized {
		t.Errorf("a key that has been taken out: %d", status)
	}
}

func TestAppkeysOverlapWhileTheyAreChanged(t *testing.T) {
	w := newEnvironment(t, func(c *Config) {
		c.Tenants = append(c.Tenants, Tenant{account, strings.ToUpper(integration), "the-next-app-key"})
	})
	w.secrets = append(w.secrets, "the-next-app-key")
	token := w.token("ann")
	w.taken("the old one", token, appkey)
	w.taken("the next one", token, "the-next-app-key")
	if status, p, reason := w.attempt(token, otherKey); status != http.StatusForbidden || !p.Has("appkey") || !strings.HasPrefix(reason, "appkey ") {
		t.Errorf("another tenant's: %d %+v, %q", status, p, reason)
	}
	cfg := w.cfg
	for i := range MaxAppkeys {
		cfg.Tenants = append(cfg.Tenants, Tenant{account, integration, "appkey number " + string('0'+rune(i))})
	}
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "more than 4 appkeys") {
		t.Errorf("any number of appkeys is taken: %v", err)
	}
}

func TestAServerCredentialOfOneAccountGetsTokensOfNoOther(t *testing.T) {
	const one, two = "credential-of-account-one", "credential-of-account-two"
	w := newEnvironment(t, func(c *Config) {
		c.ServerCredentials = []ServerCredential{{one, []string{account}}, {two, []string{otherAccount}}}
	})
	w.secrets = append(w.secrets, one, two)
	ask := func(of, integration, key, credential string) int {
		t.Helper()
		r := w.request("POST", wire.BasePath+"/accounts/"+of+"/tokens", "", `{"customerId":"ann","integrationId":"`+integration+`"}`,
			"Authorization", "Bearer "+credential, "appkey", key)
		return r.status
	}
	for _, c := range []struct {
		name                     string
		of, integration, key, by string
		want                     int
	}{
		{"one's own", account, integration, appkey, one, 201},
		{"the other's own", otherAccount, otherInt, otherKey, two, 201},
		{"that of every account", otherAccount, otherInt, otherKey, serverSecret, 201},
		{"one's for the other", otherAccount, otherInt, otherKey, one, 403},
		{"the other's for one", account, integration, appkey, two, 403},
		{"one's for an account that is not served", "QQQQQQ", integration, appkey, one, 403},
	} {
		if got := ask(c.of, c.integration, c.key, c.by); got != c.want {
			t.Errorf("%s: %d, not %d", c.name, got, c.want)
		}
	}
	cfg := w.cfg
	cfg.ServerCredentials = append(cfg.ServerCredentials, ServerCredential{serverSecret, []string{account}})
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "given twice") || strings.Contains(err.Error(), serverSecret) {
		t.Errorf("the same credential for two purposes: %v", err)
	}
}
