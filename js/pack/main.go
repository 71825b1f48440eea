// Command pack assembles what is shipped. build.sh calls it; its flags are build.sh's
// business.
//
//	go run ./js/pack -version 0.1.0 -build 0.1.0-1a2b3c -out dist
//
// It expects the wasm in the out folder, and adds to it
//
//   - avaya-ccaas-chat-sdk.js: the shim's modules and the toolchain's wasm_exec.js, bundled
//     and minified, stamped with the version, the build and the hash of the wasm,
//   - avaya-ccaas-chat-sdk.d.ts, its types,
//   - .br and .gz of each, for servers that do not compress,
//   - avaya-ccaas-chat-sdk.symbols, with which -trace reads tracebacks; not for visitors,
//   - build-info.json,
//   - npm, a folder with the package for npm (npm.go).
//
// The wasm itself it replaces by one that begins where main waits (package snapshot), without the
// tables that only tracebacks read (package strip). Where it does not know the toolchain it says
// so, and ships the file as it is.
//
// The same sources and toolchain give the same bytes, in whatever folder and hour.
// With -sizes it prints what the files weigh, and which packages make the wasm, and fails
// when a file is over its bound. -release notes those packages as the last release's. With -trace
// it copies its input, and puts functions, files and lines into the tracebacks of the build in
// the out folder.
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/evanw/esbuild/pkg/api"

	"openchat/js/pack/snapshot"
	"openchat/js/pack/strip"
	"openchat/js/pack/wasmfile"
)

const name = "avaya-ccaas-chat-sdk"

// bounds are the largest brotli sizes in bytes that may be shipped: every visitor of a
// page pays them.
var bounds = map[string]int64{".wasm": 502 << 10, ".js": 6<<10 + 1<<9}

// reactBound is that of the package's entry for React, which pages with React may add to them.
const reactBound = 2 << 10

// kinds are the shipped files, in the order of printing.
var kinds = []string{".js", ".wasm", ".d.ts"}

