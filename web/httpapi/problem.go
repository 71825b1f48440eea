package httpapi

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"openchat/sdk/wire"
	"openchat/web/store"
)

// Problem is an error whose text is for the caller: it is answered as
// application/problem+json (RFC 9457). Every other error is a failure of the server,
// which goes to the log.
type Problem struct {
	wire.Problem
	RetryAfter int  // seconds; 0: no Retry-After header
	Close      bool // the connection ends with the answer

	because string // see Because
}

func (p *Problem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Title, p.Detail) }

// Because has the metrics count the refusal under a reason of its own, a word of the code, and
// not under the problem's kind. It returns p.
func (p *Problem) Because(reason string) *Problem {
	p.because = reason
	return p
}

// reason is what the metrics count the refusal under.
func (p *Problem) reason() string {
	if p.because != "" {
		return p.because
	}
	_, kind, _ := strings.Cut(p.Type, "#")
	return kind
}

// Refuse makes a problem of that status and kind (wire.Problem…).
func Refuse(status int, kind, detail string, violations ...wire.Violation) *Problem {
	return &Problem{Problem: wire.Problem{
		Type:       "urn:openchat:problem#" + kind,
		Title:      http.StatusText(status),
		Status:     status,
		Detail:     detail,
		Violations: violations,
	}}
}

// Malformed refuses a request that cannot be read at all.
func Malformed(detail string) *Problem {
	return Refuse(http.StatusBadRequest, wire.ProblemBadRequest, detail)
}

// Invalid refuses a field's value; message says what is possible, code is a
// wire.Violation… constant.
func Invalid(field, message string, code int) *Problem {
	return Refuse(http.StatusBadRequest, wire.ProblemConstraint, field+" "+message+".", wire.Violation{Field: field, Message: message, Code: code})
}

// Missing refuses a request without that field.
func Missing(field string) *Problem { return Invalid(field, "must not be null", wire.ViolationNull) }

// NotFound refuses a field that names nothing.
func NotFound(field, detail string) *Problem {
	return Refuse(http.StatusNotFound, wire.ProblemNotFound, detail,
		wire.Violation{Field: field, Message: "names nothing that exists", Code: wire.ViolationNotFound})
}

// Conflict refuses what the state of the thing that field names forbids.
func Conflict(field, detail string) *Problem {
	return Refuse(http.StatusConflict, wire.ProblemConflict, detail,
		wire.Violation{Field: field, Message: "is not in a state for this", Code: wire.ViolationState})
}

// TooMany refuses what exceeds a rate or a number, for that time.
func TooMany(detail string, wait time.Duration) *Problem {
	p := Refuse(http.StatusTooManyRequests, wire.ProblemTooMany, detail)
	p.RetryAfter = int(math.Ceil(wait.Seconds()))
	return p
}

// Unavailable refuses what may succeed when it is repeated after that time.
func Unavailable(detail string, wait time.Duration) *Problem {
	p := Refuse(http.StatusServiceUnavailable, wire.ProblemServerError, detail)
	p.RetryAfter = int(math.Ceil(wait.Seconds()))
	return p
}

// GoingAway refuses what a server that stops does not begin any more, and ends what it
// could not finish. The next attempt is for another process, or the next one here.
func GoingAway() *Problem {
	p := Unavailable("The server is going away. The call may be repeated, with the same correlationId.", time.Second)
	p.Close = true
	return p.Because("draining")
}

// ProblemOf turns an error into what the caller receives. Of a failure they learn only
// that it happened.
func ProblemOf(err error) *Problem {
	var p *Problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, store.ErrBusy):
		return Unavailable("Too many changes at once. The call may be repeated.", time.Second).Because("busy")
	case errors.Is(err, store.ErrNoWrites):
		return Unavailable("Nothing can be stored at present. The call may be repeated, with the same correlationId.", time.Second).Because("store-full")
	case errors.Is(err, store.ErrUnreadable):
		return Unavailable("What is stored cannot be read at present. The call may be repeated, with the same correlationId.", time.Second).Because("store-unreadable")
	case errors.Is(err, store.ErrNotFound):
		return Refuse(http.StatusNotFound, wire.ProblemNotFound, "There is no such thing.")
	}
	return Refuse(http.StatusInternalServerError, wire.ProblemServerError, "The server or its store failed. The call may be repeated, with the same correlationId.")
}

// isFailure reports whether the problem of err does not say why.
func isFailure(err error) bool {
	return !errors.As(err, new(*Problem)) && !errors.Is(err, store.ErrBusy) && !errors.Is(err, store.ErrNotFound)
}

// write answers with the problem.
func (p *Problem) write(w http.ResponseWriter) {
	h := w.Header()
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if p.Close {
		h.Set("Connection", "close")
	}
	write(w, p.Status, "application/problem+json", p.Append(nil))
}
