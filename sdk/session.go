package sdk

import (
	"strconv"
	"strings"
	"time"

	"openchat/sdk/wire"
)

// Bounds of a session.
const (
	initTimeout     = 28 * time.Second // INIT-9 promises 30
	shutdownTimeout = 4 * time.Second  // SHUT-1 promises 5
	// maxOutbox is how many undelivered items stop the reading of the stream. The
	// dispatcher may have as many in hand.
	maxOutbox = 512
	// maxSleep bounds the session's timer. Browsers stop timers while a device
	// sleeps, without notice; within this time of waking the session looks at the clock.
	maxSleep = 15 * time.Second
)

// phase is where a session is in its life.
type phase int

const (
	initializing phase = iota
	ready              // INITIALIZED was raised
	closing            // shutdown runs
	closed             // SHUTDOWN was raised, or init failed; only deliveries remain
)

// session is one life between init and shutdown. All fields below the channels
// belong to the goroutine in run; others reach it through do.
type session struct {
	c    *Core
	log  *logger
	host string // hostURL without slashes at its end
	base string // host and wire.BasePath

	commands chan func()     // from the page
	results  chan outcome    // from request workers
	dialed   chan dialed     // from the dialer
	dispatch chan []delivery // to the dispatcher
	ended    chan struct{}   // closed when run has returned
	alarm    chan struct{}   // holds one: the timer has run out

	params InitParams
	config Config
	phase  phase
	outbox outbox
	timer  *time.Timer // signals alarm
	clock  clock

	initDone   func(UserContext, error)
	initEnd    instant // deadline of init
	id         string  // of the session at the gateway
	resumed    bool    // the id came from storage
	info       wire.Session
	tokens     tokens
	idle       idle
	stream     stream
	connection connection
	rest       rest
	workers    int // goroutines that will still send to results
	chats      chats
}

func newSession(c *Core, p InitParams, cfg Config, done func(UserContext, error)) *session {
	host := strings.TrimRight(p.HostURL, "/")
	s := &session{
		c:        c,
		log:      &c.logger,
		host:     host,
		base:     host + wire.BasePath,
		commands: make(chan func()),
		results:  make(chan outcome),
		dialed:   make(chan dialed),
		dispatch: make(chan []delivery),
		ended:    make(chan struct{}),
		alarm:    make(chan struct{}, 1),
		params:   p,
		config:   cfg,
		initDone: done,
	}
	s.tokens.current, _ = readToken(p.Token)
	s.clock = newClock(c.o.WallClock, s.tokens.current.claims.IssuedAt, s.tokens.current.claims.Expiry)
	s.initEnd = s.clock.now() + initTimeout
	s.rest.random = c.o.Random
	s.stream = stream{
		window:   cfg.ReconnectionTimeout,
		appkey:   p.Appkey,
		clientID: c.newUUID(),
		random:   c.o.Random,
		log:      s.log,
		initial:  true,
		backoff:  backoff{base: reconnectBase, ceiling: reconnectCeiling},
	}
	s.chats = chats{
		sendTimeout: cfg.ReconnectionTimeout,
		newID:       c.newUUID,
		log:         s.log,
		engagements: map[string]*engagement{},
		creating:    map[string]*creation{},
	}
	s.idle = idle{timeout: cfg.IdleTimeout, grace: cfg.IdleShutdownGraceTimeout}
	return s
}

// do hands f to the session's goroutine; false when the session has ended.
func (s *session) do(f func()) bool {
	select {
	case s.commands <- f:
		return true
	case <-s.ended:
		return false
	}
}

// run is the session.
func (s *session) run() {
	defer close(s.ended)
	defer close(s.dispatch)
	defer s.crashed()
	// Not NewTimer: that first looks its GODEBUG up, in forty functions, which a browser
	// compiles while the page waits for its first request.
	s.timer = time.AfterFunc(maxSleep, func() {
		select {
		case s.alarm <- struct{}{}:
		default:
		}
	})
	defer s.timer.Stop()
	s.begin()
	for {
		s.handleTimers()
		if s.phase == closed && len(s.outbox.items) == 0 && s.workers == 0 {
			return
		}
		var out chan []delivery
		if len(s.outbox.items) > 0 {
			out = s.dispatch
		}
		var arrivals chan arrival
		if s.reads() {
			arrivals = s.connection.arrivals
		}
		s.timer.Reset(s.sleep())
		select {
		case f := <-s.commands:
			f()
			s.runChats()
		case o := <-s.results:
			s.workers--
			s.attemptEnded(o)
		case d := <-s.dialed:
			s.dialEnded(d)
		case a := <-arrivals:
			now := s.clock.now()
			s.receive(a, now)
			s.receiveWaiting(arrivals, now)
		case out <- s.outbox.items:
			s.outbox.items = nil
		case <-s.alarm:
		}
	}
}

