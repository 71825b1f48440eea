// Package presence knows which chats' customers and which agents are connected to any
// process on a store. Each process announces what is connected to it over NATS, outside of
// JetStream (docs/protocol.md, "Presence"); nothing is stored, and what a process announced
// ends with it.
//
//	t := presence.New(st, log)
//	go t.Run(ctx)
//	t.Enter(presence.Of(presence.Agent, agentID))   // and Leave, when the connection ends
//	t.Present(key)                                  // at any process
//
// Whoever draws conclusions from an absence asks Since first.
package presence

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"openchat/web/store"
)

// Times and bounds of the announcements.
const (
	flushEvery  = 250 * time.Millisecond // between two announcements of changes
	beatEvery   = 2 * time.Second
	askEvery    = time.Second      // the same process is asked for its list
	silentAfter = 10 * time.Second // after so long without an announcement a process is taken for dead
	settleTime  = 5 * time.Second  // beats and lists of all others come in this time
	maxPeers    = 64
	maxEntries  = 200_000 // kept of one process
	maxPart     = 4_000   // entries of one announcement: about 160 KB, NATS takes 1 MB
	maxID       = 64      // bytes of a process's id
)

// Kind says what a Key names.
type Kind byte

// Kinds.
const (
	Chat  Kind = 'c' // an engagement whose customer is connected
	Agent Kind = 'a' // an agent with a desk's socket
)

// Key names a chat or an agent. The zero Key names nothing and is present nowhere.
type Key struct {
	kind Kind
	id   [16]byte
}

// Of makes the key of a chat or agent from its UUID; the zero Key when it is none.
func Of(kind Kind, id string) Key {
	u, err := uuid.Parse(id)
	if err != nil {
		return Key{}
	}
	return Key{kind, u}
}

func (k Key) String() string { return string(rune(k.kind)) + uuid.UUID(k.id).String() }

func parse(text string) (Key, bool) {
	if len(text) != 37 || text[0] != byte(Chat) && text[0] != byte(Agent) {
		return Key{}, false
	}
	k := Of(Kind(text[0]), text[1:])
	return k, k != Key{}
}

// Bus carries the announcements. *store.Store is one.
type Bus interface {
	// Alone reports whether there can be no other process: then nothing is announced.
	Alone() bool
	// Announce sends to all processes, this one too, and does not wait for them.
	Announce(topic store.Topic, text []byte)
	// Subscribe calls fn with each announcement, on one goroutine, until ctx ends.
	Subscribe(ctx context.Context, topic store.Topic, fn func(text []byte)) error
}

// Table is one process's knowledge of who is connected where. Its methods are safe for
// concurrent use.
type Table struct {
	bus Bus
	log *slog.Logger
	id  string

	mu       sync.Mutex
	agents   map[Key]int    // connected here; how often
	chats    map[Key]uint32 // connected here; the newest round in which it was
	round    uint32
	pending  map[Key]bool // not announced yet; true: came, false: went
	revision uint64       // of the newest announced change
	asked    bool         // another process wants the whole list
	peers    map[string]*peer
	received time.Time // the newest announcement of this process that came back to it
	since    time.Time // it has come back without a break since; zero: it does not
}

// peer is another process.
type peer struct {
	keys     map[Key]struct{}
	revision uint64
	synced   bool // keys are those of revision
	received time.Time
	asked    time.Time

	loading map[Key]struct{} // the parts of a list that have come
	part    int              // the next part
}

// announcement is what processes send to each other.
type announcement struct {
	Gateway  string   `json:"gateway"`
	Kind     string   `json:"kind"`
	Revision uint64   `json:"revision"`
	Of       string   `json:"of,omitempty"`
	Add      []string `json:"add,omitempty"`
	Remove   []string `json:"remove,omitempty"`
	Part     int      `json:"part,omitempty"`
	Parts    int      `json:"parts,omitempty"`
}

const (
	kindChange = "change"
	kindBeat   = "beat"
	kindAsk    = "ask"
	kindList   = "list"
	kindBye    = "bye"
)

