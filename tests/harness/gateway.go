package harness

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"testing"
)

// Secrets of the tests' gateways, which are gone when the test ends.
const (
	DeskCredential = "demo-desk-credential-not-for-production"
	TokenSecret    = "the token secret of the tests, of 32 bytes or more"
)

// Gateway is the gateway's process, with its demo. When it is started again, it finds the
// data of the run before, at the same address.
type Gateway struct {
	Process
	Dir   string   // of its data
	Flags []string // beside those that every test's gateway has
}

// Start starts the process and returns when it serves.
func (g *Gateway) Start(t *testing.T) {
	t.Helper()
	if err := g.run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (g *Gateway) run(ctx context.Context) error {
	listen := "127.0.0.1:0"
	if g.URL != "" {
		listen = g.address().Host
	}
	g.Name, g.Path, g.Ready = "gateway", program, AddressLine
	g.Args = append([]string{"--demo", "--addr", listen, "--dist", filepath.Join(Root(), "dist"), "--data", g.Dir}, g.Flags...)
	g.Env = []string{"GATEWAY_JWT_HS256_SECRET=" + TokenSecret}
	if err := g.Process.Start(ctx); err != nil {
		return err
	}
	r, err := http.Get(g.URL + "/healthz")
	if err == nil {
		r.Body.Close()
		if r.StatusCode == http.StatusOK {
			return nil
		}
		err = fmt.Errorf("%s", r.Status)
	}
	g.Kill()
	return fmt.Errorf("the gateway printed its address and is not healthy: %w\n%s", err, g.Log.Last(20))
}

func (g *Gateway) address() *url.URL {
	u, err := url.Parse(g.URL)
	if err != nil {
		panic(err) // it matches AddressLine
	}
	return u
}
