package cluster

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"openchat/tests/harness"
)

// Balancer is the host name behind which gateways stand: every new connection goes to
// the one that has the fewest.
type Balancer struct {
	mu    sync.Mutex
	addrs []string
	open  map[string]map[*cut]struct{} // by address
}

// Host is the name that clients of a Balancer call.
const Host = "http://gateways.invalid"

// Use has new connections go to those gateways, and no other.
func (b *Balancer) Use(gateways ...*harness.Process) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addrs = nil
	for _, g := range gateways {
		b.addrs = append(b.addrs, g.URL[len("http://"):])
	}
}

// Client returns an HTTP client that keeps up to idle connections for reuse.
func (b *Balancer) Client(idle int) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: b.dial, MaxIdleConns: idle, MaxIdleConnsPerHost: idle, IdleConnTimeout: time.Minute,
	}}
}

// cut is a connection that its balancer can cut.
type cut struct {
	net.Conn
	gone   func()
	stream atomic.Bool // a WebSocket, or about to be one
}

func (c *cut) Write(p []byte) (int, error) {
	if !c.stream.Load() && bytes.Contains(p, []byte("\r\nUpgrade: websocket\r\n")) {
		c.stream.Store(true)
	}
	return c.Conn.Write(p)
}

func (c *cut) Close() error {
	c.gone()
	return c.Conn.Close()
}

func (b *Balancer) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	b.mu.Lock()
	if len(b.addrs) == 0 {
		b.mu.Unlock()
		return nil, errors.New("no gateway is in use")
	}
	addr := slices.MinFunc(b.addrs, func(x, y string) int { return len(b.open[x]) - len(b.open[y]) })
	if b.open == nil {
		b.open = map[string]map[*cut]struct{}{}
	}
	if b.open[addr] == nil {
		b.open[addr] = map[*cut]struct{}{}
	}
	c := &cut{}
	c.gone = func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.open[addr], c)
	}
	b.open[addr][c] = struct{}{} // at once, or those dialing now would all go there
	b.mu.Unlock()
	var err error
	if c.Conn, err = (&net.Dialer{}).DialContext(ctx, network, addr); err != nil {
		c.gone()
		return nil, err
	}
	return c, nil
}

// streams are the event streams that go to a gateway.
func (b *Balancer) streams(g *harness.Process) (list []*cut) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.open[g.URL[len("http://"):]] {
		if c.stream.Load() {
			list = append(list, c)
		}
	}
	return list
}

// Streams returns how many event streams go to a gateway.
func (b *Balancer) Streams(g *harness.Process) int { return len(b.streams(g)) }

// Cut breaks up to n of the event streams to a gateway, as a network does.
func (b *Balancer) Cut(g *harness.Process, n int) {
	list := b.streams(g)
	for _, c := range list[:max(0, min(n, len(list)))] {
		_ = c.Conn.Close() // its reader finds out
	}
}
