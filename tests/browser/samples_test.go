package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
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

	"openchat/tests/harness"
)

// The samples are the fenced blocks of html, js and jsx in the README and in docs/. These
// tests take them from the documents and run them as they are printed. A block that
// sampleSites does not name fails TestSamplesAreAllRun.

// sampleSite is a site that is made of samples.
type sampleSite struct {
	name   string
	html   string            // the sample that is its page, in a document of the test's
	files  map[string]string // the sample at each path, or for a bundle at each file name
	bundle bool              // files are bundled by esbuild, with React, into main.js
	mode   string            // of React: "development" or "production"
}

var sampleSites = []sampleSite{
	{name: "README", html: "README.md html 1", files: map[string]string{"chat.js": "README.md js 1"}},
	{name: "plain", html: "docs/guide.md html 1", files: map[string]string{
		"page.js":         "docs/guide.md page.js",
		"chat-session.js": "docs/guide.md chat-session.js",
		"in-turn.js":      "docs/guide.md in-turn.js",
		"reopen.js":       "docs/guide.md reopen.js",
		"activity.js":     "docs/guide.md activity.js",
		"connection.js":   "docs/guide.md connection.js",
		// What TestSamplesTopics calls.
		"history.js":    "docs/guide.md history.js",
		"idle.js":       "docs/guide.md idle.js",
		"leave.js":      "docs/guide.md leave.js",
		"explain.js":    "docs/debugging.md explain.js",
		"test-agent.js": "docs/testing.md test-agent.js",
		"fake-sdk.js":   "docs/testing.md fake-sdk.ts",
	}},
	reactSite("React StrictMode", "development"),
	reactSite("React", "production"),
}

func reactSite(name, mode string) sampleSite {
	return sampleSite{name: name, html: "docs/guide.md html 2", bundle: true, mode: mode, files: map[string]string{
		"main.jsx":        "docs/guide.md main.jsx",
		"Chat.jsx":        "docs/guide.md Chat.jsx",
		"chat-session.js": "docs/guide.md chat-session.js",
		"in-turn.js":      "docs/guide.md in-turn.js",
		"connection.js":   "docs/guide.md connection.js",
	}}
}

func sampleSiteNamed(t *testing.T, name string) sampleSite {
	t.Helper()
	i := slices.IndexFunc(sampleSites, func(s sampleSite) bool { return s.name == name })
	if i < 0 {
		t.Fatalf("there is no site %q", name)
	}
	return sampleSites[i]
}

var (
	fencedBlock = regexp.MustCompile("(?ms)^```([a-zA-Z]+)[^\n]*\n(.*?)^```[ \t]*$")
	fileComment = regexp.MustCompile(`^(?:// |<!-- )(\S+\.(?:[jt]sx?|vue))(?: -->)?\n`)
)

// samples are the fenced blocks of html, js and jsx of all documents by name: the
// document, and the file that the block's first line names, or else the language and
// the block's number among those of that language that name none.
var samples = sync.OnceValues(func() (map[string]string, error) {
	documents, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, file := range append(documents, "../../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		document, unnamed := strings.TrimPrefix(filepath.ToSlash(file), "../../"), map[string]int{}
		for _, block := range fencedBlock.FindAllStringSubmatch(string(text), -1) {
			language, code := block[1], block[2]
			if !slices.Contains([]string{"html", "js", "javascript", "mjs", "jsx", "ts", "tsx", "typescript", "vue"}, language) {
				continue
			}
			name := document + " "
			if file := fileComment.FindStringSubmatch(code); file != nil {
				name += file[1]
			} else {
				unnamed[language]++
				name += fmt.Sprint(language, " ", unnamed[language])
			}
			if _, twice := found[name]; twice {
				return nil, fmt.Errorf("there are two samples %q", name)
			}
			found[name] = code
		}
	}
	return found, nil
})

