package browser

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"openchat/tests/harness"
)

// rendering is what pages/widget.js reports of itself.
type rendering struct {
	Phase, Status string
	Texts         []string
	Ticks         int
}

// rendered waits until the page has rendered what is wanted since mark.
func rendered(b *harness.Tab, mark int, what string, want func(rendering) bool) (found rendering) {
	b.T.Helper()
	b.Wait(what, func(list []harness.Report) bool {
		for _, e := range list[mark:] {
			if e.Name == "rendered" {
				if found = decode[rendering](b.T, e); want(found) {
					return true
				}
			}
		}
		return false
	})
	return found
}

// widgetOrigin is an origin whose own back end signs the page's one customer in. The
// wasm comes once the gate is open; nil: at once.
func widgetOrigin(t *testing.T, w *harness.Environment, customer string, gate <-chan struct{}) *harness.FaultyOrigin {
	t.Helper()
	f := w.FaultyOrigin(t)
	f.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.URL.Path == "/t/account":
			params := w.InitParams(t, customer, harness.TokenOptions{})
			params["hostURL"] = f.URL
			json.NewEncoder(rw).Encode(params)
			return true
		case gate != nil && strings.HasSuffix(r.URL.Path, ".wasm"):
			select {
			case <-gate:
			case <-r.Context().Done():
			}
		}
		return false
	})
	return f
}

