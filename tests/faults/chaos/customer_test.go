package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"openchat/sdk"
	"openchat/sdk/native"
)

// marker is in every text, and must be in no log.
const marker = "words of the chaos"

// customer is one user of the SDK, in one chat.
type customer struct {
	name      string
	w         *platform
	link      *link
	transport *counted
	client    *sdk.Core
	chat      string // engagementId

	news     // of the log and sends
	log      received
	sent     []*said
	settled  map[string]bool // texts of the sends that have settled
	early    int             // MESSAGE_DELIVERED before its promise (MSG-5)
	active   chan struct{}   // closed when the chat is ACTIVE
	in       bool
	stream   []string  // what was received of it
	brokeAt  time.Time // zero while it stands
	outages  []time.Duration
	givenUp  int // RECONNECTION_TIMEOUT
	expired  int // TOKEN_EXPIRED
	shutdown bool
	hurry    bool // no backoff any more
	surprise []string
}

// counted counts the attempts to send messages.
type counted struct {
	*native.Transport
	http     *http.Transport
	attempts atomic.Int64
}

func (t *counted) Do(ctx context.Context, r sdk.Request) (sdk.Response, error) {
	if r.Method == "POST" && strings.HasSuffix(r.URL, "/messages") {
		t.attempts.Add(1)
	}
	return t.Transport.Do(ctx, r)
}

func newCustomer(w *platform, l *link, n int) *customer {
	c := &customer{
		name: fmt.Sprintf("customer-%d", n), w: w, link: l,
		settled: map[string]bool{}, active: make(chan struct{}),
	}
	h := &http.Transport{DialContext: l.dial, MaxIdleConnsPerHost: 4}
	c.transport = &counted{native.New(native.Options{HTTPClient: &http.Client{Transport: h}}), h, atomic.Int64{}}
	c.client = sdk.NewCore(sdk.Options{Transport: c.transport, Deliver: c.deliver})
	return c
}

// begin initializes and starts the chat. The first token expires at expiry; window is
// the reconnectionTimeout.
func (c *customer) begin(ctx context.Context, expiry time.Time, window time.Duration) error {
	_, err := sdk.Await(ctx, func(done func(sdk.UserContext, error)) {
		c.client.Init(sdk.InitParams{
			HostURL:       "http://gateway.invalid", // the link leads there
			IntegrationID: c.w.account.IntegrationID, Appkey: c.w.account.Appkey, Token: c.w.token(c.name, expiry),
		}, sdk.Config{ReconnectionTimeout: window}, done)
	})
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	e, err := sdk.Await(ctx, func(done func(sdk.Engagement, error)) {
		c.client.CreateEngagement(map[string]string{"topic": "chaos"}, done)
	})
	if err != nil {
		return fmt.Errorf("createEngagement: %w", err)
	}
	c.chat = e.EngagementID
	c.log.chat = e.EngagementID
	select {
	case <-c.active:
		return nil
	case <-ctx.Done():
		return errors.Join(errors.New("the chat did not become active"), ctx.Err())
	}
}

// deliver is the page's handlers.
func (c *customer) deliver(e sdk.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.change()
	if strings.HasPrefix(string(e.Type), "EVENT_STREAM") || e.Type == sdk.EventShutdown {
		c.stream = append(c.stream, fmt.Sprintf("%s %s %s %s", time.Now().Format("15:04:05.000"), e.Type, e.Reason, e.Text))
	}
	switch e.Type {
	case sdk.EventEngagementActive:
		if !c.in {
			c.in = true
			close(c.active)
		}
	case sdk.EventMessageArrived, sdk.EventMessageDelivered:
		m := e.Message
		c.log.messages = append(c.log.messages, message{
			index: m.MessageIndex, id: m.MessageID, text: m.Body.Text, sender: m.SenderParticipant.ParticipantID,
		})
		if e.Type == sdk.EventMessageDelivered && !c.settled[m.Body.Text] {
			c.early++
		}
	case sdk.EventStreamConnected:
		if !e.Resumed {
			c.log.breaks = append(c.log.breaks, len(c.log.messages))
		}
		if !c.brokeAt.IsZero() {
			c.outages = append(c.outages, time.Since(c.brokeAt))
			c.brokeAt = time.Time{}
		}
	case sdk.EventStreamFailed:
		if c.brokeAt.IsZero() {
			c.brokeAt = time.Now()
		}
		if sdk.FailureReason(e.Reason) == sdk.FailureReconnectionTimeout {
			c.givenUp++
			if err := c.client.RetryConnection(); err != nil {
				c.surprise = append(c.surprise, "retryConnection: "+err.Error())
			}
		}
		if c.hurry {
			c.client.Wake(sdk.WakeOnline)
		}
	case sdk.EventTokenExpired:
		c.expired++
		if err := c.client.SetJWTToken(c.w.token(c.name, time.Now().Add(time.Hour))); err != nil {
			c.surprise = append(c.surprise, "setJwtToken: "+err.Error())
		}
	case sdk.EventShutdown:
		if !c.shutdown {
			c.surprise = append(c.surprise, "SHUTDOWN in the middle")
		}
	case sdk.EventEngagementTerminated:
		c.surprise = append(c.surprise, "the chat ended")
	}
}

