package main

import (
	"errors"
	"go/parser"
	"go/token"
	"hash/fnv"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// base is a file that faults are planted in, and the rest of its package.
var base = map[string]string{
	"sdk/idle.go": `package sdk

import "time"

func (i *idle) expire(now time.Time) {
	i.inGrace = true // the second half
	i.deadline = now.Add(i.grace)
	i.report(now)
}

func (i *idle) reset(now time.Time) {
	i.inGrace = false
	i.deadline = now.Add(i.timeout)
}
`,
	"sdk/send.go": `package sdk

func (s *session) send(m message) error {
	if m.status != active {
		return fail(codeNotActive, "the chat is not active")
	}
	return s.queue(request{
		text: m.text,
		key:  m.key,
	})
}
`,
	"js/avaya-ccaas-chat-sdk.js": "const read = (name) => {\n  const line = `a ${name + { a: 1 }.a} b`;\n" +
		"  if (/[/`\"]/.test(line)) return null; // never\n  return lines.push(line) / 2;\n};\n",
}

func TestLocate(t *testing.T) {
	grace := fault{"the grace period is as long as the timeout", "sdk/idle.go", "idle.expire", "i.deadline = now.Add(i.grace)", "i.deadline = now.Add(i.timeout)"}
	status := fault{"a chat that is not active is written to", "sdk/send.go", "session.send", "\tif m.status != active {", "\tif false {"}
	key := fault{"there is no key", "sdk/send.go", "session.send", "\t\tkey: m.key,\n", ""}
	script := fault{"the line is lost", "js/avaya-ccaas-chat-sdk.js", "read", "return lines.push(line) / 2", "return lines.push(null) / 2"}
	change := func(file string, pairs ...string) map[string]string {
		texts := maps.Clone(base)
		texts[file] = strings.NewReplacer(pairs...).Replace(texts[file])
		return texts
	}
	move := func(texts map[string]string, from, to string) map[string]string {
		texts = maps.Clone(texts)
		texts[to] = texts[from]
		delete(texts, from)
		return texts
	}
	without := func(file string) map[string]string {
		texts := maps.Clone(base)
		delete(texts, file)
		return texts
	}
	for _, c := range []struct {
		name  string
		texts map[string]string
		fault fault
		how   accuracy
		file  string
		want  string // a part of the file with the fault
		err   error
	}{
		{"as it is", base, grace, exact, "sdk/idle.go", "i.deadline = now.Add(i.timeout)\n\ti.report", nil},
		{"reformatted", change("sdk/idle.go", "now.Add(i.grace)", "now.Add( // soon\n\t\ti.grace,\n\t)"), grace, exact, "sdk/idle.go",
			"i.deadline = now.Add(i.timeout)\n\ti.report", nil},
		{"on one line", change("sdk/send.go", "{\n\t\ttext: m.text,\n\t\tkey:  m.key,\n\t}", "{text: m.text, key: m.key}"), key, exact, "sdk/send.go",
			"{text: m.text, }", nil},
		{"renamed variables", change("sdk/idle.go", "i.", "x.", "i *idle", "x *idle", "now", "at"), grace, byShape, "sdk/idle.go",
			"x.deadline = at.Add(x.timeout)\n\tx.report", nil},
		{"renamed fields", change("sdk/idle.go", "deadline", "deadlineAt", "timeout", "timeoutAfter"), grace, byShape, "sdk/idle.go",
			"i.deadlineAt = now.Add(i.timeout)\n\ti.report", nil},
		{"a renamed function", change("sdk/idle.go", ") expire(", ") handleDeadline("), grace, exact, "sdk/idle.go",
			"i.deadline = now.Add(i.timeout)\n\ti.report", nil},
		{"a renamed file", move(base, "sdk/idle.go", "sdk/timers.go"), grace, moved, "sdk/timers.go", "i.deadline = now.Add(i.timeout)\n\ti.report", nil},
		{"a moved function", map[string]string{
			"sdk/idle.go":  base["sdk/idle.go"][:strings.Index(base["sdk/idle.go"], "func (i *idle) expire")],
			"sdk/timer.go": base["sdk/idle.go"]}, grace, moved, "sdk/timer.go", "i.deadline = now.Add(i.timeout)\n\ti.report", nil},
		{"moved and renamed", move(change("sdk/idle.go", "i.", "x.", "i *idle", "x *idle", "expire(", "expireAt("), "sdk/idle.go", "sdk/idle/idle.go"), grace, byShape,
			"sdk/idle/idle.go", "x.deadline = now.Add(x.timeout)\n\tx.report", nil},
		{"another receiver", change("sdk/idle.go", "i.", "s.idle.", "i *idle", "s *session"), grace, byShape, "sdk/idle.go",
			"s.idle.deadline = now.Add(s.idle.timeout)\n\ts.idle.report", nil},
		{"in its function, of two", change("sdk/idle.go", "i.timeout", "i.grace"), grace, exact, "sdk/idle.go", "i.deadline = now.Add(i.timeout)\n\ti.report", nil},
		{"in neither of two functions", change("sdk/idle.go", "i.timeout", "i.grace", ") expire(", ") first(", ") reset(", ") second("), grace, exact, "", "", errAmbiguous},
		{"of two renamed", change("sdk/idle.go", "i.timeout", "i.period", "i.grace", "i.period", ") expire(", ") first(", ") reset(", ") second("), grace, exact, "", "", errAmbiguous},
		{"gone", without("sdk/idle.go"), grace, exact, "", "", errGone},
		{"of a short pattern the shape", change("sdk/send.go", "m.status != active", "x.state != ready"), status, exact, "", "", errGone},
		{"its operator is another", change("sdk/send.go", "m.status != active", "m.status == active"), status, exact, "", "", errGone},
		{"names that are not one any more", change("sdk/idle.go", "i.deadline = now.Add(i.grace)", "x.deadline = now.Add(y.grace)", "i.deadline = now.Add(i.timeout)", "i.stop()"), grace, exact, "", "", errGone},
		{"a test only has it", move(base, "sdk/idle.go", "sdk/idle_test.go"), grace, exact, "", "", errGone},
		{"a script", base, script, exact, "js/avaya-ccaas-chat-sdk.js", "return lines.push(null) / 2", nil},
		{"a script's module", move(change("js/avaya-ccaas-chat-sdk.js", "lines", "allLines", "read =", "readLine ="), "js/avaya-ccaas-chat-sdk.js", "js/src/log.js"), script, byShape,
			"js/src/log.js", "return allLines.push(null) / 2", nil},
		{"a script has it in Go", map[string]string{"sdk/log.go": "package sdk\nfunc read() { return lines.push(line) / 2 }\n"}, script, exact, "", "", errGone},
	} {
		t.Run(c.name, func(t *testing.T) {
			maps.DeleteFunc(c.texts, func(name, _ string) bool { return !isProduction(name) })
			list, err := newCode(c.texts).locate([]fault{c.fault})
			if c.err != nil {
				if !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.fault.breaks) {
					t.Errorf("%+v, %v, want %v", list, err, c.err)
				}
				return
			}
			if err != nil || len(list) != 1 {
				t.Fatal(list, err)
			}
			m := list[0]
			if text, ok := m.plant(c.texts[m.file]); !ok || m.accuracy != c.how || m.file != c.file || !strings.Contains(text, c.want) {
				t.Errorf("%+v:\n%s", m, text)
			}
		})
	}
}

