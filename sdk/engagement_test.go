package sdk_test

import (
	"strings"
	"testing"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
	"openchat/sdk/wire"
)

func TestEngagement(t *testing.T) {
	t.Run("EV-13 ENG-8 a chat's first events", func(t *testing.T) {
		for name, latency := range map[string]time.Duration{"answer first": 0, "events overtake the answer": 100 * time.Millisecond} {
			t.Run(name, func(t *testing.T) {
				started(t, sdktest.Options{AutoBot: true, Latency: latency}, func(t *testing.T, g *page) {
					g.clear()
					g.c.CreateEngagement(map[string]string{"topic": "boots"}, func(e sdk.Engagement, err error) {
						if err != nil || e.EngagementStatus != wire.EngagementPending {
							t.Errorf("%v %v", e.EngagementStatus, err)
						}
						g.marks = append(g.marks, "resolved")
					})
					time.Sleep(time.Second)
					want := "resolved ENGAGEMENT_ACTIVE PARTICIPANT_ADDED PARTICIPANT_ADDED MESSAGE_ARRIVED"
					if got := g.typesOf(); got != want {
						t.Fatalf("%s, want %s", got, want)
					}
					if g.events[1].Participant.ParticipantType != wire.ParticipantCustomer {
						t.Error("the customer is not the first participant")
					}
					// ENG-7: the state is that of the event.
					if c := g.events[0].Changed; c == nil || c.EngagementStatus != wire.EngagementActive {
						t.Errorf("ENGAGEMENT_ACTIVE came with %+v", c)
					}
					if c := g.events[1].Changed; c == nil || len(c.Participants) != 1 || c.Participants[0].DisplayName != "Ann" {
						t.Errorf("PARTICIPANT_ADDED came with %+v", c)
					}
				})
			})
		}
	})

	t.Run("ENG-4 ENG-3 NS-5 join a chat of another session", func(t *testing.T) {
		started(t, sdktest.Options{AutoBot: true}, func(t *testing.T, g *page) {
			id := g.chat()
			bo := g.p.Agent("Bo")
			bo.Accept(id)
			bo.Say(id, "before")
			h := newPage(t, g.p, sdktest.NewStorage())
			u := h.init(sdktest.Claims{Name: "Ann"}, sdk.Config{})
			if len(u.Engagements) != 1 || u.Engagements[0].EngagementStatus != wire.EngagementPending {
				t.Fatalf("%+v", u.Engagements)
			}
			bo.Say(id, "not for the second yet")
			time.Sleep(time.Second)
			if h.count(sdk.EventMessageArrived) != 0 {
				t.Error("ENG-9: received something of a chat it is not in")
			}
			_, err := h.send(id, "hi")
			wantCode(t, err, 313)
			h.clear()
			e, err := sdk.Await(t.Context(), func(done func(sdk.Engagement, error)) { h.c.Join(id, done) })
			if err != nil || e.EngagementStatus != wire.EngagementActive {
				t.Fatalf("%v %v", e.EngagementStatus, err)
			}
			time.Sleep(time.Second)
			if got, want := h.typesOf(), "ENGAGEMENT_ACTIVE PARTICIPANT_ADDED PARTICIPANT_ADDED"; got != want {
				t.Errorf("%s, want %s", got, want)
			}
			_, err = sdk.Await(t.Context(), func(done func(sdk.Engagement, error)) { h.c.Join(id, done) })
			wantCode(t, err, 315)
			g.clear()
			h.clear()
			bo.Say(id, "for both")
			if _, err := h.send(id, "from the second"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			for _, q := range []*page{g, h} {
				if got := strings.Join(q.texts(sdk.EventMessageArrived), " "); got != "for both" {
					t.Errorf("arrived %q", got)
				}
				if got := strings.Join(q.texts(sdk.EventMessageDelivered), " "); got != "from the second" {
					t.Errorf("MSG-6: delivered %q", got)
				}
			}
			h.end()
		})
	})

	t.Run("ENG-4 join one that has ended", func(t *testing.T) {
		started(t, sdktest.Options{AutoBot: true}, func(t *testing.T, g *page) {
			id := g.chat()
			_, err := sdk.Await(t.Context(), func(done func(sdk.Engagement, error)) { g.c.Disconnect(id, "", done) })
			if err != nil {
				t.Fatal(err)
			}
			_, err = sdk.Await(t.Context(), func(done func(sdk.Engagement, error)) { g.c.Join(id, done) })
			wantCode(t, err, 312)
			_, err = sdk.Await(t.Context(), func(done func(sdk.Engagement, error)) {
				g.c.Join("00000000-0000-4000-8000-000000000000", done)
			})
			wantCode(t, err, 314)
		})
	})

	t.Run("ENG-5 disconnect", func(t *testing.T) {
		started(t, sdktest.Options{AutoBot: true}, func(t *testing.T, g *page) {
			id := g.chat()
			_, err := sdk.Await(t.Context(), func(done func(sdk.Engagement, error)) { g.c.Disconnect(id, "BORED", done) })
			wantCode(t, err, 322)
			g.clear()
			g.c.Disconnect(id, wire.ReasonUserClosed, func(_ sdk.Engagement, err error) {
				if err != nil {
					t.Error(err)
				}
				g.marks = append(g.marks, "resolved")
			})
			g.wait(sdk.EventEngagementTerminated)
			after := g.typesOf()
			if i := strings.Index(after, "resolved"); i >= 0 {
				if got := strings.TrimSpace(after[i+len("resolved"):]); got != "PARTICIPANT_DISCONNECTED ENGAGEMENT_TERMINATED" {
					t.Errorf("after it: %s", got)
				}
			}
			_, err = g.send(id, "hi")
			wantCode(t, err, 313)
			_, err = sdk.Await(t.Context(), func(done func(sdk.Engagement, error)) { g.c.Disconnect(id, "", done) })
			wantCode(t, err, 313)
		})
	})

	t.Run("NS-6 by id", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			type found struct {
				id string
				ok bool
			}
			got := make(chan found, 1)
			ask := func(id string) found {
				g.c.EngagementByID(id, func(e sdk.Engagement, ok bool, err error) {
					if err != nil {
						t.Error(err)
					}
					got <- found{e.EngagementID, ok}
				})
				return <-got
			}
			if f := ask(id); !f.ok || f.id != id {
				t.Errorf("%+v", f)
			}
			if f := ask("nothing"); f.ok {
				t.Errorf("%+v", f)
			}
		})
	})

	t.Run("EV-9 ENGAGEMENT_ERROR", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			g.p.RaiseError(id, "ROUTING_FAILED", "No route", "Nobody is there")
			e := g.wait(sdk.EventEngagementError)
			if e.EngagementID != id || e.ErrorType != "ROUTING_FAILED" || e.ErrorTitle != "No route" || e.ErrorDetail != "Nobody is there" {
				t.Errorf("%+v", e)
			}
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
	t.Run("ENG-4 ENG-5 MSG-1 what can not be is refused before the gateway receives it", func(t *testing.T) {
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
	t.Run("ENG-9 nothing is delivered of a chat that another session is in", func(t *testing.T) {
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
				t.Errorf("received %s", h.typesOf())
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

// Answers and events that cross on their way.
func TestEngagementCrossing(t *testing.T) {
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
			if got, want := g.chatEvents(), "ACTIVE, ADDED Ann, ADDED Bo, still here?"; got != want {
				t.Errorf("received %s, want %s", got, want)
			}
		})
	})
	t.Run("ENG-4 ENG-5 join is answered after the chat's end: the chat does not begin anew", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.create()
			g.p.OnRequest(func(x *sdktest.Exchange) {
				if strings.HasSuffix(x.Path, ":join") {
					x.DelayAnswer(3 * time.Second) // its events come first
				}
			})
			answered := make(chan error, 1)
			g.c.Join(id, func(_ sdk.Engagement, err error) { answered <- err })
			g.wait(sdk.EventEngagementActive)
			if _, err := sdk.Await(t.Context(), func(done func(sdk.Engagement, error)) { g.c.Disconnect(id, "", done) }); err != nil {
				t.Fatal(err)
			}
			g.wait(sdk.EventEngagementTerminated)
			if err := <-answered; err != nil {
				t.Errorf("join: %v", err)
			}
			g.clear()
			g.p.Restart(false) // continuity is lost, so the chats are read again
			time.Sleep(time.Minute)
			if got := g.chatEvents(); got != "" {
				t.Errorf("delivered after the chat's end: %s", got)
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
}
