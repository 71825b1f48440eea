package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Settings come from flags, from the file of --environment-file, from the environment and from
// the file of --config. The one that comes first in this list wins.

// The options that name the files.
const (
	environmentFile = "environment-file"
	configFile      = "config"
)

// envPrefix is what the names of the gateway's variables begin with.
const envPrefix = "GATEWAY_"

func envName(option string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(option, "-", "_"))
}

// environment is the gateway's part of a process's environment, by name.
type environment map[string]string

// newEnvironment takes the gateway's variables out of a process's NAME=value lines.
func newEnvironment(lines []string) environment {
	e := environment{}
	for _, line := range lines {
		if name, value, ok := strings.Cut(line, "="); ok && strings.HasPrefix(name, envPrefix) {
			e[name] = value
		}
	}
	return e
}

// serviceLink matches what Kubernetes puts into the environment of each container for a Service
// whose name begins with "gateway", whether the container wants it or not.
var serviceLink = regexp.MustCompile(`^GATEWAY_(?:[A-Z0-9_]+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$`)

// unknown reports each name that is not a setting's and was not put there by Kubernetes.
func (e environment) unknown(options []option) (m mistakes) {
	for _, name := range slices.Sorted(maps.Keys(e)) {
		known := slices.ContainsFunc(options, func(o option) bool { return envName(o.name) == name })
		address := strings.HasSuffix(name, "_PORT") && strings.Contains(e[name], "://") // of a service link
		if !known && !address && !serviceLink.MatchString(name) {
			m.addf("%s in the environment is no setting%s", cmp.Or(shownName(name), envPrefix+"…"), meant(name, options, envName))
		}
	}
	return m
}

// source is where an option's value comes from. Its zero value is the option's default.
type source struct {
	place string // "flag", "environment", or a file
	lines []int  // of the file: one for each value; nil: it is no file
}

// The sources that are no file.
const (
	fromFlag        = "flag"
	fromEnvironment = "environment"
)

// String names the source, a file with the line in which the value begins.
func (s source) String() string {
	if s.lines != nil {
		return s.at(0)
	}
	return cmp.Or(s.place, "default")
}

// at is the place of a value in a file.
func (s source) at(i int) string {
	return fmt.Sprintf("%s:%d", s.place, s.lines[max(0, min(i, len(s.lines)-1))])
}

// supplied is what a source has for an option.
type supplied struct {
	source
	name     string   // how a mistake names it
	texts    []string // one, or each a whole item of an option that may have several
	verbatim bool     // the texts are items
}

// mistakes are all that is wrong with settings, in the order in which it was found, each in one
// line.
type mistakes []string

// add notes an error, and each of those that are mistakes themselves.
func (m *mistakes) add(err error) {
	var several mistakes
	switch {
	case err == nil:
	case errors.As(err, &several):
		*m = append(*m, several...)
	default:
		*m = append(*m, oneLine(err))
	}
}

// addf notes what is wrong.
func (m *mistakes) addf(format string, arguments ...any) { m.add(fmt.Errorf(format, arguments...)) }

// err returns nil when there are no mistakes.
func (m mistakes) err() error {
	if len(m) == 0 {
		return nil
	}
	return m
}

// Error says the first, and how many more there are.
func (m mistakes) Error() string {
	switch len(m) {
	case 1:
		return m[0]
	case 2:
		return m[0] + " (and one more mistake, which gateway config check names)"
	}
	return fmt.Sprintf("%s (and %d more mistakes, which gateway config check names)", m[0], len(m)-1)
}

// aboutOption finds the option that a mistake is about: the first that it names, and which of
// its values.
var aboutOption = regexp.MustCompile(`--([a-z0-9][a-z0-9-]*)(?: number ([0-9]+))?`)

// placed adds to mistakes in which file and line the setting stands that each is about.
func (s *settings) placed(m mistakes) mistakes {
	m = slices.Clone(m)
	for i, text := range m {
		about := aboutOption.FindStringSubmatch(text)
		if about == nil || s.sources[about[1]].lines == nil {
			continue
		}
		n, _ := strconv.Atoi(about[2]) // "": the first
		m[i] = s.sources[about[1]].at(n-1) + ": " + text
	}
	return m
}

