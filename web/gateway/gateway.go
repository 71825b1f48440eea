// Package gateway is the customers' API: the REST calls, the event stream and the
// authentication of docs/protocol.md. It is stateless: what it answers is in
// web/store, so any number of gateways serve any session, and one that was
// killed is replaced by the next.
//
//	st, err := store.Open(ctx, store.Config{Dir: "data"})
//	g, err := gateway.New(gateway.Config{Store: st, Tenants: …, Keys: …})
//	http.ListenAndServe(addr, g.Handler())
//	…
//	g.Close(ctx) // before the server's Shutdown, which refuses connections instead of
//	             // answering them, and does not see the streams
package gateway

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
	"openchat/web/metrics"
	"openchat/web/store"
	"openchat/web/tracing"
)

// Tenant is one integration of an account. One that has several appkeys, as while they
// are changed, is there once for each.
type Tenant struct {
	Account       string // the token's accountId: six letters
	IntegrationID string // the token's integrationId: a UUID
	Appkey        string // what the appkey header must be; 1–256 bytes
}

// MaxAppkeys is how many appkeys an integration may have at once.
const MaxAppkeys = 4

func (t Tenant) id() tenantID { return tenantID{t.Account, strings.ToLower(t.IntegrationID)} }

// Check says what is wrong with t. It does not quote the appkey.
func (t Tenant) Check() error {
	if err := httpapi.CheckAccount(t.Account); err != nil {
		return fmt.Errorf("the account %q is %w", t.Account, err)
	}
	if err := httpapi.CheckIntegrationID(t.IntegrationID); err != nil {
		return fmt.Errorf("the integration id %q of account %s is %w", t.IntegrationID, t.Account, err)
	}
	if t.Appkey == "" || len(t.Appkey) > 256 {
		return fmt.Errorf("the appkey of account %s has %d bytes; 1–256 are possible", t.Account, len(t.Appkey))
	}
	return nil
}

// DefaultMaxTokenAge is the default of Config.MaxTokenAge.
const DefaultMaxTokenAge = 24 * time.Hour

// Config says whom the gateway serves and how much of it.
type Config struct {
	// Store is the truth. Required. The gateway does not close it.
	Store Store
	// Tenants are the integrations that are served; at least one. The first is the
	// one of POST /v1/getJWT.
	Tenants []Tenant

	// Keys and KeySets verify tokens; at least one, unless Signer is set, whose key always
	// counts. Only their algorithms are accepted.
	Keys    []Key
	KeySets []KeySet
	// Signer mints tokens for the tokens call and POST /v1/getJWT. nil: both are 404.
	Signer *Signer
	// Issuer and Audience are what a token's iss must be and its aud must hold.
	// Required, and the Signer's must be the same.
	Issuer, Audience string
	// MaxTokenAge is how long after its iat a token counts. One without iat counts for the last
	// MaxTokenAge before its exp. 0 means 24 hours; negative: any age.
	MaxTokenAge time.Duration
	// DenyList names tokens and customers that are refused. Nil: none.
	DenyList *DenyList
	// ServerCredential is the bearer credential of the calls for servers (tokens, export,
	// erasure) for every account, and ServerCredentials are those for some. Without any
	// these calls are 404.
	ServerCredential  string
	ServerCredentials []ServerCredential
	// EnableGetJWT opens POST /v1/getJWT, which gives anyone a token for any customer:
	// for the demo only.
	EnableGetJWT bool
	// GetJWTTime is for how long those tokens hold. 0 means 15 minutes; less is for
	// tests of expiry.
	GetJWTTime time.Duration

	// AllowedOrigins are the origins (https://shop.example, no path) whose pages may
	// call, beside the gateway's own; https://*.shop.example stands for all hosts below
	// that domain. "*" allows every page. Requests without an
	// Origin do not come from another origin's page and are not held up.
	AllowedOrigins []string

	// RequestRate is how many REST calls a second a customer may make on average, and
	// RequestBurst how many at once; the same again for streams opened. 0 means 20 and 60; negative: unlimited.
	RequestRate  float64
	RequestBurst int
	// Quotas bound what one customer, and one account, may use.
	Quotas Quotas
	// FrameRate and FrameBurst bound the frames that one stream's client sends, as
	// httpapi.FrameLimit counts them; it is cut off when it sends more. 0 means 10 a second and 50 at once.
	FrameRate  float64
	FrameBurst int
	// MaxStreams bounds the open streams, MaxStreamsPerCustomer those of one customer.
	// 0 means 20,000 and 20. Each costs about 20 KiB and a file descriptor.
	MaxStreams            int
	MaxStreamsPerCustomer int
	// MaxWaiting bounds the open streams of one address that have not authenticated,
	// which nothing else ties to anybody. 0 means 1000. An address is that of an IPv4
	// host or an IPv6 /64.
	MaxWaiting int
	// BehindProxy says that a proxy in front appends the client's address to
	// X-Forwarded-For. Without it, all clients behind a proxy are one address. Set it
	// only where nobody gets past the proxy: they could choose their address.
	BehindProxy bool
	// FailureRate and FailureBurst bound the tokens that no known key has signed, and the
	// wrong server credentials, of one address: by the second and at once. 0 means 20 and
	// 200; negative: any number.
	FailureRate  float64
	FailureBurst int
	// QueueFrames and QueueBytes bound what waits for one slow reader before it is cut
	// off. 0 means 512 and 1 MiB; at least 16 and 128 KiB.
	QueueFrames int
	QueueBytes  int
	// HeartbeatInterval is after how long a silent client is pinged; after twice as
	// long it is taken for dead. 0 means 20 s; 1 s to 60 s, whole seconds.
	HeartbeatInterval time.Duration
	// AuthTimeout is how long a stream may stay unauthenticated. 0 means 5 s.
	AuthTimeout time.Duration

	// Logger receives what happens, without tokens or texts; nil discards it.
	Logger *slog.Logger
	// Audit receives the calls for servers, also those that are refused. Nil: nothing does.
	Audit *httpapi.Audit
	// Metrics receives what is counted. Nil: nothing does.
	Metrics *metrics.Metrics
	// Traces receives calls, and the events that they have caused. Nil: nothing does.
	Traces *tracing.Tracer
}

