package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"openchat/sdk/wire"
	"openchat/tests/harness"
)

// collectorToken is what the tests' collector wants to be sent.
const collectorToken = "collector-token-of-the-tests"

// collector is an OTLP/HTTP receiver on a socket of its own.
type collector struct {
	*testing.T
	url string

	mu    sync.Mutex
	raw   []byte // of all requests
	spans []exported
}

// exported is a span with the process that it comes from.
type exported struct {
	*tracepb.Span
	service, instance string
	text              map[string]string // its attributes
}

func newCollector(t *testing.T) *collector {
	c := &collector{T: t}
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var in tracepb.TracesData // an ExportTraceServiceRequest on the wire
		if err == nil {
			err = proto.Unmarshal(body, &in)
		}
		if err != nil || r.Method != "POST" || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" ||
			r.Header.Get("Authorization") != "Bearer "+collectorToken {
			t.Errorf("%s %s with %v: %v", r.Method, r.URL, r.Header, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.raw = append(c.raw, body...)
		for _, of := range in.GetResourceSpans() {
			var process exported
			for _, a := range of.GetResource().GetAttributes() {
				switch a.GetKey() {
				case "service.name":
					process.service = a.GetValue().GetStringValue()
				case "service.instance.id":
					process.instance = a.GetValue().GetStringValue()
				}
			}
			for _, scope := range of.GetScopeSpans() {
				for _, span := range scope.GetSpans() {
					e := process
					e.Span, e.text = span, map[string]string{}
					for _, a := range span.GetAttributes() {
						e.text[a.GetKey()] = a.GetValue().GetStringValue()
						if n := a.GetValue().GetIntValue(); n != 0 {
							e.text[a.GetKey()] = fmt.Sprint(n)
						}
					}
					c.spans = append(c.spans, e)
				}
			}
		}
	}))
	t.Cleanup(s.Close)
	c.url = s.URL
	return c
}

// flags have a gateway trace every call.
func (c *collector) flags() []string {
	file := filepath.Join(c.TempDir(), "collector.txt")
	write(c.T, file, "Bearer "+collectorToken)
	return []string{"--otlp-endpoint", c.url, "--otlp-sampling", "1", "--otlp-header", "authorization=@" + file}
}

// find returns the spans of that name, in the trace of of unless that is nil.
func (c *collector) find(of *exported, name string) (found []exported) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.GetName() == name && (of == nil || bytes.Equal(s.GetTraceId(), of.GetTraceId())) {
			found = append(found, s)
		}
	}
	return found
}

// only wants one such span.
func (c *collector) only(of *exported, name string) exported {
	c.Helper()
	found := c.find(of, name)
	if len(found) != 1 {
		c.Fatalf("there are %d spans %q", len(found), name)
	}
	return found[0]
}

// forged is a traceparent that a stranger sends to be traced.
const forged = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

const (
	createRoute = "POST " + wire.BasePath + "/engagements"
	sendRoute   = "POST " + wire.BasePath + "/engagements/{id}/messages"
)

