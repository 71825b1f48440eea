package native

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"openchat/sdk"
	"openchat/sdk/wire"
)

const (
	// writeQueue bounds the frames that wait for the network. The core writes a few
	// pings and authenticates; more of them mean that the connection is dead.
	writeQueue = 64
	// farewell is for how long after Close the peer may take what was queued and
	// answer the close frame.
	farewell = 2 * time.Second
	// maxReason is what fits into a close frame, in bytes.
	maxReason = 123
	// noCloseFrame is the code of a connection that ended without one.
	noCloseFrame = 1006
)

// ErrQueueFull is returned by a Conn's Write when 64 frames are waiting already.
var ErrQueueFull = errors.New("native: too many frames wait to be written")

// conn is one WebSocket. Two goroutines belong to it, the reader and the writer.
// Both end when the connection ends, at the latest some seconds after Close.
type conn struct {
	ws     *websocket.Conn
	frames chan []byte // unbuffered, so that an unread stream stops the peer
	queue  chan []byte
	cancel context.CancelFunc // ends the connection without a close frame
	both   sync.WaitGroup     // the reader and the writer

	once sync.Once
	end  *sdk.CloseError // set before over is closed
	over chan struct{}
}

var _ sdk.Conn = (*conn)(nil)

// Dial implements sdk.Transport. url may be http, https, ws or wss. A server that
// does not choose the subprotocol is refused, as by a browser.
func (t *Transport) Dial(ctx context.Context, url, subprotocol string) (sdk.Conn, error) {
	o := &websocket.DialOptions{HTTPClient: t.client, HTTPHeader: map[string][]string{}, Subprotocols: []string{subprotocol}}
	t.addHeader(o.HTTPHeader)
	ws, _, err := websocket.Dial(ctx, url, o)
	if err != nil {
		return nil, err
	}
	if ws.Subprotocol() != subprotocol {
		ws.CloseNow()
		return nil, fmt.Errorf("native: the server does not speak %s", subprotocol)
	}
	ws.SetReadLimit(wire.MaxServerFrame)
	life, cancel := context.WithCancel(context.Background())
	c := &conn{
		ws: ws, frames: make(chan []byte), queue: make(chan []byte, writeQueue),
		cancel: cancel, over: make(chan struct{}),
	}
	c.both.Go(func() { c.read(life) })
	c.both.Go(func() { c.write(life) })
	return c, nil
}

// finish records how the connection ended; the first to know is right.
func (c *conn) finish(end *sdk.CloseError) (first bool) {
	c.once.Do(func() {
		c.end = end
		close(c.over)
		first = true
	})
	return first
}

// Read implements sdk.Conn.
func (c *conn) Read() ([]byte, error) {
	select {
	case <-c.over:
		return nil, c.end
	default:
	}
	select {
	case f := <-c.frames:
		return f, nil
	case <-c.over:
		return nil, c.end
	}
}

// Write implements sdk.Conn. It returns a *sdk.CloseError after the end, and
// ErrQueueFull.
func (c *conn) Write(frame []byte) error {
	select {
	case <-c.over:
		return c.end
	default:
	}
	select {
	case c.queue <- append([]byte(nil), frame...):
		return nil
	default:
		return ErrQueueFull
	}
}

// Close implements sdk.Conn. What was written before it is still sent, if the
// peer takes it within two seconds.
func (c *conn) Close(code int, reason string) {
	for len(reason) > maxReason {
		_, size := utf8.DecodeLastRuneInString(reason)
		reason = reason[:len(reason)-size]
	}
	if c.finish(&sdk.CloseError{Code: code, Reason: reason}) {
		time.AfterFunc(farewell, c.cancel)
	}
}

// read is the reader: it ends with the connection. After Close it goes on
// reading, for the peer's close frame.
func (c *conn) read(life context.Context) {
	for {
		kind, text, err := c.ws.Read(life)
		if err == nil && kind != websocket.MessageText {
			err = errors.New("binary frame")
		}
		if err != nil {
			c.finish(closeError(err))
			c.cancel() // wakes a writer that waits for the network
			return
		}
		for frame := range bytes.SplitSeq(text, []byte(wire.FrameSeparator)) {
			select {
			case c.frames <- frame:
			case <-c.over:
			}
		}
	}
}

// write is the writer, and the one that says goodbye. After a failure it leaves the
// connection to the reader, which may still have frames to hand over, and learns
// the reason.
func (c *conn) write(life context.Context) {
	for {
		select {
		case frame := <-c.queue:
			if c.ws.Write(life, websocket.MessageText, frame) != nil {
				return
			}
		case <-c.over:
			c.leave(life)
			return
		}
	}
}

// leave writes what is queued and ends the connection.
func (c *conn) leave(life context.Context) {
	for {
		select {
		case frame := <-c.queue:
			if c.ws.Write(life, websocket.MessageText, frame) != nil {
				return
			}
			continue
		default:
		}
		break
	}
	// When the peer was first to close, this only frees.
	c.ws.Close(websocket.StatusCode(c.end.Code), c.end.Reason)
	c.cancel()
}

// closeError translates the end of a connection. A close frame without a code is
// 1005, as in a browser.
func closeError(err error) *sdk.CloseError {
	var closed websocket.CloseError
	switch {
	case errors.As(err, &closed):
		return &sdk.CloseError{Code: int(closed.Code), Reason: closed.Reason}
	case errors.Is(err, websocket.ErrMessageTooBig):
		return &sdk.CloseError{Code: noCloseFrame, Reason: "a frame is too large"}
	}
	return &sdk.CloseError{Code: noCloseFrame}
}
