/*
 * kernel/acpi.c: the root, the walk over the tables, and those of processors and configuration
 * space. The tables of power and clocks are in test_acpi_power.c.
 */
#include "tests/unit/acpi_fixture.h"

TestSuite(acpi, .fini = forget);

/* ---- root --------------------------------------------------------------------------------- */

Test(acpi, no_root_pointer_means_no_tables)
{
	cr_expect_eq(acpi_init(NULL, map), 0);
	cr_expect_null(acpi_find("APIC"));
}

Test(acpi, tables_of_the_xsdt_are_found_by_signature)
{
	const uint64_t phys[] = {add_table("AAAA", "1", 1), add_table("BBBB", "2", 1),
	                         add_table("BBBB", "3", 1)};

	cr_expect_eq(init_with(phys, 3), 3);
	cr_expect_eq(acpi_find("AAAA"), table_at(phys[0]));
	cr_expect_eq(acpi_find("BBBB"), table_at(phys[1]), "the first of two");
	cr_expect_null(acpi_find("CCCC"));
}

Test(acpi, version_1_uses_the_rsdt)
{
	const uint32_t phys[] = {(uint32_t)add_table("AAAA", NULL, 0),
	                         (uint32_t)add_table("BBBB", NULL, 0)};

	make_rsdp(add_table("RSDT", phys, sizeof(phys)), 0);
	cr_expect_eq(acpi_init(rsdp, map), 2);
	cr_expect_eq(acpi_find("BBBB"), table_at(phys[1]));
}

Test(acpi, a_root_pointer_with_a_wrong_checksum_is_refused)
{
	const uint32_t phys = (uint32_t)add_table("AAAA", NULL, 0);

	make_rsdp(add_table("RSDT", &phys, sizeof(phys)), 0);
	cr_assert_eq(acpi_init(rsdp, map), 1);
	rsdp[8]++;
	cr_expect_eq(acpi_init(rsdp, map), 0);
	cr_expect_null(acpi_find("AAAA"), "the list of the first call is gone");
}

Test(acpi, a_root_pointer_with_a_wrong_signature_is_refused)
{
	const uint32_t phys = (uint32_t)add_table("AAAA", NULL, 0);

	make_rsdp(add_table("RSDT", &phys, sizeof(phys)), 0);
	rsdp[7] = '-'; /* not a blank */
	sum(rsdp, 20, 8);
	cr_expect_eq(acpi_init(rsdp, map), 0);
}

Test(acpi, a_wrong_version_2_checksum_falls_back_to_the_rsdt)
{
	const uint64_t a = add_table("AAAA", NULL, 0), b = add_table("BBBB", NULL, 0);
	const uint32_t a32 = (uint32_t)a;

	make_rsdp(add_table("RSDT", &a32, 4), add_table("XSDT", &b, 8));
	cr_assert_eq(acpi_init(rsdp, map), 1);
	cr_assert_not_null(acpi_find("BBBB"));
	rsdp[32]++;
	cr_expect_eq(acpi_init(rsdp, map), 1);
	cr_expect_not_null(acpi_find("AAAA"));
	cr_expect_null(acpi_find("BBBB"));
}

Test(acpi, a_root_table_with_the_wrong_name_is_not_walked)
{
	const uint64_t a = add_table("AAAA", NULL, 0);

	make_rsdp(0, add_table("JUNK", &a, 8));
	cr_expect_eq(acpi_init(rsdp, map), 0);
}

Test(acpi, a_truncated_entry_at_the_end_of_the_root_is_ignored)
{
	const uint64_t phys[] = {add_table("AAAA", NULL, 0), add_table("BBBB", NULL, 0)};

	make_rsdp(0, add_table("XSDT", phys, sizeof(phys) - 1));
	cr_expect_eq(acpi_init(rsdp, map), 1);
}

Test(acpi, a_root_that_lists_itself_ends)
{
	uint64_t phys[300];

	for (unsigned i = 0; i < 300; i++)
		phys[i] = PHYS_STEP; /* the address that the root table gets */
	cr_expect_eq(init_with(phys, 300), ACPI_TABLES_MAX);
}

