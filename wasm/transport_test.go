//go:build js && wasm

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall/js"
	"testing"
	"time"

	"github.com/hack-pad/safejs"

	"openchat/sdk"
	"openchat/sdk/wire"
)

// These tests run in Chromium, against the server of tests/setup/wasmexec.
var (
	server    = "http://" + os.Getenv("TEST_SERVER")
	socketURL = "ws://" + os.Getenv("TEST_SERVER") + "/socket"
)

// The shim, which makes bound, is not there.
func init() {
	f, err := newFunction("f", "id", "return (value) => f(id, value)")
	if err != nil {
		panic(err)
	}
	bound = safejs.Unsafe(f)
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func do(t *testing.T, ctx context.Context, method, path, body string) (sdk.Response, error) {
	r := sdk.Request{Method: method, URL: server + path, Authorization: "Bearer abc", Appkey: "key"}
	if body != "" {
		r.Body = []byte(body)
	}
	return transport{}.Do(ctx, r)
}

func TestFetch(t *testing.T) {
	t.Run("method, headers and body arrive", func(t *testing.T) {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			body, kind := "", ""
			if method == "POST" {
				body, kind = `{"a":"ä€😀"}`, "application/json"
			}
			r, err := do(t, testContext(t), method, "/echo", body)
			want := method + "\nBearer abc\nkey\n" + kind + "\n" + body
			if err != nil || r.Status != 200 || string(r.Body) != want {
				t.Errorf("%s: status %d, error %v, body %q, want %q", method, r.Status, err, r.Body, want)
			}
		}
	})
	t.Run("any status is an answer, Retry-After is read", func(t *testing.T) {
		for _, c := range []struct {
			path   string
			status int
			after  time.Duration
		}{
			{"/status/204", 204, 0},
			{"/status/404?after=soon", 404, 0},
			{"/status/503?after=7", 503, 7 * time.Second},
			{"/status/429?after=-1", 429, 0},
		} {
			r, err := do(t, testContext(t), "GET", c.path, "")
			if err != nil || r.Status != c.status || r.RetryAfter != c.after || len(r.Body) != 0 {
				t.Errorf("%s: %+v, error %v", c.path, r, err)
			}
		}
	})
	t.Run("the largest answer is read, a larger one is an error", func(t *testing.T) {
		r, err := do(t, testContext(t), "GET", "/bytes/"+strconv.Itoa(wire.MaxAnswer), "")
		if err != nil || len(r.Body) != wire.MaxAnswer {
			t.Errorf("%d bytes, error %v", len(r.Body), err)
		}
		_, err = do(t, testContext(t), "GET", "/bytes/"+strconv.Itoa(wire.MaxAnswer+1), "")
		if !errors.Is(err, tooLarge{}) {
			t.Errorf("error %v, want %v", err, tooLarge{})
		}
	})
	t.Run("no complete answer is an error", func(t *testing.T) {
		for _, path := range []string{"/broken", "/redirect"} {
			if r, err := do(t, testContext(t), "GET", path, ""); err == nil {
				t.Errorf("%s: %+v without an error", path, r)
			} else if e := new(jsError); !errors.As(err, &e) || e.message == "" {
				t.Errorf("%s: %T %v, want the browser's words", path, err, err)
			}
		}
	})
	t.Run("no server is an error", func(t *testing.T) {
		_, err := transport{}.Do(testContext(t), sdk.Request{Method: "GET", URL: "http://127.0.0.1:1/"})
		if err == nil {
			t.Error("no error")
		}
		// What fetch itself throws for, without a promise.
		if _, err = (transport{}).Do(testContext(t), sdk.Request{Method: "TRACE", URL: server}); err == nil {
			t.Error("no error for a forbidden method")
		}
	})
	t.Run("ctx's end ends the request, before and in the answer", func(t *testing.T) {
		for i, query := range []string{"", "?begun=1"} {
			name := "/" + strconv.Itoa(i) + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
			ctx, cancel := context.WithTimeout(testContext(t), 300*time.Millisecond)
			_, err := do(t, ctx, "GET", "/hang"+name+query, "")
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v", err)
			}
			// The server answers this once it has seen the asker go.
			if _, err := do(t, testContext(t), "GET", "/gone"+name, ""); err != nil {
				t.Errorf("the server got no such close frame: %v", err)
			}
		}
		if n := len(promises.waiting); n != 0 {
			t.Errorf("%d promises are still waited for", n)
		}
	})
}

