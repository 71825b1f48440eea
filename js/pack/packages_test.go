package main

import (
	"bytes"
	"encoding/binary"
	"maps"
	"strings"
	"testing"
)

// wasmSection is a section of the binary format.
func wasmSection(id byte, content ...[]byte) []byte {
	all := bytes.Join(content, nil)
	return append(binary.AppendUvarint([]byte{id}, uint64(len(all))), all...)
}

func wasmText(s string) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(s))), s...)
}

// wasmOf has one imported function, and a function of each name with a body of as many
// bytes as its place says, from 1. named is the section that ships not.
func wasmOf(names ...string) (shipped, named []byte) {
	code := binary.AppendUvarint(nil, uint64(len(names)))
	list := binary.AppendUvarint(nil, uint64(len(names)))
	for i, name := range names {
		code = append(code, wasmText(strings.Repeat("x", i+1))...)
		list = append(binary.AppendUvarint(list, uint64(i+1)), wasmText(name)...)
	}
	return bytes.Join([][]byte{
		[]byte("\x00asm\x01\x00\x00\x00"),
		wasmSection(2, []byte{1}, wasmText("gojs"), wasmText("f"), []byte{0, 0}),
		wasmSection(10, code),
		wasmSection(11, []byte("data")),
	}, nil), wasmSection(0, wasmText("name"), wasmSection(1, list))
}

func TestWeigh(t *testing.T) {
	shipped, named := wasmOf("runtime.mallocgc", "example.com_a_b.F", "example.com_a_b_c.__T_.G", "main.main", "type_.eq.example.com_a_b.T", "memeqbody", "example.com_d.F")
	got, err := weigh(append(shipped, named...), []string{"runtime", "example.com/a-b", "example.com/a-b/c", "example.com/cmd"})
	if err != nil {
		t.Fatal(err)
	}
	// Each body is one byte longer by its length, the data's section two by its head.
	want := map[string]int{"runtime": 2, "example.com/a-b": 3 + 6, "example.com/a-b/c": 4, "example.com/cmd": 5, compilers: 7 + 8, data: 6}
	rest := got[others]
	delete(got, others)
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	// Everything is counted once, but for the names, which are not shipped.
	for _, size := range got {
		rest += size
	}
	if rest != len(shipped) {
		t.Errorf("%d bytes together, of %d", rest, len(shipped))
	}
}

func TestWeighRefuses(t *testing.T) {
	shipped, named := wasmOf("runtime.f")
	for name, wasm := range map[string][]byte{
		"no wasm":  []byte("<!doctype html>"),
		"nothing":  nil,
		"no names": shipped,
		"cut off":  append(shipped, named[:len(named)-3]...),
	} {
		if sizes, err := weigh(wasm, []string{"runtime"}); err == nil {
			t.Errorf("%s: %v", name, sizes)
		}
	}
}

func TestComparePackages(t *testing.T) {
	before, err := readPackages(strings.NewReader("50\told\n40\tsame\n30\tgrown\n"))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	comparePackages(&b, map[string]int{"same": 40, "grown": 37, "added": 5}, before)
	got := strings.Join(strings.Fields(b.String()), " ")
	const want = "same 40 40 grown 37 30 +7 added 5 0 new old 0 50 gone together 82 120 -38"
	if !strings.HasSuffix(got, want) {
		t.Errorf("%s\nwant %s", got, want)
	}
	if _, err := readPackages(strings.NewReader("50 spaces\n")); err == nil {
		t.Error("a line without a tab is taken")
	}
}
