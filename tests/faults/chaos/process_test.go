package chaos

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"openchat/tests/faults/cluster"
)

const (
	account        = "CHAOSA"
	integrationID  = "7d2c1f0e-5b5e-4c57-9d0c-0c8f7f3b1a52"
	appkey         = "the appkey of the chaos"
	deskCredential = "the desk credential of the chaos"
	issuer         = "chaos"

	// stopLimit is what the gateway promises of a graceful stop.
	stopLimit = 10 * time.Second
	// patience bounds every wait whose end only a failing test reaches.
	patience = 60 * time.Second
)

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
		b.Binaries, b.err = cluster.Build(context.Background(), "../../..", b.dir)
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
}

// process is a program that is started, killed, and started again at the same
// address with the same data. One goroutine at a time uses it.
type process struct {
	name    string
	path    string
	args    []string
	ready   string // what it prints when it serves
	address string
	log     tail

	cmd    *exec.Cmd
	exited chan struct{} // closed when it has
	err    error         // of its end
}

// tail keeps the last of a log, and all of its lines for the test to search.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *tail) line(name, s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if os.Getenv("OPENCHAT_LOG") != "" {
		fmt.Fprintf(os.Stderr, "%s: %s\n", name, s)
	}
	l.b.WriteString(s)
	l.b.WriteByte('\n')
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// last returns the last n lines.
func (l *tail) last(n int) string {
	lines := strings.Split(strings.TrimRight(l.String(), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// start runs it and returns when it serves. An error means that it is not running.
func (p *process) start(ctx context.Context) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	p.cmd = exec.Command(p.path, p.args...)
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.TempDir()}
	p.cmd.Stdout, p.cmd.Stderr = write, write
	// It must not outlive a test that was killed or has panicked.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = p.cmd.Start()
	write.Close()
	if err != nil {
		read.Close()
		return err
	}
	serves := make(chan struct{})
	p.exited = make(chan struct{})
	exited := p.exited
	go func() { // ends with the process
		defer close(exited)
		defer read.Close()
		told := false
		for s := bufio.NewScanner(read); s.Scan(); {
			p.log.line(p.name, s.Text())
			if !told && strings.Contains(s.Text(), p.ready) {
				told = true
				close(serves)
			}
		}
		_, _ = io.Copy(io.Discard, read) // a line too long to scan must not stop it
		p.err = p.cmd.Wait()
	}()
	limit, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-serves:
		return nil
	case <-p.exited:
		return fmt.Errorf("%s ended at its start with %v: %s", p.name, p.err, p.log.last(3))
	case <-limit.Done():
		p.kill()
		return fmt.Errorf("%s did not serve: %w", p.name, limit.Err())
	}
}

// keepStarting starts it until that succeeds, as a service manager does: the
// gateway does not start without NATS.
func (p *process) keepStarting(ctx context.Context) error {
	for {
		err := p.start(ctx)
		if err == nil {
			return nil
		}
		if !pause(ctx, 250*time.Millisecond) {
			return errors.Join(ctx.Err(), err)
		}
	}
}

func (p *process) signal(s os.Signal) {
	if p.cmd.Process.Signal(s) == nil && s == syscall.SIGSTOP {
		// Until all its threads stand still it may answer once more.
		_, _ = syscall.Wait4(p.cmd.Process.Pid, nil, syscall.WUNTRACED, nil)
	}
}

// kill ends it as a crash does. It may have ended before.
func (p *process) kill() {
	if p.exited != nil {
		p.signal(syscall.SIGKILL)
		<-p.exited
	}
}

// stop asks it to end, and tells how long that took; an error is a bad end.
func (p *process) stop(limit time.Duration) (time.Duration, error) {
	began := time.Now()
	p.signal(syscall.SIGTERM)
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-p.exited:
	case <-t.C:
		p.kill()
		return time.Since(began), fmt.Errorf("%s did not stop within %v", p.name, limit)
	}
	if p.err != nil {
		return time.Since(began), fmt.Errorf("%s was asked to stop and ended with %w: %s", p.name, p.err, p.log.last(3))
	}
	return time.Since(began), nil
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

// world is the platform as processes.
type world struct {
	gateway, nats *process
	data          string             // NATS' folder
	key           ed25519.PrivateKey // signs the customers' tokens
}

// newWorld starts NATS and a gateway that uses it.
func newWorld(t *testing.T, heartbeat time.Duration) *world {
	t.Helper()
	build(t)
	dir := t.TempDir()
	w := &world{data: filepath.Join(dir, "nats")}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.key = private
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	keyFile, config := filepath.Join(dir, "customers.pem"), filepath.Join(dir, "nats.conf")
	natsAddress, gatewayAddress := address(t), address(t)
	for name, text := range map[string]string{
		keyFile: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		config: fmt.Sprintf("listen: %q\njetstream { store_dir: %q, sync_interval: always }\n",
			natsAddress, w.data),
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.nats = &process{name: "nats", path: binaries.NATS, args: []string{"-c", config}, ready: "Server is ready", address: natsAddress}
	w.gateway = &process{name: "gateway", path: binaries.Gateway, ready: "Listening on", address: gatewayAddress, args: []string{
		"--addr", gatewayAddress, "--dist", "", "--nats-url", "nats://" + natsAddress,
		"--tenant", account + ":" + integrationID + ":" + appkey,
		"--jwt-public-key", keyFile, "--jwt-issuer", issuer, "--jwt-audience", issuer,
		"--desk-credential", deskCredential, "--heartbeat-interval", heartbeat.String(),
	}}
	for _, p := range []*process{w.nats, w.gateway} {
		t.Cleanup(p.kill)
		if err := p.start(t.Context()); err != nil {
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
func (w *world) token(customer string, expiry time.Time) string {
	text, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{
		"iss": issuer, "aud": issuer, "sub": customer, "accountId": account, "integrationId": integrationID,
		"customerName": "Customer " + customer, "verifiedCustomer": true,
		"iat": time.Now().Add(-time.Second).Unix(), "exp": expiry.Unix(), "jti": uuid.NewString(),
	}).SignedString(w.key)
	if err != nil {
		panic(err) // only a key of another kind makes it fail
	}
	return text
}

var secretInLog = regexp.MustCompile(`eyJ[\w-]+\.eyJ|` + regexp.QuoteMeta(marker) + `|` + regexp.QuoteMeta(deskCredential) + `|` + regexp.QuoteMeta(appkey))

// wantNoSecrets looks for texts, tokens and credentials in the gateway's log.
func (w *world) wantNoSecrets(t *testing.T) {
	t.Helper()
	if found := secretInLog.FindString(w.gateway.log.String()); found != "" {
		t.Errorf("the gateway's log holds a text, a token or a credential: %.20s…", found)
	}
}
