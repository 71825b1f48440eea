package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
	"openchat/web/metrics"
	"openchat/web/store"
	"openchat/web/tracing"
)

// stream is one connection of a session's event stream. Two goroutines serve it: the
// reader takes the client's frames and prepares the resume; the writer sends, keeps the
// times and closes. Everything between them, the hub and the writer stands under mu, and
// wake signals the writer.
type stream struct {
	g         *Gateway
	conn      *httpapi.Conn
	sessionID string // of the client's choice, until began is set: not for the log
	number    uint64 // distinguishes the gateway's streams
	admission *httpapi.Admission
	ctx       context.Context // the connection's life
	cancel    context.CancelFunc
	wake      chan struct{} // holds one: the writer has something to do
	space     chan struct{} // holds one: the queue has become shorter
	done      chan struct{} // closed when the writer has ended

	// Set by the reader before claim shows the stream to others.
	customer    store.Customer
	integration string
	clientID    string
	began       time.Time // when it claimed its session; zero: it has none

	mu       sync.Mutex
	queue    []*frame
	spare    []*frame // empty, to become the queue
	frames   int      // queued or being sent
	bytes    int      // in them
	state    streamState
	held     []*frame // live events during the resume
	heldSize int
	last     wire.EventID // events up to here are not for this client any more
	expiry   time.Time    // of the token
	grant    grant
	started  time.Time
	seen     time.Time // the last frame from the client
	pinged   time.Time // the last ping to it
	probes   []chan struct{}
	code     int // to close with, 0 while open
	reason   string
	drain    bool // send what is queued before closing
}

// streamState says what becomes of a live event.
type streamState string

const (
	streamOpening  streamState = "opening"  // not authenticated: no event reaches it
	streamResuming streamState = "resuming" // it is held until what is older has been sent
	streamLive     streamState = "live"     // it is sent
)

// writeTime bounds the sending of one WebSocket message. A client that does not take it
// in that time is gone, or as good as gone.
const writeTime = 10 * time.Second

// frame is an event frame, shared by all streams that it goes to, or with a text only another
// one.
type frame struct {
	id      wire.EventID
	session string // non-empty: for this session only
	ends    bool   // the session is over with it
	text    []byte
	stored  time.Time // when its event was, as long as that is live; else zero
	traced  *tracing.Delivery
}

func frameOf(e *store.EncodedEvent) *frame {
	return &frame{
		id: e.ID, session: e.SessionID, ends: e.Type == wire.EventSessionTerminated,
		text: wire.AppendEventFrame(make([]byte, 0, len(e.JSON)+64), e.ID, e.JSON),
	}
}

// stream serves GET /sessions/{id}/events.
func (g *Gateway) stream(w http.ResponseWriter, r *http.Request) {
	if !slices.ContainsFunc(strings.Split(strings.Join(r.Header.Values("Sec-WebSocket-Protocol"), ","), ","), func(p string) bool {
		return strings.TrimSpace(p) == wire.Subprotocol
	}) {
		g.api.Refuse(w, r, httpapi.Malformed("The WebSocket subprotocol "+wire.Subprotocol+" is needed."))
		return
	}
	admission, err := g.sockets.Admit(r)
	if err != nil {
		g.api.Refuse(w, r, err)
		return
	}
	now := time.Now()
	s := &stream{
		g: g, sessionID: strings.ToLower(r.PathValue("id")), number: g.streams.Add(1), admission: admission,
		wake: make(chan struct{}, 1), space: make(chan struct{}, 1), done: make(chan struct{}),
		state: streamOpening, started: now, seen: now, grant: grant{origin: g.api.Origins.Other(r)},
	}
	if !wire.IsUUID(s.sessionID) {
		s.sessionID = "" // no session has it, and it is not for the log
	}
	s.conn, err = httpapi.AcceptLimited(w, r, websocket.AcceptOptions{Subprotocols: []string{wire.Subprotocol}}, httpapi.FrameLimit{
		PerSecond: g.cfg.FrameRate, Burst: g.cfg.FrameBurst,
		TooMuch: func() { s.end(wire.CloseTooMuch, "too many frames") },
	})
	if err != nil {
		admission.Leave()
		return // Accept has answered
	}
	s.conn.SetReadLimit(-1) // read has its own, with a close code of the protocol
	s.ctx, s.cancel = context.WithCancel(g.drain.Context())
	g.hub.add(s)
	if g.closing() { // closeAll may have come before add
		s.end(wire.CloseGoingAway, "the gateway shuts down")
	}
	// Not on this goroutine: its stack, and the request, its headers and its connection's
	// buffers would live as long as the stream.
	go s.serve()
}

