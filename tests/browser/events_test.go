package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"openchat/tests/harness"
)

// Shapes of payloads, as surface.js writes them.
const (
	shapeDate        = "{eventDate:Date}"
	shapeEngagement  = "{dialogId:string engagementId:string eventDate:Date}"
	shapeParticipant = "{displayName:string participantId:string participantType:string}"
	shapeMember      = "{dialogId:string engagementId:string eventDate:Date participant:" + shapeParticipant + "}"
	shapeMessage     = "{body:{elementText:{text:string textFormat:string} elementType:string} dialogId:string engagementId:string eventDate:Date " +
		"lastUpdatedAt:Date messageId:string messageIndex:number receivedAt:Date senderParticipant:" + shapeParticipant + "}"
	shapeFailed = "{eventDate:Date message:string reason:string retryAfter:number}"
)

var eventID = regexp.MustCompile(`"id":"(\d+)"`)

// inject puts an event into the stream, as the gateway would send it next.
func inject(t *testing.T, l *harness.EventStream, event string) {
	t.Helper()
	last := 0
	for _, f := range l.Frames.All() {
		if m := eventID.FindStringSubmatch(f.Text); m != nil && !f.Up {
			last, _ = strconv.Atoi(m[1])
		}
	}
	if last == 0 {
		t.Fatal("no event has passed yet")
	}
	// Positions of the gateway's own next change are a hundred further on.
	frame := fmt.Sprintf(`{"type":"event","id":"%d","event":%s}`, last+50, event)
	l.Frames.Add(harness.Frame{Text: frame})
	if err := l.Page.Write(context.Background(), websocket.MessageText, []byte(frame)); err != nil {
		t.Fatal(err)
	}
}

