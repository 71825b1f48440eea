package gateway

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"openchat/sdk/wire"
	"openchat/tests/harness"
	"openchat/web/store"
)

const (
	account       = "ABCDEF"
	integration   = "6f9e2a1c-0d53-4c5e-9a52-1f6d0c6b7a01"
	appkey        = "the-app-key"
	otherAccount  = "UVWXYZ"
	otherKey      = "another-app-key"
	otherInt      = "7f9e2a1c-0d53-4c5e-9a52-1f6d0c6b7a02"
	sameAccInt    = "8f9e2a1c-0d53-4c5e-9a52-1f6d0c6b7a03"
	issuer        = "https://login.example"
	audience      = "chat"
	serverSecret  = "server-credential-of-the-tests"
	allowedOrigin = "https://shop.example"
	unknownID     = "00000000-0000-4000-8000-000000000000"
)

// environment is a gateway on a real socket with a real store.
type environment struct {
	t     testing.TB
	dir   string
	url   string
	key   ed25519.PrivateKey
	cfg   Config
	store *store.Store
	g     *Gateway
	http  *httptest.Server
	log   *harness.Output
	idle  time.Duration // of sessions, from the next start; 0: they do not expire

	secrets []string // what must not be in the log, besides what never may
}

func newEnvironment(t testing.TB, edit ...func(*Config)) *environment {
	t.Helper()
	return newEnvironmentOn(t, "", edit...)
}

