package desk

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"openchat/sdk/wire"
)

// provider is an OpenID Connect provider at a real address.
type provider struct {
	*httptest.Server
	mu     sync.Mutex
	keys   map[string]ed25519.PrivateKey // those that it publishes
	broken bool
	asked  int // for its keys
}

func newProvider(t *testing.T, kids ...string) *provider {
	p := &provider{}
	p.publish(kids...)
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q,"more":[1]}`, p.URL, p.URL+"/keys?v=1")
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.asked++
		if p.broken {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		var list []string
		for kid, key := range p.keys {
			list = append(list, fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","use":"sig","kid":%q,"x":%q}`, kid,
				base64.RawURLEncoding.EncodeToString(key.Public().(ed25519.PublicKey))))
		}
		fmt.Fprintf(w, `{"keys":[%s]}`, strings.Join(list, ","))
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func keyOf(kid string) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte(fmt.Sprintf("%-32s", kid)))
}

func (p *provider) publish(kids ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = map[string]ed25519.PrivateKey{}
	for _, kid := range kids {
		p.keys[kid] = keyOf(kid)
	}
}

func (p *provider) fail(broken bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = broken
}

// token signs claims, changed by edit, with the key of that kid.
func (p *provider) token(kid, agentID string, edit func(jwt.MapClaims)) string {
	claims := jwt.MapClaims{
		"iss": p.URL, "aud": []string{"another", "chat-desk"}, "exp": time.Now().Add(time.Minute).Unix(),
		"agentId": agentID, "name": "Ann", "role": "agent", "accounts": []string{accountA},
	}
	if edit != nil {
		edit(claims)
	}
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims)
	t.Header["kid"] = kid
	text, err := t.SignedString(keyOf(kid))
	if err != nil {
		panic(err)
	}
	return text
}

