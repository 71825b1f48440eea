package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// bare is the floor under every Go program in a page.
type bare struct{ wasm, glue []byte }

// addBare serves bare Go in /bare/, built with these flags of the linker, with a script
// that starts it.
func (s *site) addBare(ctx context.Context, flags string) error {
	floor, err := bareWasm(ctx, flags)
	if err != nil {
		return err
	}
	s.add("/bare/bare.wasm", floor.wasm, nil)
	s.add("/bare/bare.js", append(floor.glue, `
window.bare = (async () => {
  const go = new Go();
  const { instance } = await WebAssembly.instantiateStreaming(fetch("/bare/bare.wasm?v=1"), go.importObject);
  window.bareMemory = instance.exports.mem;
  go.run(instance);
  return performance.now();
})();
`...), nil)
	return nil
}

// bareWasm builds a Go program that does nothing, in the way that build.sh builds ours.
func bareWasm(ctx context.Context, flags string) (b bare, err error) {
	dir, err := os.MkdirTemp("", "openchat-bench")
	if err != nil {
		return b, err
	}
	defer os.RemoveAll(dir)
	for name, text := range map[string]string{
		"go.mod":  "module bare\n\ngo 1.26.0\n",
		"main.go": "package main\n\nfunc main() { select {} }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return b, err
		}
	}
	build := exec.CommandContext(ctx, "./build.sh", "wasm", flags, filepath.Join(dir, "bare.wasm"), dir)
	if out, err := build.CombinedOutput(); err != nil {
		return b, fmt.Errorf("building a bare wasm: %w\n%s", err, out)
	}
	if b.wasm, err = os.ReadFile(filepath.Join(dir, "bare.wasm")); err != nil {
		return b, err
	}
	root, err := goroot(ctx)
	if err != nil {
		return b, err
	}
	b.glue, err = os.ReadFile(filepath.Join(root, "lib", "wasm", "wasm_exec.js"))
	return b, err
}

// goroot is the folder of the toolchain that builds.
func goroot(ctx context.Context) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	return strings.TrimSpace(string(root)), err
}
