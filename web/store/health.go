package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrNoWrites says that the store takes no changes at present: its disk is full or cannot
// be written, or the process has no file descriptors left. What is stored can be read, and
// a change may be repeated later.
var ErrNoWrites = errors.New("store: no changes can be stored at present")

const (
	// probeStream holds one small entry that is written to find out whether writes
	// succeed. It is not in CHAT, whose entries all gateways read.
	probeStream  = "HEALTH"
	probeSubject = "health.probe"
	// refusedSubject is that of CHAT in tryRefused. Nothing is ever stored there.
	refusedSubject = "chat.probe"
	// probeFor is for how long the result of such a write is taken for the present state.
	// So it is written once in this time at most, whoever asks.
	probeFor = time.Second
	// checkEvery is the time between two looks at the disk and at the server.
	checkEvery = time.Second
	// reopenAgain and maxReopens say when opening the files again does not help: that many
	// times, each within this time of the one before.
	reopenAgain = 30 * time.Second
	maxReopens  = 3
)

// health knows whether the store can be written, and brings the server inside this process
// back when it has given up writing.
type health struct {
	s       *Store
	reserve int64                // bytes of the file system that are left free
	reason  atomic.Pointer[gone] // why nothing can be written; nil: it can

	suspect atomic.Bool   // something has failed since the last check
	wake    chan struct{} // asks for a check before the next is due
	failed  chan error    // receives once; see Store.Failed
	gauges  [2]gauge      // of the file system, of Config.MaxStore

	reopened time.Time // the last time; for the goroutine of run only
	reopens  int       // since when each came soon after the one before

	writing struct { // ends the writes in progress that nobody will answer
		sync.Mutex
		ctx    context.Context
		cancel context.CancelFunc
	}

	mayCreate permission // to create the probe's stream
	mayProbe  permission // to write into it

	mu      sync.Mutex // one probe at a time
	created bool       // the stream of the probe is there
	probed  time.Time
	result  error
}

// permission is something that the credentials of an external server allow until it has
// been refused. A server does not answer a request that it refuses.
type permission struct {
	ctx    context.Context // ended by the refusal
	cancel context.CancelFunc
}

