package desk

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
)

// MaxAgentsFile is the largest text that ReadAgents takes, in bytes.
const MaxAgentsFile = 8 << 20

// tokenScheme begins a token's hash in the file of agents.
const tokenScheme = "sha256:"

// agentsFile is the file of agents (docs/operations.md).
type agentsFile struct {
	Agents []struct {
		AgentID   string   `json:"agentId"`
		AgentName string   `json:"agentName"`
		Role      Role     `json:"role"`
		Accounts  []string `json:"accounts"`
		Tokens    []string `json:"tokens"`
	} `json:"agents"`
}

// ReadAgents reads a file of agents: JSON, in which a member that is not known is a
// mistake. What it returns is checked. Its errors quote no token.
func ReadAgents(text []byte) ([]Agent, error) {
	if len(text) > MaxAgentsFile {
		return nil, fmt.Errorf("it has more than %d bytes", MaxAgentsFile)
	}
	var file agentsFile
	if err := json.Unmarshal(text, &file, json.RejectUnknownMembers(true)); err != nil {
		var wrong *json.SemanticError
		if errors.As(err, &wrong) && wrong.JSONPointer != "" {
			// Not the error itself: it may quote the text.
			return nil, fmt.Errorf("%s is unknown, or of another type than expected", shorten(string(wrong.JSONPointer)))
		}
		return nil, errors.New("it is not the JSON that is expected")
	}
	agents := make([]Agent, 0, len(file.Agents))
	for i, a := range file.Agents {
		agent := Agent{ID: a.AgentID, Name: a.AgentName, Role: a.Role, Accounts: a.Accounts}
		for _, text := range a.Tokens {
			digest, err := parseTokenHash(text)
			if err != nil {
				return nil, fmt.Errorf("agent number %d: %w", i+1, err)
			}
			agent.Tokens = append(agent.Tokens, digest)
		}
		if len(agent.Tokens) == 0 {
			return nil, fmt.Errorf("agent number %d has no tokens", i+1)
		}
		agents = append(agents, agent)
	}
	if len(agents) == 0 {
		return nil, errors.New("it has no agents")
	}
	if _, err := newAccess(Access{Agents: agents}); err != nil {
		return nil, err
	}
	return agents, nil
}

// shorten bounds what an error says of a text.
func shorten(text string) string {
	if len(text) > 100 {
		text = text[:100] + "…"
	}
	return fmt.Sprintf("%q", text)
}

func parseTokenHash(text string) (digest [sha256.Size]byte, err error) {
	digits, ok := strings.CutPrefix(text, tokenScheme)
	if n, err := hex.Decode(digest[:], []byte(digits[:min(len(digits), 2*len(digest))])); !ok || err != nil || n != len(digest) || len(digits) != 2*len(digest) {
		return digest, fmt.Errorf("a token is not %s and the 64 hexadecimal digits of its hash", tokenScheme)
	}
	return digest, nil
}

// NewToken makes a token for an agent, and its hash for the file of agents.
func NewToken() (token, hash string) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // it cannot fail
	token = hex.EncodeToString(secret[:])
	digest := sha256.Sum256([]byte(token))
	return token, tokenScheme + hex.EncodeToString(digest[:])
}
