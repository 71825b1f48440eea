package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// embedded is the NATS server inside this process. The server gives up writing to a stream
// for good once a write has failed; restart replaces it by another one on the same files.
type embedded struct {
	dir     string
	options *server.Options
	log     *slog.Logger

	complaint atomic.Pointer[func()] // called after an error of the server; nil: nothing is
	// unread counts the times that the server could not read a file of a stream. It answers
	// a request that needs the file as if nothing were stored (nats-server, stream.go:
	// getDirectRequest), and says more in its log only.
	unread atomic.Uint64

	mu      sync.Mutex
	current *server.Server // nil: none runs
}

var errNoServer = errors.New("the NATS server inside this process does not run")

// InProcessConn connects the NATS client, also after a restart.
func (e *embedded) InProcessConn() (net.Conn, error) {
	s := e.running()
	if s == nil {
		return nil, errNoServer
	}
	return s.InProcessConn()
}

func (e *embedded) running() *server.Server {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.current
}

func (e *embedded) stop() {
	e.mu.Lock()
	s := e.current
	e.current = nil
	e.mu.Unlock()
	if s != nil {
		s.Shutdown()
		s.WaitForShutdown()
	}
}

func (e *embedded) restart() error {
	e.stop()
	return e.start()
}

// start starts a server. When that fails, the files are as they were before: the server
// deletes a stream that it cannot open (nats-server, stream.go: stop in
// addStreamWithAssignment), so a second name of each file is kept until all are open.
func (e *embedded) start() error {
	if err := tryFolder(e.dir); err != nil {
		return err
	}
	k := secondNames{from: filepath.Join(e.dir, server.JetStreamStoreDir), to: filepath.Join(e.dir, keptNames)}
	if err := k.begin(); errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) {
		e.log.Warn("this file system has no second names for files, so what the server cannot open is lost", "folder", e.dir)
	} else if err != nil {
		if isOutage(err) {
			err = fmt.Errorf("%w: %w", ErrNoWrites, err)
		}
		return fmt.Errorf("cannot keep a second name of each file while the server opens them: %w", err)
	}
	s, err := e.open()
	if err != nil {
		return errors.Join(err, k.restore())
	}
	if err := k.end(); err != nil {
		e.log.Warn("second names of the store's files are left", "folder", k.to, "error", err)
	}
	e.mu.Lock()
	e.current = s
	e.mu.Unlock()
	return nil
}

// open returns a running server that has opened every stream of the folder.
func (e *embedded) open() (*server.Server, error) {
	streams, err := filepath.Glob(filepath.Join(e.dir, server.JetStreamStoreDir, "*", "streams", "*", server.JetStreamMetaFile))
	if err != nil {
		return nil, err
	}
	s, err := server.NewServer(e.options.Clone())
	if err != nil {
		return nil, err
	}
	logger := &serverLog{log: e.log, unread: &e.unread, complain: func() {
		if f := e.complaint.Load(); f != nil {
			(*f)()
		}
	}}
	s.SetLoggerV2(logger, false, false, false)
	s.Start()
	if s.ReadyForConnections(30*time.Second) && s.JetStreamEnabled() {
		err = isOpen(s, streams)
	} else {
		err = errors.New(logger.last())
	}
	if err != nil {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, err
	}
	return s, nil
}

// isOpen checks that the server has opened the streams of these meta files.
func isOpen(s *server.Server, streams []string) error {
	for _, meta := range streams {
		dir := filepath.Dir(meta)
		name, account := filepath.Base(dir), filepath.Base(filepath.Dir(filepath.Dir(dir)))
		if strings.HasPrefix(name, ".") {
			continue // one that was being deleted
		}
		if state := s.Healthz(&server.HealthzOptions{Account: account, Stream: name}); state.Error != "" {
			return fmt.Errorf("the stream in %s cannot be opened: %s; the log of the NATS server says why, and the files are left as they were", dir, state.Error)
		}
	}
	return nil
}

