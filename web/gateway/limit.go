package gateway

import (
	"container/list"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limiters gives each customer a rate of their own. It remembers the callers seen
// last; who is forgotten starts afresh, which takes many thousands of others and so
// costs more than it gains.
type limiters struct {
	rate  rate.Limit
	burst int

	mu    sync.Mutex
	byKey map[string]*list.Element
	order list.List // of *limited, the one used last in front
}

type limited struct {
	key     string
	limiter *rate.Limiter
}

const maxLimiters = 16384

// newLimiters allows perSecond on average and burst at once; negative: everything.
func newLimiters(perSecond float64, burst int) *limiters {
	l := &limiters{rate: rate.Limit(perSecond), burst: burst, byKey: map[string]*list.Element{}}
	if perSecond < 0 || burst < 0 {
		l.rate, l.burst = rate.Inf, 1
	}
	return l
}

// wait returns 0 when key may go ahead now, else how long it should wait.
func (l *limiters) wait(key string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.byKey[key]
	if ok {
		l.order.MoveToFront(e)
	} else {
		e = l.order.PushFront(&limited{key, rate.NewLimiter(l.rate, l.burst)})
		l.byKey[key] = e
		if l.order.Len() > maxLimiters {
			oldest := l.order.Back()
			delete(l.byKey, oldest.Value.(*limited).key)
			l.order.Remove(oldest)
		}
	}
	r := e.Value.(*limited).limiter.Reserve()
	d := r.Delay()
	if d > 0 {
		r.Cancel() // refused calls do not push the next one further away
	}
	return d
}
