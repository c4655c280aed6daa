/*
 * What BOOTX64.EFI hands to the kernel's efi_entry. The loader jumps there in long mode after
 * ExitBootServices() with interrupts off, page tables of its own that map the first 4 GiB one to
 * one (jump.asm), and the address of this structure in rdi. All of it, and what it points to but
 * for the ACPI root pointer, must lie below 4 GiB in EfiLoaderData, which the kernel does not use
 * as free memory. Shared with a program that is built apart from the kernel, hence fixed widths and
 * no pointers.
 */
#ifndef ARCH_X86_64_EFI_HANDOFF_H
#define ARCH_X86_64_EFI_HANDOFF_H

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
};

_Static_assert(sizeof(struct efi_handoff) == 48, "loader and kernel must agree");
_Static_assert(offsetof(struct efi_handoff, desc_size) == 40, "loader and kernel must agree");

#endif
