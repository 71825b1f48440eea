package chaos

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"openchat/sdk"
	"openchat/tests/harness"
	"openchat/tests/harness/cluster"
)

// plan is how large a run is.
type plan struct {
	seed              uint64
	customers, agents int
	links             int           // ways to the gateway, each with faults of its own
	duration          time.Duration // of the faults
	settle            time.Duration // for everything to come right after them
	heartbeat         time.Duration // of the gateway: a silent connection is found dead after twice that
	every             time.Duration // mean time between two messages of a customer
	agentEvery        time.Duration // and of an agent
	// wake has the SDK try at once when the faults have ended, as a browser's "online"
	// does, so that nobody waits for the end of a backoff of half a minute.
	wake    bool
	probing bool // there is a prober
}

// The short form, which has to fit into make test, and the full one, whose gateway has
// its own settings. make chaos sets CUSTOMERS, AGENTS and DURATION.
func planned(t *testing.T) plan {
	p := plan{
		seed: rand.Uint64() % 1e9, customers: 40, agents: 5, duration: 20 * time.Second,
		heartbeat: 2 * time.Second, every: time.Second, agentEvery: 300 * time.Millisecond,
	}
	number := func(name string, to *int) {
		if s := os.Getenv(name); s != "" {
			n, err := strconv.Atoi(s)
			if err != nil || n < 1 {
				t.Fatalf("%s=%s is not a number from 1 on", name, s)
			}
			*to = n
		}
	}
	number("CUSTOMERS", &p.customers)
	number("AGENTS", &p.agents)
	if s := os.Getenv("SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("SEED=%s is not a number", s)
		}
		p.seed = n
	}
	if s := os.Getenv("DURATION"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 {
			t.Fatalf("DURATION=%s is not a duration like 3m", s)
		}
		p.duration = d
	}
	p.wake = p.duration <= time.Minute
	p.settle = 3 * time.Minute
	if p.wake {
		p.settle = time.Minute
	} else {
		p.heartbeat, p.every, p.agentEvery = 20*time.Second, 3*time.Second, 500*time.Millisecond
	}
	p.links = max(4, p.customers/12)
	return p
}

// run is one run of a plan.
type run struct {
	*testing.T
	plan
	w         *platform
	links     []*link
	customers []*customer
	agents    []*agent
	flooders  []*agent // who write much at once, and receive nothing
	chats     map[*agent][]string
	deafen    func() // ends the agents' feeds
	hostile   *cluster.Hostile
	endAttack func() error // the hostile customer's
	prober    *customer    // one of customers, who says nothing but in back; nil: there is none

	mu     sync.Mutex
	counts map[string]int
	worst  map[string]time.Duration
	broken []string // what went wrong with the processes and the links
}

func TestChaos(t *testing.T) {
	r := newRun(t)
	r.prove(func() *platform { return newPlatform(t, r.heartbeat) }, r.failProcesses)
	if r.counts["gateway killed"] == 0 || r.counts["gateway stopped"] == 0 || r.counts["nats killed"] == 0 {
		t.Error("a run without kills proves nothing")
	}
}

func newRun(t *testing.T) *run {
	p := planned(t)
	t.Logf("SEED=%d CUSTOMERS=%d AGENTS=%d DURATION=%v", p.seed, p.customers, p.agents, p.duration)
	return &run{T: t, plan: p, chats: map[*agent][]string{}, counts: map[string]int{}, worst: map[string]time.Duration{}}
}

// prove starts the platform, brings everybody in, has them write while fail makes things
// fail, and judges. fail goes on until failing ends, and leaves all sound; ctx bounds it.
func (r *run) prove(start func() *platform, fail func(failing, ctx context.Context)) {
	t := r.T
	began := time.Now()
	r.w = start()
	r.longest("building and starting", time.Since(began))
	baseline := goroutines()

	// Nothing may hang: whatever waits, waits in this context, and is named when it ends.
	ctx, cancel := context.WithTimeout(t.Context(), 3*harness.Timeout+r.duration+r.plan.settle)
	defer cancel()
	r.people(ctx)
	r.longest("coming in", time.Since(began)-r.worst["building and starting"])
	r.disturb(ctx, fail)
	v := r.settle(ctx)
	r.shutdown()
	left := r.goroutines(baseline)

	r.report(v, time.Since(began), left)
	for _, c := range v.complaints {
		t.Error(c)
	}
	if os.Getenv("KEEP") != "" {
		r.keep()
	}
	if v.guilty() {
		t.Errorf("the promise was broken; SEED=%d", r.seed)
	}
	for _, b := range r.broken {
		t.Error(b)
	}
	if left > 0 {
		t.Errorf("%d goroutines are left:\n%s", left, stacks())
	}
	if v.acked == 0 {
		t.Error("a run without messages proves nothing")
	}
	r.w.wantNoSecrets(t)
	if t.Failed() {
		r.keep()
	}
}

