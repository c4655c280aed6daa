/* kernel/nearest.c: edit distances, and which name is proposed. */
#include "kernel/nearest.h"
#include <criterion/criterion.h>
#include <string.h>

static unsigned distance(const char *a, const char *b)
{
	return nearest_distance(a, strlen(a), b, strlen(b));
}

Test(nearest, distance_counts_insertions_deletions_and_changes)
{
	cr_assert_eq(distance("", ""), 0);
	cr_assert_eq(distance("abc", "abc"), 0);
	cr_assert_eq(distance("", "abc"), 3);
	cr_assert_eq(distance("abc", ""), 3);
	cr_assert_eq(distance("abc", "abxc"), 1);
	cr_assert_eq(distance("abc", "ac"), 1);
	cr_assert_eq(distance("abc", "axc"), 1);
	cr_assert_eq(distance("kitten", "sitting"), 3);
	cr_assert_eq(distance("net.mut", "net.mtu"), 2);
}

Test(nearest, the_first_of_equally_near_names_is_kept)
{
	struct nearest n;

	nearest_init(&n, "stxp", 4);
	cr_assert_null(n.best);
	nearest_offer(&n, "start");
	nearest_offer(&n, "stop");
	nearest_offer(&n, "step");
	cr_assert_str_eq(n.best, "stop");
	cr_assert_eq(n.best_distance, 1);
}

Test(nearest, long_words_are_compared_by_their_first_64_bytes)
{
	char a[1000], b[1000];

	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	memset(b, 'a', NEAREST_LEN_MAX);
	cr_assert_eq(nearest_distance(a, sizeof(a), b, sizeof(b)), 0);
	b[NEAREST_LEN_MAX - 1] = 'b';
	cr_assert_eq(nearest_distance(a, sizeof(a), b, sizeof(b)), 1);
}
