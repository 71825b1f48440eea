package sdk

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"openchat/sdk/wire"
)

// Bounds of the event stream.
const (
	// connectTimeout bounds one attempt, from dialing to the ready frame.
	connectTimeout = 10 * time.Second
	// reconnectBase and reconnectCeiling bound the random delays between attempts (STREAM-2).
	reconnectBase, reconnectCeiling = time.Second, 30 * time.Second
	// probeTimeout is how soon a connection must show life after a wake-up.
	probeTimeout = 5 * time.Second
	// stableAfter is how long a connection must have stood to begin the backoff anew;
	// else a gateway that drops every connection at once would be hammered.
	stableAfter = 10 * time.Second
	// maxRefusalWait is how long after a refusal the stream waits at most once a call has
	// shown that the server takes the token.
	maxRefusalWait = 5 * time.Second
	// maxPings bounds the pings that no pong has answered: more would not be answered sooner.
	maxPings = 16
)

// streamState is where the event stream is.
type streamState int

const (
	streamIdle         streamState = iota // not begun, or let go
	streamDialing                         // the socket is being opened
	streamAuthorizing                     // authenticate was sent, ready is awaited
	streamOpen                            // ready came
	streamWaiting                         // broken; the next attempt is at retryAt
	streamUnauthorized                    // broken; a new token is awaited (JWT-2)
	streamGivenUp                         // broken; the window is over (STREAM-6)
	streamAway                            // let go while the page is in the back/forward cache
)

// stream is the state of the connection for events.
type stream struct {
	state    streamState
	epoch    int          // counts attempts; what an older one brings is void
	conn     Conn         // nil unless authorizing or open
	arrivals chan arrival // from conn's reader; nil without one
	stop     chan struct{}
	cancel   context.CancelFunc
	backoff  backoff

	brokeAt   time.Time // when the reconnection window began; zero: it has not
	attemptAt time.Time // when the last attempt began
	openedAt  time.Time
	retryAt   time.Time // waiting
	giveUpAt  time.Time // dialing, authorizing: end of the attempt
	offline   bool      // the browser says so

	interval time.Duration // heartbeat
	heardAt  time.Time     // last frame
	pingedAt time.Time     // zero: no ping is unanswered
	pings    []time.Time   // when each ping was sent that no pong has answered
	authAt   time.Time     // when the first frame of the connection was sent
	deadAt   time.Time     // open: dead unless a frame comes
	token    string        // that the connection knows
	// refusals counts tokens that were refused in a row, for the time between attempts.
	refusals  int
	refusedAt time.Time
	renewals  int          // tokens sent to the open connection, and not yet answered
	lastID    wire.EventID // position: everything up to here was handled
	hasPlace  bool         // lastID is meaningful
}

// dialed is the outcome of an attempt at a connection.
type dialed struct {
	epoch    int
	conn     Conn
	arrivals chan arrival
	err      error
}

// arrival is a frame, or the end of the connection.
type arrival struct {
	frame []byte
	err   error
}

// connect begins an attempt.
func (s *session) connect() {
	st := &s.stream
	now := time.Now()
	st.epoch++
	st.state = streamDialing
	st.attemptAt = now
	st.giveUpAt = now.Add(connectTimeout)
	st.retryAt = time.Time{}
	st.renewals = 0
	st.pings = nil
	st.stop = make(chan struct{})
	s.emit(Event{Type: EventStreamConnecting})
	s.log.debug("event stream: connecting, attempt ", strconv.Itoa(st.epoch))

	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	st.cancel = cancel
	epoch, stop := st.epoch, st.stop
	url := "ws" + s.base[len("http"):] + "/sessions/" + s.id + "/events"
	go func() {
		defer cancel()
		conn, err := s.c.o.Transport.Dial(ctx, url, wire.Subprotocol)
		arrivals := make(chan arrival, maxArrivals)
		select {
		case s.dialed <- dialed{epoch, conn, arrivals, err}:
		case <-stop:
			if conn != nil {
				conn.Close(1000, "")
			}
			return
		}
		for err == nil {
			var frame []byte
			frame, err = conn.Read()
			select {
			case arrivals <- arrival{frame, err}:
			case <-stop:
				return
			}
		}
	}()
}

