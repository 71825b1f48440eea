package sdktest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
	"openchat/sdk/wire"
)

// A page's message is stored once, though the answer to its first attempt is lost. In
// real time: a test of yours would run in a synctest bubble.
func ExampleFaults() {
	p := sdktest.New(sdktest.Options{AutoBot: true})
	defer p.Close()
	entered := make(chan string, 1)
	c := sdk.NewCore(sdk.Options{
		Transport: p.Transport(),
		Storage:   p.Storage(),
		Deliver: func(e sdk.Event) {
			if e.Type == sdk.EventEngagementActive {
				entered <- e.EngagementID
			}
		},
	})
	ctx := context.Background()
	sdk.Await(ctx, func(done func(sdk.UserContext, error)) {
		c.Init(p.Params(sdktest.Claims{Name: "Ann"}), sdk.Config{}, done)
	})
	c.CreateEngagement(nil, nil)
	chat := <-entered

	f := p.Faults()
	f.Do(sdktest.Step{Kind: sdktest.LoseAnswer, On: "/messages"})
	m, err := sdk.Await(ctx, func(done func(sdk.Message, error)) { c.SendMessage(chat, "hello", "", done) })

	stored := 0
	for _, s := range p.Messages(chat) {
		if s.Body.Text == "hello" {
			stored++
		}
	}
	fmt.Println(m.Body.Text, err, "stored:", stored)
	sdk.Await(ctx, func(done func(struct{}, error)) {
		c.Shutdown("", func(err error) { done(struct{}{}, err) })
	})
	fmt.Println("left:", p.Busy())
	// Output:
	// hello <nil> stored: 1
	// left: 0
}

// The fault schedule of a seed is a list of steps, the same each time. Play all of it with
// Faults.Run, or single steps with Faults.Do.
func ExampleNewSchedule() {
	steps := sdktest.NewSchedule(2, sdktest.ScheduleOptions{Length: 5 * time.Minute, Bursts: 1, Agents: 2})
	for _, s := range steps {
		fmt.Printf("%8.3f s  %v\n", s.At.Seconds(), s)
	}
	// Output:
	//   58.783 s  agent joins code 1 pick 2
	//  128.142 s  agent writes ×5 pick 4
	//  246.612 s  silence streams
	//  254.170 s  agent writes ×4 code 2 pick 2
	//  268.865 s  delay answer ×3 on ":join" for 3.12s
	//  271.485 s  forget
	//  291.054 s  refuse ×3 for 2s code 429
	//  293.227 s  agent writes ×3 pick 3
	//  295.356 s  delay request ×3 on "POST" for 5.72s
}

