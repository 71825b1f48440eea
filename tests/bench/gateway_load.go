package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"

	"openchat/sdk"
	"openchat/sdk/native"
	"openchat/tests/harness"
	"openchat/tests/harness/cluster"
)

// load is visitors, each a whole native SDK with its own session, stream and
// chat, and the agents they talk to.
type load struct {
	account   *cluster.Account
	balancer  cluster.Balancer
	transport *native.Transport
	desk      *harness.Desk
	visitors  []*visitor
	window    atomic.Pointer[window] // what is being measured
}

type visitor struct {
	*cluster.Visitor
	connected atomic.Bool
}

// chatsPerAgent keeps agents below the rate that the desk allows each.
const chatsPerAgent = 10

func newLoad(account *cluster.Account) *load {
	c := &load{account: account}
	// The agents' connections, and those of the visitors' calls, are kept open.
	c.transport = native.New(native.Options{HTTPClient: c.balancer.Client(256)})
	c.desk = account.Desk(cluster.Host, c.balancer.Client(256))
	return c
}

// grow brings the load to n visitors.
func (c *load) grow(ctx context.Context, n int) error {
	const atOnce = 48
	from := len(c.visitors)
	c.visitors = append(c.visitors, make([]*visitor, n-from)...)
	var next atomic.Int64
	var agent string
	agents := make([]string, n)
	for i := range agents {
		if i%chatsPerAgent == 0 {
			agent = uuid.NewString()
		}
		agents[i] = agent
	}
	return together(atOnce, func() error {
		for {
			i := from + int(next.Add(1)) - 1
			if i >= n {
				return nil
			}
			v, err := c.visit(ctx, fmt.Sprintf("customer-%d-%s", i, uuid.NewString()), agents[i])
			if err != nil {
				return fmt.Errorf("visitor %d: %w", i, err)
			}
			c.visitors[i] = v
		}
	})
}

// together runs n workers and returns what went wrong with the first that failed.
func together(n int, work func() error) error {
	errs := make(chan error, n)
	for range n {
		go func() { errs <- work() }()
	}
	var first error
	for range n {
		if err := <-errs; first == nil {
			first = err
		}
	}
	return first
}

func (c *load) visit(ctx context.Context, customer, agent string) (*visitor, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	v := &visitor{}
	var err error
	v.Visitor, err = c.account.Visit(ctx, cluster.Host, c.transport, c.desk, agent, customer, func(e sdk.Event) {
		switch e.Type {
		case sdk.EventStreamConnected:
			v.connected.Store(true)
		case sdk.EventStreamFailed, sdk.EventStreamClosed, sdk.EventStreamConnecting:
			v.connected.Store(false)
		case sdk.EventMessageArrived, sdk.EventMessageDelivered:
			if w := c.window.Load(); w != nil {
				w.arrive(e.Message.Body.Text)
			}
		}
	})
	return v, err
}

// leave ends all sessions.
func (c *load) leave(ctx context.Context) error {
	var next atomic.Int64
	err := together(48, func() error {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(c.visitors) {
				return nil
			}
			if v := c.visitors[i]; v != nil {
				if err := v.Shutdown(ctx, ""); err != nil {
					return fmt.Errorf("shutdown: %w", err)
				}
			}
		}
	})
	c.visitors = nil
	return err
}