func TestWidgetPage(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	customer := harness.NewCustomerID("widget")
	gate := make(chan struct{})
	f := widgetOrigin(t, w, customer, gate)
	b := harness.NewTab(t, "customer")
	c := harness.Conversation{Tab: b, Agent: w.NewAgent(t, "Bo "+customer)}

	step(t, &c, "before the wasm: NS-2 NS-13 INIT-8 handlers and init right after the script", func(t *testing.T) {
		b.Open(f.URL + "/t/widget.html")
		b.Eval(nil, `void (widget.begun = widget.begin())`)
		b.Wait("the page's init", func(list []harness.Report) bool { return lastNamed(list, "called init") >= 0 })
		b.Expect("NS-13", map[string]any{"list": "ACSException ACS-321", "reset": "ACSException ACS-321", "init": "ACSException ACS-321"}, `return {
			list: await widget.caught(() => sdk.getEngagements()),
			reset: await widget.caught(() => sdk.resetIdleTimeout()),
			init: await widget.caught(() => sdk.init(widget.account)),
		}`)
		close(gate)
		b.Eval(nil, `widget.begun`)
		rendered(b, 0, "the handler of INITIALIZED", func(r rendering) bool { return r.Phase == "ready" })
	})
	step(t, &c, "an engagement, spread: ENG-2 NS-14 methods of copies", func(t *testing.T) {
		b.Eval(&c.ID, `widget.start().then((e) => e.engagementId)`)
		rendered(b, 0, "the engagement", func(r rendering) bool { return r.Status == "ACTIVE" })
		c.Agent.Accept(c.ID)
		b.Expect("ENG-2", map[string]any{
			"frozen": true, "left": "undefined", "id": c.ID, "created": true, "members": 11, "json": "ACTIVE", "people": true, "page": 10,
		}, `
			const { lastUpdatedAt, ...copy } = widget.state.engagement, again = Object.assign({}, { ...copy });
			const { getMessages, getParticipants, getParticipantById } = again;
			const [customer] = getParticipants();
			return {
				frozen: Object.isFrozen(widget.state.engagement), left: typeof lastUpdatedAt, id: again.engagementId, created: again.createdAt instanceof Date,
				members: Object.keys(again).length, json: JSON.parse(JSON.stringify(again)).engagementStatus,
				people: getParticipantById(customer.participantId).displayName === customer.displayName, page: (await getMessages()).getPageSize(),
			}`)
		mark := b.Mark()
		b.Eval(nil, `widget.send("from a copy of a copy")`)
		rendered(b, mark, "the sent message", func(r rendering) bool { return slices.Contains(r.Texts, "from a copy of a copy") && r.Ticks == 1 })
		c.Agent.WaitText(c.ID, "from a copy of a copy")
	})
	step(t, &c, "on in every rendering: NS-2 MSG-5 MSG-6 EV-12 each message shown once, in order", func(t *testing.T) {
		mine, theirs := harness.Numbered("mine", 8), harness.Numbered("theirs", 8)
		said := make(chan error, 1)
		go func() {
			for _, text := range theirs {
				if err := c.Agent.TrySend(c.ID, text); err != nil {
					said <- err
					return
				}
			}
			said <- nil
		}()
		b.Eval(nil, `(async () => { for (const text of %s) await widget.send(text) })()`, mine)
		if err := <-said; err != nil {
			t.Fatal(err)
		}
		r := rendered(b, 0, "all", func(r rendering) bool {
			return slices.Contains(r.Texts, theirs[7]) && slices.Contains(r.Texts, mine[7]) && r.Ticks == 9
		})
		with := func(prefix string) []string {
			return slices.DeleteFunc(slices.Clone(r.Texts), func(s string) bool { return !strings.HasPrefix(s, prefix) })
		}
		harness.ExpectTexts(t, "shown of the customer", with("mine "), mine)
		harness.ExpectTexts(t, "shown of the agent", with("theirs "), theirs)
	})
	step(t, &c, "messages copied: MSG-2 EV-11 structuredClone, pushState and back", func(t *testing.T) {
		b.Expect("MSG-2", map[string]any{
			"clones": true, "dates": true, "plain": true, "stored": true, "storedDates": true, "html": 0,
		}, `
			const all = widget.state.messages, same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
			const dated = (m) => m.receivedAt instanceof Date && m.lastUpdatedAt instanceof Date;
			const clones = all.map((m) => structuredClone({ ...m }));
			history.pushState({ messages: all, last: { ...all[0] } }, "");
			return {
				clones: same(clones, all), dates: clones.every(dated), plain: all.every((m) => Object.getPrototypeOf(m) === Object.prototype),
				stored: same(history.state.messages, all), storedDates: history.state.messages.concat(history.state.last).every(dated),
				html: all.filter((m) => !m.body || !m.body.elementText || m.body.elementText.textFormat === "HTML").length,
			}`)
		// The payload of the event itself, not a copy of it.
		b.Eval(nil, `void AvayaCCaaSChatSDK.on("MESSAGE_ARRIVED", (m) => {
			history.pushState(m, "");
			note(JSON.stringify({ kind: "page", name: "cloned", data: structuredClone(m) }));
		})`)
		c.Agent.Send(c.ID, "cloned in the handler")
		m := b.Wait("the clone", func(list []harness.Report) bool { return lastNamed(list, "cloned") >= 0 })
		if got := m[lastNamed(m, "cloned")].Message(t); got.Body.ElementText.Text != "cloned in the handler" || got.EngagementID != c.ID {
			t.Errorf("the clone is %+v", got)
		}
		var back string
		b.Eval(&back, `new Promise((done) => { addEventListener("popstate", (e) => done(e.state.last.messageId === widget.state.messages[0].messageId ? "there" : "elsewhere"), { once: true }); history.back(); })`)
		if back != "there" {
			t.Errorf("history.back went %s", back)
		}
	})
	step(t, &c, "functions without their object: NS-8 NS-11 EV-14", func(t *testing.T) {
		mark := b.Mark()
		b.Eval(nil, `widget.nudge()`)
		b.Eval(nil, `widget.end()`)
		rendered(b, mark, "the end", func(r rendering) bool { return r.Phase == "over" })
	})
	step(t, &c, "what pages catch: NS-13 SHUT-2 e.code, e instanceof Error", func(t *testing.T) {
		b.Expect("NS-13", map[string]any{
			"kept": "please start the chat first", "void": "please start the chat first", "token": "please sign in again", "url": "ACSException ACS-309",
			"level": "ACSException ACS-303", "handler": "ACSException ACS-322", "thrown": "function",
		}, `return {
			kept: await widget.caught(() => widget.state.engagement.sendMessage("x")),
			void: await widget.caught(() => sdk.resetIdleTimeout()),
			token: await widget.caught(() => sdk.init({ ...widget.account, token: "no token" })),
			url: await widget.caught(() => sdk.init({ ...widget.account, hostURL: "chat.example.com" })),
			level: await widget.caught(() => sdk.setLogLevel("LOUD")),
			handler: await widget.caught(() => sdk.on("SHUTDOWN", "a string")),
			thrown: typeof (await sdk.getEngagements().catch((e) => e.toString)),
		}`)
	})
}

