package main

import (
	"math"
	"slices"
)

// percentile is the smallest of the values that at least p percent of them do not
// exceed; NaN of none.
func percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, int(math.Ceil(p/100*float64(len(sorted))))-1)]
}

// median is the middle value, or the mean of the two in the middle; NaN of none.
func median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// series collects what was measured under names, a value a run.
type series map[string][]float64

func (s series) add(name string, value float64) { s[name] = append(s[name], value) }

func (s series) median(name string) float64 { return median(s[name]) }

// rotated returns the list begun at its i-th element: in each run another is the first.
func rotated[T any](list []T, i int) []T {
	i %= len(list)
	return slices.Concat(list[i:], list[:i])
}
