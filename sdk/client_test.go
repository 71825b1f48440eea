package sdk_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
	"openchat/sdk/wire"
)

// page is what a web page would have: a client, and a log of what it heard.
type page struct {
	t      *testing.T
	p      *sdktest.Platform
	c      *sdk.Client
	events []sdk.Event
	times  []time.Time
	logs   []string
	on     func(sdk.Event)
	mirror map[string]sdk.Engagement // what changes told
	wall   atomic.Int64              // by how much the device's wall clock is ahead, a time.Duration
	marks  []string                  // events and settlements in the order in which the page learnt of them
}

func newPage(t *testing.T, p *sdktest.Platform, storage sdk.Storage) *page {
	return newPageOver(t, p, p.Transport(), storage)
}

func newPageOver(t *testing.T, p *sdktest.Platform, transport sdk.Transport, storage sdk.Storage) *page {
	g := &page{t: t, p: p, mirror: map[string]sdk.Engagement{}}
	g.c = sdk.New(sdk.Options{
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

func (g *page) init(claims sdktest.Claims, cfg sdk.Config) sdk.UserContext {
	g.t.Helper()
	u, err := sdk.Await(g.t.Context(), func(done func(sdk.UserContext, error)) { g.c.Init(g.p.Params(claims), cfg, done) })
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

// wait lets virtual time pass, an hour at most, until the page has heard of type t.
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

func wantCode(t *testing.T, err error, code sdk.Code) {
	t.Helper()
	var e *sdk.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("got %v, want %v", err, code)
	}
}

func TestInit(t *testing.T) {
	t.Run("NS-1 INIT-7 events, then the same user context", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			u := g.init(sdktest.Claims{Name: "Ann"}, sdk.Config{})
			if got, want := g.typesOf(), "EVENT_STREAM_CONNECTING EVENT_STREAM_CONNECTED INITIALIZED"; got != want {
				t.Errorf("events %s, want %s", got, want)
			}
			if u.DisplayName != "Ann" || len(u.Engagements) != 0 || g.events[2].User.DisplayName != "Ann" {
				t.Errorf("user context %+v", u)
			}
			g.end()
			if p.Sessions()[0].Ended != true {
				t.Error("the session lives on at the platform")
			}
		})
	})

	bad := []struct {
		name   string
		change func(*sdk.InitParams)
		code   sdk.Code
	}{
		{"INIT-1 no hostURL", func(p *sdk.InitParams) { p.HostURL = "" }, 301},
		{"INIT-1 not a URL", func(p *sdk.InitParams) { p.HostURL = "chat" }, 309},
		{"INIT-1 ftp", func(p *sdk.InitParams) { p.HostURL = "ftp://chat" }, 309},
		{"INIT-1 no host", func(p *sdk.InitParams) { p.HostURL = "https:///x" }, 309},
		{"INIT-2 no integrationId", func(p *sdk.InitParams) { p.IntegrationID = "" }, 307},
		{"INIT-2 no UUID", func(p *sdk.InitParams) { p.IntegrationID = "abc" }, 307},
		{"INIT-2 unknown to the server", func(p *sdk.InitParams) { p.IntegrationID = "00000000-0000-4000-8000-000000000000" }, 307},
		{"INIT-3 no token", func(p *sdk.InitParams) { p.Token = "" }, 308},
		{"INIT-3 no JWT", func(p *sdk.InitParams) { p.Token = "a.b" }, 305},
		{"INIT-4 no appkey", func(p *sdk.InitParams) { p.Appkey = "" }, 302},
		{"INIT-5 key too long", func(p *sdk.InitParams) {
			p.SessionParameters = map[string]string{strings.Repeat("k", 65): "v"}
		}, 322},
		{"INIT-5 value too long", func(p *sdk.InitParams) {
			p.SessionParameters = map[string]string{"k": strings.Repeat("v", 257)}
		}, 322},
	}
	for _, b := range bad {
		t.Run(b.name, func(t *testing.T) {
			platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
				g := newPage(t, p, p.Storage())
				params := p.Params(sdktest.Claims{})
				b.change(&params)
				_, err := sdk.Await(t.Context(), func(done func(sdk.UserContext, error)) { g.c.Init(params, sdk.Config{}, done) })
				wantCode(t, err, b.code)
				g.init(sdktest.Claims{}, sdk.Config{}) // INIT-9: as before it
				g.end()
			})
		})
	}

	t.Run("INIT-3 expired", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			_, err := sdk.Await(t.Context(), func(done func(sdk.UserContext, error)) {
				g.c.Init(p.Params(sdktest.Claims{TTL: -time.Minute}), sdk.Config{}, done)
			})
			wantCode(t, err, 305)
		})
	})
	t.Run("INIT-3 refused by the server", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			_, err := sdk.Await(t.Context(), func(done func(sdk.UserContext, error)) {
				g.c.Init(p.Params(sdktest.Claims{Forged: true}), sdk.Config{}, done)
			})
			wantCode(t, err, 305)
		})
	})

	t.Run("INIT-8 a second init", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			first := make(chan error, 1)
			g.c.Init(p.Params(sdktest.Claims{}), sdk.Config{}, func(_ sdk.UserContext, err error) { first <- err })
			_, err := sdk.Await(t.Context(), func(done func(sdk.UserContext, error)) { g.c.Init(p.Params(sdktest.Claims{}), sdk.Config{}, done) })
			wantCode(t, err, 321)
			if err := <-first; err != nil {
				t.Fatal(err)
			}
			_, err = sdk.Await(t.Context(), func(done func(sdk.UserContext, error)) { g.c.Init(p.Params(sdktest.Claims{}), sdk.Config{}, done) })
			wantCode(t, err, 204)
			g.end()
		})
	})

	t.Run("INIT-9 unreachable within 30 seconds", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			p.Down()
			g := newPage(t, p, p.Storage())
			begun := time.Now()
			_, err := sdk.Await(t.Context(), func(done func(sdk.UserContext, error)) { g.c.Init(p.Params(sdktest.Claims{}), sdk.Config{}, done) })
			wantCode(t, err, 306)
			if d := time.Since(begun); d > 30*time.Second {
				t.Errorf("took %v", d)
			}
			p.Up()
			g.init(sdktest.Claims{}, sdk.Config{})
			g.end()
		})
	})
	t.Run("INIT-9 no word from a stream that opens", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			p.OnDial(func(d *sdktest.Dial) { d.Silent = true })
			g := newPage(t, p, p.Storage())
			begun := time.Now()
			_, err := sdk.Await(t.Context(), func(done func(sdk.UserContext, error)) { g.c.Init(p.Params(sdktest.Claims{}), sdk.Config{}, done) })
			wantCode(t, err, 306)
			if d := time.Since(begun); d > 30*time.Second {
				t.Errorf("took %v", d)
			}
		})
	})
	t.Run("INIT-9 not understood", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			p.OnRequest(func(x *sdktest.Exchange) { x.Respond(sdk.Response{Status: 200, Body: []byte("<html>")}) })
			g := newPage(t, p, p.Storage())
			_, err := sdk.Await(t.Context(), func(done func(sdk.UserContext, error)) { g.c.Init(p.Params(sdktest.Claims{}), sdk.Config{}, done) })
			wantCode(t, err, 304)
		})
	})
	t.Run("INIT-9 server errors that last", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			p.OnRequest(func(x *sdktest.Exchange) { x.Refuse(503, wire.ProblemServerError, 0) })
			g := newPage(t, p, p.Storage())
			_, err := sdk.Await(t.Context(), func(done func(sdk.UserContext, error)) { g.c.Init(p.Params(sdktest.Claims{}), sdk.Config{}, done) })
			wantCode(t, err, 311)
		})
	})

	t.Run("INIT-9 server errors, and an answer that is late when the time is over", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			begun := time.Now()
			p.OnRequest(func(x *sdktest.Exchange) {
				x.Refuse(503, wire.ProblemServerError, 0)
				if time.Since(begun) > 20*time.Second {
					x.DelayAnswer(time.Minute)
				}
			})
			g := newPage(t, p, p.Storage())
			_, err := sdk.Await(t.Context(), func(done func(sdk.UserContext, error)) { g.c.Init(p.Params(sdktest.Claims{}), sdk.Config{}, done) })
			wantCode(t, err, 311)
			if d := time.Since(begun); d > 30*time.Second {
				t.Errorf("took %v", d)
			}
		})
	})

	t.Run("NS-13 calls without a session", func(t *testing.T) {
		c := sdk.New(sdk.Options{})
		wantCode(t, c.SetJWTToken("x"), 310)
		wantCode(t, c.ResetIdleTimeout(), 310)
		wantCode(t, c.RetryConnection(), 310)
		c.CreateEngagement(nil, func(_ sdk.Engagement, err error) { wantCode(t, err, 310) })
		c.Engagements(func(_ []sdk.Engagement, err error) { wantCode(t, err, 310) })
		c.Shutdown("", func(err error) { wantCode(t, err, 310) })
	})
	t.Run("NS-13 calls while init runs", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			first := make(chan error, 1)
			g.c.Init(p.Params(sdktest.Claims{}), sdk.Config{}, func(_ sdk.UserContext, err error) { first <- err })
			wantCode(t, g.c.ResetIdleTimeout(), 321)
			wantCode(t, await(g, func(done func(error)) { g.c.Shutdown("", done) }), 321)
			<-first
			g.end()
		})
	})
	t.Run("NS-10 log level", func(t *testing.T) {
		c := sdk.New(sdk.Options{})
		wantCode(t, c.SetLogLevel("LOUD"), 303)
		if err := c.SetLogLevel(sdk.LogDebug); err != nil {
			t.Error(err)
		}
	})
}