// handleTimers fires every expired deadline.
func (s *session) handleTimers() {
	now := s.clock.now()
	// Deadlines run on the monotonic clock, so that a corrected wall clock neither ends
	// nor prolongs them.
	if s.clock.takeJump(now) {
		s.log.log(LogInfo, "the device slept or its clock was set, checking the connection")
		s.wake(WakeVisible)
	}
	if s.phase == closed {
		return
	}
	if s.phase == initializing && now >= s.initEnd {
		err := fail(CodeUnreachable, "no connection to "+s.host+" within 30 seconds")
		if last := s.rest.lastFailure(); last != nil {
			err = last // an attempt is still under way; the one before knew more
		}
		s.initFailed(err)
		return
	}
	if s.phase == ready {
		s.handleTokenTimers(now)
		warn, end := s.idle.expire(s.clock.steady(now))
		if warn {
			s.log.warn(CodeIdleTimeout, "")
			s.emit(&Event{Type: EventIdleTimeoutExpired, GracePeriod: s.idle.grace})
		}
		if end {
			s.shutdown(wire.ReasonUserInactive, func() {})
		}
	}
	s.stream.handleTimers(now)
	s.runStream(now)
	s.startAttempts(s.rest.handleTimers(s.tokens.current.text, now))
}

// sleep returns how long nothing can become due.
func (s *session) sleep() time.Duration {
	now := s.clock.now()
	d := maxSleep
	sooner := func(t instant) {
		if t != 0 {
			d = min(d, max(0, t-now))
		}
	}
	switch s.phase {
	case initializing:
		sooner(s.initEnd)
	case ready:
		sooner(s.tokens.nextTimer(&s.clock))
		if s.idle.deadline != 0 {
			sooner(s.idle.deadline - s.clock.slept)
		}
	}
	if s.phase != closed {
		sooner(s.stream.nextTimer())
		sooner(s.rest.nextTimer())
	}
	return d
}

// wake looks at everything that may have changed unnoticed.
func (s *session) wake(w Wake) {
	if s.phase == closing || s.phase == closed {
		return
	}
	now := s.clock.now()
	s.stream.wake(w, now)
	s.runStream(now)
	if w == WakeVisible || w == WakeOnline {
		s.rest.retryNow(now)
	}
}

// checkReady refuses a call that comes too early or too late (NS-13).
func (s *session) checkReady() *Error {
	switch s.phase {
	case initializing, closing:
		return fail(CodeInProgress, "")
	case closed:
		return fail(CodeNotInitialized, "call init first")
	}
	return nil
}

// resetIdle is checkReady for a call that counts as user activity: it starts the idle timer anew (IDLE-1).
func (s *session) resetIdle() *Error {
	err := s.checkReady()
	if err == nil {
		s.idle.reset(s.clock.steady(s.clock.now()))
	}
	return err
}

// receive handles what the connection's reader brings.
func (s *session) receive(a arrival, now instant) {
	if a.err != nil {
		s.stream.closed(a.err, s.tokens.current.text, now)
		s.runStream(now)
		return
	}
	f := s.stream.frame(a.frame, now)
	switch {
	case f == nil:
		s.runStream(now)
	case f.Event.Type == wire.EventSessionTerminated:
		s.endedByServer(f.Event.Reason)
	default:
		s.chats.event(f.ID, &f.Event)
		s.runChats()
	}
}

// receiveWaiting handles what else has arrived, so that a burst costs one turn of run
// and one of the dispatcher, and not two for each frame, and the clock is read once.
func (s *session) receiveWaiting(arrivals chan arrival, now instant) {
	for range maxArrivals - 1 {
		if arrivals != s.connection.arrivals || !s.reads() {
			return
		}
		select {
		case a := <-arrivals:
			s.receive(a, now)
		default:
			return
		}
	}
}

// reads reports whether frames are taken from the connection.
func (s *session) reads() bool { return !s.stream.held && !s.outbox.full() }

// dialEnded handles what the dialer brings.
func (s *session) dialEnded(d dialed) {
	now := s.clock.now()
	switch {
	case d.epoch != s.stream.epoch:
		if d.conn != nil {
			d.conn.Close(1000, "")
		}
	case d.err != nil:
		s.stream.closed(d.err, s.tokens.current.text, now)
		s.runStream(now)
	default:
		s.connection.conn, s.connection.arrivals = d.conn, d.arrivals
		s.stream.dialed(s.tokens.current.text, now)
		s.runStream(now)
	}
}

