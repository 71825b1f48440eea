package main

import (
	"strings"

	"openchat/web/gateway"
	"openchat/web/httpapi"
)

// retained is what --retain-bytes says: how many bytes an account keeps, 0 for any number, and
// the same for those that have their own.
type retained struct {
	each int64
	of   map[string]int64
}

// readRetained reads --retain-bytes.
func (s *settings) readRetained(tenants []gateway.Tenant) error {
	s.retained = retained{of: map[string]int64{}}
	var m mistakes
	all := false
	for i, text := range s.retain {
		accounts, value := cutAccounts(text)
		number := ordinal(i, len(s.retain))
		n, err := readSize(value)
		if err != nil || strings.TrimSpace(value) == "" {
			m.addf("--retain-bytes%s: %q is not a number of bytes like 500MB, 20GB or 20GiB, or one of an account, as in ABCDEF=2GB", number, text)
		}
		if account := notServed(tenants, accounts); account != "" {
			m.addf("--retain-bytes%s is for the account %s, which no --tenant has", number, account)
		}
		for _, account := range accounts {
			_, twice := s.retained.of[account]
			if account == httpapi.AllAccounts {
				twice, all, s.retained.each = all, true, int64(n)
			} else {
				s.retained.of[account] = int64(n)
			}
			if twice {
				m.addf("--retain-bytes%s is for an account, or for all, that another is for", number)
			}
		}
	}
	return m.err()
}
