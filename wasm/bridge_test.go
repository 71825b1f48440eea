//go:build js && wasm

package main

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"syscall/js"
	"testing"
	"time"

	"github.com/hack-pad/safejs"

	"openchat/sdk"
	"openchat/sdk/wire"
)

// funcID returns the number under which syscall/js knows f.
func funcID(f js.Func) int { return int(reflect.ValueOf(f).FieldByName("id").Uint()) }

// testShim records what is delivered. As in the shim, nothing of Go runs while the
// core delivers.
type testShim struct {
	b         *bridge
	deliver   js.Value
	delivered chan js.Value // parsed items
	lists     int           // in which they came
}

func newTestShim(t *testing.T) *testShim {
	t.Helper()
	p := &testShim{delivered: make(chan js.Value, 1000)}
	record := js.FuncOf(func(_ js.Value, args []js.Value) any {
		for i := range args[0].Length() {
			p.delivered <- args[0].Index(i)
		}
		p.lists++
		return nil
	})
	deliver := must[safejs.Value](t)(function(t, "record", `
		const deliver = (list) => {
			Promise.resolve(JSON.parse(list)).then(record);
			return deliver.room;
		};
		deliver.room = true;
		return deliver`).Invoke(record))
	p.deliver = safejs.Unsafe(deliver)
	p.b = newBridge(p.deliver)
	t.Cleanup(func() { p.b.command.Release() }) // record may still come, and stays
	return p
}

// room sets whether the shim has any.
func (p *testShim) room(is bool) { p.deliver.Set("room", is) }

// command calls as the shim does and returns the parsed error, or undefined.
func (p *testShim) command(t *testing.T, op string, args ...any) js.Value {
	t.Helper()
	v := p.b.command.Invoke(append([]any{op}, args...)...)
	if v.Type() == js.TypeString {
		return parse(t, v.String())
	}
	return v
}

func (p *testShim) next(t *testing.T) js.Value {
	t.Helper()
	select {
	case v := <-p.delivered:
		return v
	case <-testContext(t).Done():
		t.Fatal("nothing was delivered")
		panic("unreachable")
	}
}

func code(v js.Value) string {
	if v.Type() != js.TypeObject {
		return ""
	}
	return v.Get("code").String()
}

func TestCommandErrors(t *testing.T) {
	p := newTestShim(t)
	undefined := js.Undefined()
	object := parse(t, "{}")
	for _, c := range []struct {
		name, op string
		args     []any
		want     string
	}{
		{"NS-13 setJwtToken before init", "setJwtToken", []any{0, "x"}, "ACS-310"},
		{"NS-13 resetIdleTimeout before init", "resetIdleTimeout", []any{0}, "ACS-310"},
		{"NS-13 retryConnection before init", "retryConnection", []any{0}, "ACS-310"},
		{"NS-10 a log level", "setLogLevel", []any{0, "ERROR"}, ""},
		{"NS-10 an unknown log level", "setLogLevel", []any{0, "LOUD"}, "ACS-303"},
		{"NS-10 no string", "setLogLevel", []any{0, 3}, "ACS-303"},
		{"INIT-5 no params", "init", []any{1, undefined, undefined}, "ACS-302"},
		{"INIT-5 params no object", "init", []any{1, `"x"`, undefined}, "ACS-302"},
		{"INIT-1 no URL", "init", []any{1, `{}`, undefined}, "ACS-301"},
		{"MSG-1 text no string", "sendMessage", []any{1, "id", 5, undefined}, "ACS-322"},
		{"MSG-1 text absent", "sendMessage", []any{1, "id", undefined, undefined}, "ACS-322"},
		{"MSG-1 parent no string", "sendMessage", []any{1, "id", "x", object}, "ACS-322"},
		{"ENG-5 reason no string", "disconnect", []any{1, "id", object}, "ACS-322"},
		{"SHUT-1 reason no string", "shutdown", []any{1, 7}, "ACS-322"},
		{"ENG-8 a value no string", "createEngagement", []any{1, `{"a":null}`}, "ACS-322"},
		{"a cursor of somebody's own", "turn", []any{1, "x", "older"}, "ACS-322"},
		{"a cursor with a word for a number", "turn", []any{1, "e d 1 2 3 4 5 x", "older"}, "ACS-322"},
		{"an unknown command", "dance", []any{1}, "ACS-311"},
		{"no arguments", "", nil, "ACS-311"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := p.command(t, c.op, c.args...)
			if code(got) != c.want {
				t.Errorf("%s, want %q", stringify(t, got), c.want)
			}
			if c.want != "" && got.Get("message").String() == "" {
				t.Error("no message")
			}
		})
	}
	if len(p.delivered) != 0 {
		t.Errorf("%d texts were delivered as well", len(p.delivered))
	}
}

