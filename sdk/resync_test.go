package sdk_test

import (
	"strings"
	"testing"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
	"openchat/sdk/wire"
)

func TestResync(t *testing.T) {
	t.Run("STREAM-7 what changes while the chats are read again is delivered once", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			bo := g.p.Agent("Bo")
			g.clear()
			meanwhile(g.p, "GET /engagements", func(*sdktest.Exchange) {
				bo.Accept(id) // after the place of the new stream, before the answer
				bo.Say(id, "hello")
			})
			g.p.Restart(false)
			g.wait(sdk.EventMessageArrived)
			time.Sleep(time.Second)
			if got, want := g.chatEvents(), "ADDED Bo, hello"; got != want {
				t.Errorf("received %s, want %s", got, want)
			}
		})
	})
	t.Run("STREAM-7 MSG-6 the last words of a chat that ends while it is read again", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			bo := g.p.Agent("Bo")
			bo.Accept(id)
			time.Sleep(time.Second)
			g.clear()
			meanwhile(g.p, "GET /engagements", func(*sdktest.Exchange) {
				bo.Say(id, "bye")
				bo.End(id)
			})
			g.p.Restart(false)
			g.wait(sdk.EventEngagementTerminated)
			time.Sleep(time.Second)
			if got, want := g.chatEvents(), "bye, DISCONNECTED Bo, DISCONNECTED Ann, TERMINATED"; got != want {
				t.Errorf("received %s, want %s", got, want)
			}
		})
	})
	t.Run("STREAM-7 MSG-6 re-reading that breaks off raises nothing again, PAGE-3 and the history holds what was raised", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			a, b := g.chat(), g.chat()
			bo := g.p.Agent("Bo")
			bo.Accept(a)
			bo.Accept(b)
			time.Sleep(time.Second)
			g.clear()
			g.p.Down()
			bo.Say(a, "in the first")
			bo.Say(b, "in the second")
			reads := 0
			var history sdk.Page
			g.p.OnRequest(func(x *sdktest.Exchange) {
				if !strings.HasSuffix(x.Path, "/messages") {
					return
				}
				if reads++; reads == 2 { // the first chat has been delivered
					g.c.Messages(a, 10, g.delivered[a], func(p sdk.Page, _ error) { history = p })
					x.Delay(time.Second)
					x.Refuse(403, wire.ProblemForbidden, 0)
				}
			})
			g.p.Restart(false)
			g.p.Up()
			time.Sleep(time.Minute)
			if got, want := g.chatEvents(), "in the first, in the second"; got != want {
				t.Errorf("received %s, want %s", got, want)
			}
			if len(history.Items) != 1 {
				t.Errorf("the page had received a message, its history holds %d", len(history.Items))
			}
		})
	})
	t.Run("STREAM-7 ENG-4 a chat that was joined and has ended in what was lost", func(t *testing.T) {
		started(t, sdktest.Options{RouteDelay: -1}, func(t *testing.T, g *page) {
			id := g.create()
			bo := g.p.Agent("Bo")
			bo.Accept(id)
			bo.Say(id, "history")
			time.Sleep(time.Second)
			g.clear()
			g.p.Silence() // the answer of join comes, its events do not
			g.join(id)
			bo.Say(id, "bye")
			bo.End(id)
			g.p.Restart(false)
			time.Sleep(2 * time.Minute)
			if got, want := g.chatEvents(), "ACTIVE, ADDED Ann, ADDED Bo, bye, DISCONNECTED Bo, DISCONNECTED Ann, TERMINATED"; got != want {
				t.Errorf("received %s, want %s", got, want)
			}
		})
	})
	t.Run("EV-13 STREAM-7 the first events of a chat that was joined in what was lost", func(t *testing.T) {
		started(t, sdktest.Options{RouteDelay: -1}, func(t *testing.T, g *page) {
			id := g.create()
			bo := g.p.Agent("Bo")
			bo.Accept(id)
			time.Sleep(time.Second)
			g.clear()
			g.p.Silence() // the answer of join comes, its events do not
			g.join(id)
			g.p.Restart(false)
			time.Sleep(2 * time.Minute)
			if got, want := g.chatEvents(), "ACTIVE, ADDED Ann, ADDED Bo"; got != want {
				t.Errorf("received %s, want %s", got, want)
			}
		})
	})
}

// What happens while the chats are read again.
func TestResyncCrossing(t *testing.T) {
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
			if got, want := g.chatEvents(), "ACTIVE, bye, TERMINATED"; got != want {
				t.Errorf("received %s, want %s", got, want)
			}
		})
	})
	t.Run("STREAM-7 MSG-6 a chat that is joined and ends while the chats are read again is delivered once", func(t *testing.T) {
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
			if got, want := g.chatEvents(), "ACTIVE, ADDED Ann, ADDED Bo, bye, DISCONNECTED Bo, DISCONNECTED Ann, TERMINATED"; got != want {
				t.Errorf("received %s, want %s", got, want)
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
			if got, want := g.chatEvents(), "ACTIVE, ADDED Ann"; got != want {
				t.Errorf("received %s, want %s", got, want)
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
					t.Error("it receives that something was lost")
				}
			}
		})
	})
}
