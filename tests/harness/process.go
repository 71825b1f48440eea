package harness

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Timeout bounds every wait whose end only a failing test reaches.
const Timeout = 60 * time.Second

// Verbose shows the processes' output and the pages' reports as they come.
var Verbose = os.Getenv("OPENCHAT_LOG") != ""

// Process is a program that a test starts, ends in some way, and may start again. One
// goroutine at a time uses it. Where the test dies without ending it, Linux does.
type Process struct {
	Name  string
	Path  string
	Args  []string
	Dir   string         // "": the test's own
	Env   []string       // beside PATH; nothing else of the caller's environment reaches it
	Ready *regexp.Regexp // Start waits for output that matches; nil: it does not wait
	URL   string         // what matched, when the program was last started
	Log   Output         // of all its runs

	cmd    *exec.Cmd
	exited chan struct{}
	err    error // of its end, once exited is closed
}

// AddressLine matches what the gateway prints when it serves.
var AddressLine = regexp.MustCompile(`http://[^/\s"]+`)

// Start runs the program and returns when it is ready. After an error it does not run.
func (p *Process) Start(ctx context.Context) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	p.cmd = exec.Command(p.Path, p.Args...)
	p.cmd.Dir = p.Dir
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, p.Env...)
	p.cmd.Stdout, p.cmd.Stderr = write, write
	p.cmd.SysProcAttr = attributes()
	err = p.cmd.Start()
	write.Close()
	if err != nil {
		read.Close()
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	ready := make(chan string, 1)
	exited := make(chan struct{})
	p.exited = exited
	go func() { // ends with the process
		defer close(exited)
		defer read.Close()
		waits := p.Ready != nil
		for s := bufio.NewScanner(read); s.Scan(); {
			fmt.Fprintln(&p.Log, s.Text())
			if Verbose {
				fmt.Fprintf(os.Stderr, "%s: %s\n", p.Name, s.Text())
			}
			if !waits {
				continue
			}
			if found := p.Ready.FindString(s.Text()); found != "" {
				waits = false
				ready <- found
			}
		}
		_, _ = io.Copy(io.Discard, read) // a line too long to scan must not stop it
		p.err = p.cmd.Wait()
	}()
	if p.Ready == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	select {
	case p.URL = <-ready:
		return nil
	case <-exited:
		return fmt.Errorf("%s ended while it started: %v: %s", p.Name, p.err, p.Log.Last(5))
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("%s was not ready: %w: %s", p.Name, ctx.Err(), p.Log.Last(5))
	}
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Err is how the process ended, as exec.Cmd.Wait returns it. It is for after Exited.
func (p *Process) Err() error { return p.err }

// Signal sends a signal. After SIGSTOP it returns when the process stands still.
func (p *Process) Signal(s os.Signal) {
	if p.cmd.Process.Signal(s) == nil && s == syscall.SIGSTOP {
		// Until all its threads stand still it may answer once more.
		_, _ = syscall.Wait4(p.PID(), nil, syscall.WUNTRACED, nil)
	}
}

// Kill ends the process as a crash does and returns when it is gone. It may have ended
// before, or never have started.
func (p *Process) Kill() {
	if p.exited != nil {
		p.Signal(syscall.SIGKILL)
		<-p.exited
	}
}

// Stop asks the process to end and waits for that. See Wait.
func (p *Process) Stop(within time.Duration) error {
	p.Signal(syscall.SIGTERM)
	return p.Wait(within)
}

// Wait waits for the process's end. It returns an error when that is a bad one, or does not
// come within the time; then the process is killed.
func (p *Process) Wait(within time.Duration) error {
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case <-p.exited:
	case <-late.C:
		p.Kill()
		return fmt.Errorf("%s did not end within %v: %s", p.Name, within, p.Log.Last(5))
	}
	if p.err != nil {
		return fmt.Errorf("%s ended with %w: %s", p.Name, p.err, p.Log.Last(5))
	}
	return nil
}

// Output is what a process or a logger writes. When it gets long, only its end is kept. The
// zero value is empty.
type Output struct {
	mu   sync.Mutex
	text []byte
	cut  int           // bytes that were before text
	more chan struct{} // closed when there is more; nil: nobody waits
}

const maxOutput = 16 << 20

// Write appends text.
func (o *Output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.text) > maxOutput {
		o.text = append(o.text[:0], o.text[maxOutput/2:]...)
		o.cut += maxOutput / 2
	}
	o.text = append(o.text, text...)
	if o.more != nil {
		close(o.more)
		o.more = nil
	}
	return len(text), nil
}

// Await waits until the output holds text.
func (o *Output) Await(ctx context.Context, text string) error { return o.AwaitAfter(ctx, 0, text) }

// Written is how many bytes have been written so far.
func (o *Output) Written() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cut + len(o.text)
}

// AwaitAfter waits until the output holds text after the first so many bytes, which Written
// has returned.
func (o *Output) AwaitAfter(ctx context.Context, written int, text string) error {
	for {
		o.mu.Lock()
		found := strings.Contains(string(o.text[max(0, written-o.cut):]), text)
		if o.more == nil {
			o.more = make(chan struct{})
		}
		more := o.more
		o.mu.Unlock()
		if found {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return fmt.Errorf("the output lacks %q: %w: %s", text, ctx.Err(), o.Last(5))
		}
	}
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

// Take returns what String does, and forgets it.
func (o *Output) Take() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := string(o.text)
	o.cut += len(o.text)
	o.text = nil
	return text
}

// Last returns the last n lines.
func (o *Output) Last(n int) string {
	lines := strings.Split(strings.TrimRight(o.String(), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// Root is the repository's folder.
var Root = sync.OnceValue(func() string {
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			err = errors.New("no go.mod above the working directory")
		}
		dir = filepath.Dir(dir)
	}
	panic(err)
})

// Run runs a command in the repository's folder and waits for it.
func Run(ctx context.Context, words ...string) error {
	c := exec.CommandContext(ctx, words[0], words[1:]...)
	c.Dir = Root()
	if out, err := c.CombinedOutput(); ctx.Err() != nil {
		return ctx.Err()
	} else if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(words, " "), err, out)
	}
	return nil
}

// BuildSDK builds dist/, which does nothing when dist/ is what the sources say.
func BuildSDK(ctx context.Context) error {
	if os.Getenv("OPENCHAT_DIST") == "fresh" {
		return nil
	}
	return Run(ctx, "./build.sh")
}

// BuildGateway builds the gateway into dir, as it is shipped, and returns its path.
func BuildGateway(ctx context.Context, dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "gateway"), Run(ctx, "./build.sh", "gateway", dir)
}
