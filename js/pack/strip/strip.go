// Package strip takes out of a Go wasm the tables that only tracebacks read, and what can be
// computed from the rest.
//
// # What Go keeps of its functions
//
// Go's runtime has, in the wasm's data, a table of all functions: the "pclntab". Its users are
// the garbage collector and the growth of stacks (where are the pointers of this frame?), defer
// and panic (which function is this, where does it go on?), and tracebacks (what is its name, its
// file, its line, what was inlined?). The parts are:
//
//	funcnametab  the functions' names, ended by zeros
//	cutab        for each file of each compilation unit, where its name is in filetab
//	filetab      the files' names
//	pctab        tables from places in a function to numbers, each one behind the other
//	pclntable    ftab, a pair of numbers for each function (which, and where its record is),
//	             and the records themselves (runtime._func)
//	findfunctab  an index from addresses to places in ftab: 20 bytes for each 4 KB of code
//	funcdata     what the functions' records refer to, at go:func.*: bitmaps of pointers, and more
//
// A pcHeader stands at the head of these tables, and a structure in the writable data, moduledata,
// points to each. A wasm has no addresses of code: Go calls function number n its address n<<16, so
// a function has 64 KB, and findfunctab 320 bytes for it, which say what n does.
//
// # What this package does
//
// [Strip] lays out the memory that the module starts with, checks that the tables look in every
// point as this package expects, and sets to zero
//
//   - the names, cutab, filetab, and in each record the places of the tables for file and line, the
//     compilation unit and the first line,
//   - in each record the tables of unsafe points (a wasm has no asynchronous preemption), inlined
//     calls and live arguments (for tracebacks), and the references to inline trees and argument
//     layouts, which become "none"; then the bytes of those, and of all of pctab that no other
//     record refers to,
//   - findfunctab, ftab, and the number, the name and therefore the place of each record.
//
// Zeros are in no data segment. The last kind is needed, and follows from the rest: a start
// function, which the engine runs when it makes the instance, fills it again. As a function's
// name it writes one of 11 bytes that is made of the function's number.
//
// The runtime is written for the absence of the first two: an offset of 0 in a record says "no
// table", and a line is then "?". Nothing else reads them; what does in Go ([checked], below) is not
// in the wasm.
//
// [Symbols] is what has been taken away, for [Symbols.Explain].
//
// # One version of Go
//
// All of this is private to Go, and may change with each minor version, so the package knows [Go],
// and refuses any other with [wasmfile.Unsupported], as it does where something does not look as it should. The
// caller ships the file as it is then. To make it know the next one, compare these with what
// they were: runtime/symtab.go (pcHeader, moduledata, findfunc, pcvalue, funcline1,
// moduledataverify1), runtime/runtime2.go (_func), internal/abi/symtab.go (numbers of pcdata and
// funcdata), and whoever calls funcname in the runtime; then run the tests.
package strip

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"openchat/js/pack/wasmfile"
)

// Go is the minor version of Go that this package understands.
const Go = "go1.26"

// checked are functions that ask for a function's name and do something else than print it. A
// wasm that has one of them is not stripped.
var checked = []string{"reflect.makeFuncStub", "reflect.methodValueCall"}

// Numbers of internal/abi: which of a record's tables are dropped.
const (
	pcdataUnsafePoint, pcdataInlineTree, pcdataLiveArguments            = 0, 2, 3
	funcdataInlineTree, funcdataArgumentInfo, funcdataLiveArgumentsInfo = 3, 5, 6
)

var (
	droppedPCData   = []int{pcdataUnsafePoint, pcdataInlineTree, pcdataLiveArguments}
	droppedFuncData = []int{funcdataInlineTree, funcdataArgumentInfo, funcdataLiveArgumentsInfo}
)

// Offsets in a record, runtime._func, of which each number has 4 bytes.
const (
	recordEntry     = 0
	recordName      = 4
	recordPCSP      = 16
	recordFile      = 20
	recordLine      = 24
	recordPCData    = 28 // how many
	recordUnit      = 32
	recordFirstLine = 36
	recordFuncData  = 43 // how many, in one byte
	recordSize      = 44 // then follow the places of pcdata and funcdata
)

// none is the reference of a record to funcdata that there is not.
const none = ^uint32(0)

