package httpapi

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Audited is an entry of the audit log. It never holds a text, a name or a token. What is
// empty is left out.
type Audited struct {
	Time time.Time `json:"time"` // set by Note
	// Actor is agent:‹agentId› for an agent who has signed in, desk:‹accounts› for the holder of a shared
	// desk credential, server:‹accounts› for that of a server credential, operator, gateway for
	// what happens by itself, or nobody for a caller without a valid credential.
	Actor    string `json:"actor"`
	Action   string `json:"action"`
	Agent    string `json:"agent,omitempty"` // the agentId for whom a shared credential speaks
	Account  string `json:"account,omitempty"`
	Chat     string `json:"chat,omitempty"`     // engagementId
	Customer string `json:"customer,omitempty"` // customerId
	Address  string `json:"address,omitempty"`
	Outcome  string `json:"outcome"`         // done, or the status and kind of the refusal
	Times    int    `json:"times,omitempty"` // how often, of what is counted together
}

// Done is the Outcome of what has succeeded.
const Done = "done"

// OutcomeOf is the Outcome of a call.
func OutcomeOf(err error) string {
	if err == nil {
		return Done
	}
	p := ProblemOf(err)
	return strconv.Itoa(p.Status) + " " + http.StatusText(p.Status)
}

// Audit appends to an audit log, one JSON object a line. Nil: there is none. Its methods are
// safe for concurrent use.
type Audit struct {
	path string
	log  *slog.Logger

	mu     sync.Mutex
	file   *os.File
	failed bool // the last line could not be written, and that was logged
}

// OpenAudit opens the file, which it creates for its owner only, to append to it. log receives
// what goes wrong later: once, until a line can be written again.
func OpenAudit(path string, log *slog.Logger) (*Audit, error) {
	a := &Audit{path: path, log: Logger(log)}
	return a, a.Reopen()
}

// Reopen opens the file anew, after it has been moved away. After an error the one before
// stays in use.
func (a *Audit) Reopen() error {
	if a == nil {
		return nil
	}
	file, err := os.OpenFile(a.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file != nil {
		_ = a.file.Close() // every line has been written
	}
	a.file = file
	return nil
}

// Note appends an entry.
func (a *Audit) Note(e Audited) {
	if a == nil {
		return
	}
	e.Time = time.Now().UTC()
	line, err := json.Marshal(e)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		_, err = a.file.Write(append(line, '\n'))
	}
	switch {
	case err != nil && !a.failed:
		a.log.Error("the audit log cannot be written; what happens meanwhile is missing from it", "error", err)
	case err == nil && a.failed:
		a.log.Warn("the audit log can be written again")
	}
	a.failed = err != nil
}

// Close closes the file. Nothing is appended after it.
func (a *Audit) Close() {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = a.file.Close() // every line has been written
	a.failed = true    // nothing is logged of what comes later
}

// String lists the accounts for an Audited.
func (a Accounts) String() string {
	if a == nil {
		return AllAccounts
	}
	var list []string
	for account := range a {
		list = append(list, account)
	}
	slices.Sort(list)
	return strings.Join(list, "+")
}
