package sdk

import (
	"math"
	"strconv"
	"time"

	"openchat/sdk/wire"
)

// maxResyncPages bounds what is re-read of one engagement: 200 pages of 50.
const maxResyncPages = 200

// rereading is what a re-reading has found out and has yet to do.
type rereading struct {
	number int                         // of rereads
	target wire.EventID                // events up to here are re-read
	found  map[string]*wire.Engagement // what the server lists
	ids    []string                    // engagements whose messages are yet to be read
}

// reread recovers what the gateway could not replay (STREAM-7): it re-reads the
// engagements and the messages between the position and target, and raises what was
// missed. Frames wait until chatReread. If anything fails, the position stays, the
// connection is given up, and the next one begins again.
func (c *chats) reread(target wire.EventID) {
	c.log.log(LogWarn, "the event stream could not be resumed, re-reading")
	c.rereads++
	r := &rereading{number: c.rereads, target: target, found: map[string]*wire.Engagement{}}
	// What is not listed has ended, unless it was created meanwhile.
	known := make(map[string]bool, len(c.engagements))
	for id := range c.engagements {
		known[id] = true
	}
	c.add(chatRequest).call = c.listCall(func(list []wire.Engagement, err *Error) {
		if c.stopped(r, err) {
			return
		}
		for i := range list {
			r.found[list[i].EngagementID] = &list[i]
		}
		// Everything that needs its messages re-read: what the session is in, was in,
		// or was to be in and now is.
		for id, e := range c.engagements {
			w := r.found[id]
			if w == nil && !known[id] {
				continue
			}
			if e.wasInside() || e.awaitsInside() || w != nil && w.EngagementStatus == wire.EngagementActive {
				r.ids = wire.AppendInOrder(r.ids, id)
			}
		}
		for id, w := range r.found {
			if c.engagements[id] == nil && w.EngagementStatus == wire.EngagementActive {
				r.ids = wire.AppendInOrder(r.ids, id)
			}
		}
		c.rereadNext(r)
	})
}

// stopReread makes a re-reading that is under way void: its connection is no more.
func (c *chats) stopReread() { c.rereads++ }

// stopped reports whether a re-reading does not go on. Where it fails, the connection is
// to be given up.
func (c *chats) stopped(r *rereading, err *Error) bool {
	if r.number != c.rereads || c.over {
		return true
	}
	if err != nil {
		c.log.log(LogError, "re-reading failed: "+err.Message)
		c.add(chatRereadFailed)
	}
	return err != nil
}

// rereadNext re-reads the first of the engagements, then the rest, then ends.
func (c *chats) rereadNext(r *rereading) {
	if len(r.ids) == 0 {
		for id, w := range r.found {
			if e := c.engagements[id]; e == nil || !e.wasInside() {
				c.changed(c.merge(w))
			}
		}
		c.position = max(c.position, r.target)
		c.add(chatReread).position = r.target
		return
	}
	id := r.ids[0]
	r.ids = r.ids[1:]
	w := r.found[id]
	at := Cursor{EngagementID: id, Size: wire.MaxPageSize, Seen: r.target, End: math.MaxInt64}
	if w != nil {
		at.DialogID = w.DialogID
	} else {
		at.DialogID = c.engagements[id].dialogID
		at.Seen = math.MaxUint64 // it has ended: what came after target must be delivered before that
	}
	c.missed(at, nil, 0, 0, func(list []wire.Message, err *Error) {
		if c.stopped(r, err) {
			return
		}
		c.raiseMissed(id, w, list, r.target)
		c.rereadNext(r)
	})
}

// missed reads backwards, from the newest message or from before, to the last one
// handled. list is what later pages held.
func (c *chats) missed(at Cursor, list []wire.Message, before int64, pages int, then func([]wire.Message, *Error)) {
	query := ""
	if before > 0 {
		query = "&" + wire.FieldBefore + "=" + strconv.FormatInt(before, 10)
	}
	last := c.position
	if e := c.engagements[at.EngagementID]; e != nil {
		last = max(last, e.reReadID)
	}
	c.fetch(at, query, func(p wire.MessagePage, err *Error) {
		if err != nil {
			then(nil, err)
			return
		}
		fresh := make([]wire.Message, 0, len(p.Messages)+len(list))
		for _, m := range p.Messages {
			if m.EventID > last && m.EventID <= at.Seen {
				fresh = append(fresh, m)
			}
		}
		reached := len(p.Messages) == 0 || p.Messages[0].EventID <= last || !p.HasOlder
		list = append(fresh, list...)
		if pages++; reached || pages >= maxResyncPages {
			if !reached {
				c.log.log(LogError, "more was missed than is re-read; older messages are in getMessages")
			}
			then(list, nil)
			return
		}
		c.missed(at, list, p.Messages[0].MessageIndex, pages, then)
	})
}

// raiseMissed raises the difference between what the page knows of an engagement and
// what the server says.
func (c *chats) raiseMissed(id string, w *wire.Engagement, list []wire.Message, target wire.EventID) {
	now := time.Now()
	e := c.engagements[id]
	var dialog string
	var in []Participant
	active := false
	if w != nil {
		dialog, in, active = w.DialogID, w.Participants, w.EngagementStatus == wire.EngagementActive
	} else {
		// It has ended. A page that created or joined it by a call's answer has yet to receive
		// ENGAGEMENT_ACTIVE.
		dialog, in, active = e.dialogID, e.participants, e.awaitsInside()
	}
	if active && (e == nil || !e.wasInside()) {
		if e != nil {
			e.participants = nil // the page is to receive an event for each (EV-13)
		}
		ev := wire.Event{Type: wire.EventEngagementActive, Date: now, EngagementID: id, DialogID: dialog, SessionID: c.session}
		c.apply(&ev)
		e = c.engagements[id]
	}
	if e == nil {
		return
	}
	// The customer first, as a chat's first events are ordered (EV-13).
	for _, customers := range []bool{true, false} {
		for _, p := range in {
			if (p.ParticipantType == wire.ParticipantCustomer) == customers && !has(e.participants, p.ParticipantID) {
				c.apply(&wire.Event{Type: wire.EventParticipantAdded, Date: now, EngagementID: id, DialogID: e.dialogID, Participant: p})
			}
		}
	}
	for i := range list {
		m := &list[i]
		if n := e.sendOf(m); n != nil {
			c.add(chatDrop).call = n.call
			c.sent(e, n, m)
		}
		if e.member == memberInside {
			c.raiseMessage(e, m)
		}
	}
	e.reReadID = target
	were := e.participants
	for i := len(were) - 1; i >= 0; i-- { // the customer, who came first, leaves last
		p := were[i]
		if w == nil || !has(w.Participants, p.ParticipantID) {
			c.apply(&wire.Event{Type: wire.EventParticipantDisconnected, Date: now, EngagementID: id, DialogID: e.dialogID, Participant: p})
		}
	}
	if w == nil && e.wasInside() {
		c.apply(&wire.Event{Type: wire.EventEngagementTerminated, Date: now, EngagementID: id, DialogID: e.dialogID})
	}
	if w == nil {
		e.reReadID, e.deliveredID = math.MaxUint64, math.MaxUint64 // all of it was delivered
	} else {
		e.shownID = max(e.shownID, w.EventID)
		e.deliveredID = w.EventID
	}
}

func has(list []Participant, id string) bool {
	for i := range list {
		if list[i].ParticipantID == id {
			return true
		}
	}
	return false
}
