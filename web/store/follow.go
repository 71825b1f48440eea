package store

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"openchat/sdk/wire"
)

// Follow calls fn for every entry that any gateway stores after the call, in order,
// on one goroutine, until ctx ends. It returns at once; it fails only when the
// store is closed. fn must not block. All callers share one consumer.
func (s *Store) Follow(ctx context.Context, fn func(Entry)) error {
	if s.ctx.Err() != nil {
		return errClosed
	}
	f := s.follow
	f.mu.Lock()
	defer f.mu.Unlock()
	c := &callback{ctx: ctx, fn: fn}
	f.callbacks = append(f.callbacks, c)
	context.AfterFunc(ctx, func() { f.remove(c) })
	return nil
}

// Position is the newest position that has reached this process. Entries up to it
// can be had from Since, and the Follow callbacks have been given them or are about
// to be. So who begins to listen in its callback, then reads Position, then asks
// Since for what is older, misses nothing; it may see the newest twice, and recognises that by
// the position.
func (s *Store) Position() wire.EventID { return after(s.follow.sequence()) }

// follower owns the process's consumer of the whole stream.
type follower struct {
	s      *Store
	cancel context.CancelFunc
	ended  chan struct{}        // closed when run has returned
	failed atomic.Pointer[gone] // why the consumer before the present one was lost
	ring   *ring
	newest atomic.Uint64 // sequence of the newest entry
	gone   atomic.Uint64 // sequence of the newest entry that was lost, 0 for none

	last    uint64        // sequence of the newest entry when the process began
	begun   sync.Once     // closes reached
	reached chan struct{} // closed when last has been received

	mu        sync.Mutex // held while an entry is given to the callbacks
	callbacks []*callback

	waitMu  sync.Mutex
	waiting []arrival
}

// arrival is someone's wait for a sequence.
type arrival struct {
	sequence uint64
	reached  chan struct{}
}

type callback struct {
	ctx context.Context
	fn  func(Entry)
}

// newFollower begins with the newest entries that are there, as many as the ring holds,
// and returns when it has read them: after a restart all clients come back at once,
// and those who were away for a short time are served from memory.
func newFollower(ctx context.Context, s *Store, first, last uint64) (*follower, error) {
	start := last + 1
	if n := uint64(s.cfg.RingEntries); last >= max(first, 1) {
		start = max(first, 1, last+1-min(n, last))
	}
	f := &follower{s: s, ring: newRing(s.cfg.RingEntries, s.cfg.RingBytes, start-1), last: last, reached: make(chan struct{}), ended: make(chan struct{})}
	f.newest.Store(start - 1)
	s.disk.begin(last)
	following, cancel := context.WithCancel(s.ctx)
	f.cancel = cancel
	go f.run(following)
	limit, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	select {
	case <-f.reached:
		return f, nil
	case <-limit.Done():
		err := limit.Err()
		if g := f.failed.Load(); g != nil {
			err = g.err
		}
		return f, fmt.Errorf("the newest entries did not come: %w", err)
	}
}

// run follows the stream, over one consumer after the other, until ctx ends.
func (f *follower) run(ctx context.Context) {
	defer close(f.ended)
	lost := false // and the log says so
	again := func() {
		if lost {
			f.s.log.Info("following the stream again")
		}
		lost = false
	}
	for try := 0; ; try++ {
		// Not only what is new: what is stored until the consumer has been created would be in
		// neither.
		var unkept error
		err := f.s.read(ctx, f.s.followJS, min(createWait<<min(try, 4), readWait), jetstream.ConsumerConfig{
			FilterSubject: allEntries,
			DeliverPolicy: jetstream.DeliverByStartSequencePolicy,
			OptStartSeq:   f.sequence() + 1,
		}, false, func(pending uint64) bool {
			try = 0
			if pending == 0 { // also when what there was has been deleted
				again()
				f.complete()
			}
			return true
		}, func(m jetstream.Msg, meta *jetstream.MsgMetadata) bool {
			// Nobody may learn of what is not kept.
			if unkept = f.s.disk.confirm(ctx, meta.Sequence.Stream); unkept != nil {
				return false
			}
			again()
			return f.receive(m, meta)
		})
		err = cmp.Or(unkept, err)
		if ctx.Err() != nil {
			return
		}
		if !lost {
			lost = true
			f.s.log.Warn("following the stream: going on with another consumer", "error", err)
		}
		f.failed.Store(&gone{err})
		if f.s.pause(ctx, 6) != nil {
			return
		}
	}
}

