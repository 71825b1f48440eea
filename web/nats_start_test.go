package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"openchat/tests/harness"
	"openchat/web/store"
)

// natsServer starts a NATS server with that configuration, which says nothing of addresses, and returns it.
func natsServer(t *testing.T, configuration string) *server.Server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatalf("%v in\n%s", err, configuration)
	}
	o.Host, o.Port, o.NoSigs, o.NoLog = "127.0.0.1", -1, true, true
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("the NATS server is not ready")
	}
	return s
}

// jetStream is the configuration of a server that stores in a folder of its own.
func jetStream(t *testing.T, more string) string {
	return fmt.Sprintf("jetstream { store_dir: %q, %s }\n", t.TempDir(), more)
}

// natsCertificate makes a certificate for 127.0.0.1 and its key, and returns their files.
func natsCertificate(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "nats"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "nats.crt"), filepath.Join(dir, "nats.key")
	for file, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}

// claiming passes a connection on to a NATS server that says it is of another version.
func claiming(t *testing.T, s *server.Server, version string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() { // ends with the listener
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ends with either connection
				defer client.Close()
				to, err := net.Dial("tcp", s.Addr().String())
				if err != nil {
					return
				}
				defer to.Close()
				go func() { _, _ = io.Copy(to, client); _ = to.Close() }()
				// The first line is the server's INFO.
				var info []byte
				for one := make([]byte, 1); !bytes.HasSuffix(info, []byte("\n")); info = append(info, one[0]) {
					if _, err := to.Read(one); err != nil {
						return
					}
				}
				_, _ = client.Write(bytes.Replace(info, []byte(`"version":"`+server.VERSION+`"`), []byte(`"version":"`+version+`"`), 1))
				_, _ = io.Copy(client, to)
			}()
		}
	}()
	return "nats://" + l.Addr().String()
}

// secretOfNATS must not be in anything that is said.
const secretOfNATS = "nats-password"

// refusesToStart runs the demo at a NATS URL until it ends, and wants its one line, apart from the log, to name
// --nats-url once, and to hold the words. That there is no other line says that it did not wait: a start
// that does says so in the log.
func refusesToStart(t *testing.T, url string, environment []string, code int, words ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*limit) // the machine may be busy
	defer cancel()
	cmd := exec.CommandContext(ctx, built(t), "--demo", "--addr", "127.0.0.1:0", "--dist", "", "--nats-url", url)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, environment...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	said := stderr.String()
	if !errors.As(err, &exit) || exit.ExitCode() != code || strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "gateway: ") || stdout.Len() != 0 {
		t.Errorf("%v, stdout %q, stderr %q; want exit %d and one line", err, &stdout, said, code)
	}
	if n := strings.Count(said, "--nats-url"); n != 1 {
		t.Errorf("--nats-url is named %d times in %q", n, said)
	}
	for _, w := range words {
		if !strings.Contains(said, w) {
			t.Errorf("%q does not hold %q", said, w)
		}
	}
	if strings.Contains(said, secretOfNATS) {
		t.Errorf("the password is in %q", said)
	}
}

