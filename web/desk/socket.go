package desk

import (
	"context"
	"crypto/sha256"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/time/rate"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
	"openchat/web/tracing"
)

// socket is one connected desk. Its reader is the handler's goroutine; its writer
// alone writes frames and closes. Either ends the other: the writer by closing, the
// reader by stop.
type socket struct {
	conn      *httpapi.Conn
	frames    *rate.Limiter // that the desk sends
	admission *httpapi.Admission
	who       *caller           // this and the next two are set before the view has the socket
	digest    [sha256.Size]byte // of the credential
	origin    string            // of the page, if it may use the desk because it is in the list; else ""
	agentID   string            // "": the desk has not said who sits at it
	queue     chan queued       // frames to be written, bounded
	size      atomic.Int64      // bytes in queue
	maxQueued int64             // the most that queue may hold
	end       chan ending       // capacity 1: the first stop wins

	pending []string    // ids of chats that the snapshot had no room for; guarded by the view
	unsent  atomic.Bool // there are pending ones
}

type ending struct {
	code   websocket.StatusCode
	reason string
}

// hangup, as a code, closes without a handshake: the peer has gone.
const hangup websocket.StatusCode = 0

// writeWait is how long one frame may take to be handed to the network.
const writeWait = 10 * time.Second

// Frames that a desk may send: some pings, and pongs to ours.
const (
	framesPerSecond = 5
	frameBurst      = 20
)

var (
	framePing = []byte(`{"type":"ping"}`)
	framePong = []byte(`{"type":"pong"}`)
)

// queued is a frame that waits to be written.
type queued struct {
	frame  []byte
	traced *tracing.Delivery // nil for most
}

// send queues a frame, or ends the socket when it is too slow. It never blocks.
func (s *socket) send(frame []byte) { s.sendTraced(frame, nil) }

// sendTraced is send for a frame that is in a trace, or in none.
func (s *socket) sendTraced(frame []byte, traced *tracing.Delivery) {
	if s.size.Add(int64(len(frame))) > s.maxQueued {
		s.stop(wire.CloseTooMuch, "too slow")
		return
	}
	select {
	case s.queue <- queued{frame, traced}:
	default:
		s.stop(wire.CloseTooMuch, "too slow")
	}
}

// stop has the writer close the connection. It never blocks.
func (s *socket) stop(code websocket.StatusCode, reason string) {
	select {
	case s.end <- ending{code, reason}:
	default:
	}
}

func (d *Desk) serveSocket(w http.ResponseWriter, r *http.Request) {
	admission, err := d.sockets.Admit(r)
	if err != nil {
		d.api.Refuse(w, r, err)
		return
	}
	defer admission.Leave()
	s := &socket{
		frames: rate.NewLimiter(framesPerSecond, frameBurst), admission: admission, origin: d.api.Origins.Other(r),
		queue: make(chan queued, d.queue), maxQueued: int64(d.queueBytes), end: make(chan ending, 1),
	}
	s.conn, err = httpapi.Accept(w, r, websocket.AcceptOptions{
		Subprotocols: []string{Subprotocol},
		// WebSocket's own pings, which the library answers, count like any frame.
		OnPingReceived: func(context.Context, []byte) bool { return s.allow() },
	})
	if err != nil {
		return // Accept has answered
	}
	s.conn.SetReadLimit(wire.MaxClientFrame)
	// Not r's context, which nothing ends once the connection is hijacked.
	ctx, cancel := context.WithCancel(d.drain.Context())
	defer context.AfterFunc(ctx, s.conn.Drop)()
	defer cancel()
	written := make(chan struct{})
	go func() {
		defer close(written)
		s.write(ctx, d)
	}()
	s.read(ctx, d, r)
	d.view.remove(s)
	<-written
}

