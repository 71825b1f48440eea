package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"

	"openchat/sdk"
	"openchat/sdk/native"
	"openchat/web/desk"
)

// deskFrame is a frame of a desk's socket.
type deskFrame struct {
	Type    string      `json:"type"`
	Chats   []desk.Chat `json:"chats"`
	Chat    desk.Chat   `json:"chat"`
	Message struct {
		EngagementID string `json:"engagementId"`
		Body         struct {
			ElementText struct {
				Text string `json:"text"`
			} `json:"elementText"`
		} `json:"body"`
	} `json:"message"`
}

// listen opens a desk's socket at a gateway, as that agent or as nobody, and returns when the
// snapshot has come. cut ends it as a process's death does.
func (s *Site) listen(ctx context.Context, t *testing.T, at *Process, agent string) (frames <-chan deskFrame, cut func()) {
	t.Helper()
	conn, _, err := websocket.Dial(ctx, at.URL+desk.BasePath+"/events", &websocket.DialOptions{Subprotocols: []string{desk.Subprotocol}})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(16 << 20)
	if err := conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":"authenticate","credential":%q,"agentId":%q}`, s.deskCredential, agent)); err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	list := make(chan deskFrame, 1000)
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			_, b, err := conn.Read(ctx)
			if err != nil {
				return
			}
			var f deskFrame
			if json.Unmarshal(b, &f) != nil {
				return
			}
			switch f.Type {
			case "snapshot":
				close(ready)
			case "ping":
				_ = conn.Write(ctx, websocket.MessageText, []byte(`{"type":"pong"}`)) // the next read says what is wrong
			default:
				select {
				case list <- f:
				default:
				}
			}
		}
	}()
	cut = func() { _ = conn.CloseNow(); <-over }
	t.Cleanup(cut)
	select {
	case <-ready:
	case <-over:
		t.Fatal("the desk's socket ended without a snapshot")
	case <-ctx.Done():
		t.Fatal("no snapshot came")
	}
	return list, cut
}

// Three gateways on one NATS server: customers and agents are at two of them, and the third
// sees who is there, also when one of the others is killed.
func TestPresence(t *testing.T) {
	if testing.Short() {
		t.Skip("three processes")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*limit)
	defer cancel()
	bin, err := Build(ctx, "../../..", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	nats, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	nats.Start()
	t.Cleanup(func() { nats.Shutdown(); nats.WaitForShutdown() })
	if !nats.ReadyForConnections(limit) {
		t.Fatal("the NATS server is not ready")
	}
	site, err := NewSite(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	start := func(name string) *Process {
		t.Helper()
		g, err := bin.StartGateway(ctx, name, append(site.Args, "--nats-url", nats.ClientURL(), "--customer-grace", "3s", "--agent-grace", "5s", "--abandon-after", "20s")...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(g.Kill)
		return g
	}
	a, b, c := start("A"), start("B"), start("C")
	transport := native.New(native.Options{})
	defer transport.Close()
	frames, _ := site.listen(ctx, t, a, "")
	var seen []deskFrame
	// until reads what A tells its desks up to a frame.
	until := func(what string, match func(deskFrame) bool) deskFrame {
		t.Helper()
		for {
			select {
			case f := <-frames:
				seen = append(seen, f)
				if match(f) {
					return f
				}
			case <-ctx.Done():
				t.Fatalf("waited for %s\nA: %s\nB: %s\nC: %s", what, a.Log(), b.Log(), c.Log())
			}
		}
	}
	away := func(chat string) (n int) {
		for _, f := range seen {
			if f.Type == "chat" && f.Chat.EngagementID == chat && f.Chat.CustomerPresence == desk.PresenceAway {
				n++
			}
		}
		return n
	}
	at := func(g *Process) *Desk { return site.Desk(g.URL, http.DefaultClient) }
	visit := func(g *Process, customer, agent string) *Visitor {
		t.Helper()
		v, err := site.Visit(ctx, g.URL, transport, at(a), agent, customer, func(sdk.Event) {})
		if err != nil {
			t.Fatalf("%v\nA: %s\nB: %s", err, a.Log(), b.Log())
		}
		return v
	}
	changed := func(chat string, match func(desk.Chat) bool) func(deskFrame) bool {
		return func(f deskFrame) bool {
			return f.Type == "chat" && f.Chat.EngagementID == chat && match(f.Chat)
		}
	}
	isAway := func(c desk.Chat) bool { return c.CustomerPresence == desk.PresenceAway }
	isQueued := func(c desk.Chat) bool { return c.State == desk.StateWaiting && c.Requeued }

	whole := t // what a part opens stays open
	ada, bo, cy := uuid.NewString(), uuid.NewString(), uuid.NewString()
	_, cutAda := site.listen(ctx, t, c, ada)
	_, cutBo := site.listen(ctx, t, c, bo)
	site.listen(ctx, t, b, cy)
	ann := visit(b, "ann", ada)
	ben := visit(a, "ben", bo)
	cat := visit(c, "cat", cy)

	t.Run("DESK-3 DESK-5 agents who go: one for good, one to another gateway, one stays", func(t *testing.T) {
		cutBo()
		site.listen(ctx, whole, b, bo)
		cutAda()
		f := until("Ada's chat to wait", changed(ann.Chat, isQueued))
		if f.Chat.WaitingSince == "" {
			t.Errorf("the chat is %+v", f.Chat)
		}
		until("the line", func(f deskFrame) bool {
			return f.Type == "message" && f.Message.EngagementID == ann.Chat && strings.Contains(f.Message.Body.ElementText.Text, "was disconnected")
		})
		if err := at(b).Accept(ctx, ann.Chat, cy); err != nil {
			t.Error(err)
		}
	})
	t.Run("DESK-1 DESK-2 DESK-5 a gateway that is killed has nobody any more; those who were elsewhere were never away", func(t *testing.T) {
		c.Kill()
		until("C's customer to be away", changed(cat.Chat, isAway))
		until("C's customer to be given up", changed(cat.Chat, func(c desk.Chat) bool { return c.State == desk.StateEnded }))
		page, err := at(b).History(ctx, cat.Chat, 50, 0)
		if err != nil {
			t.Fatal(err)
		}
		lines := 0
		for _, m := range page.Messages {
			if m.Body.Text == "The chat was ended because the customer left." {
				lines++
			}
		}
		if lines != 1 || page.Messages[len(page.Messages)-1].Body.Text != "The chat was ended because the customer left." {
			t.Errorf("the line is there %d times: %+v", lines, page.Messages)
		}
	})
	t.Run("DESK-1 DESK-5 a gateway that starts finds everybody there", func(t *testing.T) {
		c = start("C again")
		dee := visit(a, "dee", cy)
		// Whoever is seen away by then was taken for it by the new one.
		if _, err := sdk.Await(ctx, func(done func(struct{}, error)) {
			dee.Shutdown("", func(err error) { done(struct{}{}, err) })
		}); err != nil {
			t.Fatal(err)
		}
		until("the customer to be away", changed(dee.Chat, isAway))
		site.listen(ctx, t, c, "")
	})
	for name, v := range map[string]*Visitor{"ann": ann, "ben": ben} {
		if n := away(v.Chat); n > 0 {
			t.Errorf("%s was seen away", name)
		}
	}
	for _, f := range seen {
		if f.Type == "chat" && f.Chat.EngagementID == ben.Chat && f.Chat.State == desk.StateWaiting && f.Chat.Requeued {
			t.Error("the agent who went to another gateway was taken out")
		}
	}
}
