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

func TestStream(t *testing.T) {
	t.Run("STREAM-1 STREAM-3 a break, missed events in order, once", func(t *testing.T) {
		started(t, sdktest.Options{AutoBot: true}, func(t *testing.T, g *page) {
			id := g.chat()
			bo := g.p.Agent("Bo")
			bo.Accept(id)
			time.Sleep(time.Second)
			g.clear()
			bo.Say(id, "one")
			time.Sleep(time.Second)
			g.p.Down()
			bo.Say(id, "two")
			bo.Say(id, "three")
			time.Sleep(20 * time.Second)
			g.p.Up()
			bo.Say(id, "four")
			g.wait(sdk.EventStreamConnected)
			time.Sleep(time.Second)
			bo.Say(id, "five")
			time.Sleep(time.Second)
			if got := strings.Join(g.texts(sdk.EventMessageArrived), " "); got != "one two three four five" {
				t.Errorf("heard %q", got)
			}
			// Each attempt: CONNECTING, then CONNECTED or FAILED.
			var last sdk.EventType
			for _, e := range g.events {
				switch e.Type {
				case sdk.EventStreamConnecting:
					if last != sdk.EventStreamFailed {
						t.Errorf("CONNECTING after %q", last)
					}
				case sdk.EventStreamConnected:
					if last != sdk.EventStreamConnecting {
						t.Errorf("CONNECTED after %q", last)
					}
					if !e.Resumed {
						t.Error("not resumed")
					}
				case sdk.EventStreamFailed:
				default:
					continue
				}
				last = e.Type
			}
		})
	})

	t.Run("STREAM-2 backoff with full jitter", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			time.Sleep(time.Minute)
			g.clear()
			g.p.Down()
			broke := time.Now()
			g.wait(sdk.EventStreamFailed)
			time.Sleep(150 * time.Second)
			var attempts []time.Duration
			for i, e := range g.events {
				if e.Type == sdk.EventStreamConnecting {
					attempts = append(attempts, g.times[i].Sub(broke))
				}
			}
			if len(attempts) < 5 {
				t.Fatalf("only %d attempts", len(attempts))
			}
			if attempts[0] >= 1100*time.Millisecond {
				t.Errorf("first retry after %v", attempts[0])
			}
			for i := 1; i < len(attempts); i++ {
				if d := attempts[i] - attempts[i-1]; d > 31*time.Second {
					t.Errorf("delay %v", d)
				}
			}
			if last := attempts[len(attempts)-1]; last > 120*time.Second {
				t.Errorf("an attempt after the window, at %v", last)
			}
		})
	})

	t.Run("STREAM-4 a half-open connection is found dead within 40 s", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			time.Sleep(7 * time.Second)
			g.clear()
			g.p.Silence()
			begun := time.Now()
			e := g.wait(sdk.EventStreamFailed)
			if d := e.Date.Sub(begun); d > 40*time.Second {
				t.Errorf("after %v", d)
			}
			if e.Reason != string(sdk.FailureServerUnreachable) {
				t.Errorf("reason %s", e.Reason)
			}
			g.wait(sdk.EventStreamConnected)
		})
	})

	t.Run("STREAM-4 a quiet connection is kept", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			g.clear()
			time.Sleep(4 * time.Minute)
			if g.count(sdk.EventStreamFailed) != 0 {
				t.Error("it was dropped")
			}
		})
	})

	t.Run("STREAM-5 online and visible try at once, offline pauses", func(t *testing.T) {
		for name, w := range map[string]sdk.Wake{"online": sdk.WakeOnline, "visible": sdk.WakeVisible} {
			t.Run(name, func(t *testing.T) {
				started(t, sdktest.Options{}, func(t *testing.T, g *page) {
					g.c.Wake(sdk.WakeOffline)
					g.p.Down()
					time.Sleep(10 * time.Second)
					dials := g.p.Dials()
					time.Sleep(50 * time.Second)
					if g.p.Dials() != dials {
						t.Error("attempts while offline")
					}
					g.p.Up()
					g.clear()
					begun := time.Now()
					g.c.Wake(w)
					e := g.wait(sdk.EventStreamConnected)
					if d := e.Date.Sub(begun); d > 100*time.Millisecond {
						t.Errorf("after %v", d)
					}
				})
			})
		}
	})
	t.Run("STREAM-5 offline does not pause the window", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			g.c.Wake(sdk.WakeOffline)
			g.p.Down()
			time.Sleep(125 * time.Second)
			last := g.events[len(g.events)-1]
			if last.Type != sdk.EventStreamFailed || last.Reason != string(sdk.FailureReconnectionTimeout) {
				t.Errorf("last event %s %s", last.Type, last.Reason)
			}
		})
	})
	t.Run("STREAM-5 a wake-up probes a connection that looks open", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			g.p.Silence()
			g.clear()
			begun := time.Now()
			g.c.Wake(sdk.WakeVisible)
			e := g.wait(sdk.EventStreamFailed)
			if d := e.Date.Sub(begun); d > 6*time.Second {
				t.Errorf("found dead after %v", d)
			}
			g.wait(sdk.EventStreamConnected)
		})
	})

	t.Run("STREAM-4 STREAM-5 a page that is looked at again and again finds a dead connection all the same", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			g.clear()
			g.p.Silence()
			began := time.Now()
			for g.count(sdk.EventStreamFailed) == 0 && time.Since(began) < 2*time.Minute {
				time.Sleep(2 * time.Second)
				g.c.Wake(sdk.WakeVisible)
			}
			if took := time.Since(began); took > 40*time.Second {
				t.Errorf("found after %v", took)
			}
		})
	})
	t.Run("STREAM-6 NS-9 the window over, then retryConnection", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			wantCode(t, g.c.RetryConnection(), 318)
			g.clear()
			g.p.Down()
			broke := time.Now()
			time.Sleep(3 * time.Minute)
			last := g.events[len(g.events)-1]
			if last.Type != sdk.EventStreamFailed || last.Reason != string(sdk.FailureReconnectionTimeout) || last.RetryAfter != 0 {
				t.Fatalf("last event %+v", last)
			}
			if d := last.Date.Sub(broke); d < 119*time.Second || d > 121*time.Second {
				t.Errorf("gave up after %v", d)
			}
			dials := g.p.Dials()
			time.Sleep(time.Minute)
			if g.p.Dials() != dials {
				t.Error("it goes on trying")
			}
			g.p.Agent("Bo").Accept(id)
			g.p.Up()
			g.clear()
			if err := g.c.RetryConnection(); err != nil {
				t.Fatal(err)
			}
			g.wait(sdk.EventStreamConnected, sdk.EventParticipantAdded)
		})
	})

	t.Run("STREAM-7 lost for good: re-read and raised before anything newer", func(t *testing.T) {
		started(t, sdktest.Options{AutoBot: true}, func(t *testing.T, g *page) {
			id := g.chat()
			bo := g.p.Agent("Bo")
			bo.Accept(id)
			bo.Say(id, "one")
			time.Sleep(time.Second)
			g.clear()
			g.p.Down()
			var want []string
			for i := range 70 {
				text := "lost " + strconv.Itoa(i)
				want = append(want, text)
				bo.Say(id, text)
			}
			amy := g.p.Agent("Amy")
			amy.Supervise(id)
			bo.Leave(id)
			g.p.Restart(false)
			g.p.Up()
			connected := g.wait(sdk.EventStreamConnected)
			if connected.Resumed {
				t.Error("resumed")
			}
			time.Sleep(time.Second)
			amy.Say(id, "newer")
			time.Sleep(time.Second)
			if got := g.texts(sdk.EventMessageArrived); !slices.Equal(got, append(want, "newer")) {
				t.Errorf("heard %q", got)
			}
			if g.count(sdk.EventParticipantAdded) != 1 || g.count(sdk.EventParticipantDisconnected) != 1 {
				t.Errorf("events %s", g.typesOf())
			}
		})
	})
	t.Run("STREAM-7 a chat that ended meanwhile", func(t *testing.T) {
		started(t, sdktest.Options{AutoBot: true}, func(t *testing.T, g *page) {
			id := g.chat()
			g.clear()
			g.p.Down()
			bo := g.p.Agent("Bo")
			bo.Accept(id)
			bo.Say(id, "bye")
			bo.End(id)
			g.p.Restart(false)
			g.p.Up()
			g.wait(sdk.EventEngagementTerminated)
			if got := strings.Join(g.texts(sdk.EventMessageArrived), " "); got != "bye" {
				t.Errorf("heard %q", got)
			}
		})
	})

	t.Run("EV-7 EVENT_STREAM_FAILED says why", func(t *testing.T) {
		for _, c := range []struct {
			code   int
			reason sdk.FailureReason
		}{
			{1006, sdk.FailureServerUnreachable}, {1011, sdk.FailureServerError}, {1012, sdk.FailureServerError},
			{4401, sdk.FailureUnauthorized}, {4403, sdk.FailureForbidden}, {4404, sdk.FailureSessionInvalid},
		} {
			t.Run(strconv.Itoa(c.code), func(t *testing.T) {
				started(t, sdktest.Options{}, func(t *testing.T, g *page) {
					g.p.CutStreams(c.code)
					e := g.wait(sdk.EventStreamFailed)
					if e.Reason != string(c.reason) || e.Text == "" {
						t.Errorf("reason %s %q", e.Reason, e.Text)
					}
				})
			})
		}
	})
	t.Run("SES-4 superseded by a late connection of our own: it reconnects", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			g.clear()
			g.p.CutStreams(wire.CloseSuperseded)
			g.wait(sdk.EventStreamConnected)
			if g.count(sdk.EventShutdown) != 0 {
				t.Error("the session was given up")
			}
		})
	})
	t.Run("EV-6 a frame that is not understood breaks the stream, and it resumes", func(t *testing.T) {
		started(t, sdktest.Options{AutoBot: true}, func(t *testing.T, g *page) {
			id := g.chat()
			g.p.SendRaw(`{"type":"news"}`)
			g.p.SendRaw(`{"type":"event","id":"1","event":{"eventType":"NEWS","eventDate":"2026-01-01T00:00:00Z"}}`)
			time.Sleep(time.Second)
			if g.count(sdk.EventStreamFailed) != 0 {
				t.Error("an unknown frame broke the stream")
			}
			g.clear()
			g.p.SendRaw(`<html>`)
			g.wait(sdk.EventStreamFailed, sdk.EventStreamConnected)
			bo := g.p.Agent("Bo")
			bo.Accept(id)
			bo.Say(id, "hi")
			g.wait(sdk.EventMessageArrived)
		})
	})
}

