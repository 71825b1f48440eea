package main

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
)

// What a customer's page does, beside the faults of sdktest. The fields of
// sdktest.Step mean here what is said; Pick chooses a chat that the page knows of.
const (
	doInit       sdktest.Kind = "init"
	doShutdown   sdktest.Kind = "shutdown"
	doCreate     sdktest.Kind = "createEngagement"
	doList       sdktest.Kind = "getEngagements"
	doLookup     sdktest.Kind = "getEngagementById"
	doJoin       sdktest.Kind = "join"
	doSend       sdktest.Kind = "sendMessage" // Count of them, nothing awaited; Code 1: from Await, given up after For
	doSendBad    sdktest.Kind = "sendMessage out of bounds"
	doDisconnect sdktest.Kind = "disconnect"
	doHistory    sdktest.Kind = "getMessages" // Code: page size
	doTurn       sdktest.Kind = "turn"        // Pick: which iterator; Code 0: older
	doResetIdle  sdktest.Kind = "resetIdleTimeout"
	doToken      sdktest.Kind = "setJwtToken" // For: its time to live
	doBadToken   sdktest.Kind = "setJwtToken that is bad"
	doRetry      sdktest.Kind = "retryConnection"
	doVisible    sdktest.Kind = "page visible"
	doOffline    sdktest.Kind = "offline"         // for For; Code 1: only the browser says so
	doSleep      sdktest.Kind = "sleep"           // for For; Code 1: the page learns of it when it wakes
	doSlow       sdktest.Kind = "slow handler"    // the next handler takes For
	doReact      sdktest.Kind = "react"           // the next On is answered from within its handler by reactions[Code]
	doReload     sdktest.Kind = "reload"          // of the page
	doDuplicate  sdktest.Kind = "duplicate tab"   // with its sessionStorage
	doStorage    sdktest.Kind = "storage refuses" // for For
)

// Faults beside those of sdktest, in lives with Clocks.
const (
	stepClock    sdktest.Kind = "step clock"    // every device's wall clock goes forward by For, or back
	refuseTokens sdktest.Kind = "refuse tokens" // every token, for For, as while a key is being rotated
)

// reactions are the calls that a handler may make.
var reactions = []sdktest.Kind{doSend, doCreate, doDisconnect, doHistory, doShutdown, doResetIdle, doToken, doRetry, doInit, doList, doJoin}

// maxSlots bounds how many tabs of one user are open at a time.
const maxSlots = 4

// nobody is the Tab of steps that are faults or the agents'.
const nobody = -1

// Step is one thing that happens in a life.
type Step struct {
	Tab int // whose page; nobody: a fault, or an agent's step
	sdktest.Step
}

func (s Step) String() string {
	who := "faults"
	if s.Tab != nobody {
		who = fmt.Sprintf("tab %d", s.Tab)
	}
	return fmt.Sprintf("%10.3fs  %-8s %s", s.At.Seconds(), who, s.Step)
}

// Life is everything that its seed determines: pure data.
type Life struct {
	Seed     uint64
	Length   time.Duration
	Platform sdktest.Options
	Config   sdk.Config
	Tabs     int // at the beginning

	// How this user's pages are written.
	TokenTTL     time.Duration
	AtReminder   bool          // they renew the token at its reminder, else when it has expired
	RenewAfter   time.Duration // so long after that
	RetryAfter   time.Duration // retryConnection after RECONNECTION_TIMEOUT; negative: never
	AgainAfter   time.Duration // init after SHUTDOWN or a failed init; negative: never
	KeepsTalking bool          // they reset the idle timers in each minute

	// Clocks is whether the device's clock may be wrong, and the back end of the pages.
	Clocks     bool
	ClockAhead time.Duration // of the device's wall clock when the life begins
	Cached     time.Duration // for so long the back end returns the token that it made last, be it expired; 0: never
	IssueAhead time.Duration // of the back end's clock: its tokens are refused for so long
	Deaf       bool          // the pages renew tokens at TOKEN_* events only

	Steps []Step
}

