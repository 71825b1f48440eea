//go:build linux

package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"openchat/sdk/wire"
	"openchat/tests/harness"
)

// author writes numbered texts into one chat.
type author struct {
	s      *Store
	chat   Engagement
	sender wire.Participant
	next   int
	acked  []string
}

func newAuthor(t *testing.T, s *Store) *author {
	t.Helper()
	session := newSession(t, s, ann, "s")
	return &author{s: s, chat: newChat(t, s, session, "e"), sender: wire.Participant{ParticipantID: ParticipantID(ann), ParticipantType: wire.ParticipantCustomer}}
}

func (a *author) write(t *testing.T) error {
	t.Helper()
	a.next++
	name := fmt.Sprintf("%06d", a.next)
	_, _, err := a.s.Append(testContext(t), ann, a.chat.EngagementID, NewMessage{
		Sender: a.sender, CorrelationID: name,
		Body: wire.Body{ElementType: "text", Text: name + strings.Repeat("x", 4000), TextFormat: "PLAINTEXT"},
	})
	if err == nil {
		a.acked = append(a.acked, name)
	}
	return err
}

func (a *author) writeUntilRefused(t *testing.T) {
	t.Helper()
	for range 10_000 {
		if err := a.write(t); err != nil {
			if !errors.Is(err, ErrNoWrites) {
				t.Errorf("a write without room failed with %v, want ErrNoWrites", err)
			}
			return
		}
	}
	t.Fatal("the disk does not get full")
}

func (a *author) writeUntilTaken(t *testing.T) {
	t.Helper()
	begun := time.Now()
	for err := a.write(t); err != nil; err = a.write(t) {
		if time.Since(begun) > 10*time.Second {
			t.Fatalf("%v after space was made, a write still fails: %v", time.Since(begun), err)
		}
		if err := a.s.pause(testContext(t), 8); err != nil {
			t.Fatal(err)
		}
	}
}

// messages reads the chat from its first message to its last.
func (a *author) messages(t *testing.T) (all []wire.Message) {
	t.Helper()
	for q := (Query{Size: 50, Before: 51}); ; { // the first 50: After 0 is none
		page, err := a.s.Page(testContext(t), ann, a.chat.EngagementID, q)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Messages...)
		if !page.HasNewer {
			return all
		}
		q = Query{Size: 50, After: all[len(all)-1].MessageIndex}
	}
}

// stored wants each acknowledged text once, in order.
func (a *author) stored(t *testing.T) {
	t.Helper()
	var texts []string
	for _, m := range a.messages(t) {
		texts = append(texts, m.Body.Text[:6])
	}
	if !slices.IsSorted(texts) || len(slices.Compact(slices.Clone(texts))) != len(texts) {
		t.Errorf("what is stored is not in order, or twice: %v", texts)
	}
	for _, text := range a.acked {
		if !slices.Contains(texts, text) {
			t.Errorf("the acknowledged %s is lost", text)
		}
	}
}

// A write that has met a full disk leaves a server that writes nothing any more.
func TestServerThatHasGivenUpWriting(t *testing.T) {
	disk, err := harness.NewDisk(t, 24, 0)
	if err != nil {
		t.Skip(err)
	}
	s := openStore(t, Config{Dir: filepath.Join(disk.Dir, "data"), reserve: 1})
	a := newAuthor(t, s)
	received := make(chan Entry, 1<<14)
	if err := s.Follow(testContext(t), func(e Entry) { received <- e }); err != nil {
		t.Fatal(err)
	}
	free, err := disk.TakeSpace(2 << 20)
	if err != nil {
		t.Fatal(err)
	}
	a.writeUntilRefused(t)
	if err := s.Healthy(testContext(t)); !errors.Is(err, ErrNoWrites) {
		t.Errorf("its health is %v, want ErrNoWrites", err)
	}
	a.stored(t)
	if err := free(); err != nil {
		t.Fatal(err)
	}
	a.writeUntilTaken(t)
	if err := s.Healthy(testContext(t)); err != nil {
		t.Errorf("its health is %v", err)
	}
	a.stored(t)

	// Who follows goes on where they were.
	last := a.acked[len(a.acked)-1]
	begun := time.Now()
	for e := range received {
		if e.Message != nil && strings.HasPrefix(e.Message.Body.Text, last) {
			break
		}
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("who follows learned of it after %v", took)
	}
}

