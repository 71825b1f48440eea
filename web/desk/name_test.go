package desk

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"openchat/sdk/wire"
)

// No agent is let into a chat, or into the file of agents, with a name that poses as the
// system's or the bot's or hides something.
func TestAgentsNameCannotPose(t *testing.T) {
	f := newFixture(t, newStore(t), nil)
	e := f.waiting("Cleo")
	path := "/engagements/" + e.EngagementID + ":accept"
	ann := newAgent("x")
	_, hash := NewToken()
	for _, name := range []string{"System", " sys tem ", "SYSTEM", "Sys\u200btem", "Assistant", "аssistant", "Bot", "Ann\nLee", "Ann\u202e", "\u2066Ann", "A\u200fnn", "\u200b", strings.Repeat("n", wire.MaxDisplayName+1)} {
		text, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		f.refused(http.StatusBadRequest, "constraint-violation", "agentName", "POST", path, fmt.Sprintf(`{"agentId":%q,"agentName":%s}`, ann.id, text))
		if _, err := ReadAgents([]byte(fmt.Sprintf(`{"agents":[{"agentId":%q,"agentName":%s,"role":"agent","accounts":["*"],"tokens":[%q]}]}`, ann.id, text, hash))); err == nil {
			t.Errorf("the file of agents may have %+q", name)
		}
	}
	status, _, b := f.call("POST", path, fmt.Sprintf(`{"agentId":%q,"agentName":"علی\u200cرضا 👩\u200d💻"}`, ann.id))
	if status != http.StatusOK {
		t.Errorf("%d %s", status, b)
	}
}

// A desk learns which of what it says of its agent is refused, so that its page can ask for
// another name.
func TestASocketSaysThatTheNameIsRefused(t *testing.T) {
	f := newFixture(t, newStore(t), nil)
	for reason, members := range map[string]string{
		"agentName must not be the name of the system's own lines, or of the bot": `"agentName":"assistant"`,
		"agentName must not hold control characters, or such that cannot be seen": `"agentName":"A\u202en"`,
		"agentName must have at most 70 characters":                               `"agentName":"` + strings.Repeat("n", 71) + `"`,
		"agentId must be a UUID": `"agentId":"x"`,
	} {
		c := f.dial()
		c.write(fmt.Sprintf(`{"type":"authenticate","credential":%q,%s}`, credential, members))
		_, _, err := c.conn.Read(t.Context())
		var end websocket.CloseError
		if !errors.As(err, &end) || end.Code != wire.CloseMalformed || end.Reason != reason {
			t.Errorf("%s: %v", members, err)
		}
	}
}
