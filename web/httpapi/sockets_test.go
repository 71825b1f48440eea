package httpapi

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"openchat/sdk/wire"
)

func TestSockets(t *testing.T) {
	d := NewDrain()
	s := NewSockets(d, SocketLimits{Max: 4, MaxWaiting: 2, Full: *Refuse(http.StatusServiceUnavailable, wire.ProblemServerError, "Full.")})
	admit := func(address string, status int) *Admission {
		t.Helper()
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = address + ":1"
		a, err := s.Admit(r)
		var p *Problem
		switch {
		case status == 0 && err != nil:
			t.Fatal(err)
		case status != 0 && (!errors.As(err, &p) || p.Status != status || p.RetryAfter < 1):
			t.Fatalf("%v; %d is expected", err, status)
		}
		return a
	}
	a := admit("192.0.2.1", 0)
	b := admit("192.0.2.1", 0)
	admit("192.0.2.1", 429)
	c := admit("192.0.2.2", 0)
	a.Authenticated()
	a.Authenticated() // counts once
	e := admit("192.0.2.1", 0)
	admit("192.0.2.3", 503)
	b.Leave()
	b.Leave()
	f := admit("192.0.2.1", 0)
	if s.Open() != 4 {
		t.Errorf("%d are open", s.Open())
	}
	d.Leave()
	admit("192.0.2.3", 503)
	for _, x := range []*Admission{a, c, e, f} {
		x.Leave()
	}
	if err := d.Wait(t.Context()); err != nil || s.Open() != 0 || len(s.unauthenticated) != 0 {
		t.Errorf("%v, %d open, %v", err, s.Open(), s.unauthenticated)
	}
}
