package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/mod/semver"
)

// MinServer is the oldest version of an external NATS server that has what the store uses: the newest
// entries of several subjects in one direct get (multi_last).
const MinServer = "2.11.0"

const (
	// checkWithin bounds each question to a server at the start that has an answer at once.
	checkWithin = 3 * time.Second
	// findWithin is how long servers that have just been started may not know of each other.
	findWithin = time.Second
	// sayWaiting is how long the start waits for JetStream before the log says so.
	sayWaiting = 3 * time.Second
	// maxMonitored is how much of a monitoring address' answer is read, in bytes.
	maxMonitored = 1 << 20
)

// The server's answers for which the library has no names, and that waiting does not change.
const (
	noReplicas jetstream.ErrorCode = 10074 // several copies, and no cluster
	noLeader   jetstream.ErrorCode = 10008 // has been known for a while
)

// errSilent says that nobody has answered a question about JetStream.
var errSilent = errors.New("the NATS servers do not answer for JetStream: in a cluster, more than half of the servers must run and reach each other; start the others, and see their logs")

// serverURLs are the URLs of such a list, each with its place in it and, as the library takes it, the
// scheme nats where it has none.
func serverURLs(urls string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		for i, text := range strings.Split(urls, ",") {
			if text = strings.TrimSpace(text); text == "" {
				continue
			}
			if !strings.Contains(text, "://") {
				text = "nats://" + text
			}
			if !yield(i, text) {
				return
			}
		}
	}
}

// CheckURL checks the URLs of external NATS servers, separated by commas. Its error quotes none of them,
// because they hold passwords.
func CheckURL(urls string) error {
	n := 0
	for i, text := range serverURLs(urls) {
		n++
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Hostname() == "":
			return fmt.Errorf("number %d is no URL like nats://user:password@host:4222; other characters than letters and digits in a password are written as %%40", i+1)
		case u.Scheme != "nats" && u.Scheme != "tls" && u.Scheme != "ws" && u.Scheme != "wss":
			return fmt.Errorf("number %d begins with %s:// and not with nats://, tls://, ws:// or wss://", i+1, u.Scheme)
		}
	}
	if n == 0 {
		return errors.New("there is no URL in it")
	}
	return nil
}

// CheckMonitorURL checks a monitoring address of a NATS server.
func CheckMonitorURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("not a URL like http://host:8222")
	}
	return nil
}

// hosts are the hosts of URLs that CheckURL has accepted, and whether one has credentials.
func hosts(urls string) (list string, credentials bool) {
	var all []string
	for _, text := range serverURLs(urls) {
		if u, err := url.Parse(text); err == nil {
			all = append(all, u.Host)
			credentials = credentials || u.User != nil
		}
	}
	return strings.Join(all, ", "), credentials
}

// explain says why no connection could be made to the external servers, and what to do.
func (s *Store) explain(err error) error {
	at, credentials := hosts(s.cfg.URL)
	text := strings.ToLower(err.Error())
	var network net.Error
	var name *net.DNSError
	switch {
	case errors.Is(err, nats.ErrNoServers):
		return fmt.Errorf("no NATS server takes connections at %s; start it, or correct the address", at)
	case (errors.Is(err, nats.ErrAuthorization) || strings.Contains(text, "authorization violation")) && !credentials:
		return fmt.Errorf("the NATS server at %s asks for credentials and the URL has none; write nats://user:password@host:4222", at)
	case errors.Is(err, nats.ErrAuthorization) || strings.Contains(text, "authorization") || strings.Contains(text, "authentication"):
		return fmt.Errorf("the NATS server at %s refuses the credentials of the URL; correct the user and password", at)
	case errors.Is(err, nats.ErrSecureConnWanted):
		return fmt.Errorf("the NATS server at %s does not speak TLS, which tls:// asks for; give it a certificate (tls in its configuration), or write nats://", at)
	case strings.Contains(text, "tls"):
		return fmt.Errorf("TLS with the NATS server at %s fails (%w); let SSL_CERT_FILE in the environment name the certificate of the authority that signed the server's, and use a name that this one has; a server that asks for certificates of its clients is not supported", at, err)
	case errors.As(err, &name):
		return fmt.Errorf("the name of the NATS server is not known: %w; correct the address", err)
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, io.EOF):
		return fmt.Errorf("nothing at %s answers as a NATS server does (%w); correct the address, whose port is that for clients (4222), not for monitoring or clusters; a server with handshake_first is not supported", at, err)
	}
	return fmt.Errorf("cannot connect to the NATS server at %s: %w; see its log", at, err)
}

// publishes are subjects of the kinds that the store publishes to, but for those by which something could
// be changed or created: the start itself uses some of them, and says it then. What is sent to the ones here can
// only be thrown away. Without the first ones the store cannot serve; the others say what fails.
var publishes = []struct{ subject, without string }{
	{"chat.check.check.e.check", ""}, // an entry for another stream
	{"$JS.API.STREAM.INFO." + streamName, ""},
	{"$JS.API.STREAM.MSG.GET." + streamName, ""},
	{"$JS.API.DIRECT.GET." + streamName, ""},
	{"$JS.API.DIRECT.GET." + streamName + ".chat.check.check.e.check", ""},
	{"$JS.API.CONSUMER.MSG.NEXT." + streamName + ".check", ""}, // there is no such consumer
	{"$JS.ACK." + streamName + ".check", ""},                   // as well
	{"openchat.check", "other gateways do not receive what this one announces"},
}

