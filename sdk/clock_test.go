package sdk_test

import (
	"fmt"
	"testing"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
)

// wrongClocks are by how much a device's wall clock is ahead of the server's.
var wrongClocks = []time.Duration{
	-12 * time.Hour, -16 * time.Minute, -time.Minute, -700 * time.Millisecond, 0, 700 * time.Millisecond,
	time.Minute, 12*time.Minute + 30*time.Second, 16 * time.Minute, 2 * time.Hour, 12 * time.Hour,
}

func TestWrongClock(t *testing.T) {
	for _, ahead := range wrongClocks {
		t.Run(fmt.Sprintf("JWT-8 INIT-3 JWT-1 JWT-2 JWT-3 a device whose clock is %v ahead", ahead), func(t *testing.T) {
			platform(t, sdktest.Options{AutoBot: true}, func(t *testing.T, p *sdktest.Platform) {
				g := newPage(t, p, p.Storage())
				g.setClock(ahead)
				g.init(sdktest.Claims{TTL: 15 * time.Minute}, sdk.Config{IdleTimeout: sdk.IdleDisabled})
				begun := time.Now()
				id := g.chat()
				for _, e := range g.events {
					if d := e.Date.Sub(begun).Abs(); d > 2*time.Second && e.Type != sdk.EventStreamConnecting {
						t.Errorf("the date of %s is %v away from the server's", e.Type, d)
					}
				}
				e := g.wait(sdk.EventTokenExpiryReminder)
				if d := time.Until(e.ExpiryDate) - 3*time.Minute; d > 0 || d < -1100*time.Millisecond { // wait looks once a second
					t.Errorf("JWT-1: the reminder is %v off", d)
				}
				if err := g.c.SetJWTToken(p.Token(sdktest.Claims{TTL: 15 * time.Minute})); err != nil {
					t.Fatalf("JWT-4: %v", err)
				}
				g.clear()
				time.Sleep(11 * time.Minute)
				if list, _ := g.ofTypes(sdk.EventTokenExpiryReminder, sdk.EventTokenExpired, sdk.EventStreamFailed); len(list) != 0 {
					t.Fatalf("JWT-1: too early: %s", g.typesOf())
				}
				g.wait(sdk.EventTokenExpiryReminder)
				g.wait(sdk.EventTokenExpired)
				list, at := g.ofTypes(sdk.EventTokenExpired)
				if d := at[0].Sub(list[0].Date); len(list) != 1 || d < -time.Second || d > time.Second {
					t.Errorf("JWT-2: expired %d times, %v after its end", len(list), d)
				}
				wantCode(t, g.c.SetJWTToken(p.Token(sdktest.Claims{TTL: -time.Minute})), 305)
				if err := g.c.SetJWTToken(p.Token(sdktest.Claims{})); err != nil {
					t.Fatalf("JWT-3: %v", err)
				}
				if _, err := g.send(id, "on time"); err != nil {
					t.Error(err)
				}
				g.end()
			})
		})
	}
	t.Run("JWT-8 INIT-3 an expired token is refused by the server, whatever the clock says", func(t *testing.T) {
		for _, ahead := range wrongClocks {
			platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
				g := newPage(t, p, p.Storage())
				g.setClock(ahead)
				_, err := g.tryInit(p.Params(sdktest.Claims{TTL: -time.Minute}), sdk.Config{})
				wantCode(t, err, 305)
			})
		}
	})
	for _, step := range []time.Duration{-12 * time.Hour, -2 * time.Hour, -10 * time.Minute, -30 * time.Second, 30 * time.Second, 10 * time.Minute, 2 * time.Hour, 12 * time.Hour} {
		t.Run(fmt.Sprintf("JWT-8 IDLE-1 MSG-6 the clock is set by %v while a chat is running", step), func(t *testing.T) {
			started(t, sdktest.Options{AutoBot: true}, func(t *testing.T, g *page) {
				id := g.chat()
				bo := g.p.Agent("Bo")
				bo.Accept(id)
				time.Sleep(time.Minute)
				g.clear()
				g.setClock(step)
				time.Sleep(time.Minute)
				bo.Say(id, "after the step")
				time.Sleep(time.Second)
				if err := g.c.SetJWTToken(g.p.Token(sdktest.Claims{Name: "Ann", TTL: 15 * time.Minute})); err != nil {
					t.Errorf("JWT-4: %v", err)
				}
				if _, err := g.send(id, "and back"); err != nil {
					t.Error(err)
				}
				time.Sleep(4 * time.Minute)
				if got := g.texts(sdk.EventMessageArrived); len(got) != 1 || got[0] != "after the step" {
					t.Errorf("MSG-6: received %q", got)
				}
				if list, _ := g.ofTypes(sdk.EventTokenExpiryReminder, sdk.EventTokenExpired, sdk.EventStreamFailed, sdk.EventIdleTimeoutExpired); len(list) != 0 {
					t.Errorf("the step raised %s", g.typesOf())
				}
				time.Sleep(2 * time.Minute) // five minutes since the send
				if g.count(sdk.EventIdleTimeoutExpired) != 1 {
					t.Errorf("IDLE-1: %s", g.typesOf())
				}
			})
		})
	}
	t.Run("JWT-8 IDLE-1 JWT-1 a device that slept knows how long", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			g.c.SetJWTToken(g.p.Token(sdktest.Claims{Name: "Ann", TTL: 10 * time.Minute}))
			time.Sleep(4 * time.Minute)
			g.clear()
			g.sleepDevice(3*time.Minute+30*time.Second, 0)
			time.Sleep(time.Second)
			if g.count(sdk.EventTokenExpiryReminder) != 1 || g.count(sdk.EventIdleTimeoutExpired) != 1 || g.count(sdk.EventStreamFailed) != 0 {
				t.Errorf("after a sleep past both moments: %s", g.typesOf())
			}
		})
	})
	t.Run("JWT-8 IDLE-1 a ping that was answered before the sleep, and is received after it, does not hide it", func(t *testing.T) {
		started(t, sdktest.Options{StreamLatency: 10 * time.Millisecond}, func(t *testing.T, g *page) {
			g.c.Wake(sdk.WakeVisible)         // pings
			time.Sleep(15 * time.Millisecond) // the answer is on its way back
			g.sleepDevice(6*time.Minute, 0)
			time.Sleep(10 * time.Second)
			if g.count(sdk.EventIdleTimeoutExpired) != 1 || g.count(sdk.EventStreamFailed) != 0 {
				t.Errorf("IDLE-1: after six minutes asleep: %s", g.typesOf())
			}
		})
	})
	t.Run("JWT-8 IDLE-1 slept and set at once", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			g.setClock(12 * time.Hour)
			g.sleepDevice(2*time.Minute, 0)
			time.Sleep(time.Second)
			if g.count(sdk.EventIdleTimeoutExpired) != 0 {
				t.Error("IDLE-1: two minutes asleep are not five")
			}
			time.Sleep(2 * time.Minute)
			g.sleepDevice(2*time.Minute, 2*time.Minute)
			time.Sleep(time.Second)
			if g.count(sdk.EventIdleTimeoutExpired) != 1 {
				t.Error("IDLE-1: six minutes are more than five")
			}
		})
	})
}

// A gateway of the version before does not tell its time.
func TestClockOfOlderGateway(t *testing.T) {
	old := func(t *testing.T, f func(t *testing.T, g *page)) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			p.HideClock(true)
			g := newPage(t, p, p.Storage())
			g.init(sdktest.Claims{Name: "Ann", TTL: 15 * time.Minute}, sdk.Config{})
			f(t, g)
			g.end()
		})
	}
	t.Run("JWT-1 IDLE-1 a sleep counts", func(t *testing.T) {
		old(t, func(t *testing.T, g *page) {
			g.sleepDevice(13*time.Minute, 0)
			time.Sleep(time.Second)
			if g.count(sdk.EventTokenExpiryReminder) != 1 || g.count(sdk.EventIdleTimeoutExpired) != 1 {
				t.Errorf("after a sleep past both moments: %s", g.typesOf())
			}
		})
	})
	t.Run("JWT-4 an expired token is refused", func(t *testing.T) {
		old(t, func(t *testing.T, g *page) {
			wantCode(t, g.c.SetJWTToken(g.p.Token(sdktest.Claims{Name: "Ann", TTL: -time.Second})), 305)
		})
	})
}
