// Package snapshot runs a Go wasm at build time until its main waits, and makes a wasm out of what
// is there then. A page that loads it begins where the build has ended.
//
// # How a Go program starts in a page
//
// A wasm of GOOS=js exports three functions. The page calls run, once: it sets up Go's runtime
// (heap, scheduler, the first goroutines), initializes all packages and calls main. When no
// goroutine can go on, run returns to the page. From then on the page calls resume, when there is
// an event or a timer is due; the scheduler goes on, until all goroutines wait again. (getsp
// returns Go's stack pointer.) So between two calls nothing of Go is on the engine's own stack: all
// that the program is, is its linear memory and eight globals, which serve Go as registers.
//
// Everything up to the first return is the same in each page. [Take] does it once: it runs the
// module in an interpreter, reads memory and globals when run has returned, and writes them back
// as data segments and as the globals' initial values. The result has no run any more.
//
// # The other side
//
// Go refers to values of JavaScript by numbers, places in a table that the toolchain's
// wasm_exec.js keeps: _values, with a count of Go's references to each in _goRefCounts. The first
// seven are fixed. What is behind them the program has got by running: while it runs here, its
// imports are answered by a model of the page's global (the given [Object]), which notes where each
// value has come from. [State.Values] is that list, and the page puts its own values at the same
// places. What the model does not have the program cannot ask for before main waits: then Take
// fails with [wasmfile.Unsupported], and never guesses.
//
// # What is different in a page, and what is not
//
// Time: the program has started one second after 1970, so no page's clock is before that.
// Timers: none may be running, Take refuses them. Environment: as given, for all pages.
//
// Randomness: the runtime's generator has the same state in each page. It decides the seeds of
// maps, the order in which they are walked, and which case of a select is taken first. In a page
// this is sound, because its maps hold what its own customer and gateway sent: who could choose
// colliding keys would slow down nobody but himself. Ids, keys and delays must differ, and do: they
// come from the browser (wasm/random.go; tests/meta forbids other sources).
//
// Like package strip, this one knows one minor version of Go, [Go]. To make it know the next one,
// compare lib/wasm/wasm_exec.js, runtime/lock_js.go, runtime/rt0_js_wasm.s, syscall/js/js.go and
// cmd/link/internal/wasm/asm.go (writeGlobalSec) with what they were.
package snapshot

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"openchat/js/pack/wasmfile"
)

// Go is the minor version of Go that this package understands.
const Go = "go1.26"

// An Object is one of the page's, as the program sees it before main waits: its members are
// float64, nil for undefined, *Object, or *Function.
type Object struct{ Members map[string]any }

// A Function is one of the page's. Called is what a call of it does here, and is given the
// arguments: float64, string, *Object, *Function or *Wrapper. nil: the program may hold
// it, but not call it.
type Function struct{ Called func(args []any) }

// A Wrapper is what syscall/js.FuncOf makes: a function of Go's, by the number that it has there.
type Wrapper struct{ ID int }

// A Value is one that Go holds.
type Value struct {
	// Path is how the value is found from Go's global, nil for what is not found so.
	Path []string
	// Wrapper is the number of a js.Func, 0 for other values.
	Wrapper int
	// Text is a string's.
	Text string
	// References is how many Go has.
	References int
}

// State is a snapshot.
type State struct {
	Wasm []byte
	// Values are those at the places behind the fixed ones: from 7 on.
	Values []Value
}

// Fixed values of the table in wasm_exec.js: NaN, 0, null, true, false, the global, the instance of
// its class Go.
const (
	idZero   = 1
	idNull   = 2
	idTrue   = 3
	idFalse  = 4
	idGlobal = 5
	idGo     = 6
	fixed    = 7
)

// globalCount is how many registers Go has in globals.
const globalCount = 8

const started = int64(1e9) // when the program runs, in ns since 1970

