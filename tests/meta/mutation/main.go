// Command mutation plants the faults of faults.go, one at a time, in a copy of the
// tree, and shows which test catches each.
//
//	go run ./tests/meta/mutation                 all, as make mutation
//	go run ./tests/meta/mutation -only 'MSG-|ENG-4'   those whose words match
//	go run ./tests/meta/mutation -native         tests in virtual time only: minutes
//	go run ./tests/meta/mutation -list           the faults and their places, without running anything
//	go run ./tests/meta/mutation -refresh        rewrites faults.go: files, functions and names as they are today
//	go run ./tests/meta/mutation -sim            some faults, and the simulation (tests/faults/sim) only
//	go run ./tests/meta/mutation -record         all, and writes which test caught which into caught.tsv
//	go run ./tests/meta/mutation -record -new    those that are not in caught.tsv
//
// A fault first meets the test that caught it last (caught.tsv). Where that is not known any
// more, a fault in sdk/, web/ or js/pack meets the native tests of its package, and one in web/
// those of the whole gateway. What these do not catch, and faults in wasm/ and in the shim, meets
// the built artefact in Chromium: first the tests whose words are most like the fault's, then those
// that name the rows it breaks, then all that run in Chromium. A test must fail twice to count. One
// that runs the whole product in Chromium, and is not known to catch the fault, fails the second
// time while no other test is run for a fault, so that one that is only slow catches nothing. At
// the end each test that has caught something runs without any fault, and must pass.
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
	workers := flag.Int("workers", runtime.NumCPU(), "test `runs` at once")
	keep := flag.Bool("record", false, "write what caught each fault into "+recordFile)
	fresh := flag.Bool("new", false, "plant only faults that "+recordFile+" does not know")
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
	good, err := run(ctx, *only, *native, *list, *sim, *keep, *fresh, *workers)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
	}
	if err != nil || !good {
		os.Exit(1)
	}
}

