// Package cluster tests what only several gateways can show: over NATS servers, as
// processes.
package cluster

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/uuid"

	"openchat/sdk"
	"openchat/sdk/native"
	"openchat/tests/harness"
	"openchat/tests/harness/cluster"
)

// Three NATS servers and two gateways, as processes: what is said at one gateway is
// heard at the other, and a NATS leader that is killed costs time only.
func TestCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("five processes")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*harness.Timeout)
	defer cancel()
	bin, err := cluster.Build(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
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
	heard := make(chan string, 64)
	desk := account.Desk(a.URL, http.DefaultClient)
	visitor, err := account.Visit(ctx, b.URL, transport, desk, uuid.NewString(), "ann", func(e sdk.Event) {
		if e.Message != nil && (e.Message.SenderParticipant.ParticipantType == "AGENT" || e.Type == sdk.EventMessageDelivered) {
			heard <- e.Message.Body.Text
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	hear := func(want string) {
		t.Helper()
		select {
		case got := <-heard:
			if got != want {
				t.Fatalf("heard %q, not %q", got, want)
			}
		case <-ctx.Done():
			t.Fatalf("did not hear %q: A: %s\nB: %s", want, a.Log.Last(20), b.Log.Last(20))
		}
	}
	t.Run("said at one gateway, heard at the other", func(t *testing.T) {
		if err := desk.Send(ctx, visitor.Chat, visitor.Agent, "Good morning.", "1"); err != nil {
			t.Fatal(err)
		}
		hear("Good morning.")
		if err := visitor.Send(ctx, "The same to you."); err != nil {
			t.Fatal(err)
		}
		hear("The same to you.")
	})
	t.Run("MSG-5 the NATS leader is killed: every send goes through, once", func(t *testing.T) {
		leader, err := nodes.Leader(ctx, "CHAT")
		if err != nil {
			t.Fatal(err)
		}
		// So that one is on its way whenever the leader goes.
		const n = 20
		sent := make(chan error, 2)
		go func() {
			for i := range n {
				if err := visitor.Send(ctx, fmt.Sprint("customer ", i)); err != nil {
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
				if err := desk.Send(ctx, visitor.Chat, visitor.Agent, fmt.Sprint("agent ", i), fmt.Sprint("key ", i)); err != nil {
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
		for range 2 * n {
			select {
			case text := <-heard:
				times[text]++
			case <-ctx.Done():
				t.Fatalf("only %d of %d messages were heard", len(times), 2*n)
			}
		}
		page, err := desk.MessagesAfter(ctx, visitor.Chat, 0)
		if err != nil {
			t.Fatal(err)
		}
		stored := map[string]int{}
		for _, m := range page.Messages { // of which the bot and the system have said two
			stored[m.Body.Text]++
		}
		for i := range n {
			for _, text := range []string{fmt.Sprint("customer ", i), fmt.Sprint("agent ", i)} {
				if times[text] != 1 || stored[text] != 1 {
					t.Errorf("%q was heard %d times and stored %d times", text, times[text], stored[text])
				}
			}
		}
	})
}
