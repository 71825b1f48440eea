package browser

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// until waits until a condition of the page's document holds. It looks whenever the
// document changes.
func (b *tab) until(what, condition string, args ...any) {
	b.t.Helper()
	var held bool
	b.eval(&held, `new Promise((resolve) => {
		const look = () => `+condition+`;
		if (look()) return resolve(true);
		const observer = new MutationObserver(() => { if (look()) { observer.disconnect(); resolve(true); } });
		observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
		setTimeout(() => { observer.disconnect(); resolve(false); }, `+fmt.Sprint(patience.Milliseconds()-5000)+`);
	})`, args...)
	if !held {
		b.t.Fatalf("tab %q: %s did not come", b.name, what)
	}
}

// enter presses Enter. chromedp's own key events insert a line break even where the
// page has taken the key for something else; a keyboard does not.
func (b *tab) enter() {
	b.t.Helper()
	key := func(kind input.KeyType, text string) chromedp.Action {
		return input.DispatchKeyEvent(kind).WithKey("Enter").WithCode("Enter").WithText(text).WithWindowsVirtualKeyCode(13)
	}
	b.run(key(input.KeyDown, "\r"), key(input.KeyUp, ""))
}

func testid(id string) string { return `[data-testid="` + id + `"]` }

// click clicks as a hand does, once the thing is there to be clicked.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.run(chromedp.Click(selector, chromedp.ByQuery, chromedp.NodeVisible))
}

// typeInto types text with the keyboard.
func (b *tab) typeInto(selector, text string) {
	b.t.Helper()
	b.click(selector)
	b.run(input.InsertText(text))
}

// shown waits for a message in a timeline of the demo.
func (b *tab) shown(text string) {
	b.t.Helper()
	b.until("the message "+text, `[...document.querySelectorAll('[data-testid="message-text"]')].some((e) => e.textContent.includes(%s))`, text)
}

// timeline are the texts of all messages on the screen.
func (b *tab) timeline() (texts []string) {
	b.t.Helper()
	b.eval(&texts, `[...document.querySelectorAll('[data-testid="message-text"]')].map((e) => e.textContent)`)
	return texts
}

