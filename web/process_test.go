package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"openchat/sdk/wire"
	"openchat/tests/harness"
	"openchat/web/desk"
)

// limit is how long anything here may take; only a test that fails waits for it.
const limit = 30 * time.Second

var binary struct {
	once sync.Once
	path string
	dir  string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if binary.dir != "" {
		_ = os.RemoveAll(binary.dir)
	}
	os.Exit(code)
}

// built returns the path of the process under test, built once.
func built(t *testing.T) string {
	t.Helper()
	binary.once.Do(func() {
		if binary.dir, binary.err = os.MkdirTemp("", "gateway"); binary.err == nil {
			binary.path, binary.err = harness.BuildGateway(context.Background(), binary.dir)
		}
	})
	if binary.err != nil {
		t.Fatal(binary.err)
	}
	return binary.path
}

// running is the real process.
type running struct {
	*testing.T
	*harness.Process
}

// launch starts it and returns when it has printed its address.
func launch(t *testing.T, command string, args ...string) *running {
	t.Helper()
	p := &harness.Process{Name: "gateway", Path: command, Args: args, Ready: harness.AddressLine}
	t.Cleanup(p.Kill)
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &running{t, p}
}

func launchDemo(t *testing.T, data, addr string, more ...string) *running {
	t.Helper()
	dir := t.TempDir()
	build(t, dir, "")
	return launch(t, built(t), append([]string{"--demo", "--addr", addr, "--data", data, "--dist", dir}, more...)...)
}

// terminate asks it to stop and wants a clean end in time.
func (p *running) terminate(signal os.Signal) {
	p.Helper()
	p.Signal(signal)
	p.ended(stopWithin)
}

// ended wants a clean end in time.
func (p *running) ended(within time.Duration) {
	p.Helper()
	if err := p.Wait(within); err != nil {
		p.Error(err)
	}
}

// call returns status and body.
func (p *running) call(method, path, body string, header ...string) (int, []byte) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), limit)
	defer cancel()
	return harness.Call(ctx, p.T, method, p.URL+path, body, header...)
}

// customer speaks the browser's language by hand.
type customer struct {
	*running
	token, appkey string
	session       wire.Session
}

func (p *running) tokens(id, name string) (token, appkey string) {
	p.Helper()
	status, b := p.call("POST", "/v1/getJWT", fmt.Sprintf(`{"customerId":%q,"customerName":%q}`, id, name))
	var tokens struct {
		JWT    string `json:"jwtToken"`
		Appkey string `json:"appkey"`
	}
	if err := json.Unmarshal(b, &tokens); err != nil || status != 200 {
		p.Fatalf("getJWT answered %d %s", status, b)
	}
	return tokens.JWT, tokens.Appkey
}

func (p *running) customer(name string) *customer {
	p.Helper()
	c := &customer{running: p}
	c.token, c.appkey = p.tokens(uuid.NewString(), name)
	b := c.rest(201, "POST", "/sessions", fmt.Sprintf(`{"integrationId":%q,"correlationId":"s"}`, demoIntegrationID))
	var err error
	if c.session, err = wire.DecodeSession(b); err != nil {
		p.Fatal(err)
	}
	return c
}

func (c *customer) rest(want int, method, path, body string) []byte {
	c.Helper()
	status, b := c.call(method, wire.BasePath+path, body, "Authorization", "Bearer "+c.token, wire.HeaderAppkey, c.appkey)
	if status != want {
		c.Fatalf("%s %s answered %d %s, want %d", method, path, status, b, want)
	}
	return b
}

func (c *customer) create(parameters string) wire.Engagement {
	c.Helper()
	e, err := wire.DecodeEngagement(c.rest(201, "POST", "/engagements", fmt.Sprintf(`{"sessionId":%q,"engagementParameters":%s,"correlationId":"e"}`, c.session.SessionID, parameters)))
	if err != nil {
		c.Fatal(err)
	}
	return e
}

