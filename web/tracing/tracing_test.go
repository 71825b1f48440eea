package tracing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// answerer is a collector without a network.
type answerer func(*http.Request) (*http.Response, error)

func (f answerer) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body []byte, header ...string) *http.Response {
	w := httptest.NewRecorder()
	for i := 0; i < len(header); i += 2 {
		w.Header().Set(header[i], header[i+1])
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
	return w.Result()
}

// hangs is a collector that answers nothing.
func hangs(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// newTracer returns a Tracer of every call whose collector is to, and what it logs.
func newTracer(t *testing.T, to answerer) (*Tracer, *bytes.Buffer) {
	log := &bytes.Buffer{} // one goroutine logs
	tracer, err := New(Config{Endpoint: "http://collector.example/base/", OneIn: 1, Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	tracer.queue.sender.client.Transport = to
	return tracer, log
}

// end ends n spans.
func end(t *Tracer, n int) {
	for range n {
		_, span := t.Call(context.Background(), time.Now(), "ABCDEF")
		span.Answered("GET", "GET /things/{id}", 200)
	}
}

func received(t *testing.T, r *http.Request) (spans []*tracepb.Span) {
	body, err := io.ReadAll(r.Body)
	var in tracepb.TracesData
	if err == nil {
		err = proto.Unmarshal(body, &in)
	}
	if err != nil {
		t.Error(err)
	}
	for _, of := range in.GetResourceSpans() {
		for _, scope := range of.GetScopeSpans() {
			spans = append(spans, scope.GetSpans()...)
		}
	}
	return spans
}

// Who ends a span waits for nothing, however many there are and however long the collector takes. What there
// is no room for is dropped, and the log has one line a minute at most.
func TestSlowCollectorDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracer, log := newTracer(t, hangs)
		begun := time.Now()
		end(tracer, 3*maxQueue)
		if took := time.Since(begun); took != 0 {
			t.Errorf("it took %v", took)
		}
		if n := tracer.queue.sender.pending.Load(); n != maxQueue {
			t.Errorf("%d spans wait, and %d may", n, maxQueue)
		}
		time.Sleep(10 * time.Minute) // all batches have failed by then
		synctest.Wait()
		if n := tracer.queue.sender.pending.Load(); n != 0 {
			t.Errorf("%d spans still wait", n)
		}
		if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "no answer within") {
			t.Errorf("the log says:\n%s", log)
		}
		tracer.queue.sender.client.Transport = answerer(func(r *http.Request) (*http.Response, error) { return answer(200, nil), nil })
		end(tracer, 1)
		time.Sleep(2 * batchDelay)
		synctest.Wait()
		if lines := strings.Split(log.String(), "\n"); len(lines) != 3 || !strings.Contains(lines[1], fmt.Sprint("dropped=", 3*maxQueue)) {
			t.Errorf("the log says:\n%s", log)
		}
		if err := tracer.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A collector that takes requests, but too few, is said once a minute.
func TestDroppedSpansAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracer, log := newTracer(t, func(*http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return answer(200, nil), nil
		})
		for range 90 {
			end(tracer, 2*maxBatch)
			time.Sleep(time.Second)
		}
		_ = tracer.Close(t.Context())
		synctest.Wait()
		if n := strings.Count(log.String(), "spans were dropped"); n != 2 || strings.Count(log.String(), "\n") != 2 {
			t.Errorf("the log says:\n%s", log)
		}
	})
}

// A stop waits for what is left no longer than its context says, and then nothing goes on.
func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asking atomic.Int64
		tracer, _ := newTracer(t, func(r *http.Request) (*http.Response, error) {
			asking.Add(1)
			defer asking.Add(-1)
			return hangs(r)
		})
		end(tracer, maxQueue)
		synctest.Wait()
		if n := asking.Load(); n != 1 {
			t.Errorf("the collector is asked %d times at once", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		if err := tracer.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(begun); took != time.Second {
			t.Errorf("it took %v", took)
		}
		synctest.Wait()
		if asking.Load() != 0 || tracer.queue.sender.pending.Load() != 0 {
			t.Errorf("%d requests and %d spans are left", asking.Load(), tracer.queue.sender.pending.Load())
		}
		end(tracer, 1) // nobody waits for it
	})
}

// Close sends what has ended until then, without waiting for a batch to be full or due.
func TestCloseSendsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		tracer, log := newTracer(t, func(r *http.Request) (*http.Response, error) {
			n.Add(int64(len(received(t, r))))
			return answer(200, nil), nil
		})
		end(tracer, maxBatch+3)
		if err := tracer.Close(t.Context()); err != nil || n.Load() != maxBatch+3 || log.Len() != 0 {
			t.Errorf("%d spans were sent, %v\n%s", n.Load(), err, log)
		}
	})
}

