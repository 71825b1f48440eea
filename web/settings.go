package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"openchat/sdk/wire"
	"openchat/web/desk"
	"openchat/web/gateway"
	"openchat/web/httpapi"
	"openchat/web/jwks"
	"openchat/web/store"
	"openchat/web/tracing"
)

// settings is everything that a flag or the environment sets, as it was given.
// check brings it into order and says what is wrong with it.
type settings struct {
	addr        string
	deskAddr    string // "": desks use addr
	deskPages   bool
	profileAddr string
	metricsAddr string // "": nowhere, or in the demo at demoMetrics
	auditLog    string

	otlpEndpoint string // a URL; "": no traces
	otlpHeader   secrets
	otlpSampling int         // one call in so many
	otlpFields   http.Header // otlpHeader, as read

	data        string
	dist        string
	natsURL     string
	natsMonitor list
	replicas    int
	maxAge      time.Duration
	sessionIdle time.Duration // 0: never
	maxStore    size
	retain      list // as given
	retained    retained
	storeKey    string // a file
	key         string // its content
	drainDelay  time.Duration
	logLevel    slog.Level
	demo        bool
	demoHost    string            // a name or address; "": loopback only
	environment string            // a file
	config      string            // a file
	sources     map[string]source // by option; what is not in it has its default

	account       string
	integrationID string
	appkey        string
	tenants       list

	publicKeys  list
	jwks        list
	jwksRefresh time.Duration
	privateKey  string
	hs256Secret string
	issuer      string
	audience    string
	tokenTTL    time.Duration
	maxTokenAge time.Duration // 0: any
	denyList    string        // a file

	serverCredential secrets // as given
	deskCredential   secrets // as given
	agents           string  // a file
	deskIssuer       string  // a URL
	deskAudience     string
	deskAccess       desk.Access // all, as read

	servers []gateway.ServerCredential // serverCredential, as read
	keys    []gateway.Key              // publicKeys, as read

	origins     list
	behindProxy bool
	heartbeat   time.Duration

	quotas gateway.Quotas // 0: unlimited

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

// secrets is a flag that may be repeated, and whose values may hold commas. A line break
// separates, too, for the environment.
type secrets []string

func (l *secrets) String() string { return "" } // never shown

func (l *secrets) Set(s string) error {
	for item := range strings.Lines(s) {
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
	value any // pointer into settings, a span or an amount
}

// amount is a whole number that a flag sets, of which 0 means unlimited.
type amount struct {
	value *int
	unit  int // what 1 counts as in value
	max   int
}

func (a amount) String() string { return strconv.Itoa(*a.value / max(a.unit, 1)) }

// Set is of flag.Value.
func (a amount) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > a.max {
		return errors.New("out of bounds")
	}
	*a.value = n * a.unit
	return nil
}

// possible says which amounts are.
func (a amount) possible() string { return fmt.Sprintf("0 (unlimited) to %d", a.max) }

// span is a duration that a flag sets, and which ones are possible.
type span struct {
	value    *time.Duration
	min, max time.Duration
	zero     string // what 0 means; "": it is not possible
}

// String says what is possible.
func (s span) String() string {
	possible := written(s.min) + " to " + written(s.max)
	if s.max == 0 {
		possible = "at least " + written(s.min)
	}
	if s.zero != "" {
		possible = "0 (" + s.zero + "), or " + possible
	}
	return possible
}

func (s span) check() error {
	if v := *s.value; (v != 0 || s.zero == "") && (v < s.min || s.max > 0 && v > s.max) {
		return fmt.Errorf("%s is not possible; it takes %s", written(v), s)
	}
	return nil
}

// written writes a duration as it is given, 90s or 24h, where Duration.String writes
// 1m30s and 24h0m0s.
func written(d time.Duration) string {
	switch {
	case d != 0 && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d != 0 && d%time.Minute == 0 && d != time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d%time.Second == 0:
		return fmt.Sprintf("%ds", d/time.Second)
	}
	return d.String()
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
		sources: map[string]source{},

		addr:     "127.0.0.1:8080",
		data:     "./data",
		dist:     "./dist",
		replicas: 1,
		maxAge:   30 * 24 * time.Hour,

		sessionIdle: store.DefaultSessionIdle,

		issuer:   "openchat",
		audience: "openchat",
		tokenTTL: 15 * time.Minute,

		jwksRefresh: jwks.DefaultRefresh,
		maxTokenAge: gateway.DefaultMaxTokenAge,

		otlpSampling: tracing.DefaultOneIn,

		heartbeat: wire.HeartbeatInterval,
		quotas:    gateway.DefaultQuotas(),

		customerGrace: desk.DefaultCustomerGrace,
		agentGrace:    desk.DefaultAgentGrace,
		abandonAfter:  desk.DefaultAbandonAfter,
	}
}

