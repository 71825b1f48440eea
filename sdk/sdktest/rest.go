package sdktest

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"openchat/sdk"
	"openchat/sdk/wire"
)

// transport is the platform as a client reaches it.
type transport struct{ p *Platform }

// Transport returns the way to the platform. Any host URL leads to it.
func (p *Platform) Transport() sdk.Transport { return transport{p} }

// Do implements sdk.Transport.
func (t transport) Do(ctx context.Context, r sdk.Request) (sdk.Response, error) {
	p := t.p
	path, query, err := split(r.URL)
	if err != nil {
		return sdk.Response{}, err
	}

	p.mu.Lock()
	call := &Call{
		N: len(p.calls) + 1, At: time.Now(), Method: r.Method, Path: path, Query: query, Body: string(r.Body),
		Header: map[string]string{"Authorization": r.Authorization, wire.HeaderAppkey: r.Appkey},
	}
	p.calls = append(p.calls, call)
	x := &Exchange{Call: *call}
	hook := p.faults.onRequest
	incarnation := p.incarnation
	p.working++
	p.mu.Unlock()
	defer p.worked()

	if hook != nil {
		hook(x)
	}
	if x.hanging {
		return sdk.Response{}, p.hang(ctx)
	}
	if err := p.travel(ctx, p.o.Latency+x.delay); err != nil {
		return sdk.Response{}, err
	}
	p.mu.Lock()
	acted := p.shownTime()
	p.mu.Unlock()
	answer, err := p.arrive(call, x, r, incarnation)
	if err != nil {
		return sdk.Response{}, err
	}
	if x.hangBack {
		return sdk.Response{}, p.hang(ctx)
	}
	if err := p.travel(ctx, p.o.Latency+x.late); err != nil {
		return sdk.Response{}, err
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.incarnation != incarnation || x.isAnswerLost {
		return sdk.Response{}, ErrLost
	}
	call.Status = answer.Status
	if answer.Date.IsZero() {
		answer.Date = acted.Truncate(time.Second)
	}
	return answer, nil
}

// arrive is the moment in which a call reaches the platform.
func (p *Platform) arrive(call *Call, x *Exchange, r sdk.Request, incarnation int) (sdk.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed, p.faults.down, p.incarnation != incarnation, x.lost:
		return sdk.Response{}, ErrLost
	case x.answer != nil:
		return *x.answer, nil
	}
	call.Acted = true
	status, body := p.handle(call, r)
	return sdk.Response{Status: status, Body: body}, nil
}

// travel waits while a parcel is on its way.
func (p *Platform) travel(ctx context.Context, d time.Duration) error {
	p.mu.Lock()
	wait := time.Until(p.instant(time.Now().Add(d)))
	p.mu.Unlock()
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.done:
		return ErrLost
	}
}

func (p *Platform) hang(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.done:
		return ErrLost
	}
}

// split returns what stands below the base path of a URL.
func split(rawURL string) (path string, query url.Values, err error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", nil, err
	}
	_, path, ok := strings.Cut(u.EscapedPath(), wire.BasePath)
	if !ok {
		return "", nil, fmt.Errorf("sdktest: %s is not below %s", u.Path, wire.BasePath)
	}
	return path, u.Query(), nil
}

// handler is one call being answered. A step that fails sets its answer, and the
// steps after it do nothing.
type handler struct {
	p      *Platform
	call   *Call
	who    claims
	status int
	body   []byte
}

