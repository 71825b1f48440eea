package sdk_test

import (
	"context"
	"fmt"
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

// Edges that faults planted by tests/meta/mutation have shown to be unguarded.

func TestIdleEdges(t *testing.T) {
	for _, c := range []struct {
		name     string
		activity bool
		act      func(g *page, id string) error
	}{
		{"nothing", false, func(*page, string) error { return nil }},
		{"resetIdleTimeout", true, func(g *page, _ string) error { return g.c.ResetIdleTimeout() }},
		{"createEngagement", true, func(g *page, _ string) error {
			_, err := sdk.Await(g.t.Context(), func(done func(sdk.Engagement, error)) { g.c.CreateEngagement(nil, done) })
			return err
		}},
		{"sendMessage", true, func(g *page, id string) error { _, err := g.send(id, "hi"); return err }},
		{"join, refused", true, func(g *page, id string) error {
			_, err := sdk.Await(g.t.Context(), func(done func(sdk.Engagement, error)) { g.c.Join(id, done) })
			wantCode(g.t, err, 315)
			return nil
		}},
		{"disconnect", true, func(g *page, id string) error {
			_, err := sdk.Await(g.t.Context(), func(done func(sdk.Engagement, error)) { g.c.Disconnect(id, "", done) })
			return err
		}},
		{"getEngagements", false, func(g *page, _ string) error {
			_, err := sdk.Await(g.t.Context(), g.c.Engagements)
			return err
		}},
		{"getMessages", false, func(g *page, id string) error {
			_, err := sdk.Await(g.t.Context(), func(done func(sdk.Page, error)) { g.c.Messages(id, 10, done) })
			return err
		}},
		{"setJwtToken", false, func(g *page, _ string) error {
			return g.c.SetJWTToken(g.p.Token(sdktest.Claims{Name: "Ann", TTL: 2 * time.Hour}))
		}},
	} {
		t.Run("IDLE-1 IDLE-2 "+c.name, func(t *testing.T) {
			started(t, sdktest.Options{}, func(t *testing.T, g *page) {
				id := g.chat()
				g.c.ResetIdleTimeout()
				begun := time.Now()
				time.Sleep(100 * time.Second)
				if err := c.act(g, id); err != nil {
					t.Fatal(err)
				}
				due := 300 * time.Second
				if c.activity {
					due += 100 * time.Second
				}
				// An answer takes a moment, and the timer starts with the call.
				if d := g.wait(sdk.EventIdleTimeoutExpired).Date.Sub(begun); d != due {
					t.Errorf("expired after %v, want %v", d, due)
				}
			})
		})
	}
	t.Run("IDLE-2 IDLE-3 the grace period, begun anew and to its end", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			for range 2 { // the second time, activity is in the grace period
				first := g.wait(sdk.EventIdleTimeoutExpired)
				if first.GracePeriod != 30*time.Second {
					t.Errorf("gracePeriod %v", first.GracePeriod)
				}
				time.Sleep(29*time.Second + 900*time.Millisecond - time.Since(first.Date))
				if err := g.c.ResetIdleTimeout(); err != nil {
					t.Fatal(err)
				}
				g.clear()
			}
			warned := g.wait(sdk.EventIdleTimeoutExpired)
			if n := g.count(sdk.EventShutdown); n != 0 {
				t.Fatalf("%d times SHUTDOWN", n)
			}
			over := g.wait(sdk.EventShutdown)
			// The end is told to the gateway first.
			if d := over.Date.Sub(warned.Date); d < 30*time.Second || d > 31*time.Second || over.Reason != "USER_INACTIVE" {
				t.Errorf("SHUTDOWN %v after the warning, reason %s", d, over.Reason)
			}
		})
	})
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
	t.Run("ENG-8 INIT-5 parameters are refused before the gateway hears of them", func(t *testing.T) {
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

func TestBackoffEdges(t *testing.T) {
	// delays are the times from breaks to the first attempts after them.
	delays := func(t *testing.T, g *page, n int, stable time.Duration) (list []time.Duration) {
		for range n {
			time.Sleep(stable)
			g.clear()
			broke := time.Now()
			g.p.CutStreams(1006)
			g.wait(sdk.EventStreamConnected)
			i := slices.IndexFunc(g.events, func(e sdk.Event) bool { return e.Type == sdk.EventStreamConnecting })
			list = append(list, g.times[i].Sub(broke))
		}
		return list
	}
	t.Run("STREAM-2 the first retry comes under a second, each time, and not in step", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			list := delays(t, g, 20, 15*time.Second)
			if late := slices.Max(list); late > 1100*time.Millisecond {
				t.Errorf("a first retry after %v: %v", late, list)
			}
			seen := map[string]bool{}
			for _, d := range list {
				seen[fmt.Sprint(d.Round(50*time.Millisecond))] = true
			}
			if len(seen) < 5 {
				t.Errorf("no jitter: %v", list)
			}
		})
	})
}

