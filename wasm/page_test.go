//go:build js && wasm

package main

import (
	"syscall/js"
	"testing"

	"github.com/hack-pad/safejs"
)

// Tests reach the page through safejs, so that what the page refuses fails the test
// instead of panicking (tests/meta/imports_test.go). These helpers change it.

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// newFunction makes a function of JavaScript out of the names of its parameters and its body.
func newFunction(parametersAndBody ...any) (safejs.Value, error) {
	constructor, err := safejs.Global().Get("Function")
	if err != nil {
		return safejs.Value{}, err
	}
	return constructor.New(parametersAndBody...)
}

// function is newFunction for a test, which ends when that fails.
func function(t *testing.T, parametersAndBody ...any) safejs.Value {
	t.Helper()
	return must[safejs.Value](t)(newFunction(parametersAndBody...))
}

// replaceGlobal gives a global of the page another value until the test has ended. An
// undefined one deletes it.
func replaceGlobal(t *testing.T, name string, value safejs.Value) {
	t.Helper()
	page := safejs.Global()
	before := must[safejs.Value](t)(page.Get(name))
	t.Cleanup(func() {
		if err := page.Set(name, before); err != nil {
			t.Error(err)
		}
	})
	var err error
	if value.IsUndefined() {
		err = page.Delete(name)
	} else {
		err = page.Set(name, value)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// replaceStorage lets the page's sessionStorage be what the body of a getter returns, or throw
// what that throws, until the test has ended.
func replaceStorage(t *testing.T, body string) {
	t.Helper()
	get := must[safejs.Value](t)
	page := safejs.Global()
	self, object := get(page.Get("self")), get(page.Get("Object"))
	before := get(object.Call("getOwnPropertyDescriptor", self, "sessionStorage"))
	after := get(object.New())
	for name, value := range map[string]any{"configurable": true, "get": function(t, body)} {
		if err := after.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	get(object.Call("defineProperty", self, "sessionStorage", after))
	t.Cleanup(func() {
		if _, err := object.Call("defineProperty", self, "sessionStorage", before); err != nil {
			t.Error(err)
		}
	})
}

// parse reads JSON as the page does.
func parse(t *testing.T, text string) js.Value {
	t.Helper()
	json := must[safejs.Value](t)(safejs.Global().Get("JSON"))
	return safejs.Unsafe(must[safejs.Value](t)(json.Call("parse", text)))
}

// stringify writes JSON as the page does.
func stringify(t *testing.T, v js.Value) string {
	t.Helper()
	json := must[safejs.Value](t)(safejs.Global().Get("JSON"))
	text := must[safejs.Value](t)(json.Call("stringify", safejs.Safe(v)))
	if text.IsUndefined() {
		return "undefined"
	}
	return must[string](t)(text.String())
}
