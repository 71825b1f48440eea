// Package cluster tests what only several gateways can show: over NATS servers, as
// processes.
package cluster

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"openchat/sdk"
	"openchat/sdk/native"
	"openchat/tests/harness"
	"openchat/tests/harness/cluster"
)

// Three NATS servers and two gateways, as processes: what is said at one gateway is
// received at the other, and a NATS leader that is killed costs time only.
func TestCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("five processes")
	}
	bin, err := cluster.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*harness.Timeout)
	defer cancel()
	nodes, err := bin.StartNATS(ctx, t.TempDir(), 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nodes.Kill)
	account, err := cluster.NewAccount(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var gateways []*harness.Process
	for _, name := range []string{"A", "B"} {
		g, err := bin.StartGateway(ctx, name, append(account.Args, "--nats-url", nodes.URL, "--replicas", "3")...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(g.Kill)
		gateways = append(gateways, g)
	}
	a, b := gateways[0], gateways[1]
	transport := native.New(native.Options{})
	defer transport.Close()
	received := make(chan string, 64)
	desk := account.Desk(a.URL, http.DefaultClient)
	visitor, err := account.Visit(ctx, b.URL, transport, desk, uuid.NewString(), "ann", func(e sdk.Event) {
		if e.Message != nil && (e.Message.SenderParticipant.ParticipantType == "AGENT" || e.Type == sdk.EventMessageDelivered) {
			received <- e.Message.Body.Text
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	receive := func(want string) {
		t.Helper()
		select {
		case got := <-received:
			if got != want {
				t.Fatalf("received %q, not %q", got, want)
			}
		case <-ctx.Done():
			t.Fatalf("did not receive %q: A: %s\nB: %s", want, a.Log.Last(20), b.Log.Last(20))
		}
	}
	t.Run("said at one gateway, received at the other", func(t *testing.T) {
		if err := desk.Send(ctx, visitor.Chat, visitor.Agent, "Good morning.", "1"); err != nil {
			t.Fatal(err)
		}
		receive("Good morning.")
		if err := visitor.Send(ctx, "The same to you."); err != nil {
			t.Fatal(err)
		}
		receive("The same to you.")
	})
	t.Run("MSG-5 the NATS leader is killed: every send goes through, once, and is received soon", func(t *testing.T) {
		// What the leader had beside the stream is elsewhere each time: a gateway's consumer may
		// be on the node that dies, or be given to it while it is not known to be dead.
		for round := range 3 {
			leader, err := nodes.Leader(ctx, "CHAT")
			if err != nil {
				t.Fatal(err)
			}
			// So that one is on its way whenever the leader goes.
			const n = 20
			name := func(who string, i int) string { return fmt.Sprint(who, " ", round, " ", i) }
			sent := make(chan error, 2)
			go func() {
				for i := range n {
					if err := visitor.Send(ctx, name("customer", i)); err != nil {
						sent <- fmt.Errorf("the customer's %d: %w", i, err)
						return
					}
				}
				sent <- nil
			}()
			go func() {
				for i := range n {
					if i == n/4 {
						leader.Kill()
					}
					if err := desk.Send(ctx, visitor.Chat, visitor.Agent, name("agent", i), name("key", i)); err != nil {
						sent <- fmt.Errorf("the agent's %d: %w", i, err)
						return
					}
				}
				sent <- nil
			}()
			for range 2 {
				if err := <-sent; err != nil {
					t.Fatalf("%v\nA: %s\nB: %s", err, a.Log.Last(20), b.Log.Last(20))
				}
			}
			times := map[string]int{}
			late := time.NewTimer(receivedWithin)
			defer late.Stop()
			for count := 0; count < 2*n; count++ {
				select {
				case text := <-received:
					times[text]++
				case <-late.C:
					t.Fatalf("round %d: only %d of %d messages were received within %v of the last acknowledgement\nB: %s", round, count, 2*n, receivedWithin, b.Log.Last(20))
				}
			}
			for i := range n {
				for _, text := range []string{name("customer", i), name("agent", i)} {
					if times[text] != 1 {
						t.Errorf("%q was received %d times", text, times[text])
					}
				}
			}
			stored := map[string]int{}
			for after := int64(0); ; {
				page, err := desk.MessagesAfter(ctx, visitor.Chat, after)
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range page.Messages { // of which the bot and the system have said two
					stored[m.Body.Text]++
					after = m.MessageIndex
				}
				if !page.HasNewer {
					break
				}
			}
			for i := range n {
				for _, text := range []string{name("customer", i), name("agent", i)} {
					if stored[text] != 1 {
						t.Errorf("%q is stored %d times", text, stored[text])
					}
				}
			}
			if err := leader.Start(ctx); err != nil {
				t.Fatal(err)
			}
			if err := nodes.WaitSynced(ctx, "CHAT"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// receivedWithin is more than a cluster needs to choose new leaders.
const receivedWithin = 25 * time.Second
