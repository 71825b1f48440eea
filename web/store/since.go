package store

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"openchat/sdk/wire"
	"openchat/web/metrics"
)

// Since calls fn, in order, for the customer's entries after position from, up to and
// including position to; of an entry that from lies within, only the later events
// are given. ok is false when some are no longer to be had, or when there are more
// than a client could want: then fn has not been called.
func (s *Store) Since(ctx context.Context, c Customer, from, to wire.EventID, fn func(Entry)) (ok bool, err error) {
	if from > to {
		// From ahead of us: by another gateway that is further, or out of a stream that
		// is no more.
		known, cancel := bounded(ctx)
		defer cancel()
		info, err := s.stream.Info(known)
		if err != nil {
			return false, err
		}
		return uint64(from)/100 <= info.State.LastSeq, nil
	}
	if uint64(from)/100 < s.follow.gone.Load() {
		return false, nil
	}
	// After the last place of an entry, nothing of it is wanted.
	list, ok := s.follow.ring.since(c, uint64(from+1)/100)
	if !ok {
		if newest := s.follow.sequence(); newest > uint64(from)/100+s.cfg.MaxSpan {
			return false, nil
		}
		if list, ok, err = s.scan(ctx, c, uint64(from)/100); !ok || err != nil {
			return false, err
		}
	}
	for _, e := range list {
		if e.Last <= from || e.isEnd {
			continue
		}
		if e.Last > to {
			break
		}
		rest := *e
		for len(rest.Events) > 0 && rest.Events[0].ID <= from {
			rest.Events = rest.Events[1:]
		}
		if len(rest.Events) > 0 || len(e.Events) == 0 {
			fn(rest)
		}
	}
	return true, nil
}

// scan reads the stream, again while NATS is away, as every other read does.
func (s *Store) scan(ctx context.Context, c Customer, from uint64) (list []*Entry, ok bool, err error) {
	ctx, span := s.begin(ctx, metrics.Scan)
	defer s.timed(span, metrics.Scan, time.Now(), &err)
	deadline := time.Now().Add(maxWait)
	for try := 0; ; try++ {
		list, ok, err = s.scans.since(ctx, c, from)
		if err == nil || ctx.Err() != nil || s.ctx.Err() != nil || time.Now().After(deadline) {
			return list, ok, err
		}
		if err := s.pause(ctx, try); err != nil {
			return nil, false, err
		}
	}
}

// ring keeps the newest entries in memory, by customer.
type ring struct {
	mu         sync.Mutex
	maxEntries int
	maxBytes   int
	bytes      int
	first      uint64 // sequence of the oldest entry that is kept, or of the next to come
	kept       []kept // a queue; those before head are gone
	head       int
	byCustomer map[Customer][]*Entry // queues too
}

type kept struct {
	entry *Entry
	bytes int
}

// entryOverhead is what an entry costs in memory beyond its text, about.
const entryOverhead = 512

func newRing(maxEntries, maxBytes int, last uint64) *ring {
	return &ring{maxEntries: maxEntries, maxBytes: maxBytes, first: last + 1, byCustomer: map[Customer][]*Entry{}}
}

func (r *ring) add(sequence uint64, e *Entry, size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// The state and the events are in memory twice: as text and decoded.
	size = 2*size + entryOverhead
	r.kept = append(r.kept, kept{e, size})
	r.bytes += size
	r.byCustomer[e.Customer] = append(r.byCustomer[e.Customer], e)
	for len(r.kept)-r.head > r.maxEntries || r.bytes > r.maxBytes && len(r.kept)-r.head > 1 {
		r.drop()
	}
	r.first = sequence + 1 - uint64(len(r.kept)-r.head)
	if r.head > 1024 && r.head > len(r.kept)/2 {
		r.kept = slices.Clone(r.kept[r.head:])
		r.head = 0
	}
}

// drop lets the oldest entry go, which is the oldest of its customer too.
func (r *ring) drop() {
	oldest := &r.kept[r.head]
	c := oldest.entry.Customer
	if list := r.byCustomer[c]; len(list) > 1 {
		list[0] = nil
		r.byCustomer[c] = list[1:]
	} else {
		delete(r.byCustomer, c)
	}
	r.bytes -= oldest.bytes
	*oldest = kept{}
	r.head++
}

// restart empties the ring: sequence is lost, and all before it with it.
func (r *ring) restart(sequence uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.byCustomer)
	r.kept, r.head, r.bytes, r.first = nil, 0, 0, sequence+1
}

// since returns the customer's entries from sequence on; ok is false when some are
// not in the ring.
func (r *ring) since(c Customer, sequence uint64) ([]*Entry, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if sequence < r.first {
		return nil, false
	}
	list := r.byCustomer[c]
	i := len(list)
	for i > 0 && uint64(list[i-1].Last)/100 >= sequence {
		i--
	}
	return slices.Clone(list[i:]), true
}

