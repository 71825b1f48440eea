package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// bare is the floor under every Go program in a page.
type bare struct{ wasm, glue []byte }

// bareWasm builds a Go program that does nothing, in the way that build.sh builds ours.
func bareWasm(ctx context.Context) (b bare, err error) {
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
	flags, err := buildFlags()
	if err != nil {
		return b, err
	}
	build := exec.CommandContext(ctx, "go", slices.Concat([]string{"build"}, flags, []string{"-o", "bare.wasm", "."})...)
	build.Dir = dir
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return b, fmt.Errorf("building a bare wasm: %w\n%s", err, out)
	}
	if b.wasm, err = os.ReadFile(filepath.Join(dir, "bare.wasm")); err != nil {
		return b, err
	}
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return b, err
	}
	b.glue, err = os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js"))
	return b, err
}

// buildFlags are the ones of build.sh's line that builds the wasm, but for our stamp.
func buildFlags() ([]string, error) {
	text, err := os.ReadFile("build.sh")
	if err != nil {
		return nil, fmt.Errorf("%w: run this from the module's folder", err)
	}
	_, line, ok := strings.Cut(string(text), "GOOS=js GOARCH=wasm go build ")
	line, _, found := strings.Cut(line, " -o ")
	line, ldflags, has := strings.Cut(strings.ReplaceAll(line, "\\\n", " "), `-ldflags "`)
	ldflags, _, closed := strings.Cut(ldflags, `"`)
	if !ok || !found || !has || !closed {
		return nil, errors.New("build.sh builds the wasm in a way that the bench does not know")
	}
	ldflags, _, _ = strings.Cut(ldflags, "-X main.build=")
	return append(strings.Fields(line), "-ldflags="+strings.TrimSpace(ldflags)), nil
}
