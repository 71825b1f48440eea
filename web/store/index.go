package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"openchat/sdk/wire"
)

// index holds the engagements that have not ended, by customer, so that a listing costs
// what it answers with and not what its customer has ever begun. The follower feeds it, in
// the stream's order; what was there before the follower began comes from one scan. Of two
// states of an engagement the one with the newer EventID stays, so the two may overlap.
type index struct {
	s *Store

	mu       sync.Mutex
	chats    map[Customer]map[string]*indexed
	accounts map[string]int          // how many ongoing engagements each account has
	ended    map[string]wire.EventID // ends met during a scan, which may still bring an older state; nil without a scan
	built    chan struct{}           // closed when the scan is complete
	closing  map[string]*time.Timer  // by engagementId: those whose end mark has come and whose end has not
	again    bool                    // entries were lost since the scan began: another must follow
}

type indexed struct {
	engagement *Engagement // shared: read only
	stored     time.Time   // when the state was stored, from which its age counts
	bad        error       // the newest entry cannot be read: what the engagement's state is, is not known
}

// verifyEvery is how often the index is compared with the stream: what reaches its maximum
// age, or is removed by an operator's hand, leaves without an entry that says so.
const verifyEvery = time.Hour

func newIndex(s *Store) *index {
	x := &index{s: s, closing: map[string]*time.Timer{}}
	x.reset()
	return x
}

// reset empties the index: a scan has to follow. x.mu is held, except in newIndex.
func (x *index) reset() {
	x.chats, x.accounts = map[Customer]map[string]*indexed{}, map[string]int{}
	x.ended, x.built = map[string]wire.EventID{}, make(chan struct{})
}

// put takes a state of an engagement, unless a newer one is known.
func (x *index) put(e *Engagement, stored time.Time) { x.set(&indexed{engagement: e, stored: stored}) }

// putUnreadable takes an entry of an engagement that cannot be read.
func (x *index) putUnreadable(raw *entry, err error) {
	owner, kind, id, badNames := raw.names()
	if badNames != nil || kind != "e" || !wire.IsUUID(id) {
		return
	}
	x.set(&indexed{&Engagement{Customer: owner, EngagementID: id, EventID: after(raw.sequence)}, raw.stored, err})
}

func (x *index) set(i *indexed) {
	e := i.engagement
	x.mu.Lock()
	defer x.mu.Unlock()
	chats := x.chats[e.Customer]
	old := chats[e.EngagementID]
	if old != nil && old.engagement.EventID > e.EventID || x.ended[e.EngagementID] > e.EventID {
		return
	}
	if e.Ended() {
		x.endReceived(e.EngagementID)
		if x.ended != nil {
			x.ended[e.EngagementID] = e.EventID
		}
		x.remove(e.Customer, e.EngagementID)
		return
	}
	if chats == nil {
		chats = map[string]*indexed{}
		x.chats[e.Customer] = chats
	}
	if old == nil {
		x.accounts[e.Customer.Account]++
	}
	chats[e.EngagementID] = i
}

// remove takes an engagement out. x.mu is held.
func (x *index) remove(c Customer, engagementID string) {
	chats := x.chats[c]
	if chats[engagementID] == nil {
		return
	}
	delete(chats, engagementID)
	if len(chats) == 0 {
		delete(x.chats, c)
	}
	if x.accounts[c.Account]--; x.accounts[c.Account] == 0 {
		delete(x.accounts, c.Account)
	}
}

// get returns the state of an ongoing engagement, nil when there is none.
func (x *index) get(c Customer, engagementID string) *Engagement {
	x.mu.Lock()
	defer x.mu.Unlock()
	if i := x.chats[c][engagementID]; i != nil && i.bad == nil {
		return i.engagement
	}
	return nil
}

// has reports whether the engagement is ongoing, or its state cannot be read.
func (x *index) has(c Customer, engagementID string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.chats[c][engagementID] != nil
}

