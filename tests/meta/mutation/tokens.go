package main

import (
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// language is one whose code faults are planted in.
type language int

const (
	unknownLanguage language = iota
	golang
	javascript
)

func languageOf(file string) language {
	switch path.Ext(file) {
	case ".go":
		return golang
	case ".js":
		return javascript
	}
	return unknownLanguage
}

// lexeme is a token of either language. White space and comments are none.
type lexeme struct {
	text       string
	name       bool // an identifier that somebody may rename
	start, end int  // in bytes
}

// lex takes a file, or a piece of one, apart.
func lex(l language, text string) []lexeme {
	if l == javascript {
		return lexJavaScript(text)
	}
	return lexGo(text)
}

// fixedNames are Go's predeclared identifiers, which nobody renames.
var fixedNames = strings.Fields(`any bool byte comparable complex64 complex128 error float32 float64 int int8 int16
	int32 int64 rune string uint uint8 uint16 uint32 uint64 uintptr true false iota nil append cap clear close
	complex copy delete imag len make max min new panic print println real recover _`)

func lexGo(text string) (list []lexeme) {
	file := token.NewFileSet().AddFile("", -1, len(text))
	var s scanner.Scanner
	s.Init(file, []byte(text), func(token.Position, string) {}, 0)
	for {
		pos, kind, literal := s.Scan()
		if kind == token.EOF {
			return list
		}
		x := lexeme{text: literal, start: file.Offset(pos)}
		switch {
		case kind == token.SEMICOLON && literal == "\n":
			// Semicolons that the language inserts have no width. The last one of a
			// piece is there only if a line ends.
			if file.Offset(pos) >= len(text) {
				continue
			}
			x.text = ";"
			x.start = list[len(list)-1].end
			x.end = x.start
			list = append(list, x)
			continue
		case kind.IsOperator():
			x.text = kind.String()
		}
		x.end = x.start + len(x.text)
		x.name = kind == token.IDENT && (!slices.Contains(fixedNames, literal) || len(list) > 0 && list[len(list)-1].text == ".")
		list = append(list, x)
	}
}

// keywords are JavaScript's, with the names that nobody renames.
var keywords = strings.Fields(`await async break case catch class const continue debugger default delete do else export
	extends finally for function if import in instanceof let new of return static super switch this throw try typeof var
	void while with yield null true false undefined`)

// operators are JavaScript's of more than one character, longer ones first.
var operators = strings.Fields(`>>>= ... === !== **= <<= >>= >>> &&= ||= ??= => == != <= >= && || ?? ?. ++ -- += -= *= /=
	%= &= |= ^= << >> **`)

func lexJavaScript(text string) (list []lexeme) {
	// templates holds for each template string that is open how many braces are open
	// in the expression that is read.
	var templates []int
	add := func(start, end int, name bool) int {
		list = append(list, lexeme{text[start:end], name, start, end})
		return end
	}
	last := func() string {
		if len(list) == 0 {
			return ""
		}
		return list[len(list)-1].text
	}
	for i := 0; i < len(text); {
		c, rest := text[i], text[i:]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case strings.HasPrefix(rest, "//"):
			i += lineLength(rest)
		case strings.HasPrefix(rest, "/*"):
			if end := strings.Index(rest[2:], "*/"); end >= 0 {
				i += end + 4
			} else {
				i = len(text)
			}
		case isWord(c):
			end := i
			for end < len(text) && (isWord(text[end]) || isDigit(text[end])) {
				end++
			}
			i = add(i, end, !slices.Contains(keywords, text[i:end]) || last() == ".")
		case isDigit(c) || c == '.' && len(rest) > 1 && isDigit(rest[1]):
			end := i
			for end < len(text) && (isWord(text[end]) || isDigit(text[end]) || text[end] == '.') {
				end++
			}
			i = add(i, end, false)
		case c == '"' || c == '\'':
			i = add(i, i+delimited(rest, c), false)
		case c == '`':
			n, open := templatePart(rest)
			if open {
				templates = append(templates, 0)
			}
			i = add(i, i+n, false)
		case c == '}' && len(templates) > 0 && templates[len(templates)-1] == 0:
			n, open := templatePart(rest)
			if !open {
				templates = templates[:len(templates)-1]
			}
			i = add(i, i+n, false)
		case c == '/' && beginsExpression(list):
			end := i + regexpLength(rest)
			for end < len(text) && isWord(text[end]) {
				end++
			}
			i = add(i, end, false)
		default:
			n := 1
			if k := slices.IndexFunc(operators, func(o string) bool { return strings.HasPrefix(rest, o) }); k >= 0 {
				n = len(operators[k])
			}
			if open := len(templates) - 1; open >= 0 && c == '{' {
				templates[open]++
			} else if open >= 0 && c == '}' {
				templates[open]--
			}
			i = add(i, i+n, false)
		}
	}
	return list
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c == '#' || c >= 0x80 || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func lineLength(text string) int {
	if end := strings.IndexByte(text, '\n'); end >= 0 {
		return end
	}
	return len(text)
}

// delimited returns the length of the string that begins the text, up to the same quote.
func delimited(text string, quote byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case quote:
			return i + 1
		case '\n':
			return i
		}
	}
	return len(text)
}

