package desk

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	jsonv1 "encoding/json"
	"github.com/coder/websocket"
	"github.com/google/uuid"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
)

// signIn is an agent with a token of its own.
type signIn struct {
	Agent
	token string
}

func newSignIn(name string, role Role, accounts ...string) signIn {
	token, hash := NewToken()
	digest, err := parseTokenHash(hash)
	if err != nil {
		panic(err)
	}
	return signIn{Agent{uuid.NewString(), name, role, accounts, [][sha256.Size]byte{digest}}, token}
}

func newSignedIn(t *testing.T, agents ...signIn) *fixture {
	return newFixture(t, newStore(t), func(c *Config) {
		for _, a := range agents {
			c.Access.Agents = append(c.Access.Agents, a.Agent)
		}
	})
}

// does calls as that agent and wants that status; a refusal must name field.
func (f *fixture) does(a signIn, status int, field, method, path, body string) []byte {
	f.Helper()
	got, _, b := f.call(method, path, body, "Authorization", "Bearer "+a.token)
	if got != status {
		f.Fatalf("%s: %s %s %s answered %d %s, want %d", a.Name, method, path, body, got, b, status)
	}
	if field != "" {
		if p, err := wire.DecodeProblem(b); err != nil || !p.Has(field) {
			f.Fatalf("%s: %s %s %s answered %s, which does not name %s", a.Name, method, path, body, b, field)
		}
	}
	return b
}

// An agent who has signed in is who they are: what a body leaves out is filled in, and
// nobody else's id or name is taken, in no call.
func TestNoAgentSpeaksAsAnother(t *testing.T) {
	ann, bob := newSignIn("Ann", RoleSupervisor, accountA), newSignIn("Bob", RoleAgent, accountA)
	f := newSignedIn(t, ann, bob)
	e := f.waiting("Cleo")
	path := "/engagements/" + e.EngagementID

	chat := decode[Chat](t, f.does(bob, 200, "", "POST", path+":accept", `{}`))
	if chat.types() != "CUSTOMER Cleo, AGENT Bob" || chat.Participants[1].ParticipantID != bob.ID {
		t.Fatalf("in are %+v", chat.Participants)
	}
	both := func(a signIn) string { return fmt.Sprintf(`{"agentId":%q,"agentName":%q`, a.ID, a.Name) }
	f.does(bob, 200, "", "POST", path+":accept", both(bob)+`}`)
	f.does(bob, 200, "", "POST", path+":accept", fmt.Sprintf(`{"agentId":%q,"agentName":" Bob "}`, strings.ToUpper(bob.ID)))
	said := decode[map[string]any](t, f.does(bob, 201, "", "POST", path+"/messages", `{"text":"I am Bob."}`))
	if said["senderParticipantId"] != bob.ID || said["senderParticipantName"] != "Bob" {
		t.Errorf("said %v", said)
	}
	for _, call := range []string{":accept", ":supervise", ":leave", ":end", "/messages"} {
		for field, body := range map[string]string{
			"agentId":   both(bob) + `,"text":"I am Bob.","takeOver":true}`,
			"agentName": `{"agentName":"Bob","text":"I am Bob.","takeOver":true}`,
		} {
			f.does(ann, 403, field, "POST", path+call, body)
		}
		f.does(ann, 403, "agentId", "POST", path+call, fmt.Sprintf(`{"agentId":%q,"agentName":"x","text":"x"}`, uuid.NewString()))
		f.does(ann, 403, "agentName", "POST", path+call, fmt.Sprintf(`{"agentId":%q,"agentName":"System","text":"x"}`, ann.ID))
	}
	if c := decode[Chat](t, f.does(ann, 200, "", "GET", path, "")); c.types() != "CUSTOMER Cleo, AGENT Bob" {
		t.Errorf("in are %s", c.types())
	}
	f.does(bob, 200, "", "POST", path+":leave", `{}`)
	f.does(bob, 200, "", "POST", path+":accept", `{}`)
	f.does(bob, 200, "", "POST", path+":end", `{}`)

	for _, a := range []signIn{ann, bob} {
		if me := decode[Me](t, f.does(a, 200, "", "GET", "/me", "")); me.AgentID != a.ID || me.AgentName != a.Name || me.Role != a.Role || fmt.Sprint(me.Accounts) != "["+accountA+"]" {
			t.Errorf("GET /me: %+v", me)
		}
	}
	// The shared credential speaks for its agents, as ever.
	if me := want[Me](f, 200, "GET", "/me", ""); me.AgentID != "" || me.Role != "" || fmt.Sprint(me.Accounts) != "["+httpapi.AllAccounts+"]" {
		t.Errorf("GET /me: %+v", me)
	}
	other := f.waiting("Dan")
	want[Chat](f, 200, "POST", "/engagements/"+other.EngagementID+":accept", newAgent("Anybody").json())
	f.refused(400, "constraint-violation", "agentId", "POST", "/engagements/"+other.EngagementID+":accept", `{}`)
}

