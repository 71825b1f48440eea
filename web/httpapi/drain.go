package httpapi

import (
	"context"
	"net/http"
	"sync"
	"time"
)

const (
	// connectionTime is how long a connection has for its end. It only has a close frame
	// to send, and a client that is gone and does not answer it must not hold up the stop,
	// during which all others are refused.
	connectionTime = 2 * time.Second
	// farewell is for how long a call that is broken off may write its answer.
	farewell = 500 * time.Millisecond
	// breakTime bounds the wait for what was broken off. Whoever stops has other things
	// to end, and the end of the process ends this too.
	breakTime = time.Second
)

// Drain lets a server stop without breaking off what it has begun: it counts calls and
// connections in, refuses new ones once the stop has begun, waits for the rest, and in the
// end breaks off what does not end by itself. Make one with NewDrain. Its methods are safe
// for concurrent use.
//
//	d := httpapi.NewDrain()
//	…
//	r, end, ok := d.Call(w, r, time.Minute)	// or Begin and End, for a connection
//	if !ok {
//		… // 503: come back
//	}
//	defer end()
//	…
//	d.Leave()
//	err := d.Wait(ctx)
type Drain struct {
	mu          sync.Mutex // orders Add before Wait's Wait
	leaving     chan struct{}
	left        bool
	connections kind
	calls       kind
}

// kind is what ends alike.
type kind struct {
	work     sync.WaitGroup
	ctx      context.Context // ends when what is left is broken off
	breakOff context.CancelFunc
}

// NewDrain returns a Drain with nothing in hand.
func NewDrain() *Drain {
	d := &Drain{leaving: make(chan struct{})}
	for _, k := range []*kind{&d.connections, &d.calls} {
		k.ctx, k.breakOff = context.WithCancel(context.Background())
	}
	return d
}

func (d *Drain) begin(k *kind) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left {
		return false
	}
	k.work.Add(1)
	return true
}

// Begin counts a connection in; false when none is to be begun. After true, End must
// follow.
func (d *Drain) Begin() bool { return d.begin(&d.connections) }

// End counts out what Begin has counted in.
func (d *Drain) End() { d.connections.work.Done() }

// Context ends when the connections are broken off: two seconds after Wait was called,
// or with its context.
func (d *Drain) Context() context.Context { return d.connections.ctx }

// Call counts a call in; ok is false when none is to be begun. The request that it
// returns has a context that ends after within, or when the call is broken off, with
// the context of Wait. Then the reading of its body ends, too, and soon the writing of
// its answer, so that a client that sends or takes nothing holds up nobody. end counts
// the call out.
func (d *Drain) Call(w http.ResponseWriter, r *http.Request, within time.Duration) (_ *http.Request, end func(), ok bool) {
	if !d.begin(&d.calls) {
		return r, nil, false
	}
	ctx, cancel := context.WithTimeout(r.Context(), within)
	stop := context.AfterFunc(d.calls.ctx, func() {
		cancel()
		control := http.NewResponseController(w)
		// Not every ResponseWriter can; http.Server's can.
		_ = control.SetReadDeadline(time.Now())
		_ = control.SetWriteDeadline(time.Now().Add(farewell))
	})
	return r.WithContext(ctx), func() {
		stop()
		cancel()
		d.calls.work.Done()
	}, true
}

// broken reports whether a call that fails now may fail because it is broken off.
func (d *Drain) broken() bool { return d.calls.ctx.Err() != nil }

// Leave refuses everything new from now on. A second call does nothing.
func (d *Drain) Leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.left {
		d.left = true
		close(d.leaving)
	}
}

// Leaving is closed by Leave.
func (d *Drain) Leaving() <-chan struct{} { return d.leaving }

// Wait, after Leave, waits until nothing is in hand any more. It breaks off the
// connections that are left after two seconds, and everything when ctx ends: then it
// returns ctx's error, at most a second later.
func (d *Drain) Wait(ctx context.Context) error {
	short, cancel := context.WithTimeout(ctx, connectionTime)
	defer cancel()
	connections := make(chan bool, 1)
	go func() { connections <- d.connections.wait(short) }()
	calls := d.calls.wait(ctx)
	if !<-connections && ctx.Err() != nil || !calls {
		return ctx.Err()
	}
	return nil
}

// wait reports whether all ended by themselves; what did not when ctx ended is broken
// off.
func (k *kind) wait(ctx context.Context) bool {
	done := make(chan struct{})
	go func() { // ends with the last that is in hand
		k.work.Wait()
		close(done)
	}()
	defer k.breakOff()
	select {
	case <-done:
		return true
	case <-ctx.Done():
	}
	k.breakOff()
	t := time.NewTimer(breakTime)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
	return false
}
