package sdk_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
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
				t.Error("ENG-9: heard of a chat it is not in")
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

func TestMessages(t *testing.T) {
	t.Run("MSG-1 bounds", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			for _, text := range []string{"", strings.Repeat("x", 4097), strings.Repeat("😀", 2049)} {
				_, err := g.send(id, text)
				wantCode(t, err, 322)
			}
			for _, text := range []string{"x", strings.Repeat("x", 4096), strings.Repeat("😀", 2048)} {
				if m, err := g.send(id, text); err != nil || m.Body.Text != text {
					t.Errorf("%d: %v", len(text), err)
				}
			}
			_, err := sdk.Await(t.Context(), func(done func(sdk.Message, error)) { g.c.SendMessage(id, "x", "parent", done) })
			wantCode(t, err, 322)
			_, err = g.send("00000000-0000-4000-8000-000000000000", "x")
			wantCode(t, err, 314)
		})
	})

	t.Run("MSG-3 the order of the calls, nothing awaited", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			n := 0
			g.p.OnRequest(func(x *sdktest.Exchange) {
				if n++; n%3 == 0 {
					x.LoseAnswer()
				}
			})
			var want []string
			for i := range 20 {
				text := "m" + strconv.Itoa(i)
				want = append(want, text)
				g.c.SendMessage(id, text, "", nil)
			}
			time.Sleep(time.Minute)
			var got []string
			for _, m := range g.p.Messages(id) {
				got = append(got, m.Body.Text)
			}
			if !slices.Equal(got, want) {
				t.Errorf("stored %q", got)
			}
		})
	})

	t.Run("MSG-4 the answer is lost: one message, one settlement", func(t *testing.T) {
		for name, prepare := range map[string]func(*sdktest.Exchange){
			"lost after":  (*sdktest.Exchange).LoseAnswer,
			"lost before": (*sdktest.Exchange).Lose,
			"no answer":   (*sdktest.Exchange).HangAnswer,
			"unavailable": func(x *sdktest.Exchange) { x.Refuse(503, wire.ProblemServerError, 0) },
			"rate":        func(x *sdktest.Exchange) { x.Refuse(429, wire.ProblemTooMany, 3*time.Second) },
		} {
			t.Run(name, func(t *testing.T) {
				started(t, sdktest.Options{}, func(t *testing.T, g *page) {
					id := g.chat()
					first := true
					g.p.OnRequest(func(x *sdktest.Exchange) {
						if first && strings.HasSuffix(x.Path, "/messages") {
							first = false
							prepare(x)
						}
					})
					settled := 0
					g.c.SendMessage(id, "once", "", func(m sdk.Message, err error) {
						settled++
						if err != nil {
							t.Error(err)
						}
					})
					time.Sleep(time.Minute)
					if settled != 1 || len(g.p.Messages(id)) != 1 || g.count(sdk.EventMessageDelivered) != 1 {
						t.Errorf("settled %d, stored %d, delivered %d", settled, len(g.p.Messages(id)), g.count(sdk.EventMessageDelivered))
					}
				})
			})
		}
	})

	t.Run("MSG-4 an outage delays a message", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			g.p.Down()
			got := make(chan error, 1)
			g.c.SendMessage(id, "patience", "", func(_ sdk.Message, err error) { got <- err })
			time.Sleep(90 * time.Second)
			g.p.Up()
			if err := <-got; err != nil {
				t.Error(err)
			}
			time.Sleep(time.Second)
			if len(g.p.Messages(id)) != 1 {
				t.Errorf("%d stored", len(g.p.Messages(id)))
			}
		})
	})
	t.Run("MSG-4 JWT-5 the answer is lost and the token expires: it is not called lost", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			g.init(sdktest.Claims{TTL: 10 * time.Second}, sdk.Config{})
			id := g.chat()
			p.Silence() // else the event would settle it
			first := true
			p.OnRequest(func(x *sdktest.Exchange) {
				if first && strings.HasSuffix(x.Path, "/messages") {
					first = false
					x.HangAnswer()
				}
			})
			settled := 0
			g.c.SendMessage(id, "once", "", func(_ sdk.Message, err error) {
				if settled++; err != nil {
					t.Error(err)
				}
			})
			g.wait(sdk.EventTokenExpired)
			time.Sleep(30 * time.Second)
			if settled != 0 {
				t.Error("settled while nobody could know")
			}
			if err := g.c.SetJWTToken(p.Token(sdktest.Claims{})); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if settled != 1 || len(p.Messages(id)) != 1 || g.count(sdk.EventMessageDelivered) != 1 {
				t.Errorf("settled %d, stored %d, delivered %d", settled, len(p.Messages(id)), g.count(sdk.EventMessageDelivered))
			}
			g.end()
		})
	})
	t.Run("MSG-4 an outage beyond the window refuses it", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			g.p.Down()
			begun := time.Now()
			_, err := g.send(id, "lost")
			wantCode(t, err, 306)
			if d := time.Since(begun); d > 121*time.Second {
				t.Errorf("after %v", d)
			}
			g.p.Up()
		})
	})

	t.Run("MSG-5 DELIVERED after the promise", func(t *testing.T) {
		for name, o := range map[string]sdktest.Options{
			"answer first": {}, "event first": {Latency: 50 * time.Millisecond, StreamLatency: time.Millisecond},
		} {
			t.Run(name, func(t *testing.T) {
				started(t, o, func(t *testing.T, g *page) {
					id := g.chat()
					g.clear()
					for range 5 {
						g.c.SendMessage(id, "x", "", func(sdk.Message, error) { g.marks = append(g.marks, "resolved") })
					}
					time.Sleep(time.Second)
					resolved, delivered := 0, 0
					for _, m := range g.marks {
						if m == "resolved" {
							resolved++
						} else {
							delivered++
						}
						if delivered > resolved {
							t.Fatalf("%v", g.marks)
						}
					}
					if resolved != 5 || delivered != 5 {
						t.Errorf("%v", g.marks)
					}
				})
			})
		}
	})
}

