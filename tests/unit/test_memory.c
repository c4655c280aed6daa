/* kernel/memory.c: first fit over ranges, zeroed, never more than there is. */
#include "kernel/memory.h"
#include "tests/unit/plat_test.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define KIB ((size_t)1024)

static uint8_t *block(size_t bytes)
{
	uint8_t *p = aligned_alloc(PAGE_SIZE, align_up(bytes, PAGE_SIZE));

	cr_assert_not_null(p);
	memset(p, 0xa5, bytes);
	return p;
}

Test(memory, gives_zeroed_memory_of_the_asked_alignment)
{
	plat_test_memory(64 * KIB);
	mem_alloc("shift", 1, 1);
	for (size_t align = 1; align <= 4096; align *= 2) {
		const uint8_t *p = mem_alloc("x", 100, align);

		cr_assert_not_null(p);
		cr_assert_eq((uintptr_t)p % (align < 8 ? 8 : align), 0);
		for (unsigned i = 0; i < 100; i++)
			cr_assert_eq(p[i], 0);
	}
}

Test(memory, pieces_do_not_overlap)
{
	plat_test_memory(64 * KIB);

	uint8_t *a = mem_alloc("a", 1000, 8), *b = mem_alloc("b", 1000, 8);

	cr_assert(b >= a + 1000 || a >= b + 1000);
}

Test(memory, the_last_byte_can_be_used_and_not_one_more)
{
	plat_test_memory(8 * KIB);
	cr_assert_null(mem_alloc("x", 8 * KIB + 1, 8));
	cr_assert_eq(mem_free_bytes(), 8 * KIB, "a failed request takes nothing");
	cr_assert_not_null(mem_alloc("x", 8 * KIB, 8));
	cr_assert_eq(mem_free_bytes(), 0);
	cr_assert_null(mem_alloc("x", 1, 8));
	cr_assert_eq(mem_total_bytes(), 8 * KIB);
}

Test(memory, sizes_that_wrap_around_are_refused)
{
	plat_test_memory(8 * KIB);
	cr_assert_null(mem_alloc("x", SIZE_MAX, 8));
	cr_assert_null(mem_alloc("x", SIZE_MAX - 100, 4096));
	cr_assert_null(mem_alloc("x", 1, (size_t)1 << 63));
}

Test(memory, an_alignment_that_wraps_around_is_refused)
{
	mem_reset();
	mem_add((void *)(UINTPTR_MAX - 0xffff), 0x1000); /* never touched */
	cr_assert_null(mem_alloc("x", 16, (size_t)1 << 20));
}

Test(memory, goes_on_to_a_range_that_has_room)
{
	uint8_t *small = block(4 * KIB), *large = block(16 * KIB);

	mem_reset();
	mem_add(small, 4 * KIB);
	mem_add(large, 16 * KIB);

	uint8_t *p = mem_alloc("x", 8 * KIB, 8);

	cr_assert_eq(p, large);
	cr_assert_eq(mem_alloc("y", 4 * KIB, 8), small, "the first range is still used");
}

Test(memory, ranges_that_touch_are_one)
{
	uint8_t *p = block(16 * KIB);

	mem_reset();
	mem_add(p + 4 * KIB, 4 * KIB);
	mem_add(p + 8 * KIB, 8 * KIB);
	mem_add(p, 4 * KIB);
	cr_assert_eq(mem_alloc("x", 16 * KIB, 8), p);
}

Test(memory, a_range_before_used_memory_stays_apart)
{
	uint8_t *p = block(8 * KIB);

	mem_reset();
	mem_add(p + 4 * KIB, 4 * KIB);
	cr_assert_eq(mem_alloc("x", 8, 8), p + 4 * KIB);
	mem_add(p, 4 * KIB);
	cr_assert_eq(mem_free_bytes(), 8 * KIB - 8);
	cr_assert_null(mem_alloc("x", 8 * KIB - 8, 8));
	cr_assert_eq(mem_alloc("x", 4 * KIB, 8), p);
}

Test(memory, odd_and_tiny_ranges_are_trimmed_or_ignored)
{
	uint8_t *p = block(4 * KIB);

	mem_reset();
	mem_add(p, 0);
	mem_add(p, 7);
	mem_add(p + 1, 8);
	cr_assert_eq(mem_total_bytes(), 0);
	mem_add(p + 1, 100);
	cr_assert_eq(mem_total_bytes(), 88);
	cr_assert_eq(mem_alloc("x", 88, 8), p + 8);
}

Test(memory, a_33rd_range_is_ignored_with_a_warning)
{
	uint8_t *p = block(256 * KIB);

	mem_reset();
	for (unsigned i = 0; i < MEM_RANGES_MAX; i++)
		mem_add(p + i * 4 * KIB, 2 * KIB);
	cr_assert_str_empty(plat_test_output());
	mem_add(p + MEM_RANGES_MAX * 4 * KIB, 2 * KIB);
	cr_assert_not_null(strstr(plat_test_output(), "memory: warning: 2 KiB"));
	cr_assert_eq(mem_total_bytes(), MEM_RANGES_MAX * 2 * KIB);
}

Test(memory, asking_for_nothing_panics, .signal = SIGABRT)
{
	mem_alloc("x", 0, 8);
}

Test(memory, an_alignment_that_is_no_power_of_two_panics, .signal = SIGABRT)
{
	mem_alloc("x", 8, 24);
}

Test(memory, gives_memory_as_it_was_when_asked_to)
{
	mem_reset();
	mem_add(block(KIB), KIB);

	const uint8_t *p = mem_take("x", 104, 8);

	cr_assert_not_null(p);
	for (unsigned i = 0; i < 104; i++)
		cr_assert_eq(p[i], 0xa5);
	cr_assert_eq(mem_free_bytes(), KIB - 104);
}
