//go:build js && wasm

package main

import (
	"encoding/binary"
	"testing"

	"github.com/hack-pad/safejs"
)

// What the core draws is what crypto.getRandomValues has given, each word once.
func TestRandomIsTheBrowsers(t *testing.T) {
	page := must[safejs.Value](t)
	crypto := page(safejs.Global().Get("crypto"))
	restore := func() { // the prototype's is there again
		if err := crypto.Delete("getRandomValues"); err != nil {
			t.Error(err)
		}
	}
	given := map[uint64]bool{}
	instead, err := safejs.FuncOf(func(_ safejs.Value, args []safejs.Value) any {
		restore()
		if _, err := crypto.Call("getRandomValues", args[0]); err != nil {
			t.Error(err)
		}
		b := make([]byte, len(entropy.bytes))
		if n, err := safejs.CopyBytesToGo(b, args[0]); err != nil || n != len(b) {
			t.Errorf("%d bytes are asked for, want %d: %v", n, len(b), err)
		}
		for ; len(b) > 0; b = b[8:] {
			given[binary.LittleEndian.Uint64(b)] = true
		}
		return args[0]
	})
	if err != nil {
		t.Fatal(err)
	}
	defer instead.Release()
	for entropy.left > 0 {
		random()
	}
	if err := crypto.Set("getRandomValues", instead); err != nil {
		t.Fatal(err)
	}
	defer restore()
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
