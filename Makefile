# Every target works from a fresh clone. State of local runs is in .local/; built programs are in .local/bin.

# A pipe fails when any part of it does.
SHELL       := /bin/bash
.SHELLFLAGS := -o pipefail -c

MODULES  = $(shell go list -m -f '{{.Dir}}')
PACKAGES = $(foreach dir,$(MODULES),$(dir)/...)
BIN      = $(CURDIR)/.local/bin
TOOLS    = $(CURDIR)/.local/tools

.PHONY: help run demo build test test-short test-cockroach chaos drill bench fuzz verify generate lint clean deps

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

run: build ## three regions on this machine, the story, then stay up until Ctrl-C
	@$(BIN)/cardea-local run

demo: build ## the same, and end: exit 0 when every step went as expected
	@$(BIN)/cardea-local demo

build: ## the programs, into .local/bin
	@mkdir -p $(BIN)
	@CGO_ENABLED=0 go build -o $(BIN)/ ./services/identity/cmd/... ./services/permissions/cmd/... \
		./services/device-gateway/cmd/... ./services/audit/cmd/... ./deploy/local/cmd/...

deps: build ## the distribution's packages that runs and tests need (PostgreSQL's server binaries; a C compiler for -race; curl)
	@$(BIN)/cardea-local install
	@command -v gcc >/dev/null || { apt-get update -q && apt-get install -qy gcc libc6-dev; }
	@command -v curl >/dev/null || { apt-get update -q && apt-get install -qy curl; }

test: deps ## all tests with the race detector: what CI runs
	go vet $(PACKAGES)
	go test -race -timeout 20m $(PACKAGES)

test-short: deps ## the same without the end-to-end story
	go test -short $(PACKAGES)

test-cockroach: ## the store suites on a real three-region CockroachDB (COCKROACH_BINARY, or cockroach on PATH)
	go test -count=1 -run Cockroach -v $(PACKAGES) | grep -vE '^(=== RUN|testing: warning|ok .*no tests to run|PASS$$)'

ROUNDS ?= 20
chaos: deps ## kill parts of a running system at random, ROUNDS times, under load; -chaos.seed in FLAGS repeats a run
	go test -count=1 -timeout 30m -v -run 'TestChaos$$' ./deploy/local/internal/cluster -chaos.rounds=$(ROUNDS) $(FLAGS)

DRILLFOR ?= 10m
drill: deps ## random histories of grants, revocations, swipes, cuts and kills against the safety rule, for DRILLFOR; FLAGS="-drill.seed=7" repeats
	go test -count=1 -timeout 0 -v -run 'TestDrill$$' ./services/e2e/drill -args -drill.for=$(DRILLFOR) $(FLAGS)

BENCH ?=
bench: deps ## measure beside bare floors, about three minutes; a table and .local/bench.jsonl (BENCH="-only check -seconds 5")
	@CGO_ENABLED=0 go build -o $(BIN)/bench ./services/e2e/bench
	@$(BIN)/bench $(BENCH)

FUZZTIME ?= 60s
fuzz: ## each fuzz target for FUZZTIME
	@for dir in $$(go list -f '{{.Dir}}' $(PACKAGES)); do \
		for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$dir/*_test.go 2>/dev/null | cut -c6-); do \
			echo "$$dir $$target"; go test $$dir -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) || exit 1; \
		done; done

$(TOOLS)/buf: proto/tools/go.mod proto/tools/go.sum
	@mkdir -p $(TOOLS)
	cd proto/tools && GOWORK=off GOBIN=$(TOOLS) go install tool
	@touch $@

generate: $(TOOLS)/buf ## Go code from proto/ (offline; builds buf the first time, about two minutes)
	cd proto && PATH=$(TOOLS):$$PATH buf generate

lint: $(TOOLS)/buf ## go vet, gofmt, buf lint
	cd proto && PATH=$(TOOLS):$$PATH buf lint
	@unformatted=$$(gofmt -l services deploy | grep -v /gen/); [ -z "$$unformatted" ] || { echo "run gofmt -w on:"; echo "$$unformatted"; exit 1; }
	go vet $(PACKAGES)

verify: lint generate ## lint; fail when generated code or a go.mod is not what is checked in
	@git diff --exit-code --stat -- proto/gen || { echo "proto/gen differs from what the protos say: run make generate and commit"; exit 1; }
	@untracked=$$(git ls-files --others --exclude-standard proto/gen); [ -z "$$untracked" ] || { echo "not checked in: $$untracked"; exit 1; }
	@for dir in $(MODULES); do (cd $$dir && GOWORK=off go mod tidy -diff >/dev/null) || { echo "$$dir: run go mod tidy"; exit 1; }; done
	@echo "verify: nothing drifted"

clean: ## remove .local
	@if [ -x $(BIN)/cardea-local ]; then $(BIN)/cardea-local clean; fi
	rm -rf .local
