package desk

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
	"openchat/web/store"
)

// problem is an error that the caller is told of; every other error is a failure
// of ours, which the log is told of.
type problem struct {
	wire.Problem
	retryAfter int // seconds; 0: no such header
}

func (p *problem) Error() string { return p.Title + ": " + p.Detail }

func refuse(status int, kind, detail string, violations ...wire.Violation) *problem {
	return &problem{Problem: wire.Problem{
		Type:       "urn:openchat:problem#" + kind,
		Title:      http.StatusText(status),
		Status:     status,
		Detail:     detail,
		Violations: violations,
	}}
}

func invalid(field, message string, code int) *problem {
	return refuse(http.StatusBadRequest, wire.ProblemConstraint, field+" "+message,
		wire.Violation{Field: field, Message: message, Code: code})
}

func notFound() *problem {
	return refuse(http.StatusNotFound, wire.ProblemNotFound, "There is no such engagement, or it ended long ago.",
		wire.Violation{Field: "engagementId", Message: "names nothing", Code: wire.ViolationNotFound})
}

func conflict(field, detail string) *problem {
	return refuse(http.StatusConflict, wire.ProblemConflict, detail,
		wire.Violation{Field: field, Message: "its state forbids the call", Code: wire.ViolationState})
}

func ended() *problem { return conflict("engagementId", "The chat has ended.") }

// answer is what a call returns: a status and a JSON body.
type answer struct {
	status int
	body   []byte
}

// callTime bounds a call. The store tries a write for up to 15 s while its outcome
// is unknown.
const callTime = 25 * time.Second

func (d *Desk) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Origin")
	if !d.originAllowed(r) {
		d.fail(w, r, refuse(http.StatusForbidden, wire.ProblemForbidden, "Pages of this origin may not use the desk; see --allowed-origins."))
		return
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", "Retry-After")
	}
	if r.Method == http.MethodOptions { // may a page of an allowed origin call? yes
		h.Set("Access-Control-Allow-Methods", "GET, POST")
		h.Set("Access-Control-Allow-Headers", "authorization, content-type")
		h.Set("Access-Control-Max-Age", "7200")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, BasePath)
	if ok && path == "/events" { // authenticates by its first frame
		d.serveSocket(w, r)
		return
	}
	if secret, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); !ok || !d.authorized(secret) {
		h.Set("WWW-Authenticate", "Bearer")
		d.fail(w, r, refuse(http.StatusUnauthorized, wire.ProblemUnauthorized, "The desk credential is missing or wrong; it is the gateway's --desk-credential."))
		return
	}
	admitted, end, ok := d.drain.Call(w, r, callTime)
	if !ok {
		h.Set("Connection", "close")
		d.fail(w, r, goingAway())
		return
	}
	defer end()
	var a answer
	var err error
	select {
	case <-d.view.ready:
		a, err = d.call(w, admitted, path)
	case <-admitted.Context().Done():
		err = errors.New("the present chats could not be read in time")
	}
	if err != nil {
		if d.drain.Broken() {
			err = goingAway()
		}
		d.fail(w, r, err)
		return
	}
	h.Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // an error means that the caller has gone
}

func (d *Desk) fail(w http.ResponseWriter, r *http.Request, err error) {
	var p *problem
	if !errors.As(err, &p) {
		if r.Context().Err() == nil {
			d.log.Error("desk: a call failed", "method", r.Method, "path", r.URL.Path, "error", err)
		}
		p = refuse(http.StatusServiceUnavailable, wire.ProblemServerError, "The desk could not reach its store. The call may be repeated.")
	}
	if p.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_, _ = w.Write(p.Append(nil))
}

// authorized compares digests, so that neither content nor length of the
// credential shows in the time it takes.
func (d *Desk) authorized(credential string) bool {
	got := sha256.Sum256([]byte(credential))
	return subtle.ConstantTimeCompare(got[:], d.credential[:]) == 1
}

// originAllowed reports whether the request comes from the desk's own origin, an
// allowed one, or no browser page at all.
func (d *Desk) originAllowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || d.origins[strings.ToLower(origin)] {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host) && u.Host != ""
}

