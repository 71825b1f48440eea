package gateway

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
	"openchat/web/store"
)

// Quotas bound what one customer, and all customers of one account together, may use of
// this gateway: several gateways on one store have each their own, but for the ongoing
// chats, which are the store's. 0 means the default, negative: unlimited. What is allowed
// an hour may be used at once, and grows again evenly.
type Quotas struct {
	// CustomerChats and AccountChats bound the chats that have not ended. The defaults are
	// 30 and 20,000. Several gateways that create chats at the same moment may pass them
	// by as many.
	CustomerChats, AccountChats int
	// CustomerSessionsPerHour and AccountSessionsPerHour bound the sessions created. The
	// defaults are 300 and 100,000.
	CustomerSessionsPerHour, AccountSessionsPerHour int
	// CustomerChatsPerHour and AccountChatsPerHour bound the chats created. The defaults are 60
	// and 50,000.
	CustomerChatsPerHour, AccountChatsPerHour int
	// CustomerBytesPerHour and AccountBytesPerHour bound what is stored: the bytes of
	// texts, parameters, names and correlationIds, and RecordBytes more for each message,
	// chat and session. The defaults are 8 MiB and 4 GiB.
	CustomerBytesPerHour, AccountBytesPerHour int
	// CustomerCalls bounds the calls of a customer that are in progress, each until its
	// answer has been written. The default is 8.
	CustomerCalls int
}

// RecordBytes is what a message, chat or session counts besides what the customer has
// written: about what the store keeps around it.
const RecordBytes = 512

// The quotas, as the violation of a refusal names them.
const (
	quotaOngoing  = "ongoingChats"
	quotaSessions = "sessionsPerHour"
	quotaChats    = "chatsPerHour"
	quotaBytes    = "bytesPerHour"
	quotaCalls    = "callsInProgress"
)

// DefaultQuotas returns the default of each.
func DefaultQuotas() Quotas { return Quotas{}.withDefaults() }

// Unlimited returns q in which 0 means unlimited as one in which it means the default.
func (q Quotas) Unlimited() Quotas {
	for _, n := range []*int{
		&q.CustomerChats, &q.AccountChats, &q.CustomerSessionsPerHour, &q.AccountSessionsPerHour, &q.CustomerChatsPerHour,
		&q.AccountChatsPerHour, &q.CustomerBytesPerHour, &q.AccountBytesPerHour, &q.CustomerCalls,
	} {
		defaultTo(n, -1)
	}
	return q
}

// withDefaults returns q with its defaults filled in.
func (q Quotas) withDefaults() Quotas {
	defaultTo(&q.CustomerChats, 30)
	defaultTo(&q.AccountChats, 20_000)
	defaultTo(&q.CustomerSessionsPerHour, 300)
	defaultTo(&q.AccountSessionsPerHour, 100_000)
	defaultTo(&q.CustomerChatsPerHour, 60)
	defaultTo(&q.AccountChatsPerHour, 50_000)
	defaultTo(&q.CustomerBytesPerHour, 8<<20)
	defaultTo(&q.AccountBytesPerHour, 4<<30)
	defaultTo(&q.CustomerCalls, 8)
	return q
}

// quotas counts what has been used. Make one with newQuotas.
type quotas struct {
	limits   atomic.Pointer[Quotas]
	store    ongoingChats
	sessions *hourly
	chats    *hourly
	bytes    *hourly

	mu       sync.Mutex
	creating map[store.Customer]int           // chats that are being created
	calls    map[store.Customer]int           // calls in progress
	turns    map[store.Customer]chan struct{} // of those who have calls in progress
}

// ongoingChats is what quotas need of the store.
type ongoingChats interface {
	Ongoing(ctx context.Context, c store.Customer) (int, error)
	OngoingOfAccount(account string) int
}