// while returns a context that ends with the permission, too.
func (p *permission) while(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(p.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

func (p *permission) refused() bool { return p.ctx.Err() != nil }

// gone is a reason why nothing can be written.
type gone struct{ err error }

func newHealth(s *Store) *health {
	h := &health{s: s, reserve: s.cfg.reserve, failed: make(chan error, 1), wake: make(chan struct{}, 1)}
	h.writing.ctx, h.writing.cancel = context.WithCancel(s.ctx)
	h.gauges[0].what = "the file system of the data folder"
	h.gauges[1].what = "--max-store"
	h.mayCreate.ctx, h.mayCreate.cancel = context.WithCancel(s.ctx)
	h.mayProbe.ctx, h.mayProbe.cancel = context.WithCancel(s.ctx)
	return h
}

// keepReserve decides how much of the file system of the server inside this process is left free.
func (h *health) keepReserve() {
	if h.s.server != nil && h.reserve == 0 {
		if space, err := spaceOf(h.s.server.dir); err == nil {
			h.reserve = reserveOf(space.total)
		}
	}
}

// reserveOf is how much of a file system of that size is left free: 2 %, 1 to 64 MiB. The
// server gives up writing for good once a write has met a full disk, and needs room to open
// its files again.
func reserveOf(total int64) int64 { return min(max(total/50, 1<<20), 64<<20) }

// Failed receives an error when the store cannot be brought back inside this process, which
// has to end then: its end frees the file system to be repaired, and the next start opens
// the files anew.
func (s *Store) Failed() <-chan error { return s.health.failed }

// admit refuses a write that would not succeed, or would leave no reserve.
func (h *health) admit() error {
	if g := h.reason.Load(); g != nil {
		return g.err
	}
	if h.s.server == nil {
		return nil
	}
	if space, err := spaceOf(h.s.server.dir); err == nil && space.free < h.reserve {
		return h.noSpace(space)
	}
	return nil
}

func (h *health) noSpace(space space) error {
	return fmt.Errorf("%w: the file system of %s has %d MiB free, %d are kept in reserve; make space or give it more", ErrNoWrites, h.s.server.dir, space.free>>20, h.reserve>>20)
}

// write runs one write into CHAT, and ends it when it turns out that nothing can be written:
// the server does not answer a write that has failed.
func (h *health) write(ctx context.Context, publish func(context.Context) error) error {
	if err := h.admit(); err != nil {
		return err
	}
	h.writing.Lock()
	writing := h.writing.ctx
	h.writing.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(writing, cancel)()
	err := publish(ctx)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) {
		h.requestCheck()
	}
	return err
}

// requestCheck asks for a check of the server and the disk before the next is due.
func (h *health) requestCheck() {
	h.suspect.Store(true)
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// probe writes the small entry, unless that was done a moment ago.
func (h *health) probe(ctx context.Context) error {
	if err := h.admit(); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.probed) < probeFor {
		return h.result
	}
	h.result = h.try(ctx)
	h.probed = time.Now()
	return h.result
}

func (h *health) try(ctx context.Context) error {
	if !h.created && !h.mayCreate.refused() {
		if err := h.createProbe(ctx); err == nil {
			h.created = true
		} else if !h.mayCreate.refused() {
			return fmt.Errorf("store: cannot make the stream %s, in which writing is tried: %w", probeStream, err)
		}
	}
	// The operator may have made a stream that this process must not.
	if !h.mayProbe.refused() {
		err := h.publishProbe(ctx)
		if errors.Is(err, jetstream.ErrNoStreamResponse) {
			h.created = false // deleted by an operator
		}
		if err == nil {
			return nil
		}
		if !h.mayProbe.refused() && !(h.mayCreate.refused() && !h.created) {
			return fmt.Errorf("store: a write was tried and failed: %w", withoutRoom(err))
		}
	}
	return h.tryRefused(ctx)
}

func (h *health) publishProbe(ctx context.Context) error {
	ctx, cancel := h.mayProbe.while(ctx)
	defer cancel()
	_, err := h.s.js.Publish(ctx, probeSubject, nil, jetstream.WithRetryAttempts(0))
	return err
}

// otherStream is the server's answer to an entry that is meant for another stream.
const otherStream jetstream.ErrorCode = 10060

// tryRefused tries a write into CHAT that its leader refuses. That shows less than one which
// is stored, and is for credentials that do not allow the stream of the probe.
func (h *health) tryRefused(ctx context.Context) error {
	_, err := h.s.js.Publish(ctx, refusedSubject, nil, jetstream.WithRetryAttempts(0), jetstream.WithExpectStream(probeStream))
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == otherStream {
		return nil
	}
	if err == nil {
		err = errors.New("an entry was stored in a stream that it was not meant for")
	}
	return fmt.Errorf("store: a write was tried and failed: %w", err)
}

// checkPermissions says in the log, once, when the probe is not permitted.
func (h *health) checkPermissions(ctx context.Context) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	err := h.probe(ctx)
	switch {
	case h.mayProbe.refused():
		h.s.log.Warn("the credentials for NATS lack a permission: readiness is tried with a write that is refused, which does not show a full disk; allow publishing to what is refused here, or make the stream",
			"stream", probeStream, "subject", probeSubject)
	case h.mayCreate.refused() && err == nil && !h.created:
		h.s.log.Warn("the credentials for NATS lack the permission to make the stream in which writing is tried; until an operator has made it, readiness is tried with a write that is refused",
			"stream", probeStream, "subject", probeSubject)
	}
}

// forbid takes the server's refusal of a permission, and reports whether it was one that the
// probe can do without.
func (h *health) forbid(err error) bool {
	text := err.Error()
	switch {
	case strings.Contains(text, `.`+probeStream+`"`):
		h.mayCreate.cancel()
	case strings.Contains(text, `"`+probeSubject+`"`):
		h.mayProbe.cancel()
	default:
		return false
	}
	return true
}

// withoutRoom wraps ErrNoWrites around the server's answer that its limits leave no room.
func withoutRoom(err error) error {
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == insufficientResources {
		return fmt.Errorf("%w: the limit of the NATS server is reached (--max-store): %w", ErrNoWrites, err)
	}
	return err
}

func (h *health) createProbe(ctx context.Context) error {
	ctx, cancel := h.mayCreate.while(ctx)
	defer cancel()
	_, err := h.s.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:        probeStream,
		Description: "openchat: an entry that is written to find out whether writes succeed",
		Subjects:    []string{probeSubject},
		Storage:     jetstream.FileStorage,
		Replicas:    h.s.cfg.Replicas,
		MaxMsgs:     1,
	})
	return err
}