func (p *provider) issuer(t *testing.T) *Issuer {
	t.Helper()
	i, err := NewIssuer(IssuerConfig{Issuer: p.URL, Audience: "chat-desk"})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// An agent with an issuer's token calls as who the token names, and as nobody else.
func TestAgentsSignInAtAnIssuer(t *testing.T) {
	p := newProvider(t, "one")
	issuer := p.issuer(t)
	f := newFixture(t, newStore(t), func(c *Config) { c.Access.Tokens = issuer })
	id := uuid.NewString()
	ann := signIn{Agent: Agent{ID: id, Name: "Ann"}, token: p.token("one", id, nil)}
	if b := f.does(ann, 200, "", "GET", "/me", ""); !strings.Contains(string(b), id) {
		t.Errorf("/me answers %s", b)
	}
	e := f.waiting("Cleo")
	path := "/engagements/" + e.EngagementID
	f.does(ann, 403, "agentId", "POST", path+":accept", newAgent("Bob").json())
	f.does(ann, 403, "agentId", "POST", path+":supervise", `{}`)
	f.does(ann, 200, "", "POST", path+":accept", `{}`)

	none, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"iss": p.URL}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	hs256, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": p.URL}).SignedString([]byte(keyOf("one").Public().(ed25519.PublicKey)))
	if err != nil {
		t.Fatal(err)
	}
	with := func(claim string, value any) string {
		return p.token("one", id, func(c jwt.MapClaims) {
			if c[claim] = value; value == nil {
				delete(c, claim)
			}
		})
	}
	for name, token := range map[string]string{
		"alg none":         none,
		"HS256":            hs256,
		"another key":      p.token("two", id, nil),
		"a changed token":  strings.Replace(ann.token, ".", ".e", 1),
		"another issuer":   with("iss", p.URL+"/"),
		"no issuer":        with("iss", nil),
		"another audience": with("aud", "another"),
		"no audience":      with("aud", nil),
		"expired":          with("exp", time.Now().Add(-time.Second).Unix()),
		"no expiry":        with("exp", nil),
		"not valid yet":    with("nbf", time.Now().Add(time.Minute).Unix()),
		"no agentId":       with("agentId", nil),
		"no name":          with("name", nil),
		"no role":          with("role", nil),
		"another role":     with("role", "admin"),
		"no accounts":      with("accounts", nil),
		"too long":         with("more", strings.Repeat("x", maxAgentToken)),
	} {
		if _, err := (&access{tokens: issuer}).find(t.Context(), token); err == nil || strings.Contains(err.Error(), "eyJ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A desk's socket is open for as long as its token counts.
func TestASocketEndsWithItsToken(t *testing.T) {
	p := newProvider(t, "one")
	issuer := p.issuer(t)
	f := newFixture(t, newStore(t), func(c *Config) { c.Access.Tokens = issuer })
	id := uuid.NewString()
	ends := time.Now().Add(2 * time.Second).Truncate(time.Second).Add(time.Second)
	c := f.dial()
	c.authenticateWith(fmt.Sprintf(`"credential":%q`, p.token("one", id, func(c jwt.MapClaims) { c["exp"] = ends.Unix() })))
	if !f.desk.present(accountA, id) {
		t.Error("the agent is not present")
	}
	c.closed(wire.CloseTokenExpired)
	if time.Now().Before(ends) {
		t.Error("it ended before the token")
	}
}

// Keys that the issuer replaces count as soon as they are read, and no longer once they are
// gone; those of before stay while it fails; and strangers' kids do not make it be asked.
func TestAnIssuersKeysAreReplaced(t *testing.T) {
	p := newProvider(t, "one")
	i := p.issuer(t)
	id := uuid.NewString()
	takes := func(kid string, want bool) {
		t.Helper()
		if _, _, err := i.Verify(t.Context(), p.token(kid, id, nil)); (err == nil) != want {
			t.Errorf("the key %s: %v", kid, err)
		}
	}
	takes("one", true)
	for n := range 50 {
		takes(fmt.Sprint("guess", n), false)
	}
	if p.asked != 1 {
		t.Errorf("the keys were fetched %d times", p.asked)
	}
	p.publish("one", "two")
	if err := i.set.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	takes("one", true)
	takes("two", true)
	p.fail(true)
	if i.set.Load(t.Context()) == nil {
		t.Fatal("the issuer has not failed")
	}
	takes("two", true)
	p.fail(false)
	p.publish("two")
	if err := i.set.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	takes("one", false)
	takes("two", true)
}

func TestIssuerURLs(t *testing.T) {
	for _, issuer := range []string{"", "login.example.com", "http://login.example.com", "https://a:b@login.example.com", "https://login.example.com/?x", "file:///etc/passwd", "https://"} {
		if _, err := NewIssuer(IssuerConfig{Issuer: issuer, Audience: "x"}); err == nil {
			t.Errorf("%q is taken", issuer)
		}
	}
	if _, err := NewIssuer(IssuerConfig{Issuer: "https://login.example.com/tenant"}); err == nil {
		t.Error("no audience is taken")
	}
}

// FuzzDiscovery reads every text as a discovery document.
func FuzzDiscovery(f *testing.F) {
	const issuer = "https://login.example.com"
	for _, text := range []string{
		`{"issuer":"https://login.example.com","jwks_uri":"https://login.example.com/keys?a=b"}`, `{"issuer":"https://login.example.com","jwks_uri":"/etc/passwd"}`,
		`{"issuer":"https://login.example.com","jwks_uri":"http://169.254.169.254/"}`, `{}`, `[]`, ``, `null`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		source, err := readDiscovery(text, issuer)
		if err == nil && !strings.HasPrefix(strings.ToLower(source), "https://") && !strings.HasPrefix(strings.ToLower(source), "http://") {
			t.Fatalf("taken: %q", source)
		}
	})
}

// FuzzIssuerToken verifies every text as a token: none is signed with a key that counts.
func FuzzIssuerToken(f *testing.F) {
	i, err := NewIssuer(IssuerConfig{Issuer: "http://127.0.0.1:1", Audience: "chat-desk"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		if _, _, err := i.Verify(context.Background(), token); err == nil || len(err.Error()) > 200 || strings.ContainsAny(err.Error(), "\r\n") {
			t.Fatalf("%v", err)
		}
	})
}

// Agents who have signed in at an issuer come back when another one is configured, and are out
// when there is none; those of credentials go on.
func TestAnotherIssuerHasItsAgentsComeBack(t *testing.T) {
	p := newProvider(t, "one")
	first, second := p.issuer(t), p.issuer(t)
	f := newFixture(t, newStore(t), func(c *Config) { c.Access.Tokens = first })
	set := func(tokens TokenVerifier) {
		t.Helper()
		if err := f.desk.SetAccess(Access{Credentials: []Credential{{credential, []string{"*"}}}, Tokens: tokens}); err != nil {
			t.Fatal(err)
		}
	}
	runs := func(c *client) {
		t.Helper()
		c.write(`{"type":"ping"}`)
		c.until(func(f deskFrame) bool { return f.Type == "pong" })
	}
	token := p.token("one", uuid.NewString(), nil)
	ann, shared := f.dial(), f.dial()
	ann.authenticateWith(fmt.Sprintf(`"credential":%q`, token))
	shared.authenticate()
	set(first)
	runs(ann)
	set(second)
	ann.closed(wire.CloseGoingAway)
	again := f.dial()
	again.authenticateWith(fmt.Sprintf(`"credential":%q`, token))
	set(nil)
	again.closed(wire.CloseTokenRefused)
	runs(shared)
}
