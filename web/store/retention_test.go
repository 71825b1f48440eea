package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"openchat/sdk/wire"
)

const (
	logRemoved = "chats removed, because their account stored more than it may"
	logStuck   = "an account stores more than it may, and none of its chats has ended long enough ago to be removed"
)

// said is a log whose lines with one of some messages can be waited for, as "message account=…".
type said struct {
	slog.Handler
	lines chan string
}

func newSaid(t testing.TB) *said {
	return &said{slog.NewTextHandler(logWriter{t}, nil), make(chan string, 100)}
}

func (h *said) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == logRemoved || r.Message == logStuck {
		line := r.Message
		r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
		h.lines <- line
	}
	return h.Handler.Handle(ctx, r)
}

// wait waits for the line with those words.
func (h *said) wait(t testing.TB, words ...string) {
	t.Helper()
	for {
		line := receive(t, h.lines)
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) }) {
			return
		}
	}
}

// storedBy reads how many bytes an account stores.
func storedBy(t testing.TB, s *Store, account string) (total int64) {
	t.Helper()
	if err := s.entries(testContext(t), accountEntries(account), jetstream.DeliverAllPolicy, false, func(e *entry) bool {
		total += e.size()
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return total
}

const chatTexts = 10 // messages of one of fill's chats

// talk writes chatTexts messages of 10,000 bytes into a chat.
func talk(t testing.TB, s *Store, session Session, e Engagement) {
	t.Helper()
	for i := range chatTexts {
		key := fmt.Sprint(e.CorrelationID, " ", i)
		if _, _, err := s.Append(testContext(t), session.Customer, e.EngagementID, from(session, key+strings.Repeat("-", 10_000), key)); err != nil {
			t.Fatal(err)
		}
	}
}

// filled is what fill has stored.
type filled struct {
	sessions []Session    // of two tenants' customers
	ongoing  []Engagement // one of each customer, the first that began
	ended    []Engagement // of the first customer, in the order in which they ended
	others   []Engagement // of the other tenant, ended before those
}

// fill stores ended chats of two tenants, about 100 KB each, and an older one of each that goes on.
func fill(t testing.TB, s *Store) (f filled) {
	t.Helper()
	carl := Customer{Account: "GHIJKL", ID: "carl@example.com"}
	for _, c := range []Customer{ann, carl} {
		session := newSession(t, s, c, "s")
		f.sessions = append(f.sessions, session)
		e := newChat(t, s, session, "ongoing")
		talk(t, s, session, e)
		f.ongoing = append(f.ongoing, e)
	}
	for i := range 10 {
		for j, list := range []*[]Engagement{&f.others, &f.ended} {
			session := f.sessions[1-j]
			e := newChat(t, s, session, fmt.Sprint("ended ", i))
			talk(t, s, session, e)
			*list = append(*list, e)
		}
	}
	// The order in which they ended counts, not the one in which they began.
	slices.Reverse(f.ended)
	for _, e := range slices.Concat(f.others, f.ended) {
		end(t, s, e)
	}
	return f
}

// check wants the first removed of the ended chats gone without a trace, and all else complete.
func (f *filled) check(t testing.TB, s *Store, removed int) {
	t.Helper()
	ctx := testContext(t)
	traces := map[string]int{}
	if err := s.entries(ctx, allEntries, jetstream.DeliverAllPolicy, true, func(e *entry) bool {
		if _, kind, id, err := e.names(); err == nil && kind != "s" {
			traces[id]++
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	for i, e := range f.ended {
		_, err := s.Engagement(ctx, e.Customer, e.EngagementID)
		switch gone := errors.Is(err, ErrNotFound); {
		case i < removed && (!gone || traces[e.EngagementID] > 0):
			t.Errorf("chat %d, which ended among the first, has %d entries: %v", i, traces[e.EngagementID], err)
		case i >= removed && err != nil:
			t.Errorf("chat %d: %v", i, err)
		case i >= removed && len(history(t, s, e)) != chatTexts:
			t.Errorf("chat %d is not whole", i)
		}
	}
	for _, e := range slices.Concat(f.ongoing, f.others) {
		if n := len(history(t, s, e)); n != chatTexts {
			t.Errorf("the chat %s of %s has %d messages", e.CorrelationID, e.Customer.Account, n)
		}
	}
	for i, session := range f.sessions {
		if _, err := s.Session(ctx, session.Customer, session.SessionID); err != nil {
			t.Errorf("session of %s: %v", session.Customer.Account, err)
		}
		if list, err := s.Engagements(ctx, session.Customer); err != nil || len(list) != 1 || list[0].EngagementID != f.ongoing[i].EngagementID {
			t.Errorf("%d ongoing of %s: %v", len(list), session.Customer.Account, err)
		}
	}
}

// What an entry is counted as is what it takes.
func TestEntriesCountAsTheBytesThatTheyTake(t *testing.T) {
	s := openStore(t, Config{})
	life(t, s, ann, "anna", func() {})
	// What the gateway has not read yet is not counted, but added when it has.
	if err := s.catchUp(testContext(t)); err != nil {
		t.Fatal(err)
	}
	info, err := s.stream.Info(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	whole := storedBy(t, s, ann.Account)
	counted, err := (&retention{s: &Store{cfg: Config{RetainBytes: 1}, conns: s.conns, stream: s.stream, follow: s.follow, ctx: s.ctx}, accounts: map[string]*accountSize{}}).count(testContext(t), ann.Account, func(*entry) {})
	if err != nil || counted != whole || uint64(whole) != info.State.Bytes {
		t.Errorf("counted are %d, with their data %d, and the server has %d bytes: %v", counted, whole, info.State.Bytes, err)
	}
}

func TestAnAccountThatStoresTooMuchLosesTheChatsThatEndedFirst(t *testing.T) {
	inside := t.TempDir()
	for name, cfg := range map[string]Config{"the server inside": {Dir: inside}, "an external server": {URL: natsServerIn(t, t.TempDir())}} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, cfg)
			f := fill(t, s)
			s.Close()

			// What is there at the start counts.
			log := newSaid(t)
			cfg.RetainBytesOf, cfg.Logger = map[string]int64{ann.Account: 720_000, "GHIJKL": 0}, slog.New(log)
			cfg.RetainBytes, cfg.removeAfter, cfg.trimPause = 1, time.Millisecond, time.Nanosecond
			s = openStore(t, cfg)
			log.wait(t, logRemoved, "account="+ann.Account, "chats=5")
			// Of 1.25 MB, 0.72 MB may stay, and a twentieth of that is freed beyond what must be.
			f.check(t, s, 5)
			if n := storedBy(t, s, ann.Account); n > 720_000 {
				t.Errorf("it stores %d bytes", n)
			}

			// So does what is stored later, by another customer of the account.
			session := newSession(t, s, bob, "s")
			e := newChat(t, s, session, "later")
			talk(t, s, session, e)
			log.wait(t, logRemoved, "account="+ann.Account, "chats=1")
			f.check(t, s, 6)
			end(t, s, e)
			if n := len(history(t, s, e)); n != chatTexts {
				t.Errorf("the newest has %d messages", n)
			}

			// The same after another start, with nothing to do.
			s.Close()
			cfg.RetainBytes, cfg.RetainBytesOf = 0, nil
			s = openStore(t, cfg)
			if s.follow.gone.Load() != 0 {
				t.Error("what was removed counts as lost")
			}
			f.check(t, s, 6)
		})
	}
}

// Two processes that find the same account too large remove what one would.
func TestTwoGatewaysRemoveWhatOneWould(t *testing.T) {
	url := natsServerIn(t, t.TempDir())
	s := openStore(t, Config{URL: url})
	f := fill(t, s)
	log := newSaid(t)
	for range 2 {
		openStore(t, Config{URL: url, RetainBytesOf: map[string]int64{ann.Account: 800_000}, removeAfter: time.Millisecond, trimPause: time.Nanosecond, Logger: slog.New(log)})
	}
	session := newSession(t, s, ann, "more")
	for i := range 3 {
		e := newChat(t, s, session, fmt.Sprint("more ", i))
		talk(t, s, session, e)
		end(t, s, e)
	}
	// Both at once, or one after the other; or the one that is slower finds nothing left to do.
	log.wait(t, logRemoved)
	log.wait(t, logRemoved)
	if n := storedBy(t, s, ann.Account); n < 800_000*3/4 {
		t.Errorf("%d bytes are left", n)
	}
	for i, session := range f.sessions {
		if list, err := s.Engagements(testContext(t), session.Customer); err != nil || len(list) != 1 || len(history(t, s, f.ongoing[i])) != chatTexts {
			t.Errorf("%d ongoing: %v", len(list), err)
		}
	}
	for _, e := range f.others {
		if n := len(history(t, s, e)); n != chatTexts {
			t.Errorf("another tenant's chat has %d messages", n)
		}
	}
}

// Clients have time to learn of an end, whatever the account may store.
func TestAChatThatHasJustEndedIsNotRemoved(t *testing.T) {
	log := newSaid(t)
	s := openStore(t, Config{RetainBytes: 1, Logger: slog.New(log)})
	f := fill(t, s)
	log.wait(t, logStuck, "account="+ann.Account)
	f.check(t, s, 0)
}

// A customer who begins the same chat again, by the same correlationId, keeps it though a
// process was about to remove the first.
func TestARemovalDoesNotReachALaterChatOfTheSameID(t *testing.T) {
	s, ctx := openStore(t, Config{}), testContext(t)
	session := newSession(t, s, ann, "s")
	e := newChat(t, s, session, "e")
	talk(t, s, session, e)
	end(t, s, e)
	state, err := s.last(ctx, engagementSubject(ann, e.EngagementID))
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := s.removeChat(ctx, ann, e.EngagementID, time.Now().Add(time.Minute)); !ok || err != nil {
		t.Fatal(ok, err)
	}
	again := newChat(t, s, session, "e")
	if again.EngagementID != e.EngagementID {
		t.Fatal("the test wants the same id")
	}
	if _, created, err := s.Append(ctx, ann, e.EngagementID, from(session, "here again", "new")); err != nil || !created {
		t.Fatal(created, err)
	}
	if err := s.purgeChat(ctx, ann, e.EngagementID, state.sequence); err != nil { // of the slower process
		t.Fatal(err)
	}
	if ok, err := s.removeChat(ctx, ann, e.EngagementID, time.Now().Add(time.Minute)); ok || err != nil {
		t.Errorf("an ongoing chat is removed: %v", err)
	}
	if list := history(t, s, again); len(list) != 1 || list[0].Body.Text != "here again" {
		t.Errorf("%v", list)
	}
	if now, err := s.Engagement(ctx, ann, e.EngagementID); err != nil || now.Status != wire.EngagementActive {
		t.Errorf("%v %v", now.Status, err)
	}
}

// A gateway that was away while a chat ended and was removed finds no entry that says so: its streams
// begin with resumed false.
func TestWhoMissedTheEndOfARemovedChatReadsAnew(t *testing.T) {
	s, ctx := openStore(t, Config{RingEntries: 1, removeAfter: time.Millisecond}), testContext(t)
	session := newSession(t, s, ann, "s")
	e := newChat(t, s, session, "e")
	away := s.Position()
	end(t, s, e)
	newSession(t, s, bob, "s") // is what the ring holds
	caughtUp(t, s)
	ended := false
	if ok, err := s.Since(ctx, ann, away, s.Position(), func(e Entry) {
		ended = ended || e.Engagement != nil && e.Engagement.Ended()
	}); !ok || !ended || err != nil {
		t.Fatalf("before: %v, the end came %v, %v", ok, ended, err)
	}
	if ok, err := s.removeChat(ctx, ann, e.EngagementID, time.Now()); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, err := s.Since(ctx, ann, away, s.Position(), func(Entry) {}); ok || err != nil {
		t.Errorf("afterwards: %v %v", ok, err)
	}
}
