package desk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"openchat/sdk/wire"
	"openchat/tests/harness"
	"openchat/web/store"
)

const credential = "a-credential-for-tests"

// limit is how long anything here may take; only a test that fails waits for it.
const limit = 30 * time.Second

func newStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// fixture is a desk on a real store and a real port.
type fixture struct {
	*testing.T
	store *store.Store
	desk  *Desk
	url   string
	logs  *harness.Output // no test's texts or secrets may be in it
}

func newFixture(t *testing.T, s *store.Store, edit func(*Config)) *fixture {
	t.Helper()
	f := &fixture{T: t, store: s, logs: &harness.Output{}}
	c := Config{Store: s, Credential: credential, CallsPerSecond: 1e4, CallBurst: 1e4, Logger: slog.New(slog.NewTextHandler(f.logs, nil))}
	if edit != nil {
		edit(&c)
	}
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	f.desk = d
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- d.Run(ctx) }()
	srv := httptest.NewServer(d.Handler())
	f.url = srv.URL
	t.Cleanup(func() {
		closing, done := context.WithTimeout(context.Background(), limit)
		defer done()
		if err := d.Close(closing); err != nil {
			t.Errorf("Close: %v", err)
		}
		srv.Close()
		cancel()
		if err := <-ran; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
		if strings.Contains(f.logs.String(), c.Credential) {
			t.Errorf("the log tells the credential:\n%s", f.logs)
		}
	})
	f.within(d.Ready(), "the desk to be ready")
	return f
}

func (f *fixture) within(done <-chan struct{}, what string) {
	f.Helper()
	select {
	case <-done:
	case <-time.After(limit):
		f.Fatalf("waited %v for %s", limit, what)
	}
}

// collect collects a customer's entries from now on.
func (f *fixture) collect(c store.Customer) <-chan wire.Event {
	f.Helper()
	// What was stored before may still be on its way: a session of nobody's tells when it has come.
	ch, mark, begun := make(chan wire.Event, 1000), customer(), make(chan struct{})
	waits := true
	err := f.store.Follow(f.Context(), func(e store.Entry) {
		if waits {
			if e.Customer == mark {
				waits = false
				close(begun)
			}
			return
		}
		if e.Customer != c {
			return
		}
		for _, encoded := range e.Events {
			event, err := wire.DecodeEvent(encoded.JSON)
			if err != nil {
				f.Errorf("an event that is not JSON: %v", err)
			}
			ch <- event
		}
	})
	if err == nil {
		_, _, err = f.store.CreateSession(f.Context(), mark, uuid.NewString(), "", nil, uuid.NewString())
	}
	if err != nil {
		f.Fatal(err)
	}
	select {
	case <-begun:
	case <-f.Context().Done():
		f.Fatal("the mark was not followed")
	}
	return ch
}

func (f *fixture) next(ch <-chan wire.Event) wire.Event {
	f.Helper()
	select {
	case e := <-ch:
		return e
	case <-time.After(limit):
		f.Fatal("no event came")
		return wire.Event{}
	}
}

// until skips to the first event that matches.
func (f *fixture) until(ch <-chan wire.Event, match func(wire.Event) bool) wire.Event {
	f.Helper()
	for {
		if e := f.next(ch); match(e) {
			return e
		}
	}
}

func says(text string) func(wire.Event) bool {
	return func(e wire.Event) bool { return e.Message != nil && strings.Contains(e.Message.Body.Text, text) }
}

func customer() store.Customer { return store.Customer{Account: "TESTAC", ID: uuid.NewString()} }

func (f *fixture) begin(c store.Customer, name string, parameters map[string]string) (store.Session, store.Engagement) {
	f.Helper()
	s, _, err := f.store.CreateSession(f.Context(), c, uuid.NewString(), name, nil, uuid.NewString())
	if err != nil {
		f.Fatal(err)
	}
	e, _, err := f.store.CreateEngagement(f.Context(), s, parameters, uuid.NewString())
	if err != nil {
		f.Fatal(err)
	}
	return s, e
}

// ours is e with what the desk keeps with it.
func ours(e store.Engagement) *engagement {
	now := engagementOf(e)
	return &now
}

