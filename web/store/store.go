// Package store is the gateway's truth: sessions, engagements and messages in one
// NATS JetStream stream. The customers' API (web/gateway) and the agents' (web/desk) write
// through it and follow it, so neither keeps a state of its own that could disagree. What
// is stored, and its versions, is in records.go.
//
// Start with Open, which runs a NATS server inside the process or connects to an
// external one. Everything is in the stream CHAT, under three kinds of subject:
//
//	chat.‹account›.‹customer›.s.‹sessionId›            commits of a session
//	chat.‹account›.‹customer›.e.‹engagementId›         commits of an engagement
//	chat.‹account›.‹customer›.m.‹engagementId›.‹index› messages, and the end mark after the last
//
// ‹customer› is a hash of the customer's id, so that any text can be one. A commit
// holds the whole new state and the events of the change, so both are
// stored or neither is; the last commit of a subject is the present state. Writers
// compare and set with the server's check of a subject's last sequence.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"openchat/sdk/wire"
	"openchat/web/metrics"
	"openchat/web/tracing"
)

// Errors of the store. Everything else is a failure of NATS or a caller's mistake.
var (
	// ErrNotFound: nothing of that id exists for that customer.
	ErrNotFound = errors.New("store: not found")
	// ErrBusy: others changed the same thing so often that the change could not be
	// placed. Calling again is right.
	ErrBusy = errors.New("store: too many changes at once, try again")
	// ErrUnreadable: what is asked for may be stored, but files cannot be read at present, as
	// without file descriptors. Calling again is right.
	ErrUnreadable = errors.New("store: what is stored cannot be read at present")
	// ErrEnded: the engagement has ended, so nothing can be appended.
	ErrEnded = errors.New("store: the engagement has ended")
)

// MinAge is for how long a correlationId holds (docs/protocol.md), and so how long
// everything is kept at least.
const MinAge = 24 * time.Hour

// Config says where the truth is kept. Either Dir or URL must be set.
type Config struct {
	// Dir is the data folder of the NATS server inside this process, created when
	// missing. One process at a time can use it. Ignored with URL.
	Dir string
	// URL, when set, names an external NATS server or cluster with JetStream
	// (nats://user:pass@host:4222, several separated by commas), of version MinServer
	// or newer. Its own configuration says when it syncs to disk.
	URL string
	// MonitorURLs are the monitoring addresses of those servers (http://host:8222), which say whether they
	// acknowledge what is not on the disk yet; nil: the servers themselves are asked, where they permit it.
	MonitorURLs []string
	// Connect adds options for URL: credentials, TLS.
	Connect []nats.Option
	// Replicas is the number of copies that a cluster keeps: 1, 3 or 5; 0 means 1.
	// The server inside the process has one.
	Replicas int
	// MaxAge is how long anything is kept, from its last change; 0 means 30 days, the
	// minimum is 24 hours. A session or engagement without a change for that long is
	// forgotten.
	MaxAge time.Duration
	// SessionIdle is how long after its last use, a call or an open stream, a session ends by itself; it
	// may take a quarter longer. 0 means never. Sessions of earlier versions count from their first use since.
	SessionIdle time.Duration
	// MaxStore is how many bytes the server inside this process stores at most; changes
	// beyond it are refused with ErrNoWrites. 0 means as much as the file system has, but
	// for a reserve of 2 % (1 to 64 MiB). With URL it must be 0.
	MaxStore int64
	// RetainBytes is how many bytes of sessions, chats and messages an account keeps: of one
	// that has more, the chats that ended longest ago are removed, whole, an hour after their end at the
	// earliest; never an ongoing one. RetainBytesOf is the same for single accounts, which RetainBytes
	// then does not count for. 0 means as many as there are.
	RetainBytes   int64
	RetainBytesOf map[string]int64
	// Key encrypts what the server inside this process stores, with ChaCha20-Poly1305; at
	// least MinKey bytes, made at random. "": it is not encrypted. A folder keeps what it was
	// begun with: with another key, or none, it is ErrKey. With URL it must be "".
	Key string
	// RingEntries and RingBytes bound the recent entries kept in memory for Since;
	// 0 means 8192 and 32 MiB.
	RingEntries int
	RingBytes   int
	// MaxSpan is how many entries, of all customers, Since looks back at most; 0 means
	// 200,000. Beyond it, Since says that entries were lost.
	MaxSpan uint64
	// Logger receives what goes wrong, without texts; nil discards it.
	Logger *slog.Logger
	// Metrics receives what is counted. Nil: nothing does.
	Metrics *metrics.Metrics
	// Traces receives requests to NATS that are parts of traces, which go on with the entries that are
	// stored. Nil: nothing does.
	Traces *tracing.Tracer

	finishAfter time.Duration    // see finishAfter; 0: that. Other values are for tests
	now         func() time.Time // for tests: when a session is used; nil: time.Now
	removeAfter time.Duration    // see removeAfter, for tests as well
	trimPause   time.Duration    // see trimPause, for tests as well
	reserve     int64            // for tests: bytes of the file system that are left free; 0: see MaxStore
}

