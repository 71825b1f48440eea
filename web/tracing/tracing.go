// Package tracing follows a call to the events that it causes, and sends what it sees to an
// OpenTelemetry collector: the call, what it reads and writes in the store, and the writing of each event
// to each socket, at this gateway and at the others of the store. A trace goes from gateway to gateway
// with the stored entry, as a traceparent (W3C Trace Context).
//
//	t, err := tracing.New(tracing.Config{Endpoint: "http://127.0.0.1:4318", OneIn: 10, …})
//	…
//	ctx, call := t.Call(ctx, arrived, account)	// one in ten begins a trace
//	ctx, write := t.Start(ctx, "store write")	// a part of it; nil where there is none
//	header := write.Traceparent()
//	write.End("ok", false)
//	call.Answered(method, pattern, status)
//	…
//	cause := t.Cause(header)	// at any gateway, when the entry has arrived
//	cause.Event(account, "MESSAGES").Sent(tracing.Customer, sessionID)
//	…
//	t.Close(ctx)
//
// The methods of a nil Tracer, Span, Cause and Delivery do nothing and allocate nothing, so that who
// does not trace needs no test and pays nothing.
//
// Nothing that a client sends decides whether there is a trace, and spans hold words of the code, accounts,
// and the ids of sessions and chats only: never a token, a text, a name, an address or a customer's id.
package tracing

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Tracer makes the spans of one process. Make one with New. Its methods are safe for concurrent use.
type Tracer struct {
	oneIn    int
	tracer   trace.Tracer
	provider *sdktrace.TracerProvider
	queue    *queue
}

// Attributes of spans, beside those of the conventions for HTTP.
const (
	attributeAccount    = "openchat.account"
	attributeSession    = "openchat.session_id"
	attributeEngagement = "openchat.engagement_id"
	attributeOutcome    = "openchat.outcome"
	attributeReceiver   = "openchat.receiver"
)

// maxValue is the longest value of an attribute, in bytes; of a longer one the beginning is sent.
const maxValue = 128

// Span is a part of a trace that has begun. End or Answered ends it; what comes after that does nothing.
type Span struct{ span trace.Span }

// Call begins a trace with a call that arrived then, for one call in Config.OneIn, and returns a
// context that makes what Start begins a part of it. For the others the span is nil. account is ""
// where the call is not about one.
func (t *Tracer) Call(ctx context.Context, arrived time.Time, account string) (context.Context, *Span) {
	if t == nil || rand.IntN(t.oneIn) != 0 {
		return ctx, nil
	}
	// A root in any case: whatever a client has sent is not its parent.
	ctx, span := t.tracer.Start(ctx, "call", trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(arrived))
	setText(span, attributeAccount, account)
	return ctx, &Span{span}
}

// methods are those that stand in spans; a client may send any.
var methods = map[string]bool{"GET": true, "HEAD": true, "POST": true, "PUT": true, "PATCH": true, "DELETE": true, "OPTIONS": true}

// Answered ends the span of a call. pattern is that of its route, with or without a method, as
// http.Request.Pattern. status is 0 where the answer broke off.
func (s *Span) Answered(method, pattern string, status int) {
	if s == nil {
		return
	}
	if !methods[method] {
		method = "_OTHER" // of the conventions
	}
	if _, path, ok := strings.Cut(pattern, " "); ok {
		pattern = path
	}
	s.span.SetName(method + " " + pattern)
	s.span.SetAttributes(attribute.String("http.request.method", method), attribute.String("http.route", pattern))
	if status != 0 {
		s.span.SetAttributes(attribute.Int("http.response.status_code", status))
	}
	if status == 0 || status >= 500 {
		s.span.SetStatus(codes.Error, "")
	}
	s.span.End()
}

// Start begins a part of the trace that ctx is in. It returns ctx and nil where ctx is in none.
func (t *Tracer) Start(ctx context.Context, name string) (context.Context, *Span) {
	if t == nil || !trace.SpanContextFromContext(ctx).IsSampled() {
		return ctx, nil
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient))
	return ctx, &Span{span}
}

