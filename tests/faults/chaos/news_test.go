package chaos

import (
	"context"
	"sync"
)

// news is the lock over what somebody receives and sends, and wakes who waits for more of it.
// The zero value is ready.
type news struct {
	mu      sync.Mutex
	changed chan struct{} // closed at the next change; nil while nobody waits
}

// change wakes who waits. mu is held.
func (n *news) change() {
	if n.changed != nil {
		close(n.changed)
		n.changed = nil
	}
}

// until waits until the condition, which is asked under mu, holds; false when ctx ended
// before.
func (n *news) until(ctx context.Context, holds func() bool) bool {
	for {
		n.mu.Lock()
		if holds() {
			n.mu.Unlock()
			return true
		}
		if n.changed == nil {
			n.changed = make(chan struct{})
		}
		changed := n.changed
		n.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// tally counts, and wakes who waits for more. The zero value is ready.
type tally struct {
	news
	n int
}

func (t *tally) count() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
	t.change()
}

func (t *tally) now() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n
}

// exceed waits until there are more than n.
func (t *tally) exceed(ctx context.Context, n int) error {
	if !t.until(ctx, func() bool { return t.n > n }) {
		return ctx.Err()
	}
	return nil
}
