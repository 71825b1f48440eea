package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// faults is an origin whose REST calls and event streams are in the test's hand.
//
//	f := w.faulty(t)            // pages open f.url + "/t/page.html"
//	f.rest(func(…) bool {…})    // answers calls itself, or loses their answers
//	f.line(1).hold()            // the first event stream goes half-open
//	f.rewrite(func(…) …)        // changes or drops frames of all streams
type faults struct {
	*origin
	t     *testing.T
	lines journal[*line]

	mu     sync.Mutex
	hook   func(w http.ResponseWriter, r *http.Request) bool
	change func(l *line, up bool, frame []byte) []byte
}

func (w *world) faulty(t *testing.T) *faults {
	t.Helper()
	f := &faults{origin: w.newOrigin(t), t: t}
	t.Cleanup(func() {
		for _, l := range f.lines.all() {
			l.cut()
			l.release()
		}
	})
	f.answer(t, func(rw http.ResponseWriter, r *http.Request) bool {
		f.mu.Lock()
		hook := f.hook
		f.mu.Unlock()
		if hook != nil && hook(rw, r) {
			return true
		}
		if strings.HasSuffix(r.URL.Path, "/events") && r.Header.Get("Upgrade") != "" {
			f.relay(rw, r)
			return true
		}
		return false
	})
	return f
}

// rest sets what may answer calls instead of the gateway, also the opening of event
// streams; nil for none. It says whether it has.
func (f *faults) rest(hook func(w http.ResponseWriter, r *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

// rewrite sets what frames of all streams become on their way, up to the gateway or
// down to the page: nil drops one.
func (f *faults) rewrite(change func(l *line, up bool, frame []byte) []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.change = change
}

// forward makes the page's call at the gateway, and returns the answer, which is then
// in the test's hand.
func (f *faults) forward(r *http.Request) (status int, body []byte, err error) {
	sent, err := io.ReadAll(r.Body)
	if err != nil {
		return 0, nil, err
	}
	u := *f.gateway
	u.Path, u.RawQuery = r.URL.Path, r.URL.RawQuery
	q, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, u.String(), bytes.NewReader(sent))
	if err != nil {
		return 0, nil, err
	}
	q.Header = r.Header.Clone()
	q.Header.Del("Origin")
	q.Header.Del("Accept-Encoding")
	a, err := http.DefaultTransport.RoundTrip(q)
	if err != nil {
		return 0, nil, err
	}
	defer a.Body.Close()
	body, err = io.ReadAll(a.Body)
	return a.StatusCode, body, err
}

// lose breaks the connection under a call instead of an answer.
func lose() { panic(http.ErrAbortHandler) }

// problem answers as the gateway refuses.
func problem(w http.ResponseWriter, status int, kind, field string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{
		"type": "about:blank#" + kind, "title": kind, "status": status,
		"violations": []map[string]any{{"field": field, "message": "by the test", "code": 1}},
	})
}

// line is one event stream of a page, through the origin.
type line struct {
	number        int // from 1, in the order of their opening
	page, gateway *websocket.Conn
	frames        journal[lineFrame]
	over          chan struct{} // closed when the page's side has ended

	mu   sync.Mutex
	gate chan struct{} // closed: frames pass
	held bool
}

// lineFrame is a frame that came, before any rewriting.
type lineFrame struct {
	up   bool
	text string
}

// hold makes the connection half-open: it stands, and nothing passes.
func (l *line) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.held {
		l.held, l.gate = true, make(chan struct{})
	}
}

// release lets frames pass again, the held ones first.
func (l *line) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held {
		l.held = false
		close(l.gate)
	}
}

func (l *line) isHeld() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held
}

// cut breaks the connection as a network does, without a close frame.
func (l *line) cut() { l.page.CloseNow(); l.gateway.CloseNow() }

// close ends the connection as a gateway does.
func (l *line) close(code int, reason string) {
	l.page.Close(websocket.StatusCode(code), reason)
	l.gateway.CloseNow()
}

