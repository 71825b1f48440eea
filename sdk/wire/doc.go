// Package wire is the protocol between the browser SDK and the gateway: the bodies of the
// REST calls, the frames of the event stream, and the words, codes and limits both sides
// agree on. docs/protocol.md is its prose; the transcripts in testdata are its golden
// examples, and both sides' tests read them.
//
// The structs and their tags are the one place where a name of the protocol is written by
// hand. From them go generate makes codec_gen.go: for each type an Append method, which
// adds its JSON to a buffer, and a Decode function, which reads it; Valid for each
// enumeration. Package schema describes the tags. A new event is a constant of EventType
// and, where it has members of its own, fields of Event.
//
// Decoding is strict about JSON itself (duplicate names, invalid UTF-8 and trailing text
// are errors) and lenient about content: unknown fields are skipped, null means absent, and
// no limit is applied. Limits are the receiver's business, and the constants in limits.go
// are their one source.
//
// The package is linked into every visitor's WebAssembly, so it uses neither
// reflection nor fmt.
package wire

//go:generate go run ./gen
