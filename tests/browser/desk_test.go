package browser

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"openchat/tests/harness"
)

// needAxe installs the axe-core of axe/package.json unless it is there.
func needAxe(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("../setup/axe.sh").CombinedOutput(); err != nil {
		t.Fatalf("tests/setup/axe.sh: %v\n%s", err, out)
	}
}

// TestDesk works at the desk's pages as in production: agents with roles, of two tenants, each
// with a token of their own. axe-core is asked about each page and state.
func TestDesk(t *testing.T) {
	t.Parallel()
	needAxe(t)
	ann := &deskAgent{name: "Ann", role: "supervisor", account: accountA}
	bo := &deskAgent{name: "Bo", role: "agent", account: accountA}
	cleo := &deskAgent{name: "Cleo", role: "agent", account: accountB}
	g := newDeskGateway(t, []*deskAgent{ann, bo, cleo}, "--customer-grace", "2s", "--agent-grace", "4s")

	atAnn := g.opened(t, "Ann")
	t.Run("an agent signs in with a token, which nothing keeps", func(*testing.T) {
		atAnn.AllowErrors(harness.NetworkErrors) // of the token that is refused
		atAnn.focused(testid("credential"))
		atAnn.audit("sign-in")
		atAnn.Click(testid("sign-in"))
		atAnn.says("signin-error", "Type your token")
		atAnn.Type(testid("credential"), "a token that nobody has, of 32 bytes")
		atAnn.Click(testid("sign-in"))
		atAnn.says("signin-error", "The desk does not know that token or password.")
		atAnn.focused(testid("credential"))
		atAnn.audit("sign-in-refused")
		atAnn.signIn(ann)
		atAnn.says("me", "Ann")
		atAnn.says("my-role", "Supervisor")
		atAnn.hidden("signin-form")
		atAnn.audit("empty")
		atAnn.holdsNo(ann.token)
		atAnn.arrive() // as after a reload
		atAnn.signIn(ann)
	})
	t.Run("desks that share a password ask for a name, and sign out", func(*testing.T) {
		p := g.opened(t, "shared")
		p.Type(testid("credential"), deskSecret)
		p.Click(testid("sign-in"))
		p.shown("agent-name")
		p.hidden("credential")
		p.focused(testid("agent-name"))
		p.audit("sign-in-name")
		p.Type(testid("agent-name"), "Dot")
		p.Click(testid("sign-in"))
		p.live()
		p.says("me", "Dot")
		p.hidden("my-role")
		p.holdsNo(deskSecret)
		p.Click(testid("sign-out"))
		p.shown("credential")
		p.hidden("agent-name")
		p.hidden("desk")
		p.holdsNo(deskSecret)
		var kept int
		if p.Eval(&kept, `sessionStorage.length`); kept != 0 {
			t.Errorf("after signing out, the tab keeps %d things", kept)
		}
	})

	ada := g.visit(t, accountA, "Ada", "A lamp that hums")
	atBo := g.opened(t, "Bo")
	t.Run("keyboard only: sign-in, accept, write, end, sign-out", func(*testing.T) {
		atBo.focused(testid("credential"))
		atBo.types(bo.token)
		atBo.PressEnter()
		atBo.live()
		atBo.lists("waiting-list", ada)
		atBo.tabTo(item("waiting-list", ada)+" "+testid("accept"), false)
		atBo.PressEnter()
		atBo.focused(testid("composer"))
		atBo.lists("mine-list", ada)
		atBo.types("Good morning, Ada.")
		atBo.PressEnter()
		waitShown(atBo.Tab, "Good morning, Ada.")
		ada.say("It hums in B flat.")
		waitShown(atBo.Tab, "It hums in B flat.")
		atBo.Press(harness.EscapeKey, false) // to the lists
		atBo.focused(item("mine-list", ada) + " .item-open")
		atBo.PressEnter()
		atBo.focused(testid("composer"))
		atBo.tabTo(testid("end"), true)
		atBo.PressEnter()
		atBo.focused(testid("end-no"))
		atBo.audit("end-confirm")
		atBo.Press(harness.EscapeKey, false)
		atBo.focused(testid("end"))
		atBo.PressEnter()
		atBo.tabTo(testid("end-yes"), false)
		atBo.PressEnter()
		atBo.focused(testid("put-away"))
		atBo.audit("ended")
		atBo.PressEnter()
		atBo.focused("#lists")
		atBo.lists("mine-list")
		atBo.tabTo(testid("sign-out"), true)
		atBo.PressEnter()
		atBo.focused(testid("credential"))
		atBo.holdsNo(bo.token, "Ada", "flat")
		atBo.types(bo.token)
		atBo.PressEnter()
		atBo.live()
	})

	ben := g.visit(t, accountA, "Ben", "A shade")
	t.Run("an agent is offered what their role allows, and a refusal is said", func(*testing.T) {
		atAnn.Click(item("waiting-list", ben) + " " + testid("accept"))
		atAnn.lists("mine-list", ben)
		atBo.AllowErrors(harness.NetworkErrors) // of the refusal
		atBo.lists("others-list", ben)
		if atBo.has(testid("supervise")) {
			t.Error("an agent is offered to supervise")
		}
		atBo.Click(item("others-list", ben) + " .item-open")
		atBo.says("enter", "Ann has this chat. Only a supervisor can join it, or take it over.")
		atBo.focused("#customer-name")
		for _, id := range []string{"take-over", "supervise-open", "accept-open", "composer"} {
			if atBo.has(testid(id)) {
				t.Errorf("an agent is offered %s of another's chat", id)
			}
		}
		atBo.audit("outside-agent")
		atBo.Eval(nil, `void (document.querySelector('[data-testid="take-over"]').hidden = false)`)
		atBo.Click(testid("take-over"))
		atBo.says("trouble", "Only a supervisor may take a chat over.")
		atBo.hidden("take-over")
		atBo.audit("refused")
	})

	cy, dan := g.visit(t, accountA, "Cy", "A cable"), g.visit(t, accountA, "Dan", "A dimmer")
	t.Run("DESK-3 the agent's tab crashes: the chat waits before the others, for whoever accepts it", func(*testing.T) {
		atBo.lists("waiting-list", cy, dan)
		atBo.Click(item("waiting-list", dan) + " " + testid("accept"))
		atBo.write("One moment, please.")
		atAnn.lists("others-list", dan)
		crash(atBo.Tab)
		atAnn.lists("waiting-list", dan, cy)
		atAnn.tagged("waiting-list", dan, "lost its agent")
		atAnn.audit("lists") // a chat of her own is open: at 360 px she sees that
		atAnn.Click(item("waiting-list", dan) + " .item-open")
		atAnn.says("enter", "This chat's agent was disconnected.")
		atAnn.audit("requeued")
		atAnn.Click(testid("accept-open"))
		atAnn.lists("mine-list", ben, dan)
		atAnn.write("I am here now.")
		atAnn.audit("chat")
		atBo = g.signedIn(t, bo)
		atBo.lists("mine-list")
	})
	t.Run("DESK-4 a supervisor takes a chat over, and its agent is shown that", func(*testing.T) {
		atBo.Click(item("waiting-list", cy) + " " + testid("accept"))
		atBo.write("Which cable?")
		atAnn.Click(item("others-list", cy) + " .item-open")
		atAnn.says("enter", "Bo has this chat. The customer does not see you.")
		atAnn.audit("outside-supervisor")
		atAnn.Click(testid("take-over"))
		atAnn.lists("mine-list", ben, cy, dan)
		atAnn.focused(testid("composer"))
		waitShown(atBo.Tab, "Ann has taken over the chat from Bo.")
		atBo.says("trouble", "Ann has taken over your chat with Cy.")
		atBo.says("enter", "Ann has this chat.")
		atBo.hidden("composer")
		atBo.audit("taken-over")
	})
	t.Run("DESK-1 a customer is away, and back", func(*testing.T) {
		atAnn.Click(item("mine-list", ben) + " .item-open")
		ben.say("Is the shade blue?")
		waitShown(atAnn.Tab, "Is the shade blue?")
		ben.goAway()
		atAnn.says("customer-away", "Customer away since")
		atAnn.tagged("mine-list", ben, "away")
		atAnn.announced("Ben is away.")
		atAnn.audit("customer-away")
		ben.comeBack()
		atAnn.hidden("customer-away")
		atAnn.tagged("mine-list", ben, "")
		atAnn.announced("Ben is back.")
	})

	eve := g.visit(t, accountB, "Eve", "A bulb")
	t.Run("two tenants are apart", func(*testing.T) {
		atCleo := g.signedIn(t, cleo)
		atCleo.AllowErrors(harness.NetworkErrors) // when the gateway is gone
		atCleo.lists("waiting-list", eve)
		atCleo.Click(item("waiting-list", eve) + " " + testid("accept"))
		atCleo.write("Which bulb?")
		fay := g.visit(t, accountA, "Fay", "A fuse")
		atAnn.lists("waiting-list", fay) // frames come in their order
		atBo.lists("waiting-list", fay)
		atAnn.holdsNo("Eve", eve.chat, "bulb")
		atBo.holdsNo("Eve", eve.chat, "bulb")
		gil := g.visit(t, accountB, "Gil", "A globe")
		atCleo.lists("waiting-list", gil)
		atCleo.lists("others-list")
		atCleo.lists("mine-list", eve)
		atCleo.holdsNo("Ben", "Fay", "Ann", ben.chat, fay.chat)
		atBo.Click(item("waiting-list", fay) + " " + testid("accept"))
		atBo.lists("mine-list", fay)
	})
	t.Run("to sign out leaves the chats, after a question", func(*testing.T) {
		atAnn.Click(testid("sign-out"))
		atAnn.says("sign-out-confirm", "You are in 3 chats. Sign out and leave them?")
		atAnn.focused(testid("sign-out-no"))
		atAnn.audit("sign-out-confirm")
		atAnn.PressEnter()
		atAnn.hidden("sign-out-confirm")
		atAnn.focused(testid("sign-out"))
		atAnn.Click(testid("sign-out"))
		atAnn.Click(testid("sign-out-yes"))
		atAnn.shown("signin-form")
		atAnn.holdsNo(ann.token, "Ben", "Dan", "Cy", "shade", ben.chat)
		for _, v := range []*deskCustomer{ben, dan, cy} {
			atBo.WaitUntil(v.name+" to wait", `document.querySelector(%s) !== null`, item("waiting-list", v))
		}
		atAnn.signIn(ann)
	})
	t.Run("another role, and a token that is taken away", func(*testing.T) {
		bo.role = "supervisor"
		g.reload()
		atBo.says("my-role", "Supervisor")
		atAnn.Click(item("waiting-list", cy) + " " + testid("accept"))
		atBo.WaitUntil("to be offered more", `Boolean(document.querySelector(%s)?.checkVisibility())`, item("others-list", cy)+" "+testid("supervise"))
		g.agents = []*deskAgent{ann, cleo}
		g.reload()
		atBo.says("signin-error", "The desk does not accept your sign-in any more. Sign in again.")
		atBo.hidden("desk")
		atBo.holdsNo(bo.token, "Fay")
		atAnn.says("connection", "Connected")
	})
	t.Run("the connection is lost", func(*testing.T) {
		for _, p := range []*workplace{atAnn, atBo} {
			p.AllowErrors(harness.NetworkErrors)
		}
		g.process.Signal(syscall.SIGKILL)
		atAnn.says("connection", "Connection lost. Trying again")
		atAnn.audit("disconnected")
	})
}

