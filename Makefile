# ringzero: `make help` lists the targets. No configuration: options are words on the command line
# of the kernel, see docs/options.md.

BUILD := build
PYTHON := /usr/bin/python3
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

# ---- flags ---------------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	-Wcast-align -Wundef -Werror
CFLAGS_COMMON := -std=gnu11 -O2 -g $(WARN) -I. -MMD -MP -fno-common -fno-strict-aliasing

KERNEL_SRCS := $(wildcard kernel/*.c)
PORTABLE_SRCS := $(wildcard net/*.c drivers/virtio/*.c)
APP_SRCS := $(wildcard apps/*.c)

include arch/x86_64/build.mk
include tests/build.mk

# ---- targets -------------------------------------------------------------------------------------

.PHONY: all help deps run test bench lint fmt clean iso

all: iso ## build every image

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

deps: ## install what building and testing needs (Debian, Ubuntu)
	tools/deps.sh

clean: ## remove everything that was built
	rm -rf $(BUILD)
