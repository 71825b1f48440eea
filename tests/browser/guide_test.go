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
)

// The samples of the guide stand in pages/guide.js. These tests run each and look
// whether it does what the guide's paragraph around it says.

// guideOrigin is an origin where the SDK lies where the guide's script tag says.
func guideOrigin(t *testing.T, w *world) *faults {
	t.Helper()
	f := w.faulty(t)
	f.guide(nil)
	return f
}

// guide sets what may answer calls, see faults.rest, on a guideOrigin.
func (f *faults) guide(hook func(rw http.ResponseWriter, r *http.Request) bool) {
	f.rest(func(rw http.ResponseWriter, r *http.Request) bool {
		if name, ok := strings.CutPrefix(r.URL.Path, "/t/path/to/"); ok {
			r.URL.Path = "/" + name
		}
		return hook != nil && hook(rw, r)
	})
}

// openGuide opens the guide's page for a customer, and gives it what the guide leaves
// out of init's first argument.
func openGuide(t *testing.T, w *world, f *faults, page, customer string, to tokenOptions) *tab {
	t.Helper()
	b := newTab(t, "customer")
	b.open(f.url + "/t/" + page)
	params := w.params(t, customer, to)
	params["hostURL"] = f.url
	b.eval(nil, `Object.assign(guide.values, {sdkInitParams: %s, "...": [%[1]s, {logLevel: "WARN"}]})`, params)
	return b
}

// sample runs a sample of the guide, to the end of its last await.
func (b *tab) sample(name, arguments string) {
	b.t.Helper()
	b.eval(nil, fmt.Sprintf(`guide.run(%q, %s)`, name, arguments))
}

// shown are what the samples have shown since mark, of the names given.
func shown(list []entry, names ...string) (found []entry) {
	for _, e := range list {
		if e.Kind == "guide" && slices.Contains(names, e.Name) {
			found = append(found, e)
		}
	}
	return found
}

// waitShown waits until the samples have shown n things of a name since mark, and
// returns the n-th.
func (b *tab) waitShown(mark int, name string, n int) entry {
	b.t.Helper()
	return shown(b.wait(name, func(list []entry) bool { return len(shown(list[mark:], name)) >= n })[mark:], name)[n-1]
}

// decode reads the data of an entry.
func decode[T any](t *testing.T, e entry) (v T) {
	t.Helper()
	if err := json.Unmarshal(e.Data, &v); err != nil {
		t.Fatalf("%s: %v", e, err)
	}
	return v
}

// step runs a subtest on a page and a desk that its siblings share.
func (c *began) step(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	ok := t.Run(name, func(t *testing.T) {
		mine, desks := c.tab.t, t
		if c.agent != nil {
			desks = c.agent.t
			c.agent.t = t
		}
		c.tab.t = t
		defer func() {
			c.tab.t = mine
			if c.agent != nil {
				c.agent.t = desks
			}
		}()
		f(t)
	})
	if !ok {
		t.FailNow() // what follows builds on it
	}
}

