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

	"openchat/tests/harness"
)

// A Tab sees the errors that other tests count on being absent.
func TestTabSeesErrors(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	b := harness.NewTab(t, "troubled")
	b.Open(w.Origin.URL + "/t/page.html")
	b.Eval(nil, `(() => {
		try { document.body.innerHTML = "<b>bold</b>"; } catch {}
		console.error("said");
		setTimeout(() => { throw new Error("thrown"); });
	})()`)
	for _, want := range []string{`policy violated: require-trusted-types-for`, `console: said`, `uncaught: .*thrown`} {
		b.AllowErrors(want)
		ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
		defer cancel()
		if _, err := b.Errors.Wait(ctx, func(list []string) bool {
			return slices.ContainsFunc(list, regexp.MustCompile(want).MatchString)
		}); err != nil {
			t.Errorf("%s was not seen: %v", want, b.Errors.All())
		}
	}
	b.AllowErrors(`TrustedHTML|TrustedScript|require-trusted-types-for`) // the browser's own words
}

func TestInitToFirstBotMessage(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	t.Run("INIT-7 NS-4 EV-12 EV-13 ENG-8", func(t *testing.T) {
		customer := harness.NewCustomerID("chat-a")
		b := harness.NewTab(t, "customer")
		b.Open(w.Origin.URL + "/t/page.html")
		w.Init(b, customer, harness.TokenOptions{}, harness.WarnLevel)
		id := harness.CreateEngagement(b)
		b.WaitEvent("MESSAGE_ARRIVED", func(m harness.Message) bool { return m.SenderParticipant.ParticipantType == "BOT" })

		var got []string
		for _, e := range b.Reports.All() {
			name := e.Name
			if e.Kind == "event" {
				m := e.Message(t)
				if s := m.Participant.ParticipantType + m.SenderParticipant.ParticipantType; s != "" {
					name += " " + s
				}
				if m.EngagementID != "" && m.EngagementID != id {
					t.Errorf("%s of another engagement, %s", e.Name, m.EngagementID)
				}
			}
			got = append(got, name)
		}
		harness.ExpectTexts(t, "what the page received", got, []string{
			"loaded",
			"EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "INITIALIZED", "init",
			"createEngagement",
			"ENGAGEMENT_ACTIVE", "PARTICIPANT_ADDED CUSTOMER", "PARTICIPANT_ADDED BOT", "MESSAGE_ARRIVED BOT",
		})
		var members []string
		b.Eval(&members, `(async () => (await AvayaCCaaSChatSDK.getEngagementById(%s)).getParticipants().map((p) => p.participantType + " " + p.displayName))()`, id)
		if len(members) != 2 || members[0] != "CUSTOMER Customer "+customer || !strings.HasPrefix(members[1], "BOT ") {
			t.Errorf("ENG-6: participants %q", members)
		}
	})
}

func TestTenMessagesEachWay(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	t.Run("MSG-1 MSG-3 MSG-5 MSG-6", func(t *testing.T) {
		customer := harness.NewCustomerID("chat-b")
		c := w.StartChat(t, customer, harness.TokenOptions{})
		mine, theirs := harness.Numbered("customer", 10), harness.Numbered("agent", 10)
		said := make(chan error, 1)
		go func() {
			for _, s := range theirs {
				if err := c.Agent.TrySend(c.ID, s); err != nil {
					said <- err
					return
				}
			}
			said <- nil
		}()
		harness.SendTexts(c.Tab, c.ID, mine...)
		if err := <-said; err != nil {
			t.Fatal(err)
		}
		c.WaitText(theirs[9])
		c.WaitText(mine[9])
		c.Agent.WaitText(c.ID, mine[9])

		list := c.Reports.All()
		harness.ExpectTexts(t, "delivered", c.Texts(list, "MESSAGE_DELIVERED", ""), mine)
		harness.ExpectTexts(t, "arrived", c.Texts(list, "MESSAGE_ARRIVED", "AGENT"), theirs)
		c.WantOnceInOrder(list)
		settled := map[string]bool{}
		for _, e := range list {
			if text, ok := strings.CutPrefix(e.Name, "send "); ok {
				settled[text] = true
			}
			if e.Name == "MESSAGE_DELIVERED" && !settled[e.Message(t).Body.ElementText.Text] {
				t.Errorf("MSG-5: %s before sendMessage has settled", e)
			}
		}
		stored := c.Agent.Messages(c.ID)
		harness.ExpectTexts(t, "stored of the customer", harness.TextsFrom(stored, "CUSTOMER"), mine)
		harness.ExpectTexts(t, "stored of the agent", harness.TextsFrom(stored, "AGENT"), theirs)

		c.Agent.EndChat(c.ID)
		c.WaitEvent("ENGAGEMENT_TERMINATED", nil)
		list = c.Reports.All()
		var leaving []string
		for _, e := range list {
			if e.Name == "PARTICIPANT_DISCONNECTED" {
				leaving = append(leaving, e.Message(t).Participant.ParticipantType)
			}
		}
		harness.ExpectTexts(t, "who left", leaving, []string{"BOT", "AGENT", "CUSTOMER"})
	})
}

