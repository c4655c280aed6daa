# Unit tests: one Criterion program per tests/unit/test_*.c, linked with the portable sources and
# the test platform (from an archive: a program takes what it uses); built twice, plain and with
# ASan and UBSan, and those with threads also with TSan. The sanitizers are slow: fewer frames there.
# Most are built once more for Linux on aarch64.

UNIT_SRCS := $(filter-out %_neon.c,$(wildcard tests/unit/test_*.c))
# of the platform's own files, those that touch no hardware
UNIT_ARCH_SRCS := arch/bare/boot_info.c arch/bare/boot_efi.c arch/bare/irq_line.c arch/x86_64/boot_loaders.c arch/x86_64/efi/elf_plan.c \
	arch/bare/efi/load_options.c arch/aarch64/devtree.c arch/aarch64/devtree_pci.c arch/aarch64/acpi_machine.c
UNIT_LIB_SRCS := $(filter-out kernel/main.c kernel/string.c,$(KERNEL_SRCS)) $(PORTABLE_SRCS) \
	$(filter-out %_bus.c,$(PCI_SRCS) $(USER_SRCS)) $(wildcard arch/hosted/unix_*.c) \
	$(VEC_X86_SRCS) $(APP_SRCS) $(wildcard $(UNIT_ARCH_SRCS)) $(wildcard tests/model/*.c) \
	$(filter-out tests/vec/%_neon.c,$(wildcard tests/vec/*.c)) \
	$(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c))
# -g1: lines for backtraces; all that debuggers can use takes a third of the compiler's time
UNIT_CFLAGS := $(CFLAGS_COMMON) -g1 -Iarch/x86_64/include
# TSan knows no fences; nothing that it watches depends on one. Criterion does not run under it.
TSAN_CFLAGS := -fsanitize=thread -Wno-tsan -Itests/criterion -DTHREADS_FRAMES=20000
TSAN_SRCS := tests/unit/test_threads.c tests/unit/test_lcore.c tests/unit/test_soft_rss.c
SAN_CFLAGS := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
	-DTHREADS_FRAMES=20000 -DVEC_SEEDS=4000

# tests are compiled four times as fast; what they test is not among them
$(foreach v,unit asan unit-aarch64,$(BUILD)/$(v)/obj/tests/unit/test_%.o): TEST_O := -O0

define unit_variant # name, extra flags, tests, what has main(), helpers left out
$(BUILD)/$(1)/obj/%.o: %.c Makefile tests/build.mk
	@mkdir -p $$(@D)
	$$(CC) $$(UNIT_CFLAGS) $(2) $$(TEST_O) -c -o $$@ $$<

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
$(eval $(call unit_variant,tsan,$(TSAN_CFLAGS),$(TSAN_SRCS),$(BUILD)/tsan/obj/tests/criterion/runner.o,\
	tests/unit/fake_%))

# For aarch64, run by qemu-aarch64: all but the vector code of x86, with NEON in its place. Linked with
# tests/criterion, as Criterion starts each case as a new program. libfdt is fetched (tools/arm64.sh);
# what needs it is linked apart, so that the rest can do without it. Left out: the hosted build's
# sockets, as the emulator keeps descriptors open that do not fit into a message.

AARCH64_CC ?= aarch64-linux-gnu-gcc
UNIT_A64 := $(BUILD)/unit-aarch64
UNIT_A64_CFLAGS := $(CFLAGS_COMMON) -g1 -Iarch/aarch64/include -Itests/criterion \
	-isystem $(ARM64_ROOT)/usr/include -DTHREADS_FRAMES=20000 -DVEC_SEEDS=4000
UNIT_A64_SRCS := $(filter-out $(if $(WITHOUT_LIBFDT),%/test_devtree.c) %/test_vhost_link.c %_sse.c \
	%_avx2.c %_avx512.c,$(wildcard tests/unit/test_*.c))
UNIT_A64_FDT_SRCS := arch/aarch64/devtree.c arch/aarch64/devtree_pci.c
UNIT_A64_LIB_SRCS := $(filter-out $(VEC_X86_SRCS) $(UNIT_A64_FDT_SRCS) tests/vec/%_sse.c \
	tests/vec/%_avx2.c tests/vec/%_avx512.c,$(UNIT_LIB_SRCS)) \
	$(VEC_AARCH64_SRCS) tests/vec/vec_set_neon.c

$(UNIT_A64)/obj/%.o: %.c Makefile tests/build.mk
	@mkdir -p $(@D)
	$(AARCH64_CC) $(UNIT_A64_CFLAGS) $(TEST_O) -c -o $@ $<

$(UNIT_A64)/libringzero.a: $(UNIT_A64_LIB_SRCS:%.c=$(UNIT_A64)/obj/%.o)
	@rm -f $@
	aarch64-linux-gnu-ar rcs $@ $^

$(UNIT_A64)/%: $(UNIT_A64)/obj/tests/unit/%.o $(UNIT_A64)/obj/tests/criterion/runner.o \
		$(UNIT_A64)/libringzero.a
	$(AARCH64_CC) -static -o $@ $(filter %.o,$^) $(filter %.a,$^)

$(UNIT_A64)/test_devtree: $(UNIT_A64_FDT_SRCS:%.c=$(UNIT_A64)/obj/%.o) $(ARM64_FDT)
$(patsubst %.c,$(UNIT_A64)/obj/%.o,$(UNIT_A64_FDT_SRCS) tests/unit/test_devtree.c): | $(ARM64_FDT)

.PHONY: unit-aarch64-tests unit-aarch64-list
unit-aarch64-list:
	@printf '%s\n' $(UNIT_A64_SRCS)
unit-aarch64-tests: $(UNIT_A64_SRCS:tests/unit/%.c=$(UNIT_A64)/%)
-include $(shell find $(UNIT_A64) -name '*.d' 2>/dev/null)
