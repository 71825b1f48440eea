package sdk

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"openchat/sdk/wire"
)

// maxResyncPages bounds what is re-read of one engagement: 200 pages of 50.
const maxResyncPages = 200

// resync makes good what the gateway could not replay (STREAM-7): it re-reads the
// engagements and the messages between the last position and target, raises what was
// missed, and only then lets newer frames through. If anything fails, the position
// stays, the connection is given up, and the next one begins again.
func (s *session) resync(target wire.EventID) {
	s.log.log(LogWarn, "the event stream could not be resumed, re-reading")
	s.stream.hold()
	epoch := s.stream.epoch
	failed := func(err *Error) {
		s.log.log(LogError, "re-reading failed: "+err.Message)
		now := time.Now()
		s.runStream(s.stream.lost(FailureServerError, "What was missed could not be read", now), now)
	}
	// What is not listed has ended, unless it was created meanwhile.
	known := maps.Clone(s.engagements)
	s.request(&call{
		name: "list engagements", method: "GET", path: "/engagements?sessionId=" + s.id,
		then: func(a answer) {
			if epoch != s.stream.epoch || s.phase != ready {
				return
			}
			if a.err != nil {
				failed(a.err)
				return
			}
			list, err := wire.DecodeEngagements(a.body)
			if err != nil {
				failed(failBecause(CodeUnexpectedAnswer, "listing engagements", err))
				return
			}
			found := map[string]*wire.Engagement{}
			for i := range list {
				found[list[i].EngagementID] = &list[i]
			}
			// Everything that needs its messages re-read: what the session is in, was in,
			// or was to be in and now is.
			var ids []string
			for id, e := range s.engagements {
				w := found[id]
				if w == nil && known[id] == nil {
					continue
				}
				if e.member || e.created || e.joinedID != 0 || w != nil && w.EngagementStatus == wire.EngagementActive {
					ids = wire.AppendInOrder(ids, id)
				}
			}
			for id, w := range found {
				if s.engagements[id] == nil && w.EngagementStatus == wire.EngagementActive {
					ids = wire.AppendInOrder(ids, id)
				}
			}
			s.resyncNext(ids, found, target, epoch, failed)
		},
	})
}

// resyncNext re-reads the first of ids, then the rest, then ends the resync.
func (s *session) resyncNext(ids []string, found map[string]*wire.Engagement, target wire.EventID, epoch int, failed func(*Error)) {
	if len(ids) == 0 {
		for _, w := range found {
			if s.engagements[w.EngagementID] == nil || !s.engagements[w.EngagementID].member {
				e := s.merge(w)
				s.changed(e)
			}
		}
		s.stream.release(target, time.Now())
		return
	}
	id := ids[0]
	w := found[id]
	dialog := ""
	if w != nil {
		dialog = w.DialogID
	} else {
		dialog = s.engagements[id].dialogID
	}
	seen := target
	if w == nil {
		seen = math.MaxUint64 // it has ended: what came after target must be told before that
	}
	s.missed(Cursor{EngagementID: id, DialogID: dialog, Size: wire.MaxPageSize, Seen: seen, End: math.MaxInt64}, nil, 0, 0, func(list []wire.Message, err *Error) {
		if epoch != s.stream.epoch || s.phase != ready {
			return
		}
		if err != nil {
			failed(err)
			return
		}
		s.raiseMissed(id, w, list, target)
		s.resyncNext(ids[1:], found, target, epoch, failed)
	})
}

