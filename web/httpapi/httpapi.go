// Package httpapi is what both HTTP servers, the customers' (web/gateway) and the agents'
// (web/desk), do with strangers: who is at the other end, how many of them may
// wait at once, and WebSockets whose closing ends in time whatever the other end does.
package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Address names where a request comes from, for counting: an IPv4 address, or the
// /64 network of an IPv6 one, which is the least that anybody is given. With
// behindProxy it is what the proxy in front has appended to X-Forwarded-For; what
// stands before that, the client may have made up. Without, the header counts for
// nothing.
func Address(r *http.Request, behindProxy bool) string {
	from := r.RemoteAddr
	if host, _, err := net.SplitHostPort(from); err == nil {
		from = host
	}
	if behindProxy {
		if list := r.Header.Values("X-Forwarded-For"); len(list) > 0 {
			last := list[len(list)-1]
			from = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
			if host, _, err := net.SplitHostPort(from); err == nil {
				from = host // some proxies add the port
			}
		}
	}
	ip, err := netip.ParseAddr(strings.Trim(from, "[]"))
	if err != nil {
		return "unknown" // all of them together
	}
	if ip = ip.Unmap().WithZone(""); ip.Is6() {
		network, _ := ip.Prefix(64)
		return network.String()
	}
	return ip.String()
}

// Waiting counts those of each address who have not yet said who they are. The zero
// value lets nobody in.
type Waiting struct {
	Max int // of one address, at once

	mu sync.Mutex
	by map[string]int
}

// Enter counts one in, unless the address has Max of them. leave, which may be called
// again and again, counts it out.
func (w *Waiting) Enter(address string) (leave func(), ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by[address] >= w.Max {
		return nil, false
	}
	if w.by == nil {
		w.by = map[string]int{}
	}
	w.by[address]++
	return sync.OnceFunc(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.by[address]--; w.by[address] == 0 {
			delete(w.by, address)
		}
	}), true
}

// closeTime bounds a close handshake.
const closeTime = 5 * time.Second

// Conn is a WebSocket that closes in time.
type Conn struct {
	*websocket.Conn
	raw net.Conn
}

// Accept is websocket.Accept. It does not look at the Origin, which
// the caller has to have done. An error has been answered.
func Accept(w http.ResponseWriter, r *http.Request, o websocket.AcceptOptions) (*Conn, error) {
	keep := &hijacker{ResponseWriter: w}
	o.InsecureSkipVerify = true
	conn, err := websocket.Accept(keep, r, &o)
	if err != nil {
		return nil, err
	}
	return &Conn{conn, keep.raw}, nil
}

// Close says why and waits for the other end to say the same, some seconds at most.
func (c *Conn) Close(code websocket.StatusCode, reason string) error {
	// The library reads away what is left of a frame before it waits for the answer,
	// without looking at the time: a frame that claims to be an exabyte long, a byte of
	// it a minute, would hold it for years.
	_ = c.raw.SetDeadline(time.Now().Add(closeTime))
	return c.Conn.Close(code, reason)
}

// Send writes a text frame, and fails when the other end does not take it within that
// time. A deadline of the socket costs no context and no timer for each frame.
func (c *Conn) Send(text []byte, within time.Duration) error {
	_ = c.raw.SetWriteDeadline(time.Now().Add(within))
	return c.Conn.Write(context.Background(), websocket.MessageText, text)
}

// Drop ends the connection at once, also while Close waits.
func (c *Conn) Drop() { _ = c.raw.Close() }

// The two buffers of an HTTP connection, 4 KiB each, would be most of what an open stream
// costs: its client sends a few bytes now and then, and what is sent to it is seldom
// larger than this, or goes past the buffer.
const (
	readBuffer  = 512
	writeBuffer = 1024
)

// hijacker keeps the connection that it hands out, and gives it small buffers.
type hijacker struct {
	http.ResponseWriter
	raw net.Conn
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.raw = conn
	// What the client has sent already must be in the new buffer, where whoever takes
	// the connection looks for it.
	early, err := rw.Reader.Peek(rw.Reader.Buffered())
	if err != nil {
		return nil, nil, err
	}
	r := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(early), conn), max(readBuffer, len(early)))
	if _, err := r.Peek(len(early)); err != nil {
		return nil, nil, err
	}
	return conn, bufio.NewReadWriter(r, bufio.NewWriterSize(conn, writeBuffer)), nil
}
