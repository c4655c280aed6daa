/* kernel/console.c and console_input.c: waiting and not waiting, losing whole lines, commands. */
#include "kernel/console.h"
#include "kernel/plat.h"
#include "tests/unit/plat_test.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)

static void poll_many(unsigned n)
{
	while (n--)
		console_poll();
}

static void type(const char *text)
{
	plat_test_input(text);
	poll_many(64);
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

/* ---- output ------------------------------------------------------------------------------- */

Test(console, newlines_get_a_carriage_return)
{
	console_write("a\nb\n\nc", 6);
	cr_assert_str_eq(plat_test_output(), "a\r\nb\r\n\r\nc");
}

Test(console, before_live_a_write_is_out_when_it_returns)
{
	plat_test_console_chunk = 1;
	console_printf("%s %d\n", "text", 5);
	cr_assert_str_eq(plat_test_output(), "text 5\r\n");
}

Test(console, held_text_waits_until_something_is_urgent)
{
	console_hold();
	console_printf("one\n");
	cr_assert_str_eq(plat_test_output(), "");
	console_urgent();
	cr_assert_str_eq(plat_test_output(), "one\r\n");
	console_printf("two\n");
	console_flush();
	cr_assert_str_eq(plat_test_output(), "one\r\ntwo\r\n");
}

Test(console, held_text_longer_than_the_ring_is_whole)
{
	static char text[3 * CONSOLE_RING];

	memset(text, 'a', sizeof(text));
	console_hold();
	plat_test_console_chunk = 100;
	console_write(text, sizeof(text));
	console_urgent();
	cr_assert_eq(strlen(plat_test_output()), sizeof(text));
}

Test(console, before_live_texts_longer_than_the_ring_are_whole)
{
	static char text[3 * CONSOLE_RING];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 61 == 60 ? '\n' : (char)('a' + i % 61 % 26);
	plat_test_console_chunk = 100;
	console_write(text, sizeof(text));
	cr_assert_eq(strlen(plat_test_output()), sizeof(text) + sizeof(text) / 61);
}

Test(console, before_live_a_dead_transmitter_costs_one_second_and_the_lines)
{
	plat_test_console_stalled = true;
	plat_test_time_step_ns = SECOND / 1000;
	console_write("first\n", 6);
	cr_assert_leq(plat_test_time_ns, SECOND + SECOND / 10);

	const uint64_t before = plat_test_time_ns;

	for (unsigned i = 0; i < 10000; i++)
		console_printf("line %u is too much\n", i);
	cr_assert_leq(plat_test_time_ns - before, 10000 * SECOND / 100,
	              "a transmitter known to be dead is not waited for again");

	plat_test_console_stalled = false;
	console_live();
	poll_many(10);
	cr_assert_not_null(strstr(plat_test_output(), "first\r\nline 0 is"));
	cr_assert_eq(count(plat_test_output(), "console: "), 1);
}

Test(console, a_wait_ends_also_when_the_clock_stands)
{
	plat_test_console_stalled = true;
	console_write("first\n", 6);
	console_flush();
	cr_assert_eq(plat_test_time_ns, 0);
}

Test(console, when_live_nobody_waits)
{
	console_live();
	plat_test_console_stalled = true;
	plat_test_time_step_ns = 1;
	for (unsigned i = 0; i < 10000; i++)
		console_printf("line %u\n", i);
	cr_assert_eq(plat_test_time_ns, 0, "the clock was not even asked");
	cr_assert_eq(plat_test_console_writes, 0);
}

Test(console, when_live_lines_are_lost_whole_and_counted)
{
	unsigned sent = 0, seen, lost = 0;
	const char *note;

	console_live();
	plat_test_console_stalled = true;
	for (; sent < 2000; sent++)
		console_printf("<line %u>\n", sent);
	plat_test_console_stalled = false;
	poll_many(10);
	console_printf("last\n");
	console_flush();

	seen = count(plat_test_output(), "<line ");
	cr_assert_eq(count(plat_test_output(), ">\r\n"), seen, "no line is cut");
	note = strstr(plat_test_output(), "console: ");
	cr_assert_not_null(note);
	cr_assert_eq(sscanf(note, "console: %u lines lost", &lost), 1);
	cr_assert_eq(seen + lost, sent);
	cr_assert_eq(count(plat_test_output(), "lines lost"), 1);
	cr_assert_not_null(strstr(note, "lines lost\r\nlast\r\n"),
	                   "the note stands where lines lack");
}

Test(console, a_short_line_does_not_slip_in_where_longer_ones_were_lost)
{
	char line[1023];

	memset(line, '.', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	console_live();
	plat_test_console_stalled = true;
	for (unsigned i = 0; i < 15; i++)
		console_write(line, sizeof(line));
	console_write(line + 10, sizeof(line) - 10);
	console_write(line, sizeof(line));
	console_write("x\n", 2); /* would fit into the 10 bytes, but the note would not */
	plat_test_console_stalled = false;
	poll_many(10);
	console_flush();
	cr_assert_null(strchr(plat_test_output(), 'x'));
	cr_assert_not_null(strstr(plat_test_output(), "console: 2 lines lost\r\n"));
}

Test(console, the_note_about_lost_lines_waits_for_half_of_the_ring)
{
	console_live();
	plat_test_console_stalled = true;
	for (unsigned i = 0; i < 2000; i++)
		console_printf("line %u\n", i);
	plat_test_console_stalled = false;
	plat_test_console_chunk = 256;
	poll_many(4);
	cr_assert_gt(strlen(plat_test_output()), 0);
	poll_many(3);
	console_flush();
	cr_assert_null(strstr(plat_test_output(), "lines lost"));
	poll_many(1);
	console_flush();
	cr_assert_not_null(strstr(plat_test_output(), "lines lost"));
}

Test(console, flush_brings_everything_out)
{
	console_live();
	plat_test_console_chunk = 3;
	console_printf("some text of more than three bytes\n");
	cr_assert_str_empty(plat_test_output());
	console_flush();
	cr_assert_str_eq(plat_test_output(), "some text of more than three bytes\r\n");
}

Test(console, a_poll_hands_over_a_bounded_amount)
{
	console_live();
	plat_test_console_chunk = 16;
	for (unsigned i = 0; i < 100; i++)
		console_printf("a line of some length\n");
	console_poll();
	cr_assert_leq(strlen(plat_test_output()), 64);
	cr_assert_gt(strlen(plat_test_output()), 0);
}

Test(console, an_idle_poll_rarely_touches_the_hardware)
{
	console_live();
	poll_many(6400);
	cr_assert_eq(plat_test_console_writes, 0);
	cr_assert_eq(plat_test_console_reads, 100);
}

Test(console, output_survives_many_turns_of_the_ring)
{
	console_live();
	plat_test_console_chunk = 37;
	for (unsigned i = 0; i < 10000; i++) {
		console_printf("%05u\n", i);
		console_poll();
	}
	console_flush();

	const char *out = plat_test_output();

	cr_assert_eq(strlen(out), 70000);
	for (unsigned i = 0; i < 10000; i++)
		cr_assert_eq((unsigned)atoi(out + 7 * i), i);
}

/* ---- commands ----------------------------------------------------------------------------- */

static char called[64], called_args[CONSOLE_LINE_MAX];
static unsigned calls;

static void call(const char *name, const char *args)
{
	snprintf(called, sizeof(called), "%s", name);
	snprintf(called_args, sizeof(called_args), "%s", args);
	calls++;
}

static void fn_show(const char *args)
{
	call("show", args);
}

static void fn_show_port(const char *args)
{
	call("show port", args);
}

static void fn_start(const char *args)
{
	call("start", args);
	poll_many(64);
}

static void fn_stop(const char *args)
{
	call("stop", args);
}

#define FLOOD_LINES 5000

static void fn_flood(const char *args)
{
	(void)args;
	for (unsigned i = 0; i < FLOOD_LINES; i++)
		console_printf("<line %u>\n", i);
}

static const struct console_command commands[] = {
    {"flood", "say a lot", fn_flood},
    {"show port stats", "counters", fn_show_port},
    {"show", "show things", fn_show},
    {"start", "start forwarding", fn_start},
};

static const struct console_command more_commands[] = {
    {"stop", "stop forwarding", fn_stop},
    {"halt", "halt things", fn_stop},
    {"halt port", "halt a port", fn_stop},
};

static void with_commands(void)
{
	console_add_commands(commands, ARRAY_SIZE(commands));
	console_add_commands(more_commands, ARRAY_SIZE(more_commands));
	console_live();
}

static void assert_called(const char *name, const char *args)
{
	cr_assert_eq(calls, 1);
	cr_assert_str_eq(called, name);
	cr_assert_str_eq(called_args, args);
}

Test(console, the_longest_name_that_matches_wins, .init = with_commands)
{
	type("show port stats all\r");
	assert_called("show port", "all");
}

Test(console, the_rest_of_the_line_is_the_argument, .init = with_commands)
{
	type("show port info\n");
	assert_called("show", "port info");
}

Test(console, a_name_ends_at_a_word, .init = with_commands)
{
	type("show port statsx\r");
	assert_called("show", "port statsx");
}

Test(console, blanks_do_not_matter, .init = with_commands)
{
	type("   show   port stats    0  \r\n");
	assert_called("show port", "0");
}

Test(console, empty_lines_are_nothing, .init = with_commands)
{
	type("\r\n\r\n   \n");
	cr_assert_eq(calls, 0);
	cr_assert_null(strstr(plat_test_output(), "error"));
}

Test(console, a_return_and_a_newline_are_one_end, .init = with_commands)
{
	type("stop\r\nshow\r\n");
	console_flush();
	cr_assert_eq(calls, 2);
	cr_assert_str_eq(plat_test_output(), "stop\r\nshow\r\n");
}

Test(console, two_lines_at_once_run_both, .init = with_commands)
{
	type("show\nstop now\n");
	cr_assert_eq(calls, 2);
	cr_assert_str_eq(called, "stop");
}

Test(console, typed_text_is_echoed_and_can_be_corrected, .init = with_commands)
{
	type("shox\bw\x7fw\r");
	console_flush();
	assert_called("show", "");
	cr_assert_str_eq(plat_test_output(), "shox\b \bw\b \bw\r\n");
}

Test(console, ctrl_u_erases_the_line, .init = with_commands)
{
	type("garbage\x15stop\r");
	assert_called("stop", "");
}

Test(console, backspace_stops_at_the_start, .init = with_commands)
{
	type("\b\b\x15\bstop\r");
	assert_called("stop", "");
}

Test(console, arrow_keys_do_not_end_up_in_the_line, .init = with_commands)
{
	type("st\x1b[A\x1bOBo\x1b[15~p\x01\r");
	assert_called("stop", "");
}

Test(console, a_line_too_long_takes_no_more_and_still_ends, .init = with_commands)
{
	char text[1000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "stop ", 5);
	type(text);
	type("");
	type("");
	type("");
	type("\r");
	cr_assert_eq(calls, 1);
	cr_assert_eq(strlen(called_args), CONSOLE_LINE_MAX - 1 - 5);
}

Test(console, an_unknown_command_names_the_nearest, .init = with_commands)
{
	type("shwo port stats all\r");
	console_flush();
	cr_assert_eq(calls, 0);
	cr_assert_not_null(
	    strstr(plat_test_output(),
	           "console: error: unknown command \"shwo port stats all\"; did you mean "
	           "\"show port stats\"? \"help\" lists all commands\r\n"));
}

Test(console, of_equally_near_commands_the_longest_is_named, .init = with_commands)
{
	type("hatl port 0\r");
	console_flush();
	cr_assert_not_null(strstr(plat_test_output(), "did you mean \"halt port\"?"));
}

Test(console, help_lists_all_commands, .init = with_commands)
{
	type("help\r");
	console_flush();
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
		cr_assert_not_null(strstr(plat_test_output(), commands[i].help));
	cr_assert_not_null(strstr(plat_test_output(), "stop forwarding\r\n"));
	cr_assert_not_null(strstr(plat_test_output(), "list the commands\r\n"));
}

Test(console, tab_completes_what_is_common, .init = with_commands)
{
	type("st\t");
	console_flush();
	cr_assert_str_eq(plat_test_output(), "st\a", "start and stop differ from here");
	type("o\t");
	console_flush();
	cr_assert_str_eq(plat_test_output(), "st\aop ");
	type("\r");
	assert_called("stop", "");
}

Test(console, tab_goes_on_as_far_as_all_agree, .init = with_commands)
{
	type("sh\t\t");
	console_flush();
	cr_assert_str_eq(plat_test_output(), "show\a");
	type(" \t");
	console_flush();
	cr_assert_str_eq(plat_test_output(), "show\a port stats ");
}

Test(console, tab_finds_nothing_for_an_unknown_word, .init = with_commands)
{
	type("xyz\t");
	console_flush();
	cr_assert_str_eq(plat_test_output(), "xyz\a");
}

Test(console, output_in_the_middle_of_typing_stands_alone_on_its_line, .init = with_commands)
{
	type("sto");
	console_printf("{\"type\":\"stats\"}\n");
	type("p\r");
	console_flush();
	cr_assert_str_eq(plat_test_output(), "sto\r\n{\"type\":\"stats\"}\r\nstop\r\n");
	assert_called("stop", "");
}

Test(console, an_erased_line_needs_no_line_of_its_own, .init = with_commands)
{
	type("x\b");
	console_printf("text\n");
	console_flush();
	cr_assert_str_eq(plat_test_output(), "x\b \btext\r\n");
}

Test(console, a_command_s_output_longer_than_the_ring_is_whole, .init = with_commands)
{
	plat_test_time_step_ns = 1000;
	plat_test_console_chunk = 16;
	type("flood\r");
	console_flush();
	cr_assert_eq(count(plat_test_output(), "<line "), FLOOD_LINES);
	cr_assert_null(strstr(plat_test_output(), "lost"));
}

Test(console, a_dead_transmitter_costs_a_command_one_second, .init = with_commands)
{
	plat_test_time_step_ns = SECOND / 1000;
	plat_test_console_stalled = true;
	type("flood\r");
	cr_assert_leq(plat_test_time_ns, SECOND * 11 / 10 + FLOOD_LINES * plat_test_time_step_ns);
	plat_test_time_ns = 0;
	console_printf("x\n");
	cr_assert_eq(plat_test_time_ns, 0, "behind the command nobody waits");
}

Test(console, a_command_that_polls_the_console_does_not_start_another, .init = with_commands)
{
	type("start\rstop\r");
	cr_assert_eq(calls, 2);
	cr_assert_str_eq(called, "stop", "stop ran after start, not inside it");
}

Test(console, too_many_tables_panic, .signal = SIGABRT)
{
	for (unsigned i = 0; i < 65; i++)
		console_add_commands(commands, ARRAY_SIZE(commands));
}
