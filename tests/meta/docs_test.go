package meta

import (
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"html"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"openchat/docs"
	"openchat/tests/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// These tests compare the documents of docs/ with the code, so that neither changes
// without the other: codes and texts (errors.md), payloads and enums (reference.md), limits
// and rows (surface.md), and the links between them. What reference.md has it has of the types,
// by tests/meta/types.

// document reads a file of docs/.
func document(t *testing.T, name string) string {
	t.Helper()
	return source(t, "docs/"+name)
}

// source reads a file of the repository.
func source(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// shim is the source of the script: the entry and its modules.
func shim(t *testing.T) string {
	t.Helper()
	modules, err := filepath.Glob("../../js/src/*.js")
	if err != nil || len(modules) < 10 {
		t.Fatalf("the shim's modules: %q, %v", modules, err)
	}
	all := source(t, "js/avaya-ccaas-chat-sdk.js")
	for _, path := range modules {
		all += source(t, "js/src/"+filepath.Base(path))
	}
	return all
}

// headingLine is a heading of Markdown, with or without an anchor of its own.
var headingLine = regexp.MustCompile(`^#{1,4} (?:<a id="([^"]+)"></a>)?(.+)$`)

// sections returns the text below each heading of a document, by the heading's anchor or
// else its words. The text ends at the next heading of any level.
func sections(text string) map[string]string {
	found := map[string]string{}
	at := ""
	for _, line := range strings.Split(text, "\n") {
		if m := headingLine.FindStringSubmatch(line); m != nil {
			if at = m[1]; at == "" {
				at = m[2]
			}
			continue
		}
		found[at] += line + "\n"
	}
	return found
}

// tableRows returns the cells of the rows of the tables in a text, without headers.
func tableRows(text string) (rows [][]string) {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		header := i+1 < len(lines) && strings.HasPrefix(lines[i+1], "|---")
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") || header {
			continue
		}
		var cells []string
		for _, c := range strings.Split(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.TrimSpace(c))
		}
		rows = append(rows, cells)
	}
	return rows
}

// goPackage is a package of this module whose files were type-checked, which gives the
// values of its constants.
type goPackage struct {
	files   []*ast.File
	info    types.Info
	checked *types.Package
}

var (
	loaded          = map[string]*goPackage{} // by directory
	libraryImporter = importer.Default()
)

// load type-checks the package in a directory of the repository. What it imports of the
// browser's is unknown here, so that errors are ignored; constants do not depend on it.
// Tests that call it do not run at the same time.
func load(t *testing.T, dir string) *goPackage {
	t.Helper()
	if p := loaded[dir]; p != nil {
		return p
	}
	p := &goPackage{info: types.Info{Types: map[ast.Expr]types.TypeAndValue{}}}
	set := token.NewFileSet()
	names, err := filepath.Glob(filepath.Join("../..", dir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: no Go files, %v", dir, err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		p.files = append(p.files, f)
	}
	c := types.Config{Error: func(error) {}, Importer: moduleImporter{t}}
	p.checked, _ = c.Check(modulePath+dir, set, p.files, &p.info)
	loaded[dir] = p
	return p
}

const modulePath = "openchat/"

// moduleImporter type-checks packages of this module from their sources.
type moduleImporter struct{ t *testing.T }

func (m moduleImporter) Import(path string) (*types.Package, error) {
	if dir, ours := strings.CutPrefix(path, modulePath); ours {
		return load(m.t, dir).checked, nil
	}
	return libraryImporter.Import(path)
}

// constantOf returns the value of a constant of the package, or nil.
func (p *goPackage) constantOf(name string) constant.Value {
	c, ok := p.checked.Scope().Lookup(name).(*types.Const)
	if !ok {
		return nil
	}
	return c.Val()
}

// words returns the values of the package's constants of a type, in the order of their
// declaration.
func (p *goPackage) words(typeName string) (list []string) {
	var found []*types.Const
	for _, name := range p.checked.Scope().Names() {
		if c, ok := p.checked.Scope().Lookup(name).(*types.Const); ok {
			if n, ok := c.Type().(*types.Named); ok && n.Obj().Name() == typeName && n.Obj().Pkg() == c.Pkg() {
				found = append(found, c)
			}
		}
	}
	slices.SortFunc(found, func(a, b *types.Const) int { return int(a.Pos() - b.Pos()) })
	for _, c := range found {
		list = append(list, constant.StringVal(c.Val()))
	}
	return list
}

// coreTexts returns the table of sdk/errors.go: the text of each code.
func coreTexts(t *testing.T, p *goPackage) map[int]string {
	t.Helper()
	found := map[int]string{}
	for _, f := range p.files {
		ast.Inspect(f, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || v.Names[0].Name != "texts" {
				return true
			}
			for _, e := range v.Values[0].(*ast.CompositeLit).Elts {
				pair := e.(*ast.KeyValueExpr)
				code, _ := constant.Int64Val(p.info.Types[pair.Key].Value)
				found[int(code)] = constant.StringVal(p.info.Types[pair.Value].Value)
			}
			return false
		})
	}
	if len(found) == 0 {
		t.Fatal("sdk/errors.go has no table of texts")
	}
	return found
}

