# Everything one does with this repository; `make` alone lists it.

PREFIX  ?= /usr/local
DESTDIR ?=
CARGO   ?= cargo
# How long `make fuzz` goes on.
SECONDS ?= 60
# The tests wait more than they work.
export RUST_TEST_THREADS ?= 6
# Tests that cannot run on this machine report themselves here.
SKIPS   := $(CURDIR)/target/skips
# Tests of faults report here what became of them.
FAULTS  := $(CURDIR)/target/faults

.DEFAULT_GOAL := help
.PHONY: help deps schemathesis axe fabric build release test test-full libraries scale pictures simulation faults fuzz lint fmt doc man tasks-page demo bench install clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install what tests and demo need from Debian (only what is missing)
	@sh tests/install-deps.sh

schemathesis: deps ## install what tries the API against its description
	@sh tests/install-schemathesis.sh

axe: deps ## get what looks for barriers in the page
	@sh tests/install-axe.sh

fabric: deps ## install what the Python bridge is compared with
	@sh tests/install-fabric.sh

build: deps ## build both packages for development
	$(CARGO) build --locked --workspace

release: deps ## build the executables as they are installed
	$(CARGO) build --locked --workspace --release

test: build schemathesis axe fabric ## run all tests but the long ones; list what could not run here
	@$(call run_tests,$(CARGO) test --locked --workspace)

faults: build ## inject every fault; print what became of each in a table
	@$(call run_tests,$(call run_faults))

test-full: build schemathesis axe fabric ## run everything there is to be tested, at length
	@$(call run_tests,PROPTEST_CASES=2000 $(CARGO) test --locked --workspace && $(compare) && $(call run_faults))

# With LOOM_WRITE_TABLE=1 docs/fabric-comparison.md is written anew.
libraries: build fabric ## compare fabtools and cuisine on our Fabric and on fab-classic
	@$(call run_tests,$(compare))

compare = $(CARGO) test --locked --test integration libraries:: -- --ignored --nocapture

pictures: build axe ## take every view of the page; write those of the README anew
	LOOM_WRITE_PICTURES=1 $(CARGO) test --locked --test page -- pictures --nocapture
	@ls -l docs/pictures/*.png

# The table comes last, and however the tests end. LOOM_KILLS: how often the parent is killed;
# LOOM_UNITS: how many units under load.
define run_faults
{ rm -f $(FAULTS); LOOM_FAULTS=$(FAULTS) $(CARGO) test --locked --test faults -- --include-ignored; \
held=$$?; touch $(FAULTS); sh tests/faults/table.sh tests/faults/faults.txt $(FAULTS) && [ $$held -eq 0 ]; }
endef

# All properties share the time; the tables of nasty inputs and the calendar come on top.
fuzz: ## try hostile input for SECONDS=60 seconds, new each time
	LOOM_FUZZ_SECONDS=$(SECONDS) RUST_TEST_THREADS=$$(nproc) \
	  timeout $$(($(SECONDS) * 2 + 300)) $(CARGO) test --locked --package loom --test fuzz
	PROPTEST_CASES=5000 timeout 300 $(CARGO) test --locked --package loom --lib cron::tests

# The skips are listed however the tests end.
define run_tests
rm -f $(SKIPS); export LOOM_SKIPS=$(SKIPS); $(1); status=$$?; \
if [ -s $(SKIPS) ]; then echo; sort -u $(SKIPS); else echo; echo "nothing was skipped"; fi; \
exit $$status
endef

# Its limit is one for optimized executables.
test-full: scale
scale: deps ## ask a gateway with 5,000 jobs and 100,000 runs for all it lists, in milliseconds
	$(CARGO) test --locked --release --package loom-worker --test integration scale:: -- --ignored --nocapture

simulation: ## play a week of 10,000 nodes through the scheduler, in seconds
	$(CARGO) test --locked --release --test simulation -- --nocapture

lint: ## check format, lints, and that the parent has no async runtime
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@sh tests/no-runtime.sh

fmt: ## format the sources
	$(CARGO) fmt --all

doc: ## build the documentation of the sources
	$(CARGO) doc --locked --workspace --no-deps --document-private-items

man: build ## write the manual page to target/man
	@mkdir -p target/man && target/debug/loom man >target/man/loom.1 && ls target/man/loom.1

tasks-page: build ## write what docs/tasks.md says of each task anew
	target/debug/loom tasks --markdown >target/tasks.md && cp target/tasks.md docs/tasks.md

demo: release ## see it run: five throwaway nodes on this machine, two minutes
	@bash tests/demo/demo.sh

bench: release fabric ## measure speed and memory, as ratios in one run
	$(CARGO) build --locked --release --package loom-worker --example mux_loop
	$(CARGO) bench --locked --bench units

SHARE    = $(DESTDIR)$(PREFIX)/share
BASH_IN  = $(SHARE)/bash-completion/completions
ZSH_IN   = $(SHARE)/zsh/site-functions
FISH_IN  = $(SHARE)/fish/vendor_completions.d

install: release ## install executables, manual page and completion below PREFIX (and DESTDIR)
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 target/release/loom target/release/loom-worker target/release/loom-gateway $(DESTDIR)$(PREFIX)/bin
	install -d $(SHARE)/man/man1 $(BASH_IN) $(ZSH_IN) $(FISH_IN)
	target/release/loom man >target/loom.1 && install -m 644 target/loom.1 $(SHARE)/man/man1
	target/release/loom completions bash >target/loom.bash && install -m 644 target/loom.bash $(BASH_IN)/loom
	target/release/loom completions zsh >target/loom.zsh && install -m 644 target/loom.zsh $(ZSH_IN)/_loom
	target/release/loom completions fish >target/loom.fish && install -m 644 target/loom.fish $(FISH_IN)

clean: ## remove what was built
	$(CARGO) clean
