//go:build js && wasm

// Command wasm is the bridge between the core (package sdk) and the page: it gives the
// core the browser's fetch, WebSocket and sessionStorage, and the shim
// (js/avaya-ccaas-chat-sdk.js) the core's calls and events. It knows nothing of chats.
//
// It is downloaded by every visitor, so it links neither fmt nor reflection;
// `make size` watches over that.
package main

import "syscall/js"

// build is the stamp of this build, set by build.sh. The shim carries the same and
// refuses any other.
var build = "unstamped"

func main() {
	shim := js.Global().Get("shim")
	bound = shim.Get("bound")
	b := newBridge(shim.Get("deliver"))
	shim.Get("started").Invoke(build, b.command)
	select {} // the js.Funcs live as long as the page
}
