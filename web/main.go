// The gateway as one process: the browsers' REST and event streams, the agent
// desk, NATS JetStream under both, the built SDK's files and, with --demo, two
// pages to try it all. `--help` is the documentation of its flags.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"

	"openchat/sdk/wire"
	"openchat/web/desk"
	"openchat/web/gateway"
	"openchat/web/httpapi"
	"openchat/web/metrics"
	"openchat/web/store"
	"openchat/web/tracing"
)

// version is set by the build.
var version = ""

// Exit codes.
const (
	exitFailed  = 1 // it could not start, or not stop in time
	exitMisused = 2 // flags or environment are wrong
	// exitRestart says that the store cannot be used now and may be usable at the next
	// start: a supervisor is to start the process again. It is EX_TEMPFAIL of sysexits.h.
	exitRestart = 75
)

// stopWithin bounds a stop: whoever waits for the process may count on it. Its parts
// bound what they are named for, so that a stop that meets the worst everywhere is in
// time still.
const (
	stopWithin             = 10 * time.Second
	drainWithin            = 5 * time.Second        // calls and streams, and a second to break them off
	closeConnectionsWithin = 500 * time.Millisecond // connections without a call
	closeWithin            = time.Second            // the desk's work, and again the store, and the traces
)

// gcPercent is in place of Go's 100: by how much, over what is in use, the heap grows until garbage is collected.
// Most of what is in use belongs to sessions, and lasts, so that collections are rare all the same.
const gcPercent = 50

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	// A stream is a file; the Go runtime has raised their limit to what the system
	// allows before it comes here.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)      // a second signal ends it at once
	hangup := make(chan os.Signal, 1) // one more while one waits asks for nothing else
	signal.Notify(hangup, syscall.SIGHUP)
	os.Exit(runReloading(ctx, hangup, os.Args[1:], newEnvironment(os.Environ()), os.Stdout, os.Stderr))
}

// run is runReloading that is never asked to read its settings again.
func run(ctx context.Context, args []string, env environment, stdout, stderr io.Writer) int {
	return runReloading(ctx, nil, args, env, stdout, stderr)
}

// runReloading is the process without its surroundings. It reads its settings again whenever
// reload has a signal. It returns the exit code.
func runReloading(ctx context.Context, reload <-chan os.Signal, args []string, env environment, stdout, stderr io.Writer) int {
	complain := func(code int, err error) int {
		fmt.Fprintf(stderr, "gateway: %s\n", strings.TrimPrefix(oneLine(err), "gateway: "))
		return code
	}
	if len(args) == 1 && args[0] == agentTokenCommand {
		printAgentToken(stdout)
		return 0
	}
	if len(args) > 0 && args[0] == healthCommand {
		code, err := askHealth(ctx, args[1:], env, stdout)
		if err != nil {
			return complain(code, err)
		}
		return 0
	}
	if len(args) > 0 && args[0] == configCommand {
		code, err := configuration(args[1:], env, stdout, stderr)
		if err != nil {
			return complain(code, err)
		}
		return code
	}
	if len(args) > 0 && args[0] == customerCommand {
		code, err := customerData(ctx, args[1:], env, stdout)
		if err != nil {
			return complain(code, err)
		}
		return 0
	}
	s, err := parse(args, env)
	if err != nil {
		return complain(exitMisused, err)
	}
	switch {
	case s.help:
		usage(stdout)
		return 0
	case s.version:
		fmt.Fprintln(stdout, buildVersion())
		return 0
	}
	tenants, err := s.check()
	if err != nil {
		return complain(exitMisused, err)
	}
	p := &process{settings: s, log: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: s.logLevel}))}
	p.parse = func() (*settings, error) { return parse(args, env) }
	defer p.boundStop(ctx, stderr)()
	err = p.start(ctx, tenants)
	if err == nil {
		p.printAddresses(stdout)
		err = p.serve(ctx, reload)
	}
	if ctx.Err() != nil {
		err = nil // stopped while it started
	}
	code := exitFailed
	if errors.Is(err, store.ErrNoWrites) {
		code = exitRestart
	}
	if err = errors.Join(err, p.stop()); err != nil {
		return complain(code, err)
	}
	return 0
}

func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return "0.0.0-" + s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return "0.0.0-dev"
}

