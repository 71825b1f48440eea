package store

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"openchat/sdk/wire"
)

// Whoever sends while another ends the chat: the message is before the end, or it is
// refused. Nothing is stored after ENGAGEMENT_TERMINATED.
func TestSendAgainstEnd(t *testing.T) {
	t.Run("in one process", func(t *testing.T) {
		s := openStore(t, Config{})
		sendAgainstEnd(t, s, s)
	})
	t.Run("over two gateways", func(t *testing.T) {
		url := natsServer(t)
		sendAgainstEnd(t, openStore(t, Config{URL: url}), openStore(t, Config{URL: url}))
	})
}

func sendAgainstEnd(t *testing.T, sender, ender *Store) {
	ctx := testContext(t)
	session := newSession(t, sender, ann, "s")
	late, refused := 0, 0
	const rounds, senders = 150, 3
	for round := range rounds {
		e := newChat(t, sender, session, strconv.Itoa(round))
		var wg sync.WaitGroup
		var mu sync.Mutex
		stored := map[string]bool{}
		begun := make(chan struct{}, senders)
		for i := range senders {
			wg.Go(func() {
				for j := range 100 { // each that comes in between lets the end try again
					m := from(session, "x", fmt.Sprint(i, " ", j))
					m.Engagement = &e // as it was when the call began
					message, created, err := sender.Append(ctx, ann, e.EngagementID, m)
					if j == 0 {
						begun <- struct{}{}
					}
					if errors.Is(err, ErrEnded) {
						mu.Lock()
						refused++
						mu.Unlock()
						return
					}
					if err != nil || !created {
						t.Errorf("round %d: %v %v", round, created, err)
						return
					}
					mu.Lock()
					stored[message.CorrelationID] = true
					mu.Unlock()
					if now, err := sender.Engagement(ctx, ann, e.EngagementID); err != nil || now.Ended() {
						return
					}
				}
			})
		}
		for range round % (senders + 1) { // the end comes among the first messages, or before them
			receive(t, begun)
		}
		end(t, ender, e)
		wg.Wait()
		last, err := sender.last(ctx, engagementSubject(ann, e.EngagementID))
		if err != nil {
			t.Fatal(err)
		}
		for after := last.sequence; ; late++ {
			m, err := sender.next(ctx, engagementMessages(ann, e.EngagementID), after+1)
			if errors.Is(err, ErrNotFound) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			after = m.sequence
		}
		for _, m := range history(t, ender, e) {
			delete(stored, m.CorrelationID)
		}
		if len(stored) > 0 {
			t.Errorf("round %d: %d acknowledged messages are not in the history", round, len(stored))
		}
	}
	t.Logf("%d calls were refused", refused)
	if late > 0 {
		t.Errorf("%d messages are stored after the end", late)
	}
}

