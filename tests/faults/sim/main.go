// Command sim lets random lives of the SDK happen, thousands of virtual hours of them,
// and judges each by an independent model.
//
//	go run ./tests/faults/sim                      2,000 seeds, as make sim
//	go run ./tests/faults/sim -seeds 1000000       goes on
//	go run ./tests/faults/sim -seed 4711           one, with its record if it fails
//	go run ./tests/faults/sim -seed 4711 -list     its schedule, without playing it
//	go run ./tests/faults/sim -seed 4711 -steps 3,8-12   only these steps of it
//
// A life is a schedule, which is data drawn from the seed (schedule.go), a player that
// lets it happen to sdk.Core and sdktest.Platform in a synctest bubble and writes down
// what pages learnt (player.go, page.go, record.go), and a model that reads what was
// written and what is stored, and says which row of docs/surface.md does not hold (model.go).
//
// A seed that fails is played again to see whether it always does, its schedule is cut
// down to the steps that matter, and the command that replays those is printed. Lives are
// played in processes of their own with one thread each, so that one that hangs or
// crashes is a result too, and so that a seed nearly always plays the same life: what it
// does not determine is the order in which Go runs goroutines that are ready at the same
// virtual instant.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"openchat/sdk/sdktest"
)

const (
	// patience is how many seconds of a processor's time one life may take: a hundred
	// times what it needs. What takes longer hangs.
	patience = 10
	// lost is after how long in real time a process is given up that does not even do that.
	lost = 10 * time.Minute
	// batch is how many seeds a process is given at a time.
	batch = 10
)

func main() {
	testing.Init() // its flags, and what synctest needs of it
	var (
		seeds     = flag.Int("seeds", 2000, "play so `many` lives")
		from      = flag.Uint64("from", 1, "the first `seed` of them")
		seed      = flag.Uint64("seed", 0, "play the life of this `seed` only")
		steps     = flag.String("steps", "", "play only these `steps` of it, such as 3,8-12")
		list      = flag.Bool("list", false, "with -seed: print the schedule, and do not play it")
		verbose   = flag.Bool("verbose", false, "with -seed: print the record of it")
		processes = flag.Int("processes", runtime.NumCPU(), "play so `many` lives at once")
		shrink    = flag.Duration("shrink", time.Minute, "cut a failing schedule down for at most this `long`")
		failures  = flag.Int("failures", 3, "stop after so `many` seeds that fail")
		limit     = flag.Duration("for", 0, "begin no life after this `long`; 0: no limit")
		quiet     = flag.Bool("quiet", false, "say only which seeds fail, and what the model says of them")
		worker    = flag.Bool("worker", false, "play the lives that standard input tells of, for another sim")
	)
	flag.Parse()
	if *worker {
		inTest(work)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := &sim{shrink: *shrink, failures: *failures, quiet: *quiet, limit: *limit, out: os.Stdout}
	if *seed != 0 {
		os.Exit(s.one(ctx, *seed, *steps, *list, *verbose))
	}
	failed, err := s.many(ctx, *from, *seeds, max(1, *processes))
	if err != nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
	}
	if failed || err != nil {
		os.Exit(1)
	}
}

// order is what a worker is asked to do: to play a life, or only some steps of it.
type order struct {
	Seed    uint64
	Steps   []int `json:",omitempty"` // of the schedule, counted from 0
	Some    bool  `json:",omitempty"` // Steps says which; else all
	Verbose bool  `json:",omitempty"`
}

// report is what a worker answers.
type report struct {
	Seed     uint64
	Virtual  time.Duration
	Hash     uint64   `json:",omitempty"`
	Problems []string `json:",omitempty"`
	Record   string   `json:",omitempty"`
}

// inTest runs f within a test, for synctest wants one.
func inTest(f func(t *testing.T)) {
	os.Args = os.Args[:1]
	testing.Main(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "Lives", F: f}}, nil, nil)
}

// work is the worker: orders come in, reports go out, one JSON object a line. It ends
// after a life that failed, for its goroutines may still be there.
func work(t *testing.T) {
	// A life leaves a few megabytes of garbage. Collecting it less often takes a fifth off
	// the time of a life.
	debug.SetGCPercent(800)
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var o order
		if err := in.Decode(&o); err != nil {
			return
		}
		life := NewLife(o.Seed)
		if o.Some {
			life.Steps = pick(life.Steps, o.Steps)
		}
		allow(patience)
		got := Play(t, life)
		r := report{Seed: o.Seed, Virtual: got.Virtual, Problems: got.Problems}
		if o.Verbose && got.record != nil {
			r.Hash, r.Record = got.record.hash(), got.record.String()
		}
		if err := out.Encode(r); err != nil || len(r.Problems) > 0 {
			os.Exit(0)
		}
	}
}

