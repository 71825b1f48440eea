//go:build js && wasm

package main

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall/js"
	"time"
	"unicode/utf8"

	"openchat/sdk"
	"openchat/sdk/wire"
)

// transport is the browser's fetch and WebSocket. Both are looked up at each use, so
// that a page's instrumentation of them works, and fetch is Invoked, not Called: the
// shim's global is not the window that fetch insists on.
type transport struct{}

// tooLarge is an answer beyond wire.MaxAnswer.
type tooLarge struct{}

func (tooLarge) Error() string {
	return "answer is larger than " + strconv.Itoa(wire.MaxAnswer) + " bytes"
}

// pastCache says that GETs go past the browser's cache, because the last answer to one was
// such as a cache may keep.
var pastCache bool

// Do performs one request. The signal it passes on ends the download too.
//
// fetch's "no-store" is not for every request: it also makes Chromium send a
// preflight (OPTIONS) before each call of another origin. Without it, only a GET may be answered
// from the cache, and never by an answer that says no-store, as the gateway's do. Another
// one may be old, by a proxy's doing: it is asked for again past the cache, at once unless
// it is an error that the core tries again anyway.
func (transport) Do(ctx context.Context, r sdk.Request) (answer sdk.Response, err error) {
	past := r.Method == "GET" && pastCache
	answer, keepable, err := fetch(ctx, r, past)
	if r.Method != "GET" || err != nil {
		return answer, err
	}
	pastCache = keepable
	if keepable && !past && answer.Status < 500 {
		answer, _, err = fetch(ctx, r, true)
	}
	return answer, err
}

// fetch performs one request, past the browser's cache or not. keepable says that a cache
// may keep the answer. Of the answer it uses what polyfills of fetch have too: status,
// headers.get, and one of body, arrayBuffer and text.
func fetch(ctx context.Context, r sdk.Request, past bool) (answer sdk.Response, keepable bool, err error) {
	defer catch(&err)
	options := js.Global().Get("JSON").Call("parse", string(appendFetchOptions(nil, r, past)))
	if r.Body != nil {
		options.Set("body", string(r.Body))
	}
	// Old browsers have none: a request that is given up then ends in its own time.
	if controller := js.Global().Get("AbortController"); controller.Type() == js.TypeFunction {
		abort := controller.New()
		options.Set("signal", abort.Get("signal"))
		// Only what is unfinished is aborted: a request whose answer is given up here, or whose
		// caller is. The status is set last.
		defer func() {
			if err != nil || answer.Status == 0 {
				abort.Call("abort")
			}
		}()
	}
	response, err := await(ctx, js.Global().Get("fetch").Invoke(r.URL, options))
	if err != nil {
		return answer, false, err
	}
	status, headers := response.Get("status").Int(), response.Get("headers")
	// Each header costs several crossings: only those are read that can say something.
	header := func(name string) string {
		if v := headers.Call("get", name); v.Type() == js.TypeString {
			return v.String()
		}
		return ""
	}
	if status >= 400 {
		if n, err := strconv.ParseUint(header("Retry-After"), 10, 31); err == nil {
			answer.RetryAfter = time.Duration(n) * time.Second
		}
	}
	if r.WantDate {
		// NaN, for a header that is absent or no date, is not above 0.
		if ms := js.Global().Get("Date").Call("parse", header("Date")).Float(); ms > 0 {
			answer.Date = time.UnixMilli(int64(ms))
		}
	}
	keepable = r.Method == "GET" && !strings.Contains(header("Cache-Control"), "no-store")
	length, err := strconv.ParseUint(header("Content-Length"), 10, 31)
	// An answer without content does not state its length, and Chromium gives it a stream, too.
	short := status == 204 || err == nil && length <= wire.MaxAnswer
	if answer.Body, err = readBody(ctx, response, short); err == nil {
		answer.Status = status
	}
	return answer, keepable, err
}

// appendFetchOptions writes what fetch takes beside the URL, but for signal and body.
func appendFetchOptions(dst []byte, r sdk.Request, past bool) []byte {
	o := wire.Encoder{B: dst}
	o.Open()
	o.Str("method", r.Method)
	if past {
		o.Str("cache", "no-store")
	}
	o.Str("credentials", "omit")
	o.Str("redirect", "error") // the token goes to the gateway and nowhere else
	// The session's end is sent while the page is unloaded.
	o.Boolean("keepalive", r.Method == "DELETE")
	o.Name("headers")
	o.Open()
	o.Str("Authorization", r.Authorization)
	o.Str(wire.HeaderAppkey, r.Appkey)
	if r.Body != nil {
		o.Str("Content-Type", "application/json")
	}
	o.Close()
	o.Close()
	return o.B
}

