package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"path"
	"slices"
	"strings"
	"unicode"
)

// How the place of a fault is found
//
// A fault's old text is compared with the code token by token. If it is in its file exactly
// once, or, where it is there more often, once in the function that it names, that is the
// place. Otherwise the whole production code of its language is searched for places of the
// same shape: the same keywords, operators and literals, and names that stand for the old
// ones consistently. Where a chain of names has become longer or shorter ("s.stream.state",
// "st.state"), its last name must be the same. A place that was already there beside the
// fault's when the list was last refreshed (rivals.go) is none.
//
// The place that counts has most in common with the fault, in bits: its names and literals,
// by how rare they are, with part of that for names that share words; the function, the file
// and the folder. It must have at least half of what there is to have (enough), a part of
// the names and literals alone (familiar), and more than any other place (margin). A name
// counts against a place as far as it does not seem renamed: the old one is still used in
// that folder, or the new one is one of the list's old ones.
const (
	enough   = 0.5 // the least score that counts, of what is there to have
	familiar = 0.4 // the least part of names and literals that must be there, whatever the context
	similar  = 0.4 // the least that makes another place a rival
	margin   = 2.0 // by how much it must be better than all others, in bits

	// otherChain is what counts of a name's weight in a chain that is longer or shorter.
	otherChain = 0.5

	functionWeight = 9.0
	receiverWeight = 3.0
	fileWeight     = 3.0
	folderWeight   = 5.0
	// alike is what counts of a name's weight where all its words are there.
	alike = 0.75
	// contradiction is how much of a name's weight it costs that the old name is still used
	// in the folder, and again that the new one is an old one of the list.
	contradiction = 0.25
)

// accuracy is how a fault's place was found.
type accuracy int

const (
	exact   accuracy = iota // its text is in its file
	moved                   // its text is elsewhere
	byShape                 // names differ
)

// String is what -list adds to a fault.
func (a accuracy) String() string { return [...]string{"", " (moved)", " (BY SHAPE)"}[a] }

// mutant is a fault with the place where it is planted. Its file, function and texts are
// those of today's code.
type mutant struct {
	fault
	offset   int // of old in the file
	accuracy accuracy
}

// plant returns a file's text with the fault; not where the file is another by now.
func (m mutant) plant(text string) (planted string, ok bool) {
	if m.offset > len(text) || !strings.HasPrefix(text[m.offset:], m.old) {
		return "", false
	}
	return text[:m.offset] + m.new + text[m.offset+len(m.old):], true
}

// code is the production code that faults are planted in.
type code struct {
	files   []*source
	counts  map[language]map[string]int // how often each name is used
	total   map[language]int
	folders map[string]map[string]bool // the names that are used in each
}

// isProduction reports whether faults may be planted in a file.
func isProduction(name string) bool {
	folder := path.Dir(name)
	for part := range strings.SplitSeq(folder, "/") {
		if part == "testdata" || strings.HasSuffix(part, "test") {
			return false
		}
	}
	in := func(folders ...string) bool {
		return slices.ContainsFunc(folders, func(f string) bool { return strings.HasPrefix(name, f+"/") })
	}
	switch languageOf(name) {
	case golang:
		return !strings.HasSuffix(name, "_test.go") && in("sdk", "wasm", "web", "js/pack")
	case javascript:
		return in("js", "web/pages")
	}
	return false
}

// readCode reads the production code below a folder.
func readCode(root fs.FS) (*code, error) {
	texts := map[string]string{}
	for _, top := range []string{"sdk", "wasm", "web", "js"} {
		if err := fs.WalkDir(root, top, func(name string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) && name == top {
				return nil
			}
			if err != nil || d.IsDir() || !isProduction(name) {
				return err
			}
			text, err := fs.ReadFile(root, name)
			texts[name] = string(text)
			return err
		}); err != nil {
			return nil, err
		}
	}
	return newCode(texts), nil
}

func newCode(texts map[string]string) *code {
	var files []*source
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		files = append(files, newSource(name, texts[name]))
	}
	return codeOf(files)
}

