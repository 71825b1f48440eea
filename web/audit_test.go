package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
)

// audited reads an audit log.
func audited(t *testing.T, path string) (list []httpapi.Audited) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var e httpapi.Audited
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if e.Time.IsZero() {
			t.Errorf("no time in %s", line)
		}
		list = append(list, e)
	}
	return list
}

func TestAuditLogSaysWhoDidWhat(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.log")
	p := launchDemo(t, t.TempDir(), "127.0.0.1:0", "--audit-log", path)
	c := p.customer("Ann Secret-Name")
	s := c.stream(0)
	e := c.create(`{"topic":"secret topic"}`)
	for range 4 { // until the bot has said its line, and the desk has the chat
		s.read()
	}
	chat := "/engagements/" + e.EngagementID
	const agentID = "1b0f1c52-7a0c-4a39-a1b8-3d2c1f6b7a55"
	agent := fmt.Sprintf(`{"agentId":%q,"agentName":"Bo Secret-Name"}`, agentID)
	p.agent(200, "POST", chat+":accept", agent)
	p.agent(200, "GET", chat+"/messages", "")
	p.agent(409, "POST", chat+":accept", `{"agentId":"2b0f1c52-7a0c-4a39-a1b8-3d2c1f6b7a55","agentName":"Cy"}`)
	p.agent(201, "POST", chat+"/messages", fmt.Sprintf(`{"agentId":%q,"text":"secret words"}`, agentID))
	p.agent(200, "POST", chat+":leave", agent)
	p.agent(200, "POST", chat+":accept", strings.Replace(agent, "{", `{"takeOver":true,`, 1))
	p.agent(200, "POST", chat+":end", agent)
	for range 30 { // one line, and a count later
		p.call("GET", "/api/desk/v1/engagements", "", "Authorization", "Bearer wrong-secret")
	}
	server := []string{"Authorization", "Bearer " + demoServer, "appkey", demoAppkey}
	base := wire.BasePath + "/accounts/" + demoAccount
	p.call("POST", base+"/tokens", fmt.Sprintf(`{"customerId":"c1","integrationId":%q}`, demoIntegrationID), server...)
	p.call("GET", base+"/customers/c1/export", "", server...)
	p.call("DELETE", base+"/customers/c1", "", server...)
	p.call("DELETE", wire.BasePath+"/accounts/nonsense/customers/c1", "", server...)
	p.call("DELETE", base+"/customers/c1", "", "Authorization", "Bearer wrong-secret")

	var got []string
	for _, e := range audited(t, path) {
		got = append(got, strings.Join([]string{e.Actor, e.Action, e.Agent, e.Account, e.Customer, e.Outcome}, " "))
		if strings.HasPrefix(e.Actor, "desk:") && e.Chat == "" || e.Address != "127.0.0.1" {
			t.Errorf("%+v", e)
		}
	}
	desk := "desk:* "
	want := []string{
		desk + "accept " + agentID + " DEMOAC  done",
		desk + "read  DEMOAC  done",
		desk + "accept 2b0f1c52-7a0c-4a39-a1b8-3d2c1f6b7a55 DEMOAC  409 Conflict",
		desk + "leave " + agentID + " DEMOAC  done",
		desk + "take-over " + agentID + " DEMOAC  done",
		desk + "end " + agentID + " DEMOAC  done",
		"nobody sign-in    refused",
		"server:* mint  DEMOAC c1 done",
		"server:* export  DEMOAC c1 done",
		"server:* erase  DEMOAC c1 done",
		"server:* erase  nonsense c1 400 Bad Request",
		"nobody sign-in    refused",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the log has\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"Secret-Name", "secret", demoServer, demoDesk, c.token} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}

	// A file that was moved away is begun anew.
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	p.hangup("settings read again")
	if list := audited(t, path); len(list) != 1 || list[0].Actor != "operator" || list[0].Action != "reload" || list[0].Outcome != httpapi.Done {
		t.Errorf("%v", list)
	}
	p.terminate(syscall.SIGTERM)
}

// A log that cannot be written is no outage, and is said once.
func TestAnAuditLogThatIsFullStopsNothing(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	p := launchDemo(t, t.TempDir(), "127.0.0.1:0", "--audit-log", "/dev/full")
	c := p.customer("Ann")
	s := c.stream(0)
	e := c.create("{}")
	for range 4 { // until the bot has said its line, and the desk has the chat
		s.read()
	}
	for range 3 {
		p.agent(200, "GET", "/engagements/"+e.EngagementID+"/messages", "")
	}
	p.terminate(syscall.SIGTERM)
	if n := strings.Count(p.Log.String(), "the audit log cannot be written"); n != 1 {
		t.Errorf("said %d times", n)
	}
}