// attemptEnded handles what a worker brings back.
func (s *session) attemptEnded(o outcome) {
	if !s.rest.awaits(o) {
		return
	}
	now := s.clock.now()
	c, r := o.call, o.response
	if s.log.debugs() {
		came := "status " + strconv.Itoa(r.Status)
		if o.err != nil {
			came = "no answer, " + o.err.Error()
		}
		s.log.debug(c.method, " ", c.path, ": ", came, " after ", milliseconds(now-c.sentAt), ", attempt ", strconv.Itoa(c.attempt))
	}
	// Once the stream has given the time, Date is no better: it may be a proxy's.
	if !s.clock.fromStream && r.Status < 500 {
		s.measure(r.Date, time.Second, c.sentAt)
	}
	// There may be another token to go on with: what the page has set meanwhile (JWT-5), or
	// the one before (JWT-7).
	other := false
	if !c.refreshed && s.tokens.concerned(r.Status, c.token) {
		if c.token == s.tokens.current.text {
			s.judgeRefusal(c, r.Status, now)
		}
		other = c.token != s.tokens.current.text
	}
	switch out := s.rest.ended(o, other, s.tokens.current.text, now); out.kind {
	case restAttempt:
		s.startAttempt(out.attempt)
	case restSettled:
		s.settle(c, out.answer, now)
	case restWaits:
		if r.Status == 401 {
			s.judgeRefusal(c, r.Status, now)
		}
	}
}

// judgeRefusal handles the server's refusal of the token that an attempt carried, once.
func (s *session) judgeRefusal(c *call, status int, now instant) {
	if s.phase != ready || s.tokens.current.expired || c.judged {
		return
	}
	c.judged = true
	// The gateway is the judge: where its time is not known, 401 means that the token has
	// expired.
	if status == 401 && c.token == s.tokens.current.text && (!s.clock.measured() || !s.clock.server(now).Before(s.tokens.current.claims.Expiry.Add(-clockTolerance))) {
		s.tokenExpired()
		return
	}
	s.refuseToken(c.token)
}

// settle hands an answer to whoever made the call.
func (s *session) settle(c *call, a answer, now instant) {
	c.then(a)
	s.runChats()
	// The page's own token is refused, or the session is gone: that concerns more
	// than this call.
	switch {
	case a.status == 401:
		s.judgeRefusal(c, a.status, now)
	case a.err == nil:
		s.tokens.accept(c.token)
		if c.token == s.tokens.current.text {
			if s.stream.tokenWorked(c.sentAt, now) {
				s.tokens.revive()
			}
		}
	case a.err.Code == CodeNoSession:
		s.endedByServer("")
	}
}

// setToken replaces the token (JWT-3, JWT-4).
func (s *session) setToken(text string) *Error {
	now := s.clock.now()
	before := s.tokens.current.text
	if err := s.tokens.set(text, s.stream.state == streamOpen, s.clock.server(now)); err != nil {
		return err
	}
	if text != before && s.log.debugs() {
		s.log.debug("a new token was set, it expires in ", seconds(s.tokens.current.claims.Expiry.Sub(s.clock.server(now))))
	}
	s.stream.setToken(s.tokens.current.text, now)
	s.runStream(now)
	s.rest.retryNow(now)
	return nil
}

// handleTokenTimers raises what is due of the token's events.
func (s *session) handleTokenTimers(now instant) {
	if s.tokens.handleTimers(s.clock.server(now)) {
		s.tokenExpired()
		return
	}
	s.raiseTokenEvents(now)
}

func (s *session) raiseTokenEvents(now instant) {
	reminder, expired := s.tokens.takeEvents(now)
	if reminder {
		s.emit(&Event{Type: EventTokenExpiryReminder, ExpiryDate: s.tokens.current.claims.Expiry})
	}
	if expired {
		s.emit(&Event{Type: EventTokenExpired, Date: s.tokens.current.claims.Expiry})
	}
}

// tokenExpired makes the stream wait for a new token, and tells the page (JWT-2).
func (s *session) tokenExpired() {
	s.tokens.expire()
	now := s.clock.now()
	s.raiseTokenEvents(now)
	s.stream.tokenExpired(now)
	s.runStream(now)
}

// refuseToken notes that the server refuses a token. It reports whether there is another
// to go on with at once: what the page has set meanwhile, or the one before.
func (s *session) refuseToken(text string) bool {
	now := s.clock.now()
	if s.tokens.refuse(text, now, s.clock.server(now)) {
		s.log.log(LogInfo, "the server refuses the new token, the one before stays in use")
	}
	return s.tokens.current.text != text
}