// writeError is why the server has given up writing, nil when it has not.
func (e *embedded) writeError() error {
	s := e.running()
	if s == nil {
		return errNoServer
	}
	for _, problem := range s.Healthz(&server.HealthzOptions{Details: true}).Errors {
		// Of the others some are of no account, as a stream that is just being made.
		if problem.Type == server.HealthzErrorJetStream || strings.Contains(problem.Error, "write error") {
			return errors.New(problem.Error)
		}
	}
	return nil
}

// used is how many bytes the streams have of Config.MaxStore.
func (e *embedded) used() (bytes int64, ok bool) {
	s := e.running()
	if s == nil {
		return 0, false
	}
	info, err := s.Jsz(nil)
	if err != nil || info.Disabled {
		return 0, false
	}
	return int64(info.Store), true
}

// tryFolder makes, writes and syncs a file in the folder, and a few more beside it, for the
// server has several open at once. It says why that is not possible.
func tryFolder(dir string) error {
	const files, size = 16, 64 << 10
	for i := range files {
		f, err := os.CreateTemp(dir, ".try-*")
		if err == nil {
			defer f.Close()
			err = os.Remove(f.Name())
		}
		if err == nil && i == 0 {
			if _, err = f.Write(make([]byte, size)); err == nil {
				err = f.Sync()
			}
		}
		if err != nil {
			if isOutage(err) {
				err = fmt.Errorf("%w: %w", ErrNoWrites, err)
			}
			return err
		}
	}
	return nil
}

// keptNames is the folder of second names, in the data folder.
const keptNames = "kept"

// secondNames gives each file below from a second name below to, so that neither a failure nor a
// crash while the files are opened can take the last one.
type secondNames struct{ from, to string }

// begin makes the names. Those that an earlier begin has left, whose process was killed,
// are brought back first where the files are gone.
func (k secondNames) begin() error {
	if _, err := os.Stat(k.to); err == nil {
		if err := k.restoreDeleted(); err != nil {
			return err
		}
		if err := k.end(); err != nil {
			return err
		}
	}
	if _, err := os.Stat(k.from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.RemoveAll(k.from + ".rest"); err != nil {
		return err
	}
	// Only a complete set has the name to which restoreDeleted looks.
	part := k.to + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	err := link(k.from, part)
	if err == nil {
		err = os.Rename(part, k.to)
	}
	if err != nil {
		_ = os.RemoveAll(part)
	}
	return err
}

func (k secondNames) end() error { return os.RemoveAll(k.to) }

// restore puts the second names in the place of what is left of the first. They are moved
// as a whole, for the server may still be removing folders that it has found empty.
func (k secondNames) restore() error {
	if _, err := os.Stat(k.to); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	rest := k.from + ".rest"
	err := os.Rename(k.from, rest)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = os.Rename(k.to, k.from)
	}
	if err == nil {
		err = os.RemoveAll(rest)
	}
	if err != nil {
		return fmt.Errorf("store: the files could not be brought back from %s: %w", k.to, err)
	}
	return nil
}

// restoreDeleted brings back the streams that are gone as a whole. Single files may be gone
// rightly: what was too old, or erased.
func (k secondNames) restoreDeleted() error {
	// From a restore that was interrupted between its two steps.
	if _, err := os.Stat(k.from); errors.Is(err, fs.ErrNotExist) {
		return link(k.to, k.from)
	}
	streams, err := filepath.Glob(filepath.Join(k.to, "*", "streams", "*"))
	if err != nil {
		return err
	}
	for _, stream := range streams {
		path, err := filepath.Rel(k.to, stream)
		if err != nil {
			return err
		}
		at := filepath.Join(k.from, path)
		blocks, err := filepath.Glob(filepath.Join(at, "msgs", "*.blk"))
		if err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(at, server.JetStreamMetaFile)); err == nil && len(blocks) > 0 {
			continue
		}
		if err := link(stream, at); err != nil {
			return err
		}
	}
	return nil
}

// link gives the files below from second names below to, where there are none.
func link(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		name = filepath.Join(to, name)
		if d.IsDir() {
			return os.MkdirAll(name, 0o700)
		}
		if err := os.Link(path, name); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	})
}
