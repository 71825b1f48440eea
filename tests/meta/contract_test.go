package meta

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"openchat/sdk/wire/schema"
)

// These tests compare both sides of the contract between the bridge and the shim with the
// table in wasm/contract.go.

// contractCommand is a row of the table.
type contractCommand struct {
	arguments int
	settles   string
}

// contract reads the table.
func contract(t *testing.T) map[string]contractCommand {
	t.Helper()
	found := map[string]contractCommand{}
	text := func(x ast.Expr) string {
		s, err := strconv.Unquote(x.(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ast.Inspect(parseFile(t, "../../wasm/contract.go"), func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || v.Names[0].Name != "commands" {
			return true
		}
		for _, row := range v.Values[0].(*ast.CompositeLit).Elts {
			cells := row.(*ast.CompositeLit).Elts
			c := contractCommand{settles: text(cells[2])}
			if list, ok := cells[1].(*ast.CompositeLit); ok {
				c.arguments = len(list.Elts)
			}
			found[text(cells[0])] = c
		}
		return false
	})
	if len(found) == 0 {
		t.Fatal("wasm/contract.go has no table of commands")
	}
	return found
}

func parseFile(t *testing.T, name string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// delivered reads the structs of what is delivered.
func delivered(t *testing.T) []*schema.Package {
	t.Helper()
	packages, err := schema.Load("page", "../../sdk/wire", "../../sdk", "../../wasm")
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

// The bridge's dispatch has the commands of the table, reads as many arguments, and settles
// with what the table says.
func TestContractOfTheBridge(t *testing.T) {
	want := contract(t)
	got := map[string]contractCommand{}
	ast.Inspect(parseFile(t, "../../wasm/bridge.go"), func(n ast.Node) bool {
		f, ok := n.(*ast.FuncDecl)
		if !ok {
			return true
		}
		if f.Name.Name != "run" {
			return false
		}
		for _, s := range f.Body.List {
			s, ok := s.(*ast.SwitchStmt)
			if !ok {
				continue
			}
			for _, c := range s.Body.List {
				c := c.(*ast.CaseClause)
				if c.List == nil {
					continue
				}
				op, err := strconv.Unquote(c.List[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				got[op] = dispatched(c)
			}
		}
		return false
	})
	if !maps.Equal(got, want) {
		t.Errorf("the bridge has\n%v, the table\n%v", got, want)
	}
}

// dispatched reads one command of the bridge: the last argument that it reads, and what it
// passes to settle.
func dispatched(c *ast.CaseClause) (found contractCommand) {
	nothing := false
	for _, s := range c.Body {
		ast.Inspect(s, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			switch f := call.Fun.(type) {
			case *ast.SelectorExpr:
				if x, ok := f.X.(*ast.Ident); ok && x.Name == "a" && len(call.Args) > 0 {
					if i, err := strconv.Atoi(call.Args[0].(*ast.BasicLit).Value); err == nil {
						found.arguments = max(found.arguments, i-1)
					}
				}
			case *ast.Ident:
				if f.Name == "settle" {
					encoder := call.Args[2].(*ast.Ident).Name
					found.settles = "sdk." + strings.TrimPrefix(encoder, "encode")
					if encoder == "encodeEngagements" {
						found.settles = "[]sdk.Engagement"
					}
				}
			case *ast.IndexExpr: // settle[struct{}]
				nothing = true
			}
			return true
		})
	}
	if nothing && found.settles != "" {
		found.settles = "?" + found.settles
	}
	return found
}

// scripts returns the sources of the script, by their paths, without comments.
func scripts(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"../../js/*.js", "../../js/src/*.js"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			found[name] = scriptComment.ReplaceAllString(string(text), "")
		}
	}
	return found
}

var scriptComment = regexp.MustCompile(`(?s:/\*.*?\*/)|(?m:^\s*//.*$)|(?m: // .*$)`)

// senders matches the functions of the script that send a command: their first parameter is
// called op.
var senders = regexp.MustCompile(`const (\w+) = \(op(.*?)\) =>`)

// The script sends commands of the table only, with as many arguments, and each of them.
func TestContractOfTheScript(t *testing.T) {
	table, sources := contract(t), scripts(t)
	parameters := map[string]string{"core": ""}
	for _, text := range sources {
		for _, m := range senders.FindAllStringSubmatch(text, -1) {
			parameters[m[1]] = m[2]
		}
	}
	sent := regexp.MustCompile(`\b(` + strings.Join(slices.Collect(maps.Keys(parameters)), "|") + `)\("(\w+)"`)
	unsent := maps.Clone(table)
	for name, text := range sources {
		for _, m := range sent.FindAllStringSubmatchIndex(text, -1) {
			through, op := text[m[2]:m[3]], text[m[4]:m[5]]
			delete(unsent, op)
			want, known := table[op]
			if !known {
				t.Errorf("%s sends %s, which the bridge does not have", name, op)
				continue
			}
			arguments := splitArguments(text[m[3]+1:])
			n, counted := len(arguments)-1, true
			switch {
			case through == "core": // the id comes before them
				n--
			case strings.HasPrefix(parameters[through], ", args"): // they are an array
				list := arguments[1]
				if counted = list[0] == '['; counted {
					n = len(splitArguments(list[1:]))
					if through == "act" && strings.Contains(text, "[id].concat(args)") {
						n++
					}
				}
			}
			if counted && n != want.arguments {
				t.Errorf("%s sends %s with %d arguments, the bridge reads %d", name, op, n, want.arguments)
			}
		}
	}
	if len(unsent) > 0 {
		t.Errorf("the script never sends %v", slices.Collect(maps.Keys(unsent)))
	}
}

// splitArguments returns the expressions between commas, up to the bracket that closes
// what was open before the text.
func splitArguments(text string) (list []string) {
	depth, from := 0, 0
	add := func(to int) {
		if x := strings.TrimSpace(text[from:to]); x != "" {
			list = append(list, x)
		}
	}
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i += 1 + strings.IndexByte(text[i+1:], '"')
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth < 0 {
				add(i)
				return list
			}
		case ',':
			if depth == 0 {
				add(i)
				from = i + 1
			}
		}
	}
	return list
}

// membersOf returns the members of a struct and of those that stand in it inline, of all its
// discriminators.
func membersOf(packages []*schema.Package, name string) map[string]bool {
	found := map[string]bool{}
	for _, f := range schema.Lookup(packages, name).Fields {
		if f.Inline {
			maps.Copy(found, membersOf(packages, f.Named))
		}
		for _, member := range append(slices.Collect(maps.Values(f.Renamed)), f.Outer, f.Member) {
			if member != "" {
				found[member] = true
			}
		}
	}
	return found
}

// holders are the names that the script's variables with delivered objects have, and the
// structs whose members these can have.
var holders = map[string][]string{
	"item":    {"main.settlement", "main.raised", "main.logLine"},
	"record":  {"sdk.Engagement", "sdk.UserContext"},
	"changed": {"sdk.Engagement"},
	"page":    {"sdk.Page"},
	"next":    {"sdk.Page"},
	"payload": {"sdk.Event"},
	"p":       {"wire.Participant"},
}

// The script reads members that the bridge delivers.
func TestContractMembers(t *testing.T) {
	packages := delivered(t)
	known := func(structs ...string) map[string]bool {
		all := map[string]bool{}
		for _, s := range structs {
			maps.Copy(all, membersOf(packages, s))
		}
		return all
	}
	read := 0
	for name, text := range scripts(t) {
		for variable, structs := range holders {
			members := known(structs...)
			check := func(member string) {
				read++
				if !members[member] {
					t.Errorf("%s reads %s.%s, which is not delivered", name, variable, member)
				}
			}
			for _, m := range regexp.MustCompile(`(?:^|[^\w.])`+variable+`\.([a-z]\w*)\b[^(]`).FindAllStringSubmatch(text, -1) {
				check(m[1])
			}
			for _, m := range regexp.MustCompile(`\{([^{}]*)\} = `+variable+`;`).FindAllStringSubmatch(text, -1) {
				for _, member := range splitArguments(m[1] + "}") {
					check(strings.TrimSpace(strings.Split(member, ":")[0]))
				}
			}
		}
		for _, m := range regexp.MustCompile(`const settle = \(\{([^}]*)\}\)`).FindAllStringSubmatch(text, -1) {
			for _, member := range splitArguments(m[1] + "}") {
				if read++; !known("main.settlement")[strings.Split(member, ":")[0]] {
					t.Errorf("%s reads %s of a settlement, which is not delivered", name, member)
				}
			}
		}
		// The members that become Dates, and those that pages read of an engagement.
		for list, want := range map[string][]string{"DATES": dates(packages), "DATA": data(packages)} {
			m := regexp.MustCompile(`const ` + list + ` = .*?\[([^\]]*)\]`).FindStringSubmatch(text)
			if m == nil {
				continue
			}
			var got []string
			for _, x := range splitArguments(m[1] + "]") {
				got = append(got, strings.Trim(x, `"`))
			}
			read++
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %s is %q, delivered are %q", name, list, got, want)
			}
		}
	}
	if read < 20 {
		t.Errorf("only %d places where the script reads a delivered member were found: does the test know its variables' names?", read)
	}
}

