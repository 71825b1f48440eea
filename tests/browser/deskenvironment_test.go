package browser

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"openchat/sdk"
	"openchat/sdk/native"
	"openchat/sdk/wire"
	"openchat/tests/harness"
)

// deskAgent is an agent of a deskGateway's file of agents.
type deskAgent struct {
	name, role, account string
	token               string
}

// deskGateway is a gateway as in production, with two tenants, a listener of the desks' own,
// and the agents' pages on it.
type deskGateway struct {
	t       *testing.T
	process *harness.Process
	url     string            // of the desks
	keys    map[string]string // integration ids by account
	agents  []*deskAgent
	file    string // of agents
}

const (
	deskServerSecret = "a server credential of the desk's tests"
	deskSecret       = "the password that desks of ALPHAS share"
	accountA         = "ALPHAS"
	accountB         = "BRAVOS"
)

func newDeskGateway(t *testing.T, agents []*deskAgent, flags ...string) *deskGateway {
	t.Helper()
	dir := t.TempDir()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	g := &deskGateway{t: t, agents: agents, file: filepath.Join(dir, "agents.json"), keys: map[string]string{
		accountA: "a776d4f3-b886-40a3-9fa7-5b7df35b440b", accountB: "9c5e2d29-76bc-4424-8e3f-6c1f0a7d5b21",
	}}
	key := filepath.Join(dir, "key.pem")
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	g.writeAgents()
	g.process = harness.StartProduction(t, append([]string{
		"--addr", "127.0.0.1:0", "--desk-addr", "127.0.0.1:0", "--desk-pages", "--agents", g.file, "--desk-credential", accountA + "=" + deskSecret,
		"--dist", "", "--data", filepath.Join(dir, "data"), "--jwt-private-key", key, "--server-credential", deskServerSecret,
		"--tenant", accountA + ":" + g.keys[accountA] + ":appkey-" + accountA, "--tenant", accountB + ":" + g.keys[accountB] + ":appkey-" + accountB,
	}, flags...)...)
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	if err := g.process.Log.Await(ctx, "Agents' pages at http://"); err != nil {
		t.Fatal(err)
	}
	g.url = regexp.MustCompile(`Agents' pages at (http://[^/\s]+)/desk/`).FindStringSubmatch(g.process.Log.String())[1]
	return g
}

// writeAgents writes the file of agents, with a token for each who has none yet.
func (g *deskGateway) writeAgents() {
	g.t.Helper()
	var list []map[string]any
	for i, a := range g.agents {
		if a.token == "" {
			a.token = rand.Text() + rand.Text()
		}
		digest := sha256.Sum256([]byte(a.token))
		list = append(list, map[string]any{
			"agentId": fmt.Sprintf("3f0c1b52-8a0e-4f7c-9a55-0d2f4c1e7b%02x", i), "agentName": a.name, "role": a.role, "accounts": []string{a.account},
			"tokens": []string{"sha256:" + hex.EncodeToString(digest[:])},
		})
	}
	text, err := json.Marshal(map[string]any{"agents": list})
	if err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(g.file, text, 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// reload has the gateway read its file of agents again.
func (g *deskGateway) reload() {
	g.t.Helper()
	g.writeAgents()
	g.process.Signal(syscall.SIGHUP)
}

// deskCustomer is a customer with the SDK for Go, in one chat.
type deskCustomer struct {
	t       *testing.T
	name    string
	chat    string // the engagementId
	client  *sdk.Client
	network *customerNetwork
}

// visit begins a chat of a new customer.
func (g *deskGateway) visit(t *testing.T, account, name, topic string) *deskCustomer {
	t.Helper()
	v := &deskCustomer{t: t, name: name, network: &customerNetwork{}}
	client := &http.Client{Transport: &http.Transport{DialContext: v.network.dial}}
	transport := native.New(native.Options{HTTPClient: client})
	v.client = sdk.New(sdk.Options{Transport: transport, Deliver: func(sdk.Event) {}})
	t.Cleanup(func() {
		v.network.cut()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = v.client.Shutdown(ctx, "") // there is no gateway to say it to
		transport.Close()
	})
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	params := sdk.InitParams{HostURL: g.process.URL, IntegrationID: g.keys[account], Token: g.customerToken(ctx, account, name), Appkey: "appkey-" + account}
	if _, err := v.client.Init(ctx, params, sdk.Config{IdleTimeout: sdk.IdleDisabled}); err != nil {
		t.Fatal(err)
	}
	e, err := v.client.CreateEngagement(ctx, map[string]string{"topic": topic})
	if err != nil {
		t.Fatal(err)
	}
	v.chat = e.EngagementID
	return v
}

func (g *deskGateway) customerToken(ctx context.Context, account, name string) string {
	g.t.Helper()
	body := fmt.Sprintf(`{"customerId":%q,"customerName":%q,"integrationId":%q}`, harness.NewCustomerID(name), name, g.keys[account])
	r, err := http.NewRequestWithContext(ctx, "POST", g.process.URL+wire.BasePath+"/accounts/"+account+"/tokens", strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+deskServerSecret)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(wire.HeaderAppkey, "appkey-"+account)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	var minted struct{ JWTToken string }
	if err != nil || json.Unmarshal(text, &minted) != nil || minted.JWTToken == "" {
		g.t.Fatalf("the tokens call answered %s %s (%v)", answer.Status, text, err)
	}
	return minted.JWTToken
}

// say has the customer write.
func (v *deskCustomer) say(text string) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), harness.Timeout)
	defer cancel()
	if _, err := v.client.SendMessage(ctx, v.chat, text, ""); err != nil {
		v.t.Fatal(err)
	}
}

