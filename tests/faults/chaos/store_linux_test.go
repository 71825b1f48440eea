package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"openchat/sdk"
	"openchat/sdk/wire"
	"openchat/tests/harness"
	"openchat/tests/harness/cluster"
)

const (
	// backWithin is how soon after the end of a cause a send must succeed.
	backWithin = 10 * time.Second
	// causeTime bounds a cause.
	causeTime = 90 * time.Second
	// nofile is how many file descriptors the gateway may have, the limit of many systems.
	nofile = 1024
	// maxConnections is how many connections the gateway takes then (docs/operations.md).
	maxConnections = nofile * 3 / 4
	diskMiB        = 384
	flooders       = 6
)

// storePlatform is a gateway with the NATS server inside, on a small disk of its own, under
// a supervisor; and what happens to it.
type storePlatform struct {
	*platform
	r          *run
	dir        string        // of the settings
	disk       *harness.Disk // nil: none can be mounted here
	noLimits   bool          // there is no command prlimit
	supervisor *supervisor
	choices    *rand.Rand

	settings string   // GATEWAY_NAME=value, a line each, without keys and what is below
	keys     []string // files of the customers' public keys
	rotated  int
	second   string // another desk credential that counts; "": none does

	floods sync.WaitGroup
}

// TestChaosOfTheStore takes from the gateway what its store needs, reloads it with good and bad
// settings, rotates its customers' keys, and kills it.
func TestChaosOfTheStore(t *testing.T) {
	if os.Getenv("DURATION") == "" {
		t.Skip("even a short run of it takes two minutes: make chaos")
	}
	r := newRun(t)
	r.probing = true
	var s *storePlatform
	r.prove(func() *platform {
		s = newStorePlatform(r)
		return s.platform
	}, func(failing, ctx context.Context) { s.fail(failing, ctx) })
	for _, c := range s.causes() {
		if r.counts[causes+c.name] == 0 || r.worst[backAfter+c.name] == 0 {
			t.Errorf("a run that nobody has outlived proves nothing of: %s", c.name)
		}
	}
}

func newStorePlatform(r *run) *storePlatform {
	t := r.T
	t.Helper()
	build(t)
	s := &storePlatform{platform: &platform{address: address(t)}, r: r, dir: t.TempDir(), choices: r.rand("causes")}
	s.url = "http://" + s.address
	var err error
	if s.account, err = cluster.NewAccount(s.dir); err != nil {
		t.Fatal(err)
	}
	if s.disk, err = harness.NewImage(t, diskMiB); err == nil {
		s.data = filepath.Join(s.disk.Dir, "data")
	} else {
		s.data = filepath.Join(t.TempDir(), "data")
		t.Logf("NOT TESTED: a full disk, a read-only file system: %v", err)
	}
	// A flag would win over the file, which can change.
	for i := 0; i < len(s.account.Args); i += 2 {
		switch name, value := s.account.Args[i], s.account.Args[i+1]; name {
		case "--jwt-public-key":
			s.keys = []string{value}
		case "--dist":
		default:
			s.settings += "GATEWAY_" + strings.ToUpper(strings.ReplaceAll(strings.TrimPrefix(name, "--"), "-", "_")) + "=" + value + "\n"
		}
	}
	if err := s.write(); err != nil {
		t.Fatal(err)
	}
	s.gateway = &harness.Process{Name: "gateway", Path: binaries.Gateway, Ready: regexp.MustCompile("Listening on"), Args: []string{
		"--dist", "", "--addr", s.address, "--data", s.data, "--environment-file", s.file(), "--heartbeat-interval", r.heartbeat.String(),
	}}
	if path, err := exec.LookPath("prlimit"); err == nil {
		s.gateway.Args = append([]string{fmt.Sprintf("--nofile=%d", nofile), s.gateway.Path}, s.gateway.Args...)
		s.gateway.Path = path // it becomes the gateway
	} else {
		s.noLimits = true
		t.Logf("NOT TESTED: no descriptors left, too many connections: %v", err)
	}
	t.Cleanup(s.gateway.Kill)
	if err := s.gateway.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.supervisor = &supervisor{p: s.gateway}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.supervisor.run(ctx, r.count, r.wrong)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return s
}