// serve runs the stream until it has ended.
func (s *stream) serve() {
	g := s.g
	defer s.admission.Leave()
	// Once, and not with every read and write.
	stop := context.AfterFunc(s.ctx, s.conn.Drop)
	go s.write()
	s.read()
	<-s.done
	stop()
	s.cancel()
	g.hub.remove(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	g.cfg.Metrics.StreamEnded(s.code)
	if s.began.IsZero() {
		// Nobody is known whose stream it was, nor that its session exists.
		g.strangers.Count(s.reason)
		return
	}
	g.log.Info("stream closed", "account", s.customer.Account, "sessionId", s.sessionID, "code", s.code, "reason", s.reason, "lasted", time.Since(s.started).Round(time.Millisecond))
}

// end closes the stream. The first code and reason count.
func (s *stream) end(code int, reason string) { s.finish(code, reason, false) }

func (s *stream) finish(code int, reason string, drain bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finishLocked(code, reason, drain)
}

func (s *stream) finishLocked(code int, reason string, drain bool) {
	if s.code == 0 {
		s.code, s.reason, s.drain = code, reason, drain
		signal(s.wake)
		signal(s.space)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// connectionBroken is the code for connections that broke without being closed.
const connectionBroken = -1

// read takes the client's frames until the connection ends.
func (s *stream) read() {
	defer httpapi.Recover(s.g.log, func() { s.end(wire.CloseServerError, "the gateway failed") }, "stream", s.number)
	authenticated := false
	for {
		f, err := s.readFrame()
		if err != nil && !errors.Is(err, errMalformed) {
			if errors.Is(err, errTooLarge) {
				s.end(wire.CloseMalformed, "a frame is too large")
			} else if code := websocket.CloseStatus(err); code >= 0 {
				s.end(int(code), "closed by the client")
			} else {
				s.end(connectionBroken, "the connection broke")
			}
			return
		}
		if s.isOver() {
			return
		}
		if err != nil || !authenticated && f.Type != wire.FrameAuthenticate {
			s.end(wire.CloseMalformed, "a frame was not understood")
			return
		}
		s.markAlive()
		switch f.Type {
		case wire.FrameAuthenticate:
			if authenticated {
				s.renew(&f)
			} else {
				authenticated = true
				s.begin(&f)
			}
		case wire.FramePing:
			s.send(&wire.ServerFrame{Type: wire.FramePong, ServerTime: time.Now()})
		}
	}
}

// isOver reports whether the stream is ending.
func (s *stream) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.code != 0
}

// frameBuffers are for the reading of one frame: a stream that waits for one has none.
var frameBuffers = sync.Pool{New: func() any { return new([]byte) }}

var (
	errTooLarge  = errors.New("frame too large")
	errMalformed = errors.New("frame not understood")
)

// readFrame waits for the next frame.
func (s *stream) readFrame() (wire.ClientFrame, error) {
	kind, reader, err := s.conn.Reader(context.Background()) // s.ctx closes the connection
	if err != nil {
		return wire.ClientFrame{}, err
	}
	buffer := frameBuffers.Get().(*[]byte)
	defer frameBuffers.Put(buffer)
	if *buffer, err = readAll((*buffer)[:0], reader); err != nil {
		return wire.ClientFrame{}, err
	}
	f, err := wire.DecodeClientFrame(*buffer)
	if err != nil || kind != websocket.MessageText {
		return f, errMalformed
	}
	return f, nil
}

// readAll reads a frame into buffer.
func readAll(buffer []byte, r io.Reader) ([]byte, error) {
	for {
		if len(buffer) > wire.MaxClientFrame {
			return buffer, errTooLarge
		}
		buffer = slices.Grow(buffer, 512)
		n, err := r.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		if err == io.EOF {
			if len(buffer) > wire.MaxClientFrame {
				return buffer, errTooLarge
			}
			return buffer, nil
		}
		if err != nil {
			return buffer, err
		}
	}
}

// markAlive notes that the client lives.
func (s *stream) markAlive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = time.Now()
	for _, p := range s.probes {
		close(p)
	}
	s.probes = nil
}

// probe pings the client and reports whether it answers, unless the stream that wants to
// know has ended; asker is its done, or nil.
func (s *stream) probe(ctx context.Context, asker <-chan struct{}) bool {
	answered := make(chan struct{})
	s.mu.Lock()
	if s.code != 0 {
		s.mu.Unlock()
		return false
	}
	s.probes = append(s.probes, answered)
	s.pushLocked(&frame{text: (&wire.ServerFrame{Type: wire.FramePing, ServerTime: time.Now()}).Append(nil)})
	s.mu.Unlock()
	t := time.NewTimer(probeTime)
	defer t.Stop()
	select {
	case <-answered:
		return true
	case <-t.C:
	case <-s.done:
	case <-asker:
	case <-ctx.Done():
	}
	s.mu.Lock()
	s.probes = slices.DeleteFunc(s.probes, func(p chan struct{}) bool { return p == answered })
	s.mu.Unlock()
	return false
}

// admit verifies an authenticate frame; a refusal ends the stream.
func (s *stream) admit(f *wire.ClientFrame) *caller {
	c, err := s.g.access.Load().tokens.verify(s.ctx, f.Token, f.Appkey)
	switch {
	case errors.Is(err, errExpired):
		s.end(wire.CloseTokenExpired, "the token has expired")
		return nil
	case err != nil:
		s.mu.Lock()
		origin := s.grant.origin
		s.mu.Unlock()
		if s.g.noteRefusal(s.admission.Address(), origin, err) != nil {
			s.end(wire.CloseTooMuch, "too many tokens of this address were refused")
		} else {
			s.end(wire.CloseTokenRefused, refusalReason(err))
		}
		return nil
	}
	return c
}

// maxReason is the longest reason of a close frame, in bytes (RFC 6455, 5.5.1).
const maxReason = 123

// refusalReason is the reason that goes with 4403: of a token that a known key has
// signed, the claim or the appkey that was refused.
func refusalReason(err error) string {
	var u *unsigned
	if errors.As(err, &u) && u.kid != "" {
		return u.Error()
	}
	var r *refusal
	if !errors.As(err, &r) {
		return "the token was refused"
	}
	reason := r.Error()
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "")
	}
	return reason
}

