package deploy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"openchat/sdk"
	"openchat/sdk/native"
	"openchat/sdk/wire"
	"openchat/tests/harness"
	"openchat/tests/harness/cluster"
)

// host is the name in the document's examples, and base the gateway's address there.
const (
	host   = "chat.example.com"
	base   = "https://" + host + "/chat"
	origin = "https://" + host
)

// nobody is a user without rights.
const nobody = 65534

// unprivileged is what a command line begins with that a user without rights is to run.
func unprivileged() []string {
	if os.Getuid() != 0 {
		return nil
	}
	return []string{"setpriv", fmt.Sprintf("--reuid=%d", nobody), fmt.Sprintf("--regid=%d", nobody), "--clear-groups", "--no-new-privs"}
}

// folder makes a folder for a process of a user without rights.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "openchat-deploy-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	own(t, dir)
	return dir
}

// own gives all of a folder to the user without rights.
func own(t *testing.T, dir string) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	if out, err := exec.Command("chown", "-R", fmt.Sprintf("%d:%d", nobody, nobody), dir).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
}

// certificate makes a certificate for host, puts it and its key into dir, and returns who trusts it.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	for name, block := range map[string]*pem.Block{"crt": {Type: "CERTIFICATE", Bytes: der}, "key": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		text := pem.EncodeToMemory(block)
		if name == "crt" {
			pool.AppendCertsFromPEM(text)
		}
		if err := os.WriteFile(filepath.Join(dir, host+"."+name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return pool
}

// ports returns ports of loopback that nothing listens on now.
func ports(t *testing.T, n int) (list []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // not before all are found, or the same would come again
		list = append(list, l.Addr().String())
	}
	return list
}

// proxied is two gateways behind a proxy.
type proxied struct {
	*testing.T
	account  *cluster.Account
	gateways [2]*harness.Process
	plain    string // where the proxy takes http
	secure   string // and https
	trusted  *x509.CertPool
	failures sync.Map // answers of 5xx, which no client should see
}

// client returns an HTTP client that finds host at the proxy, and comes from an address.
func (p *proxied) client(from string) *http.Client {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: p.trusted},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			to := map[string]string{host + ":80": p.plain, host + ":443": p.secure}[addr]
			if to == "" {
				return nil, fmt.Errorf("a call to %s, which is not the proxy", addr)
			}
			return dialer.DialContext(ctx, network, to)
		},
		MaxIdleConnsPerHost: 16,
	}
	p.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: noting{p, transport}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// noting notes answers of 5xx.
type noting struct {
	p *proxied
	http.RoundTripper
}

func (n noting) RoundTrip(r *http.Request) (*http.Response, error) {
	a, err := n.RoundTripper.RoundTrip(r)
	if err == nil && a.StatusCode >= 500 {
		n.p.failures.Store(fmt.Sprintf("%d to %s %s", a.StatusCode, r.Method, r.URL.Path), a.StatusCode)
	}
	return a, err
}

// memory makes a folder whose files cost no disk, where there is one: NATS writes each entry to the
// disk before it acknowledges, which takes a while on a machine that is busy with other tests.
func memory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "openchat-deploy-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// startNATS starts the NATS server of the compose file, with its configuration.
func startNATS(t *testing.T) (url string) {
	t.Helper()
	const password = "a5c0ffee5a1dad0f"
	text := replace(t, source(t, "web/deploy/compose/nats.conf"), "port: 4222", "listen: 127.0.0.1:-1", "http: 8222\n", "", "/data", memory(t))
	file := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &harness.Process{
		Name: "nats", Path: filepath.Join(binaries, "nats-server"), Args: []string{"-c", file}, Env: []string{"NATS_PASSWORD=" + password},
		Ready: regexp.MustCompile(`127\.0\.0\.1:\d+`),
	}
	t.Cleanup(p.Kill)
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return "nats://gateway:" + password + "@" + p.URL
}

