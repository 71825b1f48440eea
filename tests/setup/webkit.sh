#!/usr/bin/env bash
# Makes sure that there is a WebKit for the tests, WebKitGTK's with its driver, and an X server
# that needs no screen; installs Debian's where it may.
set -eu
apt=$(dirname "$0")/apt.sh
"$apt" WebKitWebDriver webkit2gtk-driver
"$apt" Xvfb xvfb