// What an external NATS server lacks, or refuses, is said at once.
func TestStartSaysWhatIsWrongWithTheNATSServer(t *testing.T) {
	users := func(permissions string) string {
		return fmt.Sprintf("authorization { users: [ { user: gateway, password: %s, %s } ] }\n", secretOfNATS, permissions)
	}
	as := func(s *server.Server, credentials string) string {
		return strings.Replace(s.ClientURL(), "nats://", "nats://"+credentials+"@", 1)
	}
	const right = "gateway:" + secretOfNATS
	certificate, key := natsCertificate(t)
	tls := fmt.Sprintf("tls { cert_file: %q, key_file: %q, %%s }\n", certificate, key)
	taken := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	for _, x := range []struct {
		name        string
		url         func(t *testing.T) string
		environment []string
		code        int
		words       []string
	}{
		{"refused connection", func(t *testing.T) string { return "nats://" + right + "@" + taken() }, nil, exitFailed, []string{"takes connections at 127.0.0.1:", "start it"}},
		{"no URL", func(t *testing.T) string { return "nats://" + right + "@127.0.0.1:port" }, nil, exitMisused, []string{"number 1 is no URL"}},
		{"the URL of something else", func(t *testing.T) string { return "nats://127.0.0.1:4222,http://" + right + "@127.0.0.1:8222" }, nil, exitMisused, []string{"number 2", "http://"}},
		{"no name", func(t *testing.T) string { return "nats://" + right + "@nats.invalid:4222" }, nil, exitFailed, []string{"nats.invalid", "correct the address"}},
		{"no JetStream", func(t *testing.T) string { return as(natsServer(t, users("")), right) }, nil, exitFailed, []string{"no JetStream", "jetstream {"}},
		{"no JetStream for the account", func(t *testing.T) string {
			return as(natsServer(t, jetStream(t, "")+`accounts { A { users: [ { user: gateway, password: `+secretOfNATS+` } ] }, B { jetstream: enabled, users: [ { user: b, password: b } ] } }`), right)
		}, nil, exitFailed, []string{"account", "jetstream: enabled"}},
		{"an old version", func(t *testing.T) string { return claiming(t, natsServer(t, jetStream(t, "")), "2.10.29") }, nil, exitFailed, []string{"2.10.29", "2.11.0"}},
		{"a wrong password", func(t *testing.T) string { return as(natsServer(t, jetStream(t, "")+users("")), right+"-wrong") }, nil, exitFailed, []string{"refuses the credentials"}},
		{"no password", func(t *testing.T) string { return natsServer(t, jetStream(t, "")+users("")).ClientURL() }, nil, exitFailed, []string{"asks for credentials"}},
		{"TLS of an unknown authority", func(t *testing.T) string {
			return as(natsServer(t, jetStream(t, "")+users("")+fmt.Sprintf(tls, "")), right)
		}, nil, exitFailed, []string{"TLS", "unknown authority", "SSL_CERT_FILE"}},
		{"TLS with certificates of clients", func(t *testing.T) string {
			return as(natsServer(t, jetStream(t, "")+users("")+fmt.Sprintf(tls, fmt.Sprintf("verify: true, ca_file: %q", certificate))), right)
		}, []string{"SSL_CERT_FILE=" + certificate}, exitFailed, []string{"TLS", "of its clients"}},
		{"TLS before all else", func(t *testing.T) string {
			return as(natsServer(t, jetStream(t, "")+users("")+fmt.Sprintf(tls, "handshake_first: true")), right)
		}, nil, exitFailed, []string{"handshake_first"}},
		{"TLS that the server does not speak", func(t *testing.T) string {
			return strings.Replace(as(natsServer(t, jetStream(t, "")+users("")), right), "nats://", "tls://", 1)
		}, nil, exitFailed, []string{"does not speak TLS"}},
		{"no permission at all", func(t *testing.T) string {
			return as(natsServer(t, jetStream(t, "")+users(`permissions { publish: { deny: ">" }, subscribe: { deny: ">" } }`)), right)
		}, nil, exitFailed, []string{"publish to chat.", "$JS.API.STREAM.INFO.CHAT", "subscribe to _INBOX.>", "docs/operations.md"}},
		{"no permission to make the stream", func(t *testing.T) string {
			return as(natsServer(t, jetStream(t, "")+users(strings.Replace(documented(t), `"$JS.API.STREAM.*.CHAT"`, `"$JS.API.STREAM.UPDATE.CHAT", "$JS.API.STREAM.INFO.CHAT", "$JS.API.STREAM.PURGE.CHAT"`, 1))), right)
		}, nil, exitFailed, []string{"$JS.API.STREAM.CREATE.CHAT"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			refusesToStart(t, x.url(t), x.environment, x.code, x.words...)
		})
	}
	t.Run("more copies than servers", func(t *testing.T) {
		t.Parallel()
		fails(t, exitFailed, []string{"--replicas", "cluster"}, "--demo", "--addr", "127.0.0.1:0", "--dist", "", "--replicas", "3", "--nats-url", natsServer(t, jetStream(t, "")).ClientURL())
	})
}

// Each permission in the document is needed: without any of them the start says which is missing, or, for
// what a gateway can be without, the log does, once.
func TestStartNamesEachMissingPermission(t *testing.T) {
	all := documented(t)
	list := regexp.MustCompile(`"([^"]+)",?`).FindAllStringSubmatchIndex(all, -1)
	if len(list) < 12 {
		t.Fatalf("%d permissions in the document", len(list))
	}
	for _, at := range list {
		permission := all[at[2]:at[3]]
		if strings.Contains(strings.ToUpper(permission), "HEALTH") {
			continue // TestExternalNATS
		}
		kind := "publish"
		if strings.LastIndex(all[:at[0]], "subscribe:") >= 0 {
			kind = "subscribe"
		}
		t.Run(kind+" "+permission, func(t *testing.T) {
			t.Parallel()
			url := restricted(t, all[:at[0]]+all[at[1]:])
			if permission != "openchat.>" {
				refusesToStart(t, url, nil, exitFailed, kind+" to ", strings.TrimSuffix(permission, ">")[:len("chat.")])
				return
			}
			p := launchDemo(t, "", "127.0.0.1:0", "--nats-url", url)
			if log := p.Log.String(); strings.Count(log, "lacking=") != 1 || !strings.Contains(log, kind+" to openchat.") {
				t.Errorf("the log does not name it once:\n%s", log)
			}
			p.terminate(os.Interrupt)
		})
	}
}

