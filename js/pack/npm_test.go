package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

// packed builds the package of a small source, and returns its folder.
func packed(t *testing.T) (p *pack, folder string) {
	t.Helper()
	p = newPack(t, `import "./src/glue.js"; window.x = PACKAGE;`, "export const glue = (globalThis) => {\n/* wasm_exec.js */\n};\n")
	if err := p.run(); err != nil {
		t.Fatal(err)
	}
	return p, filepath.Join(p.out, packageFolder)
}

// Every file that package.json names is there, every file that is there is named, and the hash of
// each that does not hold the name is listed.
func TestPackage(t *testing.T) {
	p, folder := packed(t)
	var m manifest
	if err := json.Unmarshal(read(t, filepath.Join(folder, "package.json")), &m); err != nil {
		t.Fatal(err)
	}
	if m.Version != p.version || m.Name != placeholder || !m.Private {
		t.Errorf("%s %s, private: %v", m.Name, m.Version, m.Private)
	}
	var there []string
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		there = append(there, e.Name())
	}
	named := append(slices.Clone(m.Files), "README.md", "package.json") // which npm takes by itself
	slices.Sort(named)
	if !slices.Equal(there, named) {
		t.Errorf("there are %q\nnamed are %q", there, named)
	}
	for _, path := range []string{m.Main, m.Module, m.Types, m.Unpkg, m.JSDelivr, m.SideEffects[0], m.Exports.Info, m.Exports.Package,
		m.Exports.Root.Import.Types, m.Exports.Root.Import.Default, m.Exports.Root.Require.Types, m.Exports.Root.Require.Default,
		m.Exports.React.Import.Types, m.Exports.React.Import.Default, m.Exports.React.Require.Types, m.Exports.React.Require.Default,
		m.Exports.Wasm.Import.Types, m.Exports.Wasm.Import.Default, m.Exports.Wasm.Require.Types, m.Exports.Wasm.Require.Default, m.Exports.Script.Types, m.Exports.Script.Default} {
		if !strings.HasPrefix(path, "./") || !slices.Contains(there, path[2:]) {
			t.Errorf("there is no %q", path)
		}
	}
	var info packageInfo
	if err := json.Unmarshal(read(t, filepath.Join(folder, "build-info.json")), &info); err != nil {
		t.Fatal(err)
	}
	for _, file := range there {
		_, listed := info.SHA384[file]
		if holdsName := slices.Contains([]string{"README.md", "package.json", "build-info.json"}, file); listed == holdsName {
			t.Errorf("%s: its hash is listed: %v", file, listed)
		} else if listed && info.SHA384[file] != integrity(read(t, filepath.Join(folder, file))) {
			t.Errorf("the hash of %s is another's", file)
		}
	}
	for _, file := range []string{name + ".js", name + ".wasm", name + ".d.ts"} {
		if string(read(t, filepath.Join(folder, file))) != string(read(t, filepath.Join(p.out, file))) {
			t.Errorf("%s is not the build's", file)
		}
	}
	if info.Build != p.build || string(read(t, filepath.Join(folder, "LICENSE"))) != "the license" {
		t.Errorf("build %s", info.Build)
	}
}

