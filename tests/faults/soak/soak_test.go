package soak

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"openchat/tests/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// soaking: the long form, of make soak. Else a tenth of it.
var soaking = os.Getenv("OPENCHAT_SOAK") != ""

// reading is what a page holds at one moment.
type reading struct {
	heap    float64 // bytes of JavaScript's heap, after a collection
	memory  int     // bytes of the wasm's memory, which never shrinks: the most that was needed
	values  int     // JavaScript values that Go holds, the fewest since the reading before
	funcs   int     // js.Funcs that Go holds
	made    int     // js.Funcs there ever were
	timers  int     // timeouts of the page that are pending
	sockets int     // WebSockets that are not closed
	aborts  int     // AbortControllers that are alive
	streams int     // event streams that are open at the origin
}

// read collects JavaScript's garbage and looks.
func read(f *harness.FaultyOrigin, b *harness.Tab) (r reading) {
	b.T.Helper()
	var seen struct{ Memory, Values, Funcs, Made int }
	b.Eval(&seen, `soak.takeFewest()`)
	r.memory, r.values, r.funcs, r.made = seen.Memory, seen.Values, seen.Funcs, seen.Made
	r.sockets = b.CountObjects("WebSocket", "o !== WebSocket.prototype && o.readyState !== WebSocket.CLOSED")
	r.aborts = b.CountObjects("AbortController", "true")
	b.Eval(&r.timers, `clock.pending()`)
	var err error
	if r.heap, err = b.Target().Heap(); err != nil {
		b.T.Fatal(err)
	}
	for _, l := range f.Streams.All() {
		select {
		case <-l.Ended:
		default:
			r.streams++
		}
	}
	return r
}

// table prints readings, one a line.
func table(t *testing.T, what string, at []int, list []reading) {
	t.Helper()
	var s strings.Builder
	fmt.Fprintf(&s, "\n%10s %10s %10s %10s %8s %8s %8s %8s %8s %8s\n", what, "JS heap KB", "wasm KB", "Go's values", "js.Funcs", "ever", "timers", "sockets", "aborters", "streams")
	for i, r := range list {
		fmt.Fprintf(&s, "%10d %10.0f %10d %11d %8d %8d %8d %8d %8d %8d\n", at[i], r.heap/1024, r.memory>>10, r.values, r.funcs, r.made, r.timers, r.sockets, r.aborts, r.streams)
	}
	t.Log(s.String())
}

// flat fails the test for what grows from the first reading, at which everything has been
// used once, to the last. Tables grow by steps, so something may be added once; per is
// what each of n rounds or messages may leave of JavaScript's heap, in bytes.
func flat(t *testing.T, list []reading, n int, per float64) {
	t.Helper()
	const once = 256 << 10
	from, to := list[0], list[len(list)-1]
	if grown := to.heap - from.heap; grown > once+per*float64(n) {
		t.Errorf("JavaScript's heap grew by %.0f KB, %.0f bytes each", grown/1024, grown/float64(n))
	}
	// The most that is ever needed may show late, but not in the second half; the short form
	// is over before Go's heap has its usual size.
	slack := 2 << 20
	if soaking {
		slack = 512 << 10
	}
	if grown := to.memory - list[len(list)/2].memory; grown > slack {
		t.Errorf("the wasm's memory grew by %d KB in the second half, %d bytes each", grown>>10, grown/(n/2))
	}
	// A stretch in which Go's collector did not run shows more values than are needed.
	fewest := func(list []reading) int {
		return slices.MinFunc(list, func(a, b reading) int { return a.values - b.values }).values
	}
	early, late := fewest(list[:len(list)/2]), fewest(list[len(list)/2:])
	if late > early+20 {
		t.Errorf("Go holds %d JavaScript values, %d at first", late, early)
	}
	if to.made != from.made || to.funcs != from.funcs {
		t.Errorf("%d js.Funcs were made, %d live; %d and %d at first", to.made, to.funcs, from.made, from.funcs)
	}
	if to.timers > from.timers+2 {
		t.Errorf("%d timers, %d at first", to.timers, from.timers)
	}
	if to.sockets != from.sockets || to.streams != from.streams {
		t.Errorf("%d sockets and %d streams are open, %d and %d at first", to.sockets, to.streams, from.sockets, from.streams)
	}
	if to.aborts > from.aborts+100 { // a round makes six; Go's collector frees them
		t.Errorf("%d AbortControllers, %d at first", to.aborts, from.aborts)
	}
}

// soakTab is a tab whose page reports nothing to the test.
func soakTab(t *testing.T, f *harness.FaultyOrigin) *harness.Tab {
	t.Helper()
	b := harness.NewTab(t, "soak")
	b.Open(f.URL + "/t/core.html")
	// Go lets go of values when its own collector runs, whenever that is: the fewest in a
	// stretch are those that are needed. collect makes calls that are refused, which leave
	// enough behind for it to run.
	b.Eval(nil, `void (() => {
		window.note = () => {};
		let fewest = Infinity;
		window.soak = {
			sample: () => (fewest = Math.min(fewest, core.counts().values)),
			collect: async (refused) => {
				for (let i = 0; i < 200; i++) {
					try { await refused() } catch {}
					await fetch("/t/icon.svg");
					soak.sample();
				}
			},
			takeFewest: () => { soak.sample(); const r = { ...core.counts(), values: fewest }; fewest = Infinity; return r },
		};
	})()`)
	return b
}