type stream struct {
	*customer
	conn *websocket.Conn
	last wire.EventID
	more [][]byte // frames that came with one that was read
}

func (c *customer) stream(last wire.EventID) *stream {
	c.Helper()
	conn, _, err := websocket.Dial(c.Context(), c.URL+wire.BasePath+"/sessions/"+c.session.SessionID+"/events", &websocket.DialOptions{Subprotocols: []string{wire.Subprotocol}})
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(wire.MaxServerFrame)
	f := wire.ClientFrame{Type: wire.FrameAuthenticate, Token: c.token, Appkey: c.appkey, ClientID: uuid.NewString(), LastEventID: last}
	if err := conn.Write(c.Context(), websocket.MessageText, f.Append(nil)); err != nil {
		c.Fatal(err)
	}
	s := &stream{customer: c, conn: conn, last: last}
	ready := s.read()
	if ready.Type != wire.FrameReady || !ready.Resumed {
		c.Fatalf("got %+v, want ready", ready)
	}
	if last == 0 {
		s.last = ready.LastEventID
	}
	return s
}

func (s *stream) read() wire.ServerFrame {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), limit)
	defer cancel()
	for {
		if len(s.more) == 0 {
			_, b, err := s.conn.Read(ctx)
			if err != nil {
				s.Fatalf("reading the stream: %v\n%s", err, s.Log.String())
			}
			s.more = bytes.Split(b, []byte(wire.FrameSeparator))
		}
		f, err := wire.DecodeServerFrame(s.more[0])
		s.more = s.more[1:]
		if err != nil {
			s.Fatal(err)
		}
		switch f.Type {
		case wire.FramePing:
			pong := wire.ClientFrame{Type: wire.FramePong}
			if err := s.conn.Write(ctx, websocket.MessageText, pong.Append(nil)); err != nil {
				s.Fatal(err)
			}
		case wire.FrameEvent:
			s.last = f.ID
			return f
		default:
			return f
		}
	}
}

// event wants the next event to be of that type.
func (s *stream) event(want wire.EventType) wire.Event {
	s.Helper()
	e := s.read().Event
	if e.Type != want {
		s.Fatalf("got %+v, want %s", e, want)
	}
	return e
}

func (s *stream) closed(code websocket.StatusCode) {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for {
		if _, _, err := s.conn.Read(ctx); err != nil {
			if got := websocket.CloseStatus(err); got != code {
				s.Errorf("closed with %v, want %d", err, code)
			}
			return
		}
	}
}

const (
	agentID = "6e8bd1f7-6b13-4f6e-9b8a-6a7b8d9e0f10"
	ann     = `{"agentId":"` + agentID + `","agentName":"Ann Agent"}`
)

func (p *running) agent(want int, method, path, body string) []byte {
	p.Helper()
	status, b := p.call(method, desk.BasePath+path, body, "Authorization", "Bearer "+demoDesk)
	if status != want {
		p.Fatalf("%s %s answered %d %s, want %d", method, path, status, b, want)
	}
	return b
}

func (p *running) chat(path string) (c desk.Chat) {
	p.Helper()
	if err := json.Unmarshal(p.agent(200, "GET", path, ""), &c); err != nil {
		p.Fatal(err)
	}
	return c
}