func TestListErrors(t *testing.T) {
	good := fault{"good", "sdk/send.go", "session.send", "active {", "true {"}
	for want, f := range map[string]fault{
		"changes nothing":  {"x", "sdk/send.go", "", "codeNotActive", " codeNotActive "},
		"is there twice":   {"good", "sdk/send.go", "", "codeNotActive", "codeActive"},
		"plants the same":  {"x", "sdk/send.go", "", "active {", "true {"},
		"nowhere":          {"x", "sdk/send.go", "", "codeActive", "codeNotActive"},
		"no language of":   {"x", "sdk/send.c", "", "codeNotActive", "codeActive"},
		"several places, ": {"x", "sdk/send.go", "", "m", "n"},
	} {
		list, err := newCode(base).locate([]fault{good, f})
		if err == nil || !strings.Contains(err.Error(), want) || len(list) != 1 {
			t.Errorf("%+v: %v, want %q", f, err, want)
		}
	}
}

func TestLexJavaScript(t *testing.T) {
	var got []string
	for _, x := range lex(javascript, base["js/avaya-ccaas-chat-sdk.js"]) {
		got = append(got, x.text)
	}
	want := strings.Split("const read = ( name ) => { const line = `a_${ name + { a : 1 } . a }_b` ; "+
		"if ( /[/`\"]/ . test ( line ) ) return null ; return lines . push ( line ) / 2 ; } ;", " ")
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], "_", " ")
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}

