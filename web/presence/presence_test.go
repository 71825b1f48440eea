package presence

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"openchat/web/store"
)

// network carries announcements between tables, in order, at once.
type network struct {
	mu    sync.Mutex
	ears  []*ear
	texts []announcement // all that were sent
}

// ear is one process's connection.
type ear struct {
	n     *network
	alone bool
	deaf  bool // it receives nothing, and nothing that it sends arrives
	lose  int  // this many of the next announcements do not arrive
	ctx   context.Context
	fn    func([]byte)
}

func (e *ear) Alone() bool { return e.alone }

func (e *ear) Subscribe(ctx context.Context, topic store.Topic, fn func([]byte)) error {
	e.n.mu.Lock()
	defer e.n.mu.Unlock()
	if topic != store.TopicPresence {
		return fmt.Errorf("receives %s", topic)
	}
	e.ctx, e.fn = ctx, fn
	e.n.ears = append(e.n.ears, e)
	return nil
}

func (e *ear) Announce(_ store.Topic, text []byte) {
	e.n.mu.Lock()
	var a announcement
	if err := json.Unmarshal(text, &a); err != nil {
		panic(err)
	}
	e.n.texts = append(e.n.texts, a)
	ears := slices.Clone(e.n.ears)
	lost := e.deaf || e.lose > 0
	e.lose = max(0, e.lose-1)
	e.n.mu.Unlock()
	if len(text) > 1<<20 {
		panic("NATS does not take it")
	}
	for _, to := range ears {
		if !lost && !to.deaf && to.ctx.Err() == nil {
			to.fn(text)
		}
	}
}

func (n *network) count(kind string) (c int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range n.texts {
		if a.Kind == kind {
			c++
		}
	}
	return c
}

// process is a table that runs.
type process struct {
	*Table
	*ear
	kill func() // without a good-bye
	stop func()
}

func (n *network) start(t *testing.T) *process {
	p := &process{ear: &ear{n: n}}
	p.Table = New(p.ear, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = p.Run(ctx) }()
	p.stop = func() { cancel(); <-done }
	p.kill = func() { n.mu.Lock(); p.deaf = true; n.mu.Unlock(); p.stop() }
	t.Cleanup(p.stop)
	return p
}

func key(kind Kind) Key { return Of(kind, uuid.NewString()) }

func (p *process) chat(keys ...Key) {
	p.Round(func(here func(Key)) {
		for _, k := range keys {
			here(k)
		}
	})
}

// after lets time pass.
func after(d time.Duration) { time.Sleep(d); synctest.Wait() }

func expect(t *testing.T, want bool, k Key, at ...*process) {
	t.Helper()
	for i, p := range at {
		if got := p.Present(k); got != want {
			t.Errorf("at process %d: %v, not %v", i, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	// DESK-5
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		a, b := n.start(t), n.start(t)
		synctest.Wait()
		if _, ok := a.Since(); ok {
			t.Error("an absence counts before the others can have announced theirs")
		}
		after(settleTime)
		if since, ok := a.Since(); !ok || !since.Equal(time.Now()) {
			t.Errorf("complete since %v, %v", since, ok)
		}
		bo, chat := key(Agent), key(Chat)
		a.Enter(bo)
		a.Enter(bo)
		b.chat(chat)
		after(2 * flushEvery)
		expect(t, true, bo, a, b)
		expect(t, true, chat, a, b)
		if a.Elsewhere(bo) || !b.Elsewhere(bo) || !a.Elsewhere(chat) || b.Elsewhere(chat) {
			t.Error("elsewhere is not where the others are")
		}
		// One of two sockets ends; then the agent has another at the other process; then none.
		a.Leave(bo)
		after(2 * flushEvery)
		expect(t, true, bo, a, b)
		b.Enter(bo)
		a.Leave(bo)
		after(2 * flushEvery)
		expect(t, true, bo, a, b)
		b.Leave(bo)
		b.chat()
		after(2 * flushEvery)
		expect(t, false, bo, a, b)
		expect(t, false, chat, a, b)

		// Who comes later learns what there is.
		a.Enter(bo)
		after(time.Second)
		c := n.start(t)
		after(settleTime)
		if _, ok := c.Since(); !ok {
			t.Error("it does not settle")
		}
		expect(t, true, bo, c)

		// In an order it says good-bye, and counts no more at once.
		a.stop()
		synctest.Wait()
		expect(t, false, bo, b, c)
	})
}

func TestKilled(t *testing.T) {
	// DESK-5
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		a, b := n.start(t), n.start(t)
		bo := key(Agent)
		a.Enter(bo)
		after(settleTime)
		expect(t, true, bo, b)
		a.kill()
		after(silentAfter - beatEvery - flushEvery)
		expect(t, true, bo, b)
		after(beatEvery + 2*flushEvery)
		expect(t, false, bo, b)
		if _, ok := b.Since(); !ok {
			t.Error("one that is dead makes the other unsure")
		}
	})
}