// keep writes down what tells how it came to a failure.
func (r *run) keep() {
	dir, err := os.MkdirTemp("", fmt.Sprintf("chaos-%d-", r.seed))
	if err != nil {
		r.Log(err)
		return
	}
	var streams strings.Builder
	for _, c := range r.customers {
		c.mu.Lock()
		fmt.Fprintf(&streams, "%s, longest outage %v\n\t%s\n", c.name, slices.Max(append(c.outages, 0)), strings.Join(c.stream, "\n\t"))
		c.mu.Unlock()
	}
	logs := map[string]string{"gateway.log": r.w.gateway.Log.String(), "streams.txt": streams.String()}
	if r.w.nats != nil {
		logs["nats.log"] = r.w.nats.Log.String()
	}
	for name, text := range logs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			r.Log(err)
		}
	}
	if err := os.CopyFS(filepath.Join(dir, "data"), os.DirFS(r.w.data)); err != nil {
		r.Log(err)
	}
	r.Logf("the stored data, the logs of the processes and the customers' streams are in %s", dir)
}

// rand is the source of an actor's choices, the same for the same seed.
func (p *plan) rand(actor string) *rand.Rand {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(actor) {
		h = (h ^ uint64(actor[i])) * 1099511628211
	}
	return rand.New(rand.NewPCG(p.seed, h))
}

// The counts of causes, and the longest times until a send succeeded after them, begin so.
const (
	causes    = "cause "
	backAfter = "back after "
)

func (r *run) count(what string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[what] += n
}

func (r *run) longest(what string, d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.worst[what] = max(r.worst[what], d)
}

func (r *run) wrong(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.broken) < maxComplaints {
		r.broken = append(r.broken, fmt.Sprintf(format, args...))
	}
}

// people brings everybody in, while nothing fails.
func (r *run) people(ctx context.Context) {
	r.Helper()
	var err error
	if r.hostile, err = r.w.account.NewHostile(ctx, binaries.Attack, r.w.url, "hostile", newAgent(r.w, -1).desk, 200); err != nil {
		r.Fatal(err)
	}
	for range r.plan.links {
		l, err := newLink(r.w.address)
		if err != nil {
			r.Fatal(err)
		}
		r.links = append(r.links, l)
		r.Cleanup(l.close)
	}
	for n := range r.plan.agents {
		r.agents = append(r.agents, newAgent(r.w, n))
	}
	var wg sync.WaitGroup
	few := make(chan struct{}, 16)
	choices := r.rand("tokens")
	people := r.plan.customers
	if r.probing {
		people++
	}
	for n := range people {
		c := newCustomer(r.w, r.links[n%len(r.links)], n)
		r.customers = append(r.customers, c)
		if n == r.plan.customers {
			r.prober = c
		}
		a := r.agents[n%len(r.agents)]
		expiry := time.Now().Add(time.Hour)
		if n%5 == 0 { // its first token expires in the middle of it all
			expiry = time.Now().Add(5*time.Second + between(choices, r.duration/4, r.duration))
		}
		window := time.Duration(n%2) * 5 * time.Minute // the least and the most that there is
		wg.Go(func() {
			few <- struct{}{}
			defer func() { <-few }()
			if err := c.begin(ctx, expiry, window); err != nil {
				r.wrong("%s could not begin: %v", c.name, err)
				return
			}
			if err := a.accept(ctx, c.chat); err != nil {
				r.wrong("%s could not accept: %v", a.name, err)
				return
			}
			r.mu.Lock()
			r.chats[a] = append(r.chats[a], c.chat)
			r.mu.Unlock()
		})
	}
	wg.Wait()
	if len(r.broken) > 0 {
		r.Fatalf("%s\n%s", strings.Join(r.broken, "\n"), r.w.gateway.Log.Last(40))
	}
	for _, a := range r.agents {
		slices.Sort(r.chats[a]) // the seed chooses among them
	}
}

