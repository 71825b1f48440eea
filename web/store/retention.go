package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Of an account that stores more than it may, the chats that ended longest ago are removed,
// each with its messages and its states, until the account is somewhat below its limit. What an account
// stores is counted once when the process begins, by reading the sizes of all entries; from
// then on the follower adds what is stored. What reaches its maximum age leaves without an
// entry that says so, and other processes remove chats too, so an account that seems to
// store too much is counted anew before anything is removed. Writes cost an addition.
//
// Each process on the store does this. Two that remove the same chat do no harm: a removal ends at
// the entry with which the chat had ended, so that a later chat of the same id is not reached.

const (
	// removeAfter is for how long a chat stays at least after its end. Clients that were
	// away have until then to learn of the end from the entries (Since), and repeats of calls find the chat.
	removeAfter = time.Hour
	// trimPause is the shortest time between two counts of an account, and trimShare how much of a
	// process's time the counting of an account takes at most: 1/trimShare.
	trimPause = 10 * time.Second
	trimShare = 20
	// trimBelow is how far below its limit an account is after a removal, as 1/trimBelow of the
	// limit: so many writes follow before it is counted again.
	trimBelow = 20
	// trimRound is how many chats are removed after one count.
	trimRound = 1000
)

// headerSize is what the server says of an entry's data where it leaves the data out.
const headerSize = "Nats-Msg-Size"

// sizeOf returns how many bytes an entry takes in the server's files, of which dataSize are
// its data.
func sizeOf(subject string, header nats.Header, dataSize int) int64 {
	const record, headers = 22 + 8 + 4, len("NATS/1.0\r\n\r\n")
	n := record + headers + len(subject) + dataSize
	for key, values := range header {
		if key == headerSize {
			continue
		}
		for _, value := range values {
			n += len(key) + len(": ") + len(value) + len("\r\n")
		}
	}
	return int64(n)
}

// size returns how many bytes the entry takes, also of one that was read without its data.
func (e *entry) size() int64 {
	dataSize := len(e.data)
	if text := e.header.Get(headerSize); text != "" {
		dataSize, _ = strconv.Atoi(text) // the server's own
	}
	return sizeOf(e.subject, e.header, dataSize)
}

// account returns the account in an entry's subject.
func (e *entry) account() string {
	rest := e.subject[min(len("chat."), len(e.subject)):]
	for i := range len(rest) {
		if rest[i] == '.' {
			return rest[:i]
		}
	}
	return rest
}

// retention keeps accounts below what they may store.
type retention struct {
	s    *Store
	wake chan struct{} // holds one: an account stores more than it may

	mu       sync.Mutex
	accounts map[string]*accountSize
	last     uint64 // sequence of the newest entry that was added
}

// accountSize is what is known of an account.
type accountSize struct {
	bytes int64     // stored, by the last count and what was added since
	next  time.Time // when it may be counted again
	stuck bool      // the log says that nothing can be removed
}

// newRetention returns nil when there is no limit.
func newRetention(s *Store) *retention {
	limited := s.cfg.RetainBytes > 0
	for _, n := range s.cfg.RetainBytesOf {
		limited = limited || n > 0
	}
	if !limited {
		return nil
	}
	return &retention{s: s, wake: make(chan struct{}, 1), accounts: map[string]*accountSize{}}
}

// limit returns how many bytes the account may store; 0: any number.
func (r *retention) limit(account string) int64 {
	if n, ok := r.s.cfg.RetainBytesOf[account]; ok {
		return n
	}
	return r.s.cfg.RetainBytes
}