// parse reads the settings from where they come from.
func parse(args []string, env environment) (*settings, error) {
	s, err := readSettings(args, env)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// readSettings is parse that also returns what it could read when there are mistakes.
func readSettings(args []string, env environment) (*settings, error) {
	s := defaults()
	options := s.options()
	fs, refused := newFlags(options)
	first, flagged, help := probe(args)
	if help {
		s.help = true
		return s, nil
	}
	m := env.unknown(options)
	variables := map[string]supplied{}
	for name, text := range env {
		variables[name] = supplied{source{place: fromEnvironment}, name, []string{text}, false}
	}
	inFile, err := readEnvironmentFile(cmp.Or(first.environment, env[envName(environmentFile)]), options)
	m.add(err)
	maps.Copy(variables, inFile)
	path := first.config
	if texts := variables[envName(configFile)].texts; path == "" && texts != nil {
		path = texts[0]
	}
	config, err := readConfigFile(path, options)
	m.add(err)
	take := func(o option, v supplied) {
		clearList(o)
		s.sources[o.name] = v.source
		for i, text := range v.texts {
			if v.verbatim && appendItem(o, text) || fs.Set(o.name, text) == nil {
				continue
			}
			mistake := v.name + strings.TrimPrefix(*refused, "--"+o.name)
			if v.lines != nil {
				mistake = v.at(i) + ": " + mistake
			}
			m.addf("%s", mistake)
		}
	}
	for _, o := range options {
		if v, ok := config[o.name]; ok {
			take(o, v)
		}
		if v := variables[envName(o.name)]; v.texts != nil && v.texts[0] != "" && o.name != "help" && o.name != "version" {
			take(o, v)
		}
		if flagged[o.name] { // it replaces what others have for it, also where it may be repeated
			clearList(o)
			s.sources[o.name] = source{place: fromFlag}
		}
	}
	m.add(parseFlags(fs, args, options, refused))
	return s, m.err()
}

// probe reads the flags alone: which ones there are, and those that are needed before others are
// read. What is wrong with them is said later.
func probe(args []string) (s *settings, flagged map[string]bool, help bool) {
	s = defaults()
	options := s.options()
	fs, refused := newFlags(options)
	help = errors.Is(parseFlags(fs, args, options, refused), flag.ErrHelp)
	flagged = map[string]bool{}
	fs.Visit(func(f *flag.Flag) { flagged[f.Name] = true })
	return s, flagged, help
}

// newFlags makes flags of options. When a value cannot be read, refused says so in words that
// name the flag, the value and what is possible.
func newFlags(options []option) (fs *flag.FlagSet, refused *string) {
	fs, refused = flag.NewFlagSet("gateway", flag.ContinueOnError), new(string)
	fs.SetOutput(io.Discard)
	for _, o := range options {
		register(fs, o, refused)
	}
	return fs, refused
}

// parseFlags reads all flags, and returns all mistakes, or flag.ErrHelp.
func parseFlags(fs *flag.FlagSet, args []string, options []option, refused *string) error {
	var m mistakes
	for {
		*refused = ""
		err := fs.Parse(args)
		switch {
		case errors.Is(err, flag.ErrHelp): // -h
			return flag.ErrHelp
		case *refused != "":
			m.addf("%s", *refused)
		case err != nil:
			name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: ")
			if !unknown {
				m.addf("%s; --help lists the flags", oneLine(err))
				break
			}
			m.addf("there is no flag %s%s", name, meant(name, options, func(option string) string { return "--" + option }))
			// What follows may be its value.
			if rest := fs.Args(); len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
				args = rest[1:]
				continue
			}
		default:
			if fs.NArg() > 0 {
				m.addf("unexpected argument %q; values follow their flag, as in --addr 127.0.0.1:8080", fs.Arg(0))
			}
			return m.err()
		}
		args = fs.Args()
	}
}

