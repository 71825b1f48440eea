package store

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"openchat/sdk/wire"
)

// dialer makes connections that can be stopped from reading.
type dialer struct {
	mu    sync.Mutex
	conns []*stoppable
}

type stoppable struct {
	net.Conn
	mu      sync.Mutex
	stopped chan struct{} // nil: reads
}

func (d *dialer) Dial(network, address string) (net.Conn, error) {
	conn, err := net.Dial(network, address)
	if err != nil {
		return nil, err
	}
	s := &stoppable{Conn: conn}
	d.mu.Lock()
	d.conns = append(d.conns, s)
	d.mu.Unlock()
	return s, nil
}

// of is the connection that nc has.
func (d *dialer) of(t *testing.T, nc *nats.Conn) *stoppable {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conns {
		if c.LocalAddr().String() == nc.LocalAddr() {
			return c
		}
	}
	t.Fatal("the connection was made by another dialer")
	return nil
}

func (c *stoppable) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	stopped := c.stopped
	c.mu.Unlock()
	if stopped != nil {
		<-stopped
	}
	return n, err
}

func (c *stoppable) stop() (goOn func()) {
	stopped := make(chan struct{})
	c.mu.Lock()
	c.stopped = stopped
	c.mu.Unlock()
	return sync.OnceFunc(func() {
		c.mu.Lock()
		c.stopped = nil
		c.mu.Unlock()
		close(stopped)
	})
}

// Nobody reads what the server sends of histories: messages are stored and followed as
// before. And when that connection is cut, the others stay, and it comes back.
func TestSlowReaderIsNoOutage(t *testing.T) {
	d := &dialer{}
	s := openStore(t, Config{URL: natsServer(t), Connect: []nats.Option{nats.SetCustomDialer(d)}})
	session := newSession(t, s, ann, "s")
	e := newChat(t, s, session, "e")
	long := strings.Repeat("x", wire.MaxText)
	for range wire.MaxPageSize {
		if _, _, err := s.Append(testContext(t), ann, e.EngagementID, from(session, long, "")); err != nil {
			t.Fatal(err)
		}
	}
	caughtUp(t, s)
	reading := d.of(t, s.readJS.Conn())
	goOn := reading.stop()
	defer goOn()
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	var pages sync.WaitGroup
	for range 4 * maxReads {
		pages.Go(func() {
			if _, err := s.Page(ctx, ann, e.EngagementID, Query{Size: wire.MaxPageSize}); err == nil {
				t.Error("a page was read")
			}
		})
	}
	got := make(chan int64, 1000)
	if err := s.Follow(t.Context(), func(e Entry) {
		if e.Message != nil {
			got <- e.Message.MessageIndex
		}
	}); err != nil {
		t.Fatal(err)
	}
	const n = 100
	for i := range n {
		// Less than what a request is given before it is made again.
		ctx, cancel := context.WithTimeout(testContext(t), readWait)
		_, _, err := s.Append(ctx, ann, e.EngagementID, from(session, "short", strconv.Itoa(i)))
		cancel()
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		if index := receive(t, got); index != int64(wire.MaxPageSize+i+1) {
			t.Fatalf("message %d is followed as %d", i, index)
		}
	}
	if list, err := s.Engagements(testContext(t), ann); err != nil || len(list) != 1 {
		t.Errorf("ongoing: %+v, %v", list, err)
	}
	cancel()
	pages.Wait()

	// As the server does with who does not read.
	reading.Close()
	goOn()
	before := time.Now()
	page, err := s.Page(testContext(t), ann, e.EngagementID, Query{Size: wire.MaxPageSize})
	if err != nil || len(page.Messages) != wire.MaxPageSize {
		t.Errorf("after the cut: %d messages, %v", len(page.Messages), err)
	}
	t.Logf("a page %v after the cut", time.Since(before))
	if s.js.Conn().Stats().Reconnects+s.followJS.Conn().Stats().Reconnects > 0 || s.readJS.Conn().Stats().Reconnects == 0 {
		t.Error("another connection was cut")
	}
}

// One customer's pages are read one after the other, beside those of others.
func TestPagesOfOneCustomer(t *testing.T) {
	s, ctx := openStore(t, Config{}), testContext(t)
	annChat, bobChat := newChat(t, s, newSession(t, s, ann, "s"), "e"), newChat(t, s, newSession(t, s, bob, "s"), "e")
	release, err := s.lockPages(ctx, ann) // as while a page is read
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := s.Page(short, ann, annChat.EngagementID, Query{Size: 50}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second page was read at the same time: %v", err)
	}
	if _, err := s.Page(ctx, bob, bobChat.EngagementID, Query{Size: 50}); err != nil {
		t.Errorf("another customer's page: %v", err)
	}
	release()
	if _, err := s.Page(ctx, ann, annChat.EngagementID, Query{Size: 50}); err != nil {
		t.Error(err)
	}
}
