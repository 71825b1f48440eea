// Package schema reads the structs of the protocol (package wire) and of what pages
// receive (package sdk) with their tags. The generator makes the codecs of it, and tests
// compare documents, types and the script with it. It is no part of what is shipped.
//
// A field with a tag is a member of the JSON object that its struct stands for:
//
//	SessionID string `wire:"sessionId"`
//
// The key of the tag is wire for the protocol and page for what pages receive. In a page's
// object a field without a page tag has its wire tag, and one with neither is no member.
// The tag's value is the member's name, and options after commas:
//
//	outer.inner      the member stands in an object of its own; fields next to each other
//	                 with the same outer name share it
//	optional         it is left out when it is empty; dates, event ids and maps always are
//	optional=Const   only where the discriminator is that constant
//	inline           no member: the struct's own members stand in its place. Of a pointer
//	                 they are, when it is not nil, all that follows
//	text             a string that a function of the bridge (cursorText) makes of the struct;
//	                 with inline, it follows the struct's members
//	seconds          a duration, as a number of seconds; in milliseconds for pages, and whole
//	                 for the protocol
//	thousandths      an integer, read from a number a thousandth as large; for readers only
//	lenient          an integer that some senders put into a string
//	const            the generator makes a constant of the name, for code that is not generated
//	if=Field         it is written where that field is not empty
//	Constant=name    it has another name where the discriminator is that constant
//
// A field named Type whose type is an enumeration is the struct's discriminator, with a tag or
// without. A tag with
// the key "for" names, after commas, the discriminator's constants with which a field is
// written; with ! before the first, those with which it is not a field of the value that
// was read. Such fields come after all others.
package schema

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Kind is what a field holds.
type Kind int

// Kinds.
const (
	String   Kind = iota // of a named type, where Field.Named has its name
	Bool                 //
	Integer              // of the type that Field.Named has
	Time                 // time.Time
	Duration             // time.Duration
	EventID              // wire.EventID
	Strings              // map[string]string
	Object               // a struct
	Pointer              // to a struct
	List                 // a slice of structs
	Writer               // a function that appends the value
)

// Package is a package's part of the schema.
type Package struct {
	Name    string
	Structs []*Struct
	Enums   []*Enum
	// Functions are the functions, but for methods, that are written by hand.
	Functions map[string]bool
	aliases   map[string]string
}

// Struct is a struct with tags.
type Struct struct {
	Package string
	Name    string
	Fields  []*Field
	// List says that there are functions for an array of them, too: the directive
	// //wire:list stands below the struct's comment.
	List bool
	// Discriminator is the field that decides which others are written, or nil.
	Discriminator *Field
}

// Field is a field of a struct.
type Field struct {
	Name   string // in Go
	Kind   Kind
	Named  string // the name of its type, or of a list's elements, with the package: wire.Body
	Member string // the member's name
	Outer  string // the object in which the member stands, or ""

	Optional, Inline, Text, Seconds, Thousandths, Lenient, Const bool

	If          string            // a field
	Renamed     map[string]string // by the discriminator's constant
	OptionalFor []string          // constants of the discriminator
	For         []string          // constants of the discriminator; empty: all
	Except      []string          // constants of the discriminator whose values do not have it
}

// Enum is a string type with its constants.
type Enum struct {
	Name      string
	Constants []Constant
}

// Constant is one value of an Enum. Frequent are those that most events hold: the directive
// //wire:frequent stands after them.
type Constant struct {
	Name, Value string
	Frequent    bool
}

