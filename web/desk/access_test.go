package desk

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"openchat/sdk/wire"
	"openchat/web/presence"
	"openchat/web/store"
)

// Two accounts, the credential of each, and the one of both.
const (
	accountA, secretA = "TESTAC", "the-secret-of-the-first-account"
	accountB, secretB = "OTHERS", "the-secret-of-the-second-account"
)

func newTenants(t *testing.T) *fixture {
	return newFixture(t, newStore(t), func(c *Config) {
		c.Access.Credentials = []Credential{{secretA, []string{accountA}}, {secretB, []string{accountB}}}
	})
}

// waitingAt begins a chat of that account and waits until the bot has greeted.
func (f *fixture) waitingAt(account, name string) store.Engagement {
	f.Helper()
	c := store.Customer{Account: account, ID: uuid.NewString()}
	events := f.collect(c)
	_, e := f.begin(c, name, map[string]string{"topic": "Billing"})
	f.until(events, says("looking for an agent"))
	return e
}

// as calls with that credential.
func (f *fixture) as(secret, method, path, body string) (int, string) {
	f.Helper()
	status, h, b := f.call(method, path, body, "Authorization", "Bearer "+secret)
	h.Del("Date")
	return status, fmt.Sprint(h, string(b))
}

// What is another account's does not exist: each call answers as for an id that was never
// given, whatever the chat's state.
func TestTenantsAreApartInCalls(t *testing.T) {
	f := newTenants(t)
	ann, bob := newAgent("Ann"), newAgent("Bob")
	waiting, active, ended := f.waitingAt(accountB, "Wes"), f.waitingAt(accountB, "Acacia"), f.waitingAt(accountB, "Eve")
	own := f.waitingAt(accountA, "Olga")
	for _, x := range [][3]string{
		{active.EngagementID, ":accept", bob.json()}, {active.EngagementID, "/messages", bob.text("Hello", "1")},
		{ended.EngagementID, ":accept", bob.json()}, {ended.EngagementID, ":end", bob.json()},
	} {
		if status, b := f.as(secretB, "POST", "/engagements/"+x[0]+x[1], x[2]); status/100 != 2 {
			t.Fatalf("its own desk: POST %s answered %d %s", x[1], status, b)
		}
	}
	before := map[string]store.Engagement{}
	for _, e := range []store.Engagement{waiting, active, ended} {
		now, err := f.store.Engagement(t.Context(), e.Customer, e.EngagementID)
		if err != nil {
			t.Fatal(err)
		}
		before[e.EngagementID] = now
	}
	unknown := uuid.NewString()
	for _, call := range []struct{ method, path, body string }{
		{"GET", "", ""},
		{"GET", "/messages", ""}, {"GET", "/messages?after=0&pageSize=1", ""}, {"GET", "/messages?before=5", ""}, {"GET", "/messages?before=x", ""},
		{"POST", ":accept", ann.json()}, {"POST", ":accept", bob.json()},
		{"POST", ":accept", strings.TrimSuffix(ann.json(), "}") + `,"takeOver":true}`}, {"POST", ":accept", `{}`},
		{"POST", ":supervise", ann.json()}, {"POST", ":supervise", bob.json()},
		{"POST", ":leave", ann.json()}, {"POST", ":leave", bob.json()},
		{"POST", ":end", ann.json()}, {"POST", ":end", bob.json()},
		{"POST", "/messages", ann.text("Hello", "1")}, {"POST", "/messages", bob.text("Hello", "1")}, {"POST", "/messages", bob.text("", "1")},
		{"PUT", "", ""}, {"POST", ":unknown", bob.json()},
	} {
		path := func(id string) string { return "/engagements/" + id + call.path }
		status, want := f.as(secretA, call.method, path(unknown), call.body)
		if status/100 == 2 {
			t.Fatalf("%s %s of an unknown chat answered %d", call.method, call.path, status)
		}
		for name, e := range map[string]store.Engagement{"waiting": waiting, "active": active, "ended": ended} {
			if _, got := f.as(secretA, call.method, path(e.EngagementID), call.body); got != want {
				t.Errorf("%s %s of another account's %s chat answered\n%s\nand of an unknown one\n%s", call.method, call.path, name, got, want)
			}
		}
	}
	for id, was := range before {
		now, err := f.store.Engagement(t.Context(), was.Customer, id)
		if err != nil || now.EventID != was.EventID {
			t.Errorf("another account's call has changed the chat: %v, %d, then %d", err, was.EventID, now.EventID)
		}
	}
	for secret, names := range map[string][]string{secretA: {"Olga"}, secretB: {"Wes", "Acacia"}, credential: {"Wes", "Olga", "Acacia"}} {
		for state, filter := range map[string]func(Chat) bool{
			"": func(Chat) bool { return true }, "?state=waiting": func(c Chat) bool { return c.State == StateWaiting }, "?state=active": func(c Chat) bool { return c.State == StateActive },
		} {
			status, _, b := f.call("GET", "/engagements"+state, "", "Authorization", "Bearer "+secret)
			var got []string
			for _, c := range decode[[]Chat](t, b) {
				if !filter(c) {
					t.Errorf("%s lists a chat that is %s", state, c.State)
				}
				got = append(got, c.CustomerName)
			}
			var want []string
			for _, name := range names {
				if (name == "Acacia") != (state == "?state=waiting") || state == "" {
					want = append(want, name)
				}
			}
			if status != 200 || !slices.Equal(got, want) {
				t.Errorf("GET /engagements%s lists %q, want %q", state, got, want)
			}
		}
	}
	if status, b := f.as(secretA, "GET", "/engagements/"+own.EngagementID, ""); status != 200 {
		t.Errorf("its own chat: %d %s", status, b)
	}
	if status, b := f.as(credential, "GET", "/engagements/"+active.EngagementID, ""); status != 200 {
		t.Errorf("with the credential of every account: %d %s", status, b)
	}
}

