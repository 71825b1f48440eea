// Command mutation plants the faults of faults.go, one at a time, in a copy of the
// tree, and shows which test catches each.
//
//	go run ./tests/meta/mutation                 all, as make mutation
//	go run ./tests/meta/mutation -only 'MSG-|ENG-4'   those whose words match
//	go run ./tests/meta/mutation -native         tests in virtual time only: minutes
//	go run ./tests/meta/mutation -list           the faults and their places, without running anything
//	go run ./tests/meta/mutation -refresh        rewrites faults.go: files, functions and names as they are today
//	go run ./tests/meta/mutation -sim            some faults, and the simulation (tests/faults/sim) only
//
// A fault in sdk/, web/ or js/pack first meets the native tests of its package. What these do not
// catch, and faults in wasm/ and in the shim, meets the built artefact in Chromium: first the
// tests that name the rows it breaks, then all that run in Chromium. A test in Chromium
// must fail twice to count, so that one that is only slow catches nothing.
//
// It prints a table, then "N of M caught", and exits with 1 when one survived. A fault
// follows its code when that is renamed or moved (match.go). One whose code is gone, or may
// be in several places, is an error, and so is one that does not compile.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// fault is one mistake.
type fault struct {
	breaks   string // what, with the rows it breaks
	file, in string // where it was last, and in which function
	old, new string
}

// Bounds of one run of go test, in which a fault may make it hang.
const (
	nativeTimeout  = time.Minute
	serverTimeout  = 4 * time.Minute // of a package of web/, with its stores on disk
	browserTimeout = 8 * time.Minute
	// simSeeds is how many seeds of the simulation a fault may survive. Some faults show in
	// one life of a thousand only, and not in each repetition of it.
	simSeeds = 10_000
	// nativeSeeds is how many follow the native tests that did not see a fault.
	nativeSeeds = 200
)

// fast makes builds in the copy quick: nobody downloads them.
var fast = fault{"the compression is not the best", "js/pack/main.go", "", "brotli.NewWriterLevel(w, brotli.BestCompression)", "brotli.NewWriterLevel(w, brotli.BestSpeed)"}

func main() {
	only := flag.String("only", "", "plant only faults whose words or file match this `regexp`")
	native := flag.Bool("native", false, "run no tests in Chromium")
	sim := flag.Bool("sim", false, "run the simulation only, with the faults that it must show")
	list := flag.Bool("list", false, "check and print the faults, and say which are found by their shape only")
	renew := flag.Bool("refresh", false, "write the places and names of today into faults.go")
	workers := flag.Int("workers", runtime.NumCPU(), "native test `runs` at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *renew {
		if err := refresh(); err != nil {
			fmt.Fprintln(os.Stderr, "mutation:", err)
			os.Exit(1)
		}
		return
	}
	good, err := run(ctx, *only, *native, *list, *sim, *workers)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
	}
	if err != nil || !good {
		os.Exit(1)
	}
}

