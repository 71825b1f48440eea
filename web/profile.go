package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
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
