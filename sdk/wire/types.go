package wire

import "time"

// Session is the answer to POST and GET /sessions.
type Session struct {
	SessionID         string            `wire:"sessionId"`
	ParticipantID     string            `wire:"participantId,optional"`
	DisplayName       string            `wire:"displayName,optional"` // empty: neither the token nor the client gave one
	SessionParameters map[string]string `wire:"sessionParameters"`
	SessionStatus     SessionStatus     `wire:"sessionStatus"`
	CreatedAt         time.Time         `wire:"createdAt"`
	LastUpdatedAt     time.Time         `wire:"lastUpdatedAt"`
}

// Participant is one member of an engagement.
type Participant struct {
	ParticipantID   string          `wire:"participantId"`
	ParticipantType ParticipantType `wire:"participantType"`
	DisplayName     string          `wire:"displayName,optional" page:"displayName"` // may be empty: the SDK then names it by its type (ENG-6)
}

// Engagement is a chat as one session sees it.
//
//wire:list
type Engagement struct {
	EngagementID     string           `wire:"engagementId"`
	DialogID         string           `wire:"dialogId"`
	EngagementStatus EngagementStatus `wire:"engagementStatus"` // of the asking session (ENG-3)
	Participants     []Participant    `wire:"participants"`
	CreatedAt        time.Time        `wire:"createdAt"`
	LastUpdatedAt    time.Time        `wire:"lastUpdatedAt"`
	// NewestIndex is the messageIndex of the newest stored message, 0 when there
	// is none: from here a client counts what it has not received yet.
	NewestIndex int64 `wire:"newestIndex"`
	// EventID is the stream position of the change that this snapshot shows last.
	// A message with a lower EventID belongs to the history of a session that
	// joined with this answer; a later one comes as an event.
	EventID EventID `wire:"eventId"`
}

// Body is the content of a message.
type Body struct {
	ElementType string     `wire:"elementType"` // "text" for everything a customer sends
	Text        string     `wire:"elementText.text"`
	TextFormat  TextFormat `wire:"elementText.textFormat"`
}

// Message is a stored message.
type Message struct {
	MessageID             string          `wire:"messageId"`
	EngagementID          string          `wire:"engagementId"`
	DialogID              string          `wire:"dialogId"`
	MessageIndex          int64           `wire:"messageIndex"` // from 1, without gaps within a dialog
	Body                  Body            `wire:"body"`
	SenderParticipantID   string          `wire:"senderParticipantId"`
	SenderParticipantName string          `wire:"senderParticipantName,optional"`
	SenderParticipantType ParticipantType `wire:"senderParticipantType"`
	SessionID             string          `wire:"sessionId,optional"`     // the customer's session that sent it; empty for others
	CorrelationID         string          `wire:"correlationId,optional"` // the sender's idempotency key
	ParentMessageID       string          `wire:"parentMessageId,optional"`
	ReceivedAt            time.Time       `wire:"receivedAt"`
	LastUpdatedAt         time.Time       `wire:"lastUpdatedAt"`
	// EventID is where the message stands in the event stream; 0 when unknown.
	EventID EventID `wire:"eventId"`
}

// CreateSession is the body of POST /sessions.
type CreateSession struct {
	IntegrationID     string            `wire:"integrationId"`
	DisplayName       string            `wire:"displayName,optional"`
	SessionParameters map[string]string `wire:"sessionParameters"`
	CorrelationID     string            `wire:"correlationId,optional"`
}

// CreateEngagement is the body of POST /engagements.
type CreateEngagement struct {
	SessionID            string            `wire:"sessionId"`
	EngagementParameters map[string]string `wire:"engagementParameters"`
	CorrelationID        string            `wire:"correlationId,optional"`
}

// EngagementCall is the body of :join and :disconnect. Reason is used by
// :disconnect only.
type EngagementCall struct {
	SessionID     string `wire:"sessionId"`
	DialogID      string `wire:"dialogId"`
	Reason        Reason `wire:"reason,optional"`
	CorrelationID string `wire:"correlationId,optional"`
}

// SendMessage is the body of POST /engagements/{id}/messages.
type SendMessage struct {
	SessionID       string `wire:"sessionId"`
	DialogID        string `wire:"dialogId"`
	Body            Body   `wire:"body"`
	ParentMessageID string `wire:"parentMessageId,optional"`
	CorrelationID   string `wire:"correlationId,optional"`
}

// MessagePage is the answer to GET /engagements/{id}/messages: messages in rising
// order of messageIndex.
type MessagePage struct {
	Messages    []Message `wire:"messages"`
	NewestIndex int64     `wire:"newestIndex"` // of the engagement at the time of the answer
	HasOlder    bool      `wire:"hasOlder"`
	HasNewer    bool      `wire:"hasNewer"`
}

// Problem is an RFC 9457 error body.
type Problem struct {
	Type       string      `wire:"type"`
	Title      string      `wire:"title"`
	Status     int         `wire:"status,lenient"`
	Detail     string      `wire:"detail,optional"`
	Violations []Violation `wire:"violations,optional"`
}

// Violation names one field of a request that was refused.
type Violation struct {
	Field   string `wire:"field"`
	Message string `wire:"message"`
	Code    int    `wire:"code,lenient"`
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
