package tracing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Config says where traces go.
type Config struct {
	// Endpoint is the collector's URL, below which v1/traces takes OTLP over HTTP; see CheckEndpoint.
	Endpoint string
	// Header is sent with each request, as the collector's credential; see CheckHeader.
	Header http.Header
	// OneIn is how many calls there are for one that is traced: 1 to MaxOneIn; 0 means DefaultOneIn.
	OneIn int
	// Version is that of the process.
	Version string
	// Logger receives what goes wrong; nil discards it.
	Logger *slog.Logger
}

// Bounds of Config.OneIn.
const (
	DefaultOneIn = 10
	MaxOneIn     = 1_000_000
)

// serviceName is what the process is called unless OTEL_SERVICE_NAME says otherwise.
const serviceName = "openchat-gateway"

// Bounds of the sending. Nobody waits for it but a stop.
const (
	maxQueue   = 4096                   // spans that have ended and have not been sent
	maxBatch   = 512                    // spans in a request
	batchDelay = time.Second            // until a batch that is not full is sent
	batchTime  = 15 * time.Second       // for a batch, with its repetitions
	tryTime    = 5 * time.Second        // for a request
	firstPause = 500 * time.Millisecond // after a request that failed; then twice as long each time
	maxAnswer  = 64 << 10               // bytes of an answer that are read
	warnEvery  = time.Minute            // at most one warning in the log
)

// CheckEndpoint checks Config.Endpoint: an https or http URL without a user, query or fragment.
func CheckEndpoint(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return errors.New("not an http or https URL without a user, query or fragment, as http://127.0.0.1:4318")
	}
	return nil
}

// CheckHeader checks a field of Config.Header. The errors do not quote the value.
func CheckHeader(name, value string) error {
	for _, r := range name {
		if r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) {
			return errors.New("the name of a header holds letters, digits and some signs only")
		}
	}
	switch http.CanonicalHeaderKey(name) {
	case "":
		return errors.New("the name of a header is empty")
	case "Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Host", "Connection":
		return fmt.Errorf("the header %s is not possible: it is set by itself", name)
	}
	if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("the value of the header %s is empty, or holds what a header cannot", name)
	}
	return nil
}

// New starts to send traces. It connects to nobody before there is one.
func New(cfg Config) (*Tracer, error) {
	if err := CheckEndpoint(cfg.Endpoint); err != nil {
		return nil, fmt.Errorf("tracing: the endpoint is %w", err)
	}
	for name := range cfg.Header {
		if err := CheckHeader(name, cfg.Header.Get(name)); err != nil {
			return nil, fmt.Errorf("tracing: %w", err)
		}
	}
	if cfg.OneIn == 0 {
		cfg.OneIn = DefaultOneIn
	}
	if cfg.OneIn < 1 || cfg.OneIn > MaxOneIn {
		return nil, fmt.Errorf("tracing: one call in %d is not possible; it is one in 1 to %d", cfg.OneIn, MaxOneIn)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	// What the environment says of the process counts most.
	of, err := resource.New(context.Background(), resource.WithAttributes(
		attribute.String("service.name", serviceName), attribute.String("service.version", cfg.Version), attribute.String("service.instance.id", uuid.NewString()),
	), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, errors.New("tracing: OTEL_RESOURCE_ATTRIBUTES is not a list like name=value,name=value")
	}
	q := newQueue(cfg)
	t := &Tracer{oneIn: cfg.OneIn, queue: q}
	// Everything that the library would read from the environment is set.
	t.provider = sdktrace.NewTracerProvider(
		sdktrace.WithResource(of), sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample())), sdktrace.WithSpanProcessor(q),
		sdktrace.WithRawSpanLimits(sdktrace.SpanLimits{AttributeValueLengthLimit: maxValue, AttributeCountLimit: 16}),
	)
	t.tracer = t.provider.Tracer("openchat/web")
	return t, nil
}

// Close sends what is left until ctx ends, and ends the sending. Spans that end later are dropped. A nil
// Tracer has nothing to send.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	defer t.queue.breakOff()
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("%d spans may not have reached the collector: %w", t.queue.sender.pending.Load(), err)
	}
	return nil
}

// queue holds spans that have ended until they are sent. Whoever ends a span never waits: one for
// which there is no room is dropped.
type queue struct {
	sdktrace.SpanProcessor // makes batches for sender, and has room for maxQueue

	sender   *sender
	breakOff context.CancelFunc // ends the requests in progress
}

// sender sends one batch of spans after the other.
type sender struct {
	exporter *otlptrace.Exporter // calls UploadTraces
	pending  atomic.Int64        // spans that are queued or being sent
	dropped  atomic.Int64        // since the log last said so

	log    *slog.Logger
	url    string
	header http.Header
	client *http.Client
	ctx    context.Context

	// Of the batch that is being sent.
	failing bool      // and the log says so
	lost    int64     // spans of batches that have failed, since the log last said so
	warned  time.Time // when the log last had a warning
}

