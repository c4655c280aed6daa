/* The part of struct boot_info that all loaders share; the formats are in boot_loaders.c. */
#include "arch/x86_64/boot_info.h"
#include "arch/x86_64/paging.h"
#include "kernel/errno.h"
#include "kernel/string.h"

#define EBDA_SEGMENT 0x40e
#define EBDA_SEARCH 1024
#define BIOS_ROM 0xe0000
#define BIOS_ROM_BYTES 0x20000
#define RSDP_ALIGN 16
#define RSDP_V1_BYTES 20

static void range_remove(struct boot_info *bi, unsigned pos)
{
	bi->nb_ranges--;
	memmove(&bi->ranges[pos], &bi->ranges[pos + 1],
	        (bi->nb_ranges - pos) * sizeof(bi->ranges[0]));
}

/* A full table loses its smallest range. */
static void range_insert(struct boot_info *bi, struct boot_range r)
{
	if (bi->nb_ranges == BOOT_RANGES_MAX) {
		unsigned least = 0;

		for (unsigned i = 1; i < bi->nb_ranges; i++) {
			if (bi->ranges[i].end - bi->ranges[i].base <
			    bi->ranges[least].end - bi->ranges[least].base)
				least = i;
		}

		const uint64_t bytes = bi->ranges[least].end - bi->ranges[least].base;

		if (r.end - r.base <= bytes) {
			bi->dropped_bytes += r.end - r.base;
			return;
		}
		bi->dropped_bytes += bytes;
		range_remove(bi, least);
	}

	unsigned pos = 0;

	while (pos < bi->nb_ranges && bi->ranges[pos].base < r.base)
		pos++;
	memmove(&bi->ranges[pos + 1], &bi->ranges[pos],
	        (bi->nb_ranges - pos) * sizeof(bi->ranges[0]));
	bi->ranges[pos] = r;
	bi->nb_ranges++;
}

/* An end that wraps around or lies beyond what can be mapped is cut. */
static struct boot_range range_clip(uint64_t base, uint64_t len)
{
	struct boot_range r = {.base = min_u64(base, IDENTITY_END)};

	r.end = r.base + min_u64(len, IDENTITY_END - r.base);
	return r;
}

void boot_info_add(struct boot_info *bi, uint64_t base, uint64_t len)
{
	struct boot_range r = range_clip(base, len);

	if (r.base == r.end)
		return;
	for (unsigned i = bi->nb_ranges; i-- > 0;) {
		const struct boot_range *old = &bi->ranges[i];

		if (old->end < r.base || old->base > r.end)
			continue;
		r.base = min_u64(r.base, old->base);
		r.end = max_u64(r.end, old->end);
		range_remove(bi, i);
	}
	range_insert(bi, r);
}

void boot_info_exclude(struct boot_info *bi, uint64_t base, uint64_t len)
{
	const struct boot_range cut = range_clip(base, len);

	if (cut.base == cut.end)
		return;
	for (unsigned i = bi->nb_ranges; i-- > 0;) {
		const struct boot_range old = bi->ranges[i];

		if (old.end <= cut.base || old.base >= cut.end)
			continue;
		range_remove(bi, i);
		if (old.base < cut.base)
			range_insert(bi, (struct boot_range){old.base, cut.base});
		if (old.end > cut.end)
			range_insert(bi, (struct boot_range){cut.end, old.end});
	}
}

void boot_info_align(struct boot_info *bi)
{
	for (unsigned i = bi->nb_ranges; i-- > 0;) {
		struct boot_range *r = &bi->ranges[i];

		r->base = align_up(r->base, PAGE_SIZE);
		r->end = align_down(r->end, PAGE_SIZE);
		if (r->base >= r->end)
			range_remove(bi, i);
	}
}

size_t boot_cut_word(char *text, size_t len)
{
	while (len && text[len - 1] != ' ' && text[len - 1] != '\t')
		len--;
	text[len] = '\0';
	return len;
}

/* Only the first line counts; GRUB can be made to pass more. */
void boot_info_cmdline(struct boot_info *bi, const char *text, uint64_t max)
{
	uint64_t len = 0;

	while (len < max && text[len] && text[len] != '\n' && text[len] != '\r')
		len++;
	bi->cmdline_cut = len >= sizeof(bi->cmdline);

	const size_t n = (size_t)min_u64(len, sizeof(bi->cmdline) - 1);

	memcpy(bi->cmdline, text, n);
	bi->cmdline[n] = '\0';
	if (bi->cmdline_cut)
		boot_cut_word(bi->cmdline, n);
}

void boot_info_cmdline_phys(struct boot_info *bi, uint64_t addr, boot_phys_fn phys)
{
	uint64_t len = 0;

	if (!addr)
		return;
	/* The text may stand at the end of what is readable: look at single bytes. */
	while (len < sizeof(bi->cmdline)) {
		const char *c = phys(addr + len, 1);

		if (!c)
			break;
		len++;
		if (!*c)
			break;
	}
	if (len)
		boot_info_cmdline(bi, phys(addr, len), len);
}

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
