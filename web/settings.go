package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"openchat/sdk/wire"
	"openchat/web/desk"
)

// settings is everything that a flag or the environment sets, as it was given.
// check brings it into order and says what is wrong with it.
type settings struct {
	addr        string
	profileAddr string
	data        string
	dist        string
	natsURL     string
	replicas    int
	maxAge      time.Duration
	logLevel    slog.Level
	demo        bool

	account       string
	integrationID string
	appkey        string
	tenants       list

	publicKeys  list
	privateKey  string
	hs256Secret string
	issuer      string
	audience    string
	tokenTTL    time.Duration

	serverCredential string
	deskCredential   string

	origins     list
	behindProxy bool
	heartbeat   time.Duration

	customerGrace time.Duration
	agentGrace    time.Duration
	abandonAfter  time.Duration // 0: never

	version bool
	help    bool
}

// list is a flag that may be repeated; a comma in a value separates too.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(s string) error {
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			*l = append(*l, item)
		}
	}
	return nil
}

// option is one flag and its place in the help.
type option struct {
	group string
	name  string
	arg   string // what stands for the value in the help
	help  string
	value any // pointer into settings
}

// The demo's identity and secrets: known to everybody, so good on loopback only.
const (
	demoAccount       = "DEMOAC"
	demoIntegrationID = "a776d4f3-b886-40a3-9fa7-5b7df35b440b"
	demoAppkey        = "demo-appkey-not-for-production"
	demoHS256         = "demo-hs256-secret-not-for-production"
	demoServer        = "demo-server-credential-not-for-production"
	demoDesk          = "demo-desk-credential-not-for-production"
)

func defaults() *settings {
	return &settings{
		addr:      "127.0.0.1:8080",
		data:      "./data",
		dist:      "./dist",
		replicas:  1,
		maxAge:    30 * 24 * time.Hour,
		issuer:    "openchat",
		audience:  "openchat",
		tokenTTL:  15 * time.Minute,
		heartbeat: wire.HeartbeatInterval,

		customerGrace: desk.DefaultCustomerGrace,
		agentGrace:    desk.DefaultAgentGrace,
		abandonAfter:  desk.DefaultAbandonAfter,
	}
}

func (s *settings) options() []option {
	const process, store, tenant, token, access, traffic, chats = "Process", "Store", "Tenant", "Tokens", "Credentials", "Traffic", "Chats"
	return []option{
		{process, "addr", "host:port", "where to listen; port 0 takes a free one, which is printed", &s.addr},
		{process, "dist", "folder", "the built SDK, served at /avaya-ccaas-chat-sdk.js, .wasm and .d.ts; empty: not served", &s.dist},
		{process, "demo", "", "serve the demo's pages at / and /desk and POST /v1/getJWT, and fill in what is not set with\nsecrets that everybody knows; loopback addresses only", &s.demo},
		{process, "log-level", "level", "DEBUG, INFO, WARN or ERROR; the log goes to stderr", &s.logLevel},
		{process, "profile-addr", "host:port", "where to serve the Go runtime's profiles, below /debug/pprof/; a loopback address; empty: nowhere", &s.profileAddr},
		{process, "version", "", "print the version and exit", &s.version},
		{process, "help", "", "print this and exit", &s.help},

		{store, "data", "folder", "where the NATS server inside this process keeps its files; one process at a time", &s.data},
		{store, "nats-url", "url", "use this NATS server or cluster with JetStream instead, e.g.\nnats://user:password@host:4222; several separated by commas", &s.natsURL},
		{store, "replicas", "n", "copies that a NATS cluster keeps: 1, 3 or 5; more than 1 needs --nats-url", &s.replicas},
		{store, "max-age", "duration", "how long sessions, chats and messages are kept after their last change; at least 24h", &s.maxAge},

		{tenant, "account", "id", "the account: six letters, e.g. ABCDEF", &s.account},
		{tenant, "integration-id", "uuid", "the account's chat integration", &s.integrationID},
		{tenant, "appkey", "secret", "the account's application key, which every browser sends", &s.appkey},
		{tenant, "tenant", "account:integration-id:appkey", "the same three as one; may be repeated, for several accounts or integrations;\nan appkey with a comma only as @file", &s.tenants},

		{token, "jwt-public-key", "file", "PEM file with an Ed25519 or RSA public key that customers' tokens are\nverified with; may be repeated, to change keys without a break", &s.publicKeys},
		{token, "jwt-private-key", "file", "PEM file with the private key for POST …/accounts/{accountId}/tokens; without it there is\nno such call. Tokens of this key are accepted", &s.privateKey},
		{token, "jwt-hs256-secret", "secret", "shared secret instead of keys, at least 32 bytes; only with --demo", &s.hs256Secret},
		{token, "jwt-issuer", "text", "the tokens' iss", &s.issuer},
		{token, "jwt-audience", "text", "the tokens' aud", &s.audience},
		{token, "token-ttl", "duration", "how long a token of /v1/getJWT is valid, 1s to 1h; only with --demo", &s.tokenTTL},

		{access, "server-credential", "secret", "what your servers send to get tokens from POST …/accounts/{accountId}/tokens", &s.serverCredential},
		{access, "desk-credential", "secret", fmt.Sprintf("what agent desks send; at least %d bytes", desk.MinCredential), &s.deskCredential},

		{traffic, "allowed-origins", "origins", "origins of the pages, besides this server's own, that may use it, separated by commas,\ne.g. https://shop.example.com; * for every page", &s.origins},
		{traffic, "behind-proxy", "", "clients come through a proxy that appends their address to X-Forwarded-For, and by no other way;\nwithout it they count as one address, of which 1,000 streams and 100 desks may be unauthenticated at once", &s.behindProxy},
		{traffic, "heartbeat-interval", "duration", "time between two pings on a stream, in whole seconds, 1s to 60s", &s.heartbeat},

		{chats, "customer-grace", "duration", "how long a customer may be disconnected before the desk shows them as away, 1s to 10m", &s.customerGrace},
		{chats, "abandon-after", "duration", "how long a customer may be disconnected before their chat is ended, up to 720h, and at least\n--customer-grace; 0: never", &s.abandonAfter},
		{chats, "agent-grace", "duration", "how long an agent's desk may be disconnected before its chats wait for another agent, 1s to 1h", &s.agentGrace},
	}
}

