package httpapi

import (
	"encoding/binary"
	"net"
	"sync/atomic"
	"time"

	"openchat/sdk/wire"
)

// FrameLimit bounds what the client of a WebSocket sends. It counts below the WebSocket
// library, which hides much of it: every frame counts, of whatever kind and however empty, and
// so does each piece of a message that comes in several. Bytes are bounded too, to
// wire.MaxClientFrame a second and four times as many at once.
type FrameLimit struct {
	PerSecond float64 // frames on average
	Burst     int     // frames at once
	// TooMuch is called once, when the client exceeds the limit, by the goroutine that
	// reads; it must not block. Whoever made the WebSocket is to close it then: until that
	// has happened, what the client sends is read slowly. nil: the connection breaks.
	TooMuch func()
}

const (
	bytesPerSecond = wire.MaxClientFrame
	byteBurst      = 4 * wire.MaxClientFrame
)

// A connection that is about to end is read so slowly, to find the other end's close frame:
// 50 KB/s.
const (
	slowRead  = 512
	slowPause = 10 * time.Millisecond
)

// meteredConn counts what it reads. One goroutine reads at a time.
type meteredConn struct {
	net.Conn
	limit   FrameLimit
	frames  tokens
	bytes   tokens
	scanner frameScanner
	over    bool        // the limit has been exceeded
	slow    atomic.Bool // read slowly
	slowed  bool        // something has been read slowly
}

func newMeteredConn(conn net.Conn, limit FrameLimit) *meteredConn {
	now := time.Now()
	return &meteredConn{
		Conn: conn, limit: limit,
		frames: tokens{float64(limit.Burst), now}, bytes: tokens{byteBurst, now},
	}
}

// countEarly counts what the client has sent before the WebSocket was made, of which TooMuch
// learns with the next read only.
func (c *meteredConn) countEarly(sent []byte) {
	now := time.Now()
	c.frames.take(c.scanner.scan(sent), now, c.limit.PerSecond, float64(c.limit.Burst))
	c.bytes.take(len(sent), now, bytesPerSecond, byteBurst)
}

func (c *meteredConn) Read(p []byte) (int, error) {
	if c.slow.Load() && len(p) > 0 {
		if c.slowed { // most have only their close frame to come, and need not wait for it
			time.Sleep(slowPause)
		}
		c.slowed = true
		p = p[:min(len(p), slowRead)]
	}
	n, err := c.Conn.Read(p)
	c.count(p[:n])
	return n, err
}

// count counts what the client has sent.
func (c *meteredConn) count(sent []byte) {
	if c.over || len(sent) == 0 {
		return
	}
	now := time.Now()
	frames := c.frames.take(c.scanner.scan(sent), now, c.limit.PerSecond, float64(c.limit.Burst))
	if c.bytes.take(len(sent), now, bytesPerSecond, byteBurst) && frames {
		return
	}
	c.over = true
	c.slow.Store(true)
	if c.limit.TooMuch == nil {
		_ = c.Conn.Close()
		return
	}
	c.limit.TooMuch()
}

// tokens is a token bucket for one goroutine.
type tokens struct {
	left float64
	at   time.Time // when left was true
}

// take takes n and reports whether they were there.
func (t *tokens) take(n int, now time.Time, perSecond, burst float64) bool {
	t.left = min(burst, t.left+now.Sub(t.at).Seconds()*perSecond) - float64(n)
	t.at = now
	return t.left >= 0
}

// frameScanner finds the frames in what a WebSocket client sends (RFC 6455, 5.2).
type frameScanner struct {
	payload uint64 // bytes of the present frame's payload that are still to come
	header  [14]byte
	have    int // bytes of header
}

// scan returns how many frames begin in the next bytes; one whose header is cut off counts when
// the rest has come.
func (s *frameScanner) scan(p []byte) (frames int) {
	for len(p) > 0 {
		if s.payload > 0 {
			n := min(s.payload, uint64(len(p)))
			s.payload -= n
			p = p[n:]
			continue
		}
		s.header[s.have] = p[0]
		s.have++
		p = p[1:]
		if s.have < 2 {
			continue
		}
		size, length := 2, uint64(s.header[1]&0x7f)
		switch length {
		case 126:
			size += 2
		case 127:
			size += 8
		}
		if s.header[1]&0x80 != 0 {
			size += 4 // the mask
		}
		if s.have < size {
			continue
		}
		switch length {
		case 126:
			length = uint64(binary.BigEndian.Uint16(s.header[2:]))
		case 127:
			length = binary.BigEndian.Uint64(s.header[2:])
		}
		s.payload, s.have = length, 0
		frames++
	}
	return frames
}
