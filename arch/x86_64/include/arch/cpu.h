/* What a loop needs from the processor: a cycle counter, a pause, a prefetch. */
#ifndef ARCH_CPU_H
#define ARCH_CPU_H

#include <stdint.h>

/** cpu_cycles() - free-running counter of plat_cycles_hz(); for measuring, never for deadlines */
static inline uint64_t cpu_cycles(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

static inline void cpu_pause(void)
{
	__asm__ volatile("pause");
}

static inline void cpu_prefetch(const void *p)
{
	__builtin_prefetch(p, 0, 3);
}

#endif
