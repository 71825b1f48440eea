package wire

import (
	"time"
)

// FrameSeparator stands between the frames of the gateway that come in one WebSocket
// message: U+001E, which JSON never holds. A message without it is one frame.
const FrameSeparator = "\x1e"

// Append adds the JSON of f to dst.
func (f *ClientFrame) Append(dst []byte) []byte {
	w := &encoder{dst}
	w.open()
	w.str("type", string(f.Type))
	if f.Type == FrameAuthenticate {
		w.str("token", f.Token)
		w.str("appkey", f.Appkey)
		w.optStr("clientId", f.ClientID)
		w.eventID("lastEventId", f.LastEventID)
	}
	w.close()
	return w.b
}

// DecodeClientFrame reads a ClientFrame. A type it does not know is no error.
func DecodeClientFrame(text []byte) (f ClientFrame, err error) {
	r := newDecoder(text)
	r.object(func(name string) {
		switch name {
		case "type":
			f.Type = FrameType(r.str())
		case "token":
			f.Token = r.str()
		case "appkey":
			f.Appkey = r.str()
		case "clientId":
			f.ClientID = r.str()
		case "lastEventId":
			f.LastEventID = r.eventID()
		default:
			r.skip()
		}
	})
	return f, r.end()
}

// Append adds the JSON of f to dst.
func (f *ServerFrame) Append(dst []byte) []byte {
	w := &encoder{dst}
	w.open()
	w.str("type", string(f.Type))
	switch f.Type {
	case FrameReady:
		w.integer("heartbeatInterval", int64(f.HeartbeatInterval/time.Second))
		w.boolean("resumed", f.Resumed)
		w.eventID("lastEventId", f.LastEventID)
		w.time("serverTime", f.ServerTime)
	case FramePing, FramePong:
		w.time("serverTime", f.ServerTime)
	case FrameEvent:
		w.eventID("id", f.ID)
		w.name("event")
		w.b = f.Event.Append(w.b)
	}
	w.close()
	return w.b
}

// AppendEventFrame adds an event frame around event, the JSON that Event.Append
// made, so that a gateway encodes an event once for all its readers.
func AppendEventFrame(dst []byte, id EventID, event []byte) []byte {
	dst = append(dst, `{"type":"event","id":"`...)
	dst = append(dst, id.String()...)
	dst = append(dst, `","event":`...)
	dst = append(dst, event...)
	return append(dst, '}')
}

// DecodeServerFrame reads a ServerFrame. A type it does not know is no error, and
// neither is an event of an unknown eventType, whatever its members are.
func DecodeServerFrame(text []byte) (ServerFrame, error) {
	f, err := decodeServerFrame(text)
	if err != nil {
		if skimmed, ok := skimEventFrame(text); ok {
			return skimmed, nil
		}
	}
	return f, err
}

// skimEventFrame reads an event frame whose event this version does not know: its
// members may have known names and other shapes.
func skimEventFrame(text []byte) (f ServerFrame, ok bool) {
	r := newDecoder(text)
	r.object(func(name string) {
		switch name {
		case "type":
			f.Type = FrameType(r.str())
		case "id":
			f.ID = r.eventID()
		case "event":
			r.object(func(name string) {
				if name == "eventType" {
					f.Event.Type = EventType(r.str())
				} else {
					r.skip()
				}
			})
		default:
			r.skip()
		}
	})
	if r.end() != nil || f.Type != FrameEvent || f.Event.Type == "" {
		return f, false
	}
	switch f.Event.Type {
	case EventEngagementActive, EventEngagementTerminated, EventEngagementError, EventParticipantAdded,
		EventParticipantDisconnected, EventMessages, EventSessionTerminated:
		return f, false
	}
	return f, true
}

func decodeServerFrame(text []byte) (f ServerFrame, err error) {
	// To look for names that come twice takes half of the memory that reading does, and
	// the gateway, unlike clients, is not out to deceive.
	r := newDecoder(text)
	r.repeats = true
	r.object(func(name string) {
		switch name {
		case "type":
			f.Type = FrameType(r.str())
		case "heartbeatInterval":
			// Within what a Duration holds.
			f.HeartbeatInterval = time.Duration(min(max(r.integer(), 0), 1<<31)) * time.Second
		case "resumed":
			f.Resumed = r.boolean()
		case "lastEventId":
			f.LastEventID = r.eventID()
		case "serverTime":
			f.ServerTime = r.time()
		case "id":
			f.ID = r.eventID()
		case "event":
			f.Event = r.event()
		default:
			r.skip()
		}
	})
	return f, r.end()
}

// Append adds the JSON of e to dst.
func (e *Event) Append(dst []byte) []byte {
	w := &encoder{dst}
	w.open()
	w.str("eventType", string(e.Type))
	w.time("eventDate", e.Date)
	if e.Message != nil {
		e.Message.appendFields(w)
		w.close()
		return w.b
	}
	w.optStr("engagementId", e.EngagementID)
	w.optStr("dialogId", e.DialogID)
	w.optStr("sessionId", e.SessionID)
	w.optStr("correlationId", e.CorrelationID)
	switch e.Type {
	case EventParticipantAdded, EventParticipantDisconnected:
		w.str("participantId", e.Participant.ParticipantID)
		w.str("participantType", string(e.Participant.ParticipantType))
		w.optStr("displayName", e.Participant.DisplayName)
	case EventSessionTerminated:
		w.optStr("reason", string(e.Reason))
	case EventEngagementError:
		w.str("type", e.ErrorType)
		w.str("title", e.ErrorTitle)
		w.optStr("detail", e.ErrorDetail)
	}
	w.close()
	return w.b
}

// DecodeEvent reads an Event. A type it does not know is no error.
func DecodeEvent(text []byte) (Event, error) {
	r := newDecoder(text)
	e := r.event()
	return e, r.end()
}

// event reads the union of all events' members, because eventType need not come
// first.
func (r *decoder) event() (e Event) {
	var m Message
	r.object(func(name string) {
		switch name {
		case "eventType":
			e.Type = EventType(r.str())
		case "eventDate":
			e.Date = r.time()
		case "reason":
			e.Reason = Reason(r.str())
		case "type":
			e.ErrorType = r.str()
		case "title":
			e.ErrorTitle = r.str()
		case "detail":
			e.ErrorDetail = r.str()
		default:
			if !r.messageField(&m, name) && !r.participantField(&e.Participant, name) {
				r.skip()
			}
		}
	})
	e.EngagementID, e.DialogID = m.EngagementID, m.DialogID
	e.CorrelationID = m.CorrelationID
	if e.Type == EventMessages {
		e.Message = &m
		e.Participant = Participant{}
	} else {
		e.SessionID = m.SessionID
	}
	return e
}
