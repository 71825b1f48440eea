package sdk_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
	"openchat/sdk/wire"
)

// Edges that faults planted by tests/mutation have shown to be unguarded.

func TestIdleEdges(t *testing.T) {
	nothing := func(g *page, id string) error { return nil }
	for _, c := range []struct {
		name     string
		activity bool
		act      func(g *page, id string) error
	}{
		{"nothing", false, nothing},
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
			_, err := sdk.Await(g.t.Context(), func(done func(sdk.Page, error)) { g.c.Messages(id, 10, done) })
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
			// The end is told to the gateway first.
			if d := over.Date.Sub(warned.Date); d < 30*time.Second || d > 31*time.Second || over.Reason != "USER_INACTIVE" {
				t.Errorf("SHUTDOWN %v after the warning, reason %s", d, over.Reason)
			}
		})
	})
}

func TestArgumentEdges(t *testing.T) {
	t.Run("SHUT-1 reasons", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			for _, reason := range []wire.Reason{"BORED", wire.ReasonSystemClosed} {
				wantCode(t, await(g, func(done func(error)) { g.c.Shutdown(reason, done) }), 322)
			}
			if err := await(g, func(done func(error)) { g.c.Shutdown(wire.ReasonUserInactive, done) }); err != nil {
				t.Fatal(err)
			}
			if e := g.wait(sdk.EventShutdown); e.Reason != "USER_INACTIVE" {
				t.Errorf("reason %s", e.Reason)
			}
		})
	})
	t.Run("ENG-8 INIT-5 parameters are refused before the gateway hears of them", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			before := len(g.p.Requests())
			for _, c := range []struct {
				p    map[string]string
				code sdk.Code
			}{
				{map[string]string{strings.Repeat("k", 65): "v"}, 322},
				{map[string]string{"k": strings.Repeat("v", 257)}, 322},
				{map[string]string{"": "v"}, 322},
			} {
				_, err := sdk.Await(t.Context(), func(done func(sdk.Engagement, error)) { g.c.CreateEngagement(c.p, done) })
				wantCode(t, err, c.code)
			}
			if n := len(g.p.Requests()) - before; n != 0 {
				t.Errorf("%d calls were made", n)
			}
			most := map[string]string{strings.Repeat("k", 64): strings.Repeat("v", 256)}
			if _, err := sdk.Await(t.Context(), func(done func(sdk.Engagement, error)) { g.c.CreateEngagement(most, done) }); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("NS-6 an engagement that began elsewhere after init", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			h := newPage(t, g.p, sdktest.NewStorage())
			h.init(sdktest.Claims{Name: "Ann"}, sdk.Config{})
			defer h.end()
			id := g.chat()
			found := make(chan sdk.Engagement, 1)
			h.c.EngagementByID(id, func(e sdk.Engagement, ok bool, err error) {
				if !ok || err != nil {
					t.Errorf("%v, %v", ok, err)
				}
				found <- e
			})
			if e := <-found; e.EngagementID != id || e.EngagementStatus != wire.EngagementPending {
				t.Errorf("%+v", e)
			}
		})
	})
}

func TestBackoffEdges(t *testing.T) {
	// delays are the times from breaks to the first attempts after them.
	delays := func(t *testing.T, g *page, n int, stable time.Duration) (list []time.Duration) {
		for range n {
			time.Sleep(stable)
			g.clear()
			broke := time.Now()
			g.p.CutStreams(1006)
			g.wait(sdk.EventStreamConnected)
			i := slices.IndexFunc(g.events, func(e sdk.Event) bool { return e.Type == sdk.EventStreamConnecting })
			list = append(list, g.times[i].Sub(broke))
		}
		return list
	}
	t.Run("STREAM-2 the first retry comes under a second, each time, and not in step", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			list := delays(t, g, 20, 15*time.Second)
			if late := slices.Max(list); late > 1100*time.Millisecond {
				t.Errorf("a first retry after %v: %v", late, list)
			}
			seen := map[string]bool{}
			for _, d := range list {
				seen[fmt.Sprint(d.Round(50*time.Millisecond))] = true
			}
			if len(seen) < 5 {
				t.Errorf("no jitter: %v", list)
			}
		})
	})
}
