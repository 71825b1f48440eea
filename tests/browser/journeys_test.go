package browser

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// began is a customer's page with a chat, and the agent who has accepted it.
type began struct {
	*tab
	id    string // of the engagement
	agent *desk
}

// begin opens a page, starts a chat, and lets an agent accept it.
func (w *world) begin(t *testing.T, customer string, o tokenOptions) began {
	t.Helper()
	b := newTab(t, "customer")
	b.open(w.origin.url + "/t/page.html")
	w.initPage(b, customer, o)
	id := createChat(b)
	b.waitEvent("MESSAGE_ARRIVED", nil)
	agent := w.newDesk(t, "Bo "+customer)
	agent.accept(id)
	b.waitEvent("PARTICIPANT_ADDED", func(m message) bool { return m.Participant.ParticipantType == "AGENT" })
	return began{b, id, agent}
}

// initPage calls init, and fails the test when it fails.
func (w *world) initPage(b *tab, customer string, o tokenOptions) {
	b.t.Helper()
	var r struct {
		Error *struct{ Code, Message string }
		Same  bool
	}
	b.eval(&r, `t.init(%s, {logLevel: "WARN"})`, w.params(b.t, customer, o))
	if r.Error != nil {
		b.t.Fatalf("tab %q: init: %s %s", b.name, r.Error.Code, r.Error.Message)
	}
	if !r.Same {
		b.t.Error("INIT-7: INITIALIZED carries another object than init resolves with")
	}
}

func createChat(b *tab) string {
	b.t.Helper()
	var r struct {
		ID    string
		Error *struct{ Code, Message string }
	}
	b.eval(&r, `t.create({topic: "A journey"})`)
	if r.Error != nil {
		b.t.Fatalf("tab %q: createEngagement: %s %s", b.name, r.Error.Code, r.Error.Message)
	}
	return r.ID
}

// send sends texts one after the other, without waiting for answers between them,
// and waits for all of them.
func send(b *tab, id string, texts ...string) {
	b.t.Helper()
	var failed []string
	b.eval(&failed, `Promise.all(%s.map((text) => t.send(%s, text))).then((l) => l.filter((r) => r.error).map((r) => r.error.text))`, texts, id)
	for _, f := range failed {
		b.t.Errorf("tab %q: sendMessage: %s", b.name, f)
	}
}

// fresh makes the id of a customer whom the gateway does not know.
func fresh(name string) string { return name + " " + uuid.NewString()[:8] }

func numbered(prefix string, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("%s %d", prefix, i+1))
	}
	return list
}