// No frame of another account's chat is sent, of whatever type and for whatever reason.
func TestTenantsAreApartOnSockets(t *testing.T) {
	f := newTenants(t)
	mine, theirs := f.waitingAt(accountA, "Olga"), f.waitingAt(accountB, "Wes")
	a, b, all := f.dial(), f.dial(), f.dial()
	for c, names := range map[*client][]string{a: {"Olga"}, b: {"Wes"}, all: {"Olga", "Wes"}} {
		secret := map[*client]string{a: secretA, b: secretB, all: credential}[c]
		var got []string
		for _, chat := range c.authenticateWith(fmt.Sprintf(`"credential":%q`, secret)) {
			got = append(got, chat.CustomerName)
		}
		if !slices.Equal(got, names) {
			t.Errorf("the snapshot shows %q, want %q", got, names)
		}
	}
	// Everything that leads to frames, first in the other account.
	for _, x := range []struct {
		account, secret string
		e               store.Engagement
	}{{accountB, secretB, theirs}, {accountA, secretA, mine}} {
		bo := newAgent("Bo of " + x.account)
		path := "/engagements/" + x.e.EngagementID
		for _, call := range [][2]string{{":accept", bo.json()}, {"/messages", bo.text("Hello", "1")}, {":leave", bo.json()}, {":accept", bo.json()}} {
			if status, b := f.as(x.secret, "POST", path+call[0], call[1]); status/100 != 2 {
				t.Fatalf("POST %s answered %d %s", call[0], status, b)
			}
		}
		// A message of a chat that this process does not know yet, and a chat that the store has forgotten.
		f.desk.view.message(x.account, &wire.Message{EngagementID: uuid.NewString(), MessageIndex: 1, SenderParticipantName: "Bo of " + x.account}, nil)
		gone := store.Engagement{Customer: store.Customer{Account: x.account, ID: "x"}, EngagementID: uuid.NewString(), Status: wire.EngagementActive, EventID: 1}
		f.desk.view.put(*ours(gone), nil)
		f.desk.view.drop(gone.EngagementID)
		f.waitingAt(x.account, "New")
		if status, b := f.as(x.secret, "POST", path+":end", bo.json()); status != 200 {
			t.Fatalf("%d %s", status, b)
		}
	}
	for c, account := range map[*client]string{a: accountA, b: accountB} {
		// The socket's own account comes last, or its end is known by the whole sequence of both.
		kinds := map[string]int{}
		for ended := false; !ended || kinds["dropped"] == 0 || kinds["begun"] == 0; {
			fr := c.read()
			kinds[fr.Type]++
			switch fr.Type {
			case "chat":
				if fr.Chat.AccountID != account {
					t.Fatalf("a desk of %s is sent a chat of %s", account, fr.Chat.AccountID)
				}
				if fr.Chat.State == StateEnded && (fr.Chat.EngagementID == mine.EngagementID || fr.Chat.EngagementID == theirs.EngagementID) {
					ended = true
				} else if fr.Chat.State == StateEnded {
					kinds["dropped"]++
				}
				if fr.Chat.CustomerName == "New" {
					kinds["begun"]++
				}
			case "message":
				if name := fmt.Sprint(fr.Message["senderParticipantName"]); strings.HasPrefix(name, "Bo of") && name != "Bo of "+account {
					t.Fatalf("a desk of %s is sent a message of %s", account, name)
				}
				if id := fr.Message["engagementId"]; id == mine.EngagementID && account != accountA || id == theirs.EngagementID && account != accountB {
					t.Fatalf("a desk of %s is sent a message of the other account's chat", account)
				}
			}
		}
		// What had gone wrong would be in the queue before the answer to this.
		c.write(`{"type":"ping"}`)
		for fr := c.read(); fr.Type != "pong"; fr = c.read() {
			if fr.Type == "chat" && fr.Chat.AccountID != account {
				t.Fatalf("a desk of %s is sent a chat of %s", account, fr.Chat.AccountID)
			}
		}
		if kinds["message"] == 0 {
			t.Errorf("frames of %s: %v", account, kinds)
		}
	}
}

