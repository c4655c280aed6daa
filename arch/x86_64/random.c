/*
 * Unpredictable bytes for transaction ids, ports and the like: RDRAND where the processor has it,
 * always mixed with the time-stamp counter, so that a machine without RDRAND, or with one that
 * fails, still gives different bytes on each boot. Not meant for keys.
 */
#include "kernel/plat.h"

#include "arch/x86_64/irqflags.h"
#include "arch/x86_64/regs.h"
#include "kernel/string.h"
#include <arch/cpu.h>

#define CPUID1_ECX_RDRAND (1u << 30)
#define RDRAND_TRIES 10 /* Intel SDM vol. 1, 7.3.17.1: more failures mean a broken unit */

static uint64_t state;

static uint64_t hardware_random(void)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < RDRAND_TRIES && v == 0; i++)
		v = rdrand();
	return v;
}

/* The finalizer of splitmix64 (Steele and others, 2014): each input bit changes half the output. */
static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ull;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static uint64_t next(bool has_rdrand)
{
	const uint64_t flags = irq_save(); /* a handler may want random bytes too */
	const uint64_t hw = has_rdrand ? hardware_random() : 0;

	state = mix(state + 0x9e3779b97f4a7c15ull + cpu_cycles()) ^ hw;

	const uint64_t out = mix(state);

	irq_restore(flags);
	return out;
}

void plat_random(void *buf, size_t len)
{
	static bool probed, has_rdrand; /* CPUID costs an exit under virtualisation */
	uint8_t *p = buf;

	if (!probed) {
		has_rdrand = cpuid(1, 0).ecx & CPUID1_ECX_RDRAND;
		probed = true;
	}

	while (len > 0) {
		const uint64_t v = next(has_rdrand);
		const size_t n = len < sizeof(v) ? len : sizeof(v);

		memcpy(p, &v, n);
		p += n;
		len -= n;
	}
}