// templatePart returns the length of a part of a template string, from "`" or "}" to "`" or
// "${", and whether an expression follows.
func templatePart(text string) (n int, open bool) {
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case text[i] == '`':
			return i + 1, false
		case strings.HasPrefix(text[i:], "${"):
			return i + 2, true
		}
	}
	return len(text), false
}

// regexpLength returns the length of a regular expression without its flags.
func regexpLength(text string) int {
	class := false
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '[':
			class = true
		case ']':
			class = false
		case '/':
			if !class {
				return i + 1
			}
		case '\n':
			return i
		}
	}
	return len(text)
}

// beginsExpression reports whether "/" after these tokens begins a regular expression. After
// ")" it takes it for a division, which is right but for "if (x) /y/.test(z)".
func beginsExpression(list []lexeme) bool {
	if len(list) == 0 {
		return true
	}
	last := list[len(list)-1]
	switch c := last.text[len(last.text)-1]; {
	case last.name, c == ')' || c == ']' || c == '"' || c == '\'' || c == '`':
		return false
	case slices.Contains(keywords, last.text):
		return !slices.Contains([]string{"this", "super", "null", "true", "false", "undefined"}, last.text)
	case c == '}':
		return false
	default:
		return !isDigit(last.text[0])
	}
}

// unit is what patterns are compared by: one token, or a chain of names with dots
// between them.
type unit struct {
	text       string // of a single token; empty for a chain
	names      []lexeme
	member     bool // the first name is a field or a method: it follows a dot, or is a key
	standard   bool // the first name is a package of Go's library
	optional   bool // formatting decides whether it is there: a comma or semicolon before a closing bracket
	start, end int
}

func (u *unit) chain() bool { return len(u.names) > 0 }

// path is the chain's first n names.
func (u *unit) path(n int) string {
	var s strings.Builder
	for i, x := range u.names[:n] {
		if i > 0 {
			s.WriteByte('.')
		}
		s.WriteString(x.text)
	}
	return s.String()
}

func closes(text string) bool { return text == "}" || text == ")" || text == "]" }

// units puts tokens together. standard are the names of the packages of Go's library that the
// file imports.
func units(list []lexeme, standard []string) (all []unit) {
	for i := 0; i < len(list); i++ {
		x := list[i]
		u := unit{text: x.text, start: x.start, end: x.end}
		dotted := i > 0 && list[i-1].text == "."
		switch {
		case x.name:
			u.text, u.names = "", list[i:i+1]
			key := i+1 < len(list) && list[i+1].text == ":" && (i == 0 || list[i-1].text == "{" || list[i-1].text == ",")
			u.member = dotted || key
			u.standard = !dotted && slices.Contains(standard, x.text)
			begin := i
			for i+2 < len(list) && list[i+1].text == "." && list[i+2].name {
				i += 2
				u.names = append(u.names[:len(u.names):len(u.names)], list[i])
			}
			u.standard = u.standard && i > begin
			u.end = list[i].end
		case x.text == ";" || x.text == ",":
			u.optional = i+1 == len(list) || closes(list[i+1].text)
		}
		all = append(all, u)
	}
	return all
}

// source is a file of production code.
type source struct {
	name      string
	text      string
	language  language
	units     []unit
	functions []function
}

