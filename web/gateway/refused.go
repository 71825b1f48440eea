package gateway

import (
	"errors"
	"strconv"

	"openchat/web/httpapi"
)

// maxRefusedLines is how many different refusals of signed tokens are logged one by one.
const maxRefusedLines = 50

// maxShown is how many bytes of a call's account go into the audit log: a path may hold anything.
const maxShown = 100

// noteRefusal logs why a token was refused, and counts it against the address when no known
// key has signed it. It returns a 429 when the address has sent too many of these.
func (g *Gateway) noteRefusal(address, origin string, err error) error {
	var r *refusal
	var u *unsigned
	switch {
	case errors.As(err, &r):
		origin = httpapi.ShownOrigin(origin)
		g.refused.Note(r.Field+" "+r.Message+" "+r.got+" "+origin, "claim", r.Field, "why", r.Message, "of", r.got, "origin", origin)
	case errors.As(err, &u) && u.kid != "":
		return g.guesses.FailedAt(address, "for a customer: "+u.why, "kid", shownKid(u.kid))
	case errors.As(err, &u):
		return g.guesses.FailedAt(address, "for a customer: "+u.why)
	}
	return nil
}

// shownKid is a stranger's kid for the log: quoted and short.
func shownKid(kid string) string { return strconv.QuoteToASCII(kid[:min(len(kid), 64)]) }