func (s *storePlatform) file() string { return filepath.Join(s.dir, "gateway.env") }

// write writes the settings, with more lines, as the next reload or start takes them.
func (s *storePlatform) write(more ...string) error {
	text := s.settings
	for _, key := range s.keys {
		text += "GATEWAY_JWT_PUBLIC_KEY=" + key + "\n"
	}
	if s.second != "" {
		text += "GATEWAY_DESK_CREDENTIAL=" + s.second + "\n"
	}
	return os.WriteFile(s.file(), []byte(text+strings.Join(more, "\n")), 0o600)
}

// cause is what the gateway is put through. do returns when it has ended. An error says that
// something was not as it should be meanwhile.
type cause struct {
	name string
	do   func(context.Context) (ended time.Time, err error)
}

func (s *storePlatform) causes() []cause {
	list := []cause{
		{"good settings", s.reload}, {"bad settings", s.reloadBad}, {"another key", s.rotate}, {"kill -9", s.kill},
	}
	if s.disk != nil {
		list = append(list, cause{"full disk", s.fill}, cause{"read-only file system", s.readOnly})
	}
	if !s.noLimits {
		list = append(list, cause{"no descriptors left", s.exhaust}, cause{"too many connections", s.loadConnections})
	}
	return list
}

// fail has all causes happen, each in a random order, again and again until failing ends.
func (s *storePlatform) fail(failing, ctx context.Context) {
	r := s.r
	for n := range flooders {
		a := newAgent(s.platform, n)
		a.name, a.pad = fmt.Sprintf("flooder-%d", n), strings.Repeat("漢", wire.MaxText-100)
		if _, err := a.call(ctx, "POST", "/engagements/"+r.prober.chat+":supervise", map[string]string{"agentId": a.id, "agentName": a.name}); err != nil {
			r.wrong("%s: %v", a.name, err)
			return
		}
		r.flooders = append(r.flooders, a)
	}
	defer func() {
		for _, a := range r.flooders {
			a.desk.HTTP.CloseIdleConnections()
		}
	}()
	low, high := 2*time.Second, 6*time.Second
	if r.duration <= time.Minute {
		low, high = low/10, high/10
	}
	for pass := 0; pass == 0 || failing.Err() == nil; pass++ {
		list := s.causes()
		s.choices.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		for _, c := range list {
			if pass > 0 && failing.Err() != nil {
				return
			}
			if !pause(ctx, between(s.choices, low, high)) || !s.happen(ctx, c) {
				return
			}
		}
	}
}

// happen reports whether everything is as it was before.
func (s *storePlatform) happen(ctx context.Context, c cause) bool {
	s.r.count(causes+c.name, 1)
	bound, cancel := context.WithTimeout(ctx, causeTime)
	defer cancel()
	began := time.Now()
	ended, err := c.do(bound)
	if err != nil {
		s.r.wrong("%s: %v\n%s", c.name, err, s.gateway.Log.Last(10))
	} else if err = s.r.back(bound, c.name, ended); err != nil {
		s.r.wrong("after %s no send has succeeded: %v\n%s", c.name, err, s.gateway.Log.Last(10))
	}
	s.floods.Wait()
	if harness.Verbose {
		fmt.Fprintf(os.Stderr, "%s from %s to %s, over at %s\n", c.name, began.Format(time.TimeOnly), ended.Format(time.TimeOnly), time.Now().Format(time.TimeOnly))
	}
	return err == nil
}

