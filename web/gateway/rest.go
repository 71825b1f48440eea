package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
	"openchat/web/store"
)

const (
	// callTime bounds a REST call. The store tries a write for up to 15 s while its
	// outcome is unknown.
	callTime = 25 * time.Second
	// bodyTime bounds the reading of a request's body.
	bodyTime = 10 * time.Second
	// maxDepth bounds the nesting of a request's JSON.
	maxDepth = 16
)

// answer is what a call returns.
type answer struct {
	status int
	body   []byte // JSON; nil: none
}

// call is a REST call. Its errors become problems, see problemOf.
type call func(*http.Request) (answer, error)

// routes is the table of all calls.
func (g *Gateway) routes() http.Handler {
	mux := http.NewServeMux()
	base := wire.BasePath
	mux.Handle("POST "+base+"/sessions", g.customer(g.createSession))
	mux.Handle("GET "+base+"/sessions/{id}", g.customer(g.getSession))
	mux.Handle("DELETE "+base+"/sessions/{id}", g.customer(g.endSession))
	mux.Handle("GET "+base+"/engagements", g.customer(g.listEngagements))
	mux.Handle("POST "+base+"/engagements", g.customer(g.createEngagement))
	mux.Handle("POST "+base+"/engagements/{action}", g.customer(g.act))
	mux.Handle("POST "+base+"/engagements/{id}/messages", g.customer(g.send))
	mux.Handle("GET "+base+"/engagements/{id}/messages", g.customer(g.page))
	mux.Handle("GET "+base+"/sessions/{id}/events", g.origin(http.HandlerFunc(g.stream)))
	mux.Handle("OPTIONS "+base+"/", g.origin(http.HandlerFunc(preflight)))
	mux.Handle("POST "+base+"/accounts/{account}/tokens", g.server(g.mintForServer))
	if g.cfg.EnableGetJWT {
		mux.Handle("POST /v1/getJWT", g.origin(g.respond(g.getJWT)))
		mux.Handle("OPTIONS /v1/getJWT", g.origin(http.HandlerFunc(preflight)))
	}
	mux.Handle("GET /healthz", g.respond(g.health))
	mux.Handle("/", g.origin(g.respond(func(*http.Request) (answer, error) {
		return answer{}, refuse(http.StatusNotFound, wire.ProblemNotFound, "There is no such call.")
	})))
	return uncached(mux)
}

// uncached forbids caches to keep any answer, preflights and refusals too: a page's calls
// leave that to the answers, because a browser remembers no preflight of a request that
// forbids it itself.
func uncached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// origin keeps pages of other origins out, and lets those that may call read the
// answers.
func (g *Gateway) origin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		if o := r.Header.Get("Origin"); o != "" {
			if !g.allowed(r, o) {
				g.problem(w, r, refuse(http.StatusForbidden, wire.ProblemForbidden, "Pages of this origin may not call."))
				return
			}
			h.Set("Access-Control-Allow-Origin", o)
			h.Set("Access-Control-Expose-Headers", "Date, Retry-After")
		}
		next.ServeHTTP(w, r)
	})
}

func (g *Gateway) allowed(r *http.Request, origin string) bool {
	if g.origins["*"] || g.origins[strings.ToLower(origin)] {
		return true
	}
	// The gateway's own pages. The scheme is not known behind a proxy.
	_, host, _ := strings.Cut(origin, "://")
	return isOrigin(origin) && strings.EqualFold(host, r.Host)
}

func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && strings.EqualFold(u.Scheme+"://"+u.Host, s)
}

func preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
	h.Set("Access-Control-Allow-Headers", "authorization, "+wire.HeaderAppkey+", content-type")
	h.Set("Access-Control-Max-Age", "7200") // the most that Chromium takes
	w.WriteHeader(http.StatusNoContent)
}

