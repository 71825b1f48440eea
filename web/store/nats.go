package store

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"openchat/sdk/wire"
	"openchat/web/metrics"
	"openchat/web/tracing"
)

const (
	streamName = "CHAT"
	allEntries = "chat.>"
	// headerCustomer carries the customer's real id, base64, since the subject has
	// only its hash.
	headerCustomer = "Chat-Customer"
	// headerWrite names one call that writes, so that after a lost acknowledgement
	// it recognises its own entry. Not Nats-Msg-Id: the server would
	// remember each for a day, for nothing.
	headerWrite = "Chat-Write"
	// headerIntegration says which integration a message belongs to; a commit's state
	// says so itself.
	headerIntegration = "Chat-Integration"
	// headerTrace carries the trace that an entry belongs to, as W3C Trace Context writes it. Few
	// entries have it, and a version that does not know it passes it over.
	headerTrace = "traceparent"
)

// Store is the truth that both servers use. All methods are safe for concurrent use,
// and all that write are idempotent by their key.
type Store struct {
	cfg        Config
	log        *slog.Logger
	server     *embedded // nil with an external one
	lockFile   *os.File  // keeps other processes out of the data folder; nil with an external server
	disk       *disk     // nil with an external server
	health     *health
	conns                    // to NATS
	options    []nats.Option // of an external server's connections
	stream     jetstream.Stream
	replicated bool

	opened     atomic.Bool             // the start is over
	endOpening context.CancelCauseFunc // has the start fail
	ctx        context.Context         // ends with Close
	cancel     context.CancelFunc
	wg         sync.WaitGroup
	closed     atomic.Bool

	stripes [256]chan struct{} // one writer at a time to the same engagement
	pages   [256]chan struct{} // one page at a time of the same customer
	newest  *newestCache
	follow  *follower
	scans   *scanner
	ongoing *index
	retain  *retention    // nil without a limit
	uses    chan struct{} // a place for each use of a session that is being noted
	written atomic.Uint64 // the highest sequence that this process has stored
}

// Open opens the store and waits until it can be used. An unusable folder or
// server is an error that says what to do about it.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, log: cfg.Logger, newest: newNewestCache(), uses: make(chan struct{}, uses)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for i := range s.stripes {
		s.stripes[i], s.pages[i] = make(chan struct{}, 1), make(chan struct{}, 1)
	}
	ctx, s.endOpening = context.WithCancelCause(ctx)
	defer s.endOpening(nil)
	if err := s.open(ctx); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		s.Close()
		return nil, err
	}
	s.opened.Store(true)
	return s, nil
}

func (cfg *Config) check() error {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Dir == "" && cfg.URL == "" {
		return errors.New("store: neither a data folder nor a NATS URL is given; set one")
	}
	if cfg.URL != "" {
		if err := CheckURL(cfg.URL); err != nil {
			return fmt.Errorf("store: of the URLs of the NATS servers, %w", err)
		}
	}
	if cfg.Replicas == 0 {
		cfg.Replicas = 1
	}
	if err := CheckReplicas(cfg.Replicas); err != nil {
		return fmt.Errorf("store: %d replicas are not possible; the number is %w", cfg.Replicas, err)
	}
	if cfg.Replicas > 1 && cfg.URL == "" {
		return fmt.Errorf("store: %d replicas need a cluster; give its URL", cfg.Replicas)
	}
	if cfg.MaxAge == 0 {
		cfg.MaxAge = 30 * 24 * time.Hour
	}
	if cfg.MaxAge < MinAge {
		return fmt.Errorf("store: a maximum age of %v is too short; correlationIds hold for %v", cfg.MaxAge, MinAge)
	}
	if cfg.MaxStore < 0 || cfg.MaxStore > 0 && cfg.URL != "" {
		return fmt.Errorf("store: %d bytes at most are not possible; the number is not negative, and that of an external server is in its own configuration", cfg.MaxStore)
	}
	if cfg.SessionIdle < 0 {
		return fmt.Errorf("store: sessions cannot expire after %v; the time is not negative", cfg.SessionIdle)
	}
	if cfg.RetainBytes < 0 {
		return fmt.Errorf("store: an account cannot keep %d bytes; the number is not negative", cfg.RetainBytes)
	}
	for account, n := range cfg.RetainBytesOf {
		if err := (Customer{Account: account, ID: "any"}).check(); err != nil {
			return err
		}
		if n < 0 {
			return fmt.Errorf("store: the account %s cannot keep %d bytes; the number is not negative", account, n)
		}
	}
	if cfg.Key != "" && (cfg.URL != "" || len(cfg.Key) < MinKey) {
		return fmt.Errorf("store: the key is not possible; it has at least %d bytes, and that of an external server is in its own configuration", MinKey)
	}
	if cfg.RingEntries <= 0 {
		cfg.RingEntries = 8192
	}
	if cfg.RingBytes <= 0 {
		cfg.RingBytes = 32 << 20
	}
	if cfg.MaxSpan == 0 {
		cfg.MaxSpan = 200_000
	}
	return nil
}

