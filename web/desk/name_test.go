package desk

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"openchat/sdk/wire"
)

// No agent is let into a chat, or into the file of agents, with a name that poses as the
// system's or hides something.
func TestAgentsNameCannotPose(t *testing.T) {
	f := newFixture(t, newStore(t), nil)
	e := f.waiting("Cleo")
	path := "/engagements/" + e.EngagementID + ":accept"
	ann := newAgent("x")
	_, hash := NewToken()
	for _, name := range []string{"System", " sys tem ", "SYSTEM", "Sys\u200btem", "Ann\nLee", "Ann\u202e", "\u2066Ann", "A\u200fnn", "\u200b", strings.Repeat("n", wire.MaxDisplayName+1)} {
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
