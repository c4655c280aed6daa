/*
 * kernel/acpi.c: FADT, and the bytes of the sleep state S5 in the DSDT.
 */
#include "tests/unit/acpi_fixture.h"

TestSuite(acpi_power, .fini = forget);

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

Test(acpi_power, fadt_gives_ports_and_reset_register)
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

Test(acpi_power, extended_fadt_fields_win)
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

Test(acpi_power, registers_that_are_no_io_ports_are_not_given)
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

Test(acpi_power, reduced_hardware_has_no_pm1_block)
{
	uint8_t fadt[FADT_BODY];
	struct acpi_power pw;

	make_fadt(fadt, 0);
	put(fadt, 112, 1u << 20, 4);
	power_of(&pw, fadt, sizeof(fadt));
	cr_expect_eq(pw.pm1a_cnt, 0);
	cr_expect_eq(pw.pm_timer, 0);
}

Test(acpi_power, a_fadt_of_any_length_is_read_within_its_end)
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

Test(acpi_power, s5_is_found_as_bytes_of_the_dsdt)
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

Test(acpi_power, s5_may_be_in_an_ssdt)
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

Test(acpi_power, a_dsdt_under_another_name_is_not_scanned)
{
	uint8_t fadt[FADT_BODY];
	struct acpi_power pw;

	make_fadt(fadt, add_table("JUNK", s5_cases[0].aml, s5_cases[0].len));
	power_of(&pw, fadt, sizeof(fadt));
	cr_expect_not(pw.has_s5);
}
