package js_test

import (
	"math"
	"strconv"
	"testing"
)

// heap is what the page holds after a garbage collection, in bytes.
func (b *tab) heap() float64 {
	b.t.Helper()
	used, err := b.Heap()
	if err != nil {
		b.t.Fatal(err)
	}
	return used
}

// SHUT-2 in small: rounds of init, chat and shutdown leave nothing.
func TestRoundsStayFlat(t *testing.T) {
	s := newSite(t)
	s.gateway.ForgetChats = true
	b := s.open(t, good)
	// The wasm's memory never shrinks, so its size is the most that was ever needed.
	b.run(`const grow = WebAssembly.instantiate; WebAssembly.instantiate = async (...a) => { const i = await grow(...a); window.mem = i.exports.mem; return i; };
		sdk.on("INITIALIZED", (u) => window.user = u)`)
	rounds := func(n int) {
		b.run(`for (let i = 0; i < ` + strconv.Itoa(n) + `; i++) {
			await sdk.init(params); await sdk.getEngagements(); const e = await sdk.createEngagement(); await e.sendMessage("x"); await sdk.shutdown(); }`)
	}
	size := func() (n int) {
		n, _ = strconv.Atoi(b.run(`return mem.buffer.byteLength`))
		return n
	}
	// Tables grow by steps, the collector has a pace of its own, and a busy machine goes on
	// compiling for a while, so a stretch may cost something. What each round leaves
	// shows in every stretch.
	const stretch, most = 80, 8
	least, leastMemory := math.Inf(1), 1<<30
	rounds(stretch)
	before, memory := b.heap(), size()
	for range most {
		rounds(stretch)
		after, grown := b.heap(), size()
		t.Logf("%d rounds: %+.0f KB in JavaScript, %+d KB of wasm memory", stretch, (after-before)/1024, (grown-memory)>>10)
		least, leastMemory = min(least, after-before), min(leastMemory, grown-memory)
		before, memory = after, grown
		if least <= stretch*300 && leastMemory <= stretch*4000 {
			return
		}
	}
	if least > stretch*300 {
		t.Errorf("each round leaves %.0f bytes in JavaScript", least/stretch)
	}
	if leastMemory > stretch*4000 { // less than a goroutine
		t.Errorf("each round leaves %d bytes of wasm memory", leastMemory/stretch)
	}
}
