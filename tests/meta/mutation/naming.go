package main

import (
	"cmp"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// testFunction is a test function of a package.
type testFunction struct {
	pkg, name string
	body      string
}

var testFunctionStart = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\) \{$`)

// functions reads a package's test functions.
func (c tree) functions(pkg string) (list []testFunction, err error) {
	files, err := filepath.Glob(filepath.Join(string(c), pkg, "*_test.go"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for _, m := range testFunctionStart.FindAllSubmatchIndex(text, -1) {
			body, _, _ := strings.Cut(string(text[m[1]:]), "\n}\n")
			list = append(list, testFunction{pkg, string(text[m[2]:m[3]]), body})
		}
	}
	return list, nil
}

// names reports whether the function names one of the rows.
func (f testFunction) names(rows []string) bool {
	ids := rowID.FindAllString(f.body, -1)
	return slices.ContainsFunc(rows, func(r string) bool { return slices.Contains(ids, r) })
}

// naming finds a package's test functions that name one of the rows.
func (c tree) naming(pkg string, rows []string) (names []string, err error) {
	names = []string{}
	list, err := c.functions(pkg)
	for _, f := range list {
		if f.names(rows) {
			names = append(names, f.name)
		}
	}
	return names, err
}

// maxGuesses is how many test functions a fault meets alone, before it meets many at once.
const maxGuesses = 3

var (
	title = regexp.MustCompile(`t\.Run\("([^"]+)"`)
	word  = regexp.MustCompile(`[A-Z]?[a-z]{2,}|[A-Z]{3,}`)
)

func wordsOf(text string) map[string]bool {
	set := map[string]bool{}
	for _, w := range word.FindAllString(text, -1) {
		set[strings.ToLower(w)] = true
	}
	return set
}

// likeliest returns the test functions that name a row of the fault and share the most words with
// it, the best first. A word counts the more the fewer functions have it, and the more in the name
// of a subtest.
func (c tree) likeliest(packages []string, f mutant) (best []catch, err error) {
	var all []testFunction
	for _, pkg := range packages {
		list, err := c.functions(pkg)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	bodies := make([]map[string]bool, len(all))
	having := map[string]float64{}
	for i, t := range all {
		bodies[i] = wordsOf(t.name + t.body)
		for w := range bodies[i] {
			having[w]++
		}
	}
	type candidate struct {
		catch
		alike float64
	}
	var list []candidate
	wanted, rows := wordsOf(f.breaks+" "+f.old), rowID.FindAllString(f.breaks, -1)
	for i, t := range all {
		if !t.names(rows) {
			continue
		}
		titles := strings.Builder{}
		for _, m := range title.FindAllStringSubmatch(t.body, -1) {
			titles.WriteString(m[1] + " ")
		}
		named := wordsOf(titles.String())
		alike := 0.0
		for w := range wanted {
			if bodies[i][w] {
				weight := math.Log(float64(len(all)) / having[w])
				alike += weight
				if named[w] {
					alike += 2 * weight
				}
			}
		}
		list = append(list, candidate{catch{t.pkg, t.name}, alike})
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(b.alike, a.alike) })
	for _, c := range list[:min(maxGuesses, len(list))] {
		best = append(best, c.catch)
	}
	return best, nil
}