// call finds what the request asks for. path begins after BasePath.
func (d *Desk) call(w http.ResponseWriter, r *http.Request, path string) (answer, error) {
	what, ok := strings.CutPrefix(path, "/engagements")
	if !ok || what != "" && what[0] != '/' {
		return answer{}, refuse(http.StatusNotFound, wire.ProblemNotFound, "There is no such path under "+BasePath+".")
	}
	id, verb, _ := strings.Cut(strings.TrimPrefix(what, "/"), ":")
	id, messages := strings.CutSuffix(id, "/messages")
	var act func(context.Context, *store.Engagement, *body) (answer, error)
	switch {
	case what == "" || what == "/":
		return d.only(r, d.list)
	case verb == "" && !messages:
		return d.only(r, func(r *http.Request) (answer, error) { return d.one(id) })
	case verb == "" && r.Method == http.MethodGet:
		return d.only(r, func(r *http.Request) (answer, error) { return d.history(r, id) })
	case messages && verb == "":
		act = d.send
	case verb == "accept" && !messages:
		act = d.accept
	case verb == "supervise" && !messages:
		act = d.supervise
	case verb == "leave" && !messages:
		act = d.leave
	case verb == "end" && !messages:
		act = d.end
	default:
		return answer{}, refuse(http.StatusNotFound, wire.ProblemNotFound, "There is no such call; docs/desk-api.md lists them.")
	}
	if r.Method != http.MethodPost {
		return answer{}, refuse(http.StatusMethodNotAllowed, wire.ProblemBadRequest, "This call is a POST.")
	}
	b, err := d.readBody(w, r)
	if err != nil {
		return answer{}, err
	}
	e, _, ok := d.view.get(id)
	if !ok {
		return answer{}, notFound()
	}
	return act(r.Context(), &e, b)
}

// only answers a read.
func (d *Desk) only(r *http.Request, read func(*http.Request) (answer, error)) (answer, error) {
	if r.Method != http.MethodGet {
		return answer{}, refuse(http.StatusMethodNotAllowed, wire.ProblemBadRequest, "This call is a GET.")
	}
	if err := d.limit("address " + httpapi.Address(r, d.proxied)); err != nil {
		return answer{}, err
	}
	return read(r)
}

func (d *Desk) limit(key string) error {
	wait := d.limits.take(key, time.Now())
	if wait == 0 {
		return nil
	}
	p := refuse(http.StatusTooManyRequests, wire.ProblemTooMany, "Too many calls; see Retry-After.")
	p.retryAfter = int((wait + time.Second - 1) / time.Second)
	return p
}

// body is the union of all requests' members.
type body struct {
	AgentID       string `json:"agentId"`
	AgentName     string `json:"agentName"`
	Text          string `json:"text"`
	CorrelationID string `json:"correlationId"`
	TakeOver      bool   `json:"takeOver"`
}

// readBody reads and checks what all calls have in common: an agentId. The agent's
// rate is counted here.
func (d *Desk) readBody(w http.ResponseWriter, r *http.Request) (*body, error) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, wire.MaxBody))
	var tooBig *http.MaxBytesError
	switch {
	case errors.As(err, &tooBig):
		return nil, refuse(http.StatusRequestEntityTooLarge, wire.ProblemBadRequest, "The body is over 64 KiB.")
	case err != nil:
		return nil, refuse(http.StatusBadRequest, wire.ProblemBadRequest, "The body could not be read to its end.")
	}
	b, err := decodeBody(text)
	if err != nil {
		return nil, err
	}
	return b, d.limit("agent " + b.AgentID)
}

func decodeBody(text []byte) (*body, error) {
	b := &body{}
	if err := json.Unmarshal(text, b); err != nil {
		var wrong *wire.TypeError
		if errors.As(httpapi.ShapeError(text, err), &wrong) && wrong.Field != "" {
			return nil, invalid(wrong.Field, httpapi.MustBe(wrong.Want), wire.ViolationPattern)
		}
		// Not the decoder's own words: they may quote the body.
		return nil, refuse(http.StatusBadRequest, wire.ProblemBadRequest, "The body is not a JSON object in UTF-8 whose members are strings, or true or false (takeOver).")
	}
	b.AgentID = strings.ToLower(b.AgentID)
	if err := b.checkID(); err != nil {
		return nil, err
	}
	return b, nil
}

