package gateway

import (
	"context"
	"sync"
	"time"

	"openchat/sdk/wire"
	"openchat/web/store"
)

// hub knows the open streams by customer. Its one callback at the store hands every
// entry to those it concerns, encoded once.
type hub struct {
	mu        sync.Mutex
	customers map[store.Customer]streamsBySession
	all       map[*stream]struct{} // also those not yet authenticated
}

// streamsBySession are a customer's streams, by session: each has one.
type streamsBySession map[string]*stream

func newHub() *hub {
	return &hub{customers: map[store.Customer]streamsBySession{}, all: map[*stream]struct{}{}}
}

// deliver is given every entry that any gateway stores, in order. It must not block.
func (h *hub) deliver(e store.Entry) {
	if e.Customer == (store.Customer{}) {
		// Entries were lost. The clients come back, receive resumed: false, and read the history.
		h.closeAll(wire.CloseGoingAway, "events were lost")
		return
	}
	if len(e.Events) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	streams := h.customers[e.Customer]
	if streams == nil {
		return
	}
	for i := range e.Events {
		f := frameOf(&e.Events[i])
		f.stored, f.traced = e.Stored, e.Cause.Event(e.Customer.Account, string(e.Events[i].Type))
		for id, s := range streams {
			if s.concerns(&e) && (f.session == "" || f.session == id) {
				s.live(f)
			}
		}
	}
}

func (h *hub) add(s *stream) {
	h.mu.Lock()
	h.all[s] = struct{}{}
	h.mu.Unlock()
}

func (h *hub) remove(s *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.all, s)
	h.leave(s)
}

// leave takes s out of its customer's streams. h.mu is held.
func (h *hub) leave(s *stream) {
	if streams := h.customers[s.customer]; streams != nil && streams[s.sessionID] == s {
		delete(streams, s.sessionID)
		if len(streams) == 0 {
			delete(h.customers, s.customer)
		}
	}
}

// probeTime is how long a stream has to prove itself alive when another asks for its
// session.
const probeTime = 2 * time.Second

// claim makes s the stream of its session, or returns the code to close s with. An
// older stream of the same client is closed at once; one of another client is
// when it is dead. Only this process's streams are seen: for the others', see announceStream.
func (h *hub) claim(ctx context.Context, s *stream, limit int) (code int, reason string) {
	for range 3 {
		h.mu.Lock()
		streams := h.customers[s.customer]
		if streams == nil {
			streams = map[string]*stream{}
			h.customers[s.customer] = streams
		}
		older := streams[s.sessionID]
		switch {
		case older == nil && len(streams) >= limit:
			h.mu.Unlock()
			return wire.CloseTooMuch, "too many streams of this customer"
		case older == nil, s.clientID != "" && older.clientID == s.clientID:
			streams[s.sessionID] = s
			h.mu.Unlock()
			if older != nil {
				older.end(wire.CloseSuperseded, "this client has connected anew")
			}
			return 0, ""
		}
		h.mu.Unlock()
		if older.probe(ctx, s.done) {
			return wire.CloseSuperseded, "the session's stream is open elsewhere"
		}
		if ctx.Err() != nil {
			return wire.CloseServerError, "gone"
		}
		older.end(wire.CloseSuperseded, "another client has taken over")
		h.mu.Lock()
		h.leave(older)
		h.mu.Unlock()
	}
	return wire.CloseSuperseded, "the session's stream is open elsewhere"
}

// claimed returns the streams that have a session.
func (h *hub) claimed() (list []*stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, streams := range h.customers {
		for _, s := range streams {
			list = append(list, s)
		}
	}
	return list
}

// sessions returns the sessions that have their stream here.
func (h *hub) sessions() (list []store.SessionKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for customer, streams := range h.customers {
		for id := range streams {
			list = append(list, store.SessionKey{Customer: customer, SessionID: id})
		}
	}
	return list
}

// sessionCount returns how many sessions have their stream here.
func (h *hub) sessionCount() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, streams := range h.customers {
		n += len(streams)
	}
	return n
}

// closeAll closes every stream.
func (h *hub) closeAll(code int, reason string) {
	h.mu.Lock()
	list := make([]*stream, 0, len(h.all))
	for s := range h.all {
		list = append(list, s)
	}
	h.mu.Unlock()
	for _, s := range list {
		s.end(code, reason)
	}
}
