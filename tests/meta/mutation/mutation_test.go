package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
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

func TestCheck(t *testing.T) {
	c := tree(t.TempDir())
	if err := os.WriteFile(filepath.Join(string(c), "f"), []byte("one two two"), 0o666); err != nil {
		t.Fatal(err)
	}
	good := fault{"good", "f", "one", "1"}
	if err := c.check([]fault{good}); err != nil {
		t.Error(err)
	}
	for want, f := range map[string]fault{
		"2 times":         {"x", "f", "two", "2"},
		"0 times":         {"x", "f", "three", "3"},
		"changes nothing": {"x", "f", "one", "one"},
		"no such file":    {"x", "g", "one", "1"},
		"twice":           good,
	} {
		if err := c.check([]fault{good, f}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", f, err, want)
		}
	}
	var planted []byte
	if _, err := c.with(good, func() (_ string, err error) {
		planted, err = os.ReadFile(filepath.Join(string(c), "f"))
		return "", err
	}); err != nil || string(planted) != "1 two two" {
		t.Errorf("planted %q, %v", planted, err)
	}
	if text, _ := os.ReadFile(filepath.Join(string(c), "f")); string(text) != "one two two" {
		t.Errorf("left %q", text)
	}
}

// The list keeps up with the code, also where nobody runs it.
func TestFaults(t *testing.T) {
	if err := tree("../../..").check(append(faults[:len(faults):len(faults)], fast)); err != nil {
		t.Error(err)
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
