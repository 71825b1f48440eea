package sdk_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
	"openchat/sdk/wire"
)

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
		return sdk.Await(g.t.Context(), func(done func(sdk.Page, error)) { g.c.Messages(id, size, g.delivered[id], done) })
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
			// Stored before the answer is made, received after the question was asked.
			g.p.OnRequest(func(x *sdktest.Exchange) {
				if strings.HasSuffix(x.Path, "/messages") {
					bo.Say(id, "4")
					bo.Say(id, "5")
				}
			})
			g.c.Messages(id, 2, g.delivered[id], func(p sdk.Page, err error) {
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

// History and events that cross on their way.
func TestPagesCrossing(t *testing.T) {
	joinedMeanwhile := func(t *testing.T, then func(bo *sdktest.Agent, id string)) {
		started(t, sdktest.Options{RouteDelay: -1}, func(t *testing.T, g *page) {
			id := g.create()
			bo := g.p.Agent("Bo")
			bo.Accept(id)
			for i := range 6 {
				bo.Say(id, fmt.Sprintf("history %d", i+1))
			}
			meanwhile(g.p, "GET /engagements/", func(x *sdktest.Exchange) { x.Delay(time.Second) })
			var page sdk.Page
			g.c.Messages(id, 4, g.delivered[id], func(p sdk.Page, err error) {
				if err != nil {
					t.Error(err)
				}
				page = p
			})
			g.join(id)
			bo.Say(id, "news 1")
			bo.Say(id, "news 2")
			then(bo, id)
			time.Sleep(5 * time.Second)
			var history []string
			for _, m := range page.Items {
				history = append(history, m.Body.Text)
			}
			if got, want := strings.Join(history, ", "), "history 6, history 5, history 4, history 3"; got != want {
				t.Errorf("the page holds %s, want %s", got, want)
			}
			if got, want := strings.Join(g.texts(sdk.EventMessageArrived), ", "), "news 1, news 2"; got != want {
				t.Errorf("received %s, want %s", got, want)
			}
		})
	}
	t.Run("PAGE-3 history of a chat that is joined while it is read", func(t *testing.T) {
		joinedMeanwhile(t, func(*sdktest.Agent, string) {})
	})
	t.Run("PAGE-3 history of a chat that is joined and ends while it is read", func(t *testing.T) {
		joinedMeanwhile(t, func(bo *sdktest.Agent, id string) { bo.End(id) })
	})
	t.Run("PAGE-2 PAGE-3 all that is older has yet to be delivered: there is no older page", func(t *testing.T) {
		for name, o := range map[string]sdktest.Options{
			"raised":         {},
			"not raised yet": {Latency: time.Millisecond, StreamLatency: 2 * time.Second},
		} {
			t.Run(name, func(t *testing.T) {
				started(t, o, func(t *testing.T, g *page) {
					id := g.chat()
					time.Sleep(5 * time.Second)
					bo := g.p.Agent("Bo")
					bo.Accept(id)
					for i := range 3 {
						bo.Say(id, fmt.Sprint(i+1))
					}
					if _, err := g.send(id, "mine"); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Second)
					p, err := sdk.Await(t.Context(), func(done func(sdk.Page, error)) { g.c.Messages(id, 1, 0, done) })
					if err != nil || len(p.Items) != 1 || p.Items[0].Body.Text != "mine" || p.HasPrevious {
						t.Errorf("%+v, %v", p, err)
					}
				})
			})
		}
	})
	t.Run("PAGE-1 however much of a chat is not delivered yet, a page of history takes two calls", func(t *testing.T) {
		started(t, sdktest.Options{}, func(t *testing.T, g *page) {
			id := g.chat()
			bo := g.p.Agent("Bo")
			bo.Accept(id)
			for i := range 10 {
				bo.Say(id, fmt.Sprint(i+1))
			}
			time.Sleep(time.Second)
			g.p.Silence()
			for range 40 {
				bo.Say(id, "not delivered yet")
			}
			before := len(g.p.Requests())
			p, err := sdk.Await(t.Context(), func(done func(sdk.Page, error)) { g.c.Messages(id, 10, g.delivered[id], done) })
			if err != nil {
				t.Fatal(err)
			}
			if n := len(p.Items); n != 10 || p.Items[0].Body.Text != "10" || p.HasPrevious {
				t.Errorf("%d items, the first is %q, more is %v", n, p.Items[0].Body.Text, p.HasPrevious)
			}
			if n := len(g.p.Requests()) - before; n != 2 {
				t.Errorf("it took %d calls", n)
			}
		})
	})
}
