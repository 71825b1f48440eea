package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// row is one row of the surface.
type row struct{ id, title string }

// rowHeading is the heading of a row: its anchor, its id, and its title in plain text.
var rowHeading = regexp.MustCompile(`^#### <a id="([A-Z]+-[0-9]+)"></a>([A-Z]+-[0-9]+) (\S.*)$`)

// parseRows reads the rows of docs/surface.md. Each is a heading of the fourth level, which
// nothing else there is, with its rule as text below it.
func parseRows(text string) (rows []row, err error) {
	ruled := true // the row before has a rule
	for n, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "####") {
			ruled = ruled || line != "" && line[0] != '#'
			continue
		}
		m := rowHeading.FindStringSubmatch(line)
		switch {
		case m == nil:
			return nil, fmt.Errorf(`line %d: %q is not #### <a id="ID-1"></a>ID-1 and a title`, n+1, line)
		case m[1] != m[2]:
			return nil, fmt.Errorf("line %d: the anchor of %s is %s", n+1, m[2], m[1])
		case slices.ContainsFunc(rows, func(r row) bool { return r.id == m[1] }):
			return nil, fmt.Errorf("line %d: %s is there twice", n+1, m[1])
		case !ruled:
			return nil, fmt.Errorf("line %d: %s has no rule", n+1, rows[len(rows)-1].id)
		}
		ruled = false
		rows = append(rows, row{m[2], m[3]})
	}
	switch {
	case len(rows) == 0:
		return nil, errors.New("there is no row")
	case !ruled:
		return nil, fmt.Errorf("%s has no rule", rows[len(rows)-1].id)
	}
	return rows, nil
}

// choose returns some of the rows.
func choose(rows []row, ids []string) (some []row, err error) {
	for _, id := range ids {
		i := slices.IndexFunc(rows, func(r row) bool { return r.id == strings.TrimSpace(id) })
		if i < 0 {
			return nil, fmt.Errorf("there is no row %q", id)
		}
		some = append(some, rows[i])
	}
	return some, nil
}

// result is how a test ended.
type result string

const (
	passed  result = "pass"
	failed  result = "fail"
	skipped result = "skip"
	begun   result = "run" // and not ended
)

// testName is one test of one package.
type testName struct{ pkg, name string }

func (t testName) String() string { return t.pkg + " " + t.name }

// record is what go test reported.
type record struct {
	tests    map[testName]result
	packages map[string]result
	output   map[testName][]string // of what has not ended
	reasons  map[testName]string   // why a test was skipped
	parts    map[testName][]string // why one that was not left out a part
	progress io.Writer
}

// newRecord returns an empty record. It tells progress which packages have ended, and
// what failed tests said.
func newRecord(progress io.Writer) *record {
	return &record{tests: map[testName]result{}, packages: map[string]result{}, output: map[testName][]string{}, reasons: map[testName]string{}, parts: map[testName][]string{}, progress: progress}
}

// event is a line of go test -json.
type event struct {
	Action, Package, Test, Output, ImportPath string
	Elapsed                                   float64
}

// maxLine bounds a line of go test -json, in bytes.
const maxLine = 4 << 20

func (r *record) read(from io.Reader) error {
	s := bufio.NewScanner(from)
	s.Buffer(nil, maxLine)
	for n := 1; s.Scan(); n++ {
		if len(s.Bytes()) == 0 {
			continue
		}
		var e event
		if err := json.Unmarshal(s.Bytes(), &e); err != nil {
			return fmt.Errorf("line %d is no line of go test -json: %w", n, err)
		}
		r.take(e)
	}
	return s.Err()
}