// say sends a message without waiting for its end.
func (c *customer) say() *said {
	c.mu.Lock()
	s := &said{chat: c.chat, sender: c.name, n: len(c.sent) + 1, began: time.Now()}
	s.text = fmt.Sprintf("%s: %s %d", marker, c.name, s.n)
	c.sent = append(c.sent, s)
	c.mu.Unlock()
	c.client.SendMessage(c.chat, s.text, "", func(m sdk.Message, err error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.change()
		s.settled++
		c.settled[s.text] = true
		if err != nil {
			s.err = err
			return
		}
		s.acked, s.index, s.id = true, m.MessageIndex, m.MessageID
		if m.Body.Text != s.text {
			c.surprise = append(c.surprise, "a send resolved with another's message")
		}
	})
	return s
}

// write says things until ctx ends, at random times, sometimes several at once; and now
// and then the browser has something to say of its network.
func (c *customer) write(ctx context.Context, r *rand.Rand, every time.Duration) {
	for pause(ctx, time.Duration(r.ExpFloat64()*float64(every))) {
		switch r.IntN(40) {
		case 0:
			c.client.Wake(sdk.WakeVisible)
		case 1:
			c.client.Wake(sdk.WakeOffline)
			pause(ctx, between(r, 200*time.Millisecond, 3*time.Second))
			c.client.Wake(sdk.WakeOnline)
		case 2, 3, 4:
			for range 2 + r.IntN(4) {
				c.say()
			}
		default:
			c.say()
		}
	}
}

// renew gives it a token of the key that counts now.
func (c *customer) renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.client.SetJWTToken(c.w.token(c.name, time.Now().Add(time.Hour))); err != nil {
		c.surprise = append(c.surprise, "setJwtToken: "+err.Error())
	}
}

func (c *customer) allSettled(ctx context.Context) bool {
	return c.until(ctx, func() bool {
		for _, s := range c.sent {
			if s.settled == 0 {
				return false
			}
		}
		return true
	})
}

// receivedUpTo waits for the message of that index.
func (c *customer) receivedUpTo(ctx context.Context, index int64) bool {
	return c.until(ctx, func() bool {
		return len(c.log.messages) > 0 && c.log.messages[len(c.log.messages)-1].index >= index
	})
}

// end shuts the SDK down.
func (c *customer) end(ctx context.Context) error {
	c.mu.Lock()
	c.shutdown = true
	c.mu.Unlock()
	_, err := sdk.Await(ctx, func(done func(struct{}, error)) {
		c.client.Shutdown("", func(err error) { done(struct{}{}, err) })
	})
	c.transport.http.CloseIdleConnections()
	return err
}

// state says where the customer stands, for who looks for what hangs.
func (c *customer) state() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b bytes.Buffer
	last := int64(0)
	if n := len(c.log.messages); n > 0 {
		last = c.log.messages[n-1].index
	}
	fmt.Fprintf(&b, "%s: chat %s, received up to %d, stream: %s", c.name, c.chat, last, strings.Join(c.stream[max(0, len(c.stream)-4):], ", "))
	for _, s := range c.sent {
		if s.settled == 0 {
			fmt.Fprintf(&b, "; send %d waits for %v", s.n, time.Since(s.began).Round(time.Millisecond))
		}
	}
	return b.String()
}