// customer admits calls with a customer's token, at their rate.
func (g *Gateway) customer(next call) http.Handler {
	return g.origin(g.respond(func(r *http.Request) (answer, error) {
		c, err := g.tokens.verify(bearer(r), r.Header.Get(wire.HeaderAppkey))
		if err != nil {
			return answer{}, err
		}
		if err := g.limit("customer " + c.Account + " " + c.ID); err != nil {
			return answer{}, err
		}
		return next(r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
	}))
}

// server admits calls with the server credential. They are not for browsers, so a
// page's call is refused whatever its origin.
func (g *Gateway) server(next call) http.Handler {
	want := sha256.Sum256([]byte(g.cfg.ServerCredential))
	return g.respond(func(r *http.Request) (answer, error) {
		if g.cfg.ServerCredential == "" || g.cfg.Signer == nil {
			return answer{}, refuse(http.StatusNotFound, wire.ProblemNotFound, "This gateway mints no tokens.")
		}
		if r.Header.Get("Origin") != "" {
			return answer{}, refuse(http.StatusForbidden, wire.ProblemForbidden, "This call is not for browsers.")
		}
		got := sha256.Sum256([]byte(bearer(r)))
		if subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
			return answer{}, refuse(http.StatusUnauthorized, wire.ProblemUnauthorized, "This needs the server credential.")
		}
		return next(r)
	})
}

func (g *Gateway) limit(key string) error {
	if d := g.limits.wait(key); d > 0 {
		p := refuse(http.StatusTooManyRequests, wire.ProblemTooMany, "Too many calls.")
		p.retryAfter = int(math.Ceil(d.Seconds()))
		return p
	}
	return nil
}

// respond runs a call and writes its answer or problem.
func (g *Gateway) respond(next call) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		admitted, end, ok := g.drain.Call(w, r, callTime)
		if !ok {
			// The next attempt is for another process, or the next one here.
			w.Header().Set("Connection", "close")
			g.problem(w, r, goingAway())
			return
		}
		defer end()
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler {
				g.log.Error("a call panicked", "method", r.Method, "route", r.Pattern, "panic", p)
				g.problem(w, r, problemOf(nil))
			}
		}()
		a, err := next(admitted.WithContext(context.WithValue(admitted.Context(), writerKey{}, w)))
		if err != nil {
			if g.drain.Broken() {
				err = goingAway()
			}
			p := problemOf(err)
			if p.Status >= 500 && !errors.As(err, new(*problem)) && r.Context().Err() == nil {
				g.log.Error("a call failed", "method", r.Method, "route", r.Pattern, "error", err)
			}
			g.problem(w, r, p)
			return
		}
		g.write(w, a.status, "application/json", a.body)
	})
}

func (g *Gateway) problem(w http.ResponseWriter, r *http.Request, p *problem) {
	g.log.Debug("refused", "method", r.Method, "route", r.Pattern, "status", p.Status, "detail", p.Detail)
	if p.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	g.write(w, p.Status, "application/problem+json", p.Append(nil))
}

func (g *Gateway) write(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	if body != nil {
		h.Set("Content-Type", contentType)
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	// The caller may have gone; there is nobody to tell.
	_, _ = w.Write(body)
}

type writerKey struct{}

// bodyOf reads the request's body: of bounded size, in bounded time, of bounded depth.
// It is for calls that have admitted the caller, so that nobody else's is read.
func bodyOf(r *http.Request) ([]byte, error) {
	w, _ := r.Context().Value(writerKey{}).(http.ResponseWriter)
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	control := http.NewResponseController(w)
	// Not every ResponseWriter can; http.Server's can.
	_ = control.SetReadDeadline(time.Now().Add(bodyTime))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, wire.MaxBody))
	if err == nil {
		// Or it would end the call when it passes.
		_ = control.SetReadDeadline(time.Time{})
	} else {
		// The server would wait for the rest before it answers, and the deadline above
		// has taken its own away.
		w.Header().Set("Connection", "close")
	}
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		return nil, refuse(http.StatusRequestEntityTooLarge, wire.ProblemBadRequest, "The body is larger than "+strconv.Itoa(wire.MaxBody)+" bytes.")
	case err != nil:
		return nil, malformed("The body could not be read.")
	case tooDeep(body):
		return nil, malformed("The body is nested too deeply.")
	}
	return body, nil
}

