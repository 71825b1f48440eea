//go:build js && wasm

package main

import (
	_ "embed"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"openchat/sdk"
	"openchat/sdk/wire"
	"openchat/sdk/wire/wiretest"
)

//go:embed testdata/golden.txt
var golden string

// TestGolden compares everything that the bridge delivers, with all members, without
// members, and with each alone, with testdata/golden.txt.
func TestGolden(t *testing.T) {
	got, want := strings.Split(goldenText(), "\n"), strings.Split(golden, "\n")
	if len(got) != len(want) {
		t.Errorf("%d lines, golden.txt has %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Errorf("line %d\n%s, golden.txt has\n%s", i+1, got[i], want[i])
		}
	}
}

var filler = wiretest.Filler{
	Time:     func(name string) time.Time { return time.UnixMilli(1772600767089 + int64(len(name))) },
	Duration: func(name string) time.Duration { return time.Duration(len(name)) * 101 * time.Millisecond },
	Map:      func(name string) map[string]string { return map[string]string{"<\n": name} },
}

// text is what encode writes of v.
func text[T any](encode func(*T, *wire.Encoder), v *T) []byte {
	var w wire.Encoder
	encode(v, &w)
	return w.B
}

// goldenText is what the bridge delivers of everything that it can deliver.
func goldenText() string {
	var all strings.Builder
	line := func(name string, text []byte) { all.WriteString(name + "\t" + string(text) + "\n") }
	var user sdk.UserContext
	line("UserContext empty", text(encodeUserContext, &user))
	filler.Fill(reflect.ValueOf(&user).Elem(), "UserContext")
	line("UserContext full", text(encodeUserContext, &user))
	line("engagements", text(encodeEngagements, &user.Engagements))
	line("no engagements", text(encodeEngagements, new([]sdk.Engagement)))
	var page sdk.Page
	line("Page empty", text(encodePage, &page))
	filler.Fill(reflect.ValueOf(&page).Elem(), "Page")
	line("Page full", text(encodePage, &page))
	var message sdk.Message
	line("Message empty", text(encodeMessage, &message))
	line("Message full", text(encodeMessage, &page.Items[0]))
	line("Engagement full", text(encodeEngagement, &user.Engagements[0]))
	line("log", text(encodeLogLine, &logLine{sdk.LogWarn, "a \"line\""}))
	// In an order that does not depend on that of the fields.
	var fields []string
	for i := range reflect.TypeFor[sdk.Event]().NumField() {
		fields = append(fields, reflect.TypeFor[sdk.Event]().Field(i).Name)
	}
	slices.Sort(fields)
	for _, kind := range []sdk.EventType{
		sdk.EventInitialized, sdk.EventShutdown, sdk.EventTokenExpiryReminder, sdk.EventTokenExpired, sdk.EventIdleTimeoutExpired,
		sdk.EventStreamConnecting, sdk.EventStreamConnected, sdk.EventStreamFailed, sdk.EventStreamClosed,
		sdk.EventEngagementActive, sdk.EventEngagementTerminated, sdk.EventEngagementError,
		sdk.EventParticipantAdded, sdk.EventParticipantDisconnected, sdk.EventMessageArrived, sdk.EventMessageDelivered,
		"", // an engagement that changed without an event
	} {
		// INITIALIZED always has a User, MESSAGE_* a Message, and no others have.
		event := func(member string) {
			e := sdk.Event{Type: kind}
			v := reflect.ValueOf(&e).Elem()
			for _, name := range fields {
				switch name {
				case "Type":
				case "User":
					if kind == sdk.EventInitialized {
						filler.Fill(v.FieldByName(name), name)
					}
				case "Message":
					if kind == sdk.EventMessageArrived || kind == sdk.EventMessageDelivered {
						filler.Fill(v.FieldByName(name), name)
					}
				default:
					if name == member || member == "full" {
						filler.Fill(v.FieldByName(name), name)
					}
				}
			}
			line(string(kind)+" "+member, text(encodeRaised, &raised{e.Type, &e, e.Changed}))
		}
		event("full")
		event("empty")
		for _, name := range fields {
			if name != "Type" && name != "User" && name != "Message" {
				event(name)
			}
		}
	}
	return all.String()
}
