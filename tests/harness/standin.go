package harness

import (
	"bufio"
	"encoding/binary"
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

// StandIn answers in the gateway's place, in the order that a test wants, and costs as
// little as it can: as much of docs/protocol.md as the SDK needs for chats of one customer,
// all in memory. ServeHTTP takes paths below wire.BasePath.
type StandIn struct {
	// What is set before the first request.
	Joining     []wire.Participant   // who is added to a chat that begins; Customer by default
	Leaving     []wire.Participant   // who is removed from one that ends
	ForgetChats bool                 // when a session ends
	TellTime    bool                 // whether streams begin with the server's time
	Received    func(m wire.Message) // called when a message was sent and its event raised, and not yet answered

	Opened chan *Connection // gets each event stream that has authenticated, if there is room
	Closed chan struct{}    // gets one for each that has ended, if there is room

	mux         *http.ServeMux
	mu          sync.Mutex
	streams     map[*Connection]bool
	engagements []*wire.Engagement
	messages    map[string][]wire.Message // by engagement, of which the n-th has index n
	position    wire.EventID
}

// The participants of a StandIn's chats.
var (
	Customer = wire.Participant{ParticipantID: "11111111-1111-4111-8111-111111111111", ParticipantType: wire.ParticipantCustomer, DisplayName: "Ann"}
	Bob      = wire.Participant{ParticipantID: "22222222-2222-4222-8222-222222222222", ParticipantType: wire.ParticipantAgent, DisplayName: "Bob"}
)

// NewStandIn returns one without chats.
func NewStandIn() *StandIn {
	g := &StandIn{
		Joining: []wire.Participant{Customer}, Opened: make(chan *Connection, 1), Closed: make(chan struct{}, 100),
		mux: http.NewServeMux(), streams: map[*Connection]bool{}, messages: map[string][]wire.Message{}, position: 100,
	}
	// The functions run with the lock held.
	handle := func(pattern string, f func(r *http.Request, body []byte) (int, []byte)) {
		g.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body) // what is cut short cannot be decoded
			g.mu.Lock()
			status, answer := f(r, body)
			g.mu.Unlock()
			writeJSON(w, status, answer)
		})
	}
	session := func(id string, parameters map[string]string) []byte {
		s := wire.Session{SessionID: id, ParticipantID: Customer.ParticipantID, DisplayName: Customer.DisplayName, SessionParameters: parameters,
			SessionStatus: wire.SessionActive, CreatedAt: time.Now(), LastUpdatedAt: time.Now()}
		return s.Append(nil)
	}
	handle("POST /sessions", func(_ *http.Request, body []byte) (int, []byte) {
		c, _ := wire.DecodeCreateSession(body)
		return 201, session(uuid.NewString(), c.SessionParameters)
	})
	handle("GET /sessions/{id}", func(r *http.Request, _ []byte) (int, []byte) { return 200, session(r.PathValue("id"), nil) })
	handle("DELETE /sessions/{id}", func(*http.Request, []byte) (int, []byte) {
		if g.ForgetChats {
			g.engagements, g.messages = nil, map[string][]wire.Message{}
		}
		return 204, nil
	})
	g.mux.HandleFunc("GET /sessions/{id}/events", g.serveStream)
	handle("GET /engagements", func(*http.Request, []byte) (int, []byte) {
		var list []wire.Engagement
		for _, e := range g.engagements {
			list = append(list, *e)
		}
		return 200, wire.AppendEngagements(nil, list)
	})
	handle("POST /engagements", func(_ *http.Request, body []byte) (int, []byte) {
		c, err := wire.DecodeCreateEngagement(body)
		if err != nil {
			return 400, nil
		}
		e := g.engagement()
		g.join(e, c.SessionID, c.CorrelationID)
		return 201, e.Append(nil)
	})
	handle("POST /engagements/{call}", func(r *http.Request, body []byte) (int, []byte) {
		c, err := wire.DecodeEngagementCall(body)
		id, call, _ := strings.Cut(r.PathValue("call"), ":")
		e := g.find(id)
		switch {
		case err != nil || e == nil:
			return 400, nil
		case call == "join":
			g.join(e, c.SessionID, c.CorrelationID)
		default:
			e.EngagementStatus = wire.EngagementTerminated
			for _, p := range g.Leaving {
				g.raise(wire.Event{Type: wire.EventParticipantDisconnected, EngagementID: e.EngagementID, DialogID: e.DialogID, Participant: p})
			}
			g.raise(wire.Event{Type: wire.EventEngagementTerminated, EngagementID: e.EngagementID, DialogID: e.DialogID})
		}
		return 200, e.Append(nil)
	})
	g.mux.HandleFunc("POST /engagements/{id}/messages", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c, err := wire.DecodeSendMessage(body)
		if err != nil {
			writeJSON(w, 400, nil)
			return
		}
		// The answer follows the event at once, as the gateway's does.
		g.mu.Lock()
		m := g.store(wire.Message{EngagementID: r.PathValue("id"), Body: c.Body, ParentMessageID: c.ParentMessageID,
			SessionID: c.SessionID, CorrelationID: c.CorrelationID}, Customer)
		if g.Received == nil {
			writeJSON(w, 201, m.Append(nil)) // which is buffered until this returns
		}
		g.raiseMessage(&m)
		g.mu.Unlock()
		if g.Received != nil {
			g.Received(m)
			writeJSON(w, 201, m.Append(nil))
		}
	})
	handle("GET /engagements/{id}/messages", func(r *http.Request, _ []byte) (int, []byte) {
		number := func(name string, absent int64) int64 {
			if n, err := strconv.ParseInt(r.FormValue(name), 10, 64); err == nil {
				return n
			}
			return absent
		}
		list := g.messages[r.PathValue("id")]
		newest, size := int64(len(list)), number("pageSize", wire.DefaultPageSize)
		to := min(newest, number("before", math.MaxInt64)-1)
		from := max(1, to-size+1)
		if after := number("after", 0); after > 0 {
			from = after + 1
			to = min(newest, from+size-1)
		}
		p := wire.MessagePage{NewestIndex: newest, HasOlder: from > 1, HasNewer: to < newest}
		if from <= to {
			p.Messages = list[from-1 : to]
		}
		return 200, p.Append(nil)
	})
	return g
}