func TestReload(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	t.Run("SES-1 ENG-9 PAGE-2 PAGE-3", func(t *testing.T) {
		customer := harness.NewCustomerID("chat-c")
		c := w.StartChat(t, customer, harness.TokenOptions{})
		harness.SendTexts(c.Tab, c.ID, harness.Numbered("before", 12)...)
		c.Agent.Send(c.ID, "before, too")
		c.WaitText("before, too")

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
					if err := c.Agent.TrySend(c.ID, fmt.Sprint("agent ", n)); err != nil {
						said <- err
						return
					}
				}
			}
		}()
		c.WaitText("agent 3")
		before := len(c.Reports.All())
		c.Open(w.Origin.URL + "/t/page.html")
		loaded := c.Wait("the reload", func(list []harness.Report) bool { return lastNamed(list[before:], "loaded") >= 0 })[before:]
		if id := string(loaded[lastNamed(loaded, "loaded")].Data); id == "null" {
			t.Errorf("no session is stored at the reload")
		}
		w.Init(c.Tab, customer, harness.TokenOptions{}, harness.WarnLevel)
		var user struct {
			Engagements []struct{ EngagementID, EngagementStatus string }
		}
		c.Eval(&user, `t.user`)
		if len(user.Engagements) != 1 || user.Engagements[0].EngagementID != c.ID || user.Engagements[0].EngagementStatus != "ACTIVE" {
			t.Fatalf("SES-1: engagements after the reload: %+v", user.Engagements)
		}
		// A page shows its history and then what it receives: nothing missing, nothing double.
		shown := harness.ReadHistory(c.Tab, c.ID, 5)
		close(stop)
		if err := <-said; err != nil {
			t.Fatal(err)
		}
		c.Agent.Send(c.ID, "after")
		harness.SendTexts(c.Tab, c.ID, "me, too")
		c.WaitText("after")
		c.WaitText("me, too")
		received := c.Reports.All()[before:]
		received = received[lastNamed(received, "loaded"):]
		shown = append(shown, c.Texts(received[lastNamed(received, "asks for history"):], "", "")...)
		harness.ExpectTexts(t, "the whole chat", shown, harness.TextsFrom(c.Agent.Messages(c.ID), ""))
		c.WantOnceInOrder(received)
	})
}

// lastNamed is the index of the last entry of a name, -1 for none.
func lastNamed(list []harness.Report, name string) int {
	for i, e := range slices.Backward(list) {
		if e.Name == name {
			return i
		}
	}
	return -1
}

