/*
 * kernel/string.c, under other names beside the C library's, which is the reference: every length,
 * alignment and overlap up to a few blocks, and no byte outside touched.
 */
#define memcpy rz_memcpy
#define memmove rz_memmove
#define memset rz_memset
#define memcmp rz_memcmp
#define memchr rz_memchr
#define strlen rz_strlen
#define strnlen rz_strnlen
#define strcmp rz_strcmp
#define strncmp rz_strncmp
#define strchr rz_strchr
#define strrchr rz_strrchr
#include "kernel/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef memchr
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr
#undef strrchr

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define LEN_MAX 200
#define SPACE 512

static uint8_t expected[SPACE], actual[SPACE];

static void fill_both(unsigned seed)
{
	srand(seed);
	for (size_t i = 0; i < SPACE; i++)
		actual[i] = expected[i] = (uint8_t)rand();
}

static int sign(int v)
{
	return (v > 0) - (v < 0);
}

Test(string, memcpy_copies_every_length_at_every_alignment)
{
	for (size_t n = 0; n <= LEN_MAX; n++) {
		for (size_t skew = 0; skew < 64; skew++) {
			const size_t from = skew % 8, to = 256 + skew / 8;

			fill_both((unsigned)(n * 64 + skew));
			memcpy(expected + to, expected + from, n);
			cr_assert_eq(rz_memcpy(actual + to, actual + from, n), actual + to);
			cr_assert_arr_eq(actual, expected, SPACE, "n %zu skew %zu", n, skew);
		}
	}
}

Test(string, memmove_copies_every_overlap)
{
	for (size_t n = 0; n <= LEN_MAX; n++) {
		for (size_t to = 0; to <= 160; to++) {
			fill_both((unsigned)(n * 1000 + to));
			memmove(expected + to, expected + 80, n);
			cr_assert_eq(rz_memmove(actual + to, actual + 80, n), actual + to);
			cr_assert_arr_eq(actual, expected, SPACE, "n %zu to %zu", n, to);
		}
	}
}

Test(string, memset_fills_every_length_at_every_alignment)
{
	for (size_t n = 0; n <= LEN_MAX; n++) {
		for (size_t at = 64; at < 72; at++) {
			fill_both((unsigned)n);
			memset(expected + at, 0xa5, n);
			cr_assert_eq(rz_memset(actual + at, 0x1a5, n), actual + at);
			cr_assert_arr_eq(actual, expected, SPACE, "n %zu at %zu", n, at);
		}
	}
}

Test(string, memcmp_finds_the_first_difference)
{
	for (size_t n = 0; n <= 70; n++) {
		for (size_t at = 0; at < n; at++) {
			fill_both((unsigned)n);
			expected[at] ^= 0x80;
			expected[n - 1] ^= 1;
			cr_assert_eq(sign(rz_memcmp(actual, expected, n)),
			             sign(memcmp(actual, expected, n)), "n %zu at %zu", n, at);
		}
		fill_both((unsigned)n);
		expected[n] ^= 1;
		cr_assert_eq(rz_memcmp(actual, expected, n), 0, "n %zu", n);
	}
}

Test(string, memory_functions_stay_inside_their_memory)
{
	/* heap blocks of exact size, so that the sanitizer sees a byte too many */
	for (size_t n = 1; n <= 100; n++) {
		uint8_t *a = calloc(1, n), *b = calloc(1, n);

		rz_memset(a, 7, n);
		rz_memcpy(b, a, n);
		rz_memmove(a, b, n);
		cr_assert_eq(rz_memcmp(a, b, n), 0);
		cr_assert_null(rz_memchr(a, 8, n));
		free(a);
		free(b);
	}
}

Test(string, memchr_finds_bytes_above_127_and_nothing_behind_the_end)
{
	const char text[] = "ab\xff"
			    "cd";

	cr_assert_eq(rz_memchr(text, 0xff, 5), text + 2);
	cr_assert_eq(rz_memchr(text, -1, 5), text + 2);
	cr_assert_null(rz_memchr(text, 'c', 3));
	cr_assert_null(rz_memchr(text, 'a', 0));
}

Test(string, lengths_count_bytes_before_the_end)
{
	cr_assert_eq(rz_strlen(""), 0);
	cr_assert_eq(rz_strlen("four"), 4);
	cr_assert_eq(rz_strnlen("four", 3), 3);
	cr_assert_eq(rz_strnlen("four", 4), 4);
	cr_assert_eq(rz_strnlen("four", 9), 4);
	cr_assert_eq(rz_strnlen("four", 0), 0);
}

Test(string, comparing_agrees_with_libc)
{
	static const char *const words[] = {"", "a", "b", "ab", "abc", "abd", "\x80", "a\xff"};
	const size_t n = sizeof(words) / sizeof(words[0]);

	for (size_t i = 0; i < n * n; i++) {
		const char *a = words[i / n], *b = words[i % n];

		cr_assert_eq(sign(rz_strcmp(a, b)), sign(strcmp(a, b)), "%zu", i);
		for (size_t len = 0; len < 4; len++)
			cr_assert_eq(sign(rz_strncmp(a, b, len)), sign(strncmp(a, b, len)),
			             "%zu %zu", i, len);
	}
}

Test(string, searching_agrees_with_libc)
{
	static const char text[] = "aabaabaac";

	cr_assert_eq(rz_strchr(text, 'b'), text + 2);
	cr_assert_eq(rz_strchr(text, '\0'), text + 9);
	cr_assert_null(rz_strchr(text, 'x'));
	cr_assert_eq(rz_strrchr(text, 'b'), strrchr(text, 'b'));
	cr_assert_eq(rz_strrchr(text, '\0'), text + 9);
	cr_assert_null(rz_strrchr(text, 'x'));
}