// startGateways starts two gateways with the settings of the compose file.
func (p *proxied) startGateways(nats string, more ...string) {
	p.Helper()
	dir := p.TempDir()
	var err error
	if p.account, err = cluster.NewAccount(dir); err != nil {
		p.Fatal(err)
	}
	settings := composeEnvironment(p.T)
	settings["GATEWAY_NATS_URL"] = nats
	delete(settings, "GATEWAY_NATS_MONITOR_URL")
	delete(settings, "GATEWAY_CONFIG") // the account's flags are in its place
	for i := range p.gateways {
		g := &harness.Process{
			Name: fmt.Sprint("gateway", i+1), Path: gateway(p.T), Ready: harness.AddressLine,
			Args: append(append([]string{"--addr", "127.0.0.1:0", "--heartbeat-interval", "1s"}, p.account.Args...), more...),
		}
		for name, value := range settings {
			g.Env = append(g.Env, name+"="+value)
		}
		p.Cleanup(func() {
			g.Kill()
			if p.Failed() {
				p.Logf("%s: %s", g.Name, g.Log.Last(20))
			}
		})
		if err := g.Start(p.Context()); err != nil {
			p.Fatal(err)
		}
		p.gateways[i] = g
	}
}

// address is where a gateway listens.
func (p *proxied) address(i int) string { return strings.TrimPrefix(p.gateways[i].URL, "http://") }

// startProxy runs a proxy as a user without rights, and returns when it listens at both ports.
func (p *proxied) startProxy(dir string, environment []string, words ...string) {
	p.Helper()
	own(p.T, dir)
	words = append(unprivileged(), words...)
	program, err := exec.LookPath(words[0])
	if err != nil {
		p.Fatal(err)
	}
	proxy := &harness.Process{Name: "proxy", Path: program, Args: words[1:], Env: append(environment, "HOME="+dir)}
	p.Cleanup(func() {
		// Not Kill: nginx's workers would live on.
		if err := proxy.Stop(harness.Timeout); err != nil {
			p.Log(err)
		}
		if p.Failed() {
			p.Logf("the proxy: %s", proxy.Log.Last(30))
		}
	})
	if err := proxy.Start(p.Context()); err != nil {
		p.Fatal(err)
	}
	late := time.NewTimer(harness.Timeout)
	defer late.Stop()
	for waiting := []string{p.plain, p.secure}; len(waiting) > 0; {
		if conn, err := net.Dial("tcp", waiting[0]); err == nil {
			_ = conn.Close()
			waiting = waiting[1:]
			continue
		}
		select {
		case <-proxy.Exited():
			p.Fatalf("the proxy ended: %v", proxy.Err())
		case <-late.C:
			p.Fatal("the proxy does not listen")
		case <-time.After(20 * time.Millisecond): // it has no way to tell
		}
	}
}

// prepare is what every proxy needs: the program, ports, and a folder with a certificate. It returns the folder and
// the document's n configurations, of which the last one is for the site: with these gateways and that certificate.
func (p *proxied) prepare(program, heading, language string, n int) (dir string, texts []string) {
	p.Helper()
	need(p.T, program, program)
	dir = folder(p.T)
	p.trusted = certificate(p.T, dir)
	free := ports(p.T, 2)
	p.plain, p.secure = free[0], free[1]
	texts = blocks(p.T, "### "+heading, language)
	if len(texts) != n {
		p.Fatalf("%d configurations for %s in the document", len(texts), heading)
	}
	texts[n-1] = replace(p.T, texts[n-1],
		"gateway1.internal:8080", p.address(0), "gateway2.internal:8080", p.address(1), "/etc/"+program+"/tls/", dir+"/")
	return dir, texts
}

// configuration writes a proxy's configuration, and returns the file.
func (p *proxied) configuration(dir, text string) string {
	p.Helper()
	file := filepath.Join(dir, "configuration")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.Fatal(err)
	}
	return file
}

// nginx starts nginx with the document's configuration. Other are ports and paths, and each 60 s
// is 3, as a ping comes each second and not every 20.
func (p *proxied) nginx() {
	if text := blocks(p.T, "### nginx", "nginx"); text[len(text)-1] != source(p.T, "web/deploy/nginx/chat.conf") {
		p.Error("web/deploy/nginx/chat.conf is not what docs/operations.md prints")
	}
	dir, texts := p.prepare("nginx", "nginx", "nginx", 2)
	site := replace(p.T, texts[1], "listen 80;", "listen "+p.plain+";", "listen 443 ", "listen "+p.secure+" ", " 60s;", " 3s;")
	var own strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&own, "%s_temp_path %s/%s;\n", kind, dir, kind)
	}
	file := p.configuration(dir, texts[0]+"daemon off;\npid "+dir+"/pid;\nhttp {\naccess_log off;\n"+own.String()+site+"}\n")
	p.startProxy(dir, []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin"}, "env", "nginx", "-e", "stderr", "-p", dir, "-c", file)
}

