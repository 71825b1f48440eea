//go:build unix

package store

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// What cannot be read for want of a file descriptor is not taken for what does not exist: a client
// would give up its session, and a page of history would have holes.
func TestWhatCannotBeReadIsNotMissing(t *testing.T) {
	dir, ctx := t.TempDir(), testContext(t)
	s := openStore(t, Config{Dir: dir})
	session := newSession(t, s, ann, "s")
	// The server keeps the newest file of a stream open, and begins another after 8 MB.
	for range 24 {
		if _, err := s.js.PublishMsg(ctx, &nats.Msg{Subject: "chat.filler.filler.filler", Data: make([]byte, 512<<10)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Session(ctx, ann, session.SessionID); err != nil {
		t.Fatal(err)
	}
	// It keeps what it has read in memory for 10 s after the last use (nats-server, filestore.go:
	// defaultCacheBufferExpiration), and does not tell when it forgets.
	time.Sleep(12 * time.Second)

	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	restore := func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
	}
	defer restore()
	none := syscall.Rlimit{Cur: 3, Max: limit.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	if f, err := os.Open(dir); err == nil {
		f.Close()
		t.Fatal("a file can be opened without a descriptor")
	}
	subject := sessionSubject(ann, session.SessionID)
	if got, err := s.Session(ctx, ann, session.SessionID); !errors.Is(err, ErrUnreadable) {
		t.Errorf("the session: %+v, %v", got.Session, err)
	}
	if list, err := s.lastOf(ctx, subject); !errors.Is(err, ErrUnreadable) {
		t.Errorf("a page: %d entries, %v", len(list), err)
	}
	restore()
	if _, err := s.Session(ctx, ann, session.SessionID); err != nil {
		t.Errorf("with descriptors again: %v", err)
	}
	if _, err := s.Session(ctx, ann, "00000000-0000-4000-8000-000000000000"); !errors.Is(err, ErrNotFound) {
		t.Errorf("what does not exist: %v", err)
	}
}