// tooDeep counts brackets outside of strings. What is not JSON may be miscounted; it
// is refused in any case.
func tooDeep(text []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// decode reads the body with one of wire's Decode functions.
func decode[T any](r *http.Request, read func([]byte) (T, error)) (T, error) {
	var v T
	body, err := bodyOf(r)
	if err != nil {
		return v, err
	}
	if v, err = read(body); err != nil {
		return v, otherShape(body, err)
	}
	return v, nil
}

// otherShape refuses a body that could not be decoded: a value of another type by its
// name, and what is not JSON as that.
func otherShape(body []byte, err error) *problem {
	var wrong *wire.TypeError
	switch {
	case !errors.As(err, &wrong) || !jsontext.Value(body).IsValid():
		return malformed("The body is not the JSON that is expected: " + err.Error() + ".")
	case wrong.Field == "":
		return malformed("The body " + httpapi.MustBe(wrong.Want) + ".")
	}
	return invalid(wrong.Field, httpapi.MustBe(wrong.Want), wire.ViolationPattern)
}

func (g *Gateway) createSession(r *http.Request) (answer, error) {
	c := who(r.Context())
	in, err := decode(r, wire.DecodeCreateSession)
	if err != nil {
		return answer{}, err
	}
	if in.IntegrationID == "" {
		return answer{}, missing("integrationId")
	}
	if !strings.EqualFold(in.IntegrationID, c.IntegrationID) {
		return answer{}, notFound("integrationId")
	}
	if err := checkSession(&in); err != nil {
		return answer{}, err
	}
	name := c.Name
	if name == "" {
		name = in.DisplayName
	}
	s, created, err := g.store.CreateSession(r.Context(), c.Customer, c.IntegrationID, name, in.SessionParameters, in.CorrelationID)
	if err != nil {
		return answer{}, err
	}
	if created {
		g.log.Info("session created", "account", c.Account, "sessionId", s.SessionID)
	}
	return answer{okOr(created), s.Session.Append(nil)}, nil
}

func (g *Gateway) getSession(r *http.Request) (answer, error) {
	s, err := g.session(r.Context(), r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, s.Session.Append(nil)}, nil
}

func (g *Gateway) endSession(r *http.Request) (answer, error) {
	reason := wire.Reason(r.URL.Query().Get("reason"))
	if err := checkReason(&reason); err != nil {
		return answer{}, err
	}
	s, err := g.session(r.Context(), r.PathValue("id"))
	var p *problem
	if errors.As(err, &p) {
		return answer{http.StatusNoContent, nil}, nil
	}
	if err == nil {
		err = g.store.EndSession(r.Context(), s.Customer, s.SessionID, reason)
	}
	if err != nil {
		return answer{}, err
	}
	g.log.Info("session ended", "account", s.Customer.Account, "sessionId", s.SessionID, "reason", string(reason))
	return answer{http.StatusNoContent, nil}, nil
}

func (g *Gateway) listEngagements(r *http.Request) (answer, error) {
	id := r.URL.Query().Get("sessionId")
	if id == "" {
		return answer{}, missing("sessionId")
	}
	s, err := g.session(r.Context(), id)
	if err != nil {
		return answer{}, err
	}
	ongoing, err := g.store.Engagements(r.Context(), s.Customer)
	if err != nil {
		return answer{}, err
	}
	list := make([]wire.Engagement, 0, len(ongoing))
	for i := range ongoing {
		e := &ongoing[i]
		if e.IntegrationID != s.IntegrationID {
			continue
		}
		newest, err := g.store.NewestIndex(r.Context(), s.Customer, e.EngagementID)
		if err != nil {
			return answer{}, err
		}
		list = append(list, e.View(s.SessionID, newest))
	}
	return answer{http.StatusOK, wire.AppendEngagements(nil, list)}, nil
}

func (g *Gateway) createEngagement(r *http.Request) (answer, error) {
	in, err := decode(r, wire.DecodeCreateEngagement)
	if err != nil {
		return answer{}, err
	}
	if in.SessionID == "" {
		return answer{}, missing("sessionId")
	}
	if err := checkParameters("engagementParameters", in.EngagementParameters); err != nil {
		return answer{}, err
	}
	if err := checkKey(in.CorrelationID); err != nil {
		return answer{}, err
	}
	s, err := g.session(r.Context(), in.SessionID)
	if err != nil {
		return answer{}, err
	}
	e, created, err := g.store.CreateEngagement(r.Context(), s, in.EngagementParameters, in.CorrelationID)
	if err != nil {
		return answer{}, err
	}
	if created {
		g.log.Info("engagement created", "account", s.Customer.Account, "sessionId", s.SessionID, "engagementId", e.EngagementID)
	}
	return g.view(r.Context(), okOr(created), &e, s)
}

// act is :join and :disconnect, whose verb is a part of the last path segment.
func (g *Gateway) act(r *http.Request) (answer, error) {
	id, verb, _ := strings.Cut(r.PathValue("action"), ":")
	if verb != "join" && verb != "disconnect" {
		return answer{}, refuse(http.StatusNotFound, wire.ProblemNotFound, "There is no such call.")
	}
	in, err := decode(r, wire.DecodeEngagementCall)
	if err != nil {
		return answer{}, err
	}
	if err := checkKey(in.CorrelationID); err != nil {
		return answer{}, err
	}
	if verb == "disconnect" {
		if err := checkReason(&in.Reason); err != nil {
			return answer{}, err
		}
	}
	s, e, err := g.both(r.Context(), in.SessionID, id, in.DialogID)
	if err != nil {
		return answer{}, err
	}
	change := join
	if verb == "disconnect" {
		change = disconnect
	}
	now, err := g.store.Update(r.Context(), s.Customer, e.EngagementID, func(e *store.Engagement) ([]wire.Event, error) {
		events, err := change(e, s)
		for i := range events {
			if events[i].CorrelationID == "" {
				events[i].CorrelationID = in.CorrelationID
			}
		}
		return events, err
	})
	if err != nil {
		return answer{}, err
	}
	g.log.Info("engagement "+verb, "account", s.Customer.Account, "sessionId", s.SessionID, "engagementId", e.EngagementID)
	return g.view(r.Context(), http.StatusOK, &now, s)
}

func join(e *store.Engagement, s store.Session) ([]wire.Event, error) {
	if e.Ended() {
		return nil, hasEnded()
	}
	return e.Enter(s), nil
}

func disconnect(e *store.Engagement, s store.Session) ([]wire.Event, error) {
	if !e.Ended() && !e.In(s.SessionID) {
		return nil, notIn()
	}
	return e.Terminate(), nil
}

func (g *Gateway) send(r *http.Request) (answer, error) {
	in, err := decode(r, wire.DecodeSendMessage)
	if err != nil {
		return answer{}, err
	}
	if err := checkMessage(&in); err != nil {
		return answer{}, err
	}
	s, e, err := g.both(r.Context(), in.SessionID, r.PathValue("id"), in.DialogID)
	if err != nil {
		return answer{}, err
	}
	if e.Ended() || !e.In(s.SessionID) {
		// A repeat answers as the first did, whatever has happened since.
		m, err := g.store.Sent(r.Context(), s.Customer, e.EngagementID, s.ParticipantID, in.CorrelationID)
		switch {
		case err == nil:
			return answer{http.StatusOK, m.Append(nil)}, nil
		case !errors.Is(err, store.ErrNotFound):
			return answer{}, err
		case e.Ended():
			return answer{}, hasEnded()
		}
		return answer{}, notIn()
	}
	m, created, err := g.store.Append(r.Context(), s.Customer, e.EngagementID, store.NewMessage{
		Sender:          e.CustomerMember().Participant,
		SessionID:       s.SessionID,
		Engagement:      e,
		Body:            in.Body,
		ParentMessageID: in.ParentMessageID,
		CorrelationID:   in.CorrelationID,
	})
	if err != nil {
		return answer{}, err
	}
	return answer{okOr(created), m.Append(nil)}, nil
}

func (g *Gateway) page(r *http.Request) (answer, error) {
	c := who(r.Context())
	e, err := g.engagement(r.Context(), c, r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	query := r.URL.Query()
	if err := checkDialog(query.Get("dialogId"), e); err != nil {
		return answer{}, err
	}
	q := store.Query{Size: wire.DefaultPageSize}
	if err := number(query, "pageSize", 1, wire.MaxPageSize, func(n int64) { q.Size = int(n) }); err != nil {
		return answer{}, err
	}
	if err := number(query, "before", 1, math.MaxInt64, func(n int64) { q.Before = n }); err != nil {
		return answer{}, err
	}
	// After 0 is the beginning, which is not the same as not given.
	fromStart := false
	if err := number(query, "after", 0, math.MaxInt64, func(n int64) { q.After, fromStart = n, n == 0 }); err != nil {
		return answer{}, err
	}
	if q.Before > 0 && (q.After > 0 || fromStart) {
		return answer{}, invalid("after", "cannot be given together with before", wire.ViolationPattern)
	}
	if fromStart {
		q.Before = int64(q.Size) + 1
	}
	p, err := g.store.Page(r.Context(), c.Customer, e.EngagementID, q)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, p.Append(nil)}, nil
}

func (g *Gateway) health(r *http.Request) (answer, error) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := g.store.Healthy(ctx); err != nil {
		g.log.Error("the store is not healthy", "error", err)
		return answer{}, refuse(http.StatusServiceUnavailable, wire.ProblemServerError, "The store does not answer.")
	}
	return answer{http.StatusOK, []byte(`{"status":"ok"}`)}, nil
}

