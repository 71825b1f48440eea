package gateway

import (
	"context"
	"net/http"
	"testing"

	"openchat/sdk/wire"
	"openchat/web/store"
)

// endsFirst is a store in which another ends the chat between the reading of it and the
// storing of a message.
type endsFirst struct {
	Store
	t testing.TB
}

func (s endsFirst) Append(ctx context.Context, c store.Customer, engagementID string, m store.NewMessage) (wire.Message, bool, error) {
	if _, err := s.Update(ctx, c, engagementID, func(e *store.Engagement) ([]wire.Event, error) { return e.Terminate(), nil }); err != nil {
		s.t.Error(err)
	}
	return s.Store.Append(ctx, c, engagementID, m)
}

// A message that comes too late by a hair is refused as one that comes later, and nothing of it
// is stored; a repeat of an earlier one is answered as that was.
func TestMessageMeetsTheEnd(t *testing.T) {
	// MSG-4
	w := newEnvironment(t)
	c := w.chat("ann")
	first := c.say("one", "first")
	w.g.store = endsFirst{w.store, t}
	if again := c.say("one", "first"); again != first {
		t.Errorf("the repeat: %+v, not %+v", again, first)
	}
	other := w.chat("bob")
	path := "/engagements/" + other.e.EngagementID + "/messages"
	late := w.call("POST", path, other.token, other.body("two", "second"))
	later := w.call("POST", path, other.token, other.body("three", "third"))
	problem := late.problem()
	if late.status != http.StatusConflict || string(late.body) != string(later.body) || !problem.Has("engagementId") {
		t.Errorf("%d %s, later %d %s", late.status, late.body, later.status, later.body)
	}
	page := must(w, wire.DecodeMessagePage, "GET", path+"?dialogId="+other.e.DialogID, other.token, "")
	if len(page.Messages) != 0 || page.NewestIndex != 0 {
		t.Errorf("stored: %+v", page)
	}
}
