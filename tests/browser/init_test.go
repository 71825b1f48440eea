package browser

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"openchat/tests/harness"
)

// TestRowsInitArguments needs no session: init refuses each of these.
func TestRowsInitArguments(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	o := w.NewOrigin(t)
	customer := harness.NewCustomerID("row-init")
	s := newSurface(t, o, w.InitParams(t, customer, harness.TokenOptions{}))
	s.AllowErrors(harness.NetworkErrors)
	// refused tries JavaScript values as one member of params.
	refused := func(t *testing.T, code, member string, values ...string) {
		t.Helper()
		want := make([]string, len(values))
		for i, v := range values {
			want[i] = v + " rejects " + code
		}
		text, _ := json.Marshal(values)
		s.at(t).want(want, `const got = [], texts = `+string(text)+`;
			for (const [i, v] of [`+strings.Join(values, ", ")+`].entries()) got.push(texts[i] + " " + await outcome(() => sdk.init({...params, `+member+`: v}, {})));
			return got`)
	}

	t.Run("INIT-1 hostURL", func(t *testing.T) {
		refused(t, "ACS-301", "hostURL", `undefined`, `null`, `""`)
		refused(t, "ACS-309", "hostURL", `"not a url"`, `"//x.example"`, `"x.example"`, `"ftp://x.example"`, `"ws://x.example"`, `"javascript:alert(1)"`,
			`"http://"`, `"https:///path"`, `"http://:80"`, `"http://x.example:0"`, `"http://[x.example]"`, `"http://a b.example"`, `"http://x.example:port"`, `"http://x.example:99999"`,
			`"http://[::1"`, `"http://x<y.example"`, `"http://x%zz"`, `"http://u:p@x.example"`)
		s.want(true, `const all = {...params}; delete all.hostURL; return (await outcome(() => sdk.init(all, {}))) === "rejects ACS-301"`)
	})
	t.Run("INIT-2 integrationId", func(t *testing.T) {
		refused(t, "ACS-307", "integrationId", `undefined`, `null`, `""`, `"not a uuid"`, `5`, `"a776d4f3-b886-40a3-9fa7-5b7df35b440"`, `"a776d4f3-b886-40a3-9fa7-5b7df35b440bb"`,
			// A UUID that the server does not know.
			`"8b6b3a1e-1111-4111-8111-111111111111"`)
	})
	t.Run("INIT-3 token", func(t *testing.T) {
		refused(t, "ACS-308", "token", `undefined`, `null`, `""`)
		refused(t, "ACS-305", "token", `"no token"`, `"a.b.c"`, `"e30.e30.e30"`, `"jwt."`)
		expired := signed(t, w, customer, harness.TokenSecret, func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Minute).Unix() })
		forged := signed(t, w, customer, "another secret than the gateway's, as long as it", func(jwt.MapClaims) {})
		elsewhere := signed(t, w, customer, harness.TokenSecret, func(c jwt.MapClaims) { c["accountId"] = "NOBODY" })
		refused(t, "ACS-305", "token", quoted(expired["token"].(string)), quoted(forged["token"].(string)), quoted(elsewhere["token"].(string)))
	})
	t.Run("INIT-4 appkey", func(t *testing.T) {
		refused(t, "ACS-302", "appkey", `undefined`, `null`, `""`)
		refused(t, "ACS-302", "appkey", `"not the key"`) // by the server
	})
	t.Run("INIT-5 params", func(t *testing.T) {
		s.at(t).want([]string{"rejects ACS-302", "rejects ACS-302", "rejects ACS-302", "rejects ACS-302", "rejects ACS-302", "rejects ACS-302"},
			`return Promise.all([[], [null], ["params"], [5], [[params]], [() => params]].map((args) => outcome(() => sdk.init(...args))))`)
		refused(t, "ACS-322", "displayName", `5`, `{}`)
		refused(t, "ACS-322", "sessionParameters", `5`, `"x"`, `["a"]`)
		s.want([]string{"key a", "key b", "key c", "key d", "key f", "k+", "length"}, `const got = [];
			for (const [p, key] of [[{a: 1}, "a"], [{ok: "", b: null}, "b"], [{c: undefined}, "c"], [{d: {}}, "d"], [{f: "v".repeat(257)}, "f"], [{["k".repeat(65)]: ""}, "k+"]]) {
				try { await sdk.init({...params, sessionParameters: p}, {}) } catch (e) {
					got.push(e.code === "ACS-322" && e.message.includes(key === "k+" ? "kkkkkkkk" : "." + key + " ") ? (key === "k+" ? key : "key " + key) : e.code + " " + e.message) }
			}
			return got.concat("length")`)
	})
	t.Run("INIT-6 config that is no object", func(t *testing.T) {
		s.at(t).want([]string{"rejects ACS-303", "rejects ACS-303", "rejects ACS-303", "rejects ACS-303", "rejects ACS-303"},
			`return Promise.all([5, "DEBUG", true, [], () => {}].map((c) => outcome(() => sdk.init(params, c))))`)
	})
	t.Run("INIT-9 after all this init works", func(t *testing.T) {
		s.at(t).want([]string{"resolves", "resolves"}, `return [await outcome(() => sdk.init(params, {})), await outcome(() => sdk.shutdown())]`)
	})
}

