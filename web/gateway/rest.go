package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
	"openchat/web/store"
)

// routes is the table of all calls.
func (g *Gateway) routes() http.Handler {
	mux := http.NewServeMux()
	base, sessions, engagements := wire.BasePath, wire.BasePath+wire.SessionsPath, wire.BasePath+wire.EngagementsPath
	mux.Handle("POST "+sessions, g.customer(g.createSession))
	mux.Handle("GET "+sessions+"/{id}", g.customer(g.getSession))
	mux.Handle("DELETE "+sessions+"/{id}", g.customer(g.endSession))
	mux.Handle("GET "+engagements, g.customer(g.listEngagements))
	mux.Handle("POST "+engagements, g.customer(g.createEngagement))
	mux.Handle("POST "+engagements+"/{action}", g.customer(g.act))
	mux.Handle("POST "+engagements+"/{id}"+wire.MessagesPath, g.customer(g.send))
	mux.Handle("GET "+engagements+"/{id}"+wire.MessagesPath, g.customer(g.page))
	mux.Handle("GET "+sessions+"/{id}"+wire.EventsPath, g.api.CORS(http.HandlerFunc(g.stream)))
	mux.Handle("OPTIONS "+base+"/", g.api.CORS(http.HandlerFunc(g.api.Preflight)))
	mux.Handle("POST "+base+"/accounts/{account}/tokens", g.server(httpapi.CallTime, "mint", g.mintForServer))
	none := g.api.CORS(g.api.Handle(func(*http.Request) (httpapi.Answer, error) { return httpapi.Answer{}, noSuchCall() }))
	export, erase := g.server(exportTime, "export", g.exportCustomer), g.server(httpapi.CallTime, "erase", g.eraseCustomer)
	customers := base + "/accounts/{account}/customers/"
	mux.Handle("GET "+customers+"{customer}/export", export)
	mux.Handle("GET "+customers+"{rest...}", ofCustomerSlash("/export", export, none))
	mux.Handle("DELETE "+customers+"{customer}", erase)
	mux.Handle("DELETE "+customers+"{rest...}", ofCustomerSlash("", erase, none))
	if g.cfg.EnableGetJWT {
		mux.Handle("POST /v1/getJWT", g.api.CORS(g.api.Handle(g.getJWT)))
		mux.Handle("OPTIONS /v1/getJWT", g.api.CORS(http.HandlerFunc(g.api.Preflight)))
	}
	mux.Handle("GET /healthz", g.api.Handle(g.health))
	mux.Handle("GET /readyz", g.api.Handle(g.health))
	mux.Handle("/", none)
	return httpapi.Uncached(mux)
}

// ofCustomerSlash has call answer where the customer's id is "/", which http.ServeMux takes for the
// end of the path and no {customer} matches, and none where it is not. The {rest...} of the pattern
// is then that id and suffix.
func ofCustomerSlash(suffix string, call, none http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("rest") != "/"+suffix {
			none.ServeHTTP(w, r)
			return
		}
		r.SetPathValue("customer", "/")
		call.ServeHTTP(w, r)
	})
}

// customer admits calls with a customer's token, at their rate and so many at once. A customer
// who goes on while refused is answered late.
func (g *Gateway) customer(next httpapi.Call) http.Handler {
	return g.api.CORS(g.api.Handle(func(r *http.Request) (httpapi.Answer, error) {
		c, err := g.access.Load().tokens.verify(r.Context(), httpapi.Bearer(r), r.Header.Get(wire.HeaderAppkey))
		if err != nil {
			if tooMany := g.noteRefusal(httpapi.Address(r, g.cfg.BehindProxy), r.Header.Get("Origin"), err); tooMany != nil {
				return httpapi.Answer{}, tooMany
			}
			return httpapi.Answer{}, tokenProblem(err)
		}
		key := customerKey(c.Customer)
		if err := g.limits.Count("customer " + key); err != nil {
			return httpapi.Answer{}, g.holdback.Wait(r.Context(), key, err)
		}
		turn, end, err := g.quotas.call(c.Customer)
		if err != nil {
			return httpapi.Answer{}, g.holdback.Wait(r.Context(), key, err)
		}
		httpapi.AfterAnswer(r, end)
		call := r.WithContext(context.WithValue(g.api.Trace(r.Context(), c.Account), callerKey{}, c))
		defer func() { r.Pattern = call.Pattern }()
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		case <-r.Context().Done():
			return httpapi.Answer{}, fmt.Errorf("%w: calls of the same customer: %w", store.ErrBusy, r.Context().Err())
		}
		answer, err := next(call)
		g.limits.Charge("customer "+key, len(answer.Body)/bytesPerCall)
		return answer, err
	}))
}