// newEnvironmentOn has its store at a NATS server, or with "" inside.
func newEnvironmentOn(t testing.TB, url string, edit ...func(*Config)) *environment {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := &environment{t: t, dir: t.TempDir(), url: url, key: key, log: &harness.Output{}}
	signer, err := NewSigner(SignerConfig{ID: "k1", PEM: privatePEM(t, key), Issuer: issuer, Audience: audience})
	if err != nil {
		t.Fatal(err)
	}
	w.cfg = Config{
		Tenants: []Tenant{
			{Account: account, IntegrationID: integration, Appkey: appkey},
			{Account: otherAccount, IntegrationID: otherInt, Appkey: otherKey},
			{Account: account, IntegrationID: sameAccInt, Appkey: appkey},
		},
		Signer: signer, Issuer: issuer, Audience: audience,
		ServerCredential: serverSecret, EnableGetJWT: true,
		AllowedOrigins: []string{allowedOrigin},
		RequestRate:    -1, // the tests' own rate is not the subject
		Quotas:         Quotas{}.Unlimited(),
		Logger:         slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range edit {
		f(&w.cfg)
	}
	w.start()
	t.Cleanup(w.stop)
	return w
}

func privatePEM(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func (w *environment) start() {
	w.t.Helper()
	var err error
	w.store, err = store.Open(w.ctx(), store.Config{Dir: w.dir, URL: w.url, SessionIdle: w.idle, Logger: w.cfg.Logger, Traces: w.cfg.Traces})
	if err != nil {
		w.t.Fatal(err)
	}
	w.cfg.Store = w.store
	if w.g, err = New(w.cfg); err != nil {
		w.t.Fatal(err)
	}
	w.http = httptest.NewUnstartedServer(w.g.Handler())
	w.http.Config.ErrorLog = slog.NewLogLogger(w.cfg.Logger.Handler(), slog.LevelDebug)
	w.http.Start()
}

func (w *environment) stop() {
	if w.g == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := w.g.Close(ctx); err != nil {
		w.t.Errorf("closing: %v", err)
	}
	w.http.Close()
	w.store.Close()
	w.g = nil
	text := w.log.String()
	for _, secret := range append(w.secrets, "eyJ", "secret words", serverSecret, appkey, otherKey, "PRIVATE KEY") {
		if strings.Contains(text, secret) {
			w.t.Errorf("the log tells %q:\n%s", secret, text)
		}
	}
}

func (w *environment) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	w.t.Cleanup(cancel)
	return ctx
}

func (w *environment) token(customer string, edit ...func(*Claims)) string {
	w.t.Helper()
	c := Claims{CustomerID: customer, Account: account, IntegrationID: integration, CustomerName: "Name of " + customer, TTL: 15 * time.Minute}
	for _, f := range edit {
		f(&c)
	}
	token, err := w.cfg.Signer.Mint(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func holds(d time.Duration) func(*Claims) { return func(c *Claims) { c.TTL = d } }

// reply is an HTTP answer.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) problem() wire.Problem {
	p, _ := wire.DecodeProblem(r.body)
	return p
}

// request makes a call; headers alternate names and values and come last, so that they
// can replace the usual ones. An empty value takes the header away.
func (w *environment) request(method, path, token, body string, headers ...string) reply {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.ctx(), method, w.http.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("appkey", appkey)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			req.Header.Del(headers[i])
		} else {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	res, err := w.http.Client().Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, b}
}

func (w *environment) call(method, path, token, body string, headers ...string) reply {
	w.t.Helper()
	return w.request(method, wire.BasePath+path, token, body, headers...)
}

// must is call for what has to succeed.
func must[T any](w *environment, decode func([]byte) (T, error), method, path, token, body string) T {
	w.t.Helper()
	r := w.call(method, path, token, body)
	if r.status >= 300 {
		w.t.Fatalf("%s %s: %d %s", method, path, r.status, r.body)
	}
	v, err := decode(r.body)
	if err != nil {
		w.t.Fatalf("%s %s: %v in %s", method, path, err, r.body)
	}
	return v
}

// chat is a customer with a session and, after begin, an engagement it is in.
type chat struct {
	w       *environment
	token   string
	session wire.Session
	e       wire.Engagement
}

func (w *environment) session(customer string) *chat {
	w.t.Helper()
	c := &chat{w: w, token: w.token(customer)}
	c.session = must(w, wire.DecodeSession, "POST", "/sessions", c.token, `{"integrationId":"`+integration+`"}`)
	return c
}

func (w *environment) chat(customer string) *chat {
	w.t.Helper()
	c := w.session(customer)
	c.e = must(w, wire.DecodeEngagement, "POST", "/engagements", c.token, `{"sessionId":"`+c.session.SessionID+`"}`)
	c.join()
	return c
}

func (c *chat) ids() string {
	return `"sessionId":"` + c.session.SessionID + `","dialogId":"` + c.e.DialogID + `"`
}

func (c *chat) join() {
	c.w.t.Helper()
	c.e = must(c.w, wire.DecodeEngagement, "POST", "/engagements/"+c.e.EngagementID+":join", c.token, `{`+c.ids()+`}`)
}

func (c *chat) body(text, key string) string {
	return fmt.Sprintf(`{%s,"body":{"elementType":"text","elementText":{"text":%q}},"correlationId":%q}`, c.ids(), text, key)
}

func (c *chat) say(text, key string) wire.Message {
	c.w.t.Helper()
	return must(c.w, wire.DecodeMessage, "POST", "/engagements/"+c.e.EngagementID+"/messages", c.token, c.body(text, key))
}

// client is one end of an event stream.
type client struct {
	w    *environment
	conn *websocket.Conn
	more []string // frames that came with one that was read
}

func (w *environment) dial(sessionID string, headers ...string) *client {
	w.t.Helper()
	c, _, err := w.tryDial(sessionID, wire.Subprotocol, headers...)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *environment) tryDial(sessionID, protocol string, headers ...string) (*client, *http.Response, error) {
	h := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	conn, res, err := websocket.Dial(w.ctx(), w.http.URL+wire.BasePath+"/sessions/"+sessionID+"/events", &websocket.DialOptions{
		Subprotocols: []string{protocol}, HTTPHeader: h,
	})
	if err != nil {
		return nil, res, err
	}
	conn.SetReadLimit(wire.MaxServerFrame)
	w.t.Cleanup(func() { conn.CloseNow() })
	return &client{w: w, conn: conn}, res, nil
}

func (c *client) write(text string) {
	c.w.t.Helper()
	if err := c.conn.Write(c.w.ctx(), websocket.MessageText, []byte(text)); err != nil {
		c.w.t.Fatal(err)
	}
}

func (c *client) send(f wire.ClientFrame) {
	c.w.t.Helper()
	c.write(string(f.Append(nil)))
}

// tryNext returns the text of the next frame.
func (c *client) tryNext() (string, error) {
	if len(c.more) == 0 {
		_, text, err := c.conn.Read(c.w.ctx())
		if err != nil {
			return "", err
		}
		c.more = strings.Split(string(text), wire.FrameSeparator)
	}
	text := c.more[0]
	c.more = c.more[1:]
	return text, nil
}

func (c *client) tryRead() (wire.ServerFrame, error) {
	text, err := c.tryNext()
	if err != nil {
		return wire.ServerFrame{}, err
	}
	return wire.DecodeServerFrame([]byte(text))
}

// read returns the next frame that is not a ping, which it answers.
func (c *client) read() wire.ServerFrame {
	c.w.t.Helper()
	for {
		f, err := c.tryRead()
		if err != nil {
			c.w.t.Fatal(err)
		}
		if f.Type != wire.FramePing {
			return f
		}
		c.write(`{"type":"pong"}`)
	}
}

// closed reads on until the stream is closed and checks the code.
func (c *client) closed(code int) (before []wire.ServerFrame) {
	c.w.t.Helper()
	before, _ = c.closedWith(code)
	return before
}

// closedWith is closed, with the reason that came.
func (c *client) closedWith(code int) (before []wire.ServerFrame, reason string) {
	c.w.t.Helper()
	for {
		f, err := c.tryRead()
		if err != nil {
			if got := websocket.CloseStatus(err); int(got) != code {
				c.w.t.Errorf("closed with %d (%v), not %d", got, err, code)
			}
			var end websocket.CloseError
			errors.As(err, &end)
			return before, end.Reason
		}
		before = append(before, f)
	}
}

// open dials, authenticates and takes the ready frame.
func (c *chat) open(clientID string, last wire.EventID) (*client, wire.ServerFrame) {
	c.w.t.Helper()
	s := c.w.dial(c.session.SessionID)
	s.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: c.token, Appkey: appkey, ClientID: clientID, LastEventID: last})
	ready := s.read()
	if ready.Type != wire.FrameReady {
		c.w.t.Fatalf("a %s frame came instead of ready", ready.Type)
	}
	return s, ready
}