// disturb has everybody write while things fail.
func (r *run) disturb(ctx context.Context, fail func(failing, ctx context.Context)) {
	var err error
	if r.endAttack, err = r.hostile.Begin(); err != nil {
		r.Fatal(err)
	}
	defer func() {
		if err := r.endAttack(); err != nil {
			r.wrong("%v", err)
		}
	}()
	// Faults end first; who writes then still writes a little on.
	failing, calm := context.WithTimeout(ctx, r.duration)
	defer calm()
	var writers sync.WaitGroup
	writing, quiet := context.WithCancel(ctx)
	defer quiet()
	listening, deafen := context.WithCancel(ctx)
	var listeners sync.WaitGroup
	for _, a := range r.agents {
		listeners.Go(func() { a.listen(listening) })
	}
	r.deafen = func() {
		deafen()
		listeners.Wait()
	}
	r.Cleanup(r.deafen)
	for _, c := range r.customers {
		if c != r.prober {
			writers.Go(func() { c.write(writing, r.rand(c.name), r.every) })
		}
	}
	for _, a := range r.agents {
		writers.Go(func() { a.write(writing, ctx, r.rand(a.name), r.agentEvery, r.chats[a]) })
	}
	fail(failing, ctx)
	quiet()
	writers.Wait()
}

// failProcesses lets the links, the gateway and NATS fail, and leaves sound links and
// serving processes.
func (r *run) failProcesses(failing, ctx context.Context) {
	var failures sync.WaitGroup
	for i, l := range r.links {
		failures.Go(func() {
			if err := l.disturb(failing, r.rand("link "+strconv.Itoa(i)), func(f fault) { r.count("proxy "+string(f), 1) }); err != nil {
				r.wrong("link %d: %v", i, err)
			}
		})
	}
	failures.Go(func() {
		r.fail(failing, ctx, r.w.gateway, r.rand("gateway"), []string{"killed", "killed", "stopped", "stopped", "frozen"}, 10*time.Second, 20*time.Second)
	})
	failures.Go(func() {
		r.fail(failing, ctx, r.w.nats, r.rand("nats"), []string{"killed", "killed", "stopped", "frozen"}, 12*time.Second, 25*time.Second)
	})
	failures.Wait()
}

// fail lets a process fail every now and then until failing ends, and then serve. In
// runs of less than a minute it fails sooner, so that each way of failing is met.
func (r *run) fail(failing, ctx context.Context, p *harness.Process, choices *rand.Rand, ways []string, low, high time.Duration) {
	if r.duration <= time.Minute {
		low, high = low/4, high/4
	}
	// The first two ways are met even where a machine is so busy that the time is over.
	for n := 0; pause(failing, between(choices, low, high)) || n < 2 && ctx.Err() == nil; n++ {
		way := ways[choices.IntN(len(ways))]
		if n == 0 {
			way = "killed"
		} else if n == 1 {
			way = "stopped"
		}
		r.count(p.Name+" "+way, 1)
		down := between(choices, 100*time.Millisecond, 2500*time.Millisecond)
		began := time.Now()
		switch way {
		case "frozen":
			p.Signal(syscall.SIGSTOP)
			pause(failing, 2*down)
			p.Signal(syscall.SIGCONT)
			continue
		case "stopped":
			// A machine that is busy with this very test may be late. TestStopWithoutNATS
			// holds it to the second.
			took, err := stop(p, stopLimit+stopLimit/2)
			r.longest(p.Name+" stop", took)
			if err != nil {
				r.wrong("%v", err)
			}
		default:
			p.Kill()
		}
		pause(failing, down)
		if err := keepStarting(ctx, p); err != nil {
			r.wrong("%v", err)
			return
		}
		r.longest(p.Name+" outage", time.Since(began))
	}
}

