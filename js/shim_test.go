package js_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"openchat/sdk/wire"
	"openchat/tests/harness"
)

// thenScripts are page scripts that follow the SDK's script tag.
var thenScripts = map[string]string{
	// Every function, from the first line, before the wasm has come.
	"first.js": `
		window.first = {};
		const sdk = window.AvayaCCaaSChatSDK;
		listen(sdk);
		for (const f of ["createEngagement", "getEngagements", "getEngagementById", "shutdown", "setJwtToken", "resetIdleTimeout",
			"resetTimer", "retryConnection"]) first[f] = failure(() => sdk[f]("x"));
		sdk.setLogLevel("DEBUG");
		first.version = sdk.version();
		first.init = sdk.init(params).then((user) => user.displayName, String);
		first.again = failure(() => sdk.init(params));
		for (const f of ["createEngagement", "getEngagements", "getEngagementById", "shutdown", "setJwtToken", "resetIdleTimeout",
			"resetTimer", "retryConnection"]) first[f + " while init"] = failure(() => sdk[f]("x"));
	`,
	"worker.js": `importScripts("/sdk/good/` + script + `"); postMessage(typeof self.AvayaCCaaSChatSDK);`,
	"held.js":   harness.HoldTasks,
	// A page with globals of its own, under the names that Go's glue uses.
	"names.js": `window.Go = "mine"; window.fs = "mine"; window.process = { env: "mine" }; window.path = "mine";`,
}

func TestOneGlobal(t *testing.T) {
	s := newSite(t)
	t.Run("one global, frozen, under the strict policy", func(t *testing.T) {
		b := s.open(t, good)
		b.want(`listen(sdk); await sdk.init(params); await sdk.shutdown();
			return {made: Object.getOwnPropertyNames(window).filter((n) => !before.has(n) && n !== "before" && !/^(\$|__|cdp)/.test(n)),
				frozen: Object.isFrozen(sdk), violations}`,
			map[string]any{"made": []string{"AvayaCCaaSChatSDK"}, "frozen": true, "violations": []string{}})
		if b.logged("uncaught") {
			t.Error("an uncaught exception")
		}
	})
	t.Run("the page's own Go, fs, process and path stay, and do no harm", func(t *testing.T) {
		b := s.open(t, "/page?script=/then/names.js&script=/sdk/good/"+script)
		b.want(`await sdk.init(params); await sdk.shutdown(); return [Go, fs, process, path]`,
			[]any{"mine", "mine", map[string]any{"env": "mine"}, "mine"})
	})
	t.Run("NS-12 version is the build's", func(t *testing.T) {
		var info struct{ Version string }
		text, err := os.ReadFile(dist + "build-info.json")
		if err != nil || json.Unmarshal(text, &info) != nil {
			t.Fatal(err)
		}
		s.open(t, good).want(`return sdk.version()`, info.Version)
	})
	t.Run("NS-14 enums and classes", func(t *testing.T) {
		b := s.open(t, good)
		b.want(`const words = {}; for (const name of Object.keys(sdk)) {
				const o = sdk[name];
				if (typeof o === "object") { words[name] = Object.keys(o).join(" ");
					if (!Object.isFrozen(o) || Object.keys(o).some((k) => o[k] !== k)) words[name] += "!"; } }
			return words`, map[string]string{
			"EngagementDisconnectReason": "USER_CLOSED SYSTEM_CLOSED USER_INACTIVE",
			"EngagementStatus":           "PENDING ACTIVE TERMINATING TERMINATED",
			"EventStreamFailureReason":   "UNAUTHORIZED FORBIDDEN SDK_SESSION_INVALID SERVER_ERROR SERVER_UNREACHABLE UNEXPECTED_ERROR RECONNECTION_TIMEOUT",
			"EventType": "INITIALIZED SHUTDOWN TOKEN_EXPIRY_REMINDER TOKEN_EXPIRED IDLE_TIMEOUT_EXPIRED EVENT_STREAM_CONNECTING " +
				"EVENT_STREAM_CONNECTED EVENT_STREAM_FAILED EVENT_STREAM_CLOSED ENGAGEMENT_ACTIVE ENGAGEMENT_TERMINATED ENGAGEMENT_ERROR " +
				"PARTICIPANT_ADDED PARTICIPANT_DISCONNECTED MESSAGE_ARRIVED MESSAGE_DELIVERED",
			"LogLevel":        "DEBUG INFO WARN ERROR OFF",
			"ParticipantType": "CUSTOMER AGENT SUPERVISOR BOT SYSTEM",
			"ShutdownReason":  "USER_CLOSED USER_INACTIVE",
			"TextType":        "PLAINTEXT MARKDOWN HTML",
		})
		b.want(`try { sdk.retryConnection() } catch (e) {
			return [e instanceof sdk.ACSException, e instanceof Error, e.name, e.code, e.message, String(e), typeof e.stack, e.stack.includes("ACSException")] }`,
			[]any{true, true, "ACSException", "ACS-310", "SDK is not initialized - call init first", "ACS-310: SDK is not initialized - call init first", "string", true})
		b.want(`try { new sdk.Engagement() } catch (e) { return e.name }`, "TypeError")
		b.want(`return [sdk.ACSException, sdk.Engagement].map(Object.isFrozen)`, []bool{true, true})
	})
	t.Run("a second script tag changes nothing", func(t *testing.T) {
		s.open(t, good+"&script=/then/none.js&then=/sdk/good/"+script).
			want(`const first = sdk; await new Promise((r) => setTimeout(r)); return first === window.AvayaCCaaSChatSDK`, true)
	})
	t.Run("in a worker, which is no page, it does nothing", func(t *testing.T) {
		s.open(t, "/page?csp=worker-src+'self'").want(
			`return new Promise((resolve, reject) => { const w = new Worker("/then/worker.js"); w.onmessage = (e) => resolve(e.data); w.onerror = (e) => reject(e.message) })`, "undefined")
	})
}

