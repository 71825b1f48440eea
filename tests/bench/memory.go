package main

import (
	"context"
	"fmt"
)

const (
	memoryMessages = 10_000
	memoryBatch    = 100 // that arrive at once
	memoryPageSize = 50
)

func measureMemory(ctx context.Context, o options) (r report, err error) {
	s, browser, end, err := openSite(ctx)
	if err != nil {
		return r, err
	}
	defer end()
	all := series{}
	for run := range o.runs {
		if err := measurePage(browser, s, all); err != nil {
			return r, err
		}
		fmt.Fprintf(o.log, "run %d: %.2f MB of wasm memory at the end\n", run+1, last(all["wasm paged"]))
	}
	row := func(name, key string) []string {
		return []string{name, fmt.Sprintf("%.2f", all.median("wasm "+key)), fmt.Sprintf("%.2f", all.median("heap "+key))}
	}
	count := fmt.Sprintf("%d messages", memoryMessages)
	r.tables = []table{{
		title: "Memory of a page, MB",
		head:  []string{"", "wasm", "JavaScript"},
		rows:  [][]string{row("in a chat", "ready"), row("after "+count, "received"), row("after paging "+count+" of history", "paged")},
		notes: []string{fmt.Sprintf("JavaScript: the heap after a garbage collection, less that of the same page without the SDK. The wasm's memory never shrinks. Messages arrive %d at a time; "+
			"pages are of %d. The page keeps none.", memoryBatch, memoryPageSize)},
	}}
	ready := all.median("wasm ready")
	r.goals = []goal{
		{what: "wasm memory when ready", unit: "MB", value: ready, must: 4, aim: 3.2},
		{what: "wasm memory after " + count + " (aim: as when ready)", unit: "MB", value: all.median("wasm received"), must: 6, aim: ready},
	}
	return r, nil
}

// measurePage takes one page through a long chat.
func measurePage(browser context.Context, s *site, all series) error {
	empty, err := openTab(browser, s.url+"/pages/bare.html", true)
	if err != nil {
		return err
	}
	floor, err := empty.Heap()
	empty.Close()
	if err != nil {
		return err
	}
	t, c, l, err := s.openChat(browser, sdkPage, "ours")
	if err != nil {
		return err
	}
	defer t.Close()
	note := func(name string) error {
		heap, err := t.Heap()
		if err != nil {
			return err
		}
		var wasm float64
		if err := t.Eval(&wasm, "bench.memory.buffer.byteLength"); err != nil {
			return err
		}
		const mb = 1 << 20
		all.add("heap "+name, (heap-floor)/mb)
		all.add("wasm "+name, wasm/mb)
		return nil
	}
	if err := note("ready"); err != nil {
		return err
	}
	for range memoryMessages / memoryBatch {
		if err := t.Eval(nil, "bench.expect(%s)", memoryBatch); err != nil {
			return err
		}
		if err := l.blast(c.frames(l, memoryBatch)); err != nil {
			return err
		}
		if err := t.Eval(nil, "bench.received().then(() => null)"); err != nil {
			return err
		}
	}
	if err := note("received"); err != nil {
		return err
	}
	var read int
	if err := t.Eval(&read, "bench.history(%s, %s)", memoryMessages, memoryPageSize); err != nil {
		return err
	}
	if read != memoryMessages {
		return fmt.Errorf("%d messages were in the history, not %d", read, memoryMessages)
	}
	return note("paged")
}
