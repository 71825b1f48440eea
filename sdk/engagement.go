package sdk

import (
	"slices"
	"time"

	"openchat/sdk/wire"
)

// engagement is what the session knows of one chat.
type engagement struct {
	id, dialogID  string
	status        wire.EngagementStatus
	createdAt     time.Time
	lastUpdatedAt time.Time
	participants  []Participant

	// member: this session's stream has said that it is in, so the page hears of this
	// chat's events (ENG-9).
	member bool
	// left: disconnect has succeeded; only the chat's own end is still told (ENG-5).
	left bool
	// stateID is the position of the last change that is shown above; an older
	// snapshot does not undo it.
	stateID wire.EventID
	// deliveredID is the position of the last change that a resync has told the page of; the
	// events that made it may still come (STREAM-7).
	deliveredID wire.EventID
	// reReadID is the position up to which a resync has raised the messages, be the rest
	// of it still under way or have failed.
	reReadID wire.EventID
	// created: a call of this session has created it, so it will be told that it is in.
	created bool
	// joinedID is the position of this session's joining while member is not yet true:
	// what lies before it is history.
	joinedID wire.EventID
	// sinceID is the position from which its messages come as events, once member is true.
	sinceID wire.EventID
	// ownID is the position of the newest message that a send has resolved with.
	ownID wire.EventID

	sends []*send // head under way, MSG-3
}

// creation is a createEngagement whose answer is awaited.
type creation struct {
	call *call
	done func(Engagement, error)
}

func (e *engagement) snapshot() Engagement {
	return Engagement{
		EngagementID:     e.id,
		DialogID:         e.dialogID,
		EngagementStatus: e.status,
		CreatedAt:        e.createdAt,
		LastUpdatedAt:    e.lastUpdatedAt,
		Participants:     slices.Clone(e.participants),
	}
}

func (e *engagement) ended() bool {
	return e.status == wire.EngagementTerminating || e.status == wire.EngagementTerminated
}

// named fills in a participant's name, without which existing pages break (ENG-6).
func (s *session) named(p Participant) Participant {
	if p.DisplayName != "" {
		return p
	}
	switch p.ParticipantType {
	case wire.ParticipantCustomer:
		p.DisplayName = s.info.DisplayName
		if p.DisplayName == "" {
			p.DisplayName = "Customer"
		}
	case wire.ParticipantAgent:
		p.DisplayName = "Agent"
	case wire.ParticipantSupervisor:
		p.DisplayName = "Supervisor"
	case wire.ParticipantBot:
		p.DisplayName = "Assistant"
	default:
		p.DisplayName = "System"
	}
	return p
}

// merge takes a snapshot from the server into what is known.
func (s *session) merge(w *wire.Engagement) *engagement {
	e := s.engagements[w.EngagementID]
	if e == nil {
		e = &engagement{id: w.EngagementID, createdAt: w.CreatedAt}
		s.engagements[e.id] = e
	}
	if w.EventID < e.stateID {
		return e // the stream is ahead of this answer
	}
	e.stateID = w.EventID
	e.dialogID = w.DialogID
	e.createdAt, e.lastUpdatedAt = w.CreatedAt, w.LastUpdatedAt
	e.participants = nil
	for _, p := range w.Participants {
		e.add(s.named(p))
	}
	if !e.ended() || w.EngagementStatus == wire.EngagementTerminated {
		e.status = w.EngagementStatus
	}
	return e
}

func (e *engagement) add(p Participant) {
	e.remove(p.ParticipantID)
	e.participants = append(e.participants, p)
}

func (e *engagement) remove(participantID string) {
	e.participants = slices.DeleteFunc(slices.Clone(e.participants), func(p Participant) bool {
		return p.ParticipantID == participantID
	})
}

