package sdk_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
	"openchat/sdk/wire"
)

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

	t.Run("MSG-1 MSG-3 500 messages of a chat may wait, the next is refused at once", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			first := true
			g.p.OnRequest(func(x *sdktest.Exchange) {
				if first {
					x.Delay(time.Second)
				}
				first = false
			})
			var failed, settled int
			for n := range 501 {
				g.c.SendMessage(id, strconv.Itoa(n+1), "", func(_ sdk.Message, err error) {
					settled++
					if err != nil {
						wantCode(t, err, sdk.CodeConstraintViolation)
						failed++
						if settled != 1 || n != 500 {
							t.Errorf("message %d is refused, %d calls had settled", n+1, settled-1)
						}
					}
				})
			}
			time.Sleep(2 * time.Minute)
			if list := g.p.Messages(id); settled != 501 || failed != 1 || len(list) != 500 || list[499].Body.Text != "500" {
				t.Errorf("%d settled, %d were refused, %d are stored", settled, failed, len(list))
			}
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
			p, err := sdk.Await(t.Context(), func(done func(sdk.Page, error)) { h.c.Messages(id, 4, h.delivered[id], done) })
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
			p, err := sdk.Await(t.Context(), func(done func(sdk.Page, error)) { g.c.Messages(id, 4, g.delivered[id], done) })
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
			p, err := sdk.Await(t.Context(), func(done func(sdk.Page, error)) { g.c.Messages(id, 4, g.delivered[id], done) })
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
