package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"openchat/sdk"
	"openchat/sdk/wire"
	"openchat/tests/harness"
)

const (
	allocsMeasured = 2_000
	allocsBefore   = 500 // the first ones grow what is kept
)

// measureAllocs counts what the core allocates for an event, from the frame to the
// handler, and for a message, from the call to its end. The core is the same Go natively,
// where the runtime counts; a canned transport has everything made beforehand.
func measureAllocs() (event, send float64, err error) {
	t := &canned{frames: make(chan []byte, 16), ended: make(chan struct{})}
	var group sync.WaitGroup
	c := sdk.New(sdk.Options{Transport: t, Deliver: func(e sdk.Event) {
		if e.Type == sdk.EventMessageArrived {
			group.Done()
		}
	}})
	ctx, cancel := bounded(context.Background())
	defer cancel()
	params := sdk.InitParams{HostURL: "http://127.0.0.1", IntegrationID: integrationID, Appkey: "key", Token: token()}
	if _, err := c.Init(ctx, params, sdk.Config{IdleTimeout: sdk.IdleDisabled}); err != nil {
		return 0, 0, fmt.Errorf("init: %w", err)
	}
	defer func() {
		ended := c.Shutdown(ctx, "")
		if err == nil {
			err = ended
		}
	}()
	stand := harness.NewStandIn()
	receive := func(n int) {
		list := make([][]byte, n)
		for i := range list {
			m := stand.Store(wire.Message{EngagementID: cannedChat, DialogID: cannedDialog, Body: harness.PlainText("Good morning, how can I help you today?")}, harness.Bob)
			e := wire.Event{Type: wire.EventMessages, Date: m.ReceivedAt, EngagementID: cannedChat, DialogID: cannedDialog, Message: &m}
			list[i] = wire.AppendEventFrame(nil, m.EventID, e.Append(nil))
		}
		group.Add(n)
		event = allocations(n, func() {
			for _, f := range list {
				t.frames <- f
			}
			group.Wait()
		})
	}
	receive(allocsBefore)
	receive(allocsMeasured)

	var failed error
	sends := func(n int) {
		done := make(chan error, 1)
		settled := func(_ sdk.Message, err error) { done <- err }
		send = allocations(n, func() {
			for range n {
				c.Core().SendMessage(cannedChat, "Good morning, I have a question about my order.", "", settled)
				if err := <-done; err != nil {
					failed = err
				}
			}
		})
	}
	sends(allocsBefore)
	sends(allocsMeasured)
	return event, send, failed
}

// allocations is how many times f allocates, a piece of n.
func allocations(n int, f func()) float64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(n)
}

const (
	cannedChat   = "33333333-3333-4333-8333-333333333333"
	cannedDialog = "44444444-4444-4444-8444-444444444444"
)

// canned is a transport whose answers are always the same, and whose only connection
// brings what is put into frames.
type canned struct {
	frames chan []byte
	ended  chan struct{}
	once   sync.Once
}

// answers by method and the last word of the path.
var cannedAnswers = func() map[string]sdk.Response {
	now := time.Now()
	session := wire.Session{SessionID: uuid.NewString(), ParticipantID: harness.Customer.ParticipantID, DisplayName: "Ann",
		SessionStatus: wire.SessionActive, CreatedAt: now, LastUpdatedAt: now}
	chat := wire.Engagement{EngagementID: cannedChat, DialogID: cannedDialog, EngagementStatus: wire.EngagementActive,
		CreatedAt: now, LastUpdatedAt: now, Participants: []wire.Participant{harness.Customer, harness.Bob}, EventID: 1}
	m := wire.Message{MessageID: uuid.NewString(), EngagementID: cannedChat, DialogID: cannedDialog, MessageIndex: 1,
		Body:                harness.PlainText("Good morning, I have a question about my order."),
		SenderParticipantID: harness.Customer.ParticipantID, SenderParticipantName: "Ann", SenderParticipantType: harness.Customer.ParticipantType,
		ReceivedAt: now, LastUpdatedAt: now, EventID: 2}
	return map[string]sdk.Response{
		"POST sessions":   {Status: http.StatusCreated, Body: session.Append(nil)},
		"GET engagements": {Status: http.StatusOK, Body: wire.AppendEngagements(nil, []wire.Engagement{chat})},
		"POST messages":   {Status: http.StatusCreated, Body: m.Append(nil)},
	}
}()

func (t *canned) Do(_ context.Context, r sdk.Request) (sdk.Response, error) {
	path, _, _ := strings.Cut(r.URL, "?")
	if a, ok := cannedAnswers[r.Method+" "+path[strings.LastIndexByte(path, '/')+1:]]; ok {
		return a, nil
	}
	return sdk.Response{Status: http.StatusNoContent}, nil
}

func (t *canned) Dial(context.Context, string, string) (sdk.Conn, error) {
	ready := wire.ServerFrame{Type: wire.FrameReady, HeartbeatInterval: wire.HeartbeatInterval, Resumed: true, LastEventID: 99}
	t.frames <- ready.Append(nil)
	return t, nil
}

func (t *canned) Read() ([]byte, error) {
	select {
	case f := <-t.frames:
		return f, nil
	case <-t.ended:
		return nil, io.EOF
	}
}

func (t *canned) Write([]byte) error { return nil }

func (t *canned) Close(int, string) { t.once.Do(func() { close(t.ended) }) }
