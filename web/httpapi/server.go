// Package httpapi is what both HTTP servers share, the customers' (web/gateway) and the
// agents' (web/desk): a Server, which answers calls and problems (RFC 9457), recovers from
// panics and knows which pages may call; the reading of bodies; the checks of values that
// both take; rate limits; the admission and the end of WebSockets; and a stop in which
// what has begun is finished and what is new is refused.
//
//	s := &httpapi.Server{Log: log, Drain: httpapi.NewDrain(), Origins: …, …}
//	mux.Handle("POST /things", s.CORS(s.Handle(func(r *http.Request) (httpapi.Answer, error) {
//		in, err := httpapi.Decode(r, wire.DecodeThing)
//		…
//	})))
//	…
//	s.Drain.Leave()
//	err := s.Drain.Wait(ctx)
package httpapi

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"openchat/sdk/wire"
	"openchat/web/metrics"
	"openchat/web/store"
	"openchat/web/tracing"
)

// CallTime bounds a call. The store tries a write for up to 15 s while its outcome is
// unknown.
const CallTime = 25 * time.Second

const (
	// progressTime is how long a client may take nothing of its answer.
	progressTime = 10 * time.Second
	// answerTime bounds the writing of an answer, however much of it is taken.
	answerTime = 2 * time.Minute
	// pieceSize is how many bytes of an answer are written with one deadline.
	pieceSize = 16 << 10
)

// Answer is what a call returns when it succeeds.
type Answer struct {
	Status int
	Body   []byte // JSON; nil: none
	Next   string // URL of the next page, relative to the call's, for a Link header; "": there is none
	// Lines, when set, is called instead of Body: it writes lines of JSON, without their
	// line breaks, for as long as the call may take. An error of write is to be returned.
	// An error after some of it has been sent ends the connection, so that the caller
	// cannot take the part for the whole.
	Lines func(write func(line []byte) error) error
}

// StatusOf is the status of a call that stores something under a correlationId: whether this
// call has created it, or an earlier one had.
func StatusOf(created bool) int {
	if created {
		return http.StatusCreated
	}
	return http.StatusOK
}

// AnswerRepeat answers a send whose sender may not write to the chat any more, by what the
// store's Sent has returned: a repeat as the first call was, whatever has happened since, and
// everything else with refusal.
func AnswerRepeat(sent wire.Message, err error, refusal *Problem) (Answer, error) {
	switch {
	case err == nil:
		return Answer{Status: http.StatusOK, Body: sent.Append(nil)}, nil
	case errors.Is(err, store.ErrNotFound):
		return Answer{}, refusal
	}
	return Answer{}, err
}

// Call is a REST call. What it returns as error is answered as a problem; see ProblemOf.
type Call func(*http.Request) (Answer, error)

// Server answers calls: it knows which pages may call, counts the calls in and out,
// recovers what panics, and writes answers, problems and the log. All fields but Metrics and
// Traces are required.
type Server struct {
	Log     *slog.Logger
	Drain   *Drain
	Origins *Origins
	// Refused notes the pages of origins that may not call: NewOriginNotices.
	Refused *Notices
	// AllowMethods and AllowHeaders are what a page of another origin may use, as
	// Access-Control-Allow-Methods and -Headers.
	AllowMethods, AllowHeaders string
	// Metrics receives calls and refusals. Nil: nothing does.
	Metrics *metrics.Metrics
	// Traces receives the calls that Trace has been called for. Nil: nothing does.
	Traces *tracing.Tracer
}

// Logger is log, or where it is nil, one that discards everything.
func Logger(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}

// Uncached forbids caches to keep any answer, preflights and refusals too: a page's calls
// leave that to the answers, because a browser remembers no preflight of a request that
// forbids it itself.
func Uncached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// CORS refuses pages of origins that may not call, and lets those that may read the
// answers of next.
func (s *Server) CORS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		if o := r.Header.Get("Origin"); o != "" {
			if !s.Origins.allow(r, o) {
				s.Refused.Note(ShownOrigin(o), "origin", ShownOrigin(o))
				s.Refuse(w, r, Refuse(http.StatusForbidden, wire.ProblemForbidden, "Pages of this origin may not call.").Because("origin"))
				return
			}
			h.Set("Access-Control-Allow-Origin", o)
			h.Set("Access-Control-Expose-Headers", "Date, Retry-After")
		}
		next.ServeHTTP(w, r)
	})
}

