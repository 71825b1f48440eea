package sdk

import (
	"time"

	"openchat/sdk/wire"
)

// chats keeps what a session knows of its engagements and their messages. Its inputs are
// what the page asks for, answers of the calls that it made, and the events of the
// stream; what is to happen is in out.
type chats struct {
	// Set once, before the first input.
	session     string // its id at the gateway, for paths and bodies
	customer    string // the user's name
	sendTimeout time.Duration
	newID       func() string
	log         *logger

	position    wire.EventID // everything in the event stream up to here was handled
	over        bool         // the session ends: nothing more is sent
	engagements map[string]*engagement
	creating    map[string]*creation // by correlationId
	rereads     int                  // counts rereadings and their ends; what an older one brings is void
	out         []chatOutput
}

// creation is a createEngagement whose answer is awaited.
type creation struct {
	call *call
	done func(Engagement, error)
}

// begin takes the engagements that there are when the session begins, at a position of
// the event stream. It returns them as the page is to see them.
func (c *chats) begin(list []wire.Engagement, position wire.EventID) (all []Engagement) {
	c.position = position
	for i := range list {
		e := c.merge(&list[i])
		if e.status == wire.EngagementActive {
			e.member = memberInside // since before a reload (SES-1)
		}
		all = append(all, e.snapshot())
	}
	return all
}

// event takes an event at a position of the stream, unless it is of a change that a
// re-reading has delivered: the snapshot was newer than the place from which the stream
// goes on.
func (c *chats) event(position wire.EventID, ev *wire.Event) {
	c.position = position
	if e := c.engagements[ev.EngagementID]; e != nil {
		switch {
		case ev.Type == wire.EventEngagementError:
		case ev.Message != nil:
			if position <= e.reReadID {
				return
			}
		case position <= e.deliveredID:
			if ev.Type == wire.EventEngagementActive {
				c.settleCreation(ev)
			}
			return
		}
	}
	c.apply(ev)
}

// apply takes one event into the state, then raises it: a handler that looks at the
// engagement sees the change (ENG-7).
func (c *chats) apply(ev *wire.Event) {
	switch ev.Type {
	case wire.EventMessages:
		c.messageEvent(ev.Message)
		return
	case wire.EventEngagementActive:
		c.settleCreation(ev)
	}
	e := c.engagements[ev.EngagementID]
	out := &Event{
		Type:         EventType(ev.Type),
		Date:         ev.Date,
		EngagementID: ev.EngagementID,
		DialogID:     ev.DialogID,
		ErrorType:    ev.ErrorType,
		ErrorTitle:   ev.ErrorTitle,
		ErrorDetail:  ev.ErrorDetail,
	}
	switch ev.Type {
	case wire.EventEngagementActive:
		if e == nil {
			e = &engagement{id: ev.EngagementID, createdAt: ev.Date}
			c.engagements[e.id] = e
		}
		if e.member >= memberLeft {
			return // disconnected before the event arrived
		}
		e.dialogID = ev.DialogID
		if e.member != memberInside {
			e.member, e.liveFrom = memberInside, c.position
		}
		if !e.ended() { // a disconnect that is under way may fail yet
			e.status = wire.EngagementActive
		}
	case wire.EventEngagementTerminated:
		if e == nil {
			return
		}
		e.status = wire.EngagementTerminated
		e.participants = nil
	case wire.EventParticipantAdded, wire.EventParticipantDisconnected:
		if e == nil {
			return
		}
		out.Participant = c.named(ev.Participant)
		if ev.Type == wire.EventParticipantAdded {
			e.add(out.Participant)
		} else {
			e.remove(out.Participant.ParticipantID)
		}
	case wire.EventEngagementError:
		// It may concern a chat that was never created, so it needs no engagement.
		c.emit(out)
		return
	default:
		c.log.log(LogDebug, "unknown event type skipped")
		return
	}
	e.shownID = max(e.shownID, c.position)
	e.lastUpdatedAt = ev.Date
	own := ev.Type == wire.EventEngagementTerminated ||
		ev.Type == wire.EventParticipantDisconnected && out.Participant.ParticipantType == wire.ParticipantCustomer
	if e.member != memberInside && !(e.member == memberLeft && own) {
		out = &Event{Date: ev.Date}
	}
	snapshot := e.snapshot()
	out.Changed = &snapshot
	c.emit(out)
	if ev.Type == wire.EventEngagementTerminated {
		e.member, e.liveFrom = memberOutside, 0
		c.stopSends(e)
	}
}

// changed delivers e's state to what mirrors it, without an event for the page.
func (c *chats) changed(e *engagement) {
	snapshot := e.snapshot()
	c.emit(&Event{Changed: &snapshot})
}

// known finds an engagement for a call.
func (c *chats) known(id string) (*engagement, *Error) {
	if e := c.engagements[id]; e != nil {
		return e, nil
	}
	return nil, fail(CodeNoEngagement, "")
}

