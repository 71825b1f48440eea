package sdk

import (
	"context"

	"openchat/sdk/wire"
)

// maxArrivals is how many frames are handled between two readings of the clock and of
// the page's commands.
const maxArrivals = 64

// connection is the present connection of the event stream, or the attempt at one, and
// the goroutine that opens and then reads it. The zero value is none.
type connection struct {
	conn     Conn         // nil until it is open
	arrivals chan arrival // from its reader
	stop     chan struct{}
	cancel   context.CancelFunc
}

// dialed is the outcome of an attempt at a connection.
type dialed struct {
	epoch    int // of the stream, when the attempt began
	conn     Conn
	arrivals chan arrival
	err      error
}

// arrival is a frame, or the end of the connection.
type arrival struct {
	frame []byte
	err   error
}

// dial begins an attempt. Its outcome goes to results.
func dial(t Transport, url string, epoch int, results chan<- dialed) connection {
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	stop := make(chan struct{})
	go func() {
		defer cancel()
		conn, err := t.Dial(ctx, url, wire.Subprotocol)
		arrivals := make(chan arrival, maxArrivals)
		select {
		case results <- dialed{epoch: epoch, conn: conn, arrivals: arrivals, err: err}:
		case <-stop:
			if conn != nil {
				conn.Close(1000, "")
			}
			return
		}
		for err == nil {
			var frame []byte
			frame, err = conn.Read()
			select { // of one channel, which takes less
			case arrivals <- arrival{frame, err}:
				continue
			default:
			}
			select {
			case arrivals <- arrival{frame, err}:
			case <-stop:
				return
			}
		}
	}()
	return connection{stop: stop, cancel: cancel}
}

// drop ends the connection, or the attempt at one, and its goroutine.
func (c *connection) drop(code int) {
	if c.stop != nil {
		close(c.stop)
		c.cancel()
	}
	if c.conn != nil {
		c.conn.Close(code, "")
	}
	*c = connection{}
}
