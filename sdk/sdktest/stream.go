package sdktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"openchat/sdk"
	"openchat/sdk/wire"
)

// takeoverPatience is how long the older of two clients has to answer a ping.
const takeoverPatience = 2 * time.Second

// conn is one WebSocket, both ends of it. Its fields are guarded by Platform.mu.
type conn struct {
	p         *Platform
	n         int // number of the dial
	sessionID string
	up, down  pipe
	silent    bool

	clientEnd  *sdk.CloseError // set when the client's end is over
	clientDone chan struct{}
	serverDone chan struct{} // closed when the server's end is over

	// The server's end.
	ended        bool
	ready        bool // authenticated, and the session's stream
	session      *session
	customer     string
	clientID     string
	resumeFrom   wire.EventID // of its authenticate; 0: begin now
	expiry       time.Time    // of the token
	sent         time.Time
	received     time.Time
	pinged       time.Time
	receivedNext chan struct{} // closed by the next frame, for who waits to see it alive; nil for nobody
}

// pipe is one direction of a conn.
type pipe struct {
	parcels []parcel
	wake    chan struct{} // holds one token when something was put in
}

// parcel is a frame, or the end, under way.
type parcel struct {
	due   time.Time
	frame []byte
	end   *sdk.CloseError
}

// Dial implements sdk.Transport.
func (t transport) Dial(ctx context.Context, url, subprotocol string) (sdk.Conn, error) {
	p := t.p
	path, _, err := split(url)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.dials++
	p.working++
	d := &Dial{N: p.dials, URL: url, Subprotocol: subprotocol}
	hook := p.faults.onDial
	incarnation := p.incarnation
	p.mu.Unlock()
	defer p.worked()

	if hook != nil {
		hook(d)
	}
	if d.Hang {
		return nil, p.hang(ctx)
	}
	if err := p.travel(ctx, 2*p.o.StreamLatency+d.Delay); err != nil {
		return nil, err
	}

	return p.connect(d, path, url, subprotocol, incarnation)
}

// connect is the moment in which a dial reaches the platform.
func (p *Platform) connect(d *Dial, path, url, subprotocol string, incarnation int) (sdk.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.Refuse || p.closed || p.faults.down || p.incarnation != incarnation {
		return nil, ErrLost
	}
	id, isStream := strings.CutSuffix(strings.TrimPrefix(path, "/sessions/"), "/events")
	if !isStream || !strings.HasPrefix(url, "ws") || subprotocol != wire.Subprotocol {
		return nil, fmt.Errorf("sdktest: no event stream %s at %s", subprotocol, url)
	}
	c := &conn{
		p: p, n: d.N, sessionID: id, silent: d.Silent,
		up:         pipe{wake: make(chan struct{}, 1)},
		down:       pipe{wake: make(chan struct{}, 1)},
		clientDone: make(chan struct{}), serverDone: make(chan struct{}),
		sent: time.Now(), received: time.Now(),
	}
	p.conns = append(p.conns, c)
	p.working++ // until the client's end is over
	go c.serve(time.Now().Add(wire.AuthTimeout))
	return c, nil
}

// put sends a parcel; the lock is held.
func (c *conn) put(q *pipe, x parcel, fromClient bool) {
	if c.silent {
		return
	}
	f := Frame{Conn: c.n, FromClient: fromClient, Text: string(x.frame)}
	if c.p.faults.onFrame != nil && x.end == nil {
		c.p.faults.onFrame(&f)
	}
	if f.Cut {
		c.end(1006, "")
		return
	}
	x.due = time.Now().Add(c.p.o.StreamLatency + f.Delay)
	if n := len(q.parcels); n > 0 && !x.due.After(q.parcels[n-1].due) {
		x.due = q.parcels[n-1].due.Add(1)
	}
	x.due = c.p.instant(x.due)
	q.parcels = append(q.parcels, x)
	q.rouse()
}

func (q *pipe) rouse() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take returns the next parcel that is due, or how long to wait for one; 0 means
// until woken. The lock is held.
func (q *pipe) take() (parcel, time.Duration, bool) {
	if len(q.parcels) == 0 {
		return parcel{}, 0, false
	}
	x := q.parcels[0]
	if wait := time.Until(x.due); wait > 0 {
		return parcel{}, wait, false
	}
	q.parcels = q.parcels[1:]
	return x, 0, true
}