// tokenRequest is the body of the two calls that mint.
type tokenRequest struct {
	CustomerID    string           `json:"customerId"`
	IntegrationID string           `json:"integrationId"`
	CustomerName  string           `json:"customerName"`
	Identifiers   map[string]texts `json:"customerIdentifiers"`
	Verified      bool             `json:"verifiedCustomer"`
	TTL           *float64         `json:"ttl"` // minutes
}

// decodeTokenRequest is as strict about JSON as wire's decoders: two ids that are not
// UTF-8 would be the same customer.
func decodeTokenRequest(text []byte) (in tokenRequest, err error) {
	if err = json.Unmarshal(text, &in); err != nil {
		err = httpapi.ShapeError(text, err)
	}
	return in, err
}

// check refuses what is missing or out of bounds.
func (in *tokenRequest) check() error {
	if in.CustomerID == "" {
		return missing("customerId")
	}
	if utf8.RuneCountInString(in.CustomerID) > maxCustomerID {
		return invalid("customerId", "must have "+between(1, maxCustomerID)+" characters", wire.ViolationLength)
	}
	if v := checkIdentifiers(in.Identifiers); v != nil {
		return invalid(v.Field, v.Message, v.Code)
	}
	return nil
}

// longest is the field that makes a token too long.
func (in *tokenRequest) longest() string {
	n := 0
	for key, values := range in.Identifiers {
		n += len(key)
		for _, value := range values.list {
			n += len(value)
		}
	}
	if n > len(in.CustomerName) {
		return "customerIdentifiers"
	}
	return "customerName"
}

