package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"openchat/js/pack/wasmfile"
)

// The wasm's bytes by the packages they come from. A package's are those of its
// functions: the linker names no others. The data (strings, types, tables of the runtime)
// grows with them.

// released holds the packages of the last release, a line each: bytes and import path.
// (Before the first release: of when the budget was set.)
const released = "js/pack/packages.txt"

// Names under which a wasm's bytes are counted that belong to no package.
const (
	compilers = "(the compiler's own)"
	data      = "(data)"
	others    = "(the rest)"
)

// printPackages prints what each package weighs, heaviest first, and how that differs
// from the last release.
func printPackages(w io.Writer) error {
	now, err := linkedPackages()
	if err != nil {
		return err
	}
	f, err := os.Open(released)
	if err != nil {
		return err
	}
	defer f.Close()
	before, err := readPackages(f)
	if err != nil {
		return fmt.Errorf("%s: %w", released, err)
	}
	comparePackages(w, now, before)
	return nil
}

func comparePackages(w io.Writer, now, before map[string]int) {
	fmt.Fprintf(w, "\n%-52s %10s %10s   raw bytes\n", "the wasm, by package", "now", "release")
	var total, total0 int
	gone := map[string]int{}
	for name, size := range before {
		total0 += size
		if _, ok := now[name]; !ok {
			gone[name] = 0
		}
	}
	line := func(name string, size int) {
		difference := ""
		old, ok := before[name]
		switch {
		case !ok:
			difference = "new"
		case size == 0:
			difference = "gone"
		case size != old:
			difference = fmt.Sprintf("%+d", size-old)
		}
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%-52s %10d %10d   %s", name, size, old, difference), " "))
	}
	for _, name := range heaviestFirst(now) {
		total += now[name]
		line(name, now[name])
	}
	for _, name := range heaviestFirst(gone) {
		line(name, 0)
	}
	fmt.Fprintf(w, "%-52s %10d %10d   %+d\n", "together", total, total0, total-total0)
}

func heaviestFirst(sizes map[string]int) []string {
	names := make([]string, 0, len(sizes))
	for name := range sizes {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(sizes[b], sizes[a]), strings.Compare(a, b))
	})
	return names
}

func readPackages(r io.Reader) (map[string]int, error) {
	sizes := map[string]int{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		size, name, ok := strings.Cut(lines.Text(), "\t")
		n, err := strconv.Atoi(size)
		if !ok || err != nil {
			return nil, fmt.Errorf("%q is not bytes, a tab and a package", lines.Text())
		}
		sizes[name] = n
	}
	return sizes, lines.Err()
}

// writePackages notes what is linked now as the last release's.
func writePackages() error {
	sizes, err := linkedPackages()
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, name := range heaviestFirst(sizes) {
		fmt.Fprintf(&b, "%d\t%s\n", sizes[name], name)
	}
	return os.WriteFile(released, []byte(b.String()), 0o644)
}

// linkedPackages builds the wasm with the names that the shipped one lacks, and weighs.
func linkedPackages() (map[string]int, error) {
	dir, err := os.MkdirTemp("", "pack")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "named.wasm")
	if out, err := exec.Command("./build.sh", "wasm", "-w", file, "./wasm").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build.sh: %w\n%s", err, out)
	}
	wasm, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	list := exec.Command("go", "list", "-deps", "./wasm")
	list.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	return weigh(wasm, strings.Fields(string(out)))
}

// weigh adds up a wasm's bytes by package. The last of the packages, as go list has it,
// is the command itself.
func weigh(wasm []byte, packages []string) (sizes map[string]int, err error) {
	if len(wasm) < 8 || string(wasm[:4]) != "\x00asm" {
		return nil, errors.New("not a wasm")
	}
	// The linker writes a name's bytes that are no letter, digit or dot as _.
	unnamed := regexp.MustCompile(`[^\w.]`)
	type prefix struct{ text, name string }
	var prefixes []prefix
	for i, name := range packages {
		prefixes = append(prefixes, prefix{unnamed.ReplaceAllString(name, "_") + ".", name})
		if i == len(packages)-1 {
			prefixes = append(prefixes, prefix{"main.", name})
		}
	}
	// Of two that fit, the longer is the package.
	slices.SortFunc(prefixes, func(a, b prefix) int { return len(b.text) - len(a.text) })
	owner := func(function string) string {
		function = strings.TrimPrefix(function, "type_.eq.") // a package's type's ==
		function = strings.TrimPrefix(function, "type_.hash.")
		for _, p := range prefixes {
			if strings.HasPrefix(function, p.text) {
				return p.name
			}
		}
		return compilers
	}

	var imported int
	var bodies []int
	names := map[int]string{}
	sizes = map[string]int{}
	r := &wasmfile.Reader{Rest: wasm[8:]}
	whole := 8
	for len(r.Rest) > 0 && r.Err == nil {
		at := len(r.Rest)
		id := r.Byte()
		section := &wasmfile.Reader{Rest: r.Bytes(r.Number())}
		size := at - len(r.Rest)
		switch id {
		case wasmfile.Custom:
			if section.Text() == "name" {
				functionNames(section, names)
				size = 0 // not shipped
			}
		case wasmfile.Import:
			imported = section.ImportedFunctions()
		case wasmfile.Code:
			for range section.Number() {
				before := len(section.Rest)
				section.Bytes(section.Number())
				bodies = append(bodies, before-len(section.Rest))
			}
			size -= sum(bodies)
		case wasmfile.Data:
			sizes[data] += size
			size = 0
		}
		whole += size
		r.Fail(section.Err)
	}
	if r.Err != nil {
		return nil, r.Err
	}
	if len(names) == 0 {
		return nil, errors.New("the wasm has no names")
	}
	for i, size := range bodies {
		sizes[owner(names[imported+i])] += size
	}
	sizes[others] = whole
	return sizes, nil
}

func sum(list []int) (n int) {
	for _, v := range list {
		n += v
	}
	return n
}

// functionNames reads the part of a name section that is about functions.
func functionNames(r *wasmfile.Reader, names map[int]string) {
	for len(r.Rest) > 0 {
		kind := r.Byte()
		part := &wasmfile.Reader{Rest: r.Bytes(r.Number())}
		if kind != 1 {
			continue
		}
		for range part.Number() {
			if part.Err != nil {
				break
			}
			i := part.Number()
			names[i] = part.Text()
		}
		r.Fail(part.Err)
	}
}
