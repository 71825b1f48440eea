package httpapi

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"openchat/sdk/wire"
	"openchat/web/store"
)

// This file has the one check of each value that more than one server, or a server and
// the command line, take. Checks of a request's fields return a *Problem, those of
// settings an error that says what is possible.

// UUID refuses what is missing or is no UUID.
func UUID(field, value string) error {
	switch {
	case value == "":
		return Missing(field)
	case !wire.IsUUID(value):
		return Invalid(field, "must be a UUID", wire.ViolationPattern)
	}
	return nil
}

// CorrelationID refuses an idempotency key that is too long. It may be missing.
func CorrelationID(value string) error {
	if len(value) > wire.MaxCorrelationID {
		return Invalid("correlationId", "must have at most "+strconv.Itoa(wire.MaxCorrelationID)+" bytes", wire.ViolationLength)
	}
	return nil
}

// Text refuses the text of a message that is empty or too long.
func Text(field, value string) error {
	switch n := wire.UTF16Len(value); {
	case n == 0:
		return Missing(field)
	case n > wire.MaxText:
		return Invalid(field, "must have at most "+strconv.Itoa(wire.MaxText)+" characters", wire.ViolationLength)
	}
	return nil
}

// DisplayName refuses a name that is too long. It may be missing.
func DisplayName(field, value string) error {
	if wire.UTF16Len(value) > wire.MaxDisplayName {
		return Invalid(field, "must have at most "+strconv.Itoa(wire.MaxDisplayName)+" characters", wire.ViolationLength)
	}
	return nil
}

// StaffName is DisplayName for names that a chat shows in its own lines: it returns the
// name without surrounding white space, and refuses none, what PlainName would take out, and
// the system's and the bot's name too.
func StaffName(field, value string) (string, error) {
	value = strings.TrimSpace(value)
	switch {
	case value == "":
		return "", Missing(field)
	case PlainName(value) != value:
		return "", Invalid(field, "must not hold control characters, or such that cannot be seen", wire.ViolationPattern)
	case IsReservedName(value):
		return "", Invalid(field, "must not be the name of the system's own lines, or of the bot", wire.ViolationPattern)
	}
	return value, DisplayName(field, value)
}

// Parameters refuses the parameters of a session or engagement that are too many or too
// long.
func Parameters(field string, m map[string]string) error {
	if len(m) > wire.MaxParameters {
		return Invalid(field, "must have at most "+strconv.Itoa(wire.MaxParameters)+" entries", wire.ViolationLength)
	}
	for k, v := range m {
		if n := wire.UTF16Len(k); n < 1 || n > wire.MaxParameterKey {
			return Invalid(field, "must have keys of "+Between(1, wire.MaxParameterKey)+" characters", wire.ViolationLength)
		}
		if wire.UTF16Len(v) > wire.MaxParameterValue {
			return Invalid(field, "must have values of at most "+strconv.Itoa(wire.MaxParameterValue)+" characters", wire.ViolationLength)
		}
	}
	return nil
}

// Between writes a range.
func Between(low, high int) string { return strconv.Itoa(low) + "–" + strconv.Itoa(high) }

// Page reads which page of history a request asks for: pageSize, and before or after,
// each a messageIndex.
func Page(values url.Values) (store.Query, error) {
	q := store.Query{Size: wire.DefaultPageSize}
	if err := number(values, wire.FieldPageSize, 1, wire.MaxPageSize, func(n int64) { q.Size = int(n) }); err != nil {
		return q, err
	}
	if err := number(values, wire.FieldBefore, 1, math.MaxInt64, func(n int64) { q.Before = n }); err != nil {
		return q, err
	}
	fromStart := false // after=0, which the store takes for absent
	if err := number(values, wire.FieldAfter, 0, math.MaxInt64, func(n int64) { q.After, fromStart = n, n == 0 }); err != nil {
		return q, err
	}
	if q.Before > 0 && (q.After > 0 || fromStart) {
		return q, Invalid(wire.FieldAfter, "cannot be given together with before", wire.ViolationPattern)
	}
	if fromStart {
		q.Before = int64(q.Size) + 1
	}
	return q, nil
}

// number reads an optional query parameter.
func number(values url.Values, name string, low, high int64, set func(int64)) error {
	v := values.Get(name)
	if v == "" {
		return nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < low || n > high {
		message := "must be a number from " + strconv.FormatInt(low, 10)
		if high < math.MaxInt64 {
			message += " to " + strconv.FormatInt(high, 10)
		}
		return Invalid(name, message, wire.ViolationPattern)
	}
	set(n)
	return nil
}

// MinCredential is the shortest credential of a server or a desk, in bytes.
const MinCredential = 16

// CheckCredential checks the credential of a server or a desk. The error does not hold it.
func CheckCredential(value string) error {
	if len(value) < MinCredential {
		return fmt.Errorf("too short; at least %d bytes are needed", MinCredential)
	}
	return CheckSecret(value)
}

// MinDifferent is how many different characters a secret has at least. One made at random has
// more: 16 hexadecimal digits have fewer than 6 different ones once in 30,000 times.
const MinDifferent = 6

// CheckSecret refuses a secret of any kind that is easily guessed. The error does not hold it.
func CheckSecret(value string) error {
	different := map[rune]bool{}
	for _, c := range value {
		different[c] = true
	}
	if len(different) < MinDifferent {
		return fmt.Errorf("too weak; at least %d different characters are needed, as in a secret that is made at random", MinDifferent)
	}
	return nil
}

// CheckHeartbeat checks the time between two pings: it goes out in whole seconds, and
// clients take no other.
func CheckHeartbeat(d time.Duration) error {
	if d < wire.MinHeartbeatInterval || d > wire.MaxHeartbeatInterval || d%time.Second != 0 {
		return fmt.Errorf("not whole seconds from %.0fs to %.0fs", wire.MinHeartbeatInterval.Seconds(), wire.MaxHeartbeatInterval.Seconds())
	}
	return nil
}

// CheckAccount checks the id of an account.
func CheckAccount(value string) error {
	if len(value) != 6 || strings.Trim(strings.ToLower(value), "abcdefghijklmnopqrstuvwxyz") != "" {
		return errors.New("not six letters")
	}
	return nil
}

// CheckIntegrationID checks the id of an integration.
func CheckIntegrationID(value string) error {
	if !wire.IsUUID(value) {
		return errors.New("not a UUID")
	}
	return nil
}
