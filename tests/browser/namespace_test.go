package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"openchat/tests/harness"
)

// surface is a tab with the page of the rows, surface.html, and its whole console.
//
//	s := newSurface(t, o, w.InitParams(t, harness.NewCustomerID("row"), harness.TokenOptions{}))
//	s.at(t).want("ACS-310", `…body of an async function…`)
//
// In the body stand sdk, params (of init), and the helpers of surface.js: received, event,
// text, names, forget, outcome, task, shape.
type surface struct {
	*harness.Tab
	url    string // of the page
	params map[string]any
	read   int // of Printed
}

func newSurface(t *testing.T, o *harness.Origin, params map[string]any) *surface {
	t.Helper()
	s := &surface{Tab: harness.NewTab(t, "page"), url: o.URL + "/t/surface.html", params: params}
	s.load()
	return s
}

// load opens the page, or opens it again.
func (s *surface) load() {
	s.T.Helper()
	s.Open(s.url)
	s.give(s.params)
}

// give sets init's parameters; hostURL is the page's own origin.
func (s *surface) give(params map[string]any) {
	s.T.Helper()
	s.params = params
	s.Eval(nil, `Object.assign(page.params = {}, {hostURL: location.origin}, %s)`, params)
}

// at makes a subtest the one that fails, until it ends.
func (s *surface) at(t *testing.T) *surface {
	if before := s.T; before != t {
		s.T = t
		t.Cleanup(func() { s.T = before })
	}
	return s
}

// result runs the body of an async function in the page and returns what it returns, as
// JSON, in which undefined is "undefined".
func (s *surface) result(body string) string {
	s.T.Helper()
	var text string
	s.EvalAs(harness.AsUser, &text, "%s", harness.Script(`(async () => { const {sdk, received, listen, hear, forget, names, event, text, outcome, task, shape, params} = page;
		const result = await (async () => {`+body+`})();
		return JSON.stringify(result, (_, v) => v === undefined ? "undefined" : v) || '"undefined"' })()`)) // as the user: else there are no pop-ups
	return text
}

// want runs a body and compares what it returns.
func (s *surface) want(want any, body string) {
	s.T.Helper()
	got := s.result(body)
	text, err := json.Marshal(want)
	if err != nil {
		s.T.Fatal(err)
	}
	if a, b := canonical(s.T, got), canonical(s.T, string(text)); a != b {
		s.T.Errorf("got  %s\nwant %s\nfrom %s", a, b, strings.TrimSpace(body))
	}
}