// bytesPerCall is how much of an answer a call pays for. A longer one counts as several.
const bytesPerCall = 32 << 10

// server admits calls with a server credential of the path's account. They are not for
// browsers, so a page's call is refused whatever its origin. within bounds the call;
// action is its name in the audit log.
func (g *Gateway) server(within time.Duration, action string, next httpapi.Call) http.Handler {
	return g.api.HandleWithin(within, func(r *http.Request) (httpapi.Answer, error) {
		a := g.access.Load()
		if len(a.servers) == 0 {
			return httpapi.Answer{}, noSuchCall()
		}
		if r.Header.Get("Origin") != "" {
			return httpapi.Answer{}, httpapi.Refuse(http.StatusForbidden, wire.ProblemForbidden, "This call is not for browsers.")
		}
		if err := g.guesses.Blocked(r); err != nil {
			return httpapi.Answer{}, err
		}
		accounts, known := a.find(httpapi.Bearer(r))
		if known {
			g.guesses.Succeeded(r)
		} else if err := g.guesses.Failed(r, "for a server: a wrong credential"); err != nil {
			return httpapi.Answer{}, err
		}
		if !known {
			return httpapi.Answer{}, httpapi.Refuse(http.StatusUnauthorized, wire.ProblemUnauthorized, "This needs the server credential.")
		}
		e := httpapi.Audited{
			Actor: "server:" + accounts.String(), Action: action, Account: r.PathValue("account"), Customer: r.PathValue("customer"),
			Address: httpapi.Address(r, g.cfg.BehindProxy),
		}
		if !accounts.Has(r.PathValue("account")) {
			// Whether the account is served here is not for who may not ask for it.
			err := httpapi.Refuse(http.StatusForbidden, wire.ProblemForbidden, "The server credential is not for this account.")
			return httpapi.Answer{}, g.noteCall(e, err)
		}
		answer, err := next(r.WithContext(context.WithValue(g.api.Trace(r.Context(), e.Account), auditedKey{}, &e)))
		if err != nil || answer.Lines == nil {
			if err == nil && answer.Status == http.StatusAccepted {
				e.Outcome = "incomplete"
			}
			return answer, g.noteCall(e, err)
		}
		lines := answer.Lines
		answer.Lines = func(write func([]byte) error) error { return g.noteCall(e, lines(write)) }
		return answer, nil
	})
}

// auditedKey is the key of a call's entry for the audit log, in its context.
type auditedKey struct{}

// noteCall notes a call in the audit log and returns err.
func (g *Gateway) noteCall(e httpapi.Audited, err error) error {
	e.Account, e.Customer = e.Account[:min(len(e.Account), maxShown)], e.Customer[:min(len(e.Customer), 4*store.MaxCustomerID)]
	if e.Outcome == "" || err != nil {
		e.Outcome = httpapi.OutcomeOf(err)
	}
	g.cfg.Audit.Note(e)
	return err
}

