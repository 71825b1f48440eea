package cluster

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/time/rate"

	"openchat/sdk/wire"
	"openchat/tests/harness"
)

// Target is what a hostile customer is: an ordinary one, with one ordinary token, and an ended chat with a long history.
type Target struct {
	URL                             string // the gateway's
	Token, Appkey, IntegrationID    string
	SessionID, EndedID, EndedDialog string
	Only                            string // of Attacks, what it does; "": all at once
}

// The attacks, by what they do again and again.
const (
	attackCreate   = "create a chat with large parameters"
	attackList     = "list the chats"
	attackPost     = "post to an ended chat"
	attackSessions = "create a session"
	attackUnread   = "ask for a history and not read it"
	attackSilent   = "open a socket and be silent"
	attackFlood    = "pongs and empty fragments"
)

// Attacks are the names of what a hostile customer does.
var Attacks = []string{attackCreate, attackList, attackPost, attackSessions, attackUnread, attackSilent, attackFlood}

// Hostile is a customer who does all at once, again and again and as fast as it is answered, what
// costs a gateway most. It pays no heed to refusals. It speaks HTTP and WebSocket by hand: the
// SDK would behave.
type Hostile struct {
	Target
	program string
	mu      sync.Mutex
	counts  map[string]int // of what it did, by outcome
}

// NewHostile makes the customer of that name at a gateway, whose attacks the program of Binaries.Attack makes, with an ended chat into which the desk's
// agents have written so many long messages.
func (a *Account) NewHostile(ctx context.Context, program, host, name string, desk *harness.Desk, history int) (*Hostile, error) {
	token, err := a.Token(name, time.Hour)
	if err != nil {
		return nil, err
	}
	h := &Hostile{Target: Target{URL: host, Token: token, Appkey: a.Appkey, IntegrationID: a.IntegrationID}, program: program, counts: map[string]int{}}
	c := newAttacker(h.Target)
	defer c.http.CloseIdleConnections()
	body, err := c.make(ctx, "/sessions", map[string]any{"integrationId": a.IntegrationID, "correlationId": uuid.NewString()})
	if err != nil {
		return nil, err
	}
	session, err := wire.DecodeSession(body)
	if err != nil {
		return nil, err
	}
	h.SessionID = session.SessionID
	if body, err = c.make(ctx, "/engagements", map[string]any{"sessionId": h.SessionID, "correlationId": uuid.NewString()}); err != nil {
		return nil, err
	}
	e, err := wire.DecodeEngagement(body)
	if err != nil {
		return nil, err
	}
	h.EndedID, h.EndedDialog = e.EngagementID, e.DialogID
	agent := uuid.NewString()
	if err := Accept(ctx, desk, h.EndedID, agent); err != nil {
		return nil, err
	}
	if err := Fill(ctx, desk, h.EndedID, agent, history, strings.Repeat("long words ", wire.MaxText/11)); err != nil {
		return nil, err
	}
	return h, desk.End(ctx, h.EndedID, agent)
}

// Accept has the agent take a chat that has just been created: the desk may not know it yet.
func Accept(ctx context.Context, desk *harness.Desk, chat, agent string) error {
	for {
		err := desk.Accept(ctx, chat, agent, "Agent")
		var refused *harness.RefusedError
		if !errors.As(err, &refused) || refused.Status != http.StatusNotFound || ctx.Err() != nil {
			return err
		}
		pause(ctx, 20*time.Millisecond)
	}
}

