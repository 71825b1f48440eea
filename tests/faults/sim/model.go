package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
	"openchat/sdk/wire"
)

// The model knows three things: the record, which is what pages did and learnt, the
// platform's store, which is what was true, and docs/surface.md. It reads them after the life is
// over and says what does not fit. It shares nothing with package sdk but the types of
// its surface.

// Bounds of docs/surface.md, and what the model allows beside them.
const (
	tick          = 50 * time.Millisecond // what happens "at once" has happened by then
	initBound     = 30 * time.Second      // INIT-9
	shutdownBound = 5 * time.Second       // SHUT-1
	callBound     = 31 * time.Second      // every other call
	silenceBound  = 40 * time.Second      // STREAM-4
	attemptBound  = 10 * time.Second      // of a dial, until it is CONNECTED or FAILED
	firstRetry    = time.Second           // STREAM-2
	retryCeiling  = 30 * time.Second
	reminderLead  = 3 * time.Minute // JWT-1
	stable        = 10 * time.Second
	tokenEvents   = 10 * time.Second // JWT-6: between two of a type
	askAgain      = 5 * time.Minute  // JWT-6, JWT-7: the most while tokens are refused
	probing       = 5 * time.Second  // STREAM-4: longer, when the device's clock was set meanwhile
	fewRefusals   = 8                // JWT-6: of the stream in tokenEvents, whatever the page does
)

// allowed are the codes that each call may end with (client.go's doc comments, docs/surface.md).
var allowed = map[sdktest.Kind][]sdk.Code{
	doInit:       {204, 304, 305, 306, 311, 321},
	doShutdown:   {310, 321},
	doCreate:     {304, 305, 306, 310, 319, 320, 321},
	doList:       {304, 305, 306, 310, 320, 321},
	doLookup:     {304, 305, 306, 310, 320, 321},
	doJoin:       {304, 305, 306, 310, 312, 314, 315, 319, 320, 321},
	doSend:       {304, 305, 306, 310, 313, 314, 319, 320, 321, 322},
	doDisconnect: {304, 305, 306, 310, 313, 314, 319, 320, 321},
	doHistory:    {310, 316, 321},
	doTurn:       {310, 317, 321},
	doResetIdle:  {310, 321},
	doToken:      {305, 310, 321},
	doRetry:      {305, 310, 318, 321},
}

// activity is what resets the idle timers (IDLE-1).
var activity = []sdktest.Kind{doCreate, doDisconnect, doSend, doJoin, doResetIdle}

// judge is the model at work on one life.
type judge struct {
	life     *Life
	record   *Record
	p        *sdktest.Platform
	problems []string
	stored   map[string][]wire.Message        // by chat
	chats    []wire.Engagement                // as the platform has them
	events   map[string][]sdktest.StreamEvent // by session
}

// maxProblems bounds what is said of one life: the first is what matters.
const maxProblems = 12

// Judge says what is wrong with a life; nothing if all is well. Each line begins with
// the row of docs/surface.md that is broken.
func Judge(life *Life, r *Record, p *sdktest.Platform) []string {
	j := &judge{life: life, record: r, p: p, stored: map[string][]wire.Message{}, chats: p.Engagements(), events: map[string][]sdktest.StreamEvent{}}
	for _, e := range j.chats {
		j.stored[e.EngagementID] = p.Messages(e.EngagementID)
	}
	for _, g := range r.pages {
		newLog(j, g).read()
	}
	j.sends()
	for _, c := range r.calls {
		if c.Settled != 1 {
			j.say(c.At, c.Page, "every promise settles once: %v settled %d times", c, c.Settled)
		}
	}
	return j.problems
}

func (j *judge) say(at time.Duration, g *page, format string, args ...any) {
	if len(j.problems) < maxProblems {
		j.problems = append(j.problems, fmt.Sprintf("%.3fs p%d ", at.Seconds(), g.n)+fmt.Sprintf(format, args...))
	}
}

// sends compares what was delivered to pages of their messages with what is stored.
func (j *judge) sends() {
	places := map[string][]wire.Message{}
	for _, list := range j.stored {
		for _, m := range list {
			places[m.Body.Text] = append(places[m.Body.Text], m)
		}
	}
	last := map[string]int64{}
	for _, c := range j.record.calls {
		if c.Kind != doSend || c.Bad {
			continue
		}
		at := places[c.Text]
		switch {
		case len(at) > 1:
			j.say(c.At, c.Page, "MSG-4 %q is stored %d times", c.Text, len(at))
		case c.Settled > 0 && c.Err == nil && len(at) == 0:
			j.say(c.At, c.Page, "every accepted send is stored: %q is not", c.Text)
		case c.Settled > 0 && c.Err == nil && (at[0].MessageID != c.Message.MessageID || at[0].MessageIndex != c.Message.MessageIndex || c.Message.Body.Text != c.Text):
			j.say(c.At, c.Page, "MSG-2 %q resolved with %+v, stored is %+v", c.Text, c.Message, at[0])
		}
		if len(at) == 0 {
			continue
		}
		key := fmt.Sprint(c.Page.n, c.Chat)
		if at[0].MessageIndex < last[key] {
			j.say(c.At, c.Page, "MSG-3 %q was stored before what was sent before it", c.Text)
		}
		last[key] = at[0].MessageIndex
	}
}

// phase is where a page's session is, as its page can know.
type phase int

const (
	none phase = iota
	initing
	ready
	closing
)

// stream is what a page knows of its event stream (STREAM-1).
type stream int

const (
	idle stream = iota
	connecting
	connected
	failed       // and the next attempt is announced
	unauthorized // until a new token is set
	givenUp
)

// log reads the record of one page.
type log struct {
	j       *judge
	g       *page
	list    []Entry // of this page, and of all
	i       int     // where it is
	now     time.Duration
	blocked [][2]time.Duration // when it slept, or a handler held it up

	phase               phase
	endedAt             time.Duration // SHUTDOWN
	initCall            *Call
	open                []*Call // not settled
	session             string  // that it dialed for
	offline             bool
	left                bool
	offlineAt, onlineAt time.Duration            // when it last went offline, and came back
	saw                 map[string]time.Duration // what answers, by status and kind, came last

	stream
	connectedAt, connectingAt, failedAt time.Duration
	retryAfter                          time.Duration
	brokeAt                             time.Duration // when the reconnection window began
	windowOpen                          bool
	fresh                               bool // no retry since a stable connection
	resyncAt                            time.Duration

	begunAt  time.Duration // INITIALIZED
	place    wire.EventID  // of the stream, from which on the page receives
	hasPlace bool
	target   wire.EventID // up to here events were lost for good
	// reread is when the engagements were read again after that: what they show then
	// may go undelivered as an event. 0: not yet.
	reread  time.Duration
	views   map[string]*view
	mirror  map[string]sdk.Engagement
	last    wire.EventID    // of the newest event that was matched
	delayed map[string]bool // messages sent here whose promise is to come before their event

	expiry             time.Time     // of the present token
	setAt              time.Duration // when it was set
	token              string
	before             []time.Time     // the expiries of the tokens before, one of which may be in use again
	unsure             bool            // a token was refused since: which is in use is not known
	worked             bool            // a call was answered since the stream ended with a refusal
	workedAt           time.Duration   // and when
	answeredAt         time.Duration   // when a call was last answered as it should be
	seen               map[string]bool // the tokens of this session
	anyRefused         bool            // in this session
	takenAt            time.Duration   // when the platform last took a token for the stream
	reminded, expired  bool
	idleAt             time.Duration // when the idle timers began
	warned             bool
	warnedAt           time.Duration
	shutdownAsked      bool
	invalid            bool // SDK_SESSION_INVALID was delivered; the reason is another page's then
	sawGone, sawDenied bool // the platform said that the session is gone; 401 or the like since the token was set

	// With Clocks.
	stepped              []time.Duration // when the device's clock was set
	clockError           time.Duration   // at most, of what the client takes for the server's time; negative: it has not measured
	errorBefore          time.Duration   // what clockError was before the last measurement
	measuredAt           time.Duration   // the last measurement that made it less
	blur                 time.Duration   // of instants that are known from events' dates only
	remindedAt, toldAt   time.Duration   // the last TOKEN_EXPIRY_REMINDER and TOKEN_EXPIRED
	refusals             int             // of the stream's tokens, in a row
	refusedAt            time.Duration
	undeliveredRefusal   bool            // the stream's token was refused, and no FAILED has come since
	refusedAts, retryAts []time.Duration // of this session
}

