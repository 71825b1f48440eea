package sdktest

import (
	"context"
	"sync"
	"time"

	"openchat/sdk"
)

// Device is what one client runs on: it sleeps, loses its network, or goes away with
// all that is on it. Give a client its Transport, and let its Deliver and Log go
// through Gate.
type Device struct {
	inner sdk.Transport

	mu      sync.Mutex
	asleep  chan struct{} // closed at Wake; nil while awake
	offline bool
	gone    bool
	ahead   time.Duration // of the wall clock
	conns   map[*deviceConn]struct{}
}

// Device returns a device that is awake and online.
func (p *Platform) Device() *Device {
	return &Device{inner: p.Transport(), conns: map[*deviceConn]struct{}{}}
}

// Transport returns the way from the device to the platform.
func (d *Device) Transport() sdk.Transport { return deviceTransport{d} }

// Gate returns at once while the device is awake, else when it wakes. A client whose
// Deliver and Log begin with it does nothing while the device sleeps, but for its
// timers: those it will find late. Do not call such a client meanwhile.
func (d *Device) Gate() {
	d.mu.Lock()
	asleep := d.asleep
	d.mu.Unlock()
	if asleep != nil {
		<-asleep
	}
}

// Sleep holds up everything that passes the device, either way, until Wake. The
// platform does not notice: streams look half-open to it.
func (d *Device) Sleep() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.asleep == nil {
		d.asleep = make(chan struct{})
	}
}

// Wake ends Sleep. It is not sdk.Core.Wake, which a page calls on its own account,
// if it learns of it.
func (d *Device) Wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.asleep != nil {
		close(d.asleep)
		d.asleep = nil
	}
}

// Offline takes the network away, or gives it back. Calls and dials fail at once;
// streams that were open are half-open from then on, for good.
func (d *Device) Offline(off bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.offline = off
	if off {
		for c := range d.conns {
			c.dead = true
		}
	}
}

// StepClock sets the device's wall clock forward, or back if by is negative, as a user
// or the operating system does. Steps add up. Timers and the platform's clock go on as
// before. It is the device that is wrong here; SkewClock makes the platform be wrong for
// all of its clients.
func (d *Device) StepClock(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ahead += by
}

// WallClock reads the device's wall clock, for sdk.Options. The reading has no monotonic
// part.
func (d *Device) WallClock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Now().Round(0).Add(d.ahead)
}

// Leave is the page closed without a shutdown, as by a reload: its streams end, its calls
// are lost, and nothing passes any more. The client itself must still be shut down,
// because only in a browser is it gone with the page; nothing of that reaches the platform.
func (d *Device) Leave() {
	d.mu.Lock()
	d.gone = true
	var list []*deviceConn
	for c := range d.conns {
		list = append(list, c)
	}
	d.mu.Unlock()
	d.Wake()
	for _, c := range list {
		c.Conn.Close(1001, "")
	}
}

// cut reports whether nothing gets through.
func (d *Device) cut() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.offline || d.gone
}

type deviceTransport struct{ d *Device }

// Do implements sdk.Transport.
func (t deviceTransport) Do(ctx context.Context, r sdk.Request) (sdk.Response, error) {
	t.d.Gate()
	if t.d.cut() {
		return sdk.Response{}, ErrLost
	}
	answer, err := t.d.inner.Do(ctx, r)
	t.d.Gate()
	if t.d.cut() {
		return sdk.Response{}, ErrLost
	}
	return answer, err
}

// Dial implements sdk.Transport.
func (t deviceTransport) Dial(ctx context.Context, url, subprotocol string) (sdk.Conn, error) {
	d := t.d
	d.Gate()
	if d.cut() {
		return nil, ErrLost
	}
	inner, err := d.inner.Dial(ctx, url, subprotocol)
	d.Gate()
	if err != nil {
		return nil, err
	}
	if d.cut() {
		inner.Close(1001, "")
		return nil, ErrLost
	}
	c := &deviceConn{Conn: inner, d: d, closed: make(chan struct{})}
	d.mu.Lock()
	d.conns[c] = struct{}{}
	d.mu.Unlock()
	return c, nil
}

// deviceConn is a stream of the device.
type deviceConn struct {
	sdk.Conn
	d      *Device
	dead   bool // guarded by d.mu: nothing passes, and neither end notices
	closed chan struct{}
	once   sync.Once
}

func (c *deviceConn) isDead() bool {
	c.d.mu.Lock()
	defer c.d.mu.Unlock()
	return c.dead && !c.d.gone
}

// Read implements sdk.Conn.
func (c *deviceConn) Read() ([]byte, error) {
	frame, err := c.Conn.Read()
	c.d.Gate()
	if c.isDead() {
		// The platform's end may be over: the client cannot know.
		<-c.closed
		return nil, &sdk.CloseError{Code: 1006}
	}
	return frame, err
}

// Write implements sdk.Conn.
func (c *deviceConn) Write(frame []byte) error {
	c.d.Gate()
	if c.isDead() {
		return nil
	}
	return c.Conn.Write(frame)
}

// Close implements sdk.Conn.
func (c *deviceConn) Close(code int, reason string) {
	c.once.Do(func() {
		close(c.closed)
		c.d.mu.Lock()
		delete(c.d.conns, c)
		dead := c.dead
		c.d.mu.Unlock()
		if dead {
			// Its close frame does not get through either.
			c.Conn.(*conn).abandon()
			return
		}
		c.Conn.Close(code, reason)
	})
}
