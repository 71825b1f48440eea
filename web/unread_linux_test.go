package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"openchat/sdk/wire"
)

// withHistory gives the customer a chat whose largest page is 600 KB, and returns its path.
func (c *customer) withHistory() string {
	c.Helper()
	s := c.stream(0)
	e := c.create(`{}`)
	// The bot, which is the desk's, is the last to come and speak: the desk knows the chat.
	for _, want := range []wire.EventType{wire.EventEngagementActive, wire.EventParticipantAdded, wire.EventParticipantAdded, wire.EventMessages} {
		s.event(want)
	}
	_ = s.conn.CloseNow()
	agent := uuid.NewString()
	path := "/engagements/" + e.EngagementID
	c.agent(200, "POST", path+":accept", fmt.Sprintf(`{"agentId":%q,"agentName":"Agent"}`, agent))
	text := strings.Repeat("長", wire.MaxText)
	for range wire.MaxPageSize + 1 {
		c.agent(201, "POST", path+"/messages", fmt.Sprintf(`{"agentId":%q,"text":%q,"correlationId":%q}`, agent, text, uuid.NewString()))
	}
	return path + "/messages?pageSize=50&sessionId=" + c.session.SessionID + "&dialogId=" + e.DialogID
}

// receivingLittle makes connections whose kernel takes little that is not read.
var receivingLittle = net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
	var err error
	failed := raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) })
	return errors.Join(failed, err)
}}

// ask sends a GET on a connection of its own, which receives little at once.
func (c *customer) ask(path string) net.Conn {
	c.Helper()
	at := strings.TrimPrefix(c.URL, "http://")
	at = strings.TrimSuffix(at, "/")
	conn, err := receivingLittle.DialContext(c.Context(), "tcp", at)
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		c.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n%s: %s\r\n\r\n", wire.BasePath+path, at, c.token, wire.HeaderAppkey, c.appkey); err != nil {
		c.Fatal(err)
	}
	return conn
}

// statusOf reads the status of an answer and no more.
func statusOf(t *testing.T, conn net.Conn) string {
	t.Helper()
	b := make([]byte, len("HTTP/1.1 200"))
	if _, err := io.ReadFull(conn, b); err != nil {
		t.Fatal(err)
	}
	return string(b[len(b)-3:])
}

// unsent returns how many bytes the kernel holds for the clients of the port.
func unsent(t *testing.T, address string) (total int) {
	t.Helper()
	_, port, _ := net.SplitHostPort(strings.TrimSuffix(strings.TrimPrefix(address, "http://"), "/"))
	n, _ := strconv.Atoi(port)
	list, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		f := strings.Fields(line)
		if len(f) < 5 || !strings.HasSuffix(f[1], fmt.Sprintf(":%04X", n)) {
			continue
		}
		queue, _, _ := strings.Cut(f[4], ":")
		bytes, err := strconv.ParseInt(queue, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		total += int(bytes)
	}
	return total
}

// rss returns the resident memory of the process in MiB.
func (p *running) rss() int {
	p.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		p.Fatal(err)
	}
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(b)
	if m == nil {
		p.Fatalf("no VmRSS in %s", b)
	}
	n, _ := strconv.Atoi(string(m[1]))
	return n >> 10
}

// One customer asks on hundreds of connections for its largest page and reads none.
func TestUnreadAnswersAreBounded(t *testing.T) {
	t.Parallel()
	p := launchDemo(t, t.TempDir(), "127.0.0.1:0")
	hostile, other := p.customer("Hostile"), p.customer("Other")
	path := hostile.withHistory()
	chat := other.create(`{}`)
	before := p.rss()
	const connections, calls = 300, 8
	begun := time.Now()
	statuses := map[string]int{}
	var asked []net.Conn
	for range connections { // at once: who goes on asking while it is refused is answered late
		asked = append(asked, hostile.ask(path))
	}
	for _, conn := range asked {
		statuses[statusOf(t, conn)]++
	}
	took := time.Since(begun)
	// Unread: the 8 and no more, as long as the first are not given up.
	if statuses["200"] != calls || statuses["429"] != connections-calls {
		t.Errorf("answered %v, want %d of 200", statuses, calls)
	}
	// An answer that is complete, or a refusal, must not have waited for those.
	if took > 9*time.Second {
		t.Errorf("the refusals took %v", took)
	}
	if held, most := unsent(t, p.URL), calls*256<<10; held > most {
		t.Errorf("the kernel holds %d KiB, more than %d", held>>10, most>>10)
	}
	if grown := p.rss() - before; grown > 100 {
		t.Errorf("the process has grown by %d MiB", grown)
	}
	t.Logf("%v in %v; the kernel holds %d KiB; RSS %d MiB, before %d", statuses, took, unsent(t, p.URL)>>10, p.rss(), before)
	sent := time.Now()
	other.rest(201, "POST", "/engagements/"+chat.EngagementID+"/messages", fmt.Sprintf(`{"sessionId":%q,"dialogId":%q,"body":{"elementType":"text","elementText":{"text":"Hello.","textFormat":"PLAINTEXT"}},"correlationId":"m"}`, other.session.SessionID, chat.DialogID))
	if d := time.Since(sent); d > time.Second {
		t.Errorf("another customer's message took %v", d)
	}
	// Each call ends after seconds without progress, and what the kernel holds goes, too. Neither
	// tells the client, which is not reading: the test asks the kernel once a second.
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for statusOf(t, hostile.ask(path)) != "200" {
		if time.Since(begun) > 20*time.Second {
			t.Fatal("the calls are still in progress")
		}
		<-again.C
	}
	freed := time.Since(begun)
	for unsent(t, p.URL) > 0 {
		if time.Since(begun) > time.Minute {
			t.Fatalf("the kernel still holds %d KiB", unsent(t, p.URL)>>10)
		}
		<-again.C
	}
	t.Logf("calls are possible again after %v, and the kernel holds nothing after %v", freed, time.Since(begun))
}

