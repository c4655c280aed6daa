/* Page table entries of the 4 KiB granule (Arm ARM, D8.3). */
#ifndef ARCH_PTE_H
#define ARCH_PTE_H

#include <stdbool.h>
#include <stdint.h>

#define PTE_PRESENT (1ull << 0)
#define PTE_TABLE (1ull << 1)  /* at level 0: a page */
#define PTE_DEVICE (1ull << 2) /* attribute 1 of MAIR_EL1, see boot.S; 0: memory */
#define PTE_READ_ONLY (1ull << 7)
#define PTE_INNER_SHAREABLE (3ull << 8)
#define PTE_ACCESSED (1ull << 10)
#define PTE_NO_EXEC (3ull << 53) /* neither EL1 nor EL0 */
#define PTE_NO_EXEC_EL0 (1ull << 54)
#define PTE_ADDR 0x0000fffffffff000ull
#define PTE_RIGHTS (PTE_DEVICE | PTE_READ_ONLY | PTE_NO_EXEC)

#define RIGHTS_TEXT (PTE_READ_ONLY | PTE_NO_EXEC_EL0)
#define RIGHTS_RO (PTE_READ_ONLY | PTE_NO_EXEC)
#define RIGHTS_RAM PTE_NO_EXEC
#define RIGHTS_MMIO (PTE_DEVICE | PTE_NO_EXEC)

#define STACKS_VA 0x0000800000000000ull /* above all addresses that are identity */

#define LEVEL_4K 0
#define LEVEL_1G 2
#define LEVEL_ROOT 3

static inline bool pte_is_table(uint64_t entry, unsigned level)
{
	return level > LEVEL_4K && (entry & PTE_PRESENT) && (entry & PTE_TABLE);
}

static inline uint64_t pte_table(uint64_t table)
{
	return table | PTE_TABLE | PTE_PRESENT;
}

static inline uint64_t pte_page(uint64_t phys, uint64_t rights, unsigned level)
{
	return phys | rights | PTE_INNER_SHAREABLE | PTE_ACCESSED | PTE_PRESENT |
	       (level > LEVEL_4K ? 0 : PTE_TABLE);
}

/* Stores to tables are seen by the table walker before what follows. */
static inline void pte_sync(void)
{
	__asm__ volatile("dsb ishst\n\tisb" ::: "memory");
}

#endif
