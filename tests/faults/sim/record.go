package main

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
	"openchat/sdk/wire"
)

// What is one kind of entry in the record.
type What int

const (
	wasCalled   What = iota // a page called; Call
	wasSettled              // its callback ran; Call
	wasRaised               // an event reached the page's handler; Event
	wasAnswered             // a REST call of the page's client ended; Status, Problem
	wasDialed               // it dialed; Session
	wasReady                // the frame was ready; ID, Resumed
	wasTaken                // the frame was authenticated: a new token
	wasClosed               // its stream ended; Status is the close code
	wasAsleep               // the device fell asleep
	wasWoken                // and woke
	wasSlow                 // a handler begins to take its time
	wasQuick                // and is done
	wasOffline              // the browser says so
	wasOnline               // the browser says so, or that the page is visible
	wasLeft                 // the page was closed or reloaded, without a word
	wasStepped              // the device's wall clock was set
	wasCalm                 // everything has been in order for long enough; Truth holds how things stand
)

// Entry is one line of the record of a life, as the page learnt of it.
type Entry struct {
	At      time.Duration
	Page    *page
	What    What
	Call    *Call
	Event   *sdk.Event
	Status  int
	Problem string // kind, and the field that it names
	Session string
	ID      wire.EventID
	Resumed bool
	Took    time.Duration // ready: since the connection's first frame
	// Queued is when the client gave the event to its dispatcher. -1: that is not known,
	// because the dispatcher was held up until it delivered the event.
	Queued time.Duration
	place  int // in the record
}

// Call is one call that a page made.
type Call struct {
	N         int
	Page      *page
	Kind      sdktest.Kind
	At        time.Duration
	Settled   int // how often its callback ran
	SettledAt time.Duration
	Err       *sdk.Error

	Chat, Text string
	Token      string
	Expiry     time.Time // of Token
	// Behind is how many entries the record had when the page had received everything
	// that the client had decided before this call acted. What lies between the call
	// and there was in flight, see settleOrder.
	Behind    int
	Gone      bool // there was no session any more when the call acted
	Bad       bool // its arguments are to be refused
	Size      int
	From      *sdk.Page // turn: from where
	To        sdk.Direction
	Delivered int64 // getMessages: the newest index that had been delivered to the page

	Engagement  sdk.Engagement
	Found       bool
	Engagements []sdk.Engagement
	Message     sdk.Message
	Result      sdk.Page
	User        sdk.UserContext
}

func (c *Call) String() string { return fmt.Sprintf("call %d, %s", c.N, c.Kind) }

// Record is what happened in a life. The model judges it; nothing else does.
type Record struct {
	mu      sync.Mutex
	began   time.Time
	entries []Entry
	calls   []*Call
	pages   []*page
}

func newRecord() *Record { return &Record{began: time.Now()} }

// hash is equal for records of lives that were the same.
func (r *Record) hash() uint64 {
	h := fnv.New64a()
	for i := range r.entries {
		fmt.Fprintln(h, r.entries[i].String())
	}
	return h.Sum64()
}

func (r *Record) now() time.Duration { return time.Since(r.began) }

// note writes an entry. It is called from many goroutines.
func (r *Record) note(e Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.At = r.now()
	if e.Call != nil {
		switch e.What {
		case wasCalled:
			e.Call.N = len(r.calls) + 1
			e.Call.At = e.At
			r.calls = append(r.calls, e.Call)
		case wasSettled:
			e.Call.Settled++
			e.Call.SettledAt = e.At
		}
	}
	r.entries = append(r.entries, e)
}

// length returns how many entries there are.
func (r *Record) length() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.entries)
}

// String returns the record as people read it.
func (r *Record) String() string {
	var b strings.Builder
	for i := range r.entries {
		fmt.Fprintln(&b, r.entries[i].String())
	}
	return b.String()
}

// String returns the entry as people read it.
func (e *Entry) String() string {
	var b strings.Builder
	who := "   "
	if e.Page != nil {
		who = fmt.Sprintf("p%d ", e.Page.n)
	}
	fmt.Fprintf(&b, "%12.6fs %s", e.At.Seconds(), who)
	switch e.What {
	case wasCalled:
		fmt.Fprintf(&b, "%v %s %q", e.Call, short(e.Call.Chat), e.Call.Text)
	case wasSettled:
		fmt.Fprintf(&b, "  → %v", e.Call)
		if e.Call.Err != nil {
			fmt.Fprintf(&b, ": %v", e.Call.Err)
		}
	case wasRaised:
		fmt.Fprintf(&b, "  %s", e.Event.Type)
		switch {
		case e.Event.Message != nil:
			fmt.Fprintf(&b, " %s %d %q", short(e.Event.EngagementID), e.Event.Message.MessageIndex, e.Event.Message.Body.Text)
		case e.Event.EngagementID != "":
			fmt.Fprintf(&b, " %s %s %s", short(e.Event.EngagementID), e.Event.Participant.ParticipantType, short(e.Event.Participant.ParticipantID))
		case e.Event.Type == sdk.EventStreamFailed:
			fmt.Fprintf(&b, " %s: %s, again in %v", e.Event.Reason, e.Event.Text, e.Event.RetryAfter)
		case e.Event.Type == sdk.EventStreamConnected:
			fmt.Fprintf(&b, " resumed %v", e.Event.Resumed)
		case e.Event.Type == "" && e.Event.Changed != nil:
			fmt.Fprintf(&b, "(%s is %s)", short(e.Event.Changed.EngagementID), e.Event.Changed.EngagementStatus)
		default:
			fmt.Fprintf(&b, " %s", e.Event.Reason)
		}
	case wasAnswered:
		fmt.Fprintf(&b, "    answer %d %s to %s", e.Status, e.Problem, e.Session)
	case wasDialed:
		fmt.Fprintf(&b, "    dials %s", short(e.Session))
	case wasReady:
		fmt.Fprintf(&b, "    ready at %v, resumed %v", e.ID, e.Resumed)
	case wasTaken:
		b.WriteString("    token taken")
	case wasClosed:
		fmt.Fprintf(&b, "    closed %d", e.Status)
	default:
		b.WriteString([]string{"asleep", "woken", "slow handler", "handler done", "offline", "online", "page left", "clock set", "CALM"}[e.What-wasAsleep])
	}
	return b.String()
}

// short keeps what tells one id of the platform from another.
func short(id string) string {
	if len(id) < 36 {
		return id
	}
	return id[:3] + "…" + id[33:]
}

// problemOf tells what the gateway said, as "kind field".
func problemOf(body []byte) string {
	p, err := wire.DecodeProblem(body)
	if err != nil || p.Type == "" {
		return ""
	}
	_, kind, _ := strings.Cut(p.Type, "#")
	if len(p.Violations) > 0 {
		kind += " " + p.Violations[0].Field
	}
	return kind
}

// asError reads what a callback got.
func asError(err error) *sdk.Error {
	var e *sdk.Error
	if err == nil {
		return nil
	}
	if !errors.As(err, &e) {
		e = &sdk.Error{Message: "not an *sdk.Error: " + err.Error()}
	}
	return e
}