func run(ctx context.Context, only string, nativeOnly, list, sim, keep, fresh bool, workers int) (good bool, err error) {
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
	known, err := readRecord(keep)
	if err != nil {
		return false, err
	}
	if fresh {
		chosen = slices.DeleteFunc(chosen, func(f mutant) bool { return known.of(f) != catch{} })
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
		if _, err := copies[i].plant(quick); err != nil {
			return false, err
		}
	}
	if sim {
		verdicts, err := simulation(ctx, chosen, copies, simSeeds)
		return err == nil && report(os.Stdout, chosen, verdicts, false), err
	}
	verdicts := make([]verdict, len(chosen))
	if err := runNative(ctx, copies, chosen, verdicts, known); err != nil {
		return false, err
	}
	if !nativeOnly {
		if err := runBrowser(ctx, copies, chosen, verdicts, known); err != nil {
			return false, err
		}
	}
	good = report(os.Stdout, chosen, verdicts, nativeOnly)
	return good, copies[0].passWithout(ctx, verdicts)
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
	by    catch // what caught it
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
		by := v.by.String()
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

func isNative(f mutant) bool { return isCore(filepath.Dir(f.file)) || isServer(f) }

// isCore reports whether a package is one of the core's.
func isCore(pkg string) bool { return pkg == "sdk" || strings.HasPrefix(pkg, "sdk/") }

// isServer reports whether a fault is in a Go file of the server's, or of the build's, for which
// the same holds: its own package's tests are to show it.
func isServer(f mutant) bool {
	return (strings.HasPrefix(f.file, "web/") || strings.HasPrefix(f.file, "js/pack/")) && strings.HasSuffix(f.file, ".go")
}

// runNative lets the workers, each in a copy of its own, plant the faults that native tests are
// to show, but for those that were last caught in Chromium.
func runNative(ctx context.Context, copies []tree, list []mutant, verdicts []verdict, known record) error {
	chosen := func(i int) bool { return isNative(list[i]) && !inChromium(known.of(list[i]).pkg) }
	return plantEach(ctx, copies, list, verdicts, known, chosen, func(c tree, f mutant) (catch, error) {
		if isServer(f) {
			return c.server(ctx, f)
		}
		by, err := c.native(ctx, filepath.Dir(f.file))
		if err == nil && by.test == "" && filepath.Dir(f.file) != "sdk" {
			by, err = c.native(ctx, "sdk")
		}
		return by, err
	})
}

// runBrowser plants what has not been caught.
func runBrowser(ctx context.Context, copies []tree, list []mutant, verdicts []verdict, known record) error {
	chosen := func(i int) bool { return verdicts[i].by.test == "" && verdicts[i].err == nil }
	return plantEach(ctx, copies, list, verdicts, known, chosen, func(c tree, f mutant) (catch, error) {
		return c.caughtInBrowser(ctx, f)
	})
}

// plantEach lets the copies share the chosen faults: each plants one at a time, and test
// says what catches it, where the test that caught it last does not.
func plantEach(ctx context.Context, copies []tree, list []mutant, verdicts []verdict, known record, chosen func(int) bool, test func(tree, mutant) (catch, error)) error {
	next := make(chan int)
	var group sync.WaitGroup
	for _, c := range copies {
		group.Go(func() {
			for i := range next {
				f := list[i]
				began := time.Now()
				by, err := c.with(f, func() (catch, error) {
					if by, err := c.again(ctx, known.of(f)); err != nil || by.test != "" {
						return by, err
					}
					return test(c, f)
				})
				if ctx.Err() != nil {
					return
				}
				verdicts[i] = verdict{by, true, err}
				printVerdict(began, f, verdicts[i])
				if err := known.keep(f, by); err != nil {
					progress(err.Error())
				}
			}
		})
	}
feed:
	for i := range list {
		if !chosen(i) {
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

func progress(text string) { fmt.Fprintln(os.Stderr, text) }

func printVerdict(began time.Time, f mutant, v verdict) {
	by := v.by.String()
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

// plant plants a fault; remove takes it out again.
func (c tree) plant(f mutant) (remove func() error, err error) {
	name := filepath.Join(string(c), f.file)
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	planted, ok := f.plant(string(text))
	if !ok {
		return nil, fmt.Errorf("%s has changed", f.file)
	}
	return func() error { return os.WriteFile(name, text, 0o666) }, os.WriteFile(name, []byte(planted), 0o666)
}

// with plants a fault for as long as run runs.
func (c tree) with(f mutant, run func() (catch, error)) (by catch, err error) {
	remove, err := c.plant(f)
	if err != nil {
		return by, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	return run()
}

// bounded keeps a fault from eating all the memory that there is; in bytes.
const bounded = "prlimit --as=12000000000"

// native runs a package's tests, and then the simulation.
func (c tree) native(ctx context.Context, pkg string) (by catch, err error) {
	if by, err = c.catches(ctx, pkg, nil); by.test == "" && err == nil {
		by.pkg = "tests/faults/sim"
		by.test, err = c.simulate(ctx, nativeSeeds)
	}
	return by, err
}

// server runs the tests of a server's package and then those of web, which run the whole gateway:
// of each, first those that name the fault's rows.
func (c tree) server(ctx context.Context, f mutant) (by catch, err error) {
	packages := []string{filepath.Dir(f.file)}
	if strings.HasPrefix(f.file, "web/") && packages[0] != "web" {
		packages = append(packages, "web")
	}
	for _, named := range []bool{true, false} {
		for _, pkg := range packages {
			var names []string
			if named {
				if names, err = c.naming(pkg, rowID.FindAllString(f.breaks, -1)); err != nil {
					return by, err
				}
				if len(names) == 0 {
					continue
				}
			}
			if by, err = c.catches(ctx, pkg, names); err != nil || by.test != "" {
				return by, err
			}
		}
	}
	return by, nil
}

var rowID = regexp.MustCompile(`\b[A-Z]+-[0-9]+\b`)

// browserPackages are those whose tests show in Chromium what native tests do not.
var browserPackages = []string{"js", "tests/browser", "tests/faults/soak", "tests/meta"}

// inChromium reports whether a package's tests run in Chromium, or look at what is built.
func inChromium(pkg string) bool {
	return pkg == "wasm" || pkg == bundlers || slices.Contains(browserPackages, pkg)
}

// bundlers is the package whose tests show what the npm package's parts of its own do.
const bundlers = "tests/bundlers"

func (c tree) caughtInBrowser(ctx context.Context, f mutant) (by catch, err error) {
	packages := browserPackages
	switch {
	case strings.HasPrefix(f.file, "wasm/"):
		if by, err = c.catches(ctx, "wasm", nil); err != nil || by.test != "" {
			return by, err
		}
	case f.file == "js/react.js":
		packages = []string{bundlers}
	}
	rows := rowID.FindAllString(f.breaks, -1)
	guesses, err := c.likeliest(packages, f)
	if err != nil {
		return by, err
	}
	for _, g := range guesses {
		if by, err = c.catches(ctx, g.pkg, []string{g.test}); err != nil || by.test != "" {
			return by, err
		}
	}
	for _, functions := range []func(pkg string) ([]string, error){
		func(pkg string) ([]string, error) { return c.naming(pkg, rows) },
		func(string) ([]string, error) { return nil, nil }, // all
	} {
		for _, pkg := range packages {
			names, err := functions(pkg)
			if err != nil {
				return by, err
			}
			if names != nil && len(names) == 0 {
				continue
			}
			if by, err = c.catches(ctx, pkg, names); err != nil || by.test != "" {
				return by, err
			}
		}
	}
	return by, nil
}

// turns lets tests run side by side, and those that confirm a catch in Chromium alone. Runs of all
// tests of a package take no turn: they take minutes, for which all others would wait.
var turns sync.RWMutex

// catches runs test functions of a package; nil for all. A failure is a catch when the test fails
// once more, or at once where that is enough. A test that then passes is left out, and the others
// go on.
func (c tree) catches(ctx context.Context, pkg string, names []string) (by catch, err error) {
	var unsteady []string
	for {
		whole := names == nil && pkg != "wasm"
		if !whole {
			turns.RLock()
		}
		failed, err := c.run(ctx, pkg, names, unsteady)
		if !whole {
			turns.RUnlock()
		}
		if err != nil || failed == "" {
			return by, err
		}
		if onceIsEnough(pkg, failed) {
			return catch{pkg, failed}, nil
		}
		name := catch{pkg, failed}.function()
		if failed, err = c.confirm(ctx, pkg, names, name); err != nil || failed != "" {
			return catch{pkg, failed}, err
		}
		if name == "" {
			return by, nil
		}
		unsteady = append(unsteady, name)
	}
}

// confirm runs what has failed once more: a test function, or what ran when none is known.
func (c tree) confirm(ctx context.Context, pkg string, names []string, name string) (failed string, err error) {
	if name != "" {
		names = []string{name}
	}
	turn := turns.RLocker()
	if inChromium(pkg) && pkg != "wasm" && pkg != "js" { // whose tests wait for nothing but the page
		turn = &turns
	}
	turn.Lock()
	defer turn.Unlock()
	return c.run(ctx, pkg, names, nil)
}

// again runs the test that caught a fault last. It must fail twice, as in catches, but nobody
// waits for a turn alone.
func (c tree) again(ctx context.Context, last catch) (by catch, err error) {
	name := last.function()
	if name == "" {
		return by, nil
	}
	turns.RLock()
	defer turns.RUnlock()
	failed, err := c.run(ctx, last.pkg, []string{name}, nil)
	if err == nil && failed != "" && !onceIsEnough(last.pkg, failed) {
		failed, err = c.run(ctx, last.pkg, []string{name}, nil)
	}
	if err != nil || failed == "" {
		return by, err
	}
	return catch{last.pkg, failed}, nil
}

// onceIsEnough reports whether a test's first failure is a catch: the core's tests run in virtual
// time, so that only one that broke off may have been slow.
func onceIsEnough(pkg, failed string) bool {
	return isCore(pkg) && strings.HasPrefix(failed, "Test") && !strings.HasSuffix(failed, crash)
}

// run runs test functions of a package in its way; nil for all but those to skip. It returns the
// first that fails.
func (c tree) run(ctx context.Context, pkg string, names, skip []string) (by string, err error) {
	var environment, arguments []string
	timeout := serverTimeout
	switch {
	case pkg == "wasm": // in Chromium
		runner, err := filepath.Abs("dist/tools/wasmexec")
		if err != nil {
			return "", err
		}
		root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
		if err != nil {
			return "", fmt.Errorf("go env GOROOT: %w", err)
		}
		timeout = browserTimeout
		environment = []string{"GOOS=js", "GOARCH=wasm", "GOROOT=" + strings.TrimSpace(string(root))}
		arguments = []string{"-exec", runner}
	case inChromium(pkg):
		timeout = browserTimeout
	case isCore(pkg):
		timeout = nativeTimeout
		arguments = []string{"-exec", bounded}
	}
	if names != nil {
		arguments = append(arguments, "-run", "^("+strings.Join(names, "|")+")$")
	}
	if skip != nil {
		arguments = append(arguments, "-skip", "^("+strings.Join(skip, "|")+")$")
	}
	return c.test(ctx, timeout, environment, append(arguments, "./"+pkg)...)
}

// passWithout runs the tests that have caught faults without any: a test that fails then, and
// once more alone, has caught nothing.
func (c tree) passWithout(ctx context.Context, verdicts []verdict) error {
	caught := map[string][]string{} // functions, by package
	for _, v := range verdicts {
		if name := v.by.function(); name != "" && !slices.Contains(caught[v.by.pkg], name) {
			caught[v.by.pkg] = append(caught[v.by.pkg], name)
		}
	}
	progress("the tests that have caught faults, without one")
	for pkg, names := range caught {
		for len(names) > 0 {
			by, err := c.run(ctx, pkg, names, nil)
			if err != nil {
				return err
			}
			if by == "" {
				break
			}
			name := catch{pkg, by}.function()
			if by, err = c.run(ctx, pkg, []string{name}, nil); err != nil {
				return err
			}
			if by != "" || name == "" {
				return fmt.Errorf("%s fails without any fault", catch{pkg, by})
			}
			names = slices.DeleteFunc(names, func(n string) bool { return n == name })
		}
	}
	return nil
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

// crash follows the name of a test that was running when its package's tests broke off.
const crash = " (crash)"

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
			by = running + crash
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
