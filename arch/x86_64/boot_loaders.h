/*
 * The loaders of a PC, and the formats in which they pass struct boot_info.
 *
 *	boot_info_parse(&bi, kind, arg, phys);
 */
#ifndef ARCH_X86_64_BOOT_LOADERS_H
#define ARCH_X86_64_BOOT_LOADERS_H

#include "arch/bare/boot_info.h"

enum boot_kind { BOOT_PVH = 1, BOOT_MULTIBOOT2 = 2, BOOT_EFI = 3 }; /* boot.asm */

/**
 * boot_info_parse() - read what the loader of @kind passed at physical address @arg
 *
 * Return: 0, or -EINVAL when it is not what that loader passes; @bi is then empty but valid.
 */
int boot_info_parse(struct boot_info *bi, enum boot_kind kind, uint64_t arg, boot_phys_fn phys);

/**
 * boot_find_rsdp() - search the places of ACPI 6.5, 5.2.5.1: the first KiB of the EBDA, then
 * 0xe0000 to 0xfffff
 *
 * Return: its physical address, 0 when there is none with a good checksum.
 */
uint64_t boot_find_rsdp(boot_phys_fn phys);

/* One for each loader; see boot_info_parse(), which clears @bi before. */
int boot_parse_pvh(struct boot_info *bi, uint64_t arg, boot_phys_fn phys);
int boot_parse_multiboot2(struct boot_info *bi, uint64_t arg, boot_phys_fn phys);

#endif
