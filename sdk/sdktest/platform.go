package sdktest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"openchat/sdk"
	"openchat/sdk/wire"
)

// Greeting is the text of the bot's only message.
const Greeting = "Hello, an agent will be with you soon."

// Options of New. The zero value is a platform without a bot, five milliseconds
// away.
type Options struct {
	// IntegrationID is the only integration that the platform knows. Empty: a fixed one.
	IntegrationID string
	// Appkey is the only accepted appkey. Empty: "appkey".
	Appkey string
	// Latency of REST calls, one way. 0: 5 ms; negative: none.
	Latency time.Duration
	// StreamLatency of frames, one way. 0: 7 ms, so that by default a call's answer
	// arrives before the events it causes; negative: none. A smaller one than Latency
	// brings events before answers.
	StreamLatency time.Duration
	// RouteDelay is the time from the creation of an engagement to ENGAGEMENT_ACTIVE. 0:
	// 3 ms; negative: it stays PENDING until Activate.
	RouteDelay time.Duration
	// AutoBot lets a bot enter each new engagement and greet.
	AutoBot bool
	// HeartbeatInterval of the ready frame, whole seconds. 0: wire.HeartbeatInterval.
	HeartbeatInterval time.Duration
	// History is how many events can be resumed over. 0: 10,000.
	History int
	// StreamQueue is how many frames a stream may be behind before it is closed with
	// 4429. 0: 4096.
	StreamQueue int
}

// Platform is the platform. Its methods are safe for concurrent use, and act at
// once: what they cause reaches clients after the latency. They may be called
// from OnRequest and OnDial hooks, not from OnFrame.
type Platform struct {
	o    Options
	done chan struct{} // closed by Close

	// mu guards all that follows. It is never held while something blocks: a
	// goroutine waiting for a mutex would not count as idle in a bubble.
	mu          sync.Mutex
	faults      faults
	closed      bool
	downUntil   time.Time          // end of the schedule's outages; zero: none
	incarnation int                // counts restarts: a call that spans one has lost its connection
	instants    map[int64]struct{} // at which something arrives
	timers      map[*time.Timer]struct{}
	ids         int
	tokens      int
	seq         uint64        // of the newest change
	floor       wire.EventID  // no event up to here can be resumed over
	log         []logged      // what can be resumed over
	history     []logged      // all
	skew        time.Duration // how far the platform's clock is ahead
	working     int           // calls and dials under way
	sessions    []*session
	engagements []*engagement
	keys        map[string][]byte // what calls were answered, by idempotency key
	created     map[string]string // engagements by theirs
	conns       []*conn           // whose server end is open
	dials       int
	calls       []*Call
	frames      []FrameLog
	storage     *Storage
}

// logged is one event of the stream.
type logged struct {
	id       wire.EventID
	customer string
	event    wire.Event
}

// session is the platform's side of an SDK session.
type session struct {
	wire.Session
	customer      string
	integrationID string
	ended         bool
	stream        *conn // authenticated and live; nil for none
}

// engagement is the platform's side of a chat.
type engagement struct {
	wire.Engagement // status and participants as the platform sees them
	customer        string
	customerName    string
	parameters      map[string]string
	creator         *session
	correlationID   string
	in              map[string]bool // ids of the sessions that are in
	messages        []wire.Message
}

// New returns a running platform without sessions. It starts no goroutine; make it
// inside the bubble in which it is used.
func New(o Options) *Platform {
	if o.IntegrationID == "" {
		o.IntegrationID = "1a7e62a7-1000-4000-8000-000000000001"
	}
	if o.Appkey == "" {
		o.Appkey = "appkey"
	}
	o.Latency = orDefault(o.Latency, 5*time.Millisecond)
	o.StreamLatency = orDefault(o.StreamLatency, 7*time.Millisecond)
	if o.RouteDelay == 0 {
		o.RouteDelay = 3 * time.Millisecond
	}
	if o.HeartbeatInterval == 0 {
		o.HeartbeatInterval = wire.HeartbeatInterval
	}
	if o.History == 0 {
		o.History = 10_000
	}
	if o.StreamQueue == 0 {
		o.StreamQueue = 4096
	}
	return &Platform{
		o:        o,
		done:     make(chan struct{}),
		instants: map[int64]struct{}{},
		timers:   map[*time.Timer]struct{}{},
		seq:      1,
		keys:     map[string][]byte{},
		created:  map[string]string{},
		storage:  NewStorage(),
	}
}

