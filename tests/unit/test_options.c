/* kernel/options*.c: what is accepted, which of two values wins, and the error texts. */
#include "kernel/errno.h"
#include "kernel/main.h"
#include "kernel/options.h"
#include "tests/unit/plat_test.h"
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static bool even_length(const char *value)
{
	return strlen(value) % 2 == 0;
}

static const struct option table[] = {
    {.key = "app", .kind = OPTION_WORD, .allowed = "echo testpmd", .fallback = "echo"},
    {.key = "log", .kind = OPTION_TEXT, .allowed = "an even text", .check = even_length},
    {.key = "free", .kind = OPTION_TEXT},
    {.key = "big", .kind = OPTION_UINT},
};

static const struct option net_table[] = {
    {.key = "net.rxd", .kind = OPTION_UINT, .min = 1, .max = 32768},
    {.key = "net.mtu", .kind = OPTION_UINT, .min = 68, .max = 9714, .fallback = "1500"},
    {.key = "net.promisc", .kind = OPTION_BOOL, .fallback = "0"},
    {.key = "net.mac", .kind = OPTION_MAC},
    {.key = "net.gw", .kind = OPTION_IP4},
    {.key = "net.ip", .kind = OPTION_IP4_NET, .allowed = "dhcp off", .fallback = "dhcp"},
    {.key = "net.rx_offloads", .kind = OPTION_LIST, .allowed = "off csum vlan_strip lro"},
};

static void declare(void)
{
	options_declare(table, ARRAY_SIZE(table));
	options_declare(net_table, ARRAY_SIZE(net_table));
}

TestSuite(options, .init = declare);

static unsigned parse(const char *line)
{
	return options_parse(line, "command line");
}

/* The error lines, without time stamps, behind one parse of @line. */
static void assert_error(const char *line, const char *text)
{
	char expected[1024];

	plat_test_clear();
	cr_assert_eq(parse(line), 1, "%s", line);
	snprintf(expected, sizeof(expected), "[    0.000000] options: error: command line: %s\r\n",
	         text);
	cr_assert_str_eq(plat_test_output(), expected);
}

static void assert_good(const char *line)
{
	plat_test_clear();
	cr_assert_eq(parse(line), 0, "%s", line);
	cr_assert_str_empty(plat_test_output());
}

/* ---- values ------------------------------------------------------------------------------- */

Test(options, what_is_not_given_has_its_fallback)
{
	cr_assert_str_eq(options_get("app"), "echo");
	cr_assert_null(options_get("log"));
	cr_assert_eq(options_port_u64("net.mtu", 3), 1500);
	cr_assert_eq(options_u64("big"), 0);
	cr_assert_not(options_given("net.mtu", 0));
}

Test(options, words_are_separated_by_any_blanks)
{
	assert_good("  app=testpmd\tnet.mtu=9000 \r\n net.promisc=1  ");
	cr_assert_str_eq(options_get("app"), "testpmd");
	cr_assert_eq(options_port_u64("net.mtu", 0), 9000);
	cr_assert_eq(options_port_u64("net.promisc", 0), 1);
}

Test(options, nothing_is_fine)
{
	assert_good("");
	assert_good("   ");
}

Test(options, the_later_of_two_wins)
{
	assert_good("app=testpmd app=echo net.mtu=1000");
	cr_assert_str_eq(options_get("app"), "echo");
	cr_assert_eq(options_parse("net.mtu=2000", "fw_cfg"), 0);
	cr_assert_eq(options_port_u64("net.mtu", 0), 2000);
}

Test(options, a_port_s_own_value_wins_wherever_it_stands)
{
	assert_good("net1.mtu=1000 net.mtu=2000");
	cr_assert_eq(options_port_u64("net.mtu", 0), 2000);
	cr_assert_eq(options_port_u64("net.mtu", 1), 1000);
	cr_assert_eq(options_port_u64("net.mtu", 2), 2000);
	cr_assert_eq(options_u64("net.mtu"), 2000);
}

Test(options, given_tells_ports_apart)
{
	assert_good("net1.mtu=1000");
	cr_assert(options_given("net.mtu", 1));
	cr_assert_not(options_given("net.mtu", 0));
	assert_good("net.mtu=1000");
	cr_assert(options_given("net.mtu", 0));
}

Test(options, the_last_port_is_63)
{
	assert_good("net63.mtu=1000");
	cr_assert_eq(options_port_u64("net.mtu", 63), 1000);
	assert_error("net64.mtu=1000", "\"net64.mtu=1000\": no such port; allowed: net0 to net63");
	assert_error("net99999999999999999999.mtu=1000",
	             "\"net99999999999999999999.mtu=1000\": no such port; allowed: net0 to net63");
}