func (s *settings) options() []option {
	const process, stored, tenant, token, access, traffic, chats = "Process", "Store", "Tenant", "Tokens", "Credentials", "Traffic", "Chats"
	const quota = "Quotas: each gateway counts for itself, so that n of them allow up to n times as much; ongoing chats are counted together"
	const most, mebibyte = 1_000_000_000, 1 << 20
	return []option{
		{process, "addr", "host:port", "where to listen; port 0 takes a free one, which is printed", &s.addr},
		{process, "desk-addr", "host:port", "where desks connect instead, with the health calls; --addr then answers 404 at their paths; not with\n--demo", &s.deskAddr},
		{process, "desk-pages", "", "serve the agents' pages at /desk/, where desks connect; agents sign in with what --desk-credential,\n--agents or --desk-oidc-issuer takes; --demo has them in any case", &s.deskPages},
		{process, "dist", "folder", "the built SDK, served at /avaya-ccaas-chat-sdk.js, .wasm and .d.ts; empty: not served", &s.dist},
		{process, "demo", "", "serve the demo's pages at / and /desk and POST /v1/getJWT, and use secrets that\neverybody knows and no others; loopback addresses and Host headers only, unless --demo-host names another; not\nwith --behind-proxy", &s.demo},
		{process, "demo-host", "name", "with --demo: also answer requests under this name or address, e.g. 192.168.1.20 for a phone, with --addr :8080;\nwhoever reaches it gets tokens and can chat; of the desk only with --desk-pages; empty: loopback only", &s.demoHost},
		{process, "log-level", "level", "DEBUG, INFO, WARN or ERROR; the log goes to stderr", &s.logLevel},
		{process, "audit-log", "file", "append who did what to which chat or customer, as JSON lines (docs/operations.md); empty: nowhere", &s.auditLog},
		{process, "drain-delay", "duration", "how long calls are still served after SIGTERM while GET /readyz answers 503, so that a load balancer\nsends no new ones", span{&s.drainDelay, time.Second, 10 * time.Minute, "none"}},
		{process, "profile-addr", "host:port", "where to serve the Go runtime's profiles, below /debug/pprof/; a loopback address; empty: nowhere", &s.profileAddr},
		{process, "metrics-addr", "host:port", "where to serve GET /metrics for Prometheus, to whoever asks; empty: nowhere, with --demo at\n" + demoMetrics + ", or a free port, which is printed", &s.metricsAddr},
		{process, "otlp-endpoint", "url", "OpenTelemetry collector that gets traces by OTLP over HTTP, at /v1/traces below this URL, e.g.\nhttp://127.0.0.1:4318 (docs/operations.md); empty: nothing is traced", &s.otlpEndpoint},
		{process, "otlp-header", "name=secret", "header of each request to the collector, e.g. authorization=@collector.txt, whose first line is\n\"Bearer\" and a token; to an https URL or a loopback address only; may be repeated", &s.otlpHeader},
		{process, "otlp-sampling", "n", fmt.Sprintf("one call in n is traced, chosen at random; 1 (every call) to %d", tracing.MaxOneIn), &s.otlpSampling},
		{process, configFile, "file", "settings file (TOML): each setting by the name of its flag without the dashes (docs/operations.md); the\nenvironment and flags win over it; it is read again on SIGHUP", &s.config},
		{process, environmentFile, "file", "file with lines like GATEWAY_TENANT=value, which win over the environment; it is read again on SIGHUP", &s.environment},
		{process, "version", "", "print the version and exit", &s.version},
		{process, "help", "", "print this and exit", &s.help},

		{stored, "data", "folder", "where the NATS server inside this process keeps its files; one process at a time", &s.data},
		{stored, "nats-url", "url", "use this NATS server or cluster with JetStream instead, version " + store.MinServer + " or newer, e.g.\nnats://user:password@host:4222; several separated by commas", &s.natsURL},
		{stored, "nats-monitor-url", "url", "monitoring address of a server of --nats-url, e.g. http://host:8222, which at the start is asked whether it\nstores with sync_interval: always; may be repeated", &s.natsMonitor},
		{stored, "replicas", "n", "copies that a NATS cluster keeps: 1, 3 or 5; more than 1 needs --nats-url", &s.replicas},
		{stored, "max-age", "duration", "how long sessions, chats and messages are kept after their last change", span{&s.maxAge, store.MinAge, 0, ""}},
		{stored, "session-idle", "duration", "how long after its last call, or the end of its stream, a session ends by itself; it may take a quarter\nlonger", span{&s.sessionIdle, time.Minute, 0, "never"}},
		{stored, "max-store", "bytes", "how much the NATS server inside this process stores, e.g. 20GB; nothing new is taken beyond it.\n0: as much as the disk has, but for a reserve of 2 %, 1 to 64 MiB", &s.maxStore},
		{stored, "retain-bytes", "[account=]bytes", "how much an account keeps, e.g. 10GB; of one with more, the chats that ended longest ago are removed, an hour\nafter their end at the earliest; with ABCDEF=2GB for that account only, with ABCDEF+GHIJKL=2GB for each of\nboth; may be repeated. 0, or not given: as much as --max-age and --max-store leave", &s.retain},
		{stored, "store-key-file", "file", "encrypt what the NATS server inside this process stores, with the key in the file's first line, at least\n" + strconv.Itoa(store.MinKey) + " characters, which nobody but owner and group may read; --data must be empty, or encrypted with the same key", &s.storeKey},

		{tenant, "account", "id", "the account: six letters, e.g. ABCDEF", &s.account},
		{tenant, "integration-id", "uuid", "the account's chat integration", &s.integrationID},
		{tenant, "appkey", "secret", "the account's application key, which every browser sends", &s.appkey},
		{tenant, "tenant", "account:integration-id:appkey", "the same three as one; may be repeated, for several accounts or integrations, and\nfor an integration's next appkey, while both count; an appkey with a comma only as @file", &s.tenants},

		{token, "jwt-public-key", "[account[/kid]=]file", "PEM file with an Ed25519 or RSA public key that customers' tokens are\nverified with; with ABCDEF=file it signs for that account only, with ABCDEF+GHIJKL=file for both, and with\nABCDEF/kid=file or */kid=file it counts for tokens that name it so; may be repeated, to change keys\nwithout a break", &s.publicKeys},
		{token, "jwks", "[account=]url", "JWK Set with public keys, at an https URL or in a file; accounts as above; may be repeated", &s.jwks},
		{token, "jwks-refresh", "duration", "time between two readings of --jwks; a key that is not known is looked for at once", span{&s.jwksRefresh, jwks.MinRefresh, jwks.MaxRefresh, ""}},
		{token, "jwt-private-key", "file", "PEM file with the private key for POST …/accounts/{accountId}/tokens; without it there is\nno such call. Tokens of this key are accepted", &s.privateKey},
		{token, "jwt-hs256-secret", "secret", "shared secret instead of keys, at least 32 bytes; only with --demo", &s.hs256Secret},
		{token, "jwt-issuer", "text", "the tokens' iss", &s.issuer},
		{token, "jwt-audience", "text", "the tokens' aud", &s.audience},
		{token, "token-ttl", "duration", "how long a token of /v1/getJWT is valid; only with --demo", span{&s.tokenTTL, time.Second, gateway.MaxTTL, ""}},

		{token, "max-token-age", "duration", "how long after its iat a token counts, whatever its exp", span{&s.maxTokenAge, time.Minute, 0, "any age"}},
		{token, "deny-list", "file", "file with a line for each token (jti) and customer (sub) that is refused (docs/operations.md)", &s.denyList},

		{access, "server-credential", "[account=]secret", "what your servers send to get tokens from POST …/accounts/{accountId}/tokens; accounts as of\n--desk-credential; may be repeated", &s.serverCredential},
		{access, "desk-credential", "[account=]secret", fmt.Sprintf("what agent desks send, at least %d bytes; with ABCDEF=secret or ABCDEF=@file it shows the chats of that\naccount only, with ABCDEF+GHIJKL=… of both; may be repeated", httpapi.MinCredential), &s.deskCredential},
		{access, "agents", "file", "JSON file with the agents who sign in as themselves, each with the hash of a token, a role and accounts\n(docs/operations.md); gateway agent-token makes a token and its hash", &s.agents},
		{access, "desk-oidc-issuer", "url", "OpenID Connect provider whose tokens agents may sign in with (docs/operations.md): the tokens' iss, below\nwhich /.well-known/openid-configuration is fetched", &s.deskIssuer},
		{access, "desk-oidc-audience", "text", "what those tokens' aud must hold", &s.deskAudience},

		{traffic, "allowed-origins", "origins", "origins of the pages, besides this server's own, that may use it, separated by commas,\ne.g. https://shop.example.com, or https://*.example.com for all hosts below example.com; * for every page", &s.origins},
		{traffic, "behind-proxy", "", "clients come through a proxy that appends their address to X-Forwarded-For, and by no other way;\nwithout it they count as one address, of which 1,000 streams and 100 desks may be unauthenticated at once", &s.behindProxy},
		{traffic, "heartbeat-interval", "duration", "time between two pings on a stream, in whole seconds", span{&s.heartbeat, wire.MinHeartbeatInterval, wire.MaxHeartbeatInterval, ""}},

		{quota, "customer-chats", "n", "ongoing chats of a customer; one more is refused with 409", amount{&s.quotas.CustomerChats, 1, most}},
		{quota, "account-chats", "n", "ongoing chats of all customers of an account; refused with 429, as below", amount{&s.quotas.AccountChats, 1, most}},
		{quota, "customer-chats-per-hour", "n", "chats that a customer may create an hour", amount{&s.quotas.CustomerChatsPerHour, 1, most}},
		{quota, "account-chats-per-hour", "n", "chats that all customers of an account may create an hour", amount{&s.quotas.AccountChatsPerHour, 1, most}},
		{quota, "customer-sessions-per-hour", "n", "sessions that a customer may create an hour; a page in a new tab or browser\ncreates one", amount{&s.quotas.CustomerSessionsPerHour, 1, most}},
		{quota, "account-sessions-per-hour", "n", "sessions that all customers of an account may create an hour", amount{&s.quotas.AccountSessionsPerHour, 1, most}},
		{quota, "customer-mib-per-hour", "MiB", fmt.Sprintf("what a customer may store an hour: texts, parameters, names, and %d bytes\nfor each message, chat and session", gateway.RecordBytes), amount{&s.quotas.CustomerBytesPerHour, mebibyte, most}},
		{quota, "account-mib-per-hour", "MiB", "what all customers of an account may store an hour", amount{&s.quotas.AccountBytesPerHour, mebibyte, most}},
		{quota, "customer-calls", "n", "calls of a customer in progress, each until its answer has been written", amount{&s.quotas.CustomerCalls, 1, most}},

		{chats, "customer-grace", "duration", "how long a customer may be disconnected before the desk shows them as away", span{&s.customerGrace, desk.MinGrace, desk.MaxCustomerGrace, ""}},
		{chats, "abandon-after", "duration", "how long a customer may be disconnected before their chat is ended; not before\n--customer-grace", span{&s.abandonAfter, desk.MinGrace, desk.MaxAbandonAfter, "never"}},
		{chats, "agent-grace", "duration", "how long an agent's desk may be disconnected before its chats wait for another agent", span{&s.agentGrace, desk.MinGrace, desk.MaxAgentGrace, ""}},
	}
}