// Gateway serves customers. Make one with New.
type Gateway struct {
	cfg    Config
	log    *slog.Logger
	store  Store
	access atomic.Pointer[access]
	api    *httpapi.Server
	limits *httpapi.Limits
	quotas *quotas
	// holdback holds back the refusals of limits, and of calls in progress.
	holdback *httpapi.Holdback
	// guesses limits and logs what nobody is known to have sent, refused what was signed.
	guesses *httpapi.Guesses
	refused *httpapi.Notices
	// strangers counts the streams that ended before it was known whose they were.
	strangers *httpapi.Tally
	unhealthy *httpapi.Tally // calls for the health, which anybody may make, that found none
	sockets   *httpapi.Sockets
	hub       *hub
	handler   http.Handler
	id        string        // distinguishes its announcements from those of others
	streams   atomic.Uint64 // numbers them
	checks    atomic.Uint64 // calls of CheckStreams
	bulkCalls chan struct{} // exports and erasures in progress

	cancel context.CancelFunc // ends following, and keeping
	kept   chan struct{}      // closed when the sessions with a stream are not kept from expiring any more
	drain  *httpapi.Drain     // counts calls and streams
}

// New checks cfg and starts to follow the store. Close ends what it started.
func New(cfg Config) (*Gateway, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	access, err := newAccess(&cfg)
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	drain := httpapi.NewDrain()
	g := &Gateway{
		cfg: cfg, log: cfg.Logger, store: cfg.Store,
		api: &httpapi.Server{
			Log: cfg.Logger, Drain: drain, Origins: httpapi.NewOrigins(cfg.AllowedOrigins), Refused: httpapi.NewOriginNotices(cfg.Logger, "the gateway"),
			AllowMethods: "GET, POST, DELETE",
			AllowHeaders: "authorization, " + wire.HeaderAppkey + ", content-type",
			Metrics:      cfg.Metrics,
			Traces:       cfg.Traces,
		},
		limits:    httpapi.NewLimits(cfg.RequestRate, cfg.RequestBurst),
		holdback:  httpapi.NewHoldback(drain),
		bulkCalls: make(chan struct{}, maxBulk),
		quotas:    newQuotas(cfg.Quotas, cfg.Store),
		sockets: httpapi.NewSockets(drain, httpapi.SocketLimits{
			Max: cfg.MaxStreams, MaxWaiting: cfg.MaxWaiting, BehindProxy: cfg.BehindProxy,
			Full: *httpapi.Refuse(http.StatusServiceUnavailable, wire.ProblemServerError, "Too many streams are open."),
		}),
		guesses:   httpapi.NewGuesses(cfg.Logger, cfg.FailureRate, cfg.FailureBurst, cfg.BehindProxy),
		refused:   httpapi.NewNotices(cfg.Logger, "a token that a known key has signed was refused", maxRefusedLines),
		strangers: httpapi.NewTally(cfg.Logger, slog.LevelInfo, "streams ended that nobody had authenticated for a session of theirs"),
		unhealthy: httpapi.NewTally(cfg.Logger, slog.LevelError, "the store is not healthy"),

		hub:   newHub(),
		kept:  make(chan struct{}),
		id:    rand.Text(),
		drain: drain,
	}
	g.guesses.Audit(cfg.Audit, "sign-in", "for a customer")
	g.access.Store(access)
	g.handler = g.routes()
	ctx, cancel := context.WithCancel(context.Background())
	g.cancel = cancel
	err = g.store.Follow(ctx, g.hub.deliver)
	if err == nil {
		err = g.store.Subscribe(ctx, store.TopicStreams, g.receiveClaim)
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("gateway: %w", err)
	}
	go func() {
		defer close(g.kept)
		g.store.KeepSessions(ctx, g.hub.sessions)
	}()
	return g, nil
}