// Words of moduledata, of 8 bytes.
const (
	wordNames   = 1 // slices have three words: where, length, capacity
	wordUnits   = 4
	wordFiles   = 7
	wordPC      = 10
	wordRecords = 13
	wordIndex   = 16 // ftab
	wordFind    = 19
	wordMin     = 20
	wordMax     = 21
	wordText    = 22
	wordFuncs   = 40 // go:func.*
	moduleWords = 48
)

const (
	bucketSize         = 20 // of findfunctab
	bucketsPerFunction = (1 << 16) / 4096
	nameStride         = 16
)

// Strip returns the module without the tables that only tracebacks read, and these tables.
// goVersion is of the toolchain that built it, as runtime.Version has it.
func Strip(wasm []byte, goVersion string) (stripped []byte, symbols *Symbols, err error) {
	if goVersion != Go && !strings.HasPrefix(goVersion, Go+".") && !strings.HasPrefix(goVersion, Go+"-") {
		return nil, nil, wasmfile.Unsupportedf("it was built by %s, and only the tables of %s are known", goVersion, Go)
	}
	file, err := wasmfile.Parse(wasm)
	if err != nil {
		return nil, nil, err
	}
	image, err := file.Image()
	if err != nil {
		return nil, nil, err
	}
	t, err := find(image)
	if err != nil {
		return nil, nil, err
	}
	if err := t.check(); err != nil {
		return nil, nil, err
	}
	symbols, err = t.symbols()
	if err != nil {
		return nil, nil, err
	}
	for _, f := range symbols.Functions {
		if slices.Contains(checked, f.Name) {
			return nil, nil, wasmfile.Unsupportedf("it has %s, which depends on its name", f.Name)
		}
	}
	if symbols.Removed, err = t.drop(); err != nil {
		return nil, nil, err
	}
	file.SetImage(image)
	if err := file.SetStart(t.fill()); err != nil {
		return nil, nil, err
	}
	file.SetCustom("producers", nil)
	return file.Bytes(), symbols, nil
}

// tables are a module's, in the memory that it starts with.
type tables struct {
	image []byte
	// Where they are. Those of the memory are slices of the image.
	names, units, files, pc, records part
	index                            part // ftab: pairs, the last without its second
	findFunc                         part
	funcs                            int // where go:func.* begins
	first                            int // number of the first function: Go's first is 4,096
	functions                        []function
}

// part is a piece of the image.
type part struct {
	at    int
	bytes []byte
}

// function is a record.
type function struct {
	at                int // of the record in the image
	pcdata, funcdata  int // how many
	pcdataAt, funcsAt int // where their places are
}

func (f function) size() int { return (recordSize + 4*(f.pcdata+f.funcdata) + 7) &^ 7 }

func (t *tables) u32(at int) uint32    { return binary.LittleEndian.Uint32(t.image[at:]) }
func (t *tables) set(at int, v uint32) { binary.LittleEndian.PutUint32(t.image[at:], v) }
func (t *tables) pcOffset(f function, i int) uint32 {
	if i >= f.pcdata {
		return 0
	}
	return t.u32(f.pcdataAt + 4*i)
}

func (t *tables) funcOffset(f function, i int) uint32 {
	if i >= f.funcdata {
		return none
	}
	return t.u32(f.funcsAt + 4*i)
}

// find looks for the tables.
func find(image []byte) (*tables, error) {
	word := func(at int) uint64 { return binary.LittleEndian.Uint64(image[at:]) }
	magic := []byte{0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8}
	var found []*tables
	for at := 0; at+72 <= len(image); at += 8 {
		if !bytes.Equal(image[at:at+8], magic) {
			continue
		}
		// Who points to it, and next to its names, is moduledata.
		for m := 0; m+8*moduleWords <= len(image); m += 8 {
			if word(m) != uint64(at) || word(m+8*wordNames) != uint64(at)+word(at+32) {
				continue
			}
			t, err := locate(image, at, m)
			if err != nil {
				return nil, err
			}
			found = append(found, t)
		}
	}
	if len(found) != 1 {
		return nil, wasmfile.Unsupportedf("it has %d tables of functions, not one", len(found))
	}
	return found[0], nil
}