func (g *Gateway) createSession(r *http.Request) (httpapi.Answer, error) {
	c := callerOf(r.Context())
	in, err := httpapi.Decode(r, wire.DecodeCreateSession)
	if err != nil {
		return httpapi.Answer{}, err
	}
	if in.IntegrationID == "" {
		return httpapi.Answer{}, httpapi.Missing("integrationId")
	}
	if !strings.EqualFold(in.IntegrationID, c.IntegrationID) {
		return httpapi.Answer{}, notFound("integrationId")
	}
	if err := checkSession(&in); err != nil {
		return httpapi.Answer{}, err
	}
	name := c.Name
	if name == "" {
		name = httpapi.CustomerName(in.DisplayName)
	}
	paid, err := g.quotas.chargeSession(c.Customer, bytesOf(in.SessionParameters, name, in.CorrelationID))
	if err != nil {
		// A repeat answers as the first did.
		if s, found := g.store.Session(r.Context(), c.Customer, store.SessionID(c.Customer, c.IntegrationID, in.CorrelationID)); found == nil && in.CorrelationID != "" {
			return httpapi.Answer{Status: http.StatusOK, Body: s.Session.Append(nil)}, nil
		}
		return httpapi.Answer{}, err
	}
	s, created, err := g.store.CreateSession(r.Context(), c.Customer, c.IntegrationID, name, in.SessionParameters, in.CorrelationID)
	if !created {
		paid.refund()
	}
	if err != nil {
		return httpapi.Answer{}, err
	}
	if created {
		g.cfg.Metrics.SessionCreated()
		g.log.Info("session created", "account", c.Account, "sessionId", s.SessionID)
	}
	return httpapi.Answer{Status: httpapi.StatusOf(created), Body: s.Session.Append(nil)}, nil
}

func (g *Gateway) getSession(r *http.Request) (httpapi.Answer, error) {
	s, err := g.session(r.Context(), r.PathValue("id"))
	if err != nil {
		return httpapi.Answer{}, err
	}
	return httpapi.Answer{Status: http.StatusOK, Body: s.Session.Append(nil)}, nil
}

func (g *Gateway) endSession(r *http.Request) (httpapi.Answer, error) {
	reason := wire.Reason(r.URL.Query().Get(wire.FieldReason))
	if err := checkReason(&reason); err != nil {
		return httpapi.Answer{}, err
	}
	s, err := g.session(r.Context(), r.PathValue("id"))
	var p *httpapi.Problem
	if errors.As(err, &p) {
		return httpapi.Answer{Status: http.StatusNoContent}, nil
	}
	if err == nil {
		err = g.store.EndSession(r.Context(), s.Customer, s.SessionID, reason)
	}
	if err != nil {
		return httpapi.Answer{}, err
	}
	g.cfg.Metrics.SessionEnded()
	g.log.Info("session ended", "account", s.Customer.Account, "sessionId", s.SessionID, "reason", string(reason))
	return httpapi.Answer{Status: http.StatusNoContent}, nil
}

func (g *Gateway) listEngagements(r *http.Request) (httpapi.Answer, error) {
	id := r.URL.Query().Get(wire.FieldSessionID)
	if id == "" {
		return httpapi.Answer{}, httpapi.Missing(wire.FieldSessionID)
	}
	s, err := g.session(r.Context(), id)
	if err != nil {
		return httpapi.Answer{}, err
	}
	ongoing, err := g.store.Engagements(r.Context(), s.Customer)
	if err != nil {
		return httpapi.Answer{}, err
	}
	list := make([]wire.Engagement, 0, len(ongoing))
	for i := range ongoing {
		e := &ongoing[i]
		if e.IntegrationID != s.IntegrationID {
			continue
		}
		newest, err := g.store.NewestIndex(r.Context(), s.Customer, e.EngagementID)
		if err != nil {
			return httpapi.Answer{}, err
		}
		list = append(list, e.View(s.SessionID, newest))
	}
	return httpapi.Answer{Status: http.StatusOK, Body: wire.AppendEngagements(nil, list)}, nil
}

