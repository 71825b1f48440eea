package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"

	"openchat/js/pack/snapshot"
	"openchat/js/pack/strip"
	"openchat/tests/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func goroot(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// newPack has sources of its own: an entry, and src/glue.js.
func newPack(t *testing.T, entry, glue string) *pack {
	t.Helper()
	p := &pack{version: "1.2.3", build: "1.2.3-abc", source: t.TempDir(), out: t.TempDir(), goroot: goroot(t), goVersion: "go9.99.1", warnings: io.Discard}
	write(t, filepath.Join(p.source, name+".js"), []byte(entry))
	write(t, filepath.Join(p.source, "src", "glue.js"), []byte(glue))
	write(t, filepath.Join(p.source, "package.js"), []byte(`import "./src/glue.js"; provide({ x: PACKAGE, where: locate });`))
	write(t, filepath.Join(p.source, "react.js"), []byte(`import { useRef } from "react"; import sdk from "chat-sdk"; export const useX = () => useRef(sdk);`))
	write(t, filepath.Join(p.source, name+".d.ts"), []byte("// Types of x.\n\n/// <reference lib=\"dom\" />\n\n"+
		"declare const x: AvayaCCaaSChatSDK.SDK;\n\ndeclare namespace AvayaCCaaSChatSDK {\n  /** It. */\n  interface SDK {\n    init: Word;\n  }\n  type Word = 1;\n}\n"))
	write(t, filepath.Join(p.source, "..", "LICENSE"), []byte("the license"))
	write(t, filepath.Join(p.out, name+".wasm"), []byte("\x00asm"))
	return p
}

func TestPack(t *testing.T) {
	p := newPack(t, `import { glue } from "./src/glue.js"; window.x = [VERSION, BUILD, INTEGRITY, glue, {...window}, window._private];`,
		"export const glue = (globalThis, fs) => {\n/* wasm_exec.js */\nreturn globalThis.Go };\n")
	if err := p.run(); err != nil {
		t.Fatal(err)
	}
	script := string(read(t, filepath.Join(p.out, name+".js")))
	for _, part := range []string{`"1.2.3"`, `"1.2.3-abc"`, integrity([]byte("\x00asm")), "importObject", "BSD-3-Clause", "getOwnPropertySymbols"} {
		if !strings.Contains(script, part) {
			t.Errorf("the script does not hold %q", part)
		}
	}
	for what, part := range map[string]string{"syntax newer than ES2017": "{...", "a private name": "_private", "modules": "import"} {
		if strings.Contains(strings.ReplaceAll(script, "importObject", ""), part) {
			t.Errorf("the script holds %s", what)
		}
	}
	for _, kind := range kinds {
		path := filepath.Join(p.out, name+kind)
		content := read(t, path)
		gz, err := gzip.NewReader(bytes.NewReader(read(t, path+".gz")))
		if err != nil {
			t.Fatal(err)
		}
		if !gz.ModTime.IsZero() || gz.Name != "" {
			t.Errorf("%s.gz carries a time or a name", kind)
		}
		for suffix, r := range map[string]io.Reader{".gz": gz, ".br": brotli.NewReader(bytes.NewReader(read(t, path+".br")))} {
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s%s does not unpack to the file: %v", kind, suffix, err)
			}
		}
		if info := string(read(t, filepath.Join(p.out, "build-info.json"))); !strings.Contains(info, fmt.Sprintf("%q: %q", name+kind, integrity(content))) {
			t.Errorf("build-info.json does not hold the hash of %s:\n%s", kind, info)
		}
	}
}

// A wasm of a toolchain that is not known is shipped as it is, and the build says so.
func TestUnknownToolchain(t *testing.T) {
	p := newPack(t, `import "./src/glue.js";`, "/* wasm_exec.js */")
	var warnings bytes.Buffer
	p.warnings = &warnings
	symbols := filepath.Join(p.out, name+".symbols")
	write(t, symbols, []byte("of another build"))
	if err := p.run(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(p.out, name+".wasm")); string(got) != "\x00asm" {
		t.Errorf("the wasm is %q", got)
	}
	if strings.Count(warnings.String(), "warning") != 2 || !strings.Contains(warnings.String(), "go9.99.1") {
		t.Errorf("the build says %q", &warnings)
	}
	if _, err := os.Stat(symbols); err == nil {
		t.Error("there are still symbols of another build")
	}
	// Of the toolchain that is known, what is no wasm is a mistake.
	p.goVersion = strip.Go + ".1"
	if err := p.run(); err == nil {
		t.Error("a file that is no wasm is shipped")
	}
}

