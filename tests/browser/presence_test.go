package browser

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/inspector"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"openchat/tests/harness"
)

// crash kills the process of the tab's page, and returns when it is dead. Where the engine
// cannot, it closes the tab: the page's connection ends as suddenly.
func crash(b *harness.Tab) {
	b.T.Helper()
	if !harness.Has(harness.Crashing) {
		b.Close()
		return
	}
	dead := make(chan struct{}, 1)
	chromedp.ListenTarget(b.Target().Context, func(event any) {
		if _, ok := event.(*inspector.EventTargetCrashed); ok {
			select {
			case dead <- struct{}{}:
			default:
			}
		}
	})
	ctx, cancel := context.WithCancel(b.Target().Context)
	over := make(chan struct{})
	go func() { defer close(over); _ = chromedp.Run(ctx, inspector.Enable(), page.Crash()) }() // there is nobody to answer
	defer func() { cancel(); <-over }()
	select {
	case <-dead:
	case <-time.After(harness.Timeout):
		b.T.Fatalf("tab %q does not crash", b.Name)
	}
}

// agents are the agents that are in the chat, as "name id".
func agents(c *harness.Chat) (list []string) {
	for _, p := range c.Participants {
		if p.ParticipantType == "AGENT" || p.ParticipantType == "SUPERVISOR" {
			list = append(list, p.DisplayName+" "+p.ParticipantID)
		}
	}
	return list
}

// signIn opens the desk's page as a new browser tab does, and signs in.
func signIn(w *harness.Environment, b *harness.Tab, name string) {
	b.T.Helper()
	nameAtDesk(w, b, name)
	goLive(b)
}

// nameAtDesk opens the desk's page and fills in who signs in there.
func nameAtDesk(w *harness.Environment, b *harness.Tab, name string) {
	b.T.Helper()
	b.SetSize(1280, 800, false)
	b.Open(w.Gateway.URL + "/desk")
	b.Type(testid("agent-name"), name)
}

// goLive signs in whom nameAtDesk has named.
func goLive(b *harness.Tab) {
	b.T.Helper()
	b.Click(testid("sign-in"))
	b.WaitUntil("the desk to be live", `document.querySelector('[data-testid="connection"]').dataset.state === "live"`)
}

