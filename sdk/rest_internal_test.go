package sdk

import (
	"errors"
	"testing"
	"time"
)

// epoch0 is when the tests of the parts begin.
const epoch0 instant = clockLead

// after is so many seconds later.
func after(seconds float64) instant { return epoch0 + time.Duration(seconds*float64(time.Second)) }

func fixed(n uint64) func() uint64 { return func() uint64 { return n } }

// An outcome of an attempt, and what follows from it.
func TestRestOutcomes(t *testing.T) {
	lost := errors.New("connection reset")
	type step struct {
		at     float64 // seconds after the start
		status int
		err    error
		after  time.Duration // Retry-After
		other  bool          // there is another token

		kind  restKind
		retry float64 // restWaits: when the next attempt is due
		code  Code    // restSettled: 0 for success
	}
	for _, test := range []struct {
		name  string
		call  call
		steps []step
	}{
		{"a success settles", call{}, []step{{at: 1, status: 200, kind: restSettled}}},
		{"a refusal settles", call{}, []step{{at: 1, status: 400, kind: restSettled, code: CodeUnexpectedAnswer}}},
		{"an error of the server is retried", call{}, []step{{at: 1, status: 500, retry: 1.1}, {at: 2, status: 200, kind: restSettled}}},
		{"a lost answer is retried", call{}, []step{{at: 1, err: lost, retry: 1.1}}},
		{"408 and 429 are retried", call{}, []step{{at: 1, status: 429, retry: 1.1}, {at: 2, status: 408, retry: 2.1}}},
		{"Retry-After is kept", call{}, []step{{at: 1, status: 503, after: 4 * time.Second, retry: 5}}},
		{"no attempt begins in the last second", call{}, []step{{at: 28.8, status: 500, retry: 28.9}, {at: 28.95, status: 500, kind: restSettled, code: CodeUnexpectedAnswer}}},
		{"the code of a call's own failure", call{failure: CodeUpdateFailed}, []step{{at: 29.5, status: 502, kind: restSettled, code: CodeUpdateFailed}}},
		{"in init it is ACS-311", call{initial: true, failure: CodeUpdateFailed}, []step{{at: 29.5, status: 502, kind: restSettled, code: CodeInitFailed}}},
		{"what ends with the call's time says what came before", call{}, []step{{at: 1, status: 500, retry: 1.1}, {at: 30, err: lost, kind: restSettled, code: CodeUnexpectedAnswer}}},
		{"without anything before it is unreachable", call{}, []step{{at: 30, err: lost, kind: restSettled, code: CodeUnreachable}}},
		{"401 with another token is tried once more", call{}, []step{{at: 1, status: 401, other: true, kind: restAttempt}, {at: 2, status: 401, other: true, kind: restSettled, code: CodeTokenInvalid}}},
		{"401 without one settles", call{method: "POST"}, []step{{at: 1, status: 401, kind: restSettled, code: CodeTokenInvalid}}},
		{"401 to what may have been done waits for a token", call{method: "POST"}, []step{{at: 1, err: lost, retry: 1.1}, {at: 2, status: 401, retry: 30}}},
		{"not for a GET", call{method: "GET"}, []step{{at: 1, err: lost, retry: 1.1}, {at: 2, status: 401, kind: restSettled, code: CodeTokenInvalid}}},
		{"nor in init", call{method: "POST", initial: true}, []step{{at: 1, err: lost, retry: 1.1}, {at: 2, status: 401, kind: restSettled, code: CodeTokenInvalid}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := rest{random: fixed(uint64(100 * time.Millisecond))}
			c := &test.call
			a := r.start(c, "token", epoch0)
			for i, s := range test.steps {
				if i > 0 && test.steps[i-1].kind == restWaits {
					r.retryNow(after(s.at))
					due := r.handleTimers("token", after(s.at))
					if len(due) != 1 {
						t.Fatalf("step %d: %d attempts are due", i, len(due))
					}
					a = due[0]
				}
				out := r.ended(outcome{c, a.number, Response{Status: s.status, RetryAfter: s.after}, s.err}, s.other, "other", after(s.at))
				if out.kind != s.kind {
					t.Fatalf("step %d: kind %d, want %d", i, out.kind, s.kind)
				}
				switch out.kind {
				case restWaits:
					if r.nextTimer() != after(s.retry) {
						t.Errorf("step %d: the next attempt is after %v, want %vs", i, r.nextTimer()-epoch0, s.retry)
					}
				case restAttempt:
					if a = out.attempt; c.token != "other" {
						t.Errorf("step %d: again with %q", i, c.token)
					}
				case restSettled:
					var code Code
					if out.answer.err != nil {
						code = out.answer.err.Code
					}
					if code != s.code || len(r.calls) > 0 || !c.done {
						t.Errorf("step %d: code %v, want %v; %d calls are left", i, code, s.code, len(r.calls))
					}
				}
			}
		})
	}
}

func TestRestAttempts(t *testing.T) {
	r := rest{random: fixed(0)}
	canceled := 0
	newCall := func() *call { return &call{cancel: func() { canceled++ }} }
	long, short := newCall(), newCall()
	short.until = after(4)
	a, b := r.start(long, "token", epoch0), r.start(short, "token", epoch0)
	if a.timeout != attemptTimeout || b.timeout != 4*time.Second {
		t.Errorf("attempts of %v and %v", a.timeout, b.timeout)
	}
	if !r.awaits(outcome{call: long, number: 1}) || r.awaits(outcome{call: long, number: 2}) {
		t.Error("it awaits other attempts than the one that was started")
	}
	if r.nextTimer() != 0 || r.lastFailure() != nil {
		t.Error("a timer or a failure while attempts are under way")
	}
	r.ended(outcome{call: long, number: 1, err: errors.New("lost")}, false, "token", after(1))
	if err := r.lastFailure(); err == nil || err.Code != CodeUnreachable {
		t.Errorf("the last failure is %v", err)
	}

	r.stopRetrying(short, after(2)) // its attempt goes on, and is its last
	if out := r.ended(outcome{call: short, number: 1, err: errors.New("lost")}, false, "token", after(3)); out.kind != restSettled || canceled != 1 {
		t.Errorf("kind %d after the last attempt, %d canceled", out.kind, canceled)
	}
	r.stopRetrying(long, after(2)) // it waits: there is nothing to wait for
	if canceled != 2 || !long.done || len(r.calls) != 0 {
		t.Errorf("%d canceled, %d calls are left", canceled, len(r.calls))
	}
	x, y := newCall(), newCall()
	r.start(x, "token", epoch0)
	r.start(y, "token", epoch0)
	if all := r.dropAll(); len(all) != 2 || all[0] != x || canceled != 4 || r.awaits(outcome{call: x, number: 1}) {
		t.Errorf("%d calls dropped, %d canceled", len(all), canceled)
	}
}
