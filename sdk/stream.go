package sdk

import (
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
	// stableAfter is how long a connection must have stood for the backoff to begin anew;
	// else a gateway that drops every connection at once would be dialed each second.
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
	streamIdle         streamState = iota // not begun, or stopped
	streamDialing                         // the socket is being opened
	streamAuthorizing                     // authenticate was sent, ready is awaited
	streamOpen                            // ready came
	streamWaiting                         // broken; the next attempt is at retryAt
	streamUnauthorized                    // broken; a new token is awaited (JWT-2)
	streamGivenUp                         // broken; the window is over (STREAM-6)
	streamAway                            // dropped while the page is in the back/forward cache
)

// streamKind says what is to happen.
type streamKind int

const (
	streamEmit         streamKind = iota // event is for the page
	streamDial                           // open a connection; what older ones bring is void
	streamDrop                           // close the connection, or the attempt at one, with code
	streamWrite                          // send frame; when that fails, the connection is lost
	streamServerTime                     // the server's clock showed at, after sentAt
	streamAccepted                       // the server has taken token
	streamOpened                         // both of them for a connection that begins; zero at: the server does not send its time
	streamReady                          // the stream stands; lost: events up to lastID are to be re-read
	streamTokenExpired                   // the server says that the token has expired
	streamTokenRefused                   // the server refuses token; tokenRefused goes on
	streamSessionGone                    // the server says that the session is gone
	streamInitFailed                     // init cannot succeed: err
)

// streamOutput is one thing that is to happen. Which members are set depends on kind.
type streamOutput struct {
	kind   streamKind
	event  *Event
	code   int
	frame  []byte
	at     time.Time
	sentAt instant // zero: unknown
	token  string
	lost   bool
	lastID wire.EventID
	err    *Error
}

// stream is the state machine of the connection for events: it decides when to connect,
// what to send, when a connection is dead and when to try again. It neither opens nor
// reads connections: its methods take what has happened and leave in out what is to
// happen, in order. now is the present instant, token the one to go on with.
//
// A connection, or an attempt at one, that fails is followed by another after a random
// delay (lost), until the reconnection window, which begins with the first failure, is
// over (giveUp). A refusal of the token counts as a failure, with a least delay that
// grows (refused); an expired token ends the attempts until there is another
// (tokenExpired). setToken, tokenWorked, wake and retryConnection begin anew.
type stream struct {
	// Set once.
	window           time.Duration // reconnection timeout
	appkey, clientID string        // for authenticate
	random           func() uint64
	log              *logger

	initial bool           // init is under way: it has its own deadline, and fails where a session would go on
	held    bool           // frames wait until a snapshot has been read
	out     []streamOutput // to be taken after each input

	state     streamState
	epoch     int // counts attempts and drops; what an older one brings is void
	attempts  int // since the last connection, for the log
	backoff   backoff
	brokeAt   instant // when the reconnection window began; zero: it has not
	attemptAt instant // when the last attempt began
	openedAt  instant
	retryAt   instant // waiting
	giveUpAt  instant // dialing, authorizing: end of the attempt
	offline   bool    // the browser says so

	interval time.Duration // heartbeat
	frameAt  instant       // of the last frame
	pingedAt instant       // zero: no ping is unanswered
	pings    []instant     // when each ping was sent that no pong has answered
	authAt   instant       // when the first frame of the connection was sent
	deadAt   instant       // open: dead unless a frame comes
	token    string        // that the connection knows
	renewals int           // tokens sent to the open connection, and not yet answered
	// refusals counts tokens that were refused in a row, for the time between attempts.
	refusals  int
	refusedAt instant
	lastID    wire.EventID // position: everything up to here was handled
	hasPlace  bool         // lastID is meaningful
}

// take returns what is to happen, once.
func (st *stream) take() []streamOutput {
	out := st.out
	st.out = nil
	return out
}

// add puts something to do behind everything else.
func (st *stream) add(kind streamKind) *streamOutput {
	st.out = append(st.out, streamOutput{kind: kind})
	return &st.out[len(st.out)-1]
}

