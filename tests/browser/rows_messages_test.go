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
)

// isSend tells a sendMessage from other calls.
func isSend(r *http.Request) bool {
	return r.Method == "POST" && strings.HasSuffix(r.URL.Path, "/messages")
}

func TestRowsMessages(t *testing.T) {
	t.Parallel()
	w := shared(t)
	f := w.faulty(t)
	c := w.chatAt(t, f.origin, "page.html", `{logLevel: "WARN"}`)

	t.Run("MSG-1 bounds", func(t *testing.T) {
		parent := uuid.NewString()
		c.wants("MSG-1", map[string]any{
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
			return { fine, codes, parent: child.parentMessageId, none: (await Promise.all([[], [undefined], [null]].map((id) => e.sendMessage("none", ...id)))).map((m) => m.parentMessageId === undefined) }`, c.id, parent)
		c.waitText("none")
		if !strings.Contains(string(c.waitEvent("MESSAGE_DELIVERED", func(m message) bool { return m.Body.ElementText.Text == "a reply" }).Data), parent) {
			t.Error("MSG-1: MESSAGE_DELIVERED has no parentMessageId")
		}
	})
	t.Run("MSG-1 refused by the server: 404, 409", func(t *testing.T) {
		for _, tt := range []struct {
			status            int
			kind, field, code string
		}{{404, "not-found", "engagementId", "ACS-314"}, {409, "conflict", "sessionId", "ACS-313"}, {409, "conflict", "engagementId", "ACS-313"}} {
			f.rest(func(rw http.ResponseWriter, r *http.Request) bool {
				if isSend(r) {
					problem(rw, tt.status, tt.kind, tt.field)
				}
				return isSend(r)
			})
			c.wants("MSG-1", map[string]any{"code": tt.code}, `return { code: await code(async () => (await sdk.getEngagementById(%s)).sendMessage("x")) }`, c.id)
		}
		f.rest(nil)
	})
	t.Run("MSG-2 the shape: resolved, heard and read alike; plain", func(t *testing.T) {
		mark := c.mark()
		c.js(nil, `
			t.got = {};
			t.react.MESSAGE_DELIVERED = t.react.MESSAGE_ARRIVED = (p) => { t.got[p.body.elementText.text] = p };
			t.got.resolved = await (await sdk.getEngagementById(%s)).sendMessage("shaped");`, c.id)
		c.agent.say(c.id, "shaped too")
		c.since(mark, "MESSAGE_DELIVERED", 1)
		c.since(mark, "MESSAGE_ARRIVED", 1)
		c.settled()
		keys := []string{"body", "dialogId", "engagementId", "lastUpdatedAt", "messageId", "messageIndex", "receivedAt", "senderParticipant"}
		c.wants("MSG-2", map[string]any{
			"names": [][]string{keys, keys, keys}, "extra": []string{"eventDate"}, "body": json.RawMessage(`{"elementType":"text","elementText":{"text":"shaped","textFormat":"PLAINTEXT"}}`),
			"dates": true, "plain": true, "senders": []string{"CUSTOMER", "AGENT"}, "sender": []string{"displayName", "participantId", "participantType"},
			"same": true, "spread": true, "cloned": true, "pushed": true, "ids": true, "ordered": true,
		}, `
			const e = await sdk.getEngagementById(%s);
			const heard = t.got["shaped"], other = t.got["shaped too"], resolved = t.got.resolved;
			const read = (await e.getMessages(5)).items.find((m) => m.messageId === resolved.messageId);
			const text = (m) => JSON.stringify(m, Object.keys(resolved).concat(Object.keys(resolved.body), Object.keys(resolved.body.elementText), Object.keys(resolved.senderParticipant)).sort());
			const names = (m) => Object.keys(m).filter((k) => k !== "eventDate").sort();
			const clone = structuredClone(heard);
			history.pushState({ list: [resolved, heard, read] }, "");
			return {
				names: [resolved, heard, read].map(names), extra: Object.keys(heard).filter((k) => !(k in resolved)),
				body: resolved.body,
				dates: [resolved, heard, other, read].every((m) => m.receivedAt instanceof Date && m.lastUpdatedAt instanceof Date && Math.abs(m.receivedAt - Date.now()) < 60000),
				plain: [resolved, heard, other, read].every((m) => Object.getPrototypeOf(m) === Object.prototype),
				senders: [heard, other].map((m) => m.senderParticipant.participantType), sender: Object.keys(resolved.senderParticipant).sort(),
				same: text(resolved) === text(heard) && text(heard) === text(read),
				spread: JSON.stringify({...heard}) === JSON.stringify(heard),
				cloned: JSON.stringify(clone) === JSON.stringify(heard) && clone.receivedAt instanceof Date,
				pushed: JSON.stringify(history.state.list[1]) === JSON.stringify(heard),
				ids: [resolved.messageId, resolved.dialogId, resolved.engagementId, resolved.senderParticipant.participantId].every((id) => id.length === 36),
				ordered: other.messageIndex === resolved.messageIndex + 1,
			}`, c.id)
	})
	t.Run("MSG-2 a body, whatever the line carries", func(t *testing.T) {
		f.rewrite(func(_ *line, up bool, frame []byte) []byte {
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
		defer f.rewrite(nil)
		mark := c.mark()
		for _, s := range []string{"no body", "in markdown", "in HTML", "in runes"} {
			c.agent.say(c.id, s)
		}
		for i, want := range []string{
			`{"elementType":"text","elementText":{"text":"","textFormat":"PLAINTEXT"}}`,
			`{"elementType":"text","elementText":{"text":"in **markdown**","textFormat":"MARKDOWN"}}`,
			`{"elementType":"text","elementText":{"text":"in <b>HTML</b>","textFormat":"HTML"}}`,
			`{"elementType":"text","elementText":{"text":"in runes","textFormat":"PLAINTEXT"}}`,
		} {
			var m struct{ Body json.RawMessage }
			e := c.since(mark, "MESSAGE_ARRIVED", i+1)
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
		f.rest(func(rw http.ResponseWriter, r *http.Request) bool {
			if !isSend(r) || !fails[int(n.Add(1))%len(fails)] {
				return false
			}
			if n.Load()%2 == 0 {
				lose()
			}
			problem(rw, 503, "server-error", "")
			return true
		})
		defer f.rest(nil)
		texts20 := numbered("ordered", 12)
		send(c.tab, c.id, texts20...)
		var stored []string
		for _, s := range texts(c.agent.messages(c.id), "CUSTOMER") {
			if strings.HasPrefix(s, "ordered") {
				stored = append(stored, s)
			}
		}
		wantTexts(t, "MSG-3: stored", stored, texts20)
	})
	t.Run("MSG-4 the answer is lost after the gateway has acted", func(t *testing.T) {
		var keys calls
		f.rest(func(rw http.ResponseWriter, r *http.Request) bool {
			if !isSend(r) {
				return false
			}
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			n := keys.add(regexp.MustCompile(`"correlationId":"([^"]+)"`).FindString(string(body)))
			switch n {
			case 1: // the connection breaks
				f.forward(r)
				lose()
			case 2: // a proxy gives up on a gateway that has answered
				f.forward(r)
				problem(rw, 502, "server-error", "")
				return true
			}
			return false
		})
		defer f.rest(nil)
		mark := c.mark()
		f.last().hold() // else the event proves the first attempt
		c.wants("MSG-4", map[string]any{"outcome": "lost once", "settlements": 1}, `
			let settlements = 0;
			const p = (await sdk.getEngagementById(%s)).sendMessage("lost once");
			p.then(() => settlements++, () => settlements++);
			const m = await p;
			return { outcome: m.body.elementText.text, settlements }`, c.id)
		f.last().release()
		c.agent.say(c.id, "next")
		c.waitText("next")
		if all := keys.all(); len(all) != 3 || all[0] == "" || all[1] != all[0] || all[2] != all[0] {
			t.Errorf("MSG-4: the attempts' keys: %q", all)
		}
		// By its text: the event of what was sent before may come after the mark.
		delivered := 0
		for _, s := range c.texts(c.heard(mark), "MESSAGE_DELIVERED", "") {
			if s == "lost once" {
				delivered++
			}
		}
		if delivered != 1 {
			t.Errorf("MSG-4: MESSAGE_DELIVERED %d times", delivered)
		}
		n := 0
		for _, s := range texts(c.agent.messages(c.id), "CUSTOMER") {
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
				l := f.last()
				f.rest(func(rw http.ResponseWriter, r *http.Request) bool {
					if !isSend(r) {
						return false
					}
					status, body, err := f.forward(r)
					if err != nil {
						lose()
					}
					l.waitFrame(t, false, regexp.QuoteMeta(text))
					rw.WriteHeader(status)
					rw.Write(body)
					return true
				})
			} else {
				f.last().hold()
			}
			mark := c.mark()
			c.js(nil, `
				t.gone = "";
				t.react.MESSAGE_DELIVERED = (p) => { t.order = t.gone === p.messageId ? "after" : "before" };
				const e = await sdk.getEngagementById(%s);
				const m = await e.sendMessage(%s);
				await null; await null; // a page has a line or two of its own
				t.gone = m.messageId;`, c.id, text)
			f.last().release()
			c.since(mark, "MESSAGE_DELIVERED", 1)
			c.settled()
			var order string
			c.eval(&order, `t.order`)
			if order != "after" {
				t.Errorf("MSG-5: event first %v: MESSAGE_DELIVERED came %s the await", eventFirst, order)
			}
			f.rest(nil)
		}
		c.wantOnceInOrder(c.log.all())
	})
}