// answerJSON is an answer of the gateway, from what a test writes.
func answerJSON(status int, body string) sdk.Response {
	return sdk.Response{Status: status, Body: []byte(body)}
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
			_, err := sdk.Await(t.Context(), func(done func(sdk.UserContext, error)) { g.c.Init(params, sdk.Config{}, done) })
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
			_, err = sdk.Await(t.Context(), func(done func(sdk.UserContext, error)) { g.c.Init(g.p.Params(sdktest.Claims{}), sdk.Config{}, done) })
			wantCode(t, err, 321)
			if err := <-over; err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("EV-12 ENG-9 SES-1 what happens while init reads the chats is told after INITIALIZED", func(t *testing.T) {
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
			if _, err := sdk.Await(t.Context(), func(done func(sdk.UserContext, error)) { g.c.Init(params, sdk.Config{}, done) }); err != nil {
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

func TestEngagementEdges(t *testing.T) {
	join := func(g *page, id string) error {
		_, err := sdk.Await(g.t.Context(), func(done func(sdk.Engagement, error)) { g.c.Join(id, done) })
		return err
	}
	disconnect := func(g *page, id string, reason wire.Reason) error {
		_, err := sdk.Await(g.t.Context(), func(done func(sdk.Engagement, error)) { g.c.Disconnect(id, reason, done) })
		return err
	}
	t.Run("ENG-4 ENG-5 MSG-1 what can not be is refused before the gateway hears of it", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			refused := func(code sdk.Code, call func() error) {
				t.Helper()
				before := len(g.p.Requests())
				wantCode(t, call(), code)
				if n := len(g.p.Requests()) - before; n != 0 {
					t.Errorf("%d calls were made", n)
				}
			}
			send := func(text, parent string) func() error {
				return func() error {
					_, err := sdk.Await(t.Context(), func(done func(sdk.Message, error)) { g.c.SendMessage(id, text, parent, done) })
					return err
				}
			}
			refused(315, func() error { return join(g, id) })
			refused(322, func() error { return disconnect(g, id, "BORED") })
			refused(322, send("", ""))
			refused(322, send(strings.Repeat("x", 4097), ""))
			refused(322, send("x", "no UUID"))
			if err := disconnect(g, id, ""); err != nil {
				t.Fatal(err)
			}
			refused(312, func() error { return join(g, id) })
			refused(313, func() error { return disconnect(g, id, "") })
			refused(313, send("x", ""))
		})
	})
	t.Run("ENG-4 a chat that ends while it is joined", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			h := newPage(t, g.p, nil)
			h.init(sdktest.Claims{Name: "Ann"}, sdk.Config{})
			defer h.end()
			g.p.OnRequest(func(x *sdktest.Exchange) {
				if strings.HasSuffix(x.Path, ":join") {
					x.Refuse(409, wire.ProblemConflict, 0)
				}
			})
			wantCode(t, join(h, id), 312)
		})
	})
	t.Run("ENG-5 a disconnect that fails leaves the chat ACTIVE", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			g.p.OnRequest(func(x *sdktest.Exchange) {
				if strings.HasSuffix(x.Path, ":disconnect") {
					x.Refuse(500, wire.ProblemServerError, 0)
				}
			})
			wantCode(t, disconnect(g, id, ""), 319)
			if _, err := g.send(id, "still here"); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("ENG-3 ENG-5 while it is disconnected, the server's older word does not revive a chat", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			g.p.OnRequest(func(x *sdktest.Exchange) {
				if strings.HasSuffix(x.Path, ":disconnect") {
					x.Delay(5 * time.Second)
				}
			})
			left := make(chan error, 1)
			g.c.Disconnect(id, "", func(_ sdk.Engagement, err error) { left <- err })
			list, err := sdk.Await(t.Context(), g.c.Engagements)
			if err != nil || len(list) != 0 {
				t.Errorf("listed: %+v, %v", list, err)
			}
			_, err = g.send(id, "x")
			wantCode(t, err, 313)
			if err := <-left; err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("ENG-9 nothing is told of a chat that another session is in", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			h := newPage(t, g.p, nil)
			h.init(sdktest.Claims{Name: "Ann"}, sdk.Config{})
			h.clear()
			bo, eve := g.p.Agent("Bo"), g.p.Agent("Eve")
			bo.Accept(id)
			eve.Supervise(id)
			bo.Say(id, "x")
			eve.Leave(id)
			bo.End(id)
			time.Sleep(time.Second)
			if len(h.events) != 0 {
				t.Errorf("heard %s", h.typesOf())
			}
			h.end()
		})
	})
	t.Run("SHUT-3 EV-7 a call finds the session gone", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			g.p.OnRequest(func(x *sdktest.Exchange) {
				if x.Method == "POST" {
					x.Respond(answerJSON(404, `{"type":"not-found","title":"x","status":404,"violations":[{"field":"sessionId","message":"is gone","code":3}]}`))
				}
			})
			g.clear()
			_, err := g.send(id, "x")
			wantCode(t, err, 320)
			g.wait(sdk.EventShutdown)
			if got, want := g.typesOf(), "EVENT_STREAM_FAILED SHUTDOWN"; got != want || g.events[0].Reason != string(sdk.FailureSessionInvalid) {
				t.Errorf("%s, reason %s", got, g.events[0].Reason)
			}
		})
	})
}

