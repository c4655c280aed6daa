/*
 * The formats in which a PC's loaders describe the machine: PVH's hvm_start_info (Xen
 * public/arch-x86/hvm/start_info.h) and multiboot2's tags (Multiboot2 specification 3.6); UEFI's is
 * arch/bare/boot_efi.c.
 */
#include "arch/x86_64/boot_loaders.h"
#include "kernel/errno.h"
#include "kernel/string.h"

/* Entries of PVH and multiboot2 maps mean the same types as the BIOS's E820. */
#define MEMORY_USABLE 1

/* ---- PVH ---------------------------------------------------------------------------------- */

#define PVH_MAGIC 0x336ec578

struct pvh_start_info {
	uint32_t magic, version, flags, nb_modules;
	uint64_t modules, cmdline, rsdp;
	/* from version 1 on */
	uint64_t memmap;
	uint32_t memmap_entries, reserved;
};
static_assert(sizeof(struct pvh_start_info) == 56, "hvm_start_info, version 1");

struct pvh_memmap_entry {
	uint64_t addr, size;
	uint32_t type, reserved;
};
static_assert(sizeof(struct pvh_memmap_entry) == 24, "hvm_memmap_table_entry");

static struct boot_map_entry pvh_entry_read(const uint8_t *map, uint64_t pos)
{
	struct pvh_memmap_entry e;

	memcpy(&e, map + pos, sizeof(e));
	return (struct boot_map_entry){e.addr, e.size, e.type == MEMORY_USABLE};
}

int boot_parse_pvh(struct boot_info *bi, uint64_t arg, boot_phys_fn phys)
{
	struct pvh_start_info si;
	const void *p = phys(arg, sizeof(si));

	if (!p)
		return -EINVAL;
	memcpy(&si, p, sizeof(si));
	if (si.magic != PVH_MAGIC || si.version < 1)
		return -EINVAL;
	bi->loader = "pvh";
	bi->rsdp_phys = si.rsdp;
	boot_info_cmdline_phys(bi, si.cmdline, phys);

	const uint64_t bytes =
	    min_u64(si.memmap_entries, BOOT_ENTRIES_MAX) * sizeof(struct pvh_memmap_entry);
	const uint8_t *map = phys(si.memmap, bytes);

	if (!map)
		return -EINVAL;
	boot_info_map(bi, map, bytes, sizeof(struct pvh_memmap_entry), pvh_entry_read);
	return 0;
}

/* ---- multiboot2 --------------------------------------------------------------------------- */

#define MB2_BYTES_MAX (1u << 20)
#define MB2_TAGS_MAX 256
#define MB2_TAG_ALIGN 8

#define MB2_TAG_END 0
#define MB2_TAG_CMDLINE 1
#define MB2_TAG_MMAP 6
#define MB2_TAG_ACPI_OLD 14
#define MB2_TAG_ACPI_NEW 15

struct mb2_tag {
	uint32_t type, size; /* size with this header, without padding */
};

struct mb2_mmap_header { /* behind the tag's header */
	uint32_t entry_size, entry_version;
};

struct mb2_mmap_entry {
	uint64_t addr, len;
	uint32_t type, reserved;
};
static_assert(sizeof(struct mb2_mmap_entry) == 24, "Multiboot2 3.6.8");

static struct boot_map_entry mb2_entry_read(const uint8_t *map, uint64_t pos)
{
	struct mb2_mmap_entry e;

	memcpy(&e, map + pos, sizeof(e));
	return (struct boot_map_entry){e.addr, e.len, e.type == MEMORY_USABLE};
}

static void mb2_mmap(struct boot_info *bi, const uint8_t *body, uint32_t len)
{
	struct mb2_mmap_header h;

	if (len < sizeof(h))
		return;
	memcpy(&h, body, sizeof(h));
	if (h.entry_size < sizeof(struct mb2_mmap_entry))
		return;
	boot_info_map(bi, body + sizeof(h), len - sizeof(h), h.entry_size, mb2_entry_read);
}