// Handler serves the calls below wire.BasePath, POST /v1/getJWT, and GET /readyz and its
// older name /healthz. Everything else is 404.
func (g *Gateway) Handler() http.Handler { return g.handler }

// Close refuses new calls with 503 and new streams too, closes the open streams so
// that their clients come back (1001), and waits for them and for the calls in
// progress. When ctx ends, it breaks off what is left, a call with 503, and returns
// ctx's error, at most a second later.
func (g *Gateway) Close(ctx context.Context) error {
	g.drain.Leave()
	g.hub.closeAll(wire.CloseGoingAway, "the gateway shuts down")
	g.cancel()
	defer func() { <-g.kept }()
	defer g.strangers.Close()
	defer g.guesses.Close()
	defer g.refused.Close()
	defer g.api.Refused.Close()
	defer g.unhealthy.Close()
	return g.drain.Wait(ctx)
}

func (g *Gateway) closing() bool {
	select {
	case <-g.drain.Leaving():
		return true
	default:
		return false
	}
}

// Check reports what New refuses, but for the store, which is not needed for it.
func (cfg Config) Check() error {
	if err := cfg.checkValues(); err != nil {
		return err
	}
	_, err := newAccess(&cfg)
	return err
}

func (cfg *Config) check() error {
	if cfg.Store == nil {
		return errors.New("no store is given")
	}
	return cfg.checkValues()
}

// checkValues is check without the store. It fills in the logger, and the defaults of rates.
func (cfg *Config) checkValues() error {
	cfg.Logger = httpapi.Logger(cfg.Logger)
	if len(cfg.Tenants) == 0 {
		return errors.New("no tenant is given; at least one account with its integration is needed")
	}
	seen := map[tenantID][]string{}
	for _, t := range cfg.Tenants {
		if err := t.Check(); err != nil {
			return err
		}
		id := t.id()
		switch {
		case slices.Contains(seen[id], t.Appkey):
			return fmt.Errorf("the integration %s of account %s is given twice with the same appkey", t.IntegrationID, t.Account)
		case len(seen[id]) == MaxAppkeys:
			return fmt.Errorf("the integration %s of account %s has more than %d appkeys", t.IntegrationID, t.Account, MaxAppkeys)
		}
		seen[id] = append(seen[id], t.Appkey)
	}
	if cfg.Issuer == "" || cfg.Audience == "" {
		return errors.New("issuer and audience must both be given: a token of another issuer, or for another service, must not be taken")
	}
	if s := cfg.Signer; s != nil && (s.issuer != cfg.Issuer || s.audience != cfg.Audience) {
		return fmt.Errorf("the signer mints for issuer %q and audience %q, but %q and %q are expected", s.issuer, s.audience, cfg.Issuer, cfg.Audience)
	}
	if cfg.EnableGetJWT && cfg.Signer == nil {
		return errors.New("getJWT needs a signing key")
	}
	for _, o := range cfg.AllowedOrigins {
		if o == httpapi.AnyOrigin {
			continue
		}
		if err := httpapi.CheckOrigin(o); err != nil {
			return fmt.Errorf("the allowed origin %q is %w", o, err)
		}
	}
	defaultTo(&cfg.RequestRate, 20)
	defaultTo(&cfg.RequestBurst, 60)
	cfg.Quotas = cfg.Quotas.withDefaults()
	defaultTo(&cfg.FailureRate, httpapi.DefaultGuessRate)
	defaultTo(&cfg.FailureBurst, httpapi.DefaultGuessBurst)
	defaultTo(&cfg.FrameRate, 10)
	defaultTo(&cfg.FrameBurst, 50)
	defaultTo(&cfg.MaxStreams, 20_000)
	defaultTo(&cfg.MaxStreamsPerCustomer, 20)
	defaultTo(&cfg.MaxWaiting, 1000)
	defaultTo(&cfg.QueueFrames, 512)
	defaultTo(&cfg.QueueBytes, 1<<20)
	defaultTo(&cfg.HeartbeatInterval, wire.HeartbeatInterval)
	defaultTo(&cfg.GetJWTTime, MinTTL)
	defaultTo(&cfg.MaxTokenAge, DefaultMaxTokenAge)
	defaultTo(&cfg.AuthTimeout, wire.AuthTimeout)
	if cfg.FrameRate < 0 || cfg.FrameBurst < 0 || cfg.MaxStreams < 0 || cfg.MaxStreamsPerCustomer < 0 || cfg.MaxWaiting < 0 || cfg.AuthTimeout < 0 || cfg.GetJWTTime < 0 {
		return errors.New("a limit is negative; leave it 0 for its default")
	}
	cfg.QueueFrames = max(cfg.QueueFrames, 16)
	cfg.QueueBytes = max(cfg.QueueBytes, 2*wire.MaxServerFrame)
	if err := httpapi.CheckHeartbeat(cfg.HeartbeatInterval); err != nil {
		return fmt.Errorf("the heartbeat interval %v is %w", cfg.HeartbeatInterval, err)
	}
	return nil
}

func defaultTo[T comparable](v *T, value T) { *v = cmp.Or(*v, value) }