// orDefault reads a duration whose zero means def and whose negative means zero.
func orDefault(d, def time.Duration) time.Duration {
	switch {
	case d == 0:
		return def
	case d < 0:
		return 0
	}
	return d
}

// Close ends every connection, call, goroutine and timer of the platform. It may be
// called more than once. A closed platform refuses everything.
func (p *Platform) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	close(p.done)
	for t := range p.timers {
		t.Stop()
	}
	clear(p.timers)
	p.cut(1006)
}

// Storage returns the platform's one Storage, the sessionStorage of the first tab;
// see NewStorage for another tab.
func (p *Platform) Storage() *Storage { return p.storage }

// Claims is what Token puts into a token.
type Claims struct {
	Subject       string        // the customer's id; empty: "customer-1"
	Name          string        // the customer's name; empty: none in the token
	TTL           time.Duration // from now, by the platform's clock, to exp, whole seconds; 0: an hour; negative: expired
	IntegrationID string        // empty: the platform's
	Forged        bool          // the signature is wrong
	Ahead         time.Duration // of the clock of who made it: it is refused until the platform's clock has come there
}

// signature stands where a JWS has its signature.
const signature = "c2RrdGVzdA"

// Token makes a token in the shape of a JWT. Only this platform takes it for one.
// No two are equal.
func (p *Platform) Token(c Claims) string {
	if c.Subject == "" {
		c.Subject = "customer-1"
	}
	if c.TTL == 0 {
		c.TTL = time.Hour
	}
	if c.IntegrationID == "" {
		c.IntegrationID = p.o.IntegrationID
	}
	p.mu.Lock()
	p.tokens++
	jti := p.tokens
	now := p.now()
	p.mu.Unlock()
	claims := map[string]any{
		"sub":           c.Subject,
		"integrationId": c.IntegrationID,
		"iat":           now.Add(c.Ahead).Unix(),
		"exp":           now.Add(c.TTL).Unix(),
		"jti":           fmt.Sprint(jti),
	}
	if c.Name != "" {
		claims["customerName"] = c.Name
	}
	if c.Ahead > 0 {
		claims["nbf"] = now.Add(c.Ahead).Unix()
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err) // strings and numbers
	}
	enc := base64.RawURLEncoding
	sig := signature
	if c.Forged {
		sig = enc.EncodeToString([]byte("forged"))
	}
	return enc.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + enc.EncodeToString(payload) + "." + sig
}

// Params returns valid parameters for Init with a new token.
func (p *Platform) Params(c Claims) sdk.InitParams {
	return sdk.InitParams{
		HostURL:       "https://platform.test",
		IntegrationID: p.o.IntegrationID,
		Token:         p.Token(c),
		Appkey:        p.o.Appkey,
	}
}

// claims of a sound token.
type claims struct {
	Sub           string
	IntegrationID string `json:"integrationId"`
	CustomerName  string `json:"customerName"`
	Exp           int64
	Nbf           int64 // 0: none
}

func (c claims) expiry() time.Time { return time.Unix(c.Exp, 0) }

var (
	errTokenBad     = errors.New("token is not sound")
	errTokenExpired = errors.New("token is expired")
	errTokenForeign = errors.New("token is for another integration")
	errAppkey       = errors.New("appkey is not this integration's")
)

// verify reads a token as the gateway would.
func (p *Platform) verify(token, appkey string) (claims, error) {
	token = strings.TrimPrefix(token, wire.TokenPrefix)
	parts := strings.Split(token, ".")
	if len(parts) != 3 || parts[2] != signature || p.faults.refuseTokens {
		return claims{}, errTokenBad
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return claims{}, errTokenBad
	}
	var c claims
	if json.Unmarshal(payload, &c) != nil || c.Sub == "" || p.now().Unix() < c.Nbf {
		return claims{}, errTokenBad
	}
	if !p.now().Before(c.expiry()) {
		return c, errTokenExpired
	}
	if c.IntegrationID != p.o.IntegrationID {
		return c, errTokenForeign
	}
	if appkey != p.o.Appkey {
		return c, errAppkey
	}
	return c, nil
}

// SessionInfo is what the platform knows of a session.
type SessionInfo struct {
	wire.Session
	Customer  string // the token's subject
	Ended     bool
	Streaming bool // its event stream is open and authenticated
}