// dropConnection drops the connection, or the attempt at one, without a word to the page.
func (s *session) dropConnection(code int) {
	st := &s.stream
	st.epoch++
	if st.stop != nil {
		close(st.stop)
		st.cancel()
		st.stop = nil
	}
	if st.conn != nil {
		st.conn.Close(code, "")
		st.conn, st.arrivals = nil, nil
	}
	s.held = false
	st.pingedAt, st.deadAt, st.giveUpAt, st.retryAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}
}

// stopStream drops the connection for good.
func (s *session) stopStream(code int) {
	s.dropConnection(code)
	s.stream.state = streamIdle
}

// connectionLost says that the connection, or an attempt at one, has failed, and plans the next.
func (s *session) connectionLost(reason FailureReason, text string) { s.retryAfter(reason, text, 0) }

// retryAfter is connectionLost with a least time until the next attempt.
func (s *session) retryAfter(reason FailureReason, text string, least time.Duration) {
	st := &s.stream
	now := time.Now()
	s.resetBackoff(now)
	s.dropConnection(4000)
	if st.brokeAt.IsZero() {
		st.brokeAt = now
	}
	end := st.brokeAt.Add(s.config.ReconnectionTimeout)
	if s.phase != initializing && !now.Before(end) {
		s.giveUp()
		return
	}
	delay := max(least, st.backoff.next(s.c.o.Random()))
	st.state = streamWaiting
	st.retryAt = now.Add(delay)
	s.log.debug("event stream: ", text, ", next attempt in ", milliseconds(delay))
	e := Event{Type: EventStreamFailed, Reason: string(reason), Text: text, RetryAfter: ceilSeconds(delay)}
	if st.offline {
		e.RetryAfter = 0 // no attempt is planned until the browser is online
	}
	s.emit(e)
}

func ceilSeconds(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}

func (s *session) giveUp() {
	s.dropConnection(4000)
	s.stream.state = streamGivenUp
	s.emit(Event{Type: EventStreamFailed, Reason: string(FailureReconnectionTimeout), Text: "Not reconnected within the reconnection timeout"})
}

// resetBackoff begins the backoff anew after a connection that has stood for a while.
func (s *session) resetBackoff(now time.Time) {
	st := &s.stream
	if st.state == streamOpen && now.Sub(st.openedAt) >= stableAfter {
		st.backoff.reset()
		st.refusals = 0
		st.openedAt = now // once for a connection
	}
}

// awaitToken drops the stream until a new token is set (JWT-2).
func (s *session) awaitToken(text string) {
	st := &s.stream
	now := time.Now()
	s.resetBackoff(now)
	s.dropConnection(4000)
	st.state = streamUnauthorized
	st.refusals++
	st.refusedAt = now
	s.emit(Event{Type: EventStreamFailed, Reason: string(FailureUnauthorized), Text: text})
}

// refused is the answer to a connection that the server has refused for its token or
// appkey while attempts are to go on within the reconnection window: a key may be being
// rotated, or a clock be behind (JWT-7). Where another token is to be tried, the first
// refusal in a row costs no time.
func (s *session) refused(reason FailureReason, text string, another bool) {
	st := &s.stream
	now := time.Now()
	s.resetBackoff(now)
	st.refusals++
	st.refusedAt = now
	least := st.refusalDelay()
	if another && st.refusals == 1 {
		least = 0
	}
	s.retryAfter(reason, text, least)
}

// refusalDelay is the least time between a refusal and the next attempt: a page may
// answer each with a token that is no better.
func (st *stream) refusalDelay() time.Duration {
	return min(time.Second<<min(st.refusals-1, 10), st.backoff.ceiling)
}

