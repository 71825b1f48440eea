//go:build linux

package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"openchat/sdk/wire"
	"openchat/tests/harness"
)

// diskFailures is how often TestAcknowledgedIsKeptWhenTheDiskFails has the disk fail. Where an acknowledgement
// counted as soon as fsync has succeeded, some of them lost an entry.
const diskFailures = 24

// Linux's fsync succeeds for a moment in which nothing is kept any more: what was acknowledged, was
// given to those who follow, or was read is there when the file system has been mounted anew.
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
		reading, stop := context.WithCancel(testContext(t))
		defer stop()
		var readers sync.WaitGroup
		readers.Go(func() {
			for reading.Err() == nil {
				page, err := s.Page(reading, ann, a.chat.EngagementID, Query{Size: 2})
				if err != nil && !errors.Is(err, ErrNoWrites) && reading.Err() == nil {
					t.Errorf("reading beside a disk that fails: %v", err)
				}
				for i := range page.Messages {
					learn(&page.Messages[i])
				}
			}
		})
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
		stop()
		readers.Wait()
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

// loseDisk has no change of the file system succeed, though the server inside the process writes on,
// until the function is called that it returns.
func loseDisk(t *testing.T, s *Store) (bringBack func()) {
	t.Helper()
	lock := int(s.lockFile.Fd())
	working, err := syscall.Dup(lock)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.Open(s.lockFile.Name()) // to read it only
	if err != nil {
		t.Fatal(err)
	}
	exchange := func(to int) {
		if err := syscall.Dup3(to, lock, syscall.O_CLOEXEC); err != nil {
			t.Error(err)
		}
	}
	exchange(int(other.Fd()))
	other.Close()
	return func() {
		exchange(working)
		_ = syscall.Close(working)
	}
}

// lines passes each line of a log on.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// What the server has stored, and the disk may not keep, is not to be had in any way; and it is as it was
// stored when it turns out that the disk keeps it.
func TestNobodyLearnsOfWhatMayBeLost(t *testing.T) {
	log := make(lines, 1<<10)
	s, ctx := openStore(t, Config{Logger: slog.New(slog.NewTextHandler(log, nil))}), testContext(t)
	a := newAuthor(t, s)
	if err := a.write(t); err != nil {
		t.Fatal(err)
	}
	if err := s.follow.reach(ctx, s.written.Load()); err != nil {
		t.Fatal(err)
	}
	kept, err := s.Engagement(ctx, ann, a.chat.EngagementID)
	if err != nil {
		t.Fatal(err)
	}
	s.disk.turn <- struct{}{}
	s.disk.failed = func() {} // the check would refuse all but the first write
	<-s.disk.turn
	bringBack := loseDisk(t, s)
	followed, worked := make(chan Entry, 100), make(chan Engagement, 100)
	if err := s.Follow(ctx, func(e Entry) { followed <- e }); err != nil {
		t.Fatal(err)
	}

	_, _, created := s.CreateSession(ctx, ann, integration, "Ann", nil, "second")
	_, repeated, again := s.CreateSession(ctx, ann, integration, "Ann", nil, "second")
	appended := a.write(t)
	_, updated := s.Update(ctx, ann, a.chat.EngagementID, func(e *Engagement) ([]wire.Event, error) {
		return []wire.Event{{Type: wire.EventEngagementActive}}, nil
	})
	_, session := s.Session(ctx, ann, SessionID(ann, integration, "second"))
	_, chat := s.Engagement(ctx, ann, a.chat.EngagementID)
	_, page := s.Page(ctx, ann, a.chat.EngagementID, Query{Size: 50})
	_, newest := s.NewestIndex(ctx, ann, a.chat.EngagementID)
	_, last := s.lastOf(ctx, messageSubject(ann, a.chat.EngagementID, 2))
	export := s.Export(ctx, ann, func(e Exported) error {
		if e.EventID > s.Position() {
			t.Errorf("an export has the entry %s", e.EventID)
		}
		return nil
	})
	for call, err := range map[string]error{
		"CreateSession": created, "CreateSession, repeated": again, "Update": updated, "Append": appended, "Session": session,
		"Engagement": chat, "Page": page, "NewestIndex": newest, "lastOf": last, "Export": export,
	} {
		if !errors.Is(err, ErrNoWrites) {
			t.Errorf("%s: %v, want ErrNoWrites", call, err)
		}
	}
	if repeated {
		t.Error("a session was created that may be lost")
	}
	working, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	work.Go(func() {
		_ = s.Work(working, "side", func(_ context.Context, e Engagement) error {
			worked <- e
			return nil
		})
	})
	for (<-worked).EventID < kept.EventID { // what comes after that may be lost
	}
	for refused := map[string]bool{}; len(refused) < 2; {
		select {
		case e := <-followed:
			t.Fatalf("who follows is given the entry %s", e.Last)
		case e := <-worked:
			t.Fatalf("work is given the state %s", e.EventID)
		case line := <-log:
			for _, says := range []string{"going on with another consumer", "work failed and is tried again"} {
				if strings.Contains(line, says) {
					refused[says] = true
				}
			}
		case <-ctx.Done():
			t.Fatalf("who follows, and work, have met nothing that may be lost: %v", refused)
		}
	}

	bringBack()
	for range 3 {
		<-followed
	}
	<-worked
	if _, err := s.Session(ctx, ann, SessionID(ann, integration, "second")); err != nil {
		t.Error(err)
	}
	if n := len(a.messages(t)); n != 2 {
		t.Errorf("%d messages are stored, want 2", n)
	}
}

// Without a change of the file system nothing can be stored, though the server inside the process writes on
// and files can be made: load balancers, and the log, must say so.
func TestHealthWithoutChanges(t *testing.T) {
	s := openStore(t, Config{})
	a := newAuthor(t, s)
	if err := a.write(t); err != nil {
		t.Fatal(err)
	}
	bringBack := loseDisk(t, s)
	a.writeUntilRefused(t)
	for begun := time.Now(); s.Healthy(testContext(t)) == nil; {
		if time.Since(begun) > 10*time.Second {
			t.Fatal("it calls itself healthy, and stores nothing")
		}
		if err := s.pause(testContext(t), 8); err != nil {
			t.Fatal(err)
		}
	}
	bringBack()
	a.writeUntilTaken(t)
	if err := s.Healthy(testContext(t)); err != nil {
		t.Errorf("its health is %v", err)
	}
	a.stored(t)
}

// The server inside the process may have lost what it had acknowledged before no change succeeded, and
// give the numbers of that again.
func TestNumbersThatAreGivenAgainAreNotKept(t *testing.T) {
	s := openStore(t, Config{})
	ctx, d := testContext(t), newDisk(s.lockFile, func() {})
	bringBack := loseDisk(t, s)
	if err := d.confirm(ctx, 5); !errors.Is(err, ErrNoWrites) {
		t.Errorf("without a disk, %v", err)
	}
	bringBack()
	if err := d.confirm(ctx, 3); err != nil {
		t.Error(err)
	}
	bringBack = loseDisk(t, s)
	defer bringBack()
	if err := d.confirm(ctx, 3); err != nil {
		t.Errorf("of what was kept: %v", err)
	}
	if err := d.confirm(ctx, 4); !errors.Is(err, ErrNoWrites) {
		t.Errorf("what was stored since counts as kept: %v", err)
	}
}