// New makes a Table for this process. It starts nothing: Run does.
func New(bus Bus, log *slog.Logger) *Table {
	t := &Table{
		bus: bus, log: log, id: rand.Text(),
		agents: map[Key]int{}, chats: map[Key]uint32{}, pending: map[Key]bool{}, peers: map[string]*peer{},
	}
	if bus.Alone() {
		t.since = time.Now()
	}
	return t
}

// Enter notes a connection of k here. Each Enter is undone by one Leave.
func (t *Table) Enter(k Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.agents[k]++
	if t.agents[k] == 1 {
		t.change(k, true)
	}
}

// Leave undoes an Enter.
func (t *Table) Leave(k Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.agents[k]--; t.agents[k] <= 0 {
		delete(t.agents, k)
		t.change(k, false)
	}
}

// Round replaces the chats that are connected here by those for which fn calls here. It is for
// one goroutine. fn may call Elsewhere; Present knows of the chats when fn has returned.
func (t *Table) Round(fn func(here func(Key))) {
	t.mu.Lock()
	t.round++
	round := t.round
	t.mu.Unlock()
	fn(func(k Key) {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.chats[k] == 0 {
			t.change(k, true)
		}
		t.chats[k] = round
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, last := range t.chats {
		if last != round {
			delete(t.chats, k)
			t.change(k, false)
		}
	}
}

// change keeps a change for the next announcement. t.mu is held.
func (t *Table) change(k Key, came bool) {
	if !t.bus.Alone() {
		t.pending[k] = came
	}
}

// Present reports whether k is connected to any process, as far as is known here.
func (t *Table) Present(k Key) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.agents[k] > 0 || t.chats[k] > 0 || t.elsewhere(k)
}

// Elsewhere reports whether k is connected to another process, as far as is known here.
func (t *Table) Elsewhere(k Key) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.elsewhere(k)
}

func (t *Table) elsewhere(k Key) bool {
	for _, p := range t.peers {
		if _, ok := p.keys[k]; ok {
			return true
		}
	}
	return false
}

// Since returns from when on an absence here has been an absence everywhere; ok is false
// while it is none: this process has just begun, or its announcements do not come back to it, and neither may
// those of others. Code that measures how long something is absent begins anew when Since changes.
func (t *Table) Since() (since time.Time, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bus.Alone() {
		return t.since, true
	}
	since = t.since.Add(settleTime)
	return since, !t.since.IsZero() && !time.Now().Before(since)
}

// Run announces and listens until ctx ends; then it says good-bye. It returns ctx's error,
// or why it could not listen.
func (t *Table) Run(ctx context.Context) error {
	if t.bus.Alone() {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	if err := t.bus.Subscribe(ctx, store.TopicPresence, t.receive); err != nil {
		return err
	}
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	var beat time.Time
	for {
		t.mu.Lock()
		now := time.Now()
		t.expire(now)
		list := t.takeDue(now)
		if now.Sub(beat) >= beatEvery {
			beat = now
			list = append(list, announcement{Kind: kindBeat, Revision: t.revision})
		}
		t.mu.Unlock()
		t.send(list...)
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.send(announcement{Kind: kindBye})
			return context.Cause(ctx)
		}
	}
}

func (t *Table) send(list ...announcement) {
	for _, a := range list {
		a.Gateway = t.id
		text, err := json.Marshal(a)
		if err == nil {
			t.bus.Announce(store.TopicPresence, text)
		}
	}
}

// expire forgets processes that are dead, and notes when nothing is received at all. t.mu is held.
func (t *Table) expire(now time.Time) {
	if t.since.IsZero() {
		return
	}
	if now.Sub(t.received) >= silentAfter {
		// What is known of the others is kept, and Since says that it may not hold.
		t.since = time.Time{}
		t.log.Warn("this gateway receives nothing from the others")
		return
	}
	for id, p := range t.peers {
		if now.Sub(p.received) >= silentAfter {
			delete(t.peers, id)
			t.log.Info("a gateway is gone", "gateway", id)
		}
	}
}

