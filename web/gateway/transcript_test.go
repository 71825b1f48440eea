package gateway

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"openchat/sdk/wire"
	"openchat/sdk/wire/wiretest"
	"openchat/web/store"
)

// TestTranscripts plays the golden transcripts with a scripted client against the
// real gateway and store: what the SDK is tested to say is understood, and what the
// SDK is tested to understand is said.
func TestTranscripts(t *testing.T) {
	for _, name := range []string{"chat", "resume", "refused"} {
		t.Run(name, func(t *testing.T) { playTranscript(t, name) })
	}
}

func playTranscript(t *testing.T, name string) {
	steps, err := wiretest.Load(os.DirFS("../../sdk/wire"), name)
	if err != nil {
		t.Fatal(err)
	}
	w := newEnvironment(t)
	ann := func(c *Claims) { c.CustomerName = "Ann" }
	vars := wiretest.Vars{"integration": integration, "appkey": appkey, "token": w.token("ann", ann), "agent": uuid.NewString()}
	makeUp := func(name string) string {
		switch {
		case strings.HasPrefix(name, "date"):
			return time.Now().UTC().Format(time.RFC3339Nano)
		case strings.HasPrefix(name, "token"):
			return w.token("ann", ann)
		}
		return uuid.NewString()
	}
	owner := store.Customer{Account: account, ID: "ann"}
	bo := wire.Participant{ParticipantID: vars["agent"], ParticipantType: wire.ParticipantAgent, DisplayName: "Bo"}
	update := func(change func(*store.Engagement) []wire.Event) {
		_, err := w.store.Update(w.ctx(), owner, vars["engagement"], func(e *store.Engagement) ([]wire.Event, error) { return change(e), nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	say := func(text string) {
		_, _, err := w.store.Append(w.ctx(), owner, vars["engagement"], store.NewMessage{
			Sender: bo, Body: wire.Body{ElementType: "text", Text: text, TextFormat: wire.TextPlain}, CorrelationID: uuid.NewString(),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var stream *client
	deskDoes := func(words []string) {
		rest := strings.Join(words[1:], " ")
		switch words[0] {
		case "route":
			s, err := w.store.Session(w.ctx(), owner, vars["session"])
			if err != nil {
				t.Fatal(err)
			}
			update(func(e *store.Engagement) []wire.Event { return e.Enter(s) })
		case "accept":
			update(func(e *store.Engagement) []wire.Event { return e.Add(bo) })
		case "say":
			say(rest)
		case "end":
			update((*store.Engagement).Terminate)
		case "end-session":
			if err := w.store.EndSession(w.ctx(), owner, vars["session"], wire.ReasonSystemClosed); err != nil {
				t.Fatal(err)
			}
		case "lost":
			stream.conn.CloseNow()
		case "made":
			s, _, err := w.store.CreateSession(w.ctx(), owner, integration, "Ann", nil, "")
			if err != nil {
				t.Fatal(err)
			}
			e, _, err := w.store.CreateEngagement(w.ctx(), s, nil, "")
			if err != nil {
				t.Fatal(err)
			}
			vars["session"], vars["engagement"] = s.SessionID, e.EngagementID
			update(func(e *store.Engagement) []wire.Event { return append(e.Enter(s), e.Add(bo)...) })
			say("Hello")
		default:
			t.Fatalf("desk %v", words)
		}
	}

	var held reply
	for _, step := range steps {
		fatal := func(err error) {
			if err != nil {
				t.Fatalf("%s:%d: %v", name, step.Line, err)
			}
		}
		switch step.Verb {
		case "desk":
			deskDoes(step.Args)
		case "call":
			held = w.call(step.Args[0], vars.Expand(step.Args[1], makeUp), vars["token"], vars.Expand(step.JSON, makeUp))
		case "answer":
			if strconv.Itoa(held.status) != step.Args[0] {
				t.Fatalf("%s:%d: status %d %s", name, step.Line, held.status, held.body)
			}
			if step.JSON != "" {
				fatal(vars.Match(step.JSON, string(held.body)))
			}
		case "connect":
			stream = w.dial(strings.Split(vars.Expand(step.Args[0], makeUp), "/")[2])
		case "send":
			stream.write(vars.Expand(step.JSON, makeUp))
		case "receive":
			text, err := stream.tryNext()
			fatal(err)
			fatal(vars.Match(step.JSON, text))
		case "close":
			_, _, err := stream.conn.Read(w.ctx())
			if got := strconv.Itoa(int(websocket.CloseStatus(err))); got != step.Args[0] {
				t.Fatalf("%s:%d: closed with %s", name, step.Line, got)
			}
		}
	}
}