// goAway breaks the customer's connections, and lets no new one be made.
func (v *deskCustomer) goAway() { v.network.cut() }

// comeBack lets the customer connect again.
func (v *deskCustomer) comeBack() {
	v.t.Helper()
	v.network.restore()
	if err := v.client.RetryConnection(); err != nil {
		v.t.Fatal(err)
	}
}

// customerNetwork is a customer's way to the gateway.
type customerNetwork struct {
	mu    sync.Mutex
	isCut bool
	conns []net.Conn
}

func (n *customerNetwork) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.isCut {
		conn.Close()
		return nil, errors.New("the customer is away")
	}
	n.conns = append(n.conns, conn)
	return conn, nil
}

func (n *customerNetwork) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.isCut = true
	for _, conn := range n.conns {
		conn.Close()
	}
	n.conns = nil
}

func (n *customerNetwork) restore() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.isCut = false
}

// workplace is a tab with the desk's page.
type workplace struct {
	*harness.Tab
	g *deskGateway
}

// opened opens the desk's page in a new browser.
func (g *deskGateway) opened(t *testing.T, name string) *workplace {
	t.Helper()
	p := &workplace{harness.NewTab(t, name), g}
	p.arrive()
	return p
}

// arrive opens the page.
func (p *workplace) arrive() {
	p.T.Helper()
	p.SetSize(1280, 800, false)
	p.Open(p.g.url + "/desk/")
	p.shown("signin-form")
}

// signedIn opens the page and signs an agent in.
func (g *deskGateway) signedIn(t *testing.T, a *deskAgent) *workplace {
	t.Helper()
	p := g.opened(t, a.name)
	p.signIn(a)
	return p
}

func (p *workplace) signIn(a *deskAgent) {
	p.T.Helper()
	p.Type(testid("credential"), a.token)
	p.Click(testid("sign-in"))
	p.live()
}

// live waits until the desk has its chats.
func (p *workplace) live() {
	p.T.Helper()
	p.WaitUntil("the desk to be live", `document.querySelector('[data-testid="desk"]').checkVisibility() && document.querySelector('[data-testid="connection"]').dataset.state === "live"`)
}

// shown waits until an element can be seen, and hidden until it cannot.
func (p *workplace) shown(id string) {
	p.T.Helper()
	p.WaitUntil(id+" to be seen", `Boolean(document.querySelector(%s)?.checkVisibility())`, testid(id))
}

func (p *workplace) hidden(id string) {
	p.T.Helper()
	p.WaitUntil(id+" to be out of sight", `!document.querySelector(%s)?.checkVisibility()`, testid(id))
}

// says waits until an element's text holds some words.
func (p *workplace) says(id, words string) {
	p.T.Helper()
	p.WaitUntil(id+" to say "+words, `(() => { const e = document.querySelector(%s); return Boolean(e?.checkVisibility()) && e.textContent.includes(%s); })()`, testid(id), words)
}

// announced waits until the page has announced some words to screen readers.
func (p *workplace) announced(words string) {
	p.T.Helper()
	p.WaitUntil("to announce "+words, `document.querySelector('[data-testid="announcer"]').textContent === %s`, words)
}

// item is the selector of a chat in a list.
func item(list string, v *deskCustomer) string {
	return testid(list) + fmt.Sprintf(` [data-engagement-id=%q]`, v.chat)
}

// lists waits until a list holds exactly those chats, in that order.
func (p *workplace) lists(list string, chats ...*deskCustomer) {
	p.T.Helper()
	ids, names := []string{}, []string{}
	for _, v := range chats {
		ids, names = append(ids, v.chat), append(names, v.name)
	}
	p.WaitUntil(fmt.Sprintf("%s with %q", list, names), `JSON.stringify([...document.querySelectorAll(%s + " > li")].map((e) => e.dataset.engagementId)) === JSON.stringify(%s)`, testid(list), ids)
}

// tagged waits until a chat carries a word in its list.
func (p *workplace) tagged(list string, v *deskCustomer, word string) {
	p.T.Helper()
	p.WaitUntil(v.name+" to be marked "+word, `document.querySelector(%s + " .tag")?.textContent === %s`, item(list, v), word)
}