// What is cut from this toolchain's wasm_exec.js is all of it, and nothing else.
func TestStubs(t *testing.T) {
	glue := string(read(t, filepath.Join(goroot(t), "lib", "wasm", "wasm_exec.js")))
	if n := len(stubs.FindAllString(glue, -1)); n != 16 {
		t.Errorf("%d of 16 stubs were found", n)
	}
	left := withoutStubs(glue)
	for what, there := range map[string]bool{
		"if (!globalThis.": false, "already exited": false, "expected": false, "exceeds limit": false, "exit code": false, "not available": false, "utimes": false, "getuid": false,
		"globalThis.Go = class": true, "const encoder": true, "enosys": false, "testExport": false, "_gotest": false, "\"debug\"": false, "\tfs.writeSync(": true,
		"syscall/js.copyBytesToGo": true, "gojs: {": true,
	} {
		if strings.Contains(left, what) != there {
			t.Errorf("holds %q: %v, want %v", what, !there, there)
		}
	}
}

// Strings cross as the toolchain's wasm_exec.js has them cross.
func TestFastStrings(t *testing.T) {
	glue := string(read(t, filepath.Join(goroot(t), "lib", "wasm", "wasm_exec.js")))
	fast := withFastStrings(glue)
	for _, what := range fastStrings {
		if strings.Count(fast, what) != 1 {
			t.Fatalf("the glue does not hold once\n%s", what)
		}
	}
	for _, slow := range slowStrings {
		if other := strings.Replace(glue, slow, "/* new */", 1); withFastStrings(other) != other {
			t.Errorf("a glue without this is changed:\n%s", slow)
		}
	}
	browser, err := harness.SharedBrowser()
	if err != nil {
		t.Fatal(err)
	}
	page, err := harness.OpenTarget(browser, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	var seen [2]json.RawMessage
	for i, text := range []string{glue, fast} {
		if err := page.Eval(&seen[i], `((glue) => {
			(0, eval)(glue);
			const go = new Go(), memory = new WebAssembly.Memory({ initial: 32 }), { gojs } = go.importObject;
			go._inst = { exports: { mem: memory } };
			go.mem = new DataView(memory.buffer);
			Object.assign(go, { _values: [NaN, 0, null, true, false, {}, go], _goRefCounts: [], _ids: new Map(), _idPool: [] });
			const sp = 1024, sp2 = 2048, at = 4096;
			const hash = (bytes) => bytes.reduce((sum, byte) => (Math.imul(sum, 31) + byte) | 0, 7);
			const prepare = (sp, value) => { // as Go does
				go._values[7] = value;
				go.mem.setUint32(sp + 12, 0x7FF80002, true);
				go.mem.setUint32(sp + 8, 7, true);
				gojs["syscall/js.valuePrepareString"](sp);
				return Number(go.mem.getBigInt64(sp + 24, true));
			};
			const load = (sp, length) => {
				go.mem.setFloat64(sp + 8, go.mem.getFloat64(sp + 16, true), true);
				go.mem.setBigInt64(sp + 16, BigInt(at), true);
				go.mem.setBigInt64(sp + 24, BigInt(length), true);
				gojs["syscall/js.valueLoadString"](sp);
				return new Uint8Array(memory.buffer, at, length).slice();
			};
			const seen = [];
			for (const value of ["", "x", "ä€😀\u0000", "\ud800", "a\udc00b", "x".repeat(70000), "€".repeat(65536), "😀".repeat(40000), 7, true, null]) {
				// Something else crosses in between.
				const length = prepare(sp, value), other = prepare(sp2, "other " + String(value).slice(0, 70000));
				const bytes = load(sp, length);
				seen.push([length, hash(bytes), other, hash(load(sp2, other))]);
				// And back.
				new Uint8Array(memory.buffer, at, length).set(bytes);
				go.mem.setBigInt64(sp + 8, BigInt(at), true);
				go.mem.setBigInt64(sp + 16, BigInt(length), true);
				gojs["syscall/js.stringVal"](sp);
				const back = go._values[go.mem.getUint32(sp + 24, true)];
				seen.push([back.length, hash(new TextEncoder().encode(back))]);
			}
			return seen;
		})(%s)`, text); err != nil {
			t.Fatal(err)
		}
	}
	if string(seen[0]) != string(seen[1]) || len(seen[0]) < 300 {
		t.Errorf("strings cross as\n%s\nand not as\n%s", seen[1], seen[0])
	}
}

// Functions that the wasm does not import are left out, and no others.
func TestUnused(t *testing.T) {
	glue := string(read(t, filepath.Join(goroot(t), "lib", "wasm", "wasm_exec.js")))
	all := imported.FindAllStringSubmatch(glue, -1)
	if len(all) < 20 {
		t.Fatalf("only %d imports were found", len(all))
	}
	left := withoutUnused(glue, []byte("\x04gojs\x14syscall/js.valueCall\x00"))
	if n := len(imported.FindAllString(left, -1)); n != 1 || !strings.Contains(left, "syscall/js.valueCall") || !strings.Contains(left, "_makeFuncWrapper") {
		t.Errorf("%d of %d are left:\n%s", n, len(all), left)
	}
}

// Private properties get short names, but for those that Go uses.
func TestNamed(t *testing.T) {
	glue := "this._pendingEvent = this._resume(this.go_away, this.__proto__, this._pendingEvent)"
	if got, want := named(glue, []byte("x_pendingEventx_away")), "^(_|_pendingEvent)$"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	glue = string(read(t, filepath.Join(goroot(t), "lib", "wasm", "wasm_exec.js")))
	for _, name := range []string{"_pendingEvent", "_makeFuncWrapper", "_scheduledTimeouts", "_resume"} {
		if !slices.Contains(private.FindAllString(glue, -1), name) {
			t.Errorf("wasm_exec.js has no %s", name)
		}
	}
}

func TestPackErrors(t *testing.T) {
	const entry, glue = `import "./src/glue.js";`, "/* wasm_exec.js */"
	for what, c := range map[string]struct {
		entry, glue string
		spoil       func(*pack)
		want        string
	}{
		"a glue.js without a place for wasm_exec.js": {entry, "1", nil, "must hold"},
		"a mistake in the entry":                     {"const const", glue, nil, name + ".js:1"},
		"a mistake in a module":                      {entry, glue + "\nconst const", nil, "src/glue.js:"},
		"no such module":                             {`import "./src/gone.js";`, glue, nil, "gone.js"},
		"no wasm":                                    {entry, glue, func(p *pack) { p.out = t.TempDir() }, ".wasm"},
		"no toolchain":                               {entry, glue, func(p *pack) { p.goroot = t.TempDir() }, "wasm_exec.js"},
		"no license for the package":                 {entry, glue, func(p *pack) { os.Remove(filepath.Join(p.source, "..", "LICENSE")) }, "LICENSE"},
		"types of another form":                      {entry, glue, func(p *pack) { write(t, filepath.Join(p.source, name+".d.ts"), []byte("declare const x: 1;")) }, ".d.ts must"},
		"no version":                                 {entry, glue, func(p *pack) { p.version = "" }, "./build.sh"},
	} {
		p := newPack(t, c.entry, c.glue)
		if c.spoil != nil {
			c.spoil(p)
		}
		if err := p.run(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", what, err, c.want)
		}
	}
}

func TestSizes(t *testing.T) {
	out := t.TempDir()
	if err := printSizes(io.Discard, out); err == nil || !strings.Contains(err.Error(), "./build.sh") {
		t.Errorf("nothing built: %v", err)
	}
	noise := make([]byte, bounds[".js"]+1)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	for _, kind := range kinds {
		for _, suffix := range []string{"", ".br", ".gz"} {
			write(t, filepath.Join(out, name+kind+suffix), noise[:bounds[".js"]])
		}
	}
	if err := printSizes(io.Discard, out); err == nil || !strings.Contains(err.Error(), "./build.sh") {
		t.Errorf("no package built: %v", err)
	}
	react := filepath.Join(out, packageFolder, "react.mjs")
	write(t, react, noise[:reactBound-20]) // brotli adds some bytes to noise
	var table bytes.Buffer
	if err := printSizes(&table, out); err != nil {
		t.Errorf("at the bound: %v", err)
	}
	if !strings.Contains(table.String(), name+".wasm") || !strings.Contains(table.String(), fmt.Sprintf("%.1f", float64(bounds[".js"])/1024)) {
		t.Errorf("the table is\n%s", &table)
	}
	write(t, filepath.Join(out, name+".js.br"), noise)
	if err := printSizes(io.Discard, out); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%s.js is %d bytes", name, bounds[".js"]+1)) {
		t.Errorf("over the bound: %v", err)
	}
	write(t, react, noise[:reactBound+1])
	if err := printSizes(io.Discard, out); err == nil || !strings.Contains(err.Error(), "npm/react.mjs is ") {
		t.Errorf("the entry for React is over its bound: %v", err)
	}
}

