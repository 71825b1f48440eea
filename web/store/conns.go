package store

import (
	"context"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// conns are the store's connections to NATS. What one of them carries does not wait for
// what is on another, and when the server cuts one, because too much was waiting on it, the others
// stay. Each reconnects by itself.
type conns struct {
	// nc carries writes, the reads that decide about writes, and what gateways announce
	// to each other.
	nc *nats.Conn
	js jetstream.JetStream
	// followJS carries what is stored, as it is stored: the follower's consumer and those of Work.
	followJS jetstream.JetStream
	// readJS carries the reads that may be large: pages of messages, and scans.
	readJS jetstream.JetStream
	reads  chan struct{} // a place for each of maxReads
}

// maxReads is how many pages are read at once. It bounds what waits for this process at the
// server, which cuts a connection with 64 MiB: a page has at most 51 messages of 64 KiB.
const maxReads = 16

// dial opens the connections.
func (c *conns) dial(url string, options []nats.Option) error {
	c.reads = make(chan struct{}, maxReads)
	for _, to := range []struct {
		js   *jetstream.JetStream
		name string
	}{{&c.js, "openchat gateway"}, {&c.followJS, "openchat gateway: following"}, {&c.readJS, "openchat gateway: reading"}} {
		nc, err := connect(url, to.name, options)
		if err != nil {
			return err
		}
		if *to.js, err = jetstream.New(nc, jetstream.WithDefaultTimeout(readWait)); err != nil {
			nc.Close()
			return err
		}
	}
	c.nc = c.js.Conn()
	return nil
}

// connect makes a connection of that name. more options win over the others.
func connect(url, name string, options []nats.Option, more ...nats.Option) (*nats.Conn, error) {
	return nats.Connect(url, slices.Concat([]nats.Option{nats.Name(name)}, options, more)...)
}

// close ends the connections that there are.
func (c *conns) close() {
	for _, js := range []jetstream.JetStream{c.js, c.followJS, c.readJS} {
		if js != nil {
			js.Conn().Close()
		}
	}
}

// beginRead waits for a place among the reads that may be large.
func (c *conns) beginRead(ctx context.Context) (release func(), err error) {
	select {
	case c.reads <- struct{}{}:
		return func() { <-c.reads }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
