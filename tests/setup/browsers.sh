#!/usr/bin/env bash
# The browser journeys and the rows of the documented surface in Firefox; `make test` runs them in
# Chromium. A test that needs what an engine lacks is skipped and says so:
# the table is tests/harness/driver.go's.
#
#   browsers.sh [short]
#
# short runs a part of each subject.
set -eu
cd "$(dirname "$0")/../.."
tests/setup/firefox.sh
tests/setup/tools.sh
select=()
if [ "${1:-}" = short ]; then
	select=(-run '^Test(TabSeesErrors|InitToFirstBotMessage|Reload|SecondTab|RowsSession|RowsTokenRefused|RowsPages|Offline|TabDuplicated|DemoHalfAnEmoji|WidgetPage)$')
fi
BROWSER=firefox dist/tools/gotestsum --format pkgname -- -count=1 -timeout=25m "${select[@]}" ./tests/browser