// Read implements sdk.Conn.
func (c *conn) Read() ([]byte, error) {
	for {
		c.p.mu.Lock()
		if c.p.closed {
			c.endClient(&sdk.CloseError{Code: 1006})
		}
		if c.clientEnd != nil {
			c.p.mu.Unlock()
			return nil, c.clientEnd
		}
		x, wait, ok := c.down.take()
		if ok && x.end != nil {
			c.endClient(x.end)
		}
		c.p.mu.Unlock()
		switch {
		case ok && x.end != nil:
			return nil, x.end
		case ok:
			return x.frame, nil
		}
		waitFor(wait, c.down.wake, c.clientDone, c.p.done)
	}
}

// waitFor waits for d, if it is not 0, or for any of the channels.
func waitFor(d time.Duration, wake, done, closed <-chan struct{}) {
	var due <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		due = t.C
	}
	select {
	case <-due:
	case <-wake:
	case <-done:
	case <-closed:
	}
}

// Write implements sdk.Conn.
func (c *conn) Write(frame []byte) error {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if c.clientEnd != nil {
		return c.clientEnd
	}
	c.put(&c.up, parcel{frame: slices.Clone(frame)}, true)
	return nil
}

// Close implements sdk.Conn.
func (c *conn) Close(code int, reason string) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if c.clientEnd != nil {
		return
	}
	e := &sdk.CloseError{Code: code, Reason: reason}
	c.put(&c.up, parcel{end: e}, true)
	c.endClient(e)
}

// abandon ends the client's end, unnoticed by the platform's.
func (c *conn) abandon() {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.endClient(&sdk.CloseError{Code: 1006})
}

func (c *conn) endClient(e *sdk.CloseError) {
	if c.clientEnd == nil {
		c.clientEnd = e
		c.p.working--
		close(c.clientDone)
	}
}

// silence makes the connection half-open; the lock is held.
func (c *conn) silence() {
	c.silent = true
	c.up.parcels, c.down.parcels = nil, nil
}

// end ends the server's end; the lock is held.
func (c *conn) end(code int, reason string) {
	if c.ended {
		return
	}
	c.ended = true
	close(c.serverDone)
	c.p.conns = slices.DeleteFunc(c.p.conns, func(o *conn) bool { return o == c })
	if c.session != nil && c.session.stream == c {
		c.session.stream = nil
	}
	if code == 1006 {
		c.down.parcels = nil
		reason = ""
	}
	c.put(&c.down, parcel{end: &sdk.CloseError{Code: code, Reason: reason}}, false)
}

// send sends a frame from the server; the lock is held.
func (c *conn) send(frame []byte) {
	if c.ended {
		return
	}
	c.sent = time.Now()
	c.p.frames = append(c.p.frames, FrameLog{time.Now(), c.n, false, string(frame)})
	c.put(&c.down, parcel{frame: frame}, false)
}

func (c *conn) sendFrame(f wire.ServerFrame) { c.send(f.Append(nil)) }

// sendEvent sends a live event, and closes a stream whose reader is too slow.
func (c *conn) sendEvent(l logged) {
	if len(c.down.parcels) >= c.p.o.StreamQueue {
		c.end(wire.CloseTooMuch, "too slow")
		return
	}
	c.sendFrame(wire.ServerFrame{Type: wire.FrameEvent, ID: l.id, Event: l.event})
}

// serve is the server's end of a connection. It returns when that is over.
func (c *conn) serve(authBy time.Time) {
	for {
		c.p.mu.Lock()
		x, wait, ok := c.up.take()
		if c.ended {
			c.p.mu.Unlock()
			return
		}
		var contender *conn
		if ok {
			contender = c.receive(x)
		} else if next := c.watch(authBy); wait == 0 || next < wait {
			wait = next
		}
		c.p.mu.Unlock()
		switch {
		case contender != nil:
			c.contend(contender)
		case !ok:
			waitFor(wait, c.up.wake, c.serverDone, nil)
		}
	}
}