// The tokens call gives minTTL unless asked for more, up to maxTTL.
const (
	minTTL = 15 * time.Minute
	maxTTL = 60 * time.Minute
)

// mint answers with a token for the body's customer.
func (g *Gateway) mint(r *http.Request, admit func(*tokenRequest) (Tenant, time.Duration, error)) (token string, t Tenant, err error) {
	in, err := decode(r, decodeTokenRequest)
	if err != nil {
		return "", t, err
	}
	if err := in.check(); err != nil {
		return "", t, err
	}
	t, ttl, err := admit(&in)
	if err != nil {
		return "", t, err
	}
	token, err = g.cfg.Signer.Mint(Claims{
		CustomerID: in.CustomerID, Account: t.Account, IntegrationID: t.IntegrationID,
		CustomerName: in.CustomerName, Identifiers: lists(in.Identifiers), Verified: in.Verified,
		TTL: ttl,
	})
	if err != nil {
		// Nothing but the length of what the caller gave can be wrong here.
		return "", t, invalid(in.longest(), "must be shorter: a token has at most "+strconv.Itoa(maxToken)+" bytes", wire.ViolationLength)
	}
	g.log.Info("token minted", "account", t.Account, "integrationId", t.IntegrationID)
	return token, t, nil
}

func (g *Gateway) mintForServer(r *http.Request) (answer, error) {
	token, _, err := g.mint(r, func(in *tokenRequest) (Tenant, time.Duration, error) {
		for _, t := range g.cfg.Tenants {
			if t.Account == r.PathValue("account") && strings.EqualFold(t.IntegrationID, in.IntegrationID) {
				if err := g.tokens.admit(t.Account, t.IntegrationID, r.Header.Get(wire.HeaderAppkey)); err != nil {
					return t, 0, err
				}
				ttl := minTTL
				if in.TTL != nil {
					if !(*in.TTL >= minTTL.Minutes() && *in.TTL <= maxTTL.Minutes()) {
						return t, 0, invalid("ttl", "must be 15–60 minutes", wire.ViolationPattern)
					}
					ttl = time.Duration(*in.TTL * float64(time.Minute))
				}
				return t, ttl, nil
			}
		}
		return Tenant{}, 0, notFound("integrationId")
	})
	if err != nil {
		return answer{}, err
	}
	body, err := json.Marshal(map[string]string{"jwtToken": token})
	return answer{http.StatusCreated, body}, err
}