// run looks after the disk and the server until the store is closed.
func (h *health) run() {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-h.s.ctx.Done():
			return
		case <-tick.C:
		case <-h.wake:
		}
		h.measure()
		if h.s.server != nil && !h.check() {
			return
		}
	}
}

// check reports false when the store cannot be brought back.
func (h *health) check() bool {
	server := h.s.server
	broken := server.writeError()
	if !h.suspect.Swap(false) && broken == nil && h.reason.Load() == nil {
		return true
	}
	// The server cannot tell what is wrong with it while there are no descriptors. And to
	// open its files again is safe only when they can be written.
	err := tryFolder(server.dir)
	if err == nil {
		err = h.s.disk.try()
	}
	if err == nil {
		var space space
		if space, err = spaceOf(server.dir); err == nil && space.free < h.reserve {
			err = h.noSpace(space)
		}
	}
	if err != nil {
		h.interrupt(err)
		// The kernel has given the file system up: ext4 is read-only then, of XFS every use fails.
		if errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EIO) {
			h.fail(err)
			return false
		}
		return true
	}
	if broken = server.writeError(); broken == nil {
		h.resume("the store is written again")
		return true
	}
	h.interrupt(broken)
	if time.Since(h.reopened) > reopenAgain {
		h.reopens = 0
	}
	if h.reopens++; h.reopens > maxReopens {
		h.fail(fmt.Errorf("%w: after %d attempts within a short time: %w", ErrNoWrites, maxReopens, broken))
		return false
	}
	err = server.restart()
	h.reopened = time.Now()
	if err != nil {
		h.interrupt(err)
		return true
	}
	h.resume("the store has opened its files again and is written")
	return true
}

// interrupt refuses writes from now on, and ends those in progress.
func (h *health) interrupt(err error) {
	if !errors.Is(err, ErrNoWrites) {
		err = fmt.Errorf("%w: %w", ErrNoWrites, err)
	}
	if h.reason.Swap(&gone{err}) != nil {
		return
	}
	h.s.log.Error("nothing can be stored until this is mended", "error", err)
	h.writing.Lock()
	defer h.writing.Unlock()
	h.writing.cancel()
}

func (h *health) resume(how string) {
	h.writing.Lock()
	defer h.writing.Unlock()
	if h.reason.Load() == nil {
		return
	}
	h.writing.cancel()
	h.writing.ctx, h.writing.cancel = context.WithCancel(h.s.ctx)
	h.reason.Store(nil)
	h.s.log.Info(how)
}

func (h *health) fail(err error) {
	h.s.log.Error("the store cannot be brought back by this process", "error", err)
	h.failed <- err
}

// measure says in the log how full it is.
func (h *health) measure() {
	if h.s.server == nil {
		return
	}
	if space, err := spaceOf(h.s.server.dir); err == nil {
		h.gauges[0].set(h.s, space.used, space.used+space.free)
	}
	if h.s.cfg.MaxStore > 0 {
		if used, ok := h.s.server.used(); ok {
			h.gauges[1].set(h.s, used, h.s.cfg.MaxStore)
		}
	}
}

// gauge says once that something is 80 % full, and once that it is 90 %; and again only
// when it has been clearly below in between.
type gauge struct {
	what  string
	level int // the highest that was said
}

const gaugeSlack = 3 // percent

func (g *gauge) set(s *Store, used, total int64) {
	if total <= 0 {
		return
	}
	percent := int(used * 100 / total)
	for _, level := range []int{90, 80} {
		if percent >= level && g.level < level {
			s.log.Warn("the store gets full; what is stored is kept, and nothing new is taken once it is", "what", g.what, "percent", percent, "used", used, "of", total)
			g.level = level
			return
		}
	}
	for g.level > 0 && percent < g.level-gaugeSlack {
		if g.level -= 10; g.level < 80 {
			g.level = 0
		}
	}
}

// Healthy is nil when the store answers and takes changes, which is tried with a small
// entry once a second at most.
func (s *Store) Healthy(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := s.health.probe(ctx); err != nil {
		return err
	}
	// What is stored between the two reads must not count: the sequence is read first.
	received := s.follow.sequence()
	info, err := s.stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("store: NATS does not answer: %w", err)
	}
	if info.State.LastSeq < received {
		return errors.New("store: the stream was replaced by an older one; restart the gateway")
	}
	return nil
}