func TestNoAgentSpeaksAsAnotherOnSockets(t *testing.T) {
	ann, bob := newSignIn("Ann", RoleSupervisor, accountA), newSignIn("Bob", RoleAgent, accountA)
	f := newSignedIn(t, ann, bob)
	for _, members := range []string{
		fmt.Sprintf(`"agentId":%q`, bob.ID), fmt.Sprintf(`"agentId":%q,"agentName":"Ann"`, bob.ID), `"agentName":"Bob"`,
		fmt.Sprintf(`"agentId":%q,"agentName":"Bob"`, ann.ID), `"agentId":"x"`,
	} {
		c := f.dial()
		c.write(fmt.Sprintf(`{"type":"authenticate","credential":%q,%s}`, ann.token, members))
		c.closed(wire.CloseTokenRefused)
	}
	if f.desk.present(accountA, ann.ID) || f.desk.present(accountA, bob.ID) {
		t.Error("a refused socket makes somebody present")
	}
	for _, members := range []string{"", fmt.Sprintf(`,"agentId":%q,"agentName":"Ann"`, ann.ID)} {
		c := f.dial()
		c.authenticateWith(fmt.Sprintf(`"credential":%q%s`, ann.token, members))
		if !f.desk.present(accountA, ann.ID) || f.desk.present(accountB, ann.ID) || f.desk.present(accountA, bob.ID) {
			t.Errorf("%q: present are others than Ann in her account", members)
		}
		_ = c.conn.CloseNow()
		f.eventually("Ann to be gone", func() bool { return !f.desk.present(accountA, ann.ID) })
	}
}

func TestRoles(t *testing.T) {
	su, ann, bob := newSignIn("Su", RoleSupervisor, accountA), newSignIn("Ann", RoleAgent, accountA), newSignIn("Bob", RoleAgent, accountA)
	f := newSignedIn(t, su, ann, bob)
	e := f.waiting("Cleo")
	path := "/engagements/" + e.EngagementID
	f.does(ann, 200, "", "POST", path+":accept", `{}`)
	f.does(bob, 403, "agentId", "POST", path+":supervise", `{}`)
	f.does(ann, 403, "agentId", "POST", path+":supervise", `{}`)
	f.does(bob, 403, "takeOver", "POST", path+":accept", `{"takeOver":true}`)
	f.does(bob, 409, "engagementId", "POST", path+":accept", `{"takeOver":false}`)
	f.does(bob, 409, "agentId", "POST", path+":end", `{}`)
	f.does(bob, 409, "agentId", "POST", path+"/messages", `{"text":"Hello"}`)
	if c := decode[Chat](t, f.does(su, 200, "", "POST", path+":supervise", `{}`)); c.types() != "CUSTOMER Cleo, AGENT Ann, SUPERVISOR Su" {
		t.Errorf("in are %s", c.types())
	}
	f.does(su, 201, "", "POST", path+"/messages", `{"text":"I am listening."}`)
	f.does(ann, 201, "", "POST", path+"/messages", `{"text":"Hello"}`)
	if c := decode[Chat](t, f.does(su, 200, "", "POST", path+":accept", `{"takeOver":true}`)); c.types() != "CUSTOMER Cleo, AGENT Su" {
		t.Errorf("in are %s", c.types())
	}
	f.does(su, 200, "", "POST", path+":leave", `{}`)
	f.does(bob, 200, "", "POST", path+":accept", `{}`)
	f.does(bob, 200, "", "POST", path+":end", `{}`)
	// Another account's chat does not exist, whatever the role, and also where the role would not do.
	other := f.waitingAt(accountB, "Wes")
	for _, a := range []signIn{su, ann} {
		for _, call := range []string{":accept", ":supervise", ":leave", ":end"} {
			f.does(a, 404, "engagementId", "POST", "/engagements/"+other.EngagementID+call, `{"takeOver":true}`)
		}
	}
}

