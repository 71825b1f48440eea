package sdk

import (
	"time"

	"openchat/sdk/wire"
)

const (
	// reminderLead is how long before exp the page is reminded (JWT-1).
	reminderLead = 3 * time.Minute
	// tokenEventInterval is the least time between two TOKEN_EXPIRY_REMINDER, and between
	// two TOKEN_EXPIRED: a page answers each with a request to its back end, and a back
	// end may return the same token again and again (JWT-6).
	tokenEventInterval = 10 * time.Second
	// clockTolerance is by how much the server's time is known less exactly than a token's
	// end: a refusal that close to it means that the token has expired.
	clockTolerance = 2 * time.Second
	// maxAskInterval bounds the time between two requests for another token because the
	// server refuses the tokens that the page sets.
	maxAskInterval = 5 * time.Minute
)

// token is a JWT and what has become of it.
type token struct {
	text     string // empty: there is none
	claims   wire.Claims
	reminded bool // the page has heard that it will expire, or is about to
	expired  bool // by the server's time, or the server has said so
	accepted bool // the server has taken it
	// disputed: it was set when the server's time, as far as it is known, was past its end.
	// Whether it has expired is for the server to say.
	disputed bool
}

// readToken checks the form of a token. Whether it has expired is for the server to say.
func readToken(text string) (token, *Error) {
	if text == "" {
		return token{}, fail(CodeNoToken, "")
	}
	claims, err := wire.ReadToken(text)
	if err != nil {
		return token{}, failBecause(CodeTokenInvalid, err.Error(), err)
	}
	return token{text: text, claims: claims}, nil
}

// limitedEvent is an event that is raised at most once in an interval: one that comes
// sooner is owed until the interval is over.
type limitedEvent struct {
	owed     bool
	raisedAt time.Time // zero: never
}

// next returns when an event that is owed may be raised.
func (l *limitedEvent) next(interval time.Duration) time.Time { return l.raisedAt.Add(interval) }

// take reports whether the event is to be raised now.
func (l *limitedEvent) take(now time.Time, interval time.Duration) bool {
	if !l.owed || now.Before(l.next(interval)) {
		return false
	}
	*l = limitedEvent{raisedAt: now}
	return true
}

// tokenEvents are the events that ask the page for another token (JWT-1, JWT-2, JWT-6).
type tokenEvents struct {
	reminder, expired limitedEvent
	asking            bool      // the reminder is owed because of a refusal only
	refusals          int       // of tokens, since the server last took one
	refusedAt         time.Time // when the last of them was counted
}

// interval is the least time until the next reminder. It grows while the server refuses
// every token that the page sets.
func (e *tokenEvents) interval() time.Duration {
	if !e.asking {
		return tokenEventInterval
	}
	return min(tokenEventInterval<<min(max(e.refusals-1, 0), 10), maxAskInterval)
}

// handleTokenTimers raises what is due of the token's events.
func (s *session) handleTokenTimers(now time.Time) {
	t := &s.user
	server := s.clock.server(now)
	switch {
	case t.expired, t.disputed:
	case !server.Before(t.claims.Expiry):
		// A token that slept past its end is only expired: a reminder would come too late
		// to help.
		s.tokenExpired()
	case !t.reminded && !server.Before(t.claims.Expiry.Add(-reminderLead)):
		t.reminded = true
		s.tokenEvents.reminder.owed, s.tokenEvents.asking = true, false
	}
	s.raiseTokenEvents(now)
}

func (s *session) raiseTokenEvents(now time.Time) {
	e := &s.tokenEvents
	if e.reminder.take(now, e.interval()) {
		s.emit(Event{Type: EventTokenExpiryReminder, ExpiryDate: s.user.claims.Expiry})
	}
	if e.expired.take(now, tokenEventInterval) {
		s.emit(Event{Type: EventTokenExpired, Date: s.user.claims.Expiry})
	}
}

