package store

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"openchat/sdk/wire"
)

func end(t testing.TB, s *Store, e Engagement) {
	t.Helper()
	if _, err := s.Update(testContext(t), e.Customer, e.EngagementID, func(e *Engagement) ([]wire.Event, error) { return e.Terminate(), nil }); err != nil {
		t.Fatal(err)
	}
}

// endedChats makes n chats of the session's customer that have ended.
func endedChats(t testing.TB, s *Store, session Session, n int) {
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := w; i < n; i += 16 {
				e, _, err := s.CreateEngagement(testContext(t), session, map[string]string{"n": strconv.Itoa(i)}, "ended "+strconv.Itoa(i))
				if err == nil {
					_, err = s.Update(testContext(t), session.Customer, e.EngagementID, func(e *Engagement) ([]wire.Event, error) { return e.Terminate(), nil })
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// A listing reads what it answers with: as much with one ended chat as with 500.
func TestListingIsFlat(t *testing.T) {
	s := openStore(t, Config{URL: natsServer(t)})
	session := newSession(t, s, ann, "s")
	newChat(t, s, session, "ongoing")
	cost := func() (messages, bytes uint64) {
		caughtUp(t, s)
		before := s.nc.Stats()
		list, err := s.Engagements(testContext(t), ann)
		if err != nil || len(list) != 1 {
			t.Fatalf("%+v, %v", list, err)
		}
		open := 0
		if err := s.Open(testContext(t), func(Engagement) { open++ }); err != nil || open != 1 {
			t.Fatalf("%d open, %v", open, err)
		}
		now := s.nc.Stats()
		return now.InMsgs - before.InMsgs, now.InBytes - before.InBytes
	}
	endedChats(t, s, session, 1)
	one, oneBytes := cost()
	endedChats(t, s, session, 500)
	many, manyBytes := cost()
	// The stream's numbers have a few more digits.
	if many != one || manyBytes > oneBytes+100 {
		t.Errorf("with 1 ended chat a listing receives %d messages and %d bytes, with 500 %d and %d", one, oneBytes, many, manyBytes)
	}
}

// What another gateway has stored is in the listing that is asked for after it.
func TestListingIsFresh(t *testing.T) {
	url := natsServer(t)
	one, two := openStore(t, Config{URL: url}), openStore(t, Config{URL: url})
	session := newSession(t, one, ann, "s")
	for i := range 50 {
		e := newChat(t, one, session, strconv.Itoa(i))
		if list, err := two.Engagements(testContext(t), ann); err != nil || len(list) != 1 || list[0].EngagementID != e.EngagementID || list[0].EventID != e.EventID {
			t.Fatalf("round %d: %+v, %v", i, list, err)
		}
		end(t, one, e)
		if list, err := two.Engagements(testContext(t), ann); err != nil || len(list) != 0 {
			t.Fatalf("round %d, ended: %+v, %v", i, list, err)
		}
	}
}

func TestOngoing(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, Config{Dir: dir, RingEntries: 1})
	expect := func(customer, account int) {
		t.Helper()
		if n, err := s.Ongoing(testContext(t), ann); err != nil || n != customer {
			t.Errorf("%d ongoing, %v, want %d", n, err, customer)
		}
		if n := s.OngoingOfAccount(ann.Account); n != account {
			t.Errorf("%d ongoing in the account, want %d", n, account)
		}
	}
	expect(0, 0)
	session := newSession(t, s, ann, "s")
	first := newChat(t, s, session, "1")
	expect(1, 1)
	newChat(t, s, session, "2")
	newChat(t, s, newSession(t, s, bob, "s"), "3")
	caughtUp(t, s)
	expect(2, 3)
	end(t, s, first)
	caughtUp(t, s)
	expect(1, 2)
	s.Close()
	// Beyond what the follower begins with.
	s = openStore(t, Config{Dir: dir, RingEntries: 1})
	expect(1, 2)
	if n := s.OngoingOfAccount("OTHERS"); n != 0 {
		t.Errorf("%d in another account", n)
	}
}

// What the stream forgets leaves the index: by its age at once, by another's hand with the
// next comparison. After a loss of entries the index is what is stored.
func TestIndexForgets(t *testing.T) {
	s, ctx := openStore(t, Config{}), testContext(t)
	session := newSession(t, s, ann, "s")
	aged, purged, kept := newChat(t, s, session, "1"), newChat(t, s, session, "2"), newChat(t, s, session, "3")
	list := func() string {
		t.Helper()
		got, err := s.Engagements(ctx, ann)
		if err != nil {
			t.Fatal(err)
		}
		open := 0
		if err := s.Open(ctx, func(Engagement) { open++ }); err != nil || open != len(got) {
			t.Errorf("%d open, %d listed, %v", open, len(got), err)
		}
		var ids []string
		for _, e := range got {
			ids = append(ids, e.CorrelationID)
		}
		slices.Sort(ids) // chats that begin in the same millisecond have no order of their own
		return strings.Join(ids, "")
	}
	if got := list(); got != "123" {
		t.Errorf("ongoing: %s", got)
	}
	state := aged
	state.EventID++
	s.ongoing.put(&state, time.Now().Add(-s.cfg.MaxAge))
	if got := list(); got != "23" {
		t.Errorf("after the first has reached its age: %s", got)
	}
	if err := s.stream.Purge(ctx, jetstream.WithPurgeSubject(engagementSubject(ann, purged.EngagementID))); err != nil {
		t.Fatal(err)
	}
	if err := s.stream.Purge(ctx, jetstream.WithPurgeSubject(engagementSubject(ann, aged.EngagementID))); err != nil {
		t.Fatal(err)
	}
	if err := s.ongoing.verify(ctx); err != nil {
		t.Fatal(err)
	}
	if got := list(); got != "3" || s.OngoingOfAccount(ann.Account) != 1 {
		t.Errorf("after the second was removed: %s, %d in the account", got, s.OngoingOfAccount(ann.Account))
	}
	// As after a loss: the index is wrong in every way.
	s.ongoing.put(&purged, time.Now())
	s.ongoing.forget(s.ongoing.get(ann, kept.EngagementID))
	s.ongoing.rebuild()
	s.ongoing.rebuild()
	if got := list(); got != "3" {
		t.Errorf("rebuilt: %s", got)
	}
}

// Of two states the newer stays, in whatever order they come, also while a scan brings old ones.
func TestIndexKeepsTheNewest(t *testing.T) {
	x := newIndex(&Store{cfg: Config{MaxAge: MinAge}})
	state := func(id wire.EventID, status wire.EngagementStatus) *Engagement {
		return &Engagement{Customer: ann, EngagementID: "e", EventID: id, Status: status}
	}
	x.put(state(2, wire.EngagementActive), time.Now())
	x.put(state(1, wire.EngagementPending), time.Now())
	if got, _ := x.of(ann); len(got) != 1 || got[0].EventID != 2 {
		t.Errorf("%+v", got)
	}
	x.put(state(4, wire.EngagementTerminated), time.Now())
	x.put(state(3, wire.EngagementActive), time.Now())
	if got, _ := x.of(ann); len(got) != 0 || len(x.accounts) != 0 {
		t.Errorf("%+v, %v", got, x.accounts)
	}
}

// A stream whose newest entries were deleted opens, and lists.
func TestNewestEntriesDeleted(t *testing.T) {
	url := natsServer(t)
	s, ctx := openStore(t, Config{URL: url}), testContext(t)
	newChat(t, s, newSession(t, s, ann, "s"), "1")
	gone := newChat(t, s, newSession(t, s, bob, "s"), "1")
	caughtUp(t, s)
	if err := s.stream.Purge(ctx, jetstream.WithPurgeSubject(customerSubject(bob)+".>")); err != nil {
		t.Fatal(err)
	}
	again := openStore(t, Config{URL: url})
	if list, err := again.Engagements(ctx, ann); err != nil || len(list) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err := again.Engagements(ctx, bob); err != nil || len(list) != 0 {
		t.Errorf("%+v of %s, %v", list, gone.EngagementID, err)
	}
}