// documentedCode is a row of errors.md.
type documentedCode struct{ text, row string }

var codeCell = regexp.MustCompile(`^<a id="ACS-(\d+)"></a>ACS-(\d+)$`)

// documentedCodes reads the tables of errors.md.
func documentedCodes(t *testing.T) map[int]documentedCode {
	t.Helper()
	found := map[int]documentedCode{}
	for _, cells := range tableRows(document(t, "errors.md")) {
		m := codeCell.FindStringSubmatch(cells[0])
		if m == nil || m[1] != m[2] || len(cells) != 4 {
			t.Fatalf("errors.md: %q is no code with its anchor, text, occasion and advice", cells)
		}
		code, _ := strconv.Atoi(m[1])
		if _, twice := found[code]; twice {
			t.Errorf("errors.md: ACS-%d is there twice", code)
		}
		found[code] = documentedCode{cells[1], strings.Join(cells, " | ")}
	}
	return found
}

// The types have the codes and texts of sdk/errors.go. Of the warnings, init rejects with ACS-204.
func TestTypesErrors(t *testing.T) {
	types := source(t, "js/avaya-ccaas-chat-sdk.d.ts")
	declared := func(name string) map[int]string {
		t.Helper()
		block := regexp.MustCompile(`(?s)\n  type ` + name + ` = \{\n(.*?)\n  \};`).FindStringSubmatch(types)
		if block == nil {
			t.Fatalf("there is no type %s", name)
		}
		found := map[int]string{}
		for _, m := range regexp.MustCompile(`"ACS-(\d+)": "([^"]*)";`).FindAllStringSubmatch(block[1], -1) {
			code, _ := strconv.Atoi(m[1])
			found[code] = m[2]
		}
		return found
	}
	errors, warnings := declared("ErrorTexts"), declared("WarningTexts")
	texts := coreTexts(t, load(t, "sdk"))
	for code, text := range texts {
		if isError := code > 300 || code == 204; (errors[code] == text) != isError || (warnings[code] == text) != (code < 300) {
			t.Errorf("of ACS-%d sdk/errors.go says %q, ErrorTexts %q, WarningTexts %q", code, text, errors[code], warnings[code])
		}
	}
	if n := len(errors) + len(warnings); n != len(texts)+1 {
		t.Errorf("the types have %d codes, sdk/errors.go %d, one of them in both", n, len(texts))
	}
}

