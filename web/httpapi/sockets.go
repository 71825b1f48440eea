package httpapi

import (
	"net/http"
	"sync"
	"time"
)

// Sockets admits WebSockets: so many in all, so many of one address that have not said
// who they are, and none once the server stops. Make one with NewSockets.
type Sockets struct {
	limits SocketLimits
	drain  *Drain

	mu              sync.Mutex
	open            int
	unauthenticated map[string]int // by address
}

// SocketLimits bound the WebSockets of a server.
type SocketLimits struct {
	Max int // open at once
	// MaxWaiting bounds those of one address that have not authenticated, which nothing
	// else ties to anybody.
	MaxWaiting  int
	BehindProxy bool    // see Address
	Full        Problem // refuses one more than Max
}

// NewSockets returns Sockets that have admitted none.
func NewSockets(drain *Drain, limits SocketLimits) *Sockets {
	return &Sockets{limits: limits, drain: drain, unauthenticated: map[string]int{}}
}

// Admission is one admitted WebSocket. Its methods may be called again and again.
type Admission struct {
	sockets *Sockets
	address string

	// Guarded by sockets.mu.
	authenticated, left bool
}

// socketWait is when one that is refused may try again.
const socketWait = 5 * time.Second

// Admit counts the WebSocket of a request in, before the handshake. After it, Leave must
// follow; the error is a problem.
func (s *Sockets) Admit(r *http.Request) (*Admission, error) {
	a := &Admission{sockets: s, address: Address(r, s.limits.BehindProxy)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.drain.Begin() {
		return nil, GoingAway()
	}
	switch {
	case s.open >= s.limits.Max:
		s.drain.End()
		full := s.limits.Full
		full.because = "sockets"
		full.RetryAfter = int(socketWait.Seconds())
		return nil, &full
	case s.unauthenticated[a.address] >= s.limits.MaxWaiting:
		s.drain.End()
		return nil, TooMany("Too many connections of this address have not authenticated.", socketWait).Because("unauthenticated-sockets")
	}
	s.open++
	s.unauthenticated[a.address]++
	return a, nil
}

// Open returns how many WebSockets are admitted now.
func (s *Sockets) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// Unauthenticated returns how many of them have not authenticated.
func (s *Sockets) Unauthenticated() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, of := range s.unauthenticated {
		n += of
	}
	return n
}

// Address returns where the WebSocket comes from, as the function Address does.
func (a *Admission) Address() string { return a.address }

// Authenticated says that it is known whose WebSocket this is.
func (a *Admission) Authenticated() {
	a.sockets.mu.Lock()
	defer a.sockets.mu.Unlock()
	a.authenticatedLocked()
}

func (a *Admission) authenticatedLocked() {
	if a.authenticated {
		return
	}
	a.authenticated = true
	s := a.sockets
	if s.unauthenticated[a.address]--; s.unauthenticated[a.address] == 0 {
		delete(s.unauthenticated, a.address)
	}
}

// Leave counts the WebSocket out.
func (a *Admission) Leave() {
	a.sockets.mu.Lock()
	defer a.sockets.mu.Unlock()
	if a.left {
		return
	}
	a.left = true
	a.authenticatedLocked()
	a.sockets.open--
	a.sockets.drain.End()
}