func TestWidgetSessionKey(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	customer := harness.NewCustomerID("widget")
	f := widgetOrigin(t, w, customer, nil)
	var resumes atomic.Int64
	hook := f.Hook()
	f.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method == "GET" && strings.Contains(r.URL.Path, "/sessions/") && !strings.HasSuffix(r.URL.Path, "/events") {
			resumes.Add(1)
		}
		return hook(rw, r)
	})
	b := harness.NewTab(t, "customer")
	c := harness.Conversation{Tab: b}
	start := func() int {
		mark := b.Mark()
		b.Open(f.URL + "/t/widget.html")
		b.Eval(nil, `widget.begin()`)
		rendered(b, mark, "INITIALIZED", func(r rendering) bool { return r.Phase == "ready" })
		return mark
	}
	session := func() (id string) {
		b.Eval(&id, `sessionStorage.getItem("ccaasClientSessionId") || ""`)
		return id
	}
	step(t, &c, "the session key removed by hand: SES-1 SES-2 ENG-3 the next load begins a session of its own", func(t *testing.T) {
		start()
		b.Eval(&c.ID, `widget.start().then((e) => e.engagementId)`)
		rendered(b, 0, "the engagement", func(r rendering) bool { return r.Status == "ACTIVE" })
		first := session()
		mark := start()
		if r := rendered(b, mark, "the chat", func(r rendering) bool { return r.Phase == "ready" }); r.Status != "ACTIVE" || session() != first || resumes.Load() != 1 {
			t.Fatalf("SES-1: after a reload %+v in session %s, before in %s", r, session(), first)
		}
		b.Eval(nil, `void sessionStorage.removeItem("ccaasClientSessionId")`)
		mark = start()
		if r := rendered(b, mark, "the chat", func(r rendering) bool { return r.Phase == "ready" }); r.Status != "PENDING" {
			t.Errorf("ENG-3: in the new session the chat is %s", r.Status)
		}
		if second := session(); second == first || len(second) != 36 || resumes.Load() != 1 {
			t.Errorf("SES-1: the session is %s, was %s; %d were resumed", second, first, resumes.Load())
		}
		b.Eval(nil, `widget.state.engagement.join()`)
		rendered(b, mark, "the chat again", func(r rendering) bool { return r.Status == "ACTIVE" })
	})
	step(t, &c, "the session key removed in a live session: SES-1 SHUT-1 which goes on and ends as ever", func(t *testing.T) {
		mark := b.Mark()
		b.Eval(nil, `void sessionStorage.removeItem("ccaasClientSessionId")`)
		b.Eval(nil, `widget.send("still here")`)
		rendered(b, mark, "the sent message", func(r rendering) bool { return slices.Contains(r.Texts, "still here") })
		b.Eval(nil, `widget.end()`)
		rendered(b, mark, "the end", func(r rendering) bool { return r.Phase == "over" })
		if id := session(); id != "" {
			t.Errorf("SHUT-1: %s is stored after the end", id)
		}
	})
}

// React's StrictMode mounts, unmounts and mounts again in one go.
func TestWidgetStrictMode(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	for _, loaded := range []bool{false, true} {
		name := "before the wasm"
		if loaded {
			name = "after an earlier session"
		}
		t.Run("mount, unmount, mount: INIT-8 INIT-10 NS-3 NS-13 ends initialized, once, "+name, func(t *testing.T) {
			gate := make(chan struct{})
			customer := harness.NewCustomerID("widget")
			f := widgetOrigin(t, w, customer, gate)
			b := harness.NewTab(t, "customer")
			b.Open(f.URL + "/t/widget.html")
			params := w.InitParams(t, customer, harness.TokenOptions{})
			params["hostURL"] = f.URL
			if loaded {
				close(gate)
				b.Eval(nil, `AvayaCCaaSChatSDK.init(%s).then(() => AvayaCCaaSChatSDK.shutdown())`, params)
			}
			mark := b.Mark()
			b.Eval(nil, `void widget.strict(%s)`, params)
			if !loaded {
				close(gate)
			}
			outcomes := func(list []harness.Report) (got []string) {
				for _, e := range list[mark:] {
					if slices.Contains([]string{"initialized", "resolved", "rejected", "not shut down"}, e.Name) {
						got = append(got, e.Name+" "+decode[string](t, e))
					}
				}
				slices.Sort(got)
				return got
			}
			list := b.Wait("both mounts", func(list []harness.Report) bool { return len(outcomes(list)) == 4 })
			harness.ExpectTexts(t, "what came of it", outcomes(list), []string{"initialized second", "not shut down ACS-321", "rejected second ACS-321", "resolved first"})
			b.Expect("NS-1", map[string]any{"chats": []any{}}, `return {chats: await sdk.getEngagements()}`)
		})
	}
}

func TestLaptopLid(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	t.Run("a laptop's lid, closed and opened: STREAM-5 STREAM-4 the connection is looked at, at once", func(t *testing.T) {
		f := w.FaultyOrigin(t)
		b := harness.NewTab(t, "customer")
		w.OpenPage(b, f.Origin, "fast.html", harness.NewCustomerID("widget"), harness.TokenOptions{TTL: 24 * time.Hour}, `{idleTimeout: 0}`)
		l := f.Stream(1)
		pings := l.CountFrames(true, "ping")
		// The calendar goes on, timers stand: the session looks at the clock when it next
		// does anything.
		b.Eval(nil, `clock.sleep(3600)`)
		opened := time.Now()
		b.WaitSettled()
		l.WaitFrame(t, true, `"type":"ping"`)
		if d := time.Since(opened); pings == 0 && d > 15*time.Second {
			t.Errorf("pinged %v after it was opened", d) // as any quiet connection is, after 20 s
		}
		b.WaitSettled()
		if n := harness.CountEvents(b.Reports.All(), "EVENT_STREAM_FAILED"); n != 0 {
			t.Error("STREAM-4: a connection that answers was given up")
		}
	})
}
