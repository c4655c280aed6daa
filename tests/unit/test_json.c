/* kernel/json.c: lines that are valid JSON whatever the values are. */
#include "kernel/json.h"
#include "tests/unit/plat_test.h"
#include <criterion/criterion.h>
#include <string.h>

Test(json, the_ready_line_is_as_documented)
{
	struct json j;

	json_begin(&j, "ready");
	json_string(&j, "app", "echo");
	json_u64(&j, "boot_us", 12345);
	json_end(&j);
	cr_assert_str_eq(plat_test_output(),
	                 "{\"type\":\"ready\",\"app\":\"echo\",\"boot_us\":12345}\r\n");
}

Test(json, objects_and_arrays_nest_with_the_right_commas)
{
	struct json j;

	json_begin(&j, "port");
	json_array_begin(&j, "features");
	json_array_string(&j, "A");
	json_array_string(&j, "B");
	json_array_end(&j);
	json_object_begin(&j, "msix");
	json_u64(&j, "vectors", 3);
	json_array_begin(&j, "rx");
	json_array_u64(&j, 1);
	json_array_u64(&j, UINT64_MAX);
	json_array_end(&j);
	json_object_end(&j);
	json_array_begin(&j, "none");
	json_array_end(&j);
	json_object_begin(&j, "empty");
	json_object_end(&j);
	json_u64(&j, "last", 0);
	json_end(&j);
	cr_assert_str_eq(
	    plat_test_output(),
	    "{\"type\":\"port\",\"features\":[\"A\",\"B\"],\"msix\":{\"vectors\":3,"
	    "\"rx\":[1,18446744073709551615]},\"none\":[],\"empty\":{},\"last\":0}\r\n");
}

Test(json, quotes_backslashes_and_control_characters_are_escaped)
{
	struct json j;

	json_begin(&j, "x");
	json_string(&j, "k", "a\"b\\c\nd\te\x01\x7f\xffg");
	json_end(&j);
	cr_assert_str_eq(plat_test_output(), "{\"type\":\"x\",\"k\":\"a\\\"b\\\\c\\nd\\te\\u0001"
	                                     "\\u007f\\u00ffg\"}\r\n");
}

static void begin_with_filler(struct json *j, size_t n)
{
	char text[JSON_LINE_MAX + 1];

	memset(text, 'x', n);
	text[n] = '\0';
	json_begin(j, "big");
	json_string(j, "k", text);
}

Test(json, a_line_that_just_fits_is_printed)
{
	const size_t frame = strlen("{\"type\":\"big\",\"k\":\"\"}\n");
	struct json j;

	begin_with_filler(&j, JSON_LINE_MAX - frame);
	json_end(&j);
	cr_assert_not(j.overflow);
	cr_assert_eq(strlen(plat_test_output()), (size_t)JSON_LINE_MAX + 1);
}

Test(json, a_line_that_does_not_fit_becomes_an_error_line)
{
	const size_t frame = strlen("{\"type\":\"big\",\"k\":\"\"}\n");
	struct json j;

	begin_with_filler(&j, JSON_LINE_MAX - frame + 1);
	json_end(&j);
	cr_assert_str_eq(plat_test_output(),
	                 "{\"type\":\"error\",\"what\":\"json\",\"detail\":\"a line of type big is "
	                 "longer than 2048 bytes\"}\r\n");
}

Test(json, members_behind_an_overflow_do_not_mend_the_line)
{
	struct json j;

	begin_with_filler(&j, JSON_LINE_MAX);
	json_u64(&j, "a", 1);
	json_end(&j);
	cr_assert_null(strstr(plat_test_output(), "\"a\":1"));
	cr_assert_not_null(strstr(plat_test_output(), "\"type\":\"error\""));
}
