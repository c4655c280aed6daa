/*
 * Unpredictable bytes for transaction ids, ports and the like: the processor's own where it has
 * them, always mixed with the cycle counter, so that a machine without, or with a unit that fails,
 * still gives different bytes on each boot. Not meant for keys.
 */
#include "arch/bare/random.h"
#include "kernel/plat.h"
#include "kernel/string.h"
#include <arch/cpu.h>
#include <arch/irqflags.h>

static uint64_t state;

/* The finalizer of splitmix64 (Steele and others, 2014): each input bit changes half the output. */
static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ull;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static uint64_t next(void)
{
	const uint64_t flags = irq_save(); /* a handler may want random bytes too */
	const uint64_t hw = random_hardware();

	state = mix(state + 0x9e3779b97f4a7c15ull + cpu_cycles()) ^ hw;

	const uint64_t out = mix(state);

	irq_restore(flags);
	return out;
}

void plat_random(void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len > 0) {
		const uint64_t v = next();
		const size_t n = len < sizeof(v) ? len : sizeof(v);

		memcpy(p, &v, n);
		p += n;
		len -= n;
	}
}
