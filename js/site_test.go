package js_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
	"github.com/google/uuid"

	"openchat/sdk/wire"
	"openchat/tests/harness"
)

// These tests load the built script and wasm in Chromium, from a site that can also
// serve them wrongly, and let them talk to a stand-in gateway that does things in the
// order that a test wants. The journeys with the real gateway are in ../tests.

// patience bounds every wait.
const patience = 2 * time.Minute

const (
	script  = "avaya-ccaas-chat-sdk.js"
	wasm    = "avaya-ccaas-chat-sdk.wasm"
	dist    = "../dist/"
	account = "3b7a3d3a-8d7e-4f5c-9f39-0f1f3f6f2a11"
)

var startBrowser = sync.OnceValues(func() (context.Context, error) {
	if os.Getenv("OPENCHAT_DIST") != "fresh" {
		// It does nothing when dist/ is what the sources say.
		build := exec.Command("./build.sh")
		build.Dir = ".."
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build.sh: %w\n%s", err, out)
		}
	}
	ctx, end, err := harness.StartBrowser(context.Background())
	if err == nil {
		atEnd = append(atEnd, end)
	}
	return ctx, err
})

var atEnd []func()

func TestMain(m *testing.M) {
	code := m.Run()
	for i := range atEnd {
		atEnd[len(atEnd)-1-i]()
	}
	os.Exit(code)
}

// tab is one page of the site.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu      sync.Mutex
	console []string // "level: text"
}

// open loads a page of the site in a tab of its own.
func (s *site) open(t *testing.T, page string) *tab {
	t.Helper()
	browser, err := startBrowser()
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := chromedp.NewContext(browser)
	ctx, cancel := context.WithTimeout(ctx, patience)
	b := &tab{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventConsoleAPICalled:
			line := string(e.Type) + ":"
			for _, a := range e.Args {
				text := a.Description
				if json.Unmarshal(a.Value, &text) != nil && text == "" {
					text = string(a.Value)
				}
				line += " " + text
			}
			b.note(line)
		case *runtime.EventExceptionThrown:
			text := e.ExceptionDetails.Text
			if e.ExceptionDetails.Exception != nil {
				text += " " + e.ExceptionDetails.Exception.Description
			}
			b.note("uncaught: " + text)
		}
	})
	t.Cleanup(func() {
		if t.Failed() {
			b.mu.Lock()
			t.Logf("console:\n%s", strings.Join(b.console, "\n"))
			b.mu.Unlock()
		}
		cancel()
		end()
	})
	if err := chromedp.Run(ctx, chromedp.Navigate(s.URL+page)); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *tab) note(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.console = append(b.console, line)
}