// missed reads backwards, from the newest message or from before, to the last one
// handled. list is what later pages held.
func (s *session) missed(at Cursor, list []wire.Message, before int64, pages int, then func([]wire.Message, *Error)) {
	query := ""
	if before > 0 {
		query = "&before=" + strconv.FormatInt(before, 10)
	}
	last := s.stream.lastID
	if e := s.engagements[at.EngagementID]; e != nil {
		last = max(last, e.reReadID)
	}
	s.fetch(at, query, func(p wire.MessagePage, err *Error) {
		if err != nil {
			then(nil, err)
			return
		}
		fresh := slices.DeleteFunc(slices.Clone(p.Messages), func(m wire.Message) bool {
			return m.EventID <= last || m.EventID > at.Seen
		})
		reached := len(p.Messages) == 0 || p.Messages[0].EventID <= last || !p.HasOlder
		list = append(fresh, list...)
		if pages++; reached || pages >= maxResyncPages {
			if !reached {
				s.log.log(LogError, "more was missed than is re-read; older messages are in getMessages")
			}
			then(list, nil)
			return
		}
		s.missed(at, list, p.Messages[0].MessageIndex, pages, then)
	})
}

// raiseMissed raises the difference between what the page knows of an engagement and
// what the server says.
func (s *session) raiseMissed(id string, w *wire.Engagement, list []wire.Message, target wire.EventID) {
	now := time.Now()
	e := s.engagements[id]
	var dialog string
	var in []Participant
	active := false
	if w != nil {
		dialog, in, active = w.DialogID, w.Participants, w.EngagementStatus == wire.EngagementActive
	} else {
		// It has ended. Who created or joined it by a call's answer has yet to hear that it
		// was in.
		dialog, in, active = e.dialogID, e.participants, e.created || e.joinedID != 0
	}
	if active && (e == nil || !e.member) {
		if e != nil {
			e.participants = nil // the page is to be told of them all (EV-13)
		}
		ev := wire.Event{Type: wire.EventEngagementActive, Date: now, EngagementID: id, DialogID: dialog, SessionID: s.id}
		s.apply(&ev)
		e = s.engagements[id]
	}
	if e == nil {
		return
	}
	// The customer first, as a chat's first events are ordered (EV-13).
	for _, customers := range []bool{true, false} {
		for _, p := range in {
			if (p.ParticipantType == wire.ParticipantCustomer) == customers && !has(e.participants, p.ParticipantID) {
				s.apply(&wire.Event{Type: wire.EventParticipantAdded, Date: now, EngagementID: id, DialogID: e.dialogID, Participant: p})
			}
		}
	}
	for i := range list {
		m := &list[i]
		if len(e.sends) > 0 && e.sends[0].key == m.CorrelationID {
			n := e.sends[0]
			s.rest.drop(n.call)
			s.sent(e, n, m)
		}
		if e.member && !e.left {
			s.raiseMessage(m)
		}
	}
	e.reReadID = target
	for _, p := range slices.Backward(slices.Clone(e.participants)) { // the customer, who came first, leaves last
		if w == nil || !has(w.Participants, p.ParticipantID) {
			s.apply(&wire.Event{Type: wire.EventParticipantDisconnected, Date: now, EngagementID: id, DialogID: e.dialogID, Participant: p})
		}
	}
	if w == nil && e.member {
		s.apply(&wire.Event{Type: wire.EventEngagementTerminated, Date: now, EngagementID: id, DialogID: e.dialogID})
	}
	if w == nil {
		e.reReadID, e.deliveredID = math.MaxUint64, math.MaxUint64 // all of it has been told
	} else {
		e.stateID = max(e.stateID, w.EventID)
		e.deliveredID = w.EventID
	}
}

// skipDelivered reports that an event is of a change that a resync has told already: the
// snapshot was newer than the place from which the stream goes on.
func (s *session) skipDelivered(ev *wire.Event) bool {
	e := s.engagements[ev.EngagementID]
	switch {
	case e == nil || ev.Type == wire.EventEngagementError:
		return false
	case ev.Message != nil:
		return s.stream.lastID <= e.reReadID
	case s.stream.lastID > e.deliveredID:
		return false
	}
	if ev.Type == wire.EventEngagementActive {
		s.created(ev)
	}
	return true
}

func has(list []Participant, id string) bool {
	return slices.ContainsFunc(list, func(p Participant) bool { return p.ParticipantID == id })
}
