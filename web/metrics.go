package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"openchat/web/jwks"
	"openchat/web/metrics"
)

// demoMetrics is where the demo serves its metrics unless --metrics-addr says otherwise. Where
// something else listens there, as another demo, it takes a free port, which it prints.
const demoMetrics = "127.0.0.1:9464"

// maxScrapers is how many connections the listener of --metrics-addr has at once.
const maxScrapers = 16

// scraped is the listener of --metrics-addr.
type scraped struct {
	net.Listener
	server *http.Server // nil: it does not serve yet
}

// Close is of io.Closer.
func (s *scraped) Close() error {
	if s.server != nil {
		return s.server.Close() // a scrape that is cut costs a point in a curve
	}
	return s.Listener.Close()
}

// checkMetrics checks --metrics-addr.
func (s *settings) checkMetrics() error {
	if s.metricsAddr == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(s.metricsAddr)
	if err != nil {
		return fmt.Errorf("--metrics-addr %s is not host:port, as in 127.0.0.1:9464", s.metricsAddr)
	}
	if s.demo && !jwks.IsLoopback(host) {
		return fmt.Errorf("--demo listens on loopback only: use --metrics-addr %s, or leave it out", demoMetrics)
	}
	return nil
}

// countMetrics makes the metrics, where they are asked for, before what notes into them.
func (p *process) countMetrics() {
	if p.metricsAddr != "" || p.demo {
		p.metrics = metrics.New(buildVersion(), p.state)
		p.log = slog.New(p.metrics.Log(p.log.Handler()))
	}
}

// listenMetrics listens where --metrics-addr says.
func (p *process) listenMetrics(ctx context.Context) (err error) {
	if p.metrics == nil {
		return nil
	}
	p.scraped = &scraped{}
	p.scraped.Listener, err = listen(ctx, "metrics-addr", cmp.Or(p.metricsAddr, demoMetrics))
	if err != nil && p.metricsAddr == "" {
		p.scraped.Listener, err = listen(ctx, "metrics-addr", "127.0.0.1:0")
	}
	if err != nil {
		p.scraped = nil
	}
	return err
}

// serveMetrics serves GET /metrics and nothing else. It is called when all that state asks is there.
func (p *process) serveMetrics() {
	if p.scraped == nil {
		return
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", p.metrics.Handler())
	handler := http.Handler(mux)
	if p.demo {
		handler = onLoopback(mux)
	}
	p.scraped.server = &http.Server{
		Handler: handler, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 8 << 10, ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	listener := p.scraped.Listener
	boundOne(&listener, p.scraped.server, maxScrapers)
	go func() { _ = p.scraped.server.Serve(listener) }() // ends with stop
	p.log.Info("serving metrics", "addr", listener.Addr().String())
}

// state is what a scrape shows of the process.
func (p *process) state() metrics.State {
	s := metrics.State{Draining: p.draining.Load()}
	p.gateway.Observe(&s)
	p.desk.Observe(&s, p.gateway.Accounts())
	p.store.Observe(&s)
	for _, l := range []struct {
		name string
		of   net.Listener
	}{{"addr", p.listener}, {"desk-addr", p.deskListener}} {
		if b, ok := l.of.(bounded); ok {
			s.Listeners = append(s.Listeners, b.of.observe(l.name))
		}
	}
	return s
}