func newQuotas(limits Quotas, ongoing ongoingChats) *quotas {
	q := &quotas{
		store:    ongoing,
		sessions: newHourly(quotaSessions, "create %d sessions"),
		chats:    newHourly(quotaChats, "create %d chats"),
		bytes:    newHourly(quotaBytes, "store %d bytes"),
		creating: map[store.Customer]int{},
		calls:    map[store.Customer]int{},
		turns:    map[store.Customer]chan struct{}{},
	}
	q.set(limits)
	return q
}

// set replaces the quotas. What has been used counts against the new ones.
func (q *quotas) set(limits Quotas) {
	q.limits.Store(&limits)
	q.sessions.set(limits.CustomerSessionsPerHour, limits.AccountSessionsPerHour)
	q.chats.set(limits.CustomerChatsPerHour, limits.AccountChatsPerHour)
	q.bytes.set(limits.CustomerBytesPerHour, limits.AccountBytesPerHour)
}

// hourly is a quota of an amount an hour, for each customer and for each account. Make one
// with newHourly; set gives it its amounts.
type hourly struct {
	name, may          string
	customers, account atomic.Int64
	ofCustomer         *httpapi.Budget
	ofAccount          *httpapi.Budget
}

func newHourly(name, may string) *hourly {
	return &hourly{name: name, may: may, ofCustomer: httpapi.NewBudget(-1), ofAccount: httpapi.NewBudget(-1)}
}

func (h *hourly) set(customer, account int) {
	h.customers.Store(int64(customer))
	h.account.Store(int64(account))
	h.ofCustomer.Set(customer)
	h.ofAccount.Set(account)
}

// take takes n of what the customer and the account have left, or refuses and takes nothing.
func (h *hourly) take(c store.Customer, n int) error {
	if wait := h.ofCustomer.Take(customerKey(c), n); wait > 0 {
		return h.refuse("This customer", h.customers.Load(), wait)
	}
	if wait := h.ofAccount.Take(c.Account, n); wait > 0 {
		h.ofCustomer.Return(customerKey(c), n)
		return h.refuse("All customers of this account together", h.account.Load(), wait)
	}
	return nil
}

// giveBack returns n that take has taken.
func (h *hourly) giveBack(c store.Customer, n int) {
	h.ofCustomer.Return(customerKey(c), n)
	h.ofAccount.Return(c.Account, n)
}

func (h *hourly) refuse(who string, amount int64, wait time.Duration) error {
	p := httpapi.TooMany("", wait)
	p.Detail = fmt.Sprintf("%s may "+h.may+" an hour, and has used them; this is possible again in %d seconds.", who, amount, p.RetryAfter)
	return quotaProblem(p, h.name)
}

// quotaProblem names the quota in the refusal.
func quotaProblem(p *httpapi.Problem, name string) *httpapi.Problem {
	p.Violations = []wire.Violation{{Field: name, Message: "is used up", Code: wire.ViolationState}}
	return p.Because("quota-" + name)
}

func customerKey(c store.Customer) string { return c.Account + " " + c.ID }

// charge is what one call has used of the quotas. Its zero value has used nothing.
type charge struct {
	quotas                 *quotas
	customer               store.Customer
	sessions, chats, bytes int
}

// refund gives back what was charged for something that was not stored: a repeat, or a
// failure.
func (c *charge) refund() {
	if c.sessions > 0 {
		c.quotas.sessions.giveBack(c.customer, c.sessions)
	}
	if c.chats > 0 {
		c.quotas.chats.giveBack(c.customer, c.chats)
	}
	if c.bytes > 0 {
		c.quotas.bytes.giveBack(c.customer, c.bytes)
	}
}

// chargeBytes charges a record in which the customer has written n bytes.
func (q *quotas) chargeBytes(c store.Customer, n int) (charge, error) {
	n += RecordBytes
	if err := q.bytes.take(c, n); err != nil {
		return charge{}, err
	}
	return charge{quotas: q, customer: c, bytes: n}, nil
}