func TestRewrite(t *testing.T) {
	list := "package main\n\nvar faults = []fault{\n\t{\"a\", \"sdk/a.go\", \"\", `\told()\n`,\n\t\t\"\"},\n\t{\"b\", \"sdk/b.go\", \"\", \"x\", \"y\"},\n}\n"
	got, err := rewrite(list, []mutant{{fault{"a", "sdk/c.go", "f", "renamed(\"\")", ""}, 7, byShape}})
	want := "package main\n\nvar faults = []fault{\n\t{\"a\", \"sdk/c.go\", \"f\", `\trenamed(\"\")\n`,\n\t\t\"\"},\n\t{\"b\", \"sdk/b.go\", \"\", \"x\", \"y\"},\n}\n"
	if err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
}

// rewriting gives all names that are not exported, and all files, other names.
type rewriting struct {
	name    string
	rename  func(string) string
	move    func(file string) string
	survive int // at least so many faults of a hundred
}

func suffixed(name string) string { return name + "Renamed" }

// opaque makes a name that has nothing of the old one.
func opaque(name string) string {
	h := fnv.New32a()
	h.Write([]byte(name))
	return "x" + strconv.FormatUint(uint64(h.Sum32()), 36)
}

func inFolder(file string) string {
	return path.Join(path.Dir(file), opaque(path.Base(file))+path.Ext(file))
}

func elsewhere(file string) string {
	top, _, _ := strings.Cut(file, "/")
	return path.Join(top, "elsewhere", opaque(path.Dir(file)), inFolder(path.Base(file)))
}

// Every fault is planted where it was, whatever is renamed and wherever files go. Where
// no word of the old names is left, some are refused; none is planted anywhere else.
func TestFaultsFollowTheirCode(t *testing.T) {
	c, err := readCode(os.DirFS("../../.."))
	if err != nil {
		t.Fatal(err)
	}
	list := append(slices.Clone(faults), fast)
	before, err := c.locate(list)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []rewriting{
		{"files are moved", func(name string) string { return name }, elsewhere, 100},
		{"names get a suffix, files others", suffixed, inFolder, 100},
		{"names get a suffix, files are moved", suffixed, elsewhere, 100},
		{"names and files are others", opaque, inFolder, 70},
		{"names are others, files are moved", opaque, elsewhere, 70},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			texts := map[string]string{}
			for _, s := range c.files {
				texts[r.move(s.name)] = r.apply(s)
			}
			found, err := newCode(texts).locate(list)
			right := 0
			for _, m := range found {
				b := before[slices.IndexFunc(before, func(b mutant) bool { return b.breaks == m.breaks })]
				if m.file != r.move(b.file) || nth(texts[m.file], m) != nth(read(c, b.file), b) {
					t.Errorf("%s: %s, in %s: planted in %s, in %s:\n%s", b.file, b.breaks, b.in, m.file, m.in, m.old)
					continue
				}
				right++
			}
			t.Logf("%d of %d faults survive", right, len(before))
			if right*100 < len(before)*r.survive {
				t.Error(err)
			}
		})
	}
}

