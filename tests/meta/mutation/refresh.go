package main

import (
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// listFile is where the faults are.
const listFile = "tests/meta/mutation/faults.go"

// refresh writes into the list where its faults are today, and the texts of those whose names
// have changed. Faults whose place is not found stay as they are, and are its error.
func refresh(root string) error {
	code, err := readCode(os.DirFS(root))
	if err != nil {
		return err
	}
	mutants, wrong := code.locate(faults)
	name := filepath.Join(root, listFile)
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	fresh, err := rewrite(string(text), mutants)
	if err != nil {
		return err
	}
	if err := os.WriteFile(name, []byte(fresh), 0o666); err != nil {
		return err
	}
	return wrong
}

// rewrite puts mutants into the text of a list of faults.
func rewrite(text string, mutants []mutant) (string, error) {
	byName := map[string]mutant{}
	for _, m := range mutants {
		byName[m.breaks] = m
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, listFile, text, parser.ParseComments)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	done := 0
	ast.Inspect(file, func(n ast.Node) bool {
		entry, ok := n.(*ast.CompositeLit)
		if !ok || len(entry.Elts) != 5 {
			return true
		}
		fields := make([]string, 5)
		for i, e := range entry.Elts {
			literal, ok := e.(*ast.BasicLit)
			if !ok {
				return true
			}
			if fields[i], err = strconv.Unquote(literal.Value); err != nil {
				return false
			}
		}
		m, ok := byName[fields[0]]
		if !ok {
			return true
		}
		put := func(i int, to string) {
			if fields[i] != to {
				out.WriteString(text[done:set.Position(entry.Elts[i].Pos()).Offset])
				out.WriteString(quote(to))
				done = set.Position(entry.Elts[i].End()).Offset
			}
		}
		put(1, m.file)
		put(2, m.in)
		if m.accuracy == byShape {
			put(3, asBefore(fields[3], m.old))
			put(4, asBefore(fields[4], m.new))
		}
		return false
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w", listFile, err)
	}
	fresh, err := format.Source([]byte(out.String() + text[done:]))
	return string(fresh), err
}

// asBefore gives a text the edges of the one that it replaces: a line's end is part of what
// an old text says.
func asBefore(before, text string) string {
	trimmed := strings.TrimLeft(before, " \t\n")
	begin := before[:len(before)-len(trimmed)]
	end := trimmed[len(strings.TrimRight(trimmed, " \t\n")):]
	return begin + strings.TrimSpace(text) + end
}

func quote(text string) string {
	if !strings.ContainsAny(text, "`\r") && strings.ContainsAny(text, "\"\\\n\t") {
		return "`" + text + "`"
	}
	return strconv.Quote(text)
}
