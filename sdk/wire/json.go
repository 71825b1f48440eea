package wire

import (
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// The JSON of this package (RFC 8259). It is here because each visitor would pay for a
// library's: with package jsontext, which the gateway uses, the wasm was 54 KB (9 %)
// larger in brotli, held half a megabyte more of memory, and took a third longer for an
// event. FuzzJSON holds the two against each other.

// maxDepth is how deep objects and arrays may stand in each other. Nothing in the protocol is
// deeper than five.
const maxDepth = 100

// ErrMalformed is returned for text that is not the expected JSON. The position
// is wrapped by the concrete error.
var ErrMalformed = errors.New("malformed JSON")

// syntaxError never quotes the input: it may hold a token or a message.
type syntaxError struct {
	what   string
	offset int
}

func (e *syntaxError) Error() string {
	return ErrMalformed.Error() + ": " + e.what + " near byte " + strconv.Itoa(e.offset)
}

func (e *syntaxError) Unwrap() error { return ErrMalformed }

// TypeError says which value of a text has another type than it must have. Its text does
// not name the value: a map's keys are its sender's own words.
type TypeError struct {
	// Field is the path to the value, as in body.elementText.text or
	// sessionParameters.model; "" is the whole text. Of a name longer than
	// maxFieldName bytes it has the beginning.
	Field string
	// Want is the type that is needed, in words: "string", "object", "integer".
	Want   string
	offset int
}

func (e *TypeError) Error() string {
	return (&syntaxError{e.Want + " expected", e.offset}).Error()
}

func (e *TypeError) Unwrap() error { return ErrMalformed }

// Within notes that the value is in a member of that name, or of that number as [2].
func (e *TypeError) Within(step string) {
	if len(step) > maxFieldName {
		step = step[:maxFieldName] + "…"
	}
	if e.Field != "" && e.Field[0] != '[' {
		step += "."
	}
	e.Field = step + e.Field
}

// maxFieldName is in bytes; a key of parameters has no more.
const maxFieldName = 3 * MaxParameterKey

// decoder reads one JSON text; its first error sticks and turns every later read
// into a no-op, so that field lists read as tables.
type decoder struct {
	text    []byte
	at      int // the next byte
	depth   int
	err     error
	repeats bool   // a name may come twice in an object
	lenient bool   // what is no UTF-8 becomes U+FFFD, and is no error
	scratch []byte // of a string that had to be unescaped
	// whole is the text again where strings may be parts of it; they keep all of it in memory.
	whole     string
	unescaped bool // the last string was
}

func newDecoder(text []byte) *decoder { return &decoder{text: text} }

// fail notes an error; it is not inlined, nor are the others that valid text seldom meets.
//
//go:noinline
func (r *decoder) fail(what string) {
	if r.err == nil {
		r.err = &syntaxError{what, r.at}
	}
}

// expect fails because a value has another type.
//
//go:noinline
func (r *decoder) expect(want string) {
	if r.err == nil {
		r.err = &TypeError{Want: want, offset: r.at}
	}
}

// within notes where a value of another type is.
func (r *decoder) within(step string) {
	if e, ok := r.err.(*TypeError); ok {
		e.Within(step)
	}
}

// end checks that nothing follows the value and returns the first error.
func (r *decoder) end() error {
	if r.err == nil && r.peek() != 0 {
		r.fail("text after the end")
	}
	return r.err
}

// peek returns the first byte of the next token, 0 at the end. A NUL in the text is none.
func (r *decoder) peek() byte {
	for r.at < len(r.text) {
		switch c := r.text[r.at]; c {
		case ' ', '\n', '\r', '\t':
			r.at++
		case 0:
			return 1
		default:
			return c
		}
	}
	return 0
}

// literal reads true, false or null.
//
//go:noinline
func (r *decoder) literal(word string) {
	if end := r.at + len(word); end <= len(r.text) && string(r.text[r.at:end]) == word {
		r.at = end
		return
	}
	r.fail("syntax")
}

// opens reads the beginning of a value of the kind whose first byte that is. Null is none,
// and no error.
func (r *decoder) opens(first byte, what string) bool {
	if r.err != nil {
		return false
	}
	switch r.peek() {
	case first:
		return true
	case 'n':
		r.literal("null")
	default:
		r.expect(what)
	}
	return false
}

// list calls element for each element of what ends with the byte last; element must read
// or skip it.
func (r *decoder) list(last byte, element func()) {
	if r.depth++; r.depth > maxDepth {
		r.fail("syntax")
	}
	r.at++
	if r.peek() == last {
		r.at++
		r.depth--
		return
	}
	for r.err == nil {
		element()
		if r.err != nil {
			return
		}
		switch c := r.peek(); c {
		case ',':
			r.at++
		case last:
			r.at++
			r.depth--
			return
		default:
			r.fail("syntax")
		}
	}
}

// object calls field for each member; field must read or skip its value.
func (r *decoder) object(field func(name string)) {
	if !r.opens('{', "object") {
		return
	}
	var seen names
	r.list('}', func() {
		if r.peek() != '"' {
			r.fail("syntax")
			return
		}
		name := r.str()
		if r.peek() != ':' {
			r.fail("syntax")
			return
		}
		r.at++
		if !r.repeats && !seen.add(name) {
			r.fail("syntax")
			return
		}
		field(name)
		r.within(name)
	})
}

// names is a set that costs nothing while it is as small as nearly all are.
type names struct {
	few  [16]string
	n    int
	many map[string]struct{}
}

// add reports whether the name is new.
func (s *names) add(name string) bool {
	for i := range min(s.n, len(s.few)) {
		if s.few[i] == name {
			return false
		}
	}
	if s.n < len(s.few) {
		s.few[s.n] = name
	} else {
		if _, twice := s.many[name]; twice {
			return false
		}
		if s.many == nil {
			s.many = map[string]struct{}{}
		}
		s.many[name] = struct{}{}
	}
	s.n++
	return true
}

// array calls element for each element, which it must read or skip.
func (r *decoder) array(element func()) {
	if r.opens('[', "array") {
		i := 0
		r.list(']', func() {
			element()
			if r.err != nil {
				r.within("[" + strconv.Itoa(i) + "]")
			}
			i++
		})
	}
}

// skip reads a value of any kind.
func (r *decoder) skip() {
	if r.err != nil {
		return
	}
	switch c := r.peek(); c {
	case '{':
		r.object(func(string) { r.skip() })
	case '[':
		r.array(r.skip)
	case '"':
		r.quoted()
	case 't':
		r.literal("true")
	case 'f':
		r.literal("false")
	case 'n':
		r.literal("null")
	default:
		r.number()
	}
}

// string reads a string; null is nil. The bytes are good until the next read.
func (r *decoder) string() []byte {
	if !r.opens('"', "string") {
		return nil
	}
	return r.quoted()
}

// quoted reads the string that begins here.
func (r *decoder) quoted() []byte {
	r.at++
	r.unescaped = false
	begin := r.at
	ascii := true
	for i, c := range r.text[begin:] {
		switch {
		case c == '"':
			s := r.text[begin : begin+i]
			if !ascii && !utf8.Valid(s) {
				return r.unescape(begin)
			}
			r.at = begin + i + 1
			return s
		case c == '\\':
			return r.unescape(begin)
		case c < ' ':
			r.at = begin + i
			r.fail("syntax")
			return nil
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	r.at = len(r.text)
	r.fail("syntax")
	return nil
}

// unescape reads the string that begins there into scratch.
func (r *decoder) unescape(begin int) []byte {
	b := r.scratch[:0]
	r.unescaped = true
	for r.at = begin; r.at < len(r.text); {
		c := r.text[r.at]
		switch {
		case c == '"':
			r.at++
			r.scratch = b
			return b
		case c == '\\':
			var ok bool
			if b, ok = r.escape(b); !ok {
				return nil
			}
		case c < ' ':
			r.fail("syntax")
			return nil
		case c < utf8.RuneSelf:
			b = append(b, c)
			r.at++
		default:
			n, size := utf8.DecodeRune(r.text[r.at:])
			if n == utf8.RuneError && size == 1 && !r.lenient {
				r.fail("syntax")
				return nil
			}
			b = utf8.AppendRune(b, n)
			r.at += size
		}
	}
	r.fail("syntax")
	return nil
}

// escape reads what a backslash begins.
func (r *decoder) escape(b []byte) ([]byte, bool) {
	const plain, meant = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	if r.at+1 < len(r.text) {
		for i := range len(plain) {
			if plain[i] == r.text[r.at+1] {
				r.at += 2
				return append(b, meant[i]), true
			}
		}
	}
	c, ok := r.unit()
	if !ok {
		r.fail("syntax")
		return b, false
	}
	if utf16.IsSurrogate(c) {
		was := r.at
		low, ok := r.unit()
		pair := utf16.DecodeRune(c, low)
		if !ok || pair == utf8.RuneError {
			r.at = was
			pair = utf8.RuneError
			if !r.lenient {
				r.fail("syntax")
				return b, false
			}
		}
		c = pair
	}
	return utf8.AppendRune(b, c), true
}

// unit reads \uXXXX.
func (r *decoder) unit() (c rune, ok bool) {
	if r.at+6 > len(r.text) || r.text[r.at] != '\\' || r.text[r.at+1] != 'u' {
		return 0, false
	}
	for _, h := range r.text[r.at+2 : r.at+6] {
		switch {
		case h >= '0' && h <= '9':
			h -= '0'
		case h|0x20 >= 'a' && h|0x20 <= 'f':
			h = h | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		c = c<<4 | rune(h)
	}
	r.at += 6
	return c, true
}

// number reads the text of a number.
func (r *decoder) number() []byte {
	begin := r.at
	digits := func() bool {
		from := r.at
		for r.at < len(r.text) && r.text[r.at] >= '0' && r.text[r.at] <= '9' {
			r.at++
		}
		return r.at > from
	}
	is := func(a, b byte) bool {
		if r.at < len(r.text) && (r.text[r.at] == a || r.text[r.at] == b) {
			r.at++
			return true
		}
		return false
	}
	is('-', '-')
	ok := is('0', '0') || digits()
	if ok && is('.', '.') {
		ok = digits()
	}
	if ok && is('e', 'E') {
		is('+', '-')
		ok = digits()
	}
	if !ok {
		r.at = begin
		r.fail("syntax")
		return nil
	}
	return r.text[begin:r.at]
}

// numeral reads a number's text; nil if it is none.
func (r *decoder) numeral() []byte {
	if r.err != nil {
		return nil
	}
	switch c := r.peek(); {
	case c == 'n':
		r.literal("null")
	case c == '-' || c >= '0' && c <= '9':
		return r.number()
	default:
		r.expect("number")
	}
	return nil
}

func (r *decoder) integer() int64 {
	s := r.numeral()
	if s == nil {
		return 0
	}
	n, err := strconv.ParseInt(string(s), 10, 64)
	if err != nil {
		r.expect("integer")
	}
	return n
}

// maxThousandths bounds what thousandths returns; a thousand times it is an int64 still.
const maxThousandths = 1 << 53

// thousandths reads a number in thousandths, what is less cut off: seconds as
// milliseconds. What lies beyond maxThousandths is that.
func (r *decoder) thousandths() int64 {
	s := r.numeral()
	if len(s) == 0 {
		return 0
	}
	sign := int64(1)
	if s[0] == '-' {
		sign, s = -1, s[1:]
	}
	// The digits, and by how many powers of ten they are too large for thousandths.
	var n int64
	excess, point := -3, false
	for i, c := range s {
		switch {
		case c == '.':
			point = true
		case c|0x20 == 'e':
			e, err := strconv.ParseInt(string(s[i+1:]), 10, 16)
			if err != nil { // beyond any bound, to one side or the other
				e = 1000
				if s[i+1] == '-' {
					e = -1000
				}
			}
			excess -= int(e)
		case n < maxThousandths/10:
			n = n*10 + int64(c-'0')
			if point {
				excess++
			}
		case !point:
			excess--
		}
		if c|0x20 == 'e' {
			break
		}
	}
	for ; excess > 0 && n > 0; excess-- {
		n /= 10
	}
	for ; excess < 0 && n > 0 && n < maxThousandths; excess++ {
		n *= 10
	}
	return sign * min(n, maxThousandths)
}

// Value is the text of one JSON value, or "" for none.
type Value string

// Members reads the members of an object, as they stand there. Text that is no UTF-8 is
// taken for what a browser would make of it. ok is false for anything that is not one
// JSON object, or has a name twice.
func Members(text string) (m map[string]Value, ok bool) {
	r := &decoder{text: []byte(text), lenient: true}
	if r.peek() != '{' {
		return nil, false
	}
	m = map[string]Value{}
	r.object(func(name string) {
		r.peek()
		begin := r.at
		r.skip()
		m[name] = Value(r.text[begin:r.at])
	})
	return m, r.end() == nil
}

// Null reports whether it is null, or no value at all.
func (v Value) Null() bool { return v == "" || v == "null" }

// Text returns the text of a string; ok is false for anything else.
func (v Value) Text() (text string, ok bool) {
	if v == "" || v[0] != '"' {
		return "", false
	}
	r := &decoder{text: []byte(v), lenient: true}
	text = string(r.string())
	return text, r.err == nil
}

// Thousandths returns a number's thousandths, at most 1<<53 of them; ok is false for
// anything else.
func (v Value) Thousandths() (n int64, ok bool) {
	r := &decoder{text: []byte(v)}
	if c := r.peek(); c != '-' && (c < '0' || c > '9') {
		return 0, false
	}
	n = r.thousandths()
	return n, r.err == nil
}

// AppendQuote appends a string of JSON. It never fails: what is no UTF-8 becomes U+FFFD,
// as a browser would have it.
func AppendQuote(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0 // of what is to be appended as it is
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			n, size := utf8.DecodeRuneInString(s[i:])
			if n == utf8.RuneError && size == 1 {
				dst = append(append(dst, s[from:i]...), "\uFFFD"...)
				from = i + 1
			}
			i += size
			continue
		}
		if c < ' ' || c == '"' || c == '\\' {
			dst = append(append(dst, s[from:i]...), '\\')
			from = i + 1
			switch c {
			case '\b':
				dst = append(dst, 'b')
			case '\f':
				dst = append(dst, 'f')
			case '\n':
				dst = append(dst, 'n')
			case '\r':
				dst = append(dst, 'r')
			case '\t':
				dst = append(dst, 't')
			case '"', '\\':
				dst = append(dst, c)
			default:
				dst = append(dst, 'u', '0', '0', hex[c>>4], hex[c&15])
			}
		}
		i++
	}
	return append(append(dst, s[from:]...), '"')
}
