package httpapi

import (
	"math"
	"sync"
	"time"
)

// Budget gives each key an amount that it may use at once, which grows again evenly within
// an hour. It remembers the keys used last; one that is forgotten has its whole amount
// again. Make one with NewBudget. Its methods are safe for concurrent use.
type Budget struct {
	mu     sync.Mutex
	amount float64 // an hour; +Inf: unlimited
	recent[*budgeted]
}

type budgeted struct {
	left float64
	at   time.Time // when left was true
}

// maxBudgeted is how many keys are remembered: about 10 MB.
const maxBudgeted = 65536

// NewBudget gives each key that amount an hour; negative: as much as it likes.
func NewBudget(perHour int) *Budget {
	return &Budget{amount: hourly(perHour), recent: newRecent[*budgeted](maxBudgeted)}
}

func hourly(perHour int) float64 {
	if perHour < 0 {
		return math.Inf(1)
	}
	return float64(perHour)
}

// Set gives each key another amount an hour from now on. What a key has used stays used.
func (b *Budget) Set(perHour int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, amount := time.Now(), hourly(perHour)
	for e := b.order.Front(); e != nil; e = e.Next() {
		k := e.Value.(*remembered[*budgeted]).value
		if math.IsInf(b.amount, 1) {
			k.left = amount // nothing was counted
		} else {
			k.left = max(0, b.leftAt(k, now)+amount-b.amount)
		}
		k.at = now
	}
	b.amount = amount
}

// Take takes n of what key has left and returns 0; or takes nothing, and returns after what
// time key has n. More than an hour's amount is never there: then it is an hour.
func (b *Budget) Take(key string, n int) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if math.IsInf(b.amount, 1) {
		return 0
	}
	k := b.find(key)
	if missing := float64(n) - k.left; missing > 0 {
		return min(time.Hour, max(time.Millisecond, time.Duration(missing/b.amount*float64(time.Hour))))
	}
	k.left -= float64(n)
	return 0
}

// Return gives back n of what Take has taken.
func (b *Budget) Return(key string, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if math.IsInf(b.amount, 1) {
		return
	}
	k := b.find(key)
	k.left = min(b.amount, k.left+float64(n))
}

// find returns the key's state as of now. b.mu is held.
func (b *Budget) find(key string) *budgeted {
	now := time.Now()
	k := b.use(key, func() *budgeted { return &budgeted{b.amount, now} })
	k.left, k.at = b.leftAt(k, now), now
	return k
}

// leftAt returns what a key has at that time. b.mu is held.
func (b *Budget) leftAt(k *budgeted, now time.Time) float64 {
	return min(b.amount, k.left+now.Sub(k.at).Hours()*b.amount)
}