// writeJSON answers with a body that is JSON.
func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(body)
}

func (g *StandIn) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.mux.ServeHTTP(w, r) }

// NewEngagement adds a chat that nobody has joined in this session.
func (g *StandIn) NewEngagement(participants ...wire.Participant) wire.Engagement {
	g.mu.Lock()
	defer g.mu.Unlock()
	e := g.engagement()
	e.Participants = participants
	return *e
}

func (g *StandIn) engagement() *wire.Engagement {
	g.position += 100
	e := &wire.Engagement{EngagementID: uuid.NewString(), DialogID: uuid.NewString(), EngagementStatus: wire.EngagementPending,
		CreatedAt: time.Now(), LastUpdatedAt: time.Now(), EventID: g.position}
	g.engagements = append(g.engagements, e)
	return e
}

// Engagements returns all chats, in the order of their beginning.
func (g *StandIn) Engagements() (list []wire.Engagement) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.engagements {
		list = append(list, *e)
	}
	return list
}

func (g *StandIn) find(id string) *wire.Engagement {
	for _, e := range g.engagements {
		if e.EngagementID == id {
			return e
		}
	}
	return nil
}

func (g *StandIn) join(e *wire.Engagement, session, correlation string) {
	g.raise(wire.Event{Type: wire.EventEngagementActive, CorrelationID: correlation, EngagementID: e.EngagementID, DialogID: e.DialogID, SessionID: session})
	for _, p := range g.Joining {
		g.raise(wire.Event{Type: wire.EventParticipantAdded, EngagementID: e.EngagementID, DialogID: e.DialogID, SessionID: session, Participant: p})
	}
	e.EngagementStatus, e.Participants, e.EventID = wire.EngagementActive, g.Joining, g.position
}

// Send stores a message, of which the chat and the body are given, and raises its event.
func (g *StandIn) Send(m wire.Message, by wire.Participant) wire.Message {
	g.mu.Lock()
	defer g.mu.Unlock()
	m = g.store(m, by)
	g.raiseMessage(&m)
	return m
}