func wantTexts(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// history reads the chat as a page does.
func history(b *tab, id string, pageSize int) (texts []string) {
	b.t.Helper()
	var list []struct {
		Index int
		Text  string
	}
	b.eval(&list, `t.history(%s, %s)`, id, pageSize)
	for i, m := range list {
		if m.Index != i+1 {
			b.t.Errorf("PAGE-2: message %d of the history has index %d", i+1, m.Index)
		}
		texts = append(texts, m.Text)
	}
	return texts
}

// The harness sees what the other tests count on being absent.
func TestTroubleIsSeen(t *testing.T) {
	w := shared(t)
	b := newTab(t, "troubled")
	b.open(w.origin.url + "/t/page.html")
	b.eval(nil, `(() => {
		try { document.body.innerHTML = "<b>bold</b>"; } catch {}
		console.error("said");
		setTimeout(() => { throw new Error("thrown"); });
	})()`)
	for _, want := range []string{`policy violated: require-trusted-types-for`, `console: said`, `uncaught: .*thrown`} {
		b.allow(want)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if _, err := b.trouble.wait(ctx, func(list []string) bool {
			return slices.ContainsFunc(list, regexp.MustCompile(want).MatchString)
		}); err != nil {
			t.Errorf("%s was not seen: %v", want, b.trouble.all())
		}
	}
	b.allow(`TrustedHTML|TrustedScript`)
}

func TestInitToFirstBotMessage(t *testing.T) {
	w := shared(t)
	t.Run("INIT-7 NS-4 EV-12 EV-13 ENG-8", func(t *testing.T) {
		customer := fresh("journey-a")
		b := newTab(t, "customer")
		b.open(w.origin.url + "/t/page.html")
		w.initPage(b, customer, tokenOptions{})
		id := createChat(b)
		b.waitEvent("MESSAGE_ARRIVED", func(m message) bool { return m.SenderParticipant.ParticipantType == "BOT" })

		var got []string
		for _, e := range b.log.all() {
			name := e.Name
			if e.Kind == "event" {
				m := e.message(t)
				if s := m.Participant.ParticipantType + m.SenderParticipant.ParticipantType; s != "" {
					name += " " + s
				}
				if m.EngagementID != "" && m.EngagementID != id {
					t.Errorf("%s of another engagement, %s", e.Name, m.EngagementID)
				}
			}
			got = append(got, name)
		}
		wantTexts(t, "what the page heard", got, []string{
			"loaded",
			"EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "INITIALIZED", "init",
			"createEngagement",
			"ENGAGEMENT_ACTIVE", "PARTICIPANT_ADDED CUSTOMER", "PARTICIPANT_ADDED BOT", "MESSAGE_ARRIVED BOT",
		})
		var members []string
		b.eval(&members, `(async () => (await AvayaCCaaSChatSDK.getEngagementById(%s)).getParticipants().map((p) => p.participantType + " " + p.displayName))()`, id)
		if len(members) != 2 || members[0] != "CUSTOMER Customer "+customer || !strings.HasPrefix(members[1], "BOT ") {
			t.Errorf("ENG-6: participants %q", members)
		}
	})
}

func TestTenMessagesEachWay(t *testing.T) {
	w := shared(t)
	t.Run("MSG-1 MSG-3 MSG-5 MSG-6", func(t *testing.T) {
		customer := fresh("journey-b")
		c := w.begin(t, customer, tokenOptions{})
		mine, theirs := numbered("customer", 10), numbered("agent", 10)
		said := make(chan error, 1)
		go func() {
			for _, s := range theirs {
				if err := c.agent.trySay(c.id, s); err != nil {
					said <- err
					return
				}
			}
			said <- nil
		}()
		send(c.tab, c.id, mine...)
		if err := <-said; err != nil {
			t.Fatal(err)
		}
		c.waitText(theirs[9])
		c.waitText(mine[9])
		c.agent.waitText(c.id, mine[9])

		list := c.log.all()
		wantTexts(t, "delivered", c.texts(list, "MESSAGE_DELIVERED", ""), mine)
		wantTexts(t, "arrived", c.texts(list, "MESSAGE_ARRIVED", "AGENT"), theirs)
		c.wantOnceInOrder(list)
		settled := map[string]bool{}
		for _, e := range list {
			if text, ok := strings.CutPrefix(e.Name, "send "); ok {
				settled[text] = true
			}
			if e.Name == "MESSAGE_DELIVERED" && !settled[e.message(t).Body.ElementText.Text] {
				t.Errorf("MSG-5: %s before sendMessage has settled", e)
			}
		}
		stored := c.agent.messages(c.id)
		wantTexts(t, "stored of the customer", texts(stored, "CUSTOMER"), mine)
		wantTexts(t, "stored of the agent", texts(stored, "AGENT"), theirs)

		c.agent.end(c.id)
		c.waitEvent("ENGAGEMENT_TERMINATED", nil)
		list = c.log.all()
		var leaving []string
		for _, e := range list {
			if e.Name == "PARTICIPANT_DISCONNECTED" {
				leaving = append(leaving, e.message(t).Participant.ParticipantType)
			}
		}
		wantTexts(t, "who left", leaving, []string{"BOT", "AGENT", "CUSTOMER"})
	})
}

func TestReload(t *testing.T) {
	w := shared(t)
	t.Run("SES-1 ENG-9 PAGE-2 PAGE-3", func(t *testing.T) {
		customer := fresh("journey-c")
		c := w.begin(t, customer, tokenOptions{})
		send(c.tab, c.id, numbered("before", 12)...)
		c.agent.say(c.id, "before, too")
		c.waitText("before, too")

		// The agent talks all the while.
		stop := make(chan struct{})
		said := make(chan error, 1)
		go func() {
			pace := time.NewTicker(30 * time.Millisecond) // faster is over the desk's rate
			defer pace.Stop()
			for n := 1; ; n++ {
				select {
				case <-stop:
					said <- nil
					return
				case <-pace.C:
					if err := c.agent.trySay(c.id, fmt.Sprint("agent ", n)); err != nil {
						said <- err
						return
					}
				}
			}
		}()
		c.waitText("agent 3")
		before := len(c.log.all())
		c.open(w.origin.url + "/t/page.html")
		loaded := c.wait("the reload", func(list []entry) bool { return lastNamed(list[before:], "loaded") >= 0 })[before:]
		if id := string(loaded[lastNamed(loaded, "loaded")].Data); id == "null" {
			t.Errorf("no session is stored at the reload")
		}
		w.initPage(c.tab, customer, tokenOptions{})
		var user struct {
			Engagements []struct{ EngagementID, EngagementStatus string }
		}
		c.eval(&user, `t.user`)
		if len(user.Engagements) != 1 || user.Engagements[0].EngagementID != c.id || user.Engagements[0].EngagementStatus != "ACTIVE" {
			t.Fatalf("SES-1: engagements after the reload: %+v", user.Engagements)
		}
		// A page shows its history and then what it hears: nothing missing, nothing double.
		shown := history(c.tab, c.id, 5)
		close(stop)
		if err := <-said; err != nil {
			t.Fatal(err)
		}
		c.agent.say(c.id, "after")
		send(c.tab, c.id, "me, too")
		c.waitText("after")
		c.waitText("me, too")
		heard := c.log.all()[before:]
		heard = heard[lastNamed(heard, "loaded"):]
		shown = append(shown, c.texts(heard[lastNamed(heard, "asks for history"):], "", "")...)
		wantTexts(t, "the whole chat", shown, texts(c.agent.messages(c.id), ""))
		c.wantOnceInOrder(heard)
	})
}

// lastNamed is the index of the last entry of a name, -1 for none.
func lastNamed(list []entry, name string) int {
	for i, e := range slices.Backward(list) {
		if e.Name == name {
			return i
		}
	}
	return -1
}

func TestGatewayKilled(t *testing.T) {
	t.Run("STREAM-1 STREAM-2 STREAM-3 MSG-4 MSG-6", func(t *testing.T) {
		customer := fresh("journey-d")
		w := newWorld(t)
		c := w.begin(t, customer, tokenOptions{})
		// What a browser says of a server that is gone.
		c.allow(`WebSocket connection to|Failed to load resource|net::ERR_`)
		send(c.tab, c.id, numbered("acknowledged", 10)...)
		c.agent.say(c.id, "heard before")
		c.waitText("heard before")

		// Messages are on their way while it dies.
		c.eval(nil, `void (t.pending = Promise.all(%s.map((text) => t.send(%s, text))))`, numbered("meanwhile", 5), c.id)
		w.gateway.kill()
		c.waitEvent("EVENT_STREAM_FAILED", nil)
		// The agent is back before the customer's stream is, and talks.
		back := make(chan struct{})
		w.origin.answer(t, func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/events") {
				select {
				case <-back:
				case <-r.Context().Done():
				}
			}
			return false
		})
		w.gateway.start(t)
		c.agent.say(c.id, "heard by resuming")
		c.agent.say(c.id, "heard by resuming, too")
		close(back)
		c.wait("the stream again", func(list []entry) bool { return count(list, "EVENT_STREAM_CONNECTED") >= 2 })
		var failed []string
		c.eval(&failed, `t.pending.then((l) => l.filter((r) => r.error).map((r) => r.error.text))`)
		for _, f := range failed {
			t.Errorf("a message sent around the crash failed: %s", f)
		}
		c.agent.say(c.id, "heard after")
		c.waitText("heard after")
		send(c.tab, c.id, "and back")
		c.waitText("and back")

		want := slices.Concat(numbered("acknowledged", 10), numbered("meanwhile", 5), []string{"and back"})
		wantTexts(t, "stored", texts(c.agent.messages(c.id), "CUSTOMER"), want)
		list := c.log.all()
		wantTexts(t, "delivered", c.texts(list, "MESSAGE_DELIVERED", ""), want)
		wantTexts(t, "arrived", c.texts(list, "MESSAGE_ARRIVED", "AGENT"), []string{"heard before", "heard by resuming", "heard by resuming, too", "heard after"})
		c.wantOnceInOrder(list)
		for _, e := range list {
			if e.Name == "EVENT_STREAM_CONNECTED" && strings.Contains(string(e.Data), `"resumed":false`) {
				t.Errorf("STREAM-3: the stream did not resume: %s", e)
			}
		}
	})
}

