package store

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"openchat/sdk/wire"
)

// laterClock is a clock that can be moved on.
type laterClock struct{ by atomic.Int64 }

func (c *laterClock) now() time.Time           { return time.Now().Add(time.Duration(c.by.Load())) }
func (c *laterClock) advance(by time.Duration) { c.by.Add(int64(by)) }

// commitsOf counts the entries of a session.
func commitsOf(t testing.TB, s *Store, session Session) (n int) {
	t.Helper()
	if err := s.entries(testContext(t), sessionSubject(session.Customer, session.SessionID), jetstream.DeliverAllPolicy, true, func(*entry) bool { n++; return true }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestASessionThatNobodyUsesExpires(t *testing.T) {
	for name, cfg := range map[string]Config{"the server inside": {}, "an external server": {URL: natsServerIn(t, t.TempDir())}} {
		t.Run(name, func(t *testing.T) {
			clock := &laterClock{}
			cfg.SessionIdle, cfg.now = 24*time.Hour, clock.now
			s, ctx := openStore(t, cfg), testContext(t)
			session := newSession(t, s, ann, "s")
			e := newChat(t, s, session, "e")

			clock.advance(24 * time.Hour)
			// Reading is a use, and is noted as one, on which the clock of this test has no effect.
			if _, noteUse, err := s.used(ctx, ann, session.SessionID); err != nil || noteUse == nil {
				t.Fatalf("within its time: %v", err)
			}
			clock.advance(6 * time.Hour)
			if got, err := s.Session(ctx, ann, session.SessionID); !errors.Is(err, ErrNotFound) {
				t.Errorf("afterwards: %+v, %v", got, err)
			}
			if now, err := s.Engagement(ctx, ann, e.EngagementID); err != nil || now.Ended() {
				t.Errorf("its chat: %v, %v", now.Status, err)
			}
			if n := commitsOf(t, s, session); n != 1 {
				t.Errorf("it has %d entries", n)
			}
			if err := s.EndSession(ctx, ann, session.SessionID, wire.ReasonUserClosed); err != nil {
				t.Errorf("ending it: %v", err)
			}
			if again := newSession(t, s, ann, "s2"); again.SessionID == session.SessionID {
				t.Error("the next session is the same")
			}
		})
	}
}

func TestSessionsDoNotExpireWithoutALimit(t *testing.T) {
	clock := &laterClock{}
	s, ctx := openStore(t, Config{now: clock.now}), testContext(t)
	session := newSession(t, s, ann, "s")
	clock.advance(1000 * time.Hour)
	if _, noteUse, err := s.used(ctx, ann, session.SessionID); err != nil || noteUse != nil {
		t.Errorf("it is to be stored again, %v: %v", noteUse != nil, err)
	}
}

func TestASessionThatIsUsedStays(t *testing.T) {
	clock := &laterClock{}
	s, ctx := openStore(t, Config{SessionIdle: 24 * time.Hour, now: clock.now}), testContext(t)
	session := newSession(t, s, ann, "s")
	live, stop := context.WithCancel(ctx)
	defer stop()
	noted := make(chan Entry, 10)
	if err := s.Follow(live, func(e Entry) {
		if e.EngagementID == "" {
			noted <- e
		}
	}); err != nil {
		t.Fatal(err)
	}
	// A call soon after the other notes nothing, one that comes later does, once.
	for range 5 {
		if _, err := s.Session(ctx, ann, session.SessionID); err != nil {
			t.Fatal(err)
		}
	}
	if n := commitsOf(t, s, session); n != 1 {
		t.Errorf("it has %d entries", n)
	}
	clock.advance(23 * time.Hour)
	if _, err := s.Session(ctx, ann, session.SessionID); err != nil {
		t.Fatal(err)
	}
	if e := receive(t, noted); e.Customer != ann || len(e.Events) != 0 {
		t.Errorf("streams are given %+v", e)
	}
	got, err := s.Session(ctx, ann, session.SessionID)
	if err != nil || got.SessionID != session.SessionID || got.DisplayName != session.DisplayName || !got.CreatedAt.Equal(session.CreatedAt) || !got.LastUpdatedAt.Equal(session.LastUpdatedAt) {
		t.Errorf("it is %+v, and was %+v: %v", got, session, err)
	}
	// A use that is noted late does not bring back what has ended.
	_, noteUse, err := s.used(ctx, ann, session.SessionID)
	if err != nil || noteUse == nil {
		t.Fatal(err)
	}
	if err := s.EndSession(ctx, ann, session.SessionID, wire.ReasonUserClosed); err != nil {
		t.Fatal(err)
	}
	if err := noteUse(ctx); err != nil {
		t.Error(err)
	}
	if _, err := s.Session(ctx, ann, session.SessionID); !errors.Is(err, ErrNotFound) {
		t.Errorf("an ended session: %v", err)
	}
}

// What an earlier version has stored does not tell when it was used.
func TestASessionOfAnEarlierVersionCountsFromItsFirstUse(t *testing.T) {
	clock := &laterClock{}
	s, ctx := openStore(t, Config{SessionIdle: 24 * time.Hour, now: clock.now}), testContext(t)
	session := newSession(t, s, ann, "s")
	raw, err := s.last(ctx, sessionSubject(ann, session.SessionID))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.publish(ctx, ann, raw.subject, raw.data, raw.sequence, "", nats.Header{headerWrite: {random()}}); err != nil {
		t.Fatal(err)
	}
	clock.advance(700 * time.Hour)
	_, noteUse, err := s.used(ctx, ann, session.SessionID)
	if err != nil || noteUse == nil {
		t.Fatalf("its first use: %v", err)
	}
	if err := noteUse(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Session(ctx, ann, session.SessionID); !errors.Is(err, ErrNotFound) {
		t.Errorf("700 hours after its first use: %v", err)
	}
}
