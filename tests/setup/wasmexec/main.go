// Command wasmexec runs the tests of wasm/ in Chromium: it is what `go test -exec` calls.
//
// It hands them to wasmbrowsertest, which lies beside it, and serves what they talk to:
// a browser's fetch and WebSocket are tested against a real server, on another origin
// than the page. The tests find it by the variable TEST_SERVER.
//
// wasmbrowsertest copies the whole environment into the wasm, where more than 8 KB do
// not fit, so it gets only what it needs.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/coder/websocket"

	"openchat/sdk"
	"openchat/sdk/sdktest"
	"openchat/sdk/wire"
)

func main() {
	code, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "wasmexec:", err)
		code = 1
	}
	os.Exit(code)
}

func run() (code int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	server := &http.Server{Handler: newHandler()}
	go server.Serve(listener)
	defer server.Close()

	c := exec.CommandContext(ctx, filepath.Join(filepath.Dir(self), "wasmbrowsertest"), os.Args[1:]...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	c.Env = []string{"TEST_SERVER=" + listener.Addr().String()}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "GOROOT", "WASM_HEADLESS"} {
		if v, ok := os.LookupEnv(name); ok {
			c.Env = append(c.Env, name+"="+v)
		}
	}
	err = c.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(1, exit.ExitCode()), nil
	}
	return 0, err
}

func newHandler() http.Handler {
	mux := http.NewServeMux()
	// What came, as the answer's body: a line each for method, headers, body.
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s\n%s\n%s\n%s\n%s", r.Method, r.Header.Get("Authorization"), r.Header.Get("appkey"), r.Header.Get("Content-Type"), body)
	})
	mux.HandleFunc("/status/{status}", func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.PathValue("status"))
		w.Header().Set("Retry-After", r.FormValue("after"))
		w.WriteHeader(status)
	})
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/echo", http.StatusTemporaryRedirect)
	})
	// An answer of so many bytes, of no stated length.
	mux.HandleFunc("/bytes/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.PathValue("n"))
		for chunk := []byte(strings.Repeat("x", 64<<10)); n > 0; n -= len(chunk) {
			if _, err := w.Write(chunk[:min(n, len(chunk))]); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
	})
	// An answer that breaks off.
	mux.HandleFunc("/broken", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.Write([]byte("only this"))
		panic(http.ErrAbortHandler)
	})
	// One that never comes, and one that tells when its asker has gone.
	var hanging sync.Map
	gone := func(name string) chan struct{} {
		c, _ := hanging.LoadOrStore(name, make(chan struct{}))
		return c.(chan struct{})
	}
	mux.HandleFunc("/hang/{name}", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("begun") != "" {
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
		close(gone(r.PathValue("name")))
	})
	mux.HandleFunc("/gone/{name}", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-gone(r.PathValue("name")):
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/socket", serveSocket)
	servePlatform(mux)
	return cors(mux)
}

// cors lets any page in: this is a test server.
func cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
		h.Set("Access-Control-Allow-Headers", "authorization, appkey, content-type")
		h.Set("Access-Control-Expose-Headers", "Retry-After")
		if r.Method == http.MethodOptions {
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serveSocket does what each frame says: "close 4401 why", "drop" (without a close
// frame), "send 10 100" (frames of bytes), "binary", or else sends it back.
func serveSocket(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:   []string{"axp.chat.v1"},
		OriginPatterns: []string{"*"},
	})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	conn.SetReadLimit(8 << 20)
	for {
		_, frame, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		words := strings.SplitN(string(frame), " ", 3)
		number := func(i int) int { n, _ := strconv.Atoi(words[i]); return n }
		switch words[0] {
		case "close":
			conn.Close(websocket.StatusCode(number(1)), words[2])
			return
		case "drop":
			return
		case "send":
			for range number(1) {
				if conn.Write(r.Context(), websocket.MessageText, []byte(strings.Repeat("x", number(2)))) != nil {
					return
				}
			}
		case "binary":
			conn.Write(r.Context(), websocket.MessageBinary, []byte{1, 2, 3})
		default:
			conn.Write(r.Context(), websocket.MessageText, frame)
		}
	}
}

// servePlatform puts sdktest's platform behind real calls and connections: what a
// browser's fetch and WebSocket need of a gateway. GET /params answers init's.
func servePlatform(mux *http.ServeMux) {
	p := sdktest.New(sdktest.Options{AutoBot: true, Latency: -1, StreamLatency: -1})
	mux.HandleFunc("/params", func(w http.ResponseWriter, r *http.Request) {
		params := p.Params(sdktest.Claims{Subject: r.FormValue("customer")})
		json.NewEncoder(w).Encode(map[string]string{
			"hostURL": "http://" + r.Host, "integrationId": params.IntegrationID, "token": params.Token, "appkey": params.Appkey,
		})
	})
	platform := p.Transport()
	mux.HandleFunc(wire.BasePath+"/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			relay(w, r, platform)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the browser has gone
		}
		answer, err := platform.Do(r.Context(), sdk.Request{
			Method: r.Method, URL: "http://" + r.Host + r.URL.String(),
			Authorization: r.Header.Get("Authorization"), Appkey: r.Header.Get(wire.HeaderAppkey), Body: body,
		})
		if err != nil {
			panic(http.ErrAbortHandler) // as a network that breaks
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(answer.Status)
		w.Write(answer.Body)
	})
}

// relay passes frames between a browser and the platform until either ends.
func relay(w http.ResponseWriter, r *http.Request, platform sdk.Transport) {
	conn, err := platform.Dial(r.Context(), "ws://"+r.Host+r.URL.String(), wire.Subprotocol)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	browser, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.Subprotocol}, OriginPatterns: []string{"*"}})
	if err != nil {
		conn.Close(1000, "")
		return
	}
	defer browser.CloseNow()
	go func() {
		defer conn.Close(1000, "")
		for {
			_, frame, err := browser.Read(r.Context())
			if err != nil || conn.Write(frame) != nil {
				return
			}
		}
	}()
	for {
		frame, err := conn.Read()
		if end := new(sdk.CloseError); errors.As(err, &end) {
			browser.Close(websocket.StatusCode(end.Code), end.Reason)
		}
		if err != nil || browser.Write(r.Context(), websocket.MessageText, frame) != nil {
			conn.Close(1000, "")
			return
		}
	}
}
