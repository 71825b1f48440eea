//go:build js && wasm

package main

import (
	"encoding/binary"
	"syscall/js"
)

// entropy is what the browser's generator has given and nobody has drawn yet. Goroutines of a
// wasm take turns only where they block, and random never blocks, so it needs no lock.
var entropy struct {
	bytes [256]byte // 32 draws for one crossing
	left  int       // of bytes, from the beginning: not drawn yet
}

// random is the core's Options.Random: session keys, message keys and jitter come from the
// browser's crypto.getRandomValues. The runtime's own generator is part of the start state that
// every page has in common (js/pack/snapshot), so nothing here may draw from it.
func random() uint64 {
	if entropy.left == 0 {
		drawn := js.Global().Get("Uint8Array").New(len(entropy.bytes))
		js.Global().Get("crypto").Call("getRandomValues", drawn)
		entropy.left = js.CopyBytesToGo(entropy.bytes[:], drawn)
	}
	entropy.left -= 8
	word := entropy.bytes[entropy.left:][:8]
	v := binary.LittleEndian.Uint64(word)
	clear(word) // a memory that is looked at later does not hold the keys
	return v
}