// pass waits until frames pass; false when the page has gone first.
func (l *line) pass() bool {
	l.mu.Lock()
	gate := l.gate
	l.mu.Unlock()
	select {
	case <-gate:
		return true
	case <-l.over:
		return false
	}
}

func (f *faults) relay(rw http.ResponseWriter, r *http.Request) {
	ctx := context.Background() // a half-open connection outlives the page's end of it
	u := *f.gateway
	u.Scheme, u.Path = "ws", r.URL.Path
	gateway, _, err := websocket.Dial(ctx, u.String(), &websocket.DialOptions{Subprotocols: []string{"axp.chat.v1"}})
	if err != nil {
		lose()
	}
	page, err := websocket.Accept(rw, r, &websocket.AcceptOptions{Subprotocols: []string{"axp.chat.v1"}, InsecureSkipVerify: true})
	if err != nil {
		gateway.CloseNow()
		return
	}
	open := make(chan struct{})
	close(open)
	l := &line{page: page, gateway: gateway, over: make(chan struct{}), gate: open}
	f.mu.Lock()
	l.number = len(f.lines.all()) + 1
	f.lines.add(l)
	f.mu.Unlock()
	page.SetReadLimit(1 << 20)
	gateway.SetReadLimit(1 << 20)

	down := make(chan struct{})
	go func() {
		defer close(down)
		l.copy(f, ctx, gateway, page, false)
	}()
	l.copy(f, ctx, page, gateway, true)
	close(l.over)
	page.CloseNow()
	if !l.isHeld() { // else the gateway does not learn that the page has gone
		gateway.CloseNow()
	}
	<-down
}

// copy passes frames one way until either end ends.
func (l *line) copy(f *faults, ctx context.Context, from, to *websocket.Conn, up bool) {
	for {
		_, frame, err := from.Read(ctx)
		if err != nil {
			var end websocket.CloseError
			if !up && errors.As(err, &end) {
				if l.pass() {
					to.Close(end.Code, end.Reason)
				}
			} else if !up {
				to.CloseNow()
			}
			return
		}
		l.frames.add(lineFrame{up, string(frame)})
		f.mu.Lock()
		change := f.change
		f.mu.Unlock()
		if change != nil {
			if frame = change(l, up, frame); frame == nil {
				continue
			}
		}
		if !l.pass() || to.Write(ctx, websocket.MessageText, frame) != nil {
			if up {
				return
			}
		}
	}
}

// line waits for the n-th event stream that a page opens, counted from 1.
func (f *faults) line(n int) *line {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	list, err := f.lines.wait(ctx, func(list []*line) bool { return len(list) >= n })
	if err != nil {
		f.t.Fatalf("event stream %d was not opened", n)
	}
	return list[n-1]
}

// last is the newest event stream.
func (f *faults) last() *line {
	f.t.Helper()
	return f.line(max(1, len(f.lines.all())))
}

// waitFrame waits for a frame, past or to come, that matches.
func (l *line) waitFrame(t *testing.T, up bool, pattern string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	is := regexp.MustCompile(pattern)
	if _, err := l.frames.wait(ctx, func(list []lineFrame) bool {
		for _, n := range list {
			if n.up == up && is.MatchString(n.text) {
				return true
			}
		}
		return false
	}); err != nil {
		t.Fatalf("event stream %d: no frame matches %s", l.number, pattern)
	}
}

// count returns how many frames of a type there were.
func (l *line) count(up bool, kind string) (n int) {
	for _, s := range l.frames.all() {
		if s.up == up && strings.Contains(s.text, `"type":"`+kind+`"`) {
			n++
		}
	}
	return n
}

// networkTrouble is what a browser says on its console of calls that fail and
// connections that break, which the test does on purpose.
const networkTrouble = `WebSocket connection to|Failed to load resource|net::ERR_`