func codeOf(files []*source) *code {
	c := &code{files, map[language]map[string]int{golang: {}, javascript: {}}, map[language]int{}, map[string]map[string]bool{}}
	for _, s := range files {
		folder := path.Dir(s.name)
		if c.folders[folder] == nil {
			c.folders[folder] = map[string]bool{}
		}
		for _, u := range s.units {
			if isLiteral(u.text) {
				c.counts[s.language][u.text]++
			}
			for _, x := range u.names {
				c.counts[s.language][x.text]++
				c.total[s.language]++
				c.folders[folder][x.text] = true
			}
		}
	}
	return c
}

// isLiteral reports whether a token is a string or a number.
func isLiteral(text string) bool {
	return text != "" && (strings.IndexByte("\"'`}", text[0]) >= 0 && len(text) > 1 || isDigit(text[0]))
}

// weight is the information of a name or of a literal in bits, by how often it is used.
func (c *code) weight(l language, name string) float64 {
	return math.Log2(float64(2+c.total[l]) / float64(1+c.counts[l][name]))
}

// renaming says what the names of a pattern are called at a place.
type renaming struct {
	names   [2]map[string]string // of members, and others
	inverse [2]map[string]string
	chains  map[string]string // beginnings of chains that became longer or shorter
}

func newRenaming() *renaming { return &renaming{chains: map[string]string{}} }

func kind(member bool) int {
	if member {
		return 0
	}
	return 1
}

// add notes a name, and reports whether it agrees with those before.
func (r *renaming) add(member bool, from, to string) bool {
	k := kind(member)
	if have, ok := r.names[k][from]; ok {
		return have == to
	}
	if _, ok := r.inverse[k][to]; ok {
		return false
	}
	if r.names[k] == nil {
		r.names[k], r.inverse[k] = map[string]string{}, map[string]string{}
	}
	r.names[k][from], r.inverse[k][to] = to, from
	return true
}

// addChain notes that a whole beginning of chains has changed.
func (r *renaming) addChain(from, to string) bool {
	if have, ok := r.chains[from]; ok {
		return have == to
	}
	r.chains[from] = to
	return true
}

func (r *renaming) identical() bool {
	for _, names := range r.names {
		for from, to := range names {
			if from != to {
				return false
			}
		}
	}
	return len(r.chains) == 0
}

// name looks a single name up.
func (r *renaming) name(member bool, from string) (to string, known bool) {
	k := kind(member)
	if to, known = r.names[k][from]; !known {
		to, known = r.names[1-k][from]
	}
	return to, known
}

// apply renames what a text names. others tells of names that the pattern does not have.
func (r *renaming) apply(l language, text string, others func(string) string) string {
	var out strings.Builder
	done := 0
	for _, u := range units(lex(l, text), nil) {
		if !u.chain() {
			continue
		}
		out.WriteString(text[done:u.start])
		done = u.end
		first := 0
		for n := len(u.names); n > 0 && first == 0; n-- {
			if to, ok := r.chains[u.path(n)]; ok {
				out.WriteString(to)
				first = n
			}
		}
		for i, x := range u.names[first:] {
			if i+first > 0 {
				out.WriteByte('.')
			}
			to, ok := r.name(u.member || i+first > 0, x.text)
			if !ok {
				to = others(x.text)
			}
			out.WriteString(to)
		}
	}
	return out.String() + text[done:]
}

// span is a part of a file's text.
type span struct{ start, end int }

// match compares a pattern with the units from a place on.
func match(pattern, all []unit) (at span, r *renaming, ok bool) {
	if first := &pattern[0]; !first.alike(&all[0]) {
		return at, nil, false // most places, quickly
	} else if len(pattern) > 1 && len(all) > 1 && !all[1].optional && !pattern[1].optional && !pattern[1].alike(&all[1]) {
		return at, nil, false
	}
	return matchAll(pattern, all)
}

// alike reports whether two units may be the same but for their names.
func (u *unit) alike(other *unit) bool { return u.text == other.text && u.chain() == other.chain() }

