package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"openchat/sdk/wire"
	"openchat/web/desk"
)

// provider is an OpenID Connect provider on a loopback address.
type provider struct {
	*testing.T
	*httptest.Server
	key ed25519.PrivateKey
}

// deskAudience is what a provider's tokens are for, besides something else.
const deskAudience = "chat-desk"

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, _, _ := newKeys(t)
	p := &provider{T: t, key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, p.URL, p.URL+"/keys")
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":%q}]}`, base64.RawURLEncoding.EncodeToString(key.Public().(ed25519.PublicKey)))
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Server.Close)
	return p
}

// token signs an agent's claims, with others where change gives them.
func (p *provider) token(role desk.Role, change jwt.MapClaims) string {
	p.Helper()
	claims := jwt.MapClaims{
		"iss": p.URL, "aud": []string{"another", deskAudience}, "exp": time.Now().Add(time.Hour).Unix(),
		"agentId": uuid.NewString(), "name": "Ann", "role": role, "accounts": []string{"ABCDEF"},
	}
	for name, value := range change {
		claims[name] = value
	}
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims)
	t.Header["kid"] = "k"
	text, err := t.SignedString(p.key)
	if err != nil {
		p.Fatal(err)
	}
	return text
}

// deskCall is a call of whoever sends the credential.
func (p *running) deskCall(want int, credential, method, path string) string {
	p.Helper()
	body := ""
	if method == "POST" {
		body = "{}"
	}
	status, b := p.call(method, desk.BasePath+path, body, "Authorization", "Bearer "+credential)
	if status != want {
		p.Errorf("%s %s answered %d %s, want %d", method, path, status, b, want)
	}
	return string(b)
}

// deskSocket is a desk's connection.
type deskSocket struct {
	*running
	conn *websocket.Conn
}

// deskSocket returns one that has its snapshot, of a page of that origin; "": of no page.
func (p *running) deskSocket(credential, origin string) *deskSocket {
	p.Helper()
	conn, _, err := p.dialDesk(origin)
	if err != nil {
		p.Fatal(err)
	}
	s := &deskSocket{p, conn}
	s.write(fmt.Sprintf(`{"type":"authenticate","credential":%q}`, credential))
	if text, err := s.read(); err != nil || !strings.Contains(text, `"snapshot"`) {
		p.Fatalf("got %s, %v instead of the snapshot", text, err)
	}
	return s
}

func (p *running) dialDesk(origin string) (*websocket.Conn, *http.Response, error) {
	p.Helper()
	o := &websocket.DialOptions{Subprotocols: []string{desk.Subprotocol}, HTTPHeader: http.Header{}}
	if origin != "" {
		o.HTTPHeader.Set("Origin", origin)
	}
	ctx, cancel := context.WithTimeout(p.Context(), limit)
	defer cancel()
	conn, res, err := websocket.Dial(ctx, p.URL+desk.BasePath+"/events", o)
	if err == nil {
		p.Cleanup(func() { _ = conn.CloseNow() })
		conn.SetReadLimit(wire.MaxServerFrame)
	}
	return conn, res, err
}

func (s *deskSocket) write(text string) {
	s.Helper()
	if err := s.conn.Write(s.Context(), websocket.MessageText, []byte(text)); err != nil {
		s.Fatal(err)
	}
}

func (s *deskSocket) read() (string, error) {
	ctx, cancel := context.WithTimeout(s.Context(), limit)
	defer cancel()
	_, text, err := s.conn.Read(ctx)
	return string(text), err
}

// runs wants an answer to a ping.
func (s *deskSocket) runs(what string) {
	s.Helper()
	s.write(`{"type":"ping"}`)
	for {
		text, err := s.read()
		if err != nil {
			s.Fatalf("the desk of %s: %v", what, err)
		}
		if text == `{"type":"pong"}` {
			return
		}
	}
}

// closed reads to the end and wants it to have that code and reason.
func (s *deskSocket) closed(code int, reason string) {
	s.Helper()
	for {
		if _, err := s.read(); err != nil {
			var end websocket.CloseError
			if !errors.As(err, &end) || int(end.Code) != code || !strings.Contains(end.Reason, reason) {
				s.Errorf("the desk ended with %v, want %d %s", err, code, reason)
			}
			return
		}
	}
}

