// Package cluster runs several gateways over NATS servers, as processes on this machine's
// loopback: for make cluster, for the bench, and for tests of what only several processes
// or many customers can show.
//
//	bin, err := cluster.Build(ctx, dir)
//	nodes, err := bin.StartNATS(ctx, data, 3)
//	g, err := bin.StartGateway(ctx, "gateway1", "--demo", "--nats-url", nodes.URL, "--replicas", "3")
//	…
//	g.Stop(time.Minute); nodes.Kill()
//
// Whoever starts something stops it.
package cluster

import (
	"context"
	"path/filepath"

	"openchat/tests/harness"
)

// Binaries are the programs that are run.
type Binaries struct {
	Gateway string // path of the gateway
	NATS    string // path of nats-server, of the version that go.mod names
	Attack  string // path of the hostile customer's program
}

// Build builds them into dir, the gateway as it is shipped.
func Build(ctx context.Context, dir string) (b Binaries, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return b, err
	}
	if b.Gateway, err = harness.BuildGateway(ctx, dir); err != nil {
		return b, err
	}
	b.NATS, b.Attack = filepath.Join(dir, "nats-server"), filepath.Join(dir, "attack")
	if err := harness.Run(ctx, "go", "build", "-o", b.NATS, "github.com/nats-io/nats-server/v2"); err != nil {
		return b, err
	}
	return b, harness.Run(ctx, "go", "build", "-o", b.Attack, "./tests/harness/cluster/attack")
}

// StartGateway starts a gateway on a free port of loopback and returns when it serves.
func (b Binaries) StartGateway(ctx context.Context, name string, args ...string) (*harness.Process, error) {
	p := &harness.Process{Name: name, Path: b.Gateway, Args: append([]string{"--addr", "127.0.0.1:0"}, args...), Ready: harness.AddressLine}
	return p, p.Start(ctx)
}
