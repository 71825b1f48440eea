package js_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
	"github.com/tetratelabs/wazero"
	wasmapi "github.com/tetratelabs/wazero/api"

	"openchat/tests/harness"
)

// versions are those of Chrome, Firefox and Safari.
type versions [3]float64

// floorTable reads the table of docs/start.md: what the SDK uses, and since when browsers have it.
func floorTable(t *testing.T) (rows map[string]versions, all versions) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(harness.Root(), "docs", "start.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows = map[string]versions{}
	for _, m := range regexp.MustCompile(`(?m)^\| (.+?) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$`).FindAllStringSubmatch(string(text), -1) {
		var v versions
		for i := range v {
			if v[i], err = strconv.ParseFloat(m[2+i], 64); err != nil {
				t.Fatal(err)
			}
		}
		if m[1] == "all of these" {
			all = v
		} else {
			rows[m[1]] = v
		}
	}
	return rows, all
}

// TestFloor holds what docs/start.md says of browsers against the built script and wasm.
func TestFloor(t *testing.T) {
	if err := harness.BuildSDK(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, all := floorTable(t)
	read := func(name string) []byte {
		content, err := os.ReadFile(filepath.Join(dist, name))
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	var most versions
	for _, v := range rows {
		for i := range most {
			most[i] = max(most[i], v[i])
		}
	}
	if len(rows) != 7 || most != all {
		t.Errorf("%d rows, of which the newest are %v, and all of these %v", len(rows), most, all)
	}
	built := string(read(script))
	text := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	if floor := "Chrome " + text(all[0]) + ", Firefox " + text(all[1]) + ", Safari " + text(all[2]) + " or newer"; !strings.Contains(built, floor) {
		t.Errorf("the script does not say %q", floor)
	}
	// What is newer than the target would be written anew.
	plain := api.Transform(built, api.TransformOptions{Target: api.ESNext, MinifyWhitespace: true})
	older := api.Transform(built, api.TransformOptions{Target: api.ES2017, MinifyWhitespace: true})
	if len(plain.Errors)+len(older.Errors) > 0 || string(plain.Code) != string(older.Code) {
		t.Errorf("the script has syntax that is newer than ECMAScript 2017: %v", older.Errors)
	}

	// The first version of WebAssembly had mutable globals, as long as they are not exported.
	features := map[string]wasmapi.CoreFeatures{
		"wasm: sign extension":                                 wasmapi.CoreFeatureSignExtensionOps,
		"wasm: conversions of floating point that do not trap": wasmapi.CoreFeatureNonTrappingFloatToIntConversion,
		"wasm: bulk memory":                                    wasmapi.CoreFeatureBulkMemoryOperations,
	}
	module := read(wasm)
	compiles := func(enabled wasmapi.CoreFeatures) bool {
		r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(enabled))
		defer r.Close(t.Context())
		_, err := r.CompileModule(t.Context(), module)
		return err == nil
	}
	var enabled wasmapi.CoreFeatures
	for name, f := range features {
		if _, listed := rows[name]; !listed {
			t.Errorf("the table lacks %q", name)
		}
		enabled |= f
	}
	if !compiles(enabled) {
		t.Errorf("the wasm uses more than %v", slices.Sorted(maps.Keys(features)))
	}
	for name, f := range features {
		if compiles(enabled &^ f) {
			t.Errorf("the wasm does not use %q", name)
		}
	}
}
