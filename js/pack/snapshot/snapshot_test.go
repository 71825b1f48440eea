package snapshot

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"openchat/js/pack/wasmfile"
)

// build makes a wasm of a program whose main has this body.
func build(t *testing.T, body string) []byte {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"main.go": "package main\n\nimport (\"os\"; \"syscall/js\"; \"time\")\n\nvar _, _ = os.Args, time.Second\n\n" +
			"var global = js.Global()\n\nfunc main() {\n" + body + "\n}\n",
		"go.mod": "module example\n\ngo 1.26\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -buildid=", "-o", "out.wasm", ".")
	c.Dir = dir
	c.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "GOFLAGS=", "GOWORK=off")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wasm, err := os.ReadFile(filepath.Join(dir, "out.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// newGlobal has what syscall and syscall/js look at when they are initialized, and tell, which
// notes its arguments.
func newGlobal(received *[]any) *Object {
	constants := map[string]any{}
	for _, name := range []string{"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND", "O_EXCL", "O_DIRECTORY"} {
		constants[name] = -1.0
	}
	return &Object{map[string]any{
		"Object": &Function{}, "Array": &Function{}, "Uint8Array": &Function{}, "process": nil, "path": nil,
		"fs":   &Object{map[string]any{"constants": &Object{constants}}},
		"tell": &Function{func(args []any) { *received = append(*received, args...) }},
		"mute": &Function{},
	}}
}

func TestTake(t *testing.T) {
	wasm := build(t, `
		f := js.FuncOf(func(js.Value, []js.Value) any { return nil })
		global.Get("tell").Invoke("GOGC is "+os.Getenv("GOGC"), 2.5, true, f)
		select {}`)
	var received []any
	s, err := Take(wasm, Go+".1", newGlobal(&received), map[string]string{"GOGC": "50"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []any{"GOGC is 50", 2.5, true, &Wrapper{1}}; !reflect.DeepEqual(received, want) {
		t.Errorf("the page received %v", received)
	}
	paths := map[string]bool{}
	texts, wrappers := "", 0
	for _, v := range s.Values {
		if v.References < 1 {
			t.Errorf("%v is held without a reference", v)
		}
		switch {
		case v.Wrapper != 0:
			wrappers++
		case v.Path != nil:
			paths[strings.Join(v.Path, ".")] = true
		default:
			texts += v.Text
		}
	}
	if !paths["Object"] || !paths["fs.constants"] || !paths["tell"] || paths["mute"] || wrappers != 1 || texts != "GOGC is 50" {
		t.Errorf("Go holds %v", s.Values)
	}
	before, err := wasmfile.Parse(wasm)
	if err != nil {
		t.Fatal(err)
	}
	after, err := wasmfile.Parse(s.Wasm)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(before.Section(wasmfile.Export), []byte("run")) || bytes.Contains(after.Section(wasmfile.Export), []byte("run")) ||
		bytes.Contains(after.Section(wasmfile.Export), []byte("snapshot")) {
		t.Errorf("the snapshot exports %q", after.Section(wasmfile.Export))
	}
	// The image is that of a program that runs: the stack pointer and the goroutine are set.
	registers, err := after.Globals()
	if err != nil || registers[0].Value == 0 || registers[2].Value == 0 {
		t.Errorf("the globals are %v, error %v", registers, err)
	}
	if !bytes.Equal(before.Section(wasmfile.Code), after.Section(wasmfile.Code)) {
		t.Error("the code has changed")
	}
	var again []any
	if s2, err := Take(wasm, Go+".1", newGlobal(&again), map[string]string{"GOGC": "50"}); err != nil || !bytes.Equal(s.Wasm, s2.Wasm) {
		t.Errorf("a second snapshot differs, error %v", err)
	}
}

// What a page would have to be asked ends the snapshot, and says what it is.
func TestUnsupported(t *testing.T) {
	for want, body := range map[string]string{
		"the member fetch of the global": `global.Get("fetch"); select {}`,
		"it calls mute":                  `global.Get("mute").Invoke(); select {}`,
		"scheduleTimeoutEvent":           `time.Sleep(time.Second); select {}`,
		"ends with code 0":               ``,
		"it writes":                      `println("words"); select {}`,
	} {
		var received []any
		_, err := Take(build(t, body), Go, newGlobal(&received), nil)
		if !errors.As(err, new(*wasmfile.Unsupported)) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", body, err, want)
		}
	}
	for _, version := range []string{"go1.25.9", "go1.27", "devel go1.27-abc"} {
		if _, err := Take(nil, version, newGlobal(nil), nil); !errors.As(err, new(*wasmfile.Unsupported)) || !strings.Contains(err.Error(), Go) {
			t.Errorf("%s: %v", version, err)
		}
	}
	if _, err := Take([]byte("<!doctype html>"), Go, newGlobal(nil), nil); err == nil || errors.As(err, new(*wasmfile.Unsupported)) {
		t.Errorf("no wasm: %v", err)
	}
}
