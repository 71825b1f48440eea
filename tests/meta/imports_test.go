package meta

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// listed is what go list tells of a package.
type listed struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func goList(t *testing.T, env []string, args ...string) (list []listed) {
	t.Helper()
	c := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,TestImports,XTestImports"}, args...)...)
	c.Dir = "../.."
	c.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("go list %v: %v\n%s", args, err, stderr.Bytes())
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			if len(list) == 0 {
				t.Fatalf("go list %v: no package", args)
			}
			return list
		case err != nil:
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

var wasmEnv = []string{"GOOS=js", "GOARCH=wasm"}

// The core has no platform: what it needs of one, it is given.
func TestImportsCoreHasNoPlatform(t *testing.T) {
	for _, p := range goList(t, wasmEnv, "./sdk", "./sdk/wire") {
		for _, banned := range []string{"syscall/js", "syscall", "os", "os/exec", "os/signal"} {
			if slices.Contains(p.Imports, banned) {
				t.Errorf("%s imports %s", p.ImportPath, banned)
			}
		}
	}
}

// What the core links is downloaded by every visitor.
func TestImportsCoreIsSmall(t *testing.T) {
	for _, p := range goList(t, wasmEnv, "-deps", "./sdk", "./sdk/wire") {
		switch p.ImportPath {
		case "net", "net/http", "crypto/tls", "encoding/json", "fmt", "reflect":
			t.Errorf("sdk depends on %s; see it with: GOOS=js GOARCH=wasm go list -deps ./sdk", p.ImportPath)
		}
	}
}

// A mistake in the core is not excused by the same one in the gateway. The tests of both use
// the harness, which therefore has neither.
func TestImportsBetweenSides(t *testing.T) {
	in := func(path, tree string) bool { return path == tree || strings.HasPrefix(path, tree+"/") }
	for _, p := range goList(t, nil, "./sdk/...", "./web/...", "./tests/harness") {
		for _, i := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			switch {
			case in(p.ImportPath, "openchat/web") && in(i, "openchat/sdk") && !in(i, "openchat/sdk/wire"):
				t.Errorf("%s imports %s: of sdk, the gateway may import sdk/wire only", p.ImportPath, i)
			case p.ImportPath == "openchat/tests/harness" && (in(i, "openchat/sdk") && i != "openchat/sdk/wire" || in(i, "openchat/web")):
				t.Errorf("the harness imports %s: of sdk and web, it may import sdk/wire only", i)
			case in(p.ImportPath, "openchat/sdk") && in(i, "openchat/web"):
				t.Errorf("%s imports %s: sdk may not import the gateway", p.ImportPath, i)
			}
		}
	}
}

// The servers meet in the store only, and the store knows neither. What counts knows nothing
// of what is counted.
func TestImportRulesOfServers(t *testing.T) {
	banned := map[string][]string{
		"openchat/web/metrics":  {"store", "jwks", "httpapi", "presence", "gateway", "desk", "tracing"},
		"openchat/web/tracing":  {"store", "jwks", "httpapi", "presence", "gateway", "desk", "metrics"},
		"openchat/web/store":    {"httpapi", "jwks", "presence", "gateway", "desk"},
		"openchat/web/jwks":     {"store", "httpapi", "presence", "gateway", "desk"},
		"openchat/web/httpapi":  {"presence", "gateway", "desk"},
		"openchat/web/presence": {"httpapi", "gateway", "desk"},
		"openchat/web/gateway":  {"presence", "desk"},
		"openchat/web/desk":     {"gateway"},
	}
	for _, p := range goList(t, nil, "./web/...") {
		for _, name := range banned[p.ImportPath] {
			if slices.Contains(p.Imports, "openchat/web/"+name) {
				t.Errorf("%s imports %s", p.ImportPath, name)
			}
		}
		delete(banned, p.ImportPath)
	}
	for path := range banned {
		t.Errorf("there is no package %s", path)
	}
}

// OpenTelemetry is web/tracing's and nobody else's, so that it can be replaced in one place; what is linked
// into the gateway has no gRPC, and nothing of it all is linked into the core or the wasm.
func TestImportsTelemetryIsInOnePlace(t *testing.T) {
	found := false
	for _, p := range goList(t, nil, "./...") {
		for _, i := range p.Imports {
			if strings.HasPrefix(i, "go.opentelemetry.io/") {
				if found = true; p.ImportPath != "openchat/web/tracing" {
					t.Errorf("%s imports %s", p.ImportPath, i)
				}
			}
		}
	}
	if !found {
		t.Error("nothing imports OpenTelemetry")
	}
	for _, linked := range []struct {
		env    []string
		of     string
		banned []string
	}{
		{nil, "./web", []string{"google.golang.org/grpc"}},
		{wasmEnv, "./wasm", []string{"go.opentelemetry.io/", "google.golang.org/"}},
		{nil, "./sdk/...", []string{"go.opentelemetry.io/", "google.golang.org/"}},
	} {
		for _, p := range goList(t, linked.env, "-deps", linked.of) {
			for _, banned := range linked.banned {
				if strings.HasPrefix(p.ImportPath, banned) {
					t.Errorf("%s links %s", linked.of, p.ImportPath)
				}
			}
		}
	}
}