// Agents sign in at an issuer with the real process, which has no other way in.
func TestAgentsOfAnIssuer(t *testing.T) {
	t.Parallel()
	issuer, other := newProvider(t), newProvider(t)
	p := launch(t, built(t), append(twoTenants(t), "--desk-oidc-issuer", issuer.URL, "--desk-oidc-audience", deskAudience)...)
	id := p.begin("Cleo")
	path := "/engagements/" + id
	ann, sue := issuer.token(desk.RoleAgent, nil), issuer.token(desk.RoleSupervisor, jwt.MapClaims{"name": "Sue"})
	p.shown(ann, id)
	if me := p.deskCall(200, ann, "GET", "/me"); !strings.Contains(me, `"agentName":"Ann"`) || !strings.Contains(me, `"role":"agent"`) || !strings.Contains(me, `["ABCDEF"]`) {
		t.Errorf("/me answers %s", me)
	}
	p.deskCall(200, ann, "POST", path+":accept")
	p.deskCall(403, ann, "POST", path+":supervise")
	if chat := p.deskCall(200, sue, "POST", path+":supervise"); !strings.Contains(chat, `"displayName":"Sue"`) || !strings.Contains(chat, "SUPERVISOR") {
		t.Errorf("supervised: %s", chat)
	}
	p.deskCall(404, issuer.token(desk.RoleAgent, jwt.MapClaims{"accounts": []string{"GHIJKL"}}), "GET", path)

	for why, token := range map[string]string{
		"a token for another audience":             issuer.token(desk.RoleAgent, jwt.MapClaims{"aud": "another"}),
		"a token of another issuer":                issuer.token(desk.RoleAgent, jwt.MapClaims{"iss": other.URL}),
		"a token that no key of the issuer":        other.token(desk.RoleAgent, jwt.MapClaims{"iss": issuer.URL}),
		"a token that has expired":                 issuer.token(desk.RoleAgent, jwt.MapClaims{"exp": time.Now().Add(-time.Minute).Unix()}),
		"role must be agent or supervisor":         issuer.token("administrator", nil),
		"a token whose claims are missing, or not": issuer.token(desk.RoleAgent, jwt.MapClaims{"nbf": time.Now().Add(time.Hour).Unix()}),
	} {
		p.deskCall(401, token, "GET", "/me")
		p.logged(why)
		s := &deskSocket{running: p}
		var err error
		if s.conn, _, err = p.dialDesk(""); err != nil {
			t.Fatal(err)
		}
		s.write(fmt.Sprintf(`{"type":"authenticate","credential":%q}`, token))
		s.closed(wire.CloseTokenRefused, "credential refused")
	}
	// A socket is open no longer than its token counts.
	p.deskSocket(issuer.token(desk.RoleAgent, jwt.MapClaims{"exp": time.Now().Add(3 * time.Second).Unix()}), "").closed(wire.CloseTokenExpired, "token expired")
	if strings.Contains(p.Log.String(), "eyJ") {
		t.Error("a token is logged")
	}
	p.terminate(syscall.SIGTERM)
}

// SIGHUP has the process take another issuer and audience, or none; a bad one changes nothing.
func TestHangupChangesTheAgentsIssuer(t *testing.T) {
	t.Parallel()
	one, two := newProvider(t), newProvider(t)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	const shared = "desk-credential-of-all-the-time"
	file := filepath.Join(t.TempDir(), "gateway.env")
	settings := func(issuer, audience string) {
		t.Helper()
		lines := []string{"GATEWAY_DESK_CREDENTIAL=" + shared}
		if issuer != "" {
			lines = append(lines, "GATEWAY_DESK_OIDC_ISSUER="+issuer, "GATEWAY_DESK_OIDC_AUDIENCE="+audience)
		}
		write(t, file, lines...)
	}
	settings(one.URL, deskAudience)
	p := launch(t, built(t), append(twoTenants(t), "--environment-file", file)...)
	ann, bob := one.token(desk.RoleAgent, nil), two.token(desk.RoleAgent, jwt.MapClaims{"name": "Bob"})
	annSocket, sharedSocket := p.deskSocket(ann, ""), p.deskSocket(shared, "")

	for said, bad := range map[string][2]string{
		"the discovery document could not be fetched": {gone.URL, deskAudience},
		"--desk-oidc-issuer is not the URL":           {"http://login.example", deskAudience},
		"--desk-oidc-audience (for":                   {two.URL, ""},
		"another issuer's":                            {two.URL + "/", deskAudience},
	} {
		settings(bad[0], bad[1])
		p.hangup(said)
		p.deskCall(200, ann, "GET", "/me")
		p.deskCall(401, bob, "GET", "/me")
	}
	annSocket.runs("an agent whom nothing concerns")
	settings(one.URL, deskAudience)
	p.hangup("settings read again")
	annSocket.runs("an agent whom nothing concerns")

	settings(two.URL, deskAudience)
	p.hangup("settings read again")
	annSocket.closed(wire.CloseGoingAway, "issuer")
	p.deskCall(401, ann, "GET", "/me")
	p.deskCall(200, bob, "GET", "/me")
	bobSocket := p.deskSocket(bob, "")

	settings(two.URL, "another")
	p.hangup("settings read again")
	bobSocket.closed(wire.CloseGoingAway, "issuer")
	bobSocket = p.deskSocket(bob, "") // its token is for both
	p.deskCall(401, two.token(desk.RoleAgent, jwt.MapClaims{"aud": deskAudience}), "GET", "/me")

	settings("", "")
	p.hangup("settings read again")
	bobSocket.closed(wire.CloseTokenRefused, "credential refused")
	p.deskCall(401, bob, "GET", "/me")
	sharedSocket.runs("the shared credential")
	if log := p.Log.String(); strings.Contains(log, "at the next start") || strings.Contains(log, "eyJ") {
		t.Errorf("the log has:\n%s", log)
	}
	p.terminate(syscall.SIGTERM)
}

