package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"openchat/sdk/wire"
)

// Where the desk's API of docs/desk-api.md is, and its stream's subprotocol.
const (
	DeskPath        = "/api/desk/v1"
	DeskSubprotocol = "desk.chat.v1"
)

// Desk is a client of the agents' API. Agents' ids are any UUIDs.
type Desk struct {
	URL        string       // a gateway's
	HTTP       *http.Client // nil: http.DefaultClient
	Credential string
}

// DeskFrame is what the desk's stream carries.
type DeskFrame struct {
	Type    string
	Chats   []Chat
	More    bool // of a snapshot: it is not complete
	Chat    Chat
	Message wire.Message
}

// Chat is a chat as agents see it.
type Chat struct {
	EngagementID         string            `json:"engagementId"`
	CustomerName         string            `json:"customerName"`
	Topic                string            `json:"topic"`
	State                string            `json:"state"`
	WaitingSince         string            `json:"waitingSince"`
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

// RefusedError is an answer of another status than 2xx.
type RefusedError struct {
	Method, Path string
	Status       int
	Body         []byte
	RetryAfter   time.Duration
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s %s: status %d %s", e.Method, e.Path, e.Status, e.Body)
}

// attemptTime bounds one call, and one write to a stream.
const attemptTime = 12 * time.Second

// Call makes a call and returns the body of its answer. body is sent as JSON, unless it
// is nil. Another status than 2xx is a RefusedError.
func (d *Desk) Call(ctx context.Context, method, path string, body any) ([]byte, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, d.URL+DeskPath+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+d.Credential)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	a, err := d.client().Do(r)
	if err != nil {
		return nil, err
	}
	defer a.Body.Close()
	if text, err = io.ReadAll(a.Body); err != nil {
		return nil, err
	}
	if a.StatusCode >= 300 {
		seconds, _ := strconv.Atoi(a.Header.Get("Retry-After"))
		return nil, &RefusedError{method, r.URL.Path, a.StatusCode, text, time.Duration(seconds) * time.Second}
	}
	return text, nil
}

func (d *Desk) client() *http.Client {
	if d.HTTP == nil {
		return http.DefaultClient
	}
	return d.HTTP
}

func (d *Desk) act(ctx context.Context, path string, body any) error {
	_, err := d.Call(ctx, http.MethodPost, "/engagements/"+path, body)
	return err
}

// Accept has the agent take the chat.
func (d *Desk) Accept(ctx context.Context, chat, agent, name string) error {
	return d.act(ctx, chat+":accept", map[string]string{"agentId": agent, "agentName": name})
}

// Supervise has the agent join the chat beside its agent.
func (d *Desk) Supervise(ctx context.Context, chat, agent, name string) error {
	return d.act(ctx, chat+":supervise", map[string]string{"agentId": agent, "agentName": name})
}

// End has the agent end the chat.
func (d *Desk) End(ctx context.Context, chat, agent string) error {
	return d.act(ctx, chat+":end", map[string]string{"agentId": agent})
}

// Send sends a message; key makes it repeatable.
func (d *Desk) Send(ctx context.Context, chat, agent, text, key string) error {
	return d.act(ctx, chat+"/messages", map[string]string{"agentId": agent, "text": text, "correlationId": key})
}

// MessagesAfter reads a page of the chat's messages, from the one after that index on.
func (d *Desk) MessagesAfter(ctx context.Context, chat string, after int64) (wire.MessagePage, error) {
	text, err := d.Call(ctx, http.MethodGet, fmt.Sprintf("/engagements/%s/messages?pageSize=50&after=%d", chat, after), nil)
	if err != nil {
		return wire.MessagePage{}, err
	}
	return wire.DecodeMessagePage(text)
}

// ErrFrame is a frame of the desk's stream that cannot be read.
var ErrFrame = errors.New("a frame cannot be read")

// Follow opens the desk's stream, as that agent or, for "", as nobody in particular, and
// calls receive with each frame but pings until that returns an error, the connection ends
// or goes silent, or ctx ends. A snapshot that comes in parts is received as one frame with all
// its chats, before everything that came meanwhile.
func (d *Desk) Follow(ctx context.Context, agent string, receive func(DeskFrame) error) error {
	dialing, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	conn, _, err := websocket.Dial(dialing, d.URL+DeskPath+"/events", &websocket.DialOptions{HTTPClient: d.client(), Subprotocols: []string{DeskSubprotocol}})
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	conn.SetReadLimit(64 << 20)
	write := func(frame map[string]string) error {
		text, err := json.Marshal(frame)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, attemptTime)
		defer cancel()
		return conn.Write(ctx, websocket.MessageText, text)
	}
	hello := map[string]string{"type": "authenticate", "credential": d.Credential}
	if agent != "" {
		hello["agentId"] = agent
	}
	if err := write(hello); err != nil {
		return err
	}
	var parts []DeskFrame // of a snapshot that is not complete, and what came meanwhile
	for {
		// A connection that goes silent is given up after twice the time between pings.
		reading, cancel := context.WithTimeout(ctx, 2*wire.HeartbeatInterval)
		_, text, err := conn.Read(reading)
		cancel()
		if err != nil {
			return err
		}
		f, err := decodeDeskFrame(text)
		switch {
		case err != nil:
			return fmt.Errorf("%w: %w", ErrFrame, err)
		case f.Type == "ping":
			err = write(map[string]string{"type": "pong"})
		case f.More || parts != nil && f.Type != "complete":
			parts = append(parts, f)
		case f.Type == "complete":
			err = receiveParts(parts, receive)
			parts = nil
		default:
			err = receive(f)
		}
		if err != nil {
			return err
		}
	}
}

// receiveParts is for the frames from the first part of a snapshot to its last.
func receiveParts(parts []DeskFrame, receive func(DeskFrame) error) error {
	if len(parts) == 0 {
		return fmt.Errorf("%w: complete without a snapshot", ErrFrame)
	}
	whole := parts[0]
	whole.More = false
	at := map[string]int{}
	for i, c := range whole.Chats {
		at[c.EngagementID] = i
	}
	for _, f := range parts[1:] {
		if f.Type != "chat" {
			continue
		}
		if i, known := at[f.Chat.EngagementID]; known {
			whole.Chats[i] = f.Chat
		} else {
			at[f.Chat.EngagementID] = len(whole.Chats)
			whole.Chats = append(whole.Chats, f.Chat)
		}
	}
	err := receive(whole)
	for _, f := range parts[1:] {
		if err == nil {
			err = receive(f)
		}
	}
	return err
}

func decodeDeskFrame(text []byte) (f DeskFrame, err error) {
	var raw struct {
		Type    string
		Chats   []Chat
		More    bool
		Chat    Chat
		Message json.RawMessage
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return f, err
	}
	f = DeskFrame{Type: raw.Type, Chats: raw.Chats, More: raw.More, Chat: raw.Chat}
	if raw.Message != nil {
		f.Message, err = wire.DecodeMessage(raw.Message)
	}
	return f, err
}
