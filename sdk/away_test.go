package sdk_test

import (
	"testing"
	"testing/synctest"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
)

// The page is in the browser's back/forward cache, for longer than any window.
func TestAway(t *testing.T) {
	const away = 4 * time.Minute
	leave := func(t *testing.T, g *page) {
		t.Helper()
		g.c.Wake(sdk.WakeAway)
		synctest.Wait()
		dials := g.p.Dials()
		g.c.Wake(sdk.WakeOffline)
		g.c.Wake(sdk.WakeAway)
		time.Sleep(away)
		if g.p.Dials() != dials {
			t.Error("attempts while nobody is there")
		}
	}
	for name, back := range map[string]func(g *page) error{
		"visible":         func(g *page) error { g.c.Wake(sdk.WakeVisible); return nil },
		"online":          func(g *page) error { g.c.Wake(sdk.WakeOnline); return nil },
		"retryConnection": func(g *page) error { return g.c.RetryConnection() },
	} {
		t.Run("STREAM-1 STREAM-3 STREAM-5 it lets go at once, and resumes at once when it is back: "+name, func(t *testing.T) {
			started(t, sdktest.Options{}, func(t *testing.T, g *page) {
				id := g.chat()
				bo := g.p.Agent("Bo")
				bo.Accept(id)
				time.Sleep(time.Second)
				g.clear()
				leave(t, g)
				bo.Say(id, "meanwhile")
				time.Sleep(time.Second)
				if n := len(g.events); n != 1 || g.events[0].Type != sdk.EventStreamFailed || g.events[0].RetryAfter != 0 {
					t.Errorf("it heard %s", g.typesOf())
				}
				g.clear()
				begun := time.Now()
				if err := back(g); err != nil {
					t.Fatal(err)
				}
				if e := g.wait(sdk.EventStreamConnected); e.Date.Sub(begun) > 100*time.Millisecond {
					t.Errorf("connected after %v", e.Date.Sub(begun))
				}
				g.wait(sdk.EventMessageArrived)
				if got := g.texts(sdk.EventMessageArrived); len(got) != 1 || got[0] != "meanwhile" {
					t.Errorf("it heard %q", got)
				}
			})
		})
	}
	t.Run("STREAM-2 the reconnection window begins when it is back", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			leave(t, g)
			g.p.Down()
			g.clear()
			g.c.Wake(sdk.WakeVisible)
			if err := g.c.ResetIdleTimeout(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(60 * time.Second)
			for _, e := range g.events {
				if e.Reason == string(sdk.FailureReconnectionTimeout) {
					t.Fatal("it gave up")
				}
			}
			g.p.Up()
			g.wait(sdk.EventStreamConnected)
		})
	})
	t.Run("STREAM-1 left while broken: nothing is said twice", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			g.p.Down()
			g.wait(sdk.EventStreamFailed)
			leave(t, g)
			for i, e := range g.events {
				if i > 0 && e.Type == sdk.EventStreamFailed && g.events[i-1].Type == sdk.EventStreamFailed {
					t.Errorf("it heard %s", g.typesOf())
				}
			}
			g.p.Up()
			g.c.Wake(sdk.WakeVisible)
			g.wait(sdk.EventStreamConnected)
		})
	})
	t.Run("INIT-7 left while init runs: init goes on", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			p.OnDial(func(*sdktest.Dial) { g.c.Wake(sdk.WakeAway) })
			g.init(sdktest.Claims{}, sdk.Config{})
			g.end()
		})
	})
}
