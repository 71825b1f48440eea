package jwks

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
)

// This file has what is common to the fetching of documents on which trust rests: keys, and
// what says where keys are.

// NewClient returns a client that follows no redirection: it could lead to where others put
// keys of their own, and it would take a credential of the request elsewhere.
func NewClient() *http.Client {
	return &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Fetch reads the document at a URL, which CheckSource has accepted, until ctx ends. accept is
// the request's Accept header. Of a document with more than max bytes it returns one byte more
// than that. An answer of another status than 200 is an error.
func Fetch(ctx context.Context, client *http.Client, url, accept string, max int64) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", accept)
	res, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %d", res.StatusCode)
	}
	return io.ReadAll(io.LimitReader(res.Body, max+1))
}

// IsLoopback reports whether a host, without port and brackets, is this machine and no other.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