func (st *stream) emit(e *Event) { st.add(streamEmit).event = e }

func (st *stream) emitFailed(reason FailureReason, text string, retryAfter time.Duration) {
	st.emit(&Event{Type: EventStreamFailed, Reason: string(reason), Text: text, RetryAfter: retryAfter})
}

// connect begins an attempt.
func (st *stream) connect(now instant) {
	st.epoch++
	st.attempts++
	st.state = streamDialing
	st.attemptAt = now
	st.giveUpAt = now + connectTimeout
	st.retryAt = 0
	st.renewals = 0
	st.pings = nil
	st.emit(&Event{Type: EventStreamConnecting})
	st.log.debug("event stream: connecting, attempt ", strconv.Itoa(st.attempts))
	st.add(streamDial)
}

// reconnect tries now, in a new reconnection window.
func (st *stream) reconnect(now instant) {
	st.drop(4000)
	st.brokeAt = now
	st.backoff.reset()
	st.connect(now)
}

// drop drops the connection, or the attempt at one.
func (st *stream) drop(code int) {
	st.epoch++
	st.held = false
	st.pingedAt, st.deadAt, st.giveUpAt, st.retryAt = 0, 0, 0, 0
	st.add(streamDrop).code = code
}

// stop ends the stream for good, or until connect.
func (st *stream) stop() {
	st.drop(1000)
	st.state = streamIdle
}

// dialed goes on with a connection that was opened.
func (st *stream) dialed(token string, now instant) {
	st.state = streamAuthorizing
	last := st.lastID
	if !st.hasPlace {
		last = 0
	}
	st.authenticate(token, last, now)
}

func (st *stream) authenticate(token string, last wire.EventID, now instant) {
	st.token = token
	st.authAt = now
	st.write(&wire.ClientFrame{
		Type:        wire.FrameAuthenticate,
		Token:       wire.TrimTokenPrefix(token),
		Appkey:      st.appkey,
		ClientID:    st.clientID,
		LastEventID: last,
	})
}

func (st *stream) write(f *wire.ClientFrame) {
	st.add(streamWrite).frame = f.Append(nil)
}

// frame handles one frame of the present connection. It returns the frame of an event
// that is to be handled, or nil.
func (st *stream) frame(text []byte, now instant) *wire.ServerFrame {
	f, err := wire.DecodeServerFrame(text)
	if err != nil {
		st.log.log(LogError, "event stream: "+err.Error())
		st.lost(FailureServerError, "The server sent a frame that is not understood", now)
		return nil
	}
	if f.Type == wire.FrameReady && st.state == streamAuthorizing {
		st.opened(&f, now)
		return nil
	}
	if st.state != streamOpen {
		return nil
	}
	st.extendDeadline(now)
	switch {
	case f.Type == wire.FrameEvent:
		if f.ID > st.lastID {
			st.lastID = f.ID
			if st.log.debugs() {
				st.log.debug("event ", f.ID.String(), ": ", string(f.Event.Type), " ", f.Event.EngagementID)
			}
			return &f
		}
	case f.Type == wire.FrameAuthenticated:
		st.renewals = max(0, st.renewals-1)
		if st.renewals == 0 {
			st.add(streamAccepted).token = st.token
		}
	case f.Type == wire.FramePing:
		st.add(streamServerTime).at = f.ServerTime
		st.write(&wire.ClientFrame{Type: wire.FramePong})
	case f.Type == wire.FramePong && len(st.pings) > 0:
		o := st.add(streamServerTime)
		o.at, o.sentAt = f.ServerTime, st.pings[0]
		st.pings = st.pings[1:]
	}
	return nil
}