func TestSession(t *testing.T) {
	t.Run("SES-1 a reload resumes, active chats stay active", func(t *testing.T) {
		platform(t, sdktest.Options{AutoBot: true}, func(t *testing.T, p *sdktest.Platform) {
			tab := p.Storage()
			g := newPage(t, p, tab)
			g.init(sdktest.Claims{Name: "Ann"}, sdk.Config{})
			id := g.chat()
			// A page that is reloaded goes without a word; its socket closes.
			p.CutStreams(1001)
			h := newPage(t, p, tab.Copy())
			u := h.init(sdktest.Claims{Name: "Ann"}, sdk.Config{})
			if len(u.Engagements) != 1 || u.Engagements[0].EngagementStatus != wire.EngagementActive {
				t.Fatalf("engagements %+v", u.Engagements)
			}
			if n := len(u.Engagements[0].Participants); n < 1 {
				t.Errorf("%d participants", n)
			}
			if len(p.Sessions()) != 1 {
				t.Errorf("%d sessions", len(p.Sessions()))
			}
			p.Agent("Bo") // only to have another voice below
			bo := p.Agent("Bo")
			bo.Accept(id)
			bo.Say(id, "hello again")
			h.wait(sdk.EventMessageArrived)
			h.end()
			g.end()
		})
	})
	t.Run("SES-2 the stored session is gone", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			p.Storage().Save(sdk.StorageKey, "00000000-0000-4000-8000-000000000001")
			g := newPage(t, p, p.Storage())
			g.init(sdktest.Claims{}, sdk.Config{})
			if got := p.Storage().Content()[sdk.StorageKey]; got != p.Sessions()[0].SessionID {
				t.Errorf("stored %q", got)
			}
			g.end()
			if len(p.Storage().Content()) != 0 {
				t.Error("the session id is still stored")
			}
		})
	})
	t.Run("SES-3 no sessionStorage", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			p.Storage().Fail(errors.New("no"), errors.New("full"))
			g := newPage(t, p, p.Storage())
			g.init(sdktest.Claims{}, sdk.Config{LogLevel: sdk.LogWarn})
			all := strings.Join(g.logs, "\n")
			if !strings.Contains(all, "ACS-212") || !strings.Contains(all, "ACS-213") {
				t.Errorf("logs %q", all)
			}
			g.end()
		})
	})
	t.Run("SES-4 a duplicated tab opens its own session", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			g.init(sdktest.Claims{}, sdk.Config{})
			h := newPage(t, p, p.Storage().Copy())
			h.init(sdktest.Claims{}, sdk.Config{})
			if len(p.Sessions()) != 2 {
				t.Errorf("%d sessions", len(p.Sessions()))
			}
			if g.count(sdk.EventStreamFailed) != 0 {
				t.Error("the first tab lost its stream")
			}
			h.end()
			g.end()
		})
	})
}