// view is one chat as a page's handlers receive it.
type view struct {
	list      []sdktest.StreamEvent // what truly happened in it after the place
	expect    []expectation
	k         int // all before is delivered or excused
	left      bool
	done      []bool          // delivered
	raised    map[string]bool // ids of messages that came as events
	paged     map[string]bool // ids of others' messages that were in a snapshot while the page was in
	delivered int64           // newest index
	active    bool            // ENGAGEMENT_ACTIVE was delivered, or it was in at the beginning
}

type expectation int

const (
	never expectation = iota
	may
	must
)

func newLog(j *judge, g *page) *log {
	l := &log{j: j, g: g, saw: map[string]time.Duration{}}
	began := [2]time.Duration{-1, -1} // of sleep, of a slow handler
	for place, e := range j.record.entries {
		if e.What == wasCalm || e.What == wasStepped {
			l.list = append(l.list, e)
		}
		if e.Page != g {
			continue
		}
		e.place = place
		l.list = append(l.list, e)
		switch e.What {
		case wasAsleep:
			began[0] = e.At
		case wasSlow:
			began[1] = e.At
		}
		for i, ended := range []bool{e.What == wasWoken || e.What == wasLeft, e.What == wasQuick || e.What == wasLeft} {
			if ended && began[i] >= 0 {
				l.blocked = append(l.blocked, [2]time.Duration{began[i], e.At})
				began[i] = -1
			}
		}
	}
	l.list = decided(l.list)
	slices.SortFunc(l.blocked, func(a, b [2]time.Duration) int { return cmp.Compare(a[0], b[0]) })
	merged := l.blocked[:0]
	for _, b := range l.blocked {
		if n := len(merged); n > 0 && b[0] <= merged[n-1][1]+tick {
			merged[n-1][1] = max(merged[n-1][1], b[1])
		} else {
			merged = append(merged, b)
		}
	}
	l.blocked = merged
	return l
}

// decided puts the record of a page into the order in which its client decided. A client
// queues its news for the page, and a page that acts while news is on its way to it, from
// within a handler or while one takes its time, acts on a client that is ahead of what
// the page has received. So what was in flight when a call acted goes before the call,
// at the call's time. All that is judged is judged in this order, and needs no excuse
// for a handler that was faster than some news.
func decided(list []Entry) []Entry {
	ordered := make([]Entry, 0, len(list))
	moved := make([]bool, len(list))
	for i := range list {
		if moved[i] {
			continue
		}
		e := &list[i]
		if e.What == wasCalled {
			behind := e.Call.Behind
			if e.Call.Gone && e.Call.Kind != doInit {
				behind = max(behind, lastWord(list[i+1:]))
			}
			for k := i + 1; k < len(list) && list[k].place < behind && list[k].What != wasLeft; k++ {
				if !moved[k] && list[k].isNews(e.Call) {
					moved[k] = true
					ordered = append(ordered, list[k])
					ordered[len(ordered)-1].At = e.At
				}
			}
		}
		ordered = append(ordered, *e)
	}
	return ordered
}

// isNews tells whether an entry is something that a client queues for its page, be it
// only delivered after c was called. The outcome of a later call is not.
func (e *Entry) isNews(c *Call) bool {
	switch e.What {
	case wasRaised:
		return true
	case wasSettled:
		return e.Call.N < c.N && e.Call.Kind != doToken && e.Call.Kind != doRetry && e.Call.Kind != doResetIdle
	}
	return false
}

// lastWord returns where in the record the session has had its last word, as the page
// receives it: of a call that finds no session any more, all of it is in flight. 0: it has
// been delivered already.
func lastWord(list []Entry) int {
	for i := range list {
		switch e := &list[i]; {
		case e.What == wasRaised && e.Event.Type == sdk.EventShutdown,
			e.What == wasSettled && e.Call.Kind == doInit && e.Call.Err != nil && e.Call.Err.Code != sdk.CodeInProgress && e.Call.Err.Code != sdk.CodeAlreadyInitialized:
			return e.place + 1
		case e.What == wasCalled && e.Call.Kind == doInit:
			return 0
		}
	}
	return 0
}

// free returns when what was due at t could be done: at once, or when the page was no
// longer held up.
func (l *log) free(t time.Duration) time.Duration {
	for _, b := range l.blocked {
		if b[0] <= t+tick && t < b[1] {
			t = b[1] + tick
		}
	}
	return t
}

// latest returns by when what was due at t must have been done: t is known only to within
// blur, and the page may be held up at any instant of that.
func (l *log) latest(t time.Duration) time.Duration { return l.free(l.free(t)+l.blur) + tick }

// held reports whether the page was held up at any time from a to b.
func (l *log) held(a, b time.Duration) bool {
	return slices.ContainsFunc(l.blocked, func(x [2]time.Duration) bool { return x[0] <= b+tick && x[1] >= a-tick })
}

// overlaps reports whether the page was held up at any time between a and b, without any
// allowance.
func (l *log) overlaps(a, b time.Duration) bool { return l.late(a, b) > 0 }

// late returns how long the page was held up from a to b.
func (l *log) late(a, b time.Duration) (d time.Duration) {
	for _, x := range l.blocked {
		d += max(0, min(b, x[1])-max(a, x[0]))
	}
	return d
}

func (l *log) say(format string, args ...any) { l.j.say(l.now, l.g, format, args...) }

// endsSoon tells whether the session is about to end: by t or a shutdown's time after.
func (l *log) endsSoon() bool {
	by := l.free(l.free(l.now)+shutdownBound) + tick
	for _, e := range l.list[l.i:] {
		if e.At > by {
			return false
		}
		if e.What == wasRaised && e.Event.Type == sdk.EventShutdown || e.What == wasLeft {
			return true
		}
	}
	return false
}

func (l *log) read() {
	for l.i = range l.list {
		e := &l.list[l.i]
		l.now = e.At
		if l.left {
			if e.What == wasSettled { // it still must settle
				continue
			}
			continue
		}
		l.due()
		switch e.What {
		case wasCalled:
			l.called(e.Call)
		case wasSettled:
			l.settled(e.Call)
		case wasRaised:
			l.raised(e.Event)
		case wasAnswered:
			l.answered(e)
		case wasDialed:
			l.session = e.Session
		case wasTaken:
			l.takenAt = l.now
		case wasReady:
			l.takenAt = l.now
			took := e.Took
			if l.steps(l.now-took) > 0 {
				// A measurement during which a clock is set bounds one side only: the other is
				// known from the Date of an answer, which may have taken as long as an attempt.
				took = attemptBound
			}
			before := l.clockError
			if l.clockError < 0 || took < l.clockError {
				l.clockError, l.errorBefore, l.measuredAt = took, before, l.now
			}
			if l.phase == initing && !l.took() {
				l.clockError = before // nor did it measure by it
				break
			}
			if !l.hasPlace || !e.Resumed && l.phase == initing && !l.begun() {
				l.place, l.hasPlace = e.ID, true
			} else if !e.Resumed {
				l.target, l.resyncAt, l.reread = e.ID, l.now, 0
			}
		case wasClosed:
			l.closed(e.Status)
		case wasOffline:
			l.offline, l.offlineAt = true, l.now
		case wasOnline:
			l.offline, l.onlineAt = false, l.now
			if l.stream == failed && (l.phase == ready || l.phase == initing) {
				l.retryAfter = max(0, l.now-l.failedAt) // STREAM-5: at once
			}
		case wasLeft:
			l.left = true
		case wasStepped:
			l.stepped = append(l.stepped, l.now)
		case wasCalm:
			l.calm()
		}
	}
}

