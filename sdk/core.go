package sdk

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"openchat/sdk/wire"
)

// Options of New and NewCore.
type Options struct {
	Transport Transport // required
	Storage   Storage   // nil: nothing survives a reload
	// Deliver gets every event, one at a time, in order. nil: events are dropped. It
	// should return soon; what it does not take stays queued, and beyond a bound the
	// stream is no longer read.
	Deliver func(Event)
	// Delivered is called after each run of events and done callbacks: whoever only
	// collects them passes them on now. nil: nobody does.
	Delivered func()
	// Log gets log lines at or above the level. nil: none. Lines hold neither tokens
	// nor message texts. It is called from several goroutines.
	Log func(level LogLevel, line string)
	// Random is what jitter and ids are drawn from. nil: the runtime's generator. A
	// seeded one makes a run in a test repeatable. It is called from several goroutines.
	Random func() uint64
	// WallClock reads the device's wall clock, which may be wrong and may be set at any
	// time. nil: time.Now. It is called on the session's goroutine. Tests of wrong clocks
	// need it, because a synctest bubble has a single clock.
	WallClock func() time.Time
}

// Wake tells the SDK that the state of the page or of its network may have changed.
type Wake int

// Wake-ups (STREAM-5, JWT-1).
const (
	WakeVisible Wake = iota // the page became visible, was resumed, or came back from the cache
	WakeOnline
	WakeOffline
	// WakeAway: the page goes into the browser's back/forward cache, where it does not run.
	WakeAway
)

// Core is the SDK with callbacks, the form that the browser's bridge uses: at most one
// session at a time. Go programs use [Client]. Its methods are safe for concurrent use.
// Each done callback runs exactly once (see the package comment);
// nil is allowed. A callback that is refused at once, because there is no session,
// runs before the method returns.
type Core struct {
	o       Options
	logger  logger
	current atomic.Pointer[session]
	said    atomic.Pointer[[]string] // by Mistake
	// delivering holds a value while a session makes deliveries.
	delivering chan struct{}
}

// NewCore returns a core without a session. It starts nothing.
func NewCore(o Options) *Core {
	if o.Random == nil {
		// ChaCha8, seeded by the platform.
		o.Random = rand.Uint64
	}
	if o.WallClock == nil {
		o.WallClock = time.Now
	}
	c := &Core{o: o, delivering: make(chan struct{}, 1)}
	c.logger.write = o.Log
	c.logger.level.Store(int32(LogError.rank()))
	return c
}

// Await makes a call block until its callback has run, or ctx has ended: then it
// returns ctx's error, and the call goes on.
//
//	m, err := sdk.Await(ctx, func(done func(sdk.Message, error)) { core.SendMessage(id, "hi", "", done) })
func Await[T any](ctx context.Context, call func(done func(T, error))) (T, error) {
	type outcome struct {
		v   T
		err error
	}
	ch := make(chan outcome, 1)
	call(func(v T, err error) { ch <- outcome{v, err} })
	select {
	case o := <-ch:
		return o.v, o.err
	case <-ctx.Done():
		var zero T
		return zero, ctx.Err()
	}
}

// Init creates or resumes the session and opens the event stream (INIT-*). It
// settles within 30 seconds. Errors: 301, 302, 304 to 309, 311, 322 by INIT-1 to
// INIT-9; 204 while initialized; 321 while another Init or a Shutdown runs.
func (c *Core) Init(p InitParams, cfg Config, done func(UserContext, error)) {
	if done == nil {
		done = func(UserContext, error) {}
	}
	if err := p.check(); err != nil {
		done(UserContext{}, err)
		return
	}
	warnings := cfg.normalize()
	s := newSession(c, p, cfg, done)
	if !c.current.CompareAndSwap(nil, s) {
		c.act(func(s *session) *Error {
			if err := s.checkReady(); err != nil {
				return err
			}
			return fail(CodeAlreadyInitialized, "call shutdown first")
		}, func(err *Error) {
			if err.Code == CodeNotInitialized {
				err = fail(CodeInProgress, "") // the session before is ending
			}
			done(UserContext{}, err)
		})
		return
	}
	// Whoever asks for warnings in the very config gets those of it, too. Whoever turns
	// them off by a word that is none (ACS-210) must still receive that.
	level := c.logger.level.Load()
	if cfg.LogLevel != "" {
		level = int32(cfg.LogLevel.rank())
		c.logger.level.Store(min(level, c.logger.level.Load()))
	}
	for _, w := range warnings {
		if w == CodeNoConfiguration {
			c.logger.warn(w, "")
			continue
		}
		c.Mistake(w.String() + ": " + texts[w])
	}
	c.logger.level.Store(level)
	go c.dispatch(s.dispatch)
	go s.run()
}

