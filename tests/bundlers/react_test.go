package bundlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evanw/esbuild/pkg/api"

	"openchat/sdk/wire"
	"openchat/tests/harness"
)

const reactModules = "../browser/samples/node_modules"

var installReact = sync.OnceValue(func() error {
	if out, err := exec.Command("../setup/react.sh").CombinedOutput(); err != nil {
		return fmt.Errorf("tests/setup/react.sh: %w\n%s", err, out)
	}
	return nil
})

var samples = regexp.MustCompile("(?ms)^```(?:html|js|jsx|ts|tsx|vue)\n(?:// |<!-- )(\\S+)(?: -->)?\n(.*?)^```$")

// samplesOf returns the code of a document by the file names in its first lines.
func samplesOf(t *testing.T, document string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, m := range samples.FindAllStringSubmatch(string(read(t, filepath.Join("../../docs", document))), -1) {
		found[m[1]] = m[2]
	}
	return found
}

// reactTest mounts components of the document and of its own by the test's hand. What it shows is
// labelled by each component's name.
const reactTest = `
import { StrictMode, startTransition, useLayoutEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { flushSync } from "react-dom";
import { useChatSession, useEngagement, useMessages } from "` + packageName + `/react";
import * as sdk from "` + packageName + `";
import App from "./App";
import { Chat } from "./Chat";

const fetchAccount = async (customer) => (await fetch("/my-backend/chat/" + customer, { method: "POST" })).json();
window.accounts = {
  ann: () => fetchAccount("ann"),
  bob: () => fetchAccount("bob"),
  never: () => new Promise(() => {}),
  fails: async () => { throw new Error("no back end"); },
  throws: () => { throw "a text"; },
};
window.seen = []; // the numbers of messages that are on the page after each rendering

const Holder = ({ name, account }) => {
  const { status, error, reopen } = useChatSession(account && accounts[account]);
  window.reopen = reopen;
  return <p id={name}>{name} {status} {error && error.message}</p>;
};
const Reader = ({ name }) => {
  const { user, failure } = useChatSession();
  const { engagement, status, participants, start, error, retry } = useEngagement();
  const { messages, send } = useMessages();
  Object.assign(window, { start, send, engagement, retry });
  return <p id={name}>{name} {user ? "somebody" : "nobody"} {status || "no chat"} {participants.length} in {messages.length} messages {failure && failure.reason}{error && error.message}</p>;
};
// So slow that messages come while a transition renders many of it.
const Slow = ({ n }) => {
  const { messages } = useMessages();
  for (const end = performance.now() + 4; performance.now() < end;);
  useLayoutEffect(() => { (window.now ||= [])[n] = messages.length; });
  return <i>{messages.length}</i>;
};
const Many = () => {
  const [n, setN] = useState(0);
  window.renderMany = () => new Promise((done) => { window.rendered = done; startTransition(() => setN(30)); });
  useLayoutEffect(() => { if (n) { seen.push([...new Set(document.querySelectorAll("i").values().map((e) => e.textContent))]); window.rendered(); } });
  return <div>{Array.from({ length: n }, (_, i) => <Slow key={i} n={i} />)}</div>;
};
const parts = {
  app: () => <App />, chat: (rest) => <Chat account={accounts.ann} {...rest} />, holder: (rest) => <Holder {...rest} />,
  reader: (rest) => <Reader {...rest} />, many: () => <Many />,
};

const root = createRoot(document.getElementById("root"));
const strict = new URLSearchParams(location.search).get("strict") !== "no";
// mount({part, name, ...}, ...) shows these components and no others.
window.mount = (...list) => flushSync(() => {
  const all = list.map(({ part, ...rest }) => <div key={rest.name}>{parts[part](rest)}</div>);
  root.render(strict ? <StrictMode>{all}</StrictMode> : all);
});
window.sdk = sdk;
document.body.dataset.ready = "yes";
`

// reactPage is a page of the hooks' on an origin of its own.
type reactPage struct {
	*harness.FaultyOrigin
	t        *testing.T
	w        *harness.Environment
	prefix   string              // of its customers
	began    harness.Log[string] // POST /sessions that the gateway got
	ended    harness.Log[string] // DELETE /sessions/{id} that it has answered
	accounts harness.Log[string] // the customers for whom an account was asked

	mu     sync.Mutex
	refuse func(rw http.ResponseWriter, r *http.Request) bool
}