// js runs the body of an async function in the page and reads what it returns. In it
// stand sdk, and code(f): the code of the ACSException that f throws or rejects with,
// "" for none.
func (b *tab) js(out any, body string, args ...any) {
	b.t.Helper()
	b.eval(out, `(async () => {
		const sdk = AvayaCCaaSChatSDK;
		const code = async (f) => {
			try { await f(); return "" } catch (e) { return e instanceof sdk.ACSException && e instanceof Error ? e.code : "no ACSException: " + e }
		};
		`+body+`
	})()`, args...)
}

// wants runs body, which returns an object, and compares it member by member, as JSON.
func (b *tab) wants(row string, want map[string]any, body string, args ...any) {
	b.t.Helper()
	var got map[string]json.RawMessage
	b.js(&got, body, args...)
	for name, value := range want {
		text, err := json.Marshal(value)
		if err != nil {
			b.t.Fatal(err)
		}
		if string(got[name]) != string(text) {
			b.t.Errorf("%s: %s is %s, want %s", row, name, got[name], text)
		}
		delete(got, name)
	}
	for name, value := range got {
		b.t.Errorf("%s: %s is %s, and nothing was said of it", row, name, value)
	}
}

// settled lets everything that the page was told, and the core has queued before, be
// handled, by a call that goes through core and gateway, and is no user activity.
func (b *tab) settled() {
	b.t.Helper()
	b.js(nil, `await sdk.getEngagements(); await new Promise((f) => { const c = new MessageChannel(); c.port1.onmessage = () => { c.port1.close(); f() }; c.port2.postMessage(0) })`)
}

// heard are the entries since mark.
func (b *tab) heard(mark int) []entry { return b.log.all()[mark:] }

// mark is the number of entries so far.
func (b *tab) mark() int { return len(b.log.all()) }

// since waits for n events of a name after mark, and returns the n-th.
func (b *tab) since(mark int, name string, n int) entry {
	b.t.Helper()
	var found entry
	b.wait(name, func(list []entry) bool {
		n := n
		for _, e := range list[mark:] {
			if e.Kind == "event" && e.Name == name {
				if n--; n == 0 {
					found = e
					return true
				}
			}
		}
		return false
	})
	return found
}

// openAt opens a page of the harness at an origin and calls init.
func (w *world) openAt(b *tab, o *origin, page, customer string, to tokenOptions, config string) {
	b.t.Helper()
	b.open(o.url + "/t/" + page)
	w.initWith(b, customer, to, config)
}

// initWith calls init with a config, JSON, and fails the test when it fails.
func (w *world) initWith(b *tab, customer string, to tokenOptions, config string) {
	b.t.Helper()
	var r struct {
		Error *struct{ Code, Message string }
	}
	b.eval(&r, `t.init(%s, `+config+`)`, w.params(b.t, customer, to))
	if r.Error != nil {
		b.t.Fatalf("tab %q: init: %s %s", b.name, r.Error.Code, r.Error.Message)
	}
}

// chatAt opens a page, starts a chat and lets an agent accept it.
func (w *world) chatAt(t *testing.T, o *origin, page, config string) began {
	t.Helper()
	return w.chatAs(t, o, page, fresh("row"), config)
}

// chatAs is chatAt for a customer.
func (w *world) chatAs(t *testing.T, o *origin, page, customer, config string) began {
	t.Helper()
	b := newTab(t, "customer")
	b.allow(networkTrouble)
	w.openAt(b, o, page, customer, tokenOptions{ttl: 50 * time.Minute}, config) // longer than any test turns the clock on
	id := createChat(b)
	b.waitEvent("MESSAGE_ARRIVED", nil)
	agent := w.newDesk(t, "Bo "+customer)
	agent.accept(id)
	b.waitEvent("PARTICIPANT_ADDED", func(m message) bool { return m.Participant.ParticipantType == "AGENT" })
	// What is said when the agent comes and the bot goes has been heard, too.
	b.waitEvent("PARTICIPANT_DISCONNECTED", func(m message) bool { return m.Participant.ParticipantType == "BOT" })
	b.waitEvent("MESSAGE_ARRIVED", func(m message) bool { return m.MessageIndex == int64(len(agent.messages(id))) })
	return began{b, id, agent}
}
