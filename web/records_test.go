package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
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

	"github.com/coder/websocket"

	"openchat/sdk/wire"
	"openchat/web/desk"
)

// This file tests that a gateway opens what earlier ones have stored.
//
// testdata/stored-‹commit›.tar.gz is the data folder of the gateway of that commit, and
// stored-‹commit›.json what it has answered just before it was stopped. To make them anew,
// or for another version:
//
//	git worktree add /tmp/then f3778dd
//	(cd /tmp/then && go build -o /tmp/gateway-f3778dd ./web)
//	go test ./web -run TestMakeStored -stored-by /tmp/gateway-f3778dd
var storedBy = flag.String("stored-by", "", "make the fixture of the gateway at `gateway-COMMIT`")

// forever keeps the fixtures' messages from expiring; a server removes what is too old
// when it opens its files.
const forever = "876000h"

// answers are what a gateway answers, by method and path.
type answers map[string]json.RawMessage

// storedFixture is testdata/stored-‹commit›.json.
type storedFixture struct {
	Customers map[string]answers // by customer id
	Desk      answers
	Ended     []string // ids of the engagements that have ended, which a desk forgets at a restart
}

// client calls one gateway started with --demo.
type client struct {
	t       *testing.T
	url     string
	fixture storedFixture
	tokens  map[string]string
}

func newClient(t *testing.T, url string) *client {
	return &client{t: t, url: url, tokens: map[string]string{}, fixture: storedFixture{Customers: map[string]answers{}, Desk: answers{}}}
}

func (c *client) call(method, path, credential, body string) (status int, answer []byte) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+credential)
	r.Header.Set("appkey", demoAppkey)
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	if answer, err = io.ReadAll(res.Body); err != nil {
		c.t.Fatal(err)
	}
	return res.StatusCode, answer
}

// token returns a token of a customer.
func (c *client) token(id string) string {
	c.t.Helper()
	if c.tokens[id] == "" {
		_, b := c.call("POST", "/v1/getJWT", "", fmt.Sprintf(`{"customerId":%q,"customerName":"Name of %s"}`, id, id))
		var got struct{ JWTToken string }
		if err := json.Unmarshal(b, &got); err != nil {
			c.t.Fatalf("getJWT: %s", b)
		}
		c.tokens[id] = got.JWTToken
	}
	return c.tokens[id]
}

// asCustomer calls for a customer and decodes the answer into to, when that is not nil.
func (c *client) asCustomer(id, method, path, body string, to any) []byte {
	c.t.Helper()
	return c.decode(path, to)(c.call(method, wire.BasePath+path, c.token(id), body))
}

func (c *client) asDesk(method, path, body string, to any) []byte {
	c.t.Helper()
	return c.decode(path, to)(c.call(method, desk.BasePath+path, demoDesk, body))
}

func (c *client) decode(path string, to any) func(int, []byte) []byte {
	c.t.Helper()
	return func(status int, b []byte) []byte {
		c.t.Helper()
		if status >= 300 {
			c.t.Fatalf("%s answered %d %s", path, status, b)
		}
		if to != nil {
			if err := json.Unmarshal(b, to); err != nil {
				c.t.Fatalf("%s answered %s: %v", path, b, err)
			}
		}
		return b
	}
}

type storedChat struct{ EngagementID, DialogID, SessionID string }

// chat makes a session and a chat of a customer and waits until the bot has greeted.
func (c *client) chat(customer string) storedChat {
	c.t.Helper()
	var s struct{ SessionID string }
	c.asCustomer(customer, "POST", "/sessions", `{"integrationId":"`+demoIntegrationID+`","sessionParameters":{"page":"shop"},"correlationId":"session"}`, &s)
	chat := storedChat{SessionID: s.SessionID}
	c.asCustomer(customer, "POST", "/engagements", `{"sessionId":"`+s.SessionID+`","engagementParameters":{"topic":"tea"},"correlationId":"chat"}`, &chat)
	c.until("the bot greets "+customer, func() bool {
		var page struct{ Messages []json.RawMessage }
		c.asCustomer(customer, "GET", chat.messages(), "", &page)
		return len(page.Messages) > 0
	})
	return chat
}

