package httpapi

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Who reads lines sees that some are missing, and an error before the first is a problem.
func TestLinesThatBreakOffEndTheConnection(t *testing.T) {
	s := &Server{Log: slog.New(slog.DiscardHandler), Drain: NewDrain(), Origins: NewOrigins(nil), Refused: NewOriginNotices(nil, "tests")}
	line := bytes.Repeat([]byte("x"), lineBuffer)
	for _, c := range []struct {
		lines   int
		failed  error
		status  int
		isWhole bool
	}{{3, nil, 200, true}, {3, errors.New("broken"), 200, false}, {0, errors.New("broken"), 500, true}} {
		server := httptest.NewServer(s.Handle(func(*http.Request) (Answer, error) {
			return Answer{Status: 200, Lines: func(write func([]byte) error) error {
				for range c.lines {
					if err := write(line); err != nil {
						return err
					}
				}
				return c.failed
			}}, nil
		}))
		r, err := http.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if r.StatusCode != c.status || (err == nil) != c.isWhole || c.failed == nil && len(body) != c.lines*(len(line)+1) {
			t.Errorf("%+v: %d, %d bytes, %v", c, r.StatusCode, len(body), err)
		}
		server.Close()
	}
}