// act runs f on the goroutine of the present session. What f refuses goes to
// refused: on the dispatcher, or at once where there is no session.
func (c *Core) act(f func(*session) *Error, refused func(*Error)) {
	s := c.current.Load()
	if s != nil && s.do(func() {
		if err := f(s); err != nil {
			s.enqueue(func() { refused(err) })
		}
	}) {
		return
	}
	refused(fail(CodeNotInitialized, "call init first"))
}

// now runs f on the goroutine of the present session and waits for it.
func (c *Core) now(f func(*session) *Error) error {
	s := c.current.Load()
	result := make(chan *Error, 1)
	if s != nil && s.do(func() { result <- f(s) }) {
		if err := <-result; err != nil {
			return err
		}
		return nil
	}
	return fail(CodeNotInitialized, "call init first")
}

// Shutdown ends the session on the server and here (SHUT-*). It settles within 5
// seconds. reason "" means USER_CLOSED. Errors: 310, 321, 322.
func (c *Core) Shutdown(reason wire.Reason, done func(error)) {
	if done == nil {
		done = func(error) {}
	}
	c.act(func(s *session) *Error {
		if err := s.checkReady(); err != nil {
			return err
		}
		if reason == "" {
			reason = wire.ReasonUserClosed
		}
		if reason != wire.ReasonUserClosed && reason != wire.ReasonUserInactive {
			return fail(CodeConstraintViolation, "reason must be USER_CLOSED or USER_INACTIVE")
		}
		s.shutdown(reason, func() { done(nil) })
		return nil
	}, func(err *Error) { done(err) })
}

// CreateEngagement starts a chat (NS-4, ENG-8). It is user activity. Errors: 310,
// 321, 322, and those of the server: 304 to 306, 319, 320.
func (c *Core) CreateEngagement(parameters map[string]string, done func(Engagement, error)) {
	if done == nil {
		done = ignoreEngagement
	}
	c.act(func(s *session) *Error {
		if err := s.resetIdle(); err != nil {
			return err
		}
		if err := checkParameters("engagementParameters", parameters); err != nil {
			return err.(*Error)
		}
		s.chats.create(parameters, done)
		return nil
	}, func(err *Error) { done(Engagement{}, err) })
}

// Engagements asks the server for all ongoing chats of the user (NS-5). Errors:
// 310, 321, and those of the server: 304 to 306, 320.
func (c *Core) Engagements(done func([]Engagement, error)) {
	if done == nil {
		done = ignoreEngagements
	}
	c.act(func(s *session) *Error {
		if err := s.checkReady(); err != nil {
			return err
		}
		s.chats.list(done)
		return nil
	}, func(err *Error) { done(nil, err) })
}

// EngagementByID finds one; ok is false when there is none of that id (NS-6). It
// asks the server only for an id it does not know. Errors: as Engagements.
func (c *Core) EngagementByID(id string, done func(e Engagement, ok bool, err error)) {
	if done == nil {
		done = func(Engagement, bool, error) {}
	}
	c.act(func(s *session) *Error {
		if err := s.checkReady(); err != nil {
			return err
		}
		if e := s.chats.engagements[id]; e != nil {
			snapshot := e.snapshot()
			s.enqueue(func() { done(snapshot, true, nil) })
			return nil
		}
		s.chats.list(func(list []Engagement, err error) {
			for _, e := range list {
				if e.EngagementID == id {
					done(e, true, nil)
					return
				}
			}
			done(Engagement{}, false, err)
		})
		return nil
	}, func(err *Error) { done(Engagement{}, false, err) })
}

// Join puts this session into a chat (ENG-4). It is user activity. Errors: 310,
// 312, 314, 315, 321, and those of the server: 304 to 306, 319, 320.
func (c *Core) Join(engagementID string, done func(Engagement, error)) {
	if done == nil {
		done = ignoreEngagement
	}
	c.act(func(s *session) *Error {
		if err := s.resetIdle(); err != nil {
			return err
		}
		return s.chats.join(engagementID, done)
	}, func(err *Error) { done(Engagement{}, err) })
}

// Disconnect takes the user out of a chat (ENG-5). It is user activity. reason ""
// means USER_CLOSED. Errors: 310, 313, 314, 321, 322, and those of the server: 304 to
// 306, 319, 320.
func (c *Core) Disconnect(engagementID string, reason wire.Reason, done func(Engagement, error)) {
	if done == nil {
		done = ignoreEngagement
	}
	c.act(func(s *session) *Error {
		if err := s.resetIdle(); err != nil {
			return err
		}
		return s.chats.disconnect(engagementID, reason, done)
	}, func(err *Error) { done(Engagement{}, err) })
}

