package gateway

import (
	"errors"
	"fmt"
	"net/http"

	"openchat/sdk/wire"
	"openchat/web/store"
)

// problem is an error whose text is for the caller.
type problem struct {
	wire.Problem
	retryAfter int // seconds; 0: no header
}

func (p *problem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Title, p.Detail) }

func refuse(status int, kind, detail string, violations ...wire.Violation) *problem {
	return &problem{Problem: wire.Problem{
		Type:       "urn:openchat:problem#" + kind,
		Title:      http.StatusText(status),
		Status:     status,
		Detail:     detail,
		Violations: violations,
	}}
}

func malformed(detail string) *problem {
	return refuse(http.StatusBadRequest, wire.ProblemBadRequest, detail)
}

// invalid refuses a field's value; message says what is possible.
func invalid(field, message string, code int) *problem {
	return refuse(http.StatusBadRequest, wire.ProblemConstraint, field+" "+message+".", wire.Violation{Field: field, Message: message, Code: code})
}

func missing(field string) *problem { return invalid(field, "must not be null", wire.ViolationNull) }

// notFound says the same of what does not exist and of what is another customer's.
func notFound(field string) *problem {
	return refuse(http.StatusNotFound, wire.ProblemNotFound, "There is no such thing for this customer.",
		wire.Violation{Field: field, Message: "names nothing that exists", Code: wire.ViolationNotFound})
}

func conflict(field, detail string) *problem {
	return refuse(http.StatusConflict, wire.ProblemConflict, detail,
		wire.Violation{Field: field, Message: "is not in a state for this", Code: wire.ViolationState})
}

func hasEnded() *problem { return conflict("engagementId", "The engagement has ended.") }

func notIn() *problem { return conflict("sessionId", "This session is not in the engagement.") }

// goingAway refuses what a gateway that stops does not begin any more, and ends what
// it could not finish.
func goingAway() *problem {
	p := refuse(http.StatusServiceUnavailable, wire.ProblemServerError, "The gateway is going away. The call may be repeated with the same correlationId.")
	p.retryAfter = 1
	return p
}

// problemOf turns an error into what the caller is told. Of a failure behind the
// door they learn that it happened; the log has the rest.
func problemOf(err error) *problem {
	var p *problem
	var r *refusal
	var violations []wire.Violation
	if errors.As(err, &r) && r.Field != "" {
		violations = []wire.Violation{r.Violation}
	}
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, errExpired), errors.Is(err, errUnauthorized):
		return refuse(http.StatusUnauthorized, wire.ProblemUnauthorized, "This needs a valid token: "+err.Error()+".", violations...)
	case errors.Is(err, errForbidden):
		return refuse(http.StatusForbidden, wire.ProblemForbidden, "The token or appkey is not for this service: "+err.Error()+".", violations...)
	case errors.Is(err, store.ErrBusy):
		p = refuse(http.StatusServiceUnavailable, wire.ProblemServerError, "Too many changes at once. The call may be repeated.")
		p.retryAfter = 1
		return p
	}
	return refuse(http.StatusInternalServerError, wire.ProblemServerError, "The gateway or its store failed. The call may be repeated with the same correlationId.")
}
