package wire

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// ErrMalformed is returned for text that is not the expected JSON. The position
// is wrapped by the concrete error.
var ErrMalformed = errors.New("malformed JSON")

// decoder reads one JSON text; its first error sticks and turns every later read
// into a no-op, so that field lists read as tables.
type decoder struct {
	d       *jsontext.Decoder
	err     error
	scratch []byte // of a text that had to be unescaped
}

func newDecoder(text []byte, o ...jsontext.Options) *decoder {
	return &decoder{d: jsontext.NewDecoder(bytes.NewBuffer(text), o...)}
}

func (r *decoder) fail(what string) {
	if r.err == nil {
		r.err = &syntaxError{what: what, offset: r.d.InputOffset()}
	}
}

// syntaxError never quotes the input: it may hold a token or a message.
type syntaxError struct {
	what   string
	offset int64
}

func (e *syntaxError) Error() string {
	return ErrMalformed.Error() + ": " + e.what + " near byte " + strconv.FormatInt(e.offset, 10)
}

func (e *syntaxError) Unwrap() error { return ErrMalformed }

// end checks that nothing follows the value and returns the first error.
func (r *decoder) end() error {
	if r.err == nil {
		if _, err := r.d.ReadToken(); err != io.EOF {
			r.fail("text after the end")
		}
	}
	return r.err
}

func (r *decoder) token(kind jsontext.Kind, what string) (jsontext.Token, bool) {
	if r.err != nil {
		return jsontext.Token{}, false
	}
	t, err := r.d.ReadToken()
	if err != nil {
		r.fail("syntax")
		return t, false
	}
	if t.Kind() == 'n' {
		return t, false
	}
	if t.Kind() != kind {
		r.fail(what + " expected")
		return t, false
	}
	return t, true
}

// object calls field for each member; field must read or skip its value.
func (r *decoder) object(field func(name string)) {
	if _, ok := r.token('{', "object"); !ok {
		return
	}
	for r.err == nil && r.d.PeekKind() != '}' {
		field(r.str())
	}
	r.close()
}

// array calls element for each element, which it must read or skip.
func (r *decoder) array(element func()) {
	if _, ok := r.token('[', "array"); !ok {
		return
	}
	for r.err == nil && r.d.PeekKind() != ']' {
		element()
	}
	r.close()
}

func (r *decoder) close() {
	if r.err == nil {
		if _, err := r.d.ReadToken(); err != nil {
			r.fail("syntax")
		}
	}
}

func (r *decoder) skip() {
	if r.err == nil {
		if err := r.d.SkipValue(); err != nil {
			r.fail("syntax")
		}
	}
}

// text reads a string; null is nil. The bytes are good until the next read.
func (r *decoder) text() []byte {
	if r.err != nil {
		return nil
	}
	v, err := r.d.ReadValue()
	switch {
	case err != nil:
		r.fail("syntax")
	case v.Kind() == 'n':
	case v.Kind() != '"':
		r.fail("string expected")
	case bytes.IndexByte(v, '\\') < 0:
		return v[1 : len(v)-1]
	default:
		r.scratch, _ = jsontext.AppendUnquote(r.scratch[:0], v)
		return r.scratch
	}
	return nil
}

func (r *decoder) str() string {
	text := r.text()
	if word, ok := words[string(text)]; ok {
		return word
	}
	return string(text)
}

func (r *decoder) boolean() bool {
	if r.err != nil {
		return false
	}
	t, err := r.d.ReadToken()
	if err != nil {
		r.fail("syntax")
		return false
	}
	switch t.Kind() {
	case 't':
		return true
	case 'f', 'n':
		return false
	}
	r.fail("true or false expected")
	return false
}

func (r *decoder) integer() int64 {
	t, ok := r.token('0', "number")
	if !ok {
		return 0
	}
	n, err := t.Int()
	if err != nil {
		r.fail("integer expected")
	}
	return n
}

// leniently reads an integer that some senders put into a string; the platform's
// own documentation shows "status": "400".
func (r *decoder) lenientInteger() int64 {
	if r.err == nil && r.d.PeekKind() == '"' {
		n, err := strconv.ParseInt(r.str(), 10, 64)
		if err != nil {
			r.fail("integer expected")
		}
		return n
	}
	return r.integer()
}

func (r *decoder) float() float64 {
	t, ok := r.token('0', "number")
	if !ok {
		return 0
	}
	f, err := t.Float()
	if err != nil {
		r.fail("number expected")
	}
	return f
}

func (r *decoder) time() time.Time {
	s := r.text()
	if len(s) == 0 {
		return time.Time{}
	}
	t, ok := ParseTime(string(s))
	// An offset can lead out of the years that can be written again.
	if y := t.Year(); !ok || y < 0 || y > 9999 {
		r.fail("date expected")
	}
	return t
}

func (r *decoder) eventID() EventID {
	s := r.text()
	if len(s) == 0 {
		return 0
	}
	id, err := ParseEventID(string(s))
	if err != nil {
		r.fail("event id expected")
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

// quote never fails: invalid UTF-8 becomes U+FFFD, as a browser would have it.
func (w *encoder) quote(s string) { w.b, _ = jsontext.AppendQuote(w.b, s) }

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

// strings writes m in the order of its keys, so that the same value always has
// the same bytes.
func (w *encoder) strings(name string, m map[string]string) {
	if len(m) == 0 {
		return
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
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

// words are what every event frame is made of. Reading one of them takes no memory.
var words = func() map[string]string {
	m := map[string]string{}
	for _, word := range [...]string{
		"type", "id", "event", "eventType", "eventDate", "engagementId", "dialogId", "correlationId", "sessionId",
		"messageId", "messageIndex", "body", "elementType", "elementText", "text", "textFormat", "senderParticipantId",
		"senderParticipantName", "senderParticipantType", "receivedAt", "lastUpdatedAt", "eventId",
		"participantId", "participantType", "displayName",
		string(EventMessages), string(TextPlain), string(ParticipantCustomer), string(ParticipantAgent), string(ParticipantBot),
	} {
		m[word] = word
	}
	return m
}()