// opened begins the life of a connection.
func (st *stream) opened(f *wire.ServerFrame, now instant) {
	st.state = streamOpen
	st.attempts = 0
	st.giveUpAt = 0
	st.interval = min(max(f.HeartbeatInterval, wire.MinHeartbeatInterval), wire.MaxHeartbeatInterval)
	if f.HeartbeatInterval <= 0 {
		st.interval = wire.HeartbeatInterval
	}
	st.openedAt = now
	st.brokeAt = 0
	st.extendDeadline(now)
	// Before INITIALIZED nothing is lost: the engagements are read after this.
	resumed := f.Resumed || !st.hasPlace || st.initial
	if st.initial && !(f.Resumed && st.hasPlace) {
		st.lastID, st.hasPlace = f.LastEventID, true
	}
	o := st.add(streamOpened)
	o.at, o.sentAt, o.token = f.ServerTime, st.authAt, st.token
	st.emit(&Event{Type: EventStreamConnected, Resumed: resumed})
	o = st.add(streamReady)
	o.lost, o.lastID = !resumed, f.LastEventID
}

// hold makes frames wait until release, or until the connection is dropped.
func (st *stream) hold() { st.held = true }

// release lets frames come again. Everything up to position has been handled.
func (st *stream) release(position wire.EventID, now instant) {
	st.held = false
	st.lastID = max(st.lastID, position)
	st.extendDeadline(now)
}

// extendDeadline notes that the connection shows life.
func (st *stream) extendDeadline(now instant) {
	st.frameAt = now
	st.pingedAt = 0
	st.deadAt = now + 2*st.interval
}

// closed decides by the close code what to do after a connection, or an attempt at one,
// has ended.
func (st *stream) closed(err error, token string, now instant) {
	st.log.log(LogInfo, "event stream: "+err.Error())
	var end CloseError
	if e := (*CloseError)(nil); errors.As(err, &e) {
		end = *e
	}
	switch end.Code {
	case wire.CloseTokenExpired:
		switch {
		case st.initial:
			st.initFailed(CodeTokenInvalid, "the server says that it has expired")
		case st.olderTokenRefused(token):
			st.refused(FailureUnauthorized, "The JWT has expired, reconnecting with the new one", true, now)
		default:
			st.add(streamTokenExpired)
		}
	case wire.CloseTokenRefused:
		appkey := strings.HasPrefix(end.Reason, wire.HeaderAppkey+" ")
		switch {
		case st.initial && appkey:
			st.initFailed(CodeInitParams, end.Reason)
		case st.initial:
			st.initFailed(CodeTokenInvalid, "the server refuses it: "+end.Reason)
		case appkey:
			st.refused(FailureForbidden, "The appkey was refused by the server", false, now)
		case st.olderTokenRefused(token):
			st.refused(FailureForbidden, "The JWT was refused, reconnecting with the new one", true, now)
		default:
			st.add(streamTokenRefused).token = st.token
		}
	case wire.CloseSuperseded, wire.CloseSessionGone:
		if end.Code == wire.CloseSuperseded && st.state == streamOpen {
			// Perhaps by a connection of our own that was given up and whose first frame
			// arrived late. If it was another client, the next attempt is refused.
			st.lost(FailureServerError, "The session's stream was opened elsewhere", now)
		} else {
			st.add(streamSessionGone)
		}
	case wire.CloseGoingAway, wire.CloseServiceRestart, wire.CloseServerError, wire.CloseMalformed, wire.CloseAuthTimeout, wire.CloseTooMuch:
		st.lost(FailureServerError, "The server closed the connection, code "+strconv.Itoa(end.Code), now)
	default:
		st.lost(FailureServerUnreachable, "The connection was lost", now)
	}
}

func (st *stream) initFailed(code Code, detail string) {
	st.add(streamInitFailed).err = fail(code, detail)
}

// olderTokenRefused reports whether a refusal may be meant for an older token than the
// page's: one that is on its way there, or was not known to the connection when it was
// opened. The next connection knows only the new one.
func (st *stream) olderTokenRefused(token string) bool {
	return st.renewals > 0 || st.token != token
}

// lost says that the connection, or an attempt at one, has failed, and plans the next.
func (st *stream) lost(reason FailureReason, text string, now instant) {
	st.retryAfter(reason, text, 0, now)
}