func TestRowsInit(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	f := w.FaultyOrigin(t)
	s := newSurface(t, f.Origin, w.InitParams(t, harness.NewCustomerID("row-init"), harness.TokenOptions{TTL: 10 * time.Hour}))
	s.AllowErrors(harness.NetworkErrors)
	s.AllowErrors(mistakes.String())

	t.Run("INIT-1 INIT-2 INIT-3 what is fine: slash, path prefix, letter case, jwt. prefix", func(t *testing.T) {
		s.at(t)
		f.InterceptREST(func(_ http.ResponseWriter, r *http.Request) bool {
			r.URL.Path = strings.TrimPrefix(r.URL.Path, "/some/prefix")
			return false
		})
		defer f.InterceptREST(nil)
		s.want([]string{"resolves", "resolves", "resolves", "resolves", "resolves", "resolves"}, `const got = [], host = params.hostURL;
			for (const change of [{}, {hostURL: host + "/"}, {hostURL: host + "/some/prefix"}, {hostURL: host.replace("http", "HTTP") + "/some/prefix/"},
				{token: "jwt." + params.token}, {integrationId: params.integrationId.toUpperCase(), displayName: undefined, sessionParameters: undefined}]) {
				got.push(await outcome(() => sdk.init({...params, ...change}, {})));
				await outcome(() => sdk.createEngagement()); await outcome(() => sdk.shutdown());
			}
			return got`)
	})
	t.Run("INIT-5 INIT-7 what the user context holds", func(t *testing.T) {
		s.at(t).want([]any{true, []string{"EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "INITIALIZED"}, true, true, "object"}, `forget();
			const long = {["k".repeat(64)]: "v".repeat(256), empty: "", emoji: "\u{1F600}".repeat(128)};
			const user = await sdk.init({...params, displayName: "Not the name", sessionParameters: long}, {});
			const order = names(), same = received[2].payload === user;
			const kept = JSON.stringify(Object.entries(user.sessionParameters).sort()) === JSON.stringify(Object.entries(long).sort());
			await sdk.shutdown(); return [same, order, kept, user.displayName.startsWith("Customer row-init"), typeof user.engagements]`)
		// The token carries no name here.
		named := s.params
		s.give(signed(t, w, harness.NewCustomerID("row-init"), harness.TokenSecret, func(c jwt.MapClaims) { delete(c, "customerName") }))
		s.want([]any{"Ann", "Ann", false, "Customer"}, `
			const user = await sdk.init({...params, displayName: "Ann"}, {}); const e = await sdk.createEngagement(); await event("PARTICIPANT_ADDED");
			const shown = e.participants[0].displayName; await sdk.shutdown(); forget();
			const nameless = await sdk.init(params, {}); const e2 = await sdk.createEngagement(); await event("PARTICIPANT_ADDED");
			const has = "displayName" in nameless; const standard = e2.participants[0].displayName; await sdk.shutdown();
			return [user.displayName, shown, has, standard]`)
		s.give(named)
	})
	t.Run("INIT-6 config: bounds, wrong types, warnings", func(t *testing.T) {
		s.at(t)
		s.want("undefined", `sdk.setLogLevel("WARN")`)
		s.console()
		for _, c := range []struct {
			config string
			want   []string
		}{
			{`undefined`, []string{"ACS-201"}},
			{`{}`, nil},
			{`{reconnectionTimeout: undefined, logLevel: undefined}`, nil},
			{`{reconnectionTimeout: 120, idleTimeout: 300, idleShutdownGraceTimeout: 30, logLevel: "WARN"}`, nil},
			{`{reconnectionTimeout: 300, idleTimeout: 3300, idleShutdownGraceTimeout: 120}`, nil},
			{`{idleTimeout: 0}`, nil},
			{`{reconnectionTimeout: 119.9, idleTimeout: 299.9, idleShutdownGraceTimeout: 29.9}`, []string{"ACS-207", "ACS-208", "ACS-209"}},
			{`{reconnectionTimeout: 300.1, idleTimeout: 3300.1, idleShutdownGraceTimeout: 120.1}`, []string{"ACS-207", "ACS-208", "ACS-209"}},
			{`{reconnectionTimeout: 0, idleTimeout: -1, idleShutdownGraceTimeout: 0}`, []string{"ACS-207", "ACS-208", "ACS-209"}},
			{`{reconnectionTimeout: "200", idleTimeout: "900", idleShutdownGraceTimeout: "60"}`, []string{"ACS-207", "ACS-208", "ACS-209"}},
			{`{reconnectionTimeout: NaN, idleTimeout: Infinity, idleShutdownGraceTimeout: null}`, []string{"ACS-207", "ACS-208", "ACS-209"}},
			{`{reconnectionTimeout: {}, idleTimeout: [], idleShutdownGraceTimeout: true}`, []string{"ACS-207", "ACS-208", "ACS-209"}},
			{`{idleTimeout: 10, logLevel: "WARN"}`, []string{"ACS-208"}},
		} {
			s.want(c.config+" resolves", `const how = await outcome(() => sdk.init(params, `+c.config+`)); await sdk.shutdown(); return `+quoted(c.config)+` + " " + how`)
			s.warned(c.want...)
		}
		for _, level := range []string{`"LOUD"`, `"warn"`, `5`, `null`, `{}`} {
			s.want("resolves", `sdk.setLogLevel("WARN"); const how = await outcome(() => sdk.init(params, {logLevel: `+level+`})); await sdk.shutdown(); return how`)
			s.warned("ACS-210")
		}
	})
	t.Run("INIT-6 NS-10 logLevel: ERROR by default, a page's own stays, the config's counts", func(t *testing.T) {
		s.at(t)
		s.load()
		s.console()
		s.want("resolves", `return outcome(() => sdk.init(params))`)
		s.warned()
		s.want("resolves", `await sdk.shutdown(); const how = await outcome(() => sdk.init(params, {idleTimeout: 5, logLevel: "WARN"})); sdk.on("NO_EVENT", () => {}); await (await sdk.createEngagement()).getMessages(99); return how`)
		s.warned("ACS-203", "ACS-208", "ACS-211")
		s.want("resolves", `await sdk.shutdown(); const how = await outcome(() => sdk.init(params, {logLevel: "OFF"})); sdk.on("NO_EVENT", () => {}); await (await sdk.createEngagement()).getMessages(99); await sdk.shutdown(); return how`)
		s.warned()
	})
	t.Run("INIT-6 IDLE-2 warning 206 idle timeouts: given, default, invalid, off", func(t *testing.T) {
		s.at(t)
		for _, c := range []struct {
			config      string
			before, due int // seconds: not yet, and then
			grace       any
		}{
			{`{}`, 290, 11, 30},
			{`{idleTimeout: 400, idleShutdownGraceTimeout: 120}`, 390, 11, 120},
			{`{idleTimeout: 3300, idleShutdownGraceTimeout: 31.5}`, 3290, 11, 31.5},
			{`{idleTimeout: 3301, idleShutdownGraceTimeout: 121}`, 290, 11, 30},
			{`{idleTimeout: 5, idleShutdownGraceTimeout: 29}`, 290, 11, 30},
			{`{idleTimeout: 0}`, 290, 8000, "never"},
		} {
			s.want([]any{c.config, 0, c.grace}, fmt.Sprintf(`forget(); sdk.setLogLevel("WARN"); await sdk.init(params, %s);
				const seen = async () => { await sdk.getEngagements(); await task(); return names().filter((n) => n === "IDLE_TIMEOUT_EXPIRED").length };
				clock.skip(%d); const early = await seen(); clock.skip(%d);
				const grace = %v ? await seen() || "never" : (await event("IDLE_TIMEOUT_EXPIRED")).gracePeriod;
				await sdk.shutdown(); return [%s, early, grace]`, c.config, c.before, c.due, c.grace == "never", quoted(c.config)))
			want := 1
			if c.grace == "never" {
				want = 0
			}
			if n := strings.Count(strings.Join(s.console(), "\n"), "warning: [AvayaCCaaSChatSDK] ACS-206"); n != want {
				t.Errorf("%s: %d times ACS-206, want %d", c.config, n, want)
			}
		}
		s.result(`sdk.setLogLevel("ERROR")`)
	})
	t.Run("INIT-6 reconnectionTimeout: given, default, invalid", func(t *testing.T) {
		s.at(t)
		for _, c := range []struct {
			config string
			window int
		}{{`{}`, 120}, {`{reconnectionTimeout: 300}`, 300}, {`{reconnectionTimeout: 301}`, 120}} {
			s.result(`forget(); await sdk.init(params, ` + c.config + `)`)
			f.InterceptREST(noStream)
			f.NewestStream().Cut()
			// Attempts fail for as long as the window is open.
			s.want([]any{c.config, true, 0}, fmt.Sprintf(`const failed = (await event("EVENT_STREAM_FAILED")).reason;
				clock.skip(%d); await event("EVENT_STREAM_FAILED", 2); const open = names().length; clock.skip(20);
				while (received[received.length - 1].payload.reason !== "RECONNECTION_TIMEOUT") await event("EVENT_STREAM_FAILED", names().filter((n) => n === "EVENT_STREAM_FAILED").length + 1);
				return [%s, !received.slice(0, open).some((h) => h.payload.reason === "RECONNECTION_TIMEOUT"), received[received.length - 1].payload.retryAfter]`, c.window-15, quoted(c.config)))
			f.InterceptREST(nil)
			s.result(`await sdk.shutdown()`)
		}
	})
	t.Run("INIT-8 a second init: ACS-204, and nothing is disturbed", func(t *testing.T) {
		s.at(t).want([]any{[]string{"rejects ACS-204", "rejects ACS-204", "rejects ACS-301"}, []string{}, "resolves"}, `await sdk.init(params, {}); forget();
			const got = [await outcome(() => sdk.init(params, {})), await outcome(() => sdk.init({...params, displayName: "Eve"})), await outcome(() => sdk.init({...params, hostURL: ""}))];
			await task(); const disturbed = names(); return [got, disturbed, await outcome(() => sdk.getEngagements())]`)
		s.result(`await sdk.shutdown()`)
	})
}

// noStream lets no event stream through.
func noStream(_ http.ResponseWriter, r *http.Request) bool {
	if strings.HasSuffix(r.URL.Path, "/events") {
		harness.AbortConnection()
	}
	return false
}

func TestRowsInitFails(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	f := w.FaultyOrigin(t)
	s := newSurface(t, f.Origin, w.InitParams(t, harness.NewCustomerID("row-init"), harness.TokenOptions{TTL: 10 * time.Hour}))
	s.AllowErrors(harness.NetworkErrors)
	// The wasm's own loading is not what is timed here.
	s.want("resolves", `await sdk.init(params, {}); return outcome(() => sdk.shutdown())`)

	api := func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/api/digital/") }
	// After each failure: as before. Handlers are kept, calls say ACS-310, init works.
	sound := func(t *testing.T) {
		t.Helper()
		f.InterceptREST(nil)
		s.at(t).want([]any{"rejects ACS-310", "throws ACS-310", "resolves", "INITIALIZED", "resolves"}, `forget();
			const refused = [await outcome(() => sdk.getEngagements()), outcome(() => sdk.resetIdleTimeout())];
			const again = await outcome(() => sdk.init(params, {}));
			return refused.concat(again, names().pop(), await outcome(() => sdk.shutdown()))`)
	}
	for _, c := range []struct {
		name string
		hook func(http.ResponseWriter, *http.Request) bool
		// clock: seconds that pass in two steps; before the second init still tries.
		before, after int
		code          string
	}{
		{"INIT-9 unreachable server: ACS-306 within 30 s", func(w http.ResponseWriter, r *http.Request) bool {
			if api(r) {
				harness.AbortConnection()
			}
			return false
		}, 26, 4, "ACS-306"},
		{"INIT-9 server that never answers: ACS-306 within 30 s", func(w http.ResponseWriter, r *http.Request) bool {
			if api(r) {
				<-r.Context().Done()
			}
			return api(r)
		}, 26, 4, "ACS-306"},
		{"INIT-9 no event stream: ACS-306 within 30 s", noStream, 26, 4, "ACS-306"},
		{"INIT-9 5xx after the retries: ACS-311", func(w http.ResponseWriter, r *http.Request) bool {
			if api(r) {
				harness.WriteProblem(w, 503, "server-error", "")
			}
			return api(r)
		}, 22, 5, "ACS-311"},
	} {
		t.Run(c.name+", then INIT-10 as before", func(t *testing.T) {
			s.at(t)
			f.InterceptREST(c.hook)
			s.want([]string{"pending", "rejects " + c.code}, fmt.Sprintf(`forget(); let how = "pending"; const p = outcome(() => sdk.init(params, {})).then((h) => how = h);
				await task(); clock.skip(%d); await task(); await task(); const before = how; clock.skip(%d); return [before, await p]`, c.before, c.after))
			sound(t)
		})
	}
	for _, c := range []struct {
		name, method, path string // of the call that is answered so
		status             int
		body, code         string
	}{
		{"HTML for the session", "POST", "/sessions", 200, "<!doctype html><title>Proxy</title>", "ACS-304"},
		{"a session without an id", "POST", "/sessions", 201, "{}", "ACS-304"},
		{"a session that is cut short", "POST", "/sessions", 201, `{"sessionId": "8b6b3a1e-`, "ACS-304"},
		{"an id that is none", "POST", "/sessions", 201, `{"sessionId": "../../x"}`, "ACS-304"},
		{"404 of another server", "POST", "/sessions", 404, "404 page not found", "ACS-304"},
		{"400 of another server", "POST", "/sessions", 400, "<html>Bad Request</html>", "ACS-304"},
		{"engagements that are no list", "GET", "/engagements", 200, `{"engagements": []}`, "ACS-304"},
		{"HTML for the engagements", "GET", "/engagements", 200, "<!doctype html>", "ACS-304"},
		{"401 for the session", "POST", "/sessions", 401, `{"type":"about:blank#unauthorized"}`, "ACS-305"},
	} {
		t.Run("INIT-9 "+c.name+": "+c.code+", then INIT-10 as before", func(t *testing.T) {
			s.at(t)
			f.InterceptREST(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != c.method || !strings.HasSuffix(r.URL.Path, "/chat/v1"+c.path) {
					return false
				}
				w.Header().Set("Content-Type", "text/html")
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
				return true
			})
			s.want("rejects "+c.code, `return outcome(() => sdk.init(params, {}))`)
			sound(t)
		})
	}
	t.Run("INIT-10 handlers stay across a failed init, a shutdown and a re-init, until off", func(t *testing.T) {
		s.at(t)
		f.InterceptREST(nil)
		s.want([]int{2, 2, 1}, `let on = 0, ended = 0, wasOff = 0; sdk.on("INITIALIZED", () => on++); sdk.on("SHUTDOWN", () => ended++); sdk.on("EVENT_STREAM_CONNECTED", () => wasOff++);
			await outcome(() => sdk.init({...params, token: ""}, {})); await sdk.init(params, {}); sdk.off("EVENT_STREAM_CONNECTED"); await sdk.shutdown();
			await sdk.init(params, {}); await sdk.shutdown(); await task(); return [on, ended, wasOff]`)
	})
}
