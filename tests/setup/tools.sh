#!/usr/bin/env bash
# Builds the tools that go.mod pins, and the wasm tests' runner, into dist/tools.
# They must be files: `go tool` under GOOS=js would build them for the browser.
set -eu
cd "$(dirname "$0")/../.."
mkdir -p dist/tools
CGO_ENABLED=0 go build -o dist/tools/ \
	gotest.tools/gotestsum github.com/agnivade/wasmbrowsertest honnef.co/go/tools/cmd/staticcheck ./tests/setup/wasmexec