func (g *Gateway) getJWT(r *http.Request) (answer, error) {
	if err := g.limit("getJWT " + httpapi.Address(r, g.cfg.BehindProxy)); err != nil {
		return answer{}, err
	}
	token, t, err := g.mint(r, func(*tokenRequest) (Tenant, time.Duration, error) {
		return g.cfg.Tenants[0], g.cfg.GetJWTTime, nil
	})
	if err != nil {
		return answer{}, err
	}
	body, err := json.Marshal(map[string]string{"jwtToken": token, "appkey": t.Appkey})
	return answer{http.StatusOK, body}, err
}

// session returns the caller's active session.
func (g *Gateway) session(ctx context.Context, id string) (store.Session, error) {
	return g.sessionOf(ctx, who(ctx), id)
}

func (g *Gateway) sessionOf(ctx context.Context, c *caller, id string) (store.Session, error) {
	s, err := g.store.Session(ctx, c.Customer, strings.ToLower(id))
	if errors.Is(err, store.ErrNotFound) || err == nil && s.IntegrationID != c.IntegrationID {
		return s, notFound("sessionId")
	}
	return s, err
}

func (g *Gateway) engagement(ctx context.Context, c *caller, id string) (*store.Engagement, error) {
	e, err := g.store.Engagement(ctx, c.Customer, strings.ToLower(id))
	if errors.Is(err, store.ErrNotFound) || err == nil && e.IntegrationID != c.IntegrationID {
		return nil, notFound("engagementId")
	}
	return &e, err
}

// both returns the session and the engagement that a call is about.
func (g *Gateway) both(ctx context.Context, sessionID, engagementID, dialogID string) (s store.Session, e *store.Engagement, err error) {
	if sessionID == "" {
		return s, nil, missing("sessionId")
	}
	if s, err = g.session(ctx, sessionID); err != nil {
		return s, nil, err
	}
	if e, err = g.engagement(ctx, who(ctx), engagementID); err != nil {
		return s, nil, err
	}
	return s, e, checkDialog(dialogID, e)
}