func envName(flag string) string {
	return "GATEWAY_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// parse reads the environment, then the flags, which win.
func parse(args []string, getenv func(string) string) (*settings, error) {
	s := defaults()
	fs := flag.NewFlagSet("gateway", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fromEnv := map[string]bool{}
	for _, o := range s.options() {
		register(fs, o)
		v := getenv(envName(o.name))
		if v == "" || o.name == "help" || o.name == "version" {
			continue
		}
		if err := fs.Set(o.name, v); err != nil {
			return nil, fmt.Errorf("%s: not %s; --help says what it takes", envName(o.name), article(o))
		}
		fromEnv[o.name] = true
	}
	// A flag replaces what the environment has for it, also where it could be repeated.
	for _, o := range s.options() {
		if l, ok := o.value.(*list); ok && fromEnv[o.name] && given(args, o.name) {
			*l = nil
		}
	}
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) { // -h
		s.help = true
		return s, nil
	} else if err != nil {
		return nil, fmt.Errorf("%s; --help lists the flags", oneLine(err))
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q; values follow their flag, as in --addr 127.0.0.1:8080", fs.Arg(0))
	}
	return s, nil
}

func register(fs *flag.FlagSet, o option) {
	switch v := o.value.(type) {
	case *string:
		fs.StringVar(v, o.name, *v, o.help)
	case *int:
		fs.IntVar(v, o.name, *v, o.help)
	case *bool:
		fs.BoolVar(v, o.name, *v, o.help)
	case *time.Duration:
		fs.DurationVar(v, o.name, *v, o.help)
	case *slog.Level:
		fs.TextVar(v, o.name, *v, o.help)
	case *list:
		fs.Var(v, o.name, o.help)
	default:
		panic("a flag of no known kind: " + o.name)
	}
}

func article(o option) string {
	switch o.value.(type) {
	case *int:
		return "a whole number"
	case *bool:
		return "true or false"
	case *time.Duration:
		return "a duration like 15m"
	case *slog.Level:
		return "DEBUG, INFO, WARN or ERROR"
	}
	return "right"
}

func given(args []string, name string) bool {
	for _, a := range args {
		a = strings.TrimPrefix(strings.TrimPrefix(a, "-"), "-")
		if a == name || strings.HasPrefix(a, name+"=") {
			return true
		}
	}
	return false
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", " ") }

// usage writes the documentation of all flags.
func usage(w io.Writer) {
	b := &bytes.Buffer{}
	fmt.Fprint(b, `One process: chat gateway, agent desk, NATS JetStream, and the built SDK's files.

  gateway --demo                     everything on this machine, to try it
  gateway --tenant ABCDEF:a776d4f3-b886-40a3-9fa7-5b7df35b440b:@appkey.txt \
          --jwt-public-key keys/customers.pem --desk-credential @desk.txt \
          --allowed-origins https://shop.example.com --addr :8080

Each flag can also be set in the environment: --nats-url as GATEWAY_NATS_URL; a flag wins.
A secret given as @file is the file's first line, so that it does not show in the process list.
Durations are written like 90s, 15m, 24h. The Go runtime's GOMEMLIMIT bounds the memory.
`)
	group := ""
	d := defaults()
	for _, o := range d.options() {
		if o.group != group {
			group = o.group
			fmt.Fprintf(b, "\n%s\n", group)
		}
		head := "--" + o.name
		if o.arg != "" {
			head += " " + o.arg
		}
		help := o.help
		if v := defaultOf(o); v != "" {
			help += " (default " + v + ")"
		}
		fmt.Fprintf(b, "  %s\n        %s\n", head, strings.ReplaceAll(help, "\n", "\n        "))
	}
	fmt.Fprint(b, `
Health: GET /healthz answers 200 while the store does. SIGINT or SIGTERM: new calls are refused with 503, streams are closed
with 1012 ("come back"), calls in progress are answered, and the process ends within 10 seconds.
`)
	_, _ = b.WriteTo(w) // to stdout: there is nobody to tell that it is closed
}

func defaultOf(o option) string {
	switch v := o.value.(type) {
	case *string:
		return *v
	case *int:
		return strconv.Itoa(*v)
	case *time.Duration:
		switch {
		case *v%time.Hour == 0:
			return fmt.Sprintf("%dh", *v/time.Hour)
		case *v%time.Minute == 0:
			return fmt.Sprintf("%dm", *v/time.Minute)
		}
		return v.String()
	case *slog.Level:
		return v.String()
	}
	return ""
}

// tenant is one account's integration.
type tenant struct{ account, integrationID, appkey string }

// check fills in the demo's defaults, reads secrets from their files, and returns
// the tenants, or what is wrong and what to do about it.
func (s *settings) check() ([]tenant, error) {
	host, _, err := net.SplitHostPort(s.addr)
	if err != nil {
		return nil, fmt.Errorf("--addr %s is not host:port, as in 127.0.0.1:8080", s.addr)
	}
	if s.demo {
		if !loopback(host) {
			return nil, fmt.Errorf("--demo listens on loopback only, for its secrets are known to everybody: use --addr 127.0.0.1:8080, or leave --demo out and set your own")
		}
		if s.account == "" && s.integrationID == "" && s.appkey == "" && len(s.tenants) == 0 {
			s.account, s.integrationID, s.appkey = demoAccount, demoIntegrationID, demoAppkey
		}
		if s.privateKey == "" {
			fill(&s.hs256Secret, demoHS256)
		}
		fill(&s.serverCredential, demoServer)
		fill(&s.deskCredential, demoDesk)
	}
	for _, secret := range []struct {
		flag  string
		value *string
	}{
		{"nats-url", &s.natsURL}, {"appkey", &s.appkey}, {"jwt-hs256-secret", &s.hs256Secret},
		{"server-credential", &s.serverCredential}, {"desk-credential", &s.deskCredential},
	} {
		if err := readSecret(secret.flag, secret.value); err != nil {
			return nil, err
		}
	}
	if s.profileAddr != "" {
		// A profile tells more of a process than is for others.
		if host, _, err := net.SplitHostPort(s.profileAddr); err != nil || !loopback(host) {
			return nil, fmt.Errorf("--profile-addr %s is not a loopback address with a port, as in 127.0.0.1:6060", s.profileAddr)
		}
	}
	tenants, err := s.readTenants()
	if err != nil {
		return nil, err
	}
	for _, o := range s.origins {
		u, err := url.Parse(o)
		if o == "*" {
			continue
		}
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Host != strings.TrimPrefix(o, u.Scheme+"://") {
			return nil, fmt.Errorf("--allowed-origins %s is not an origin, as in https://shop.example.com without a path", o)
		}
	}
	var missing []string
	need := func(ok bool, flags string) {
		if !ok {
			missing = append(missing, flags)
		}
	}
	need(len(tenants) > 0, "--tenant (or --account, --integration-id and --appkey)")
	need(s.demo || len(s.publicKeys) > 0 || s.privateKey != "", "--jwt-public-key")
	need(s.deskCredential != "", "--desk-credential")
	need(s.privateKey == "" || s.serverCredential != "", "--server-credential (for --jwt-private-key)")
	switch {
	case len(missing) > 0:
		return nil, fmt.Errorf("not set: %s; set them, or use --demo to try it on this machine", strings.Join(missing, ", "))
	case !s.demo && s.hs256Secret != "":
		return nil, errors.New("--jwt-hs256-secret is for --demo only: who can verify such a token can also make one; use --jwt-public-key")
	case s.hs256Secret != "" && len(s.hs256Secret) < 32:
		return nil, errors.New("--jwt-hs256-secret is shorter than 32 bytes; use a longer one")
	case len(s.deskCredential) < desk.MinCredential:
		return nil, fmt.Errorf("--desk-credential is shorter than %d bytes; use a longer one", desk.MinCredential)
	case s.serverCredential != "" && len(s.serverCredential) < desk.MinCredential:
		return nil, fmt.Errorf("--server-credential is shorter than %d bytes; use a longer one", desk.MinCredential)
	case s.heartbeat < time.Second || s.heartbeat > time.Minute || s.heartbeat%time.Second != 0:
		return nil, fmt.Errorf("--heartbeat-interval %v is not whole seconds from 1s to 60s", s.heartbeat)
	case s.tokenTTL < time.Second || s.tokenTTL > time.Hour:
		return nil, fmt.Errorf("--token-ttl %v is not from 1s to 1h", s.tokenTTL)
	case s.customerGrace < time.Second || s.customerGrace > 10*time.Minute:
		return nil, fmt.Errorf("--customer-grace %v is not from 1s to 10m", s.customerGrace)
	case s.agentGrace < time.Second || s.agentGrace > time.Hour:
		return nil, fmt.Errorf("--agent-grace %v is not from 1s to 1h", s.agentGrace)
	case s.abandonAfter != 0 && (s.abandonAfter < s.customerGrace || s.abandonAfter > 720*time.Hour):
		return nil, fmt.Errorf("--abandon-after %v is not 0 (never), nor from --customer-grace (%v) to 720h", s.abandonAfter, s.customerGrace)
	case s.maxAge < 24*time.Hour:
		return nil, fmt.Errorf("--max-age %v is under 24h, for which idempotency keys must hold", s.maxAge)
	case s.replicas != 1 && s.replicas != 3 && s.replicas != 5:
		return nil, fmt.Errorf("--replicas %d is not 1, 3 or 5", s.replicas)
	case s.replicas > 1 && s.natsURL == "":
		return nil, fmt.Errorf("--replicas %d needs a cluster: set --nats-url", s.replicas)
	case s.data == "" && s.natsURL == "":
		return nil, errors.New("--data is empty; name a folder, or an external server with --nats-url")
	}
	return tenants, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func fill(v *string, otherwise string) {
	if *v == "" {
		*v = otherwise
	}
}

// readSecret replaces @file by the file's first line.
func readSecret(flag string, v *string) error {
	path, ok := strings.CutPrefix(*v, "@")
	if !ok {
		return nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("--%s: cannot read the file: %w", flag, err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	if *v = strings.TrimSpace(line); *v == "" {
		return fmt.Errorf("--%s: the first line of %s is empty", flag, path)
	}
	return nil
}

func (s *settings) readTenants() ([]tenant, error) {
	var tenants []tenant
	if s.account != "" || s.integrationID != "" || s.appkey != "" {
		if s.account == "" || s.integrationID == "" || s.appkey == "" {
			return nil, errors.New("--account, --integration-id and --appkey belong together: set all three")
		}
		tenants = append(tenants, tenant{s.account, s.integrationID, s.appkey})
	}
	for i, text := range s.tenants {
		// Not the text in the error: it may hold the appkey.
		parts := strings.SplitN(text, ":", 3)
		if len(parts) != 3 || parts[0] == "" || parts[2] == "" {
			return nil, fmt.Errorf("--tenant number %d is not account:integration-id:appkey", i+1)
		}
		if err := readSecret("tenant", &parts[2]); err != nil {
			return nil, err
		}
		tenants = append(tenants, tenant{parts[0], parts[1], parts[2]})
	}
	for _, t := range tenants {
		if len(t.account) != 6 || strings.Trim(strings.ToLower(t.account), "abcdefghijklmnopqrstuvwxyz") != "" {
			return nil, fmt.Errorf("the account %q is not six letters, as in %s", t.account, demoAccount)
		}
		if !wire.IsUUID(t.integrationID) {
			return nil, fmt.Errorf("the integration-id %q is not a UUID, as in %s", t.integrationID, demoIntegrationID)
		}
	}
	return tenants, nil
}
