package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// maxConfigFile is how long the file of --config may be, in bytes.
const maxConfigFile = 1 << 20

// notInConfig are the options that make no sense in a settings file.
var notInConfig = []string{configFile, environmentFile, "help", "version"}

// readConfigFile reads the settings file. "": there is none.
func readConfigFile(path string, options []option) (map[string]supplied, error) {
	if path == "" {
		return nil, nil
	}
	text, err := readBounded(path, maxConfigFile)
	if err == nil && len(text) > maxConfigFile {
		err = fmt.Errorf("%s has more than %d bytes", path, maxConfigFile)
	}
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", configFile, err)
	}
	from, err := readConfig(path, text, options)
	var m mistakes
	m.add(err)
	if secret := firstSecret(from, options); secret != "" && everybodyMayRead(path) {
		m.addf("--%s: %s holds secrets (%s) and everybody on this machine may read it; take that away with chmod o= on it, or name files with @", configFile, path, secret)
	}
	return from, m.err()
}

// everybodyMayRead reports whether users may read a file who are neither its owner nor of its
// group.
func everybodyMayRead(path string) bool {
	info, err := os.Stat(path)
	// Windows has no such permissions.
	return err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o004 != 0
}

// firstSecret names an option that has a secret in it, "" when none has. An appkey is in every
// customer's browser.
func firstSecret(from map[string]supplied, options []option) string {
	for _, o := range options {
		if o.name == "appkey" || o.name == "tenant" {
			continue
		}
		for _, text := range from[o.name].texts {
			if slices.ContainsFunc(items(o, text), func(item string) bool { return item != masked && mask(o, item) != item }) {
				return o.name
			}
		}
	}
	return ""
}

// readConfig reads a settings file: TOML, in which each setting stands by the name of its flag, a
// value of the setting's kind, and an array where a flag may be repeated. The mistakes quote no
// value of an option that may be a secret.
func readConfig(path string, text []byte, options []option) (map[string]supplied, error) {
	values := map[string]any{}
	if err := toml.Unmarshal(text, &values); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			line, column := at.Position()
			return nil, fmt.Errorf("%s:%d: this is no TOML, at column %d: %s", path, line, column, tomlReason(at))
		}
		return nil, fmt.Errorf("--%s: %s is no TOML", configFile, path)
	}
	var m mistakes
	from := map[string]supplied{}
	p := unstable.Parser{}
	p.Reset(text)
	for p.NextExpression() {
		e := p.Expression()
		if e.Kind == unstable.Comment {
			continue
		}
		keys := e.Key()
		keys.Next()
		name, line := string(keys.Node().Data), p.Shape(keys.Node().Raw).Start.Line
		if e.Kind != unstable.KeyValue || keys.Next() {
			m.addf("%s:%d: settings stand by themselves, as in addr = \"127.0.0.1:8080\", and in no table", path, line)
			if e.Kind != unstable.KeyValue {
				break // what follows is in it
			}
			continue
		}
		i := slices.IndexFunc(options, func(o option) bool { return o.name == name })
		switch {
		case i < 0 && shownName(name) == "":
			m.addf("%s:%d: this is no setting; gateway --help lists them all", path, line)
			continue
		case i < 0:
			m.addf("%s:%d: %s is no setting%s", path, line, name, meant(name, options, func(option string) string { return option }))
			continue
		case slices.Contains(notInConfig, name):
			m.addf("%s:%d: %s is no setting that may stand here", path, line, name)
			continue
		}
		v, err := readValue(options[i], values[name])
		if err != nil {
			m.addf("%s:%d: --%s %w", path, line, name, err)
			continue
		}
		v.name, v.source = "--"+name, source{path, []int{line}}
		if v.verbatim && len(v.texts) > 0 {
			v.lines = nil
			for n := e.Value().Children(); n.Next(); {
				if n.Node().Kind != unstable.Comment {
					v.lines = append(v.lines, p.Shape(n.Node().Raw).Start.Line)
				}
			}
		}
		from[name] = v
	}
	return from, m.err()
}

// maxTomlReason bounds how long the parser's words may be that are passed on.
const maxTomlReason = 100

// tomlReason says what is wrong. The parser quotes names and single characters; what it says of
// a number may have the number in it.
func tomlReason(err *toml.DecodeError) string {
	reason := strings.TrimPrefix(oneLine(err), "toml: ")
	if strings.Contains(reason, "unable to parse") || len(reason) > maxTomlReason {
		return "a value cannot be read"
	}
	return reason + "; texts stand in quotation marks, several values in brackets"
}

// readValue reads an option's value in a settings file.
func readValue(o option, value any) (v supplied, err error) {
	several, isList := value.([]any)
	if !isList {
		text, err := scalar(value)
		return supplied{texts: []string{text}}, err
	}
	switch o.value.(type) {
	case *list, *secrets:
	default:
		return v, errors.New("takes one value, without brackets")
	}
	v.verbatim, v.texts = true, []string{}
	for _, value := range several {
		text, err := scalar(value)
		if err != nil {
			return v, err
		}
		v.texts = append(v.texts, text)
	}
	return v, nil
}

// scalar writes a value as a flag has it.
func scalar(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", errors.New("takes a text in quotation marks, a whole number, or true or false")
}