// locate reads where the tables of a pcHeader and a moduledata are.
func locate(image []byte, header, module int) (*tables, error) {
	word := func(at int) uint64 { return binary.LittleEndian.Uint64(image[at:]) }
	t := &tables{image: image}
	var err error
	slice := func(name string, n, size int, headerWord int) part {
		at, length := word(module+8*n), word(module+8*n+8)
		if headerWord != 0 && at != uint64(header)+word(header+8*headerWord) {
			err = wasmfile.Unsupportedf("%s is at two places", name)
		}
		if at > uint64(len(image)) || length > uint64(len(image)) || at+length*uint64(size) > uint64(len(image)) {
			err = wasmfile.Unsupportedf("%s is not in the memory", name)
		}
		if err != nil {
			return part{}
		}
		return part{int(at), image[at:][:length*uint64(size)]}
	}
	t.names = slice("funcnametab", wordNames, 1, 4)
	t.units = slice("cutab", wordUnits, 4, 5)
	t.files = slice("filetab", wordFiles, 1, 6)
	t.pc = slice("pctab", wordPC, 1, 7)
	t.records = slice("pclntable", wordRecords, 1, 8)
	t.index = slice("ftab", wordIndex, 8, 8)
	if err != nil {
		return nil, err
	}
	functions := word(header + 8)
	if functions == 0 || uint64(len(t.index.bytes)) != 8*(functions+1) {
		return nil, wasmfile.Unsupportedf("ftab has %d bytes for %d functions", len(t.index.bytes), functions)
	}
	lowest, highest := word(module+8*wordMin), word(module+8*wordMax)
	if text := word(module + 8*wordText); text != 0 || lowest&0xffff != 0 || (highest+0xffff)>>16<<16-lowest != functions<<16 {
		return nil, wasmfile.Unsupportedf("%d functions are at %#x to %#x, from %#x", functions, lowest, highest, text)
	}
	t.first = int(lowest >> 16)
	// The last bucket ends where the last function does: a byte for each 256 of its addresses.
	at, span := word(module+8*wordFind), highest-lowest
	size := (span+4095)/4096*4 + (span+255)/256
	if at == 0 || at+size > uint64(len(image)) {
		return nil, wasmfile.Unsupportedf("findfunctab is not in the memory")
	}
	t.findFunc = part{int(at), image[at:][:size]}
	t.funcs = int(word(module + 8*wordFuncs))
	if t.funcs <= 0 || t.funcs >= len(image) {
		return nil, wasmfile.Unsupportedf("go:func.* is not in the memory")
	}
	return t, nil
}

// check reads the records, and makes sure that all that the start function is to fill in is there
// as the start function fills it in.
func (t *tables) check() error {
	n := len(t.index.bytes)/8 - 1
	at := t.records.at + int(binary.LittleEndian.Uint32(t.index.bytes[4:]))
	end := t.records.at + len(t.records.bytes)
	for i := range n {
		if at+recordSize > end {
			return wasmfile.Unsupportedf("record %d is not in pclntable", i)
		}
		f := function{at: at, pcdata: int(t.u32(at + recordPCData)), funcdata: int(t.image[at+recordFuncData])}
		f.pcdataAt = at + recordSize
		f.funcsAt = f.pcdataAt + 4*f.pcdata
		if f.pcdata > 64 || at+f.size() > end+4 {
			return wasmfile.Unsupportedf("record %d is larger than pclntable", i)
		}
		entry, record := binary.LittleEndian.Uint32(t.index.bytes[8*i:]), binary.LittleEndian.Uint32(t.index.bytes[8*i+4:])
		if int(entry) != t.first+i || int(record) != at-t.records.at || t.u32(at+recordEntry) != entry {
			return wasmfile.Unsupportedf("function %d is not in its place: entry %d, record %d of %d", i, entry, record, at-t.records.at)
		}
		for _, place := range []int{recordPCSP, recordFile, recordLine} {
			if int(t.u32(at+place)) >= len(t.pc.bytes) {
				return wasmfile.Unsupportedf("a table of function %d is not in pctab", i)
			}
		}
		t.functions = append(t.functions, f)
		at += f.size()
	}
	if last := binary.LittleEndian.Uint32(t.index.bytes[8*n:]); int(last) != t.first+n {
		return wasmfile.Unsupportedf("ftab ends with %d, of %d functions", last, n)
	}
	if need := n * nameStride; need > len(t.names.bytes) || n > 1<<16 {
		return wasmfile.Unsupportedf("the names of %d functions have no room in %d bytes", n, len(t.names.bytes))
	}
	want := make([]byte, 0, len(t.findFunc.bytes))
	for i := 0; len(want) < len(t.findFunc.bytes); i++ {
		want = append(binary.LittleEndian.AppendUint32(want, uint32(i/bucketsPerFunction)), make([]byte, bucketSize-4)...)
	}
	if !bytes.Equal(want[:len(t.findFunc.bytes)], t.findFunc.bytes) {
		return wasmfile.Unsupportedf("findfunctab is not what follows from ftab")
	}
	return nil
}

