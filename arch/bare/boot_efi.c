/* What BOOTX64.EFI and BOOTAA64.EFI pass: struct efi_handoff, and UEFI's memory map
 * (UEFI 2.10, 7.2.3). */
#include "arch/bare/boot_info.h"
#include "arch/bare/efi_handoff.h"
#include "kernel/errno.h"
#include "kernel/string.h"

#define EFI_BOOT_SERVICES_CODE 3
#define EFI_BOOT_SERVICES_DATA 4
#define EFI_CONVENTIONAL 7
#define EFI_PAGE_SHIFT 12
#define EFI_PAGES_MAX (1ull << (64 - EFI_PAGE_SHIFT))
#define EFI_DESC_SIZE_MAX 4096

struct efi_descriptor {
	uint32_t type, pad;
	uint64_t phys, virt, nb_pages, attribute;
};
static_assert(sizeof(struct efi_descriptor) == 40, "UEFI 2.10, EFI_MEMORY_DESCRIPTOR");

static struct boot_map_entry efi_entry_read(const uint8_t *map, uint64_t pos)
{
	struct efi_descriptor d;

	memcpy(&d, map + pos, sizeof(d));
	return (struct boot_map_entry){
	    d.phys, min_u64(d.nb_pages, EFI_PAGES_MAX - 1) << EFI_PAGE_SHIFT,
	    d.type == EFI_CONVENTIONAL || d.type == EFI_BOOT_SERVICES_CODE ||
		d.type == EFI_BOOT_SERVICES_DATA};
}

int boot_parse_efi(struct boot_info *bi, uint64_t arg, boot_phys_fn phys)
{
	struct efi_handoff h;
	const void *p = phys(arg, sizeof(h));

	if (!p)
		return -EINVAL;
	memcpy(&h, p, sizeof(h));
	if (h.magic != EFI_HANDOFF_MAGIC || h.desc_size < sizeof(struct efi_descriptor) ||
	    h.desc_size > EFI_DESC_SIZE_MAX)
		return -EINVAL;
	bi->loader = "uefi";
	bi->rsdp_phys = h.rsdp;
	boot_info_cmdline_phys(bi, h.cmdline, phys);

	const uint64_t bytes = min_u64(h.map_bytes, BOOT_ENTRIES_MAX * h.desc_size);
	const uint8_t *map = phys(h.map, bytes);

	if (!map)
		return -EINVAL;
	boot_info_map(bi, map, bytes, h.desc_size, efi_entry_read);
	return 0;
}
