package wire_test

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"openchat/sdk/wire"
	"openchat/sdk/wire/wiretest"
)

var day = time.Date(2026, 1, 5, 10, 0, 0, 120e6, time.UTC)

func message() wire.Message {
	return wire.Message{
		MessageID: "m", EngagementID: "e", DialogID: "d", MessageIndex: 7,
		Body:                wire.Body{ElementType: "text", Text: "a\"\\\u2028<b>😀", TextFormat: wire.TextPlain},
		SenderParticipantID: "p", SenderParticipantName: "Ann", SenderParticipantType: wire.ParticipantCustomer,
		SessionID: "s", CorrelationID: "c", ParentMessageID: "pm", ReceivedAt: day, LastUpdatedAt: day, EventID: 1<<63 + 1,
	}
}

func TestRoundTrip(t *testing.T) {
	check := func(name string, value any, text []byte, decode func([]byte) (any, error)) {
		t.Run(name, func(t *testing.T) {
			if !json.Valid(text) {
				t.Fatalf("not JSON: %s", text)
			}
			got, err := decode(text)
			if err != nil || !reflect.DeepEqual(got, value) {
				t.Errorf("%v\n%s\n%+v, want\n%+v", err, text, got, value)
			}
		})
	}
	m := message()
	participant := wire.Participant{ParticipantID: "p", ParticipantType: wire.ParticipantAgent, DisplayName: "Bo"}
	session := wire.Session{SessionID: "s", ParticipantID: "p", DisplayName: "Ann", SessionParameters: map[string]string{"a": "1", "b": ""},
		SessionStatus: wire.SessionActive, CreatedAt: day, LastUpdatedAt: day}
	check("Session", session, session.Append(nil), func(b []byte) (any, error) { return wire.DecodeSession(b) })
	engagement := wire.Engagement{EngagementID: "e", DialogID: "d", EngagementStatus: wire.EngagementActive,
		Participants: []wire.Participant{participant}, CreatedAt: day, LastUpdatedAt: day, NewestIndex: 3, EventID: 12}
	check("Engagement", engagement, engagement.Append(nil), func(b []byte) (any, error) { return wire.DecodeEngagement(b) })
	list := []wire.Engagement{engagement, engagement}
	check("Engagements", list, wire.AppendEngagements(nil, list), func(b []byte) (any, error) { return wire.DecodeEngagements(b) })
	check("Message", m, m.Append(nil), func(b []byte) (any, error) { return wire.DecodeMessage(b) })
	page := wire.MessagePage{Messages: []wire.Message{m, m}, NewestIndex: 9, HasOlder: true}
	check("MessagePage", page, page.Append(nil), func(b []byte) (any, error) { return wire.DecodeMessagePage(b) })
	cs := wire.CreateSession{IntegrationID: "i", DisplayName: "Ann", SessionParameters: map[string]string{"k": "v"}, CorrelationID: "c"}
	check("CreateSession", cs, cs.Append(nil), func(b []byte) (any, error) { return wire.DecodeCreateSession(b) })
	ce := wire.CreateEngagement{SessionID: "s", EngagementParameters: map[string]string{"k": "v"}, CorrelationID: "c"}
	check("CreateEngagement", ce, ce.Append(nil), func(b []byte) (any, error) { return wire.DecodeCreateEngagement(b) })
	ec := wire.EngagementCall{SessionID: "s", DialogID: "d", Reason: wire.ReasonUserClosed, CorrelationID: "c"}
	check("EngagementCall", ec, ec.Append(nil), func(b []byte) (any, error) { return wire.DecodeEngagementCall(b) })
	sm := wire.SendMessage{SessionID: "s", DialogID: "d", Body: m.Body, ParentMessageID: "p", CorrelationID: "c"}
	check("SendMessage", sm, sm.Append(nil), func(b []byte) (any, error) { return wire.DecodeSendMessage(b) })
	problem := wire.Problem{Type: "t", Title: "T", Status: 400, Detail: "D", Violations: []wire.Violation{{Field: "f", Message: "m", Code: 20002}}}
	check("Problem", problem, problem.Append(nil), func(b []byte) (any, error) { return wire.DecodeProblem(b) })

	for _, f := range []wire.ClientFrame{
		{Type: wire.FrameAuthenticate, Token: "t", Appkey: "a", ClientID: "c", LastEventID: 5}, {Type: wire.FramePing},
	} {
		check("ClientFrame "+string(f.Type), f, f.Append(nil), func(b []byte) (any, error) { return wire.DecodeClientFrame(b) })
	}
	for _, f := range []wire.ServerFrame{
		{Type: wire.FrameReady, HeartbeatInterval: 20 * time.Second, Resumed: true, LastEventID: 5},
		{Type: wire.FrameAuthenticated}, {Type: wire.FramePong},
	} {
		check("ServerFrame "+string(f.Type), f, f.Append(nil), func(b []byte) (any, error) { return wire.DecodeServerFrame(b) })
	}
	inMessage := m
	inMessage.EventID = 0
	for _, e := range []wire.Event{
		{Type: wire.EventEngagementActive, Date: day, EngagementID: "e", DialogID: "d", SessionID: "s", CorrelationID: "c"},
		{Type: wire.EventParticipantAdded, Date: day, EngagementID: "e", DialogID: "d", Participant: participant},
		{Type: wire.EventSessionTerminated, Date: day, SessionID: "s", Reason: wire.ReasonSystemClosed},
		{Type: wire.EventEngagementError, Date: day, EngagementID: "e", DialogID: "d", ErrorType: "T", ErrorTitle: "t", ErrorDetail: "d"},
		{Type: wire.EventMessages, Date: day, EngagementID: "e", DialogID: "d", CorrelationID: "c", Message: &inMessage},
	} {
		check("Event "+string(e.Type), e, e.Append(nil), func(b []byte) (any, error) { return wire.DecodeEvent(b) })
		f := wire.ServerFrame{Type: wire.FrameEvent, ID: 77, Event: e}
		check("event frame of "+string(e.Type), f, wire.AppendEventFrame(nil, 77, e.Append(nil)), func(b []byte) (any, error) { return wire.DecodeServerFrame(b) })
	}
}

