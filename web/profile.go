package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"time"
)

// How much the profiles of mutexes and of blocking have of what goroutines wait for: one in so many
// waits for a mutex, and one for each so many nanoseconds of waiting.
const (
	mutexFraction = 100
	blockRate     = 100_000
)

// serveProfiles serves the runtime's profiles where --profile-addr says, apart from what
// customers and agents can reach.
func (p *process) serveProfiles() error {
	if p.profileAddr == "" {
		return nil
	}
	l, err := net.Listen("tcp", p.profileAddr)
	if err != nil {
		return fmt.Errorf("cannot listen: %w; choose another --profile-addr", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	p.profiles = s
	go func() { _ = s.Serve(l) }() // ends with stop
	p.log.Info("serving profiles", "addr", l.Addr().String())
	return nil
}

// sampleWaits has the profiles of mutexes and of blocking filled where profiles are served: it costs
// time. It is called once the store is open, because the NATS server inside the process stops the
// sampling of what blocks when it starts; one that replaces it after a failed write does too.
func (p *process) sampleWaits() {
	if p.profiles != nil {
		runtime.SetMutexProfileFraction(mutexFraction)
		runtime.SetBlockProfileRate(blockRate)
	}
}