Test(options, good_words_count_beside_bad_ones)
{
	cr_assert_eq(parse("app=testpmd net.mtu=x big=7 nonsense=1"), 2);
	cr_assert_str_eq(options_get("app"), "testpmd");
	cr_assert_eq(options_u64("big"), 7);
	cr_assert_eq(options_port_u64("net.mtu", 0), 1500);
}

Test(options, a_bad_value_leaves_the_earlier_one)
{
	assert_good("net.mtu=1000");
	parse("net.mtu=1000000");
	cr_assert_eq(options_port_u64("net.mtu", 0), 1000);
}

Test(options, a_value_may_hold_an_equals_sign_and_quotes)
{
	assert_good("free=a=b\"c'");
	cr_assert_str_eq(options_get("free"), "a=b\"c'");
}

/* ---- the kinds ---------------------------------------------------------------------------- */

static char good_words[][64] = {
    "app=echo",
    "net.rxd=1",
    "net.rxd=32768",
    "net.rxd=0x100",
    "net.rxd=0X1F",
    "net.rxd=007",
    "big=18446744073709551615",
    "big=0xffffffffffffffff",
    "big=0",
    "net.promisc=0",
    "net.promisc=1",
    "net.mac=52:54:00:12:34:56",
    "net.mac=02:AB:cd:EF:00:00",
    "net.gw=10.0.2.2",
    "net.gw=255.255.255.255",
    "net.ip=10.0.2.15/24",
    "net.ip=10.0.2.254/31",
    "net.ip=10.0.2.0/31",
    "net.ip=10.0.2.255/32",
    "net.ip=10.0.2.0/16",
    "net.ip=dhcp",
    "net.ip=off",
    "net.rx_offloads=csum",
    "net.rx_offloads=lro,csum,csum",
    "net.rx_offloads=off",
    "log=xx",
    "log=",
    "free=",
    "net0.ip=off",
};

ParameterizedTestParameters(options, good_values_are_taken)
{
	return cr_make_param_array(char[64], good_words, ARRAY_SIZE(good_words));
}

ParameterizedTest(char word[64], options, good_values_are_taken)
{
	assert_good(word);
}

static char bad_words[][64] = {
    "app=ech",
    "app=echoo",
    "app=",
    "app=echo,testpmd",
    "net.rxd=0",
    "net.rxd=32769",
    "net.rxd=",
    "net.rxd=0x",
    "net.rxd=-1",
    "net.rxd=+1",
    "net.rxd=1k",
    "net.rxd=1.0",
    "net.rxd=0xg",
    "net.rxd=ff",
    "net.rxd=1a",
    "big=",
    "big=0x",
    "net.rxd=4294967297",
    "big=18446744073709551616",
    "big=0x10000000000000000",
    "big=99999999999999999999999999",
    "net.promisc=2",
    "net.promisc=yes",
    "net.promisc=00",
    "net.promisc=",
    "net.mac=52:54:00:12:34",
    "net.mac=52:54:00:12:34:56:78",
    "net.mac=52:54:00:12:34:5",
    "net.mac=52:54:00:12:34:5g",
    "net.mac=52-54-00-12-34-56",
    "net.mac=525400123456",
    "net.mac=01:00:5e:00:00:01",
    "net.mac=ff:ff:ff:ff:ff:ff",
    "net.mac=00:00:00:00:00:00",
    "net.mac=",
    "net.gw=10.0.2",
    "net.gw=10.0.2.256",
    "net.gw=10.0.2.2.2",
    "net.gw=10.0.2.2/24",
    "net.gw=10..2.2",
    "net.gw=10.0.2.",
    "net.gw=0010.0.2.2",
    "net.gw=dhcp",
    "net.ip=10.0.2.15",
    "net.ip=10.0.2.15/",
    "net.ip=10.0.2.15/33",
    "net.ip=10.0.2.15/0",
    "net.ip=10.0.2.15/24x",
    "net.ip=10.0.2.0/24",
    "net.ip=10.0.2.255/24",
    "net.ip=10.0.2.0/30",
    "net.ip=127.0.0.1/8",
    "net.ip=224.0.0.1/24",
    "net.ip=255.255.255.255/32",
    "net.ip=0.0.0.0/24",
    "net.ip=DHCP",
    "net.rx_offloads=",
    "net.rx_offloads=csum,",
    "net.rx_offloads=,csum",
    "net.rx_offloads=csum,,lro",
    "net.rx_offloads=csum,tso",
    "net.rx_offloads=csum lro",
    "log=odd",
    "net.=1",
    "net0.=1",
    "net0=1",
    "netx.mtu=1500",
    "net0mtu=1500",
    "net0.app=echo",
    "=1",
    "=",
};