// of returns the customer's ongoing engagements, oldest first; an error when one of them
// cannot be read.
func (x *index) of(c Customer) ([]Engagement, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	list := make([]Engagement, 0, len(x.chats[c]))
	for _, i := range x.chats[c] {
		if i.bad != nil {
			return nil, i.bad
		}
		if x.kept(i) {
			list = append(list, *i.engagement)
		}
	}
	slices.SortFunc(list, func(a, b Engagement) int {
		if d := a.CreatedAt.Compare(b.CreatedAt); d != 0 {
			return d
		}
		return strings.Compare(a.EngagementID, b.EngagementID)
	})
	return list, nil
}

// all returns every ongoing engagement that can be read, in no particular order.
func (x *index) all() []Engagement {
	x.mu.Lock()
	defer x.mu.Unlock()
	var list []Engagement
	for _, chats := range x.chats {
		for _, i := range chats {
			if x.kept(i) && i.bad == nil {
				list = append(list, *i.engagement)
			}
		}
	}
	return list
}

// kept reports whether the engagement is not as old yet as the stream forgets it.
func (x *index) kept(i *indexed) bool { return time.Since(i.stored) < x.s.cfg.MaxAge }

// wait returns when the index is complete.
func (x *index) wait(ctx context.Context) error {
	x.mu.Lock()
	built := x.built
	x.mu.Unlock()
	select {
	case <-built:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-x.s.ctx.Done():
		return errClosed
	}
}

// run compares the index with the stream until the store is closed.
func (x *index) run() {
	defer x.s.wg.Done()
	tick := time.NewTicker(verifyEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := x.verify(x.s.ctx); err != nil && x.s.ctx.Err() == nil {
				x.s.log.Warn("comparing the ongoing chats with the stream failed, it is done again later", "error", err)
			}
		case <-x.s.ctx.Done():
			return
		}
	}
}

// verifyBatch is how many engagements one request of verify asks for.
const verifyBatch = 100

// verify takes out of the index what the stream does not have any more.
func (x *index) verify(ctx context.Context) error {
	list := x.everything()
	for len(list) > 0 {
		batch := list[:min(verifyBatch, len(list))]
		list = list[len(batch):]
		bySubject := map[string]*Engagement{}
		subjects := make([]string, 0, len(batch))
		for _, e := range batch {
			subject := engagementSubject(e.Customer, e.EngagementID)
			bySubject[subject] = e
			subjects = append(subjects, subject)
		}
		found, err := x.s.lastOf(ctx, subjects...)
		if err != nil {
			return err
		}
		for i := range found {
			delete(bySubject, found[i].subject)
		}
		for subject, e := range bySubject {
			// Any replica may have answered; only the leader is certain.
			if _, err := x.s.last(ctx, subject); err == nil {
				continue
			} else if !errors.Is(err, ErrNotFound) {
				return err
			}
			x.forget(e)
		}
	}
	return nil
}

// everything returns what the index holds, also what is too old to be listed.
func (x *index) everything() []*Engagement {
	x.mu.Lock()
	defer x.mu.Unlock()
	var list []*Engagement
	for _, chats := range x.chats {
		for _, i := range chats {
			list = append(list, i.engagement)
		}
	}
	return list
}

// forget takes out an engagement that the stream does not have any more, unless a newer
// state has come meanwhile.
func (x *index) forget(e *Engagement) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if i := x.chats[e.Customer][e.EngagementID]; i != nil && i.engagement.EventID == e.EventID {
		x.remove(e.Customer, e.EngagementID)
	}
}

// rebuild begins the index anew, because entries were lost to the follower.
func (x *index) rebuild() {
	x.mu.Lock()
	defer x.mu.Unlock()
	select {
	case <-x.built:
	default:
		x.again = true
		return
	}
	x.reset()
	x.s.wg.Add(1)
	go func() {
		defer x.s.wg.Done()
		for try := 0; ; try++ {
			err := x.build(x.s.ctx)
			if err == nil || x.s.ctx.Err() != nil {
				return
			}
			x.s.log.Error("reading the ongoing chats failed, trying again", "error", err)
			if x.s.pause(x.s.ctx, min(try+4, 8)) != nil {
				return
			}
		}
	}()
}