// refuses sets what may answer a call instead of the gateway, or of the back end.
func (p *reactPage) refuses(f func(rw http.ResponseWriter, r *http.Request) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = f
}

// holdsSessions lets no session be made before release is called. reached is closed when the first is asked for.
func (p *reactPage) holdsSessions() (reached <-chan struct{}, release func()) {
	gate, asked := make(chan struct{}), make(chan struct{})
	var once sync.Once
	p.refuses(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == "POST" && strings.HasSuffix(r.URL.Path, "/sessions") {
			once.Do(func() { close(asked) })
			<-gate
		}
		return false
	})
	return asked, func() { close(gate) }
}

// count waits until a log has n entries.
func count(t *testing.T, what string, l *harness.Log[string], n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	if list, err := l.Wait(ctx, func(list []string) bool { return len(list) >= n }); err != nil || len(list) != n {
		t.Fatalf("%s: %q, want %d", what, list, n)
	}
}

func (p *reactPage) customer(name string) string { return p.prefix + "-" + name }

func (p *reactPage) account(rw http.ResponseWriter, name string, ttl time.Duration) {
	params := p.w.InitParams(p.t, p.customer(name), harness.TokenOptions{TTL: ttl})
	params["hostURL"] = p.URL
	json.NewEncoder(rw).Encode(params)
}

// engagement waits for a customer's chat at a desk, the nth from 1, and returns its id.
func engagement(agent *harness.Agent, customer string, n int) string {
	agent.T.Helper()
	var ids []string
	agent.Wait("the customer's chat", func(f harness.DeskFrame) bool {
		for _, c := range append(f.Chats, f.Chat) {
			if c.CustomerName == "Customer "+customer && !slices.Contains(ids, c.EngagementID) {
				ids = append(ids, c.EngagementID)
			}
		}
		return len(ids) >= n
	})
	return ids[n-1]
}

// reactSite builds the test's page, in a mode of React's.
func reactSite(t *testing.T, mode string) http.Handler {
	t.Helper()
	if err := installReact(); err != nil {
		t.Fatal(err)
	}
	modules, err := filepath.Abs(reactModules)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(page, "<script")
	dir := project(t, ".", map[string]string{
		"Chat.tsx": samplesOf(t, "react.md")["Chat.tsx"], "App.tsx": samplesOf(t, "react.md")["App.tsx"], "main.jsx": reactTest,
		"account.ts":       `export const account = async () => (await fetch("/my-backend/chat", { method: "POST" })).json();`,
		"built/index.html": head + "<div id=\"root\"></div>\n<script type=\"module\" src=\"./main.js\"></script>\n",
	})
	write(t, filepath.Join(dir, "built", wasmName), string(read(t, filepath.Join(dir, "node_modules", packageName, wasmName))))
	result := api.Build(api.BuildOptions{
		AbsWorkingDir: dir, EntryPoints: []string{"main.jsx"}, Outdir: "built", Bundle: true, Format: api.FormatESModule, JSX: api.JSXAutomatic,
		NodePaths: []string{modules}, Define: map[string]string{"process.env.NODE_ENV": fmt.Sprintf("%q", mode)}, Write: true,
	})
	for _, m := range slices.Concat(result.Errors, result.Warnings) {
		t.Errorf("esbuild: %s %v", m.Text, m.Location)
	}
	return folder(filepath.Join(dir, "built"))
}