// watch does what has become due by the clock, and returns when to look again.
func (c *conn) watch(authBy time.Time) time.Duration {
	now := time.Now()
	if !c.ready {
		if !now.Before(authBy) {
			c.end(wire.CloseAuthTimeout, "not authenticated in time")
		}
		return authBy.Sub(now)
	}
	interval := c.p.o.HeartbeatInterval
	expiry := c.expiry.Add(-c.p.skew)
	if !now.Before(expiry) {
		c.end(wire.CloseTokenExpired, "token expired")
		return 1
	}
	dead := c.received.Add(2 * interval)
	if !now.Before(dead) {
		c.end(1006, "")
		return 1
	}
	ping := earlier(c.sent, c.received).Add(interval)
	if again := c.pinged.Add(interval); again.After(ping) {
		ping = again
	}
	if !now.Before(ping) {
		c.ping()
		ping = now.Add(interval)
	}
	return earlier(earlier(ping, dead), expiry).Sub(now)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (c *conn) ping() {
	c.pinged = time.Now()
	c.sendFrame(wire.ServerFrame{Type: wire.FramePing, ServerTime: c.p.shownTime()})
}

// receive handles a frame. It returns the connection that has to prove itself
// alive before this one can be refused.
func (c *conn) receive(x parcel) (contender *conn) {
	if x.end != nil {
		c.end(x.end.Code, x.end.Reason)
		return nil
	}
	c.received = time.Now()
	c.p.frames = append(c.p.frames, FrameLog{time.Now(), c.n, true, string(x.frame)})
	if c.receivedNext != nil {
		close(c.receivedNext)
		c.receivedNext = nil
	}
	f, err := wire.DecodeClientFrame(x.frame)
	if err != nil || len(x.frame) > wire.MaxClientFrame {
		c.end(wire.CloseMalformed, "malformed frame")
		return nil
	}
	switch {
	case f.Type == wire.FrameAuthenticate:
		return c.authenticate(f)
	case !c.ready:
		c.end(wire.CloseMalformed, "authenticate first")
	case f.Type == wire.FramePing:
		c.sendFrame(wire.ServerFrame{Type: wire.FramePong, ServerTime: c.p.shownTime()})
	}
	return nil
}

func (c *conn) authenticate(f wire.ClientFrame) (contender *conn) {
	who, err := c.p.verify(f.Token, f.Appkey)
	switch {
	case errors.Is(err, errTokenExpired):
		c.end(wire.CloseTokenExpired, err.Error())
		return nil
	case err != nil:
		c.end(wire.CloseTokenRefused, err.Error())
		return nil
	}
	if c.ready {
		if who.Sub != c.customer {
			c.end(wire.CloseTokenRefused, "another customer")
			return nil
		}
		c.expiry = who.expiry()
		c.sendFrame(wire.ServerFrame{Type: wire.FrameAuthenticated})
		return nil
	}
	s := c.p.session(c.sessionID)
	switch {
	case s == nil || s.ended || s.customer != who.Sub:
		c.end(wire.CloseSessionGone, "no such session")
		return nil
	case !wire.IsUUID(f.ClientID):
		c.end(wire.CloseMalformed, "clientId is not a UUID")
		return nil
	}
	c.session, c.customer, c.clientID, c.expiry = s, who.Sub, f.ClientID, who.expiry()
	c.resumeFrom = f.LastEventID
	old := s.stream
	switch {
	case old == nil:
	case old.clientID == f.ClientID:
		old.end(wire.CloseSuperseded, "replaced by the same client")
	default:
		if old.receivedNext == nil {
			old.receivedNext = make(chan struct{})
		}
		old.ping()
		return old
	}
	c.open()
	return nil
}

// contend waits whether the older connection is alive; the lock is not held.
func (c *conn) contend(old *conn) {
	c.p.mu.Lock()
	received := old.receivedNext
	c.p.mu.Unlock()
	alive := received == nil
	if received != nil {
		t := time.NewTimer(takeoverPatience)
		defer t.Stop()
		select {
		case <-received:
			alive = true
		case <-old.serverDone:
		case <-c.serverDone:
		case <-t.C:
		}
	}
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	switch {
	case c.ended:
	case c.session.ended:
		c.end(wire.CloseSessionGone, "session ended")
	case alive && !old.ended:
		c.end(wire.CloseSuperseded, "open elsewhere")
	default:
		if s := c.session.stream; s != nil {
			s.end(wire.CloseSuperseded, "replaced by another client")
		}
		c.open()
	}
}

// open begins the session's stream.
func (c *conn) open() {
	p := c.p
	from := c.resumeFrom
	c.ready = true
	c.session.stream = c
	f := wire.ServerFrame{
		Type: wire.FrameReady, HeartbeatInterval: p.o.HeartbeatInterval, Resumed: true, LastEventID: p.position(),
		ServerTime: p.shownTime(),
	}
	switch {
	case from == 0:
		c.sendFrame(f)
		return
	case from < p.floor || from > p.position():
		f.Resumed = false
		c.sendFrame(f)
		return
	}
	f.LastEventID = from
	c.sendFrame(f)
	for _, l := range p.log {
		if l.id > from && l.visibleTo(c.session) {
			c.sendFrame(wire.ServerFrame{Type: wire.FrameEvent, ID: l.id, Event: l.event})
		}
	}
}