// handle answers a call. The lock is held.
func (p *Platform) handle(call *Call, r sdk.Request) (int, []byte) {
	h := &handler{p: p, call: call}
	token, ok := strings.CutPrefix(r.Authorization, "Bearer ")
	if !ok {
		return h.refuse(401, wire.ProblemUnauthorized, "no bearer token")
	}
	var err error
	switch h.who, err = p.verify(token, r.Appkey); err {
	case nil:
	case errTokenForeign:
		return h.refuse(403, wire.ProblemForbidden, err.Error())
	case errAppkey:
		return h.refuse(403, wire.ProblemForbidden, err.Error(), wire.Violation{Field: wire.HeaderAppkey, Message: "is not this integration's"})
	default:
		return h.refuse(401, wire.ProblemUnauthorized, err.Error())
	}
	if len(r.Body) > wire.MaxBody {
		return h.refuse(413, wire.ProblemBadRequest, "body is too large")
	}

	parts := strings.Split(strings.TrimPrefix(call.Path, "/"), "/")
	verb := ""
	if len(parts) == 2 {
		parts[1], verb, _ = strings.Cut(parts[1], ":")
	}
	switch route := call.Method + " " + parts[0]; {
	case route == "POST sessions" && len(parts) == 1:
		return h.createSession(r.Body)
	case route == "GET sessions" && len(parts) == 2:
		if s := h.session(parts[1]); s != nil {
			return 200, s.Session.Append(nil)
		}
	case route == "DELETE sessions" && len(parts) == 2:
		return h.deleteSession(parts[1])
	case route == "GET engagements" && len(parts) == 1:
		return h.listEngagements()
	case route == "POST engagements" && len(parts) == 1:
		return h.createEngagement(r.Body)
	case route == "POST engagements" && verb == "join":
		return h.join(parts[1], r.Body)
	case route == "POST engagements" && verb == "disconnect":
		return h.disconnect(parts[1], r.Body)
	case route == "POST engagements" && len(parts) == 3 && parts[2] == "messages":
		return h.sendMessage(parts[1], r.Body)
	case route == "GET engagements" && len(parts) == 3 && parts[2] == "messages":
		return h.listMessages(parts[1])
	default:
		return h.refuse(404, wire.ProblemNotFound, "no such resource")
	}
	return h.status, h.body
}

func (h *handler) refuse(status int, kind, detail string, v ...wire.Violation) (int, []byte) {
	if h.status == 0 {
		h.status, h.body = status, problem(status, kind, detail, v...)
	}
	return h.status, h.body
}

func (h *handler) violate(field, message string, code int) (int, []byte) {
	return h.refuse(400, wire.ProblemConstraint, field+" "+message, wire.Violation{Field: field, Message: message, Code: code})
}

func (h *handler) missing(field string) (int, []byte) {
	return h.refuse(404, wire.ProblemNotFound, "no such thing",
		wire.Violation{Field: field, Message: "names nothing of this customer", Code: wire.ViolationNotFound})
}

func (h *handler) conflict(field, message string) (int, []byte) {
	return h.refuse(409, wire.ProblemConflict, message,
		wire.Violation{Field: field, Message: message, Code: wire.ViolationState})
}

func (h *handler) malformed(err error) (int, []byte) {
	return h.refuse(400, wire.ProblemBadRequest, err.Error())
}

// required checks fields, given as name and value.
func (h *handler) required(pairs ...string) bool {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			h.violate(pairs[i], "is missing", wire.ViolationNull)
		}
	}
	return h.status == 0
}

func (h *handler) parameters(field string, m map[string]string) bool {
	if len(m) > wire.MaxParameters {
		h.violate(field, "has too many entries", wire.ViolationLength)
	}
	for k, v := range m {
		if n := wire.UTF16Len(k); n == 0 || n > wire.MaxParameterKey || wire.UTF16Len(v) > wire.MaxParameterValue {
			h.violate(field, "has an entry out of bounds", wire.ViolationLength)
		}
	}
	return h.status == 0
}

// key returns the scoped idempotency key of a call, "" for none.
func (h *handler) key(scope, correlationID string) string {
	if len(correlationID) > wire.MaxCorrelationID {
		h.violate("correlationId", "is too long", wire.ViolationLength)
	}
	if correlationID == "" {
		return ""
	}
	return h.who.Sub + "\n" + scope + "\n" + correlationID
}

// repeated answers a call whose key was used before.
func (h *handler) repeated(key string) bool {
	if h.status != 0 {
		return true
	}
	body, ok := h.p.keys[key]
	if key == "" || !ok {
		return false
	}
	h.status, h.body = 200, body
	return true
}

// answer answers, and remembers it for a repetition.
func (h *handler) answer(key string, status int, body []byte) (int, []byte) {
	if key != "" {
		h.p.keys[key] = body
	}
	return status, body
}

// session finds an active session of the customer.
func (h *handler) session(id string) *session {
	if h.status != 0 {
		return nil
	}
	s := h.p.session(id)
	if s == nil || s.ended || s.customer != h.who.Sub {
		h.missing("sessionId")
		return nil
	}
	return s
}

func (h *handler) engagement(id string) *engagement {
	if h.status != 0 {
		return nil
	}
	e := h.p.engagement(id)
	if e == nil || e.customer != h.who.Sub {
		h.missing("engagementId")
		return nil
	}
	return e
}