// Fill has the chat's agent, and supervisors who join it, write n messages, as fast as the desk allows.
func Fill(ctx context.Context, desk *harness.Desk, chat, agent string, n int, text string) error {
	// As many write as a chat takes, each as often as the desk allows.
	const supervisors = 12 // so that another agent finds room
	agents := []string{agent}
	for range min(supervisors, n/50) {
		agents = append(agents, uuid.NewString())
		if err := desk.Supervise(ctx, chat, agents[len(agents)-1], "Agent"); err != nil {
			return err
		}
	}
	allowed := rate.NewLimiter(45*rate.Limit(len(agents)), 150*len(agents))
	numbers := make(chan int)
	errs := make(chan error, 16)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range cap(errs) {
		go func() {
			for i := range numbers {
				err := allowed.Wait(ctx)
				if err == nil {
					err = desk.Send(ctx, chat, agents[i%len(agents)], text, uuid.NewString())
				}
				if err != nil {
					cancel()
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		select {
		case numbers <- i:
		case <-ctx.Done():
		}
	}
	close(numbers)
	var first error
	for range cap(errs) {
		if err := <-errs; first == nil {
			first = err
		}
	}
	return first
}

// Begin starts the attack, as a process. end ends it, and returns when all its connections are closed.
func (h *Hostile) Begin() (end func() error, err error) {
	c := exec.Command(h.program)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	said := json.NewDecoder(out)
	var ready bool
	// Its start takes processors that an attacker elsewhere does not.
	if err = said.Decode(&ready); err == nil {
		err = json.NewEncoder(in).Encode(h.Target)
	}
	if err != nil {
		return nil, errors.Join(err, c.Process.Kill(), c.Wait())
	}
	return func() error {
		in.Close()
		counts := map[string]int{}
		if err := errors.Join(said.Decode(&counts), c.Wait()); err != nil {
			return fmt.Errorf("the hostile customer: %w", err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		for what, n := range counts {
			h.counts[what] += n
		}
		return nil
	}, nil
}

// attacker is the customer inside its process.
type attacker struct {
	Target
	http   *http.Client
	mu     sync.Mutex
	counts map[string]int
}

func newAttacker(t Target) *attacker {
	return &attacker{Target: t, http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
}

// make makes a call that must succeed.
func (h *attacker) make(ctx context.Context, path string, body any) ([]byte, error) {
	status, answer, err := h.call(ctx, "POST", path, body)
	if err == nil && status >= 300 {
		err = fmt.Errorf("POST %s: %d %s", path, status, answer)
	}
	return answer, err
}

func (h *attacker) call(ctx context.Context, method, path string, body any) (status int, answer []byte, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, h.URL+wire.BasePath+path, bytes.NewReader(text))
	if err != nil {
		return 0, nil, err
	}
	r.Header = http.Header{"Authorization": {"Bearer " + h.Token}, wire.HeaderAppkey: {h.Appkey}, "Content-Type": {"application/json"}}
	a, err := h.http.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer a.Body.Close()
	answer, err = io.ReadAll(a.Body)
	return a.StatusCode, answer, err
}

func (h *attacker) host() string { return strings.TrimPrefix(h.URL, "http://") }

// Attack goes on until ctx ends, and returns when all its connections are closed. It counts what it did, by outcome.
func (t Target) Attack(ctx context.Context, counts map[string]int) {
	h := newAttacker(t)
	h.counts = counts
	parameters := map[string]string{}
	for i := range wire.MaxParameters {
		parameters[fmt.Sprint("parameter ", i)] = strings.Repeat("x", wire.MaxParameterValue)
	}
	chat := func() any {
		return map[string]any{"sessionId": h.SessionID, "engagementParameters": parameters, "correlationId": uuid.NewString()}
	}
	var wg sync.WaitGroup
	// again has n goroutines do something until ctx ends. A gateway that is away is no reason to spin.
	again := func(n int, what string, do func() string) {
		if t.Only != "" && t.Only != what {
			return
		}
		for range n {
			wg.Go(func() {
				for ctx.Err() == nil {
					outcome := do()
					h.count(what + ": " + outcome)
					if outcome == broken {
						pause(ctx, 50*time.Millisecond)
					}
				}
			})
		}
	}
	calls := func(n int, what, method, path string, body func() any) {
		again(n, what, func() string {
			status, _, err := h.call(ctx, method, path, body())
			if err != nil {
				return broken
			}
			return fmt.Sprint(status)
		})
	}
	nothing := func() any { return nil }
	calls(2, attackCreate, "POST", "/engagements", chat)
	calls(2, attackList, "GET", "/engagements?sessionId="+h.SessionID, nothing)
	calls(2, attackPost, "POST", "/engagements/"+h.EndedID+"/messages", func() any {
		return map[string]any{"sessionId": h.SessionID, "dialogId": h.EndedDialog, "correlationId": uuid.NewString(),
			"body": map[string]any{"elementText": map[string]any{"text": "Anybody there?"}}}
	})
	calls(1, attackSessions, "POST", "/sessions", func() any {
		return map[string]any{"integrationId": h.IntegrationID, "correlationId": uuid.NewString()}
	})
	again(8, attackUnread, func() string { return h.unread(ctx) })
	again(100, attackSilent, func() string { return h.silent(ctx) })
	again(4, attackFlood, func() string { return h.flood(ctx) })
	wg.Wait()
	h.http.CloseIdleConnections()
}

const broken = "broken"

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (h *attacker) count(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[what]++
}

// Counts lists what was done, by outcome, and how often.
func (h *Hostile) Counts() (list []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(h.counts)) {
		list = append(list, fmt.Sprintf("%s %d", what, h.counts[what]))
	}
	return list
}

// connect opens a connection that ends with ctx.
func (h *attacker) connect(ctx context.Context) (conn *net.TCPConn, closeIt func(), err error) {
	c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", h.host())
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	return c.(*net.TCPConn), func() { stop(); c.Close() }, nil
}

// unread asks for pages of the history on one connection, and reads none of them.
func (h *attacker) unread(ctx context.Context) string {
	conn, closeIt, err := h.connect(ctx)
	if err != nil {
		return broken
	}
	defer closeIt()
	_ = conn.SetReadBuffer(4 << 10)
	request := fmt.Sprintf("GET %s/engagements/%s/messages?dialogId=%s&pageSize=%d HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n%s: %s\r\n\r\n",
		wire.BasePath, h.EndedID, h.EndedDialog, wire.MaxPageSize, h.host(), h.Token, wire.HeaderAppkey, h.Appkey)
	_ = conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	for range 64 {
		if _, err := io.WriteString(conn, request); err != nil {
			return "cut"
		}
	}
	pause(ctx, 2*time.Second)
	return "held"
}

// upgrade opens a stream of the session's.
func (h *attacker) upgrade(ctx context.Context) (conn *net.TCPConn, r *bufio.Reader, closeIt func(), outcome string) {
	conn, closeIt, err := h.connect(ctx)
	if err != nil {
		return nil, nil, nil, broken
	}
	fmt.Fprintf(conn, "GET %s/sessions/%s/events HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: %s\r\n\r\n",
		wire.BasePath, h.SessionID, h.host(), wire.Subprotocol)
	r = bufio.NewReader(conn)
	a, err := http.ReadResponse(r, nil)
	if err == nil && a.StatusCode == http.StatusSwitchingProtocols {
		return conn, r, closeIt, ""
	}
	closeIt()
	if err != nil {
		return nil, nil, nil, broken
	}
	return nil, nil, nil, fmt.Sprint(a.StatusCode)
}

// silent opens a stream and says nothing until it is closed.
func (h *attacker) silent(ctx context.Context) string {
	_, r, closeIt, outcome := h.upgrade(ctx)
	if outcome != "" {
		pause(ctx, 20*time.Millisecond) // hundreds that are refused at once would be another attack
		return outcome
	}
	defer closeIt()
	_, _ = io.Copy(io.Discard, r)
	return "closed"
}

// flood authenticates a stream, and sends pongs and empty pieces of a message until it is closed.
func (h *attacker) flood(ctx context.Context) string {
	conn, r, closeIt, outcome := h.upgrade(ctx)
	if outcome != "" {
		pause(ctx, 20*time.Millisecond)
		return outcome
	}
	defer closeIt()
	hello := wire.ClientFrame{Type: wire.FrameAuthenticate, Token: h.Token, Appkey: h.Appkey, ClientID: uuid.NewString()}
	if _, err := conn.Write(clientFrame(0x81, hello.Append(nil))); err != nil {
		return broken
	}
	go func() { _, _ = io.Copy(io.Discard, r) }() // ends with the connection
	if _, err := conn.Write(clientFrame(0x01, nil)); err != nil {
		return "closed"
	}
	pieces := bytes.Repeat(append(clientFrame(0x8a, nil), clientFrame(0x00, nil)...), 64)
	for {
		if _, err := conn.Write(pieces); err != nil {
			return "closed"
		}
	}
}

// clientFrame is a WebSocket frame as clients send it, with a mask of zeros.
func clientFrame(head byte, payload []byte) []byte {
	f := []byte{head, 0x80 | byte(len(payload))}
	if len(payload) > 125 {
		f = []byte{head, 0x80 | 126, byte(len(payload) >> 8), byte(len(payload))}
	}
	return append(append(f, 0, 0, 0, 0), payload...)
}
