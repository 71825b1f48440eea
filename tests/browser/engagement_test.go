package browser

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"openchat/tests/harness"
)

// tokenWith signs a token of the customer anew, with claims changed; nil removes one.
func tokenWith(t *testing.T, w *harness.Environment, customer string, changes jwt.MapClaims) string {
	t.Helper()
	text, _ := w.Token(t, customer, harness.TokenOptions{TTL: 15 * time.Minute})
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(text, claims); err != nil {
		t.Fatal(err)
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	claims["jti"] = uuid.NewString()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(harness.TokenSecret))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

const memberNames = `["createdAt","dialogId","disconnect","engagementId","engagementStatus","getMessages","getParticipantById","getParticipants","join","lastUpdatedAt","participants","sendMessage"]`

func TestRowsEngagementObject(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	f := w.FaultyOrigin(t)
	c := w.StartChatAt(t, f.Origin, "page.html", `{logLevel: "WARN"}`)

	t.Run("ENG-1 members", func(t *testing.T) {
		c.Expect("ENG-1", map[string]any{
			"names": json.RawMessage(memberNames), "ids": []bool{true, true}, "dates": []bool{true, true}, "status": "ACTIVE",
			"same": true, "list": true, "shape": []string{"displayName", "participantId", "participantType"}, "is": true,
			"methods": []string{"function", "function", "function", "function", "function", "function"},
		}, `
			const e = await sdk.getEngagementById(%s);
			return {
				names: Object.keys(e).sort(),
				ids: [e.engagementId, e.dialogId].map((id) => /^[0-9a-f-]{36}$/.test(id)),
				dates: [e.createdAt, e.lastUpdatedAt].map((d) => d instanceof Date && Math.abs(Date.now() - d) < 60000),
				status: e.engagementStatus,
				list: Array.isArray(e.participants) && e.participants.length === 2,
				same: JSON.stringify(e.participants) === JSON.stringify(e.getParticipants()),
				shape: Object.keys(e.participants[0]).sort(),
				is: e instanceof sdk.Engagement,
				methods: [e.getParticipants, e.getParticipantById, e.join, e.disconnect, e.sendMessage, e.getMessages].map((f) => typeof f),
			}`, c.ID)
	})

	t.Run("ENG-2 own, enumerable, bound, live", func(t *testing.T) {
		c.Expect("ENG-2", map[string]any{
			"own": true, "live": true, "rest": "rest", "spread": "spread", "taken": "taken", "pages": true, "id": "PARTICIPANT",
			"copied": true, "left": false, "kept": true,
		}, `
			const engagement = await sdk.getEngagementById(%s);
			const all = Object.getOwnPropertyDescriptors(engagement);
			const data = ["engagementId", "dialogId", "engagementStatus", "createdAt", "lastUpdatedAt", "participants"];
			const before = +engagement.lastUpdatedAt;
			const {lastUpdatedAt, ...e} = engagement;
			const spread = {...engagement};
			const assigned = Object.assign({}, engagement);
			const { sendMessage, getMessages, getParticipantById, getParticipants } = engagement;
			const first = engagement.participants[0];
			engagement.participants.reverse().pop();
			return {
				own: Object.values(all).every((d) => d.enumerable),
				live: data.every((name) => typeof all[name].get === "function"),
				rest: (await e.sendMessage("rest")).body.elementText.text,
				left: "lastUpdatedAt" in e,
				spread: (await spread.sendMessage("spread")).body.elementText.text,
				taken: (await sendMessage.call(undefined, "taken")).body.elementText.text,
				pages: (await getMessages(2)).items[0].body.elementText.text === "taken",
				id: getParticipantById(first.participantId) === undefined ? "none" : "PARTICIPANT",
				copied: JSON.stringify(assigned.getParticipants()) === JSON.stringify(getParticipants()),
				kept: engagement.participants[0].participantId === first.participantId && engagement.participants.length === 2,
			}`, c.ID)
	})

	t.Run("ENG-6 participants by id", func(t *testing.T) {
		c.Expect("ENG-6", map[string]any{"all": true, "unknown": true, "nothing": true, "name": "AGENT " + c.Agent.Name}, `
			const e = await sdk.getEngagementById(%s);
			const agent = e.participants.find((p) => p.participantType === "AGENT");
			return {
				all: e.participants.every((p) => JSON.stringify(e.getParticipantById(p.participantId)) === JSON.stringify(p)),
				unknown: e.getParticipantById("00000000-0000-4000-8000-000000000000") === undefined,
				nothing: e.getParticipantById() === undefined,
				name: agent.participantType + " " + agent.displayName,
			}`, c.ID)
	})

	t.Run("ENG-4 join refuses: active, unknown to the server", func(t *testing.T) {
		c.Expect("ENG-4", map[string]any{"active": "ACS-315"}, `return { active: await code(() => sdk.getEngagementById(%s).join()) }`, c.ID)
	})

	t.Run("ENG-5 disconnect refuses another reason, and stays in", func(t *testing.T) {
		c.Expect("ENG-5", map[string]any{"codes": []string{"ACS-322", "ACS-322", "ACS-322", "ACS-322"}, "status": "ACTIVE"}, `
			const e = await sdk.getEngagementById(%s);
			const codes = [];
			for (const reason of ["BORED", "user_closed", "", 7]) codes.push(await code(() => e.disconnect(reason)));
			return { codes, status: e.engagementStatus }`, c.ID)
	})

	t.Run("ENG-5 ENG-3 ENG-7 disconnect: only the chat's own end is received", func(t *testing.T) {
		var sent harness.Log[string]
		f.InterceptREST(func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, ":disconnect") {
				body, _ := io.ReadAll(r.Body)
				sent.Add(string(body))
				r.Body = io.NopCloser(strings.NewReader(string(body)))
			}
			return false
		})
		defer f.InterceptREST(nil)
		c.WaitSettled()
		mark := c.Mark()
		c.JS(nil, `
			t.seen = [];
			const e = await sdk.getEngagementById(%s);
			t.left = e;
			for (const type of ["PARTICIPANT_DISCONNECTED", "ENGAGEMENT_TERMINATED", "MESSAGE_ARRIVED"]) {
				t.react[type] = (p) => t.seen.push(type + " " + (p.participant ? p.participant.participantType : "") + " " + e.engagementStatus +
					" " + e.participants.some((q) => p.participant && q.participantId === p.participant.participantId));
			}`, c.ID)
		f.NewestStream().Hold()
		c.Agent.Send(c.ID, "after the page has left")
		c.Expect("ENG-5", map[string]any{"during": "TERMINATING", "value": true, "codes": []string{"ACS-313", "ACS-313", "ACS-312"}}, `
			const p = t.left.disconnect("SYSTEM_CLOSED");
			const value = (await p) === undefined;
			return { value, during: t.left.engagementStatus,
				codes: [await code(() => t.left.sendMessage("x")), await code(() => t.left.disconnect()), await code(() => t.left.join())] }`)
		f.NewestStream().Release()
		c.WaitNth(mark, "ENGAGEMENT_TERMINATED", 1)
		c.WaitSettled()
		var seen []string
		c.Eval(&seen, `t.seen`)
		harness.ExpectTexts(t, "ENG-5: received after disconnect", seen, []string{"PARTICIPANT_DISCONNECTED CUSTOMER TERMINATING false", "ENGAGEMENT_TERMINATED  TERMINATED false"})
		harness.ExpectTexts(t, "ENG-5: events after disconnect", harness.EventNames(c.Since(mark)), []string{"PARTICIPANT_DISCONNECTED", "ENGAGEMENT_TERMINATED"})
		if all := sent.All(); len(all) != 1 || !strings.Contains(all[0], `"reason":"SYSTEM_CLOSED"`) {
			t.Errorf("ENG-5: the server received %q", all)
		}
		c.Expect("ENG-4", map[string]any{"codes": []string{"ACS-312", "ACS-313", "ACS-313"}, "status": "TERMINATED"}, `
			return { status: t.left.engagementStatus,
				codes: [await code(() => t.left.join()), await code(() => t.left.disconnect()), await code(() => t.left.sendMessage("x"))] }`)
	})

	t.Run("ENG-5 the default reason, and each that is allowed", func(t *testing.T) {
		var sent harness.Log[string]
		f.InterceptREST(func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, ":disconnect") {
				body, _ := io.ReadAll(r.Body)
				sent.Add(regexp.MustCompile(`"reason":"(\w+)"`).FindString(string(body)))
				r.Body = io.NopCloser(strings.NewReader(string(body)))
			}
			return false
		})
		defer f.InterceptREST(nil)
		for i, reason := range []string{"", "USER_CLOSED", "USER_INACTIVE"} {
			mark := c.Mark()
			id := harness.CreateEngagement(c.Tab)
			c.WaitNth(mark, "ENGAGEMENT_ACTIVE", 1)
			arg := "%s"
			if reason == "" {
				arg, reason = "undefined && %s", "USER_CLOSED"
			}
			c.JS(nil, `await sdk.getEngagementById(%s).disconnect(`+arg+`)`, id, reason)
			c.WaitNth(mark, "ENGAGEMENT_TERMINATED", 1)
			if got := sent.All()[i]; got != `"reason":"`+reason+`"` {
				t.Errorf("ENG-5: sent %s, want %s", got, reason)
			}
		}
	})
}

