package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"openchat/web/desk"
	"openchat/web/gateway"
	"openchat/web/httpapi"
)

// readDeskAccess reads who may use the desk: --desk-credential, --agents
// and --desk-oidc-issuer.
func (s *settings) readDeskAccess(tenants []gateway.Tenant) error {
	s.deskAccess = desk.Access{}
	var m mistakes
	list, err := readCredentials("desk-credential", s.deskCredential, tenants)
	m.add(err)
	for _, c := range list {
		s.deskAccess.Credentials = append(s.deskAccess.Credentials, desk.Credential{Secret: c.secret, Accounts: c.accounts})
	}
	if s.agents != "" {
		agents, err := readAgents(s.agents)
		if err != nil {
			m.addf("--agents: %w", inFile(s.agents, err))
		}
		for i, a := range agents {
			if account := notServed(tenants, a.Accounts); account != "" {
				m.addf("--agents: %s: agent number %d is for the account %s, which no --tenant has", s.agents, i+1, account)
			}
		}
		s.deskAccess.Agents = agents
	}
	if s.deskIssuer != "" {
		if err := desk.CheckIssuer(s.deskIssuer); err != nil {
			m.addf("--desk-oidc-issuer is %w", err)
		}
	}
	return m.err()
}

// agentIssuer is the issuer that agents sign in at. Its zero value is none.
type agentIssuer struct {
	issuer, audience string
	tokens           *desk.Issuer       // nil: there is none
	end              context.CancelFunc // of the reading of its keys
}

