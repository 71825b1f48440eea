#!/usr/bin/env bash
# Says in one line what is wrong with the Go installation, if anything is.
# A Go from 1.21 on fetches the version that go.mod names by itself, where it may.
set -u
cd "$(dirname "$0")/../.."
if ! command -v go >/dev/null; then
	echo "Go is not installed, or not in PATH: install Go 1.26 or newer from https://go.dev/dl/ and add its bin folder to PATH" >&2
	exit 1
fi
version=$(go env GOVERSION 2>/dev/null)
case $version in
go1.2[6-9]* | go1.[3-9][0-9]* | go[2-9]* | devel*) ;;
*)
	version=$(cd / && GOTOOLCHAIN=local go env GOVERSION 2>/dev/null)
	echo "Go ${version#go} is too old: install Go 1.26 or newer from https://go.dev/dl/ and put its bin folder first in PATH" >&2
	exit 1
	;;
esac
