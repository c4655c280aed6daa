/* What the loaders for UEFI of all architectures do: collect what the kernel is handed, and leave.
 */
#ifndef ARCH_BARE_EFI_HANDOVER_H
#define ARCH_BARE_EFI_HANDOVER_H

#include <efi.h>
#include <efilib.h>

#include "arch/bare/efi_handoff.h"

#define PAGE 4096u
#define CMDLINE_BYTES 2048 /* as much as the kernel takes */
#define MAP_BYTES (16 * PAGE)

/* For the kernel. EfiLoaderData, see efi_handoff.h. */
struct kept {
	struct efi_handoff handoff;
	char cmdline[CMDLINE_BYTES];
	UINT8 map[MAP_BYTES] __attribute__((aligned(16)));
};

/** efi_fill_kept() - everything but the memory map. What is wrong is printed */
EFI_STATUS efi_fill_kept(struct kept *kept, EFI_HANDLE image);

/** efi_read_map() - the memory map as it is now */
EFI_STATUS efi_read_map(struct kept *kept, UINTN *key);

/** efi_leave() - end boot services, with the map as it is then. From the first try on nothing may
 * be printed (UEFI 2.10, 7.4.6), so a failure can only be returned */
EFI_STATUS efi_leave(EFI_HANDLE image, struct kept *kept);

#endif