// createEngagement begins a chat.
func (s *session) createEngagement(parameters map[string]string, done func(Engagement, error)) {
	key := s.c.newUUID()
	body := wire.CreateEngagement{SessionID: s.id, EngagementParameters: parameters, CorrelationID: key}
	c := &call{name: "create engagement", method: "POST", path: "/engagements", body: body.Append(nil), failure: CodeUpdateFailed}
	c.then = func(a answer) {
		delete(s.creating, key)
		if a.err == nil {
			w, err := wire.DecodeEngagement(a.body)
			if err == nil && wire.IsUUID(w.EngagementID) {
				e := s.merge(&w)
				e.created = !e.member && !e.ended()
				snapshot := e.snapshot()
				s.enqueue(func() { done(snapshot, nil) })
				return
			}
			a.err = failBecause(CodeUnexpectedAnswer, "creating an engagement", err)
		}
		s.enqueue(func() { done(Engagement{}, a.err) })
	}
	s.creating[key] = &creation{c, done}
	s.request(c)
}

// created settles a createEngagement whose first event overtook its answer: the page
// must know the engagement before it hears of it (ENG-8).
func (s *session) created(ev *wire.Event) {
	n := s.creating[ev.CorrelationID]
	if n == nil || ev.CorrelationID == "" {
		return
	}
	delete(s.creating, ev.CorrelationID)
	n.call.then = func(a answer) {
		if w, err := wire.DecodeEngagement(a.body); a.err == nil && err == nil && w.EngagementID == ev.EngagementID {
			s.changed(s.merge(&w))
		}
	}
	e := s.engagements[ev.EngagementID]
	if e == nil {
		e = &engagement{id: ev.EngagementID, dialogID: ev.DialogID, status: wire.EngagementPending, createdAt: ev.Date, lastUpdatedAt: ev.Date}
		s.engagements[e.id] = e
	}
	snapshot := e.snapshot()
	s.enqueue(func() { n.done(snapshot, nil) })
}

// listEngagements asks the server for all ongoing chats. What this session is in
// and the server no longer lists keeps its state until the stream tells of its end.
func (s *session) listEngagements(done func([]Engagement, error)) {
	s.request(&call{
		name: "list engagements", method: "GET", path: "/engagements?sessionId=" + s.id,
		then: func(a answer) {
			var list []wire.Engagement
			if a.err == nil {
				var err error
				if list, err = wire.DecodeEngagements(a.body); err != nil {
					a.err = failBecause(CodeUnexpectedAnswer, "listing engagements", err)
				}
			}
			if a.err != nil {
				s.enqueue(func() { done(nil, a.err) })
				return
			}
			all := make([]Engagement, 0, len(list))
			for i := range list {
				e := s.merge(&list[i])
				s.changed(e) // who asked for one of them only mirrors the others, too
				if !e.ended() {
					all = append(all, e.snapshot())
				}
			}
			s.enqueue(func() { done(all, nil) })
		},
	})
}

// known finds an engagement for a call.
func (s *session) known(id string) (*engagement, *Error) {
	if e := s.engagements[id]; e != nil {
		return e, nil
	}
	return nil, fail(CodeNoEngagement, "")
}

func (s *session) join(id string, done func(Engagement, error)) *Error {
	e, err := s.known(id)
	switch {
	case err != nil:
		return err
	case e.ended():
		return fail(CodeDefunctEngagement, "")
	case e.status == wire.EngagementActive:
		return fail(CodeAlreadyActive, "")
	}
	body := wire.EngagementCall{SessionID: s.id, DialogID: e.dialogID, CorrelationID: s.c.newUUID()}
	s.request(&call{
		name: "join engagement", method: "POST", path: "/engagements/" + id + ":join", body: body.Append(nil), failure: CodeUpdateFailed,
		then: func(a answer) {
			if a.err == nil {
				w, err := wire.DecodeEngagement(a.body)
				if err == nil && w.EngagementID == id {
					if !e.member {
						e.joinedID = w.EventID
					}
					s.merge(&w)
					snapshot := e.snapshot()
					s.enqueue(func() { done(snapshot, nil) })
					return
				}
				a.err = failBecause(CodeUnexpectedAnswer, "joining an engagement", err)
			}
			if a.status == 409 {
				a.err = failBecause(CodeDefunctEngagement, "", a.err)
			}
			s.enqueue(func() { done(Engagement{}, a.err) })
		},
	})
	return nil
}