Test(acpi, only_the_first_256_entries_of_the_root_are_read)
{
	uint64_t phys[300] = {0};

	phys[255] = add_table("AAAA", NULL, 0);
	phys[256] = add_table("BBBB", NULL, 0);
	cr_expect_eq(init_with(phys, 300), 1);
	cr_expect_not_null(acpi_find("AAAA"));
}

/* ---- bad tables --------------------------------------------------------------------------- */

static void expect_skipped(uint64_t bad)
{
	const uint64_t phys[] = {bad, add_table("GOOD", NULL, 0)};

	cr_expect_eq(init_with(phys, 2), 1);
	cr_expect_null(acpi_find("EVIL"));
	cr_expect_not_null(acpi_find("GOOD"));
}

Test(acpi, a_table_with_a_wrong_checksum_is_skipped)
{
	const uint64_t bad = add_table("EVIL", "x", 1);

	table_at(bad)->checksum++;
	expect_skipped(bad);
}

Test(acpi, a_table_of_length_0_is_skipped)
{
	const uint64_t bad = add_table("EVIL", "x", 1);

	set_length(bad, 0);
	expect_skipped(bad);
}

Test(acpi, a_table_shorter_than_its_header_is_skipped)
{
	const uint64_t bad = add_table("EVIL", "x", 1);

	set_length(bad, 35);
	expect_skipped(bad);
}

Test(acpi, a_table_longer_than_memory_is_skipped)
{
	const uint64_t bad = add_table("EVIL", "x", 1);

	set_length(bad, 38);
	expect_skipped(bad);
}

Test(acpi, a_table_of_4_gigabytes_is_skipped)
{
	const uint64_t bad = add_table("EVIL", "x", 1);

	set_length(bad, UINT32_MAX);
	expect_skipped(bad);
}

Test(acpi, a_table_above_4_mebibytes_is_skipped)
{
	uint8_t *body = calloc(1, 4u << 20);

	cr_assert_not_null(body);
	expect_skipped(add_table("EVIL", body, 4u << 20));
	free(body);
}

Test(acpi, addresses_without_memory_are_skipped)
{
	const uint64_t wild[] = {0, 1, UINT64_MAX, UINT64_MAX - 8, 1ull << 52};

	for (unsigned i = 0; i < 5; i++)
		expect_skipped(wild[i]);
}

/* ---- MCFG, HPET --------------------------------------------------------------------------- */

struct mcfg_body {
	uint64_t reserved;
	struct {
		uint64_t base;
		uint16_t segment;
		uint8_t first, last;
		uint32_t reserved;
	} e[3];
};

Test(acpi, mcfg_gives_segment_0)
{
	const struct mcfg_body body = {.e = {{.base = 0x1000000, .segment = 1, .last = 3},
	                                     {.base = 0xb0000000, .first = 2, .last = 255}}};
	struct acpi_mcfg m;

	cr_assert_eq(init_with_one("MCFG", &body, sizeof(body)), 1);
	cr_assert_eq(acpi_mcfg(&m), 0);
	cr_expect_eq(m.base, 0xb0000000);
	cr_expect_eq(m.segment, 0);
	cr_expect_eq(m.bus_first, 2);
	cr_expect_eq(m.bus_last, 255);
}

Test(acpi, mcfg_entries_that_make_no_sense_are_ignored)
{
	const struct mcfg_body body = {.e = {{.base = 0, .last = 255},
	                                     {.base = 0xb0000123, .last = 255},
	                                     {.base = 0xb0000000, .first = 9, .last = 8}}};
	struct acpi_mcfg m;

	cr_assert_eq(init_with_one("MCFG", &body, sizeof(body)), 1);
	cr_expect_eq(acpi_mcfg(&m), -ENODEV);
}

Test(acpi, a_truncated_mcfg_has_no_entry)
{
	const struct mcfg_body body = {.e = {{.base = 0xb0000000, .last = 255}}};
	struct acpi_mcfg m;

	for (size_t len = 0; len < 24; len++) {
		cr_assert_eq(init_with_one("MCFG", &body, len), 1);
		cr_expect_eq(acpi_mcfg(&m), -ENODEV, "%zu bytes", len);
	}
	cr_assert_eq(init_with_one("MCFG", &body, 24), 1);
	cr_expect_eq(acpi_mcfg(&m), 0);
}