func TestLenient(t *testing.T) {
	t.Run("unknown fields and nulls", func(t *testing.T) {
		s, err := wire.DecodeSession([]byte(` {"new":{"deep":[1,{"x":null}]},"sessionId":"s","displayName":null,"sessionParameters":null} `))
		if err != nil || s.SessionID != "s" {
			t.Error(s, err)
		}
	})
	t.Run("dates with other fractions and zones", func(t *testing.T) {
		s, err := wire.DecodeSession([]byte(`{"createdAt":"2026-01-05T11:00:00.12+01:00","lastUpdatedAt":"2026-01-05T10:00:00Z"}`))
		if err != nil || !s.CreatedAt.Equal(day) || !s.LastUpdatedAt.Equal(day.Truncate(time.Second)) {
			t.Error(s, err)
		}
	})
	t.Run("a status as a string", func(t *testing.T) {
		p, err := wire.DecodeProblem([]byte(`{"status":"400"}`))
		if err != nil || p.Status != 400 {
			t.Error(p, err)
		}
	})
	t.Run("an unknown event type", func(t *testing.T) {
		f, err := wire.DecodeServerFrame([]byte(`{"type":"event","id":"9","event":{"eventType":"TYPING","who":["x"],"body":7}}`))
		if err != nil || f.ID != 9 || f.Event.Type != "TYPING" {
			t.Error(f, err)
		}
	})
}

func TestStrict(t *testing.T) {
	for _, text := range []string{
		``, `x`, `[]`, `"s"`, `{`, `{"sessionId":1}`, `{"sessionId":"a","sessionId":"b"}`, `{}{}`, "{\"sessionId\":\"\xff\"}",
		`{"createdAt":"yesterday"}`, `<html>`, strings.Repeat(`{"a":`, 20000),
	} {
		if _, err := wire.DecodeSession([]byte(text)); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%.30q: %v", text, err)
		}
	}
	t.Run("an error never quotes the text", func(t *testing.T) {
		_, err := wire.DecodeClientFrame([]byte(`{"token":"secret", x`))
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
	})
}

func TestReadToken(t *testing.T) {
	// {"sub":"ann","integrationId":"i","customerName":"Ann Ö","exp":1767607200.5,"aud":["x"]}
	payload := "eyJzdWIiOiJhbm4iLCJpbnRlZ3JhdGlvbklkIjoiaSIsImN1c3RvbWVyTmFtZSI6IkFubiDDliIsImV4cCI6MTc2NzYwNzIwMC41LCJhdWQiOlsieCJdfQ"
	for _, token := range []string{"h." + payload + ".s", "jwt.h." + payload + ".s"} {
		c, err := wire.ReadToken(token)
		if err != nil || c.Subject != "ann" || c.IntegrationID != "i" || c.CustomerName != "Ann Ö" || c.Expiry.UnixMilli() != 1767607200500 {
			t.Errorf("%+v %v", c, err)
		}
	}
	for _, token := range []string{"", "a.b", "a.b.c.d", "..", "h.e30.s", "h." + payload[:5] + ".s", "h.!!!!.s", "h." + payload + "."} {
		if c, err := wire.ReadToken(token); err == nil {
			t.Errorf("%q: %+v", token, c)
		}
	}
}

