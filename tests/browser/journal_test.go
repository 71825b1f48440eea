package browser

import (
	"context"
	"sync"
)

// journal is a list that grows while others wait for what it will hold.
type journal[T any] struct {
	mu   sync.Mutex
	list []T
	wake chan struct{} // closed by the next add
}

func (j *journal[T]) add(v T) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.list = append(j.list, v)
	if j.wake != nil {
		close(j.wake)
		j.wake = nil
	}
}

func (j *journal[T]) all() []T {
	list, _ := j.now()
	return list
}

func (j *journal[T]) now() ([]T, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.wake == nil {
		j.wake = make(chan struct{})
	}
	return j.list[:len(j.list):len(j.list)], j.wake
}

// wait returns the list as soon as done says so, else an error when ctx ends.
func (j *journal[T]) wait(ctx context.Context, done func([]T) bool) ([]T, error) {
	for {
		list, wake := j.now()
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