// function is a declaration: a function, a method as "type.method", or the first name of a
// constant, a variable or a type.
type function struct {
	name       string
	start, end int
}

func newSource(name, text string) *source {
	s := &source{name: name, text: text, language: languageOf(name)}
	list := lex(s.language, text)
	var standard []string
	if s.language == javascript {
		s.functions = functionsJavaScript(list)
	} else {
		s.functions, standard = functionsGo(text)
	}
	s.units = units(list, standard)
	return s
}

// in names the innermost declaration around an offset.
func (s *source) in(offset int) string {
	name, size := "", len(s.text)+1
	for _, f := range s.functions {
		if f.start <= offset && offset < f.end && f.end-f.start < size {
			name, size = f.name, f.end-f.start
		}
	}
	return name
}

// functionsGo finds a file's declarations, and the packages of Go's library that it imports.
func functionsGo(text string) (list []function, standard []string) {
	set := token.NewFileSet()
	file, _ := parser.ParseFile(set, "", text, parser.SkipObjectResolution)
	if file == nil {
		return nil, nil
	}
	add := func(name string, n ast.Node) {
		list = append(list, function{name, set.Position(n.Pos()).Offset, set.Position(n.End()).Offset})
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			name := d.Name.Name
			if d.Recv != nil && len(d.Recv.List) == 1 {
				receiver := d.Recv.List[0].Type
				if star, ok := receiver.(*ast.StarExpr); ok {
					receiver = star.X
				}
				if index, ok := receiver.(*ast.IndexExpr); ok {
					receiver = index.X
				}
				if id, ok := receiver.(*ast.Ident); ok {
					name = id.Name + "." + name
				}
			}
			add(name, d)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					add(spec.Names[0].Name, spec)
				case *ast.TypeSpec:
					add(spec.Name.Name, spec)
				case *ast.ImportSpec:
					of, err := strconv.Unquote(spec.Path.Value)
					first, _, _ := strings.Cut(of, "/")
					if err == nil && spec.Name == nil && !strings.Contains(first, ".") && first != "openchat" {
						standard = append(standard, path.Base(of))
					}
				}
			}
		}
	}
	return list, standard
}

// functionsJavaScript finds the named functions, methods and classes with a body in braces.
func functionsJavaScript(list []lexeme) (all []function) {
	type opening struct {
		at   int
		name string
	}
	var open []opening
	pairs := map[int]int{} // the index of the bracket that each closing one closes
	named := func(i int) string {
		if i >= 0 && list[i].name {
			return list[i].text
		}
		return ""
	}
	for i, x := range list {
		switch {
		case x.text == "(" || x.text == "[":
			open = append(open, opening{at: i})
		case x.text == "{" || strings.HasSuffix(x.text, "${"):
			if x.text != "{" && x.text[0] == '}' && len(open) > 0 {
				open = open[:len(open)-1]
			}
			open = append(open, opening{i, blockName(list, i, pairs, named)})
		case closes(x.text) || x.text[0] == '}':
			if len(open) == 0 {
				continue
			}
			o := open[len(open)-1]
			open = open[:len(open)-1]
			pairs[i] = o.at
			if o.name != "" {
				all = append(all, function{o.name, list[o.at].start, x.end})
			}
		}
	}
	return all
}

// blockName names the function or class whose body begins at a brace.
func blockName(list []lexeme, at int, pairs map[int]int, named func(int) string) string {
	i := at - 1
	if i < 0 {
		return ""
	}
	for k := i; k >= 0 && k > i-4; k-- { // class A extends B
		if list[k].text == "class" {
			return named(k + 1)
		}
	}
	arrow := list[i].text == "=>"
	if arrow {
		i--
	}
	if i < 0 {
		return ""
	}
	if list[i].text == ")" {
		begin, ok := pairs[i]
		if !ok {
			return ""
		}
		i = begin
	} else if !arrow {
		return ""
	}
	i--
	if !arrow {
		if name := named(i); name != "" {
			return name // function name() {, or a method
		}
		if i < 0 || list[i].text != "function" {
			return "" // if () {
		}
		i--
	}
	if i >= 0 && list[i].text == "async" {
		i--
	}
	if i >= 1 && (list[i].text == "=" || list[i].text == ":") {
		return named(i - 1)
	}
	return ""
}