// dates returns the names of all dates that are delivered, sorted.
func dates(packages []*schema.Package) (list []string) {
	for _, s := range packages[1].Structs {
		for _, f := range s.Fields {
			if f.Kind == schema.Time {
				list = append(list, f.Member)
				list = slices.AppendSeq(list, maps.Values(f.Renamed))
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// data returns the members of an engagement that are no array, sorted.
func data(packages []*schema.Package) (list []string) {
	for _, f := range schema.Lookup(packages, "sdk.Engagement").Fields {
		if f.Kind != schema.List {
			list = append(list, f.Member)
		}
	}
	slices.Sort(list)
	return list
}

// recordTypes are the types of delivered objects that the script declares for the compiler
// of TypeScript, which compares each use with them.
var recordTypes = map[string]string{
	"ErrorRecord": "main.failure", "Settlement": "main.settlement", "LogItem": "main.logLine", "EventItem": "main.raised",
	"InitializedItem": "main.raised", "EngagementRecord": "sdk.Engagement", "UserRecord": "sdk.UserContext", "PageRecord": "sdk.Page",
}

// The types that the script's modules declare of the contract are the contract's.
func TestContractDeclared(t *testing.T) {
	text, err := os.ReadFile("../../js/src/bridge.js")
	if os.IsNotExist(err) {
		t.Skip("the script is no module yet")
	}
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`(?m)^ \*`).ReplaceAllString(string(text), "")
	packages, table := delivered(t), contract(t)
	of := map[string]bool{} // the types that have the commands as methods
	for _, m := range regexp.MustCompile(`keyof (\w+)`).FindAllStringSubmatch(regexp.MustCompile(`(?m)^.*\bop: .*$`).FindString(declared), -1) {
		of[m[1]] = true
	}
	found := 0
	for _, m := range regexp.MustCompile(`(?s)@typedef \{(.*?)\} (\w+)\n`).FindAllStringSubmatch(declared, -1) {
		body, name := m[1], m[2]
		if record := recordTypes[name]; record != "" {
			found++
			members := membersOf(packages, record)
			for _, d := range regexp.MustCompile(`(?:[{,]\s*(\w+)\??: (\w+))|"(\w+)"`).FindAllStringSubmatch(body, -1) {
				if member := d[1] + d[3]; d[2] != "undefined" && !members[member] && strings.ToUpper(member) != member {
					t.Errorf("bridge.js declares %s.%s, which is not delivered", name, member)
				}
			}
		}
		if !of[name] {
			continue
		}
		for _, c := range regexp.MustCompile(`(?m)^\s+(\w+)\(`).FindAllStringSubmatchIndex(body, -1) {
			found++
			op, n := body[c[2]:c[3]], len(splitArguments(body[c[1]:]))
			if want, known := table[op]; !known || want.arguments != n {
				t.Errorf("bridge.js declares %s with %d arguments, the table has %v", op, n, want)
			}
		}
	}
	if want := len(table) + len(recordTypes); found != want {
		t.Errorf("bridge.js declares %d commands and types of delivered objects, not %d", found, want)
	}
}

// The enumerations of the script and of the types are the constants.
func TestEnumerations(t *testing.T) {
	packages := delivered(t)
	values := func(p *schema.Package, name string) (list []string) {
		for _, c := range p.Enum(name).Constants {
			list = append(list, c.Value)
		}
		return list
	}
	protocol, core := packages[0], packages[1]
	want := map[string][]string{
		"EventType": values(core, "EventType"), "LogLevel": values(core, "LogLevel"),
		"EventStreamFailureReason": values(core, "FailureReason"),
		"EngagementStatus":         values(protocol, "EngagementStatus"), "ParticipantType": values(protocol, "ParticipantType"),
		"TextType": values(protocol, "TextFormat"), "EngagementDisconnectReason": values(protocol, "Reason"),
		// SYSTEM_CLOSED is not for pages.
		"ShutdownReason": slices.DeleteFunc(values(protocol, "Reason"), func(r string) bool { return r == "SYSTEM_CLOSED" }),
	}
	same := func(where, name, text string) {
		var got []string
		for _, m := range regexp.MustCompile(`"([A-Z_]+)"`).FindAllStringSubmatch(text, -1) {
			got = append(got, m[1])
		}
		if fmt.Sprint(slices.Sorted(slices.Values(got))) != fmt.Sprint(slices.Sorted(slices.Values(want[name]))) {
			t.Errorf("%s has %s %q, the constants are %q", where, name, got, want[name])
		}
	}
	inScript := map[string]bool{}
	for file, text := range scripts(t) {
		for _, m := range regexp.MustCompile(`(\w+)(?: =|:) freeze\(\{([^}]*)\}\)`).FindAllStringSubmatch(text, -1) {
			inScript[m[1]] = true
			same(file, m[1], m[2])
		}
	}
	types := regexp.MustCompile(`(?s)/\*\*.*?\*/`).ReplaceAllString(source(t, "js/avaya-ccaas-chat-sdk.d.ts"), "")
	for name := range want {
		if !inScript[name] {
			t.Errorf("the script has no enumeration %s", name)
		}
		if name == "EventType" {
			m := regexp.MustCompile(`(?s)interface EventMap \{(.*?)\n  \}`).FindStringSubmatch(types)
			names := regexp.MustCompile(`(?m)^    ([A-Z_]+):`).ReplaceAllString(m[1], `"$1"`)
			same("EventMap", name, strings.Replace(names, `"IDLE_TIMEOUT"`, "", 1))
			continue
		}
		m := regexp.MustCompile(`(?s)type ` + name + ` =(.*?);`).FindStringSubmatch(types)
		if m == nil {
			t.Errorf("the types have no %s", name)
			continue
		}
		same("the types", name, m[1])
	}
}
