package gateway

import (
	"crypto/sha256"
	"fmt"

	"openchat/web/httpapi"
)

// ServerCredential is a secret with which your servers get tokens.
type ServerCredential struct {
	// Secret has at least httpapi.MinCredential bytes.
	Secret string
	// Accounts are those whose tokens it gives, at least one; httpapi.AllAccounts: every
	// account.
	Accounts []string
}

// access is whom the gateway serves, and what is used for that.
type access struct {
	tenants []Tenant
	tokens  *verifier
	signer  *Signer // nil: it mints nothing
	// servers are known by the SHA-256 of their credential. So neither content nor length
	// of one shows in the time that a comparison takes.
	servers map[[sha256.Size]byte]httpapi.Accounts
}

// newAccess takes what is access out of a configuration whose other fields have been
// checked.
func newAccess(cfg *Config) (*access, error) {
	tokens, err := newVerifier(cfg)
	if err != nil {
		return nil, err
	}
	a := &access{tenants: cfg.Tenants, tokens: tokens, signer: cfg.Signer, servers: map[[sha256.Size]byte]httpapi.Accounts{}}
	credentials := cfg.ServerCredentials
	if cfg.ServerCredential != "" {
		credentials = append([]ServerCredential{{cfg.ServerCredential, []string{httpapi.AllAccounts}}}, credentials...)
	}
	for i, c := range credentials {
		if err := httpapi.CheckCredential(c.Secret); err != nil {
			return nil, fmt.Errorf("server credential number %d is %w", i+1, err)
		}
		accounts, err := httpapi.NewAccounts(c.Accounts)
		if err != nil {
			return nil, fmt.Errorf("server credential number %d is %w", i+1, err)
		}
		digest := sha256.Sum256([]byte(c.Secret))
		if _, known := a.servers[digest]; known {
			return nil, fmt.Errorf("server credential number %d is given twice; name all its accounts at once, or use another for each", i+1)
		}
		a.servers[digest] = accounts
	}
	return a, nil
}

// find returns the accounts of a server credential.
func (a *access) find(credential string) (accounts httpapi.Accounts, known bool) {
	accounts, known = a.servers[sha256.Sum256([]byte(credential))]
	return accounts, known
}

// accountsOf is NewAccounts, where an empty list stands for every account too.
func accountsOf(list []string) (httpapi.Accounts, error) {
	if len(list) == 0 {
		return nil, nil
	}
	return httpapi.NewAccounts(list)
}
