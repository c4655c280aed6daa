/*
 * What BOOTX64.EFI and BOOTAA64.EFI hand to the kernel after ExitBootServices(), with interrupts
 * off. x86_64: its efi_entry is entered in long mode with page tables of the loader that map the
 * first 4 GiB one to one (jump.asm), and the address of this structure in rdi; all of it, and what
 * it points to but for the ACPI root pointer, lies below 4 GiB. aarch64: the image's first byte is
 * entered with the MMU off and the address in x0. The structure and its parts are EfiLoaderData,
 * which the kernel does not use as free memory. Shared with a program that is built apart from the
 * kernel, hence fixed widths and no pointers.
 */
#ifndef ARCH_BARE_EFI_HANDOFF_H
#define ARCH_BARE_EFI_HANDOFF_H

#include <stddef.h>
#include <stdint.h>

#define EFI_HANDOFF_MAGIC 0x3149464555475a52ull /* "RZGUEFI1" in memory */

struct efi_handoff {
	uint64_t magic;
	uint64_t rsdp;      /* physical address of the ACPI root pointer, 0: none */
	uint64_t cmdline;   /* ASCII, ended by a 0 byte; 0: none */
	uint64_t map;       /* memory map as GetMemoryMap() returned it */
	uint64_t map_bytes; /* its whole length */
	uint64_t desc_size; /* of one descriptor: UEFI 2.10, 7.2.3 */
	uint64_t devtree;   /* physical address of a device tree, 0: none */
};

_Static_assert(sizeof(struct efi_handoff) == 56, "loader and kernel must agree");
_Static_assert(offsetof(struct efi_handoff, desc_size) == 40, "loader and kernel must agree");

#endif
