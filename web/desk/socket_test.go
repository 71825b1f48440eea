package desk

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"openchat/sdk/wire"
	"openchat/web/store"
)

type deskFrame struct {
	Type    string         `json:"type"`
	Chats   []Chat         `json:"chats"`
	Chat    Chat           `json:"chat"`
	Message map[string]any `json:"message"`
}

type client struct {
	*fixture
	conn *websocket.Conn
}

func (f *fixture) dial() *client {
	f.Helper()
	conn, _, err := websocket.Dial(f.Context(), f.url+BasePath+"/events", &websocket.DialOptions{Subprotocols: []string{Subprotocol}})
	if err != nil {
		f.Fatal(err)
	}
	conn.SetReadLimit(16 << 20)
	f.Cleanup(func() { _ = conn.CloseNow() })
	return &client{f, conn}
}

func (c *client) write(text string) {
	c.Helper()
	if err := c.conn.Write(c.Context(), websocket.MessageText, []byte(text)); err != nil {
		c.Fatal(err)
	}
}

// readText reads a frame as it is.
func (c *client) readText() []byte {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), limit)
	defer cancel()
	_, b, err := c.conn.Read(ctx)
	if err != nil {
		c.Fatal(err)
	}
	return b
}

func (c *client) read() (f deskFrame) {
	c.Helper()
	b := c.readText()
	if err := json.Unmarshal(b, &f); err != nil {
		c.Fatalf("the frame %s: %v", b, err)
	}
	return f
}

func (c *client) until(match func(deskFrame) bool) deskFrame {
	c.Helper()
	for {
		if f := c.read(); match(f) {
			return f
		}
	}
}

// authenticate returns the snapshot.
func (c *client) authenticate() []Chat {
	c.Helper()
	return c.authenticateWith(fmt.Sprintf(`"credential":%q`, credential))
}

// authenticateWith is authenticate with these members.
func (c *client) authenticateWith(members string) []Chat {
	c.Helper()
	c.write(`{"type":"authenticate",` + members + `}`)
	f := c.read()
	if f.Type != "snapshot" {
		c.Fatalf("the first frame is a %s", f.Type)
	}
	return f.Chats
}

// closed reads to the end and wants it to be that code.
func (c *client) closed(code websocket.StatusCode) {
	c.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for {
		if _, _, err := c.conn.Read(ctx); err != nil {
			if got := websocket.CloseStatus(err); got != code {
				c.Errorf("closed with %d (%v), want %d", got, err, code)
			}
			return
		}
	}
}

func TestSocket(t *testing.T) {
	f := newFixture(t, newStore(t), nil)
	e := f.waiting("Cleo")
	path := "/engagements/" + e.EngagementID

	c := f.dial()
	chats := c.authenticate()
	if len(chats) != 1 || chats[0].EngagementID != e.EngagementID || chats[0].NewestIndex != 1 || chats[0].State != StateWaiting {
		t.Fatalf("the snapshot is %+v", chats)
	}
	ann := newAgent("Ann")
	want[Chat](f, 200, "POST", path+":accept", ann.json())
	chat := c.until(func(f deskFrame) bool { return f.Type == "chat" }).Chat
	if chat.State != StateActive || chat.types() != "CUSTOMER Cleo, AGENT Ann" {
		t.Errorf("accepted: %+v", chat)
	}
	want[map[string]any](f, 201, "POST", path+"/messages", ann.text("Hello, Cleo.", "key"))
	m := c.until(func(f deskFrame) bool { return f.Type == "message" && f.Message["messageIndex"] == 3.0 }).Message
	if m["correlationId"] != "key" || m["senderParticipantId"] != ann.id || m["engagementId"] != e.EngagementID ||
		m["body"].(map[string]any)["elementText"].(map[string]any)["text"] != "Hello, Cleo." {
		t.Errorf("said: %v", m)
	}
	c.write(`{"type":"ping"}`)
	c.until(func(f deskFrame) bool { return f.Type == "pong" })
	c.write(`{"type":"something new"}`)
	want[Chat](f, 200, "POST", path+":end", ann.json())
	c.until(func(f deskFrame) bool { return f.Type == "chat" && f.Chat.State == StateEnded })

	// A new one does not get what has ended.
	if got := f.dial().authenticate(); len(got) != 0 {
		t.Errorf("the snapshot is %+v", got)
	}
}

