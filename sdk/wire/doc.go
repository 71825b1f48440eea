// Package wire is the language spoken between the browser SDK and the gateway:
// the bodies of the REST calls, the frames of the event stream, and the words,
// codes and limits both sides agree on. docs/protocol.md is its prose;
// the transcripts in testdata are its golden examples, and both sides' tests
// read them.
//
// Each type has an Append method, which adds its JSON to a buffer, and a Decode
// function, which reads it. Decoding is strict about JSON itself (duplicate
// names, invalid UTF-8 and trailing text are errors) and lenient about content:
// unknown fields are skipped, null means absent, and no limit is applied. Limits
// are the receiver's business, and the constants in limits.go are their one
// source.
//
// The package is linked into every visitor's WebAssembly, so it uses neither
// reflection nor fmt.
package wire
