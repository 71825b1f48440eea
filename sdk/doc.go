// Package sdk is the core of the chat SDK: everything window.AvayaCCaaSChatSDK
// does, without a browser. It runs inside the page's WebAssembly (package wasm
// gives it fetch, WebSocket and sessionStorage) and in native Go programs (package
// native gives it net/http), and is the same code in both.
//
// Start with New and call Init; events are given to Options.Deliver:
//
//	c := sdk.New(sdk.Options{Transport: native.New(native.Options{}), Deliver: func(e sdk.Event) { … }})
//	user, err := c.Init(ctx, params, sdk.Config{})
//	chat, err := c.CreateEngagement(ctx, nil)
//	_, err = c.SendMessage(ctx, chat.EngagementID, "Hello", "")
//	err = c.Shutdown(ctx, "")
//
// The calls of [Client] block. Below it is [Core], whose calls take a callback that runs
// exactly once, on the same goroutine as Deliver and in order with it, so that a caller
// learns of an outcome and of events in the order in which they happened.
//
// # How it works
//
// A Core holds at most one session (session.go): one goroutine that owns all state and
// reads one select of commands, outcomes of requests, frames and one timer. It gives each
// to the part that it is for, and does what that part wants done (perform.go):
//
//   - stream (stream.go) decides when to connect, and what becomes of a connection;
//   - rest (rest.go) keeps calls with their retries;
//   - chats (chats.go, and message.go, page.go, resync.go) turns events of the stream into
//     events for the page.
//
// The parts know nothing of each other or of the session. tokens, idle, backoff and clock
// are plain values with deadlines, compared with the clock at every wake-up, because a
// hidden tab or a sleeping laptop wakes late. What the page is to get waits in the outbox
// (outbox.go), in order. Request workers, one connection's goroutine and one dispatcher
// only send messages to the session; there is no mutex. How a session begins and ends is
// in lifecycle.go.
package sdk