ParameterizedTestParameters(options, bad_values_are_refused)
{
	return cr_make_param_array(char[64], bad_words, ARRAY_SIZE(bad_words));
}

ParameterizedTest(char word[64], options, bad_values_are_refused)
{
	cr_assert_eq(parse(word), 1, "%s", word);
	cr_assert_not_null(strstr(plat_test_output(), "options: error: command line: "));
	cr_assert_not(options_given("net.rxd", 0));
}

/* ---- error texts -------------------------------------------------------------------------- */

Test(options, an_unknown_key_names_the_nearest)
{
	assert_error("net.mtuu=1500",
	             "unknown key \"net.mtuu\" in \"net.mtuu=1500\"; did you mean \"net.mtu\"?");
	assert_error("ap=echo", "unknown key \"ap\" in \"ap=echo\"; did you mean \"app\"?");
}

Test(options, the_nearest_key_keeps_the_port)
{
	assert_error("net2.promsic=1",
	             "unknown key \"net2.promsic\" in \"net2.promsic=1\"; did you mean "
	             "\"net2.promisc\"?");
}

Test(options, a_bad_value_says_what_is_allowed)
{
	assert_error("net.rxd=banana", "\"net.rxd=banana\": not a number; allowed: 1..32768");
	assert_error("net3.rxd=0", "\"net3.rxd=0\": out of range; allowed: 1..32768");
	assert_error("big=x", "\"big=x\": not a number; allowed: a number from 0");
	assert_error("app=ecko", "\"app=ecko\": not an allowed word; allowed: echo testpmd");
	assert_error("net.promisc=on", "\"net.promisc=on\": neither 0 nor 1; allowed: 0 1");
	assert_error("net.ip=10.0.2.15", "\"net.ip=10.0.2.15\": the prefix length is missing; "
	                                 "allowed: A.B.C.D/len or dhcp off");
	assert_error("net.gw=x", "\"net.gw=x\": not an IPv4 address; allowed: A.B.C.D");
	assert_error("net.rx_offloads=tso", "\"net.rx_offloads=tso\": not a list of allowed words; "
	                                    "allowed: off csum vlan_strip lro");
	assert_error("log=odd", "\"log=odd\": not understood; allowed: an even text");
	assert_error(
	    "net.mac=x",
	    "\"net.mac=x\": not a MAC address; allowed: xx:xx:xx:xx:xx:xx, of one station");
}

Test(options, a_word_without_a_value_is_an_error)
{
	assert_error("app=echo quiet",
	             "\"quiet\": not of the form key=value; did you mean \"free=\"?");
	assert_error("net.rxd", "\"net.rxd\": no value; allowed: 1..32768");
}

static void assert_skipped(const char *line, const char *rest)
{
	cr_assert_str_eq(options_skip_path(line), rest, "%s", line);
}

Test(options, a_boot_loader_s_path_in_front_is_skipped)
{
	assert_skipped("/boot/ringzero app=echo", " app=echo");
	assert_skipped("\\EFI\\BOOT\\X app=echo", " app=echo");
	assert_skipped("(hd0,gpt1)/ringzero\tapp=echo", "\tapp=echo");
	assert_skipped("  BOOTX64.EFI app=echo", " app=echo");
	assert_skipped("ringzero.elf", "");
	assert_skipped("bootx64.efi", "");
}

Test(options, what_is_no_path_in_front_is_kept)
{
	static const char *const lines[] = {"",          "app=echo /boot/ringzero.elf",
	                                    "app=x.elf", "net.ip:10.0.0.1/24 app=echo",
	                                    "kernel",    "/dev=1",
	                                    "elf"};

	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++)
		assert_skipped(lines[i], lines[i]);
}

Test(options, a_path_is_a_bad_word)
{
	cr_assert_eq(parse("/boot/ringzero.elf app=echo"), 1);
	cr_assert_eq(parse("net.ip:10.0.0.1/24"), 1);
}

Test(options, bad_words_are_told_of_as_it_was_asked_for)
{
	options_report_as(OPTIONS_REPORT_NOTHING);
	cr_assert_eq(parse("quiet"), 1);
	cr_assert_str_empty(plat_test_output());
	options_report_as(OPTIONS_REPORT_WARNING);
	cr_assert_eq(parse("quiet"), 1);
	cr_assert_not_null(strstr(plat_test_output(), "options: warning: command line: \"quiet\""));
	cr_assert_null(strstr(plat_test_output(), "error"));
}