func main() {
	var p pack
	release := flag.Bool("release", false, "write js/pack/packages.txt, with which -sizes compares")
	bounds := flag.Bool("bounds", false, "print the sizes of what is in -out, and fail over a bound")
	sizes := flag.Bool("sizes", false, "the same, and what each step of the build takes away, and which packages make the wasm")
	trace := flag.Bool("trace", false, "read a log, and print it with functions, files and lines in its tracebacks")
	flag.StringVar(&p.packageName, "package", "", "the npm package's name, to be set in what is in -out")
	flag.StringVar(&p.version, "version", "", "SemVer of the build")
	flag.StringVar(&p.build, "build", "", "stamp that script and wasm share")
	flag.StringVar(&p.source, "source", "js", "folder of the shim")
	flag.StringVar(&p.out, "out", "dist", "folder of the built files")
	flag.StringVar(&p.goroot, "goroot", "", "GOROOT of the toolchain that built the wasm")
	flag.StringVar(&p.goVersion, "go", runtime.Version(), "version of that toolchain; of one that is not known the wasm is shipped as it is")
	flag.Parse()
	p.warnings = os.Stderr
	run := p.run
	switch {
	case *bounds:
		run = func() error { return printSizes(os.Stdout, p.out) }
	case *sizes:
		run = func() error {
			return errors.Join(printSizes(os.Stdout, p.out), p.printSteps(os.Stdout, brotliWriter), printPackages(os.Stdout))
		}
	case *release:
		run = writePackages
	case p.packageName != "":
		run = p.namePackage
	case *trace:
		run = func() error { return explain(os.Stdout, os.Stdin, p.out) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

type pack struct {
	version, build, source, out, goroot string
	packageName                         string    // "": the build's, which cannot be published
	goVersion                           string    // of the toolchain that built the wasm
	warnings                            io.Writer // what does not keep the build from shipping
}

func (p *pack) run() error {
	if p.version == "" || p.build == "" || p.goroot == "" {
		return errors.New("-version, -build and -goroot are needed; run ./build.sh")
	}
	wasm, err := os.ReadFile(filepath.Join(p.out, name+".wasm"))
	if err != nil {
		return err
	}
	wasm, values, err := p.lighten(wasm)
	if err != nil {
		return err
	}
	script, _, err := p.script(tag, wasm, values)
	if err != nil {
		return err
	}
	types, err := os.ReadFile(filepath.Join(p.source, name+".d.ts"))
	if err != nil {
		return err
	}
	files := map[string][]byte{".js": script, ".wasm": wasm, ".d.ts": types}
	hashes := map[string]string{}
	for _, kind := range kinds {
		content := files[kind]
		hashes[name+kind] = integrity(content)
		if err := os.WriteFile(filepath.Join(p.out, name+kind), content, 0o644); err != nil {
			return err
		}
		for suffix, compress := range map[string]func(io.Writer) (io.WriteCloser, error){".br": brotliWriter, ".gz": gzipWriter} {
			if err := writeCompressed(filepath.Join(p.out, name+kind+suffix), content, compress); err != nil {
				return err
			}
		}
	}
	info, err := json.MarshalIndent(map[string]any{
		"version":   p.version,
		"build":     p.build,
		"goVersion": p.goVersion,
		"sha384":    hashes,
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := p.writePackage(wasm, values, files); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(p.out, "build-info.json"), append(info, '\n'), 0o644)
}

// environment is the program's. A page has less to spare than a server: the heap grows by three
// tenths, not to the double, before it is collected.
var environment = map[string]string{"GOGC": "30"}

// buildSection is the custom section of the wasm that has the build's stamp, for the script.
const buildSection = "build"

// held is what the script is to know of the values that Go holds in a snapshot: a list, for each
// value the number of references and its path from Go's global, or its text, or its number as a
// js.Func. nil: the wasm is no snapshot.
type held [][2]any

// lighten returns the wasm as it is shipped, and writes its symbols. Of a toolchain that is not
// known the wasm is returned as it is, with a warning and without symbols: its tracebacks have
// names, and each page starts it from the beginning.
func (p *pack) lighten(wasm []byte) ([]byte, held, error) {
	symbolsFile := filepath.Join(p.out, name+".symbols")
	if err := os.Remove(symbolsFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	shot, values, err := takeSnapshot(wasm, p.goVersion, p.build)
	switch {
	case errors.As(err, new(*wasmfile.Unsupported)):
		fmt.Fprintf(p.warnings, "pack: warning: each page starts the program from the beginning: %v\n", err)
	case err != nil:
		return nil, nil, err
	default:
		wasm = shot
	}
	stripped, symbols, err := strip.Strip(wasm, p.goVersion)
	if errors.As(err, new(*wasmfile.Unsupported)) {
		fmt.Fprintf(p.warnings, "pack: warning: the wasm has the tables of tracebacks, and is about a third larger: %v\n", err)
		return wasm, values, nil
	}
	if err != nil {
		return nil, nil, err
	}
	symbols.Build = p.build
	var b bytes.Buffer
	if err := symbols.Write(&b); err != nil {
		return nil, nil, err
	}
	return stripped, values, os.WriteFile(symbolsFile, b.Bytes(), 0o644)
}

// takeSnapshot starts the program at build time. What it finds in the page until main waits stands
// in js/src/core.js (newGlobal) and js/src/bridge.js (Shim); what else it asks for ends the
// snapshot.
func takeSnapshot(wasm []byte, goVersion, build string) ([]byte, held, error) {
	function := func() *snapshot.Function { return &snapshot.Function{} }
	constants := map[string]any{}
	for _, name := range []string{"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND", "O_EXCL", "O_DIRECTORY"} {
		constants[name] = -1.0
	}
	var stamp any
	var commands []*snapshot.Wrapper
	started := &snapshot.Function{Called: func(args []any) {
		if len(args) == 2 {
			stamp = args[0]
			if command, ok := args[1].(*snapshot.Wrapper); ok {
				commands = append(commands, command)
			}
		}
	}}
	state, err := snapshot.Take(wasm, goVersion, &snapshot.Object{Members: map[string]any{
		"Object": function(), "Array": function(), "Uint8Array": function(), "process": nil, "path": nil,
		"fs":   &snapshot.Object{Members: map[string]any{"constants": &snapshot.Object{Members: constants}}},
		"shim": &snapshot.Object{Members: map[string]any{"bound": function(), "deliver": function(), "started": started}},
	}}, environment)
	if err != nil {
		return nil, nil, err
	}
	values := held{}
	wrappers := 0
	for _, v := range state.Values {
		var what any = v.Text
		switch {
		case v.Wrapper != 0:
			what = v.Wrapper
			wrappers++
		case v.Path != nil:
			what = v.Path
		}
		values = append(values, [2]any{v.References, what})
	}
	if stamp != build || len(commands) != 1 || wrappers != 1 {
		return nil, nil, fmt.Errorf("the program says that it is of build %v, not %s, with %d commands of %d functions", stamp, build, len(commands), wrappers)
	}
	file, err := wasmfile.Parse(state.Wasm)
	if err != nil {
		return nil, nil, err
	}
	file.SetCustom(buildSection, []byte(build))
	return file.Bytes(), values, nil
}

// explain copies a log, with names in its tracebacks.
func explain(w io.Writer, r io.Reader, out string) error {
	f, err := os.Open(filepath.Join(out, name+".symbols"))
	if err != nil {
		return err
	}
	defer f.Close()
	symbols, err := strip.ReadSymbols(f)
	if err != nil {
		return err
	}
	log, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, symbols.Explain(string(log)))
	return err
}

// integrity is the Subresource Integrity form of a file's hash.
func integrity(content []byte) string {
	sum := sha512.Sum384(content)
	return "sha384-" + base64.StdEncoding.EncodeToString(sum[:])
}

// form is one in which the shim is shipped: the modules that an entry needs, bundled, between two
// pieces of text.
type form struct {
	file, entry   string
	before, after string
	isPackage     bool
}

// tag is the script for a tag: a function that does nothing where there is no document.
var tag = form{
	file: name + ".js", entry: name + ".js",
	before: "(() => {\n\"use strict\";\nif (typeof window === \"undefined\" || !window.document) return;", after: "})();",
}

// script builds the shim in one of its forms, and its source map, if it is the package's.
func (p *pack) script(f form, wasm []byte, values held) (script, sourceMap []byte, err error) {
	glue, err := os.ReadFile(filepath.Join(p.goroot, "lib", "wasm", "wasm_exec.js"))
	if err != nil {
		return nil, nil, fmt.Errorf("the Go toolchain has no wasm_exec.js: %w", err)
	}
	source, err := filepath.Abs(p.source)
	if err != nil {
		return nil, nil, err
	}
	inline, external := api.SourceMapNone, api.SourceMapNone
	if f.isPackage {
		inline, external = api.SourceMapInline, api.SourceMapExternal
	}
	text := withFastStrings(withoutStubs(string(glue)))
	if values != nil {
		text = starter.ReplaceAllString(text, "")
	}
	given := environment
	if values != nil {
		given = nil // the build has given it
	}
	quoted := func(v any) string { b, _ := json.Marshal(v); return string(b) }
	bundle := api.Build(api.BuildOptions{
		AbsWorkingDir: source,
		EntryPoints:   []string{f.entry},
		Bundle:        true,
		Sourcemap:     inline,
		Banner:        map[string]string{"js": f.before},
		Footer:        map[string]string{"js": f.after},
		Format:        api.FormatESModule,
		Target:        api.ES2017,
		MinifySyntax:  true,
		Charset:       api.CharsetUTF8,
		LegalComments: api.LegalCommentsNone,
		TsconfigRaw:   "{}", // js/tsconfig.json is for editors and tests
		Plugins:       []api.Plugin{withGlue(withoutUnused(text, wasm))},
		Define: map[string]string{
			"VERSION":       quoted(p.version),
			"BUILD":         quoted(p.build),
			"INTEGRITY":     quoted(integrity(wasm)),
			"FROM_SNAPSHOT": fmt.Sprint(values != nil),
			"SNAPSHOT":      quoted(values),
			"ENVIRONMENT":   quoted(given),
			"PACKAGE":       fmt.Sprint(f.isPackage),
		},
	})
	if err := firstOf(bundle.Errors, bundle.Warnings); err != nil {
		return nil, nil, err
	}
	result := api.Transform(string(bundle.OutputFiles[0].Contents), api.TransformOptions{
		Sourcefile:        f.file,
		Sourcemap:         external,
		Loader:            api.LoaderJS,
		Target:            api.ES2017,
		Supported:         map[string]bool{"import-meta": true},
		MinifySyntax:      true,
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		MangleProps:       private.String(),
		ReserveProps:      named(string(glue), wasm),
		Charset:           api.CharsetUTF8,
		LegalComments:     api.LegalCommentsNone,
	})
	if err := firstOf(result.Errors, result.Warnings); err != nil {
		return nil, nil, err
	}
	header := "/*! " + name + " " + p.version + ", Apache-2.0; with wasm_exec.js, (c) The Go Authors, BSD-3-Clause */\n"
	return append([]byte(header), result.Code...), result.Map, nil
}

// private is a property of the shim's or of wasm_exec.js's own, whose name is made short.
var private = regexp.MustCompile(`\b_[a-z]\w*`)

// named matches the private properties of wasm_exec.js that keep their names, because Go uses
// them: each name stands in the wasm.
func named(glue string, wasm []byte) string {
	names := []string{"_"} // which is no name of any
	for _, name := range private.FindAllString(glue, -1) {
		if bytes.Contains(wasm, []byte(name)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return "^(" + strings.Join(slices.Compact(names), "|") + ")$"
}

// firstOf returns the first of esbuild's messages as an error.
func firstOf(lists ...[]api.Message) error {
	all := slices.Concat(lists...)
	if len(all) == 0 {
		return nil
	}
	if l := all[0].Location; l != nil {
		return fmt.Errorf("%s:%d: %s", l.File, l.Line, all[0].Text)
	}
	return errors.New(all[0].Text)
}

// withGlue puts the toolchain's wasm_exec.js into src/glue.js.
func withGlue(glue string) api.Plugin {
	return api.Plugin{Name: "wasm_exec.js", Setup: func(build api.PluginBuild) {
		build.OnLoad(api.OnLoadOptions{Filter: `[\\/]src[\\/]glue\.js$`}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
			file, err := os.ReadFile(args.Path)
			if err != nil {
				return api.OnLoadResult{}, err
			}
			const place = "/* wasm_exec.js */"
			if bytes.Count(file, []byte(place)) != 1 {
				return api.OnLoadResult{}, fmt.Errorf("glue.js must hold %q once", place)
			}
			contents := strings.Replace(string(file), place, glue, 1)
			return api.OnLoadResult{Contents: &contents}, nil
		})
	}}
}

// stubs are the parts of wasm_exec.js that no visitor needs: what stands in for a part of
// Node, complains that one is missing, or serves the toolchain's own tests and debugging;
// and what the shim makes superfluous: it is strict, has an exit of its own, gives the glue an
// instance and one short variable of the environment, and does not resume after the end.
var stubs = regexp.MustCompile(`(?ms)^\tif \(!globalThis\.(fs|process|path|crypto|performance|TextEncoder|TextDecoder)\) \{$.*?^\t\}$` +
	`|^\tconst enosys = .*?^\t\};$|^\t\t\tconst testCallExport = .*?^\t\t\t\}$|^\t\t\t\t_gotest: \{$.*?^\t\t\t\t\},$|^\t\t\t\t\t"debug": .*?^\t\t\t\t\t\},?$` +
	`|^\t\t\tif \(!\(instance instanceof WebAssembly\.Instance\)\) \{$.*?^\t\t\t\}$|^"use strict";$|^\t\t\tconst wasmMinDataAddr = .*?^\t\t\t\}$` +
	`|^\t\t\tif \(this\.exited\) \{\n\t\t\t\tthrow .*?^\t\t\t\}$|^\t\t\tthis\.exit = .*?^\t\t\t\};?$`)

// starter is the method of wasm_exec.js that starts a program from its begin.
var starter = regexp.MustCompile(`(?ms)^\t\tasync run\(instance\) \{$.*?^\t\t\}$`)

// withoutStubs leaves them out. Where a later toolchain writes them in another way they stay,
// and do no harm but to the size.
func withoutStubs(glue string) string { return stubs.ReplaceAllString(glue, "") }

// slowStrings are the parts of wasm_exec.js that copy strings between Go and JavaScript.
var slowStrings = []string{
	`const encoder = new TextEncoder("utf-8");`,
	`const str = encoder.encode(String(loadValue(sp + 8)));
						storeValue(sp + 16, str);
						setInt64(sp + 24, str.length);`,
	`const str = loadValue(sp + 8);
						loadSlice(sp + 16).set(str);`,
	`const saddr = getInt64(addr + 0);
				const len = getInt64(addr + 8);
				return decoder.decode(new DataView(this._inst.exports.mem.buffer, saddr, len));`,
}

// fastStrings stand in their places. encode takes ten times as long as encodeInto, which goes twice
// over a string instead: into a place that is kept, for its length in UTF-8, then into Go's memory.
// The value that Go holds meanwhile is the string itself, so nothing that runs between the two can
// change it.
var fastStrings = []string{
	slowStrings[0] + `
	const room = new Uint8Array(196608);`,
	`const str = String(loadValue(sp + 8));
						storeValue(sp + 16, str);
						setInt64(sp + 24, encoder.encodeInto(str, str.length > 65536 ? new Uint8Array(str.length * 3) : room).written);`,
	`encoder.encodeInto(loadValue(sp + 8), loadSlice(sp + 16));`,
	`return decoder.decode(loadSlice(addr));`,
}

// withFastStrings replaces them, all or none: where a later toolchain writes one in another way, it
// stays as it is.
func withFastStrings(glue string) string {
	fast := glue
	for i, slow := range slowStrings {
		if strings.Count(fast, slow) != 1 {
			return glue
		}
		fast = strings.Replace(fast, slow, fastStrings[i], 1)
	}
	return fast
}

// imported is a function that wasm_exec.js gives to the wasm.
var imported = regexp.MustCompile(`(?ms)^\t{5}"([\w/]+\.\w+)": \(sp\) => \{$.*?^\t{5}\},$`)

// withoutUnused leaves out the functions that the wasm does not import: the name of each
// import stands in the file.
func withoutUnused(glue string, wasm []byte) string {
	return imported.ReplaceAllStringFunc(glue, func(function string) string {
		if bytes.Contains(wasm, []byte(imported.FindStringSubmatch(function)[1])) {
			return function
		}
		return ""
	})
}

func brotliWriter(w io.Writer) (io.WriteCloser, error) {
	return brotli.NewWriterLevel(w, brotli.BestCompression), nil
}

// gzipWriter leaves the header's time and name empty, so that the bytes repeat.
func gzipWriter(w io.Writer) (io.WriteCloser, error) {
	return gzip.NewWriterLevel(w, gzip.BestCompression)
}

func compressed(content []byte, writer func(io.Writer) (io.WriteCloser, error)) ([]byte, error) {
	var b bytes.Buffer
	w, err := writer(&b)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func writeCompressed(path string, content []byte, writer func(io.Writer) (io.WriteCloser, error)) error {
	packed, err := compressed(content, writer)
	if err != nil {
		return err
	}
	return os.WriteFile(path, packed, 0o644)
}

// printSteps prints what each step between the toolchain's wasm and the shipped one takes away,
// of the raw file and of what writer makes of it.
func (p *pack) printSteps(w io.Writer, writer func(io.Writer) (io.WriteCloser, error)) error {
	dir, err := os.MkdirTemp("", "pack")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	const build = "0.0.0-000000000000" // as long as a stamp is
	file := filepath.Join(dir, "plain.wasm")
	if out, err := exec.Command("./build.sh", "wasm", "-s -w -X main.build="+build, file, "./wasm").CombinedOutput(); err != nil {
		return fmt.Errorf("build.sh: %w\n%s", err, out)
	}
	wasm, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%-60s %10s %10s %10s %10s   bytes\n", "the wasm, step by step", "raw", "", "brotli", "")
	var raw, packed int
	step := func(name string) error {
		brotli, err := compressed(wasm, writer)
		if err != nil {
			return err
		}
		differences := []any{"", ""}
		if raw > 0 {
			differences = []any{fmt.Sprintf("%+d", len(wasm)-raw), fmt.Sprintf("%+d", len(brotli)-packed)}
		}
		raw, packed = len(wasm), len(brotli)
		fmt.Fprintf(w, "%-60s %10d %10s %10d %10s\n", name, raw, differences[0], packed, differences[1])
		return nil
	}
	if err := step("as the toolchain makes it"); err != nil {
		return err
	}
	if wasm, _, err = takeSnapshot(wasm, p.goVersion, build); err != nil {
		return err
	}
	if err := step("snapshot, after main waits"); err != nil {
		return err
	}
	stripped, symbols, err := strip.Strip(wasm, p.goVersion)
	if err != nil {
		return err
	}
	wasm = stripped
	if err := step("strip, of what only tracebacks read"); err != nil {
		return err
	}
	for _, r := range symbols.Removed {
		fmt.Fprintf(w, "  %-58s %10s %+10d\n", r.What, "", -r.Bytes)
	}
	return nil
}

// printSizes fails when a file is over its bound.
func printSizes(w io.Writer, out string) error {
	const kb = 1024
	fmt.Fprintf(w, "%-28s %10s %10s %10s %10s   KB of 1024 bytes\n", "", "raw", "gzip", "brotli", "bound")
	var over []string
	row := func(file string, sizes [3]int64, bound int64) {
		most := ""
		if bound > 0 {
			most = fmt.Sprint(float64(bound) / kb)
			if sizes[2] > bound {
				over = append(over, fmt.Sprintf("%s is %d bytes in brotli, over its bound of %d", file, sizes[2], bound))
			}
		}
		fmt.Fprintf(w, "%-28s %10.1f %10.1f %10.1f %10s\n", file,
			float64(sizes[0])/kb, float64(sizes[1])/kb, float64(sizes[2])/kb, most)
	}
	for _, kind := range kinds {
		var sizes [3]int64
		for i, suffix := range []string{"", ".gz", ".br"} {
			info, err := os.Stat(filepath.Join(out, name+kind+suffix))
			if err != nil {
				return fmt.Errorf("%w: run ./build.sh first", err)
			}
			sizes[i] = info.Size()
		}
		row(name+kind, sizes, bounds[kind])
	}
	// The package's files are not compressed: npm does that.
	entry := packageFolder + "/" + reactForms[0].file
	content, err := os.ReadFile(filepath.Join(out, entry))
	if err != nil {
		return fmt.Errorf("%w: run ./build.sh first", err)
	}
	sizes := [3]int64{int64(len(content))}
	for i, writer := range []func(io.Writer) (io.WriteCloser, error){gzipWriter, brotliWriter} {
		packed, err := compressed(content, writer)
		if err != nil {
			return err
		}
		sizes[i+1] = int64(len(packed))
	}
	row(entry, sizes, reactBound)
	if over != nil {
		return errors.New(strings.Join(over, "; "))
	}
	return nil
}
