package desk

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
)

// FuzzDesk reads every text as a frame of a desk and as the body of its calls: what is
// taken holds docs/desk-api.md's limits, and what is refused is not quoted.
func FuzzDesk(f *testing.F) {
	const id = `"agentId":"3f0c1b52-8a0e-4f7c-9a55-0d2f4c1e7b90"`
	for _, text := range []string{
		`{"type":"authenticate","credential":"` + credential + `"}`, `{"type":"ping"}`, `{"type":"pong"}`, `{"type":"authenticate","credential":"x",` + id + `,"agentName":"Ann"}`,
		`{` + id + `,"agentName":"Ann","takeOver":true}`, `{` + id + `,"takeOver":1}`, `{"type":"something new","x":[{}]}`,
		`{` + id + `,"agentName":"Ann"}`, `{` + id + `,"text":"Hello","correlationId":"k"}`, `{` + id + `}`, `{"agentId":"` + BotID + `","agentName":"x"}`,
		`{"agentId":"` + strings.ToUpper(SystemID) + `","text":"x"}`, `{` + id + `,"agentName":"  "}`, `{` + id + `,"agentName":"a\u0007b"}`, `{` + id + `,"agentName":"` + strings.Repeat("😀", 36) + `"}`,
		`{` + id + `,"text":"` + strings.Repeat("😀", 2049) + `"}`, `{` + id + `,` + id + `}`, `{"AGENTID":"x"}`, "{\"agentId\":\"\xff\"}", `{"agentId":"\ud800"}`, `{"agentId":1}`, `{"agentId":null}`,
		`null`, `[]`, `1`, ``, `{}x`, strings.Repeat(`{"x":[`, 50),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		sound := json.Valid(text) && utf8.Valid(text)
		if frame, err := httpapi.Unmarshal[clientFrame](text); err == nil && (!sound || !utf8.ValidString(frame.Credential)) {
			t.Fatalf("taken: %q", text)
		}
		b, err := httpapi.Decode(httptest.NewRequest("POST", "/", bytes.NewReader(text)), httpapi.Unmarshal[body])
		if err == nil {
			err = b.checkID()
		}
		refused := func(err error) {
			t.Helper()
			var p *httpapi.Problem
			if !errors.As(err, &p) || p.Status != 400 || len(p.Detail) > 100 {
				t.Fatalf("refused with %v", err)
			}
		}
		if err != nil {
			refused(err)
			return
		}
		if !sound || !wire.IsUUID(b.AgentID) || b.AgentID != strings.ToLower(b.AgentID) || b.AgentID == BotID || b.AgentID == SystemID {
			t.Fatalf("taken: %q", text)
		}
		if err := b.checkName(); err != nil {
			refused(err)
		} else if n := wire.UTF16Len(b.AgentName); n < 1 || n > wire.MaxDisplayName || strings.ContainsFunc(b.AgentName, unicode.IsControl) || strings.TrimSpace(b.AgentName) != b.AgentName {
			t.Fatalf("taken: %q", b.AgentName)
		}
		if err := b.checkText(); err != nil {
			refused(err)
		} else if n := wire.UTF16Len(b.Text); n < 1 || n > wire.MaxText || len(b.CorrelationID) > wire.MaxCorrelationID || !utf8.ValidString(b.Text) {
			t.Fatalf("taken: %q", b.Text)
		}
	})
}
