#!/usr/bin/env bash
# Builds what pages load into dist/ (or the folder given): the script, the wasm, the
# types, each also compressed, the symbols of tracebacks, build-info.json and, in its folder npm, the package
# for npm. With "gateway" as the first word it builds the gateway's binary instead. The only place with build flags. The same
# sources and Go version give the same bytes, in whatever folder.
#
#   ./build.sh package [NAME]
#
# builds all that, and sets the name of the package; without one, npm publishes it nowhere.
#
#   ./build.sh release [FOLDER]
#
# builds all that, the gateway for each platform, and packs it into archives (dist/release).
#
#   ./build.sh wasm FLAGS FILE FOLDER
#
# builds the command in a folder as the SDK's wasm is built, but for the linker's flags:
# for make size, which needs names, and make bench, which compares.
set -eu
cd "$(dirname "$0")"
VERSION=0.2.0
gateway=
if [ "${1:-}" = gateway ]; then
	gateway=yes
	shift
fi
out=${1:-dist}

tests/setup/go.sh
# Nothing of the caller's environment may reach the bytes.
unset GOOS GOARCH GOFLAGS GOEXPERIMENT GOWASM GOWORK
export CGO_ENABLED=0 LC_ALL=C

# Says what begins: with empty caches each takes up to some minutes, in which nothing else is said.
say() { echo "$* (some minutes the first time, seconds afterwards)" >&2; }

# -l: without inlining the wasm is smaller. Not so for the runtime and what each event
# runs through: the browser compiles each function at its first call, while the page
# waits, and to inline there spares a good part of them, and of an event's time.
#
# The collector that is new in Go 1.26 makes use of vector instructions and of many
# processors. A page has neither, and the one before it takes less code.
case $(go env GOVERSION) in
go1.26 | go1.26.*) collector=nogreenteagc ;;
*) collector= ;; # a toolchain that does not know the word would refuse it
esac
wasm() {
	GOEXPERIMENT=$collector GOOS=js GOARCH=wasm go build -C "$3" -trimpath -buildvcs=false -gcflags=all=-l \
		-gcflags=runtime= -gcflags=internal/runtime/...= -gcflags=internal/abi= -gcflags=openchat/sdk/wire= -ldflags "-buildid= $1" -o "$2" .
}
if [ "${1:-}" = wasm ]; then
	wasm "$2" "$(realpath -m "$3")" "$4"
	exit
fi

gateway() {
	go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$VERSION" -o "$1" ./web
}
if [ $gateway ]; then
	mkdir -p "$out"
	say "Building the gateway: $out/gateway"
	gateway "$out/gateway"
	exit
fi

if [ "$out" = package ]; then
	./build.sh
	exec go run ./js/pack -package "${2:-@example/avaya-ccaas-chat-sdk}" -out dist
fi

if [ "$out" = release ]; then
	out=${2:-dist/release}
	./build.sh
	for arch in amd64 arm64; do
		mkdir -p "dist/linux-$arch"
		say "Building the gateway: dist/linux-$arch/gateway"
		GOOS=linux GOARCH=$arch gateway "dist/linux-$arch/gateway"
	done
	exec go run ./web/deploy/release -version "$VERSION" -dist dist -out "$out" dist/linux-amd64/gateway dist/linux-arm64/gateway
fi

# The stamp that script and wasm share: all that they are made of.
sources=$(GOOS=js GOARCH=wasm go list -deps -f '{{if .Module}}{{if .Module.Main}}{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{end}}{{end}}' ./wasm)
packers=$(printf '%s\n' js/pack/main.go js/pack/npm.go js/pack/*/*.go js/pack/npm/* | grep -v _test.go)
stamp=$({ go env GOVERSION; cat $sources js/*.js js/*.d.ts js/src/* $packers go.sum build.sh LICENSE; } | sha256sum | cut -c1-12)
build=$VERSION-$stamp

mkdir -p "$out"
# Two packages' tests may ask for a build at once.
if command -v flock >/dev/null; then
	exec 9>"$out/.lock"
	flock 9
fi
file=$out/avaya-ccaas-chat-sdk
if grep -qs "\"build\": \"$build\"" "$out/build-info.json" &&
	ls "$file".{js,wasm,d.ts}{,.br,.gz} "$out/npm/package.json" >/dev/null 2>&1; then
	exit # built already
fi
say "Building the SDK's WebAssembly: $file.wasm"
rm -f "$out/build-info.json" # written last: without it, what is there is no build
wasm "-s -w -X main.build=$build" "$(realpath "$out")/avaya-ccaas-chat-sdk.wasm" ./wasm
say "Packing and compressing the SDK: $out"
go run ./js/pack -version "$VERSION" -build "$build" -goroot "$(go env GOROOT)" -out "$out"
echo "built $build in $out"
