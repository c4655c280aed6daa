/*
 * Physical memory for the tests of the boot parsers: an array. Each read gets an exact copy of what
 * it asked for, so that AddressSanitizer sees a parser that reads one byte more.
 */
#ifndef TESTS_UNIT_BOOT_FIXTURE_H
#define TESTS_UNIT_BOOT_FIXTURE_H

#include "arch/x86_64/boot_loaders.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define MEM_BYTES 0x100000u
#define READS_MAX 16384
#define TEXT 0x8000u

static uint8_t mem[MEM_BYTES];
static void *reads[READS_MAX];
static unsigned nb_reads;
static struct boot_info bi;

static inline void reads_free(void)
{
	while (nb_reads)
		free(reads[--nb_reads]);
}

static inline const void *phys(uint64_t addr, uint64_t len)
{
	if (addr >= MEM_BYTES || len > MEM_BYTES - addr)
		return NULL;
	cr_assert_lt(nb_reads, READS_MAX);

	void *copy = malloc(len ? len : 1);

	memcpy(copy, mem + addr, len);
	reads[nb_reads++] = copy;
	return copy;
}

static inline void assert_ranges(const struct boot_range *want, unsigned n)
{
	cr_assert_eq(bi.nb_ranges, n, "%u ranges", bi.nb_ranges);
	for (unsigned i = 0; i < n; i++) {
		cr_assert_eq(bi.ranges[i].base, want[i].base, "range %u: %lx", i,
		             bi.ranges[i].base);
		cr_assert_eq(bi.ranges[i].end, want[i].end, "range %u: %lx", i, bi.ranges[i].end);
	}
}

static inline void assert_ranges_sane(void)
{
	cr_assert_leq(bi.nb_ranges, BOOT_RANGES_MAX);
	for (unsigned i = 0; i < bi.nb_ranges; i++) {
		cr_assert_lt(bi.ranges[i].base, bi.ranges[i].end);
		cr_assert_leq(bi.ranges[i].end, 1ull << 47);
		if (i)
			cr_assert_lt(bi.ranges[i - 1].end, bi.ranges[i].base);
	}
}

#endif
