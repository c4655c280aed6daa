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

$(TOOLS)/stub.elf: tools/stub/stub.asm
	@mkdir -p $(@D)
	nasm -f elf32 -o $(@:.elf=.o) $<
	ld -m elf_i386 -n -Ttext=0x100000 --section-start=.note.pvh=0x100100 -e start -o $@ $(@:.elf=.o)

# Cycles and instructions of the driver's functions alone.
$(TOOLS)/vec_paths: bench/vec_paths.c $(BUILD)/unit/libringzero.a
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) -o $@ $^

.PHONY: bench-tools bench bench-paths
bench-paths: $(TOOLS)/vec_paths ## cycles, then instructions, per packet of each path and ISA
	$< cycles
	$< instructions

bench-tools: $(TOOLS)/loadgen $(TOOLS)/tcgcount.so $(TOOLS)/stub.elf

bench: ready ## measure: a table, and plots under build/bench/
	@$(MAKE) --no-print-directory -s -j$$(nproc) $(X86)/ringzero.elf bench-tools
	$(PYTHON) tools/bench.py --build $(BUILD) $(BENCH_ARGS)
