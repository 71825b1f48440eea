// Package native lets native Go programs, such as bots, load generators and tests,
// use the SDK's core: an sdk.Transport over net/http and a WebSocket.
//
//	t := native.New(native.Options{})
//	defer t.Close()
//	c := sdk.NewCore(sdk.Options{Transport: t, Deliver: …})
//
// A native program has no page that could be reloaded, so it needs no sdk.Storage.
package native

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"openchat/sdk"
	"openchat/sdk/wire"
)

// Options of New. The zero value is ready for use.
type Options struct {
	// HTTPClient does the requests and opens the streams; it is copied, and never
	// follows redirects. Its Timeout should be 0: every call of the core has a context
	// that ends. nil: one of its own, which keeps up to 64 idle connections per host.
	HTTPClient *http.Client
	// Header is added to every request and handshake, such as an Origin. nil: none.
	Header http.Header
}

// Transport is an sdk.Transport. Its methods are safe for concurrent use, and one
// Transport may serve any number of clients.
type Transport struct {
	client *http.Client
	header http.Header
	own    *http.Transport // nil when the client is the caller's
}

var _ sdk.Transport = (*Transport)(nil)

// ErrTooLarge is returned for an answer beyond wire.MaxAnswer.
var ErrTooLarge = errors.New("native: answer is larger than " + strconv.Itoa(wire.MaxAnswer) + " bytes")

// New returns a Transport. It opens no connection.
func New(o Options) *Transport {
	t := &Transport{client: &http.Client{}, header: o.Header.Clone()}
	if o.HTTPClient != nil {
		*t.client = *o.HTTPClient
	} else {
		t.own = http.DefaultTransport.(*http.Transport).Clone()
		// The default of two makes a busy program open a connection for most calls.
		t.own.MaxIdleConnsPerHost = 64
		t.client.Transport = t.own
	}
	// A redirect would carry the appkey, and on the same host the token, elsewhere.
	t.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return t
}

// Close closes the idle connections of a Transport with an HTTP client of its own.
// Calls and streams under way go on until their context or Close ends them.
func (t *Transport) Close() {
	if t.own != nil {
		t.own.CloseIdleConnections()
	}
}

// Do implements sdk.Transport. A redirect is an answer.
func (t *Transport) Do(ctx context.Context, r sdk.Request) (sdk.Response, error) {
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(r.Body)
	}
	q, err := http.NewRequestWithContext(ctx, r.Method, r.URL, body)
	if err != nil {
		return sdk.Response{}, err
	}
	t.addHeader(q.Header)
	q.Header.Set("Authorization", r.Authorization)
	q.Header.Set(wire.HeaderAppkey, r.Appkey)
	q.Header.Set("Accept", "application/json, application/problem+json")
	if r.Body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	a, err := t.client.Do(q)
	if err != nil {
		return sdk.Response{}, err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(io.LimitReader(a.Body, wire.MaxAnswer+1))
	switch {
	case err != nil:
		return sdk.Response{}, fmt.Errorf("native: reading the answer of %s %s: %w", r.Method, q.URL.Path, err)
	case len(text) > wire.MaxAnswer:
		return sdk.Response{}, ErrTooLarge
	}
	date, _ := http.ParseTime(a.Header.Get("Date")) // zero without one
	return sdk.Response{Status: a.StatusCode, RetryAfter: retryAfter(a.Header), Date: date, Body: text}, nil
}

func (t *Transport) addHeader(h http.Header) {
	for name, values := range t.header {
		h[name] = append([]string(nil), values...)
	}
}

// retryAfter reads the header in its form of seconds; the gateway sends no other.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.ParseInt(h.Get("Retry-After"), 10, 32)
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(n) * time.Second
}