// Two agents of one name who have signed in are two people.
func TestSignedInAgentsOfOneName(t *testing.T) {
	// DESK-4
	one, two := newSignIn("Bo", RoleAgent, accountA), newSignIn("Bo", RoleAgent, accountA)
	s := &streams{}
	f := newWatched(t, newStore(t), s)
	if err := f.desk.SetAccess(Access{Credentials: []Credential{{credential, []string{httpapi.AllAccounts}}}, Agents: []Agent{one.Agent, two.Agent}}); err != nil {
		t.Fatal(err)
	}
	e := f.waiting("Cleo")
	s.set(e.SessionID, true)
	path := "/engagements/" + e.EngagementID
	c := f.dial()
	c.authenticateWith(fmt.Sprintf(`"credential":%q`, one.token))
	f.does(one, 200, "", "POST", path+":accept", `{}`)
	_ = c.conn.CloseNow()
	f.eventually("Bo to be gone", func() bool { return !f.desk.present(accountA, one.ID) })
	f.does(two, 409, "engagementId", "POST", path+":accept", `{}`)
	// A shared credential's agent of that name, who has lost the agentId, is the same person as ever.
	if got := want[Chat](f, 200, "POST", path+":accept", newAgent("Bo").json()); got.types() != "CUSTOMER Cleo, AGENT Bo" || got.Participants[1].ParticipantID == one.ID {
		t.Errorf("in are %+v", got.Participants)
	}
}

// Who is taken out of the configuration is out at once, and whose rights have changed signs in anew;
// the others notice nothing. A configuration that is wrong changes nothing.
func TestSetAccess(t *testing.T) {
	ann, bob, cara := newSignIn("Ann", RoleAgent, accountA), newSignIn("Bob", RoleAgent, accountA), newSignIn("Cara", RoleAgent, accountA)
	f := newSignedIn(t, ann, bob, cara)
	a, b, c, shared := f.dial(), f.dial(), f.dial(), f.dial()
	a.authenticateWith(fmt.Sprintf(`"credential":%q`, ann.token))
	b.authenticateWith(fmt.Sprintf(`"credential":%q`, bob.token))
	c.authenticateWith(fmt.Sprintf(`"credential":%q`, cara.token))
	shared.authenticate()
	for _, wrong := range []Access{
		{}, {Credentials: []Credential{{"short", []string{httpapi.AllAccounts}}}}, {Agents: []Agent{ann.Agent, ann.Agent}}, {Agents: []Agent{{}}},
	} {
		if err := f.desk.SetAccess(wrong); err == nil {
			t.Errorf("%+v is taken", wrong)
		}
	}
	f.does(ann, 200, "", "GET", "/me", "")
	promoted := cara.Agent
	promoted.Role = RoleSupervisor
	if err := f.desk.SetAccess(Access{Credentials: []Credential{{credential, []string{httpapi.AllAccounts}}}, Agents: []Agent{ann.Agent, promoted}}); err != nil {
		t.Fatal(err)
	}
	b.closed(wire.CloseTokenRefused)
	c.closed(wire.CloseGoingAway)
	f.does(bob, 401, "", "GET", "/me", "")
	for _, stays := range []*client{a, shared} {
		stays.write(`{"type":"ping"}`)
		stays.until(func(f deskFrame) bool { return f.Type == "pong" })
	}
	again := f.dial()
	again.authenticateWith(fmt.Sprintf(`"credential":%q`, cara.token))
	if me := decode[Me](t, f.does(cara, 200, "", "GET", "/me", "")); me.Role != RoleSupervisor {
		t.Errorf("GET /me: %+v", me)
	}
}

