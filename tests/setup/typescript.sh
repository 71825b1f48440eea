#!/usr/bin/env bash
# Makes sure that there is what tests/meta/types/package.json pins: TypeScript, and the types of what
# samples in the documents use.
set -e
npm=$(dirname "$0")/npm.sh
"$npm" meta/types @types/react-dom index.d.ts
"$npm" meta/types @angular/core types/core.d.ts
"$npm" meta/types vue dist/vue.d.ts
"$npm" meta/types typescript-5 lib/_tsc.js
exec "$npm" meta/types typescript bin/tsc