// The document's configuration of a server is one, and has what the document asks for.
func TestDocumentedNATSConfiguration(t *testing.T) {
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```conf\n(server_name.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatal("docs/operations.md has no configuration of a NATS server")
	}
	file := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(file, m[1], 0o600); err != nil {
		t.Fatal(err)
	}
	if o, err := server.ProcessConfigFile(file); err != nil || !o.JetStream || !o.SyncAlways || len(o.Routes) != 3 {
		t.Errorf("%v: %s", err, m[1])
	}
	if !strings.Contains(string(text), "version "+store.MinServer+" or newer") {
		t.Error("the document does not say which version is the oldest")
	}
}

// A server of a cluster that is alone answers nothing, and may yet: the log says what it waits for.
func TestStartSaysThatItWaitsForAQuorum(t *testing.T) {
	s := natsServer(t, "server_name: one\n"+jetStream(t, "")+`cluster { name: chat, listen: "127.0.0.1:-1", routes: [ "nats://127.0.0.1:1", "nats://127.0.0.1:2" ] }`)
	p := &harness.Process{Name: "gateway", Path: built(t), Args: []string{"--demo", "--addr", "127.0.0.1:0", "--dist", "", "--nats-url", s.ClientURL()}}
	t.Cleanup(p.Kill)
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := p.Log.Await(ctx, "waiting for JetStream of the NATS servers (--nats-url)"); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(limit); err == nil || !strings.Contains(p.Log.String(), "gateway: store: the NATS servers do not answer for JetStream: in a cluster, more than half") {
		t.Errorf("it ended with %v:\n%s", err, &p.Log)
	}
}

// Whether entries are on the disk before they are acknowledged is said where it can be learned: from a
// monitoring address, or from the servers where the user's account may ask them.
func TestStartSaysWhichNATSServerDoesNotSync(t *testing.T) {
	const accounts = `
system_account: SYS
accounts {
  SYS { users: [ { user: sys, password: sys } ], exports: [ { service: "$SYS.REQ.SERVER.PING.JSZ", response_type: stream } ] }
  CHAT { jetstream: enabled, users: [ { user: gateway, password: nats-password } ], imports: [ { service: { account: SYS, subject: "$SYS.REQ.SERVER.PING.JSZ" } } ] }
}
`
	const unsafe, unknown = "can take back what was acknowledged", "cannot be learned"
	for _, x := range []struct {
		name, always string
		monitored    bool
		accounts     string
		said         string
	}{
		{"a monitoring address", "", true, "", unsafe},
		{"a monitoring address of a server that syncs", "sync_interval: always", true, "", ""},
		{"an account that may ask", "", false, accounts, unsafe},
		{"an account that may ask, of a server that syncs", "sync_interval: always", false, accounts, ""},
		{"neither", "", false, "", unknown},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			configuration := "server_name: the-server\n" + jetStream(t, x.always) + x.accounts
			var s *server.Server
			args := []string{"--nats-url"}
			if x.monitored {
				configuration += "http: \"127.0.0.1:-1\"\n"
			}
			s = natsServer(t, configuration)
			url := s.ClientURL()
			if x.accounts != "" {
				url = strings.Replace(url, "nats://", "nats://gateway:nats-password@", 1)
			}
			args = append(args, url)
			if x.monitored {
				args = append(args, "--nats-monitor-url", "http://"+s.MonitorAddr().String())
			}
			p := launchDemo(t, "", "127.0.0.1:0", append(args, "--log-level", "DEBUG")...)
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			if err := p.Log.Await(ctx, "how NATS stores has been checked"); err != nil {
				t.Fatal(err)
			}
			log := p.Log.String()
			for _, text := range []string{unsafe, unknown} {
				if want := text == x.said; strings.Contains(log, text) != want {
					t.Errorf("%q is in the log: %v, want %v\n%s", text, !want, want, log)
				}
			}
			if x.said == unsafe && !strings.Contains(log, "the-server") && !strings.Contains(log, "servers=http://127.0.0.1:") {
				t.Errorf("the server is not named:\n%s", log)
			}
			p.terminate(os.Interrupt)
		})
	}
}