// Customer names the owner of everything the store keeps.
type Customer struct {
	Account string `json:"Account"` // 1–32 letters, digits, '-' or '_'; the platform's are six letters
	ID      string `json:"ID"`      // the token's sub; any text of 1–256 characters
}

// Session is a stored session.
type Session struct {
	wire.Session
	Customer      Customer
	IntegrationID string
}

// Member is a participant of an engagement with what the store keeps of it.
type Member struct {
	wire.Participant
	Sessions []string // the customer's sessions that are in; nil for others
	JoinedAt time.Time
}

// Engagement is the stored state of an engagement. It is replaced as a whole by
// Update, together with the events of the change.
type Engagement struct {
	Customer      Customer
	CustomerName  string
	EngagementID  string
	DialogID      string
	IntegrationID string
	Status        wire.EngagementStatus // PENDING until the customer is in, then ACTIVE, then TERMINATED
	Parameters    map[string]string
	SessionID     string // the session that created it
	CorrelationID string // of its creation; the creating session's ENGAGEMENT_ACTIVE carries it
	Members       []Member
	CreatedAt     time.Time
	LastUpdatedAt time.Time
	EventID       wire.EventID // position of the last change, set by the store

	sides map[string]json.RawMessage // see Side
}

// NewMessage is a message to be appended. CorrelationID is its idempotency key,
// scoped to the sender in the engagement; without one the message is not
// repeatable.
type NewMessage struct {
	Sender          wire.Participant
	SessionID       string
	Body            wire.Body
	ParentMessageID string
	CorrelationID   string
	// Engagement is the one it is for, when the caller has read it: what Append needs of
	// it never changes. nil: Append reads it.
	Engagement *Engagement
}

// Entry is one stored change as followers see it. It is shared: read only.
//
// An Entry without Customer says that entries up to Last were deleted from the
// stream before they could be read, which only an operator's hand does: what was
// derived from entries must be read anew.
type Entry struct {
	Customer      Customer
	IntegrationID string         // whose sessions it concerns; empty for messages of early versions
	EngagementID  string         // empty for a session's entry
	Events        []EncodedEvent // in order; what each session's stream carries
	Engagement    *Engagement    // the new state, for a change of an engagement
	Message       *wire.Message  // for a message
	Last          wire.EventID   // the position after this entry
	Stored        time.Time      // when, by the clock of NATS; zero where Since has read it
	Cause         *tracing.Cause // the trace that it belongs to; nil for most, and where Since has read it
	Erased        bool           // nothing of Customer is kept any more (Erase), and nothing else is set

	isEnd bool // an end mark, which is not given to followers
}

// EncodedEvent is an event as it goes into event frames.
type EncodedEvent struct {
	ID        wire.EventID
	Type      wire.EventType
	SessionID string // non-empty: for this session only
	JSON      []byte // wire.Event.Append
}

// Query asks for a page of history; see docs/protocol.md. Before and After are
// messageIndexes, 0 for absent; at most one is set. Size is 1–50.
type Query struct {
	Before, After int64
	Size          int
}

// MaxEvents is how many events one change can hold, and MaxMembers how many
// participants an engagement.
const (
	MaxEvents  = 90
	MaxMembers = 64
)

// maxWait bounds how long a write is tried again while its outcome is unknown: a
// cluster of three takes 4–9 s to choose a new leader.
const maxWait = 15 * time.Second

// readWait bounds a single request to NATS.
const readWait = 5 * time.Second

// bounded gives ctx the deadline of a single request.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, readWait)
}
