package browser

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"openchat/tests/harness"
)

// sessionKey is where existing pages look for the session's id (SES-1).
const sessionKey = "ccaasClientSessionId"

// callLog counts the calls that pass an origin, by method and kind of path.
type callLog struct {
	mu    sync.Mutex
	count map[string]int
}

func (c *callLog) hook(_ http.ResponseWriter, r *http.Request) bool {
	if _, path, found := strings.Cut(r.URL.Path, "/chat/v1/"); found {
		kind, rest, _ := strings.Cut(path, "/")
		if strings.HasSuffix(rest, "/events") {
			kind = "events"
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.count == nil {
			c.count = map[string]int{}
		}
		c.count[r.Method+" "+kind]++
	}
	return false
}

func (c *callLog) of(call string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count[call]
}

func TestRowsSession(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	f := w.FaultyOrigin(t)
	var calls callLog
	f.InterceptREST(calls.hook)
	customer := harness.NewCustomerID("row-ses")
	s := newSurface(t, f.Origin, w.InitParams(t, customer, harness.TokenOptions{TTL: 10 * time.Hour}))
	s.AllowErrors(`Failed to load resource.*404`) // what a browser says of a session that is gone
	var id, chat string
	read := func(body string, into *string) {
		t.Helper()
		if err := json.Unmarshal([]byte(s.result(body)), into); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("SES-1 SES-3 the id is stored under its key, and nothing else anywhere", func(t *testing.T) {
		s.at(t).want([]any{[]string{sessionKey}, true, []string{}, "", 0, 0, "plain"}, `await sdk.init(params, {}); const e = await sdk.createEngagement();
			await event("ENGAGEMENT_ACTIVE"); await e.sendMessage("a secret"); await event("MESSAGE_DELIVERED"); await e.getMessages();
			const id = sessionStorage.getItem("`+sessionKey+`");
			return [Object.keys(sessionStorage), /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id), Object.keys(localStorage), document.cookie,
				(await indexedDB.databases()).length, (await caches.keys()).length, history.state === null && location.hash === "" ? "plain" : "changed"]`)
		read(`return sessionStorage.getItem("`+sessionKey+`")`, &id)
		read(`return received.find((h) => h.type === "ENGAGEMENT_ACTIVE").payload.engagementId`, &chat)
	})
	t.Run("SES-1 a reload resumes: same session, chat ACTIVE at once, events flow without join", func(t *testing.T) {
		s.at(t)
		agent := w.NewAgent(t, "Bo "+customer)
		agent.Accept(chat)
		s.load()
		created := calls.of("POST sessions")
		s.want([]any{true, chat, "ACTIVE", "CUSTOMER", "rejects ACS-315"}, `const user = await sdk.init(params, {}); const [e] = user.engagements; window.engagement = e;
			return [sessionStorage.getItem("`+sessionKey+`") === `+quoted(id)+`, e.engagementId, e.engagementStatus, e.participants[0].participantType, await outcome(() => e.join())]`)
		agent.Send(chat, "after the reload")
		s.want([]any{"MESSAGE_ARRIVED", "resolves"}, `await text("after the reload"); return [names().pop(), await outcome(() => engagement.sendMessage("me too"))]`)
		if n := calls.of("POST sessions") - created; n != 0 {
			t.Errorf("%d sessions were made by the reload", n)
		}
	})
	t.Run("SES-1 the key removed by hand: nothing breaks; the next load has a session of its own", func(t *testing.T) {
		s.at(t).console()
		s.want([]string{"resolves", "resolves"}, `sdk.setLogLevel("WARN"); sessionStorage.removeItem("`+sessionKey+`");
			return [await outcome(() => engagement.sendMessage("still there")), await outcome(() => sdk.getEngagements())]`)
		s.warned()
		s.load()
		s.want([]any{true, "PENDING", "resolves", "ACTIVE"}, `const user = await sdk.init(params, {}); const [e] = user.engagements; const before = e.engagementStatus;
			const joined = await outcome(() => e.join()); await event("ENGAGEMENT_ACTIVE");
			return [sessionStorage.getItem("`+sessionKey+`") !== `+quoted(id)+`, before, joined, e.engagementStatus]`)
		read(`return sessionStorage.getItem("`+sessionKey+`")`, &id)
		s.want([]any{"resolves", "none", []string{}}, `sdk.setLogLevel("WARN"); sessionStorage.removeItem("`+sessionKey+`");
			return [await outcome(() => sdk.shutdown()), sessionStorage.getItem("`+sessionKey+`") || "none", Object.keys(sessionStorage)]`)
		s.warned()
	})
	t.Run("SES-2 the stored session is gone, is another user's, or is no id: a new one, silently", func(t *testing.T) {
		s.at(t)
		theirs := newSurface(t, f.Origin, w.InitParams(t, harness.NewCustomerID("row-ses"), harness.TokenOptions{}))
		var stranger string
		if err := json.Unmarshal([]byte(theirs.result(`await sdk.init(params, {}); return sessionStorage.getItem("`+sessionKey+`")`)), &stranger); err != nil {
			t.Fatal(err)
		}
		// id was ended by the shutdown above.
		for name, stored := range map[string]string{"gone": id, "never was": uuid.NewString(), "another user's": stranger, "no id": "../../engagements?x=", "empty": ""} {
			s.console()
			s.want([]any{name, "resolves", []string{"EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "INITIALIZED"}, true}, `sdk.setLogLevel("WARN"); forget();
				sessionStorage.setItem("`+sessionKey+`", `+quoted(stored)+`); const how = await outcome(() => sdk.init(params, {})); const order = names();
				const now = sessionStorage.getItem("`+sessionKey+`"); await outcome(() => sdk.shutdown());
				return [`+quoted(name)+`, how, order, now !== `+quoted(stored)+` && now.length === 36]`)
			s.warned()
		}
		// The other user's session was not touched.
		theirs.want([]any{[]string{"EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "INITIALIZED"}, "resolves"}, `return [names(), await outcome(() => sdk.createEngagement())]`)
	})
	t.Run("SES-3 warning 213 sessionStorage full: everything else works", func(t *testing.T) {
		s.at(t).console()
		s.want([]any{"resolves", "resolves", "resolves", "not stored"}, `sdk.setLogLevel("WARN"); forget();
			// Up to its quota: not even a key has room.
			for (let n = 1 << 22; n >= 1; n >>= 1) for (let i = 0; i < 9; i++) try { sessionStorage.setItem("filler " + n + " " + i, "x".repeat(n)) } catch (_) { break }
			const how = await outcome(() => sdk.init(params, {})); const e = await sdk.createEngagement(); await event("ENGAGEMENT_ACTIVE");
			const sent = await outcome(() => e.sendMessage("x")); const stored = sessionStorage.getItem("`+sessionKey+`") === null ? "not stored" : "stored";
			return [how, sent, await outcome(() => sdk.shutdown()), stored]`)
		s.warned("ACS-213")
		s.result(`sessionStorage.clear()`)
	})
	t.Run("SES-3 warnings 212 and 213 sessionStorage unreadable: everything else works", func(t *testing.T) {
		s.at(t)
		for what, forbid := range map[string]string{
			"the window refuses it":  `Object.defineProperty(window, "sessionStorage", {configurable: true, get() { throw new DOMException("denied", "SecurityError") }});`,
			"there is none":          `Object.defineProperty(window, "sessionStorage", {configurable: true, value: null});`,
			"its methods are broken": `Storage.prototype.getItem = Storage.prototype.setItem = Storage.prototype.removeItem = () => { throw new Error("broken") };`,
		} {
			s.load()
			s.console()
			s.want([]any{what, "resolves", "resolves", "resolves", "resolves"}, `sdk.setLogLevel("WARN"); forget(); `+forbid+`
				const how = await outcome(() => sdk.init(params, {})); const e = await sdk.createEngagement(); await event("ENGAGEMENT_ACTIVE");
				const sent = await outcome(() => e.sendMessage("x")); const end = await outcome(() => sdk.shutdown());
				return [`+quoted(what)+`, how, sent, end, await outcome(() => sdk.init(params, {}))]`)
			// Read, written, and forgotten by the first session; read and written by the second.
			s.warned("ACS-212", "ACS-213", "ACS-213", "ACS-212", "ACS-213")
		}
	})
}

// A duplicated tab copies sessionStorage, as window.open does.
func TestRowsDuplicatedTab(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	f := w.FaultyOrigin(t)
	customer := harness.NewCustomerID("row-dup")
	s := newSurface(t, f.Origin, w.InitParams(t, customer, harness.TokenOptions{TTL: 10 * time.Hour}))
	t.Run("SES-4 the second of two live tabs notices, and opens a session of its own", func(t *testing.T) {
		s.at(t).want([]any{true, "resolves", "PENDING", true, []string{"INITIALIZED"}}, `await sdk.init(params, {}); window.engagement = await sdk.createEngagement(); await event("ENGAGEMENT_ACTIVE");
			const key = "`+sessionKey+`", mine = sessionStorage.getItem(key);
			window.second = await new Promise((resolve) => { page.opened = resolve; window.open(location.href) });
			const copied = second.sessionStorage.getItem(key) === mine;
			const how = await outcome(() => second.page.sdk.init(params, {})); const [e] = await second.page.sdk.getEngagements();
			window.theirs = e; return [copied, how, e.engagementStatus, second.sessionStorage.getItem(key) !== mine, second.page.names().filter((n) => !/STREAM/.test(n))]`)
	})
	t.Run("SES-4 neither disturbs the other, both hear what they are in", func(t *testing.T) {
		s.at(t)
		s.want([]any{"resolves", true, "MESSAGE_DELIVERED", "MESSAGE_DELIVERED", "MESSAGE_DELIVERED"}, `await theirs.join(); await second.page.event("ENGAGEMENT_ACTIVE");
			const how = await outcome(() => engagement.sendMessage("from the first")); await text("from the first"); await second.page.text("from the first");
			await theirs.sendMessage("from the second"); await text("from the second"); await second.page.text("from the second");
			const streams = names().filter((n) => /STREAM/.test(n)); const said = (list) => list.filter((h) => h.payload.body && h.type !== "MESSAGE_ARRIVED").map((h) => h.type);
			return [how, streams.join() === "EVENT_STREAM_CONNECTING,EVENT_STREAM_CONNECTED", said(received)[0], said(received)[1], said(second.page.received)[0]]`)
	})
	t.Run("SES-1 SES-4 each tab reloads into its own session; the end of one leaves the other", func(t *testing.T) {
		s.at(t).want([]any{true, "ACTIVE", "resolves", "resolves", []string{}}, `const key = "`+sessionKey+`", id = second.sessionStorage.getItem(key);
			const reloaded = new Promise((resolve) => page.opened = resolve); second.location.reload(); window.second = await reloaded;
			const {engagements: [e]} = await second.page.sdk.init(params, {}); const status = e.engagementStatus; forget();
			const same = second.sessionStorage.getItem(key) === id; const end = await outcome(() => second.page.sdk.shutdown());
			const how = await outcome(() => engagement.sendMessage("alone")); await text("alone"); second.close();
			return [same, status, end, how, names().filter((n) => /STREAM|SHUTDOWN/.test(n))]`)
	})
	t.Run("SES-4 the copy of a tab that has let go takes its session over, the tab then gets its own", func(t *testing.T) {
		s.at(t).result(`await new Promise((resolve) => { page.opened = resolve; window.open(location.href, "kept") })`)
		s.load() // without init, it has no stream
		s.want([]any{true, "ACTIVE", true, "PENDING"}, `const key = "`+sessionKey+`", id = sessionStorage.getItem(key), second = window.open("", "kept");
			const [e] = (await second.page.sdk.init(params, {})).engagements; const took = second.sessionStorage.getItem(key) === id;
			const [mine] = (await sdk.init(params, {})).engagements;
			return [took, e.engagementStatus, sessionStorage.getItem(key) !== id, mine.engagementStatus]`)
	})
}
