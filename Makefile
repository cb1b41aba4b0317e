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
.PHONY: help deps schemathesis axe fabric build release test test-full libraries scale pictures simulation faults fuzz lint fmt doc man tasks-page demo bench built install uninstall build-deps package-deps deb package-test clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install what tests and demo need from Debian (only what is missing)
	@sh tests/install/deps.sh

schemathesis: deps ## install what tries the API against its description
	@sh tests/install/schemathesis.sh

axe: deps ## get what looks for barriers in the page
	@sh tests/install/axe.sh

fabric: deps ## install what the Python bridge is compared with
	@sh tests/install/fabric.sh

build-deps:
	@sh tests/install/deps.sh build

package-deps: deps
	@sh tests/install/deps.sh package

build: deps ## build the executables for development
	$(CARGO) build --locked --workspace

release: build-deps ## build the executables as they are installed
	$(CARGO) build --locked --workspace --release
	@sh debian/show.sh $(BUILT)/loom $(SHOWN)

test: build schemathesis axe fabric ## run all tests but the long ones; list what could not run here
	@$(call run_tests,$(CARGO) test --locked --workspace)

faults: build ## inject every fault; print what became of each in a table
	@$(call run_tests,$(call run_faults))

test-full: build package-deps schemathesis axe fabric ## run everything there is to be tested, at length
	@$(call run_tests,PROPTEST_CASES=2000 $(CARGO) test --locked --workspace && $(compare) && $(call run_faults) && \
	  sh tests/package/run.sh)

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

demo: deps release ## see it run in this terminal: five throwaway nodes on this machine, two minutes
	@bash tests/demo/demo.sh

bench: deps release fabric ## measure speed and memory, as ratios in one run
	$(CARGO) build --locked --release --package loom-worker --example mux_loop
	$(CARGO) bench --locked --bench units

# The executables, and what they print of themselves.
BUILT    = target/release
SHOWN    = target/install

SHARE    = $(DESTDIR)$(PREFIX)/share
LIB      = $(DESTDIR)$(PREFIX)/lib
BASH_IN  = $(SHARE)/bash-completion/completions
ZSH_IN   = $(SHARE)/zsh/site-functions
FISH_IN  = $(SHARE)/fish/vendor_completions.d
EXAMPLES = $(SHARE)/doc/loom/examples
# What is installed beyond directories of Loom's own.
PLACED   = $(DESTDIR)$(PREFIX)/bin/loom $(SHARE)/man/man1/loom.1 $(BASH_IN)/loom $(ZSH_IN)/_loom \
           $(FISH_IN)/loom.fish $(SERVICE)
SERVICE  = $(LIB)/systemd/system/loom.service $(LIB)/sysusers.d/loom.conf $(LIB)/tmpfiles.d/loom.conf
# A service of the system is installed where systemd looks for one.
SERVED   = $(filter /usr /usr/local,$(PREFIX))

install: built ## install below PREFIX (and DESTDIR); in /usr and /usr/local the service too
	install -d $(DESTDIR)$(PREFIX)/bin $(LIB)/loom $(SHARE)/man/man1 $(BASH_IN) $(ZSH_IN) $(FISH_IN)
	install -m 755 $(BUILT)/loom $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(BUILT)/loom-worker $(BUILT)/loom-gateway $(LIB)/loom
	@# Earlier versions had them there, where loom looks first.
	rm -f $(DESTDIR)$(PREFIX)/bin/loom-worker $(DESTDIR)$(PREFIX)/bin/loom-gateway
	install -m 644 $(SHOWN)/loom.1 $(SHARE)/man/man1
	install -m 644 $(SHOWN)/loom.bash $(BASH_IN)/loom
	install -m 644 $(SHOWN)/_loom $(ZSH_IN)
	install -m 644 $(SHOWN)/loom.fish $(FISH_IN)
	install -d $(EXAMPLES)/jobs
	install -m 644 config-examples/*.yaml config-examples/*.py $(EXAMPLES)
	install -m 644 config-examples/jobs/* $(EXAMPLES)/jobs
ifneq ($(SERVED),)
	install -d $(dir $(SERVICE))
	sed 's|/usr/bin/loom|$(PREFIX)/bin/loom|' debian/loom.service >$(LIB)/systemd/system/loom.service
	chmod 644 $(LIB)/systemd/system/loom.service
	install -m 644 debian/loom.sysusers $(LIB)/sysusers.d/loom.conf
	install -m 644 debian/loom.tmpfiles $(LIB)/tmpfiles.d/loom.conf
endif

uninstall: ## remove what `make install` with the same PREFIX and DESTDIR has installed
	rm -f $(PLACED)
	rm -rf $(LIB)/loom $(SHARE)/doc/loom

# `sudo make install` installs what was built before, and builds nothing as root in somebody's tree.
built:
	@if [ "$$(id -u)" -eq 0 ] && [ ! -O Makefile ] && [ -e $(SHOWN)/loom.1 ]; then \
	  echo "installing what was built"; else $(MAKE) --no-print-directory release; fi

deb: build-deps ## build the Debian package in target/debian; equal sources make equal packages
	@sh debian/build.sh

package-test: package-deps ## install, use and remove the package in a fresh Debian; build it twice
	@$(call run_tests,sh tests/package/run.sh)

clean: ## remove what was built
	$(CARGO) clean
