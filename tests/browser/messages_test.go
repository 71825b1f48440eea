package browser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"openchat/tests/harness"
)

// isSend tells a sendMessage from other calls.
func isSend(r *http.Request) bool {
	return r.Method == "POST" && strings.HasSuffix(r.URL.Path, "/messages")
}

func TestRowsMessages(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	f := w.FaultyOrigin(t)
	c := w.StartChatAt(t, f.Origin, "page.html", `{logLevel: "WARN"}`)

	t.Run("MSG-1 bounds", func(t *testing.T) {
		parent := uuid.NewString()
		c.Expect("MSG-1", map[string]any{
			"fine": []int{1, 4096, 4096}, "codes": []string{"ACS-322", "ACS-322", "ACS-322", "ACS-322", "ACS-322", "ACS-322", "ACS-322", "ACS-322", "ACS-322", "ACS-322", "ACS-322"},
			"parent": parent, "none": []bool{true, true, true},
		}, `
			const e = await sdk.getEngagementById(%s);
			const fine = [];
			for (const text of ["x", "x".repeat(4096), "\u{1F600}".repeat(2048)]) {
				const m = await e.sendMessage(text);
				fine.push(m.body.elementText.text === text ? text.length : -1);
			}
			const codes = [];
			for (const text of ["", "x".repeat(4097), "\u{1F600}".repeat(2048) + "x", undefined, null, 7, {}]) codes.push(await code(() => e.sendMessage(text)));
			for (const id of ["", " ", "not a UUID", 7]) codes.push(await code(() => e.sendMessage("x", id)));
			const child = await e.sendMessage("a reply", %s);
			return { fine, codes, parent: child.parentMessageId, none: (await Promise.all([[], [undefined], [null]].map((id) => e.sendMessage("none", ...id)))).map((m) => m.parentMessageId === undefined) }`, c.ID, parent)
		c.WaitText("none")
		if !strings.Contains(string(c.WaitEvent("MESSAGE_DELIVERED", func(m harness.Message) bool { return m.Body.ElementText.Text == "a reply" }).Data), parent) {
			t.Error("MSG-1: MESSAGE_DELIVERED has no parentMessageId")
		}
	})
	t.Run("MSG-1 refused by the server: 404, 409", func(t *testing.T) {
		for _, tt := range []struct {
			status            int
			kind, field, code string
		}{{404, "not-found", "engagementId", "ACS-314"}, {409, "conflict", "sessionId", "ACS-313"}, {409, "conflict", "engagementId", "ACS-313"}} {
			f.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
				if isSend(r) {
					harness.WriteProblem(rw, tt.status, tt.kind, tt.field)
				}
				return isSend(r)
			})
			c.Expect("MSG-1", map[string]any{"code": tt.code}, `return { code: await code(async () => (await sdk.getEngagementById(%s)).sendMessage("x")) }`, c.ID)
		}
		f.InterceptREST(nil)
	})
	t.Run("MSG-2 the shape: resolved, received and read alike; plain", func(t *testing.T) {
		mark := c.Mark()
		c.JS(nil, `
			t.got = {};
			t.react.MESSAGE_DELIVERED = t.react.MESSAGE_ARRIVED = (p) => { t.got[p.body.elementText.text] = p };
			t.got.resolved = await (await sdk.getEngagementById(%s)).sendMessage("shaped");`, c.ID)
		c.Agent.Send(c.ID, "shaped too")
		c.WaitNth(mark, "MESSAGE_DELIVERED", 1)
		c.WaitNth(mark, "MESSAGE_ARRIVED", 1)
		c.WaitSettled()
		keys := []string{"body", "dialogId", "engagementId", "lastUpdatedAt", "messageId", "messageIndex", "receivedAt", "senderParticipant"}
		c.Expect("MSG-2", map[string]any{
			"names": [][]string{keys, keys, keys}, "extra": []string{"eventDate"}, "body": json.RawMessage(`{"elementType":"text","elementText":{"text":"shaped","textFormat":"PLAINTEXT"}}`),
			"dates": true, "plain": true, "senders": []string{"CUSTOMER", "AGENT"}, "sender": []string{"displayName", "participantId", "participantType"},
			"same": true, "spread": true, "cloned": true, "pushed": true, "ids": true, "ordered": true,
		}, `
			const e = await sdk.getEngagementById(%s);
			const received = t.got["shaped"], other = t.got["shaped too"], resolved = t.got.resolved;
			const read = (await e.getMessages(5)).items.find((m) => m.messageId === resolved.messageId);
			const text = (m) => JSON.stringify(m, Object.keys(resolved).concat(Object.keys(resolved.body), Object.keys(resolved.body.elementText), Object.keys(resolved.senderParticipant)).sort());
			const names = (m) => Object.keys(m).filter((k) => k !== "eventDate").sort();
			const clone = structuredClone(received);
			history.pushState({ list: [resolved, received, read] }, "");
			return {
				names: [resolved, received, read].map(names), extra: Object.keys(received).filter((k) => !(k in resolved)),
				body: resolved.body,
				dates: [resolved, received, other, read].every((m) => m.receivedAt instanceof Date && m.lastUpdatedAt instanceof Date && Math.abs(m.receivedAt - Date.now()) < 60000),
				plain: [resolved, received, other, read].every((m) => Object.getPrototypeOf(m) === Object.prototype),
				senders: [received, other].map((m) => m.senderParticipant.participantType), sender: Object.keys(resolved.senderParticipant).sort(),
				same: text(resolved) === text(received) && text(received) === text(read),
				spread: JSON.stringify({...received}) === JSON.stringify(received),
				cloned: JSON.stringify(clone) === JSON.stringify(received) && clone.receivedAt instanceof Date,
				pushed: JSON.stringify(history.state.list[1]) === JSON.stringify(received),
				ids: [resolved.messageId, resolved.dialogId, resolved.engagementId, resolved.senderParticipant.participantId].every((id) => id.length === 36),
				ordered: other.messageIndex === resolved.messageIndex + 1,
			}`, c.ID)
	})
	t.Run("MSG-2 a body, whatever the protocol carries", func(t *testing.T) {
		f.Rewrite(func(_ *harness.EventStream, up bool, frame []byte) []byte {
			var m struct {
				Event map[string]json.RawMessage `json:"event"`
				ID    string                     `json:"id"`
				Type  string                     `json:"type"`
			}
			if up || json.Unmarshal(frame, &m) != nil || !bytes.Contains(frame, []byte(`"MESSAGES"`)) {
				return frame
			}
			switch {
			case bytes.Contains(frame, []byte("no body")):
				delete(m.Event, "body")
			case bytes.Contains(frame, []byte("in markdown")):
				m.Event["body"] = json.RawMessage(`{"elementType":"text","elementText":{"text":"in **markdown**","textFormat":"MARKDOWN"}}`)
			case bytes.Contains(frame, []byte("in HTML")):
				m.Event["body"] = json.RawMessage(`{"elementType":"text","elementText":{"text":"in <b>HTML</b>","textFormat":"HTML"}}`)
			case bytes.Contains(frame, []byte("in runes")):
				m.Event["body"] = json.RawMessage(`{"elementType":"text","elementText":{"text":"in runes","textFormat":"RUNES"}}`)
			}
			frame, _ = json.Marshal(m)
			return frame
		})
		defer f.Rewrite(nil)
		mark := c.Mark()
		for _, s := range []string{"no body", "in markdown", "in HTML", "in runes"} {
			c.Agent.Send(c.ID, s)
		}
		for i, want := range []string{
			`{"elementType":"text","elementText":{"text":"","textFormat":"PLAINTEXT"}}`,
			`{"elementType":"text","elementText":{"text":"in **markdown**","textFormat":"MARKDOWN"}}`,
			`{"elementType":"text","elementText":{"text":"in <b>HTML</b>","textFormat":"HTML"}}`,
			`{"elementType":"text","elementText":{"text":"in runes","textFormat":"PLAINTEXT"}}`,
		} {
			var m struct{ Body json.RawMessage }
			e := c.WaitNth(mark, "MESSAGE_ARRIVED", i+1)
			if err := json.Unmarshal(e.Data, &m); err != nil || string(m.Body) != want {
				t.Errorf("MSG-2: body %s, want %s (%v)", m.Body, want, err)
			}
		}
	})
	t.Run("MSG-3 the order of the calls, under delayed and failing attempts", func(t *testing.T) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewPCG(seed, 0))
		var fails [200]bool
		for i := range fails {
			fails[i] = rnd.IntN(4) == 0
		}
		var n atomic.Int32
		f.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
			if !isSend(r) || !fails[int(n.Add(1))%len(fails)] {
				return false
			}
			if n.Load()%2 == 0 {
				harness.AbortConnection()
			}
			harness.WriteProblem(rw, 503, "server-error", "")
			return true
		})
		defer f.InterceptREST(nil)
		texts20 := harness.Numbered("ordered", 12)
		harness.SendTexts(c.Tab, c.ID, texts20...)
		var stored []string
		for _, s := range harness.TextsFrom(c.Agent.Messages(c.ID), "CUSTOMER") {
			if strings.HasPrefix(s, "ordered") {
				stored = append(stored, s)
			}
		}
		harness.ExpectTexts(t, "MSG-3: stored", stored, texts20)
	})
	t.Run("MSG-4 the answer is lost after the gateway has acted", func(t *testing.T) {
		var keys calls
		f.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
			if !isSend(r) {
				return false
			}
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			n := keys.add(regexp.MustCompile(`"correlationId":"([^"]+)"`).FindString(string(body)))
			switch n {
			case 1: // the connection breaks
				f.Forward(r)
				harness.AbortConnection()
			case 2: // a proxy gives up on a gateway that has answered
				f.Forward(r)
				harness.WriteProblem(rw, 502, "server-error", "")
				return true
			}
			return false
		})
		defer f.InterceptREST(nil)
		mark := c.Mark()
		f.NewestStream().Hold() // else the event proves the first attempt
		c.Expect("MSG-4", map[string]any{"outcome": "lost once", "settlements": 1}, `
			let settlements = 0;
			const p = (await sdk.getEngagementById(%s)).sendMessage("lost once");
			p.then(() => settlements++, () => settlements++);
			const m = await p;
			return { outcome: m.body.elementText.text, settlements }`, c.ID)
		f.NewestStream().Release()
		c.Agent.Send(c.ID, "next")
		c.WaitText("next")
		if all := keys.all(); len(all) != 3 || all[0] == "" || all[1] != all[0] || all[2] != all[0] {
			t.Errorf("MSG-4: the attempts' keys: %q", all)
		}
		// By its text: the event of what was sent before may come after the mark.
		delivered := 0
		for _, s := range c.Texts(c.Since(mark), "MESSAGE_DELIVERED", "") {
			if s == "lost once" {
				delivered++
			}
		}
		if delivered != 1 {
			t.Errorf("MSG-4: MESSAGE_DELIVERED %d times", delivered)
		}
		n := 0
		for _, s := range harness.TextsFrom(c.Agent.Messages(c.ID), "CUSTOMER") {
			if s == "lost once" {
				n++
			}
		}
		if n != 1 {
			t.Errorf("MSG-4: stored %d times", n)
		}
	})
	t.Run("MSG-5 DELIVERED only after await has gone on, whichever comes first", func(t *testing.T) {
		for i := range 6 {
			text := fmt.Sprint("awaited ", i)
			eventFirst := i%2 == 0
			if eventFirst {
				l := f.NewestStream()
				f.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
					if !isSend(r) {
						return false
					}
					status, body, err := f.Forward(r)
					if err != nil {
						harness.AbortConnection()
					}
					l.WaitFrame(t, false, regexp.QuoteMeta(text))
					rw.WriteHeader(status)
					rw.Write(body)
					return true
				})
			} else {
				f.NewestStream().Hold()
			}
			mark := c.Mark()
			c.JS(nil, `
				t.gone = "";
				t.react.MESSAGE_DELIVERED = (p) => { t.order = t.gone === p.messageId ? "after" : "before" };
				const e = await sdk.getEngagementById(%s);
				const m = await e.sendMessage(%s);
				await null; await null; // a page has a line or two of its own
				t.gone = m.messageId;`, c.ID, text)
			f.NewestStream().Release()
			c.WaitNth(mark, "MESSAGE_DELIVERED", 1)
			c.WaitSettled()
			var order string
			c.Eval(&order, `t.order`)
			if order != "after" {
				t.Errorf("MSG-5: event first %v: MESSAGE_DELIVERED came %s the await", eventFirst, order)
			}
			f.InterceptREST(nil)
		}
		c.WantOnceInOrder(c.Reports.All())
	})
}

