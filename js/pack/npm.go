package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// This file makes the package for npm, in the folder npm of the out folder: modules for import
// and for require, with source maps and types, the script for a tag with its own, the wasm, and
// what describes them. Its parts that are written by hand are in js/pack/npm.

//go:embed npm
var packageParts embed.FS

// The packageFolder lies in the out folder.
const packageFolder = "npm"

// placeholder is the package's name until the publisher sets one. npm publishes nothing under it.
const placeholder = "@example/" + name

// exported are the names of the modules beside the default export: the members of the SDK, and
// what only a module has.
var exported = []string{
	"init", "on", "off", "createEngagement", "getEngagements", "getEngagementById", "setJwtToken", "resetIdleTimeout", "resetTimer",
	"retryConnection", "setLogLevel", "shutdown", "version", "ACSException", "Engagement", "EngagementDisconnectReason",
	"EngagementStatus", "EventStreamFailureReason", "EventType", "LogLevel", "ParticipantType", "ShutdownReason", "TextType",
	"setWasmURL", "preload",
}

// The modules hold the SDK in a function that is given the global object, and a function that
// tells where the wasm is: for what that returns bundlers look in the text, as it is written here.
const (
	beforeModule = "const make = (window, locate) => {\n\"use strict\";\nlet exported;\nconst provide = (names) => { exported = names };"
	afterModule  = "return exported;\n};\nconst sdk = /* @__PURE__ */ make(typeof window === \"undefined\" ? globalThis : window, "
)

// packageForms returns the modules for import and for require.
func packageForms() []form {
	common := form{entry: "package.js", isPackage: true, before: beforeModule}
	imported, required := common, common
	imported.file = "index.mjs"
	imported.after = afterModule + `() => new URL("./` + name + `.wasm", import.meta.url));` +
		"\nexport default sdk;\nexport const { " + strings.Join(exported, ", ") + " } = sdk;"
	required.file = "index.cjs"
	required.before = "\"use strict\";\nconst script = typeof document === \"undefined\" ? null : document.currentScript;\n" + required.before
	required.after = afterModule + `() => new URL("` + name + `.wasm", script && script.src || document.baseURI));` +
		"\nObject.defineProperty(exports, \"__esModule\", { value: true });\nexports.default = sdk;\n"
	for _, name := range exported {
		required.after += "exports." + name + " = sdk." + name + ";\n"
	}
	return []form{imported, required}
}

// writePackage writes the package, under its placeholder for a name. files are those of the build
// by their kinds.
func (p *pack) writePackage(wasm []byte, values held, files map[string][]byte) error {
	folder := filepath.Join(p.out, packageFolder)
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	content := map[string][]byte{}
	for kind, text := range files {
		content[name+kind] = text
	}
	for _, f := range packageForms() {
		script, sourceMap, err := p.script(f, wasm, values)
		if err != nil {
			return err
		}
		if content[f.file+".map"], err = p.sourceMap(f.file, sourceMap); err != nil {
			return err
		}
		content[f.file] = append(script, "//# sourceMappingURL="+f.file+".map\n"...)
	}
	if err := p.addReact(content); err != nil {
		return err
	}
	types, err := moduleTypes(files[".d.ts"])
	if err != nil {
		return err
	}
	content["index.d.mts"], content["index.d.cts"] = types, types
	if content["LICENSE"], err = os.ReadFile(filepath.Join(p.source, "..", "LICENSE")); err != nil {
		return err
	}
	for file, source := range map[string]string{"LICENSE-go.txt": "LICENSE-go.txt", name + ".wasm.d.ts": "wasm.d.ts", name + ".wasm.d.mts": "wasm.d.ts"} {
		if content[file], err = packageParts.ReadFile("npm/" + source); err != nil {
			return err
		}
	}
	hashes := map[string]string{}
	for file, text := range content {
		hashes[file] = integrity(text)
		if err := os.WriteFile(filepath.Join(folder, file), text, 0o644); err != nil {
			return err
		}
	}
	info, err := json.MarshalIndent(packageInfo{p.build, p.goVersion, hashes, p.version}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "build-info.json"), append(info, '\n'), 0o644); err != nil {
		return err
	}
	p.packageName = placeholder
	return p.namePackage()
}

// The entry for React has a file of each form, whose names are those that tools look for which do not
// read exports.
var reactForms = []struct {
	file, types, module string
	format              api.Format
}{
	{"react.mjs", "react.d.mts", "./index.mjs", api.FormatESModule},
	{"react.js", "react.d.ts", "./index.cjs", api.FormatCommonJS},
}