// What a server cannot open when it starts, it deletes.
func TestOpenKeepsWhatItCannotOpen(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, Config{Dir: dir})
	a := newAuthor(t, s)
	for range 20 {
		if err := a.write(t); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	obstacle := filepath.Join(dir, "jetstream", "$G", "streams", "CHAT", "obs")
	if err := os.RemoveAll(obstacle); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(obstacle, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(testContext(t), Config{Dir: dir}); err == nil {
		s.Close()
		t.Error("it opened what it could not read, with nothing in it")
	} else if !strings.Contains(err.Error(), "CHAT") {
		t.Errorf("it says %v, which does not name the stream", err)
	}
	if err := os.Remove(obstacle); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	a.s = openStore(t, Config{Dir: dir})
	a.stored(t)
	if _, err := os.Stat(filepath.Join(dir, "kept")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("second names of the files are left: %v", err)
	}
}

// The process is killed when the server has just deleted a stream.
func TestKilledWhileOpening(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, Config{Dir: dir})
	a := newAuthor(t, s)
	if err := a.write(t); err != nil {
		t.Fatal(err)
	}
	s.Close()
	k := secondNames{filepath.Join(dir, "jetstream"), filepath.Join(dir, "kept")}
	if err := k.begin(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "jetstream", "$G", "streams", "CHAT")); err != nil {
		t.Fatal(err)
	}
	a.s = openStore(t, Config{Dir: dir})
	a.stored(t)
}

func TestMaxStore(t *testing.T) {
	s := openStore(t, Config{Dir: t.TempDir(), MaxStore: 1 << 20})
	a := newAuthor(t, s)
	a.writeUntilRefused(t)
	if used, ok := s.server.used(); !ok || used > 1<<20+8<<10 {
		t.Errorf("%d bytes are stored, %v", used, ok)
	}
	if err := s.Healthy(testContext(t)); !errors.Is(err, ErrNoWrites) {
		t.Errorf("its health is %v, want ErrNoWrites", err)
	}
	a.stored(t)
	if _, err := Open(testContext(t), Config{URL: "nats://127.0.0.1:1", MaxStore: 1 << 20}); err == nil || !strings.Contains(err.Error(), "external") {
		t.Errorf("with an external server: %v", err)
	}
}

func TestGauge(t *testing.T) {
	var log bytes.Buffer
	s := &Store{log: slog.New(slog.NewTextHandler(&log, nil))}
	g := gauge{what: "it"}
	said := func(want int, percents ...int64) {
		t.Helper()
		log.Reset()
		for _, p := range percents {
			g.set(s, p, 100)
		}
		if got := strings.Count(log.String(), "\n"); got != want {
			t.Errorf("after %v it has said %d things, want %d:\n%s", percents, got, want, &log)
		}
	}
	said(0, 0, 50, 79)
	said(1, 80, 79, 80, 78, 85)
	said(1, 90, 99, 89, 90, 100)
	said(0, 88, 80)
	said(1, 85, 92)
	said(0, 50)
	said(1, 95, 96)
}

// However many ask, a write is tried once a second.
func TestProbesAreBounded(t *testing.T) {
	s := openStore(t, Config{})
	var wg sync.WaitGroup
	begun := time.Now()
	for range 200 {
		wg.Go(func() {
			if err := s.Healthy(testContext(t)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	info, err := s.js.Stream(testContext(t), probeStream)
	if err != nil {
		t.Fatal(err)
	}
	if written, most := info.CachedInfo().State.LastSeq, uint64(1+time.Since(begun)/probeFor); written > most {
		t.Errorf("%d writes were tried, want %d at most", written, most)
	}
}

// What is stored while the store is asked is no sign of an older stream.
func TestHealthyWhileOthersWrite(t *testing.T) {
	s, ctx := openStore(t, Config{}), testContext(t)
	session := newSession(t, s, ann, "s")
	e := newChat(t, s, session, "e")
	var writers sync.WaitGroup
	stop := make(chan struct{})
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if _, _, err := s.Append(ctx, ann, e.EngagementID, from(session, "text", fmt.Sprint(w, i))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 1000 {
		if err := s.Healthy(ctx); err != nil {
			t.Error(err)
			break
		}
	}
	close(stop)
	writers.Wait()
}