// logged reports whether a console line holds text.
func (b *tab) logged(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range b.console {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}

// run runs the body of an async function in the page, with sdk and the helpers of
// /page.js, and returns the JSON of what it returns.
func (b *tab) run(body string) string {
	b.t.Helper()
	var result string
	err := chromedp.Run(b.ctx, chromedp.Evaluate(`(async () => { const sdk = window.AvayaCCaaSChatSDK;
		const result = await (async () => {`+body+`})(); return result === undefined ? "undefined" : JSON.stringify(result) })()`,
		&result, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	if err != nil {
		b.t.Fatalf("%v in\n%s", err, body)
	}
	return result
}

// want runs body and compares what it returns with the JSON of want.
func (b *tab) want(body string, want any) {
	b.t.Helper()
	text, err := json.Marshal(want)
	if err != nil {
		b.t.Fatal(err)
	}
	// Both through the same reader: the order of members is not compared.
	var is, should any
	got := b.run(body)
	json.Unmarshal([]byte(got), &is)
	json.Unmarshal(text, &should)
	a, _ := json.Marshal(is)
	if c, _ := json.Marshal(should); !bytes.Equal(a, c) {
		b.t.Errorf("got  %s\nwant %s\nfrom %s", got, text, strings.TrimSpace(body))
	}
}

// page.js runs before the page's own script and gives it helpers.
const pageJS = `
window.seen = [];      // all events, as [type, payload]
window.violations = [];
document.addEventListener("securitypolicyviolation", (e) => violations.push(e.violatedDirective + " " + e.blockedURI));
window.failure = (f) => { try { const r = f(); if (r && r.then) return r.then(() => "resolved", (e) => e.code); return "returned"; } catch (e) { return e.code || String(e); } };
window.event = (type) => new Promise((resolve) => {
  const old = seen.find((e) => e[0] === type && !e[2]);
  if (old) { old[2] = true; return resolve(old[1]); }
  (waiting[type] = waiting[type] || []).push(resolve);
});
window.waiting = {};
window.listen = (sdk) => { for (const type of Object.keys(sdk.EventType)) sdk.on(type, (payload) => {
  const w = (waiting[type] || []).shift();
  seen.push([type, payload, !!w]);
  if (w) w(payload);
}); };
window.params = {hostURL: location.origin + "/gw/", integrationId: "` + account + `", appkey: "key", token: "TOKEN"};
window.before = new Set(Object.getOwnPropertyNames(window));
`

// site serves pages, the SDK, and the stand-in gateway.
type site struct {
	*httptest.Server
	gateway *gateway

	absent  atomic.Bool   // the wasm of /sdk/late/ is answered 404
	release chan struct{} // what the wasm of /sdk/held/ waits for
}

// The policy that DESIGN promises to live under.
const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ws://*; worker-src 'self'; img-src data:; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

func newSite(t *testing.T) *site {
	t.Helper()
	if _, err := startBrowser(); err != nil {
		t.Fatal(err)
	}
	s := &site{gateway: newGateway(), release: make(chan struct{})}
	mux := http.NewServeMux()
	serve := func(w http.ResponseWriter, kind string, content []byte) {
		w.Header().Set("Content-Type", kind)
		w.Write(content)
	}
	read := func(name string) []byte {
		content, err := os.ReadFile(filepath.Join(dist, name))
		if err != nil {
			t.Error(err)
		}
		return content
	}
	// ?script= the SDK's script, ?wasm= its data-wasm-url, ?then= a script after it,
	// ?checked= for an integrity, ?csp=
	mux.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) {
		csp := policy
		if r.FormValue("csp") != "" {
			csp = r.FormValue("csp")
		}
		w.Header().Set("Content-Security-Policy", csp)
		page := `<!doctype html><title>test</title><link rel="icon" href="data:,"><script src="/page.js"></script>`
		attribute := ""
		if r.FormValue("wasm") != "" {
			attribute = ` data-wasm-url="` + r.FormValue("wasm") + `"`
		}
		if r.FormValue("checked") != "" {
			var info struct{ SHA384 map[string]string }
			json.Unmarshal(read("build-info.json"), &info)
			attribute += ` integrity="` + info.SHA384[script] + `"`
		}
		for _, path := range r.Form["script"] {
			page += `<script src="` + path + `"` + attribute + `></script>`
		}
		for _, path := range r.Form["then"] {
			page += `<script src="` + path + `"></script>`
		}
		serve(w, "text/html", []byte(page))
	})
	token := func() string {
		claims, _ := json.Marshal(map[string]any{"sub": "c1", "integrationId": account, "customerName": "Ann", "exp": time.Now().Add(time.Hour).Unix()})
		return "e30." + base64.RawURLEncoding.EncodeToString(claims) + ".c2ln"
	}
	mux.HandleFunc("/page.js", func(w http.ResponseWriter, r *http.Request) {
		serve(w, "text/javascript", []byte(strings.Replace(pageJS, "TOKEN", token(), 1)))
	})
	mux.HandleFunc("/then/{name}", func(w http.ResponseWriter, r *http.Request) {
		serve(w, "text/javascript", []byte(thenScripts[r.PathValue("name")]))
	})
	// The SDK, served in a way that the folder's name says.
	mux.HandleFunc("/sdk/{how}/"+script, func(w http.ResponseWriter, r *http.Request) {
		content := read(script)
		if r.PathValue("how") == "stamped" {
			var info struct{ Build string }
			json.Unmarshal(read("build-info.json"), &info)
			content = bytes.ReplaceAll(content, []byte(info.Build), []byte("9.9.9-other"))
		}
		serve(w, "text/javascript", content)
	})
	mux.HandleFunc("/sdk/{how}/"+wasm, func(w http.ResponseWriter, r *http.Request) {
		how := r.PathValue("how")
		content, kind := read(wasm), "application/wasm"
		switch how {
		case "missing":
			http.NotFound(w, r)
			return
		case "late":
			if s.absent.Load() {
				http.NotFound(w, r)
				return
			}
		case "html":
			content, kind = []byte("<!doctype html><title>App</title>"), "text/html; charset=utf-8"
		case "mime":
			kind = "text/plain"
		case "older":
			content = append(bytes.Clone(content), 0, 1, 0) // an empty custom section: sound, but not ours
		case "held":
			select {
			case <-s.release:
			case <-r.Context().Done():
			}
		}
		serve(w, kind, content)
	})
	mux.HandleFunc("/release", func(w http.ResponseWriter, r *http.Request) { close(s.release) })
	mux.Handle("/gw/", http.StripPrefix("/gw"+wire.BasePath, s.gateway))
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

const good = "/page?script=/sdk/good/" + script

// gateway stands in for the real one: one customer, one agent, all in memory, and a
// test may hold answers back.
type gateway struct {
	mux *http.ServeMux

	mu          sync.Mutex
	conns       map[*websocket.Conn]bool
	engagements []*wire.Engagement
	messages    []wire.Message
	position    wire.EventID
	closed      chan struct{} // gets one when a stream has ended
	forgetful   bool          // forgets all chats when a session ends
	// held holds back the answer of a message whose text it is called with, after the
	// message's event was sent.
	held func(text string)
}

func newGateway() *gateway {
	g := &gateway{mux: http.NewServeMux(), conns: map[*websocket.Conn]bool{}, closed: make(chan struct{}, 100), position: 100}
	answer := func(w http.ResponseWriter, status int, body []byte) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		w.Write(body)
	}
	now := time.Now
	session := func(w http.ResponseWriter, status int, id string) {
		v := wire.Session{SessionID: id, ParticipantID: uuid.NewString(), DisplayName: "Ann", SessionStatus: wire.SessionActive, CreatedAt: now(), LastUpdatedAt: now()}
		answer(w, status, v.Append(nil))
	}
	g.mux.HandleFunc("POST /sessions", func(w http.ResponseWriter, r *http.Request) { session(w, 201, uuid.NewString()) })
	g.mux.HandleFunc("GET /sessions/{id}", func(w http.ResponseWriter, r *http.Request) { session(w, 200, r.PathValue("id")) })
	g.mux.HandleFunc("DELETE /sessions/{id}", func(w http.ResponseWriter, r *http.Request) {
		if g.forgetful {
			g.mu.Lock()
			g.engagements, g.messages = nil, nil
			g.mu.Unlock()
		}
		w.WriteHeader(204)
	})
	g.mux.HandleFunc("GET /sessions/{id}/events", g.stream)
	g.mux.HandleFunc("GET /engagements", func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		var list []wire.Engagement
		for _, e := range g.engagements {
			list = append(list, *e)
		}
		answer(w, 200, wire.AppendEngagements(nil, list))
	})
	g.mux.HandleFunc("POST /engagements", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c, _ := wire.DecodeCreateEngagement(body)
		e := g.engagement()
		g.join(e, c.SessionID, c.CorrelationID)
		answer(w, 201, e.Append(nil))
	})
	g.mux.HandleFunc("POST /engagements/{call}", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c, _ := wire.DecodeEngagementCall(body)
		id, call, _ := strings.Cut(r.PathValue("call"), ":")
		e := g.find(id)
		if call == "join" {
			g.join(e, c.SessionID, c.CorrelationID)
		} else {
			g.mu.Lock()
			e.EngagementStatus = wire.EngagementTerminated
			g.mu.Unlock()
			g.raise(wire.Event{Type: wire.EventEngagementTerminated, EngagementID: e.EngagementID, DialogID: e.DialogID})
		}
		answer(w, 200, e.Append(nil))
	})
	g.mux.HandleFunc("POST /engagements/{id}/messages", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c, _ := wire.DecodeSendMessage(body)
		m := g.say(r.PathValue("id"), c.Body.Text, wire.ParticipantCustomer, c.SessionID, c.CorrelationID)
		if g.held != nil {
			g.held(c.Body.Text)
		}
		answer(w, 201, m.Append(nil))
	})
	g.mux.HandleFunc("GET /engagements/{id}/messages", func(w http.ResponseWriter, r *http.Request) {
		number := func(name string, absent int64) int64 {
			n := absent
			fmt.Sscan(r.FormValue(name), &n)
			return n
		}
		size, before, after := number("pageSize", 10), number("before", 1<<40), number("after", 0)
		g.mu.Lock()
		defer g.mu.Unlock()
		p := wire.MessagePage{NewestIndex: int64(len(g.messages))}
		for _, m := range g.messages {
			if m.MessageIndex < before && m.MessageIndex > after {
				p.Messages = append(p.Messages, m)
			}
		}
		if n := int64(len(p.Messages)); n > size {
			if after > 0 {
				p.Messages, p.HasNewer = p.Messages[:size], true
			} else {
				p.Messages, p.HasOlder = p.Messages[n-size:], true
			}
		}
		answer(w, 200, p.Append(nil))
	})
	return g
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.mux.ServeHTTP(w, r) }

