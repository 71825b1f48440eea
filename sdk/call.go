package sdk

import (
	"context"
	"slices"
	"strconv"
	"time"

	"openchat/sdk/wire"
)

// Bounds of a REST call.
const (
	// attemptTimeout bounds one attempt; a call has as many as fit before its end.
	attemptTimeout = 10 * time.Second
	// minAttempt is what an attempt must have left before the call's end: one that is cut
	// short would say "unreachable" of a server that answers.
	minAttempt = time.Second
	// callTimeout bounds every call but init's, shutdown's and sends.
	callTimeout = 30 * time.Second
	// retryBase and retryCeiling bound the random delays between attempts.
	retryBase, retryCeiling = 500 * time.Millisecond, 5 * time.Second
)

// call is one REST call with its retries. Every call is idempotent, by its nature
// or by its correlationId, so that a lost answer is asked for again (MSG-4).
type call struct {
	name   string // for logs
	method string
	path   string // below the base; holds ids only
	body   []byte
	until  time.Time    // no attempt begins later; zero means callTimeout from now
	then   func(answer) // on the session's goroutine, exactly once
	// failure is the code of a server error that lasts; zero: ACS-304.
	failure Code

	backoff   backoff
	retryAt   time.Time // zero while an attempt is under way
	sentAt    time.Time // when the attempt began
	token     string    // that the attempt carries
	refreshed bool      // repeated once with a newer token (JWT-5)
	// unauthorized: the refusal of the token that the attempt carried has been handled.
	unauthorized bool
	cancel       context.CancelFunc
	attempt      int
	failed       *Error // what the last attempt came to; nil: none has ended yet
	inDoubt      bool   // an attempt got no answer of the gateway: it may have acted
	done         bool
}

// answer is what a call came to: a 2xx with its body, or an error. status is 0 when
// no answer came.
type answer struct {
	status  int
	body    []byte
	problem wire.Problem
	err     *Error
}

// outcome is what a worker brings back from one attempt.
type outcome struct {
	call     *call
	attempt  int
	response Response
	err      error
}

// request starts a call.
func (s *session) request(c *call) {
	if c.until.IsZero() {
		c.until = time.Now().Add(callTimeout)
	}
	c.backoff = backoff{base: retryBase, ceiling: retryCeiling}
	s.calls = append(s.calls, c)
	s.attempt(c)
}

// attempt sends c once, on a worker.
func (s *session) attempt(c *call) {
	c.retryAt = time.Time{}
	c.token = s.user.text
	c.sentAt = s.sending()
	c.unauthorized = false
	c.attempt++
	n := c.attempt
	ctx, cancel := context.WithTimeout(context.Background(), min(attemptTimeout, max(0, time.Until(c.until))))
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
		s.results <- outcome{c, n, response, err}
	}()
}

func (c *call) stop() {
	c.done = true
	if c.cancel != nil {
		c.cancel()
	}
}

// settleAttempt decides what an attempt's outcome means: done, again, or failed.
func (s *session) settleAttempt(o outcome) {
	c := o.call
	if c.done || o.attempt != c.attempt {
		return
	}
	now := time.Now()
	r := o.response
	if s.debugs() {
		came := "status " + strconv.Itoa(r.Status)
		if o.err != nil {
			came = "no answer, " + o.err.Error()
		}
		s.debug(c.method, " ", c.path, ": ", came, " after ", milliseconds(now.Sub(c.sentAt)), ", attempt ", strconv.Itoa(c.attempt))
	}
	// Once the stream has told the time, Date tells nothing better: it may be a proxy's.
	if !s.clock.told && r.Status < 500 {
		s.measure(r.Date, time.Second, c.sentAt)
	}
	switch {
	case o.err != nil:
		c.inDoubt = true
		err := failBecause(CodeUnreachable, c.name, o.err)
		if c.failed != nil && !now.Before(c.until) {
			err = c.failed // the call's time ended this attempt; the one before knew more
		}
		s.retryLater(c, now, 0, answer{err: err})
	case !c.refreshed && s.otherToken(c, r.Status):
		c.refreshed = true
		s.attempt(c)
	case r.Status == 401 && c.inDoubt && c.method == "POST" && s.phase == ready:
		// It may have been done. Refused now, the page would do it again; the next token,
		// or the event of it, will tell.
		c.retryAt = c.until
		s.unauthorized(c, r.Status)
	case r.Status >= 500 || r.Status == 429 || r.Status == 408:
		c.inDoubt = c.inDoubt || r.Status >= 500
		s.retryLater(c, now, r.RetryAfter, s.read(c, r))
	default:
		s.finishCall(c, s.read(c, r))
	}
}

// otherToken reports whether the status refuses the token that c carried and there is
// another to go on with: what the page has set meanwhile (JWT-5), or the one before (JWT-7).
func (s *session) otherToken(c *call, status int) bool {
	if status == 401 && s.user.text != c.token {
		return true
	}
	return s.refusesToken(c, status) && s.unauthorized(c, status) && s.user.text != c.token
}