// waiting begins a chat and waits until the bot has greeted.
func (f *fixture) waiting(name string) store.Engagement {
	f.Helper()
	c := customer()
	events := f.collect(c)
	_, e := f.begin(c, name, map[string]string{"topic": "Billing", "language": "en"})
	f.until(events, says("looking for an agent"))
	return e
}

func (f *fixture) call(method, path, body string, header ...string) (int, http.Header, []byte) {
	f.Helper()
	req, err := http.NewRequestWithContext(f.Context(), method, f.url+BasePath+path, strings.NewReader(body))
	if err != nil {
		f.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+credential)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		f.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		f.Fatal(err)
	}
	return res.StatusCode, res.Header, b
}

// want calls and decodes an answer that must have that status.
func want[T any](f *fixture, status int, method, path, body string) (v T) {
	f.Helper()
	got, _, b := f.call(method, path, body)
	if got != status {
		f.Fatalf("%s %s answered %d %s, want %d", method, path, got, b, status)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		f.Fatalf("%s %s answered %s: %v", method, path, b, err)
	}
	return v
}

func decode[T any](t *testing.T, b []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return v
}

// refused calls and wants a problem of that status and kind, naming field.
func (f *fixture) refused(status int, kind, field, method, path, body string, header ...string) {
	f.Helper()
	got, h, b := f.call(method, path, body, header...)
	p, err := wire.DecodeProblem(b)
	if err != nil || got != status || p.Status != status || h.Get("Content-Type") != "application/problem+json" ||
		!strings.HasSuffix(p.Type, "#"+kind) || field != "" && !p.Has(field) {
		f.Errorf("%s %s answered %d %s, want %d %s naming %q", method, path, got, b, status, kind, field)
	}
}

type agent struct{ id, name string }

func newAgent(name string) agent { return agent{uuid.NewString(), name} }

func (a agent) json() string {
	return string(encode(map[string]string{"agentId": a.id, "agentName": a.name}))
}

func (a agent) text(text, key string) string {
	return fmt.Sprintf(`{"agentId":%q,"text":%q,"correlationId":%q}`, a.id, text, key)
}

func (c Chat) types() string {
	var b []string
	for _, p := range c.Participants {
		b = append(b, string(p.ParticipantType)+" "+p.DisplayName)
	}
	return strings.Join(b, ", ")
}

// texts is the whole history as "name: text".
func (f *fixture) texts(e store.Engagement) []string {
	f.Helper()
	page, err := f.store.Page(f.Context(), e.Customer, e.EngagementID, store.Query{Size: 50})
	if err != nil {
		f.Fatal(err)
	}
	var list []string
	for _, m := range page.Messages {
		list = append(list, m.SenderParticipantName+": "+m.Body.Text)
	}
	return list
}

