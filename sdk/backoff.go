package sdk

import "time"

// backoff is exponential backoff with full jitter: the n-th delay is random
// between 0 and base·2ⁿ, at most ceiling, so that a thousand clients that lost one
// gateway do not return in step (STREAM-2).
type backoff struct {
	base, ceiling time.Duration
	attempts      int
}

// minDelay keeps two attempts of one client apart when jitter draws zero.
const minDelay = 50 * time.Millisecond

// next draws the n-th delay; random is any number.
func (b *backoff) next(random uint64) time.Duration {
	limit := b.ceiling
	if b.attempts < 16 {
		limit = min(limit, b.base<<b.attempts)
	}
	b.attempts++
	return max(minDelay, time.Duration(random%uint64(limit)))
}

func (b *backoff) reset() { b.attempts = 0 }