// addReact adds the entry for React, in each form with its source map and types. It imports the
// module beside it, and React, which the page has.
func (p *pack) addReact(content map[string][]byte) error {
	source, err := filepath.Abs(p.source)
	if err != nil {
		return err
	}
	types, err := packageParts.ReadFile("npm/react.d.ts")
	if err != nil {
		return err
	}
	for _, f := range reactForms {
		built := api.Build(api.BuildOptions{
			AbsWorkingDir: source, EntryPoints: []string{"react.js"}, Outfile: f.file, Bundle: true, Format: f.format,
			Platform: api.PlatformNeutral, External: []string{"react"}, Target: api.ES2017, Sourcemap: api.SourceMapExternal,
			MinifySyntax: true, MinifyWhitespace: true, MinifyIdentifiers: true,
			Charset: api.CharsetUTF8, LegalComments: api.LegalCommentsNone, TsconfigRaw: "{}",
			Plugins: []api.Plugin{{Name: "chat-sdk", Setup: func(build api.PluginBuild) {
				build.OnResolve(api.OnResolveOptions{Filter: "^chat-sdk$"}, func(api.OnResolveArgs) (api.OnResolveResult, error) {
					return api.OnResolveResult{Path: f.module, External: true}, nil
				})
			}}},
		})
		if err := firstOf(built.Errors, built.Warnings); err != nil {
			return err
		}
		for _, out := range built.OutputFiles {
			if strings.HasSuffix(out.Path, ".map") {
				content[f.file+".map"], err = p.sourceMap(f.file, out.Contents)
			} else {
				content[f.file] = slices.Concat([]byte("/*! "+name+"/react "+p.version+", Apache-2.0 */\n"), out.Contents, []byte("//# sourceMappingURL="+f.file+".map\n"))
			}
			if err != nil {
				return err
			}
		}
		// The names of the global's namespace are those of the module.
		content[f.types] = slices.Concat([]byte("// Types of the entry for React. All durations are seconds.\n\nimport type * as "+namespace+" from \""+f.module+"\";\n\n"), types)
	}
	return nil
}

// packageInfo is the package's build-info.json. The hashes are those of all files that do not hold
// the package's name.
type packageInfo struct {
	Build     string            `json:"build"`
	GoVersion string            `json:"goVersion"`
	SHA384    map[string]string `json:"sha384"`
	Version   string            `json:"version"`
}

// sourceMap returns a file's source map, whose first line is the header's, with names of sources
// that do not depend on where the build's folder is.
func (p *pack) sourceMap(file string, text []byte) ([]byte, error) {
	var m struct {
		Version        int      `json:"version"`
		File           string   `json:"file"`
		Sources        []string `json:"sources"`
		SourcesContent []string `json:"sourcesContent"`
		Mappings       string   `json:"mappings"`
		Names          []string `json:"names"`
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, err
	}
	m.File, m.Mappings = file, ";"+m.Mappings
	for i, source := range m.Sources {
		m.Sources[i] = name + "/" + strings.TrimPrefix(filepath.ToSlash(source), "./")
	}
	return json.Marshal(m)
}

const (
	namespace   = "AvayaCCaaSChatSDK"
	beforeTypes = "declare namespace " + namespace + " {\n"
	afterTypes  = "\n}\n"
)

// globalTypes are the declarations of the global in its file, which a module has not.
var globalTypes = regexp.MustCompile(`(?s)^// Types of .*?\n\n(/// <reference lib="[^"]+" />\n).*\z`)

// moduleTypes makes the types of the modules from those of the global: what is in its namespace
// they export, and with it what js/pack/npm/exports.d.ts adds.
func moduleTypes(global []byte) ([]byte, error) {
	text := string(global)
	before, members, found := strings.Cut(text, beforeTypes)
	members, isLast := strings.CutSuffix(members, afterTypes)
	reference := globalTypes.FindStringSubmatch(before)
	if !found || !isLast || reference == nil {
		return nil, fmt.Errorf("%s.d.ts must end with one namespace, and begin with a comment and a reference to a library", name)
	}
	added, err := packageParts.ReadFile("npm/exports.d.ts")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("// Types of the package's modules. All dates are Date objects; all durations are seconds.\n" +
		"// Lengths of texts count UTF-16 code units, as String.length does. Ids after @see, such as\n" +
		"// NS-1, are rows of docs/surface.md of the SDK's sources, which specifies the surface.\n\n" + reference[1] + "\n")
	for line := range strings.SplitSeq(members, "\n") {
		line = strings.TrimPrefix(line, "  ")
		if strings.HasPrefix(line, "interface ") || strings.HasPrefix(line, "type ") || strings.HasPrefix(line, "const ") {
			line = "export " + strings.Replace(line, "const ", "declare const ", 1)
		}
		b.WriteString(line + "\n")
	}
	b.WriteString("\n")
	b.Write(added)
	return b.Bytes(), nil
}