func TestSocketCloses(t *testing.T) {
	f := newFixture(t, newStore(t), func(c *Config) { c.MaxSockets = 8 })
	for name, test := range map[string]struct {
		code   websocket.StatusCode
		frames []string
	}{
		"not JSON":          {wire.CloseMalformed, []string{"hello"}},
		"not authenticate":  {wire.CloseMalformed, []string{`{"type":"ping"}`}},
		"wrong credential":  {wire.CloseTokenRefused, []string{`{"type":"authenticate","credential":"` + credential[1:] + `"}`}},
		"no credential":     {wire.CloseTokenRefused, []string{`{"type":"authenticate"}`}},
		"not JSON later":    {wire.CloseMalformed, []string{`{"type":"authenticate","credential":"` + credential + `"}`, "hello"}},
		"too many frames":   {wire.CloseTooMuch, append([]string{`{"type":"authenticate","credential":"` + credential + `"}`}, slicesRepeat(`{"type":"pong"}`, 100)...)},
		"a frame too large": {websocket.StatusMessageTooBig, []string{`{"type":"` + strings.Repeat("x", wire.MaxClientFrame) + `"}`}},
		"nothing in 5 s":    {wire.CloseAuthTimeout, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := (&fixture{T: t, url: f.url}).dial()
			for _, frame := range test.frames {
				if c.conn.Write(t.Context(), websocket.MessageText, []byte(frame)) != nil {
					break // closed while there was more to say
				}
			}
			c.closed(test.code)
		})
	}
	t.Run("without the subprotocol", func(t *testing.T) {
		conn, _, err := websocket.Dial(t.Context(), f.url+BasePath+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		(&client{&fixture{T: t}, conn}).closed(wire.CloseMalformed)
	})
	t.Run("from another page", func(t *testing.T) {
		_, res, err := websocket.Dial(t.Context(), f.url+BasePath+"/events", &websocket.DialOptions{
			Subprotocols: []string{Subprotocol}, HTTPHeader: http.Header{"Origin": {"https://elsewhere.example.com"}},
		})
		if err == nil || res == nil || res.StatusCode != 403 {
			t.Errorf("got %v, %v", res, err)
		}
	})
}

func slicesRepeat(s string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = s
	}
	return list
}

func TestSocketHeartbeat(t *testing.T) {
	f := newFixture(t, newStore(t), nil)
	f.desk.heartbeat = 200 * time.Millisecond // less than New takes
	c := f.dial()
	c.authenticate()
	// Who answers stays, for longer than two intervals.
	for range 5 {
		c.until(func(f deskFrame) bool { return f.Type == "ping" })
		c.write(`{"type":"pong"}`)
	}
	// Who does not is cut, without a handshake that nobody would answer.
	c.closed(-1)
}

func TestTooManySockets(t *testing.T) {
	f := newFixture(t, newStore(t), func(c *Config) { c.MaxSockets = 1 })
	c := f.dial()
	c.authenticate()
	_, res, err := websocket.Dial(t.Context(), f.url+BasePath+"/events", &websocket.DialOptions{Subprotocols: []string{Subprotocol}})
	if err == nil || res == nil || res.StatusCode != 429 {
		t.Errorf("got %v, %v", res, err)
	}
	c.write(`{"type":"ping"}`)
	c.until(func(f deskFrame) bool { return f.Type == "pong" })
}

func TestSlowDeskIsCutAndOthersAreNot(t *testing.T) {
	f := newFixture(t, newStore(t), func(c *Config) { c.SocketQueue = 64 })
	e := f.waiting("Cleo")
	ann := newAgent("Ann")
	want[Chat](f, 200, "POST", "/engagements/"+e.EngagementID+":accept", ann.json())
	slow, quick := f.dial(), f.dial()
	slow.authenticate()
	quick.authenticate()
	// More than any socket buffer holds: 3,000 messages of 12 KiB. They go straight to
	// the view, as the store's would; the store itself would take a minute for them.
	const n = 3000
	text := strings.Repeat("€", wire.MaxText)
	for i := range int64(n) {
		f.desk.view.message(accountA, &wire.Message{EngagementID: e.EngagementID, MessageIndex: 3 + i, Body: wire.Body{ElementType: "text", Text: text}}, nil)
		quick.until(func(f deskFrame) bool { return f.Type == "message" && f.Message["messageIndex"] == float64(3+i) })
	}
	slow.closed(wire.CloseTooMuch)
}

func TestCloseSendsDesksAway(t *testing.T) {
	s := newStore(t)
	d, err := New(Config{Store: s, Credential: credential})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _ = d.Run(ctx) }()
	srv := &http.Server{Handler: d.Handler(), ReadHeaderTimeout: time.Second}
	f := &fixture{T: t, store: s, desk: d, url: serve(t, srv)}
	authenticated, silent := f.dial(), f.dial()
	authenticated.authenticate()
	var wg sync.WaitGroup
	wg.Go(func() { authenticated.closed(wire.CloseGoingAway) })
	wg.Go(func() { silent.closed(wire.CloseGoingAway) })
	closing, done := context.WithTimeout(t.Context(), limit)
	defer done()
	if err := d.Close(closing); err != nil {
		t.Error(err)
	}
	wg.Wait()
	_, res, err := websocket.Dial(t.Context(), f.url+BasePath+"/events", &websocket.DialOptions{Subprotocols: []string{Subprotocol}})
	if err == nil || res == nil || res.StatusCode != 503 {
		t.Errorf("after Close: %v, %v", res, err)
	}
}

