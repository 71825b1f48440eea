package sdk

import "time"

// jump is by how much the wall clock may move against the monotonic clock between two
// readings before the difference counts: as a sleep of the device, or as a wall clock
// that was set.
const jump = 3 * time.Second

// instant is a reading of the monotonic clock: the time since clock.start. Zero is none.
type instant = time.Duration

// clock estimates the server's time, which is the one that counts for tokens: a device's
// wall clock may be hours wrong and may be set while a chat is running.
//
// The estimate advances with the monotonic clock, which nobody can set. It begins at the
// device's wall clock and moves only as far as a measurement of the server's time
// contradicts it, so that on a device whose clock is right it stays exact. The
// monotonic clock may stand still while a device sleeps. The wall clock then moves against
// it, but it does so as well when it is set; only the next measurement distinguishes
// the two. Until then the estimate does not follow the wall clock.
type clock struct {
	wall func() time.Time // reads the device's wall clock

	start  time.Time // when instants begin: clockLead before the clock was made
	origin time.Time // the server's time at start, as far as it is known
	// low and high bound origin by what was measured. Zero: no bound.
	low, high time.Time

	offset     time.Duration // of the wall clock from the monotonic clock, when last read
	moved      time.Duration // how far the wall clock has moved and no measurement has explained
	movedAt    instant       // when the wall clock was last seen to have moved
	jumped     bool          // it has moved, and takeJump has not said so
	slept      time.Duration // for how long the monotonic clock stood still, in all
	silent     bool          // the server does not send its time: a wall clock ahead is a sleep
	fromStream bool          // the stream has given the server's time
}

// clockLead is the first instant of a clock's life: after zero, which is none, and longer
// after it than any interval that what has never happened might be asked to keep.
const clockLead = time.Hour

// issuedTolerance is by how much the clock of whoever makes tokens may be ahead of a wall
// clock that is right.
const issuedTolerance = time.Minute

// newClock returns a clock that has measured nothing. issued and expiry are what a token
// says of the time, zero if it does not: a token that is far from valid yet, or no more,
// by the wall clock is taken for one that was made just now.
func newClock(wall func() time.Time, issued, expiry time.Time) clock {
	c := clock{wall: wall, start: time.Now().Add(-clockLead)}
	now := wall().Round(0)
	c.offset = now.Sub(c.start.Round(0)) - clockLead
	if !issued.IsZero() && (now.Before(issued.Add(-issuedTolerance)) || !now.Before(expiry)) {
		now = issued
	}
	c.origin = now.Add(-clockLead)
	return c
}

// now reads the monotonic clock.
func (c *clock) now() instant { return time.Since(c.start) }

// server returns the server's time at now.
func (c *clock) server(now instant) time.Time { return c.origin.Add(now) }

// local returns when the server's clock will show t.
func (c *clock) local(t time.Time) instant { return t.Sub(c.origin) }

// steady returns a time at now that goes on while the device sleeps and does not jump
// when a clock is set: for how long a user has been away.
func (c *clock) steady(now instant) instant { return now + c.slept }

// takeJump reports whether the wall clock has moved against the monotonic one since it was
// last asked: the device may have slept, or its clock was set.
func (c *clock) takeJump(now instant) bool {
	c.readWall(now)
	jumped := c.jumped
	c.jumped = false
	return jumped
}

// readWall compares the wall clock with the monotonic one.
func (c *clock) readWall(now instant) {
	// Both readings without their monotonic part: what the wall clocks have shown.
	offset := c.wall().Round(0).Sub(c.start.Round(0)) - now
	moved := offset - c.offset
	c.offset = offset
	if moved <= jump && moved >= -jump {
		return
	}
	c.jumped = true
	c.moved += moved
	c.movedAt = now
	if c.silent && c.moved > jump {
		c.origin = c.origin.Add(c.moved)
		c.slept += c.moved
		c.moved = 0
	}
}

// measure takes into account that the server's clock showed a time in [at, at+precision]
// after sent and before received; a zero sent says only that it was before received.
func (c *clock) measure(at time.Time, precision time.Duration, sent, received instant) {
	c.readWall(received)
	// What was asked for before the device slept may have been answered before it, too.
	bounded := sent != 0 && sent >= c.movedAt
	low := at.Add(-received)
	var high time.Time
	if bounded {
		high = at.Add(precision - sent)
	}
	// A bound that an older one excludes replaces it: one of the clocks has moved.
	if c.low.IsZero() || low.After(c.low) || bounded && high.Before(c.low) {
		if !c.high.IsZero() && low.After(c.high) {
			c.high = time.Time{}
		}
		c.low = low
	}
	if bounded && (c.high.IsZero() || high.Before(c.high)) {
		c.high = high
	}
	before := c.origin
	if c.origin.Before(c.low) {
		c.origin = c.low
	}
	if !c.high.IsZero() && c.origin.After(c.high) {
		c.origin = c.high
	}
	if forward := c.origin.Sub(before); forward > jump && c.moved > jump {
		asleep := min(forward, c.moved)
		c.slept += asleep
		c.moved -= asleep
	}
	if bounded {
		c.moved = 0 // the rest was a clock that was set
	}
}

// ahead returns by how much the device's wall clock is ahead of the server's, negative for
// behind, as far as it is known.
func (c *clock) ahead(now instant) time.Duration {
	return c.wall().Round(0).Sub(c.server(now).Round(0))
}

// measured reports whether the server's time is known from the server itself.
func (c *clock) measured() bool { return !c.low.IsZero() }