// renew takes a new token for the running stream.
func (s *stream) renew(f *wire.ClientFrame) {
	checks := s.g.checks.Load()
	c := s.admit(f)
	if c == nil {
		return
	}
	if c.Customer != s.customer || c.IntegrationID != s.integration {
		s.end(wire.CloseTokenRefused, "the token is another customer's")
		return
	}
	s.take(c)
	s.checkAgain(checks)
	s.send(&wire.ServerFrame{Type: wire.FrameAuthenticated})
}

// take takes what a token grants.
func (s *stream) take(c *caller) {
	key := c.key.hash()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expiry = c.Expiry
	s.grant.appkey, s.grant.key, s.grant.jti = c.appkey, key, c.jti
}

// begin authenticates the stream and brings it up to date.
func (s *stream) begin(f *wire.ClientFrame) {
	checks := s.g.checks.Load()
	c := s.admit(f)
	if c == nil {
		return
	}
	// Who connects again and again costs a resume each time.
	if s.g.limits.Count("stream "+c.Account+" "+c.ID) != nil {
		s.end(wire.CloseTooMuch, "too many connections of this customer")
		return
	}
	if f.ClientID != "" && !wire.IsUUID(f.ClientID) {
		s.end(wire.CloseMalformed, "the clientId is not a UUID")
		return
	}
	s.take(c)
	s.mu.Lock()
	s.state = streamResuming
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.ctx, httpapi.CallTime)
	defer cancel()
	// Before claim, so that nothing happens to the stream of a session that is not the
	// token's.
	exists, err := s.sessionExists(ctx, c)
	if err == nil && exists {
		s.customer, s.integration, s.clientID = c.Customer, c.IntegrationID, strings.ToLower(f.ClientID)
		s.began = time.Now()
		if code, reason := s.g.hub.claim(ctx, s, s.g.cfg.MaxStreamsPerCustomer); code != 0 {
			s.end(code, reason)
			return
		}
		s.checkAgain(checks)
		// And after claim, so that the session's end is either seen here or comes as event.
		exists, err = s.sessionExists(ctx, c)
	}
	if err == nil && !exists {
		s.end(wire.CloseSessionGone, "the session does not exist")
		return
	}
	if err == nil {
		s.admission.Authenticated()
		s.g.announceStream(s)
		err = s.resume(ctx, f.LastEventID)
	}
	if err != nil && s.ctx.Err() == nil {
		s.g.log.Error("a stream could not begin", "account", c.Account, "error", err)
		s.end(wire.CloseServerError, "the gateway failed")
	}
}

// sessionExists reports whether the stream's session is an active one of the caller.
func (s *stream) sessionExists(ctx context.Context, c *caller) (bool, error) {
	_, err := s.g.sessionOf(ctx, c, s.sessionID)
	if errors.As(err, new(*httpapi.Problem)) {
		return false, nil
	}
	return err == nil, err
}

