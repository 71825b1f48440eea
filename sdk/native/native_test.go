package native_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"openchat/sdk"
	"openchat/sdk/native"
	"openchat/sdk/wire"
)

// serve starts a real server on a real socket.
func serve(t *testing.T, handler http.HandlerFunc) (*native.Transport, string) {
	t.Helper()
	s := httptest.NewServer(handler)
	tr := native.New(native.Options{Header: http.Header{"Origin": {"https://shop.example"}}})
	t.Cleanup(func() {
		tr.Close()
		s.CloseClientConnections()
		s.Close()
	})
	return tr, s.URL
}

// wantNoGoroutines waits until the connection's goroutines have ended.
func wantNoGoroutines(t *testing.T, c sdk.Conn) {
	t.Helper()
	select {
	case <-native.Ended(c):
	case <-time.After(15 * time.Second):
		t.Error("the connection's goroutines live on 15 s after its end")
	}
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestDo(t *testing.T) {
	tr, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/echo":
			w.WriteHeader(201)
			io.WriteString(w, strings.Join([]string{
				r.Method, r.Header.Get("Authorization"), r.Header.Get("appkey"), r.Header.Get("Content-Type"),
				r.Header.Get("Origin"), string(body),
			}, "|"))
		case "/busy":
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(429)
		case "/away":
			http.Redirect(w, r, "/echo", http.StatusTemporaryRedirect)
		case "/large":
			w.Write(make([]byte, wire.MaxAnswer))
		case "/larger":
			w.Write(make([]byte, wire.MaxAnswer+1))
		case "/broken":
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "short")
		case "/slow":
			<-r.Context().Done()
		}
	})
	do := func(method, path string, body []byte) (sdk.Response, error) {
		return tr.Do(testContext(t), sdk.Request{Method: method, URL: url + path, Authorization: "Bearer x", Appkey: "k", Body: body})
	}
	for _, tt := range []struct {
		method, path string
		body         []byte
		status       int
		retry        time.Duration
		answer       string
	}{
		{"POST", "/echo", []byte("{}"), 201, 0, "POST|Bearer x|k|application/json|https://shop.example|{}"},
		{"DELETE", "/echo", nil, 201, 0, "DELETE|Bearer x|k||https://shop.example|"},
		{"GET", "/busy", nil, 429, 7 * time.Second, ""},
		{"POST", "/away", []byte("{}"), 307, 0, ""},
	} {
		r, err := do(tt.method, tt.path, tt.body)
		if err != nil || r.Status != tt.status || r.RetryAfter != tt.retry || string(r.Body) != tt.answer {
			t.Errorf("%s %s: %d %v %q, %v", tt.method, tt.path, r.Status, r.RetryAfter, r.Body, err)
		}
	}
	if r, err := do("GET", "/large", nil); err != nil || len(r.Body) != wire.MaxAnswer {
		t.Errorf("largest answer: %d bytes, %v", len(r.Body), err)
	}
	if _, err := do("GET", "/larger", nil); !errors.Is(err, native.ErrTooLarge) {
		t.Errorf("answer over the limit: %v", err)
	}
	if _, err := do("GET", "/broken", nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("answer cut off: %v", err)
	}
	ctx, cancel := context.WithTimeout(testContext(t), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := tr.Do(ctx, sdk.Request{Method: "GET", URL: url + "/slow"}); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 5*time.Second {
		t.Errorf("slow answer: %v after %v", err, time.Since(start))
	}
}

const subprotocol = wire.Subprotocol

// accept runs the server's end of one stream.
func accept(fn func(ctx context.Context, c *websocket.Conn)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			Subprotocols: []string{subprotocol}, OriginPatterns: []string{"shop.example"},
		})
		if err != nil {
			return
		}
		defer c.CloseNow()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		fn(ctx, c)
	}
}

func dial(t *testing.T, fn func(ctx context.Context, c *websocket.Conn)) sdk.Conn {
	t.Helper()
	tr, url := serve(t, accept(fn))
	c, err := tr.Dial(testContext(t), url, subprotocol)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close(1000, "")
		wantNoGoroutines(t, c)
	})
	return c
}

func wantEnd(t *testing.T, c sdk.Conn, code int, reason string) {
	t.Helper()
	for range 2 { // it stays ended
		b, err := c.Read()
		var end *sdk.CloseError
		if !errors.As(err, &end) || end.Code != code || end.Reason != reason {
			t.Fatalf("Read: %q, %v, want the end with %d %q", b, err, code, reason)
		}
	}
	if err := c.Write([]byte("x")); err == nil {
		t.Error("Write after the end: no error")
	}
	c.Close(1000, "") // harmless
	wantNoGoroutines(t, c)
}

