/*
 * kernel/acpi.c against tables made by hand, good and hostile. Every table lies in a heap block of
 * exactly its size, so that the sanitizer sees a read behind its end.
 */
#include "kernel/acpi.h"

#include "kernel/errno.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS_MAX 128
#define PHYS_STEP 0x100000ull

struct block {
	uint8_t *data;
	size_t len;
};

static struct block blocks[BLOCKS_MAX];
static unsigned nb_blocks;
static uint8_t rsdp[36];

static const void *map(uint64_t phys, size_t len)
{
	const uint64_t i = phys / PHYS_STEP;
	const uint64_t at = phys % PHYS_STEP;

	cr_assert_leq(phys, UINT64_MAX - len, "a range that wraps around");
	if (i == 0 || i > nb_blocks || at + len > blocks[i - 1].len)
		return NULL;
	return blocks[i - 1].data + at;
}

static void sum(uint8_t *p, size_t len, size_t checksum_at)
{
	uint8_t s = 0;

	p[checksum_at] = 0;
	for (size_t i = 0; i < len; i++)
		s = (uint8_t)(s + p[i]);
	p[checksum_at] = (uint8_t)-s;
}

/* Puts a table into memory and gives its address; a header with the right checksum is added. */
static uint64_t add_table(const char *signature, const void *body, size_t len)
{
	const size_t total = sizeof(struct acpi_header) + len;
	uint8_t *t = malloc(total);
	struct acpi_header *h = (void *)t;

	cr_assert(nb_blocks < BLOCKS_MAX);
	memset(h, 0, sizeof(*h));
	memcpy(h->signature, signature, 4);
	h->length = (uint32_t)total;
	if (len)
		memcpy(t + sizeof(*h), body, len);
	sum(t, total, 9);
	blocks[nb_blocks++] = (struct block){t, total};
	return nb_blocks * PHYS_STEP;
}

static struct acpi_header *table_at(uint64_t phys)
{
	return (void *)blocks[phys / PHYS_STEP - 1].data;
}

/* A length that lies, with a checksum that is right over it as far as there is memory. */
static void set_length(uint64_t phys, uint32_t len)
{
	const struct block *b = &blocks[phys / PHYS_STEP - 1];
	struct acpi_header *h = table_at(phys);

	h->length = len;
	sum(b->data, len >= 10 && len < b->len ? len : b->len, 9);
}

static void make_rsdp(uint64_t rsdt, uint64_t xsdt)
{
	const uint32_t rsdt32 = (uint32_t)rsdt, len = 36;

	memset(rsdp, 0, sizeof(rsdp));
	memcpy(rsdp, "RSD PTR ", 8);
	rsdp[15] = xsdt ? 2 : 0;
	memcpy(rsdp + 16, &rsdt32, 4);
	memcpy(rsdp + 20, &len, 4);
	memcpy(rsdp + 24, &xsdt, 8);
	sum(rsdp, 20, 8);
	sum(rsdp, 36, 32);
}

static unsigned init_with(const uint64_t *phys, unsigned n)
{
	make_rsdp(0, add_table("XSDT", phys, n * sizeof(*phys)));
	return acpi_init(rsdp, map);
}

static unsigned init_with_one(const char *signature, const void *body, size_t len)
{
	const uint64_t phys = add_table(signature, body, len);

	return init_with(&phys, 1);
}

static void forget(void)
{
	for (unsigned i = 0; i < nb_blocks; i++)
		free(blocks[i].data);
	nb_blocks = 0;
}

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
	cr_expect_eq(m.nb_ioapics, ACPI_IOAPICS_MAX);
	cr_expect_eq(m.nb_overrides, ACPI_OVERRIDES_MAX);
}

Test(acpi, without_a_madt_there_is_an_error)
{
	struct acpi_madt m;

	cr_assert_eq(init_with_one("APIC", "1234567", 7), 1);
	cr_expect_eq(acpi_madt(&m), -ENODEV, "too short to be one");
}

/* ---- FADT --------------------------------------------------------------------------------- */

#define FADT_BODY (244 - sizeof(struct acpi_header))

static void put(uint8_t *body, size_t offset, uint64_t value, size_t width)
{
	memcpy(body + offset - sizeof(struct acpi_header), &value, width);
}