// chargeSession charges a session with n bytes.
func (q *quotas) chargeSession(c store.Customer, n int) (charge, error) {
	if err := q.sessions.take(c, 1); err != nil {
		return charge{}, err
	}
	paid, err := q.chargeBytes(c, n)
	if err != nil {
		q.sessions.giveBack(c, 1)
		return charge{}, err
	}
	paid.sessions = 1
	return paid, nil
}

// chargeChat charges a chat with n bytes. When it succeeds, created must follow once the
// chat is stored, or is not.
func (q *quotas) chargeChat(ctx context.Context, c store.Customer, n int) (paid charge, created func(), err error) {
	leave := q.enter(q.creating, c)
	defer func() {
		if err != nil {
			leave()
		}
	}()
	if err := q.admitChat(ctx, c); err != nil {
		return charge{}, nil, err
	}
	if err := q.chats.take(c, 1); err != nil {
		return charge{}, nil, err
	}
	if paid, err = q.chargeBytes(c, n); err != nil {
		q.chats.giveBack(c, 1)
		return charge{}, nil, err
	}
	paid.chats = 1
	return paid, leave, nil
}

// admitChat refuses a chat, which counts as being created already, when there are as many
// as possible.
func (q *quotas) admitChat(ctx context.Context, c store.Customer) error {
	if most := q.limits.Load().CustomerChats; most >= 0 {
		ongoing, err := q.store.Ongoing(ctx, c)
		if err != nil {
			return err
		}
		if ongoing+q.entered(q.creating, c) > most {
			p := httpapi.Refuse(http.StatusConflict, wire.ProblemConflict, fmt.Sprintf(
				"This customer has %d ongoing chats, which is as many as one customer may have; one must end before another is created.", most))
			return quotaProblem(p, quotaOngoing)
		}
	}
	if most := q.limits.Load().AccountChats; most >= 0 && q.store.OngoingOfAccount(c.Account) >= most {
		return quotaProblem(httpapi.TooMany(fmt.Sprintf(
			"The customers of this account have %d ongoing chats, which is as many as they may have together; some must end first.", most), accountWait), quotaOngoing)
	}
	return nil
}

// accountWait is after how long a customer whose account has too many chats may ask again:
// when others will have ended is not known.
const accountWait = time.Minute

// callWait is after how long a customer who has too many calls in progress may call again.
const callWait = time.Second

// atOnce is how many calls of one customer are worked on at a time. The others wait, so that a customer
// who makes many at once does not take the processors from those who make one.
const atOnce = 2

// call counts a call of the customer in; when it succeeds, end must follow. turn has room for as many as
// are worked on at a time.
func (q *quotas) call(c store.Customer) (turn chan struct{}, end func(), err error) {
	leave := q.enter(q.calls, c)
	end = func() {
		leave()
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.calls[c] == 0 {
			delete(q.turns, c)
		}
	}
	if most := q.limits.Load().CustomerCalls; most >= 0 && q.entered(q.calls, c) > most {
		end()
		return nil, nil, quotaProblem(httpapi.TooMany(fmt.Sprintf(
			"This customer has %d calls in progress, which is as many as one customer may have; an answer must be read before the next call.", most), callWait), quotaCalls)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	turn = q.turns[c]
	if turn == nil {
		turn = make(chan struct{}, atOnce)
		q.turns[c] = turn
	}
	return turn, end, nil
}

// enter counts one of the customer into counts; leave, which must follow once, counts it
// out.
func (q *quotas) enter(counts map[store.Customer]int, c store.Customer) (leave func()) {
	q.mu.Lock()
	counts[c]++
	q.mu.Unlock()
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if counts[c]--; counts[c] == 0 {
			delete(counts, c)
		}
	}
}

func (q *quotas) entered(counts map[store.Customer]int, c store.Customer) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return counts[c]
}

// bytesOf counts what is stored of the words and parameters.
func bytesOf(parameters map[string]string, words ...string) (n int) {
	for key, value := range parameters {
		n += len(key) + len(value)
	}
	for _, word := range words {
		n += len(word)
	}
	return n
}