func TestSoakRounds(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	t.Run("SHUT-2 rounds of init, chat and shutdown leave everything flat", func(t *testing.T) {
		rounds, stretches := 100, 5
		if soaking {
			rounds, stretches = 1000, 10
		}
		f := w.FaultyOrigin(t)
		b := soakTab(t, f)
		// Several customers: each has a rate.
		var users []map[string]any
		for range 5 {
			users = append(users, w.InitParams(t, harness.NewCustomerID("soak"), harness.TokenOptions{TTL: 2 * time.Hour}))
		}
		b.JS(nil, `t.users = %s; let n = 0; t.chats = [];
			t.round = async () => {
				const user = n++ %% t.users.length;
				const active = new Promise((f) => (t.react.ENGAGEMENT_ACTIVE = f));
				const { error } = await t.init(t.users[user], { logLevel: "ERROR" });
				if (error) throw new Error(error.text);
				if (t.chats[user]) await (await sdk.getEngagementById(t.chats[user])).join();
				else t.chats[user] = (await sdk.createEngagement({ topic: "soak" })).engagementId;
				await active;
				const e = await sdk.getEngagementById(t.chats[user]);
				await e.sendMessage("round " + n);
				await e.getMessages(5);
				await sdk.shutdown();
				soak.sample();
			};
			t.rounds = async (n) => { for (let i = 0; i < n; i++) await t.round() }`, users)
		var at []int
		var list []reading
		add := func() {
			// What Go's runtime leaves of a stopped timer runs out by itself.
			b.JS(nil, `await soak.collect(() => sdk.init({ hostURL: "", displayName: "x".repeat(2e4) })); clock.skip(60); await fetch("/t/icon.svg")`)
			at = append(at, (len(list)+1)*rounds/stretches)
			list = append(list, read(f, b))
		}
		for range stretches {
			for range rounds / stretches / 10 {
				b.Eval(nil, `t.rounds(10)`)
			}
			add()
		}
		table(t, "rounds", at, list)
		flat(t, list, rounds, 200)
		if last := list[len(list)-1]; last.timers != 0 || last.sockets != 0 || last.streams != 0 {
			t.Errorf("SHUT-2: after a shutdown %d timers, %d sockets and %d streams are left", last.timers, last.sockets, last.streams)
		}
	})
}

func TestSoakMessages(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	t.Run("MSG-6 STREAM-3 messages of one chat, each received once and in order, leave everything flat", func(t *testing.T) {
		messages, stretches := 1000, 5
		if soaking {
			messages, stretches = 10_000, 10
		}
		f := w.FaultyOrigin(t)
		b := soakTab(t, f)
		b.AllowErrors("429") // it writes faster than its rate allows; the SDK waits, and the browser says so
		customer := harness.NewCustomerID("soak")
		w.Init(b, customer, harness.TokenOptions{TTL: 2 * time.Hour}, `{logLevel: "ERROR", idleTimeout: 0}`)
		// Only numbers are kept: a page that keeps all messages grows by them.
		b.JS(nil, `
			let received = 0, wanted = 0, done;
			const hear = (m) => {
				if (m.messageIndex !== received + 1) t.wrong = t.wrong || "message " + m.messageIndex + " follows " + received;
				received = m.messageIndex;
				if (received %% 50 === 0) soak.sample();
				if (received >= wanted && done) done();
			};
			t.react.MESSAGE_ARRIVED = t.react.MESSAGE_DELIVERED = hear;
			t.received = (n) => new Promise((f) => { wanted = n; done = f; if (received >= n) f() }).then(() => t.wrong || "");
			t.sends = async (n) => { const e = await sdk.getEngagementById(t.chat); for (let i = 0; i < n; i++) await e.sendMessage("customer " + i) }`)
		id := harness.CreateEngagement(b)
		b.Eval(nil, `void (t.chat = %s)`, id)
		// Three at the desk, who have a rate each, and a customer, who has a lower one.
		desks := []*harness.Agent{w.NewAgent(t, "Ann"), w.NewAgent(t, "Bo"), w.NewAgent(t, "Cleo")}
		desks[0].Accept(id)
		for _, d := range desks[1:] {
			d.Call("POST", "/engagements/"+id+":supervise", d.Me(), nil)
		}
		stored := func() int { return len(desks[0].Messages(id)) }
		var at []int
		var list []reading
		n := messages / stretches
		for range stretches {
			begun := stored()
			mine := n / 6
			var group sync.WaitGroup
			failed := make(chan error, len(desks))
			for i, d := range desks {
				group.Go(func() {
					pace := time.NewTicker(22 * time.Millisecond)
					defer pace.Stop()
					for k := i; k < n-mine; k += len(desks) {
						if err := d.TrySend(id, fmt.Sprint(d.Name, " ", k)); err != nil {
							failed <- err
							return
						}
						<-pace.C
					}
				})
			}
			b.Eval(nil, `t.sends(%s)`, mine)
			group.Wait()
			select {
			case err := <-failed:
				t.Fatal(err)
			default:
			}
			var wrong string
			b.Eval(&wrong, `t.received(%s)`, begun+n)
			if wrong != "" {
				t.Fatalf("MSG-6: %s", wrong)
			}
			b.JS(nil, `await soak.collect(() => sdk.setJwtToken("x".repeat(2e4)))`)
			at = append(at, begun+n)
			list = append(list, read(f, b))
		}
		table(t, "messages", at, list)
		if got := stored(); got != at[len(at)-1] {
			t.Errorf("%d messages are stored, %d were received", got, at[len(at)-1])
		}
		flat(t, list, messages, 20)
	})
}
