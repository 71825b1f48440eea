// Package sdk is the core of the chat SDK: everything window.AvayaCCaaSChatSDK
// does, without a browser. It runs inside the page's WebAssembly (package wasm
// gives it fetch, WebSocket and sessionStorage) and in native Go programs (package
// native gives it net/http), and is the same code in both.
//
// Start with New, register nothing, call Init, and read events from
// Options.Deliver:
//
//	c := sdk.New(sdk.Options{Transport: t, Deliver: func(e sdk.Event) { … }})
//	c.Init(params, sdk.Config{}, func(u sdk.UserContext, err error) { … })
//
// Calls do not block: each takes a callback that runs exactly once, on the same
// goroutine as Deliver and in order with it, so that a caller learns of an outcome
// and of events in the order in which they happened. Await makes a call block.
//
// # How it works
//
// Client holds at most one session. A session is one goroutine (session.go) that
// owns all state and reads one select: commands, results of requests, frames of
// the stream, one timer, wake-ups. Request workers, one stream reader and one
// dispatcher only send it messages; there is no mutex. What depends on time
// (token.go, idle.go, backoff.go) is plain values with deadlines, compared with the
// wall clock at every wake-up, because a hidden tab or a sleeping laptop wakes late.
package sdk
