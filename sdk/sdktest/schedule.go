package sdktest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"openchat/sdk"
	"openchat/sdk/wire"
)

// Kind says what a Step of a schedule does.
type Kind string

// What can happen to a client, and around it. Those under calls, dials and frames hit
// the next Count of them, others act at once.
const (
	// Calls whose "METHOD /path" contains On.
	LoseRequest  Kind = "lose request"  // before the platform acts
	LoseAnswer   Kind = "lose answer"   // after it acted
	DelayRequest Kind = "delay request" // For
	DelayAnswer  Kind = "delay answer"  // For: late, and later than its repetition's
	HangRequest  Kind = "hang request"  // until the client gives up
	HangAnswer   Kind = "hang answer"
	Refuse       Kind = "refuse" // with the problem of status Code; For is its Retry-After
	AnswerHTML   Kind = "answer HTML"

	// Dials.
	RefuseDial Kind = "refuse dial"
	HangDial   Kind = "hang dial"
	DelayDial  Kind = "delay dial"  // For
	SilentDial Kind = "silent dial" // opens half-open

	// Frames, of both sides; the first Pick of them pass.
	CutFrame   Kind = "cut at frame"
	DelayFrame Kind = "delay frame" // For

	// Streams that are open.
	CutStreams     Kind = "cut streams" // with close code Code
	SilenceStreams Kind = "silence streams"
	SendGarbage    Kind = "send garbage" // Pick chooses which

	// The platform.
	Outage      Kind = "outage"       // down for For
	Restart     Kind = "restart"      // killed and started again
	Forget      Kind = "forget"       // the same, and nothing can be resumed
	SkewClock   Kind = "skew clock"   // its clock is ahead by For, which may be negative
	EndSession  Kind = "end session"  // the Pick-th that is alive
	RaiseError  Kind = "raise error"  // in the Pick-th chat that goes on, as below
	AgentJoins  Kind = "agent joins"  // agent Code of three
	AgentWrites Kind = "agent writes" // Count messages, entering the chat if need be
	AgentLeaves Kind = "agent leaves"
	AgentEnds   Kind = "agent ends"
	Supervise   Kind = "supervise"
)

// Step is one thing that happens at one moment. It holds no reference to anything, so
// that a list of steps can be printed, stored as JSON, cut down and played again.
// Which fields mean something depends on Kind.
type Step struct {
	At    time.Duration // since the beginning
	Kind  Kind
	On    string        `json:",omitempty"` // which calls; "": all
	For   time.Duration `json:",omitempty"`
	Count int           `json:",omitempty"` // 0: 1
	Code  int           `json:",omitempty"`
	Pick  int           `json:",omitempty"` // counted around what there is at that moment
}

// String returns the step as a line without its end.
func (s Step) String() string {
	var b strings.Builder
	b.WriteString(string(s.Kind))
	if s.Count > 1 {
		fmt.Fprintf(&b, " ×%d", s.Count)
	}
	if s.On != "" {
		fmt.Fprintf(&b, " on %q", s.On)
	}
	if s.For != 0 {
		fmt.Fprintf(&b, " for %v", s.For)
	}
	if s.Code != 0 {
		fmt.Fprintf(&b, " code %d", s.Code)
	}
	if s.Pick != 0 {
		fmt.Fprintf(&b, " pick %d", s.Pick)
	}
	return b.String()
}

// ScheduleOptions bounds a schedule.
type ScheduleOptions struct {
	// Length of the schedule, a second at least. 0: ten minutes.
	Length time.Duration
	// Bursts is how many bursts of faults there are, each of 1 to 8 steps within a
	// minute. 0: one for every four minutes.
	Bursts int
	// MaxOutage bounds how long the platform is down at a time. 0: 60 s. The SDK's
	// promises hold for outages within its reconnectionTimeout, 120 s by default.
	MaxOutage time.Duration
	// Agents is how many steps are the agents'. 0: one a minute; negative: none.
	Agents int
}