// drop sets to zero what the package comment says.
func (t *tables) drop() ([]Removed, error) {
	keptPC := map[uint32]bool{}
	keptFuncs := map[uint32]bool{}
	var starts []uint32 // of all funcdata
	type data struct {
		at   uint32
		size int
	}
	var dropped []data
	funcdataBytes, pcBytes := 0, 0
	for _, f := range t.functions {
		keptPC[t.u32(f.at+recordPCSP)] = true
		for i := range f.pcdata {
			if !slices.Contains(droppedPCData, i) {
				keptPC[t.pcOffset(f, i)] = true
			}
		}
		for i := range f.funcdata {
			at := t.funcOffset(f, i)
			if at == none {
				continue
			}
			if t.funcs+int(at) >= len(t.image) {
				return nil, wasmfile.Unsupportedf("funcdata %d is not in the memory", at)
			}
			starts = append(starts, at)
			if !slices.Contains(droppedFuncData, i) {
				keptFuncs[at] = true
				continue
			}
			dropped = append(dropped, data{at, t.funcdataSize(f, i)})
		}
	}
	slices.Sort(starts)
	for _, d := range dropped {
		if keptFuncs[d.at] {
			continue // the linker writes equal data once
		}
		size := d.size
		if i, _ := slices.BinarySearch(starts, d.at+1); i < len(starts) {
			size = min(size, int(starts[i]-d.at))
		}
		clear(t.image[t.funcs+int(d.at):][:size])
		funcdataBytes += size
	}
	for _, f := range t.functions {
		for _, place := range []int{recordEntry, recordName, recordFile, recordLine, recordUnit, recordFirstLine} {
			t.set(f.at+place, 0)
		}
		for _, i := range droppedPCData {
			if i < f.pcdata {
				t.set(f.pcdataAt+4*i, 0)
			}
		}
		for _, i := range droppedFuncData {
			if i < f.funcdata {
				t.set(f.funcsAt+4*i, none)
			}
		}
	}
	// pctab: what the kept places reach.
	reached := make([]bool, len(t.pc.bytes))
	for at := range keptPC {
		if at == 0 {
			continue
		}
		if int(at) >= len(t.pc.bytes) {
			return nil, wasmfile.Unsupportedf("a table is not in pctab")
		}
		for i := range t.decode(at).length {
			reached[int(at)+i] = true
		}
	}
	for i, r := range reached {
		if !r {
			t.pc.bytes[i] = 0
			pcBytes++
		}
	}
	for _, p := range []part{t.names, t.units, t.files, t.index, t.findFunc} {
		clear(p.bytes)
	}
	return []Removed{
		{"names of functions", len(t.names.bytes)},
		{"names of files", len(t.units.bytes) + len(t.files.bytes)},
		{"tables of files, lines, inlined calls and unsafe points", pcBytes},
		{"inline trees, layouts of arguments", funcdataBytes},
		{"index of functions by address (filled at the start)", len(t.findFunc.bytes)},
		{"list of functions (filled at the start)", len(t.index.bytes)},
	}, nil
}

// funcdataSize is how many bytes a function's funcdata has, at most: of an inline tree 16 for each
// call that was inlined; the layout of arguments ends with 0xff; what tells the live arguments
// is left but for what is certain.
func (t *tables) funcdataSize(f function, kind int) int {
	at := t.funcs + int(t.funcOffset(f, kind))
	switch kind {
	case funcdataInlineTree:
		most := int32(-1)
		for _, r := range t.ranges(t.pcOffset(f, pcdataInlineTree)) {
			most = max(most, r.value)
		}
		return min(16*int(most+1), len(t.image)-at)
	case funcdataArgumentInfo:
		if n := bytes.IndexByte(t.image[at:], 0xff); n >= 0 {
			return n + 1
		}
	case funcdataLiveArgumentsInfo:
		most := int32(0)
		for _, r := range t.ranges(t.pcOffset(f, pcdataLiveArguments)) {
			most = max(most, r.value)
		}
		return min(int(most)+1, len(t.image)-at)
	}
	return 0
}