func TestDemoPages(t *testing.T) {
	shared(t)
	w := newWorld(t)
	home := w.gateway.url() + "/"

	t.Run("the policy", func(t *testing.T) {
		for _, path := range []string{"", "desk", "customer/main.js", "avaya-ccaas-chat-sdk.js"} {
			r, err := http.Get(home + path)
			if err != nil {
				t.Fatal(err)
			}
			r.Body.Close()
			policy := r.Header.Get("Content-Security-Policy")
			if r.StatusCode != 200 {
				t.Errorf("/%s: %s", path, r.Status)
			}
			if path != "" && path != "desk" {
				continue
			}
			for _, want := range []string{"default-src 'none'", "require-trusted-types-for 'script'", "script-src 'self' 'wasm-unsafe-eval';"} {
				if !strings.Contains(policy, want) {
					t.Errorf("/%s: the policy lacks %s: %s", path, want, policy)
				}
			}
			if strings.Contains(policy, "unsafe-inline") || strings.Contains(policy, "'unsafe-eval'") {
				t.Errorf("/%s: the policy is not strict: %s", path, policy)
			}
		}
	})

	t.Run("a chat", func(t *testing.T) {
		const markup = `<img src=x onerror="alert(1)"> & <b>bold</b>`
		customer := newTab(t, "customer")
		customer.size(1280, 800, false)
		customer.open(home)
		customer.click(testid("launcher"))
		customer.typeInto(testid("name"), "Ada Lovelace")
		customer.typeInto(testid("topic"), "A lamp that hums")
		customer.click(testid("start"))
		customer.shown("I am looking for an agent")

		agent := newTab(t, "agent")
		agent.size(1280, 800, false)
		agent.open(home + "desk")
		agent.typeInto(testid("agent-name"), "Bo Mender")
		agent.click(testid("sign-in"))
		agent.until("the waiting chat", `document.querySelector('[data-testid="waiting-item"]')?.textContent.includes("A lamp that hums")`)
		agent.click(testid("waiting-item") + " " + testid("accept"))
		customer.until("the agent's name", `document.querySelector('[data-testid="chat-title"]').textContent.includes("Bo Mender")
			|| document.querySelector('[data-testid="chat-subtitle"]').textContent.includes("Bo Mender")
			|| document.querySelector('[data-testid="messages"]').textContent.includes("Bo Mender")`)
		agent.until("the conversation", `!document.querySelector('[data-testid="composer-form"]').hidden`)
		agent.typeInto(testid("composer"), "Good morning, how does it hum?")
		agent.click(testid("send"))
		customer.shown("how does it hum?")
		customer.typeInto(testid("composer"), markup)
		customer.enter()
		agent.shown(markup)
		agent.typeInto(testid("composer"), "Markup stays text here.")
		agent.enter()
		customer.shown("Markup stays text")
		customer.typeInto(testid("composer"), "It hums in B flat, and louder in the evening, when the children are in bed and the house is quiet.")
		customer.click(testid("send"))
		agent.shown("B flat")
		for _, b := range []*tab{customer, agent} {
			var left string
			if b.eval(&left, `document.querySelector('[data-testid="composer"]').value`); left != "" {
				t.Errorf("tab %q: after sending, the box holds %q", b.name, left)
			}
		}
		customer.until("delivered", `[...document.querySelectorAll('[data-testid="message"]')].at(-1).textContent.toLowerCase().includes("delivered")`)

		customer.screenshot("demo-customer-desktop")
		agent.screenshot("demo-desk-desktop")
		customer.size(360, 740, true)
		agent.size(360, 740, true)
		customer.until("the narrow page", `document.documentElement.scrollWidth <= 360`)
		agent.until("the narrow page", `document.documentElement.scrollWidth <= 360`)
		customer.screenshot("demo-customer-360-dark")
		agent.screenshot("demo-desk-360-dark")
		customer.size(1280, 800, false)
		agent.size(1280, 800, false)

		before := customer.timeline()
		if !slices.Contains(before, markup) || len(before) < 5 {
			t.Errorf("the timeline: %q", before)
		}
		customer.open(home)
		customer.shown("B flat")
		customer.until("the same timeline", `JSON.stringify([...document.querySelectorAll('[data-testid="message-text"]')].map((e) => e.textContent)) === JSON.stringify(%s)`, before)

		// The agent's words still come, and a second desk joins as supervisor.
		agent.typeInto(testid("composer"), "Still here.")
		agent.click(testid("send"))
		customer.shown("Still here.")
		supervisor := newTab(t, "supervisor")
		supervisor.size(1280, 800, true)
		supervisor.open(home + "desk")
		supervisor.typeInto(testid("agent-name"), "Cleo Watch")
		supervisor.click(testid("sign-in"))
		supervisor.click(testid("other-item") + " " + testid("supervise"))
		supervisor.until("the conversation", `!document.querySelector('[data-testid="composer-form"]').hidden`)
		supervisor.shown("Still here.")
		supervisor.typeInto(testid("composer"), "A word from the supervisor.")
		supervisor.click(testid("send"))
		customer.shown("A word from the supervisor.")
		supervisor.screenshot("demo-desk-supervisor-dark")

		customer.click(testid("end"))
		customer.click(testid("end-yes"))
		customer.until("the end", `!document.querySelector('[data-testid="over"]').hidden`)
		agent.until("the end at the desk", `!document.querySelector('[data-testid="ended"]').hidden`)
		customer.screenshot("demo-customer-over")
		customer.click(testid("restart"))
		customer.until("the form for another", `!document.querySelector('[data-testid="start-form"]').hidden && document.querySelector('[data-testid="start-form"]').offsetParent !== null`)
		customer.typeInto(testid("topic"), "Another")
		customer.click(testid("start"))
		customer.shown("I am looking for an agent")
	})
}

