# What a developer of Halley does, and CI the same. `make help` lists it.

GO      ?= go
TOOL    := $(GO) tool -modfile=.tools/go.mod
CACHE   := .cache
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LISTEN  ?= 127.0.0.1:8080
DATA    ?= halley-data
FUZZTIME ?= 1m
BENCHTIME ?= 1s
BENCHCOUNT ?= 3

GOFILES  := $(shell find cmd editor ot push storage frontend -name '*.go' -not -path '*/node_modules/*')
APPFILES := $(shell find frontend -type f -not -path '*/node_modules/*' -not -path 'frontend/dist/*' -not -name '*.go')

.PHONY: run test bench build race fuzz soak lint advisories e2e frontend generate clean help packages shot plot

run: build ## build what is missing and serve on 127.0.0.1:8080
	bin/halley serve --listen $(LISTEN) --data $(DATA)

test: build e2e/node_modules packages ## all tests: Go with -race, browser code, end to end
	@mkdir -p $(CACHE) && rm -f $(CACHE)/*.json
	@failed=0; \
	$(TOOL) gotestsum --format pkgname --hide-summary=skipped --jsonfile $(CACHE)/go.json -- -race -timeout 15m ./... || failed=1; \
	(cd frontend && npx vitest run --reporter=default --reporter=json --outputFile.json=../$(CACHE)/frontend.json) || failed=1; \
	(cd e2e && HALLEY_BIN=$(CURDIR)/bin/halley npx vitest run --reporter=default --reporter=json --outputFile.json=../$(CACHE)/e2e.json) || failed=1; \
	node e2e/slowest.mjs $(CACHE)/go.json $(CACHE)/frontend.json $(CACHE)/e2e.json || failed=1; \
	exit $$failed

# What is measured in processes of its own takes its time already, and once each.
WHOLE := ./push/bench ./e2e
bench: build ## speed and memory, ending in a table of what must be reached and what was
	{ $(GO) test -p 1 -run '^$$' -bench . -benchtime $(BENCHTIME) -count $(BENCHCOUNT) -benchmem -timeout 60m $$($(GO) list ./... | grep -v -e '/push/bench$$' -e '/e2e$$'); \
	HALLEY_BIN=$(CURDIR)/bin/halley $(GO) test -p 1 -run '^$$' -bench . -benchtime 1x -timeout 30m $(WHOLE); } | node .ci/bench-table.mjs

plot: build ## measure README's plot again
	HALLEY_BIN=$(CURDIR)/bin/halley $(GO) test -run '^$$' -bench Scale -benchtime 1x -count $(BENCHCOUNT) -timeout 20m ./e2e | node .ci/scale.mjs >.cache/scale.svg
	mv .cache/scale.svg .ci/scale.svg

build: bin/halley ## build bin/halley, the browser app included

bin/halley: go.mod go.sum editor/licences/notices.txt $(GOFILES) frontend/dist/index.html
	$(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $@ ./cmd/halley

frontend: frontend/dist/index.html ## build the browser app

frontend/dist/index.html: frontend/node_modules $(APPFILES)
	cd frontend && npm run --silent build
	@touch $@

frontend/node_modules e2e/node_modules: %/node_modules: %/package.json %/package-lock.json
	cd $* && npm ci --silent --no-audit --no-fund
	@touch $@

race: ## the Go tests alone, with -race
	$(GO) test -race -timeout 15m ./...

fuzz: ## each fuzz target for FUZZTIME (1m)
	@for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$pkg || exit 1; \
	  done; \
	done

soak: build packages ## the long forms of tests
	HALLEY_SOAK=1 $(GO) test -count=1 -timeout 4h ./...

lint: frontend/node_modules e2e/node_modules ## gofmt, vet, staticcheck, errcheck, ineffassign; biome and tsc; known advisories
	@test -z "$$(gofmt -l cmd editor ot push storage e2e frontend/*.go)" || { gofmt -l cmd editor ot push storage e2e frontend/*.go; echo 'run gofmt -w on these'; exit 1; }
	$(GO) vet ./...
	$(TOOL) staticcheck ./...
	$(TOOL) errcheck -ignoretests -exclude .tools/errcheck.txt ./...
	$(TOOL) ineffassign ./...
	cd frontend && npm run --silent lint
	cd e2e && npm run --silent lint
	@GO='$(GO)' node .ci/advisories.mjs

advisories: ## known advisories for all that Halley is built of, where their databases can be reached
	@GO='$(GO)' node .ci/advisories.mjs

e2e: build e2e/node_modules packages ## the end-to-end tests alone
	HALLEY_BIN=$(CURDIR)/bin/halley $(GO) test -race ./e2e/...
	cd e2e && HALLEY_BIN=$(CURDIR)/bin/halley npx vitest run

shot: build e2e/node_modules packages ## take README's screenshot again
	cd e2e && HALLEY_BIN=$(CURDIR)/bin/halley HALLEY_SHOT=1 npx vitest run screenshot

packages: # browsers, proxies and strace for the tests, from the system
	@.ci/packages

generate: frontend/node_modules ## the golden files of converters, and the licences of all parts
	$(GO) test ./editor/convert -update
	$(GO) run ./editor/licences/collect >editor/licences/notices.new
	mv editor/licences/notices.new editor/licences/notices.txt

clean: ## remove what was built
	rm -rf bin $(CACHE) frontend/node_modules e2e/node_modules
	find frontend/dist -mindepth 1 -not -name .gitkeep -delete

help: ## list these targets
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):.*## (.*)/  make \1\t\2/' | expand -t 18
