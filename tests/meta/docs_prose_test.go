package meta

import (
	"flag"
	"fmt"
	"go/constant"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// These tests compare the documents for web developers (guide, moving, security, debugging, sizes)
// with what they speak of: the rows, the codes, the script's source, and the measured figures.

var update = flag.Bool("update", false, "write the tables of docs/sizes.md anew from tests/BENCH.md")

// tabled are the rows of the tables below a heading of a document, those of its subsections left out.
func tabled(t *testing.T, name, heading string) [][]string {
	t.Helper()
	rows := tableRows(sections(document(t, name))[heading])
	if len(rows) == 0 {
		t.Fatalf("%s has no table below %q", name, heading)
	}
	return rows
}

// Each line of the tables of moving.md says where it is specified.
func TestDocsMoving(t *testing.T) {
	link := regexp.MustCompile(`\]\([\w./-]*\.md(#[\w-]+)?\)`)
	for heading, least := range map[string]int{"What is the same to the letter": 15, "What is added": 10, "What differs": 10} {
		rows := tabled(t, "moving.md", heading)
		if len(rows) < least {
			t.Errorf("moving.md, %s: %d lines", heading, len(rows))
		}
		for _, cells := range rows {
			if last := cells[len(cells)-1]; !link.MatchString(last) {
				t.Errorf("moving.md, %s: %q has no row or document", heading, cells[0])
			}
		}
	}
	// Of every part of the surface something is said.
	cited := rowID.FindAllString(document(t, "moving.md"), -1)
	for _, part := range []string{"NS-", "INIT-", "SES-", "ENG-", "MSG-", "PAGE-", "EV-", "JWT-", "IDLE-", "SHUT-", "STREAM-"} {
		if !slices.ContainsFunc(cited, func(id string) bool { return strings.HasPrefix(id, part) }) {
			t.Errorf("moving.md says nothing of the rows %s", part)
		}
	}
}

// debugging.md says of every code what to do first, and quotes lines of the log as they are.
func TestDocsDebugging(t *testing.T) {
	first := map[int]string{}
	for _, cells := range tabled(t, "debugging.md", "Errors") {
		for _, m := range regexp.MustCompile(`\[ACS-(\d+)\]\(errors\.md#ACS-(\d+)\)`).FindAllStringSubmatch(cells[0], -1) {
			code, _ := strconv.Atoi(m[1])
			if m[1] != m[2] || first[code] != "" {
				t.Errorf("debugging.md: ACS-%d is there twice, or leads to ACS-%s", code, m[2])
			}
			first[code] = cells[2]
		}
	}
	for code := range documentedCodes(t) {
		if first[code] == "" {
			t.Errorf("debugging.md does not say what to do first at ACS-%d", code)
		}
	}
	if len(first) != len(documentedCodes(t)) {
		t.Errorf("debugging.md has %d codes, errors.md %d", len(first), len(documentedCodes(t)))
	}

	var sources strings.Builder
	sources.WriteString(shim(t))
	names, err := filepath.Glob("../../sdk/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") {
			sources.WriteString(source(t, strings.TrimPrefix(name, "../../")))
		}
	}
	quoted := 0
	for _, cells := range tabled(t, "debugging.md", "Turn on the log") {
		m := regexp.MustCompile("^`((?:event stream|the device|the token|: ).*)`").FindStringSubmatch(cells[0])
		if m == nil {
			continue
		}
		quoted++
		line := strings.TrimSpace(strings.TrimPrefix(m[1], "`"))
		if line, _, _ = strings.Cut(line, "`"); !strings.Contains(sources.String(), line) && line != ": MESSAGES" {
			t.Errorf("debugging.md quotes %q, which nothing logs", line)
		}
	}
	if quoted < 4 {
		t.Errorf("debugging.md quotes %d lines of the log", quoted)
	}
}

// What security.md says of the script: what it names of the page and keeps in the browser.
func TestDocsSecurityOfTheScript(t *testing.T) {
	text := regexp.MustCompile(`(?m)^\s*(//|\*|/\*).*$`).ReplaceAllString(shim(t), "")
	for what, allowed := range map[string]int{
		`\b(?:innerHTML|outerHTML|insertAdjacentHTML|createContextualFragment)\b`: 0,
		`\bdocument\.write\b`:                    0,
		`\beval\(|\bnew Function\b|\bFunction\(`: 0,
		`\b(?:querySelector|getElements?By\w+|createElement|appendChild|setAttribute)\b`: 0,
		`\b(?:localStorage|indexedDB|openDatabase)\b|\bcaches\.`:                         0,
		`\.cookie\b|"cookie"`: 0,
		`\bnew Worker\b|\bcreateObjectURL\b|\bimportScripts\b`: 0,
		`\bsendBeacon\b|\bXMLHttpRequest\b`:                    0,
	} {
		if found := regexp.MustCompile(what).FindAllString(text, -1); len(found) != allowed {
			t.Errorf("security.md says that the script has none of %s; it has %q", what, found)
		}
	}
	// Of the document it reads what these calls name.
	var read []string
	for _, m := range regexp.MustCompile(`documentProperty\("(\w+)"\)`).FindAllStringSubmatch(text, -1) {
		read = append(read, m[1])
	}
	slices.Sort(read)
	if got := fmt.Sprint(slices.Compact(read)); got != "[addEventListener baseURI currentScript prerendering visibilityState]" {
		t.Errorf("the script reads %s of the document: see security.md, What the script keeps and sends", got)
	}
	bridge := ""
	names, err := filepath.Glob("../../wasm/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") {
			bridge += source(t, strings.TrimPrefix(name, "../../"))
		}
	}
	if key := constant.StringVal(load(t, "sdk").constantOf("StorageKey")); !strings.Contains(document(t, "security.md"), "`"+key+"`") {
		t.Errorf("security.md does not name the key %s", key)
	}
	if found := regexp.MustCompile(`Get\("(?:document|localStorage|indexedDB|caches)"\)`).FindAllString(bridge, -1); len(found) > 0 {
		t.Errorf("security.md says that the WebAssembly has none of %q", found)
	}
}

