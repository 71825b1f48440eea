package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// KB is 1,024 bytes, here and in make size.
const kb = 1024

// The bounds of make size, and of the wasm that is not packed: an engine checks all of it.
const (
	mostScript, aimScript = 6.5 * kb, 5 * kb
	mostWasm, aimWasm     = 502 * kb, 413 * kb
	mostRaw, aimRaw       = 2621 * kb, 2000 * kb
)

// sdkSizes are the sizes of what pages load, by the names of the files in dist/.
func sdkSizes() (map[string]int, error) {
	sizes := map[string]int{}
	for _, name := range []string{sdkScript, sdkWasm} {
		for _, suffix := range []string{"", ".br"} {
			info, err := os.Stat(filepath.Join("dist", name+suffix))
			if err != nil {
				return nil, fmt.Errorf("%w: run ./build.sh, and this from the module's folder", err)
			}
			sizes[name+suffix] = int(info.Size())
		}
	}
	return sizes, nil
}

func measureBytes(ctx context.Context, o options) (r report, err error) {
	t := table{title: "Bytes to download, KB", head: []string{"", "version", "raw", "brotli"}}
	row := func(name, version string, raw, packed int) {
		t.rows = append(t.rows, []string{name, version, fmt.Sprintf("%.1f", float64(raw)/kb), fmt.Sprintf("%.1f", float64(packed)/kb)})
	}
	sizes, err := sdkSizes()
	if err != nil {
		return r, err
	}
	var raw, packed int
	for _, name := range []string{sdkScript, sdkWasm} {
		raw += sizes[name]
		packed += sizes[name+".br"]
		row("ours, "+filepath.Ext(name)[1:], "", sizes[name], sizes[name+".br"])
	}
	row("ours", "", raw, packed)
	bare, err := bareWasm(ctx, "-s -w")
	if err != nil {
		return r, err
	}
	row("Go that does nothing: its wasm, and wasm_exec.js", "", len(bare.wasm)+len(bare.glue), len(compress(bare.wasm))+len(compress(bare.glue)))
	found, missing := bundleAll(ctx, o.log)
	for _, p := range found {
		row(p.name, p.version, len(p.code), len(compress(p.code)))
	}
	t.notes = append([]string{"Peers: what npm installs, with a script that imports all of it, bundled and minified by esbuild. Brotli at its best level, as the gateway serves it. " +
		"What a visitor waits for first is ours' script alone; the wasm comes while the page goes on."}, missing...)
	r.tables = []table{t}
	r.goals = []goal{
		{what: "wasm, brotli", unit: "KB", value: float64(sizes[sdkWasm+".br"]) / kb, must: mostWasm / kb, aim: aimWasm / kb},
		{what: "wasm, raw", unit: "KB", value: float64(sizes[sdkWasm]) / kb, must: mostRaw / kb, aim: aimRaw / kb},
		{what: "script, brotli", unit: "KB", value: float64(sizes[sdkScript+".br"]) / kb, must: mostScript / kb, aim: aimScript / kb},
	}
	return r, nil
}