const (
	clientOne = "11111111-1111-4111-8111-111111111111"
	clientTwo = "22222222-2222-4222-8222-222222222222"
)

func TestConfig(t *testing.T) {
	w := newEnvironment(t)
	for _, c := range []struct {
		want string
		edit func(*Config)
	}{
		{"no store", func(c *Config) { c.Store = nil }},
		{"no tenant", func(c *Config) { c.Tenants = nil }},
		{`"abc" is not six letters`, func(c *Config) { c.Tenants = []Tenant{{"abc", integration, "k"}} }},
		{`"x" of account`, func(c *Config) { c.Tenants = []Tenant{{account, "x", "k"}} }},
		{"0 bytes", func(c *Config) { c.Tenants = []Tenant{{account, integration, ""}} }},
		{"twice", func(c *Config) { c.Tenants = append(slices.Clone(c.Tenants), c.Tenants[0]) }},
		{"issuer and audience", func(c *Config) { c.Issuer = "" }},
		{"the signer mints", func(c *Config) { c.Issuer = "x" }},
		{"at least 16", func(c *Config) { c.ServerCredential = "short" }},
		{"needs a signing key", func(c *Config) { c.Signer = nil }},
		{"no key", func(c *Config) { c.Signer, c.EnableGetJWT = nil, false }},
		{"not an origin", func(c *Config) { c.AllowedOrigins = []string{"https://a.example/x"} }},
		{"not an origin", func(c *Config) { c.AllowedOrigins = []string{"a.example"} }},
		{"heartbeat", func(c *Config) { c.HeartbeatInterval = time.Millisecond }},
		{"negative", func(c *Config) { c.MaxStreams = -1 }},
		{"at least 32", func(c *Config) { c.Keys = []Key{{Secret: []byte("short")}} }},
		{"not PEM", func(c *Config) { c.Keys = []Key{{PEM: []byte("x")}} }},
		{"not both", func(c *Config) { c.Keys = []Key{{PEM: []byte("x"), Secret: []byte("x")}} }},
		{`"PRIVATE KEY"`, func(c *Config) { c.Keys = []Key{{PEM: privatePEM(t, w.key)}} }},
	} {
		cfg := w.cfg
		c.edit(&cfg)
		g, err := New(cfg)
		if err == nil {
			g.Close(w.ctx())
			t.Errorf("taken, where %q was expected", c.want)
		} else if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q is not in %q", c.want, err)
		}
	}
}

func TestClose(t *testing.T) {
	w := newEnvironment(t)
	c := w.session("ann")
	s, _ := c.open(clientOne, 0)
	waiting := w.dial(c.session.SessionID) // not authenticated
	done := make(chan error, 1)
	g := w.g
	go func() { done <- g.Close(w.ctx()) }()
	s.closed(wire.CloseGoingAway)
	waiting.closed(wire.CloseGoingAway)
	if err := <-done; err != nil {
		t.Error(err)
	}
	_, res, err := w.tryDial(c.session.SessionID, wire.Subprotocol)
	if err == nil || res == nil || res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("a new stream after Close: %v %v", res, err)
	}
	if r := w.request("GET", "/healthz", "", ""); r.status != http.StatusServiceUnavailable {
		t.Errorf("health: %d", r.status)
	}
}

// A client that reads nothing must not hold up Close beyond its context.
func TestCloseHanging(t *testing.T) {
	w := newEnvironment(t)
	c := w.session("ann")
	c.open(clientOne, 0) // never reads again, so never answers the close frame
	ctx, cancel := context.WithTimeout(w.ctx(), 50*time.Millisecond)
	defer cancel()
	if err := w.g.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
