package wasmfile

import (
	"bytes"
	"context"
	"testing"

	"github.com/tetratelabs/wazero"
)

// module has a page of memory with two data segments, a global, and a function that reads it.
func module(t *testing.T) *File {
	t.Helper()
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	f, err := Parse(join([]byte(header),
		[]byte{Type, 5, 1, 0x60, 0, 1, I64},
		[]byte{Function, 2, 1, 0},
		[]byte{Memory, 3, 1, 0, 1},
		[]byte{Global, 6, 1, I64, 1, 0x42, 7, 0x0b},
		[]byte{Export, 11, 2, 3, 'g', 'e', 't', 0, 0, 1, 'm', 2, 0},
		[]byte{Code, 6, 1, 4, 0, 0x23, 0, 0x0b},
		[]byte{Data, 15, 2, 0, 0x41, 8, 0x0b, 2, 'a', 'b', 0, 0x41, 0xc0, 0, 0x0b, 1, 'c'},
		[]byte{Custom, 6, 4, 'n', 'o', 't', 'e', '!'}))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// run makes an instance in an engine, and returns its memory and what get returns.
func run(t *testing.T, f *File) ([]byte, int64) {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	m, err := r.Instantiate(ctx, f.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.ExportedFunction("get").Call(ctx)
	if err != nil {
		t.Fatal(err)
	}
	memory, _ := m.Memory().Read(0, m.Memory().Size())
	return bytes.Clone(memory), int64(got[0])
}

func TestImageAndGlobals(t *testing.T) {
	f := module(t)
	image, err := f.Image()
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, PageSize)
	copy(want[8:], "ab")
	want[64] = 'c'
	if !bytes.Equal(image, want) {
		t.Error("the image is not what the data segments say")
	}
	// A larger one, with gaps of all lengths and bytes at both ends.
	image = make([]byte, 3*PageSize)
	image[0], image[len(image)-1] = 1, 2
	for at, gap := 100, 0; gap < 3*Gap; gap++ {
		at += gap
		image[at] = byte(gap + 1)
		at++
	}
	f.SetImage(image)
	globals, err := f.Globals()
	if err != nil || len(globals) != 1 || globals[0] != (GlobalValue{I64, 7}) {
		t.Fatalf("the globals are %v, error %v", globals, err)
	}
	for _, v := range []int64{0, 63, 64, -64, -65, 1 << 40, -1 << 63, 1<<63 - 1} {
		f.SetGlobals([]GlobalValue{{I64, v}})
		memory, got := run(t, f)
		if got != v {
			t.Errorf("the global is %d, not %d", got, v)
		}
		if !bytes.Equal(memory, image) {
			t.Error("an instance begins with another memory than the one set")
		}
		if back, err := f.Globals(); err != nil || back[0].Value != v {
			t.Errorf("read back: %v, %v", back, err)
		}
	}
}

// The start function runs once the data is in place, and takes no number from another.
func TestStart(t *testing.T) {
	f := module(t)
	var a Assembler
	const i = 0
	a.Locals(1, 0)
	a.Loop() // for i := 0; i < 3; i++ { memory[100+i] = memory[8] }
	a.Get(i)
	a.Const32(8)
	a.Memory(0x2d, 0)
	a.Memory(0x3a, 100)
	a.Get(i)
	a.Const32(1)
	a.Op(0x6a)
	a.Tee(i)
	a.Const32(3)
	a.Op(0x49)
	a.Again()
	if err := f.SetStart(a.Body()); err != nil {
		t.Fatal(err)
	}
	memory, got := run(t, f)
	if string(memory[99:104]) != "\x00aaa\x00" || got != 7 {
		t.Errorf("the memory is %q, get returns %d", memory[99:104], got)
	}
	if err := f.SetStart(a.Body()); err == nil {
		t.Error("a second start function is taken")
	}
}

func TestExportsAndCustom(t *testing.T) {
	f := module(t)
	if err := f.AddExport("global", GlobalExport, 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(f.Section(Export), []byte("global")) {
		t.Error("an export is not added")
	}
	if err := f.RemoveExport("global"); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(f.Section(Export), module(t).Section(Export)) {
		t.Error("an export is not taken away, or another is, too")
	}
	f.SetCustom("note", []byte("?"))
	if b := f.Bytes(); !bytes.HasSuffix(b, []byte("\x04note?")) || bytes.Contains(b, []byte("note!")) {
		t.Errorf("the module ends with %q", b[len(b)-12:])
	}
	f.SetCustom("note", nil)
	if bytes.Contains(f.Bytes(), []byte("note")) {
		t.Error("a custom section is not taken away")
	}
}

// A file that is cut off anywhere, or is none, is an error and no panic.
func TestCutOff(t *testing.T) {
	whole := module(t).Bytes()
	for n := range whole {
		f, err := Parse(whole[:n])
		if err != nil {
			continue
		}
		f.Image()
		f.Globals()
		f.AddExport("x", GlobalExport, 0)
		f.RemoveExport("x")
		f.SetStart([]byte{0, 0x0b})
	}
	if _, err := Parse([]byte("<!doctype html>")); err == nil {
		t.Error("HTML is a wasm")
	}
}
