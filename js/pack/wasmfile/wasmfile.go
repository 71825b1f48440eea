// Package wasmfile reads and writes what js/pack changes of a wasm: its sections, the memory that
// its data segments lay out, its globals, exports and start function. It knows the binary format of WebAssembly
// (https://webassembly.github.io/spec/core/binary/), as far as Go's linker uses it, and nothing
// of Go.
package wasmfile

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// The sections that this package knows, in the order in which a module has them. A custom section
// may stand anywhere.
const (
	Custom   = 0
	Type     = 1
	Import   = 2
	Function = 3
	Memory   = 5
	Global   = 6
	Export   = 7
	Start    = 8
	Code     = 10
	Data     = 11
)

// PageSize is the unit of a memory's size, in bytes.
const PageSize = 64 << 10

// mostPages bounds the memory that is laid out here. Go's wasms begin with 50 to 100.
const mostPages = 4096

// GlobalExport is the kind of an export that is a global.
const GlobalExport = 3

// Value types.
const (
	I32 = 0x7f
	I64 = 0x7e
)

const header = "\x00asm\x01\x00\x00\x00"

// Unsupported says why a wasm is not one that a step of js/pack understands, which then ships it as it is.
type Unsupported struct{ Reason string }

func (u *Unsupported) Error() string { return u.Reason }

// Unsupportedf returns an [Unsupported] with the reason that format and args make.
func Unsupportedf(format string, args ...any) *Unsupported {
	return &Unsupported{fmt.Sprintf(format, args...)}
}

// A File is a module. Its methods change it in memory; Bytes writes it.
type File struct{ sections []section }

type section struct {
	id      byte
	content []byte
}

// A GlobalValue is a mutable global and what it starts with.
type GlobalValue struct {
	Type  byte // I32 or I64
	Value int64
}

// Parse reads a module. It takes its sections apart, and does not look into them.
func Parse(wasm []byte) (*File, error) {
	if !bytes.HasPrefix(wasm, []byte(header)) {
		return nil, errors.New("not a wasm")
	}
	f := &File{}
	for r := (Reader{Rest: wasm[len(header):]}); len(r.Rest) > 0; {
		s := section{id: r.Byte(), content: r.Bytes(r.Number())}
		if r.Err != nil {
			return nil, r.Err
		}
		f.sections = append(f.sections, s)
	}
	return f, nil
}

// Bytes returns the module as a file.
func (f *File) Bytes() []byte {
	b := []byte(header)
	for _, s := range f.sections {
		b = binary.AppendUvarint(append(b, s.id), uint64(len(s.content)))
		b = append(b, s.content...)
	}
	return b
}

// Section returns the content of a section, nil if there is none.
func (f *File) Section(id byte) []byte {
	for _, s := range f.sections {
		if s.id == id {
			return s.content
		}
	}
	return nil
}

// list returns the content of a section that is a list, which is empty where there is none.
func (f *File) list(id byte) []byte {
	if content := f.Section(id); content != nil {
		return content
	}
	return []byte{0}
}

// set replaces a section, or puts it where the format wants it.
func (f *File) set(id byte, content []byte) {
	for i, s := range f.sections {
		if s.id == id {
			f.sections[i].content = content
			return
		}
		if s.id > id {
			f.sections = slices.Insert(f.sections, i, section{id, content})
			return
		}
	}
	f.sections = append(f.sections, section{id, content})
}

// SetCustom replaces the custom sections of that name by one with this content, at the end.
// A nil content only removes them.
func (f *File) SetCustom(name string, content []byte) {
	f.sections = slices.DeleteFunc(f.sections, func(s section) bool {
		r := Reader{Rest: s.content}
		return s.id == Custom && r.Text() == name
	})
	if content != nil {
		f.sections = append(f.sections, section{Custom, append(appendText(nil, name), content...)})
	}
}

// Image returns the memory with which an instance begins: as many bytes as the module's memory
// has pages for, with the data segments laid in.
func (f *File) Image() ([]byte, error) {
	r := Reader{Rest: f.Section(Memory)}
	if n, flags := r.Number(), r.Byte(); n != 1 || flags != 0 {
		return nil, cmp.Or(r.Err, errors.New("not one memory without a bound"))
	}
	pages := r.Number()
	if r.Err != nil || pages > mostPages {
		return nil, cmp.Or(r.Err, fmt.Errorf("a memory of %d pages", pages))
	}
	image := make([]byte, pages*PageSize)
	r = Reader{Rest: f.list(Data)}
	for range r.Number() {
		kind := r.Byte()
		at := r.constant(0x41)
		data := r.Bytes(r.Number())
		if r.Err != nil {
			return nil, r.Err
		}
		if kind != 0 || at < 0 || int(at)+len(data) > len(image) {
			return nil, errors.New("a data segment that is not within the memory")
		}
		copy(image[at:], data)
	}
	return image, r.Err
}