// Each step is printed with what it takes away, of the file and of what is sent of it.
func TestSteps(t *testing.T) {
	t.Chdir("../..")
	var out bytes.Buffer
	fast := func(w io.Writer) (io.WriteCloser, error) { return brotli.NewWriterLevel(w, brotli.BestSpeed), nil }
	if err := (&pack{goVersion: runtime.Version()}).printSteps(&out, fast); err != nil {
		t.Fatal(err)
	}
	steps := regexp.MustCompile(`(?m)^(as the toolchain|snapshot,|strip,).*?\d+ +(?:([-+]\d+) +)?\d+ +([-+]\d+)?$`).FindAllStringSubmatch(out.String(), -1)
	if len(steps) != 3 {
		t.Fatalf("the steps are\n%s", &out)
	}
	// What the snapshot takes away depends on the compressor: it replaces code by a larger memory.
	if strip := steps[2]; !strings.HasPrefix(strip[2], "-") || !strings.HasPrefix(strip[3], "-") {
		t.Errorf("strip takes nothing away: %s", strip[0])
	}
}

// build.sh chooses the collector of the one minor version of Go that the steps understand, too.
func TestBuildKnowsTheSameGo(t *testing.T) {
	script := string(read(t, "../../build.sh"))
	if want := strip.Go + " | " + strip.Go + ".*) collector="; !strings.Contains(script, "\n"+want) || snapshot.Go != strip.Go {
		t.Errorf("build.sh does not say %q; the snapshot is for %s", want, snapshot.Go)
	}
}

