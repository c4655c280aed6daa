/* arch/bare/boot_info.c: free ranges and the command line; the search for the ACPI root pointer. */
#include "tests/unit/boot_fixture.h"

/* ---- ranges ------------------------------------------------------------------------------- */

Test(boot_info, joins_ranges_that_touch_or_overlap)
{
	boot_info_add(&bi, 0x3000, 0x1000);
	boot_info_add(&bi, 0x1000, 0x1000);
	assert_ranges((struct boot_range[]){{0x1000, 0x2000}, {0x3000, 0x4000}}, 2);
	boot_info_add(&bi, 0x1800, 0x1800);
	assert_ranges((struct boot_range[]){{0x1000, 0x4000}}, 1);
}

Test(boot_info, takes_a_hole_out_of_the_middle)
{
	boot_info_add(&bi, 0x1000, 0x9000);
	boot_info_exclude(&bi, 0x3000, 0x1000);
	assert_ranges((struct boot_range[]){{0x1000, 0x3000}, {0x4000, 0xa000}}, 2);
	boot_info_exclude(&bi, 0, 0x5000);
	assert_ranges((struct boot_range[]){{0x5000, 0xa000}}, 1);
}

Test(boot_info, cuts_what_wraps_around_or_cannot_be_mapped)
{
	boot_info_add(&bi, 0x1000, UINT64_MAX);
	assert_ranges((struct boot_range[]){{0x1000, 1ull << 47}}, 1);
	boot_info_exclude(&bi, 0x2000, UINT64_MAX - 1);
	assert_ranges((struct boot_range[]){{0x1000, 0x2000}}, 1);
	boot_info_add(&bi, UINT64_MAX - 5, 100);
	assert_ranges((struct boot_range[]){{0x1000, 0x2000}}, 1);
}

Test(boot_info, keeps_whole_pages_only)
{
	boot_info_add(&bi, 0x1001, 0x2fff);
	boot_info_add(&bi, 0x5001, 0xffe);
	boot_info_add(&bi, 0x7000, 0x1fff);
	boot_info_align(&bi);
	assert_ranges((struct boot_range[]){{0x2000, 0x4000}, {0x7000, 0x8000}}, 2);
}

Test(boot_info, a_full_table_loses_the_smallest_range_and_counts_it)
{
	for (unsigned i = 0; i < BOOT_RANGES_MAX; i++)
		boot_info_add(&bi, 0x10000 * (i + 1), 0x2000);
	boot_info_add(&bi, 0x1000, 0x1000);
	cr_assert_eq(bi.dropped_bytes, 0x1000);
	cr_assert_eq(bi.ranges[0].base, 0x10000);
	boot_info_exclude(&bi, 0x10000 * 5, 0x1000);
	boot_info_add(&bi, 0x1000, 0x3000);
	cr_assert_eq(bi.dropped_bytes, 0x2000);
	cr_assert_eq(bi.ranges[0].base, 0x1000);
	cr_assert_eq(bi.nb_ranges, BOOT_RANGES_MAX);
	assert_ranges_sane();
}

Test(boot_info, any_order_of_adding_and_excluding_agrees_with_a_bitmap)
{
	enum { PAGES = 58, STEPS = 20000 };
	bool free_page[PAGES] = {false};

	srand(1);
	for (unsigned step = 0; step < STEPS; step++) {
		const unsigned first = (unsigned)rand() % PAGES;
		const unsigned n = (unsigned)rand() % (PAGES - first) % 8;
		const bool add = rand() % 2;

		if (add)
			boot_info_add(&bi, first * PAGE_SIZE, n * PAGE_SIZE);
		else
			boot_info_exclude(&bi, first * PAGE_SIZE, n * PAGE_SIZE);
		for (unsigned i = first; i < first + n; i++)
			free_page[i] = add;

		unsigned r = 0;

		assert_ranges_sane();
		for (unsigned i = 0; i < PAGES; i++) {
			const uint64_t addr = i * PAGE_SIZE;

			while (r < bi.nb_ranges && bi.ranges[r].end <= addr)
				r++;
			cr_assert_eq(r < bi.nb_ranges && bi.ranges[r].base <= addr, free_page[i]);
		}
	}
}

