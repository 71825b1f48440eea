package sdk

import (
	"time"

	"openchat/sdk/wire"
)

// EventType is the name of an event as pages know it.
type EventType string

// The events (API.md, Events).
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
	EventEngagementActive        EventType = "ENGAGEMENT_ACTIVE"
	EventEngagementTerminated    EventType = "ENGAGEMENT_TERMINATED"
	EventEngagementError         EventType = "ENGAGEMENT_ERROR"
	EventParticipantAdded        EventType = "PARTICIPANT_ADDED"
	EventParticipantDisconnected EventType = "PARTICIPANT_DISCONNECTED"
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

// Event is one event for the page. Which members are set depends on Type.
type Event struct {
	Type EventType
	Date time.Time // eventDate; TOKEN_EXPIRED: expiredDate

	User *UserContext // INITIALIZED: the same that Init's callback gets

	EngagementID string      // ENGAGEMENT_*, PARTICIPANT_*, MESSAGE_*
	DialogID     string      // as EngagementID
	Participant  Participant // PARTICIPANT_*
	Message      *Message    // MESSAGE_*

	Reason      string        // SHUTDOWN: a wire.Reason; EVENT_STREAM_FAILED: a FailureReason
	Text        string        // EVENT_STREAM_FAILED: message
	RetryAfter  time.Duration // EVENT_STREAM_FAILED: until the next attempt; 0: none
	Resumed     bool          // EVENT_STREAM_CONNECTED (STREAM-7)
	ExpiryDate  time.Time     // TOKEN_EXPIRY_REMINDER
	GracePeriod time.Duration // IDLE_TIMEOUT_EXPIRED

	ErrorType, ErrorTitle, ErrorDetail string // ENGAGEMENT_ERROR

	// Changed is the engagement as it is from this event on, nil when this event
	// changes none. Whoever mirrors engagements applies it before handlers run (ENG-7).
	Changed *Engagement
}

// Participant is one member of an engagement. DisplayName is never empty (ENG-6).
type Participant = wire.Participant

// Engagement is a snapshot of a chat. It is never changed after it was handed out.
type Engagement struct {
	EngagementID     string
	DialogID         string
	EngagementStatus wire.EngagementStatus
	CreatedAt        time.Time
	LastUpdatedAt    time.Time
	Participants     []Participant
}

// Message is a chat message as pages see it (MSG-2).
type Message struct {
	MessageID         string
	EngagementID      string
	DialogID          string
	MessageIndex      int64
	Body              wire.Body
	SenderParticipant Participant
	ReceivedAt        time.Time
	LastUpdatedAt     time.Time
	ParentMessageID   string // empty: none
}

// UserContext is what Init resolves with (INIT-7).
type UserContext struct {
	DisplayName       string // empty: unknown
	Engagements       []Engagement
	SessionParameters map[string]string
}

// Page is one page of an engagement's history, and all that is needed to turn to
// the next: it is a plain value and owns nothing (PAGE-2).
type Page struct {
	Items       []Message // newest first
	HasPrevious bool      // an older page exists
	HasNext     bool      // a newer page exists
	Cursor      Cursor
}

// Cursor is where a Page stands in its snapshot.
type Cursor struct {
	EngagementID string
	DialogID     string
	Size         int
	Oldest       int64 // messageIndex of the page's oldest message; 0: the page is empty
	Newest       int64 // and of its newest
	End          int64 // messageIndex of the snapshot's newest message (PAGE-3)
	// Seen is the place in the event stream up to which the snapshot reaches, and Own
	// the one up to which it holds this session's own messages.
	Seen, Own wire.EventID
}

// Direction is where to turn a page to.
type Direction int

// Directions.
const (
	Older Direction = iota // previous()
	Newer                  // next()
)