// The same sources in another folder, built from another environment, give the same
// bytes as in this one.
func TestReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("builds")
	}
	run := func(command string, env ...string) {
		t.Helper()
		c := exec.Command("bash", "-ec", command)
		c.Dir = "../.."
		c.Env = append(os.Environ(), env...)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	run("./build.sh package") // builds nothing when dist/ is what the sources say
	dir := filepath.Join(t.TempDir(), "a", "deeper", "folder")
	run(`mkdir -p "$there"; cp -r --parents go.mod go.sum build.sh LICENSE sdk wasm js tests/setup "$there"; cd "$there"; ./build.sh out`,
		"there="+dir, "GOFLAGS=-tags=x", "TZ=Asia/Tokyo", "LC_ALL=de_DE.UTF-8", "CGO_ENABLED=1", "GOOS=plan9")
	files, err := filepath.Glob(filepath.Join(dir, "out", "[^.]*.*"))
	if err != nil || len(files) != 3*len(kinds)+2 {
		t.Fatalf("%v, error %v", files, err)
	}
	ofPackage, err := filepath.Glob(filepath.Join(dir, "out", packageFolder, "*"))
	if err != nil || len(ofPackage) != 22 {
		t.Fatalf("%v, error %v", ofPackage, err)
	}
	for _, file := range append(files, ofPackage...) {
		relative, _ := filepath.Rel(filepath.Join(dir, "out"), file)
		if !bytes.Equal(read(t, file), read(t, filepath.Join("../../dist", relative))) {
			t.Errorf("%s differs", relative)
		}
	}
}
