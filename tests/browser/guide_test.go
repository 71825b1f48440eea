package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"openchat/tests/harness"
)

// The samples of the guide stand in pages/guide.js. These tests run each and look
// whether it does what the guide's paragraph around it says.

// guideOrigin is an origin where the SDK lies where the guide's script tag says.
func guideOrigin(t *testing.T, w *harness.Environment) *harness.FaultyOrigin {
	t.Helper()
	f := w.FaultyOrigin(t)
	serveGuide(f, nil)
	return f
}

// serveGuide sets what may answer calls, see InterceptREST, on a guideOrigin.
func serveGuide(f *harness.FaultyOrigin, hook func(rw http.ResponseWriter, r *http.Request) bool) {
	f.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
		if name, ok := strings.CutPrefix(r.URL.Path, "/t/path/to/"); ok {
			r.URL.Path = "/" + name
		}
		return hook != nil && hook(rw, r)
	})
}

// openGuide opens the guide's page for a customer, and gives it what the guide leaves
// out of init's first argument.
func openGuide(t *testing.T, w *harness.Environment, f *harness.FaultyOrigin, page, customer string, to harness.TokenOptions) *harness.Tab {
	t.Helper()
	b := harness.NewTab(t, "customer")
	b.Open(f.URL + "/t/" + page)
	params := w.InitParams(t, customer, to)
	params["hostURL"] = f.URL
	b.Eval(nil, `Object.assign(guide.values, {sdkInitParams: %s, "...": [%[1]s, {logLevel: "WARN"}]})`, params)
	return b
}

// runSample runs a sample of the guide, to the end of its last await.
func runSample(b *harness.Tab, name, arguments string) {
	b.T.Helper()
	b.Eval(nil, fmt.Sprintf(`guide.run(%q, %s)`, name, arguments))
}

// shown are what the samples have shown since mark, of the names given.
func shown(list []harness.Report, names ...string) (found []harness.Report) {
	for _, e := range list {
		if e.Kind == "guide" && slices.Contains(names, e.Name) {
			found = append(found, e)
		}
	}
	return found
}

// waitSample waits until the samples have shown n things of a name since mark, and
// returns the n-th.
func waitSample(b *harness.Tab, mark int, name string, n int) harness.Report {
	b.T.Helper()
	return shown(b.Wait(name, func(list []harness.Report) bool { return len(shown(list[mark:], name)) >= n })[mark:], name)[n-1]
}

// decode reads the data of an entry.
func decode[T any](t *testing.T, e harness.Report) (v T) {
	t.Helper()
	if err := json.Unmarshal(e.Data, &v); err != nil {
		t.Fatalf("%s: %v", e, err)
	}
	return v
}

// step runs a subtest on a page and a desk that its siblings share.
func step(t *testing.T, c *harness.Conversation, name string, f func(t *testing.T)) {
	t.Helper()
	ok := t.Run(name, func(t *testing.T) {
		mine, desks := c.Tab.T, t
		if c.Agent != nil {
			desks = c.Agent.T
			c.Agent.T = t
		}
		c.Tab.T = t
		defer func() {
			c.Tab.T = mine
			if c.Agent != nil {
				c.Agent.T = desks
			}
		}()
		f(t)
	})
	if !ok {
		t.FailNow() // what follows builds on it
	}
}