func TestGuideInit(t *testing.T) {
	w := shared(t)
	f := guideOrigin(t, w)
	t.Run("GUIDE Usage, Initialization: NS-1 INIT-5 INIT-6 the script tag and the call signature", func(t *testing.T) {
		customer := fresh("guide")
		b := openGuide(t, w, f, "guide.html", customer, tokenOptions{})
		params := w.params(t, customer, tokenOptions{})
		b.eval(nil, `Object.assign(guide.values, {"<CCaaS Host URL>": %s, "<Integration Id>": %s, "jwt.header.payload": %s, "<Application Key>": %s})`,
			f.url, params["integrationId"], params["token"], params["appkey"])
		b.sample("initialization", "")
		b.wants("NS-1", map[string]any{
			"name": "Customer " + customer, "engagements": []any{}, "sessionParameters": map[string]string{"model": "ABC-123"}, "again": "ACS-204",
		}, `const u = guide.kept.initialization;
			return {name: u.displayName, engagements: u.engagements, sessionParameters: u.sessionParameters, again: await code(() => sdk.init(guide.values.sdkInitParams))}`)
	})
	for _, sample := range []string{"waitingThen", "waitingAwait"} {
		t.Run("GUIDE Waiting for initialization to complete: INIT-7 EV-1 "+sample, func(t *testing.T) {
			b := openGuide(t, w, f, "guide.html", fresh("guide"), tokenOptions{})
			b.sample(sample, "")
			b.waitShown(0, "after the promise", 1)
			var order []string
			for _, e := range shown(b.log.all(), "in the handler", "after the promise") {
				order = append(order, e.Name)
			}
			wantTexts(t, "both ways to wait", order, []string{"in the handler", "after the promise"})
			b.wants("INIT-7", map[string]any{"same": true, "ready": []any{}},
				`return {same: guide.kept["in the handler"] === guide.kept["after the promise"], ready: await sdk.getEngagements()}`)
		})
	}
	t.Run("GUIDE Network: EV-6 EV-7 STREAM-1 the state's events", func(t *testing.T) {
		f := guideOrigin(t, w)
		b := openGuide(t, w, f, "guide.html", fresh("guide"), tokenOptions{})
		b.allow(networkTrouble)
		var refused atomic.Bool
		f.guide(func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/events") || !refused.CompareAndSwap(false, true) {
				return false
			}
			rw.WriteHeader(503)
			return true
		})
		b.sample("network", "")
		b.eval(nil, `AvayaCCaaSChatSDK.init(...guide.values["..."]).then(() => AvayaCCaaSChatSDK.shutdown())`)
		b.waitShown(0, "closed", 1)
		var states []string
		for _, e := range shown(b.log.all(), "connecting", "connected", "disconnected", "closed") {
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
		wantTexts(t, "what the page shows", states, []string{"connecting", "disconnected", "connecting", "connected", "closed"})
	})
	t.Run("GUIDE Network: INIT-6 STREAM-2 STREAM-6 reconnectionTimeout of 300 seconds", func(t *testing.T) {
		f := guideOrigin(t, w)
		b := openGuide(t, w, f, "guide-fast.html", fresh("guide"), tokenOptions{})
		b.allow(networkTrouble)
		b.sample("reconnection", "")
		b.waitEvent("INITIALIZED", nil)
		f.guide(func(rw http.ResponseWriter, r *http.Request) bool {
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
		f.line(1).cut()
		first := decode[failure](t, b.since(0, "EVENT_STREAM_FAILED", 1))
		// failed waits for an attempt that failed so long after the break.
		failed := func(after time.Duration) (found failure) {
			b.wait("an attempt to fail", func(list []entry) bool {
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
		b.eval(nil, `clock.skip(280)`) // as the default of 120 would be over
		if p := failed(280 * time.Second); p.Reason != "SERVER_UNREACHABLE" {
			t.Fatalf("STREAM-2: %s after 280 seconds", p.Reason)
		}
		b.eval(nil, `clock.skip(20)`)
		if p := failed(300 * time.Second); p.Reason != "RECONNECTION_TIMEOUT" {
			t.Errorf("STREAM-6: %s after 300 seconds", p.Reason)
		}
	})
	t.Run("GUIDE Shutdown: NS-11 SHUT-1 EV-2 three ways", func(t *testing.T) {
		b := openGuide(t, w, f, "guide.html", fresh("guide"), tokenOptions{})
		for i, sample := range []string{"shutdown", "shutdownThen", "shutdownAwait"} {
			b.eval(nil, `AvayaCCaaSChatSDK.init(...guide.values["..."])`)
			mark := b.mark()
			b.sample(sample, "")
			// The handler is the first sample's, and stays.
			p := decode[struct {
				EventDate time.Time
				Reason    string
			}](t, b.waitShown(mark, "SHUTDOWN", 1))
			if p.EventDate.IsZero() || p.Reason != "USER_CLOSED" {
				t.Errorf("%s: SHUTDOWN carries %+v", sample, p)
			}
			if i > 0 {
				b.waitShown(mark, "cleanup", 1)
				if list := b.heard(mark); len(shown(list, "SHUTDOWN", "cleanup")) != 2 || shown(list, "SHUTDOWN", "cleanup")[0].Name != "SHUTDOWN" {
					t.Errorf("%s: shown %v", sample, list)
				}
			}
			b.wants("SHUT-2", map[string]any{"over": "ACS-310", "stored": nil},
				`return {over: await code(() => sdk.getEngagements()), stored: sessionStorage.getItem("ccaasClientSessionId")}`)
		}
	})
}

func TestGuideToken(t *testing.T) {
	w := shared(t)
	f := guideOrigin(t, w)
	customer := fresh("guide")
	give := make(chan struct{})
	f.guide(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/t/token" {
			return false
		}
		select {
		case <-give:
			// Good for the page's clock, too, which is hours ahead by then.
			token, _ := w.token(t, customer, tokenOptions{ttl: 24 * time.Hour})
			fmt.Fprint(rw, token)
		case <-r.Context().Done():
		}
		return true
	})
	b := openGuide(t, w, f, "guide-fast.html", customer, tokenOptions{ttl: time.Hour})
	b.sample("jwtLifecycle", "")
	b.eval(nil, `AvayaCCaaSChatSDK.init(guide.values.sdkInitParams, {idleTimeout: 0})`)
	c := began{tab: b, id: createChat(b)}
	c.agent = w.newDesk(t, "Bo "+customer)
	c.agent.accept(c.id)
	c.agent.say(c.id, "before")
	b.waitText("before")

	c.step(t, "GUIDE JWT Lifecycle Events: JWT-1 EV-3 the reminder calls refreshJWT precisely three minutes before", func(t *testing.T) {
		var left float64 // until the reminder, in seconds
		b.eval(&left, `JSON.parse(atob(guide.values.sdkInitParams.token.split(".")[1])).exp - 180 - Date.now() / 1000`)
		if left < 3000 {
			t.Fatalf("the reminder is due in %v s", left)
		}
		b.eval(nil, `clock.skip(%s)`, left-1)
		b.settled()
		p := decode[struct{ EventDate, ExpiryDate time.Time }](t, b.waitShown(0, "refreshJWT", 1))
		if late := p.EventDate.Sub(p.ExpiryDate.Add(-3 * time.Minute)); late < 0 || late > 250*time.Millisecond {
			t.Errorf("JWT-1: the reminder is %v late", late)
		}
	})
	c.step(t, "GUIDE JWT Lifecycle Events: JWT-2 EV-4 TOKEN_EXPIRED, and disconnected until a token is set", func(t *testing.T) {
		b.eval(nil, `clock.skip(180)`)
		p := decode[struct{ ExpiredDate time.Time }](t, b.waitShown(0, "refreshJWT", 2))
		if p.ExpiredDate.IsZero() {
			t.Error("EV-4: no expiredDate")
		}
		b.since(0, "EVENT_STREAM_FAILED", 1)
		c.agent.say(c.id, "meanwhile")
		b.eval(nil, `clock.skip(600)`) // attempts would be made
		b.settled()
		if list := b.log.all(); count(list, "EVENT_STREAM_CONNECTING") != 1 || slices.Contains(b.texts(list, "", ""), "meanwhile") {
			t.Error("JWT-2: not disconnected")
		}
	})
	c.step(t, "GUIDE JWT Lifecycle Events: NS-7 JWT-3 the handler's setJwtToken connects again", func(t *testing.T) {
		close(give)
		b.waitText("meanwhile")
		send(b, c.id, "and back")
		b.waitText("and back")
		b.wantOnceInOrder(b.log.all())
	})
}

func TestGuideChat(t *testing.T) {
	w := shared(t)
	f := guideOrigin(t, w)
	customer := fresh("guide")
	b := openGuide(t, w, f, "guide.html", customer, tokenOptions{})
	b.eval(nil, `AvayaCCaaSChatSDK.init(...guide.values["..."])`)
	c := began{tab: b, agent: w.newDesk(t, "Bo "+customer)}

	c.step(t, "GUIDE Starting a new chat: NS-4 ENG-8 with parameters", func(t *testing.T) {
		b.sample("startChat", "")
		b.eval(&c.id, `guide.kept.engagement.engagementId`)
		b.waitEvent("ENGAGEMENT_ACTIVE", nil)
		c.agent.accept(c.id)
		b.waitEvent("PARTICIPANT_ADDED", func(m message) bool { return m.Participant.ParticipantType == "AGENT" })
		var chat struct{ EngagementParameters map[string]string }
		c.agent.call("GET", "/engagements/"+c.id, nil, &chat)
		if len(chat.EngagementParameters) != 1 || chat.EngagementParameters["availableBalance"] != "100" {
			t.Errorf("the contact center sees the parameters %v", chat.EngagementParameters)
		}
		b.wants("NS-4", map[string]any{"instance": true, "status": "ACTIVE"},
			`const e = guide.kept.engagement; return {instance: e instanceof sdk.Engagement, status: e.engagementStatus}`)
	})
	c.step(t, "GUIDE List all ongoing chats: NS-5", func(t *testing.T) {
		b.sample("listChats", "")
		b.wants("NS-5", map[string]any{"ids": []string{c.id}, "same": true},
			`const l = guide.kept.engagements; return {ids: l.map((e) => e.engagementId), same: l[0] === guide.kept.engagement}`)
	})
	c.step(t, "GUIDE Getting specific chat details: NS-6 without await", func(t *testing.T) {
		b.eval(nil, `void (guide.values["<engagement id>"] = guide.kept.engagement.engagementId)`)
		b.sample("specificChat", "")
		b.wants("NS-6", map[string]any{"id": c.id, "status": "ACTIVE", "created": true, "people": 2, "awaited": true},
			`const e = guide.kept.found; return {id: e.engagementId, status: e.engagementStatus, created: e.createdAt instanceof Date,
				people: e.participants.filter((p) => p.participantType !== "BOT").length, awaited: await e === guide.kept.engagement}`)
	})
	c.step(t, "GUIDE Getting Participant details: ENG-1 ENG-6 NS-6 getParticipants and getParticipantById", func(t *testing.T) {
		b.eval(nil, `void (guide.values["<participant id>"] = %s)`, c.agent.id)
		b.sample("participants", "")
		type person struct{ ParticipantID, ParticipantType, DisplayName string }
		p := decode[struct {
			Participants []person
			Participant  person
		}](t, b.waitShown(0, "participants", 1))
		if want := (person{c.agent.id, "AGENT", c.agent.name}); p.Participant != want || !slices.Contains(p.Participants, want) {
			t.Errorf("participant %+v of %+v, want %+v", p.Participant, p.Participants, want)
		}
		if !slices.ContainsFunc(p.Participants, func(p person) bool {
			return p.ParticipantType == "CUSTOMER" && p.DisplayName == "Customer "+customer
		}) {
			t.Errorf("the customer is not among the participants %+v", p.Participants)
		}
	})
	c.step(t, "GUIDE Message Delivery, Sending a message: MSG-1 MSG-5 EV-11 a tick for the sent message, after it", func(t *testing.T) {
		b.sample("messageDelivery", "")
		mark := b.mark()
		b.sample("sendMessage", "guide.kept.engagement")
		b.waitShown(mark, "tick", 1)
		list := shown(b.heard(mark), "sent", "tick")
		if len(list) != 2 || list[0].Name != "sent" {
			t.Fatalf("MSG-5: %v", list)
		}
		sent, tick := list[0].message(t), list[1].message(t)
		if sent.MessageID == "" || sent.MessageID != tick.MessageID || sent.Body.ElementText.Text != "Hello" || tick.Body.ElementText.Text != "Hello" {
			t.Errorf("sent %+v, delivered %+v", sent, tick)
		}
		c.agent.waitText(c.id, "Hello")
	})
	c.step(t, "GUIDE Event Handling: NS-2 NS-3 on, off one, off all", func(t *testing.T) {
		b.sample("subscribe", "")
		mark := b.mark()
		c.agent.say(c.id, "subscribed")
		if m := b.waitShown(mark, "MESSAGE_ARRIVED", 1).message(t); m.Body.ElementText.Text != "subscribed" {
			t.Errorf("arrived: %+v", m)
		}
		b.sample("unsubscribe", "")
		mark = b.mark()
		c.agent.say(c.id, "not subscribed")
		// Its delivery is told after what came before it.
		b.sample("sendMessage", "guide.kept.engagement")
		b.waitShown(mark, "tick", 1)
		if list := shown(b.heard(mark), "MESSAGE_ARRIVED"); len(list) > 0 {
			t.Errorf("NS-3: after off: %v", list)
		}
		b.sample("subscribe", "")
		b.sample("unsubscribeAll", "")
		b.sample("messageDelivery", "")
		mark = b.mark()
		c.agent.say(c.id, "nobody is subscribed")
		b.sample("sendMessage", "guide.kept.engagement")
		b.waitShown(mark, "tick", 1)
		for _, e := range b.heard(mark) {
			if e.Kind == "event" || e.Name == "MESSAGE_ARRIVED" {
				t.Errorf("NS-3: after off of all: %s", e)
			}
		}
	})
	c.step(t, "GUIDE Receiving Messages: EV-11 MSG-6 of other participants", func(t *testing.T) {
		b.sample("receivingMessages", "")
		mark := b.mark()
		for _, text := range numbered("line", 12) {
			c.agent.say(c.id, text)
		}
		b.waitShown(mark, "new message", 12)
		var got []string
		for _, e := range shown(b.heard(mark), "new message") {
			m := e.message(t)
			if m.SenderParticipant.ParticipantType != "AGENT" {
				t.Errorf("the sender is %+v", m.SenderParticipant)
			}
			got = append(got, m.Body.ElementText.Text)
		}
		wantTexts(t, "new messages", got, numbered("line", 12))
	})
	c.step(t, "GUIDE Fetching all messages: PAGE-1 PAGE-2 PAGE-3 load more until there is no more", func(t *testing.T) {
		before := texts(c.agent.messages(c.id), "")
		if len(before) <= 15 || len(before) > 30 {
			t.Fatalf("%d messages are not two pages of 15", len(before))
		}
		mark := b.mark()
		b.sample("allMessages", "guide.kept.engagement")
		c.agent.say(c.id, "after the iterator's creation")
		click := `document.getElementById("load-more-button").onclick()`
		b.eval(nil, click)
		b.eval(nil, click) // there is no previous page
		var walked []string
		for _, e := range shown(b.heard(mark), "page") {
			for _, m := range decode[[]message](t, e) {
				walked = append(walked, m.Body.ElementText.Text)
			}
		}
		if n := len(shown(b.heard(mark), "page")); n != 2 {
			t.Errorf("%d pages were shown", n)
		}
		slices.Reverse(walked)
		wantTexts(t, "the pages", walked, before)
	})
	c.step(t, "GUIDE Joining an ongoing chat: NS-6 ENG-4 ENG-9 from another session, without await", func(t *testing.T) {
		second := b.another("second")
		second.open(f.url + "/t/guide.html")
		params := w.params(t, customer, tokenOptions{})
		params["hostURL"] = f.url
		second.eval(nil, `AvayaCCaaSChatSDK.init(%s)`, params)
		second.wants("ENG-3", map[string]any{"status": "PENDING"},
			`guide.values["<engagement id>"] = %s; return {status: sdk.getEngagementById(%[1]s).engagementStatus}`, c.id)
		second.sample("joinChat", "")
		second.waitEvent("ENGAGEMENT_ACTIVE", nil)
		c.agent.say(c.id, "to both")
		second.waitText("to both")
		second.wants("ENG-3", map[string]any{"status": "ACTIVE"}, `return {status: sdk.getEngagementById(%s).engagementStatus}`, c.id)
	})
	c.step(t, "GUIDE Disconnecting the chat: ENG-5", func(t *testing.T) {
		b.sample("disconnectChat", "guide.kept.engagement")
		b.wants("ENG-5", map[string]any{"again": "ACS-313", "send": "ACS-313"},
			`const e = guide.kept.engagement; return {again: await code(() => e.disconnect()), send: await code(() => e.sendMessage("x"))}`)
		c.agent.wait("the customer to leave", func(f deskFrame) bool {
			return f.Type == "chat" && f.Chat.EngagementID == c.id && f.Chat.State == "ended"
		})
	})
}

func TestGuideIdle(t *testing.T) {
	w := shared(t)
	f := guideOrigin(t, w)
	t.Run("GUIDE Timeouts: INIT-6 IDLE-1 IDLE-2 IDLE-3 EV-5 of 900 and 120 seconds", func(t *testing.T) {
		customer := fresh("guide")
		b := openGuide(t, w, f, "guide-fast.html", customer, tokenOptions{ttl: 24 * time.Hour})
		b.sample("timeouts", "")
		b.waitEvent("INITIALIZED", nil)
		id := createChat(b) // activity: the timer starts anew
		agent := w.newDesk(t, "Bo "+customer)
		agent.accept(id)
		b.eval(nil, `clock.skip(880)`)
		b.settled()
		if list := shown(b.log.all(), "warning"); len(list) > 0 {
			t.Fatalf("IDLE-1: after 880 of 900 seconds: %v", list)
		}
		b.eval(nil, `clock.skip(20)`)
		if got := decode[string](t, b.waitShown(0, "warning", 1)); got != "The session will expire in 120" {
			t.Errorf("EV-5: the page warns: %s", got)
		}
		b.eval(nil, `clock.skip(100)`)
		b.settled()
		if n := count(b.log.all(), "SHUTDOWN"); n > 0 {
			t.Fatal("IDLE-2: shut down 20 seconds before the end of the grace period")
		}
		b.eval(nil, `clock.skip(20)`)
		if p := decode[struct{ Reason string }](t, b.waitEvent("SHUTDOWN", nil)); p.Reason != "USER_INACTIVE" {
			t.Errorf("IDLE-3: reason %s", p.Reason)
		}
		// The chat lives on, and another session may go on with it.
		agent.say(id, "still here?")
		b.wants("IDLE-3", map[string]any{"status": []string{"PENDING"}},
			`return {status: (await sdk.init(guide.values.sdkInitParams)).engagements.map((e) => e.engagementStatus)}`)
	})
	t.Run("GUIDE Extending the Session: NS-8 IDLE-2 EV-5 IDLE_TIMEOUT, and resetTimer by the button", func(t *testing.T) {
		b := openGuide(t, w, f, "guide-fast.html", fresh("guide"), tokenOptions{ttl: 24 * time.Hour})
		b.sample("extendSession", "")
		b.eval(nil, `AvayaCCaaSChatSDK.init(...guide.values["..."])`)
		b.eval(nil, `clock.skip(300)`)
		if p := decode[struct{ GracePeriod float64 }](t, b.waitShown(0, "warning box", 1)); p.GracePeriod != 30 {
			t.Errorf("EV-5: gracePeriod %v", p.GracePeriod)
		}
		b.eval(nil, `document.getElementById("inactivity-warning-continue-chat").click()`)
		b.eval(nil, `clock.skip(280)`) // far beyond the grace period
		b.settled()
		if list := b.log.all(); count(list, "SHUTDOWN") > 0 || len(shown(list, "warning box")) != 1 {
			t.Fatal("IDLE-2: resetTimer did not start both timers anew")
		}
		b.waitShown(0, "no warning box", 1)
		b.eval(nil, `clock.skip(20)`)
		b.waitShown(0, "warning box", 2)
		b.eval(nil, `clock.skip(30)`)
		b.waitEvent("SHUTDOWN", nil)
	})
}