func read(c *code, file string) string {
	return c.files[slices.IndexFunc(c.files, func(s *source) bool { return s.name == file })].text
}

// nth counts the tokens of a file before a mutant's place.
func nth(text string, m mutant) int {
	return slices.IndexFunc(lex(languageOf(m.file), text), func(x lexeme) bool { return x.start == m.offset })
}

// apply renames what a file names and does not export.
func (r *rewriting) apply(s *source) string {
	var out strings.Builder
	done := 0
	declared := map[string]bool{} // in a script
	packages := imports(s.text)
	list := lex(s.language, s.text)
	for i, x := range list[1:] {
		if slices.Contains([]string{"const", "let", "function", "class"}, list[i].text) && x.name {
			declared[x.text] = true
		}
	}
	for _, u := range s.units {
		for i, x := range u.names {
			member := u.member || i > 0
			switch {
			case u.standard, !unicode.IsLower(rune(x.text[0])):
				continue
			case s.language == javascript && (member || !declared[x.text]):
				continue
			case s.language == golang && !member && len(u.names) > 1 && slices.Contains(packages, x.text):
				continue
			}
			out.WriteString(s.text[done:x.start])
			out.WriteString(r.rename(x.text))
			done = x.end
		}
	}
	return out.String() + s.text[done:]
}

// imports names the packages that a Go file imports.
func imports(text string) (names []string) {
	file, err := parser.ParseFile(token.NewFileSet(), "", text, parser.ImportsOnly)
	if err != nil {
		return nil // a script
	}
	for _, i := range file.Imports {
		name := path.Base(regexp.MustCompile(`/v[0-9]+$`).ReplaceAllString(strings.Trim(i.Path.Value, `"`), ""))
		if i.Name != nil {
			name = i.Name.Name
		}
		names = append(names, name)
	}
	return names
}

// A fault whose code is gone is refused, whatever else is like it.
func TestGoneFaultsAreRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: one search for each fault")
	}
	c, err := readCode(os.DirFS("../../.."))
	if err != nil {
		t.Fatal(err)
	}
	list := append(slices.Clone(faults), fast)
	before, err := c.locate(list)
	if err != nil {
		t.Fatal(err)
	}
	remove := func(t *testing.T, f fault, m mutant, start, end int) {
		files := slices.Clone(c.files)
		i := slices.IndexFunc(files, func(s *source) bool { return s.name == m.file })
		text := files[i].text
		fresh := newSource(m.file, text[:start]+strings.Repeat(" ", end-start)+text[end:])
		fresh.functions = slices.DeleteFunc(slices.Clone(files[i].functions), func(f function) bool { return start <= f.start && f.end <= end })
		files[i] = fresh
		if other, _, err := newSearch(codeOf(files), list).find(f); err == nil {
			t.Errorf("%s: %s, in %s: it was found at %v, in %s:\n%s", m.file, m.breaks, m.in, other, other.function, other.text[other.start:other.end])
		}
	}
	t.Run("its code", func(t *testing.T) {
		t.Parallel()
		for i, m := range before {
			remove(t, list[i], m, m.offset, m.offset+len(m.old))
		}
	})
	t.Run("its function", func(t *testing.T) {
		t.Parallel()
		for i, m := range before {
			s := c.files[slices.IndexFunc(c.files, func(s *source) bool { return s.name == m.file })]
			if k := slices.IndexFunc(s.functions, func(f function) bool { return f.name == m.in && f.start <= m.offset && m.offset < f.end }); k >= 0 {
				remove(t, list[i], m, s.functions[k].start, s.functions[k].end)
			}
		}
	})
}