// took tells whether the client went on from this ready: one that reached a device
// that slept meets a client that has given its connection up.
func (l *log) took() bool {
	for _, e := range l.list[l.i:] {
		if e.What != wasRaised || e.Event.Type != sdk.EventStreamConnected {
			continue
		}
		at := l.when(&e)
		if l.clocks() && e.At > l.now && l.overlaps(l.now, e.At) { // dates tell it nearly
			if at >= l.now-l.clockError {
				return at <= l.now+l.clockError
			}
			continue
		}
		if l.clocks() {
			at = e.At
		}
		if at >= l.now {
			return at == l.now
		}
	}
	return true
}

// begun tells whether the client is initialized by now, be it that its page, held up,
// receives that only later.
func (l *log) begun() bool {
	for _, e := range l.list[l.i:] {
		if e.What == wasRaised && e.Event.Type == sdk.EventInitialized {
			return l.when(&e) <= l.now
		}
		if e.What == wasSettled && e.Call == l.initCall {
			return false
		}
	}
	return false
}

// due finds what should have happened by now and has not.
func (l *log) due() {
	if l.phase != ready && l.phase != initing {
		return
	}
	// Only what lies a tick back: at the very instant anything may come first.
	past := func(t time.Duration) bool { return l.latest(t) < l.now }
	switch {
	case l.phase == ready && l.stream == connecting && past(l.connectingAt+attemptBound) && !l.endsSoon():
		l.say("STREAM-1 CONNECTING at %v had no outcome within %v", l.connectingAt, attemptBound)
		l.stream = idle
	case l.stream == failed && !l.offline && past(l.failedAt+l.retryAfter) && !l.endsSoon():
		l.say("STREAM-2 STREAM-5 FAILED at %v, and no attempt %v later", l.failedAt, l.retryAfter)
		l.stream = idle
	}
	window := l.life().ReconnectionTimeout
	if l.phase == ready && l.windowOpen && (l.stream == failed || l.stream == connecting) &&
		past(l.brokeAt+window+attemptBound) && !l.held(l.brokeAt, l.now) && !l.endsSoon() {
		l.say("STREAM-6 not given up, the window began at %v", l.brokeAt)
		l.windowOpen = false
	}
	if l.stream == connected {
		n, _ := slices.BinarySearch(l.g.reads, l.now+1)
		read := max(l.connectedAt, l.begunAt) // during init frames wait
		if n > 0 {
			read = max(read, l.g.reads[n-1])
		}
		limit := silenceBound
		if l.resyncAt != 0 && l.now-l.resyncAt < 5*time.Minute {
			limit = 5 * time.Minute // frames wait while it re-reads
		}
		// Each may have been a sleep: it asks before it judges.
		limit += probing * time.Duration(l.steps(read))
		if past(read+limit) && !l.held(read, l.now) && !l.endsSoon() {
			l.say("STREAM-4 nothing was read since %v, and the stream is not found dead", read)
			l.stream = idle
		}
	}
	if l.phase != ready {
		return
	}
	// JWT-1, JWT-2.
	end, early, late := l.instant(l.expiry), time.Duration(0), time.Duration(0)
	if l.clocks() {
		early, late = l.clockError+tokenEvents, l.clockError
		end = max(end, l.setAt)
	}
	reminder := max(l.setAt, l.begunAt, end-reminderLead, l.remindedAt+l.floor())
	if l.anyRefused { // what the page is asked comes less often, until a token is taken
		reminder = max(reminder, l.takenAt+3*l.floor())
		if l.takenAt < l.setAt {
			reminder = max(reminder, l.remindedAt+askAgain)
		}
	}
	// A token of which the server has said that it has expired: TOKEN_EXPIRED comes instead.
	if !l.reminded && !l.expired && !l.unsure && l.stream != unauthorized && past(reminder+late) && !past(end-early) && !l.endsSoon() {
		l.say("JWT-1 no TOKEN_EXPIRY_REMINDER at %v, of a token that was set at %v and ends at %v", reminder, l.setAt, l.instant(l.expiry))
		l.reminded = true
	}
	end = max(end, l.toldAt+l.floor())
	if !l.expired && !l.unsure && past(max(l.begunAt, end)+late) && !l.endsSoon() {
		l.say("JWT-2 no TOKEN_EXPIRED at %v", end)
		l.expired = true
	}
	// IDLE-1, IDLE-2, IDLE-3.
	if t := l.life().IdleTimeout; t > 0 {
		if !l.warned && past(l.idleAt+t) && !l.endsSoon() {
			l.say("IDLE-2 no IDLE_TIMEOUT_EXPIRED at %v", l.idleAt+t)
			l.warned = true
			l.warnedAt = l.now
		}
		if g := l.life().IdleShutdownGraceTimeout; l.warned && past(l.free(l.warnedAt+g)+shutdownBound) {
			l.say("IDLE-3 no SHUTDOWN after %v and %v of grace", l.warnedAt, g)
			l.idleAt, l.warned = l.now, false
		}
	}
}

func (l *log) life() *sdk.Config { return &l.j.life.Config }

func (l *log) clocks() bool { return l.j.life.Clocks }

// steps counts how often the device's clock was set since a time.
func (l *log) steps(since time.Duration) (n int) {
	for _, at := range l.stepped {
		if at >= since {
			n++
		}
	}
	return n
}

// floor is the least time between two token events of a type (JWT-6).
func (l *log) floor() time.Duration {
	if !l.clocks() {
		return 0
	}
	return tokenEvents
}

// when tells when the client decided on an event: its date, and with Clocks, when that is
// what the client takes for the server's time, when the page received it, unless that
// was held up.
func (l *log) when(e *Entry) time.Duration {
	at := l.instant(e.Event.Date)
	switch {
	case !l.clocks():
		return at
	case l.clockError < 0 || !l.held(at-l.clockError, e.At):
		return e.At
	case e.Queued >= 0 && !l.held(e.Queued, e.Queued):
		return e.Queued // its date may be behind by a sleep, until the client measures again
	}
	l.blur = max(l.blur, l.clockError)
	if l.phase == initing {
		l.blur = max(l.blur, attemptBound) // what an answer said of the time, which may have taken so long
	}
	return min(at, e.At)
}

// dated checks the date of an event of which the client decides (EV-6).
func (l *log) dated(e *Entry) {
	at, off := l.instant(e.Event.Date), time.Duration(0)
	if l.clocks() {
		if off = l.clockError; off < 0 || l.phase == initing {
			return // what was decided before the first measurement may be delivered after it
		}
		if l.held(l.measuredAt, l.now) { // so may what was decided before the last one
			if off = l.errorBefore; off < 0 {
				return
			}
		}
	}
	if at > l.now+off || l.free(at+off)+tick < l.now {
		l.say("EV-6 eventDate is %v", at)
	}
}

// instant is a time of the server's clock as the record counts.
func (l *log) instant(t time.Time) time.Duration { return t.Sub(l.j.record.began) }