func allSamples(t *testing.T) map[string]string {
	t.Helper()
	all, err := samples()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// samplesOfBundlers are those that tests/bundlers runs.
var samplesOfBundlers = []string{
	"docs/start.md html 1", "docs/start.md account.js", "docs/start.md main.js", "docs/react.md Chat.tsx", "docs/react.md App.tsx",
	"docs/recipes.md useChat.ts", "docs/recipes.md Chat.vue", "docs/recipes.md main.ts", "docs/recipes.md chat.service.ts", "docs/recipes.md chat.component.ts", "docs/sizes.md on-demand.js",
}

func TestSamplesAreAllRun(t *testing.T) {
	run := map[string]bool{"docs/security.md html 1": true} // by TestDocumentedPolicies
	for _, name := range samplesOfBundlers {
		run[name] = true
	}
	for _, s := range sampleSites {
		run[s.html] = true
		for _, name := range s.files {
			run[name] = true
		}
	}
	all := allSamples(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !run[name] {
			t.Errorf("no test runs the sample %q: add it to sampleSites", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(run)) {
		if _, ok := all[name]; !ok {
			t.Errorf("no document has the sample %q", name)
		}
	}
}

// installReact makes sure that tests/browser/samples has the React that its package.json pins.
var installReact = sync.OnceValue(func() error {
	if out, err := exec.Command("../setup/react.sh").CombinedOutput(); err != nil {
		return fmt.Errorf("tests/setup/react.sh: %w\n%s", err, out)
	}
	return nil
})

// bundle bundles samples by their file names, from entry on.
func bundle(t *testing.T, files map[string]string, entry, mode string) []byte {
	t.Helper()
	if err := installReact(); err != nil {
		t.Fatal(err)
	}
	modules, err := filepath.Abs("samples/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, code := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(code), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	result := api.Build(api.BuildOptions{
		EntryPoints: []string{filepath.Join(dir, entry)},
		Bundle:      true,
		Platform:    api.PlatformBrowser,
		Format:      api.FormatESModule,
		JSX:         api.JSXAutomatic,
		NodePaths:   []string{modules},
		Define:      map[string]string{"process.env.NODE_ENV": fmt.Sprintf("%q", mode)},
		LogLevel:    api.LogLevelSilent,
	})
	for _, m := range slices.Concat(result.Errors, result.Warnings) {
		t.Errorf("esbuild: %s %v", m.Text, m.Location)
	}
	if len(result.OutputFiles) != 1 {
		t.Fatalf("esbuild made %d files", len(result.OutputFiles))
	}
	return result.OutputFiles[0].Contents
}

// untyped turns TypeScript into JavaScript.
func untyped(t *testing.T, code string) string {
	t.Helper()
	result := api.Transform(code, api.TransformOptions{Loader: api.LoaderTS})
	for _, m := range slices.Concat(result.Errors, result.Warnings) {
		t.Errorf("esbuild: %s %v", m.Text, m.Location)
	}
	return string(result.Code)
}

// served is a site of samples on an origin of its own, for one customer.
type served struct {
	*harness.FaultyOrigin
	w        *harness.Environment
	t        *testing.T
	customer string
	began    harness.Log[string] // POST /sessions that the gateway got
	ended    harness.Log[string] // DELETE /sessions/{id}
	accounts harness.Log[string] // POST /my-backend/chat

	mu      sync.Mutex
	account func(n int, rw http.ResponseWriter) // answers the n-th, from 1; nil: with a token
	refuse  func(rw http.ResponseWriter, r *http.Request) bool
}

// token answers with what init needs, and with a token that is valid for ttl; 0: for as
// long as the demo's.
func (s *served) answerAccount(rw http.ResponseWriter, ttl time.Duration) {
	params := s.w.InitParams(s.t, s.customer, harness.TokenOptions{TTL: ttl})
	params["hostURL"] = s.URL
	json.NewEncoder(rw).Encode(params)
}

// serve serves a site to a new customer.
func serve(t *testing.T, w *harness.Environment, site sampleSite) *served {
	t.Helper()
	all := allSamples(t)
	files := map[string][]byte{}
	texts := map[string]string{}
	for path, name := range site.files {
		code, ok := all[name]
		if !ok {
			t.Fatalf("no document has the sample %q", name)
		}
		if strings.HasSuffix(name, ".ts") {
			code = untyped(t, code)
		}
		texts[path], files["/"+path] = code, []byte(code)
	}
	if site.bundle {
		files = map[string][]byte{"/main.js": bundle(t, texts, "main.jsx", site.mode)}
		// The harness of TestSamplesReact, beside what is printed.
		texts["harness.jsx"] = reactHarness
		files["/harness.js"] = bundle(t, texts, "harness.jsx", site.mode)
	}
	document := "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>A sample</title>\n<link rel=\"icon\" href=\"/t/icon.svg\">\n<body>\n"
	const sdk = `<script src="/avaya-ccaas-chat-sdk.js" defer></script>`
	files["/"] = []byte(document + all[site.html])
	files["/empty"] = []byte(document + sdk)
	files["/harness"] = []byte(document + `<div id="root"></div>` + sdk + `<script src="/harness.js" type="module"></script>`)

	s := &served{FaultyOrigin: w.FaultyOrigin(t), w: w, t: t, customer: harness.NewCustomerID("sample")}
	s.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
		s.mu.Lock()
		account, refuse := s.account, s.refuse
		s.mu.Unlock()
		if refuse != nil && refuse(rw, r) {
			return true
		}
		switch {
		case r.URL.Path == "/my-backend/chat":
			if r.Method != "POST" {
				t.Errorf("%s %s", r.Method, r.URL.Path)
			}
			s.accounts.Add("")
			if account == nil {
				s.answerAccount(rw, 0)
			} else {
				account(len(s.accounts.All()), rw)
			}
			return true
		case files[r.URL.Path] != nil:
			if strings.HasSuffix(r.URL.Path, ".js") {
				rw.Header().Set("Content-Type", "text/javascript; charset=utf-8")
			} else {
				rw.Header().Set("Content-Type", "text/html; charset=utf-8")
				rw.Header().Set("Content-Security-Policy", harness.StrictPolicy)
			}
			rw.Header().Set("Cache-Control", "no-store")
			rw.Write(files[r.URL.Path])
			return true
		case r.Method == "POST" && strings.HasSuffix(r.URL.Path, "/sessions"):
			s.began.Add(r.URL.Path)
		case r.Method == "DELETE" && strings.Contains(r.URL.Path, "/sessions/"):
			s.ended.Add(r.URL.Path)
		}
		return false
	})
	return s
}

