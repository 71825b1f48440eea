package store

import (
	"context"

	"github.com/nats-io/nats.go"
)

// Topic is what an announcement is about. It is outside of the stream's subjects: what is
// announced is not kept.
type Topic string

// Topics.
const (
	TopicStreams  Topic = "openchat.gateways" // which gateway has a session's stream
	TopicPresence Topic = "openchat.presence" // who is connected where
)

// Alone reports whether no other process can be on this store: its server is inside this
// process.
func (s *Store) Alone() bool { return s.server != nil }

// Announce sends something to the other processes on this store, at best: it is not kept,
// and who is not connected does not receive it. With the server inside this process there
// is nobody else, and nothing is sent.
func (s *Store) Announce(topic Topic, text []byte) {
	if s.server != nil {
		return
	}
	if err := s.nc.Publish(string(topic), text); err != nil && s.ctx.Err() == nil {
		s.log.Warn("an announcement to other gateways failed", "error", err)
	}
}

// Subscribe calls fn with what other processes announce on that topic, and what this one does, on one
// goroutine, until ctx ends. fn must not block.
func (s *Store) Subscribe(ctx context.Context, topic Topic, fn func(text []byte)) error {
	if s.server != nil {
		return nil
	}
	sub, err := s.nc.Subscribe(string(topic), func(m *nats.Msg) { fn(m.Data) })
	if err != nil {
		return err
	}
	// An error says that the connection is gone, and the subscription with it.
	context.AfterFunc(ctx, func() { _ = sub.Unsubscribe() })
	return nil
}