// Preflight answers a browser's OPTIONS request, behind CORS.
func (s *Server) Preflight(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	h.Set("Access-Control-Allow-Methods", s.AllowMethods)
	h.Set("Access-Control-Allow-Headers", s.AllowHeaders)
	h.Set("Access-Control-Max-Age", "7200") // the most that Chromium takes
	w.WriteHeader(http.StatusNoContent)
}

// Handle runs a call and writes its answer or problem. What it logs names the route,
// which is the request's Pattern after the call: a path may hold anything.
func (s *Server) Handle(next Call) http.Handler { return s.HandleWithin(CallTime, next) }

// HandleWithin is Handle for a call that has another time than CallTime.
func (s *Server) HandleWithin(within time.Duration, next Call) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		admitted, end, ok := s.Drain.Call(w, r, within)
		if !ok {
			s.Metrics.Call(r.Method, r.Pattern, http.StatusServiceUnavailable, 0)
			s.Refuse(w, r, GoingAway())
			return
		}
		defer end()
		state := &callState{writer: w, begun: time.Now()}
		defer state.answered()
		call := admitted.WithContext(context.WithValue(admitted.Context(), callStateKey{}, state))
		observe := func(status int) {
			s.Metrics.Call(call.Method, call.Pattern, status, time.Since(state.begun))
			state.span.Answered(call.Method, call.Pattern, status)
		}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					state.span.Answered(call.Method, call.Pattern, 0)
					panic(p) // net/http's way to end a connection without an answer
				}
				logPanic(s.Log, p, "method", call.Method, "route", call.Pattern)
				observe(http.StatusInternalServerError)
				s.Refuse(w, call, ProblemOf(nil))
			}
		}()
		a, err := next(call)
		if err == nil && a.Lines != nil {
			if err = s.writeLines(w, call, a); err == nil {
				observe(a.Status)
				return
			}
		}
		if err == nil {
			observe(a.Status)
			s.Log.Debug("answered", "method", call.Method, "route", call.Pattern, "status", a.Status, "took", time.Since(state.begun))
			if a.Next != "" {
				link(w.Header(), a.Next)
			}
			head(w, a.Status, "application/json", a.Body)
			s.send(w, a.Body)
			return
		}
		if s.Drain.broken() {
			err = GoingAway()
		}
		if isFailure(err) && r.Context().Err() == nil {
			s.Log.Error("a call failed", "method", call.Method, "route", call.Pattern, "error", err)
		}
		observe(ProblemOf(err).Status)
		s.Refuse(w, call, err)
	})
}

// lineTime is how long a caller may take for each piece of lines.
const lineTime = 30 * time.Second

// lineBuffer is how many bytes of lines are sent at once, at least.
const lineBuffer = 32 << 10

// writeLines answers with lines. It returns an error when nothing has been sent; a later one
// ends the connection.
func (s *Server) writeLines(w http.ResponseWriter, r *http.Request, a Answer) error {
	// The server's would end a call that takes longer.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	out := &lineWriter{ctx: r.Context(), w: w, status: a.Status}
	buffer := bufio.NewWriterSize(out, lineBuffer)
	err := a.Lines(func(line []byte) error {
		_, _ = buffer.Write(line) // the next one has its error
		return buffer.WriteByte('\n')
	})
	if err == nil {
		err = buffer.Flush()
	}
	if err != nil && out.begun {
		if r.Context().Err() == nil {
			s.Log.Error("an answer was broken off", "method", r.Method, "route", r.Pattern, "error", err)
		}
		panic(http.ErrAbortHandler)
	}
	return err
}

// lineWriter sends pieces of an answer, each within lineTime, until ctx ends.
type lineWriter struct {
	ctx    context.Context
	w      http.ResponseWriter
	status int
	begun  bool
}

func (l *lineWriter) Write(p []byte) (int, error) {
	// Not every ResponseWriter can; http.Server's can.
	_ = http.NewResponseController(l.w).SetWriteDeadline(time.Now().Add(lineTime))
	if err := l.ctx.Err(); err != nil {
		return 0, err
	}
	if !l.begun {
		l.begun = true
		h := l.w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Type", "application/x-ndjson")
		l.w.WriteHeader(l.status)
	}
	return l.w.Write(p)
}

// callState is what belongs to a call that Handle has admitted, in its context.
type callState struct {
	writer http.ResponseWriter
	begun  time.Time
	span   *tracing.Span // nil where the call is in no trace
	after  []func()
}

type callStateKey struct{}