func TestMessageEdges(t *testing.T) {
	t.Run("MSG-1 MSG-2 parentMessageId there and back", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			parent, err := g.send(id, "parent")
			if err != nil {
				t.Fatal(err)
			}
			g.wait(sdk.EventMessageDelivered)
			g.clear()
			reply, err := sdk.Await(t.Context(), func(done func(sdk.Message, error)) { g.c.SendMessage(id, "reply", parent.MessageID, done) })
			if err != nil || reply.ParentMessageID != parent.MessageID {
				t.Errorf("%+v, %v", reply, err)
			}
			if e := g.wait(sdk.EventMessageDelivered); e.Message.ParentMessageID != parent.MessageID || g.p.Messages(id)[1].ParentMessageID != parent.MessageID {
				t.Errorf("%+v", e.Message)
			}
		})
	})
	t.Run("MSG-2 a body without a format is plain text", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			g.p.OnRequest(func(x *sdktest.Exchange) {
				if strings.HasSuffix(x.Path, "/messages") {
					w := wire.Message{MessageID: "00000000-0000-4000-8000-000000000001", EngagementID: id, MessageIndex: 1, SenderParticipantType: wire.ParticipantCustomer}
					w.Body.Text = "<b>"
					x.Respond(sdk.Response{Status: 201, Body: w.Append(nil)})
				}
			})
			m, err := g.send(id, "<b>")
			if err != nil || m.Body.TextFormat != wire.TextPlain || m.Body.ElementType != wire.ElementText {
				t.Errorf("%+v, %v", m, err)
			}
		})
	})
	t.Run("MSG-1 ENG-5 what waits to be sent when the chat ends is refused", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			g.p.OnRequest(func(x *sdktest.Exchange) {
				if strings.HasSuffix(x.Path, "/messages") {
					x.Delay(2 * time.Second)
				}
			})
			errs := make(chan error, 3)
			for range 3 {
				g.c.SendMessage(id, "x", "", func(_ sdk.Message, err error) { errs <- err })
			}
			g.p.Agent("Bo").End(id)
			g.wait(sdk.EventEngagementTerminated)
			ended := time.Now()
			for range 3 {
				wantCode(t, <-errs, 313)
			}
			if d := time.Since(ended); d > 3*time.Second {
				t.Errorf("settled %v after the end", d)
			}
		})
	})
	t.Run("MSG-4 waiting calls go on at once when the stream is back", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			for range 10 {
				g.p.Down()
				sent := make(chan time.Time, 1)
				g.c.SendMessage(id, "x", "", func(_ sdk.Message, err error) {
					if err != nil {
						t.Error(err)
					}
					sent <- time.Now()
				})
				time.Sleep(30 * time.Second)
				g.clear()
				g.p.Up()
				if err := g.c.RetryConnection(); err != nil {
					t.Fatal(err)
				}
				e := g.wait(sdk.EventStreamConnected)
				if d := (<-sent).Sub(e.Date); d > 500*time.Millisecond {
					t.Errorf("sent %v after the stream was back", d)
				}
				time.Sleep(15 * time.Second)
			}
		})
	})
	t.Run("JWT-5 a 401 is tried once more, and no more", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			n := 0
			g.p.OnRequest(func(x *sdktest.Exchange) {
				if strings.HasSuffix(x.Path, "/messages") {
					n++
					// A newer one is always there.
					g.c.SetJWTToken(g.p.Token(sdktest.Claims{Name: "Ann", TTL: time.Duration(n+1) * time.Hour}))
					x.Refuse(401, wire.ProblemUnauthorized, 0)
				}
			})
			_, err := g.send(id, "x")
			wantCode(t, err, 305)
			if n != 2 {
				t.Errorf("%d attempts", n)
			}
		})
	})
	t.Run("PAGE-3 a snapshot of a chat that this session is not in", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			bo := g.p.Agent("Bo")
			bo.Accept(id)
			for i := range 6 {
				bo.Say(id, fmt.Sprint(i+1))
			}
			h := newPage(t, g.p, nil)
			h.init(sdktest.Claims{Name: "Ann"}, sdk.Config{})
			defer h.end()
			p, err := sdk.Await(t.Context(), func(done func(sdk.Page, error)) { h.c.Messages(id, 4, done) })
			if err != nil {
				t.Fatal(err)
			}
			first := p
			for range 3 {
				bo.Say(id, "later")
			}
			for _, to := range []sdk.Direction{sdk.Older, sdk.Newer} {
				if p, err = sdk.Await(t.Context(), func(done func(sdk.Page, error)) { h.c.Turn(p.Cursor, to, done) }); err != nil {
					t.Fatal(err)
				}
			}
			if len(p.Items) != 4 || p.Items[0].MessageID != first.Items[0].MessageID || p.HasNext {
				t.Errorf("back at %+v", p)
			}
		})
	})
	t.Run("PAGE-3 what the page knows to be sent is in the history, before its event has come", func(t *testing.T) {
		started(t, sdktest.Options{Latency: time.Millisecond, StreamLatency: 2 * time.Second}, func(t *testing.T, g *page) {
			id := g.chat()
			time.Sleep(5 * time.Second)
			g.clear()
			sent, err := g.send(id, "mine")
			if err != nil {
				t.Fatal(err)
			}
			p, err := sdk.Await(t.Context(), func(done func(sdk.Page, error)) { g.c.Messages(id, 4, done) })
			if err != nil || len(g.events) != 0 || len(p.Items) != 1 || p.Items[0].MessageID != sent.MessageID {
				t.Errorf("%+v, %v, after %s", p.Items, err, g.typesOf())
			}
		})
	})
	t.Run("PAGE-4 beyond the ends nothing is asked for", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			if _, err := g.send(id, "alone"); err != nil {
				t.Fatal(err)
			}
			p, err := sdk.Await(t.Context(), func(done func(sdk.Page, error)) { g.c.Messages(id, 4, done) })
			if err != nil {
				t.Fatal(err)
			}
			before := len(g.p.Requests())
			for _, to := range []sdk.Direction{sdk.Older, sdk.Newer} {
				_, err := sdk.Await(t.Context(), func(done func(sdk.Page, error)) { g.c.Turn(p.Cursor, to, done) })
				wantCode(t, err, 317)
			}
			if n := len(g.p.Requests()) - before; n != 0 {
				t.Errorf("%d calls were made", n)
			}
		})
	})
}