// A client that takes its answer slowly, for longer than one may take nothing, gets it all.
func TestSlowReaderGetsItsAnswer(t *testing.T) {
	t.Parallel()
	p := launchDemo(t, t.TempDir(), "127.0.0.1:0")
	c := p.customer("Slow")
	path := c.withHistory()
	whole := c.rest(200, "GET", path, "")
	begun := time.Now()
	res, err := http.ReadResponse(bufio.NewReaderSize(c.ask(path), 16), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	const pieces = 60
	pace := time.NewTicker(14 * time.Second / pieces)
	defer pace.Stop()
	var got bytes.Buffer
	for range pieces + 1 {
		<-pace.C
		if _, err := io.CopyN(&got, res.Body, int64(len(whole)/pieces)); err != nil && !errors.Is(err, io.EOF) {
			t.Fatalf("after %v and %d of %d bytes: %v", time.Since(begun), got.Len(), len(whole), err)
		}
	}
	if !bytes.Equal(got.Bytes(), whole) {
		t.Errorf("%d bytes of %d", got.Len(), len(whole))
	}
}

// A stream whose client stops reading, but keeps its connection, ends: for the gateway, and soon
// after in the kernel, which would else keep what is unsent for many minutes.
func TestStreamWhoseClientStopsReadingEnds(t *testing.T) {
	t.Parallel()
	p := launchDemo(t, t.TempDir(), "127.0.0.1:0")
	c := p.customer("Silent")
	e := c.create(`{}`)
	path := "/engagements/" + e.EngagementID
	agent := uuid.NewString()
	p.shown(demoDesk, e.EngagementID)
	c.agent(200, "POST", path+":accept", fmt.Sprintf(`{"agentId":%q,"agentName":"Agent"}`, agent))

	client := &http.Client{Transport: &http.Transport{DialContext: receivingLittle.DialContext}}
	conn, _, err := websocket.Dial(t.Context(), p.URL+wire.BasePath+"/sessions/"+c.session.SessionID+"/events", &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{wire.Subprotocol}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	hello := wire.ClientFrame{Type: wire.FrameAuthenticate, Token: c.token, Appkey: c.appkey, ClientID: uuid.NewString()}
	if err := conn.Write(t.Context(), websocket.MessageText, hello.Append(nil)); err != nil {
		t.Fatal(err)
	}
	if _, b, err := conn.Read(t.Context()); err != nil || !strings.Contains(string(b), string(wire.FrameReady)) {
		t.Fatalf("got %s, %v instead of ready", b, err)
	}
	// It reads nothing from here on. More than the two kernels hold is sent to it.
	text := strings.Repeat("長", wire.MaxText)
	for range 40 {
		c.agent(201, "POST", path+"/messages", fmt.Sprintf(`{"agentId":%q,"text":%q,"correlationId":%q}`, agent, text, uuid.NewString()))
	}
	if unsent(t, p.URL) == 0 {
		t.Fatal("the kernel holds nothing for the client")
	}
	begun := time.Now()
	p.logged("stream closed")
	closed := time.Since(begun)
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for unsent(t, p.URL) > 0 {
		if time.Since(begun) > time.Minute {
			t.Fatalf("the stream was closed after %v, and the kernel still holds %d KiB", closed, unsent(t, p.URL)>>10)
		}
		<-again.C
	}
	t.Logf("closed after %v, and the kernel holds nothing after %v", closed, time.Since(begun))
	p.terminate(syscall.SIGTERM)
}
