# Needs Python >= 3.11 and nothing else. The tiers' targets come from tiers.toml; nox runs them.
#   make integration ARGS="-k replay"     pass arguments on to pytest

TOOLS := .seatrial/tools
NOX := $(TOOLS)/bin/nox --no-error-on-missing-interpreters
TIERS := $(shell sed -n 's/^\[tier\.\([a-z0-9_]*\)\]$$/\1/p' tiers.toml)
ARGS ?=
SUITE ?= gateway_authsession
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help integration test docker-base docker-images up-docker down-docker sweep $(TIERS) lock generate format doctor up tiers why timeline coverage clean

help:
	@echo 'integration        the main job: build the services and prove their contracts (= integration_quick)'
	@echo 'test               lint, unit, integration_quick and docker_quick: what every push runs'
	@awk -F'"' '/^\[tier\./ { gsub(/\[tier\.|\]/, ""); name = $$0 } \
	    /^\[/ && !/^\[tier\./ && !/^\[\[/ { name = "" } \
	    /^purpose/ && name { printf "%-18s %s\n", name, $$2; name = "" }' tiers.toml
	@echo 'doctor             what this machine can run, tier by tier, and the remedy for what it cannot'
	@echo 'tiers              every tier with its last result'
	@echo 'why                the story of the last failure, and its timeline'
	@echo 'timeline           the timeline of a test of the last runs: make timeline ARGS="part of its name"'
	@echo 'coverage           one page of what the last runs have seen of every contract: reports/coverage.html'
	@echo 'up                 boot the services for a person; Ctrl-C stops them'
	@echo 'docker-base        the base of the images, made here where no registry answers'
	@echo 'docker-images      build every container image'
	@echo 'up-docker          the whole platform in containers, for a person; Ctrl-C removes it'
	@echo 'down-docker        remove what up-docker made'
	@echo 'sweep              remove what killed runs have left in the container engine'
	@echo 'format             format the code and apply safe lint fixes'
	@echo 'generate           protobuf stubs and OpenAPI files from their sources'
	@echo 'lock               compile requirements/*.in to locks with hashes'
	@echo 'clean              remove environments, caches, builds and reports'

integration: integration_quick

test: $(TOOLS)/ready
	@$(NOX) -s lint unit integration_quick docker_quick

$(TIERS) format generate lock: $(TOOLS)/ready
	@$(NOX) -s $@ -- $(ARGS)

doctor tiers why timeline: $(TOOLS)/ready
	@$(NOX) -s seatrial -- $@ $(ARGS)

coverage: $(TOOLS)/ready
	@$(NOX) -s coverage -- $(ARGS)

up: $(TOOLS)/ready
	@$(NOX) -s seatrial -- up $(SUITE)

$(TOOLS)/ready: requirements/tools.txt integration/house/bootstrap.sh
	@sh integration/house/bootstrap.sh $(TOOLS)

docker-base:
	@docker/engine up && docker/base

docker-images: $(TOOLS)/ready
	@$(NOX) -s docker -- images $(ARGS)

up-docker down-docker: $(TOOLS)/ready
	@$(NOX) -s docker -- $(@:-docker=) $(ARGS)

sweep: $(TOOLS)/ready
	@$(NOX) -s seatrial -- sweep

clean:
	rm -rf .seatrial .nox reports artifacts
	find . -name .git -prune -o \( -name __pycache__ -o -name .mypy_cache -o -name .ruff_cache -o -name .pytest_cache \) -type d -prune -exec rm -rf {} +