// Desks that connect while chats begin see each of them, in the snapshot or after.
func TestSnapshotAndUpdatesLeaveNoGap(t *testing.T) {
	s := newStore(t)
	f := newFixture(t, s, func(c *Config) { c.SocketQueue = 1e4 })
	const chats, desks = 40, 20
	ids := make(chan string, chats)
	go func() {
		defer close(ids)
		for range chats {
			c := customer()
			session, _, err := s.CreateSession(t.Context(), c, uuid.NewString(), "Ann", nil, "1")
			if err != nil {
				t.Error(err)
				return
			}
			e, _, err := s.CreateEngagement(t.Context(), session, nil, "2")
			if err != nil {
				t.Error(err)
				return
			}
			ids <- e.EngagementID
		}
	}()
	var all []string
	var clients []*client
	var snapshots [][]Chat
	for id := range ids {
		all = append(all, id)
		if len(all)%(chats/desks) == 0 {
			c := f.dial()
			clients, snapshots = append(clients, c), append(snapshots, c.authenticate())
		}
	}
	for i, c := range clients {
		seen := map[string]bool{}
		routed := func(chat Chat) {
			if strings.Contains(chat.types(), "BOT") {
				seen[chat.EngagementID] = true
			}
		}
		for _, chat := range snapshots[i] {
			routed(chat)
		}
		for len(seen) < len(all) {
			if f := c.read(); f.Type == "chat" {
				routed(f.Chat)
			}
		}
	}
}

func TestRestartAndSecondDesk(t *testing.T) {
	s := newStore(t)
	ann := newAgent("Ann")
	var first, second store.Engagement
	t.Run("before", func(t *testing.T) {
		f := newFixture(t, s, nil)
		first, second = f.waiting("1"), f.waiting("2")
		want[Chat](f, 200, "POST", "/engagements/"+first.EngagementID+":accept", ann.json())
		want[map[string]any](f, 201, "POST", "/engagements/"+first.EngagementID+"/messages", ann.text("still here?", "1"))
	})
	t.Run("after", func(t *testing.T) {
		f, other := newFixture(t, s, nil), newFixture(t, s, nil)
		sock := other.dial()
		chats := sock.authenticate()
		if len(chats) != 2 || chats[0].EngagementID != second.EngagementID || chats[0].NewestIndex != 1 || chats[1].State != StateActive || chats[1].NewestIndex != 3 {
			t.Fatalf("the snapshot is %+v", chats)
		}
		want[Chat](f, 200, "POST", "/engagements/"+second.EngagementID+":accept", ann.json())
		sock.until(func(fr deskFrame) bool {
			return fr.Type == "chat" && fr.Chat.EngagementID == second.EngagementID && fr.Chat.State == StateActive
		})
		third := f.waiting("3")
		if got := f.texts(third); len(got) != 1 {
			t.Errorf("two routers said %q", got)
		}
	})
}

// Chats that begin while nobody routes are routed later.
func TestChatsBegunWhileDownAreRouted(t *testing.T) {
	s := newStore(t)
	before := &fixture{T: t, store: s}
	c := customer()
	events := before.collect(c)
	before.begin(c, "Ann", nil)
	f := newFixture(t, s, nil)
	f.until(events, says("Hello, Ann!"))
}

func TestChangesMissedAreReadAnew(t *testing.T) {
	s := newStore(t)
	f := newFixture(t, s, nil)
	stays, ends := f.waiting("stays"), f.waiting("ends")
	// A desk that has followed chats and then stops: what happens to them, it has to read.
	deaf, err := New(Config{Store: s, Credential: credential})
	if err != nil {
		t.Fatal(err)
	}
	if err := deaf.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone := store.Engagement{Customer: customer(), EngagementID: uuid.NewString(), Status: wire.EngagementActive, EventID: 1}
	deaf.view.put(*ours(gone), nil)
	ann := newAgent("Ann")
	want[Chat](f, 200, "POST", "/engagements/"+stays.EngagementID+":accept", ann.json())
	want[Chat](f, 200, "POST", "/engagements/"+ends.EngagementID+":accept", ann.json())
	want[Chat](f, 200, "POST", "/engagements/"+ends.EngagementID+":end", ann.json())
	if err := deaf.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e, newest, _ := deaf.view.get(nil, stays.EngagementID); stateOf(&e) != StateActive || newest != 2 {
		t.Errorf("got %s with %d messages", stateOf(&e), newest)
	}
	if e, _, ok := deaf.view.get(nil, ends.EngagementID); !ok || !e.Ended() {
		t.Error("the end was not found")
	}
	if _, _, ok := deaf.view.get(nil, gone.EngagementID); ok {
		t.Error("what the store has forgotten is still shown")
	}
}

func listen() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }

func serve(t *testing.T, srv *http.Server) string {
	t.Helper()
	l, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		<-done
	})
	return "http://" + l.Addr().String()
}