// readFiles reads files of such lines.
func (r *record) readFiles(names ...string) error {
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		err = r.read(f)
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (r *record) take(e event) {
	t := testName{e.Package, e.Test}
	switch action := result(e.Action); action {
	case begun:
		r.tests[t] = begun
	case "output":
		r.output[t] = append(r.output[t], e.Output)
	case "build-output":
		fmt.Fprint(r.progress, e.Output)
	case passed, failed, skipped:
		if action == failed {
			fmt.Fprint(r.progress, strings.Join(r.output[t], ""))
		}
		if action == skipped {
			r.reasons[t] = reason(r.output[t])
		}
		r.parts[t] = parts(r.output[t])
		delete(r.output, t)
		if e.Test != "" {
			r.tests[t] = action
			return
		}
		r.packages[e.Package] = action
		if action != skipped { // a package without tests
			fmt.Fprintf(r.progress, "%s %s, %.0f s\n", action, e.Package, e.Elapsed)
		}
	}
}

// skipLine is what t.Skip prints.
var skipLine = regexp.MustCompile(`^\s*\w+\.go:\d+: (.*\S)`)

// reason returns why a test was skipped, of what it printed.
func reason(output []string) string {
	for _, line := range slices.Backward(output) {
		if m := skipLine.FindStringSubmatch(line); m != nil {
			return m[1]
		}
	}
	return "skipped without a reason"
}

// partLine is what harness.Lacks prints.
var partLine = regexp.MustCompile(`^\s*\w+\.go:\d+: in part: (.*\S)`)

// parts returns why a test left out parts, of what it printed.
func parts(output []string) (list []string) {
	for _, line := range output {
		if m := partLine.FindStringSubmatch(line); m != nil {
			list = append(list, m[1])
		}
	}
	return list
}

func (r *record) failed() bool {
	return slices.Contains(slices.Collect(maps.Values(r.packages)), failed)
}

// bridgePackage is the package whose tests run inside the browser.
const bridgePackage = "openchat/wasm"

// inBrowser tells whether a package's tests look at a real page.
func inBrowser(pkg string) bool {
	return pkg == bridgePackage || pkg == "openchat/js" || pkg == "openchat/tests/browser" || pkg == "openchat/tests/faults/soak"
}

// An id stands in a test's name as a word. go test writes _ for a space.
var idInName = regexp.MustCompile(`(?:^|[^A-Za-z0-9-])([A-Z]+-[0-9]+)(?:$|[^A-Za-z0-9-])`)

func idsIn(name string) (ids []string) {
	for name != "" {
		m := idInName.FindStringSubmatchIndex(name)
		if m == nil {
			break
		}
		ids = append(ids, name[m[2]:m[3]])
		name = name[m[3]:] // what ends this one may begin the next
	}
	return ids
}

// idsOf returns the ids that a test is for: those in the innermost part of its name
// that has any, so that a subtest which names none belongs to its parent's rows.
func idsOf(test string) []string {
	parts := strings.Split(test, "/")
	for _, p := range slices.Backward(parts) {
		if ids := idsIn(p); len(ids) > 0 {
			return ids
		}
	}
	return nil
}

// proof is what tests say of one row.
type proof struct {
	browser, native int      // tests that ran
	skipped         int      // tests that did not
	reasons         []string // of those, each once
	failed          []testName
	tests           []string // each with its result
}

func (p *proof) where() string {
	switch {
	case p.browser > 0 && p.native > 0:
		return "both"
	case p.browser > 0:
		return "browser"
	case p.native > 0:
		return "native"
	}
	return "—"
}

func (p *proof) skip(reason string) {
	p.skipped++
	if !slices.Contains(p.reasons, reason) {
		p.reasons = append(p.reasons, reason)
	}
}

func (p *proof) good() bool { return p.browser > 0 && len(p.failed) == 0 }

func (p *proof) result() string {
	switch {
	case len(p.failed) > 0:
		return "fail"
	case p.browser > 0:
		return "pass"
	case p.native > 0:
		return "no browser test"
	}
	return "no test"
}

// report is what a record says of rows.
type report struct {
	rows    []row
	proofs  map[string]*proof
	trouble []string // what no row is at fault for
	others  []other  // of what ran in other engines than Chromium
}

// other is the result of an engine other than Chromium.
type other struct {
	engine string
	*report
}

// newReport judges rows, which are some of all.
func newReport(all, rows []row, r *record) *report {
	p := &report{rows: rows, proofs: map[string]*proof{}}
	families := map[string]bool{}
	for _, w := range all {
		p.proofs[w.id] = &proof{}
		families[family(w.id)] = true
	}
	names := slices.SortedFunc(maps.Keys(r.tests), func(a, b testName) int { return strings.Compare(a.String(), b.String()) })
	for _, t := range names {
		result := r.tests[t]
		for _, id := range slices.Compact(slices.Sorted(slices.Values(idsOf(t.name)))) {
			w := p.proofs[id]
			if w == nil {
				if families[family(id)] {
					p.trouble = append(p.trouble, fmt.Sprintf("%s names %s, which is no row", t, id))
				}
				continue
			}
			if result == skipped {
				w.skip(r.reasons[t]) // proves nothing
				continue
			}
			for _, why := range r.parts[t] {
				w.skip(why)
			}
			if result != passed && r.blamed(t, id) {
				continue
			}
			if inBrowser(t.pkg) {
				w.browser++
			} else {
				w.native++
			}
			if result != passed {
				w.failed = append(w.failed, t)
			}
			w.tests = append(w.tests, fmt.Sprintf("%s %s", result, t))
		}
	}
	for _, pkg := range slices.Sorted(maps.Keys(r.packages)) {
		bad := func(t testName) bool { return t.pkg == pkg && r.tests[t] != passed && r.tests[t] != skipped }
		if r.packages[pkg] == failed && !slices.ContainsFunc(names, bad) {
			p.trouble = append(p.trouble, pkg+" failed, and none of its tests did: it did not build, or its TestMain failed")
		}
	}
	for _, t := range names {
		if r.packages[t.pkg] == "" && !slices.Contains(p.trouble, t.pkg+unended) {
			p.trouble = append(p.trouble, t.pkg+unended)
		}
	}
	return p
}

const unended = " did not run to its end"

func family(id string) string { return id[:strings.IndexByte(id, '-')] }

// blamed tells whether a failed test's subtests speak for it on a row: then it is
// they who failed, or not.
func (r *record) blamed(parent testName, id string) bool {
	speaks, failing := false, false
	for t, result := range r.tests {
		if t.pkg != parent.pkg || !strings.HasPrefix(t.name, parent.name+"/") {
			continue
		}
		speaks = speaks || slices.Contains(idsOf(t.name), id)
		failing = failing || result != passed && result != skipped
	}
	return speaks && failing
}

// anotherEngine is the package whose tests run in other engines than Chromium, too.
const anotherEngine = "openchat/tests/browser"

// add adds what ran in another engine. Of a test that is skipped before its subtests begin,
// those that ran in Chromium are skipped, too.
func (p *report) add(engine string, all []row, chromium, r *record) {
	o := newReport(all, p.rows, r)
	for _, t := range slices.SortedFunc(maps.Keys(chromium.tests), func(a, b testName) int { return strings.Compare(a.name, b.name) }) {
		if _, ran := r.tests[t]; ran || t.pkg != anotherEngine {
			continue
		}
		for name := t.name; strings.Contains(name, "/"); {
			name = name[:strings.LastIndexByte(name, '/')]
			parent := testName{t.pkg, name}
			if r.tests[parent] != skipped {
				continue
			}
			for _, id := range idsOf(t.name) {
				if w := o.proofs[id]; w != nil {
					w.skip(r.reasons[parent])
				}
			}
		}
	}
	p.others = append(p.others, other{engine, o})
}

// good tells whether every row is proven, in a browser, and nothing else is wrong. In the other
// engines nothing may fail.
func (p *report) good() bool {
	for _, o := range p.others {
		bad := func(w row) bool { return len(o.proofs[w.id].failed) > 0 }
		if len(o.trouble) > 0 || slices.ContainsFunc(p.rows, bad) {
			return false
		}
	}
	return len(p.trouble) == 0 && p.count() == len(p.rows)
}

// elsewhere is the result of the tests in an engine other than Chromium.
func (p *proof) elsewhere() string {
	switch {
	case len(p.failed) > 0:
		return "fail"
	case p.browser > 0 && p.skipped > 0:
		return "pass, in part"
	case p.browser > 0:
		return "pass"
	case p.skipped > 0:
		return "skipped"
	}
	return "—"
}

// lacking lists why tests were skipped in other engines, and the rows that they are for.
func (p *report) lacking() string {
	var s strings.Builder
	for _, o := range p.others {
		var reasons []string
		rows := map[string][]string{}
		none := []string{}
		for _, w := range p.rows {
			f := o.proofs[w.id]
			for _, why := range f.reasons {
				if rows[why] == nil {
					reasons = append(reasons, why)
				}
				rows[why] = append(rows[why], w.id)
			}
			if f.browser+f.skipped == 0 {
				none = append(none, w.id)
			}
		}
		if len(reasons)+len(none) == 0 {
			continue
		}
		fmt.Fprintf(&s, "Not shown in %s:\n\n", o.engine)
		for _, why := range reasons {
			fmt.Fprintf(&s, "- %s: %s\n", strings.Join(rows[why], ", "), why)
		}
		if len(none) > 0 {
			fmt.Fprintf(&s, "- %s: the tests of these rows drive Chromium alone: those of js/, wasm/ and tests/faults/soak\n", strings.Join(none, ", "))
		}
		s.WriteString("\n")
	}
	return s.String()
}

func (p *report) count() (n int) {
	for _, w := range p.rows {
		if p.proofs[w.id].good() {
			n++
		}
	}
	return n
}

// text is the report as a Markdown table that is also legible as it is. The same
// results give the same text.
func (p *report) text(verbose bool) string {
	cells := [][]string{{"row", "what", "proven", "result"}}
	for _, w := range p.rows {
		f := p.proofs[w.id]
		cells = append(cells, []string{w.id, w.title, f.where(), f.result()})
	}
	for _, o := range p.others {
		cells[0] = append(cells[0], o.engine)
		for i, w := range p.rows {
			cells[i+1] = append(cells[i+1], o.proofs[w.id].elsewhere())
		}
	}
	width := make([]int, len(cells[0]))
	for _, line := range cells {
		for i, c := range line {
			width[i] = max(width[i], len([]rune(c)))
		}
	}
	var s strings.Builder
	for n, line := range cells {
		for i, c := range line {
			fmt.Fprintf(&s, "| %-*s ", width[i], c)
		}
		s.WriteString("|\n")
		if n == 0 {
			for i := range line {
				s.WriteString("|" + strings.Repeat("-", width[i]+2))
			}
			s.WriteString("|\n")
		}
	}
	s.WriteString("\n")
	var wrong []string
	for _, w := range p.rows {
		f := p.proofs[w.id]
		switch {
		case len(f.failed) > 0:
			for _, t := range f.failed {
				wrong = append(wrong, fmt.Sprintf("%s: failed: %s", w.id, t))
			}
		case !f.good():
			wrong = append(wrong, fmt.Sprintf("%s: %s: name it %s in a test's t.Run in js/ or tests/browser", w.id, f.result(), w.id))
		}
		for _, o := range p.others {
			for _, t := range o.proofs[w.id].failed {
				wrong = append(wrong, fmt.Sprintf("%s: failed in %s: %s", w.id, o.engine, t))
			}
		}
		if verbose {
			for _, t := range f.tests {
				fmt.Fprintf(&s, "%s: %s\n", w.id, t)
			}
		}
	}
	s.WriteString(p.lacking())
	for _, o := range p.others {
		for _, line := range o.trouble {
			wrong = append(wrong, "in "+o.engine+": "+line)
		}
	}
	for _, line := range append(wrong, p.trouble...) {
		s.WriteString(line + "\n")
	}
	if verbose || len(wrong)+len(p.trouble) > 0 {
		s.WriteString("\n")
	}
	fmt.Fprintf(&s, "%d of %d rows\n", p.count(), len(p.rows))
	return s.String()
}
