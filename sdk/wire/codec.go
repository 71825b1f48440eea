package wire

import (
	"errors"
	"strconv"
	"time"
)

func (r *decoder) str() string {
	text := r.string()
	if r.whole != "" && !r.unescaped && len(text) > 0 {
		return r.whole[r.at-1-len(text) : r.at-1]
	}
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

// lenientInteger reads an integer that some senders put into a string; the platform's
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
	// An offset can lead out of the years that can be written again, 0 to 9999.
	if at := t.Unix(); !ok || at < -62_167_219_200 || at > 253_402_300_799 {
		r.expect("date")
	}
	return t
}

// seconds reads a whole number of seconds, within what a Duration holds.
func (r *decoder) seconds() time.Duration {
	return time.Duration(min(max(r.integer(), 0), 1<<31)) * time.Second
}

func (r *decoder) eventID() EventID {
	s := r.string()
	if len(s) == 0 {
		return 0
	}
	id, err := parseEventID(string(s))
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

// parseEventID reads the decimal form.
func parseEventID(s string) (EventID, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, errors.New("event id is not a decimal number")
	}
	return EventID(n), nil
}

// String returns the decimal form.
func (id EventID) String() string { return strconv.FormatUint(uint64(id), 10) }

// Encoder appends JSON to B. Whether a member needs a comma depends on what precedes it. Its
// methods are not inlined: they are called in many places, and for an event few times.
type Encoder struct{ B []byte }

// Name appends a member's name; its value must follow.
//
//go:noinline
func (w *Encoder) Name(name string) {
	b := append(w.next(), '"')
	b = append(b, name...)
	w.B = append(b, '"', ':')
}

// next returns B, with a comma where the next member or element of an object or array needs
// one.
func (w *Encoder) next() []byte {
	b := w.B
	if c := b[len(b)-1]; c != '{' && c != '[' {
		b = append(b, ',')
	}
	return b
}

// Open begins an object.
//
//go:noinline
func (w *Encoder) Open() { w.B = append(w.B, '{') }

// Close ends an object.
//
//go:noinline
func (w *Encoder) Close() { w.B = append(w.B, '}') }

// Str appends a member that is a string.
func (w *Encoder) Str(name, s string) {
	w.Name(name)
	w.quote(s)
}

//go:noinline
func (w *Encoder) quote(s string) { w.B = AppendQuote(w.B, s) }

// OptStr appends a member that is a string, unless that is empty.
//
//go:noinline
func (w *Encoder) OptStr(name, s string) {
	if s != "" {
		w.Str(name, s)
	}
}

// Integer appends a member that is an integer.
//
//go:noinline
func (w *Encoder) Integer(name string, n int64) {
	w.Name(name)
	w.B = strconv.AppendInt(w.B, n, 10)
}

// Boolean appends a member that is true or false.
//
//go:noinline
func (w *Encoder) Boolean(name string, v bool) {
	w.Name(name)
	w.B = strconv.AppendBool(w.B, v)
}

// Array appends an array of n elements, which element appends one by one.
//
//go:noinline
func (w *Encoder) Array(n int, element func(i int)) {
	w.B = append(w.B, '[')
	for i := range n {
		if i > 0 {
			w.B = append(w.B, ',')
		}
		element(i)
	}
	w.B = append(w.B, ']')
}

// Strings appends a member that is an object of strings, unless that is empty. It is in
// the order of the keys, so that the same value always has the same bytes.
func (w *Encoder) Strings(name string, m map[string]string) {
	if len(m) == 0 {
		return
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = AppendInOrder(keys, k)
	}
	w.Name(name)
	w.Open()
	for _, k := range keys {
		w.B = w.next()
		w.quote(k)
		w.B = append(w.B, ':')
		w.quote(m[k])
	}
	w.Close()
}

func (w *Encoder) time(name string, t time.Time) {
	if t.IsZero() {
		return
	}
	w.Name(name)
	w.B = append(w.B, '"')
	w.B = AppendTime(w.B, t)
	w.B = append(w.B, '"')
}

func (w *Encoder) eventID(name string, id EventID) {
	if id != 0 {
		w.Str(name, id.String())
	}
}

// AppendInOrder adds s to a list that is in order, and keeps it so. The protocol's lists
// are short, and slices.Sort is 8 KB of every visitor's download.
func AppendInOrder(list []string, s string) []string {
	list = append(list, s)
	for i := len(list) - 1; i > 0 && list[i] < list[i-1]; i-- {
		list[i], list[i-1] = list[i-1], list[i]
	}
	return list
}
