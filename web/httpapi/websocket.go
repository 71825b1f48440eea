package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// closeTime bounds a close handshake.
const closeTime = 5 * time.Second

// Conn is a WebSocket that closes in time.
type Conn struct {
	*websocket.Conn
	raw *meteredConn
}

// anyClient is the limit of clients for which no other is given.
var anyClient = FrameLimit{PerSecond: 50, Burst: 200}

// Accept is AcceptLimited for a client that is broken off when it sends more than 50 frames a
// second and 200 at once.
func Accept(w http.ResponseWriter, r *http.Request, o websocket.AcceptOptions) (*Conn, error) {
	return AcceptLimited(w, r, o, anyClient)
}

// AcceptLimited is websocket.Accept for a client that may send so much. It does not look at
// the Origin, which the caller has to have done. An error has been answered.
func AcceptLimited(w http.ResponseWriter, r *http.Request, o websocket.AcceptOptions, limit FrameLimit) (*Conn, error) {
	keep := &hijacker{ResponseWriter: w, limit: limit}
	o.InsecureSkipVerify = true
	conn, err := websocket.Accept(keep, r, &o)
	if err != nil {
		return nil, err
	}
	return &Conn{conn, keep.raw}, nil
}

// Close says why and waits for the other end to say the same, some seconds at most.
func (c *Conn) Close(code websocket.StatusCode, reason string) error {
	// The library reads away what is left of a frame before it waits for the answer,
	// without looking at the time: a frame that claims to be an exabyte long, a byte of
	// it a minute, would hold it for years.
	_ = c.raw.SetDeadline(time.Now().Add(closeTime))
	c.raw.slow.Store(true)
	return c.Conn.Close(code, reason)
}

// Send writes a text frame, and fails when the other end does not take it within that
// time. A deadline of the socket costs no context and no timer for each frame.
func (c *Conn) Send(text []byte, within time.Duration) error {
	_ = c.raw.SetWriteDeadline(time.Now().Add(within))
	return c.Conn.Write(context.Background(), websocket.MessageText, text)
}

// Drop ends the connection at once, also while Close waits.
func (c *Conn) Drop() { _ = c.raw.Close() }

// The two buffers of an HTTP connection, 4 KiB each, would be most of what an open stream
// costs: its client sends a few bytes now and then, and what is sent to it is seldom
// larger than this, or goes past the buffer.
const (
	readBuffer  = 512
	writeBuffer = 1024
)

// hijacker keeps the connection that it hands out, and gives it small buffers.
type hijacker struct {
	http.ResponseWriter
	limit FrameLimit
	raw   *meteredConn
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.raw = newMeteredConn(conn, h.limit)
	// What the client has sent already must be in the new buffer, where whoever takes
	// the connection looks for it.
	early, err := rw.Reader.Peek(rw.Reader.Buffered())
	if err != nil {
		return nil, nil, err
	}
	h.raw.countEarly(early)
	r := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(early), h.raw), max(readBuffer, len(early)))
	if _, err := r.Peek(len(early)); err != nil {
		return nil, nil, err
	}
	return h.raw, bufio.NewReadWriter(r, bufio.NewWriterSize(h.raw, writeBuffer)), nil
}