// allow lets the process take so many seconds of a processor's time from now on. Then it
// ends by SIGXCPU.
func allow(seconds uint64) {
	var used syscall.Rusage
	var limit syscall.Rlimit
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) != nil || syscall.Getrlimit(rlimitCPU, &limit) != nil {
		return
	}
	limit.Cur = min(uint64(used.Utime.Sec+used.Stime.Sec)+seconds, limit.Max)
	syscall.Setrlimit(rlimitCPU, &limit)
}

// rlimitCPU is RLIMIT_CPU, which package syscall has no name for on all systems.
const rlimitCPU = 0

func pick(all []Step, which []int) (list []Step) {
	for _, i := range which {
		if i >= 0 && i < len(all) {
			list = append(list, all[i])
		}
	}
	return list
}

// process is a running worker.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	err *tail
}

func start(ctx context.Context) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, self, "-worker"), err: &tail{}}
	// One thread, not preempted: the order of goroutines depends on the life alone, nearly.
	p.cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1", "GOGC=400")
	p.cmd.Stderr = p.err
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.read(out)
	return p, p.cmd.Start()
}

func (p *process) read(out io.Reader) { p.out = bufio.NewReaderSize(out, 1<<16) }

// play has a life played. A process that crashes or hangs is an outcome of it.
func (p *process) play(o order) (r report, alive bool) {
	text, _ := json.Marshal(o)
	hung := time.AfterFunc(lost, func() { p.cmd.Process.Kill() })
	defer hung.Stop()
	p.in.Write(append(text, '\n'))
	line, err := p.out.ReadBytes('\n')
	if err == nil && json.Unmarshal(line, &r) == nil {
		return r, len(r.Problems) == 0
	}
	p.end()
	what := "CRASH " + p.err.String()
	if !hung.Stop() || strings.Contains(what, "SIGXCPU") {
		what = fmt.Sprintf("HANG the life does not end within %d s of a processor's time", patience)
	}
	return report{Seed: o.Seed, Problems: []string{what}}, false
}

func (p *process) end() {
	p.in.Close()
	p.cmd.Wait()
}

// tail keeps the beginning of what a process says of its crash.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b[:min(len(b), 4000-min(4000, len(t.text)))]...)
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

// sim is the command at work.
type sim struct {
	shrink   time.Duration
	failures int
	limit    time.Duration // 0: none
	quiet    bool
	out      io.Writer
}