// NewSchedule makes the fault schedule of a seed, in the order of time: the same from the
// same seed and options.
func NewSchedule(seed uint64, o ScheduleOptions) []Step {
	if o.Length == 0 {
		o.Length = 10 * time.Minute
	}
	if o.Bursts == 0 {
		o.Bursts = 1 + int(o.Length/(4*time.Minute))
	}
	if o.MaxOutage == 0 {
		o.MaxOutage = time.Minute
	}
	if o.Agents == 0 {
		o.Agents = 1 + int(o.Length/time.Minute)
	}
	r := rand.New(rand.NewPCG(seed, 0x5ea))
	var list []Step
	for range o.Bursts {
		span := min(time.Minute, o.Length/2)
		at := within(r, o.Length-span)
		for range 1 + r.IntN(8) {
			s := fault(r, o)
			s.At = at + within(r, span)
			list = append(list, s)
			// A message in the middle of them is what tells whether anything is lost.
			if r.IntN(2) == 0 {
				list = append(list, Step{At: min(s.At+within(r, 10*time.Second), o.Length), Kind: AgentWrites, Count: 1 + r.IntN(4), Code: r.IntN(3), Pick: r.IntN(8)})
			}
		}
	}
	for range o.Agents {
		s := agent(r)
		s.At = within(r, o.Length)
		list = append(list, s)
	}
	slices.SortStableFunc(list, func(a, b Step) int { return int(a.At - b.At) })
	return list
}

// within draws a duration below d, in whole milliseconds.
func within(r *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(d/time.Millisecond))) * time.Millisecond
}