func ExampleShrink() {
	// Whatever holds both 3 and 7 fails.
	fails := func(steps []int) bool { return slices.Contains(steps, 3) && slices.Contains(steps, 7) }
	fmt.Println(sdktest.Shrink([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, time.Second, fails))
	// Output: [3 7]
}

func TestNewSchedule(t *testing.T) {
	kinds := map[sdktest.Kind]bool{}
	for seed := uint64(1); seed <= 200; seed++ {
		a := sdktest.NewSchedule(seed, sdktest.ScheduleOptions{Length: time.Hour, MaxOutage: 30 * time.Second})
		if !reflect.DeepEqual(a, sdktest.NewSchedule(seed, sdktest.ScheduleOptions{Length: time.Hour, MaxOutage: 30 * time.Second})) {
			t.Fatalf("seed %d has two schedules", seed)
		}
		for i, s := range a {
			kinds[s.Kind] = true
			if i > 0 && s.At < a[i-1].At {
				t.Fatalf("seed %d is out of order", seed)
			}
			if s.Kind == sdktest.Outage && s.For > 30*time.Second {
				t.Errorf("seed %d has an outage of %v", seed, s.For)
			}
		}
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var back []sdktest.Step
		if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(a, back) {
			t.Fatalf("seed %d does not survive JSON: %v", seed, err)
		}
	}
	for _, k := range []sdktest.Kind{
		sdktest.LoseRequest, sdktest.LoseAnswer, sdktest.DelayRequest, sdktest.DelayAnswer, sdktest.HangRequest, sdktest.HangAnswer,
		sdktest.Refuse, sdktest.AnswerHTML, sdktest.RefuseDial, sdktest.HangDial, sdktest.DelayDial, sdktest.SilentDial,
		sdktest.CutFrame, sdktest.DelayFrame, sdktest.CutStreams, sdktest.SilenceStreams, sdktest.SendGarbage, sdktest.Outage,
		sdktest.Restart, sdktest.Forget, sdktest.SkewClock, sdktest.EndSession, sdktest.RaiseError, sdktest.AgentJoins,
		sdktest.AgentWrites, sdktest.AgentLeaves, sdktest.AgentEnds, sdktest.Supervise,
	} {
		if !kinds[k] {
			t.Errorf("%q never happens", k)
		}
	}
}

// armed lets a step hit a client that speaks the protocol by hand.
func armed(t *testing.T, s sdktest.Step, f func(t *testing.T, c *client)) {
	t.Helper()
	t.Run(string(s.Kind), func(t *testing.T) {
		bubble(t, sdktest.Options{}, func(t *testing.T, c *client) {
			c.p.Faults().Do(s)
			f(t, c)
		})
	})
}

func TestScheduledFaults(t *testing.T) {
	list := func(c *client) (sdk.Response, time.Duration, error) {
		began := time.Now()
		r, err := c.try("GET", "/engagements?sessionId=none", nil)
		return r, time.Since(began), err
	}
	sound := func(t *testing.T, c *client) {
		t.Helper()
		if r, took, err := list(c); err != nil || r.Status != 404 || took > time.Second {
			t.Errorf("after it: %v %d %v", err, r.Status, took)
		}
	}
	acted := func(t *testing.T, c *client, want bool) {
		t.Helper()
		if calls := c.p.Requests(); calls[0].Acted != want {
			t.Errorf("the platform acted: %v", calls[0].Acted)
		}
	}
	for kind, does := range map[sdktest.Kind]bool{sdktest.LoseRequest: false, sdktest.LoseAnswer: true} {
		armed(t, sdktest.Step{Kind: kind, On: "GET /engagements"}, func(t *testing.T, c *client) {
			if _, _, err := list(c); err == nil {
				t.Error("nothing was lost")
			}
			acted(t, c, does)
			sound(t, c)
		})
	}
	for kind, does := range map[sdktest.Kind]bool{sdktest.HangRequest: false, sdktest.HangAnswer: true} {
		armed(t, sdktest.Step{Kind: kind}, func(t *testing.T, c *client) {
			if _, took, err := list(c); err == nil || took != 30*time.Second {
				t.Errorf("after %v: %v", took, err)
			}
			acted(t, c, does)
			sound(t, c)
		})
	}
	for _, kind := range []sdktest.Kind{sdktest.DelayRequest, sdktest.DelayAnswer} {
		armed(t, sdktest.Step{Kind: kind, For: 7 * time.Second}, func(t *testing.T, c *client) {
			if _, took, err := list(c); err != nil || took < 7*time.Second || took > 8*time.Second {
				t.Errorf("after %v: %v", took, err)
			}
			sound(t, c)
		})
	}
	armed(t, sdktest.Step{Kind: sdktest.Refuse, Code: 429, For: 3 * time.Second, Count: 2}, func(t *testing.T, c *client) {
		for range 2 {
			if r, _, err := list(c); err != nil || r.Status != 429 || r.RetryAfter != 3*time.Second {
				t.Errorf("%+v %v", r, err)
			}
		}
		sound(t, c)
	})
	armed(t, sdktest.Step{Kind: sdktest.AnswerHTML, Code: 200}, func(t *testing.T, c *client) {
		if r, _, err := list(c); err != nil || r.Status != 200 || string(r.Body)[:6] != "<html>" {
			t.Errorf("%+v %v", r, err)
		}
		sound(t, c)
	})
	armed(t, sdktest.Step{Kind: sdktest.LoseRequest, On: "POST"}, func(t *testing.T, c *client) { sound(t, c) })
	armed(t, sdktest.Step{Kind: sdktest.Outage, For: time.Minute}, func(t *testing.T, c *client) {
		c.p.Faults().Do(sdktest.Step{Kind: sdktest.Outage, For: time.Second}) // within the longer one
		time.Sleep(30 * time.Second)
		if _, _, err := list(c); err == nil {
			t.Error("it is up")
		}
		time.Sleep(31 * time.Second)
		sound(t, c)
	})
	armed(t, sdktest.Step{Kind: sdktest.SkewClock, For: 2 * time.Hour}, func(t *testing.T, c *client) {
		if r, _, err := list(c); err != nil || r.Status != 401 {
			t.Errorf("by the platform's clock the token has ended: %d %v", r.Status, err)
		}
		c.p.Faults().Clear()
		sound(t, c)
	})
	dial := func(c *client) (sdk.Conn, time.Duration, error) {
		ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		conn, err := c.Dial(ctx, "wss"+base[len("https"):]+"/sessions/none/events", wire.Subprotocol)
		return conn, time.Since(began), err
	}
	armed(t, sdktest.Step{Kind: sdktest.RefuseDial}, func(t *testing.T, c *client) {
		if _, _, err := dial(c); err == nil {
			t.Error("it opened")
		}
		conn, _, err := dial(c)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close(1000, "")
	})
	armed(t, sdktest.Step{Kind: sdktest.HangDial}, func(t *testing.T, c *client) {
		if _, took, err := dial(c); err == nil || took != 10*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
	})
	armed(t, sdktest.Step{Kind: sdktest.DelayDial, For: 4 * time.Second}, func(t *testing.T, c *client) {
		conn, took, err := dial(c)
		if err != nil || took < 4*time.Second {
			t.Fatalf("after %v: %v", took, err)
		}
		conn.Close(1000, "")
	})
	armed(t, sdktest.Step{Kind: sdktest.SilentDial}, func(t *testing.T, c *client) {
		conn, _, err := dial(c)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Minute, func() { conn.Close(1000, "") })
		began := time.Now()
		if _, err := conn.Read(); err == nil || time.Since(began) != time.Minute {
			t.Errorf("after %v something came, or %v", time.Since(began), err)
		}
	})
}

