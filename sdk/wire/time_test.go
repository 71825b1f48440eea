package wire

import (
	"regexp"
	"testing"
	"time"
)

// strict is the grammar of RFC 3339, of which package time takes more.
var strict = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// What is read and written is what package time reads and writes.
func FuzzTime(f *testing.F) {
	for _, s := range []string{
		"2026-11-22T10:17:18.123Z", "2026-11-22T10:17:18Z", "2026-11-22T10:17:18.5+02:30", "2024-02-29T23:59:59.999999999-23:59",
		"2023-02-29T00:00:00Z", "2026-11-22T24:00:00Z", "2026-11-22T10:17:60Z", "2026-11-22t10:17:18z", "2026-11-22T10:17:18.Z",
		"2026-11-22T10:17:18,5Z", "2026-11-22T1:17:18Z", "2026-11-22T10:17:18+24:00", "0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59.0000000009Z",
		"2026-00-10T00:00:00Z", "2026-13-10T00:00:00Z", "2026-01-00T00:00:00Z", "2026-11-22T10:17:18", "", "2026-11-22T10:17:18.123ZZ",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want time.Time
		valid := want.UnmarshalText([]byte(s)) == nil && strict.MatchString(s)
		got, ok := ParseTime(s)
		if ok != valid || ok && !got.Equal(want) {
			t.Fatalf("ParseTime(%q) = %v, %v; want %v, %v", s, got, ok, want, valid)
		}
		if !ok {
			return
		}
		if y := got.Year(); y < 0 || y > 9999 {
			return
		}
		if got, want := string(AppendTime(nil, got)), got.Format("2006-01-02T15:04:05.000Z"); got != want {
			t.Fatalf("AppendTime: %s, package time: %s", got, want)
		}
	})
}

// Every day is where package time has it.
func TestDays(t *testing.T) {
	end := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	for at := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC); at.Before(end); at = at.AddDate(0, 0, 1) {
		year, month, day := at.Date()
		if got := int64(days(year, int(month), day)) * 86400; got != at.Unix() {
			t.Fatalf("%v: %d, want %d", at, got, at.Unix())
		}
		if last := at.AddDate(0, 0, 1).Month() != month; last != (day == daysIn(year, int(month))) {
			t.Fatalf("%v: the month has %d days", at, daysIn(year, int(month)))
		}
	}
}
