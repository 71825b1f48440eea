//go:build js && wasm

package main

import (
	"encoding/binary"
	"syscall/js"
	"testing"
)

// What the core draws is what crypto.getRandomValues has given, each word once.
func TestRandomIsTheBrowsers(t *testing.T) {
	crypto := js.Global().Get("crypto")
	given := map[uint64]bool{}
	instead := js.FuncOf(func(_ js.Value, args []js.Value) any {
		crypto.Delete("getRandomValues") // the prototype's is there again
		crypto.Call("getRandomValues", args[0])
		b := make([]byte, args[0].Length())
		js.CopyBytesToGo(b, args[0])
		for ; len(b) > 0; b = b[8:] {
			given[binary.LittleEndian.Uint64(b)] = true
		}
		return args[0]
	})
	defer instead.Release()
	for entropy.left > 0 {
		random()
	}
	crypto.Set("getRandomValues", instead)
	defer crypto.Delete("getRandomValues")
	draws := len(entropy.bytes) / 8
	for i := range draws {
		v := random()
		if !given[v] {
			t.Fatalf("draw %d is not what the browser has given, or came before", i)
		}
		delete(given, v)
	}
	if len(given) != 0 || draws < 2 {
		t.Errorf("%d words of %d draws were never drawn", len(given), draws)
	}
}
