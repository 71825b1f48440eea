package store

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"openchat/sdk/wire"
)

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
	away := now()
	after, err := s.Note(ctx, ann, e.EngagementID, func(e *Engagement) bool { e.AwaySince = away; return true })
	if err != nil || !after.AwaySince.Equal(away) || !after.LastUpdatedAt.Equal(e.LastUpdatedAt) || after.EventID <= e.EventID {
		t.Fatalf("%+v, %v", after, err)
	}
	same, err := s.Note(ctx, ann, e.EngagementID, func(*Engagement) bool { return false })
	if err != nil || same.EventID != after.EventID {
		t.Errorf("%+v, %v: nothing was to be stored", same, err)
	}
	got := receive(t, entries)
	if len(got.Events) != 0 || got.Engagement == nil || !got.Engagement.AwaySince.Equal(away) || got.Last != after.EventID {
		t.Errorf("followed: %+v", got)
	}
	if _, err := s.Note(ctx, bob, e.EngagementID, func(*Engagement) bool { return true }); err != ErrNotFound {
		t.Errorf("another customer's: %v", err)
	}
	if len(entries) > 0 {
		t.Errorf("then: %+v", <-entries)
	}
}

// What a version before presence has stored is read, with its people there; and what this
// version stores without presence has no member that it did not know.
func TestStoredBeforePresence(t *testing.T) {
	// DESK-1
	s := openStore(t, Config{})
	ctx := testContext(t)
	e := newChat(t, s, newSession(t, s, ann, "1"), "1")
	const old = `{"engagement":{"Customer":{"Account":"ABCDEF","ID":"ann@example.com"},"CustomerName":"Ann","EngagementID":"ID","DialogID":"DIALOG",` +
		`"IntegrationID":"6f9e2a1c-0d53-4c5e-9a52-1f6d0c6b7a01","Status":"ACTIVE","Parameters":null,"SessionID":"SESSION","CorrelationID":"1",` +
		`"Members":[{"ParticipantID":"a0a0a0a0-0000-4000-8000-000000000000","ParticipantType":"AGENT","DisplayName":"Ada","Sessions":null,"JoinedAt":"2026-01-02T03:04:05.006Z"}],` +
		`"CreatedAt":"2026-01-02T03:04:05Z","LastUpdatedAt":"2026-01-02T03:04:05Z","WaitingSince":"0001-01-01T00:00:00Z","EventID":0}}`
	text := strings.NewReplacer(`"ID"`, `"`+e.EngagementID+`"`, "DIALOG", e.DialogID, "SESSION", e.SessionID).Replace(old)
	text = strings.Replace(text, `"Account":"ABCDEF","`+e.EngagementID+`"`, `"Account":"ABCDEF","ID"`, 1)
	_, sequence, err := s.engagement(ctx, ann, e.EngagementID)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.publish(ctx, ann, engagementSubject(ann, e.EngagementID), []byte(text), sequence, "", nats.Header{headerWrite: {random()}}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Engagement(ctx, ann, e.EngagementID)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Members) != 1 || got.Members[0].Watched || !got.AwaySince.IsZero() || got.Ending || got.Requeued || got.Notice != nil || got.Status != wire.EngagementActive {
		t.Errorf("read: %+v", got)
	}
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Watched", "AwaySince", "Ending", "Requeued", "Notice"} {
		if strings.Contains(string(b), name) {
			t.Errorf("stored without need: %s in %s", name, b)
		}
	}
	got.AwaySince, got.Notice = time.UnixMilli(1).UTC(), &Notice{Key: "k", Text: "t"}
	if b, err = json.Marshal(got); err != nil {
		t.Fatal(err)
	}
	var again Engagement
	if err := json.Unmarshal(b, &again); err != nil || !again.AwaySince.Equal(got.AwaySince) || again.Notice == nil || *again.Notice != *got.Notice {
		t.Errorf("%+v, %v", again, err)
	}
}