// takeDue returns what is to be announced: the list, if it was asked for, changes, and
// questions. t.mu is held.
func (t *Table) takeDue(now time.Time) (list []announcement) {
	for part := (announcement{Kind: kindChange}); len(t.pending) > 0; part = (announcement{Kind: kindChange}) {
		n := 0
		for k, came := range t.pending {
			if n++; n > maxPart {
				break
			}
			if came {
				part.Add = append(part.Add, k.String())
			} else {
				part.Remove = append(part.Remove, k.String())
			}
			delete(t.pending, k)
		}
		t.revision++
		part.Revision = t.revision
		list = append(list, part)
	}
	if t.asked {
		t.asked = false
		list = append(list, t.fullList()...)
	}
	for id, p := range t.peers {
		if !p.synced && now.Sub(p.asked) >= askEvery {
			p.asked = now
			list = append(list, announcement{Kind: kindAsk, Of: id})
		}
	}
	return list
}

// fullList is the list in parts, at least one. t.mu is held, and nothing is pending.
func (t *Table) fullList() []announcement {
	parts := []announcement{{}}
	add := func(k Key) {
		last := &parts[len(parts)-1]
		if len(last.Add) == maxPart {
			parts = append(parts, announcement{})
			last = &parts[len(parts)-1]
		}
		last.Add = append(last.Add, k.String())
	}
	for k := range t.agents {
		add(k)
	}
	for k := range t.chats {
		add(k)
	}
	for i := range parts {
		parts[i].Kind, parts[i].Revision, parts[i].Part, parts[i].Parts = kindList, t.revision, i, len(parts)
	}
	return parts
}

// receive takes an announcement.
func (t *Table) receive(text []byte) {
	var a announcement
	if json.Unmarshal(text, &a) != nil || a.Gateway == "" || len(a.Gateway) > maxID {
		return // another version's, or an operator's
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if a.Gateway == t.id {
		if t.since.IsZero() {
			t.since = now
			for _, p := range t.peers { // nothing could be received
				p.received, p.synced = now, false
			}
		}
		t.received = now
		return
	}
	if a.Kind == kindBye {
		delete(t.peers, a.Gateway)
		return
	}
	p := t.peers[a.Gateway]
	if p == nil {
		if len(t.peers) >= maxPeers {
			return
		}
		p = &peer{keys: map[Key]struct{}{}}
		t.peers[a.Gateway] = p
	}
	p.received = now
	switch a.Kind {
	case kindAsk:
		t.asked = t.asked || a.Of == t.id
	case kindBeat:
		p.synced = p.synced && a.Revision == p.revision
	case kindChange:
		p.change(&a)
	case kindList:
		p.list(&a)
	}
}

// change applies what has changed, if nothing was missed before.
func (p *peer) change(a *announcement) {
	switch {
	case p.synced && a.Revision == p.revision+1:
		p.revision++
		p.keys = put(p.keys, a.Add)
		for _, text := range a.Remove {
			if k, ok := parse(text); ok {
				delete(p.keys, k)
			}
		}
	case a.Revision > p.revision:
		p.synced = false
	}
}

// list takes a part; the last makes the list valid.
func (p *peer) list(a *announcement) {
	if a.Part == 0 {
		p.loading, p.part = map[Key]struct{}{}, 0
	}
	if p.loading == nil || a.Part != p.part {
		p.loading = nil // a part was missed; it is asked for again
		return
	}
	p.loading = put(p.loading, a.Add)
	if p.part++; p.part == a.Parts {
		p.keys, p.revision, p.synced, p.loading = p.loading, a.Revision, true, nil
	}
}

func put(keys map[Key]struct{}, texts []string) map[Key]struct{} {
	for _, text := range texts {
		if k, ok := parse(text); ok && len(keys) < maxEntries {
			keys[k] = struct{}{}
		}
	}
	return keys
}