// A request is repeated when the collector may take it later, and only then.
func TestRequestsAreRepeated(t *testing.T) {
	partial := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 7)
	partial = protowire.AppendBytes(protowire.AppendTag(partial, 2, protowire.BytesType), []byte("why"))
	partial = protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), partial)
	for name, test := range map[string]struct {
		first    func() (*http.Response, error)
		requests int64
		after    time.Duration // from the first to the last
		said     string
	}{
		"no connection":       {func() (*http.Response, error) { return nil, errors.New("connection refused") }, 2, firstPause, ""},
		"503":                 {func() (*http.Response, error) { return answer(503, nil), nil }, 2, firstPause, ""},
		"429 and a time":      {func() (*http.Response, error) { return answer(429, nil, "Retry-After", "3"), nil }, 2, 3 * time.Second, ""},
		"429 and a long time": {func() (*http.Response, error) { return answer(429, nil, "Retry-After", "9999"), nil }, 1, 0, "the answer is 429"},
		"400":                 {func() (*http.Response, error) { return answer(400, nil), nil }, 1, 0, "the answer is 400"},
		"a redirection":       {func() (*http.Response, error) { return answer(307, nil, "Location", "http://other.example"), nil }, 1, 0, "the answer is 307"},
		"some rejected":       {func() (*http.Response, error) { return answer(200, partial), nil }, 1, 0, "rejected 7 spans"},
		"garbage":             {func() (*http.Response, error) { return answer(200, []byte("<html>\xff")), nil }, 1, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n atomic.Int64
				var first, last time.Time
				tracer, log := newTracer(t, func(r *http.Request) (*http.Response, error) {
					if r.URL.String() != "http://collector.example/base/v1/traces" {
						t.Errorf("%s was asked", r.URL)
					}
					last = time.Now()
					if n.Add(1) == 1 {
						first = last
						return test.first()
					}
					return answer(200, nil), nil
				})
				end(tracer, 1)
				time.Sleep(time.Minute)
				if err := tracer.Close(t.Context()); err != nil {
					t.Error(err)
				}
				if n.Load() != test.requests || last.Sub(first) != test.after {
					t.Errorf("%d requests within %v, want %d within %v", n.Load(), last.Sub(first), test.requests, test.after)
				}
				if test.said == "" && log.Len() > 0 || !strings.Contains(log.String(), test.said) {
					t.Errorf("the log says %s, want %q", log, test.said)
				}
			})
		})
	}
}