// back has the prober send until a send succeeds, and wants that soon.
func (r *run) back(ctx context.Context, cause string, ended time.Time) error {
	for {
		m := r.prober.say()
		for {
			some, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
			settled := r.prober.until(some, func() bool { return m.settled > 0 })
			cancel()
			if settled {
				break
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			// How long the SDK waits between two attempts is not the subject.
			r.prober.client.Wake(sdk.WakeOnline)
		}
		if m.acked {
			break
		}
		if !pause(ctx, 100*time.Millisecond) {
			return errors.Join(ctx.Err(), m.err)
		}
	}
	took := time.Since(ended)
	r.longest(backAfter+cause, took)
	if took > backWithin {
		r.wrong("a send succeeded %v after: %s", took, cause)
	}
	return nil
}

func (s *storePlatform) fill(ctx context.Context) (time.Time, error) {
	before := s.unavailable.now()
	free, err := s.disk.TakeSpace(int64(s.choices.IntN(3)) << 20) // less than is kept in reserve, or nothing
	if err != nil {
		return time.Time{}, err
	}
	err = s.unavailable.exceed(ctx, before)
	pause(ctx, between(s.choices, 0, 3*time.Second))
	return time.Now(), errors.Join(err, free())
}

func (s *storePlatform) readOnly(ctx context.Context) (time.Time, error) {
	ends := s.supervisor.ends.now()
	if err := s.disk.Fail(); err != nil {
		return time.Time{}, err
	}
	// Its end, and now and then that of a start that comes too early.
	err := s.supervisor.ends.exceed(ctx, ends+s.choices.IntN(2))
	err = errors.Join(err, s.supervisor.hold(s.disk.Repair))
	return time.Now(), err
}

func (s *storePlatform) kill(ctx context.Context) (time.Time, error) {
	return time.Now(), s.supervisor.kill(ctx)
}

// exhaust takes all descriptors that are not in use. The store feels it when it goes on to
// its next file, so that much is written.
func (s *storePlatform) exhaust(ctx context.Context) (time.Time, error) {
	for _, a := range s.r.flooders { // or they would have no connection
		s.floods.Go(func() { a.say(ctx, s.r.prober.chat) })
	}
	s.floods.Wait()
	before := s.unavailable.now()
	if err := s.gateway.AllowFiles(3); err != nil {
		return time.Time{}, err
	}
	enough, stop := context.WithCancel(ctx)
	defer stop()
	for _, a := range s.r.flooders {
		s.floods.Go(func() {
			for enough.Err() == nil {
				a.say(ctx, s.r.prober.chat)
			}
		})
	}
	err := s.unavailable.exceed(ctx, before)
	stop()
	pause(ctx, between(s.choices, 0, 2*time.Second))
	err = errors.Join(err, s.gateway.AllowFiles(nofile))
	return time.Now(), err
}

// loadConnections opens more connections than the gateway takes, and says nothing on them. A send must
// succeed while they are open, too.
func (s *storePlatform) loadConnections(ctx context.Context) (time.Time, error) {
	var cut tally
	var open sync.WaitGroup
	defer open.Wait()
	ctx, end := context.WithCancel(ctx)
	defer end()
	const more = 400
	for range maxConnections + more {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
		if err != nil {
			return time.Time{}, err
		}
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		open.Go(func() {
			defer conn.Close()
			defer stop()
			_, _ = io.Copy(io.Discard, conn)
			cut.count()
		})
	}
	if err := cut.exceed(ctx, more-1); err != nil {
		return time.Time{}, fmt.Errorf("of %d silent connections %d were cut: %w", maxConnections+more, cut.now(), err)
	}
	if err := s.r.back(ctx, "too many connections, still open", time.Now()); err != nil {
		return time.Time{}, err
	}
	return time.Now(), nil
}

// hangup has the gateway read its settings again, and waits for what it says of them.
func (s *storePlatform) hangup(ctx context.Context, says string) error {
	written := s.gateway.Log.Written()
	s.supervisor.signal(syscall.SIGHUP)
	return s.gateway.Log.AwaitAfter(ctx, written, says)
}

const (
	taken   = "settings read again"
	refused = "those before stay"
)

// credential wants the desk to answer so to a credential.
func (s *storePlatform) credential(ctx context.Context, credential string, want int) error {
	d := newAgent(s.platform, -1)
	defer d.desk.HTTP.CloseIdleConnections()
	d.desk.Credential = credential
	_, err := d.call(ctx, "GET", "/engagements?limit=1", nil)
	got := http.StatusOK
	var r *harness.RefusedError
	if errors.As(err, &r) {
		got, err = r.Status, nil
	}
	if err == nil && got != want {
		err = fmt.Errorf("the desk answers %d to a credential, want %d", got, want)
	}
	return err
}

// reload adds a desk credential, or takes it out.
func (s *storePlatform) reload(ctx context.Context) (time.Time, error) {
	before := s.second
	if s.second = ""; before == "" {
		s.second = uuid.NewString()
	}
	err := errors.Join(s.write(), s.hangup(ctx, taken))
	ended := time.Now()
	if before == "" {
		return ended, errors.Join(err, s.credential(ctx, s.second, http.StatusOK))
	}
	return ended, errors.Join(err, s.credential(ctx, before, http.StatusUnauthorized))
}

// reloadBad gives settings with a mistake. What is right in them must not count, and what
// they lack must not be gone.
func (s *storePlatform) reloadBad(ctx context.Context) (time.Time, error) {
	mistakes := []string{
		"GATEWAY_CUSTOMER_CHATS=many", "GATEWAY_NONSENSE=1", "GATEWAY_DESK_CREDENTIAL=abababababababab", "GATEWAY_ALLOWED_ORIGINS=nonsense",
		"GATEWAY_JWT_PUBLIC_KEY=" + filepath.Join(s.dir, "absent.pem"), "GATEWAY_DENY_LIST=" + s.dir,
	}
	keys, other := s.keys, uuid.NewString()
	s.keys = []string{filepath.Join(s.dir, "other.pem")}
	_, err := s.account.NewKey(s.keys[0])
	err = errors.Join(err, s.write("GATEWAY_DESK_CREDENTIAL="+other, mistakes[s.choices.IntN(len(mistakes))]))
	err = errors.Join(err, s.hangup(ctx, refused))
	ended := time.Now()
	s.keys = keys
	err = errors.Join(err, s.credential(ctx, other, http.StatusUnauthorized), s.credential(ctx, s.account.DeskCredential, http.StatusOK), s.write())
	return ended, err
}

// rotate replaces the customers' key as docs/operations.md says: both count, customers get
// tokens of the new one, the old one is taken out.
func (s *storePlatform) rotate(ctx context.Context) (time.Time, error) {
	s.rotated++
	file := filepath.Join(s.dir, fmt.Sprintf("customers-%d.pem", s.rotated))
	use, err := s.account.NewKey(file)
	if err != nil {
		return time.Time{}, err
	}
	old := s.token("late", time.Now().Add(time.Hour))
	s.keys = append(s.keys, file)
	if err := errors.Join(s.write(), s.hangup(ctx, taken), s.wantToken(ctx, old, http.StatusCreated)); err != nil {
		return time.Time{}, err
	}
	use()
	for _, c := range s.r.customers {
		c.renew()
	}
	if err := s.r.endAttack(); err != nil {
		return time.Time{}, err
	}
	s.r.hostile.Token = s.token("hostile", time.Now().Add(time.Hour))
	if s.r.endAttack, err = s.r.hostile.Begin(); err != nil {
		return time.Time{}, err
	}
	s.keys = s.keys[1:]
	err = errors.Join(s.write(), s.hangup(ctx, taken))
	ended := time.Now()
	return ended, errors.Join(err, s.wantToken(ctx, old, http.StatusUnauthorized))
}

// wantToken wants that answer to a customer's first call.
func (s *storePlatform) wantToken(ctx context.Context, token string, want int) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	body := fmt.Sprintf(`{"integrationId":%q,"correlationId":%q}`, s.account.IntegrationID, uuid.NewString())
	for {
		r, err := http.NewRequestWithContext(ctx, "POST", s.url+wire.BasePath+"/sessions", bytes.NewReader([]byte(body)))
		if err != nil {
			return err
		}
		r.Header = http.Header{"Authorization": {"Bearer " + token}, wire.HeaderAppkey: {s.account.Appkey}, "Content-Type": {"application/json"}}
		a, err := client.Do(r)
		if err == nil {
			text, _ := io.ReadAll(a.Body)
			a.Body.Close()
			switch {
			case a.StatusCode == want:
				return nil
			case a.StatusCode < 500 && a.StatusCode != http.StatusTooManyRequests:
				return fmt.Errorf("a token is answered %s %s, want %d", a.Status, text, want)
			}
			err = errors.New(a.Status)
		}
		if !pause(ctx, 100*time.Millisecond) {
			return err
		}
	}
}
