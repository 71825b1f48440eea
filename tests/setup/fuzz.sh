#!/usr/bin/env bash
# Runs each fuzz target for FUZZTIME (20s).
set -eu
cd "$(dirname "$0")/../.."
tests/setup/go.sh
grep -rlE '^func Fuzz' --include='*_test.go' sdk web js | sort | while read -r file; do
	for target in $(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/p' "$file"); do
		echo "$target in ./$(dirname "$file")"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-20s}" "./$(dirname "$file")"
	done
done