func (l *log) called(c *Call) {
	l.open = append(l.open, c)
	if c.Err == nil && (c.Kind == doToken || c.Kind == doRetry) {
		l.taken(c)
	}
	switch {
	case c.Kind == doInit && l.phase == none && c.Err != nil && c.Err.Code == sdk.CodeInProgress:
		// The one before has failed, and the page has not received that yet.
	case c.Kind == doInit && l.phase == none:
		l.phase = initing
		l.initCall = c
		l.stream, l.hasPlace, l.target, l.resyncAt = idle, false, 0, 0
		l.windowOpen, l.fresh, l.offline = false, true, false
		l.views, l.mirror, l.delayed = map[string]*view{}, map[string]sdk.Engagement{}, map[string]bool{}
		l.last = 0
		l.expiry, l.setAt, l.token, l.before, l.unsure = c.Expiry, l.now, c.Token, nil, false
		l.anyRefused, l.takenAt, l.seen = false, 0, map[string]bool{c.Token: true}
		l.clockError, l.errorBefore, l.blur, l.remindedAt, l.toldAt = -1, -1, 0, -time.Hour, -time.Hour
		l.refusals, l.refusedAts, l.retryAts = 0, nil, nil
		l.invalid = false
		l.reminded, l.expired, l.warned, l.shutdownAsked = false, false, false, false
		l.sawGone, l.sawDenied = false, false
		clear(l.saw)
	case c.Kind == doShutdown && l.phase == ready:
		l.shutdownAsked = true
	case l.phase == ready && slices.Contains(activity, c.Kind) && !(c.Err != nil && c.Err.Code == sdk.CodeInProgress):
		l.idleAt, l.warned = l.now, false
	}
}

// taken is a call that returns its outcome. What it causes may be delivered before that, so
// it counts from when it was made.
func (l *log) taken(c *Call) {
	if c.Kind == doToken {
		if !l.clocks() || c.Token != l.token { // one from a cache is no news
			l.before = append(l.before, l.expiry)
			l.expiry, l.setAt, l.token, l.reminded, l.expired, l.sawDenied = c.Expiry, l.now, c.Token, false, false, false
			// One from a cache may be the one before, which is in use again.
			// One that is past its end already is tried without a stream: its end is the server's word.
			l.unsure = l.unsure && l.seen[c.Token] || l.instant(c.Expiry) <= l.now+max(0, l.clockError)+tick
			l.seen[c.Token] = true
		} else if l.expired && l.now < l.instant(l.expiry) {
			// Only the server's word was against it, and may be again. A reminder that came due
			// meanwhile comes now.
			l.expired, l.setAt = false, l.now
		}
		waits := time.Duration(0) // JWT-3: at once, and after refusals in a row JWT-6: not before
		if l.refusals > 1 {
			waits = max(0, l.refusedAt+l.refusalDelay()-l.now)
		}
		switch {
		case l.stream == unauthorized, l.refusals > 0 && l.stream == givenUp, l.refusals > 0 && l.stream == failed && waits == 0:
			l.stream, l.failedAt, l.retryAfter = failed, l.now, waits
			l.brokeAt, l.windowOpen = l.now, true
		case l.refusals > 0 && l.stream == failed:
			l.failedAt, l.retryAfter = l.now, waits
			l.brokeAt, l.windowOpen = l.now, true
		}
		return
	}
	l.retryAts = append(l.retryAts, l.now)
	if l.stream != failed && l.stream != givenUp && l.stream != connecting && !l.worked {
		l.say("NS-9 retryConnection was taken, and nothing had failed")
	}
	if l.worked {
		l.expired = false // a call has shown that the token is good after all
	}
	if l.stream != connecting {
		l.stream, l.failedAt, l.retryAfter = failed, l.now, 0
	}
	l.brokeAt, l.windowOpen = l.now, true
}

func (l *log) settled(c *Call) {
	l.open = slices.DeleteFunc(l.open, func(o *Call) bool { return o == c })
	l.code(c)
	l.bound(c)
	if c.Err == nil && c.Bad {
		l.say("%v was taken though it is out of bounds", c)
	}
	switch c.Kind {
	case doInit:
		switch {
		case c != l.initCall:
		case c.Err != nil:
			if l.phase == ready {
				l.say("INIT-7 INITIALIZED, and init failed: %v", c.Err)
			}
			l.phase = none
		case l.phase != ready:
			l.say("INIT-7 init resolved without INITIALIZED")
		default:
			l.initCall = nil
		}
	case doShutdown:
		if c.Err == nil && l.endedAt < c.At {
			l.say("SHUT-1 shutdown resolved before SHUTDOWN")
		}
	case doSend:
		if c.Err == nil {
			if l.delayed[c.Text] {
				l.say("MSG-5 %q was delivered before its promise settled", c.Text)
			}
		}
	case doDisconnect:
		if v := l.views[c.Chat]; c.Err == nil && v != nil {
			v.left = true
		}
		l.reflect(c.Err, c.Engagement)
	case doCreate, doJoin, doLookup:
		l.reflect(c.Err, c.Engagement)
	case doList:
		for _, e := range c.Engagements {
			l.reflect(nil, e)
		}
	case doHistory, doTurn:
		if c.Err == nil {
			l.page(c)
		}
	}
}

// reflect takes what a call resolved with as what the page knows of a chat.
func (l *log) reflect(err *sdk.Error, e sdk.Engagement) {
	if err == nil && e.EngagementID != "" && l.mirror != nil {
		l.mirror[e.EngagementID] = e
	}
}

// bound checks that a call settled in time.
func (l *log) bound(c *Call) {
	limit := callBound
	switch c.Kind {
	case doInit:
		limit = initBound
	case doShutdown:
		limit = shutdownBound
	case doSend:
		limit = l.life().ReconnectionTimeout + time.Second
	case doHistory, doTurn:
		limit = 3 * callBound // it may take several requests
	}
	if took := l.now - c.At; took-l.late(c.At, l.now) > limit+tick {
		l.say("%v took %v, at most %v are allowed", c, took, limit)
	}
}

// code checks the code of an error: is it one of the call's, and is it true?
func (l *log) code(c *Call) {
	if c.Err == nil {
		return
	}
	code := c.Err.Code
	if !slices.Contains(allowed[c.Kind], code) {
		l.say("%v may not end with %v", c, c.Err)
		return
	}
	since := func(what ...string) bool {
		return slices.ContainsFunc(what, func(w string) bool {
			at, ok := l.saw[w]
			return ok && at >= c.At
		})
	}
	lie := ""
	switch code {
	case 310:
		ended := l.endedAt >= c.At // the session of the call has; the page has begun another since
		if l.phase != none && l.phase != closing && !l.shutdownAsked && !ended && !l.endsSoon() {
			lie = "there is a session"
		}
	case 321:
		if l.phase == ready && !l.shutdownAsked && !l.endsSoon() {
			lie = "neither init nor shutdown is in progress"
		}
	case 204:
		if l.phase != ready {
			lie = "it is not initialized"
		}
	case 305:
		expired := !c.Expiry.IsZero() && l.instant(c.Expiry) <= l.now+tick+max(l.blur, l.clockError) || l.expired
		if !c.Bad && !expired && !since("401", "403", "4401", "4403") && l.stream != unauthorized {
			lie = "nobody refused a token"
		}
	case 306:
		if !since("0", "1006") && !(c.Kind == doInit && l.now-c.At > initBound-3*time.Second) {
			lie = "no answer was missing"
		}
		if age := l.now - c.At; c.Kind == doSend && age < l.life().ReconnectionTimeout-6*time.Second && !since("429", "503") {
			lie = fmt.Sprintf("the outage lasted no longer than %v", age)
		}
	case 312:
		if s := l.status(c.Chat); s != wire.EngagementTerminated && s != wire.EngagementTerminating && !since("409") {
			lie = "the chat goes on"
		}
	case 313:
		if l.status(c.Chat) == wire.EngagementActive && !since("409") {
			lie = "the chat is active"
		}
	case 314:
		if l.status(c.Chat) != "" && !since("404") {
			lie = "the chat is known"
		}
	case 315:
		if l.status(c.Chat) != wire.EngagementActive {
			lie = "the chat is not active"
		}
	case 318:
		if (l.stream == failed || l.stream == givenUp) && !l.leavesUndelivered() {
			lie = "the stream has failed"
		}
	case 319:
		if !since("429", "500", "502", "503", "504") {
			lie = "the server did not fail"
		}
	case 320:
		if !l.sawGone && !l.ended() {
			lie = "nobody said that the session is gone"
		}
	case 322:
		if !c.Bad && !(c.Kind == doSend && l.waiting(c.Chat) >= 500) {
			lie = "nothing is out of bounds"
		}
	}
	if lie != "" {
		l.say("%v ended with %v, but %s", c, c.Err, lie)
	}
}

