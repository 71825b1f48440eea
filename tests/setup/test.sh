#!/usr/bin/env bash
# Everything that must hold: lint, sizes, native tests with the browser journeys in Chromium, and
# the tests that run inside Chromium. Ends in one line that counts all runs.
set -eu
cd "$(dirname "$0")/../.."
tests/setup/go.sh
tests/setup/chromium.sh
./build.sh
tests/setup/lint.sh
go run ./js/pack -sizes

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
failed=0
# What loads the machine to the full runs alone, after what looks at the clock.
heavy='openchat/tests/(faults|meta/mutation)'
dist/tools/gotestsum --format pkgname --jsonfile "$results/native" -- -count=1 -timeout=18m $(go list ./... | grep -vE "$heavy") || failed=1
dist/tools/gotestsum --format pkgname --jsonfile "$results/heavy" -- -count=1 -timeout=15m -p 1 $(go list ./... | grep -E "$heavy") || failed=1
GOOS=js GOARCH=wasm GOROOT=$(go env GOROOT) dist/tools/gotestsum --format pkgname --jsonfile "$results/wasm" -- \
	-count=1 -timeout=5m -exec "$PWD/dist/tools/wasmexec" ./wasm || failed=1

count() { cat "$results"/* | grep "\"Action\":\"$1\"" | grep -c '"Test":' || true; }
bad=$(count fail)
# A package that does not build has no test that fails.
if [ $failed = 1 ] && [ "$bad" = 0 ]; then bad=1; fi
echo "$(count pass) passed, $bad failed, $(count skip) skipped"
exit $failed