// answers sets how the back end answers the page's n-th request for an account.
func (s *served) answers(f func(n int, rw http.ResponseWriter)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account = f
}

// refuses sets what may answer a call instead of the gateway.
func (s *served) refuses(f func(rw http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = f
}

const (
	say       = `#say input[name="text"]`
	saySubmit = `#say button`
)

// visit opens the site, begins a chat if its page has a button for that and no chat goes
// on, and waits until the page can send.
func (s *served) visit(b *harness.Tab) {
	b.T.Helper()
	b.Open(s.URL + "/")
	canSend(b)
}

// canSend waits until the page can send, and begins a chat where it offers that.
func canSend(b *harness.Tab) {
	b.T.Helper()
	b.WaitUntil("the form or a button", `(() => {
		const shown = (e) => e && e.offsetParent !== null && !e.disabled;
		return shown(document.querySelector("#start")) || shown(document.querySelector('#say button'));
	})()`)
	var start bool
	if b.Eval(&start, `document.querySelector("#start")?.offsetParent != null`); start {
		b.Click("#start")
	}
	b.WaitUntil("the form", `document.querySelector('#say button')?.offsetParent != null && !document.querySelector('#say button').disabled`)
}

// writes sends a text by the page's form.
func writes(b *harness.Tab, text string) {
	b.T.Helper()
	b.Type(say, text)
	b.Click(saySubmit)
}

// showsOnce waits for a text on the page, and fails the test if it is there twice.
func showsOnce(b *harness.Tab, texts ...string) {
	b.T.Helper()
	for _, text := range texts {
		b.WaitUntil("the text "+text, `document.body.innerText.includes(%s)`, text)
		var n int
		b.Eval(&n, `document.body.innerText.split("\n").filter((line) => line.endsWith(%s)).length`, text)
		if n != 1 {
			b.T.Errorf("tab %q shows %q %d times", b.Name, text, n)
		}
	}
}

// engagement waits for the customer's chat at a desk, the n-th from 1, and returns its id.
func (s *served) engagement(d *harness.Agent, n int) string {
	d.T.Helper()
	var ids []string
	d.Wait("the customer's chat", func(f harness.DeskFrame) bool {
		for _, c := range append(f.Chats, f.Chat) {
			if c.CustomerName == "Customer "+s.customer && !slices.Contains(ids, c.EngagementID) {
				ids = append(ids, c.EngagementID)
			}
		}
		return len(ids) >= n
	})
	return ids[n-1]
}

func TestSamplesVisits(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	for _, site := range sampleSites {
		t.Run(site.name+" INIT-7 SES-1 ENG-3 ENG-4", func(t *testing.T) {
			t.Parallel()
			s := serve(t, w, site)
			agent := w.NewAgent(t, "Bo "+s.customer)
			first := harness.NewTab(t, "first")
			tabs := []*harness.Tab{first}
			all := func(texts ...string) {
				t.Helper()
				for _, b := range tabs {
					showsOnce(b, texts...)
				}
			}
			// talk lets the agent and then the customer say something.
			talk := func(b *harness.Tab, id, when string) {
				t.Helper()
				agent.Send(id, "agent: "+when)
				all("agent: " + when)
				writes(b, "customer: "+when)
				all("customer: " + when)
				agent.WaitText(id, "customer: "+when)
			}

			s.visit(first)
			id := s.engagement(agent, 1)
			agent.Accept(id)
			talk(first, id, "at the first visit")
			if sessions, streams := len(s.began.All()), len(s.Streams.All()); sessions != 1 || streams != 1 {
				t.Errorf("the first visit opened %d sessions and %d event streams", sessions, streams)
			}

			s.visit(first)
			all("agent: at the first visit", "customer: at the first visit")
			talk(first, id, "after the reload")
			if n := len(s.began.All()); n != 1 {
				t.Errorf("SES-1: %d sessions were begun, though a reload resumes the session", n)
			}

			for _, b := range []*harness.Tab{first.Another("second tab"), harness.NewTab(t, "second browser")} {
				tabs = append(tabs, b)
				s.visit(b)
				all("agent: at the first visit", "customer: at the first visit", "agent: after the reload", "customer: after the reload")
				talk(b, id, "in the "+b.Name)
				talk(first, id, "in the first beside the "+b.Name)
				s.visit(b) // a reload there
				talk(b, id, "after the reload of the "+b.Name)
			}

			var list []string
			for _, text := range harness.TextsFrom(agent.Messages(id), "") {
				if slices.Contains(list, text) {
					t.Errorf("%q was stored twice", text)
				}
				list = append(list, text)
			}
			if n := len(s.began.All()); n != 3 {
				t.Errorf("%d sessions were begun by three tabs", n)
			}
		})
	}
}

// A message that waits for its answer is not sent by a second click, too; and the words of one that
// is refused are in the form again.
func TestSamplesSend(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	for _, site := range sampleSites {
		t.Run(site.name+" MSG-1 MSG-2", func(t *testing.T) {
			t.Parallel()
			s := serve(t, w, site)
			b := harness.NewTab(t, "customer")
			b.AllowErrors(`status of 400`)
			s.visit(b)
			agent := w.NewAgent(t, "Bo "+s.customer)
			id := s.engagement(agent, 1)

			// hold lets what is sent wait for the answer.
			hold := func(refuse bool) (sent, answer chan struct{}) {
				sent, answer = make(chan struct{}, 10), make(chan struct{})
				s.refuses(func(rw http.ResponseWriter, r *http.Request) bool {
					if r.Method != "POST" || !strings.HasSuffix(r.URL.Path, "/messages") {
						return false
					}
					sent <- struct{}{}
					<-answer
					if refuse {
						harness.WriteProblem(rw, 400, "by-the-test", "body")
					}
					return refuse
				})
				return sent, answer
			}
			sent, answer := hold(false)
			writes(b, "customer: only once")
			<-sent
			b.Click(saySubmit)
			close(answer)
			showsOnce(b, "customer: only once")
			sent, answer = hold(true)
			writes(b, "customer: refused")
			<-sent
			b.Type(say, "later")
			close(answer)
			b.Eval(nil, `new Promise((resolve) => {
				const check = () => document.querySelector(%s).value === "customer: refused later" ? resolve() : requestAnimationFrame(check);
				check();
			})`, say)
			if list := harness.TextsFrom(agent.Messages(id), "customer"); !slices.Equal(list, []string{"customer: only once"}) {
				t.Errorf("the agent has %q", list)
			}
		})
	}
}

func TestSamplesToken(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	for _, site := range sampleSites {
		t.Run(site.name, func(t *testing.T) {
			t.Parallel()
			t.Run("JWT-1 JWT-3 the reminder's new token", func(t *testing.T) {
				s := serve(t, w, site)
				s.answers(func(n int, rw http.ResponseWriter) {
					if n == 1 {
						s.answerAccount(rw, 185*time.Second) // the reminder comes three minutes before the end
					} else {
						s.answerAccount(rw, 0)
					}
				})
				b := harness.NewTab(t, "customer")
				s.visit(b)
				ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
				defer cancel()
				if _, err := s.Stream(1).Frames.Wait(ctx, func([]harness.Frame) bool { return s.Stream(1).CountFrames(true, "authenticate") == 2 }); err != nil {
					t.Fatalf("the stream was authenticated %d times", s.Stream(1).CountFrames(true, "authenticate"))
				}
				if n := len(s.accounts.All()); n != 2 {
					t.Errorf("%d accounts were asked for", n)
				}
				writes(b, "customer: with the second token")
				showsOnce(b, "customer: with the second token")
				if n := len(s.Streams.All()); n != 1 {
					t.Errorf("JWT-3: %d event streams were opened", n)
				}
			})
			t.Run("JWT-2 the token expires while the back end fails", func(t *testing.T) {
				s := serve(t, w, site)
				// The reminder comes at once. Its request fails, and the token expires.
				s.answers(func(n int, rw http.ResponseWriter) {
					switch n {
					case 1:
						s.answerAccount(rw, 6*time.Second)
					case 2:
						http.Error(rw, "out of order", http.StatusServiceUnavailable)
					default:
						s.answerAccount(rw, 0)
					}
				})
				b := harness.NewTab(t, "customer")
				b.AllowErrors(harness.NetworkErrors)
				b.AllowErrors(`the handler of TOKEN_EXPIRY_REMINDER failed`)
				s.visit(b)
				agent := w.NewAgent(t, "Bo "+s.customer)
				id := s.engagement(agent, 1)
				agent.Accept(id)
				ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
				defer cancel()
				if _, err := s.accounts.Wait(ctx, func(list []string) bool { return len(list) >= 3 }); err != nil {
					t.Fatalf("%d accounts were asked for", len(s.accounts.All()))
				}
				agent.Send(id, "agent: after the expiry")
				showsOnce(b, "agent: after the expiry")
				writes(b, "customer: after the expiry")
				showsOnce(b, "customer: after the expiry")
			})
			t.Run("INIT-3 a token that has expired before init", func(t *testing.T) {
				s := serve(t, w, site)
				s.answers(func(n int, rw http.ResponseWriter) {
					if n == 1 {
						s.answerAccount(rw, -time.Minute)
					} else {
						s.answerAccount(rw, 0)
					}
				})
				b := harness.NewTab(t, "customer")
				b.AllowErrors(harness.NetworkErrors)
				s.visit(b)
				writes(b, "customer: signed in after all")
				showsOnce(b, "customer: signed in after all")
				if n := len(s.accounts.All()); n != 2 {
					t.Errorf("%d accounts were asked for", n)
				}
			})
		})
	}
}

// What the plain page does when a chat or a session ends, and when there is no connection.
func TestSamplesPlainPage(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	site := sampleSiteNamed(t, "plain")

	t.Run("EV-8 EV-14 ENG-4 a chat ends, a session ends, a session can not be opened", func(t *testing.T) {
		s := serve(t, w, site)
		b := harness.NewTab(t, "customer")
		b.AllowErrors(harness.NetworkErrors)
		c := harness.Conversation{Tab: b, Agent: w.NewAgent(t, "Bo "+s.customer)}
		step(t, &c, "EV-8 the agent ends the chat, the customer begins another", func(t *testing.T) {
			s.visit(b)
			c.ID = s.engagement(c.Agent, 1)
			c.Agent.Accept(c.ID)
			b.WaitUntil("the agent", `document.body.innerText.includes("has joined the chat")`) // the form moves down once more
			writes(b, "customer: in the first chat")
			showsOnce(b, "customer: in the first chat")
			c.Agent.EndChat(c.ID)
			b.WaitUntil("the end", `document.querySelector("#status").innerText === "The chat has ended."`)
			canSend(b)
			c.ID = s.engagement(c.Agent, 2)
			c.Agent.Accept(c.ID)
			// The form moves once more.
			b.WaitUntil("the agent", `!document.body.innerText.includes("in the first chat") && document.body.innerText.includes("has joined the chat")`)
			writes(b, "customer: in the second chat")
			showsOnce(b, "customer: in the second chat")
			b.WaitUntil("an empty log", `!document.body.innerText.includes("in the first chat")`)
		})
		step(t, &c, "EV-14 ENG-3 the session ends, the chat goes on", func(t *testing.T) {
			b.Eval(nil, `AvayaCCaaSChatSDK.shutdown()`)
			b.WaitUntil("the way back", `document.querySelector("#again").offsetParent !== null`)
			b.Click("#again")
			canSend(b)
			writes(b, "customer: back again")
			showsOnce(b, "customer: in the second chat", "customer: back again")
			c.Agent.WaitText(c.ID, "customer: back again")
		})
		step(t, &c, "ENG-4 SHUT-1 joining fails: the session that was opened is closed, and the next one works", func(t *testing.T) {
			b.Eval(nil, `AvayaCCaaSChatSDK.shutdown()`)
			ended := len(s.ended.All())
			s.refuses(func(rw http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, ":join") {
					return false
				}
				harness.WriteProblem(rw, 400, "by-the-test", "sessionId")
				return true
			})
			b.Click("#again")
			b.WaitUntil("the failure", `document.querySelector("#status").innerText === "The chat cannot be reached at the moment."`)
			s.refuses(nil)
			b.Click("#again")
			canSend(b)
			writes(b, "customer: third time lucky")
			showsOnce(b, "customer: third time lucky")
			if n := len(s.ended.All()); n != ended+1 {
				t.Errorf("%d sessions were ended, not 1", n-ended)
			}
		})
		step(t, &c, "INIT-9 the back end fails: the page says so, and can try again", func(t *testing.T) {
			s.answers(func(n int, rw http.ResponseWriter) { http.Error(rw, "out of order", http.StatusServiceUnavailable) })
			b.Open(s.URL + "/")
			b.WaitUntil("the failure", `document.querySelector("#status").innerText === "The chat cannot be reached at the moment."`)
			s.answers(nil)
			b.Click("#again")
			canSend(b)
			showsOnce(b, "customer: third time lucky")
		})
	})

	t.Run("EV-7 STREAM-6 NS-9 EVENT_STREAM_FAILED", func(t *testing.T) {
		s := serve(t, w, site)
		b := harness.NewTab(t, "customer")
		b.AllowErrors(harness.NetworkErrors)
		b.ControlClock()
		s.visit(b)
		s.refuses(func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/events") {
				return false
			}
			rw.WriteHeader(503)
			return true
		})
		s.Stream(1).Cut()
		b.WaitUntil("the failure", `document.querySelector("#connection").innerText === "Reconnecting…"`)
		b.Eval(nil, `clock.skip(121)`)
		b.WaitUntil("the end of the attempts", `document.querySelector("#connection").innerText.startsWith("There is no connection.") && document.querySelector("#retry").offsetParent !== null`)
		s.refuses(nil)
		b.Click("#retry")
		b.WaitUntil("the connection", `document.querySelector("#connection").innerText === "" && document.querySelector("#retry").offsetParent === null`)
		writes(b, "customer: connected again")
		showsOnce(b, "customer: connected again")
	})

	t.Run("IDLE-1 IDLE-3 NS-8 a reading customer is active", func(t *testing.T) {
		s := serve(t, w, site)
		b := harness.NewTab(t, "customer")
		b.ControlClock()
		s.visit(b)
		b.Eval(nil, `void (window.expired = 0, window.idle = new Promise((done) =>
			AvayaCCaaSChatSDK.on("IDLE_TIMEOUT_EXPIRED", () => done(expired++))))`)
		var expired int
		for x := range 3 {
			b.Eval(nil, `void (clock.skip(600), window.moved = new Promise((done) => addEventListener("pointermove", done, { once: true })))`)
			b.MoveMouse(float64(20+10*x), 20)
			b.Eval(nil, `moved`)
			b.Eval(nil, `clock.skip(250)`)
			b.WaitSettled()
			if b.Eval(&expired, `expired`); expired > 0 {
				t.Fatal("moving the mouse was not taken for activity")
			}
		}
		b.Eval(nil, `(clock.skip(651), idle)`)
		b.Eval(nil, `clock.skip(60)`)
		b.WaitUntil("the way back", `document.querySelector("#again").offsetParent !== null`)
	})
}

