package strip

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"openchat/js/pack/wasmfile"
)

// Symbols is what tracebacks read: names, files and lines.
type Symbols struct {
	Build     string // the stamp of the wasm
	Functions []Symbol
	// Removed is what Strip has taken out, for people. It is not written.
	Removed []Removed
}

// Removed is one part of what was taken out, and how many bytes it had.
type Removed struct {
	What  string
	Bytes int
}

// Symbol is one function, whose number is its place in the list.
type Symbol struct {
	Name   string
	Ranges []Range // sorted by From; the first is from 0
}

// Range is the places of a function, as tracebacks write them behind the +, from one on to the
// next range's, and where they are in the sources: the function that was inlined the deepest first,
// the function itself last.
type Range struct {
	From   uint32
	Frames []Frame
}

// Frame is a place in the sources.
type Frame struct {
	Function, File string
	Line           int32
}

// pcRange is a value of a table of pctab, which holds up to a place.
type pcRange struct {
	end   uint32
	value int32
}

type pcTable struct {
	length int // in bytes
	ranges []pcRange
}

// decode reads a table of pctab: pairs of varints, how the value changes, zigzag, and for how many
// places, until a first that is 0. (See step in runtime/symtab.go.)
func (t *tables) decode(offset uint32) (table pcTable) {
	p := t.pc.bytes[offset:]
	value, pc := int32(-1), uint32(0)
	for first := true; ; first = false {
		delta, n := binary.Uvarint(p[table.length:])
		if n <= 0 || delta == 0 && !first {
			table.length = min(table.length+1, len(p))
			return table
		}
		table.length += n
		value += int32(-(delta & 1) ^ (delta >> 1))
		places, n := binary.Uvarint(p[table.length:])
		if n <= 0 {
			return table
		}
		table.length += n
		pc += uint32(places)
		table.ranges = append(table.ranges, pcRange{pc, value})
	}
}

// ranges are those of a table; offset 0 is none.
func (t *tables) ranges(offset uint32) []pcRange {
	if offset == 0 || int(offset) >= len(t.pc.bytes) {
		return nil
	}
	return t.decode(offset).ranges
}

func valueAt(ranges []pcRange, pc uint32) int32 {
	for _, r := range ranges {
		if pc < r.end {
			return r.value
		}
	}
	return -1
}

func textAt(b []byte, at int) (string, error) {
	if at < 0 || at >= len(b) {
		return "", wasmfile.Unsupportedf("a name is not in its table")
	}
	end := bytes.IndexByte(b[at:], 0)
	if end < 0 {
		return "", wasmfile.Unsupportedf("a name has no end")
	}
	return string(b[at:][:end]), nil
}

// symbols reads what drop takes away.
func (t *tables) symbols() (*Symbols, error) {
	s := &Symbols{}
	for _, f := range t.functions {
		name, err := textAt(t.names.bytes, int(int32(t.u32(f.at+recordName))))
		if err != nil {
			return nil, err
		}
		files, lines, inlined := t.ranges(t.u32(f.at+recordFile)), t.ranges(t.u32(f.at+recordLine)), t.ranges(t.pcOffset(f, pcdataInlineTree))
		tree := t.funcOffset(f, funcdataInlineTree)
		framesAt := func(pc uint32) (list []Frame, err error) {
			for {
				frame := Frame{Function: name, File: "?"}
				if n := valueAt(files, pc); n >= 0 {
					unit := 4 * (int(t.u32(f.at+recordUnit)) + int(n))
					if unit+4 > len(t.units.bytes) {
						return nil, wasmfile.Unsupportedf("a file of %s is not in cutab", name)
					}
					if frame.File, err = textAt(t.files.bytes, int(binary.LittleEndian.Uint32(t.units.bytes[unit:]))); err != nil {
						return nil, err
					}
					frame.Line = valueAt(lines, pc)
				}
				call := valueAt(inlined, pc)
				if call < 0 || tree == none {
					return append(list, frame), nil
				}
				// An entry of the tree (inlinedCall): at 4 the function's name, at 8 where it was called.
				entry := t.funcs + int(tree) + 16*int(call)
				if entry+16 > len(t.image) || len(list) > 100 {
					return nil, wasmfile.Unsupportedf("the inline tree of %s has no end", name)
				}
				if frame.Function, err = textAt(t.names.bytes, int(int32(t.u32(entry+4)))); err != nil {
					return nil, err
				}
				list = append(list, frame)
				pc = t.u32(entry + 8)
			}
		}
		symbol := Symbol{Name: name}
		for from := uint32(0); ; {
			frames, err := framesAt(from)
			if err != nil {
				return nil, err
			}
			if from == 0 || frames[0].File != "?" { // else it is the function's end
				symbol.Ranges = append(symbol.Ranges, Range{from, frames})
			}
			next := none
			for _, list := range [][]pcRange{files, lines, inlined} {
				for _, r := range list {
					if r.end > from {
						next = min(next, r.end)
						break
					}
				}
			}
			if next == none {
				break
			}
			from = next
		}
		s.Functions = append(s.Functions, symbol)
	}
	return s, nil
}