func TestRowsEvents(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	f := w.FaultyOrigin(t)
	customer := harness.NewCustomerID("row-ev")
	s := newSurface(t, f.Origin, w.InitParams(t, customer, harness.TokenOptions{TTL: 10 * time.Hour}))
	s.AllowErrors(harness.NetworkErrors)
	agent := w.NewAgent(t, "Bo "+customer)
	var chat, dialog string

	t.Run("EV-1 EV-6 EVENT_STREAM_CONNECTING, EVENT_STREAM_CONNECTED, INITIALIZED", func(t *testing.T) {
		s.at(t).want([]any{"EVENT_STREAM_CONNECTING " + shapeDate, "EVENT_STREAM_CONNECTED {eventDate:Date resumed:boolean}",
			"INITIALIZED {displayName:string engagements:[] sessionParameters:{a:string}}", true, true, true}, `forget();
			// Before the stream tells the time, it is known by the Date of an answer, to a second.
			const before = Date.now(), user = await sdk.init({...params, sessionParameters: {a: "b"}}, {});
			return received.map((h) => h.type + " " + shape(h.payload)).concat(received[2].payload === user, received[1].payload.resumed,
				received.slice(0, 2).every((h) => Math.abs(h.payload.eventDate - before) < Date.now() - before + 1500))`)
	})
	t.Run("EV-8 EV-10 EV-11 EV-13 a chat's first events, in this order", func(t *testing.T) {
		s.at(t).want([]any{
			"ENGAGEMENT_ACTIVE " + shapeEngagement, "PARTICIPANT_ADDED " + shapeMember + " CUSTOMER", "PARTICIPANT_ADDED " + shapeMember + " BOT",
			"MESSAGE_ARRIVED " + shapeMessage, true, true,
		}, `forget(); window.engagement = await sdk.createEngagement({topic: "EV-13"}); await event("MESSAGE_ARRIVED");
			const {engagementId, dialogId} = engagement;
			return received.slice(0, 4).map((h) => h.type + " " + shape(h.payload) + (h.payload.participant ? " " + h.payload.participant.participantType : ""))
				.concat(received.every((h) => h.payload.engagementId === engagementId && h.payload.dialogId === dialogId), received.every((h) => Math.abs(Date.now() - h.payload.eventDate) < 60e3))`)
		json.Unmarshal([]byte(s.result(`return engagement.engagementId`)), &chat)
		json.Unmarshal([]byte(s.result(`return engagement.dialogId`)), &dialog)
	})
	t.Run("EV-10 EV-11 an agent comes, both write", func(t *testing.T) {
		s.at(t)
		agent.Accept(chat)
		agent.Send(chat, "from the agent")
		s.want([]any{shapeMember, "AGENT Bo " + customer, shapeMessage, "AGENT", shapeMessage, "CUSTOMER", true, "PLAINTEXT"}, `await text("from the agent");
			const added = received.filter((h) => h.type === "PARTICIPANT_ADDED").pop().payload, arrived = received.filter((h) => h.type === "MESSAGE_ARRIVED").pop().payload;
			const sent = await engagement.sendMessage("from the customer"); const delivered = await event("MESSAGE_DELIVERED");
			return [shape(added), added.participant.participantType + " " + added.participant.displayName, shape(arrived), arrived.senderParticipant.participantType, shape(delivered),
				delivered.senderParticipant.participantType, delivered.messageId === sent.messageId, delivered.body.elementText.textFormat]`)
		s.want([]any{true, strings.Replace(shapeMessage, "messageIndex:number ", "messageIndex:number parentMessageId:string ", 1)}, `
			const parent = await text("from the agent"); await engagement.sendMessage("an answer", parent.messageId); const answer = await text("an answer");
			return [answer.parentMessageId === parent.messageId, shape(answer)]`)
	})
	t.Run("EV-9 ENGAGEMENT_ERROR", func(t *testing.T) {
		s.at(t)
		for i, c := range []struct{ members, shape string }{
			{`"type":"urn:chat:routing","title":"No agents","detail":"Nobody is there"`, "{detail:string dialogId:string engagementId:string eventDate:Date title:string type:string}"},
			{`"type":"urn:chat:routing","title":"No agents","unknown":{"a":[1]}`, "{dialogId:string engagementId:string eventDate:Date title:string type:string}"},
		} {
			inject(t, f.NewestStream(), fmt.Sprintf(`{"eventType":"ENGAGEMENT_ERROR","eventDate":"2026-01-02T03:04:05.678Z","engagementId":%q,"dialogId":%q,%s}`, chat, dialog, c.members))
			s.want([]any{c.shape, "2026-01-02T03:04:05.678Z", "No agents", true},
				fmt.Sprintf(`const e = await event("ENGAGEMENT_ERROR", %d); return [shape(e), e.eventDate.toJSON(), e.title, e.engagementId === engagement.engagementId]`, i+1))
			// Later events must be beyond it.
			agent.Send(chat, fmt.Sprint("after error ", i))
			s.result(fmt.Sprintf(`await text("after error %d")`, i))
		}
	})
	t.Run("EV-8 EV-10 the end of a chat", func(t *testing.T) {
		s.at(t).result(`forget()`)
		agent.EndChat(chat)
		s.want([]any{"PARTICIPANT_DISCONNECTED CUSTOMER " + shapeMember, "ENGAGEMENT_TERMINATED " + shapeEngagement, "TERMINATED", 0}, `await event("ENGAGEMENT_TERMINATED");
			const gone = received.filter((h) => h.type === "PARTICIPANT_DISCONNECTED").pop().payload;
			return ["PARTICIPANT_DISCONNECTED " + gone.participant.participantType + " " + shape(gone), received[received.length - 1].type + " " + shape(received[received.length - 1].payload),
				engagement.engagementStatus, engagement.participants.length]`)
	})
	t.Run("EV-7 SERVER_ERROR and SERVER_UNREACHABLE, retryAfter in seconds, then EV-6 again", func(t *testing.T) {
		s.at(t).result(`forget()`)
		for i, c := range []struct {
			reason string
			end    func(*harness.EventStream)
		}{
			{"SERVER_ERROR", func(l *harness.EventStream) { l.Close(1011, "by the test") }},
			{"SERVER_ERROR", func(l *harness.EventStream) { l.Close(1001, "by the test") }},
			{"SERVER_UNREACHABLE", (*harness.EventStream).Cut},
		} {
			c.end(f.NewestStream())
			s.want([]any{shapeFailed, c.reason, true, "EVENT_STREAM_CONNECTED"}, fmt.Sprintf(`const e = await event("EVENT_STREAM_FAILED", %d); const {message, reason, retryAfter} = e;
				await event("EVENT_STREAM_CONNECTED", %d);
				return [shape(e), reason, message.length > 0 && retryAfter >= 0 && retryAfter <= 30 && Number.isInteger(retryAfter), names().pop()]`, i+1, i+1))
		}
	})
	t.Run("EV-7 RECONNECTION_TIMEOUT", func(t *testing.T) {
		s.at(t).result(`forget()`)
		f.InterceptREST(noStream)
		f.NewestStream().Cut()
		s.want([]any{shapeFailed, 0, "returns"}, `await event("EVENT_STREAM_FAILED"); clock.skip(125); let last;
			for (let n = 2; !last || last.reason !== "RECONNECTION_TIMEOUT"; n++) last = await event("EVENT_STREAM_FAILED", n);
			forget(); return [shape(last), last.retryAfter, outcome(() => sdk.retryConnection())]`)
		f.InterceptREST(nil)
		s.result(`await event("EVENT_STREAM_CONNECTED")`)
	})
	t.Run("EV-7 FORBIDDEN and UNAUTHORIZED, with EV-4, until a new token is set", func(t *testing.T) {
		s.at(t)
		fresh, _ := w.Token(t, customer, harness.TokenOptions{TTL: 10 * time.Hour})
		s.result(`forget()`)
		f.NewestStream().Close(4403, "by the test")
		s.want([]any{shapeFailed, "FORBIDDEN", true, 0, "EVENT_STREAM_CONNECTED"}, `const e = await event("EVENT_STREAM_FAILED"); const expired = names().filter((n) => n === "TOKEN_EXPIRED").length;
			sdk.setJwtToken(`+quoted(fresh)+`); await event("EVENT_STREAM_CONNECTED"); return [shape(e), e.reason, e.retryAfter > 0, expired, names().pop()]`)
		s.result(`forget()`)
		f.NewestStream().Close(4401, "by the test")
		s.want([]any{shapeFailed, "UNAUTHORIZED", 0, "{expiredDate:Date}", "EVENT_STREAM_CONNECTED"}, `const e = await event("EVENT_STREAM_FAILED"); const expired = await event("TOKEN_EXPIRED");
			sdk.setJwtToken(`+quoted(fresh)+`); await event("EVENT_STREAM_CONNECTED"); return [shape(e), e.reason, e.retryAfter, shape(expired), names().pop()]`)
	})
	t.Run("EV-7 SDK_SESSION_INVALID, then EV-2 EV-14 SHUTDOWN", func(t *testing.T) {
		s.at(t).result(`forget()`)
		f.NewestStream().Close(4404, "by the test")
		s.want([]any{[]string{"EVENT_STREAM_FAILED", "SHUTDOWN"}, "SDK_SESSION_INVALID", shapeDate, "rejects ACS-310"}, `const e = await event("SHUTDOWN");
			return [names(), received[0].payload.reason, shape(e), await outcome(() => sdk.getEngagements())]`)
	})
	t.Run("EV-2 EV-6 EV-14 shutdown: EVENT_STREAM_CLOSED, SHUTDOWN, with its reason; a page starts anew from there", func(t *testing.T) {
		s.at(t)
		for _, reason := range []string{"USER_CLOSED", "USER_INACTIVE"} {
			s.want([]any{"EVENT_STREAM_CLOSED " + shapeDate, "SHUTDOWN {eventDate:Date reason:string}", reason, "before the promise", "resolves"}, `await sdk.init(params, {}); forget();
				let again, order = "promise first"; sdk.on("SHUTDOWN", (payload) => { hear("SHUTDOWN", payload); order = "before the promise"; again = outcome(() => sdk.init(params, {})) });
				const p = sdk.shutdown("`+reason+`").then(() => order); const when = await p; const how = await again; listen(); const [closed, ended] = received;
				await sdk.shutdown(); return [closed.type + " " + shape(closed.payload), ended.type + " " + shape(ended.payload), ended.payload.reason, when, how]`)
		}
	})
	t.Run("EV-5 EV-14 IDLE_TIMEOUT_EXPIRED, by both names, and the idle shutdown", func(t *testing.T) {
		s.at(t).want([]any{"{eventDate:Date gracePeriod:number}", 60, 1, []string{"IDLE_TIMEOUT_EXPIRED", "EVENT_STREAM_CLOSED", "SHUTDOWN"}, "USER_INACTIVE", "resolves", "resolves"}, `
			await sdk.init(params, {idleShutdownGraceTimeout: 60}); forget(); clock.skip(301); const warning = await event("IDLE_TIMEOUT_EXPIRED"); let alias = 0;
			sdk.on("IDLE_TIMEOUT", (payload) => { alias++; hear("IDLE_TIMEOUT_EXPIRED", payload) }); sdk.resetIdleTimeout(); forget();
			clock.skip(301); await event("IDLE_TIMEOUT_EXPIRED"); clock.skip(61); const end = await event("SHUTDOWN"); listen();
			const order = names().filter((n) => !/CONNECT|FAILED/.test(n));
			return [shape(warning), warning.gracePeriod, alias, order, end.reason, await outcome(() => sdk.init(params, {})), await outcome(() => sdk.shutdown())]`)
	})
	t.Run("EV-3 EV-4 TOKEN_EXPIRY_REMINDER and TOKEN_EXPIRED", func(t *testing.T) {
		s.at(t)
		s.load() // the clock was put forward
		mine := s.params
		exp := time.Now().Add(20 * time.Minute).Unix()
		s.give(signed(t, w, customer, harness.TokenSecret, func(c jwt.MapClaims) { c["exp"] = exp }))
		s.want([]any{[]string{}, "{eventDate:Date expiryDate:Date}", exp * 1000, true, "{expiredDate:Date}", exp * 1000, "UNAUTHORIZED", 1, 1}, fmt.Sprintf(`const exp = %d * 1000;
			await sdk.init(params, {idleTimeout: 0}); forget(); clock.skip((exp - Date.now()) / 1000 - 185); await sdk.getEngagements(); await task(); const early = names();
			clock.skip(10); const reminder = await event("TOKEN_EXPIRY_REMINDER"); clock.skip((exp - Date.now()) / 1000 + 1);
			const expired = await event("TOKEN_EXPIRED"); const failed = await event("EVENT_STREAM_FAILED"); const count = (name) => names().filter((n) => n === name).length;
			return [early, shape(reminder), +reminder.expiryDate, Math.abs(reminder.eventDate - (exp - 175e3)) < 5e3, shape(expired), +expired.expiredDate, failed.reason, count("TOKEN_EXPIRED"), count("TOKEN_EXPIRY_REMINDER")]`, exp))
		s.load()
		s.give(mine)
	})
	t.Run("EV-7 UNEXPECTED_ERROR: the core dies, and init works again", func(t *testing.T) {
		s.at(t).AllowErrors("the SDK's core ended unexpectedly")
		s.want([]any{shapeFailed, "UNEXPECTED_ERROR", 0, "rejects ACS-311", "rejects ACS-310", "resolves"}, `await sdk.init(params, {}); const e = await sdk.createEngagement(); await event("ENGAGEMENT_ACTIVE"); forget();
			const { getTime } = Date.prototype; Date.prototype.getTime = () => { throw new Error("sabotage") };
			const call = outcome(() => e.sendMessage("x")); Date.prototype.getTime = getTime;
			const failed = await event("EVENT_STREAM_FAILED");
			return [shape(failed), failed.reason, failed.retryAfter, await call, await outcome(() => sdk.getEngagements()), await outcome(() => sdk.init(params, {}))]`)
		s.result(`await sdk.shutdown()`)
	})
}