// What does not trace costs nothing.
func TestNothingIsAllocatedWithoutATrace(t *testing.T) {
	tracer, _ := newTracer(t, hangs)
	defer func() {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = tracer.Close(ctx)
	}()
	ctx, now := context.Background(), time.Now()
	for name, tracer := range map[string]*Tracer{"off": nil, "on, and not this call": tracer} {
		if n := testing.AllocsPerRun(100, func() {
			call, span := ctx, (*Span)(nil)
			if tracer == nil {
				call, span = tracer.Call(ctx, now, "ABCDEF")
			}
			call, part := tracer.Start(call, "store write")
			part.About("ABCDEF", "", "")
			part.End("ok", part.Traceparent() != "")
			_, work := tracer.Continue(call, "", "work desk")
			work.End("", false)
			tracer.Cause("").Event("ABCDEF", "MESSAGES").Sent(Customer, "")
			tracer.CauseIn(call).Event("ABCDEF", "chat").Sent(Desk, "")
			span.Answered("GET", "/things", 200)
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// What an entry's header says counts only where it is a traceparent of a trace that is recorded. It comes
// from the store, to which clients do not write headers, but an operator's hand may.
func TestTraceparents(t *testing.T) {
	tracer, _ := newTracer(t, func(*http.Request) (*http.Response, error) { return answer(200, nil), nil })
	defer tracer.Close(t.Context())
	ctx, call := tracer.Call(t.Context(), time.Now(), "ABCDEF")
	_, write := tracer.Start(ctx, "store write")
	good := write.Traceparent()
	if len(good) != traceparentSize || !strings.HasPrefix(good, "00-"+call.span.SpanContext().TraceID().String()+"-") || !strings.HasSuffix(good, "-01") {
		t.Fatalf("the traceparent is %q", good)
	}
	if c := tracer.Cause(good); c == nil || c.parent.TraceID() != call.span.SpanContext().TraceID() || c.parent.SpanID() != write.span.SpanContext().SpanID() {
		t.Fatalf("%q gives %+v", good, c)
	}
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for _, bad := range []string{
		"", "00", good + "0", good + "-more", good[1:], strings.ToUpper(good), good[:len(good)-2] + "00", // not sampled
		"00-" + strings.Repeat("0", 32) + "-" + parent + "-01", "00-" + trace + "-" + strings.Repeat("0", 16) + "-01",
		"ff-" + trace + "-" + parent + "-01", "00-" + trace + "-" + parent + "-zz", strings.Repeat("é", 27) + "x", strings.Repeat("x", 1<<20),
	} {
		if c := tracer.Cause(bad); c != nil {
			t.Errorf("%.80q gives %+v", bad, c)
		}
		if _, span := tracer.Continue(t.Context(), bad, "work"); span != nil {
			t.Errorf("%.80q is continued", bad)
		}
	}
}

// The writings to sockets of one entry have a bound, and so has what is recorded of each.
func TestDeliveriesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := map[string]int{}
		tracer, _ := newTracer(t, func(r *http.Request) (*http.Response, error) {
			for _, s := range received(t, r) {
				n[s.GetName()]++
				for _, a := range s.GetAttributes() {
					if len(a.GetValue().GetStringValue()) > maxValue {
						t.Errorf("%s has %d bytes", a.GetKey(), len(a.GetValue().GetStringValue()))
					}
				}
			}
			return answer(200, nil), nil
		})
		ctx, call := tracer.Call(t.Context(), time.Now(), strings.Repeat("A", 10_000))
		cause := tracer.CauseIn(ctx)
		for range 2 * maxDeliveries {
			cause.Event("ABCDEF", "MESSAGES").Sent(Customer, "")
		}
		call.Answered("BREW", "/coffee", 500)
		if err := tracer.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if len(n) != 2 || n["deliver MESSAGES"] != maxDeliveries || n["_OTHER /coffee"] != 1 {
			t.Errorf("got %v", n)
		}
	})
}

// A call is an error where the gateway has failed, and not where it refuses.
func TestCallsSayHowTheyEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := map[string]string{}
		tracer, _ := newTracer(t, func(r *http.Request) (*http.Response, error) {
			for _, s := range received(t, r) {
				status := "none"
				for _, a := range s.GetAttributes() {
					if a.GetKey() == "http.response.status_code" {
						status = fmt.Sprint(a.GetValue().GetIntValue())
					}
				}
				got[s.GetName()] = status + " " + s.GetStatus().GetCode().String()
			}
			return answer(200, nil), nil
		})
		for path, status := range map[string]int{"/good": 201, "/refused": 409, "/failed": 503, "/broken": 0} {
			_, call := tracer.Call(t.Context(), time.Now(), "ABCDEF")
			call.Answered("GET", "GET "+path, status)
		}
		if err := tracer.Close(t.Context()); err != nil {
			t.Error(err)
		}
		want := map[string]string{
			"GET /good": "201 STATUS_CODE_UNSET", "GET /refused": "409 STATUS_CODE_UNSET",
			"GET /failed": "503 STATUS_CODE_ERROR", "GET /broken": "none STATUS_CODE_ERROR",
		}
		if !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// One call in OneIn is traced, whatever context it comes with.
func TestSampling(t *testing.T) {
	tracer, err := New(Config{Endpoint: "http://127.0.0.1:1", OneIn: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = tracer.Close(ctx)
	}()
	stranger := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled})
	ctx := trace.ContextWithRemoteSpanContext(t.Context(), stranger)
	n := 0
	for range 10_000 {
		if _, span := tracer.Call(ctx, time.Now(), ""); span != nil {
			n++
			if span.span.SpanContext().TraceID() == stranger.TraceID() {
				t.Fatal("a stranger's trace goes on")
			}
		}
	}
	// Six standard deviations.
	if n < 820 || n > 1180 {
		t.Errorf("%d of 10,000 calls are traced", n)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, c := range map[string]Config{
		"no endpoint":   {},
		"no scheme":     {Endpoint: "collector.example:4318"},
		"a password":    {Endpoint: "https://user:secret@collector.example"},
		"a query":       {Endpoint: "https://collector.example/?key=secret"},
		"never":         {Endpoint: "http://127.0.0.1:4318", OneIn: -1},
		"hardly ever":   {Endpoint: "http://127.0.0.1:4318", OneIn: MaxOneIn + 1},
		"a line break":  {Endpoint: "http://127.0.0.1:4318", Header: http.Header{"A": {"secret\r\nB: c"}}},
		"a header's ()": {Endpoint: "http://127.0.0.1:4318", Header: http.Header{"A()": {"secret"}}},
	} {
		if _, err := New(c); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "no list")
	if _, err := New(Config{Endpoint: "http://127.0.0.1:4318"}); err == nil || !strings.Contains(err.Error(), "OTEL_RESOURCE_ATTRIBUTES") {
		t.Errorf("got %v", err)
	}
}
