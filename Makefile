SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GOLANGCI_LINT_VERSION := v2.15.0
# The version is part of the name: another version is another file, and is built when it is missing.
GOLANGCI_LINT := bin/golangci-lint-$(GOLANGCI_LINT_VERSION)
GOVULNCHECK_VERSION := v1.9.0
GOVULNCHECK := bin/govulncheck-$(GOVULNCHECK_VERSION)

FUZZTIME ?= 2m
BENCH ?= .
BENCHTIME ?= 1s
COUNT ?= 1
SCENARIOS ?= all
RUNS ?= 3
FOR ?= 5s
PROFILE ?=
SCHEDULES ?= 100000

.PHONY: help run test lint bench bench-peers bench-go fuzz fuzz-short flood vulnerabilities simulate mutants cover docker tools

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1 \2/p' $(MAKEFILE_LIST) | awk '{ n = $$1; $$1 = ""; printf "  make %-16s%s\n", n, $$0 }'

run: ## run the example on http://localhost:3000 (PORT and the rest: .env.example)
	@go run ./example

test: tools ## install what the tests need, then run all of them with the race detector
	go vet ./...
	go test -race -shuffle=on -timeout 10m ./...

lint: $(GOLANGCI_LINT) ## check the house rules
	$(GOLANGCI_LINT) config verify
	$(GOLANGCI_LINT) run ./...
	.ci/names

bench: tools ## measure the example, and print a table: SCENARIOS=S1,S2 or all, RUNS=3 FOR=5s PROFILE=<directory>
	cd internal/bench && go test -run='^TestScenarios$$' -count=1 -timeout 3h \
		-scenarios='$(SCENARIOS)' -runs=$(RUNS) -for=$(FOR) -profile='$(abspath $(PROFILE))'

bench-peers: tools ## the same against peers on the same work, and the ratios: SCENARIOS=S1,S2 or all, RUNS=3 FOR=5s
	cd internal/bench && go test -run='^TestScenarios$$' -count=1 -timeout 3h \
		-scenarios='$(SCENARIOS)' -runs=$(RUNS) -for=$(FOR) -beside

bench-go: tools ## run the benchmarks of the code: BENCH=<pattern> BENCHTIME=<time or 100x> COUNT=<for benchstat>
	go test -run='^$$' -bench='$(BENCH)' -benchtime=$(BENCHTIME) -count=$(COUNT) -benchmem -timeout 1h ./...

fuzz: tools ## run each fuzz target for FUZZTIME (2m), two at a time
	.ci/fuzz $(FUZZTIME)

fuzz-short: tools ## run each fuzz target for 20 seconds, three at a time, as CI does
	.ci/fuzz 20s 3

flood: tools ## flood the example in each way, and tell what the others notice
	go test -run='^$$' -bench='^BenchmarkFlood$$' -benchtime=1x -timeout 30m ./internal/attack

vulnerabilities: $(GOVULNCHECK) ## look for known vulnerabilities in what the module calls
	$(GOVULNCHECK) $(if $(GOVULNDB),-db=$(GOVULNDB)) -test ./...

simulate: ## play 100,000 schedules of faults in the simulation: SCHEDULES=<count>
	go test -run='^TestSimulation$$' -simulate=$(SCHEDULES) -timeout 30m .

mutants: tools ## make deliberate mistakes in copies of the source, and see that tests find each
	.ci/mutants

cover: tools ## run the tests for coverage over all packages: artifacts/cover.html
	mkdir -p artifacts
	go test -timeout 10m -coverpkg=./... -coverprofile=artifacts/cover.out ./...
	go tool cover -html=artifacts/cover.out -o artifacts/cover.html
	go tool cover -func=artifacts/cover.out | tail -n 1

docker: ## build the container image of the example
	docker build -t flow .

tools:
	@.ci/tools

$(GOLANGCI_LINT):
	GOBIN='$(CURDIR)/bin' go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv bin/golangci-lint $@

$(GOVULNCHECK):
	GOBIN='$(CURDIR)/bin' go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	mv bin/govulncheck $@
