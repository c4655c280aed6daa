/*
 * Four-level page tables (Intel SDM 3A, 4.5) that map virtual addresses to the same physical ones,
 * in pages of 1 GiB, 2 MiB or 4 KiB, whichever is the largest that fits. Nothing is ever unmapped
 * or split: a range that is asked for again with the same rights is left alone, and one asked for
 * with other rights is refused. That is what keeps a device with a made-up BAR away from memory.
 *
 * A changed entry was not present before, and the processor caches no such entries, so no TLB
 * needs to be flushed.
 */
#include "arch/x86_64/paging.h"
#include "arch/x86_64/image_layout.h"
#include "arch/x86_64/regs.h"
#include "arch/x86_64/stack.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/plat.h"
#include "kernel/string.h"

#define PTE_PRESENT (1ull << 0)
#define PTE_WRITABLE (1ull << 1)
#define PTE_WRITE_THROUGH (1ull << 3)
#define PTE_NOT_CACHED (1ull << 4)
#define PTE_BIG (1ull << 7)
#define PTE_NX (1ull << 63)
#define PTE_ADDR 0x000ffffffffff000ull
#define PTE_RIGHTS (PTE_WRITABLE | PTE_WRITE_THROUGH | PTE_NOT_CACHED | PTE_NX)

#define RIGHTS_TEXT 0
#define RIGHTS_RO PTE_NX
#define RIGHTS_RAM (PTE_WRITABLE | PTE_NX)
/* With the reset value of the PAT register these two bits mean "uncached". */
#define RIGHTS_MMIO (PTE_WRITABLE | PTE_NX | PTE_NOT_CACHED | PTE_WRITE_THROUGH)

#define LEVEL_4K 0
#define LEVEL_1G 2
#define LEVEL_ROOT 3
#define TABLE_ENTRIES 512

/* Enough for the image and the first ranges of memory; then tables come from the allocator. */
#define POOL_TABLES 8

#define CPUID_EXTENDED 0x80000001u
#define CPUID_EXT_EDX_NX (1u << 20)
#define CPUID_EXT_EDX_1G (1u << 26)

struct page_table {
	uint64_t entry[TABLE_ENTRIES];
} __attribute__((aligned(PAGE_SIZE)));

static struct page_table pool[POOL_TABLES];
static unsigned pool_used;
static struct page_table *root;
static unsigned biggest_level; /* LEVEL_1G when the processor has such pages */
static uint64_t rights_mask;   /* less PTE_NX when the processor does not have it */

static struct page_table *table_new(void)
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

static bool is_table(uint64_t entry, unsigned level)
{
	return level > LEVEL_4K && (entry & PTE_PRESENT) && !(entry & PTE_BIG);
}

/* Down to the entry that maps @va, or to the first that is empty. */
static uint64_t *walk(uint64_t va, unsigned *level)
{
	struct page_table *t = root;

	for (*level = LEVEL_ROOT;; (*level)--) {
		uint64_t *e = entry_of(t, va, *level);

		if (!is_table(*e, *level))
			return e;
		t = table_at(*e);
	}
}

static bool page_fits(uint64_t va, uint64_t left, unsigned level)
{
	if (level == LEVEL_4K)
		return true;
	return level <= biggest_level && va % level_bytes(level) == 0 && left >= level_bytes(level);
}

/*
 * Map one page at @va, the largest that fits in @left bytes.
 *
 * @shared: a page that is mapped with other rights is fine.
 * Return: bytes that are mapped now, or a negative error.
 */
static int64_t map_page(uint64_t va, uint64_t left, uint64_t rights, bool shared)
{
	unsigned level;
	uint64_t *e = walk(va, &level);

	if (*e & PTE_PRESENT) {
		if (!shared && (*e & PTE_RIGHTS) != rights)
			return -EBUSY;
		return (int64_t)(level_bytes(level) - va % level_bytes(level));
	}
	while (!page_fits(va, left, level)) {
		struct page_table *t = table_new();

		if (!t)
			return -ENOMEM;
		*e = (uint64_t)(uintptr_t)t | PTE_PRESENT | PTE_WRITABLE;
		e = entry_of(t, va, --level);
	}
	*e = va | rights | PTE_PRESENT | (level > LEVEL_4K ? PTE_BIG : 0);
	return (int64_t)level_bytes(level);
}

