# ringzero: `make help` lists the targets. No configuration: options are words on the command line
# of the kernel, see docs/options.md.

BUILD := build
PYTHON := /usr/bin/python3
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:

# ---- flags ---------------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	-Wcast-align -Wundef -Werror
CFLAGS_COMMON := -std=gnu11 -O2 -g $(WARN) -I. -MMD -MP -fno-common -fno-strict-aliasing

KERNEL_SRCS := $(wildcard kernel/*.c)
PCI_SRCS := $(wildcard drivers/virtio/virtio_pci*.c)
USER_SRCS := $(wildcard drivers/virtio/virtio_user*.c drivers/virtio/vhost_*.c)
PORTABLE_SRCS := $(filter-out $(PCI_SRCS) $(USER_SRCS),$(wildcard net/*.c drivers/virtio/*.c))
APP_SRCS := $(wildcard apps/*.c)

include drivers/virtio/vec/build.mk
include arch/x86_64/build.mk
include arch/x86_64/image.mk
include arch/aarch64/build.mk
include arch/hosted/build.mk
include tests/build.mk
include tests/fuzz/build.mk
include bench/build.mk

# ---- targets -------------------------------------------------------------------------------------

.PHONY: all help deps ready ready-lint iso run test check unit asan tsan neon guest soak lint fmt clean

all: iso hosted ## build every image

iso: $(BUILD)/ringzero.iso ## build/ringzero.iso, and what is in it

run: ready ## boot the ISO in QEMU; ARGS= BOOT= NET= PORTS= PORT= MEM= MACHINE= ACCEL= QEMU_OPTS=
	@$(MAKE) --no-print-directory -s -j$$(nproc) iso
	@BUILD=$(BUILD) tools/run.sh

test: ready ## every test; the last line is the total
	@BUILD=$(BUILD) tools/test.sh

check unit asan tsan neon guest: ready ## one group of tests
	@BUILD=$(BUILD) tools/test.sh $@

soak: ready ## the grids of tests with more seeds and on more devices, half an hour; SOAK_SEEDS=
	@BUILD=$(BUILD) tools/test.sh soak

lint: ready ready-lint ## clang-format, clang-tidy, cppcheck, shellcheck, include edges
	@BUILD=$(BUILD) tools/lint.sh

fmt: ready-lint ## format every C file
	@tools/lint.sh --sources | xargs clang-format -i

deps: ## install what building and testing needs (Debian, Ubuntu)
	@tools/deps.sh

ready:
	@tools/deps.sh --check 2>/dev/null || tools/deps.sh

ready-lint:
	@tools/deps.sh --check lint 2>/dev/null || tools/deps.sh lint

clean: ## remove everything that was built
	rm -rf $(BUILD)

help: ## list the targets
	@grep -hE '^[a-z -]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 24

# run.sh reads these from its environment
export ARGS BOOT NET PORTS PORT MEM MACHINE ACCEL QEMU_OPTS IFNAME SOCK
