// Package desk is a local contact center beside the gateway: a router that lets
// every new chat in and sets a bot beside it until an agent is found, and the API
// through which agents accept, write, leave and end (docs/desk-api.md).
//
// It keeps no truth of its own. What it shows is a projection of the store, built
// from what the store has and the changes that follow; what it does goes through the
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
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
	"openchat/web/metrics"
	"openchat/web/presence"
	"openchat/web/tracing"
)

// BasePath is the root of the desk's API.
const BasePath = "/api/desk/v1"

// Subprotocol is the WebSocket subprotocol of the desk's events.
const Subprotocol = "desk.chat.v1"

// Defaults of Config.
const (
	DefaultCustomerGrace = 20 * time.Second
	DefaultAgentGrace    = time.Minute
	DefaultAbandonAfter  = 30 * time.Minute
)

// Bounds of those times for operators (docs/desk-api.md). New takes any, for tests.
const (
	MinGrace         = time.Second
	MaxCustomerGrace = 10 * time.Minute
	MaxAgentGrace    = time.Hour
	MaxAbandonAfter  = 720 * time.Hour // and at least CustomerGrace
)

// Config is what a Desk needs. Only Store and the credentials have no default.
type Config struct {
	// Store is where the chats are. The desk does not close it.
	Store Store
	// Credential is a shared secret that shows the chats of every account, at least
	// httpapi.MinCredential bytes. Empty: there is none.
	Credential string
	// Access says who else may use the desk. SetAccess replaces both while the desk runs.
	Access Access
	// BotName is the name under which the bot writes, 1–70 UTF-16 units.
	// Empty: httpapi.BotName, which nobody else may have.
	BotName string
	// AllowedOrigins are the origins ("https://desk.example.com", or
	// "https://*.example.com" for all hosts below that domain), besides the
	// desk's own, whose pages may use it. A request without an Origin header is no
	// browser's and needs the credential only.
	AllowedOrigins []string
	// HeartbeatInterval is the time between two pings to a desk; one that sends
	// nothing for two of them is cut. Zero: 20 s; 1 s to 60 s, whole seconds.
	HeartbeatInterval time.Duration
	// SocketQueue is how many frames, and SocketBytes how many bytes of frames, may wait for
	// one slow desk before it is cut with 4429. Zero: 1024 and 1 MiB; at least 128 KiB. A
	// frame is at most 64 KiB.
	SocketQueue int
	SocketBytes int
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
	// FailureRate and FailureBurst bound the wrong credentials of one address, by the second
	// and at once. Zero: 20 and 200; negative: any number.
	FailureRate  float64
	FailureBurst int
	// Customers says who of the customers is connected to this process. Nil: every
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
	// Logger receives failures and agents' coming and going; never of a text,
	// a name or a credential. Nil discards it.
	Logger *slog.Logger
	// Audit receives who came into and left chats, ended, took over and read them, what the desk did by
	// itself to chats that were left alone, and failed sign-ins. Nil: nothing does.
	Audit *httpapi.Audit
	// Metrics receives what is counted. Nil: nothing does.
	Metrics *metrics.Metrics
	// Traces receives agents' calls, and the changes that they have caused. Nil: nothing does.
	Traces *tracing.Tracer

	watchEvery time.Duration // between two comparisons with who is connected; 0: 1 s. Other values are for tests
}

// Desk is the local contact center. Its methods are safe for concurrent use.
type Desk struct {
	store      Store
	log        *slog.Logger
	access     atomic.Pointer[access]
	guesses    *httpapi.Guesses
	audit      *httpapi.Audit
	bot        wire.Participant
	api        *httpapi.Server
	heartbeat  time.Duration
	queue      int
	queueBytes int
	limits     *httpapi.Limits
	sockets    *httpapi.Sockets
	proxied    bool
	view       *view
	table      *presence.Table
	customers  Customers // nil: unknown

	customerGrace, agentGrace time.Duration
	abandonAfter              time.Duration // negative: never
	watchEvery                time.Duration

	ready    sync.Once                  // closes view.ready
	drain    *httpapi.Drain             // counts calls and sockets
	mu       sync.Mutex                 // guards what follows
	lastSeen map[presence.Key]time.Time // when an agent's socket here has ended, for a while
}