// retryAfter is lost with a least time until the next attempt.
func (st *stream) retryAfter(reason FailureReason, text string, least time.Duration, now instant) {
	st.resetBackoff(now)
	st.drop(4000)
	if st.brokeAt == 0 {
		st.brokeAt = now
	}
	if !st.initial && now >= st.brokeAt+st.window {
		st.giveUp()
		return
	}
	delay := max(least, st.backoff.next(st.random()))
	st.state = streamWaiting
	st.retryAt = now + delay
	st.log.debug("event stream: ", text, ", next attempt in ", milliseconds(delay))
	if st.offline {
		delay = 0 // no attempt is planned until the browser is online
	}
	st.emitFailed(reason, text, ceilSeconds(delay))
}

func ceilSeconds(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}

func (st *stream) giveUp() {
	st.drop(4000)
	st.state = streamGivenUp
	st.emitFailed(FailureReconnectionTimeout, "Not reconnected within the reconnection timeout", 0)
}

// resetBackoff begins the backoff anew after a connection that has stood for a while.
func (st *stream) resetBackoff(now instant) {
	if st.state == streamOpen && now-st.openedAt >= stableAfter {
		st.backoff.reset()
		st.refusals = 0
		st.openedAt = now // once for a connection
	}
}

// tokenExpired drops the connection until a new token is set (JWT-2).
func (st *stream) tokenExpired(now instant) {
	st.resetBackoff(now)
	st.drop(4000)
	st.state = streamUnauthorized
	st.refusals++
	st.refusedAt = now
	st.emitFailed(FailureUnauthorized, "The JWT has expired, set a new one", 0)
}

// tokenRefused goes on after streamTokenRefused. another: there is another token to try,
// the one before.
func (st *stream) tokenRefused(another bool, now instant) {
	text := "The JWT was refused by the server"
	if another {
		text = "The JWT was refused, reconnecting with the one before"
	}
	st.refused(FailureForbidden, text, another, now)
}

// refused is lost for a connection that the server has refused for its token or appkey:
// attempts go on within the reconnection window, because a key may be being rotated, or a
// clock be behind (JWT-7). Where another token is to be tried, the first refusal in a row
// costs no time.
func (st *stream) refused(reason FailureReason, text string, another bool, now instant) {
	st.resetBackoff(now)
	st.refusals++
	st.refusedAt = now
	least := st.refusalDelay()
	if another && st.refusals == 1 {
		least = 0
	}
	st.retryAfter(reason, text, least, now)
}

// refusalDelay is the least time between a refusal and the next attempt: a page may
// answer each with a token that is no better.
func (st *stream) refusalDelay() time.Duration {
	return min(time.Second<<min(st.refusals-1, 10), st.backoff.ceiling)
}

// setToken takes note of the token that is to be used (JWT-3). A connection that knows
// another learns of it. After the first refusal the next attempt is at once, after more of
// them in a row not before refusalDelay.
func (st *stream) setToken(token string, now instant) {
	switch {
	case st.state == streamOpen:
		if st.token != token {
			st.renewals++
			st.authenticate(token, 0, now)
		}
	case st.state == streamUnauthorized, (st.state == streamWaiting || st.state == streamGivenUp) && st.refusals > 0:
		earliest := st.refusedAt
		if st.refusals > 1 {
			earliest += st.refusalDelay()
		}
		if now >= earliest {
			st.reconnect(now)
			return
		}
		st.state = streamWaiting
		st.brokeAt = now
		st.retryAt = earliest
	}
}

// tokenWorked plans an attempt, if the stream has ended after a refusal of the very token
// that the server has just taken in a call that was sent later. It reports whether that
// ends a wait for another token.
func (st *stream) tokenWorked(sent, now instant) (revived bool) {
	if st.refusals == 0 || sent < st.refusedAt || st.offline {
		return false
	}
	at := st.refusedAt + min(st.refusalDelay(), maxRefusalWait)
	switch st.state {
	case streamWaiting:
		if at < st.retryAt {
			st.retryAt = at
		}
	case streamUnauthorized, streamGivenUp:
		st.state = streamWaiting
		st.brokeAt = now
		st.retryAt = at
		return true
	}
	return false
}

