package strip

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"openchat/js/pack/wasmfile"
)

// program panics where a traceback has an inlined call, a method and a closure.
const program = `package main

import "errors"

type T struct{ n int }

//go:noinline
func (t *T) outer() { func() { inlined(t) }() }

func inlined(t *T) {
	if t.n > 0 {
		panic(errors.New("why")) // here
	}
}

func main() { (&T{1}).outer() }
`

// built is the program as a wasm, built as the SDK's is.
var built = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "strip")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	for name, content := range map[string]string{"main.go": program, "go.mod": "module example\n\ngo 1.26\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return nil, err
		}
	}
	c := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -buildid=", "-o", "out.wasm", ".")
	c.Dir = dir
	c.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "GOFLAGS=", "GOWORK=off")
	if out, err := c.CombinedOutput(); err != nil {
		return nil, errors.New(string(out))
	}
	return os.ReadFile(filepath.Join(dir, "out.wasm"))
})

func build(t *testing.T) []byte {
	t.Helper()
	wasm, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// The symbols say of each function what Go's own tables do, inlined calls included.
func TestSymbols(t *testing.T) {
	_, symbols, err := Strip(build(t), runtime.Version())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range symbols.Removed {
		if r.Bytes == 0 {
			t.Errorf("nothing is removed of %s", r.What)
		}
	}
	symbols.Build = "1.2.3-abc"
	var b bytes.Buffer
	if err := symbols.Write(&b); err != nil {
		t.Fatal(err)
	}
	read, err := ReadSymbols(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if read.Build != "1.2.3-abc" || len(read.Functions) != len(symbols.Functions) {
		t.Errorf("read: build %q, %d functions", read.Build, len(read.Functions))
	}
	line := 1 + strings.Count(program[:strings.Index(program, "// here")], "\n")
	i := slices.IndexFunc(read.Functions, func(s Symbol) bool { return s.Name == "main.(*T).outer" })
	if i < 0 {
		t.Fatal("main.(*T).outer is not there")
	}
	// The panic's own frame: the place is that where the call of gopanic returns to.
	var place uint32
	for _, r := range read.Functions[i].Ranges {
		if r.Frames[0].Line == int32(line) && r.Frames[0].Function == "main.inlined" {
			place = r.From + 1
		}
	}
	if place == 0 {
		t.Fatalf("main.inlined is not inlined: %v", read.Functions[i].Ranges)
	}
	log := "goroutine 1 [running]:\n" + ShortName(i) + "(0x1)\n\t?:0 +0x" + strconv.FormatUint(uint64(place), 16) + "\nmain.else\n"
	got := read.Explain(log)
	want := regexp.MustCompile(`^goroutine 1 \[running\]:\nmain\.inlined\(\.\.\.\)\n\t\S*main\.go:` + strconv.Itoa(line) +
		`\n(main\.\S+\(\.\.\.\)\n\t\S*main\.go:\d+\n)?main\.\(\*T\)\.outer\(0x1\)\n\t\S*main\.go:\d+ \+0x[0-9a-f]+\nmain\.else\n$`)
	if !want.MatchString(got) {
		t.Errorf("explained:\n%s", got)
	}
	// What no function is stays.
	if log := ShortName(0xffff) + "()\n\t?:0\n"; read.Explain(log) != log {
		t.Error("a function that is not there is explained")
	}
}

// An unknown version, or tables that look another way, are refused as such.
func TestUnsupported(t *testing.T) {
	wasm := build(t)
	for _, version := range []string{"go1.25.9", "go1.27", "go1.260", "devel go1.27-abc", ""} {
		_, _, err := Strip(wasm, version)
		if unknown := new(wasmfile.Unsupported); !errors.As(err, &unknown) || !strings.Contains(err.Error(), Go) {
			t.Errorf("%q: %v", version, err)
		}
	}
	for what, spoil := range map[string]func(b []byte){
		"no table": func(b []byte) { b[bytes.Index(b, []byte{0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8})]++ },
		"a name on which something depends": func(b []byte) {
			copy(b[bytes.Index(b, []byte("\x00runtime.gopanic\x00"))+1:], "reflect.makeFuncStub\x00")
		},
	} {
		spoiled := bytes.Clone(wasm)
		spoil(spoiled)
		_, _, err := Strip(spoiled, Go)
		if unknown := new(wasmfile.Unsupported); !errors.As(err, &unknown) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, _, err := Strip([]byte("<!doctype html>"), Go); err == nil || errors.As(err, new(*wasmfile.Unsupported)) {
		t.Errorf("no wasm: %v", err)
	}
}

// The same file gives the same bytes, and a good deal fewer.
func TestStripIsSmallerAndRepeats(t *testing.T) {
	wasm := build(t)
	one, _, err := Strip(wasm, Go)
	if err != nil {
		t.Fatal(err)
	}
	two, _, err := Strip(wasm, Go)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one, two) {
		t.Error("two runs differ")
	}
	if len(one) > len(wasm)*85/100 {
		t.Errorf("%d bytes of %d", len(one), len(wasm))
	}
	if _, _, err := Strip(one, Go); !errors.As(err, new(*wasmfile.Unsupported)) {
		t.Errorf("a stripped wasm is stripped again: %v", err)
	}
}
