package browser

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"openchat/tests/harness"
)

func isRead(r *http.Request) bool {
	return r.Method == "GET" && strings.HasSuffix(r.URL.Path, "/messages")
}

func TestRowsPages(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	f := w.FaultyOrigin(t)
	c := w.StartChatAt(t, f.Origin, "page.html", `{logLevel: "WARN"}`)
	harness.SendTexts(c.Tab, c.ID, harness.Numbered("m", 25)...)
	c.WaitText("m 25")
	// What the bot, System and the desk said before counts, too.
	stored := c.Agent.Messages(c.ID)
	total := len(stored)
	c.JS(nil, `
		t.warnings = [];
		console.warn = (...words) => t.warnings.push(words.join(" "));
		t.e = await sdk.getEngagementById(%s);
		t.texts = (it) => it.items.map((m) => m.body.elementText.text);`, c.ID)

	t.Run("PAGE-1 the size, and its bounds", func(t *testing.T) {
		c.Expect("PAGE-1", map[string]any{
			"sizes": [][]int{{10, 10}, {1, 1}, {50, total}, {10, 10}, {10, 10}, {10, 10}, {10, 10}, {10, 10}, {10, 10}, {10, 10}},
			"warns": []int{0, 0, 0, 1, 1, 1, 1, 1, 1, 1}, "text": true,
		}, `
			const sizes = [], warns = [];
			for (const args of [[], [1], [50], [0], [51], [-1], [2.5], ["5"], [NaN], [null]]) {
				t.warnings = [];
				const it = await t.e.getMessages(...args);
				sizes.push([it.getPageSize(), it.items.length]);
				warns.push(t.warnings.filter((s) => s.includes("ACS-211")).length);
				t.last = t.warnings;
			}
			return { sizes, warns, text: /ACS-211.*10/.test(t.last[0]) }`)
	})
	t.Run("PAGE-2 members: own, enumerable, bound; items fresh at each read", func(t *testing.T) {
		c.Expect("PAGE-2", map[string]any{
			"names": []string{"getPageSize", "hasNext", "hasPrevious", "items", "next", "previous"}, "fresh": true, "newest": true, "flags": []bool{true, false},
			"unbound": true, "same": true, "spread": true, "back": true, "sizes": []int{10, 10},
		}, `
			const it = await t.e.getMessages();
			const first = it.items.reverse();
			const { previous, next, hasPrevious, hasNext, getPageSize } = it;
			const names = Object.keys(it).sort();
			const newest = t.texts(it)[0];
			const flags = [hasPrevious(), hasNext()];
			const size = getPageSize();
			const copy = {...it};
			const moved = await previous();
			const second = t.texts(it);
			const older = it.items[0].messageIndex;
			const same = moved === it && (await next()) === it;
			const back = t.texts(it)[0] === newest;
			return {
				names, newest: newest === "m 25", flags, same, back,
				fresh: it.items !== it.items && first[0].messageIndex < first[9].messageIndex && it.items[0].messageIndex > it.items[9].messageIndex,
				unbound: second.length === 10 && older === first[0].messageIndex - 1 && hasNext.call(null) === false,
				spread: copy.items.length === 10, sizes: [size, it.getPageSize()],
			}`)
	})
	t.Run("PAGE-2 there and back through all sizes", func(t *testing.T) {
		for _, size := range []int{1, 7, 10, total - 1, total, 50} {
			var r struct {
				Down, Up        []int
				Pages           int
				Ends, UpAll     bool
				Older, Newer    string
				Kept, KeptNewer bool
			}
			c.JS(&r, `
				const it = await t.e.getMessages(%s);
				const down = it.items.map((m) => m.messageIndex);
				let pages = 1;
				while (it.hasPrevious()) { await it.previous(); pages++; down.push(...it.items.map((m) => m.messageIndex)); }
				const ends = !it.hasPrevious() && it.hasNext() === pages > 1;
				let was = JSON.stringify(it.items);
				const older = await code(() => it.previous());
				const kept = was === JSON.stringify(it.items);
				let up = it.items.map((m) => m.messageIndex).reverse();
				while (it.hasNext()) { await it.next(); up.push(...it.items.map((m) => m.messageIndex).reverse()); }
				was = JSON.stringify(it.items);
				const newer = await code(() => it.next());
				return { down, up, pages, ends, older, newer, kept, keptNewer: was === JSON.stringify(it.items) }`, size)
			want := make([]int, total)
			for i := range want {
				want[i] = total - i
			}
			if fmt.Sprint(r.Down) != fmt.Sprint(want) {
				t.Errorf("PAGE-2: pages of %d hold %v", size, r.Down)
			}
			for i, n := range r.Up {
				if n != i+1 || len(r.Up) != total {
					t.Errorf("PAGE-2: pages of %d on the way back hold %v", size, r.Up)
					break
				}
			}
			if !r.Ends || r.Pages != (total+size-1)/size {
				t.Errorf("PAGE-2: %d pages of %d, reports its ends: %v", r.Pages, size, r.Ends)
			}
			if r.Older != "ACS-317" || r.Newer != "ACS-317" || !r.Kept || !r.KeptNewer {
				t.Errorf("PAGE-4: beyond the ends of pages of %d: %s %s, kept %v %v", size, r.Older, r.Newer, r.Kept, r.KeptNewer)
			}
		}
	})
	t.Run("PAGE-4 two moves at once run one after the other", func(t *testing.T) {
		c.Expect("PAGE-4", map[string]any{"three": true, "mixed": true, "over": []string{"", "", "ACS-317", "ACS-317"}, "end": true}, `
			const it = await t.e.getMessages(5);
			const newest = it.items[0].messageIndex;
			await Promise.all([it.previous(), it.previous(), it.previous()]);
			const three = it.items[0].messageIndex === newest - 15;
			await Promise.all([it.next(), it.previous(), it.next(), it.next()]);
			const mixed = it.items[0].messageIndex === newest - 5;
			const few = await t.e.getMessages(10);
			const over = await Promise.all([0, 1, 2, 3].map(() => code(() => few.previous())));
			return { three, mixed, over, end: few.items[few.items.length - 1].messageIndex === 1 && !few.hasPrevious() && few.hasNext() }`)
	})
	t.Run("PAGE-4 a failed fetch: the page stays", func(t *testing.T) {
		var broken atomic.Bool
		f.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
			if !isRead(r) || !broken.Load() {
				return false
			}
			harness.WriteProblem(rw, 400, "bad-request", "")
			return true
		})
		defer f.InterceptREST(nil)
		c.JS(nil, `t.it = await t.e.getMessages(4); await t.it.previous(); t.was = JSON.stringify(t.it.items)`)
		broken.Store(true)
		c.Expect("PAGE-4", map[string]any{"previous": "ACS-317", "next": "ACS-317", "first": "ACS-316", "stays": true, "flags": []bool{true, true}}, `
			return { previous: await code(() => t.it.previous()), next: await code(() => t.it.next()), first: await code(() => t.e.getMessages()),
				stays: t.was === JSON.stringify(t.it.items), flags: [t.it.hasPrevious(), t.it.hasNext()] }`)
		broken.Store(false)
		c.Expect("PAGE-4", map[string]any{"on": true}, `
			const oldest = t.it.items[3].messageIndex;
			await t.it.previous();
			return { on: t.it.items[0].messageIndex === oldest - 1 }`)
	})
	t.Run("PAGE-4 PAGE-1 a chat that the server does not have", func(t *testing.T) {
		f.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
			if isRead(r) {
				harness.WriteProblem(rw, 404, "not-found", "engagementId")
			}
			return isRead(r)
		})
		defer f.InterceptREST(nil)
		c.Expect("PAGE-4", map[string]any{"first": "ACS-316", "turn": "ACS-317", "message": true}, `
			let message = "";
			try { await t.e.getMessages(); } catch (e) { message = e.message }
			return { first: await code(() => t.e.getMessages()), turn: await code(() => t.it.previous()), message: message.length > 0 }`)
	})
	t.Run("PAGE-5 async iteration", func(t *testing.T) {
		c.Expect("PAGE-5", map[string]any{"indexes": true, "pages": (total + 6) / 7, "from": true, "hidden": true}, `
			const it = await t.e.getMessages(7);
			const list = [];
			let pages = 0;
			for await (const page of it) { pages++; list.push(...page.map((m) => m.messageIndex)); }
			const half = await t.e.getMessages(7);
			for await (const page of half) break;
			return { pages, indexes: list.length === %s && list.every((n, i) => n === %s - i), hidden: Object.getOwnPropertySymbols({...it}).length === 0,
				from: half.items[0].messageIndex === %s }`, total, total, total)
	})
	t.Run("PAGE-3 a snapshot, however it is walked", func(t *testing.T) {
		c.JS(nil, `t.a = await t.e.getMessages(3); t.b = await t.e.getMessages(50); t.c = await t.e.getMessages(4); await t.c.previous();`)
		harness.SendTexts(c.Tab, c.ID, "later 1", "later 2")
		c.Agent.Send(c.ID, "later 3")
		c.WaitText("later 3")
		c.Expect("PAGE-3", map[string]any{"walked": true, "fresh": []string{"later 3", "later 2", "later 1"}}, `
			const all = [];
			const collect = (it) => { for (const m of it.items) { all.push(m) } };
			for (const it of [t.a, t.b, t.c]) {
				collect(it);
				while (it.hasNext()) { await it.next(); collect(it); }
				if (it.items[0].messageIndex !== %s) return { walked: "newest " + it.items[0].messageIndex, fresh: [] };
				for (let n = 0; n < 3 && it.hasPrevious(); n++) { await it.previous(); collect(it); }
				while (it.hasNext()) { await it.next(); collect(it); }
			}
			return { walked: all.every((m) => m.messageIndex <= %s), fresh: t.texts(await t.e.getMessages(3)) }`, total, total)
	})
}

