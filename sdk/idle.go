package sdk

import "time"

// idle is the pair of inactivity timers (IDLE-*). Its times are those of clock.steady, so
// that time asleep counts and a clock that is set does not. The zero value never expires.
type idle struct {
	timeout, grace time.Duration // timeout ≤ 0: off
	deadline       instant       // of the timer that runs; zero: none
	inGrace        bool
}

// reset starts the idle timer anew, also out of the grace period (IDLE-2).
func (i *idle) reset(now instant) {
	i.inGrace = false
	i.deadline = 0
	if i.timeout > 0 {
		i.deadline = now + i.timeout
	}
}

// expire reports that the idle timer has run out, and later that the grace period
// has. The grace period starts when the end of the first is noticed, not when it was
// due: a user who opens the laptop again gets it whole.
func (i *idle) expire(now instant) (warn, end bool) {
	if i.deadline == 0 || now < i.deadline {
		return false, false
	}
	if i.inGrace {
		i.deadline = 0
		return false, true
	}
	i.inGrace = true
	i.deadline = now + i.grace
	return true, false
}