func (b *body) checkID() error {
	switch {
	case b.AgentID == "":
		return invalid("agentId", "must not be null", wire.ViolationNull)
	case !wire.IsUUID(b.AgentID):
		return invalid("agentId", "must be a UUID", wire.ViolationPattern)
	case b.AgentID == BotID, b.AgentID == SystemID:
		// Under these names the desk's own lines have their keys.
		return invalid("agentId", "belongs to another participant", wire.ViolationPattern)
	}
	return nil
}

func (b *body) checkText() error {
	switch n := wire.UTF16Len(b.Text); {
	case n == 0:
		return invalid("text", "must not be null", wire.ViolationNull)
	case n > wire.MaxText:
		return invalid("text", "must have 1 to 4096 characters", wire.ViolationLength)
	case len(b.CorrelationID) > wire.MaxCorrelationID:
		return invalid("correlationId", "must have 1 to 256 bytes", wire.ViolationLength)
	}
	return nil
}

// checkName is for the calls that let an agent in.
func (b *body) checkName() error {
	b.AgentName = strings.TrimSpace(b.AgentName)
	switch n := wire.UTF16Len(b.AgentName); {
	case n == 0:
		return invalid("agentName", "must not be null", wire.ViolationNull)
	case n > wire.MaxDisplayName:
		return invalid("agentName", "must have 1 to 70 characters", wire.ViolationLength)
	case strings.ContainsFunc(b.AgentName, unicode.IsControl):
		return invalid("agentName", "must not hold control characters", wire.ViolationPattern)
	}
	return nil
}

func (d *Desk) list(r *http.Request) (answer, error) {
	state := State(r.URL.Query().Get("state"))
	switch state {
	case "", "all":
		state = ""
	case StateWaiting, StateActive:
	default:
		return answer{}, invalid("state", "must be waiting, active or all", wire.ViolationPattern)
	}
	return answer{http.StatusOK, encode(d.view.all(state))}, nil
}

func (d *Desk) one(id string) (answer, error) {
	e, newest, ok := d.view.get(id)
	if !ok {
		return answer{}, notFound()
	}
	return answer{http.StatusOK, encode(chatOf(&e, newest))}, nil
}

func (d *Desk) history(r *http.Request, id string) (answer, error) {
	q := store.Query{Size: wire.DefaultPageSize}
	values := r.URL.Query()
	for _, p := range []struct {
		name     string
		to       *int64
		min, max int64
	}{
		{"before", &q.Before, 1, 1 << 53},
		{"after", &q.After, 0, 1 << 53},
	} {
		if s := values.Get(p.name); s != "" {
			n, err := strconv.ParseInt(s, 10, 64)
			if err != nil || n < p.min || n > p.max {
				return answer{}, invalid(p.name, "must be a messageIndex", wire.ViolationPattern)
			}
			*p.to = n
		}
	}
	if s := values.Get("pageSize"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > wire.MaxPageSize {
			return answer{}, invalid("pageSize", "must be 1 to 50", wire.ViolationPattern)
		}
		q.Size = n
	}
	switch {
	case q.Before > 0 && values.Get("after") != "":
		return answer{}, invalid("after", "must not stand beside before", wire.ViolationPattern)
	case values.Get("after") == "0": // the oldest; the store takes 0 for absent
		q.Before = int64(q.Size) + 1
	}
	e, _, ok := d.view.get(id)
	if !ok {
		return answer{}, notFound()
	}
	page, err := d.store.Page(r.Context(), e.Customer, id, q)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, page.Append(nil)}, nil
}

// result is the answer of the calls that change a chat: was is what they found, now
// what they left.
func (d *Desk) result(was, now *store.Engagement, err error) (answer, error) {
	switch {
	case errors.Is(err, store.ErrNotFound): // forgotten by the store since
		d.view.drop(was.EngagementID)
		return answer{}, notFound()
	case err != nil:
		return answer{}, err
	}
	_, newest, _ := d.view.get(now.EngagementID)
	return answer{http.StatusOK, encode(chatOf(now, newest))}, nil
}