// open gives s the issuer that it names: the one that runs already, or a new one, which runs
// when keep has been called. One that cannot be read is no error where optional says that the
// process can do without for now.
func (a *agentIssuer) open(ctx context.Context, p *process, s *settings, optional bool) (keep func(), err error) {
	next := agentIssuer{issuer: s.deskIssuer, audience: s.deskAudience}
	switch {
	case s.deskIssuer == "":
		return func() { a.replace(p, agentIssuer{}) }, nil
	case next.issuer == a.issuer && next.audience == a.audience:
		s.deskAccess.Tokens = a.tokens
		return func() {}, nil
	}
	next.tokens, err = desk.NewIssuer(desk.IssuerConfig{Issuer: next.issuer, Audience: next.audience, Logger: p.log})
	if err == nil && !optional {
		err = next.tokens.Load(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("--desk-oidc-issuer, --desk-oidc-audience: %w", err)
	}
	s.deskAccess.Tokens = next.tokens
	return func() { a.replace(p, next) }, nil
}

// replace ends the reading of the issuer's keys and begins that of the next one's.
func (a *agentIssuer) replace(p *process, next agentIssuer) {
	a.stop()
	*a = next
	if a.tokens == nil {
		return
	}
	var ctx context.Context
	ctx, a.end = context.WithCancel(context.Background())
	tokens := a.tokens
	p.running.Go(func() { _ = tokens.Run(ctx) }) // it ends with ctx only
}

// stop ends the reading of the issuer's keys, without waiting for it.
func (a *agentIssuer) stop() {
	if a.end != nil {
		a.end()
	}
}

// readServers reads who may get tokens: --server-credential.
func (s *settings) readServers(tenants []gateway.Tenant) error {
	s.servers = nil
	list, err := readCredentials("server-credential", s.serverCredential, tenants)
	for _, c := range list {
		s.servers = append(s.servers, gateway.ServerCredential{Secret: c.secret, Accounts: c.accounts})
	}
	return err
}

// credential is a secret and the accounts that it is for.
type credential struct {
	secret   string
	accounts []string
}

// readCredentials reads a flag whose values are secrets of accounts.
func readCredentials(flag string, values secrets, tenants []gateway.Tenant) ([]credential, error) {
	var m mistakes
	var list []credential
	for i, text := range values {
		var c credential
		c.accounts, c.secret = cutAccounts(text)
		number := ordinal(i, len(values))
		if err := readSecret(flag+number, &c.secret); err != nil {
			m.add(err)
			c.secret = ""
		} else if err := httpapi.CheckCredential(c.secret); err != nil {
			m.addf("--%s%s is %w", flag, number, err)
		}
		if account := notServed(tenants, c.accounts); account != "" {
			m.addf("--%s%s is for the account %s, which no --tenant has", flag, number, account)
		}
		for at, other := range list {
			if other.secret == c.secret && c.secret != "" {
				m.addf("--%s: numbers %d and %d are the same secret; use one for each, or ACCOUNT+ACCOUNT=secret for one of several accounts", flag, at+1, i+1)
			}
		}
		list = append(list, c)
	}
	return list, m.err()
}

// checkSecrets refuses an HS256 secret that is easily guessed, as readCredentials has refused
// credentials, and one secret for two purposes: whoever learns it from the one place could use
// it in the other. An appkey is in every customer's browser, and so it is no secret and need not
// be strong, but nothing secret may be the same.
func (s *settings) checkSecrets(tenants []gateway.Tenant) error {
	used := map[[sha256.Size]byte]string{} // what for
	for i, t := range tenants {
		name := "--appkey"
		if at := i - (len(tenants) - len(s.tenants)); at >= 0 {
			name = "the appkey of --tenant" + ordinal(at, len(s.tenants))
		}
		used[sha256.Sum256([]byte(t.Appkey))] = name
	}
	delete(used, sha256.Sum256(nil)) // of what could not be read
	var m mistakes
	twice := func(digest [sha256.Size]byte, what string) {
		if other := used[digest]; other != "" {
			m.addf("%s and %s are the same; use a secret of its own for each purpose, and none that is an appkey, which every browser is given", other, what)
		}
		used[digest] = what
	}
	for i, c := range s.servers {
		if c.Secret != "" {
			twice(sha256.Sum256([]byte(c.Secret)), "--server-credential"+ordinal(i, len(s.servers)))
		}
	}
	for i, c := range s.deskAccess.Credentials {
		if c.Secret != "" {
			twice(sha256.Sum256([]byte(c.Secret)), "--desk-credential"+ordinal(i, len(s.deskAccess.Credentials)))
		}
	}
	for i, a := range s.deskAccess.Agents {
		for _, digest := range a.Tokens {
			twice(digest, fmt.Sprintf("a token of agent number %d in --agents", i+1))
		}
	}
	if s.hs256Secret != "" {
		if err := httpapi.CheckSecret(s.hs256Secret); err != nil && len(s.hs256Secret) >= gateway.MinSecret {
			m.addf("--jwt-hs256-secret is %w", err)
		}
		twice(sha256.Sum256([]byte(s.hs256Secret)), "--jwt-hs256-secret")
	}
	return m.err()
}

// cutAccounts takes the accounts before a value apart from it: ACCOUNT=value, or
// ACCOUNT+ACCOUNT=value for several. A value without them is for every account.
func cutAccounts(text string) (accounts []string, value string) {
	if names, value, ok := strings.Cut(text, "="); ok {
		// What does not begin with accounts is a value with this character in it.
		if list, ok := accountList(names); ok {
			return list, value
		}
	}
	return []string{httpapi.AllAccounts}, text
}

// accountList reads accounts that + separates, or * for every account.
func accountList(text string) ([]string, bool) {
	list := strings.Split(text, "+")
	return list, !slices.ContainsFunc(list, func(a string) bool { return a != httpapi.AllAccounts && httpapi.CheckAccount(a) != nil })
}

// readAgents reads the file of agents.
func readAgents(path string) ([]desk.Agent, error) {
	text, err := readBounded(path, desk.MaxAgentsFile)
	if err != nil {
		return nil, err
	}
	return desk.ReadAgents(text)
}

// readBounded reads a file, and of one with more than max bytes one byte more.
func readBounded(path string, max int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, max+1))
}

// inFile names the file in an error that is about it, once.
func inFile(path string, err error) error {
	var named *fs.PathError
	if err == nil || errors.As(err, &named) {
		return err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// ordinal says which of several values of a flag is meant.
func ordinal(i, n int) string {
	if n == 1 {
		return ""
	}
	return fmt.Sprintf(" number %d", i+1)
}

// notServed returns one of the accounts that no tenant has, "" when each has one.
func notServed(tenants []gateway.Tenant, accounts []string) string {
	for _, account := range accounts {
		if account != httpapi.AllAccounts && !slices.ContainsFunc(tenants, func(t gateway.Tenant) bool { return t.Account == account }) {
			return account
		}
	}
	return ""
}

// agentTokenCommand prints what NewToken makes, for the file of agents.
const agentTokenCommand = "agent-token"

// printAgentToken makes a token for an agent.
func printAgentToken(w io.Writer) {
	token, hash := desk.NewToken()
	fmt.Fprintf(w, "Token, for the agent only:  %s\nHash, for --agents:         %s\n", token, hash)
}