func (x storedChat) ids() string {
	return `"sessionId":"` + x.SessionID + `","dialogId":"` + x.DialogID + `"`
}

func (x storedChat) messages() string {
	return "/engagements/" + x.EngagementID + "/messages?pageSize=50&dialogId=" + x.DialogID
}

func (c *client) until(what string, done func() bool) {
	c.t.Helper()
	for end := time.Now().Add(limit); !done(); <-time.After(50 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("%v have passed before %s", limit, what)
		}
	}
}

func (c *client) say(customer string, x storedChat, text string) {
	c.t.Helper()
	c.asCustomer(customer, "POST", "/engagements/"+x.EngagementID+"/messages", `{`+x.ids()+`,"body":{"elementType":"text","elementText":{"text":"`+text+`","textFormat":"PLAINTEXT"}},"correlationId":"`+text+`"}`, nil)
}

const (
	agentBo  = `"agentId":"3f0c1b52-8a0e-4f7c-9a55-0d2f4c1e7b90","agentName":"Bo"`
	agentKim = `"agentId":"3f0c1b52-8a0e-4f7c-9a55-0d2f4c1e7b91","agentName":"Kim"`
)

func (c *client) act(x storedChat, verb, body string) {
	c.t.Helper()
	c.asDesk("POST", "/engagements/"+x.EngagementID+verb, "{"+body+"}", nil)
}

// record notes what the gateway answers of a customer's session and chat.
func (c *client) record(customer string, x storedChat, ended bool) {
	c.t.Helper()
	list := answers{}
	for _, path := range []string{"/sessions/" + x.SessionID, "/engagements?sessionId=" + x.SessionID, x.messages()} {
		list[path] = c.asCustomer(customer, "GET", path, "", nil)
	}
	c.fixture.Customers[customer] = list
	if ended {
		c.fixture.Ended = append(c.fixture.Ended, x.EngagementID)
	} else {
		path := "/engagements/" + x.EngagementID
		c.fixture.Desk[path] = c.asDesk("GET", path, "", nil)
	}
}

