package httpapi

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// took returns how long Wait held back the refusal of a call of key, and whether the connection ends
// with it.
func (h *Holdback) took(t *testing.T, ctx context.Context, key string) (held time.Duration, closes bool) {
	t.Helper()
	begun := time.Now()
	err := h.Wait(ctx, key, TooMany("Too many calls.", time.Second))
	var p *Problem
	if !errors.As(err, &p) || p.Status != http.StatusTooManyRequests {
		t.Errorf("the refusal became %v", err)
		return 0, false
	}
	return time.Since(begun), p.Close
}

func TestHoldbackHoldsRefusalsOfWhoGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHoldback(NewDrain())
		for i := range promptBurst {
			if held, closes := h.took(t, t.Context(), "a"); held != 0 || closes {
				t.Fatalf("refusal %d: held for %v, the connection ends: %v", i, held, closes)
			}
		}
		// All at once: a place for each of maxHeld, and the next is not held.
		results := make(chan time.Duration, maxHeld)
		begin := func() {
			go func() {
				held, closes := h.took(t, t.Context(), "a")
				if closes {
					t.Error("a connection ends whose refusal was held")
				}
				results <- held
			}()
		}
		for range maxHeld {
			begin()
		}
		synctest.Wait()
		if held, closes := h.took(t, t.Context(), "a"); held != 0 || !closes {
			t.Errorf("one more than are held: held for %v, the connection ends: %v", held, closes)
		}
		if held, _ := h.took(t, t.Context(), "b"); held != 0 {
			t.Errorf("another caller is held for %v", held)
		}
		for range maxHeld {
			if held := <-results; held != HoldTime {
				t.Errorf("held for %v", held)
			}
		}
		if len(h.held) != 0 {
			t.Errorf("%d callers are remembered of whom nothing is held", len(h.held))
		}
		// Who heeds Retry-After is answered at once again.
		time.Sleep(promptBurst * time.Second)
		if held, _ := h.took(t, t.Context(), "a"); held != 0 {
			t.Errorf("after a pause: held for %v", held)
		}
		// Other errors are not delayed, however many.
		begun := time.Now()
		for range 2 * promptBurst {
			if err := h.Wait(t.Context(), "c", NotFound("id", "")); ProblemOf(err).Status != http.StatusNotFound {
				t.Error(err)
			}
		}
		if time.Since(begun) != 0 {
			t.Error("what is no refusal for a rate was held back")
		}
	})
}

func TestHoldbackEndsWithItsCallAndWithTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drain := NewDrain()
		h := NewHoldback(drain)
		for range promptBurst {
			h.took(t, t.Context(), "a")
			h.took(t, t.Context(), "b")
		}
		ctx, cancel := context.WithTimeout(t.Context(), HoldTime/4)
		defer cancel()
		if held, _ := h.took(t, ctx, "a"); held != HoldTime/4 {
			t.Errorf("a call that has ended is held for %v", held)
		}
		time.AfterFunc(HoldTime/4, drain.Leave)
		for range promptBurst {
			if h.prompt.peek("b") == 0 {
				h.took(t, t.Context(), "b") // what has grown again meanwhile
			}
		}
		if held, _ := h.took(t, t.Context(), "b"); held != HoldTime/4 {
			t.Errorf("a server that stops holds for %v", held)
		}
	})
}