func TestDocsErrors(t *testing.T) {
	core := load(t, "sdk")
	texts, documented := coreTexts(t, core), documentedCodes(t)
	for code, text := range texts {
		if got := documented[code].text; got != text {
			t.Errorf("errors.md says of ACS-%d %q, sdk/errors.go %q", code, got, text)
		}
	}
	for code := range documented {
		if texts[code] == "" {
			t.Errorf("errors.md has ACS-%d, sdk/errors.go has not", code)
		}
	}

	// What is written outside of the core's table says the same.
	same := func(where string, code int, text string) {
		switch {
		case text == texts[code], strings.HasPrefix(text, texts[code]+" - "):
		case code == 303 && text == texts[210]: // NS-10
		case strings.Contains(documented[code].row, `"`+text+`"`):
		case strings.HasPrefix(text, "Unknown command"): // the script and the bridge are of one build
		default:
			t.Errorf("%s says of ACS-%d %q, errors.md %q", where, code, text, documented[code].text)
		}
	}
	script := shim(t)
	own := regexp.MustCompile(`(?:fail\(|json\(\w+, \w+, )(\d+), "([^"]*)"|"ACS-(\d+): ([^"]*?)(?: - )?"`).FindAllStringSubmatch(script, -1)
	for _, m := range own {
		code, _ := strconv.Atoi(m[1] + m[3])
		same("the script", code, m[2]+m[4])
	}
	if calls := strings.Count(script, "fail(") + strings.Count(script, "json(") + strings.Count(script, `"ACS-`); len(own) < 10 || calls-len(own) > 2 {
		// fail's own "ACS-", and the code that json passes on.
		t.Errorf("of %d places where the script writes a code, %d could be read", calls, len(own))
	}
	names, err := filepath.Glob("../../wasm/*.go")
	if err != nil {
		t.Fatal(err)
	}
	bridged := 0
	for _, name := range names {
		for _, m := range regexp.MustCompile(`Code: sdk\.(Code\w+), Message: "([^"]*)"`).FindAllStringSubmatch(source(t, strings.TrimPrefix(name, "../../")), -1) {
			code, _ := constant.Int64Val(core.constantOf(m[1]))
			same(name, int(code), strings.TrimSuffix(m[2], " - "))
			bridged++
		}
	}
	if bridged == 0 {
		t.Error("the bridge writes no message of its own any more: remove this check")
	}
}

// interfaceLine and memberLine are lines of avaya-ccaas-chat-sdk.d.ts as it is written.
var (
	interfaceLine = regexp.MustCompile(`^  interface (\w+)(?:<\w+>)?(?: extends ([\w, ]+))? \{(\})?$`)
	memberLine    = regexp.MustCompile(`^    (?:readonly )?(\w+\??): (.+);$`)
	eventMapLine  = regexp.MustCompile(`^    ([A-Z_]+): (\w+);$`)
)

// declarations reads the members of each interface of the declarations, those of the
// interfaces that it extends included, by name and with "?" where they are optional; and
// the interface of each event's payload.
func declarations(t *testing.T) (members map[string]map[string]string, payloads map[string]string) {
	t.Helper()
	members, payloads = map[string]map[string]string{}, map[string]string{}
	at := ""
	for _, line := range strings.Split(source(t, "js/avaya-ccaas-chat-sdk.d.ts"), "\n") {
		if m := interfaceLine.FindStringSubmatch(line); m != nil {
			at = m[1]
			members[at] = map[string]string{}
			for _, base := range strings.Split(m[2], ", ") {
				for name, kind := range members[base] {
					members[at][name] = kind
				}
			}
		} else if m := eventMapLine.FindStringSubmatch(line); at == "EventMap" && m != nil {
			payloads[m[1]] = m[2]
		} else if m := memberLine.FindStringSubmatch(line); at != "" && m != nil {
			members[at][m[1]] = m[2]
		}
	}
	return members, payloads
}

// typeLink is a type with a link to the section about it.
var typeLink = regexp.MustCompile(`^\[(.*)\]\(#.*\)$`)

// documentedMembers reads the table of members in a section of reference.md.
func documentedMembers(t *testing.T, section string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, cells := range tableRows(section) {
		if len(cells) != 3 || cells[2] == "" {
			t.Errorf("reference.md: %q is no member with its type and meaning", cells)
			continue
		}
		kind := typeLink.ReplaceAllString(cells[1], "$1")
		found[strings.Trim(cells[0], "`")] = strings.Trim(kind, "`")
	}
	return found
}

// wordsOf returns the first cells of the tables in a section of reference.md, without code
// marks and links.
func wordsOf(section string) (list []string) {
	for _, cells := range tableRows(section) {
		word, _, _ := strings.Cut(strings.TrimLeft(cells[0], "[`"), "`")
		list = append(list, word)
	}
	return list
}

