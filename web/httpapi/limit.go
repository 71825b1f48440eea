package httpapi

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits gives each caller a rate of calls. It remembers the callers seen last; one that
// is forgotten has its whole burst again, which takes many thousands of others and so
// costs more than it gains. Make one with NewLimits.
type Limits struct {
	rate  rate.Limit
	burst int

	mu sync.Mutex
	recent[*rate.Limiter]
}

// maxLimited is how many callers are remembered.
const maxLimited = 16384

// NewLimits allows each caller perSecond on average and burst at once; negative:
// everything.
func NewLimits(perSecond float64, burst int) *Limits {
	l := &Limits{rate: rate.Limit(perSecond), burst: burst, recent: newRecent[*rate.Limiter](maxLimited)}
	if perSecond < 0 || burst < 0 {
		l.rate, l.burst = rate.Inf, 1
	}
	return l
}

// Count counts a call of key; one too many is refused with 429 and the time to wait.
func (l *Limits) Count(key string) error {
	if d := l.wait(key); d > 0 {
		return TooMany("Too many calls.", d).Because("rate")
	}
	return nil
}

// peek returns how long a call of key would have to wait now, and counts nothing.
func (l *Limits) peek(key string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter, ok := l.known(key)
	if !ok {
		return 0
	}
	missing := 1 - limiter.Tokens()
	return max(0, time.Duration(missing/float64(l.rate)*float64(time.Second)))
}

// wait counts a call and returns 0, or without counting it, how long it has to wait.
func (l *Limits) wait(key string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.limiter(key).Reserve()
	d := r.Delay()
	if d > 0 {
		r.Cancel() // refused calls do not push the next one further away
	}
	return d
}

// limiter is the caller's, which is remembered from now on.
func (l *Limits) limiter(key string) *rate.Limiter {
	return l.use(key, func() *rate.Limiter { return rate.NewLimiter(l.rate, l.burst) })
}

// Charge counts n calls more of key, whose cost has shown only when they were made. The calls
// after them wait for it. A negative n counts as 0.
func (l *Limits) Charge(key string, n int) {
	if n <= 0 || l.rate == rate.Inf {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limiter(key).ReserveN(time.Now(), min(n, l.burst))
}