// Struct returns the struct of that name, or nil.
func (p *Package) Struct(name string) *Struct {
	for _, s := range p.Structs {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Enum returns the enumeration of that name, or nil.
func (p *Package) Enum(name string) *Enum {
	for _, e := range p.Enums {
		if e.Name == name {
			return e
		}
	}
	return nil
}

// With returns the fields that are written where the discriminator has that constant,
// but for those that are written always.
func (s *Struct) With(constant string) (list []*Field) {
	for _, f := range s.Fields {
		if slices.Contains(f.For, constant) {
			list = append(list, f)
		}
	}
	return list
}

// Values returns the constants of the struct's discriminator, in their order.
func (s *Struct) Values(p *Package) []Constant {
	if s.Discriminator == nil {
		return nil
	}
	return p.Enum(strings.TrimPrefix(s.Discriminator.Named, p.Name+".")).Constants
}

// Load reads the packages in directories, of which each may use the ones before. The key
// is that of the tags.
func Load(key string, directories ...string) ([]*Package, error) {
	l := loader{key: key}
	for _, dir := range directories {
		if err := l.load(dir); err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
	}
	return l.packages, nil
}

type loader struct {
	key      string
	packages []*Package
}

func (l *loader) load(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return err
	}
	p := &Package{Functions: map[string]bool{}, aliases: map[string]string{}}
	kinds := map[string]ast.Expr{}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_gen.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return err
		}
		p.Name = f.Name.Name
		files = append(files, f)
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Recv == nil {
				p.Functions[d.Name.Name] = true
			}
		}
		each(f, func(t *ast.TypeSpec) {
			if t.Assign.IsValid() {
				p.aliases[t.Name.Name] = typeName("", t.Type)
			} else {
				kinds[t.Name.Name] = t.Type
			}
		})
	}
	if files == nil {
		return errors.New("no Go files")
	}
	l.packages = append(l.packages, p)
	for _, f := range files {
		each(f, func(t *ast.TypeSpec) {
			if typeName("", t.Type) == "string" {
				p.Enums = append(p.Enums, &Enum{Name: t.Name.Name})
			}
		})
	}
	for _, f := range files {
		each(f, func(v *ast.ValueSpec) { l.constant(p, v) })
	}
	p.Enums = slices.DeleteFunc(p.Enums, func(e *Enum) bool { return len(e.Constants) == 0 })
	for _, f := range files {
		for _, d := range f.Decls {
			d, ok := d.(*ast.GenDecl)
			if !ok || d.Tok != token.TYPE {
				continue
			}
			t := d.Specs[0].(*ast.TypeSpec)
			x, ok := t.Type.(*ast.StructType)
			if !ok {
				continue
			}
			list := d.Doc != nil && slices.ContainsFunc(d.Doc.List, func(c *ast.Comment) bool { return c.Text == "//wire:list" })
			if err := l.structure(p, kinds, &Struct{Package: p.Name, Name: t.Name.Name, List: list}, x); err != nil {
				return err
			}
		}
	}
	return nil
}

// each calls do for each declaration of a kind.
func each[T ast.Spec](f *ast.File, do func(T)) {
	for _, d := range f.Decls {
		if d, ok := d.(*ast.GenDecl); ok {
			for _, s := range d.Specs {
				if s, ok := s.(T); ok {
					do(s)
				}
			}
		}
	}
}

// typeName returns the name of a type that has one, with the package where it is not the
// file's own.
func typeName(own string, x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return own + x.Name
	case *ast.SelectorExpr:
		return x.X.(*ast.Ident).Name + "." + x.Sel.Name
	}
	return ""
}

// constant adds a constant to its enumeration. It is a literal, or a constant of a package
// that was read before, converted: EventType(wire.EventMessages).
func (l *loader) constant(p *Package, v *ast.ValueSpec) {
	if len(v.Values) != 1 {
		return
	}
	value, kind := v.Values[0], typeName("", v.Type)
	if call, ok := value.(*ast.CallExpr); ok && len(call.Args) == 1 {
		value, kind = call.Args[0], typeName("", call.Fun)
	}
	e := p.Enum(kind)
	if e == nil {
		return
	}
	switch x := value.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(x.Value); err == nil {
			frequent := v.Comment != nil && v.Comment.List[0].Text == "//wire:frequent"
			e.Constants = append(e.Constants, Constant{v.Names[0].Name, text, frequent})
		}
	case *ast.SelectorExpr:
		for _, other := range l.packages {
			for _, from := range other.Enums {
				for _, c := range from.Constants {
					if other.Name+"."+c.Name == typeName("", x) {
						e.Constants = append(e.Constants, Constant{v.Names[0].Name, c.Value, c.Frequent})
					}
				}
			}
		}
	}
}

// Lookup returns the package and the struct of a name with its package.
func Lookup(packages []*Package, name string) *Struct {
	at, own, _ := strings.Cut(name, ".")
	for _, p := range packages {
		if p.Name == at {
			if s := p.Struct(own); s != nil {
				return s
			}
			if other := p.aliases[own]; other != "" {
				return Lookup(packages, other)
			}
		}
	}
	return nil
}

func (l *loader) structure(p *Package, kinds map[string]ast.Expr, s *Struct, x *ast.StructType) error {
	for _, d := range x.Fields.List {
		if enum := p.Enum(typeName("", d.Type)); enum != nil && len(d.Names) == 1 && d.Names[0].Name == "Type" {
			s.Discriminator = &Field{Name: "Type", Named: p.Name + "." + enum.Name}
		}
		if d.Tag == nil {
			continue
		}
		text, err := strconv.Unquote(d.Tag.Value)
		if err != nil {
			return err
		}
		tag := reflect.StructTag(text)
		value, tagged := tag.Lookup(l.key)
		if !tagged {
			if value, tagged = tag.Lookup("wire"); !tagged {
				continue
			}
		}
		for _, n := range d.Names {
			f := &Field{Name: n.Name}
			err := f.read(value, tag.Get("for"))
			if err == nil {
				err = l.classify(p, kinds, f, d.Type)
			}
			if err != nil {
				return fmt.Errorf("%s.%s: %w", s.Name, f.Name, err)
			}
			s.Fields = append(s.Fields, f)
		}
	}
	if s.Fields == nil {
		return nil
	}
	if err := s.check(p); err != nil {
		return fmt.Errorf("%s.%w", s.Name, err)
	}
	p.Structs = append(p.Structs, s)
	return nil
}