// view answers with the engagement as the session sees it.
func (g *Gateway) view(ctx context.Context, status int, e *store.Engagement, s store.Session) (answer, error) {
	newest, err := g.store.NewestIndex(ctx, s.Customer, e.EngagementID)
	if err != nil {
		return answer{}, err
	}
	v := e.View(s.SessionID, newest)
	return answer{status, v.Append(nil)}, nil
}

func okOr(created bool) int {
	if created {
		return http.StatusCreated
	}
	return http.StatusOK
}

func checkKey(correlationID string) error {
	if len(correlationID) > wire.MaxCorrelationID {
		return invalid("correlationId", "must have at most "+strconv.Itoa(wire.MaxCorrelationID)+" bytes", wire.ViolationLength)
	}
	return nil
}

func checkSession(in *wire.CreateSession) error {
	if wire.UTF16Len(in.DisplayName) > wire.MaxDisplayName {
		return invalid("displayName", "must have at most "+strconv.Itoa(wire.MaxDisplayName)+" characters", wire.ViolationLength)
	}
	if err := checkParameters("sessionParameters", in.SessionParameters); err != nil {
		return err
	}
	return checkKey(in.CorrelationID)
}

func checkReason(reason *wire.Reason) error {
	if *reason == "" {
		*reason = wire.ReasonUserClosed
	}
	if !reason.Valid() {
		return invalid("reason", "must be USER_CLOSED, USER_INACTIVE or SYSTEM_CLOSED", wire.ViolationPattern)
	}
	return nil
}

func checkDialog(dialogID string, e *store.Engagement) error {
	if dialogID == "" {
		return missing("dialogId")
	}
	if !strings.EqualFold(dialogID, e.DialogID) {
		return invalid("dialogId", "must be the engagement's", wire.ViolationPattern)
	}
	return nil
}

func checkParameters(field string, m map[string]string) error {
	if len(m) > wire.MaxParameters {
		return invalid(field, "must have at most "+strconv.Itoa(wire.MaxParameters)+" entries", wire.ViolationLength)
	}
	for k, v := range m {
		if n := wire.UTF16Len(k); n < 1 || n > wire.MaxParameterKey {
			return invalid(field, "must have keys of 1–"+strconv.Itoa(wire.MaxParameterKey)+" characters", wire.ViolationLength)
		}
		if wire.UTF16Len(v) > wire.MaxParameterValue {
			return invalid(field, "must have values of at most "+strconv.Itoa(wire.MaxParameterValue)+" characters", wire.ViolationLength)
		}
	}
	return nil
}

func checkMessage(in *wire.SendMessage) error {
	if in.Body.ElementType == "" {
		in.Body.ElementType = wire.ElementText
	}
	if in.Body.TextFormat == "" {
		in.Body.TextFormat = wire.TextPlain
	}
	switch n := wire.UTF16Len(in.Body.Text); {
	case in.Body.ElementType != wire.ElementText:
		return invalid("body.elementType", "must be text", wire.ViolationPattern)
	case !in.Body.TextFormat.Valid():
		return invalid("body.elementText.textFormat", "must be PLAINTEXT, MARKDOWN or HTML", wire.ViolationPattern)
	case n == 0:
		return missing("body.elementText.text")
	case n > wire.MaxText:
		return invalid("body.elementText.text", "must have at most "+strconv.Itoa(wire.MaxText)+" characters", wire.ViolationLength)
	case in.ParentMessageID != "" && !wire.IsUUID(in.ParentMessageID):
		return invalid("parentMessageId", "must be a UUID", wire.ViolationPattern)
	}
	return checkKey(in.CorrelationID)
}

// number reads an optional query parameter.
func number(q url.Values, name string, low, high int64, set func(int64)) error {
	v := q.Get(name)
	if v == "" {
		return nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < low || n > high {
		message := "must be a number from " + strconv.FormatInt(low, 10)
		if high < math.MaxInt64 {
			message += " to " + strconv.FormatInt(high, 10)
		}
		return invalid(name, message, wire.ViolationPattern)
	}
	set(n)
	return nil
}
