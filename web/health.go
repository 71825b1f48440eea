package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"openchat/web/httpapi"
)

// handleHealth serves the three calls by which supervisors and load balancers ask.
func (p *process) handleHealth(mux *http.ServeMux) {
	// Not the store: a process that is started again and again mends none.
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write([]byte(`{"status":"ok"}`)) // an error means that the caller has gone
	})
	answers := &httpapi.Server{Log: p.log}
	ready := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.draining.Load() {
			w.Header().Set("Cache-Control", "no-store")
			answers.Refuse(w, r, httpapi.GoingAway())
			return
		}
		p.gateway.Handler().ServeHTTP(w, r)
	})
	mux.Handle("/readyz", ready)
	mux.Handle("/healthz", ready) // the name in earlier versions
}

// awaitDrain serves on for --drain-delay, in which load balancers find out that this process
// is not ready any more.
func (p *process) awaitDrain() {
	p.draining.Store(true)
	if p.drainDelay == 0 {
		return
	}
	p.log.Info("not ready any more, serving on", "for", p.drainDelay)
	t := time.NewTimer(p.drainDelay)
	defer t.Stop()
	select {
	case <-t.C:
	case err := <-p.store.Failed():
		p.log.Error("stopping at once", "error", err)
	}
}

// boundStop ends the process when its stop, after ctx has ended, takes longer than whoever
// waits may count on. What it returns ends the watch.
func (p *process) boundStop(ctx context.Context, stderr io.Writer) (end func()) {
	stopped := make(chan struct{})
	go func() { // ends with end
		select {
		case <-ctx.Done():
		case <-stopped:
			return
		}
		t := time.NewTimer(p.drainDelay + stopWithin)
		defer t.Stop()
		select {
		case <-t.C:
			fmt.Fprintf(stderr, "gateway: did not stop within %v\n", p.drainDelay+stopWithin)
			os.Exit(exitFailed)
		case <-stopped:
		}
	}()
	return func() { close(stopped) }
}