func TestFrames(t *testing.T) {
	const n = 200
	c := dial(t, func(ctx context.Context, c *websocket.Conn) {
		c.SetReadLimit(wire.MaxClientFrame)
		for range n {
			_, b, err := c.Read(ctx)
			if err != nil {
				return
			}
			if c.Write(ctx, websocket.MessageText, b) != nil {
				return
			}
		}
		c.Write(ctx, websocket.MessageText, []byte("one"+wire.FrameSeparator+wire.FrameSeparator+"three"))
		// The frames before a close frame arrive before it.
		c.Write(ctx, websocket.MessageText, bytes.Repeat([]byte("x"), wire.MaxServerFrame-1))
		c.Close(4409, "open elsewhere")
	})
	for i := range n {
		b := bytes.Repeat([]byte{byte('a' + i%26)}, i)
		if err := c.Write(b); err != nil {
			t.Fatal(err)
		}
		clear(b) // Write has copied it
		got, err := c.Read()
		if err != nil || !bytes.Equal(got, bytes.Repeat([]byte{byte('a' + i%26)}, i)) {
			t.Fatalf("frame %d: %q, %v", i, got, err)
		}
	}
	for _, want := range []string{"one", "", "three"} {
		if b, err := c.Read(); err != nil || string(b) != want {
			t.Fatalf("%q, %v: want %q of three frames in one message", b, err, want)
		}
	}
	if b, err := c.Read(); err != nil || len(b) != wire.MaxServerFrame-1 {
		t.Fatalf("large frame: %d bytes, %v", len(b), err)
	}
	wantEnd(t, c, 4409, "open elsewhere")
}

func TestEnds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server func(ctx context.Context, c *websocket.Conn)
		code   int
		reason string
	}{
		{"no close frame", func(ctx context.Context, c *websocket.Conn) { c.CloseNow() }, 1006, ""},
		{"no code", func(ctx context.Context, c *websocket.Conn) { c.Close(1005, "") }, 1005, ""},
		{"service restart", func(ctx context.Context, c *websocket.Conn) { c.Close(1012, "back soon") }, 1012, "back soon"},
		{"too large", func(ctx context.Context, c *websocket.Conn) {
			c.Write(ctx, websocket.MessageText, make([]byte, wire.MaxServerFrame+1))
			c.Read(ctx)
		}, 1006, "a frame is too large"},
		{"binary", func(ctx context.Context, c *websocket.Conn) {
			c.Write(ctx, websocket.MessageBinary, []byte("x"))
			c.Read(ctx)
		}, 1006, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantEnd(t, dial(t, tt.server), tt.code, tt.reason)
		})
	}
}

func TestClose(t *testing.T) {
	got := make(chan error, 1)
	frames := make(chan string, 10)
	c := dial(t, func(ctx context.Context, c *websocket.Conn) {
		for {
			_, b, err := c.Read(ctx)
			if err != nil {
				got <- err
				return
			}
			frames <- string(b)
		}
	})
	read := make(chan error, 1)
	go func() { _, err := c.Read(); read <- err }()
	for _, f := range []string{"1", "2", "3"} {
		if err := c.Write([]byte(f)); err != nil {
			t.Fatal(err)
		}
	}
	long := strings.Repeat("é", 100) // more than a close frame holds
	c.Close(4000, long)
	c.Close(4001, "second") // is too late
	var end *sdk.CloseError
	if err := <-read; !errors.As(err, &end) || end.Code != 4000 {
		t.Errorf("a Read during Close: %v", err)
	}
	var closed websocket.CloseError
	if err := <-got; !errors.As(err, &closed) || closed.Code != 4000 || closed.Reason != strings.Repeat("é", 61) {
		t.Errorf("the server received %v", err)
	}
	for _, f := range []string{"1", "2", "3"} {
		if got := <-frames; got != f {
			t.Errorf("the server got %q, want %q: what was written before Close is sent", got, f)
		}
	}
}

// A peer that does not read blocks neither Write nor Close, and leaves no goroutine.
func TestDeafPeer(t *testing.T) {
	release := make(chan struct{})
	c := dial(t, func(ctx context.Context, c *websocket.Conn) { <-release })
	defer close(release)
	start := time.Now()
	var err error
	frame := make([]byte, 1<<20)
	for range 1000 {
		if err = c.Write(frame); err != nil {
			break
		}
	}
	if !errors.Is(err, native.ErrQueueFull) {
		t.Errorf("1000 frames to a deaf peer: %v, want ErrQueueFull", err)
	}
	c.Close(4000, "")
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("Write and Close took %v", d)
	}
	wantNoGoroutines(t, c)
}

// A reader that is not interested blocks nothing either.
func TestUnreadStream(t *testing.T) {
	c := dial(t, func(ctx context.Context, c *websocket.Conn) {
		for c.Write(ctx, websocket.MessageText, make([]byte, 60_000)) == nil {
		}
	})
	if err := c.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	c.Close(1000, "")
	wantEnd(t, c, 1000, "")
	wantNoGoroutines(t, c)
}

func TestDial(t *testing.T) {
	held := make(chan struct{})
	tr, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/plain":
			w.WriteHeader(404)
		case "/hang":
			<-held
		default:
			accept(func(ctx context.Context, c *websocket.Conn) { c.Read(ctx) })(w, r)
		}
	})
	defer close(held)
	if _, err := tr.Dial(testContext(t), url+"/plain", subprotocol); err == nil {
		t.Error("dialled what is no WebSocket")
	}
	if _, err := tr.Dial(testContext(t), url, "another"); err == nil {
		t.Error("dialled a server without the subprotocol")
	}
	ctx, cancel := context.WithTimeout(testContext(t), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := tr.Dial(ctx, url+"/hang", subprotocol); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 5*time.Second {
		t.Errorf("hanging handshake: %v after %v", err, time.Since(start))
	}
	// The end of the handshake's context is not the end of the connection.
	ctx, cancel = context.WithCancel(testContext(t))
	c, err := tr.Dial(ctx, "ws"+strings.TrimPrefix(url, "http"), subprotocol)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := c.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	c.Close(1000, "")
	wantNoGoroutines(t, c)
}