// freshToken tells the stream that a token was set (JWT-3). After the first refusal the
// next attempt is at once, after more of them in a row not before refusalDelay.
func (s *session) freshToken(now time.Time) {
	st := &s.stream
	switch {
	case st.state == streamOpen:
		if st.token != s.tokens.current.text {
			s.renew()
		}
	case st.state == streamUnauthorized, (st.state == streamWaiting || st.state == streamGivenUp) && st.refusals > 0:
		earliest := st.refusedAt
		if st.refusals > 1 {
			earliest = earliest.Add(st.refusalDelay())
		}
		if !now.Before(earliest) {
			s.reconnect()
			return
		}
		st.state = streamWaiting
		st.brokeAt = now
		st.retryAt = earliest
	}
}

// tokenWorked reconnects, if the stream has ended after a refusal of the very token that
// the server has just taken in a call that was sent later.
func (s *session) tokenWorked(sent time.Time) {
	st := &s.stream
	if st.refusals == 0 || sent.Before(st.refusedAt) || st.offline {
		return
	}
	at := st.refusedAt.Add(min(st.refusalDelay(), maxRefusalWait))
	switch st.state {
	case streamWaiting:
		if at.Before(st.retryAt) {
			st.retryAt = at
		}
	case streamUnauthorized, streamGivenUp:
		s.tokens.revive()
		st.state = streamWaiting
		st.brokeAt = time.Now()
		st.retryAt = at
	}
}

// reconnect tries now, in a new reconnection window.
func (s *session) reconnect() {
	s.dropConnection(4000)
	s.stream.brokeAt = time.Now()
	s.stream.backoff.reset()
	s.connect()
}

func (s *session) retryConnection() *Error {
	switch s.stream.state {
	case streamWaiting, streamGivenUp, streamAway:
		s.reconnect()
		return nil
	case streamUnauthorized:
		return fail(CodeTokenInvalid, "set a new token first")
	case streamDialing, streamAuthorizing:
		if !s.stream.brokeAt.IsZero() {
			s.stream.brokeAt = time.Now() // it is being tried; give it the new window
			return nil
		}
	}
	return fail(CodeRetryNotAllowed, "")
}

// wakeStream reacts to the browser's word on network and visibility (STREAM-5).
func (s *session) wakeStream(w Wake) {
	st := &s.stream
	if w == WakeAway {
		s.pageLeft()
		return
	}
	st.offline = w == WakeOffline || st.offline && w != WakeOnline && w != WakeVisible
	switch st.state {
	case streamWaiting:
		if w != WakeOffline {
			st.backoff.reset()
			s.connect()
		}
	case streamOpen:
		s.probe()
	case streamAway:
		if w != WakeOffline {
			s.reconnect()
		}
	}
}

// pageLeft drops the connection of a page that stops running. A browser may keep it
// open, and the next page of this session would then wait until the gateway has found
// out that nobody answers on it. The reconnection window begins when the page is back.
func (s *session) pageLeft() {
	if s.phase != ready {
		return
	}
	switch s.stream.state {
	case streamDialing, streamAuthorizing, streamOpen:
		s.emit(Event{Type: EventStreamFailed, Reason: string(FailureServerUnreachable), Text: "The page was left"})
	case streamWaiting: // the page has heard that it is broken
	default:
		return
	}
	s.dropConnection(4000)
	s.stream.state = streamAway
}

// probe asks the connection for a sign of life, soon.
func (s *session) probe() {
	st := &s.stream
	now := time.Now()
	if !s.ping(now) {
		return
	}
	// A deadline ahead is never put off: who looks at the page again and again must not
	// keep a dead connection.
	if by := now.Add(probeTimeout); !now.Before(st.deadAt) || by.Before(st.deadAt) {
		st.deadAt = by
	}
}