func TestRowsEngagementLife(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	f := w.FaultyOrigin(t)
	customer := harness.NewCustomerID("row")
	b := harness.NewTab(t, "customer")
	b.AllowErrors(harness.NetworkErrors)
	w.OpenPage(b, f.Origin, "page.html", customer, harness.TokenOptions{}, `{logLevel: "WARN"}`)
	agent := w.NewAgent(t, "Bo "+customer)

	// A handler looks at what its event changed.
	b.JS(nil, `
		t.seen = [];
		const recordEvents = (type) => (t.react[type] = (p) => {
			const e = t.e || {};
			t.seen.push([type, p.participant ? p.participant.participantType : "", e.engagementStatus,
				(e.participants || []).map((p) => p.participantType).join("+")].join(" "));
		});
		["ENGAGEMENT_ACTIVE", "ENGAGEMENT_TERMINATED", "PARTICIPANT_ADDED", "PARTICIPANT_DISCONNECTED"].forEach(recordEvents);`)
	var id string
	t.Run("ENG-3 ENG-8 pending until the session is in", func(t *testing.T) {
		f.NewestStream().Hold()
		b.Eval(nil, `(async () => {
			t.creating = AvayaCCaaSChatSDK.createEngagement({topic: "A lamp", nothing: ""});
			t.e = await t.creating;
		})()`)
		b.Expect("ENG-3", map[string]any{"status": "PENDING", "pending": []string{"ACS-313", "ACS-313"}, "same": true}, `
			return {
				status: t.e.engagementStatus,
				pending: [await code(() => t.e.sendMessage("too early")), await code(() => t.e.disconnect())],
				same: (await sdk.getEngagementById(t.e.engagementId)) === t.e,
			}`)
		f.NewestStream().Release()
		b.WaitEvent("MESSAGE_ARRIVED", nil)
		b.Eval(&id, `t.e.engagementId`)
	})
	t.Run("ENG-8 parameters reach the desk, and their bounds", func(t *testing.T) {
		agent.Wait("the chat", func(d harness.DeskFrame) bool {
			for _, c := range append(d.Chats, d.Chat) {
				if c.EngagementID == id {
					return c.Topic == "A lamp" && maps.Equal(c.EngagementParameters, map[string]string{"topic": "A lamp", "nothing": ""})
				}
			}
			return false
		})
		long := strings.Repeat("k", 65)
		var messages []string
		b.JS(&messages, `
			const list = [];
			for (const p of [{a: 1}, {a: null}, {a: undefined}, {[%s]: "v"}, {a: "v".repeat(257)}, "text", [1], 7]) {
				try { await sdk.createEngagement(p); list.push("none") } catch (e) { list.push(e.code + " " + e.message) }
			}
			return list`, long)
		for i, m := range messages {
			if !strings.HasPrefix(m, "ACS-322 ") || i < 5 && !strings.Contains(m, map[bool]string{true: "kkkk", false: `a`}[i == 3]) {
				t.Errorf("ENG-8: parameters %d: %s", i, m)
			}
		}
		b.Expect("ENG-8", map[string]any{"fine": ""}, `
			let e;
			const fine = await code(async () => (e = await sdk.createEngagement({["k".repeat(64)]: "v".repeat(256)})));
			t.spare = e;
			return { fine }`)
		b.Wait("the spare chat", func(list []harness.Report) bool { return harness.CountEvents(list, "ENGAGEMENT_ACTIVE") >= 2 })
		b.JS(nil, `await t.spare.disconnect()`)
		b.WaitEvent("ENGAGEMENT_TERMINATED", nil)
	})
	t.Run("ENG-7 ENG-3 a handler sees the change", func(t *testing.T) {
		b.JS(nil, `t.seen = t.seen.slice(0, 3)`)
		agent.Accept(id)
		b.Wait("the agent", func(list []harness.Report) bool {
			return slices.ContainsFunc(list, func(e harness.Report) bool {
				return e.Name == "PARTICIPANT_DISCONNECTED" && strings.Contains(string(e.Data), id) && strings.Contains(string(e.Data), "BOT")
			})
		})
		b.WaitSettled()
		agent.EndChat(id)
		b.Wait("the end", func(list []harness.Report) bool { return harness.CountEvents(list, "ENGAGEMENT_TERMINATED") >= 2 })
		b.WaitSettled()
		var seen []string
		b.Eval(&seen, `t.seen`)
		want := []string{
			"ENGAGEMENT_ACTIVE  ACTIVE ",
			"PARTICIPANT_ADDED CUSTOMER ACTIVE CUSTOMER",
			"PARTICIPANT_ADDED BOT ACTIVE CUSTOMER+BOT",
			"PARTICIPANT_ADDED AGENT ACTIVE CUSTOMER+BOT+AGENT",
			"PARTICIPANT_DISCONNECTED BOT ACTIVE CUSTOMER+AGENT",
			"PARTICIPANT_DISCONNECTED AGENT ACTIVE CUSTOMER",
			"PARTICIPANT_DISCONNECTED CUSTOMER ACTIVE ",
			"ENGAGEMENT_TERMINATED  TERMINATED ",
		}
		// The store's order of who comes and who goes in one change is the store's.
		if len(seen) == len(want) && strings.HasPrefix(seen[3], "PARTICIPANT_DISCONNECTED BOT") {
			want[3], want[4] = "PARTICIPANT_DISCONNECTED BOT ACTIVE CUSTOMER", "PARTICIPANT_ADDED AGENT ACTIVE CUSTOMER+AGENT"
		}
		// The snapshot that createEngagement resolved with may know the customer already.
		if len(seen) > 0 && strings.HasPrefix(seen[0], want[0]) {
			seen[0] = want[0]
		}
		harness.ExpectTexts(t, "ENG-7: what handlers saw", seen, want)
	})
	t.Run("ENG-4 join of an ended one, also where only the server knows", func(t *testing.T) {
		b.Expect("ENG-4", map[string]any{"over": "ACS-312"}, `return { over: await code(() => t.e.join()) }`)
	})
}

