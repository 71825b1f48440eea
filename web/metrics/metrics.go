// Package metrics is what a gateway process shows to Prometheus. The other packages note what
// happens with the methods of one Metrics, each a line where it happens; what has a present
// value, as the open streams, is asked for by a scrape only (State), so that it costs nothing
// meanwhile. docs/operations.md documents every metric, and a test compares the two.
//
//	m := metrics.New(version, func() metrics.State { … })
//	mux.Handle("GET /metrics", m.Handler())
//	…
//	m.Call(r.Method, r.Pattern, status, time.Since(begun))
//
// Labels hold words of the code and of the configuration only: routes as patterns, never an id,
// a name, an address or a text. So their number is bounded whatever clients send.
package metrics

import (
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics counts what happens in one process. Make one with New. Its methods are safe for
// concurrent use; those of a nil Metrics do nothing, so that callers need not check for nil.
type Metrics struct {
	registry *prometheus.Registry

	calls        *prometheus.HistogramVec
	refusals     *prometheus.CounterVec
	panics       prometheus.Counter
	sessions     prometheus.Counter
	endedSession prometheus.Counter
	chats        prometheus.Counter
	waits        prometheus.Histogram
	actions      *prometheus.CounterVec
	messages     *prometheus.CounterVec
	begins       *prometheus.CounterVec
	resent       prometheus.Counter
	events       prometheus.Histogram
	ends         *prometheus.CounterVec
	slow         prometheus.Counter
	store        *prometheus.HistogramVec
	gaps         prometheus.Counter
	lines        *prometheus.CounterVec
	reloads      *prometheus.CounterVec
}

// Continuity says what a client that opens its stream has missed.
type Continuity string

// What becomes of a stream that begins.
const (
	Fresh   Continuity = "new"     // the client has received nothing before
	Resumed Continuity = "resumed" // it has received what it missed
	Lost    Continuity = "lost"    // what it missed is not to be had; it reads the history
)

// Outcome says how a request to the store ended.
type Outcome string

// Outcomes of a request to the store.
const (
	OK       Outcome = "ok"
	Conflict Outcome = "conflict" // another has written before; the caller tries again
	Full     Outcome = "full"     // nothing can be written at present
	Canceled Outcome = "canceled" // who asked has gone
	Failed   Outcome = "failed"
)

// Operation is a request to the store.
type Operation string

// Operations of the store.
const (
	Write Operation = "write" // one entry, with its acknowledgement
	Read  Operation = "read"  // one entry
	Page  Operation = "page"  // several entries at once
	Scan  Operation = "scan"  // a part of the stream, for resumes
)

// The upper bounds of the classic buckets, in seconds.
var (
	shortTimes = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25}
	waitTimes  = []float64{1, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600}
)

// histogram are the options of a histogram that has native buckets, for servers that take them, and
// classic ones beside.
func histogram(name, help string, classic []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: classic,
		// Neighbouring buckets differ by 10 %; more than 160 are merged.
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
	}
}

// namespace begins every name, but those of the Go runtime and the process.
const namespace = "openchat"

func counter(name, help string) prometheus.CounterOpts {
	return prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}
}