// join lets the caller in as an agent or a supervisor and has the chat say so.
func (d *Desk) join(ctx context.Context, e *store.Engagement, b *body, as wire.ParticipantType, change func(*store.Engagement) ([]wire.Event, error)) (answer, error) {
	if err := b.checkName(); err != nil {
		return answer{}, err
	}
	now, err := d.store.Engagement(ctx, e.Customer, e.EngagementID)
	if err == nil {
		now, err = d.admit(ctx, now)
	}
	if err == nil {
		// The bot's line belongs before the agent; the router may not have come to it.
		err = d.speak(ctx, &now)
	}
	if err == nil {
		now, err = d.update(ctx, e, change)
	}
	if err == nil && as == wire.ParticipantAgent {
		err = d.speak(ctx, &now) // of a chat taken over
	}
	if err == nil {
		if m := now.Member(b.AgentID); m != nil && m.ParticipantType == as {
			err = d.announce(ctx, &now, m)
		}
	}
	return d.result(e, &now, err)
}

// maxStaff is how many agents and supervisors one chat takes.
const maxStaff = 16

// entry checks whether the agent may come in as that type; done means that it is in already.
func (b *body) entry(e *store.Engagement, as wire.ParticipantType) (done bool, err error) {
	if e.Ended() || e.Ending {
		return false, ended()
	}
	m := e.Member(b.AgentID)
	switch {
	case m == nil && len(e.Members) > maxStaff:
		return false, conflict("engagementId", "The chat is full.")
	case m == nil:
		return false, nil
	case m.ParticipantType == as:
		return true, nil
	case m.ParticipantType == wire.ParticipantSupervisor: // becomes its agent
		return false, nil
	case m.ParticipantType == wire.ParticipantAgent:
		return false, conflict("agentId", "You are this chat's agent; leave it first.")
	}
	return false, invalid("agentId", "belongs to another participant", wire.ViolationPattern)
}

// admitStaff lets the agent in and takes out who makes room for them: their own double, and for an
// agent the chat's present one and the bot.
func (d *Desk) admitStaff(e *store.Engagement, b *body, as wire.ParticipantType) []wire.Event {
	var old *store.Member // whom the new one takes the chat over from
	var out []string
	for i := range e.Members {
		m := &e.Members[i]
		switch {
		case m.ParticipantID == b.AgentID: // a supervisor who becomes the agent
			out = append(out, m.ParticipantID)
		case as == wire.ParticipantAgent && m.ParticipantType == wire.ParticipantAgent:
			copied := *m
			old = &copied
			out = append(out, m.ParticipantID)
		case d.double(m, b):
			out = append(out, m.ParticipantID)
		}
	}
	var events []wire.Event
	for _, id := range out {
		events = append(events, e.Remove(id)...)
	}
	events = append(events, e.Add(wire.Participant{ParticipantID: b.AgentID, ParticipantType: as, DisplayName: b.AgentName})...)
	m := e.Member(b.AgentID)
	m.Watched = d.present(b.AgentID)
	if old != nil {
		text := b.AgentName + " has taken over the chat from " + old.DisplayName + "."
		if b.AgentName == old.DisplayName {
			text = b.AgentName + " is back in the chat."
		}
		e.Notice = &store.Notice{Key: joinedKey(m), Text: text, At: m.JoinedAt}
	}
	return events
}

// double reports whether m is the agent of the call under an agentId that is lost: it has
// the name, and nobody sits there any more.
func (d *Desk) double(m *store.Member, b *body) bool {
	// A gateway that has just begun, or hears nobody, does not know who is absent.
	if _, certain := d.table.Since(); !certain {
		return false
	}
	return (m.ParticipantType == wire.ParticipantAgent || m.ParticipantType == wire.ParticipantSupervisor) && m.Watched &&
		m.ParticipantID != b.AgentID && m.DisplayName == b.AgentName && !d.present(m.ParticipantID)
}

func (d *Desk) accept(ctx context.Context, e *store.Engagement, b *body) (answer, error) {
	return d.join(ctx, e, b, wire.ParticipantAgent, func(e *store.Engagement) ([]wire.Event, error) {
		if done, err := b.entry(e, wire.ParticipantAgent); done || err != nil {
			return nil, err
		}
		if m := memberOf(e, wire.ParticipantAgent); m != nil && !b.TakeOver && !d.double(m, b) {
			return nil, conflict("engagementId", "Another agent has this chat.")
		}
		e.WaitingSince, e.Requeued = time.Time{}, false
		events := d.admitStaff(e, b, wire.ParticipantAgent)
		return append(events, e.Remove(BotID)...), nil
	})
}