// People whose browser dies: what the others see of it, on the demo's pages.
func TestPresence(t *testing.T) {
	t.Parallel()
	w := harness.NewEnvironment(t, "--customer-grace", "3s", "--agent-grace", "4s", "--abandon-after", "25s")
	home := w.Gateway.URL + "/"
	watcher := w.NewAgent(t, "Watcher")
	title := func(b *harness.Tab, want string) {
		t.Helper()
		b.WaitUntil("the title "+want, `document.querySelector('[data-testid="chat-title"]').textContent === %s`, want)
	}
	customer := harness.NewTab(t, "customer")
	customer.SetSize(1280, 800, false)
	customer.Open(home)
	customer.Click(testid("launcher"))
	customer.Type(testid("name"), "Ada Lovelace")
	customer.Type(testid("topic"), "A lamp that hums")
	customer.Click(testid("start"))
	waitShown(customer, "I am looking for an agent")
	first := harness.NewTab(t, "agent")
	signIn(w, first, "Bo")
	first.Click(testid("waiting-item") + " " + testid("accept"))
	title(customer, "Bo")
	var begun harness.Chat
	watcher.Wait("the chat", func(f harness.DeskFrame) bool {
		begun = f.Chat
		return f.Type == "chat" && f.Chat.State == "active"
	})
	id := begun.EngagementID
	bo := agents(&begun)
	last := func(match func(harness.Chat) bool) func(harness.DeskFrame) bool {
		return func(f harness.DeskFrame) bool { return f.Type == "chat" && f.Chat.EngagementID == id && match(f.Chat) }
	}

	var second, third *harness.Tab
	t.Run("DESK-3 the agent's tab dies: the chat waits again, and is theirs with one accept", func(t *testing.T) {
		crash(first)
		watcher.Wait("the chat to wait again", last(func(c harness.Chat) bool { return c.State == "waiting" && c.Requeued }))
		waitShown(customer, "Bo was disconnected. Another agent will be with you soon.")
		title(customer, "The workshop")
		second = first.Another("agent, second")
		signIn(w, second, "Bo")
		second.Click(testid("waiting-item") + " " + testid("accept"))
		title(customer, "Bo")
		var now harness.Chat
		watcher.Call("GET", "/engagements/"+id, nil, &now)
		if got := strings.Join(agents(&now), ", "); got != strings.Join(bo, ", ") {
			t.Errorf("in are %s, not %s", got, bo)
		}
	})
	t.Run("DESK-3 back within the grace: the agent goes on", func(t *testing.T) {
		third = first.Another("agent, third")
		nameAtDesk(w, third, "Bo") // a browser may take longer than the grace for that
		crash(second)
		goLive(third)
		third.Click(testid("chat-item") + " .item-open")
		third.Type(testid("composer"), "As I was saying.")
		third.Click(testid("send"))
		waitShown(customer, "As I was saying.")
	})
	cleo := harness.NewTab(t, "Cleo")
	t.Run("DESK-4 another agent takes over: never two", func(t *testing.T) {
		signIn(w, cleo, "Cleo")
		cleo.Click(testid("other-item") + " .item-open")
		cleo.WaitUntil("the way in", `!document.querySelector('[data-testid="take-over"]').hidden`)
		cleo.Screenshot("demo-desk-take-over")
		cleo.Click(testid("take-over"))
		waitShown(customer, "Cleo has taken over the chat from Bo.")
		title(customer, "Cleo")
		third.WaitUntil("the chat at another desk", `document.querySelector('[data-testid="other-item"]') && document.querySelector('[data-testid="composer-form"]').hidden`)
		cleo.WaitUntil("the conversation", `!document.querySelector('[data-testid="composer-form"]').hidden`)
	})
	// A reload, and all that was before: the customer was never away; and Bo was lost once.
	customer.Open(home)
	waitShown(customer, "Cleo has taken over")
	for _, f := range watcher.Frames.All() {
		if f.Chat.CustomerPresence == "away" {
			t.Errorf("the customer was away: %+v", f.Chat)
		}
	}
	again := customer
	t.Run("DESK-1 the customer's tab dies, and they come back", func(t *testing.T) {
		crash(customer)
		cleo.WaitUntil("the customer to be away", `document.querySelector('[data-testid="customer-away"]').textContent.startsWith("Customer away since") && !document.querySelector('[data-testid="customer-away"]').hidden`)
		cleo.Screenshot("demo-desk-customer-away")
		again = customer.Another("customer again")
		again.SetSize(1280, 800, false)
		again.Open(home)
		again.Click(testid("launcher"))
		again.Click(testid("join-existing"))
		waitShown(again, "As I was saying.")
		cleo.WaitUntil("the customer to be back", `document.querySelector('[data-testid="customer-away"]').hidden`)
		watcher.Wait("the customer to be back", last(func(c harness.Chat) bool { return c.State == "active" && c.CustomerPresence == "present" }))
	})
	t.Run("DESK-2 the customer stays away: the chat ends, with a line that says why", func(t *testing.T) {
		crash(again)
		waitShown(cleo, "The chat was ended because the customer left.")
		cleo.WaitUntil("the end", `!document.querySelector('[data-testid="ended"]').hidden`)
		watcher.Wait("the end", last(func(c harness.Chat) bool { return c.State == "ended" }))
		said := harness.TextsFrom(watcher.Messages(id), "SYSTEM")
		lines := strings.Join(said, "|")
		if strings.Count(lines, "was disconnected") != 1 || strings.Count(lines, "because the customer left") != 1 || !strings.HasSuffix(lines, "because the customer left.") {
			t.Errorf("System said %q", said)
		}
		late := customer.Another("customer, too late")
		late.Open(home)
		late.Click(testid("launcher"))
		late.WaitUntil("the form for a new chat", `document.querySelector('[data-testid="start-form"]').offsetParent !== null && !document.querySelector('[data-testid="join-existing"]')?.offsetParent`)
	})
}