// Take runs the program in the module until it waits. goVersion is of the toolchain that built
// it; global is what the program sees of the page. environment is that of the program.
func Take(wasm []byte, goVersion string, global *Object, environment map[string]string) (*State, error) {
	if goVersion != Go && !strings.HasPrefix(goVersion, Go+".") && !strings.HasPrefix(goVersion, Go+"-") {
		return nil, wasmfile.Unsupportedf("it was built by %s, and only the start of %s is known", goVersion, Go)
	}
	file, err := wasmfile.Parse(wasm)
	if err != nil {
		return nil, err
	}
	registers, err := file.Globals()
	if err != nil {
		return nil, err
	}
	if len(registers) != globalCount {
		return nil, wasmfile.Unsupportedf("it has %d globals, not %d", len(registers), globalCount)
	}
	name := func(i int) string { return fmt.Sprint("snapshot ", i) }
	readable, err := wasmfile.Parse(wasm)
	if err != nil {
		return nil, err
	}
	for i := range registers {
		if err := readable.AddExport(name(i), wasmfile.GlobalExport, i); err != nil {
			return nil, err
		}
	}

	// The interpreter: to compile the module takes longer than to run this little of it.
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	compiled, err := r.CompileModule(ctx, readable.Bytes())
	if err != nil {
		return nil, err
	}
	p := newPage(global)
	if err := p.serve(ctx, r, compiled); err != nil {
		return nil, err
	}
	module, err := r.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithStartFunctions())
	if err != nil {
		return nil, err
	}
	p.memory = module.Memory()
	argc, argv, err := p.arguments(environment)
	if err != nil {
		return nil, err
	}
	run := module.ExportedFunction("run")
	if run == nil || p.memory == nil {
		return nil, wasmfile.Unsupportedf("it exports no run, or no memory")
	}
	if _, err := run.Call(ctx, argc, argv); err != nil {
		if p.refused != nil { // the interpreter wraps it with a stack
			return nil, p.refused
		}
		return nil, err
	}

	for i := range registers {
		g := module.ExportedGlobal(name(i))
		if registers[i].Type == wasmfile.I32 {
			registers[i].Value = int64(int32(g.Get()))
		} else {
			registers[i].Value = int64(g.Get())
		}
	}
	image, ok := p.memory.Read(0, p.memory.Size())
	if !ok {
		return nil, errors.New("the memory cannot be read")
	}
	file.SetImage(image)
	file.SetGlobals(registers)
	if err := file.RemoveExport("run"); err != nil {
		return nil, err
	}
	return &State{file.Bytes(), p.held()}, nil
}

// page is the model of JavaScript's side: see wasm_exec.js, whose functions these are.
type page struct {
	memory  api.Memory
	values  []any
	counts  []int
	ids     map[any]int
	paths   map[any][]string
	refused error
}

// undefined is the value that is no value: nil is null.
type undefinedType struct{}

var undefined = undefinedType{}

func newPage(global *Object) *page {
	instance := &Object{Members: map[string]any{"_makeFuncWrapper": &Function{}}}
	p := &page{
		values: []any{math.NaN(), 0.0, nil, true, false, global, instance},
		counts: make([]int, fixed),
		ids:    map[any]int{0.0: idZero, nil: idNull, true: idTrue, false: idFalse, global: idGlobal, instance: idGo},
		paths:  map[any][]string{},
	}
	var walk func(o *Object, path []string)
	walk = func(o *Object, path []string) {
		names := make([]string, 0, len(o.Members))
		for name := range o.Members {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			at := append(slices.Clone(path), name)
			switch m := o.Members[name].(type) {
			case *Object:
				p.paths[m] = at
				walk(m, at)
			case *Function:
				p.paths[m] = at
			}
		}
	}
	walk(global, nil)
	return p
}

// refuse ends the run.
func (p *page) refuse(format string, args ...any) {
	p.refused = wasmfile.Unsupportedf(format, args...)
	panic(p.refused)
}

// arguments writes the program's name and environment where the runtime looks for them.
func (p *page) arguments(environment map[string]string) (argc, argv uint64, err error) {
	const begin, end = 4096, 4096 + 8192
	var texts []byte
	var places []uint64
	put := func(s string) {
		places = append(places, uint64(begin+len(texts)))
		texts = append(append(texts, s...), 0)
		for len(texts)%8 != 0 {
			texts = append(texts, 0)
		}
	}
	put("js")
	places = append(places, 0)
	names := make([]string, 0, len(environment))
	for name := range environment {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		put(name + "=" + environment[name])
	}
	places = append(places, 0)
	argv = uint64(begin + len(texts))
	for _, place := range places {
		texts = binary.LittleEndian.AppendUint64(texts, place)
	}
	if begin+len(texts) > end || !p.memory.Write(begin, texts) {
		return 0, 0, errors.New("the environment is too large")
	}
	return 1, argv, nil
}

func (p *page) u32(at uint32) uint32 {
	v, ok := p.memory.ReadUint32Le(at)
	if !ok {
		p.refuse("it reads outside of its memory")
	}
	return v
}

func (p *page) u64(at uint32) uint64 { return uint64(p.u32(at)) | uint64(p.u32(at+4))<<32 }

func (p *page) put64(at uint32, v uint64) {
	if !p.memory.WriteUint64Le(at, v) {
		p.refuse("it writes outside of its memory")
	}
}

func (p *page) text(at uint32) string {
	b, ok := p.memory.Read(uint32(p.u64(at)), uint32(p.u64(at+8)))
	if !ok {
		p.refuse("it reads outside of its memory")
	}
	return string(b)
}

func (p *page) load(at uint32) any {
	bits := p.u64(at)
	switch f := math.Float64frombits(bits); {
	case f == 0:
		return undefined
	case !math.IsNaN(f):
		return f
	}
	id := int(uint32(bits))
	if id >= len(p.values) {
		p.refuse("it uses a value that is not there")
	}
	return p.values[id]
}

func (p *page) list(at uint32) (list []any) {
	from, n := uint32(p.u64(at)), p.u64(at+8)
	for i := range uint32(n) {
		list = append(list, p.load(from+8*i))
	}
	return list
}

