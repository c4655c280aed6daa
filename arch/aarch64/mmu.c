/*
 * Page tables of the processor (Arm ARM, D8): how far addresses reach, and switching to ours. The
 * tables themselves are arch/bare/paging.c.
 */
#include "arch/bare/paging.h"
#include "arch/aarch64/regs.h"
#include "kernel/errno.h"
#include <arch/pte.h>

#define SCTLR_MMU (1ull << 0)
#define SCTLR_CACHE (1ull << 2)
#define SCTLR_STACK_ALIGNED (1ull << 3)
#define SCTLR_INSTRUCTION_CACHE (1ull << 12)
#define SCTLR_WRITABLE_NOT_EXECUTABLE (1ull << 19)
#define SCTLR_RES1 0x30d00800ull

/* of boot.S */
void mmu_switch(uint64_t root, uint64_t sctlr);

/* Physical addresses above it cannot be put into an entry. */
static uint64_t phys_end(void)
{
	static const uint8_t bits[] = {32, 36, 40, 42, 44, 48};
	const unsigned range = id_field(sysreg_read("id_aa64mmfr0_el1"), 0);
	const uint64_t end = 1ull << (range < ARRAY_SIZE(bits) ? bits[range] : 48);

	return min_u64(end, IDENTITY_END);
}

int paging_init(void)
{
	const struct paging_limits limits = {
	    .biggest_level = LEVEL_1G, .rights_mask = PTE_RIGHTS, .end = phys_end()};
	const struct page_table *root = paging_build(&limits);

	if (!root)
		return -ENOMEM;
	mmu_switch((uint64_t)(uintptr_t)root, SCTLR_RES1 | SCTLR_MMU | SCTLR_CACHE |
	                                          SCTLR_STACK_ALIGNED | SCTLR_INSTRUCTION_CACHE |
	                                          SCTLR_WRITABLE_NOT_EXECUTABLE);
	return 0;
}