/* ---- command line ------------------------------------------------------------------------- */

Test(boot_info, takes_the_first_line_of_the_command_line)
{
	boot_info_cmdline(&bi, "app=echo net.rxd=64\napp=other", 29);
	cr_assert_str_eq(bi.cmdline, "app=echo net.rxd=64");
	cr_assert_not(bi.cmdline_cut);
	boot_info_cmdline(&bi, "no end here", 6);
	cr_assert_str_eq(bi.cmdline, "no end");
}

Test(boot_info, says_when_a_command_line_is_too_long)
{
	memset(mem + TEXT, 'a', 3000);
	boot_info_cmdline_phys(&bi, TEXT, phys);
	cr_assert(bi.cmdline_cut);
	cr_assert_leq(nb_reads, BOOT_CMDLINE_LEN + 1);
	cr_assert_str_empty(bi.cmdline, "half a word is no word");
	mem[TEXT + 1000] = ' ';
	boot_info_cmdline_phys(&bi, TEXT, phys);
	cr_assert(bi.cmdline_cut);
	cr_assert_eq(strlen(bi.cmdline), 1001, "the whole words are kept");
	mem[TEXT + BOOT_CMDLINE_LEN - 1] = '\0';
	boot_info_cmdline_phys(&bi, TEXT, phys);
	cr_assert_not(bi.cmdline_cut);
	cr_assert_eq(strlen(bi.cmdline), BOOT_CMDLINE_LEN - 1);
	reads_free();
}

Test(boot_info, a_command_line_ends_where_memory_does)
{
	memcpy(mem + MEM_BYTES - 3, "abc", 3);
	boot_info_cmdline_phys(&bi, MEM_BYTES - 3, phys);
	cr_assert_str_eq(bi.cmdline, "abc");
	reads_free();
}

/* ---- RSDP --------------------------------------------------------------------------------- */

static void rsdp_put(uint32_t addr)
{
	uint8_t sum = 0;

	memset(mem + addr, 0, 20);
	memcpy(mem + addr, "RSD PTR ", 8);
	for (unsigned i = 0; i < 20; i++)
		sum = (uint8_t)(sum + mem[addr + i]);
	mem[addr + 8] = (uint8_t)-sum;
}

static uint64_t rsdp_find(void)
{
	const uint64_t found = boot_find_rsdp(phys);

	reads_free();
	return found;
}

Test(boot_rsdp, is_found_in_the_rom_up_to_its_last_bytes)
{
	static const uint32_t places[] = {0xe0000, 0xf5a20, 0xfffe0};

	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		memset(mem, 0, sizeof(mem));
		rsdp_put(places[i]);
		cr_assert_eq(rsdp_find(), places[i]);
	}
	memset(mem, 0, sizeof(mem));
	memcpy(mem + 0xffff0, "RSD PTR ", 8); /* too near to the end to be whole */
	cr_assert_eq(rsdp_find(), 0);
}

Test(boot_rsdp, the_ebda_comes_first)
{
	mem[0x40e] = 0xc0;
	mem[0x40f] = 0x9f;
	rsdp_put(0xf5a20);
	rsdp_put(0x9fc00 + 0x3e0);
	cr_assert_eq(rsdp_find(), 0x9ffe0);
	rsdp_put(0x9fc00 + 0x400); /* beyond the first KiB */
	mem[0x9ffe0]++;
	cr_assert_eq(rsdp_find(), 0xf5a20);
}

Test(boot_rsdp, wants_alignment_and_a_good_checksum)
{
	rsdp_put(0xf5a28);
	cr_assert_eq(rsdp_find(), 0);
	rsdp_put(0xf0000);
	mem[0xf0013]++;
	cr_assert_eq(rsdp_find(), 0);
	rsdp_put(0xf8000); /* a good one behind a bad one */
	cr_assert_eq(rsdp_find(), 0xf8000);
}
