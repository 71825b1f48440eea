package metrics

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Whatever clients send, the number of series stays as it is.
func TestLabelsAreBounded(t *testing.T) {
	m := New("test", func() State { return State{} })
	series := func() int {
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		n := 0
		for line := range strings.Lines(w.Body.String()) {
			if strings.HasPrefix(line, namespace+"_call") || strings.HasPrefix(line, namespace+"_streams_ended") {
				n++
			}
		}
		return n
	}
	m.Call("BREW", "/", 404, time.Second)
	m.StreamEnded(4999)
	before := series()
	for code := 3000; code < 4000; code++ {
		m.StreamEnded(code)
	}
	for _, method := range []string{"get", "POST ", "", "\xff", "CUSTOMER-4711"} {
		m.Call(method, "/", 404, time.Second)
	}
	if now := series(); before == 0 || now != before {
		t.Errorf("%d series became %d", before, now)
	}
}

// Who has no Metrics notes nothing, and pays nothing.
func TestWithoutMetrics(t *testing.T) {
	var m *Metrics
	if n := testing.AllocsPerRun(10, func() {
		m.Call("GET", "/", 200, time.Second)
		m.Refused("rate")
		m.SessionCreated()
		m.SessionEnded()
		m.ChatCreated()
		m.Accepted(time.Now())
		m.Acted("accept")
		m.Message("CUSTOMER")
		m.StreamBegun(Lost, 3)
		m.Delivered(time.Now())
		m.StreamEnded(1000)
		m.StreamTooSlow()
		m.Stored(Write, OK, time.Second)
		m.Gap()
		m.Reloaded(true)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCall(b *testing.B) {
	m := New("test", func() State { return State{} })
	b.ReportAllocs()
	for b.Loop() {
		m.Call("POST", "POST /api/chat/v1/engagements/{id}/messages", 201, 3*time.Millisecond)
	}
}

func BenchmarkDelivered(b *testing.B) {
	m := New("test", func() State { return State{} })
	at := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		m.Delivered(at)
	}
}