// Sessions returns all sessions ever created, oldest first.
func (p *Platform) Sessions() []SessionInfo {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]SessionInfo, len(p.sessions))
	for i, s := range p.sessions {
		list[i] = SessionInfo{s.Session, s.customer, s.ended, s.stream != nil}
	}
	return list
}

// Engagements returns all chats ever created, oldest first. The status is the
// platform's: PENDING until the customer is in.
func (p *Platform) Engagements() []wire.Engagement {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]wire.Engagement, len(p.engagements))
	for i, e := range p.engagements {
		list[i] = e.snapshot()
	}
	return list
}

// Parameters returns the parameters with which a chat was created.
func (p *Platform) Parameters(engagementID string) map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.engagement(engagementID); e != nil {
		return e.parameters
	}
	return nil
}

// Messages returns the messages of a chat, oldest first.
func (p *Platform) Messages(engagementID string) []wire.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.engagement(engagementID); e != nil {
		return slices.Clone(e.messages)
	}
	return nil
}

// StreamEvent is an event of the stream and its place in it.
type StreamEvent struct {
	ID    wire.EventID
	Event wire.Event
}

// Events returns every event that a session's stream was to carry, in order: also
// those from before the session, and those that Restart(false) or Options.History has
// made impossible to resume over.
func (p *Platform) Events(sessionID string) (list []StreamEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.session(sessionID)
	if s == nil {
		return nil
	}
	for _, l := range p.history {
		if l.visibleTo(s) {
			list = append(list, StreamEvent{l.id, l.event})
		}
	}
	return list
}

// now is what the platform's clock shows; the lock is held.
func (p *Platform) now() time.Time { return time.Now().Add(p.skew) }

// shownTime is what the platform says of its time; zero if HideClock hides it.
func (p *Platform) shownTime() time.Time {
	if p.faults.hideClock {
		return time.Time{}
	}
	return p.now()
}

func (e *engagement) snapshot() wire.Engagement {
	w := e.Engagement
	w.Participants = slices.Clone(w.Participants)
	w.NewestIndex = int64(len(e.messages))
	return w
}

// seenBy is the engagement with the status it has for a session (ENG-3).
func (e *engagement) seenBy(s *session) wire.Engagement {
	w := e.snapshot()
	if w.EngagementStatus == wire.EngagementActive && !e.in[s.SessionID] {
		w.EngagementStatus = wire.EngagementPending
	}
	return w
}

func (e *engagement) ended() bool { return e.EngagementStatus == wire.EngagementTerminated }

func (p *Platform) session(id string) *session {
	for _, s := range p.sessions {
		if s.SessionID == id {
			return s
		}
	}
	return nil
}

func (p *Platform) engagement(id string) *engagement {
	for _, e := range p.engagements {
		if e.EngagementID == id {
			return e
		}
	}
	return nil
}

// newID makes a UUID whose first digits tell people what it names.
func (p *Platform) newID(prefix string) string {
	p.ids++
	return fmt.Sprintf("%s-0000-4000-8000-%012x", prefix, p.ids)
}

// after runs fn, with the lock held, in d, unless the platform is closed first.
func (p *Platform) after(d time.Duration, fn func()) {
	var t *time.Timer
	t = time.AfterFunc(time.Until(p.instant(time.Now().Add(d))), func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.timers, t)
		if !p.closed {
			fn()
		}
	})
	p.timers[t] = struct{}{}
}

// instant returns the first moment not before at that nothing else arrives at, so
// that what happens "at once" still happens in one order only.
func (p *Platform) instant(at time.Time) time.Time {
	if len(p.instants) > 10_000 {
		now := time.Now().UnixNano()
		for n := range p.instants {
			if n < now {
				delete(p.instants, n)
			}
		}
	}
	n := at.UnixNano()
	for {
		if _, taken := p.instants[n]; !taken {
			break
		}
		n++
	}
	p.instants[n] = struct{}{}
	return at.Add(time.Duration(n - at.UnixNano()))
}

// position is where the stream stands.
func (p *Platform) position() wire.EventID { return wire.EventID(p.seq*100 + 99) }