func (g *Gateway) createEngagement(r *http.Request) (httpapi.Answer, error) {
	in, err := httpapi.Decode(r, wire.DecodeCreateEngagement)
	if err != nil {
		return httpapi.Answer{}, err
	}
	if in.SessionID == "" {
		return httpapi.Answer{}, httpapi.Missing(wire.FieldSessionID)
	}
	if err := httpapi.Parameters("engagementParameters", in.EngagementParameters); err != nil {
		return httpapi.Answer{}, err
	}
	if err := httpapi.CorrelationID(in.CorrelationID); err != nil {
		return httpapi.Answer{}, err
	}
	s, err := g.session(r.Context(), in.SessionID)
	if err != nil {
		return httpapi.Answer{}, err
	}
	paid, done, err := g.quotas.chargeChat(r.Context(), s.Customer, bytesOf(in.EngagementParameters, s.DisplayName, in.CorrelationID))
	if err != nil {
		// A repeat answers as the first did.
		if e, found := g.store.Engagement(r.Context(), s.Customer, store.EngagementID(s.Customer, s.IntegrationID, in.CorrelationID)); found == nil && in.CorrelationID != "" {
			return g.view(r.Context(), http.StatusOK, &e, s)
		}
		return httpapi.Answer{}, err
	}
	defer done()
	e, created, err := g.store.CreateEngagement(r.Context(), s, in.EngagementParameters, in.CorrelationID)
	if !created {
		paid.refund()
	}
	if err != nil {
		return httpapi.Answer{}, err
	}
	if created {
		g.cfg.Metrics.ChatCreated()
		g.log.Info("engagement created", "account", s.Customer.Account, "sessionId", s.SessionID, "engagementId", e.EngagementID)
	}
	return g.view(r.Context(), httpapi.StatusOf(created), &e, s)
}

