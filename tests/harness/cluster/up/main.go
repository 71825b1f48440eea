// Command up runs three gateways over a NATS cluster of three, on loopback, until it
// gets a signal to stop: make cluster. Chats are kept in CLUSTER_DATA, ./data/cluster by default.
// It runs in the root of the repository.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"openchat/tests/harness"
	"openchat/tests/harness/cluster"
)

const size = 3

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	dir := os.Getenv("CLUSTER_DATA")
	if dir == "" {
		dir = "data/cluster"
	}
	bin, err := cluster.Build(ctx, "dist")
	if err != nil {
		return err
	}
	nodes, err := bin.StartNATS(ctx, dir, size)
	if err != nil {
		return err
	}
	var gateways []*harness.Process
	defer func() {
		// Longer than a gateway takes at most. The gateways first: they need the store.
		const most = 20 * time.Second
		for _, p := range append(gateways, nodes.Nodes...) {
			select {
			case <-p.Exited(): // somebody has tried that
			default:
				err = errors.Join(err, p.Stop(most))
			}
		}
	}()
	for i := range size {
		g, err := bin.StartGateway(ctx, fmt.Sprintf("gateway%d", i+1),
			"--demo", "--nats-url", nodes.URL, "--replicas", fmt.Sprint(size))
		if err != nil {
			return err
		}
		gateways = append(gateways, g)
		fmt.Printf("Gateway %d   %s/   desk %s/desk\n", i+1, g.URL, g.URL)
	}
	for _, n := range nodes.Nodes {
		fmt.Printf("NATS %s  %s\n", n.Name, n.URL)
	}
	fmt.Println("A demo: its secrets are known to everybody and not for production. Any gateway serves any session. Ctrl-C stops it.")
	ended := make(chan *harness.Process)
	for _, p := range append(gateways, nodes.Nodes...) {
		go func() {
			<-p.Exited()
			select {
			case ended <- p:
			case <-ctx.Done():
			}
		}()
	}
	for {
		select {
		case p := <-ended:
			// The rest goes on: trying that is what a cluster is for.
			fmt.Fprintf(os.Stderr, "%s has ended; the others go on: %s\n", p.Name, p.Log.Last(5))
		case <-ctx.Done():
			return nil
		}
	}
}