// add counts an entry that the follower has received. A nil retention counts nothing.
func (r *retention) add(e *entry) {
	if r == nil {
		return
	}
	account := e.account()
	limit := r.limit(account)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = e.sequence
	if limit == 0 {
		return
	}
	a := r.of(account)
	if a.bytes += e.size(); a.bytes > limit {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

// of returns what is known of the account. r.mu is held.
func (r *retention) of(account string) *accountSize {
	a := r.accounts[account]
	if a == nil {
		a = &accountSize{}
		r.accounts[account] = a
	}
	return a
}

// run counts what is stored, and then keeps accounts below their limits until the store is closed.
func (r *retention) run() {
	ctx := r.s.ctx
	for try := 0; ; try++ {
		_, err := r.count(ctx, "", func(*entry) {})
		if err == nil {
			break
		}
		if ctx.Err() == nil {
			r.s.log.Warn("counting what the accounts store failed, trying again", "error", err)
		}
		if r.s.pause(ctx, try+8) != nil {
			return
		}
	}
	for {
		account, wait := r.due(time.Now())
		if account != "" {
			r.trim(ctx, account)
			continue
		}
		t := time.NewTimer(wait)
		select {
		case <-r.wake:
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
		t.Stop()
	}
}

// due returns an account that stores more than it may and can be counted at now; when there is
// none, "" and how long it is until there may be one.
func (r *retention) due(now time.Time) (account string, wait time.Duration) {
	wait = time.Hour
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, a := range r.accounts {
		if a.bytes <= r.limit(name) {
			continue
		}
		if left := a.next.Sub(now); left > 0 {
			wait = min(wait, left)
			continue
		}
		return name, 0
	}
	return "", wait
}

// count reads the sizes of all entries of an account, or of every one for "", and calls fn
// with each entry, which has no data. It returns how many bytes those are.
func (r *retention) count(ctx context.Context, account string, fn func(*entry)) (total int64, err error) {
	subject, found := allEntries, map[string]int64{}
	if account != "" {
		subject, found[account] = accountEntries(account), 0
	}
	r.mu.Lock()
	newest := max(r.last, r.s.follow.sequence()) // what comes after it is added to the outcome
	before := map[string]int64{}
	for name, a := range r.accounts {
		before[name] = a.bytes
	}
	r.mu.Unlock()
	err = r.s.entries(ctx, subject, jetstream.DeliverAllPolicy, true, func(e *entry) bool {
		if e.sequence > newest {
			return false
		}
		if account := e.account(); r.limit(account) > 0 {
			n := e.size()
			found[account] += n
			total += n
			fn(e)
		}
		return true
	})
	if err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, n := range found {
		a := r.of(name)
		a.bytes += n - before[name]
	}
	return total, nil
}

// trim removes what ended longest ago of an account that stores more than it may.
func (r *retention) trim(ctx context.Context, account string) {
	begun := time.Now()
	limit := r.limit(account)
	chats, removed, left, err := 0, int64(0), int64(0), error(nil)
	more := true
	for more && err == nil {
		var n int
		var bytes int64
		n, bytes, left, more, err = r.trimRound(ctx, account, limit)
		chats, removed = chats+n, removed+bytes
	}
	if ctx.Err() != nil {
		return
	}
	pause := max(trimPause, trimShare*time.Since(begun))
	if r.s.cfg.trimPause > 0 {
		pause = r.s.cfg.trimPause
	}
	r.mu.Lock()
	a := r.of(account)
	a.next = time.Now().Add(pause)
	stuck := err == nil && left > limit
	say := stuck && !a.stuck
	a.stuck = stuck
	r.mu.Unlock()
	if err != nil {
		r.s.log.Warn("removing chats of an account that stores too much failed, it is done again later", "account", account, "error", err)
	}
	if chats > 0 {
		r.s.log.Info("chats removed, because their account stored more than it may", "account", account, "chats", chats, "bytes", removed, "left", left, "limit", limit)
	}
	if say {
		r.s.log.Warn("an account stores more than it may, and none of its chats has ended long enough ago to be removed", "account", account, "bytes", left, "limit", limit)
	}
}

// endedChat is a chat that may be removed.
type endedChat struct {
	customer Customer
	id       string
	bytes    int64
}

// trimRound counts the account, and removes at most trimRound chats when it stores more than
// limit. left is what it stores then; more says that another round may remove more.
func (r *retention) trimRound(ctx context.Context, account string, limit int64) (chats int, removed, left int64, more bool, err error) {
	until := time.Now().Add(-r.s.removeAfter())
	list, err := r.oldest(ctx, account, until)
	if err != nil {
		return 0, 0, 0, false, err
	}
	byID := make(map[string]*endedChat, len(list))
	for i := range list {
		byID[list[i].id] = &list[i]
	}
	left, err = r.count(ctx, account, func(e *entry) {
		owner, kind, id, err := e.names()
		if chat := byID[id]; err == nil && kind != "s" && chat != nil && chat.customer == owner {
			chat.bytes += e.size()
		}
	})
	if err != nil || left <= limit {
		return 0, 0, left, false, err
	}
	for i := range list {
		if left <= limit-limit/trimBelow {
			return chats, removed, left, false, nil
		}
		ok, err := r.s.removeChat(ctx, list[i].customer, list[i].id, until)
		if err != nil {
			return chats, removed, left, false, err
		}
		if !ok {
			continue
		}
		chats++
		removed += list[i].bytes
		left -= list[i].bytes
		r.mu.Lock()
		r.of(account).bytes -= list[i].bytes
		r.mu.Unlock()
	}
	return chats, removed, left, len(list) == trimRound && chats > 0, nil
}

func accountEntries(account string) string { return "chat." + account + ".>" }

// oldest returns up to trimRound chats of the account of which nothing has been stored since
// that time and which are not known to be ongoing, those first that changed longest ago.
func (r *retention) oldest(ctx context.Context, account string, until time.Time) (list []endedChat, err error) {
	err = r.s.entries(ctx, "chat."+account+".*.e.*", jetstream.DeliverLastPerSubjectPolicy, true, func(e *entry) bool {
		if e.stored.After(until) {
			return false
		}
		c, kind, id, err := e.names()
		if err == nil && kind == "e" && !r.s.ongoing.has(c, id) {
			list = append(list, endedChat{customer: c, id: id})
		}
		return len(list) < trimRound
	})
	return list, err
}

// removeAfter returns for how long a chat stays at least after its end.
func (s *Store) removeAfter() time.Duration { return cmp.Or(s.cfg.removeAfter, removeAfter) }

// removeChat deletes everything of a chat that ended before that time. ok is false when the
// chat goes on, has changed since, or cannot be read, and then it stays as it is. The last
// state of the chat goes last: a removal that is interrupted is found again.
func (s *Store) removeChat(ctx context.Context, c Customer, engagementID string, until time.Time) (ok bool, err error) {
	state, err := s.last(ctx, engagementSubject(c, engagementID))
	if errors.Is(err, ErrNotFound) {
		return true, nil // by another process
	}
	if err != nil {
		return false, err
	}
	e, err := state.engagement()
	if err != nil || e.Customer != c || !e.Ended() || state.stored.After(until) {
		return false, nil
	}
	if err := s.purgeChat(ctx, c, engagementID, state.sequence); err != nil {
		return false, err
	}
	return true, nil
}

// purgeChat deletes the entries of a chat up to that sequence.
func (s *Store) purgeChat(ctx context.Context, c Customer, engagementID string, sequence uint64) error {
	for _, subject := range []string{engagementMessages(c, engagementID), engagementSubject(c, engagementID)} {
		err := s.persist(ctx, func(ctx context.Context) error {
			return s.stream.Purge(ctx, jetstream.WithPurgeSubject(subject), jetstream.WithPurgeSequence(sequence+1))
		})
		if err != nil {
			return fmt.Errorf("store: the chat %s cannot be removed: %w", engagementID, err)
		}
	}
	return nil
}

// firstStored returns the sequence of the first entry that was stored at that time or later, next
// when there is none.
func (s *Store) firstStored(ctx context.Context, at time.Time, next uint64) (sequence uint64, err error) {
	sequence = next
	err = s.each(ctx, jetstream.ConsumerConfig{
		FilterSubjects: []string{allEntries}, DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &at, HeadersOnly: true,
	}, func(e *entry) bool {
		sequence = min(sequence, e.sequence)
		return false
	})
	return sequence, err
}
