// Package drain lets a server stop without breaking off what it has begun: it counts
// calls and connections in, refuses new ones once the stop has begun, waits for the
// rest, and in the end breaks off what does not end by itself.
//
//	d := drain.New()
//	…
//	r, end, ok := d.Call(w, r, time.Minute)	// or Begin and End, for what is no call
//	if !ok {
//		… // 503: come back
//	}
//	defer end()
//	…
//	d.Leave()
//	err := d.Wait(ctx)
package drain

import (
	"context"
	"net/http"
	"sync"
	"time"
)

const (
	// farewell is for how long a call that is broken off may write its answer.
	farewell = 500 * time.Millisecond
	// breakTime bounds the wait for what was broken off. Whoever stops has other things
	// to end, and the end of the process ends this too.
	breakTime = time.Second
)

// Drain counts what is in hand. Make one with New. Its methods are safe for concurrent
// use.
type Drain struct {
	mu       sync.Mutex // orders Begin's Add before Wait's Wait
	leaving  chan struct{}
	left     bool
	work     sync.WaitGroup
	ctx      context.Context
	breakOff context.CancelFunc
}

// New returns a Drain with nothing in hand.
func New() *Drain {
	d := &Drain{leaving: make(chan struct{})}
	d.ctx, d.breakOff = context.WithCancel(context.Background())
	return d
}

// Begin counts something in; false when nothing new is to be begun. After true, End
// must follow.
func (d *Drain) Begin() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left {
		return false
	}
	d.work.Add(1)
	return true
}

// End counts out what Begin has counted in.
func (d *Drain) End() { d.work.Done() }

// Call is Begin for a call: the request that it returns has a context that ends after
// within, or when the call is broken off. Then the reading of its body ends, too,
// and soon the writing of its answer, so that a client that sends or takes nothing
// holds up nobody. end counts it out.
func (d *Drain) Call(w http.ResponseWriter, r *http.Request, within time.Duration) (_ *http.Request, end func(), ok bool) {
	if !d.Begin() {
		return r, nil, false
	}
	ctx, cancel := context.WithTimeout(r.Context(), within)
	stop := context.AfterFunc(d.ctx, func() {
		cancel()
		control := http.NewResponseController(w)
		// Not every ResponseWriter can; http.Server's can.
		_ = control.SetReadDeadline(time.Now())
		_ = control.SetWriteDeadline(time.Now().Add(farewell))
	})
	return r.WithContext(ctx), func() {
		stop()
		cancel()
		d.End()
	}, true
}

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

// Context ends when what is in hand is to be broken off. It is for connections, which
// End does not end.
func (d *Drain) Context() context.Context { return d.ctx }

// Broken reports whether what fails now may fail because it is broken off.
func (d *Drain) Broken() bool { return d.ctx.Err() != nil }

// Wait, after Leave, returns nil when nothing is in hand any more. When ctx ends
// before that, it breaks the rest off, gives it a second to end, and returns ctx's
// error.
func (d *Drain) Wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() { // ends with the last that is in hand
		d.work.Wait()
		close(done)
	}()
	defer d.breakOff()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	d.breakOff()
	t := time.NewTimer(breakTime)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
	return ctx.Err()
}
