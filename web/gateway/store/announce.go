package store

import (
	"context"

	"github.com/nats-io/nats.go"
)

// announcements is outside of the stream's subjects: what is said here is not kept.
const announcements = "openchat.gateways"

// Announce tells the other processes on this store something, at best: it is not kept,
// and who is not connected does not hear it. With the server inside this process there
// is nobody else, and nothing is sent.
func (s *Store) Announce(text []byte) {
	if s.server != nil {
		return
	}
	if err := s.nc.Publish(announcements, text); err != nil && s.ctx.Err() == nil {
		s.log.Warn("other gateways were not told", "error", err)
	}
}

// Hear calls fn with what other processes announce, and what this one does, on one
// goroutine, until ctx ends. fn must not block.
func (s *Store) Hear(ctx context.Context, fn func(text []byte)) error {
	if s.server != nil {
		return nil
	}
	sub, err := s.nc.Subscribe(announcements, func(m *nats.Msg) { fn(m.Data) })
	if err != nil {
		return err
	}
	// An error says that the connection is gone, and the subscription with it.
	context.AfterFunc(ctx, func() { _ = sub.Unsubscribe() })
	return nil
}
