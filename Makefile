# The verbs people type. How the program is built stands in meson.build; what a verb does beyond one
# line stands in a script of its name in tools/.
.DEFAULT_GOAL := help
.PHONY: help deps build demo demo-aio run test test-full test-versions bench bench-check fuzz format lint coverage docs clean

FUZZ_SECONDS ?= 60

help: ## print these verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install the Debian packages that are missing (for everything below)
	@tools/deps test

build: ## compile; leaves build/borgmatic-api
	@tools/deps build
	@tools/setup build
	@ninja -C build borgmatic-api

demo: ## a real backup of generated files, watched live (DEMO_KEEP=1 leaves the daemon running)
	@tools/deps demo
	@$(MAKE) --no-print-directory build
	@tools/demo

demo-aio: ## the official backup of a stand-in for Nextcloud AIO, its stages watched live (as root)
	@tools/deps demo-aio
	@$(MAKE) --no-print-directory build
	@tools/demo-aio

run: build ## run the daemon with the environment's settings (API_TOKEN, API_READ_TOKEN, STATE_DIR …)
	@build/borgmatic-api

test: deps ## everything that must pass before a change goes in
	@tools/test

test-full: deps ## the same with full counts, a minute of each fuzzer, and the bench bounds
	@TEST_FULL=1 tools/test

test-versions: ## the scenarios with the borgmatic and borg that are installed
	@tools/deps scenario
	@tools/test versions

bench: deps build ## print the bench tables
	@/usr/bin/python3 tests/bench/bench.py

bench-check: deps build ## compare the bench with its bounds
	@/usr/bin/python3 tests/bench/bench.py --check 1

fuzz: deps ## run each fuzzer for FUZZ_SECONDS (60)
	@tools/fuzz $(FUZZ_SECONDS)

format: deps ## lay out every C file by .clang-format
	@git ls-files --cached --others --exclude-standard '*.c' '*.h' | xargs clang-format -i

lint: deps ## the rules of the house, checked
	@tools/lint

coverage: deps ## run the tests counted; fails under 90 % of lines, or 95 % of the parsers' branches
	@tools/coverage

docs: build ## write docs/ and the README's table of routes from the program's own tables
	@tools/docs

clean: ## remove what was built
	@rm -rf build build-*