// A message that is sent to one gateway, and a chat that is created there, are followed to the streams and
// desks at another one: one trace each. What is exported names no person and holds no text or
// secret, and a stranger's calls and traceparent change nothing. All of it has been sent when a
// gateway has stopped.
func TestTraceGoesFromTheCallToTheEventAtAnotherGateway(t *testing.T) {
	collector := newCollector(t)
	nats := restricted(t, documented(t))
	first := launchDemo(t, "", "127.0.0.1:0", append(collector.flags(), "--nats-url", nats)...)
	second := launchDemo(t, "", "127.0.0.1:0", append(collector.flags(), "--nats-url", nats)...)

	for _, credential := range []string{"", "Bearer stranger-token"} {
		if status, b := first.call("POST", wire.BasePath+"/sessions", "{}", "Authorization", credential, "Traceparent", forged); status != 401 {
			t.Errorf("a stranger's call answers %d %s", status, b)
		}
	}
	c := first.customer("Cleo")
	there := *c
	there.running = second
	s := there.stream(0)
	agents := second.deskSocket(demoDesk, "")
	e := c.create(`{"topic":"Billing"}`)
	for s.read().Event.Type != wire.EventMessages { // the bot's
	}
	first.agent(200, "POST", "/engagements/"+e.EngagementID+":accept", ann)
	body := fmt.Sprintf(`{"sessionId":%q,"dialogId":%q,"body":{"elementType":"text","elementText":{"text":"It is high.","textFormat":"PLAINTEXT"}},"correlationId":"key-of-the-page"}`,
		c.session.SessionID, e.DialogID)
	if status, b := first.call("POST", wire.BasePath+"/engagements/"+e.EngagementID+"/messages", body,
		"Authorization", "Bearer "+c.token, wire.HeaderAppkey, c.appkey, "Traceparent", forged, "Tracestate", "forged=1"); status != 201 {
		t.Fatalf("%d %s", status, b)
	}
	for e := s.read().Event; e.Message == nil || e.Message.Body.Text != "It is high."; e = s.read().Event {
	}
	for text := ""; !strings.Contains(text, "It is high."); {
		var err error
		if text, err = agents.read(); err != nil {
			t.Fatal(err)
		}
	}
	// OPS-6: what has happened until then has been sent.
	first.terminate(syscall.SIGTERM)
	second.terminate(syscall.SIGTERM)

	call := collector.only(nil, sendRoute)
	wrote := collector.only(&call, "store write")
	delivered := collector.only(&call, "deliver MESSAGES")
	shown := collector.only(&call, "deliver message")
	if len(call.GetParentSpanId()) != 0 || call.GetKind() != tracepb.Span_SPAN_KIND_SERVER {
		t.Errorf("the call is a part of something else: %v", call.Span)
	}
	if !bytes.Equal(wrote.GetParentSpanId(), call.GetSpanId()) || !bytes.Equal(delivered.GetParentSpanId(), wrote.GetSpanId()) || !bytes.Equal(shown.GetParentSpanId(), wrote.GetSpanId()) {
		t.Errorf("the deliveries are not of the write, or that is not of the call:\n%v\n%v\n%v\n%v", call.Span, wrote.Span, delivered.Span, shown.Span)
	}
	if call.instance == "" || call.instance != wrote.instance || call.instance == delivered.instance || delivered.instance != shown.instance || call.service != "openchat-gateway" {
		t.Errorf("the call is of %q (%s), the write of %q, the deliveries of %q and %q", call.instance, call.service, wrote.instance, delivered.instance, shown.instance)
	}
	for _, want := range []struct {
		of              exported
		attribute, text string
	}{
		{call, "http.route", wire.BasePath + "/engagements/{id}/messages"}, {call, "http.request.method", "POST"}, {call, "http.response.status_code", "201"},
		{call, "openchat.account", demoAccount}, {call, "openchat.engagement_id", e.EngagementID}, {call, "openchat.session_id", c.session.SessionID},
		{wrote, "openchat.outcome", "ok"}, {wrote, "openchat.engagement_id", e.EngagementID},
		{delivered, "openchat.receiver", "customer"}, {delivered, "openchat.account", demoAccount}, {delivered, "openchat.session_id", c.session.SessionID},
		{shown, "openchat.receiver", "desk"}, {shown, "openchat.account", demoAccount},
	} {
		if got := want.of.text[want.attribute]; got != want.text {
			t.Errorf("%s of %q is %q, want %q", want.attribute, want.of.GetName(), got, want.text)
		}
	}
	if delivered.GetEndTimeUnixNano() < delivered.GetStartTimeUnixNano() || delivered.GetStartTimeUnixNano() < wrote.GetStartTimeUnixNano() {
		t.Errorf("the delivery was from %d to %d, the write from %d on", delivered.GetStartTimeUnixNano(), delivered.GetEndTimeUnixNano(), wrote.GetStartTimeUnixNano())
	}

	// The desk's own work on a chat belongs to the call that created it, whichever gateway does it.
	created := collector.only(nil, createRoute)
	for _, name := range []string{"work desk", "deliver ENGAGEMENT_ACTIVE", "deliver MESSAGES", "deliver chat"} {
		if len(collector.find(&created, name)) == 0 {
			t.Errorf("the trace of the chat's creation has no %q", name)
		}
	}

	docs, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(docs), "\n## Traces\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, s := range collector.spans {
		for name := range s.text {
			if !strings.Contains(section, "`"+name+"`") {
				t.Errorf("the attribute %s of %q is not in docs/operations.md", name, s.GetName())
			}
		}
		if s.text["http.response.status_code"] == "401" {
			t.Errorf("a stranger's call was traced: %v", s.Span)
		}
	}
	id, err := hex.DecodeString(forged[3:35])
	if err != nil {
		t.Fatal(err)
	}
	collector.holdsNone(string(id), "4bf92f3577b34da6a3ce929d0e0e4736", "forged", "stranger", "Cleo", "Billing", "It is high", "Ann Agent", agentID, c.token, c.appkey, demoDesk, demoServer, demoHS256,
		"key-of-the-page", c.session.ParticipantID, e.DialogID, "127.0.0.1", "nats-password", collectorToken)
}

