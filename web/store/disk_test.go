//go:build linux

package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"openchat/sdk/wire"
	"openchat/tests/harness"
)

// diskFailures is how often TestAcknowledgedIsKeptWhenTheDiskFails has the disk fail. Where an acknowledgement
// counted as soon as fsync has succeeded, some of them lost an entry.
const diskFailures = 24

// Linux's fsync succeeds for a moment in which nothing is kept any more: what was acknowledged, or was
// given to those who follow, is there when the file system has been mounted anew.
func TestAcknowledgedIsKeptWhenTheDiskFails(t *testing.T) {
	image, err := harness.NewImage(t, 64)
	if err != nil {
		t.Skip(err)
	}
	dir := filepath.Join(image.Dir, "data")
	s := openStore(t, Config{Dir: dir})
	chat := newAuthor(t, s).chat
	sender := wire.Participant{ParticipantID: ParticipantID(ann), ParticipantType: wire.ParticipantCustomer}
	var mu sync.Mutex
	known := map[int64]string{} // messageIndex to messageId of what anybody has learned of
	learn := func(m *wire.Message) {
		mu.Lock()
		defer mu.Unlock()
		if was := known[m.MessageIndex]; was != "" && was != m.MessageID {
			t.Errorf("the message %d was %s, and is %s", m.MessageIndex, was, m.MessageID)
		}
		known[m.MessageIndex] = m.MessageID
	}
	for round := range diskFailures {
		if err := s.Follow(testContext(t), func(e Entry) {
			if e.Message != nil {
				learn(e.Message)
			}
		}); err != nil {
			t.Fatal(err)
		}
		refused := make(chan error, 1)
		go func() {
			for n := 0; ; n++ {
				m, _, err := s.Append(testContext(t), ann, chat.EngagementID, NewMessage{
					Sender: sender, CorrelationID: fmt.Sprint(round, " ", n), Body: wire.Body{ElementType: "text", Text: "Hello", TextFormat: "PLAINTEXT"},
				})
				if err != nil {
					refused <- err
					return
				}
				learn(&m)
			}
		}()
		time.Sleep(20*time.Millisecond + time.Duration(round)*700*time.Microsecond) // in the midst of writes, each time elsewhere
		if err := image.Fail(); err != nil {
			t.Skipf("this kernel does not make a file system read-only on demand: %v", err)
		}
		if err := <-refused; !errors.Is(err, ErrNoWrites) {
			t.Errorf("a write without a disk failed with %v, want ErrNoWrites", err)
		}
		s.Close()
		if err := image.Repair(); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, Config{Dir: dir})
		stored := map[int64]string{}
		for q := (Query{Size: 50, Before: 51}); ; q = (Query{Size: 50, After: q.After}) {
			page, err := s.Page(testContext(t), ann, chat.EngagementID, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range page.Messages {
				stored[m.MessageIndex] = m.MessageID
				q.After = m.MessageIndex
			}
			if !page.HasNewer {
				break
			}
		}
		for index, id := range known {
			if stored[index] != id {
				t.Errorf("failure %d: the message %d, of which somebody has learned, is lost", round+1, index)
			}
		}
	}
	t.Logf("%d messages", len(known))
}
