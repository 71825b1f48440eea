package gateway

import (
	"context"
	"encoding/json"
	"time"

	"openchat/sdk/wire"
	"openchat/web/store"
)

// A session has one stream (docs/protocol.md), also when its connections reach different
// gateways. hub.claim sees those of its own; the others are asked by an announcement,
// without waiting for them: the newer stream goes on, and the gateway that has an older
// one closes it, or, when it is another client's and alive, says so, and the newer one is
// closed. An announcement that is lost leaves two streams of a session, of which
// heartbeats end the dead one; nothing that is stored depends on it.

// claim is what gateways announce to each other.
type claim struct {
	Gateway  string // who announces the claim, or receives that the session is held
	Stream   uint64 // the newer stream, a number of that gateway's
	Customer store.Customer
	Session  string
	Client   string // the newer stream's
	Held     bool   // the session is another client's, which is alive
	// Began says which stream is the newer one: an announcement may come late. Where two
	// machines' clocks differ by more than the streams' age, nothing is closed, and it
	// stays with the heartbeats.
	Began time.Time
}

// announceStream announces that the session's stream is here now.
func (g *Gateway) announceStream(s *stream) {
	g.announce(claim{g.id, s.number, s.customer, s.sessionID, s.clientID, false, s.began})
}

func (g *Gateway) announce(c claim) {
	text, err := json.Marshal(c)
	if err == nil {
		g.store.Announce(store.TopicStreams, text)
	}
}

// receiveClaim takes another gateway's announcement, or its answer to ours.
func (g *Gateway) receiveClaim(text []byte) {
	var c claim
	if err := json.Unmarshal(text, &c); err != nil || c.Held != (c.Gateway == g.id) {
		return
	}
	s := g.hub.find(c.Customer, c.Session)
	switch {
	case s == nil:
	case !c.Held && !s.began.Before(c.Began):
		// Of a stream that was there before s.
	case c.Held:
		if s.number == c.Stream {
			s.end(wire.CloseSuperseded, "the session's stream is open at another gateway")
		}
	case s.clientID != "" && s.clientID == c.Client:
		s.end(wire.CloseSuperseded, "this client has connected anew at another gateway")
	default:
		go g.contest(s, c) // ends with s or probeTime
	}
}

// contest asks an older stream whether it is alive.
func (g *Gateway) contest(s *stream, c claim) {
	if s.probe(context.Background(), nil) {
		c.Held = true
		g.announce(c)
		return
	}
	s.end(wire.CloseSuperseded, "another client has taken over at another gateway")
}

// Streaming reports whether one of the customer's sessions has its stream at this gateway.
func (g *Gateway) Streaming(c store.Customer, sessions []string) bool {
	g.hub.mu.Lock()
	defer g.hub.mu.Unlock()
	streams := g.hub.customers[c]
	if streams == nil {
		return false
	}
	for _, id := range sessions {
		if streams[id] != nil {
			return true
		}
	}
	return false
}

// find returns the session's stream, nil when it has none here.
func (h *hub) find(c store.Customer, sessionID string) *stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.customers[c][sessionID]
}
