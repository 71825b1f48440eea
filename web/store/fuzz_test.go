package store

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"openchat/sdk/wire"
)

// recorded are real entries, as a store has written them.
func recorded(f *testing.F) []*entry {
	s := openStore(f, Config{})
	defer s.Close() // what its server goes on doing would look like coverage
	session := newSession(f, s, ann, "k")
	e := newChat(f, s, session, "k")
	ctx := testContext(f)
	agent := wire.Participant{ParticipantID: "a", ParticipantType: wire.ParticipantAgent, DisplayName: "Bo"}
	if _, err := s.Update(ctx, ann, e.EngagementID, func(e *Engagement) ([]wire.Event, error) { return e.Add(agent), nil }); err != nil {
		f.Fatal(err)
	}
	if _, _, err := s.Append(ctx, ann, e.EngagementID, from(session, "a\"\\\u2028😀", "m")); err != nil {
		f.Fatal(err)
	}
	if _, err := s.Update(ctx, ann, e.EngagementID, func(e *Engagement) ([]wire.Event, error) { return e.Terminate(), nil }); err != nil {
		f.Fatal(err)
	}
	if err := s.EndSession(ctx, ann, session.SessionID, wire.ReasonUserClosed); err != nil {
		f.Fatal(err)
	}
	var list []*entry
	for sequence := uint64(1); ; sequence++ {
		e, err := s.at(ctx, sequence)
		if err != nil {
			return list
		}
		list = append(list, e)
	}
}

// FuzzEntry gives any bytes to the readers of what lies in the stream. Whatever is
// there, nothing panics; what is given out belongs to whom the subject says, and a
// client can read it.
func FuzzEntry(f *testing.F) {
	entries := recorded(f)
	if len(entries) < 7 {
		f.Fatalf("%d entries", len(entries))
	}
	sessionID, engagementID := "", ""
	for _, e := range entries {
		switch _, kind, id, _ := e.names(); kind {
		case "s":
			sessionID = id
		case "e":
			engagementID = id
		}
		f.Add(e.subject, e.header.Get(headerCustomer), e.data)
	}
	for _, subject := range []string{sessionSubject(ann, sessionID), engagementSubject(ann, engagementID), messageSubject(ann, engagementID, 1), messageSubject(ann, engagementID, 2), customerSubject(ann) + ".x.y", "chat.a.b", "chat....", ""} {
		for _, data := range []string{``, `null`, `{}`, `[]`, `{"session":{}}`, `{"engagement":{}}`, `{"session":null,"engagement":null}`, `{"events":[null]}`} {
			f.Add(subject, customerHeader(ann), []byte(data))
		}
	}
	for _, change := range [][2]string{
		{`"events":[{"type":`, `"events":[{"type":"X","event":{"eventType":"Y"}},{"type":`}, {`"events":[{"type":`, `"events":[{},{"type":`},
		{`{"engagement":`, `{"session":{},"engagement":`}, {ann.ID, bob.ID}, {`"Members":[`, `"Members":[null,`}, {`"messageIndex":1`, `"messageIndex":2`},
		{`"eventType":"MESSAGES"`, `"eventType":"TYPING"`}, {`"eventType":"MESSAGES"`, `"eventType":"MESSAGES","eventType":"MESSAGES"`}, {engagementID, sessionID},
	} {
		for _, e := range entries {
			if text := strings.Replace(string(e.data), change[0], change[1], 1); text != string(e.data) {
				f.Add(e.subject, e.header.Get(headerCustomer), []byte(text))
				f.Add(e.subject, customerHeader(bob), []byte(text))
			}
		}
	}
	f.Fuzz(func(t *testing.T, subject, customer string, data []byte) {
		raw := &entry{subject: subject, sequence: 7, header: nats.Header{headerCustomer: {customer}}, data: data}
		before := slices.Clone(data)
		quiet := func(err error) {
			t.Helper()
			// What may be somebody's text does not get into a log.
			if len(err.Error()) > 150 {
				t.Fatalf("the error reads %q", err)
			}
		}
		if e, err := raw.engagement(); err != nil {
			quiet(err)
		} else if !strings.HasPrefix(subject, engagementSubject(e.Customer, e.EngagementID)) || e.EventID != after(7) {
			t.Fatalf("under %q an engagement %+v", subject, e)
		} else {
			// What both servers do with it.
			e.View("s", 0)
			e.In("s")
			e.Enter(Session{})
			e.Terminate()
		}
		if m, err := raw.message(ann); err != nil {
			quiet(err)
		} else if customer != customerHeader(ann) || subject != messageSubject(ann, m.EngagementID, m.MessageIndex) {
			t.Fatalf("under %q a message %+v", subject, m)
		}
		e, err := raw.decode()
		if err != nil {
			quiet(err)
			return
		}
		if !strings.HasPrefix(subject, customerSubject(e.Customer)+".") || customerHeader(e.Customer) == "" || e.Last != after(7) {
			t.Fatalf("under %q an entry %+v", subject, e)
		}
		for i, event := range e.Events {
			f, err := wire.DecodeServerFrame(wire.AppendEventFrame(nil, event.ID, event.JSON))
			if err != nil || f.Event.Type != event.Type || f.ID != position(7, i) || !json.Valid(event.JSON) {
				t.Fatalf("an event that a client reads as %+v, %v: %q", f, err, event.JSON)
			}
		}
		if !slices.Equal(before, data) {
			t.Fatal("the entry was changed")
		}
	})
}

// An entry that is not the store's own is no entry: neither a panic nor an answer.
func TestForeignEntry(t *testing.T) {
	s := openStore(t, Config{})
	session := newSession(t, s, ann, "k")
	e := newChat(t, s, session, "k")
	if _, _, err := s.Append(testContext(t), ann, e.EngagementID, from(session, "own", "m")); err != nil {
		t.Fatal(err)
	}
	caughtUp(t, s)
	got := make(chan Entry, 10)
	if err := s.Follow(t.Context(), func(e Entry) { got <- e }); err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{sessionSubject(ann, session.SessionID), engagementSubject(ann, e.EngagementID), messageSubject(ann, e.EngagementID, 2)} {
		if _, err := s.js.PublishMsg(testContext(t), &nats.Msg{Subject: subject, Data: []byte(`{}`), Header: nats.Header{headerCustomer: {customerHeader(ann)}}}); err != nil {
			t.Fatal(err)
		}
	}
	newSession(t, s, bob, "after them")
	if e := receive(t, got); e.Customer != bob {
		t.Errorf("%+v was given out", e)
	}
	for name, read := range map[string]func(context.Context) error{
		"session":     func(ctx context.Context) error { _, err := s.Session(ctx, ann, session.SessionID); return err },
		"engagement":  func(ctx context.Context) error { _, err := s.Engagement(ctx, ann, e.EngagementID); return err },
		"engagements": func(ctx context.Context) error { _, err := s.Engagements(ctx, ann); return err },
		"messages": func(ctx context.Context) error {
			_, err := s.Page(ctx, ann, e.EngagementID, Query{Size: 10})
			return err
		},
	} {
		if err := read(testContext(t)); err == nil {
			t.Errorf("%s: an answer was made up", name)
		}
	}
}
