# make run and make test need Go, git and make alone. Every other target says what it lacks.
GO ?= go
FUNCTIONS := receiveorders convertorders redeemcard members operate runcampaigns issuecoupons remindrepurchase settlepoints sendmessages welcomefriends payprizes
LDFLAGS := -s -w -buildid=
# A C compiler is what the race detector needs beside Go.
CC_FOUND := $(shell command -v $${CC:-cc} 2>/dev/null)
RACE := $(if $(CC_FOUND),-race,)

.PHONY: run test check bench bench-check model sim nightly outside e2e build conformance generate cli smoke mutants help
.DEFAULT_GOAL := help

help: ## lists the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

run: ## everything in one process on 127.0.0.1:8080, with a demo brand
	@$(GO) build -trimpath -o bin/huitou-local ./infra/local && exec ./bin/huitou-local

test: ## the whole test suite
	@echo "$(if $(RACE),race detector: on,race detector: off (no C compiler found; install gcc or clang to switch it on))"
	@CGO_ENABLED=$(if $(RACE),1,0) $(GO) test -shuffle=on $(RACE) -timeout 15m ./...

check: ## format, vet, static analysis, imports, template, generated files fresh
	@unformatted=$$($(GO) tool gofumpt -l .) && test -z "$$unformatted" || { echo "gofumpt would change: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags conformance ./infra/conformance
	$(GO) tool staticcheck ./...
	$(GO) mod verify
	$(GO) test -count=1 ./infra/check/...

generate: ## writes the OpenAPI document and the program's JSON Schema from the code
	$(GO) run ./infra/openapi/generate

cli: ## builds the command line into bin/huitou
	$(GO) build -trimpath -o bin/huitou ./infra/cli/huitou

bench: ## prints units, round trips, cold starts, CPU and throughput; writes build/bench.json
	$(GO) run ./infra/bench

bench-check: ## compares counts and ratios with the committed bounds
	$(GO) run ./infra/bench -check

model: ## 10,000 histories: the ledger against its reference model
	$(GO) test -count=1 -v -run Model ./infra/reference -histories 10000

# How many seeds that no other commit has run; .ci/run says how many it affords.
SEEDS ?= 2000
FRESH ?= 2000

sim: ## 10,000 races for a card, 2,000 seeds of the simulator and FRESH more that are new with each commit
	$(GO) test -count=1 -v -run '^TestRaces$$' ./infra/sim -races 10000
	$(GO) run ./infra/sim/run -seeds $(SEEDS) -fresh $(FRESH) -known

mutants: ## plants each of the simulator's mutants and sees it caught
	$(GO) run ./infra/sim/run -seeds 0 -mutants

nightly: ## what takes hours: 100,000 fresh seeds, 100,000 races and histories, long fuzzing; its log is build/nightly.txt
	.ci/nightly

outside: ## somebody else's tester (schemathesis, fetched into build/) against the published document, as every role
	python3 -m venv build/outside && build/outside/bin/pip install -q schemathesis==4.32.5
	$(GO) build -trimpath -o build/huitou-local ./infra/local
	infra/contract/outside/run.py build/huitou-local build/outside/bin/schemathesis

e2e: ## the pages in a real browser (chromium)
	$(GO) test -tags e2e -count=1 -v ./infra/e2e

conformance: ## both engines against other people's DynamoDB engines
	$(GO) test -tags conformance -count=1 -timeout 60m -v ./infra/conformance

smoke: ## every deployable binary against a Lambda Runtime API on loopback
	$(GO) test -tags smoke -count=1 -v ./infra/smoke

# One rule builds every artifact: `make build` for both processors, and SAM's makefile build method
# (build-<LogicalId>) for the one it deploys. Nothing that a function calls needs Lambda's old protocol or HTTP/2.
define artifact
CGO_ENABLED=0 GOOS=linux GOARCH=$(2) $(GO) build -trimpath -tags lambda.norpc,nethttpomithttp2 -ldflags "$(LDFLAGS)" -o $(3)/bootstrap ./functions/$(1)/lambda
endef

build: $(foreach f,$(FUNCTIONS),build/arm64/$(f)/bootstrap build/amd64/$(f)/bootstrap) ## all deployable artifacts, in build/<processor>/<function>/bootstrap

.PHONY: FORCE
build/%/bootstrap: FORCE
	@$(call artifact,$(notdir $(patsubst %/,%,$(dir $@))),$(word 2,$(subst /, ,$@)),$(patsubst %/,%,$(dir $@)))

ARCHITECTURE ?= arm64
build-ReceiveOrders build-ConvertOrders build-RedeemCard build-Members build-Operate build-RunCampaigns build-IssueCoupons build-RemindRepurchase build-SettlePoints build-SendMessages build-WelcomeFriends build-PayPrizes: build-%:
	$(call artifact,$(shell echo $* | tr A-Z a-z),$(if $(filter x86_64,$(ARCHITECTURE)),amd64,$(ARCHITECTURE)),$(ARTIFACTS_DIR))