func TestShutdown(t *testing.T) {
	t.Run("NS-11 SHUT-1 events in order, storage cleared", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			g.init(sdktest.Claims{}, sdk.Config{})
			g.clear()
			err := await(g, func(done func(error)) {
				g.c.Shutdown("", func(err error) { g.marks = append(g.marks, "resolved"); done(err) })
			})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := g.typesOf(), "EVENT_STREAM_CLOSED SHUTDOWN resolved"; got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if g.events[1].Reason != "USER_CLOSED" {
				t.Errorf("reason %q", g.events[1].Reason)
			}
			if len(p.Storage().Content()) != 0 {
				t.Error("the session id is still stored")
			}
		})
	})
	t.Run("SHUT-1 unreachable server, within 5 seconds", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			g.p.OnRequest(func(x *sdktest.Exchange) { x.Hang() })
			begun := time.Now()
			g.end()
			if d := time.Since(begun); d > 5*time.Second {
				t.Errorf("took %v", d)
			}
		})
	})
	t.Run("SHUT-2 old engagements reject with ACS-310", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			pending := make(chan error, 1)
			g.p.OnRequest(func(x *sdktest.Exchange) {
				if x.Method == "POST" {
					x.Hang()
				}
			})
			g.c.SendMessage(id, "late", "", func(_ sdk.Message, err error) { pending <- err })
			g.end()
			wantCode(t, <-pending, 310)
			_, err := g.send(id, "later")
			wantCode(t, err, 310)
		})
	})
	t.Run("SHUT-3 ended by the server", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			g.clear()
			g.p.EndSession(g.p.Sessions()[0].SessionID, wire.ReasonUserInactive)
			g.wait(sdk.EventShutdown)
			if got, want := g.typesOf(), "EVENT_STREAM_FAILED SHUTDOWN"; got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if g.events[0].Reason != string(sdk.FailureSessionInvalid) {
				t.Errorf("reason %s", g.events[0].Reason)
			}
			wantCode(t, g.c.ResetIdleTimeout(), 310)
		})
	})
	t.Run("EV-14 init from the SHUTDOWN handler", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			again := make(chan error, 1)
			g.on = func(e sdk.Event) {
				if e.Type == sdk.EventShutdown {
					g.on = nil
					g.c.Init(g.p.Params(sdktest.Claims{}), sdk.Config{}, func(_ sdk.UserContext, err error) { again <- err })
				}
			}
			g.end()
			if err := <-again; err != nil {
				t.Error(err)
			}
		})
	})
}