// Chats of customers who have left go from the queue, and end for their agent, who learns why.
func TestDeskAbandonedChats(t *testing.T) {
	t.Parallel()
	ann := &deskAgent{name: "Ann", role: "agent", account: accountA}
	g := newDeskGateway(t, []*deskAgent{ann}, "--customer-grace", "1s", "--abandon-after", "2s")
	atAnn := g.signedIn(t, ann)
	kim := g.visit(t, accountA, "", "A lamp that stays") // a token need not say a name
	leo, max := g.visit(t, accountA, "Leo", "A lamp that waits"), g.visit(t, accountA, "Max", "A lamp in work")
	atAnn.lists("waiting-list", kim, leo, max)
	atAnn.WaitUntil("a customer without a name to be called by the type", `document.querySelector(%s + " .item-name")?.textContent === "Customer"`, item("waiting-list", kim))
	atAnn.Click(item("waiting-list", max) + " " + testid("accept"))
	atAnn.write("Are you there?")
	leo.goAway()
	max.goAway()
	atAnn.lists("waiting-list", kim)
	waitShown(atAnn.Tab, "The chat was ended because the customer left.")
	atAnn.shown("ended")
	atAnn.hidden("composer")
	atAnn.tagged("mine-list", max, "ended")
	atAnn.Click(testid("put-away"))
	atAnn.lists("mine-list")
	atAnn.lists("waiting-list", kim)
}

