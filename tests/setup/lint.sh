#!/usr/bin/env bash
# gofmt, go vet and staticcheck, for the machine and for the browser.
set -eu
cd "$(dirname "$0")/../.."
tests/setup/go.sh
tests/setup/tools.sh
failed=0
unformatted=$(gofmt -l js sdk tests wasm web)
if [ -n "$unformatted" ]; then
	echo "not gofmt'ed:" $unformatted >&2
	failed=1
fi
go vet ./... || failed=1
dist/tools/staticcheck ./... || failed=1
export GOOS=js GOARCH=wasm
go vet ./sdk/... ./wasm || failed=1
dist/tools/staticcheck ./sdk/... ./wasm || failed=1
exit $failed