// build completes the index by a scan of what is stored. The follower has begun before, so
// what is stored during the scan comes from there.
func (x *index) build(ctx context.Context) error {
	for {
		if err := x.scan(ctx); err != nil {
			return err
		}
		x.mu.Lock()
		if !x.again {
			x.ended = nil
			close(x.built)
			x.mu.Unlock()
			return nil
		}
		x.again = false
		built := x.built
		x.reset()
		x.built = built
		x.mu.Unlock()
	}
}

func (x *index) scan(ctx context.Context) error {
	// When a consumer was lost, the next goes on with every entry, no longer with the last of
	// each subject only: what it then gives first is out of date.
	newest := map[string]*indexed{}
	err := x.s.each(ctx, jetstream.ConsumerConfig{
		FilterSubjects: []string{allEngagements},
		DeliverPolicy:  jetstream.DeliverLastPerSubjectPolicy,
	}, func(raw *entry) bool {
		e, err := raw.engagement()
		if err != nil {
			x.s.log.Error("an entry cannot be read", "sequence", raw.sequence, "error", err)
			x.putUnreadable(raw, err)
			return true
		}
		if e.Ended() {
			delete(newest, e.EngagementID)
		} else {
			newest[e.EngagementID] = &indexed{engagement: e, stored: raw.stored}
		}
		return true
	})
	if err != nil {
		return err
	}
	for _, i := range newest {
		x.set(i)
	}
	return nil
}

// Engagements returns the customer's ongoing ones, oldest first, as they are stored by any
// gateway when it is called. What it costs does not depend on how many have ended. The
// engagements' members are shared: read only.
func (s *Store) Engagements(ctx context.Context, c Customer) ([]Engagement, error) {
	if c.check() != nil {
		return nil, nil
	}
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	return s.ongoing.of(c)
}

// Open calls fn with every engagement that has not ended, of all customers, in no
// particular order, as they are stored by any gateway when it is called; without those that
// cannot be read. The engagements' members are shared: read only.
func (s *Store) Open(ctx context.Context, fn func(Engagement)) error {
	if err := s.catchUp(ctx); err != nil {
		return err
	}
	for _, e := range s.ongoing.all() {
		fn(e)
	}
	return nil
}

// Ongoing returns how many engagements of the customer have not ended: with what this
// process has stored, and with what other gateways have as far as it has reached this one. It reads
// nothing from NATS; it waits for this process's own last write to come back.
func (s *Store) Ongoing(ctx context.Context, c Customer) (int, error) {
	if err := s.catchUpTo(ctx, s.written.Load()); err != nil {
		return 0, err
	}
	x := s.ongoing
	x.mu.Lock()
	defer x.mu.Unlock()
	n := 0
	for _, i := range x.chats[c] {
		if x.kept(i) {
			n++
		}
	}
	return n, nil
}

// OngoingOfAccount returns how many engagements of the account's customers have not ended, as
// far as this process knows at once: the newest writes may be missing, and chats that
// the stream has forgotten may count for up to an hour more.
func (s *Store) OngoingOfAccount(account string) int {
	s.ongoing.mu.Lock()
	defer s.ongoing.mu.Unlock()
	return s.ongoing.accounts[account]
}

// catchUp returns when this process has received all that is stored when it is called, and
// the index holds it.
func (s *Store) catchUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	last := s.written.Load()
	if !s.Alone() {
		err := s.persist(ctx, func(ctx context.Context) error {
			info, err := s.stream.Info(ctx)
			if err == nil {
				last = max(last, info.State.LastSeq)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return s.catchUpTo(ctx, last)
}

// catchUpTo returns when this process has received the entry of that sequence and all
// before it, and the index holds them.
func (s *Store) catchUpTo(ctx context.Context, sequence uint64) error {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	if err := s.follow.reach(ctx, sequence); err != nil {
		return err
	}
	return s.ongoing.wait(ctx)
}
