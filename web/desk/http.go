package desk

import (
	"cmp"
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
	"openchat/web/store"
)

func notFound() *httpapi.Problem {
	return httpapi.NotFound("engagementId", "There is no such engagement, or it ended long ago.")
}

func hasEnded() *httpapi.Problem { return httpapi.Conflict("engagementId", "The chat has ended.") }

// handler answers everything under BasePath.
func (d *Desk) handler() http.Handler {
	calls := d.api.Handle(d.agents(d.call))
	return httpapi.Uncached(d.api.CORS(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodOptions:
			d.api.Preflight(w, r)
		case r.URL.Path == BasePath+"/events": // authenticates by its first frame
			d.serveSocket(w, r)
		default:
			calls.ServeHTTP(w, r)
		}
	})))
}

// identify returns who sends the request's credential, or the problem of nobody's.
func (d *Desk) identify(r *http.Request, credential string) (*caller, error) {
	if err := d.guesses.Blocked(r); err != nil {
		return nil, err
	}
	who, err := d.access.Load().find(r.Context(), credential)
	if err == nil {
		d.guesses.Succeeded(r)
		return who, nil
	}
	if err := d.guesses.Failed(r, "at the desk: "+err.Error()); err != nil {
		return nil, err
	}
	return nil, httpapi.Refuse(http.StatusUnauthorized, wire.ProblemUnauthorized, "The desk credential is missing or wrong: it is a --desk-credential of the gateway, or an agent's own.")
}

// agents admits calls with a credential, once the present chats have been read.
func (d *Desk) agents(next httpapi.Call) httpapi.Call {
	return func(r *http.Request) (httpapi.Answer, error) {
		r.Pattern = BasePath + "/" // until the call is known
		who, err := d.identify(r, httpapi.Bearer(r))
		if err != nil {
			return httpapi.Answer{}, err
		}
		select {
		case <-d.view.ready:
			call := r.WithContext(context.WithValue(d.api.Trace(r.Context(), ""), callerKey{}, who))
			defer func() { r.Pattern = call.Pattern }()
			return next(call)
		case <-r.Context().Done():
			return httpapi.Answer{}, httpapi.Unavailable("The present chats could not be read in time. The call may be repeated.", time.Second)
		}
	}
}

type callerKey struct{}

// callerOf returns the caller of a request that agents has admitted.
func callerOf(r *http.Request) *caller {
	who, _ := r.Context().Value(callerKey{}).(*caller)
	return who
}

// call finds what the request asks for.
func (d *Desk) call(r *http.Request) (httpapi.Answer, error) {
	if r.URL.Path == BasePath+"/me" {
		return d.get(r, "/me", d.me)
	}
	what, ok := strings.CutPrefix(strings.TrimPrefix(r.URL.Path, BasePath), "/engagements")
	if !ok || what != "" && what[0] != '/' {
		return httpapi.Answer{}, httpapi.Refuse(http.StatusNotFound, wire.ProblemNotFound, "There is no such path under "+BasePath+".")
	}
	id, verb, _ := strings.Cut(strings.TrimPrefix(what, "/"), ":")
	id, messages := strings.CutSuffix(id, "/messages")
	var change func(context.Context, *engagement, *body) (httpapi.Answer, error)
	switch {
	case what == "" || what == "/":
		return d.get(r, "/engagements", d.list)
	case verb == "" && !messages:
		return d.get(r, "/engagements/{id}", func(r *http.Request) (httpapi.Answer, error) { return d.one(r, id) })
	case verb == "" && r.Method == http.MethodGet:
		answer, err := d.get(r, "/engagements/{id}/messages", func(r *http.Request) (httpapi.Answer, error) { return d.history(r, id) })
		d.noteCall(r, "read", id, nil, err)
		return answer, err
	case messages && verb == "":
		verb, change = "/messages", d.send
	case verb == "accept" && !messages:
		verb, change = ":accept", d.accept
	case verb == "supervise" && !messages:
		verb, change = ":supervise", d.supervise
	case verb == "leave" && !messages:
		verb, change = ":leave", d.leave
	case verb == "end" && !messages:
		verb, change = ":end", d.end
	default:
		return httpapi.Answer{}, httpapi.Refuse(http.StatusNotFound, wire.ProblemNotFound, "There is no such call; docs/desk-api.md lists them.")
	}
	r.Pattern = BasePath + "/engagements/{id}" + verb
	if r.Method != http.MethodPost {
		return httpapi.Answer{}, httpapi.Refuse(http.StatusMethodNotAllowed, wire.ProblemBadRequest, "This call is a POST.")
	}
	b, err := d.readBody(r)
	var answer httpapi.Answer
	if err == nil {
		answer, err = d.changeChat(r, id, verb, b, change)
	}
	if action, ok := strings.CutPrefix(verb, ":"); ok {
		if b != nil && b.TakeOver {
			action = "take-over"
		}
		d.noteCall(r, action, id, b, err)
	}
	return answer, err
}

