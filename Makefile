# Every verb calls the script of the same name; CI calls the same verbs. Pass arguments with ARGS="...".

ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup dist lock demo test test-newest test-lowest attack check format fuzz bench native

help: ## list the verbs
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: ## make .venv and install meshmeter with Envoy and the development tools
	@scripts/setup

lock: ## renew the lock of all versions in requirements/
	@scripts/lock $(ARGS)

demo: ## run a small mesh with real Envoys and watch its metrics (ARGS=--once verifies and exits)
	@scripts/demo $(ARGS)

test: ## run all tests (ARGS goes to pytest)
	@scripts/test $(ARGS)

test-newest: ## the same with the newest releases that pyproject.toml allows
	@scripts/test-newest $(ARGS)

test-lowest: ## the same with the lowest that it declares
	@scripts/test-lowest $(ARGS)

attack: ## attack what runs, on loopback, a line of PASS or FAIL each
	@scripts/attack $(ARGS)

check: ## formatting, lint, types, import layers, test layout, citations
	@scripts/check

format: ## format the code and apply safe lint fixes
	@scripts/format

dist: ## build sdist and wheels in dist/, and try them in empty environments
	@scripts/dist

fuzz: ## fuzz the merge kernels (ARGS="--minutes 5"; --help lists more)
	@scripts/fuzz $(ARGS)

bench: ## measure, and print a table and one JSON line per figure (ARGS=--quick: in about two minutes)
	@scripts/bench $(ARGS)

native: ## build the compiled merge kernel (needs cargo) and install it into .venv
	@scripts/native
