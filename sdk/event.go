package sdk

import (
	"time"

	"openchat/sdk/wire"
)

// EventType is the name of an event as pages know it.
type EventType string

// The events (docs/surface.md, EV-1 to EV-14).
const (
	EventInitialized             EventType = "INITIALIZED"
	EventShutdown                EventType = "SHUTDOWN"
	EventTokenExpiryReminder     EventType = "TOKEN_EXPIRY_REMINDER"
	EventTokenExpired            EventType = "TOKEN_EXPIRED"
	EventIdleTimeoutExpired      EventType = "IDLE_TIMEOUT_EXPIRED"
	EventStreamConnecting        EventType = "EVENT_STREAM_CONNECTING"
	EventStreamConnected         EventType = "EVENT_STREAM_CONNECTED"
	EventStreamFailed            EventType = "EVENT_STREAM_FAILED"
	EventStreamClosed            EventType = "EVENT_STREAM_CLOSED"
	EventEngagementActive                  = EventType(wire.EventEngagementActive)
	EventEngagementTerminated              = EventType(wire.EventEngagementTerminated)
	EventEngagementError                   = EventType(wire.EventEngagementError)
	EventParticipantAdded                  = EventType(wire.EventParticipantAdded)
	EventParticipantDisconnected           = EventType(wire.EventParticipantDisconnected)
	EventMessageArrived          EventType = "MESSAGE_ARRIVED"
	EventMessageDelivered        EventType = "MESSAGE_DELIVERED"
)

// FailureReason says why the event stream broke (EV-7).
type FailureReason string

// Failure reasons.
const (
	FailureUnauthorized        FailureReason = "UNAUTHORIZED"         // the token has expired
	FailureForbidden           FailureReason = "FORBIDDEN"            // the token is refused
	FailureSessionInvalid      FailureReason = "SDK_SESSION_INVALID"  // the session ended on the server
	FailureServerError         FailureReason = "SERVER_ERROR"         // the server closed or misbehaved
	FailureServerUnreachable   FailureReason = "SERVER_UNREACHABLE"   // no connection, or a silent one
	FailureUnexpected          FailureReason = "UNEXPECTED_ERROR"     // a bug here
	FailureReconnectionTimeout FailureReason = "RECONNECTION_TIMEOUT" // the window is over
)

// Event is one event for the page. Members with a list in their tag "for" are those of these
// types only; of a pointer there, the value's members are all that follow.
type Event struct {
	Type EventType

	User *UserContext `page:",inline" for:"EventInitialized"` // the same that Init's callback gets

	Date time.Time `page:"eventDate,EventTokenExpired=expiredDate"`

	Message *Message `page:",inline" for:"EventMessageArrived,EventMessageDelivered"`

	EngagementID string      `page:"engagementId,optional"`    // ENGAGEMENT_*, PARTICIPANT_*, MESSAGE_*
	DialogID     string      `page:"dialogId,if=EngagementID"` // as EngagementID
	Participant  Participant `page:"participant" for:"EventParticipantAdded,EventParticipantDisconnected"`

	Text        string        `page:"message" for:"EventStreamFailed"`
	Reason      string        `page:"reason,optional=EventShutdown" for:"EventShutdown,EventStreamFailed"` // a wire.Reason; a FailureReason
	RetryAfter  time.Duration `page:"retryAfter,seconds" for:"EventStreamFailed"`                          // until the next attempt; 0: none
	Resumed     bool          `page:"resumed" for:"EventStreamConnected"`                                  // STREAM-7
	ExpiryDate  time.Time     `page:"expiryDate" for:"EventTokenExpiryReminder"`
	GracePeriod time.Duration `page:"gracePeriod,seconds" for:"EventIdleTimeoutExpired"`

	ErrorType   string `page:"type" for:"EventEngagementError"`
	ErrorTitle  string `page:"title" for:"EventEngagementError"`
	ErrorDetail string `page:"detail,optional" for:"EventEngagementError"`

	// Changed is the engagement as it is from this event on, nil when this event
	// changes none. Whoever mirrors engagements applies it before handlers run (ENG-7).
	Changed *Engagement
}

// Participant is one member of an engagement. DisplayName is never empty (ENG-6).
type Participant = wire.Participant

// Engagement is a snapshot of a chat. It is never changed after it was handed out.
type Engagement struct {
	EngagementID     string                `page:"engagementId"`
	DialogID         string                `page:"dialogId"`
	EngagementStatus wire.EngagementStatus `page:"engagementStatus"`
	CreatedAt        time.Time             `page:"createdAt"`
	LastUpdatedAt    time.Time             `page:"lastUpdatedAt"`
	Participants     []Participant         `page:"participants"`
}

// Message is a chat message as pages see it (MSG-2).
type Message struct {
	MessageID         string      `page:"messageId"`
	EngagementID      string      `page:"engagementId"`
	DialogID          string      `page:"dialogId"`
	MessageIndex      int64       `page:"messageIndex"`
	Body              wire.Body   `page:"body"`
	SenderParticipant Participant `page:"senderParticipant"`
	ReceivedAt        time.Time   `page:"receivedAt"`
	LastUpdatedAt     time.Time   `page:"lastUpdatedAt"`
	ParentMessageID   string      `page:"parentMessageId,optional"` // empty: none
}

// UserContext is what Init resolves with (INIT-7).
type UserContext struct {
	DisplayName       string            `page:"displayName,optional"` // empty: unknown
	Engagements       []Engagement      `page:"engagements"`
	SessionParameters map[string]string `page:"sessionParameters"`
}

// Page is one page of an engagement's history, and all that is needed to turn to
// the next: it is a plain value and owns nothing (PAGE-2).
type Page struct {
	Items       []Message `page:"items"`       // newest first
	HasPrevious bool      `page:"hasPrevious"` // an older page exists
	HasNext     bool      `page:"hasNext"`     // a newer page exists
	Cursor      Cursor    `page:"cursor,inline,text"`
}

// Cursor is where a Page stands in its snapshot.
type Cursor struct {
	EngagementID string
	DialogID     string
	Size         int   `page:"size"`
	Oldest       int64 // messageIndex of the page's oldest message; 0: the page is empty
	Newest       int64 // and of its newest
	End          int64 // messageIndex of the snapshot's newest message (PAGE-3)
	// Seen is the place in the event stream up to which the snapshot reaches, and Own
	// the one up to which it holds this session's own messages.
	Seen, Own wire.EventID
	// UndeliveredFrom and UndeliveredTo are the messageIndex of the first and the last message
	// that had been raised when the snapshot was made, but had not been delivered to the page's
	// handlers. There is none if UndeliveredTo is smaller.
	UndeliveredFrom, UndeliveredTo int64
}

// Direction is where to turn a page to.
type Direction int

// Directions.
const (
	Older Direction = iota // previous()
	Newer                  // next()
)