func TestDocsEvents(t *testing.T) {
	parts := sections(document(t, "reference.md"))
	documented := wordsOf(parts["Events"])
	members, payloads := declarations(t)
	if core := load(t, "sdk").words("EventType"); !slices.Equal(documented, core) {
		t.Errorf("reference.md lists %q, sdk has %q", documented, core)
	}
	if len(payloads) != len(documented)+1 { // and IDLE_TIMEOUT
		t.Errorf("reference.md lists %d events, the declarations have %d, the alias included", len(documented), len(payloads))
	}
	same := func(section, declared string) {
		if got, want := fmt.Sprint(documentedMembers(t, parts[section])), fmt.Sprint(members[declared]); got != want || want == "map[]" {
			t.Errorf("reference.md says of %s\n%s, the declarations of %s\n%s", section, got, declared, want)
		}
	}
	for _, event := range documented {
		same(event, payloads[event])
	}
	for _, part := range []string{"Message", "MessageBody", "MessageText", "Participant"} {
		same(part, part)
	}
}

func TestDocsEnums(t *testing.T) {
	parts := sections(document(t, "reference.md"))
	parts["EventType"] = parts["Events"]
	core, protocol := load(t, "sdk"), load(t, "sdk/wire")
	for enum, p := range map[string]*goPackage{"LogLevel": core, "EngagementStatus": protocol, "ParticipantType": protocol} {
		if got, want := wordsOf(parts[enum]), p.words(enum); !slices.Equal(got, want) {
			t.Errorf("reference.md says of %s %q, the constants are %q", enum, got, want)
		}
	}
	for enum, want := range map[string][]string{
		"EventStreamFailureReason": core.words("FailureReason"), "TextType": protocol.words("TextFormat"), "EngagementDisconnectReason": protocol.words("Reason"),
	} {
		if got := wordsOf(parts[enum]); !sameWords(got, want) {
			t.Errorf("reference.md says of %s %q, the constants are %q", enum, got, want)
		}
	}

	b := harness.NewTab(t, "page")
	b.Open(harness.Shared(t).Origin.URL + "/t/page.html")
	var built map[string][]string
	b.JS(&built, `const words = {};
		for (const name of Object.keys(sdk)) if (typeof sdk[name] === "object") words[name] = Object.keys(sdk[name]);
		return words`)
	if len(built) != 8 {
		t.Errorf("the script has the enums %v, reference.md 8", built)
	}
	for enum, want := range built {
		if got := wordsOf(parts[enum]); !slices.Equal(got, want) {
			t.Errorf("reference.md says of %s %q, the script %q", enum, got, want)
		}
	}
}

