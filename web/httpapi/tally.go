package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Tally logs what strangers can cause as often as they like: the first time at once, and from
// then on one line a minute that says how often each thing has happened. Make one with NewTally.
// Its methods are safe for concurrent use.
type Tally struct {
	log     *slog.Logger
	level   slog.Level
	message string

	mu     sync.Mutex
	counts map[string]int
	next   *time.Timer // writes the next line; nil while nothing has happened for a minute
	closed bool
}

const (
	tallyTime = time.Minute
	// maxTallied is how many different things a line counts; what is more counts as other.
	maxTallied = 32
)

// NewTally returns a Tally whose lines have that level and message.
func NewTally(log *slog.Logger, level slog.Level, message string) *Tally {
	return &Tally{log: log, level: level, message: message, counts: map[string]int{}}
}

// Count counts that what has happened, which is for the log: no word of a client's choice.
func (t *Tally) Count(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.counts[what]; !known && len(t.counts) >= maxTallied {
		what = "other"
	}
	t.counts[what]++
	if t.next == nil && !t.closed {
		t.write()
		t.next = time.AfterFunc(tallyTime, t.due)
	}
}

// due writes the line of the minute that is over, and goes on if there was one.
func (t *Tally) due() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = nil
	if len(t.counts) > 0 && !t.closed {
		t.write()
		t.next = time.AfterFunc(tallyTime, t.due)
	}
}

// write writes a line of what has been counted. t.mu is held.
func (t *Tally) write() {
	total, list := 0, make([]string, 0, len(t.counts))
	for what, n := range t.counts {
		total += n
		list = append(list, fmt.Sprintf("%s: %d", what, n))
	}
	slices.Sort(list)
	clear(t.counts)
	t.log.Log(context.Background(), t.level, t.message, "count", total, "of", strings.Join(list, ", "))
}

// Close writes what has not been written. What is counted later is not logged any more.
func (t *Tally) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.closed = true
	if t.next != nil {
		t.next.Stop()
	}
	if len(t.counts) > 0 {
		t.write()
	}
}