func openReact(t *testing.T, site http.Handler, query string) (*reactPage, *harness.Tab) {
	t.Helper()
	w := harness.Shared(t)
	p := &reactPage{FaultyOrigin: w.FaultyOrigin(t), w: w, t: t, prefix: harness.NewCustomerID("react")}
	p.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
		p.mu.Lock()
		refuse := p.refuse
		p.mu.Unlock()
		name, isAccount := strings.CutPrefix(r.URL.Path, "/my-backend/chat")
		if name = strings.TrimPrefix(name, "/"); name == "" {
			name = "ann"
		}
		isGateway := strings.HasPrefix(r.URL.Path, wire.BasePath+"/")
		if isAccount {
			p.accounts.Add(name)
		}
		if refuse != nil && refuse(rw, r) {
			return true
		}
		switch {
		case isAccount:
			p.account(rw, name, 0)
		case !isGateway:
			site.ServeHTTP(rw, r)
		case r.Method == "POST" && strings.HasSuffix(r.URL.Path, "/sessions"):
			p.began.Add(r.URL.Path)
			return false
		case r.Method == "DELETE" && strings.Contains(r.URL.Path, "/sessions/"):
			status, body, err := p.Forward(r)
			if err != nil {
				t.Error(err)
			}
			rw.WriteHeader(status)
			rw.Write(body)
			p.ended.Add(r.URL.Path)
		default:
			return false
		}
		return true
	})
	b := harness.NewTab(t, "customer")
	b.AllowErrors(harness.NetworkErrors)
	b.Open(p.URL + "/" + query)
	b.WaitUntil("the page's script", `document.body.dataset.ready === "yes"`)
	return p, b
}

// shows waits until a component of the page shows a text behind its name.
func shows(b *harness.Tab, name, text string) {
	b.T.Helper()
	b.WaitUntil(name+" "+text, `document.getElementById(%s)?.textContent.trim() === %s`, name, name+" "+text)
}

// someTurnsLater gives the page time for what it might do: a fetch goes out and comes back.
func someTurnsLater(b *harness.Tab) {
	b.T.Helper()
	b.Eval(nil, `fetch("/index.html").then((r) => r.text())`)
}

const (
	ann    = `{part: "holder", name: "one", account: "ann"}`
	ann2   = `{part: "holder", name: "two", account: "ann"}`
	reader = `{part: "reader", name: "reader"}`
)

// The component of docs/react.md as it is printed, in StrictMode and without: messages go both ways.
func TestReact(t *testing.T) {
	for _, mode := range []string{"development", "production"} {
		site := reactSite(t, mode)
		for _, strict := range []string{"yes", "no"} {
			t.Run(mode+", strict "+strict, func(t *testing.T) {
				p, b := openReact(t, site, "?strict="+strict)
				agent := p.w.NewAgent(t, "Cy "+p.prefix)
				b.Eval(nil, `mount({part: "app", name: "a"}, `+reader+`)`)
				b.WaitUntil("the button", `document.querySelector("#start")`)
				b.Click("#start")
				b.WaitUntil("the form", `document.querySelector("#say button")`)
				id := engagement(agent, p.customer("ann"), 1)
				agent.Accept(id)
				b.Type(`#say input`, "Hello")
				b.Click(`#say button`)
				agent.WaitText(id, "Hello")
				agent.Send(id, "How can I help?")
				b.WaitUntil("the agent's message", `document.querySelector("ul").innerText.includes("How can I help?")`)
				var list []string
				b.Eval(&list, `[...document.querySelectorAll("li")].map((e) => e.textContent.split(": ")[1])`)
				if i := slices.Index(list, "Hello"); i < 0 || !slices.Equal(list[i:], []string{"Hello", "How can I help?"}) {
					t.Errorf("the page shows %q", list)
				}
				if sessions, streams := len(p.began.All()), len(p.Streams.All()); sessions != 1 || streams != 1 {
					t.Errorf("%d sessions and %d streams were opened", sessions, streams)
				}
				// Mounted again, also after a reload, the chat goes on.
				b.Eval(nil, `mount()`)
				count(t, "sessions ended", &p.ended, 1)
				b.Eval(nil, `mount({part: "app", name: "a"})`)
				b.WaitUntil("the history", `document.querySelector("ul")?.innerText.includes("How can I help?") && document.querySelector("#say button")`)
				agent.EndChat(id)
				b.WaitUntil("the end", `document.querySelector("#start") && !document.querySelector("#say")`)
			})
		}
	}
}

