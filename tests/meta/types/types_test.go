package types

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"openchat/sdk/wire"
	"openchat/tests/harness"
)

const (
	declarations  = "../../../js/avaya-ccaas-chat-sdk.d.ts"
	compiler      = "node_modules/typescript/bin/tsc"
	olderCompiler = "node_modules/typescript-5/bin/tsc"
	// patience bounds every wait; a compiler on a busy machine takes its time.
	patience = 2 * time.Minute
)

func TestMain(m *testing.M) { harness.Main(m) }

// install makes sure that there is a TypeScript. Once installed it is a matter of
// milliseconds.
var install = sync.OnceValue(func() error {
	if out, err := exec.Command("../../setup/typescript.sh").CombinedOutput(); err != nil {
		return fmt.Errorf("tests/setup/typescript.sh: %w\n%s", err, out)
	}
	return nil
})

// tsc compiles without output and returns what the compiler says; sound: nothing to
// complain of.
func tsc(t *testing.T, args ...string) (says string, sound bool) {
	t.Helper()
	return compile(t, compiler, args...)
}

// compile is tsc for another compiler.
func compile(t *testing.T, compiler string, args ...string) (says string, sound bool) {
	t.Helper()
	if err := install(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, "node", append([]string{compiler, "--pretty", "false"}, args...)...).CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Fatalf("tsc: %v", err)
	}
	return string(out), err == nil
}

func TestCompile(t *testing.T) {
	for name, args := range map[string][]string{
		"NS-1 NS-2 NS-6 ENG-1 PAGE-5 a strict page that uses everything, and none of the wrong uses": {compiler},
		"the same by TypeScript 5": {olderCompiler},
		"the same with the newest libraries and stricter options": {compiler, "--target", "esnext", "--lib", "esnext,dom",
			"--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess"},
	} {
		t.Run(name, func(t *testing.T) {
			if says, sound := compile(t, args[0], append([]string{"--project", "."}, args[1:]...)...); !sound {
				t.Errorf("tsc (TS2578 is a wrong use that was accepted):\n%s", says)
			}
		})
	}
}

// The repository's own scripts are sound in strict mode, against the declarations that pages get.
func TestScripts(t *testing.T) {
	for name, project := range map[string]string{
		"the shim": "../../../js",
		"the demo": "../../../web",
	} {
		t.Run(name, func(t *testing.T) {
			if says, sound := tsc(t, "--project", project); !sound {
				t.Errorf("tsc:\n%s", says)
			}
		})
	}
}

// style.mjs has the rules.
func TestScriptsStyle(t *testing.T) {
	if err := install(); err != nil {
		t.Fatal(err)
	}
	style := func(files ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "node", append([]string{"style.mjs"}, files...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("node style.mjs: %v\n%s", err, out)
		}
		return string(out)
	}
	var scripts []string
	for _, pattern := range []string{"../../../js/*.js", "../../../js/src/*.js", "../../../web/pages/*/*.js", "../../../web/pages/*/*/*.js"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no files (%v)", pattern, err)
		}
		scripts = append(scripts, files...)
	}
	if found := style(scripts...); found != "" {
		t.Errorf("style.mjs:\n%s", found)
	}
	bad := filepath.Join(t.TempDir(), "bad.js")
	text := "a && b();\nx ? y() : z();\nconst f = () => (a = 1);\nconst g = () => {\n" + strings.Repeat("  h();\n", 50) + "};\n"
	if err := os.WriteFile(bad, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if found := style(bad); strings.Count(found, "\n") != 4 {
		t.Errorf("of 4 places that break the rules, style.mjs finds\n%s", found)
	}
}