// The page's own server gives no token before the test lets it.
func tokens(t *testing.T, w *world, customer string, o tokenOptions) (o2 *origin, give func()) {
	t.Helper()
	own := w.newOrigin(t)
	gate := make(chan struct{})
	own.answer(t, func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/t/token" {
			return false
		}
		select {
		case <-gate:
			token, _ := w.token(t, customer, o)
			fmt.Fprint(rw, token)
		case <-r.Context().Done():
		}
		return true
	})
	return own, func() { close(gate) }
}

func TestTokenRefreshed(t *testing.T) {
	t.Parallel()
	w := shared(t)
	t.Run("JWT-1 JWT-3", func(t *testing.T) {
		customer := fresh("journey-e1")
		own, give := tokens(t, w, customer, tokenOptions{})
		w = &world{gateway: w.gateway, origin: own}
		b := newTab(t, "customer")
		b.open(own.url + "/t/page.html")
		// Less than three minutes are left from the start: the reminder comes at once, and
		// its handler asks for a token that comes in mid-chat.
		b.eval(nil, `void (t.react.TOKEN_EXPIRY_REMINDER = t.refresh)`)
		expiry := time.Now().Add(20 * time.Second)
		w.initPage(b, customer, tokenOptions{ttl: 20 * time.Second})
		b.waitEvent("TOKEN_EXPIRY_REMINDER", nil)
		id := createChat(b)
		agent := w.newDesk(t, "Bo "+customer)
		agent.accept(id)
		send(b, id, "with the first token")
		give()
		b.wait("the new token", func(list []entry) bool {
			return slices.ContainsFunc(list, func(e entry) bool { return e.Name == "setJwtToken" })
		})
		if time.Now().After(expiry) {
			t.Fatal("this machine is too slow for the test: the first token has expired before the second came")
		}
		agent.say(id, "a")
		b.waitText("a")
		<-time.After(time.Until(expiry.Add(2 * time.Second))) // until the first token is no good
		agent.say(id, "b")
		b.waitText("b")
		send(b, id, "with the second token")
		b.waitText("with the second token")
		list := b.log.all()
		for event, n := range map[string]int{
			"EVENT_STREAM_CONNECTING": 1, "EVENT_STREAM_FAILED": 0, "TOKEN_EXPIRED": 0, "TOKEN_EXPIRY_REMINDER": 1,
		} {
			if got := count(list, event); got != n {
				t.Errorf("JWT-3: %d times %s, want %d: a token is changed in place", got, event, n)
			}
		}
		b.wantOnceInOrder(list)
	})
}

