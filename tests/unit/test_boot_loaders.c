/* arch/x86_64/boot_loaders.c: what the three loaders pass, well-formed and hostile. */
#include "arch/bare/efi_handoff.h"
#include "kernel/errno.h"
#include "tests/unit/boot_fixture.h"

#define INFO 0x1000u
#define MAP 0x2000u

static int parse(enum boot_kind kind)
{
	const int err = boot_info_parse(&bi, kind, INFO, phys);

	reads_free();
	return err;
}

static void put(uint32_t addr, const void *data, size_t len)
{
	memcpy(mem + addr, data, len);
}

/* ---- PVH ---------------------------------------------------------------------------------- */

struct pvh_map_entry {
	uint64_t addr, size;
	uint32_t type, reserved;
};

struct pvh_info {
	uint32_t magic, version, flags, nb_modules;
	uint64_t modules, cmdline, rsdp, memmap;
	uint32_t entries, reserved;
};

static const struct pvh_map_entry bios_map[] = {
    {0, 0x9fc00, 1, 0},         {0x9fc00, 0x400, 2, 0},          {0x100000, 0x7ee0000, 1, 0},
    {0x7fe0000, 0x20000, 3, 0}, {0x100000000, 0x40000000, 1, 0},
};

static const struct boot_range bios_ranges[] = {
    {0, 0x9fc00}, {0x100000, 0x7fe0000}, {0x100000000, 0x140000000}};

static struct pvh_info pvh_info(void)
{
	return (struct pvh_info){.magic = 0x336ec578,
	                         .version = 1,
	                         .cmdline = TEXT,
	                         .rsdp = 0xf5a20,
	                         .memmap = MAP,
	                         .entries = ARRAY_SIZE(bios_map)};
}

static void pvh_put(struct pvh_info si)
{
	put(INFO, &si, sizeof(si));
	put(MAP, bios_map, sizeof(bios_map));
	put(TEXT, "app=sink", 9);
}

Test(boot_pvh, reads_memory_rsdp_and_command_line)
{
	pvh_put(pvh_info());
	cr_assert_eq(parse(BOOT_PVH), 0);
	cr_assert_str_eq(bi.loader, "pvh");
	cr_assert_str_eq(bi.cmdline, "app=sink");
	cr_assert_eq(bi.rsdp_phys, 0xf5a20);
	assert_ranges(bios_ranges, ARRAY_SIZE(bios_ranges));
}

Test(boot_pvh, refuses_what_is_no_start_info)
{
	struct pvh_info si = pvh_info();

	si.magic++;
	pvh_put(si);
	cr_assert_eq(parse(BOOT_PVH), -EINVAL);

	si = pvh_info();
	si.version = 0; /* has no memory map */
	pvh_put(si);
	cr_assert_eq(parse(BOOT_PVH), -EINVAL);
	cr_assert_eq(boot_info_parse(&bi, BOOT_PVH, MEM_BYTES - 55, phys), -EINVAL);
	cr_assert_eq(boot_info_parse(&bi, BOOT_PVH, UINT64_MAX, phys), -EINVAL);
	reads_free();
}

Test(boot_pvh, a_map_outside_of_memory_leaves_nothing_behind)
{
	struct pvh_info si = pvh_info();

	si.memmap = MEM_BYTES - sizeof(bios_map) + 1;
	pvh_put(si);
	cr_assert_eq(parse(BOOT_PVH), -EINVAL);
	cr_assert_eq(bi.nb_ranges, 0);
	cr_assert_null(bi.loader);
	cr_assert_str_empty(bi.cmdline);
}

Test(boot_pvh, a_huge_number_of_entries_is_bounded)
{
	struct pvh_info si = pvh_info();

	si.entries = UINT32_MAX;
	pvh_put(si);
	cr_assert_eq(parse(BOOT_PVH), 0); /* the entries behind the map are zeros */
	assert_ranges(bios_ranges, ARRAY_SIZE(bios_ranges));
}

Test(boot_pvh, where_entries_overlap_memory_is_not_free)
{
	static const struct pvh_map_entry map[] = {
	    {0x8000, 0x2000, 2, 0}, {0x1000, 0xf000, 1, 0}, {0xf000, UINT64_MAX, 4, 0}};
	struct pvh_info si = pvh_info();

	si.entries = ARRAY_SIZE(map);
	pvh_put(si);
	put(MAP, map, sizeof(map));
	cr_assert_eq(parse(BOOT_PVH), 0);
	assert_ranges((struct boot_range[]){{0x1000, 0x8000}, {0xa000, 0xf000}}, 2);
}

/* ---- multiboot2 --------------------------------------------------------------------------- */

static uint32_t mb2_end;

static void mb2_begin(void)
{
	memset(mem + INFO, 0, 0x1000);
	mb2_end = INFO + 8;
}

static void mb2_total(uint32_t total)
{
	put(INFO, &total, sizeof(total));
}