func TestGuideInit(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	f := guideOrigin(t, w)
	t.Run("GUIDE Usage, Initialization: NS-1 INIT-5 INIT-6 the script tag and the call signature", func(t *testing.T) {
		customer := harness.NewCustomerID("guide")
		b := openGuide(t, w, f, "guide.html", customer, harness.TokenOptions{})
		params := w.InitParams(t, customer, harness.TokenOptions{})
		b.Eval(nil, `Object.assign(guide.values, {"<CCaaS Host URL>": %s, "<Integration Id>": %s, "jwt.header.payload": %s, "<Application Key>": %s})`,
			f.URL, params["integrationId"], params["token"], params["appkey"])
		runSample(b, "initialization", "")
		b.Expect("NS-1", map[string]any{
			"name": "Customer " + customer, "engagements": []any{}, "sessionParameters": map[string]string{"model": "ABC-123"}, "again": "ACS-204",
		}, `const u = guide.kept.initialization;
			return {name: u.displayName, engagements: u.engagements, sessionParameters: u.sessionParameters, again: await code(() => sdk.init(guide.values.sdkInitParams))}`)
	})
	for _, sample := range []string{"waitingThen", "waitingAwait"} {
		t.Run("GUIDE Waiting for initialization to complete: INIT-7 EV-1 "+sample, func(t *testing.T) {
			b := openGuide(t, w, f, "guide.html", harness.NewCustomerID("guide"), harness.TokenOptions{})
			runSample(b, sample, "")
			waitSample(b, 0, "after the promise", 1)
			var order []string
			for _, e := range shown(b.Reports.All(), "in the handler", "after the promise") {
				order = append(order, e.Name)
			}
			harness.ExpectTexts(t, "both ways to wait", order, []string{"in the handler", "after the promise"})
			b.Expect("INIT-7", map[string]any{"same": true, "ready": []any{}},
				`return {same: guide.kept["in the handler"] === guide.kept["after the promise"], ready: await sdk.getEngagements()}`)
		})
	}
	t.Run("GUIDE Network: EV-6 EV-7 STREAM-1 the state's events", func(t *testing.T) {
		f := guideOrigin(t, w)
		b := openGuide(t, w, f, "guide.html", harness.NewCustomerID("guide"), harness.TokenOptions{})
		b.AllowErrors(harness.NetworkErrors)
		var refused atomic.Bool
		serveGuide(f, func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/events") || !refused.CompareAndSwap(false, true) {
				return false
			}
			rw.WriteHeader(503)
			return true
		})
		runSample(b, "network", "")
		b.Eval(nil, `AvayaCCaaSChatSDK.init(...guide.values["..."]).then(() => AvayaCCaaSChatSDK.shutdown())`)
		waitSample(b, 0, "closed", 1)
		var states []string
		for _, e := range shown(b.Reports.All(), "connecting", "connected", "disconnected", "closed") {
			states = append(states, e.Name)
			p := decode[struct {
				EventDate       time.Time
				Reason, Message string
				RetryAfter      *float64
			}](t, e)
			if p.EventDate.IsZero() {
				t.Errorf("EV-6: no eventDate in %s", e)
			}
			if e.Name == "disconnected" && (p.Reason != "SERVER_UNREACHABLE" || p.Message == "" || p.RetryAfter == nil || *p.RetryAfter <= 0) {
				t.Errorf("EV-7: why, and the next attempt: %s", e)
			}
		}
		harness.ExpectTexts(t, "what the page shows", states, []string{"connecting", "disconnected", "connecting", "connected", "closed"})
	})
	t.Run("GUIDE Network: INIT-6 STREAM-2 STREAM-6 reconnectionTimeout of 300 seconds", func(t *testing.T) {
		f := guideOrigin(t, w)
		b := openGuide(t, w, f, "guide-fast.html", harness.NewCustomerID("guide"), harness.TokenOptions{})
		b.AllowErrors(harness.NetworkErrors)
		runSample(b, "reconnection", "")
		b.WaitEvent("INITIALIZED", nil)
		serveGuide(f, func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/events") {
				return false
			}
			rw.WriteHeader(503)
			return true
		})
		type failure struct {
			EventDate time.Time
			Reason    string
		}
		f.Stream(1).Cut()
		first := decode[failure](t, b.WaitNth(0, "EVENT_STREAM_FAILED", 1))
		// failed waits for an attempt that failed so long after the break.
		failed := func(after time.Duration) (found failure) {
			b.Wait("an attempt to fail", func(list []harness.Report) bool {
				for _, e := range list {
					if e.Name == "EVENT_STREAM_FAILED" {
						found = decode[failure](t, e)
						if found.EventDate.Sub(first.EventDate) >= after {
							return true
						}
					}
				}
				return false
			})
			return found
		}
		b.Eval(nil, `clock.skip(280)`) // as the default of 120 would be over
		if p := failed(280 * time.Second); p.Reason != "SERVER_UNREACHABLE" {
			t.Fatalf("STREAM-2: %s after 280 seconds", p.Reason)
		}
		b.Eval(nil, `clock.skip(20)`)
		if p := failed(300 * time.Second); p.Reason != "RECONNECTION_TIMEOUT" {
			t.Errorf("STREAM-6: %s after 300 seconds", p.Reason)
		}
	})
	t.Run("GUIDE Shutdown: NS-11 SHUT-1 EV-2 three ways", func(t *testing.T) {
		b := openGuide(t, w, f, "guide.html", harness.NewCustomerID("guide"), harness.TokenOptions{})
		for i, sample := range []string{"shutdown", "shutdownThen", "shutdownAwait"} {
			b.Eval(nil, `AvayaCCaaSChatSDK.init(...guide.values["..."])`)
			mark := b.Mark()
			runSample(b, sample, "")
			// The handler is the first sample's, and stays.
			p := decode[struct {
				EventDate time.Time
				Reason    string
			}](t, waitSample(b, mark, "SHUTDOWN", 1))
			if p.EventDate.IsZero() || p.Reason != "USER_CLOSED" {
				t.Errorf("%s: SHUTDOWN carries %+v", sample, p)
			}
			if i > 0 {
				waitSample(b, mark, "cleanup", 1)
				if list := b.Since(mark); len(shown(list, "SHUTDOWN", "cleanup")) != 2 || shown(list, "SHUTDOWN", "cleanup")[0].Name != "SHUTDOWN" {
					t.Errorf("%s: shown %v", sample, list)
				}
			}
			b.Expect("SHUT-2", map[string]any{"over": "ACS-310", "stored": nil},
				`return {over: await code(() => sdk.getEngagements()), stored: sessionStorage.getItem("ccaasClientSessionId")}`)
		}
	})
}

