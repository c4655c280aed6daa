/*
 * Counters of a known rate, against which the time-stamp counter is measured: HPET, ACPI PM timer,
 * PIT, in that order.
 */
#ifndef ARCH_X86_64_CLOCK_REF_H
#define ARCH_X86_64_CLOCK_REF_H

#include "kernel/compiler.h"

struct clock_ref {
	const char *name;
	uint64_t rate; /* nanoseconds a tick, 32.32 */
	unsigned bits; /* width of what read() gives */
	/* Counts up and wraps. Interrupts must be off: some take several port accesses. */
	uint32_t (*read)(void);
};

/** clock_ref_find() - the best counter that is there and counts, NULL when there is none */
const struct clock_ref *clock_ref_find(void);

#endif