// When the session is opened and closed, whatever React mounts and unmounts.
func TestReactSession(t *testing.T) {
	site := reactSite(t, "development")
	t.Run("INIT-8 mounted and unmounted in one task: nothing is opened", func(t *testing.T) {
		p, b := openReact(t, site, "")
		b.Eval(nil, `void (mount(`+ann+`), mount())`)
		someTurnsLater(b)
		if n := len(p.accounts.All()) + len(p.began.All()); n > 0 {
			t.Errorf("%d requests were made", n)
		}
	})
	t.Run("SHUT-1 two components, one session: the last that goes closes it", func(t *testing.T) {
		p, b := openReact(t, site, "")
		b.Eval(nil, `mount(`+ann+`, `+ann2+`, `+reader+`)`)
		shows(b, "one", "open")
		shows(b, "two", "open")
		b.Eval(nil, `mount(`+ann2+`, `+reader+`)`)
		someTurnsLater(b)
		shows(b, "two", "open")
		if n := len(p.ended.All()); n != 0 {
			t.Fatalf("%d sessions were ended", n)
		}
		b.Eval(nil, `mount(`+reader+`)`)
		count(t, "sessions ended", &p.ended, 1)
		shows(b, "reader", "nobody no chat 0 in 0 messages")
		count(t, "sessions begun", &p.began, 1)
	})
	t.Run("INIT-8 NS-13 unmounted while init runs", func(t *testing.T) {
		p, b := openReact(t, site, "")
		reached, release := p.holdsSessions()
		b.Eval(nil, `mount(`+ann+`)`)
		<-reached
		b.Eval(nil, `mount()`)
		release()
		count(t, "sessions ended", &p.ended, 1)
		<-p.Stream(1).Ended
		b.Eval(nil, `mount(`+ann+`)`)
		shows(b, "one", "open")
		count(t, "sessions begun", &p.began, 2)
		count(t, "sessions ended", &p.ended, 1)
	})
	t.Run("INIT-8 NS-13 unmounted while init runs, and mounted again", func(t *testing.T) {
		p, b := openReact(t, site, "")
		reached, release := p.holdsSessions()
		b.Eval(nil, `mount(`+ann+`)`)
		<-reached
		b.Eval(nil, `void (mount(), mount(`+ann+`))`)
		release()
		shows(b, "one", "open")
		someTurnsLater(b)
		if begun, ended := len(p.began.All()), len(p.ended.All()); begun != ended+1 {
			t.Errorf("%d sessions were begun, %d ended", begun, ended)
		}
	})
	// The session that init still opens is not the next customer's.
	t.Run("INIT-8 NS-13 signed out while init runs, and another signed in", func(t *testing.T) {
		p, b := openReact(t, site, "")
		reached, release := p.holdsSessions()
		b.Eval(nil, `mount(`+ann+`)`)
		<-reached
		b.Eval(nil, `mount({part: "holder", name: "one"})`)
		someTurnsLater(b)
		b.Eval(nil, `mount({part: "holder", name: "one", account: "bob"})`)
		someTurnsLater(b)
		release()
		shows(b, "one", "open")
		if got := p.accounts.All(); !slices.Equal(got, []string{"ann", "bob"}) {
			t.Errorf("accounts of %q were asked for", got)
		}
		count(t, "sessions ended", &p.ended, 1)
		count(t, "sessions begun", &p.began, 2)
	})
	t.Run("unmounted while the back end does not answer", func(t *testing.T) {
		p, b := openReact(t, site, "")
		b.Eval(nil, `mount({part: "holder", name: "stuck", account: "never"})`)
		shows(b, "stuck", "opening")
		someTurnsLater(b)
		b.Eval(nil, `mount(`+ann+`)`)
		shows(b, "one", "open")
		count(t, "sessions begun", &p.began, 1)
	})
	t.Run("unmounted while its back end does not answer, and another component holds the session", func(t *testing.T) {
		p, b := openReact(t, site, "")
		b.Eval(nil, `mount(`+ann+`, {part: "holder", name: "stuck", account: "never"})`)
		shows(b, "stuck", "opening")
		someTurnsLater(b)
		b.Eval(nil, `mount(`+ann+`)`)
		shows(b, "one", "open")
		count(t, "accounts", &p.accounts, 1)
	})
	t.Run("another component in the same task: another session", func(t *testing.T) {
		p, b := openReact(t, site, "")
		b.Eval(nil, `mount(`+ann+`)`)
		shows(b, "one", "open")
		b.Eval(nil, `mount({part: "holder", name: "bob", account: "bob"})`)
		count(t, "sessions ended", &p.ended, 1)
		count(t, "sessions begun", &p.began, 2)
		shows(b, "bob", "open")
		if got := p.accounts.All(); !slices.Equal(got, []string{"ann", "bob"}) {
			t.Errorf("accounts of %q were asked for", got)
		}
	})
	t.Run("no account, then one", func(t *testing.T) {
		p, b := openReact(t, site, "")
		b.Eval(nil, `mount({part: "holder", name: "one"})`)
		someTurnsLater(b)
		shows(b, "one", "opening")
		count(t, "sessions begun", &p.began, 0)
		b.Eval(nil, `mount(`+ann+`)`)
		shows(b, "one", "open")
		b.Eval(nil, `mount({part: "holder", name: "one"})`)
		count(t, "sessions ended", &p.ended, 1)
	})
	t.Run("EV-14 the session ends, and is opened again when the page says so", func(t *testing.T) {
		p, b := openReact(t, site, "")
		b.Eval(nil, `mount(`+ann+`)`)
		shows(b, "one", "open")
		b.Eval(nil, `reopen()`) // of an open session it does nothing
		b.Eval(nil, `sdk.shutdown()`)
		shows(b, "one", "closed")
		someTurnsLater(b)
		count(t, "sessions begun", &p.began, 1)
		b.Eval(nil, `reopen()`)
		shows(b, "one", "open")
		count(t, "sessions begun", &p.began, 2)
	})
}

