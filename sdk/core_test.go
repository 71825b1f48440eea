package sdk_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
	"openchat/sdk/wire"
)

// page is what a web page would have: a client, and a log of what it received.
type page struct {
	t         *testing.T
	p         *sdktest.Platform
	c         *sdk.Core
	events    []sdk.Event
	times     []time.Time
	logs      []string
	on        func(sdk.Event)
	mirror    map[string]sdk.Engagement // made of what the events said
	wall      atomic.Int64              // by how much the device's wall clock is ahead, a time.Duration
	marks     []string                  // events and settlements in the order in which the page learnt of them
	delivered map[string]int64          // by engagement: messageIndex of the last message that was delivered
}

func newPage(t *testing.T, p *sdktest.Platform, storage sdk.Storage) *page {
	return newPageOver(t, p, p.Transport(), storage)
}

func newPageOver(t *testing.T, p *sdktest.Platform, transport sdk.Transport, storage sdk.Storage) *page {
	g := &page{t: t, p: p, mirror: map[string]sdk.Engagement{}, delivered: map[string]int64{}}
	g.c = sdk.NewCore(sdk.Options{
		WallClock: func() time.Time { return time.Now().Add(time.Duration(g.wall.Load())) },
		Transport: transport,
		Storage:   storage,
		Deliver: func(e sdk.Event) {
			if e.Changed != nil {
				g.mirror[e.Changed.EngagementID] = *e.Changed
			}
			if e.Type == "" {
				return
			}
			if e.Message != nil {
				g.delivered[e.EngagementID] = e.Message.MessageIndex
			}
			g.events = append(g.events, e)
			g.times = append(g.times, time.Now())
			g.marks = append(g.marks, string(e.Type))
			if g.on != nil {
				g.on(e)
			}
		},
		Log: func(_ sdk.LogLevel, line string) { g.logs = append(g.logs, line) },
	})
	return g
}

// platform runs a test against a platform in a bubble.
func platform(t *testing.T, o sdktest.Options, f func(t *testing.T, p *sdktest.Platform)) {
	synctest.Test(t, func(t *testing.T) {
		p := sdktest.New(o)
		defer p.Close()
		f(t, p)
		synctest.Wait()
	})
}

// started runs a test with an initialized page, and shuts it down.
func started(t *testing.T, o sdktest.Options, f func(t *testing.T, g *page)) {
	platform(t, o, func(t *testing.T, p *sdktest.Platform) {
		g := newPage(t, p, p.Storage())
		g.init(sdktest.Claims{Name: "Ann"}, sdk.Config{})
		f(t, g)
		g.end()
	})
}

// tryInit is init for what may fail.
func (g *page) tryInit(params sdk.InitParams, cfg sdk.Config) (sdk.UserContext, error) {
	return sdk.Await(g.t.Context(), func(done func(sdk.UserContext, error)) { g.c.Init(params, cfg, done) })
}

func (g *page) init(claims sdktest.Claims, cfg sdk.Config) sdk.UserContext {
	g.t.Helper()
	u, err := g.tryInit(g.p.Params(claims), cfg)
	if err != nil {
		g.t.Fatalf("init: %v", err)
	}
	return u
}

func (g *page) end() {
	err := await(g, func(done func(error)) { g.c.Shutdown("", done) })
	if err != nil && !errors.Is(err, &sdk.Error{Code: 310}) {
		g.t.Errorf("shutdown: %v", err)
	}
}

func await(g *page, call func(func(error))) error {
	ch := make(chan error, 1)
	call(func(err error) { ch <- err })
	return <-ch
}

// create creates an engagement, which may not be active yet.
func (g *page) create() string {
	g.t.Helper()
	e, err := sdk.Await(g.t.Context(), func(done func(sdk.Engagement, error)) { g.c.CreateEngagement(nil, done) })
	if err != nil {
		g.t.Fatalf("createEngagement: %v", err)
	}
	return e.EngagementID
}

// join joins an engagement, which may not be active yet.
func (g *page) join(id string) {
	g.t.Helper()
	if _, err := sdk.Await(g.t.Context(), func(done func(sdk.Engagement, error)) { g.c.Join(id, done) }); err != nil {
		g.t.Fatalf("join: %v", err)
	}
}

// chat creates an engagement and waits until it is active.
func (g *page) chat() string {
	g.t.Helper()
	id := g.create()
	g.wait(sdk.EventEngagementActive)
	time.Sleep(200 * time.Millisecond) // virtual: the chat's first events
	return id
}

func (g *page) send(id, text string) (sdk.Message, error) {
	return sdk.Await(g.t.Context(), func(done func(sdk.Message, error)) { g.c.SendMessage(id, text, "", done) })
}

// wait lets virtual time pass, an hour at most, until the page has received type t.
func (g *page) wait(types ...sdk.EventType) sdk.Event {
	g.t.Helper()
	seen := len(g.events)
	for _, t := range types {
		for i := 0; ; i++ {
			synctest.Wait()
			for _, e := range g.events {
				if e.Type == t {
					return e
				}
			}
			if i == 3600 {
				g.t.Fatalf("no %s; events %v (%d before)", t, g.marks, seen)
			}
			time.Sleep(time.Second)
		}
	}
	return sdk.Event{}
}

func (g *page) count(t sdk.EventType) (n int) {
	for _, e := range g.events {
		if e.Type == t {
			n++
		}
	}
	return n
}

func (g *page) clear() { g.events, g.times, g.marks, g.logs = nil, nil, nil, nil }

func (g *page) texts(t sdk.EventType) (list []string) {
	for _, e := range g.events {
		if e.Type == t {
			list = append(list, e.Message.Body.Text)
		}
	}
	return list
}

func (g *page) typesOf() string {
	return strings.Join(g.marks, " ")
}

