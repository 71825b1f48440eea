package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/andybalholm/brotli"

	"openchat/tests/harness"
)

//go:embed pages
var pages embed.FS

// site is the one origin of the browser's pages: they, the scripts that are measured,
// and the stand-ins for the servers that those scripts talk to.
type site struct {
	url    string // http://127.0.0.1:port
	server *http.Server

	mu     sync.Mutex
	files  map[string]file
	asks   map[string]int // how often each file was asked for
	chats  map[string]*chat
	lastID int
}

// file is served in brotli, under headers as the gateway's.
type file struct {
	mime, etag  string
	raw, brotli []byte
}

// openSite makes a site and starts a browser for it; end stops both.
func openSite(ctx context.Context) (s *site, browser context.Context, end func(), err error) {
	if s, err = newSite(); err != nil {
		return nil, nil, nil, err
	}
	browser, closeBrowser, err := harness.StartBrowser(ctx)
	if err != nil {
		s.Close()
		return nil, nil, nil, err
	}
	return s, browser, func() { closeBrowser(); s.Close() }, nil
}

// newSite serves the built SDK in /sdk/ and the bench's own pages in /pages/.
func newSite() (*site, error) {
	s := &site{files: map[string]file{}, asks: map[string]int{}, chats: map[string]*chat{}}
	if err := s.addSDK("/sdk/", "dist"); err != nil {
		return nil, fmt.Errorf("%w: run ./build.sh, and this from the module's folder", err)
	}
	entries, err := pages.ReadDir("pages")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		raw, err := pages.ReadFile("pages/" + e.Name())
		if err != nil {
			return nil, err
		}
		s.add("/pages/"+e.Name(), raw, nil)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.url = "http://" + l.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("/", s.serveFile)
	mux.HandleFunc("/clock", serveClock)
	mux.HandleFunc("/chats/{chat}/", s.serveChat)
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go s.server.Serve(l)
	return s, nil
}

// addSDK serves the SDK that is built in a folder below a path.
func (s *site) addSDK(at, dir string) error {
	for _, name := range []string{sdkScript, sdkWasm} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		packed, err := os.ReadFile(filepath.Join(dir, name+".br"))
		if err != nil {
			return err
		}
		s.add(at+name, raw, packed)
	}
	return nil
}

// build is one of the SDK that is measured beside the present one.
type build struct {
	name         string
	script, page string // their paths; the page is sdk.html with that script
}

// addBuilds serves the builds in these folders, which are separated by commas.
func (s *site) addBuilds(folders string) (all []build, err error) {
	page, err := pages.ReadFile("pages/" + sdkPage)
	if err != nil {
		return nil, err
	}
	for i, dir := range strings.FieldsFunc(folders, func(r rune) bool { return r == ',' }) {
		at := fmt.Sprintf("/beside/%d/", i)
		if err := s.addSDK(at, dir); err != nil {
			return nil, err
		}
		b := build{name: "ours, " + dir, script: at + sdkScript, page: fmt.Sprintf("beside%d.html", i)}
		s.add("/pages/"+b.page, bytes.ReplaceAll(page, []byte("/sdk/"+sdkScript), []byte(b.script)), nil)
		all = append(all, b)
	}
	return all, nil
}

// Close ends the server and all its connections.
func (s *site) Close() {
	s.server.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.chats {
		c.Drop()
	}
}

const (
	sdkScript = "avaya-ccaas-chat-sdk.js"
	sdkWasm   = "avaya-ccaas-chat-sdk.wasm"
	sdkPage   = "sdk.html" // a page that loads it
)

var mimeTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".wasm": "application/wasm",
}

// add serves raw under a path; packed is its brotli, made here if it is nil.
func (s *site) add(name string, raw, packed []byte) {
	if packed == nil {
		packed = compress(raw)
	}
	sum := sha256.Sum256(raw)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name] = file{mimeTypes[path.Ext(name)], `"` + hex.EncodeToString(sum[:12]) + `"`, raw, packed}
}

// compress is the best that brotli can do, as the build's. It takes seconds a megabyte,
// so what it made is kept in the user's cache.
func compress(raw []byte) []byte {
	kept := ""
	if dir, err := cacheDir(); err == nil {
		kept = filepath.Join(dir, fmt.Sprintf("%x.br", sha256.Sum256(raw)))
		if packed, err := os.ReadFile(kept); err == nil {
			return packed
		}
	}
	var b bytes.Buffer
	w := brotli.NewWriterLevel(&b, brotli.BestCompression)
	w.Write(raw) // into memory: it cannot fail
	w.Close()
	if kept != "" && os.WriteFile(kept+".new", b.Bytes(), 0o644) == nil {
		os.Rename(kept+".new", kept)
	}
	return b.Bytes()
}

// cacheDir is where things are kept from one bench to the next.
func cacheDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "openchat-bench")
	return dir, os.MkdirAll(dir, 0o755)
}

func (s *site) serveFile(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	f, ok := s.files[r.URL.Path]
	if ok {
		s.asks[r.URL.Path]++
	}
	s.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.mime)
	// Isolated pages have a clock of 5 µs; others one of 100 µs.
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Embedder-Policy", "require-corp")
	h.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") != "" { // as the gateway: the name is the build's
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("ETag", f.etag)
	if r.Header.Get("If-None-Match") == f.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "br") {
		w.Write(f.raw)
		return
	}
	h.Set("Content-Encoding", "br")
	w.Write(f.brotli)
}

// asked is how often a file was asked for.
func (s *site) asked(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asks[path]
}

// newChat makes a stand-in server for one page, reached under its path.
func (s *site) newChat() *chat {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastID++
	c := newChat(fmt.Sprintf("%s/chats/%d", s.url, s.lastID))
	s.chats[fmt.Sprint(s.lastID)] = c
	return c
}

// openChat opens a page whose client is in a chat of its own; frames go to it on the connection.
func (s *site) openChat(browser context.Context, page, client string) (t *tab, c *chat, l *frameConn, err error) {
	if t, err = openTab(browser, s.url+"/pages/"+page, true); err != nil {
		return nil, nil, nil, err
	}
	c = s.newChat()
	if err = t.Eval(nil, "bench.connect[%s](%s, %s)", client, c.url, s.params(c)); err == nil {
		ctx, cancel := bounded(t.Context)
		defer cancel()
		l, err = c.connected(ctx)
	}
	if err != nil {
		t.Close()
		return nil, nil, nil, err
	}
	return t, c, l, nil
}

func (s *site) serveChat(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("chat")
	s.mu.Lock()
	c := s.chats[id]
	s.mu.Unlock()
	if c == nil {
		http.NotFound(w, r)
		return
	}
	http.StripPrefix("/chats/"+id, c.mux).ServeHTTP(w, r)
}

// token is one that the SDK takes; nobody here verifies it.
func token() string { return harness.UnsignedToken(integrationID) }

const integrationID = "3b7a3d3a-8d7e-4f5c-9f39-0f1f3f6f2a11"

var errTooLong = fmt.Errorf("nothing happened for %v", harness.Timeout)

// bounded bounds a single step in a page.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, harness.Timeout, errTooLong)
}
