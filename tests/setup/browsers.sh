#!/usr/bin/env bash
# The browser journeys and the rows of the documented surface in Firefox, in WebKit and in a whole
# Chromium; `make test` runs them in Chromium's engine, and their short form in the other two. A test
# that needs what an engine lacks is skipped and says so: the table is tests/harness/driver.go's.
#
#   browsers.sh [short]
#
# short runs a part of each subject, in Firefox and WebKit. BROWSER=firefox, webkit or chromium runs that
# one only. What go test -json says goes to files named after the engines in the folder RESULTS, if there
# is one.
set -eu
cd "$(dirname "$0")/../.."
select=()
engines="firefox webkit chromium"
if [ "${1:-}" = short ]; then
	engines="firefox webkit"
	select=(-run '^Test(TabSeesErrors|InitToFirstBotMessage|SecondTab|RowsEngagementObject|RowsTokenRefused|RowsPagesEmpty|HistoryWhileEventsWait|Reload|GatewayKilled|LeftPageNotKept|WidgetPage|DemoReadingIsActivity|GuideToken)$')
fi
tests/setup/tools.sh
failed=0
for engine in ${BROWSER:-$engines}; do
	tests/setup/"$engine".sh
	echo "In $engine:"
	file=()
	if [ "${RESULTS:-}" ]; then file=(--jsonfile "$RESULTS/$engine"); fi
	BROWSER=$engine dist/tools/gotestsum --format pkgname "${file[@]}" -- -count=1 -timeout=40m "${select[@]}" ./tests/browser || failed=1
done
exit $failed
