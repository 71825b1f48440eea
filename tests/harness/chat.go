package harness

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
)

// Conversation is a customer's page with a chat, and the agent who has accepted it.
type Conversation struct {
	*Tab
	ID    string // of the engagement
	Agent *Agent
}

// WarnLevel is the config of most pages.
const WarnLevel = `{logLevel: "WARN"}`

// StartChat opens a page, starts a chat, and lets an agent accept it.
func (w *Environment) StartChat(t *testing.T, customer string, o TokenOptions) Conversation {
	t.Helper()
	b := NewTab(t, "customer")
	b.Open(w.Origin.URL + "/t/page.html")
	w.Init(b, customer, o, WarnLevel)
	id := CreateEngagement(b)
	b.WaitEvent("MESSAGE_ARRIVED", nil)
	agent := w.NewAgent(t, "Bo "+customer)
	agent.Accept(id)
	b.WaitEvent("PARTICIPANT_ADDED", func(m Message) bool { return m.Participant.ParticipantType == "AGENT" })
	return Conversation{b, id, agent}
}

// CreateEngagement starts a chat and returns its id.
func CreateEngagement(b *Tab) string {
	b.T.Helper()
	var r struct {
		ID    string
		Error *struct{ Code, Message string }
	}
	b.Eval(&r, `t.create({topic: "A chat"})`)
	if r.Error != nil {
		b.T.Fatalf("tab %q: createEngagement: %s %s", b.Name, r.Error.Code, r.Error.Message)
	}
	return r.ID
}

// SendTexts sends texts one after the other, without waiting for answers between them,
// and waits for all of them.
func SendTexts(b *Tab, id string, texts ...string) {
	b.T.Helper()
	var failed []string
	b.Eval(&failed, `Promise.all(%s.map((text) => t.send(%s, text))).then((l) => l.filter((r) => r.error).map((r) => r.error.text))`, texts, id)
	for _, f := range failed {
		b.T.Errorf("tab %q: sendMessage: %s", b.Name, f)
	}
}

// NewCustomerID makes the id of a customer whom the gateway does not know.
func NewCustomerID(name string) string { return name + " " + uuid.NewString()[:8] }

// Numbered returns n texts, "prefix 1" and on.
func Numbered(prefix string, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("%s %d", prefix, i+1))
	}
	return list
}

// ExpectTexts compares texts.
func ExpectTexts(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// ReadHistory reads the chat as a page does.
func ReadHistory(b *Tab, id string, pageSize int) (texts []string) {
	b.T.Helper()
	var list []struct {
		Index int
		Text  string
	}
	b.Eval(&list, `t.history(%s, %s)`, id, pageSize)
	for i, m := range list {
		if m.Index != i+1 {
			b.T.Errorf("PAGE-2: message %d of the history has index %d", i+1, m.Index)
		}
		texts = append(texts, m.Text)
	}
	return texts
}

// OpenPage opens a page at an origin and calls init.
func (w *Environment) OpenPage(b *Tab, o *Origin, page, customer string, to TokenOptions, config string) {
	b.T.Helper()
	b.Open(o.URL + "/t/" + page)
	w.Init(b, customer, to, config)
}

// Init calls init with a config, JSON, and fails the test when it fails.
func (w *Environment) Init(b *Tab, customer string, to TokenOptions, config string) {
	b.T.Helper()
	var r struct {
		Error *struct{ Code, Message string }
		Same  *bool // nil: the page does not compare
	}
	b.Eval(&r, `t.init(%s, `+config+`)`, w.InitParams(b.T, customer, to))
	if r.Error != nil {
		b.T.Fatalf("tab %q: init: %s %s", b.Name, r.Error.Code, r.Error.Message)
	}
	if r.Same != nil && !*r.Same {
		b.T.Error("INIT-7: INITIALIZED carries another object than init resolves with")
	}
}

// StartChatAt opens a page, starts a chat and lets an agent accept it.
func (w *Environment) StartChatAt(t *testing.T, o *Origin, page, config string) Conversation {
	t.Helper()
	return w.StartChatAs(t, o, page, NewCustomerID("row"), config)
}

// StartChatAs is StartChatAt for a customer.
func (w *Environment) StartChatAs(t *testing.T, o *Origin, page, customer, config string) Conversation {
	t.Helper()
	b := NewTab(t, "customer")
	b.AllowErrors(NetworkErrors)
	w.OpenPage(b, o, page, customer, TokenOptions{TTL: 50 * time.Minute}, config) // longer than any test turns the clock on
	id := CreateEngagement(b)
	b.WaitEvent("MESSAGE_ARRIVED", nil)
	agent := w.NewAgent(t, "Bo "+customer)
	agent.Accept(id)
	b.WaitEvent("PARTICIPANT_ADDED", func(m Message) bool { return m.Participant.ParticipantType == "AGENT" })
	// What is said when the agent comes and the bot goes has been delivered, too.
	b.WaitEvent("PARTICIPANT_DISCONNECTED", func(m Message) bool { return m.Participant.ParticipantType == "BOT" })
	b.WaitEvent("MESSAGE_ARRIVED", func(m Message) bool { return m.MessageIndex == int64(len(agent.Messages(id))) })
	return Conversation{b, id, agent}
}
