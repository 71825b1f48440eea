package desk

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"openchat/sdk/wire"
	"openchat/web/presence"
	"openchat/web/store"
)

// streams are the sessions that have a stream at a gateway.
type streams struct {
	mu   sync.Mutex
	open map[string]bool
}

func (s *streams) Streaming(_ store.Customer, sessions []string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(sessions, func(id string) bool { return s.open[id] })
}

func (s *streams) set(sessionID string, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[string]bool{}
	}
	s.open[sessionID] = open
}

// newWatched is a fixture whose customers are in s, and whose own watch does nothing. The test
// looks, at times of its own.
func newWatched(t *testing.T, st *store.Store, s *streams) *fixture {
	return newFixture(t, st, func(c *Config) {
		c.Customers = s
		c.CustomerGrace, c.AgentGrace, c.AbandonAfter = time.Hour, 2*time.Hour, 10*time.Hour
		c.watchEvery = time.Hour
	})
}

// at looks as if it were then, and does what is due.
func (f *fixture) at(now time.Time) {
	f.Helper()
	for _, due := range f.desk.findDue(now, true) {
		if err := due.do(f.Context(), f.desk, &due.chat); err != nil {
			f.Fatal(err)
		}
	}
}

func (f *fixture) chat(e store.Engagement) Chat {
	f.Helper()
	return want[Chat](f, 200, "GET", "/engagements/"+e.EngagementID, "")
}

// sit opens a socket that names the agent.
func (f *fixture) sit(a agent) *client {
	f.Helper()
	c := f.dial()
	c.write(fmt.Sprintf(`{"type":"authenticate","credential":%q,"agentId":%q,"agentName":%q}`, credential, strings.ToUpper(a.id), a.name))
	if f := c.read(); f.Type != "snapshot" {
		c.Fatalf("the first frame is a %s", f.Type)
	}
	return c
}

// stand ends the socket as a browser does that is killed, and waits until the desk has seen it.
func (f *fixture) stand(a agent, c *client) {
	f.Helper()
	_ = c.conn.CloseNow()
	f.eventually("the agent to be gone", func() bool { return !f.desk.present(accountA, a.id) })
}

// eventually waits for something that the desk does by itself, which tells nobody.
func (f *fixture) eventually(what string, held func() bool) {
	f.Helper()
	for end := time.Now().Add(limit); !held(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			f.Fatalf("waited %v for %s", limit, what)
		}
	}
}

func TestCustomerAway(t *testing.T) {
	// DESK-1
	s := &streams{}
	f := newWatched(t, newStore(t), s)
	e := f.waiting("Cleo")
	s.set(e.SessionID, true)
	desk := f.dial()
	desk.authenticate()
	events := f.collect(e.Customer)
	start := time.Now()
	expect := func(p Presence, seen string) {
		t.Helper()
		if c := f.chat(e); c.CustomerPresence != p || c.CustomerSeenAt != seen || c.State != StateWaiting {
			t.Errorf("the chat is %+v, want it %s, seen at %q", c, p, seen)
		}
	}
	f.at(start)
	f.at(start.Add(24 * time.Hour))
	expect(PresencePresent, "")

	// A reload: away and back within the grace. The grace begins anew each time.
	s.set(e.SessionID, false)
	f.at(start)
	f.at(start.Add(time.Hour - time.Millisecond))
	s.set(e.SessionID, true)
	f.at(start.Add(time.Hour))
	expect(PresencePresent, "")
	s.set(e.SessionID, false)
	gone := start.Add(time.Hour + time.Second)
	f.at(gone)
	f.at(gone.Add(time.Hour - time.Millisecond))
	expect(PresencePresent, "")
	before, err := f.store.Engagement(t.Context(), e.Customer, e.EngagementID)
	if err != nil {
		t.Fatal(err)
	}
	f.at(gone.Add(time.Hour))
	expect(PresenceAway, date(gone))
	if c := desk.read(); c.Type != "chat" || c.Chat.CustomerPresence != PresenceAway || c.Chat.CustomerSeenAt != date(gone) {
		t.Errorf("the desks got %+v", c)
	}
	// Once: what is stored does not grow with the looks.
	stored, err := f.store.Engagement(t.Context(), e.Customer, e.EngagementID)
	if err != nil || !stored.LastUpdatedAt.Equal(before.LastUpdatedAt) {
		t.Errorf("%v, updated at %v, not %v", err, stored.LastUpdatedAt, before.LastUpdatedAt)
	}
	f.at(gone.Add(2 * time.Hour))
	if again, err := f.store.Engagement(t.Context(), e.Customer, e.EngagementID); err != nil || again.EventID != stored.EventID {
		t.Errorf("%v, changed again: %v, %v", err, again.EventID, stored.EventID)
	}

	// Another session of theirs joins: present, although the first one is not.
	second, _, err := f.store.CreateSession(t.Context(), e.Customer, e.IntegrationID, "Cleo", nil, "second")
	if err != nil {
		t.Fatal(err)
	}
	s.set(second.SessionID, true)
	f.at(gone.Add(2 * time.Hour))
	expect(PresenceAway, date(gone)) // it is not in the chat yet
	if _, err := f.store.Update(t.Context(), e.Customer, e.EngagementID, func(e *store.Engagement) ([]wire.Event, error) { return e.Enter(second), nil }); err != nil {
		t.Fatal(err)
	}
	f.eventually("the second session to be in", func() bool {
		now, _, _ := f.desk.view.get(nil, e.EngagementID)
		return now.In(second.SessionID)
	})
	f.at(gone.Add(2 * time.Hour))
	expect(PresencePresent, "")
	desk.until(func(f deskFrame) bool { return f.Type == "chat" && f.Chat.CustomerPresence == PresencePresent })

	// All that the customer received of it: that their own second session is in.
	for len(events) > 0 {
		if got := <-events; got.SessionID != second.SessionID {
			t.Errorf("the customer received %+v", got)
		}
	}
}