// An event waits until the page has gone on from what was settled before it. How long that
// takes is the browser's affair; here the test decides.
func TestHistoryWhileEventsWait(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	b := harness.NewTab(t, "customer")
	b.OnNewDocument(harness.HoldTasks)
	customer := harness.NewCustomerID("wait")
	w.OpenPage(b, w.Origin, "page.html", customer, harness.TokenOptions{}, `{}`)
	id := harness.CreateEngagement(b)
	agent := w.NewAgent(t, "Bo "+customer)
	agent.Accept(id)
	agent.Send(id, "delivered before")
	b.WaitText("delivered before")
	t.Run("PAGE-3 MSG-5 of others, what waits for its handler comes as an event, and is not in the history", func(t *testing.T) {
		b.JS(nil, `
			t.e = await sdk.getEngagementById(%s);
			held = [];
			await t.e.sendMessage("mine");
			t.arrived = frameWith("delivered after");`, id)
		agent.Send(id, "delivered after")
		b.JS(nil, `await t.arrived`)
		asked := b.Mark()
		b.Expect("PAGE-3", map[string]any{"history": []string{"mine", "delivered before"}, "waited": true, "again": []string{"delivered after", "mine"}}, `
			const texts = (it) => it.items.map((m) => m.body.elementText.text);
			const waited = held.length > 0;
			const first = t.e.getMessages(2);
			const tasks = held;
			held = null;
			tasks.forEach((run) => run());
			return { history: texts(await first), waited, again: texts(await t.e.getMessages(2)) }`)
		got := harness.Conversation{Tab: b, ID: id, Agent: agent}.Texts(b.Since(asked), "", "")
		harness.ExpectTexts(t, "delivered after the history was asked for", got, []string{"mine", "delivered after"})
	})
}

// A chat in which nobody has said a word cannot be had from the demo's gateway, whose
// bot greets: the answer is the origin's.
func TestRowsPagesEmpty(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	f := w.FaultyOrigin(t)
	c := w.StartChatAt(t, f.Origin, "page.html", `{logLevel: "WARN"}`)
	f.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
		if !isRead(r) {
			return false
		}
		rw.Header().Set("Content-Type", "application/json")
		fmt.Fprint(rw, `{"messages":[],"newestIndex":0,"hasOlder":false,"hasNewer":false}`)
		return true
	})
	t.Run("PAGE-1 PAGE-2 PAGE-4 PAGE-5 no messages", func(t *testing.T) {
		c.Expect("PAGE-2", map[string]any{"items": []int{}, "flags": []bool{false, false}, "codes": []string{"ACS-317", "ACS-317"}, "pages": 1, "size": 10}, `
			const it = await (await sdk.getEngagementById(%s)).getMessages();
			let pages = 0;
			for await (const page of it) pages++;
			return { items: it.items, flags: [it.hasPrevious(), it.hasNext()], codes: [await code(() => it.previous()), await code(() => it.next())], pages, size: it.getPageSize() }`, c.ID)
	})
}