// What fails is on the page, and what can be tried again is.
func TestReactErrors(t *testing.T) {
	site := reactSite(t, "production")
	t.Run("the back end and the gateway fail", func(t *testing.T) {
		p, b := openReact(t, site, "")
		b.Eval(nil, `mount({part: "holder", name: "one", account: "fails"})`)
		shows(b, "one", "failed no back end")
		b.Eval(nil, `mount({part: "holder", name: "two", account: "throws"})`)
		shows(b, "two", "failed a text")
		p.refuses(func(rw http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/sessions") {
				harness.WriteProblem(rw, 400, "by-the-test", "appkey")
				return true
			}
			return false
		})
		b.Eval(nil, `mount(`+ann+`)`)
		b.WaitUntil("the failure", `document.getElementById("one").textContent.startsWith("one failed ")`)
		p.refuses(nil)
		b.Eval(nil, `reopen()`)
		shows(b, "one", "open")
	})
	t.Run("INIT-3 a token that has expired before init", func(t *testing.T) {
		p, b := openReact(t, site, "")
		p.refuses(func(rw http.ResponseWriter, r *http.Request) bool {
			if strings.HasPrefix(r.URL.Path, "/my-backend/") && len(p.accounts.All()) == 1 {
				p.account(rw, "ann", -time.Minute)
				return true
			}
			return false
		})
		b.Eval(nil, `mount(`+ann+`)`)
		shows(b, "one", "open")
		count(t, "accounts", &p.accounts, 2)
	})
	t.Run("JWT-1 JWT-3 a new token, also when the back end fails at first", func(t *testing.T) {
		p, b := openReact(t, site, "")
		b.ControlClock()
		b.Open(p.URL + "/")
		b.WaitUntil("the page's script", `document.body.dataset.ready === "yes"`)
		p.refuses(func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.HasPrefix(r.URL.Path, "/my-backend/") {
				return false
			}
			switch len(p.accounts.All()) {
			case 1:
				p.account(rw, "ann", 2*time.Minute) // the reminder comes at once
			case 2:
				http.Error(rw, "out of order", http.StatusServiceUnavailable)
			default:
				return false
			}
			return true
		})
		b.Eval(nil, `mount(`+ann+`)`)
		b.WaitUntil("the failure", `/^one open [^]*JSON/.test(document.getElementById("one").textContent)`)
		b.Eval(nil, `clock.skip(2)`)
		count(t, "accounts", &p.accounts, 3)
		shows(b, "one", "open")
	})
	t.Run("ENG-4 a chat can not be joined, and there is none to write to", func(t *testing.T) {
		p, b := openReact(t, site, "")
		b.Eval(nil, `mount(`+ann+`, `+reader+`)`)
		shows(b, "one", "open")
		var code string
		if b.Eval(&code, `send("Hello").catch((e) => e.code + (e instanceof sdk.ACSException))`); code != "ACS-313true" {
			t.Errorf("send rejects with %s", code)
		}
		// A chat that was started is this session's, also before the news of it have come.
		var joins harness.Log[string]
		p.refuses(func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, ":join") {
				joins.Add(r.URL.Path)
			}
			return false
		})
		p.NewestStream().Hold()
		b.Eval(nil, `start()`)
		// The desk's greeting may be in the history by then.
		b.WaitUntil("the chat", `/PENDING 0 in [01] messages/.test(document.getElementById("reader").textContent)`)
		p.NewestStream().Release()
		shows(b, "reader", "somebody ACTIVE 2 in 1 messages")
		if list := joins.All(); len(list) > 0 {
			t.Errorf("a chat that was started is joined: %q", list)
		}
		p.refuses(func(rw http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, ":join") {
				harness.WriteProblem(rw, 400, "by-the-test", "sessionId")
				return true
			}
			return false
		})
		b.Eval(nil, `mount()`)
		count(t, "sessions ended", &p.ended, 1)
		b.Eval(nil, `mount({part: "chat", name: "a"})`)
		b.WaitUntil("the failure", `document.querySelector("[role=status]")?.textContent.includes("Constraint Violation Error")`)

		// It can be joined now, and its history cannot be read.
		p.refuses(func(rw http.ResponseWriter, r *http.Request) bool {
			if r.Method == "GET" && strings.HasSuffix(r.URL.Path, "/messages") {
				harness.WriteProblem(rw, 400, "by-the-test", "cursor")
				return true
			}
			return false
		})
		b.Eval(nil, `document.querySelector("#retry").click()`)
		b.WaitUntil("the chat", `document.querySelector("#say") && document.querySelector("#retry")`)
		// What is shown stays while it cannot be read.
		agent := p.w.NewAgent(t, "Cy "+p.prefix)
		agent.Accept(engagement(agent, p.customer("ann"), 1))
		b.WaitUntil("what the agent's coming says", `document.querySelector("li")`)
		var emptied bool
		if b.Eval(&emptied, `new Promise((resolve) => {
			new MutationObserver(() => {
				if (!document.querySelector("li")) resolve(true);
				if (document.querySelector("#retry")) resolve(false);
			}).observe(document.body, { childList: true, subtree: true });
			document.querySelector("#retry").click();
		})`); emptied {
			t.Error("a retry takes away the messages that are shown")
		}
		p.refuses(nil)
		b.Eval(nil, `document.querySelector("#retry").click()`)
		b.WaitUntil("the messages", `document.querySelector("li") && !document.querySelector("#retry")`)
		var problem string
		if b.Eval(&problem, `document.querySelector("[role=status]").textContent`); problem != "" {
			t.Errorf("the page says %q", problem)
		}
	})
	t.Run("ENG-4 a chat is joined though the answer says that it is not", func(t *testing.T) {
		p, b := openReactWithChat(t, site)
		p.refuses(func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, ":join") {
				return false
			}
			if status, body, err := p.Forward(r); err != nil || status != http.StatusOK {
				t.Errorf("join is answered %d %s %v", status, body, err)
			}
			harness.WriteProblem(rw, 400, "by-the-test", "sessionId")
			return true
		})
		b.Eval(nil, `mount(`+ann+`, `+reader+`)`)
		b.WaitUntil("the failure", `/ACTIVE .* Constraint/.test(document.getElementById("reader")?.textContent)`)
		b.Eval(nil, `retry()`)
		shows(b, "reader", "somebody ACTIVE 2 in 1 messages")
	})
	t.Run("ENG-4 a retry after the session has ended takes nothing away", func(t *testing.T) {
		p, b := openReactWithChat(t, site)
		p.refuses(func(rw http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, ":join") {
				harness.WriteProblem(rw, 400, "by-the-test", "sessionId")
				return true
			}
			return false
		})
		b.Eval(nil, `mount(`+ann+`, `+reader+`)`)
		b.WaitUntil("the failure", `/PENDING .* Constraint/.test(document.getElementById("reader")?.textContent)`)
		b.Eval(nil, `sdk.shutdown()`)
		shows(b, "one", "closed")
		var before, after string
		b.Eval(&before, `document.getElementById("reader").textContent`)
		b.Eval(nil, `retry()`)
		someTurnsLater(b)
		if b.Eval(&after, `document.getElementById("reader").textContent`); after != before {
			t.Errorf("the page shows %q, and has shown %q", after, before)
		}
		p.refuses(nil)
		b.Eval(nil, `reopen()`)
		shows(b, "reader", "somebody ACTIVE 2 in 1 messages")
	})
}

