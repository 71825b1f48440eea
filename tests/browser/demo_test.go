package browser

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"openchat/tests/harness"
)

func testid(id string) string { return `[data-testid="` + id + `"]` }

// waitShown waits for a message in a timeline of the demo.
func waitShown(b *harness.Tab, text string) {
	b.T.Helper()
	b.WaitUntil("the message "+text, `[...document.querySelectorAll('[data-testid="message-text"]')].some((e) => e.textContent.includes(%s))`, text)
}

// timeline are the texts of all messages on the screen.
func timeline(b *harness.Tab) (texts []string) {
	b.T.Helper()
	b.Eval(&texts, `[...document.querySelectorAll('[data-testid="message-text"]')].map((e) => e.textContent)`)
	return texts
}

func TestDemoPages(t *testing.T) {
	t.Parallel()
	harness.Shared(t)
	w := harness.NewEnvironment(t)
	home := w.Gateway.URL + "/"

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
			scripts := "script-src 'self' 'wasm-unsafe-eval';"
			if path == "desk" {
				scripts = "script-src 'self';"
			}
			for _, want := range []string{"default-src 'none'", "require-trusted-types-for 'script'", scripts} {
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
		customer := harness.NewTab(t, "customer")
		customer.SetSize(1280, 800, false)
		customer.Open(home)
		customer.Click(testid("launcher"))
		customer.Type(testid("name"), "Ada Lovelace")
		customer.Type(testid("topic"), "A lamp that hums")
		customer.Click(testid("start"))
		waitShown(customer, "I am looking for an agent")

		agent := harness.NewTab(t, "agent")
		agent.SetSize(1280, 800, false)
		agent.Open(home + "desk")
		agent.Type(testid("agent-name"), "Bo Mender")
		agent.Click(testid("sign-in"))
		agent.WaitUntil("the waiting chat", `document.querySelector('[data-testid="waiting-item"]')?.textContent.includes("A lamp that hums")`)
		agent.Click(testid("waiting-item") + " " + testid("accept"))
		customer.WaitUntil("the agent's name", `document.querySelector('[data-testid="chat-title"]').textContent.includes("Bo Mender")
			|| document.querySelector('[data-testid="chat-subtitle"]').textContent.includes("Bo Mender")
			|| document.querySelector('[data-testid="messages"]').textContent.includes("Bo Mender")`)
		agent.WaitUntil("the conversation", `!document.querySelector('[data-testid="composer-form"]').hidden`)
		agent.Type(testid("composer"), "Good morning, how does it hum?")
		agent.Click(testid("send"))
		waitShown(customer, "how does it hum?")
		customer.Type(testid("composer"), markup)
		customer.PressEnter()
		waitShown(agent, markup)
		agent.Type(testid("composer"), "Markup stays text here.")
		agent.PressEnter()
		waitShown(customer, "Markup stays text")
		customer.Type(testid("composer"), "It hums in B flat, and louder in the evening, when the children are in bed and the house is quiet.")
		customer.Click(testid("send"))
		waitShown(agent, "B flat")
		for _, b := range []*harness.Tab{customer, agent} {
			var left string
			if b.Eval(&left, `document.querySelector('[data-testid="composer"]').value`); left != "" {
				t.Errorf("tab %q: after sending, the box holds %q", b.Name, left)
			}
		}
		customer.WaitUntil("delivered", `[...document.querySelectorAll('[data-testid="message"]')].at(-1).textContent.toLowerCase().includes("delivered")`)

		customer.Screenshot("demo-customer-desktop")
		agent.Screenshot("demo-desk-desktop")
		customer.SetSize(360, 740, true)
		agent.SetSize(360, 740, true)
		customer.WaitUntil("the narrow page", `document.documentElement.scrollWidth <= 360`)
		agent.WaitUntil("the narrow page", `document.documentElement.scrollWidth <= 360`)
		customer.Screenshot("demo-customer-360-dark")
		agent.Screenshot("demo-desk-360-dark")
		customer.SetSize(1280, 800, false)
		agent.SetSize(1280, 800, false)

		before := timeline(customer)
		if !slices.Contains(before, markup) || len(before) < 5 {
			t.Errorf("the timeline: %q", before)
		}
		customer.Open(home)
		waitShown(customer, "B flat")
		customer.WaitUntil("the same timeline", `JSON.stringify([...document.querySelectorAll('[data-testid="message-text"]')].map((e) => e.textContent)) === JSON.stringify(%s)`, before)

		// The agent's words still come, and a second desk joins as supervisor.
		agent.Type(testid("composer"), "Still here.")
		agent.Click(testid("send"))
		waitShown(customer, "Still here.")
		supervisor := harness.NewTab(t, "supervisor")
		supervisor.SetSize(1280, 800, true)
		supervisor.Open(home + "desk")
		supervisor.Type(testid("agent-name"), "Cleo Watch")
		supervisor.Click(testid("sign-in"))
		supervisor.Click(testid("other-item") + " " + testid("supervise"))
		supervisor.WaitUntil("the conversation", `!document.querySelector('[data-testid="composer-form"]').hidden`)
		waitShown(supervisor, "Still here.")
		supervisor.Type(testid("composer"), "A word from the supervisor.")
		supervisor.Click(testid("send"))
		waitShown(customer, "A word from the supervisor.")
		supervisor.Screenshot("demo-desk-supervisor-dark")

		customer.Click(testid("end"))
		customer.Click(testid("end-yes"))
		customer.WaitUntil("the end", `!document.querySelector('[data-testid="over"]').hidden`)
		agent.WaitUntil("the end at the desk", `!document.querySelector('[data-testid="ended"]').hidden`)
		customer.Screenshot("demo-customer-over")
		customer.Click(testid("restart"))
		customer.WaitUntil("the form for another", `!document.querySelector('[data-testid="start-form"]').hidden && document.querySelector('[data-testid="start-form"]').offsetParent !== null`)
		customer.Type(testid("topic"), "Another")
		customer.Click(testid("start"))
		waitShown(customer, "I am looking for an agent")
	})
}

