package metrics

import (
	"context"
	"log/slog"
)

// PanicMessage is the message of the log's line about a panic, by which panics are counted.
const PanicMessage = "recovered from a panic"

// Log returns a handler that counts the lines of next that are at WARN or ERROR, also where next does
// not write them, and those about panics.
func (m *Metrics) Log(next slog.Handler) slog.Handler {
	if m == nil {
		return next
	}
	return counted{m, next}
}

type counted struct {
	m    *Metrics
	next slog.Handler
}

func (c counted) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || c.next.Enabled(ctx, level)
}

func (c counted) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == PanicMessage {
		c.m.panics.Inc()
	}
	switch {
	case r.Level >= slog.LevelError:
		c.m.lines.WithLabelValues(levelError).Inc()
	case r.Level >= slog.LevelWarn:
		c.m.lines.WithLabelValues(levelWarn).Inc()
	}
	if !c.next.Enabled(ctx, r.Level) {
		return nil
	}
	return c.next.Handle(ctx, r)
}

func (c counted) WithAttrs(list []slog.Attr) slog.Handler {
	return counted{c.m, c.next.WithAttrs(list)}
}

func (c counted) WithGroup(name string) slog.Handler { return counted{c.m, c.next.WithGroup(name)} }
