package desk

import (
	"testing"
	"time"

	"openchat/sdk/wire"
	"openchat/web/store"
)

// What the desk keeps with an engagement is stored under these names.
func TestKept(t *testing.T) {
	const stored = `{"WaitingSince":"2026-01-02T03:04:06.005Z","AwaySince":"2026-01-02T03:04:07.005Z","Ending":true,"Requeued":true,` +
		`"Notice":{"Key":"lost:1","Text":"Bo was disconnected.","At":"2026-01-02T03:04:06.005Z"},"Watched":["a"]}`
	e := store.Engagement{Members: []store.Member{{Participant: wire.Participant{ParticipantID: "a"}}}}
	e.SetSide(side, []byte(stored))
	read := engagementOf(e)
	at := time.Date(2026, 1, 2, 3, 4, 6, 5_000_000, time.UTC)
	if !read.WaitingSince.Equal(at) || !read.AwaySince.Equal(at.Add(time.Second)) || !read.Ending || !read.Requeued ||
		read.Notice == nil || *read.Notice != (notice{"lost:1", "Bo was disconnected.", at}) || !read.isWatched("a") || read.isWatched("b") {
		t.Errorf("read: %+v", read.kept)
	}
	if again, err := read.stored(); err != nil || string(again.Side(side)) != stored {
		t.Errorf("%s, %v", again.Side(side), err)
	}
	// Who is not in the chat is not watched, and what is nothing is not stored.
	read.kept = kept{}
	read.setWatched("a", true)
	read.setWatched("gone", true)
	if now, err := read.stored(); err != nil || string(now.Side(side)) != `{"Watched":["a"]}` {
		t.Errorf("%s, %v", now.Side(side), err)
	}
	read.setWatched("a", false)
	if now, err := read.stored(); err != nil || now.Side(side) != nil {
		t.Errorf("%s, %v", now.Side(side), err)
	}
	// An operator's hand does not end the desk.
	e.SetSide(side, []byte(`{"WaitingSince":7}`))
	if read := engagementOf(e); !read.WaitingSince.IsZero() {
		t.Errorf("read: %+v", read.kept)
	}
}