// A process that is killed between the end mark and the end leaves a chat that is ended by
// whoever is refused, or by any gateway some time later, also by one that starts then.
func TestEndIsFinished(t *testing.T) {
	half := func(t *testing.T, s *Store, key string) (Session, Engagement) {
		t.Helper()
		session := newSession(t, s, ann, "s")
		e := newChat(t, s, session, key)
		if _, _, err := s.Append(testContext(t), ann, e.EngagementID, from(session, "first", "first")); err != nil {
			t.Fatal(err)
		}
		if err := s.placeEnd(testContext(t), &e); err != nil {
			t.Fatal(err)
		}
		return session, e
	}
	awaitEnd := func(t *testing.T, s *Store, e Engagement) {
		t.Helper()
		ended := make(chan struct{}, 10)
		if err := s.Follow(t.Context(), func(entry Entry) {
			if entry.EngagementID == e.EngagementID && entry.Engagement != nil && entry.Engagement.Ended() {
				ended <- struct{}{}
			}
		}); err != nil {
			t.Fatal(err)
		}
		if now, err := s.Engagement(testContext(t), ann, e.EngagementID); err != nil {
			t.Fatal(err)
		} else if !now.Ended() {
			receive(t, ended)
		}
	}
	t.Run("by a call that is refused", func(t *testing.T) {
		url := natsServer(t)
		one, two := openStore(t, Config{URL: url}), openStore(t, Config{URL: url})
		session, e := half(t, one, "e")
		m := from(session, "second", "second")
		m.Engagement = &e
		if _, _, err := two.Append(testContext(t), ann, e.EngagementID, m); !errors.Is(err, ErrEnded) {
			t.Errorf("the second message: %v", err)
		}
		if now, err := one.Engagement(testContext(t), ann, e.EngagementID); err != nil || !now.Ended() {
			t.Errorf("%+v, %v", now, err)
		}
		if list, err := one.Engagements(testContext(t), ann); err != nil || len(list) != 0 {
			t.Errorf("ongoing: %+v, %v", list, err)
		}
	})
	t.Run("by the call again", func(t *testing.T) {
		s := openStore(t, Config{})
		_, e := half(t, s, "e")
		end(t, s, e)
		if p, err := s.place(testContext(t), ann, e.EngagementID); err != nil || p != (place{1, true}) {
			t.Errorf("%+v, %v: the mark is there once", p, err)
		}
	})
	t.Run("by another gateway", func(t *testing.T) {
		url := natsServer(t)
		one := openStore(t, Config{URL: url})
		two := openStore(t, Config{URL: url, finishAfter: time.Millisecond})
		_, e := half(t, one, "e")
		awaitEnd(t, two, e)
	})
	t.Run("by the next process", func(t *testing.T) {
		dir := t.TempDir()
		s := openStore(t, Config{Dir: dir})
		_, e := half(t, s, "e")
		s.Close()
		awaitEnd(t, openStore(t, Config{Dir: dir, finishAfter: time.Millisecond}), e)
	})
	t.Run("by the call itself, when there is nothing to end any more", func(t *testing.T) {
		url := natsServer(t)
		one, two := openStore(t, Config{URL: url}), openStore(t, Config{URL: url})
		e := newChat(t, one, newSession(t, one, ann, "s"), "e")
		changed := errors.New("not any more")
		tries := 0
		_, err := one.Update(testContext(t), ann, e.EngagementID, func(e *Engagement) ([]wire.Event, error) {
			if tries++; tries > 1 {
				return nil, changed
			}
			if _, err := two.Note(testContext(t), ann, e.EngagementID, func(e *Engagement) bool { e.SetSide("x", []byte("1")); return true }); err != nil {
				t.Error(err)
			}
			return e.Terminate(), nil
		})
		if err != changed {
			t.Error(err)
		}
		if now, err := two.Engagement(testContext(t), ann, e.EngagementID); err != nil || !now.Ended() {
			t.Errorf("%+v, %v", now, err)
		}
	})
}