// create begins a chat.
func (c *chats) create(parameters map[string]string, done func(Engagement, error)) {
	key := c.newID()
	body := wire.CreateEngagement{SessionID: c.session, EngagementParameters: parameters, CorrelationID: key}
	n := &creation{done: done}
	n.call = &call{
		name: "create engagement", method: "POST", path: wire.EngagementsPath, body: body.Append(nil), failure: CodeUpdateFailed,
		then: func(a answer) {
			delete(c.creating, key)
			w, bad := wire.DecodeEngagement(a.body)
			err := a.check("creating an engagement", bad, wire.IsUUID(w.EngagementID))
			if err != nil {
				c.settle(func() { done(Engagement{}, err) })
				return
			}
			e := c.merge(&w)
			if e.member == memberOutside && !e.ended() {
				e.member = memberCreated
			}
			c.settleEngagement(e, done)
		},
	}
	c.creating[key] = n
	c.add(chatRequest).call = n.call
}

// settleCreation settles a create whose first event overtook its answer: the page must
// have the engagement before an event names it (ENG-8).
func (c *chats) settleCreation(ev *wire.Event) {
	n := c.creating[ev.CorrelationID]
	if n == nil || ev.CorrelationID == "" {
		return
	}
	delete(c.creating, ev.CorrelationID)
	id := ev.EngagementID
	n.call.then = func(a answer) {
		if w, err := wire.DecodeEngagement(a.body); a.err == nil && err == nil && w.EngagementID == id {
			c.changed(c.merge(&w))
		}
	}
	e := c.engagements[id]
	if e == nil {
		e = &engagement{id: id, dialogID: ev.DialogID, status: wire.EngagementPending, createdAt: ev.Date, lastUpdatedAt: ev.Date}
		c.engagements[id] = e
	}
	c.settleEngagement(e, n.done)
}

// list asks the server for all ongoing chats. What this session is in and the server no
// longer lists keeps its state until an event says that it has ended.
func (c *chats) list(done func([]Engagement, error)) {
	c.add(chatRequest).call = c.listCall(func(list []wire.Engagement, err *Error) {
		if err != nil {
			c.settle(func() { done(nil, err) })
			return
		}
		all := make([]Engagement, 0, len(list))
		for i := range list {
			e := c.merge(&list[i])
			c.changed(e) // who asked for one of them only mirrors the others, too
			if !e.ended() {
				all = append(all, e.snapshot())
			}
		}
		c.settle(func() { done(all, nil) })
	})
}

// listCall is the call that reads all ongoing chats.
func (c *chats) listCall(then func([]wire.Engagement, *Error)) *call {
	return &call{
		name: "list engagements", method: "GET", path: wire.EngagementsPath + "?" + wire.FieldSessionID + "=" + c.session,
		then: func(a answer) {
			v, bad := wire.DecodeEngagements(a.body)
			then(v, a.check("listing engagements", bad, true))
		},
	}
}

// join puts this session into a chat.
func (c *chats) join(id string, done func(Engagement, error)) *Error {
	e, err := c.known(id)
	switch {
	case err != nil:
		return err
	case e.ended():
		return fail(CodeDefunctEngagement, "")
	case e.status == wire.EngagementActive:
		return fail(CodeAlreadyActive, "")
	}
	body := wire.EngagementCall{SessionID: c.session, DialogID: e.dialogID, CorrelationID: c.newID()}
	c.add(chatRequest).call = &call{
		name: "join engagement", method: "POST", path: wire.EngagementsPath + "/" + id + ":" + wire.JoinVerb, body: body.Append(nil), failure: CodeUpdateFailed,
		then: func(a answer) {
			w, bad := wire.DecodeEngagement(a.body)
			err := a.check("joining an engagement", bad, w.EngagementID == id)
			if err != nil {
				if a.status == 409 {
					err = failBecause(CodeDefunctEngagement, "", err)
				}
				c.settle(func() { done(Engagement{}, err) })
				return
			}
			e.setJoined(w.EventID)
			c.merge(&w)
			c.settleEngagement(e, done)
		},
	}
	return nil
}

// disconnect takes the user out of a chat.
func (c *chats) disconnect(id string, reason wire.Reason, done func(Engagement, error)) *Error {
	if reason == "" {
		reason = wire.ReasonUserClosed
	}
	if !reason.Valid() {
		return fail(CodeConstraintViolation, "reason must be USER_CLOSED, SYSTEM_CLOSED or USER_INACTIVE")
	}
	e, err := c.known(id)
	if err != nil {
		return err
	}
	if e.status != wire.EngagementActive {
		return fail(CodeNotActive, "")
	}
	body := wire.EngagementCall{SessionID: c.session, DialogID: e.dialogID, Reason: reason, CorrelationID: c.newID()}
	e.status = wire.EngagementTerminating
	c.changed(e)
	c.add(chatRequest).call = &call{
		name: "disconnect engagement", method: "POST", path: wire.EngagementsPath + "/" + id + ":" + wire.DisconnectVerb, body: body.Append(nil), failure: CodeUpdateFailed,
		then: func(a answer) {
			w, bad := wire.DecodeEngagement(a.body)
			if err := a.check("disconnecting an engagement", bad, w.EngagementID == id); err != nil {
				if e.status == wire.EngagementTerminating {
					e.status = wire.EngagementActive
				}
				c.changed(e)
				c.settle(func() { done(Engagement{}, err) })
				return
			}
			e.setLeft()
			c.stopSends(e)
			c.settleEngagement(e, done)
		},
	}
	return nil
}
