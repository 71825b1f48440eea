package sdktest

import (
	"errors"
	"net/url"
	"strconv"
	"time"

	"openchat/sdk"
	"openchat/sdk/wire"
)

// ErrLost is what a call or a dial fails with when its connection was refused or
// lost.
var ErrLost = errors.New("sdktest: connection lost")

// faults are the hooks, and the state of the platform's health. Guarded by
// Platform.mu.
type faults struct {
	onRequest func(*Exchange)
	onDial    func(*Dial)
	onFrame   func(*Frame)
	down      bool
	// refuseTokens is what RefuseTokens has set.
	refuseTokens bool
	hideClock    bool // what HideClock has set
}

// Call is one REST call as the platform's log has it.
type Call struct {
	N      int       // counts calls from 1
	At     time.Time // when the client made it
	Method string
	Path   string // below wire.BasePath, without query: "/sessions"
	Query  url.Values
	Header map[string]string // Authorization and appkey
	Body   string
	Acted  bool // the platform acted on it
	Status int  // what the client was answered; 0: nothing
}

// Exchange is a call in the hands of an OnRequest hook. Without any of its methods
// called, the platform answers.
type Exchange struct {
	Call                       // N, At, Method, Path, Query, Header and Body are set
	delay        time.Duration // on the way there
	late         time.Duration // on the way back
	answer       *sdk.Response
	lost         bool // before the platform acts
	isAnswerLost bool // after it acted
	hanging      bool
	hangBack     bool
}

// Respond answers instead of the platform, which never receives the call.
func (x *Exchange) Respond(r sdk.Response) { x.answer = &r }

// Refuse answers with a problem of a kind, such as 503 and wire.ProblemServerError,
// instead of the platform. retryAfter, in whole seconds, is sent when not 0.
func (x *Exchange) Refuse(status int, kind string, retryAfter time.Duration) {
	x.answer = &sdk.Response{Status: status, RetryAfter: retryAfter, Body: problem(status, kind, "refused by a test")}
}

// Delay adds d on the way to the platform.
func (x *Exchange) Delay(d time.Duration) { x.delay = d }

// DelayAnswer adds d on the way back.
func (x *Exchange) DelayAnswer(d time.Duration) { x.late = d }

// Lose loses the call before the platform acts.
func (x *Exchange) Lose() { x.lost = true }

// LoseAnswer lets the platform act, and loses its answer.
func (x *Exchange) LoseAnswer() { x.isAnswerLost = true }

// Hang loses the call without an error: nothing comes until its context ends.
func (x *Exchange) Hang() { x.hanging = true }

// HangAnswer is Hang after the platform has acted.
func (x *Exchange) HangAnswer() { x.hangBack = true }

// OnRequest sets the hook that sees every REST call when it is made; nil removes
// it. It runs on the caller's goroutine and may use the platform.
func (p *Platform) OnRequest(hook func(*Exchange)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults.onRequest = hook
}

// Dial is the opening of a stream in the hands of an OnDial hook. Its fields start
// as zero, which opens a sound stream.
type Dial struct {
	N           int // counts dials from 1
	URL         string
	Subprotocol string

	Refuse bool          // no connection
	Delay  time.Duration // added
	Hang   bool          // nothing happens until the client gives up
	Silent bool          // it opens, and nothing ever passes, either way
}

// OnDial sets the hook that sees the opening of every stream; nil removes it. It
// runs on the caller's goroutine and may use the platform.
func (p *Platform) OnDial(hook func(*Dial)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults.onDial = hook
}

// Frame is a frame in the hands of an OnFrame hook. A stream is a TCP connection:
// frames cannot get lost or change places on it, only come late or not at all.
type Frame struct {
	Conn       int // number of the dial
	FromClient bool
	Text       string

	Delay time.Duration // added; later frames of this direction wait behind it
	Cut   bool          // the connection is lost, with this frame and all that are under way
}

// OnFrame sets the hook that sees every frame when it is sent; nil removes it. It
// must not use the platform.
func (p *Platform) OnFrame(hook func(*Frame)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults.onFrame = hook
}