// change stores the events of one change, sends them to the live streams, and returns the
// position of the last. Engagement and message take it as their eventId.
func (p *Platform) change(e *engagement, customer string, events ...wire.Event) wire.EventID {
	p.seq++
	var id wire.EventID
	for i, ev := range events {
		id = wire.EventID(p.seq*100 + uint64(i) + 1)
		ev.Date = time.Now()
		if e != nil {
			ev.EngagementID, ev.DialogID = e.EngagementID, e.DialogID
		}
		if ev.Message != nil {
			ev.Message.EventID = id
		}
		l := logged{id, customer, ev}
		p.log = append(p.log, l)
		p.history = append(p.history, l)
		for _, s := range p.sessions {
			if s.stream != nil && l.visibleTo(s) {
				s.stream.sendEvent(l)
			}
		}
	}
	if extra := len(p.log) - p.o.History; extra > 0 {
		p.floor = p.log[extra-1].id
		p.log = p.log[extra:]
	}
	if e != nil && events[0].Message == nil {
		e.EventID = id
		e.LastUpdatedAt = time.Now()
	}
	return id
}

// visibleTo says whether an event goes down a session's stream.
func (l *logged) visibleTo(s *session) bool {
	if l.customer != s.customer {
		return false
	}
	return l.event.Message != nil || l.event.SessionID == "" || l.event.SessionID == s.SessionID
}

// enter puts a session into an engagement and tells it so, in the order of the
// protocol.
func (p *Platform) enter(e *engagement, s *session, correlationID string) {
	if e.in[s.SessionID] {
		return
	}
	e.in[s.SessionID] = true
	e.EngagementStatus = wire.EngagementActive
	customer := wire.Participant{
		ParticipantID:   s.ParticipantID,
		ParticipantType: wire.ParticipantCustomer,
		DisplayName:     e.customerName,
	}
	if !slices.ContainsFunc(e.Participants, func(q wire.Participant) bool { return q.ParticipantID == customer.ParticipantID }) {
		e.Participants = append([]wire.Participant{customer}, e.Participants...)
	}
	events := []wire.Event{
		{Type: wire.EventEngagementActive, SessionID: s.SessionID, CorrelationID: correlationID},
		{Type: wire.EventParticipantAdded, SessionID: s.SessionID, CorrelationID: correlationID, Participant: customer},
	}
	for _, q := range e.Participants {
		if q.ParticipantID != customer.ParticipantID {
			events = append(events, wire.Event{
				Type: wire.EventParticipantAdded, SessionID: s.SessionID, CorrelationID: correlationID, Participant: q,
			})
		}
	}
	p.change(e, e.customer, events...)
}

// activate lets the creator in, and then the bot.
func (p *Platform) activate(e *engagement) {
	if e.ended() || len(e.in) > 0 && e.in[e.creator.SessionID] {
		return
	}
	p.enter(e, e.creator, e.correlationID)
	if p.o.AutoBot {
		bot := wire.Participant{
			ParticipantID:   p.newID("b07b07b0"),
			ParticipantType: wire.ParticipantBot,
			DisplayName:     "Bot",
		}
		e.Participants = append(e.Participants, bot)
		p.change(e, e.customer, wire.Event{Type: wire.EventParticipantAdded, Participant: bot})
		p.say(e, bot, wire.Message{Body: text(Greeting)})
	}
}

// Activate lets the creator of a chat into it, as routing does after RouteDelay.
func (p *Platform) Activate(engagementID string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.engagement(engagementID)
	if e == nil {
		return errNoEngagement
	}
	p.activate(e)
	return nil
}

func text(s string) wire.Body {
	return wire.Body{ElementType: wire.ElementText, Text: s, TextFormat: wire.TextPlain}
}

// say stores a message and sends it to everyone.
func (p *Platform) say(e *engagement, sender wire.Participant, m wire.Message) wire.Message {
	m.MessageID = p.newID("3e55a9e0")
	m.EngagementID, m.DialogID = e.EngagementID, e.DialogID
	m.MessageIndex = int64(len(e.messages)) + 1
	m.SenderParticipantID = sender.ParticipantID
	m.SenderParticipantName = sender.DisplayName
	m.SenderParticipantType = sender.ParticipantType
	m.ReceivedAt = time.Now()
	m.LastUpdatedAt = m.ReceivedAt
	p.change(e, e.customer, wire.Event{Type: wire.EventMessages, Message: &m})
	e.messages = append(e.messages, m)
	return m
}