func TestIdle(t *testing.T) {
	t.Run("NS-8 IDLE-1 IDLE-2 IDLE-3 real durations", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			begun := time.Now()
			time.Sleep(299 * time.Second)
			if g.count(sdk.EventIdleTimeoutExpired) != 0 {
				t.Fatal("too early")
			}
			if err := g.c.ResetIdleTimeout(); err != nil {
				t.Fatal(err)
			}
			e := g.wait(sdk.EventIdleTimeoutExpired)
			if d := e.Date.Sub(begun); d != 599*time.Second {
				t.Errorf("expired after %v", d)
			}
			if e.GracePeriod != 30*time.Second {
				t.Errorf("grace %v", e.GracePeriod)
			}
			g.chat() // activity in the grace period starts over
			time.Sleep(60 * time.Second)
			if g.count(sdk.EventShutdown) != 0 {
				t.Fatal("shut down in spite of activity")
			}
			g.clear()
			s := g.wait(sdk.EventShutdown)
			if s.Reason != "USER_INACTIVE" {
				t.Errorf("reason %s", s.Reason)
			}
			if g.p.Engagements()[0].EngagementStatus != wire.EngagementActive {
				t.Error("the chat was closed")
			}
		})
	})
	t.Run("INIT-6 idleTimeout 0 disables", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			g.init(sdktest.Claims{TTL: 10 * time.Hour}, sdk.Config{IdleTimeout: sdk.IdleDisabled})
			time.Sleep(5 * time.Hour)
			if g.count(sdk.EventIdleTimeoutExpired) != 0 {
				t.Error("it expired")
			}
			g.end()
		})
	})
}
