package sdk_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
	"openchat/sdk/wire"
)

// namesHost fails the test unless an error of init names the gateway that init was to reach.
func namesHost(t *testing.T, err error, p *sdktest.Platform) {
	t.Helper()
	if host := p.Params(sdktest.Claims{}).HostURL; err == nil || host == "" || !strings.Contains(err.Error(), host) {
		t.Errorf("%v does not name %q", err, host)
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

	const noAppkey = "INIT-4 no appkey"
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
		{noAppkey, func(p *sdk.InitParams) { p.Appkey = "" }, 302},
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
				_, err := g.tryInit(params, sdk.Config{})
				wantCode(t, err, b.code)
				// The server would say the same, after a call.
				if n := len(p.Requests()); b.name == noAppkey && n > 0 {
					t.Errorf("%d calls were made", n)
				}
				g.init(sdktest.Claims{}, sdk.Config{}) // INIT-9: as before it
				g.end()
			})
		})
	}

	t.Run("INIT-3 expired", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			_, err := g.tryInit(p.Params(sdktest.Claims{TTL: -time.Minute}), sdk.Config{})
			wantCode(t, err, 305)
		})
	})
	t.Run("INIT-3 refused by the server", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			_, err := g.tryInit(p.Params(sdktest.Claims{Forged: true}), sdk.Config{})
			wantCode(t, err, 305)
		})
	})

	t.Run("INIT-8 a second init", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			first := make(chan error, 1)
			g.c.Init(p.Params(sdktest.Claims{}), sdk.Config{}, func(_ sdk.UserContext, err error) { first <- err })
			_, err := g.tryInit(p.Params(sdktest.Claims{}), sdk.Config{})
			wantCode(t, err, 321)
			if err := <-first; err != nil {
				t.Fatal(err)
			}
			_, err = g.tryInit(p.Params(sdktest.Claims{}), sdk.Config{})
			wantCode(t, err, 204)
			g.end()
		})
	})

	t.Run("INIT-9 unreachable within 30 seconds", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			p.Down()
			g := newPage(t, p, p.Storage())
			begun := time.Now()
			_, err := g.tryInit(p.Params(sdktest.Claims{}), sdk.Config{})
			wantCode(t, err, 306)
			namesHost(t, err, p)
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
			_, err := g.tryInit(p.Params(sdktest.Claims{}), sdk.Config{LogLevel: sdk.LogDebug})
			wantCode(t, err, 306)
			namesHost(t, err, p)
			if d := time.Since(begun); d > 30*time.Second {
				t.Errorf("took %v", d)
			}
			if log := strings.Join(g.logs, "\n"); !strings.Contains(log, "connecting, attempt 1\n") || !strings.Contains(log, "connecting, attempt 2\n") {
				t.Errorf("the attempts are not counted:\n%s", log)
			}
		})
	})
	t.Run("INIT-9 not understood", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			p.OnRequest(func(x *sdktest.Exchange) { x.Respond(sdk.Response{Status: 200, Body: []byte("<html>")}) })
			g := newPage(t, p, p.Storage())
			_, err := g.tryInit(p.Params(sdktest.Claims{}), sdk.Config{})
			wantCode(t, err, 304)
			namesHost(t, err, p)
		})
	})
	t.Run("INIT-9 server errors that last", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			p.OnRequest(func(x *sdktest.Exchange) { x.Refuse(503, wire.ProblemServerError, 0) })
			g := newPage(t, p, p.Storage())
			_, err := g.tryInit(p.Params(sdktest.Claims{}), sdk.Config{})
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
			_, err := g.tryInit(p.Params(sdktest.Claims{}), sdk.Config{})
			wantCode(t, err, 311)
			if d := time.Since(begun); d > 30*time.Second {
				t.Errorf("took %v", d)
			}
		})
	})

	t.Run("NS-13 calls without a session", func(t *testing.T) {
		c := sdk.NewCore(sdk.Options{})
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
		c := sdk.NewCore(sdk.Options{})
		wantCode(t, c.SetLogLevel("LOUD"), 303)
		if err := c.SetLogLevel(sdk.LogDebug); err != nil {
			t.Error(err)
		}
	})
}