// caddy starts Caddy with the document's configuration. Other are ports and paths.
func (p *proxied) caddy() {
	dir, texts := p.prepare("caddy", "Caddy", "caddyfile", 1)
	_, plain, _ := net.SplitHostPort(p.plain)
	_, secure, _ := net.SplitHostPort(p.secure)
	file := p.configuration(dir, fmt.Sprintf("{\n\tadmin off\n\tstorage file_system %s/storage\n\tdefault_bind 127.0.0.1\n\thttp_port %s\n\thttps_port %s\n}\n", dir, plain, secure)+texts[0])
	p.startProxy(dir, nil, "caddy", "run", "--adapter", "caddyfile", "--config", file)
}

// What the document says in words: where its lines go in Debian's file, and which one stands for a single gateway.
func TestNginxOfDebianTakesTheConfigurationForOneGateway(t *testing.T) {
	need(t, "nginx", "nginx")
	debian, err := os.ReadFile("/etc/nginx/nginx.conf")
	if err != nil {
		t.Skip(err)
	}
	one := regexp.MustCompile("For one gateway, on nginx's own machine, `(server [^`]*;)` stands in the place of both `server` lines").FindStringSubmatch(source(t, "docs/operations.md"))
	texts := blocks(t, "### nginx", "nginx")
	events := regexp.MustCompile(`(?ms)^events \{.*?^\}\n`)
	if one == nil || len(texts) != 2 || len(events.FindAll(debian, -1)) != 1 || !strings.Contains(source(t, "docs/operations.md"), "in the place of the `events` block that is there") {
		t.Fatalf("the document says something else, or Debian's file is another: %q", one)
	}
	dir := t.TempDir()
	certificate(t, dir)
	site := filepath.Join(dir, "site.conf")
	text := regexp.MustCompile(`(?m)( *server gateway\d.*\n)+`).ReplaceAllLiteralString(texts[1], one[1]+"\n")
	free := ports(t, 2)
	text = replace(t, text, "/etc/nginx/tls/", dir+"/", "listen 80;", "listen "+free[0]+";", "listen 443 ", "listen "+free[1]+" ")
	if err := os.WriteFile(site, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	text = replace(t, events.ReplaceAllLiteralString(string(debian), texts[0]),
		"/run/nginx.pid", dir+"/pid", "/var/log/nginx/", dir+"/", "include /etc/nginx/conf.d/*.conf;", "include "+site+";", "include /etc/nginx/sites-enabled/*;", "")
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("env", "nginx", "-t", "-e", "stderr", "-c", file)
	command.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin")
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// The configurations of the document: what a page and a desk do goes through, and a gateway that
// is stopped is not noticed.
func TestProxiesCarryChatsAndADrainedGatewayIsNotNoticed(t *testing.T) {
	if testing.Short() {
		t.Skip("seven processes")
	}
	gateway(t)
	if err := harness.Run(t.Context(), "go", "build", "-o", filepath.Join(binaries, "nats-server"), "github.com/nats-io/nats-server/v2"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		start func(*proxied)
		drain string // --drain-delay; what looks at /readyz needs time for it
	}{
		{"nginx", (*proxied).nginx, "1s"},
		{"Caddy", (*proxied).caddy, "6s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*harness.Timeout)
			defer cancel()
			p := &proxied{T: t}
			p.startGateways(startNATS(t), "--drain-delay", c.drain)
			c.start(p)

			client := p.client("127.0.0.1")
			a := p.get(client, "http://"+host+"/chat/livez")
			if to := a.Header.Get("Location"); a.StatusCode < 300 || a.StatusCode > 399 || !strings.HasPrefix(to, origin) {
				t.Errorf("http is answered %s to %q", a.Status, to)
			}
			a = p.get(client, base+"/readyz")
			if got := a.Header.Get("Strict-Transport-Security"); a.StatusCode != 200 || got != "max-age=31536000" {
				t.Errorf("%s/readyz is answered %s, with Strict-Transport-Security %q", base, a.Status, got)
			}
			p.addresses()
			// Longer than the proxy keeps a connection that is silent.
			if pings, err := p.readPings(ctx, client, 5); err != nil {
				t.Errorf("a stream was not kept open by a ping each second; it had %d: %v", pings, err)
			}
			p.drains(ctx, client)
			p.pages(client, customers)
			// What both gateways refuse, because NATS gets no time from the machine, no proxy makes good.
			busy := strings.Contains(p.gateways[0].Log.String()+p.gateways[1].Log.String(), "the store is not healthy")
			p.failures.Range(func(what, status any) bool {
				if !busy || status != http.StatusServiceUnavailable {
					t.Errorf("an answer of %v", what)
				}
				return true
			})
		})
	}
}

// get makes a call without a body.
func (p *proxied) get(client *http.Client, url string, header ...string) *http.Response {
	p.Helper()
	r, err := http.NewRequestWithContext(p.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		p.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	a, err := client.Do(r)
	if err != nil {
		p.Fatal(err)
	}
	_ = a.Body.Close()
	return a
}

// addresses wants the gateways to know where a client comes from, whatever it says about that,
// and pages of their own origin to be served.
func (p *proxied) addresses() {
	p.Helper()
	a := p.get(p.client("127.0.0.2"), base+harness.DeskPath+"/engagements",
		"Authorization", "Bearer nobody-has-this-credential", "X-Forwarded-For", "203.0.113.9", "Origin", origin)
	if a.StatusCode != http.StatusUnauthorized || a.Header.Get("Access-Control-Allow-Origin") != origin {
		p.Errorf("a wrong credential is answered %s, for the origin %q", a.Status, a.Header.Get("Access-Control-Allow-Origin"))
	}
	// One of the two has been asked, and writes its log when it has answered.
	ctx, cancel := context.WithTimeout(p.Context(), harness.Timeout)
	defer cancel()
	found := make(chan struct{}, len(p.gateways))
	for _, g := range p.gateways {
		go func() {
			_ = g.Log.Await(ctx, "127.0.0.2")
			found <- struct{}{}
		}()
	}
	<-found
	log := p.gateways[0].Log.String() + p.gateways[1].Log.String()
	if !strings.Contains(log, "127.0.0.2") || strings.Contains(log, "203.0.113.9") {
		p.Errorf("the log does not have the client's address, or has what the client says of it:\n%s", log)
	}
}

// pages reads the list of chats through the proxy, one on a page, each by the URL that the page before names.
func (p *proxied) pages(client *http.Client, chats int) {
	p.Helper()
	at, err := url.Parse(base + harness.DeskPath + "/engagements?limit=1")
	if err != nil {
		p.Fatal(err)
	}
	for n := 1; ; n++ {
		a := p.get(client, at.String(), "Authorization", "Bearer "+p.account.DeskCredential)
		link, more := strings.CutSuffix(a.Header.Get("Link"), `>; rel="next"`)
		if a.StatusCode != http.StatusOK || more != (n < chats) {
			p.Fatalf("page %d of %d is answered %s, Link %q", n, chats, a.Status, a.Header.Get("Link"))
		}
		if !more {
			return
		}
		if at, err = at.Parse(strings.TrimPrefix(link, "<")); err != nil {
			p.Fatal(err)
		}
	}
}

// customers is how many write through the proxy at once.
const customers = 4

// drains chats through the proxy, while one of the gateways is stopped.
func (p *proxied) drains(ctx context.Context, client *http.Client) {
	p.Helper()
	transport := native.New(native.Options{HTTPClient: client, Header: http.Header{"Origin": {origin}}})
	defer transport.Close()
	desk := p.account.Desk(base, client)

	const before = 5
	var all sync.WaitGroup
	var underWay sync.WaitGroup // those who have not sent so many
	underWay.Add(customers)
	stopped := make(chan struct{})
	failed := make(chan error, customers)
	for range customers {
		all.Go(func() {
			failed <- p.chat(ctx, transport, desk, before, underWay.Done, stopped)
		})
	}
	underWay.Wait()
	if err := p.gateways[0].Stop(harness.Timeout); err != nil {
		p.Error(err)
	}
	close(stopped)
	all.Wait()
	for range customers {
		if err := <-failed; err != nil {
			p.Error(err)
		}
	}
}

// chat has a customer and an agent write to each other until stopped is closed, and some more. It
// calls done when n messages have gone both ways.
func (p *proxied) chat(ctx context.Context, t *native.Transport, desk *harness.Desk, n int, done func(), stopped <-chan struct{}) error {
	said := make(chan string, 1024)
	customer := uuid.NewString()
	signal := sync.OnceFunc(done)
	defer signal() // also when it fails
	v, err := p.account.Visit(ctx, base, t, desk, uuid.NewString(), customer, func(e sdk.Event) {
		if e.Type == sdk.EventMessageArrived && e.Message.SenderParticipant.ParticipantType == "AGENT" {
			said <- e.Message.Body.Text
		}
	})
	if refused(err) {
		err = again(ctx, func() error { return desk.Accept(ctx, v.Chat, v.Agent, "Agent") })
	}
	if err != nil {
		return err
	}
	defer v.Shutdown(ctx, "")
	rest := n // after the stop
	i := 0
	for ; rest > 0; i++ {
		if err := v.Send(ctx, fmt.Sprint("customer ", i)); err != nil {
			return fmt.Errorf("the customer's %d: %w", i, err)
		}
		key := uuid.NewString()
		if err := again(ctx, func() error { return desk.Send(ctx, v.Chat, v.Agent, fmt.Sprint("agent ", i), key) }); err != nil {
			return fmt.Errorf("the agent's %d: %w", i, err)
		}
		select {
		case got := <-said:
			if want := fmt.Sprint("agent ", i); got != want {
				return fmt.Errorf("the customer got %q, not %q", got, want)
			}
		case <-ctx.Done():
			return fmt.Errorf("the customer did not get the agent's %d: %w", i, ctx.Err())
		}
		if i == n {
			signal()
		}
		select {
		case <-stopped:
			rest--
		default:
		}
	}
	// Each message is stored once.
	page, err := desk.MessagesAfter(ctx, v.Chat, 0)
	for stored := map[string]bool{}; err == nil; {
		for _, m := range page.Messages {
			if text := m.Body.Text; stored[text] && strings.Contains(text, " ") && m.SenderParticipantType != "SYSTEM" {
				return fmt.Errorf("%q is stored twice", text)
			}
			stored[m.Body.Text] = true
		}
		if !page.HasNewer || len(page.Messages) == 0 {
			for j := range i {
				if !stored[fmt.Sprint("customer ", j)] || !stored[fmt.Sprint("agent ", j)] {
					return fmt.Errorf("number %d is not stored", j)
				}
			}
			break
		}
		page, err = desk.MessagesAfter(ctx, v.Chat, page.Messages[len(page.Messages)-1].MessageIndex)
	}
	return err
}

// refused says whether a call of the desk was refused for now.
func refused(err error) bool {
	var r *harness.RefusedError
	return errors.As(err, &r) && r.Status == http.StatusServiceUnavailable
}

// again makes a call until it is not refused for now. The SDK does so by itself.
func again(ctx context.Context, call func() error) error {
	for {
		err := call()
		if !refused(err) {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return err
		}
	}
}

// readPings opens a desk's stream, on which there is nothing but pings, and reads n of them.
func (p *proxied) readPings(ctx context.Context, client *http.Client, n int) (pings int, err error) {
	conn, _, err := websocket.Dial(ctx, base+harness.DeskPath+"/events", &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{harness.DeskSubprotocol}})
	if err != nil {
		return 0, err
	}
	defer conn.CloseNow()
	conn.SetReadLimit(wire.MaxServerFrame)
	if err := conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":"authenticate","credential":%q}`, p.account.DeskCredential)); err != nil {
		return 0, err
	}
	for pings < n {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return pings, err
		}
		if strings.Contains(string(text), `"type":"ping"`) {
			pings++
			if err := conn.Write(ctx, websocket.MessageText, []byte(`{"type":"pong"}`)); err != nil {
				return pings, err
			}
		}
	}
	return pings, nil
}
