package sdk

import (
	"context"
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
	// sleeps, without telling; within this time of waking the session looks at the clock.
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
	c    *Client
	log  *logger
	base string // hostURL and wire.BasePath

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
	initEnd    time.Time // deadline of init
	id         string    // of the session at the gateway
	resumed    bool      // the id came from storage
	info       wire.Session
	tokens     tokens
	idle       idle
	stream     stream
	connection connection
	rest       rest
	workers    int // goroutines that will still send to results
	chats      chats
}

func newSession(c *Client, p InitParams, cfg Config, done func(UserContext, error)) *session {
	now := time.Now()
	s := &session{
		c:        c,
		log:      &c.logger,
		base:     strings.TrimRight(p.HostURL, "/") + wire.BasePath,
		commands: make(chan func()),
		results:  make(chan outcome),
		dialed:   make(chan dialed),
		dispatch: make(chan []delivery),
		ended:    make(chan struct{}),
		alarm:    make(chan struct{}, 1),
		params:   p,
		config:   cfg,
		initDone: done,
		initEnd:  now.Add(initTimeout),
	}
	s.tokens.current, _ = readToken(p.Token)
	s.clock = newClock(c.o.WallClock, s.tokens.current.claims.IssuedAt, s.tokens.current.claims.Expiry)
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
			s.connected(d)
		case a := <-arrivals:
			s.received(a)
			s.receivedToo(arrivals)
		case out <- s.outbox.items:
			s.outbox.items = nil
		case <-s.alarm:
		}
	}
}

// crashed turns a bug in this package into an end that the page hears of, instead
// of a page that is silently dead.
func (s *session) crashed() {
	cause := recover()
	if cause == nil {
		return
	}
	s.log.log(LogError, "internal error, the session ends: "+describe(cause))
	s.c.current.CompareAndSwap(s, nil)
	s.stopStream()
	begun := s.phase != initializing
	s.phase, s.chats.over = closed, true
	s.stopCalls(fail(CodeInitFailed, "internal error"))
	if !begun {
		done := s.initDone
		s.enqueue(func() { done(UserContext{}, fail(CodeInitFailed, "internal error")) })
	}
	s.emit(&Event{Type: EventStreamFailed, Reason: string(FailureUnexpected), Text: "Internal error"})
	s.emit(&Event{Type: EventShutdown})
	s.dispatch <- s.outbox.items
	for ; s.workers > 0; s.workers-- {
		<-s.results
	}
}

func describe(cause any) string {
	switch v := cause.(type) {
	case error:
		return v.Error()
	case string:
		return v
	}
	return "panic"
}

// enqueue puts f behind everything that the page is to get before it.
func (s *session) enqueue(f func()) { s.outbox.run(f) }

// emit queues an event for the page.
func (s *session) emit(e *Event) {
	if e.Date.IsZero() {
		e.Date = s.clock.server(time.Now())
	}
	s.outbox.emit(e)
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
		s.idle.reset(s.clock.steady(time.Now()))
	}
	return err
}