// engagement adds a chat in which there is no one yet.
func (g *gateway) engagement() *wire.Engagement {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.position += 100
	e := &wire.Engagement{EngagementID: uuid.NewString(), DialogID: uuid.NewString(), EngagementStatus: wire.EngagementPending,
		CreatedAt: time.Now(), LastUpdatedAt: time.Now(), EventID: g.position}
	g.engagements = append(g.engagements, e)
	return e
}

func (g *gateway) find(id string) *wire.Engagement {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.engagements {
		if e.EngagementID == id {
			return e
		}
	}
	return nil
}

var customer = wire.Participant{ParticipantID: "11111111-1111-4111-8111-111111111111", ParticipantType: wire.ParticipantCustomer, DisplayName: "Ann"}
var agent = wire.Participant{ParticipantID: "22222222-2222-4222-8222-222222222222", ParticipantType: wire.ParticipantAgent, DisplayName: "Bob"}

func (g *gateway) join(e *wire.Engagement, session, correlation string) {
	g.raise(wire.Event{Type: wire.EventEngagementActive, CorrelationID: correlation, EngagementID: e.EngagementID, DialogID: e.DialogID, SessionID: session})
	g.raise(wire.Event{Type: wire.EventParticipantAdded, EngagementID: e.EngagementID, DialogID: e.DialogID, SessionID: session, Participant: customer})
	g.mu.Lock()
	defer g.mu.Unlock()
	e.EngagementStatus = wire.EngagementActive
	e.Participants = []wire.Participant{customer}
	e.EventID = g.position
}

