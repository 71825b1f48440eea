package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"openchat/sdk/wire"
	"openchat/web/metrics"
	"openchat/web/store"
	"openchat/web/tracing"
)

// What a stream and an event cost, where it does not depend on the machine. A bound is
// what was measured, with room for another version of Go: who exceeds one has made every
// session or every event dearer, and who gets far below one lowers it.
const (
	maxStreamMemory = 24 << 10 // bytes of heap and stacks, an idle stream
	maxFanOutAllocs = 3        // an event that one stream receives
	maxShareAllocs  = 0.05     // more for each further stream that receives it
	// More for a message that is not traced, where others are: none, but for what else the process does.
	maxUntracedAllocs = 3
	maxSendAllocs     = 750 // a message, from its request to its answer, the NATS server inside and the sender's stream included
)

// counting is a process's Metrics: what they cost counts too.
func counting(c *Config) {
	c.Metrics = metrics.New("test", func() metrics.State { return metrics.State{} })
}

// silentClient is a stream's other end that costs this process hardly anything.
func silentClient(t *testing.T, w *environment, token, session string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.http.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET %s/sessions/%s/events HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Protocol: %s\r\n\r\n",
		wire.BasePath, session, wire.Subprotocol)
	f := (&wire.ClientFrame{Type: wire.FrameAuthenticate, Token: token, Appkey: appkey, ClientID: clientOne}).Append(nil)
	// A final text frame, masked with zeros, of a length of two bytes.
	head := binary.BigEndian.AppendUint16([]byte{0x81, 0x80 | 126}, uint16(len(f)))
	if _, err := conn.Write(append(append(head, 0, 0, 0, 0), f...)); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	r := bufio.NewReader(conn)
	answer, err := http.ReadResponse(r, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", answer, err)
	}
	var ready [2]byte
	if _, err := io.ReadFull(r, ready[:]); err != nil {
		t.Fatal(err)
	}
	text := make([]byte, ready[1])
	if _, err := io.ReadFull(r, text); err != nil || !bytes.Contains(text, []byte(`"ready"`)) {
		t.Fatalf("%s, %v", text, err)
	}
	return conn
}

func inUse() int {
	var m runtime.MemStats
	// The first frees what has a finalizer, and stacks shrink by half each time.
	for range 5 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

func TestStreamMemory(t *testing.T) {
	w := newEnvironment(t, counting)
	const n = 400
	tokens, sessions := make([]string, n), make([]string, n)
	for i := range n {
		c := w.session(fmt.Sprint("customer ", i))
		tokens[i], sessions[i] = c.token, c.session.SessionID
	}
	before := inUse()
	for i := range n {
		silentClient(t, w, tokens[i], sessions[i])
	}
	each := (inUse() - before) / n
	t.Logf("%d bytes a stream", each)
	if each > maxStreamMemory {
		t.Errorf("an idle stream takes %d bytes, more than %d", each, maxStreamMemory)
	}
}

func TestFanOutAllocations(t *testing.T) {
	customer := store.Customer{Account: account, ID: "ann"}
	m := wire.Message{MessageID: unknownID, EngagementID: unknownID, Body: wire.Body{Text: "Some words that are as many as people write."}}
	event := wire.Event{Type: wire.EventMessages, Message: &m}
	entry := store.Entry{Customer: customer, Message: &m, Stored: time.Now(), Events: []store.EncodedEvent{{Type: wire.EventMessages, JSON: event.Append(nil)}}}
	measure := func(streams int) float64 {
		g := &Gateway{cfg: Config{QueueFrames: 512, QueueBytes: 1 << 20}}
		counting(&g.cfg)
		h := newHub()
		byID := map[string]*stream{}
		for i := range streams {
			s := &stream{g: g, customer: customer, state: streamLive, wake: make(chan struct{}, 1), space: make(chan struct{}, 1), sessionID: fmt.Sprint(i)}
			s.expiry, s.seen = time.Now().Add(time.Hour), time.Now()
			g.cfg.HeartbeatInterval = time.Minute
			byID[s.sessionID] = s
		}
		h.customers[customer] = byID
		return testing.AllocsPerRun(200, func() {
			entry.Events[0].ID += 100
			h.deliver(entry)
			for _, s := range byID { // what its writer does
				batch, _, _, _ := s.nextStep(s.seen)
				if len(batch) != 1 {
					t.Fatalf("%d frames are queued", len(batch))
				}
				s.countSent(batch)
				s.recycle(batch)
			}
		})
	}
	one, many := measure(1), measure(101)
	share := (many - one) / 100
	t.Logf("%v allocations for one stream, %.2f more for each further", one, share)
	if one > maxFanOutAllocs {
		t.Errorf("an event for one stream takes %v allocations, more than %v", one, maxFanOutAllocs)
	}
	if share > maxShareAllocs {
		t.Errorf("each further stream takes %.2f allocations, more than %v", share, maxShareAllocs)
	}
}

// So much costs a message also where calls are traced and this one is not.
func TestSendAllocations(t *testing.T) {
	rarely, err := tracing.New(tracing.Config{Endpoint: "http://127.0.0.1:1", OneIn: tracing.MaxOneIn})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = rarely.Close(ctx)
	}()
	off, between := sendAllocations(t, nil), sendAllocations(t, rarely)
	t.Logf("%v allocations a message, %v between those that are traced", off, between)
	if off > maxSendAllocs {
		t.Errorf("a message takes %v allocations, more than %v", off, maxSendAllocs)
	}
	if between > off+maxUntracedAllocs {
		t.Errorf("a message between those that are traced takes %v allocations, and %v where none is", between, off)
	}
}

func sendAllocations(t *testing.T, traces *tracing.Tracer) float64 {
	w := newEnvironment(t, counting, func(c *Config) { c.Logger, c.Traces = slog.New(slog.DiscardHandler), traces })
	ann := w.chat("ann")
	s, _ := ann.open(clientOne, 0)
	path := wire.BasePath + "/engagements/" + ann.e.EngagementID + "/messages"
	n := 0
	return testing.AllocsPerRun(200, func() {
		n++
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(ann.body("Some words that are as many as people write.", fmt.Sprint(n))))
		r.Header.Set("Authorization", "Bearer "+ann.token)
		r.Header.Set(wire.HeaderAppkey, appkey)
		answer := httptest.NewRecorder()
		w.g.Handler().ServeHTTP(answer, r)
		if answer.Code != http.StatusCreated {
			t.Fatalf("%d %s", answer.Code, answer.Body)
		}
		if _, err := s.tryRead(); err != nil {
			t.Fatal(err)
		}
	})
}