// What was missed is asked for; a list replaces what was known.
func TestMissed(t *testing.T) {
	// DESK-5
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		a, b := n.start(t), n.start(t)
		after(settleTime)
		keys := make([]Key, 2*maxPart+1) // three parts
		for i := range keys {
			keys[i] = key(Chat)
		}
		one := key(Agent)
		a.Enter(one)
		after(2 * flushEvery)
		n.mu.Lock()
		a.lose = 2
		n.mu.Unlock()
		a.chat(keys...)
		a.Leave(one)
		after(settleTime)
		expect(t, false, one, b)
		for _, k := range keys {
			expect(t, true, k, b)
		}
		if lists := n.count(kindList); lists > 12 {
			t.Errorf("%d parts of lists were sent", lists)
		}
		// Nothing more is said than that they are there.
		changes, lists := n.count(kindChange), n.count(kindList)
		a.chat(keys...)
		after(10 * beatEvery)
		if n.count(kindChange) != changes || n.count(kindList) != lists {
			t.Error("what has not changed is announced")
		}
	})
}

// A process that does not receive its own announcements draws no conclusions, forgets nobody, and begins anew.
func TestDeaf(t *testing.T) {
	// DESK-5
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		a, b := n.start(t), n.start(t)
		bo := key(Agent)
		a.Enter(bo)
		after(settleTime)
		before, ok := b.Since()
		if !ok {
			t.Fatal("it does not settle")
		}
		n.mu.Lock()
		b.deaf = true
		n.mu.Unlock()
		after(silentAfter + flushEvery)
		if _, ok := b.Since(); ok {
			t.Error("it is sure of what it cannot receive")
		}
		after(time.Hour)
		expect(t, true, bo, b)
		n.mu.Lock()
		b.deaf = false
		n.mu.Unlock()
		after(beatEvery)
		if _, ok := b.Since(); ok {
			t.Error("it is sure at once")
		}
		after(settleTime)
		if since, ok := b.Since(); !ok || !since.After(before.Add(time.Hour)) {
			t.Errorf("since %v, %v", since, ok)
		}
		expect(t, true, bo, b)
	})
}

func TestAlone(t *testing.T) {
	// DESK-5
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		a := New(&ear{n: n, alone: true}, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = a.Run(ctx) }()
		k := key(Agent)
		a.Enter(k)
		after(time.Hour)
		if _, ok := a.Since(); !ok || !a.Present(k) || len(a.pending) > 0 || len(n.texts) > 0 {
			t.Errorf("%v, %v, %d, %d", ok, a.Present(k), len(a.pending), len(n.texts))
		}
		cancel()
		<-done
	})
}

// What others send has bounds, and whatever it is, it does not end the process.
func TestBounds(t *testing.T) {
	// DESK-5
	n := &network{}
	a := New(&ear{n: n}, slog.New(slog.DiscardHandler))
	for _, text := range []string{"", "null", "[]", `{"gateway":7}`, `{"gateway":""}`, `{"gateway":"x","kind":"list","part":-1}`, `{"gateway":"x","kind":"list","part":3,"parts":2}`,
		`{"gateway":"x","kind":"list","add":["","x","c","cnot-a-uuid","z` + uuid.NewString() + `"],"parts":1}`, `{"gateway":"x","kind":"ask"}`, `{"gateway":"x","kind":"new"}`} {
		a.receive([]byte(text))
	}
	if p := a.peers["x"]; p == nil || len(p.keys) != 0 || !p.synced {
		t.Errorf("known of it is %+v", p)
	}
	for i := range 2 * maxPeers {
		a.receive(fmt.Appendf(nil, `{"gateway":"p%d","kind":"beat"}`, i))
	}
	if len(a.peers) != maxPeers {
		t.Errorf("%d processes are kept", len(a.peers))
	}
	p := &peer{keys: map[Key]struct{}{}, synced: true}
	for i := range maxEntries/maxPart + 10 {
		c := &announcement{Kind: kindChange, Revision: uint64(i) + 1}
		for range maxPart {
			c.Add = append(c.Add, key(Chat).String())
		}
		p.change(c)
	}
	if len(p.keys) != maxEntries {
		t.Errorf("%d entries are kept", len(p.keys))
	}
}

// What a chat costs in each process's memory.
func TestMemory(t *testing.T) {
	// DESK-5
	const n = 50_000
	keys := make([]Key, n)
	for i := range keys {
		keys[i] = key(Chat)
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	a := New(&ear{n: &network{}, alone: true}, slog.New(slog.DiscardHandler))
	(&process{Table: a}).chat(keys...)
	p := &peer{keys: map[Key]struct{}{}, synced: true}
	for i, k := range keys {
		p.change(&announcement{Revision: uint64(i) + 1, Add: []string{k.String()}})
	}
	each := float64(heap()-before) / n
	t.Logf("%.0f bytes: the process's own entry, and another's", each)
	if each > 200 {
		t.Errorf("a chat costs %.0f bytes", each)
	}
	runtime.KeepAlive([]any{a, p, keys})
}