// say stores a message and sends its event.
func (g *gateway) say(id, text string, by wire.ParticipantType, session, correlation string) wire.Message {
	e := g.find(id)
	g.mu.Lock()
	p := customer
	if by == wire.ParticipantAgent {
		p = agent
	}
	m := wire.Message{MessageID: uuid.NewString(), EngagementID: id, DialogID: e.DialogID, MessageIndex: int64(len(g.messages)) + 1,
		Body:                wire.Body{ElementType: wire.ElementText, Text: text, TextFormat: wire.TextPlain},
		SenderParticipantID: p.ParticipantID, SenderParticipantName: p.DisplayName, SenderParticipantType: by,
		SessionID: session, CorrelationID: correlation, ReceivedAt: time.Now(), LastUpdatedAt: time.Now(), EventID: g.position + 100}
	g.messages = append(g.messages, m)
	g.mu.Unlock()
	g.raise(wire.Event{Type: wire.EventMessages, Message: &m})
	return m
}

// raise sends an event to every stream.
func (g *gateway) raise(e wire.Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.position += 100
	e.Date = time.Now()
	f := wire.ServerFrame{Type: wire.FrameEvent, ID: g.position, Event: e}
	for c := range g.conns {
		c.Write(context.Background(), websocket.MessageText, f.Append(nil))
	}
}

func (g *gateway) stream(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.Subprotocol}})
	if err != nil {
		return
	}
	defer func() {
		g.mu.Lock()
		delete(g.conns, c)
		g.mu.Unlock()
		c.CloseNow()
		select {
		case g.closed <- struct{}{}:
		default:
		}
	}()
	for {
		_, text, err := c.Read(r.Context())
		if err != nil {
			return
		}
		f, err := wire.DecodeClientFrame(text)
		if err != nil {
			return
		}
		reply := wire.ServerFrame{}
		switch f.Type {
		case wire.FrameAuthenticate:
			reply = wire.ServerFrame{Type: wire.FrameReady, HeartbeatInterval: 20 * time.Second, Resumed: true}
			g.mu.Lock()
			reply.LastEventID = g.position
			g.conns[c] = true
			c.Write(r.Context(), websocket.MessageText, reply.Append(nil))
			g.mu.Unlock()
			continue
		case wire.FramePing:
			reply.Type = wire.FramePong
		default:
			continue
		}
		c.Write(r.Context(), websocket.MessageText, reply.Append(nil))
	}
}

// drop breaks all streams, as a lost network does.
func (g *gateway) drop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		c.CloseNow()
	}
}