// Half an emoji, as a text box that cuts one, a dictation or a paste leaves it: no JSON in
// UTF-8 can carry it, so each page makes the replacement character of it before it sends,
// as a browser does wherever a text becomes UTF-8.
func TestDemoHalfAnEmoji(t *testing.T) {
	t.Parallel()
	w := harness.NewEnvironment(t)
	home := w.Gateway.URL + "/"
	// put writes what no keyboard of CDP can: %s is JSON, and JavaScript reads the escape.
	put := func(b *harness.Tab, selector, text string) {
		t.Helper()
		b.WaitUntil(selector, `document.querySelector(%s)?.offsetParent`, selector)
		b.Eval(nil, `((box, text) => {
			box.focus();
			box.value = text.replace("HALF", "\ud83d").replace("REST", "\ude00");
			box.dispatchEvent(new Event("input", { bubbles: true }));
		})(document.querySelector(%s), %s)`, selector, text)
	}
	// older takes toWellFormed away, as browsers before 2023 have it.
	for _, older := range []bool{false, true} {
		name := map[bool]string{false: "toWellFormed", true: "older browsers"}[older]
		t.Run("MSG-1 "+name, func(t *testing.T) {
			open := func(name, url string) *harness.Tab {
				b := harness.NewTab(t, name)
				if older {
					b.OnNewDocument(`delete String.prototype.toWellFormed;`)
				}
				b.SetSize(1280, 800, false)
				b.Open(url)
				return b
			}
			topic := "A lamp, " + name
			customer := open("customer", home)
			customer.Click(testid("launcher"))
			put(customer, testid("name"), "Ada HALF")
			put(customer, testid("topic"), topic+" REST")
			customer.Click(testid("start"))
			waitShown(customer, "I am looking for an agent")

			agent := open("agent", home+"desk")
			put(agent, testid("agent-name"), "BoHALF Mender")
			agent.Click(testid("sign-in"))
			item := `[...document.querySelectorAll('[data-testid="waiting-item"]')].find((e) => e.textContent.includes(%s) && e.textContent.includes("Ada \ufffd"))`
			agent.WaitUntil("the waiting chat", item, topic+" \ufffd")
			agent.Eval(nil, item+`.querySelector('[data-testid="accept"]').click()`, topic+" \ufffd")
			customer.WaitUntil("the agent's name", `document.querySelector('[data-testid="chat-title"]').textContent.includes("Bo\ufffd Mender")`)
			for i, from := range []*harness.Tab{agent, customer} {
				to := []*harness.Tab{customer, agent}[i]
				put(from, testid("composer"), fmt.Sprintf("REST of it %d, and HALF", i))
				from.Click(testid("send"))
				waitShown(to, fmt.Sprintf("\ufffd of it %d, and \ufffd", i))
				from.WaitUntil("the message as it was sent", `[...document.querySelectorAll('[data-testid="message"]')].some((e) => e.textContent.includes(%s) && ["sent", "delivered"].includes(e.dataset.state))`,
					fmt.Sprintf("\ufffd of it %d, and \ufffd", i))
			}
			put(agent, testid("composer"), "A whole one: HALFREST")
			agent.Click(testid("send"))
			waitShown(customer, "A whole one: 😀")
		})
	}
	t.Run("MSG-1 names that an earlier visit has kept", func(t *testing.T) {
		customer := harness.NewTab(t, "customer")
		customer.SetSize(1280, 800, false)
		customer.Open(home)
		customer.Eval(nil, `localStorage.setItem("hollis.customer", JSON.stringify({ customerId: crypto.randomUUID(), name: "Kept \ud83d" }))`)
		customer.Open(home)
		customer.Click(testid("launcher"))
		customer.Type(testid("topic"), "A kept name")
		customer.Click(testid("start"))
		waitShown(customer, "I am looking for an agent")
		agent := harness.NewTab(t, "agent")
		agent.SetSize(1280, 800, false)
		agent.Open(home + "desk?name=" + strings.Repeat("x", 69) + "%F0%9F%98%80")
		agent.WaitUntil("the name without a half of it", `document.querySelector('[data-testid="agent-name"]').value === "x".repeat(69)`)
		agent.Eval(nil, `sessionStorage.setItem("hollis.desk.agent", JSON.stringify({ agentId: crypto.randomUUID(), agentName: "Kept \ud83d" }))`)
		agent.Open(home + "desk")
		item := `[...document.querySelectorAll('[data-testid="waiting-item"]')].find((e) => e.textContent.includes("A kept name"))`
		agent.WaitUntil("the waiting chat", item)
		agent.Eval(nil, item+`.querySelector('[data-testid="accept"]').click()`)
		customer.WaitUntil("the agent's name", `document.querySelector('[data-testid="chat-title"]').textContent.includes("Kept \ufffd")`)
	})
}