func TestTokenExpired(t *testing.T) {
	t.Parallel()
	w := shared(t)
	t.Run("JWT-2 JWT-3 STREAM-3", func(t *testing.T) {
		customer := fresh("journey-e2")
		own, give := tokens(t, w, customer, tokenOptions{})
		w = &world{gateway: w.gateway, origin: own}
		b := newTab(t, "customer")
		b.open(own.url + "/t/page.html")
		b.eval(nil, `void (t.react.TOKEN_EXPIRED = t.refresh)`)
		w.initPage(b, customer, tokenOptions{ttl: 15 * time.Second})
		id := createChat(b)
		agent := w.newDesk(t, "Bo "+customer)
		agent.accept(id)
		agent.say(id, "while it is good")
		b.waitText("while it is good")
		b.waitEvent("TOKEN_EXPIRED", nil)
		agent.say(id, "while it is not")
		give()
		b.waitText("while it is not")
		send(b, id, "good again")
		b.waitText("good again")
		list := b.log.all()
		wantTexts(t, "of the agent", b.texts(list, "MESSAGE_ARRIVED", "AGENT"), []string{"while it is good", "while it is not"})
		if n := count(list, "EVENT_STREAM_CONNECTED"); n != 2 {
			t.Errorf("JWT-3: %d times EVENT_STREAM_CONNECTED, want 2", n)
		}
		b.wantOnceInOrder(list)
	})
}

func TestSecondTab(t *testing.T) {
	w := shared(t)
	t.Run("NS-5 ENG-4 ENG-9 MSG-6", func(t *testing.T) {
		customer := fresh("journey-f")
		c := w.begin(t, customer, tokenOptions{})
		send(c.tab, c.id, "from the first tab")
		c.waitText("from the first tab")

		second := c.another("second")
		second.open(w.origin.url + "/t/page.html")
		w.initPage(second, customer, tokenOptions{})
		var seen []struct{ EngagementID, EngagementStatus string }
		second.eval(&seen, `t.engagements()`)
		if len(seen) != 1 || seen[0].EngagementID != c.id || seen[0].EngagementStatus != "PENDING" {
			t.Fatalf("NS-5: the second tab sees %+v", seen)
		}
		c.agent.say(c.id, "not for the second yet")
		c.waitText("not for the second yet")
		second.eval(nil, `t.join(%s)`, c.id)
		second.waitEvent("ENGAGEMENT_ACTIVE", nil)
		if got := second.texts(second.log.all(), "", ""); len(got) != 0 {
			t.Errorf("ENG-9: before its join the second tab heard %q", got)
		}
		wantTexts(t, "the history in the second tab", history(second, c.id, 10), texts(c.agent.messages(c.id), ""))
		c.agent.say(c.id, "for both")
		send(second, c.id, "from the second tab")
		for _, b := range []*tab{c.tab, second} {
			b.waitText("for both")
			b.waitText("from the second tab")
			b.wantOnceInOrder(b.log.all())
		}
		wantTexts(t, "delivered in the first tab", c.texts(c.log.all(), "MESSAGE_DELIVERED", ""), []string{"from the first tab", "from the second tab"})
		if n := count(c.log.all(), "ENGAGEMENT_ACTIVE"); n != 1 {
			t.Errorf("the first tab heard ENGAGEMENT_ACTIVE %d times", n)
		}
	})
}
