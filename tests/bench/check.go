package main

import (
	"context"
	"encoding/json"
	"fmt"
)

// bounds are of figures that do not depend on the machine: 2 % above what was measured, or more
// where it says how far a figure varies. A change that exceeds one has made every page, event
// or message dearer; one that gets far below it lowers it. The gateway's are in
// web/gateway/cost_test.go.
var bounds = []struct {
	name string
	most float64
}{
	{"script, brotli, KB", mostScript / kb},
	{"wasm, brotli, KB", mostWasm / kb},
	{"wasm, raw, KB", mostRaw / kb},
	{"functions compiled before the first request", 431},
	{"allocations an event", 5.25},
	{"allocations a message sent", 31.6},
	{"crossings an event that comes alone", 47.6},         // two of three are the runtime's looks at the clock
	{"crossings an event among many", 3},                  // 1 to 2, by how many events come at once
	{"crossings a message sent, its event included", 205}, // 187 to 196, by what comes together; its answer is read also where its event was first
	{"times that a frame is parsed by JavaScript", 0},
	{"texts that JavaScript parses an event that comes alone", 1.02}, // the core's word of it
	{"texts that JavaScript parses an event among many", 0.06},
}

const (
	checkAlone = 200
	checkMany  = 5_000
	checkSends = 100
	checkRate  = 200 // a second: each comes in a task of its own
)

// measureCheck measures what bounds has.
func measureCheck(ctx context.Context, o options) (r report, err error) {
	sizes, err := sdkSizes()
	if err != nil {
		return r, err
	}
	found := map[string]float64{
		"script, brotli, KB": float64(sizes[sdkScript+".br"]) / kb,
		"wasm, brotli, KB":   float64(sizes[sdkWasm+".br"]) / kb,
		"wasm, raw, KB":      float64(sizes[sdkWasm]) / kb,
	}
	// Before there is a browser, whose driver allocates, too.
	event, send, err := measureAllocs()
	if err != nil {
		return r, err
	}
	found["allocations an event"], found["allocations a message sent"] = event, send
	if err := countInPage(ctx, found); err != nil {
		return r, err
	}
	for _, b := range bounds {
		value, ok := found[b.name]
		if !ok {
			return r, fmt.Errorf("%s: not measured", b.name)
		}
		r.goals = append(r.goals, goal{what: b.name, value: value, must: b.most, aim: b.most})
	}
	return r, nil
}

// tally is what pages/check.js counts.
type tally struct{ Crossings, Parses, FramesParsed, Frames float64 }

// countInPage measures what only a page shows.
func countInPage(ctx context.Context, found map[string]float64) error {
	s, browser, end, err := openSite(ctx)
	if err != nil {
		return err
	}
	defer end()
	if found["functions compiled before the first request"], _, err = s.compiled(browser, s.ours("ours", "/sdk/"+sdkScript)); err != nil {
		return err
	}
	t, c, l, err := s.openChat(browser, "check.html", "ours")
	if err != nil {
		return err
	}
	defer t.Close()
	ctx, cancel := bounded(t.Context)
	defer cancel()
	// What a chat begins with comes after its promise: ready, ACTIVE and two participants.
	if err := t.Eval(nil, "framesCounted(4)"); err != nil {
		return err
	}
	count := func(n int, send func(frames [][]byte) error) (k tally, err error) {
		var before json.RawMessage
		if err := t.Eval(&before, "({ ...counted })"); err != nil {
			return k, err
		}
		if err := t.Eval(nil, "bench.expect(%s)", n); err != nil {
			return k, err
		}
		if err := send(c.frames(l, n)); err != nil {
			return k, err
		}
		err = t.Eval(&k, "bench.received().then(() => countedSince(%s))", before)
		if err == nil && k.Frames != float64(n) {
			err = fmt.Errorf("%v frames were counted, not %d", k.Frames, n)
		}
		return k, err
	}
	alone, err := count(checkAlone, func(frames [][]byte) error {
		_, err := l.pace(ctx, frames, checkRate)
		return err
	})
	if err != nil {
		return err
	}
	many, err := count(checkMany, l.blast)
	if err != nil {
		return err
	}
	var sends tally
	if err := t.Eval(&sends, "countSends(%s)", checkSends); err != nil {
		return err
	}
	found["crossings an event that comes alone"] = alone.Crossings / checkAlone
	found["crossings an event among many"] = many.Crossings / checkMany
	found["crossings a message sent, its event included"] = sends.Crossings / checkSends
	found["times that a frame is parsed by JavaScript"] = (alone.FramesParsed + many.FramesParsed) / (checkAlone + checkMany)
	found["texts that JavaScript parses an event that comes alone"] = alone.Parses / checkAlone
	found["texts that JavaScript parses an event among many"] = many.Parses / checkMany
	return nil
}
