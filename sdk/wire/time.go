package wire

import "time"

// Dates in the protocol are ISO 8601 in UTC with milliseconds; readers accept any RFC 3339.
// The layouts of package time would do the same and weigh 12 KB in the wasm.

// AppendTime adds t to dst as "2006-01-02T15:04:05.000Z". Years are from 0 to 9999.
func AppendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = appendDigits(dst, year, 4)
	dst = append(dst, '-')
	dst = appendDigits(dst, int(month), 2)
	dst = append(dst, '-')
	dst = appendDigits(dst, day, 2)
	dst = append(dst, 'T')
	dst = appendDigits(dst, hour, 2)
	dst = append(dst, ':')
	dst = appendDigits(dst, minute, 2)
	dst = append(dst, ':')
	dst = appendDigits(dst, second, 2)
	dst = append(dst, '.')
	dst = appendDigits(dst, t.Nanosecond()/1e6, 3)
	return append(dst, 'Z')
}

// appendDigits adds n, of which only the last digits are written.
func appendDigits(dst []byte, n, digits int) []byte {
	for unit := pow10(digits - 1); unit > 0; unit /= 10 {
		dst = append(dst, byte('0'+n/unit%10))
	}
	return dst
}

func pow10(n int) int {
	p := 1
	for range n {
		p *= 10
	}
	return p
}

// ParseTime reads an RFC 3339 date, of any offset and precision (beyond nanoseconds it
// is cut), and reports whether it is one. The result is in UTC.
func ParseTime(s string) (t time.Time, ok bool) {
	const shape = "dddd-dd-ddTdd:dd:dd"
	if len(s) <= len(shape) {
		return t, false
	}
	for i := range len(shape) {
		if shape[i] == 'd' && !isDigit(s[i]) || shape[i] != 'd' && shape[i] != s[i] {
			return t, false
		}
	}
	number := func(from, to int) (n int) {
		for _, c := range []byte(s[from:to]) {
			n = n*10 + int(c-'0')
		}
		return n
	}
	year, month, day := number(0, 4), number(5, 7), number(8, 10)
	hour, minute, second := number(11, 13), number(14, 16), number(17, 19)
	if hour > 23 || minute > 59 || second > 59 {
		return t, false
	}

	at, nanos := len(shape), 0
	if s[at] == '.' {
		begin := at + 1
		for at = begin; at < len(s) && isDigit(s[at]); at++ {
		}
		if at == begin {
			return t, false
		}
		digits := min(at-begin, 9)
		nanos = number(begin, begin+digits) * pow10(9-digits)
	}
	var offset time.Duration
	switch zone := s[at:]; {
	case zone == "Z":
	case len(zone) == 6 && (zone[0] == '+' || zone[0] == '-') && zone[3] == ':' &&
		isDigit(zone[1]) && isDigit(zone[2]) && isDigit(zone[4]) && isDigit(zone[5]):
		hours, minutes := number(at+1, at+3), number(at+4, at+6)
		if hours > 23 || minutes > 59 {
			return t, false
		}
		offset = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
		if zone[0] == '-' {
			offset = -offset
		}
	default:
		return t, false
	}
	t = time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
	// time.Date would take the 31st of February for a day in March.
	if _, m, d := t.Date(); int(m) != month || d != day {
		return time.Time{}, false
	}
	return t.Add(-offset), true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