func (g *StandIn) raiseMessage(m *wire.Message) {
	g.position -= 100 // store has taken the event's
	g.raise(wire.Event{Type: wire.EventMessages, Message: m})
}

// Store stores a message and raises no event: its EventID is that of the event to raise.
func (g *StandIn) Store(m wire.Message, by wire.Participant) wire.Message {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.store(m, by)
}

func (g *StandIn) store(m wire.Message, by wire.Participant) wire.Message {
	list := g.messages[m.EngagementID]
	if e := g.find(m.EngagementID); e != nil {
		m.DialogID = e.DialogID
	}
	g.position += 100
	m.MessageID, m.MessageIndex, m.EventID = uuid.NewString(), int64(len(list))+1, g.position
	m.SenderParticipantID, m.SenderParticipantName, m.SenderParticipantType = by.ParticipantID, by.DisplayName, by.ParticipantType
	m.ReceivedAt, m.LastUpdatedAt = time.Now(), time.Now()
	g.messages[m.EngagementID] = append(list, m)
	return m
}

// PlainText is a message's body.
func PlainText(text string) wire.Body {
	return wire.Body{ElementType: wire.ElementText, Text: text, TextFormat: wire.TextPlain}
}

// Raise sends an event to every stream.
func (g *StandIn) Raise(e wire.Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.raise(e)
}

func (g *StandIn) raise(e wire.Event) {
	g.position += 100
	e.Date = time.Now()
	f := wire.ServerFrame{Type: wire.FrameEvent, ID: g.position, Event: e}
	for c := range g.streams {
		c.Write(f.Append(nil)) // a page that has gone needs no event
	}
}

// Drop breaks all streams, as a lost network does.
func (g *StandIn) Drop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.streams {
		c.CloseNow()
	}
}

func (g *StandIn) serveStream(w http.ResponseWriter, r *http.Request) {
	c, err := Accept(w, r, wire.Subprotocol)
	if err != nil {
		return
	}
	defer func() {
		g.mu.Lock()
		delete(g.streams, c)
		g.mu.Unlock()
		c.CloseNow()
		select {
		case g.Closed <- struct{}{}:
		default:
		}
	}()
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
		case f.Type == wire.FrameAuthenticate && g.streams[c]:
			reply.Type = wire.FrameAuthenticated
		case f.Type == wire.FrameAuthenticate:
			reply = wire.ServerFrame{Type: wire.FrameReady, HeartbeatInterval: wire.HeartbeatInterval, Resumed: true, LastEventID: g.position}
			if g.TellTime {
				reply.ServerTime = time.Now()
			}
			g.streams[c] = true
		}
		if reply.Type != "" {
			c.Write(reply.Append(nil))
		}
		g.mu.Unlock()
		if reply.Type == wire.FrameReady {
			select {
			case g.Opened <- c:
			default:
			}
		}
	}
}

// Connection is the server's end of a WebSocket that takes frames as they are on the wire,
// so that those can be made beforehand. One goroutine at a time writes.
type Connection struct {
	*websocket.Conn
	TCP net.Conn
}

// hijacked remembers the connection under a WebSocket.
type hijacked struct {
	http.ResponseWriter
	tcp net.Conn
}

func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	h.tcp = c
	return c, rw, err
}

// Accept opens a WebSocket, of that subprotocol unless it is "".
func Accept(w http.ResponseWriter, r *http.Request, subprotocol string) (*Connection, error) {
	h := &hijacked{ResponseWriter: w}
	o := &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled}
	if subprotocol != "" {
		o.Subprotocols = []string{subprotocol}
	}
	ws, err := websocket.Accept(h, r, o)
	return &Connection{ws, h.tcp}, err
}

// Write sends a text.
func (c *Connection) Write(text []byte) error {
	_, err := c.TCP.Write(AppendFrame(nil, text))
	return err
}

// AppendFrame appends the WebSocket frame of a text, as a server sends it.
func AppendFrame(dst, text []byte) []byte {
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