func TestRowsHandlers(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	f := w.FaultyOrigin(t)
	var calls callLog
	release := make(chan struct{})
	f.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, ".wasm") {
			<-release
		}
		return calls.hook(rw, r)
	})
	s := newSurface(t, f.Origin, w.InitParams(t, harness.NewCustomerID("row-on"), harness.TokenOptions{TTL: 10 * time.Hour}))

	t.Run("NS-2 INIT-7 handlers registered right after the script tag, before the wasm", func(t *testing.T) {
		// The page has registered its handlers; the wasm is held back.
		s.at(t).want([]any{[]string{}, "pending"}, `window.pending = sdk.init(params, {}); let how = "pending"; outcome(() => pending).then((h) => how = h); await task(); await task(); return [names(), how]`)
		close(release)
		s.want([]any{"resolves", []string{"EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "INITIALIZED"}}, `return [await outcome(() => pending), names()]`)
	})
	t.Run("NS-2 on again on every render: the last handler, once an event", func(t *testing.T) {
		s.at(t).want([]any{"99", []string{"hello"}}, `window.engagement = await sdk.createEngagement(); await event("ENGAGEMENT_ACTIVE"); const got = []; let who;
			for (let render = 0; render < 100; render++) sdk.on("MESSAGE_DELIVERED", (m) => { who = String(render); got.push(m.body.elementText.text); hear("MESSAGE_DELIVERED", m) });
			await engagement.sendMessage("hello"); await text("hello"); return [who, got]`)
	})
	t.Run("NS-2 EV-12 what a handler throws or rejects is logged at ERROR, and stops nothing", func(t *testing.T) {
		s.at(t).AllowErrors("the handler of MESSAGE_DELIVERED failed")
		s.console()
		s.want([]any{[]string{"1", "2", "3", "4", "5", "6", "7"}}, `const got = [];
			const fail = [() => { throw new Error("thrown") }, async () => { throw new Error("rejected at once") }, async () => { await null; throw new Error("rejected later") },
				() => { throw undefined }, () => Promise.reject("a word"), () => ({ get then() { throw new Error("a thenable's getter") } }), () => ({ then(_, no) { no(new Error("a thenable's")) } })];
			sdk.on("MESSAGE_DELIVERED", (m) => { const n = m.body.elementText.text; got.push(n); hear("MESSAGE_DELIVERED", m); return fail[n - 1]() });
			for (let n = 1; n <= 7; n++) await engagement.sendMessage(String(n)); await text("7"); await task(); return [got]`)
		console := s.console()
		if len(console) != 7 {
			t.Errorf("%d lines on the console, want 7: %q", len(console), console)
		}
		for i, want := range []string{"Error: thrown", "rejected at once", "rejected later", "undefined", "a word", "a thenable's getter", "a thenable's"} {
			prefix := "error: [AvayaCCaaSChatSDK] the handler of MESSAGE_DELIVERED failed:"
			if i < len(console) && (!strings.HasPrefix(console[i], prefix) || want != "undefined" && !strings.Contains(console[i], want)) {
				t.Errorf("line %d is %q, want %s … %s", i, console[i], prefix, want)
			}
		}
		s.want("resolves", `sdk.setLogLevel("OFF"); sdk.on("MESSAGE_DELIVERED", (m) => { hear("MESSAGE_DELIVERED", m); throw new Error("unheard") });
			const how = await outcome(() => engagement.sendMessage("quiet")); await text("quiet"); sdk.setLogLevel("ERROR"); return how`)
		if console := s.console(); len(console) != 0 {
			t.Errorf("NS-10: at OFF the console has %q", console)
		}
	})
	t.Run("NS-2 NS-3 EV-12 handlers that remove or replace themselves", func(t *testing.T) {
		s.at(t).want([]any{[]string{"once r1"}, []string{"a r2", "b r3", "a r4"}}, `const once = [], turns = [];
			sdk.on("MESSAGE_DELIVERED", (m) => { sdk.off("MESSAGE_DELIVERED"); once.push("once " + m.body.elementText.text) });
			await engagement.sendMessage("r1"); await task(); await engagement.sendMessage("unheard"); await sdk.getEngagements(); await task(); await task();
			const a = (m) => { sdk.on("MESSAGE_DELIVERED", b); turns.push("a " + m.body.elementText.text); hear("MESSAGE_DELIVERED", m) };
			const b = (m) => { sdk.on("MESSAGE_DELIVERED", a); turns.push("b " + m.body.elementText.text); hear("MESSAGE_DELIVERED", m) };
			sdk.on("MESSAGE_DELIVERED", a); for (const n of ["r2", "r3", "r4"]) { await engagement.sendMessage(n); await text(n) }
			return [once, turns]`)
	})
	t.Run("NS-13 EV-12 handlers that call the SDK: each call, what throws and what does not", func(t *testing.T) {
		s.at(t).want([]any{[]string{"throws ACS-318", "returns", "returns", "throws ACS-308", "throws ACS-305", "returns"}, []string{"resolves", "resolves", "resolves", "rejects ACS-204", "rejects ACS-322"},
			[]string{"in", "out", "in", "out"}}, `let done; const finished = new Promise((r) => done = r), order = [];
			sdk.on("MESSAGE_DELIVERED", (m) => {
				order.push("in"); if (order.length === 1) {
					const now = [() => sdk.retryConnection(), () => sdk.resetIdleTimeout(), () => sdk.resetTimer(), () => sdk.setJwtToken(""), () => sdk.setJwtToken("x"), () => sdk.setJwtToken(params.token)].map(outcome);
					const later = [() => sdk.getEngagements(), () => sdk.getEngagementById(engagement.engagementId), () => engagement.sendMessage("from the handler"), () => sdk.init(params), () => engagement.sendMessage("")].map(outcome);
					Promise.all(later).then((l) => window.said = [now, l]);
				} else done();
				order.push("out");
			});
			await engagement.sendMessage("calls"); await finished; await task(); await task(); while (!window.said) await sdk.getEngagements();
			return [...window.said, order]`)
	})
	t.Run("EV-12 an async handler does not hold up the next event, one that never ends neither", func(t *testing.T) {
		s.at(t).want([]string{"in 1", "in 2", "in 3", "out 2"}, `const got = []; let open; const gate = new Promise((r) => open = r);
			sdk.on("MESSAGE_DELIVERED", async (m) => { const n = m.body.elementText.text; got.push("in " + n); hear("MESSAGE_DELIVERED", m); await (n === "1" ? new Promise(() => {}) : n === "2" ? gate : new Promise(() => {})); got.push("out " + n) });
			for (const n of ["1", "2", "3"]) engagement.sendMessage(n).catch(() => {}); await new Promise((r) => { const awaitThree = async () => { while (got.length < 3) await sdk.getEngagements(); r() }; awaitThree() });
			open(); await task(); return got`)
	})
	t.Run("NS-11 EV-14 shutdown from a handler, init from SHUTDOWN's", func(t *testing.T) {
		s.at(t).want([]any{"resolves", "resolves", []string{"EVENT_STREAM_CLOSED", "SHUTDOWN", "EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "INITIALIZED"}}, `listen(); forget(); let down, up;
			sdk.on("MESSAGE_DELIVERED", () => { down = outcome(() => sdk.shutdown()) });
			sdk.on("SHUTDOWN", (p) => { hear("SHUTDOWN", p); sdk.off("SHUTDOWN"); up = outcome(() => sdk.init(params, {})) });
			await engagement.sendMessage("the last"); await event("INITIALIZED"); return [await down, await up, names()]`)
		s.result(`await sdk.shutdown(); listen()`)
	})

	// What a page's life does to an SDK. It must leave one session, one stream.
	made := func(sessions, streams int, during func()) {
		t.Helper()
		a, b := calls.of("POST sessions"), calls.of("GET events")
		during()
		if a, b = calls.of("POST sessions")-a, calls.of("GET events")-b; a != sessions || b != streams {
			s.T.Errorf("%d sessions and %d event streams were made, want %d and %d", a, b, sessions, streams)
		}
	}
	for _, when := range []string{"before the wasm is there", "after"} {
		t.Run("NS-13 INIT-8 init, shutdown, init in one tick, "+when, func(t *testing.T) {
			s.at(t)
			if when != "after" {
				s.load()
			}
			made(1, 1, func() {
				s.want([]any{"resolves", "rejects ACS-321", "rejects ACS-321", []string{"EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "INITIALIZED"}, "resolves"}, `forget();
					const calls = [() => sdk.init(params, {}), () => sdk.shutdown(), () => sdk.init(params, {})].map(outcome); const got = await Promise.all(calls); await task();
					return got.concat([names()], await outcome(() => sdk.createEngagement()))`)
			})
			s.result(`await sdk.shutdown()`)
		})
		t.Run("NS-13 INIT-8 React StrictMode: mount, unmount, mount, "+when, func(t *testing.T) {
			s.at(t)
			if when != "after" {
				s.load()
			}
			// An effect whose cleanup waits for its own init, as React's documentation writes it.
			made(2, 2, func() {
				s.want([]any{[]string{"second rejects ACS-321", "first resolves", "first down resolves", "third resolves"}, "ACTIVE", "SHUTDOWN"}, `forget(); const said = [];
					const say = (who) => (how) => said.push(who + " " + how);
					const mount = (who) => { sdk.on("ENGAGEMENT_ACTIVE", (p) => hear("ENGAGEMENT_ACTIVE", p)); const up = outcome(() => sdk.init(params, {})); up.then(say(who));
						return () => up.then((how) => how === "resolves" && outcome(() => sdk.shutdown()).then(say(who + " down"))) };
					const unmount = mount("first"); const gone = unmount(); mount("second"); await gone;
					mount("third"); await event("INITIALIZED", 2); await task();
					const e = await sdk.createEngagement(); await event("ENGAGEMENT_ACTIVE"); return [said, e.engagementStatus, names().find((n) => n === "SHUTDOWN")]`)
			})
			// And one that just calls them: its shutdown is refused, its first init stands.
			s.result(`await sdk.shutdown()`)
			made(1, 1, func() {
				s.want([]any{[]string{"rejects ACS-321", "rejects ACS-321", "resolves"}, "resolves"}, `forget(); const got = [];
					const mount = () => { outcome(() => sdk.init(params, {})).then((h) => got.push(h)); return () => { outcome(() => sdk.shutdown()).then((h) => got.push(h)) } };
					mount()(); mount(); await event("INITIALIZED"); await task(); return [got, await outcome(() => sdk.getEngagements())]`)
			})
			s.result(`await sdk.shutdown()`)
		})
	}
}

// interleavings is how many random ones are tried. PROPERTY_SEED replays one.
const interleavings = 500

func TestRowsInterleavings(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	s := newSurface(t, w.NewOrigin(t), nil)
	s.url = strings.Replace(s.url, "surface.html", "interleave.html", 1)
	first, n := 1, interleavings
	if text := os.Getenv("PROPERTY_SEED"); text != "" {
		seed, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("PROPERTY_SEED: %v", err)
		}
		first, n = seed, 1
	}
	t.Run("EV-12 MSG-3 MSG-5 MSG-6 500 random interleavings of frames, answers and awaits", func(t *testing.T) {
		t.Logf("seeds %d to %d; PROPERTY_SEED=… replays one", first, first+n-1)
		s.at(t).Open(s.url)
		var sum struct{ Sent, Received, Before, Frames, Lost int }
		for at := first; at < first+n; at += 50 {
			var r struct {
				Failures                             []string
				Sent, Received, Before, Frames, Lost int
			}
			s.Eval(&r, `interleave(%s, %s)`, at, min(50, first+n-at))
			for _, f := range r.Failures {
				t.Errorf("%s (PROPERTY_SEED=… go test -run '%s' ./tests)", f, t.Name())
			}
			if t.Failed() {
				return
			}
			sum.Sent += r.Sent
			sum.Received += r.Received
			sum.Before += r.Before
			sum.Frames += r.Frames
			sum.Lost += r.Lost
		}
		t.Logf("%d messages sent, %d events received of %d frames; %d events were sent before their answer, %d answers were lost", sum.Sent, sum.Received, sum.Frames, sum.Before, sum.Lost)
		if n == interleavings && (sum.Sent < 1000 || sum.Before < 100 || sum.Lost < 50) {
			t.Error("the interleavings do not reach what they are to try")
		}
	})
}
