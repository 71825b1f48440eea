package harness

import (
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// StrictPolicy is the policy under which the tests' pages run: no inline code, no
// eval, no string becomes script or markup.
const StrictPolicy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; img-src 'self'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'; base-uri 'none'; form-action 'none'"

// Pages is the folder of the tests' pages.
func Pages() string { return filepath.Join(Root(), "tests", "browser", "pages") }

// Origin is the one origin that a browser sees: the tests' pages under /t/, and the gateway
// behind all other paths. It stays when the gateway goes.
type Origin struct {
	URL     string
	server  *http.Server
	gateway *url.URL

	mu       sync.Mutex
	override func(w http.ResponseWriter, r *http.Request) bool
}

func newOrigin(g *Gateway) (*Origin, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o := &Origin{URL: "http://" + l.Addr().String(), gateway: g.address()}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(o.gateway)
			r.Out.Host = r.In.Host // one origin: the gateway sees the host that the browser named
			r.SetXForwarded()
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			// As a connection that nobody accepts looks from a browser.
			panic(http.ErrAbortHandler)
		},
	}
	pages := http.StripPrefix("/t/", http.FileServer(http.Dir(Pages())))
	o.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		override := o.override
		o.mu.Unlock()
		if override != nil && override(w, r) {
			return
		}
		if strings.HasPrefix(r.URL.Path, "/t/") {
			w.Header().Set("Content-Security-Policy", StrictPolicy)
			w.Header().Set("Cache-Control", "no-store")
			pages.ServeHTTP(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	})}
	go func() {
		if err := o.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			panic(err)
		}
	}()
	return o, nil
}

// Intercept lets a hook answer requests instead, when it returns true, until the test
// ends.
func (o *Origin) Intercept(t *testing.T, hook func(w http.ResponseWriter, r *http.Request) bool) {
	set := func(h func(http.ResponseWriter, *http.Request) bool) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.override = h
	}
	set(hook)
	t.Cleanup(func() { set(nil) })
}

// ServeWithoutPolicy answers, as a hook, with the pages of pages/ without the strict policy.
func ServeWithoutPolicy(w http.ResponseWriter, r *http.Request) bool {
	name, found := strings.CutPrefix(r.URL.Path, "/t/")
	if !found || !strings.HasSuffix(name, ".html") {
		return false
	}
	w.Header().Set("Cache-Control", "no-store")
	http.ServeFile(w, r, filepath.Join(Pages(), name))
	return true
}
