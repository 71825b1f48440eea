package browser

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"openchat/tests/harness"
)

// Characters that lead readers astray, by their names.
const (
	rlo, lro, pdf      = "\u202e", "\u202d", "\u202c"
	rli, lri, fsi, pdi = "\u2067", "\u2066", "\u2068", "\u2069"
	zwsp, zwj, zwnj    = "\u200b", "\u200d", "\u200c"
	rlm, bom, shy      = "\u200f", "\ufeff", "\u00ad"
)

// hostile are texts of messages. Each is shown as it is written.
var hostile = []string{
	`<script>window.pwned = 1</script>`,
	`<img src=x onerror="window.pwned = 1">`,
	`<svg/onload=window.pwned=1><iframe srcdoc="<script>parent.pwned=1</script>"></iframe>`,
	`</p></div></textarea></script><!-- --><base href="https://example.com/"><style>*{display:none}</style>`,
	`javascript:window.pwned=1 [click](javascript:window.pwned=1) https://example.com/?a=b&c=d`,
	`{{7*7}} ${7*7} <%= 7*7 %> #{7*7} {{constructor.constructor('window.pwned=1')()}} %s %d $& $1`,
	`&lt;b&gt;not bold&lt;/b&gt; &amp;amp; &#60;script&#62; \u003cscript\u003e`,
	rlo + "gnp.exe" + lro + " never closed",
	pdf + pdf + pdi + pdi + "closes what is not its own" + pdi,
	rli + lri + fsi + "opened three times " + rlm + "and left open " + "שלום עולם 12:34",
	"مرحبا <b>world</b> 10:57 — " + rlo + "ok",
	"a" + zwsp + zwnj + zwj + bom + shy + "b" + strings.Repeat(zwsp, 500) + "c",
	strings.Repeat("😀", 2048),
	strings.Repeat("𝕬", 2048),
	strings.Repeat("a", 4096),
	"https://example.com/" + strings.Repeat("path%20", 500),
	strings.Repeat("\u00a0", 400) + "after no-break spaces",
	strings.Repeat("\t", 60) + "after tabs",
	"first\n\nthird\r\nfourth\u2028fifth\u2029sixth" + strings.Repeat("\n", 20) + "last",
	"﷽﷽﷽ 𒐫𒐫𒐫 ꧅꧅",
	"     spaces     kept     ",
}

// unbreakable are one character each to readers, however long: no line can be broken in
// them, so they may be cut off.
var unbreakable = []string{
	strings.TrimSuffix(strings.Repeat("👩"+zwj, 400), zwj),
	"Z" + strings.Repeat("\u0300\u0301\u0320\u0489", 60),
}

// checkLayout asks a question of pages/layout.js, whose answer is a list of what is wrong.
func checkLayout(b *harness.Tab, what, question string, args ...any) {
	b.T.Helper()
	var found []string
	b.Eval(&found, "("+strings.ReplaceAll(questions(b.T), "%", "%%")+")."+question, args...)
	if len(found) > 0 {
		b.T.Errorf("tab %q, %s: %q", b.Name, what, found)
	}
}

// questions is pages/layout.js, which no page loads.
func questions(t *testing.T) string {
	t.Helper()
	script, err := os.ReadFile("pages/layout.js")
	if err != nil {
		t.Fatal(err)
	}
	return string(script)
}

