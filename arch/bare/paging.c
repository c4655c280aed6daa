/*
 * Four-level page tables of 512 entries that map virtual addresses to the same physical ones, in
 * pages of 1 GiB, 2 MiB or 4 KiB, whichever is the largest that fits. Nothing is ever unmapped
 * or split: a range that is asked for again with the same rights is left alone, and one asked for
 * with other rights is refused. That is what keeps a device with a made-up BAR away from memory.
 *
 * A changed entry was not present before, and processors cache no such entries, so no TLB needs to
 * be flushed. How an entry looks is the architecture's, <arch/pte.h>.
 */
#include "arch/bare/paging.h"
#include "arch/bare/image_layout.h"
#include "arch/bare/stack.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/plat.h"
#include "kernel/string.h"
#include <arch/pte.h>

/* Enough for the image and the first ranges of memory; then tables come from the allocator. */
#define POOL_TABLES 16

static struct page_table pool[POOL_TABLES];
static unsigned pool_used;
static struct page_table *root;
static struct paging_limits limits;

struct page_table *paging_table_new(void)
{
	if (pool_used < POOL_TABLES)
		return &pool[pool_used++];
	return mem_alloc("page table", sizeof(struct page_table), PAGE_SIZE);
}

static struct page_table *table_at(uint64_t entry)
{
	return (struct page_table *)(uintptr_t)(entry & PTE_ADDR);
}

static uint64_t level_bytes(unsigned level)
{
	return (uint64_t)PAGE_SIZE << (9 * level);
}

static uint64_t *entry_of(struct page_table *t, uint64_t va, unsigned level)
{
	return &t->entry[(va / level_bytes(level)) % TABLE_ENTRIES];
}

/* Down to the entry that maps @va, or to the first that is empty. */
static uint64_t *walk(uint64_t va, unsigned *level)
{
	struct page_table *t = root;

	for (*level = LEVEL_ROOT;; (*level)--) {
		uint64_t *e = entry_of(t, va, *level);

		if (!pte_is_table(*e, *level))
			return e;
		t = table_at(*e);
	}
}

static bool page_fits(uint64_t va, uint64_t left, unsigned level)
{
	if (level == LEVEL_4K)
		return true;
	return level <= limits.biggest_level && va % level_bytes(level) == 0 &&
	       left >= level_bytes(level);
}

/*
 * Map one page at @va, the largest that fits in @left bytes, to memory @moved bytes above.
 *
 * @shared: a page that is mapped with other rights is fine.
 * Return: bytes that are mapped now, or a negative error.
 */
static int64_t map_page(uint64_t va, uint64_t left, uint64_t rights, bool shared, uint64_t moved)
{
	unsigned level;
	uint64_t *e = walk(va, &level);

	if (*e & PTE_PRESENT) {
		if (!shared && (*e & PTE_RIGHTS) != rights)
			return -EBUSY;
		return (int64_t)(level_bytes(level) - va % level_bytes(level));
	}
	while (!page_fits(va, left, level)) {
		struct page_table *t = paging_table_new();

		if (!t)
			return -ENOMEM;
		*e = pte_table((uint64_t)(uintptr_t)t);
		e = entry_of(t, va, --level);
	}
	*e = pte_page(va + moved, rights, level);
	return (int64_t)level_bytes(level);
}

/* [@va, @va + @len) is rounded out to pages. */
static int map_range(uint64_t va, uint64_t len, uint64_t rights, bool shared, uint64_t moved)
{
	if (va + moved >= limits.end || len > limits.end - (va + moved))
		return -EINVAL;

	const uint64_t end = align_up(va + len, PAGE_SIZE);

	rights &= limits.rights_mask;
	va = align_down(va, PAGE_SIZE);
	while (va < end) {
		const int64_t done = map_page(va, end - va, rights, shared, moved);

		if (done < 0)
			return (int)done;
		va += (uint64_t)done;
	}
	pte_sync();
	return 0;
}

static bool touches_guard(uint64_t va, uint64_t len)
{
	for (unsigned i = 0; i < nb_stacks; i++) {
		const uint64_t guard = (uint64_t)(uintptr_t)stacks[i].guard;

		if (va < guard + PAGE_SIZE && va + len > guard)
			return true;
	}
	return va < PAGE_SIZE;
}

/* ---- the image ---------------------------------------------------------------------------- */

static int map_image_part(const uint8_t *start, const uint8_t *end, uint64_t rights)
{
	return map_range((uint64_t)(uintptr_t)start, (uint64_t)(end - start), rights, false, 0);
}

/* In pieces, because the guard pages lie in it. */
static int map_image_data(void)
{
	const uint8_t *from = data_start;

	for (unsigned i = 0; i < nb_stacks; i++) {
		const int err = map_image_part(from, stacks[i].guard, RIGHTS_RAM);

		if (err)
			return err;
		from = stacks[i].base;
	}
	return map_image_part(from, image_end, RIGHTS_RAM);
}

struct page_table *paging_build(const struct paging_limits *l)
{
	limits = *l;
	root = paging_table_new();
	if (map_image_part(image_start, text_end, RIGHTS_TEXT) ||
	    map_image_part(rodata_start, rodata_end, RIGHTS_RO) || map_image_data())
		return NULL;
	return root;
}

/* ---- everything else ---------------------------------------------------------------------- */

int paging_map_ram(uint64_t phys, uint64_t len)
{
	return map_range(phys, len, RIGHTS_RAM, false, 0);
}

int paging_map_at(uint64_t va, uint64_t phys, uint64_t len)
{
	return map_range(va, len, RIGHTS_RAM, false, phys - va);
}

const void *paging_map_ro(uint64_t phys, size_t len)
{
	if (phys >= limits.end || len > limits.end - phys || touches_guard(phys, len))
		return NULL;
	if (map_range(phys, len, RIGHTS_RO, true, 0))
		return NULL;
	return (const void *)(uintptr_t)phys;
}

volatile void *plat_mmio_map(uint64_t phys, size_t len)
{
	int err = -EINVAL;

	if (phys < limits.end && len <= limits.end - phys && !touches_guard(phys, len))
		err = map_range(phys, len, RIGHTS_MMIO, false, 0);
	if (!err)
		return (volatile void *)(uintptr_t)phys;

	log_err("paging", "device registers at 0x%llx, %zu bytes, not mapped: %s",
	        (unsigned long long)phys, len,
	        err == -EBUSY    ? "memory lies there"
	        : err == -ENOMEM ? "no memory for page tables, give the machine more"
	                         : "no usable address");
	return NULL;
}

uint64_t plat_iova(const void *va)
{
	return (uint64_t)(uintptr_t)va;
}
