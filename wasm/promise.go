//go:build js && wasm

package main

import (
	"context"
	"sync"
	"syscall/js"
)

// jsError is a JavaScript exception or rejection, read at once: it keeps no JavaScript
// value alive.
type jsError struct{ name, message string }

func (e *jsError) Error() string {
	if e.name == "" {
		return e.message
	}
	return e.name + ": " + e.message
}

// errorOf reads what was thrown, which may be anything.
func errorOf(v js.Value) error {
	if v.Type() != js.TypeObject {
		return &jsError{message: v.String()}
	}
	text := func(member string) string {
		if m := v.Get(member); m.Type() == js.TypeString {
			return m.String()
		}
		return ""
	}
	return &jsError{name: text("name"), message: text("message")}
}

// catch, deferred, turns a JavaScript exception into *err. syscall/js panics with
// those that come out of Call, Invoke and New; an exception in Get or Set would end
// the program, so what may throw there is reached through Reflect (see storage).
func catch(err *error) {
	switch r := recover().(type) {
	case nil:
	case js.Error:
		*err = errorOf(r.Value)
	case *js.ValueError: // a value is not what the browser's API says
		*err = r
	default:
		panic(r)
	}
}

// promises are those that await waits for, by a number which is bound to the two
// process-long callbacks: a js.Func a promise would have to be freed by hand, also
// when the promise never settles.
var promises struct {
	sync.Mutex
	last    int
	waiting map[int]chan<- outcome
}

type outcome struct {
	value    js.Value
	rejected bool
}

var (
	onFulfilled = callback(func(_ js.Value, args []js.Value) any { return settlePromise(args, false) })
	onRejected  = callback(func(_ js.Value, args []js.Value) any { return settlePromise(args, true) })
)

// callback returns a process-long js.Func. It is made at its first use, which comes
// later than the start, for which the page waits. Goroutines of a wasm take turns only
// where they block, so there is nothing to lock; sync.OnceValue would be 2 KB.
func callback(f func(this js.Value, args []js.Value) any) func() js.Func {
	var made js.Func
	return func() js.Func {
		if made.IsUndefined() {
			made = js.FuncOf(f)
		}
		return made
	}
}

// bound is the shim's function that makes a JavaScript function of one argument out of a
// process-long callback: it calls the callback with a number and that argument. It stands for
// Function.prototype.bind, which pages replace. main sets it before anything calls back.
var bound js.Value

// settlePromise is an entry into Go without a recover, because nothing in it can panic:
// the browser calls it with the bound number and what the promise settled with.
func settlePromise(args []js.Value, rejected bool) any {
	id := args[0].Int()
	promises.Lock()
	c := promises.waiting[id]
	promises.Unlock()
	if c != nil { // nil: its context had ended
		c <- outcome{args[1], rejected} // has room for the one
	}
	return nil
}

// await returns what the promise settles with, or ctx's error when that ends first.
func await(ctx context.Context, promise js.Value) (v js.Value, err error) {
	c := make(chan outcome, 1)
	promises.Lock()
	promises.last++
	id := promises.last
	if promises.waiting == nil {
		promises.waiting = map[int]chan<- outcome{}
	}
	promises.waiting[id] = c
	promises.Unlock()
	defer func() {
		promises.Lock()
		delete(promises.waiting, id)
		promises.Unlock()
	}()

	promise.Call("then", bound.Invoke(onFulfilled(), id), bound.Invoke(onRejected(), id))
	select {
	case o := <-c:
		if o.rejected {
			return js.Undefined(), errorOf(o.value)
		}
		return o.value, nil
	case <-ctx.Done():
		return js.Undefined(), ctx.Err()
	}
}
