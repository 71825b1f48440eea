package browser

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"openchat/tests/harness"
)

// Secrets of the test's gateway, which is gone when the test ends.
const (
	deskCredential = "a desk credential of the journeys"
	tokenSecret    = "a token secret of the journeys, of 32 bytes or more"
)

var (
	browser context.Context // parent of all tabs
	program string          // the gateway's path
	verbose = os.Getenv("OPENCHAT_LOG") != ""

	scratch  string   // folder of this run
	endings  []func() // what ends what startAll has started, last first
	startAll = sync.OnceValues(func() (*world, error) { return start() })
)

func TestMain(m *testing.M) {
	code := m.Run()
	for _, end := range slices.Backward(endings) {
		end()
	}
	os.Exit(code)
}

// shared returns the world of all journeys that do not kill their gateway. The first
// call builds and starts everything.
func shared(t *testing.T) *world {
	t.Helper()
	w, err := startAll()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func start() (w *world, err error) {
	if scratch, err = os.MkdirTemp("", "openchat-tests-"); err != nil {
		return nil, err
	}
	endings = append(endings, func() { os.RemoveAll(scratch) })
	// It does nothing when dist/ is what the sources say.
	if err := command("../..", "./build.sh"); err != nil {
		return nil, err
	}
	program = filepath.Join(scratch, "gateway")
	if err := command("../..", "go", "build", "-o", program, "./web"); err != nil {
		return nil, err
	}
	var end func()
	if browser, end, err = harness.StartBrowser(context.Background()); err != nil {
		return nil, err
	}
	endings = append(endings, end)
	w = &world{gateway: &gateway{dir: filepath.Join(scratch, "shared")}}
	if err := w.gateway.run(); err != nil {
		return nil, err
	}
	endings = append(endings, w.gateway.stop)
	if w.origin, err = newOrigin(); err != nil {
		return nil, err
	}
	w.origin.gateway = w.gateway.address
	endings = append(endings, func() { w.origin.server.Close() })
	return w, nil
}

func command(dir string, words ...string) error {
	c := exec.Command(words[0], words[1:]...)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(words, " "), err, out)
	}
	return nil
}

// world is a gateway and the origin before it.
type world struct {
	gateway *gateway
	origin  *origin
}

// newWorld starts a gateway of the test's own, which it may kill, with these flags beside the usual.
func newWorld(t *testing.T, flags ...string) *world {
	t.Helper()
	shared(t) // has built it
	w := &world{gateway: &gateway{dir: t.TempDir(), flags: flags}}
	w.gateway.start(t)
	t.Cleanup(func() {
		w.gateway.stop()
		if t.Failed() {
			t.Logf("the gateway's log:\n%s", w.gateway.log.String())
		}
	})
	w.origin = w.newOrigin(t)
	return w
}

// newOrigin opens another origin before the same gateway.
func (w *world) newOrigin(t *testing.T) *origin {
	t.Helper()
	o, err := newOrigin()
	if err != nil {
		t.Fatal(err)
	}
	o.gateway = w.gateway.address
	t.Cleanup(func() { o.server.Close() })
	return o
}

// gateway is the process that is tested. A second start finds the data of the
// first, at the same address.
type gateway struct {
	dir     string   // of its data
	flags   []string // beside those that every test's gateway has
	address *url.URL
	process *exec.Cmd
	over    chan struct{} // closed when the process has ended
	log     lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if verbose {
		os.Stderr.Write(p)
	}
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (g *gateway) url() string { return g.address.String() }

func (g *gateway) start(t *testing.T) {
	t.Helper()
	if err := g.run(); err != nil {
		t.Fatal(err)
	}
}

var addressLine = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// run starts the process and returns when it is ready.
func (g *gateway) run() error {
	listen := "127.0.0.1:0"
	if g.address != nil {
		listen = g.address.Host
	}
	dist, err := filepath.Abs("../../dist")
	if err != nil {
		return err
	}
	c := exec.Command(program, append([]string{"--demo", "--addr", listen, "--dist", dist, "--data", g.dir}, g.flags...)...)
	c.Env = append(os.Environ(), "GATEWAY_DESK_CREDENTIAL="+deskCredential, "GATEWAY_JWT_HS256_SECRET="+tokenSecret)
	c.Stderr = &g.log
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	g.process, g.over = c, make(chan struct{})
	ready := make(chan string, 1)
	go func() {
		defer close(g.over)
		s := bufio.NewScanner(out)
		for s.Scan() {
			fmt.Fprintln(&g.log, s.Text())
			if found := addressLine.FindString(s.Text()); found != "" {
				select {
				case ready <- found:
				default:
				}
			}
		}
		c.Wait()
	}()
	select {
	case found := <-ready:
		if g.address, err = url.Parse(found); err != nil {
			return err
		}
	case <-g.over:
		return fmt.Errorf("the gateway ended at its start:\n%s", g.log.String())
	case <-time.After(patience):
		g.kill()
		return fmt.Errorf("the gateway did not say its address in %v:\n%s", patience, g.log.String())
	}
	r, err := http.Get(g.url() + "/healthz")
	if err == nil {
		r.Body.Close()
		if r.StatusCode != 200 {
			err = errors.New(r.Status)
		}
	}
	if err != nil {
		g.kill()
		return fmt.Errorf("the gateway is not healthy after it said its address: %w\n%s", err, g.log.String())
	}
	return nil
}

// kill ends the process as a crash does, and waits until it is gone.
func (g *gateway) kill() {
	g.process.Process.Kill()
	<-g.over
}

// stop ends the process as Ctrl-C does.
func (g *gateway) stop() {
	g.process.Process.Signal(os.Interrupt)
	select {
	case <-g.over:
	case <-time.After(20 * time.Second):
		g.kill()
	}
}

// tokenOptions of a token. The zero value is what the demo hands out.
type tokenOptions struct {
	ttl time.Duration // 0: the demo's own
}

// params are init's parameters for a customer.
func (w *world) params(t *testing.T, customer string, o tokenOptions) map[string]any {
	t.Helper()
	token, appkey := w.token(t, customer, o)
	var c jwt.MapClaims
	if _, _, err := jwt.NewParser().ParseUnverified(token, &c); err != nil {
		t.Fatal(err)
	}
	return map[string]any{"token": token, "appkey": appkey, "integrationId": c["integrationId"]}
}

// token gets a token for a customer from the demo's back end. One of another lifetime
// is the same, signed anew.
func (w *world) token(t *testing.T, customer string, o tokenOptions) (token, appkey string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"customerId": customer, "customerName": "Customer " + customer})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.Post(w.gateway.url()+"/v1/getJWT", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != 200 {
		t.Fatalf("getJWT: %s %s %v", r.Status, text, err)
	}
	var a struct{ JWTToken, Appkey string }
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}
	if o.ttl == 0 {
		return a.JWTToken, a.Appkey
	}
	claims := jwt.MapClaims{}
	if _, err := jwt.ParseWithClaims(a.JWTToken, claims, func(*jwt.Token) (any, error) { return []byte(tokenSecret), nil }); err != nil {
		t.Fatalf("getJWT's token: %v", err)
	}
	claims["exp"] = time.Now().Add(o.ttl).Unix()
	claims["jti"] = uuid.NewString()
	token, err = jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(tokenSecret))
	if err != nil {
		t.Fatal(err)
	}
	return token, a.Appkey
}
