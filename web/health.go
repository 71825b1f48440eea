package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"openchat/web/httpapi"
	"openchat/web/jwks"
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

// healthCommand asks a gateway that runs for its health. It is for containers, whose image has
// no other program that could ask.
const healthCommand = "health"

// healthUsage says how the command is used.
const healthUsage = "gateway health [ready] [--url http://127.0.0.1:8080] [flags of the gateway]"

// healthWithin bounds the command's call.
const healthWithin = 5 * time.Second

// askHealth runs the command; args are those after its name. It finds the gateway at the same
// settings, of which it uses --addr only.
func askHealth(ctx context.Context, args []string, env environment, stdout io.Writer) (code int, err error) {
	path := "/livez"
	if len(args) > 0 && args[0] == "ready" {
		path, args = "/readyz", args[1:]
	}
	base, args := takeFlag(args, "url")
	s, err := parse(args, env)
	if err != nil {
		return exitMisused, fmt.Errorf("%w: %s", err, healthUsage)
	}
	if base == "" {
		if base, err = s.localURL(); err != nil {
			return exitMisused, err
		}
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return exitMisused, errors.New("--url must be http://host:port or https://host: " + healthUsage)
	}
	ctx, cancel := context.WithTimeout(ctx, healthWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+path, nil)
	if err != nil {
		return exitMisused, err
	}
	res, err := jwks.NewClient().Do(r)
	if err != nil {
		return exitFailed, fmt.Errorf("no answer: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return exitFailed, fmt.Errorf("%s answers %s", path, res.Status)
	}
	fmt.Fprintln(stdout, "ok")
	return 0, nil
}