// The modules have the text in which bundlers find the wasm, the names that their types declare,
// and a source map; the script for a tag has nothing of it.
func TestPackageModules(t *testing.T) {
	p, folder := packed(t)
	esm, cjs := string(read(t, filepath.Join(folder, "index.mjs"))), string(read(t, filepath.Join(folder, "index.cjs")))
	if text := `new URL("./` + name + `.wasm",import.meta.url)`; !strings.Contains(esm, text) || strings.Contains(cjs, "import.meta") {
		t.Errorf("index.mjs must hold %s, index.cjs no import.meta", text)
	}
	for _, text := range []string{esm, cjs} {
		if !strings.Contains(text, "x:!0") {
			t.Errorf("it is not of the package:\n%s", text)
		}
	}
	if script := string(read(t, filepath.Join(p.out, name+".js"))); !strings.Contains(script, "x=!1") || strings.Contains(script, "sourceMappingURL") {
		t.Errorf("the script for a tag is\n%s", script)
	}
	types := string(read(t, filepath.Join(folder, "index.d.mts")))
	if types != string(read(t, filepath.Join(folder, "index.d.cts"))) {
		t.Error("the modules' types differ")
	}
	for _, part := range []string{"/// <reference lib=\"dom\" />\n", "\n/** It. */\nexport interface SDK {\n  init: Word;\n}\nexport type Word = 1;\n"} {
		if !strings.Contains(types, part) {
			t.Errorf("the types do not hold\n%s\nbut are\n%s", part, types)
		}
	}
	var declared []string
	for _, m := range regexp.MustCompile(`(?m)^export declare const (\w+):`).FindAllStringSubmatch(types, -1) {
		declared = append(declared, m[1])
	}
	if !slices.Equal(slices.Sorted(slices.Values(declared)), slices.Sorted(slices.Values(exported))) {
		t.Errorf("declared are %q\nexported are %q", declared, exported)
	}
	built := api.Build(api.BuildOptions{EntryPoints: []string{filepath.Join(folder, "index.mjs")}, Bundle: true, Format: api.FormatESModule, Outfile: "x.mjs", Metafile: true})
	var meta struct {
		Outputs map[string]struct{ Exports []string }
	}
	if err := json.Unmarshal([]byte(built.Metafile), &meta); err != nil {
		t.Fatal(err)
	}
	for _, out := range meta.Outputs {
		if want := slices.Sorted(slices.Values(append(slices.Clone(exported), "default"))); !slices.Equal(slices.Sorted(slices.Values(out.Exports)), want) {
			t.Errorf("index.mjs exports %q\nwant %q", out.Exports, want)
		}
	}
	for _, name := range append(slices.Clone(exported), "default") {
		if !regexp.MustCompile(`\bexports\.` + name + `=`).MatchString(cjs) {
			t.Errorf("index.cjs does not export %s", name)
		}
	}
	for _, file := range []string{"index.mjs", "index.cjs"} {
		if !strings.HasSuffix(string(read(t, filepath.Join(folder, file))), "\n//# sourceMappingURL="+file+".map\n") {
			t.Errorf("%s does not name its source map", file)
		}
		var m struct {
			Sources, SourcesContent []string
			Mappings                string
		}
		if err := json.Unmarshal(read(t, filepath.Join(folder, file+".map")), &m); err != nil {
			t.Fatal(err)
		}
		if i := slices.Index(m.Sources, name+"/package.js"); i < 0 || !strings.Contains(m.SourcesContent[i], "provide(") || !strings.HasPrefix(m.Mappings, ";") {
			t.Errorf("%s: sources %q, mappings %q", file, m.Sources, m.Mappings)
		}
	}
}

// The entry for React imports React and the module beside it, and has neither of them in it.
func TestPackageReact(t *testing.T) {
	p, folder := packed(t)
	for _, f := range reactForms {
		text := string(read(t, filepath.Join(folder, f.file)))
		for _, part := range []string{`"react"`, `"` + f.module + `"`, "\n//# sourceMappingURL=" + f.file + ".map\n", "/react " + p.version + ", "} {
			if !strings.Contains(text, part) {
				t.Errorf("%s does not hold %s:\n%s", f.file, part, text)
			}
		}
		if len(text) > 2000 {
			t.Errorf("%s has %d bytes", f.file, len(text))
		}
		var m struct{ Sources []string }
		if err := json.Unmarshal(read(t, filepath.Join(folder, f.file+".map")), &m); err != nil || !slices.Equal(m.Sources, []string{name + "/react.js"}) {
			t.Errorf("%s: sources %q, error %v", f.file, m.Sources, err)
		}
		if types := string(read(t, filepath.Join(folder, f.types))); !strings.Contains(types, "import type * as AvayaCCaaSChatSDK from \""+f.module+"\";\n\n/**\n") {
			t.Errorf("%s is\n%.300s", f.types, types)
		}
	}
}

func TestPackageName(t *testing.T) {
	p, folder := packed(t)
	p.packageName = "@shop/chat"
	if err := p.namePackage(); err != nil {
		t.Fatal(err)
	}
	var m manifest
	if err := json.Unmarshal(read(t, filepath.Join(folder, "package.json")), &m); err != nil || m.Name != "@shop/chat" || m.Private {
		t.Errorf("%s, private: %v, error %v", m.Name, m.Private, err)
	}
	if readme := string(read(t, filepath.Join(folder, "README.md"))); strings.Contains(readme, placeholder) || !strings.Contains(readme, "npm install @shop/chat\n") {
		t.Errorf("the README is\n%s", readme)
	}
	for _, wrong := range []string{"Shop", "@shop", "a b", "@shop/", "../x", strings.Repeat("a", 215)} {
		p.packageName = wrong
		if err := p.namePackage(); err == nil || !strings.Contains(err.Error(), "NAME=") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	p.out, p.packageName = t.TempDir(), "x"
	if err := p.namePackage(); err == nil || !strings.Contains(err.Error(), "./build.sh") {
		t.Errorf("nothing built: %v", err)
	}
}
