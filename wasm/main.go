//go:build js && wasm

// Command wasm is the door between the core (package sdk) and the page: it gives the
// core the browser's fetch, WebSocket and sessionStorage, and the porch
// (js/avaya-ccaas-chat-sdk.js) the core's calls and events. It knows nothing of chats.
//
// It is downloaded by every visitor, so it links neither fmt nor reflection;
// `make size` watches over that.
package main

import "syscall/js"

// build is the stamp of this build, set by build.sh. The porch carries the same and
// refuses any other.
var build = "unstamped"

func main() {
	porch := js.Global().Get("porch")
	bound = porch.Get("bound")
	b := newBridge(porch.Get("deliver"))
	porch.Get("started").Invoke(build, b.command)
	select {} // the js.Funcs live as long as the page
}