// Another session of the customer's.
func TestRowsSecondSession(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	f := w.FaultyOrigin(t)
	c := w.StartChatAt(t, f.Origin, "page.html", `{logLevel: "WARN"}`)
	customer := strings.TrimPrefix(c.Agent.Name, "Bo ")
	second := c.Another("second")
	second.AllowErrors(harness.NetworkErrors)
	w.OpenPage(second, f.Origin, "page.html", customer, harness.TokenOptions{}, `{logLevel: "WARN"}`)

	t.Run("ENG-3 PENDING for the session that is not in", func(t *testing.T) {
		second.Expect("ENG-3", map[string]any{"status": "PENDING", "codes": []string{"ACS-313", "ACS-313"}}, `
			t.e = (await sdk.getEngagements())[0];
			return { status: t.e.engagementStatus, codes: [await code(() => t.e.sendMessage("x")), await code(() => t.e.disconnect())] }`)
	})
	t.Run("PAGE-1 getMessages before join", func(t *testing.T) {
		c.Agent.Send(c.ID, "history")
		c.WaitText("history")
		second.Expect("PAGE-1", map[string]any{"newest": "history", "status": "PENDING"}, `
			const it = await t.e.getMessages();
			return { newest: it.items[0].body.elementText.text, status: t.e.engagementStatus }`)
	})
	t.Run("ENG-4 refused by the server: 404, 409, and what is no answer", func(t *testing.T) {
		for _, tt := range []struct {
			status            int
			kind, field, code string
		}{
			{404, "not-found", "engagementId", "ACS-314"},
			{409, "conflict", "engagementId", "ACS-312"},
			{400, "bad-request", "dialogId", "ACS-322"},
		} {
			f.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, ":join") {
					return false
				}
				harness.WriteProblem(rw, tt.status, tt.kind, tt.field)
				return true
			})
			second.Expect("ENG-4", map[string]any{"code": tt.code, "status": "PENDING"}, `return { code: await code(() => t.e.join()), status: t.e.engagementStatus }`)
		}
		f.InterceptREST(nil)
	})
	t.Run("ENG-9 nothing before the join", func(t *testing.T) {
		c.Agent.Send(c.ID, "not for the second")
		c.JS(nil, `await sdk.getEngagementById(%s).sendMessage("nor this")`, c.ID)
		c.WaitText("nor this")
		second.WaitSettled()
		for _, e := range second.Reports.All() {
			if e.Kind == "event" && strings.Contains(string(e.Data), c.ID) && e.Name != "INITIALIZED" {
				t.Errorf("ENG-9: received before the join: %s", e)
			}
		}
	})
	t.Run("ENG-4 EV-13 join gives the same object, and its first events", func(t *testing.T) {
		mark := second.Mark()
		second.Expect("ENG-4", map[string]any{"same": true}, `return { same: (await t.e.join()) === t.e }`)
		second.WaitNth(mark, "PARTICIPANT_ADDED", 2)
		second.WaitSettled()
		harness.ExpectTexts(t, "EV-13: after the join", harness.EventNames(second.Since(mark)), []string{"ENGAGEMENT_ACTIVE", "PARTICIPANT_ADDED", "PARTICIPANT_ADDED"})
		second.Expect("ENG-3", map[string]any{"status": "ACTIVE", "who": []string{"CUSTOMER", "AGENT"}, "again": "ACS-315"}, `
			return { status: t.e.engagementStatus, who: t.e.participants.map((p) => p.participantType), again: await code(() => t.e.join()) }`)
	})
	t.Run("ENG-9 SES-1 after a resume the participants hold the customer", func(t *testing.T) {
		mark := second.Mark()
		w.OpenPage(second, f.Origin, "page.html", customer, harness.TokenOptions{}, `{logLevel: "WARN"}`)
		second.Expect("ENG-9", map[string]any{"status": "ACTIVE", "customer": true, "name": "Customer " + customer}, `
			t.e = t.user.engagements[0];
			const me = t.e.participants.find((p) => p.participantType === "CUSTOMER");
			return { status: t.e.engagementStatus, customer: !!me, name: me && me.displayName }`)
		c.Agent.Send(c.ID, "after the resume")
		second.WaitNth(mark, "MESSAGE_ARRIVED", 1)
	})
	t.Run("ENG-9 nothing of a chat after its end", func(t *testing.T) {
		// The customer leaves in the second session, so both have left.
		mark, other := c.Mark(), second.Mark()
		second.JS(nil, `await t.e.disconnect()`)
		second.WaitNth(other, "ENGAGEMENT_TERMINATED", 1)
		c.WaitNth(mark, "ENGAGEMENT_TERMINATED", 1)
		c.WaitSettled()
		second.WaitSettled()
		for _, b := range []*harness.Tab{c.Tab, second} {
			list := harness.EventNames(b.Reports.All())
			if list[len(list)-1] != "ENGAGEMENT_TERMINATED" {
				t.Errorf("ENG-9: tab %q received %q after the end", b.Name, list[slices.Index(list, "ENGAGEMENT_TERMINATED"):])
			}
		}
	})
}

