package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"openchat/sdk/wire"
	"openchat/tests/harness"
	"openchat/web/desk"
	"openchat/web/gateway"
	"openchat/web/httpapi"
	"openchat/web/store"
)

// What both servers have in common must be so at both: each test here runs against the
// customers' and the agents' handler.

const (
	account     = "ABCDEF"
	integration = "6f9e2a1c-0d53-4c5e-9a52-1f6d0c6b7a01"
	appkey      = "the-app-key"
	credential  = "a-credential-for-tests"
	origin      = "https://shop.example"
)

// brokenStore is a store whose changes and pages fail with an error, once it is set.
type brokenStore struct {
	*store.Store
	mu  sync.Mutex
	err error
}

func (s *brokenStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *brokenStore) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *brokenStore) Update(ctx context.Context, c store.Customer, id string, change func(*store.Engagement) ([]wire.Event, error)) (store.Engagement, error) {
	if err := s.failure(); err != nil {
		return store.Engagement{}, err
	}
	return s.Store.Update(ctx, c, id, change)
}

func (s *brokenStore) Page(ctx context.Context, c store.Customer, id string, q store.Query) (wire.MessagePage, error) {
	if err := s.failure(); err != nil {
		return wire.MessagePage{}, err
	}
	return s.Store.Page(ctx, c, id, q)
}

// server is one of the two, with a chat that waits for an agent.
type server struct {
	name    string
	handler http.Handler
	store   *brokenStore
	header  http.Header // what admits a call
	change  string      // path of a POST that changes the chat
	body    string      // its body
	page    string      // path of a GET of the chat's messages
	close   func(context.Context) error
}

// both runs test against each server. log is what they are given as logger.
func both(t *testing.T, log *slog.Logger, test func(t *testing.T, s *server)) {
	for name, start := range map[string]func(*testing.T, *slog.Logger) *server{"gateway": startGateway, "desk": startDesk} {
		t.Run(name, func(t *testing.T) {
			s := start(t, log)
			s.name = name
			test(t, s)
		})
	}
}

