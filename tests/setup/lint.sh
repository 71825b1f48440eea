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
# sdk/native is what the browser does not have.
browser="./sdk ./sdk/wire ./sdk/sdktest ./wasm"
export GOOS=js GOARCH=wasm
go vet $browser || failed=1
dist/tools/staticcheck $browser || failed=1
exit $failed
