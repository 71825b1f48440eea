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
	offset := 0 // in seconds
	switch zone := s[at:]; {
	case zone == "Z":
	case len(zone) == 6 && (zone[0] == '+' || zone[0] == '-') && zone[3] == ':' &&
		isDigit(zone[1]) && isDigit(zone[2]) && isDigit(zone[4]) && isDigit(zone[5]):
		hours, minutes := number(at+1, at+3), number(at+4, at+6)
		if hours > 23 || minutes > 59 {
			return t, false
		}
		offset = hours*3600 + minutes*60
		if zone[0] == '-' {
			offset = -offset
		}
	default:
		return t, false
	}
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return t, false
	}
	seconds := int64(days(year, month, day))*86400 + int64(hour*3600+minute*60+second)
	return time.Unix(seconds-int64(offset), int64(nanos)).UTC(), true
}

// daysIn returns how many days a month has.
func daysIn(year, month int) int {
	switch {
	case month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0):
		return 29
	case month == 2:
		return 28
	case month == 4 || month == 6 || month == 9 || month == 11:
		return 30
	}
	return 31
}

// days returns how many days a date is after the 1st of January 1970, in the Gregorian calendar.
// Years begin in March, so that what a leap year adds stands at the end.
func days(year, month, day int) int {
	year += 400 // not below zero
	month -= 3
	if month < 0 {
		month += 12
		year--
	}
	return year*365 + year/4 - year/100 + year/400 + (153*month+2)/5 + day - 865_566
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