// Half an emoji, as a text box that cuts one, a dictation or a paste leaves it: no JSON in
// UTF-8 can carry it, so each page makes the replacement character of it before it sends,
// as a browser does wherever a text becomes UTF-8.
func TestDemoHalfAnEmoji(t *testing.T) {
	w := newWorld(t)
	home := w.gateway.url() + "/"
	// put writes what no keyboard of CDP can: %s is JSON, and JavaScript reads the escape.
	put := func(b *tab, selector, text string) {
		t.Helper()
		b.until(selector, `document.querySelector(%s)?.offsetParent`, selector)
		b.eval(nil, `((box, text) => {
			box.focus();
			box.value = text.replace("HALF", "\ud83d").replace("REST", "\ude00");
			box.dispatchEvent(new Event("input", { bubbles: true }));
		})(document.querySelector(%s), %s)`, selector, text)
	}
	// older takes toWellFormed away, as browsers before 2023 have it.
	for _, older := range []bool{false, true} {
		name := map[bool]string{false: "toWellFormed", true: "older browsers"}[older]
		t.Run("MSG-1 "+name, func(t *testing.T) {
			open := func(name, url string) *tab {
				b := newTab(t, name)
				if older {
					b.run(chromedp.ActionFunc(func(ctx context.Context) error {
						_, err := page.AddScriptToEvaluateOnNewDocument(`delete String.prototype.toWellFormed;`).Do(ctx)
						return err
					}))
				}
				b.size(1280, 800, false)
				b.open(url)
				return b
			}
			topic := "A lamp, " + name
			customer := open("customer", home)
			customer.click(testid("launcher"))
			put(customer, testid("name"), "Ada HALF")
			put(customer, testid("topic"), topic+" REST")
			customer.click(testid("start"))
			customer.shown("I am looking for an agent")

			agent := open("agent", home+"desk")
			put(agent, testid("agent-name"), "BoHALF Mender")
			agent.click(testid("sign-in"))
			item := `[...document.querySelectorAll('[data-testid="waiting-item"]')].find((e) => e.textContent.includes(%s) && e.textContent.includes("Ada \ufffd"))`
			agent.until("the waiting chat", item, topic+" \ufffd")
			agent.eval(nil, item+`.querySelector('[data-testid="accept"]').click()`, topic+" \ufffd")
			customer.until("the agent's name", `document.querySelector('[data-testid="chat-title"]').textContent.includes("Bo\ufffd Mender")`)
			for i, from := range []*tab{agent, customer} {
				to := []*tab{customer, agent}[i]
				put(from, testid("composer"), fmt.Sprintf("REST of it %d, and HALF", i))
				from.click(testid("send"))
				to.shown(fmt.Sprintf("\ufffd of it %d, and \ufffd", i))
				from.until("the message as it was sent", `[...document.querySelectorAll('[data-testid="message"]')].some((e) => e.textContent.includes(%s) && ["sent", "delivered"].includes(e.dataset.state))`,
					fmt.Sprintf("\ufffd of it %d, and \ufffd", i))
			}
			put(agent, testid("composer"), "A whole one: HALFREST")
			agent.click(testid("send"))
			customer.shown("A whole one: 😀")
		})
	}
	t.Run("MSG-1 names that an earlier visit has kept", func(t *testing.T) {
		customer := newTab(t, "customer")
		customer.size(1280, 800, false)
		customer.open(home)
		customer.eval(nil, `localStorage.setItem("hollis.customer", JSON.stringify({ customerId: crypto.randomUUID(), name: "Kept \ud83d" }))`)
		customer.open(home)
		customer.click(testid("launcher"))
		customer.typeInto(testid("topic"), "A kept name")
		customer.click(testid("start"))
		customer.shown("I am looking for an agent")
		agent := newTab(t, "agent")
		agent.size(1280, 800, false)
		agent.open(home + "desk?name=" + strings.Repeat("x", 69) + "%F0%9F%98%80")
		agent.until("the name without a half of it", `document.querySelector('[data-testid="agent-name"]').value === "x".repeat(69)`)
		agent.eval(nil, `sessionStorage.setItem("hollis.desk.agent", JSON.stringify({ agentId: crypto.randomUUID(), agentName: "Kept \ud83d" }))`)
		agent.open(home + "desk")
		item := `[...document.querySelectorAll('[data-testid="waiting-item"]')].find((e) => e.textContent.includes("A kept name"))`
		agent.until("the waiting chat", item)
		agent.eval(nil, item+`.querySelector('[data-testid="accept"]').click()`)
		customer.until("the agent's name", `document.querySelector('[data-testid="chat-title"]').textContent.includes("Kept \ufffd")`)
	})
}