Test(acpi, hpet_is_given_only_in_memory_space)
{
	uint8_t body[20] = {0};
	const uint64_t base = 0xfed00000;

	memcpy(body + 8, &base, 8);
	cr_assert_eq(init_with_one("HPET", body, sizeof(body)), 1);
	cr_expect_eq(acpi_hpet(), base);
	cr_assert_eq(init_with_one("HPET", body, 15), 1);
	cr_expect_eq(acpi_hpet(), 0, "the address is cut off");
	body[4] = 1;
	cr_assert_eq(init_with_one("HPET", body, sizeof(body)), 1);
	cr_expect_eq(acpi_hpet(), 0, "I/O space");
}

/* ---- MADT --------------------------------------------------------------------------------- */

/* Body of a MADT: 8 bytes, then entries that the test appends. */
static uint8_t madt_body[4096];
static size_t madt_len;

static void madt_begin(uint32_t lapic)
{
	memset(madt_body, 0, sizeof(madt_body));
	memcpy(madt_body, &lapic, 4);
	madt_len = 8;
}

static void madt_add(const uint8_t *entry, size_t len)
{
	cr_assert(madt_len + len <= sizeof(madt_body));
	memcpy(madt_body + madt_len, entry, len);
	madt_len += len;
}

static void madt_parse(struct acpi_madt *m)
{
	cr_assert_eq(init_with_one("APIC", madt_body, madt_len), 1);
	cr_assert_eq(acpi_madt(m), 0);
}

static const uint8_t cpu_5[] = {0, 8, 1, 5, 1, 0, 0, 0};
static const uint8_t cpu_off[] = {0, 8, 2, 6, 0, 0, 0, 0};
static const uint8_t x2cpu_300[] = {9, 16, 0, 0, 0x2c, 1, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0};
static const uint8_t x2cpu_5[] = {9, 16, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0};
static const uint8_t ioapic[] = {1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 16, 0, 0, 0};
static const uint8_t override_0[] = {2, 10, 0, 0, 2, 0, 0, 0, 0, 0};
static const uint8_t override_9[] = {2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0};
static const uint8_t lapic_addr[] = {5, 12, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0};

Test(acpi, madt_gives_processors_ioapics_and_overrides)
{
	struct acpi_madt m;

	madt_begin(0xfee00000);
	madt_add(cpu_5, sizeof(cpu_5));
	madt_add(cpu_off, sizeof(cpu_off));
	madt_add(x2cpu_300, sizeof(x2cpu_300));
	madt_add(ioapic, sizeof(ioapic));
	madt_add(override_0, sizeof(override_0));
	madt_add(override_9, sizeof(override_9));
	madt_parse(&m);

	cr_expect_eq(m.lapic_base, 0xfee00000);
	cr_assert_eq(m.nb_cpus, 2, "a processor that is not enabled does not count");
	cr_expect_eq(m.apic_id[0], 5);
	cr_expect_eq(m.apic_id[1], 300);
	cr_assert_eq(m.nb_ioapics, 1);
	cr_expect_eq(m.ioapic[0].addr, 0xfec00000);
	cr_expect_eq(m.ioapic[0].gsi_base, 16);
	cr_assert_eq(m.nb_overrides, 2);
	cr_expect_eq(m.override[0].irq, 0);
	cr_expect_eq(m.override[0].gsi, 2);
	cr_expect_eq(m.override[1].irq, 9);
	cr_expect_eq(m.override[1].flags, 0x0d);
}

Test(acpi, madt_lapic_address_override_wins)
{
	struct acpi_madt m;

	madt_begin(0xfee00000);
	madt_add(lapic_addr, sizeof(lapic_addr));
	madt_parse(&m);
	cr_expect_eq(m.lapic_base, 1ull << 32);
}

Test(acpi, a_processor_listed_twice_counts_once)
{
	struct acpi_madt m;

	madt_begin(0);
	madt_add(cpu_5, sizeof(cpu_5));
	madt_add(x2cpu_5, sizeof(x2cpu_5));
	madt_parse(&m);
	cr_expect_eq(m.nb_cpus, 1);
}

