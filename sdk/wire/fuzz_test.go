package wire_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"openchat/sdk/wire"
)

// The targets share one property. What a decoder takes is JSON; it can be written
// again and read again, and then nothing changes any more. What it refuses, it
// refuses in words of its own, with a place inside the text: an error that could
// quote the text could carry a token into a log.

var refusal = regexp.MustCompile(`^malformed JSON: (syntax|text after the end|true or false expected|(object|array|string|number|integer|date|event id) expected) near byte \d+$`)

// appender is what every type of the protocol can do.
type appender[T any] interface {
	*T
	Append([]byte) []byte
}

func stable[T any, P appender[T]](t *testing.T, what string, text []byte, decode func([]byte) (T, error)) {
	stableWith(t, what, text, decode, func(v T) []byte { return P(&v).Append(nil) })
}

func stableWith[T any](t *testing.T, what string, text []byte, decode func([]byte) (T, error), encode func(T) []byte) {
	t.Helper()
	v, err := decode(text)
	if err != nil {
		if !refusal.MatchString(err.Error()) || len(err.Error()) > 80 {
			t.Fatalf("%s: the error reads %q", what, err)
		}
		return
	}
	if !json.Valid(text) {
		t.Fatalf("%s: taken, but not JSON: %q", what, text)
	}
	once := encode(v)
	if len(once) > 64*len(text)+1024 {
		t.Fatalf("%s: %d bytes became %d", what, len(text), len(once))
	}
	again, err := decode(once)
	if err != nil {
		t.Fatalf("%s: what was read cannot be written: %v\n%q\n%q", what, err, text, once)
	}
	twice := encode(again)
	if !bytes.Equal(once, twice) {
		t.Fatalf("%s: written as\n%q, then as\n%q", what, once, twice)
	}
	if last, err := decode(twice); err != nil || !reflect.DeepEqual(last, again) {
		t.Fatalf("%s: %+v became %+v, %v", what, again, last, err)
	}
}

// FuzzFrame reads every text as a frame in both directions, and as the event that a
// frame holds.
func FuzzFrame(f *testing.F) {
	m := message()
	for _, e := range []wire.Event{
		{Type: wire.EventEngagementActive, Date: day, EngagementID: "e", DialogID: "d", SessionID: "s", CorrelationID: "c"},
		{Type: wire.EventParticipantAdded, Date: day, EngagementID: "e", DialogID: "d", Participant: wire.Participant{ParticipantID: "p", ParticipantType: wire.ParticipantAgent, DisplayName: "Bo"}},
		{Type: wire.EventParticipantDisconnected, Date: day, EngagementID: "e", DialogID: "d", Participant: wire.Participant{ParticipantID: "p", ParticipantType: wire.ParticipantBot}},
		{Type: wire.EventSessionTerminated, Date: day, SessionID: "s", Reason: wire.ReasonSystemClosed},
		{Type: wire.EventEngagementTerminated, Date: day, EngagementID: "e", DialogID: "d"},
		{Type: wire.EventEngagementError, Date: day, EngagementID: "e", DialogID: "d", ErrorType: "T", ErrorTitle: "t", ErrorDetail: "d"},
		{Type: wire.EventMessages, Date: day, Message: &m},
		{Type: "TYPING"},
	} {
		f.Add(e.Append(nil))
		f.Add(wire.AppendEventFrame(nil, 77, e.Append(nil)))
	}
	for _, text := range []string{
		`{"type":"ready","heartbeatInterval":20,"resumed":true,"lastEventId":"5"}`,
		`{"type":"authenticate","token":"t","appkey":"a","clientId":"c","lastEventId":"5"}`,
		`{"type":"authenticated"}`, `{"type":"ping"}`, `{"type":"pong"}`, `null`, `{}`,
		`{"type":"event","id":"9","event":{"eventType":"TYPING","who":["x"],"body":7}}`,
		`{"type":"event","id":"18446744073709551615","event":null}`,
		`{"type":"ready","heartbeatInterval":9223372036854775807}`,
		`{"type":"event","id":"1","event":{"eventType":"MESSAGES","eventDate":"9999-12-31T23:59:59-23:59"}}`,
		`{"type":"event","id":"1","event":{"eventDate":"0000-01-01T00:00:00+23:59"}}`,
		`{"type":"a","type":"b"}`, "{\"type\":\"\xff\"}", `{"type":"\ud800"}`, `{"type":"ping"}x`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		stable(t, "server frame", text, wire.DecodeServerFrame)
		stable(t, "client frame", text, wire.DecodeClientFrame)
		stable(t, "event", text, wire.DecodeEvent)
		frame, err := wire.DecodeServerFrame(text)
		if err != nil {
			return
		}
		if frame.HeartbeatInterval < 0 {
			t.Fatalf("a heartbeat every %v", frame.HeartbeatInterval)
		}
		// The gateway writes event frames by the event's own bytes; both ways must say
		// the same.
		if frame.Type == wire.FrameEvent && frame.ID != 0 {
			whole, err := wire.DecodeServerFrame(wire.AppendEventFrame(nil, frame.ID, frame.Event.Append(nil)))
			if parts, err2 := wire.DecodeServerFrame(frame.Append(nil)); err != nil || err2 != nil || !reflect.DeepEqual(whole, parts) {
				t.Fatalf("%+v and %+v, %v %v", whole, parts, err, err2)
			}
		}
	})
}

