// Package cluster runs gateways and NATS servers as processes on this machine's
// loopback: for make cluster, for the bench and for tests of what only several
// processes can show.
//
//	bin, err := cluster.Build(ctx, root, dir)
//	nodes, err := bin.StartNATS(ctx, data, 3)
//	g, err := bin.StartGateway(ctx, "gateway1", "--demo", "--nats-url", nodes.URL, "--replicas", "3")
//	…
//	g.Stop(ctx); nodes.Stop(ctx)
//
// Whoever starts something stops it. Where the program dies without, Linux ends its
// processes.
package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"
)

// Binaries are the programs that are run.
type Binaries struct {
	Gateway string // path of the gateway
	NATS    string // path of nats-server, of the version that go.mod names
}

// Build builds both into dir, as the gateway is shipped. root is the repository.
func Build(ctx context.Context, root, dir string) (Binaries, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Binaries{}, err
	}
	b := Binaries{Gateway: filepath.Join(dir, "gateway"), NATS: filepath.Join(dir, "nats-server")}
	for _, c := range []*exec.Cmd{
		exec.CommandContext(ctx, "./build.sh", "gateway", dir),
		exec.CommandContext(ctx, "go", "build", "-o", b.NATS, "github.com/nats-io/nats-server/v2"),
	} {
		c.Dir = root
		if out, err := c.CombinedOutput(); ctx.Err() != nil {
			return b, ctx.Err()
		} else if err != nil {
			return b, fmt.Errorf("building: %v: %w: %s", c.Args, err, out)
		}
	}
	return b, nil
}

// Process is one running program.
type Process struct {
	Name string
	URL  string // where it answers

	cmd    *exec.Cmd
	log    tail
	exited chan struct{}
	err    error // of its end, once exited is closed
}

// startTime bounds the wait for a program to say that it is there. A cluster of
// machines that are busy with something else takes its time.
const startTime = 60 * time.Second

// StartGateway starts a gateway on a free port of loopback and returns when it
// serves.
func (b Binaries) StartGateway(ctx context.Context, name string, args ...string) (*Process, error) {
	return start(ctx, name, address, b.Gateway, append([]string{"--addr", "127.0.0.1:0"}, args...)...)
}

var address = regexp.MustCompile(`http://127[^/\s]+`)

// start starts a program. With ready it waits for a line of its output that matches
// and takes URL from it.
func start(ctx context.Context, name string, ready *regexp.Regexp, path string, args ...string) (*Process, error) {
	p := &Process{Name: name, cmd: exec.Command(path, args...), exited: make(chan struct{})}
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH")} // GATEWAY_* of the caller must not reach it
	p.cmd.SysProcAttr = attributes()
	p.cmd.Stderr = &p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	found := make(chan string, 1)
	go func() { // ends with the process
		defer close(p.exited)
		for s := bufio.NewScanner(out); s.Scan(); {
			if ready == nil {
				continue
			}
			if at := ready.FindString(s.Text()); at != "" {
				select {
				case found <- at:
				default:
				}
			}
		}
		p.err = p.cmd.Wait()
	}()
	if ready == nil {
		return p, nil
	}
	late := time.NewTimer(startTime)
	defer late.Stop()
	select {
	case p.URL = <-found:
		return p, nil
	case <-p.exited:
		return nil, fmt.Errorf("%s ended while it started: %v: %s", name, p.err, p.Log())
	case <-late.C:
		err = fmt.Errorf("%s was not ready in %v: %s", name, startTime, p.Log())
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.Kill()
	return nil, err
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Log returns the end of what it wrote to stderr.
func (p *Process) Log() string { return p.log.String() }

// Kill ends the process without a word, and returns when it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.exited
}

// Stop asks the process to end and waits for it; when ctx ends, it is killed.
func (p *Process) Stop(ctx context.Context) error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-p.exited:
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("%s did not stop: %w: %s", p.Name, ctx.Err(), p.Log())
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) && exit.ExitCode() > 0 {
		return fmt.Errorf("%s ended with %w: %s", p.Name, p.err, p.Log())
	}
	return nil
}

// tail keeps the end of a log.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 2 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if len(t.text) > 2*tailSize {
		t.text = append(t.text[:0], t.text[len(t.text)-tailSize:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