func (d *Desk) supervise(ctx context.Context, e *store.Engagement, b *body) (answer, error) {
	return d.join(ctx, e, b, wire.ParticipantSupervisor, func(e *store.Engagement) ([]wire.Event, error) {
		if done, err := b.entry(e, wire.ParticipantSupervisor); done || err != nil {
			return nil, err
		}
		if m := memberOf(e, wire.ParticipantAgent); m != nil && d.double(m, b) {
			return nil, conflict("agentId", "This chat's agent has your name and is not connected: take the chat over.")
		}
		return d.admitStaff(e, b, wire.ParticipantSupervisor), nil
	})
}

// leave and end say their line first and then change the state: were it the other
// way round, a call that breaks off between the two could not be completed by
// repeating it, for the state no longer tells who was in.

func (d *Desk) leave(ctx context.Context, e *store.Engagement, b *body) (answer, error) {
	now, err := d.store.Engagement(ctx, e.Customer, e.EngagementID)
	if err != nil {
		return d.result(e, nil, err)
	}
	m := staff(&now, b.AgentID)
	if m == nil || now.Ended() {
		return d.result(e, &now, nil)
	}
	if err := d.say(ctx, &now, system, "left:"+m.ParticipantID+":"+stamp(m.JoinedAt), m.DisplayName+" has left the chat."); err != nil {
		return d.result(e, nil, err)
	}
	now, err = d.update(ctx, e, func(e *store.Engagement) ([]wire.Event, error) {
		if staff(e, b.AgentID) == nil {
			return nil, nil
		}
		events := e.Remove(b.AgentID)
		if !e.Ended() && !routed(e) {
			e.WaitingSince, e.Requeued = milliseconds(time.Now()), false
			events = append(events, e.Add(d.bot)...)
		}
		return events, nil
	})
	if err == nil {
		err = d.speak(ctx, &now)
	}
	return d.result(e, &now, err)
}

func (d *Desk) end(ctx context.Context, e *store.Engagement, b *body) (answer, error) {
	now, err := d.store.Engagement(ctx, e.Customer, e.EngagementID)
	if err != nil {
		return d.result(e, nil, err)
	}
	if now.Ended() {
		return d.result(e, &now, nil)
	}
	m := staff(&now, b.AgentID)
	if m == nil {
		return answer{}, outside()
	}
	if err := d.say(ctx, &now, system, "ended:"+m.ParticipantID+":"+stamp(m.JoinedAt), m.DisplayName+" has ended the chat."); err != nil {
		return d.result(e, nil, err)
	}
	now, err = d.update(ctx, e, func(e *store.Engagement) ([]wire.Event, error) {
		return e.Terminate(), nil
	})
	return d.result(e, &now, err)
}

func outside() *problem { return conflict("agentId", "You are not in this chat; accept it first.") }

func (d *Desk) send(ctx context.Context, e *store.Engagement, b *body) (answer, error) {
	if err := b.checkText(); err != nil {
		return answer{}, err
	}
	now, err := d.store.Engagement(ctx, e.Customer, e.EngagementID)
	if err != nil {
		return d.result(e, nil, err)
	}
	m := staff(&now, b.AgentID)
	if m == nil || now.Ended() {
		// A repeat is answered as the first call was, whatever has happened since.
		stored, err := d.store.Sent(ctx, now.Customer, now.EngagementID, b.AgentID, b.CorrelationID)
		switch {
		case err == nil:
			return answer{http.StatusOK, stored.Append(nil)}, nil
		case !errors.Is(err, store.ErrNotFound):
			return answer{}, err
		case now.Ended():
			return answer{}, ended()
		}
		return answer{}, outside()
	}
	stored, created, err := d.store.Append(ctx, now.Customer, now.EngagementID, store.NewMessage{
		Sender:        m.Participant,
		Engagement:    &now,
		Body:          wire.Body{ElementType: wire.ElementText, Text: b.Text, TextFormat: wire.TextPlain},
		CorrelationID: or(b.CorrelationID, uuid.NewString()),
	})
	if err != nil {
		return d.result(e, nil, err)
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return answer{status, stored.Append(nil)}, nil
}