// sameWords compares without regard to order.
func sameWords(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// invisible are the constants of the core and of the protocol that bound something which a
// page cannot notice.
var invisible = map[string]string{
	"wire.MaxCorrelationID": "the SDK makes the keys itself",
	"wire.MaxBody":          "no call of a page is that large",
	"wire.MaxClientFrame":   "the SDK makes the frames itself",
	"wire.MaxServerFrame":   "the gateway makes the frames itself",
	"wire.AuthTimeout":      "the SDK authenticates at once",
	"sdk.IdleDisabled":      "the value of idleTimeout 0",
	"sdk.minAttempt":        "whether a last attempt is made",
	"sdk.maxPings":          "pings that no pong has answered",
	"sdk.maxOutbox":         "the script's queue is what fills first",
	"sdk.maxArrivals":       "frames that are handled in one turn",
	"sdk.clockLead":         "where the monotonic clock of a session begins",
	"sdk.maxSleep":          "how often the clocks are compared",
	"sdk.jump":              "what counts as a clock that was set",
	"sdk.clockTolerance":    "how exactly the server's time is known",
	"sdk.issuedTolerance":   "when the server's time is guessed from a token",
}

var units = map[string]int64{
	"": 1, "ms": 1e6, "s": 1e9, "min": 60e9, "KiB": 1 << 10, "MiB": 1 << 20,
}

var limitCell = regexp.MustCompile(`^(\d+)(?: (\w+))?$`)

func TestDocsLimits(t *testing.T) {
	packages := map[string]*goPackage{"wire": load(t, "sdk/wire"), "sdk": load(t, "sdk"), "wasm": load(t, "wasm")}
	rows, codes, parts := sections(document(t, "surface.md")), documentedCodes(t), sections(document(t, "reference.md"))
	known := map[string]bool{}
	for _, cells := range tableRows(rows["Limits"]) {
		if len(cells) != 4 {
			t.Fatalf("surface.md, Limits: %q has not four cells", cells)
		}
		name := strings.Trim(cells[3], "`")
		known[name] = true
		m := limitCell.FindStringSubmatch(cells[1])
		if m == nil || units[m[2]] == 0 {
			t.Errorf("surface.md, Limits: %q is no number with a unit of %v", cells[1], units)
			continue
		}
		value, _ := strconv.ParseInt(m[1], 10, 64)
		if got, err := limitOf(t, packages, name); err != nil || got != value*units[m[2]] {
			t.Errorf("surface.md says that %s is %s, the code %d, %v", name, cells[1], got, err)
		}
		stated := regexp.MustCompile(`(^|[^0-9.])` + cells[1] + `($|[^0-9])`)
		for _, at := range strings.Fields(cells[2]) {
			text := rows[at] + parts[at]
			if owner, member, isMember := strings.Cut(at, "."); isMember && text == "" {
				text = regexp.MustCompile("(?m)^\\| `" + member + "\\??` .*").FindString(parts[owner])
			}
			if code, found := strings.CutPrefix(at, "ACS-"); found {
				n, _ := strconv.Atoi(code)
				text = codes[n].row
			}
			if !stated.MatchString(text) {
				t.Errorf("%s does not say %s, which is %s", at, cells[1], name)
			}
		}
	}
	for prefix, p := range map[string]*goPackage{"wire": packages["wire"], "sdk": packages["sdk"]} {
		for _, name := range p.limits() {
			full := prefix + "." + name
			if prefix == "wire" && !ast.IsExported(name) {
				continue // bounds of the decoder
			}
			if known[full] == (invisible[full] != "") {
				t.Errorf("%s must stand either in surface.md's table of limits or in the list of what a page cannot notice", full)
			}
		}
	}
}

// limits returns the names of the package's numbers and durations: constants that are no
// word, code or close code, and of no type of the package's own.
func (p *goPackage) limits() (list []string) {
	for _, name := range p.checked.Scope().Names() {
		c, ok := p.checked.Scope().Lookup(name).(*types.Const)
		if !ok || c.Val().Kind() != constant.Int || strings.HasPrefix(name, "Close") || strings.HasPrefix(name, "Violation") {
			continue
		}
		if n, ok := c.Type().(*types.Named); ok && n.Obj().Pkg() == p.checked {
			continue
		}
		list = append(list, name)
	}
	return list
}

// limitOf returns the value of a constant: of a Go package, such as sdk.maxSends, or of the
// script.
func limitOf(t *testing.T, packages map[string]*goPackage, name string) (int64, error) {
	prefix, rest, dotted := strings.Cut(name, ".")
	if !dotted {
		m := regexp.MustCompile(`const ` + name + ` = (\d+);`).FindStringSubmatch(shim(t))
		if m == nil {
			return 0, errors.New("the script has no such constant")
		}
		return strconv.ParseInt(m[1], 10, 64)
	}
	if packages[prefix] == nil || packages[prefix].constantOf(rest) == nil {
		return 0, errors.New("there is no such constant")
	}
	n, _ := constant.Int64Val(packages[prefix].constantOf(rest))
	return n, nil
}

// rowID is an id of the surface wherever it is cited.
var rowID = regexp.MustCompile(`\b(?:NS|INIT|SES|ENG|MSG|PAGE|EV|JWT|IDLE|SHUT|STREAM)-[0-9]+\b`)

// Whatever cites a row cites one that surface.md defines.
func TestDocsRowsCited(t *testing.T) {
	rows := sections(document(t, "surface.md"))
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "dist", "data", "out", "node_modules", "testdata"}, d.Name()):
			return fs.SkipDir
		case d.IsDir(), !slices.Contains([]string{".go", ".js", ".ts", ".md", ".html", ".sh"}, filepath.Ext(path)),
			path == filepath.Join("../..", "tests", "meta", "conformance", "conformance_test.go"): // it makes ids up
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, id := range rowID.FindAllString(string(text), -1) {
			if _, defined := rows[id]; !defined {
				t.Errorf("%s cites %s, which docs/surface.md does not define", path, id)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// anchors returns the fragments that links to a document of Markdown may have.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(`<a id="([^"]+)">`).FindAllStringSubmatch(text, -1) {
		found[m[1]] = true
	}
	for _, line := range strings.Split(text, "\n") {
		if m := headingLine.FindStringSubmatch(line); m != nil && m[1] == "" {
			words := regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(m[2]), "")
			found[strings.ReplaceAll(words, " ", "-")] = true
		}
	}
	return found
}