// openReactWithChat opens the page of a customer whose last session, which has ended, started a chat.
func openReactWithChat(t *testing.T, site http.Handler) (*reactPage, *harness.Tab) {
	t.Helper()
	p, b := openReact(t, site, "")
	b.Eval(nil, `mount(`+ann+`, `+reader+`)`)
	shows(b, "one", "open")
	b.Eval(nil, `start()`)
	shows(b, "reader", "somebody ACTIVE 2 in 1 messages")
	b.Eval(nil, `mount()`)
	count(t, "sessions ended", &p.ended, 1)
	return p, b
}

// More messages than a page of the history, in the order of the chat; and in a transition that is
// rendered while others come, all components show the same.
func TestReactMessages(t *testing.T) {
	site := reactSite(t, "production")
	p, b := openReact(t, site, "")
	agent := p.w.NewAgent(t, "Cy "+p.prefix)
	b.Eval(nil, `mount(`+ann+`, `+reader+`)`)
	shows(b, "one", "open")
	b.Eval(nil, `start()`)
	id := engagement(agent, p.customer("ann"), 1)
	agent.Accept(id)
	texts := harness.Numbered("agent", 60)
	for _, text := range texts {
		agent.Send(id, text)
	}
	b.Eval(nil, `mount()`)
	count(t, "sessions ended", &p.ended, 1)
	b.Eval(nil, `mount({part: "chat", name: "a"}, {part: "many", name: "many"})`)
	b.WaitUntil("50 messages", `document.querySelectorAll("li").length === 50 && document.querySelector("#older")`)
	// Clicked twice, it asks once.
	b.Eval(nil, `[1, 2].map(() => document.querySelector("#older")).forEach((button) => button.click())`)
	b.WaitUntil("all messages", `!document.querySelector("#older")`)
	var problem string
	if b.Eval(&problem, `document.querySelector("[role=status]").textContent`); problem != "" {
		t.Errorf("the page says %q", problem)
	}
	var list []string
	b.Eval(&list, `[...document.querySelectorAll("li")].map((e) => e.textContent.split(": ")[1]).filter((text) => text.startsWith("agent "))`)
	harness.ExpectTexts(t, "the page", list, texts)

	b.Eval(nil, `void (window.many = renderMany())`)
	for _, text := range harness.Numbered("meanwhile", 10) {
		agent.Send(id, text)
	}
	b.Eval(nil, `many`)
	b.WaitUntil("the last message", `document.querySelector("ul").innerText.includes("meanwhile 10")`)
	var seen [][]string
	if b.Eval(&seen, `seen`); len(seen) == 0 || slices.ContainsFunc(seen, func(numbers []string) bool { return len(numbers) != 1 }) {
		t.Errorf("numbers of messages in the renderings: %q", seen)
	}
}

