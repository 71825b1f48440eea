package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

func TestFailure(t *testing.T) {
	for _, c := range []struct {
		name, out, by string
		built         bool
	}{
		{"all pass", `{"Action":"run","Test":"T"}` + "\n" + `{"Action":"pass","Test":"T"}` + "\n" + `{"Action":"pass"}`, "", true},
		{"the innermost", `{"Action":"fail","Test":"T/a"}` + "\n" + `{"Action":"fail","Test":"T"}` + "\n" + `{"Action":"fail"}`, "T/a", true},
		{"a crash", `{"Action":"run","Test":"T/b"}` + "\n" + `{"Action":"fail"}`, "T/b (crash)", true},
		{"no build", `{"Action":"build-fail"}`, "", false},
	} {
		if by, built := failure([]byte(c.out)); by != c.by || built != c.built {
			t.Errorf("%s: %q %v", c.name, by, built)
		}
	}
}

func TestPlant(t *testing.T) {
	c := tree(t.TempDir())
	name := filepath.Join(string(c), "f.js")
	if err := os.WriteFile(name, []byte("one two two"), 0o666); err != nil {
		t.Fatal(err)
	}
	m := mutant{fault{"second", "f.js", "", "two", "2"}, 8, exact}
	var planted []byte
	if _, err := c.with(m, func() (by catch, err error) {
		planted, err = os.ReadFile(name)
		return by, err
	}); err != nil || string(planted) != "one two 2" {
		t.Errorf("planted %q, %v", planted, err)
	}
	if text, _ := os.ReadFile(name); string(text) != "one two two" {
		t.Errorf("left %q", text)
	}
	m.offset = 7
	if _, err := c.with(m, nil); err == nil {
		t.Error("it was planted in a file that has changed")
	}
}

// located returns the whole list with its places.
func located(t *testing.T) []mutant {
	t.Helper()
	code, err := readCode(os.DirFS("../../.."))
	if err != nil {
		t.Fatal(err)
	}
	list, err := code.locate(append(slices.Clone(faults), fast))
	if err != nil {
		t.Error(err)
	}
	return list
}

// The list keeps up with the code, also where nobody runs it.
func TestFaults(t *testing.T) {
	for _, m := range located(t) {
		if m.accuracy == byShape {
			t.Logf("%s: %s: found by its shape only; see whether it is what it says, then run -refresh", m.file, m.breaks)
		}
	}
	if len(faults) < 40 {
		t.Errorf("%d faults", len(faults))
	}
	row := regexp.MustCompile(`^[A-Z]+-[0-9]+ `)
	for _, f := range faults {
		if !row.MatchString(f.breaks) {
			t.Errorf("%s: %s: names no row", f.file, f.breaks)
		}
	}
}

// What is known of catches is of faults that there are, and of functions that may be run.
func TestRecord(t *testing.T) {
	text, err := os.ReadFile("caught.tsv")
	if err != nil {
		t.Fatal(err)
	}
	list, err := parseRecord(string(text))
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, f := range faults {
		if there[f.breaks] {
			t.Errorf("two faults are called %q", f.breaks)
		}
		there[f.breaks] = true
	}
	for breaks, by := range list {
		if !there[breaks] {
			t.Errorf("caught.tsv: no fault is called %q", breaks)
		}
		if by.function() != by.test {
			t.Errorf("caught.tsv: %q is no test function", by.test)
		}
	}
	if _, err := parseRecord("a\tb\n"); err == nil {
		t.Error("a line of two fields is taken")
	}
}

func TestCatch(t *testing.T) {
	for c, function := range map[catch]string{
		{"sdk", "TestA/b"}:                    "TestA",
		{"sdk", "TestA (crash)"}:              "TestA",
		{"sdk", "a crash"}:                    "",
		{"tests/faults/sim", "seed 7: TestA"}: "",
		{}:                                    "",
	} {
		if got := c.function(); got != function {
			t.Errorf("%v: %q, want %q", c, got, function)
		}
	}
}