func TestInitEdges(t *testing.T) {
	t.Run("INIT-7 the promise comes after the event", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, nil)
			done := make(chan struct{})
			g.c.Init(p.Params(sdktest.Claims{}), sdk.Config{}, func(_ sdk.UserContext, err error) {
				g.marks = append(g.marks, "resolved")
				close(done)
			})
			<-done
			if got, want := g.typesOf(), "EVENT_STREAM_CONNECTING EVENT_STREAM_CONNECTED INITIALIZED resolved"; got != want {
				t.Errorf("%s, want %s", got, want)
			}
			g.end()
		})
	})
	t.Run("INIT-2 words that are no UUID", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, nil)
			params := p.Params(sdktest.Claims{})
			params.IntegrationID = "my-integration"
			_, err := g.tryInit(params, sdk.Config{})
			wantCode(t, err, 307)
			if n := len(p.Requests()); n != 0 {
				t.Errorf("%d calls were made", n)
			}
		})
	})
	t.Run("NS-13 calls while shutdown runs", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			g.p.OnRequest(func(x *sdktest.Exchange) { x.Delay(time.Second) })
			over := make(chan error, 1)
			g.c.Shutdown("", func(err error) { over <- err })
			_, err := sdk.Await(t.Context(), g.c.Engagements)
			wantCode(t, err, 321)
			wantCode(t, await(g, func(done func(error)) { g.c.Shutdown("", done) }), 321)
			_, err = g.tryInit(g.p.Params(sdktest.Claims{}), sdk.Config{})
			wantCode(t, err, 321)
			if err := <-over; err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("EV-12 ENG-9 SES-1 what happens while init reads the chats is delivered after INITIALIZED", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			store := p.Storage()
			g := newPage(t, p, store)
			g.init(sdktest.Claims{Name: "Ann"}, sdk.Config{})
			id := g.chat()
			bo := p.Agent("Bo")
			bo.Accept(id)
			// A reload goes without a word.
			p.CutStreams(1001)
			h := newPage(t, p, store.Copy())
			p.OnRequest(func(x *sdktest.Exchange) {
				if x.Method == "GET" && x.Path == "/engagements" {
					x.Delay(time.Second)
					bo.Say(id, "before it is read")
					x.DelayAnswer(time.Second)
				}
			})
			go func() {
				time.Sleep(1500 * time.Millisecond)
				bo.Say(id, "after it was read")
			}()
			h.init(sdktest.Claims{Name: "Ann"}, sdk.Config{})
			time.Sleep(time.Second)
			if got, want := h.typesOf(), "EVENT_STREAM_CONNECTING EVENT_STREAM_CONNECTED INITIALIZED MESSAGE_ARRIVED MESSAGE_ARRIVED"; got != want {
				t.Errorf("%s, want %s", got, want)
			}
			p.OnRequest(nil)
			h.end()
			g.end()
		})
	})
	t.Run("IDLE-2 ACS-206 is logged", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, nil)
			g.init(sdktest.Claims{}, sdk.Config{LogLevel: sdk.LogWarn})
			g.wait(sdk.EventIdleTimeoutExpired)
			if !slices.ContainsFunc(g.logs, func(l string) bool { return strings.HasPrefix(l, "ACS-206") }) {
				t.Errorf("logged %q", g.logs)
			}
			g.end()
		})
	})
	t.Run("ENG-6 names of those who have none", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, nil)
			params := p.Params(sdktest.Claims{})
			params.DisplayName = "Ann of the page"
			if _, err := g.tryInit(params, sdk.Config{}); err != nil {
				t.Fatal(err)
			}
			id := g.chat()
			nameless := p.Agent("")
			nameless.Accept(id)
			nameless.Say(id, "who am I?")
			e := g.wait(sdk.EventMessageArrived)
			if got := e.Message.SenderParticipant.DisplayName; got != "Agent" {
				t.Errorf("the agent is %q", got)
			}
			var names []string
			for _, e := range g.events {
				if e.Type == sdk.EventParticipantAdded {
					names = append(names, e.Participant.DisplayName)
				}
			}
			if !slices.Equal(names, []string{"Ann of the page", "Agent"}) {
				t.Errorf("they are %q", names)
			}
			// A server that leaves the customer's name out.
			g.p.OnRequest(func(x *sdktest.Exchange) {
				if x.Method == "GET" && x.Path == "/engagements" {
					w := g.p.Engagements()[0]
					w.EventID, w.EngagementStatus = 1<<40, wire.EngagementActive
					for i := range w.Participants {
						w.Participants[i].DisplayName = ""
					}
					x.Respond(sdk.Response{Status: 200, Body: append(w.Append([]byte("[")), ']')})
				}
			})
			list, err := sdk.Await(t.Context(), g.c.Engagements)
			if err != nil || len(list) != 1 || len(list[0].Participants) != 2 {
				t.Fatalf("%+v, %v", list, err)
			}
			if p := list[0].Participants; p[0].DisplayName != "Ann of the page" || p[1].DisplayName != "Agent" {
				t.Errorf("listed as %+v", p)
			}
			g.p.OnRequest(nil)
			g.end()
		})
	})
}

