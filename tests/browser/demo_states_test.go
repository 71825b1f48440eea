package browser

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"openchat/tests/harness"
)

// shownState is what the customer's panel shows of a state: its header, its sentences and
// its buttons, but for those that are always there.
type shownState struct {
	Title, Status string
	Text, Buttons []string
	Form          bool // in which a chat is begun
	Composer      bool
}

// demoState is a demo page of its own, whose calls and clock the test controls.
type demoState struct {
	*harness.Tab
	f      *harness.FaultyOrigin
	w      *harness.Environment
	name   string // of the customer
	mu     sync.Mutex
	answer func(rw http.ResponseWriter, r *http.Request) bool
}

func newDemoState(t *testing.T, w *harness.Environment) *demoState {
	t.Helper()
	d := &demoState{Tab: harness.NewTab(t, "customer"), f: w.FaultyOrigin(t), w: w, name: harness.NewCustomerID("Ada")}
	d.f.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
		d.mu.Lock()
		answer := d.answer
		d.mu.Unlock()
		return answer != nil && answer(rw, r)
	})
	d.AllowErrors(harness.NetworkErrors)
	d.ControlClock()
	d.SetSize(1000, 760, false)
	return d
}

// calls sets what may answer calls whose path ends so, instead of the gateway.
func (d *demoState) calls(suffix string, answer func(rw http.ResponseWriter, r *http.Request)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer = nil
	if answer != nil {
		d.answer = func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, suffix) {
				return false
			}
			answer(rw, r)
			return true
		}
	}
}

// delays lets calls whose path ends so wait at the gate.
func (d *demoState) delays(suffix string, gate <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer = func(rw http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, suffix) {
			<-gate
		}
		return false
	}
}

// fillIn fills the form in, whose panel is open, and sends it off.
func (d *demoState) fillIn() {
	d.T.Helper()
	d.Type(testid("name"), d.name)
	d.Type(testid("topic"), "A lamp that hums")
	d.Click(testid("start"))
}

// talks begins a chat, with an agent if one is given, and returns its id.
func (d *demoState) talks(agent *harness.Agent) (id string) {
	d.T.Helper()
	d.Open(d.f.URL + "/")
	d.Click(testid("launcher"))
	d.fillIn()
	waitShown(d.Tab, "I am looking for an agent")
	d.Eval(&id, `JSON.parse(localStorage.getItem("hollis.customer")).chat`)
	if agent != nil {
		agent.Accept(id)
		agent.Send(id, "Good morning, how does it hum?")
		waitShown(d.Tab, "how does it hum?")
	}
	return id
}

// shows waits for a status line, compares all that the panel shows, and takes a picture.
// Numbers of seconds are N.
func (d *demoState) shows(name string, want shownState) {
	d.T.Helper()
	const visible = `(e) => e && e.offsetParent !== null && e.textContent !== ""`
	d.WaitUntil(name+": "+want.Status, `(() => {
		const visible = `+visible+`;
		return document.querySelector('[data-testid="chat-subtitle"]').textContent === %s && %s.every((text) =>
			[...document.querySelectorAll("#chat p")].some((p) => visible(p) && p.textContent
				.replace(/\d+ s(econds)?\b/, "N s$1").replace(/(today|yesterday) at [^.]*\./, "today at 00:00.") === text));
	})()`, want.Status, append([]string{}, want.Text...))
	var got shownState
	d.Eval(&got, `(() => {
		const visible = `+visible+`, texts = (s) => [...document.querySelectorAll(s)].filter(visible).map((e) => e.textContent);
		return {
			Title: texts("#chat-title")[0], Status: texts("#chat-subtitle")[0],
			Text: texts("#start-note-text, #offers p, #start-error, #connection-text, #idle-text, #chat-notice, #over-text"),
			Buttons: texts("#chat button:not([data-topic], #jump, #load-earlier, .retry)"),
			Form: visible(document.querySelector("#start-form")),
			Composer: visible(document.querySelector("#composer-form")),
		};
	})()`)
	for i, text := range got.Text {
		got.Text[i] = sinceWhen.ReplaceAllString(someSeconds.ReplaceAllString(text, "N s$1"), "today at 00:00.")
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		d.T.Errorf("%s:\ngot  %+v\nwant %+v", name, got, want)
	}
	d.Screenshot("state-" + name)
}