// nextTokenEvent returns when handleTokenTimers has something to do, by the monotonic clock;
// zero for never.
func (s *session) nextTokenEvent() (t time.Time) {
	sooner := func(at time.Time) {
		if t.IsZero() || at.Before(t) {
			t = at
		}
	}
	if !s.user.expired && !s.user.disputed {
		sooner(s.clock.local(s.user.claims.Expiry))
		if !s.user.reminded {
			sooner(s.clock.local(s.user.claims.Expiry.Add(-reminderLead)))
		}
	}
	if e := &s.tokenEvents; e.reminder.owed {
		sooner(e.reminder.next(e.interval()))
	}
	if e := &s.tokenEvents; e.expired.owed {
		sooner(e.expired.next(tokenEventInterval))
	}
	return t
}

// setToken replaces the token (JWT-3, JWT-4).
func (s *session) setToken(text string) *Error {
	now := time.Now()
	t, err := readToken(text)
	if err != nil {
		return err
	}
	if t.claims.Subject != s.user.claims.Subject || t.claims.IntegrationID != s.user.claims.IntegrationID {
		return fail(CodeTokenInvalid, "it is for another user or integration")
	}
	again := t.text == s.user.text
	expiry := t.claims.Expiry
	if again && s.user.expired {
		expiry = expiry.Add(-clockTolerance) // the server has said so
	}
	if !s.clock.server(now).Before(expiry) {
		// Without a stream the server's time may be wrong by now, and nothing would ever show it:
		// a token that was made to last, and ends later than the one that has expired, is tried.
		t.disputed = s.user.expired && s.stream.state != streamOpen && !t.claims.IssuedAt.IsZero() && t.claims.Expiry.After(s.user.claims.Expiry)
		if !t.disputed {
			return fail(CodeTokenInvalid, "it expired at "+string(wire.AppendTime(nil, t.claims.Expiry)))
		}
	}
	if again {
		// The page may have it from a cache. What was said of it has been said; where only the
		// server's word is against it, it may be tried again.
		s.user.expired = false
		s.freshToken(now)
		s.retryCallsNow()
		return nil
	}
	if s.user.accepted && !s.user.expired {
		s.fallback = s.user
	}
	// The page's newest token counts, also if a call that is still on its way shows that the
	// one before, which was refused, is good after all.
	s.user, s.rejected = t, token{}
	s.tokenEvents.reminder.owed, s.tokenEvents.expired.owed = false, false
	s.debug("a new token was set, it expires in ", seconds(t.claims.Expiry.Sub(s.clock.server(now))))
	s.freshToken(now)
	s.retryCallsNow()
	return nil
}

// tokenExpired makes the stream wait for a new token, and tells the page (JWT-2).
func (s *session) tokenExpired() {
	s.user.expired = true
	s.tokenEvents.reminder.owed, s.tokenEvents.expired.owed = false, true
	s.raiseTokenEvents(time.Now())
	s.awaitToken("The JWT has expired, set a new one")
}

// tokenAccepted notes that the server has taken a token.
func (s *session) tokenAccepted(text string) {
	if text == s.rejected.text && s.rejected.claims.Expiry.After(s.user.claims.Expiry) {
		s.user = s.rejected // refused by one call, and good after all
		s.user.accepted = false
	}
	if text != s.user.text {
		return
	}
	s.user.disputed = false
	if !s.user.accepted || text == s.rejected.text {
		s.user.accepted = true
		s.fallback, s.rejected = token{}, token{}
		s.tokenEvents.refusals = 0
	}
}

// refuseToken notes that the server refuses a token that has not expired, and asks the
// page for another (JWT-7). It reports whether there is one to go on with at once: what
// the page has set meanwhile, or the token before, which stays in use while it is valid.
// A token that is refused by many calls at once counts once.
func (s *session) refuseToken(text string) bool {
	if text == s.fallback.text {
		s.fallback = token{}
	}
	if text != s.user.text {
		return true
	}
	now := time.Now()
	e := &s.tokenEvents
	if !e.reminder.owed {
		e.reminder.owed, e.asking = true, true
	}
	if e.refusals == 0 || text != s.rejected.text || !now.Before(e.refusedAt.Add(e.interval())) {
		e.refusals++
		e.refusedAt = now
	}
	s.rejected = s.user
	if s.fallback.text == "" || !s.clock.server(now).Before(s.fallback.claims.Expiry) {
		return false
	}
	s.user, s.fallback = s.fallback, token{}
	s.c.log(LogInfo, "the server refuses the new token, the one before stays in use")
	return true
}