static void mb2_rsdp(struct boot_info *bi, const uint8_t *body, uint32_t len)
{
	const unsigned n = (unsigned)min_u64(len, sizeof(bi->rsdp));

	if (n <= bi->rsdp_len)
		return; /* the new one is longer and wins, whichever comes first */
	memcpy(bi->rsdp, body, n);
	bi->rsdp_len = n;
}

static void mb2_tag(struct boot_info *bi, uint32_t type, const uint8_t *body, uint32_t len)
{
	switch (type) {
	case MB2_TAG_CMDLINE:
		boot_info_cmdline(bi, (const char *)body, len);
		break;
	case MB2_TAG_MMAP:
		mb2_mmap(bi, body, len);
		break;
	case MB2_TAG_ACPI_OLD:
	case MB2_TAG_ACPI_NEW:
		mb2_rsdp(bi, body, len);
		break;
	default:
		break;
	}
}

int boot_parse_multiboot2(struct boot_info *bi, uint64_t arg, boot_phys_fn phys)
{
	const uint32_t head = 2 * sizeof(uint32_t); /* total size, reserved */
	const uint8_t *info = phys(arg, head);
	uint32_t total;

	if (!info)
		return -EINVAL;
	memcpy(&total, info, sizeof(total));
	if (total < head || total > MB2_BYTES_MAX)
		return -EINVAL;
	info = phys(arg, total);
	if (!info)
		return -EINVAL;
	bi->loader = "multiboot2";

	uint32_t pos = head;

	for (unsigned i = 0; i < MB2_TAGS_MAX; i++) {
		struct mb2_tag tag;

		if (total - pos < sizeof(tag))
			break;
		memcpy(&tag, info + pos, sizeof(tag));
		if (tag.type == MB2_TAG_END || tag.size < sizeof(tag) || tag.size > total - pos)
			break;
		mb2_tag(bi, tag.type, info + pos + sizeof(tag), tag.size - (uint32_t)sizeof(tag));
		pos += (uint32_t)min_u64(align_up(tag.size, MB2_TAG_ALIGN), total - pos);
	}
	return 0;
}

/* ---- the ACPI root pointer ---------------------------------------------------------------- */

#define EBDA_SEGMENT 0x40e
#define EBDA_SEARCH 1024
#define BIOS_ROM 0xe0000
#define BIOS_ROM_BYTES 0x20000
#define RSDP_ALIGN 16
#define RSDP_V1_BYTES 20

static uint64_t rsdp_search(uint64_t base, uint64_t bytes, boot_phys_fn phys)
{
	const uint8_t *area = phys(base, bytes);

	if (!area)
		return 0;
	for (uint64_t pos = 0; pos + RSDP_V1_BYTES <= bytes; pos += RSDP_ALIGN) {
		uint8_t sum = 0;

		if (memcmp(area + pos, "RSD PTR ", 8) != 0)
			continue;
		for (unsigned i = 0; i < RSDP_V1_BYTES; i++)
			sum = (uint8_t)(sum + area[pos + i]);
		if (!sum)
			return base + pos;
	}
	return 0;
}

uint64_t boot_find_rsdp(boot_phys_fn phys)
{
	const uint8_t *p = phys(EBDA_SEGMENT, 2);
	uint64_t found = 0;

	if (p) {
		const uint64_t ebda = (uint64_t)(p[0] | p[1] << 8) << 4;

		if (ebda)
			found = rsdp_search(ebda, EBDA_SEARCH, phys);
	}
	return found ? found : rsdp_search(BIOS_ROM, BIOS_ROM_BYTES, phys);
}

/* ---- all of them ------------------------------------------------------------------------- */

int boot_info_parse(struct boot_info *bi, enum boot_kind kind, uint64_t arg, boot_phys_fn phys)
{
	int err = -EINVAL;

	memset(bi, 0, sizeof(*bi));
	if (kind == BOOT_PVH)
		err = boot_parse_pvh(bi, arg, phys);
	else if (kind == BOOT_MULTIBOOT2)
		err = boot_parse_multiboot2(bi, arg, phys);
	else if (kind == BOOT_EFI)
		err = boot_parse_efi(bi, arg, phys);
	if (err)
		memset(bi, 0, sizeof(*bi));
	return err;
}