// A wrong use must be refused for what is wrong with it: a slip in the test's own text
// would be refused, too.
func TestWrongUsesAreRefusedForTheirReason(t *testing.T) {
	text, err := os.ReadFile("bad.ts")
	if err != nil {
		t.Fatal(err)
	}
	// Without the directives the compiler tells its reasons.
	plain := filepath.Join(t.TempDir(), "bad.ts")
	if err := os.WriteFile(plain, bytes.ReplaceAll(text, []byte("@ts-expect-error"), []byte("expected:")), 0o644); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	wanted := map[int]string{} // line: code
	directive := regexp.MustCompile(`^\s*// @ts-expect-error (TS\d+) \S`)
	for i, line := range lines {
		if m := directive.FindStringSubmatch(line); m != nil {
			wanted[i+2] = m[1]
		} else if strings.Contains(line, "// @ts-expect-error") {
			t.Errorf("bad.ts:%d: no code and reason: %s", i+1, line)
		}
	}
	if len(wanted) < 25 {
		t.Errorf("only %d wrong uses", len(wanted))
	}
	says, _ := tsc(t, "--ignoreConfig", "--strict", "--noEmit", "--target", "es2017", "--lib", "es2017,dom", declarations, plain)
	got := map[int]string{}
	for _, m := range regexp.MustCompile(`bad\.ts\((\d+),\d+\): error (TS\d+): (.*)`).FindAllStringSubmatch(says, -1) {
		var line int
		fmt.Sscan(m[1], &line)
		if got[line] += m[2]; got[line] != wanted[line] {
			t.Errorf("bad.ts:%d: %s\n\twant %q, got %s: %s", line, strings.TrimSpace(lines[line-1]), wanted[line], m[2], m[3])
		}
	}
	for line := range wanted {
		if got[line] == "" {
			t.Errorf("bad.ts:%d: accepted: %s", line, strings.TrimSpace(lines[line-1]))
		}
	}
}

// declared is what declared.mjs prints.
type declared struct {
	Paths map[string]struct {
		Kind     string
		Words    []string
		Optional bool
	}
	Undocumented, Problems []string
}

var declare = sync.OnceValues(func() (d declared, err error) {
	if err := install(); err != nil {
		return d, err
	}
	var stderr bytes.Buffer
	c := exec.Command("node", "declared.mjs", declarations)
	c.Stderr = &stderr
	out, err := c.Output()
	if err == nil {
		err = json.Unmarshal(out, &d)
	}
	if err != nil {
		return d, fmt.Errorf("node declared.mjs: %w\n%s", err, stderr.Bytes())
	}
	return d, nil
})

