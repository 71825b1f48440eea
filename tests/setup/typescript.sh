#!/usr/bin/env bash
# Makes sure that there is what tests/meta/types/package.json pins: TypeScript, and the types of what
# samples in the documents use.
set -e
npm=$(dirname "$0")/npm.sh
"$npm" meta/types @types/react-dom index.d.ts
"$npm" meta/types @angular/core types/core.d.ts
"$npm" meta/types vue dist/vue.d.ts
exec "$npm" meta/types typescript lib/_tsc.js