// TestDemoText says the worst in messages, names, topics and parameters, and looks at
// both pages of the demo, narrow and wide.
func TestDemoText(t *testing.T) {
	t.Parallel()
	w := harness.NewEnvironment(t)
	home := w.Gateway.URL + "/"
	const (
		customerName = `<b onclick=window.pwned=1>Ann` + rlo + `</b>`
		agentName    = `Bob <img src=x onerror=window.pwned=1>`
		longName     = `ＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷ`
		topic        = `</title><script>window.pwned=1</script>` + rli + `{{7*7}} ` + rlo + `cipot`
	)

	// Another chat, of a customer with a long name and hostile parameters.
	other := harness.NewTab(t, "other")
	other.Open(w.Origin.URL + "/t/page.html")
	params := w.InitParams(t, "other", harness.TokenOptions{})
	other.Eval(nil, `t.init({ ...%s, displayName: "x" }, {logLevel: "WARN"})`, params)
	parameters := map[string]string{
		"topic":                              strings.Repeat("topic", 51),
		`<img src=x onerror=window.pwned=1>`: `"><script>window.pwned=1</script>`,
		rlo + "yek":                          rlo + "eulav" + pdi + pdf,
		"__proto__":                          "{{constructor}}",
		strings.Repeat("k", 64):              strings.Repeat("v", 256),
		"emoji":                              strings.Repeat("😀", 128),
		"url":                                "javascript:window.pwned=1",
	}
	text, err := json.Marshal(parameters)
	if err != nil {
		t.Fatal(err)
	}
	var created struct {
		Error *struct{ Text string }
	}
	other.Eval(&created, `t.create(JSON.parse(%s))`, string(text)) // in a literal, __proto__ is none
	if created.Error != nil {
		t.Fatal(created.Error.Text)
	}

	customer := harness.NewTab(t, "customer")
	customer.SetSize(1280, 800, false)
	customer.Open(home)
	customer.Click(testid("launcher"))
	customer.Type(testid("name"), customerName)
	customer.Type(testid("topic"), topic)
	checkLayout(customer, "the form", "spills()")
	customer.Click(testid("start"))
	waitShown(customer, "I am looking for an agent")
	var id string
	customer.Eval(&id, `AvayaCCaaSChatSDK.getEngagements().then((l) => l[0].engagementId)`)

	agent := harness.NewTab(t, "agent")
	agent.SetSize(1280, 800, false)
	agent.Open(home + "desk")
	agent.Type(testid("agent-name"), agentName)
	agent.Click(testid("sign-in"))
	item := fmt.Sprintf(`[data-engagement-id=%q]`, id)
	agent.WaitUntil("the waiting chat", `document.querySelector(%s)?.querySelector(".item-topic").textContent === %s`, item, topic)
	agent.Click(item + " " + testid("accept"))
	agent.WaitUntil("the conversation", `!document.querySelector('[data-testid="composer-form"]').hidden`)
	supervisor := w.NewAgent(t, longName[:len("Ｗ")*70])
	supervisor.Call("POST", "/engagements/"+id+":supervise", supervisor.Me(), nil)
	customer.WaitUntil("both names", `document.querySelector('[data-testid="chat-title"]').textContent === %s`, agentName+", "+supervisor.Name)

	t.Run("texts are shown as they were written", func(t *testing.T) {
		customer.T, agent.T = t, t
		// By hand, once each; the rest by the API.
		for i, text := range []string{hostile[1], hostile[7]} {
			from, to := customer, agent
			if i == 1 {
				from, to = agent, customer
			}
			from.Type(testid("composer"), text)
			from.Click(testid("send"))
			waitShown(to, text)
		}
		for i, text := range slices.Concat(hostile, unbreakable) {
			if i%2 == 0 {
				supervisor.Send(id, text)
				continue
			}
			var failed string
			customer.Eval(&failed, `AvayaCCaaSChatSDK.getEngagements().then((l) => l[0].sendMessage(%s)).then(() => "", String)`, text)
			if failed != "" {
				t.Errorf("%.30q: %s", text, failed)
			}
		}
		supervisor.Send(id, "the end")
		for _, b := range []*harness.Tab{customer, agent} {
			waitShown(b, "the end")
			want := harness.TextsFrom(supervisor.Messages(id), "")
			got := timeline(b)
			harness.ExpectTexts(t, b.Name, got, want[len(want)-len(got):])
			if len(got) < len(hostile) {
				t.Errorf("tab %q shows %d messages", b.Name, len(got))
			}
			checkLayout(b, "what texts became", "foreign()")
		}
		if got := harness.TextsFrom(supervisor.Messages(id), ""); !slices.Equal(got[len(got)-1-len(hostile)-len(unbreakable):len(got)-1], slices.Concat(hostile, unbreakable)) {
			t.Errorf("stored: %q", got)
		}
	})

	t.Run("the layout is whole", func(t *testing.T) {
		customer.T, agent.T = t, t
		for _, width := range []int64{360, 1280} {
			for _, b := range []*harness.Tab{customer, agent} {
				b.SetSize(width, 740, width == 360)
				b.Eval(nil, `new Promise((f) => requestAnimationFrame(() => requestAnimationFrame(f)))`)
				what := fmt.Sprint(width, " px")
				checkLayout(b, what, "spills()")
				checkLayout(b, what, "overlaps()")
				checkLayout(b, what, "times()")
				b.Screenshot(fmt.Sprint("hostile-", b.Name, "-", width))
				checkLayout(b, what+", cut off", "cut(%s)", unbreakable)
				checkLayout(b, what, "away()")
			}
			// The names in the customer's title: one after the other, each for itself.
			checkLayout(customer, "the title", `backwards('[data-testid="chat-title"]', %s)`, ", ")
			checkLayout(customer, "the title", `backwards('[data-testid="chat-title"]', %s)`, "ＷＷ")
			checkLayout(agent, "tags", `backwards('.tag', %s)`, "Supervisor")
			checkLayout(agent, "the tag", `backwards('.tag', %s)`, "Agent")
		}
	})

	t.Run("a reader who has gone up stays there", func(t *testing.T) {
		customer.T = t
		var at, later float64
		customer.Eval(&at, `new Promise((done) => { const s = document.getElementById("scroller"); s.onscroll = () => done(s.scrollTop); s.scrollTop -= 500 })`)
		supervisor.Send(id, "news")
		waitShown(customer, "news")
		var hidden bool
		customer.Eval(&hidden, `document.querySelector('[data-testid="jump"]').hidden`)
		if customer.Eval(&later, `document.getElementById("scroller").scrollTop`); later != at || hidden {
			t.Errorf("from %v to %v; the button that leads to the news is hidden: %v", at, later, hidden)
		}
		customer.Click(testid("jump"))
		checkLayout(customer, "after the jump", "away()")
	})

	t.Run("the other chat at the desk", func(t *testing.T) {
		agent.T = t
		for _, width := range []int64{1280, 360} {
			agent.SetSize(width, 740, false)
			if width == 1280 {
				agent.Click(`[data-testid="waiting-item"] .item-open`)
				agent.WaitUntil("its parameters", `document.querySelector('[data-testid="parameters"]').textContent.includes("{{constructor}}")`)
			}
			var got []string
			agent.Eval(&got, `[...document.querySelectorAll('[data-testid="parameters"] dt')].map((e) => e.textContent + "=" + e.nextElementSibling.textContent).sort()`)
			var want []string
			for k, v := range parameters {
				want = append(want, k+"="+v)
			}
			slices.Sort(want)
			slices.Sort(got)
			harness.ExpectTexts(t, "parameters", got, want)
			checkLayout(agent, fmt.Sprint(width, " px"), "spills()")
			checkLayout(agent, "what texts became", "foreign()")
			checkLayout(agent, "keys", `backwards('[data-testid="parameters"] dt', %s)`, "__proto__")
			agent.Screenshot(fmt.Sprint("hostile-parameters-", width))
		}
	})

	t.Run("4,096 astral characters are twice the bound", func(t *testing.T) {
		customer.T = t
		customer.SetSize(360, 740, false)
		customer.Type(testid("composer"), strings.Repeat("😀", 4096))
		customer.WaitUntil("the counter", `document.querySelector('[data-testid="counter"]').textContent.startsWith("4096 ")`)
		var disabled bool
		if customer.Eval(&disabled, `document.querySelector('[data-testid="send"]').disabled`); !disabled {
			t.Error("it can be sent")
		}
		checkLayout(customer, "the box", "spills()")
		customer.Screenshot("hostile-composer-360")
	})

	t.Run("Trusted Types are enforced", func(t *testing.T) {
		for _, b := range []*harness.Tab{customer, agent} {
			b.T = t
			b.CheckErrors() // until here nothing violated the policy
			b.AllowErrors(`TrustedHTML|TrustedScript|trusted-types|unsafe-eval|require-trusted-types|policy violated|Content.Security.Policy`)
			var passed []string
			b.EvalAs(harness.AsPage, &passed, "(%s).strings()", harness.Script(questions(t)))
			if len(passed) > 0 {
				t.Errorf("tab %q: markup or code was made of strings by %q", b.Name, passed)
			}
		}
	})
}
