package sdk

import (
	"time"

	"openchat/sdk/wire"
)

// reminderLead is how long before exp the page is reminded (JWT-1).
const reminderLead = 3 * time.Minute

// token is the present JWT and what is still to be said about its end. Its
// deadlines are wall-clock instants: exp is one.
type token struct {
	text     string
	claims   wire.Claims
	reminded bool
	expired  bool
}

// readToken checks a token as far as a client can: form and expiry.
func readToken(text string, now time.Time) (token, *Error) {
	if text == "" {
		return token{}, fail(CodeNoToken, "")
	}
	claims, err := wire.ReadToken(text)
	if err != nil {
		return token{}, failBecause(CodeTokenInvalid, "it is not a JWT with an exp claim", err)
	}
	if !now.Before(claims.Expiry) {
		return token{}, fail(CodeTokenInvalid, "it expired at "+string(wire.AppendTime(nil, claims.Expiry)))
	}
	return token{text: text, claims: claims}, nil
}

// next returns when expire has something to say; zero for never.
func (t *token) next() time.Time {
	switch {
	case t.expired:
		return time.Time{}
	case t.reminded:
		return t.claims.Expiry
	}
	return t.claims.Expiry.Add(-reminderLead)
}

// expire reports which of the two events are due; each once for a token. A token
// that slept past its end is only expired: the reminder would come too late to help.
func (t *token) expire(now time.Time) (reminder, expired bool) {
	if t.expired {
		return false, false
	}
	if !now.Before(t.claims.Expiry) {
		t.reminded, t.expired = true, true
		return false, true
	}
	if !t.reminded && !now.Before(t.claims.Expiry.Add(-reminderLead)) {
		t.reminded = true
		return true, false
	}
	return false, false
}
