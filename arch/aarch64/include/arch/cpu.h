/* What a loop needs from the processor: a cycle counter, a pause, a prefetch. */
#ifndef ARCH_CPU_H
#define ARCH_CPU_H

#include <stdint.h>

/** cpu_cycles() - free-running counter of plat_cycles_hz(); for measuring, never for deadlines */
static inline uint64_t cpu_cycles(void)
{
	uint64_t v;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(v));
	return v;
}

static inline void cpu_pause(void)
{
	__asm__ volatile("yield");
}

static inline void cpu_prefetch(const void *p)
{
	__builtin_prefetch(p, 0, 3);
}

static inline void cpu_prefetch_write(const void *p)
{
	__builtin_prefetch(p, 1, 3);
}

#endif