// CheckReplicas checks how many copies a cluster keeps.
func CheckReplicas(n int) error {
	if n != 1 && n != 3 && n != 5 {
		return errors.New("not 1, 3 or 5")
	}
	return nil
}

func (s *Store) open(ctx context.Context) error {
	s.health = newHealth(s)
	if err := s.connect(ctx); err != nil {
		return err
	}
	js := s.js
	var err, refused error
	s.health.keepReserve()
	if s.server != nil {
		s.server.complaint.Store(new(s.health.requestCheck))
	}
	// A cluster that has just been started has no leader for a while.
	err = s.persist(ctx, func(ctx context.Context) error {
		s.stream, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
			Name:        streamName,
			Description: "openchat: sessions, engagements, messages",
			Subjects:    []string{allEntries},
			Storage:     jetstream.FileStorage,
			Replicas:    s.cfg.Replicas,
			MaxAge:      s.cfg.MaxAge,
			Duplicates:  MinAge,
			AllowDirect: true,
		})
		var api *jetstream.APIError
		if errors.As(err, &api) && api.ErrorCode == noReplicas {
			refused = errors.New("copies on several servers (--replicas) need a cluster, and the NATS server is alone") // for good
			return nil
		}
		return err
	})
	if err == nil {
		err = refused
	} else if s.server == nil {
		err = silent(err)
	}
	if err != nil {
		return fmt.Errorf("store: cannot open the stream %s: %w", streamName, err)
	}
	info := s.stream.CachedInfo()
	s.replicated = info.Config.Replicas > 1
	s.scans, s.ongoing = newScanner(s), newIndex(s)
	s.retain = newRetention(s)
	s.follow, err = newFollower(ctx, s, info.State.FirstSeq, info.State.LastSeq)
	if err != nil {
		return fmt.Errorf("store: cannot follow the stream %s: %w", streamName, err)
	}
	if err := s.followErased(); err != nil {
		return fmt.Errorf("store: cannot follow the erasures of other gateways: %w", err)
	}
	if err := s.ongoing.build(ctx); err != nil {
		return fmt.Errorf("store: cannot read the ongoing chats of the stream %s: %w", streamName, err)
	}
	if s.server == nil {
		s.health.checkPermissions(ctx)
		s.wg.Go(func() { s.checkSync(s.ctx) })
	}
	s.wg.Add(1)
	go s.ongoing.run()
	if s.retain != nil {
		s.wg.Go(s.retain.run)
	}
	s.wg.Go(s.health.run)
	return nil
}