// refusesToken reports whether a status is about the token. A 403 may be about other
// things as well; it is taken for the token's if the one before has been good.
func (s *session) refusesToken(c *call, status int) bool {
	return status == 401 || status == 403 && c.token == s.user.text && !s.user.accepted && s.fallback.text != ""
}

// unauthorized handles the server's refusal of the token that c carried, unless it has
// been replaced since. It reports whether there is another token to go on with.
func (s *session) unauthorized(c *call, status int) bool {
	if s.phase != ready || s.user.expired || c.unauthorized {
		return false
	}
	c.unauthorized = true
	// The gateway is the judge: where its time is not known, 401 means that the token has
	// expired.
	if now := time.Now(); status == 401 && c.token == s.user.text && (!s.clock.measured() || !s.clock.server(now).Before(s.user.claims.Expiry.Add(-clockTolerance))) {
		s.tokenExpired()
		return false
	}
	return s.refuseToken(c.token)
}

// retryLater plans the next attempt, or gives up with a when none fits before the end.
func (s *session) retryLater(c *call, now time.Time, after time.Duration, a answer) {
	c.failed = a.err
	at := now.Add(max(after, c.backoff.next(s.c.o.Random())))
	if at.Add(minAttempt).After(c.until) {
		s.finishCall(c, a)
		return
	}
	c.retryAt = at
}

func (s *session) finishCall(c *call, a answer) {
	if c.done {
		return
	}
	s.dropCall(c)
	c.then(a)
	// The page's own token is refused, or the session is gone: that concerns more
	// than this call.
	switch {
	case a.status == 401:
		s.unauthorized(c, a.status)
	case a.err == nil:
		s.tokenAccepted(c.token)
		if c.token == s.user.text {
			s.tokenWorked(c.sentAt)
		}
	case a.err != nil && a.err.Code == CodeNoSession:
		s.endedByServer("")
	}
}

// read turns a status into an answer: which error a page gets for what.
func (s *session) read(c *call, r Response) answer {
	a := answer{status: r.Status, body: r.Body}
	if r.Status >= 200 && r.Status < 300 {
		return a
	}
	a.problem, _ = wire.DecodeProblem(r.Body)
	code := c.failure
	detail := c.name + ": status " + strconv.Itoa(r.Status)
	switch r.Status {
	case 401, 403:
		code = CodeTokenInvalid
		if a.problem.Has("appkey") {
			code = CodeInitParams
		}
	case 404:
		code = CodeUnexpectedAnswer // not the gateway's 404: that names what is missing
		switch {
		case a.problem.Has("sessionId"):
			code = CodeNoSession
		case a.problem.Has("integrationId"):
			code = CodeIntegrationID
		case a.problem.Has("engagementId"):
			code = CodeNoEngagement
		}
	case 409:
		code = CodeUnexpectedAnswer // nor its 409
		if a.problem.Has("sessionId") || a.problem.Has("engagementId") {
			code = CodeNotActive
		}
	case 400:
		code = CodeConstraintViolation
		switch {
		case a.problem.Has("integrationId"):
			code = CodeIntegrationID
		case a.problem.Type == "":
			code = CodeUnexpectedAnswer
		}
	}
	if r.Status >= 500 && s.phase == initializing {
		code = CodeInitFailed
	}
	if code == 0 {
		code = CodeUnexpectedAnswer
	}
	if len(a.problem.Violations) > 0 {
		v := a.problem.Violations[0]
		detail += ", " + v.Field + " " + v.Message
	}
	a.err = fail(code, detail)
	return a
}

// retryCallsNow tries waiting calls now: the network may be back, or the token new.
func (s *session) retryCallsNow() {
	now := time.Now()
	for _, c := range s.calls {
		if !c.retryAt.IsZero() {
			c.retryAt = now
		}
	}
}

func (s *session) handleCallTimers(now time.Time) {
	for _, c := range s.calls {
		if !c.retryAt.IsZero() && !now.Before(c.retryAt) {
			s.attempt(c)
		}
	}
}

func (s *session) nextCall() (t time.Time) {
	for _, c := range s.calls {
		if !c.retryAt.IsZero() && (t.IsZero() || c.retryAt.Before(t)) {
			t = c.retryAt
		}
	}
	return t
}

// stopCalls ends every call; with an error each is told, with nil none is.
func (s *session) stopCalls(err *Error) {
	list := s.calls
	s.calls = nil
	for _, c := range list {
		c.stop()
	}
	for _, c := range list {
		if err != nil {
			c.then(answer{err: err})
		}
	}
}

// dropCall ends a call whose answer is no longer needed.
func (s *session) dropCall(c *call) {
	c.stop()
	s.calls = slices.DeleteFunc(s.calls, func(o *call) bool { return o == c })
}