func run(ctx context.Context, only string, nativeOnly, list, sim bool, workers int) (good bool, err error) {
	code, err := readCode(os.DirFS("."))
	if err != nil {
		return false, err
	}
	all, err := code.locate(append(slices.Clone(faults), fast))
	if err != nil {
		return false, err
	}
	quick, all := all[len(all)-1], all[:len(all)-1]
	if sim {
		if all, err = inSimulation(all); err != nil {
			return false, err
		}
	}
	chosen, err := choose(all, only)
	if err != nil {
		return false, err
	}
	if list {
		printList(os.Stdout, chosen)
		return true, nil
	}
	scratch, err := os.MkdirTemp("", "openchat-mutation-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(scratch)
	var copies []tree
	for i := range max(1, workers) {
		copies = append(copies, tree(filepath.Join(scratch, fmt.Sprint(i))))
		if err := copies[i].fill(ctx); err != nil {
			return false, err
		}
	}
	if sim {
		verdicts, err := simulation(ctx, chosen, copies, simSeeds)
		return err == nil && report(os.Stdout, chosen, verdicts, false), err
	}
	verdicts := make([]verdict, len(chosen))
	if err := runNative(ctx, copies, chosen, verdicts); err != nil {
		return false, err
	}
	if !nativeOnly {
		if err := runBrowser(ctx, copies[0], quick, chosen, verdicts); err != nil {
			return false, err
		}
	}
	return report(os.Stdout, chosen, verdicts, nativeOnly), nil
}

// printList prints faults with their places.
func printList(w io.Writer, list []mutant) {
	byShapeOnly := 0
	for _, f := range list {
		fmt.Fprintf(w, "%-28s %s%s\n", f.file, f.breaks, f.accuracy)
		if f.accuracy == byShape {
			byShapeOnly++
		}
	}
	fmt.Fprintf(w, "%d faults", len(list))
	if byShapeOnly > 0 {
		fmt.Fprintf(w, ", %d of them found by their shape only: see whether they are what they say, then run -refresh", byShapeOnly)
	}
	fmt.Fprintln(w)
}

func choose(all []mutant, only string) (chosen []mutant, err error) {
	is, err := regexp.Compile(only)
	if err != nil {
		return nil, fmt.Errorf("-only: %w", err)
	}
	for _, f := range all {
		if is.MatchString(f.breaks) || is.MatchString(f.file) {
			chosen = append(chosen, f)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no fault matches %q", only)
	}
	return chosen, nil
}

// verdict is what became of a fault.
type verdict struct {
	by    string // the test that caught it; "" for none
	tried bool
	err   error // it could not be tried
}

// report prints the table and tells whether all were caught.
func report(w io.Writer, list []mutant, verdicts []verdict, nativeOnly bool) bool {
	fmt.Fprintln(w, "| file | fault | caught by |")
	fmt.Fprintln(w, "|---|---|---|")
	caught, tried := 0, 0
	for i, f := range list {
		v := verdicts[i]
		by := v.by
		switch {
		case !v.tried:
			continue // natively not to be seen
		case v.err != nil:
			by = "**NOT TRIED**: " + strings.ReplaceAll(v.err.Error(), "\n", " ")
		case by == "" && nativeOnly:
			by = "not natively"
		case by == "":
			by = "**SURVIVED**"
		default:
			caught++
		}
		tried++
		fmt.Fprintf(w, "| %s | %s | %s |\n", f.file, f.breaks, by)
	}
	fmt.Fprintf(w, "\n%d of %d caught\n", caught, tried)
	return caught == tried
}

func isNative(f mutant) bool { return strings.HasPrefix(f.file, "sdk/") || isServer(f) }

// isServer reports whether a fault is in a Go file of the server's, or of the build's, for which
// the same holds: its own package's tests are to show it.
func isServer(f mutant) bool {
	return (strings.HasPrefix(f.file, "web/") || strings.HasPrefix(f.file, "js/pack/")) && strings.HasSuffix(f.file, ".go")
}

// runNative lets the workers, each in a copy of its own, plant the faults of the core.
func runNative(ctx context.Context, copies []tree, list []mutant, verdicts []verdict) error {
	if !slices.ContainsFunc(list, isNative) {
		return nil
	}
	progress("the copy's native tests, without a fault")
	sound := func(by string, err error) error {
		if err != nil || by != "" {
			return errors.Join(err, fmt.Errorf("the native tests fail without any fault: %q", by))
		}
		return nil
	}
	if slices.ContainsFunc(list, func(f mutant) bool { return isNative(f) && !isServer(f) }) {
		if err := sound(copies[0].native(ctx, "./sdk/...")); err != nil {
			return err
		}
	}
	var packages []string
	for _, f := range list {
		if pkg := "./" + filepath.Dir(f.file); isServer(f) && !slices.Contains(packages, pkg) {
			packages = append(packages, pkg)
			if err := sound(copies[0].test(ctx, serverTimeout, nil, pkg)); err != nil {
				return err
			}
		}
	}
	return plantEach(ctx, copies, list, verdicts, isNative, func(c tree, f mutant) (by string, err error) {
		if isServer(f) {
			return c.server(ctx, f)
		}
		by, err = c.native(ctx, "./"+filepath.Dir(f.file))
		if err == nil && by == "" && filepath.Dir(f.file) != "sdk" {
			by, err = c.native(ctx, "./sdk")
		}
		return by, err
	})
}

// plantEach lets the copies share the chosen faults: each plants one at a time, and test
// says what catches it.
func plantEach(ctx context.Context, copies []tree, list []mutant, verdicts []verdict, chosen func(mutant) bool, test func(tree, mutant) (by string, err error)) error {
	next := make(chan int)
	var group sync.WaitGroup
	for _, c := range copies {
		group.Go(func() {
			for i := range next {
				f := list[i]
				began := time.Now()
				by, err := c.with(f, func() (string, error) { return test(c, f) })
				if ctx.Err() != nil {
					return
				}
				verdicts[i] = verdict{by, true, err}
				printVerdict(began, f, verdicts[i])
			}
		})
	}
feed:
	for i, f := range list {
		if !chosen(f) {
			continue
		}
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	group.Wait()
	return ctx.Err()
}

// runBrowser plants what has not been caught, one after the other: tests in Chromium
// have real time, and share it badly.
func runBrowser(ctx context.Context, c tree, quick mutant, list []mutant, verdicts []verdict) error {
	left := func(i int) bool { return verdicts[i].by == "" && verdicts[i].err == nil }
	if !slices.ContainsFunc(list, func(f mutant) bool { return left(slices.Index(list, f)) }) {
		return nil
	}
	if _, err := c.with(quick, func() (string, error) {
		progress("the copy's tests in Chromium, without a fault")
		for _, pkg := range []string{"./js", "./tests/browser", "./tests/faults/soak", "./tests/meta"} {
			if by, err := c.inBrowser(ctx, pkg, nil); err != nil || by != "" {
				return "", errors.Join(err, fmt.Errorf("tests in Chromium fail without any fault: %q", by))
			}
		}
		for i, f := range list {
			if !left(i) {
				continue
			}
			began := time.Now()
			by, err := c.with(f, func() (string, error) { return c.caughtInBrowser(ctx, f) })
			if ctx.Err() != nil {
				return "", ctx.Err()
			}
			verdicts[i] = verdict{by, true, err}
			printVerdict(began, f, verdicts[i])
		}
		return "", nil
	}); err != nil {
		return err
	}
	return nil
}

func progress(text string) { fmt.Fprintln(os.Stderr, text) }

func printVerdict(began time.Time, f mutant, v verdict) {
	by := v.by
	switch {
	case v.err != nil:
		by = v.err.Error()
	case by == "":
		by = "not caught"
	}
	progress(fmt.Sprintf("%4.0f s  %s: %s: %s", time.Since(began).Seconds(), f.file, f.breaks, by))
}

// tree is a folder with a copy of the work tree.
type tree string

// fill copies all files that git knows or would take.
func (c tree) fill(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "git", "ls-files", "-coz", "--exclude-standard").Output()
	if err != nil {
		return fmt.Errorf("git ls-files: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		info, err := os.Lstat(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted, and not yet committed
		}
		if err != nil {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		to := filepath.Join(string(c), name)
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(to, text, info.Mode().Perm()); err != nil {
			return err
		}
	}
	return nil
}

// with plants a fault for as long as run runs.
func (c tree) with(f mutant, run func() (string, error)) (by string, err error) {
	name := filepath.Join(string(c), f.file)
	text, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	planted, ok := f.plant(string(text))
	if !ok {
		return "", fmt.Errorf("%s has changed", f.file)
	}
	if err := os.WriteFile(name, []byte(planted), 0o666); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.WriteFile(name, text, 0o666)) }()
	return run()
}

// bounded keeps a fault from eating all the memory that there is; in bytes.
const bounded = "prlimit --as=12000000000"

// native runs a package's tests, and then the simulation.
func (c tree) native(ctx context.Context, pkg string) (by string, err error) {
	if by, err = c.test(ctx, nativeTimeout, nil, "-exec", bounded, pkg); by == "" && err == nil {
		by, err = c.simulate(ctx, nativeSeeds)
	}
	return by, err
}

// server runs the tests of a server's package: first those that name the fault's rows.
func (c tree) server(ctx context.Context, f mutant) (by string, err error) {
	pkg := filepath.Dir(f.file)
	names, err := c.naming(pkg, rowID.FindAllString(f.breaks, -1))
	if err != nil {
		return "", err
	}
	if len(names) > 0 {
		if by, err = c.test(ctx, serverTimeout, nil, "-run", "^("+strings.Join(names, "|")+")$", "./"+pkg); err != nil || by != "" {
			return by, err
		}
	}
	return c.test(ctx, serverTimeout, nil, "./"+pkg)
}

var rowID = regexp.MustCompile(`\b[A-Z]+-[0-9]+\b`)

func (c tree) caughtInBrowser(ctx context.Context, f mutant) (by string, err error) {
	if strings.HasPrefix(f.file, "wasm/") {
		if by, err = c.inBridge(ctx); err != nil || by != "" {
			return by, err
		}
	}
	rows := rowID.FindAllString(f.breaks, -1)
	for _, functions := range []func(pkg string) ([]string, error){
		func(pkg string) ([]string, error) { return c.naming(pkg, rows) },
		func(string) ([]string, error) { return nil, nil }, // all
	} {
		for _, pkg := range []string{"./js", "./tests/browser", "./tests/faults/soak", "./tests/meta"} {
			names, err := functions(pkg)
			if err != nil {
				return "", err
			}
			if names != nil && len(names) == 0 {
				continue
			}
			if by, err = c.inBrowser(ctx, pkg, names); err != nil || by != "" {
				return by, err
			}
		}
	}
	return "", nil
}

// inBridge runs the tests of wasm/, inside Chromium.
func (c tree) inBridge(ctx context.Context) (by string, err error) {
	runner, err := filepath.Abs("dist/tools/wasmexec")
	if err != nil {
		return "", err
	}
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w", err)
	}
	environment := []string{"GOOS=js", "GOARCH=wasm", "GOROOT=" + strings.TrimSpace(string(root))}
	return c.test(ctx, browserTimeout, environment, "-exec", runner, "./wasm")
}

