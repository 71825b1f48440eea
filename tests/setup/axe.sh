#!/usr/bin/env bash
# Makes sure that there is the axe-core that tests/browser/axe/package.json pins.
exec "$(dirname "$0")/npm.sh" browser/axe axe-core axe.min.js