func TestGatewayKilled(t *testing.T) {
	t.Parallel()
	t.Run("STREAM-1 STREAM-2 STREAM-3 MSG-4 MSG-6", func(t *testing.T) {
		customer := harness.NewCustomerID("chat-d")
		w := harness.NewEnvironment(t)
		c := w.StartChat(t, customer, harness.TokenOptions{})
		// What a browser says of a server that is gone.
		c.AllowErrors(`WebSocket connection to|Failed to load resource|net::ERR_`)
		harness.SendTexts(c.Tab, c.ID, harness.Numbered("acknowledged", 10)...)
		c.Agent.Send(c.ID, "received before")
		c.WaitText("received before")

		// Messages are on their way while it dies.
		c.Eval(nil, `void (t.pending = Promise.all(%s.map((text) => t.send(%s, text))))`, harness.Numbered("meanwhile", 5), c.ID)
		w.Gateway.Kill()
		c.WaitEvent("EVENT_STREAM_FAILED", nil)
		// The agent is back before the customer's stream is, and talks.
		back := make(chan struct{})
		w.Origin.Intercept(t, func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/events") {
				select {
				case <-back:
				case <-r.Context().Done():
				}
			}
			return false
		})
		w.Gateway.Start(t)
		c.Agent.Send(c.ID, "received by resuming")
		c.Agent.Send(c.ID, "received by resuming, too")
		close(back)
		c.Wait("the stream again", func(list []harness.Report) bool { return harness.CountEvents(list, "EVENT_STREAM_CONNECTED") >= 2 })
		var failed []string
		c.Eval(&failed, `t.pending.then((l) => l.filter((r) => r.error).map((r) => r.error.text))`)
		for _, f := range failed {
			t.Errorf("a message sent around the crash failed: %s", f)
		}
		c.Agent.Send(c.ID, "received after")
		c.WaitText("received after")
		harness.SendTexts(c.Tab, c.ID, "and back")
		c.WaitText("and back")

		want := slices.Concat(harness.Numbered("acknowledged", 10), harness.Numbered("meanwhile", 5), []string{"and back"})
		harness.ExpectTexts(t, "stored", harness.TextsFrom(c.Agent.Messages(c.ID), "CUSTOMER"), want)
		list := c.Reports.All()
		harness.ExpectTexts(t, "delivered", c.Texts(list, "MESSAGE_DELIVERED", ""), want)
		harness.ExpectTexts(t, "arrived", c.Texts(list, "MESSAGE_ARRIVED", "AGENT"), []string{"received before", "received by resuming", "received by resuming, too", "received after"})
		c.WantOnceInOrder(list)
		for _, e := range list {
			if e.Name == "EVENT_STREAM_CONNECTED" && strings.Contains(string(e.Data), `"resumed":false`) {
				t.Errorf("STREAM-3: the stream did not resume: %s", e)
			}
		}
	})
}

// The page's own server gives no token before the test lets it.
func tokens(t *testing.T, w *harness.Environment, customer string, o harness.TokenOptions) (o2 *harness.Origin, give func()) {
	t.Helper()
	own := w.NewOrigin(t)
	gate := make(chan struct{})
	own.Intercept(t, func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/t/token" {
			return false
		}
		select {
		case <-gate:
			token, _ := w.Token(t, customer, o)
			fmt.Fprint(rw, token)
		case <-r.Context().Done():
		}
		return true
	})
	return own, func() { close(gate) }
}

func TestTokenRefreshed(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	t.Run("JWT-1 JWT-3", func(t *testing.T) {
		customer := harness.NewCustomerID("chat-e1")
		own, give := tokens(t, w, customer, harness.TokenOptions{})
		w = &harness.Environment{Gateway: w.Gateway, Origin: own}
		b := harness.NewTab(t, "customer")
		b.Open(own.URL + "/t/page.html")
		// Less than three minutes are left from the start: the reminder comes at once, and
		// its handler asks for a token that comes in mid-chat.
		b.Eval(nil, `void (t.react.TOKEN_EXPIRY_REMINDER = t.refresh)`)
		expiry := time.Now().Add(20 * time.Second)
		w.Init(b, customer, harness.TokenOptions{TTL: 20 * time.Second}, harness.WarnLevel)
		b.WaitEvent("TOKEN_EXPIRY_REMINDER", nil)
		id := harness.CreateEngagement(b)
		agent := w.NewAgent(t, "Bo "+customer)
		agent.Accept(id)
		harness.SendTexts(b, id, "with the first token")
		give()
		b.Wait("the new token", func(list []harness.Report) bool {
			return slices.ContainsFunc(list, func(e harness.Report) bool { return e.Name == "setJwtToken" })
		})
		if time.Now().After(expiry) {
			t.Fatal("this machine is too slow for the test: the first token has expired before the second came")
		}
		agent.Send(id, "a")
		b.WaitText("a")
		<-time.After(time.Until(expiry.Add(2 * time.Second))) // until the first token is no good
		agent.Send(id, "b")
		b.WaitText("b")
		harness.SendTexts(b, id, "with the second token")
		b.WaitText("with the second token")
		list := b.Reports.All()
		for event, n := range map[string]int{
			"EVENT_STREAM_CONNECTING": 1, "EVENT_STREAM_FAILED": 0, "TOKEN_EXPIRED": 0, "TOKEN_EXPIRY_REMINDER": 1,
		} {
			if got := harness.CountEvents(list, event); got != n {
				t.Errorf("JWT-3: %d times %s, want %d: a token is changed in place", got, event, n)
			}
		}
		b.WantOnceInOrder(list)
	})
}

