package browser

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
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

// layout asks a question of pages/layout.js, whose answer is a list of what is wrong.
func (b *tab) layout(what, question string, args ...any) {
	b.t.Helper()
	var found []string
	b.eval(&found, "("+strings.ReplaceAll(questions(b.t), "%", "%%")+")."+question, args...)
	if len(found) > 0 {
		b.t.Errorf("tab %q, %s: %q", b.name, what, found)
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

// TestHostileText says the worst in messages, names, topics and parameters, and looks at
// both pages of the demo, narrow and wide.
func TestHostileText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	home := w.gateway.url() + "/"
	const (
		customerName = `<b onclick=window.pwned=1>Ann` + rlo + `</b>`
		agentName    = rlo + `Bob <img src=x onerror=window.pwned=1>`
		longName     = `ＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷＷ`
		topic        = `</title><script>window.pwned=1</script>` + rli + `{{7*7}} ` + rlo + `cipot`
	)
	alerts := func(b *tab) *tab {
		chromedp.ListenTarget(b.ctx, func(event any) {
			if e, ok := event.(*page.EventJavascriptDialogOpening); ok {
				b.trouble.add("a dialog opened: " + e.Message)
			}
		})
		return b
	}

	// Another chat, of a customer with a long name and hostile parameters.
	other := newTab(t, "other")
	other.open(w.origin.url + "/t/page.html")
	params := w.params(t, "other", tokenOptions{})
	other.eval(nil, `t.init({ ...%s, displayName: "x" }, {logLevel: "WARN"})`, params)
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
	other.eval(&created, `t.create(JSON.parse(%s))`, string(text)) // in a literal, __proto__ is none
	if created.Error != nil {
		t.Fatal(created.Error.Text)
	}

	customer := alerts(newTab(t, "customer"))
	customer.size(1280, 800, false)
	customer.open(home)
	customer.click(testid("launcher"))
	customer.typeInto(testid("name"), customerName)
	customer.typeInto(testid("topic"), topic)
	customer.layout("the form", "spills()")
	customer.click(testid("start"))
	customer.shown("I am looking for an agent")
	var id string
	customer.eval(&id, `AvayaCCaaSChatSDK.getEngagements().then((l) => l[0].engagementId)`)

	agent := alerts(newTab(t, "agent"))
	agent.size(1280, 800, false)
	agent.open(home + "desk")
	agent.typeInto(testid("agent-name"), agentName)
	agent.click(testid("sign-in"))
	item := fmt.Sprintf(`[data-engagement-id=%q]`, id)
	agent.until("the waiting chat", `document.querySelector(%s)?.querySelector(".item-topic").textContent === %s`, item, topic)
	agent.click(item + " " + testid("accept"))
	agent.until("the conversation", `!document.querySelector('[data-testid="composer-form"]').hidden`)
	supervisor := w.newDesk(t, longName[:len("Ｗ")*70])
	supervisor.call("POST", "/engagements/"+id+":supervise", supervisor.me(), nil)
	customer.until("both names", `document.querySelector('[data-testid="chat-title"]').textContent === %s`, agentName+", "+supervisor.name)

	t.Run("texts are shown as they were written", func(t *testing.T) {
		customer.t, agent.t = t, t
		// By hand, once each; the rest by the API.
		for i, text := range []string{hostile[1], hostile[7]} {
			from, to := customer, agent
			if i == 1 {
				from, to = agent, customer
			}
			from.typeInto(testid("composer"), text)
			from.click(testid("send"))
			to.shown(text)
		}
		for i, text := range slices.Concat(hostile, unbreakable) {
			if i%2 == 0 {
				supervisor.say(id, text)
				continue
			}
			var failed string
			customer.eval(&failed, `AvayaCCaaSChatSDK.getEngagements().then((l) => l[0].sendMessage(%s)).then(() => "", String)`, text)
			if failed != "" {
				t.Errorf("%.30q: %s", text, failed)
			}
		}
		supervisor.say(id, "the end")
		for _, b := range []*tab{customer, agent} {
			b.shown("the end")
			want := texts(supervisor.messages(id), "")
			got := b.timeline()
			wantTexts(t, b.name, got, want[len(want)-len(got):])
			if len(got) < len(hostile) {
				t.Errorf("tab %q shows %d messages", b.name, len(got))
			}
			b.layout("what texts became", "foreign()")
		}
		if got := texts(supervisor.messages(id), ""); !slices.Equal(got[len(got)-1-len(hostile)-len(unbreakable):len(got)-1], slices.Concat(hostile, unbreakable)) {
			t.Errorf("stored: %q", got)
		}
	})

	t.Run("the layout is whole", func(t *testing.T) {
		customer.t, agent.t = t, t
		for _, width := range []int64{360, 1280} {
			for _, b := range []*tab{customer, agent} {
				b.size(width, 740, width == 360)
				b.eval(nil, `new Promise((f) => requestAnimationFrame(() => requestAnimationFrame(f)))`)
				what := fmt.Sprint(width, " px")
				b.layout(what, "spills()")
				b.layout(what, "overlaps()")
				b.layout(what, "times()")
				b.screenshot(fmt.Sprint("hostile-", b.name, "-", width))
				b.layout(what+", cut off", "cut(%s)", unbreakable)
				b.layout(what, "away()")
			}
			// The names in the customer's title: one after the other, each for itself.
			customer.layout("the title", `backwards('[data-testid="chat-title"]', %s)`, ", ")
			customer.layout("the title", `backwards('[data-testid="chat-title"]', %s)`, "ＷＷ")
			agent.layout("tags", `backwards('.tag', %s)`, "Supervisor")
			agent.layout("the tag", `backwards('.tag', %s)`, "Agent")
		}
	})

	t.Run("a reader who has gone up stays there", func(t *testing.T) {
		customer.t = t
		var at, later float64
		customer.eval(&at, `new Promise((done) => { const s = document.getElementById("scroller"); s.onscroll = () => done(s.scrollTop); s.scrollTop -= 500 })`)
		supervisor.say(id, "news")
		customer.shown("news")
		var hidden bool
		customer.eval(&hidden, `document.querySelector('[data-testid="jump"]').hidden`)
		if customer.eval(&later, `document.getElementById("scroller").scrollTop`); later != at || hidden {
			t.Errorf("from %v to %v; the button that leads to the news is hidden: %v", at, later, hidden)
		}
		customer.click(testid("jump"))
		customer.layout("after the jump", "away()")
	})

	t.Run("the other chat at the desk", func(t *testing.T) {
		agent.t = t
		for _, width := range []int64{1280, 360} {
			agent.size(width, 740, false)
			if width == 1280 {
				agent.click(`[data-testid="waiting-item"] .item-open`)
				agent.until("its parameters", `document.querySelector('[data-testid="parameters"]').textContent.includes("{{constructor}}")`)
			}
			var got []string
			agent.eval(&got, `[...document.querySelectorAll('[data-testid="parameters"] dt')].map((e) => e.textContent + "=" + e.nextElementSibling.textContent).sort()`)
			var want []string
			for k, v := range parameters {
				want = append(want, k+"="+v)
			}
			slices.Sort(want)
			slices.Sort(got)
			wantTexts(t, "parameters", got, want)
			agent.layout(fmt.Sprint(width, " px"), "spills()")
			agent.layout("what texts became", "foreign()")
			agent.layout("keys", `backwards('[data-testid="parameters"] dt', %s)`, "__proto__")
			agent.screenshot(fmt.Sprint("hostile-parameters-", width))
		}
	})

	t.Run("4,096 astral characters are twice the bound", func(t *testing.T) {
		customer.t = t
		customer.size(360, 740, false)
		customer.typeInto(testid("composer"), strings.Repeat("😀", 4096))
		customer.until("the counter", `document.querySelector('[data-testid="counter"]').textContent.startsWith("4096 ")`)
		var disabled bool
		if customer.eval(&disabled, `document.querySelector('[data-testid="send"]').disabled`); !disabled {
			t.Error("it can be sent")
		}
		customer.layout("the box", "spills()")
		customer.screenshot("hostile-composer-360")
	})

	t.Run("Trusted Types are enforced", func(t *testing.T) {
		for _, b := range []*tab{customer, agent} {
			b.t = t
			b.check() // until here nothing violated the policy
			b.allow(`TrustedHTML|TrustedScript|trusted-types|unsafe-eval|require-trusted-types|policy violated|Content Security Policy`)
			var passed []string
			b.run(chromedp.Evaluate("("+questions(t)+").strings()", &passed, func(p *runtime.EvaluateParams) *runtime.EvaluateParams {
				return p.WithAllowUnsafeEvalBlockedByCSP(false) // as for the page's own scripts
			}))
			if len(passed) > 0 {
				t.Errorf("tab %q: markup or code was made of strings by %q", b.name, passed)
			}
		}
	})
}