// register makes a flag of an option. When its value cannot be read, refused says so in
// words that name the flag, the value and what is possible: the flag package's name neither
// a duration's units nor an option's bounds.
func register(fs *flag.FlagSet, o option, refused *string) {
	switch v := o.value.(type) {
	case *string:
		fs.StringVar(v, o.name, *v, o.help)
	case *int:
		fs.IntVar(v, o.name, *v, o.help)
	case *bool:
		fs.BoolVar(v, o.name, *v, o.help)
	case span:
		fs.DurationVar(v.value, o.name, *v.value, o.help)
	case amount:
		fs.Var(v, o.name, o.help)
	case *slog.Level:
		fs.TextVar(v, o.name, *v, o.help)
	case *list:
		fs.Var(v, o.name, o.help)
	case *secrets:
		fs.Var(v, o.name, o.help)
	case *size:
		fs.Var(v, o.name, o.help)
	default:
		panic("a flag of no known kind: " + o.name)
	}
	f := fs.Lookup(o.name)
	f.Value = value{f.Value, o, refused}
}

// value is a flag's value that says in refused what is wrong with a text.
type value struct {
	flag.Value
	o       option
	refused *string
}

func (v value) Set(text string) error {
	before := v.Value.String()
	err := v.Value.Set(text)
	if err != nil {
		_ = v.Value.Set(before) // a number that cannot be read has become 0
		*v.refused = fmt.Sprintf("--%s: %q is not %s", v.o.name, text, kind(v.o))
	}
	return err
}