func TestPages(t *testing.T) {
	filled := func(t *testing.T, n int, f func(t *testing.T, g *page, id string, bo *sdktest.Agent)) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			bo := g.p.Agent("Bo")
			bo.Accept(id)
			for i := range n {
				bo.Say(id, strconv.Itoa(i+1))
			}
			time.Sleep(time.Second)
			f(t, g, id, bo)
		})
	}
	first := func(g *page, id string, size int) (sdk.Page, error) {
		return sdk.Await(g.t.Context(), func(done func(sdk.Page, error)) { g.c.Messages(id, size, done) })
	}
	turn := func(g *page, p sdk.Page, to sdk.Direction) (sdk.Page, error) {
		return sdk.Await(g.t.Context(), func(done func(sdk.Page, error)) { g.c.Turn(p.Cursor, to, done) })
	}
	words := func(p sdk.Page) string {
		var list []string
		for _, m := range p.Items {
			list = append(list, m.Body.Text)
		}
		return strings.Join(list, " ")
	}

	t.Run("PAGE-1 PAGE-2 PAGE-4 there and back", func(t *testing.T) {
		filled(t, 12, func(t *testing.T, g *page, id string, _ *sdktest.Agent) {
			p, err := first(g, id, 5)
			if err != nil || words(p) != "12 11 10 9 8" || !p.HasPrevious || p.HasNext {
				t.Fatalf("%q %v %v %v", words(p), p.HasPrevious, p.HasNext, err)
			}
			_, err = turn(g, p, sdk.Newer)
			wantCode(t, err, 317)
			for _, want := range []string{"7 6 5 4 3", "2 1"} {
				if p, err = turn(g, p, sdk.Older); err != nil || words(p) != want || !p.HasNext {
					t.Fatalf("%q %v", words(p), err)
				}
			}
			if p.HasPrevious {
				t.Error("older than the oldest")
			}
			_, err = turn(g, p, sdk.Older)
			wantCode(t, err, 317)
			for _, want := range []string{"7 6 5 4 3", "12 11 10 9 8"} {
				if p, err = turn(g, p, sdk.Newer); err != nil || words(p) != want || !p.HasPrevious {
					t.Fatalf("%q %v", words(p), err)
				}
			}
			if p.HasNext {
				t.Error("newer than the newest")
			}
		})
	})
	t.Run("PAGE-1 no messages", func(t *testing.T) {
		filled(t, 0, func(t *testing.T, g *page, id string, _ *sdktest.Agent) {
			p, err := first(g, id, 10)
			if err != nil || len(p.Items) != 0 || p.HasNext || p.HasPrevious {
				t.Errorf("%+v %v", p, err)
			}
		})
	})
	t.Run("PAGE-3 a snapshot", func(t *testing.T) {
		filled(t, 12, func(t *testing.T, g *page, id string, bo *sdktest.Agent) {
			p, err := first(g, id, 5)
			if err != nil {
				t.Fatal(err)
			}
			p, _ = turn(g, p, sdk.Older)
			for range 7 {
				bo.Say(id, "later")
			}
			time.Sleep(time.Second)
			p, err = turn(g, p, sdk.Newer)
			if err != nil || words(p) != "12 11 10 9 8" || p.HasNext {
				t.Errorf("%q %v %v", words(p), p.HasNext, err)
			}
		})
	})
	t.Run("PAGE-3 history and events neither overlap nor leave a gap", func(t *testing.T) {
		filled(t, 3, func(t *testing.T, g *page, id string, bo *sdktest.Agent) {
			g.clear()
			got := make(chan sdk.Page, 1)
			// Stored before the answer is made, heard of after the question was asked.
			g.p.OnRequest(func(x *sdktest.Exchange) {
				if strings.HasSuffix(x.Path, "/messages") {
					bo.Say(id, "4")
					bo.Say(id, "5")
				}
			})
			g.c.Messages(id, 2, func(p sdk.Page, err error) {
				if err != nil {
					t.Error(err)
				}
				got <- p
			})
			p := <-got
			g.p.OnRequest(nil)
			time.Sleep(time.Second)
			if words(p) != "3 2" {
				t.Errorf("history %q", words(p))
			}
			if all := strings.Join(g.texts(sdk.EventMessageArrived), " "); !strings.HasPrefix(all, "4 5") {
				t.Errorf("events %q", all)
			}
		})
	})
	t.Run("PAGE-4 a failed fetch", func(t *testing.T) {
		filled(t, 12, func(t *testing.T, g *page, id string, _ *sdktest.Agent) {
			p, err := first(g, id, 5)
			if err != nil {
				t.Fatal(err)
			}
			g.p.OnRequest(func(x *sdktest.Exchange) { x.Refuse(500, wire.ProblemServerError, 0) })
			_, err = turn(g, p, sdk.Older)
			wantCode(t, err, 317)
			_, err = first(g, id, 5)
			wantCode(t, err, 316)
			g.p.OnRequest(nil)
			if p, err = turn(g, p, sdk.Older); err != nil || words(p) != "7 6 5 4 3" {
				t.Errorf("%q %v", words(p), err)
			}
		})
	})
	t.Run("PAGE-1 page size", func(t *testing.T) {
		filled(t, 60, func(t *testing.T, g *page, id string, _ *sdktest.Agent) {
			g.c.SetLogLevel(sdk.LogWarn)
			for _, size := range []int{0, 51, -1} {
				p, err := first(g, id, size)
				if err != nil || len(p.Items) != 10 {
					t.Errorf("%d: %d items, %v", size, len(p.Items), err)
				}
			}
			synctest.Wait()
			if n := strings.Count(strings.Join(g.logs, "\n"), "ACS-211"); n != 3 {
				t.Errorf("%d warnings", n)
			}
			if p, _ := first(g, id, 50); len(p.Items) != 50 {
				t.Errorf("%d items", len(p.Items))
			}
		})
	})
}
