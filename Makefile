# SPDX-License-Identifier: MPL-2.0
# A thin front for Meson. B: build folder.
B ?= build
all: $(B)/build.ninja
	ninja -C $(B)
$(B)/build.ninja:
	meson setup $(B)
check-unit: all
	meson test -C $(B) --suite unit --print-errorlogs
.PHONY: all check-unit