// Wrong credentials of one address are limited and logged in a bounded number of lines;
// whoever has signed in from there goes on.
func TestGuesses(t *testing.T) {
	ann, bob := newSignIn("Ann", RoleAgent, accountA), newSignIn("Bob", RoleAgent, accountA)
	f := newFixture(t, newStore(t), func(c *Config) {
		c.FailureRate, c.FailureBurst = 0.1, 50
		c.Access.Agents = []Agent{ann.Agent, bob.Agent}
	})
	counts := map[int]int{}
	for i := range 500 {
		status, h, _ := f.call("GET", "/engagements", "", "Authorization", fmt.Sprintf("Bearer a-guess-that-is-wrong-%d", i))
		counts[status]++
		if status == 429 && (h.Get("Retry-After") == "" || h.Get("Retry-After") == "0") {
			t.Fatal("429 without Retry-After")
		}
	}
	if counts[401] != 50 || counts[429] != 450 {
		t.Errorf("answered: %v", counts)
	}
	// By now a right guess gets the same answer as a wrong one.
	f.does(ann, 429, "", "GET", "/me", "")
	c := f.dial()
	c.write(fmt.Sprintf(`{"type":"authenticate","credential":%q}`, ann.token))
	c.closed(websocket.StatusCode(wire.CloseTooMuch))
	log := f.logs.String()
	if n := strings.Count(log, "\n"); n == 0 || n > 10 || !strings.Contains(log, "127.0.0.1") {
		t.Errorf("%d lines are logged:\n%s", n, log)
	}
	if strings.Contains(log, "a-guess") || strings.Contains(log, ann.token) {
		t.Error("a credential is logged")
	}
	// Elsewhere, who has been in before the guesses goes on.
	g := newFixture(t, f.store, func(c *Config) {
		c.FailureRate, c.FailureBurst = 0.1, 50
		c.Access.Agents = []Agent{ann.Agent, bob.Agent}
	})
	g.does(ann, 200, "", "GET", "/me", "")
	for range 500 {
		g.call("GET", "/engagements", "", "Authorization", "Bearer wrong")
	}
	g.does(ann, 200, "", "GET", "/me", "")
	g.dial().authenticateWith(fmt.Sprintf(`"credential":%q`, ann.token))
}

const (
	idA = "3f0c1b52-8a0e-4f7c-9a55-0d2f4c1e7b90"
	idB = "9c5e2d29-76bc-4424-8e3f-6c1f0a7d5b21"
)

func hashOf(token string) string {
	digest := sha256.Sum256([]byte(token))
	return "sha256:" + hex.EncodeToString(digest[:])
}

func TestReadAgents(t *testing.T) {
	one := fmt.Sprintf(`{"agentId":%q,"agentName":" Ann ","role":"agent","accounts":["TESTAC"],"tokens":[%q]}`, strings.ToUpper(idA), hashOf("a"))
	two := fmt.Sprintf(`{"agentId":%q,"agentName":"Su","role":"supervisor","accounts":["*"],"tokens":[%q,%q]}`, idB, strings.ToUpper(hashOf("b"))[:7], hashOf("c"))
	two = strings.Replace(two, "SHA256:", hashOf("b"), 1)
	list, err := ReadAgents([]byte(`{"agents":[` + one + `,` + two + `]}`))
	if err != nil || len(list) != 2 || list[0].Role != RoleAgent || list[1].Role != RoleSupervisor || len(list[1].Tokens) != 2 {
		t.Fatalf("got %+v, %v", list, err)
	}
	a, err := newAccess(Access{Agents: list})
	if err != nil {
		t.Fatal(err)
	}
	if who := a.callers[sha256.Sum256([]byte("a"))]; who == nil || who.agent.ID != idA || who.agent.Name != "Ann" || who.accounts.Has(accountB) || !who.accounts.Has(accountA) {
		t.Errorf("got %+v", who)
	}
	// A password that somebody has chosen is too short to sign in with, whatever its hash.
	if who, err := a.find(t.Context(), "a"); who != nil || err == nil {
		t.Errorf("a token of one letter is taken: %v", err)
	}
	with := func(from, to string) string {
		text := strings.Replace(one, from, to, 1)
		if text == one {
			t.Fatalf("nothing to replace: %s", from)
		}
		return `{"agents":[` + text + `]}`
	}
	for name, x := range map[string]struct{ text, want string }{
		"not JSON":         {`agents: []`, "not the JSON"},
		"empty":            {``, "not the JSON"},
		"no agents":        {`{"agents":[]}`, "no agents"},
		"another member":   {with(`"role"`, `"roles"`), "roles"},
		"another type":     {with(`["TESTAC"]`, `"TESTAC"`), "accounts"},
		"no role":          {with(`"role":"agent",`, ``), "agent number 1: role must be agent or supervisor"},
		"another role":     {with(`"role":"agent"`, `"role":"admin"`), "role must be"},
		"no id":            {with(`"agentId":"`+strings.ToUpper(idA)+`",`, ``), "agentId must not be null"},
		"not a UUID":       {with(strings.ToUpper(idA), `7`), "agentId must be a UUID"},
		"the bot":          {with(strings.ToUpper(idA), BotID), "agentId belongs to another participant"},
		"no name":          {with(` Ann `, ` `), "agentName must not be null"},
		"a line break":     {with(` Ann `, `An\nn`), "agentName"},
		"a long name":      {with(` Ann `, strings.Repeat("x", 71)), "agentName"},
		"no accounts":      {with(`["TESTAC"]`, `[]`), "without an account"},
		"no account":       {with(`"TESTAC"`, `"TEST"`), "six letters"},
		"no tokens":        {with(fmt.Sprintf(`%q`, hashOf("a")), ``), "no tokens"},
		"a token itself":   {with(hashOf("a"), "my-secret-token"), "sha256: and the 64"},
		"another hash":     {with("sha256:", "md5:"), "sha256: and the 64"},
		"a short hash":     {with(hashOf("a"), hashOf("a")[:70]), "sha256: and the 64"},
		"a long hash":      {with(hashOf("a"), hashOf("a")+"00"), "sha256: and the 64"},
		"not hexadecimal":  {with(hashOf("a"), "sha256:"+strings.Repeat("x", 64)), "sha256: and the 64"},
		"the empty token":  {with(hashOf("a"), hashOf("")), "empty text"},
		"five tokens":      {with(fmt.Sprintf(`%q`, hashOf("a")), fmt.Sprintf(`%q,%q,%q,%q,%q`, hashOf("1"), hashOf("2"), hashOf("3"), hashOf("4"), hashOf("5"))), "too many"},
		"a token twice":    {`{"agents":[` + one + `,` + strings.Replace(one, strings.ToUpper(idA), idB, 1) + `]}`, "agent number 2: a token is given twice"},
		"an agentId twice": {`{"agents":[` + one + `,` + strings.Replace(one, hashOf("a"), hashOf("b"), 1) + `]}`, "agent number 2: the agentId"},
		"a name twice":     {`{"agents":[` + one + `],"agents":[]}`, ""},
		"more after it":    {`{"agents":[` + one + `]} x`, "not the JSON"},
	} {
		_, err := ReadAgents([]byte(x.text))
		if err == nil || !strings.Contains(err.Error(), x.want) || strings.Contains(err.Error(), "my-secret-token") {
			t.Errorf("%s: got %v, want %q", name, err, x.want)
		}
	}
	if _, err := ReadAgents(make([]byte, MaxAgentsFile+1)); err == nil {
		t.Error("a file that is too large is taken")
	}
}

