// Package desk is a local contact center behind the gateway: a router that lets
// every new chat in and sets a bot beside it until an agent is found, and the API
// through which agents accept, write, leave and end (docs/desk-api.md).
//
// It keeps no truth of its own. What it shows is a projection of the store, built
// from what the store has and what it then hears; what it does goes through the
// store, under keys that make every step repeatable. So any number of processes
// may run a desk over one store, and one that is killed in the middle of a step
// is finished by the next.
//
//	d, err := desk.New(desk.Config{Store: s, Credential: secret})
//	go d.Run(ctx)                       // routing, and the projection
//	mux.Handle(desk.BasePath+"/", d.Handler())
//	…
//	d.Close(ctx)                        // lets the desks' sockets go
package desk

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
	"openchat/web/presence"
	"openchat/web/store"
)

// BasePath is the root of the desk's API.
const BasePath = "/api/desk/v1"

// Subprotocol is the WebSocket subprotocol of the desk's events.
const Subprotocol = "desk.chat.v1"

// MinCredential is the shortest credential New accepts, in bytes.
const MinCredential = 16

// Defaults of Config.
const (
	DefaultCustomerGrace = 20 * time.Second
	DefaultAgentGrace    = time.Minute
	DefaultAbandonAfter  = 30 * time.Minute
)

// Config is what a Desk needs. Only Store and Credential have no default.
type Config struct {
	// Store is where the chats are. The desk does not close it.
	Store *store.Store
	// Credential is the secret that every call carries, at least MinCredential bytes.
	Credential string
	// BotName is the name under which the bot writes, 1–70 UTF-16 units.
	// Empty: "Assistant".
	BotName string
	// AllowedOrigins are the origins ("https://desk.example.com"), besides the
	// desk's own, whose pages may use it. A request without an Origin header is no
	// browser's and needs the credential only.
	AllowedOrigins []string
	// HeartbeatInterval is the time between two pings to a desk; one that sends
	// nothing for two of them is cut. Zero: 20 s.
	HeartbeatInterval time.Duration
	// SocketQueue is how many frames may wait for one slow desk before it is cut
	// with 4429. Zero: 1024. A frame is at most 64 KiB.
	SocketQueue int
	// MaxSockets bounds the desks connected at once; one more is answered 429.
	// Zero: 1000.
	MaxSockets int
	// MaxWaiting bounds the sockets of one address that have not authenticated.
	// Zero: 100.
	MaxWaiting int
	// BehindProxy: see gateway.Config.
	BehindProxy bool
	// CallsPerSecond and CallBurst bound the calls of one agent, and the reads of
	// one address. Zero: 50 and 200.
	CallsPerSecond float64
	CallBurst      int
	// Customers tells who of the customers is connected to this process. Nil: every
	// customer counts as present.
	Customers Customers
	// CustomerGrace is for how long a customer may be disconnected before they are
	// away, AgentGrace for how long an agent before they lose their chats. Zero: 20 s and 60 s.
	CustomerGrace time.Duration
	AgentGrace    time.Duration
	// AbandonAfter is after how long of absence a customer's chat is ended. Zero: 30 min;
	// negative: never.
	AbandonAfter time.Duration
	// KeepEnded is how many ended chats stay readable in this process.
	// Zero: 1000.
	KeepEnded int
	// Logger hears of failures and of agents coming and going; never of a text,
	// a name or a credential. Nil: slog.Default.
	Logger *slog.Logger

	watchEvery time.Duration // between two looks at who is connected; 0: 1 s. Other values are for tests
}

// Desk is the local contact center. Its methods are safe for concurrent use.
type Desk struct {
	store      *store.Store
	log        *slog.Logger
	credential [sha256.Size]byte
	bot        wire.Participant
	origins    map[string]bool
	heartbeat  time.Duration
	queue      int
	maxSockets int
	limits     *limiter
	waiting    httpapi.Waiting
	proxied    bool
	view       *view
	table      *presence.Table
	customers  Customers // nil: unknown

	customerGrace, agentGrace time.Duration
	abandonAfter              time.Duration // negative: never
	watchEvery                time.Duration

	ready sync.Once      // closes view.ready
	drain *httpapi.Drain // counts calls and sockets
	mu    sync.Mutex     // guards what follows
	count int            // of sockets

	lastSeen map[string]time.Time // when an agent's socket here has ended, for a while
}

