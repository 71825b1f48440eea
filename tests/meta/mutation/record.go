package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
)

// recordFile has a line for each fault that a test has caught: what it breaks, the test's
// package, and its function.
const recordFile = "tests/meta/mutation/caught.tsv"

// catch is a test that has caught a fault. The zero value is none.
type catch struct{ pkg, test string }

func (c catch) String() string {
	if c.pkg == "" {
		return c.test
	}
	if c.test == "" {
		return ""
	}
	return c.pkg + ": " + c.test
}

// function is the name of the test function; "" when what failed is none.
func (c catch) function() string {
	name, _, _ := strings.Cut(c.test, "/")
	name, _, _ = strings.Cut(name, " ")
	if !strings.HasPrefix(name, "Test") && !strings.HasPrefix(name, "Fuzz") {
		return ""
	}
	return name
}

// record is which test has caught which fault, by what the fault breaks. The zero value knows
// none.
type record struct {
	mu    *sync.Mutex // not nil where what is learnt is written to recordFile
	catch map[string]catch
}

// readRecord reads recordFile. With keep, what is learnt is written there at once, so that
// a run that is broken off leaves what it has found.
func readRecord(keep bool) (r record, err error) {
	text, err := os.ReadFile(recordFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	if r.catch, err = parseRecord(string(text)); err != nil {
		return r, err
	}
	if keep {
		r.mu = new(sync.Mutex)
	}
	return r, nil
}

func parseRecord(text string) (map[string]catch, error) {
	list := map[string]catch{}
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) != 3 {
			return nil, fmt.Errorf("%s: %q does not have three fields", recordFile, line)
		}
		list[fields[0]] = catch{fields[1], fields[2]}
	}
	return list, nil
}

// of returns what has caught a fault last.
func (r record) of(f mutant) catch {
	if r.mu != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
	}
	return r.catch[f.breaks]
}

// keep notes what has caught a fault. A fault that nothing has caught loses its line.
func (r record) keep(f mutant, by catch) error {
	if r.mu == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if name := by.function(); name != "" {
		r.catch[f.breaks] = catch{by.pkg, name}
	} else {
		delete(r.catch, f.breaks)
	}
	var out strings.Builder
	for _, breaks := range slices.Sorted(maps.Keys(r.catch)) {
		fmt.Fprintf(&out, "%s\t%s\t%s\n", breaks, r.catch[breaks].pkg, r.catch[breaks].test)
	}
	return os.WriteFile(recordFile, []byte(out.String()), 0o666)
}