// until lets virtual time pass, an hour at most, until the page has heard of an event.
func (g *page) until(match func(sdk.Event) bool) sdk.Event {
	g.t.Helper()
	for range 3600 {
		synctest.Wait()
		if i := slices.IndexFunc(g.events, match); i >= 0 {
			return g.events[i]
		}
		time.Sleep(time.Second)
	}
	g.t.Fatalf("not heard: %v", g.marks)
	return sdk.Event{}
}

func gaveUp(e sdk.Event) bool { return e.Reason == string(sdk.FailureReconnectionTimeout) }

// tardy is a transport whose connections come after they have been given up.
type tardy struct {
	sdk.Transport
	late atomic.Bool
}

func (t *tardy) Dial(_ context.Context, url, subprotocol string) (sdk.Conn, error) {
	if t.late.Load() {
		time.Sleep(11 * time.Second) // an attempt has 10
	}
	return t.Transport.Dial(context.Background(), url, subprotocol)
}

func TestStreamEdges(t *testing.T) {
	t.Run("STREAM-3 a connection that comes after it was given up is closed, unused", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			transport := &tardy{Transport: p.Transport()}
			g := newPageOver(t, p, transport, p.Storage())
			g.init(sdktest.Claims{Name: "Ann"}, sdk.Config{})
			const breaks = 20 // whether it meets the session or its end is up to the scheduler
			for range breaks {
				g.c.ResetIdleTimeout()
				transport.late.Store(true)
				p.CutStreams(1006)
				time.Sleep(11 * time.Second)
				transport.late.Store(false)
				time.Sleep(40 * time.Second)
			}
			if n := g.count(sdk.EventStreamConnected); n != 1+breaks {
				t.Errorf("connected %d times, want %d: %v", n, 1+breaks, g.marks)
			}
			g.end()
		})
	})
	t.Run("STREAM-3 an event that comes again", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			bo := g.p.Agent("Bo")
			bo.Accept(id)
			bo.Say(id, "once")
			g.wait(sdk.EventMessageArrived)
			for _, f := range g.p.Frames() {
				if !f.FromClient && strings.Contains(f.Text, `"event"`) {
					g.p.SendRaw(f.Text)
				}
			}
			g.clear()
			time.Sleep(time.Second)
			if len(g.events) != 0 {
				t.Errorf("heard again: %s", g.typesOf())
			}
		})
	})
	t.Run("STREAM-4 a ping is answered", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			time.Sleep(time.Second)
			g.p.SendRaw(`{"type":"ping"}`)
			time.Sleep(time.Second)
			frames := g.p.Frames()
			if last := frames[len(frames)-1]; !last.FromClient || !strings.Contains(last.Text, `"pong"`) {
				t.Errorf("the last frame is %+v", last)
			}
		})
	})
	t.Run("EV-7 STREAM-2 retryAfter is when the next attempt is, in whole seconds, 30 at most", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, nil)
			g.init(sdktest.Claims{TTL: 10 * time.Hour}, sdk.Config{ReconnectionTimeout: 300 * time.Second, IdleTimeout: sdk.IdleDisabled})
			for range 10 {
				g.clear()
				p.Down()
				time.Sleep(310 * time.Second)
				var after time.Duration
				var failed time.Time
				for i, e := range g.events {
					switch e.Type {
					case sdk.EventStreamFailed:
						after, failed = e.RetryAfter, g.times[i]
						if after > 30*time.Second {
							t.Errorf("retryAfter %v", after)
						}
					case sdk.EventStreamConnecting:
						if d := g.times[i].Sub(failed); d > after || d <= after-time.Second {
							t.Errorf("retryAfter %v, tried after %v", after, d)
						}
					}
				}
				p.Up()
				if err := g.c.RetryConnection(); err != nil {
					t.Fatal(err)
				}
				g.wait(sdk.EventStreamConnected)
				time.Sleep(15 * time.Second)
			}
			g.end()
		})
	})
	for name, w := range map[string]sdk.Wake{"online": sdk.WakeOnline, "visible": sdk.WakeVisible} {
		t.Run("STREAM-5 "+name+" does not wait for the next attempt", func(t *testing.T) {
			started(t, sdktest.Options{}, func(t *testing.T, g *page) {
				for range 5 {
					g.p.Down()
					for { // until the next attempt is far away
						g.clear()
						if !gaveUp(g.until(func(e sdk.Event) bool { return e.RetryAfter > 3*time.Second || gaveUp(e) })) {
							break
						}
						g.c.RetryConnection()
					}
					g.p.Up()
					g.clear()
					woken := time.Now()
					g.c.Wake(w)
					if e := g.wait(sdk.EventStreamConnected); e.Date.Sub(woken) > time.Second {
						t.Errorf("connected %v after it", e.Date.Sub(woken))
					}
					time.Sleep(15 * time.Second)
				}
			})
		})
	}
	t.Run("NS-9 STREAM-6 retryConnection has a whole new window", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			g.p.Down()
			g.until(gaveUp)
			g.clear()
			time.Sleep(20 * time.Second)
			begun := time.Now()
			if err := g.c.RetryConnection(); err != nil {
				t.Fatal(err)
			}
			if d := g.until(gaveUp).Date.Sub(begun); d < 119*time.Second || d > 121*time.Second {
				t.Errorf("it was %v", d)
			}
		})
	})
}