// readBody reads an answer's body: as a whole if it is short, by what it states of its
// length, because Chromium shows many requests as canceled whose answers are read as
// streams; else as a stream, which ends at the bound. Where there is no stream, in old browsers
// and with polyfills, the bound is looked at when the whole is there.
func readBody(ctx context.Context, response js.Value, short bool) ([]byte, error) {
	stream := response.Get("body")
	if !short && stream.Type() == js.TypeObject && stream.Get("getReader").Type() == js.TypeFunction {
		return readAll(ctx, stream)
	}
	if response.Get("arrayBuffer").Type() == js.TypeFunction {
		buffer, err := await(ctx, response.Call("arrayBuffer"))
		if err != nil {
			return nil, err
		}
		bytes := js.Global().Get("Uint8Array").New(buffer)
		if bytes.Length() > wire.MaxAnswer {
			return nil, tooLarge{}
		}
		all := make([]byte, bytes.Length())
		js.CopyBytesToGo(all, bytes)
		return all, nil
	}
	text, err := await(ctx, response.Call("text"))
	if err != nil {
		return nil, err
	}
	// It is at least as many bytes as characters; the rest is known when it is copied.
	if textLength(text) > wire.MaxAnswer {
		return nil, tooLarge{}
	}
	all := text.String()
	if len(all) > wire.MaxAnswer {
		return nil, tooLarge{}
	}
	return []byte(all), nil
}

// textLength is the length of a string before it is copied; Length looks at objects only.
func textLength(text js.Value) int { return js.Global().Get("Object").Invoke(text).Length() }

// readAll reads a ReadableStream, piece by piece, so that the bound holds whatever the
// sender says of the length.
func readAll(ctx context.Context, stream js.Value) ([]byte, error) {
	reader := stream.Call("getReader")
	var all []byte
	for {
		piece, err := await(ctx, reader.Call("read"))
		if err != nil {
			return nil, err
		}
		if piece.Get("done").Bool() {
			return all, nil
		}
		bytes := piece.Get("value")
		old, n := len(all), bytes.Length()
		if old+n > wire.MaxAnswer {
			return nil, tooLarge{}
		}
		all = append(all, make([]byte, n)...)
		js.CopyBytesToGo(all[old:], bytes)
	}
}

// Bounds of a socket. The core reads frames as they come; only when the page's
// handlers hold it up do they wait here, and beyond these bounds the connection is
// given up with 4429 and resumed later, as the gateway does with slow readers.
const (
	maxQueuedFrames = 1024
	maxQueuedBytes  = 4 << 20
	maxBuffered     = 1 << 20 // what the browser holds to be sent, in bytes
)

// socket is one WebSocket.
type socket struct {
	id     int
	ws     js.Value
	opened chan struct{}
	frames chan []byte
	queued atomic.Int64 // bytes in frames
	end    sync.Once
	ended  chan struct{}
	err    *sdk.CloseError // readable once ended is closed
}

// sockets are the connections whose callbacks may still come, by the number that is
// bound to the process-long callbacks.
var sockets struct {
	sync.Mutex
	last int
	live map[int]*socket
}

var (
	onOpen    = socketFunc(func(s *socket, _ js.Value) { s.onOpen() })
	onMessage = socketFunc(func(s *socket, event js.Value) { s.onMessage(event.Get("data")) })
	onClose   = socketFunc(func(s *socket, event js.Value) {
		s.finish(event.Get("code").Int(), event.Get("reason").String())
	})
)

func socketFunc(f func(s *socket, event js.Value)) func() js.Func {
	return callback(func(_ js.Value, args []js.Value) any {
		sockets.Lock()
		s := sockets.live[args[0].Int()]
		sockets.Unlock()
		if s != nil {
			s.guarded(func() { f(s, args[1]) })
		}
		return nil
	})
}

// guarded costs a panic of f its connection, which the core then replaces, and not the
// page's chat. The runtime's print goes to the shim's log.
func (s *socket) guarded(f func()) {
	defer func() {
		if r := recover(); r != nil {
			println("panic in a WebSocket callback: " + panicText(r) + "\n" + traceback())
			s.Close(4000, "unexpected error")
		}
	}()
	f()
}