func openStore(t *testing.T) (*brokenStore, store.Session, store.Engagement) {
	t.Helper()
	st, err := store.Open(t.Context(), store.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	session, _, err := st.CreateSession(t.Context(), store.Customer{Account: account, ID: "ann"}, integration, "Ann", nil, "s")
	if err != nil {
		t.Fatal(err)
	}
	e, _, err := st.CreateEngagement(t.Context(), session, nil, "e")
	if err != nil {
		t.Fatal(err)
	}
	e, err = st.Update(t.Context(), e.Customer, e.EngagementID, func(e *store.Engagement) ([]wire.Event, error) {
		return append(e.Enter(session), e.Add(wire.Participant{ParticipantID: desk.BotID, ParticipantType: wire.ParticipantBot, DisplayName: "Assistant"})...), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return &brokenStore{Store: st}, session, e
}

func startGateway(t *testing.T, log *slog.Logger) *server {
	st, session, e := openStore(t)
	signer, err := gateway.NewSigner(gateway.SignerConfig{Secret: bytes.Repeat([]byte("x"), 32), Issuer: "i", Audience: "a"})
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(gateway.Config{
		Store: st, Tenants: []gateway.Tenant{{Account: account, IntegrationID: integration, Appkey: appkey}},
		Signer: signer, Issuer: "i", Audience: "a", AllowedOrigins: []string{origin}, Logger: log,
		RequestRate: 10, RequestBurst: 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	token, err := signer.Mint(gateway.Claims{CustomerID: "ann", Account: account, IntegrationID: integration, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, g.Close) })
	path := wire.BasePath + "/engagements/" + e.EngagementID
	return &server{
		handler: g.Handler(), store: st, close: g.Close,
		header: http.Header{"Authorization": {"Bearer " + token}, "Appkey": {appkey}},
		change: path + ":disconnect", body: `{"sessionId":"` + session.SessionID + `","dialogId":"` + e.DialogID + `"}`,
		page: path + "/messages?dialogId=" + e.DialogID,
	}
}

func startDesk(t *testing.T, log *slog.Logger) *server {
	st, _, e := openStore(t)
	d, err := desk.New(desk.Config{Store: st, Credential: credential, AllowedOrigins: []string{origin}, Logger: log, CallsPerSecond: 10, CallBurst: 20})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = d.Run(ctx)
	}()
	t.Cleanup(func() {
		stop(t, d.Close)
		cancel()
		<-ended
	})
	<-d.Ready()
	path := desk.BasePath + "/engagements/" + e.EngagementID
	return &server{
		handler: d.Handler(), store: st, close: d.Close,
		header: http.Header{"Authorization": {"Bearer " + credential}},
		change: path + ":accept", body: `{"agentId":"` + uuid.NewString() + `","agentName":"Bo"}`,
		page: path + "/messages",
	}
}

func stop(t *testing.T, end func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := end(ctx); err != nil {
		t.Error(err)
	}
}

// call calls as one who is admitted, and returns the answer.
func (s *server) call(method, path string, body io.Reader, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, body)
	for name, values := range s.header {
		r.Header[name] = values
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// refused checks that an answer is a problem of that status and kind.
func refused(t *testing.T, w *httptest.ResponseRecorder, status int, kind string) wire.Problem {
	t.Helper()
	p, err := wire.DecodeProblem(w.Body.Bytes())
	if err != nil || w.Code != status || p.Status != status || !strings.HasSuffix(p.Type, "#"+kind) ||
		w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Fatalf("answered %d %v %s, %v; a problem %d %s is expected", w.Code, w.Header(), w.Body, err, status, kind)
	}
	return p
}

func retryAfter(w *httptest.ResponseRecorder) int {
	seconds, _ := strconv.Atoi(w.Header().Get("Retry-After"))
	return seconds
}

func TestBusyStore(t *testing.T) {
	both(t, slog.New(slog.DiscardHandler), func(t *testing.T, s *server) {
		s.store.fail(store.ErrBusy)
		w := s.call("POST", s.change, strings.NewReader(s.body))
		if p := refused(t, w, http.StatusServiceUnavailable, "server-error"); retryAfter(w) < 1 || !strings.Contains(p.Detail, "repeated") {
			t.Errorf("answered %v, %q", w.Header(), p.Detail)
		}
		s.store.fail(nil)
		if w := s.call("POST", s.change, strings.NewReader(s.body)); w.Code != http.StatusOK {
			t.Errorf("the repeat answered %d %s", w.Code, w.Body)
		}
	})
}

func TestFailingStore(t *testing.T) {
	log := &harness.Output{}
	both(t, slog.New(slog.NewJSONHandler(log, nil)), func(t *testing.T, s *server) {
		s.store.fail(errors.New("the disk is full"))
		if p := refused(t, s.call("GET", s.page, nil), http.StatusInternalServerError, "server-error"); strings.Contains(p.Detail, "disk") {
			t.Errorf("the caller received %q", p.Detail)
		}
		if text := log.Take(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "the disk is full") || !strings.Contains(text, `"level":"ERROR"`) {
			t.Errorf("logged %q", text)
		}
	})
}

// panicking is a request body whose reading panics, as a mistake of ours would.
type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("a mistake") }

func TestPanic(t *testing.T) {
	log := &harness.Output{}
	both(t, slog.New(slog.NewJSONHandler(log, nil)), func(t *testing.T, s *server) {
		log.Take()
		refused(t, s.call("POST", s.change, panicking{}), http.StatusInternalServerError, "server-error")
		if text := log.Take(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "a mistake") || !strings.Contains(text, `"level":"ERROR"`) || !strings.Contains(text, "servers_test.go") {
			t.Errorf("logged %q; one line with the place is expected", text)
		}
		if w := s.call("POST", s.change, strings.NewReader(s.body)); w.Code != http.StatusOK {
			t.Errorf("the next call answered %d %s", w.Code, w.Body)
		}
		// The call was counted out: nothing holds up the stop.
		stop(t, s.close)
	})
}

// Without a logger, nothing is logged, also not to the process's default one.
func TestNoLogger(t *testing.T) {
	log := &harness.Output{}
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(func() { slog.SetDefault(before) })
	both(t, nil, func(t *testing.T, s *server) {
		s.store.fail(errors.New("the disk is full"))
		refused(t, s.call("GET", s.page, nil), http.StatusInternalServerError, "server-error")
		s.call("POST", s.change, panicking{})
		if text := log.Take(); text != "" {
			t.Errorf("logged %q", text)
		}
	})
}

func TestOrigins(t *testing.T) {
	both(t, slog.New(slog.DiscardHandler), func(t *testing.T, s *server) {
		for from, allowed := range map[string]bool{
			origin: true, strings.ToUpper(origin): true, "http://example.com": true, "https://example.com": true, // the server's own
			"https://evil.example": false, "null": false, "http://example.com/": false, "ftp://example.com": false, origin + ":8443": false,
		} {
			w := s.call("GET", s.page, nil, "Origin", from)
			if !allowed {
				refused(t, w, http.StatusForbidden, "forbidden")
			} else if w.Code != http.StatusOK || w.Header().Get("Access-Control-Allow-Origin") != from || w.Header().Get("Access-Control-Expose-Headers") != "Date, Retry-After" {
				t.Errorf("%s: %d %v", from, w.Code, w.Header())
			}
			if w.Header().Get("Vary") != "Origin" {
				t.Errorf("%s: %v", from, w.Header())
			}
		}
		w := s.call("OPTIONS", s.change, nil, "Origin", origin, "Access-Control-Request-Method", "POST")
		if w.Code != http.StatusNoContent || !strings.Contains(w.Header().Get("Access-Control-Allow-Methods"), "POST") || !strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), "authorization") || w.Header().Get("Access-Control-Max-Age") != "7200" {
			t.Errorf("preflight: %d %v", w.Code, w.Header())
		}
	})
}