Test(options, a_value_too_long_is_refused_whole)
{
	char word[256] = "free=";

	memset(word + 5, 'x', OPTIONS_VALUE_LEN);
	word[5 + OPTIONS_VALUE_LEN] = '\0';
	cr_assert_eq(parse(word), 1);
	cr_assert_not_null(strstr(plat_test_output(), "the value is 128 bytes long; allowed: 127"));
	cr_assert_not(options_given("free", 0));
	word[4 + OPTIONS_VALUE_LEN] = '\0';
	assert_good(word);
	cr_assert_eq(strlen(options_get("free")), OPTIONS_VALUE_LEN - 1);
}

Test(options, a_very_long_word_is_shown_in_part)
{
	char line[BOOT_CMDLINE_LEN + 1];

	memset(line, 'k', BOOT_CMDLINE_LEN);
	line[BOOT_CMDLINE_LEN] = '\0';
	cr_assert_eq(parse(line), 1);
	cr_assert_lt(strlen(plat_test_output()), 400);
	cr_assert_not_null(strstr(plat_test_output(), "kkk...\""));
	line[1000] = '=';
	plat_test_clear();
	cr_assert_eq(parse(line), 1);
	cr_assert_lt(strlen(plat_test_output()), 500);
}

Test(options, a_line_too_long_is_refused_whole)
{
	static char line[BOOT_CMDLINE_LEN + 100] = "app=testpmd ";

	memset(line + 12, ' ', sizeof(line) - 13);
	assert_error(line, "the line is too long, nothing of it is used; allowed: 2048 bytes");
	cr_assert_str_eq(options_get("app"), "echo");
	line[BOOT_CMDLINE_LEN] = '\0';
	assert_good(line);
	cr_assert_str_eq(options_get("app"), "testpmd");
}

Test(options, more_than_128_different_options_are_refused)
{
	char word[64];

	for (unsigned i = 0; i < OPTIONS_VALUES_MAX; i++) {
		snprintf(word, sizeof(word), "net%u.%s", i % 64, i < 64 ? "mtu=1000" : "rxd=64");
		assert_good(word);
	}
	assert_error("app=testpmd", "\"app=testpmd\": one option too many; allowed: 128");
	assert_good("net5.mtu=2000");
	cr_assert_eq(options_port_u64("net.mtu", 5), 2000, "a known one takes no new entry");
}

Test(options, control_characters_in_a_word_do_not_reach_the_terminal)
{
	cr_assert_eq(parse("\x1b[2Japp=echo"), 1);
	cr_assert_null(strchr(plat_test_output(), '\x1b'));
}

/* ---- parsing for owners of keys ----------------------------------------------------------- */

Test(options, ip4_gives_network_order_and_prefix)
{
	static const uint8_t wire[4] = {10, 0, 2, 15};
	uint32_t addr;
	unsigned prefix;

	cr_assert_eq(options_ip4("10.0.2.15/24", &addr, &prefix), 0);
	cr_assert_arr_eq(&addr, wire, 4);
	cr_assert_eq(prefix, 24);
	cr_assert_eq(options_ip4("10.0.2.15", &addr, &prefix), 0);
	cr_assert_eq(prefix, 32);
	cr_assert_eq(options_ip4("10.0.2.15/", &addr, &prefix), -EINVAL);
}

Test(options, mac_gives_six_bytes)
{
	static const uint8_t wire[6] = {0x52, 0x54, 0, 0x12, 0xAB, 0xcd};
	uint8_t mac[6];

	cr_assert_eq(options_mac("52:54:00:12:ab:CD", mac), 0);
	cr_assert_arr_eq(mac, wire, 6);
	cr_assert_eq(options_mac("52:54:00:12:ab:CD ", mac), -EINVAL);
}

Test(options, print_shows_values_and_what_is_allowed)
{
	assert_good("app=testpmd net12.mtu=2000");
	options_print();
	cr_assert_not_null(strstr(plat_test_output(), "testpmd"));
	cr_assert_not_null(strstr(plat_test_output(), "allowed: 68..9714"));
	cr_assert_not_null(strstr(plat_test_output(), "net12.mtu            2000\r\n"));
}

/* ---- our own mistakes --------------------------------------------------------------------- */

Test(options, asking_for_an_undeclared_key_panics, .signal = SIGABRT)
{
	options_get("net.undeclared");
}

Test(options, declaring_a_key_twice_panics, .signal = SIGABRT)
{
	options_declare(table, 1);
}
