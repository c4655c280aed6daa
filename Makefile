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
PCI_SRCS := $(wildcard drivers/virtio/virtio_pci*.c) drivers/virtio/virtio_vdpa.c
USER_SRCS := $(wildcard drivers/virtio/virtio_user*.c drivers/virtio/vhost_*.c)
PORTABLE_SRCS := $(filter-out $(PCI_SRCS) $(USER_SRCS),$(wildcard net/*.c drivers/virtio/*.c))
APP_SRCS := $(wildcard apps/*.c)
HOT_SRCS := kernel/string.c drivers/virtio/vnet_paths.c $(wildcard drivers/virtio/vec/*.c) \
	$(addprefix net/,csum.c eth.c ipv4.c net_stack.c rss_hash.c udp.c)

include drivers/virtio/vec/build.mk
include arch/x86_64/build.mk
include arch/x86_64/image.mk
include arch/aarch64/build.mk
include arch/hosted/build.mk
include arch/aarch64/image.mk
include tests/build.mk
include tests/fuzz/build.mk
include tools/vswitch/build.mk
include bench/build.mk

# One hybrid image: BIOS (GRUB, multiboot2), UEFI of x86_64 and of aarch64 (without GRUB).
$(BUILD)/ringzero.iso: $(X86)/ringzero.elf $(X86)/BOOTX64.EFI $(A64)/BOOTAA64.EFI \
		arch/x86_64/grub.cfg tools/mkiso.sh
	tools/mkiso.sh $@ $(X86)/ringzero.elf arch/x86_64/grub.cfg $(X86)/BOOTX64.EFI \
		$(A64)/BOOTAA64.EFI

# ---- targets -------------------------------------------------------------------------------------

.PHONY: all help deps ready ready-lint iso aarch64 run test check unit asan tsan unit-aarch64 \
	guest guest-aarch64 soak lint fmt clean

all: iso aarch64 hosted ## build every image

iso: $(BUILD)/ringzero.iso ## build/ringzero.iso, and what is in it

aarch64: $(A64)/ringzero.img $(A64)/BOOTAA64.EFI ## build/aarch64/ringzero.img and BOOTAA64.EFI

run: ready ## boot the ISO in QEMU; ARCH= ARGS= BOOT= NET= PORTS= PORT= MEM= MACHINE= ACCEL= QEMU_OPTS=
	@$(MAKE) --no-print-directory -s -j$$(nproc) iso $(if $(filter aarch64,$(ARCH)),aarch64)
	@BUILD=$(BUILD) tools/run.sh

test: ready ## every test; the last line is the total
	@BUILD=$(BUILD) tools/test.sh

check unit asan tsan unit-aarch64 guest guest-aarch64: ready ## one group of tests
	@BUILD=$(BUILD) tools/test.sh $@

soak: ready ## the grids of tests with more seeds and on more devices, half an hour; SOAK_SEEDS=
	@BUILD=$(BUILD) tools/test.sh soak

lint: ready ready-lint $(ARM64_FDT) ## clang-format, clang-tidy, cppcheck, shellcheck, include edges
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
	@grep -hE '^[a-z0-9 -]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 24

# run.sh reads these from its environment
export ARCH ARGS BOOT NET PORTS PORT MEM MACHINE ACCEL QEMU_OPTS IFNAME SOCK