// connect connects to NATS, and with an external server makes sure that it can be used.
func (s *Store) connect(ctx context.Context) error {
	options := []nats.Option{
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		// A publish while disconnected fails at once and is tried again here, where
		// its outcome is known, instead of being buffered.
		nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			if err != nil && !s.closed.Load() {
				s.log.Warn("NATS connection lost", "connection", nc.Opts.Name, "error", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) { s.log.Info("NATS connection is back", "connection", nc.Opts.Name) }),
		nats.ErrorHandler(func(nc *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrPermissionViolation) && (s.health.forbid(err) || s.refuseOpening(err)) {
				return
			}
			if !s.closed.Load() {
				s.log.Error("NATS", "connection", nc.Opts.Name, "error", err)
			}
		}),
	}
	url := s.cfg.URL
	if url == "" {
		if err := s.serve(); err != nil {
			return err
		}
		options = append(options, nats.InProcessServer(s.server))
	} else {
		options = append(options, s.cfg.Connect...)
		if err := s.checkServer(options); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	if err := s.dial(url, options); err != nil {
		if s.server == nil {
			return fmt.Errorf("store: %w", s.explain(err))
		}
		return fmt.Errorf("store: cannot connect to NATS: %w", err)
	}
	if s.server == nil {
		if err := s.withJetStream(ctx); err != nil {
			return fmt.Errorf("store: %w", err)
		}
		s.options = options
	}
	return nil
}

// serve starts the NATS server inside this process. It has no listener: only this
// process can reach it.
func (s *Store) serve() error {
	dir, err := filepath.Abs(s.cfg.Dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		s.lockFile, err = lockDir(dir)
	}
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		if isOutage(err) {
			err = fmt.Errorf("%w: %w", ErrNoWrites, err)
		}
		return fmt.Errorf("store: cannot use the data folder %s: %w; name another or make this one writable and free", s.cfg.Dir, err)
	}
	s.disk = newDisk(s.lockFile, s.health.requestCheck)
	maxStore := s.cfg.MaxStore
	if maxStore == 0 {
		maxStore = math.MaxInt64 / 2 // or the server takes 75 % of what is free now
	}
	written, err := checkKey(dir, s.cfg.Key)
	if errors.Is(err, ErrKey) {
		return err
	} else if err != nil {
		return fmt.Errorf("store: cannot read the data folder %s: %w", s.cfg.Dir, err)
	}
	encrypted, _, err := streamsOf(dir)
	if err == nil && written != nil && !encrypted {
		// Before anything is encrypted, so that no encrypted folder is without the file. Where the
		// file was lost, only the server can tell whether the key is right.
		err, written = written(), nil
	}
	if err != nil {
		if isOutage(err) {
			err = fmt.Errorf("%w: %w", ErrNoWrites, err)
		}
		return fmt.Errorf("store: cannot note in the data folder %s that it is encrypted: %w", s.cfg.Dir, err)
	}
	s.server = &embedded{dir: dir, log: s.log, options: &server.Options{
		ServerName: "openchat",
		DontListen: true,
		NoSigs:     true,
		JetStream:  true,
		StoreDir:   dir,
		// Every acknowledged entry is on disk: a power cut loses nothing either.
		SyncAlways:        true,
		JetStreamMaxStore: maxStore,
	}}
	if s.cfg.Key != "" {
		s.server.options.JetStreamCipher, s.server.options.JetStreamKey = server.ChaCha, s.cfg.Key
	}
	if err := s.server.start(); err != nil {
		return fmt.Errorf("store: cannot start NATS in %s: %w", s.cfg.Dir, err)
	}
	if written != nil {
		if err := written(); err != nil {
			return fmt.Errorf("store: cannot note in the data folder %s that it is encrypted: %w", s.cfg.Dir, err)
		}
	}
	return nil
}

// Close ends what the store started, and waits for it. Calls in progress fail.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.cancel()
	if s.follow != nil {
		s.follow.stop()
	}
	s.wg.Wait()
	// What was acknowledged is stored, and for the rest a caller still waits: there is nothing
	// to flush.
	s.conns.close()
	if s.server != nil {
		s.server.stop()
	}
	if s.lockFile != nil {
		s.lockFile.Close()
	}
	return nil
}

