package types

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/reference.md anew")

const (
	moduleDeclarations = "../../../js/pack/npm/exports.d.ts"
	hookDeclarations   = "../../../js/pack/npm/react.d.ts"
	reference          = "../../../docs/reference.md"
	surface            = "../../../docs/surface.md"
)

// docs/reference.md is made of the types, and its table of limits of docs/surface.md's.
func TestReferenceIsCurrent(t *testing.T) {
	want := makeReference(t)
	if *update {
		if err := os.WriteFile(reference, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		line := 0
		for have := strings.Split(string(got), "\n"); line < len(have) && strings.HasPrefix(want, strings.Join(have[:line+1], "\n")+"\n"); {
			line++
		}
		t.Errorf("docs/reference.md is not what the types say from line %d on: go test ./tests/meta/types -run TestReference -update", line+1)
	}
}

// comment is a comment of the types: its text, and the rows that it names.
type comment struct {
	Text string
	See  []string
}

type member struct {
	comment
	Kind, Name, Signature, Type string
	Optional                    bool
	Parameters                  []string
}

type declaredInterface struct {
	comment
	Name    string
	Bases   []string
	Members []member
}

type union struct {
	comment
	Name  string
	Words []struct {
		comment
		Word string
	}
}

// typeText is what reference.mjs prints.
type typeText struct {
	Interfaces []declaredInterface
	Functions  []member // of the hooks
	Unions     []union
	Texts      map[string][]struct{ Code, Text string }
	Aliases    []struct {
		comment
		Name, Type string
	}
}

func readTypes(t *testing.T) (all typeText) {
	t.Helper()
	if err := install(); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	c := exec.CommandContext(t.Context(), "node", "reference.mjs", declarations, moduleDeclarations, hookDeclarations)
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("node reference.mjs: %v\n%s", err, stderr.Bytes())
	}
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// writer writes docs/reference.md.
type writer struct {
	t *testing.T
	b strings.Builder
	typeText
	documented map[string]bool // the interfaces that are documented
}

const referenceHead = "# Reference\n\n" +
	"Every function, argument, object, event, enum, code and limit of `window.AvayaCCaaSChatSDK` and of the package for npm. This document is generated from the\n" +
	"type declarations, `avaya-ccaas-chat-sdk.d.ts`, which an editor shows as you type; tests compare them with the code. *Rows* lead to the rules in\n" +
	"[`surface.md`](surface.md), each of which a test in a browser proves. [Its conventions](surface.md#conventions) hold here, too: lengths of texts are in UTF-16 code\n" +
	"units, durations in seconds, dates are `Date` objects, ids are UUIDs.\n"

// These interfaces have sections of their own.
var (
	arguments   = []string{"SDKInitParams", "Config", "MappedData"}
	hookObjects = []string{"ChatSession", "ChatEngagement", "ChatMessages"}
	objects     = []string{"UserContext", "Engagement", "PageIterator", "Message", "MessageBody", "MessageText", "Participant", "ACSException"}
)

// makeReference returns what docs/reference.md should be.
func makeReference(t *testing.T) string {
	w := &writer{t: t, typeText: readTypes(t), documented: map[string]bool{}}
	w.b.WriteString(referenceHead)
	w.line("\n| Section | What it has |\n|---|---|")
	for _, s := range [][2]string{
		{"Functions", "what the SDK can be asked to do"}, {"Only in the package", "what the modules of the package for npm have beside that"}, {"Hooks for React", "what the package's entry for React has"},
		{"Arguments", "what `init` and `createEngagement` take"}, {"Objects", "what functions resolve with"}, {"Events", "when each is raised, and its payload"},
		{"Enums", "each word, and what it means"}, {"Errors", "each code and its text"}, {"Warnings", "the same of warnings"}, {"Limits", "each bound and time"},
	} {
		w.line("| [%s](#%s) | %s |", s[0], strings.ReplaceAll(strings.ToLower(s[0]), " ", "-"), s[1])
	}

	sdk := w.find("SDK")
	w.line("\n## Functions\n\n%s", w.linked(sdk.Text))
	w.index(sdk, "sdk")
	w.methods(sdk, "sdk", "###")
	w.line("\n### Enums and classes of the namespace")
	w.properties(sdk)

	module := w.find("ModuleSDK")
	w.line("\n## Only in the package\n\n%s", w.linked(module.Text))
	w.methods(module, "module", "###")
	w.object("ModuleConfig")
	w.aliases("WasmSource")
	w.hooks()

	w.line("\n## Arguments")
	for _, name := range arguments {
		w.object(name)
	}
	w.line("\n## Objects")
	for _, name := range objects {
		w.object(name)
	}
	w.events()
	w.enums()
	w.codes("Errors", "ErrorTexts", "An error is an [`ACSException`](#acsexception). Its message begins with the text; ` - ` and details may follow. Pages compare `code`.\n"+
		"[`errors.md`](errors.md) says of each when it comes and what to do about it.")
	w.codes("Warnings", "WarningTexts", "A warning is a line on the console, from the level `WARN` on. [`errors.md`](errors.md#warnings) says of each when it comes and what to do about it.")
	w.limits()

	for _, name := range []string{"EngagementClass", "PageWalk"} {
		w.documented[name] = true // are documented where they are members
	}
	for _, i := range w.Interfaces {
		if !w.documented[i.Name] {
			t.Errorf("docs/reference.md does not tell of %s: say where in makeReference", i.Name)
		}
	}
	return w.b.String()
}

func (w *writer) line(format string, args ...any) { fmt.Fprintf(&w.b, format+"\n", args...) }

// find returns an interface, with the members of those that it extends before its own.
func (w *writer) find(name string) declaredInterface {
	w.t.Helper()
	i := slices.IndexFunc(w.Interfaces, func(i declaredInterface) bool { return i.Name == name })
	if i < 0 {
		w.t.Fatalf("the types have no interface %s", name)
	}
	w.documented[name] = true
	found := w.Interfaces[i]
	if found.Text == "" {
		w.t.Errorf("%s has no comment", name)
	}
	own := found.Members
	found.Members = nil
	for _, base := range found.Bases {
		if base == "Error" || base == "Function" || base == "Config" || base == "Omit" {
			continue // is not ours, or documented elsewhere
		}
		for _, m := range w.find(base).Members {
			if !slices.ContainsFunc(found.Members, func(n member) bool { return n.Name == m.Name }) {
				found.Members = append(found.Members, m)
			}
		}
	}
	found.Members = append(found.Members, own...)
	return found
}

// object tells of an interface under a heading of its own.
func (w *writer) object(name string) {
	w.t.Helper()
	i := w.find(name)
	w.line("\n### %s\n\n%s", name, w.linked(i.Text))
	w.rows(i.See)
	w.properties(i)
	owner := strings.ToLower(name)
	w.methods(i, owner, "####")
	if class := name + "Class"; name == "ACSException" {
		w.methods(w.find(class), owner, "####")
	}
}

// index lists the functions of an interface, each with the first sentence about it.
func (w *writer) index(i declaredInterface, owner string) {
	w.line("\n| Function | What it does |\n|---|---|")
	for _, m := range i.Members {
		if m.Kind == "method" {
			w.line("| [`%s`](#%s.%s) | %s |", m.Name, owner, m.Name, w.linked(firstSentence(m.Text)))
		}
	}
}

// aliases tells of types that are other types, each under a heading of its own.
func (w *writer) aliases(names ...string) {
	for _, a := range w.Aliases {
		if slices.Contains(names, a.Name) {
			w.line("\n### %s\n\n%s\n\n`%s`", a.Name, w.linked(a.Text), short(a.Type))
		}
	}
}

// hookStatus is the one union of words that is no enum of the namespace.
const hookStatus = "ChatSessionStatus"

func (w *writer) hooks() {
	w.line("\n## Hooks for React\n\nThe entry `@example/avaya-ccaas-chat-sdk/react` of the package for npm. [`react.md`](react.md) says how they are used.")
	for _, f := range w.Functions {
		text, parameters, _ := strings.Cut(f.Text, "\n\n@param ")
		w.line("\n### <a id=\"react.%s\"></a>`%s(%s)`\n\n`%s`\n\n%s", f.Name, f.Name, strings.Join(f.Parameters, ", "), short(f.Signature), w.linked(text))
		for i, p := range strings.Split(parameters, "\n@param ") {
			if name, what, found := strings.Cut(p, " "); found {
				if i == 0 {
					w.line("")
				}
				w.line("- `%s` %s", name, w.linked(strings.ReplaceAll(what, "\n", " ")))
			}
		}
	}
	for _, name := range hookObjects {
		w.object(name)
	}
	for _, u := range w.Unions {
		if u.Name == hookStatus {
			w.line("\n### %s\n\n%s", u.Name, w.linked(u.Text))
		}
	}
	w.aliases("ChatAccount", "ChatError")
}

// short returns a type without the namespace.
func short(kind string) string { return strings.ReplaceAll(kind, "AvayaCCaaSChatSDK.", "") }

// properties tells of the members of an interface that are no functions, in a table.
func (w *writer) properties(i declaredInterface) {
	started := false
	for _, m := range i.Members {
		if m.Kind != "property" {
			continue
		}
		if !started {
			w.line("\n| Member | Type | Meaning |\n|---|---|---|")
			started = true
		}
		w.property(m)
	}
}

func (w *writer) property(m member) {
	name, kind := m.Name, short(m.Type)
	if m.Optional {
		name, kind = name+"?", strings.TrimSuffix(kind, " | undefined")
	}
	meaning := w.linked(strings.ReplaceAll(m.Text, "\n", " "))
	if len(m.See) > 0 {
		meaning += " (" + links(m.See) + ")"
	}
	w.line("| `%s` | %s | %s |", name, w.typeLink(kind), meaning)
}

// typeLink returns a type, with a link to the section about it where there is one.
func (w *writer) typeLink(kind string) string {
	name := strings.TrimSuffix(kind, "[]")
	isHere := slices.Contains(objects, name) || slices.Contains(arguments, name) || slices.Contains(hookObjects, name) || name == "ChatError" || slices.ContainsFunc(w.Unions, func(u union) bool { return u.Name == name })
	kind = "`" + strings.ReplaceAll(kind, "|", `\|`) + "`"
	if isHere {
		return "[" + kind + "](#" + strings.ToLower(name) + ")"
	}
	return kind
}

// methods tells of the functions of an interface, each under a heading of its own, whose anchor
// is owner.name.
func (w *writer) methods(i declaredInterface, owner, level string) {
	for _, m := range i.Members {
		if m.Kind != "method" && m.Kind != "constructor" {
			continue
		}
		anchor := owner + "." + regexp.MustCompile(`\W|Symbol`).ReplaceAllString(m.Name, "")
		w.line("\n%s <a id=\"%s\"></a>`%s(%s)`\n\n`%s`\n\n%s", level, anchor, m.Name, strings.Join(m.Parameters, ", "), short(m.Signature), w.linked(m.Text))
		w.rows(m.See)
	}
}

func (w *writer) rows(see []string) {
	if len(see) > 0 {
		w.line("\n*Rows:* %s.", links(see))
	}
}

func (w *writer) events() {
	events := w.find("EventMap")
	w.line("\n## Events\n\nA page registers a handler for an event with [`on`](#sdk.on), which gets the payload as its only argument. %s", w.linked(events.Text))
	w.rows(events.See)
	w.line("\n| Event | Raised |\n|---|---|")
	for _, m := range events.Members {
		if !isAlias(m) {
			w.line("| [`%s`](#%s) | %s |", m.Name, strings.ToLower(m.Name), w.linked(firstSentence(m.Text)))
		}
	}
	for _, m := range events.Members {
		w.line("\n### %s\n\n%s", m.Name, w.linked(m.Text))
		w.rows(m.See)
		if !isAlias(m) {
			w.properties(w.find(m.Type))
		}
	}
}

func isAlias(event member) bool { return strings.HasPrefix(event.Text, "The same as ") }

func (w *writer) enums() {
	w.line("\n## Enums\n\nEach enum is a frozen object of the namespace that maps each word to the same string (%s).", links([]string{"NS-14"}))
	w.line("\n### EventType\n\nThe [events](#events), in that order.")
	for _, u := range w.Unions {
		if u.Name == hookStatus {
			continue
		}
		w.line("\n### %s\n\n%s", u.Name, w.linked(u.Text))
		w.rows(u.See)
		w.line("\n| Word | Meaning |\n|---|---|")
		for _, word := range u.Words {
			if word.Text == "" {
				w.t.Errorf("%s of %s has no comment", word.Word, u.Name)
			}
			w.line("| `%s` | %s |", word.Word, w.linked(strings.ReplaceAll(word.Text, "\n", " ")))
		}
	}
	w.line("\n[Log lines](surface.md#log-lines) lists what each level prints.")
}

func (w *writer) codes(title, of, intro string) {
	w.line("\n## %s\n\n%s\n\n| Code | Text |\n|---|---|", title, intro)
	for _, c := range w.Texts[of] {
		w.line("| %s | %s |", links([]string{c.Code}), c.Text)
	}
}

// limits tells the limits, as the table in docs/surface.md has them.
func (w *writer) limits() {
	text, err := os.ReadFile(surface)
	if err != nil {
		w.t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "\n## Limits\n")
	table, _, _ = strings.Cut(table, "\n## ")
	rows := regexp.MustCompile("(?m)^\\| (.+?) \\| (.+?) \\| (.*?) ?\\| `.+` \\|$").FindAllStringSubmatch(table, -1)
	if !found || len(rows) < 20 {
		w.t.Fatalf("docs/surface.md has %d limits", len(rows))
	}
	w.line("\n## Limits\n\nWhat a page can notice of the SDK's bounds and times. [`protocol.md`](protocol.md) has those that the gateway enforces on its own.\n\n| What | Value | See |\n|---|---|---|")
	for _, r := range rows {
		w.line("| %s | %s | %s |", r[1], r[2], links(strings.Fields(r[3])))
	}
}

var (
	rowID    = regexp.MustCompile(`^[A-Z]+-[0-9]+$`)
	codeSpan = regexp.MustCompile("`[^`]*`")
	linkTag  = regexp.MustCompile(`\{@link ([\w.]+)\}`)
	cited    = regexp.MustCompile(`\bACS-\d{3}\b|\b[A-Z]+(?:_[A-Z]+)+\b|\b(?:SHUTDOWN|INITIALIZED)\b`)
)

// links returns links to rows, codes and sections of this document.
func links(names []string) string {
	var list []string
	for _, name := range names {
		to := "#" + name // a function
		owner, _, _ := strings.Cut(name, ".")
		switch {
		case strings.HasPrefix(name, "ACS-"):
			to = "errors.md#" + name
		case rowID.MatchString(name):
			to = "surface.md#" + name
		case owner == name, owner != strings.ToLower(owner): // a section, or a member in its table
			to = "#" + strings.ToLower(owner)
		}
		list = append(list, "["+name+"]("+to+")")
	}
	return strings.Join(list, ", ")
}

// linked returns a comment as Markdown, in which types, functions, codes and events are links.
func (w *writer) linked(text string) string {
	text = linkTag.ReplaceAllStringFunc(text, func(tag string) string {
		name := linkTag.FindStringSubmatch(tag)[1]
		if owner, function, isFunction := strings.Cut(name, "."); isFunction {
			owner = strings.TrimPrefix(strings.ToLower(owner), "module")
			if function == "setWasmURL" || function == "preload" {
				owner = "module"
			}
			return "[`" + function + "`](#" + owner + "." + function + ")"
		}
		if slices.ContainsFunc(w.Functions, func(f member) bool { return f.Name == name }) {
			return "[`" + name + "`](#react." + name + ")"
		}
		return "[`" + name + "`](#" + strings.ToLower(cmp.Or(map[string]string{"EventMap": "events", "SDK": "functions"}[name], name)) + ")"
	})
	var b strings.Builder
	at := 0
	for _, span := range append(codeSpan.FindAllStringIndex(text, -1), []int{len(text), len(text)}) {
		b.WriteString(cited.ReplaceAllStringFunc(text[at:span[0]], func(name string) string {
			if events := w.find("EventMap").Members; !strings.HasPrefix(name, "ACS-") && !slices.ContainsFunc(events, func(m member) bool { return m.Name == name }) {
				return name
			}
			return links([]string{name})
		}))
		b.WriteString(text[span[0]:span[1]])
		at = span[1]
	}
	return b.String()
}

// firstSentence returns the first sentence of a comment, on one line.
func firstSentence(text string) string {
	text = strings.ReplaceAll(text, "\n", " ")
	if first, _, more := strings.Cut(text, ". "); more {
		return first
	}
	return strings.TrimSuffix(text, ".")
}
