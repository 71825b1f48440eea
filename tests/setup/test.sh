#!/usr/bin/env bash
# Everything that must hold: lint, sizes, native tests with the browser journeys in Chromium, the
# short form of these in Firefox and WebKit, and the tests that run inside Chromium. Ends in one line
# that counts all runs.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
results=$work/results
others= # the process group of the other engines' tests
trap '[ ! "$others" ] || kill -s INT -- -"$others" 2>/dev/null; wait; rm -rf "$work"' EXIT
mkdir "$results"

tests/setup/go.sh
tests/setup/chromium.sh
# Nothing needs these for some minutes.
{ tests/setup/firefox.sh && tests/setup/webkit.sh; } >"$work/engines" 2>&1 &
engines=$!
./build.sh
tests/setup/lint.sh
go run ./js/pack -bounds
wait $engines || { cat "$work/engines" >&2; exit 1; }

failed=0
# tests NAME GO-TEST-ARGUMENTS... What go vet finds, the lint has said.
tests() {
	local name=$1
	shift
	dist/tools/gotestsum --format pkgname --jsonfile "$results/$name" -- -count=1 -vet=off "$@" || failed=1
}
# What loads the machine to the full runs alone, after what looks at the clock. What mostly waits, for a
# disk or for other processes, runs beside the other engines.
waiting='^openchat/(tests/faults/cluster|web/store)$'
heavy='^openchat/tests/(faults|meta/mutation)(/|$)'
all=$(go list ./...)
tests native -timeout=18m $(grep -vE "$waiting|$heavy" <<<"$all")
set -m # a process group of its own, which can be ended
RESULTS=$results tests/setup/browsers.sh short >"$work/browsers" 2>&1 &
others=$!
set +m
tests waiting -timeout=15m $(grep -E "$waiting" <<<"$all")
wait $others || failed=1
others=
cat "$work/browsers"
tests heavy -timeout=15m -p 1 $(grep -E "$heavy" <<<"$all" | grep -vE "$waiting")
GOOS=js GOARCH=wasm GOROOT=$(go env GOROOT) tests wasm -timeout=5m -exec "$PWD/dist/tools/wasmexec" ./wasm

count() { cat "$results"/* | grep "\"Action\":\"$1\"" | grep -c '"Test":' || true; }
bad=$(count fail)
# A package that does not build has no test that fails.
if [ $failed = 1 ] && [ "$bad" = 0 ]; then bad=1; fi
echo "$(count pass) passed, $bad failed, $(count skip) skipped"
exit $failed