// act is :join and :disconnect, whose verb is a part of the last path segment.
func (g *Gateway) act(r *http.Request) (httpapi.Answer, error) {
	id, verb, _ := strings.Cut(r.PathValue("action"), ":")
	if verb != wire.JoinVerb && verb != wire.DisconnectVerb {
		return httpapi.Answer{}, noSuchCall()
	}
	r.Pattern = "POST " + wire.BasePath + wire.EngagementsPath + "/{id}:" + verb
	in, err := httpapi.Decode(r, wire.DecodeEngagementCall)
	if err != nil {
		return httpapi.Answer{}, err
	}
	if err := httpapi.CorrelationID(in.CorrelationID); err != nil {
		return httpapi.Answer{}, err
	}
	if verb == wire.DisconnectVerb {
		if err := checkReason(&in.Reason); err != nil {
			return httpapi.Answer{}, err
		}
	}
	s, e, err := g.both(r.Context(), in.SessionID, id, in.DialogID)
	if err != nil {
		return httpapi.Answer{}, err
	}
	change := join
	if verb == wire.DisconnectVerb {
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
		return httpapi.Answer{}, err
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

func (g *Gateway) send(r *http.Request) (httpapi.Answer, error) {
	in, err := httpapi.Decode(r, wire.DecodeSendMessage)
	if err != nil {
		return httpapi.Answer{}, err
	}
	if err := checkMessage(&in); err != nil {
		return httpapi.Answer{}, err
	}
	s, e, err := g.both(r.Context(), in.SessionID, r.PathValue("id"), in.DialogID)
	if err != nil {
		return httpapi.Answer{}, err
	}
	if e.Ended() || !e.In(s.SessionID) {
		refusal := notIn()
		if e.Ended() {
			refusal = hasEnded()
		}
		m, err := g.store.Sent(r.Context(), s.Customer, e.EngagementID, s.ParticipantID, in.CorrelationID)
		return httpapi.AnswerRepeat(m, err, refusal)
	}
	sender := e.CustomerMember().Participant
	paid, err := g.quotas.chargeBytes(s.Customer, bytesOf(nil, in.Body.Text, sender.DisplayName, in.CorrelationID))
	if err != nil {
		// A repeat answers as the first did.
		if m, found := g.store.Sent(r.Context(), s.Customer, e.EngagementID, s.ParticipantID, in.CorrelationID); found == nil {
			return httpapi.Answer{Status: http.StatusOK, Body: m.Append(nil)}, nil
		}
		return httpapi.Answer{}, err
	}
	m, created, err := g.store.Append(r.Context(), s.Customer, e.EngagementID, store.NewMessage{
		Sender:          sender,
		SessionID:       s.SessionID,
		Engagement:      e,
		Body:            in.Body,
		ParentMessageID: in.ParentMessageID,
		CorrelationID:   in.CorrelationID,
	})
	if !created {
		paid.refund()
	}
	if errors.Is(err, store.ErrEnded) { // since it was read
		return httpapi.Answer{}, hasEnded()
	}
	if err != nil {
		return httpapi.Answer{}, err
	}
	return httpapi.Answer{Status: httpapi.StatusOf(created), Body: m.Append(nil)}, nil
}

func (g *Gateway) page(r *http.Request) (httpapi.Answer, error) {
	c := callerOf(r.Context())
	e, err := g.engagement(r.Context(), c, r.PathValue("id"))
	if err != nil {
		return httpapi.Answer{}, err
	}
	query := r.URL.Query()
	if err := checkDialog(query.Get(wire.FieldDialogID), e); err != nil {
		return httpapi.Answer{}, err
	}
	q, err := httpapi.Page(query)
	if err != nil {
		return httpapi.Answer{}, err
	}
	p, err := g.store.Page(r.Context(), c.Customer, e.EngagementID, q)
	if err != nil {
		return httpapi.Answer{}, err
	}
	return httpapi.Answer{Status: http.StatusOK, Body: p.Append(nil)}, nil
}

func (g *Gateway) health(r *http.Request) (httpapi.Answer, error) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := g.store.Healthy(ctx); err != nil {
		g.unhealthy.Count(err.Error())
		return httpapi.Answer{}, httpapi.Refuse(http.StatusServiceUnavailable, wire.ProblemServerError, "The store does not answer, or takes no changes.")
	}
	return httpapi.Answer{Status: http.StatusOK, Body: []byte(`{"status":"ok"}`)}, nil
}

// tokenRequest is the body of the two calls that mint. It is read as strictly as bodies are that
// wire decodes: two ids that are not UTF-8 would be the same customer.
type tokenRequest struct {
	CustomerID    string           `json:"customerId"`
	IntegrationID string           `json:"integrationId"`
	CustomerName  string           `json:"customerName"`
	Identifiers   map[string]texts `json:"customerIdentifiers"`
	Verified      bool             `json:"verifiedCustomer"`
	TTL           *float64         `json:"ttl"` // minutes
}

// check refuses what is missing or out of bounds.
func (in *tokenRequest) check() error {
	if in.CustomerID == "" {
		return httpapi.Missing("customerId")
	}
	if store.CheckCustomerID(in.CustomerID) != nil {
		return httpapi.Invalid("customerId", "must have "+httpapi.Between(1, store.MaxCustomerID)+" characters", wire.ViolationLength)
	}
	if v := checkIdentifiers(in.Identifiers); v != nil {
		return httpapi.Invalid(v.Field, v.Message, v.Code)
	}
	if len(in.CustomerName) >= maxToken {
		return tooLongForAToken("customerName")
	}
	return nil
}

// tooLongForAToken refuses a field of which a token would be longer than is looked at.
func tooLongForAToken(field string) error {
	return httpapi.Invalid(field, "must be shorter: a token has at most "+strconv.Itoa(maxToken)+" bytes", wire.ViolationLength)
}

// Bounds of how long a token of the tokens call holds, which gives MinTTL unless asked
// for more. Those of POST /v1/getJWT hold for MaxTTL at most.
const (
	MinTTL = 15 * time.Minute
	MaxTTL = 60 * time.Minute
)

// mint answers with a token for the body's customer.
func (g *Gateway) mint(r *http.Request, signer *Signer, admit func(*tokenRequest) (Tenant, time.Duration, error)) (token string, t Tenant, err error) {
	in, err := httpapi.Decode(r, httpapi.Unmarshal[tokenRequest])
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
	token, err = signer.Mint(Claims{
		CustomerID: in.CustomerID, Account: t.Account, IntegrationID: t.IntegrationID,
		// As it is read from any token, so that the token says of the customer what is shown.
		CustomerName: httpapi.CustomerName(in.CustomerName), Identifiers: lists(in.Identifiers), Verified: in.Verified,
		TTL: ttl,
	})
	if err != nil {
		// Nothing but the length of what the caller gave can be wrong here, and all else has a bound.
		return "", t, tooLongForAToken("customerIdentifiers")
	}
	g.log.Info("token minted", "account", t.Account, "integrationId", t.IntegrationID)
	return token, t, nil
}

func (g *Gateway) mintForServer(r *http.Request) (httpapi.Answer, error) {
	a := g.access.Load()
	if a.signer == nil {
		return httpapi.Answer{}, httpapi.Refuse(http.StatusNotFound, wire.ProblemNotFound, "This gateway mints no tokens.")
	}
	token, _, err := g.mint(r, a.signer, func(in *tokenRequest) (Tenant, time.Duration, error) {
		if e, ok := r.Context().Value(auditedKey{}).(*httpapi.Audited); ok {
			e.Customer = in.CustomerID
		}
		if in.IntegrationID == "" {
			return Tenant{}, 0, httpapi.Missing("integrationId")
		}
		for _, t := range a.tenants {
			if t.Account == r.PathValue("account") && strings.EqualFold(t.IntegrationID, in.IntegrationID) {
				if err := a.tokens.admit(t.Account, t.IntegrationID, r.Header.Get(wire.HeaderAppkey)); err != nil {
					return t, 0, appkeyProblem(err)
				}
				if a.tokens.deny.hasCustomer(store.Customer{Account: t.Account, ID: in.CustomerID}) {
					return t, 0, httpapi.Refuse(http.StatusForbidden, wire.ProblemForbidden, "This customer is on the deny-list.",
						wire.Violation{Field: "customerId", Message: "is on the deny-list", Code: wire.ViolationState})
				}
				ttl := MinTTL
				if in.TTL != nil {
					if !(*in.TTL >= MinTTL.Minutes() && *in.TTL <= MaxTTL.Minutes()) {
						return t, 0, httpapi.Invalid("ttl", "must be 15–60 minutes", wire.ViolationPattern)
					}
					ttl = time.Duration(*in.TTL * float64(time.Minute))
				}
				return t, a.tokens.bound(ttl), nil
			}
		}
		return Tenant{}, 0, httpapi.NotFound("integrationId",
			"No tenant has the account of the path together with this integrationId: compare both with the gateway's --tenant.")
	})
	if err != nil {
		return httpapi.Answer{}, err
	}
	body, err := json.Marshal(map[string]string{"jwtToken": token})
	return httpapi.Answer{Status: http.StatusCreated, Body: body}, err
}

func (g *Gateway) getJWT(r *http.Request) (httpapi.Answer, error) {
	if err := g.limits.Count("getJWT " + httpapi.Address(r, g.cfg.BehindProxy)); err != nil {
		return httpapi.Answer{}, err
	}
	a := g.access.Load()
	token, t, err := g.mint(r, a.signer, func(*tokenRequest) (Tenant, time.Duration, error) {
		return a.tenants[0], a.tokens.bound(g.cfg.GetJWTTime), nil
	})
	if err != nil {
		return httpapi.Answer{}, err
	}
	body, err := json.Marshal(map[string]string{"jwtToken": token, "appkey": t.Appkey})
	return httpapi.Answer{Status: http.StatusOK, Body: body}, err
}

// session returns the caller's active session.
func (g *Gateway) session(ctx context.Context, id string) (store.Session, error) {
	s, err := g.sessionOf(ctx, callerOf(ctx), id)
	if err == nil {
		g.api.TraceAbout(ctx, "", s.SessionID, "")
	}
	return s, err
}

func (g *Gateway) sessionOf(ctx context.Context, c *caller, id string) (store.Session, error) {
	s, err := g.store.Session(ctx, c.Customer, strings.ToLower(id))
	if errors.Is(err, store.ErrNotFound) || err == nil && s.IntegrationID != c.IntegrationID {
		return s, notFound(wire.FieldSessionID)
	}
	return s, err
}

func (g *Gateway) engagement(ctx context.Context, c *caller, id string) (*store.Engagement, error) {
	e, err := g.store.Engagement(ctx, c.Customer, strings.ToLower(id))
	if errors.Is(err, store.ErrNotFound) || err == nil && e.IntegrationID != c.IntegrationID {
		return nil, notFound("engagementId")
	}
	if err == nil {
		g.api.TraceAbout(ctx, "", "", e.EngagementID)
	}
	return &e, err
}

// both returns the session and the engagement that a call is about.
func (g *Gateway) both(ctx context.Context, sessionID, engagementID, dialogID string) (s store.Session, e *store.Engagement, err error) {
	if sessionID == "" {
		return s, nil, httpapi.Missing(wire.FieldSessionID)
	}
	if s, err = g.session(ctx, sessionID); err != nil {
		return s, nil, err
	}
	if e, err = g.engagement(ctx, callerOf(ctx), engagementID); err != nil {
		return s, nil, err
	}
	return s, e, checkDialog(dialogID, e)
}

// view answers with the engagement as the session sees it.
func (g *Gateway) view(ctx context.Context, status int, e *store.Engagement, s store.Session) (httpapi.Answer, error) {
	newest, err := g.store.NewestIndex(ctx, s.Customer, e.EngagementID)
	if err != nil {
		return httpapi.Answer{}, err
	}
	v := e.View(s.SessionID, newest)
	return httpapi.Answer{Status: status, Body: v.Append(nil)}, nil
}

func checkSession(in *wire.CreateSession) error {
	if err := httpapi.DisplayName("displayName", in.DisplayName); err != nil {
		return err
	}
	if err := httpapi.Parameters("sessionParameters", in.SessionParameters); err != nil {
		return err
	}
	return httpapi.CorrelationID(in.CorrelationID)
}

func checkReason(reason *wire.Reason) error {
	if *reason == "" {
		*reason = wire.ReasonUserClosed
	}
	if !reason.Valid() {
		return httpapi.Invalid(wire.FieldReason, "must be USER_CLOSED, USER_INACTIVE or SYSTEM_CLOSED", wire.ViolationPattern)
	}
	return nil
}

func checkDialog(dialogID string, e *store.Engagement) error {
	if dialogID == "" {
		return httpapi.Missing(wire.FieldDialogID)
	}
	if !strings.EqualFold(dialogID, e.DialogID) {
		return httpapi.Invalid(wire.FieldDialogID, "must be the engagement's", wire.ViolationPattern)
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
	switch {
	case in.Body.ElementType != wire.ElementText:
		return httpapi.Invalid("body.elementType", "must be text", wire.ViolationPattern)
	case !in.Body.TextFormat.Valid():
		return httpapi.Invalid("body.elementText.textFormat", "must be PLAINTEXT, MARKDOWN or HTML", wire.ViolationPattern)
	}
	if err := httpapi.Text("body.elementText.text", in.Body.Text); err != nil {
		return err
	}
	if in.ParentMessageID != "" {
		if err := httpapi.UUID("parentMessageId", in.ParentMessageID); err != nil {
			return err
		}
	}
	return httpapi.CorrelationID(in.CorrelationID)
}