// The outcome of init and shutdown in quick succession, row by row as the document's table
// has it, and how the samples make it work.
func TestSamplesReopen(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	s := serve(t, w, sampleSiteNamed(t, "plain"))
	b := harness.NewTab(t, "customer")
	c := harness.Conversation{Tab: b}
	b.Open(s.URL + "/empty")
	b.Eval(nil, `void (window.account = async () => (await fetch("/my-backend/chat", { method: "POST" })).json())`)
	step(t, &c, "NS-13 INIT-8 SHUT-2 EV-14 the document's table", func(t *testing.T) {
		b.Expect("NS-13", map[string]any{
			"shutdown before init":        "ACS-310",
			"init while init runs":        "ACS-321",
			"shutdown while init runs":    "ACS-321",
			"the first init":              "",
			"init after init":             "ACS-204",
			"still there":                 "",
			"init while shutdown runs":    "ACS-321",
			"shutdown while one runs":     "ACS-321",
			"the first shutdown":          "",
			"shutdown after shutdown":     "ACS-310",
			"init after await shutdown":   "",
			"an old engagement":           "ACS-310",
			"init in SHUTDOWN's handler":  "",
			"there after SHUTDOWN's init": "",
		}, `
			const o = {}, params = await account();
			o["shutdown before init"] = await code(() => sdk.shutdown());
			const first = code(() => sdk.init(params)), at = [code(() => sdk.init(params)), code(() => sdk.shutdown())];
			[o["init while init runs"], o["shutdown while init runs"]] = await Promise.all(at);
			o["the first init"] = await first;
			o["init after init"] = await code(() => sdk.init(params));
			o["still there"] = await code(() => sdk.getEngagements());
			const engagement = await sdk.createEngagement();
			const ending = code(() => sdk.shutdown()), then = [code(() => sdk.init(params)), code(() => sdk.shutdown())];
			[o["init while shutdown runs"], o["shutdown while one runs"]] = await Promise.all(then);
			o["the first shutdown"] = await ending;
			o["shutdown after shutdown"] = await code(() => sdk.shutdown());
			o["init after await shutdown"] = await code(() => sdk.init(params));
			o["an old engagement"] = await code(() => engagement.sendMessage("x"));
			const again = new Promise((done) => sdk.on("SHUTDOWN", () => done(code(() => sdk.init(params)))));
			await sdk.shutdown();
			o["init in SHUTDOWN's handler"] = await again;
			o["there after SHUTDOWN's init"] = await code(() => sdk.getEngagements());
			sdk.off("SHUTDOWN");
			await sdk.shutdown();
			return o;`)
	})
	step(t, &c, "INIT-8 NS-13 inTurn: init, shutdown, init in one tick", func(t *testing.T) {
		b.Expect("INIT-8", map[string]any{"outcomes": []string{"", "", "", "", ""}, "there": ""}, `
			const { inTurn } = await import("/in-turn.js"), params = await account();
			const outcomes = await Promise.all([sdk.init, sdk.shutdown, sdk.init, sdk.shutdown, sdk.init].map((f, i) =>
				code(() => inTurn(() => (i %% 2 ? f() : f(params))))));
			return { outcomes, there: await code(() => sdk.getEngagements()) };`)
	})
	step(t, &c, "INIT-8 NS-13 reopen: three at once, and where no session is open", func(t *testing.T) {
		b.Expect("INIT-8", map[string]any{"outcomes": []string{"", "", ""}, "there": "", "again": "", "failed": "Error", "after": ""}, `
			const { reopen } = await import("/reopen.js");
			const outcomes = await Promise.all([0, 1, 2].map(() => code(() => reopen(account))));
			const there = await code(() => sdk.getEngagements());
			await sdk.shutdown();
			const again = await code(() => reopen(account));
			const failed = await reopen(async () => { throw new Error("no back end") }).catch((e) => e.name);
			return { outcomes, there, again, failed, after: await code(() => reopen(account)) };`)
	})
}