func TestRouting(t *testing.T) {
	s := newStore(t)
	f := newFixture(t, s, nil)

	t.Run("EV-13 the customer gets in, then the bot, then its greeting", func(t *testing.T) {
		f := &fixture{T: t, store: s, desk: f.desk, url: f.url}
		c := customer()
		events := f.collect(c)
		session, e := f.begin(c, "Ann", map[string]string{"topic": "Billing"})
		want := []wire.Event{
			{Type: wire.EventEngagementActive, SessionID: session.SessionID},
			{Type: wire.EventParticipantAdded, SessionID: session.SessionID, Participant: wire.Participant{ParticipantID: session.ParticipantID, ParticipantType: wire.ParticipantCustomer, DisplayName: "Ann"}},
			{Type: wire.EventParticipantAdded, Participant: wire.Participant{ParticipantID: BotID, ParticipantType: wire.ParticipantBot, DisplayName: "Assistant"}},
		}
		for _, w := range want {
			got := f.next(events)
			if got.Type != w.Type || got.SessionID != w.SessionID || got.Participant != w.Participant || got.EngagementID != e.EngagementID || got.DialogID != e.DialogID {
				t.Fatalf("got %+v, want %+v", got, w)
			}
		}
		got := f.next(events)
		if got.Message == nil || got.Message.SenderParticipantType != wire.ParticipantBot || got.Message.SenderParticipantID != BotID ||
			got.Message.Body.Text != "Hello, Ann! You would like to talk about “Billing”. I am looking for an agent for you. Please stay in the chat." {
			t.Fatalf("got %+v, want the greeting", got.Message)
		}
		now, err := s.Engagement(t.Context(), c, e.EngagementID)
		if err != nil || now.Status != wire.EngagementActive || !ours(now).WaitingSince.Equal(e.CreatedAt) {
			t.Fatalf("got %+v, %v", now, err)
		}
	})

	t.Run("a change given several times at once is one greeting and one bot", func(t *testing.T) {
		f := &fixture{T: t, store: s, desk: f.desk, url: f.url}
		c := customer()
		events := f.collect(c)
		_, e := f.begin(c, "", nil)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := f.desk.route(t.Context(), e); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		f.until(events, says("Hello! I am looking"))
		now, err := s.Engagement(t.Context(), c, e.EngagementID)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := f.desk.route(t.Context(), now); err != nil {
				t.Fatal(err)
			}
		}
		if got := chatOf(ours(now), 0).types(); got != "CUSTOMER , BOT Assistant" {
			t.Errorf("in are %s", got)
		}
		if got := f.texts(e); len(got) != 1 {
			t.Errorf("said is %q", got)
		}
	})

	t.Run("a chat whose session has ended before anyone got in is ended", func(t *testing.T) {
		f := &fixture{T: t, store: s, desk: f.desk, url: f.url}
		c := customer()
		session, _, err := s.CreateSession(t.Context(), c, uuid.NewString(), "Ann", nil, "1")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.EndSession(t.Context(), c, session.SessionID, wire.ReasonUserClosed); err != nil {
			t.Fatal(err)
		}
		events := f.collect(c)
		e, _, err := s.CreateEngagement(t.Context(), session, nil, "2")
		if err != nil {
			t.Fatal(err)
		}
		f.until(events, func(e wire.Event) bool { return e.Type == wire.EventEngagementTerminated })
		if got := want[Chat](f, 200, "GET", "/engagements/"+e.EngagementID, ""); got.State != StateEnded {
			t.Errorf("the desk shows it as %s", got.State)
		}
	})

	t.Run("a session that ended leaves a chat that another one joined", func(t *testing.T) {
		c := customer()
		f := &fixture{T: t, store: newStore(t)} // no router: both steps are ours
		d, err := New(Config{Store: f.store, Credential: credential})
		if err != nil {
			t.Fatal(err)
		}
		first, e := f.begin(c, "Ann", nil)
		second, _, err := f.store.CreateSession(t.Context(), c, uuid.NewString(), "Ann", nil, "second")
		if err != nil {
			t.Fatal(err)
		}
		if err := f.store.EndSession(t.Context(), c, first.SessionID, wire.ReasonUserClosed); err != nil {
			t.Fatal(err)
		}
		e, err = f.store.Update(t.Context(), c, e.EngagementID, func(e *store.Engagement) ([]wire.Event, error) { return e.Enter(second), nil })
		if err != nil {
			t.Fatal(err)
		}
		if err := d.route(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if e, err = f.store.Engagement(t.Context(), c, e.EngagementID); err != nil || e.Ended() || !routed(ours(e)) {
			t.Errorf("got %+v, %v", e, err)
		}
	})

	t.Run("an engagement the store has forgotten is no work", func(t *testing.T) {
		if err := f.desk.route(t.Context(), store.Engagement{Customer: customer(), EngagementID: uuid.NewString()}); err != nil {
			t.Error(err)
		}
	})
}