func (s *session) ping(now time.Time) bool {
	st := &s.stream
	if len(st.pings) < maxPings {
		if !s.write(&wire.ClientFrame{Type: wire.FramePing}) {
			return false
		}
		st.pings = append(st.pings, s.sending())
	}
	st.pingedAt = now
	return true
}

// write queues a frame. When that fails the connection has broken.
func (s *session) write(f *wire.ClientFrame) bool {
	if err := s.stream.conn.Write(f.Append(nil)); err != nil {
		s.connectionLost(FailureServerUnreachable, "The connection was lost")
		return false
	}
	return true
}

func (s *session) authenticate(last wire.EventID) bool {
	s.stream.token = s.tokens.current.text
	s.stream.authAt = s.sending()
	return s.write(&wire.ClientFrame{
		Type:        wire.FrameAuthenticate,
		Token:       wire.TrimTokenPrefix(s.tokens.current.text),
		Appkey:      s.params.Appkey,
		ClientID:    s.clientID,
		LastEventID: last,
	})
}

// renew tells the connection of a new token.
func (s *session) renew() bool {
	s.stream.renewals++
	return s.authenticate(0)
}

// olderTokenRefused reports whether a refusal may be meant for an older token than the page's:
// one that is on its way there, or was not known to the connection when it was opened.
// The next connection knows only the new one.
func (s *session) olderTokenRefused() bool {
	return s.stream.renewals > 0 || s.stream.token != s.tokens.current.text
}

// compare takes the time of a ping, which says only that the server's time is not before
// it. What contradicts the estimate by far is asked about before it is believed.
func (s *session) compare(at, now time.Time) {
	if at.Sub(s.clock.server(now)) > jump {
		s.probe()
		return
	}
	s.measure(at, time.Millisecond, time.Time{})
}

// sending returns the time at which something is sent that the server will answer with its
// time. A wall clock that has moved before does not concern that measurement.
func (s *session) sending() time.Time {
	now := time.Now()
	s.clock.readWall(now)
	return now
}

// measure takes a time of the server's clock into account; zero means that there is none.
// It was made after sent, as clock.measure has it.
func (s *session) measure(at time.Time, precision time.Duration, sent time.Time) {
	if year := at.Year(); year < 2000 || year > 2200 {
		return // none, or no clock that can be meant
	}
	now := time.Now()
	before := s.clock.origin
	s.clock.measure(at, precision, sent, now)
	if moved := s.clock.origin.Sub(before); (moved > jump || moved < -jump) && s.log.debugs() {
		s.log.debug("the device's clock is ", seconds(s.clock.ahead(now)), " ahead of the server's")
	}
}

// extendDeadline notes that a frame has come.
func (s *session) extendDeadline(now time.Time) {
	st := &s.stream
	st.heardAt = now
	st.pingedAt = time.Time{}
	st.deadAt = now.Add(2 * st.interval)
}

// handleStreamTimers does what is due on the stream.
func (s *session) handleStreamTimers(now time.Time) {
	st := &s.stream
	due := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	switch st.state {
	case streamWaiting:
		switch end := st.brokeAt.Add(s.config.ReconnectionTimeout); {
		case s.phase != initializing && due(end):
			// After a sleep the window may have passed without a chance to try.
			if !st.offline && now.Sub(st.attemptAt) > st.backoff.ceiling+connectTimeout {
				s.connect()
				return
			}
			s.giveUp()
		case due(st.retryAt) && !st.offline:
			s.connect()
		}
	case streamDialing, streamAuthorizing:
		if due(st.giveUpAt) {
			s.connectionLost(FailureServerUnreachable, "No answer from the server")
		}
	case streamOpen:
		if s.held {
			return // frames wait unread: silence means nothing
		}
		if due(st.deadAt) {
			if now.Sub(st.deadAt) > jump && st.pingedAt.Before(st.deadAt.Add(-probeTimeout)) {
				s.probe() // not awake when it was due: ask before judging
				return
			}
			s.connectionLost(FailureServerUnreachable, "The connection went silent")
			return
		}
		if st.pingedAt.IsZero() && due(st.heardAt.Add(st.interval)) {
			s.ping(now)
		}
	}
}

