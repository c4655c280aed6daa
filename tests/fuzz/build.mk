# Fuzz targets: libFuzzer with ASan and UBSan, one program per tests/fuzz/fuzz_*.c that has an entry
# point. They link with the same portable sources as the unit tests, compiled by clang.

FUZZ_CC := clang
FUZZ_SAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FUZZ_CFLAGS := -std=gnu11 -O1 -g1 -I. -Iarch/x86_64/include -MMD -MP -fno-common \
	-fno-strict-aliasing -Wall -Wextra $(FUZZ_SAN)
FUZZ_TARGETS ?= vnet vhost_user vhost_port stack options console acpi boot pci
FUZZ_LIB_SRCS := $(filter-out kernel/main.c kernel/string.c kernel/memory.c,$(KERNEL_SRCS)) \
	$(PORTABLE_SRCS) $(VEC_X86_SRCS) $(PCI_SRCS) $(filter-out %_bus.c,$(USER_SRCS)) $(UNIT_ARCH_SRCS) \
	$(wildcard tests/model/*.c arch/hosted/unix_*.c tools/vswitch/vhost_[!s]*.c) \
	tests/unit/plat_test.c tests/unit/fake_pci.c tests/unit/fake_backend.c tests/fuzz/fuzz.c tests/fuzz/fuzz_vnet_dev.c

$(BUILD)/fuzz/obj/%.o: %.c Makefile tests/fuzz/build.mk
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link $(FUZZ_LESS) -c -o $@ $<

# these checks of each access take clang minutes in vector code; ASan looks at the same ones
$(BUILD)/fuzz/obj/drivers/virtio/vec/%.o: private FUZZ_LESS := -fno-sanitize=null,alignment,object-size

$(eval $(call vec_target_flags,$(BUILD)/fuzz/obj,FUZZ_CFLAGS))

$(BUILD)/fuzz/libringzero.a: $(FUZZ_LIB_SRCS:%.c=$(BUILD)/fuzz/obj/%.o)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/fuzz/fuzz_%: $(BUILD)/fuzz/obj/tests/fuzz/fuzz_%.o $(BUILD)/fuzz/libringzero.a
	$(FUZZ_CC) $(FUZZ_SAN) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(filter %.a,$^)

$(BUILD)/fuzz/fuzz_console: $(patsubst %,$(BUILD)/fuzz/obj/apps/%.o,words port_commands rss_commands coal_commands \
	xstats_commands)
$(BUILD)/fuzz/fuzz_vnet $(BUILD)/fuzz/fuzz_vhost_user: $(BUILD)/fuzz/obj/tests/fuzz/one_port.o

.PHONY: fuzz fuzz-programs
fuzz-programs: $(FUZZ_TARGETS:%=$(BUILD)/fuzz/fuzz_%)

fuzz: ready fuzz-programs ## fuzz each target for FUZZ_SECONDS (60); FUZZ_TARGETS= chooses
	@BUILD=$(BUILD) tests/fuzz/run.sh $(FUZZ_TARGETS)

-include $(shell find $(BUILD)/fuzz -name '*.d' 2>/dev/null)

.PHONY: mutate
mutate: ready ## break the ring code in small ways, count what the tests notice; MUTATE_ARGS=
	@$(PYTHON) tools/mutate.py $(MUTATE_ARGS)