var (
	codeMarks = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
	linkMarks = regexp.MustCompile(`\]\(([^)#\s]*)(?:#([^)\s]*))?\)`)
)

// Each link in a document leads to a file of the repository, and to a section that is there.
func TestDocsLinks(t *testing.T) {
	var names []string
	for _, pattern := range []string{"*.md", "docs/*.md", "tests/*.md", "web/pages/*.md"} {
		found, err := fs.Glob(os.DirFS("../.."), pattern)
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, found, err)
		}
		names = append(names, found...)
	}
	links := 0
	for _, name := range names {
		text := codeMarks.ReplaceAllString(source(t, name), "``")
		for _, m := range linkMarks.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue // another site
			}
			links++
			target := name
			if m[1] != "" {
				target = path.Join(path.Dir(name), m[1])
			}
			if _, err := os.Stat(filepath.Join("../..", target)); err != nil {
				t.Errorf("%s: %v", name, err)
			} else if m[2] != "" && !anchors(source(t, target))[m[2]] {
				t.Errorf("%s links to %s#%s, which is not there", name, target, m[2])
			}
		}
	}
	if links < 100 {
		t.Errorf("there are %d links", links)
	}
}

var (
	hrefs = regexp.MustCompile(`<(?:a|link)[^>]* href="([^"]*)"`)
	ids   = regexp.MustCompile(` id="([^"]*)"`)
)

// The demo serves all documents at /docs, and each link on their pages, on from the demo's own,
// leads to a page, and to a place that is there.
func TestDocsServed(t *testing.T) {
	home, err := url.Parse(harness.Shared(t).Gateway.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{} // what was read, by path
	read := func(at *url.URL) string {
		t.Helper()
		if text, done := pages[at.Path]; done {
			return text
		}
		res, err := http.Get(at.String())
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != 200 {
			t.Errorf("%s is answered %d, %v", at, res.StatusCode, err)
		}
		if policy := res.Header.Get("Content-Security-Policy"); strings.HasPrefix(at.Path, "/docs/") && (!strings.HasPrefix(policy, "default-src 'none'; style-src 'self'; ") || strings.Contains(policy, "script-src")) {
			t.Errorf("%s has the policy %q", at, policy)
		}
		pages[at.Path] = string(b)
		return string(b)
	}
	if !strings.Contains(read(home), `href="/docs/"`) {
		t.Error("the demo's page does not lead to the documents")
	}
	for queue := []string{"/docs/"}; len(queue) > 0; queue = queue[1:] {
		page := home.ResolveReference(&url.URL{Path: queue[0]})
		for _, m := range hrefs.FindAllStringSubmatch(read(page), -1) {
			to, err := page.Parse(html.UnescapeString(m[1]))
			if err != nil {
				t.Errorf("%s leads to %s: %v", page, m[1], err)
				continue
			}
			if to.Host != home.Host {
				continue // another site
			}
			_, known := pages[to.Path]
			there := read(&url.URL{Scheme: to.Scheme, Host: to.Host, Path: to.Path})
			if to.Fragment != "" && !slices.ContainsFunc(ids.FindAllStringSubmatch(there, -1), func(m []string) bool { return html.UnescapeString(m[1]) == to.Fragment }) {
				t.Errorf("%s leads to %s, where that is not", page.Path, m[1])
			}
			if !known && strings.HasPrefix(to.Path, "/docs/") && strings.HasSuffix(to.Path, ".html") {
				queue = append(queue, to.Path)
			}
		}
	}
	names, err := fs.Glob(docs.Files, "*.md")
	if err != nil || len(names) < 12 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		title, _, _ := strings.Cut(strings.TrimPrefix(document(t, name), "# "), "\n")
		if !slices.ContainsFunc(slices.Collect(maps.Values(pages)), func(page string) bool {
			return strings.Contains(page, "<title>"+html.EscapeString(title)+" - ")
		}) {
			t.Errorf("no link leads to %s", name)
		}
	}
}