func TestRowsNames(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	for _, tt := range []struct{ row, display, claim, want string }{
		{"ENG-6 the token's name goes first", `"From init"`, "From the token", "From the token"},
		{"ENG-6 INIT-5 displayName where the token has none", `"From init"`, "", "From init"},
		{"ENG-6 by type where nobody says", `undefined`, "", "Customer"},
	} {
		t.Run(tt.row, func(t *testing.T) {
			f := w.FaultyOrigin(t)
			// Agents without a name.
			f.Rewrite(func(_ *harness.EventStream, up bool, frame []byte) []byte {
				if up || !strings.Contains(string(frame), `"AGENT"`) {
					return frame
				}
				return regexp.MustCompile(`"(displayName|senderParticipantName)":"[^"]*"`).ReplaceAll(frame, []byte(`"$1":null`))
			})
			customer := harness.NewCustomerID("row")
			b := harness.NewTab(t, "customer")
			b.Open(f.URL + "/t/page.html")
			p := w.InitParams(t, customer, harness.TokenOptions{})
			changes := jwt.MapClaims{"customerName": nil}
			if tt.claim != "" {
				changes["customerName"] = tt.claim
			}
			p["token"] = tokenWith(t, w, customer, changes)
			b.Eval(nil, `t.init({...%s, displayName: `+tt.display+`}, {logLevel: "WARN"})`, p)
			id := harness.CreateEngagement(b)
			agent := w.NewAgent(t, "Somebody")
			agent.Accept(id)
			agent.Send(id, "nameless")
			b.WaitText("nameless")
			b.Expect("ENG-6", map[string]any{"names": []string{tt.want, "Agent"}, "sender": tt.want}, `
				const e = await sdk.getEngagementById(%s);
				const m = await e.sendMessage("mine");
				return { names: e.participants.map((p) => p.displayName), sender: m.senderParticipant.displayName }`, id)
			if got := b.WaitEvent("MESSAGE_ARRIVED", func(m harness.Message) bool { return m.SenderParticipant.ParticipantType == "AGENT" }).Message(t).SenderParticipant.DisplayName; got != "Agent" {
				t.Errorf("ENG-6: the message is of %q", got)
			}
		})
	}
}

// calls counts what a page asks of the gateway, and may answer.
type calls struct {
	mu   sync.Mutex
	list []string
}

func (c *calls) add(s string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, s)
	return len(c.list)
}

func (c *calls) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.list)
}
