package store

import "testing"

// A note is stored and followed, and no event tells of it.
func TestNote(t *testing.T) {
	// DESK-1
	s := openStore(t, Config{})
	ctx := testContext(t)
	e := newChat(t, s, newSession(t, s, ann, "1"), "1")
	followed(t, s, e.EventID)
	entries := make(chan Entry, 10)
	if err := s.Follow(ctx, func(e Entry) { entries <- e }); err != nil {
		t.Fatal(err)
	}
	const away = `{"AwaySince":"2026-01-02T03:04:05.006Z"}`
	after, err := s.Note(ctx, ann, e.EngagementID, func(e *Engagement) bool { e.SetSide("desk", []byte(away)); return true })
	if err != nil || string(after.Side("desk")) != away || !after.LastUpdatedAt.Equal(e.LastUpdatedAt) || after.EventID <= e.EventID {
		t.Fatalf("%+v, %v", after, err)
	}
	same, err := s.Note(ctx, ann, e.EngagementID, func(*Engagement) bool { return false })
	if err != nil || same.EventID != after.EventID {
		t.Errorf("%+v, %v: nothing was to be stored", same, err)
	}
	got := receive(t, entries)
	if len(got.Events) != 0 || got.Engagement == nil || string(got.Engagement.Side("desk")) != away || got.Last != after.EventID {
		t.Errorf("followed: %+v", got)
	}
	if _, err := s.Note(ctx, bob, e.EngagementID, func(*Engagement) bool { return true }); err != ErrNotFound {
		t.Errorf("another customer's: %v", err)
	}
	if len(entries) > 0 {
		t.Errorf("then: %+v", <-entries)
	}
}

// Each side of a chat has its own, and changing it changes nobody's copy.
func TestSides(t *testing.T) {
	var e Engagement
	e.SetSide("a", []byte(`1`))
	before := e
	e.SetSide("b", []byte(`2`))
	e.SetSide("a", nil)
	if string(before.Side("a")) != "1" || before.Side("b") != nil || e.Side("a") != nil || string(e.Side("b")) != "2" {
		t.Errorf("%v, before %v", e.sides, before.sides)
	}
}