func choose[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func fault(r *rand.Rand, o ScheduleOptions) Step {
	calls := func(k Kind, n int) Step {
		on := choose(r, "", "", "POST", "/messages", "POST /engagements", "GET", "/sessions", ":join", ":disconnect")
		return Step{Kind: k, On: on, Count: 1 + r.IntN(n), For: within(r, 15*time.Second)}
	}
	switch r.IntN(28) {
	case 0, 1:
		return calls(LoseRequest, 4)
	case 2, 3:
		return calls(LoseAnswer, 4)
	case 4:
		return calls(DelayRequest, 3)
	case 5, 6:
		return calls(DelayAnswer, 3)
	case 7:
		return calls(HangRequest, 2)
	case 8:
		return calls(HangAnswer, 2)
	case 9, 10:
		s := calls(Refuse, 5)
		s.Code = choose(r, 401, 403, 404, 409, 429, 429, 500, 502, 503, 503, 504)
		if s.For = 0; s.Code == 429 || s.Code == 503 {
			s.For = time.Duration(r.IntN(20)) * time.Second
		}
		return s
	case 11:
		s := calls(AnswerHTML, 2)
		s.Code, s.For = choose(r, 200, 404, 502), 0
		return s
	case 12:
		return Step{Kind: RefuseDial, Count: 1 + r.IntN(4)}
	case 13:
		return Step{Kind: HangDial, Count: 1 + r.IntN(2)}
	case 14:
		return Step{Kind: DelayDial, Count: 1 + r.IntN(3), For: within(r, 12*time.Second)}
	case 15:
		return Step{Kind: SilentDial}
	case 16, 17:
		return Step{Kind: CutFrame, Pick: r.IntN(12)}
	case 18:
		return Step{Kind: DelayFrame, Pick: r.IntN(6), Count: 1 + r.IntN(4), For: within(r, 8*time.Second)}
	case 19, 20:
		return Step{Kind: CutStreams, Code: choose(r, 1006, 1006, 1001, 1012, 1011, 4400, 4408, 4429, 4401, 4403, 4409)}
	case 21, 22:
		return Step{Kind: SilenceStreams}
	case 23:
		return Step{Kind: SendGarbage, Pick: r.IntN(len(garbage))}
	case 24:
		return Step{Kind: Outage, For: time.Second + within(r, o.MaxOutage-time.Second)}
	case 25:
		return Step{Kind: Restart}
	case 26:
		return Step{Kind: Forget}
	}
	switch r.IntN(4) {
	case 0:
		return Step{Kind: EndSession, Pick: r.IntN(4)}
	case 1:
		return Step{Kind: SkewClock, For: within(r, 4*time.Minute) - 2*time.Minute}
	}
	return Step{Kind: RaiseError, Pick: r.IntN(8)}
}

func agent(r *rand.Rand) Step {
	s := Step{Code: r.IntN(3), Pick: r.IntN(8)}
	switch n := r.IntN(20); {
	case n < 12:
		s.Kind, s.Count = AgentWrites, 1+r.IntN(5)
	case n < 16:
		s.Kind = AgentJoins
	case n < 17:
		s.Kind = Supervise
	case n < 19:
		s.Kind = AgentLeaves
	default:
		s.Kind = AgentEnds
	}
	return s
}

// garbage is what no gateway should send.
var garbage = []string{
	`{"type":"event","id":"1","event":{"eventType":"A_NEW_ONE","eventDate":"2026-01-01T00:00:00.000Z"}}`,
	`{"type":"a-new-type"}`,
	`<html>`,
	`{"type":"event"`,
	`{"type":"pong"}`,
	`{}`,
}

// Faults makes the steps of a schedule happen to a platform. Its methods are safe for
// concurrent use.
type Faults struct {
	p  *Platform
	mu sync.Mutex
	// armed are the faults that have hits left, oldest first.
	armed  []*Step
	agents [3]*Agent
	words  int // messages written
}

// Faults returns Faults of which none happens yet, and takes the platform's hooks for them:
// OnRequest, OnDial and OnFrame. It starts no goroutine.
func (p *Platform) Faults() *Faults {
	f := &Faults{p: p, agents: [3]*Agent{p.Agent("Bo"), p.Agent("Cy"), p.Agent("Di")}}
	p.OnRequest(f.request)
	p.OnDial(f.dial)
	p.OnFrame(f.frame)
	return f
}

// Run lets the steps happen in their time, from now on. It returns after the last, or
// when ctx has ended; faults that were not used up stay armed until Clear.
func (f *Faults) Run(ctx context.Context, steps []Step) {
	began := time.Now()
	for _, s := range steps {
		t := time.NewTimer(time.Until(began.Add(s.At)))
		select {
		case <-t.C:
			f.Do(s)
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}

// Clear ends all faults: what is armed, an outage, and a skewed clock. Streams that are
// cut or silent remain so.
func (f *Faults) Clear() {
	f.mu.Lock()
	f.armed = nil
	f.mu.Unlock()
	f.p.Up()
	f.p.SkewClock(0)
}

// Do lets one step happen now, whatever its At.
func (f *Faults) Do(s Step) {
	p := f.p
	switch s.Kind {
	case CutStreams:
		p.CutStreams(s.Code)
	case SilenceStreams:
		p.Silence()
	case SendGarbage:
		p.SendRaw(garbage[s.Pick%len(garbage)])
	case Outage:
		p.outage(s.For)
	case Restart:
		p.Restart(true)
	case Forget:
		p.Restart(false)
	case SkewClock:
		p.SkewClock(s.For)
	case EndSession:
		alive := slices.DeleteFunc(p.Sessions(), func(i SessionInfo) bool { return i.Ended })
		if len(alive) > 0 {
			p.EndSession(alive[s.Pick%len(alive)].SessionID, wire.ReasonSystemClosed)
		}
	case RaiseError, AgentJoins, AgentWrites, AgentLeaves, AgentEnds, Supervise:
		ongoing := slices.DeleteFunc(p.Engagements(), func(e wire.Engagement) bool { return e.EngagementStatus == wire.EngagementTerminated })
		if len(ongoing) > 0 {
			f.desk(s, ongoing[s.Pick%len(ongoing)].EngagementID)
		}
	default:
		s.Count = max(1, s.Count)
		f.mu.Lock()
		f.armed = append(f.armed, &s)
		f.mu.Unlock()
	}
}

// desk does an agent's step. What cannot be done, because the chat has ended or the
// agent is not in it, is left.
func (f *Faults) desk(s Step, chat string) {
	a := f.agents[s.Code%len(f.agents)]
	switch s.Kind {
	case RaiseError:
		f.p.RaiseError(chat, "https://sdktest.invalid/errors", "No agent", "Nobody is there")
	case AgentJoins:
		a.Accept(chat)
	case Supervise:
		a.Supervise(chat)
	case AgentLeaves:
		a.Leave(chat)
	case AgentEnds:
		a.End(chat)
	case AgentWrites:
		a.Accept(chat)
		for range max(1, s.Count) {
			f.mu.Lock()
			f.words++
			n := f.words
			f.mu.Unlock()
			a.Say(chat, fmt.Sprintf("agent %d", n))
		}
	}
}

// outage is Down, and Up after d, unless another outage is longer.
func (p *Platform) outage(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.goDown()
	if end := time.Now().Add(d); end.After(p.downUntil) {
		p.downUntil = end
	}
	p.after(d, func() {
		if !p.downUntil.IsZero() && !time.Now().Before(p.downUntil) {
			p.faults.down = false
			p.downUntil = time.Time{}
		}
	})
}

// hit returns the first armed fault that fits, and takes one hit off it.
func (f *Faults) hit(fits func(*Step) bool) (Step, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, s := range f.armed {
		if !fits(s) {
			continue
		}
		if s.Count--; s.Count == 0 {
			f.armed = slices.Delete(f.armed, i, i+1)
		}
		return *s, true
	}
	return Step{}, false
}

func (f *Faults) request(x *Exchange) {
	s, ok := f.hit(func(s *Step) bool {
		switch s.Kind {
		case LoseRequest, LoseAnswer, DelayRequest, DelayAnswer, HangRequest, HangAnswer, Refuse, AnswerHTML:
			return strings.Contains(x.Method+" "+x.Path, s.On)
		}
		return false
	})
	if !ok {
		return
	}
	switch s.Kind {
	case LoseRequest:
		x.Lose()
	case LoseAnswer:
		x.LoseAnswer()
	case DelayRequest:
		x.Delay(s.For)
	case DelayAnswer:
		x.DelayAnswer(s.For)
	case HangRequest:
		x.Hang()
	case HangAnswer:
		x.HangAnswer()
	case Refuse:
		x.Refuse(s.Code, kindOf(s.Code), s.For)
	case AnswerHTML:
		x.Respond(sdk.Response{Status: s.Code, Body: []byte("<html><title>captive portal</title></html>")})
	}
}

func kindOf(status int) string {
	switch status {
	case 401:
		return wire.ProblemUnauthorized
	case 403:
		return wire.ProblemForbidden
	case 404:
		return wire.ProblemNotFound
	case 409:
		return wire.ProblemConflict
	case 429:
		return wire.ProblemTooMany
	}
	return wire.ProblemServerError
}

func (f *Faults) dial(d *Dial) {
	s, ok := f.hit(func(s *Step) bool {
		return s.Kind == RefuseDial || s.Kind == HangDial || s.Kind == DelayDial || s.Kind == SilentDial
	})
	if !ok {
		return
	}
	switch s.Kind {
	case RefuseDial:
		d.Refuse = true
	case HangDial:
		d.Hang = true
	case DelayDial:
		d.Delay = s.For
	case SilentDial:
		d.Silent = true
	}
}

func (f *Faults) frame(x *Frame) {
	s, ok := f.hit(func(s *Step) bool {
		if s.Kind != CutFrame && s.Kind != DelayFrame {
			return false
		}
		s.Pick--
		return s.Pick < 0
	})
	if !ok {
		return
	}
	if s.Kind == CutFrame {
		x.Cut = true
	} else {
		x.Delay = s.For
	}
}
