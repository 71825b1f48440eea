package desk

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
)

// Access says who may use the desk. It must let somebody in.
type Access struct {
	// Credentials are the secrets that desks share; none may be given twice.
	Credentials []Credential
	// Agents are those who sign in as themselves, with a token of their own.
	Agents []Agent
	// Tokens verifies the tokens of agents who sign in at an issuer. Nil: nobody does.
	Tokens TokenVerifier
}

// Check says what is wrong with an Access.
func (a Access) Check() error {
	_, err := newAccess(a)
	return err
}

// Credential is a secret that desks share: a server that speaks for its agents, or desks
// without a sign-in of their own. Whoever sends it may name any agent.
type Credential struct {
	// Secret has at least httpapi.MinCredential bytes.
	Secret string
	// Accounts are the accounts whose chats it shows, at least one; httpapi.AllAccounts: every account.
	Accounts []string
}

// Role says what an agent who signs in may do.
type Role string

// Roles.
const (
	RoleAgent      Role = "agent"      // accept, write, leave, and end the own chats
	RoleSupervisor Role = "supervisor" // besides, supervise, and take chats over
)

// Agent is somebody who signs in at the desk.
type Agent struct {
	ID       string // a UUID
	Name     string // 1–70 UTF-16 units; customers see it
	Role     Role
	Accounts []string // whose chats the agent is shown, at least one; httpapi.AllAccounts: every account
	// Tokens are the SHA-256 of the tokens that the agent may send, so that the configuration
	// holds no secret: at most MaxAgentTokens, so that one can be replaced without a break.
	Tokens [][sha256.Size]byte
}

// TokenVerifier verifies what agents send who sign in at an issuer. Two that are == are the
// same one.
type TokenVerifier interface {
	// Verify returns whom the token speaks for, and until when. Its error says in a few words
	// what is wrong with the token, and holds nothing of it.
	Verify(ctx context.Context, token string) (Agent, time.Time, error)
}

// Bounds of Access.
const (
	MaxAgents      = 10_000
	MaxAgentTokens = 4
	// MinAgentToken is the shortest token that an agent can sign in with, in bytes. Tokens are
	// made at random and not chosen: 16 random bytes in hexadecimal digits have this length.
	// That is also why a plain SHA-256 is enough to keep them by: no dictionary has them, and a
	// slow hash would make each call slow.
	MinAgentToken = 32
)

// caller is who makes a call or has a socket, as the credential says.
type caller struct {
	accounts httpapi.Accounts // whose chats exist for the caller
	// agent is who has signed in. Nil: the credential is a shared one, and its holder speaks
	// for the agents that it names.
	agent   *Agent
	expires time.Time // when the sign-in ends; zero: it does not
	// tokens is what has verified the sign-in. Nil: the settings name the credential.
	tokens TokenVerifier
}

// same reports whether both may do the same.
func (c *caller) same(other *caller) bool {
	if (c.agent == nil) != (other.agent == nil) || !slices.Equal(c.accounts.List(), other.accounts.List()) {
		return false
	}
	return c.agent == nil || c.agent.ID == other.agent.ID && c.agent.Name == other.agent.Name && c.agent.Role == other.agent.Role
}

// speak keeps an agent who has signed in from speaking as anybody else: what the body leaves
// out is filled in, and another agent's id or name is refused.
func (c *caller) speak(b *body) error {
	if c.agent == nil {
		return nil
	}
	b.signedIn = true
	switch {
	case b.AgentID != "" && !strings.EqualFold(b.AgentID, c.agent.ID):
		return notYours("agentId")
	case b.AgentName != "" && strings.TrimSpace(b.AgentName) != c.agent.Name:
		return notYours("agentName")
	}
	b.AgentID, b.AgentName = c.agent.ID, c.agent.Name
	return nil
}

func notYours(field string) *httpapi.Problem {
	return httpapi.Refuse(http.StatusForbidden, wire.ProblemForbidden, field+" is not that of the agent who has signed in; it may be left out.",
		wire.Violation{Field: field, Message: "is not that of the agent who has signed in", Code: wire.ViolationPattern})
}

// supervises refuses what is for supervisors to an agent of another role.
func (c *caller) supervises(field, what string) error {
	if c.agent == nil || c.agent.Role == RoleSupervisor {
		return nil
	}
	return httpapi.Refuse(http.StatusForbidden, wire.ProblemForbidden, "Only a supervisor may "+what+".",
		wire.Violation{Field: field, Message: "is for supervisors", Code: wire.ViolationPattern})
}