func (f *follower) sequence() uint64 { return f.newest.Load() }

func (f *follower) stop() {
	f.cancel()
	<-f.ended
}

// complete notes that everything that was there at the begin has been received.
func (f *follower) complete() { f.begun.Do(func() { close(f.reached) }) }

func (f *follower) remove(c *callback) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.callbacks {
		if f.callbacks[i] == c {
			f.callbacks = append(f.callbacks[:i:i], f.callbacks[i+1:]...)
			return
		}
	}
}

// receive takes the consumer's messages. The stream's sequences have no gaps, so a
// jump means that the consumer was replaced while messages were on their way, or
// that entries were deleted.
func (f *follower) receive(m jetstream.Msg, meta *jetstream.MsgMetadata) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() {
		// The last entry may have been deleted: then nothing is pending before it has come.
		if f.sequence() >= f.last || meta.NumPending == 0 {
			f.complete()
		}
	}()
	for sequence := f.sequence() + 1; sequence < meta.Sequence.Stream; sequence = f.sequence() + 1 {
		e, err := f.s.next(f.s.ctx, allEntries, sequence)
		if err != nil && !errors.Is(err, ErrNotFound) {
			if f.s.ctx.Err() != nil {
				return false
			}
			// Nothing may be given out past a hole.
			f.s.log.Error("reading what was missed", "error", err)
			if f.s.pause(f.s.ctx, 6) != nil {
				return false
			}
			continue
		}
		if err != nil || e.sequence > meta.Sequence.Stream {
			f.skip(meta.Sequence.Stream - 1)
			break
		}
		if e.sequence > sequence {
			f.skip(e.sequence - 1)
		}
		f.deliver(e)
	}
	if meta.Sequence.Stream > f.sequence() {
		f.deliver(&entry{subject: m.Subject(), sequence: meta.Sequence.Stream, stored: meta.Timestamp, header: m.Headers(), data: m.Data()})
	}
	return true
}

// skip goes on after sequence, up to which entries are gone. Among those that were there
// before the process began, it is the erasure of a customer (Erase), and nobody has lost
// anything with it.
func (f *follower) skip(sequence uint64) {
	if sequence > f.last {
		f.deliverLoss(sequence)
		return
	}
	f.arrived(sequence)
}

// deliverLoss reports that the entries up to sequence are gone.
func (f *follower) deliverLoss(sequence uint64) {
	f.s.log.Error("entries were deleted from the stream before they were read", "from", f.sequence()+1, "to", sequence)
	f.gone.Store(sequence)
	f.s.cfg.Metrics.Gap()
	f.ring.restart(sequence)
	// The index is complete only after the first entries: until then, its scan is to come.
	select {
	case <-f.reached:
		f.s.ongoing.rebuild()
	default:
	}
	f.arrived(sequence)
	f.call(&Entry{Last: after(sequence)})
}

func (f *follower) deliver(raw *entry) {
	e, err := raw.decode()
	if err != nil {
		// Another version's entry, or an operator's: it must not stop the others.
		f.s.log.Error("an entry cannot be read", "sequence", raw.sequence, "error", err)
		f.s.ongoing.putUnreadable(raw, err)
		e = &Entry{Last: after(raw.sequence)}
	}
	e.Stored, e.Cause = raw.stored, f.s.cfg.Traces.Cause(raw.header.Get(headerTrace))
	switch {
	case e.Message != nil:
		f.s.newest.put(engagementMessages(e.Customer, e.EngagementID), place{newest: e.Message.MessageIndex})
	case e.isEnd:
		f.s.newest.put(engagementMessages(e.Customer, e.EngagementID), place{indexOf(raw.subject) - 1, true})
		f.s.ongoing.markReceived(e.Customer, e.EngagementID)
	}
	if e.Engagement != nil {
		if e.Engagement.Status == wire.EngagementPending {
			f.s.newest.forget(engagementMessages(e.Customer, e.EngagementID)) // of one that was erased
		}
		f.s.ongoing.put(e.Engagement, raw.stored)
	}
	f.s.retain.add(raw)
	// In this order: see Position.
	f.ring.add(raw.sequence, e, len(raw.data))
	f.arrived(raw.sequence)
	if err == nil && !e.isEnd {
		f.call(e)
	}
}

