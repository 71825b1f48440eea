package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"openchat/sdk/wire"
	"openchat/tests/harness"
	"openchat/web/desk"
)

// hurry is how much shorter the times are here than in production.
const hurry = 20

// TestSlowClients is about connections that cost nothing to hold: the whole process in
// this one, its server's times a twentieth of what newServer gives.
func TestSlowClients(t *testing.T) {
	dist := t.TempDir()
	build(t, dist, "")
	// More than the sockets of both ends hold.
	for _, suffix := range []string{"", ".br", ".gz"} {
		if err := os.WriteFile(filepath.Join(dist, "avaya-ccaas-chat-sdk.wasm"+suffix), make([]byte, 32<<20), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := parse([]string{"--demo", "--addr", "127.0.0.1:0", "--data", t.TempDir(), "--dist", dist}, env())
	if err != nil {
		t.Fatal(err)
	}
	tenants, err := s.check()
	if err != nil {
		t.Fatal(err)
	}
	log := &harness.Output{}
	p := &process{settings: s, log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	ctx, stop := context.WithCancel(t.Context())
	if err := p.start(ctx, tenants); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []*time.Duration{&p.server.ReadHeaderTimeout, &p.server.ReadTimeout, &p.server.WriteTimeout, &p.server.IdleTimeout} {
		if *limit < time.Second || *limit > 2*time.Minute {
			t.Errorf("a time of %v", *limit)
		}
		*limit /= hurry
	}
	// let is closed when the server has let the connection go.
	var mu sync.Mutex
	gone := map[string]chan struct{}{}
	let := func(conn net.Conn) chan struct{} {
		mu.Lock()
		defer mu.Unlock()
		at := conn.LocalAddr().String()
		if gone[at] == nil {
			gone[at] = make(chan struct{})
		}
		return gone[at]
	}
	p.server.ConnState = func(conn net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			close(let(remote{conn}))
		}
	}
	served := make(chan error, 1)
	go func() { served <- p.serve(ctx, nil) }()
	defer func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		if strings.Contains(log.String(), "secret words") {
			t.Error("the log tells what it must not")
		}
	}()

	dial := func(t *testing.T) *net.TCPConn {
		t.Helper()
		conn, err := net.Dial("tcp", p.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
			t.Fatal(err)
		}
		return conn.(*net.TCPConn)
	}
	write := func(conn net.Conn, format string, args ...any) {
		_, _ = fmt.Fprintf(conn, format, args...) // the other end may have gone
	}
	// drip goes on until the other end has gone.
	drip := func(conn net.Conn, piece string) {
		for {
			if _, err := io.WriteString(conn, piece); err != nil {
				return
			}
			<-time.After(20 * time.Millisecond)
		}
	}
	between := func(t *testing.T, begun time.Time, want time.Duration) {
		t.Helper()
		if d := time.Since(begun); d < want-want/4 || d > want+5*time.Second {
			t.Errorf("it took %v, not %v", d, want)
		}
	}
	var wg sync.WaitGroup
	for name, test := range map[string]func(*testing.T){
		"a request, byte by byte": func(t *testing.T) {
			conn := dial(t)
			begun := time.Now()
			write(conn, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: secret words")
			drip(conn, "x")
			between(t, begun, p.server.ReadHeaderTimeout)
		},
		"nothing": func(t *testing.T) {
			conn := dial(t)
			begun := time.Now()
			if n, err := conn.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("%d, %v", n, err)
			}
			between(t, begun, p.server.ReadHeaderTimeout)
		},
		"a request, and then nothing": func(t *testing.T) {
			conn := dial(t)
			write(conn, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
			r := bufio.NewReader(conn)
			res, err := http.ReadResponse(r, nil)
			if err != nil || res.StatusCode != 200 {
				t.Fatalf("%v %v", res, err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			begun := time.Now()
			if _, err := r.ReadByte(); err != io.EOF {
				t.Error(err)
			}
			between(t, begun, p.server.IdleTimeout)
		},
		"a stranger's body, byte by byte": func(t *testing.T) {
			for path, status := range map[string]int{wire.BasePath + "/sessions": 401, desk.BasePath + "/engagements/x:accept": 401, "/healthz": 404, "/nowhere": 405} {
				conn := dial(t)
				begun := time.Now()
				write(conn, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 60000\r\n\r\n", path)
				go drip(conn, " ")
				res, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil || res.StatusCode != status {
					t.Errorf("%s: %v %v", path, res, err)
				}
				if d := time.Since(begun); d > p.server.ReadTimeout+5*time.Second {
					t.Errorf("%s: answered after %v", path, d)
				}
			}
		},
		"an answer that is not read": func(t *testing.T) {
			conn := dial(t)
			if err := conn.SetReadBuffer(4 << 10); err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			write(conn, "GET /avaya-ccaas-chat-sdk.wasm HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
			select {
			case <-let(conn):
			case <-time.After(limit):
				t.Fatal("the server goes on")
			}
			between(t, begun, p.server.WriteTimeout)
		},
		"a stream, which outlives all of them": func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			conn, _, err := websocket.Dial(ctx, "ws://"+p.listener.Addr().String()+desk.BasePath+"/events", &websocket.DialOptions{Subprotocols: []string{desk.Subprotocol}})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			say := func(text, want string) {
				t.Helper()
				if err := conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
					t.Fatal(err)
				}
				if _, got, err := conn.Read(ctx); err != nil || !strings.Contains(string(got), want) {
					t.Fatalf("%s, %v", got, err)
				}
			}
			say(`{"type":"authenticate","credential":"`+s.deskAccess.Credentials[0].Secret+`"}`, "snapshot")
			<-time.After(p.server.WriteTimeout + time.Second)
			say(`{"type":"ping"}`, "pong")
		},
		"too many headers": func(t *testing.T) {
			conn := dial(t)
			go write(conn, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n%s", strings.Repeat("X: 0123456789\r\n", 10_000))
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil || res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("%v %v", res, err)
			}
		},
	} {
		wg.Go(func() { t.Run(name, test) })
	}
	wg.Wait()
}

// remote is a connection seen from the other end.
type remote struct{ net.Conn }

func (r remote) LocalAddr() net.Addr { return r.RemoteAddr() }