var benchTable = regexp.MustCompile(`(?s)<!-- tests/BENCH\.md: ([^\n]+) -->\n(.*?)<!-- end -->`)

// The tables of sizes.md are those of tests/BENCH.md, and its bounds those of make size.
func TestDocsSizes(t *testing.T) {
	bench, text := sections(source(t, "tests/BENCH.md")), document(t, "sizes.md")
	found := benchTable.FindAllStringSubmatch(text, -1)
	if len(found) < 5 {
		t.Fatalf("sizes.md has %d tables of tests/BENCH.md", len(found))
	}
	now := benchTable.ReplaceAllStringFunc(text, func(block string) string {
		m := benchTable.FindStringSubmatch(block)
		var lines []string
		for line := range strings.Lines(bench[m[1]]) {
			if strings.HasPrefix(line, "|") {
				lines = append(lines, line)
			}
		}
		if len(lines) < 3 {
			t.Errorf("tests/BENCH.md has no table below %q, which sizes.md shows", m[1])
		}
		return fmt.Sprintf("<!-- tests/BENCH.md: %s -->\n\n%s\n<!-- end -->", m[1], strings.Join(lines, ""))
	})
	if *update && !t.Failed() {
		if err := os.WriteFile("../../docs/sizes.md", []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if now != text {
		t.Error("the tables of docs/sizes.md are not those of tests/BENCH.md: go test ./tests/meta -run TestDocsSizes -update")
	}

	bounds := load(t, "tests/bench")
	for name, file := range map[string]string{"mostWasm": "WebAssembly", "mostScript": "script"} {
		bytes, _ := constant.Float64Val(constant.ToFloat(bounds.constantOf(name)))
		if want := fmt.Sprintf("%s KB for the %s", strconv.FormatFloat(bytes/1024, 'f', -1, 64), file); !strings.Contains(text, want) {
			t.Errorf("sizes.md does not say %q, which is the bound of make size", want)
		}
	}
	// What the prose says of the tables: of all SDKs ours has the smallest script and the largest WebAssembly,
	// and is ready last at a first visit over a slow line.
	slow := slices.Index(strings.Split(strings.SplitN(bench["Load: ready after, ms"], "\n|---", 2)[0], "|"), " cold, 10 Mbit/s, 40 ms ") - 1
	last := 0.0
	for _, cells := range tableRows(bench["Load: ready after, ms"]) {
		if slow < 0 || slow >= len(cells) {
			t.Fatalf("tests/BENCH.md has no slow line: %q", cells)
		}
		ready, err := strconv.ParseFloat(cells[slow], 64)
		switch name := cells[0]; {
		case err != nil:
			t.Errorf("tests/BENCH.md: %q, %v", cells, err)
		case name == "ours":
			last = ready
		case name != "bare Go" && ready >= last:
			t.Errorf("sizes.md says that %s is ready before ours over a slow line", name)
		}
	}
	ours := map[string]float64{}
	for _, cells := range tableRows(bench["Bytes to download, KB"]) {
		packed, err := strconv.ParseFloat(cells[len(cells)-1], 64)
		switch name := cells[0]; {
		case err != nil:
			t.Errorf("tests/BENCH.md: %q", cells)
		case strings.HasPrefix(name, "ours"):
			ours[name] = packed
		case strings.HasPrefix(name, "Go "):
		case packed <= ours["ours, js"] || packed >= ours["ours, wasm"]:
			t.Errorf("sizes.md says that %s lies between our script and our WebAssembly", name)
		}
	}
}

// Figures of guide.md that are limits of the surface.
func TestDocsGuideLimits(t *testing.T) {
	text := document(t, "guide.md")
	packages := map[string]*goPackage{"wire": load(t, "sdk/wire"), "sdk": load(t, "sdk")}
	for phrase, name := range map[string]string{
		"1 to %d characters":                      "wire.MaxText",
		"beside the chat, at most %d":             "wire.MaxParameters",
		"of %d messages unless you say otherwise": "wire.DefaultPageSize",
		"%d at most ([PAGE-1]":                    "wire.MaxPageSize",
	} {
		value, err := limitOf(t, packages, name)
		if want := fmt.Sprintf(phrase, value); err != nil || !strings.Contains(text, want) {
			t.Errorf("guide.md does not say %q, which is %s (%v)", want, name, err)
		}
	}
}
