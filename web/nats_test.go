package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"openchat/sdk/wire"
)

// restricted starts a NATS server whose only user has those permissions, in the words of its
// configuration, and returns its URL.
func restricted(t *testing.T, permissions string) string {
	t.Helper()
	s := natsServer(t, jetStream(t, "")+fmt.Sprintf("authorization { users: [ { user: gateway, password: nats-password, %s } ] }\n", permissions))
	return strings.Replace(s.ClientURL(), "nats://", "nats://gateway:nats-password@", 1)
}

// documented are the permissions in docs/operations.md.
func documented(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```conf\n(permissions .*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatal("docs/operations.md has no permissions")
	}
	return string(m[1])
}

// What an external NATS server must permit is what the documents say, and no more. One that
// permits the stream CHAT only, as was enough for an earlier version, serves, too.
func TestExternalNATS(t *testing.T) {
	all := documented(t)
	onlyChat := regexp.MustCompile(`"[^"]*(HEALTH|health\.probe)",?`).ReplaceAllString(all, "")
	noCreation := regexp.MustCompile(`"[^"]*HEALTH",?`).ReplaceAllString(all, "")
	for _, x := range []struct {
		name, permissions string
		said              string // at the start; "": no permission is said to be missing
	}{
		{"as documented", all, ""},
		{"only CHAT", onlyChat, "HEALTH"},
		{"a probe without its stream", noCreation, "HEALTH"},
	} {
		t.Run(x.name, func(t *testing.T) {
			p := launchDemo(t, "", "127.0.0.1:0", "--nats-url", restricted(t, x.permissions))
			begun := time.Now()
			p.health(200, 200)
			if took := time.Since(begun); took > 2*time.Second {
				t.Errorf("the health was known after %v", took)
			}
			c := p.customer("Cleo")
			s := c.stream(0)
			e := c.create(`{}`)
			for s.read().Event.Type != wire.EventMessages {
			}
			p.agent(200, "POST", "/engagements/"+e.EngagementID+":accept", ann)
			p.agent(200, "GET", "/engagements/"+e.EngagementID+"/messages?after=0&pageSize=50", "")
			p.health(200, 200)
			log := p.Log.String()
			if got := strings.Count(log, "permission"); x.said == "" && got > 0 || x.said != "" && (got == 0 || got > 8 || !strings.Contains(log, x.said)) {
				t.Errorf("its log speaks of permissions %d times:\n%s", got, log)
			}
			p.terminate(os.Interrupt)
		})
	}
}
