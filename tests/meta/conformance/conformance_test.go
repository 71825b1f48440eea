package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// lines is what go test -json says of tests: "package test action" each, and of a
// package "package action".
func lines(t *testing.T, list ...string) *record {
	t.Helper()
	var text strings.Builder
	for _, l := range list {
		words := strings.Fields(l)
		e := event{Package: "openchat/" + words[0], Action: words[len(words)-1]}
		if len(words) == 3 {
			e.Test = words[1]
		}
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(append(b, '\n'))
	}
	r := newRecord(io.Discard)
	if err := r.read(strings.NewReader(text.String())); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRowsList(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", surface))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := parseRows(string(text))
	if err != nil {
		t.Fatalf("%s, %v", surface, err)
	}
	if len(rows) != 83 {
		t.Errorf("%d rows, the surface has 83", len(rows))
	}
	const one, two = `#### <a id="NS-1"></a>NS-1 one` + "\n\nA rule.\n", `#### <a id="NS-2"></a>NS-2 two` + "\n\nA rule.\n"
	if list, err := parseRows("# Title\n\n" + one + "\n### More\n\n" + two); err != nil || !slices.Equal(list, []row{{"NS-1", "one"}, {"NS-2", "two"}}) {
		t.Errorf("two rows: %v, %v", list, err)
	}
	for _, bad := range []string{
		"", "just words", "#### NS-1 no anchor\n\nA rule.", `#### <a id="NS-1"></a>NS-1` + "\n\nNo title.", `#### <a id="ns-1"></a>ns-1 lower` + "\n\nA rule.",
		`#### <a id="NS-1"></a>NS-2 another` + "\n\nA rule.", one + one, `#### <a id="NS-1"></a>NS-1 no rule` + "\n\n" + two, one + `#### <a id="NS-2"></a>NS-2 no rule` + "\n",
	} {
		if _, err := parseRows(bad); err == nil {
			t.Errorf("%q is taken for rows", bad)
		}
	}
	if _, err := choose(rows, []string{"NS-1", "NS-99"}); err == nil || !strings.Contains(err.Error(), "NS-99") {
		t.Errorf("an unknown row: %v", err)
	}
	some, err := choose(rows, []string{"EV-1", " NS-1"})
	if err != nil || len(some) != 2 || pattern(some, true) != "/(EV-1|NS-1)([^0-9]|$)" {
		t.Errorf("%v, %v, pattern %s", some, err, pattern(some, true))
	}
}

func TestIds(t *testing.T) {
	for name, want := range map[string][]string{
		"TestX":                              nil,
		"TestX/AB-1_a_title":                 {"AB-1"},
		"TestX/AB-1_CD-2_EF-30_titles":       {"AB-1", "CD-2", "EF-30"},
		"TestX/AB-1":                         {"AB-1"},
		"TestX/a_title_AB-12":                {"AB-12"},
		"TestX/AB-1:_a,_(CD-2)":              {"AB-1", "CD-2"},
		"TestX/AB-1_a/sub":                   {"AB-1"},
		"TestX/AB-1_CD-2_a/CD-2_of_it":       {"CD-2"},
		"TestX/AB-1_a/EF-3_b/sub":            {"EF-3"},
		"TestX/xAB-1_AB-1x_AB-1-2_ab-1_AB-_": nil,
		"TestX/AB-1_a#01":                    {"AB-1"},
	} {
		if got := idsOf(name); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestReport(t *testing.T) {
	rows := []row{{"AB-1", "first"}, {"AB-2", "second"}}
	both := []string{"sdk pass", "js pass", "js T/AB-2_x pass"}
	for _, c := range []struct {
		name    string
		record  []string
		where   string // of AB-1
		result  string
		trouble string // part of
	}{
		{"browser and native", []string{"js T/AB-1_x pass", "sdk T/AB-1 pass"}, "both", "pass", ""},
		{"browser alone", []string{"tests/browser T/AB-1_x pass", "tests/browser pass"}, "browser", "pass", ""},
		{"the bridge is in the browser", []string{"wasm T/AB-1_x pass", "wasm pass"}, "browser", "pass", ""},
		{"native alone", []string{"sdk T/AB-1_x pass"}, "native", "no browser test", ""},
		{"none", nil, "—", "no test", ""},
		{"skipped proves nothing", []string{"js T/AB-1_x skip"}, "—", "no test", ""},
		{"one of two fails", []string{"js T/AB-1_x pass", "js T/AB-1_y fail"}, "browser", "fail", ""},
		{"a native one fails", []string{"js T/AB-1_x pass", "sdk T/AB-1_y fail"}, "both", "fail", ""},
		{"a sibling fails, so their parent", []string{"js T run", "js T/AB-1_x pass", "js T/other fail", "js T fail"}, "browser", "pass", ""},
		{"a subtest fails", []string{"js T/AB-1_x/a pass", "js T/AB-1_x/b fail", "js T/AB-1_x fail"}, "browser", "fail", ""},
		{"a subtest of another row fails", []string{"js T/AB-1_AB-2_x/AB-1_a pass", "js T/AB-1_AB-2_x/AB-2_b fail", "js T/AB-1_AB-2_x fail"}, "browser", "pass", ""},
		{"a subtest fails that speaks for another row alone", []string{"js T/AB-1_AB-2_x/AB-2_b fail", "js T/AB-1_AB-2_x fail"}, "browser", "fail", ""},
		{"a parent fails, its subtests do not", []string{"js T/AB-1_x/a pass", "js T/AB-1_x fail"}, "browser", "fail", ""},
		{"begun and not ended", []string{"js T/AB-1_x run"}, "browser", "fail", ""},
		{"a row that there is not", []string{"js T/AB-1_AB-3_x pass"}, "browser", "pass", "T/AB-1_AB-3_x names AB-3, which is no row"},
		{"words that look like rows", []string{"js T/AB-1_UTF-8_ACS-310 pass"}, "browser", "pass", ""},
		{"a package that does not build", []string{"js T/AB-1_x pass", "web fail"}, "browser", "pass", "openchat/web failed, and none of its tests did"},
		{"a package that broke off", []string{"tests/browser T/AB-1_x pass"}, "browser", "pass", "openchat/tests/browser did not run to its end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newReport(rows, rows, lines(t, append(c.record, both...)...))
			got := p.proofs["AB-1"]
			if got.where() != c.where || got.result() != c.result {
				t.Errorf("%s %s, want %s %s", got.where(), got.result(), c.where, c.result)
			}
			if text := strings.Join(p.trouble, "\n"); c.trouble == "" && text != "" || !strings.Contains(text, c.trouble) {
				t.Errorf("trouble %q, want %q", text, c.trouble)
			}
			proven := c.result == "pass" && p.proofs["AB-2"].good()
			if p.good() != (proven && c.trouble == "") {
				t.Errorf("good: %v", p.good())
			}
		})
	}
}

func TestText(t *testing.T) {
	rows := []row{{"AB-1", "first"}, {"AB-20", "the second one"}}
	r := lines(t, "js T/AB-1_x pass", "js T/AB-20_y fail", "js T fail", "js fail")
	want := `| row   | what           | proven  | result |
|-------|----------------|---------|--------|
| AB-1  | first          | browser | pass   |
| AB-20 | the second one | browser | fail   |

AB-20: failed: openchat/js T/AB-20_y

1 of 2 rows
`
	if got := newReport(rows, rows, r).text(false); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// Of some rows, only these are reported.
	if p := newReport(rows, rows[:1], r); !p.good() || !strings.HasSuffix(p.text(true), "AB-1: pass openchat/js T/AB-1_x\n\n1 of 1 rows\n") {
		t.Errorf("of the first row:\n%s", p.text(true))
	}
}

func TestOtherEngines(t *testing.T) {
	rows := []row{{"AB-1", "first"}, {"AB-2", "second"}, {"AB-3", "third"}, {"AB-4", "fourth"}, {"AB-5", "fifth"}}
	here := lines(t, "js T/AB-1_AB-2_AB-3_AB-4_AB-5_x pass", "js pass", "tests/browser U/AB-4_x pass", "tests/browser pass")
	others := []string{"tests/browser T/AB-1_x pass", "tests/browser T/AB-2_x skip", "tests/browser T/AB-3_x pass", "tests/browser T/AB-3_y skip", "tests/browser U skip"}
	compare := func(list ...string) *report {
		there := lines(t, append(others, list...)...)
		there.reasons[testName{"openchat/tests/browser", "U"}] = "it has no U"
		p := newReport(rows, rows, here)
		p.add("Firefox", rows, here, there)
		return p
	}
	p := compare("tests/browser pass")
	want := `| row  | what   | proven  | result | Firefox       |
|------|--------|---------|--------|---------------|
| AB-1 | first  | browser | pass   | pass          |
| AB-2 | second | browser | pass   | skipped       |
| AB-3 | third  | browser | pass   | pass, in part |
| AB-4 | fourth | browser | pass   | skipped       |
| AB-5 | fifth  | browser | pass   | —             |

Not shown in Firefox:

- AB-2, AB-3: skipped without a reason
- AB-4: it has no U
- AB-5: the tests of these rows drive Chromium alone: those of js/, wasm/ and tests/faults/soak

5 of 5 rows
`
	if got := p.text(false); got != want || !p.good() {
		t.Errorf("good: %v, got\n%s\nwant\n%s", p.good(), got, want)
	}
	p = compare("tests/browser T/AB-5_x fail", "tests/browser T fail", "tests/browser fail")
	if got := p.text(false); p.good() || !strings.Contains(got, "AB-5: failed in Firefox: openchat/tests/browser T/AB-5_x\n") {
		t.Errorf("good: %v, got\n%s", p.good(), got)
	}
	if got := compare().text(false); !strings.Contains(got, "in Firefox: openchat/tests/browser did not run to its end\n") {
		t.Errorf("got\n%s", got)
	}
	// One that ran, and said what it could not do.
	r := newRecord(io.Discard)
	for _, e := range []event{
		{Action: "output", Test: "T/AB-1_x", Output: "    x_test.go:7: in part: webkit: no X: it has none\n"},
		{Action: "output", Test: "T/AB-1_x", Output: "    x_test.go:8: other words\n"},
		{Action: "pass", Test: "T/AB-1_x"}, {Action: "pass"},
	} {
		e.Package = "openchat/tests/browser"
		r.take(e)
	}
	p = newReport(rows, rows[:1], here)
	p.add("WebKit", rows, here, r)
	if got := p.text(false); !strings.Contains(got, "| pass, in part |") || !strings.Contains(got, "- AB-1: webkit: no X: it has none\n") {
		t.Errorf("got\n%s", got)
	}
	for text, want := range map[string]string{"    driver.go:155: firefox: no X: it has none\n": "firefox: no X: it has none", "--- SKIP: T (0.00s)\n": "skipped without a reason"} {
		if got := reason([]string{"=== RUN   T\n", text}); got != want {
			t.Errorf("%q is skipped for %q, want %q", text, got, want)
		}
	}
}

func TestNonsenseInput(t *testing.T) {
	if err := newRecord(io.Discard).read(strings.NewReader("ok  openchat/sdk\n")); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("plain output of go test: %v", err)
	}
}