Test(acpi, the_id_that_means_all_is_no_processor)
{
	static const uint8_t all[] = {0, 8, 1, 0xff, 1, 0, 0, 0};
	static const uint8_t x2cpu_255[] = {9, 16, 0, 0, 0xff, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0};
	static const uint8_t x2cpu_off[] = {9, 16, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0};
	struct acpi_madt m;

	madt_begin(0);
	madt_add(all, sizeof(all));
	madt_add(x2cpu_off, sizeof(x2cpu_off)); /* could be plugged in */
	madt_parse(&m);
	cr_expect_eq(m.nb_cpus, 0);
	madt_add(x2cpu_255, sizeof(x2cpu_255));
	madt_parse(&m);
	cr_assert_eq(m.nb_cpus, 1, "it has 32 bits for IDs");
	cr_expect_eq(m.apic_id[0], 255);
}

Test(acpi, a_madt_entry_of_length_0_ends_the_walk)
{
	const uint8_t stuck[] = {0, 0};
	struct acpi_madt m;

	madt_begin(0);
	madt_add(cpu_5, sizeof(cpu_5));
	madt_add(stuck, sizeof(stuck));
	madt_add(ioapic, sizeof(ioapic));
	madt_parse(&m);
	cr_expect_eq(m.nb_cpus, 1);
	cr_expect_eq(m.nb_ioapics, 0);
}

Test(acpi, a_madt_entry_of_length_1_ends_the_walk)
{
	/* read from its second byte on this would be an I/O APIC */
	const uint8_t shifted[] = {7, 1, 12, 0, 0, 0, 0, 0xfe, 0, 0, 0, 0, 0};
	struct acpi_madt m;

	madt_begin(0);
	madt_add(shifted, sizeof(shifted));
	madt_parse(&m);
	cr_expect_eq(m.nb_ioapics, 0);
}

Test(acpi, a_madt_entry_that_leaves_the_table_is_not_read)
{
	struct acpi_madt m;

	for (size_t len = 0; len < sizeof(ioapic); len++) {
		madt_begin(0);
		madt_add(cpu_5, sizeof(cpu_5));
		madt_add(ioapic, len);
		madt_parse(&m);
		cr_expect_eq(m.nb_cpus, 1);
		cr_expect_eq(m.nb_ioapics, 0, "%zu bytes", len);
	}
}

Test(acpi, madt_entries_too_short_for_their_type_are_ignored)
{
	struct acpi_madt m;

	madt_begin(0);
	for (uint8_t type = 0; type < 16; type++)
		madt_add((const uint8_t[]){type, 7, 0, 1, 1, 0, 1}, 7);
	madt_add(cpu_5, sizeof(cpu_5));
	madt_parse(&m);
	cr_expect_eq(m.nb_cpus, 1);
	cr_expect_eq(m.nb_ioapics, 0);
	cr_expect_eq(m.nb_overrides, 0);
	cr_expect_eq(m.lapic_base, 0);
}

Test(acpi, madt_keeps_to_the_bounds_of_its_result)
{
	struct acpi_madt m;

	madt_begin(0);
	for (uint8_t i = 0; i < 100; i++) {
		madt_add((const uint8_t[]){0, 8, i, i, 1, 0, 0, 0}, 8);
		madt_add(ioapic, sizeof(ioapic));
		madt_add(override_9, sizeof(override_9));
	}
	madt_parse(&m);
	cr_expect_eq(m.nb_cpus, ACPI_CPUS_MAX);
	cr_expect_eq(m.nb_cpus_more, 100 - ACPI_CPUS_MAX);
	cr_expect_eq(m.nb_ioapics, ACPI_IOAPICS_MAX);
	cr_expect_eq(m.nb_overrides, ACPI_OVERRIDES_MAX);
}

Test(acpi, without_a_madt_there_is_an_error)
{
	struct acpi_madt m;

	cr_assert_eq(init_with_one("APIC", "1234567", 7), 1);
	cr_expect_eq(acpi_madt(&m), -ENODEV, "too short to be one");
}