func TestGoneInInit(t *testing.T) {
	t.Run("SES-2 a stored session that ends while init reads the chats", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			d := p.Device()
			first := newPageOver(t, p, d.Transport(), p.Storage())
			first.init(sdktest.Claims{Name: "Ann"}, sdk.Config{})
			meanwhile(p, "GET /engagements", func(x *sdktest.Exchange) {
				// Its stream is half-open by then, so that only this answer tells.
				p.Silence()
				p.EndSession(p.Sessions()[0].SessionID, wire.ReasonSystemClosed)
				// A new one is long in coming: nobody pings the stream that is no more.
				began := time.Now()
				p.OnRequest(func(x *sdktest.Exchange) {
					if time.Since(began) < 22*time.Second {
						x.Refuse(503, wire.ProblemServerError, 0)
					}
				})
			})
			p.CutStreams(1006)
			d.Leave()
			second := newPage(t, p, p.Storage())
			second.init(sdktest.Claims{Name: "Ann"}, sdk.Config{})
			second.end()
			if n := len(p.Sessions()); n != 2 {
				t.Errorf("%d sessions, want a second one", n)
			}
			first.end()
		})
	})
	t.Run("NS-13 init before SHUTDOWN was delivered", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			var err error
			g.on = func(e sdk.Event) {
				if e.Type == sdk.EventStreamClosed { // SHUTDOWN waits behind this handler
					time.Sleep(time.Second)
					g.c.Init(g.p.Params(sdktest.Claims{}), sdk.Config{}, func(_ sdk.UserContext, e error) { err = e })
				}
			}
			g.end()
			time.Sleep(time.Second)
			wantCode(t, err, sdk.CodeInProgress)
		})
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
	t.Run("INIT-6 what is wrong with the config is said at ERROR the first time, as a warning later", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			said := func() int { return strings.Count(strings.Join(g.logs, "\n"), "ACS-207") }
			for range 2 {
				g.init(sdktest.Claims{}, sdk.Config{ReconnectionTimeout: time.Second})
				if n := said(); n != 1 {
					t.Errorf("said %d times", n)
				}
				g.end()
			}
			g.c.SetLogLevel(sdk.LogWarn)
			g.init(sdktest.Claims{}, sdk.Config{ReconnectionTimeout: time.Second, LogLevel: sdk.LogWarn})
			if n := said(); n != 2 {
				t.Errorf("with warnings on it was said %d times", n)
			}
			g.end()
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
	t.Run("EV-14 init from elsewhere while the SHUTDOWN handler runs: one event at a time", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			var running atomic.Int32
			again := make(chan error, 1)
			g.on = func(e sdk.Event) {
				if running.Add(1) != 1 {
					t.Errorf("%s is delivered while another handler runs", e.Type)
				}
				defer running.Add(-1)
				if e.Type == sdk.EventShutdown && len(again) == 0 {
					go g.c.Init(g.p.Params(sdktest.Claims{}), sdk.Config{}, func(_ sdk.UserContext, err error) { again <- err })
					time.Sleep(10 * time.Second)
				}
			}
			g.end()
			if err := <-again; err != nil {
				t.Fatal(err)
			}
			if got := g.typesOf(); !strings.HasSuffix(got, "SHUTDOWN EVENT_STREAM_CONNECTING EVENT_STREAM_CONNECTED INITIALIZED") {
				t.Errorf("events %s", got)
			}
			g.on = nil
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