// SIGHUP withdraws an origin: its pages are refused at once, and the streams and desks that are
// open end with a reason; those of other origins and of no page go on.
func TestHangupWithdrawsAnOrigin(t *testing.T) {
	t.Parallel()
	const shared, shop, other = "desk-credential-of-all-the-time", "https://shop.example.com", "https://other.example.com"
	file := filepath.Join(t.TempDir(), "gateway.env")
	write(t, file, "GATEWAY_ALLOWED_ORIGINS="+shop, "GATEWAY_ALLOWED_ORIGINS="+other)
	p := launch(t, built(t), append(twoTenants(t), "--desk-credential", shared, "--environment-file", file)...)
	stream := func(name, origin string) *websocket.Conn {
		t.Helper()
		c := p.tokenFor(name)
		conn, _, err := websocket.Dial(t.Context(), p.URL+wire.BasePath+"/sessions/"+c.session.SessionID+"/events", &websocket.DialOptions{Subprotocols: []string{wire.Subprotocol}, HTTPHeader: http.Header{"Origin": {origin}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.CloseNow() })
		f := wire.ClientFrame{Type: wire.FrameAuthenticate, Token: c.token, Appkey: c.appkey, ClientID: uuid.NewString()}
		if err := conn.Write(t.Context(), websocket.MessageText, f.Append(nil)); err != nil {
			t.Fatal(err)
		}
		if _, b, err := conn.Read(t.Context()); err != nil || !strings.Contains(string(b), string(wire.FrameReady)) {
			t.Fatalf("got %s, %v instead of ready", b, err)
		}
		return conn
	}
	ann, bob := &deskSocket{p, stream("ann", shop)}, &deskSocket{p, stream("bob", other)}
	shopDesk, otherDesk, ownDesk, server := p.deskSocket(shared, shop), p.deskSocket(shared, other), p.deskSocket(shared, strings.TrimSuffix(p.URL, "/")), p.deskSocket(shared, "")

	write(t, file, "GATEWAY_ALLOWED_ORIGINS="+other)
	p.hangup("settings read again")
	const reason = "the page's origin is not allowed any more"
	ann.closed(wire.CloseGoingAway, reason)
	shopDesk.closed(wire.CloseGoingAway, reason)
	if _, res, err := p.dialDesk(shop); err == nil || res == nil || res.StatusCode != http.StatusForbidden {
		t.Errorf("a desk of that origin: %v", err)
	}
	for path, serves := range map[string]string{desk.BasePath + "/engagements": "the desk", wire.BasePath + "/engagements": "the gateway"} {
		for range 3 {
			if status, b := p.call("GET", path, "", "Authorization", "Bearer "+shared, "Origin", shop); status != http.StatusForbidden || !strings.Contains(string(b), "origin") {
				t.Errorf("a page of that origin at %s: %d %s", path, status, b)
			}
		}
		line := "origin is not allowed to call " + serves + `" origin=` + shop
		p.logged(line)
		if n := strings.Count(p.Log.String(), line); n != 1 {
			t.Errorf("%d lines of it about %s", n, serves)
		}
	}
	otherDesk.runs("another origin")
	ownDesk.runs("the gateway's own origin")
	server.runs("no page")
	bob.write(`{"type":"ping"}`)
	if text, err := bob.read(); err != nil || !strings.Contains(text, string(wire.FramePong)) {
		t.Errorf("a stream of another origin: %s, %v", text, err)
	}
	p.terminate(syscall.SIGTERM)
}