// entry is what is stored under one sequence.
type entry struct {
	subject  string
	sequence uint64
	stored   time.Time // by the server's clock
	header   nats.Header
	data     []byte
}

func (e *entry) is(c Customer) bool {
	return e.header.Get(headerCustomer) == customerHeader(c)
}

func customerHeader(c Customer) string { return base64.RawURLEncoding.EncodeToString([]byte(c.ID)) }

// last returns the newest entry of a subject, else ErrNotFound.
func (s *Store) last(ctx context.Context, subject string) (*entry, error) {
	return s.get(ctx, `{"last_by_subj":`+strconv.Quote(subject)+`}`, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
		return s.stream.GetLastMsgForSubject(ctx, subject)
	})
}

// at returns the entry with that sequence, else ErrNotFound.
func (s *Store) at(ctx context.Context, sequence uint64) (*entry, error) {
	return s.get(ctx, `{"seq":`+strconv.FormatUint(sequence, 10)+`}`, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
		return s.stream.GetMsg(ctx, sequence)
	})
}

// next returns the first entry of a subject from sequence on, else ErrNotFound.
func (s *Store) next(ctx context.Context, subject string, sequence uint64) (*entry, error) {
	return s.get(ctx, `{"seq":`+strconv.FormatUint(sequence, 10)+`,"next_by_subj":`+strconv.Quote(subject)+`}`, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
		return s.stream.GetMsg(ctx, sequence, jetstream.WithGetMsgSubject(subject))
	})
}

// get reads one entry, once it is known to be kept. A direct get may be answered by a replica that
// lags behind, and a check of state must not be made on old state, so a replicated stream's
// leader is asked instead.
func (s *Store) get(ctx context.Context, request string, direct func(context.Context) (*jetstream.RawStreamMsg, error)) (found *entry, err error) {
	ctx, span := s.begin(ctx, metrics.Read)
	defer s.timed(span, metrics.Read, time.Now(), &err)
	err = s.persist(ctx, func(ctx context.Context) error {
		if s.replicated {
			var err error
			found, err = s.leaderGet(ctx, request)
			return err
		}
		unread := s.unread()
		m, err := direct(ctx)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			if s.unread() != unread {
				return ErrUnreadable
			}
			return ErrNotFound
		}
		if err == nil {
			found = &entry{subject: m.Subject, sequence: m.Sequence, stored: m.Time, header: m.Header, data: m.Data}
			err = s.disk.confirm(ctx, m.Sequence)
		}
		return err
	})
	return found, err
}

// unread is how often the server inside this process could not read a file. When it grows while a
// request is under way, what was not found may be stored nevertheless.
func (s *Store) unread() uint64 {
	if s.server == nil {
		return 0
	}
	return s.server.unread.Load()
}

func (s *Store) leaderGet(ctx context.Context, request string) (*entry, error) {
	answer, err := s.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+streamName, []byte(request))
	if err != nil {
		return nil, err
	}
	var got struct {
		Error   *jetstream.APIError
		Message *struct {
			Subject string
			Seq     uint64
			Time    time.Time
			Hdrs    []byte
			Data    []byte
		}
	}
	if err := json.Unmarshal(answer.Data, &got); err != nil {
		return nil, err
	}
	if got.Error != nil {
		if got.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound {
			return nil, ErrNotFound
		}
		return nil, got.Error
	}
	if got.Message == nil {
		return nil, ErrNotFound
	}
	header, err := nats.DecodeHeadersMsg(got.Message.Hdrs)
	if err != nil {
		return nil, err
	}
	return &entry{subject: got.Message.Subject, sequence: got.Message.Seq, stored: got.Message.Time, header: header, data: got.Message.Data}, nil
}

