#!/usr/bin/env bash
# Makes sure that the npm package that the package.json of a folder of tests/ pins is in its
# node_modules, and Node to run it; installs both where it may.
#
#   npm.sh FOLDER PACKAGE FILE
#
# FILE is one of the package's that tells whether it is whole.
set -u
folder=tests/$1 package=$2 file=$3
cd "$(dirname "$0")/../$1"
version=$(sed -nE "s/.*\"$package\": \"([0-9][^\"]*)\".*/\1/p" package.json)
if [ -z "$version" ]; then
	echo "$folder/package.json pins no exact version of $package" >&2
	exit 1
fi
installed() {
	grep -qs "\"version\": \"$version\"" "node_modules/$package/package.json" && [ -f "node_modules/$package/$file" ] && command -v node >/dev/null
}
installed && exit

# Two runs of the tests may ask for it at once.
if command -v flock >/dev/null; then
	exec 9>.lock
	flock 9
	installed && exit
fi
output=$(mktemp)
trap 'rm -f "$output"' EXIT
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
	manual="install Node with npm (Debian: apt-get install nodejs npm) and run the test again"
	if ! command -v apt-get >/dev/null; then
		echo "node or npm is not in PATH, and there is no apt-get to install them with: $manual" >&2
		exit 1
	fi
	root=
	if [ "$(id -u)" != 0 ]; then
		root="sudo -n"
		if ! sudo -n true 2>/dev/null; then
			echo "node or npm is not in PATH, and only root may install them: $manual" >&2
			exit 1
		fi
	fi
	echo "node or npm is not in PATH: installing them with apt-get"
	if ! { $root apt-get update -q && $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends nodejs npm; } >"$output" 2>&1 ||
		! command -v node >/dev/null || ! command -v npm >/dev/null; then
		tail -5 "$output" >&2
		echo "Installing nodejs and npm with apt-get failed: $manual" >&2
		exit 1
	fi
fi
# --include=dev: also where NODE_ENV says production.
if ! npm install --no-package-lock --no-audit --no-fund --ignore-scripts --include=dev >"$output" 2>&1 || ! installed; then
	tail -5 "$output" >&2
	echo "npm could not install $package $version into $folder/node_modules: check the network or npm's registry setting" >&2
	exit 1
fi
