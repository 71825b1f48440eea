package store

import (
	"context"
	"strconv"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// deadNode is what a gateway sees of a cluster one of whose nodes has died a moment ago: the
// first consumer is given to that node, and nobody answers for it, however often it is asked for.
type deadNode struct {
	jetstream.JetStream
	mu   sync.Mutex
	name string // of that consumer
}

func (n *deadNode) CreateConsumer(ctx context.Context, stream string, cfg jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	n.mu.Lock()
	if n.name == "" {
		n.name = cfg.Name
	}
	name := n.name
	n.mu.Unlock()
	if cfg.Name == name {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return n.JetStream.CreateConsumer(ctx, stream, cfg)
}

func TestConsumersThatGoAreReplaced(t *testing.T) {
	s, ctx := openStore(t, Config{}), testContext(t)
	session := newSession(t, s, ann, "s")
	e := newChat(t, s, session, "e")
	caughtUp(t, s)
	received := make(chan string, 8)
	if err := s.Follow(ctx, func(e Entry) {
		if e.Message != nil {
			received <- e.Message.Body.Text
		}
	}); err != nil {
		t.Fatal(err)
	}
	say := func(text string) {
		t.Helper()
		if _, _, err := s.Append(ctx, ann, e.EngagementID, from(session, text, text)); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, received); got != text {
			t.Fatalf("received %q, not %q", got, text)
		}
	}
	say("before")
	// The follower's goroutine reads the field only after its consumer has gone.
	s.followJS = &deadNode{JetStream: s.followJS}
	for name := range s.stream.ConsumerNames(ctx).Name() {
		if err := s.js.DeleteConsumer(ctx, streamName, name); err != nil {
			t.Fatal(err)
		}
	}
	say("after its end")

	// A scan goes on where the consumer before it was lost, with each entry once.
	for i := range 20 {
		say(strconv.Itoa(i))
	}
	s.readJS = &deadNode{JetStream: s.readJS}
	var sequences []uint64
	if err := s.each(ctx, jetstream.ConsumerConfig{FilterSubject: allEntries, DeliverPolicy: jetstream.DeliverAllPolicy}, func(e *entry) bool {
		sequences = append(sequences, e.sequence)
		if len(sequences) == 5 {
			for name := range s.stream.ConsumerNames(ctx).Name() {
				_ = s.js.DeleteConsumer(ctx, streamName, name)
			}
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	for i, sequence := range sequences {
		if sequence != uint64(i+1) {
			t.Fatalf("entry %d is given as number %d", sequence, i+1)
		}
	}
	if last := s.follow.sequence(); uint64(len(sequences)) != last {
		t.Errorf("%d entries are given of %d", len(sequences), last)
	}
}

// What another gateway removes while it is read is not waited for: as the trimming of two gateways
// meets it, each of which counts what the other removes.
func TestReadingEndsWhenTheRestIsRemovedMeanwhile(t *testing.T) {
	s, ctx := openStore(t, Config{}), testContext(t)
	session := newSession(t, s, ann, "s")
	e := newChat(t, s, session, "e")
	// More than the server sends of a consumer before it is asked for more.
	const sentAtOnce = 500
	for i := range sentAtOnce + 10 {
		if _, _, err := s.Append(ctx, ann, e.EngagementID, from(session, "text", strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	if err := s.each(ctx, jetstream.ConsumerConfig{FilterSubject: allEntries, DeliverPolicy: jetstream.DeliverAllPolicy}, func(*entry) bool {
		n++
		if n == 1 {
			if err := s.stream.Purge(ctx); err != nil {
				t.Error(err)
			}
		}
		return true
	}); err != nil {
		t.Fatalf("%d entries were read, then: %v", n, err)
	}
	if n == 0 || n > sentAtOnce {
		t.Errorf("%d entries were read, want those that were on the way", n)
	}
}
