# The aarch64 kernel: build/aarch64/ringzero.img, with the header of a Linux arm64 image. It may be
# loaded anywhere: linked as position-independent, boot.S applies the relocations.
#
# libfdt and gnu-efi are Debian's packages for arm64, unpacked below ARM64_ROOT.

A64 := $(BUILD)/aarch64
A64_PREFIX ?= aarch64-linux-gnu-
A64_CC := $(A64_PREFIX)gcc
A64_LD := $(A64_PREFIX)ld
ARM64_ROOT ?= $(BUILD)/arm64
ARM64_FDT := $(ARM64_ROOT)/usr/lib/aarch64-linux-gnu/libfdt.a

A64_SRCS := $(KERNEL_SRCS) $(PORTABLE_SRCS) $(PCI_SRCS) $(VEC_AARCH64_SRCS) $(APP_SRCS) \
	$(wildcard arch/bare/*.c arch/aarch64/*.c)
A64_OBJS := $(A64_SRCS:%.c=$(A64)/obj/%.o) $(A64)/obj/arch/aarch64/boot.S.o \
	$(A64)/obj/arch/aarch64/trap.S.o
A64_CFLAGS := $(CFLAGS_COMMON) -Iarch/aarch64/include -isystem $(ARM64_ROOT)/usr/include \
	-ffreestanding -fno-pic -fno-pie -mgeneral-regs-only -mno-outline-atomics -mcmodel=small \
	-fno-omit-frame-pointer -fno-asynchronous-unwind-tables -fstack-protector-strong \
	-mstack-protector-guard=global -fno-tree-loop-distribute-patterns -ffunction-sections \
	-fdata-sections
A64_LDFLAGS := -m aarch64linux -nostdlib -pie --no-dynamic-linker -z notext -z norelro \
	-T arch/aarch64/linker.ld --gc-sections --build-id=none -z noexecstack -z max-page-size=4096

# Only what packets pass is optimised for speed, as on x86_64.
$(patsubst %.c,$(A64)/obj/%.o,$(filter-out $(HOT_SRCS) arch/aarch64/clock.c,$(A64_SRCS))): \
	private A64_CFLAGS += -Os

$(ARM64_FDT): tools/arm64.sh
	tools/arm64.sh $(ARM64_ROOT)

.PHONY: arm64-packages
arm64-packages: $(ARM64_FDT)

$(A64)/obj/%.o: %.c Makefile arch/aarch64/build.mk | $(ARM64_FDT)
	@mkdir -p $(@D)
	$(A64_CC) $(A64_CFLAGS) -c -o $@ $<

$(A64)/obj/%.S.o: %.S Makefile arch/aarch64/build.mk
	@mkdir -p $(@D)
	$(A64_CC) -c -g -o $@ $<

$(A64)/obj/drivers/virtio/vec/vnet_vec_neon.o: \
	private A64_CFLAGS := $(filter-out -mgeneral-regs-only,$(A64_CFLAGS))

# Linked twice: the table of function names is made from the first link and must not move anything.

$(A64)/symbols_none.c: tools/symbols.py
	@mkdir -p $(@D)
	tools/symbols.py --empty > $@

$(A64)/symbols_table.c: $(A64)/unnamed.elf tools/symbols.py
	$(A64_PREFIX)nm $< | tools/symbols.py > $@

$(A64)/symbols_%.o: $(A64)/symbols_%.c kernel/symbols.h
	$(A64_CC) $(A64_CFLAGS) -c -o $@ $<

$(A64)/unnamed.elf: $(A64_OBJS) $(A64)/symbols_none.o $(ARM64_FDT) arch/aarch64/linker.ld
	$(A64_LD) $(A64_LDFLAGS) -o $@ $(filter %.o %.a,$^)

# boot.S knows one kind of relocation.
$(A64)/ringzero.elf: $(A64_OBJS) $(A64)/symbols_table.o $(ARM64_FDT) arch/aarch64/linker.ld
	$(A64_LD) $(A64_LDFLAGS) -o $@ $(filter %.o %.a,$^)
	$(A64_PREFIX)nm $@ | tools/symbols.py | cmp - $(A64)/symbols_table.c
	! $(A64_PREFIX)readelf -rW $@ | grep R_AARCH64 | grep -Ev 'R_AARCH64_(RELATIVE|NONE)'

$(A64)/ringzero.img: $(A64)/ringzero.elf
	$(A64_PREFIX)objcopy -O binary $< $@

-include $(shell find $(A64)/obj -name '*.d' 2>/dev/null)