func TestBodies(t *testing.T) {
	both(t, slog.New(slog.DiscardHandler), func(t *testing.T, s *server) {
		_, rest, _ := strings.Cut(s.body, ",")
		name, _, _ := strings.Cut(s.body, ":")
		other := name + ":7," + rest // the first member is a string
		for _, x := range []struct {
			name, body string
			status     int
			kind       string
		}{
			{"empty", "", 400, "bad-request"},
			{"no JSON", `{"a":`, 400, "bad-request"},
			{"a list", `[]`, 400, "bad-request"},
			{"not UTF-8", "{\"a\":\"\xff\"}", 400, "bad-request"},
			{"a name twice", `{"a":1,"a":1}`, 400, "bad-request"},
			{"too deep", strings.Repeat(`{"x":`, 17) + "1" + strings.Repeat("}", 17), 400, "bad-request"},
			{"too large", strings.Repeat(" ", wire.MaxBody+1), 413, "bad-request"},
			{"another type", other, 400, "constraint-violation"},
			{"another type, and no JSON", strings.TrimSuffix(other, "}"), 400, "bad-request"},
		} {
			w := s.call("POST", s.change, strings.NewReader(x.body))
			if p := refused(t, w, x.status, x.kind); x.kind == "constraint-violation" && len(p.Violations) != 1 {
				t.Errorf("%s: %s", x.name, w.Body)
			}
		}
	})
}

// A body that comes byte by byte is waited for so long, and then refused.
func TestSlowBody(t *testing.T) {
	both(t, slog.New(slog.DiscardHandler), func(t *testing.T, s *server) {
		t.Parallel()
		real := httptest.NewServer(s.handler)
		defer real.Close()
		conn, err := net.Dial("tcp", real.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		begun := time.Now()
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n", s.change)
		for name := range s.header {
			fmt.Fprintf(conn, "%s: %s\r\n", name, s.header.Get(name))
		}
		fmt.Fprint(conn, "\r\n")
		go func() { // ends with the connection
			for err := error(nil); err == nil; {
				_, err = io.WriteString(conn, " ")
				<-time.After(20 * time.Millisecond)
			}
		}()
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if took := time.Since(begun); err != nil || res.StatusCode != http.StatusBadRequest || !res.Close || took < httpapi.BodyTime || took > httpapi.BodyTime+5*time.Second {
			t.Errorf("%v, %v after %v", res, err, took)
		}
	})
}

func TestRateLimit(t *testing.T) {
	both(t, slog.New(slog.DiscardHandler), func(t *testing.T, s *server) {
		for range 40 {
			if w := s.call("GET", s.page, nil); w.Code != http.StatusOK {
				refused(t, w, http.StatusTooManyRequests, "too-many-requests")
				if retryAfter(w) != 1 {
					t.Errorf("answered %v", w.Header())
				}
				return
			}
		}
		t.Error("no call was refused")
	})
}

func TestGoingAway(t *testing.T) {
	both(t, slog.New(slog.DiscardHandler), func(t *testing.T, s *server) {
		stop(t, s.close)
		w := s.call("GET", s.page, nil)
		refused(t, w, http.StatusServiceUnavailable, "server-error")
		if retryAfter(w) != 1 || w.Header().Get("Connection") != "close" {
			t.Errorf("answered %v", w.Header())
		}
	})
}
