package wire

import "time"

// EventType says what an Event reports.
type EventType string

// Event types of the stream. A receiver skips the ones it does not know.
const (
	EventEngagementActive        EventType = "ENGAGEMENT_ACTIVE"
	EventEngagementTerminated    EventType = "ENGAGEMENT_TERMINATED"
	EventEngagementError         EventType = "ENGAGEMENT_ERROR"
	EventParticipantAdded        EventType = "PARTICIPANT_ADDED"
	EventParticipantDisconnected EventType = "PARTICIPANT_DISCONNECTED"
	EventMessages                EventType = "MESSAGES" //wire:frequent
	EventSessionTerminated       EventType = "SESSION_TERMINATED"
)

// Event is what an event frame carries. Members with a list in their tag "for" are those of
// these types only.
type Event struct {
	Type EventType `wire:"eventType,const"`
	Date time.Time `wire:"eventDate"`

	// Message has all further members of a MESSAGES event, also those that are fields here.
	Message *Message `wire:",inline" for:"EventMessages"`

	EngagementID string `wire:"engagementId,optional"`
	DialogID     string `wire:"dialogId,optional"`
	// SessionID, on any event but MESSAGES, says that the event is about this
	// session only. The gateway sends such an event to no other session.
	SessionID     string `wire:"sessionId,optional" for:"!EventMessages"`
	CorrelationID string `wire:"correlationId,optional"`

	Participant Participant `wire:",inline" for:"EventParticipantAdded,EventParticipantDisconnected"`
	Reason      Reason      `wire:"reason,optional" for:"EventSessionTerminated"`
	ErrorType   string      `wire:"type" for:"EventEngagementError"`
	ErrorTitle  string      `wire:"title" for:"EventEngagementError"`
	ErrorDetail string      `wire:"detail,optional" for:"EventEngagementError"`
}

// EventID is a position in the event stream: rising, not dense, written as a
// decimal string. Zero means "none".
type EventID uint64
