package desk

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"openchat/sdk/wire"
	"openchat/web/store"
)

// side is the desk's name as a side of the chats: of what it keeps with an engagement in
// the store, and of its work. It is on disk.
const side = "desk"

// engagement is an engagement of the store with what the desk keeps with it.
type engagement struct {
	store.Engagement
	kept
}

// kept is what the desk stores with an engagement. The names are on disk; what is zero is
// left out. What a version before stored elsewhere, the store turns into this.
type kept struct {
	WaitingSince time.Time `json:"WaitingSince,omitzero"` // zero: not waiting for an agent, or not routed yet
	AwaySince    time.Time `json:"AwaySince,omitzero"`    // when the customer was last present; zero while they are
	Ending       bool      `json:"Ending,omitzero"`       // the customer is away for too long: the chat is about to be ended
	Requeued     bool      `json:"Requeued,omitzero"`     // it waits because its agent was disconnected
	Notice       *notice   `json:"Notice,omitzero"`       // the newest; nil when no change had one
	// Watched are the ids of the agents and supervisors who have been seen on a desk's
	// socket during this stay, so that their absence counts.
	Watched []string `json:"Watched,omitempty"`
}

// notice is a line that belongs to a change of an engagement, stored with it so that it
// is said whoever makes the change dies.
type notice struct {
	Key  string    `json:"Key"` // its idempotency key
	Text string    `json:"Text"`
	At   time.Time `json:"At"` // of the change
}

// engagementOf reads what the desk keeps with an engagement. What cannot be read, which
// only an operator's hand can have written, counts as nothing.
func engagementOf(e store.Engagement) engagement {
	var k kept
	if text := e.Side(side); text != nil && json.Unmarshal(text, &k) != nil {
		k = kept{}
	}
	return engagement{e, k}
}

// stored is e as the store takes it.
func (e *engagement) stored() (store.Engagement, error) {
	// Who has left is not watched when they come back.
	e.Watched = slices.DeleteFunc(slices.Clone(e.Watched), func(id string) bool { return e.Member(id) == nil })
	text, err := json.Marshal(e.kept)
	if string(text) == "{}" {
		text = nil
	}
	e.SetSide(side, text)
	return e.Engagement, err
}

// isWatched reports whether the absence of that agent or supervisor counts.
func (e *engagement) isWatched(agentID string) bool { return slices.Contains(e.Watched, agentID) }

// setWatched says whether the absence of that agent or supervisor counts.
func (e *engagement) setWatched(agentID string, watched bool) {
	e.Watched = slices.DeleteFunc(slices.Clone(e.Watched), func(id string) bool { return id == agentID })
	if watched {
		e.Watched = append(e.Watched, agentID)
	}
}

// load reads an engagement's present state.
func (d *Desk) load(ctx context.Context, c store.Customer, engagementID string) (engagement, error) {
	e, err := d.store.Engagement(ctx, c, engagementID)
	return engagementOf(e), err
}

// update is the store's Update, and shows the outcome to the desks at once.
func (d *Desk) update(ctx context.Context, e *engagement, change func(*engagement) ([]wire.Event, error)) (engagement, error) {
	stored, err := d.store.Update(ctx, e.Customer, e.EngagementID, func(s *store.Engagement) (events []wire.Event, err error) {
		e := engagementOf(*s)
		if events, err = change(&e); err == nil {
			*s, err = e.stored()
		}
		return events, err
	})
	return d.shown(ctx, stored, err)
}

// note is the store's Note, and shows the outcome to the desks at once. An engagement
// that has ended is not changed.
func (d *Desk) note(ctx context.Context, e *engagement, change func(*engagement) bool) (engagement, error) {
	stored, err := d.store.Note(ctx, e.Customer, e.EngagementID, func(s *store.Engagement) bool {
		e := engagementOf(*s)
		if e.Ended() || !change(&e) {
			return false
		}
		now, err := e.stored()
		*s = now
		return err == nil
	})
	return d.shown(ctx, stored, err)
}

// shown takes the outcome of a change into the view.
func (d *Desk) shown(ctx context.Context, stored store.Engagement, err error) (engagement, error) {
	now := engagementOf(stored)
	if err == nil {
		d.view.put(now, d.api.Traces.CauseIn(ctx))
	}
	return now, err
}
