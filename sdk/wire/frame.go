package wire

import "time"

// FrameSeparator stands between the frames of the gateway that come in one WebSocket
// message: U+001E, which JSON never holds. A message without it is one frame.
const FrameSeparator = "\x1e"

// FrameType is the "type" member of a frame.
type FrameType string

// Frame types. Client sends authenticate; server sends ready, authenticated and
// event; either sends ping and answers with pong.
const (
	FrameAuthenticate  FrameType = "authenticate"
	FrameReady         FrameType = "ready"
	FrameAuthenticated FrameType = "authenticated"
	FrameEvent         FrameType = "event"
	FramePing          FrameType = "ping"
	FramePong          FrameType = "pong"
)

// ClientFrame is a frame from client to gateway.
type ClientFrame struct {
	Type   FrameType `wire:"type"`
	Token  string    `wire:"token" for:"FrameAuthenticate"`
	Appkey string    `wire:"appkey" for:"FrameAuthenticate"`
	// ClientID tells one running SDK from another: the gateway lets the same client
	// replace its own dead connection, and refuses a second client that resumes a session
	// whose first is alive (SES-4).
	ClientID    string  `wire:"clientId,optional" for:"FrameAuthenticate"`
	LastEventID EventID `wire:"lastEventId" for:"FrameAuthenticate"` // resume after this event; 0: begin now
}

// ServerFrame is a frame from gateway to client.
type ServerFrame struct {
	Type              FrameType     `wire:"type,const"`
	HeartbeatInterval time.Duration `wire:"heartbeatInterval,seconds" for:"FrameReady"` // whole seconds
	Resumed           bool          `wire:"resumed" for:"FrameReady"`                   // no event after lastEventId was lost
	LastEventID       EventID       `wire:"lastEventId" for:"FrameReady"`               // where the stream begins when not resumed
	// ServerTime is the gateway's clock when it made the frame, in whole milliseconds.
	// Zero: it does not say.
	ServerTime time.Time `wire:"serverTime" for:"FrameReady,FramePing,FramePong"`
	ID         EventID   `wire:"id,const" for:"FrameEvent"`
	Event      Event     `wire:"event,const" for:"FrameEvent"`
}

// AppendEventFrame adds an event frame around event, the JSON that Event.Append
// made, so that a gateway encodes an event once for all its readers.
func AppendEventFrame(dst []byte, id EventID, event []byte) []byte {
	w := &Encoder{dst}
	w.Open()
	w.Str(nameServerFrameType, string(FrameEvent))
	w.Str(nameServerFrameID, id.String())
	w.Name(nameServerFrameEvent)
	w.B = append(w.B, event...)
	w.Close()
	return w.B
}

// DecodeServerFrame reads a ServerFrame. A type it does not know is no error, and
// neither is an event of an unknown eventType, whatever its members are.
func DecodeServerFrame(text []byte) (ServerFrame, error) {
	// To look for names that come twice takes half of the memory that reading does, and
	// the gateway, unlike clients, is not out to deceive.
	r := newDecoder(text)
	r.repeats = true
	// A message is about as long as its frame, and its strings are parts of it: one copy for all.
	// What else comes is seldom, and may be kept for long: it is read again, with copies of its own.
	r.whole = string(text)
	f := r.serverFrame()
	err := r.end()
	if f.Event.Message == nil {
		r = newDecoder(text)
		r.repeats = true
		f = r.serverFrame()
		err = r.end()
	}
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
		case nameServerFrameType:
			f.Type = FrameType(r.str())
		case nameServerFrameID:
			f.ID = r.eventID()
		case nameServerFrameEvent:
			r.object(func(name string) {
				if name == nameEventType {
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
	return f, !f.Event.Type.Valid()
}
