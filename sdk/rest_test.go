package sdk_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
	"openchat/sdk/wire"
)

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

func TestAnswersThatNameNothing(t *testing.T) {
	answer := func(status int, kind string) func(*sdktest.Exchange) {
		return func(x *sdktest.Exchange) { x.Refuse(status, kind, 0) }
	}
	for _, c := range []struct {
		status int
		kind   string
	}{{404, wire.ProblemNotFound}, {409, wire.ProblemConflict}} {
		t.Run("INIT-9 in init", func(t *testing.T) {
			platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
				meanwhile(p, "POST /sessions", answer(c.status, c.kind))
				_, err := newPage(t, p, p.Storage()).tryInit(p.Params(sdktest.Claims{}), sdk.Config{})
				wantCode(t, err, sdk.CodeUnexpectedAnswer)
			})
		})
		t.Run("NS-4 of createEngagement", func(t *testing.T) {
			started(t, sdktest.Options{}, func(t *testing.T, g *page) {
				meanwhile(g.p, "POST /engagements", answer(c.status, c.kind))
				_, err := sdk.Await(t.Context(), func(done func(sdk.Engagement, error)) { g.c.CreateEngagement(nil, done) })
				wantCode(t, err, sdk.CodeUnexpectedAnswer)
			})
		})
	}
	t.Run("ENG-5 disconnect is not done by a captive portal's word", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			meanwhile(g.p, "POST /engagements/", func(x *sdktest.Exchange) {
				x.Respond(sdk.Response{Status: 200, Body: []byte("<html>")})
			})
			_, err := sdk.Await(t.Context(), func(done func(sdk.Engagement, error)) { g.c.Disconnect(id, "", done) })
			wantCode(t, err, sdk.CodeUnexpectedAnswer)
			if _, err := g.send(id, "still here"); err != nil {
				t.Errorf("the chat goes on: %v", err)
			}
		})
	})
}