// has reports whether an element can be seen now.
func (p *workplace) has(selector string) (seen bool) {
	p.T.Helper()
	p.Eval(&seen, `Boolean(document.querySelector(%s)?.checkVisibility())`, selector)
	return seen
}

// write sends a message by the open chat's box, and waits until it is stored.
func (p *workplace) write(text string) {
	p.T.Helper()
	p.Type(testid("composer"), text)
	p.PressEnter()
	p.WaitUntil("to have sent "+text, `[...document.querySelectorAll('[data-testid="message"][data-state="sent"]')].some((e) => e.textContent.includes(%s))`, text)
}

// holdsNo fails the test when the page, its address or what it stores holds one of the texts.
func (p *workplace) holdsNo(texts ...string) {
	p.T.Helper()
	var all string
	p.Eval(&all, `indexedDB.databases().then((databases) => JSON.stringify([location.href, document.cookie, { ...localStorage }, { ...sessionStorage }, history.state, name,
		databases, document.title, document.documentElement.outerHTML, [...document.querySelectorAll("input, textarea")].map((e) => e.value)]))`)
	for _, text := range texts {
		if strings.Contains(all, text) {
			p.T.Errorf("tab %q: something of the page holds %q", p.Name, text)
		}
	}
}

var axe = sync.OnceValues(func() (string, error) {
	text, err := os.ReadFile("axe/node_modules/axe-core/axe.min.js")
	return string(text), err
})

// audit asks axe-core about what the page shows.
func (p *workplace) audit(state string) {
	p.T.Helper()
	audit(p.Tab, "desk-"+state)
}

// audit asks axe-core about what a page shows, light and dark, wide and with 360 px, and
// whether all of it is in sight. Colours do not depend on the width: 360 px are asked about once.
func audit(b *harness.Tab, state string) {
	b.T.Helper()
	script, err := axe()
	if err != nil {
		b.T.Fatal(err)
	}
	var there bool
	if b.Eval(&there, `typeof axe === "object"`); !there {
		b.EvalAs(harness.AsDebugger, &there, "%s", harness.Script("(() => {"+script+"\n;return true })()"))
	}
	for _, look := range []struct {
		width int64
		dark  bool
	}{{1280, false}, {1280, true}, {360, true}} {
		if look.width == 1280 && look.dark && !harness.Has(harness.DarkColors) {
			continue // it would look the same again
		}
		b.SetSize(look.width, 740, look.dark)
		var found []string
		b.Eval(&found, `(async () => {
			await new Promise((f) => requestAnimationFrame(() => requestAnimationFrame(f)));
			await Promise.allSettled(document.getAnimations().map((a) => a.finished));
			const { violations } = await axe.run(document, { resultTypes: ["violations"], iframes: false });
			return violations.flatMap(({ id, help, nodes }) => nodes.map((n) => id + ": " + help + ": " + n.target + ": " + n.html.slice(0, 200) + ": " + n.failureSummary));
		})()`)
		what := fmt.Sprintf("%s, %d px, dark %v", state, look.width, look.dark)
		for _, violation := range found {
			b.T.Errorf("%s: %s", what, violation)
		}
		checkLayout(b, what, "spills()")
	}
	b.Screenshot(state) // narrow and dark
	b.SetSize(1280, 800, false)
}

// focused waits until an element has the focus.
func (p *workplace) focused(selector string) {
	p.T.Helper()
	p.Eval(nil, `new Promise((done) => {
		const checkFocus = () => (document.activeElement?.matches(%s) ? done() : requestAnimationFrame(checkFocus));
		checkFocus();
	})`, selector)
}

// tabTo presses Tab, or with back Shift and Tab, until an element has the focus. Whatever has it
// on the way can be seen, and shows that it has it.
func (p *workplace) tabTo(selector string, back bool) {
	p.T.Helper()
	shown := `getComputedStyle(e).outlineStyle !== "none"`
	if !harness.Has(harness.FocusEverywhere) {
		shown = "(" + shown + " || !document.hasFocus())"
	}
	for range 40 {
		p.Press(harness.TabKey, back)
		var at struct {
			There bool
			Wrong string
		}
		p.Eval(&at, `(() => {
			const e = document.activeElement, box = e.getBoundingClientRect();
			const seen = e === document.body || e.checkVisibility() && box.width > 0 && box.bottom > 0 && box.top < innerHeight && `+shown+`;
			return { There: e.matches(%s), Wrong: seen ? "" : e.outerHTML.slice(0, 200) };
		})()`, selector)
		if at.Wrong != "" {
			p.T.Errorf("tab %q: the focus cannot be seen on %s", p.Name, at.Wrong)
		}
		if at.There {
			return
		}
	}
	p.T.Fatalf("tab %q: the Tab key does not lead to %s", p.Name, selector)
}

// types types what the element that has the focus gets.
func (p *workplace) types(text string) {
	p.T.Helper()
	p.Insert(text)
}