// read reads a field's tags.
func (f *Field) read(value, with string) error {
	options := strings.Split(value, ",")
	f.Member = options[0]
	if outer, inner, nested := strings.Cut(f.Member, "."); nested {
		f.Outer, f.Member = outer, inner
	}
	for _, o := range options[1:] {
		name, argument, assigned := strings.Cut(o, "=")
		switch {
		case name == "if":
			f.If = argument
		case name == "optional" && assigned:
			f.OptionalFor = append(f.OptionalFor, argument)
		case assigned:
			if f.Renamed == nil {
				f.Renamed = map[string]string{}
			}
			f.Renamed[name] = argument
		default:
			flag := map[string]*bool{
				"optional": &f.Optional, "inline": &f.Inline, "text": &f.Text, "seconds": &f.Seconds, "thousandths": &f.Thousandths,
				"lenient": &f.Lenient, "const": &f.Const,
			}[name]
			if flag == nil {
				return fmt.Errorf("unknown option %q", o)
			}
			*flag = true
		}
	}
	if (f.Member == "") != (f.Inline && !f.Text) {
		return errors.New("a field has either a name or the option inline; of a text, both")
	}
	if except, negated := strings.CutPrefix(with, "!"); negated {
		f.Except = strings.Split(except, ",")
	} else if with != "" {
		f.For = strings.Split(with, ",")
	}
	return nil
}

// classify finds out what the field holds.
func (l *loader) classify(p *Package, kinds map[string]ast.Expr, f *Field, x ast.Expr) error {
	switch x := x.(type) {
	case *ast.StarExpr:
		f.Kind, f.Named = Pointer, typeName(p.Name+".", x.X)
	case *ast.ArrayType:
		f.Kind, f.Named = List, typeName(p.Name+".", x.Elt)
	case *ast.MapType:
		if typeName("", x.Key) != "string" || typeName("", x.Value) != "string" {
			return errors.New("a map must be of strings")
		}
		f.Kind = Strings
	case *ast.FuncType:
		f.Kind = Writer
	default:
		switch f.Named = typeName("", x); f.Named {
		case "string":
			f.Kind, f.Named = String, ""
		case "bool":
			f.Kind, f.Named = Bool, ""
		case "int", "int64":
			f.Kind = Integer
		case "time.Time":
			f.Kind = Time
		case "time.Duration":
			f.Kind = Duration
		case "EventID", "wire.EventID":
			f.Kind = EventID
		case "":
			return errors.New("a type that the generator does not know")
		default:
			own := kinds[f.Named]
			if f.Named = typeName(p.Name+".", x); isStruct(own) || Lookup(l.packages, f.Named) != nil {
				f.Kind = Object
			}
		}
	}
	switch {
	case f.Seconds != (f.Kind == Duration):
		return errors.New("durations, and they alone, have the option seconds")
	case f.Optional && (f.Kind == Time || f.Kind == EventID || f.Kind == Strings):
		return errors.New("it is left out when it is empty in any case")
	case (f.Inline || f.Text) && f.Kind != Object && f.Kind != Pointer:
		return errors.New("inline and text are for structs")
	}
	return nil
}

func isStruct(x ast.Expr) bool {
	_, ok := x.(*ast.StructType)
	return ok
}

// check compares the fields' options with the discriminator's constants.
func (s *Struct) check(p *Package) error {
	var constants []string
	for _, c := range s.Values(p) {
		constants = append(constants, c.Name)
	}
	names := map[string]bool{}
	conditional := false
	for _, f := range s.Fields {
		for _, c := range slices.Concat(f.For, f.Except, f.OptionalFor, slices.Collect(maps.Keys(f.Renamed))) {
			if !slices.Contains(constants, c) {
				return fmt.Errorf("%s: %s is no constant of the discriminator", f.Name, c)
			}
		}
		if conditional = conditional || f.For != nil && f.Kind != Pointer; conditional && f.For == nil {
			return fmt.Errorf("%s: fields of some discriminators come last", f.Name)
		}
		if f.If != "" && !slices.ContainsFunc(s.Fields, func(o *Field) bool { return o.Name == f.If }) {
			return fmt.Errorf("%s: there is no field %s", f.Name, f.If)
		}
		if name := f.Outer + "." + f.Member; f.Member != "" {
			if names[name] {
				return fmt.Errorf("%s: %s is there twice", f.Name, f.Member)
			}
			names[name] = true
		}
	}
	return nil
}