// New returns Metrics of a process of that version. state is called by each scrape; it must
// not wait for anything.
func New(version string, state func() State) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		calls: prometheus.NewHistogramVec(histogram("call_duration_seconds",
			"Time from the arrival of a call to its answer.", shortTimes), []string{"method", "route", "status"}),
		refusals:     prometheus.NewCounterVec(counter("refusals_total", "Calls and WebSockets that were refused, by reason."), []string{"reason"}),
		panics:       prometheus.NewCounter(counter("panics_total", "Panics that were recovered from.")),
		sessions:     prometheus.NewCounter(counter("sessions_created_total", "Sessions that customers have created.")),
		endedSession: prometheus.NewCounter(counter("sessions_ended_total", "Sessions that customers have ended.")),
		chats:        prometheus.NewCounter(counter("chats_created_total", "Chats that customers have created.")),
		waits: prometheus.NewHistogram(histogram("chat_wait_duration_seconds",
			"For how long chats had waited that an agent has accepted.", waitTimes)),
		actions:  prometheus.NewCounterVec(counter("desk_actions_total", "What agents, and the gateway for them, have done to chats."), []string{"action"}),
		messages: prometheus.NewCounterVec(counter("messages_total", "Messages stored: in, from customers, and out, to them."), []string{"direction", "sender"}),
		begins:   prometheus.NewCounterVec(counter("stream_begins_total", "Event streams that have begun, by what their client had missed."), []string{"continuity"}),
		resent:   prometheus.NewCounter(counter("events_resent_total", "Events that clients had missed and that were sent when their streams began.")),
		events: prometheus.NewHistogram(histogram("event_latency_seconds",
			"Time from the storing of an event until it was written to the socket of a customer.", shortTimes)),
		ends: prometheus.NewCounterVec(counter("streams_ended_total", "Event streams that have ended, by close code."), []string{"code"}),
		slow: prometheus.NewCounter(counter("streams_cut_slow_total", "Event streams that were closed because their client read too slowly.")),
		store: prometheus.NewHistogramVec(histogram("store_request_duration_seconds",
			"Time of a request to the store, with its repetitions.", shortTimes), []string{"operation", "outcome"}),
		gaps:    prometheus.NewCounter(counter("store_gaps_total", "How often entries were deleted from the store before this process had read them.")),
		lines:   prometheus.NewCounterVec(counter("log_lines_total", "Lines of the log at level WARN and ERROR, written or not."), []string{"level"}),
		reloads: prometheus.NewCounterVec(counter("reloads_total", "Readings of the settings after the start."), []string{"outcome"}),
	}
	// From the start, so that the first increase of what alerts are about shows.
	for _, c := range []Continuity{Fresh, Resumed, Lost} {
		m.begins.WithLabelValues(string(c))
	}
	for _, level := range []string{levelWarn, levelError} {
		m.lines.WithLabelValues(level)
	}
	for _, outcome := range []string{reloadDone, reloadRefused} {
		m.reloads.WithLabelValues(outcome)
	}
	for _, o := range []Operation{Write, Read, Page, Scan} {
		m.store.WithLabelValues(string(o), string(OK))
		m.store.WithLabelValues(string(o), string(Failed))
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(m.calls, m.refusals, m.panics, m.sessions, m.endedSession, m.chats, m.waits, m.actions, m.messages, m.begins,
		m.resent, m.events, m.ends, m.slow, m.store, m.gaps, m.lines, m.reloads, build, present(state),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Bounds of the scrapes.
const (
	maxScrapes = 4 // at once; one more is answered 503
	scrapeTime = 10 * time.Second
)

// Handler answers a scrape.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes, Timeout: scrapeTime})
}

// methods are those that stand in labels; a client may send any.
var methods = map[string]bool{"GET": true, "HEAD": true, "POST": true, "PUT": true, "PATCH": true, "DELETE": true, "OPTIONS": true}

// Call notes a call that has been answered. pattern is that of its route, with or without a
// method, as http.Request.Pattern.
func (m *Metrics) Call(method, pattern string, status int, took time.Duration) {
	if m == nil {
		return
	}
	if !methods[method] {
		method = "other"
	}
	if _, path, ok := strings.Cut(pattern, " "); ok {
		pattern = path
	}
	m.calls.WithLabelValues(method, pattern, strconv.Itoa(status)).Observe(took.Seconds())
}

// Refused notes that a call or a WebSocket was refused; reason is a word of the code.
func (m *Metrics) Refused(reason string) {
	if m != nil {
		m.refusals.WithLabelValues(reason).Inc()
	}
}

// SessionCreated notes a new session.
func (m *Metrics) SessionCreated() {
	if m != nil {
		m.sessions.Inc()
	}
}

// SessionEnded notes that a customer has ended a session.
func (m *Metrics) SessionEnded() {
	if m != nil {
		m.endedSession.Inc()
	}
}

// ChatCreated notes a new chat.
func (m *Metrics) ChatCreated() {
	if m != nil {
		m.chats.Inc()
	}
}

// Accepted notes that an agent has accepted a chat that waited since then. The zero time: it
// did not wait.
func (m *Metrics) Accepted(since time.Time) {
	if m != nil && !since.IsZero() {
		m.waits.Observe(max(0, time.Since(since).Seconds()))
	}
}

// Acted notes what was done to a chat at the desk; action is a word of the code.
func (m *Metrics) Acted(action string) {
	if m != nil {
		m.actions.WithLabelValues(action).Inc()
	}
}

// Message notes a message that was stored; sender is a type of participant.
func (m *Metrics) Message(sender string) {
	if m == nil {
		return
	}
	sender, direction := strings.ToLower(sender), "out"
	if sender == "customer" {
		direction = "in"
	}
	m.messages.WithLabelValues(direction, sender).Inc()
}

// StreamBegun notes that a client's event stream has begun, with that many events that it had
// missed.
func (m *Metrics) StreamBegun(c Continuity, missed int) {
	if m != nil {
		m.begins.WithLabelValues(string(c)).Inc()
		m.resent.Add(float64(missed))
	}
}

// Delivered notes that an event which was stored then has been written to a socket.
func (m *Metrics) Delivered(stored time.Time) {
	if m != nil {
		// The store's clock may be another machine's.
		m.events.Observe(max(0, time.Since(stored).Seconds()))
	}
}

// codes are the close codes that stand in labels; a client may send any.
var codes = map[int]string{
	-1: "broken", 1000: "1000", 1001: "1001", 1005: "1005", 1006: "1006", 1011: "1011", 1012: "1012",
	4400: "4400", 4401: "4401", 4403: "4403", 4404: "4404", 4408: "4408", 4409: "4409", 4429: "4429",
}

// StreamEnded notes that an event stream has ended with that close code; -1: it broke.
func (m *Metrics) StreamEnded(code int) {
	if m == nil {
		return
	}
	label, known := codes[code]
	if !known {
		label = "other"
	}
	m.ends.WithLabelValues(label).Inc()
}

// StreamTooSlow notes that an event stream is closed because its client reads too slowly.
func (m *Metrics) StreamTooSlow() {
	if m != nil {
		m.slow.Inc()
	}
}

// Stored notes a request to the store.
func (m *Metrics) Stored(o Operation, outcome Outcome, took time.Duration) {
	if m != nil {
		m.store.WithLabelValues(string(o), string(outcome)).Observe(took.Seconds())
	}
}

// Gap notes that entries of the store were lost to this process.
func (m *Metrics) Gap() {
	if m != nil {
		m.gaps.Inc()
	}
}

// Values of a label.
const (
	levelWarn, levelError     = "warn", "error"
	reloadDone, reloadRefused = "done", "refused"
)

// Reloaded notes that the settings were read again, with or without success.
func (m *Metrics) Reloaded(done bool) {
	if m == nil {
		return
	}
	outcome := reloadRefused
	if done {
		outcome = reloadDone
	}
	m.reloads.WithLabelValues(outcome).Inc()
}