// IsBoolFlag says that the flag may be given without a value.
func (v value) IsBoolFlag() bool {
	_, ok := v.o.value.(*bool)
	return ok
}

// kind says what an option's value has to be.
func kind(o option) string {
	switch v := o.value.(type) {
	case *int:
		return "a whole number"
	case *bool:
		return "true or false"
	case span:
		return "a duration like 15m, 90s or 24h; possible is " + v.String()
	case amount:
		return "a whole number that is possible here: " + v.possible()
	case *slog.Level:
		return "DEBUG, INFO, WARN or ERROR"
	case *size:
		return "a number of bytes like 500MB, 20GB or 20GiB; possible is 0, or at least " + minStore.String()
	}
	return "right"
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
  gateway customer export|erase --customer id --account ABCDEF --url https://chat.example.com
                                     everything that is kept of a customer, at a gateway that runs, by its
                                     --server-credential; the export goes to stdout
  gateway config check|print         check says all that is wrong with the settings, without a start: exit code 1, else 0;
                                     print writes them as a settings file, with where each comes from, and without secrets
  gateway health [ready]             whether the gateway at --addr answers GET /livez, or /readyz: exit code 0, else 1

Each flag can also be set in the file of --config: nats-url = "nats://…"; and in the environment: GATEWAY_NATS_URL. A flag wins
over both, the environment over the file.
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
		switch v := o.value.(type) {
		case span:
			help += "; " + v.String()
		case amount:
			help += "; " + v.possible()
		}
		if v := defaultOf(o); v != "" {
			help += " (default " + v + ")"
		}
		fmt.Fprintf(b, "  %s\n        %s\n", head, strings.ReplaceAll(help, "\n", "\n        "))
	}
	fmt.Fprint(b, `
Health: GET /livez answers 200 while the process does; GET /readyz, or /healthz, while the store takes changes and no stop has
begun. SIGHUP: the settings are read again, and those of tenants, keys, credentials, origins, quotas and the deny-list take
effect; when something is wrong with them, all stay as they were and the log says so. SIGINT or SIGTERM: after --drain-delay
new calls are refused with 503, streams are closed with 1001 ("come back"), calls in progress are answered, and the process
ends within 10 seconds. Exit codes: 1 it failed, 2 it is misused, 75 the store cannot be used now, so that a supervisor is to
start it again.
`)
	_, _ = b.WriteTo(w) // to stdout: an error would have no reader
}

