// Package wiretest reads the golden transcripts of sdk/wire/testdata/transcripts,
// which the tests of both sides play: the SDK's against a scripted gateway, the
// gateway's with a scripted client. One text for both keeps them from being wrong
// together.
//
// A transcript is a text file. Lines that begin with # are comments. A step is a
// line that names it, and the JSON that belongs to it on the lines below:
//
//	page VERB [ARGUMENTS]      the page calls the SDK (the gateway's test skips it)
//	desk VERB                  an agent acts (the SDK's test skips it)
//	> METHOD PATH              the client calls, with its body below
//	< STATUS                   the gateway answers, with its body below
//	connect PATH               the client opens the stream
//	> frame                    the client sends the frame below
//	< frame                    the gateway sends the frame below
//	< close CODE               the gateway closes the stream
//
// In JSON and paths, "$name" stands for a value that its maker chooses: the first
// side to use it binds it, and everywhere after it must be the same. "$date…" is any
// date, "$id…" in an id's place any event id, higher than the ones before. Fields
// that are not in the transcript are ignored by whoever receives them.
package wiretest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Step is one step of a transcript.
type Step struct {
	Line int
	Verb string // page, desk, call, answer, connect, send, receive, close
	// Args are the words after the verb: METHOD PATH of a call, STATUS of an answer,
	// PATH of a connect, CODE of a close, the whole rest of page and desk.
	Args []string
	JSON string // "" for none
}

// Load reads a transcript by its file name without ".txt".
func Load(files fs.FS, name string) ([]Step, error) {
	text, err := fs.ReadFile(files, path.Join("testdata/transcripts", name+".txt"))
	if err != nil {
		return nil, err
	}
	var steps []Step
	for i, line := range strings.Split(string(text), "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || strings.HasPrefix(trimmed, "#"):
			continue
		case strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[") || strings.HasPrefix(line, " "):
			if len(steps) == 0 {
				return nil, fmt.Errorf("%s:%d: JSON before any step", name, i+1)
			}
			steps[len(steps)-1].JSON += trimmed
			continue
		}
		words := strings.Fields(trimmed)
		s := Step{Line: i + 1, Args: words[1:]}
		switch {
		case words[0] == "page" || words[0] == "desk" || words[0] == "connect":
			s.Verb = words[0]
		case len(words) == 2 && words[0] == ">" && words[1] == "frame":
			s.Verb = "send"
		case len(words) == 3 && words[0] == ">":
			s.Verb = "call"
		case len(words) == 2 && words[0] == "<" && words[1] == "frame":
			s.Verb = "receive"
		case len(words) == 3 && words[0] == "<" && words[1] == "close":
			s.Verb, s.Args = "close", words[2:]
		case len(words) == 2 && words[0] == "<":
			s.Verb = "answer"
		default:
			return nil, fmt.Errorf("%s:%d: not a step: %s", name, i+1, trimmed)
		}
		steps = append(steps, s)
	}
	for _, s := range steps {
		if s.JSON != "" && !json.Valid([]byte(s.JSON)) {
			return nil, fmt.Errorf("%s:%d: not JSON: %s", name, s.Line, s.JSON)
		}
	}
	return steps, nil
}

// Vars are the values that "$name" stands for.
type Vars map[string]string

// Expand replaces each "$name" in text by its value; makeUp makes one for a name that has
// none yet.
func (v Vars) Expand(text string, makeUp func(name string) string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		if text[i] != '$' {
			b.WriteByte(text[i])
			i++
			continue
		}
		j := i + 1
		for j < len(text) && (text[j] >= 'a' && text[j] <= 'z' || text[j] >= 'A' && text[j] <= 'Z' || text[j] >= '0' && text[j] <= '9') {
			j++
		}
		name := text[i+1 : j]
		if _, ok := v[name]; !ok {
			v[name] = makeUp(name)
		}
		b.WriteString(v[name])
		i = j
	}
	return b.String()
}

// Match checks got against the transcript's want, binding what is not yet bound.
// Objects may have more members than want says.
func (v Vars) Match(want, got string) error {
	var w, g any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		return fmt.Errorf("transcript: %w", err)
	}
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		return fmt.Errorf("%s is not JSON: %w", got, err)
	}
	if err := v.match(w, g, ""); err != nil {
		return fmt.Errorf("%w\nwant %s\ngot  %s", err, want, got)
	}
	return nil
}

func (v Vars) match(want, got any, at string) error {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return errors.New(at + " is no object")
		}
		for k, x := range w {
			y, ok := g[k]
			if !ok {
				return errors.New(at + "." + k + " is missing")
			}
			if err := v.match(x, y, at+"."+k); err != nil {
				return err
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Errorf("%s has not %d elements", at, len(w))
		}
		for i := range w {
			if err := v.match(w[i], g[i], fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case string:
		g, ok := got.(string)
		if !ok {
			return errors.New(at + " is no string")
		}
		return v.matchText(w, g, at)
	default:
		if want != got {
			return fmt.Errorf("%s is %v, not %v", at, got, want)
		}
	}
	return nil
}

// MatchText is Match for a path or another text with at most one "$name" a segment.
func (v Vars) MatchText(want, got string) error {
	cut := func(r rune) bool { return strings.ContainsRune("/?&=:", r) }
	w, g := strings.FieldsFunc(want, cut), strings.FieldsFunc(got, cut)
	if len(w) != len(g) {
		return fmt.Errorf("%s is not %s", got, want)
	}
	for i := range w {
		if err := v.matchText(w[i], g[i], want); err != nil {
			return err
		}
	}
	return nil
}

func (v Vars) matchText(want, got, at string) error {
	if !strings.HasPrefix(want, "$") {
		if want != got {
			return fmt.Errorf("%s is %q, not %q", at, got, want)
		}
		return nil
	}
	name := want[1:]
	if strings.HasPrefix(name, "date") {
		return nil
	}
	if bound, ok := v[name]; ok && bound != got {
		return fmt.Errorf("%s is %q, but $%s is %q", at, got, name, bound)
	}
	v[name] = got
	return nil
}