func TestNS13CallsBeforeInitAreSettled(t *testing.T) {
	p := newTestShim(t)
	for i, c := range [][]any{
		{"shutdown"}, {"createEngagement"}, {"getEngagements"}, {"getEngagementById", "x"}, {"join", "x"},
		{"disconnect", "x"}, {"sendMessage", "x", "text"}, {"getMessages", "x"}, {"turn", "e d 10 1 2 3 4 5 6 7", "older"},
	} {
		args := append([]any{i + 1}, c[1:]...)
		if v := p.command(t, c[0].(string), args...); !v.IsNull() {
			t.Errorf("%s: refused at once", c[0])
			continue
		}
		got := p.next(t)
		if got.Get("settle").Int() != i+1 || code(got.Get("error")) != "ACS-310" {
			t.Errorf("%s: %s", c[0], stringify(t, got))
		}
	}
}

// Every command of the contract is known, and is over or settled once.
func TestContract(t *testing.T) {
	p := newTestShim(t)
	for i, c := range commands {
		args := []any{i + 1}
		for range c.arguments {
			args = append(args, "x")
		}
		refused := p.command(t, c.op, args...)
		if code(refused) == "ACS-311" {
			t.Errorf("%s is unknown", c.op)
		}
		if !refused.IsNull() || c.settles == "" && c.op != "shutdown" {
			continue
		}
		if got := p.next(t); got.Get("settle").Int() != i+1 {
			t.Errorf("%s: %s", c.op, stringify(t, got))
		}
	}
	if len(p.delivered) != 0 {
		t.Errorf("%d items more were delivered", len(p.delivered))
	}
}

func TestPanicIsRecovered(t *testing.T) {
	p := newTestShim(t)
	for what, want := range map[string]any{
		"words": "words", "an error": errors.New("an error"), "panic": 7,
	} {
		err := p.b.guarded(func() error { panic(want) })
		e := new(sdk.Error)
		if !errors.As(err, &e) || e.Code != sdk.CodeInitFailed || e.Cause.Error() != what {
			t.Errorf("%v: %v", want, err)
		}
		line := p.next(t)
		if line.Get("log").String() != "ERROR" || !strings.Contains(line.Get("line").String(), what) ||
			!strings.Contains(line.Get("line").String(), "TestPanicIsRecovered") {
			t.Errorf("%v: logged %s", want, line.Get("line"))
		}
	}
}

// A shim that throws loses a text, not Go.
func TestDeliverThrows(t *testing.T) {
	b := newBridge(safejs.Unsafe(function(t, `throw new Error("no")`)))
	defer b.command.Release()
	b.event(sdk.Event{Type: sdk.EventShutdown})
	b.flush()
	if b.full {
		t.Error("Go waits for a shim that does not work")
	}
}

func TestItemsAreDeliveredTogether(t *testing.T) {
	p := newTestShim(t)
	for i := range 3 {
		p.b.event(sdk.Event{Type: sdk.EventStreamClosed})
		settle[struct{}](p.b, i+1, nil)(struct{}{}, nil)
	}
	p.b.flush()
	p.b.flush()
	for i := range 3 {
		if a, b := p.next(t), p.next(t); a.Get("event").IsUndefined() || b.Get("settle").Int() != i+1 {
			t.Fatal("not in the order in which they were added")
		}
	}
	if p.lists != 1 {
		t.Errorf("delivered in %d lists, want 1", p.lists)
	}
	for range maxOut / 100 {
		settle(p.b, 1, func(s *string, w *wire.Encoder) { w.B = wire.AppendQuote(w.B, *s) })(strings.Repeat("x", 100), nil)
	}
	p.next(t)
	if len(p.b.out) > maxOut {
		t.Errorf("%d bytes wait, over the bound of %d", len(p.b.out), maxOut)
	}
}

