package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
)

// player lets a life happen.
type player struct {
	life   *Life
	p      *sdktest.Platform
	faults *sdktest.Faults
	record *Record
	slots  []*page // the page that is open in each tab
	calm   bool    // the end of the life has come: pages only do what the player asks of them

	clock   time.Duration // by which the devices' wall clocks are ahead
	token   string        // that the back end made last
	madeAt  time.Duration // when
	refused int           // how many refuseTokens have begun

	mu     sync.Mutex
	agenda []plan // what pages mean to do, unordered
	nudge  chan struct{}
	source *rand.PCG
}

// plan is something that a page will do.
type plan struct {
	at   time.Time
	page *page
	step Step
}

// Outcome is what became of a life.
type Outcome struct {
	Seed     uint64
	Virtual  time.Duration
	Problems []string // what the model says; none: all is well
	record   *Record
}

// Play lets a life happen in a bubble, and judges it.
func Play(t *testing.T, life *Life) (o Outcome) {
	o.Seed = life.Seed
	defer func() {
		// What the bubble says of goroutines that were left behind.
		if cause := recover(); cause != nil {
			o.Problems = append(o.Problems, fmt.Sprintf("SHUT-2 the bubble: %v", cause))
		}
	}()
	synctest.Test(t, func(*testing.T) {
		l := &player{life: life, clock: life.ClockAhead, record: newRecord(), nudge: make(chan struct{}, 1), source: rand.NewPCG(life.Seed, 0xd1ce)}
		o.record = l.record
		l.p = sdktest.New(life.Platform)
		defer l.p.Close()
		l.faults = l.p.Faults()
		left := l.play()
		o.Virtual = l.record.now()
		o.Problems = Judge(life, l.record, l.p)
		o.Problems = append(o.Problems, left...)
	})
	return o
}

// random is the clients' Options.Random.
func (l *player) random() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.source.Uint64()
}

// planStep plans a step of a page, or of nobody, in that time from now.
func (l *player) planStep(g *page, d time.Duration, s Step) {
	l.mu.Lock()
	l.agenda = append(l.agenda, plan{time.Now().Add(d), g, s})
	l.mu.Unlock()
	select {
	case l.nudge <- struct{}{}:
	default:
	}
}

// next takes the plan that is due before anything else, if that is before until.
func (l *player) next(until time.Time) (p plan, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := -1
	for i, p := range l.agenda {
		if !p.at.After(until) && (at < 0 || p.at.Before(l.agenda[at].at)) {
			at = i
		}
	}
	if at < 0 {
		return plan{at: until}, false
	}
	p = l.agenda[at]
	l.agenda = slices.Delete(l.agenda, at, at+1)
	return p, true
}

// until lets time pass, and pages do what they have planned.
func (l *player) until(end time.Time) {
	for {
		p, planned := l.next(end)
		if d := time.Until(p.at); d > 0 {
			t := time.NewTimer(d)
			select {
			case <-t.C:
			case <-l.nudge:
				t.Stop()
				if planned {
					l.mu.Lock()
					l.agenda = append(l.agenda, p)
					l.mu.Unlock()
				}
				continue
			}
		}
		synctest.Wait()
		if !planned {
			return
		}
		l.act(p.page, p.step)
	}
}

func (l *player) play() (left []string) {
	for i := range l.life.Tabs {
		l.slots = append(l.slots, l.newPage(i, sdktest.NewStorage()))
		l.planStep(l.slots[i], time.Duration(i)*time.Second, Step{Step: sdktest.Step{Kind: doInit}})
	}
	if l.life.KeepsTalking {
		l.planStep(l.slots[0], time.Minute, Step{Step: sdktest.Step{Kind: keepTalk}})
	}
	began := time.Now()
	for _, s := range l.life.Steps {
		l.until(began.Add(s.At))
		if s.Tab == nobody {
			l.happens(s)
			continue
		}
		l.act(l.slots[s.Tab%len(l.slots)], s)
	}
	l.until(began.Add(l.life.Length))
	return l.end()
}

// happens does a step of the fault schedule.
func (l *player) happens(s Step) {
	switch s.Kind {
	case stepClock:
		l.clock += s.For
		l.record.note(Entry{What: wasStepped})
		for _, g := range l.slots {
			g.device.StepClock(s.For)
		}
	case refuseTokens:
		l.p.RefuseTokens(true)
		l.refused++
		l.planStep(nil, s.For, Step{Step: sdktest.Step{Kind: endRefuse, Count: l.refused}})
	default:
		l.faults.Do(s.Step)
	}
}

// issue is the back end of the pages, which makes their tokens.
func (l *player) issue(ttl time.Duration) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	claims := sdktest.Claims{Name: "Ann", TTL: max(time.Second, ttl.Truncate(time.Second))}
	now := l.record.now()
	if !l.calm {
		if l.token != "" && now-l.madeAt < l.life.Cached {
			return l.token
		}
		claims.Ahead = l.life.IssueAhead
	}
	l.token, l.madeAt = l.p.Token(claims), now
	return l.token
}

