# The benchmark tools, for the machine that builds: the load generator (the guest tests use it too),
# the instruction-counting QEMU plugin, and the kernel that does nothing.

TOOLS := $(BUILD)/tools
HOST_CFLAGS := -std=gnu11 -O2 -g $(WARN) -I.

$(TOOLS)/loadgen: tools/loadgen.c tools/loadgen_net.c tools/loadgen.h
	@mkdir -p $(@D)
	$(CC) $(HOST_CFLAGS) -o $@ $(filter %.c,$^)

$(TOOLS)/tcgcount.so: tools/tcgcount.c
	@mkdir -p $(@D)
	$(CC) $(HOST_CFLAGS) -shared -fPIC -fvisibility=hidden -o $@ $<

$(TOOLS)/stub-x86_64.elf: tools/stub/stub.asm
	@mkdir -p $(@D)
	nasm -f elf32 -o $(@:.elf=.o) $<
	ld -m elf_i386 -n -Ttext=0x100000 --section-start=.note.pvh=0x100100 -e start -o $@ $(@:.elf=.o)

$(TOOLS)/stub-aarch64.elf: tools/stub/stub.S
	@mkdir -p $(@D)
	$(A64_CC) -nostdlib -static -Wl,-Ttext=0x40200000,-e,start,--build-id=none -o $@ $<

# Cycles and instructions of the driver's functions alone: their files compiled as for the kernel,
# and once more without the checks of what the device says, to see what those cost.
PATHS_SRCS := drivers/virtio/vnet_paths.c $(VEC_X86_SRCS)
PATHS_CFLAGS := $(UNIT_CFLAGS) -mgeneral-regs-only

define paths_variant # name, value of VIRTQUEUE_CHECKS
$(BUILD)/$(1)/obj/%.o: %.c Makefile bench/build.mk
	@mkdir -p $$(@D)
	$$(CC) $$(PATHS_CFLAGS) -DVIRTQUEUE_CHECKS=$(2) -c -o $$@ $$<

$(call vec_target_flags,$(BUILD)/$(1)/obj,PATHS_CFLAGS)

$(TOOLS)/$(1): bench/vec_paths.c $(PATHS_SRCS:%.c=$(BUILD)/$(1)/obj/%.o) $(BUILD)/unit/libringzero.a
	@mkdir -p $$(@D)
	$$(CC) $$(UNIT_CFLAGS) -o $$@ $$^
-include $$(shell find $(BUILD)/$(1) -name '*.d' 2>/dev/null)
endef

$(eval $(call paths_variant,vec_paths,true))
$(eval $(call paths_variant,vec_paths_unchecked,false))

.PHONY: bench-tools bench bench-paths bench-dpdk
bench-paths: ready $(TOOLS)/vec_paths $(TOOLS)/vec_paths_unchecked ## cycles and instructions per packet of each path
	$(PYTHON) bench/paths.py $(TOOLS)

bench-dpdk: ready hosted ## the hosted build beside DPDK's virtio-user; BENCH_ARGS=
	$(PYTHON) tools/bench_dpdk.py --build $(BUILD) $(BENCH_ARGS)

bench-tools: $(TOOLS)/loadgen $(TOOLS)/tcgcount.so $(TOOLS)/stub-x86_64.elf $(TOOLS)/vec_paths \
	$(TOOLS)/vec_paths_unchecked

bench: ready ## measure: a table, and plots under build/bench/; ARCH= BENCH_ARGS=
	@$(MAKE) --no-print-directory -s -j$$(nproc) bench-tools $(if $(filter aarch64,$(ARCH)),\
		$(A64)/ringzero.img $(TOOLS)/stub-aarch64.elf,$(X86)/ringzero.elf)
	$(PYTHON) tools/bench.py --build $(BUILD) --arch $(or $(ARCH),x86_64) $(BENCH_ARGS)