func TestMakeStored(t *testing.T) {
	if *storedBy == "" {
		t.Skip("without -stored-by")
	}
	commit := strings.TrimPrefix(filepath.Base(*storedBy), "gateway-")
	folder := t.TempDir()
	help, _ := exec.Command(*storedBy, "--help").CombinedOutput()
	args := []string{"--demo", "--addr", "127.0.0.1:0", "--dist", "", "--data", folder, "--max-age", forever}
	watches := strings.Contains(string(help), "--customer-grace")
	if watches {
		args = append(args, "--customer-grace", "1s", "--agent-grace", "1s")
	}
	cmd := exec.Command(*storedBy, args...)
	out := &firstAddress{found: make(chan string, 1)}
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, <-out.found)

	waiting := c.chat("waiting")
	c.say("waiting", waiting, "Is somebody there?")
	active := c.chat("active")
	c.act(active, ":accept", agentBo)
	c.act(active, ":supervise", agentKim)
	c.say("active", active, "Hello, Bo")
	c.act(active, "/messages", agentBo+`,"text":"Hello 😀","correlationId":"1"`)
	left := c.chat("left") // its agent has left
	c.act(left, ":accept", agentBo)
	c.act(left, ":leave", agentBo)
	over := c.chat("over") // the customer has ended it
	c.act(over, ":accept", agentKim)
	c.say("over", over, "Good-bye")
	c.asCustomer("over", "POST", "/engagements/"+over.EngagementID+":disconnect", `{`+over.ids()+`,"reason":"USER_CLOSED","correlationId":"end"}`, nil)
	closed := c.chat("closed") // its agent has ended it
	c.act(closed, ":accept", agentBo)
	c.act(closed, ":end", agentBo)
	gone := c.chat("gone") // its session has ended, it goes on
	c.asCustomer("gone", "DELETE", "/sessions/"+gone.SessionID+"?reason=USER_CLOSED", "", nil)
	var lost storedChat
	if watches { // its agent was disconnected, and all customers are away
		lost = c.chat("lost")
		c.loseAgent(lost)
		for _, x := range []storedChat{waiting, active, left, gone, lost} {
			c.until("a customer is away", func() bool {
				return bytes.Contains(c.asDesk("GET", "/engagements/"+x.EngagementID, "", nil), []byte(`"customerPresence":"away"`))
			})
		}
		c.record("lost", lost, false)
	}
	c.record("waiting", waiting, false)
	c.record("active", active, false)
	c.record("left", left, false)
	c.record("over", over, true)
	c.record("closed", closed, true)
	c.fixture.Customers["gone"] = answers{gone.messages(): c.asCustomer("gone", "GET", gone.messages(), "", nil)}
	c.fixture.Desk["/engagements/"+gone.EngagementID] = c.asDesk("GET", "/engagements/"+gone.EngagementID, "", nil)
	c.fixture.Desk["/engagements"] = c.asDesk("GET", "/engagements", "", nil)

	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(c.fixture, "", "\t")
	if err == nil {
		err = os.WriteFile("testdata/stored-"+commit+".json", append(text, '\n'), 0o644)
	}
	if err == nil {
		err = pack(folder, "testdata/stored-"+commit+".tar.gz")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// loseAgent accepts a chat as an agent whose desk is then disconnected.
func (c *client) loseAgent(x storedChat) {
	conn, _, err := websocket.Dial(c.t.Context(), c.url+desk.BasePath+"/events", &websocket.DialOptions{Subprotocols: []string{desk.Subprotocol}})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := conn.Write(c.t.Context(), websocket.MessageText, []byte(`{"type":"authenticate","credential":"`+demoDesk+`",`+agentBo+`}`)); err != nil {
		c.t.Fatal(err)
	}
	if _, _, err := conn.Read(c.t.Context()); err != nil { // the snapshot
		c.t.Fatal(err)
	}
	c.act(x, ":accept", agentBo)
	conn.CloseNow()
	c.until("the agent is lost", func() bool {
		return bytes.Contains(c.asDesk("GET", "/engagements/"+x.EngagementID, "", nil), []byte(`"requeued":true`))
	})
}

// firstAddress waits for the address in what a gateway prints.
type firstAddress struct {
	mu    sync.Mutex
	text  []byte
	found chan string
}

func (w *firstAddress) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, p...)
	if a := regexp.MustCompile(`http://[^/\s]+/`).Find(w.text); a != nil {
		select {
		case w.found <- strings.TrimSuffix(string(a), "/"):
		default:
		}
	}
	return len(p), nil
}

// pack makes a tar.gz of a folder, always the same of the same files.
func pack(folder, file string) error {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tar.NewWriter(z)
	err = fs.WalkDir(os.DirFS(folder), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(folder, path))
		if err == nil {
			err = w.WriteHeader(&tar.Header{Name: path, Mode: 0o600, Size: int64(len(text))})
		}
		if err == nil {
			_, err = w.Write(text)
		}
		return err
	})
	if err = errors.Join(err, w.Close(), z.Close()); err != nil {
		return err
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}

// openFixture reads what a fixture holds, and unpacks its data folder.
func openFixture(t *testing.T, name string) (fixture storedFixture, folder string) {
	t.Helper()
	text, err := os.ReadFile(name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &fixture); err != nil {
		t.Fatal(err)
	}
	folder = t.TempDir()
	unpack(t, name+".tar.gz", folder)
	return fixture, folder
}