// Continue is Start for work that the entry with that traceparent has caused.
func (t *Tracer) Continue(ctx context.Context, traceparent, name string) (context.Context, *Span) {
	parent, ok := t.parse(traceparent)
	if !ok {
		return ctx, nil
	}
	ctx, span := t.tracer.Start(trace.ContextWithRemoteSpanContext(ctx, parent), name, trace.WithSpanKind(trace.SpanKindConsumer))
	return ctx, &Span{span}
}

// About says which session or chat of an account the span is about; "" is left out.
func (s *Span) About(account, sessionID, engagementID string) {
	if s != nil {
		setText(s.span, attributeAccount, account)
		setText(s.span, attributeSession, sessionID)
		setText(s.span, attributeEngagement, engagementID)
	}
}

func setText(span trace.Span, key, value string) {
	if value != "" {
		span.SetAttributes(attribute.String(key, value))
	}
}

// End ends the span. outcome is a word of the code; failed, that it is one for an engineer.
func (s *Span) End(outcome string, failed bool) {
	if s == nil {
		return
	}
	setText(s.span, attributeOutcome, outcome)
	if failed {
		s.span.SetStatus(codes.Error, "")
	}
	s.span.End()
}

// traceparentSize is the length of a traceparent, in bytes.
const traceparentSize = 55

// Traceparent is what makes others' spans parts of s; "" for nil.
func (s *Span) Traceparent() string {
	if s == nil {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpan(context.Background(), s.span), carrier)
	return carrier["traceparent"]
}

// parse reads a traceparent; false without one, for one that is malformed, and for one of a trace
// that nobody records.
func (t *Tracer) parse(traceparent string) (trace.SpanContext, bool) {
	if t == nil || len(traceparent) != traceparentSize {
		return trace.SpanContext{}, false
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": traceparent})
	parent := trace.SpanContextFromContext(ctx)
	return parent, parent.IsSampled()
}

// maxDeliveries is how many writings to sockets are recorded of one entry at one gateway.
const maxDeliveries = 100

// Cause is the part of a trace that an entry of the store belongs to, from the arrival of the entry at this
// process on. It is shared by all to whom events of the entry are sent.
type Cause struct {
	t       *Tracer
	parent  trace.SpanContext
	arrived time.Time
	left    atomic.Int32 // of maxDeliveries
}

// Cause returns that of an entry that has just arrived, by the traceparent that was stored with it. Nil
// where nothing is to be recorded.
func (t *Tracer) Cause(traceparent string) *Cause {
	parent, ok := t.parse(traceparent)
	if !ok {
		return nil
	}
	return t.cause(parent)
}

// CauseIn is Cause for what the call of ctx is about to send by itself.
func (t *Tracer) CauseIn(ctx context.Context) *Cause {
	if t == nil {
		return nil
	}
	parent := trace.SpanContextFromContext(ctx)
	if !parent.IsSampled() {
		return nil
	}
	return t.cause(parent)
}

func (t *Tracer) cause(parent trace.SpanContext) *Cause {
	c := &Cause{t: t, parent: parent, arrived: time.Now()}
	c.left.Store(maxDeliveries)
	return c
}

// Delivery is an event, or a frame, of a Cause on its way to sockets.
type Delivery struct {
	cause          *Cause
	account, event string
}

// Event returns the Delivery of an event of that type, a word of the code, of a chat or session of that account.
func (c *Cause) Event(account, event string) *Delivery {
	if c == nil {
		return nil
	}
	return &Delivery{c, account, event}
}

// Receiver says whose socket it is.
type Receiver string

// Receivers of events.
const (
	Customer Receiver = "customer"
	Desk     Receiver = "desk"
)

// Sent records that the event has been written to a socket. sessionID is "" where the socket has none.
func (d *Delivery) Sent(to Receiver, sessionID string) {
	if d == nil || d.cause.left.Add(-1) < 0 {
		return
	}
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), d.cause.parent)
	_, span := d.cause.t.tracer.Start(ctx, "deliver "+d.event, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(d.cause.arrived))
	setText(span, attributeReceiver, string(to))
	(&Span{span}).About(d.account, sessionID, "")
	span.End()
}
