# The x86_64 kernel: build/x86_64/ringzero.elf (multiboot2 + PVH) and BOOTX64.EFI.

X86 := $(BUILD)/x86_64
X86_SRCS := $(KERNEL_SRCS) $(PORTABLE_SRCS) $(APP_SRCS) $(wildcard arch/x86_64/*.c)
X86_ASMS := $(wildcard arch/x86_64/*.asm)
X86_OBJS := $(X86_SRCS:%.c=$(X86)/obj/%.o) $(X86_ASMS:%.asm=$(X86)/obj/%.asm.o)
X86_CFLAGS := $(CFLAGS_COMMON) -Iarch/x86_64/include -ffreestanding -fno-pic -fno-pie -mno-red-zone \
	-mgeneral-regs-only -mcmodel=small -fno-omit-frame-pointer -fno-asynchronous-unwind-tables \
	-fstack-protector-strong -mstack-protector-guard=global -fno-tree-loop-distribute-patterns

$(X86)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(X86_CFLAGS) -c -o $@ $<

$(X86)/obj/%.asm.o: %.asm
	@mkdir -p $(@D)
	nasm -f elf64 -g -F dwarf -o $@ $<

-include $(shell find $(X86)/obj -name '*.d' 2>/dev/null)