// clearList takes the values of an option that may have several.
func clearList(o option) {
	switch l := o.value.(type) {
	case *list:
		*l = nil
	case *secrets:
		*l = nil
	}
}

// appendItem adds a whole item to an option that may have several, and reports whether it is one.
func appendItem(o option, text string) bool {
	switch l := o.value.(type) {
	case *list:
		*l = append(*l, text)
	case *secrets:
		*l = append(*l, text)
	default:
		return false
	}
	return true
}

// items are the values that a text has of an option, which are several where items may be
// separated in it.
func items(o option, text string) []string {
	switch o.value.(type) {
	case *list:
		var l list
		_ = l.Set(text) // it takes every text
		return l
	case *secrets:
		var l secrets
		_ = l.Set(text) // it takes every text
		return l
	}
	return []string{text}
}

// maxEnvironmentFile is how long the file of --environment-file may be, in bytes.
const maxEnvironmentFile = 1 << 20

// readEnvironmentFile reads the file of --environment-file. "": there is none.
func readEnvironmentFile(path string, options []option) (map[string]supplied, error) {
	if path == "" {
		return nil, nil
	}
	text, err := readBounded(path, maxEnvironmentFile)
	if err == nil && len(text) > maxEnvironmentFile {
		err = fmt.Errorf("%s has more than %d bytes", path, maxEnvironmentFile)
	}
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", environmentFile, err)
	}
	return readEnvironment(path, text, options)
}

// readEnvironment reads NAME=value lines. A name that may hold several values may be there
// several times. Empty lines, and those that begin with #, count for nothing. Quotation marks
// around a value are taken away. The mistakes quote no value.
func readEnvironment(path string, text []byte, options []option) (map[string]supplied, error) {
	known := map[string]option{}
	for _, o := range options {
		if o.name != environmentFile && o.name != "help" && o.name != "version" {
			known[envName(o.name)] = o
		}
	}
	var m mistakes
	from := map[string]supplied{}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		o, isSetting := known[name]
		switch {
		case !ok || !isSetting && shownName(name) == "":
			m.addf("%s:%d: this is not the name of a setting, as in GATEWAY_TENANT, with = and its value", path, n)
			continue
		case !isSetting:
			m.addf("%s:%d: %s is no setting that may stand here%s", path, n, name, meant(name, options, envName))
			continue
		}
		if len(value) > 1 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
			value = value[1 : len(value)-1]
		}
		v, twice := from[name]
		if !twice {
			v = supplied{source{place: path}, name, []string{value}, false}
		} else {
			switch o.value.(type) {
			case *list:
				v.texts[0] += "," + value
			case *secrets:
				v.texts[0] += "\n" + value
			default:
				m.addf("%s:%d: %s stands here a second time", path, n, name)
				continue
			}
		}
		for range max(1, len(items(o, value))) {
			v.lines = append(v.lines, n)
		}
		from[name] = v
	}
	return from, m.err()
}

// maxShownName is how long a name may be that a mistake quotes, in bytes.
const maxShownName = 64

var settingName = regexp.MustCompile(`^(?:GATEWAY_[A-Z0-9_]+|[A-Za-z][A-Za-z0-9_.-]*)$`)

// shownName is a name as a mistake quotes it: "" for a text that is none, which may be a secret
// in the wrong place.
func shownName(name string) string {
	if len(name) > maxShownName || !settingName.MatchString(name) {
		return ""
	}
	return name
}

// meant proposes the setting whose name is nearest to one that does not exist.
func meant(name string, options []option, spell func(option string) string) string {
	plain := func(s string) string {
		return strings.ReplaceAll(strings.ToLower(strings.TrimLeft(strings.TrimPrefix(s, envPrefix), "-")), "_", "-")
	}
	name = plain(name)
	best, nearest := "", len(name)/2+2
	for _, o := range options {
		if d := distance(name, o.name); len(name) <= maxShownName && d < nearest {
			best, nearest = o.name, d
		}
	}
	if best == "" {
		return "; gateway --help lists them all"
	}
	return "; did you mean " + spell(best) + "?"
}

// distance counts how many characters have to be put in, taken out or replaced to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
