package sdk_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
	"openchat/sdk/wire"
)

// What the simulation (tests/faults/sim) found of things that cross on their way.

func TestCrossing(t *testing.T) {
	t.Run("ENG-5 MSG-6 a disconnect that fails after the news that the chat is ACTIVE has come", func(t *testing.T) {
		started(t, sdktest.Options{RouteDelay: -1}, func(t *testing.T, g *page) {
			id := g.create()
			bo := g.p.Agent("Bo")
			bo.Accept(id)
			g.p.OnFrame(func(f *sdktest.Frame) {
				if !f.FromClient {
					f.Delay = time.Second
				}
			})
			g.p.OnRequest(func(x *sdktest.Exchange) {
				if strings.HasSuffix(x.Path, ":disconnect") {
					x.Delay(2 * time.Second) // the events of join come first
					x.Refuse(500, "server-error", 0)
				}
			})
			g.join(id)
			_, err := sdk.Await(t.Context(), func(done func(sdk.Engagement, error)) { g.c.Disconnect(id, "", done) })
			if err == nil {
				t.Error("it did not fail")
			}
			bo.Say(id, "still here?")
			time.Sleep(5 * time.Second)
			if got, want := g.told(), "ACTIVE, ADDED Ann, ADDED Bo, still here?"; got != want {
				t.Errorf("told %s, want %s", got, want)
			}
		})
	})
	t.Run("PAGE-3 history of a chat that is joined while it is read", func(t *testing.T) {
		started(t, sdktest.Options{RouteDelay: -1}, func(t *testing.T, g *page) {
			id := g.create()
			bo := g.p.Agent("Bo")
			bo.Accept(id)
			for i := range 6 {
				bo.Say(id, fmt.Sprintf("history %d", i+1))
			}
			meanwhile(g.p, "GET /engagements/", func(x *sdktest.Exchange) { x.Delay(time.Second) })
			var page sdk.Page
			g.c.Messages(id, 4, func(p sdk.Page, err error) {
				if err != nil {
					t.Error(err)
				}
				page = p
			})
			g.join(id)
			bo.Say(id, "news 1")
			bo.Say(id, "news 2")
			time.Sleep(5 * time.Second)
			var history []string
			for _, m := range page.Items {
				history = append(history, m.Body.Text)
			}
			if got, want := strings.Join(history, ", "), "history 6, history 5, history 4, history 3"; got != want {
				t.Errorf("the page holds %s, want %s", got, want)
			}
			if got, want := strings.Join(g.texts(sdk.EventMessageArrived), ", "), "news 1, news 2"; got != want {
				t.Errorf("told %s, want %s", got, want)
			}
		})
	})
	t.Run("PAGE-1 however much of a chat is not told yet, a page of history takes two calls", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			bo := g.p.Agent("Bo")
			bo.Accept(id)
			for i := range 10 {
				bo.Say(id, fmt.Sprint(i+1))
			}
			time.Sleep(time.Second)
			g.p.Silence()
			for range 40 {
				bo.Say(id, "not told yet")
			}
			before := len(g.p.Requests())
			p, err := sdk.Await(t.Context(), func(done func(sdk.Page, error)) { g.c.Messages(id, 10, done) })
			if err != nil {
				t.Fatal(err)
			}
			if n := len(p.Items); n != 10 || p.Items[0].Body.Text != "10" || p.HasPrevious {
				t.Errorf("%d items, the first is %q, more is %v", n, p.Items[0].Body.Text, p.HasPrevious)
			}
			if n := len(g.p.Requests()) - before; n != 2 {
				t.Errorf("it took %d calls", n)
			}
		})
	})
	t.Run("STREAM-7 ENG-3 a chat that was created and has ended in what was lost", func(t *testing.T) {
		started(t, sdktest.Options{RouteDelay: time.Millisecond}, func(t *testing.T, g *page) {
			g.p.Silence()
			id := g.create()
			bo := g.p.Agent("Bo")
			time.Sleep(time.Second)
			bo.Accept(id)
			bo.Say(id, "bye")
			bo.End(id)
			g.p.Restart(false)
			time.Sleep(2 * time.Minute)
			if got, want := g.told(), "ACTIVE, bye, TERMINATED"; got != want {
				t.Errorf("told %s, want %s", got, want)
			}
		})
	})
	t.Run("STREAM-7 MSG-6 a chat that is joined and ends while the chats are read again is told once", func(t *testing.T) {
		started(t, sdktest.Options{RouteDelay: -1}, func(t *testing.T, g *page) {
			id := g.create()
			bo := g.p.Agent("Bo")
			bo.Accept(id)
			time.Sleep(time.Second)
			g.clear()
			meanwhile(g.p, "GET /engagements", func(x *sdktest.Exchange) { x.Delay(5 * time.Second) })
			g.p.Restart(false)
			g.wait(sdk.EventStreamConnected)
			g.join(id)
			bo.Say(id, "bye")
			bo.End(id)
			time.Sleep(time.Minute)
			if got, want := g.told(), "ACTIVE, ADDED Ann, ADDED Bo, bye, DISCONNECTED Bo, DISCONNECTED Ann, TERMINATED"; got != want {
				t.Errorf("told %s, want %s", got, want)
			}
		})
	})
	t.Run("STREAM-7 a chat that is created while the chats are read again has not ended", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			other := g.chat() // its messages are read again, too
			g.clear()
			meanwhile(g.p, "GET /engagements", func(x *sdktest.Exchange) { x.DelayAnswer(2 * time.Second) })
			g.p.Restart(false)
			g.wait(sdk.EventStreamConnected)
			e, err := sdk.Await(t.Context(), func(done func(sdk.Engagement, error)) { g.c.CreateEngagement(nil, done) })
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
			if got, want := g.told(), "ACTIVE, ADDED Ann"; got != want {
				t.Errorf("told %s, want %s", got, want)
			}
			for _, id := range []string{other, e.EngagementID} {
				if _, err := g.send(id, "x"); err != nil {
					t.Error(err)
				}
			}
		})
	})
	t.Run("STREAM-7 INIT-7 nothing is lost before INITIALIZED", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			h := newPage(t, g.p, nil)
			g.p.OnRequest(func(x *sdktest.Exchange) {
				if strings.HasSuffix(x.Path, "/engagements") {
					x.Delay(5 * time.Second)
				}
			})
			h.c.Init(g.p.Params(sdktest.Claims{Name: "Ann"}), sdk.Config{}, func(sdk.UserContext, error) {})
			time.Sleep(time.Second)
			g.p.Agent("Bo").Accept(id)
			g.p.Restart(false)
			h.c.Wake(sdk.WakeOffline) // it looks at its connection
			time.Sleep(time.Second)
			h.c.Wake(sdk.WakeOnline)
			h.wait(sdk.EventInitialized)
			defer h.end()
			if n := h.count(sdk.EventStreamConnected); n != 2 {
				t.Errorf("connected %d times before it was initialized", n)
			}
			for _, e := range h.events {
				if e.Type == sdk.EventInitialized {
					break
				}
				if e.Type == sdk.EventStreamConnected && !e.Resumed {
					t.Error("it is told that something was lost")
				}
			}
		})
	})
	t.Run("ENG-3 ENG-7 what the answer of createEngagement says after its event, the page sees", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			meanwhile(g.p, "POST /engagements", func(x *sdktest.Exchange) { x.HangAnswer() })
			id := g.chat() // resolved by its event; the call is repeated
			bo := g.p.Agent("Bo")
			bo.Accept(id)
			g.p.OnFrame(func(f *sdktest.Frame) { f.Delay = time.Minute })
			bo.End(id)
			time.Sleep(30 * time.Second)
			if got := g.mirror[id].EngagementStatus; got != wire.EngagementTerminated {
				t.Errorf("the page sees %s, and sends are refused", got)
			}
		})
	})
	t.Run("JWT-3 the refusal of the old token crosses the new one", func(t *testing.T) {
		platform(t, sdktest.Options{StreamLatency: time.Second}, func(t *testing.T, p *sdktest.Platform) {
			for _, code := range []int{4401, 4403} {
				g := newPage(t, p, nil)
				g.init(sdktest.Claims{TTL: time.Hour}, sdk.Config{IdleTimeout: sdk.IdleDisabled})
				g.clear()
				p.CutStreams(code) // meant for the token that it knows
				if err := g.c.SetJWTToken(p.Token(sdktest.Claims{TTL: 2 * time.Hour})); err != nil {
					t.Fatal(err)
				}
				e := g.wait(sdk.EventStreamConnected)
				if g.count(sdk.EventTokenExpired) != 0 || !e.Resumed {
					t.Errorf("%d: events %s", code, g.typesOf())
				}
				g.end()
			}
		})
	})
}