// SendMessage sends a text (MSG-*). It is user activity. Messages of one chat are
// stored in the order of the calls. An outage delays a message for up to the
// reconnection timeout before it is refused. At most 500 of one chat may wait: the next is
// refused at once with 322. parentMessageID may be empty. Errors:
// 310, 313, 314, 321, 322, and those of the server: 304 to 306, 319, 320.
func (c *Core) SendMessage(engagementID, text, parentMessageID string, done func(Message, error)) {
	if done == nil {
		done = ignoreMessage
	}
	c.act(func(s *session) *Error {
		if err := s.resetIdle(); err != nil {
			return err
		}
		return s.chats.send(engagementID, text, parentMessageID, s.clock.now(), done)
	}, func(err *Error) { done(Message{}, err) })
}

// Messages reads the newest page of history (PAGE-*). A size out of 1 to 50 is
// logged as ACS-211 and means 10. delivered is the messageIndex of the engagement's last message
// whose event the caller has taken in, 0 if there was none in this session yet: later messages
// come as events and are not in the history (PAGE-3). Errors: 310, 316, 321.
func (c *Core) Messages(engagementID string, size int, delivered int64, done func(Page, error)) {
	if done == nil {
		done = ignorePage
	}
	c.act(func(s *session) *Error {
		if err := s.checkReady(); err != nil {
			return err
		}
		s.chats.newestPage(engagementID, size, delivered, done)
		return nil
	}, func(err *Error) { done(Page{}, err) })
}

// Turn reads the page beside the one at cursor (PAGE-4). Errors: 310, 317, 321.
func (c *Core) Turn(at Cursor, to Direction, done func(Page, error)) {
	if done == nil {
		done = ignorePage
	}
	c.act(func(s *session) *Error {
		if err := s.checkReady(); err != nil {
			return err
		}
		s.chats.turn(at, to, done)
		return nil
	}, func(err *Error) { done(Page{}, err) })
}

// SetJWTToken replaces the token (JWT-3, JWT-4). Errors: 305, 308, 310, 321; the
// present token then stays.
func (c *Core) SetJWTToken(text string) error {
	return c.now(func(s *session) *Error {
		if err := s.checkReady(); err != nil {
			return err
		}
		return s.setToken(text)
	})
}

// ResetIdleTimeout starts the idle timers anew (NS-8). Errors: 310, 321.
func (c *Core) ResetIdleTimeout() error { return c.now((*session).resetIdle) }

// RetryConnection reconnects now, with a new reconnection window (NS-9). Errors:
// 318 unless the stream has failed; 305 while the token is expired; 310, 321.
func (c *Core) RetryConnection() error {
	return c.now(func(s *session) *Error {
		if err := s.checkReady(); err != nil {
			return err
		}
		now := s.clock.now()
		err := s.stream.retryConnection(now)
		s.runStream(now)
		return err
	})
}

// SetLogLevel changes the level (NS-10). It needs no session. Error: 303.
func (c *Core) SetLogLevel(level LogLevel) error {
	if level.rank() < 0 {
		return &Error{Code: CodeConfiguration, Message: texts[CodeLogLevel]}
	}
	c.logger.level.Store(int32(level.rank()))
	return nil
}

// Wake tells the client of a change around it. Without a session it does nothing.
func (c *Core) Wake(w Wake) {
	c.act(func(s *session) *Error {
		s.wake(w)
		return nil
	}, func(*Error) {})
}

// maxMistakes bounds what a client remembers of the lines that it has said at ERROR.
const maxMistakes = 50

// Mistake logs a line about what the page's developer did wrong: at ERROR the first time,
// at WARN when the same line comes again, and beyond 50 different ones.
func (c *Core) Mistake(line string) {
	for {
		said := c.said.Load()
		var lines []string
		if said != nil {
			lines = *said
		}
		if len(lines) >= maxMistakes || slices.Contains(lines, line) {
			c.logger.log(LogWarn, line)
			return
		}
		lines = append(slices.Clone(lines), line)
		if c.said.CompareAndSwap(said, &lines) {
			c.logger.log(LogError, line)
			return
		}
	}
}

// What becomes of outcomes that nobody asks for. Generic functions would be linked once for
// each type, under names that spell the type out.
func ignoreEngagement(Engagement, error)    {}
func ignoreEngagements([]Engagement, error) {}
func ignoreMessage(Message, error)          {}
func ignorePage(Page, error)                {}

// newUUID makes a random UUID.
func (c *Core) newUUID() string {
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
