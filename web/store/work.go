package store

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"openchat/web/tracing"
)

const (
	// workAckWait is after how long without an answer a change is given again, to
	// any gateway: that is how long one that died holds it up.
	workAckWait = 10 * time.Second
	// workPending bounds the changes that are being worked on in all gateways.
	workPending = 256
	workLanes   = 16
	// workTraced is how old a change may be whose work still belongs to its trace: a consumer that is
	// made anew goes through all that is stored.
	workTraced = 10 * time.Minute
)

// Work delivers every change of an engagement at least once to one of the processes
// that call it with that name, and again until fn returns nil; it survives restarts. It is
// for a side of the chats that must act on changes, as the desk does for routing and the
// bot; name is the side's, and of the durable consumer. fn gets the state as of that
// change, which may not be the latest, and has 9 seconds. Changes of the same
// engagement come one at a time and in order, unless one had to be given again;
// those of others at the same time. Work returns when ctx ends, after the last fn.
func (s *Store) Work(ctx context.Context, name string, fn func(context.Context, Engagement) error) error {
	var consumer jetstream.Consumer
	err := s.persist(ctx, func(ctx context.Context) (err error) {
		consumer, err = s.followJS.CreateOrUpdateConsumer(ctx, streamName, jetstream.ConsumerConfig{
			Durable:       name,
			FilterSubject: allEngagements,
			DeliverPolicy: jetstream.DeliverAllPolicy,
			AckPolicy:     jetstream.AckExplicitPolicy,
			AckWait:       workAckWait,
			MaxDeliver:    -1,
			MaxAckPending: workPending,
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("store: cannot take up the work: %w", err)
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(2*workLanes), jetstream.PullHeartbeat(heartbeat))
	if err != nil {
		return fmt.Errorf("store: cannot take up the work: %w", err)
	}
	// Drained, so that what has been fetched is given back at once.
	stop := context.AfterFunc(ctx, messages.Drain)
	defer stop()
	stopToo := context.AfterFunc(s.ctx, messages.Stop)
	defer stopToo()

	var lanes [workLanes]chan jetstream.Msg
	var wg sync.WaitGroup
	for i := range lanes {
		lanes[i] = make(chan jetstream.Msg)
		wg.Go(func() {
			for m := range lanes[i] {
				s.work(ctx, name, m, fn)
			}
		})
	}
	defer wg.Wait()
	defer func() {
		for i := range lanes {
			close(lanes[i])
		}
	}()
	for {
		m, err := messages.Next()
		switch {
		case err == nil:
			lanes[maphash.String(stripeSeed, m.Subject())%workLanes] <- m
		case s.ctx.Err() != nil:
			return errClosed
		case errors.Is(err, jetstream.ErrMsgIteratorClosed) && ctx.Err() != nil:
			return nil
		case errors.Is(err, jetstream.ErrMsgIteratorClosed), errors.Is(err, jetstream.ErrConsumerDeleted):
			return fmt.Errorf("store: the work was ended: %w", err)
		default:
			// A lost heartbeat or connection: the iterator asks again by itself.
			s.log.Warn("waiting for work", "error", err)
			if s.pause(s.ctx, 8) != nil {
				return errClosed
			}
		}
	}
}

func (s *Store) work(ctx context.Context, name string, m jetstream.Msg, fn func(context.Context, Engagement) error) {
	if ctx.Err() != nil {
		// Another gateway gets it. Should this be lost, it gets it later.
		_ = m.Nak()
		return
	}
	meta, err := m.Metadata()
	if err != nil {
		s.log.Error("work without position", "error", err)
		return
	}
	raw := &entry{subject: m.Subject(), sequence: meta.Sequence.Stream, stored: meta.Timestamp, header: m.Headers(), data: m.Data()}
	e, err := raw.engagement()
	if err != nil {
		s.log.Error("work that cannot be read is left undone", "sequence", meta.Sequence.Stream, "error", err)
		if err := m.Term(); err != nil {
			s.log.Warn("acknowledging work", "error", err)
		}
		return
	}
	// Shorter than workAckWait, so that nobody else is given it while fn runs.
	one, cancel := context.WithTimeout(ctx, workAckWait-time.Second)
	one, span := s.continueTrace(one, raw, name)
	// Nobody may act on what is not kept.
	if err = s.disk.confirm(one, raw.sequence); err == nil {
		err = fn(one, *e)
	}
	span.End("", err != nil)
	cancel()
	if err == nil {
		err = m.Ack()
	} else {
		s.log.Warn("work failed and is tried again", "engagementId", e.EngagementID, "tried", meta.NumDelivered, "error", err)
		wait := 100 * time.Millisecond << min(meta.NumDelivered, 8)
		err = m.NakWithDelay(wait)
	}
	if err != nil && ctx.Err() == nil {
		// It is given again: at least once.
		s.log.Warn("acknowledging work", "error", err)
	}
}

// continueTrace makes work a part of the trace of the entry that it is about.
func (s *Store) continueTrace(ctx context.Context, e *entry, name string) (context.Context, *tracing.Span) {
	if s.cfg.Traces == nil || time.Since(e.stored) > workTraced {
		return ctx, nil
	}
	ctx, span := s.cfg.Traces.Continue(ctx, e.header.Get(headerTrace), "work "+name)
	if owner, _, id, err := e.names(); err == nil {
		span.About(owner.Account, "", id)
	}
	return ctx, span
}
