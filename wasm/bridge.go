//go:build js && wasm

package main

import (
	"runtime"
	"syscall/js"

	"openchat/sdk"
	"openchat/sdk/wire"
)

// maxOut is how many bytes for the shim are collected before they are delivered.
const maxOut = 32 << 10

// bridge is this side of the contract. Goroutines of a wasm take turns only where they
// block, so out and full need no lock.
type bridge struct {
	client  *sdk.Core
	deliver js.Value
	command js.Func
	out     []byte        // the list that is to be delivered next, without its end
	item    wire.Encoder  // of out and the item that is being appended
	full    bool          // the shim has no room
	drained chan struct{} // holds a token when full may have changed
}

func newBridge(deliver js.Value) *bridge {
	b := &bridge{deliver: deliver, drained: make(chan struct{}, 1)}
	b.client = sdk.NewCore(sdk.Options{
		Transport: transport{},
		Storage:   storage{},
		Deliver:   b.event,
		Delivered: b.flush,
		Log:       b.log,
		Random:    random,
	})
	b.command = js.FuncOf(func(_ js.Value, args []js.Value) any {
		err := b.guarded(func() error { return b.run(arguments(args)) })
		b.flush() // what was refused is settled already
		if err == nil {
			return nil
		}
		var w wire.Encoder
		f := failureOf(err)
		encodeFailure(&f, &w)
		return string(w.B)
	})
	return b
}

// guarded turns a panic of f into an error, so that a mistake here costs one call and
// not the page's chat.
func (b *bridge) guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = b.panicked(r)
		}
	}()
	return f()
}

func (b *bridge) panicked(r any) error {
	err := &sdk.Error{Code: sdk.CodeInitFailed, Message: "Unexpected error in the SDK", Cause: panicError(panicText(r))}
	b.log(sdk.LogError, err.Error()+": "+err.Cause.Error()+"\n"+traceback())
	return err
}

// traceback is the stack of the goroutine. js/pack -trace puts names and lines into that of a
// shipped build.
func traceback() string {
	stack := make([]byte, 4096)
	return string(stack[:runtime.Stack(stack, false)])
}

type panicError string

func (e panicError) Error() string { return string(e) }

func panicText(r any) string {
	switch r := r.(type) {
	case error:
		return r.Error()
	case string:
		return r
	}
	return "panic"
}

// add appends one item, which encode appends, to the list that is to be delivered. An
// encode that panics leaves the list as it was.
func (b *bridge) add(encode func(w *wire.Encoder)) {
	separator := byte(',')
	if len(b.out) == 0 {
		separator = '['
	}
	b.item.B = append(b.out, separator)
	encode(&b.item)
	b.out = b.item.B
	if len(b.out) > maxOut {
		b.flush()
	}
}

// flush delivers the list.
func (b *bridge) flush() {
	if len(b.out) == 0 {
		return
	}
	list := string(append(b.out, ']'))
	b.out = b.out[:0]
	// The shim's deliver does not throw; if it did, the list is lost and Go goes on.
	defer func() { _ = recover() }()
	if !b.deliver.Invoke(list).Bool() {
		b.full = true
	}
}

// event is the core's Deliver. Waiting here is what keeps the shim's queue bounded:
// the core then stops reading the stream.
func (b *bridge) event(e sdk.Event) {
	for b.full {
		<-b.drained
	}
	b.add(func(w *wire.Encoder) { encodeRaised(&raised{e.Type, &e, e.Changed}, w) })
}

func (b *bridge) log(level sdk.LogLevel, line string) {
	b.add(func(w *wire.Encoder) { encodeLogLine(&logLine{level, line}, w) })
	b.flush()
}

// settle returns the callback that settles call id; encode writes the value with which it
// is settled, nil for nothing.
func settle[T any](b *bridge, id int, encode func(v *T, w *wire.Encoder)) func(T, error) {
	return func(v T, err error) {
		item := settlement{ID: id}
		if encode != nil {
			item.Value = func(w *wire.Encoder) { encode(&v, w) }
		}
		b.settle(&item, err)
	}
}

// settle adds an item that settles a call, with its value or with err.
func (b *bridge) settle(item *settlement, err error) {
	if err != nil {
		f := failureOf(err)
		item.Value, item.Error = nil, &f
	}
	b.add(func(w *wire.Encoder) { encodeSettlement(item, w) })
}