// allConnected waits until every stream is open.
func (c *load) allConnected(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		n := 0
		for _, v := range c.visitors {
			if v.connected.Load() {
				n++
			}
		}
		if n == len(c.visitors) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("only %d of %d streams are open: %w", n, len(c.visitors), ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// window is a stretch of time in which messages are sent at a steady rate, whatever
// becomes of those before, and each is timed from the instant it was due to the
// instant the visitor's page gets it.
type window struct {
	name    string
	begun   time.Time
	due     []time.Duration // since begun, by number
	arrived []atomic.Int64  // in ns since begun, by number; 0: not yet
	rest    atomic.Int64    // that have not arrived
	done    chan struct{}   // closed when all have
}

// arrive notes that a message with that text has arrived.
func (w *window) arrive(text string) {
	var number int
	rest, ok := strings.CutPrefix(text, w.name)
	if _, err := fmt.Sscanf(rest, " %d ", &number); !ok || err != nil || number >= len(w.due) {
		return // another window's, late
	}
	if w.arrived[number].CompareAndSwap(0, max(1, int64(time.Since(w.begun)))) && w.rest.Add(-1) == 0 {
		close(w.done)
	}
}

// measured is what a window found.
type measured struct {
	latencies []float64 // in ms, of those that arrived
	lost      int       // sent and not received within the time to wait
	lag       float64   // ms that the generator was late, 99th percentile
}

var windows atomic.Int64

// run sends rate messages a second for so long, half of them agents' and half
// customers', to the visitors in turn, who are picked at random unless in order.
func (c *load) run(ctx context.Context, rate int, long time.Duration, inOrder bool) (measured, error) {
	n := int(long.Seconds() * float64(rate))
	w := &window{
		name: fmt.Sprintf("window-%d", windows.Add(1)),
		due:  make([]time.Duration, n), arrived: make([]atomic.Int64, n), done: make(chan struct{}),
	}
	w.rest.Store(int64(n))
	for i := range n {
		w.due[i] = time.Duration(i+1) * time.Second / time.Duration(rate)
	}
	order := rand.Perm(len(c.visitors))
	failed := make(chan error, n)
	lags := make([]float64, n)
	var sending sync.WaitGroup
	w.begun = time.Now()
	c.window.Store(w)
	for i := range n {
		sleepUntil(w.begun.Add(w.due[i]))
		if ctx.Err() != nil {
			return measured{}, ctx.Err()
		}
		lags[i] = (time.Since(w.begun) - w.due[i]).Seconds() * 1000
		v := c.visitors[order[i%len(order)]]
		text := fmt.Sprintf("%s %d is the number of these words, which are about as many as people write.", w.name, i)
		sending.Go(func() {
			if err := c.say(ctx, v, i%2 == 0 || inOrder, text); err != nil {
				failed <- err
			}
		})
	}
	late := time.NewTimer(20 * time.Second)
	defer late.Stop()
	select {
	case <-w.done:
	case <-late.C:
	case <-ctx.Done():
	}
	sending.Wait()
	c.window.Store(nil)
	select {
	case err := <-failed:
		return measured{}, fmt.Errorf("%d sends failed, one with: %w", len(failed)+1, err)
	default:
	}
	l := measured{lag: percentile(lags, 99), lost: int(w.rest.Load())}
	for i := range n {
		if at := w.arrived[i].Load(); at > 0 {
			l.latencies = append(l.latencies, (time.Duration(at)-w.due[i]).Seconds()*1000)
		}
	}
	return l, ctx.Err()
}

// say sends one message, from the chat's agent or from the visitor, and waits until it
// is acknowledged.
func (c *load) say(ctx context.Context, v *visitor, agent bool, text string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if agent {
		return c.desk.Send(ctx, v.Chat, v.Agent, text, uuid.NewString())
	}
	return v.Send(ctx, text)
}

// flood sends as much as is acknowledged, with so many calls under way, and returns the
// messages a second.
func (c *load) flood(ctx context.Context, long time.Duration, atOnce int) (float64, error) {
	var next, sent atomic.Int64
	order := rand.Perm(len(c.visitors))
	begun := time.Now()
	err := together(atOnce, func() error {
		for time.Since(begun) < long {
			i := int(next.Add(1))
			if err := c.say(ctx, c.visitors[order[i%len(order)]], i%2 == 0, "As many of these words as are acknowledged."); err != nil {
				return err
			}
			if time.Since(begun) < long {
				sent.Add(1)
			}
		}
		return nil
	})
	return float64(sent.Load()) / long.Seconds(), err
}

// sleepUntil is more exact than time.Sleep, which may be a millisecond late.
func sleepUntil(t time.Time) {
	for {
		d := time.Until(t)
		if d <= 0 {
			return
		}
		ts := syscall.NsecToTimespec(int64(d))
		if err := syscall.Nanosleep(&ts, nil); err != nil && !errors.Is(err, syscall.EINTR) {
			time.Sleep(d)
		}
	}
}
