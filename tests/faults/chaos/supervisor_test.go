package chaos

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"openchat/tests/harness"
)

const (
	// exitRestart is the exit code with which the gateway asks for another start
	// (docs/operations.md).
	exitRestart = 75
	// restartPause is the RestartSec of docs/operations.md.
	restartPause = 2 * time.Second
)

// supervisor starts the gateway again after each end, as docs/operations.md asks of an
// operator's. An end that is neither wanted nor with exitRestart is a failure.
type supervisor struct {
	p *harness.Process

	starting sync.Mutex // while p is started, and while it must not be

	ends   tally // of p, those while it started too
	mu     sync.Mutex
	killed bool // by kill, since the last start
}

// run goes on until ctx ends. count is called with the reason of each start.
func (s *supervisor) run(ctx context.Context, count func(string, int), wrong func(string, ...any)) {
	for {
		select {
		case <-s.p.Exited():
		case <-ctx.Done():
			return
		}
		for {
			why, err := s.why()
			if err != nil {
				wrong("the gateway: %v\n%s", err, s.p.Log.Last(10))
			}
			s.ends.count()
			if !pause(ctx, restartPause) {
				return
			}
			count("started after "+why, 1)
			if s.start(ctx) == nil {
				break
			}
			if ctx.Err() != nil {
				return
			}
		}
	}
}

func (s *supervisor) start(ctx context.Context) error {
	s.starting.Lock()
	defer s.starting.Unlock()
	s.mu.Lock()
	s.killed = false
	s.mu.Unlock()
	return s.p.Start(ctx)
}

// why says how the process has ended.
func (s *supervisor) why() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var exit *exec.ExitError
	switch err := s.p.Err(); {
	case s.killed:
		return "kill -9", nil
	case errors.As(err, &exit) && exit.ExitCode() == exitRestart:
		return fmt.Sprintf("exit code %d", exitRestart), nil
	default:
		return "a bad end", fmt.Errorf("it ended with %v, which no supervisor may count on", err)
	}
}

// signal sends a signal when the process is not being started.
func (s *supervisor) signal(signal syscall.Signal) {
	s.starting.Lock()
	defer s.starting.Unlock()
	s.p.Signal(signal)
}

// kill ends the process as kill -9 does, and returns when it has ended.
func (s *supervisor) kill(ctx context.Context) error {
	ends := s.ends.now()
	s.mu.Lock()
	s.killed = true
	s.mu.Unlock()
	s.signal(syscall.SIGKILL)
	return s.ends.exceed(ctx, ends)
}

// hold runs f while the process is not started. It must have ended.
func (s *supervisor) hold(f func() error) error {
	s.starting.Lock()
	defer s.starting.Unlock()
	return f()
}