// Instructions of fill, by their codes.
const (
	load8  = 0x2d // i32.load8_u
	load32 = 0x28
	put32  = 0x36 // i32.store
	put64  = 0x37 // i64.store

	less32 = 0x49 // i32.lt_u
	add32  = 0x6a
	mul32  = 0x6c
	and32  = 0x71
	or64   = 0x84
	and64  = 0x83
	shl32  = 0x74
	shl64  = 0x86
	shr64  = 0x88
	add64  = 0x7c
	wide   = 0xad // i64.extend_i32_u
)

// fill returns the code of the start function. In Go it were, with memory and its tables as slices:
//
//	record := first record
//	for i := range functions {
//		ftab[i] = {first + i, record - pclntable}
//		record.entry, record.name = first+i, 16*i
//		funcnametab[16*i:] = "w.(*" + letters(i) + ").f\x00"
//		for range 16 { *bucket = i; bucket++ }
//		record += (44 + 4*(record.npcdata + record.nfuncdata) + 7) &^ 7
//	}
//	ftab[functions].entry = first + functions
func (t *tables) fill() []byte {
	const i, record, bucket, end, wideI = 0, 1, 2, 3, 4
	n := len(t.functions)
	var a wasmfile.Assembler
	a.Locals(4, 1)
	a.Const32(t.functions[0].at)
	a.Set(record)
	a.Const32(t.findFunc.at)
	a.Set(bucket)
	a.Loop()
	{
		a.Get(i)
		a.Op(wide)
		a.Set(wideI)
		// ftab[i]
		a.Get(i)
		a.Const32(8)
		a.Op(mul32)
		a.Get(wideI)
		a.Const64(int64(t.first))
		a.Op(add64)
		a.Get(record)
		a.Const32(-t.records.at)
		a.Op(add32, wide)
		a.Const64(32)
		a.Op(shl64, or64)
		a.Memory(put64, t.index.at)
		// The record's entry and name.
		a.Get(record)
		a.Get(wideI)
		a.Const64(int64(t.first))
		a.Op(add64)
		a.Get(wideI)
		a.Const64(32 + 4)
		a.Op(shl64, or64)
		a.Memory(put64, recordEntry)
		// The name: "w.(*", four letters, the highest half byte of i first, and ").f", 0.
		a.Get(i)
		a.Const32(nameStride)
		a.Op(mul32)
		a.Const64(int64(binary.LittleEndian.Uint64([]byte("w.(*aaaa"))))
		for _, s := range []struct{ right, left int64 }{{12, 32}, {8, 40}, {4, 48}, {0, 56}} {
			a.Get(wideI)
			a.Const64(s.right)
			a.Op(shr64)
			a.Const64(15)
			a.Op(and64)
			a.Const64(s.left)
			a.Op(shl64, add64)
		}
		a.Memory(put64, t.names.at)
		a.Get(i)
		a.Const32(nameStride)
		a.Op(mul32)
		a.Const32(int(binary.LittleEndian.Uint32([]byte(").f\x00"))))
		a.Memory(put32, t.names.at+8)
		// findfunctab, whose end may be within the last function.
		a.Get(bucket)
		a.Const32(bucketsPerFunction * bucketSize)
		a.Op(add32)
		a.Set(end)
		a.Loop()
		a.Get(bucket)
		a.Get(i)
		a.Memory(put32, 0)
		a.Get(bucket)
		a.Const32(bucketSize)
		a.Op(add32)
		a.Tee(bucket)
		a.Get(end)
		a.Op(less32)
		a.Get(bucket)
		a.Const32(t.findFunc.at + len(t.findFunc.bytes))
		a.Op(less32, and32)
		a.Again()
		// The next record.
		a.Get(record)
		a.Get(record)
		a.Memory(load32, recordPCData)
		a.Get(record)
		a.Memory(load8, recordFuncData)
		a.Op(add32)
		a.Const32(2)
		a.Op(shl32)
		a.Const32(recordSize + 7)
		a.Op(add32)
		a.Const32(-8)
		a.Op(and32, add32)
		a.Set(record)
		// The next function.
		a.Get(i)
		a.Const32(1)
		a.Op(add32)
		a.Tee(i)
		a.Const32(n)
		a.Op(less32)
	}
	a.Again()
	a.Const32(t.index.at + 8*n)
	a.Const32(t.first + n)
	a.Memory(put32, 0)
	return a.Body()
}
