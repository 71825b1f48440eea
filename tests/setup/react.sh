#!/usr/bin/env bash
# Makes sure that there are the React and the React DOM that tests/samples/package.json pins.
setup=$(dirname "$0")
"$setup/npm.sh" samples react index.js && exec "$setup/npm.sh" samples react-dom client.js