// leavesUndelivered tells whether the page is held up now, and is left before it goes on: what its
// client has decided meanwhile never reaches it.
func (l *log) leavesUndelivered() bool {
	return slices.ContainsFunc(l.blocked, func(x [2]time.Duration) bool {
		return x[0] <= l.now && l.now <= x[1] && slices.ContainsFunc(l.list, func(e Entry) bool { return e.What == wasLeft && e.At == x[1] })
	})
}

func (l *log) waiting(chat string) (n int) {
	for _, c := range l.open {
		if c.Kind == doSend && c.Chat == chat {
			n++
		}
	}
	return n
}

// status is a chat's as the page knows it; "" when it does not know the chat.
func (l *log) status(chat string) wire.EngagementStatus { return l.mirror[chat].EngagementStatus }

func (l *log) answered(e *Entry) {
	l.saw[itoa(e.Status)] = l.now
	if e.Status/100 == 2 && l.clocks() {
		l.answeredAt = l.now
	}
	if e.Status/100 == 2 && l.clocks() && (l.stream == unauthorized || l.stream == givenUp && l.refusals > 0) {
		// JWT-7: a call may have shown that the token is good after all, if it was sent since.
		l.worked, l.workedAt, l.unsure = true, l.now, true
	}
	switch {
	case e.Status == 200 && l.target > 0 && strings.HasPrefix(e.Session, "GET /engagements?"):
		if l.now-l.resyncAt-l.late(l.resyncAt, l.now) <= callBound { // the page may ask, too: which answer it was is not known
			l.reread = l.now
		}
	case e.Status == 403:
		l.unsure, l.anyRefused = l.clocks(), true
	case e.Status == 401:
		l.sawDenied, l.unsure, l.anyRefused = true, l.clocks(), true
	case e.Status == 404 && e.Problem == "not-found sessionId":
		l.sawGone = true
	}
}

func (l *log) closed(code int) {
	l.saw[itoa(code)] = l.now
	switch code {
	case wire.CloseTokenExpired:
		l.sawDenied = true
		l.streamRefused()
	case wire.CloseTokenRefused:
		l.unsure, l.anyRefused = l.clocks(), true
		l.streamRefused()
	case wire.CloseSessionGone, wire.CloseSuperseded:
		l.sawGone = true
	}
}

// streamRefused counts how often the platform had to refuse the stream's token (JWT-6).
func (l *log) streamRefused() {
	if !l.clocks() {
		return
	}
	l.undeliveredRefusal = true
	recent := func(t time.Duration) bool { return t < l.now-tokenEvents }
	l.retryAts = slices.DeleteFunc(l.retryAts, recent)
	l.refusedAts = append(slices.DeleteFunc(l.refusedAts, recent), l.now)
	if n := len(l.refusedAts); n > fewRefusals+len(l.retryAts) {
		l.say("JWT-6 the stream's token was refused %d times within %v", n, tokenEvents)
		l.refusedAts = nil
	}
}

// refusalDelay is the least time between the last refusal of the stream's token and the
// next attempt (JWT-6).
func (l *log) refusalDelay() time.Duration {
	return min(time.Second<<min(l.refusals-1, 10), retryCeiling)
}

// raised is one event that reached the page.
func (l *log) raised(e *sdk.Event) {
	if e.Changed != nil && l.mirror != nil {
		l.mirror[e.Changed.EngagementID] = *e.Changed
	}
	if l.phase == none {
		l.say("SHUT-2 %s without a session", name(e))
		return
	}
	switch e.Type {
	case "":
	case sdk.EventInitialized:
		l.initialized(e)
	case sdk.EventShutdown:
		l.shutdown(e)
	case sdk.EventStreamConnecting, sdk.EventStreamConnected, sdk.EventStreamFailed, sdk.EventStreamClosed:
		l.streams(e)
	case sdk.EventTokenExpiryReminder, sdk.EventTokenExpired:
		l.tokens(e)
	case sdk.EventIdleTimeoutExpired:
		t := l.idleAt + l.life().IdleTimeout
		switch {
		case l.phase != ready || l.life().IdleTimeout <= 0 || l.warned:
			l.say("IDLE-2 IDLE_TIMEOUT_EXPIRED out of turn")
		case l.now < t-tick-l.blur || l.now > l.latest(t):
			l.say("IDLE-1 IDLE_TIMEOUT_EXPIRED, due was %v", t)
		case e.GracePeriod != l.life().IdleShutdownGraceTimeout:
			l.say("EV-5 gracePeriod is %v", e.GracePeriod)
		}
		l.warned, l.warnedAt = true, l.when(&l.list[l.i])
	default:
		l.chat(e)
	}
}

func name(e *sdk.Event) string {
	if e.Type == "" {
		return "a change"
	}
	return string(e.Type)
}

func (l *log) initialized(e *sdk.Event) {
	switch {
	case l.phase != initing:
		l.say("INIT-7 INITIALIZED twice")
	case l.stream != connected:
		l.say("INIT-7 INITIALIZED before CONNECTED")
	case !l.hasPlace:
		l.say("INIT-7 INITIALIZED without a stream")
	}
	l.phase = ready
	// When it happened; a page that is held up receives it later.
	l.begunAt = l.when(&l.list[l.i])
	l.idleAt = l.begunAt
	l.dated(&l.list[l.i])
	for _, n := range e.User.Engagements {
		l.mirror[n.EngagementID] = n
	}
	l.last = l.place
	if next := l.next(); next == nil || next.Call == nil || next.Call != l.initCall {
		l.say("INIT-7 init does not resolve with INITIALIZED")
	} else if u := next.Call.User; len(u.Engagements) != len(e.User.Engagements) || u.DisplayName != "Ann" {
		l.say("INIT-7 init resolved with %+v, INITIALIZED had %+v", u, e.User)
	}
	// What is to be delivered from here on.
	session := l.session
	if _, ok := l.j.events[session]; !ok {
		l.j.events[session] = l.j.p.Events(session)
	}
	member := map[string]bool{}
	for _, ev := range l.j.events[session] {
		id := ev.Event.EngagementID
		if ev.ID <= l.place || id == "" {
			continue
		}
		v := l.views[id]
		if v == nil {
			v = &view{paged: map[string]bool{}, raised: map[string]bool{}}
			l.views[id] = v
			member[id] = l.mirror[id].EngagementStatus == wire.EngagementActive
			v.active = member[id]
		}
		want := never
		if member[id] {
			want = must
		}
		switch ev.Event.Type {
		case wire.EventEngagementActive:
			if member[id] { // it was in the snapshot already, so what lies between may come
				for i := range v.expect {
					v.expect[i] = may
				}
			}
			member[id], want = true, must
		case wire.EventEngagementTerminated:
			member[id] = false
		case wire.EventEngagementError:
			want = must
		}
		v.list = append(v.list, ev)
		v.expect = append(v.expect, want)
		v.done = append(v.done, false)
	}
}

// next is the entry of the page's that follows, but for what passes underneath.
func (l *log) next() *Entry {
	for i := l.i + 1; i < len(l.list); i++ {
		switch e := &l.list[i]; e.What {
		case wasRaised:
			return e
		case wasSettled:
			if e.Call.At < l.now || e.Call == l.initCall { // not one of the handler's own
				return e
			}
		}
	}
	return nil
}

