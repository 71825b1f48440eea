package wire

import (
	"errors"
	"strconv"
	"time"
)

func (r *decoder) str() string {
	text := r.string()
	if word := known(text); word != "" {
		return word
	}
	return string(text)
}

func (r *decoder) boolean() bool {
	if r.err != nil {
		return false
	}
	switch r.peek() {
	case 't':
		r.literal("true")
		return r.err == nil
	case 'f':
		r.literal("false")
	case 'n':
		r.literal("null")
	default:
		r.expect("true or false")
	}
	return false
}

// leniently reads an integer that some senders put into a string; the platform's
// own documentation shows "status": "400".
func (r *decoder) lenientInteger() int64 {
	if r.err == nil && r.peek() == '"' {
		n, err := strconv.ParseInt(r.str(), 10, 64)
		if err != nil {
			r.expect("integer")
		}
		return n
	}
	return r.integer()
}

func (r *decoder) time() time.Time {
	s := r.string()
	if len(s) == 0 {
		return time.Time{}
	}
	t, ok := ParseTime(string(s))
	// An offset can lead out of the years that can be written again.
	if y := t.Year(); !ok || y < 0 || y > 9999 {
		r.expect("date")
	}
	return t
}

func (r *decoder) eventID() EventID {
	s := r.string()
	if len(s) == 0 {
		return 0
	}
	id, err := ParseEventID(string(s))
	if err != nil {
		r.expect("event id")
	}
	return id
}

func (r *decoder) strings() map[string]string {
	var m map[string]string
	r.object(func(name string) {
		if m == nil {
			m = map[string]string{}
		}
		m[name] = r.str()
	})
	return m
}

// ParseEventID reads the decimal form.
func ParseEventID(s string) (EventID, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, errors.New("event id is not a decimal number")
	}
	return EventID(n), nil
}

// String returns the decimal form.
func (id EventID) String() string { return strconv.FormatUint(uint64(id), 10) }

// encoder appends one JSON object; a member's comma depends on what stands before.
type encoder struct{ b []byte }

func (w *encoder) name(name string) {
	if c := w.b[len(w.b)-1]; c != '{' && c != '[' {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

func (w *encoder) open()  { w.b = append(w.b, '{') }
func (w *encoder) close() { w.b = append(w.b, '}') }

func (w *encoder) quote(s string) { w.b = AppendQuote(w.b, s) }

func (w *encoder) str(name, s string) {
	w.name(name)
	w.quote(s)
}

func (w *encoder) optStr(name, s string) {
	if s != "" {
		w.str(name, s)
	}
}

func (w *encoder) integer(name string, n int64) {
	w.name(name)
	w.b = strconv.AppendInt(w.b, n, 10)
}

func (w *encoder) boolean(name string, v bool) {
	w.name(name)
	w.b = strconv.AppendBool(w.b, v)
}

func (w *encoder) time(name string, t time.Time) {
	if t.IsZero() {
		return
	}
	w.name(name)
	w.b = append(w.b, '"')
	w.b = AppendTime(w.b, t)
	w.b = append(w.b, '"')
}

func (w *encoder) eventID(name string, id EventID) {
	if id != 0 {
		w.str(name, id.String())
	}
}

// AppendInOrder adds s to a list that is in order, and keeps it so. The lists of the line
// are short, and slices.Sort is 8 KB of every visitor's download.
func AppendInOrder(list []string, s string) []string {
	list = append(list, s)
	for i := len(list) - 1; i > 0 && list[i] < list[i-1]; i-- {
		list[i], list[i-1] = list[i-1], list[i]
	}
	return list
}

// strings writes m in the order of its keys, so that the same value always has
// the same bytes.
func (w *encoder) strings(name string, m map[string]string) {
	if len(m) == 0 {
		return
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = AppendInOrder(keys, k)
	}
	w.name(name)
	w.open()
	for i, k := range keys {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.quote(k)
		w.b = append(w.b, ':')
		w.quote(m[k])
	}
	w.close()
}

func appendArray[T any](w *encoder, name string, list []T, element func(*T)) {
	w.name(name)
	w.b = append(w.b, '[')
	for i := range list {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		element(&list[i])
	}
	w.b = append(w.b, ']')
}

// known returns the words that every event frame is made of, whose reading then takes no
// memory; "" for any other.
func known(text []byte) string {
	switch string(text) {
	case "type":
		return "type"
	case "id":
		return "id"
	case "event":
		return "event"
	case "eventType":
		return "eventType"
	case "eventDate":
		return "eventDate"
	case "engagementId":
		return "engagementId"
	case "dialogId":
		return "dialogId"
	case "correlationId":
		return "correlationId"
	case "sessionId":
		return "sessionId"
	case "messageId":
		return "messageId"
	case "messageIndex":
		return "messageIndex"
	case "body":
		return "body"
	case "elementType":
		return "elementType"
	case "elementText":
		return "elementText"
	case "text":
		return "text"
	case "textFormat":
		return "textFormat"
	case "senderParticipantId":
		return "senderParticipantId"
	case "senderParticipantName":
		return "senderParticipantName"
	case "senderParticipantType":
		return "senderParticipantType"
	case "receivedAt":
		return "receivedAt"
	case "lastUpdatedAt":
		return "lastUpdatedAt"
	case "eventId":
		return "eventId"
	case "participantId":
		return "participantId"
	case "participantType":
		return "participantType"
	case "displayName":
		return "displayName"
	case string(EventMessages):
		return string(EventMessages)
	case string(TextPlain):
		return string(TextPlain)
	case string(ParticipantCustomer):
		return string(ParticipantCustomer)
	case string(ParticipantAgent):
		return string(ParticipantAgent)
	case string(ParticipantBot):
		return string(ParticipantBot)
	}
	return ""
}