// What polyfills of fetch answer with has no stream.
func TestFetchWithoutStream(t *testing.T) {
	for _, c := range []struct{ name, answer string }{
		{"an array buffer", `arrayBuffer: () => Promise.resolve(new TextEncoder().encode(text).buffer)`},
		{"a text", `text: () => Promise.resolve(text)`},
		{"a text, and a body that is no stream", `body: {}, text: () => Promise.resolve(text)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := func(text string) (sdk.Response, error) {
				answering := function(t, "text", `return () => Promise.resolve(
					{status: 429, headers: {get: (name) => name === "Retry-After" ? "7" : undefined}, `+c.answer+`})`)
				replaceGlobal(t, "fetch", must[safejs.Value](t)(answering.Invoke(text)))
				return do(t, testContext(t), "POST", "/", "x")
			}
			for _, text := range []string{"", "ä€😀", strings.Repeat("x", wire.MaxAnswer)} {
				r, err := answer(text)
				if err != nil || r.Status != 429 || r.RetryAfter != 7*time.Second || string(r.Body) != text {
					t.Errorf("%d bytes: status %d, %d bytes, error %v", len(text), r.Status, len(r.Body), err)
				}
			}
			for _, text := range []string{strings.Repeat("x", wire.MaxAnswer+1), strings.Repeat("€", wire.MaxAnswer/2)} {
				if _, err := answer(text); !errors.Is(err, tooLarge{}) {
					t.Errorf("%d bytes: error %v, want %v", len(text), err, tooLarge{})
				}
			}
		})
	}
	t.Run("without AbortController a request ends with its context", func(t *testing.T) {
		replaceGlobal(t, "AbortController", safejs.Undefined())
		if r, err := do(t, testContext(t), "POST", "/echo", "x"); err != nil || r.Status != 200 {
			t.Errorf("status %d, error %v", r.Status, err)
		}
		ctx, cancel := context.WithTimeout(testContext(t), 100*time.Millisecond)
		defer cancel()
		if _, err := do(t, ctx, "POST", "/hang/without-abort", "x"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}

// dial opens a connection, which ends with the test's time: nobody reads for longer.
func dial(t *testing.T) *socket {
	t.Helper()
	ctx := testContext(t)
	c, err := transport{}.Dial(ctx, socketURL, wire.Subprotocol)
	if err != nil {
		t.Fatal(err)
	}
	context.AfterFunc(ctx, func() { c.Close(1000, "the test is over") })
	return c.(*socket)
}

func wantClosed(t *testing.T, s *socket, code int, reason string) {
	t.Helper()
	for {
		_, err := s.Read()
		if err == nil {
			continue
		}
		e := new(sdk.CloseError)
		if !errors.As(err, &e) || e.Code != code || e.Reason != reason {
			t.Errorf("read error %v, want close code %d %q", err, code, reason)
		}
		if _, again := s.Read(); again != err {
			t.Errorf("a second read gives %v", again)
		}
		if err := s.Write([]byte("x")); err == nil {
			t.Error("a write after the end is taken")
		}
		sockets.Lock()
		defer sockets.Unlock()
		if sockets.live[s.id] != nil {
			t.Error("the socket is still registered")
		}
		if !s.ws.Get("onmessage").IsNull() {
			t.Error("callbacks are left")
		}
		return
	}
}

func TestSocket(t *testing.T) {
	t.Run("frames go and come in order", func(t *testing.T) {
		s := dial(t)
		for i := range 100 {
			if err := s.Write([]byte("ä€😀 " + strconv.Itoa(i))); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 100 {
			frame, err := s.Read()
			if want := "ä€😀 " + strconv.Itoa(i); err != nil || string(frame) != want {
				t.Fatalf("frame %q, error %v, want %q", frame, err, want)
			}
		}
		if n := s.queued.Load(); n != 0 {
			t.Errorf("%d bytes are counted as queued", n)
		}
	})
	t.Run("EV-12 frames that come in one message", func(t *testing.T) {
		s := dial(t)
		all := []string{"one", "", "three"}
		s.Write([]byte(strings.Join(all, wire.FrameSeparator)))
		for _, want := range all {
			if frame, err := s.Read(); err != nil || string(frame) != want {
				t.Fatalf("frame %q, error %v, want %q", frame, err, want)
			}
		}
	})
	t.Run("the server's close code and reason are reported", func(t *testing.T) {
		s := dial(t)
		s.Write([]byte("close 4401 the token has expired"))
		wantClosed(t, s, wire.CloseTokenExpired, "the token has expired")
	})
	t.Run("no close frame is 1006", func(t *testing.T) {
		s := dial(t)
		s.Write([]byte("drop"))
		wantClosed(t, s, 1006, "")
	})
	t.Run("what came before the end is read before it", func(t *testing.T) {
		s := dial(t)
		s.Write([]byte("send 3 10"))
		s.Write([]byte("close 4404 gone"))
		<-s.ended
		for i := range 3 {
			if _, err := s.Read(); err != nil {
				t.Fatalf("frame %d: %v", i, err)
			}
		}
		wantClosed(t, s, wire.CloseSessionGone, "gone")
	})
	t.Run("Close ends a waiting Read, and may come twice", func(t *testing.T) {
		s := dial(t)
		read := make(chan error)
		go func() {
			_, err := s.Read()
			read <- err
		}()
		s.Close(4000, strings.Repeat("€", 100)) // longer than the protocol allows
		s.Close(1000, "")
		e := new(sdk.CloseError)
		if err := <-read; !errors.As(err, &e) || e.Code != 4000 {
			t.Errorf("read error %v", err)
		}
		if state := s.ws.Get("readyState").Int(); state < 2 {
			t.Errorf("the browser's socket is in state %d", state)
		}
	})
	t.Run("the largest frame is read, a larger one closes with 4400", func(t *testing.T) {
		s := dial(t)
		s.Write([]byte("send 1 " + strconv.Itoa(wire.MaxServerFrame)))
		if frame, err := s.Read(); err != nil || len(frame) != wire.MaxServerFrame {
			t.Fatalf("%d bytes, error %v", len(frame), err)
		}
		s.Write([]byte("send 1 " + strconv.Itoa(wire.MaxServerFrame+1)))
		wantClosed(t, s, wire.CloseMalformed, "a frame is no text or too large")
	})
	t.Run("a binary frame closes with 4400", func(t *testing.T) {
		s := dial(t)
		s.Write([]byte("binary"))
		wantClosed(t, s, wire.CloseMalformed, "a frame is no text or too large")
	})
	t.Run("frames that nobody reads close with 4429, by count and by bytes", func(t *testing.T) {
		for _, c := range []struct{ frames, size int }{
			{maxQueuedFrames + 1, 1},
			{maxQueuedBytes/wire.MaxServerFrame + 1, wire.MaxServerFrame},
		} {
			s := dial(t)
			s.Write([]byte("send " + strconv.Itoa(c.frames) + " " + strconv.Itoa(c.size)))
			<-s.ended
			wantClosed(t, s, wire.CloseTooMuch, "the page does not keep up")
		}
	})
	t.Run("a panic in a callback costs the connection only", func(t *testing.T) {
		s := dial(t)
		s.guarded(func() { panic("no") })
		wantClosed(t, s, 4000, "unexpected error")
	})
	t.Run("a refused connection is an error with 1006", func(t *testing.T) {
		_, err := transport{}.Dial(testContext(t), "ws://127.0.0.1:1/", wire.Subprotocol)
		e := new(sdk.CloseError)
		if !errors.As(err, &e) || e.Code != 1006 {
			t.Errorf("error %v", err)
		}
	})
	t.Run("what the browser throws for is an error", func(t *testing.T) {
		if _, err := (transport{}).Dial(testContext(t), "ftp://x", "not a protocol"); err == nil {
			t.Error("no error")
		}
	})
	t.Run("ctx's end closes the half-open connection", func(t *testing.T) {
		before := len(sockets.live)
		name := "half-" + strconv.FormatInt(time.Now().UnixNano(), 36)
		ctx, cancel := context.WithTimeout(testContext(t), 300*time.Millisecond)
		defer cancel()
		_, err := transport{}.Dial(ctx, "ws://"+os.Getenv("TEST_SERVER")+"/hang/"+name, wire.Subprotocol)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if len(sockets.live) != before {
			t.Error("the socket is still registered")
		}
		if _, err := do(t, testContext(t), "GET", "/gone/"+name, ""); err != nil {
			t.Errorf("the server got no such close frame: %v", err)
		}
	})
}

func TestStorage(t *testing.T) {
	t.Run("SES-1 keeps, gives and forgets", func(t *testing.T) {
		var s storage
		if v, err := s.Load("k"); v != "" || err != nil {
			t.Errorf("absent: %q, %v", v, err)
		}
		if err := s.Save("k", "ä"); err != nil {
			t.Error(err)
		}
		if v, err := s.Load("k"); v != "ä" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
		if err := s.Remove("k"); err != nil {
			t.Error(err)
		}
		if v, _ := s.Load("k"); v != "" {
			t.Errorf("removed, and still %q", v)
		}
	})
	for name, body := range map[string]string{
		"SES-3 forbidden storage is an error": `throw new DOMException("Access is denied", "SecurityError")`,
		"SES-3 full storage is an error": `const full = () => { throw new DOMException("full", "QuotaExceededError") };
			return { getItem: full, setItem: full, removeItem: full }`,
		"SES-3 no storage is an error": `return null`,
	} {
		t.Run(name, func(t *testing.T) {
			replaceStorage(t, body)
			var s storage
			_, load := s.Load("k")
			for i, err := range []error{load, s.Save("k", "v"), s.Remove("k")} {
				if err == nil {
					t.Errorf("%d: no error", i)
				}
			}
		})
	}
}

// The process-long callbacks are all there ever are, whatever comes and goes.
func TestCallbacksStayFlat(t *testing.T) {
	refs := func() int {
		// wasm_exec numbers js.Funcs in the order of their making.
		f := js.FuncOf(func(js.Value, []js.Value) any { return nil })
		defer f.Release()
		return funcID(f)
	}
	first := refs()
	for range 20 {
		if _, err := do(t, testContext(t), "POST", "/echo", "x"); err != nil {
			t.Fatal(err)
		}
		s := dial(t)
		s.Write([]byte("x"))
		if frame, err := s.Read(); err != nil || !bytes.Equal(frame, []byte("x")) {
			t.Fatal(err)
		}
		s.Close(1000, "")
	}
	if made := refs() - first - 1; made != 0 {
		t.Errorf("%d js.Funcs were made", made)
	}
	if len(sockets.live) != 0 || len(promises.waiting) != 0 {
		t.Errorf("%d sockets and %d promises are left", len(sockets.live), len(promises.waiting))
	}
}