// scanner reads the stream for all who wait at once: what a scan costs follows from
// the span it covers, not from how many want it.
type scanner struct {
	s       *Store
	total   int // bytes, see scanTotal
	wake    chan struct{}
	mu      sync.Mutex
	waiting []*scan
}

// scan is one customer's want of the entries from a sequence on.
type scan struct {
	ctx      context.Context
	customer Customer
	from     uint64
	to       uint64
	list     []*Entry
	bytes    int
	ok       bool
	err      error
	done     chan struct{}
}

// scanBytes bounds what one customer's scan holds in memory. A customer who has missed more is
// better served by reading the history.
const scanBytes = 4 << 20

// scanTotal bounds what the scans of one reading of the stream hold together.
const scanTotal = 64 << 20

// scanFilters is up to how many customers are named to the server; for more it is
// cheaper to take all entries and sort them here.
const scanFilters = 16

func newScanner(s *Store) *scanner {
	n := &scanner{s: s, total: scanTotal, wake: make(chan struct{}, 1)}
	s.wg.Add(1)
	go n.run()
	return n
}

// since waits for a scan up to the present.
func (n *scanner) since(ctx context.Context, c Customer, from uint64) ([]*Entry, bool, error) {
	w := &scan{ctx: ctx, customer: c, from: from, to: n.s.follow.sequence(), ok: true, done: make(chan struct{})}
	n.mu.Lock()
	n.waiting = append(n.waiting, w)
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
	select {
	case <-w.done:
		return w.list, w.ok, w.err
	case <-ctx.Done():
		return nil, false, ctx.Err()
	case <-n.s.ctx.Done():
		return nil, false, errClosed
	}
}

func (n *scanner) run() {
	defer n.s.wg.Done()
	for {
		select {
		case <-n.s.ctx.Done():
			return
		case <-n.wake:
		}
		n.mu.Lock()
		batch := n.waiting
		n.waiting = nil
		n.mu.Unlock()
		batch = slices.DeleteFunc(batch, func(w *scan) bool { return w.ctx.Err() != nil })
		if len(batch) == 0 {
			continue
		}
		err := n.scan(batch)
		for _, w := range batch {
			w.err = err
			close(w.done)
		}
	}
}

func (n *scanner) scan(batch []*scan) error {
	ctx, cancel := context.WithTimeout(n.s.ctx, 2*readWait)
	defer cancel()
	info, err := n.s.stream.Info(ctx)
	if err != nil {
		return err
	}
	// Where there are holes, chats may have been removed (retention.go), with the entry that
	// says that they have ended: a client that has not received it must read anew.
	complete := info.State.FirstSeq
	if info.State.NumDeleted > 0 {
		first, err := n.s.firstStored(ctx, time.Now().Add(-n.s.removeAfter()*59/60), info.State.LastSeq+1)
		if err != nil {
			return err
		}
		complete = max(complete, first)
	}
	low, high := batch[0].from, uint64(0)
	byCustomer := map[string][]*scan{}
	for _, w := range batch {
		// The entry of from itself may be gone: from is the last event the client has
		// of it, and an entry whose later events it lacks is the rare case that the
		// ring has covered.
		if w.from+1 < complete {
			w.ok = false
			continue
		}
		low, high = min(low, w.from), max(high, w.to)
		subject := customerSubject(w.customer)
		byCustomer[subject] = append(byCustomer[subject], w)
	}
	if len(byCustomer) == 0 || high < low {
		return nil
	}
	total := 0
	filters := []string{allEntries}
	if len(byCustomer) <= scanFilters {
		filters = filters[:0]
		for subject := range byCustomer {
			filters = append(filters, subject+".>")
		}
	}
	return n.s.each(ctx, jetstream.ConsumerConfig{
		FilterSubjects: filters,
		DeliverPolicy:  jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:    max(low, 1),
	}, func(raw *entry) bool {
		if raw.sequence > high {
			return false
		}
		wanted := byCustomer[customerOf(raw.subject)]
		if len(wanted) == 0 {
			return true
		}
		e, err := raw.decode()
		if err != nil {
			n.s.log.Error("an entry cannot be read", "sequence", raw.sequence, "error", err)
			return true
		}
		for _, w := range wanted {
			if !w.ok || e.Customer != w.customer || raw.sequence < w.from || raw.sequence > w.to {
				continue
			}
			size := len(raw.data) + entryOverhead
			if w.bytes += size; w.bytes > scanBytes || total+size > n.total {
				total -= w.bytes - size
				w.ok, w.list = false, nil
				continue
			}
			total += size
			w.list = append(w.list, e)
		}
		return raw.sequence < high
	})
}

// customerOf returns the part of a subject that customerSubject makes.
func customerOf(subject string) string {
	dots := 0
	for i := range len(subject) {
		if subject[i] == '.' {
			if dots++; dots == 3 {
				return subject[:i]
			}
		}
	}
	return ""
}
