/* kernel/fmt.c against the C library's snprintf(), and at the edges of the buffer. */
#include "kernel/fmt.h"
#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define OURS_AND_LIBC(...)                                                                         \
	do {                                                                                       \
		char ours[256], libc[256];                                                         \
		const size_t n = fmt_buf(ours, sizeof(ours), __VA_ARGS__);                         \
		const int m = snprintf(libc, sizeof(libc), __VA_ARGS__);                           \
                                                                                                   \
		cr_expect_str_eq(ours, libc);                                                      \
		cr_expect_eq(n, (size_t)m);                                                        \
	} while (0)

Test(fmt, prints_integers_of_every_length)
{
	OURS_AND_LIBC("%d %i %u", -1, INT_MIN, UINT_MAX);
	OURS_AND_LIBC("%hhd %hhu %hd %hu", (signed char)-128, (unsigned char)255, (short)-32768,
	              (unsigned short)65535);
	OURS_AND_LIBC("%ld %lu %lld %llu", LONG_MIN, ULONG_MAX, LLONG_MIN, ULLONG_MAX);
	OURS_AND_LIBC("%zu %zd %ju %jd", SIZE_MAX, (ssize_t)-5, UINTMAX_MAX, INTMAX_MIN);
	OURS_AND_LIBC("%x %X %lx %#x %#X %#x", 0xdeadbeef, 0xdeadbeef, ULONG_MAX, 255, 255, 0);
}

Test(fmt, cuts_arguments_to_the_length_modifier)
{
	volatile int wide = 0x12345;
	char buf[32];

	fmt_buf(buf, sizeof(buf), "%hhd %hhx %hd %hx", wide, wide, wide, wide);
	cr_assert_str_eq(buf, "69 45 9029 2345");
}

Test(fmt, pads_to_the_width_with_each_flag)
{
	OURS_AND_LIBC("|%5d|%-5d|%05d|%+d|% d|%+5d|%-+5d|", 42, 42, 42, 42, 42, 42, 42);
	OURS_AND_LIBC("|%5d|%-5d|%05d|%+d|% d|", -42, -42, -42, -42, -42);
	OURS_AND_LIBC("|%8x|%08x|%-8x|%#08x|%#8x|", 0xbeef, 0xbeef, 0xbeef, 0xbeef, 0xbeef);
	OURS_AND_LIBC("|%*d|%*d|%0*d|", 6, 1, -6, 1, 6, 1);
	OURS_AND_LIBC("|%0*d|%0*x|", -6, 1, -6, 1);
	OURS_AND_LIBC("|%2d|%1x|", 12345, 0x12345);
	OURS_AND_LIBC("[%5u.%06u]", 0u, 12345u);
}

Test(fmt, honours_the_precision_of_numbers)
{
	OURS_AND_LIBC("|%.5d|%.0d|%.0d|%8.3d|%-8.3d|%.3d|", 42, 0, 7, 5, 5, -5);
	OURS_AND_LIBC("|%8.4x|%.*d|%.*d|", 0xab, 4, 9, -1, 9);
}

Test(fmt, honours_width_and_precision_of_strings)
{
	OURS_AND_LIBC("|%s|%8s|%-8s|%.2s|%8.2s|%-8.2s|%.0s|", "text", "text", "text", "text",
	              "text", "text", "text");
	OURS_AND_LIBC("|%c|%3c|%-3c|%%|", 'x', 'y', 'z');
}

Test(fmt, reads_no_further_than_the_precision)
{
	const char raw[3] = {'a', 'b', 'c'}; /* not terminated: the sanitizer watches */
	char buf[8];

	fmt_buf(buf, sizeof(buf), "%.3s", raw);
	cr_assert_str_eq(buf, "abc");
}

Test(fmt, names_a_null_string)
{
	const char *volatile nothing = NULL;
	char buf[16];

	fmt_buf(buf, sizeof(buf), "<%s>", nothing);
	cr_assert_str_eq(buf, "<(null)>");
}

Test(fmt, prints_pointers_in_hex)
{
	char buf[32];

	fmt_buf(buf, sizeof(buf), "%p|%12p|%p", (void *)0x1234, (void *)0xab, (void *)0);
	cr_assert_str_eq(buf, "0x1234|        0xab|0x0");
}

Test(fmt, cuts_and_terminates_what_does_not_fit)
{
	char buf[8] = "zzzzzzz";

	cr_assert_eq(fmt_buf(buf, 4, "%s", "abcdef"), 6);
	cr_assert_str_eq(buf, "abc");
	cr_assert_eq(buf[4], 'z', "a byte behind the buffer was written");

	cr_assert_eq(fmt_buf(buf, 1, "%d", 1234), 4);
	cr_assert_str_eq(buf, "");

	cr_assert_eq(fmt_buf(buf, 7, "%s", "abcdef"), 6);
	cr_assert_str_eq(buf, "abcdef");
}

Test(fmt, writes_nothing_into_a_buffer_of_size_zero)
{
	cr_assert_eq(fmt_buf(NULL, 0, "%s %d", "abc", 12), 6);
}

Test(fmt, keeps_an_unknown_conversion_and_stops_at_a_lone_percent)
{
	const char *volatile unknown = "a%qb%";
	char buf[16];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
	fmt_buf(buf, sizeof(buf), unknown);
#pragma GCC diagnostic pop
	cr_assert_str_eq(buf, "a%qb");
}