// run performs one command. Its error is for what the core cannot answer by itself.
func (b *bridge) run(a arguments) error {
	op, id := a.str(0), a.integer(1)
	c := b.client
	switch op {
	case "init":
		p, config, unknown, err := sdk.DecodeInit(a.str(2), a.str(3))
		for _, line := range unknown {
			c.Mistake(line)
		}
		if err != nil {
			return err
		}
		c.Init(p, config, settle(b, id, encodeUserContext))
	case "shutdown":
		reason, err := a.optional(2, "reason")
		if err != nil {
			return err
		}
		done := settle[struct{}](b, id, nil)
		c.Shutdown(wire.Reason(reason), func(err error) { done(struct{}{}, err) })
	case "createEngagement":
		m, err := sdk.DecodeParameters("engagementParameters", a.str(2))
		if err != nil {
			return err
		}
		c.CreateEngagement(m, settle(b, id, encodeEngagement))
	case "getEngagements":
		c.Engagements(settle(b, id, encodeEngagements))
	case "getEngagementById":
		found, none := settle(b, id, encodeEngagement), settle[struct{}](b, id, nil)
		c.EngagementByID(a.str(2), func(e sdk.Engagement, ok bool, err error) {
			if ok && err == nil {
				found(e, nil)
			} else {
				none(struct{}{}, err)
			}
		})
	case "join":
		c.Join(a.str(2), settle(b, id, encodeEngagement))
	case "disconnect":
		reason, err := a.optional(3, "reason")
		if err != nil {
			return err
		}
		c.Disconnect(a.str(2), wire.Reason(reason), settle(b, id, encodeEngagement))
	case "sendMessage":
		if a.at(3).Type() != js.TypeString {
			return constraint("text must be a string")
		}
		parent, err := a.optional(4, "parentMessageId")
		if err != nil {
			return err
		}
		c.SendMessage(a.str(2), a.str(3), parent, settle(b, id, encodeMessage))
	case "getMessages":
		c.Messages(a.str(2), a.pageSize(3), int64(a.integer(4)), settle(b, id, encodePage))
	case "turn":
		cursor, err := parseCursor(a.str(2))
		if err != nil {
			return err
		}
		to := sdk.Older
		if a.str(3) == "newer" {
			to = sdk.Newer
		}
		c.Turn(cursor, to, settle(b, id, encodePage))
	case "setJwtToken":
		return c.SetJWTToken(a.str(2))
	case "resetIdleTimeout":
		return c.ResetIdleTimeout()
	case "retryConnection":
		return c.RetryConnection()
	case "setLogLevel":
		return c.SetLogLevel(sdk.LogLevel(a.str(2)))
	case "wake":
		switch a.str(2) {
		case "online":
			c.Wake(sdk.WakeOnline)
		case "offline":
			c.Wake(sdk.WakeOffline)
		case "away":
			c.Wake(sdk.WakeAway)
		default:
			c.Wake(sdk.WakeVisible)
		}
	case "drained":
		b.full = false
		select {
		case b.drained <- struct{}{}:
		default:
		}
	default:
		return &sdk.Error{Code: sdk.CodeInitFailed, Message: "Unknown command " + op}
	}
	return nil
}

// constraint is the error for an argument of the wrong type, which the core's typed
// calls cannot see.
func constraint(what string) error {
	return &sdk.Error{Code: sdk.CodeConstraintViolation, Message: "Constraint Violation Error - " + what}
}

// arguments are those of command; reading beyond them gives undefined.
type arguments []js.Value

func (a arguments) at(i int) js.Value {
	if i < len(a) {
		return a[i]
	}
	return js.Undefined()
}

// str returns argument i, "" if it is not a string.
func (a arguments) str(i int) string {
	if v := a.at(i); v.Type() == js.TypeString {
		return v.String()
	}
	return ""
}

// optional returns argument i, "" if it is absent, which is undefined or null. An empty
// string is not absent: like whatever else is no string, it is an error.
func (a arguments) optional(i int, name string) (string, error) {
	v := a.at(i)
	switch v.Type() {
	case js.TypeString:
		if s := v.String(); s != "" {
			return s, nil
		}
		return "", constraint(name + " must not be empty")
	case js.TypeUndefined, js.TypeNull:
		return "", nil
	}
	return "", constraint(name + " must be a string")
}

// integer returns argument i, 0 if it is not an integer of 32 bits.
func (a arguments) integer(i int) int {
	v := a.at(i)
	if v.Type() != js.TypeNumber {
		return 0
	}
	f := v.Float()
	if n := int32(f); float64(n) == f {
		return int(n)
	}
	return 0
}

// pageSize returns argument i, the default if it is absent, and 0, which the core
// warns of, for anything that is no size.
func (a arguments) pageSize(i int) int {
	if a.at(i).IsUndefined() {
		return wire.DefaultPageSize
	}
	return a.integer(i)
}
