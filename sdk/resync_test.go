package sdk_test

import (
	"strings"
	"testing"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
	"openchat/sdk/wire"
)

// What the simulation (tests/faults/sim) found of re-reading what was lost for good.

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

// told lists the chat events that a page heard, with who or what they were about.
func (g *page) told() string {
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

func TestResync(t *testing.T) {
	t.Run("STREAM-7 what changes while the chats are read again is told once", func(t *testing.T) {
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
			if got, want := g.told(), "ADDED Bo, hello"; got != want {
				t.Errorf("told %s, want %s", got, want)
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
			if got, want := g.told(), "bye, DISCONNECTED Bo, DISCONNECTED Ann, TERMINATED"; got != want {
				t.Errorf("told %s, want %s", got, want)
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
				if reads++; reads == 2 { // the first chat has been told
					g.c.Messages(a, 10, func(p sdk.Page, _ error) { history = p })
					x.Delay(time.Second)
					x.Refuse(403, wire.ProblemForbidden, 0)
				}
			})
			g.p.Restart(false)
			g.p.Up()
			time.Sleep(time.Minute)
			if got, want := g.told(), "in the first, in the second"; got != want {
				t.Errorf("told %s, want %s", got, want)
			}
			if len(history.Items) != 1 {
				t.Errorf("the page had heard a message, its history holds %d", len(history.Items))
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
			if got, want := g.told(), "ACTIVE, ADDED Ann, ADDED Bo, bye, DISCONNECTED Bo, DISCONNECTED Ann, TERMINATED"; got != want {
				t.Errorf("told %s, want %s", got, want)
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
			if got, want := g.told(), "ACTIVE, ADDED Ann, ADDED Bo"; got != want {
				t.Errorf("told %s, want %s", got, want)
			}
		})
	})
}
