#!/usr/bin/env bash
# The browser journeys and the rows of the documented surface in Firefox and in WebKit; `make test`
# runs them in Chromium, and their short form in these. A test that needs what an engine lacks is
# skipped and says so: the table is tests/harness/driver.go's.
#
#   browsers.sh [short]
#
# short runs a part of each subject. BROWSER=firefox or BROWSER=webkit runs that one only. What go test
# -json says goes to files named after the engines in the folder RESULTS, if there is one.
set -eu
cd "$(dirname "$0")/../.."
select=()
if [ "${1:-}" = short ]; then
	select=(-run '^Test(TabSeesErrors|InitToFirstBotMessage|SecondTab|RowsEngagementObject|RowsTokenRefused|RowsPagesEmpty|HistoryWhileEventsWait|Reload|GatewayKilled|LeftPageNotKept|WidgetPage|DemoReadingIsActivity|GuideToken)$')
fi
tests/setup/tools.sh
failed=0
for engine in ${BROWSER:-firefox webkit}; do
	tests/setup/"$engine".sh
	echo "In $engine:"
	file=()
	if [ "${RESULTS:-}" ]; then file=(--jsonfile "$RESULTS/$engine"); fi
	BROWSER=$engine dist/tools/gotestsum --format pkgname "${file[@]}" -- -count=1 -timeout=40m "${select[@]}" ./tests/browser || failed=1
done
exit $failed