// New checks the configuration and makes a Desk. It starts nothing: Run does.
func New(c Config) (*Desk, error) {
	switch {
	case c.Store == nil:
		return nil, errors.New("desk: Config.Store is missing")
	case c.SocketQueue < 0, c.SocketBytes < 0, c.MaxSockets < 0, c.MaxWaiting < 0, c.CallsPerSecond < 0, c.CallBurst < 0, c.KeepEnded < 0,
		c.CustomerGrace < 0, c.AgentGrace < 0:
		return nil, errors.New("desk: a number in Config is negative")
	}
	c.BotName, c.HeartbeatInterval = cmp.Or(c.BotName, httpapi.BotName), cmp.Or(c.HeartbeatInterval, wire.HeartbeatInterval)
	if c.Credential != "" {
		c.Access.Credentials = append([]Credential{{c.Credential, []string{httpapi.AllAccounts}}}, c.Access.Credentials...)
	}
	access, err := newAccess(c.Access)
	if err != nil {
		return nil, fmt.Errorf("desk: Config.Credential and Config.Access: %w", err)
	}
	if httpapi.PlainName(c.BotName) != c.BotName || httpapi.DisplayName("Config.BotName", c.BotName) != nil {
		return nil, fmt.Errorf("desk: Config.BotName is too long, or holds what cannot be seen")
	}
	if err := httpapi.CheckHeartbeat(c.HeartbeatInterval); err != nil {
		return nil, fmt.Errorf("desk: Config.HeartbeatInterval %v is %w", c.HeartbeatInterval, err)
	}
	for _, o := range c.AllowedOrigins {
		if err := httpapi.CheckOrigin(o); err != nil {
			return nil, fmt.Errorf("desk: Config.AllowedOrigins: %q is %w", o, err)
		}
	}
	log, drain := httpapi.Logger(c.Logger), httpapi.NewDrain()
	d := &Desk{
		store: c.Store,
		log:   log,
		bot: wire.Participant{
			ParticipantID:   BotID,
			ParticipantType: wire.ParticipantBot,
			DisplayName:     c.BotName,
		},
		api: &httpapi.Server{
			Log: log, Drain: drain, Origins: httpapi.NewOrigins(c.AllowedOrigins), Refused: httpapi.NewOriginNotices(log, "the desk"),
			AllowMethods: "GET, POST",
			AllowHeaders: "authorization, content-type",
			Metrics:      c.Metrics,
			Traces:       c.Traces,
		},
		heartbeat:  c.HeartbeatInterval,
		queue:      cmp.Or(c.SocketQueue, 1024),
		queueBytes: max(cmp.Or(c.SocketBytes, 1<<20), 2*wire.MaxServerFrame),
		limits:     httpapi.NewLimits(cmp.Or(c.CallsPerSecond, 50), cmp.Or(c.CallBurst, 200)),
		sockets: httpapi.NewSockets(drain, httpapi.SocketLimits{
			Max: cmp.Or(c.MaxSockets, 1000), MaxWaiting: cmp.Or(c.MaxWaiting, 100), BehindProxy: c.BehindProxy,
			Full: *httpapi.Refuse(http.StatusTooManyRequests, wire.ProblemTooMany, "Too many desks are connected."),
		}),
		proxied:   c.BehindProxy,
		view:      newView(cmp.Or(c.KeepEnded, 1000)),
		drain:     drain,
		lastSeen:  map[presence.Key]time.Time{},
		customers: c.Customers,

		customerGrace: cmp.Or(c.CustomerGrace, DefaultCustomerGrace),
		agentGrace:    cmp.Or(c.AgentGrace, DefaultAgentGrace),
		abandonAfter:  cmp.Or(c.AbandonAfter, DefaultAbandonAfter),
		watchEvery:    cmp.Or(c.watchEvery, time.Second),
	}
	d.access.Store(access)
	d.guesses = httpapi.NewGuesses(d.log, cmp.Or(c.FailureRate, httpapi.DefaultGuessRate), cmp.Or(c.FailureBurst, httpapi.DefaultGuessBurst), c.BehindProxy)
	d.audit = c.Audit
	d.guesses.Audit(c.Audit, "sign-in", "")
	d.table = presence.New(d.store, d.log)
	return d, nil
}

// Run does the desk's work until ctx ends: it follows the store, routes new
// chats, and watches over those whose customer or agent is disconnected. Calls of the API wait until it has read the present chats. A failing
// store is tried again, and the failure logged; Run returns ctx's error only.
func (d *Desk) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { d.persist(ctx, "following the store", d.follow) })
	wg.Go(func() {
		d.persist(ctx, "routing", func(ctx context.Context) error { return d.store.Work(ctx, side, d.route) })
	})
	wg.Go(func() { d.persist(ctx, "listening to other gateways", d.table.Run) })
	wg.Go(func() { d.watch(ctx) })
	wg.Wait()
	return context.Cause(ctx)
}

// persist repeats work until ctx ends. The pause bounds how often a store that
// is down is called, and how much is logged.
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

// SetAccess replaces who may use the desk. Nothing changes when it returns an error. A
// socket of somebody who may not use the desk any more is closed with 4403, one whose agent,
// role or accounts have changed with 1001, so that its desk signs in anew. So is one of an
// agent who has signed in at an issuer when Access.Tokens is another one.
func (d *Desk) SetAccess(to Access) error {
	access, err := newAccess(to)
	if err != nil {
		return fmt.Errorf("desk: %w", err)
	}
	d.access.Store(access)
	d.view.checkSockets(d)
	return nil
}

// SetOrigins replaces Config.AllowedOrigins. A socket whose page's origin is not among them
// any more is closed with 1001: its desk comes back, and is refused as any page of that
// origin. The list is one that httpapi.CheckOrigin accepts.
func (d *Desk) SetOrigins(list []string) {
	d.api.Origins.Set(list)
	d.view.checkSockets(d)
}

// Ready is closed when Run has read the present chats and calls are answered.
func (d *Desk) Ready() <-chan struct{} { return d.view.ready }

// Close refuses new calls and sockets with 503, closes every socket so that its desk comes
// back (1001), and waits until they are gone and the calls in progress are
// answered. When ctx ends, it breaks off what is left and returns ctx's error, at most
// a second later.
func (d *Desk) Close(ctx context.Context) error {
	d.drain.Leave()
	defer d.guesses.Close()
	defer d.api.Refused.Close()
	return d.drain.Wait(ctx)
}

// Handler answers everything under BasePath.
func (d *Desk) Handler() http.Handler { return d.handler() }