func TestUTF16Len(t *testing.T) {
	for s, want := range map[string]int{"": 0, "aé": 2, "世": 1, "😀": 2} {
		if got := wire.UTF16Len(s); got != want {
			t.Errorf("%q: %d, want %d", s, got, want)
		}
	}
}

// The transcripts are also read by the SDK's and the gateway's tests; here, only
// that this package understands every JSON text in them.
func TestTranscripts(t *testing.T) {
	for _, name := range []string{"chat", "resume", "refused"} {
		steps, err := wiretest.Load(os.DirFS("."), name)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range steps {
			text := wiretest.Vars{}.Expand(s.JSON, func(name string) string {
				switch {
				case strings.HasPrefix(name, "date"):
					return "2026-01-05T10:00:00.000Z"
				case strings.HasPrefix(name, "id"):
					return "7"
				}
				return name
			})
			switch s.Verb {
			case "send":
				_, err = wire.DecodeClientFrame([]byte(text))
			case "receive":
				_, err = wire.DecodeServerFrame([]byte(text))
			}
			if err != nil {
				t.Errorf("%s:%d: %v", name, s.Line, err)
			}
		}
	}
}

// A value of another type is named by its path, and the error's text by its place alone.
func TestTypeErrors(t *testing.T) {
	long := strings.Repeat("k", 300)
	for _, c := range []struct {
		name, text, field, want string
		decode                  func([]byte) error
	}{
		{"the whole", `[]`, "", "object", decodes(wire.DecodeCreateSession)},
		{"a member", `{"x":{},"integrationId":5}`, "integrationId", "string", decodes(wire.DecodeCreateSession)},
		{"a map", `{"sessionParameters":[]}`, "sessionParameters", "object", decodes(wire.DecodeCreateSession)},
		{"in a map", `{"sessionParameters":{"a":"b","model":5}}`, "sessionParameters.model", "string", decodes(wire.DecodeCreateSession)},
		{"in a map, under a long name", `{"sessionParameters":{"` + long + `":5}}`, "sessionParameters." + long[:192] + "…", "string", decodes(wire.DecodeCreateSession)},
		{"deeper", `{"body":{"elementText":{"text":true}}}`, "body.elementText.text", "string", decodes(wire.DecodeSendMessage)},
		{"on the way", `{"body":{"elementText":"x"}}`, "body.elementText", "object", decodes(wire.DecodeSendMessage)},
		{"in a list", `{"messages":[{},{"body":{"elementText":{"text":{}}}}]}`, "messages[1].body.elementText.text", "string", decodes(wire.DecodeMessagePage)},
		{"an element", `{"messages":[{},{},7]}`, "messages[2]", "object", decodes(wire.DecodeMessagePage)},
		{"a fraction", `{"messages":[],"newestIndex":1.5}`, "newestIndex", "integer", decodes(wire.DecodeMessagePage)},
		{"a flag", `{"hasOlder":"yes"}`, "hasOlder", "true or false", decodes(wire.DecodeMessagePage)},
	} {
		err := c.decode([]byte(c.text))
		var wrong *wire.TypeError
		if !errors.As(err, &wrong) || wrong.Field != c.field || wrong.Want != c.want || !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%s: %v in %+v", c.name, err, wrong)
		} else if !refusal.MatchString(err.Error()) {
			t.Errorf("%s: the error reads %q", c.name, err)
		}
	}
	for _, text := range []string{`{"integrationId":"x"`, `{"integrationId":"x",}`, `{"a":1,"a":2}`, `{}x`, "{\"integrationId\":\"\xff\"}"} {
		if err := decodes(wire.DecodeCreateSession)([]byte(text)); err == nil || errors.As(err, new(*wire.TypeError)) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func decodes[T any](decode func([]byte) (T, error)) func([]byte) error {
	return func(text []byte) error {
		_, err := decode(text)
		return err
	}
}

// What problems name, and queries have, is spelled as the members of bodies.
func TestFieldsAreMembers(t *testing.T) {
	for _, c := range []struct {
		of           any
		member, name string
	}{
		{wire.EngagementCall{}, "SessionID", wire.FieldSessionID},
		{wire.EngagementCall{}, "DialogID", wire.FieldDialogID},
		{wire.EngagementCall{}, "Reason", wire.FieldReason},
		{wire.Engagement{}, "EngagementID", wire.FieldEngagementID},
		{wire.CreateSession{}, "IntegrationID", wire.FieldIntegrationID},
	} {
		f, _ := reflect.TypeOf(c.of).FieldByName(c.member)
		if tag, _, _ := strings.Cut(f.Tag.Get("wire"), ","); tag != c.name {
			t.Errorf("%s is %q in bodies and %q elsewhere", c.member, tag, c.name)
		}
	}
}
