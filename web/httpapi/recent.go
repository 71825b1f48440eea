package httpapi

import "container/list"

// recent keeps something for each of the keys that were used last, max of them. Its user
// guards it. Make one with newRecent.
type recent[T any] struct {
	max   int
	byKey map[string]*list.Element
	order list.List // of *remembered[T], the one used last in front
}

type remembered[T any] struct {
	key   string
	value T
}

func newRecent[T any](max int) recent[T] {
	return recent[T]{max: max, byKey: map[string]*list.Element{}}
}

// use returns what is kept for the key, which begin makes for one that is not known, and
// counts the key as the one used last.
func (r *recent[T]) use(key string, begin func() T) T {
	e, ok := r.byKey[key]
	if ok {
		r.order.MoveToFront(e)
		return e.Value.(*remembered[T]).value
	}
	value := begin()
	r.byKey[key] = r.order.PushFront(&remembered[T]{key, value})
	if r.order.Len() > r.max {
		oldest := r.order.Back()
		delete(r.byKey, oldest.Value.(*remembered[T]).key)
		r.order.Remove(oldest)
	}
	return value
}

// known returns what is kept for the key, without counting it as used; ok is false when
// there is nothing.
func (r *recent[T]) known(key string) (value T, ok bool) {
	e, ok := r.byKey[key]
	if ok {
		value = e.Value.(*remembered[T]).value
	}
	return value, ok
}
