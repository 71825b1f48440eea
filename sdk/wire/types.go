package wire

import "time"

// Session is the answer to POST and GET /sessions.
type Session struct {
	SessionID         string
	ParticipantID     string
	DisplayName       string // empty: neither the token nor the client gave one
	SessionParameters map[string]string
	SessionStatus     SessionStatus
	CreatedAt         time.Time
	LastUpdatedAt     time.Time
}

// Participant is one member of an engagement.
type Participant struct {
	ParticipantID   string
	ParticipantType ParticipantType
	DisplayName     string // may be empty: the SDK then names it by its type (ENG-6)
}

// Engagement is a chat as one session sees it.
type Engagement struct {
	EngagementID     string
	DialogID         string
	EngagementStatus EngagementStatus // of the asking session (ENG-3)
	Participants     []Participant
	CreatedAt        time.Time
	LastUpdatedAt    time.Time
	// NewestIndex is the messageIndex of the newest stored message, 0 when there
	// is none: from here a client counts what it still has to hear of.
	NewestIndex int64
	// EventID is the stream position of the change that this snapshot shows last.
	// A message with a lower EventID belongs to the history of a session that
	// joined with this answer; a later one comes as an event.
	EventID EventID
}

// Body is the content of a message.
type Body struct {
	ElementType string // "text" for everything a customer sends
	Text        string
	TextFormat  TextFormat
}

// Message is a stored message.
type Message struct {
	MessageID             string
	EngagementID          string
	DialogID              string
	MessageIndex          int64 // from 1, without gaps within a dialog
	Body                  Body
	SenderParticipantID   string
	SenderParticipantName string
	SenderParticipantType ParticipantType
	SessionID             string // the customer's session that sent it; empty for others
	CorrelationID         string // the sender's idempotency key
	ParentMessageID       string
	ReceivedAt            time.Time
	LastUpdatedAt         time.Time
	// EventID is where the message stands in the event stream; 0 when unknown.
	EventID EventID
}

// Event is what an event frame carries. Which members are set depends on Type.
type Event struct {
	Type          EventType
	Date          time.Time
	EngagementID  string
	DialogID      string
	CorrelationID string
	// SessionID, on any event but MESSAGES, says that the event is about this
	// session only. The gateway sends such an event to no other session.
	SessionID   string
	Participant Participant // PARTICIPANT_ADDED, PARTICIPANT_DISCONNECTED
	Message     *Message    // MESSAGES
	Reason      Reason      // SESSION_TERMINATED
	ErrorType   string      // ENGAGEMENT_ERROR
	ErrorTitle  string      // ENGAGEMENT_ERROR
	ErrorDetail string      // ENGAGEMENT_ERROR
}

// EventID is a position in the event stream: rising, not dense, written as a
// decimal string. Zero means "none".
type EventID uint64

// CreateSession is the body of POST /sessions.
type CreateSession struct {
	IntegrationID     string
	DisplayName       string
	SessionParameters map[string]string
	CorrelationID     string
}

// CreateEngagement is the body of POST /engagements.
type CreateEngagement struct {
	SessionID            string
	EngagementParameters map[string]string
	CorrelationID        string
}

// EngagementCall is the body of :join and :disconnect. Reason is used by
// :disconnect only.
type EngagementCall struct {
	SessionID     string
	DialogID      string
	Reason        Reason
	CorrelationID string
}

// SendMessage is the body of POST /engagements/{id}/messages.
type SendMessage struct {
	SessionID       string
	DialogID        string
	Body            Body
	ParentMessageID string
	CorrelationID   string
}

// MessagePage is the answer to GET /engagements/{id}/messages: messages in rising
// order of messageIndex.
type MessagePage struct {
	Messages    []Message
	NewestIndex int64 // of the engagement at the time of the answer
	HasOlder    bool
	HasNewer    bool
}

// Problem is an RFC 9457 error body.
type Problem struct {
	Type       string
	Title      string
	Status     int
	Detail     string
	Violations []Violation
}

// Violation names one field of a request that was refused.
type Violation struct {
	Field   string
	Message string
	Code    int
}

// Has reports whether a violation names field.
func (p *Problem) Has(field string) bool {
	for i := range p.Violations {
		if p.Violations[i].Field == field {
			return true
		}
	}
	return false
}

// ClientFrame is a frame from client to gateway. Which members are set depends on
// Type.
type ClientFrame struct {
	Type   FrameType
	Token  string // authenticate
	Appkey string // authenticate
	// ClientID, in authenticate, tells one running SDK from another: the gateway
	// lets the same client replace its own dead connection, and refuses a second
	// client that resumes a session whose first is alive (SES-4).
	ClientID    string
	LastEventID EventID // authenticate: resume after this event; 0: begin now
}

// ServerFrame is a frame from gateway to client. Which members are set depends on
// Type.
type ServerFrame struct {
	Type              FrameType
	HeartbeatInterval time.Duration // ready; whole seconds on the line
	// ServerTime is the gateway's clock when it made a ready, ping or pong, in whole
	// milliseconds. Zero: it does not say.
	ServerTime  time.Time
	Resumed     bool    // ready: no event after lastEventId was lost
	LastEventID EventID // ready: where the stream begins when not resumed
	ID          EventID // event
	Event       Event   // event
}
