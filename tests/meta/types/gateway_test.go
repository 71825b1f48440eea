package types

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"openchat/sdk/wire"
)

// gateway stands in for the real one, so that all events come, and with every member
// that is optional: one customer, one session, one agent who answers each message, all
// in memory.
type gateway struct {
	mux *http.ServeMux

	mu       sync.Mutex
	stream   *websocket.Conn // nil: none
	old      wire.Engagement // begun in an earlier session
	new      wire.Engagement // begun in this one
	messages []wire.Message  // of new
	position wire.EventID
}

var (
	customer = wire.Participant{ParticipantID: uuid.NewString(), ParticipantType: wire.ParticipantCustomer, DisplayName: "Ann"}
	agent    = wire.Participant{ParticipantID: uuid.NewString(), ParticipantType: wire.ParticipantAgent, DisplayName: "Bob"}
)

func newGateway() *gateway {
	g := &gateway{mux: http.NewServeMux(), position: 100}
	chat := func() wire.Engagement {
		return wire.Engagement{EngagementID: uuid.NewString(), DialogID: uuid.NewString(), EngagementStatus: wire.EngagementPending,
			Participants: []wire.Participant{customer}, CreatedAt: time.Now(), LastUpdatedAt: time.Now()}
	}
	g.old, g.new = chat(), chat()
	g.answers("POST /sessions", func(r *http.Request) (int, []byte) {
		body, _ := io.ReadAll(r.Body)
		c, _ := wire.DecodeCreateSession(body)
		s := wire.Session{SessionID: uuid.NewString(), ParticipantID: customer.ParticipantID, DisplayName: customer.DisplayName,
			SessionParameters: c.SessionParameters, SessionStatus: wire.SessionActive, CreatedAt: time.Now(), LastUpdatedAt: time.Now()}
		return 201, s.Append(nil)
	})
	g.answers("DELETE /sessions/{id}", func(*http.Request) (int, []byte) { return 204, nil })
	g.answers("GET /engagements", func(*http.Request) (int, []byte) {
		return 200, wire.AppendEngagements(nil, []wire.Engagement{g.old})
	})
	g.answers("POST /engagements", func(r *http.Request) (int, []byte) {
		body, _ := io.ReadAll(r.Body)
		c, _ := wire.DecodeCreateEngagement(body)
		g.new.EngagementStatus = wire.EngagementActive
		g.raise(wire.Event{Type: wire.EventEngagementActive, SessionID: c.SessionID, CorrelationID: c.CorrelationID})
		g.raise(wire.Event{Type: wire.EventParticipantAdded, SessionID: c.SessionID, Participant: customer})
		g.new.EventID = g.position
		return 201, g.new.Append(nil)
	})
	g.answers("POST /engagements/{call}", func(r *http.Request) (int, []byte) {
		if _, call, _ := strings.Cut(r.PathValue("call"), ":"); call != "disconnect" {
			return 500, nil
		}
		g.new.EngagementStatus = wire.EngagementTerminated
		g.raise(wire.Event{Type: wire.EventParticipantDisconnected, Participant: customer})
		g.raise(wire.Event{Type: wire.EventEngagementTerminated})
		return 200, g.new.Append(nil)
	})
	g.answers("POST /engagements/{id}/messages", func(r *http.Request) (int, []byte) {
		body, _ := io.ReadAll(r.Body)
		c, _ := wire.DecodeSendMessage(body)
		m := g.say(wire.Message{Body: c.Body, ParentMessageID: c.ParentMessageID, SessionID: c.SessionID, CorrelationID: c.CorrelationID}, customer)
		g.raise(wire.Event{Type: wire.EventParticipantAdded, Participant: agent})
		// The first answers nothing, the second does: an optional member is seen absent and present.
		answer := wire.Message{Body: wire.Body{ElementType: wire.ElementText, Text: "an answer", TextFormat: wire.TextHTML}}
		if len(g.messages) > 2 {
			answer.ParentMessageID = m.MessageID
		}
		g.say(answer, agent)
		g.raise(wire.Event{Type: wire.EventParticipantDisconnected, Participant: agent})
		g.raise(wire.Event{Type: wire.EventEngagementError, ErrorType: "urn:test", ErrorTitle: "Test", ErrorDetail: "of " + m.MessageID})
		return 201, m.Append(nil)
	})
	g.answers("GET /engagements/{id}/messages", func(r *http.Request) (int, []byte) {
		number := func(name string, absent int64) int64 {
			n := absent
			fmt.Sscan(r.FormValue(name), &n)
			return n
		}
		before, size := number("before", 1<<40), number("pageSize", 10)
		p := wire.MessagePage{NewestIndex: int64(len(g.messages))}
		for _, m := range g.messages {
			if m.MessageIndex < before {
				p.Messages = append(p.Messages, m)
			}
		}
		if n := int64(len(p.Messages)); n > size {
			p.Messages, p.HasOlder = p.Messages[n-size:], true
		}
		return 200, p.Append(nil)
	})
	g.mux.HandleFunc("GET /sessions/{id}/events", g.serveStream)
	return g
}

// answers registers a call; f runs with the lock held.
func (g *gateway) answers(pattern string, f func(*http.Request) (int, []byte)) {
	g.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		status, body := f(r)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		w.Write(body)
	})
}

// say stores a message and raises it.
func (g *gateway) say(m wire.Message, by wire.Participant) wire.Message {
	m.MessageID, m.EngagementID, m.DialogID = uuid.NewString(), g.new.EngagementID, g.new.DialogID
	m.MessageIndex, m.EventID = int64(len(g.messages))+1, g.position+100
	m.SenderParticipantID, m.SenderParticipantName, m.SenderParticipantType = by.ParticipantID, by.DisplayName, by.ParticipantType
	m.ReceivedAt, m.LastUpdatedAt = time.Now(), time.Now()
	g.messages = append(g.messages, m)
	g.raise(wire.Event{Type: wire.EventMessages, Message: &m})
	return m
}

// raise sends an event of the new chat.
func (g *gateway) raise(e wire.Event) {
	g.position += 100
	e.Date = time.Now()
	if e.Message == nil {
		e.EngagementID, e.DialogID = g.new.EngagementID, g.new.DialogID
	}
	f := wire.ServerFrame{Type: wire.FrameEvent, ID: g.position, Event: e}
	if g.stream != nil {
		g.stream.Write(context.Background(), websocket.MessageText, f.Append(nil))
	}
}

func (g *gateway) serveStream(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.Subprotocol}})
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		_, text, err := c.Read(r.Context())
		if err != nil {
			return
		}
		f, err := wire.DecodeClientFrame(text)
		if err != nil {
			return
		}
		g.mu.Lock()
		var reply wire.ServerFrame
		switch {
		case f.Type == wire.FramePing:
			reply.Type = wire.FramePong
		case f.Type == wire.FrameAuthenticate && g.stream == c:
			reply.Type = wire.FrameAuthenticated
		case f.Type == wire.FrameAuthenticate:
			g.stream = c
			reply = wire.ServerFrame{Type: wire.FrameReady, HeartbeatInterval: wire.HeartbeatInterval, Resumed: true, LastEventID: g.position}
		}
		if reply.Type != "" {
			c.Write(r.Context(), websocket.MessageText, reply.Append(nil))
		}
		g.mu.Unlock()
	}
}
