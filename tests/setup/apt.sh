#!/usr/bin/env bash
# Makes sure that there is a program that Debian packages; installs it where it may.
#
#   apt.sh PROGRAM PACKAGE...
#
# A service that the package brings is not started.
set -u
program=$1
shift
PATH=$PATH:/usr/sbin:/sbin
command -v "$program" >/dev/null && exit

# Two packages' tests may ask at once.
if command -v flock >/dev/null; then
	exec 9>"${TMPDIR:-/tmp}/openchat-apt.lock"
	flock 9
	command -v "$program" >/dev/null && exit
fi
manual="install it (Debian: apt-get install $*) and run the test again"
if ! command -v apt-get >/dev/null; then
	echo "$program is not in PATH, and there is no apt-get to install it with: $manual" >&2
	exit 1
fi
root=
if [ "$(id -u)" != 0 ]; then
	root="sudo -n"
	if ! sudo -n true 2>/dev/null; then
		echo "$program is not in PATH, and only root may install it: $manual" >&2
		exit 1
	fi
fi
output=$(mktemp) policy=/usr/sbin/policy-rc.d
trap 'rm -f "$output"' EXIT
# Debian starts a service that it installs, unless this says no.
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' | $root tee $policy >/dev/null && $root chmod 755 $policy
	trap 'rm -f "$output"; $root rm -f $policy' EXIT
fi
echo "$program is not in PATH: installing $* with apt-get"
if ! { $root apt-get update -q && $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"; } >"$output" 2>&1 ||
	! command -v "$program" >/dev/null; then
	tail -5 "$output" >&2
	echo "Installing $* with apt-get failed: $manual" >&2
	exit 1
fi
