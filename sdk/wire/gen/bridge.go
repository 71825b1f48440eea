package main

import (
	"fmt"
	"slices"
	"strings"

	"openchat/sdk/wire/schema"
)

// delivered generates what the bridge has of every struct that a struct of its own leads to.
func (g *generator) delivered(bridge *schema.Package) {
	g.f("//go:build js && wasm\n\n%spackage main\n\nimport (\n\"openchat/sdk\"\n\"openchat/sdk/wire\"\n)\n", header)
	// What calls are settled with need not stand in another struct.
	list := slices.Concat(bridge.Structs, g.packages[1].Structs)
	inlined, texts := map[*schema.Struct]bool{}, map[*schema.Struct]bool{}
	for i := 0; i < len(list); i++ {
		for _, f := range list[i].Fields {
			inner := schema.Lookup(g.packages, f.Named)
			if inner == nil {
				continue
			}
			inlined[inner] = inlined[inner] || f.Inline
			texts[inner] = texts[inner] || f.Text
			if !slices.Contains(list, inner) {
				list = append(list, inner)
			}
		}
	}
	for _, s := range list {
		name := s.Package + "." + s.Name
		if s.Package == bridge.Name {
			name = s.Name
		}
		if inlined[s] {
			g.f("func %sMembers(v *%s, w *wire.Encoder) {", lower(s.Name), name)
			g.deliverMembers(s)
			g.f("}\n")
		}
		if texts[s] {
			continue
		}
		g.f("func %s(v *%s, w *wire.Encoder) {\nw.Open()", encoderOf(s), name)
		if inlined[s] {
			g.f("%sMembers(v, w)", lower(s.Name))
		} else {
			g.deliverMembers(s)
		}
		g.f("w.Close()\n}\n")
	}
}

// encoderOf returns the name of the function that writes a struct as an object.
func encoderOf(s *schema.Struct) string { return "encode" + strings.ToUpper(s.Name[:1]) + s.Name[1:] }

func (g *generator) deliverMembers(s *schema.Struct) {
	var own *schema.Package
	for _, p := range g.packages {
		if p.Name == s.Package {
			own = p
		}
	}
	qualifier := own.Name + "."
	outer := ""
	for _, f := range s.Fields {
		if f.Outer != outer {
			if outer != "" {
				g.f("w.Close()")
			}
			if outer = f.Outer; outer != "" {
				g.f("w.Name(%q)\nw.Open()", outer)
			}
		}
		switch {
		case f.Kind == schema.Pointer && f.Inline:
			inner := schema.Lookup(g.packages, f.Named)
			g.f("if v.%s != nil {\n%sMembers(v.%[1]s, w)\n} else {", f.Name, lower(inner.Name))
			defer g.f("}")
		case f.For != nil:
		case f.Renamed != nil:
			var constants []string
			for c := range f.Renamed {
				constants = append(constants, c)
			}
			slices.Sort(constants)
			g.f("switch v.Type {")
			for _, c := range constants {
				g.f("case %s%s:", qualifier, c)
				g.deliver(f, c)
			}
			g.f("default:")
			g.deliver(f, "")
			g.f("}")
		case f.If != "":
			g.f("if v.%s != \"\" {", f.If)
			g.deliver(f, "")
			g.f("}")
		default:
			g.deliver(f, "")
		}
	}
	if outer != "" {
		g.f("w.Close()")
	}
	g.cases(s, s.Values(own), qualifier, g.deliver)
}

// deliver generates the statements that write a member, for a value of the discriminator.
func (g *generator) deliver(f *schema.Field, constant string) {
	value, name := "v."+f.Name, f.Member
	if other := f.Renamed[constant]; other != "" {
		name = other
	}
	optional := f.Optional || slices.Contains(f.OptionalFor, constant)
	inner := schema.Lookup(g.packages, f.Named)
	switch f.Kind {
	case schema.String:
		method := "Str"
		if optional {
			method = "OptStr"
		}
		if f.Named != "" {
			value = "string(" + value + ")"
		}
		g.f("w.%s(%q, %s)", method, name, value)
	case schema.Bool:
		g.f("w.Boolean(%q, %s)", name, value)
	case schema.Integer:
		if f.Named != "int64" {
			value = "int64(" + value + ")"
		}
		g.f("w.Integer(%q, %s)", name, value)
	case schema.Duration:
		g.f("seconds(w, %q, %s)", name, value)
	case schema.Time:
		g.f("milliseconds(w, %q, %s)", name, value)
	case schema.Strings:
		g.f("w.Strings(%q, %s)", name, value)
	case schema.Object:
		if f.Inline {
			g.f("%sMembers(&%s, w)", lower(inner.Name), value)
		} else {
			g.f("w.Name(%q)\n%s(&%s, w)", name, encoderOf(inner), value)
		}
		if f.Text {
			g.f("w.Str(%q, %sText(&%s))", name, lower(inner.Name), value)
		}
	case schema.Pointer:
		text := fmt.Sprintf("w.Name(%q)\n%s(%s, w)", name, encoderOf(inner), value)
		if optional {
			text = fmt.Sprintf("if %s != nil {\n%s\n}", value, text)
		}
		g.f("%s", text)
	case schema.List:
		g.f("w.Name(%q)\nw.Array(len(%s), func(i int) { %s(&%[2]s[i], w) })", name, value, encoderOf(inner))
	case schema.Writer:
		g.f("if %s != nil {\nw.Name(%q)\n%[1]s(w)\n}", value, name)
	default:
		panic("the bridge delivers no " + f.Named)
	}
}