// An agent signs in with a token of the desks' OpenID Connect provider. When it expires, the page
// says so and takes the next, and the agent's chats are still theirs.
func TestDeskTokenExpires(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	provider := httptest.NewServer(mux)
	defer provider.Close()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, provider.URL, provider.URL+"/keys")
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","kid":"1","x":%q}]}`, base64.RawURLEncoding.EncodeToString(public))
	})
	uma := &deskAgent{name: "Uma"}
	sign := func() {
		t.Helper()
		token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{
			"iss": provider.URL, "aud": "desk", "exp": time.Now().Add(time.Hour).Unix(), "jti": rand.Text(),
			"agentId": "7d1a5412-7b22-4502-b5b7-9b5fb0803061", "name": uma.name, "role": "agent", "accounts": []string{accountA},
		})
		token.Header["kid"] = "1"
		if uma.token, err = token.SignedString(private); err != nil {
			t.Fatal(err)
		}
	}
	sign()
	g := newDeskGateway(t, []*deskAgent{{name: "Ann", role: "agent", account: accountA}}, "--desk-oidc-issuer", provider.URL, "--desk-oidc-audience", "desk")
	p := &workplace{harness.NewTab(t, "Uma"), g}
	p.OnNewDocument(`(() => { const Native = WebSocket; window.WebSocket = class extends Native { constructor(...all) { super(...all); window.feed = this; } }; })()`)
	p.arrive()
	p.signIn(uma)
	p.says("my-role", "Agent")
	val := g.visit(t, accountA, "Val", "A valve")
	p.lists("waiting-list", val)
	p.Click(item("waiting-list", val) + " " + testid("accept"))
	p.write("Which valve?")
	p.Eval(nil, `void feed.dispatchEvent(new CloseEvent("close", { code: 4401 }))`) // as the server closes it at the token's exp
	p.says("signin-error", "Your sign-in has expired. Sign in again.")
	p.hidden("desk")
	p.holdsNo(uma.token, "Val")
	sign()
	p.signIn(uma)
	p.lists("mine-list", val)
}
