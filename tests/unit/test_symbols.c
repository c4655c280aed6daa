/* kernel/symbols.c: addresses to function names. */
#include "kernel/symbols.h"
#include <criterion/criterion.h>
#include <stdlib.h>

static const uint32_t addr[] = {0x100000, 0x100010, 0x100011, 0x100400, 0x100500};
static const char names[] = "start\0one_byte\0middle\0last";
static const struct symbols table = {
    .nb = 4, .addr = addr, .names = names, .names_bytes = sizeof(names)};

static void assert_name(uint64_t at, const char *want, uint64_t want_offset)
{
	uint64_t offset = UINT64_MAX;
	const char *name = symbols_find(&table, at, &offset);

	cr_assert_not_null(name, "0x%lx", at);
	cr_assert_str_eq(name, want);
	cr_assert_eq(offset, want_offset);
}

Test(symbols, names_the_function_an_address_is_in)
{
	assert_name(0x100000, "start", 0);
	assert_name(0x10000f, "start", 0xf);
	assert_name(0x100010, "one_byte", 0);
	assert_name(0x100011, "middle", 0);
	assert_name(0x1003ff, "middle", 0x3ee);
	assert_name(0x100400, "last", 0);
	assert_name(0x1004ff, "last", 0xff);
}

Test(symbols, knows_no_name_outside_of_the_text)
{
	static const uint64_t outside[] = {0, 0xfffff, 0x100500, 0x200100000, UINT64_MAX};
	uint64_t offset;

	for (unsigned i = 0; i < ARRAY_SIZE(outside); i++)
		cr_assert_null(symbols_find(&table, outside[i], &offset));
}

Test(symbols, an_empty_table_knows_nothing)
{
	const struct symbols none = {.nb = 0};
	uint64_t offset;

	cr_assert_null(symbols_find(&none, 0x100000, &offset));
}

Test(symbols, names_that_are_missing_or_not_ended_are_not_read)
{
	struct symbols cut = table;
	uint64_t offset;

	cut.names_bytes = sizeof("start\0one_byte"); /* with its 0, without the next name */
	cr_assert_str_eq(symbols_find(&cut, 0x100010, &offset), "one_byte");
	cr_assert_null(symbols_find(&cut, 0x100011, &offset));
	cr_assert_null(symbols_find(&cut, 0x100400, &offset));
	cut.names_bytes -= 1;
	cr_assert_null(symbols_find(&cut, 0x100010, &offset));

	char *one = malloc(1); /* so that AddressSanitizer sees a read behind it */

	*one = '\0';
	cut.names = one;
	cut.names_bytes = 1;
	cr_assert_null(symbols_find(&cut, 0x100400, &offset));
	free(one);
}