var testFunction = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\) \{$`)

// naming finds a package's test functions that name one of the rows.
func (c tree) naming(pkg string, rows []string) (names []string, err error) {
	names = []string{}
	files, err := filepath.Glob(filepath.Join(string(c), pkg, "*_test.go"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		found := testFunction.FindAllSubmatchIndex(text, -1)
		for _, m := range found {
			body := text[m[1]:]
			if end := bytes.Index(body, []byte("\n}\n")); end >= 0 {
				body = body[:end]
			}
			ids := rowID.FindAllString(string(body), -1)
			if slices.ContainsFunc(rows, func(r string) bool { return slices.Contains(ids, r) }) {
				names = append(names, string(text[m[2]:m[3]]))
			}
		}
	}
	return names, nil
}

// inBrowser runs test functions of a package in Chromium; nil for all. What fails must
// fail again.
func (c tree) inBrowser(ctx context.Context, pkg string, names []string) (by string, err error) {
	arguments := []string{pkg}
	if names != nil {
		arguments = []string{"-run", "^(" + strings.Join(names, "|") + ")$", pkg}
	}
	if by, err = c.test(ctx, browserTimeout, nil, arguments...); by == "" || err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(by, "/")
	first, _, _ = strings.Cut(first, " ")
	if strings.HasPrefix(first, "Test") {
		arguments = []string{"-run", "^" + first + "$", pkg}
	}
	return c.test(ctx, browserTimeout, nil, arguments...)
}

// test runs go test in the copy and returns the first test that fails, "" if none does.
func (c tree) test(ctx context.Context, timeout time.Duration, environment []string, arguments ...string) (by string, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout+2*time.Minute) // and a build
	defer cancel()
	words := append([]string{"go", "test", "-json", "-count=1", "-failfast", "-vet=off", "-timeout=" + timeout.String()}, arguments...)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir = string(c)
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), environment...)
	// Its own group: a browser ends with its test.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if cause := ctx.Err(); cause != nil && errors.Is(cause, context.Canceled) {
		return "", cause
	}
	by, built := failure(out)
	switch {
	case !built:
		return "", fmt.Errorf("it does not compile:\n%s%s", buildOutput(out), stderr.String())
	case by != "" || err == nil:
		return by, nil
	case ctx.Err() != nil:
		return "a run that does not end", nil
	}
	return "", fmt.Errorf("go test: %w\n%s%s", err, stderr.String(), out)
}

// line is one of go test -json.
type line struct{ Action, Package, Test, Output, FailedBuild string }

func lines(out []byte) (list []line) {
	s := bufio.NewScanner(bytes.NewReader(out))
	s.Buffer(nil, 16<<20)
	for s.Scan() {
		var l line
		if json.Unmarshal(s.Bytes(), &l) == nil {
			list = append(list, l)
		}
	}
	return list
}

// failure finds the first test that failed, the innermost of its family, or the one
// that was running when a package's tests broke off.
func failure(out []byte) (by string, built bool) {
	running := ""
	broken := false
	for _, l := range lines(out) {
		switch {
		case l.FailedBuild != "" || l.Action == "build-fail":
			return "", false
		case l.Action == "run":
			running = l.Test
		case l.Action == "fail" && l.Test != "":
			// A subtest's end is reported before its parent's.
			if by == "" {
				by = l.Test
			}
		case l.Action == "fail":
			broken = true
		}
	}
	if by == "" && broken {
		by = "a crash"
		if running != "" {
			by = running + " (crash)"
		}
	}
	return by, true
}

func buildOutput(out []byte) string {
	var s strings.Builder
	for _, l := range lines(out) {
		if l.Action == "build-output" {
			s.WriteString(l.Output)
		}
	}
	return s.String()
}