// The end mark is no message to anybody.
func TestEndMarkIsHidden(t *testing.T) {
	dir := t.TempDir()
	s, ctx := openStore(t, Config{Dir: dir}), testContext(t)
	session := newSession(t, s, ann, "s")
	e, empty := newChat(t, s, session, "e"), newChat(t, s, session, "empty")
	caughtUp(t, s)
	from1 := s.Position()
	followedEntries := make(chan Entry, 100)
	if err := s.Follow(ctx, func(e Entry) { followedEntries <- e }); err != nil {
		t.Fatal(err)
	}
	first, _, err := s.Append(ctx, ann, e.EngagementID, from(session, "one", "key"))
	if err != nil {
		t.Fatal(err)
	}
	end(t, s, e)
	end(t, s, empty)
	check := func(t *testing.T, s *Store) {
		for _, c := range []struct {
			e Engagement
			n int
		}{{e, 1}, {empty, 0}} {
			if n, err := s.NewestIndex(ctx, ann, c.e.EngagementID); err != nil || n != int64(c.n) {
				t.Errorf("NewestIndex: %d, %v", n, err)
			}
			for _, q := range []Query{{Size: 1}, {Size: 50}, {Size: 10, After: int64(c.n)}, {Size: 10, Before: 9}} {
				page, err := s.Page(ctx, ann, c.e.EngagementID, q)
				want := c.n
				if q.After > 0 {
					want = 0
				}
				if err != nil || len(page.Messages) != want || page.HasNewer || page.NewestIndex != int64(c.n) {
					t.Errorf("%+v: %+v, %v", q, page, err)
				}
			}
			if list, err := s.messages(ctx, ann, c.e.EngagementID, 1, 3); err != nil || len(list) != c.n {
				t.Errorf("messages: %+v, %v", list, err)
			}
			if list, err := s.oldest(ctx, ann, c.e.EngagementID, 10); err != nil || len(list) != c.n {
				t.Errorf("oldest: %+v, %v", list, err)
			}
		}
		var types []wire.EventType
		if ok, err := s.Since(ctx, ann, from1, s.Position(), func(e Entry) {
			for _, event := range e.Events {
				types = append(types, event.Type)
			}
			if len(e.Events) == 0 {
				t.Errorf("an entry without events: %+v", e)
			}
		}); err != nil || !ok || fmt.Sprint(types) != "[MESSAGES PARTICIPANT_DISCONNECTED ENGAGEMENT_TERMINATED PARTICIPANT_DISCONNECTED ENGAGEMENT_TERMINATED]" {
			t.Errorf("since: %v, %v, %v", types, ok, err)
		}
		if _, _, err := s.Append(ctx, ann, e.EngagementID, from(session, "late", "late")); !errors.Is(err, ErrEnded) {
			t.Errorf("a late message: %v", err)
		}
		if _, _, err := s.Append(ctx, ann, empty.EngagementID, from(session, "late", "")); !errors.Is(err, ErrEnded) {
			t.Errorf("a late message without a key: %v", err)
		}
		if again, created, err := s.Append(ctx, ann, e.EngagementID, from(session, "one", "key")); err != nil || created || again != first {
			t.Errorf("a repeat: %+v, %v, %v", again, created, err)
		}
	}
	t.Run("live", func(t *testing.T) {
		check(t, s)
		caughtUp(t, s)
		for range 3 {
			if entry := receive(t, followedEntries); len(entry.Events) == 0 {
				t.Errorf("followed: %+v", entry)
			}
		}
		if len(followedEntries) > 0 {
			t.Errorf("followed: %+v", <-followedEntries)
		}
	})
	s.Close()
	t.Run("after a restart", func(t *testing.T) { s := openStore(t, Config{Dir: dir}); check(t, s); s.Close() })
	t.Run("from the stream", func(t *testing.T) { check(t, openStore(t, Config{Dir: dir, RingEntries: 1})) })
}

// A repeat to an ended chat costs the same with a short and with a long history, and finds
// any message of the last day.
func TestSentIsFlat(t *testing.T) {
	s, ctx := openStore(t, Config{URL: natsServer(t)}), testContext(t)
	session := newSession(t, s, ann, "s")
	cost := func(e Engagement, key string, found bool) (messages, bytes uint64) {
		caughtUp(t, s)
		before := s.nc.Stats()
		m, err := s.Sent(ctx, ann, e.EngagementID, session.ParticipantID, key)
		if found && (err != nil || m.CorrelationID != key) || !found && !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %+v, %v", key, m, err)
		}
		now := s.nc.Stats()
		return now.InMsgs - before.InMsgs, now.InBytes - before.InBytes
	}
	fill := func(key string, n int) Engagement {
		e := newChat(t, s, session, key)
		for i := range n {
			if _, _, err := s.Append(ctx, ann, e.EngagementID, from(session, "text", fmt.Sprintf("%s %05d", key, i))); err != nil {
				t.Fatal(err)
			}
		}
		end(t, s, e)
		return e
	}
	short, long := fill("a", 1), fill("b", 2500)
	messages, bytes := cost(short, "a 00000", true)
	none, noneBytes := cost(short, "x", false)
	more, moreBytes := cost(long, "b 00000", true)
	if more != messages || moreBytes > bytes+100 {
		t.Errorf("a repeat of the only message receives %d messages and %d bytes, of the first of 2500 %d and %d", messages, bytes, more, moreBytes)
	}
	more, moreBytes = cost(long, "y", false)
	if more != none || moreBytes > noneBytes+100 {
		t.Errorf("what was never sent to a chat of one message receives %d messages and %d bytes, to one of 2500 %d and %d", none, noneBytes, more, moreBytes)
	}
	if n, err := s.NewestIndex(ctx, ann, long.EngagementID); err != nil || n != 2500 {
		t.Errorf("%d messages, %v: asking stores nothing", n, err)
	}
}
