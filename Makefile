# The menu; the recipes are build.sh and tests/setup/*.sh.
.PHONY: help demo cluster test browsers bundlers build package release lint conformance mutation sim chaos soak fuzz size bench bench-check clean vuln
export CGO_ENABLED = 0

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1	\2/p' Makefile | expand -t 20

demo: build ## the whole platform on http://127.0.0.1:8080 (ADDR=host:port, DATA=folder); Ctrl-C stops it
	@./build.sh gateway
	@exec dist/gateway --demo --addr "$${ADDR:-127.0.0.1:8080}" --data "$${DATA:-./data}" --dist dist

cluster: build ## three gateways over three NATS servers on loopback (CLUSTER_DATA=folder); Ctrl-C stops them
	@go build -o dist/tools/cluster ./tests/harness/cluster/up
	@exec dist/tools/cluster

test: ## lint, sizes, all tests; installs Chromium, Firefox and WebKit if there are none
	@tests/setup/test.sh

bundlers: ## pages that each bundler builds of the npm package, against the gateway; installs the bundlers by npm
	@tests/setup/chromium.sh
	@OPENCHAT_BUNDLERS=1 go test -count=1 -timeout 30m -v ./tests/bundlers

browsers: build ## the browser tests in Firefox, WebKit and a whole Chromium; installs them if there are none; SHORT=short for a part of each subject, BROWSER=webkit for one
	@tests/setup/browsers.sh $(SHORT)

build: ## what pages load, into dist/
	@./build.sh

package: ## the package for npm, into dist/npm; NAME=@scope/name for the one to publish
	@./build.sh package $(NAME)

release: ## archives for Linux with checksums and bills of materials, into dist/release
	@./build.sh release

lint: ## gofmt, go vet, staticcheck, natively and for the browser
	@tests/setup/lint.sh

conformance: build ## the rows of the documented surface: where each is proven; ROWS=JWT-1,JWT-2 for some
	@tests/setup/chromium.sh && tests/setup/firefox.sh && tests/setup/webkit.sh && tests/setup/tools.sh
	@go run ./tests/meta/conformance -rows "$(ROWS)"

mutation: build ## plants faults one at a time and shows which test catches each; ONLY=regexp for some
	@tests/setup/chromium.sh && tests/setup/tools.sh
	@go run ./tests/meta/mutation -only "$(ONLY)"

sim: ## random lives of the SDK, judged by a model: SEEDS=1000000 for more, SEED=n for one, FROM=n
	@go run ./tests/faults/sim $(if $(SEED),-seed $(SEED),-seeds $(or $(SEEDS),2000) -from $(or $(FROM),1))

fuzz: ## each fuzz target for FUZZTIME (20s)
	@tests/setup/fuzz.sh

soak: build ## 1,000 rounds of init and shutdown, 10,000 messages in one chat: what a page then holds; 200 page loads
	@tests/setup/chromium.sh
	@OPENCHAT_SOAK=1 go test -count=1 -timeout 20m -v ./tests/faults/soak
	@OPENCHAT_SOAK=1 go test -count=1 -timeout 20m -v -run '^TestRandomDiffersByPageLoad$$' ./tests/browser

chaos: ## real faults, over NATS and with the store inside: 200 customers, 20 agents, 3 minutes each; SEED=7 DURATION=10m for others
	@CUSTOMERS=$${CUSTOMERS:-200} AGENTS=$${AGENTS:-20} DURATION=$${DURATION:-3m} \
		go test -count=1 -timeout 60m -v -run 'TestChaos' ./tests/faults/chaos

size: build ## what a visitor downloads, and which packages make it; fails over its bound
	@go run ./js/pack -sizes

bench: build ## what it costs, beside peers; half an hour on a quiet machine, writes tests/BENCH.md
	@tests/setup/chromium.sh && tests/setup/firefox.sh && tests/setup/webkit.sh
	@go run ./tests/bench -write tests/BENCH.md

bench-check: build ## what does not depend on the machine (bytes, crossings, allocations) against its bounds
	@tests/setup/chromium.sh
	@go run ./tests/bench -check

vuln: ## known vulnerabilities of the dependencies; needs the network
	@go tool govulncheck ./...

clean: ## removes dist/, not data/
	rm -rf dist