// many plays n lives from a seed on.
func (s *sim) many(ctx context.Context, from uint64, n, processes int) (failed bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	began := time.Now()
	orders := make(chan [2]uint64)
	reports := make(chan report)
	errs := make(chan error, processes)
	var group sync.WaitGroup
	for range processes {
		group.Go(func() {
			if err := workers(ctx, orders, reports); err != nil {
				errs <- err
				cancel()
			}
		})
	}
	group.Go(func() {
		defer close(orders)
		for first := from; first < from+uint64(n); first += batch {
			select {
			case orders <- [2]uint64{first, min(first+batch, from+uint64(n))}:
				if s.limit > 0 && time.Since(began) > s.limit {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
	go func() {
		group.Wait()
		close(reports)
	}()

	played, virtual := 0, time.Duration(0)
	var bad []report
	reported := time.Now()
	for r := range reports {
		played++
		virtual += r.Virtual
		if len(r.Problems) > 0 {
			bad = append(bad, r)
			if s.quiet {
				fmt.Fprintf(s.out, "seed %d: %s\n", r.Seed, r.Problems[0])
			} else {
				fmt.Fprintf(os.Stderr, "seed %d fails: %s\n", r.Seed, r.Problems[0])
			}
			if len(bad) == s.failures {
				cancel()
			}
		}
		if !s.quiet && time.Since(reported) > 10*time.Second {
			reported = time.Now()
			fmt.Fprintf(os.Stderr, "%d lives, %d failed, %s\n", played, len(bad), speed(played, virtual, time.Since(began)))
		}
	}
	took := time.Since(began)
	select {
	case err = <-errs:
	default:
		if ctx.Err() != nil && len(bad) < s.failures {
			err = errors.New("interrupted")
		}
	}
	if !s.quiet {
		// The parent's context is over: what fails is still worth to be understood.
		for _, r := range bad {
			s.explain(context.Background(), r)
		}
	}
	if !s.quiet || len(bad) == 0 {
		fmt.Fprintf(s.out, "%d lives of seeds %d and on, %d failed: %s\n", played, from, len(bad), speed(played, virtual, took))
	}
	return len(bad) > 0, err
}

func speed(played int, virtual, took time.Duration) string {
	return fmt.Sprintf("%.1f seeds per second, %.0f simulated hours per minute, %.0f simulated hours in all",
		float64(played)/took.Seconds(), virtual.Hours()/took.Minutes(), virtual.Hours())
}

// workers keeps one process at work, and replaces it when it is spent.
func workers(ctx context.Context, orders <-chan [2]uint64, reports chan<- report) error {
	var p *process
	defer func() {
		if p != nil {
			p.end()
		}
	}()
	for o := range orders {
		for seed := o[0]; seed < o[1]; seed++ {
			if ctx.Err() != nil {
				return nil
			}
			if p == nil {
				var err error
				if p, err = start(ctx); err != nil {
					return err
				}
			}
			r, alive := p.play(order{Seed: seed})
			if !alive {
				p.end()
				p = nil
			}
			if ctx.Err() != nil && !alive {
				return nil // it was interrupted, and did not fail
			}
			reports <- r
		}
	}
	return nil
}

// try plays one life in a process of its own.
func try(ctx context.Context, o order) report {
	p, err := start(ctx)
	if err != nil {
		return report{Seed: o.Seed, Problems: []string{err.Error()}}
	}
	defer p.end()
	r, _ := p.play(o)
	return r
}

// explain says what is to be known of a seed that failed.
func (s *sim) explain(ctx context.Context, r report) {
	again := 0
	const rounds = 5
	for range rounds {
		if sameRow(try(ctx, order{Seed: r.Seed}), r) {
			again++
		}
	}
	fmt.Fprintf(s.out, "\nseed %d fails; so it did in %d of %d further runs\n", r.Seed, again, rounds)
	for _, p := range r.Problems {
		fmt.Fprintf(s.out, "  %s\n", p)
	}
	fmt.Fprintf(s.out, "  replay: go run ./tests/faults/sim -seed %d\n", r.Seed)
	if again == 0 || s.shrink <= 0 {
		return
	}
	life := NewLife(r.Seed)
	all := make([]int, len(life.Steps))
	for i := range all {
		all[i] = i
	}
	last := r
	left := sdktest.Shrink(all, s.shrink, func(steps []int) bool {
		got := try(ctx, order{Seed: r.Seed, Steps: steps, Some: true})
		if !sameRow(got, r) {
			return false
		}
		last = got
		return true
	})
	fmt.Fprintf(s.out, "  cut down to %d of %d steps:\n", len(left), len(all))
	for _, i := range left {
		fmt.Fprintf(s.out, "  %4d %v\n", i, life.Steps[i])
	}
	for _, p := range last.Problems {
		fmt.Fprintf(s.out, "  then: %s\n", p)
	}
	fmt.Fprintf(s.out, "  replay: go run ./tests/faults/sim -seed %d -steps %s -verbose\n", r.Seed, ranges(left))
}

// sameRow tells whether a life broke what another broke, too.
func sameRow(a, b report) bool {
	if len(b.Problems) == 0 {
		return len(a.Problems) == 0
	}
	want := row(b.Problems[0])
	return slices.ContainsFunc(a.Problems, func(p string) bool { return row(p) == want })
}

// row is what a problem is about: the first word after when and where.
func row(problem string) string {
	words := strings.Fields(problem)
	for len(words) > 1 && (strings.HasSuffix(words[0], "s") && words[0][0] >= '0' && words[0][0] <= '9' || len(words[0]) <= 3 && words[0][0] == 'p') {
		words = words[1:]
	}
	if len(words) == 0 {
		return ""
	}
	return words[0]
}

// ranges writes 3,8-12 for 3, 8, 9, 10, 11, 12; "none" for nothing.
func ranges(list []int) string {
	var b strings.Builder
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1] == list[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(list[i]))
		if j > i {
			b.WriteString("-" + strconv.Itoa(list[j]))
		}
		i = j + 1
	}
	if b.Len() == 0 {
		return "none"
	}
	return b.String()
}

// parseRanges reads what ranges wrote.
func parseRanges(text string) (list []int, err error) {
	if text == "none" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		a, b, isRange := strings.Cut(part, "-")
		if !isRange {
			b = a
		}
		first, err1 := strconv.Atoi(a)
		last, err2 := strconv.Atoi(b)
		if err1 != nil || err2 != nil || last-first > 1e6 {
			return nil, fmt.Errorf("-steps: %q is no number or range of numbers", part)
		}
		for i := first; i <= last; i++ {
			list = append(list, i)
		}
	}
	return list, nil
}

// one plays the life of one seed, or some steps of it, and returns the exit code.
func (s *sim) one(ctx context.Context, seed uint64, steps string, list, verbose bool) int {
	o := order{Seed: seed, Verbose: true}
	life := NewLife(seed)
	if steps != "" {
		which, err := parseRanges(steps)
		if err != nil {
			fmt.Fprintln(os.Stderr, "sim:", err)
			return 2
		}
		o.Some, o.Steps = true, which
		life.Steps = pick(life.Steps, which)
	}
	if list || verbose {
		fmt.Fprint(s.out, life)
	}
	if list {
		return 0
	}
	r := try(ctx, o)
	if verbose || len(r.Problems) > 0 {
		fmt.Fprint(s.out, r.Record)
	}
	fmt.Fprintf(s.out, "seed %d: %v, record %016x\n", seed, r.Virtual, r.Hash)
	for _, p := range r.Problems {
		fmt.Fprintln(s.out, " ", p)
	}
	if len(r.Problems) > 0 {
		return 1
	}
	fmt.Fprintln(s.out, "all is well")
	return 0
}
