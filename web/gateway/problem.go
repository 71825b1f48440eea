package gateway

import (
	"errors"
	"net/http"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
)

// notFound says the same of what does not exist and of what is another customer's.
func notFound(field string) *httpapi.Problem {
	return httpapi.NotFound(field, "There is no such thing for this customer.")
}

func noSuchCall() *httpapi.Problem {
	return httpapi.Refuse(http.StatusNotFound, wire.ProblemNotFound, "There is no such call.")
}

func hasEnded() *httpapi.Problem {
	return httpapi.Conflict("engagementId", "The engagement has ended.")
}

func notIn() *httpapi.Problem {
	return httpapi.Conflict(wire.FieldSessionID, "This session is not in the engagement.")
}

// appkeyProblem refuses the appkey of a call for a token, for an error of the verifier.
func appkeyProblem(err error) *httpapi.Problem {
	var r *refusal
	if !errors.As(err, &r) || r.Field != "appkey" {
		return tokenProblem(err)
	}
	v := r.Violation
	if v.Code != wire.ViolationNull {
		v.Message = "is not that of this account and integration"
	}
	return httpapi.Refuse(http.StatusForbidden, wire.ProblemForbidden, "The appkey "+v.Message+".", v)
}

// tokenProblem turns an error of the verifier into what the caller receives.
func tokenProblem(err error) *httpapi.Problem {
	var r *refusal
	var violations []wire.Violation
	if errors.As(err, &r) && r.Field != "" {
		violations = []wire.Violation{r.Violation}
	}
	if r != nil && r.Field == "appkey" {
		return httpapi.Refuse(http.StatusForbidden, wire.ProblemForbidden, "The token is sound, but "+err.Error()+".", violations...)
	}
	if errors.Is(err, errForbidden) {
		return httpapi.Refuse(http.StatusForbidden, wire.ProblemForbidden, "The token or appkey is not for this service: "+err.Error()+".", violations...)
	}
	return httpapi.Refuse(http.StatusUnauthorized, wire.ProblemUnauthorized, "This needs a valid token: "+err.Error()+".", violations...)
}
