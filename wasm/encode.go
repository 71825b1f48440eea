//go:build js && wasm

package main

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"openchat/sdk"
	"openchat/sdk/wire"
)

// encode_gen.go writes what is delivered, in the shapes that pages see (docs/reference.md), so
// that the shim only has to turn numbers into Dates. Here is what it needs for that.

// milliseconds writes a date, unless it is zero.
func milliseconds(w *wire.Encoder, name string, t time.Time) {
	if !t.IsZero() {
		w.Integer(name, t.UnixMilli())
	}
}

// seconds writes a duration as pages read it, milliseconds kept.
func seconds(w *wire.Encoder, name string, d time.Duration) {
	ms := max(0, d.Milliseconds())
	w.Integer(name, ms/1000)
	if ms %= 1000; ms > 0 {
		w.B = append(w.B, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
	}
}

func encodeEngagements(list *[]sdk.Engagement, w *wire.Encoder) {
	w.Array(len(*list), func(i int) { encodeEngagement(&(*list)[i], w) })
}

// failureOf returns an error as the shim gets it.
func failureOf(err error) (f failure) {
	var e *sdk.Error
	if !errors.As(err, &e) {
		e = &sdk.Error{Code: sdk.CodeInitFailed, Message: "Unexpected error in the SDK", Cause: err}
	}
	f.Code, f.Message = e.Code.String(), e.Message
	if e.Cause != nil {
		f.Cause = e.Cause.Error()
	}
	return f
}

// cursorText writes a cursor as the shim keeps it.
func cursorText(c *sdk.Cursor) string {
	b := append([]byte(c.EngagementID), ' ')
	b = append(b, c.DialogID...)
	for _, n := range []uint64{uint64(c.Size), uint64(c.Oldest), uint64(c.Newest), uint64(c.End), uint64(c.Seen), uint64(c.Own), uint64(c.UndeliveredFrom), uint64(c.UndeliveredTo)} {
		b = strconv.AppendUint(append(b, ' '), n, 10)
	}
	return string(b)
}

func parseCursor(s string) (c sdk.Cursor, err error) {
	var n [8]uint64
	fields := strings.Split(s, " ")
	if len(fields) != 2+len(n) {
		return c, constraint("not a cursor")
	}
	c.EngagementID, c.DialogID = fields[0], fields[1]
	for i := range n {
		if n[i], err = strconv.ParseUint(fields[2+i], 10, 64); err != nil {
			return c, constraint("not a cursor")
		}
	}
	c.Size, c.Oldest, c.Newest, c.End = int(n[0]), int64(n[1]), int64(n[2]), int64(n[3])
	c.Seen, c.Own = wire.EventID(n[4]), wire.EventID(n[5])
	c.UndeliveredFrom, c.UndeliveredTo = int64(n[6]), int64(n[7])
	return c, nil
}