// nextStream returns when handleStreamTimers has something to do.
func (s *session) nextStream() time.Time {
	st := &s.stream
	switch st.state {
	case streamWaiting:
		end := st.brokeAt.Add(s.config.ReconnectionTimeout)
		switch {
		case s.phase == initializing && st.offline:
			return time.Time{}
		case s.phase == initializing:
			return st.retryAt
		case st.offline || end.Before(st.retryAt):
			return end
		}
		return st.retryAt
	case streamDialing, streamAuthorizing:
		return st.giveUpAt
	case streamOpen:
		if s.held {
			return time.Time{}
		}
		if st.pingedAt.IsZero() {
			return st.heardAt.Add(st.interval)
		}
		return st.deadAt
	}
	return time.Time{}
}

// connected handles what the dialer brings.
func (s *session) connected(d dialed) {
	st := &s.stream
	switch {
	case d.epoch != st.epoch:
		if d.conn != nil {
			d.conn.Close(1000, "")
		}
	case d.err != nil:
		s.streamEnded(d.err)
	default:
		st.conn, st.arrivals = d.conn, d.arrivals
		st.state = streamAuthorizing
		var last wire.EventID
		if st.hasPlace {
			last = st.lastID
		}
		s.authenticate(last)
	}
}

// reads reports whether frames are taken from the connection.
func (s *session) reads() bool { return !s.held && !s.outbox.full() }

// arrived handles what the connection's reader brings.
func (s *session) arrived(a arrival) {
	if a.err != nil {
		s.streamEnded(a.err)
	} else {
		s.frame(a.frame)
	}
}

// arrivedToo handles what else has come by now, so that a burst costs one turn of run
// and one of the dispatcher, and not two for each frame.
func (s *session) arrivedToo(arrivals chan arrival) {
	for range maxArrivals - 1 {
		if arrivals != s.stream.arrivals || !s.reads() {
			return
		}
		select {
		case a := <-arrivals:
			s.arrived(a)
		default:
			return
		}
	}
}

// streamEnded tells from the close code what to do next.
func (s *session) streamEnded(err error) {
	code := 0
	var closed *CloseError
	if errors.As(err, &closed) {
		code = closed.Code
	}
	s.log.log(LogInfo, "event stream: "+err.Error())
	initial := s.phase == initializing
	switch code {
	case wire.CloseTokenExpired:
		if initial {
			s.initFailed(fail(CodeTokenInvalid, "the server says that it has expired"))
		} else if s.olderTokenRefused() {
			s.refused(FailureUnauthorized, "The JWT has expired, reconnecting with the new one", true)
		} else {
			s.tokenExpired()
		}
	case wire.CloseTokenRefused:
		appkey := strings.HasPrefix(closed.Reason, wire.HeaderAppkey+" ")
		switch {
		case initial && appkey:
			s.initFailed(fail(CodeInitParams, closed.Reason))
		case initial:
			s.initFailed(fail(CodeTokenInvalid, "the server refuses it: "+closed.Reason))
		case appkey:
			s.refused(FailureForbidden, "The appkey was refused by the server", false)
		case s.olderTokenRefused():
			s.refused(FailureForbidden, "The JWT was refused, reconnecting with the new one", true)
		case s.refuseToken(s.stream.token):
			s.refused(FailureForbidden, "The JWT was refused, reconnecting with the one before", true)
		default:
			s.refused(FailureForbidden, "The JWT was refused by the server", false)
		}
	case wire.CloseSessionGone, wire.CloseSuperseded:
		switch {
		case code == wire.CloseSuperseded && s.stream.state == streamOpen:
			// Perhaps by a connection of our own that was given up and whose first frame
			// arrived late. If it was another client, the next attempt is refused.
			s.connectionLost(FailureServerError, "The session's stream was opened elsewhere")
		case !initial:
			s.endedByServer("")
		default:
			s.sessionGoneInInit()
		}
	case wire.CloseGoingAway, wire.CloseServiceRestart, wire.CloseServerError, wire.CloseMalformed, wire.CloseAuthTimeout, wire.CloseTooMuch:
		s.connectionLost(FailureServerError, "The server closed the connection, code "+strconv.Itoa(code))
	default:
		s.connectionLost(FailureServerUnreachable, "The connection was lost")
	}
}