func (s *callState) answered() {
	for _, f := range s.after {
		f()
	}
}

// Trace begins a trace with the call of ctx, which Handle has admitted, or leaves it; see
// tracing.Tracer.Call. It is called once it is known who calls, so that strangers cause no traces. What
// is done with the context that it returns is a part of the trace.
func (s *Server) Trace(ctx context.Context, account string) context.Context {
	if s.Traces == nil {
		return ctx
	}
	state := ctx.Value(callStateKey{}).(*callState)
	ctx, state.span = s.Traces.Call(ctx, state.begun, account)
	return ctx
}

// AfterAnswer has f called when the call that r belongs to has been answered and the answer
// has been written, or could not be. r is a request that Handle has admitted.
func AfterAnswer(r *http.Request, f func()) {
	s := r.Context().Value(callStateKey{}).(*callState)
	s.after = append(s.after, f)
}

// TraceAbout says in the trace of the call of ctx, if it has one, which session or chat of an account the
// call is about; "" is left out.
func (s *Server) TraceAbout(ctx context.Context, account, sessionID, engagementID string) {
	if s.Traces == nil {
		return
	}
	if state, ok := ctx.Value(callStateKey{}).(*callState); ok {
		state.span.About(account, sessionID, engagementID)
	}
}

// Refuse answers with the problem of err.
func (s *Server) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := ProblemOf(err)
	s.Metrics.Refused(p.reason())
	s.Log.Debug("refused", "method", r.Method, "route", r.Pattern, "status", p.Status, "detail", p.Detail)
	p.write(w)
}

// Recover, deferred by a goroutine that serves one connection, ends a panic: it is logged,
// and then ends the connection. So the panic costs that connection and not the process.
func Recover(log *slog.Logger, then func(), attributes ...any) {
	if p := recover(); p != nil {
		logPanic(log, p, attributes...)
		then()
	}
}

// logPanic logs what recover returned, in one line with the place of the panic.
func logPanic(log *slog.Logger, panicked any, attributes ...any) {
	log.Error(metrics.PanicMessage, append(attributes, "panic", panicked, "at", panicPlace())...)
}

// panicPlace returns file:line of the function that panicked. It is for functions that a
// deferred one calls.
func panicPlace() string {
	counters := make([]uintptr, 64)
	frames := runtime.CallersFrames(counters[:runtime.Callers(1, counters)])
	for panicked := false; ; {
		f, more := frames.Next()
		// The runtime's own frames stand between the deferred function and the place.
		if f.Function == "runtime.gopanic" {
			panicked = true
		} else if panicked && !strings.HasPrefix(f.Function, "runtime.") {
			return f.File + ":" + strconv.Itoa(f.Line)
		}
		if !more {
			return "unknown"
		}
	}
}

// send writes the body of an answer, for as long as the client takes it.
func (s *Server) send(w http.ResponseWriter, body []byte) {
	if len(body) == 0 {
		return
	}
	control := http.NewResponseController(w)
	var err error
	end, broken := time.Now().Add(answerTime), false
	for len(body) > 0 && err == nil {
		piece := body[:min(len(body), pieceSize)]
		body = body[len(piece):]
		// Not every ResponseWriter has deadlines; http.Server's has.
		_ = control.SetWriteDeadline(earlier(time.Now().Add(progressTime), end))
		// Looked at after the deadline is set, so that the one that Drain sets is not undone.
		if !broken && s.Drain.broken() {
			broken, end = true, earlier(time.Now().Add(farewell), end)
			_ = control.SetWriteDeadline(end)
		}
		_, err = w.Write(piece)
	}
	// Now, and not when the call has been counted out. An error means that the caller has gone,
	// or takes nothing: net/http has closed the connection.
	_ = control.Flush()
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func write(w http.ResponseWriter, status int, contentType string, body []byte) {
	head(w, status, contentType, body)
	_, _ = w.Write(body) // an error means that the caller has gone
}

func head(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	if body != nil {
		h.Set("Content-Type", contentType)
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
}

// link names the next page, also to pages of other origins.
func link(h http.Header, next string) {
	h.Set("Link", "<"+next+`>; rel="next"`)
	if exposed := h.Get("Access-Control-Expose-Headers"); exposed != "" {
		h.Set("Access-Control-Expose-Headers", exposed+", Link")
	}
}

// Bearer returns the credential of the Authorization header, "" without one.
func Bearer(r *http.Request) string {
	scheme, credential, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(credential)
}
