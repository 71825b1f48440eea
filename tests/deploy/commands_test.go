package deploy

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"openchat/sdk"
	"openchat/sdk/native"
	"openchat/sdk/wire"
	"openchat/tests/harness"
)

// block is a fenced block of docs/operations.md.
type block struct {
	heading  string // under which it stands
	language string
	text     string
}

// name is how a block is referred to here: its heading and its first line.
func (b block) name() string {
	first, _, _ := strings.Cut(b.text, "\n")
	return b.heading + ": " + first
}

// fenced returns all fenced blocks of the document.
func fenced(t *testing.T) (list []block) {
	t.Helper()
	heading := ""
	var open *block
	for line := range strings.Lines(source(t, "docs/operations.md")) {
		switch {
		case open == nil && strings.HasPrefix(line, "```"):
			open = &block{heading: heading, language: strings.TrimSpace(strings.TrimLeft(line, "`"))}
		case open != nil && strings.HasPrefix(line, "```"):
			list = append(list, *open)
			open = nil
		case open != nil:
			open.text += line
		case strings.HasPrefix(line, "#"):
			heading = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
	}
	if open != nil {
		t.Fatal("docs/operations.md has a block that does not end")
	}
	return list
}

// notRun are the blocks of commands that no test runs, and why.
var notRun = map[string]string{
	"Kubernetes: kubectl create secret generic chat-gateway --from-file=gateway.env --from-file=customers.pem --from-file=nats-url --from-file=appkey --from-file=desk": "it takes a Kubernetes cluster; the chart is rendered and checked by TestChart…",
}

// otherLanguages are those of blocks that are no commands.
var otherLanguages = map[string]bool{"json": true, "yaml": true, "conf": true, "nginx": true, "caddyfile": true, "toml": true, "text": true}

// machine is what a machine with systemd looks like to the document's commands: folders that stand for
// those of the document, and systemctl, which has this test run the unit's process.
type machine struct {
	*testing.T
	root, archive string
	api, metrics  string // host:port
	try           string // as well, of the gateway that tries a copy
	gateway       *harness.Process
	seen          map[string]bool // blocks that have run
	all           []block
}

func newMachine(t *testing.T) *machine {
	free := ports(t, 3)
	m := &machine{T: t, root: memory(t), api: free[0], metrics: free[1], try: free[2], seen: map[string]bool{}, all: fenced(t)}
	for _, dir := range []string{"usr/local/bin", "etc", "var/lib/chat-gateway", "var/backups", "stand-ins"} {
		if err := os.MkdirAll(filepath.Join(m.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m.systemctl()
	return m
}

// release packs a release as make release does, of the gateway under test, and unpacks it by the document's commands.
func (m *machine) release() {
	m.Helper()
	if err := harness.BuildSDK(m.Context()); err != nil {
		m.Fatal(err)
	}
	dir := m.TempDir()
	if err := harness.Run(m.Context(), "go", "run", "./web/deploy/release", "-version", version(m.T), "-dist", "dist", "-out", dir, gateway(m.T)); err != nil {
		m.Fatal(err)
	}
	m.run("Release archive", 1, dir)
	m.archive = filepath.Join(dir, fmt.Sprintf("chat-gateway-%s-%s-%s", version(m.T), runtime.GOOS, runtime.GOARCH))
}

// systemctl puts a program of that name where the commands find it.
func (m *machine) systemctl() {
	socket := filepath.Join(m.root, "systemd")
	script := fmt.Sprintf(`#!/bin/sh
# What the document asks of systemctl, done by the test.
case "$*" in
daemon-reload) exit ;;
"enable --now chat-gateway") set -- start ;;
"start chat-gateway" | "stop chat-gateway" | "restart chat-gateway" | "reload chat-gateway") ;;
*) echo "systemctl $*: not known here" >&2; exit 1 ;;
esac
exec curl -fsS -X POST --unix-socket %s "http://systemd/$1"
`, socket)
	if err := os.WriteFile(filepath.Join(m.root, "stand-ins", "systemctl"), []byte(script), 0o755); err != nil {
		m.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		m.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var err error
		switch r.URL.Path {
		case "/start":
			err = m.start()
		case "/stop":
			err = m.gateway.Stop(harness.Timeout)
		case "/restart":
			if err = m.gateway.Stop(harness.Timeout); err == nil {
				err = m.start()
			}
		case "/reload":
			m.gateway.Signal(syscall.SIGHUP)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})}
	go func() { _ = server.Serve(l) }() // ends with Close
	m.Cleanup(func() {
		_ = server.Close()
		if m.gateway != nil {
			m.gateway.Kill()
			if m.Failed() {
				m.Logf("the gateway: %s", m.gateway.Log.Last(30))
			}
		}
	})
}

// start runs what the installed unit says.
func (m *machine) start() error {
	unit, err := os.ReadFile(filepath.Join(m.root, "etc/systemd/system/chat-gateway.service"))
	if err != nil {
		return err
	}
	if m.gateway == nil {
		m.gateway = &harness.Process{Name: "gateway"}
	}
	m.gateway.Path = "/bin/sh"
	m.gateway.Args = []string{"-c", m.here("umask 077; cd " + directive(m.T, string(unit), "WorkingDirectory") + " && exec " + directive(m.T, string(unit), "ExecStart"))}
	return m.gateway.Start(context.Background())
}

// here replaces in a command what is elsewhere in this test: folders and ports.
func (m *machine) here(text string) string {
	for _, dir := range []string{"/usr/local/", "/etc/", "/var/lib/", "/var/backups/"} {
		text = strings.ReplaceAll(text, " "+dir, " "+m.root+dir)
		text = strings.ReplaceAll(text, `"`+dir, `"`+m.root+dir)
		text = strings.ReplaceAll(text, "="+dir, "="+m.root+dir)
	}
	for from, to := range map[string]string{
		"127.0.0.1:8080": m.api, "127.0.0.1:9464": m.metrics, "127.0.0.1:8090": m.try, "https://chat.example.com": "http://" + m.api,
		`drain-delay = "15s"`: `drain-delay = "2s"`, "linux-amd64": runtime.GOOS + "-" + runtime.GOARCH,
		// The user is made by systemd-sysusers, which changes the machine.
		"systemd-sysusers\n": "", "-o root -g chat-gateway ": "", "chown root:chat-gateway ": fmt.Sprintf("chown %d:%d ", os.Getuid(), os.Getgid()),
	} {
		text = strings.ReplaceAll(text, from, to)
	}
	return text
}

// run runs the n-th block of commands under a heading as it is printed, and returns what it writes.
func (m *machine) run(heading string, n int, dir string) string {
	m.Helper()
	for _, b := range m.all {
		if b.heading != heading || b.language != "sh" {
			continue
		}
		if n--; n > 0 {
			continue
		}
		m.seen[b.name()] = true
		ctx, cancel := context.WithTimeout(m.Context(), 2*harness.Timeout)
		defer cancel()
		c := exec.CommandContext(ctx, "sh", "-euc", m.here(b.text))
		c.Dir = dir
		c.Env = []string{"HOME=" + m.root, "PATH=" + strings.Join([]string{filepath.Join(m.root, "stand-ins"), filepath.Join(m.root, "usr/local/bin"), os.Getenv("PATH")}, ":")}
		var stdout, stderr bytes.Buffer
		c.Stdout, c.Stderr = &stdout, &stderr
		if err := c.Run(); err != nil {
			m.Fatalf("%s: %v\n%s%s", b.name(), err, &stdout, &stderr)
		}
		return stdout.String()
	}
	m.Fatalf("docs/operations.md has no such block of commands under %q", heading)
	return ""
}

// etc is the folder of the settings.
func (m *machine) etc(name string) string { return filepath.Join(m.root, "etc/chat-gateway", name) }

// secret is the content of a file of the settings.
func (m *machine) secret(name string) string {
	m.Helper()
	text, err := os.ReadFile(m.etc(name))
	if err != nil {
		m.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// call makes a call and returns its status and body.
func (m *machine) call(method, url, body string, header ...string) (int, string) {
	m.Helper()
	status, text := harness.Call(m.Context(), m, method, url, body, header...)
	return status, string(text)
}

// The integrations of the document's two tenants, ABCDEF and GHIJKL.
const (
	documentedIntegration = "a776d4f3-b886-40a3-9fa7-5b7df35b440b"
	anotherIntegration    = "5f0e3a52-6d53-4f5b-9f52-0c5b8f1f7d11"
)

// tokens is the call by which a server gets a token, with the credential and the appkey in these files.
func (m *machine) tokens(account, integration, customer, credential, appkey string) (status int, text string) {
	m.Helper()
	return m.call("POST", "http://"+m.api+wire.BasePath+"/accounts/"+account+"/tokens",
		fmt.Sprintf(`{"customerId":%q,"integrationId":%q}`, customer, integration),
		"Authorization", "Bearer "+m.secret(credential), "appkey", m.secret(appkey), "Content-Type", "application/json")
}

// token has the gateway make a token, as a server does.
func (m *machine) token(customer string) string {
	m.Helper()
	status, text := m.tokens("ABCDEF", documentedIntegration, customer, "server.txt", "appkey.txt")
	found := regexp.MustCompile(`"(?:jwtToken|token)":"([^"]+)"`).FindStringSubmatch(text)
	if status != 200 && status != 201 || found == nil {
		m.Fatalf("the tokens call is answered %d %s", status, text)
	}
	return found[1]
}

// accepts returns the status with which a session is begun with a token.
func (m *machine) accepts(token string) int {
	m.Helper()
	status, _ := m.call("POST", "http://"+m.api+wire.BasePath+"/sessions", fmt.Sprintf(`{"integrationId":%q}`, documentedIntegration),
		"Authorization", "Bearer "+token, "appkey", m.secret("appkey.txt"), "Content-Type", "application/json")
	return status
}

// customer begins a chat and returns it, and how to write in it, which reports whether that was acknowledged.
func (m *machine) customer(id string) (chat string, send func(text string) bool) {
	m.Helper()
	transport := native.New(native.Options{})
	m.Cleanup(transport.Close)
	active := make(chan struct{}, 16)
	var client *sdk.Client
	var renewals sync.WaitGroup
	client = sdk.New(sdk.Options{Transport: transport, Deliver: func(e sdk.Event) {
		switch e.Type {
		case sdk.EventEngagementActive:
			active <- struct{}{}
		case sdk.EventTokenExpired, sdk.EventTokenExpiryReminder: // as a page does
			renewals.Go(func() { _ = client.SetJWTToken(m.token(id)) })
		}
	}})
	ctx := m.Context()
	m.Cleanup(func() { client.Shutdown(context.WithoutCancel(ctx), ""); renewals.Wait() })
	if _, err := client.Init(ctx, sdk.InitParams{HostURL: "http://" + m.api, IntegrationID: documentedIntegration, Token: m.token(id), Appkey: m.secret("appkey.txt")}, sdk.Config{IdleTimeout: sdk.IdleDisabled}); err != nil {
		m.Fatal(err)
	}
	e, err := client.CreateEngagement(ctx, nil)
	if err != nil {
		m.Fatal(err)
	}
	select {
	case <-active:
	case <-time.After(harness.Timeout):
		m.Fatal("the chat is not active")
	}
	return e.EngagementID, func(text string) bool {
		m.Helper()
		_, err := client.SendMessage(ctx, e.EngagementID, text, "")
		if err != nil {
			m.Errorf("%q: %v", text, err) // also for goroutines
		}
		return err == nil
	}
}

// texts are what a chat holds, as the desk reads it.
func (m *machine) texts(chat string) string {
	m.Helper()
	desk := &harness.Desk{URL: "http://" + m.api, HTTP: http.DefaultClient, Credential: m.secret("desk.txt")}
	page, err := desk.MessagesAfter(m.Context(), chat, 0)
	if err != nil {
		m.Fatal(err)
	}
	var list []string
	for _, message := range page.Messages {
		if strings.HasSuffix(message.Body.Text, " the backup") { // not the gateway's own
			list = append(list, message.Body.Text)
		}
	}
	return strings.Join(list, "|")
}

// writer is a customer who writes "number 0" and so on.
type writer struct {
	chat         string
	acknowledged atomic.Int64  // how many of them were
	each         chan struct{} // one was acknowledged; for who waits at that moment
	stop         func()        // waits for the last answer
}

// writes has a customer write in a chat until stop is called.
func (m *machine) writes(id string) *writer {
	m.Helper()
	chat, send := m.customer(id)
	w := &writer{chat: chat, each: make(chan struct{})}
	ending, ended := make(chan struct{}), make(chan struct{})
	go func() { // ends with stop
		defer close(ended)
		pace := time.NewTicker(100 * time.Millisecond) // below a customer's rate
		defer pace.Stop()
		for {
			select {
			case <-ending:
				return
			case <-pace.C:
			}
			if !send(fmt.Sprint("number ", w.acknowledged.Load())) {
				return
			}
			w.acknowledged.Add(1)
			select {
			case w.each <- struct{}{}:
			default:
			}
		}
	}()
	w.stop = sync.OnceFunc(func() { close(ending); <-ended })
	m.Cleanup(w.stop)
	return w
}

// await returns when the customer has written some more.
func (m *machine) await(w *writer) {
	m.Helper()
	late := time.NewTimer(harness.Timeout)
	defer late.Stop()
	for range 3 { // the first may have been under way before
		select {
		case <-w.each:
		case <-late.C:
			m.Fatal("the customer does not write any more")
		}
	}
}

// numbers returns how many of those a chat has, and fails unless each is there once, in order.
func (m *machine) numbers(chat string) (n int64) {
	m.Helper()
	desk := &harness.Desk{URL: "http://" + m.api, HTTP: http.DefaultClient, Credential: m.secret("desk.txt")}
	for after, more := int64(0), true; more; {
		page, err := desk.MessagesAfter(m.Context(), chat, after)
		if err != nil {
			m.Fatal(err)
		}
		for _, message := range page.Messages {
			after = message.MessageIndex
			if text := message.Body.Text; strings.HasPrefix(text, "number ") {
				if text != fmt.Sprint("number ", n) {
					m.Fatalf("%q is stored as number %d", text, n)
				}
				n++
			}
		}
		more = page.HasNewer
	}
	return n
}

// reloaded runs a block that has the settings read again, and waits for that.
func (m *machine) reloaded(heading string, n int) {
	m.Helper()
	before := m.gateway.Log.Written()
	m.run(heading, n, m.root)
	ctx, cancel := context.WithTimeout(m.Context(), harness.Timeout)
	defer cancel()
	if err := m.gateway.Log.AwaitAfter(ctx, before, "settings read again"); err != nil {
		m.Fatal(err)
	}
}

// wantPrivate fails for each file below a folder that others may read.
func wantPrivate(t *testing.T, dir string) {
	t.Helper()
	n := 0
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			if n++; info.Mode().Perm()&0o007 != 0 {
				t.Errorf("%s is for everybody: %v", path, info.Mode())
			}
		}
		return err
	})
	if err != nil || n == 0 {
		t.Errorf("%d files in %s, %v", n, dir, err)
	}
}

// The commands of docs/operations.md, as they are printed, in the life of a gateway.
func TestDocumentedCommandsWork(t *testing.T) {
	if testing.Short() {
		t.Skip("a gateway's life")
	}
	for _, program := range []string{"openssl", "curl"} {
		need(t, program, program)
	}
	m := newMachine(t)

	m.release()
	m.run("systemd", 1, m.archive)
	m.run("systemd", 2, m.archive)
	wantPrivate(t, m.etc(""))
	if text := m.run("Metrics", 1, m.root); !strings.Contains(text, "openchat_build_info{") || !strings.Contains(text, "openchat_store_writable 1") {
		t.Errorf("the metrics are %q", text)
	}

	if text := m.run("Settings", 1, m.root); !strings.Contains(text, "https://shop.example.com") || !strings.Contains(text, "# gateway.toml:") || strings.Contains(text, m.secret("desk.txt")) {
		t.Errorf("the settings are printed as %s", text)
	}

	// Another tenant, apart from the first one.
	m.reloaded("Another tenant", 1)
	wantPrivate(t, m.etc(""))
	for _, x := range []struct{ account, integration, credential, appkey string }{
		{"ABCDEF", documentedIntegration, "server.txt", "appkey.txt"},
		{"GHIJKL", anotherIntegration, "server-ghijkl.txt", "appkey-ghijkl.txt"},
		{"GHIJKL", anotherIntegration, "server.txt", "appkey-ghijkl.txt"},
		{"ABCDEF", documentedIntegration, "server-ghijkl.txt", "appkey.txt"},
		{"ABCDEF", documentedIntegration, "server.txt", "appkey-ghijkl.txt"},
		{"ABCDEF", anotherIntegration, "server.txt", "appkey.txt"},
	} {
		own := strings.HasSuffix(x.credential, "-ghijkl.txt") == (x.account == "GHIJKL") && strings.HasSuffix(x.appkey, "-ghijkl.txt") == (x.account == "GHIJKL") &&
			(x.integration == anotherIntegration) == (x.account == "GHIJKL")
		if got, _ := m.tokens(x.account, x.integration, "customer-0", x.credential, x.appkey); own != (got == 201) || !own && got != 403 && got != 404 {
			t.Errorf("the tokens call of %+v is answered %d", x, got)
		}
	}

	// A key is changed while a customer writes, and at no time is a token refused that counts.
	written := m.writes("customer-3")
	m.await(written)
	const keys = "Tokens, keys and appkeys"
	old := m.token("customer-1")
	m.reloaded(keys, 1)
	m.await(written)
	if got := m.accepts(old); got != 201 {
		t.Errorf("after the first step a token of the old key is answered %d", got)
	}
	m.reloaded(keys, 2)
	m.await(written)
	fresh := m.token("customer-1")
	if a, b := m.accepts(old), m.accepts(fresh); a != 201 || b != 201 {
		t.Errorf("after the second step tokens of the old and the new key are answered %d and %d", a, b)
	}
	m.reloaded(keys, 3)
	m.await(written)
	if a, b := m.accepts(old), m.accepts(fresh); a != 401 || b != 201 {
		t.Errorf("after the third step tokens of the old and the new key are answered %d and %d", a, b)
	}
	wantPrivate(t, m.etc(""))

	// What a backup has comes back, also when another version has run meanwhile.
	chat, send := m.customer("customer-2")
	send("before the backup")
	copied := written.acknowledged.Load()
	m.run("Backup", 1, m.root)
	m.run("Backup", 2, m.root)
	send("after the backup")
	m.await(written)
	written.stop()
	if got, want := m.numbers(written.chat), written.acknowledged.Load(); got != want {
		t.Errorf("of %d acknowledged messages, %d of them before the backup, %d are stored", want, copied, got)
	}

	newer := filepath.Join(m.archive, "gateway")
	if err := harness.Run(t.Context(), "env", "CGO_ENABLED=0", "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version=9.9.9", "-o", newer, "./web"); err != nil {
		t.Fatal(err)
	}
	m.run("Upgrade and downgrade", 1, m.archive)
	if text := m.run("Metrics", 1, m.root); !strings.Contains(text, `version="9.9.9"`) {
		t.Errorf("after the upgrade: %q", text)
	}
	if got := m.texts(chat); got != "before the backup|after the backup" {
		t.Errorf("after the upgrade the chat has %q", got)
	}
	m.run("Upgrade and downgrade", 2, m.archive)
	if text := m.run("Metrics", 1, m.root); strings.Contains(text, `version="9.9.9"`) || !strings.Contains(text, "openchat_build_info{") {
		t.Errorf("after the downgrade: %q", text)
	}
	if got := m.texts(chat); got != "before the backup|after the backup" {
		t.Errorf("after the downgrade the chat has %q", got)
	}
	m.run("Backup", 3, m.root)
	if got := m.texts(chat); got != "before the backup" {
		t.Errorf("what was restored has %q", got)
	}
	if got, all := m.numbers(written.chat), written.acknowledged.Load(); got < copied || got >= all {
		t.Errorf("what was restored has %d of a customer's messages; %d were acknowledged before the copying, %d in all", got, copied, all)
	}

	// Everything of a customer, and then nothing.
	const data = "Export and erasure of a customer"
	_, send = m.customer("customer-4711")
	secret := "a text of " + uuid.NewString()
	send(secret)
	m.run(data, 1, m.etc(""))
	if text := m.secret("customer-4711.jsonl"); !strings.Contains(text, secret) {
		t.Errorf("the export has no message: %s", text)
	}
	wantPrivate(t, m.etc(""))
	m.run(data, 1, m.etc(""))
	if text := m.secret("customer-4711.jsonl"); strings.Contains(text, secret) {
		t.Errorf("after the erasure the export has %s", text)
	}

	// A stop: not ready at once, and serving on.
	ended := m.gateway.Exited()
	m.run("Health", 1, m.root)
	select {
	case <-ended:
	case <-time.After(harness.Timeout):
		t.Error("the gateway runs on")
	}
	if log := m.gateway.Log.String(); !strings.Contains(log, "not ready any more, serving on") {
		t.Errorf("it did not serve on:\n%s", log)
	}

	for _, b := range m.all {
		_, left := notRun[b.name()]
		switch {
		case otherLanguages[b.language]:
		case b.language != "sh":
			t.Errorf("%q is a block of the language %q: sh for commands, text for others", b.name(), b.language)
		case left && m.seen[b.name()]:
			t.Errorf("%q runs, and is said not to", b.name())
		case !left && !m.seen[b.name()]:
			t.Errorf("%q is run by no test, and notRun does not say why", b.name())
		}
		delete(notRun, b.name())
	}
	for name := range notRun {
		t.Errorf("notRun has %q, which is not in the document", name)
	}
}
