#!/usr/bin/env bash
# Makes sure that there are the React and the React DOM that tests/browser/samples/package.json pins.
setup=$(dirname "$0")
"$setup/npm.sh" browser/samples react index.js && exec "$setup/npm.sh" browser/samples react-dom client.js
