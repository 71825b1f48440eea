package sdk_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
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
				t.Errorf("received %q", got)
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
				t.Errorf("received %q", got)
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
				t.Errorf("received %q", got)
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

// tardy is a transport whose connections come after they have been given up.
type tardy struct {
	sdk.Transport
	late atomic.Bool
}

func (t *tardy) Dial(_ context.Context, url, subprotocol string) (sdk.Conn, error) {
	if t.late.Load() {
		time.Sleep(11 * time.Second) // an attempt has 10
	}
	return t.Transport.Dial(context.Background(), url, subprotocol)
}

func TestStreamEdges(t *testing.T) {
	t.Run("STREAM-4 STREAM-5 frames that wait for init's answer are no silence", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			p.OnRequest(func(x *sdktest.Exchange) {
				if x.Method == "GET" && x.Path == "/engagements" {
					x.DelayAnswer(9 * time.Second)
				}
			})
			g := newPage(t, p, p.Storage())
			time.AfterFunc(2*time.Second, func() { g.c.Wake(sdk.WakeVisible) })
			g.init(sdktest.Claims{}, sdk.Config{})
			time.Sleep(time.Minute)
			if n := g.count(sdk.EventStreamFailed); n != 0 || p.Dials() != 1 {
				t.Errorf("%d dials, events %s", p.Dials(), g.typesOf())
			}
			g.end()
		})
	})
	t.Run("STREAM-3 a connection that comes after it was given up is closed, unused", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			transport := &tardy{Transport: p.Transport()}
			g := newPageOver(t, p, transport, p.Storage())
			g.init(sdktest.Claims{Name: "Ann"}, sdk.Config{})
			const breaks = 20 // whether it meets the session or its end is up to the scheduler
			for range breaks {
				g.c.ResetIdleTimeout()
				transport.late.Store(true)
				p.CutStreams(1006)
				time.Sleep(11 * time.Second)
				transport.late.Store(false)
				time.Sleep(40 * time.Second)
			}
			if n := g.count(sdk.EventStreamConnected); n != 1+breaks {
				t.Errorf("connected %d times, want %d: %v", n, 1+breaks, g.marks)
			}
			g.end()
		})
	})
	t.Run("STREAM-3 an event that comes again", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			bo := g.p.Agent("Bo")
			bo.Accept(id)
			bo.Say(id, "once")
			g.wait(sdk.EventMessageArrived)
			for _, f := range g.p.Frames() {
				if !f.FromClient && strings.Contains(f.Text, `"event"`) {
					g.p.SendRaw(f.Text)
				}
			}
			g.clear()
			time.Sleep(time.Second)
			if len(g.events) != 0 {
				t.Errorf("received again: %s", g.typesOf())
			}
		})
	})
	t.Run("STREAM-4 a ping is answered", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			time.Sleep(time.Second)
			g.p.SendRaw(`{"type":"ping"}`)
			time.Sleep(time.Second)
			frames := g.p.Frames()
			if last := frames[len(frames)-1]; !last.FromClient || !strings.Contains(last.Text, `"pong"`) {
				t.Errorf("the last frame is %+v", last)
			}
		})
	})
	t.Run("EV-7 STREAM-2 retryAfter is when the next attempt is, in whole seconds, 30 at most", func(t *testing.T) {
		platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
			g := newPage(t, p, nil)
			g.init(sdktest.Claims{TTL: 10 * time.Hour}, sdk.Config{ReconnectionTimeout: 300 * time.Second, IdleTimeout: sdk.IdleDisabled})
			for range 10 {
				g.clear()
				p.Down()
				time.Sleep(310 * time.Second)
				var after time.Duration
				var failed time.Time
				for i, e := range g.events {
					switch e.Type {
					case sdk.EventStreamFailed:
						after, failed = e.RetryAfter, g.times[i]
						if after > 30*time.Second {
							t.Errorf("retryAfter %v", after)
						}
					case sdk.EventStreamConnecting:
						if d := g.times[i].Sub(failed); d > after || d <= after-time.Second {
							t.Errorf("retryAfter %v, tried after %v", after, d)
						}
					}
				}
				p.Up()
				if err := g.c.RetryConnection(); err != nil {
					t.Fatal(err)
				}
				g.wait(sdk.EventStreamConnected)
				time.Sleep(15 * time.Second)
			}
			g.end()
		})
	})
	for name, w := range map[string]sdk.Wake{"online": sdk.WakeOnline, "visible": sdk.WakeVisible} {
		t.Run("STREAM-5 "+name+" does not wait for the next attempt", func(t *testing.T) {
			started(t, sdktest.Options{}, func(t *testing.T, g *page) {
				for range 5 {
					g.p.Down()
					for { // until the next attempt is far away
						g.clear()
						if !gaveUp(g.until(func(e sdk.Event) bool { return e.RetryAfter > 3*time.Second || gaveUp(e) })) {
							break
						}
						g.c.RetryConnection()
					}
					g.p.Up()
					g.clear()
					woken := time.Now()
					g.c.Wake(w)
					if e := g.wait(sdk.EventStreamConnected); e.Date.Sub(woken) > time.Second {
						t.Errorf("connected %v after it", e.Date.Sub(woken))
					}
					time.Sleep(15 * time.Second)
				}
			})
		})
	}
	t.Run("NS-9 STREAM-6 retryConnection has a whole new window", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			g.p.Down()
			g.until(gaveUp)
			g.clear()
			time.Sleep(20 * time.Second)
			begun := time.Now()
			if err := g.c.RetryConnection(); err != nil {
				t.Fatal(err)
			}
			if d := g.until(gaveUp).Date.Sub(begun); d < 119*time.Second || d > 121*time.Second {
				t.Errorf("it was %v", d)
			}
		})
	})
}

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
					t.Errorf("it received %s", g.typesOf())
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
					t.Errorf("it received %q", got)
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
					t.Errorf("it received %s", g.typesOf())
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