func declaredPaths(t *testing.T) declared {
	t.Helper()
	d, err := declare()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDeclarations(t *testing.T) {
	d := declaredPaths(t)
	for _, problem := range d.Problems {
		t.Errorf("%s: %s", declarations, problem)
	}
	for _, what := range d.Undocumented {
		t.Errorf("%s has no comment, %s", declarations, what)
	}
	if len(d.Paths) == 0 {
		t.Error("nothing is declared")
	}
}

// found is what built.js saw at a path.
type found struct {
	Count int
	Kinds []string
	Texts []string
}

func TestDeclaredIsBuilt(t *testing.T) {
	d := declaredPaths(t)
	page := open(t)
	var built map[string]found
	if err := page.Eval(&built, `live()`); err != nil {
		t.Fatal(err)
	}

	// What lies below a map or an unknown has names of its own.
	for path := range built {
		for above := path; ; {
			i := strings.LastIndexByte(above, '.')
			if i < 0 {
				break
			}
			if above = above[:i]; d.Paths[above].Kind == "map" || d.Paths[above].Kind == "unknown" {
				delete(built, path)
				break
			}
		}
	}
	compared := map[string]bool{}
	compare := func(row string, roots ...string) {
		t.Run(row, func(t *testing.T) {
			for _, root := range roots {
				compared[root] = true
				if _, ok := d.Paths[root]; !ok {
					t.Errorf("%s is not declared", root)
				}
				for _, path := range slices.Sorted(maps.Keys(built)) {
					if _, ok := d.Paths[path]; !ok && rootOf(path) == root {
						t.Errorf("%s is there (%v), but not declared", path, built[path].Kinds)
					}
				}
				for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
					if rootOf(path) != root {
						continue
					}
					is, should := built[path], d.Paths[path]
					above := strings.TrimSuffix(path, "[]")
					if i := strings.LastIndexByte(path, '.'); above == path && i > 0 {
						above = path[:i]
					}
					switch {
					case is.Count == 0:
						t.Errorf("%s is declared, but was never there", path)
						continue
					case !should.Optional && above != path && is.Count < built[above].Count:
						t.Errorf("%s is there in %d of %d %s: it is optional, but not declared so", path, is.Count, built[above].Count, above)
					}
					for _, kind := range is.Kinds {
						if kind != should.Kind && !(should.Kind == "map" && kind == "object") && should.Kind != "unknown" {
							t.Errorf("%s is declared as %s, but is %s", path, should.Kind, kind)
						}
					}
					for _, text := range is.Texts {
						if should.Words != nil && !slices.Contains(should.Words, text) {
							t.Errorf("%s is %q, which is none of the declared words %q", path, text, should.Words)
						}
					}
				}
			}
		})
	}
	compare("NS-1 NS-2 NS-3 NS-4 NS-5 NS-6 NS-7 NS-8 NS-9 NS-10 NS-11 NS-12 NS-14 the namespace: functions, enumerations, classes", "SDK")
	compare("NS-6 what the promise of getEngagementById has", "getEngagementById()")
	compare("INIT-7 EV-1 UserContext", "UserContext", "INITIALIZED")
	compare("ENG-1 ENG-6 Engagement", "Engagement")
	compare("MSG-2 Message", "Message")
	compare("PAGE-2 PAGE-5 PageIterator", "PageIterator")
	compare("ACSException", "ACSException")
	compare("EV-2 SHUTDOWN", "SHUTDOWN")
	compare("EV-3 TOKEN_EXPIRY_REMINDER", "TOKEN_EXPIRY_REMINDER")
	compare("EV-4 TOKEN_EXPIRED", "TOKEN_EXPIRED")
	compare("EV-5 IDLE_TIMEOUT_EXPIRED and its alias", "IDLE_TIMEOUT_EXPIRED", "IDLE_TIMEOUT")
	compare("EV-6 STREAM-7 the other EVENT_STREAM events", "EVENT_STREAM_CONNECTING", "EVENT_STREAM_CONNECTED", "EVENT_STREAM_CLOSED")
	compare("EV-7 EVENT_STREAM_FAILED", "EVENT_STREAM_FAILED")
	compare("EV-8 ENGAGEMENT_ACTIVE and ENGAGEMENT_TERMINATED", "ENGAGEMENT_ACTIVE", "ENGAGEMENT_TERMINATED")
	compare("EV-9 ENGAGEMENT_ERROR", "ENGAGEMENT_ERROR")
	compare("EV-10 PARTICIPANT events", "PARTICIPANT_ADDED", "PARTICIPANT_DISCONNECTED")
	compare("EV-11 MESSAGE events", "MESSAGE_ARRIVED", "MESSAGE_DELIVERED")
	for _, paths := range []map[string]bool{roots(d.Paths), roots(built)} {
		for root := range paths {
			if !compared[root] {
				t.Errorf("%s is not compared: add it here", root)
			}
		}
	}

	t.Run("NS-2 EV-5 on takes every declared name, and no other", func(t *testing.T) {
		var names []string
		for root := range roots(d.Paths) {
			names = append(names, root) // also those that are no events
		}
		slices.Sort(names)
		want := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name != strings.ToUpper(name) || name == "SDK" })
		var got []string
		if err := page.Eval(&got, `accepted(%s)`, names); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

func rootOf(path string) string {
	root, _, _ := strings.Cut(path, ".")
	return strings.TrimSuffix(root, "[]")
}

func roots[V any](paths map[string]V) map[string]bool {
	all := map[string]bool{}
	for path := range paths {
		all[rootOf(path)] = true
	}
	return all
}

// open builds the SDK where that is needed, and loads it in Chromium.
func open(t *testing.T) *harness.Target {
	t.Helper()
	if err := harness.BuildSDK(t.Context()); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/sdk/", http.StripPrefix("/sdk/", http.FileServer(http.Dir(filepath.Join(harness.Root(), "dist")))))
	mux.HandleFunc("/built.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "built.js") })
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><title>test</title><link rel="icon" href="data:,"><script src="/built.js"></script><script src="/sdk/avaya-ccaas-chat-sdk.js"></script>`)
	})
	mux.Handle(wire.BasePath+"/", http.StripPrefix(wire.BasePath, newGateway()))
	server := httptest.NewServer(mux)
	browser, err := harness.SharedBrowser()
	if err != nil {
		t.Fatal(err)
	}
	var console harness.Log[string]
	page, err := harness.OpenTarget(browser, "", func(event any) {
		if line := harness.ConsoleLine(event); line != "" {
			console.Add(line)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		page.Close()
		server.CloseClientConnections()
		server.Close()
		if t.Failed() {
			t.Logf("console:\n%s", strings.Join(console.All(), "\n"))
		}
	})
	if err := page.Run(chromedp.Navigate(server.URL)); err != nil {
		t.Fatal(err)
	}
	return page
}