// process owns everything that runs. stop undoes start, also a start that failed
// halfway.
type process struct {
	*settings
	log *slog.Logger

	listener net.Listener
	files    *dist // nil when the SDK is not served
	store    *store.Store
	gateway  *gateway.Gateway
	desk     *desk.Desk
	server   *http.Server

	deskListener net.Listener // nil: desks use the customers'
	deskServer   *http.Server // as well

	profiles io.Closer // nil unless asked for
	metrics  *metrics.Metrics
	scraped  *scraped         // nil without metrics
	traces   *tracing.Tracer  // nil unless asked for
	audit    *httpapi.Audit   // nil unless asked for
	served   []gateway.Tenant // at the moment
	keySets  keySets
	issuer   agentIssuer
	parse    func() (*settings, error)       // reads the settings anew
	serving  atomic.Pointer[gateway.Gateway] // gateway, for the key sets
	draining atomic.Bool

	endDesk context.CancelFunc // ends what running counts
	running sync.WaitGroup     // desk.Run, and the issuer's
}

func (p *process) start(ctx context.Context, tenants []gateway.Tenant) (err error) {
	p.served = tenants
	p.countMetrics()
	if err := p.sendTraces(); err != nil {
		return fmt.Errorf("%w (--otlp-endpoint)", err)
	}
	mux := http.NewServeMux()
	// What can be wrong comes first, and the store, which takes a moment, last.
	if p.dist != "" {
		if p.files, err = newDist(p.dist, p.log); err != nil {
			return err
		}
		for _, name := range distFiles {
			mux.Handle("/"+name, p.files)
		}
	}
	config, err := p.gatewayConfig(tenants)
	if err != nil {
		return err
	}
	if p.auditLog != "" {
		if p.audit, err = httpapi.OpenAudit(p.auditLog, p.log); err != nil {
			return fmt.Errorf("--audit-log: %w", err)
		}
	}
	config.Logger, config.Audit, config.Metrics, config.Traces = p.log, p.audit, p.metrics, p.traces
	var keepSets func()
	if config.KeySets, keepSets, err = p.keySets.open(ctx, p, p.settings, true); err != nil {
		return err
	}
	keepSets()
	if p.listener, err = listen(ctx, "addr", p.addr); err != nil {
		return err
	}
	if p.deskAddr != "" {
		if p.deskListener, err = listen(ctx, "desk-addr", p.deskAddr); err != nil {
			return err
		}
	}
	if err := p.serveProfiles(); err != nil {
		return err
	}
	if err := p.listenMetrics(ctx); err != nil {
		return err
	}
	p.store, err = store.Open(ctx, store.Config{
		Dir: p.data, URL: p.natsURL, MonitorURLs: p.natsMonitor, Replicas: p.replicas, MaxAge: p.maxAge, MaxStore: int64(p.maxStore),
		SessionIdle: p.sessionIdle, RetainBytes: p.retained.each, RetainBytesOf: p.retained.of, Key: p.key, Logger: p.log, Metrics: p.metrics, Traces: p.traces,
	})
	if errors.Is(err, store.ErrKey) {
		return fmt.Errorf("%w (--store-key-file, --data)", err)
	}
	if err != nil {
		if p.natsURL != "" {
			return fmt.Errorf("%w (--nats-url)", err)
		}
		return fmt.Errorf("%w (--data)", err)
	}
	p.sampleWaits()
	config.Store = p.store
	if p.gateway, err = gateway.New(config); err != nil {
		return fmt.Errorf("%w (--tenant, --jwt-public-key)", err)
	}
	p.serving.Store(p.gateway)
	keepIssuer, err := p.issuer.open(ctx, p, p.settings, true)
	if err != nil {
		return err
	}
	p.desk, err = desk.New(desk.Config{
		Store: p.store, Access: p.deskAccess, HeartbeatInterval: p.heartbeat, BehindProxy: p.behindProxy, Logger: p.log,
		Customers: p.gateway, CustomerGrace: p.customerGrace, AgentGrace: p.agentGrace, AbandonAfter: cmp.Or(p.abandonAfter, -1),
		AllowedOrigins: p.deskOrigins(), Audit: p.audit, Metrics: p.metrics, Traces: p.traces,
	})
	if err != nil {
		return err
	}
	mux.Handle(wire.BasePath+"/", p.gateway.Handler())
	p.handleHealth(mux)
	if err := p.handleDesk(mux); err != nil {
		return err
	}
	if p.demo {
		if err := p.addDemo(mux, tenants[0]); err != nil {
			return err
		}
	}
	var running context.Context
	running, p.endDesk = context.WithCancel(context.Background())
	p.running.Go(func() { _ = p.desk.Run(running) }) // it ends with running only
	keepIssuer()
	handler := http.Handler(mux)
	if p.demo {
		handler = onlyHosts(mux, p.demoHost, p.deskPages)
	}
	p.server = newServer(handler, p.log)
	p.bound()
	p.serveMetrics()
	return nil
}

