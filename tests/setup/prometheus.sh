#!/usr/bin/env bash
# Makes sure that prometheus and promtool are in dist/tools, for the test of the metrics. Where they are
# not in PATH, they are unpacked from Debian's package, which is not installed: that would start a server.
set -u
cd "$(dirname "$0")/../.."
tools=dist/tools
mkdir -p $tools
ready() { [ -x $tools/prometheus ] && [ -x $tools/promtool ]; }
ready && exit
if command -v prometheus >/dev/null && command -v promtool >/dev/null; then
	ln -sf "$(command -v prometheus)" "$(command -v promtool)" $tools/
	exit
fi
# Two runs of the tests may ask for it at once.
if command -v flock >/dev/null; then
	exec 9>$tools/.prometheus.lock
	flock 9
	ready && exit
fi
manual="install it (Debian: apt-get install prometheus) and run the test again"
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
	echo "prometheus is not in PATH, and there is no apt-get to get it with: $manual" >&2
	exit 1
fi
here=$PWD
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
get() { apt-get download -q prometheus >>output 2>&1; }
# Without lists of packages there is none; only root may fetch them.
get || { root=; [ "$(id -u)" = 0 ] || root="sudo -n"; $root apt-get update -q >>output 2>&1 && get; }
if ! dpkg-deb -x prometheus_*.deb unpacked >>output 2>&1 || ! cp unpacked/usr/bin/prometheus unpacked/usr/bin/promtool "$here/$tools/"; then
	tail -5 output >&2
	echo "Getting the package prometheus with apt-get failed: $manual" >&2
	exit 1
fi
