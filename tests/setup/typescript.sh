#!/usr/bin/env bash
# Makes sure that there is what tests/meta/types/package.json pins: TypeScript, and the types of React.
set -e
npm=$(dirname "$0")/npm.sh
"$npm" meta/types @types/react-dom index.d.ts
exec "$npm" meta/types typescript lib/_tsc.js