// arrived notes that the entry has been received.
func (f *follower) arrived(sequence uint64) {
	f.waitMu.Lock()
	defer f.waitMu.Unlock()
	f.newest.Store(sequence)
	f.waiting = slices.DeleteFunc(f.waiting, func(a arrival) bool {
		if a.sequence > sequence {
			return false
		}
		close(a.reached)
		return true
	})
}

// reachWait is after how long without an entry it is asked whether there is one.
const reachWait = 250 * time.Millisecond

// reach waits until the entry of that sequence, and all before it, have been received.
func (f *follower) reach(ctx context.Context, sequence uint64) error {
	f.waitMu.Lock()
	if f.sequence() >= sequence {
		f.waitMu.Unlock()
		return nil
	}
	reached := make(chan struct{})
	f.waiting = append(f.waiting, arrival{sequence, reached})
	f.waitMu.Unlock()
	defer func() {
		f.waitMu.Lock()
		f.waiting = slices.DeleteFunc(f.waiting, func(a arrival) bool { return a.reached == reached })
		f.waitMu.Unlock()
	}()
	for {
		timer := time.NewTimer(reachWait)
		select {
		case <-reached:
			timer.Stop()
			return nil
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("store: what other gateways have stored has not arrived: %w", ctx.Err())
		case <-f.s.ctx.Done():
			timer.Stop()
			return errClosed
		case <-timer.C:
		}
		// It may have been deleted before it came: then nothing is to come.
		_, err := f.s.next(ctx, allEntries, f.sequence()+1)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
	}
}

func (f *follower) call(e *Entry) {
	for _, c := range f.callbacks {
		if c.ctx.Err() == nil {
			c.fn(*e)
		}
	}
}

// names reads whose entry it is, and what it is about, from its subject: s, e or m,
// and the id of the session or engagement.
func (e *entry) names() (owner Customer, kind, id string, err error) {
	tokens := strings.Split(e.subject, ".")
	if len(tokens) < 5 {
		return owner, "", "", fmt.Errorf("store: the subject of entry %d is not one of ours", e.sequence)
	}
	customer, err := base64.RawURLEncoding.DecodeString(e.header.Get(headerCustomer))
	owner = Customer{Account: tokens[1], ID: string(customer)}
	if err != nil || owner.check() != nil || !strings.HasPrefix(e.subject, customerSubject(owner)+".") {
		return owner, "", "", fmt.Errorf("store: the entry %d is not of the customer that its subject names", e.sequence)
	}
	return owner, tokens[3], tokens[4], nil
}

// decode reads an entry of any kind.
func (e *entry) decode() (*Entry, error) {
	owner, kind, id, err := e.names()
	if err != nil {
		return nil, err
	}
	entry := &Entry{Customer: owner, Last: after(e.sequence)}
	if kind == "m" && e.isEnd() {
		if _, err := e.version(); err != nil {
			return nil, err
		}
		if !wire.IsUUID(id) || e.subject != messageSubject(owner, id, indexOf(e.subject)) {
			return nil, fmt.Errorf("store: the end mark %d is not where one can be", e.sequence)
		}
		entry.IntegrationID, entry.EngagementID, entry.isEnd = e.header.Get(headerIntegration), id, true
		return entry, nil
	}
	switch kind {
	case "m":
		m, err := e.message(owner)
		if err != nil {
			return nil, err
		}
		entry.IntegrationID = e.header.Get(headerIntegration)
		entry.EngagementID = m.EngagementID
		entry.Message = &m
		entry.Events = []EncodedEvent{{ID: position(e.sequence, 0), Type: wire.EventMessages, JSON: e.data}}
	case "e", "s":
		k, err := e.commit()
		if err != nil {
			return nil, err
		}
		if k.Engagement != nil {
			entry.Engagement = k.Engagement
			entry.EngagementID = k.Engagement.EngagementID
			entry.IntegrationID = k.Engagement.IntegrationID
		} else {
			entry.IntegrationID = k.Session.IntegrationID
		}
		for i, event := range k.Events {
			entry.Events = append(entry.Events, EncodedEvent{
				ID: position(e.sequence, i), Type: event.Type, SessionID: event.SessionID, JSON: event.Event,
			})
		}
	default:
		return nil, fmt.Errorf("store: the subject of entry %d is not one of ours", e.sequence)
	}
	return entry, nil
}
