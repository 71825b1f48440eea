package harness

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed webkithead.js
var webkitHead string

// webkitProxy is the proxy of one user of WebKit. It puts scripts at the head of each page,
// for which WebDriver has no command, and can take the network away. It is for http and ws.
type webkitProxy struct {
	listener net.Listener
	server   *http.Server
	forward  *httputil.ReverseProxy

	mu      sync.Mutex
	scripts []string           // of each page, in order
	online  chan struct{}      // closed while the network is there
	calls   context.Context    // ends when the network is taken away
	cut     context.CancelFunc // ends calls
}

func newWebkitProxy() (*webkitProxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &webkitProxy{listener: l, scripts: []string{webkitHead}, online: make(chan struct{})}
	close(p.online)
	p.calls, p.cut = context.WithCancel(context.Background())
	p.forward = &httputil.ReverseProxy{
		Transport: &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &heldConn{c, p}, nil
		}},
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.Host = r.In.Host
			r.Out.URL.Scheme = "http" // of a WebSocket it is ws
			if isDocument(r.In) {     // the page is read here, and the script at its head may be another than last time
				for _, name := range []string{"Accept-Encoding", "If-None-Match", "If-Modified-Since", "Range"} {
					r.Out.Header.Del(name)
				}
			}
		},
		ModifyResponse: p.addScripts,
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {
			panic(http.ErrAbortHandler) // as a connection that breaks
		},
		ErrorLog: log.New(io.Discard, "", 0), // of browsers that have gone
	}
	p.server = &http.Server{Handler: p, ErrorLog: p.forward.ErrorLog}
	go func() { _ = p.server.Serve(l) }() // ends with close
	return p, nil
}

func (p *webkitProxy) address() string { return p.listener.Addr().String() }

// close is for when the browser has gone: it ends what that has left.
func (p *webkitProxy) close() {
	p.setOffline(false)
	p.server.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut()
	p.forward.Transport.(*http.Transport).CloseIdleConnections()
}

func (p *webkitProxy) addScript(script string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// The page then is as without it.
	p.scripts = append(slices.Clip(p.scripts), "document.currentScript.remove();\n"+script)
}

// setOffline takes the network away: calls break, and WebSockets hold what they carry.
func (p *webkitProxy) setOffline(offline bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.online:
		if offline {
			p.online = make(chan struct{})
			p.cut()
		}
	default:
		if !offline {
			close(p.online)
			p.calls, p.cut = context.WithCancel(context.Background())
		}
	}
}

func (p *webkitProxy) state() (online <-chan struct{}, calls context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.online, p.calls
}

func (p *webkitProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	online, calls := p.state()
	select {
	case <-online:
	default:
		panic(http.ErrAbortHandler)
	}
	if r.Header.Get("Upgrade") == "" {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(calls, cancel)()
		r = r.WithContext(ctx)
	}
	p.forward.ServeHTTP(w, r)
}

// heldConn is a connection to a server that holds what it carries while there is no network.
type heldConn struct {
	net.Conn
	proxy *webkitProxy
}

func (c *heldConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	online, _ := c.proxy.state()
	<-online
	return n, err
}

func (c *heldConn) Write(b []byte) (int, error) {
	online, _ := c.proxy.state()
	<-online
	return c.Conn.Write(b)
}

// isDocument tells whether a request is for a page.
func isDocument(r *http.Request) bool {
	if to := r.Header.Get("Sec-Fetch-Dest"); to != "" {
		return to == "document" || to == "iframe"
	}
	return strings.HasPrefix(r.Header.Get("Accept"), "text/html")
}

var doctype = regexp.MustCompile(`(?i)^\s*<!doctype[^>]*>`)

// maxDocument bounds a page that scripts are put into.
const maxDocument = 16 << 20

func (p *webkitProxy) addScripts(r *http.Response) error {
	if !isDocument(r.Request) || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
		return nil
	}
	page, err := io.ReadAll(io.LimitReader(r.Body, maxDocument+1))
	r.Body.Close()
	if err == nil && len(page) > maxDocument {
		err = errors.New("the page is too long")
	}
	if err != nil {
		return err
	}
	p.mu.Lock()
	scripts := p.scripts
	p.mu.Unlock()
	var head bytes.Buffer
	var hashes []string
	for _, s := range scripts {
		head.WriteString("<script>" + s + "</script>")
		sum := sha256.Sum256([]byte(s))
		hashes = append(hashes, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	at := len(doctype.Find(page))
	page = slices.Concat(page[:at], head.Bytes(), page[at:])
	r.Body = io.NopCloser(bytes.NewReader(page))
	r.ContentLength = int64(len(page))
	r.Header.Set("Content-Length", strconv.Itoa(len(page)))
	for i, policy := range r.Header["Content-Security-Policy"] {
		r.Header["Content-Security-Policy"][i] = allow(policy, hashes)
	}
	return nil
}

// allow lets a policy allow scripts by their hashes, and nothing else that it did not.
func allow(policy string, hashes []string) string {
	directives := strings.Split(policy, ";")
	find := func(name string) int {
		return slices.IndexFunc(directives, func(d string) bool {
			words := strings.Fields(d)
			return len(words) > 0 && strings.EqualFold(words[0], name)
		})
	}
	i := find("script-src-elem")
	if i < 0 {
		i = find("script-src")
	}
	var sources []string
	if i >= 0 {
		sources = strings.Fields(directives[i])[1:]
	} else if d := find("default-src"); d >= 0 {
		sources = strings.Fields(directives[d])[1:]
		directives = append(directives, "")
		i = len(directives) - 1
	} else {
		return policy
	}
	name := "script-src"
	if words := strings.Fields(directives[i]); len(words) > 0 {
		name = words[0]
	}
	inline := slices.Contains(sources, "'unsafe-inline'") && !slices.ContainsFunc(sources, func(s string) bool {
		return strings.HasPrefix(s, "'nonce-") || strings.HasPrefix(s, "'sha")
	})
	if !inline { // a hash would take 'unsafe-inline' back
		sources = append(slices.DeleteFunc(sources, func(s string) bool { return s == "'none'" }), hashes...)
	}
	directives[i] = " " + name + " " + strings.Join(sources, " ")
	return strings.Join(directives, ";")
}

// freePort returns a port of loopback that nobody listened on a moment ago, for programs that
// cannot choose one and say which.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// awaitPort waits until a program listens, which does not say when it does.
func awaitPort(ctx context.Context, address string, exited <-chan struct{}) error {
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-exited:
			return errors.New("it ended while it started")
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