// changeChat answers a call that changes a chat.
func (d *Desk) changeChat(r *http.Request, id, verb string, b *body, change func(context.Context, *engagement, *body) (httpapi.Answer, error)) (httpapi.Answer, error) {
	e, _, ok := d.view.get(callerOf(r).accounts, id)
	if !ok {
		return httpapi.Answer{}, notFound()
	}
	d.api.TraceAbout(r.Context(), e.Customer.Account, "", e.EngagementID)
	var err error
	if verb == ":supervise" {
		err = callerOf(r).supervises("agentId", "come into a chat as one")
	} else if b.TakeOver {
		err = callerOf(r).supervises("takeOver", "take a chat over")
	}
	if err != nil {
		return httpapi.Answer{}, err
	}
	return change(r.Context(), &e, b)
}

// noteCall notes a call about a chat in the audit log; b is its body, nil when it has none or
// could not be read.
func (d *Desk) noteCall(r *http.Request, action, id string, b *body, err error) {
	who := callerOf(r)
	e := httpapi.Audited{
		Actor: "desk:" + strings.Join(who.accounts.List(), "+"), Action: action,
		Address: httpapi.Address(r, d.proxied), Outcome: httpapi.OutcomeOf(err),
	}
	if who.agent != nil {
		e.Actor = "agent:" + who.agent.ID
	} else if b != nil {
		e.Agent = b.AgentID
	}
	if wire.IsUUID(id) { // else it may be any text
		e.Chat = id
	}
	if known, _, ok := d.view.get(who.accounts, id); ok {
		e.Account = known.Customer.Account
	}
	d.audit.Note(e)
	if e.Outcome == httpapi.Done {
		d.api.Metrics.Acted(action)
	}
}

// noteOwn notes in the audit log what the desk has done by itself.
func (d *Desk) noteOwn(action string, e *engagement, agentID string) {
	d.api.Metrics.Acted("gateway-" + action)
	d.audit.Note(httpapi.Audited{Actor: "gateway", Action: action, Agent: agentID, Account: e.Customer.Account, Chat: e.EngagementID, Outcome: httpapi.Done})
}

// me says who the credential is.
func (d *Desk) me(r *http.Request) (httpapi.Answer, error) {
	who := callerOf(r)
	answer := Me{Accounts: who.accounts.List()}
	if who.agent != nil {
		answer.AgentID, answer.AgentName, answer.Role = who.agent.ID, who.agent.Name, who.agent.Role
	}
	return httpapi.Answer{Status: http.StatusOK, Body: encode(answer)}, nil
}

// get answers a call that changes nothing.
func (d *Desk) get(r *http.Request, path string, answer httpapi.Call) (httpapi.Answer, error) {
	r.Pattern = BasePath + path
	if r.Method != http.MethodGet {
		return httpapi.Answer{}, httpapi.Refuse(http.StatusMethodNotAllowed, wire.ProblemBadRequest, "This call is a GET.")
	}
	if err := d.limits.Count("address " + httpapi.Address(r, d.proxied)); err != nil {
		return httpapi.Answer{}, err
	}
	return answer(r)
}

// body is the union of all requests' members.
type body struct {
	AgentID       string `json:"agentId"`
	AgentName     string `json:"agentName"`
	Text          string `json:"text"`
	CorrelationID string `json:"correlationId"`
	TakeOver      bool   `json:"takeOver"`

	signedIn bool // the agent is who the credential says
}

