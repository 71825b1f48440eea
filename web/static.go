package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/andybalholm/brotli"

	"openchat/web/httpapi"
)

// headers of what is served under our own roof, by name.
type headers map[string]string

// pageHeaders is what the demo's customer page may do: run its own files and the wasm, and
// talk to this origin. It has no inline code, and text never becomes HTML.
var pageHeaders = headers{
	"Content-Security-Policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; " +
		"connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'; " +
		"require-trusted-types-for 'script'; trusted-types 'none'",
	"X-Content-Type-Options": "nosniff",
	"Referrer-Policy":        "no-referrer",
	"Cache-Control":          "no-cache",
}

// isolated are the headers of pages that use these sources and no others. They have no inline
// code, text never becomes HTML, and no other page can frame them or hold on to their window.
func isolated(sources string) headers {
	return headers{
		"Content-Security-Policy": "default-src 'none'; " + sources + "; base-uri 'none'; form-action 'none'; " +
			"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
		"X-Content-Type-Options":       "nosniff",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Cache-Control":                "no-cache",
	}
}

// mimeTypes says what is served at all, and as what. Not the system's table: it
// differs from machine to machine, and the wasm's type decides whether it streams.
var mimeTypes = map[string]string{
	".html":        "text/html; charset=utf-8",
	".css":         "text/css; charset=utf-8",
	".js":          "text/javascript; charset=utf-8",
	".mjs":         "text/javascript; charset=utf-8",
	".svg":         "image/svg+xml",
	".png":         "image/png",
	".ico":         "image/x-icon",
	".woff2":       "font/woff2",
	".json":        "application/json",
	".webmanifest": "application/manifest+json",
	".wasm":        "application/wasm",
	".ts":          "text/plain; charset=utf-8",
}

func etag(content []byte, coding string) string {
	sum := sha256.Sum256(content)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:18]) + coding + `"`
}

// pageFiles serves the files below a folder, with the headers that headersOf returns for a path.
func pageFiles(files fs.FS, headersOf func(path string) headers) (http.Handler, error) {
	all := map[string][]byte{}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		all["/"+name], err = fs.ReadFile(files, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return servePages(all, headersOf), nil
}

// servePages serves files under their paths, if mimeTypes has their kind, and each index.html as
// its folder's, with the headers that headersOf returns for a path. /desk leads to /desk/, so that
// what the page names is found beside it.
func servePages(files map[string][]byte, headersOf func(path string) headers) http.HandlerFunc {
	type page struct {
		mime, etag string
		content    []byte
	}
	all := map[string]page{}
	for name, b := range files {
		mime := mimeTypes[path.Ext(name)]
		if mime == "" {
			continue
		}
		p := page{mime, etag(b, ""), b}
		all[name] = p
		if dir, ok := strings.CutSuffix(name, "index.html"); ok {
			all[dir] = p
		}
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if !reading(w, r) {
			return
		}
		h := w.Header()
		for name, value := range headersOf(r.URL.Path) {
			h.Set(name, value)
		}
		p, ok := all[r.URL.Path]
		if !ok {
			if _, isFolder := all[r.URL.Path+"/"]; isFolder {
				to := url.URL{Path: path.Base(r.URL.Path) + "/", RawQuery: r.URL.RawQuery} // relative: a proxy may have cut a prefix off
				h.Set("Location", to.String())
				w.WriteHeader(http.StatusPermanentRedirect)
				return
			}
			http.Error(w, "There is no such page.", http.StatusNotFound)
			return
		}
		h.Set("Content-Type", p.mime)
		h.Set("ETag", p.etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p.content))
	}
}

func reading(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, "Only GET and HEAD.", http.StatusMethodNotAllowed)
	return false
}

// distFiles are the parts of the built SDK.
var distFiles = []string{"avaya-ccaas-chat-sdk.js", "avaya-ccaas-chat-sdk.wasm", "avaya-ccaas-chat-sdk.d.ts"}

// dist serves the built SDK out of a folder. It keeps the files in memory and
// notices when they are built anew.
type dist struct {
	dir  string
	log  *slog.Logger
	gone *httpapi.Tally // requests for what is not there any more

	mu    sync.Mutex
	files map[string]*distFile
}

// distFile is one file in all its codings; "" is the file itself.
type distFile struct {
	stamp  string // changes when the file does
	bodies map[string][]byte
	etags  map[string]string
}

// newDist checks that the folder holds what is to be served.
func newDist(dir string, log *slog.Logger) (*dist, error) {
	d := &dist{dir: dir, log: log, gone: httpapi.NewTally(log, slog.LevelError, "the built SDK is gone"), files: map[string]*distFile{}}
	for _, name := range distFiles {
		if _, err := d.load(name); err != nil {
			return nil, fmt.Errorf("--dist: %w; run `make build`, or name the folder of a build", err)
		}
	}
	return d, nil
}