// holdsNone wants none of those words in what was exported.
func (c *collector) holdsNone(words ...string) {
	c.Helper()
	if len(c.raw) == 0 {
		c.Fatal("nothing was exported")
	}
	for _, word := range words {
		if bytes.Contains(c.raw, []byte(word)) {
			c.Errorf("%q was exported", word)
		}
	}
}

// A gateway without --otlp-endpoint traces nothing and connects to nobody, whatever the standard
// environment variables of OpenTelemetry say.
func TestNoTracesUnlessAskedFor(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var connections atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			conn.Close()
		}
	}()
	dir := t.TempDir()
	build(t, dir, "")
	at := "http://" + listener.Addr().String()
	process := &harness.Process{
		Name: "gateway", Path: built(t), Args: []string{"--demo", "--addr", "127.0.0.1:0", "--data", t.TempDir(), "--dist", dir}, Ready: harness.AddressLine,
		Env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + at, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=" + at, "OTEL_TRACES_EXPORTER=otlp", "OTEL_TRACES_SAMPLER=always_on"},
	}
	t.Cleanup(process.Kill)
	if err := process.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := &running{t, process}
	c := p.customer("Cleo")
	s := c.stream(0)
	c.create(`{}`)
	for s.read().Event.Type != wire.EventMessages {
	}
	p.terminate(os.Interrupt)
	listener.Close()
	<-done
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

// A collector that takes requests and never answers holds up no call and no event, and the stop for
// its part only.
func TestCollectorThatHangsHoldsUpNobody(t *testing.T) {
	asked, end := make(chan struct{}), make(chan struct{})
	var once sync.Once
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		once.Do(func() { close(asked) })
		<-end
	}))
	defer hanging.Close()
	defer close(end)
	p := launchDemo(t, t.TempDir(), "127.0.0.1:0", "--otlp-endpoint", hanging.URL, "--otlp-sampling", "1")
	c := p.customer("Cleo")
	s := c.stream(0)
	e := c.create(`{}`)
	<-asked
	send := func(key string) {
		t.Helper()
		c.rest(201, "POST", "/engagements/"+e.EngagementID+"/messages", fmt.Sprintf(
			`{"sessionId":%q,"dialogId":%q,"body":{"elementType":"text","elementText":{"text":%q,"textFormat":"PLAINTEXT"}},"correlationId":%q}`,
			c.session.SessionID, e.DialogID, key, key))
		for e := s.read().Event; e.Message == nil || e.Message.Body.Text != key; e = s.read().Event {
		}
	}
	for i := range 20 {
		send(fmt.Sprint("message ", i))
	}
	p.terminate(syscall.SIGTERM)
	if log := p.Log.String(); strings.Count(log, "what=traces") != 1 {
		t.Errorf("the log does not say once that traces may be lost:\n%s", log)
	}
}
