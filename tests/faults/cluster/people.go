package cluster

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"openchat/sdk"
	"openchat/sdk/native"
	"openchat/sdk/wire"
	"openchat/web/desk"
	"openchat/web/gateway"
)

// Site is one account with its secrets, set up as in production: its customers' tokens
// are signed with Ed25519, and the gateways have the public key.
type Site struct {
	Args []string // the flags of its gateways

	signer         *gateway.Signer
	integrationID  string
	appkey         string
	deskCredential string
}

const account = "ABCDEF"

// NewSite makes the secrets of a new account, and puts what the gateways read of them
// into dir.
func NewSite(dir string) (*Site, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	s := &Site{integrationID: uuid.NewString(), appkey: rand.Text(), deskCredential: rand.Text()}
	s.signer, err = gateway.NewSigner(gateway.SignerConfig{
		PEM: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), Issuer: "openchat", Audience: "openchat",
	})
	if err != nil {
		return nil, err
	}
	if der, err = x509.MarshalPKIXPublicKey(public); err != nil {
		return nil, err
	}
	for name, text := range map[string][]byte{
		"customers.pem": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"appkey.txt":    []byte(s.appkey),
		"desk.txt":      []byte(s.deskCredential),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, err
		}
	}
	s.Args = []string{
		"--dist", "",
		"--tenant", account + ":" + s.integrationID + ":@" + filepath.Join(dir, "appkey.txt"),
		"--jwt-public-key", filepath.Join(dir, "customers.pem"),
		"--desk-credential", "@" + filepath.Join(dir, "desk.txt"),
	}
	return s, nil
}

// Token is a customer's, good for an hour.
func (s *Site) Token(customer string) (string, error) {
	return s.signer.Mint(gateway.Claims{
		CustomerID: customer, CustomerName: "Customer " + customer, Account: account, IntegrationID: s.integrationID, TTL: time.Hour,
	})
}

// Balancer is the host name behind which gateways stand: every new connection goes to
// the one that has the fewest.
type Balancer struct {
	mu    sync.Mutex
	addrs []string
	open  map[string]map[*cut]struct{} // by address
}

// Host is the name that clients of a Balancer call.
const Host = "http://gateways.invalid"

// Use has new connections go to those gateways, and no other.
func (b *Balancer) Use(gateways ...*Process) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addrs = nil
	for _, g := range gateways {
		b.addrs = append(b.addrs, g.URL[len("http://"):])
	}
}

// Client returns an HTTP client that keeps up to idle connections for reuse.
func (b *Balancer) Client(idle int) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: b.dial, MaxIdleConns: idle, MaxIdleConnsPerHost: idle, IdleConnTimeout: time.Minute,
	}}
}

// cut is a connection that its balancer can cut.
type cut struct {
	net.Conn
	gone   func()
	stream atomic.Bool // a WebSocket, or about to be one
}

func (c *cut) Write(p []byte) (int, error) {
	if !c.stream.Load() && bytes.Contains(p, []byte("\r\nUpgrade: websocket\r\n")) {
		c.stream.Store(true)
	}
	return c.Conn.Write(p)
}

func (c *cut) Close() error {
	c.gone()
	return c.Conn.Close()
}

func (b *Balancer) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	b.mu.Lock()
	if len(b.addrs) == 0 {
		b.mu.Unlock()
		return nil, errors.New("no gateway is in use")
	}
	addr := slices.MinFunc(b.addrs, func(x, y string) int { return len(b.open[x]) - len(b.open[y]) })
	if b.open == nil {
		b.open = map[string]map[*cut]struct{}{}
	}
	if b.open[addr] == nil {
		b.open[addr] = map[*cut]struct{}{}
	}
	c := &cut{}
	c.gone = func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.open[addr], c)
	}
	b.open[addr][c] = struct{}{} // at once, or those dialing now would all go there
	b.mu.Unlock()
	var err error
	if c.Conn, err = (&net.Dialer{}).DialContext(ctx, network, addr); err != nil {
		c.gone()
		return nil, err
	}
	return c, nil
}

// streams are the event streams that go to a gateway.
func (b *Balancer) streams(g *Process) (list []*cut) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.open[g.URL[len("http://"):]] {
		if c.stream.Load() {
			list = append(list, c)
		}
	}
	return list
}

// Streams returns how many event streams go to a gateway.
func (b *Balancer) Streams(g *Process) int { return len(b.streams(g)) }

