package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// heartbeat is half of the time without a sign of life after which a consumer is taken for
// lost, as one of a cluster whose node has died.
const heartbeat = time.Second

// createWait bounds the first attempt to create a consumer. A cluster may give a consumer to
// a node that has just died, which then answers nothing.
const createWait = 2 * time.Second

// maxRereads bounds how often each goes on with another consumer.
const maxRereads = 5

// eachBytes bounds what the server sends of a consumer before it is asked for more. It is
// more than the largest entry.
const eachBytes = 4 << 20

// errReconnected ends a consumer: what the server had sent is lost with the connection.
var errReconnected = errors.New("the connection was lost meanwhile")

// read delivers entries, in order, over one consumer of that kind until fn returns false,
// ctx ends, or it fails: then another may go on after the newest entry that fn was given. wait bounds
// the consumer's creation; created is then called with how many entries there are for it, and ends the
// reading when it returns false. fn is not called after read has returned. Where present is true,
// read also ends when the stream has no more for the consumer. It does so without a call of fn
// where the entries still to come are removed meanwhile.
//
// The library's ordered consumer does about the same. But where creating its consumer anew has
// failed, it repeats that with the same name, which goes to the same dead node of a cluster
// for as long as that is dead.
func (s *Store) read(ctx context.Context, js jetstream.JetStream, wait time.Duration, cfg jetstream.ConsumerConfig, present bool, created func(pending uint64) bool, fn func(jetstream.Msg, *jetstream.MsgMetadata) bool) error {
	status := js.Conn().StatusChanged(nats.CONNECTED)
	defer js.Conn().RemoveStatusListener(status)
	cfg.Name = random()
	cfg.AckPolicy = jetstream.AckNonePolicy
	cfg.MemoryStorage = true
	cfg.Replicas = 1
	cfg.InactiveThreshold = time.Minute
	limit, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	consumer, err := js.CreateConsumer(limit, streamName, cfg)
	if err != nil {
		return fmt.Errorf("creating a consumer: %w", err)
	}
	// Freed at the server now rather than when it has been idle.
	defer s.deleteConsumer(js, cfg.Name)
	if !created(consumer.CachedInfo().NumPending) {
		return nil
	}

	var mu sync.Mutex // held while fn runs
	over := false
	last := uint64(0)
	end := make(chan error, 1)
	finish := func(err error) {
		select {
		case end <- err:
		default:
		}
	}
	consume, err := consumer.Consume(func(m jetstream.Msg) {
		mu.Lock()
		defer mu.Unlock()
		if over {
			return
		}
		meta, err := m.Metadata()
		switch {
		case err != nil:
		case meta.Sequence.Consumer != last+1:
			err = fmt.Errorf("entry %d of the consumer came after %d", meta.Sequence.Consumer, last)
		default:
			last++
			if fn(m, meta) {
				return
			}
		}
		over = true
		finish(err)
	}, jetstream.PullMaxMessagesWithBytesLimit(500, eachBytes), jetstream.PullHeartbeat(heartbeat),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) { finish(err) }))
	if err != nil {
		return err
	}
	delivered := func() uint64 {
		mu.Lock()
		defer mu.Unlock()
		return last
	}
	var silence <-chan time.Time
	if present {
		ticks := time.NewTicker(heartbeat)
		defer ticks.Stop()
		silence = ticks.C
	}
	for before, waiting := uint64(0), true; waiting; {
		waiting = false
		select {
		case err = <-end:
		case <-status:
			err = errReconnected
		case <-ctx.Done():
			err = ctx.Err()
		case <-silence:
			now := delivered()
			waiting = now != before || !hasDelivered(ctx, consumer, now)
			before = now
		}
	}
	consume.Stop()
	mu.Lock() // a call of fn may be running still
	over = true
	mu.Unlock()
	return err
}

// hasDelivered reports whether the server has nothing for the consumer after its n-th entry.
func hasDelivered(ctx context.Context, consumer jetstream.Consumer, n uint64) bool {
	ctx, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	// A consumer that does not answer is lost, which its missing heartbeats show.
	info, err := consumer.Info(ctx)
	return err == nil && info.NumPending == 0 && info.Delivered.Consumer == n
}

// each calls fn with every entry that a consumer of that kind delivers, once it is known to be kept,
// until there are no more, or fn returns false. When a consumer is lost it goes on with another, which then delivers every
// entry after the last, whatever the policy was. It is for reads that may be long; a
// consumer costs more than a get.
func (s *Store) each(ctx context.Context, cfg jetstream.ConsumerConfig, fn func(*entry) bool) error {
	for try := 0; ; try++ {
		var lost error
		err := s.read(ctx, s.readJS, min(createWait<<try, readWait), cfg, true, func(pending uint64) bool { return pending > 0 }, func(m jetstream.Msg, meta *jetstream.MsgMetadata) bool {
			e := &entry{subject: m.Subject(), sequence: meta.Sequence.Stream, stored: meta.Timestamp, header: m.Headers(), data: m.Data()}
			if lost = s.disk.confirm(ctx, e.sequence); lost != nil {
				return false
			}
			cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, e.sequence+1
			return fn(e) && meta.NumPending > 0
		})
		err = cmp.Or(lost, err)
		if err == nil || lost != nil || ctx.Err() != nil || try == maxRereads {
			return err
		}
		if err := s.pause(ctx, try+4); err != nil {
			return err
		}
	}
}

func (s *Store) deleteConsumer(js jetstream.JetStream, name string) {
	if s.ctx.Err() != nil {
		return // the connection closes
	}
	s.wg.Go(func() {
		ctx, cancel := bounded(s.ctx)
		defer cancel()
		// A lost one of a cluster, or of a connection that is away, is left to its timeout.
		_ = js.DeleteConsumer(ctx, streamName, name)
	})
}