// codings are the ones that the build makes, best first, with how to read them.
var codings = []struct {
	name, suffix string
	reader       func(io.Reader) (io.Reader, error)
}{
	{"br", ".br", func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil }},
	{"gzip", ".gz", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
}

// load returns the file as it is now.
func (d *dist) load(name string) (*distFile, error) {
	full := filepath.Join(d.dir, name)
	stamp := ""
	for _, suffix := range []string{"", ".br", ".gz"} {
		info, err := os.Stat(full + suffix)
		switch {
		case err == nil && info.Mode().IsRegular():
			stamp += fmt.Sprint(suffix, info.Size(), info.ModTime().UnixNano(), " ")
		case suffix == "" && err != nil:
			return nil, fmt.Errorf("%s cannot be read: %w", full, reason(err))
		case suffix == "":
			return nil, fmt.Errorf("%s is not a file", full)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.files[name]; f != nil && f.stamp == stamp {
		return f, nil
	}
	raw, err := os.ReadFile(full)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", full, reason(err))
	}
	f := &distFile{stamp: stamp, bodies: map[string][]byte{"": raw}, etags: map[string]string{"": etag(raw, "")}}
	for _, c := range codings {
		packed, err := os.ReadFile(full + c.suffix)
		if err != nil {
			continue // that coding was not built
		}
		// Left over from an older build it would be worse than none: the script would
		// get another build's wasm.
		if !unpacksTo(packed, raw, c.reader) {
			d.log.Warn("a packed file does not hold the present one and is not used; run `make build`", "file", full+c.suffix)
			continue
		}
		f.bodies[c.name], f.etags[c.name] = packed, etag(raw, "-"+c.name)
	}
	d.files[name] = f
	return f, nil
}

// build is the stamp of what is in the folder, "" when it does not say.
func (d *dist) build() string {
	f, err := d.load("build-info.json")
	if err != nil {
		return ""
	}
	var info struct{ Build string }
	if json.Unmarshal(f.bodies[""], &info) != nil {
		return ""
	}
	return info.Build
}

// reason is the part of a file error that does not repeat the path.
func reason(err error) error {
	if p, ok := err.(*fs.PathError); ok {
		return p.Err
	}
	return err
}

func unpacksTo(packed, raw []byte, reader func(io.Reader) (io.Reader, error)) bool {
	r, err := reader(bytes.NewReader(packed))
	if err != nil {
		return false
	}
	got, err := io.ReadAll(io.LimitReader(r, int64(len(raw))+1))
	return err == nil && bytes.Equal(got, raw)
}

func (d *dist) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !reading(w, r) {
		return
	}
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	if v := r.URL.Query().Get("v"); v != "" && v == d.build() {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("Vary", "Accept-Encoding")
	// The SDK is for pages of other origins: they fetch the wasm, and the script with
	// an integrity, by CORS.
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	name := path.Base(r.URL.Path)
	f, err := d.load(name)
	if err != nil {
		d.gone.Count(err.Error())
		http.Error(w, name+" is not there; run `make build`.", http.StatusNotFound)
		return
	}
	h.Set("Content-Type", mimeTypes[path.Ext(name)])
	coding := ""
	if r.Header.Get("Range") == "" { // ranges are of the file itself
		for _, c := range codings {
			if f.bodies[c.name] != nil && accepts(r.Header.Get("Accept-Encoding"), c.name) {
				coding = c.name
				break
			}
		}
	}
	h.Set("ETag", f.etags[coding])
	if coding == "" {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.bodies[""]))
		return
	}
	if matches(r.Header.Get("If-None-Match"), f.etags[coding]) {
		h.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Encoding", coding)
	h.Set("Content-Length", strconv.Itoa(len(f.bodies[coding])))
	if r.Method == http.MethodGet {
		_, _ = w.Write(f.bodies[coding]) // an error means that the browser has gone
	}
}

// accepts reports whether an Accept-Encoding names the coding with a weight over 0.
func accepts(header, coding string) bool {
	for item := range strings.SplitSeq(header, ",") {
		name, parameters, _ := strings.Cut(item, ";")
		if !strings.EqualFold(strings.TrimSpace(name), coding) {
			continue
		}
		weight, ok := strings.CutPrefix(strings.ReplaceAll(parameters, " ", ""), "q=")
		q, err := strconv.ParseFloat(weight, 64)
		return !ok || err == nil && q > 0
	}
	return false
}

// matches reports whether an If-None-Match holds the tag.
func matches(header, tag string) bool {
	for item := range strings.SplitSeq(header, ",") {
		item = strings.TrimPrefix(strings.TrimSpace(item), "W/")
		if item == "*" || item == tag {
			return true
		}
	}
	return false
}