func matchAll(pattern, all []unit) (at span, r *renaming, ok bool) {
	r = newRenaming()
	at.start = -1
	i := 0
	for k := range pattern {
		p := &pattern[k]
		last := k == len(pattern)-1
		if p.optional && !p.chain() {
			switch {
			case i < len(all) && all[i].text == p.text:
				at.end = all[i].end
				i++
			case last && i < len(all) && !closes(all[i].text):
				return at, nil, false
			}
			continue
		}
		for i < len(all) && k > 0 && all[i].optional && all[i].text != p.text {
			i++
		}
		if i == len(all) {
			return at, nil, false
		}
		s := &all[i]
		part := span{s.start, s.end}
		if p.chain() {
			if part, ok = matchChain(p, s, k == 0, last, r); !ok {
				return at, nil, false
			}
		} else if s.text != p.text {
			return at, nil, false
		}
		if at.start < 0 {
			at.start = part.start
		}
		at.end = part.end
		i++
	}
	return at, r, at.start >= 0
}

// matchChain compares chains of names. At the edges of a pattern, the code's may go on.
func matchChain(p, s *unit, first, last bool, r *renaming) (at span, ok bool) {
	if !s.chain() {
		return at, false
	}
	at = span{s.start, s.end}
	n, m := len(p.names), len(s.names)
	same := func(skip int) bool {
		for i, x := range p.names {
			if x.text != s.names[skip+i].text {
				return false
			}
		}
		return true
	}
	add := func(skip int) bool {
		for i, x := range p.names {
			if !r.add(p.member || i > 0, x.text, s.names[skip+i].text) {
				return false
			}
		}
		return true
	}
	switch {
	case n == m:
		if s.standard && !(p.names[0].text == s.names[0].text && p.names[1].text == s.names[1].text) {
			return at, false
		}
		return at, add(0)
	case n < m && first && same(m-n) && !s.standard:
		at.start = s.names[m-n].start
		return at, add(m - n)
	case n < m && last && same(0):
		at.end = s.names[n-1].end
		return at, add(0)
	}
	end := p.names[n-1].text
	if s.standard || p.member || end != s.names[m-1].text || !r.add(true, end, end) {
		return at, false
	}
	return at, r.addChain(p.path(n), s.path(m)) && (n == 1 || m == 1 || r.addChain(p.path(n-1), s.path(m-1)))
}

// words takes a name apart: "lastMessageID" is last, message, id.
func words(name string) (list []string) {
	begin := 0
	runes := []rune(name)
	for i := 1; i <= len(runes); i++ {
		if i == len(runes) ||
			unicode.IsUpper(runes[i]) && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) ||
			strings.ContainsRune("_./", runes[i]) {
			if w := strings.ToLower(strings.Trim(string(runes[begin:i]), "_./")); w != "" {
				list = append(list, w)
			}
			begin = i
		}
	}
	return list
}

// similarity of two names is the part of their words that they share.
func similarity(a, b string) float64 {
	if a == b {
		return 1
	}
	left, right := words(a), words(b)
	n := len(left) + len(right)
	shared := 0
	for _, w := range left {
		if i := slices.Index(right, w); i >= 0 {
			right = slices.Delete(right, i, i+1)
			shared++
		}
	}
	return 2 * float64(shared) / float64(max(1, n))
}

// search is for the places of a whole list.
type search struct {
	code *code
	// old has the names of the faults' old texts.
	old map[language]map[string]bool
	// learned has what became of names, as far as the places found so far agree.
	learned map[language]map[string]string
	// shapes has the places of each fault's shape.
	shapes map[string][]*candidate
}

func newSearch(c *code, list []fault) *search {
	s := &search{c, map[language]map[string]bool{golang: {}, javascript: {}}, map[language]map[string]string{}, map[string][]*candidate{}}
	for _, f := range list {
		l := languageOf(f.file)
		for _, u := range units(lex(l, f.old), nil) {
			for _, x := range u.names {
				if s.old[l] != nil {
					s.old[l][x.text] = true
				}
			}
		}
	}
	return s
}

// candidate is a place of a pattern's shape.
type candidate struct {
	*source
	span
	renaming *renaming
	function string
	literals []string // of the pattern
	score    float64  // what it has in common with the fault, in bits
	known    float64  // the part of its names and literals that are the fault's, by weight
	share    float64  // of what there is to have; 1 where all is as the fault says
}

func (c *candidate) String() string {
	return fmt.Sprintf("%s:%d", c.name, 1+strings.Count(c.text[:c.start], "\n"))
}

// rival is a place that is like a fault's, and is not it: a function and the code in it.
type rival struct{ in, text string }

