package store

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"openchat/sdk/wire"
)

// maxSessions is how many of a customer's sessions are in one engagement; the one
// that entered first makes room. A session ends without leaving its engagements,
// so without a bound the list would grow with every visit.
const maxSessions = 64

// Side returns what that side of the chat, such as the desk, keeps with the engagement: JSON
// of its own, which the store does not read. nil when it keeps nothing.
func (e *Engagement) Side(name string) []byte { return e.sides[name] }

// SetSide replaces what that side of the chat keeps with the engagement; nil: nothing. It
// is for functions given to Update and Note.
func (e *Engagement) SetSide(name string, state []byte) {
	sides := maps.Clone(e.sides) // others may have e's
	if len(state) == 0 {
		delete(sides, name)
	} else {
		if sides == nil {
			sides = map[string]json.RawMessage{}
		}
		sides[name] = state
	}
	e.sides = sides
}

// Ended reports whether the engagement is over.
func (e *Engagement) Ended() bool { return e.Status == wire.EngagementTerminated }

// Member returns the member of that participantId, nil when it is not in. The
// pointer is into e.
func (e *Engagement) Member(participantID string) *Member {
	for i := range e.Members {
		if e.Members[i].ParticipantID == participantID {
			return &e.Members[i]
		}
	}
	return nil
}

// CustomerMember returns the customer's member, nil when no session of theirs has
// entered yet. The pointer is into e.
func (e *Engagement) CustomerMember() *Member {
	for i := range e.Members {
		if e.Members[i].ParticipantType == wire.ParticipantCustomer {
			return &e.Members[i]
		}
	}
	return nil
}

// In reports whether the session is in the engagement.
func (e *Engagement) In(sessionID string) bool {
	m := e.CustomerMember()
	return m != nil && slices.Contains(m.Sessions, sessionID)
}

// View returns the engagement as sessionID sees it: ACTIVE only when that session
// is in. newest is the index of the newest message.
func (e *Engagement) View(sessionID string, newest int64) wire.Engagement {
	v := wire.Engagement{
		EngagementID:     e.EngagementID,
		DialogID:         e.DialogID,
		EngagementStatus: e.Status,
		Participants:     make([]wire.Participant, len(e.Members)),
		CreatedAt:        e.CreatedAt,
		LastUpdatedAt:    e.LastUpdatedAt,
		NewestIndex:      newest,
		EventID:          e.EventID,
	}
	for i := range e.Members {
		v.Participants[i] = e.Members[i].Participant
	}
	if e.Status == wire.EngagementActive && !e.In(sessionID) {
		v.EngagementStatus = wire.EngagementPending
	}
	return v
}

// Enter lets a session of the customer in and returns the events, addressed to that
// session: ENGAGEMENT_ACTIVE, the customer's PARTICIPANT_ADDED,
// then everyone else's. The first session to enter brings the customer in and makes
// the engagement ACTIVE. Already in, or ended: no events, nothing changed.
func (e *Engagement) Enter(s Session) []wire.Event {
	if e.Ended() || e.In(s.SessionID) {
		return nil
	}
	if e.CustomerMember() == nil {
		name := s.DisplayName
		if name == "" {
			name = e.CustomerName
		}
		e.Members = append(e.Members, Member{
			Participant: wire.Participant{
				ParticipantID:   s.ParticipantID,
				ParticipantType: wire.ParticipantCustomer,
				DisplayName:     name,
			},
			JoinedAt: now(),
		})
	}
	e.Status = wire.EngagementActive
	customer := e.CustomerMember()
	customer.Sessions = append(customer.Sessions, s.SessionID)
	if n := len(customer.Sessions); n > maxSessions {
		customer.Sessions = customer.Sessions[n-maxSessions:]
	}
	events := []wire.Event{
		{Type: wire.EventEngagementActive, SessionID: s.SessionID},
		{Type: wire.EventParticipantAdded, SessionID: s.SessionID, Participant: customer.Participant},
	}
	if s.SessionID == e.SessionID {
		// The event can overtake the answer to POST /engagements; by this the client
		// knows its own chat (docs/protocol.md).
		events[0].CorrelationID = e.CorrelationID
	}
	for i := range e.Members {
		if m := &e.Members[i]; m != customer {
			events = append(events, wire.Event{Type: wire.EventParticipantAdded, SessionID: s.SessionID, Participant: m.Participant})
		}
	}
	return events
}

// Add lets p in and returns the event for every session. Already in, or
// ended: no events, nothing changed. For the customer, use Enter.
func (e *Engagement) Add(p wire.Participant) []wire.Event {
	if e.Ended() || e.Member(p.ParticipantID) != nil {
		return nil
	}
	e.Members = append(e.Members, Member{Participant: p, JoinedAt: now()})
	return []wire.Event{{Type: wire.EventParticipantAdded, Participant: p}}
}

// Remove takes a participant out and returns the event for every session.
// Not in, or ended: no events, nothing changed.
func (e *Engagement) Remove(participantID string) []wire.Event {
	m := e.Member(participantID)
	if e.Ended() || m == nil {
		return nil
	}
	p := m.Participant
	e.Members = slices.DeleteFunc(e.Members, func(m Member) bool { return m.ParticipantID == participantID })
	return []wire.Event{{Type: wire.EventParticipantDisconnected, Participant: p}}
}

// Terminate ends the engagement for all and returns the events for every
// session: PARTICIPANT_DISCONNECTED of each who is in, the customer's last, then
// ENGAGEMENT_TERMINATED. Nobody is in afterwards. Already ended: no events.
func (e *Engagement) Terminate() []wire.Event {
	if e.Ended() {
		return nil
	}
	e.Status = wire.EngagementTerminated
	var events []wire.Event
	for _, last := range []bool{false, true} {
		for i := range e.Members {
			if m := &e.Members[i]; (m.ParticipantType == wire.ParticipantCustomer) == last {
				events = append(events, wire.Event{Type: wire.EventParticipantDisconnected, Participant: m.Participant})
			}
		}
	}
	e.Members = nil
	return append(events, wire.Event{Type: wire.EventEngagementTerminated})
}

// now is the time as the line writes it, so that what was just stored and what is
// read back later are the same.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
