// Package store is the gateway's truth: sessions, engagements and messages in one
// NATS JetStream stream. Both doors, the customers' (web/gateway) and the agents'
// (web/gateway/desk), write through it and follow it, so neither keeps a state of
// its own that could disagree.
package store

import (
	"context"
	"errors"
	"time"

	"openchat/sdk/wire"
)

// Errors of the store. Everything else is a failure of NATS.
var (
	// ErrNotFound: nothing of that id exists for that customer.
	ErrNotFound = errors.New("store: not found")
	// ErrEnded: the engagement or session has ended.
	ErrEnded = errors.New("store: ended")
)

// Customer names the owner of everything the store keeps.
type Customer struct {
	Account string // six letters
	ID      string // the token's sub; any text of 1–256 characters
}

// Session is a stored session.
type Session struct {
	wire.Session
	Customer      Customer
	IntegrationID string
}

// Member is a participant of an engagement with what the gateway keeps of it.
type Member struct {
	wire.Participant
	Sessions []string // the customer's sessions that are in; nil for others
	JoinedAt time.Time
}

// Engagement is the stored state of an engagement. It is replaced as a whole by
// Update, together with the events that tell of the change.
type Engagement struct {
	Customer      Customer
	CustomerName  string
	EngagementID  string
	DialogID      string
	IntegrationID string
	Status        wire.EngagementStatus // PENDING until the customer is in, then ACTIVE, then TERMINATED
	Parameters    map[string]string
	SessionID     string // the session that created it
	Members       []Member
	CreatedAt     time.Time
	LastUpdatedAt time.Time
	WaitingSince  time.Time    // zero when it is not waiting for an agent
	EventID       wire.EventID // position of the last change, set by the store
}

// NewMessage is a message to be appended. CorrelationID is its idempotency key,
// scoped to the engagement.
type NewMessage struct {
	Sender          wire.Participant
	SessionID       string
	Body            wire.Body
	ParentMessageID string
	CorrelationID   string
}

// Entry is one stored change as followers see it.
type Entry struct {
	Customer     Customer
	EngagementID string         // empty for a session's entry
	Events       []EncodedEvent // in order; what each session's stream carries
	Engagement   *Engagement    // the new state, for a change of an engagement
	Message      *wire.Message  // for a message
	Last         wire.EventID   // the position after this entry
}

// EncodedEvent is an event as it goes into event frames.
type EncodedEvent struct {
	ID        wire.EventID
	Type      wire.EventType
	SessionID string // non-empty: for this session only
	JSON      []byte // wire.Event.Append
}

// Query asks for a page of history; see PROTOCOL.md. Before and After are
// messageIndexes, 0 for absent; at most one is set. Size is 1–50.
type Query struct {
	Before, After int64
	Size          int
}

// Store is what the doors use. All methods are safe for concurrent use, and all
// that write are idempotent by their key.
type Store interface {
	// CreateSession stores a session; created is false when correlationID was used
	// before by this customer, and the stored one is returned.
	CreateSession(ctx context.Context, c Customer, integrationID, displayName string, parameters map[string]string, correlationID string) (s Session, created bool, err error)
	// Session returns an active session, else ErrNotFound.
	Session(ctx context.Context, c Customer, sessionID string) (Session, error)
	// EndSession ends it and tells its stream; ending an ended or unknown one is no error.
	EndSession(ctx context.Context, c Customer, sessionID string, reason wire.Reason) error

	// CreateEngagement stores a PENDING engagement without members.
	CreateEngagement(ctx context.Context, s Session, parameters map[string]string, correlationID string) (e Engagement, created bool, err error)
	// Engagement returns one, ended or not, else ErrNotFound.
	Engagement(ctx context.Context, c Customer, engagementID string) (Engagement, error)
	// Engagements returns the customer's ongoing ones, oldest first.
	Engagements(ctx context.Context, c Customer) ([]Engagement, error)
	// Update reads the engagement, lets change edit it and say which events tell of
	// the edit, and stores state and events as one, if nothing else changed it
	// meanwhile; else it starts over. change may run several times. No events: nothing
	// is stored. An error of change is returned as it is. The store fills in the events'
	// EngagementID, DialogID and Date, and LastUpdatedAt.
	Update(ctx context.Context, c Customer, engagementID string, change func(*Engagement) ([]wire.Event, error)) (Engagement, error)

	// Append stores a message under the next index; created is false when its
	// CorrelationID was used before, and the stored one is returned. It does not check
	// who may write: the doors do.
	Append(ctx context.Context, c Customer, engagementID string, m NewMessage) (stored wire.Message, created bool, err error)
	// NewestIndex returns the index of the newest message, 0 for none.
	NewestIndex(ctx context.Context, c Customer, engagementID string) (int64, error)
	// Page reads history.
	Page(ctx context.Context, c Customer, engagementID string, q Query) (wire.MessagePage, error)

	// Follow calls fn for every entry stored by any gateway after the call, in order,
	// on one goroutine, until ctx ends. fn must not block. One call per process and
	// purpose: it costs a consumer.
	Follow(ctx context.Context, fn func(Entry)) error
	// Position is the newest position that all Follow callbacks have been given.
	Position() wire.EventID
	// Since calls fn, in order, for the customer's entries after position from, up to and
	// including position to. ok is false when some are no longer to be had.
	Since(ctx context.Context, c Customer, from, to wire.EventID, fn func(Entry)) (ok bool, err error)

	// Work delivers every change of an engagement at least once to one of the gateways
	// that call it, and again until fn returns nil; it survives restarts. It is for
	// whoever must act on changes: routing and the bot. It returns when ctx ends.
	Work(ctx context.Context, fn func(context.Context, Engagement) error) error
	// Open calls fn with every engagement that has not ended, of all customers.
	Open(ctx context.Context, fn func(Engagement)) error
	// Healthy is nil when the store answers.
	Healthy(ctx context.Context) error
	// Close ends what the store started.
	Close() error
}