// A client through an hour of faults: it recovers from them, and leaves nothing.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sdktest.New(sdktest.Options{AutoBot: true})
		defer p.Close()
		d := p.Device()
		var received []int64
		c := sdk.NewCore(sdk.Options{Transport: d.Transport(), Storage: p.Storage(), Deliver: func(e sdk.Event) {
			d.Gate()
			if e.Message != nil {
				received = append(received, e.Message.MessageIndex)
			}
		}})
		if _, err := sdk.Await(t.Context(), func(done func(sdk.UserContext, error)) {
			c.Init(p.Params(sdktest.Claims{TTL: 5 * time.Hour}), sdk.Config{IdleTimeout: sdk.IdleDisabled, ReconnectionTimeout: 5 * time.Minute}, done)
		}); err != nil {
			t.Fatal(err)
		}
		c.CreateEngagement(nil, nil)
		time.Sleep(time.Second)
		var calm []sdktest.Step // nothing that ends the session or the chat
		for _, s := range sdktest.NewSchedule(11, sdktest.ScheduleOptions{Length: time.Hour}) {
			if s.Kind != sdktest.EndSession && s.Kind != sdktest.AgentEnds && s.Code != 401 && s.Code != 403 && s.Code != 404 && s.Code < 4000 {
				calm = append(calm, s)
			}
		}
		f := p.Faults()
		time.AfterFunc(20*time.Minute, func() { d.Offline(true) })
		time.AfterFunc(21*time.Minute, func() { d.Offline(false); c.Wake(sdk.WakeOnline) })
		time.AfterFunc(40*time.Minute, d.Sleep)
		time.AfterFunc(41*time.Minute, d.Wake)
		f.Run(t.Context(), calm)
		f.Clear()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		for i, n := range received {
			if n != int64(i+1) {
				t.Fatalf("received %v", received)
			}
		}
		id := p.Engagements()[0].EngagementID
		if stored := len(p.Messages(id)); len(received) != stored || stored < 20 {
			t.Errorf("received %d of %d messages", len(received), stored)
		}
		if n := len(p.Events(p.Sessions()[0].SessionID)); n < len(received) {
			t.Errorf("%d events, and %d messages", n, len(received))
		}
		c.Shutdown("", nil)
		time.Sleep(10 * time.Second)
		if n := p.Busy(); n != 0 {
			t.Errorf("%d calls and streams are left", n)
		}
	})
}

func TestDevice(t *testing.T) {
	t.Run("asleep nothing passes", func(t *testing.T) {
		bubble(t, sdktest.Options{}, func(t *testing.T, c *client) {
			d := c.p.Device()
			c.Transport = d.Transport()
			d.Sleep()
			time.AfterFunc(10*time.Second, d.Wake)
			began := time.Now()
			c.do("GET", "/engagements?sessionId=none", nil)
			if took := time.Since(began); took < 10*time.Second || c.p.Requests()[0].At.Sub(began) < 10*time.Second {
				t.Errorf("it passed after %v", took)
			}
		})
	})
	t.Run("offline nothing gets through", func(t *testing.T) {
		bubble(t, sdktest.Options{}, func(t *testing.T, c *client) {
			d := c.p.Device()
			c.Transport = d.Transport()
			d.Offline(true)
			if _, err := c.try("GET", "/engagements?sessionId=none", nil); err == nil || len(c.p.Requests()) != 0 {
				t.Errorf("it got through: %v", err)
			}
			d.Offline(false)
			c.do("GET", "/engagements?sessionId=none", nil)
		})
	})
	t.Run("gone for good", func(t *testing.T) {
		bubble(t, sdktest.Options{}, func(t *testing.T, c *client) {
			d := c.p.Device()
			c.Transport = d.Transport()
			d.Leave()
			if _, err := c.try("GET", "/engagements?sessionId=none", nil); err == nil {
				t.Error("it got through")
			}
		})
	})
}

func TestShrink(t *testing.T) {
	all := make([]int, 200)
	for i := range all {
		all[i] = i
	}
	tries := 0
	fails := func(list []int) bool {
		tries++
		return slices.Contains(list, 17) && slices.Contains(list, 18) && slices.Contains(list, 190)
	}
	if got := sdktest.Shrink(all, time.Minute, fails); !slices.Equal(got, []int{17, 18, 190}) || tries > 200 {
		t.Errorf("%v after %d tries", got, tries)
	}
	if got := sdktest.Shrink(all, time.Minute, func([]int) bool { return true }); len(got) != 0 {
		t.Errorf("%v is left", got)
	}
	if got := sdktest.Shrink(all, -1, fails); len(got) != 200 {
		t.Errorf("without time %d are left", len(got))
	}
}
