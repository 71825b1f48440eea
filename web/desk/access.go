package desk

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"openchat/web/httpapi"
)

// AllAccounts, in a list of accounts, stands for every account.
const AllAccounts = "*"

// Credential is a secret that desks share: a server that speaks for its agents, or desks
// without a sign-in of their own. Whoever sends it may name any agent.
type Credential struct {
	// Secret has at least httpapi.MinCredential bytes.
	Secret string
	// Accounts are the accounts whose chats it shows, at least one; AllAccounts: every account.
	Accounts []string
}

// accounts is a set of accounts; nil: every account.
type accounts map[string]bool

func (a accounts) has(account string) bool { return a == nil || a[account] }

// newAccounts makes the set of a list in a configuration.
func newAccounts(list []string) (accounts, error) {
	if len(list) == 0 {
		return nil, errors.New("without an account; " + AllAccounts + " stands for every account")
	}
	if slices.Contains(list, AllAccounts) {
		return nil, nil
	}
	set := accounts{}
	for _, account := range list {
		if err := httpapi.CheckAccount(account); err != nil {
			return nil, fmt.Errorf("for the account %q, which is %w", account, err)
		}
		set[account] = true
	}
	return set, nil
}

// caller is who makes a call or has a socket, as the credential says.
type caller struct {
	accounts accounts // whose chats exist for the caller
}

// access holds who may use the desk, by the SHA-256 of what they send. So neither content
// nor length of a credential shows in the time that a comparison takes.
type access map[[sha256.Size]byte]*caller

// newAccess checks the credentials of a configuration.
func newAccess(credentials []Credential) (access, error) {
	a := access{}
	for i, c := range credentials {
		if err := httpapi.CheckCredential(c.Secret); err != nil {
			return nil, fmt.Errorf("Config.Credentials: number %d is %w", i+1, err)
		}
		set, err := newAccounts(c.Accounts)
		if err != nil {
			return nil, fmt.Errorf("Config.Credentials: number %d is %w", i+1, err)
		}
		digest := sha256.Sum256([]byte(c.Secret))
		if a[digest] != nil {
			return nil, fmt.Errorf("Config.Credentials: number %d is given twice; name all its accounts at once, or use another for each", i+1)
		}
		a[digest] = &caller{accounts: set}
	}
	if len(a) == 0 {
		return nil, errors.New("Config.Credentials: none is given")
	}
	return a, nil
}

// find returns who sends that credential, nil for nobody.
func (a access) find(credential string) *caller { return a[sha256.Sum256([]byte(credential))] }