// New checks the configuration and makes a Desk. It starts nothing: Run does.
func New(c Config) (*Desk, error) {
	switch {
	case c.Store == nil:
		return nil, errors.New("desk: Config.Store is missing")
	case len(c.Credential) < MinCredential:
		return nil, errors.New("desk: Config.Credential must have at least 16 bytes")
	case wire.UTF16Len(c.BotName) > wire.MaxDisplayName:
		return nil, errors.New("desk: Config.BotName must have at most 70 characters")
	case c.HeartbeatInterval < 0, c.SocketQueue < 0, c.MaxSockets < 0, c.MaxWaiting < 0, c.CallsPerSecond < 0, c.CallBurst < 0, c.KeepEnded < 0,
		c.CustomerGrace < 0, c.AgentGrace < 0:
		return nil, errors.New("desk: a number in Config is negative")
	}
	origins := map[string]bool{}
	for _, o := range c.AllowedOrigins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" {
			return nil, errors.New("desk: Config.AllowedOrigins holds something that is not an origin like https://desk.example.com")
		}
		origins[strings.ToLower(o)] = true
	}
	d := &Desk{
		store:      c.Store,
		log:        c.Logger,
		credential: sha256.Sum256([]byte(c.Credential)),
		bot: wire.Participant{
			ParticipantID:   BotID,
			ParticipantType: wire.ParticipantBot,
			DisplayName:     or(c.BotName, "Assistant"),
		},
		origins:    origins,
		heartbeat:  or(c.HeartbeatInterval, wire.HeartbeatInterval),
		queue:      or(c.SocketQueue, 1024),
		maxSockets: or(c.MaxSockets, 1000),
		limits:     newLimiter(or(c.CallsPerSecond, 50), or(c.CallBurst, 200)),
		waiting:    httpapi.Waiting{Max: or(c.MaxWaiting, 100)},
		proxied:    c.BehindProxy,
		view:       newView(or(c.KeepEnded, 1000)),
		drain:      httpapi.NewDrain(),
		lastSeen:   map[string]time.Time{},
		customers:  c.Customers,

		customerGrace: or(c.CustomerGrace, DefaultCustomerGrace),
		agentGrace:    or(c.AgentGrace, DefaultAgentGrace),
		abandonAfter:  or(c.AbandonAfter, DefaultAbandonAfter),
		watchEvery:    or(c.watchEvery, time.Second),
	}
	if d.log == nil {
		d.log = slog.Default()
	}
	d.table = presence.New(d.store, d.log)
	return d, nil
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Run does the desk's work until ctx ends: it follows the store, routes new
// chats, and watches over those whose customer or agent is disconnected. Calls of the API wait until it has read the present chats. A failing
// store is tried again, and the failure logged; Run returns ctx's error only.
func (d *Desk) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { d.persist(ctx, "following the store", d.follow) })
	wg.Go(func() {
		d.persist(ctx, "routing", func(ctx context.Context) error { return d.store.Work(ctx, d.route) })
	})
	wg.Go(func() { d.persist(ctx, "listening to other gateways", d.table.Run) })
	wg.Go(func() { d.watch(ctx) })
	wg.Wait()
	return context.Cause(ctx)
}

// persist repeats work until ctx ends. The pause keeps a store that is down from
// being hammered, and the log from being filled.
func (d *Desk) persist(ctx context.Context, what string, work func(context.Context) error) {
	for {
		err := work(ctx)
		if ctx.Err() != nil {
			return
		}
		d.log.Error("desk: "+what+" failed, trying again", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

// Ready is closed when Run has read the present chats and calls are answered.
func (d *Desk) Ready() <-chan struct{} { return d.view.ready }

// Close refuses new calls and sockets with 503, tells every connected desk to come
// back later (1012), and waits until they are gone and the calls in progress are
// answered. When ctx ends, it breaks off what is left and returns ctx's error, at most
// a second later.
func (d *Desk) Close(ctx context.Context) error {
	d.drain.Leave()
	return d.drain.Wait(ctx)
}

// goingAway refuses what is not begun any more, and ends what could not be finished.
func goingAway() *problem {
	p := refuse(http.StatusServiceUnavailable, wire.ProblemServerError, "The desk is going away. The call may be repeated.")
	p.retryAfter = 1
	return p
}

// enter counts a socket in, unless the desk is closing or full.
func (d *Desk) enter() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.count >= d.maxSockets {
		return refuse(http.StatusTooManyRequests, wire.ProblemTooMany, "Too many desks are connected.")
	}
	if !d.drain.Begin() {
		return goingAway()
	}
	d.count++
	return nil
}

func (d *Desk) exit() {
	d.mu.Lock()
	d.count--
	d.mu.Unlock()
	d.drain.End()
}

// Handler answers everything under BasePath.
func (d *Desk) Handler() http.Handler { return http.HandlerFunc(d.serve) }