// settle waits until everything that was said has settled and is received, and judges.
func (r *run) settle(ctx context.Context) verdict {
	r.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, r.plan.settle)
	defer cancel()
	var wg sync.WaitGroup
	for _, c := range r.customers {
		wg.Go(func() {
			if r.wake {
				c.mu.Lock()
				c.hurry = true
				c.mu.Unlock()
				c.client.Wake(sdk.WakeOnline)
			}
			c.say() // after the faults, so it must arrive, and everything before it
			c.allSettled(ctx)
		})
	}
	wg.Wait()
	stored := map[string][]message{}
	for _, a := range r.agents {
		for _, chat := range r.chats[a] {
			wg.Go(func() {
				list, err := a.history(ctx, chat)
				if err != nil {
					r.wrong("the history of %s cannot be read: %v", chat, err)
					return
				}
				r.mu.Lock()
				stored[chat] = list
				r.mu.Unlock()
			})
		}
	}
	wg.Wait()
	for _, c := range r.customers {
		wg.Go(func() { c.receivedUpTo(ctx, int64(len(stored[c.chat]))) })
	}
	for _, a := range r.agents {
		for _, chat := range r.chats[a] {
			wg.Go(func() { a.receivedUpTo(ctx, chat, int64(len(stored[chat]))) })
		}
	}
	wg.Wait()
	r.longest("settling", time.Since(began))
	if ctx.Err() != nil {
		r.wrong("not settled within %v; who is stuck:\n%s", r.plan.settle, r.stuck(stored))
	}
	var sayings []*said
	var logs []*received
	for _, c := range r.customers {
		c.mu.Lock()
		c.log.who = c.name
		sayings = append(sayings, c.sent...)
		logs = append(logs, &received{c.log.who, c.log.chat, slices.Clone(c.log.messages), slices.Clone(c.log.breaks)})
		c.mu.Unlock()
	}
	for _, a := range r.agents {
		a.mu.Lock()
		sayings = append(sayings, a.sent...)
		for _, h := range a.books {
			logs = append(logs, &received{a.name, h.chat, slices.Clone(h.messages), nil})
		}
		a.mu.Unlock()
	}
	// What cannot be read is a failure already, and tells nothing about the rest.
	for _, a := range r.flooders {
		a.mu.Lock()
		sayings = append(sayings, a.sent...)
		a.mu.Unlock()
	}
	sayings = slices.DeleteFunc(sayings, func(s *said) bool { return stored[s.chat] == nil })
	logs = slices.DeleteFunc(logs, func(h *received) bool { return stored[h.chat] == nil })
	return judge(stored, sayings, logs)
}

// stuck names who waits for what.
func (r *run) stuck(stored map[string][]message) string {
	var b strings.Builder
	for _, c := range r.customers {
		c.mu.Lock()
		waits := c.log.last() < int64(len(stored[c.chat])) || len(stored[c.chat]) == 0
		for _, s := range c.sent {
			waits = waits || s.settled == 0
		}
		c.mu.Unlock()
		if waits {
			fmt.Fprintf(&b, "%s; stored %d\n", c.state(), len(stored[c.chat]))
		}
	}
	for _, a := range r.agents {
		waits := false
		for _, chat := range r.chats[a] {
			waits = waits || a.lastOf(chat) < int64(len(stored[chat]))
		}
		if waits {
			fmt.Fprintln(&b, a.state())
		}
	}
	fmt.Fprintf(&b, "goroutines:\n%s", stacks())
	return b.String()
}

// shutdown ends all that the run has started but the processes.
func (r *run) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for _, c := range r.customers {
		wg.Go(func() {
			if err := c.end(ctx); err != nil {
				r.wrong("%s: shutdown: %v", c.name, err)
			}
		})
	}
	wg.Wait()
	r.deafen()
	for _, a := range r.agents {
		a.desk.HTTP.CloseIdleConnections()
	}
	for _, l := range r.links {
		l.close()
	}
}

// goroutines counts what is left over baseline. Nothing tells when a goroutine has
// ended, so this looks again for a while.
func (r *run) goroutines(baseline int) int {
	limit := time.Now().Add(20 * time.Second)
	for {
		left := goroutines() - baseline
		if left <= 0 || time.Now().After(limit) {
			return max(left, 0)
		}
		pause(context.Background(), 50*time.Millisecond)
	}
}

// goroutines counts them all but the proxies', which are not the subject: a toxiproxy
// leaves some behind when a connection ends inside a toxic.
func goroutines() int {
	n := 0
	for g := range strings.SplitSeq(strings.TrimSpace(stacksOf(2)), "\n\n") {
		if !strings.Contains(g, "Shopify/toxiproxy") {
			n++
		}
	}
	return n
}

func stacksOf(debug int) string {
	var b bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&b, debug)
	return b.String()
}

