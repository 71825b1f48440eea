#!/usr/bin/env bash
# Makes sure that there is the TypeScript that tests/types/package.json pins.
exec "$(dirname "$0")/npm.sh" types typescript lib/_tsc.js