func defaultOf(o option) string {
	switch v := o.value.(type) {
	case *string:
		return *v
	case *int:
		return strconv.Itoa(*v)
	case span:
		return written(*v.value)
	case amount:
		return v.String()
	case *slog.Level:
		return v.String()
	case *size:
		return v.String()
	}
	return ""
}

// check fills in the demo's defaults, reads secrets from their files, and returns
// the tenants, or all that is wrong, with what to do about it.
func (s *settings) check() ([]gateway.Tenant, error) {
	var m mistakes
	host, _, err := net.SplitHostPort(s.addr)
	if err != nil {
		m.addf("--addr %s is not host:port, as in 127.0.0.1:8080", s.addr)
	}
	m.add(s.checkDeskAddr())
	m.add(s.checkMetrics())
	m.add(s.checkTraces())
	if s.demoHost != "" && !s.demo {
		m.addf("--demo-host is for --demo only; leave it out")
	}
	if s.demo {
		m.add(s.checkDemo(host))
		fill(&s.account, demoAccount)
		fill(&s.integrationID, demoIntegrationID)
		fill(&s.hs256Secret, demoHS256)
		s.appkey, s.serverCredential, s.deskCredential = demoAppkey, secrets{demoServer}, secrets{demoDesk}
	}
	for _, secret := range []struct {
		flag  string
		value *string
	}{
		{"nats-url", &s.natsURL}, {"appkey", &s.appkey}, {"jwt-hs256-secret", &s.hs256Secret},
	} {
		m.add(readSecret(secret.flag, secret.value))
	}
	m.add(s.checkNATS())
	if s.profileAddr != "" {
		// A profile shows more of a process than is for others.
		if host, _, err := net.SplitHostPort(s.profileAddr); err != nil || !jwks.IsLoopback(host) {
			m.addf("--profile-addr %s is not a loopback address with a port, as in 127.0.0.1:6060", s.profileAddr)
		}
	}
	tenants, err := s.readTenants()
	m.add(err)
	m.add(s.readServers(tenants))
	m.add(s.readDeskAccess(tenants))
	m.add(s.checkKeySets(tenants))
	for i, o := range s.origins {
		if o == httpapi.AnyOrigin {
			continue
		}
		if err := httpapi.CheckOrigin(o); err != nil {
			m.addf("--allowed-origins%s %s is %w", ordinal(i, len(s.origins)), o, err)
		}
	}
	m.add(s.readStoreKey())
	m.add(s.readRetained(tenants))
	for _, o := range s.options() {
		if v, ok := o.value.(span); ok {
			if err := v.check(); err != nil {
				m.addf("--%s %w", o.name, err)
			}
		}
	}
	for _, c := range []struct {
		flag, value string
		err         error
	}{
		{"heartbeat-interval", written(s.heartbeat), httpapi.CheckHeartbeat(s.heartbeat)},
		{"replicas", strconv.Itoa(s.replicas), store.CheckReplicas(s.replicas)},
	} {
		if c.err != nil {
			m.addf("--%s %s is %w", c.flag, c.value, c.err)
		}
	}
	var missing []string
	need := func(ok bool, flags string) {
		if !ok {
			missing = append(missing, flags)
		}
	}
	need(len(tenants) > 0, "--tenant (or --account, --integration-id and --appkey)")
	need(s.demo || len(s.publicKeys)+len(s.jwks) > 0 || s.privateKey != "", "--jwt-public-key (or --jwks)")
	need(len(s.deskCredential) > 0 || s.agents != "" || s.deskIssuer != "", "--desk-credential (or --agents, or --desk-oidc-issuer)")
	need(s.deskIssuer == "" || s.deskAudience != "", "--desk-oidc-audience (for --desk-oidc-issuer)")
	need(s.privateKey == "" || len(s.serverCredential) > 0, "--server-credential (for --jwt-private-key)")
	if len(missing) > 0 {
		m.addf("not set: %s; set them, or use --demo to try it on this machine", strings.Join(missing, ", "))
	}
	if !s.demo && s.hs256Secret != "" {
		m.addf("--jwt-hs256-secret is for --demo only: who can verify such a token can also make one; use --jwt-public-key")
	} else if s.hs256Secret != "" && len(s.hs256Secret) < gateway.MinSecret {
		m.addf("--jwt-hs256-secret is too short; at least %d bytes are needed", gateway.MinSecret)
	}
	if s.abandonAfter > 0 && s.abandonAfter < s.customerGrace {
		m.addf("--abandon-after %s is shorter than --customer-grace, which is %s; it may be 0 (never)", written(s.abandonAfter), written(s.customerGrace))
	}
	if s.replicas > 1 && s.natsURL == "" {
		m.addf("--replicas %d needs a cluster: set --nats-url", s.replicas)
	}
	if s.maxStore != 0 && s.natsURL != "" {
		m.addf("--max-store is for the NATS server inside this process; with --nats-url set max_file_store in the server's own configuration")
	}
	if s.data == "" && s.natsURL == "" {
		m.addf("--data is empty; name a folder, or an external server with --nats-url")
	}
	m.add(s.checkSecrets(tenants))
	return tenants, s.placed(m).err()
}