func TestToken(t *testing.T) {
	t.Run("JWT-1 reminder precisely three minutes before", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			params := p.Params(sdktest.Claims{TTL: 15 * time.Minute})
			claims, _ := wire.ReadToken(params.Token)
			_, err := sdk.Await(t.Context(), func(done func(sdk.UserContext, error)) {
				g.c.Init(params, sdk.Config{IdleTimeout: sdk.IdleDisabled}, done)
			})
			if err != nil {
				t.Fatal(err)
			}
			e := g.wait(sdk.EventTokenExpiryReminder)
			if d := claims.Expiry.Sub(e.Date); d != 3*time.Minute {
				t.Errorf("%v before the end", d)
			}
			if !e.ExpiryDate.Equal(claims.Expiry) {
				t.Errorf("expiryDate %v", e.ExpiryDate)
			}
			g.end()
		})
	})
	t.Run("JWT-1 a token with less left, at once", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			g.init(sdktest.Claims{TTL: time.Minute}, sdk.Config{})
			synctest.Wait()
			if g.count(sdk.EventTokenExpiryReminder) != 1 {
				t.Errorf("events %s", g.typesOf())
			}
			if err := g.c.SetJWTToken(p.Token(sdktest.Claims{TTL: 2 * time.Minute})); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second) // JWT-6
			synctest.Wait()
			if g.count(sdk.EventTokenExpiryReminder) != 2 {
				t.Errorf("events %s", g.typesOf())
			}
			g.end()
		})
	})
	t.Run("JWT-2 JWT-3 expiry, then a new token resumes", func(t *testing.T) {
		platform(t, sdktest.Options{AutoBot: true}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			g.init(sdktest.Claims{TTL: 5 * time.Minute}, sdk.Config{IdleTimeout: 3300 * time.Second})
			id := g.chat()
			expired := g.wait(sdk.EventTokenExpired)
			synctest.Wait()
			failed := g.events[len(g.events)-1]
			if failed.Type != sdk.EventStreamFailed || failed.Reason != string(sdk.FailureUnauthorized) {
				t.Fatalf("after TOKEN_EXPIRED: %s %s", failed.Type, failed.Reason)
			}
			if expired.Date.After(failed.Date) {
				t.Error("expiredDate is later than the break")
			}
			dials := p.Dials()
			bo := p.Agent("Bo")
			bo.Accept(id)
			bo.Say(id, "still there?")
			time.Sleep(10 * time.Minute) // longer than the reconnection window
			if p.Dials() != dials {
				t.Error("attempts without a token")
			}
			if g.count(sdk.EventMessageArrived) > 1 { // the greeting
				t.Error("a message while disconnected")
			}
			wantCode(t, g.c.RetryConnection(), 305)
			g.clear()
			begun := time.Now()
			if err := g.c.SetJWTToken(p.Token(sdktest.Claims{TTL: time.Hour})); err != nil {
				t.Fatal(err)
			}
			e := g.wait(sdk.EventStreamConnected)
			if d := e.Date.Sub(begun); d > 100*time.Millisecond || !e.Resumed {
				t.Errorf("connected after %v, resumed %v", d, e.Resumed)
			}
			g.wait(sdk.EventMessageArrived)
			g.end()
		})
	})
	t.Run("JWT-3 in place: no reconnect", func(t *testing.T) {
		platform(t, sdktest.Options{AutoBot: true}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			g.init(sdktest.Claims{TTL: 5 * time.Minute}, sdk.Config{IdleTimeout: sdk.IdleDisabled})
			id := g.chat()
			g.on = func(e sdk.Event) {
				if e.Type == sdk.EventTokenExpiryReminder {
					if err := g.c.SetJWTToken(p.Token(sdktest.Claims{TTL: 20 * time.Minute})); err != nil {
						t.Error(err)
					}
				}
			}
			bo := p.Agent("Bo")
			bo.Accept(id)
			time.Sleep(15 * time.Minute)
			bo.Say(id, "hi")
			time.Sleep(time.Second)
			if p.Dials() != 1 || g.count(sdk.EventStreamFailed) != 0 || g.count(sdk.EventTokenExpired) != 0 {
				t.Errorf("%d dials, events %s", p.Dials(), g.typesOf())
			}
			if got := g.texts(sdk.EventMessageArrived); got[len(got)-1] != "hi" {
				t.Errorf("heard %q", got)
			}
			g.end()
		})
	})
	t.Run("JWT-2 a token set in place ends by the server's clock first", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, nil)
			g.init(sdktest.Claims{TTL: time.Hour}, sdk.Config{IdleTimeout: sdk.IdleDisabled})
			if err := g.c.SetJWTToken(p.Token(sdktest.Claims{TTL: 5 * time.Minute})); err != nil {
				t.Fatal(err)
			}
			g.wait(sdk.EventTokenExpiryReminder)
			g.clear()
			p.CutStreams(wire.CloseTokenExpired)
			time.Sleep(10 * time.Minute)
			if got, want := g.typesOf(), "TOKEN_EXPIRED EVENT_STREAM_FAILED"; got != want || p.Dials() != 1 {
				t.Errorf("%d dials, events %s, want %s", p.Dials(), got, want)
			}
			g.end()
		})
	})
	t.Run("NS-7 JWT-4 setJwtToken refuses, the present token stays", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			wantCode(t, g.c.SetJWTToken(""), 308)
			wantCode(t, g.c.SetJWTToken("x.y.z"), 305)
			wantCode(t, g.c.SetJWTToken(g.p.Token(sdktest.Claims{TTL: -time.Minute})), 305)
			wantCode(t, g.c.SetJWTToken(g.p.Token(sdktest.Claims{Subject: "someone else"})), 305)
			wantCode(t, g.c.SetJWTToken(g.p.Token(sdktest.Claims{IntegrationID: "00000000-0000-4000-8000-000000000000"})), 305)
			g.chat() // works
		})
	})
	t.Run("JWT-5 a 401 with a newer token set is retried once", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			first := true
			g.p.OnRequest(func(x *sdktest.Exchange) {
				if x.Path == "/engagements" && first {
					first = false
					x.Refuse(401, wire.ProblemUnauthorized, 0)
					x.DelayAnswer(time.Second)
				}
			})
			errs := make(chan error, 1)
			g.c.Engagements(func(_ []sdk.Engagement, err error) { errs <- err })
			time.Sleep(500 * time.Millisecond)
			if err := g.c.SetJWTToken(g.p.Token(sdktest.Claims{})); err != nil {
				t.Fatal(err)
			}
			if err := <-errs; err != nil {
				t.Error(err)
			}
		})
	})
}
