//go:build js && wasm

package main

import (
	"runtime"
	"syscall/js"
	"testing"
)

// What no page can see from outside: goroutines. The core talks to sdktest's platform,
// by the browser's own fetch and WebSocket.
func TestSHUT2RoundsLeaveNoGoroutine(t *testing.T) {
	p := newTestShim(t)
	answer, err := do(t, testContext(t), "GET", "/params?customer=rounds", "")
	if err != nil {
		t.Fatal(err)
	}
	id := 0
	call := func(op string, args ...any) js.Value {
		t.Helper()
		id++
		if refused := p.command(t, op, append([]any{id}, args...)...); !refused.IsNull() {
			t.Fatalf("%s: %s", op, stringify(t, refused))
		}
		for {
			item := p.next(t)
			if s := item.Get("settle"); s.Truthy() && s.Int() == id {
				if e := item.Get("error"); e.Truthy() {
					t.Fatalf("%s: %s", op, e.Get("message"))
				}
				return item.Get("value")
			}
		}
	}
	chat := ""
	round := func() {
		t.Helper()
		call("init", string(answer.Body), `{"logLevel":"OFF"}`)
		if chat == "" {
			chat = call("createEngagement").Get("engagementId").String()
		} else {
			call("join", chat)
		}
		// The event that makes the chat this session's may come after the answer.
		for {
			if e := call("getEngagementById", chat); e.Get("engagementStatus").String() == "ACTIVE" {
				break
			}
			// Between two looks the browser gets its turn, without which no event comes.
			if _, err := do(t, testContext(t), "GET", "/status/204", ""); err != nil {
				t.Fatal(err)
			}
		}
		call("sendMessage", chat, "a round", js.Undefined())
		call("getMessages", chat, js.Undefined())
		call("shutdown", js.Undefined())
	}
	// Goroutines that are to end do so when they are next run, at the latest when the
	// browser has reported the end of their connection.
	settled := func(want int) (n int) {
		ctx := testContext(t)
		for n = runtime.NumGoroutine(); n > want && ctx.Err() == nil; n = runtime.NumGoroutine() {
			if _, err := do(t, ctx, "GET", "/status/204", ""); err != nil {
				t.Fatal(err)
			}
		}
		return n
	}
	before := runtime.NumGoroutine()
	for range 3 {
		round()
	}
	first := settled(before)
	for range 30 {
		round()
	}
	last := settled(first)
	t.Logf("%d goroutines before the first round, %d after 3, %d after 33", before, first, last)
	if last > before {
		t.Errorf("SHUT-2: 33 rounds leave %d goroutines", last-before)
	}
	if len(sockets.live) != 0 || len(promises.waiting) != 0 {
		t.Errorf("SHUT-2: %d sockets and %d promises are left", len(sockets.live), len(promises.waiting))
	}
}