func TestTokenExpired(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	t.Run("JWT-2 JWT-3 STREAM-3", func(t *testing.T) {
		customer := harness.NewCustomerID("chat-e2")
		own, give := tokens(t, w, customer, harness.TokenOptions{})
		w = &harness.Environment{Gateway: w.Gateway, Origin: own}
		b := harness.NewTab(t, "customer")
		b.Open(own.URL + "/t/page.html")
		b.Eval(nil, `void (t.react.TOKEN_EXPIRED = t.refresh)`)
		w.Init(b, customer, harness.TokenOptions{TTL: 15 * time.Second}, harness.WarnLevel)
		id := harness.CreateEngagement(b)
		agent := w.NewAgent(t, "Bo "+customer)
		agent.Accept(id)
		agent.Send(id, "while it is good")
		b.WaitText("while it is good")
		b.WaitEvent("TOKEN_EXPIRED", nil)
		agent.Send(id, "while it is not")
		give()
		b.WaitText("while it is not")
		harness.SendTexts(b, id, "good again")
		b.WaitText("good again")
		list := b.Reports.All()
		harness.ExpectTexts(t, "of the agent", b.Texts(list, "MESSAGE_ARRIVED", "AGENT"), []string{"while it is good", "while it is not"})
		if n := harness.CountEvents(list, "EVENT_STREAM_CONNECTED"); n != 2 {
			t.Errorf("JWT-3: %d times EVENT_STREAM_CONNECTED, want 2", n)
		}
		b.WantOnceInOrder(list)
	})
}

func TestSecondTab(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	t.Run("NS-5 ENG-4 ENG-9 MSG-6", func(t *testing.T) {
		customer := harness.NewCustomerID("chat-f")
		c := w.StartChat(t, customer, harness.TokenOptions{})
		harness.SendTexts(c.Tab, c.ID, "from the first tab")
		c.WaitText("from the first tab")

		second := c.Another("second")
		second.Open(w.Origin.URL + "/t/page.html")
		w.Init(second, customer, harness.TokenOptions{}, harness.WarnLevel)
		var seen []struct{ EngagementID, EngagementStatus string }
		second.Eval(&seen, `t.engagements()`)
		if len(seen) != 1 || seen[0].EngagementID != c.ID || seen[0].EngagementStatus != "PENDING" {
			t.Fatalf("NS-5: the second tab sees %+v", seen)
		}
		c.Agent.Send(c.ID, "not for the second yet")
		c.WaitText("not for the second yet")
		second.Eval(nil, `t.join(%s)`, c.ID)
		second.WaitEvent("ENGAGEMENT_ACTIVE", nil)
		if got := second.Texts(second.Reports.All(), "", ""); len(got) != 0 {
			t.Errorf("ENG-9: before its join the second tab received %q", got)
		}
		harness.ExpectTexts(t, "the history in the second tab", harness.ReadHistory(second, c.ID, 10), harness.TextsFrom(c.Agent.Messages(c.ID), ""))
		c.Agent.Send(c.ID, "for both")
		harness.SendTexts(second, c.ID, "from the second tab")
		for _, b := range []*harness.Tab{c.Tab, second} {
			b.WaitText("for both")
			b.WaitText("from the second tab")
			b.WantOnceInOrder(b.Reports.All())
		}
		harness.ExpectTexts(t, "delivered in the first tab", c.Texts(c.Reports.All(), "MESSAGE_DELIVERED", ""), []string{"from the first tab", "from the second tab"})
		if n := harness.CountEvents(c.Reports.All(), "ENGAGEMENT_ACTIVE"); n != 1 {
			t.Errorf("the first tab received ENGAGEMENT_ACTIVE %d times", n)
		}
	})
}
