package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"

	"openchat/web/desk"
)

// listen listens where the option flag says. Whatever takes connections of customers or of
// desks comes from here.
func listen(ctx context.Context, flag, addr string) (net.Listener, error) {
	l, err := (&net.ListenConfig{Control: boundUnsent}).Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("cannot listen on %s: something else does; stop it, or choose another --%s", addr, flag)
	case err != nil:
		return nil, fmt.Errorf("cannot listen: %w; choose another --%s", err, flag)
	}
	return l, nil
}

// bound bounds the connections of both servers, whose listeners have been made.
func (p *process) bound() {
	customers, desks := shares(nofile(), p.deskListener != nil)
	boundOne(&p.listener, p.server, customers)
	if p.deskServer != nil {
		boundOne(&p.deskListener, p.deskServer, desks)
	}
}

func boundOne(l *net.Listener, server *http.Server, most int) {
	all := newConnections(most)
	*l = bounded{*l, all}
	server.ConnState = all.changed
}

// checkDeskAddr checks --desk-addr.
func (s *settings) checkDeskAddr() error {
	if s.deskAddr == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(s.deskAddr); err != nil {
		return fmt.Errorf("--desk-addr %s is not host:port, as in 127.0.0.1:8081", s.deskAddr)
	}
	if s.demo {
		return errors.New("--demo and --desk-addr do not go together: the demo's desk is a page beside the customers'; leave one of them out")
	}
	return nil
}

// handleDesk serves the desk's API, and its pages, beside the customers', or, where --desk-addr
// asks for it, on a server of its own: what strangers do to the customers' connections is then
// nothing to the desks', and a firewall can tell both apart.
func (p *process) handleDesk(customers *http.ServeMux) error {
	if p.deskListener == nil {
		customers.Handle(desk.BasePath+"/", p.desk.Handler())
		return p.addDeskPages(customers)
	}
	mux := http.NewServeMux()
	mux.Handle(desk.BasePath+"/", p.desk.Handler())
	p.handleHealth(mux)
	p.deskServer = newServer(mux, p.log)
	return p.addDeskPages(mux)
}

// httpServers are the HTTP servers that have been made, each with its listener.
func (p *process) httpServers() map[*http.Server]net.Listener {
	all := map[*http.Server]net.Listener{}
	if p.server != nil {
		all[p.server] = p.listener
	}
	if p.deskServer != nil {
		all[p.deskServer] = p.deskListener
	}
	return all
}

// closeUnserved closes the listeners of a start that failed before there were servers.
func (p *process) closeUnserved() (err error) {
	if p.server == nil && p.listener != nil {
		err = p.listener.Close()
	}
	if p.deskServer == nil && p.deskListener != nil {
		err = errors.Join(err, p.deskListener.Close())
	}
	return err
}
