package main

import (
	"fmt"
	"io"
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
	for i, text := range s.deskCredential {
		c := cutDeskCredential(text)
		if err := readSecret("desk-credential", &c.Secret); err != nil {
			return err
		}
		if err := httpapi.CheckCredential(c.Secret); err != nil {
			return fmt.Errorf("--desk-credential%s is %w", ordinal(i, len(s.deskCredential)), err)
		}
		if account := notServed(tenants, c.Accounts); account != "" {
			return fmt.Errorf("--desk-credential%s is for the account %s, which no --tenant has", ordinal(i, len(s.deskCredential)), account)
		}
		for at, other := range s.deskAccess.Credentials {
			if other.Secret == c.Secret {
				return fmt.Errorf("--desk-credential: numbers %d and %d are the same secret; use one for each, or ACCOUNT+ACCOUNT=secret for desks of several accounts", at+1, i+1)
			}
		}
		s.deskAccess.Credentials = append(s.deskAccess.Credentials, c)
	}
	if s.agents != "" {
		agents, err := readAgents(s.agents)
		if err != nil {
			return fmt.Errorf("--agents: %s: %w", s.agents, err)
		}
		for i, a := range agents {
			if account := notServed(tenants, a.Accounts); account != "" {
				return fmt.Errorf("--agents: %s: agent number %d is for the account %s, which no --tenant has", s.agents, i+1, account)
			}
		}
		s.deskAccess.Agents = agents
	}
	if s.deskIssuer == "" {
		return nil
	}
	if err := desk.CheckIssuer(s.deskIssuer); err != nil {
		return fmt.Errorf("--desk-oidc-issuer is %w", err)
	}
	return nil
}

// cutDeskCredential takes a secret for every account's desk, or ACCOUNT=secret, with
// several accounts as ACCOUNT+ACCOUNT=secret, apart.
func cutDeskCredential(text string) desk.Credential {
	c := desk.Credential{Secret: text, Accounts: []string{desk.AllAccounts}}
	if names, secret, ok := strings.Cut(text, "="); ok {
		// What does not begin with accounts is a secret with this character in it.
		if list := strings.Split(names, "+"); !slices.ContainsFunc(list, func(a string) bool { return httpapi.CheckAccount(a) != nil }) {
			c = desk.Credential{Secret: secret, Accounts: list}
		}
	}
	return c
}

// readAgents reads the file of agents.
func readAgents(path string) ([]desk.Agent, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, desk.MaxAgentsFile+1))
	if err != nil {
		return nil, err
	}
	return desk.ReadAgents(text)
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
		if account != desk.AllAccounts && !slices.ContainsFunc(tenants, func(t gateway.Tenant) bool { return t.Account == account }) {
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