// resume sends ready, then what the client has missed, then lets the live events
// through, of which those that came meanwhile are held.
func (s *stream) resume(ctx context.Context, from wire.EventID) error {
	position := s.g.store.Position()
	ready := wire.ServerFrame{Type: wire.FrameReady, HeartbeatInterval: s.g.cfg.HeartbeatInterval, Resumed: true, LastEventID: position}
	var missed []*frame
	if from != 0 {
		ok, err := s.g.store.Since(ctx, s.customer, from, position, func(e store.Entry) {
			if !s.concerns(&e) {
				return
			}
			for i := range e.Events {
				if to := e.Events[i].SessionID; to == "" || to == s.sessionID {
					missed = append(missed, frameOf(&e.Events[i]))
				}
			}
		})
		if err != nil {
			return err
		}
		ready.Resumed = ok
		if ok {
			ready.LastEventID = from
			// The client may have been further with another gateway.
			position = max(position, from)
		}
	}
	continuity := metrics.Fresh
	if !ready.Resumed {
		continuity = metrics.Lost
	} else if from != 0 {
		continuity = metrics.Resumed
	}
	s.g.cfg.Metrics.StreamBegun(continuity, len(missed))
	ready.ServerTime = time.Now() // the resume may have taken a while
	s.send(&ready)
	s.g.log.Info("stream ready", "account", s.customer.Account, "sessionId", s.sessionID, "resumed", ready.Resumed, "missed", len(missed))
	for _, f := range missed {
		if !s.sendSlowly(f) {
			return nil
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = position
	s.state = streamLive
	held := s.held
	s.held, s.heldSize = nil, 0
	for _, f := range held {
		s.liveLocked(f)
	}
	return nil
}

// sendSlowly queues an older event, and waits while the queue is half full; false
// when the stream has ended.
func (s *stream) sendSlowly(f *frame) bool {
	for {
		s.mu.Lock()
		if s.code != 0 {
			s.mu.Unlock()
			return false
		}
		if s.frames < s.g.cfg.QueueFrames/2 && s.bytes < s.g.cfg.QueueBytes/2 {
			s.pushLocked(f)
			if f.ends {
				s.finishLocked(wire.CloseSessionGone, "the session has ended", true)
			}
			s.mu.Unlock()
			return true
		}
		s.mu.Unlock()
		select {
		case <-s.space:
		case <-s.done:
			return false
		}
	}
}

// concerns reports whether the entry is of the session's integration: the same
// customer's chats in another are not for a token of this one.
func (s *stream) concerns(e *store.Entry) bool {
	return e.IntegrationID == "" || strings.EqualFold(e.IntegrationID, s.integration)
}

// live takes an event from the hub. It does not block: a client that is too slow is cut off.
func (s *stream) live(f *frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.liveLocked(f)
}

func (s *stream) liveLocked(f *frame) {
	switch {
	case s.code != 0:
	case s.state == streamResuming:
		s.held = append(s.held, f)
		s.heldSize += len(f.text)
		if len(s.held) > s.g.cfg.QueueFrames || s.heldSize > s.g.cfg.QueueBytes {
			s.finishLocked(wire.CloseTooMuch, "too slow to resume", false)
			s.g.cfg.Metrics.StreamTooSlow()
		}
	case s.state == streamLive && f.id > s.last:
		s.last = f.id
		s.pushLocked(f)
		if f.ends {
			s.finishLocked(wire.CloseSessionGone, "the session has ended", true)
		}
	}
}

func (s *stream) send(f *wire.ServerFrame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.code == 0 {
		s.pushLocked(&frame{text: f.Append(nil)})
	}
}

func (s *stream) pushLocked(f *frame) {
	s.queue = append(s.queue, f)
	s.frames++
	s.bytes += len(f.text)
	if s.frames > s.g.cfg.QueueFrames || s.bytes > s.g.cfg.QueueBytes {
		s.finishLocked(wire.CloseTooMuch, "too slow to read", false)
		s.g.cfg.Metrics.StreamTooSlow()
		return
	}
	signal(s.wake)
}

// write sends what is queued, keeps the times, and closes the connection.
func (s *stream) write() {
	defer close(s.done)
	defer httpapi.Recover(s.g.log, s.conn.Drop, "stream", s.number)
	timer := time.NewTimer(s.g.cfg.AuthTimeout)
	defer timer.Stop()
	for {
		batch, code, reason, until := s.nextStep(time.Now())
		for rest := batch; len(rest) > 0 && !s.isCut(); {
			n, err := s.sendSome(rest)
			if err != nil {
				s.end(connectionBroken, "the client takes nothing")
				_ = s.conn.CloseNow()
				return
			}
			s.countSent(rest[:n])
			rest = rest[n:]
		}
		if code == connectionBroken {
			_ = s.conn.CloseNow()
			return
		}
		if code != 0 {
			// It waits some seconds for the client's own close frame.
			_ = s.conn.Close(closeCode(code), reason)
			return
		}
		if len(batch) > 0 {
			s.recycle(batch)
			continue
		}
		timer.Reset(until)
		select {
		case <-s.wake:
		case <-timer.C:
		case <-s.ctx.Done():
			_ = s.conn.CloseNow()
			return
		}
	}
}

// closeCode keeps what a client sent from making our own close frame invalid.
func closeCode(code int) websocket.StatusCode {
	switch {
	case code >= 4000 && code < 5000, code == wire.CloseGoingAway, code == wire.CloseServerError:
		return websocket.StatusCode(code)
	}
	return websocket.StatusNormalClosure
}

// nextStep says what the writer has to do: send a batch, close with a code, or wait.
func (s *stream) nextStep(now time.Time) (batch []*frame, code int, reason string, until time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	beat := s.g.cfg.HeartbeatInterval
	if s.code == 0 {
		switch {
		case s.state == streamOpening && !now.Before(s.started.Add(s.g.cfg.AuthTimeout)):
			s.finishLocked(wire.CloseAuthTimeout, "not authenticated in time", false)
		case s.state != streamOpening && !time.Now().Before(s.expiry):
			s.finishLocked(wire.CloseTokenExpired, "the token has expired", true)
		case !now.Before(s.seen.Add(2 * beat)):
			s.finishLocked(wire.CloseGoingAway, "the client is silent", false)
		case s.state != streamOpening && !now.Before(laterOf(s.seen, s.pinged).Add(beat)):
			s.pinged = now
			s.pushLocked(&frame{text: (&wire.ServerFrame{Type: wire.FramePing, ServerTime: time.Now()}).Append(nil)})
		}
	}
	if s.code != 0 && !s.drain {
		return nil, s.code, s.reason, 0
	}
	if len(s.queue) > 0 {
		// The whole queue at once; each frame counts until it is sent.
		batch, s.queue, s.spare = s.queue, s.spare, nil
		return batch, s.code, s.reason, 0
	}
	if s.code != 0 {
		return nil, s.code, s.reason, 0
	}
	wake := s.seen.Add(2 * beat)
	if s.state == streamOpening {
		wake = earlierOf(wake, s.started.Add(s.g.cfg.AuthTimeout))
	} else {
		wake = earlierOf(wake, laterOf(s.seen, s.pinged).Add(beat))
		wake = earlierOf(wake, s.expiry)
	}
	return nil, 0, "", max(wake.Sub(now), 0)
}

// messages are for frames that are sent together.
var messages = sync.Pool{New: func() any { return new([]byte) }}

// sendSome sends the first n of the frames, as many as one WebSocket message may hold:
// a browser spends more on a message of its own than the SDK on the event in it.
func (s *stream) sendSome(frames []*frame) (n int, err error) {
	size := len(frames[0].text)
	for n = 1; n < len(frames); n++ {
		more := len(wire.FrameSeparator) + len(frames[n].text)
		if size+more > wire.MaxServerFrame {
			break
		}
		size += more
	}
	if n == 1 {
		return n, s.conn.Send(frames[0].text, writeTime)
	}
	message := messages.Get().(*[]byte)
	defer messages.Put(message)
	*message = append((*message)[:0], frames[0].text...)
	for _, f := range frames[1:n] {
		*message = append(append(*message, wire.FrameSeparator...), f.text...)
	}
	return n, s.conn.Send(*message, writeTime)
}

// countSent counts frames out.
func (s *stream) countSent(frames []*frame) {
	s.mu.Lock()
	s.frames -= len(frames)
	for _, f := range frames {
		s.bytes -= len(f.text)
	}
	s.mu.Unlock()
	signal(s.space)
	for _, f := range frames {
		if !f.stored.IsZero() {
			s.g.cfg.Metrics.Delivered(f.stored)
		}
		f.traced.Sent(tracing.Customer, s.sessionID)
	}
}

// maxSpare is up to how many frames a queue is kept for.
const maxSpare = 8

// recycle ends a batch: its array becomes the queue's again, unless a burst has made it
// large.
func (s *stream) recycle(batch []*frame) {
	if cap(batch) > maxSpare {
		return
	}
	clear(batch)
	s.mu.Lock()
	s.spare = batch[:0]
	s.mu.Unlock()
}

// isCut reports whether what is queued is not to be sent any more.
func (s *stream) isCut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.code != 0 && !s.drain
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlierOf(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
