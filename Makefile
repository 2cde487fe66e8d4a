# SPDX-License-Identifier: MPL-2.0
# A thin front for Meson. B: build folder. See docs/testing.md for the tiers of `make check`.
B ?= build
DESTDIR ?=
prefix ?= /usr/local

all: $(B)/build.ninja
	ninja -C $(B)

$(B)/build.ninja:
	meson setup -Dprefix=$(prefix) $(B)

# Installs what is missing on this host, and nothing else. DEPS: the groups of tools/deps (default: build run check).
deps:
	tools/deps $(DEPS)

# From a fresh clone to a program's output in a machine of its own.
run: deps
	$(MAKE) all
	./quiz setup
	./quiz uname -a

# Every test, with the packages, kernels, roots and sources that they use: slow the first time (docs/testing.md).
# A host that lacks what only some tests want skips these, and says so; in CI a skip is a failure.
check: deps
	tools/deps kernel openzfs foreign debug || true
	$(MAKE) all
	tests/materials || true
	tests/run-all $(B)

# What needs no machine.
check-quick: all
	meson test -C $(B) --print-errorlogs --no-suite vm

check-unit: all
	meson test -C $(B) --suite unit --print-errorlogs

install: all
	meson configure -Dprefix=$(prefix) $(B)
	DESTDIR=$(DESTDIR) meson install -C $(B)

# The agent for every architecture that has a cross compiler here.
agents: all
	ninja -C $(B) agents

# Address and undefined behaviour sanitizers over the tiers that need no machine.
asan:
	[ -f $(B)-asan/build.ninja ] || meson setup -Db_sanitize=address,undefined -Db_lundef=false $(B)-asan
	ninja -C $(B)-asan
	meson test -C $(B)-asan --print-errorlogs --no-suite vm --no-suite emulated

lint: $(B)/build.ninja
	tools/lint $(B)

# The lines that are changed since SINCE and no others: tables are laid by hand (HACKING.md).
SINCE ?= HEAD
format:
	git clang-format --force $(SINCE) -- '*.c' '*.h'

bench: all
	bench/run

.PHONY: all deps run check check-quick check-unit install agents asan lint format bench