const symbolsHead = "avaya-ccaas-chat-sdk symbols 1 "

// Write writes the symbols as a gzip'ed text, which ReadSymbols reads: a head with the build; for
// each function a line "= name", then for each range a line with where it begins and, behind
// tabs, file:line and function of each frame. The same symbols give the same bytes.
func (s *Symbols) Write(w io.Writer) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	b := bufio.NewWriter(z)
	fmt.Fprintf(b, "%s%s\n", symbolsHead, s.Build)
	for _, f := range s.Functions {
		fmt.Fprintf(b, "= %s\n", f.Name)
		for _, r := range f.Ranges {
			fmt.Fprintf(b, "%x", r.From)
			for _, frame := range r.Frames {
				fmt.Fprintf(b, "\t%s:%d\t%s", frame.File, frame.Line, frame.Function)
			}
			b.WriteByte('\n')
		}
	}
	if err := b.Flush(); err != nil {
		return err
	}
	return z.Close()
}

// ReadSymbols reads what Write has written.
func ReadSymbols(r io.Reader) (*Symbols, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("not a file of symbols: %w", err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	lines.Scan() // of an empty file, too, the first line has no such head
	build, ok := strings.CutPrefix(lines.Text(), symbolsHead)
	if !ok {
		return nil, errors.New("not a file of symbols")
	}
	s := &Symbols{Build: build}
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "= "); ok {
			s.Functions = append(s.Functions, Symbol{Name: name})
			continue
		}
		fields := strings.Split(lines.Text(), "\t")
		from, err := strconv.ParseUint(fields[0], 16, 32)
		if err != nil || len(fields)%2 != 1 || len(s.Functions) == 0 {
			return nil, fmt.Errorf("a line of symbols that is none: %q", lines.Text())
		}
		r := Range{From: uint32(from)}
		for i := 1; i < len(fields); i += 2 {
			colon := strings.LastIndexByte(fields[i], ':')
			line, err := strconv.ParseInt(fields[i][colon+1:], 10, 32)
			if err != nil || colon < 0 {
				return nil, fmt.Errorf("a line of symbols that is none: %q", lines.Text())
			}
			r.Frames = append(r.Frames, Frame{Function: fields[i+1], File: fields[i][:colon], Line: int32(line)})
		}
		f := &s.Functions[len(s.Functions)-1]
		f.Ranges = append(f.Ranges, r)
	}
	return s, lines.Err()
}

// ShortName is the name that a stripped wasm has for a function.
func ShortName(number int) string {
	letter := func(shift int) string { return string(rune('a' + number>>shift&15)) }
	return "w.(*" + letter(12) + letter(8) + letter(4) + letter(0) + ").f"
}

// at returns the frames of a place of a function.
func (f *Symbol) at(place uint32) (frames []Frame) {
	for _, r := range f.Ranges {
		if r.From > place {
			break
		}
		frames = r.Frames
	}
	return frames
}

// traced is a function in a traceback, with the arguments or the goroutine behind its name, and the
// place in the next line, which may have something of the console's before it.
var traced = regexp.MustCompile(`w\.\(\*([a-p]{4})\)\.f([^\n]*)\n([^\n]*?)\?:0(?: \+0x([0-9a-f]+))?`)

// named is a short name where no place follows.
var named = regexp.MustCompile(`w\.\(\*([a-p]{4})\)\.f|w\.([a-p]{4})\.f`)

// Explain puts names, files and lines into the tracebacks of a log. What it does not know it
// leaves as it is.
func (s *Symbols) Explain(log string) string {
	function := func(letters string) *Symbol {
		n := 0
		for _, l := range letters {
			n = n<<4 | int(l-'a')
		}
		if n >= len(s.Functions) {
			return nil
		}
		return &s.Functions[n]
	}
	log = traced.ReplaceAllStringFunc(log, func(match string) string {
		m := traced.FindStringSubmatch(match)
		f := function(m[1])
		if f == nil {
			return match
		}
		// The place behind the + is where the function goes on; the call is before it.
		place, _ := strconv.ParseUint(m[4], 16, 32)
		behind := ""
		if m[4] != "" {
			behind = " +0x" + m[4]
		}
		frames := f.at(uint32(max(place, 1) - 1))
		var b strings.Builder
		for i, frame := range frames {
			rest := "(...)\n" // as Go writes what was inlined
			if i == len(frames)-1 {
				rest = m[2] + "\n"
			}
			fmt.Fprintf(&b, "%s%s%s%s:%d", frame.Function, rest, m[3], frame.File, frame.Line)
			if i < len(frames)-1 {
				b.WriteByte('\n')
			}
		}
		return b.String() + behind
	})
	return named.ReplaceAllStringFunc(log, func(match string) string {
		m := named.FindStringSubmatch(match)
		if f := function(m[1] + m[2]); f != nil {
			return f.Name
		}
		return match
	})
}