// readBody reads and checks what all calls have in common: an agentId. The agent's
// rate is counted here.
func (d *Desk) readBody(r *http.Request) (*body, error) {
	b, err := httpapi.Decode(r, httpapi.Unmarshal[body])
	if err != nil {
		return nil, err
	}
	who := callerOf(r)
	if err := who.speak(&b); err != nil {
		return nil, err
	}
	if err := b.checkID(); err != nil {
		return nil, err
	}
	// An agentId of other accounts' desks is another agent.
	return &b, d.limits.Count("agent " + b.AgentID + " " + strings.Join(who.accounts.List(), " "))
}

func (b *body) checkID() error {
	b.AgentID = strings.ToLower(b.AgentID)
	if err := httpapi.UUID("agentId", b.AgentID); err != nil {
		return err
	}
	if b.AgentID == BotID || b.AgentID == SystemID {
		// Under these names the desk's own lines have their keys.
		return httpapi.Invalid("agentId", "belongs to another participant", wire.ViolationPattern)
	}
	return nil
}

func (b *body) checkText() error {
	if err := httpapi.Text("text", b.Text); err != nil {
		return err
	}
	return httpapi.CorrelationID(b.CorrelationID)
}

// checkName is for the calls that let an agent in.
func (b *body) checkName() (err error) {
	b.AgentName, err = httpapi.StaffName("agentName", b.AgentName)
	return err
}

func (d *Desk) list(r *http.Request) (httpapi.Answer, error) {
	values := r.URL.Query()
	q, err := readListQuery(values)
	if err != nil {
		return httpapi.Answer{}, err
	}
	list, next := d.view.page(callerOf(r).accounts, q)
	a := httpapi.Answer{Status: http.StatusOK, Body: list}
	if next != nil {
		again := url.Values{"after": {next.String()}}
		for _, name := range []string{"state", "limit"} {
			if values.Has(name) {
				again.Set(name, values.Get(name))
			}
		}
		a.Next = "?" + again.Encode()
	}
	return a, nil
}

// readListQuery reads which chats a request asks for.
func readListQuery(values url.Values) (listQuery, error) {
	q := listQuery{state: State(values.Get("state")), limit: math.MaxInt}
	switch q.state {
	case "all":
		q.state = ""
	case "", StateWaiting, StateActive:
	default:
		return q, httpapi.Invalid("state", "must be waiting, active or all", wire.ViolationPattern)
	}
	if text := values.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n > maxListLimit || n < 1 {
			return q, httpapi.Invalid("limit", "must be a number from 1 to "+strconv.Itoa(maxListLimit), wire.ViolationPattern)
		}
		q.limit = n
	}
	if text := values.Get("after"); text != "" {
		p, err := parsePlace(text)
		if err != nil {
			return q, httpapi.Invalid("after", "must be that of a Link header of this call", wire.ViolationPattern)
		}
		q.after = &p
	}
	return q, nil
}

// maxListLimit is how many chats one call can ask for.
const maxListLimit = 1000

func (d *Desk) one(r *http.Request, id string) (httpapi.Answer, error) {
	e, newest, ok := d.view.get(callerOf(r).accounts, id)
	if !ok {
		return httpapi.Answer{}, notFound()
	}
	return httpapi.Answer{Status: http.StatusOK, Body: encode(chatOf(&e, newest))}, nil
}

func (d *Desk) history(r *http.Request, id string) (httpapi.Answer, error) {
	q, err := httpapi.Page(r.URL.Query())
	if err != nil {
		return httpapi.Answer{}, err
	}
	e, _, ok := d.view.get(callerOf(r).accounts, id)
	if !ok {
		return httpapi.Answer{}, notFound()
	}
	page, err := d.store.Page(r.Context(), e.Customer, id, q)
	if err != nil {
		return httpapi.Answer{}, err
	}
	return httpapi.Answer{Status: http.StatusOK, Body: page.Append(nil)}, nil
}

// result is the answer of the calls that change a chat: was is what they found, now
// what they left.
func (d *Desk) result(was, now *engagement, err error) (httpapi.Answer, error) {
	switch {
	case errors.Is(err, store.ErrNotFound): // forgotten by the store since
		d.view.drop(was.EngagementID)
		return httpapi.Answer{}, notFound()
	case err != nil:
		return httpapi.Answer{}, err
	}
	_, newest, _ := d.view.get(nil, now.EngagementID)
	return httpapi.Answer{Status: http.StatusOK, Body: encode(chatOf(now, newest))}, nil
}

