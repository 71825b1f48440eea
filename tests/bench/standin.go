package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"openchat/sdk/wire"
)

// chat stands in for the server of one page: as much of docs/protocol.md as the
// SDK needs for a chat, and the same events for the clients beside it, the raw one and
// centrifuge-js. It costs as little as it can: what is measured is the page.
//
//	/api/digital/chat/v1/…  the gateway's
//	/raw                    a WebSocket with the gateway's event frames and nothing else
//	/centrifuge             a WebSocket that speaks as much of centrifuge's JSON protocol
//	                        as one subscription needs
type chat struct {
	url   string
	mux   *http.ServeMux
	lines chan *line // each connection, once events may be sent on it

	mu         sync.Mutex
	line       *line // the SDK's, nil before it authenticated
	position   wire.EventID
	engagement wire.Engagement
	index      int64 // of the newest message
}

// line is a connection to a page.
type line struct {
	ws  *websocket.Conn
	tcp net.Conn
	// wrap appends the frame's text around an event.
	wrap func(dst []byte, id wire.EventID, event []byte) []byte
	// separator stands between frames that wait together and are sent as one message, as
	// the gateway does, and centrifuge's server.
	separator string
}

var (
	customer = wire.Participant{ParticipantID: "11111111-1111-4111-8111-111111111111", ParticipantType: wire.ParticipantCustomer, DisplayName: "Ann"}
	agent    = wire.Participant{ParticipantID: "22222222-2222-4222-8222-222222222222", ParticipantType: wire.ParticipantAgent, DisplayName: "Bob"}
)

func newChat(url string) *chat {
	c := &chat{url: url, mux: http.NewServeMux(), lines: make(chan *line, 1), position: 100}
	now := time.Now()
	c.engagement = wire.Engagement{EngagementID: uuid.NewString(), DialogID: uuid.NewString(), EngagementStatus: wire.EngagementPending,
		CreatedAt: now, LastUpdatedAt: now, EventID: c.position}
	session := func(w http.ResponseWriter, status int, id string) {
		now := time.Now()
		v := wire.Session{SessionID: id, ParticipantID: customer.ParticipantID, DisplayName: "Ann", SessionStatus: wire.SessionActive, CreatedAt: now, LastUpdatedAt: now}
		answer(w, status, v.Append(nil))
	}
	handle := func(pattern string, h http.HandlerFunc) {
		method, path, _ := strings.Cut(pattern, " ")
		c.mux.HandleFunc(method+" "+wire.BasePath+path, h)
	}
	handle("POST /sessions", func(w http.ResponseWriter, r *http.Request) { session(w, 201, uuid.NewString()) })
	handle("GET /sessions/{id}", func(w http.ResponseWriter, r *http.Request) { session(w, 200, r.PathValue("id")) })
	handle("DELETE /sessions/{id}", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) })
	handle("GET /sessions/{id}/events", c.serveStream)
	handle("GET /engagements", func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		var list []wire.Engagement
		if c.engagement.EngagementStatus == wire.EngagementActive {
			list = append(list, c.engagement)
		}
		answer(w, 200, wire.AppendEngagements(nil, list))
	})
	handle("POST /engagements", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b, err := wire.DecodeCreateEngagement(body)
		if err != nil {
			http.Error(w, err.Error(), 400)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		e := &c.engagement
		c.raise(wire.Event{Type: wire.EventEngagementActive, CorrelationID: b.CorrelationID, EngagementID: e.EngagementID, DialogID: e.DialogID, SessionID: b.SessionID})
		for _, p := range []wire.Participant{customer, agent} {
			c.raise(wire.Event{Type: wire.EventParticipantAdded, EngagementID: e.EngagementID, DialogID: e.DialogID, SessionID: b.SessionID, Participant: p})
		}
		e.EngagementStatus, e.Participants, e.EventID = wire.EngagementActive, []wire.Participant{customer, agent}, c.position
		answer(w, 201, e.Append(nil))
	})
	handle("POST /engagements/{id}/messages", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b, err := wire.DecodeSendMessage(body)
		if err != nil {
			http.Error(w, err.Error(), 400)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		m := c.message(c.index+1, c.position+100, b.Body.Text, customer)
		m.SessionID, m.CorrelationID = b.SessionID, b.CorrelationID
		c.index++
		answer(w, 201, m.Append(nil))
		c.raise(wire.Event{Type: wire.EventMessages, Message: &m})
	})
	handle("GET /engagements/{id}/messages", c.serveHistory)
	c.mux.HandleFunc("GET /raw", func(w http.ResponseWriter, r *http.Request) {
		l, err := accept(w, r, "")
		if err != nil {
			return
		}
		defer l.ws.CloseNow()
		l.wrap, l.separator = wire.AppendEventFrame, wire.FrameSeparator
		c.lines <- l
		l.ws.Read(r.Context()) // until the page goes
	})
	c.mux.HandleFunc("GET /centrifuge", c.serveCentrifuge)
	return c
}