func (h *handler) createSession(body []byte) (int, []byte) {
	c, err := wire.DecodeCreateSession(body)
	if err != nil {
		return h.malformed(err)
	}
	if !h.required("integrationId", c.IntegrationID) || !h.parameters("sessionParameters", c.SessionParameters) {
		return h.status, h.body
	}
	if wire.UTF16Len(c.DisplayName) > wire.MaxDisplayName {
		return h.violate("displayName", "is too long", wire.ViolationLength)
	}
	if c.IntegrationID != h.p.o.IntegrationID {
		return h.missing("integrationId")
	}
	key := h.key("session", c.CorrelationID)
	if h.repeated(key) {
		return h.status, h.body
	}
	name := h.who.CustomerName
	if name == "" {
		name = c.DisplayName
	}
	s := &session{customer: h.who.Sub, integrationID: c.IntegrationID}
	s.Session = wire.Session{
		SessionID:         h.p.newID("5e550000"),
		ParticipantID:     h.p.customerID(h.who.Sub),
		DisplayName:       name,
		SessionParameters: c.SessionParameters,
		SessionStatus:     wire.SessionActive,
		CreatedAt:         time.Now(),
		LastUpdatedAt:     time.Now(),
	}
	h.p.sessions = append(h.p.sessions, s)
	return h.answer(key, 201, s.Session.Append(nil))
}

// customerID returns the participant id of a customer, the same in all sessions.
func (p *Platform) customerID(customer string) string {
	for _, s := range p.sessions {
		if s.customer == customer {
			return s.ParticipantID
		}
	}
	return p.newID("c0570000")
}

func (h *handler) deleteSession(id string) (int, []byte) {
	reason := wire.Reason(h.call.Query.Get("reason"))
	if !reason.Valid() {
		return h.violate("reason", "is not one of the reasons", wire.ViolationPattern)
	}
	if s := h.p.session(id); s != nil && s.customer == h.who.Sub {
		h.p.endSession(s, reason)
	}
	return 204, nil
}

func (h *handler) listEngagements() (int, []byte) {
	s := h.session(h.call.Query.Get("sessionId"))
	if s == nil {
		return h.status, h.body
	}
	var list []wire.Engagement
	for _, e := range h.p.engagements {
		if e.customer == s.customer && !e.ended() {
			list = append(list, e.seenBy(s))
		}
	}
	return 200, wire.AppendEngagements(nil, list)
}

func (h *handler) createEngagement(body []byte) (int, []byte) {
	c, err := wire.DecodeCreateEngagement(body)
	if err != nil {
		return h.malformed(err)
	}
	if !h.required("sessionId", c.SessionID) || !h.parameters("engagementParameters", c.EngagementParameters) {
		return h.status, h.body
	}
	key := h.key("engagement", c.CorrelationID)
	s := h.session(c.SessionID)
	if s == nil || h.status != 0 {
		return h.status, h.body
	}
	p := h.p
	if id := p.created[key]; key != "" && id != "" {
		w := p.engagement(id).seenBy(s) // as it is by now
		return 200, w.Append(nil)
	}
	p.seq++
	e := &engagement{
		customer: s.customer, customerName: s.DisplayName, parameters: c.EngagementParameters,
		creator: s, correlationID: c.CorrelationID, in: map[string]bool{},
		Engagement: wire.Engagement{
			EngagementID:     p.newID("e0000000"),
			DialogID:         p.newID("d1a10000"),
			EngagementStatus: wire.EngagementPending,
			CreatedAt:        time.Now(),
			LastUpdatedAt:    time.Now(),
			EventID:          p.position(),
		},
	}
	p.engagements = append(p.engagements, e)
	if p.o.RouteDelay > 0 {
		p.after(p.o.RouteDelay, func() { p.activate(e) })
	}
	p.created[key] = e.EngagementID
	w := e.seenBy(s)
	return 201, w.Append(nil)
}

// engagementCall reads what :join and :disconnect have in common.
func (h *handler) engagementCall(id string, body []byte) (c wire.EngagementCall, e *engagement, s *session) {
	c, err := wire.DecodeEngagementCall(body)
	if err != nil {
		h.malformed(err)
		return
	}
	if !h.required("sessionId", c.SessionID, "dialogId", c.DialogID) {
		return
	}
	e, s = h.engagement(id), h.session(c.SessionID)
	if h.status == 0 && c.DialogID != e.DialogID {
		h.violate("dialogId", "is not the engagement's", wire.ViolationPattern)
	}
	return
}

