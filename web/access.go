package main

import (
	"fmt"
	"slices"
	"strings"

	"openchat/web/desk"
	"openchat/web/gateway"
	"openchat/web/httpapi"
)

// secrets is a flag with a secret that may be repeated. A secret may hold commas, so only
// a new line separates: several in the environment stand one a line.
type secrets []string

func (l *secrets) String() string { return "" }

func (l *secrets) Set(s string) error {
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			*l = append(*l, line)
		}
	}
	return nil
}

// readDeskCredentials reads --desk-credential: a secret for every account's desk, or
// ACCOUNT=secret, with several accounts as ACCOUNT+ACCOUNT=secret.
func (s *settings) readDeskCredentials(tenants []gateway.Tenant) error {
	s.desks = nil
	for i, text := range s.deskCredential {
		c := desk.Credential{Secret: text, Accounts: []string{desk.AllAccounts}}
		if names, secret, ok := strings.Cut(text, "="); ok {
			// What does not begin with accounts is a secret with this character in it.
			if list := strings.Split(names, "+"); !slices.ContainsFunc(list, func(a string) bool { return httpapi.CheckAccount(a) != nil }) {
				c = desk.Credential{Secret: secret, Accounts: list}
			}
		}
		if err := readSecret("desk-credential", &c.Secret); err != nil {
			return err
		}
		if err := httpapi.CheckCredential(c.Secret); err != nil {
			return fmt.Errorf("--desk-credential%s is %w", ordinal(i, len(s.deskCredential)), err)
		}
		for _, account := range c.Accounts {
			if account != desk.AllAccounts && !serves(tenants, account) {
				return fmt.Errorf("--desk-credential%s is for the account %s, which no --tenant has", ordinal(i, len(s.deskCredential)), account)
			}
		}
		for at, other := range s.desks {
			if other.Secret == c.Secret {
				return fmt.Errorf("--desk-credential: numbers %d and %d are the same secret; use one for each, or ACCOUNT+ACCOUNT=secret for desks of several accounts", at+1, i+1)
			}
		}
		s.desks = append(s.desks, c)
	}
	return nil
}

// ordinal says which of several values of a flag is meant.
func ordinal(i, n int) string {
	if n == 1 {
		return ""
	}
	return fmt.Sprintf(" number %d", i+1)
}

func serves(tenants []gateway.Tenant, account string) bool {
	return slices.ContainsFunc(tenants, func(t gateway.Tenant) bool { return t.Account == account })
}
