package store

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"openchat/web/tracing"
)

// newTracer returns a Tracer of every call whose collector is not there.
func newTracer(t testing.TB) *tracing.Tracer {
	t.Helper()
	tracer, err := tracing.New(tracing.Config{Endpoint: "http://127.0.0.1:1", OneIn: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = tracer.Close(ctx)
	})
	return tracer
}

// An entry that belongs to a trace says so to other gateways: to those that trace. It is the same entry
// otherwise, also for gateways that do not, and counts as the bytes that it takes. What is not in a trace
// has nothing of it, and what is no trace is passed over.
func TestATraceGoesWithTheEntry(t *testing.T) {
	url := natsServer(t)
	tracer := newTracer(t)
	one, tracing, other := openStore(t, Config{URL: url, Traces: tracer}), openStore(t, Config{URL: url, Traces: newTracer(t)}), openStore(t, Config{URL: url})
	session := newSession(t, one, ann, "s")
	e := newChat(t, one, session, "e")
	entries := map[*Store]chan Entry{}
	for _, s := range []*Store{one, tracing, other} {
		got := make(chan Entry, 10)
		entries[s] = got
		if err := s.Follow(testContext(t), func(e Entry) { got <- e }); err != nil {
			t.Fatal(err)
		}
	}
	// want wants the next entry of every store to be that message, and its trace known or not.
	want := func(words string, traced bool) (last *entry) {
		t.Helper()
		for s, got := range entries {
			e := receive(t, got)
			for e.Message == nil { // of the chat's creation
				e = receive(t, got)
			}
			if e.Message.Body.Text != words {
				t.Fatalf("got %+v, want %q", e, words)
			}
			if (e.Cause != nil) != (traced && s != other) {
				t.Errorf("%q: the trace %v", words, e.Cause)
			}
			var err error
			if last, err = s.at(testContext(t), uint64(e.Events[0].ID)/100); err != nil {
				t.Fatal(err)
			}
		}
		return last
	}
	ctx, call := tracer.Call(testContext(t), time.Now(), ann.Account)
	if _, _, err := one.Append(ctx, ann, e.EngagementID, from(session, "traced", "1")); err != nil {
		t.Fatal(err)
	}
	traced := want("traced", true)
	if got := traced.header.Get(headerTrace); len(got) != 55 || got[3:35] != call.Traceparent()[3:35] || got == call.Traceparent() {
		t.Errorf("the entry says %q, and the call is %q", got, call.Traceparent())
	}
	if _, _, err := one.Append(testContext(t), ann, e.EngagementID, from(session, "untraced", "2")); err != nil {
		t.Fatal(err)
	}
	untraced := want("untraced", false)
	if got, ok := untraced.header[headerTrace]; ok {
		t.Errorf("an entry without a trace says %q", got)
	}
	// Written by an operator's hand: no traces, and more than a header may hold.
	for i, value := range []string{"", "none", strings.Repeat("0", 55), strings.Repeat("x", 4000)} {
		header := maps.Clone(untraced.header)
		for name := range header {
			if strings.HasPrefix(name, "Nats-") {
				delete(header, name)
			}
		}
		header[headerTrace] = []string{value}
		subject := messageSubject(ann, e.EngagementID, int64(3+i))
		data := strings.Replace(strings.Replace(string(untraced.data), `"untraced"`, `"by hand"`, 1), `"messageIndex":2`, `"messageIndex":`+string(rune('3'+i)), 1)
		if _, err := one.js.PublishMsg(testContext(t), &nats.Msg{Subject: subject, Header: header, Data: []byte(data)}); err != nil {
			t.Fatal(err)
		}
		want("by hand", false)
	}
	info, err := one.stream.Info(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if n := storedBy(t, one, ann.Account); uint64(n) != info.State.Bytes {
		t.Errorf("counted are %d bytes, and the server has %d", n, info.State.Bytes)
	}
}
