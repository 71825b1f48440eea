package store

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"openchat/web/metrics"
	"openchat/web/tracing"
)

// spanNames are what the parts of traces are called that requests to NATS are.
var spanNames = map[metrics.Operation]string{
	metrics.Write: "store write", metrics.Read: "store read", metrics.Page: "store page", metrics.Scan: "store scan",
}

// begin begins the part of a trace, if ctx is in one, that a request to NATS is.
func (s *Store) begin(ctx context.Context, o metrics.Operation) (context.Context, *tracing.Span) {
	return s.cfg.Traces.Start(ctx, spanNames[o])
}

// timed, deferred with a pointer to what is returned, notes a request to NATS that began then.
func (s *Store) timed(span *tracing.Span, o metrics.Operation, begun time.Time, err *error) {
	outcome := metrics.Failed
	switch {
	case *err == nil, errors.Is(*err, ErrNotFound):
		outcome = metrics.OK
	case errors.Is(*err, errConflict):
		outcome = metrics.Conflict
	case errors.Is(*err, ErrNoWrites):
		outcome = metrics.Full
	case errors.Is(*err, context.Canceled), errors.Is(*err, errClosed):
		outcome = metrics.Canceled
	}
	s.cfg.Metrics.Stored(o, outcome, time.Since(begun))
	span.End(string(outcome), outcome == metrics.Failed || outcome == metrics.Full)
}

// Observe fills in what the store knows of a State, without a request to NATS.
func (s *Store) Observe(state *metrics.State) {
	state.Sequence = s.follow.sequence()
	state.Writable = s.health.admit() == nil
	for _, c := range []struct {
		name string
		js   jetstream.JetStream
	}{{"writing", s.js}, {"following", s.followJS}, {"reading", s.readJS}} {
		nc := c.js.Conn()
		state.NATS = append(state.NATS, metrics.Connection{Name: c.name, Connected: nc.IsConnected(), Reconnects: nc.Stats().Reconnects})
	}
	if s.server == nil {
		return
	}
	if space, err := spaceOf(s.server.dir); err == nil {
		state.Space = append(state.Space, metrics.Space{Of: "file-system", Used: space.used, Limit: space.used + space.free})
	}
	if bytes, ok := s.server.used(); ok && s.cfg.MaxStore > 0 {
		state.Space = append(state.Space, metrics.Space{Of: "max-store", Used: bytes, Limit: s.cfg.MaxStore})
	}
}