// until lets virtual time pass, an hour at most, until the page has received an event.
func (g *page) until(match func(sdk.Event) bool) sdk.Event {
	g.t.Helper()
	for range 3600 {
		synctest.Wait()
		if i := slices.IndexFunc(g.events, match); i >= 0 {
			return g.events[i]
		}
		time.Sleep(time.Second)
	}
	g.t.Fatalf("not received: %v", g.marks)
	return sdk.Event{}
}

func gaveUp(e sdk.Event) bool { return e.Reason == string(sdk.FailureReconnectionTimeout) }

// ofTypes returns the events of the given types, and when each was raised.
func (g *page) ofTypes(types ...sdk.EventType) (list []sdk.Event, at []time.Time) {
	for i, e := range g.events {
		if slices.Contains(types, e.Type) {
			list, at = append(list, e), append(at, g.times[i])
		}
	}
	return list, at
}

// chatEvents lists the chat events that a page received, with who or what they were about.
func (g *page) chatEvents() string {
	var list []string
	for _, e := range g.events {
		switch {
		case e.Message != nil:
			list = append(list, e.Message.Body.Text)
		case e.Participant.ParticipantID != "":
			list = append(list, strings.TrimPrefix(string(e.Type), "PARTICIPANT_")+" "+e.Participant.DisplayName)
		case e.EngagementID != "":
			list = append(list, strings.TrimPrefix(string(e.Type), "ENGAGEMENT_"))
		}
	}
	return strings.Join(list, ", ")
}

// meanwhile runs f once, when the client makes its next call of that method and path.
func meanwhile(p *sdktest.Platform, call string, f func(*sdktest.Exchange)) {
	done := false
	p.OnRequest(func(x *sdktest.Exchange) {
		if !done && strings.HasPrefix(x.Method+" "+x.Path, call) {
			done = true
			f(x)
		}
	})
}

func wantCode(t *testing.T, err error, code sdk.Code) {
	t.Helper()
	var e *sdk.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("got %v, want %v", err, code)
	}
}

// answerJSON is an answer of the gateway, from what a test writes.
func answerJSON(status int, body string) sdk.Response {
	return sdk.Response{Status: status, Body: []byte(body)}
}

// setClock moves the device's wall clock by d.
func (g *page) setClock(d time.Duration) { g.wall.Add(int64(d)) }

// sleepDevice is a sleep of the device in which its monotonic clock stands still: the
// wall clock and the platform's are d later at once. The page learns of it when it is over.
func (g *page) sleepDevice(d, platformAhead time.Duration) {
	g.setClock(d)
	g.p.SkewClock(platformAhead + d)
	g.c.Wake(sdk.WakeVisible)
}

func TestArgumentEdges(t *testing.T) {
	t.Run("SHUT-1 reasons", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			for _, reason := range []wire.Reason{"BORED", wire.ReasonSystemClosed} {
				wantCode(t, await(g, func(done func(error)) { g.c.Shutdown(reason, done) }), 322)
			}
			if err := await(g, func(done func(error)) { g.c.Shutdown(wire.ReasonUserInactive, done) }); err != nil {
				t.Fatal(err)
			}
			if e := g.wait(sdk.EventShutdown); e.Reason != "USER_INACTIVE" {
				t.Errorf("reason %s", e.Reason)
			}
		})
	})
	t.Run("ENG-8 INIT-5 parameters are refused before the gateway receives them", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			before := len(g.p.Requests())
			for _, c := range []struct {
				p    map[string]string
				code sdk.Code
			}{
				{map[string]string{strings.Repeat("k", 65): "v"}, 322},
				{map[string]string{"k": strings.Repeat("v", 257)}, 322},
				{map[string]string{"": "v"}, 322},
			} {
				_, err := sdk.Await(t.Context(), func(done func(sdk.Engagement, error)) { g.c.CreateEngagement(c.p, done) })
				wantCode(t, err, c.code)
			}
			if n := len(g.p.Requests()) - before; n != 0 {
				t.Errorf("%d calls were made", n)
			}
			most := map[string]string{strings.Repeat("k", 64): strings.Repeat("v", 256)}
			if _, err := sdk.Await(t.Context(), func(done func(sdk.Engagement, error)) { g.c.CreateEngagement(most, done) }); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("ENG-1 ENG-3 what a look at one engagement tells of another is shown", func(t *testing.T) {
		started(t, sdktest.Options{RouteDelay: time.Second}, func(t *testing.T, g *page) {
			e, err := sdk.Await(t.Context(), func(done func(sdk.Engagement, error)) { g.c.CreateEngagement(nil, done) })
			if err != nil {
				t.Fatal(err)
			}
			g.p.Silence() // ENGAGEMENT_ACTIVE does not come
			time.Sleep(2 * time.Second)
			g.c.EngagementByID("e0000000-0000-4000-8000-00000000dead", nil)
			time.Sleep(time.Second)
			if m := g.mirror[e.EngagementID]; m.EngagementStatus != wire.EngagementActive {
				t.Errorf("the page sees %+v", m)
			}
		})
	})
	t.Run("NS-6 an engagement that began elsewhere after init", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			h := newPage(t, g.p, sdktest.NewStorage())
			h.init(sdktest.Claims{Name: "Ann"}, sdk.Config{})
			defer h.end()
			id := g.chat()
			found := make(chan sdk.Engagement, 1)
			h.c.EngagementByID(id, func(e sdk.Engagement, ok bool, err error) {
				if !ok || err != nil {
					t.Errorf("%v, %v", ok, err)
				}
				found <- e
			})
			if e := <-found; e.EngagementID != id || e.EngagementStatus != wire.EngagementPending {
				t.Errorf("%+v", e)
			}
		})
	})
}