func (l *log) shutdown(e *sdk.Event) {
	if l.phase == initing {
		l.say("EV-14 SHUTDOWN during init")
	}
	if l.phase == ready {
		l.say("SHUT-1 SHUTDOWN without EVENT_STREAM_CLOSED or FAILED before it")
	}
	if e.Reason == string(wire.ReasonUserInactive) && !l.invalid {
		g := l.life().IdleShutdownGraceTimeout
		if t := l.warnedAt + g; !l.warned && !l.held(l.idleAt, l.now) || l.now < t-tick-l.blur || l.now > l.latest(l.latest(t)+shutdownBound) {
			l.say("IDLE-3 SHUTDOWN USER_INACTIVE, grace began %v", l.warnedAt)
		}
	}
	l.phase, l.stream, l.endedAt = none, idle, l.now
	for _, c := range l.open {
		end := l.free(l.free(l.now)) + tick
		if (c.Settled == 0 || c.SettledAt > end) && !l.leavesBy(end) {
			l.say("SHUT-2 %v of %v is not settled after SHUTDOWN", c, c.At)
		}
	}
	if stored := l.list[l.i].Session; stored != "" {
		l.say("SHUT-1 %s is stored still", stored)
	}
}

// leavesBy reports whether the page is left until then.
func (l *log) leavesBy(t time.Duration) bool {
	return slices.ContainsFunc(l.list[l.i:], func(e Entry) bool { return e.What == wasLeft && e.At <= t })
}

// streams follows the event stream (STREAM-*).
func (l *log) streams(e *sdk.Event) {
	was := l.stream
	// When it happened; a page that is held up receives it later.
	at := l.when(&l.list[l.i])
	l.dated(&l.list[l.i])
	switch e.Type {
	case sdk.EventStreamConnecting:
		switch was {
		case connected, givenUp, unauthorized:
			if was == connected && l.phase == initing && l.sawGone {
				break // SES-2: the stored session ended meanwhile
			}
			if !l.worked && l.held(l.failedAt, l.now) && l.answeredAt > l.failedAt-l.blur {
				l.worked, l.workedAt = true, l.answeredAt // the page, held up, receives both only now
			}
			if l.worked {
				l.expired = false
				l.brokeAt, l.windowOpen = l.workedAt, true
				break
			}
			l.say("STREAM-1 CONNECTING out of turn, from state %d", was)
		case connecting:
			if l.phase != initing { // SES-4: the session is another tab's, and one of its own is tried
				l.say("STREAM-1 CONNECTING twice")
			}
		}
		if l.expired {
			l.say("JWT-2 CONNECTING after TOKEN_EXPIRED")
		}
		l.stream, l.connectingAt, l.worked = connecting, at, false
	case sdk.EventStreamConnected:
		if was != connecting {
			l.say("STREAM-1 CONNECTED out of turn")
		}
		if !e.Resumed && l.target == 0 {
			l.say("STREAM-7 resumed is false, and nothing was lost")
		}
		l.stream, l.connectedAt, l.windowOpen = connected, at, false
	case sdk.EventStreamClosed:
		if l.phase == initing {
			l.say("STREAM-1 CLOSED during init")
		}
		l.phase, l.stream = closing, idle
	case sdk.EventStreamFailed:
		l.failed(e, was, at)
	}
}

func (l *log) failed(e *sdk.Event, was stream, at time.Duration) {
	l.failedAt, l.retryAfter = at, e.RetryAfter
	if was == connected {
		stood := at - l.connectedAt
		l.fresh = stood >= stable+l.blur // surely
		if stood >= stable {
			l.refusals = 0
		}
	}
	l.countRefusal(e, at)
	switch sdk.FailureReason(e.Reason) {
	case sdk.FailureSessionInvalid:
		if !l.sawGone && !l.ended() {
			l.say("SHUT-3 SDK_SESSION_INVALID, and nobody said so")
		}
		l.phase, l.stream, l.invalid = closing, idle, true
		return
	case sdk.FailureReconnectionTimeout:
		window := l.life().ReconnectionTimeout
		switch {
		case !l.windowOpen || at < l.brokeAt+window-tick-l.blur:
			l.say("STREAM-6 given up, the window began at %v", l.brokeAt)
		case l.now > l.latest(l.brokeAt+window+attemptBound) && !l.held(l.brokeAt, l.now):
			l.say("STREAM-6 given up late, the window began at %v", l.brokeAt)
		case e.RetryAfter != 0:
			l.say("STREAM-6 retryAfter is %v", e.RetryAfter)
		}
		l.stream = givenUp
		return
	case sdk.FailureUnauthorized, sdk.FailureForbidden:
		if e.RetryAfter == 0 && !strings.Contains(e.Text, "reconnecting") && (!l.clocks() || e.Reason == string(sdk.FailureUnauthorized)) {
			l.stream = unauthorized
			return
		}
	case sdk.FailureUnexpected:
		l.say("EV-7 UNEXPECTED_ERROR: %s", e.Text)
	}
	if was != connecting && was != connected {
		l.say("STREAM-1 FAILED out of turn: %s", e.Text)
	}
	if !l.windowOpen {
		l.brokeAt, l.windowOpen = at, true
	}
	switch {
	case e.RetryAfter > retryCeiling:
		l.say("STREAM-2 retryAfter is %v", e.RetryAfter)
	case was == connected && l.fresh && e.RetryAfter > firstRetry:
		l.say("STREAM-2 the first retry is %v away", e.RetryAfter)
	}
	l.stream = failed
}

// countRefusal keeps count of the refusals of the stream's token, and checks when the
// next attempt is announced after one (JWT-6, JWT-7).
func (l *log) countRefusal(e *sdk.Event, at time.Duration) {
	if !l.clocks() {
		return
	}
	undelivered := l.undeliveredRefusal
	l.undeliveredRefusal = false
	switch sdk.FailureReason(e.Reason) {
	case sdk.FailureUnauthorized:
	case sdk.FailureForbidden:
		defer func() {
			another := l.refusals == 1 && strings.Contains(e.Text, "reconnecting") // at once
			if e.RetryAfter < l.refusalDelay() && !l.wasOffline(at) && !another {
				l.say("JWT-7 refused %d times in a row, and again in %v", l.refusals, e.RetryAfter)
			}
		}()
	case sdk.FailureReconnectionTimeout:
		// A window that ends with a refusal: the one event tells of both.
		if n := len(l.refusedAts); !undelivered || n == 0 || (l.refusedAts[n-1]-at).Abs() > tick+l.blur {
			return
		}
	default:
		return
	}
	l.refusals++
	l.refusedAt = at
}

// wasOffline tells whether the device may have been offline at a time.
func (l *log) wasOffline(at time.Duration) bool {
	return l.offlineAt > 0 && at >= l.offlineAt-l.blur && (l.offline || at <= l.onlineAt+l.blur)
}

// ended tells whether the platform has ended the page's session.
func (l *log) ended() bool {
	return slices.ContainsFunc(l.j.p.Sessions(), func(s sdktest.SessionInfo) bool { return s.SessionID == l.session && s.Ended })
}

func (l *log) tokens(e *sdk.Event) {
	end := l.instant(l.expiry)
	if l.phase != ready {
		l.say("JWT-1 %s without a session", e.Type)
	}
	if l.clocks() {
		l.tokensInClocks(e)
		return
	}
	if e.Type == sdk.EventTokenExpiryReminder {
		t := max(l.setAt, l.begunAt, end-reminderLead)
		switch {
		case l.reminded || l.expired:
			l.say("JWT-1 TOKEN_EXPIRY_REMINDER twice")
		case l.now < t-tick || l.now > l.free(t)+tick:
			l.say("JWT-1 TOKEN_EXPIRY_REMINDER, due was %v", t)
		case !e.ExpiryDate.Equal(l.expiry):
			l.say("EV-3 expiryDate is not the token's")
		}
		l.reminded = true
		return
	}
	switch {
	case l.expired:
		l.say("JWT-2 TOKEN_EXPIRED twice")
	case l.now < end-tick && !l.sawDenied:
		l.say("JWT-2 TOKEN_EXPIRED, due is %v", end)
	case l.now > l.free(end)+tick:
		l.say("JWT-2 TOKEN_EXPIRED, due was %v", end)
	}
	l.expired = true
}

