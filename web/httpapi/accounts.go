package httpapi

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// AllAccounts, in a list of accounts, stands for every account.
const AllAccounts = "*"

// Accounts is a set of accounts; nil: every account. Make one with NewAccounts.
type Accounts map[string]bool

// NewAccounts makes the set of a list in a configuration. The list has at least one
// account; AllAccounts in it stands for every account.
func NewAccounts(list []string) (Accounts, error) {
	if len(list) == 0 {
		return nil, errors.New("without an account; " + AllAccounts + " stands for every account")
	}
	if slices.Contains(list, AllAccounts) {
		return nil, nil
	}
	set := Accounts{}
	for _, account := range list {
		if err := CheckAccount(account); err != nil {
			return nil, fmt.Errorf("for the account %q, which is %w", account, err)
		}
		set[account] = true
	}
	return set, nil
}

// Has reports whether the account is one of them.
func (a Accounts) Has(account string) bool { return a == nil || a[account] }

// List returns the set as it is written in a configuration, sorted.
func (a Accounts) List() []string {
	if a == nil {
		return []string{AllAccounts}
	}
	return slices.Sorted(maps.Keys(a))
}