// String lists the life.
func (l *Life) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v, %d tabs, latency %v and %v, history %d, bot %v, reconnection %v, idle %v + %v, token %v, renewed at reminder %v after %v, retry %v, again %v, keeps talking %v\n",
		l.Length, l.Tabs, l.Platform.Latency, l.Platform.StreamLatency, l.Platform.History, l.Platform.AutoBot,
		l.Config.ReconnectionTimeout, l.Config.IdleTimeout, l.Config.IdleShutdownGraceTimeout,
		l.TokenTTL, l.AtReminder, l.RenewAfter, l.RetryAfter, l.AgainAfter, l.KeepsTalking)
	if l.Clocks {
		fmt.Fprintf(&b, "the device's clock is %v ahead, the back end's %v, tokens are cached for %v, deaf %v\n", l.ClockAhead, l.IssueAhead, l.Cached, l.Deaf)
	}
	for _, s := range l.Steps {
		fmt.Fprintln(&b, s)
	}
	return b.String()
}

// NewLife makes the life of a seed.
func NewLife(seed uint64) *Life {
	r := rand.New(rand.NewPCG(seed, 0x11fe))
	ms := func(low, high int) time.Duration { return time.Duration(low+r.IntN(high-low+1)) * time.Millisecond }
	seconds := func(low, high int) time.Duration { return time.Duration(low+r.IntN(high-low+1)) * time.Second }
	l := &Life{
		Seed:   seed,
		Length: 10*time.Minute + time.Duration(float64(110*time.Minute)*math.Pow(r.Float64(), 6)).Truncate(time.Second), // the long ones are mostly waiting
		Platform: sdktest.Options{
			Latency: ms(1, 80), StreamLatency: ms(1, 80), RouteDelay: ms(1, 500), AutoBot: r.IntN(2) == 0,
			History: one(r, 10_000, 10_000, 10_000, 40, 10),
		},
		Config: sdk.Config{
			ReconnectionTimeout:      seconds(120, 300),
			IdleTimeout:              one(r, sdk.IdleDisabled, seconds(300, 3300), 300*time.Second),
			IdleShutdownGraceTimeout: seconds(30, 120),
			LogLevel:                 sdk.LogWarn, // what puts a device to sleep needs a warning, see player
		},
		Tabs:         1 + r.IntN(3),
		TokenTTL:     one(r, seconds(200, 900), seconds(900, 3600), 10*time.Hour),
		AtReminder:   r.IntN(3) > 0,
		RenewAfter:   one(r, 0, ms(0, 2000), seconds(1, 60)),
		RetryAfter:   one(r, 0, seconds(1, 60), -1),
		AgainAfter:   one(r, 0, ms(1, 3000), seconds(1, 120), -1),
		KeepsTalking: r.IntN(3) > 0,
	}
	longest := 100 * time.Second // within every reconnection window
	if r.IntN(8) == 0 {
		longest = 10 * time.Minute
	}
	// Short lives are as rich as long ones: what happens matters, not how long nothing does.
	for _, s := range sdktest.NewSchedule(r.Uint64(), sdktest.ScheduleOptions{Length: l.Length, Bursts: 2 + r.IntN(12), MaxOutage: longest, Agents: 10 + r.IntN(40)}) {
		l.Steps = append(l.Steps, Step{nobody, s})
	}
	for range 4 + r.IntN(20) { // bursts
		at := time.Duration(r.Int64N(int64(l.Length)))
		if r.IntN(3) == 0 { // in the middle of a burst of faults
			at = l.Steps[r.IntN(len(l.Steps))].At
		}
		for range 1 + r.IntN(8) {
			if r.IntN(4) > 0 {
				at += ms(0, one(r, 20, 500, 5000, 20000))
			}
			l.Steps = append(l.Steps, customer(r, at.Truncate(time.Millisecond)))
		}
	}
	if clocks {
		l.wrongClocks()
	}
	slices.SortStableFunc(l.Steps, func(a, b Step) int { return cmp.Compare(a.At, b.At) })
	return l
}

// clocks is whether lives have wrong clocks, back ends that cache tokens, and tokens that
// are refused for a while, and the model judges by JWT-6 to JWT-8.
const clocks = true