// lastOf returns the newest entry of each subject that has one, by rising sequence, once they are
// known to be kept. Subjects hold no wildcards.
func (s *Store) lastOf(ctx context.Context, subjects ...string) (list []entry, err error) {
	ctx, span := s.begin(ctx, metrics.Page)
	defer s.timed(span, metrics.Page, time.Now(), &err)
	err = s.persist(ctx, func(ctx context.Context) (err error) {
		list = list[:0]
		release, err := s.beginRead(ctx)
		if err != nil {
			return err
		}
		defer release()
		unread := s.unread()
		defer func() {
			if ctx.Err() == nil && s.unread() != unread {
				err = ErrUnreadable // what could not be read is left out silently
			}
		}()
		found, err := jetstreamext.GetLastMsgsFor(ctx, s.readJS, streamName, subjects)
		if err != nil {
			return err
		}
		for m, err := range found {
			switch {
			case errors.Is(err, jetstreamext.ErrNoMessages) && len(list) == 0:
				return nil
			case err != nil:
				return err
			}
			list = append(list, entry{subject: m.Subject, sequence: m.Sequence, stored: m.Time, header: m.Header, data: m.Data})
		}
		// It ends as quietly when the answer, or the rest of it, has not come. What was
		// not received must not be taken for what is not there.
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(list) == 0 || s.readJS.Conn().IsClosed() {
			return nats.ErrTimeout
		}
		return s.disk.confirm(ctx, list[len(list)-1].sequence)
	})
	return list, err
}

var (
	// errConflict: the subject's last sequence is not the expected one.
	errConflict = errors.New("store: changed by another")
	errClosed   = errors.New("store: closed")
)

// publish stores an entry if expected is the last sequence of its subject. With a
// msgID it is stored once: duplicate says that sequence is an earlier one. While the
// outcome is unknown it tries again, which the expected sequence makes safe;
// errConflict may then mean that the first try succeeded, and findOwnWrite reports it.
func (s *Store) publish(ctx context.Context, c Customer, subject string, data []byte, expected uint64, msgID string, header nats.Header) (sequence uint64, duplicate bool, err error) {
	ctx, span := s.begin(ctx, metrics.Write)
	defer s.timed(span, metrics.Write, time.Now(), &err)
	options := []jetstream.PublishOpt{jetstream.WithExpectLastSequencePerSubject(expected), jetstream.WithRetryAttempts(0)}
	if msgID != "" {
		options = append(options, jetstream.WithMsgID(msgID))
	}
	header.Set(headerCustomer, customerHeader(c))
	header.Set(headerRecord, strconv.Itoa(recordVersion))
	if span != nil {
		header.Set(headerTrace, span.Traceparent())
		aboutEntry(span, c, subject)
	}
	err = s.persist(ctx, func(ctx context.Context) error {
		return s.health.write(ctx, func(ctx context.Context) error {
			ack, err := s.js.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: data, Header: maps.Clone(header)}, options...)
			if err == nil {
				sequence, duplicate = ack.Sequence, ack.Duplicate
				err = s.disk.confirm(ctx, sequence)
			}
			if err == nil {
				s.noteWritten(sequence)
			}
			return err
		})
	})
	return sequence, duplicate, err
}

// aboutEntry says in a span which session or chat the entry of that subject is about.
func aboutEntry(span *tracing.Span, c Customer, subject string) {
	switch tokens := strings.Split(subject, "."); {
	case len(tokens) < 5:
	case tokens[3] == "s":
		span.About(c.Account, tokens[4], "")
	default:
		span.About(c.Account, "", tokens[4])
	}
}

// noteWritten notes that this process has stored an entry of that sequence.
func (s *Store) noteWritten(sequence uint64) { raise(&s.written, sequence) }

// findOwnWrite reports, after errConflict, whether the entry stored after expected is that of
// this write after all, its acknowledgement having been lost.
func (s *Store) findOwnWrite(ctx context.Context, subject string, expected uint64, write string) (sequence uint64, ok bool, err error) {
	e, err := s.next(ctx, subject, expected+1)
	if errors.Is(err, ErrNotFound) {
		return 0, false, nil
	}
	if err != nil || e.header.Get(headerWrite) != write {
		return 0, false, err
	}
	s.noteWritten(e.sequence)
	return e.sequence, true, nil
}