// manifest is the package.json.
type manifest struct {
	Name        string         `json:"name"`
	Version     string         `json:"version"`
	Private     bool           `json:"private,omitempty"`
	Description string         `json:"description"`
	Keywords    []string       `json:"keywords"`
	License     string         `json:"license"`
	Type        string         `json:"type"`
	SideEffects []string       `json:"sideEffects"`
	Main        string         `json:"main"`
	Module      string         `json:"module"`
	Types       string         `json:"types"`
	Unpkg       string         `json:"unpkg"`
	JSDelivr    string         `json:"jsdelivr"`
	Exports     packageExports `json:"exports"`
	Files       []string       `json:"files"`
	Engines     struct {
		Node string `json:"node"` // where it may be imported, to render on a server
	} `json:"engines"`
	PeerDependencies     map[string]string          `json:"peerDependencies"`
	PeerDependenciesMeta map[string]map[string]bool `json:"peerDependenciesMeta"`
}

type packageExports struct {
	Root    bothKinds `json:"."`
	React   bothKinds `json:"./react"`
	Wasm    bothKinds `json:"./avaya-ccaas-chat-sdk.wasm"`
	Script  condition `json:"./avaya-ccaas-chat-sdk.js"`
	Info    string    `json:"./build-info.json"`
	Package string    `json:"./package.json"`
}

type bothKinds struct {
	Import  condition `json:"import"`
	Require condition `json:"require"`
}

// condition is a file for one kind of import. The first member that fits is taken.
type condition struct {
	Types   string `json:"types"`
	Default string `json:"default"`
}

var packageNames = regexp.MustCompile(`^(@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*$`)

// namePackage sets the name of the package that is built, in the files that hold it.
func (p *pack) namePackage() error {
	if !packageNames.MatchString(p.packageName) || len(p.packageName) > 214 {
		return fmt.Errorf("%q cannot be the name of an npm package: NAME=@scope/name, in lower case", p.packageName)
	}
	folder := filepath.Join(p.out, packageFolder)
	text, err := os.ReadFile(filepath.Join(folder, "build-info.json"))
	if err != nil {
		return fmt.Errorf("%w: run ./build.sh first", err)
	}
	var info packageInfo
	if err := json.Unmarshal(text, &info); err != nil {
		return err
	}
	const script = "./" + name + ".js"
	m := manifest{
		Name: p.packageName, Version: info.Version, Private: p.packageName == placeholder,
		Description: "Chat SDK for contact centers, for pages: a Go core in WebAssembly, with types",
		Keywords:    []string{"chat", "contact-center", "messaging", "customer-service", "webassembly"},
		License:     "Apache-2.0 AND BSD-3-Clause", Type: "commonjs", SideEffects: []string{script},
		Main: "./index.cjs", Module: "./index.mjs", Types: "./index.d.cts", Unpkg: script, JSDelivr: script,
		Exports: packageExports{
			Root:   bothKinds{condition{"./index.d.mts", "./index.mjs"}, condition{"./index.d.cts", "./index.cjs"}},
			React:  bothKinds{condition{"./react.d.mts", "./react.mjs"}, condition{"./react.d.ts", "./react.js"}},
			Wasm:   bothKinds{condition{"./" + name + ".wasm.d.mts", "./" + name + ".wasm"}, condition{"./" + name + ".wasm.d.ts", "./" + name + ".wasm"}},
			Script: condition{"./" + name + ".d.ts", script},
			Info:   "./build-info.json", Package: "./package.json",
		},
	}
	m.Engines.Node = ">=16"
	m.PeerDependencies = map[string]string{"react": ">=18"} // of the entry for React only
	m.PeerDependenciesMeta = map[string]map[string]bool{"react": {"optional": true}}
	for file := range info.SHA384 {
		m.Files = append(m.Files, file)
	}
	m.Files = append(m.Files, "build-info.json")
	slices.Sort(m.Files)
	description, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	readme, err := packageParts.ReadFile("npm/README.md")
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(folder, "package.json"), append(description, '\n'), 0o644),
		os.WriteFile(filepath.Join(folder, "README.md"), bytes.ReplaceAll(readme, []byte(placeholder), []byte(p.packageName)), 0o644),
	)
}