// handleTimers fires every expired deadline.
func (s *session) handleTimers() {
	now := time.Now()
	// Deadlines run on the monotonic clock, so that a corrected wall clock neither ends
	// nor prolongs them.
	if s.clock.takeJump(now) {
		s.log.log(LogInfo, "the device slept or its clock was set, checking the connection")
		s.wake(WakeVisible)
	}
	if s.phase == closed {
		return
	}
	if s.phase == initializing && !now.Before(s.initEnd) {
		err := fail(CodeUnreachable, "no connection within 30 seconds")
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
	now := time.Now()
	d := maxSleep
	sooner := func(t time.Time) {
		if !t.IsZero() {
			d = min(d, max(0, t.Sub(now)))
		}
	}
	switch s.phase {
	case initializing:
		sooner(s.initEnd)
	case ready:
		sooner(s.tokens.nextTimer(&s.clock))
		if !s.idle.deadline.IsZero() {
			sooner(s.idle.deadline.Add(-s.clock.slept))
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
	now := time.Now()
	s.stream.wake(w, now)
	s.runStream(now)
	if w == WakeVisible || w == WakeOnline {
		s.rest.retryNow(now)
	}
}

// begin is the first step of init: find or make the session.
func (s *session) begin() {
	id := s.load()
	if id == "" {
		s.createSession()
		return
	}
	s.request(&call{
		name: "resume session", method: "GET", path: "/sessions/" + id, until: s.initEnd, initial: true,
		then: func(a answer) {
			if a.err == nil && a.status == 200 {
				info, err := wire.DecodeSession(a.body)
				if err == nil && info.SessionID == id {
					s.resumed = true
					s.sessionKnown(info)
					return
				}
				a.err = failBecause(CodeUnexpectedAnswer, "resuming the session", err)
			}
			// Gone, or another user's: a new one, silently (SES-2).
			if a.status == 404 || a.status == 400 {
				s.createSession()
				return
			}
			s.initFailed(a.err)
		},
	})
}

func (s *session) createSession() {
	body := wire.CreateSession{
		IntegrationID:     s.params.IntegrationID,
		DisplayName:       s.params.DisplayName,
		SessionParameters: s.params.SessionParameters,
		CorrelationID:     s.c.newUUID(),
	}
	s.resumed = false
	s.request(&call{
		name: "create session", method: "POST", path: "/sessions", body: body.Append(nil), until: s.initEnd, initial: true,
		then: func(a answer) {
			if a.err != nil {
				s.initFailed(a.err)
				return
			}
			info, err := wire.DecodeSession(a.body)
			if err != nil || !wire.IsUUID(info.SessionID) {
				s.initFailed(failBecause(CodeUnexpectedAnswer, "creating the session", err))
				return
			}
			s.save(info.SessionID)
			s.sessionKnown(info)
		},
	})
}

func (s *session) sessionKnown(info wire.Session) {
	s.id, s.info = info.SessionID, info
	s.chats.session, s.chats.customer = info.SessionID, info.DisplayName
	now := time.Now()
	s.stream.connect(now)
	s.runStream(now)
}

// listInInit reads the chats, once the stream stands: they are as new as its position or
// newer.
func (s *session) listInInit() {
	s.stream.hold()
	epoch := s.stream.epoch
	c := s.chats.listCall(func(list []wire.Engagement, err *Error) {
		if epoch != s.stream.epoch {
			return // the stream broke meanwhile; its successor asks again
		}
		s.stream.held = false
		switch {
		case err == nil:
			s.initialized(list)
		case err.Code == CodeNoSession:
			s.sessionGoneInInit()
		default:
			s.initFailed(err)
		}
	})
	c.until, c.initial = s.initEnd, true
	s.request(c)
}

// sessionGoneInInit is the answer to a session that is gone before init is over.
func (s *session) sessionGoneInInit() {
	if !s.resumed {
		s.initFailed(fail(CodeInitFailed, "the server ended the new session"))
		return
	}
	// Gone since it was looked up, or a duplicated tab has it: one of our own (SES-2,
	// SES-4).
	s.stopStream()
	s.createSession()
}

func (s *session) initialized(list []wire.Engagement) {
	user := UserContext{
		DisplayName:       s.info.DisplayName,
		SessionParameters: s.info.SessionParameters,
		Engagements:       s.chats.begin(list, s.stream.lastID),
	}
	s.phase = ready
	s.stream.initial = false
	now := time.Now()
	s.idle.reset(s.clock.steady(now))
	if s.log.debugs() {
		s.log.debug("initialized, the token expires in ", seconds(s.tokens.current.claims.Expiry.Sub(s.clock.server(now))), ", the idle timeout is ", seconds(s.idle.timeout))
	}
	done := s.initDone
	s.emit(&Event{Type: EventInitialized, User: &user})
	s.enqueue(func() { done(user, nil) })
}

// initFailed leaves the client as it was before init (INIT-9). The session at the
// gateway, if there is one already, stays stored for the next init.
func (s *session) initFailed(err *Error) {
	if s.phase != initializing {
		return
	}
	s.stopStream()
	s.stopCalls(nil)
	s.phase = closed
	done := s.initDone
	s.enqueue(func() {
		s.c.current.CompareAndSwap(s, nil)
		done(UserContext{}, err)
	})
}

// shutdown ends the session there and here, and calls done last (SHUT-1).
func (s *session) shutdown(reason wire.Reason, done func()) {
	s.stopStream()
	s.phase, s.chats.over = closing, true
	s.stopCalls(fail(CodeNotInitialized, "the session was shut down"))
	s.request(&call{
		name: "end session", method: "DELETE", path: "/sessions/" + s.id + "?reason=" + string(reason),
		until: time.Now().Add(shutdownTimeout),
		then: func(a answer) {
			if a.err != nil {
				s.log.log(LogInfo, "the gateway was not told of the shutdown: "+a.err.Message)
			}
			s.forget()
			s.emit(&Event{Type: EventStreamClosed})
			s.finish(reason, done)
		},
	})
}

// endedByServer is the answer to a session that is gone (SHUT-3).
func (s *session) endedByServer(reason wire.Reason) {
	if s.phase != ready {
		return
	}
	s.stopStream()
	s.phase, s.chats.over = closing, true
	s.stopCalls(fail(CodeNoSession, "the session was ended by the server"))
	s.forget()
	s.emit(&Event{Type: EventStreamFailed, Reason: string(FailureSessionInvalid), Text: "The session was ended by the server"})
	s.finish(reason, func() {})
}

func (s *session) finish(reason wire.Reason, done func()) {
	s.phase = closed
	e := &Event{Type: EventShutdown, Date: s.clock.server(time.Now())}
	if reason == wire.ReasonUserClosed || reason == wire.ReasonUserInactive {
		e.Reason = string(reason)
	}
	// A page starts anew from its SHUTDOWN handler (EV-14): the client must be free by
	// then, and not before, or the two lives' events would mix.
	s.enqueue(func() { s.c.current.CompareAndSwap(s, nil) })
	s.emit(e)
	s.enqueue(done)
}

// load, save and forget keep the session id over a reload (SES-1, SES-3).
func (s *session) load() string {
	if s.c.o.Storage == nil {
		return ""
	}
	id, err := s.c.o.Storage.Load(StorageKey)
	if err != nil {
		s.log.warn(CodeStorageRead, err.Error())
	}
	if !wire.IsUUID(id) {
		return "" // whatever it is, it goes into no URL
	}
	return id
}

func (s *session) save(id string) {
	if s.c.o.Storage == nil {
		return
	}
	if err := s.c.o.Storage.Save(StorageKey, id); err != nil {
		s.log.warn(CodeStorageWrite, err.Error())
	}
}

func (s *session) forget() {
	if s.c.o.Storage == nil {
		return
	}
	if err := s.c.o.Storage.Remove(StorageKey); err != nil {
		s.log.warn(CodeStorageWrite, err.Error())
	}
}

// newUUID makes a random UUID.
func (c *Client) newUUID() string {
	const hex = "0123456789abcdef"
	hi := c.o.Random()&^0xF000 | 0x4000
	lo := c.o.Random()&^(3<<62) | 1<<63
	b := make([]byte, 0, 36)
	for i := range 32 {
		if i == 8 || i == 12 || i == 16 || i == 20 {
			b = append(b, '-')
		}
		word := hi
		if i >= 16 {
			word = lo
		}
		b = append(b, hex[word>>(60-4*(i%16))&15])
	}
	return string(b)
}

// request starts a call.
func (s *session) request(c *call) {
	s.startAttempt(s.rest.start(c, s.tokens.current.text, time.Now()))
}

func (s *session) startAttempts(list []attempt) {
	for _, a := range list {
		s.startAttempt(a)
	}
}

// startAttempt lets a worker send a call once.
func (s *session) startAttempt(a attempt) {
	c := a.call
	s.clock.readWall(c.sentAt)
	ctx, cancel := context.WithTimeout(context.Background(), a.timeout)
	c.cancel = cancel
	r := Request{
		Method:        c.method,
		URL:           s.base + c.path,
		Authorization: "Bearer " + wire.TrimTokenPrefix(c.token),
		Appkey:        s.params.Appkey,
		Body:          c.body,
		WantDate:      !s.clock.told,
	}
	s.workers++
	go func() {
		response, err := s.c.o.Transport.Do(ctx, r)
		cancel()
		s.results <- outcome{c, a.number, response, err}
	}()
}

// attemptEnded handles what a worker brings back.
func (s *session) attemptEnded(o outcome) {
	if !s.rest.awaits(o) {
		return
	}
	now := time.Now()
	c, r := o.call, o.response
	if s.log.debugs() {
		came := "status " + strconv.Itoa(r.Status)
		if o.err != nil {
			came = "no answer, " + o.err.Error()
		}
		s.log.debug(c.method, " ", c.path, ": ", came, " after ", milliseconds(now.Sub(c.sentAt)), ", attempt ", strconv.Itoa(c.attempt))
	}
	// Once the stream has told the time, Date tells nothing better: it may be a proxy's.
	if !s.clock.told && r.Status < 500 {
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
		s.settled(c, out.answer, now)
	case restWaits:
		if r.Status == 401 {
			s.judgeRefusal(c, r.Status, now)
		}
	}
}

// judgeRefusal handles the server's refusal of the token that an attempt carried, once.
func (s *session) judgeRefusal(c *call, status int, now time.Time) {
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

// settled hands an answer to whoever made the call.
func (s *session) settled(c *call, a answer, now time.Time) {
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

// stopCalls ends every call; with an error each is told, with nil none is.
func (s *session) stopCalls(err *Error) {
	list := s.rest.dropAll()
	for _, c := range list {
		if err != nil {
			c.then(answer{err: err})
			s.runChats()
		}
	}
}

// handleTokenTimers raises what is due of the token's events.
func (s *session) handleTokenTimers(now time.Time) {
	if s.tokens.handleTimers(s.clock.server(now)) {
		s.tokenExpired()
		return
	}
	s.raiseTokenEvents(now)
}

func (s *session) raiseTokenEvents(now time.Time) {
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
	now := time.Now()
	s.raiseTokenEvents(now)
	s.stream.tokenExpired(now)
	s.runStream(now)
}

// setToken replaces the token (JWT-3, JWT-4).
func (s *session) setToken(text string) *Error {
	now := time.Now()
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

// refuseToken notes that the server refuses a token. It reports whether there is another
// to go on with at once: what the page has set meanwhile, or the one before.
func (s *session) refuseToken(text string) bool {
	now := time.Now()
	if s.tokens.refuse(text, now, s.clock.server(now)) {
		s.log.log(LogInfo, "the server refuses the new token, the one before stays in use")
	}
	return s.tokens.current.text != text
}

// runStream does what the stream wants done.
func (s *session) runStream(now time.Time) {
	out := s.stream.take()
	epoch := s.stream.epoch
	for i := range out {
		o := &out[i]
		switch o.kind {
		case streamEmit:
			s.emit(o.event)
		case streamDial:
			s.connection = dial(s.c.o.Transport, "ws"+s.base[len("http"):]+"/sessions/"+s.id+"/events", epoch, s.dialed)
		case streamDrop:
			s.connection.drop(o.code)
			s.chats.stopReread()
		case streamWrite:
			s.clock.readWall(now)
			if s.connection.conn.Write(o.frame) != nil {
				s.stream.lost(FailureServerUnreachable, "The connection was lost", now)
				s.runStream(now)
			}
		case streamServerTime:
			s.serverTime(o.at, o.sentAt, now)
		case streamOpened:
			s.clock.silent = o.at.IsZero()
			s.clock.told = s.clock.told || !s.clock.silent
			s.measure(o.at, time.Millisecond, o.sentAt)
			s.tokens.accept(o.token)
		case streamAccepted:
			s.tokens.accept(o.token)
		case streamReady:
			s.streamReady(o, now)
		case streamTokenExpired:
			s.tokenExpired()
		case streamTokenRefused:
			s.stream.tokenRefused(s.refuseToken(o.token), now)
			s.runStream(now)
		case streamSessionGone:
			if s.phase == initializing {
				s.sessionGoneInInit()
			} else {
				s.endedByServer("")
			}
		case streamInitFailed:
			s.initFailed(o.err)
		}
		if s.stream.epoch != epoch {
			return // the rest was meant for a connection that is no more
		}
	}
}

// stopStream drops the connection for good.
func (s *session) stopStream() {
	s.stream.stop()
	s.runStream(time.Time{})
}

// connected handles what the dialer brings.
func (s *session) connected(d dialed) {
	now := time.Now()
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

// reads reports whether frames are taken from the connection.
func (s *session) reads() bool { return !s.stream.held && !s.outbox.full() }

// received handles what the connection's reader brings.
func (s *session) received(a arrival) {
	now := time.Now()
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

// receivedToo handles what else has come by now, so that a burst costs one turn of run
// and one of the dispatcher, and not two for each frame.
func (s *session) receivedToo(arrivals chan arrival) {
	for range maxArrivals - 1 {
		if arrivals != s.connection.arrivals || !s.reads() {
			return
		}
		select {
		case a := <-arrivals:
			s.received(a)
		default:
			return
		}
	}
}

// streamReady goes on once the stream stands.
func (s *session) streamReady(o *streamOutput, now time.Time) {
	if s.log.debugs() {
		s.log.debug("event stream: connected in ", milliseconds(now.Sub(s.stream.attemptAt)), ", heartbeat ", seconds(s.stream.interval),
			", the device's clock is ", seconds(s.clock.ahead(now)), " ahead of the server's")
	}
	epoch := s.stream.epoch
	s.stream.setToken(s.tokens.current.text, now)
	s.runStream(now)
	if s.stream.epoch != epoch {
		return
	}
	s.rest.retryNow(now)
	switch {
	case s.phase == initializing:
		s.listInInit()
	case o.lost:
		s.stream.hold()
		s.chats.reread(o.lastID)
		s.runChats()
	}
}

// serverTime takes note of the server's clock, as a frame that answers one sent at sent
// tells it. A ping, which answers none, says only that the server's time is not before it:
// what contradicts the estimate by far is asked about before it is believed.
func (s *session) serverTime(at, sent, now time.Time) {
	if sent.IsZero() && at.Sub(s.clock.server(now)) > jump {
		s.stream.ping(now)
		s.runStream(now)
		return
	}
	s.measure(at, time.Millisecond, sent)
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

// runChats does what the chats want done. None of it gives them an input.
func (s *session) runChats() {
	c := &s.chats
	for i := 0; i < len(c.out); i++ {
		o := c.out[i]
		c.out[i] = chatOutput{} // done, whatever comes of it
		switch o.kind {
		case chatEmit:
			s.emit(o.event)
		case chatSettle:
			s.outbox.run(o.run)
		case chatRequest:
			s.request(o.call)
		case chatStopRetrying:
			s.rest.stopRetrying(o.call, time.Now())
		case chatDrop:
			s.rest.drop(o.call)
		case chatReread:
			s.stream.release(o.position, time.Now())
		case chatRereadFailed:
			now := time.Now()
			s.stream.lost(FailureServerError, "What was missed could not be read", now)
			s.runStream(now)
		}
	}
	c.out = c.out[:0]
}
