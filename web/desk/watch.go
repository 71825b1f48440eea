package desk

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
	"openchat/web/presence"
	"openchat/web/store"
)

// This file is about people who are disconnected (docs/desk-api.md, "Customers come and go"
// and "Agents come and go"). Once a second the view is compared with who is connected, and
// what is due is done: by any process of the store, through changes that find out
// themselves whether another has made them.

// Bounds of what one comparison leads to.
const (
	maxActions    = 500 // the rest is left for the next one
	actionsAtOnce = 8
	actionsTime   = 30 * time.Second // all of them together
)

// Customers is what the desk needs of the gateway in its process.
type Customers interface {
	// Streaming reports whether one of the customer's sessions has its event stream at this
	// gateway. It must not block.
	Streaming(c store.Customer, sessions []string) bool
}

// absence is what the view keeps of a chat for its watch.
type absence struct {
	customer time.Time            // since when nobody sees the customer; zero: they are there
	staff    map[string]time.Time // by agentId: since when nobody sees them; without those who are there
}

// action is something that the watch does to a chat.
type action func(context.Context, *Desk, *engagement) error

// watch compares the chats with who is connected until ctx ends or the desk closes.
func (d *Desk) watch(ctx context.Context) {
	select {
	case <-d.view.ready:
	case <-ctx.Done():
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	var since time.Time
	busy := make(chan struct{}, 1)
	tick := time.NewTicker(d.watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-d.drain.Leaving():
			// The streams end now, here and not everywhere: the others see which agents connect to them.
			return
		}
		now, ok := d.table.Since()
		if !ok || !now.Equal(since) {
			since = now
			d.view.forgetAbsences()
		}
		list := d.findDue(time.Now(), ok)
		if len(list) == 0 {
			continue
		}
		select {
		case busy <- struct{}{}:
		default:
			continue // the store is slow; what is due is so still the next time
		}
		wg.Go(func() {
			defer func() { <-busy }()
			d.runDue(ctx, list)
		})
	}
}

// due is an action and its chat.
type due struct {
	chat engagement
	do   action
}

func (d *Desk) runDue(ctx context.Context, list []due) {
	ctx, cancel := context.WithTimeout(ctx, actionsTime)
	defer cancel()
	var wg sync.WaitGroup
	for first := range min(actionsAtOnce, len(list)) {
		wg.Go(func() {
			for i := first; i < len(list); i += actionsAtOnce {
				e := &list[i].chat
				err := list[i].do(ctx, d, e)
				if errors.Is(err, store.ErrNotFound) {
					d.view.drop(e.EngagementID)
				} else if err != nil && ctx.Err() == nil {
					d.log.Warn("desk: keeping a chat in order failed, trying again", "engagementId", e.EngagementID, "error", err)
				}
			}
		})
	}
	wg.Wait()
}

// findDue announces which chats' customers are connected here, and returns what is due at
// now; nothing unless an absence is known to be one.
func (d *Desk) findDue(now time.Time, certain bool) (list []due) {
	d.table.Round(func(here func(presence.Key)) {
		d.view.each(func(e *engagement, a *absence) {
			key := presence.Of(presence.Chat, e.EngagementID)
			present := d.customers == nil
			if d.customers != nil && d.customers.Streaming(e.Customer, sessionsOf(e)) {
				here(key)
				present = true
			}
			var do action
			if certain {
				do = d.trackAbsence(e, a, now, present || d.table.Elsewhere(key))
			} else {
				do = d.seenDue(e)
			}
			if do != nil && len(list) < maxActions {
				list = append(list, due{*e, do})
			}
		})
	})
	return list
}

// customerPresent reports whether the chat's customer is connected to any gateway, as far
// as is known here.
func (d *Desk) customerPresent(e *engagement) bool {
	return d.customers == nil || d.customers.Streaming(e.Customer, sessionsOf(e)) || d.table.Elsewhere(presence.Of(presence.Chat, e.EngagementID))
}

// sessionsOf are the customer's sessions that are in the chat, or the one that is about to be.
func sessionsOf(e *engagement) []string {
	if m := e.CustomerMember(); m != nil {
		return m.Sessions
	}
	return []string{e.SessionID}
}