func (c *candidate) rival() rival {
	var text []string
	for _, x := range lex(c.language, c.text[c.start:c.end]) {
		text = append(text, x.text)
	}
	return rival{c.function, strings.Join(text, " ")}
}

// rivalsOf finds the places that a search could take for a fault's if that were gone.
func (s *search) rivalsOf(f fault, found *candidate) (list []rival) {
	own := found.rival()
	for _, c := range s.places(f, func(*source) bool { return true }) {
		s.score(f, c)
		if r := c.rival(); c.share >= similar && r != own && !slices.Contains(list, r) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b rival) int { return cmp.Or(cmp.Compare(a.in, b.in), cmp.Compare(a.text, b.text)) })
	return list
}

// score compares a place with what a fault says.
func (s *search) score(f fault, c *candidate) {
	l := c.language
	have, most := 0.0, 0.0
	folder := path.Dir(c.name)
	count := func(from, to string) {
		w := s.code.weight(l, from)
		most += w
		switch {
		case from == to || s.learned[l][from] == to:
			have += w
		case s.code.folders[folder][from]:
			have += w * (alike*similarity(from, to) - contradiction)
			if s.old[l][to] {
				have -= w * contradiction
			}
		default:
			have += w * alike * similarity(from, to)
		}
	}
	for _, names := range c.renaming.names {
		for from, to := range names {
			count(from, to)
		}
	}
	for from, to := range c.renaming.chains {
		chain := strings.Split(to, ".")
		for name := range strings.SplitSeq(from, ".") {
			if w := s.code.weight(l, name); slices.Contains(chain, name) {
				have += w * otherChain
			}
			most += s.code.weight(l, name)
		}
	}
	for _, text := range c.literals {
		w := s.code.weight(l, text)
		most += w
		have += w
	}
	c.known = have / max(1, most)
	context := func(w float64, from, to string) {
		most += w
		have += w * similarity(from, to)
	}
	if f.in != "" || c.function != "" {
		receiver, name := method(f.in)
		otherReceiver, otherName := method(c.function)
		context(receiverWeight, receiver, otherReceiver)
		context(functionWeight, name, otherName)
	}
	context(fileWeight, path.Base(f.file), path.Base(c.name))
	context(folderWeight, path.Dir(f.file), folder)
	if top(f.file) != top(c.name) {
		have -= folderWeight
	}
	c.score, c.share = have, have/most
}

// method takes the name of a method apart.
func method(name string) (receiver, method string) {
	if i := strings.IndexByte(name, '.'); i >= 0 {
		return name[:i], name[i+1:]
	}
	return "", name
}

// top is the first folder of a file's path.
func top(file string) string {
	first, _, _ := strings.Cut(file, "/")
	return first
}

// places finds all places of a fault's shape in some files.
func (s *search) places(f fault, chosen func(*source) bool) (list []*candidate) {
	l := languageOf(f.file)
	pattern := units(lex(l, f.old), nil)
	if len(pattern) == 0 {
		return nil
	}
	var literals []string
	for _, u := range pattern {
		if isLiteral(u.text) && !slices.Contains(literals, u.text) {
			literals = append(literals, u.text)
		}
	}
	for _, file := range s.code.files {
		if file.language != l || !chosen(file) {
			continue
		}
		for i := range file.units {
			if at, r, ok := match(pattern, file.units[i:]); ok {
				c := &candidate{source: file, span: at, renaming: r, function: file.in(at.start), literals: literals}
				list = append(list, c)
			}
		}
	}
	return list
}

var (
	errGone      = errors.New("the code is nowhere to be found")
	errAmbiguous = errors.New("it may be in several places")
)

