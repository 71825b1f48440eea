#!/usr/bin/env bash
# Makes sure that there is what tests/bundlers checks the npm package with; "all": also the bundlers
# of make bundlers.
setup=$(dirname "$0")
if [ "${1:-}" = all ]; then
	for package in webpack/lib/index.js webpack-cli/bin/cli.js rollup/dist/bin/rollup parcel/lib/bin.js next/dist/bin/next react/index.js; do
		"$setup/npm.sh" bundlers/all "${package%%/*}" "${package#*/}" || exit
	done
fi
"$setup/npm.sh" bundlers vite bin/vite.js && "$setup/npm.sh" bundlers publint src/cli.js && exec "$setup/npm.sh" bundlers @arethetypeswrong/cli dist/index.js