func TestGuideToken(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	f := guideOrigin(t, w)
	customer := harness.NewCustomerID("guide")
	give := make(chan struct{})
	serveGuide(f, func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/t/token" {
			return false
		}
		select {
		case <-give:
			// Good for the page's clock, too, which is hours ahead by then.
			token, _ := w.Token(t, customer, harness.TokenOptions{TTL: 24 * time.Hour})
			fmt.Fprint(rw, token)
		case <-r.Context().Done():
		}
		return true
	})
	b := openGuide(t, w, f, "guide-fast.html", customer, harness.TokenOptions{TTL: time.Hour})
	runSample(b, "jwtLifecycle", "")
	b.Eval(nil, `AvayaCCaaSChatSDK.init(guide.values.sdkInitParams, {idleTimeout: 0})`)
	c := harness.Conversation{Tab: b, ID: harness.CreateEngagement(b)}
	c.Agent = w.NewAgent(t, "Bo "+customer)
	c.Agent.Accept(c.ID)
	c.Agent.Send(c.ID, "before")
	b.WaitText("before")

	step(t, &c, "GUIDE JWT Lifecycle Events: JWT-1 EV-3 the reminder calls refreshJWT precisely three minutes before", func(t *testing.T) {
		var left float64 // until the reminder, in seconds
		b.Eval(&left, `JSON.parse(atob(guide.values.sdkInitParams.token.split(".")[1])).exp - 180 - Date.now() / 1000`)
		if left < 3000 {
			t.Fatalf("the reminder is due in %v s", left)
		}
		b.Eval(nil, `clock.skip(%s)`, left-1)
		b.WaitSettled()
		p := decode[struct{ EventDate, ExpiryDate time.Time }](t, waitSample(b, 0, "refreshJWT", 1))
		if late := p.EventDate.Sub(p.ExpiryDate.Add(-3 * time.Minute)); late < 0 || late > 250*time.Millisecond {
			t.Errorf("JWT-1: the reminder is %v late", late)
		}
	})
	step(t, &c, "GUIDE JWT Lifecycle Events: JWT-2 EV-4 TOKEN_EXPIRED, and disconnected until a token is set", func(t *testing.T) {
		b.Eval(nil, `clock.skip(180)`)
		p := decode[struct{ ExpiredDate time.Time }](t, waitSample(b, 0, "refreshJWT", 2))
		if p.ExpiredDate.IsZero() {
			t.Error("EV-4: no expiredDate")
		}
		b.WaitNth(0, "EVENT_STREAM_FAILED", 1)
		c.Agent.Send(c.ID, "meanwhile")
		b.Eval(nil, `clock.skip(600)`) // attempts would be made
		b.WaitSettled()
		if list := b.Reports.All(); harness.CountEvents(list, "EVENT_STREAM_CONNECTING") != 1 || slices.Contains(b.Texts(list, "", ""), "meanwhile") {
			t.Error("JWT-2: not disconnected")
		}
	})
	step(t, &c, "GUIDE JWT Lifecycle Events: NS-7 JWT-3 the handler's setJwtToken connects again", func(t *testing.T) {
		close(give)
		b.WaitText("meanwhile")
		harness.SendTexts(b, c.ID, "and back")
		b.WaitText("and back")
		b.WantOnceInOrder(b.Reports.All())
	})
}