// retryConnection is the page's wish for an attempt in a new window (NS-9).
func (st *stream) retryConnection(now instant) *Error {
	switch st.state {
	case streamWaiting, streamGivenUp, streamAway:
		st.reconnect(now)
		return nil
	case streamUnauthorized:
		return fail(CodeTokenInvalid, "set a new token first")
	case streamDialing, streamAuthorizing:
		if st.brokeAt != 0 {
			st.brokeAt = now // it is being tried; give it the new window
			return nil
		}
	}
	return fail(CodeRetryNotAllowed, "")
}

// wake reacts to what the browser reports of network and visibility (STREAM-5).
func (st *stream) wake(w Wake, now instant) {
	if w == WakeAway {
		st.pageLeft()
		return
	}
	st.offline = w == WakeOffline || st.offline && w != WakeOnline && w != WakeVisible
	switch st.state {
	case streamWaiting:
		if w != WakeOffline {
			st.backoff.reset()
			st.connect(now)
		}
	case streamOpen:
		st.probe(now)
	case streamAway:
		if w != WakeOffline {
			st.reconnect(now)
		}
	}
}

// pageLeft drops the connection of a page that stops running. A browser may keep it
// open, and the next page of this session would then wait until the gateway has found
// out that nobody answers on it. The reconnection window begins when the page is back.
func (st *stream) pageLeft() {
	if st.initial {
		return
	}
	switch st.state {
	case streamDialing, streamAuthorizing, streamOpen:
		st.emitFailed(FailureServerUnreachable, "The page was left", 0)
	case streamWaiting: // the page knows that it is broken
	default:
		return
	}
	st.drop(4000)
	st.state = streamAway
}

// ping asks the server for its time, and for a sign of life.
func (st *stream) ping(now instant) {
	if len(st.pings) < maxPings {
		st.write(&wire.ClientFrame{Type: wire.FramePing})
		st.pings = append(st.pings, now)
	}
}

// probe asks the connection for a sign of life, soon.
func (st *stream) probe(now instant) {
	st.ping(now)
	st.pingedAt = now
	// A deadline ahead is never put off: who looks at the page again and again must not
	// keep a dead connection.
	if by := now + probeTimeout; now >= st.deadAt || by < st.deadAt {
		st.deadAt = by
	}
}

// handleTimers handles every deadline that has passed.
func (st *stream) handleTimers(now instant) {
	due := func(t instant) bool { return t != 0 && now >= t }
	switch st.state {
	case streamWaiting:
		switch end := st.brokeAt + st.window; {
		case !st.initial && due(end):
			// After a sleep the window may have passed without a chance to try.
			if !st.offline && now-st.attemptAt > st.backoff.ceiling+connectTimeout {
				st.connect(now)
			} else {
				st.giveUp()
			}
		case due(st.retryAt) && !st.offline:
			st.connect(now)
		}
	case streamDialing, streamAuthorizing:
		if due(st.giveUpAt) {
			st.lost(FailureServerUnreachable, "No answer from the server", now)
		}
	case streamOpen:
		switch {
		case st.held: // frames wait unread: silence means nothing
		case due(st.deadAt):
			if now-st.deadAt > jump && st.pingedAt < st.deadAt-probeTimeout {
				st.probe(now) // not awake when it was due: ask before judging
			} else {
				st.lost(FailureServerUnreachable, "The connection went silent", now)
			}
		case st.pingedAt == 0 && due(st.frameAt+st.interval):
			st.ping(now)
			st.pingedAt = now
		}
	}
}

// nextTimer returns when handleTimers has something to do; zero for never.
func (st *stream) nextTimer() instant {
	switch st.state {
	case streamWaiting:
		end := st.brokeAt + st.window
		switch {
		case st.initial && st.offline:
			return 0
		case st.initial:
			return st.retryAt
		case st.offline || end < st.retryAt:
			return end
		}
		return st.retryAt
	case streamDialing, streamAuthorizing:
		return st.giveUpAt
	case streamOpen:
		switch {
		case st.held:
			return 0
		case st.pingedAt == 0:
			return st.frameAt + st.interval
		}
		return st.deadAt
	}
	return 0
}
