//go:build js && wasm

package main

import (
	"openchat/sdk"
	"openchat/sdk/wire"
)

// The contract between the bridge (this program) and the shim (js/) stands here. Tests
// compare the bridge's dispatch, the script's sources and what is delivered with it.
//
// Bridge to shim, once: started(build, command). At any time: bound(f, id), a function of
// one argument that calls f with id and that.
//
// Shim to bridge: command(op, id, ...arguments) returns undefined, or the text of a failure
// when the call failed at once. id names a pending call, which is settled once by a
// settlement; 0: the call is over when command returns. An absent argument is undefined.
//
// Bridge to shim, in the order in which things happened: deliver(list) returns whether
// there is room for more. After a false the bridge holds back events until "drained". The
// list is the text of an array of settlements, raised events and log lines.
//
// Texts are JSON. Dates are numbers, milliseconds since 1970, and durations are seconds.
// A cursor is a string that only the bridge reads.

// commands are the ops of command. What a call is settled with has the members of the struct
// of that name; [] stands for an array, ? for that or nothing, and "" for nothing.
var commands = [...]struct {
	op        string
	arguments []string
	settles   string
}{
	{"init", []string{"params text", "config text"}, "sdk.UserContext"},
	{"shutdown", []string{"reason"}, ""},
	{"createEngagement", []string{"parameters text"}, "sdk.Engagement"},
	{"getEngagements", nil, "[]sdk.Engagement"},
	{"getEngagementById", []string{"engagementId"}, "?sdk.Engagement"},
	{"join", []string{"engagementId"}, "sdk.Engagement"},
	{"disconnect", []string{"engagementId", "reason"}, "sdk.Engagement"},
	{"sendMessage", []string{"engagementId", "text", "parentMessageId"}, "sdk.Message"},
	{"getMessages", []string{"engagementId", "size", "delivered"}, "sdk.Page"},
	{"turn", []string{"cursor", `"older" or "newer"`}, "sdk.Page"},
	// With the id 0, as all below:
	{"setJwtToken", []string{"token"}, ""},
	{"resetIdleTimeout", nil, ""},
	{"retryConnection", nil, ""},
	{"setLogLevel", []string{"level"}, ""},
	{"wake", []string{`"visible", "online", "offline" or "away"`}, ""},
	{"drained", nil, ""},
}

// settlement is an item that settles a call, with a value, an error or nothing.
type settlement struct {
	ID    int                 `page:"settle"`
	Value func(*wire.Encoder) `page:"value,optional"` // of the struct that commands names
	Error *failure            `page:"error,optional"`
}

// failure is an error, as an ACSException has it.
type failure struct {
	Code    string `page:"code"`
	Message string `page:"message"`
	Cause   string `page:"cause,optional"`
}

// raised is an item that raises an event, and shows the engagement as it is from then on.
// Without a type it does the latter only.
type raised struct {
	Event      sdk.EventType   `page:"event"`
	Payload    *sdk.Event      `page:"payload"`
	Engagement *sdk.Engagement `page:"engagement,optional"`
}

// logLine is an item for the console.
type logLine struct {
	Level sdk.LogLevel `page:"log"`
	Line  string       `page:"line"`
}