// trackAbsence notes who is absent from the chat and returns what is due for it, nil for nothing.
func (d *Desk) trackAbsence(e *engagement, a *absence, now time.Time, present bool) action {
	if present {
		a.customer = time.Time{}
	} else if a.customer.IsZero() {
		a.customer = now
	}
	missing := !present && now.Sub(a.customer) >= d.customerGrace
	away := !e.AwaySince.IsZero()
	staff := d.trackStaffAbsence(e, a, now)
	switch {
	case e.Ending:
		return endAbandoned
	case present && away:
		return markPresent
	case missing && !away:
		since := a.customer
		return func(ctx context.Context, d *Desk, e *engagement) error { return markAway(ctx, d, e, since) }
	case missing && d.abandonAfter > 0 && now.Sub(e.AwaySince) >= d.abandonAfter:
		return func(ctx context.Context, d *Desk, e *engagement) error { return beginEnd(ctx, d, e, now) }
	}
	return staff
}

// trackStaffAbsence is trackAbsence for the agents and supervisors.
func (d *Desk) trackStaffAbsence(e *engagement, a *absence, now time.Time) (do action) {
	var absent map[string]time.Time
	for i := range e.Members {
		m := &e.Members[i]
		if staff(e, m.ParticipantID) == nil {
			continue
		}
		id, joined := m.ParticipantID, m.JoinedAt
		present := d.present(e.Customer.Account, id)
		switch {
		case !e.isWatched(id):
			if seen := d.seenDue(e); seen != nil {
				do = seen
			}
		case !present:
			since, ok := a.staff[id]
			if !ok || since.Before(joined) { // of an earlier stay
				since = now
			}
			if absent == nil {
				absent = map[string]time.Time{}
			}
			absent[id] = since
			if now.Sub(since) >= d.agentGrace {
				do = func(ctx context.Context, d *Desk, e *engagement) error {
					return removeDisconnected(ctx, d, e, id, joined, since)
				}
			}
		}
	}
	a.staff = absent
	return do
}

// seenDue returns what is due for an agent or supervisor whose presence does not count yet and who
// has been present in this stay: a presence is one, whatever else is known.
func (d *Desk) seenDue(e *engagement) action {
	for i := range e.Members {
		m := &e.Members[i]
		id := m.ParticipantID
		if !e.isWatched(id) && staff(e, id) != nil && (d.present(e.Customer.Account, id) || d.wasPresent(e.Customer.Account, id, m.JoinedAt)) {
			return func(ctx context.Context, d *Desk, e *engagement) error { return markWatched(ctx, d, e, id) }
		}
	}
	return nil
}

// recently is for how long it is known here which agents were present; many comparisons.
const recently = time.Minute

// wasPresent reports whether the agent had a socket of the account here at that time or
// later: they may come, accept and be disconnected between two comparisons.
func (d *Desk) wasPresent(account, agentID string, at time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, key := range [...]presence.Key{presence.Of(presence.Agent, agentID), agentKey(account, agentID)} {
		if last, ok := d.lastSeen[key]; ok && !last.Before(at) {
			return true
		}
	}
	return false
}

// noteSocketEnd notes that a socket of the agent has ended.
func (d *Desk) noteSocketEnd(key presence.Key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for key, last := range d.lastSeen {
		if now.Sub(last) > recently {
			delete(d.lastSeen, key)
		}
	}
	if len(d.lastSeen) < maxLastSeen {
		d.lastSeen[key] = now
	}
}

// maxLastSeen bounds what noteSocketEnd notes.
const maxLastSeen = 1000

// present reports whether the agent has a socket of the account at any gateway.
func (d *Desk) present(account, agentID string) bool {
	return d.table.Present(presence.Of(presence.Agent, agentID)) || d.table.Present(agentKey(account, agentID))
}

// agentKey names an agent in one account: an agentId is whatever a desk says, and nobody
// is present for another account's chats by naming one of its agents.
func agentKey(account, agentID string) presence.Key {
	id, err := uuid.Parse(agentID)
	if err != nil {
		return presence.Key{}
	}
	return presence.Of(presence.Agent, uuid.NewSHA1(id, []byte(account)).String())
}

