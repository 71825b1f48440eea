package browser

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/inspector"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// crash kills the process of the tab's page, and returns when it is dead.
func (b *tab) crash() {
	b.t.Helper()
	dead := make(chan struct{}, 1)
	chromedp.ListenTarget(b.ctx, func(event any) {
		if _, ok := event.(*inspector.EventTargetCrashed); ok {
			select {
			case dead <- struct{}{}:
			default:
			}
		}
	})
	ctx, cancel := context.WithCancel(b.ctx)
	over := make(chan struct{})
	go func() { defer close(over); _ = chromedp.Run(ctx, inspector.Enable(), page.Crash()) }() // there is nobody to answer
	defer func() { cancel(); <-over }()
	select {
	case <-dead:
	case <-time.After(patience):
		b.t.Fatalf("tab %q does not crash", b.name)
	}
}

// agents are the agents that are in the chat, as "name id".
func (c *chat) agents() (list []string) {
	for _, p := range c.Participants {
		if p.ParticipantType == "AGENT" || p.ParticipantType == "SUPERVISOR" {
			list = append(list, p.DisplayName+" "+p.ParticipantID)
		}
	}
	return list
}

// signIn opens the desk's page as a new browser tab does.
func (w *world) signIn(b *tab, name string) {
	b.t.Helper()
	b.size(1280, 800, false)
	b.open(w.gateway.url() + "/desk")
	b.typeInto(testid("agent-name"), name)
	b.click(testid("sign-in"))
	b.until("the desk to be live", `document.querySelector('[data-testid="connection"]').dataset.state === "live"`)
}

// People whose browser dies: what the others see of it, on the demo's pages.
func TestPresence(t *testing.T) {
	w := newWorld(t, "--customer-grace", "3s", "--agent-grace", "4s", "--abandon-after", "25s")
	home := w.gateway.url() + "/"
	watcher := w.newDesk(t, "Watcher")
	title := func(b *tab, want string) {
		t.Helper()
		b.until("the title "+want, `document.querySelector('[data-testid="chat-title"]').textContent === %s`, want)
	}
	customer := newTab(t, "customer")
	customer.size(1280, 800, false)
	customer.open(home)
	customer.click(testid("launcher"))
	customer.typeInto(testid("name"), "Ada Lovelace")
	customer.typeInto(testid("topic"), "A lamp that hums")
	customer.click(testid("start"))
	customer.shown("I am looking for an agent")
	first := newTab(t, "agent")
	w.signIn(first, "Bo")
	first.click(testid("waiting-item") + " " + testid("accept"))
	title(customer, "Bo")
	var begun chat
	watcher.wait("the chat", func(f deskFrame) bool {
		begun = f.Chat
		return f.Type == "chat" && f.Chat.State == "active"
	})
	id := begun.EngagementID
	bo := begun.agents()
	last := func(match func(chat) bool) func(deskFrame) bool {
		return func(f deskFrame) bool { return f.Type == "chat" && f.Chat.EngagementID == id && match(f.Chat) }
	}

	var second, third *tab
	t.Run("DESK-3 the agent's tab dies: the chat waits again, and is theirs with one accept", func(t *testing.T) {
		first.crash()
		watcher.wait("the chat to wait again", last(func(c chat) bool { return c.State == "waiting" && c.Requeued }))
		customer.shown("Bo was disconnected. Another agent will be with you soon.")
		title(customer, "The workshop")
		second = first.another("agent, second")
		w.signIn(second, "Bo")
		second.click(testid("waiting-item") + " " + testid("accept"))
		title(customer, "Bo")
		var now chat
		watcher.call("GET", "/engagements/"+id, nil, &now)
		if got := strings.Join(now.agents(), ", "); got != strings.Join(bo, ", ") {
			t.Errorf("in are %s, not %s", got, bo)
		}
	})
	t.Run("DESK-3 back within the grace: the agent goes on", func(t *testing.T) {
		second.crash()
		third = first.another("agent, third")
		w.signIn(third, "Bo")
		third.click(testid("chat-item") + " .item-open")
		third.typeInto(testid("composer"), "As I was saying.")
		third.click(testid("send"))
		customer.shown("As I was saying.")
	})
	cleo := newTab(t, "Cleo")
	t.Run("DESK-4 another agent takes over: never two", func(t *testing.T) {
		w.signIn(cleo, "Cleo")
		cleo.click(testid("other-item") + " .item-open")
		cleo.until("the way in", `!document.querySelector('[data-testid="take-over"]').hidden`)
		cleo.screenshot("demo-desk-take-over")
		cleo.click(testid("take-over"))
		customer.shown("Cleo has taken over the chat from Bo.")
		title(customer, "Cleo")
		third.until("the chat at another desk", `document.querySelector('[data-testid="other-item"]') && document.querySelector('[data-testid="composer-form"]').hidden`)
		cleo.until("the conversation", `!document.querySelector('[data-testid="composer-form"]').hidden`)
	})
	// A reload, and all that was before: the customer was never away; and Bo was lost once.
	customer.open(home)
	customer.shown("Cleo has taken over")
	for _, f := range watcher.news.all() {
		if f.Chat.CustomerPresence == "away" {
			t.Errorf("the customer was away: %+v", f.Chat)
		}
	}
	again := customer
	t.Run("DESK-1 the customer's tab dies, and they come back", func(t *testing.T) {
		customer.crash()
		cleo.until("the customer to be away", `document.querySelector('[data-testid="customer-away"]').textContent.startsWith("Customer away since") && !document.querySelector('[data-testid="customer-away"]').hidden`)
		cleo.screenshot("demo-desk-customer-away")
		again = customer.another("customer again")
		again.size(1280, 800, false)
		again.open(home)
		again.click(testid("launcher"))
		again.click(testid("join-existing"))
		again.shown("As I was saying.")
		cleo.until("the customer to be back", `document.querySelector('[data-testid="customer-away"]').hidden`)
		watcher.wait("the customer to be back", last(func(c chat) bool { return c.State == "active" && c.CustomerPresence == "present" }))
	})
	t.Run("DESK-2 the customer stays away: the chat ends, with a line that says why", func(t *testing.T) {
		again.crash()
		cleo.shown("The chat was ended because the customer left.")
		cleo.until("the end", `!document.querySelector('[data-testid="ended"]').hidden`)
		watcher.wait("the end", last(func(c chat) bool { return c.State == "ended" }))
		said := texts(watcher.messages(id), "SYSTEM")
		lines := strings.Join(said, "|")
		if strings.Count(lines, "was disconnected") != 1 || strings.Count(lines, "because the customer left") != 1 || !strings.HasSuffix(lines, "because the customer left.") {
			t.Errorf("System said %q", said)
		}
		late := customer.another("customer, too late")
		late.open(home)
		late.click(testid("launcher"))
		late.until("the form for a new chat", `document.querySelector('[data-testid="start-form"]').offsetParent !== null && !document.querySelector('[data-testid="join-existing"]')?.offsetParent`)
	})
}