// checkNATS checks where an external NATS server is.
func (s *settings) checkNATS() error {
	if s.natsURL != "" && !strings.HasPrefix(s.natsURL, "@") { // a file that could not be read
		if err := store.CheckURL(s.natsURL); err != nil {
			return fmt.Errorf("--nats-url: %w", err)
		}
	}
	for i, at := range s.natsMonitor {
		if err := store.CheckMonitorURL(at); err != nil {
			// Not the URL: it may have a password in it.
			return fmt.Errorf("--nats-monitor-url%s is %w", ordinal(i, len(s.natsMonitor)), err)
		}
	}
	if len(s.natsMonitor) > 0 && s.natsURL == "" {
		return errors.New("--nats-monitor-url is of servers of --nats-url, which is not set")
	}
	return nil
}

func fill(v *string, otherwise string) {
	if *v == "" {
		*v = otherwise
	}
}

// readSecret replaces @file by the file's first line.
func readSecret(flag string, v *string) error {
	if *v == masked || strings.Contains(*v, "://"+masked+"@") {
		return fmt.Errorf("--%s: %s stands for a secret that gateway config print did not write: put it, or @file, in its place", flag, masked)
	}
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

// maxStoreKeyFile is how long the file of --store-key-file may be, in bytes.
const maxStoreKeyFile = 4 << 10

// readStoreKey reads the file of --store-key-file.
func (s *settings) readStoreKey() error {
	const option = "--store-key-file"
	s.key = ""
	if s.storeKey == "" {
		return nil
	}
	if s.natsURL != "" {
		return errors.New(option + " is for the NATS server inside this process; with --nats-url the NATS servers' own configuration encrypts (jetstream: cipher and key)")
	}
	info, err := os.Stat(s.storeKey)
	if err != nil {
		return fmt.Errorf("%s: cannot read the file: %w", option, err)
	}
	// Windows has no such permissions.
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0 {
		return fmt.Errorf("%s: everybody on this machine may use %s (%v); take that away with chmod o= on it", option, s.storeKey, info.Mode().Perm())
	}
	text, err := readBounded(s.storeKey, maxStoreKeyFile)
	if err != nil {
		return fmt.Errorf("%s: cannot read the file: %w", option, err)
	}
	line, rest, _ := strings.Cut(string(text), "\n")
	line = strings.TrimSpace(line)
	switch {
	case len(text) > maxStoreKeyFile:
		return fmt.Errorf("%s: %s has more than %d bytes", option, s.storeKey, maxStoreKeyFile)
	case strings.TrimSpace(rest) != "":
		return fmt.Errorf("%s: %s has more than one line; it holds one key", option, s.storeKey)
	case utf8.RuneCountInString(line) < store.MinKey:
		return fmt.Errorf("%s: the key in %s is shorter than %d characters; openssl rand -hex 32 makes one", option, s.storeKey, store.MinKey)
	}
	s.key = line
	return nil
}

func (s *settings) readTenants() ([]gateway.Tenant, error) {
	var m mistakes
	var tenants []gateway.Tenant
	if s.account != "" || s.integrationID != "" || s.appkey != "" {
		if s.account == "" || s.integrationID == "" || s.appkey == "" {
			m.addf("--account, --integration-id and --appkey belong together: set all three")
		}
		t := gateway.Tenant{Account: s.account, IntegrationID: s.integrationID, Appkey: s.appkey}
		if err := t.Check(); len(m) == 0 && err != nil {
			m.addf("%w (--account, --integration-id, --appkey)", err)
		}
		tenants = append(tenants, t)
	}
	for i, text := range s.tenants {
		number := ordinal(i, len(s.tenants))
		// Not the text in the error: it may hold the appkey.
		parts := strings.SplitN(text, ":", 3)
		if len(parts) != 3 || parts[0] == "" || parts[2] == "" {
			m.addf("--tenant%s is not account:integration-id:appkey", number)
			parts = append(parts, "", "")
		} else if err := readSecret("tenant"+number, &parts[2]); err != nil {
			m.add(err)
			parts[2] = ""
		}
		t := gateway.Tenant{Account: parts[0], IntegrationID: parts[1], Appkey: parts[2]}
		if err := t.Check(); parts[2] != "" && err != nil {
			m.addf("--tenant%s: %w", number, err)
		}
		tenants = append(tenants, t) // with a mistake in it, too, so that others know of its account
	}
	return tenants, m.err()
}