// join lets the caller in as an agent or a supervisor and has the chat say so.
func (d *Desk) join(ctx context.Context, e *engagement, b *body, as wire.ParticipantType, change func(*engagement) ([]wire.Event, error)) (httpapi.Answer, error) {
	if err := b.checkName(); err != nil {
		return httpapi.Answer{}, err
	}
	now, err := d.load(ctx, e.Customer, e.EngagementID)
	if err == nil {
		now, err = d.admit(ctx, now)
	}
	if err == nil {
		// The bot's line belongs before the agent; the router may not have written it yet.
		err = d.writeDueLines(ctx, &now)
	}
	if err == nil {
		now, err = d.update(ctx, e, change)
	}
	if err == nil && as == wire.ParticipantAgent {
		err = d.writeDueLines(ctx, &now) // of a chat taken over
	}
	if err == nil {
		if m := now.Member(b.AgentID); m != nil && m.ParticipantType == as {
			err = d.writeJoinedLine(ctx, &now, m)
		}
	}
	return d.result(e, &now, err)
}

// maxStaff is how many agents and supervisors one chat takes.
const maxStaff = 16

// entry checks whether the agent may come in as that type; done means that it is in already.
func (b *body) entry(e *engagement, as wire.ParticipantType) (done bool, err error) {
	if e.Ended() || e.Ending {
		return false, hasEnded()
	}
	m := e.Member(b.AgentID)
	switch {
	case m == nil && len(e.Members) > maxStaff:
		return false, httpapi.Conflict("engagementId", "The chat is full.")
	case m == nil:
		return false, nil
	case m.ParticipantType == as:
		return true, nil
	case m.ParticipantType == wire.ParticipantSupervisor: // becomes its agent
		return false, nil
	case m.ParticipantType == wire.ParticipantAgent:
		return false, httpapi.Conflict("agentId", "You are this chat's agent; leave it first.")
	}
	return false, httpapi.Invalid("agentId", "belongs to another participant", wire.ViolationPattern)
}

// admitStaff lets the agent in and takes out whoever they replace: themselves, in another role or
// under an agentId that is lost, and for an agent also the chat's present agent and the bot.
func (d *Desk) admitStaff(e *engagement, b *body, as wire.ParticipantType) []wire.Event {
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
		case d.isLostSelf(e, m, b):
			out = append(out, m.ParticipantID)
		}
	}
	var events []wire.Event
	for _, id := range out {
		events = append(events, e.Remove(id)...)
	}
	events = append(events, e.Add(wire.Participant{ParticipantID: b.AgentID, ParticipantType: as, DisplayName: b.AgentName})...)
	m := e.Member(b.AgentID)
	e.setWatched(b.AgentID, d.present(e.Customer.Account, b.AgentID))
	if old != nil {
		text := b.AgentName + " has taken over the chat from " + old.DisplayName + "."
		if b.AgentName == old.DisplayName {
			text = b.AgentName + " is back in the chat."
		}
		e.Notice = &notice{Key: joinedKey(m), Text: text, At: m.JoinedAt}
	}
	return events
}

// isLostSelf reports whether m is the agent of the call under an agentId that is lost: it has
// the name, and is not connected any more. An agent who has signed in has one agentId, and may
// share the name with somebody.
func (d *Desk) isLostSelf(e *engagement, m *store.Member, b *body) bool {
	// A gateway that has just begun, or receives nothing from the others, does not know who is absent.
	if _, certain := d.table.Since(); !certain || b.signedIn {
		return false
	}
	return (m.ParticipantType == wire.ParticipantAgent || m.ParticipantType == wire.ParticipantSupervisor) && e.isWatched(m.ParticipantID) &&
		m.ParticipantID != b.AgentID && m.DisplayName == b.AgentName && !d.present(e.Customer.Account, m.ParticipantID)
}

func (d *Desk) accept(ctx context.Context, e *engagement, b *body) (httpapi.Answer, error) {
	var since time.Time
	answer, err := d.join(ctx, e, b, wire.ParticipantAgent, func(e *engagement) ([]wire.Event, error) {
		since = time.Time{} // of the last round only
		if done, err := b.entry(e, wire.ParticipantAgent); done || err != nil {
			return nil, err
		}
		if m := memberOf(e, wire.ParticipantAgent); m != nil && !b.TakeOver && !d.isLostSelf(e, m, b) {
			return nil, httpapi.Conflict("engagementId", "Another agent has this chat.")
		}
		if stateOf(e) == StateWaiting {
			since = waitingSince(e)
		}
		e.WaitingSince, e.Requeued = time.Time{}, false
		events := d.admitStaff(e, b, wire.ParticipantAgent)
		return append(events, e.Remove(BotID)...), nil
	})
	if err == nil {
		d.api.Metrics.Accepted(since)
	}
	return answer, err
}