func TestAgents(t *testing.T) {
	s := newStore(t)
	f := newFixture(t, s, nil)
	ann, bob := newAgent("Ann Agent"), newAgent("Bob Agent")
	e := f.waiting("Cleo")
	path := "/engagements/" + e.EngagementID

	chat := want[Chat](f, 200, "GET", path, "")
	if chat.State != StateWaiting || chat.CustomerName != "Cleo" || chat.Topic != "Billing" || chat.AccountID != "TESTAC" ||
		chat.EngagementParameters["language"] != "en" || chat.WaitingSince != date(e.CreatedAt) || chat.NewestIndex != 1 || chat.types() != "CUSTOMER Cleo, BOT Assistant" {
		t.Errorf("waiting: %+v", chat)
	}

	events := f.collect(e.Customer)
	chat = want[Chat](f, 200, "POST", path+":accept", ann.json())
	if chat.State != StateActive || chat.types() != "CUSTOMER Cleo, AGENT Ann Agent" || chat.WaitingSince != "" || chat.Participants[1].ParticipantID != ann.id {
		t.Errorf("accepted: %+v", chat)
	}
	for _, w := range []struct {
		t  wire.EventType
		id string
	}{{wire.EventParticipantAdded, ann.id}, {wire.EventParticipantDisconnected, BotID}} {
		if got := f.next(events); got.Type != w.t || got.Participant.ParticipantID != w.id || got.SessionID != "" {
			t.Errorf("got %+v, want %+v", got, w)
		}
	}
	if got := f.next(events); !says("Ann Agent has joined the chat.")(got) || got.Message.SenderParticipantType != wire.ParticipantSystem || got.Message.SenderParticipantID != SystemID {
		t.Errorf("got %+v, want the system's line", got)
	}

	// Again by the same agent, in whatever letters; another one has to look elsewhere.
	want[Chat](f, 200, "POST", path+":accept", strings.ReplaceAll(ann.json(), ann.id, strings.ToUpper(ann.id)))
	f.refused(409, "conflict", "engagementId", "POST", path+":accept", bob.json())
	f.refused(409, "conflict", "agentId", "POST", path+":supervise", ann.json())
	f.refused(409, "conflict", "agentId", "POST", path+"/messages", bob.text("hello", "1"))
	f.refused(409, "conflict", "agentId", "POST", path+":end", bob.json())

	chat = want[Chat](f, 200, "POST", path+":supervise", bob.json())
	want[Chat](f, 200, "POST", path+":supervise", bob.json())
	if chat.types() != "CUSTOMER Cleo, AGENT Ann Agent, SUPERVISOR Bob Agent" {
		t.Errorf("supervised: in are %s", chat.types())
	}

	// A message, and its repeat; the supervisor's key is a key of its own.
	message := want[map[string]any](f, 201, "POST", path+"/messages", ann.text("How can I help?", "k"))
	again := want[map[string]any](f, 200, "POST", path+"/messages", ann.text("How can I help?", "k"))
	if message["messageId"] != again["messageId"] || message["senderParticipantType"] != "AGENT" || message["senderParticipantName"] != "Ann Agent" || message["correlationId"] != "k" {
		t.Errorf("sent %v, then %v", message, again)
	}
	want[map[string]any](f, 201, "POST", path+"/messages", bob.text("I am listening.", "k"))

	// The agent leaves: it waits again, the supervisor stays and takes over.
	chat = want[Chat](f, 200, "POST", path+":leave", ann.json())
	want[Chat](f, 200, "POST", path+":leave", ann.json())
	if chat.State != StateWaiting || chat.WaitingSince <= date(e.CreatedAt) || chat.types() != "CUSTOMER Cleo, SUPERVISOR Bob Agent, BOT Assistant" {
		t.Errorf("left: %+v", chat)
	}
	chat = want[Chat](f, 200, "POST", path+":accept", bob.json())
	if chat.types() != "CUSTOMER Cleo, AGENT Bob Agent" {
		t.Errorf("taken over: in are %s", chat.types())
	}
	// A supervisor's leaving does not make a chat wait that has its agent.
	want[Chat](f, 200, "POST", path+":supervise", ann.json())
	chat = want[Chat](f, 200, "POST", path+":leave", ann.json())
	if chat.State != StateActive || chat.types() != "CUSTOMER Cleo, AGENT Bob Agent" {
		t.Errorf("the supervisor left: %+v", chat)
	}

	chat = want[Chat](f, 200, "POST", path+":end", bob.json())
	if chat.State != StateEnded {
		t.Errorf("ended: %+v", chat)
	}
	want[Chat](f, 200, "POST", path+":end", bob.json())
	want[Chat](f, 200, "POST", path+":leave", bob.json())
	f.refused(409, "conflict", "engagementId", "POST", path+":accept", ann.json())
	f.refused(409, "conflict", "engagementId", "POST", path+":supervise", ann.json())
	f.refused(409, "conflict", "engagementId", "POST", path+"/messages", bob.text("late", "late"))
	repeat := want[map[string]any](f, 200, "POST", path+"/messages", ann.text("How can I help?", "k"))
	if repeat["messageId"] != message["messageId"] {
		t.Errorf("a repeat after the end answered %v", repeat)
	}
	f.until(events, func(e wire.Event) bool { return e.Type == wire.EventEngagementTerminated })

	if diff := f.texts(e); !slices.Equal(diff, []string{
		"Assistant: Hello, Cleo! You would like to talk about “Billing”. I am looking for an agent for you. Please stay in the chat.",
		"System: Ann Agent has joined the chat.",
		"System: Bob Agent has joined the chat.",
		"Ann Agent: How can I help?",
		"Bob Agent: I am listening.",
		"System: Ann Agent has left the chat.",
		"Assistant: I am looking for another agent for you. Please stay in the chat.",
		"System: Bob Agent has joined the chat.",
		"System: Ann Agent has joined the chat.",
		"System: Ann Agent has left the chat.",
		"System: Bob Agent has ended the chat.",
	}) {
		t.Errorf("the history is:\n%s", strings.Join(diff, "\n"))
	}
	for _, secret := range []string{"How can I help", "Cleo", "Ann Agent", credential} {
		if strings.Contains(f.logs.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

func TestBrokenOffCallsAreCompleted(t *testing.T) {
	s := newStore(t)
	f := newFixture(t, s, nil)
	ann := newAgent("Ann Agent")

	t.Run("the router adds the line that a broken accept left out", func(t *testing.T) {
		e := f.waiting("Cleo")
		events := f.collect(e.Customer)
		// What accept stores first; then its process is gone.
		_, err := f.desk.update(t.Context(), ours(e), func(e *engagement) ([]wire.Event, error) {
			e.WaitingSince = time.Time{}
			added := e.Add(wire.Participant{ParticipantID: ann.id, ParticipantType: wire.ParticipantAgent, DisplayName: ann.name})
			return append(added, e.Remove(BotID)...), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		f.until(events, says("Ann Agent has joined the chat."))
		want[Chat](f, 200, "POST", "/engagements/"+e.EngagementID+":accept", ann.json())
		if got := f.texts(e); len(got) != 2 {
			t.Errorf("the history is %q", got)
		}
	})

	t.Run("leave again says no second line", func(t *testing.T) {
		e := f.waiting("Cleo")
		path := "/engagements/" + e.EngagementID
		want[Chat](f, 200, "POST", path+":accept", ann.json())
		now, err := s.Engagement(t.Context(), e.Customer, e.EngagementID)
		if err != nil {
			t.Fatal(err)
		}
		// What leave stores first; then its process is gone.
		if err := f.desk.writeLine(t.Context(), ours(now), system, "left:"+ann.id+":"+stamp(now.Member(ann.id).JoinedAt), "Ann Agent has left the chat."); err != nil {
			t.Fatal(err)
		}
		chat := want[Chat](f, 200, "POST", path+":leave", ann.json())
		if chat.State != StateWaiting {
			t.Errorf("got %+v", chat)
		}
		if got := f.texts(e); len(got) != 4 {
			t.Errorf("the history is %q", got)
		}
	})
}

func TestLists(t *testing.T) {
	s := newStore(t)
	f := newFixture(t, s, func(c *Config) { c.KeepEnded = 1 })
	ann := newAgent("Ann")
	first, second, third := f.waiting("1"), f.waiting("2"), f.waiting("3")
	names := func(query string) string {
		var b strings.Builder
		for _, c := range want[[]Chat](f, 200, "GET", "/engagements"+query, "") {
			b.WriteString(c.CustomerName)
		}
		return b.String()
	}
	if got := names(""); got != "123" {
		t.Errorf("the queue is %s", got)
	}
	want[Chat](f, 200, "POST", "/engagements/"+first.EngagementID+":accept", ann.json())
	for query, list := range map[string]string{"": "231", "?state=all": "231", "?state=waiting": "23", "?state=active": "1"} {
		if got := names(query); got != list {
			t.Errorf("%s lists %s, want %s", query, got, list)
		}
	}
	// Who has waited before, waits from now: to the end of the queue.
	want[Chat](f, 200, "POST", "/engagements/"+first.EngagementID+":leave", ann.json())
	if got := names("?state=waiting"); got != "231" {
		t.Errorf("the queue is %s", got)
	}
	f.refused(400, "constraint-violation", "state", "GET", "/engagements?state=odd", "")

	// The customer goes: ended for the desk too, and readable until another one ends.
	for _, e := range []store.Engagement{second, third} {
		sock := f.dial()
		sock.authenticate()
		_, err := s.Update(t.Context(), e.Customer, e.EngagementID, func(e *store.Engagement) ([]wire.Event, error) { return e.Terminate(), nil })
		if err != nil {
			t.Fatal(err)
		}
		sock.until(func(fr deskFrame) bool {
			return fr.Type == "chat" && fr.Chat.EngagementID == e.EngagementID && fr.Chat.State == StateEnded
		})
		if got := want[Chat](f, 200, "GET", "/engagements/"+e.EngagementID, ""); got.State != StateEnded {
			t.Errorf("got %+v", got)
		}
		want[map[string]any](f, 200, "GET", "/engagements/"+e.EngagementID+"/messages", "")
	}
	f.refused(404, "not-found", "engagementId", "GET", "/engagements/"+second.EngagementID, "")
	if got := names(""); got != "1" {
		t.Errorf("the list is %s", got)
	}
}

func TestHistory(t *testing.T) {
	f := newFixture(t, newStore(t), nil)
	ann := newAgent("Ann")
	e := f.waiting("Cleo")
	path := "/engagements/" + e.EngagementID
	want[Chat](f, 200, "POST", path+":accept", ann.json())
	for i := 3; i <= 25; i++ {
		want[map[string]any](f, 201, "POST", path+"/messages", ann.text(fmt.Sprint(i), fmt.Sprint(i)))
	}
	for query, w := range map[string]struct {
		from, to     int64
		older, newer bool
	}{
		"":                      {16, 25, true, false},
		"?pageSize=50":          {1, 25, false, false},
		"?before=16&pageSize=5": {11, 15, true, true},
		"?after=20&pageSize=5":  {21, 25, true, false},
		"?after=0&pageSize=5":   {1, 5, false, true},
		"?before=1":             {0, -1, false, true},
	} {
		status, _, b := f.call("GET", path+"/messages"+query, "")
		p, err := wire.DecodeMessagePage(b)
		if status != 200 || err != nil || int64(len(p.Messages)) != w.to-w.from+1 || p.HasOlder != w.older || p.HasNewer != w.newer || p.NewestIndex != 25 {
			t.Errorf("%q answered %d, %d messages, older %v, newer %v, newest %d; want %+v", query, status, len(p.Messages), p.HasOlder, p.HasNewer, p.NewestIndex, w)
			continue
		}
		for i, m := range p.Messages {
			if m.MessageIndex != w.from+int64(i) {
				t.Errorf("%q: message %d has index %d", query, i, m.MessageIndex)
			}
		}
	}
	for query, field := range map[string]string{
		"?pageSize=0": "pageSize", "?pageSize=51": "pageSize", "?pageSize=x": "pageSize",
		"?before=0": "before", "?after=-1": "after", "?before=3&after=1": "after", "?before=x": "before",
	} {
		f.refused(400, "constraint-violation", field, "GET", path+"/messages"+query, "")
	}
	f.refused(404, "not-found", "engagementId", "GET", "/engagements/"+uuid.NewString()+"/messages", "")
}

func TestRefusals(t *testing.T) {
	f := newFixture(t, newStore(t), func(c *Config) {
		c.AllowedOrigins = []string{"https://desk.example.com"}
		c.CallsPerSecond, c.CallBurst = 0.001, 50
	})
	e := f.waiting("Cleo")
	path := "/engagements/" + e.EngagementID
	ann := newAgent("Ann")
	post := func(status int, kind, field, verb, body string) {
		t.Helper()
		f.refused(status, kind, field, "POST", path+verb, body)
	}

	for _, wrong := range []string{"", "Bearer ", "Bearer " + credential + "x", "Bearer " + credential[1:], credential} {
		f.refused(401, "unauthorized", "", "GET", "/engagements", "", "Authorization", wrong)
	}
	f.refused(403, "forbidden", "", "GET", "/engagements", "", "Origin", "https://elsewhere.example.com")
	f.refused(403, "forbidden", "", "GET", "/engagements", "", "Origin", "null")
	for _, right := range []string{f.url, "https://desk.example.com"} {
		if status, _, b := f.call("GET", "/engagements", "", "Origin", right); status != 200 {
			t.Errorf("Origin %s answered %d %s", right, status, b)
		}
	}

	status, h, _ := f.call("OPTIONS", path+":accept", "", "Origin", "https://desk.example.com", "Authorization", "")
	if status != 204 || h.Get("Access-Control-Allow-Origin") != "https://desk.example.com" || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "authorization") {
		t.Errorf("a preflight answered %d %v", status, h)
	}
	f.refused(403, "forbidden", "", "OPTIONS", path+":accept", "", "Origin", "https://elsewhere.example.com")

	f.refused(404, "not-found", "", "GET", "/nothing", "")
	f.refused(404, "not-found", "", "GET", "/engagementsx", "")
	f.refused(404, "not-found", "engagementId", "GET", "/engagements/x", "")
	f.refused(404, "not-found", "engagementId", "POST", "/engagements/"+uuid.NewString()+":accept", ann.json())
	post(404, "not-found", "", ":dance", ann.json())
	f.refused(405, "bad-request", "", "GET", path+":accept", "")
	f.refused(405, "bad-request", "", "DELETE", path, "")

	post(400, "bad-request", "", ":accept", `{"agentId":`)
	post(400, "bad-request", "", ":accept", `[]`)
	post(400, "bad-request", "", ":accept", "{\"agentId\":\"\xff\"}")
	post(400, "constraint-violation", "agentId", ":accept", `{"agentId":7}`)
	post(400, "constraint-violation", "agentName", ":accept", fmt.Sprintf(`{"agentId":%q,"agentName":["Ann"]}`, uuid.NewString()))
	post(400, "constraint-violation", "text", "/messages", fmt.Sprintf(`{"agentId":%q,"text":{"x":"y"}}`, uuid.NewString()))
	post(413, "bad-request", "", ":accept", `{"agentId":"`+strings.Repeat("x", wire.MaxBody)+`"}`)
	post(400, "constraint-violation", "agentId", ":accept", `{}`)
	post(400, "constraint-violation", "agentId", ":accept", `{"agentId":"x","agentName":"Ann"}`)
	post(400, "constraint-violation", "agentId", ":accept", fmt.Sprintf(`{"agentId":%q,"agentName":"Ann"}`, BotID))
	post(400, "constraint-violation", "agentId", ":accept", fmt.Sprintf(`{"agentId":%q,"agentName":"Ann"}`, store.ParticipantID(e.Customer)))
	post(400, "constraint-violation", "agentName", ":accept", agent{ann.id, "  "}.json())
	post(400, "constraint-violation", "agentName", ":accept", agent{ann.id, strings.Repeat("é", 71)}.json())
	post(400, "constraint-violation", "agentName", ":accept", agent{ann.id, "A\u0007"}.json())

	want[Chat](f, 200, "POST", path+":accept", agent{ann.id, strings.Repeat("é", 70)}.json())
	post(400, "constraint-violation", "text", "/messages", ann.text("", "1"))
	post(400, "constraint-violation", "text", "/messages", ann.text(strings.Repeat("😀", 2049), "1"))
	post(400, "constraint-violation", "correlationId", "/messages", ann.text("x", strings.Repeat("k", 257)))
	want[map[string]any](f, 201, "POST", path+"/messages", ann.text(strings.Repeat("😀", 2048), strings.Repeat("k", 256)))
	want[map[string]any](f, 201, "POST", path+"/messages", fmt.Sprintf(`{"agentId":%q,"text":"no key","odd":[1]}`, ann.id))

	// The rate is an agent's own.
	flood := newAgent("Flood")
	for range 50 {
		post(409, "conflict", "agentId", "/messages", flood.text("x", ""))
	}
	status, h, _ = f.call("POST", path+"/messages", flood.text("x", ""))
	if status != 429 || h.Get("Retry-After") == "" || h.Get("Retry-After") == "0" {
		t.Errorf("the 51st call answered %d, Retry-After %q", status, h.Get("Retry-After"))
	}
	want[map[string]any](f, 201, "POST", path+"/messages", ann.text("not held up", "2"))
}

func TestNewRefuses(t *testing.T) {
	s := newStore(t)
	for name, c := range map[string]Config{
		"Store":          {Credential: credential},
		"Credential":     {Store: s, Credential: "short"},
		"BotName":        {Store: s, Credential: credential, BotName: strings.Repeat("x", 71)},
		"AllowedOrigins": {Store: s, Credential: credential, AllowedOrigins: []string{"desk.example.com"}},
		"negative":       {Store: s, Credential: credential, KeepEnded: -1},
	} {
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
