package main

import (
	queue "container/list"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"openchat/web/metrics"
)

// connections bounds the connections of one listener, so that the store has file descriptors
// left whatever strangers do. One more than the bound cuts the one that has been without a call
// for longest: it has sent nothing yet, or waits for its next call. Where all have a call or a
// stream, the new one is cut.
type connections struct {
	max int

	mu    sync.Mutex
	open  int
	quiet queue.List // of *connection, those without a call, the longest first
	at    map[net.Conn]*queue.Element

	cut            atomic.Uint64
	received, sent atomic.Uint64 // bytes
}

func newConnections(max int) *connections {
	return &connections{max: max, at: map[net.Conn]*queue.Element{}}
}

// Bounds of the file descriptors that are no connections': a quarter of all, for the store's
// files, the key sets and NATS.
const (
	minFiles       = 64
	maxFiles       = 1024
	minConnections = 16
)

// shares divides what nofile allows between the customers' listener and the desks', of which
// there may be none.
func shares(nofile int, desks bool) (customers, desk int) {
	all := max(minConnections, nofile-min(max(nofile/4, minFiles), maxFiles))
	if desks {
		desk = all / 8
	}
	return all - desk, desk
}

// connection is one that counts until it is closed.
type connection struct {
	*net.TCPConn
	of   *connections
	once sync.Once
}

// Close is of net.Conn.
func (c *connection) Close() error {
	err := c.TCPConn.Close()
	c.once.Do(func() {
		c.of.mu.Lock()
		defer c.of.mu.Unlock()
		c.of.open--
		c.of.busyLocked(c)
	})
	return err
}

// Read is of net.Conn.
func (c *connection) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	c.of.received.Add(uint64(n))
	return n, err
}

// Write is of net.Conn.
func (c *connection) Write(p []byte) (int, error) {
	n, err := c.TCPConn.Write(p)
	c.of.sent.Add(uint64(n))
	return n, err
}

// ReadFrom is of io.ReaderFrom: net/http has the kernel send files with it.
func (c *connection) ReadFrom(r io.Reader) (int64, error) {
	n, err := c.TCPConn.ReadFrom(r)
	c.of.sent.Add(uint64(n))
	return n, err
}

// bounded is a listener whose connections count.
type bounded struct {
	net.Listener
	of *connections
}

// Accept is of net.Listener.
func (l bounded) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &connection{TCPConn: accepted.(*net.TCPConn), of: l.of}
		cut := l.of.add(c)
		if cut != nil {
			l.of.cut.Add(1)
			_ = cut.SetLinger(0) // nothing of it stays in the kernel
			_ = cut.Close()
		}
		if cut != c {
			return c, nil
		}
	}
}

// add counts a connection and returns the one that is to be closed for it, nil: none.
func (s *connections) add(c *connection) (cut *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open++
	if s.open > s.max {
		first := s.quiet.Front()
		if first == nil {
			return c
		}
		cut = first.Value.(*connection)
		s.busyLocked(cut) // so that it is cut once
	}
	s.at[c] = s.quiet.PushBack(c)
	return cut
}

// observe returns what the metrics show of the listener that name's option made.
func (s *connections) observe(name string) metrics.Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return metrics.Listener{Name: name, Open: s.open, Cut: s.cut.Load(), Received: s.received.Load(), Sent: s.sent.Load()}
}

// changed is the ConnState of the listener's server.
func (s *connections) changed(conn net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateActive, http.StateHijacked, http.StateClosed:
		s.busyLocked(conn)
	case http.StateIdle:
		if c, ok := conn.(*connection); ok && s.at[conn] == nil {
			s.at[conn] = s.quiet.PushBack(c)
		}
	}
}

// busyLocked has a connection not be cut.
func (s *connections) busyLocked(conn net.Conn) {
	if e := s.at[conn]; e != nil {
		s.quiet.Remove(e)
		delete(s.at, conn)
	}
}