// end ends a chat for all.
func (p *Platform) end(e *engagement, correlationID string) {
	if e.ended() {
		return
	}
	var events []wire.Event
	for _, q := range slices.Backward(e.Participants) { // the customer stands first, and leaves last
		events = append(events, wire.Event{
			Type: wire.EventParticipantDisconnected, CorrelationID: correlationID, Participant: q,
		})
	}
	events = append(events, wire.Event{Type: wire.EventEngagementTerminated, CorrelationID: correlationID})
	e.EngagementStatus = wire.EngagementTerminated
	e.Participants = nil
	clear(e.in)
	p.change(e, e.customer, events...)
}

// endSession ends a session and its stream.
func (p *Platform) endSession(s *session, reason wire.Reason) {
	if s.ended {
		return
	}
	s.ended = true
	s.SessionStatus = wire.SessionTerminated
	s.LastUpdatedAt = time.Now()
	for _, e := range p.engagements {
		delete(e.in, s.SessionID)
	}
	p.change(nil, s.customer, wire.Event{Type: wire.EventSessionTerminated, SessionID: s.SessionID, Reason: reason})
	if s.stream != nil {
		s.stream.end(wire.CloseSessionGone, "session ended")
	}
}

// Errors of the platform's methods.
var (
	errNoEngagement = errors.New("sdktest: no such engagement")
	errNoSession    = errors.New("sdktest: no such session")
	errEnded        = errors.New("sdktest: the engagement has ended")
	errNotIn        = errors.New("sdktest: the agent is not in the engagement")
)

// Agent is a person at the desk.
type Agent struct {
	p *Platform
	wire.Participant
}

// Agent makes a new agent. Two of the same name are two agents.
func (p *Platform) Agent(name string) *Agent {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &Agent{p, wire.Participant{
		ParticipantID:   p.newID("a9e00000"),
		ParticipantType: wire.ParticipantAgent,
		DisplayName:     name,
	}}
}

// Accept brings the agent into the chat; a bot that is in leaves.
func (a *Agent) Accept(engagementID string) error { return a.join(engagementID, a.Participant) }

// Supervise brings the agent in as SUPERVISOR.
func (a *Agent) Supervise(engagementID string) error {
	s := a.Participant
	s.ParticipantType = wire.ParticipantSupervisor
	return a.join(engagementID, s)
}

func (a *Agent) join(engagementID string, as wire.Participant) error {
	return a.edit(engagementID, func(e *engagement) error {
		if a.in(e) >= 0 {
			return nil
		}
		e.Participants = append(e.Participants, as)
		events := []wire.Event{{Type: wire.EventParticipantAdded, Participant: as}}
		if as.ParticipantType == wire.ParticipantAgent {
			e.Participants = slices.DeleteFunc(e.Participants, func(q wire.Participant) bool {
				if q.ParticipantType != wire.ParticipantBot {
					return false
				}
				events = append(events, wire.Event{Type: wire.EventParticipantDisconnected, Participant: q})
				return true
			})
		}
		a.p.change(e, e.customer, events...)
		return nil
	})
}

// Say writes a message into a chat that the agent is in.
func (a *Agent) Say(engagementID, words string) error {
	return a.edit(engagementID, func(e *engagement) error {
		i := a.in(e)
		if i < 0 {
			return errNotIn
		}
		a.p.say(e, e.Participants[i], wire.Message{Body: text(words)})
		return nil
	})
}

// Leave takes the agent out of the chat, which goes on.
func (a *Agent) Leave(engagementID string) error {
	return a.edit(engagementID, func(e *engagement) error {
		i := a.in(e)
		if i < 0 {
			return errNotIn
		}
		q := e.Participants[i]
		e.Participants = slices.Delete(e.Participants, i, i+1)
		a.p.change(e, e.customer, wire.Event{Type: wire.EventParticipantDisconnected, Participant: q})
		return nil
	})
}

// End ends the chat for all.
func (a *Agent) End(engagementID string) error {
	return a.edit(engagementID, func(e *engagement) error {
		a.p.end(e, "")
		return nil
	})
}

func (a *Agent) in(e *engagement) int {
	return slices.IndexFunc(e.Participants, func(q wire.Participant) bool { return q.ParticipantID == a.ParticipantID })
}

func (a *Agent) edit(engagementID string, change func(*engagement) error) error {
	a.p.mu.Lock()
	defer a.p.mu.Unlock()
	e := a.p.engagement(engagementID)
	switch {
	case e == nil:
		return errNoEngagement
	case e.ended():
		return errEnded
	}
	return change(e)
}
