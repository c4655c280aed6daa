# BOOTX64.EFI: a GNU-EFI application with the kernel inside.

EFI := $(X86)/efi
EFI_OBJS := $(patsubst %.c,$(EFI)/%.o,$(wildcard arch/bare/efi/*.c arch/x86_64/efi/*.c)) $(EFI)/arch/x86_64/efi/jump.o
EFI_CFLAGS := $(CFLAGS_COMMON) -isystem /usr/include/efi -isystem /usr/include/efi/x86_64 \
	-DGNU_EFI_USE_MS_ABI -fpic -ffreestanding -fshort-wchar -fno-stack-protector -mno-red-zone \
	-maccumulate-outgoing-args -mgeneral-regs-only
EFI_SECTIONS := .text .sdata .data .rodata .dynamic .dynsym '.rel*' .reloc

$(EFI)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(EFI_CFLAGS) -c -o $@ $<

$(EFI)/kernel.elf: $(X86)/ringzero.elf
	@mkdir -p $(@D)
	objcopy --strip-all $< $@

$(EFI)/arch/x86_64/efi/jump.o: arch/x86_64/efi/jump.asm $(EFI)/kernel.elf
	@mkdir -p $(@D)
	entry=$$(nm $(X86)/ringzero.elf | awk '$$3 == "efi_entry" { print "0x" $$1 }'); \
	[ -n "$$entry" ] || { echo "$(X86)/ringzero.elf has no symbol efi_entry" >&2; exit 1; }; \
	nasm -f elf64 -DKERNEL_FILE="'$(EFI)/kernel.elf'" -DKERNEL_ENTRY=$$entry -o $@ $<

$(EFI)/loader.so: $(EFI_OBJS)
	ld -shared -Bsymbolic -nostdlib -znocombreloc -T /usr/lib/elf_x86_64_efi.lds -o $@ \
		/usr/lib/crt0-efi-x86_64.o $^ -L/usr/lib -lefi -lgnuefi

$(X86)/BOOTX64.EFI: $(EFI)/loader.so
	objcopy $(addprefix -j ,$(EFI_SECTIONS)) --target efi-app-x86_64 --subsystem=10 $< $@

-include $(wildcard $(EFI)/arch/*/efi/*.d)