// access is who may use the desk at present.
type access struct {
	// callers are known by the SHA-256 of what they send. So neither content nor length of a
	// credential shows in the time that a comparison takes.
	callers map[[sha256.Size]byte]*caller
	tokens  TokenVerifier
}

// newAccess checks a configuration.
func newAccess(from Access) (*access, error) {
	a := &access{callers: map[[sha256.Size]byte]*caller{}, tokens: from.Tokens}
	for i, c := range from.Credentials {
		if err := httpapi.CheckCredential(c.Secret); err != nil {
			return nil, fmt.Errorf("credential number %d is %w", i+1, err)
		}
		set, err := httpapi.NewAccounts(c.Accounts)
		if err != nil {
			return nil, fmt.Errorf("credential number %d is %w", i+1, err)
		}
		digest := sha256.Sum256([]byte(c.Secret))
		if a.callers[digest] != nil {
			return nil, fmt.Errorf("credential number %d is given twice; name all its accounts at once, or use another for each", i+1)
		}
		a.callers[digest] = &caller{accounts: set}
	}
	if len(from.Agents) > MaxAgents {
		return nil, fmt.Errorf("%d agents are too many; %d are possible", len(from.Agents), MaxAgents)
	}
	ids := map[string]bool{}
	for i := range from.Agents {
		agent := from.Agents[i]
		who, err := newCaller(&agent)
		switch {
		case err != nil:
			return nil, fmt.Errorf("agent number %d: %w", i+1, err)
		case ids[agent.ID]:
			return nil, fmt.Errorf("agent number %d: the agentId %s is given twice", i+1, agent.ID)
		case len(agent.Tokens) > MaxAgentTokens:
			return nil, fmt.Errorf("agent number %d: %d tokens are too many; %d are possible", i+1, len(agent.Tokens), MaxAgentTokens)
		}
		ids[agent.ID] = true
		for _, digest := range agent.Tokens {
			if a.callers[digest] != nil || digest == sha256.Sum256(nil) {
				return nil, fmt.Errorf("agent number %d: a token is given twice, or is that of an empty text", i+1)
			}
			a.callers[digest] = who
		}
	}
	if len(a.callers) == 0 && a.tokens == nil {
		return nil, errors.New("no credential is given, no agent with a token, and no issuer")
	}
	return a, nil
}

// newCaller checks an agent and brings its id and name into order.
func newCaller(agent *Agent) (*caller, error) {
	b := body{AgentID: agent.ID, AgentName: agent.Name}
	err := b.checkID()
	if err == nil {
		err = b.checkName()
	}
	var p *httpapi.Problem
	if errors.As(err, &p) {
		return nil, errors.New(strings.TrimSuffix(p.Detail, "."))
	}
	if agent.Role != RoleAgent && agent.Role != RoleSupervisor {
		return nil, fmt.Errorf("role must be %s or %s", RoleAgent, RoleSupervisor)
	}
	set, err := httpapi.NewAccounts(agent.Accounts)
	if err != nil {
		return nil, fmt.Errorf("it is %w", err)
	}
	agent.ID, agent.Name = b.AgentID, b.AgentName
	return &caller{accounts: set, agent: agent}, nil
}

// find returns who sends that credential. The error says in a few words why it is nobody.
func (a *access) find(ctx context.Context, credential string) (*caller, error) {
	who := a.callers[sha256.Sum256([]byte(credential))]
	switch {
	case who != nil && (who.agent == nil || len(credential) >= MinAgentToken):
		return who, nil
	case who != nil:
		return nil, errors.New("an agent's token that is too short")
	case credential == "":
		return nil, errors.New("no credential")
	case a.tokens == nil || strings.Count(credential, ".") != 2:
		return nil, errWrongSecret
	}
	agent, expires, err := a.tokens.Verify(ctx, credential)
	if err != nil {
		return nil, err
	}
	if who, err = newCaller(&agent); err != nil {
		return nil, fmt.Errorf("an issuer's token that does not say who the agent is: %w", err)
	}
	who.expires, who.tokens = expires, a.tokens
	return who, nil
}

var errWrongSecret = errors.New("a wrong credential")