func TestChatAcrossTheProcess(t *testing.T) {
	data := t.TempDir()
	p := launchDemo(t, data, "127.0.0.1:0")
	c := p.customer("Cleo")
	s := c.stream(0)
	e := c.create(`{"topic":"Billing"}`)
	path := "/engagements/" + e.EngagementID

	t.Run("EV-13 a chat's first events", func(t *testing.T) {
		if got := s.event(wire.EventEngagementActive); got.SessionID != c.session.SessionID || got.EngagementID != e.EngagementID {
			t.Errorf("got %+v", got)
		}
		if got := s.event(wire.EventParticipantAdded); got.Participant.ParticipantType != wire.ParticipantCustomer || got.Participant.DisplayName != "Cleo" || got.Participant.ParticipantID != c.session.ParticipantID {
			t.Errorf("got %+v", got)
		}
		if got := s.event(wire.EventParticipantAdded); got.Participant.ParticipantType != wire.ParticipantBot {
			t.Errorf("got %+v", got)
		}
		if got := s.event(wire.EventMessages); !strings.Contains(got.Message.Body.Text, "Cleo") || !strings.Contains(got.Message.Body.Text, "Billing") {
			t.Errorf("got %+v", got.Message)
		}
	})

	// The desk accepts and says; the customer gets it, and answers.
	p.agent(200, "POST", path+":accept", ann)
	s.event(wire.EventParticipantAdded)
	s.event(wire.EventParticipantDisconnected)
	if got := s.event(wire.EventMessages); got.Message.SenderParticipantType != wire.ParticipantSystem {
		t.Errorf("got %+v", got.Message)
	}
	p.agent(201, "POST", path+"/messages", `{"agentId":"`+agentID+`","text":"What about it?","correlationId":"1"}`)
	if got := s.event(wire.EventMessages); got.Message.Body.Text != "What about it?" || got.Message.SenderParticipantID != agentID {
		t.Errorf("got %+v", got.Message)
	}
	send := func(text string) {
		t.Helper()
		c.rest(201, "POST", path+"/messages", fmt.Sprintf(
			`{"sessionId":%q,"dialogId":%q,"body":{"elementType":"text","elementText":{"text":%q,"textFormat":"PLAINTEXT"}},"correlationId":%q}`,
			c.session.SessionID, e.DialogID, text, text))
	}
	send("It is high.")
	if got := s.event(wire.EventMessages); got.Message.Body.Text != "It is high." {
		t.Errorf("got %+v", got.Message)
	}

	// The process dies while the stream is open, with messages said that it has not received,
	// and a chat just begun.
	received := s.last
	send("Are you there?")
	second := p.customer("Dora")
	before := second.stream(0).last
	second.create(`{}`)
	p.Kill()
	if errors.As(p.Err(), new(*exec.ExitError)) == false {
		t.Fatalf("it was to be killed: %v", p.Err())
	}

	p = launchDemo(t, data, strings.TrimPrefix(p.URL, "http://"))
	c.running, second.running = p, p
	s = c.stream(received)
	if got := s.event(wire.EventMessages); got.Message.Body.Text != "Are you there?" {
		t.Errorf("after the restart came %+v", got.Message)
	}
	c.rest(200, "GET", "/sessions/"+c.session.SessionID, "")
	chat := p.chat(path)
	if chat.State != desk.StateActive || chat.NewestIndex != 5 || chat.CustomerName != "Cleo" || len(chat.Participants) != 2 {
		t.Errorf("after the restart the chat is %+v", chat)
	}
	page, err := wire.DecodeMessagePage(c.rest(200, "GET", path+"/messages?dialogId="+e.DialogID, ""))
	if err != nil || len(page.Messages) != 5 || page.Messages[4].Body.Text != "Are you there?" {
		t.Errorf("after the restart the history is %+v, %v", page, err)
	}
	// The one just begun gets its bot, whether before or after the end.
	other := second.stream(before)
	other.event(wire.EventEngagementActive)
	other.event(wire.EventParticipantAdded)
	other.event(wire.EventParticipantAdded)
	if got := other.event(wire.EventMessages); !strings.Contains(got.Message.Body.Text, "Dora") {
		t.Errorf("got %+v", got.Message)
	}

	p.agent(200, "POST", path+":end", ann)
	s.event(wire.EventMessages)
	if got := s.event(wire.EventParticipantDisconnected); got.Participant.ParticipantType != wire.ParticipantAgent {
		t.Errorf("got %+v", got)
	}
	if got := s.event(wire.EventParticipantDisconnected); got.Participant.ParticipantType != wire.ParticipantCustomer {
		t.Errorf("got %+v", got)
	}
	s.event(wire.EventEngagementTerminated)

	// A clean stop: streams and desks are closed with 1001, calls are answered.
	conn, _, err := websocket.Dial(t.Context(), p.URL+desk.BasePath+"/events", &websocket.DialOptions{Subprotocols: []string{desk.Subprotocol}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"authenticate","credential":"`+demoDesk+`"}`)); err != nil {
		t.Fatal(err)
	}
	var ended sync.WaitGroup
	ended.Go(func() { s.closed(wire.CloseGoingAway) })
	ended.Go(func() { other.closed(wire.CloseGoingAway) })
	ended.Go(func() { (&stream{customer: c, conn: conn}).closed(wire.CloseGoingAway) })
	p.terminate(syscall.SIGTERM)
	ended.Wait()
	for _, secret := range []string{c.token, demoDesk, demoHS256, "Are you there", "What about it", "Cleo"} {
		if strings.Contains(p.Log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

func TestDemoServesItsPages(t *testing.T) {
	p := launchDemo(t, t.TempDir(), "localhost:0", "--token-ttl", "5s")
	for _, path := range []string{"/", "/desk", "/desk/"} {
		if status, b := p.call("GET", path, ""); status != 200 || !bytes.Contains(b, []byte("<!DOCTYPE html>")) {
			t.Errorf("%s answered %d", path, status)
		}
	}
	if status, b := p.call("GET", "/avaya-ccaas-chat-sdk.wasm", ""); status != 200 || !bytes.HasPrefix(b, []byte("avaya-ccaas")) {
		t.Errorf("the wasm answered %d", status)
	}
	if status, b := p.call("GET", "/demo-config.json", ""); status != 200 || string(b) != `{"integrationId":"`+demoIntegrationID+`"}` {
		t.Errorf("the customer page's configuration answered %d %s", status, b)
	}
	if status, b := p.call("GET", "/desk/config.json", ""); status != 200 || string(b) != `{"credential":"`+demoDesk+`"}` {
		t.Errorf("the desk's configuration answered %d %s", status, b)
	}
	if status, b := p.call("GET", "/healthz", ""); status != 200 {
		t.Errorf("/healthz answered %d %s", status, b)
	}
	token, appkey := p.tokens("c-1", "Cleo")
	var claims struct {
		jwt.RegisteredClaims
		Name string `json:"customerName"`
	}
	if _, err := jwt.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return []byte(demoHS256), nil }); err != nil {
		t.Fatal(err)
	}
	if ttl := claims.ExpiresAt.Sub(claims.IssuedAt.Time); ttl != 5*time.Second || claims.Subject != "c-1" || claims.Name != "Cleo" || appkey != demoAppkey {
		t.Errorf("a token for %v: %+v", ttl, claims)
	}
	if status, b := p.call("POST", "/v1/getJWT", `{}`); status != 400 || !bytes.Contains(b, []byte("customerId")) {
		t.Errorf("getJWT for nobody answered %d %s", status, b)
	}
	p.terminate(os.Interrupt)
}

// The pages' policy lets them open both of this origin's streams, for which it names
// no ws: source, and nothing of another origin.
func TestPolicyInChromium(t *testing.T) {
	p := launchDemo(t, t.TempDir(), "127.0.0.1:0")
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	browser, end, err := harness.StartBrowser(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	page := &harness.Target{Context: browser}
	if err := page.Run(chromedp.Navigate(p.URL + "/desk")); err != nil {
		t.Fatal(err)
	}
	var result map[string]string
	if err := page.Eval(&result, `(async () => {
			const result = {violations: ""};
			document.addEventListener("securitypolicyviolation", e => result.violations += e.effectiveDirective + " " + e.blockedURI + "; ");
			const first = (path, protocol, hello) => new Promise(resolve => {
				const s = new WebSocket("ws://" + location.host + path, protocol);
				s.onopen = () => s.send(hello);
				s.onmessage = m => { resolve(JSON.parse(m.data).type); s.close(); };
				s.onclose = e => resolve("closed " + e.code);
			});
			result.desk = await first("`+desk.BasePath+`/events", "`+desk.Subprotocol+`", JSON.stringify({type: "authenticate", credential: "`+demoDesk+`"}));
			result.customer = await first("`+wire.BasePath+`/sessions/x/events", "`+wire.Subprotocol+`", "not JSON");
			result.before = result.violations;
			try {
				const s = new WebSocket("ws://`+other.Addr().String()+`/");
				result.other = await new Promise(resolve => { s.onopen = () => resolve("open"); s.onerror = () => resolve("refused"); });
			} catch (e) {
				result.other = "refused";
			}
			const script = document.createElement("script");
			try { script.text = "1"; result.types = "not enforced"; } catch { result.types = "enforced"; }
			return result;
		})()`); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"desk": "snapshot", "customer": "closed 4400", "before": "", "other": "refused", "types": "enforced"}
	for name, value := range want {
		if result[name] != value {
			t.Errorf("%s is %q, want %q", name, result[name], value)
		}
	}
	if !strings.Contains(result["violations"], "connect-src") {
		t.Errorf("another origin was not refused by the policy: %q", result["violations"])
	}
}

// newKeys makes a pair of keys for tokens, also as PEM files hold them.
func newKeys(t *testing.T) (key ed25519.PrivateKey, private, public []byte) {
	t.Helper()
	publicKey, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	privateDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	publicDER, err := x509.MarshalPKIXPublicKey(publicKey)
	if err != nil {
		t.Fatal(err)
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: privateDER}), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER})
}

func TestProduction(t *testing.T) {
	dir := t.TempDir()
	private, privatePEM, publicPEM := newKeys(t)
	for name, content := range map[string][]byte{
		"private.pem": privatePEM,
		"public.pem":  publicPEM,
		"server":      []byte("0123456789abcdef\n"),
		"garbage":     []byte("garbage"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	base := []string{"--addr", "127.0.0.1:0", "--dist", "", "--tenant", tenantText + "the-appkey", "--desk-credential", demoDesk}

	t.Run("serves no demo, and mints with the server credential", func(t *testing.T) {
		p := launch(t, built(t), append(base, "--data", t.TempDir(), "--jwt-private-key", file("private.pem"), "--server-credential", "@"+file("server"))...)
		for _, path := range []string{"/", "/desk", "/desk/", "/desk/config.json", "/docs", "/docs/", "/demo-config.json", "/avaya-ccaas-chat-sdk.js"} {
			if status, _ := p.call("GET", path, ""); status != 404 {
				t.Errorf("%s answered %d", path, status)
			}
		}
		if status, _ := p.call("POST", "/v1/getJWT", `{"customerId":"1"}`); status != 404 {
			t.Errorf("getJWT answered %d", status)
		}
		status, b := p.call("POST", wire.BasePath+"/accounts/ABCDEF/tokens", `{"customerId":"1","integrationId":"`+demoIntegrationID+`"}`,
			"Authorization", "Bearer 0123456789abcdef", wire.HeaderAppkey, "the-appkey")
		var minted struct {
			JWT string `json:"jwtToken"`
		}
		if err := json.Unmarshal(b, &minted); err != nil || status != 201 {
			t.Fatalf("the tokens call answered %d %s", status, b)
		}
		c := &customer{running: p, token: minted.JWT, appkey: "the-appkey"}
		c.rest(201, "POST", "/sessions", fmt.Sprintf(`{"integrationId":%q}`, demoIntegrationID))
		p.terminate(syscall.SIGTERM)
	})

	t.Run("another's public key is enough to verify with", func(t *testing.T) {
		p := launch(t, built(t), append(base, "--data", t.TempDir(), "--jwt-public-key", file("public.pem"), "--jwt-issuer", "us", "--jwt-audience", "chat")...)
		now := time.Now()
		token, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{
			"iss": "us", "aud": "chat", "sub": "1", "accountId": "ABCDEF", "integrationId": demoIntegrationID, "verifiedCustomer": false,
			"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "jti": uuid.NewString(),
		}).SignedString(private)
		if err != nil {
			t.Fatal(err)
		}
		c := &customer{running: p, token: token, appkey: "the-appkey"}
		c.rest(201, "POST", "/sessions", fmt.Sprintf(`{"integrationId":%q}`, demoIntegrationID))
	})

	t.Run("a key that is none", func(t *testing.T) {
		for _, args := range [][]string{
			{"--jwt-public-key", file("garbage")},
			{"--jwt-public-key", file("private.pem")},
			{"--jwt-public-key", file("missing")},
			{"--jwt-private-key", file("garbage"), "--server-credential", "@" + file("server")},
			{"--jwt-private-key", file("missing"), "--server-credential", "@" + file("server")},
		} {
			fails(t, exitFailed, []string{args[0]}, append(append(base, "--data", t.TempDir()), args...)...)
		}
	})
}

// fails runs the process and wants it to say, in one line, each of the words.
func fails(t *testing.T, code int, words []string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, built(t), args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	said := stderr.String()
	if !errors.As(err, &exit) || exit.ExitCode() != code || stdout.Len() != 0 || strings.Count(said, "\n") != 1 {
		t.Errorf("%q: %v, stdout %q, stderr %q; want exit %d and one line", args, err, &stdout, said, code)
	}
	for _, w := range words {
		if !strings.Contains(said, w) {
			t.Errorf("%q says %q, which does not hold %q", args, said, w)
		}
	}
}

func TestBadSurroundings(t *testing.T) {
	dir := t.TempDir()
	build(t, dir, "")
	demo := func(more ...string) []string {
		return append([]string{"--demo", "--addr", "127.0.0.1:0", "--data", t.TempDir(), "--dist", dir}, more...)
	}
	t.Run("port taken", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		fails(t, exitFailed, []string{l.Addr().String(), "something else does", "--addr"}, demo("--addr", l.Addr().String())...)
	})
	t.Run("an address that is not ours", func(t *testing.T) {
		fails(t, exitFailed, []string{"--addr"}, demo("--addr", "127.0.0.1:99999")...)
	})
	t.Run("unwritable data folder", func(t *testing.T) {
		// /proc refuses root too.
		fails(t, exitFailed, []string{"/proc/data", "--data"}, demo("--data", "/proc/data")...)
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		fails(t, exitFailed, []string{file, "--data"}, demo("--data", file)...)
	})
	t.Run("data folder of another process", func(t *testing.T) {
		data := t.TempDir()
		launchDemo(t, data, "127.0.0.1:0")
		fails(t, exitFailed, []string{data, "another process", "--data"}, demo("--data", data)...)
	})
	t.Run("missing dist", func(t *testing.T) {
		empty := t.TempDir()
		fails(t, exitFailed, []string{"--dist", empty, "make build"}, demo("--dist", empty)...)
		fails(t, exitFailed, []string{"--dist", "make build"}, demo("--dist", "/no/such/folder")...)
	})
	t.Run("malformed flags", func(t *testing.T) {
		fails(t, exitMisused, []string{"-no-such-flag", "--help"}, demo("--no-such-flag")...)
		fails(t, exitMisused, []string{"heartbeat-interval"}, demo("--heartbeat-interval", "soon")...)
		fails(t, exitMisused, []string{"--tenant", "--jwt-public-key", "--desk-credential", "--demo"}, "--addr", "127.0.0.1:0")
	})
	t.Run("a demo for others", func(t *testing.T) {
		fails(t, exitMisused, []string{"loopback", "127.0.0.1"}, demo("--addr", "0.0.0.0:0")...)
	})
	t.Run("no NATS at the URL", func(t *testing.T) {
		fails(t, exitFailed, []string{"NATS", "--nats-url"}, demo("--nats-url", "nats://127.0.0.1:1")...)
	})
}

// A stream is a file: however low the soft limit, the hard one counts.
func TestOpenFiles(t *testing.T) {
	dir := t.TempDir()
	build(t, dir, "")
	p := launch(t, "sh", "-c", `ulimit -Sn 256 && exec "$0" "$@"`, built(t), "--demo", "--addr", "127.0.0.1:0", "--data", t.TempDir(), "--dist", dir)
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", p.PID()))
	if err != nil {
		t.Skip("this system has no /proc to look at")
	}
	m := regexp.MustCompile(`Max open files +(\S+) +(\S+)`).FindSubmatch(b)
	if m == nil {
		t.Fatalf("no limit in %s", b)
	}
	soft, _ := strconv.Atoi(string(m[1]))
	hard, _ := strconv.Atoi(string(m[2]))
	if soft < hard-1 { // the runtime leaves one
		t.Errorf("%d of %d open files", soft, hard)
	}
}

// upload begins a call whose body is not complete: the gateway is in the middle of it.
type upload struct {
	*running
	conn net.Conn
	rest string
}

func (c *customer) upload(path, body string) *upload {
	c.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.URL, "http://"))
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = conn.Close() })
	head := fmt.Sprintf("POST %s%s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n%s: %s\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n",
		wire.BasePath, path, c.token, wire.HeaderAppkey, c.appkey, len(body))
	if _, err := io.WriteString(conn, head); err != nil {
		c.Fatal(err)
	}
	// The server says this when the call asks for its body: it has begun.
	_ = conn.SetReadDeadline(time.Now().Add(limit))
	said := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
	if _, err := io.ReadFull(conn, said); err != nil || !strings.Contains(string(said), " 100 ") {
		c.Fatalf("the call began with %q, %v", said, err)
	}
	return &upload{c.running, conn, body}
}

// finish sends the body, and wants that status and the connection's end.
func (u *upload) finish(want int) {
	u.Helper()
	if _, err := io.WriteString(u.conn, u.rest); err != nil {
		u.Fatal(err)
	}
	u.answered(want)
}

func (u *upload) answered(want int) {
	u.Helper()
	res, err := http.ReadResponse(bufio.NewReader(u.conn), nil)
	if err != nil {
		u.Fatalf("the call in progress got no answer: %v", err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); err != nil || res.StatusCode != want {
		u.Errorf("the call in progress was answered %d %s, %v; want %d", res.StatusCode, b, err, want)
	}
	if !res.Close {
		u.Error("the answer keeps the connection open")
	}
	if want == http.StatusServiceUnavailable && res.Header.Get("Retry-After") == "" {
		u.Error("a call that was broken off does not say when to come back")
	}
}

// refuses wants 503, and a header that closes the connection.
func (p *running) refuses(method, path string, header ...string) {
	p.Helper()
	r, err := http.NewRequestWithContext(p.Context(), method, p.URL+path, strings.NewReader("{}"))
	if err != nil {
		p.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := (&http.Transport{}).RoundTrip(r)
	if err != nil {
		p.Fatalf("%s %s while it stops: %v", method, path, err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	if problem, err := wire.DecodeProblem(b); err != nil || res.StatusCode != 503 || problem.Status != 503 {
		p.Errorf("%s %s while it stops: %d %s", method, path, res.StatusCode, b)
	}
	if res.Header.Get("Retry-After") != "1" || !res.Close {
		p.Errorf("%s %s while it stops: Retry-After %q, closes %v", method, path, res.Header.Get("Retry-After"), res.Close)
	}
}

// health wants the health calls to answer with these statuses.
func (p *running) health(livez, readyz int) {
	p.Helper()
	for path, want := range map[string]int{"/livez": livez, "/readyz": readyz, "/healthz": readyz} {
		if status, b := p.call("GET", path, ""); status != want {
			p.Errorf("%s answered %d %s, want %d", path, status, b, want)
		}
	}
}

func TestGracefulStop(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(fmt.Sprint("refuses, drains and ends: ", sig), func(t *testing.T) {
			p := launchDemo(t, t.TempDir(), "127.0.0.1:0")
			c := p.customer("Cleo")
			s := c.stream(0)
			calls := c.upload("/engagements", fmt.Sprintf(`{"sessionId":%q,"correlationId":"u"}`, c.session.SessionID))
			p.Signal(sig)
			s.closed(wire.CloseGoingAway)
			auth := []string{"Authorization", "Bearer " + c.token, wire.HeaderAppkey, c.appkey}
			p.refuses("GET", "/healthz")
			p.refuses("POST", wire.BasePath+"/sessions", append(auth, "Origin", p.URL)...)
			p.refuses("GET", wire.BasePath+"/engagements?sessionId="+c.session.SessionID, auth...)
			p.refuses("POST", "/v1/getJWT")
			p.refuses("GET", desk.BasePath+"/engagements", "Authorization", "Bearer "+demoDesk)
			for _, events := range []struct{ path, protocol string }{
				{wire.BasePath + "/sessions/" + c.session.SessionID + "/events", wire.Subprotocol},
				{desk.BasePath + "/events", desk.Subprotocol},
			} {
				_, res, err := websocket.Dial(t.Context(), p.URL+events.path, &websocket.DialOptions{Subprotocols: []string{events.protocol}})
				if err == nil || res == nil || res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
					t.Errorf("a stream at %s while it stops: %v, %v", events.path, res, err)
				}
			}
			select {
			case <-p.Exited():
				t.Fatal("it ended with a call in progress")
			default:
			}
			calls.finish(201)
			p.ended(stopWithin)
		})
	}

	t.Run("--drain-delay: not ready, and served all the same", func(t *testing.T) {
		const delay = 3 * time.Second
		p := launchDemo(t, t.TempDir(), "127.0.0.1:0", "--drain-delay", delay.String())
		c := p.customer("Cleo")
		s := c.stream(0)
		p.health(200, 200)
		begun := time.Now()
		p.Signal(syscall.SIGTERM)
		for status := 200; status != 503; {
			status, _ = p.call("GET", "/readyz", "")
		}
		p.health(200, 503)
		c.create(`{}`)
		s.event(wire.EventEngagementActive)
		p.customer("Dora").stream(0)
		if served := time.Since(begun); served > delay {
			t.Fatalf("the calls took %v, so that this does not show that they are served for %v", served, delay)
		}
		s.closed(wire.CloseGoingAway)
		if served := time.Since(begun); served < delay {
			t.Errorf("streams were closed after %v, want %v at least", served, delay)
		}
		p.ended(stopWithin)
	})

	t.Run("clients that do nothing hold it up for its bound only", func(t *testing.T) {
		p := launchDemo(t, t.TempDir(), "127.0.0.1:0")
		c, other := p.customer("Cleo"), p.customer("Dora")
		c.stream(0) // takes nothing from now on, not even the close frame
		half := c.upload("/engagements", fmt.Sprintf(`{"sessionId":%q,"correlationId":"u"}`, c.session.SessionID))
		silent, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "http://")) // asks for nothing
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		s := other.stream(0)
		conn, _, err := websocket.Dial(t.Context(), p.URL+desk.BasePath+"/events", &websocket.DialOptions{Subprotocols: []string{desk.Subprotocol}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow() // a desk that does not authenticate, and takes nothing
		began := time.Now()
		p.Signal(syscall.SIGTERM)
		s.closed(wire.CloseGoingAway)
		if took := time.Since(began); took > drainWithin {
			t.Errorf("streams were closed after %v", took)
		}
		half.answered(503)
		p.ended(stopWithin - time.Since(began))
	})
}
