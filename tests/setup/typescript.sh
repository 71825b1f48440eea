#!/usr/bin/env bash
# Makes sure that there is the TypeScript that tests/meta/types/package.json pins.
exec "$(dirname "$0")/npm.sh" meta/types typescript lib/_tsc.js
