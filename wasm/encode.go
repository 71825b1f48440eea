//go:build js && wasm

package main

import (
	"errors"
	"strconv"
	"time"

	"openchat/sdk"
	"openchat/sdk/wire"
)

// The texts of the contract, in the shapes pages see (API.md, MSG-2 and EV-*), so that
// the porch only has to turn numbers into Dates.

// object appends the members of one JSON object. Optional members are left out when
// empty.
type object []byte

func (o *object) open()  { *o = append(*o, '{') }
func (o *object) close() { *o = append(*o, '}') }

func (o *object) name(name string) {
	if (*o)[len(*o)-1] != '{' {
		*o = append(*o, ',')
	}
	*o = append(*o, '"')
	*o = append(*o, name...)
	*o = append(*o, '"', ':')
}

func (o *object) str(name, s string) {
	o.name(name)
	*o = wire.AppendQuote(*o, s)
}

func (o *object) optional(name, s string) {
	if s != "" {
		o.str(name, s)
	}
}

func (o *object) integer(name string, n int64) {
	o.name(name)
	*o = strconv.AppendInt(*o, n, 10)
}

func (o *object) boolean(name string, v bool) {
	o.name(name)
	*o = strconv.AppendBool(*o, v)
}

func (o *object) time(name string, t time.Time) {
	if !t.IsZero() {
		o.integer(name, t.UnixMilli())
	}
}

// seconds writes a duration as pages read it, milliseconds kept.
func (o *object) seconds(name string, d time.Duration) {
	ms := max(0, d.Milliseconds())
	o.integer(name, ms/1000)
	if ms %= 1000; ms > 0 {
		*o = append(*o, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
	}
}

func appendError(dst []byte, err error) []byte {
	o := object(dst)
	o.open()
	var e *sdk.Error
	if !errors.As(err, &e) {
		e = &sdk.Error{Code: sdk.CodeInitFailed, Message: "Unexpected error in the SDK", Cause: err}
	}
	o.str("code", e.Code.String())
	o.str("message", e.Message)
	if e.Cause != nil {
		o.str("cause", e.Cause.Error())
	}
	o.close()
	return o
}

func appendLog(dst []byte, level sdk.LogLevel, line string) []byte {
	o := object(dst)
	o.open()
	o.str("log", string(level))
	o.str("line", line)
	o.close()
	return o
}

func (o *object) participant(p *sdk.Participant) {
	o.open()
	o.str("participantId", p.ParticipantID)
	o.str("participantType", string(p.ParticipantType))
	o.str("displayName", p.DisplayName)
	o.close()
}

func appendEngagement(dst []byte, e *sdk.Engagement) []byte {
	o := object(dst)
	o.open()
	o.str("engagementId", e.EngagementID)
	o.str("dialogId", e.DialogID)
	o.str("engagementStatus", string(e.EngagementStatus))
	o.time("createdAt", e.CreatedAt)
	o.time("lastUpdatedAt", e.LastUpdatedAt)
	o.name("participants")
	o = append(o, '[')
	for i := range e.Participants {
		if i > 0 {
			o = append(o, ',')
		}
		o.participant(&e.Participants[i])
	}
	o = append(o, ']')
	o.close()
	return o
}

func appendEngagements(dst []byte, list *[]sdk.Engagement) []byte {
	return appendList(dst, *list, appendEngagement)
}

func appendList[T any](dst []byte, list []T, element func([]byte, *T) []byte) []byte {
	dst = append(dst, '[')
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = element(dst, &list[i])
	}
	return append(dst, ']')
}

func appendUser(dst []byte, u *sdk.UserContext) []byte {
	o := object(dst)
	o.open()
	o.optional("displayName", u.DisplayName)
	o.name("engagements")
	o = appendEngagements(o, &u.Engagements)
	if u.SessionParameters != nil {
		o.name("sessionParameters")
		o.open()
		for k, v := range u.SessionParameters {
			if o[len(o)-1] != '{' {
				o = append(o, ',')
			}
			o = append(wire.AppendQuote(o, k), ':')
			o = wire.AppendQuote(o, v)
		}
		o.close()
	}
	o.close()
	return o
}

func appendMessage(dst []byte, m *sdk.Message) []byte {
	o := object(dst)
	o.open()
	o.message(m)
	o.close()
	return o
}

// message appends the members that a Message and the MESSAGE_* payloads share, but
// for the two ids that every engagement's payload has.
func (o *object) message(m *sdk.Message) {
	o.str("messageId", m.MessageID)
	o.str("engagementId", m.EngagementID)
	o.str("dialogId", m.DialogID)
	o.integer("messageIndex", m.MessageIndex)
	o.name("body")
	o.open()
	o.str("elementType", m.Body.ElementType)
	o.name("elementText")
	o.open()
	o.str("text", m.Body.Text)
	o.str("textFormat", string(m.Body.TextFormat))
	o.close()
	o.close()
	o.name("senderParticipant")
	o.participant(&m.SenderParticipant)
	o.time("receivedAt", m.ReceivedAt)
	o.time("lastUpdatedAt", m.LastUpdatedAt)
	o.optional("parentMessageId", m.ParentMessageID)
}

func appendPage(dst []byte, p *sdk.Page) []byte {
	o := object(dst)
	o.open()
	o.name("items")
	o = appendList(o, p.Items, appendMessage)
	o.boolean("hasPrevious", p.HasPrevious)
	o.boolean("hasNext", p.HasNext)
	o.integer("size", int64(p.Cursor.Size))
	o.str("cursor", string(appendCursor(nil, &p.Cursor)))
	o.close()
	return o
}

func appendEvent(dst []byte, e *sdk.Event) []byte {
	o := object(dst)
	o.open()
	o.str("event", string(e.Type))
	o.name("payload")
	if e.Type == sdk.EventInitialized {
		user := e.User
		if user == nil {
			user = &sdk.UserContext{}
		}
		o = appendUser(o, user)
	} else {
		o.payload(e)
	}
	if e.Changed != nil {
		o.name("engagement")
		o = appendEngagement(o, e.Changed)
	}
	o.close()
	return o
}

func (o *object) payload(e *sdk.Event) {
	o.open()
	if e.Type == sdk.EventTokenExpired {
		o.time("expiredDate", e.Date)
	} else {
		o.time("eventDate", e.Date)
	}
	if e.EngagementID != "" && e.Message == nil {
		o.str("engagementId", e.EngagementID)
		o.str("dialogId", e.DialogID)
	}
	switch e.Type {
	case sdk.EventShutdown:
		o.optional("reason", e.Reason)
	case sdk.EventTokenExpiryReminder:
		o.time("expiryDate", e.ExpiryDate)
	case sdk.EventIdleTimeoutExpired:
		o.seconds("gracePeriod", e.GracePeriod)
	case sdk.EventStreamConnected:
		o.boolean("resumed", e.Resumed)
	case sdk.EventStreamFailed:
		o.str("message", e.Text)
		o.str("reason", e.Reason)
		o.seconds("retryAfter", e.RetryAfter)
	case sdk.EventEngagementError:
		o.str("type", e.ErrorType)
		o.str("title", e.ErrorTitle)
		o.optional("detail", e.ErrorDetail)
	case sdk.EventParticipantAdded, sdk.EventParticipantDisconnected:
		o.name("participant")
		o.participant(&e.Participant)
	case sdk.EventMessageArrived, sdk.EventMessageDelivered:
		if e.Message != nil {
			o.message(e.Message)
		}
	}
	o.close()
}