func (s *session) disconnect(id string, reason wire.Reason, done func(Engagement, error)) *Error {
	if reason == "" {
		reason = wire.ReasonUserClosed
	}
	if !reason.Valid() {
		return fail(CodeConstraintViolation, "reason must be USER_CLOSED, SYSTEM_CLOSED or USER_INACTIVE")
	}
	e, err := s.known(id)
	if err != nil {
		return err
	}
	if e.status != wire.EngagementActive {
		return fail(CodeNotActive, "")
	}
	body := wire.EngagementCall{SessionID: s.id, DialogID: e.dialogID, Reason: reason, CorrelationID: s.c.newUUID()}
	e.status = wire.EngagementTerminating
	s.changed(e)
	s.request(&call{
		name: "disconnect engagement", method: "POST", path: "/engagements/" + id + ":disconnect", body: body.Append(nil), failure: CodeUpdateFailed,
		then: func(a answer) {
			if a.err == nil {
				if w, err := wire.DecodeEngagement(a.body); err != nil || w.EngagementID != id {
					a.err = failBecause(CodeUnexpectedAnswer, "disconnecting an engagement", err)
				}
			}
			if a.err != nil {
				if e.status == wire.EngagementTerminating {
					e.status = wire.EngagementActive
				}
				s.changed(e)
				s.enqueue(func() { done(Engagement{}, a.err) })
				return
			}
			e.left = true
			s.stopSends(e)
			snapshot := e.snapshot()
			s.enqueue(func() { done(snapshot, nil) })
		},
	})
	return nil
}

// changed tells mirrors of e's state without an event for the page.
func (s *session) changed(e *engagement) {
	snapshot := e.snapshot()
	s.emit(Event{Changed: &snapshot})
}

// apply takes one event of the stream into the state, then raises it: a handler that
// looks at the engagement sees the change (ENG-7).
func (s *session) apply(ev *wire.Event) {
	switch ev.Type {
	case wire.EventSessionTerminated:
		s.endedByServer(ev.Reason)
		return
	case wire.EventMessages:
		s.messageEvent(ev.Message)
		return
	case wire.EventEngagementActive:
		s.created(ev)
	}
	e := s.engagements[ev.EngagementID]
	out := Event{
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
			s.engagements[e.id] = e
		}
		if e.left {
			return // disconnected before the news arrived
		}
		e.dialogID = ev.DialogID
		if !e.member {
			e.member, e.sinceID = true, s.stream.lastID
		}
		e.created, e.joinedID = false, 0
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
		out.Participant = s.named(ev.Participant)
		if ev.Type == wire.EventParticipantAdded {
			e.add(out.Participant)
		} else {
			e.remove(out.Participant.ParticipantID)
		}
	case wire.EventEngagementError:
		// It may concern a chat that never came to be, so it needs no engagement.
		s.emit(out)
		return
	default:
		s.log.log(LogDebug, "unknown event type skipped")
		return
	}
	e.stateID = max(e.stateID, s.stream.lastID)
	e.lastUpdatedAt = ev.Date
	snapshot := e.snapshot()
	out.Changed = &snapshot
	own := ev.Type == wire.EventEngagementTerminated ||
		ev.Type == wire.EventParticipantDisconnected && out.Participant.ParticipantType == wire.ParticipantCustomer
	if !e.member || e.left && !own {
		out = Event{Date: ev.Date, Changed: &snapshot}
	}
	s.emit(out)
	if ev.Type == wire.EventEngagementTerminated {
		e.member, e.created, e.joinedID = false, false, 0
		s.stopSends(e)
	}
}