// stacks is all goroutines, those of one stack together.
func stacks() string {
	s := stacksOf(1)
	return s[:min(len(s), 64<<10)]
}

// report prints the table.
func (r *run) report(v verdict, took time.Duration, left int) {
	var outage time.Duration
	reasons := map[string]int{} // why sends were rejected
	var attempts, sends, early, givenUp, expired, broke, repeats, cuts int
	for _, c := range r.customers {
		c.mu.Lock()
		for _, o := range c.outages {
			outage = max(outage, o)
		}
		broke += len(c.outages)
		attempts += int(c.transport.attempts.Load())
		sends += len(c.sent)
		early += c.early
		givenUp += c.givenUp
		expired += c.expired
		for _, s := range c.sent {
			if s.err != nil {
				reasons[s.err.Error()]++
			}
		}
		for _, s := range c.surprise {
			r.wrong("%s: %s", c.name, s)
		}
		c.mu.Unlock()
	}
	if early > 0 {
		r.wrong("%d messages were delivered before their promise had settled (MSG-5)", early)
	}
	for _, a := range r.agents {
		a.mu.Lock()
		repeats += a.repeats
		cuts += a.cuts
		for _, s := range a.wrong {
			r.wrong("%s: %s", a.name, s)
		}
		a.mu.Unlock()
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(what string, value any) { fmt.Fprintf(w, "%s\t%v\n", what, value) }
	kinds := func(prefix string) string {
		var list []string
		total := 0
		for what, n := range r.counts {
			if kind, ok := strings.CutPrefix(what, prefix); ok {
				list = append(list, fmt.Sprintf("%s %d", kind, n))
				total += n
			}
		}
		slices.Sort(list)
		return fmt.Sprintf("%d (%s)", total, strings.Join(list, ", "))
	}
	row("seed", r.seed)
	row("customers, agents", fmt.Sprintf("%d, %d", len(r.customers), len(r.agents)))
	if r.w.nats != nil {
		row("gateway's failures", kinds("gateway "))
		row("NATS' failures", kinds("nats "))
		row("proxies' faults", kinds("proxy "))
		row("changes of proxies that got stuck", stuck.Load())
	} else {
		row("causes", kinds(causes))
		row("starts by the supervisor", kinds("started after "))
	}
	row("what the hostile customer did", strings.Join(r.hostile.Counts(), ", "))
	row("event streams broken", broke)
	row("desk feeds, attempts that ended", cuts)
	row("tokens expired", expired)
	row("messages said", v.sends)
	row("acknowledged", v.acked)
	row("rejected (of them stored)", fmt.Sprintf("%d (%d)", v.rejected, v.rejectedStored))
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		row("  "+reason, reasons[reason])
	}
	row("customers' sends retried", attempts-sends)
	row("agents' calls retried", repeats)
	row("delivered to participants", v.delivered)
	row("duplicates", v.duplicates)
	row("lost", v.lost)
	row("out of order", v.outOfOrder)
	row("never said", v.unsaid)
	row("unsettled, settled twice", fmt.Sprintf("%d, %d", v.unsettled, v.settledTwice))
	row("continuity said to be lost", fmt.Sprintf("%d (%d messages)", v.breaks, v.announcedLoss))
	row("reconnection given up", givenUp)
	row("longest outage of a stream", outage.Round(time.Millisecond))
	if r.w.nats != nil {
		row("longest outage of the gateway, NATS", fmt.Sprintf("%v, %v", r.worst["gateway outage"].Round(time.Millisecond), r.worst["nats outage"].Round(time.Millisecond)))
		row("longest graceful stop", r.worst["gateway stop"].Round(time.Millisecond))
	}
	for _, what := range slices.Sorted(maps.Keys(r.worst)) {
		if cause, ok := strings.CutPrefix(what, backAfter); ok {
			row("longest until a send succeeded after: "+cause, r.worst[what].Round(time.Millisecond))
		}
	}
	row("built and started, all in, settled after", fmt.Sprintf("%v, %v, %v", r.worst["building and starting"].Round(time.Second), r.worst["coming in"].Round(time.Millisecond), r.worst["settling"].Round(time.Millisecond)))
	row("goroutines left", left)
	row("seconds taken", int(took.Seconds()))
	_ = w.Flush()
	r.Logf("\n%s", b.String())
}
