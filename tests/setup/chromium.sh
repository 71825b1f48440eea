#!/usr/bin/env bash
# Makes sure that there is a Chromium for the tests; installs Debian's where it may.
set -u
find_it() {
	for name in chromium chromium-browser google-chrome google-chrome-stable; do
		command -v $name && return
	done
	return 1
}
find_it >/dev/null && exit

manual="install it (Debian: apt-get install chromium) and run make test again"
if ! command -v apt-get >/dev/null; then
	echo "Chromium is not in PATH, and there is no apt-get to install it with: $manual" >&2
	exit 1
fi
root=
if [ "$(id -u)" != 0 ]; then
	root="sudo -n"
	if ! sudo -n true 2>/dev/null; then
		echo "Chromium is not in PATH, and only root may install it: $manual" >&2
		exit 1
	fi
fi
echo "Chromium is not in PATH: installing it with apt-get"
if ! { $root apt-get update -q && DEBIAN_FRONTEND=noninteractive $root apt-get install -y -q --no-install-recommends chromium; } >/tmp/apt-chromium.$$ 2>&1 || ! find_it >/dev/null; then
	tail -5 /tmp/apt-chromium.$$ >&2
	echo "Installing Chromium with apt-get failed (all of its output: /tmp/apt-chromium.$$): $manual" >&2
	exit 1
fi
rm -f /tmp/apt-chromium.$$
