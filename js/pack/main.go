// Command pack assembles what is shipped. build.sh calls it; its flags are build.sh's
// business.
//
//	go run ./js/pack -version 0.1.0 -build 0.1.0-1a2b3c -out dist
//
// It expects the wasm in the out folder, and adds to it
//
//   - avaya-ccaas-chat-sdk.js: the porch with the toolchain's wasm_exec.js inside,
//     minified, stamped with the version, the build and the hash of the wasm,
//   - avaya-ccaas-chat-sdk.d.ts, its types,
//   - .br and .gz of each, for servers that do not compress,
//   - build-info.json.
//
// The same sources and toolchain give the same bytes, in whatever folder and hour.
// With -sizes it prints what the files weigh, and which packages make the wasm, and fails
// when a file is over its bound. -release notes those packages as the last release's.
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
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/evanw/esbuild/pkg/api"
)

const name = "avaya-ccaas-chat-sdk"

// bounds are the largest brotli sizes in bytes that may be shipped: every visitor of a
// page pays them.
var bounds = map[string]int64{".wasm": 690 << 10, ".js": 6<<10 + 1<<9}

// kinds are the shipped files, in the order of printing.
var kinds = []string{".js", ".wasm", ".d.ts"}

func main() {
	var p pack
	release := flag.Bool("release", false, "write js/pack/packages.txt, with which -sizes compares")
	sizes := flag.Bool("sizes", false, "print the sizes of what is in -out, and fail over a bound")
	flag.StringVar(&p.version, "version", "", "SemVer of the build")
	flag.StringVar(&p.build, "build", "", "stamp that script and wasm share")
	flag.StringVar(&p.source, "source", "js", "folder of the porch")
	flag.StringVar(&p.out, "out", "dist", "folder of the built files")
	flag.StringVar(&p.goroot, "goroot", "", "GOROOT of the toolchain that built the wasm")
	flag.Parse()
	run := p.run
	switch {
	case *sizes:
		run = func() error { return errors.Join(printSizes(os.Stdout, p.out), printPackages(os.Stdout)) }
	case *release:
		run = writePackages
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

type pack struct{ version, build, source, out, goroot string }

func (p *pack) run() error {
	if p.version == "" || p.build == "" || p.goroot == "" {
		return errors.New("-version, -build and -goroot are needed; run ./build.sh")
	}
	wasm, err := os.ReadFile(filepath.Join(p.out, name+".wasm"))
	if err != nil {
		return err
	}
	script, err := p.script(wasm)
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
		if kind != ".wasm" {
			if err := os.WriteFile(filepath.Join(p.out, name+kind), content, 0o644); err != nil {
				return err
			}
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
		"goVersion": runtime.Version(),
		"sha384":    hashes,
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(p.out, "build-info.json"), append(info, '\n'), 0o644)
}

// integrity is the Subresource Integrity form of a file's hash.
func integrity(content []byte) string {
	sum := sha512.Sum384(content)
	return "sha384-" + base64.StdEncoding.EncodeToString(sum[:])
}

// script builds the shipped porch.
func (p *pack) script(wasm []byte) ([]byte, error) {
	porch, err := os.ReadFile(filepath.Join(p.source, name+".js"))
	if err != nil {
		return nil, err
	}
	glue, err := os.ReadFile(filepath.Join(p.goroot, "lib", "wasm", "wasm_exec.js"))
	if err != nil {
		return nil, fmt.Errorf("the Go toolchain has no wasm_exec.js: %w", err)
	}
	const place = "/* wasm_exec.js */"
	if bytes.Count(porch, []byte(place)) != 1 {
		return nil, fmt.Errorf("%s.js must hold %q once", name, place)
	}
	source := strings.Replace(string(porch), place, withoutUnused(withoutStubs(string(glue)), wasm), 1)

	quoted := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	result := api.Transform(source, api.TransformOptions{
		Sourcefile:        name + ".js",
		Loader:            api.LoaderJS,
		Target:            api.ES2017,
		MinifySyntax:      true,
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		Charset:           api.CharsetUTF8,
		LegalComments:     api.LegalCommentsNone,
		Define: map[string]string{
			"VERSION":   quoted(p.version),
			"BUILD":     quoted(p.build),
			"INTEGRITY": quoted(integrity(wasm)),
		},
	})
	if all := append(result.Errors, result.Warnings...); len(all) > 0 {
		where := ""
		if l := all[0].Location; l != nil {
			where = fmt.Sprintf("%s:%d: ", l.File, l.Line)
		}
		return nil, errors.New(where + all[0].Text)
	}
	header := "/*! " + name + " " + p.version + ", Apache-2.0; with wasm_exec.js, (c) The Go Authors, BSD-3-Clause */\n"
	return append([]byte(header), result.Code...), nil
}

// stub is a part of wasm_exec.js that stands in for a part of Node, complains that one is
// missing, or serves the toolchain's own tests and debugging.
var stub = regexp.MustCompile(`(?ms)^\tif \(!globalThis\.(fs|process|path|crypto|performance|TextEncoder|TextDecoder)\) \{$.*?^\t\}$` +
	`|^\tconst enosys = .*?^\t\};$|^\t\t\tconst testCallExport = .*?^\t\t\t\}$|^\t\t\t\t_gotest: \{$.*?^\t\t\t\t\},$|^\t\t\t\t\t"debug": .*?^\t\t\t\t\t\},?$`)

// withoutStubs leaves out what no visitor needs: the porch has an fs of its own, the
// core asks for neither process nor path, and browsers with WebAssembly have the rest.
// Where a later toolchain writes them in another way they stay, and do no harm but to
// the size.
func withoutStubs(glue string) string { return stub.ReplaceAllString(glue, "") }

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

func writeCompressed(path string, content []byte, writer func(io.Writer) (io.WriteCloser, error)) error {
	var b bytes.Buffer
	w, err := writer(&b)
	if err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// printSizes fails when a file is over its bound.
func printSizes(w io.Writer, out string) error {
	const kb = 1024
	fmt.Fprintf(w, "%-28s %10s %10s %10s %10s   KB of 1024 bytes\n", "", "raw", "gzip", "brotli", "bound")
	var over []string
	for _, kind := range kinds {
		var sizes [3]int64
		for i, suffix := range []string{"", ".gz", ".br"} {
			info, err := os.Stat(filepath.Join(out, name+kind+suffix))
			if err != nil {
				return fmt.Errorf("%w: run ./build.sh first", err)
			}
			sizes[i] = info.Size()
		}
		bound := ""
		if b, ok := bounds[kind]; ok {
			bound = fmt.Sprint(float64(b) / kb)
			if sizes[2] > b {
				over = append(over, fmt.Sprintf("%s is %d bytes in brotli, over its bound of %d", name+kind, sizes[2], b))
			}
		}
		fmt.Fprintf(w, "%-28s %10.1f %10.1f %10.1f %10s\n", name+kind,
			float64(sizes[0])/kb, float64(sizes[1])/kb, float64(sizes[2])/kb, bound)
	}
	if over != nil {
		return errors.New(strings.Join(over, "; "))
	}
	return nil
}