// Gap is how many zeros in a row end a data segment: one more segment costs about as much as
// they do after compression.
const Gap = 16

// SetImage lets instances begin with that memory, which must be of whole pages.
func (f *File) SetImage(image []byte) {
	if len(image)%PageSize != 0 {
		panic("wasmfile: not whole pages")
	}
	f.set(Memory, binary.AppendUvarint([]byte{1, 0}, uint64(len(image)/PageSize)))
	var list []byte
	n := uint64(0)
	for at := 0; ; {
		for at < len(image) && image[at] == 0 {
			at++
		}
		if at == len(image) {
			break
		}
		end, zeros := at, 0
		for i := at; i < len(image) && zeros < Gap; i++ {
			if image[i] == 0 {
				zeros++
			} else {
				end, zeros = i+1, 0
			}
		}
		list = append(appendSigned(append(list, 0, 0x41), int64(at)), 0x0b)
		list = binary.AppendUvarint(list, uint64(end-at))
		list = append(list, image[at:end]...)
		n++
		at = end
	}
	f.set(Data, append(binary.AppendUvarint(nil, n), list...))
}

// Globals returns the module's globals, all of which must be mutable integers.
func (f *File) Globals() (list []GlobalValue, err error) {
	r := Reader{Rest: f.Section(Global)}
	for range r.Number() {
		g := GlobalValue{Type: r.Byte()}
		mutable := r.Byte()
		switch {
		case r.Err != nil:
		case mutable == 1 && g.Type == I32:
			g.Value = r.constant(0x41)
		case mutable == 1 && g.Type == I64:
			g.Value = r.constant(0x42)
		default:
			r.Fail(errors.New("a global that is no mutable integer"))
		}
		if r.Err != nil {
			return nil, r.Err
		}
		list = append(list, g)
	}
	return list, r.Err
}

// SetGlobals replaces the module's globals.
func (f *File) SetGlobals(list []GlobalValue) {
	b := binary.AppendUvarint(nil, uint64(len(list)))
	for _, g := range list {
		b = append(b, g.Type, 1, map[byte]byte{I32: 0x41, I64: 0x42}[g.Type])
		b = append(appendSigned(b, g.Value), 0x0b)
	}
	f.set(Global, b)
}

// AddExport exports something under one more name.
func (f *File) AddExport(name string, kind byte, index int) error {
	r := Reader{Rest: f.Section(Export)}
	n := r.Number()
	if r.Err != nil {
		return r.Err
	}
	b := append(binary.AppendUvarint(nil, uint64(n+1)), r.Rest...)
	f.set(Export, binary.AppendUvarint(append(appendText(b, name), kind), uint64(index)))
	return nil
}

// RemoveExport takes a name away, if it is there.
func (f *File) RemoveExport(name string) error {
	r := Reader{Rest: f.Section(Export)}
	var kept []byte
	n := r.Number()
	left := n
	for range n {
		before := r.Rest
		exported := r.Text()
		r.Byte()
		r.Number()
		if r.Err != nil {
			return r.Err
		}
		if exported == name {
			left--
			continue
		}
		kept = append(kept, before[:len(before)-len(r.Rest)]...)
	}
	if r.Err == nil {
		f.set(Export, append(binary.AppendUvarint(nil, uint64(left)), kept...))
	}
	return r.Err
}

