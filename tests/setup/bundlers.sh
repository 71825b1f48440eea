#!/usr/bin/env bash
# Makes sure that there is what tests/bundlers checks the npm package with; "all": also the bundlers
# of make bundlers.
setup=$(dirname "$0")
# $1: the folder; then each package with a file that tells whether it is whole.
needs() {
	local folder=$1 package
	shift
	for package in "$@"; do
		"$setup/npm.sh" "$folder" "${package%%:*}" "${package#*:}" || exit
	done
}
if [ "${1:-}" = all ]; then
	needs bundlers/all webpack:lib/index.js webpack-cli:bin/cli.js rollup:dist/bin/rollup parcel:lib/bin.js next:dist/bin/next react:index.js \
		@angular/cli:bin/ng.js @angular/build:package.json @angular/core:package.json zone.js:package.json \
		@sveltejs/kit:svelte-kit.js @sveltejs/adapter-node:index.js svelte:package.json vite:bin/vite.js vite7:bin/vite.js
fi
needs bundlers vite:bin/vite.js vue:package.json @vitejs/plugin-vue:package.json @types/react:index.d.ts publint:src/cli.js \
	@arethetypeswrong/cli:dist/index.js