func (p *page) store(at uint32, v any) {
	if v == undefined {
		p.put64(at, 0)
		return
	}
	if f, ok := v.(float64); ok && f != 0 {
		if math.IsNaN(f) {
			p.put64(at, 0x7FF80000<<32)
			return
		}
		p.put64(at, math.Float64bits(f))
		return
	}
	id, ok := p.ids[v]
	if !ok {
		id = len(p.values)
		p.values = append(p.values, v)
		p.counts = append(p.counts, 0)
		p.ids[v] = id
	}
	p.counts[id]++
	kind := uint64(0)
	switch v.(type) {
	case *Object:
		kind = 1
	case string:
		kind = 2
	case *Function, *Wrapper:
		kind = 4
	}
	p.put64(at, (0x7FF80000|kind)<<32|uint64(id))
}

// imports are what a program may call before main waits. sp is Go's stack pointer: arguments and
// results are in the memory from sp+8 on.
func (p *page) imports() map[string]func(sp uint32) {
	return map[string]func(sp uint32){
		"runtime.resetMemoryDataView": func(uint32) {},
		"runtime.nanotime1":           func(sp uint32) { p.put64(sp+8, uint64(started)) },
		"runtime.getRandomData": func(sp uint32) {
			b := make([]byte, p.u64(sp+16))
			for i := range b {
				b[i] = byte(i*167 + 13)
			}
			if !p.memory.Write(uint32(p.u64(sp+8)), b) {
				p.refuse("it writes outside of its memory")
			}
		},
		"runtime.wasmWrite": func(sp uint32) {
			b, _ := p.memory.Read(uint32(p.u64(sp+16)), p.u32(sp+24))
			p.refuse("it writes %q", b)
		},
		"runtime.wasmExit": func(sp uint32) { p.refuse("it ends with code %d", int32(p.u32(sp+8))) },
		"syscall/js.stringVal": func(sp uint32) {
			p.store(sp+24, p.text(sp+8))
		},
		"syscall/js.valueGet": func(sp uint32) {
			name := p.text(sp + 16)
			o, ok := p.load(sp + 8).(*Object)
			if !ok {
				p.refuse("it reads the member %s of what is no object", name)
			}
			m, known := o.Members[name]
			if !known {
				p.refuse("it reads the member %s of %s, which is not known", name, p.describe(o))
			}
			if m == nil {
				m = undefined
			}
			p.store(sp+32, m)
		},
		"syscall/js.valueCall": func(sp uint32) {
			name, args := p.text(sp+16), p.list(sp+32)
			if p.load(sp+8) != p.values[idGo] || name != "_makeFuncWrapper" || len(args) != 1 {
				p.refuse("it calls %s", name)
			}
			id, _ := args[0].(float64)
			p.store(sp+56, &Wrapper{int(id)})
			p.memory.WriteByte(sp+64, 1)
		},
		"syscall/js.valueInvoke": func(sp uint32) {
			f, ok := p.load(sp + 8).(*Function)
			if !ok || f.Called == nil {
				p.refuse("it calls %s", p.describe(p.load(sp+8)))
			}
			f.Called(p.list(sp + 16))
			p.store(sp+40, undefined)
			p.memory.WriteByte(sp+48, 1)
		},
	}
}

func (p *page) describe(v any) string {
	if path, ok := p.paths[v]; ok {
		return strings.Join(path, ".")
	}
	if v == p.values[idGlobal] {
		return "the global"
	}
	return fmt.Sprintf("a %T", v)
}

// serve gives the module its imports. Those that are not known refuse.
func (p *page) serve(ctx context.Context, r wazero.Runtime, compiled wazero.CompiledModule) error {
	known := p.imports()
	hosts := map[string]wazero.HostModuleBuilder{}
	for _, definition := range compiled.ImportedFunctions() {
		module, name, _ := definition.Import()
		if hosts[module] == nil {
			hosts[module] = r.NewHostModuleBuilder(module)
		}
		f := known[name]
		if f == nil || module != "gojs" {
			f = func(uint32) { p.refuse("it calls %s", name) }
		}
		hosts[module].NewFunctionBuilder().WithGoModuleFunction(
			api.GoModuleFunc(func(_ context.Context, m api.Module, stack []uint64) {
				p.memory = m.Memory()
				f(uint32(stack[0]))
			}),
			definition.ParamTypes(), definition.ResultTypes()).Export(name)
	}
	for _, host := range hosts {
		if _, err := host.Instantiate(ctx); err != nil {
			return err
		}
	}
	return nil
}

// held lists what Go holds of the page.
func (p *page) held() (list []Value) {
	for id := fixed; id < len(p.values); id++ {
		v := Value{References: p.counts[id]}
		switch x := p.values[id].(type) {
		case *Wrapper:
			v.Wrapper = x.ID
		case string:
			v.Text = x
		default:
			v.Path = p.paths[x]
		}
		list = append(list, v)
	}
	return list
}