// reactHarness mounts and unmounts the document's component by the test's hand.
const reactHarness = `
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { flushSync } from "react-dom";
import { Chat } from "./Chat.jsx";

const fetchAccount = async () => (await fetch("/my-backend/chat", { method: "POST" })).json();
const root = createRoot(document.getElementById("root"));
window.mount = (on) => flushSync(() => root.render(on ? <StrictMode><Chat fetchAccount={fetchAccount} /></StrictMode> : null));
`

func TestSamplesReact(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	for _, name := range []string{"React StrictMode", "React"} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, w, sampleSiteNamed(t, name))
			b := harness.NewTab(t, "customer")
			c := harness.Conversation{Tab: b, Agent: w.NewAgent(t, "Bo "+s.customer)}
			b.Open(s.URL + "/harness")
			step(t, &c, "INIT-8 mounted and unmounted in one tick: nothing is opened", func(t *testing.T) {
				b.Eval(nil, `void (mount(true), mount(false))`)
				b.Eval(nil, `import("/harness.js")`) // some turns later
				if n := len(s.began.All()) + len(s.accounts.All()); n != 0 {
					t.Errorf("%d requests were made", n)
				}
			})
			step(t, &c, "INIT-8 NS-13 mounted three times in one tick: one session, one stream", func(t *testing.T) {
				b.Eval(nil, `void (mount(true), mount(false), mount(true), mount(false), mount(true))`)
				canSend(b)
				c.ID = s.engagement(c.Agent, 1)
				c.Agent.Accept(c.ID)
				b.WaitUntil("the agent", `document.body.innerText.includes("has joined the chat")`) // the form moves down once more
				writes(b, "customer: mounted")
				showsOnce(b, "customer: mounted")
				if sessions, streams := len(s.began.All()), len(s.Streams.All()); sessions != 1 || streams != 1 {
					t.Errorf("%d sessions and %d event streams were opened", sessions, streams)
				}
			})
			step(t, &c, "SHUT-1 ENG-4 unmounted: the session ends, the chat goes on, mounted again it is joined", func(t *testing.T) {
				b.Eval(nil, `mount(false)`)
				ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
				defer cancel()
				if _, err := s.ended.Wait(ctx, func(list []string) bool { return len(list) == 1 }); err != nil {
					t.Fatal("the session was not ended")
				}
				<-s.Stream(1).Ended
				c.Agent.Send(c.ID, "agent: while nothing is mounted")
				b.Eval(nil, `mount(true)`)
				canSend(b)
				showsOnce(b, "customer: mounted", "agent: while nothing is mounted")
			})
			step(t, &c, "INIT-8 NS-13 unmounted while init runs, and mounted again", func(t *testing.T) {
				b.Eval(nil, `mount(false)`)
				gate, reached := make(chan struct{}), make(chan struct{})
				var once sync.Once
				s.refuses(func(rw http.ResponseWriter, r *http.Request) bool {
					if r.Method == "POST" && strings.HasSuffix(r.URL.Path, "/sessions") {
						once.Do(func() { close(reached) })
						<-gate
					}
					return false
				})
				b.Eval(nil, `mount(true)`)
				<-reached
				b.Eval(nil, `void (mount(false), mount(true))`)
				close(gate)
				canSend(b)
				showsOnce(b, "agent: while nothing is mounted") // what was said before moves the form down
				writes(b, "customer: mounted in the middle")
				showsOnce(b, "customer: mounted in the middle")
				if streams, over := len(s.Streams.All()), len(s.ended.All()); streams != over+1 {
					t.Errorf("%d event streams were opened, %d sessions ended", streams, over)
				}
			})
		})
	}
}

