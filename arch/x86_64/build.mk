# The x86_64 kernel: build/x86_64/ringzero.elf (multiboot2 + PVH). Images of it: image.mk.

X86 := $(BUILD)/x86_64
X86_SRCS := $(KERNEL_SRCS) $(PORTABLE_SRCS) $(PCI_SRCS) $(VEC_X86_SRCS) $(APP_SRCS) \
	$(wildcard arch/bare/*.c arch/x86_64/*.c)
X86_ASMS := $(wildcard arch/x86_64/*.asm)
X86_OBJS := $(X86_SRCS:%.c=$(X86)/obj/%.o) $(X86_ASMS:%.asm=$(X86)/obj/%.asm.o)
X86_CFLAGS := $(CFLAGS_COMMON) -Iarch/x86_64/include -ffreestanding -fno-pic -fno-pie -mno-red-zone \
	-mgeneral-regs-only -mcmodel=small -fno-omit-frame-pointer -fno-asynchronous-unwind-tables \
	-fstack-protector-strong -mstack-protector-guard=global -fno-tree-loop-distribute-patterns \
	-ffunction-sections -fdata-sections -falign-functions=8 -falign-loops=8
X86_LDFLAGS := -m elf_x86_64 -nostdlib -static -T linker.ld --gc-sections --build-id=none \
	--fatal-warnings -z noexecstack -z max-page-size=4096

# Only what packets pass is optimised for speed. Most of the rest runs once, and an emulator pays more
# to translate an instruction than to execute it: less code is a quicker boot.
$(patsubst %.c,$(X86)/obj/%.o,$(filter-out $(HOT_SRCS) arch/x86_64/clock.c,$(X86_SRCS))): \
	private X86_CFLAGS += -Os

$(X86)/obj/%.o: %.c Makefile arch/x86_64/build.mk
	@mkdir -p $(@D)
	$(CC) $(X86_CFLAGS) -c -o $@ $<

$(eval $(call vec_target_flags,$(X86)/obj,X86_CFLAGS))

$(X86)/obj/%.asm.o: %.asm Makefile arch/x86_64/build.mk
	@mkdir -p $(@D)
	nasm -f elf64 -g -F dwarf -o $@ $<

# Linked twice: the table of function names is made from the first link and must not move anything.

$(X86)/symbols_none.c: tools/symbols.py
	@mkdir -p $(@D)
	tools/symbols.py --empty > $@

$(X86)/symbols_table.c: $(X86)/unnamed.elf tools/symbols.py
	nm $< | tools/symbols.py > $@

$(X86)/symbols_%.o: $(X86)/symbols_%.c kernel/symbols.h
	$(CC) $(X86_CFLAGS) -c -o $@ $<

$(X86)/unnamed.elf: $(X86_OBJS) $(X86)/symbols_none.o linker.ld
	$(LD) $(X86_LDFLAGS) -o $@ $(filter %.o,$^)

$(X86)/ringzero.elf: $(X86_OBJS) $(X86)/symbols_table.o linker.ld
	$(LD) $(X86_LDFLAGS) -o $@ $(filter %.o,$^)
	nm $@ | tools/symbols.py | cmp - $(X86)/symbols_table.c

-include $(shell find $(X86)/obj -name '*.d' 2>/dev/null)