func TestGuideChat(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	f := guideOrigin(t, w)
	customer := harness.NewCustomerID("guide")
	b := openGuide(t, w, f, "guide.html", customer, harness.TokenOptions{})
	b.Eval(nil, `AvayaCCaaSChatSDK.init(...guide.values["..."])`)
	c := harness.Conversation{Tab: b, Agent: w.NewAgent(t, "Bo "+customer)}

	step(t, &c, "GUIDE Starting a new chat: NS-4 ENG-8 with parameters", func(t *testing.T) {
		runSample(b, "startChat", "")
		b.Eval(&c.ID, `guide.kept.engagement.engagementId`)
		b.WaitEvent("ENGAGEMENT_ACTIVE", nil)
		c.Agent.Accept(c.ID)
		b.WaitEvent("PARTICIPANT_ADDED", func(m harness.Message) bool { return m.Participant.ParticipantType == "AGENT" })
		var chat struct{ EngagementParameters map[string]string }
		c.Agent.Call("GET", "/engagements/"+c.ID, nil, &chat)
		if len(chat.EngagementParameters) != 1 || chat.EngagementParameters["availableBalance"] != "100" {
			t.Errorf("the contact center sees the parameters %v", chat.EngagementParameters)
		}
		b.Expect("NS-4", map[string]any{"instance": true, "status": "ACTIVE"},
			`const e = guide.kept.engagement; return {instance: e instanceof sdk.Engagement, status: e.engagementStatus}`)
	})
	step(t, &c, "GUIDE List all ongoing chats: NS-5", func(t *testing.T) {
		runSample(b, "listChats", "")
		b.Expect("NS-5", map[string]any{"ids": []string{c.ID}, "same": true},
			`const l = guide.kept.engagements; return {ids: l.map((e) => e.engagementId), same: l[0] === guide.kept.engagement}`)
	})
	step(t, &c, "GUIDE Getting specific chat details: NS-6 without await", func(t *testing.T) {
		b.Eval(nil, `void (guide.values["<engagement id>"] = guide.kept.engagement.engagementId)`)
		runSample(b, "specificChat", "")
		b.Expect("NS-6", map[string]any{"id": c.ID, "status": "ACTIVE", "created": true, "people": 2, "awaited": true},
			`const e = guide.kept.found; return {id: e.engagementId, status: e.engagementStatus, created: e.createdAt instanceof Date,
				people: e.participants.filter((p) => p.participantType !== "BOT").length, awaited: await e === guide.kept.engagement}`)
	})
	step(t, &c, "GUIDE Getting Participant details: ENG-1 ENG-6 NS-6 getParticipants and getParticipantById", func(t *testing.T) {
		b.Eval(nil, `void (guide.values["<participant id>"] = %s)`, c.Agent.ID)
		runSample(b, "participants", "")
		type person struct{ ParticipantID, ParticipantType, DisplayName string }
		p := decode[struct {
			Participants []person
			Participant  person
		}](t, waitSample(b, 0, "participants", 1))
		if want := (person{c.Agent.ID, "AGENT", c.Agent.Name}); p.Participant != want || !slices.Contains(p.Participants, want) {
			t.Errorf("participant %+v of %+v, want %+v", p.Participant, p.Participants, want)
		}
		if !slices.ContainsFunc(p.Participants, func(p person) bool {
			return p.ParticipantType == "CUSTOMER" && p.DisplayName == "Customer "+customer
		}) {
			t.Errorf("the customer is not among the participants %+v", p.Participants)
		}
	})
	step(t, &c, "GUIDE Message Delivery, Sending a message: MSG-1 MSG-5 EV-11 a tick for the sent message, after it", func(t *testing.T) {
		runSample(b, "messageDelivery", "")
		mark := b.Mark()
		runSample(b, "sendMessage", "guide.kept.engagement")
		waitSample(b, mark, "tick", 1)
		list := shown(b.Since(mark), "sent", "tick")
		if len(list) != 2 || list[0].Name != "sent" {
			t.Fatalf("MSG-5: %v", list)
		}
		sent, tick := list[0].Message(t), list[1].Message(t)
		if sent.MessageID == "" || sent.MessageID != tick.MessageID || sent.Body.ElementText.Text != "Hello" || tick.Body.ElementText.Text != "Hello" {
			t.Errorf("sent %+v, delivered %+v", sent, tick)
		}
		c.Agent.WaitText(c.ID, "Hello")
	})
	step(t, &c, "GUIDE Event Handling: NS-2 NS-3 on, off one, off all", func(t *testing.T) {
		runSample(b, "subscribe", "")
		mark := b.Mark()
		c.Agent.Send(c.ID, "subscribed")
		if m := waitSample(b, mark, "MESSAGE_ARRIVED", 1).Message(t); m.Body.ElementText.Text != "subscribed" {
			t.Errorf("arrived: %+v", m)
		}
		runSample(b, "unsubscribe", "")
		mark = b.Mark()
		c.Agent.Send(c.ID, "not subscribed")
		// Its delivery is raised after what came before it.
		runSample(b, "sendMessage", "guide.kept.engagement")
		waitSample(b, mark, "tick", 1)
		if list := shown(b.Since(mark), "MESSAGE_ARRIVED"); len(list) > 0 {
			t.Errorf("NS-3: after off: %v", list)
		}
		runSample(b, "subscribe", "")
		runSample(b, "unsubscribeAll", "")
		runSample(b, "messageDelivery", "")
		mark = b.Mark()
		c.Agent.Send(c.ID, "nobody is subscribed")
		runSample(b, "sendMessage", "guide.kept.engagement")
		waitSample(b, mark, "tick", 1)
		for _, e := range b.Since(mark) {
			if e.Kind == "event" || e.Name == "MESSAGE_ARRIVED" {
				t.Errorf("NS-3: after off of all: %s", e)
			}
		}
	})
	step(t, &c, "GUIDE Receiving Messages: EV-11 MSG-6 of other participants", func(t *testing.T) {
		runSample(b, "receivingMessages", "")
		mark := b.Mark()
		for _, text := range harness.Numbered("line", 12) {
			c.Agent.Send(c.ID, text)
		}
		waitSample(b, mark, "new message", 12)
		var got []string
		for _, e := range shown(b.Since(mark), "new message") {
			m := e.Message(t)
			if m.SenderParticipant.ParticipantType != "AGENT" {
				t.Errorf("the sender is %+v", m.SenderParticipant)
			}
			got = append(got, m.Body.ElementText.Text)
		}
		harness.ExpectTexts(t, "new messages", got, harness.Numbered("line", 12))
	})
	step(t, &c, "GUIDE Fetching all messages: PAGE-1 PAGE-2 PAGE-3 load more until there is no more", func(t *testing.T) {
		before := harness.TextsFrom(c.Agent.Messages(c.ID), "")
		if len(before) <= 15 || len(before) > 30 {
			t.Fatalf("%d messages are not two pages of 15", len(before))
		}
		mark := b.Mark()
		runSample(b, "allMessages", "guide.kept.engagement")
		c.Agent.Send(c.ID, "after the iterator's creation")
		click := `document.getElementById("load-more-button").onclick()`
		b.Eval(nil, click)
		b.Eval(nil, click) // there is no previous page
		var walked []string
		for _, e := range shown(b.Since(mark), "page") {
			for _, m := range decode[[]harness.Message](t, e) {
				walked = append(walked, m.Body.ElementText.Text)
			}
		}
		if n := len(shown(b.Since(mark), "page")); n != 2 {
			t.Errorf("%d pages were shown", n)
		}
		slices.Reverse(walked)
		harness.ExpectTexts(t, "the pages", walked, before)
	})
	step(t, &c, "GUIDE Joining an ongoing chat: NS-6 ENG-4 ENG-9 from another session, without await", func(t *testing.T) {
		second := b.Another("second")
		second.Open(f.URL + "/t/guide.html")
		params := w.InitParams(t, customer, harness.TokenOptions{})
		params["hostURL"] = f.URL
		second.Eval(nil, `AvayaCCaaSChatSDK.init(%s)`, params)
		second.Expect("ENG-3", map[string]any{"status": "PENDING"},
			`guide.values["<engagement id>"] = %s; return {status: sdk.getEngagementById(%[1]s).engagementStatus}`, c.ID)
		runSample(second, "joinChat", "")
		second.WaitEvent("ENGAGEMENT_ACTIVE", nil)
		c.Agent.Send(c.ID, "to both")
		second.WaitText("to both")
		second.Expect("ENG-3", map[string]any{"status": "ACTIVE"}, `return {status: sdk.getEngagementById(%s).engagementStatus}`, c.ID)
	})
	step(t, &c, "GUIDE Disconnecting the chat: ENG-5", func(t *testing.T) {
		runSample(b, "disconnectChat", "guide.kept.engagement")
		b.Expect("ENG-5", map[string]any{"again": "ACS-313", "send": "ACS-313"},
			`const e = guide.kept.engagement; return {again: await code(() => e.disconnect()), send: await code(() => e.sendMessage("x"))}`)
		c.Agent.Wait("the customer to leave", func(f harness.DeskFrame) bool {
			return f.Type == "chat" && f.Chat.EngagementID == c.ID && f.Chat.State == "ended"
		})
	})
}