// agentKeys are under which an agent with a socket of these accounts is present: for every
// account it is the agentId itself, as gateways of earlier versions have it.
func agentKeys(of httpapi.Accounts, agentID string) []presence.Key {
	if of == nil {
		return []presence.Key{presence.Of(presence.Agent, agentID)}
	}
	var keys []presence.Key
	for account := range of {
		keys = append(keys, agentKey(account, agentID))
	}
	return keys
}

func milliseconds(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// markAway notes that the customer is away since that time.
func markAway(ctx context.Context, d *Desk, e *engagement, since time.Time) error {
	_, err := d.note(ctx, e, func(e *engagement) bool {
		if !e.AwaySince.IsZero() {
			return false
		}
		e.AwaySince = milliseconds(since)
		return true
	})
	return err
}

// markPresent notes that the customer is there again.
func markPresent(ctx context.Context, d *Desk, e *engagement) error {
	_, err := d.note(ctx, e, func(e *engagement) bool {
		if e.AwaySince.IsZero() || e.Ending {
			return false
		}
		e.AwaySince = time.Time{}
		return true
	})
	return err
}

// beginEnd ends a chat whose customer has left. The decision is stored first: the line
// must come before the end, and must not be in a chat that goes on. at is when it
// was found due.
func beginEnd(ctx context.Context, d *Desk, e *engagement, at time.Time) error {
	now, err := d.note(ctx, e, func(e *engagement) bool {
		if e.Ending || e.AwaySince.IsZero() || at.Sub(e.AwaySince) < d.abandonAfter {
			return false
		}
		if d.customerPresent(e) {
			return false // back since this was found due
		}
		e.Ending = true
		return true
	})
	if err != nil || !now.Ending {
		return err
	}
	return endAbandoned(ctx, d, &now)
}

// endAbandoned does what beginEnd has decided.
func endAbandoned(ctx context.Context, d *Desk, e *engagement) error {
	if e.Ended() {
		return nil
	}
	if err := d.writeLine(ctx, e, system, "abandoned", "The chat was ended because the customer left."); err != nil {
		return err
	}
	_, err := d.update(ctx, e, func(e *engagement) ([]wire.Event, error) { return e.Terminate(), nil })
	if err == nil {
		d.log.Info("desk: a chat was ended, its customer had left", "engagementId", e.EngagementID)
		d.noteOwn("end", e, "")
	}
	return err
}

// markWatched notes that an agent's presence counts from now on.
func markWatched(ctx context.Context, d *Desk, e *engagement, agentID string) error {
	_, err := d.note(ctx, e, func(e *engagement) bool {
		if staff(e, agentID) == nil || e.isWatched(agentID) {
			return false
		}
		e.setWatched(agentID, true)
		return true
	})
	return err
}

// removeDisconnected takes out an agent or supervisor whose stay began at joined and who has not
// been present since that time.
func removeDisconnected(ctx context.Context, d *Desk, e *engagement, agentID string, joined, since time.Time) error {
	done := ""
	now, err := d.update(ctx, e, func(e *engagement) ([]wire.Event, error) {
		m := staff(e, agentID)
		done = ""
		if m == nil || !e.isWatched(agentID) || !m.JoinedAt.Equal(joined) || d.present(e.Customer.Account, agentID) {
			return nil, nil // by another's hand, or here again
		}
		text := m.DisplayName + " was disconnected."
		events := e.Remove(agentID)
		done = "leave"
		if !e.Ended() && !routed(e) {
			done = "requeue"
			e.WaitingSince = milliseconds(since)
			e.Requeued = true
			text += " Another agent will be with you soon. Please stay in the chat."
			events = append(events, e.Add(d.bot)...)
		}
		e.Notice = &notice{Key: "lost:" + agentID + ":" + stamp(joined), Text: text, At: milliseconds(time.Now())}
		return events, nil
	})
	if err != nil {
		return err
	}
	d.log.Info("desk: an agent was disconnected", "engagementId", e.EngagementID, "agentId", agentID)
	if done != "" {
		d.noteOwn(done, e, agentID)
	}
	return d.writeDueLines(ctx, &now)
}