func (h *handler) join(id string, body []byte) (int, []byte) {
	c, e, s := h.engagementCall(id, body)
	h.key("join", c.CorrelationID)
	if h.status != 0 {
		return h.status, h.body
	}
	if e.ended() {
		return h.conflict("engagementId", "has ended")
	}
	h.p.enter(e, s, c.CorrelationID)
	w := e.seenBy(s)
	return 200, w.Append(nil)
}

func (h *handler) disconnect(id string, body []byte) (int, []byte) {
	c, e, s := h.engagementCall(id, body)
	if h.status == 0 && !c.Reason.Valid() {
		h.violate("reason", "is not one of the reasons", wire.ViolationPattern)
	}
	h.key("disconnect", c.CorrelationID)
	if h.status != 0 {
		return h.status, h.body
	}
	if !e.ended() {
		if !e.in[s.SessionID] {
			return h.conflict("sessionId", "is not in the engagement")
		}
		h.p.end(e, c.CorrelationID)
	}
	w := e.seenBy(s)
	return 200, w.Append(nil)
}

func (h *handler) sendMessage(id string, body []byte) (int, []byte) {
	c, err := wire.DecodeSendMessage(body)
	if err != nil {
		return h.malformed(err)
	}
	if !h.required("sessionId", c.SessionID, "dialogId", c.DialogID, "body", c.Body.ElementType) {
		return h.status, h.body
	}
	n := wire.UTF16Len(c.Body.Text)
	switch {
	case c.Body.ElementType != wire.ElementText:
		return h.violate("body.elementType", "is not text", wire.ViolationPattern)
	case !c.Body.TextFormat.Valid():
		return h.violate("body.elementText.textFormat", "is not one of the formats", wire.ViolationPattern)
	case n < 1 || n > wire.MaxText:
		return h.violate("body.elementText.text", "is too short or too long", wire.ViolationLength)
	case c.ParentMessageID != "" && !wire.IsUUID(c.ParentMessageID):
		return h.violate("parentMessageId", "is not a UUID", wire.ViolationPattern)
	}
	key := h.key("message "+id, c.CorrelationID)
	if h.repeated(key) {
		return h.status, h.body
	}
	e, s := h.engagement(id), h.session(c.SessionID)
	switch {
	case h.status != 0:
		return h.status, h.body
	case c.DialogID != e.DialogID:
		return h.violate("dialogId", "is not the engagement's", wire.ViolationPattern)
	case e.ended():
		return h.conflict("engagementId", "has ended")
	case !e.in[s.SessionID]:
		return h.conflict("sessionId", "is not in the engagement")
	}
	customer := wire.Participant{
		ParticipantID: s.ParticipantID, ParticipantType: wire.ParticipantCustomer, DisplayName: e.customerName,
	}
	m := h.p.say(e, customer, wire.Message{
		Body: c.Body, SessionID: s.SessionID, CorrelationID: c.CorrelationID, ParentMessageID: c.ParentMessageID,
	})
	return h.answer(key, 201, m.Append(nil))
}

func (h *handler) listMessages(id string) (int, []byte) {
	e := h.engagement(id)
	if e == nil {
		return h.status, h.body
	}
	q := h.call.Query
	if d := q.Get("dialogId"); d != e.DialogID {
		return h.violate("dialogId", "is not the engagement's", wire.ViolationPattern)
	}
	number := func(name string, absent, low, high int64) int64 {
		s := q.Get(name)
		if s == "" {
			return absent
		}
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < low || n > high {
			h.violate(name, "is out of bounds", wire.ViolationPattern)
		}
		return n
	}
	const most = 1 << 53
	size := number("pageSize", wire.DefaultPageSize, 1, wire.MaxPageSize)
	before := number("before", 0, 1, most)
	after := number("after", -1, 0, most)
	if q.Has("before") && q.Has("after") {
		h.violate("before", "and after exclude each other", wire.ViolationPattern)
	}
	if h.status != 0 {
		return h.status, h.body
	}
	newest := int64(len(e.messages))
	lo, hi := newest-size, newest // the messages with index lo < i ≤ hi
	switch {
	case before > 0:
		hi = min(before-1, newest)
		lo = hi - size
	case after >= 0:
		lo = min(after, newest)
		hi = min(lo+size, newest)
	}
	lo = max(lo, 0)
	page := wire.MessagePage{
		Messages:    e.messages[lo:hi],
		NewestIndex: newest,
		HasOlder:    lo > 0,
		HasNewer:    hi < newest,
	}
	return 200, page.Append(nil)
}