/* @size is what the tag claims, @len what is really there. */
static void mb2_tag_sized(uint32_t type, uint32_t size, const void *body, uint32_t len)
{
	put(mb2_end, &type, sizeof(type));
	put(mb2_end + 4, &size, sizeof(size));
	put(mb2_end + 8, body, len);
	mb2_end += (uint32_t)align_up(8 + len, 8);
	mb2_total(mb2_end - INFO);
}

static void mb2_tag(uint32_t type, const void *body, uint32_t len)
{
	mb2_tag_sized(type, len + 8, body, len);
}

static void mb2_mmap(uint32_t entry_size)
{
	uint8_t body[8 + sizeof(bios_map)];

	memset(body, 0, 8);
	memcpy(body, &entry_size, sizeof(entry_size));
	memcpy(body + 8, bios_map, sizeof(bios_map));
	mb2_tag(6, body, sizeof(body));
}

Test(boot_multiboot2, reads_memory_rsdp_and_command_line)
{
	static const char old_rsdp[20] = "RSD PTR old";

	mb2_begin();
	mb2_tag(1, "stats=json", 11);
	mb2_mmap(24);
	mb2_tag(14, old_rsdp, sizeof(old_rsdp));
	mb2_tag(0, "", 0);
	cr_assert_eq(parse(BOOT_MULTIBOOT2), 0);
	cr_assert_str_eq(bi.loader, "multiboot2");
	cr_assert_str_eq(bi.cmdline, "stats=json");
	cr_assert_eq(bi.rsdp_phys, 0);
	cr_assert_eq(bi.rsdp_len, 20);
	cr_assert_arr_eq(bi.rsdp, old_rsdp, sizeof(old_rsdp));
	assert_ranges(bios_ranges, ARRAY_SIZE(bios_ranges));
}

Test(boot_multiboot2, the_new_rsdp_wins_in_either_order)
{
	char new_one[36] = "RSD PTR new", old_one[20] = "RSD PTR old";

	for (unsigned new_first = 0; new_first < 2; new_first++) {
		mb2_begin();
		if (new_first)
			mb2_tag(15, new_one, sizeof(new_one));
		mb2_tag(14, old_one, sizeof(old_one));
		if (!new_first)
			mb2_tag(15, new_one, sizeof(new_one));
		cr_assert_eq(parse(BOOT_MULTIBOOT2), 0);
		cr_assert_eq(bi.rsdp_len, 36);
		cr_assert_arr_eq(bi.rsdp, new_one, sizeof(new_one));
	}
}

Test(boot_multiboot2, an_oversized_rsdp_is_cut)
{
	char rsdp[100] = "RSD PTR ";

	mb2_begin();
	mb2_tag(15, rsdp, sizeof(rsdp));
	cr_assert_eq(parse(BOOT_MULTIBOOT2), 0);
	cr_assert_eq(bi.rsdp_len, BOOT_RSDP_MAX);
}

Test(boot_multiboot2, tags_that_lie_about_their_size_end_the_list)
{
	static const uint32_t sizes[] = {0, 1, 7, 0x1000, UINT32_MAX, UINT32_MAX - 7};

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		mb2_begin();
		mb2_tag_sized(1, sizes[i], "app=echo", 9);
		mb2_mmap(24);
		cr_assert_eq(parse(BOOT_MULTIBOOT2), 0);
		cr_assert_eq(bi.nb_ranges, 0);
	}
}

Test(boot_multiboot2, odd_entry_sizes_are_ignored_or_stepped_over)
{
	static const uint32_t bad[] = {0, 1, 23, UINT32_MAX};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		mb2_begin();
		mb2_mmap(bad[i]);
		cr_assert_eq(parse(BOOT_MULTIBOOT2), 0);
		cr_assert_eq(bi.nb_ranges, 0);
	}
	mb2_begin();
	mb2_mmap(48); /* every second entry */
	cr_assert_eq(parse(BOOT_MULTIBOOT2), 0);
	assert_ranges((struct boot_range[]){{0, 0x9fc00}, {0x100000, 0x7fe0000}}, 2);
}

Test(boot_multiboot2, a_cut_last_entry_is_ignored)
{
	uint8_t body[8 + 24 + 20] = {24};

	memcpy(body + 8, bios_map, 24 + 20);
	memset(body + 8 + 24 + 16, 1, 1); /* were it whole it would be free */
	mb2_begin();
	mb2_tag(6, body, sizeof(body));
	mb2_total(8 + 8 + sizeof(body));
	cr_assert_eq(parse(BOOT_MULTIBOOT2), 0);
	assert_ranges(bios_ranges, 1);
}

Test(boot_multiboot2, a_list_without_end_tag_ends_with_the_information)
{
	mb2_begin();
	mb2_mmap(24);
	mb2_total(mb2_end - INFO + 4); /* half a tag more */
	cr_assert_eq(parse(BOOT_MULTIBOOT2), 0);
	assert_ranges(bios_ranges, ARRAY_SIZE(bios_ranges));
}

Test(boot_multiboot2, refuses_a_total_size_that_cannot_be)
{
	static const uint32_t totals[] = {0, 7, MEM_BYTES - INFO + 1, (1u << 20) + 1, UINT32_MAX};

	for (unsigned i = 0; i < ARRAY_SIZE(totals); i++) {
		mb2_begin();
		mb2_total(totals[i]);
		cr_assert_eq(parse(BOOT_MULTIBOOT2), -EINVAL);
	}
}