// One goroutine owns a session's state, and the others send it messages.
func TestImportsCoreHasNoMutex(t *testing.T) {
	for _, file := range goFiles(t, "../../sdk") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "sync" && (s.Sel.Name == "Mutex" || s.Sel.Name == "RWMutex") {
				t.Errorf("%s: a mutex", files.Position(n.Pos()))
			}
			return true
		})
		for _, i := range f.Imports {
			if path, _ := strconv.Unquote(i.Path.Value); path == "sync" && i.Name != nil {
				t.Errorf("%s: sync under another name", files.Position(i.Pos()))
			}
		}
	}
}

// Every page starts from the same state of the runtime's generator (js/pack/snapshot), so what is
// linked into the wasm draws from nothing but Options.Random, which the bridge takes from the
// browser. The core's default for native programs is the one exception, and the bridge must
// never leave it to that.
func TestImportsRandomnessIsTheBrowsers(t *testing.T) {
	const allowed = "o.Random = rand.Uint64"
	isSource := func(path string) bool {
		return strings.HasPrefix(path, "math/rand") || strings.HasPrefix(path, "crypto/") || path == "hash/maphash"
	}
	defaults := 0
	for _, p := range goList(t, wasmEnv, "-deps", "./wasm") {
		if !strings.HasPrefix(p.ImportPath, "openchat/") {
			continue
		}
		for _, i := range p.Imports {
			if isSource(i) && (i != "math/rand/v2" || p.ImportPath != "openchat/sdk") {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
		for _, file := range goFiles(t, "../../"+strings.TrimPrefix(p.ImportPath, "openchat/")) {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			files := token.NewFileSet()
			f, err := parser.ParseFile(files, file, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range f.Imports {
				if path, _ := strconv.Unquote(i.Path.Value); isSource(path) && i.Name != nil {
					t.Errorf("%s: %s under another name", files.Position(i.Pos()), path)
				}
			}
			for _, group := range f.Comments {
				for _, c := range group.List {
					if strings.HasPrefix(c.Text, "//go:linkname") || strings.HasPrefix(c.Text, "//go:wasmimport") {
						t.Errorf("%s: %s", files.Position(c.Pos()), c.Text)
					}
				}
			}
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.IfStmt: // the default, which is looked into no further
					text := string(source[files.Position(n.Pos()).Offset:files.Position(n.End()).Offset])
					if strings.HasPrefix(text, "if o.Random == nil {") && strings.Contains(text, allowed) {
						defaults++
						return strings.Count(text, "rand.") != 1
					}
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && x.Name == "rand" {
						t.Errorf("%s: rand.%s", files.Position(n.Pos()), n.Sel.Name)
					}
				case *ast.CompositeLit:
					if s, ok := n.Type.(*ast.SelectorExpr); ok && s.Sel.Name == "Options" && p.ImportPath == "openchat/wasm" && !setsRandom(n) {
						t.Errorf("%s: Options without the browser's Random", files.Position(n.Pos()))
					}
				}
				return true
			})
		}
	}
	if defaults != 1 {
		t.Errorf("%q was found %d times, not once", allowed, defaults)
	}
}

func setsRandom(options *ast.CompositeLit) bool {
	return slices.ContainsFunc(options.Elts, func(e ast.Expr) bool {
		pair, ok := e.(*ast.KeyValueExpr)
		if !ok {
			return false
		}
		key, _ := pair.Key.(*ast.Ident)
		value, _ := pair.Value.(*ast.Ident)
		return key != nil && value != nil && key.Name == "Random" && value.Name == "random"
	})
}

// The bridge is for browsers only, so that the rest of the module builds anywhere.
func TestImportsBridgeIsTagged(t *testing.T) {
	wasm := func(tag string) bool { return tag == "js" || tag == "wasm" }
	for _, file := range goFiles(t, "../../wasm") {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		tagged := false
		for _, group := range f.Comments {
			for _, c := range group.List {
				if !constraint.IsGoBuild(c.Text) || c.Pos() > f.Package {
					continue
				}
				x, err := constraint.Parse(c.Text)
				if err != nil {
					t.Fatal(err)
				}
				tagged = x.Eval(wasm) && !x.Eval(func(tag string) bool { return tag == "js" }) &&
					!x.Eval(func(tag string) bool { return tag == "wasm" })
			}
		}
		if !tagged {
			t.Errorf("%s lacks //go:build js && wasm", file)
		}
	}
}

// Tests of the bridge reach for the page through safejs: what the page refuses is an error
// there, and would be a panic with js.Global.
func TestImportsBridgeTestsUseSafejs(t *testing.T) {
	found := false
	for _, file := range goFiles(t, "../../wasm") {
		if !strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok || s.Sel.Name != "Global" {
				return true
			}
			switch p, _ := s.X.(*ast.Ident); {
			case p != nil && p.Name == "js":
				t.Errorf("%s calls js.Global", file)
			case p != nil && p.Name == "safejs":
				found = true
			}
			return true
		})
	}
	if !found {
		t.Error("no test of the bridge calls safejs.Global")
	}
}

func goFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no Go files in %s: %v", dir, err)
	}
	return files
}