func TestFromTheFirstLine(t *testing.T) {
	s := newSite(t)
	b := s.open(t, "/page?script=/sdk/held/"+script+"&then=/then/first.js")
	want := map[string]any{"version": "", "again": "ACS-321"}
	for _, f := range []string{"createEngagement", "getEngagements", "getEngagementById", "shutdown", "setJwtToken", "resetIdleTimeout", "resetTimer", "retryConnection"} {
		want[f] = "ACS-310"               // NS-13
		want[f+" while init"] = "ACS-321" // NS-13, INIT-8
	}
	t.Run("NS-13 while the wasm is on its way", func(t *testing.T) {
		b.t = t
		b.want(`const init = first.init; delete first.init; window.pending = init; const all = {};
			for (const k of Object.keys(first)) all[k] = await first[k];
			all.version = ""; return all`, want)
	})
	t.Run("INIT-7 init goes on once it is here, events come in order", func(t *testing.T) {
		b.t = t
		b.want(`await fetch("/release"); return [await pending, seen.map((e) => e[0])]`,
			[]any{"Ann", []string{"EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "INITIALIZED"}})
	})
	t.Run("NS-10 the log level set before is the core's too", func(t *testing.T) {
		b.t = t
		b.run(`const e = await sdk.createEngagement(); await e.getMessages(99); await sdk.shutdown()`)
		if !b.logged("warning: [AvayaCCaaSChatSDK] ACS-211") {
			t.Error("no warning of the core on the console")
		}
	})
}

func TestHandlers(t *testing.T) {
	s := newSite(t)
	b := s.open(t, good)
	at := func(t *testing.T) *tab { b.t = t; return b }
	t.Run("NS-2 a handler that is no function throws ACS-322", func(t *testing.T) {
		at(t).want(`return [failure(() => sdk.on("SHUTDOWN")), failure(() => sdk.on("SHUTDOWN", {})), failure(() => sdk.on("SHUTDOWN", null))]`,
			[]string{"ACS-322", "ACS-322", "ACS-322"})
	})
	t.Run("NS-2 NS-3 unknown and unregistered names are warned of", func(t *testing.T) {
		at(t).run(`sdk.setLogLevel("WARN"); sdk.on("NO_EVENT", () => {}); sdk.on("toString", () => {}); sdk.on(7, () => {});
			sdk.off("NEITHER"); sdk.off("SHUTDOWN"); sdk.off()`)
		for _, text := range []string{"ACS-203: Event does not exist - NO_EVENT", "ACS-203: Event does not exist - toString",
			"ACS-203: Event does not exist - 7", "ACS-203: Event does not exist - NEITHER", "ACS-205", "ACS-202"} {
			if !b.logged("warning: [AvayaCCaaSChatSDK] "+text) && !b.logged("error: [AvayaCCaaSChatSDK] "+text) {
				t.Errorf("no warning %s", text)
			}
		}
	})
	t.Run("NS-10 an unknown level throws ACS-303 with the ACS-210 text", func(t *testing.T) {
		at(t).want(`try { sdk.setLogLevel("LOUD") } catch (e) { return [e.code, e.message] }`,
			[]string{"ACS-303", "logLevel must be DEBUG, INFO, WARN, ERROR or OFF"})
	})
	t.Run("NS-2 the second handler replaces the first, a throw or rejection is logged and stops nothing", func(t *testing.T) {
		at(t).want(`const calls = [];
			sdk.on("EVENT_STREAM_CONNECTING", () => calls.push("replaced"));
			sdk.on("EVENT_STREAM_CONNECTING", () => { calls.push("connecting"); throw new Error("thrown by the page") });
			sdk.on("EVENT_STREAM_CONNECTED", async () => { calls.push("connected"); await null; throw new Error("rejected by the page") });
			sdk.on("INITIALIZED", () => { calls.push("initialized"); return {then: 1} });
			await sdk.init(params); await sdk.shutdown(); await new Promise((r) => setTimeout(r)); return calls`,
			[]string{"connecting", "connected", "initialized"})
		for _, text := range []string{"EVENT_STREAM_CONNECTING failed: Error: thrown by the page", "EVENT_STREAM_CONNECTED failed: Error: rejected by the page"} {
			if !b.logged("error: [AvayaCCaaSChatSDK] the handler of " + text) {
				t.Errorf("not logged: %s", text)
			}
		}
		if b.logged("uncaught") {
			t.Error("an uncaught exception")
		}
	})
	t.Run("INIT-10 handlers stay across shutdown, NS-3 until off", func(t *testing.T) {
		at(t).want(`let n = 0; sdk.on("INITIALIZED", () => n++);
			await sdk.init(params); await sdk.shutdown(); await sdk.init(params); await sdk.shutdown();
			sdk.off("INITIALIZED"); await sdk.init(params); await sdk.shutdown(); return n`, 2)
	})
	t.Run("EV-12 an async handler does not hold up the next event", func(t *testing.T) {
		at(t).want(`let open; const gate = new Promise((r) => open = r); const calls = [];
			sdk.on("EVENT_STREAM_CONNECTING", async () => { calls.push("in"); await gate; calls.push("out") });
			sdk.on("INITIALIZED", () => calls.push("initialized"));
			await sdk.init(params); open(); await sdk.shutdown(); return calls`, []string{"in", "initialized", "out"})
	})
	t.Run("EV-12 a page that was far behind receives everything, once and in order", func(t *testing.T) {
		const messages = 2500 // more than the shim's queue and the core's outbox take together
		b := s.open(t, "/page?script=/then/held.js&script=/sdk/good/"+script)
		b.want(`await sdk.init(params);
			window.received = [];
			const all = new Promise((done) => sdk.on("MESSAGE_ARRIVED", (m) => received.push(m.body.elementText.text) === `+strconv.Itoa(messages)+` && done()));
			window.receivedAll = Promise.race([all, new Promise((late) => setTimeout(late, 20000))]);
			const engagement = await sdk.createEngagement();
			window.allCame = frameWith("message `+strconv.Itoa(messages)+`.");
			held = [];
			await engagement.sendMessage("What has been answered holds up what comes");
			return held.length`, 1)
		chats := s.gateway.Engagements()
		var want []string
		for n := range messages {
			want = append(want, fmt.Sprintf("message %d.", n+1))
			s.gateway.Send(wire.Message{EngagementID: chats[len(chats)-1].EngagementID, Body: harness.PlainText(want[n])}, harness.Bob)
		}
		b.want(`await allCame; const before = received.length; const tasks = held; held = null; tasks.forEach((run) => run()); await receivedAll;
			await sdk.shutdown(); return [before, received]`, []any{0, want})
	})
	t.Run("a handler may call the SDK, also what throws", func(t *testing.T) {
		at(t).want(`const got = []; sdk.off();
			sdk.on("INITIALIZED", () => { got.push(failure(() => sdk.retryConnection())); sdk.resetIdleTimeout(); sdk.resetTimer(); got.push(failure(() => sdk.setJwtToken(""))) });
			await sdk.init(params); await sdk.shutdown(); return got`, []string{"ACS-318", "ACS-308"})
	})
}

func TestLoading(t *testing.T) {
	s := newSite(t)
	where := func(how string) string { return s.URL + "/sdk/" + how + "/" + wasm }
	failed := func(t *testing.T, page string, words ...string) *tab {
		t.Helper()
		b := s.open(t, page)
		var got []string
		json.Unmarshal([]byte(b.run(`try { await sdk.init(params); return ["resolved", ""] } catch (e) { return [e.code, e.message] }`)), &got)
		if got[0] != "ACS-311" {
			t.Errorf("code %s", got[0])
		}
		for _, w := range words {
			if !strings.Contains(got[1], w) {
				t.Errorf("message %q does not hold %q", got[1], w)
			}
		}
		if b.logged("uncaught") {
			t.Error("an uncaught exception")
		}
		return b
	}
	page := func(how string) string { return "/page?script=/sdk/" + how + "/" + script }
	t.Run("404 names URL, status and type", func(t *testing.T) {
		failed(t, page("missing"), where("missing"), "status 404", "text/plain", "data-wasm-url")
	})
	t.Run("HTML names URL, status and type", func(t *testing.T) {
		failed(t, page("html"), where("html"), "status 200", "text/html", "data-wasm-url")
	})
	t.Run("the wrong MIME type works", func(t *testing.T) {
		s.open(t, page("mime")).want(`return (await sdk.init(params)).displayName`, "Ann")
	})
	t.Run("a page that has the script checked has the wasm checked", func(t *testing.T) {
		s.open(t, page("good")+"&checked=yes").want(`return (await sdk.init(params)).displayName`, "Ann")
		failed(t, page("older")+"&checked=yes", where("older"), "status 200", "application/wasm", "not the file of this script's build", "caches")
	})
	t.Run("another build stamp is refused, both are named", func(t *testing.T) {
		failed(t, page("stamped"), where("stamped"), "9.9.9-other", " is of build 0.")
	})
	t.Run("a server that cannot be reached is named", func(t *testing.T) {
		failed(t, good+"&wasm=http://127.0.0.1:1/x.wasm&csp=connect-src+*", "http://127.0.0.1:1/x.wasm", "cannot be fetched")
	})
	t.Run("a policy without wasm-unsafe-eval is named", func(t *testing.T) {
		failed(t, good+"&csp=script-src+'self'", where("good"), "cannot be used", "Content Security Policy")
	})
	t.Run("a wasm elsewhere is checked", func(t *testing.T) {
		failed(t, good+"&wasm=sdk/older/"+wasm, "/sdk/older/"+wasm+" answered", "not the file of this script's build")
	})
	t.Run("data-wasm-url, relative to the page", func(t *testing.T) {
		s.open(t, "/page?script=/sdk/missing/"+script+"&wasm=sdk/good/"+wasm).want(`return (await sdk.init(params)).displayName`, "Ann")
	})
	t.Run("a failed load is tried again by init, and by the next init", func(t *testing.T) {
		s.absent.Store(true)
		b := failed(t, page("late"), "status 404")
		s.absent.Store(false)
		b.want(`return (await sdk.init(params)).displayName`, "Ann")
	})
	t.Run("INIT-5 arguments that are no JSON", func(t *testing.T) {
		s.open(t, good).want(`const loop = {}; loop.loop = loop;
			const got = [];
			for (const args of [[loop], [params, loop], [], [null], [params, 5], [() => {}]]) got.push(await failure(() => sdk.init(...args)));
			got.push(await failure(() => sdk.init(Object.assign({}, params, {sessionParameters: {a: undefined}}))));
			got.push(await failure(() => sdk.init(Object.assign({}, params, {sessionParameters: {a: 1n}}))));
			got.push(await failure(() => sdk.init(Object.assign({}, params, {displayName: undefined, sessionParameters: undefined}), {idleTimeout: undefined})));
			got.push(await failure(() => sdk.createEngagement(loop)));
			got.push(await failure(() => sdk.createEngagement({a: undefined})));
			return got`,
			[]string{"ACS-302", "ACS-303", "ACS-302", "ACS-302", "ACS-303", "ACS-302", "ACS-322", "ACS-322", "resolved", "ACS-322", "ACS-322"})
	})
}

func TestSession(t *testing.T) {
	s := newSite(t)
	g := s.gateway
	b := s.open(t, good)
	at := func(t *testing.T) *tab { b.t = t; return b }
	t.Run("INIT-7 INITIALIZED carries the very object", func(t *testing.T) {
		at(t).want(`listen(sdk); window.user = await sdk.init(params); return [user === await event("INITIALIZED"), user]`,
			[]any{true, map[string]any{"displayName": "Ann", "engagements": []any{}}})
	})
	t.Run("INIT-8 a second init rejects ACS-204", func(t *testing.T) {
		at(t).want(`return failure(() => sdk.init(params))`, "ACS-204")
	})
	t.Run("ENG-8 ENG-7 the engagement is the mirror's, changed before the handler runs", func(t *testing.T) {
		at(t).want(`const added = new Promise((done) => sdk.on("PARTICIPANT_ADDED", (e) => { window.inHandler = [engagement.engagementStatus, engagement.participants.length, e.eventDate instanceof Date]; listen(sdk); done(); }));
			window.engagement = await sdk.createEngagement({a: "b"});
			const first = await event("ENGAGEMENT_ACTIVE");
			await added;
			return [engagement instanceof sdk.Engagement, first.engagementId === engagement.engagementId, inHandler]`,
			[]any{true, true, []any{"ACTIVE", 1, true}})
	})
	t.Run("ENG-2 every member is own and enumerable, methods are bound", func(t *testing.T) {
		at(t).want(`const {lastUpdatedAt, ...copy} = engagement; const {getParticipantById} = copy;
			const data = ["engagementId", "dialogId", "engagementStatus", "createdAt", "participants"];
			return [Object.keys(engagement).sort(), lastUpdatedAt instanceof Date, copy.createdAt instanceof Date,
				copy.getParticipants()[0].displayName, getParticipantById(engagement.participants[0].participantId).participantType,
				getParticipantById("x") === undefined, engagement.participants !== engagement.participants,
				(await copy.sendMessage("from a copy")).body.elementText.text]`,
			[]any{[]string{"createdAt", "dialogId", "disconnect", "engagementId", "engagementStatus", "getMessages", "getParticipantById",
				"getParticipants", "join", "lastUpdatedAt", "participants", "sendMessage"}, true, true, "Ann", "CUSTOMER", true, true, "from a copy"})
	})
	t.Run("NS-5 the same engagement is the same object", func(t *testing.T) {
		at(t).want(`const [a] = await sdk.getEngagements(); const [b] = await sdk.getEngagements(); return [a === engagement, a === b]`, []bool{true, true})
	})
	t.Run("NS-6 getEngagementById is a promise and the engagement", func(t *testing.T) {
		at(t).want(`const p = sdk.getEngagementById(engagement.engagementId);
			return [p instanceof Promise, await p === engagement, p.engagementStatus, p.getParticipants().length, await failure(() => p.join()),
				(await p.sendMessage("directly")).body.elementText.text, typeof await sdk.getEngagementById("x"), typeof await sdk.getEngagementById()]`,
			[]any{true, true, "ACTIVE", 1, "ACS-315", "directly", "undefined", "undefined"})
	})
	t.Run("MSG-2 a message is plain, with Dates", func(t *testing.T) {
		g.Send(wire.Message{EngagementID: g.Engagements()[0].EngagementID, Body: harness.PlainText("hello <b>")}, harness.Bob)
		at(t).want(`const m = await event("MESSAGE_ARRIVED"); const c = structuredClone({...m});
			const dates = ["eventDate", "receivedAt", "lastUpdatedAt"];
			const is = dates.map((d) => c[d] instanceof Date); dates.concat("messageId", "engagementId", "dialogId").forEach((k) => delete c[k]);
			return [is, Object.getPrototypeOf(m) === Object.prototype, c]`,
			[]any{[]bool{true, true, true}, true, map[string]any{
				"messageIndex":      3,
				"body":              map[string]any{"elementType": "text", "elementText": map[string]any{"text": "hello <b>", "textFormat": "PLAINTEXT"}},
				"senderParticipant": map[string]any{"participantId": harness.Bob.ParticipantID, "participantType": "AGENT", "displayName": "Bob"},
			}})
	})
	t.Run("MSG-5 MESSAGE_DELIVERED comes after the page's await, however deep", func(t *testing.T) {
		// The event is sent before the answer, and the answer's await is three
		// functions deep.
		g.Received = func(wire.Message) { time.Sleep(50 * time.Millisecond) }
		defer func() { g.Received = nil }()
		at(t).want(`const order = [];
			sdk.on("MESSAGE_DELIVERED", (m) => order.push("event " + m.body.elementText.text));
			const send = async (text) => engagement.sendMessage(text);
			const wrapped = async (text) => { const m = await send(text); await null; return m; };
			const submit = async (text) => { const m = await wrapped(text); await null; order.push("await " + m.body.elementText.text); };
			await Promise.all([submit("1"), submit("2"), submit("3")]);
			await submit("4");
			while (order.length < 8) await new Promise((r) => setTimeout(r, 10));
			listen(sdk);
			return ["1", "2", "3", "4"].every((n) => order.indexOf("await " + n) < order.indexOf("event " + n)) &&
				order.filter((o) => o.startsWith("event")).join() === "event 1,event 2,event 3,event 4" ? "in order" : order`, "in order")
	})
	t.Run("MSG-1 ENG-5 arguments of the wrong type", func(t *testing.T) {
		at(t).want(`return Promise.all([failure(() => engagement.sendMessage()), failure(() => engagement.sendMessage(5)), failure(() => engagement.sendMessage("")),
			failure(() => engagement.sendMessage("x", "no uuid")), failure(() => engagement.sendMessage("x", {})), failure(() => engagement.disconnect({})),
			failure(() => engagement.disconnect("BORED"))])`,
			[]string{"ACS-322", "ACS-322", "ACS-322", "ACS-322", "ACS-322", "ACS-322", "ACS-322"})
	})
	t.Run("PAGE-2 the iterator", func(t *testing.T) {
		at(t).want(`const it = await engagement.getMessages(3); const {items, ...rest} = it;
			const texts = () => it.items.map((m) => m.body.elementText.text).join();
			const walk = [texts()]; it.items.reverse(); walk.push(texts());
			const same = await it.previous() === it; walk.push(texts());
			const [a, b] = await Promise.all([it.next(), it.previous()]); walk.push(texts());
			return [Object.keys(it), it.getPageSize(), it.hasNext(), it.hasPrevious(), same, a === it && b === it, walk, items[0].receivedAt instanceof Date]`,
			[]any{[]string{"items", "getPageSize", "hasPrevious", "hasNext", "previous", "next"}, 3, true, true, true, true,
				[]string{"4,3,2", "4,3,2", "1,hello <b>,directly", "1,hello <b>,directly"}, true})
	})
	t.Run("PAGE-4 beyond the ends rejects ACS-317, and the page stays", func(t *testing.T) {
		at(t).want(`const it = await engagement.getMessages(5); const newest = it.items[0].messageId;
			const next = await failure(() => it.next()); const stays = it.items[0].messageId === newest;
			await it.previous(); return [next, stays, await failure(() => it.previous()), it.items.length]`, []any{"ACS-317", true, "ACS-317", 2})
	})
	t.Run("PAGE-5 for await walks to the oldest", func(t *testing.T) {
		at(t).want(`const got = []; for await (const page of await engagement.getMessages(3)) got.push(page.length); return got`, []int{3, 3, 1})
	})
	t.Run("PAGE-1 other sizes are 10, with a warning", func(t *testing.T) {
		at(t).want(`sdk.setLogLevel("WARN"); const got = [];
			for (const size of [undefined, 0, 51, 2.5, NaN, "5", null, {}, 50]) got.push((await engagement.getMessages(size)).getPageSize());
			sdk.setLogLevel("ERROR"); return got`, []int{10, 10, 10, 10, 10, 10, 10, 10, 50})
		if !b.logged("warning: [AvayaCCaaSChatSDK] ACS-211") {
			t.Error("no warning ACS-211")
		}
	})
	t.Run("SHUT-1 SHUT-2 the end: events, then the promise; old objects reject and keep their values", func(t *testing.T) {
		at(t).want(`window.it = await engagement.getMessages(3); const from = seen.length; const done = sdk.shutdown().then(() => seen.length);
			// Used without await (NS-6): nobody looks at the promise, which rejects.
			const status = sdk.getEngagementById(engagement.engagementId).engagementStatus;
			const n = await done;
			return [status, seen.slice(from, n).map((e) => e[0]), seen[n - 1][1].reason, engagement.engagementStatus, engagement.participants.length, it.items.length]`,
			[]any{"ACTIVE", []string{"EVENT_STREAM_CLOSED", "SHUTDOWN"}, "USER_CLOSED", "ACTIVE", 1, 3})
		const rejected = `return Promise.all(["join", "disconnect", "sendMessage", "getMessages"].map((f) => failure(() => engagement[f]("x")))
			.concat(failure(() => it.previous()), failure(() => sdk.getEngagements())))`
		all := []string{"ACS-310", "ACS-310", "ACS-310", "ACS-310", "ACS-310", "ACS-310"}
		at(t).want(rejected, all)
		// The next session has the same chat, as another object; the old one stays old.
		all[5] = "resolved"
		at(t).want(`window.old = engagement; await sdk.init(params); const [e] = await sdk.getEngagements(); return [e !== old, e.engagementId === old.engagementId]`, []bool{true, true})
		at(t).want(rejected, all)
		at(t).run(`await sdk.shutdown()`)
	})
	if b.logged("uncaught") || b.logged("error:") {
		t.Error("errors on the console")
	}
}

func TestWakeUps(t *testing.T) {
	s := newSite(t)
	b := s.open(t, good)
	t.Run("STREAM-5 offline pauses attempts, online tries at once", func(t *testing.T) {
		b.t = t
		b.run(`listen(sdk); await sdk.init(params); await event("EVENT_STREAM_CONNECTED"); window.dispatchEvent(new Event("offline"))`)
		s.gateway.Drop()
		// Only online can end the pause: without it no second CONNECTED ever comes.
		b.want(`const failed = await event("EVENT_STREAM_FAILED"); window.dispatchEvent(new Event("online"));
			return [failed.reason, (await event("EVENT_STREAM_CONNECTED")).resumed]`, []any{"SERVER_UNREACHABLE", true})
	})
	t.Run("every wake-up reaches the core, and none disturbs it", func(t *testing.T) {
		b.t = t
		b.want(`document.dispatchEvent(new Event("visibilitychange")); document.dispatchEvent(new Event("resume"));
			window.dispatchEvent(new PageTransitionEvent("pageshow", {persisted: true})); window.dispatchEvent(new Event("online"));
			await sdk.shutdown(); for (const type of ["online", "offline", "pageshow"]) window.dispatchEvent(new Event(type));
			return seen.map((e) => e[0])`,
			[]string{"EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "INITIALIZED", "EVENT_STREAM_FAILED", "EVENT_STREAM_CONNECTING",
				"EVENT_STREAM_CONNECTED", "EVENT_STREAM_CLOSED", "SHUTDOWN"})
	})
}

// A dead core is the page's problem for one event's length.
func TestCoreDies(t *testing.T) {
	s := newSite(t)
	b := s.open(t, good)
	b.want(`listen(sdk); await sdk.init(params); window.engagement = await sdk.createEngagement(); await event("ENGAGEMENT_ACTIVE");
		// The Go runtime asks for the time; an exception there is the end of it.
		const { getTime } = Date.prototype; Date.prototype.getTime = () => { throw new Error("sabotage") };
		const call = engagement.sendMessage("x");
		Date.prototype.getTime = getTime;
		const code = await failure(() => call);
		const failed = await event("EVENT_STREAM_FAILED"), down = await event("SHUTDOWN"); // EV-14
		return [code, failed.reason, failed.retryAfter, failed.eventDate instanceof Date, down.eventDate instanceof Date, await failure(() => engagement.sendMessage("x")), await failure(() => sdk.getEngagements())]`,
		[]any{"ACS-311", "UNEXPECTED_ERROR", 0, true, true, "ACS-310", "ACS-310"})
	select {
	case <-s.gateway.Closed:
	case <-time.After(harness.Timeout):
		t.Error("the dead core's connection stays open")
	}
	if !b.logged("the SDK's core ended unexpectedly") {
		t.Error("nothing on the console")
	}
	b.want(`await sdk.init(params); const [e] = await sdk.getEngagements(); return [e !== engagement, (await e.sendMessage("again")).body.elementText.text]`,
		[]any{true, "again"})
	if b.logged("uncaught") {
		t.Error("an uncaught exception")
	}
}