func (c *chat) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.line != nil {
		c.line.ws.CloseNow()
	}
}

func answer(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(body)
}

// hijacked remembers the connection under a WebSocket, to which frames are written that
// were made beforehand.
type hijacked struct {
	http.ResponseWriter
	tcp net.Conn
}

func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	h.tcp = c
	return c, rw, err
}

func accept(w http.ResponseWriter, r *http.Request, subprotocol string) (*line, error) {
	h := &hijacked{ResponseWriter: w}
	o := &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled}
	if subprotocol != "" {
		o.Subprotocols = []string{subprotocol}
	}
	ws, err := websocket.Accept(h, r, o)
	return &line{ws: ws, tcp: h.tcp}, err
}

func (l *line) write(text []byte) error {
	_, err := l.tcp.Write(appendFrame(nil, text))
	return err
}

// appendFrame appends the WebSocket frame of a text, as a server sends it.
func appendFrame(dst, text []byte) []byte {
	dst = append(dst, 0x81)
	switch n := len(text); {
	case n < 126:
		dst = append(dst, byte(n))
	case n <= math.MaxUint16:
		dst = binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
	return append(dst, text...)
}

// raise sends an event to the SDK. The chat is locked.
func (c *chat) raise(e wire.Event) {
	c.position += 100
	e.Date = time.Now()
	f := wire.ServerFrame{Type: wire.FrameEvent, ID: c.position, Event: e}
	if c.line != nil {
		c.line.write(f.Append(nil)) // a page that has gone needs no event
	}
}

func (c *chat) serveStream(w http.ResponseWriter, r *http.Request) {
	l, err := accept(w, r, wire.Subprotocol)
	if err != nil {
		return
	}
	defer l.ws.CloseNow()
	l.wrap, l.separator = wire.AppendEventFrame, wire.FrameSeparator
	for {
		_, text, err := l.ws.Read(r.Context())
		if err != nil {
			return
		}
		f, err := wire.DecodeClientFrame(text)
		if err != nil {
			return
		}
		c.mu.Lock()
		switch f.Type {
		case wire.FrameAuthenticate:
			reply := wire.ServerFrame{Type: wire.FrameReady, HeartbeatInterval: wire.HeartbeatInterval, Resumed: true, LastEventID: c.position, ServerTime: time.Now()}
			c.line = l
			l.write(reply.Append(nil))
			select {
			case c.lines <- l:
			default: // nobody wants it
			}
		case wire.FramePing:
			reply := wire.ServerFrame{Type: wire.FramePong}
			l.write(reply.Append(nil))
		}
		c.mu.Unlock()
	}
}

func (c *chat) message(index int64, position wire.EventID, text string, by wire.Participant) wire.Message {
	now := time.Now()
	return wire.Message{MessageID: uuid.NewString(), EngagementID: c.engagement.EngagementID, DialogID: c.engagement.DialogID, MessageIndex: index,
		Body:                wire.Body{ElementType: wire.ElementText, Text: text, TextFormat: wire.TextPlain},
		SenderParticipantID: by.ParticipantID, SenderParticipantName: by.DisplayName, SenderParticipantType: by.ParticipantType,
		ReceivedAt: now, LastUpdatedAt: now, EventID: position}
}

// frames makes the event frames of the chat's next n messages, all by the agent.
func (c *chat) frames(l *line, n int) [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([][]byte, n)
	for i := range list {
		c.index++
		c.position += 100
		m := c.message(c.index, c.position, "Good morning, how can I help you today?", agent)
		e := wire.Event{Type: wire.EventMessages, Date: m.ReceivedAt, Message: &m}
		list[i] = l.wrap(nil, c.position, e.Append(nil))
	}
	return list
}

func (c *chat) serveHistory(w http.ResponseWriter, r *http.Request) {
	number := func(name string, absent int64) int64 {
		if n, err := strconv.ParseInt(r.FormValue(name), 10, 64); err == nil {
			return n
		}
		return absent
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	size := number("pageSize", wire.DefaultPageSize)
	to := min(c.index, number("before", math.MaxInt64)-1)
	from := max(1, to-size+1)
	if after := number("after", 0); after > 0 {
		from = after + 1
		to = min(c.index, from+size-1)
	}
	p := wire.MessagePage{NewestIndex: c.index, HasOlder: from > 1, HasNewer: to < c.index}
	for i := from; i <= to; i++ {
		p.Messages = append(p.Messages, c.message(i, 1, "Good morning, how can I help you today?", agent))
	}
	answer(w, 200, p.Append(nil))
}

// serveCentrifuge answers the commands connect and subscribe, which may come several to a
// frame, one a line.
func (c *chat) serveCentrifuge(w http.ResponseWriter, r *http.Request) {
	l, err := accept(w, r, "")
	if err != nil {
		return
	}
	defer l.ws.CloseNow()
	l.separator = "\n"
	l.wrap = func(dst []byte, _ wire.EventID, event []byte) []byte {
		dst = append(dst, `{"push":{"channel":"chat","pub":{"data":`...)
		return append(append(dst, event...), "}}}"...)
	}
	for {
		_, text, err := l.ws.Read(r.Context())
		if err != nil {
			return
		}
		for command := range strings.Lines(string(text)) {
			var m struct {
				ID                 int
				Connect, Subscribe *struct{}
			}
			if err := json.Unmarshal([]byte(command), &m); err != nil {
				return
			}
			switch {
			case m.Connect != nil:
				err = l.write(fmt.Appendf(nil, `{"id":%d,"connect":{"client":"a","version":"stand-in","ping":25,"pong":true}}`, m.ID))
			case m.Subscribe != nil:
				if err = l.write(fmt.Appendf(nil, `{"id":%d,"subscribe":{}}`, m.ID)); err == nil {
					c.lines <- l
				}
			}
			if err != nil {
				return
			}
		}
	}
}

// serveClock answers each frame with this process's clock, in milliseconds since 1970.
func serveClock(w http.ResponseWriter, r *http.Request) {
	l, err := accept(w, r, "")
	if err != nil {
		return
	}
	defer l.ws.CloseNow()
	for {
		if _, _, err := l.ws.Read(r.Context()); err != nil {
			return
		}
		if l.write(strconv.AppendFloat(nil, clock(), 'f', 4, 64)) != nil {
			return
		}
	}
}

var began = time.Now()

// clock is the time in milliseconds since 1970, and never goes back.
func clock() float64 {
	return float64(began.UnixNano())/1e6 + float64(time.Since(began))/1e6
}

// connected waits for the page's connection.
func (c *chat) connected(ctx context.Context) (*line, error) {
	select {
	case l := <-c.lines:
		return l, nil
	case <-ctx.Done():
		return nil, errors.Join(errors.New("the page did not connect"), context.Cause(ctx))
	}
}

// blast sends all frames as fast as the page takes them, as many together as the gateway
// would when they wait.
func (l *line) blast(frames [][]byte) error {
	var all, message []byte
	for _, f := range frames {
		if len(message) > 0 && len(message)+len(l.separator)+len(f) > wire.MaxServerFrame {
			all = appendFrame(all, message)
			message = message[:0]
		}
		if len(message) > 0 {
			message = append(message, l.separator...)
		}
		message = append(message, f...)
	}
	_, err := l.tcp.Write(appendFrame(all, message))
	return err
}

// pace sends the frames at a rate a second and returns when each was sent, as clock.
func (l *line) pace(ctx context.Context, frames [][]byte, rate float64) ([]float64, error) {
	sent := make([]float64, 0, len(frames))
	begun := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i, f := range frames {
		timer.Reset(time.Until(begun.Add(time.Duration(float64(i) / rate * float64(time.Second)))))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		sent = append(sent, clock())
		if err := l.write(f); err != nil {
			return nil, err
		}
	}
	return sent, nil
}