// A socket that names an agent says nothing about the agent of that id in another account,
// whose absence counts as before.
func TestTenantsAreApartInPresence(t *testing.T) {
	// DESK-3
	f := newTenants(t)
	id := uuid.NewString()
	c := f.dial()
	c.authenticateWith(fmt.Sprintf(`"credential":%q,"agentId":%q,"agentName":"Bo"`, secretB, id))
	if f.desk.present(accountA, id) || !f.desk.present(accountB, id) {
		t.Errorf("present in %s: %v, in %s: %v", accountA, f.desk.present(accountA, id), accountB, f.desk.present(accountB, id))
	}
	f.dial().authenticateWith(fmt.Sprintf(`"credential":%q,"agentId":%q,"agentName":"Bo"`, credential, id))
	if !f.desk.present(accountA, id) || !f.desk.table.Present(presence.Of(presence.Agent, id)) {
		t.Error("an agent of every account is not present in one of them")
	}
}

// Ended chats of one account do not push those of another out.
func TestTenantsAreApartInWhatIsKept(t *testing.T) {
	v := newView(2)
	put := func(account string) string {
		id := uuid.NewString()
		v.put(*ours(store.Engagement{Customer: store.Customer{Account: account, ID: "x"}, EngagementID: id, Status: wire.EngagementTerminated, EventID: 1}), nil)
		return id
	}
	first := put(accountA)
	var others []string
	for range 5 {
		others = append(others, put(accountB))
	}
	if _, _, ok := v.get(nil, first); !ok {
		t.Error("the ended chat of the first account is forgotten")
	}
	for i, id := range others {
		if _, _, ok := v.get(nil, id); ok != (i >= 3) {
			t.Errorf("ended chat %d of 5 is known: %v", i+1, ok)
		}
	}
}

func TestCredentials(t *testing.T) {
	s := newStore(t)
	for want, list := range map[string][]Credential{
		"too short":          {{"short", []string{accountA}}},
		"without an account": {{secretA, nil}},
		`"ABC"`:              {{secretA, []string{accountA, "ABC"}}},
		"given twice":        {{secretA, []string{accountA}}, {secretA, []string{accountB}}},
	} {
		if _, err := New(Config{Store: s, Access: Access{Credentials: list}}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secretA) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := New(Config{Store: s, Credential: secretA, Access: Access{Credentials: []Credential{{secretA, []string{accountB}}}}}); err == nil {
		t.Error("one secret of every account and of one is taken")
	}
}

// Desks whose page's origin is withdrawn end, and new ones are refused; the others go on.
func TestDesksOfAWithdrawnOriginEnd(t *testing.T) {
	const page, other = "https://desk.example.com", "https://other.example.com"
	f := newFixture(t, newStore(t), func(c *Config) { c.AllowedOrigins = []string{page, other} })
	dial := func(origin string) (*client, error) {
		conn, _, err := websocket.Dial(t.Context(), f.url+BasePath+"/events", &websocket.DialOptions{Subprotocols: []string{Subprotocol}, HTTPHeader: http.Header{"Origin": {origin}}})
		if err == nil {
			t.Cleanup(func() { _ = conn.CloseNow() })
		}
		return &client{f, conn}, err
	}
	open := func(origin string) *client {
		t.Helper()
		c, err := dial(origin)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	withdrawn, stays, own, server, late := open(page), open(other), open(f.url), f.dial(), open(page)
	for _, c := range []*client{withdrawn, stays, own, server} {
		c.authenticate()
	}
	f.desk.SetOrigins([]string{other})
	withdrawn.closed(wire.CloseGoingAway)
	// It was admitted before, and authenticates after.
	late.write(fmt.Sprintf(`{"type":"authenticate","credential":%q}`, credential))
	late.closed(wire.CloseGoingAway)
	if _, err := dial(page); err == nil {
		t.Error("a new desk of that origin is admitted")
	}
	for _, c := range []*client{stays, own, server} {
		c.write(`{"type":"ping"}`)
		c.until(func(f deskFrame) bool { return f.Type == "pong" })
	}
}
