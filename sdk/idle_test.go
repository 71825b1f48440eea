package sdk_test

import (
	"testing"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
	"openchat/sdk/wire"
)

func TestIdle(t *testing.T) {
	t.Run("NS-8 IDLE-1 IDLE-2 IDLE-3 real durations", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			begun := time.Now()
			time.Sleep(299 * time.Second)
			if g.count(sdk.EventIdleTimeoutExpired) != 0 {
				t.Fatal("too early")
			}
			if err := g.c.ResetIdleTimeout(); err != nil {
				t.Fatal(err)
			}
			e := g.wait(sdk.EventIdleTimeoutExpired)
			if d := e.Date.Sub(begun); d != 599*time.Second {
				t.Errorf("expired after %v", d)
			}
			if e.GracePeriod != 30*time.Second {
				t.Errorf("grace %v", e.GracePeriod)
			}
			g.chat() // activity in the grace period starts over
			time.Sleep(60 * time.Second)
			if g.count(sdk.EventShutdown) != 0 {
				t.Fatal("shut down in spite of activity")
			}
			g.clear()
			s := g.wait(sdk.EventShutdown)
			if s.Reason != "USER_INACTIVE" {
				t.Errorf("reason %s", s.Reason)
			}
			if g.p.Engagements()[0].EngagementStatus != wire.EngagementActive {
				t.Error("the chat was closed")
			}
		})
	})
	t.Run("INIT-6 idleTimeout 0 disables", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, p.Storage())
			g.init(sdktest.Claims{TTL: 10 * time.Hour}, sdk.Config{IdleTimeout: sdk.IdleDisabled})
			time.Sleep(5 * time.Hour)
			if g.count(sdk.EventIdleTimeoutExpired) != 0 {
				t.Error("it expired")
			}
			g.end()
		})
	})
}

func TestIdleEdges(t *testing.T) {
	for _, c := range []struct {
		name     string
		activity bool
		act      func(g *page, id string) error
	}{
		{"nothing", false, func(*page, string) error { return nil }},
		{"resetIdleTimeout", true, func(g *page, _ string) error { return g.c.ResetIdleTimeout() }},
		{"createEngagement", true, func(g *page, _ string) error {
			_, err := sdk.Await(g.t.Context(), func(done func(sdk.Engagement, error)) { g.c.CreateEngagement(nil, done) })
			return err
		}},
		{"sendMessage", true, func(g *page, id string) error { _, err := g.send(id, "hi"); return err }},
		{"join, refused", true, func(g *page, id string) error {
			_, err := sdk.Await(g.t.Context(), func(done func(sdk.Engagement, error)) { g.c.Join(id, done) })
			wantCode(g.t, err, 315)
			return nil
		}},
		{"disconnect", true, func(g *page, id string) error {
			_, err := sdk.Await(g.t.Context(), func(done func(sdk.Engagement, error)) { g.c.Disconnect(id, "", done) })
			return err
		}},
		{"getEngagements", false, func(g *page, _ string) error {
			_, err := sdk.Await(g.t.Context(), g.c.Engagements)
			return err
		}},
		{"getMessages", false, func(g *page, id string) error {
			_, err := sdk.Await(g.t.Context(), func(done func(sdk.Page, error)) { g.c.Messages(id, 10, g.delivered[id], done) })
			return err
		}},
		{"setJwtToken", false, func(g *page, _ string) error {
			return g.c.SetJWTToken(g.p.Token(sdktest.Claims{Name: "Ann", TTL: 2 * time.Hour}))
		}},
	} {
		t.Run("IDLE-1 IDLE-2 "+c.name, func(t *testing.T) {
			started(t, sdktest.Options{}, func(t *testing.T, g *page) {
				id := g.chat()
				g.c.ResetIdleTimeout()
				begun := time.Now()
				time.Sleep(100 * time.Second)
				if err := c.act(g, id); err != nil {
					t.Fatal(err)
				}
				due := 300 * time.Second
				if c.activity {
					due += 100 * time.Second
				}
				// An answer takes a moment, and the timer starts with the call.
				if d := g.wait(sdk.EventIdleTimeoutExpired).Date.Sub(begun); d != due {
					t.Errorf("expired after %v, want %v", d, due)
				}
			})
		})
	}
	t.Run("IDLE-2 IDLE-3 the grace period, begun anew and to its end", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			for range 2 { // the second time, activity is in the grace period
				first := g.wait(sdk.EventIdleTimeoutExpired)
				if first.GracePeriod != 30*time.Second {
					t.Errorf("gracePeriod %v", first.GracePeriod)
				}
				time.Sleep(29*time.Second + 900*time.Millisecond - time.Since(first.Date))
				if err := g.c.ResetIdleTimeout(); err != nil {
					t.Fatal(err)
				}
				g.clear()
			}
			warned := g.wait(sdk.EventIdleTimeoutExpired)
			if n := g.count(sdk.EventShutdown); n != 0 {
				t.Fatalf("%d times SHUTDOWN", n)
			}
			over := g.wait(sdk.EventShutdown)
			// The end is sent to the gateway first.
			if d := over.Date.Sub(warned.Date); d < 30*time.Second || d > 31*time.Second || over.Reason != "USER_INACTIVE" {
				t.Errorf("SHUTDOWN %v after the warning, reason %s", d, over.Reason)
			}
		})
	})
}
