package sdk

import (
	"context"
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
	until  instant      // no attempt begins later; zero means callTimeout from the start
	then   func(answer) // what whoever made the call does with its answer
	// failure is the code of a server error that lasts; zero: ACS-304.
	failure Code
	// initial: init makes the call. A server error that lasts is ACS-311, and a refusal of
	// the token is final.
	initial bool

	// What follows belongs to rest.
	backoff   backoff
	retryAt   instant // zero while an attempt is under way
	sentAt    instant // when the attempt began
	token     string  // that the attempt carries
	refreshed bool    // repeated once with another token (JWT-5)
	judged    bool    // the session has handled the refusal of this attempt's token
	cancel    context.CancelFunc
	attempt   int
	failed    *Error // the outcome of the last attempt; nil: none has ended yet
	inDoubt   bool   // an attempt got no answer of the gateway: it may have acted
	done      bool
}

// answer is the outcome of a call: a 2xx with its body, or an error. status is 0 when
// no answer came.
type answer struct {
	status  int
	body    []byte
	problem wire.Problem
	err     *Error
}

// check returns the error of an answer: its own, or that its body could not be
// read (bad) or is not what it must be.
func (a *answer) check(doing string, bad error, valid bool) *Error {
	if a.err == nil && (bad != nil || !valid) {
		return failBecause(CodeUnexpectedAnswer, doing, bad)
	}
	return a.err
}

// attempt is what a worker is to do for a call, once.
type attempt struct {
	call    *call
	number  int
	timeout time.Duration
}

// outcome is what a worker brings back from one attempt.
type outcome struct {
	call     *call
	number   int // of the attempt
	response Response
	err      error
}

// rest keeps the calls that are under way. Its inputs are calls to start, the outcomes of
// attempts, the time and wake-ups; it returns the attempts to start and the answers of
// calls that are settled.
type rest struct {
	calls  []*call
	random func() uint64
}

// start takes a call and returns its first attempt.
func (r *rest) start(c *call, token string, now instant) attempt {
	if c.until == 0 {
		c.until = now + callTimeout
	}
	c.backoff = backoff{base: retryBase, ceiling: retryCeiling}
	r.calls = append(r.calls, c)
	return c.next(token, now)
}

// next begins another attempt, with token.
func (c *call) next(token string, now instant) attempt {
	c.retryAt = 0
	c.token = token
	c.sentAt = now
	c.judged = false
	c.attempt++
	return attempt{c, c.attempt, min(attemptTimeout, max(0, c.until-now))}
}

// awaits reports whether the outcome is one that its call waits for.
func (r *rest) awaits(o outcome) bool { return !o.call.done && o.number == o.call.attempt }

// restKind is a kind of outcome of an attempt.
type restKind int

const (
	restWaits   restKind = iota // another attempt follows at retryAt
	restAttempt                 // another attempt is to start now
	restSettled                 // the call has its answer
)

// restOutput is what is to happen after an attempt.
type restOutput struct {
	kind    restKind
	attempt attempt // restAttempt
	answer  answer  // restSettled
}

// ended takes the outcome of an attempt. other: the server has refused the token that it
// carried, and token is another.
func (r *rest) ended(o outcome, other bool, token string, now instant) restOutput {
	c, status := o.call, o.response.Status
	switch {
	case o.err != nil:
		c.inDoubt = true
		err := failBecause(CodeUnreachable, c.name, o.err)
		if c.failed != nil && now >= c.until {
			err = c.failed // the call's time ended this attempt; the one before knew more
		}
		return r.retryLater(c, now, 0, answer{err: err})
	case !c.refreshed && other:
		c.refreshed = true
		return restOutput{kind: restAttempt, attempt: c.next(token, now)}
	case status == 401 && c.inDoubt && c.method == "POST" && !c.initial:
		// It may have been done, and a page that is refused now would do it again. The call
		// made with the next token, or the event of it, decides.
		c.retryAt = c.until
		return restOutput{}
	case status >= 500 || status == 429 || status == 408:
		c.inDoubt = c.inDoubt || status >= 500
		return r.retryLater(c, now, o.response.RetryAfter, c.read(o.response))
	}
	return r.settle(c, c.read(o.response))
}

