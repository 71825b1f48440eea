package harness

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

	"github.com/coder/websocket"

	"openchat/sdk/wire"
)

// FaultyOrigin is an origin whose REST calls and event streams the test controls.
//
//	f := w.FaultyOrigin(t)            // pages open f.URL + "/t/page.html"
//	f.InterceptREST(func(…) bool {…}) // answers calls itself, or loses their answers
//	f.Stream(1).Hold()                // the first event stream goes half-open
//	f.Rewrite(func(…) …)              // changes or drops frames of all streams
type FaultyOrigin struct {
	*Origin
	T       *testing.T
	Streams Log[*EventStream]

	mu     sync.Mutex
	hook   func(w http.ResponseWriter, r *http.Request) bool
	change func(l *EventStream, up bool, frame []byte) []byte
}

// FaultyOrigin opens another origin before the gateway.
func (w *Environment) FaultyOrigin(t *testing.T) *FaultyOrigin {
	t.Helper()
	f := &FaultyOrigin{Origin: w.NewOrigin(t), T: t}
	t.Cleanup(func() {
		for _, l := range f.Streams.All() {
			l.Cut()
			l.Release()
		}
	})
	f.Intercept(t, func(rw http.ResponseWriter, r *http.Request) bool {
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

// InterceptREST sets what may answer calls instead of the gateway, also the opening of event
// streams; nil for none. The hook returns whether it has answered.
func (f *FaultyOrigin) InterceptREST(hook func(w http.ResponseWriter, r *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

// Hook returns what InterceptREST has set.
func (f *FaultyOrigin) Hook() func(w http.ResponseWriter, r *http.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hook
}

// Rewrite sets what frames of all streams become on their way, up to the gateway or
// down to the page: nil drops one.
func (f *FaultyOrigin) Rewrite(change func(l *EventStream, up bool, frame []byte) []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.change = change
}

// Forward makes the page's call at the gateway and returns the answer, for the test to
// pass on or not.
func (f *FaultyOrigin) Forward(r *http.Request) (status int, body []byte, err error) {
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

// AbortConnection breaks the connection under a call instead of an answer.
func AbortConnection() { panic(http.ErrAbortHandler) }

// WriteProblem answers as the gateway refuses.
func WriteProblem(w http.ResponseWriter, status int, kind, field string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{
		"type": "about:blank#" + kind, "title": kind, "status": status,
		"violations": []map[string]any{{"field": field, "message": "by the test", "code": 1}},
	})
}

// EventStream is one event stream of a page, through the origin.
type EventStream struct {
	Number        int // from 1, in the order of their opening
	Page, gateway *websocket.Conn
	Frames        Log[Frame]
	Ended         chan struct{} // closed when the page's side has ended

	mu   sync.Mutex
	gate chan struct{} // closed: frames pass
	held bool
}

// Frame is a frame that came, before any rewriting.
type Frame struct {
	Up   bool
	Text string
}

// Hold makes the connection half-open: it stands, and nothing passes.
func (l *EventStream) Hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.held {
		l.held, l.gate = true, make(chan struct{})
	}
}

// Release lets frames pass again, the held ones first.
func (l *EventStream) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held {
		l.held = false
		close(l.gate)
	}
}

func (l *EventStream) isHeld() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held
}

// Cut breaks the connection as a network does, without a close frame.
func (l *EventStream) Cut() { l.Page.CloseNow(); l.gateway.CloseNow() }

// Close ends the connection as a gateway does.
func (l *EventStream) Close(code int, reason string) {
	l.Page.Close(websocket.StatusCode(code), reason)
	l.gateway.CloseNow()
}

// pass waits until frames pass; false when the page has gone first.
func (l *EventStream) pass() bool {
	l.mu.Lock()
	gate := l.gate
	l.mu.Unlock()
	select {
	case <-gate:
		return true
	case <-l.Ended:
		return false
	}
}

func (f *FaultyOrigin) relay(rw http.ResponseWriter, r *http.Request) {
	ctx := context.Background() // a half-open connection outlives the page's end of it
	u := *f.gateway
	u.Scheme, u.Path = "ws", r.URL.Path
	gateway, _, err := websocket.Dial(ctx, u.String(), &websocket.DialOptions{Subprotocols: []string{wire.Subprotocol}})
	if err != nil {
		AbortConnection()
	}
	page, err := websocket.Accept(rw, r, &websocket.AcceptOptions{Subprotocols: []string{wire.Subprotocol}, InsecureSkipVerify: true})
	if err != nil {
		gateway.CloseNow()
		return
	}
	open := make(chan struct{})
	close(open)
	l := &EventStream{Page: page, gateway: gateway, Ended: make(chan struct{}), gate: open}
	f.mu.Lock()
	l.Number = len(f.Streams.All()) + 1
	f.Streams.Add(l)
	f.mu.Unlock()
	page.SetReadLimit(1 << 20)
	gateway.SetReadLimit(1 << 20)

	down := make(chan struct{})
	go func() {
		defer close(down)
		l.copy(f, ctx, gateway, page, false)
	}()
	l.copy(f, ctx, page, gateway, true)
	close(l.Ended)
	page.CloseNow()
	if !l.isHeld() { // else the gateway does not learn that the page has gone
		gateway.CloseNow()
	}
	<-down
}

// copy passes frames one way until either end ends.
func (l *EventStream) copy(f *FaultyOrigin, ctx context.Context, from, to *websocket.Conn, up bool) {
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
		l.Frames.Add(Frame{up, string(frame)})
		f.mu.Lock()
		change := f.change
		f.mu.Unlock()
		if change != nil {
			if frame = changeEach(frame, func(one []byte) []byte { return change(l, up, one) }); frame == nil {
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

// changeEach changes or drops each of the frames that came as one message; nil: all of them
// are dropped.
func changeEach(message []byte, change func(frame []byte) []byte) []byte {
	var kept [][]byte
	for _, frame := range bytes.Split(message, []byte(wire.FrameSeparator)) {
		if frame = change(frame); frame != nil {
			kept = append(kept, frame)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return bytes.Join(kept, []byte(wire.FrameSeparator))
}

// Stream waits for the n-th event stream that a page opens, counted from 1.
func (f *FaultyOrigin) Stream(n int) *EventStream {
	f.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	list, err := f.Streams.Wait(ctx, func(list []*EventStream) bool { return len(list) >= n })
	if err != nil {
		f.T.Fatalf("event stream %d was not opened", n)
	}
	return list[n-1]
}

// NewestStream is the newest event stream.
func (f *FaultyOrigin) NewestStream() *EventStream {
	f.T.Helper()
	return f.Stream(max(1, len(f.Streams.All())))
}

// WaitFrame waits for a frame, past or to come, that matches.
func (l *EventStream) WaitFrame(t *testing.T, up bool, pattern string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	is := regexp.MustCompile(pattern)
	if _, err := l.Frames.Wait(ctx, func(list []Frame) bool {
		for _, n := range list {
			if n.Up == up && is.MatchString(n.Text) {
				return true
			}
		}
		return false
	}); err != nil {
		t.Fatalf("event stream %d: no frame matches %s", l.Number, pattern)
	}
}

// CountFrames returns how many frames of a type there were.
func (l *EventStream) CountFrames(up bool, kind string) (n int) {
	for _, s := range l.Frames.All() {
		if s.Up == up && strings.Contains(s.Text, `"type":"`+kind+`"`) {
			n++
		}
	}
	return n
}
