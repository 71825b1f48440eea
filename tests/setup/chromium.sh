#!/usr/bin/env bash
# Makes sure that there is a Chromium for the tests; installs Debian's where it may. Most tests take its
# engine alone, which Debian packages too: without it, as where Chromium is not Debian's, they take the
# whole browser, and longer.
cd "$(dirname "$0")"
for name in chromium chromium-browser google-chrome google-chrome-stable; do
	command -v $name >/dev/null || continue
	[ $name != chromium ] || [ "${CHROMIUM:-}" ] || ./apt.sh chromium-headless-shell chromium-headless-shell || echo "The tests run without it, and take longer."
	exit 0
done
exec ./apt.sh chromium chromium chromium-headless-shell
