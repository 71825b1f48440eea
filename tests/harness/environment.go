package harness

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

var (
	program  string // the gateway's path
	startAll = sync.OnceValues(start)

	endingsLock sync.Mutex
	endings     []func() // what ends what tests have shared, the last first
)

// atEnd lets Main call end, before all that it was given earlier.
func atEnd(end func()) {
	endingsLock.Lock()
	defer endingsLock.Unlock()
	endings = append(endings, end)
}

// Main runs a package's tests and then ends what they have shared.
func Main(m *testing.M) {
	code := m.Run()
	for _, end := range slices.Backward(endings) {
		end()
	}
	os.Exit(code)
}

// Environment is a gateway and the origin before it.
type Environment struct {
	Gateway *Gateway
	Origin  *Origin
}

// Shared returns the environment of all tests of a package that do not stop their gateway.
// The first call builds dist/ and the gateway, and starts everything; Main ends it.
func Shared(t *testing.T) *Environment {
	t.Helper()
	w, err := startAll()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func start() (*Environment, error) {
	ctx := context.Background()
	dir, err := scratchDir("gateway")
	if err != nil {
		return nil, err
	}
	if err := BuildSDK(ctx); err != nil {
		return nil, err
	}
	if program, err = BuildGateway(ctx, dir); err != nil {
		return nil, err
	}
	w := &Environment{Gateway: &Gateway{Dir: filepath.Join(dir, "shared")}}
	if err := w.Gateway.run(ctx); err != nil {
		return nil, err
	}
	atEnd(w.Gateway.stop)
	if w.Origin, err = newOrigin(w.Gateway); err != nil {
		return nil, err
	}
	atEnd(func() { w.Origin.server.Close() })
	return w, nil
}

// stop ends the gateway. Whether that goes well is the subject of other tests.
func (g *Gateway) stop() { _ = g.Process.Stop(20 * time.Second) }

// NewEnvironment starts a gateway of the test's own, which it may kill, with these flags
// beside the usual.
func NewEnvironment(t *testing.T, flags ...string) *Environment {
	t.Helper()
	Shared(t) // has built it
	w := &Environment{Gateway: &Gateway{Dir: t.TempDir(), Flags: flags}}
	w.Gateway.Start(t)
	t.Cleanup(func() {
		w.Gateway.stop()
		if t.Failed() {
			t.Logf("the gateway's log:\n%s", w.Gateway.Log.String())
		}
	})
	w.Origin = w.NewOrigin(t)
	return w
}

// StartProduction starts a gateway without the demo, with these flags and no others, until the
// test ends.
func StartProduction(t *testing.T, flags ...string) *Process {
	t.Helper()
	Shared(t) // has built it
	p := &Process{Name: "gateway", Path: program, Args: flags, Ready: AddressLine}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("the gateway's log:\n%s", p.Log.String())
		}
	})
	return p
}

// NewOrigin opens another origin before the same gateway.
func (w *Environment) NewOrigin(t *testing.T) *Origin {
	t.Helper()
	o, err := newOrigin(w.Gateway)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.server.Close() })
	return o
}