// Cut breaks up to n of the event streams to a gateway, as a network does.
func (b *Balancer) Cut(g *Process, n int) {
	list := b.streams(g)
	for _, c := range list[:max(0, min(n, len(list)))] {
		_ = c.Conn.Close() // its reader finds out
	}
}

// Visitor is a customer with the SDK and one chat.
type Visitor struct {
	*sdk.Client
	Customer string
	Chat     string // the engagementId
	Agent    string // the agentId of who has accepted it
}

// Visit starts a session through the transport at host, which is a gateway's URL or
// Host, and a chat that the desk's agent accepts. deliver gets every event.
func (s *Site) Visit(ctx context.Context, host string, t *native.Transport, d *Desk, agent, customer string, deliver func(sdk.Event)) (*Visitor, error) {
	v := &Visitor{Customer: customer, Agent: agent}
	token, err := s.Token(customer)
	if err != nil {
		return nil, err
	}
	active := make(chan struct{}, 1)
	v.Client = sdk.New(sdk.Options{Transport: t, Deliver: func(e sdk.Event) {
		if e.Type == sdk.EventEngagementActive {
			select {
			case active <- struct{}{}:
			default:
			}
		}
		deliver(e)
	}})
	if _, err := sdk.Await(ctx, func(done func(sdk.UserContext, error)) {
		v.Init(sdk.InitParams{HostURL: host, IntegrationID: s.integrationID, Token: token, Appkey: s.appkey},
			sdk.Config{IdleTimeout: sdk.IdleDisabled}, done)
	}); err != nil {
		return nil, fmt.Errorf("init: %w", err)
	}
	e, err := sdk.Await(ctx, func(done func(sdk.Engagement, error)) { v.CreateEngagement(nil, done) })
	if err != nil {
		return nil, fmt.Errorf("createEngagement: %w", err)
	}
	v.Chat = e.EngagementID
	select {
	case <-active:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for ENGAGEMENT_ACTIVE: %w", ctx.Err())
	}
	return v, d.Accept(ctx, v.Chat, agent)
}

// Send sends a message of the visitor's and waits for its promise.
func (v *Visitor) Send(ctx context.Context, text string) error {
	_, err := sdk.Await(ctx, func(done func(sdk.Message, error)) { v.SendMessage(v.Chat, text, "", done) })
	return err
}

// Desk is the agents' door. An agent's id is any UUID.
type Desk struct {
	Host       string // a gateway's URL, or Host with a Balancer's client
	HTTP       *http.Client
	credential string
}

// Desk returns the site's desk at host.
func (s *Site) Desk(host string, client *http.Client) *Desk {
	return &Desk{host, client, s.deskCredential}
}

// Accept has the agent take the chat.
func (d *Desk) Accept(ctx context.Context, chat, agent string) error {
	return d.act(ctx, chat+":accept", map[string]string{"agentId": agent, "agentName": "Agent"})
}

// Supervise has the agent join the chat beside its agent.
func (d *Desk) Supervise(ctx context.Context, chat, agent string) error {
	return d.act(ctx, chat+":supervise", map[string]string{"agentId": agent, "agentName": "Agent"})
}

// Say sends a message; key makes it repeatable.
func (d *Desk) Say(ctx context.Context, chat, agent, text, key string) error {
	return d.act(ctx, chat+"/messages", map[string]string{"agentId": agent, "text": text, "correlationId": key})
}

// History reads a page of the chat's messages; before is an index, 0 for the newest page.
func (d *Desk) History(ctx context.Context, chat string, size int, before int64) (wire.MessagePage, error) {
	path := fmt.Sprintf("%s%s/engagements/%s/messages?pageSize=%d", d.Host, desk.BasePath, chat, size)
	if before > 0 {
		path += fmt.Sprintf("&before=%d", before)
	}
	text, err := d.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return wire.MessagePage{}, err
	}
	return wire.DecodeMessagePage(text)
}

func (d *Desk) act(ctx context.Context, path string, body map[string]string) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	_, err = d.call(ctx, http.MethodPost, d.Host+desk.BasePath+"/engagements/"+path, text)
	return err
}

func (d *Desk) call(ctx context.Context, method, url string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+d.credential)
	a, err := d.HTTP.Do(r)
	if err != nil {
		return nil, err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err == nil && a.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, r.URL.Path, a.Status, text)
	}
	return text, err
}