func unpack(t *testing.T, file, folder string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		path := filepath.Join(folder, filepath.FromSlash(h.Name))
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o700)
		}
		var text []byte
		if err == nil {
			text, err = io.ReadAll(r)
		}
		if err == nil {
			err = os.WriteFile(path, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// What the gateway of an earlier version has stored is there: every session, chat and
// message as that gateway has answered it. It can be gone on with, and is there after
// another start too.
func TestStoredByEarlierVersions(t *testing.T) {
	files, err := filepath.Glob("testdata/stored-*.json")
	if err != nil || len(files) < 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			fixture, folder := openFixture(t, strings.TrimSuffix(file, ".json"))
			for range 2 {
				inProcess(t, folder, func(c *client) { c.compare(fixture) })
			}
			inProcess(t, folder, func(c *client) { c.goOn(fixture) })
		})
	}
}

// inProcess runs a gateway on a data folder while use runs.
func inProcess(t *testing.T, folder string, use func(*client)) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, stderr := &firstAddress{found: make(chan string, 1)}, &bytes.Buffer{}
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"--demo", "--addr", "127.0.0.1:0", "--dist", "", "--data", folder, "--max-age", forever, "--customer-grace", "10m", "--abandon-after", "0"},
			env(), out, stderr)
	}()
	select {
	case url := <-out.found:
		use(newClient(t, url))
	case <-ended:
		t.Fatalf("it ended: %s", stderr)
	}
	stop()
	if code := <-ended; code != 0 || strings.Contains(stderr.String(), "level=ERROR") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// compare asks for what an earlier gateway has answered.
func (c *client) compare(fixture storedFixture) {
	c.t.Helper()
	if len(fixture.Customers) < 6 || len(fixture.Desk) < 5 {
		c.t.Fatalf("the fixture has %d customers and %d answers to a desk", len(fixture.Customers), len(fixture.Desk))
	}
	for customer, list := range fixture.Customers {
		for path, want := range list {
			c.same(path, c.asCustomer(customer, "GET", path, "", nil), want)
		}
	}
	for path, want := range fixture.Desk {
		c.same(path, c.asDesk("GET", path, "", nil), want)
	}
}

// same checks that an answer has every member of the earlier one, with the same value.
func (c *client) same(path string, got, want []byte) {
	c.t.Helper()
	var g, w any
	if err := errors.Join(json.Unmarshal(got, &g), json.Unmarshal(want, &w)); err != nil {
		c.t.Errorf("%s: %v", path, err)
	}
	if !holds(g, w) {
		c.t.Errorf("%s answers\n%s\nand answered\n%s", path, got, want)
	}
}

func holds(got, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		for name, value := range want {
			ok = ok && holds(g[name], value)
		}
		return ok
	case []any:
		g, ok := got.([]any)
		ok = ok && len(g) == len(want)
		for i := range want {
			ok = ok && holds(g[i], want[i])
		}
		return ok
	}
	return got == want
}

// goOn changes what an earlier gateway has stored.
func (c *client) goOn(fixture storedFixture) {
	c.t.Helper()
	var list []desk.Chat
	c.asDesk("GET", "/engagements?state=waiting", "", &list)
	for i, chat := range list {
		x := storedChat{EngagementID: chat.EngagementID}
		c.act(x, ":accept", agentKim)
		b := c.asDesk("GET", "/engagements/"+x.EngagementID+"/messages?pageSize=50", "", nil)
		page, err := wire.DecodeMessagePage(b)
		if err != nil || len(page.Messages) < 2 || page.Messages[0].MessageIndex != 1 || !strings.Contains(page.Messages[len(page.Messages)-1].Body.Text, "Kim has joined") {
			c.t.Errorf("chat %d: %s, %v", i, b, err)
		}
		c.act(x, ":end", agentKim)
	}
	if len(list) < 3 {
		c.t.Errorf("%d chats wait", len(list))
	}
}