// Two tabs of a customer and an agent talk while connections break.
func TestRowsMessagesTwoTabs(t *testing.T) {
	t.Parallel()
	w := shared(t)
	t.Run("MSG-6 STREAM-3 EV-12 each once, in order, none missing", func(t *testing.T) {
		f, g := w.faulty(t), w.faulty(t)
		c := w.chatAt(t, f.origin, "page.html", `{logLevel: "WARN"}`)
		customer := strings.TrimPrefix(c.agent.name, "Bo ")
		second := newTab(t, "second")
		second.allow(networkTrouble)
		w.openAt(second, g.origin, "page.html", customer, tokenOptions{}, `{logLevel: "WARN"}`)
		second.js(nil, `await (await sdk.getEngagements())[0].join()`)
		second.waitEvent("ENGAGEMENT_ACTIVE", nil)

		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewPCG(seed, 0))
		var mine, others []string
		for round := range 8 {
			for _, f := range []*faults{f, g} {
				switch rnd.IntN(4) {
				case 0:
					f.last().cut()
				case 1:
					f.last().close([]int{1001, 1012, 1011, 4429}[rnd.IntN(4)], "by the test")
				case 2:
					f.last().hold()
				}
			}
			a, b, d := fmt.Sprint("first ", round), fmt.Sprint("second ", round), fmt.Sprint("agent ", round)
			mine, others = append(mine, a, b), append(others, d)
			c.agent.say(c.id, d)
			// Both speak at the same time.
			c.eval(nil, `void (t.sending = t.send(%s, %s))`, c.id, a)
			second.eval(nil, `void (t.sending = t.send(%s, %s))`, c.id, b)
			c.eval(nil, `t.sending`)
			second.eval(nil, `t.sending`)
			for _, f := range []*faults{f, g} {
				f.last().release()
			}
			// Not to wait for a backoff that grows with each break.
			for _, b := range []*tab{c.tab, second} {
				b.js(nil, `try { sdk.retryConnection() } catch {}`)
			}
		}
		c.agent.say(c.id, "the last")
		others = append(others, "the last")
		slices.Sort(mine)
		for _, b := range []*tab{c.tab, second} {
			b.waitText("the last")
			list := b.log.all()
			b.wantOnceInOrder(list)
			delivered := b.texts(list, "MESSAGE_DELIVERED", "")
			slices.Sort(delivered)
			wantTexts(t, "MSG-6: delivered in "+b.name, delivered, mine)
			wantTexts(t, "MSG-6: arrived in "+b.name, b.texts(list, "MESSAGE_ARRIVED", "AGENT"), others)
		}
	})
}