// wrongClocks adds what Clocks is about. It draws from a generator of its own, so that
// all else of the life stays as it is.
func (l *Life) wrongClocks() {
	r := rand.New(rand.NewPCG(l.Seed, 0xc10c))
	span := func(low, high time.Duration) time.Duration {
		return low + time.Duration(r.Int64N(int64(high-low))).Truncate(time.Millisecond)
	}
	hours := func() time.Duration { return span(-12*time.Hour, 12*time.Hour) }
	minutes := func() time.Duration { return span(-20*time.Minute, 20*time.Minute) }
	l.Clocks = true
	l.ClockAhead = one(r, 0, minutes(), hours())
	for i := range l.Steps {
		// The server's time is true here. That its clock is ahead by so much is the same, to
		// a device, as that its own is behind.
		if s := &l.Steps[i]; s.Tab == nobody && s.Kind == sdktest.SkewClock {
			s.Kind, s.For = stepClock, -s.For
		}
	}
	for range r.IntN(4) {
		l.Steps = append(l.Steps, Step{nobody, sdktest.Step{At: span(0, l.Length), Kind: stepClock, For: one(r, minutes(), hours())}})
	}
	if r.IntN(3) == 0 {
		l.TokenTTL = span(30*time.Second, 2*time.Minute)
	}
	if r.IntN(3) == 0 {
		l.Cached = span(10*time.Second, l.TokenTTL+5*time.Minute)
	}
	if r.IntN(4) == 0 {
		l.IssueAhead = span(time.Second, time.Minute)
	}
	for range one(r, 0, 0, 1, 3) {
		l.Steps = append(l.Steps, Step{nobody, sdktest.Step{At: span(0, l.Length), Kind: refuseTokens, For: span(time.Second, one(r, 20*time.Second, 3*time.Minute))}})
	}
	l.Deaf = r.IntN(2) == 0
}

func one[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// weights say how often a page does what.
var weights = []struct {
	n    int
	kind sdktest.Kind
}{
	{30, doSend}, {6, doCreate}, {6, doList}, {3, doLookup}, {8, doJoin}, {4, doDisconnect}, {10, doHistory}, {8, doTurn},
	{2, doSendBad}, {3, doResetIdle}, {5, doToken}, {2, doBadToken}, {3, doRetry}, {4, doVisible}, {4, doOffline}, {4, doSleep},
	{3, doSlow}, {8, doReact}, {4, doReload}, {2, doDuplicate}, {1, doStorage}, {2, doShutdown}, {3, doInit},
}

func customer(r *rand.Rand, at time.Duration) Step {
	total := 0
	for _, w := range weights {
		total += w.n
	}
	n := r.IntN(total)
	s := Step{Tab: r.IntN(maxSlots), Step: sdktest.Step{At: at, Pick: r.IntN(8)}}
	for _, w := range weights {
		if n -= w.n; n < 0 {
			s.Kind = w.kind
			break
		}
	}
	span := func(most time.Duration) time.Duration {
		return time.Millisecond + time.Duration(r.Int64N(int64(most))).Truncate(time.Millisecond)
	}
	switch s.Kind {
	case doSend:
		s.Count = 1 + r.IntN(4)
		if r.IntN(6) == 0 {
			s.Code, s.For = 1, span(20*time.Second)
		}
	case doHistory:
		s.Code = one(r, 10, 1+r.IntN(50), 1+r.IntN(5), -1)
	case doTurn:
		s.Code = one(r, 0, 0, 1)
	case doToken:
		s.For = one(r, span(3*time.Minute)+2*time.Second, span(time.Hour)+5*time.Minute)
	case doBadToken:
		s.Code = r.IntN(4)
	case doOffline:
		s.For, s.Code = span(one(r, 10*time.Second, 90*time.Second)), r.IntN(2)
	case doSleep:
		s.For, s.Code = span(one(r, 20*time.Second, 3*time.Minute, 20*time.Minute)), r.IntN(2)
	case doSlow:
		s.For = span(one(r, 100*time.Millisecond, 10*time.Second))
	case doStorage:
		s.For = span(3 * time.Minute)
	case doReact:
		s.Code = r.IntN(len(reactions))
		s.On = string(one(r, sdk.EventMessageArrived, sdk.EventMessageDelivered, sdk.EventEngagementActive,
			sdk.EventEngagementTerminated, sdk.EventParticipantAdded, sdk.EventStreamFailed, sdk.EventStreamConnected,
			sdk.EventStreamConnecting, sdk.EventShutdown, sdk.EventInitialized, sdk.EventTokenExpired, sdk.EventIdleTimeoutExpired))
	}
	return s
}
