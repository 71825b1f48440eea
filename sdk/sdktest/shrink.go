package sdktest

import (
	"slices"
	"time"
)

// Shrink cuts a list of steps down to a shorter one that fails still, by delta
// debugging: it leaves out halves, then quarters, down to single steps, and begins anew
// as long as something could be left out. fails plays a list and must not change it.
// Shrink returns the shortest list that failed when nothing more can be left out, or
// when the budget of real time is spent.
func Shrink[T any](steps []T, budget time.Duration, fails func([]T) bool) []T {
	end := time.Now().Add(budget)
	for size := (len(steps) + 1) / 2; size > 0; {
		shorter := false
		for from := 0; from < len(steps); {
			if time.Now().After(end) {
				return steps
			}
			rest := slices.Concat(steps[:from], steps[min(from+size, len(steps)):])
			if fails(rest) {
				steps, shorter = rest, true
			} else {
				from += size
			}
		}
		if size == 1 && !shorter {
			break
		}
		if size > 1 {
			size = min((size+1)/2, max(1, len(steps)/2))
		}
	}
	return steps
}
