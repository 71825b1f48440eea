package httpapi

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// HoldTime is how long a refusal is held back from a caller that goes on while it is refused. It is
// also the least that such a refusal says in Retry-After, so whoever heeds that notices nothing.
const HoldTime = time.Second

const (
	// promptRate and promptBurst are how many refusals of a caller are answered at once: enough for
	// the pages of one customer that meet a limit at the same time.
	promptRate  = 5
	promptBurst = 20
	// maxHeld bounds the refusals of one caller that are held back at a time. Each has a connection.
	maxHeld = 32
)

// Holdback makes refusals cheap for the server whose callers pay no heed to them. Each refused call
// costs the reading of a request and the verification of a token, so a caller that repeats it as
// fast as it is answered takes the processor from all others, whatever its rate of calls that are
// admitted. Past some, its refusals are therefore held back for HoldTime, so that each of its
// connections asks once in that time; and where many are held already, the next is answered
// at once and its connection ends. Make one with NewHoldback. Its methods are safe for concurrent use.
type Holdback struct {
	drain  *Drain
	prompt *Limits

	mu   sync.Mutex
	held map[string]int
}

// NewHoldback returns a Holdback that holds nothing. A server that stops holds nothing back any more.
func NewHoldback(drain *Drain) *Holdback {
	return &Holdback{drain: drain, prompt: NewLimits(promptRate, promptBurst), held: map[string]int{}}
}

// Wait returns when the refusal of a call of key is to be answered, with what it is to be answered:
// err itself, or the same with the end of the connection. It returns early when ctx ends or the
// server stops. An error other than a 429 is no such refusal, and returned at once.
func (h *Holdback) Wait(ctx context.Context, key string, err error) error {
	var p *Problem
	if !errors.As(err, &p) || p.Status != http.StatusTooManyRequests || h.prompt.Count(key) == nil {
		return err
	}
	if !h.begin(key) {
		last := *p
		last.Close = true
		return &last
	}
	defer h.end(key)
	t := time.NewTimer(HoldTime)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-h.drain.Leaving():
	}
	return err
}

func (h *Holdback) begin(key string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held[key] >= maxHeld {
		return false
	}
	h.held[key]++
	return true
}

func (h *Holdback) end(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held[key]--; h.held[key] == 0 {
		delete(h.held, key)
	}
}
