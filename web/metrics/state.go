package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// State is what has a present value.
type State struct {
	Draining bool // a stop has begun

	Streams         int // open event streams, all
	Unauthenticated int // those of them that nobody has authenticated yet
	Sessions        int // customers' sessions whose stream is here
	Desks           int // WebSockets of desks

	// Chats are those of the store that have not ended, by account. Accounts are those of the
	// configuration, and one name for all others.
	Chats map[string]Chats

	NATS     []Connection
	Writable bool    // the store takes changes
	Space    []Space // of the store in this process; empty for an external one
	Sequence uint64  // of the newest entry that has come from the store

	Listeners []Listener
}

// Chats counts chats of one account.
type Chats struct {
	Waiting, Active int
	Oldest          time.Time // since when the first of those waits; zero: none does
}

// Connection is one to NATS.
type Connection struct {
	Name       string // a word of the code
	Connected  bool
	Reconnects uint64 // since the start
}

// Space is how much of something the store uses.
type Space struct {
	Of          string // a word of the code
	Used, Limit int64  // bytes
}

// Listener is where connections come in.
type Listener struct {
	Name           string // the option's
	Open           int    // connections
	Cut            uint64 // for others, since the start
	Received, Sent uint64 // bytes, since the start
}

// present collects a State.
type present func() State

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

var (
	draining   = describe("draining", "1 from the beginning of a stop on, else 0.")
	streams    = describe("streams", "Open event streams.", "state")
	sessions   = describe("sessions_connected", "Sessions whose event stream is open at this gateway.")
	desks      = describe("desks_connected", "Open WebSockets of desks.")
	chats      = describe("chats", "Chats that have not ended, of the whole store.", "account", "state")
	oldestWait = describe("chat_oldest_wait_seconds", "For how long the first of the waiting chats has waited; 0 when none does.", "account")
	connected  = describe("nats_connected", "1 while the connection to NATS is there, else 0.", "connection")
	reconnects = describe("nats_reconnects_total", "How often the connection to NATS was made again.", "connection")
	writable   = describe("store_writable", "1 while the store takes changes, else 0.")
	used       = describe("store_used_bytes", "What is used of the store's space.", "of")
	limit      = describe("store_limit_bytes", "The store's space.", "of")
	sequence   = describe("store_sequence", "Number of the newest entry that has come from the store.")
	open       = describe("connections", "Open connections.", "listener")
	cut        = describe("connections_cut_total", "Connections that were closed because there were too many.", "listener")
	network    = describe("network_bytes_total", "Bytes of connections, with all headers.", "listener", "direction")
)

// Describe is of prometheus.Collector.
func (present) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		draining, streams, sessions, desks, chats, oldestWait, connected, reconnects, writable, used, limit, sequence, open, cut, network,
	} {
		to <- d
	}
}

// Collect is of prometheus.Collector.
func (state present) Collect(to chan<- prometheus.Metric) {
	s := state()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	total := func(d *prometheus.Desc, v uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(draining, truth(s.Draining))
	gauge(streams, float64(s.Streams-s.Unauthenticated), "authenticated")
	gauge(streams, float64(s.Unauthenticated), "unauthenticated")
	gauge(sessions, float64(s.Sessions))
	gauge(desks, float64(s.Desks))
	for account, c := range s.Chats {
		gauge(chats, float64(c.Waiting), account, "waiting")
		gauge(chats, float64(c.Active), account, "active")
		waited := 0.0
		if !c.Oldest.IsZero() {
			waited = max(0, time.Since(c.Oldest).Seconds())
		}
		gauge(oldestWait, waited, account)
	}
	for _, c := range s.NATS {
		gauge(connected, truth(c.Connected), c.Name)
		total(reconnects, c.Reconnects, c.Name)
	}
	gauge(writable, truth(s.Writable))
	for _, space := range s.Space {
		gauge(used, float64(space.Used), space.Of)
		gauge(limit, float64(space.Limit), space.Of)
	}
	gauge(sequence, float64(s.Sequence))
	for _, l := range s.Listeners {
		gauge(open, float64(l.Open), l.Name)
		total(cut, l.Cut, l.Name)
		total(network, l.Received, l.Name, "in")
		total(network, l.Sent, l.Name, "out")
	}
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
