package main

import (
	"math"
	"slices"
	"strings"
	"testing"

	"openchat/tests/harness"
)

// TestBounds is make bench-check: what does not depend on the machine has become no dearer.
func TestBounds(t *testing.T) {
	t.Chdir("../..")
	var out strings.Builder
	met, err := checkBounds(t.Context(), &out)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(out.String())
	if !met {
		t.Error("a bound is exceeded")
	}
}

// TestHostile is the short form of what a hostile customer does. The times are the machine's, and those
// of whatever else runs on it, so they are only printed.
func TestHostile(t *testing.T) {
	if testing.Short() {
		t.Skip("two gateways")
	}
	t.Chdir("../..")
	r, err := measureHostile(t.Context(), options{runs: 1, log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, table := range r.tables {
		table.print(&out)
	}
	printGoals(&out, r.goals)
	t.Log(out.String())
	for _, g := range r.goals {
		if g.unit != "×" && !g.meets(g.must) {
			t.Errorf("%s: %v, must be %v", g.what, g.value, g.must)
		}
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for _, c := range []struct {
		values  []float64
		p, want float64
	}{
		{hundred, 50, 50}, {hundred, 99, 99}, {hundred, 100, 100}, {hundred, 0, 1},
		{[]float64{7}, 99, 7}, {[]float64{3, 1, 2}, 50, 2}, {[]float64{1, 2, 3, 4}, 99, 4},
	} {
		if got := percentile(c.values, c.p); got != c.want {
			t.Errorf("percentile %v of %d values: %v, want %v", c.p, len(c.values), got, c.want)
		}
	}
	if hundred[0] != 100 {
		t.Error("the values were sorted in place")
	}
	if got := percentile(nil, 50); !math.IsNaN(got) {
		t.Errorf("of nothing: %v", got)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{5}, 5}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(c.values); got != c.want {
			t.Errorf("%v: %v, want %v", c.values, got, c.want)
		}
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("of nothing: %v", got)
	}
}

func TestRotated(t *testing.T) {
	list := []int{1, 2, 3}
	for i, want := range [][]int{{1, 2, 3}, {2, 3, 1}, {3, 1, 2}, {1, 2, 3}} {
		if got := rotated(list, i); !slices.Equal(got, want) {
			t.Errorf("%d: %v, want %v", i, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	table{title: "T", head: []string{"", "x"}, rows: [][]string{{"a", "1"}, {"b", "2"}}, notes: []string{"n"}}.print(&b)
	const want = "\n## T\n\n|  | x |\n|---|---|\n| a | 1 |\n| b | 2 |\n\nn\n"
	if b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

func TestGoals(t *testing.T) {
	for _, c := range []struct {
		goal    goal
		met     bool
		verdict string
	}{
		{goal{value: 1, must: 2, aim: 1}, true, "| ≤ 2 | ≤ 1 | aim met |"},
		{goal{value: 1.5, must: 2, aim: 1}, true, "| met |"},
		{goal{value: 2.1, must: 2, aim: 1}, false, "| missed |"},
		{goal{value: 50, must: 25, aim: 50, moreIsGood: true}, true, "| ≥ 25 | ≥ 50 | aim met |"},
		{goal{value: 30, must: 25, aim: 50, moreIsGood: true}, true, "| met |"},
		{goal{value: 20, must: 25, aim: 50, moreIsGood: true}, false, "| missed |"},
		{goal{value: math.NaN(), must: 2, aim: 1}, false, "| missed |"}, // nothing was measured
	} {
		var b strings.Builder
		if met := printGoals(&b, []goal{c.goal, {value: 0, must: 1, aim: 0}}); met != c.met || !strings.Contains(b.String(), c.verdict) {
			t.Errorf("%+v: %v\n%s", c.goal, met, b.String())
		}
	}
}

// What the stand-in sends is read by a browser only, so its frames' form is checked here.
func TestFrameLengths(t *testing.T) {
	for n, head := range map[int][]byte{
		5: {0x81, 5}, 125: {0x81, 125}, 126: {0x81, 126, 0, 126}, 65535: {0x81, 126, 255, 255}, 65536: {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0},
	} {
		text := []byte(strings.Repeat("x", n))
		if got := harness.AppendFrame(nil, text); !slices.Equal(got, append(head, text...)) {
			t.Errorf("a frame of %d bytes begins with % x", n, got[:len(head)])
		}
	}
}