func TestAnswersThatNameNothing(t *testing.T) {
	answer := func(status int, kind string) func(*sdktest.Exchange) {
		return func(x *sdktest.Exchange) { x.Refuse(status, kind, 0) }
	}
	for _, c := range []struct {
		status int
		kind   string
	}{{404, wire.ProblemNotFound}, {409, wire.ProblemConflict}} {
		t.Run("INIT-9 in init", func(t *testing.T) {
			platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
				meanwhile(p, "POST /sessions", answer(c.status, c.kind))
				_, err := sdk.Await(t.Context(), func(done func(sdk.UserContext, error)) {
					newPage(t, p, p.Storage()).c.Init(p.Params(sdktest.Claims{}), sdk.Config{}, done)
				})
				wantCode(t, err, sdk.CodeUnexpectedAnswer)
			})
		})
		t.Run("NS-4 of createEngagement", func(t *testing.T) {
			started(t, sdktest.Options{}, func(t *testing.T, g *page) {
				meanwhile(g.p, "POST /engagements", answer(c.status, c.kind))
				_, err := sdk.Await(t.Context(), func(done func(sdk.Engagement, error)) { g.c.CreateEngagement(nil, done) })
				wantCode(t, err, sdk.CodeUnexpectedAnswer)
			})
		})
	}
	t.Run("ENG-5 disconnect is not done by a captive portal's word", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			meanwhile(g.p, "POST /engagements/", func(x *sdktest.Exchange) {
				x.Respond(sdk.Response{Status: 200, Body: []byte("<html>")})
			})
			_, err := sdk.Await(t.Context(), func(done func(sdk.Engagement, error)) { g.c.Disconnect(id, "", done) })
			wantCode(t, err, sdk.CodeUnexpectedAnswer)
			if _, err := g.send(id, "still here"); err != nil {
				t.Errorf("the chat goes on: %v", err)
			}
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
