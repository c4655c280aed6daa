/*
 * Page tables of the processor (Intel SDM 3A, 4.5): what it can do, and switching to ours. The
 * tables themselves are arch/bare/paging.c.
 */
#include "arch/bare/paging.h"
#include "arch/x86_64/regs.h"
#include "kernel/errno.h"
#include <arch/pte.h>

#define CPUID_EXTENDED 0x80000001u
#define CPUID_EXT_EDX_NX (1u << 20)
#define CPUID_EXT_EDX_1G (1u << 26)

static struct paging_limits find_features(void)
{
	const struct cpuid ext = cpuid(CPUID_EXTENDED, 0);

	struct paging_limits limits = {
	    .biggest_level = ext.edx & CPUID_EXT_EDX_1G ? LEVEL_1G : LEVEL_1G - 1,
	    .rights_mask = PTE_RIGHTS,
	    .end = IDENTITY_END,
	};

	if (ext.edx & CPUID_EXT_EDX_NX)
		msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_NXE);
	else
		limits.rights_mask &= ~PTE_NX;
	return limits;
}

/* Firmware may have left five levels on, which cannot be changed in long mode. */
static uint64_t top_table(const struct page_table *root)
{
	if (!(cr4_read() & CR4_LA57))
		return (uint64_t)(uintptr_t)root;

	struct page_table *top = paging_table_new();

	top->entry[0] = (uint64_t)(uintptr_t)root | PTE_PRESENT | PTE_WRITABLE;
	top->entry[TABLE_ENTRIES - 1] = top->entry[0]; /* the upper half has the same bits below */
	return (uint64_t)(uintptr_t)top;
}

int paging_init(void)
{
	const struct paging_limits limits = find_features();
	const struct page_table *root = paging_build(&limits);

	if (!root)
		return -ENOMEM;
	cr0_write(cr0_read() | CR0_WP);
	cr3_write(top_table(root));
	return 0;
}