// subscribes are the same for what the store subscribes to.
var subscribes = []struct{ subject, without string }{
	{nats.NewInbox() + ".*", ""},
	{"openchat.check", "this gateway does not receive what others announce"},
}

// checking is the name of the connections that only look at the server.
const checking = "openchat gateway: checking"

// checkServer looks at the external server before the store uses it.
func (s *Store) checkServer(options []nats.Option) error {
	var mu sync.Mutex
	var refused []string
	closed := make(chan struct{})
	nc, err := connect(s.cfg.URL, checking, options, nats.NoReconnect(), nats.DisconnectErrHandler(nil),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			mu.Lock()
			defer mu.Unlock()
			refused = append(refused, err.Error())
		}),
		nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		return s.explain(err)
	}
	defer nc.Close()
	if v := nc.ConnectedServerVersion(); older(v, MinServer) {
		return fmt.Errorf("the NATS server at %s is version %s; %s or newer is needed", nc.ConnectedAddr(), v, MinServer)
	}
	for _, to := range publishes {
		m := &nats.Msg{Subject: to.subject, Header: nats.Header{nats.ExpectedStreamHdr: {probeStream}}}
		if err := nc.PublishMsg(m); err != nil {
			return s.explain(err)
		}
	}
	for _, to := range subscribes {
		if _, err := nc.SubscribeSync(to.subject); err != nil {
			return s.explain(err)
		}
	}
	// The server refuses in the order of what it was sent, and the refusals are handled before the end.
	if err := nc.FlushTimeout(checkWithin); err != nil {
		return s.explain(err)
	}
	nc.Close()
	<-closed
	mu.Lock()
	defer mu.Unlock()
	return s.judge(refused)
}

// judge says which permissions are missing: in its error those without which nothing can be served, in
// the log the others.
func (s *Store) judge(refused []string) error {
	all := strings.Join(refused, "\n")
	needed := map[string][]string{}
	var lacking []string
	note := func(what, shown, without string) {
		if without == "" {
			needed[what] = append(needed[what], shown)
		} else {
			lacking = append(lacking, what+" "+shown+" ("+without+")")
		}
	}
	for _, to := range publishes {
		if strings.Contains(all, `Publish to "`+to.subject+`"`) {
			note("publish to", strings.ReplaceAll(to.subject, ".check", ".*"), to.without)
		}
	}
	for _, to := range subscribes {
		if strings.Contains(all, `Subscription to "`+to.subject+`"`) {
			subject := to.subject
			if strings.HasPrefix(subject, nats.InboxPrefix) {
				subject = nats.InboxPrefix + ">"
			}
			note("subscribe to", strings.ReplaceAll(subject, ".check", ".*"), to.without)
		}
	}
	if len(needed) > 0 {
		var all []string
		for _, what := range slices.Sorted(maps.Keys(needed)) {
			all = append(all, what+" "+strings.Join(needed[what], ", "))
		}
		return fmt.Errorf("the NATS server does not permit the user of the URL to %s; give it the permissions of docs/operations.md", strings.Join(all, ", or to "))
	}
	if len(lacking) > 0 {
		s.log.Warn("the NATS server does not permit all that is needed; give the user of --nats-url the permissions of docs/operations.md", "lacking", strings.Join(lacking, ", "))
	}
	return nil
}

// refusal names the subject that the server does not let the store publish or subscribe to.
var refusal = regexp.MustCompile(`(?i)(publish|subscription) to "([^"]+)"`)

// refuseOpening has the start fail when the server refuses a request of it for which there is nothing
// else, and reports whether it was one.
func (s *Store) refuseOpening(err error) bool {
	m := refusal.FindStringSubmatch(err.Error())
	if s.server != nil || s.opened.Load() || m == nil || !strings.HasPrefix(m[2], "$JS.API.") {
		return false
	}
	s.endOpening(fmt.Errorf("store: the NATS server does not permit the user of the URL to publish to %s; give it the permissions of docs/operations.md", m[2]))
	return true
}

// older reports whether a version comes before another; its candidates do not. One that cannot be read does
// not either.
func older(version, than string) bool {
	v := semver.Canonical("v" + strings.TrimPrefix(version, "v"))
	return v != "" && semver.Compare(strings.TrimSuffix(v, semver.Prerelease(v)), "v"+than) < 0
}

