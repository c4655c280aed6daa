/* Page table entries (Intel SDM 3A, 4.5). */
#ifndef ARCH_PTE_H
#define ARCH_PTE_H

#include <stdbool.h>
#include <stdint.h>

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

#define STACKS_VA 0xffff800000000000ull /* above all addresses that are identity */

#define LEVEL_4K 0
#define LEVEL_1G 2
#define LEVEL_ROOT 3

static inline bool pte_is_table(uint64_t entry, unsigned level)
{
	return level > LEVEL_4K && (entry & PTE_PRESENT) && !(entry & PTE_BIG);
}

static inline uint64_t pte_table(uint64_t table)
{
	return table | PTE_PRESENT | PTE_WRITABLE;
}

static inline uint64_t pte_page(uint64_t phys, uint64_t rights, unsigned level)
{
	return phys | rights | PTE_PRESENT | (level > LEVEL_4K ? PTE_BIG : 0);
}

/* Stores to tables are seen by the table walker as they are. */
static inline void pte_sync(void)
{
}

#endif