func newQueue(cfg Config) *queue {
	s := &sender{log: cfg.Logger, url: strings.TrimSuffix(cfg.Endpoint, "/") + "/v1/traces", header: cfg.Header.Clone()}
	if s.header == nil {
		s.header = http.Header{}
	}
	s.header.Set("Content-Type", "application/x-protobuf")
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxConnsPerHost = 1
	s.client = &http.Client{
		Transport: transport,
		// The credential is for the collector and for nobody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	s.exporter = otlptrace.NewUnstarted(s)
	q := &queue{sender: s}
	s.ctx, q.breakOff = context.WithCancel(context.Background())
	q.SpanProcessor = sdktrace.NewBatchSpanProcessor(s, sdktrace.WithMaxQueueSize(maxQueue), sdktrace.WithMaxExportBatchSize(maxBatch),
		sdktrace.WithBatchTimeout(batchDelay), sdktrace.WithExportTimeout(batchTime))
	return q
}

// OnEnd is of sdktrace.SpanProcessor.
func (q *queue) OnEnd(s sdktrace.ReadOnlySpan) {
	if q.sender.pending.Add(1) > maxQueue {
		q.sender.pending.Add(-1)
		q.sender.dropped.Add(1)
		return
	}
	q.SpanProcessor.OnEnd(s)
}

// ExportSpans is of sdktrace.SpanExporter. It is called for one batch after the other.
func (s *sender) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	defer s.pending.Add(int64(-len(spans)))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	err := s.exporter.ExportSpans(ctx, spans)
	may := time.Since(s.warned) >= warnEvery
	switch {
	case err != nil:
		s.lost += int64(len(spans))
		if !s.failing && may {
			s.failing, s.warned = true, time.Now()
			s.log.Warn("traces do not reach the collector, spans are dropped until they do", "error", err)
		}
	case s.failing:
		s.failing = false
		s.log.Info("traces reach the collector again", "dropped", s.lost+s.dropped.Swap(0))
		s.lost = 0
	case s.dropped.Load() > 0 && may:
		s.warned = time.Now()
		s.log.Warn("spans were dropped, there are more than the collector takes; trace fewer calls", "dropped", s.lost+s.dropped.Swap(0))
		s.lost = 0
	}
	return nil // what there is to say of an error has been said
}

// Shutdown is of sdktrace.SpanExporter.
func (s *sender) Shutdown(context.Context) error {
	s.client.CloseIdleConnections()
	return nil
}

// Start is of otlptrace.Client.
func (s *sender) Start(context.Context) error { return nil }

// Stop is of otlptrace.Client.
func (s *sender) Stop(context.Context) error { return nil }

// UploadTraces is of otlptrace.Client: it sends a batch, again and again while the collector may still
// take it, until ctx ends.
func (s *sender) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	// An ExportTraceServiceRequest has the same bytes; its Go package would link gRPC.
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return err
	}
	for pause := firstPause; ; pause *= 2 {
		wait, again, err := s.post(ctx, body)
		if err == nil || !again {
			return err
		}
		t := time.NewTimer(max(pause, wait))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return err
		}
	}
}

// post sends one request. again says that it may be repeated, after wait at the earliest.
func (s *sender) post(ctx context.Context, body []byte) (wait time.Duration, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return 0, false, err
	}
	r.Header = s.header.Clone()
	res, err := s.client.Do(r)
	if err != nil {
		if inner := new(url.Error); errors.As(err, &inner) {
			err = inner.Err
		}
		if netErr := net.Error(nil); errors.As(err, &netErr) && netErr.Timeout() {
			err = fmt.Errorf("there is no answer within %v", tryTime)
		}
		return 0, true, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case res.StatusCode == http.StatusOK && err == nil:
		if n := rejected(answer); n > 0 {
			return 0, false, fmt.Errorf("the collector has rejected %d spans", n)
		}
		return 0, false, nil
	case res.StatusCode == http.StatusOK:
		return 0, true, errors.New("the answer broke off")
	}
	switch res.StatusCode { // those that the protocol names
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		again = true
	}
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil {
		wait = time.Duration(min(max(seconds, 0), 60)) * time.Second
	}
	return wait, again, fmt.Errorf("the answer is %d", res.StatusCode)
}

// rejected reads how many spans the collector has rejected, from an ExportTraceServiceResponse:
// partial_success (1), rejected_spans (1).
func rejected(answer []byte) int64 {
	partial, _ := field(answer, 1)
	_, n := field(partial, 1)
	return int64(n)
}

// field returns the last value of a field of a protobuf message, of the type that it has.
func field(message []byte, number protowire.Number) (text []byte, n uint64) {
	for len(message) > 0 {
		got, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return text, n
		}
		message = message[size:]
		if size = protowire.ConsumeFieldValue(got, kind, message); size < 0 {
			return text, n
		}
		if got == number && kind == protowire.BytesType {
			text, _ = protowire.ConsumeBytes(message)
		} else if got == number && kind == protowire.VarintType {
			n, _ = protowire.ConsumeVarint(message)
		}
		message = message[size:]
	}
	return text, n
}
