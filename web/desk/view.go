package desk

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
	"openchat/web/store"
	"openchat/web/tracing"
)

// view is the projection: every chat that has not ended, the last that have, and
// the sockets that receive the changes. Its one lock makes a snapshot and the
// changes after it a whole: a socket joins and is given the snapshot under it,
// and every change is handed to the sockets under it.
type view struct {
	ready chan struct{} // closed when the present chats have been read

	mu      sync.Mutex
	chats   map[string]*entry
	ended   map[string][]string // by account: ids of ended chats, oldest first, at most keep
	keep    int
	sockets map[*socket]struct{}
}

type entry struct {
	engagement engagement
	newest     int64
	absence    absence
}

func newView(keep int) *view {
	return &view{
		ready:   make(chan struct{}),
		chats:   map[string]*entry{},
		ended:   map[string][]string{},
		keep:    keep,
		sockets: map[*socket]struct{}{},
	}
}

// put takes an engagement's state, unless it has a newer one, and sends it to the sockets.
// It comes from the store's own order as well as from calls that have just
// written, so that whoever was answered sees what they did. cause is the trace of the change, or nil.
func (v *view) put(e engagement, cause *tracing.Cause) {
	v.mu.Lock()
	defer v.mu.Unlock()
	old := v.chats[e.EngagementID]
	if old != nil && old.engagement.EventID >= e.EventID {
		return
	}
	now := &entry{engagement: e}
	if old != nil {
		now.newest = old.newest
		now.absence = old.absence
		if !old.engagement.AwaySince.IsZero() && e.AwaySince.IsZero() {
			// Another gateway has seen the customer: this one counts anew.
			now.absence.customer = time.Time{}
		}
	}
	v.chats[e.EngagementID] = now
	if stateOf(&e) == StateEnded && (old == nil || stateOf(&old.engagement) != StateEnded) {
		ended := append(v.ended[e.Customer.Account], e.EngagementID)
		if len(ended) > v.keep {
			delete(v.chats, ended[0])
			ended = ended[1:]
		}
		v.ended[e.Customer.Account] = ended
	}
	v.broadcast(e.Customer.Account, cause.Event(e.Customer.Account, "chat"), func() []byte {
		return chatFrame(now)
	})
}

// message notes the index of a message in that account and passes it to the sockets. cause is as of put.
func (v *view) message(account string, m *wire.Message, cause *tracing.Cause) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if e := v.chats[m.EngagementID]; e != nil {
		e.newest = max(e.newest, m.MessageIndex)
	}
	v.broadcast(account, cause.Event(account, "message"), func() []byte {
		return frame(`{"type":"message","message":`, m.Append(nil))
	})
}

// count notes that a message of that index exists.
func (v *view) count(engagementID string, index int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if e := v.chats[engagementID]; e != nil {
		e.newest = max(e.newest, index)
	}
}

// frame closes the object that head opens around body.
func frame(head string, body []byte) []byte {
	b := make([]byte, 0, len(head)+len(body)+1)
	b = append(b, head...)
	b = append(b, body...)
	return append(b, '}')
}

// broadcast queues a frame, encoded once, for every socket of the account.
func (v *view) broadcast(account string, traced *tracing.Delivery, frame func() []byte) {
	var f []byte
	for s := range v.sockets {
		if !s.who.accounts.Has(account) {
			continue
		}
		if f == nil {
			f = frame()
		}
		s.sendTraced(f, traced)
	}
}

func (v *view) remove(s *socket) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.sockets, s)
}

// checkSockets ends the desk's sockets whose credential now stands for somebody else, or
// whose pages may not use it any more.
func (v *view) checkSockets(d *Desk) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for s := range v.sockets {
		s.check(d)
	}
}

// restart has every socket connect anew and so take a new snapshot.
func (v *view) restart() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for s := range v.sockets {
		s.stop(wire.CloseGoingAway, "changes were missed")
	}
}

// get returns the state of a chat of those accounts; ok is false when this process knows
// none of that id.
func (v *view) get(of httpapi.Accounts, engagementID string) (e engagement, newest int64, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	c := v.chats[engagementID]
	if c == nil || !of.Has(c.engagement.Customer.Account) {
		return e, 0, false
	}
	return c.engagement, c.newest, true
}

// open returns the engagements that have not ended as far as is known here.
func (v *view) open() []engagement {
	v.mu.Lock()
	defer v.mu.Unlock()
	var list []engagement
	for _, c := range v.chats {
		if !c.engagement.Ended() {
			list = append(list, c.engagement)
		}
	}
	return list
}