// tokensInClocks is tokens where the device's clock may be wrong, and tokens may be
// refused: the server's time counts (JWT-8), each event comes once in a while (JWT-6), and
// a reminder also asks for a token because the server refuses the one it has (JWT-7).
func (l *log) tokensInClocks(e *sdk.Event) {
	reminder := e.Type == sdk.EventTokenExpiryReminder
	about, last := e.Date, &l.toldAt // the expiry of the token that it is about
	if reminder {
		about, last = e.ExpiryDate, &l.remindedAt
	}
	if l.now-*last < tokenEvents-tick && !l.held(*last-tokenEvents, l.now) {
		l.say("JWT-6 %s at %v and again", e.Type, *last)
	}
	*last = l.now
	if !about.Equal(l.expiry) && !(l.anyRefused && slices.ContainsFunc(l.before, about.Equal)) {
		l.say("EV-3 %s is about a token that ends %v, the page's ends %v", e.Type, l.instant(about), l.instant(l.expiry))
	}
	if !about.Equal(l.expiry) {
		return // the one before is in use still
	}
	end, off := l.instant(about), max(0, l.clockError)+tick
	if reminder {
		t := max(l.setAt, l.begunAt, end-reminderLead)
		switch {
		case l.unsure:
		case l.reminded || l.expired:
			l.say("JWT-1 TOKEN_EXPIRY_REMINDER twice")
		case l.now < t-off || !l.anyRefused && l.now > l.free(t+off+tokenEvents):
			l.say("JWT-8 TOKEN_EXPIRY_REMINDER, due was %v", t)
		}
		l.reminded = true
		return
	}
	switch {
	case l.expired && !l.unsure:
		l.say("JWT-2 TOKEN_EXPIRED twice")
	case l.now < end-off && !l.sawDenied:
		l.say("JWT-8 TOKEN_EXPIRED, due is %v", end)
	case !l.unsure && l.now > l.free(max(l.setAt, end)+off+tokenEvents):
		l.say("JWT-8 TOKEN_EXPIRED, due was %v", end)
	}
	l.expired = true
}

// chat is one event of a chat: is it the next that truly happened?
func (l *log) chat(e *sdk.Event) {
	v := l.views[e.EngagementID]
	if l.phase == initing {
		l.say("INIT-7 %s before INITIALIZED", e.Type)
		return
	}
	if v == nil {
		l.say("ENG-9 %s of a chat of which there is nothing to tell", e.Type)
		return
	}
	if m := e.Message; m != nil {
		customer := m.SenderParticipant.ParticipantType == wire.ParticipantCustomer
		if customer != (e.Type == sdk.EventMessageDelivered) {
			l.say("MSG-6 %s of a message of %s", e.Type, m.SenderParticipant.ParticipantType)
		}
		for _, c := range l.open {
			if c.Kind == doSend && c.Text == m.Body.Text {
				l.delayed[c.Text] = true
			}
		}
		v.delivered = max(v.delivered, m.MessageIndex)
		v.raised[m.MessageID] = true
		if v.paged[m.MessageID] {
			l.say("PAGE-3 %d was in a snapshot and comes as an event", m.MessageIndex)
		}
	} else {
		l.shown(e)
	}
	own := e.Type == sdk.EventEngagementTerminated || e.Type == sdk.EventParticipantDisconnected && e.Participant.ParticipantType == wire.ParticipantCustomer
	if v.left && !own && e.Type != sdk.EventEngagementError {
		l.say("ENG-5 %s after disconnect", e.Type)
		return
	}
	if e.Type == sdk.EventEngagementActive {
		v.active = true
	}
	k := l.match(v, e, true)
	if k < 0 && e.Type != sdk.EventEngagementError && l.target > 0 {
		k = l.match(v, e, false) // the difference to what was lost bears the date when it was found
	}
	if k >= 0 {
		x := &v.list[k]
		if x.ID < l.last && l.target == 0 {
			l.say("EV-12 %s of %v came after what happened later", e.Type, x.ID)
		}
		l.last = max(l.last, x.ID)
		v.k, v.done[k] = k+1, true
		return
	}
	if e.Message == nil && l.target > 0 && l.resyncing(v) {
		return // the difference to what was lost
	}
	for k = range v.k {
		if same(e, &v.list[k].Event) {
			if !v.done[k] && v.expect[k] == never && l.target > 0 {
				v.done[k] = true // from before it was in: with what was lost, that cannot be known
				return
			}
			l.say("MSG-6 exactly once, in order: %s %s again", e.Type, describe(&v.list[k]))
			return
		}
	}
	next := "nothing"
	for k = v.k; k < len(v.list); k++ {
		if !l.excused(v, k) {
			next = describe(&v.list[k])
			break
		}
	}
	l.say("MSG-6 exactly once, in order: %s %s %s, next is %s", e.Type, short(e.EngagementID), words(e), next)
	// Go on from there, as what follows is likely all right.
	for k := v.k; k < len(v.list); k++ {
		if same(e, &v.list[k].Event) {
			v.k = k + 1
			return
		}
	}
}

// match finds what truly happened and is now delivered: the next, but for what is excused.
// -1: nothing. dated: at the very time that the event says.
func (l *log) match(v *view, e *sdk.Event, dated bool) int {
	for k := v.k; k < len(v.list); k++ {
		x := &v.list[k]
		if same(e, &x.Event) && (v.expect[k] != never || l.lost(x) || l.target > 0 && v.active) &&
			(!dated && l.shownAnyway(x) || x.Event.Date.Truncate(time.Millisecond).Equal(e.Date.Truncate(time.Millisecond))) {
			return k
		}
		if !l.excused(v, k) {
			break
		}
	}
	return -1
}

// shown checks that the page sees the change that an event tells of (ENG-7).
func (l *log) shown(e *sdk.Event) {
	m := l.mirror[e.EngagementID]
	in := slices.ContainsFunc(m.Participants, func(p sdk.Participant) bool { return p.ParticipantID == e.Participant.ParticipantID })
	ok := true
	switch e.Type {
	case sdk.EventEngagementActive:
		ok = m.EngagementStatus != wire.EngagementPending // or being disconnected already
	case sdk.EventEngagementTerminated:
		ok = m.EngagementStatus == wire.EngagementTerminated
	case sdk.EventParticipantAdded:
		ok = in && e.Participant.DisplayName != ""
	case sdk.EventParticipantDisconnected:
		ok = !in
	}
	if !ok {
		l.say("ENG-7 at %s the page sees %+v", e.Type, m)
	}
}

// lost tells whether an event was among those lost for good.
func (l *log) lost(x *sdktest.StreamEvent) bool { return x.ID <= l.target }

// shownAnyway tells whether what an event changed was in what the page's client read
// again, after events were lost.
func (l *log) shownAnyway(x *sdktest.StreamEvent) bool {
	return l.lost(x) || l.target > 0 && l.instant(x.Event.Date) <= l.reread
}

// resyncing tells whether a chat's lost events are not all delivered yet, or just were.
func (l *log) resyncing(v *view) bool {
	return v.k == 0 || v.k > len(v.list) || l.shownAnyway(&v.list[min(v.k, len(v.list)-1)]) || v.k > 0 && l.shownAnyway(&v.list[v.k-1])
}

// excused tells whether an event that truly happened may go undelivered.
func (l *log) excused(v *view, k int) bool {
	x := &v.list[k]
	own := x.Event.Type == wire.EventEngagementTerminated ||
		x.Event.Type == wire.EventParticipantDisconnected && x.Event.Participant.ParticipantType == wire.ParticipantCustomer
	switch {
	case v.expect[k] != must:
		return true
	case v.left && (!own || !v.active):
		return true
	case x.Event.Message == nil && l.shownAnyway(x):
		return true // its outcome is delivered, or the page sees it
	}
	return false
}