// persist runs one request to NATS, again and again while its outcome is unknown,
// for maxWait or until ctx ends.
func (s *Store) persist(ctx context.Context, request func(context.Context) error) error {
	deadline := time.Now().Add(maxWait)
	for try := 0; ; try++ {
		one, cancel := bounded(ctx)
		err := request(one)
		cancel()
		var api *jetstream.APIError
		switch {
		case err == nil || errors.Is(err, ErrNotFound):
			return err
		case s.ctx.Err() != nil || errors.Is(err, nats.ErrConnectionClosed):
			return errClosed
		case errors.Is(err, ErrNoWrites), errors.Is(err, ErrUnreadable):
			return err
		case errors.As(err, &api):
			switch api.ErrorCode {
			case insufficientResources:
				return withoutRoom(err)
			case jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant:
				return errConflict
			}
			if api.Code == 400 && api.ErrorCode != duplicateInFlight || api.Code == 404 {
				return err
			}
		case errors.Is(err, nats.ErrMaxPayload), errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrPermissionViolation):
			return err
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		if err := s.pause(ctx, try); err != nil {
			return err
		}
	}
}

// insufficientResources is the server's answer to a write for which its limits leave no
// room.
const insufficientResources jetstream.ErrorCode = 10023

// duplicateInFlight is a cluster's answer while the first publish of a message id
// is on its way.
const duplicateInFlight jetstream.ErrorCode = 10158

// pause waits before the next try: longer each time, up to a second, with jitter.
func (s *Store) pause(ctx context.Context, try int) error {
	longest := time.Second
	if try < 8 {
		longest = 4 * time.Millisecond << try
	}
	t := time.NewTimer(time.Duration(mathrand.Int64N(int64(longest))))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ctx.Done():
		return errClosed
	}
}

// position is the place of the i-th event of an entry.
func position(sequence uint64, i int) wire.EventID { return wire.EventID(sequence*100 + uint64(i)) }

// after is the position after an entry.
func after(sequence uint64) wire.EventID { return position(sequence, 99) }

// random returns a key that nobody else makes.
func random() string { return rand.Text() }

// serverLog passes the NATS server's complaints on, and keeps the last for an error
// of Open.
type serverLog struct {
	log      *slog.Logger
	complain func() // called after an error; nil: nothing is
	unread   *atomic.Uint64
	mu       sync.Mutex
	msg      string
}

func (l *serverLog) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.msg == "" {
		return "it was not ready within 30 s"
	}
	return l.msg
}

func (l *serverLog) keep(level slog.Level, format string, args []any) {
	msg := fmt.Sprintf(format, args...)
	l.mu.Lock()
	l.msg = msg
	l.mu.Unlock()
	l.log.Log(context.Background(), level, "NATS server", "message", msg)
	if l.complain != nil {
		l.complain()
	}
}

func (l *serverLog) Errorf(format string, args ...any) { l.keep(slog.LevelError, format, args) }
func (l *serverLog) Fatalf(format string, args ...any) { l.keep(slog.LevelError, format, args) }
func (l *serverLog) Warnf(format string, args ...any) {
	msg := fmt.Sprintf(format, args...)
	if strings.Contains(msg, blockUnread) {
		l.unread.Add(1)
	}
	l.log.Warn("NATS server", "message", msg)
}

// blockUnread is in the server's warning that it could not read a file of a stream
// (nats-server, filestore.go: loadMsgsWithLock). It comes before the answer.
const blockUnread = "loadBlock error"

func (l *serverLog) Noticef(string, ...any) {}
func (l *serverLog) Debugf(string, ...any)  {}
func (l *serverLog) Tracef(string, ...any)  {}