// find finds the one place of a fault.
func (s *search) find(f fault) (*candidate, accuracy, error) {
	identical := func(c *candidate) bool { return c.renaming.identical() }
	here := s.places(f, func(c *source) bool { return c.name == f.file })
	here = slices.DeleteFunc(here, func(c *candidate) bool { return !identical(c) })
	if len(here) > 1 && f.in != "" {
		inside := slices.DeleteFunc(slices.Clone(here), func(c *candidate) bool { return c.function != f.in })
		if len(inside) > 0 {
			here = inside
		}
	}
	if len(here) == 1 {
		return here[0], exact, nil
	}
	if len(here) > 1 {
		return nil, exact, ambiguous(here)
	}
	all, ok := s.shapes[f.old]
	if !ok {
		all = s.places(f, func(*source) bool { return true })
		s.shapes[f.old] = all
	}
	all = slices.DeleteFunc(slices.Clone(all), func(c *candidate) bool { return slices.Contains(rivals[f.breaks], c.rival()) })
	for _, c := range all {
		s.score(f, c)
	}
	slices.SortStableFunc(all, func(a, b *candidate) int { return cmp.Compare(b.score, a.score) })
	if len(all) == 0 || all[0].share < enough || all[0].known < familiar {
		return nil, exact, errGone
	}
	if n := slices.IndexFunc(all, func(c *candidate) bool { return c.score <= all[0].score-margin }); n < 0 && len(all) > 1 {
		return nil, exact, ambiguous(all)
	} else if n > 1 {
		return nil, exact, ambiguous(all[:n])
	}
	if identical(all[0]) {
		return all[0], moved, nil
	}
	return all[0], byShape, nil
}

func ambiguous(list []*candidate) error {
	var names []string
	for _, c := range list[:min(5, len(list))] {
		names = append(names, c.String())
	}
	return fmt.Errorf("%w, %d: %s", errAmbiguous, len(list), strings.Join(names, ", "))
}

// locate finds the places of all faults of a list. What is wrong with the list is one error
// for each fault that it concerns; the other faults' mutants are returned with it.
func (c *code) locate(list []fault) ([]mutant, error) {
	s := newSearch(c, list)
	found := make([]*candidate, len(list))
	how := make([]accuracy, len(list))
	errs := make([]error, len(list))
	// What was learned from a place helps to find others.
	for more := true; more; {
		more = false
		for i, f := range list {
			if found[i] == nil {
				found[i], how[i], errs[i] = s.find(f)
				more = more || found[i] != nil && how[i] == byShape
			}
		}
		s.learn(found)
	}
	var mutants []mutant
	var all []error
	seen := map[string]bool{}
	planted := map[string]string{}
	for i, f := range list {
		wrong := func(err error) { all = append(all, fmt.Errorf("%s: %s: %w:\n%s", f.file, f.breaks, err, f.old)) }
		if seen[f.breaks] {
			wrong(errors.New("is there twice"))
			continue
		}
		seen[f.breaks] = true
		if languageOf(f.file) == unknownLanguage {
			errs[i] = errors.New("is in no language of which this command knows")
		}
		if errs[i] != nil {
			wrong(errs[i])
			continue
		}
		m := s.mutant(f, found[i], how[i])
		if m.old == m.new {
			wrong(errors.New("changes nothing"))
			continue
		}
		key := fmt.Sprintf("%s %d %d %s", m.file, m.offset, len(m.old), m.new)
		if other, ok := planted[key]; ok {
			wrong(fmt.Errorf("plants the same as %q", other))
			continue
		}
		planted[key] = f.breaks
		mutants = append(mutants, m)
	}
	return mutants, errors.Join(all...)
}

// learn collects the renamings on which all places agree.
func (s *search) learn(found []*candidate) {
	for l := range s.old {
		learned := map[string]string{}
		unclear := map[string]bool{}
		for _, c := range found {
			if c == nil || c.language != l {
				continue
			}
			for _, names := range c.renaming.names {
				for from, to := range names {
					if have, ok := learned[from]; ok && have != to {
						unclear[from] = true
					}
					learned[from] = to
				}
			}
		}
		maps.DeleteFunc(learned, func(from, to string) bool { return unclear[from] || from == to })
		s.learned[l] = learned
	}
}

// mutant says what planting a fault at a place means.
func (s *search) mutant(f fault, c *candidate, how accuracy) mutant {
	m := mutant{f, c.start, how}
	m.file, m.in, m.old = c.name, c.function, c.text[c.start:c.end]
	// A name that only the new text has, and that is used nowhere any more, was renamed as
	// it was for the other faults.
	others := func(name string) string {
		if to, ok := s.learned[c.language][name]; ok && s.code.counts[c.language][name] == 0 {
			return to
		}
		return name
	}
	m.new = strings.TrimSpace(f.new)
	if how == byShape {
		m.new = c.renaming.apply(c.language, m.new, others)
	}
	return m
}
