#!/usr/bin/env bash
# Makes sure that there is a Chromium for the tests; installs Debian's where it may.
for name in chromium chromium-browser google-chrome google-chrome-stable; do
	command -v $name >/dev/null && exit
done
exec "$(dirname "$0")/apt.sh" chromium chromium