func (d *Desk) supervise(ctx context.Context, e *engagement, b *body) (httpapi.Answer, error) {
	return d.join(ctx, e, b, wire.ParticipantSupervisor, func(e *engagement) ([]wire.Event, error) {
		if done, err := b.entry(e, wire.ParticipantSupervisor); done || err != nil {
			return nil, err
		}
		if m := memberOf(e, wire.ParticipantAgent); m != nil && d.isLostSelf(e, m, b) {
			return nil, httpapi.Conflict("agentId", "This chat's agent has your name and is not connected: take the chat over.")
		}
		return d.admitStaff(e, b, wire.ParticipantSupervisor), nil
	})
}

// leave and end say their line first and then change the state: were it the other
// way round, a call that breaks off between the two could not be completed by
// repeating it, for the state no longer says who was in.

func (d *Desk) leave(ctx context.Context, e *engagement, b *body) (httpapi.Answer, error) {
	now, err := d.load(ctx, e.Customer, e.EngagementID)
	if err != nil {
		return d.result(e, nil, err)
	}
	m := staff(&now, b.AgentID)
	if m == nil || now.Ended() {
		return d.result(e, &now, nil)
	}
	if err := d.writeLine(ctx, &now, system, "left:"+m.ParticipantID+":"+stamp(m.JoinedAt), m.DisplayName+" has left the chat."); err != nil {
		return d.result(e, nil, err)
	}
	now, err = d.update(ctx, e, func(e *engagement) ([]wire.Event, error) {
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
		err = d.writeDueLines(ctx, &now)
	}
	return d.result(e, &now, err)
}

func (d *Desk) end(ctx context.Context, e *engagement, b *body) (httpapi.Answer, error) {
	now, err := d.load(ctx, e.Customer, e.EngagementID)
	if err != nil {
		return d.result(e, nil, err)
	}
	if now.Ended() {
		return d.result(e, &now, nil)
	}
	m := staff(&now, b.AgentID)
	if m == nil {
		return httpapi.Answer{}, notInChat()
	}
	if err := d.writeLine(ctx, &now, system, "ended:"+m.ParticipantID+":"+stamp(m.JoinedAt), m.DisplayName+" has ended the chat."); err != nil {
		return d.result(e, nil, err)
	}
	now, err = d.update(ctx, e, func(e *engagement) ([]wire.Event, error) {
		return e.Terminate(), nil
	})
	return d.result(e, &now, err)
}

func notInChat() *httpapi.Problem {
	return httpapi.Conflict("agentId", "You are not in this chat; accept it first.")
}

func (d *Desk) send(ctx context.Context, e *engagement, b *body) (httpapi.Answer, error) {
	if err := b.checkText(); err != nil {
		return httpapi.Answer{}, err
	}
	now, err := d.load(ctx, e.Customer, e.EngagementID)
	if err != nil {
		return d.result(e, nil, err)
	}
	m := staff(&now, b.AgentID)
	if m == nil || now.Ended() {
		refusal := notInChat()
		if now.Ended() {
			refusal = hasEnded()
		}
		sent, err := d.store.Sent(ctx, now.Customer, now.EngagementID, b.AgentID, b.CorrelationID)
		return httpapi.AnswerRepeat(sent, err, refusal)
	}
	stored, created, err := d.store.Append(ctx, now.Customer, now.EngagementID, store.NewMessage{
		Sender:        m.Participant,
		Engagement:    &now.Engagement,
		Body:          wire.Body{ElementType: wire.ElementText, Text: b.Text, TextFormat: wire.TextPlain},
		CorrelationID: cmp.Or(b.CorrelationID, uuid.NewString()),
	})
	if errors.Is(err, store.ErrEnded) { // since it was read
		return httpapi.Answer{}, hasEnded()
	}
	if err != nil {
		return d.result(e, nil, err)
	}
	return httpapi.Answer{Status: httpapi.StatusOf(created), Body: stored.Append(nil)}, nil
}