var (
	someSeconds = regexp.MustCompile(`\d+ s(econds)?\b`)
	sinceWhen   = regexp.MustCompile(`(today|yesterday) at [^.]*\.`)
)

const shop = "The workshop"

func TestDemoStates(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)

	t.Run("the first screen", func(t *testing.T) {
		d := newDemoState(t, w)
		d.Open(d.f.URL + "/")
		d.Click(testid("launcher"))
		form := shownState{Title: shop, Status: "We usually reply in a few minutes", Buttons: []string{"Start chat"}, Form: true}
		d.shows("start", form)
		gate := make(chan struct{})
		d.calls("/v1/getJWT", func(rw http.ResponseWriter, r *http.Request) {
			<-gate
			harness.AbortConnection()
		})
		d.fillIn()
		d.shows("starting", shownState{Title: shop, Status: "Connecting…", Buttons: []string{"Connecting…"}, Form: true})
		close(gate)
		d.shows("unreachable", shownState{Title: shop, Status: "Not connected", Form: true, Buttons: []string{"Try again"},
			Text: []string{"We can't reach the chat. Check your internet connection, then try again."}})
		d.calls("/v1/getJWT", func(rw http.ResponseWriter, r *http.Request) { rw.WriteHeader(500) })
		d.Click(testid("start"))
		d.shows("failed", shownState{Title: shop, Status: "Not connected", Form: true, Buttons: []string{"Try again"},
			Text: []string{"The chat could not be opened. Try again in a moment."}})
		d.calls("/v1/getJWT", func(rw http.ResponseWriter, r *http.Request) {
			fmt.Fprint(rw, `{"jwtToken":"a.b.c","appkey":"none"}`)
		})
		d.Click(testid("start"))
		d.shows("refused", shownState{Title: shop, Status: "The chat is not available", Buttons: []string{"Reload the page"},
			Text: []string{"We could not sign you in to the chat. Reload the page to try once more."}})
		d.calls("", nil)
		d.ClickToLoad(testid("start-note-act"))
		d.shows("start-reloaded", form)
		d.calls("/avaya-ccaas-chat-sdk.js", func(rw http.ResponseWriter, r *http.Request) { rw.WriteHeader(404) })
		d.Open(d.f.URL + "/")
		d.fillIn() // the panel is open, as it was
		d.shows("not-loaded", shownState{Title: shop, Status: "The chat is not available", Buttons: []string{"Reload the page"},
			Text: []string{"The chat could not be loaded. Reload the page to try once more."}})
	})

	t.Run("a chat", func(t *testing.T) {
		d := newDemoState(t, w)
		agent := w.NewAgent(t, "Bo Mender")
		inChat := func(title, status string) shownState {
			return shownState{Title: title, Status: status, Buttons: []string{"End chat"}, Composer: true}
		}
		id := d.talks(nil)
		d.shows("assisted", inChat(shop, "Finding someone…"))
		agent.Accept(id)
		agent.Send(id, "Good morning, how does it hum?")
		waitShown(d.Tab, "how does it hum?")
		d.shows("helped", inChat("Bo Mender", "is here for you"))

		agent.Call("POST", "/engagements/"+id+":leave", agent.Me(), nil)
		d.shows("agent-left", inChat(shop, "Finding someone else…"))
		agent.Accept(id)
		d.shows("helped-again", inChat("Bo Mender", "is here for you"))

		d.calls("/events", func(rw http.ResponseWriter, r *http.Request) { rw.WriteHeader(503) })
		d.f.Stream(1).Cut()
		lost := inChat("Bo Mender", "Reconnecting…")
		lost.Text, lost.Buttons = []string{"Connection lost. Next try in N s."}, []string{"End chat", "Try now"}
		d.shows("reconnecting", lost)
		// The customer is there meanwhile: no idle warning comes with it.
		d.Eval(nil, `void (clock.skip(150), dispatchEvent(new Event("focus")), clock.skip(151))`)
		lost.Status, lost.Buttons = "Not connected", []string{"End chat", "Try again"}
		lost.Text = []string{"We could not reconnect you. Check your internet connection, then try again."}
		d.shows("gave-up", lost)
		d.calls("", nil)
		d.Click(testid("retry-connection"))
		d.shows("connected-again", inChat("Bo Mender", "is here for you"))

		agent.EndChat(id)
		d.shows("ended", shownState{Title: "Bo Mender", Status: "Chat ended", Text: []string{"This chat has ended. Thank you for talking to us."},
			Buttons: []string{"Start a new chat"}})
		d.Click(testid("restart"))
		d.shows("start-after-the-end", shownState{Title: shop, Status: "We usually reply in a few minutes", Buttons: []string{"Start chat"}, Form: true})
	})

	t.Run("the token is refused in a chat", func(t *testing.T) {
		d := newDemoState(t, w)
		agent := w.NewAgent(t, "Bo Mender")
		d.talks(agent)
		gate := make(chan struct{})
		t.Cleanup(sync.OnceFunc(func() { close(gate) }))
		d.calls("/v1/getJWT", func(http.ResponseWriter, *http.Request) {
			<-gate
			harness.AbortConnection()
		})
		d.f.Stream(1).Close(4403, "by the test")
		d.shows("signing-in", shownState{Title: "Bo Mender", Status: "Reconnecting…", Text: []string{"One moment, we are signing you in again…"},
			Buttons: []string{"End chat"}, Composer: true})
	})

	t.Run("the session ends, the chat goes on", func(t *testing.T) {
		d := newDemoState(t, w)
		agent := w.NewAgent(t, "Bo Mender")
		id := d.talks(agent)
		helped := shownState{Title: "Bo Mender", Status: "is here for you", Buttons: []string{"End chat"}, Composer: true}
		warned := helped
		warned.Text, warned.Buttons = []string{"Are you still there? We pause the chat in N seconds."}, []string{"End chat", "I'm still here"}
		d.Eval(nil, `clock.skip(301)`)
		d.shows("idle", warned)
		d.Click(testid("still-here"))
		d.shows("still-here", helped)
		d.Eval(nil, `clock.skip(301)`)
		d.shows("idle-again", warned)
		d.Eval(nil, `clock.skip(60)`)
		d.shows("paused", shownState{Title: "Bo Mender", Status: "Chat paused", Buttons: []string{"Continue the chat"},
			Text: []string{"We paused the chat because you were away. Nothing is lost."}})
		gate := make(chan struct{})
		d.delays("/sessions", gate)
		d.Click(testid("restart"))
		d.shows("continuing", shownState{Title: "Bo Mender", Status: "Connecting…", Buttons: []string{"One moment…"}, Text: []string{"Taking you back to the chat…"}})
		close(gate)
		d.shows("continued", helped)
		d.calls("", nil)
		d.Eval(nil, `AvayaCCaaSChatSDK.shutdown()`)
		d.shows("disconnected", shownState{Title: "Bo Mender", Status: "Not connected", Buttons: []string{"Continue the chat"},
			Text: []string{"The connection to this chat was closed. Nothing is lost."}})
		agent.EndChat(id)
		d.Click(testid("restart"))
		d.shows("ended-away", shownState{Title: "Bo Mender", Status: "Chat ended", Buttons: []string{"Start a new chat"},
			Text: []string{"The chat ended while you were away."}})
	})

	t.Run("a chat in another window", func(t *testing.T) {
		d := newDemoState(t, w)
		agent := w.NewAgent(t, "Bo Mender")
		id := d.talks(agent)
		second := &demoState{Tab: d.Another("second"), f: d.f, w: w}
		second.AllowErrors(harness.NetworkErrors)
		second.SetSize(1000, 760, false)
		gate := make(chan struct{})
		d.delays("/v1/getJWT", gate)
		second.Open(d.f.URL + "/")
		second.Click(testid("launcher"))
		second.shows("looking", shownState{Title: shop, Status: "One moment…", Text: []string{"Looking for your chat…"}})
		close(gate)
		offered := shownState{Title: shop, Status: "You have an open chat", Buttons: []string{"Continue here", "Start a new chat instead"}}
		offered.Text = []string{"You have a chat in another window or on another device. It began today at 00:00."}
		second.shows("elsewhere", offered)
		second.Click(testid("start-new"))
		offered.Form, offered.Buttons = true, []string{"Continue here", "Start chat"}
		second.shows("elsewhere-form", offered)
		second.Click(testid("join-existing"))
		second.shows("joined", shownState{Title: "Bo Mender", Status: "is here for you", Buttons: []string{"End chat"}, Composer: true})

		third := &demoState{Tab: d.Another("third"), f: d.f, w: w}
		third.SetSize(1000, 760, false)
		// The other windows tell of the chat's end. Another device could not.
		third.OnNewDocument(`addEventListener("storage", (event) => event.stopImmediatePropagation())`)
		third.Open(d.f.URL + "/")
		third.Click(testid("launcher"))
		third.WaitUntil("the offer", `document.querySelector('[data-testid="join-existing"]') !== null`)
		agent.EndChat(id)
		second.shows("joined-ended", shownState{Title: "Bo Mender", Status: "Chat ended", Text: []string{"This chat has ended. Thank you for talking to us."},
			Buttons: []string{"Start a new chat"}})
		third.Click(testid("join-existing"))
		third.shows("gone", shownState{Title: shop, Status: "We usually reply in a few minutes", Text: []string{"That chat has ended in the meantime."},
			Buttons: []string{"Start a new chat"}})
		third.Click(testid("start-note-act"))
		third.shows("gone-start", shownState{Title: shop, Status: "We usually reply in a few minutes", Buttons: []string{"Start chat"}, Form: true})
	})
}