// SetStart adds a function that takes and returns nothing, which the engine runs once when it
// makes an instance, after the data segments are in place. It is the last of the functions, so
// that all others keep their numbers. body is the function's code as the format has it: its
// locals, its instructions and their end.
func (f *File) SetStart(body []byte) error {
	if f.Section(Start) != nil {
		return errors.New("the wasm has a start function already")
	}
	imports := Reader{Rest: f.list(Import)}
	imported := imports.ImportedFunctions()
	types, functions, code := Reader{Rest: f.Section(Type)}, Reader{Rest: f.Section(Function)}, Reader{Rest: f.Section(Code)}
	t, n, bodies := types.Number(), functions.Number(), code.Number()
	if err := cmp.Or(imports.Err, types.Err, functions.Err, code.Err); err != nil {
		return err
	}
	if n != bodies {
		return errors.New("not as many functions as bodies")
	}
	// longer is how a list that had n entries begins when it has one more.
	longer := func(n int) []byte { return binary.AppendUvarint(nil, uint64(n+1)) }
	f.set(Type, append(append(longer(t), types.Rest...), 0x60, 0, 0))
	f.set(Function, binary.AppendUvarint(append(longer(n), functions.Rest...), uint64(t)))
	f.set(Code, append(binary.AppendUvarint(append(longer(n), code.Rest...), uint64(len(body))), body...))
	f.set(Start, binary.AppendUvarint(nil, uint64(imported+n)))
	return nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendSigned appends a number as signed LEB128, the form of constants in code.
func appendSigned(b []byte, v int64) []byte {
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

// A Reader reads the binary format from Rest on. Its first error stays in Err, and all that is read
// then is zero.
type Reader struct {
	Rest []byte
	Err  error
}

// Fail notes an error, unless there is one already.
func (r *Reader) Fail(err error) { r.Err = cmp.Or(r.Err, err) }

// Bytes reads n bytes.
func (r *Reader) Bytes(n int) []byte {
	if n < 0 || n > len(r.Rest) || r.Err != nil {
		r.Fail(errors.New("the wasm is cut off"))
		r.Rest = nil
		return nil
	}
	b := r.Rest[:n:n]
	r.Rest = r.Rest[n:]
	return b
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if b := r.Bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// Number reads an unsigned number of up to 31 bits.
func (r *Reader) Number() int {
	v, n := binary.Uvarint(r.Rest)
	if n <= 0 || v > 1<<31 {
		n, v = len(r.Rest)+1, 0
	}
	r.Bytes(n)
	return int(v)
}

// Text reads a length and as many bytes.
func (r *Reader) Text() string { return string(r.Bytes(r.Number())) }

// ImportedFunctions counts the imports, which come first in the numbering of functions: Go imports
// nothing else.
func (r *Reader) ImportedFunctions() (n int) {
	for range r.Number() {
		r.Text()
		r.Text()
		if r.Byte() != 0 {
			r.Fail(errors.New("the wasm imports something that is no function"))
			return n
		}
		r.Number()
		n++
	}
	return n
}

// constant reads an expression that is one constant of the given instruction.
func (r *Reader) constant(instruction byte) (v int64) {
	if r.Byte() != instruction {
		r.Fail(errors.New("not a constant"))
		return 0
	}
	for shift := 0; ; {
		b := r.Byte()
		v |= int64(b&0x7f) << shift
		shift += 7
		if b&0x80 == 0 {
			if shift < 64 && b&0x40 != 0 {
				v |= -1 << shift
			}
			break
		}
		if shift > 63 {
			r.Fail(errors.New("a constant that is too long"))
			return 0
		}
	}
	if r.Byte() != 0x0b {
		r.Fail(errors.New("not a constant"))
		return 0
	}
	return v
}

// Assembler writes a function's code for SetStart: only what such a function needs.
type Assembler struct{ b []byte }

// Locals begins the code with so many locals of type i32, then of type i64.
func (a *Assembler) Locals(i32, i64 int) {
	a.b = binary.AppendUvarint(append(a.b, 2), uint64(i32))
	a.b = binary.AppendUvarint(append(a.b, I32), uint64(i64))
	a.b = append(a.b, I64)
}

// Op appends instructions that take no immediate, by their codes.
func (a *Assembler) Op(codes ...byte) { a.b = append(a.b, codes...) }

// Const32 and Const64 push a constant.
func (a *Assembler) Const32(v int) { a.b = appendSigned(append(a.b, 0x41), int64(int32(v))) }

// Const64 pushes a constant of 64 bits.
func (a *Assembler) Const64(v int64) { a.b = appendSigned(append(a.b, 0x42), v) }

// Get, Set and Tee are the instructions for a local.
func (a *Assembler) Get(local int) { a.b = append(a.b, 0x20, byte(local)) }

// Set pops into a local.
func (a *Assembler) Set(local int) { a.b = append(a.b, 0x21, byte(local)) }

// Tee stores into a local and leaves the value.
func (a *Assembler) Tee(local int) { a.b = append(a.b, 0x22, byte(local)) }

// Memory appends a load or store, by its code, at an address plus offset.
func (a *Assembler) Memory(code byte, offset int) {
	a.b = binary.AppendUvarint(append(a.b, code, 0), uint64(offset))
}

// Loop begins a loop, which Again jumps to the begin of if the popped value is not 0, and ends.
func (a *Assembler) Loop() { a.b = append(a.b, 0x03, 0x40) }

// Again ends the loop: see Loop.
func (a *Assembler) Again() { a.b = append(a.b, 0x0d, 0, 0x0b) }

// Body ends the code and returns it.
func (a *Assembler) Body() []byte { return append(a.b, 0x0b) }