func TestNewToken(t *testing.T) {
	token, hash := NewToken()
	other, _ := NewToken()
	if len(token) != 64 || token == other || hash != hashOf(token) {
		t.Errorf("%q, %q, then %q", token, hash, other)
	}
}

// FuzzAgents reads every text as a file of agents: what is taken has each value in its
// bounds, and what is refused is quoted in no more than a name.
func FuzzAgents(f *testing.F) {
	one := fmt.Sprintf(`{"agentId":%q,"agentName":"Ann","role":"agent","accounts":["TESTAC","*"],"tokens":[%q]}`, idA, hashOf("a"))
	for _, text := range []string{
		`{"agents":[` + one + `]}`, `{"agents":[` + one + `,` + one + `]}`, `{"agents":null}`, `{"agents":[null]}`, `{"agents":{}}`, `{"Agents":[]}`, `[]`, ``, `null`,
		`{"agents":[{"tokens":[1]}]}`, `{"agents":[{"tokens":["sha256:"]}]}`, `{"agents":[{"x":1}]}`, strings.Repeat(`{"agents":[`, 100), "{\"agents\":[{\"agentName\":\"\xff\"}]}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := ReadAgents(text)
		if err != nil {
			if len(err.Error()) > 500 || strings.ContainsAny(err.Error(), "\n\r") {
				t.Fatalf("refused with %q", err)
			}
			return
		}
		if !jsonv1.Valid(text) || len(list) == 0 {
			t.Fatalf("taken: %q", text)
		}
		a, err := newAccess(Access{Agents: list})
		if err != nil {
			t.Fatal(err)
		}
		for _, who := range a.callers {
			if !wire.IsUUID(who.agent.ID) || who.agent.ID != strings.ToLower(who.agent.ID) || who.agent.ID == BotID || who.agent.ID == SystemID ||
				wire.UTF16Len(who.agent.Name) < 1 || wire.UTF16Len(who.agent.Name) > wire.MaxDisplayName || who.accounts != nil && len(who.accounts) == 0 ||
				who.agent.Role != RoleAgent && who.agent.Role != RoleSupervisor {
				t.Fatalf("taken: %+v", who)
			}
		}
	})
}
