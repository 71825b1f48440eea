package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"
)

// desk is an agent's program: it speaks the API of docs/desk-api.md.
type desk struct {
	t          *testing.T
	url        string // of the desk's API
	credential string
	id, name   string
	news       journal[deskFrame]
}

// deskFrame is what the desk's stream carries.
type deskFrame struct {
	Type    string
	Chats   []chat
	Chat    chat
	Message deskMessage
}

type chat struct {
	EngagementID         string            `json:"engagementId"`
	CustomerName         string            `json:"customerName"`
	Topic                string            `json:"topic"`
	State                string            `json:"state"`
	EngagementParameters map[string]string `json:"engagementParameters"`
	NewestIndex          int64             `json:"newestIndex"`
	Requeued             bool              `json:"requeued"`
	CustomerPresence     string            `json:"customerPresence"`
	Participants         []struct {
		ParticipantID   string `json:"participantId"`
		ParticipantType string `json:"participantType"`
		DisplayName     string `json:"displayName"`
	} `json:"participants"`
}

type deskMessage struct {
	EngagementID          string `json:"engagementId"`
	MessageIndex          int64  `json:"messageIndex"`
	SenderParticipantType string `json:"senderParticipantType"`
	Body                  struct {
		ElementText struct{ Text string } `json:"elementText"`
	} `json:"body"`
}

func (m deskMessage) text() string { return m.Body.ElementText.Text }

// newDesk opens an agent's desk, and keeps its stream open until the test ends.
func (w *world) newDesk(t *testing.T, name string) *desk {
	t.Helper()
	d := &desk{t: t, url: w.gateway.url() + "/api/desk/v1", credential: deskCredential, id: uuid.NewString(), name: name}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		for ctx.Err() == nil {
			if err := d.follow(ctx); err != nil && ctx.Err() == nil {
				// The gateway may be down on purpose; whoever waits for news says so.
				select {
				case <-time.After(100 * time.Millisecond):
				case <-ctx.Done():
				}
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-over })
	ready, end := context.WithTimeout(ctx, patience)
	defer end()
	if _, err := d.news.wait(ready, func(list []deskFrame) bool { return len(list) > 0 }); err != nil {
		t.Fatalf("desk %s: no snapshot: %v", name, err)
	}
	return d
}

func (d *desk) follow(ctx context.Context) error {
	c, _, err := websocket.Dial(ctx, d.url+"/events", &websocket.DialOptions{Subprotocols: []string{"desk.chat.v1"}})
	if err != nil {
		return err
	}
	defer c.CloseNow()
	c.SetReadLimit(1 << 20)
	hello, err := json.Marshal(map[string]string{"type": "authenticate", "credential": d.credential})
	if err != nil {
		return err
	}
	if err := c.Write(ctx, websocket.MessageText, hello); err != nil {
		return err
	}
	for {
		_, b, err := c.Read(ctx)
		if err != nil {
			return err
		}
		var f deskFrame
		if err := json.Unmarshal(b, &f); err != nil {
			return err
		}
		if f.Type == "ping" {
			if err := c.Write(ctx, websocket.MessageText, []byte(`{"type":"pong"}`)); err != nil {
				return err
			}
			continue
		}
		d.news.add(f)
	}
}

// call makes a call; an answer of another status than 200 or 201 fails the test.
func (d *desk) call(method, path string, body, answer any) {
	d.t.Helper()
	if err := d.try(method, path, body, answer); err != nil {
		d.t.Fatalf("desk %s: %v", d.name, err)
	}
}

func (d *desk) try(method, path string, body, answer any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, d.url+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+d.credential)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	text, err = io.ReadAll(a.Body)
	switch {
	case err != nil:
		return err
	case a.StatusCode != 200 && a.StatusCode != 201:
		return fmt.Errorf("%s %s: %s %s", method, path, a.Status, text)
	case answer != nil:
		return json.Unmarshal(text, answer)
	}
	return nil
}

func (d *desk) me() map[string]string {
	return map[string]string{"agentId": d.id, "agentName": d.name}
}

// accept takes a chat; it waits until the chat has come to the desk.
func (d *desk) accept(engagementID string) {
	d.t.Helper()
	d.wait("the chat to wait", func(f deskFrame) bool {
		for _, c := range append(f.Chats, f.Chat) {
			if c.EngagementID == engagementID && c.State == "waiting" {
				return true
			}
		}
		return false
	})
	d.call("POST", "/engagements/"+engagementID+":accept", d.me(), nil)
}

func (d *desk) say(engagementID, text string) {
	d.t.Helper()
	if err := d.trySay(engagementID, text); err != nil {
		d.t.Fatalf("desk %s: %v", d.name, err)
	}
}

// trySay is say for other goroutines than the test's.
func (d *desk) trySay(engagementID, text string) error {
	return d.try("POST", "/engagements/"+engagementID+"/messages",
		map[string]string{"agentId": d.id, "text": text, "correlationId": uuid.NewString()}, nil)
}

func (d *desk) end(engagementID string) {
	d.t.Helper()
	d.call("POST", "/engagements/"+engagementID+":end", map[string]string{"agentId": d.id}, nil)
}

// wait waits for a frame of the desk's stream, past or to come.
func (d *desk) wait(what string, match func(deskFrame) bool) {
	d.t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, fmt.Errorf("not in %v", patience))
	defer cancel()
	if _, err := d.news.wait(ctx, func(list []deskFrame) bool {
		for _, f := range list {
			if match(f) {
				return true
			}
		}
		return false
	}); err != nil {
		d.t.Fatalf("desk %s waited for %s: %v", d.name, what, err)
	}
}

// waitText waits for a message of a chat.
func (d *desk) waitText(engagementID, text string) {
	d.t.Helper()
	d.wait("the message "+text, func(f deskFrame) bool {
		return f.Type == "message" && f.Message.EngagementID == engagementID && f.Message.text() == text
	})
}

// messages reads the whole chat from the gateway's truth, oldest first, and checks
// that its indexes have no gap.
func (d *desk) messages(engagementID string) (list []deskMessage) {
	d.t.Helper()
	for {
		var page struct {
			Messages []deskMessage `json:"messages"`
			HasNewer bool          `json:"hasNewer"`
		}
		d.call("GET", fmt.Sprintf("/engagements/%s/messages?pageSize=50&after=%d", engagementID, len(list)), nil, &page)
		for _, m := range page.Messages {
			if m.MessageIndex != int64(len(list))+1 {
				d.t.Fatalf("message %d follows %d in the store", m.MessageIndex, len(list))
			}
			list = append(list, m)
		}
		if !page.HasNewer || len(page.Messages) == 0 {
			return list
		}
	}
}

// texts are the texts of a sender's messages; "" for all senders.
func texts(list []deskMessage, sender string) (texts []string) {
	for _, m := range list {
		if sender == "" || strings.EqualFold(m.SenderParticipantType, sender) {
			texts = append(texts, m.text())
		}
	}
	return texts
}
