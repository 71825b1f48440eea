//go:build linux

package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

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
	a := newAuthor(t, s)
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
		// In the midst of writes, each time elsewhere.
		written, refused := make(chan struct{}), make(chan error, 1)
		go func() {
			for n := 0; ; n++ {
				m, _, err := s.Append(testContext(t), ann, a.chat.EngagementID, NewMessage{
					Sender: a.sender, CorrelationID: fmt.Sprint(round, " ", n), Body: wire.Body{ElementType: "text", Text: "Hello", TextFormat: "PLAINTEXT"},
				})
				if err != nil {
					refused <- err
					return
				}
				learn(&m)
				if n == 10+round {
					close(written)
				}
			}
		}()
		select {
		case <-written:
		case err := <-refused:
			t.Fatal(err)
		}
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
		a.s = s
		stored := map[int64]string{}
		for _, m := range a.messages(t) {
			stored[m.MessageIndex] = m.MessageID
		}
		for index, id := range known {
			if stored[index] != id {
				t.Errorf("failure %d: the message %d, of which somebody has learned, is lost", round+1, index)
			}
		}
	}
	t.Logf("%d messages", len(known))
}
