package sdk_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
	"openchat/sdk/wire"
)

// wantRate fails the test if more than one event of a type was raised in any ten
// seconds (JWT-6).
func (g *page) wantRate(t *testing.T) {
	t.Helper()
	for _, kind := range []sdk.EventType{sdk.EventTokenExpiryReminder, sdk.EventTokenExpired} {
		_, at := g.ofTypes(kind)
		for i := 1; i < len(at); i++ {
			if d := at[i].Sub(at[i-1]); d < 10*time.Second {
				t.Fatalf("JWT-6: two %s within %v", kind, d)
			}
		}
	}
}

// backEnd answers each request for a token as make does.
func (g *page) backEnd(make func() string) (asked *int) {
	asked = new(int)
	answer := func() {
		*asked++
		// As pages do it: the error of setJwtToken stays unseen.
		go g.c.SetJWTToken(make())
	}
	g.on = func(e sdk.Event) {
		if e.Type == sdk.EventTokenExpiryReminder || e.Type == sdk.EventTokenExpired {
			answer()
		}
	}
	return asked
}

func TestToken(t *testing.T) {
	t.Run("JWT-1 reminder precisely three minutes before", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			params := p.Params(sdktest.Claims{TTL: 15 * time.Minute})
			claims, _ := wire.ReadToken(params.Token)
			_, err := g.tryInit(params, sdk.Config{IdleTimeout: sdk.IdleDisabled})
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
	t.Run("JWT-1 JWT-2 the reminder of a token that was called expired before it came", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			g.init(sdktest.Claims{TTL: 2 * time.Minute}, sdk.Config{IdleTimeout: sdk.IdleDisabled})
			g.wait(sdk.EventTokenExpiryReminder)
			cached := p.Token(sdktest.Claims{TTL: 2 * time.Minute})
			if err := g.c.SetJWTToken(cached); err != nil { // its reminder is due, and not before ten seconds
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			g.clear()
			p.CutStreams(wire.CloseTokenExpired)
			g.wait(sdk.EventTokenExpired)
			if err := g.c.SetJWTToken(cached); err != nil {
				t.Fatal(err)
			}
			time.Sleep(30 * time.Second)
			if g.count(sdk.EventTokenExpiryReminder) != 1 {
				t.Errorf("JWT-1: %s", g.typesOf())
			}
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
				t.Errorf("received %q", got)
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

// A refusal and a new token that cross on their way.
func TestTokenCrossing(t *testing.T) {
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

func TestTokenEventRate(t *testing.T) {
	for _, tt := range []struct {
		name string
		back func(g *page) func() string
		down bool // no stream is possible in the end
	}{
		{"tokens for two minutes", func(g *page) func() string {
			return func() string { return g.p.Token(sdktest.Claims{TTL: 2 * time.Minute}) }
		}, false},
		{"tokens for five seconds", func(g *page) func() string {
			return func() string { return g.p.Token(sdktest.Claims{TTL: 5 * time.Second}) }
		}, false},
		{"the same token again and again", func(g *page) func() string {
			cached := g.p.Token(sdktest.Claims{TTL: 2 * time.Minute})
			return func() string { return cached }
		}, true},
		{"tokens that the server refuses", func(g *page) func() string {
			return func() string { return g.p.Token(sdktest.Claims{Forged: true}) }
		}, true},
		{"expired tokens", func(g *page) func() string {
			return func() string { return g.p.Token(sdktest.Claims{TTL: -time.Minute}) }
		}, true},
	} {
		t.Run("JWT-6 "+tt.name+": few events, few connections", func(t *testing.T) {
			platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
				g := newPage(t, p, p.Storage())
				asked := g.backEnd(tt.back(g))
				g.init(sdktest.Claims{TTL: 100 * time.Second}, sdk.Config{IdleTimeout: sdk.IdleDisabled})
				const length = 6 * time.Minute
				time.Sleep(length)
				g.wantRate(t)
				if most := 2 * int(length/(10*time.Second)); *asked > most || p.Dials() > most {
					t.Errorf("JWT-6: %d tokens asked for and %d connections in %v", *asked, p.Dials(), length)
				}
				if failed, _ := g.ofTypes(sdk.EventStreamFailed); tt.down && (len(failed) == 0 || failed[len(failed)-1].Text == "") {
					t.Errorf("JWT-6: the page does not receive why: %s", g.typesOf())
				}
				// A good one mends it.
				if err := g.c.SetJWTToken(p.Token(sdktest.Claims{})); err != nil {
					t.Fatal(err)
				}
				time.Sleep(31 * time.Second)
				if last, _ := g.ofTypes(sdk.EventStreamFailed, sdk.EventStreamConnected); last[len(last)-1].Type != sdk.EventStreamConnected {
					t.Errorf("JWT-3: not connected with a good token: %s", g.typesOf())
				}
				g.end()
			})
		})
	}
}

func TestTokenRefused(t *testing.T) {
	// refused runs a test with a chat whose stream has been closed because the platform
	// refuses all tokens for now.
	refused := func(t *testing.T, f func(t *testing.T, g *page, id string)) {
		started(t, sdktest.Options{AutoBot: true}, func(t *testing.T, g *page) {
			id := g.chat()
			g.clear()
			g.p.RefuseTokens(true)
			g.p.CutStreams(1006)
			time.Sleep(2 * time.Second)
			f(t, g, id)
		})
	}
	t.Run("JWT-7 EV-7 it tries again within the window, and asks for a token", func(t *testing.T) {
		refused(t, func(t *testing.T, g *page, id string) {
			failed, _ := g.ofTypes(sdk.EventStreamFailed)
			last := failed[len(failed)-1]
			if last.Reason != string(sdk.FailureForbidden) || last.RetryAfter == 0 || !strings.Contains(last.Text, "refused") {
				t.Errorf("EV-7: %+v", last)
			}
			if g.count(sdk.EventTokenExpiryReminder) != 1 || g.count(sdk.EventTokenExpired) != 0 {
				t.Errorf("JWT-7: the page was not asked for a token: %s", g.typesOf())
			}
			time.Sleep(40 * time.Second)
			if n := g.p.Dials(); n > 12 {
				t.Errorf("JWT-7: %d connections in 40 s", n)
			}
			g.p.RefuseTokens(false)
			g.clear()
			g.wait(sdk.EventStreamConnected)
			if _, err := g.send(id, "again"); err != nil {
				t.Error(err)
			}
			g.wantRate(t)
		})
	})
	t.Run("JWT-7 NS-9 retryConnection tries", func(t *testing.T) {
		refused(t, func(t *testing.T, g *page, id string) {
			time.Sleep(20 * time.Second)
			g.p.RefuseTokens(false)
			g.clear()
			if err := g.c.RetryConnection(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if g.count(sdk.EventStreamConnected) != 1 {
				t.Errorf("JWT-7: %s", g.typesOf())
			}
		})
	})
	t.Run("JWT-7 a call that succeeds with the token reconnects", func(t *testing.T) {
		refused(t, func(t *testing.T, g *page, id string) {
			time.Sleep(50 * time.Second) // the attempts are many seconds apart by now
			g.p.RefuseTokens(false)
			g.clear()
			if _, err := g.send(id, "again"); err != nil {
				t.Error(err)
			}
			time.Sleep(6 * time.Second)
			if g.count(sdk.EventStreamConnected) != 1 || g.count(sdk.EventMessageDelivered) != 1 {
				t.Errorf("JWT-7: %s", g.typesOf())
			}
		})
	})
	t.Run("JWT-7 STREAM-6 the window over", func(t *testing.T) {
		refused(t, func(t *testing.T, g *page, id string) {
			g.c.ResetIdleTimeout()
			time.Sleep(125 * time.Second)
			failed, _ := g.ofTypes(sdk.EventStreamFailed)
			if last := failed[len(failed)-1]; last.Reason != string(sdk.FailureReconnectionTimeout) {
				t.Errorf("STREAM-6: %+v", last)
			}
			g.p.RefuseTokens(false)
			g.clear()
			if err := g.c.RetryConnection(); err != nil {
				t.Fatal(err)
			}
			g.wait(sdk.EventStreamConnected)
		})
	})
	t.Run("JWT-7 JWT-3 a token that is refused while the one before is valid: that stays in use", func(t *testing.T) {
		started(t, sdktest.Options{AutoBot: true}, func(t *testing.T, g *page) {
			id := g.chat()
			g.clear()
			if err := g.c.SetJWTToken(g.p.Token(sdktest.Claims{Name: "Ann", Forged: true})); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
			if list, _ := g.ofTypes(sdk.EventStreamFailed, sdk.EventStreamConnected); len(list) == 0 || list[len(list)-1].Type != sdk.EventStreamConnected {
				t.Fatalf("JWT-7: not connected again: %s", g.typesOf())
			}
			if _, err := g.send(id, "with the one before"); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Second)
			if g.count(sdk.EventTokenExpiryReminder) != 1 || g.count(sdk.EventMessageDelivered) != 1 {
				t.Errorf("JWT-7: %s", g.typesOf())
			}
		})
	})
	t.Run("JWT-7 JWT-5 a call is refused with a new token while the one before is valid", func(t *testing.T) {
		started(t, sdktest.Options{AutoBot: true}, func(t *testing.T, g *page) {
			id := g.chat()
			g.p.Down()
			time.Sleep(time.Second)
			if err := g.c.SetJWTToken(g.p.Token(sdktest.Claims{Name: "Ann", Forged: true})); err != nil {
				t.Fatal(err)
			}
			g.p.OnDial(func(d *sdktest.Dial) { d.Refuse = true })
			g.p.Up()
			if _, err := g.send(id, "with the one before"); err != nil {
				t.Error(err)
			}
			g.p.OnDial(nil)
		})
	})
	t.Run("JWT-7 JWT-6 a token that an older gateway calls expired while a key is rotated is tried again", func(t *testing.T) {
		platform(t, sdktest.Options{AutoBot: true}, func(t *testing.T, p *sdktest.Platform) {
			p.HideClock(true)
			g := newPage(t, p, p.Storage())
			token := p.Token(sdktest.Claims{})
			params := p.Params(sdktest.Claims{})
			params.Token = token
			if _, err := g.tryInit(params, sdk.Config{}); err != nil {
				t.Fatal(err)
			}
			g.on = func(e sdk.Event) {
				if e.Type == sdk.EventTokenExpired {
					go g.c.SetJWTToken(token)
				}
			}
			id := g.chat()
			p.RefuseTokens(true)
			g.send(id, "refused")
			time.Sleep(20 * time.Second)
			p.RefuseTokens(false)
			g.clear()
			g.wait(sdk.EventStreamConnected)
			g.wantRate(t)
			g.end()
		})
	})
	t.Run("JWT-7 STREAM-6 a good token that is set at the very end of the window is tried", func(t *testing.T) {
		refused(t, func(t *testing.T, g *page, id string) {
			g.c.ResetIdleTimeout()
			time.Sleep(113 * time.Second)
			g.p.RefuseTokens(false)
			g.clear()
			if err := g.c.SetJWTToken(g.p.Token(sdktest.Claims{Name: "Ann"})); err != nil {
				t.Fatal(err)
			}
			time.Sleep(31 * time.Second)
			if g.count(sdk.EventStreamConnected) != 1 {
				t.Errorf("JWT-7: %s", g.typesOf())
			}
		})
	})
	t.Run("JWT-7 a call that succeeds reconnects also after the window", func(t *testing.T) {
		refused(t, func(t *testing.T, g *page, id string) {
			g.c.ResetIdleTimeout()
			time.Sleep(130 * time.Second)
			g.p.RefuseTokens(false)
			g.clear()
			if _, err := g.send(id, "again"); err != nil {
				t.Error(err)
			}
			time.Sleep(6 * time.Second)
			if g.count(sdk.EventStreamConnected) != 1 {
				t.Errorf("JWT-7: %s", g.typesOf())
			}
		})
	})
	t.Run("JWT-7 JWT-2 a sound token that one gateway calls expired", func(t *testing.T) {
		started(t, sdktest.Options{AutoBot: true}, func(t *testing.T, g *page) {
			id := g.chat()
			g.clear()
			g.p.CutStreams(4401)
			time.Sleep(time.Second)
			if g.count(sdk.EventTokenExpired) != 1 {
				t.Errorf("JWT-2: %s", g.typesOf())
			}
			if _, err := g.send(id, "sound"); err != nil {
				t.Error(err)
			}
			time.Sleep(6 * time.Second)
			if g.count(sdk.EventStreamConnected) != 1 || g.count(sdk.EventTokenExpired) != 1 {
				t.Errorf("JWT-7: %s", g.typesOf())
			}
		})
	})
	t.Run("JWT-1 JWT-7 the reminder comes at its moment although the token was refused for a while", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			g.init(sdktest.Claims{TTL: 15 * time.Minute}, sdk.Config{IdleTimeout: sdk.IdleDisabled})
			time.Sleep(10 * time.Minute)
			p.RefuseTokens(true)
			p.CutStreams(1006)
			time.Sleep(12 * time.Second)
			p.RefuseTokens(false)
			time.Sleep(100 * time.Second)
			g.clear()
			time.Sleep(30 * time.Second)
			if list, at := g.ofTypes(sdk.EventTokenExpiryReminder); len(list) != 1 || list[0].ExpiryDate.Sub(at[0]) < 3*time.Minute-time.Second {
				t.Errorf("JWT-1: %s", g.typesOf())
			}
			g.end()
		})
	})
	t.Run("JWT-6 many calls with one token that is refused are one refusal", func(t *testing.T) {
		started(t, sdktest.Options{AutoBot: true}, func(t *testing.T, g *page) {
			id := g.chat()
			g.clear()
			g.p.RefuseTokens(true)
			for range 12 {
				g.c.SendMessage(id, "refused", "", nil)
			}
			time.Sleep(25 * time.Second)
			if n := g.count(sdk.EventTokenExpiryReminder); n != 2 { // at once and after ten seconds
				t.Errorf("JWT-6: %d reminders", n)
			}
			g.clear()
			g.send(id, "once more")
			time.Sleep(21 * time.Second)
			if n := g.count(sdk.EventTokenExpiryReminder); n != 1 {
				t.Errorf("JWT-6: asked for %d tokens half a minute later", n)
			}
			g.p.RefuseTokens(false)
		})
	})
	t.Run("JWT-7 a good token that one call was refused with is not lost", func(t *testing.T) {
		platform(t, sdktest.Options{AutoBot: true}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			g.init(sdktest.Claims{TTL: 5 * time.Minute}, sdk.Config{IdleTimeout: sdk.IdleDisabled})
			id := g.chat()
			p.OnFrame(func(f *sdktest.Frame) {
				if f.FromClient && strings.Contains(f.Text, "authenticate") {
					f.Delay = time.Second
				}
			})
			n := 0
			p.OnRequest(func(x *sdktest.Exchange) {
				if n++; n == 1 {
					x.Refuse(401, "unauthorized", 0)
				}
			})
			if err := g.c.SetJWTToken(p.Token(sdktest.Claims{})); err != nil {
				t.Fatal(err)
			}
			if _, err := g.send(id, "with either"); err != nil {
				t.Error(err)
			}
			g.clear()
			time.Sleep(10 * time.Minute)
			if list, _ := g.ofTypes(sdk.EventTokenExpired, sdk.EventStreamFailed); len(list) != 0 {
				t.Errorf("JWT-7: %s", g.typesOf())
			}
			g.end()
		})
	})
	t.Run("JWT-3 JWT-7 the page's newest token counts, also if the refused one before was good after all", func(t *testing.T) {
		started(t, sdktest.Options{AutoBot: true}, func(t *testing.T, g *page) {
			id := g.chat()
			n := 0
			g.p.OnRequest(func(x *sdktest.Exchange) {
				switch n++; n {
				case 1:
					x.DelayAnswer(time.Second)
				case 2:
					x.Refuse(401, "unauthorized", 0)
				}
			})
			g.p.OnFrame(func(f *sdktest.Frame) {
				if f.FromClient && strings.Contains(f.Text, "authenticate") {
					f.Delay = 2 * time.Second
				}
			})
			g.c.Messages(id, 10, g.delivered[id], func(sdk.Page, error) {})
			synctest.Wait()
			g.send(id, "refused")
			if err := g.c.SetJWTToken(g.p.Token(sdktest.Claims{Name: "Ann", TTL: 30 * time.Second})); err != nil {
				t.Fatal(err)
			}
			g.clear()
			time.Sleep(31 * time.Second)
			if g.count(sdk.EventTokenExpired) != 1 {
				t.Errorf("JWT-3: the token before is in use again: %s", g.typesOf())
			}
		})
	})
	t.Run("JWT-8 one reading of the time that is wrong does not end the chat", func(t *testing.T) {
		for name, wrong := range map[string]func(g *page, id string){
			"a ping an hour ahead": func(g *page, id string) {
				g.p.SendRaw(`{"type":"ping","serverTime":"` + time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05.000Z") + `"}`)
			},
			"a ping of the year 9999": func(g *page, id string) { g.p.SendRaw(`{"type":"ping","serverTime":"9999-01-01T00:00:00.000Z"}`) },
			"the date of a proxy's 401": func(g *page, id string) {
				g.p.OnRequest(func(x *sdktest.Exchange) {
					x.Respond(sdk.Response{Status: 401, Date: time.Now().Add(time.Hour)})
				})
				g.send(id, "refused")
				g.p.OnRequest(nil)
			},
		} {
			t.Run(name, func(t *testing.T) {
				started(t, sdktest.Options{AutoBot: true}, func(t *testing.T, g *page) {
					id := g.chat()
					g.clear()
					wrong(g, id)
					time.Sleep(5 * time.Second)
					if err := g.c.SetJWTToken(g.p.Token(sdktest.Claims{Name: "Ann", TTL: 15 * time.Minute})); err != nil {
						t.Error(err)
					}
					if _, err := g.send(id, "goes on"); err != nil {
						t.Error(err)
					}
					time.Sleep(time.Second)
					if list, _ := g.ofTypes(sdk.EventTokenExpired, sdk.EventStreamFailed, sdk.EventIdleTimeoutExpired); len(list) != 0 || g.count(sdk.EventMessageDelivered) != 1 {
						t.Errorf("JWT-8: %s", g.typesOf())
					}
				})
			})
		}
	})
	t.Run("JWT-7 INIT-4 an appkey that the server refuses is not called a bad token", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			params := p.Params(sdktest.Claims{})
			params.Appkey = "another"
			_, err := g.tryInit(params, sdk.Config{})
			var e *sdk.Error
			if !errors.As(err, &e) || e.Code != 302 || !strings.Contains(e.Message, "appkey") {
				t.Errorf("INIT-4: %v", err)
			}
		})
	})
	t.Run("INIT-3 JWT-4 an exp in milliseconds is said so", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			err := g.c.SetJWTToken("e30.eyJleHAiOjE3Njc2MDcyMDAwMDB9.c2ln")
			wantCode(t, err, 305)
			if !strings.Contains(err.Error(), "milliseconds") {
				t.Errorf("%v", err)
			}
			synctest.Wait()
		})
	})
}