/* ---- EFI ---------------------------------------------------------------------------------- */

struct efi_entry {
	uint32_t type, pad;
	uint64_t phys, virt, pages, attribute;
	uint64_t more; /* descriptors may be longer than we know */
};

static const struct efi_entry efi_map[] = {
    {.type = 3, .phys = 0x1000, .pages = 0x9f}, /* boot services code */
    {.type = 7, .phys = 0x100000, .pages = 0x700},
    {.type = 10, .phys = 0x800000, .pages = 8}, /* ACPI NVS */
    {.type = 4, .phys = 0x808000, .pages = 0x10},
    {.type = 2, .phys = 0x818000, .pages = 0x10}, /* loader data: the kernel is there */
    {.type = 7, .phys = 0x828000, .pages = 0x10},
    {.type = 5, .phys = 0x838000, .pages = 0x10}, /* runtime services */
};

static struct efi_handoff efi_handoff(void)
{
	return (struct efi_handoff){.magic = EFI_HANDOFF_MAGIC,
	                            .rsdp = 0x7f7e014,
	                            .cmdline = TEXT,
	                            .map = MAP,
	                            .map_bytes = sizeof(efi_map),
	                            .desc_size = sizeof(efi_map[0])};
}

static int efi_parse(struct efi_handoff h)
{
	put(INFO, &h, sizeof(h));
	put(MAP, efi_map, sizeof(efi_map));
	put(TEXT, "app=l3fwd", 10);
	return parse(BOOT_EFI);
}

Test(boot_efi, conventional_memory_and_boot_services_are_free)
{
	cr_assert_eq(efi_parse(efi_handoff()), 0);
	cr_assert_str_eq(bi.loader, "uefi");
	cr_assert_str_eq(bi.cmdline, "app=l3fwd");
	cr_assert_eq(bi.rsdp_phys, 0x7f7e014);
	assert_ranges((struct boot_range[]){{0x1000, 0xa0000},
	                                    {0x100000, 0x800000},
	                                    {0x808000, 0x818000},
	                                    {0x828000, 0x838000}},
	              4);
}

Test(boot_efi, refuses_wrong_magic_and_descriptor_sizes)
{
	static const uint64_t sizes[] = {0, 1, 39, 4097, UINT64_MAX};
	struct efi_handoff h = efi_handoff();

	h.magic ^= 1;
	cr_assert_eq(efi_parse(h), -EINVAL);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		h = efi_handoff();
		h.desc_size = sizes[i];
		cr_assert_eq(efi_parse(h), -EINVAL);
	}
	h = efi_handoff();
	h.map = MEM_BYTES;
	cr_assert_eq(efi_parse(h), -EINVAL);
}

Test(boot_efi, no_command_line_is_an_empty_one)
{
	struct efi_handoff h = efi_handoff();

	h.cmdline = 0;
	cr_assert_eq(efi_parse(h), 0);
	cr_assert_str_empty(bi.cmdline);
}

Test(boot_efi, a_number_of_pages_that_overflows_is_cut)
{
	struct efi_entry huge = {.type = 7, .phys = 0x100000, .pages = 1ull << 52};
	struct efi_handoff h = efi_handoff();

	h.map_bytes = sizeof(huge) + 5; /* and a part of another */
	put(INFO, &h, sizeof(h));
	put(MAP, &huge, sizeof(huge));
	cr_assert_eq(parse(BOOT_EFI), 0);
	assert_ranges((struct boot_range[]){{0x100000, 1ull << 47}}, 1);
}

/* ---- damaged bytes ------------------------------------------------------------------------ */

static void damage(uint32_t from, uint32_t bytes)
{
	for (int n = rand() % 8; n >= 0; n--)
		mem[from + (uint32_t)rand() % bytes] = (uint8_t)(rand() % 3 ? rand() : 0xff);
}

Test(boot_loaders, damaged_information_never_leads_outside_of_it)
{
	static const char rsdp[36] = "RSD PTR ";

	srand(2);
	for (unsigned i = 0; i < 3000; i++) {
		pvh_put(pvh_info());
		damage(INFO + 8, 48);
		damage(MAP, sizeof(bios_map));
		(void)parse(BOOT_PVH);
		assert_ranges_sane();

		mb2_begin();
		mb2_tag(1, "app=echo", 9);
		mb2_mmap(24);
		mb2_tag(15, rsdp, sizeof(rsdp));
		damage(INFO + (i % 2 ? 0 : 8), mb2_end - INFO - 8);
		(void)parse(BOOT_MULTIBOOT2);
		assert_ranges_sane();

		const struct efi_handoff h = efi_handoff();

		put(INFO, &h, sizeof(h));
		put(MAP, efi_map, sizeof(efi_map));
		damage(INFO + 8, sizeof(h) - 8);
		damage(MAP, sizeof(efi_map));
		(void)parse(BOOT_EFI);
		assert_ranges_sane();
	}
}