func TestGuideIdle(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	f := guideOrigin(t, w)
	t.Run("GUIDE Timeouts: INIT-6 IDLE-1 IDLE-2 IDLE-3 EV-5 of 900 and 120 seconds", func(t *testing.T) {
		customer := harness.NewCustomerID("guide")
		b := openGuide(t, w, f, "guide-fast.html", customer, harness.TokenOptions{TTL: 24 * time.Hour})
		runSample(b, "timeouts", "")
		b.WaitEvent("INITIALIZED", nil)
		id := harness.CreateEngagement(b) // activity: the timer starts anew
		agent := w.NewAgent(t, "Bo "+customer)
		agent.Accept(id)
		b.Eval(nil, `clock.skip(880)`)
		b.WaitSettled()
		if list := shown(b.Reports.All(), "warning"); len(list) > 0 {
			t.Fatalf("IDLE-1: after 880 of 900 seconds: %v", list)
		}
		b.Eval(nil, `clock.skip(20)`)
		if got := decode[string](t, waitSample(b, 0, "warning", 1)); got != "The session will expire in 120" {
			t.Errorf("EV-5: the page warns: %s", got)
		}
		b.Eval(nil, `clock.skip(100)`)
		b.WaitSettled()
		if n := harness.CountEvents(b.Reports.All(), "SHUTDOWN"); n > 0 {
			t.Fatal("IDLE-2: shut down 20 seconds before the end of the grace period")
		}
		b.Eval(nil, `clock.skip(20)`)
		if p := decode[struct{ Reason string }](t, b.WaitEvent("SHUTDOWN", nil)); p.Reason != "USER_INACTIVE" {
			t.Errorf("IDLE-3: reason %s", p.Reason)
		}
		// The chat lives on, and another session may go on with it.
		agent.Send(id, "still here?")
		b.Expect("IDLE-3", map[string]any{"status": []string{"PENDING"}},
			`return {status: (await sdk.init(guide.values.sdkInitParams)).engagements.map((e) => e.engagementStatus)}`)
	})
	t.Run("GUIDE Extending the Session: NS-8 IDLE-2 EV-5 IDLE_TIMEOUT, and resetTimer by the button", func(t *testing.T) {
		b := openGuide(t, w, f, "guide-fast.html", harness.NewCustomerID("guide"), harness.TokenOptions{TTL: 24 * time.Hour})
		runSample(b, "extendSession", "")
		b.Eval(nil, `AvayaCCaaSChatSDK.init(...guide.values["..."])`)
		b.Eval(nil, `clock.skip(300)`)
		if p := decode[struct{ GracePeriod float64 }](t, waitSample(b, 0, "warning box", 1)); p.GracePeriod != 30 {
			t.Errorf("EV-5: gracePeriod %v", p.GracePeriod)
		}
		b.Eval(nil, `document.getElementById("inactivity-warning-continue-chat").click()`)
		b.Eval(nil, `clock.skip(280)`) // far beyond the grace period
		b.WaitSettled()
		if list := b.Reports.All(); harness.CountEvents(list, "SHUTDOWN") > 0 || len(shown(list, "warning box")) != 1 {
			t.Fatal("IDLE-2: resetTimer did not start both timers anew")
		}
		waitSample(b, 0, "no warning box", 1)
		b.Eval(nil, `clock.skip(20)`)
		waitSample(b, 0, "warning box", 2)
		b.Eval(nil, `clock.skip(30)`)
		b.WaitEvent("SHUTDOWN", nil)
	})
}
