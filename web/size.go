package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// size is a number of bytes that a flag sets.
type size int64

// minStore is the least that --max-store takes but for 0: a few files of the store.
var minStore = size(64 << 20)

// units are what a size may be written with, the longest that ends in another first.
var units = []struct {
	name  string
	bytes int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
}

// String writes the size as Set reads it, with the largest unit that loses nothing.
func (v *size) String() string {
	n := int64(*v)
	best, largest := strconv.FormatInt(n, 10), int64(1)
	for _, u := range units {
		if n != 0 && u.bytes > largest && n%u.bytes == 0 {
			best, largest = fmt.Sprintf("%d%s", n/u.bytes, u.name), u.bytes
		}
	}
	return best
}

// Set reads a whole number with a unit: KB, MB, GB and TB are powers of 1,000, KiB, MiB,
// GiB and TiB of 1,024, and without one it is bytes. "" is 0.
func (v *size) Set(text string) error {
	n, err := readSize(text)
	if err == nil && n > 0 && n < minStore {
		err = errors.New("out of bounds")
	}
	if err == nil {
		*v = n
	}
	return err
}

// readSize is size.Set without a minimum.
func readSize(text string) (size, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, nil
	}
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil {
			return 0, err
		}
		if n < 0 || n > math.MaxInt64/u.bytes {
			return 0, errors.New("out of bounds")
		}
		return size(n * u.bytes), nil
	}
	return 0, nil
}