// Dial opens a connection.
func (transport) Dial(ctx context.Context, url, subprotocol string) (conn sdk.Conn, err error) {
	defer catch(&err)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ws := js.Global().Get("WebSocket").New(url, subprotocol)
	s := &socket{
		ws:     ws,
		opened: make(chan struct{}, 1),
		frames: make(chan []byte, maxQueuedFrames),
		ended:  make(chan struct{}),
	}
	sockets.Lock()
	sockets.last++
	s.id = sockets.last
	if sockets.live == nil {
		sockets.live = map[int]*socket{}
	}
	sockets.live[s.id] = s
	sockets.Unlock()

	ws.Set("binaryType", "arraybuffer")
	ws.Set("onopen", bound.Invoke(onOpen(), s.id))
	ws.Set("onmessage", bound.Invoke(onMessage(), s.id))
	ws.Set("onclose", bound.Invoke(onClose(), s.id))
	select {
	case <-s.opened:
		return s, nil
	case <-s.ended:
		return nil, s.err
	case <-ctx.Done():
		s.Close(1000, "")
		return nil, ctx.Err()
	}
}

func (s *socket) onOpen() {
	select {
	case s.opened <- struct{}{}:
	default:
	}
}

// onMessage only enqueues: the browser waits for it.
func (s *socket) onMessage(data js.Value) {
	// The length must be known before the text is copied.
	if data.Type() != js.TypeString || textLength(data) > wire.MaxServerFrame {
		s.Close(wire.CloseMalformed, "a frame is no text or too large")
		return
	}
	// The frames share one copy.
	for frame, rest, more := []byte(nil), []byte(data.String()), true; more; {
		frame, rest, more = bytes.Cut(rest, []byte(wire.FrameSeparator))
		if s.queued.Add(int64(len(frame))) <= maxQueuedBytes {
			select {
			case s.frames <- frame:
				continue
			default:
			}
		}
		s.Close(wire.CloseTooMuch, "the page does not keep up")
		return
	}
}

// finish ends the connection for Go; the first reason stands. What came before stays
// readable.
func (s *socket) finish(code int, reason string) {
	s.end.Do(func() {
		s.err = &sdk.CloseError{Code: code, Reason: reason}
		sockets.Lock()
		delete(sockets.live, s.id)
		sockets.Unlock()
		for _, name := range []string{"onopen", "onmessage", "onclose"} {
			s.ws.Set(name, nil)
		}
		close(s.ended)
	})
}

// Read returns the next frame.
func (s *socket) Read() ([]byte, error) {
	var frame []byte
	select { // of one channel, which takes less: many frames wait in a burst
	case frame = <-s.frames:
	default:
		select {
		case frame = <-s.frames:
		case <-s.ended:
			select {
			case frame = <-s.frames:
			default:
				return nil, s.err
			}
		}
	}
	s.queued.Add(-int64(len(frame)))
	return frame, nil
}

// Write hands a frame to the browser.
func (s *socket) Write(frame []byte) (err error) {
	defer catch(&err)
	select {
	case <-s.ended:
		return s.err
	default:
	}
	if s.ws.Get("bufferedAmount").Int() > maxBuffered {
		s.Close(wire.CloseTooMuch, "the network does not keep up")
		return s.err
	}
	// A closing connection would drop it, and the browser say so on the page's console, as
	// after a freeze. Its end is on the way.
	if s.ws.Get("readyState").Int() == 1 {
		s.ws.Call("send", string(frame))
	}
	return nil
}

// Close ends the connection at once for Go; the closing handshake is the browser's.
func (s *socket) Close(code int, reason string) {
	for len(reason) > 123 { // the protocol's bound, in bytes of UTF-8
		_, size := utf8.DecodeLastRuneInString(reason)
		reason = reason[:len(reason)-size]
	}
	s.finish(code, reason)
	var err error
	defer catch(&err) // only a code out of bounds throws, and then Go is done with it anyway
	s.ws.Call("close", code, reason)
}

// storage is sessionStorage. A page may forbid even the look at it, so it is read
// through Reflect, where an exception is an error and not the end of the program.
type storage struct{}

func (storage) call(method string, args ...any) (v js.Value, err error) {
	defer catch(&err)
	store := js.Global().Get("Reflect").Call("get", js.Global().Get("self"), "sessionStorage")
	if !store.Truthy() {
		return js.Undefined(), errors.New("there is no sessionStorage")
	}
	return store.Call(method, args...), nil
}

// Load returns "" for a key that is not there.
func (s storage) Load(key string) (string, error) {
	v, err := s.call("getItem", key)
	if err != nil || v.Type() != js.TypeString {
		return "", err
	}
	return v.String(), nil
}

// Save stores value.
func (s storage) Save(key, value string) error {
	_, err := s.call("setItem", key, value)
	return err
}

// Remove forgets key.
func (s storage) Remove(key string) error {
	_, err := s.call("removeItem", key)
	return err
}
