package sdk

import (
	"context"
	"maps"
	"sync/atomic"

	"openchat/sdk/wire"
)

// Client is the SDK for Go programs: a [Core] whose calls block. It has at most one session
// at a time. Its methods are safe for concurrent use.
//
// A call returns the outcome, or the error of its context as soon as that ends. The call
// itself then goes on: a message whose SendMessage has been given up may still be sent. Every
// call settles within the time that its documentation names, so [context.Background] is
// enough where nothing ends sooner.
//
// Events go to Options.Deliver on a goroutine of the client's. Deliver must not make a
// blocking call: the outcome would wait for Deliver to return. It may start one in a
// goroutine of its own.
//
// Errors of the SDK are of type *[Error] and carry the code that a page sees.
type Client struct {
	core *Core
	// delivered holds, for each engagement, the messageIndex of the last message that was given
	// to Deliver in this session. The goroutine that calls Deliver replaces the map, and nobody
	// changes one.
	delivered atomic.Pointer[map[string]*atomic.Int64]
}

// New returns a client without a session. It starts nothing.
func New(o Options) *Client {
	c := &Client{}
	deliver := o.Deliver
	o.Deliver = func(e Event) {
		c.note(&e)
		if deliver != nil {
			deliver(e)
		}
	}
	c.core = NewCore(o)
	return c
}

// lastDelivered returns where delivered keeps the messageIndex of an engagement's last message,
// nil if there is none.
func (c *Client) lastDelivered(engagementID string) *atomic.Int64 {
	if delivered := c.delivered.Load(); delivered != nil {
		return (*delivered)[engagementID]
	}
	return nil
}

// note keeps what an event changes of that.
func (c *Client) note(e *Event) {
	switch {
	case e.Message != nil:
		last := c.lastDelivered(e.EngagementID)
		if last == nil {
			last = new(atomic.Int64)
			delivered := map[string]*atomic.Int64{e.EngagementID: last}
			if before := c.delivered.Load(); before != nil {
				maps.Copy(delivered, *before)
			}
			c.delivered.Store(&delivered)
		}
		last.Store(e.Message.MessageIndex)
	case e.Type == EventShutdown:
		c.delivered.Store(nil)
	}
}

// Core returns the client's callback form, for callers that need outcomes and events in one
// order.
func (c *Client) Core() *Core { return c.core }

// Init is [Core.Init]. It returns within 30 seconds.
func (c *Client) Init(ctx context.Context, p InitParams, cfg Config) (UserContext, error) {
	return Await(ctx, func(done func(UserContext, error)) { c.core.Init(p, cfg, done) })
}

// Shutdown is [Core.Shutdown]. It returns within 5 seconds.
func (c *Client) Shutdown(ctx context.Context, reason wire.Reason) error {
	_, err := Await(ctx, func(done func(struct{}, error)) {
		c.core.Shutdown(reason, func(err error) { done(struct{}{}, err) })
	})
	return err
}

// CreateEngagement is [Core.CreateEngagement].
func (c *Client) CreateEngagement(ctx context.Context, parameters map[string]string) (Engagement, error) {
	return Await(ctx, func(done func(Engagement, error)) { c.core.CreateEngagement(parameters, done) })
}

// Engagements is [Core.Engagements].
func (c *Client) Engagements(ctx context.Context) ([]Engagement, error) {
	return Await(ctx, c.core.Engagements)
}

// EngagementByID is [Core.EngagementByID]. The bool is false if there is no such engagement.
func (c *Client) EngagementByID(ctx context.Context, id string) (Engagement, bool, error) {
	type result struct {
		e  Engagement
		ok bool
	}
	r, err := Await(ctx, func(done func(result, error)) {
		c.core.EngagementByID(id, func(e Engagement, ok bool, err error) { done(result{e, ok}, err) })
	})
	return r.e, r.ok, err
}

// Join is [Core.Join].
func (c *Client) Join(ctx context.Context, engagementID string) (Engagement, error) {
	return Await(ctx, func(done func(Engagement, error)) { c.core.Join(engagementID, done) })
}

// Disconnect is [Core.Disconnect].
func (c *Client) Disconnect(ctx context.Context, engagementID string, reason wire.Reason) (Engagement, error) {
	return Await(ctx, func(done func(Engagement, error)) { c.core.Disconnect(engagementID, reason, done) })
}

// SendMessage is [Core.SendMessage]. It returns within Config.ReconnectionTimeout.
func (c *Client) SendMessage(ctx context.Context, engagementID, text, parentMessageID string) (Message, error) {
	return Await(ctx, func(done func(Message, error)) { c.core.SendMessage(engagementID, text, parentMessageID, done) })
}

// Messages is [Core.Messages]. A message belongs to the history if its call of Deliver had begun
// when Messages was called; those after it do not.
func (c *Client) Messages(ctx context.Context, engagementID string, size int) (Page, error) {
	delivered := int64(0)
	if last := c.lastDelivered(engagementID); last != nil {
		delivered = last.Load()
	}
	return Await(ctx, func(done func(Page, error)) { c.core.Messages(engagementID, size, delivered, done) })
}

// Turn is [Core.Turn].
func (c *Client) Turn(ctx context.Context, at Cursor, to Direction) (Page, error) {
	return Await(ctx, func(done func(Page, error)) { c.core.Turn(at, to, done) })
}

// SetJWTToken is [Core.SetJWTToken]. It does not wait for the server.
func (c *Client) SetJWTToken(text string) error { return c.core.SetJWTToken(text) }

// ResetIdleTimeout is [Core.ResetIdleTimeout].
func (c *Client) ResetIdleTimeout() error { return c.core.ResetIdleTimeout() }

// RetryConnection is [Core.RetryConnection].
func (c *Client) RetryConnection() error { return c.core.RetryConnection() }

// SetLogLevel is [Core.SetLogLevel].
func (c *Client) SetLogLevel(level LogLevel) error { return c.core.SetLogLevel(level) }

// Wake is [Core.Wake].
func (c *Client) Wake(w Wake) { c.core.Wake(w) }
