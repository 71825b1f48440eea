package sdk

import (
	"time"

	"openchat/sdk/wire"
)

// membership is how far this session is in a chat.
type membership int

// The order matters: from memberLeft on, it has been disconnected.
const (
	memberOutside   membership = iota // the page receives nothing of the chat
	memberCreated                     // this session has created it: the stream will say that it is in
	memberJoined                      // join was answered: the stream will say that it is in
	memberInside                      // the stream has said so: the page receives everything (ENG-9)
	memberLeft                        // only the chat's own end is still raised (ENG-5)
	memberWithdrawn                   // left before the stream said that it was in: nothing is raised
)

// engagement is what is known of one chat. Its positions are places in the event stream.
type engagement struct {
	id, dialogID  string
	status        wire.EngagementStatus
	createdAt     time.Time
	lastUpdatedAt time.Time
	participants  []Participant

	member membership
	// liveFrom is where this session came in, once it has joined or is inside: what is
	// stored up to here is history, what is later comes as events.
	liveFrom wire.EventID
	// shownID is the last change that is shown above: an older snapshot does not undo it.
	shownID wire.EventID
	// deliveredID is the last change that a re-reading has delivered; the events that made
	// it may still come (STREAM-7).
	deliveredID wire.EventID
	// reReadID is up to where a re-reading has raised the messages, be the rest of it still
	// under way or have failed.
	reReadID wire.EventID
	// raisedFrom and raisedTo are the messageIndex of the first and the last message of those
	// that were raised without a gap; 0: none.
	raisedFrom, raisedTo int64
	// ownID is the newest message that a send has resolved with.
	ownID wire.EventID

	sends []*send // head under way, MSG-3
}

func (e *engagement) snapshot() Engagement {
	return Engagement{
		EngagementID:     e.id,
		DialogID:         e.dialogID,
		EngagementStatus: e.status,
		CreatedAt:        e.createdAt,
		LastUpdatedAt:    e.lastUpdatedAt,
		Participants:     append(e.participants[:0:0], e.participants...),
	}
}

func (e *engagement) ended() bool {
	return e.status == wire.EngagementTerminating || e.status == wire.EngagementTerminated
}

// wasInside reports whether the stream has said that this session is in.
func (e *engagement) wasInside() bool { return e.member == memberInside || e.member == memberLeft }

// awaitsInside reports whether the stream has yet to say that this session is, or was, in.
func (e *engagement) awaitsInside() bool {
	return e.member == memberCreated || e.member == memberJoined ||
		e.member == memberWithdrawn && e.status != wire.EngagementTerminated
}

// setJoined notes that join was answered, with a snapshot as of a position. An answer that
// the chat's end has overtaken changes nothing: all there is to raise has been raised.
func (e *engagement) setJoined(position wire.EventID) {
	if e.wasInside() || e.status == wire.EngagementTerminated {
		return
	}
	e.liveFrom = position
	if e.member != memberWithdrawn {
		e.member = memberJoined
	}
}

// setLeft notes that disconnect was answered.
func (e *engagement) setLeft() {
	if e.wasInside() {
		e.member = memberLeft
	} else {
		e.member = memberWithdrawn
	}
}

func (e *engagement) add(p Participant) {
	e.remove(p.ParticipantID)
	e.participants = append(e.participants, p)
}

func (e *engagement) remove(participantID string) {
	others := make([]Participant, 0, len(e.participants)+1)
	for _, p := range e.participants {
		if p.ParticipantID != participantID {
			others = append(others, p)
		}
	}
	e.participants = others
}

// merge takes a snapshot from the server into what is known.
func (c *chats) merge(w *wire.Engagement) *engagement {
	e := c.engagements[w.EngagementID]
	if e == nil {
		e = &engagement{id: w.EngagementID, createdAt: w.CreatedAt}
		c.engagements[e.id] = e
	}
	if w.EventID < e.shownID {
		return e // the stream is ahead of this answer
	}
	e.shownID = w.EventID
	e.dialogID = w.DialogID
	e.createdAt, e.lastUpdatedAt = w.CreatedAt, w.LastUpdatedAt
	e.participants = nil
	for _, p := range w.Participants {
		e.add(c.named(p))
	}
	if !e.ended() || w.EngagementStatus == wire.EngagementTerminated {
		e.status = w.EngagementStatus
	}
	return e
}

// named fills in a participant's name, without which existing pages break (ENG-6).
func (c *chats) named(p Participant) Participant {
	if p.DisplayName != "" {
		return p
	}
	switch p.ParticipantType {
	case wire.ParticipantCustomer:
		p.DisplayName = c.customer
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