// canonical is the same for values that differ in the order of members only.
func canonical(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// console returns what the page has printed since the last look, without the
// markers of the looks.
func (s *surface) console() (lines []string) {
	s.T.Helper()
	marker := fmt.Sprintf("the console up to %d", time.Now().UnixNano())
	s.Eval(nil, `console.debug(%s)`, marker)
	ctx, cancel := context.WithTimeout(context.Background(), harness.Timeout)
	defer cancel()
	list, err := s.Printed.Wait(ctx, func(list []string) bool { return slices.Contains(list, "debug: "+marker) })
	if err != nil {
		s.T.Fatal(err)
	}
	for _, line := range list[s.read:] {
		if !strings.Contains(line, "the console up to") {
			lines = append(lines, line)
		}
	}
	s.read = len(list)
	return lines
}

var mistakes = regexp.MustCompile(`ACS-(203|207|208|209|210): `)

// warned compares the codes of the warnings since the last look at the console; any
// other line of the SDK fails the test, too.
func (s *surface) warned(want ...string) {
	s.T.Helper()
	var got []string
	for _, line := range s.console() {
		// Mistakes of the page's developer are errors the first time.
		if rest, ok := strings.CutPrefix(line, "warning: [AvayaCCaaSChatSDK] "); ok {
			code, _, _ := strings.Cut(rest, ":")
			got = append(got, code)
		} else if rest, ok := strings.CutPrefix(line, "error: [AvayaCCaaSChatSDK] "); ok && mistakes.MatchString(rest) {
			code, _, _ := strings.Cut(rest, ":")
			got = append(got, code)
		} else if strings.Contains(line, "[AvayaCCaaSChatSDK]") {
			got = append(got, line)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		s.T.Errorf("warnings %q, want %q", got, want)
	}
}

// signed are init's parameters with a token of claims that are changed, signed by
// the gateway's key or by another.
func signed(t *testing.T, w *harness.Environment, customer, secret string, change func(c jwt.MapClaims)) map[string]any {
	t.Helper()
	p := w.InitParams(t, customer, harness.TokenOptions{})
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(p["token"].(string), &claims); err != nil {
		t.Fatal(err)
	}
	change(claims)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	p["token"] = token
	return p
}

// sessionCalls are the functions that need a session: those that return a promise reject,
// those that return void throw (NS-13).
const sessionCalls = `const calls = {
	createEngagement: () => sdk.createEngagement({a: "b"}), getEngagements: () => sdk.getEngagements(),
	getEngagementById: () => sdk.getEngagementById("x"), shutdown: () => sdk.shutdown(),
	setJwtToken: () => sdk.setJwtToken(params.token), resetIdleTimeout: () => sdk.resetIdleTimeout(),
	resetTimer: () => sdk.resetTimer(), retryConnection: () => sdk.retryConnection(),
};
const all = async () => { const now = {}; for (const name of Object.keys(calls)) now[name] = outcome(calls[name]);
	for (const name of Object.keys(now)) now[name] = await now[name]; return now };
`

func refusals(code string) map[string]string {
	return map[string]string{
		"createEngagement": "rejects " + code, "getEngagements": "rejects " + code, "getEngagementById": "rejects " + code,
		"shutdown": "rejects " + code, "setJwtToken": "throws " + code, "resetIdleTimeout": "throws " + code,
		"resetTimer": "throws " + code, "retryConnection": "throws " + code,
	}
}

func TestRowsNamespace(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	o := w.FaultyOrigin(t)
	customer := harness.NewCustomerID("row-ns")
	// The clock is put forward below.
	s := newSurface(t, o.Origin, w.InitParams(t, customer, harness.TokenOptions{TTL: 10 * time.Hour}))
	s.AllowErrors(mistakes.String() + "|init: (params|config)")
	s.AllowErrors(harness.NetworkErrors)

	t.Run("NS-13 before init", func(t *testing.T) {
		s.at(t).want(refusals("ACS-310"), sessionCalls+`return all()`)
	})
	t.Run("NS-12 version", func(t *testing.T) {
		var info struct{ Version string }
		text, err := os.ReadFile("../../dist/build-info.json")
		if err == nil {
			err = json.Unmarshal(text, &info)
		}
		if err != nil {
			t.Fatal(err)
		}
		s.at(t).want([]any{info.Version, true}, `const v = sdk.version();
			return [v, /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/.test(v)]`)
	})
	t.Run("NS-14 enums are frozen words, classes work with instanceof", func(t *testing.T) {
		s.at(t).want(map[string]any{
			"EngagementDisconnectReason": []string{"USER_CLOSED", "SYSTEM_CLOSED", "USER_INACTIVE"},
			"EngagementStatus":           []string{"PENDING", "ACTIVE", "TERMINATING", "TERMINATED"},
			"EventStreamFailureReason": []string{"UNAUTHORIZED", "FORBIDDEN", "SDK_SESSION_INVALID", "SERVER_ERROR",
				"SERVER_UNREACHABLE", "UNEXPECTED_ERROR", "RECONNECTION_TIMEOUT"},
			"EventType": []string{"INITIALIZED", "SHUTDOWN", "TOKEN_EXPIRY_REMINDER", "TOKEN_EXPIRED", "IDLE_TIMEOUT_EXPIRED",
				"EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "EVENT_STREAM_FAILED", "EVENT_STREAM_CLOSED", "ENGAGEMENT_ACTIVE",
				"ENGAGEMENT_TERMINATED", "ENGAGEMENT_ERROR", "PARTICIPANT_ADDED", "PARTICIPANT_DISCONNECTED", "MESSAGE_ARRIVED", "MESSAGE_DELIVERED"},
			"LogLevel":        []string{"DEBUG", "INFO", "WARN", "ERROR", "OFF"},
			"ParticipantType": []string{"CUSTOMER", "AGENT", "SUPERVISOR", "BOT", "SYSTEM"},
			"ShutdownReason":  []string{"USER_CLOSED", "USER_INACTIVE"},
			"TextType":        []string{"PLAINTEXT", "MARKDOWN", "HTML"},
		}, `const words = {};
			for (const name of Object.keys(sdk)) if (typeof sdk[name] === "object") {
				const o = sdk[name];
				words[name] = Object.isFrozen(o) && Object.keys(o).every((k) => o[k] === k) ? Object.keys(o) : "not frozen words";
			}
			return words`)
		s.want([]any{true, "function", "function", "throws TypeError: Assignment", "unchanged"}, `"use strict";
			const frozen = Object.isFrozen(sdk), on = sdk.on;
			const refused = outcome(() => { sdk.on = 1 }).replace(/(Cannot assign|"on" is read-only|Attempted to assign to readonly).*/, "Assignment");
			return [frozen, typeof sdk.ACSException, typeof sdk.Engagement, refused, sdk.on === on ? "unchanged" : "changed"]`)
	})
	t.Run("NS-13 NS-14 an ACSException is an Error with code, message, stack, toString and cause", func(t *testing.T) {
		where := "retryConnection"
		if harness.Lacks(t, harness.AllFrames) {
			where = "avaya-ccaas-chat-sdk.js"
		}
		s.at(t).want([]any{true, true, "ACSException", "ACS-310", true, "ACS-310: ", true, true}, `
			let e; try { sdk.retryConnection() } catch (x) { e = x }
			return [e instanceof Error, e instanceof sdk.ACSException, e.name, e.code, e.message.length > 0,
				e.toString().replace(e.message, ""), String(e) === e.toString(), e.stack.includes("`+where+`")]`)
		s.want([]any{"ACS-999", "mine", "ACS-999: mine", true, false}, `const cause = new Error("why");
			const e = new sdk.ACSException("ACS-999", "mine", cause);
			return [e.code, e.message, e.toString(), e.cause === cause, "cause" in new sdk.ACSException("ACS-1", "x")]`)
	})
	t.Run("NS-10 log levels", func(t *testing.T) {
		s.at(t).console()
		s.want([]any{"ACS-303", "logLevel must be DEBUG, INFO, WARN, ERROR or OFF", true}, `
			try { sdk.setLogLevel("LOUD") } catch (e) { return [e.code, e.message, e instanceof sdk.ACSException] }`)
		s.want([]string{"throws ACS-303", "throws ACS-303", "throws ACS-303", "throws ACS-303", "throws ACS-303"},
			`return ["warn", "", undefined, null, 3].map((level) => outcome(() => sdk.setLogLevel(level)))`)
		for level, printed := range map[string]bool{"DEBUG": true, "INFO": true, "WARN": true, "ERROR": true, "OFF": false} {
			s.want([]string{"undefined", "returns"}, `return [sdk.setLogLevel("`+level+`"), outcome(() => sdk.on("NO_EVENT_AT_`+level+`", () => {}))]`)
			if printed {
				s.warned("ACS-203")
			} else {
				s.warned()
			}
		}
		// The default shows no warning.
		s.load()
		s.console()
		s.want("returns", `return outcome(() => { sdk.off("SHUTDOWN"); sdk.off("SHUTDOWN") })`)
		s.warned()
	})
	t.Run("NS-2 NS-3 INIT-6 what a developer did wrong is said at ERROR, once", func(t *testing.T) {
		s.at(t).load()
		s.console()
		s.want([]any{"rejects ACS-302", "resolves", "resolves"}, `
			for (let i = 0; i < 3; i++) { sdk.on("MESAGE_ARRIVED", () => {}); sdk.off("SHUT_DOWN"); }
			const {appkey, ...rest} = params, init = async (p, c) => { const how = await outcome(() => sdk.init(p, c)); if (how === "resolves") await sdk.shutdown(); return how };
			const wrong = {...params, hostUrl: "x"}, config = {idleTimeout: 5, idleShutdownGraceTimeout: 5000, reconnectiontimeout: 200, secret: "do not print"};
			return [await init({...rest, appKey: "do not print"}, {}), await init(wrong, config), await init(wrong, config)]`)
		want := []string{
			"ACS-203: Event does not exist - MESAGE_ARRIVED", "ACS-203: Event does not exist - SHUT_DOWN",
			"ACS-208: idleTimeout must be 300 to 3300 seconds or 0, using 300", "ACS-209: idleShutdownGraceTimeout must be 30 to 120 seconds, using 30",
			"init: config.reconnectiontimeout is unknown and ignored: write reconnectionTimeout", "init: config.secret is unknown and ignored",
			"init: params.appKey is unknown and ignored: write appkey", "init: params.hostUrl is unknown and ignored: write hostURL",
		}
		lines := s.console()
		slices.Sort(lines)
		for i := range want {
			want[i] = "error: [AvayaCCaaSChatSDK] " + want[i]
		}
		harness.ExpectTexts(t, "the console", lines, want)
		// Names that a page makes up fill neither the console nor the memory for ever.
		s.want("undefined", `sdk.setLogLevel("ERROR"); for (let i = 0; i < 200; i++) sdk.on("x".repeat(100000) + i, () => {}); for (let i = 0; i < 200; i++) sdk.on(i + "x".repeat(100000), () => {})`)
		lines = s.console()
		if n := len(lines); n < 10 || n > 50 || len(strings.Join(lines, "")) > 50*200 {
			t.Errorf("%d lines, %d bytes", n, len(strings.Join(lines, "")))
		}
	})
	t.Run("NS-10 INIT-6 DEBUG tells how the wasm came, and each event, without what is in it", func(t *testing.T) {
		s.at(t).load()
		s.console()
		s.want("resolves", `sdk.off("MESSAGE_DELIVERED"); await sdk.init(params, {logLevel: "DEBUG"}); const e = await sdk.createEngagement(); await event("PARTICIPANT_ADDED");
			await e.sendMessage("a secret text"); await e.disconnect(); return outcome(() => sdk.shutdown())`)
		text := strings.Join(s.console(), "\n")
		for _, want := range []string{
			`debug: \[AvayaCCaaSChatSDK\] http://[^?]*/avaya-ccaas-chat-sdk\.wasm: status 200 after \d+ ms\n`,
			`debug: \[AvayaCCaaSChatSDK\] EVENT_STREAM_CONNECTING +\n`, `debug: \[AvayaCCaaSChatSDK\] PARTICIPANT_ADDED [0-9a-f-]{36} *\n`,
		} {
			if !regexp.MustCompile(want).MatchString(text) {
				t.Errorf("no line %s in\n%s", want, text)
			}
		}
		if token := s.params["token"].(string); strings.Contains(text, "a secret text") || strings.Contains(text, token) {
			t.Errorf("a secret in\n%s", text)
		}
		// A failed init leaves the level as it was.
		s.want("rejects ACS-305", `sdk.setLogLevel("ERROR"); return outcome(() => sdk.init({...params, token: "x"}, {logLevel: "DEBUG"}))`)
		s.console()
		s.want("resolves", `await sdk.init(params, {}); return outcome(() => sdk.shutdown())`)
		if lines := s.console(); len(lines) != 0 {
			t.Errorf("NS-10: after a failed init: %q", lines)
		}
	})
	t.Run("NS-2 on: what is refused", func(t *testing.T) {
		s.at(t).console()
		s.want([]string{"throws ACS-322", "throws ACS-322", "throws ACS-322", "throws ACS-322"},
			`sdk.setLogLevel("WARN"); return [undefined, null, {}, "f"].map((f) => outcome(() => sdk.on("SHUTDOWN", f)))`)
		s.warned()
		s.want([]string{"returns", "returns", "returns", "returns", "returns", "returns"},
			`return ["NO_EVENT", "initialized", "toString", "__proto__", 7, undefined].map((name) => outcome(() => sdk.on(name, () => {})))`)
		s.warned("ACS-203", "ACS-203", "ACS-203", "ACS-203", "ACS-203", "ACS-203")
	})
	t.Run("NS-3 off: one, all, none, unknown", func(t *testing.T) {
		s.at(t).want([]any{"undefined", "undefined"}, `return [sdk.off("SHUTDOWN"), sdk.on("SHUTDOWN", () => {})]`)
		s.warned()
		s.want("returns", `return outcome(() => { sdk.off("SHUTDOWN"); sdk.off("SHUTDOWN") })`)
		s.warned("ACS-205")
		s.want("returns", `return outcome(() => sdk.off("NO_EVENT"))`)
		s.warned("ACS-203")
		s.want("returns", `return outcome(() => sdk.off())`)
		s.warned("ACS-202")
		s.want("returns", `return outcome(() => sdk.off("INITIALIZED"))`)
		s.warned("ACS-205")
		// IDLE_TIMEOUT is an alias here too (EV-5).
		s.want("returns", `return outcome(() => { sdk.on("IDLE_TIMEOUT", () => {}); sdk.off("IDLE_TIMEOUT_EXPIRED"); sdk.on("IDLE_TIMEOUT_EXPIRED", () => {}); sdk.off("IDLE_TIMEOUT") })`)
		s.warned()
		s.want([]int{0, 1}, `let kept = 0, gone = 0; listen();
			sdk.on("INITIALIZED", () => gone++); sdk.on("EVENT_STREAM_CONNECTED", () => kept++); sdk.off("INITIALIZED");
			await sdk.init(params, {}); await task(); return [gone, kept]`)
		s.want([]string{}, `listen(); sdk.off(); forget(); await sdk.shutdown(); await task(); return names()`)
		s.warned("ACS-202")
	})

	t.Run("NS-1 NS-13 INIT-8 init, and every call while it runs", func(t *testing.T) {
		s.at(t)
		s.load()
		want := refusals("ACS-321")
		want["init"] = "rejects ACS-321"
		for _, when := range []string{"before the wasm is there", "after"} {
			s.want([]any{true, want, true, when}, sessionCalls+`
				const first = sdk.init(params, {}); calls.init = () => sdk.init(params, {});
				const during = await all();
				const user = await first;
				const ok = Array.isArray(user.engagements) && user.displayName.length > 0;
				await sdk.shutdown();
				return [first instanceof Promise, during, ok, "`+when+`"]`)
		}
	})
	t.Run("NS-13 INIT-8 while init runs: at every step of the core's start", func(t *testing.T) {
		s.at(t)
		s.load()
		// The page's own microtasks run between those of the SDK.
		s.want([]any{"resolves", []string{"init rejects ACS-321", "resetIdleTimeout throws ACS-321", "setLogLevel returns", "shutdown rejects ACS-321"}, 40}, `
			const instantiate = WebAssembly.instantiate; let n = 0; const tries = []; let over;
			const all = new Promise((resolve) => over = resolve);
			const step = () => {
				for (const [name, f] of Object.entries({init: () => sdk.init(params, {}), shutdown: () => sdk.shutdown(), resetIdleTimeout: () => sdk.resetIdleTimeout(), setLogLevel: () => sdk.setLogLevel("ERROR")})) {
					tries.push((async () => name + " " + await outcome(f))());
				}
				++n < 40 ? Promise.resolve().then(step) : over();
			};
			WebAssembly.instantiate = (...args) => { const i = instantiate(...args); i.then(step); return i };
			const how = await outcome(() => sdk.init(params, {})); await all; WebAssembly.instantiate = instantiate;
			const got = [...new Set(await Promise.all(tries))].sort(); await sdk.shutdown(); return [how, got, n]`)
	})
	t.Run("NS-4 NS-14 createEngagement", func(t *testing.T) {
		s.at(t).want([]any{true, true, true, true}, `await sdk.init(params, {}); forget();
			const p = sdk.createEngagement({topic: "NS-4"}); window.engagement = await p;
			await event("ENGAGEMENT_ACTIVE");
			return [p instanceof Promise, engagement instanceof sdk.Engagement, engagement.engagementStatus === "ACTIVE", engagement.engagementId.length === 36]`)
		s.want([]string{"rejects ACS-322", "rejects ACS-322", "rejects ACS-322", "rejects ACS-322"}, `
			return Promise.all([{a: 1}, {a: undefined}, "x", {["k".repeat(65)]: "v"}].map((p) => outcome(() => sdk.createEngagement(p))))`)
	})
	t.Run("NS-5 getEngagements: across sessions, each always the same object", func(t *testing.T) {
		s.at(t)
		other := newSurface(t, o.Origin, w.InitParams(t, customer, harness.TokenOptions{}))
		var id string
		if err := json.Unmarshal([]byte(other.result(`await sdk.init(params, {}); return (await sdk.createEngagement()).engagementId`)), &id); err != nil {
			t.Fatal(err)
		}
		s.want([]any{2, true, true, true, "PENDING"}, `const id = `+quoted(id)+`;
			const p = sdk.getEngagements(), a = await p, b = await sdk.getEngagements();
			const mine = (list) => list.find((e) => e.engagementId === engagement.engagementId), theirs = (list) => list.find((e) => e.engagementId === id);
			return [a.length, p instanceof Promise, mine(a) === engagement, theirs(a) === theirs(b), theirs(a).engagementStatus]`)
		other.want("resolves", `return outcome(() => sdk.shutdown())`)
	})
	t.Run("NS-6 getEngagementById with and without await", func(t *testing.T) {
		s.at(t).want([]any{true, true, true, "ACTIVE", true, true, true, "rejects ACS-315", "directly", true}, `
			const p = sdk.getEngagementById(engagement.engagementId);
			const members = Object.keys(engagement).every((k) => k in p);
			const live = p.createdAt instanceof Date && p.participants.length === engagement.participants.length;
			const found = p.getParticipantById(engagement.participants[0].participantId);
			return [p instanceof Promise, await p === engagement, members, p.engagementStatus, live,
				p.getParticipants()[0].participantId === found.participantId, (await p.getMessages()).getPageSize() === 10,
				await outcome(() => p.join()), (await p.sendMessage("directly")).body.elementText.text,
				await sdk.getEngagementById(engagement.engagementId) === engagement]`)
		s.want([]any{"undefined", "undefined", "undefined", "undefined", "undefined"}, `
			const unknown = sdk.getEngagementById("8b6b3a1e-0000-4000-8000-000000000000");
			return [unknown.join, await unknown, await sdk.getEngagementById("x"), await sdk.getEngagementById(), await sdk.getEngagementById({})]`)
		// One that began elsewhere, and was not received of: the promise finds it.
		s.want([]any{true, true}, `const [a] = (await sdk.getEngagements()).filter((e) => e !== engagement);
			return [a instanceof sdk.Engagement, await sdk.getEngagementById(a.engagementId) === a]`)
	})
	t.Run("NS-7 setJwtToken", func(t *testing.T) {
		s.at(t)
		next, _ := w.Token(t, customer, harness.TokenOptions{TTL: 11 * time.Hour})
		s.want([]any{"undefined", "throws ACS-308", "throws ACS-308", "throws ACS-308", "throws ACS-305", "resolves"}, `
			return [sdk.setJwtToken(`+quoted(next)+`), outcome(() => sdk.setJwtToken()), outcome(() => sdk.setJwtToken("")), outcome(() => sdk.setJwtToken(5)),
				outcome(() => sdk.setJwtToken("no token")), await outcome(() => engagement.sendMessage("with the new token"))]`)
	})
	t.Run("NS-8 resetIdleTimeout and its alias resetTimer", func(t *testing.T) {
		s.at(t).want([]any{"undefined", "undefined", 0, 1}, `
			forget(); const expired = async () => { await sdk.getEngagements(); await task(); return names().filter((n) => n === "IDLE_TIMEOUT_EXPIRED").length };
			clock.skip(200); const a = sdk.resetIdleTimeout(); clock.skip(200); const b = sdk.resetTimer(); clock.skip(200);
			const before = await expired(); clock.skip(101); await event("IDLE_TIMEOUT_EXPIRED");
			const after = await expired(); sdk.resetIdleTimeout(); return [a, b, before, after]`)
		s.want("IDLE_TIMEOUT_EXPIRED", `sdk.resetIdleTimeout(); forget(); clock.skip(29); sdk.resetTimer(); clock.skip(299); await sdk.getEngagements();
			if (names().length) return names(); clock.skip(2); await event("IDLE_TIMEOUT_EXPIRED"); sdk.resetTimer(); return names().join()`)
	})
	t.Run("NS-9 retryConnection: only after a failure, returns before the outcome", func(t *testing.T) {
		// A connection that has not been through the jumps of the clock above.
		s.at(t).want("throws ACS-318", `await sdk.shutdown(); await sdk.init(params, {}); forget();
			window.engagement = await sdk.createEngagement(); await event("ENGAGEMENT_ACTIVE");
			return outcome(() => sdk.retryConnection())`)
		// Every attempt fails until the test lets one through.
		o.InterceptREST(func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/events") {
				harness.AbortConnection()
			}
			return false
		})
		s.result(`forget()`)
		o.NewestStream().Cut()
		s.want([]any{"undefined", true}, `await event("EVENT_STREAM_FAILED"); const before = names().length;
			const r = sdk.retryConnection(); return [r, names().length === before]`)
		s.want("EVENT_STREAM_FAILED", `await event("EVENT_STREAM_FAILED", 2); return names().filter((n) => n === "EVENT_STREAM_FAILED")[1]`)
		o.InterceptREST(nil)
		s.want([]any{"returns", "throws ACS-318", "resolves"}, `const r = outcome(() => sdk.retryConnection()); await event("EVENT_STREAM_CONNECTED");
			return [r, outcome(() => sdk.retryConnection()), await outcome(() => engagement.sendMessage("again"))]`)
	})
	t.Run("NS-11 NS-13 shutdown: its reasons, every call while it runs, and after it", func(t *testing.T) {
		s.at(t).want([]string{"rejects ACS-322", "rejects ACS-322", "rejects ACS-322", "rejects ACS-322"},
			`return Promise.all(["BORED", "", {}, 5].map((reason) => outcome(() => sdk.shutdown(reason))))`)
		want := refusals("ACS-321")
		want["init"] = "rejects ACS-321"
		want["sendMessage"] = "rejects ACS-321"
		s.want([]any{true, want, "undefined", "SHUTDOWN", "USER_INACTIVE"}, sessionCalls+`forget();
			calls.init = () => sdk.init(params, {}); calls.sendMessage = () => engagement.sendMessage("late");
			const p = sdk.shutdown("USER_INACTIVE"); const during = await all(); const value = await p;
			return [p instanceof Promise, during, value, names().pop(), received[received.length - 1].payload.reason]`)
		s.want(refusals("ACS-310"), sessionCalls+`return all()`)
		s.want([]any{"rejects ACS-310", "rejects ACS-310", "ACTIVE"}, `return [await outcome(() => engagement.sendMessage("x")), await outcome(() => engagement.join()), engagement.engagementStatus]`)
		s.want([]string{"undefined", "undefined"}, `await sdk.init(params, {}); const a = await sdk.shutdown(); await sdk.init(params, {}); return [a, await sdk.shutdown("USER_CLOSED")]`)
	})
}

// quoted is a string as JavaScript writes it.
func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}