// act does a step of a page, if it still can.
func (l *player) act(g *page, s Step) {
	switch {
	case s.Kind == endRefuse:
		if s.Count == l.refused { // none has begun since
			l.p.RefuseTokens(false)
		}
		return
	case g.left:
		return
	case s.Kind == endSleep:
		g.asleep = false
		g.note(Entry{What: wasWoken})
		g.device.Wake()
		if s.Code == 1 {
			synctest.Wait()
			g.note(Entry{What: wasOnline})
			g.c.Wake(sdk.WakeVisible)
		}
		return
	case s.Kind == keepTalk:
		for _, g := range l.slots {
			if !g.asleep {
				g.do(Step{Step: sdktest.Step{Kind: doResetIdle}})
			}
		}
		l.planStep(l.slots[0], time.Minute, s)
		return
	case g.asleep:
		if s.Kind == endOffline || s.Kind == endStorage {
			l.planStep(g, time.Second, s)
		}
		return
	}
	switch s.Kind {
	case doSleep:
		l.sleep(g, s)
	case doReload:
		l.reload(g)
	case doDuplicate:
		if len(l.slots) < maxSlots {
			d := l.newPage(len(l.slots), g.storage.Copy())
			l.slots = append(l.slots, d)
			d.do(Step{Step: sdktest.Step{Kind: doInit}})
		}
	default:
		g.do(s)
	}
}

// sleep stops all of a page: what passes its device, and the client's own goroutine,
// by a warning whose logging does not return before the device wakes.
func (l *player) sleep(g *page, s Step) {
	g.asleep = true
	g.note(Entry{What: wasAsleep})
	g.device.Sleep()
	g.c.Messages("", -1, 0, nil)
	l.planStep(g, s.For, Step{Step: sdktest.Step{Kind: endSleep, Code: s.Code}})
}

// reload closes a page without a word, and loads it again in the same tab.
func (l *player) reload(g *page) {
	l.leave(g)
	n := l.newPage(g.slot, g.storage.Storage)
	n.storage.refused = g.storage.refused
	l.slots[g.slot] = n
	if l.life.KeepsTalking && g.slot == 0 {
		l.planStep(n, time.Minute, Step{Step: sdktest.Step{Kind: keepTalk}})
	}
	n.do(Step{Step: sdktest.Step{Kind: doInit}})
}

func (l *player) leave(g *page) {
	g.note(Entry{What: wasLeft})
	g.left, g.storage.left = true, true
	g.device.Leave()
	synctest.Wait()
	g.c.Shutdown("", nil) // in a browser the client is gone with its page
}

// end brings a life to its end: first into calm, in which everything must come right,
// then to the shutdown of all clients, after which nothing may be left.
func (l *player) end() (left []string) {
	l.calm = true
	l.mu.Lock()
	l.agenda = nil
	l.mu.Unlock()
	l.faults.Clear()
	l.p.RefuseTokens(false)
	for _, g := range l.slots {
		clear(g.react)
		g.slow = 0
		g.storage.Fail(nil, nil)
		if g.asleep {
			l.act(g, Step{Step: sdktest.Step{Kind: endSleep}})
		}
		synctest.Wait()
		g.do(Step{Step: sdktest.Step{Kind: endOffline}})
		g.do(Step{Step: sdktest.Step{Kind: doResetIdle}})
	}
	time.Sleep(time.Minute) // calls under way, slow handlers, shutdowns, inits
	for _, g := range l.slots {
		synctest.Wait()
		g.do(Step{Step: sdktest.Step{Kind: doToken, For: 10 * time.Hour}})
		g.do(Step{Step: sdktest.Step{Kind: doRetry}})
		g.init(10 * time.Hour) // those that are not
	}
	for range int((l.life.Config.ReconnectionTimeout + 90*time.Second) / time.Minute) {
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, g := range l.slots {
			g.do(Step{Step: sdktest.Step{Kind: doResetIdle}})
		}
	}
	for _, g := range l.slots {
		g.do(Step{Step: sdktest.Step{Kind: doList}})
	}
	for i := range 3 { // is everything delivered that is said now?
		l.faults.Do(sdktest.Step{Kind: sdktest.AgentWrites, Code: i, Pick: i})
	}
	time.Sleep(10 * time.Second)
	synctest.Wait()
	l.record.note(Entry{What: wasCalm})

	for _, g := range l.slots {
		g.do(Step{Step: sdktest.Step{Kind: doShutdown}})
	}
	time.Sleep(10 * time.Second)
	synctest.Wait()
	if n := l.p.Busy(); n != 0 {
		left = append(left, fmt.Sprintf("SHUT-2 %d calls, dials or streams are left after shutdown", n))
	}
	left = append(left, goroutines()...)
	n, calls, dials := len(l.record.entries), len(l.p.Requests()), l.p.Dials()
	time.Sleep(time.Hour)
	synctest.Wait()
	if len(l.record.entries) != n || len(l.p.Requests()) != calls || l.p.Dials() != dials {
		left = append(left, "SHUT-2 something happened in the hour after shutdown: "+l.record.entries[len(l.record.entries)-1].String())
	}
	return left
}

// goroutines tells which of the SDK's are left.
func goroutines() (left []string) {
	buf := make([]byte, 1<<18)
	buf = buf[:runtime.Stack(buf, true)]
	for g := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(g, "openchat/sdk.") && !strings.Contains(g, "main.goroutines") {
			left = append(left, "SHUT-2 a goroutine is left after shutdown: "+strings.ReplaceAll(firstFrame(g), "\n", " "))
		}
	}
	return left
}

func firstFrame(g string) string {
	if i := strings.Index(g, "openchat/sdk."); i >= 0 {
		g = g[i:]
	}
	line, _, _ := strings.Cut(g, "\n")
	return line
}

func itoa(n int) string { return strconv.Itoa(n) }