func TestEventsWaitForRoom(t *testing.T) {
	p := newTestShim(t)
	p.room(false)
	done := make(chan struct{})
	go func() {
		p.b.event(sdk.Event{Type: sdk.EventStreamClosed})
		p.b.flush()
		p.b.event(sdk.Event{Type: sdk.EventShutdown})
		p.b.flush()
		close(done)
	}()
	if got := p.next(t).Get("event").String(); got != "EVENT_STREAM_CLOSED" {
		t.Fatal(got)
	}
	// Logs and settlements do not wait: who makes them may hold up the core.
	p.b.log(sdk.LogError, "x")
	settle[struct{}](p.b, 1, nil)(struct{}{}, nil)
	p.b.flush()
	if a, b := p.next(t), p.next(t); a.Get("log").String() != "ERROR" || b.Get("settle").Int() != 1 {
		t.Fatal("not the log line and the settlement")
	}
	select {
	case <-done:
		t.Fatal("events do not wait")
	default:
	}
	p.room(true)
	p.command(t, "drained", 0)
	if got := p.next(t).Get("event").String(); got != "SHUTDOWN" {
		t.Fatal(got)
	}
	<-done
}

func TestEncoding(t *testing.T) {
	same := func(t *testing.T, text []byte, want string) {
		t.Helper()
		if string(text) != want {
			t.Errorf("\n%s, want\n%s", text, want)
		}
		parse(t, string(text)) // fails for what is no JSON
	}
	at := time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.UTC)
	const ms = "1772600767089"
	someone := sdk.Participant{ParticipantID: "p", ParticipantType: wire.ParticipantAgent, DisplayName: "A \"B\" \u2028"}
	const someoneText = `{"participantId":"p","participantType":"AGENT","displayName":"A \"B\" ` + "\u2028" + `"}`
	message := &sdk.Message{
		MessageID: "m", EngagementID: "e", DialogID: "d", MessageIndex: 3,
		Body:              wire.Body{ElementType: "text", Text: "<b>\x00\n\xff", TextFormat: wire.TextPlain},
		SenderParticipant: someone, ReceivedAt: at, LastUpdatedAt: at, ParentMessageID: "q",
	}
	const messageMembers = `"messageId":"m","engagementId":"e","dialogId":"d","messageIndex":3,` +
		`"body":{"elementType":"text","elementText":{"text":"<b>\u0000\n` + "\ufffd" + `","textFormat":"PLAINTEXT"}},` +
		`"senderParticipant":` + someoneText + `,"receivedAt":` + ms + `,"lastUpdatedAt":` + ms + `,"parentMessageId":"q"`
	engagement := sdk.Engagement{
		EngagementID: "e", DialogID: "d", EngagementStatus: wire.EngagementActive, CreatedAt: at, LastUpdatedAt: at,
		Participants: []sdk.Participant{someone, someone},
	}
	const engagementText = `{"engagementId":"e","dialogId":"d","engagementStatus":"ACTIVE","createdAt":` + ms + `,"lastUpdatedAt":` + ms +
		`,"participants":[` + someoneText + `,` + someoneText + `]}`

	t.Run("MSG-2 Message", func(t *testing.T) { same(t, text(encodeMessage, message), "{"+messageMembers+"}") })
	t.Run("ENG-1 Engagement", func(t *testing.T) { same(t, text(encodeEngagement, &engagement), engagementText) })
	t.Run("INIT-7 UserContext", func(t *testing.T) {
		same(t, text(encodeUserContext, &sdk.UserContext{}), `{"engagements":[]}`)
		same(t, text(encodeUserContext, &sdk.UserContext{
			DisplayName: "Ann", Engagements: []sdk.Engagement{engagement, engagement},
			SessionParameters: map[string]string{`createdAt"`: "1"},
		}), `{"displayName":"Ann","engagements":[`+engagementText+`,`+engagementText+`],"sessionParameters":{"createdAt\"":"1"}}`)
	})
	t.Run("PAGE-2 Page", func(t *testing.T) {
		page := sdk.Page{
			Items: []sdk.Message{*message, *message}, HasPrevious: true,
			Cursor: sdk.Cursor{EngagementID: "e", DialogID: "d", Size: 10, Oldest: 1, Newest: 2, End: 1 << 40, Seen: 1<<64 - 1, Own: 7, UndeliveredFrom: 8, UndeliveredTo: 9},
		}
		// A member that is forgotten here would be lost between two pages.
		for c, i := reflect.ValueOf(page.Cursor), 0; i < c.NumField(); i++ {
			if c.Field(i).IsZero() {
				t.Errorf("%s is not tested", c.Type().Field(i).Name)
			}
		}
		text := text(encodePage, &page)
		same(t, text, `{"items":[{`+messageMembers+`},{`+messageMembers+`}],"hasPrevious":true,"hasNext":false,"size":10,"cursor":"e d 10 1 2 1099511627776 18446744073709551615 7 8 9"}`)
		if c, err := parseCursor(parse(t, string(text)).Get("cursor").String()); err != nil || c != page.Cursor {
			t.Errorf("the cursor comes back as %+v, %v", c, err)
		}
	})
	t.Run("Errors", func(t *testing.T) {
		same(t, text(encodeFailure, new(failureOf(&sdk.Error{Code: 306, Message: "far", Cause: errors.New("why")}))), `{"code":"ACS-306","message":"far","cause":"why"}`)
		same(t, text(encodeFailure, new(failureOf(context.Canceled))), `{"code":"ACS-311","message":"Unexpected error in the SDK","cause":"context canceled"}`)
	})

	const head = `{"eventDate":` + ms + `,"engagementId":"e","dialogId":"d"`
	for _, c := range []struct {
		name, want string
		e          sdk.Event
	}{
		{"EV-1", `{"engagements":[]}`, sdk.Event{Type: sdk.EventInitialized, User: &sdk.UserContext{}}},
		{"EV-2", `{"eventDate":` + ms + `,"reason":"USER_CLOSED"}`, sdk.Event{Type: sdk.EventShutdown, Reason: "USER_CLOSED"}},
		{"EV-2 without reason", `{"eventDate":` + ms + `}`, sdk.Event{Type: sdk.EventShutdown}},
		{"EV-3", `{"eventDate":` + ms + `,"expiryDate":` + ms + `}`, sdk.Event{Type: sdk.EventTokenExpiryReminder, ExpiryDate: at}},
		{"EV-4", `{"expiredDate":` + ms + `}`, sdk.Event{Type: sdk.EventTokenExpired}},
		{"EV-5", `{"eventDate":` + ms + `,"gracePeriod":30}`, sdk.Event{Type: sdk.EventIdleTimeoutExpired, GracePeriod: 30 * time.Second}},
		{"EV-6", `{"eventDate":` + ms + `}`, sdk.Event{Type: sdk.EventStreamConnecting}},
		{"STREAM-7", `{"eventDate":` + ms + `,"resumed":false}`, sdk.Event{Type: sdk.EventStreamConnected}},
		{"EV-7", `{"eventDate":` + ms + `,"message":"gone","reason":"SERVER_ERROR","retryAfter":0.057}`,
			sdk.Event{Type: sdk.EventStreamFailed, Text: "gone", Reason: "SERVER_ERROR", RetryAfter: 57 * time.Millisecond}},
		{"EV-7 no next attempt", `{"eventDate":` + ms + `,"message":"","reason":"RECONNECTION_TIMEOUT","retryAfter":0}`,
			sdk.Event{Type: sdk.EventStreamFailed, Reason: "RECONNECTION_TIMEOUT"}},
		{"EV-8", head + `}`, sdk.Event{Type: sdk.EventEngagementActive, EngagementID: "e", DialogID: "d"}},
		{"EV-9", head + `,"type":"t","title":"T"}`, sdk.Event{Type: sdk.EventEngagementError, EngagementID: "e", DialogID: "d", ErrorType: "t", ErrorTitle: "T"}},
		{"EV-10", head + `,"participant":` + someoneText + `}`, sdk.Event{Type: sdk.EventParticipantAdded, EngagementID: "e", DialogID: "d", Participant: someone}},
		{"EV-11", `{"eventDate":` + ms + `,` + messageMembers + `}`, sdk.Event{Type: sdk.EventMessageArrived, EngagementID: "e", DialogID: "d", Message: message}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.e.Date = at
			want := `{"event":"` + string(c.e.Type) + `","payload":` + c.want
			same(t, text(encodeRaised, &raised{c.e.Type, &c.e, c.e.Changed}), want+"}")
			c.e.Changed = &engagement
			same(t, text(encodeRaised, &raised{c.e.Type, &c.e, c.e.Changed}), want+`,"engagement":`+engagementText+"}")
		})
	}
}
