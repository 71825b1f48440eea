package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// proxies is what toxiproxy wants to know of its surroundings: no metrics, no log.
var proxies = toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())

// link is some customers' way to the gateway. It leads through a hop, which disturb
// makes worse and in the end replaces.
type link struct {
	upstream string

	mu  sync.Mutex
	now *hop
	old []*hop // half-open: what goes through them is dropped, and neither end notices
}

// hop is one fault proxy. They are replaced rather than mended: a toxiproxy whose
// connections end while its toxics change can lock itself up, so every change of one
// is waited for with a limit, and who cannot be changed any more is thrown away.
type hop struct {
	proxy *toxiproxy.Proxy

	mu    sync.Mutex
	conns map[*conn]struct{} // the customers' ends
}

// conn takes itself off its hop.
type conn struct {
	net.Conn
	hop *hop
}

func (c *conn) Close() error {
	c.hop.mu.Lock()
	delete(c.hop.conns, c)
	c.hop.mu.Unlock()
	return c.Conn.Close()
}

func newLink(upstream string) (*link, error) {
	l := &link{upstream: upstream}
	h, err := l.newHop()
	l.now = h
	return l, err
}

func (l *link) newHop() (*hop, error) {
	h := &hop{proxy: toxiproxy.NewProxy(proxies, "link", "127.0.0.1:0", l.upstream), conns: map[*conn]struct{}{}}
	return h, h.proxy.Start()
}

// dial is a customer's net.Dialer: whatever the address, it is the gateway's.
func (l *link) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	l.mu.Lock()
	h := l.now
	l.mu.Unlock()
	raw, err := (&net.Dialer{}).DialContext(ctx, network, h.proxy.Listen)
	if err != nil {
		return nil, err
	}
	c := &conn{raw, h}
	h.mu.Lock()
	h.conns[c] = struct{}{}
	h.mu.Unlock()
	return c, nil
}

// stuck counts the proxies that had to be thrown away.
var stuck atomic.Int64

// soon runs f and waits for it, but not for long.
func soon(f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	t := time.NewTimer(2 * time.Second)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		stuck.Add(1)
		return false
	}
}

// add puts a toxic on the connections of h, those to come included.
func (h *hop) add(name, direction, attributes string) {
	toxic := fmt.Sprintf(`{"name":%q,"type":%q,"stream":%q,"toxicity":1,"attributes":{%s}}`, name+direction, name, direction, attributes)
	soon(func() {
		if _, err := h.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			panic(err) // the toxic is written wrongly
		}
	})
}

// remove takes the toxics away and leaves the connections; false when it could not.
func (h *hop) remove() bool {
	return soon(func() { h.proxy.Toxics.ResetToxics(context.Background()) })
}

// close ends it with all its connections.
func (h *hop) close() {
	soon(h.proxy.Stop)
	h.mu.Lock()
	list := slices.Collect(maps.Keys(h.conns))
	h.mu.Unlock()
	for _, c := range list {
		_ = c.Close()
	}
}

// replace makes a new hop the link's, for connections from now on, and returns the one
// before.
func (l *link) replace() (*hop, error) {
	h, err := l.newHop()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.now
	l.now = h
	return before, nil
}

func (l *link) close() {
	l.mu.Lock()
	list := append(l.old, l.now)
	l.old = nil
	l.mu.Unlock()
	for _, h := range list {
		h.close()
	}
}

// fault is one kind of disturbance of a link.
type fault string

const (
	faultLatency fault = "latency"    // up to 600 ms each way
	faultSlicer  fault = "slicer"     // a few bytes at a time
	faultReset   fault = "reset_peer" // connections are reset when something is sent
	faultDark    fault = "black hole" // what is sent is dropped, in one direction or both
	faultRefused fault = "refused"    // connections are cut and refused
)

var faults = []fault{faultLatency, faultSlicer, faultReset, faultDark, faultRefused}

// disturb has the link suffer faults until ctx ends, then leaves it sound. count is called with
// each fault.
func (l *link) disturb(ctx context.Context, r *rand.Rand, count func(fault)) error {
	for pause(ctx, between(r, 2*time.Second, 9*time.Second)) {
		f := faults[r.IntN(len(faults))]
		count(f)
		if err := l.fault(ctx, r, f); err != nil {
			return err
		}
	}
	before, err := l.replace()
	if err == nil {
		before.close()
	}
	return err
}

func between(r *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(r.Int64N(int64(high-low)))
}

// fault is one fault from its beginning to its end.
func (l *link) fault(ctx context.Context, r *rand.Rand, f fault) error {
	h := l.now // only disturb, which calls this, replaces it
	cut := true
	switch f {
	case faultLatency:
		ms := 20 + r.IntN(280)
		for _, direction := range []string{"upstream", "downstream"} {
			h.add("latency", direction, fmt.Sprintf(`"latency":%d,"jitter":%d`, ms, ms))
		}
		pause(ctx, between(r, 2*time.Second, 8*time.Second))
		cut = !h.remove() || r.IntN(2) == 0
	case faultSlicer:
		size := 8 + r.IntN(56)
		for _, direction := range []string{"upstream", "downstream"} {
			h.add("slicer", direction, fmt.Sprintf(`"average_size":%d,"size_variation":%d,"delay":%d`, size, size/2, 100+r.IntN(900)))
		}
		pause(ctx, between(r, 2*time.Second, 6*time.Second))
		cut = !h.remove() || r.IntN(2) == 0
	case faultReset:
		h.add("reset_peer", "downstream", fmt.Sprintf(`"timeout":%d`, r.IntN(200)))
		if r.IntN(2) == 0 {
			h.add("reset_peer", "upstream", fmt.Sprintf(`"timeout":%d`, r.IntN(200)))
		}
		pause(ctx, between(r, 500*time.Millisecond, 2*time.Second))
	case faultDark:
		way := r.IntN(3)
		if way != 0 {
			h.add("timeout", "upstream", `"timeout":0`)
		}
		if way != 1 {
			h.add("timeout", "downstream", `"timeout":0`)
		}
		pause(ctx, between(r, time.Second, 8*time.Second))
		cut = r.IntN(2) == 0
		if !cut { // who is in it has to find out
			before, err := l.replace()
			if err == nil {
				l.mu.Lock()
				l.old = append(l.old, before)
				l.mu.Unlock()
			}
			return err
		}
	case faultRefused:
		h.close()
		pause(ctx, between(r, 500*time.Millisecond, 3*time.Second))
	default:
		return errors.New("a fault of no known kind: " + string(f))
	}
	if !cut {
		return nil
	}
	before, err := l.replace()
	if err == nil {
		before.close()
	}
	return err
}
