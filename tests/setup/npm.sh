#!/usr/bin/env bash
# Makes sure that the npm package that the package.json of a folder of tests/ pins is in its
# node_modules, and Node to run it; installs both where it may. What a package-lock.json pins, too,
# is installed as it says; after a change run npm install --omit-lockfile-registry-resolved there.
#
#   npm.sh FOLDER PACKAGE FILE
#
# FILE is one of the package's that tells whether it is whole.
set -u
setup=$(cd "$(dirname "$0")" && pwd)
folder=tests/$1 package=$2 file=$3
cd "$setup/../$1"
version=$(sed -nE "s|.*\"$package\": \"(npm:[^\"]*@)?([0-9][^\"]*)\".*|\2|p" package.json)
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
for program in node npm; do
	"$setup/apt.sh" $program nodejs npm || exit
done
# --include=dev: also where NODE_ENV says production.
# With a lockfile, npm install takes the versions that it pins; npm ci refuses a lockfile without the
# optional packages of other systems, which npm has not always written.
lock=--no-package-lock
if [ -f package-lock.json ]; then lock=--no-save; fi
if ! npm install $lock --no-audit --no-fund --ignore-scripts --include=dev >"$output" 2>&1 || ! installed; then
	tail -5 "$output" >&2
	echo "npm could not install $package $version into $folder/node_modules: check the network or npm's registry setting" >&2
	exit 1
fi