// each calls fn, under the lock, with every chat that has not ended.
func (v *view) each(fn func(*engagement, *absence)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range v.chats {
		if !c.engagement.Ended() {
			fn(&c.engagement, &c.absence)
		}
	}
}

// forgetAbsences has every grace begin anew.
func (v *view) forgetAbsences() {
	v.each(func(_ *engagement, a *absence) { *a = absence{} })
}

// drop forgets a chat that the store has forgotten; for the desks it has ended.
func (v *view) drop(engagementID string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	c := v.chats[engagementID]
	delete(v.chats, engagementID)
	if c == nil || c.engagement.Ended() {
		return
	}
	c.engagement.Status = wire.EngagementTerminated
	v.broadcast(c.engagement.Customer.Account, nil, func() []byte {
		return chatFrame(c)
	})
}

// erase forgets the customer's chats that have ended, which are kept for late readers. Those
// that have not are of a customer who has come back.
func (v *view) erase(c store.Customer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for id, chat := range v.chats {
		if chat.engagement.Customer == c && chat.engagement.Ended() {
			delete(v.chats, id)
		}
	}
}

// group is the place of a chat's kind in the list.
func group(e *engagement) int {
	switch {
	case stateOf(e) != StateWaiting:
		return 2
	case e.Requeued:
		return 0
	}
	return 1
}

// lastGroup is the highest of them.
const lastGroup = 2

// errGap ends follow when the store says that entries were lost to it.
var errGap = errors.New("entries were deleted before they could be read")

// follow keeps the view until ctx ends or entries were lost. It first follows
// the changes and then reads what there is, so nothing falls between; what comes
// twice, put and newest recognise.
func (d *Desk) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err := d.store.Follow(ctx, func(e store.Entry) {
		switch {
		case e.Engagement != nil:
			d.view.put(engagementOf(*e.Engagement), e.Cause)
		case e.Message != nil:
			d.view.message(e.Customer.Account, e.Message, e.Cause)
		case e.Erased:
			d.view.erase(e.Customer)
		case e.Customer == store.Customer{}:
			cancel(errGap)
		}
	})
	if err != nil {
		return err
	}
	if err := d.read(ctx); err != nil {
		return err
	}
	d.ready.Do(func() { close(d.view.ready) })
	// The store forgets chats that nobody touches for long, and emits no event of it.
	again := time.NewTicker(time.Hour)
	defer again.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-again.C:
			if err := d.read(ctx); err != nil && ctx.Err() == nil {
				d.log.Warn("desk: looking for forgotten chats failed", "error", err)
			}
		}
	}
	if err := context.Cause(ctx); err != errGap {
		return err
	}
	// The desks missed what the follower missed; they take a new snapshot.
	d.view.restart()
	return errGap
}

// read brings the view up to what the store has.
func (d *Desk) read(ctx context.Context) error {
	var present []engagement
	if err := d.store.Open(ctx, func(e store.Engagement) { present = append(present, engagementOf(e)) }); err != nil {
		return err
	}
	// After a gap the view may hold chats that have ended unheard.
	for _, e := range d.view.open() {
		if !slices.ContainsFunc(present, func(p engagement) bool { return p.EngagementID == e.EngagementID }) {
			switch now, err := d.load(ctx, e.Customer, e.EngagementID); {
			case errors.Is(err, store.ErrNotFound):
				d.view.drop(e.EngagementID)
			case err != nil:
				return err
			default:
				present = append(present, now)
			}
		}
	}
	// Several at once: calls wait for this when the process starts, and each of them waits
	// for its answer more than it works.
	var wg sync.WaitGroup
	errs := make([]error, readers)
	for i := range readers {
		wg.Go(func() {
			for at := i; at < len(present) && errs[i] == nil; at += readers {
				errs[i] = d.readOne(ctx, present[at])
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// readers is how many chats are read at once.
const readers = 16

func (d *Desk) readOne(ctx context.Context, e engagement) error {
	d.view.put(e, nil)
	// Asked after put: a message that the follower sees from here on is counted by
	// it, one that it saw before the chat was known is in this answer.
	n, err := d.store.NewestIndex(ctx, e.Customer, e.EngagementID)
	if err == nil {
		d.view.count(e.EngagementID, n)
	}
	return err
}