// The samples that are no whole integration, each called as its document says.
func TestSamplesTopics(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	s := serve(t, w, sampleSiteNamed(t, "plain"))
	b := harness.NewTab(t, "customer")
	b.AllowErrors(harness.NetworkErrors)
	b.ControlClock()
	c := harness.Conversation{Tab: b, Agent: w.NewAgent(t, "Bo "+s.customer)}
	s.visit(b)
	c.ID = s.engagement(c.Agent, 1)
	step(t, &c, "PAGE-2 PAGE-4 history.js shows all pages, and stays where one cannot be read", func(t *testing.T) {
		b.JS(nil, `
			const { showHistory } = await import("/history.js");
			const [engagement] = await sdk.getEngagements();
			for (let i = 0; i < 20; i++) await engagement.sendMessage("message " + i);
			const more = document.createElement("button"), seen = [];
			let turned = () => {};
			await showHistory(engagement, more, (items) => { seen.push(...items.map((m) => m.messageIndex)); turned(); });
			const click = () => new Promise((resolve) => { turned = resolve; more.click(); });
			Object.assign(window, { more, seen, click });`)
		s.refuses(func(rw http.ResponseWriter, r *http.Request) bool {
			if r.Method != "GET" || !strings.HasSuffix(r.URL.Path, "/messages") {
				return false
			}
			harness.WriteProblem(rw, 400, "by-the-test", "before")
			return true
		})
		b.Expect("PAGE-4", map[string]any{"code": "ACS-317", "seen": 15, "again": true}, `
			const { warn } = console;
			const error = await new Promise((resolve) => { console.warn = (text, error) => resolve(error); more.click(); });
			console.warn = warn;
			await null; // the handler's own last line
			return { code: error.code, seen: seen.length, again: !more.hidden && !more.disabled }`)
		s.refuses(nil)
		b.Expect("PAGE-2", map[string]any{"whole": true}, `
			while (!more.hidden) await click();
			return { whole: seen.length > 20 && seen.every((index, i) => index === seen.length - i) }`)
	})
	step(t, &c, "NS-13 NS-14 explain.js has words for each code, and for what is no error of the SDK", func(t *testing.T) {
		b.Expect("NS-14", map[string]any{"known": true, "different": 5, "other": "Something went wrong on this page."}, `
			const { explain } = await import("/explain.js"), { error } = console;
			console.error = () => {};
			const say = (code) => explain(new sdk.ACSException(code, "a text"));
			const texts = ["ACS-304", "ACS-305", "ACS-306", "ACS-319", "ACS-322", "ACS-311"].map(say);
			const other = explain(new TypeError("a text"));
			console.error = error;
			return { known: texts.every((text) => text && !text.includes("a text")), different: new Set(texts).size, other }`)
	})
	step(t, &c, "NS-2 EV-2 fake-sdk.ts stands in for the SDK", func(t *testing.T) {
		b.Expect("NS-2", map[string]any{"user": "Ann", "received": []string{"second USER_CLOSED"}}, `
			const { fakeSDK } = await import("/fake-sdk.js"), received = [];
			const { sdk: fake, raise } = fakeSDK(async () => ({ displayName: "Ann", engagements: [] }));
			fake.on("SHUTDOWN", (e) => received.push("first " + e.reason));
			fake.on("SHUTDOWN", (e) => received.push("second " + e.reason));
			const user = await fake.init({});
			raise("SHUTDOWN", { eventDate: new Date(), reason: "USER_CLOSED" });
			raise("INITIALIZED", user);
			return { user: user.displayName, received }`)
	})
	step(t, &c, "EV-5 IDLE-2 NS-8 idle.js warns, and the customer stays", func(t *testing.T) {
		b.JS(nil, `
			const { warnWhenIdle } = await import("/idle.js");
			const part = (name) => document.body.appendChild(Object.assign(document.createElement(name), { id: "idle-" + name }));
			part("div").hidden = true;
			warnWhenIdle(part("section"), part("p"), part("button"));
			document.querySelector("#idle-section").hidden = true;
			await sdk.resetIdleTimeout();`)
		shown := func(want bool) string {
			return fmt.Sprintf(`document.querySelector("#idle-section").hidden === %v`, !want)
		}
		b.Eval(nil, `clock.skip(901)`)
		b.WaitUntil("the warning", shown(true)+` && document.querySelector("#idle-p").textContent === "The chat will be paused in 60 seconds."`)
		b.Eval(nil, `document.querySelector("#idle-button").click()`)
		b.WaitUntil("no warning", shown(false))
		b.Eval(nil, `clock.skip(890)`)
		b.WaitSettled()
		b.WaitUntil("still no warning", shown(false))
		b.Eval(nil, `clock.skip(20)`)
		b.WaitUntil("the next warning", shown(true))
		b.JS(nil, `sdk.resetIdleTimeout(); sdk.off("IDLE_TIMEOUT_EXPIRED")`)
	})
	step(t, &c, "ENG-4 EV-8 test-agent.js is the agent of a chat", func(t *testing.T) {
		b.Expect("EV-8", map[string]any{"waiting": true, "received": true, "last": "from the agent for tests"}, `
			const { signIn } = await import("/test-agent.js");
			const agent = await signIn(location.origin, "Agent for tests"), id = %s;
			const waiting = (await agent.waiting()).some((one) => one.engagementId === id);
			await agent.accept(id);
			await agent.say(id, "from the agent for tests");
			const texts = await agent.texts(id);
			return { waiting, received: texts.includes("message 19"), last: texts.at(-1) }`, c.ID)
		showsOnce(b, "from the agent for tests")
	})
	step(t, &c, "ENG-5 SHUT-1 leave.js ends the chat and the session", func(t *testing.T) {
		b.Expect("ENG-5", map[string]any{"before": "", "after": "ACS-310", "stored": true}, `
			const { leave } = await import("/leave.js");
			const [engagement] = await sdk.getEngagements();
			const before = await code(() => leave(engagement));
			return { before, after: await code(() => sdk.getEngagements()), stored: sessionStorage.getItem("ccaasClientSessionId") === null }`)
		c.Agent.Wait("the end of the chat", func(f harness.DeskFrame) bool { return f.Chat.EngagementID == c.ID && f.Chat.State == "ended" })
	})
}