static void put_gas(uint8_t *body, size_t offset, uint8_t space, uint64_t addr)
{
	put(body, offset, space, 1);
	put(body, offset + 4, addr, 8);
}

static void make_fadt(uint8_t *body, uint64_t dsdt)
{
	memset(body, 0, FADT_BODY);
	put(body, 40, dsdt, 4);
	put(body, 64, 0x604, 4);
	put(body, 76, 0x608, 4);
	put(body, 112, 1u << 10, 4);
	put_gas(body, 116, 1, 0xcf9);
	put(body, 128, 0x0f, 1);
}

static void power_of(struct acpi_power *pw, const uint8_t *fadt, size_t len)
{
	cr_assert_eq(init_with_one("FACP", fadt, len), 1);
	cr_assert_eq(acpi_power(pw), 0);
}

static void power_with_dsdt(struct acpi_power *pw, const void *aml, size_t len)
{
	uint8_t fadt[FADT_BODY];

	make_fadt(fadt, add_table("DSDT", aml, len));
	power_of(pw, fadt, sizeof(fadt));
}

Test(acpi, fadt_gives_ports_and_reset_register)
{
	struct acpi_power pw;

	power_with_dsdt(&pw, NULL, 0);
	cr_expect_eq(pw.pm1a_cnt, 0x604);
	cr_expect_eq(pw.pm1b_cnt, 0);
	cr_expect_eq(pw.pm_timer, 0x608);
	cr_expect_not(pw.pm_timer_32);
	cr_expect(pw.has_reset);
	cr_expect_eq(pw.reset_port, 0xcf9);
	cr_expect_eq(pw.reset_value, 0x0f);
	cr_expect_not(pw.has_s5);
}

Test(acpi, extended_fadt_fields_win)
{
	uint8_t fadt[FADT_BODY];
	struct acpi_power pw;

	make_fadt(fadt, 0);
	put(fadt, 112, 1u << 8, 4);
	put_gas(fadt, 172, 1, 0x1004);
	put_gas(fadt, 184, 1, 0x2004);
	put_gas(fadt, 208, 1, 0x1008);
	power_of(&pw, fadt, sizeof(fadt));
	cr_expect_eq(pw.pm1a_cnt, 0x1004);
	cr_expect_eq(pw.pm1b_cnt, 0x2004);
	cr_expect_eq(pw.pm_timer, 0x1008);
	cr_expect(pw.pm_timer_32);
	cr_expect_not(pw.has_reset, "the flag says that there is none");
}

Test(acpi, registers_that_are_no_io_ports_are_not_given)
{
	uint8_t fadt[FADT_BODY];
	struct acpi_power pw;

	make_fadt(fadt, 0);
	put(fadt, 64, 0x10604, 4);
	put_gas(fadt, 208, 1, 0xfed000008);
	put_gas(fadt, 116, 0, 0xcf9);
	power_of(&pw, fadt, sizeof(fadt));
	cr_expect_eq(pw.pm1a_cnt, 0);
	cr_expect_eq(pw.pm_timer, 0);
	cr_expect_not(pw.has_reset);
}

Test(acpi, reduced_hardware_has_no_pm1_block)
{
	uint8_t fadt[FADT_BODY];
	struct acpi_power pw;

	make_fadt(fadt, 0);
	put(fadt, 112, 1u << 20, 4);
	power_of(&pw, fadt, sizeof(fadt));
	cr_expect_eq(pw.pm1a_cnt, 0);
	cr_expect_eq(pw.pm_timer, 0);
}

Test(acpi, a_fadt_of_any_length_is_read_within_its_end)
{
	uint8_t fadt[FADT_BODY];
	struct acpi_power pw;

	make_fadt(fadt, 0);
	for (size_t len = 0; len <= sizeof(fadt); len += 3) {
		power_of(&pw, fadt, len);
		cr_expect_eq(pw.pm1a_cnt != 0, len + sizeof(struct acpi_header) >= 68);
		forget();
	}
}

/* ---- \_S5_ --------------------------------------------------------------------------------- */

struct s5_case {
	const char *what;
	uint8_t aml[16];
	size_t len;
	bool found;
	uint8_t a, b;
};

