package httpapi

import (
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Guesses limits failed authentication for each address, and logs it: a line for each
// address and kind of failure at once, and one with a count at the end of each minute in
// which it goes on. Make one with NewGuesses. Its methods are safe for concurrent use.
//
// Where what is refused is a secret, Blocked comes before the comparison, so that an
// address cannot try more than its rate. An address from which the right secret has come
// within the last hour is not blocked: whoever shares an address with a server, as all do
// behind a proxy that the gateway is not configured for, must not lock it out. Where what is
// refused is a signature, which nobody guesses, only Failed is called: who has a good token
// is never held up by others of the same address.
type Guesses struct {
	limits      *Limits
	notices     *Notices
	behindProxy bool

	mu     sync.Mutex
	proven map[string]time.Time // when the right secret last came from an address
}

// Defaults of NewGuesses' rate and burst.
const (
	DefaultGuessRate  = 20
	DefaultGuessBurst = 200
)

// Bounds of the memory: how many addresses and kinds are logged one by one; for how long,
// and of how many addresses, it is remembered that they had the right secret.
const (
	maxGuessLines = 50
	provenTime    = time.Hour
	maxProven     = 1024
)

// NewGuesses returns Guesses that have seen none. They allow each address perSecond failures
// on average and burst at once; negative: any number. behindProxy: see Address.
func NewGuesses(log *slog.Logger, perSecond float64, burst int, behindProxy bool) *Guesses {
	return &Guesses{
		limits:      NewLimits(perSecond, burst),
		notices:     NewNotices(log, "authentication failed", maxGuessLines),
		behindProxy: behindProxy,
		proven:      map[string]time.Time{},
	}
}

// Audit has failures noted in an audit log as that action, as they are logged: a line for each
// address and kind, then counts. Those of kinds that begin with without are left out. It is to
// be called before anything else.
func (g *Guesses) Audit(audit *Audit, action, without string) {
	if audit == nil {
		return
	}
	g.notices.logged = func(attributes []any, times int) {
		e := Audited{Actor: "nobody", Action: action, Outcome: "refused", Times: times}
		for i := 0; i+1 < len(attributes); i += 2 {
			text, _ := attributes[i+1].(string)
			switch attributes[i] {
			case "address":
				e.Address = text
			case "refused":
				if without != "" && strings.HasPrefix(text, without) {
					return
				}
			}
		}
		audit.Note(e)
	}
}

// Blocked refuses with 429 an address that has failed too often and has not had the right
// secret lately. It counts nothing.
func (g *Guesses) Blocked(r *http.Request) error {
	address := Address(r, g.behindProxy)
	g.mu.Lock()
	at, proven := g.proven[address]
	g.mu.Unlock()
	if proven && time.Since(at) < provenTime {
		return nil
	}
	if d := g.limits.peek(address); d > 0 {
		g.notices.Note(address+" blocked", "address", address, "refused", "too many failures before")
		return tooManyFailures(d)
	}
	return nil
}

// Failed counts a failure and logs it; kind says in a few words what was refused, and
// holds nothing of it. It returns a 429 when the address has failed too often, else nil.
func (g *Guesses) Failed(r *http.Request, kind string) error {
	return g.FailedAt(Address(r, g.behindProxy), kind)
}

// FailedAt is Failed for an address that Address returned. The attributes, of the first
// failure of its kind, are logged with it.
func (g *Guesses) FailedAt(address, kind string, attributes ...any) error {
	g.notices.Note(address+" "+kind, append([]any{"address", address, "refused", kind}, attributes...)...)
	if d := g.limits.wait(address); d > 0 {
		return tooManyFailures(d)
	}
	return nil
}

// Succeeded notes that the right secret has come from the request's address.
func (g *Guesses) Succeeded(r *http.Request) {
	address, now := Address(r, g.behindProxy), time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.proven[address]; !known && len(g.proven) >= maxProven {
		for a, at := range g.proven {
			if now.Sub(at) >= provenTime {
				delete(g.proven, a)
			}
		}
		if len(g.proven) >= maxProven {
			return
		}
	}
	g.proven[address] = now
}

// Close logs what was counted and not yet logged.
func (g *Guesses) Close() { g.notices.Close() }

func tooManyFailures(wait time.Duration) *Problem {
	return TooMany("Too much from this address was refused: its credentials or tokens are wrong.", wait).Because("wrong-credentials")
}
