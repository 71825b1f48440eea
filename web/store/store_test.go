package store

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"openchat/sdk/wire"
)

var ann = Customer{Account: "ABCDEF", ID: "ann@example.com"}
var bob = Customer{Account: "ABCDEF", ID: "bob / ümlaut > * ."}

const integration = "6f9e2a1c-0d53-4c5e-9a52-1f6d0c6b7a01"

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func openStore(t testing.TB, cfg Config) *Store {
	t.Helper()
	if cfg.Dir == "" && cfg.URL == "" {
		cfg.Dir = t.TempDir()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(logWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	s, err := Open(testContext(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

type logWriter struct{ t testing.TB }

func (w logWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func newSession(t testing.TB, s *Store, c Customer, key string) Session {
	t.Helper()
	session, _, err := s.CreateSession(testContext(t), c, integration, "Ann", nil, key)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// newChat makes an engagement with the session in it.
func newChat(t testing.TB, s *Store, session Session, key string) Engagement {
	t.Helper()
	e, _, err := s.CreateEngagement(testContext(t), session, nil, key)
	if err != nil {
		t.Fatal(err)
	}
	e, err = s.Update(testContext(t), session.Customer, e.EngagementID, func(e *Engagement) ([]wire.Event, error) {
		return e.Enter(session), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func text(s string) wire.Body {
	return wire.Body{ElementType: wire.ElementText, Text: s, TextFormat: wire.TextPlain}
}

func from(session Session, words, key string) NewMessage {
	return NewMessage{
		Sender:    wire.Participant{ParticipantID: session.ParticipantID, ParticipantType: wire.ParticipantCustomer, DisplayName: "Ann"},
		SessionID: session.SessionID, Body: text(words), CorrelationID: key,
	}
}

// history reads the whole chat, page by page from the newest.
func history(t testing.TB, s *Store, e Engagement) []wire.Message {
	t.Helper()
	var all []wire.Message
	q := Query{Size: wire.MaxPageSize}
	for {
		page, err := s.Page(testContext(t), e.Customer, e.EngagementID, q)
		if err != nil {
			t.Fatal(err)
		}
		all = append(slices.Clone(page.Messages), all...)
		if !page.HasOlder {
			return all
		}
		q.Before = page.Messages[0].MessageIndex
	}
}

func TestSession(t *testing.T) {
	s, ctx := openStore(t, Config{}), testContext(t)
	first, created, err := s.CreateSession(ctx, ann, integration, "Ann", map[string]string{"a": "b"}, "key")
	if err != nil || !created {
		t.Fatalf("created %v, %v", created, err)
	}
	again, created, err := s.CreateSession(ctx, ann, integration, "Other", nil, "key")
	if err != nil || created {
		t.Fatalf("again: created %v, %v", created, err)
	}
	if fmt.Sprint(again) != fmt.Sprint(first) {
		t.Errorf("a repeat answered\n%+v, not\n%+v", again, first)
	}
	if !wire.IsUUID(first.SessionID) || !wire.IsUUID(first.ParticipantID) {
		t.Errorf("ids %s %s", first.SessionID, first.ParticipantID)
	}
	second := newSession(t, s, ann, "key 2")
	if second.SessionID == first.SessionID || second.ParticipantID != first.ParticipantID {
		t.Errorf("the second session is %+v, the first %+v", second, first)
	}
	if elsewhere, created, err := s.CreateSession(ctx, ann, "other", "Ann", nil, "key"); err != nil || !created || elsewhere.SessionID == first.SessionID {
		t.Errorf("the same key in another integration: %+v, created %v, %v", elsewhere, created, err)
	}
	other := newSession(t, s, bob, "key")
	if other.SessionID == first.SessionID || other.ParticipantID == first.ParticipantID {
		t.Error("two customers share an id")
	}
	if _, err := s.Session(ctx, bob, first.SessionID); !errors.Is(err, ErrNotFound) {
		t.Errorf("another customer's session: %v", err)
	}
	for _, id := range []string{"", "*", ">", "x.y", "00000000-0000-0000-0000-000000000000"} {
		if _, err := s.Session(ctx, ann, id); !errors.Is(err, ErrNotFound) {
			t.Errorf("session %q: %v", id, err)
		}
		if err := s.EndSession(ctx, ann, id, wire.ReasonUserClosed); err != nil {
			t.Errorf("ending session %q: %v", id, err)
		}
	}

	caughtUp(t, s)
	entries := make(chan Entry, 10)
	if err := s.Follow(ctx, func(e Entry) { entries <- e }); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.EndSession(ctx, ann, first.SessionID, wire.ReasonUserInactive); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Session(ctx, ann, first.SessionID); !errors.Is(err, ErrNotFound) {
		t.Errorf("an ended session: %v", err)
	}
	if ended, created, err := s.CreateSession(ctx, ann, integration, "", nil, "key"); err != nil || created || ended.SessionStatus != wire.SessionTerminated {
		t.Errorf("creating it again: %+v %v %v", ended, created, err)
	}
	newSession(t, s, ann, "key 3")
	var got []Entry
	for range 2 {
		got = append(got, receive(t, entries))
	}
	if len(got[0].Events) != 1 || got[0].EngagementID != "" || len(got[1].Events) != 0 {
		t.Fatalf("followers were given %+v", got)
	}
	encoded := got[0].Events[0]
	event, err := wire.DecodeEvent(encoded.JSON)
	if err != nil || event.Type != wire.EventSessionTerminated || event.Reason != wire.ReasonUserInactive || event.SessionID != first.SessionID || encoded.SessionID != first.SessionID || event.Date.IsZero() {
		t.Errorf("event %+v (%s), %v", event, encoded.JSON, err)
	}
}

// The server refuses a second commit while it still writes the first, which nobody can
// read until then.
func TestCreateMeetsUnwritten(t *testing.T) {
	s := openStore(t, Config{})
	session := newSession(t, s, ann, "key")
	reads := 0
	created, err := s.create(testContext(t), ann, sessionSubject(ann, session.SessionID), &commit{Session: &session}, func(uint64) {}, func() error {
		if reads++; reads < 3 {
			return ErrNotFound
		}
		return nil
	})
	if created || err != nil || reads != 3 {
		t.Errorf("created %v, %v, after %d reads", created, err, reads)
	}
}

func receive[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-testContext(t).Done():
		t.Fatal("nothing came")
		panic("not reached")
	}
}

func TestEngagement(t *testing.T) {
	s, ctx := openStore(t, Config{}), testContext(t)
	one, two := newSession(t, s, ann, "1"), newSession(t, s, ann, "2")
	e, created, err := s.CreateEngagement(ctx, one, map[string]string{"topic": "tea"}, "key")
	if err != nil || !created || e.Status != wire.EngagementPending || len(e.Members) != 0 || e.EventID == 0 {
		t.Fatalf("%+v %v %v", e, created, err)
	}
	again, created, err := s.CreateEngagement(ctx, two, nil, "key")
	if err != nil || created || fmt.Sprint(again) != fmt.Sprint(e) {
		t.Fatalf("again: %+v %v %v", again, created, err)
	}
	if _, err := s.Engagement(ctx, bob, e.EngagementID); !errors.Is(err, ErrNotFound) {
		t.Errorf("another customer's: %v", err)
	}

	caughtUp(t, s)
	entries := make(chan Entry, 100)
	if err := s.Follow(ctx, func(e Entry) { entries <- e }); err != nil {
		t.Fatal(err)
	}
	bot := wire.Participant{ParticipantID: "b0b0b0b0-0000-4000-8000-000000000000", ParticipantType: wire.ParticipantBot, DisplayName: "Bot"}
	agent := wire.Participant{ParticipantID: "a0a0a0a0-0000-4000-8000-000000000000", ParticipantType: wire.ParticipantAgent, DisplayName: "Ada"}
	update := func(change func(e *Engagement) []wire.Event) (Engagement, []string) {
		t.Helper()
		e, err := s.Update(ctx, ann, e.EngagementID, func(e *Engagement) ([]wire.Event, error) { return change(e), nil })
		if err != nil {
			t.Fatal(err)
		}
		// The marker shows that nothing else was stored.
		newSession(t, s, bob, random())
		var raised []string
		for {
			entry := receive(t, entries)
			if entry.Customer == bob {
				return e, raised
			}
			if entry.Engagement == nil || entry.Engagement.EventID != e.EventID || entry.Last != e.EventID || entry.EngagementID != e.EngagementID {
				t.Errorf("entry %+v for %+v", entry, e)
			}
			for i, v := range entry.Events {
				event, err := wire.DecodeEvent(v.JSON)
				if err != nil || event.EngagementID != e.EngagementID || event.DialogID != e.DialogID || event.Date.IsZero() || event.SessionID != v.SessionID {
					t.Errorf("event %s: %v", v.JSON, err)
				}
				if v.ID != entry.Last-99+wire.EventID(i) {
					t.Errorf("event %d has id %v in the entry that ends at %v", i, v.ID, entry.Last)
				}
				words := []string{string(event.Type), event.Participant.DisplayName}
				switch event.SessionID {
				case one.SessionID:
					words = append(words, "to one")
				case two.SessionID:
					words = append(words, "to two")
				}
				raised = append(raised, strings.Join(strings.Fields(strings.Join(words, " ")), " "))
			}
		}
	}
	expect := func(got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("the events are %q, not %q", got, want)
		}
	}

	e, raised := update(func(e *Engagement) []wire.Event { return e.Add(bot) })
	expect(raised, "PARTICIPANT_ADDED Bot")
	if v := e.View(one.SessionID, 0); v.EngagementStatus != wire.EngagementPending {
		t.Errorf("before entering: %+v", v)
	}
	e, raised = update(func(e *Engagement) []wire.Event { return e.Enter(one) })
	t.Run("EV-13 a session that enters gets events of itself, the customer, everyone else", func(t *testing.T) {
		expect(raised, "ENGAGEMENT_ACTIVE to one", "PARTICIPANT_ADDED Ann to one", "PARTICIPANT_ADDED Bot to one")
	})
	t.Run("ENG-3 PENDING until this session is in", func(t *testing.T) {
		if a, b := e.View(one.SessionID, 0), e.View(two.SessionID, 0); a.EngagementStatus != wire.EngagementActive || b.EngagementStatus != wire.EngagementPending {
			t.Errorf("one sees %s, two %s", a.EngagementStatus, b.EngagementStatus)
		}
	})
	before := e.EventID
	e, raised = update(func(e *Engagement) []wire.Event { return e.Enter(one) })
	expect(raised)
	if e.EventID != before {
		t.Errorf("no change moved the position from %v to %v", before, e.EventID)
	}
	_, raised = update(func(e *Engagement) []wire.Event { return e.Enter(two) })
	expect(raised, "ENGAGEMENT_ACTIVE to two", "PARTICIPANT_ADDED Ann to two", "PARTICIPANT_ADDED Bot to two")
	_, raised = update(func(e *Engagement) []wire.Event {
		return append(e.Add(agent), e.Remove(bot.ParticipantID)...)
	})
	expect(raised, "PARTICIPANT_ADDED Ada", "PARTICIPANT_DISCONNECTED Bot")
	if list, err := s.Engagements(ctx, ann); err != nil || len(list) != 1 || len(list[0].Members) != 2 {
		t.Errorf("ongoing: %+v, %v", list, err)
	}
	e, raised = update((*Engagement).Terminate)
	expect(raised, "PARTICIPANT_DISCONNECTED Ada", "PARTICIPANT_DISCONNECTED Ann", "ENGAGEMENT_TERMINATED")
	if !e.Ended() {
		t.Errorf("ended: %+v", e)
	}
	_, raised = update((*Engagement).Terminate)
	expect(raised)
	for _, f := range []func(*Engagement) []wire.Event{
		func(e *Engagement) []wire.Event { return e.Enter(newSession(t, s, ann, "3")) },
		func(e *Engagement) []wire.Event { return e.Add(bot) },
		func(e *Engagement) []wire.Event { return e.Remove(agent.ParticipantID) },
	} {
		ended := e
		if events := f(&ended); events != nil {
			t.Errorf("after the end: %+v", events)
		}
	}
	if list, err := s.Engagements(ctx, ann); err != nil || len(list) != 0 {
		t.Errorf("ongoing after the end: %+v, %v", list, err)
	}
	if got, err := s.Engagement(ctx, ann, e.EngagementID); err != nil || !got.Ended() {
		t.Errorf("after the end: %+v, %v", got, err)
	}
	wrong := errors.New("wrong")
	if _, err := s.Update(ctx, ann, e.EngagementID, func(*Engagement) ([]wire.Event, error) { return nil, wrong }); err != wrong {
		t.Errorf("the change's error came back as %v", err)
	}
	if _, err := s.Update(ctx, ann, e.EngagementID, func(*Engagement) ([]wire.Event, error) {
		return make([]wire.Event, MaxEvents+1), nil
	}); err == nil {
		t.Error("more events than fit were taken")
	}
}

func TestEngagementsMany(t *testing.T) {
	s, ctx := openStore(t, Config{}), testContext(t)
	session := newSession(t, s, ann, "s")
	// More than the server puts into one answer.
	const n = 1100
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			for j := i; j < n; j += 20 {
				e, _, err := s.CreateEngagement(ctx, session, nil, strconv.Itoa(j))
				if err == nil && j >= 20 {
					_, err = s.Update(ctx, ann, e.EngagementID, func(e *Engagement) ([]wire.Event, error) { return e.Terminate(), nil })
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	list, err := s.Engagements(ctx, ann)
	if err != nil || len(list) != 20 || !slices.IsSortedFunc(list, func(a, b Engagement) int { return a.CreatedAt.Compare(b.CreatedAt) }) {
		t.Errorf("%d ongoing, %v", len(list), err)
	}
	open := map[string]bool{}
	if err := s.Open(ctx, func(e Engagement) { open[e.EngagementID] = true }); err != nil || len(open) != 20 {
		t.Errorf("%d open, %v", len(open), err)
	}
}

func TestOpenEmpty(t *testing.T) {
	s, ctx := openStore(t, Config{}), testContext(t)
	if err := s.Open(ctx, func(e Engagement) { t.Errorf("%+v", e) }); err != nil {
		t.Fatal(err)
	}
	if err := s.Healthy(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestAppend(t *testing.T) {
	s, ctx := openStore(t, Config{}), testContext(t)
	session := newSession(t, s, ann, "s")
	e := newChat(t, s, session, "e")
	t.Run("MSG-4 a repeat finds the first", func(t *testing.T) {
		first, created, err := s.Append(ctx, ann, e.EngagementID, from(session, "one", "key"))
		if err != nil || !created || first.MessageIndex != 1 || first.EventID == 0 {
			t.Fatalf("%+v %v %v", first, created, err)
		}
		if _, _, err := s.Append(ctx, ann, e.EngagementID, from(session, "two", "key 2")); err != nil {
			t.Fatal(err)
		}
		again, created, err := s.Append(ctx, ann, e.EngagementID, from(session, "other words", "key"))
		if err != nil || created || again != first {
			t.Fatalf("again: %+v %v %v, not %+v", again, created, err, first)
		}
		sent, err := s.Sent(ctx, ann, e.EngagementID, session.ParticipantID, "key")
		if err != nil || sent != first {
			t.Errorf("Sent: %+v %v", sent, err)
		}
		if _, err := s.Sent(ctx, ann, e.EngagementID, session.ParticipantID, "never"); !errors.Is(err, ErrNotFound) {
			t.Errorf("Sent of what was not: %v", err)
		}
	})
	t.Run("the key is the sender's", func(t *testing.T) {
		m := from(session, "three", "key")
		m.Sender = wire.Participant{ParticipantID: "a0a0a0a0-0000-4000-8000-000000000000", ParticipantType: wire.ParticipantAgent}
		if stored, created, err := s.Append(ctx, ann, e.EngagementID, m); err != nil || !created || stored.MessageIndex != 3 {
			t.Errorf("%+v %v %v", stored, created, err)
		}
	})
	t.Run("without a key each is another", func(t *testing.T) {
		for i := range 2 {
			if stored, created, err := s.Append(ctx, ann, e.EngagementID, from(session, "same", "")); err != nil || !created || stored.MessageIndex != int64(4+i) || stored.CorrelationID != "" {
				t.Errorf("%+v %v %v", stored, created, err)
			}
		}
	})
	t.Run("not another customer's", func(t *testing.T) {
		if _, _, err := s.Append(ctx, bob, e.EngagementID, from(session, "x", "x")); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		if page, err := s.Page(ctx, bob, e.EngagementID, Query{Size: 10}); err != nil || len(page.Messages) != 0 || page.NewestIndex != 0 {
			t.Errorf("%+v %v", page, err)
		}
	})
}

// The order in which the server checks the key and the expected sequence decides
// what a repeat meets. This asks the server itself, so that a new version which does
// it the other way round is noticed; both ways Append is right, as the next test
// shows for the one and TestCluster for the other.
func TestServerChecksSubjectBeforeKey(t *testing.T) {
	s, ctx := openStore(t, Config{}), testContext(t)
	subject := messageSubject(ann, "e", 1)
	first, duplicate, err := s.publish(ctx, ann, subject, []byte("{}"), 0, "id", nats.Header{headerWrite: {"w"}})
	if err != nil || duplicate {
		t.Fatal(err)
	}
	if _, _, err := s.publish(ctx, ann, subject, []byte("{}"), 0, "id", nats.Header{headerWrite: {"w"}}); !errors.Is(err, errConflict) {
		t.Errorf("same subject, same key: %v", err)
	}
	again, duplicate, err := s.publish(ctx, ann, messageSubject(ann, "e", 2), []byte("{}"), 0, "id", nats.Header{headerWrite: {"w"}})
	if err != nil || !duplicate || again != first {
		t.Errorf("next subject, same key: %d %v %v, not %d", again, duplicate, err, first)
	}
}

func TestRaces(t *testing.T) {
	for _, external := range []bool{false, true} {
		t.Run(fmt.Sprintf("external %v", external), func(t *testing.T) {
			stores := []*Store{openStore(t, Config{})}
			if external {
				// Two gateways, so that the server has to decide.
				url := natsServer(t)
				stores = []*Store{openStore(t, Config{URL: url}), openStore(t, Config{URL: url})}
			}
			races(t, stores)
		})
	}
}

func races(t *testing.T, stores []*Store) {
	ctx := testContext(t)
	session := newSession(t, stores[0], ann, "s")
	e := newChat(t, stores[0], session, "e")
	const writers = 50
	var wg sync.WaitGroup
	for i := range writers {
		s := stores[i%len(stores)]
		wg.Go(func() {
			for _, key := range []string{"own " + strconv.Itoa(i), "shared " + strconv.Itoa(i/10), "own too " + strconv.Itoa(i)} {
				m, _, err := s.Append(ctx, ann, e.EngagementID, from(session, key, key))
				if err != nil {
					t.Errorf("%s: %v", key, err)
				} else if m.Body.Text != key {
					t.Errorf("%s was answered with %s", key, m.Body.Text)
				}
			}
		})
		wg.Go(func() {
			p := wire.Participant{ParticipantID: derive("p", strconv.Itoa(i)), ParticipantType: wire.ParticipantAgent}
			if _, err := s.Update(ctx, ann, e.EngagementID, func(e *Engagement) ([]wire.Event, error) { return e.Add(p), nil }); err != nil {
				t.Errorf("adding %d: %v", i, err)
			}
		})
		wg.Go(func() {
			if _, _, err := s.CreateSession(ctx, bob, integration, "", nil, "shared"); err != nil {
				t.Errorf("creating: %v", err)
			}
		})
	}
	wg.Wait()
	all := history(t, stores[0], e)
	if len(all) != 2*writers+writers/10 {
		t.Errorf("%d messages", len(all))
	}
	seen := map[string]bool{}
	for i, m := range all {
		if m.MessageIndex != int64(i+1) || seen[m.CorrelationID] || i > 0 && m.EventID <= all[i-1].EventID {
			t.Errorf("message %d: %+v", i, m)
		}
		seen[m.CorrelationID] = true
	}
	got, err := stores[len(stores)-1].Engagement(ctx, ann, e.EngagementID)
	if err != nil || len(got.Members) != writers+1 {
		t.Errorf("%d members, %v", len(got.Members), err)
	}
}

func TestPage(t *testing.T) {
	s, ctx := openStore(t, Config{}), testContext(t)
	session := newSession(t, s, ann, "s")
	e := newChat(t, s, session, "e")
	empty, err := s.Page(ctx, ann, e.EngagementID, Query{Size: 10})
	if err != nil || len(empty.Messages) != 0 || empty.NewestIndex != 0 || empty.HasNewer || empty.HasOlder {
		t.Errorf("empty: %+v %v", empty, err)
	}
	const n = 2005
	for i := range n {
		if _, _, err := s.Append(ctx, ann, e.EngagementID, from(session, strconv.Itoa(i+1), "")); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		q            Query
		low, high    int64
		older, newer bool
	}{
		{Query{Size: 10}, n - 9, n, true, false},
		{Query{Size: 1}, n, n, true, false},
		{Query{Size: 50}, n - 49, n, true, false},
		{Query{Size: 10, Before: n + 100}, n - 9, n, true, false},
		{Query{Size: 10, Before: 11}, 1, 10, false, true},
		{Query{Size: 10, Before: 12}, 2, 11, true, true},
		{Query{Size: 10, Before: 5}, 1, 4, false, true},
		{Query{Size: 10, Before: 2}, 1, 1, false, true},
		{Query{Size: 10, Before: 1}, 0, 0, false, true},
		{Query{Size: 10, After: 5}, 6, 15, true, true},
		{Query{Size: 10, After: n - 3}, n - 2, n, true, false},
		{Query{Size: 10, After: n}, 0, 0, true, false},
		{Query{Size: 10, After: n + 7}, 0, 0, true, false},
		{Query{Size: 50, Before: 200}, 150, 199, true, true},
	} {
		page, err := s.Page(ctx, ann, e.EngagementID, c.q)
		if err != nil {
			t.Fatalf("%+v: %v", c.q, err)
		}
		var low, high int64
		if k := len(page.Messages); k > 0 {
			low, high = page.Messages[0].MessageIndex, page.Messages[k-1].MessageIndex
			if int64(k) != high-low+1 {
				t.Errorf("%+v: %d messages from %d to %d", c.q, k, low, high)
			}
		}
		if low != c.low || high != c.high || page.HasOlder != c.older || page.HasNewer != c.newer || page.NewestIndex != n {
			t.Errorf("%+v: %d–%d older %v newer %v newest %d", c.q, low, high, page.HasOlder, page.HasNewer, page.NewestIndex)
		}
	}
	for _, q := range []Query{{}, {Size: 51}, {Size: 1, Before: -1}, {Size: 1, Before: 2, After: 2}} {
		if _, err := s.Page(ctx, ann, e.EngagementID, q); err == nil {
			t.Errorf("%+v was taken", q)
		}
	}
	all := history(t, s, e)
	for i, m := range all {
		if m.Body.Text != strconv.Itoa(i+1) {
			t.Fatalf("message %d is %q", i+1, m.Body.Text)
		}
	}
	t.Run("the oldest have reached their age", func(t *testing.T) {
		first := all[1000]
		if err := s.stream.Purge(ctx, jetstream.WithPurgeSubject(strings.TrimSuffix(engagementMessages(ann, e.EngagementID), "*")+"*"), jetstream.WithPurgeSequence(uint64(first.EventID)/100)); err != nil {
			t.Fatal(err)
		}
		page, err := s.Page(ctx, ann, e.EngagementID, Query{Size: 10, After: 5})
		if err != nil || len(page.Messages) != 10 || page.Messages[0].MessageIndex != first.MessageIndex || page.HasOlder || !page.HasNewer {
			t.Errorf("after 5: %+v %v", page, err)
		}
		page, err = s.Page(ctx, ann, e.EngagementID, Query{Size: 10, Before: first.MessageIndex + 3})
		if err != nil || len(page.Messages) != 3 || page.HasOlder {
			t.Errorf("before: %+v %v", page, err)
		}
	})
}

func TestFollow(t *testing.T) {
	s, ctx := openStore(t, Config{}), testContext(t)
	session := newSession(t, s, ann, "s")
	e := newChat(t, s, session, "e")
	caughtUp(t, s)
	const n = 500
	got := [2]chan Entry{make(chan Entry, n+1), make(chan Entry, n+1)}
	firstOnly, stop := context.WithCancel(ctx)
	for i, ctx := range []context.Context{firstOnly, ctx} {
		if err := s.Follow(ctx, func(e Entry) { got[i] <- e }); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for w := range 10 {
		wg.Go(func() {
			for i := range n / 10 {
				if _, _, err := s.Append(ctx, ann, e.EngagementID, from(session, "x", fmt.Sprint(w, i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for f := range got {
		for i := range n {
			entry := receive(t, got[f])
			if entry.Message == nil || entry.Message.MessageIndex != int64(i+1) || entry.Customer != ann || entry.Message.EventID != entry.Events[0].ID {
				t.Fatalf("follower %d, entry %d: %+v", f, i, entry)
			}
			decoded, err := wire.DecodeEvent(entry.Events[0].JSON)
			if err != nil || decoded.Type != wire.EventMessages || decoded.Message.MessageIndex != int64(i+1) {
				t.Fatalf("%s: %v", entry.Events[0].JSON, err)
			}
		}
	}
	if at := s.Position(); at < after(uint64(n)) {
		t.Errorf("position %v", at)
	}
	stop()
	if _, _, err := s.Append(ctx, ann, e.EngagementID, from(session, "last", "")); err != nil {
		t.Fatal(err)
	}
	receive(t, got[1])
	select {
	case entry := <-got[0]:
		t.Errorf("after its context's end: %+v", entry)
	default:
	}
}

// A hole in what the consumer delivers is filled from the stream, and what the
// stream no longer has is said to be lost.
func TestFollowGap(t *testing.T) {
	s, ctx := openStore(t, Config{}), testContext(t)
	session := newSession(t, s, ann, "s")
	e := newChat(t, s, session, "e")
	caughtUp(t, s)
	s.follow.stop()
	last := s.follow.sequence()
	for i := range 4 {
		if _, _, err := s.Append(ctx, ann, e.EngagementID, from(session, strconv.Itoa(i), "")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.stream.DeleteMsg(ctx, last+2); err != nil {
		t.Fatal(err)
	}
	var got []Entry
	if err := s.Follow(ctx, func(e Entry) { got = append(got, e) }); err != nil {
		t.Fatal(err)
	}
	consumer, err := s.js.OrderedConsumer(ctx, streamName, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: last + 4})
	if err != nil {
		t.Fatal(err)
	}
	m, err := consumer.Next()
	if err != nil {
		t.Fatal(err)
	}
	meta, err := m.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	from := s.Position()
	s.follow.receive(m, meta)
	s.follow.receive(m, meta)
	var texts []string
	for _, e := range got {
		if e.Message != nil {
			texts = append(texts, e.Message.Body.Text)
		} else {
			texts = append(texts, fmt.Sprint(e.Customer.ID, e.Last))
		}
	}
	if want := []string{"0", after(last + 2).String(), "2", "3"}; !slices.Equal(texts, want) {
		t.Errorf("given %q, not %q", texts, want)
	}
	if ok, err := s.Since(ctx, ann, from, s.Position(), func(Entry) {}); err != nil || ok {
		t.Errorf("since before the hole: %v %v", ok, err)
	}
	n := 0
	if ok, err := s.Since(ctx, ann, after(last+2), s.Position(), func(Entry) { n++ }); err != nil || !ok || n != 2 {
		t.Errorf("since the hole: %v %v %d", ok, err, n)
	}
}

func TestSince(t *testing.T) {
	dir := t.TempDir()
	s, ctx := openStore(t, Config{Dir: dir}), testContext(t)
	session, other := newSession(t, s, ann, "s"), newSession(t, s, bob, "s")
	e, o := newChat(t, s, session, "e"), newChat(t, s, other, "e")
	var ids []wire.EventID
	for i := range 100 {
		m, _, err := s.Append(ctx, ann, e.EngagementID, from(session, strconv.Itoa(i), ""))
		if err == nil {
			ids = append(ids, m.EventID)
			_, _, err = s.Append(ctx, bob, o.EngagementID, from(other, "x", ""))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	check := func(t *testing.T, s *Store) {
		followed(t, s, ids[99])
		to := s.Position()
		for _, at := range []int{0, 1, 50, 98, 99} {
			var got []string
			ok, err := s.Since(ctx, ann, ids[at], to, func(e Entry) { got = append(got, e.Message.Body.Text) })
			var want []string
			for i := at + 1; i < 100; i++ {
				want = append(want, strconv.Itoa(i))
			}
			if err != nil || !ok || !slices.Equal(got, want) {
				t.Errorf("since %d: %v %v %q", at, ok, err, got)
			}
		}
		t.Run("within a change", func(t *testing.T) {
			var got []wire.EventType
			if ok, err := s.Since(ctx, ann, e.EventID-99, ids[0]-1, func(e Entry) {
				for _, v := range e.Events {
					got = append(got, v.Type)
				}
			}); err != nil || !ok || !slices.Equal(got, []wire.EventType{wire.EventParticipantAdded}) {
				t.Errorf("%v %v %v", ok, err, got)
			}
		})
		t.Run("up to", func(t *testing.T) {
			n := 0
			if ok, err := s.Since(ctx, ann, ids[10], ids[20]+99, func(Entry) { n++ }); err != nil || !ok || n != 10 {
				t.Errorf("%v %v %d", ok, err, n)
			}
		})
		t.Run("a position that never was", func(t *testing.T) {
			if ok, err := s.Since(ctx, ann, to+100_000, to, func(Entry) {}); err != nil || ok {
				t.Errorf("%v %v", ok, err)
			}
		})
	}
	t.Run("STREAM-3 from memory", func(t *testing.T) { check(t, s) })
	s.Close()
	t.Run("STREAM-3 from memory, after a restart", func(t *testing.T) {
		s := openStore(t, Config{Dir: dir})
		if _, ok := s.follow.ring.since(ann, uint64(ids[0])/100); !ok {
			t.Error("what came last is not remembered")
		}
		check(t, s)
		s.Close()
	})
	t.Run("STREAM-3 from the stream, after a restart", func(t *testing.T) {
		s := openStore(t, Config{Dir: dir, RingEntries: 1})
		if _, ok := s.follow.ring.since(ann, uint64(ids[50])/100); ok {
			t.Error("it needs no stream")
		}
		check(t, s)
		t.Run("many at once", func(t *testing.T) {
			var wg sync.WaitGroup
			for i := range 200 {
				wg.Go(func() {
					n := 0
					c, want := ann, 99
					if i%2 == 1 {
						c, want = bob, 100
					}
					if i%5 == 4 {
						c, want = Customer{Account: "ABCDEF", ID: strconv.Itoa(i)}, 0
					}
					if ok, err := s.Since(ctx, c, ids[0], s.Position(), func(Entry) { n++ }); err != nil || !ok || n != want {
						t.Errorf("%v %v %d", ok, err, n)
					}
				})
			}
			wg.Wait()
		})
		s.Close()
	})
	t.Run("STREAM-7 too far back", func(t *testing.T) {
		s := openStore(t, Config{Dir: dir, MaxSpan: 50, RingEntries: 1})
		if ok, err := s.Since(ctx, ann, ids[0], s.Position(), func(Entry) { t.Error("called") }); err != nil || ok {
			t.Errorf("%v %v", ok, err)
		}
		s.Close()
	})
	t.Run("STREAM-7 no longer there", func(t *testing.T) {
		s := openStore(t, Config{Dir: dir, RingEntries: 1})
		if err := s.stream.Purge(ctx, jetstream.WithPurgeSequence(uint64(ids[50])/100)); err != nil {
			t.Fatal(err)
		}
		if ok, err := s.Since(ctx, ann, ids[10], s.Position(), func(Entry) { t.Error("called") }); err != nil || ok {
			t.Errorf("%v %v", ok, err)
		}
		n := 0
		if ok, err := s.Since(ctx, ann, ids[60], s.Position(), func(Entry) { n++ }); err != nil || !ok || n != 39 {
			t.Errorf("%v %v %d", ok, err, n)
		}
	})
}

// What many scans at once hold together is bounded: who comes too late for it reads the
// history instead.
func TestScanTotal(t *testing.T) {
	s := openStore(t, Config{RingEntries: 1})
	ids := map[Customer]wire.EventID{}
	for _, c := range []Customer{ann, bob} {
		session := newSession(t, s, c, "s")
		e := newChat(t, s, session, "e")
		ids[c] = e.EventID
		for range 10 {
			if _, _, err := s.Append(testContext(t), c, e.EngagementID, from(session, strings.Repeat("x", 1000), "")); err != nil {
				t.Fatal(err)
			}
		}
	}
	newSession(t, s, Customer{Account: "ABCDEF", ID: "last"}, "s")
	caughtUp(t, s)
	for total, want := range map[int]int{60_000: 2, 30_000: 1, 10_000: 0} {
		s.scans.total = total
		var batch []*scan
		for _, c := range []Customer{ann, bob} {
			batch = append(batch, &scan{ctx: t.Context(), customer: c, from: uint64(ids[c]) / 100, to: s.follow.sequence(), ok: true})
		}
		if err := s.scans.scan(batch); err != nil {
			t.Fatal(err)
		}
		got := 0
		for _, w := range batch {
			if w.ok {
				got++
			}
			if w.ok && len(w.list) != 11 || !w.ok && w.list != nil {
				t.Errorf("with %d bytes: %v, %d entries", total, w.ok, len(w.list))
			}
		}
		if got != want {
			t.Errorf("with %d bytes, %d customers are given their entries, not %d", total, got, want)
		}
	}
}

// caughtUp waits until the store has been given all that is stored.
func caughtUp(t testing.TB, s *Store) {
	t.Helper()
	info, err := s.stream.Info(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	followed(t, s, after(info.State.LastSeq))
}

// followed waits until the store has been given the entry with that event.
func followed(t testing.TB, s *Store, id wire.EventID) {
	t.Helper()
	reached := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	if err := s.Follow(ctx, func(e Entry) {
		if e.Last >= id {
			select {
			case reached <- struct{}{}:
			default:
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	if s.Position() < id {
		receive(t, reached)
	}
}

func TestRingBounds(t *testing.T) {
	r := newRing(10, 1<<20, 0)
	add := func(sequence uint64, c Customer, size int) {
		r.add(sequence, &Entry{Customer: c, Last: after(sequence)}, size)
	}
	for i := range uint64(5000) {
		add(i+1, []Customer{ann, bob}[i%2], 10)
	}
	if list, ok := r.since(ann, 4991); !ok || len(list) != 5 {
		t.Errorf("%d %v", len(list), ok)
	}
	if _, ok := r.since(ann, 4990); ok {
		t.Error("reaches further back than it holds")
	}
	if len(r.kept) > 2100 || len(r.byCustomer) != 2 || r.bytes != 10*(20+entryOverhead) {
		t.Errorf("%d kept, %d customers, %d bytes", len(r.kept), len(r.byCustomer), r.bytes)
	}
	add(5001, ann, 600<<10)
	if list, ok := r.since(ann, 5001); !ok || len(list) != 1 {
		t.Errorf("%d %v", len(list), ok)
	}
	if _, ok := r.since(ann, 5000); ok || len(r.byCustomer) != 1 {
		t.Error("holds more bytes than it may")
	}
	r.restart(5007)
	if list, ok := r.since(ann, 5008); !ok || len(list) != 0 {
		t.Errorf("%d %v", len(list), ok)
	}
	if _, ok := r.since(ann, 5007); ok || r.bytes != 0 {
		t.Error("restarted, it still knows")
	}
}

func TestWork(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, Config{Dir: dir})
	session := newSession(t, s, ann, "s")
	e := newChat(t, s, session, "e")
	work := func(s *Store, fn func(Engagement) error) (stop func()) {
		ctx, cancel := context.WithCancel(testContext(t))
		ended := make(chan error, 1)
		go func() {
			ended <- s.Work(ctx, "desk", func(_ context.Context, e Engagement) error { return fn(e) })
		}()
		return func() {
			t.Helper()
			cancel()
			if err := receive(t, ended); err != nil {
				t.Errorf("Work ended with %v", err)
			}
		}
	}
	got := make(chan Engagement, 100)
	var failed sync.Once
	stop := work(s, func(e Engagement) (err error) {
		failed.Do(func() { err = errors.New("not this time") })
		if err == nil {
			got <- e
		}
		return err
	})
	statuses := map[wire.EngagementStatus]bool{}
	for range 2 {
		w := receive(t, got)
		if w.EngagementID != e.EngagementID || w.EventID == 0 {
			t.Errorf("%+v", w)
		}
		statuses[w.Status] = true
	}
	if len(statuses) != 2 {
		t.Errorf("worked on %v", statuses)
	}
	stop()

	// What changes while nobody works waits, also for another process.
	if _, err := s.Update(testContext(t), ann, e.EngagementID, func(e *Engagement) ([]wire.Event, error) { return e.Terminate(), nil }); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = openStore(t, Config{Dir: dir})
	stop = work(s, func(e Engagement) error { got <- e; return nil })
	if w := receive(t, got); !w.Ended() {
		t.Errorf("%+v", w)
	}
	t.Run("one at a time and in order", func(t *testing.T) {
		chat := newChat(t, s, session, "e2")
		const n = 30
		for i := range n {
			p := wire.Participant{ParticipantID: derive(strconv.Itoa(i)), ParticipantType: wire.ParticipantAgent}
			if _, err := s.Update(testContext(t), ann, chat.EngagementID, func(e *Engagement) ([]wire.Event, error) { return e.Add(p), nil }); err != nil {
				t.Fatal(err)
			}
		}
		last := wire.EventID(0)
		for range n + 2 {
			w := receive(t, got)
			if w.EventID <= last {
				t.Errorf("%v after %v", w.EventID, last)
			}
			last = w.EventID
		}
	})
	stop()
}

func TestExternal(t *testing.T) {
	url := natsServer(t)
	one, two := openStore(t, Config{URL: url}), openStore(t, Config{URL: url})
	ctx := testContext(t)
	session := newSession(t, one, ann, "s")
	e := newChat(t, one, session, "e")
	got := make(chan Entry, 10)
	if err := two.Follow(ctx, func(e Entry) { got <- e }); err != nil {
		t.Fatal(err)
	}
	stored, _, err := one.Append(ctx, ann, e.EngagementID, from(session, "hello", "k"))
	if err != nil {
		t.Fatal(err)
	}
	for {
		if entry := receive(t, got); entry.Message != nil {
			if *entry.Message != stored {
				t.Errorf("%+v, not %+v", *entry.Message, stored)
			}
			break
		}
	}
	if again, created, err := two.Append(ctx, ann, e.EngagementID, from(session, "hello", "k")); err != nil || created || again != stored {
		t.Errorf("%+v %v %v", again, created, err)
	}
	if err := two.Healthy(ctx); err != nil {
		t.Error(err)
	}
}

func natsServer(t testing.TB) string {
	t.Helper()
	return natsServerIn(t, t.TempDir())
}

func natsServerIn(t testing.TB, dir string) string {
	t.Helper()
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server is not ready")
	}
	return srv.ClientURL()
}

// A connection that breaks while much is written: everyone who follows is given
// everything once, and every call succeeds.
func TestReconnect(t *testing.T) {
	opts := &server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true}
	start := func() *server.Server {
		srv, err := server.NewServer(opts)
		if err != nil {
			t.Fatal(err)
		}
		srv.Start()
		if !srv.ReadyForConnections(30 * time.Second) {
			t.Fatal("the server is not ready")
		}
		return srv
	}
	srv := start()
	opts.Port = srv.Addr().(*net.TCPAddr).Port
	s := openStore(t, Config{URL: srv.ClientURL()})
	session := newSession(t, s, ann, "s")
	e := newChat(t, s, session, "e")
	const n = 200
	got := make(chan int64, 2*n)
	if err := s.Follow(testContext(t), func(e Entry) {
		if e.Message != nil {
			got <- e.Message.MessageIndex
		}
	}); err != nil {
		t.Fatal(err)
	}
	appended := make(chan error, n)
	go func() {
		for i := range n {
			_, _, err := s.Append(testContext(t), ann, e.EngagementID, from(session, "x", strconv.Itoa(i)))
			appended <- err
		}
	}()
	for i := range n {
		if i == n/4 || i == n/2 {
			srv.Shutdown()
			srv.WaitForShutdown()
			srv = start()
		}
		if err := receive(t, appended); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		if index := receive(t, got); index != int64(i+1) {
			t.Fatalf("message %d is followed by %d", i, index)
		}
	}
	t.Run("STREAM-3 a resume that needs the stream waits for it", func(t *testing.T) {
		fresh := openStore(t, Config{URL: srv.ClientURL(), RingEntries: 1}) // it remembers next to nothing
		defer fresh.Close()
		away := fresh.nc.StatusChanged(nats.RECONNECTING)
		srv.Shutdown()
		srv.WaitForShutdown()
		receive(t, away)
		found := make(chan int, 1)
		go func() {
			n := 0
			ok, err := fresh.Since(testContext(t), ann, after(0), fresh.Position(), func(e Entry) {
				if e.Message != nil {
					n++
				}
			})
			if err != nil || !ok {
				t.Errorf("%v %v", ok, err)
			}
			found <- n
		}()
		srv = start()
		if got := receive(t, found); got != n {
			t.Errorf("%d messages, want %d", got, n)
		}
	})
	s.Close()
	srv.Shutdown()
	srv.WaitForShutdown()
}

// A server that does not answer has not said that there is nothing.
func TestSilentServer(t *testing.T) {
	_, address, _ := strings.Cut(natsServer(t), "://")
	proxy := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), "nats", "127.0.0.1:0", address)
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	defer proxy.Stop()
	s := openStore(t, Config{URL: "nats://" + proxy.Listen})
	defer s.Close()
	session := newSession(t, s, ann, "s")
	e := newChat(t, s, session, "e")
	if _, _, err := s.Append(testContext(t), ann, e.EngagementID, from(session, "x", "")); err != nil {
		t.Fatal(err)
	}
	if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(`{"type":"timeout","stream":"downstream","toxicity":1,"attributes":{"timeout":0}}`)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(testContext(t), 200*time.Millisecond)
	defer cancel()
	if list, err := s.messages(ctx, ann, e.EngagementID, 1, 1); err == nil {
		t.Errorf("the messages are %v", list)
	}
	if list, err := s.Engagements(ctx, ann); err == nil {
		t.Errorf("the engagements are %v", list)
	}
	if _, err := s.Sent(ctx, ann, e.EngagementID, session.ParticipantID, "x"); err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("what was sent: %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	used := t.TempDir()
	openStore(t, Config{Dir: used})
	for _, c := range []struct {
		cfg  Config
		want []string
	}{
		{Config{}, []string{"neither a data folder nor a NATS URL"}},
		{Config{Dir: file}, []string{file, "not a directory", "name another"}},
		{Config{Dir: filepath.Join(file, "x")}, []string{file, "not a directory", "name another"}},
		{Config{Dir: used}, []string{used, "another process uses it"}},
		{Config{URL: "nats://127.0.0.1:1"}, []string{"no NATS server takes connections at 127.0.0.1:1", "start it"}},
		{Config{URL: "nats://gateway:nats-password@127.0.0.1:x"}, []string{"number 1 is no URL"}},
		{Config{Dir: used, Replicas: 3}, []string{"3 replicas need a cluster"}},
		{Config{Dir: used, Replicas: 2}, []string{"2 replicas are not possible"}},
		{Config{Dir: used, MaxAge: time.Hour}, []string{"1h0m0s is too short"}},
	} {
		_, err := Open(testContext(t), c.cfg)
		if err == nil {
			t.Errorf("%+v was taken", c.cfg)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v: %q is not in %q", c.cfg, want, err)
			}
		}
	}
}

// TestKill lets a child process append, kills it with SIGKILL in the middle, and
// looks for what had been acknowledged to it.
func TestKill(t *testing.T) {
	if dir := os.Getenv("STORE_TEST_CHILD"); dir != "" {
		child(t, dir)
		return
	}
	dir := t.TempDir()
	acked := map[string]bool{}
	for round := range 3 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), "STORE_TEST_CHILD="+dir, "STORE_TEST_ROUND="+strconv.Itoa(round))
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 200 && lines.Scan(); {
			if key, ok := strings.CutPrefix(lines.Text(), "acked "); ok {
				acked[key] = true
				n++
			}
		}
		if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			if key, ok := strings.CutPrefix(lines.Text(), "acked "); ok {
				acked[key] = true
			}
		}
		cmd.Wait()
		if len(acked) < (round+1)*200 {
			t.Fatalf("round %d: %d acknowledged; %s", round, len(acked), stderr.String())
		}
	}
	s := openStore(t, Config{Dir: dir})
	e := newChat(t, s, newSession(t, s, ann, "s"), "e")
	seen := map[string]bool{}
	for i, m := range history(t, s, e) {
		if m.MessageIndex != int64(i+1) || seen[m.CorrelationID] {
			t.Errorf("message %d: %+v", i, m)
		}
		seen[m.CorrelationID] = true
		delete(acked, m.CorrelationID)
	}
	if len(acked) > 0 {
		t.Errorf("%d acknowledged messages are lost", len(acked))
	}
}

func child(t *testing.T, dir string) {
	s, err := Open(context.Background(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	session := newSession(t, s, ann, "s")
	e := newChat(t, s, session, "e")
	for w := range 8 {
		go func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%s-%d-%d", os.Getenv("STORE_TEST_ROUND"), w, i)
				if _, _, err := s.Append(context.Background(), ann, e.EngagementID, from(session, key, key)); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				fmt.Println("acked " + key)
			}
		}()
	}
	select {} // until killed
}

// The start looks at an external server's permissions without changing what is stored there.
func TestOpenChangesNothingAtAnExternalServer(t *testing.T) {
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	defer func() { srv.Shutdown(); srv.WaitForShutdown() }()
	if !srv.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server is not ready")
	}
	s := openStore(t, Config{URL: srv.ClientURL()})
	session := newSession(t, s, ann, "s")
	e := newChat(t, s, session, "e")
	for i := range 5 {
		if _, _, err := s.Append(testContext(t), ann, e.EngagementID, from(session, "x", strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	state := func() jetstream.StreamState {
		info, err := s.stream.Info(testContext(t))
		if err != nil {
			t.Fatal(err)
		}
		info.State.Consumers = 0 // those of the stores
		return info.State
	}
	before := state()
	openStore(t, Config{URL: srv.ClientURL()})
	if after := state(); before.Msgs < 5 || !reflect.DeepEqual(before, after) {
		t.Errorf("before %+v, after %+v", before, after)
	}
}
