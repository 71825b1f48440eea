package harness

import (
	"context"
	"sync"
)

// Log is a list that grows while others wait for what it will hold. The zero value is empty.
type Log[T any] struct {
	mu   sync.Mutex
	list []T
	wake chan struct{} // closed by the next add
}

// Add appends a value and wakes who waits.
func (l *Log[T]) Add(v T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, v)
	if l.wake != nil {
		close(l.wake)
		l.wake = nil
	}
}

// All returns what is in the list now.
func (l *Log[T]) All() []T {
	list, _ := l.now()
	return list
}

func (l *Log[T]) now() ([]T, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wake == nil {
		l.wake = make(chan struct{})
	}
	return l.list[:len(l.list):len(l.list)], l.wake
}

// Wait returns the list as soon as done says so, else an error when ctx ends.
func (l *Log[T]) Wait(ctx context.Context, done func([]T) bool) ([]T, error) {
	for {
		list, wake := l.now()
		if done(list) {
			return list, nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return list, context.Cause(ctx)
		}
	}
}