// FuzzBody reads every text as every body of the REST calls: the requests, which the
// gateway reads, and the answers, which the SDK does.
func FuzzBody(f *testing.F) {
	m := message()
	for _, v := range []interface{ Append([]byte) []byte }{
		&wire.CreateSession{IntegrationID: "i", DisplayName: "Ann", SessionParameters: map[string]string{"k": "v", "": "\u2028"}, CorrelationID: "c"},
		&wire.CreateEngagement{SessionID: "s", EngagementParameters: map[string]string{"topic": "tea"}, CorrelationID: "c"},
		&wire.EngagementCall{SessionID: "s", DialogID: "d", Reason: wire.ReasonUserClosed, CorrelationID: "c"},
		&wire.SendMessage{SessionID: "s", DialogID: "d", Body: m.Body, ParentMessageID: "p", CorrelationID: "c"},
		&wire.Session{SessionID: "s", ParticipantID: "p", DisplayName: "Ann", SessionParameters: map[string]string{"a": "1"}, SessionStatus: wire.SessionActive, CreatedAt: day, LastUpdatedAt: day},
		&wire.Engagement{EngagementID: "e", DialogID: "d", EngagementStatus: wire.EngagementActive, Participants: []wire.Participant{{ParticipantID: "p"}}, CreatedAt: day, NewestIndex: 3, EventID: 12},
		&m,
		&wire.MessagePage{Messages: []wire.Message{m, m}, NewestIndex: 9, HasOlder: true},
		&wire.Problem{Type: "t", Title: "T", Status: 400, Detail: "D", Violations: []wire.Violation{{Field: "f", Message: "m", Code: 20002}}},
	} {
		f.Add(v.Append(nil))
	}
	for _, text := range []string{
		`[]`, `[null]`, `[{"participants":[null,{}]}]`, `{"status":"400"}`, `{"status":9223372036854775807,"violations":[null]}`,
		`{"body":null}`, `{"body":{"elementText":null}}`, `{"messageIndex":-1e3}`, `{"messageIndex":1e400}`, `{"createdAt":"2026-02-30T00:00:00Z"}`,
		`{"sessionParameters":{"a":"1","a":"2"}}`, `{"sessionParameters":{"a":null}}`, "\ufeff{}", strings.Repeat(`{"x":[`, 40),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		stable(t, "CreateSession", text, wire.DecodeCreateSession)
		stable(t, "CreateEngagement", text, wire.DecodeCreateEngagement)
		stable(t, "EngagementCall", text, wire.DecodeEngagementCall)
		stable(t, "SendMessage", text, wire.DecodeSendMessage)
		stable(t, "Session", text, wire.DecodeSession)
		stable(t, "Engagement", text, wire.DecodeEngagement)
		stableWith(t, "Engagements", text, wire.DecodeEngagements, func(l []wire.Engagement) []byte { return wire.AppendEngagements(nil, l) })
		stable(t, "Message", text, wire.DecodeMessage)
		stable(t, "MessagePage", text, wire.DecodeMessagePage)
		stable(t, "Problem", text, wire.DecodeProblem)
	})
}

// FuzzReadToken compares with what the standard library reads in the same token.
func FuzzReadToken(f *testing.F) {
	for _, payload := range []string{
		`{"exp":1}`, `{"sub":"ann","integrationId":"i","customerName":"Ann Ö","exp":1767607200.5,"aud":["x"]}`,
		`{"exp":1767607200000}`, `{"exp":1767607200,"iat":1767606300}`, `{"exp":1,"iat":2}`,
		`{"exp":0}`, `{"exp":-1}`, `{"exp":1e15}`, `{"exp":1e400}`, `{"exp":"1"}`, `{"exp":null}`, `{"exp":1,"exp":2}`, `[]`, `{"EXP":1}`,
	} {
		f.Add("h." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".s")
	}
	for _, token := range []string{"jwt.h.eyJleHAiOjF9.s", "jwt.eyJleHAiOjF9.s", "h.eyJleHAiOjF9==.s", "h.e.s", "...", "", "jwt.jwt.eyJleHAiOjF9.s"} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		c, err := wire.ReadToken(token)
		if err != nil {
			if c != (wire.Claims{}) || err.Error() != "it is not a JWT with an exp claim" && err.Error() != "its exp claim is in milliseconds, it must be in seconds since 1970" {
				t.Fatalf("%+v, %v", c, err)
			}
			return
		}
		parts := strings.Split(wire.TrimTokenPrefix(token), ".")
		text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
		if err != nil || len(parts) != 3 {
			t.Fatalf("taken: %q, %v", token, err)
		}
		var want map[string]any
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatalf("taken: %q, %v", text, err)
		}
		for name, got := range map[string]string{"sub": c.Subject, "integrationId": c.IntegrationID, "customerName": c.CustomerName} {
			if s, _ := want[name].(string); s != got {
				t.Fatalf("%s is %q, not %q", name, got, s)
			}
		}
		exp, _ := want["exp"].(float64)
		if late := c.Expiry.Sub(time.UnixMilli(int64(exp * 1000))); exp <= 0 || late.Abs() > time.Millisecond { // a float's thousandths are not exact
			t.Fatalf("expiry %v, of %v", c.Expiry, exp)
		}
		iat, _ := want["iat"].(float64)
		if iat > 0 && iat < exp && c.IssuedAt.Sub(time.UnixMilli(int64(iat*1000))).Abs() > time.Millisecond || c.IssuedAt.After(c.Expiry) {
			t.Fatalf("issued %v, of %v", c.IssuedAt, iat)
		}
	})
}