// same tells whether the page's event is the platform's.
func same(e *sdk.Event, x *wire.Event) bool {
	if e.Message != nil {
		return x.Message != nil && x.Message.MessageID == e.Message.MessageID &&
			x.Message.MessageIndex == e.Message.MessageIndex && x.Message.Body.Text == e.Message.Body.Text
	}
	return string(e.Type) == string(x.Type) && e.Participant.ParticipantID == x.Participant.ParticipantID
}

func words(e *sdk.Event) string {
	if e.Message != nil {
		return fmt.Sprintf("%d %q", e.Message.MessageIndex, e.Message.Body.Text)
	}
	return short(e.Participant.ParticipantID)
}

func describe(x *sdktest.StreamEvent) string {
	s := fmt.Sprintf("%v %s", x.ID, x.Event.Type)
	if m := x.Event.Message; m != nil {
		return s + fmt.Sprintf(" %d %q", m.MessageIndex, m.Body.Text)
	}
	return strings.TrimSpace(s + " " + short(x.Event.Participant.ParticipantID))
}

// page checks one page of history (PAGE-*).
func (l *log) page(c *Call) {
	p, list := &c.Result, l.j.stored[c.Chat]
	if p.Cursor.EngagementID != c.Chat {
		l.say("PAGE-1 a page of another chat")
		return
	}
	for i, m := range p.Items {
		switch {
		case m.MessageIndex < 1 || m.MessageIndex > int64(len(list)) || list[m.MessageIndex-1].MessageID != m.MessageID:
			l.say("PAGE-1 %d of %s is not what is stored", m.MessageIndex, short(c.Chat))
			return
		case i > 0 && m.MessageIndex >= p.Items[i-1].MessageIndex:
			l.say("PAGE-2 items are not newest first")
		case m.MessageIndex > p.Cursor.End:
			l.say("PAGE-3 %d is newer than the snapshot, which ends at %d", m.MessageIndex, p.Cursor.End)
		}
	}
	n := len(p.Items)
	if n > p.Cursor.Size {
		l.say("PAGE-1 %d items on a page of %d", n, p.Cursor.Size)
	}
	if n > 0 {
		// What is older, but had not been delivered, is not of the snapshot.
		oldest := p.Items[n-1].MessageIndex
		if p.HasPrevious && oldest == 1 || !p.HasPrevious && oldest > 1 && c.Delivered > 0 {
			l.say("PAGE-2 hasPrevious is %v at %d", p.HasPrevious, oldest)
		}
	}
	if n < p.Cursor.Size && p.HasPrevious && c.Kind == doHistory {
		l.say("PAGE-2 %d items on a page of %d, and there are older ones", n, p.Cursor.Size)
	}
	if c.Kind == doHistory {
		want := c.Size
		if want < 1 || want > wire.MaxPageSize {
			want = wire.DefaultPageSize
		}
		if p.Cursor.Size != want {
			l.say("PAGE-1 the page's size is %d", p.Cursor.Size)
		}
		if p.Cursor.End < c.Delivered {
			l.say("PAGE-3 the page had received %d, the snapshot ends at %d", c.Delivered, p.Cursor.End)
		}
		l.seam(c)
		return
	}
	from := c.From
	if p.Cursor.End != from.Cursor.End {
		l.say("PAGE-3 the snapshot's end moved from %d to %d", from.Cursor.End, p.Cursor.End)
	}
	if n == 0 || len(from.Items) == 0 {
		return
	}
	switch edge := from.Items[len(from.Items)-1].MessageIndex; {
	case c.To == sdk.Older && (p.Items[0].MessageIndex >= edge || p.Items[0].MessageIndex+1 < edge && p.Items[0].MessageIndex+1 <= c.Delivered):
		l.say("PAGE-4 the page before %d begins at %d", edge, p.Items[0].MessageIndex)
	case c.To == sdk.Newer && p.Items[n-1].MessageIndex <= from.Items[0].MessageIndex:
		l.say("PAGE-4 the page after %d ends at %d", from.Items[0].MessageIndex, p.Items[n-1].MessageIndex)
	}
}

// seam checks that the snapshot of a chat that the page is in meets its events: nothing
// is in both, nothing in neither (PAGE-3).
func (l *log) seam(c *Call) {
	v := l.views[c.Chat]
	if v == nil || !v.active || v.left || l.target > 0 {
		return // between leaving and the event of it, and after a loss, the client knows better
	}
	p := &c.Result
	oldest := int64(1)
	if p.HasPrevious && len(p.Items) > 0 {
		oldest = p.Items[len(p.Items)-1].MessageIndex
	}
	known := map[int64]bool{}
	for _, m := range p.Items {
		known[m.MessageIndex] = true
		// A page that went before, and comes back, may have sent as the same session.
		if stored := l.j.stored[c.Chat]; stored[m.MessageIndex-1].SessionID != l.session {
			v.paged[m.MessageID] = true
			if v.raised[m.MessageID] && m.MessageIndex > c.Delivered {
				l.say("PAGE-3 %d came as an event after the call and is in the snapshot", m.MessageIndex)
			}
		}
	}
	for i := oldest; i <= c.Delivered; i++ {
		if !known[i] {
			l.say("PAGE-3 %d had been delivered and is missing from the snapshot", i)
			return
		}
	}
}

// calm is the moment when everything has been in order for long enough.
func (l *log) calm() {
	if l.phase != ready {
		if l.phase != none || !l.ended() {
			l.say("INIT-9 calm, and there is no session; phase %d", l.phase)
		}
		return
	}
	if l.stream != connected {
		l.say("STREAM-2 calm, and the stream is not connected but %d", l.stream)
		return
	}
	for _, c := range l.open {
		l.say("calm, and %v of %v has not settled", c, c.At)
	}
	ids := []string{}
	for id := range l.views {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		v := l.views[id]
		if n := len(v.list); !v.active && l.shownAnyway(&v.list[n-1]) {
			continue // begun in a time that was lost for good, and over before it was re-read: nobody could know
		}
		for k := v.k; k < len(v.list); k++ {
			if v.list[k].ID <= l.calmPosition() && !l.excused(v, k) {
				l.say("every message reaches the page: %s %s was never delivered", short(id), describe(&v.list[k]))
				break
			}
		}
	}
	for _, e := range l.j.chats {
		l.compare(e)
	}
}

// calmPosition is the newest event of the session before the pages shut down. What
// follows is their own end only.
func (l *log) calmPosition() wire.EventID {
	var id wire.EventID
	for _, ev := range l.j.events[l.session] {
		if ev.Event.Date.Sub(l.j.record.began) < l.now-time.Second {
			id = ev.ID
		}
	}
	return id
}

// compare compares what a page shows of a chat with what is so.
func (l *log) compare(e wire.Engagement) {
	m, known := l.mirror[e.EngagementID]
	if !known {
		return
	}
	switch {
	case e.EngagementStatus == wire.EngagementTerminated:
		if v := l.views[e.EngagementID]; v != nil && v.active && m.EngagementStatus != wire.EngagementTerminated && !v.left {
			l.say("ENG-3 %s has ended, the page sees %s", short(e.EngagementID), m.EngagementStatus)
		}
	case m.EngagementStatus == wire.EngagementTerminated || m.EngagementStatus == wire.EngagementTerminating:
		l.say("ENG-3 %s goes on, the page sees %s", short(e.EngagementID), m.EngagementStatus)
	case m.EngagementStatus == wire.EngagementActive:
		a, b := ids(m.Participants), ids(e.Participants)
		if !slices.Equal(a, b) {
			l.say("ENG-7 the page sees %v in %s, in it are %v", a, short(e.EngagementID), b)
		}
	}
}

func ids(list []wire.Participant) (ids []string) {
	for _, p := range list {
		ids = append(ids, short(p.ParticipantID))
	}
	slices.Sort(ids)
	return ids
}
