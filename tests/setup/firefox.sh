#!/usr/bin/env bash
# Makes sure that there is a Firefox for the tests; installs Debian's where it may.
for name in firefox-esr firefox; do
	command -v $name >/dev/null && exit
done
exec "$(dirname "$0")/apt.sh" firefox-esr firefox-esr