// Two tabs of a customer and an agent talk while connections break.
func TestRowsMessagesTwoTabs(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	t.Run("MSG-6 STREAM-3 EV-12 each once, in order, none missing", func(t *testing.T) {
		f, g := w.FaultyOrigin(t), w.FaultyOrigin(t)
		c := w.StartChatAt(t, f.Origin, "page.html", `{logLevel: "WARN"}`)
		customer := strings.TrimPrefix(c.Agent.Name, "Bo ")
		second := harness.NewTab(t, "second")
		second.AllowErrors(harness.NetworkErrors)
		w.OpenPage(second, g.Origin, "page.html", customer, harness.TokenOptions{}, `{logLevel: "WARN"}`)
		second.JS(nil, `await (await sdk.getEngagements())[0].join()`)
		second.WaitEvent("ENGAGEMENT_ACTIVE", nil)

		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewPCG(seed, 0))
		var mine, others []string
		for round := range 8 {
			for _, f := range []*harness.FaultyOrigin{f, g} {
				switch rnd.IntN(4) {
				case 0:
					f.NewestStream().Cut()
				case 1:
					f.NewestStream().Close([]int{1001, 1012, 1011, 4429}[rnd.IntN(4)], "by the test")
				case 2:
					f.NewestStream().Hold()
				}
			}
			a, b, d := fmt.Sprint("first ", round), fmt.Sprint("second ", round), fmt.Sprint("agent ", round)
			mine, others = append(mine, a, b), append(others, d)
			c.Agent.Send(c.ID, d)
			// Both speak at the same time.
			c.Eval(nil, `void (t.sending = t.send(%s, %s))`, c.ID, a)
			second.Eval(nil, `void (t.sending = t.send(%s, %s))`, c.ID, b)
			c.Eval(nil, `t.sending`)
			second.Eval(nil, `t.sending`)
			for _, f := range []*harness.FaultyOrigin{f, g} {
				f.NewestStream().Release()
			}
			// Not to wait for a backoff that grows with each break.
			for _, b := range []*harness.Tab{c.Tab, second} {
				b.JS(nil, `try { sdk.retryConnection() } catch {}`)
			}
		}
		c.Agent.Send(c.ID, "the last")
		others = append(others, "the last")
		slices.Sort(mine)
		for _, b := range []*harness.Tab{c.Tab, second} {
			b.WaitText("the last")
			list := b.Reports.All()
			b.WantOnceInOrder(list)
			delivered := b.Texts(list, "MESSAGE_DELIVERED", "")
			slices.Sort(delivered)
			harness.ExpectTexts(t, "MSG-6: delivered in "+b.Name, delivered, mine)
			harness.ExpectTexts(t, "MSG-6: arrived in "+b.Name, b.Texts(list, "MESSAGE_ARRIVED", "AGENT"), others)
		}
	})
}