static const struct s5_case s5_cases[] = {
    {"byte constants", {8, '_', 'S', '5', '_', 0x12, 6, 4, 10, 5, 10, 7, 0, 0}, 14, 1, 5, 7},
    {"ZeroOp", {8, '_', 'S', '5', '_', 0x12, 6, 4, 0, 0, 0, 0}, 12, 1, 0, 0},
    {"OneOp, root prefix", {8, '\\', '_', 'S', '5', '_', 0x12, 6, 4, 1, 0, 0, 0}, 13, 1, 1, 0},
    {"one element", {8, '_', 'S', '5', '_', 0x12, 4, 1, 10, 3}, 10, 1, 3, 3},
    {"two byte length", {8, '_', 'S', '5', '_', 0x12, 0x47, 0, 2, 10, 2, 1}, 12, 1, 2, 1},
    {"word constant", {8, '_', 'S', '5', '_', 0x12, 8, 2, 11, 6, 0, 1}, 12, 1, 6, 1},
    {"behind a decoy", {8, '_', 'S', '3', '_', 8, '_', 'S', '5', '_', 0x12, 4, 1, 1}, 14, 1, 1, 1},
    {"no NameOp", {0, '_', 'S', '5', '_', 0x12, 6, 4, 0, 0, 0, 0}, 12, 0, 0, 0},
    {"no package", {8, '_', 'S', '5', '_', 0x11, 6, 4, 0, 0, 0, 0}, 12, 0, 0, 0},
    {"no elements", {8, '_', 'S', '5', '_', 0x12, 2, 0, 1, 1, 1, 1}, 12, 0, 0, 0},
    {"value above 7", {8, '_', 'S', '5', '_', 0x12, 4, 1, 10, 8, 0, 0}, 12, 0, 0, 0},
    {"a name, no constant", {8, '_', 'S', '5', '_', 0x12, 6, 1, 'A', 'B', 'C', 'D'}, 12, 0, 0, 0},
    {"ends behind the name", {8, '_', 'S', '5', '_'}, 5, 0, 0, 0},
    {"ends at PackageOp", {8, '_', 'S', '5', '_', 0x12}, 6, 0, 0, 0},
    {"NameOp at the end", {0, 0, 0, 0, 0, 0, 8}, 7, 0, 0, 0},
    {"ends behind PackageOp", {8, '_', 'S', '5', '_', 0x12, 0xc0, 0}, 8, 0, 0, 0},
    {"ends inside a constant", {8, '_', 'S', '5', '_', 0x12, 4, 1, 10}, 9, 0, 0, 0},
    {"ends before the second", {8, '_', 'S', '5', '_', 0x12, 4, 2, 1}, 9, 0, 0, 0},
    {"prefix at the end", {0, 0, 0, 0, 0, 8, '\\'}, 7, 0, 0, 0},
};

Test(acpi, s5_is_found_as_bytes_of_the_dsdt)
{
	for (size_t i = 0; i < sizeof(s5_cases) / sizeof(s5_cases[0]); i++) {
		const struct s5_case *c = &s5_cases[i];
		struct acpi_power pw;

		power_with_dsdt(&pw, c->aml, c->len);
		cr_expect_eq(pw.has_s5, c->found, "%s", c->what);
		if (!c->found)
			continue;
		cr_expect_eq(pw.s5_typ_a, c->a, "%s: a is %u", c->what, pw.s5_typ_a);
		cr_expect_eq(pw.s5_typ_b, c->b, "%s: b is %u", c->what, pw.s5_typ_b);
	}
}

Test(acpi, s5_may_be_in_an_ssdt)
{
	uint8_t fadt[FADT_BODY];
	struct acpi_power pw;

	make_fadt(fadt, 0);

	const uint64_t phys[] = {add_table("FACP", fadt, sizeof(fadt)),
	                         add_table("SSDT", s5_cases[0].aml, s5_cases[0].len)};

	cr_assert_eq(init_with(phys, 2), 2);
	cr_assert_eq(acpi_power(&pw), 0);
	cr_expect(pw.has_s5);
}

Test(acpi, a_dsdt_under_another_name_is_not_scanned)
{
	uint8_t fadt[FADT_BODY];
	struct acpi_power pw;

	make_fadt(fadt, add_table("JUNK", s5_cases[0].aml, s5_cases[0].len));
	power_of(&pw, fadt, sizeof(fadt));
	cr_expect_not(pw.has_s5);
}
