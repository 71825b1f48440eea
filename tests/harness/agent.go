package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"openchat/sdk/wire"
)

// Agent is an agent with a desk, in a test.
type Agent struct {
	T        *testing.T
	Desk     Desk
	ID, Name string
	Frames   Log[DeskFrame]
}

// NewAgent opens an agent's desk, and keeps its stream open until the test ends.
func (w *Environment) NewAgent(t *testing.T, name string) *Agent {
	t.Helper()
	d := &Agent{T: t, Desk: Desk{URL: w.Gateway.URL, Credential: DeskCredential}, ID: uuid.NewString(), Name: name}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		for ctx.Err() == nil {
			// It may fail: the gateway may be down on purpose. Whoever waits for a frame fails.
			_ = d.Desk.Follow(ctx, "", func(f DeskFrame) error {
				d.Frames.Add(f)
				return nil
			})
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-over })
	ready, end := context.WithTimeout(ctx, Timeout)
	defer end()
	if _, err := d.Frames.Wait(ready, func(list []DeskFrame) bool { return len(list) > 0 }); err != nil {
		t.Fatalf("desk %s: no snapshot: %v", name, err)
	}
	return d
}

// Call makes a call of the desk's API, and reads the answer into answer unless that is nil.
// A refusal fails the test.
func (d *Agent) Call(method, path string, body, answer any) {
	d.T.Helper()
	d.check(func(context.Context) error { return d.Try(method, path, body, answer) })
}

// check fails the test for an error.
func (d *Agent) check(call func(context.Context) error) {
	d.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	if err := call(ctx); err != nil {
		d.T.Fatalf("desk %s: %v", d.Name, err)
	}
}

// Try is Call that returns what goes wrong.
func (d *Agent) Try(method, path string, body, answer any) error {
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	text, err := d.Desk.Call(ctx, method, path, body)
	if err != nil || answer == nil {
		return err
	}
	return json.Unmarshal(text, answer)
}

// Me is the agent in the body of a call.
func (d *Agent) Me() map[string]string {
	return map[string]string{"agentId": d.ID, "agentName": d.Name}
}

// Accept takes a chat; it waits until the chat has come to the desk.
func (d *Agent) Accept(engagementID string) {
	d.T.Helper()
	d.Wait("the chat to wait", func(f DeskFrame) bool {
		for _, c := range append(f.Chats, f.Chat) {
			if c.EngagementID == engagementID && c.State == "waiting" {
				return true
			}
		}
		return false
	})
	d.check(func(ctx context.Context) error { return d.Desk.Accept(ctx, engagementID, d.ID, d.Name) })
}

// Send sends a message.
func (d *Agent) Send(engagementID, text string) {
	d.T.Helper()
	d.check(func(context.Context) error { return d.TrySend(engagementID, text) })
}

// TrySend is Send for other goroutines than the test's.
func (d *Agent) TrySend(engagementID, text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	return d.Desk.Send(ctx, engagementID, d.ID, text, uuid.NewString())
}

// EndChat ends a chat.
func (d *Agent) EndChat(engagementID string) {
	d.T.Helper()
	d.check(func(ctx context.Context) error { return d.Desk.End(ctx, engagementID, d.ID) })
}

// Wait waits for a frame of the desk's stream, past or to come.
func (d *Agent) Wait(what string, match func(DeskFrame) bool) {
	d.T.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), Timeout, fmt.Errorf("not in %v", Timeout))
	defer cancel()
	if _, err := d.Frames.Wait(ctx, func(list []DeskFrame) bool {
		for _, f := range list {
			if match(f) {
				return true
			}
		}
		return false
	}); err != nil {
		d.T.Fatalf("desk %s waited for %s: %v", d.Name, what, err)
	}
}

// WaitText waits for a message of a chat.
func (d *Agent) WaitText(engagementID, text string) {
	d.T.Helper()
	d.Wait("the message "+text, func(f DeskFrame) bool {
		return f.Type == "message" && f.Message.EngagementID == engagementID && f.Message.Body.Text == text
	})
}

// Messages reads the whole chat as it is stored, oldest first, and checks that its indexes
// have no gap.
func (d *Agent) Messages(engagementID string) (list []wire.Message) {
	d.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	for {
		page, err := d.Desk.MessagesAfter(ctx, engagementID, int64(len(list)))
		if err != nil {
			d.T.Fatalf("desk %s: %v", d.Name, err)
		}
		for _, m := range page.Messages {
			if m.MessageIndex != int64(len(list))+1 {
				d.T.Fatalf("message %d follows %d in the store", m.MessageIndex, len(list))
			}
			list = append(list, m)
		}
		if !page.HasNewer || len(page.Messages) == 0 {
			return list
		}
	}
}

// TextsFrom are the texts of a sender's messages; "" for all senders.
func TextsFrom(list []wire.Message, sender string) (texts []string) {
	for _, m := range list {
		if sender == "" || strings.EqualFold(string(m.SenderParticipantType), sender) {
			texts = append(texts, m.Body.Text)
		}
	}
	return texts
}
