# BOOTAA64.EFI: a GNU-EFI application with the kernel inside.

A64_EFI := $(A64)/efi
A64_EFI_OBJS := $(patsubst %.c,$(A64_EFI)/%.o,$(wildcard arch/bare/efi/*.c arch/aarch64/efi/*.c)) \
	$(A64_EFI)/arch/aarch64/efi/kernel.o
A64_EFI_CFLAGS := $(CFLAGS_COMMON) -isystem $(ARM64_ROOT)/usr/include/efi \
	-isystem $(ARM64_ROOT)/usr/include/efi/aarch64 -fpic -ffreestanding -fshort-wchar \
	-fno-stack-protector -mgeneral-regs-only -mstrict-align
A64_EFI_SECTIONS := $(EFI_SECTIONS)

$(A64_EFI)/%.o: %.c Makefile arch/aarch64/image.mk | $(ARM64_FDT)
	@mkdir -p $(@D)
	$(A64_CC) $(A64_EFI_CFLAGS) -c -o $@ $<

$(A64_EFI)/arch/aarch64/efi/kernel.o: arch/aarch64/efi/kernel.S $(A64)/ringzero.img
	@mkdir -p $(@D)
	$(A64_CC) -DKERNEL_FILE='"$(A64)/ringzero.img"' -c -o $@ $<

# Without the subsystem firmware takes it for something else and skips it.
$(A64_EFI)/loader.so: $(A64_EFI_OBJS)
	$(A64_LD) --defsym=EFI_SUBSYSTEM=0xa --no-warn-rwx-segments -shared -Bsymbolic -nostdlib -znocombreloc \
		-T $(ARM64_ROOT)/usr/lib/elf_aarch64_efi.lds -o $@ \
		$(ARM64_ROOT)/usr/lib/crt0-efi-aarch64.o $^ -L$(ARM64_ROOT)/usr/lib -lefi -lgnuefi

# This linker script has the PE header in the file already.
$(A64)/BOOTAA64.EFI: $(A64_EFI)/loader.so
	$(A64_PREFIX)objcopy $(addprefix -j ,$(A64_EFI_SECTIONS)) -O binary $< $@

-include $(wildcard $(A64_EFI)/arch/*/efi/*.d)