// retryLater plans the next attempt, or settles with a when none fits before the end.
func (r *rest) retryLater(c *call, now instant, after time.Duration, a answer) restOutput {
	c.failed = a.err
	at := now + max(after, c.backoff.next(r.random()))
	if at+minAttempt > c.until {
		return r.settle(c, a)
	}
	c.retryAt = at
	return restOutput{}
}

func (r *rest) settle(c *call, a answer) restOutput {
	r.drop(c)
	return restOutput{kind: restSettled, answer: a}
}

// read turns a status into an answer: which error a page gets for what.
func (c *call) read(r Response) answer {
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
		if a.problem.Has(wire.HeaderAppkey) {
			code = CodeInitParams
		}
	case 404:
		code = CodeUnexpectedAnswer // not the gateway's 404: that names what is missing
		switch {
		case a.problem.Has(wire.FieldSessionID):
			code = CodeNoSession
		case a.problem.Has(wire.FieldIntegrationID):
			code = CodeIntegrationID
		case a.problem.Has(wire.FieldEngagementID):
			code = CodeNoEngagement
		}
	case 409:
		code = CodeUnexpectedAnswer // nor its 409
		if a.problem.Has(wire.FieldSessionID) || a.problem.Has(wire.FieldEngagementID) {
			code = CodeNotActive
		}
	case 400:
		code = CodeConstraintViolation
		switch {
		case a.problem.Has(wire.FieldIntegrationID):
			code = CodeIntegrationID
		case a.problem.Type == "":
			code = CodeUnexpectedAnswer
		}
	}
	if r.Status >= 500 && c.initial {
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

// retryNow makes the calls that wait for their next attempt due: the network may be back,
// or the token new.
func (r *rest) retryNow(now instant) {
	for _, c := range r.calls {
		if c.retryAt != 0 {
			c.retryAt = now
		}
	}
}

// handleTimers returns the attempts that are due.
func (r *rest) handleTimers(token string, now instant) (due []attempt) {
	for _, c := range r.calls {
		if c.retryAt != 0 && now >= c.retryAt {
			due = append(due, c.next(token, now))
		}
	}
	return due
}

// nextTimer returns when handleTimers has something to do; zero for never.
func (r *rest) nextTimer() (t instant) {
	for _, c := range r.calls {
		if c.retryAt != 0 && (t == 0 || c.retryAt < t) {
			t = c.retryAt
		}
	}
	return t
}

// lastFailure returns the outcome of the last attempt of a call that is under way; nil:
// none has ended.
func (r *rest) lastFailure() (err *Error) {
	for _, c := range r.calls {
		if c.failed != nil {
			err = c.failed
		}
	}
	return err
}

// stopRetrying leaves c the attempt that is under way, which ends by itself, because a
// canceled one costs its connection and looks like a failure. There is no further one.
func (r *rest) stopRetrying(c *call, now instant) {
	if c.retryAt == 0 {
		c.until = now
	} else {
		r.drop(c)
	}
}

// drop ends a call whose answer is no longer needed.
func (r *rest) drop(c *call) {
	c.stop()
	for i, o := range r.calls {
		if o == c {
			copy(r.calls[i:], r.calls[i+1:])
			r.calls[len(r.calls)-1] = nil
			r.calls = r.calls[:len(r.calls)-1]
			return
		}
	}
}

// dropAll ends every call and returns them.
func (r *rest) dropAll() []*call {
	list := r.calls
	r.calls = nil
	for _, c := range list {
		c.stop()
	}
	return list
}

func (c *call) stop() {
	c.done = true
	if c.cancel != nil {
		c.cancel()
	}
}
