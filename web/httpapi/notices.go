package httpapi

import (
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Notices logs, at WARN, what callers can cause again and again. The first occurrence of
// each thing is logged at once. Further ones are counted, and logged in one line at the end
// of each minute. At most so many different things are distinguished at a time; what is
// more is counted together. Make one with NewNotices. Its methods are safe for concurrent
// use.
type Notices struct {
	log     *slog.Logger
	message string
	max     int
	logged  func(attributes []any, times int) // called with what is logged; nil: nothing is; n.mu is held

	mu      sync.Mutex
	noticed map[string]*notice // what occurred in this minute or the one before
	more    int                // occurrences of things beyond max, in this minute
	timer   *time.Timer        // ends the minute; nil while nothing is noticed
	closed  bool
}

type notice struct {
	attributes []any
	times      int // since it was last logged
}

// noticeEvery is the time between two lines about the same thing.
const noticeEvery = time.Minute

// NewNotices returns Notices that begin each line with message and distinguish max things.
func NewNotices(log *slog.Logger, message string, max int) *Notices {
	return &Notices{log: Logger(log), message: message, max: max, noticed: map[string]*notice{}}
}

// Note notes that the thing of that key has occurred. The attributes describe it to the
// operator; those of its first occurrence count.
func (n *Notices) Note(key string, attributes ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if known := n.noticed[key]; known != nil {
		known.times++
		return
	}
	if n.closed {
		return
	}
	if n.timer == nil {
		n.timer = time.AfterFunc(noticeEvery, n.endMinute)
	}
	if len(n.noticed) >= n.max {
		n.more++
		return
	}
	n.noticed[key] = &notice{attributes: attributes}
	n.warn(attributes, 1)
}

// warn logs so many occurrences of a thing. n.mu is held.
func (n *Notices) warn(attributes []any, times int) {
	n.log.Warn(n.message, append(slices.Clip(attributes), "times", times)...)
	if n.logged != nil {
		n.logged(attributes, times)
	}
}

func (n *Notices) endMinute() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.flush()
	if len(n.noticed) == 0 || n.closed {
		n.timer = nil
	} else {
		n.timer.Reset(noticeEvery)
	}
}

// flush logs what was counted, and forgets what has not occurred again. n.mu is held.
func (n *Notices) flush() {
	for key, known := range n.noticed {
		if known.times == 0 {
			delete(n.noticed, key)
			continue
		}
		n.warn(known.attributes, known.times)
		known.times = 0
	}
	if n.more > 0 {
		n.log.Warn(n.message+", of others than are logged one by one", "times", n.more)
		if n.logged != nil {
			n.logged(nil, n.more)
		}
		n.more = 0
	}
}

// Close logs what was counted and not yet logged. Nothing is logged after it.
func (n *Notices) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.timer != nil {
		n.timer.Stop()
	}
	n.flush()
	n.closed = true
}
