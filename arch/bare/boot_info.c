/* The part of struct boot_info that all loaders share: ranges of memory, and the command line. */
#include "arch/bare/boot_info.h"
#include "arch/bare/paging.h"
#include "kernel/string.h"

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

void boot_info_map(struct boot_info *bi, const uint8_t *map, uint64_t bytes, uint64_t stride,
                   struct boot_map_entry (*read)(const uint8_t *map, uint64_t pos))
{
	const uint64_t nb = min_u64(bytes / stride, BOOT_ENTRIES_MAX);

	for (uint64_t i = 0; i < nb; i++) {
		const struct boot_map_entry e = read(map, i * stride);

		if (e.usable)
			boot_info_add(bi, e.base, e.len);
	}
	for (uint64_t i = 0; i < nb; i++) {
		const struct boot_map_entry e = read(map, i * stride);

		if (!e.usable)
			boot_info_exclude(bi, e.base, e.len);
	}
}
