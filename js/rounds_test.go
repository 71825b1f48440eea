package js_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// heap is what the page holds after a garbage collection, in bytes.
func (b *tab) heap() (used float64) {
	b.t.Helper()
	err := chromedp.Run(b.ctx, chromedp.ActionFunc(func(ctx context.Context) (err error) {
		for range 2 { // finalizers of the first free what the second collects
			if err = heapprofiler.CollectGarbage().Do(ctx); err != nil {
				return err
			}
		}
		used, _, _, _, err = runtime.GetHeapUsage().Do(ctx)
		return err
	}))
	if err != nil {
		b.t.Fatal(err)
	}
	return used
}

// SHUT-2 in small: rounds of init, chat and shutdown leave nothing.
func TestRoundsStayFlat(t *testing.T) {
	s := newSite(t)
	s.gateway.forgetful = true
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
	rounds(50)
	before, memory := b.heap(), size()
	rounds(200)
	after, grown := b.heap(), size()
	t.Logf("JavaScript heap %.0f KB, then %.0f KB; wasm memory %d KB, then %d KB", before/1024, after/1024, memory>>10, grown>>10)
	if after > before+100<<10 {
		t.Errorf("200 rounds left %.0f KB in JavaScript", (after-before)/1024)
	}
	// A goroutine that each round left would take 200 times 10 KB; the collector's own pace
	// takes less than one MB.
	if grown > memory+3<<19 {
		t.Errorf("200 rounds took %d KB of wasm memory", (grown-memory)>>10)
	}
}
