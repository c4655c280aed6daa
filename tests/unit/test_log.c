/* kernel/log.c: what a line looks like, which lines are let through, and what cannot break one. */
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/console.h"
#include "tests/unit/plat_test.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

Test(log, a_line_has_time_subsystem_and_text)
{
	plat_test_time_ns = 1912345678;
	log_info("virtio_net", "port %d", 0);
	cr_assert_str_eq(plat_test_output(), "[    1.912345] virtio_net: port 0\r\n");
}

Test(log, seconds_grow_beyond_five_digits)
{
	plat_test_time_ns = UINT64_C(123456000007000);
	log_info("a", "b");
	cr_assert_str_eq(plat_test_output(), "[123456.000007] a: b\r\n");
}

Test(log, errors_and_warnings_are_marked)
{
	log_err("pci", "x");
	log_warn("pci", "y");
	cr_assert_str_eq(plat_test_output(), "[    0.000000] pci: error: x\r\n"
	                                     "[    0.000000] pci: warning: y\r\n");
}

Test(log, debug_is_silent_until_asked_for)
{
	log_debug("pci", "x");
	cr_assert_str_empty(plat_test_output());
	cr_assert_eq(log_set_levels("debug"), 0);
	log_debug("pci", "x");
	cr_assert_str_eq(plat_test_output(), "[    0.000000] pci: x\r\n");
}

Test(log, levels_of_subsystems_win_over_the_common_one)
{
	cr_assert_eq(log_set_levels("warn,pci:debug,net:error"), 0);
	cr_assert(log_enabled(LOG_DEBUG, "pci"));
	cr_assert_not(log_enabled(LOG_WARN, "net"));
	cr_assert(log_enabled(LOG_ERROR, "net"));
	cr_assert(log_enabled(LOG_WARN, "memory"));
	cr_assert_not(log_enabled(LOG_INFO, "memory"));
}

Test(log, of_two_levels_for_a_subsystem_the_later_wins)
{
	cr_assert_eq(log_set_levels("pci:debug,pci:warn"), 0);
	cr_assert_not(log_enabled(LOG_INFO, "pci"));
}

Test(log, setting_levels_forgets_earlier_ones)
{
	cr_assert_eq(log_set_levels("debug,pci:error"), 0);
	cr_assert_eq(log_set_levels("net:debug"), 0);
	cr_assert(log_enabled(LOG_INFO, "pci"));
	cr_assert_not(log_enabled(LOG_DEBUG, "pci"));
}

Test(log, a_bad_specification_changes_nothing)
{
	static const char *const bad[] = {"",
	                                  "loud",
	                                  "pci:",
	                                  ":debug",
	                                  "debug,,pci:info",
	                                  "debug,",
	                                  "pci:debug:x",
	                                  "a_subsystem_of_24_letters:info"};

	cr_assert_eq(log_set_levels("warn"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cr_assert_eq(log_set_levels(bad[i]), -EINVAL, "%s", bad[i]);
		cr_assert_not(log_levels_valid(bad[i]), "%s", bad[i]);
	}
	cr_assert_not(log_enabled(LOG_INFO, "pci"));
	cr_assert(log_enabled(LOG_WARN, "pci"));
}

/* "s0:debug,s1:debug,..." of @n subsystems, then @more. */
static const char *spec_of(unsigned n, const char *more)
{
	static char spec[1024];
	size_t len = 0;

	for (unsigned i = 0; i < n; i++)
		len += (size_t)snprintf(spec + len, sizeof(spec) - len, "s%u:debug,", i);
	snprintf(spec + len, sizeof(spec) - len, "%s", more);
	return spec;
}

Test(log, the_table_of_subsystems_has_32_entries)
{
	cr_assert_eq(log_set_levels(spec_of(32, "info")), 0);
	cr_assert(log_enabled(LOG_DEBUG, "s31"));
	cr_assert_eq(log_set_levels(spec_of(32, "s0:info")), 0, "a known one takes no new entry");
	cr_assert_eq(log_set_levels(spec_of(32, "s32:info")), -EINVAL);
}

Test(log, long_lines_are_cut_and_marked)
{
	char text[3000];
	size_t len;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_info("a", "%s", text);
	len = strlen(plat_test_output());
	cr_assert_eq(len, 1024);
	cr_assert_str_eq(plat_test_output() + len - 6, "x...\r\n");
}

Test(log, control_characters_cannot_forge_a_line)
{
	log_info("dhcp", "name %s", "evil\n[    9.000000] pci: ok\x1b[2J\xff");
	cr_assert_str_eq(plat_test_output(),
	                 "[    0.000000] dhcp: name evil?[    9.000000] pci: ok?[2J?\r\n");
}

Test(log, errors_are_json_lines_too_when_asked)
{
	log_set_json(true);
	cr_assert(log_json());
	log_err("pci", "bad \"bar\"");
	log_warn("pci", "x");
	cr_assert_str_eq(plat_test_output(),
	                 "{\"type\":\"error\",\"what\":\"pci\",\"detail\":\"bad \\\"bar\\\"\"}\r\n"
	                 "[    0.000000] pci: error: bad \"bar\"\r\n"
	                 "[    0.000000] pci: warning: x\r\n");
}

Test(log, errors_are_let_through_at_every_level)
{

	cr_assert_eq(log_set_levels("error"), 0);
	log_err("pci", "x");
	cr_assert_str_not_empty(plat_test_output());
}

Test(log, what_is_no_mere_information_is_out_at_once)
{
	console_hold();
	log_info("x", "first");
	cr_assert_null(strstr(plat_test_output(), "first"));
	log_warn("x", "second");
	cr_assert_not_null(strstr(plat_test_output(), "first"));
	cr_assert_not_null(strstr(plat_test_output(), "second"));
}