/* [@va, @va + @len) is rounded out to pages. */
static int map_range(uint64_t va, uint64_t len, uint64_t rights, bool shared)
{
	if (va >= IDENTITY_END || len > IDENTITY_END - va)
		return -EINVAL;

	const uint64_t end = align_up(va + len, PAGE_SIZE);

	rights &= rights_mask;
	va = align_down(va, PAGE_SIZE);
	while (va < end) {
		const int64_t done = map_page(va, end - va, rights, shared);

		if (done < 0)
			return (int)done;
		va += (uint64_t)done;
	}
	return 0;
}

static bool touches_guard(uint64_t va, uint64_t len)
{
	for (unsigned i = 0; i < STACKS; i++) {
		const uint64_t guard = (uint64_t)(uintptr_t)stacks[i].guard;

		if (va < guard + PAGE_SIZE && va + len > guard)
			return true;
	}
	return va < PAGE_SIZE;
}

/* ---- the image ---------------------------------------------------------------------------- */

static int map_image_part(const uint8_t *start, const uint8_t *end, uint64_t rights)
{
	return map_range((uint64_t)(uintptr_t)start, (uint64_t)(end - start), rights, false);
}

/* In pieces, because the guard pages lie in it. */
static int map_image_data(void)
{
	const uint8_t *from = data_start;

	for (unsigned i = 0; i < STACKS; i++) {
		const int err = map_image_part(from, stacks[i].guard, RIGHTS_RAM);

		if (err)
			return err;
		from = stacks[i].base;
	}
	return map_image_part(from, image_end, RIGHTS_RAM);
}

static void find_features(void)
{
	const struct cpuid ext = cpuid(CPUID_EXTENDED, 0);

	biggest_level = ext.edx & CPUID_EXT_EDX_1G ? LEVEL_1G : LEVEL_1G - 1;
	rights_mask = PTE_RIGHTS;
	if (ext.edx & CPUID_EXT_EDX_NX)
		msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_NXE);
	else
		rights_mask &= ~PTE_NX;
}

/* Firmware may have left five levels on, which cannot be changed in long mode. */
static uint64_t top_table(void)
{
	if (!(cr4_read() & CR4_LA57))
		return (uint64_t)(uintptr_t)root;

	struct page_table *top = table_new();

	top->entry[0] = (uint64_t)(uintptr_t)root | PTE_PRESENT | PTE_WRITABLE;
	return (uint64_t)(uintptr_t)top;
}

int paging_init(void)
{
	int err;

	find_features();
	root = table_new();
	err = map_image_part(image_start, text_end, RIGHTS_TEXT);
	if (!err)
		err = map_image_part(rodata_start, rodata_end, RIGHTS_RO);
	if (!err)
		err = map_image_data();
	if (err)
		return err;
	cr0_write(cr0_read() | CR0_WP);
	cr3_write(top_table());
	return 0;
}

/* ---- everything else ---------------------------------------------------------------------- */

int paging_map_ram(uint64_t phys, uint64_t len)
{
	return map_range(phys, len, RIGHTS_RAM, false);
}

const void *paging_map_ro(uint64_t phys, size_t len)
{
	if (phys >= IDENTITY_END || len > IDENTITY_END - phys || touches_guard(phys, len))
		return NULL;
	if (map_range(phys, len, RIGHTS_RO, true))
		return NULL;
	return (const void *)(uintptr_t)phys;
}

volatile void *plat_mmio_map(uint64_t phys, size_t len)
{
	int err = -EINVAL;

	if (phys < IDENTITY_END && len <= IDENTITY_END - phys && !touches_guard(phys, len))
		err = map_range(phys, len, RIGHTS_MMIO, false);
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
