package desk

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"openchat/sdk/wire"
	"openchat/web/store"
)

// endsFirst is a store in which, once armed, another ends the chat between the reading of it
// and the storing of a message.
type endsFirst struct {
	Store
	t     testing.TB
	armed atomic.Bool
}

func (s *endsFirst) Append(ctx context.Context, c store.Customer, engagementID string, m store.NewMessage) (wire.Message, bool, error) {
	if s.armed.Load() {
		if _, err := s.Update(ctx, c, engagementID, func(e *store.Engagement) ([]wire.Event, error) { return e.Terminate(), nil }); err != nil {
			s.t.Error(err)
		}
	}
	return s.Store.Append(ctx, c, engagementID, m)
}

// An agent's message that comes too late by a hair is refused, and a line of the desk's own is
// left out: so an agent who ends a chat that has just ended is answered as if it were the first.
func TestMessageMeetsTheEnd(t *testing.T) {
	s := &endsFirst{Store: newStore(t), t: t}
	f := newFixture(t, s.Store.(*store.Store), func(c *Config) { c.Store = s })
	send, end := f.waiting("Ann"), f.waiting("Bob")
	bo := newAgent("Bo")
	want[Chat](f, 200, "POST", "/engagements/"+send.EngagementID+":accept", bo.json())
	want[Chat](f, 200, "POST", "/engagements/"+end.EngagementID+":accept", bo.json())
	sendLines, endLines := len(f.texts(send)), len(f.texts(end))
	s.armed.Store(true)
	f.refused(409, "conflict", "engagementId", "POST", "/engagements/"+send.EngagementID+"/messages", `{"agentId":"`+bo.id+`","text":"late"}`)
	if c := want[Chat](f, 200, "POST", "/engagements/"+end.EngagementID+":end", bo.json()); c.State != StateEnded {
		t.Errorf("%+v", c)
	}
	if n := len(f.texts(send)); n != sendLines {
		t.Errorf("%d lines, before the end %d", n, sendLines)
	}
	if n := len(f.texts(end)); n != endLines {
		t.Errorf("%d lines, before the end %d", n, endLines)
	}
}

// A chat that has ended stays on the desk for late readers, but not that of a customer who has
// been erased.
func TestErasedCustomersLeaveTheDesk(t *testing.T) {
	s := newStore(t)
	f := newFixture(t, s, func(*Config) {})
	ann, bob := f.waiting("Ann"), f.waiting("Bob")
	bo := newAgent("Bo")
	want[Chat](f, 200, "POST", "/engagements/"+bob.EngagementID+":accept", bo.json())
	want[Chat](f, 200, "POST", "/engagements/"+bob.EngagementID+":end", bo.json())
	if _, complete, err := s.Erase(t.Context(), ann.Customer, time.Now().Add(time.Minute)); err != nil || !complete {
		t.Fatal(complete, err)
	}
	f.refused(404, "not-found", "engagementId", "GET", "/engagements/"+ann.EngagementID, "")
	f.refused(404, "not-found", "engagementId", "GET", "/engagements/"+ann.EngagementID+"/messages", "")
	want[Chat](f, 200, "GET", "/engagements/"+bob.EngagementID, "")
}