// On a server the hooks render what they show before there is a session, in both forms of the package.
func TestReactServer(t *testing.T) {
	if err := installReact(); err != nil {
		t.Fatal(err)
	}
	dir := project(t, ".", map[string]string{"main.mjs": `import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
const before = Object.keys(globalThis);
const { createElement } = require("react");
const { renderToString } = require("react-dom/server");
for (const hooks of [require("` + packageName + `/react"), await import("` + packageName + `/react")]) {
  const Page = () => {
    const session = hooks.useChatSession(() => { throw new Error("called on a server"); });
    const chat = hooks.useEngagement();
    return createElement("p", null, [session.status, chat.status, hooks.useMessages().messages.length].join(" "));
  };
  console.log(renderToString(createElement(Page)), Object.keys(hooks).filter((name) => name.startsWith("use")).join());
}
console.log(JSON.stringify(Object.keys(globalThis).filter((name) => !before.includes(name))));
`})
	for _, name := range []string{"react", "react-dom", "scheduler"} {
		from, err := filepath.Abs(filepath.Join(reactModules, name))
		if err := errors.Join(err, os.Symlink(from, filepath.Join(dir, "node_modules", name))); err != nil {
			t.Fatal(err)
		}
	}
	const line = "<p>opening  0</p> useChatSession,useEngagement,useMessages\n"
	if says := run(t, dir, filepath.Join(dir, "main.mjs")); says != line+line+"[]\n" {
		t.Errorf("it says\n%s", says)
	}
}