// newServer bounds what a connection may cost that sends or takes its bytes one by one.
// A stream, once open, has times of its own.
func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      2 * time.Minute, // enough for the wasm at 6 KB/s
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// addDemo serves the customer page, and what it asks its own server for.
func (p *process) addDemo(mux *http.ServeMux, t gateway.Tenant) error {
	handler, err := pageHandler()
	if err != nil {
		return err
	}
	config, err := json.Marshal(map[string]string{"integrationId": t.IntegrationID})
	if err != nil {
		return err
	}
	mux.Handle("/", handler)
	if err := addDocuments(mux); err != nil {
		return err
	}
	mux.Handle("/v1/getJWT", p.gateway.Handler())
	mux.HandleFunc("/demo-config.json", serveConfig(config))
	return nil
}

// printAddresses says where the process listens.
func (p *process) printAddresses(w io.Writer) {
	if p.demo {
		p.printDemoAddresses(w)
		return
	}
	at := url.URL{Scheme: "http", Host: p.listener.Addr().String(), Path: "/"}
	fmt.Fprintf(w, "Listening on %s\n", at.String())
	if p.deskListener != nil {
		at.Host = p.deskListener.Addr().String()
		fmt.Fprintf(w, "Desks at %s\n", at.String())
	}
	if p.scraped != nil {
		fmt.Fprintf(w, "Metrics at http://%s/metrics\n", p.scraped.Addr())
	}
	if p.deskPages {
		at.Path = deskPath
		fmt.Fprintf(w, "Agents' pages at %s\n", at.String())
	}
}

// serve answers until ctx ends.
func (p *process) serve(ctx context.Context, reload <-chan os.Signal) error {
	all := p.httpServers()
	failed := make(chan error, len(all))
	for server, listener := range all {
		go func() { failed <- server.Serve(listener) }() // ends with closeConnections
	}
	p.log.Info("serving", "addr", p.listener.Addr().String(), "version", buildVersion())
	p.warnOfDemoHost()
	p.logSettings()
	for {
		select {
		case err := <-failed:
			return fmt.Errorf("serving: %w", err)
		case err := <-p.store.Failed():
			return err
		case <-reload:
			p.reload(ctx)
		case <-ctx.Done():
			p.awaitDrain()
			p.log.Info("stopping")
			return nil
		}
	}
}

// stop ends everything in the order in which it needs each other: what comes in,
// then what works, then the store. The listeners stay open until the calls in progress
// are answered: a call that comes meanwhile is answered 503, and so is
// one for the health.
func (p *process) stop() error {
	err := p.closeUnserved()
	for server := range p.httpServers() {
		server.SetKeepAlivesEnabled(false) // idle connections end now, the others with their answer
	}
	p.drain()
	p.closeConnections()
	if p.files != nil {
		p.files.gone.Close()
	}
	if p.endDesk != nil {
		p.endDesk()
	}
	p.keySets.replace(nil)
	p.issuer.stop()
	if p.profiles != nil {
		_ = p.profiles.Close() // nobody's work is lost with it
	}
	p.within("work", func() error { p.running.Wait(); return nil })
	if p.store != nil {
		p.within("store", p.store.Close)
	}
	p.logLate("traces", p.closeTraces())
	if p.scraped != nil {
		_ = p.scraped.Close() // last, so that the stop shows
	}
	p.audit.Close()
	return err
}

// drain lets what is in progress finish.
func (p *process) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), drainWithin)
	defer cancel()
	var wg sync.WaitGroup
	if p.gateway != nil {
		wg.Go(func() { p.logLate("calls and streams", p.gateway.Close(ctx)) })
	}
	if p.desk != nil {
		wg.Go(func() { p.logLate("desks", p.desk.Close(ctx)) })
	}
	wg.Wait()
}

// closeConnections ends the servers and their connections: those that are left have brought no
// call, or fetch a file.
func (p *process) closeConnections() {
	ctx, cancel := context.WithTimeout(context.Background(), closeConnectionsWithin)
	defer cancel()
	var wg sync.WaitGroup
	for server := range p.httpServers() {
		wg.Go(func() {
			if server.Shutdown(ctx) != nil {
				_ = server.Close()
			}
		})
	}
	wg.Wait()
}

// within gives close a part of stopWithin. A NATS server that hangs must not hold up
// the process, whose end ends what is left: everything acknowledged is stored.
func (p *process) within(what string, close func() error) {
	done := make(chan error, 1)
	go func() { done <- close() }()
	t := time.NewTimer(closeWithin)
	defer t.Stop()
	select {
	case err := <-done:
		p.logLate(what, err)
	case <-t.C:
		p.logLate(what, context.DeadlineExceeded)
	}
}

// logLate notes what did not end by itself. It is no failure of the stop.
func (p *process) logLate(what string, err error) {
	if err != nil {
		p.log.Warn("not all had ended in time", "what", what, "error", err)
	}
}
