#!/usr/bin/env bash
# Makes sure that there is the zone.js that tests/browser/zone/package.json pins.
exec "$(dirname "$0")/npm.sh" browser/zone zone.js bundles/zone.umd.min.js