// withJetStream ends when an external server has answered a question about the stream, whether there is
// one or not, or has said that it never will.
func (s *Store) withJetStream(ctx context.Context) error {
	said := time.AfterFunc(sayWaiting, func() {
		s.log.Warn("waiting for JetStream of the NATS servers (--nats-url), which do not answer; a cluster needs more than half of its servers", "for", maxWait)
	})
	defer said.Stop()
	since := time.Now()
	var final error
	err := s.persist(ctx, func(ctx context.Context) error {
		_, err := s.js.Stream(ctx, streamName)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			return nil
		case errors.Is(err, nats.ErrNoResponders) && time.Since(since) < findWithin:
			return err
		case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrJetStreamNotEnabled):
			final = errors.New("the NATS server has no JetStream; add jetstream { store_dir: … } to its configuration")
		case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
			final = errors.New("the account of the NATS user has no JetStream; add jetstream: enabled to the account in the servers' configuration")
		default:
			return err
		}
		return nil
	})
	if err == nil {
		err = final
	}
	return silent(err)
}

// silent explains an error of a question that nobody has answered.
func silent(err error) error {
	var api *jetstream.APIError
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.As(err, &api) && api.ErrorCode == noLeader {
		return errSilent
	}
	return err
}

// checkSync says in the log when entries are acknowledged before they are on the disk, as far as that can
// be learned. It holds up nothing.
func (s *Store) checkSync(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	defer s.log.Debug("how NATS stores has been checked")
	var known []jetStreamState
	for _, at := range s.cfg.MonitorURLs {
		state, err := monitored(ctx, at)
		if err != nil {
			s.log.Warn("a monitoring address of NATS (--nats-monitor-url) does not say how entries are stored", "url", at, "error", err)
			continue
		}
		known = append(known, state)
	}
	if len(s.cfg.MonitorURLs) == 0 {
		known = s.asked(ctx)
	}
	if s.ctx.Err() != nil {
		return
	}
	var wrong []string
	for _, state := range known {
		if !state.SyncAlways {
			wrong = append(wrong, state.name)
		}
	}
	switch {
	case len(wrong) > 0:
		s.log.Warn("a power cut at a NATS server (--nats-url) can take back what was acknowledged: set sync_interval: always in the jetstream part of its configuration", "servers", strings.Join(wrong, ", "))
	case len(known) == 0 && len(s.cfg.MonitorURLs) == 0:
		s.log.Info("whether the NATS servers store with sync_interval: always cannot be learned from here; --nats-monitor-url lets it be checked")
	}
}

// jetStreamState is what a server says of its JetStream.
type jetStreamState struct {
	name       string
	SyncAlways bool
}

// readState reads a server's answer, in which the part about JetStream is absent where it has none.
func readState(text []byte, name string) (jetStreamState, bool) {
	var answer struct {
		ID     string `json:"server_id"`
		Config *struct {
			StoreDir   string `json:"store_dir"`
			SyncAlways bool   `json:"sync_always"`
		} `json:"config"`
	}
	if json.Unmarshal(text, &answer) != nil || answer.Config == nil || answer.Config.StoreDir == "" {
		return jetStreamState{}, false
	}
	if name == "" {
		name = answer.ID
	}
	return jetStreamState{name, answer.Config.SyncAlways}, true
}

// monitored asks a monitoring address.
func monitored(ctx context.Context, at string) (jetStreamState, error) {
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(at, "/")+"/jsz", http.NoBody)
	if err != nil {
		return jetStreamState{}, err
	}
	a, err := client.Do(r)
	if err != nil {
		return jetStreamState{}, err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(io.LimitReader(a.Body, maxMonitored))
	if err != nil {
		return jetStreamState{}, err
	}
	state, ok := readState(text, at)
	if a.StatusCode != http.StatusOK || !ok {
		return jetStreamState{}, fmt.Errorf("/jsz is answered %s without the configuration of JetStream", a.Status)
	}
	return state, nil
}

// systemState is where servers answer what their JetStream is. Only the system's account is there; others
// need an import of it.
const systemState = "$SYS.REQ.SERVER.PING.JSZ"

// asked asks the servers themselves, where the user of the URL may.
func (s *Store) asked(ctx context.Context) (known []jetStreamState) {
	nc, err := connect(s.cfg.URL, checking, s.options, nats.NoReconnect(), nats.DisconnectErrHandler(nil),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		return nil
	}
	defer nc.Close()
	answers, err := nc.SubscribeSync(nc.NewRespInbox())
	if err == nil {
		err = nc.PublishRequest(systemState, answers.Subject, nil)
	}
	if err == nil {
		err = nc.FlushWithContext(ctx)
	}
	if err != nil || nc.LastError() != nil { // as when it is not permitted
		return nil
	}
	// How many servers there are is not known, and that nobody answers is said at once.
	for {
		one, cancel := context.WithTimeout(ctx, time.Second)
		m, err := answers.NextMsgWithContext(one)
		cancel()
		if err != nil {
			return known
		}
		var answer struct {
			Server struct {
				Name string `json:"name"`
			} `json:"server"`
			Data json.RawMessage `json:"data"`
		}
		if m.Header.Get("Status") == "503" || json.Unmarshal(m.Data, &answer) != nil {
			return known
		}
		if state, ok := readState(answer.Data, answer.Server.Name); ok {
			known = append(known, state)
		}
	}
}
