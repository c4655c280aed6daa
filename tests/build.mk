# Unit tests: one Criterion program per tests/unit/test_*.c, linked with the portable sources and
# the test platform (from an archive: a program takes what it uses); built twice, plain and with
# ASan and UBSan, and those with threads also with TSan. The sanitizers are slow: fewer frames there.

UNIT_SRCS := $(wildcard tests/unit/test_*.c)
# of the platform's own files, those that touch no hardware
UNIT_ARCH_SRCS := arch/bare/boot_info.c arch/bare/boot_efi.c arch/bare/irq_line.c arch/x86_64/boot_loaders.c arch/x86_64/efi/elf_plan.c \
	arch/bare/efi/load_options.c arch/aarch64/devtree.c arch/aarch64/devtree_pci.c arch/aarch64/acpi_machine.c
UNIT_LIB_SRCS := $(filter-out kernel/main.c kernel/string.c,$(KERNEL_SRCS)) $(PORTABLE_SRCS) \
	$(filter-out %_bus.c,$(PCI_SRCS) $(USER_SRCS)) \
	$(VEC_X86_SRCS) $(APP_SRCS) $(wildcard $(UNIT_ARCH_SRCS)) $(wildcard tests/model/*.c) \
	$(filter-out tests/vec/%_neon.c,$(wildcard tests/vec/*.c)) \
	$(filter-out $(UNIT_SRCS),$(wildcard tests/unit/*.c))
UNIT_CFLAGS := $(CFLAGS_COMMON) -Iarch/x86_64/include
# TSan knows no fences; nothing that it watches depends on one. Criterion does not run under it.
TSAN_CFLAGS := -fsanitize=thread -Wno-tsan -Itests/tsan -DTHREADS_FRAMES=20000
TSAN_SRCS := tests/unit/test_threads.c
SAN_CFLAGS := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
	-DTHREADS_FRAMES=20000 -DVEC_SEEDS=4000

define unit_variant # name, extra flags, tests, what has main(), helpers left out
$(BUILD)/$(1)/obj/%.o: %.c Makefile tests/build.mk
	@mkdir -p $$(@D)
	$$(CC) $$(UNIT_CFLAGS) $(2) -c -o $$@ $$<

$(call vec_target_flags,$(BUILD)/$(1)/obj,UNIT_CFLAGS)

$(BUILD)/$(1)/libringzero.a: $(patsubst %.c,$(BUILD)/$(1)/obj/%.o,$(filter-out $(5),$(UNIT_LIB_SRCS)))
	@rm -f $$@
	ar rcs $$@ $$^

$(BUILD)/$(1)/%: $(BUILD)/$(1)/obj/tests/unit/%.o $(BUILD)/$(1)/libringzero.a $(filter %.o,$(4))
	$$(CC) $(2) -o $$@ $$^ $(filter -l%,$(4))

.PHONY: $(1)-tests
$(1)-tests: $(3:tests/unit/%.c=$(BUILD)/$(1)/%)
-include $$(shell find $(BUILD)/$(1) -name '*.d' 2>/dev/null)
endef

$(eval $(call unit_variant,unit,-DTHREADS_FRAMES=100000 -DVEC_SEEDS=20000,$(UNIT_SRCS),-lcriterion -l:libfdt.a))
$(eval $(call unit_variant,asan,$(SAN_CFLAGS),$(UNIT_SRCS),-lcriterion -l:libfdt.a))
$(eval $(call unit_variant,tsan,$(TSAN_CFLAGS),$(TSAN_SRCS),$(BUILD)/tsan/obj/tests/tsan/runner.o,\
	tests/unit/fake_%))

# The vector paths of aarch64, built for Linux and run by qemu-aarch64.

AARCH64_CC ?= aarch64-linux-gnu-gcc
VEC_NEON_SRCS := $(filter-out kernel/main.c kernel/string.c,$(KERNEL_SRCS)) net/mempool.c \
	$(wildcard drivers/virtio/virtqueue.c drivers/virtio/vq_*.c drivers/virtio/vnet_offload.c) $(VEC_AARCH64_SRCS) \
	tests/unit/plat_test.c $(filter-out %_sse.c %_avx2.c %_avx512.c,$(wildcard tests/vec/*.c))

$(BUILD)/neon/obj/%.o: %.c Makefile tests/build.mk
	@mkdir -p $(@D)
	$(AARCH64_CC) $(CFLAGS_COMMON) -Iarch/aarch64/include -c -o $@ $<

$(BUILD)/neon/vec: $(VEC_NEON_SRCS:%.c=$(BUILD)/neon/obj/%.o)
	$(AARCH64_CC) -static -o $@ $^

.PHONY: neon-tests
neon-tests: $(BUILD)/neon/vec
-include $(shell find $(BUILD)/neon -name '*.d' 2>/dev/null)
