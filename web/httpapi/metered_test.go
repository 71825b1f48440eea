package httpapi

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"
)

// frameOf is a frame with a payload of n bytes.
func frameOf(first byte, n int, masked bool) []byte {
	b := []byte{first, 0}
	switch {
	case n < 126:
		b[1] = byte(n)
	case n < 1<<16:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	if masked {
		b[1] |= 0x80
		b = append(b, 1, 2, 3, 4)
	}
	return append(b, bytes.Repeat([]byte{0x89}, n)...)
}

func TestFrameScanner(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var stream []byte
		want := 0
		for range 1 + random.IntN(20) {
			n := []int{0, 1, 125, 126, 127, 300, 1<<16 - 1, 1 << 16, 70000}[random.IntN(9)]
			stream = append(stream, frameOf(byte(random.IntN(256)), n, random.IntN(4) > 0)...)
			want++
		}
		var s frameScanner
		got := 0
		for rest := stream; len(rest) > 0; {
			n := min(len(rest), 1+random.IntN(400))
			got += s.scan(rest[:n])
			rest = rest[n:]
		}
		if got != want || s.have != 0 || s.payload != 0 {
			t.Fatalf("%d frames were found of %d; %+v", got, want, s)
		}
	}
	var s frameScanner
	if n := s.scan([]byte{0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, 0x89, 0}); n != 1 || s.payload != 1<<64-1-2 {
		t.Errorf("of a frame as long as possible: %d, %+v", n, s)
	}
}

func TestTokens(t *testing.T) {
	now := time.Now()
	k := tokens{3, now}
	for i, x := range []struct {
		after time.Duration
		n     int
		want  bool
	}{
		{0, 2, true}, {0, 1, true}, {0, 0, true}, {time.Second, 2, true}, {0, 1, false}, {time.Hour, 3, true}, {500 * time.Millisecond, 1, true}, {0, 1, false},
	} {
		now = now.Add(x.after)
		if got := k.take(x.n, now, 2, 3); got != x.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
}
