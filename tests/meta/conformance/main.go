// Command conformance runs the tests that carry a row's id in their names, and says of
// each row of the documented surface (docs/surface.md) where it is proven and whether the
// proof holds.
//
//	go run ./tests/meta/conformance                    all rows, as make conformance
//	go run ./tests/meta/conformance -write             and writes tests/CONFORMANCE.md
//	go run ./tests/meta/conformance -rows JWT-1,JWT-2  these rows only
//	go run ./tests/meta/conformance ./sdk              what the tests of ./sdk prove
//	go run ./tests/meta/conformance -input a -input b  reads what `go test -json` wrote
//	go run ./tests/meta/conformance -input a -firefox b -webkit c  and b is of BROWSER=firefox
//
// All rows are run in Firefox and WebKit, too, as far as tests/browser goes: each is a column of
// the table. Below it stands why tests are skipped there, because the engine lacks something
// (tests/harness/driver.go has the table), and which rows no test in tests/browser is for.
//
// It prints a table, then what is wrong, then "N of M rows". It exits with 1 when a row
// has no test, none in a browser, or one that fails, when a test names a row that
// there is not, and when a package's tests did not run to their end.
//
// It runs in the root of the module, and expects dist/tools, which tests/setup/tools.sh
// makes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
)

// surface is the document that defines the rows.
const surface = "docs/surface.md"

// everything is where tests that prove rows are.
var everything = []string{"./sdk/...", "./web/...", "./js", "./tests/browser", "./tests/faults/soak", "./wasm"}

// table is the file that -write writes.
const table = "tests/CONFORMANCE.md"

// engines are those beside Chromium, by what BROWSER names them and by their titles.
var engines = []struct{ name, title string }{{"firefox", "Firefox"}, {"webkit", "WebKit"}}

func main() {
	var inputs []string
	flag.Func("input", "read what `go test -json` wrote to this `file` instead of running tests; may be given more than once", func(name string) error {
		inputs = append(inputs, name)
		return nil
	})
	recorded := map[string]string{} // file, by engine
	for _, e := range engines {
		flag.Func(e.name, "with -input: read what go test -json wrote under BROWSER="+e.name+" to this `file`", func(file string) error {
			recorded[e.name] = file
			return nil
		})
	}
	only := flag.String("rows", "", "only these `rows`, comma-separated: INIT-3,MSG-1")
	write := flag.Bool("write", false, "write "+table)
	verbose := flag.Bool("v", false, "print the tests of each row")
	flag.Parse()
	good, err := run(inputs, recorded, *only, *write, *verbose, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
	}
	if err != nil || !good {
		os.Exit(1)
	}
}

func run(inputs []string, recorded map[string]string, only string, write, verbose bool, packages []string) (good bool, err error) {
	text, err := os.ReadFile(surface)
	if err != nil {
		return false, err
	}
	all, err := parseRows(string(text))
	if err != nil {
		return false, fmt.Errorf("%s: %w", surface, err)
	}
	rows := all
	if only != "" {
		if rows, err = choose(all, strings.Split(only, ",")); err != nil {
			return false, err
		}
	}
	if write && (only != "" || len(packages) > 0) {
		return false, errors.New("-write is for all rows and packages")
	}
	if len(recorded) > 0 && len(inputs) == 0 {
		return false, errors.New("-firefox and -webkit are for -input")
	}
	record := newRecord(os.Stderr)
	if len(inputs) > 0 {
		err = record.readFiles(inputs...)
	} else {
		err = test(record, packages, pattern(rows, only != ""))
	}
	if err != nil {
		return false, err
	}
	report := newReport(all, rows, record)
	for _, e := range engines {
		another := newRecord(os.Stderr)
		switch file := recorded[e.name]; {
		case file != "":
			err = another.readFiles(file)
		case len(inputs) == 0 && only == "" && len(packages) == 0:
			err = goTest(another, []string{"test", "-json", "-count=1", "-timeout=40m", "./tests/browser"}, []string{"BROWSER=" + e.name})
		default:
			continue
		}
		if err != nil {
			return false, err
		}
		report.add(e.title, all, record, another)
	}
	if write {
		text := "# Conformance\n\nWhat `make conformance` printed; `go run ./tests/meta/conformance -write` writes this file.\n\n" + report.text(false)
		if err := os.WriteFile(table, []byte(text), 0o666); err != nil {
			return false, err
		}
	}
	fmt.Print(report.text(verbose))
	return report.good(), nil
}

// pattern is the -run of some rows; "" runs all tests.
func pattern(rows []row, some bool) string {
	if !some {
		return ""
	}
	var ids []string
	for _, r := range rows {
		ids = append(ids, r.id)
	}
	return "/(" + strings.Join(ids, "|") + ")([^0-9]|$)"
}

// test runs the tests of packages, those of ./wasm in Chromium, and reads what they
// report into the record.
func test(record *record, packages []string, pattern string) error {
	if len(packages) == 0 {
		packages = everything
	}
	arguments := []string{"test", "-json", "-count=1", "-timeout=15m"}
	if pattern != "" {
		arguments = append(arguments, "-run", pattern)
	}
	isBridge := func(p string) bool { return p == "./wasm" || p == "./wasm/..." || p == bridgePackage }
	if rest := slices.DeleteFunc(slices.Clone(packages), isBridge); len(rest) > 0 {
		if err := goTest(record, append(slices.Clone(arguments), rest...), nil); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(packages, isBridge) {
		runner, err := filepath.Abs("dist/tools/wasmexec")
		if err != nil {
			return err
		}
		if _, err := os.Stat(runner); err != nil {
			return fmt.Errorf("%w: run tests/setup/tools.sh first", err)
		}
		root, err := exec.Command("go", "env", "GOROOT").Output()
		if err != nil {
			return fmt.Errorf("go env GOROOT: %w", err)
		}
		return goTest(record, append(arguments, "-exec", runner, "./wasm"),
			[]string{"GOOS=js", "GOARCH=wasm", "GOROOT=" + strings.TrimSpace(string(root))})
	}
	return nil
}

// goTest is one run of go test. That tests fail is no error: the record says so.
func goTest(record *record, arguments, environment []string) error {
	c := exec.Command("go", arguments...)
	c.Env = append(os.Environ(), environment...)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	// Ctrl-C is for the tests, which then end their browsers; this program reports
	// their results.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	if err := c.Start(); err != nil {
		return err
	}
	if err := record.read(out); err != nil {
		io.Copy(io.Discard, out)
		c.Wait()
		return err
	}
	err = c.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	if err != nil && !record.failed() {
		return fmt.Errorf("go %s: %w", strings.Join(arguments, " "), err)
	}
	return nil
}