// Who reads is there, also if they write nothing.
func TestDemoReadingIsActivity(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	d := newDemoState(t, w)
	agent := w.NewAgent(t, "Bo Mender")
	id := d.talks(agent)
	d.Eval(nil, `void (window.warned = 0, new MutationObserver(() => { if (!document.querySelector("#idle-warning").hidden) warned++; })
		.observe(document.querySelector("#idle-warning"), { attributes: true }))`)
	for i := range 3 {
		d.Eval(nil, `clock.skip(200)`)
		text := fmt.Sprintf("agent: I am looking it up, part %d", i)
		agent.Send(id, text)
		waitShown(d.Tab, text)
		d.WaitSettled()
	}
	moves := []struct {
		name, event string
		x           float64 // of the place it moves to
	}{
		{"the mouse moves", "pointermove", 300},
		{"the mouse moves again", "pointermove", 400},
	}
	for _, m := range moves {
		d.Eval(nil, `void (clock.skip(200), window.acted = new Promise((done) => addEventListener(`+"%s"+`, done, { once: true })))`, m.event)
		d.MoveMouse(m.x, 300)
		d.Eval(nil, `acted`)
		d.WaitSettled()
	}
	for _, act := range []string{
		`document.querySelector("#scroller").dispatchEvent(new Event("scroll"))`,
		`window.dispatchEvent(new Event("focus"))`,
		`document.dispatchEvent(new Event("visibilitychange"))`,
	} {
		d.Eval(nil, `void (clock.skip(200), `+act+`)`)
		d.WaitSettled()
	}
	var warned int
	if d.Eval(&warned, `warned`); warned != 0 {
		t.Errorf("the idle warning was shown %d times to a customer who reads", warned)
	}
}
