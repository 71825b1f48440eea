#!/usr/bin/env bash
# Runs each fuzz target for FUZZTIME (20s): those whose name holds ONLY, or all. An input
# that fails is left in the package's testdata/fuzz; commit it with its mending.
set -eu
cd "$(dirname "$0")/../.."
tests/setup/go.sh
grep -rlE '^func Fuzz' --include='*_test.go' sdk web js | sort | while read -r file; do
	for target in $(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/p' "$file"); do
		case "$target" in *"${ONLY:-}"*) ;; *) continue ;; esac
		echo "$target in ./$(dirname "$file")"
		# The default minute for making an input smaller would be most of the time.
		go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-20s}" -fuzzminimizetime 2s "./$(dirname "$file")"
	done
done
