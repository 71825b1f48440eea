package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"openchat/sdk/wire"
	"openchat/tests/harness"
	"openchat/web/desk"
)

const serverSecret = "secret-of-the-servers-of-all"

// twoTenants are the flags of a process with two accounts.
func twoTenants(t *testing.T) []string {
	t.Helper()
	_, private, _ := newKeys(t)
	file := filepath.Join(t.TempDir(), "private.pem")
	if err := os.WriteFile(file, private, 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{
		"--addr", "127.0.0.1:0", "--dist", "", "--data", t.TempDir(), "--jwt-private-key", file, "--server-credential", serverSecret,
		"--tenant", tenantText + "appkey-one", "--tenant", "GHIJKL:9c5e2d29-76bc-4424-8e3f-6c1f0a7d5b21:appkey-two",
	}
}

// begin starts a chat of the first of twoTenants and returns its engagementId.
func (p *running) begin(name string) string {
	p.Helper()
	status, b := p.call("POST", wire.BasePath+"/accounts/ABCDEF/tokens", fmt.Sprintf(`{"customerId":%q,"customerName":%q,"integrationId":%q}`, name, name, demoIntegrationID),
		"Authorization", "Bearer "+serverSecret, wire.HeaderAppkey, "appkey-one")
	if status != 201 {
		p.Fatalf("the tokens call answered %d %s", status, b)
	}
	c := &customer{running: p, token: member(p.T, b, "jwtToken"), appkey: "appkey-one"}
	session := c.rest(201, "POST", "/sessions", fmt.Sprintf(`{"integrationId":%q}`, demoIntegrationID))
	return member(p.T, c.rest(201, "POST", "/engagements", fmt.Sprintf(`{"sessionId":%q}`, member(p.T, session, "sessionId"))), "engagementId")
}

// shown waits until that desk shows the chat: the desk follows what is stored.
func (p *running) shown(credential, engagementID string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), harness.Timeout)
	defer cancel()
	found := errors.New("found")
	d := &harness.Desk{URL: p.URL, Credential: credential}
	err := d.Follow(ctx, "", func(f harness.DeskFrame) error {
		if f.Chat.EngagementID == engagementID || slices.ContainsFunc(f.Chats, func(c harness.Chat) bool { return c.EngagementID == engagementID }) {
			return found
		}
		return nil
	})
	if !errors.Is(err, found) {
		p.Fatalf("the chat is not shown: %v", err)
	}
}

// member is a text in a JSON object.
func member(t *testing.T, b []byte, name string) string {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	text, _ := v[name].(string)
	if text == "" {
		t.Fatalf("%s has no %s", b, name)
	}
	return text
}

// agentToken is a token for an agent and its hash, from gateway agent-token.
func agentToken(t *testing.T) (token, hash string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), built(t), "agent-token").Output()
	lines := regexp.MustCompile(`(?m)([0-9a-f]{64})\n[^\n]* (sha256:[0-9a-f]{64})\n$`).FindSubmatch(out)
	if err != nil || lines == nil {
		t.Fatalf("agent-token printed %q, %v", out, err)
	}
	return string(lines[1]), string(lines[2])
}

// An account's desks, and agents who sign in as themselves, in the real process: the token
// comes from gateway agent-token, its hash goes into the file.
func TestDeskAccess(t *testing.T) {
	token, hash := agentToken(t)
	const agentID = "3f0c1b52-8a0e-4f7c-9a55-0d2f4c1e7b90"
	file := filepath.Join(t.TempDir(), "agents.json")
	if err := os.WriteFile(file, fmt.Appendf(nil, `{"agents":[{"agentId":%q,"agentName":"Ann","role":"agent","accounts":["ABCDEF"],"tokens":[%q]}]}`, agentID, hash), 0o600); err != nil {
		t.Fatal(err)
	}
	const one, two = "secret-of-the-first-account", "secret-of-the-second-account"
	p := launch(t, built(t), append(twoTenants(t), "--desk-credential", "ABCDEF="+one, "--desk-credential", "GHIJKL="+two, "--agents", file)...)
	id := p.begin("Cleo")
	p.shown(one, id)
	for secret, status := range map[string]int{one: 200, token: 200, two: 404, demoDesk: 401, hash: 401} {
		got, b := p.call("GET", desk.BasePath+"/engagements/"+id, "", "Authorization", "Bearer "+secret)
		if got != status {
			t.Errorf("the chat for %s: %d %s, want %d", secret, got, b, status)
		}
		if got, b := p.call("GET", desk.BasePath+"/engagements", "", "Authorization", "Bearer "+secret); status != 401 && (got != 200 || bytes.Contains(b, []byte(id)) != (status == 200)) {
			t.Errorf("the list for %s: %d %s", secret, got, b)
		}
	}
	status, b := p.call("POST", desk.BasePath+"/engagements/"+id+":accept", `{}`, "Authorization", "Bearer "+token)
	if status != 200 || !bytes.Contains(b, []byte(agentID)) {
		t.Errorf("accept: %d %s", status, b)
	}
	if status, b := p.call("POST", desk.BasePath+"/engagements/"+id+":supervise", `{}`, "Authorization", "Bearer "+token); status != 403 {
		t.Errorf("supervise: %d %s", status, b)
	}
	if log := p.Log.String(); strings.Contains(log, token) || strings.Contains(log, one) {
		t.Error("a credential is logged")
	}
}

// What is wrong with the file of agents is said at the start, and the process does not run.
func TestAgentsFileMistakes(t *testing.T) {
	dir := t.TempDir()
	one := `{"agents":[{"agentId":"3f0c1b52-8a0e-4f7c-9a55-0d2f4c1e7b90","agentName":"Ann","role":"ROLE","accounts":["ACCOUNT"],"tokens":["sha256:` + strings.Repeat("ab", 32) + `"]}]}`
	for want, x := range map[string]string{
		"no such file": "", "role must be agent or supervisor": one, "GHIJKL, which no --tenant has": strings.NewReplacer("ROLE", "agent", "ACCOUNT", "GHIJKL").Replace(one), "not the JSON": "x",
	} {
		file := filepath.Join(dir, "agents.json")
		_ = os.Remove(file)
		if x != "" {
			if err := os.WriteFile(file, []byte(x), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var stderr bytes.Buffer
		if code := run(context.Background(), production("--agents", file), env(), &bytes.Buffer{}, &stderr); code != exitMisused || !strings.Contains(stderr.String(), want) || !strings.Contains(stderr.String(), "--agents") {
			t.Errorf("code %d, said %q, want %q", code, stderr.String(), want)
		}
	}
	// Agents alone are enough.
	file := filepath.Join(dir, "agents.json")
	if err := os.WriteFile(file, []byte(strings.NewReplacer("ROLE", "agent", "ACCOUNT", "ABCDEF").Replace(one)), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := parse([]string{"--tenant", tenantText + "key", "--jwt-public-key", "k", "--agents", file}, env())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.check(); err != nil || len(s.deskAccess.Agents) != 1 {
		t.Errorf("got %+v, %v", s.deskAccess, err)
	}
}
