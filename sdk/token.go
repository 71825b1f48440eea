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
	reminded bool // TOKEN_EXPIRY_REMINDER was raised or is owed
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
	raisedAt instant // zero: never
}

// next returns when an event that is owed may be raised.
func (l *limitedEvent) next(interval time.Duration) instant { return l.raisedAt + interval }

// take reports whether the event is to be raised now.
func (l *limitedEvent) take(now instant, interval time.Duration) bool {
	if !l.owed || now < l.next(interval) {
		return false
	}
	*l = limitedEvent{raisedAt: now}
	return true
}

// tokenEvents are the events that ask the page for another token (JWT-1, JWT-2, JWT-6).
type tokenEvents struct {
	reminder, expired limitedEvent
	asking            bool    // the reminder is owed because of a refusal only
	refusals          int     // of tokens, since the server last took one
	refusedAt         instant // when the last of them was counted
}

// interval is the least time until the next reminder. It grows while the server refuses
// every token that the page sets.
func (e *tokenEvents) interval() time.Duration {
	if !e.asking {
		return tokenEventInterval
	}
	return min(tokenEventInterval<<min(max(e.refusals-1, 0), 10), maxAskInterval)
}

// tokens are the page's token, those that may take its place, and the events that ask the
// page for another. A token
// expires by the server's time.
type tokens struct {
	current token // that calls and connections carry; its claims name the user
	// fallback is the token before, until the server has taken the present one.
	fallback token
	// rejected is the token that the server last refused though it had not expired.
	rejected token
	events   tokenEvents
}

// handleTimers notes what is due of the token's life. It reports whether the token has
// expired and nothing has said so yet.
func (t *tokens) handleTimers(server time.Time) (expired bool) {
	switch c := &t.current; {
	case c.expired, c.disputed:
	case !server.Before(c.claims.Expiry):
		// A token that slept past its end is only expired: a reminder would come too late
		// to help.
		return true
	case !c.reminded && !server.Before(c.claims.Expiry.Add(-reminderLead)):
		c.reminded = true
		t.events.reminder.owed, t.events.asking = true, false
	}
	return false
}

// takeEvents reports which of the events that are owed are to be raised now.
func (t *tokens) takeEvents(now instant) (reminder, expired bool) {
	e := &t.events
	return e.reminder.take(now, e.interval()), e.expired.take(now, tokenEventInterval)
}

// nextTimer returns when handleTimers or takeEvents has something to do; zero for never.
func (t *tokens) nextTimer(clock *clock) (next instant) {
	sooner := func(at instant) {
		if next == 0 || at < next {
			next = at
		}
	}
	if c := &t.current; !c.expired && !c.disputed {
		sooner(clock.local(c.claims.Expiry))
		if !c.reminded {
			sooner(clock.local(c.claims.Expiry.Add(-reminderLead)))
		}
	}
	e := &t.events
	if e.reminder.owed {
		sooner(e.reminder.next(e.interval()))
	}
	if e.expired.owed {
		sooner(e.expired.next(tokenEventInterval))
	}
	return next
}

// set replaces the token (JWT-3, JWT-4). connected: the stream stands, so that the
// server's time is known well.
func (t *tokens) set(text string, connected bool, server time.Time) *Error {
	n, err := readToken(text)
	if err != nil {
		return err
	}
	c := &t.current
	if n.claims.Subject != c.claims.Subject || n.claims.IntegrationID != c.claims.IntegrationID {
		return fail(CodeTokenInvalid, "it is for another user or integration")
	}
	again := n.text == c.text
	expiry := n.claims.Expiry
	if again && c.expired {
		expiry = expiry.Add(-clockTolerance) // the server has said so
	}
	if !server.Before(expiry) {
		// Without a stream the server's time may be wrong by now, and nothing would ever show it:
		// a token that was made to last, and ends later than the one that has expired, is tried.
		n.disputed = c.expired && !connected && !n.claims.IssuedAt.IsZero() && n.claims.Expiry.After(c.claims.Expiry)
		if !n.disputed {
			return fail(CodeTokenInvalid, "it expired at "+string(wire.AppendTime(nil, n.claims.Expiry)))
		}
	}
	if again {
		// The page may have it from a cache. What was said of it has been said; where only the
		// server's word is against it, it may be tried again.
		c.expired = false
		return nil
	}
	if c.accepted && !c.expired {
		t.fallback = *c
	}
	// The page's newest token counts, also if a call that is still on its way shows that the
	// one before, which was refused, is good after all.
	t.current, t.rejected = n, token{}
	t.events.reminder.owed, t.events.expired.owed = false, false
	return nil
}

// expire notes that the token has expired: TOKEN_EXPIRED is owed (JWT-2).
func (t *tokens) expire() {
	t.current.expired = true
	if t.events.reminder.owed && !t.events.asking {
		t.current.reminded = false // nor is it reminded of now, unless the page sets it again
	}
	t.events.reminder.owed, t.events.expired.owed = false, true
}

// revive notes that the token has not expired after all.
func (t *tokens) revive() {
	t.current.expired = false
	t.events.expired.owed = false
}

// accept notes that the server has taken a token.
func (t *tokens) accept(text string) {
	if text == t.rejected.text && t.rejected.claims.Expiry.After(t.current.claims.Expiry) {
		t.current = t.rejected // refused by one call, and good after all
		t.current.accepted = false
	}
	if text != t.current.text {
		return
	}
	t.current.disputed = false
	if !t.current.accepted || text == t.rejected.text {
		t.current.accepted = true
		t.fallback, t.rejected = token{}, token{}
		t.events.refusals = 0
	}
}

// concerned reports whether an answer of this status to a call that carried a token is
// about that token. A 403 may be about other things as well; it is taken for the token's
// if the one before has been good.
func (t *tokens) concerned(status int, text string) bool {
	return status == 401 || status == 403 && text == t.current.text && !t.current.accepted && t.fallback.text != ""
}

// refuse notes that the server refuses a token that has not expired, and asks the page
// for another (JWT-7). The token before stays in use while it is valid: the current token
// is then another than the refused one. A token that is refused by many calls at once
// counts once. It reports whether the token before has taken the place of the current one.
func (t *tokens) refuse(text string, now instant, server time.Time) (fellBack bool) {
	if text == t.fallback.text {
		t.fallback = token{}
	}
	if text != t.current.text {
		return false
	}
	e := &t.events
	if !e.reminder.owed {
		e.reminder.owed, e.asking = true, true
	}
	if e.refusals == 0 || text != t.rejected.text || now >= e.refusedAt+e.interval() {
		e.refusals++
		e.refusedAt = now
	}
	t.rejected = t.current
	if t.fallback.text == "" || !server.Before(t.fallback.claims.Expiry) {
		return false
	}
	t.current, t.fallback = t.fallback, token{}
	return true
}
