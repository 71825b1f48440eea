package cluster

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"

	"openchat/sdk"
	"openchat/sdk/native"
	"openchat/tests/harness"
	"openchat/tests/harness/cluster"
)

// listen opens a desk's stream at a gateway, as that agent or as nobody, and returns when
// the snapshot has come. cut ends it as a process's death does.
func listen(ctx context.Context, t *testing.T, d *harness.Desk, agent string) (frames <-chan harness.DeskFrame, cut func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	ready := make(chan struct{})
	list := make(chan harness.DeskFrame, 1000)
	ended := make(chan error, 1)
	over := make(chan struct{})
	go func() {
		defer close(over)
		ended <- d.Follow(ctx, agent, func(f harness.DeskFrame) error {
			if f.Type == "snapshot" {
				close(ready)
				return nil
			}
			select {
			case list <- f:
			default:
			}
			return nil
		})
	}()
	cut = func() { cancel(); <-over }
	t.Cleanup(cut)
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("the desk's stream ended without a snapshot: %v", err)
	}
	return list, cut
}

// Three gateways on one NATS server: customers and agents are at two of them, and the third
// sees who is there, also when one of the others is killed.
func TestPresence(t *testing.T) {
	if testing.Short() {
		t.Skip("three processes")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*harness.Timeout)
	defer cancel()
	bin, err := cluster.Build(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	nats, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	nats.Start()
	t.Cleanup(func() { nats.Shutdown(); nats.WaitForShutdown() })
	if !nats.ReadyForConnections(harness.Timeout) {
		t.Fatal("the NATS server is not ready")
	}
	account, err := cluster.NewAccount(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	start := func(name string) *harness.Process {
		t.Helper()
		g, err := bin.StartGateway(ctx, name, append(account.Args, "--nats-url", nats.ClientURL(), "--customer-grace", "3s", "--agent-grace", "5s", "--abandon-after", "20s")...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(g.Kill)
		return g
	}
	a, b, c := start("A"), start("B"), start("C")
	transport := native.New(native.Options{})
	defer transport.Close()
	at := func(g *harness.Process) *harness.Desk { return account.Desk(g.URL, http.DefaultClient) }
	frames, _ := listen(ctx, t, at(a), "")
	var seen []harness.DeskFrame
	// until reads what A tells its desks up to a frame.
	until := func(what string, match func(harness.DeskFrame) bool) harness.DeskFrame {
		t.Helper()
		for {
			select {
			case f := <-frames:
				seen = append(seen, f)
				if match(f) {
					return f
				}
			case <-ctx.Done():
				t.Fatalf("waited for %s\nA: %s\nB: %s\nC: %s", what, a.Log.Last(20), b.Log.Last(20), c.Log.Last(20))
			}
		}
	}
	away := func(chat string) (n int) {
		for _, f := range seen {
			if f.Type == "chat" && f.Chat.EngagementID == chat && f.Chat.CustomerPresence == "away" {
				n++
			}
		}
		return n
	}
	visit := func(g *harness.Process, customer, agent string) *cluster.Visitor {
		t.Helper()
		v, err := account.Visit(ctx, g.URL, transport, at(a), agent, customer, func(sdk.Event) {})
		if err != nil {
			t.Fatalf("%v\nA: %s\nB: %s", err, a.Log.Last(20), b.Log.Last(20))
		}
		return v
	}
	changed := func(chat string, match func(harness.Chat) bool) func(harness.DeskFrame) bool {
		return func(f harness.DeskFrame) bool {
			return f.Type == "chat" && f.Chat.EngagementID == chat && match(f.Chat)
		}
	}
	isAway := func(c harness.Chat) bool { return c.CustomerPresence == "away" }
	isQueued := func(c harness.Chat) bool { return c.State == "waiting" && c.Requeued }

	whole := t // what a part opens stays open
	ada, bo, cy := uuid.NewString(), uuid.NewString(), uuid.NewString()
	_, cutAda := listen(ctx, t, at(c), ada)
	_, cutBo := listen(ctx, t, at(c), bo)
	listen(ctx, t, at(b), cy)
	ann := visit(b, "ann", ada)
	ben := visit(a, "ben", bo)
	cat := visit(c, "cat", cy)

	t.Run("DESK-3 DESK-5 agents who go: one for good, one to another gateway, one stays", func(t *testing.T) {
		cutBo()
		listen(ctx, whole, at(b), bo)
		cutAda()
		f := until("Ada's chat to wait", changed(ann.Chat, isQueued))
		if f.Chat.WaitingSince == "" {
			t.Errorf("the chat is %+v", f.Chat)
		}
		until("the line", func(f harness.DeskFrame) bool {
			return f.Type == "message" && f.Message.EngagementID == ann.Chat && strings.Contains(f.Message.Body.Text, "was disconnected")
		})
		if err := at(b).Accept(ctx, ann.Chat, cy, "Cy"); err != nil {
			t.Error(err)
		}
	})
	t.Run("DESK-1 DESK-2 DESK-5 a gateway that is killed has nobody any more; those who were elsewhere were never away", func(t *testing.T) {
		c.Kill()
		until("C's customer to be away", changed(cat.Chat, isAway))
		until("C's customer to be given up", changed(cat.Chat, func(c harness.Chat) bool { return c.State == "ended" }))
		page, err := at(b).MessagesAfter(ctx, cat.Chat, 0)
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
		if err := dee.Shutdown(ctx, ""); err != nil {
			t.Fatal(err)
		}
		until("the customer to be away", changed(dee.Chat, isAway))
		listen(ctx, t, at(c), "")
	})
	for name, v := range map[string]*cluster.Visitor{"ann": ann, "ben": ben} {
		if n := away(v.Chat); n > 0 {
			t.Errorf("%s was seen away", name)
		}
	}
	for _, f := range seen {
		if f.Type == "chat" && f.Chat.EngagementID == ben.Chat && f.Chat.State == "waiting" && f.Chat.Requeued {
			t.Error("the agent who went to another gateway was taken out")
		}
	}
}
