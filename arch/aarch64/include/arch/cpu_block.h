/* What an lcore's block of memory holds for the processor itself. */
#ifndef ARCH_CPU_BLOCK_H
#define ARCH_CPU_BLOCK_H

#include "kernel/compiler.h"

#define CPU_BLOCK_ALIGN 0x10000u /* what redistributors want of a table of pending interrupts */
#define CPU_PENDING_BYTES 2048u  /* a bit for each interrupt below 16384 */

/* Read by boot.S, first with the MMU off. */
struct cpu_arch {
	uint8_t pending[CPU_PENDING_BYTES]; /* of the ITS */
	uint64_t root, sctlr;
	uint64_t stack, exception_stack, nested_stack;
};
static_assert(offsetof(struct cpu_arch, root) == 2048, "CPU_ROOT of boot.S");
static_assert(offsetof(struct cpu_arch, stack) == 2064, "CPU_STACK of boot.S");
static_assert(offsetof(struct cpu_arch, nested_stack) == 2080, "CPU_NESTED of boot.S");

#endif