// frame handles one frame of the present connection.
func (s *session) frame(text []byte) {
	st := &s.stream
	f, err := wire.DecodeServerFrame(text)
	if err != nil {
		s.log.log(LogError, "event stream: "+err.Error())
		s.connectionLost(FailureServerError, "The server sent a frame that is not understood")
		return
	}
	now := time.Now()
	switch {
	case f.Type == wire.FrameReady && st.state == streamAuthorizing:
		s.opened(&f, now)
		return
	case st.state != streamOpen:
		return
	case f.Type == wire.FrameEvent:
		if f.ID > st.lastID {
			st.lastID = f.ID
			if s.log.debugs() {
				s.log.debug("event ", f.ID.String(), ": ", string(f.Event.Type), " ", f.Event.EngagementID)
			}
			if !s.skipDelivered(&f.Event) {
				s.apply(&f.Event)
			}
		}
	case f.Type == wire.FrameAuthenticated:
		st.renewals = max(0, st.renewals-1)
		if st.renewals == 0 {
			s.tokens.accept(st.token)
		}
	case f.Type == wire.FramePing:
		s.compare(f.ServerTime, now)
		if !s.write(&wire.ClientFrame{Type: wire.FramePong}) {
			return
		}
	case f.Type == wire.FramePong && len(st.pings) > 0:
		s.measure(f.ServerTime, time.Millisecond, st.pings[0])
		st.pings = st.pings[1:]
	}
	if st.state == streamOpen {
		s.extendDeadline(now)
	}
}

// opened begins the life of a connection.
func (s *session) opened(f *wire.ServerFrame, now time.Time) {
	st := &s.stream
	st.state = streamOpen
	st.giveUpAt = time.Time{}
	st.interval = min(max(f.HeartbeatInterval, wire.MinHeartbeatInterval), wire.MaxHeartbeatInterval)
	if f.HeartbeatInterval <= 0 {
		st.interval = wire.HeartbeatInterval
	}
	st.openedAt = now
	st.brokeAt = time.Time{}
	s.clock.silent = f.ServerTime.IsZero()
	s.clock.told = s.clock.told || !s.clock.silent
	s.measure(f.ServerTime, time.Millisecond, st.authAt)
	s.tokens.accept(st.token)
	if s.log.debugs() {
		s.log.debug("event stream: connected in ", milliseconds(now.Sub(st.attemptAt)), ", heartbeat ", seconds(st.interval),
			", the device's clock is ", seconds(s.clock.ahead(now)), " ahead of the server's")
	}
	s.extendDeadline(now)
	// Before INITIALIZED nothing is lost: the engagements are read after this.
	resumed := f.Resumed || !st.hasPlace || s.phase == initializing
	s.emit(Event{Type: EventStreamConnected, Resumed: resumed})
	if st.token != s.tokens.current.text && !s.renew() {
		return
	}
	s.rest.retryNow(now)
	switch {
	case s.phase == initializing:
		if !st.hasPlace || !f.Resumed {
			st.lastID, st.hasPlace = f.LastEventID, true
		}
		s.streamReady()
	case resumed:
	default:
		s.resync(f.LastEventID)
	}
}
