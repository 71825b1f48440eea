package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"openchat/tests/harness"
	"openchat/tests/harness/cluster"
)

// stopLimit is what the gateway promises of a graceful stop.
const stopLimit = 10 * time.Second

// binaries are the programs under test, built once.
var binaries struct {
	sync.Once
	dir string
	cluster.Binaries
	err error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if binaries.dir != "" {
		_ = os.RemoveAll(binaries.dir)
	}
	os.Exit(code)
}

func build(t *testing.T) {
	t.Helper()
	b := &binaries
	b.Do(func() {
		if b.dir, b.err = os.MkdirTemp("", "openchat-chaos-"); b.err != nil {
			return
		}
		b.Binaries, b.err = cluster.Build(context.Background(), b.dir)
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
}

// keepStarting starts a process until that succeeds, as a service manager does: the
// gateway does not start without NATS.
func keepStarting(ctx context.Context, p *harness.Process) error {
	for {
		err := p.Start(ctx)
		if err == nil {
			return nil
		}
		if !pause(ctx, 250*time.Millisecond) {
			return errors.Join(ctx.Err(), err)
		}
	}
}

// stop asks a process to end, and returns how long that took; an error is a bad end.
func stop(p *harness.Process, within time.Duration) (time.Duration, error) {
	began := time.Now()
	err := p.Stop(within)
	return time.Since(began), err
}

// pause waits; false when ctx ended. It is for the times of the faults, which are the
// subject here, never for waiting until something has happened.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// platform is the gateway and its NATS server, as processes.
type platform struct {
	gateway, nats *harness.Process // nats is nil where the gateway has one inside
	url, address  string           // of the gateway
	data          string           // NATS' folder
	account       *cluster.Account
	unavailable   tally // answers 503 that agents got
}

// newPlatform starts NATS and a gateway that uses it. Both can be started again, at the
// same addresses.
func newPlatform(t *testing.T, heartbeat time.Duration) *platform {
	t.Helper()
	build(t)
	dir := t.TempDir()
	w := &platform{data: filepath.Join(dir, "nats"), address: address(t)}
	w.url = "http://" + w.address
	var err error
	if w.account, err = cluster.NewAccount(dir); err != nil {
		t.Fatal(err)
	}
	config, natsAddress := filepath.Join(dir, "nats.conf"), address(t)
	text := fmt.Sprintf("listen: %q\njetstream { store_dir: %q, sync_interval: always }\n", natsAddress, w.data)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.nats = &harness.Process{Name: "nats", Path: binaries.NATS, Args: []string{"-c", config}, Ready: regexp.MustCompile("Server is ready")}
	w.gateway = &harness.Process{Name: "gateway", Path: binaries.Gateway, Ready: regexp.MustCompile("Listening on"), Args: append(w.account.Args,
		"--addr", w.address, "--nats-url", "nats://"+natsAddress, "--heartbeat-interval", heartbeat.String())}
	for _, p := range []*harness.Process{w.nats, w.gateway} {
		t.Cleanup(p.Kill)
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// address returns a free one of this machine. It is to be there again after a restart,
// so its port is none that the system gives to outgoing connections.
func address(t *testing.T) string {
	t.Helper()
	lowest := 32768
	if b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		if _, err := fmt.Sscan(string(b), &lowest); err != nil {
			t.Fatal(err)
		}
	}
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(max(lowest-10000, 1))))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

// token makes one for a customer.
func (w *platform) token(customer string, expiry time.Time) string {
	text, err := w.account.Token(customer, time.Until(expiry))
	if err != nil {
		panic(err) // only a key of another kind makes it fail
	}
	return text
}

// wantNoSecrets looks for texts, tokens and credentials in the gateway's log.
func (w *platform) wantNoSecrets(t *testing.T) {
	t.Helper()
	secrets := `eyJ[\w-]+\.eyJ`
	for _, s := range []string{marker, w.account.DeskCredential, w.account.Appkey} {
		secrets += "|" + regexp.QuoteMeta(s)
	}
	if found := regexp.MustCompile(secrets).FindString(w.gateway.Log.String()); found != "" {
		t.Errorf("the gateway's log holds a text, a token or a credential: %.20s…", found)
	}
}