// read authenticates, joins the view, and reads until the connection ends; r opened it.
func (s *socket) read(ctx context.Context, d *Desk, r *http.Request) {
	defer s.stop(hangup, "")
	defer httpapi.Recover(d.log, func() { s.stop(wire.CloseServerError, "the desk failed") })
	if s.conn.Subprotocol() == "" {
		s.stop(wire.CloseMalformed, "subprotocol "+Subprotocol+" expected")
		return
	}
	// Not a deadline on the read: that would cut the connection without a code.
	late := time.AfterFunc(wire.AuthTimeout, func() { s.stop(wire.CloseAuthTimeout, "not authenticated in time") })
	f, ok := s.frame(ctx, 2*wire.AuthTimeout)
	switch {
	case !late.Stop() || !ok:
		return
	case f.Type != "authenticate":
		s.stop(wire.CloseMalformed, "authenticate expected")
		return
	}
	who, err := d.identify(r.WithContext(ctx), f.Credential)
	if err != nil {
		if httpapi.ProblemOf(err).Status == http.StatusTooManyRequests {
			s.stop(wire.CloseTooMuch, "too many wrong credentials from this address")
		} else {
			s.stop(wire.CloseTokenRefused, "credential refused")
		}
		return
	}
	agent := body{AgentID: f.AgentID, AgentName: f.AgentName}
	if err := who.speak(&agent); err != nil {
		s.stop(wire.CloseTokenRefused, httpapi.ProblemOf(err).Violations[0].Field+" is another agent's")
		return
	}
	if agent.AgentID != "" {
		err = agent.checkID()
	}
	if err == nil && agent.AgentName != "" {
		err = agent.checkName()
	}
	if err != nil {
		// The reason names the field: an agent can choose another name, and mend nothing else.
		v := httpapi.ProblemOf(err).Violations[0]
		s.stop(wire.CloseMalformed, v.Field+" "+v.Message)
		return
	}
	select {
	case <-d.view.ready:
	case <-d.drain.Leaving():
		s.stop(wire.CloseGoingAway, "the desk shuts down")
		return
	}
	s.admission.Authenticated()
	if agent.AgentID != "" {
		for _, key := range agentKeys(who.accounts, agent.AgentID) {
			d.table.Enter(key)
			defer d.table.Leave(key)
			defer d.noteSocketEnd(key)
		}
	}
	if !who.expires.IsZero() {
		defer time.AfterFunc(time.Until(who.expires), func() { s.stop(wire.CloseTokenExpired, "token expired") }).Stop()
	}
	s.who, s.digest, s.agentID = who, sha256.Sum256([]byte(f.Credential)), agent.AgentID
	d.view.add(s)
	s.check(d) // SetAccess and SetOrigins may not have seen it
	for {
		f, ok := s.frame(ctx, 2*d.heartbeat)
		if !ok || !s.allow() {
			return
		}
		if f.Type == "ping" {
			s.send(framePong)
		}
	}
}

// check ends the socket when its caller may not use the desk any more, or may do something
// else, and when its page may not. An agent who has signed in at an issuer stays signed in until the
// token expires, as long as the desk trusts that issuer.
func (s *socket) check(d *Desk) {
	access := d.access.Load()
	now := access.callers[s.digest]
	switch {
	case s.origin != "" && !d.api.Origins.Has(s.origin):
		// Not 4403: the credential is good, and the desk is not to ask for another.
		s.stop(wire.CloseGoingAway, "the page's origin is not allowed any more")
	case s.who.tokens != nil && s.who.tokens == access.tokens:
	case s.who.tokens != nil && access.tokens != nil:
		s.stop(wire.CloseGoingAway, "the agents' issuer has changed")
	case now == nil:
		s.stop(wire.CloseTokenRefused, "credential refused")
	case !now.same(s.who):
		s.stop(wire.CloseGoingAway, "what the credential allows has changed")
	}
}

// allow counts something that the desk has sent; what is too much ends the socket.
func (s *socket) allow() bool {
	if s.frames.Allow() {
		return true
	}
	s.stop(wire.CloseTooMuch, "too many frames")
	return false
}

// clientFrame is a frame from a desk.
type clientFrame struct {
	Type       string `json:"type"`
	Credential string `json:"credential"`
	AgentID    string `json:"agentId"`   // "": the desk does not say who sits at it
	AgentName  string `json:"agentName"` // checked only
}

// frame reads one; false when there is none, and then the socket is ending.
func (s *socket) frame(ctx context.Context, wait time.Duration) (f clientFrame, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	kind, text, err := s.conn.Read(ctx)
	if err != nil {
		return f, false
	}
	if f, err = httpapi.Unmarshal[clientFrame](text); err != nil || kind != websocket.MessageText {
		s.stop(wire.CloseMalformed, "a JSON object expected")
		return f, false
	}
	return f, true
}

// write writes what is queued until the socket is stopped or a write fails.
func (s *socket) write(ctx context.Context, d *Desk) {
	defer httpapi.Recover(d.log, s.conn.Drop)
	beat := time.NewTicker(d.heartbeat)
	defer beat.Stop()
	for {
		var next queued
		select { // an ending goes before what is queued
		case e := <-s.end:
			s.close(e)
			return
		default:
		}
		if len(s.queue) == 0 && s.unsent.Load() {
			d.view.sendPending(s)
		}
		select {
		case <-d.drain.Leaving():
			s.close(ending{wire.CloseGoingAway, "the desk shuts down"})
			return
		case e := <-s.end:
			s.close(e)
			return
		case next = <-s.queue:
			s.size.Add(-int64(len(next.frame)))
		case <-beat.C:
			next.frame = framePing
		}
		ctx, cancel := context.WithTimeout(ctx, writeWait)
		err := s.conn.Write(ctx, websocket.MessageText, next.frame)
		cancel()
		if err != nil {
			_ = s.conn.CloseNow()
			return
		}
		next.traced.Sent(tracing.Desk, "")
	}
}

func (s *socket) close(e ending) {
	if e.code == hangup {
		_ = s.conn.CloseNow()
		return
	}
	_ = s.conn.Close(e.code, e.reason)
}
