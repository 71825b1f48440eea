package store

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"openchat/sdk/wire"
)

// files returns the names of the files below dir that hold one of the words.
func files(t *testing.T, dir string, words ...string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil && !errors.Is(err, fs.ErrNotExist) || d == nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the server has replaced it
		}
		for _, word := range words {
			if bytes.Contains(text, []byte(word)) {
				found = append(found, filepath.Base(path)+": "+word)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// life is a customer's chats of which one has ended, with words of their own everywhere.
func life(t *testing.T, s *Store, c Customer, word string, between func()) (ended, ongoing Engagement) {
	t.Helper()
	ctx := testContext(t)
	session, _, err := s.CreateSession(ctx, c, integration, "Name-"+word, map[string]string{"k": "session-parameter-" + word}, "s")
	if err != nil {
		t.Fatal(err)
	}
	var chats []Engagement
	for i := range 2 {
		e, _, err := s.CreateEngagement(ctx, session, map[string]string{"k": "chat-parameter-" + word}, fmt.Sprint("e", i))
		if err != nil {
			t.Fatal(err)
		}
		if e, err = s.Update(ctx, c, e.EngagementID, func(e *Engagement) ([]wire.Event, error) { return e.Enter(session), nil }); err != nil {
			t.Fatal(err)
		}
		for j := range 20 {
			m := from(session, fmt.Sprintf("text-%s %d %d", word, i, j), fmt.Sprint(i, j))
			m.Sender.DisplayName = "Name-" + word
			if _, _, err := s.Append(ctx, c, e.EngagementID, m); err != nil {
				t.Fatal(err)
			}
			between()
		}
		if _, err := s.Note(ctx, c, e.EngagementID, func(e *Engagement) bool {
			e.SetSide("desk", []byte(`{"note":"note-`+word+`"}`))
			return true
		}); err != nil {
			t.Fatal(err)
		}
		chats = append(chats, e)
	}
	end(t, s, chats[0])
	return chats[0], chats[1]
}

func wordsOf(c Customer, word string) []string {
	return []string{"Name-" + word, "session-parameter-" + word, "chat-parameter-" + word, "text-" + word, "note-" + word, c.ID,
		base64.RawURLEncoding.EncodeToString([]byte(c.ID)), customerSubject(c) + "."}
}

// Nothing of an erased customer is left in any file, and everything of the others is, whose
// entries lie between.
func TestErasedBytesAreGoneFromTheFiles(t *testing.T) {
	t.Run("the server inside", func(t *testing.T) {
		dir := t.TempDir()
		erasedBytesAreGone(t, dir, Config{Dir: dir})
	})
	t.Run("an external server", func(t *testing.T) {
		dir := t.TempDir()
		erasedBytesAreGone(t, dir, Config{URL: natsServerIn(t, dir)})
	})
}

func erasedBytesAreGone(t *testing.T, dir string, cfg Config) {
	s, ctx := openStore(t, cfg), testContext(t)
	carl := Customer{Account: "ABCDEF", ID: "carl@example.com"}
	session, number := newSession(t, s, bob, "s"), 0
	other := newChat(t, s, session, "e")
	var want []string
	// So long that the entries fill more than one file.
	padding := strings.Repeat("-", 150_000)
	between := func() {
		key := fmt.Sprint("bob says ", number)
		number++
		if _, _, err := s.Append(ctx, bob, other.EngagementID, from(session, key+padding, key)); err != nil {
			t.Fatal(err)
		}
		want = append(want, key)
	}
	ended, ongoing := life(t, s, ann, "anna", between)
	_, carls := life(t, s, carl, "carl", between)
	if found := files(t, dir, wordsOf(ann, "anna")...); len(found) < 7 {
		t.Fatalf("the test does not see what is stored: %q", found)
	}
	if found := files(t, dir, "bob says "); len(found) < 2 {
		t.Fatalf("all is in one file: %q", found)
	}
	var events []wire.EventType
	live, stop := context.WithCancel(ctx)
	defer stop()
	if err := s.Follow(live, func(e Entry) {
		for _, event := range e.Events {
			if e.Customer == ann {
				events = append(events, event.Type)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	from := s.Position()

	n, complete, err := s.Erase(ctx, ann, time.Now().Add(time.Minute))
	if err != nil || !complete || n < 50 {
		t.Fatalf("%d erased, complete %v: %v", n, complete, err)
	}
	caughtUp(t, s)
	stop()
	s.follow.mu.Lock()
	if !slices.Contains(events, wire.EventEngagementTerminated) || !slices.Contains(events, wire.EventSessionTerminated) {
		t.Errorf("streams and desks saw %v", events)
	}
	s.follow.mu.Unlock()
	if found := files(t, dir, wordsOf(ann, "anna")...); len(found) > 0 {
		t.Errorf("left in files: %q", found)
	}
	for _, e := range []Engagement{ended, ongoing} {
		if _, err := s.Engagement(ctx, ann, e.EngagementID); !errors.Is(err, ErrNotFound) {
			t.Errorf("the chat is there: %v", err)
		}
	}
	if _, err := s.Since(ctx, ann, from, s.Position(), func(e Entry) { t.Errorf("a stream is given %v", e.Events) }); err != nil {
		t.Error(err)
	}
	if err := s.Export(ctx, ann, func(e Exported) error { return fmt.Errorf("an export has %s %s", e.Type, e.ID) }); err != nil {
		t.Error(err)
	}
	if n, complete, err := s.Erase(ctx, ann, time.Now().Add(time.Minute)); n != 0 || !complete || err != nil {
		t.Errorf("a second time: %d %v %v", n, complete, err)
	}

	check := func(s *Store) {
		t.Helper()
		var got []string
		for _, m := range history(t, s, other) {
			got = append(got, strings.TrimRight(m.Body.Text, "-"))
		}
		if !slices.Equal(got, want) {
			t.Errorf("another customer's messages are %q, not %q", got, want)
		}
		if n := len(history(t, s, carls)); n != 20 {
			t.Errorf("a third one has %d messages", n)
		}
		if list, err := s.Engagements(ctx, ann); err != nil || len(list) > 0 {
			t.Errorf("ongoing: %v %v", list, err)
		}
		if list, err := s.Engagements(ctx, carl); err != nil || len(list) != 1 {
			t.Errorf("another's ongoing: %v %v", list, err)
		}
	}
	check(s)

	// Who comes back with the same keys begins anew.
	again := newSession(t, s, ann, "s2")
	e := newChat(t, s, again, "e0")
	if e.EngagementID != ended.EngagementID {
		t.Fatal("the test wants the same id")
	}
	if _, _, err := s.Append(ctx, ann, e.EngagementID, from0(again)); err != nil {
		t.Errorf("a new chat: %v", err)
	}
	if _, complete, err := s.Erase(ctx, ann, time.Now().Add(time.Minute)); err != nil || !complete {
		t.Fatal(err)
	}

	// Holes are no loss to who opens the store afterwards.
	s.Close()
	s = openStore(t, cfg)
	if s.follow.gone.Load() != 0 {
		t.Error("what was erased counts as lost after another start")
	}
	if found := files(t, dir, wordsOf(ann, "anna")...); len(found) > 0 {
		t.Errorf("left in files after another start: %q", found)
	}
	check(s)
}

func from0(session Session) NewMessage { return from(session, "here again", "again") }

// Time that is up ends an erasure between two entries, and the next one goes on.
// The answer to a deletion may be lost, and the next try then finds nothing to delete.
func TestWhatIsGoneCountsAsErased(t *testing.T) {
	for name, cfg := range map[string]Config{"the server inside": {}, "an external server": {URL: natsServerIn(t, t.TempDir())}} {
		t.Run(name, func(t *testing.T) {
			s, ctx := openStore(t, cfg), testContext(t)
			newSession(t, s, ann, "s")
			sequence := s.written.Load()
			for range 2 {
				if err := s.overwrite(ctx, sequence); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestAnErasureWithoutTimeIsIncomplete(t *testing.T) {
	s, ctx := openStore(t, Config{}), testContext(t)
	newChat(t, s, newSession(t, s, ann, "s"), "e")
	if n, complete, err := s.Erase(ctx, ann, time.Now()); n != 0 || complete || err != nil {
		t.Errorf("%d %v %v", n, complete, err)
	}
	if list, err := s.Engagements(ctx, ann); err != nil || len(list) != 0 {
		t.Errorf("ongoing: %v %v", list, err)
	}
	if n, complete, err := s.Erase(ctx, ann, time.Now().Add(time.Minute)); n == 0 || !complete || err != nil {
		t.Errorf("%d %v %v", n, complete, err)
	}
}

func TestExportHoldsEverythingOfTheCustomerAndNothingElse(t *testing.T) {
	s, ctx := openStore(t, Config{}), testContext(t)
	session := newSession(t, s, bob, "s")
	other := newChat(t, s, session, "e")
	life(t, s, ann, "anna", func() {
		if _, _, err := s.Append(ctx, bob, other.EngagementID, from(session, "bob says", "")); err != nil {
			t.Fatal(err)
		}
	})
	var all strings.Builder
	types := map[string]int{}
	var newest wire.EventID
	if err := s.Export(ctx, ann, func(e Exported) error {
		line, err := json.Marshal(e)
		all.Write(line)
		types[e.Type]++
		if e.EventID <= newest || e.StoredAt.IsZero() {
			t.Errorf("after %v comes %v of %v", newest, e.EventID, e.StoredAt)
		}
		newest = e.EventID
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, word := range wordsOf(ann, "anna")[:5] {
		if !strings.Contains(all.String(), word) {
			t.Errorf("%s is missing", word)
		}
	}
	if strings.Contains(all.String(), "bob") || types["message"] != 40 || types["end"] != 1 || types["session"] != 1 || types["engagement"] < 7 {
		t.Errorf("%v", types)
	}
	stop := errors.New("enough")
	n := 0
	if err := s.Export(ctx, ann, func(Exported) error { n++; return stop }); !errors.Is(err, stop) || n != 1 {
		t.Errorf("%d calls and %v", n, err)
	}
}