// Another gateway that sees the customer is believed: the one that does not sees them away
// after a whole grace again, not at its next look.
func TestCustomerAwayAgain(t *testing.T) {
	// DESK-1
	f := newWatched(t, newStore(t), &streams{})
	e := f.waiting("Cleo")
	start := time.Now()
	f.at(start)
	f.at(start.Add(time.Hour))
	if c := f.chat(e); c.CustomerPresence != PresenceAway {
		t.Fatalf("the chat is %+v", c)
	}
	if err := markPresent(t.Context(), f.desk, ours(e)); err != nil {
		t.Fatal(err)
	}
	f.at(start.Add(2 * time.Hour))
	if c := f.chat(e); c.CustomerPresence != PresencePresent {
		t.Errorf("the chat is %+v", c)
	}
	f.at(start.Add(3 * time.Hour))
	if c := f.chat(e); c.CustomerPresence != PresenceAway || c.CustomerSeenAt != date(start.Add(2*time.Hour)) {
		t.Errorf("the chat is %+v", c)
	}
}

func TestAbandoned(t *testing.T) {
	// DESK-2
	st, s := newStore(t), &streams{}
	f := newWatched(t, st, s)
	g := newWatched(t, st, s) // another gateway on the store
	e := f.waiting("Cleo")
	start := time.Now()
	both := func(at time.Time) {
		t.Helper()
		list := append(f.desk.findDue(at, true), g.desk.findDue(at, true)...)
		var wg sync.WaitGroup
		for i, due := range list {
			d := f.desk
			if i%2 == 1 {
				d = g.desk
			}
			wg.Go(func() {
				if err := due.do(t.Context(), d, &due.chat); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	both(start)
	both(start.Add(time.Hour))
	both(start.Add(10*time.Hour - time.Second))
	if c := f.chat(e); c.State != StateWaiting || c.CustomerPresence != PresenceAway {
		t.Fatalf("the chat is %+v", c)
	}
	events := f.collect(e.Customer)
	both(start.Add(10 * time.Hour))
	both(start.Add(10 * time.Hour))

	line := f.next(events)
	if !says("The chat was ended because the customer left.")(line) || line.Message.SenderParticipantID != SystemID {
		t.Errorf("first came %+v", line)
	}
	for _, want := range []wire.EventType{wire.EventParticipantDisconnected, wire.EventParticipantDisconnected, wire.EventEngagementTerminated} {
		if got := f.next(events); got.Type != want {
			t.Errorf("came %+v, want %s", got, want)
		}
	}
	for _, f := range []*fixture{f, g} {
		f.eventually("the end to be known", func() bool { return f.chat(e).State == StateEnded })
		if waiting := want[[]Chat](f, 200, "GET", "/engagements", ""); len(waiting) != 0 {
			t.Errorf("listed are %+v", waiting)
		}
	}
	f.refused(409, "conflict", "engagementId", "POST", "/engagements/"+e.EngagementID+":accept", newAgent("Ann").json())
	if got := f.texts(e); len(got) != 2 || got[1] != "System: The chat was ended because the customer left." {
		t.Errorf("said is %q", got)
	}
	if len(events) > 0 {
		t.Errorf("then came %+v", <-events)
	}
}

// What was decided is done, whoever decided it and died.
func TestAbandonedHalfway(t *testing.T) {
	// DESK-2
	s := &streams{}
	f := newFixture(t, newStore(t), func(c *Config) { c.Customers = s })
	e := f.waiting("Cleo")
	if _, err := f.desk.note(t.Context(), ours(e), func(e *engagement) bool {
		e.AwaySince, e.Ending = milliseconds(time.Now()), true
		return true
	}); err != nil {
		t.Fatal(err)
	}
	s.set(e.SessionID, true) // too late
	if _, err := (&body{AgentID: uuid.NewString()}).entry(&engagement{kept: kept{Ending: true}}, wire.ParticipantAgent); err == nil {
		t.Error("an agent may come in")
	}
	f.eventually("the end", func() bool { return f.chat(e).State == StateEnded }) // by its own watch
	if got := f.texts(e); len(got) != 2 {
		t.Errorf("said is %q", got)
	}
}

func TestAbandonedNever(t *testing.T) {
	// DESK-2
	f := newFixture(t, newStore(t), func(c *Config) { c.Customers, c.AbandonAfter, c.watchEvery = &streams{}, -1, time.Hour })
	e := f.waiting("Cleo")
	start := time.Now()
	for _, at := range []time.Duration{0, time.Minute, 365 * 24 * time.Hour} {
		f.at(start.Add(at))
	}
	if c := f.chat(e); c.CustomerPresence != PresenceAway || c.State != StateWaiting {
		t.Errorf("the chat is %+v", c)
	}
}

// A gateway that starts takes its time, also for a customer who was away before.
func TestWatchBeginsAnew(t *testing.T) {
	// DESK-2
	st, s := newStore(t), &streams{}
	f := newWatched(t, st, s)
	e := f.waiting("Cleo")
	old := time.Now().Add(-100 * time.Hour)
	if _, err := f.desk.note(t.Context(), ours(e), func(e *engagement) bool { e.AwaySince = milliseconds(old); return true }); err != nil {
		t.Fatal(err)
	}
	g := newWatched(t, st, s)
	start := time.Now()
	g.at(start)
	g.at(start.Add(time.Hour - time.Second))
	if c := g.chat(e); c.State != StateWaiting || c.CustomerSeenAt != date(old) {
		t.Fatalf("the chat is %+v", c)
	}
	// It had received nothing from the others for a while.
	g.desk.view.forgetAbsences()
	g.at(start.Add(time.Hour))
	if c := g.chat(e); c.State != StateWaiting {
		t.Fatalf("the chat is %+v", c)
	}
	if list := g.desk.findDue(start.Add(9*time.Hour), false); len(list) > 0 {
		t.Errorf("%d things are due for a gateway that receives nothing from the others", len(list))
	}
	g.at(start.Add(2 * time.Hour))
	if c := g.chat(e); c.State != StateEnded {
		t.Errorf("the chat is %+v", c)
	}
}

func TestAgentLost(t *testing.T) {
	// DESK-3
	st, s := newStore(t), &streams{}
	f := newWatched(t, st, s)
	e := f.waiting("Cleo")
	s.set(e.SessionID, true)
	path := "/engagements/" + e.EngagementID
	bo := newAgent("Bo")
	// A tab of theirs on another desk process ends; one stays.
	one, two := f.sit(bo), f.sit(bo)
	want[Chat](f, 200, "POST", path+":accept", bo.json())
	other := f.waiting("Dan") // has waited shorter, but nobody was there for it yet
	s.set(other.SessionID, true)
	start := time.Now()
	_ = one.conn.CloseNow()
	f.eventually("one socket to be gone", func() bool {
		return f.desk.sockets.Open() == 1
	})
	f.at(start)
	f.at(start.Add(24 * time.Hour))
	if c := f.chat(e); c.types() != "CUSTOMER Cleo, AGENT Bo" {
		t.Fatalf("with a socket left, in are %s", c.types())
	}
	// The last one: back within the grace.
	f.stand(bo, two)
	f.at(start)
	f.at(start.Add(2*time.Hour - time.Second))
	two = f.sit(bo)
	f.at(start.Add(2 * time.Hour))
	f.stand(bo, two)
	gone := start.Add(3 * time.Hour)
	f.at(gone)
	f.at(gone.Add(2*time.Hour - time.Second))
	if c := f.chat(e); c.types() != "CUSTOMER Cleo, AGENT Bo" {
		t.Fatalf("within the grace, in are %s", c.types())
	}
	events := f.collect(e.Customer)
	f.at(gone.Add(2 * time.Hour))
	if got := f.next(events); got.Type != wire.EventParticipantDisconnected || got.Participant.ParticipantID != bo.id || got.SessionID != "" {
		t.Errorf("first came %+v", got)
	}
	if got := f.next(events); got.Type != wire.EventParticipantAdded || got.Participant.ParticipantID != BotID {
		t.Errorf("then came %+v", got)
	}
	if got := f.next(events); !says("Bo was disconnected. Another agent will be with you soon. Please stay in the chat.")(got) || got.Message.SenderParticipantID != SystemID {
		t.Errorf("then came %+v", got)
	}
	c := f.chat(e)
	if c.State != StateWaiting || !c.Requeued || c.WaitingSince != date(gone) || c.types() != "CUSTOMER Cleo, BOT Assistant" {
		t.Errorf("the chat is %+v", c)
	}
	if list := want[[]Chat](f, 200, "GET", "/engagements?state=waiting", ""); len(list) != 2 || list[0].EngagementID != e.EngagementID {
		t.Errorf("the queue is %+v", list)
	}
	f.refused(409, "conflict", "agentId", "POST", path+"/messages", bo.text("Hello?", "1"))
	// One accept, and it is Bo's again; and the bot has not spoken a second time.
	c = want[Chat](f, 200, "POST", path+":accept", bo.json())
	if c.State != StateActive || c.Requeued || c.types() != "CUSTOMER Cleo, AGENT Bo" {
		t.Errorf("the chat is %+v", c)
	}
	now, err := st.Engagement(t.Context(), e.Customer, e.EngagementID)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.desk.route(t.Context(), now); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.texts(e)[1:]; !slices.Equal(got, []string{
		"System: Bo has joined the chat.",
		"System: Bo was disconnected. Another agent will be with you soon. Please stay in the chat.",
		"System: Bo has joined the chat.",
	}) {
		t.Errorf("said is %q", got)
	}
}

// The line is said whoever made the change dies before saying it.
func TestAgentLostHalfway(t *testing.T) {
	// DESK-3
	st := newStore(t)
	f := newWatched(t, st, &streams{})
	e := f.waiting("Cleo")
	events := f.collect(e.Customer)
	if _, err := f.desk.update(t.Context(), ours(e), func(e *engagement) ([]wire.Event, error) {
		e.Requeued = true
		e.Notice = &notice{Key: "lost:x", Text: "Bo was disconnected.", At: milliseconds(time.Now())}
		return e.Add(wire.Participant{ParticipantID: uuid.NewString(), ParticipantType: wire.ParticipantSupervisor, DisplayName: "Su"}), nil
	}); err != nil {
		t.Fatal(err)
	}
	f.until(events, says("Bo was disconnected."))
}

func TestAgentsThatAreNotWatched(t *testing.T) {
	// DESK-3
	s := &streams{}
	f := newWatched(t, newStore(t), s)
	e := f.waiting("Cleo")
	s.set(e.SessionID, true)
	path := "/engagements/" + e.EngagementID
	script := newAgent("Script")
	f.dial().authenticate() // names nobody
	want[Chat](f, 200, "POST", path+":accept", script.json())
	start := time.Now()
	f.at(start)
	f.at(start.Add(1000 * time.Hour))
	if c := f.chat(e); c.types() != "CUSTOMER Cleo, AGENT Script" {
		t.Errorf("in are %s", c.types())
	}
	// From the first socket on, it is. What counts is stored: another gateway goes by it.
	socket := f.sit(script)
	f.at(start)
	f.stand(script, socket)
	g := newWatched(t, f.store, s)
	g.at(start)
	g.at(start.Add(2 * time.Hour))
	if c := g.chat(e); c.types() != "CUSTOMER Cleo, BOT Assistant" {
		t.Errorf("in are %s", c.types())
	}
}

// Between a look and what it has done, the agent may be back, or in again.
func TestAgentBackInTime(t *testing.T) {
	// DESK-3
	s := &streams{}
	f := newWatched(t, newStore(t), s)
	e := f.waiting("Cleo")
	s.set(e.SessionID, true)
	bo := newAgent("Bo")
	path := "/engagements/" + e.EngagementID
	socket := f.sit(bo)
	want[Chat](f, 200, "POST", path+":accept", bo.json())
	now, _, _ := f.desk.view.get(nil, e.EngagementID)
	first := now.Member(bo.id).JoinedAt
	if err := removeDisconnected(t.Context(), f.desk, ours(e), bo.id, first, time.Now()); err != nil {
		t.Fatal(err)
	}
	if c := f.chat(e); c.types() != "CUSTOMER Cleo, AGENT Bo" {
		t.Errorf("in are %s", c.types())
	}
	want[Chat](f, 200, "POST", path+":leave", bo.json())
	f.eventually("another millisecond", func() bool { return milliseconds(time.Now()).After(first) })
	want[Chat](f, 200, "POST", path+":accept", bo.json())
	f.stand(bo, socket)
	if err := removeDisconnected(t.Context(), f.desk, ours(e), bo.id, first, time.Now()); err != nil {
		t.Fatal(err)
	}
	if c := f.chat(e); c.types() != "CUSTOMER Cleo, AGENT Bo" {
		t.Errorf("in are %s", c.types())
	}
}

// What a look costs that finds nothing to do: it happens every second, in every gateway.
func BenchmarkLook(b *testing.B) {
	const chats = 10_000
	s := &streams{open: map[string]bool{}}
	d, err := New(Config{Store: &store.Store{}, Credential: credential, Customers: s, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	agentID := uuid.NewString()
	d.table.Enter(presence.Of(presence.Agent, agentID))
	for range chats {
		session := uuid.NewString()
		s.open[session] = true
		d.view.put(engagement{store.Engagement{EngagementID: uuid.NewString(), EventID: 1, Members: []store.Member{
			{Participant: wire.Participant{ParticipantID: uuid.NewString(), ParticipantType: wire.ParticipantCustomer}, Sessions: []string{session}},
			{Participant: wire.Participant{ParticipantID: agentID, ParticipantType: wire.ParticipantAgent}},
		}}, kept{Watched: []string{agentID}}}, nil)
	}
	for b.Loop() {
		if list := d.findDue(time.Now(), true); len(list) > 0 {
			b.Fatal(len(list))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/chats, "ns/chat")
}

// An agent who comes, accepts at a gateway that does not know them yet, and vanishes before
// anyone has looked, is watched too.
func TestAgentLostAtOnce(t *testing.T) {
	// DESK-3
	s := &streams{}
	st := newStore(t)
	f, g := newWatched(t, st, s), newWatched(t, st, s) // which receive nothing from each other
	e := f.waiting("Cleo")
	s.set(e.SessionID, true)
	bo := newAgent("Bo")
	socket := f.sit(bo)
	want[Chat](g, 200, "POST", "/engagements/"+e.EngagementID+":accept", bo.json())
	f.stand(bo, socket)
	f.eventually("the chat to be accepted", func() bool { return f.chat(e).State == StateActive })
	start := time.Now()
	for _, due := range f.desk.findDue(start, false) { // nor is it sure of anybody's absence
		if err := due.do(t.Context(), f.desk, &due.chat); err != nil {
			t.Fatal(err)
		}
	}
	f.at(start)
	f.at(start.Add(2 * time.Hour))
	if c := f.chat(e); c.types() != "CUSTOMER Cleo, BOT Assistant" || !c.Requeued {
		t.Errorf("the chat is %+v", c)
	}
}

func TestSupervisorLost(t *testing.T) {
	// DESK-3
	s := &streams{}
	f := newWatched(t, newStore(t), s)
	e := f.waiting("Cleo")
	s.set(e.SessionID, true)
	path := "/engagements/" + e.EngagementID
	ann, su := newAgent("Ann"), newAgent("Su")
	socket := f.sit(su)
	want[Chat](f, 200, "POST", path+":accept", ann.json())
	want[Chat](f, 200, "POST", path+":supervise", su.json())
	f.stand(su, socket)
	start := time.Now()
	f.at(start)
	f.at(start.Add(2 * time.Hour))
	if c := f.chat(e); c.types() != "CUSTOMER Cleo, AGENT Ann" || c.State != StateActive {
		t.Errorf("the chat is %+v", c)
	}
	if got := f.texts(e); got[len(got)-1] != "System: Su was disconnected." {
		t.Errorf("said is %q", got)
	}
}

func TestTakeOver(t *testing.T) {
	// DESK-4
	s := &streams{}
	f := newWatched(t, newStore(t), s)
	takeOver := func(a agent) string { return strings.TrimSuffix(a.json(), "}") + `,"takeOver":true}` }
	ann, bob := newAgent("Ann"), newAgent("Bob")

	t.Run("from a present agent", func(t *testing.T) {
		f := &fixture{T: t, store: f.store, desk: f.desk, url: f.url}
		e := f.waiting("Cleo")
		path := "/engagements/" + e.EngagementID
		f.sit(ann)
		want[Chat](f, 200, "POST", path+":accept", ann.json())
		f.refused(409, "conflict", "engagementId", "POST", path+":accept", bob.json())
		f.refused(409, "conflict", "engagementId", "POST", path+":accept", strings.TrimSuffix(bob.json(), "}")+`,"takeOver":false}`)
		f.refused(400, "constraint-violation", "takeOver", "POST", path+":accept", strings.TrimSuffix(bob.json(), "}")+`,"takeOver":"yes"}`)
		events := f.collect(e.Customer)
		c := want[Chat](f, 200, "POST", path+":accept", takeOver(bob))
		if c.State != StateActive || c.types() != "CUSTOMER Cleo, AGENT Bob" {
			t.Errorf("in are %s", c.types())
		}
		if got := f.next(events); got.Type != wire.EventParticipantDisconnected || got.Participant.ParticipantID != ann.id {
			t.Errorf("first came %+v", got)
		}
		if got := f.next(events); got.Type != wire.EventParticipantAdded || got.Participant.ParticipantID != bob.id {
			t.Errorf("then came %+v", got)
		}
		if got := f.next(events); !says("Bob has taken over the chat from Ann.")(got) || got.Message.SenderParticipantID != SystemID {
			t.Errorf("then came %+v", got)
		}
		want[Chat](f, 200, "POST", path+":accept", takeOver(bob)) // again
		f.refused(409, "conflict", "agentId", "POST", path+"/messages", ann.text("Hello", "1"))
		want[Chat](f, 200, "POST", path+":leave", ann.json())
		want[map[string]any](f, 201, "POST", path+"/messages", bob.text("Hello", "1"))
		if got := f.texts(e); len(got) != 4 {
			t.Errorf("said is %q", got)
		}
		// And back; each stay has its line.
		want[Chat](f, 200, "POST", path+":accept", takeOver(ann))
		want[Chat](f, 200, "POST", path+":accept", takeOver(bob))
		if got := f.texts(e); !slices.Equal(got[4:], []string{"System: Ann has taken over the chat from Bob.", "System: Bob has taken over the chat from Ann."}) {
			t.Errorf("said is %q", got)
		}
	})
	t.Run("by many at once: one agent", func(t *testing.T) {
		f := &fixture{T: t, store: f.store, desk: f.desk, url: f.url}
		e := f.waiting("Cleo")
		path := "/engagements/" + e.EngagementID
		want[Chat](f, 200, "POST", path+":accept", ann.json())
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if status, _, b := f.call("POST", path+":accept", takeOver(newAgent(fmt.Sprint("Agent ", i)))); status != 200 {
					t.Errorf("%d %s", status, b)
				}
			})
		}
		wg.Wait()
		if c := f.chat(e); len(c.Participants) != 2 || c.State != StateActive {
			t.Errorf("in are %s", c.types())
		}
	})
	t.Run("of a chat that waits, by its supervisor", func(t *testing.T) {
		f := &fixture{T: t, store: f.store, desk: f.desk, url: f.url}
		e := f.waiting("Cleo")
		path := "/engagements/" + e.EngagementID
		want[Chat](f, 200, "POST", path+":supervise", bob.json())
		if c := want[Chat](f, 200, "POST", path+":accept", takeOver(bob)); c.types() != "CUSTOMER Cleo, AGENT Bob" {
			t.Errorf("in are %s", c.types())
		}
		if got := f.texts(e); got[len(got)-1] != "System: Bob has joined the chat." {
			t.Errorf("said is %q", got)
		}
	})
	t.Run("a person under a new agentId is there once", func(t *testing.T) {
		f := &fixture{T: t, store: f.store, desk: f.desk, url: f.url}
		e := f.waiting("Cleo")
		path := "/engagements/" + e.EngagementID
		ghost, bo := newAgent("Bo"), newAgent("Bo")
		socket := f.sit(ghost)
		want[Chat](f, 200, "POST", path+":accept", ghost.json())
		f.refused(409, "conflict", "engagementId", "POST", path+":accept", bo.json()) // somebody else of that name, as it seems
		f.stand(ghost, socket)
		f.refused(409, "conflict", "agentId", "POST", path+":supervise", bo.json())
		f.refused(409, "conflict", "engagementId", "POST", path+":accept", bob.json()) // within the grace it is Bo's
		c := want[Chat](f, 200, "POST", path+":accept", bo.json())
		if c.types() != "CUSTOMER Cleo, AGENT Bo" || c.Participants[1].ParticipantID != bo.id {
			t.Errorf("in are %+v", c.Participants)
		}
		if got := f.texts(e); got[len(got)-1] != "System: Bo is back in the chat." {
			t.Errorf("said is %q", got)
		}
	})
	t.Run("a supervisor under a new agentId is there once", func(t *testing.T) {
		f := &fixture{T: t, store: f.store, desk: f.desk, url: f.url}
		e := f.waiting("Cleo")
		path := "/engagements/" + e.EngagementID
		ghost, su := newAgent("Su"), newAgent("Su")
		socket := f.sit(ghost)
		want[Chat](f, 200, "POST", path+":accept", ann.json())
		want[Chat](f, 200, "POST", path+":supervise", ghost.json())
		f.stand(ghost, socket)
		if c := want[Chat](f, 200, "POST", path+":supervise", su.json()); c.types() != "CUSTOMER Cleo, AGENT Ann, SUPERVISOR Su" {
			t.Errorf("in are %s", c.types())
		}
	})
}

func TestSocketNamesTheAgent(t *testing.T) {
	// DESK-3
	f := newFixture(t, newStore(t), nil)
	id := uuid.NewString()
	for name, more := range map[string]string{
		"not a UUID":          `"agentId":"7"`,
		"the bot":             `"agentId":"` + BotID + `"`,
		"a name too long":     `"agentId":"` + id + `","agentName":"` + strings.Repeat("x", 71) + `"`,
		"a control character": `"agentId":"` + id + `","agentName":"a\u0007"`,
		"not a text":          `"agentId":7`,
	} {
		t.Run(name, func(t *testing.T) {
			c := f.dial()
			c.write(`{"type":"authenticate","credential":"` + credential + `",` + more + `}`)
			c.closed(websocket.StatusCode(wire.CloseMalformed))
		})
	}
	c := f.sit(agent{id, "Bo"})
	if !f.desk.present(accountA, id) || f.desk.table.Present(presence.Of(presence.Chat, id)) {
		t.Error("the agent is not present, or also a chat is")
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := c.conn.Close(websocket.StatusNormalClosure, ""); err != nil && ctx.Err() != nil {
		t.Fatal(err)
	}
	f.eventually("the agent to be gone", func() bool { return !f.desk.present(accountA, id) })
}
