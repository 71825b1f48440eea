package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"

	"openchat/sdk/wire"
	"openchat/web/desk"
)

// What an agent does who signs in as themselves, what the gateway does when that agent is
// disconnected, and who fails to sign in at the desk's event stream.
func TestAuditLogNamesAgentsRequeuesAndFailedSockets(t *testing.T) {
	token, hash := agentToken(t)
	const agentID = "3f0c1b52-8a0e-4f7c-9a55-0d2f4c1e7b90"
	dir := t.TempDir()
	agents, log := filepath.Join(dir, "agents.json"), filepath.Join(dir, "audit.jsonl")
	if err := os.WriteFile(agents, fmt.Appendf(nil, `{"agents":[{"agentId":%q,"agentName":"Ann Secret-Name","role":"agent","accounts":["ABCDEF"],"tokens":[%q]}]}`, agentID, hash), 0o600); err != nil {
		t.Fatal(err)
	}
	p := launch(t, built(t), append(twoTenants(t), "--agents", agents, "--audit-log", log, "--agent-grace", "1s")...)
	id := p.begin("Cleo")
	p.shown(token, id)
	call := func(want int, method, path, body string) {
		t.Helper()
		if status, b := p.call(method, desk.BasePath+"/engagements/"+id+path, body, "Authorization", "Bearer "+token); status != want {
			t.Errorf("%s answers %d %s", path, status, b)
		}
	}
	call(http.StatusOK, "POST", ":accept", `{}`)
	call(http.StatusOK, "GET", "/messages", "")
	call(http.StatusForbidden, "POST", ":supervise", `{}`)

	// A socket with a wrong credential.
	conn, _, err := websocket.Dial(t.Context(), p.URL+desk.BasePath+"/events", &websocket.DialOptions{Subprotocols: []string{desk.Subprotocol}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"authenticate","credential":"a-wrong-secret-of-nobody"}`)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != wire.CloseTokenRefused {
		t.Errorf("closed with %v", err)
	}

	p.shown(token, id) // the agent's own socket, which then ends
	p.logged("an agent was disconnected")
	p.terminate(syscall.SIGTERM)

	var got []string
	for _, e := range audited(t, log) {
		if e.Action == "mint" {
			continue // of begin
		}
		got = append(got, strings.Join([]string{e.Actor, e.Action, e.Agent, e.Account, e.Outcome}, " "))
		if of := e.Actor == "nobody"; of != (e.Chat == "") || !of && e.Chat != id || (e.Actor == "gateway") != (e.Address == "") {
			t.Errorf("%+v", e)
		}
	}
	want := []string{
		"agent:" + agentID + " accept  ABCDEF done",
		"agent:" + agentID + " read  ABCDEF done",
		"agent:" + agentID + " supervise  ABCDEF 403 Forbidden",
		"nobody sign-in   refused",
		"gateway requeue " + agentID + " ABCDEF done",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the log has\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{token, hash, "Secret-Name", "wrong-secret"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}
