package harness

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Call makes a call with headers, given as names and values in turn, and returns the answer's status
// and body.
func Call(ctx context.Context, t testing.TB, method, url, body string, header ...string) (status int, answer []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	answer, err = io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, answer
}