// FrameLog is a frame that arrived at the platform, or that the platform sent.
type FrameLog struct {
	At         time.Time
	Conn       int // number of the dial
	FromClient bool
	Text       string
}

// Requests returns all REST calls so far, in the order in which they were made.
func (p *Platform) Requests() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]Call, len(p.calls))
	for i, c := range p.calls {
		list[i] = *c
	}
	return list
}

// Frames returns all frames so far: the client's as they arrived, the platform's
// as it sent them. It holds the tokens of authenticate frames.
func (p *Platform) Frames() []FrameLog {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]FrameLog(nil), p.frames...)
}

// Dials returns how many streams were opened or tried.
func (p *Platform) Dials() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dials
}

// Busy returns how many calls, dials and streams clients have not done with: none is
// left of a client that was shut down (SHUT-2).
func (p *Platform) Busy() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.working
}

func (p *Platform) worked() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.working--
}

// SkewClock sets how far the platform's clock is ahead of the clients', negative for
// behind, as when one of them is set anew: tokens end by either.
func (p *Platform) SkewClock(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.skew = d
	for _, c := range p.conns {
		c.up.rouse() // its token may have ended
	}
}

// HideClock keeps the platform from sending its time, as gateways before version 0.2 did:
// answers have no Date, frames no serverTime.
func (p *Platform) HideClock(hide bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults.hideClock = hide
}

// RefuseTokens makes the platform refuse every token, until it is called with false: as
// while a key is being rotated. Streams that are open stay so.
func (p *Platform) RefuseTokens(refuse bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults.refuseTokens = refuse
}

// CutStreams ends every open stream with a close code; 1006 loses the connection
// without a close frame, and with it all frames under way.
func (p *Platform) CutStreams(code int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut(code)
}

func (p *Platform) cut(code int) {
	for _, c := range append([]*conn(nil), p.conns...) {
		c.end(code, "cut by a test")
	}
}

// Silence makes every open stream half-open: what either side sends from now on is
// lost, and neither notices.
func (p *Platform) Silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.silence()
	}
}

// SendRaw sends a frame to every authenticated stream, such as one that is not
// JSON or of an unknown type.
func (p *Platform) SendRaw(frame string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range append([]*conn(nil), p.conns...) {
		if c.ready {
			c.send([]byte(frame))
		}
	}
}

// Down makes the platform unreachable: streams and calls under way are lost, new
// ones refused, until Up. Chats, sessions and history stay.
func (p *Platform) Down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.goDown()
}

func (p *Platform) goDown() {
	p.faults.down = true
	p.incarnation++
	p.cut(1006)
}

// Up ends Down.
func (p *Platform) Up() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults.down = false
	p.downUntil = time.Time{}
}

// Restart is a gateway killed and started again at once. Without history no stream
// can resume: each is answered resumed:false.
func (p *Platform) Restart(keepHistory bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.goDown()
	p.faults.down = false
	if !keepHistory {
		p.seq++
		p.floor = p.position()
		p.log = nil
	}
}

// EndSession ends a session from the platform's side (SHUT-3).
func (p *Platform) EndSession(sessionID string, reason wire.Reason) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.session(sessionID)
	if s == nil {
		return errNoSession
	}
	p.endSession(s, reason)
	return nil
}

// RaiseError raises ENGAGEMENT_ERROR for a chat.
func (p *Platform) RaiseError(engagementID, kind, title, detail string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.engagement(engagementID)
	if e == nil {
		return errNoEngagement
	}
	p.change(e, e.customer, wire.Event{
		Type: wire.EventEngagementError, ErrorType: kind, ErrorTitle: title, ErrorDetail: detail,
	})
	return nil
}

func problem(status int, kind, detail string, violations ...wire.Violation) []byte {
	w := wire.Problem{
		Type:   "https://sdktest.invalid/problems#" + kind,
		Title:  "HTTP " + strconv.Itoa(status),
		Status: status, Detail: detail, Violations: violations,
	}
	return w.Append(nil)
}
