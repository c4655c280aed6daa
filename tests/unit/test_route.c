/* Longest-prefix match against a search through the list. */
#include "net/route.h"
#include "tests/unit/fake_netdev.h"
#include "tests/unit/plat_test.h"
#include <criterion/criterion.h>
#include <stdlib.h>

static struct route_table *table;
static struct route routes[ROUTES_MAX];

static void start(void)
{
	table = route_table_create();
	cr_assert_not_null(table);
}

TestSuite(route, .init = start);

static const struct route *slow_lookup(unsigned n, be32 dst)
{
	const struct route *best = NULL;

	for (unsigned i = 0; i < n; i++) {
		const struct route *r = &routes[i];
		const uint64_t span = 1ull << (32 - r->prefix);

		if (be32_to_cpu(r->dst) / span == be32_to_cpu(dst) / span &&
		    (!best || r->prefix >= best->prefix))
			best = r;
	}
	return best;
}

static void check(unsigned n, be32 dst)
{
	cr_assert_eq(route_lookup(table, dst), slow_lookup(n, dst), "0x%08x", be32_to_cpu(dst));
}

/* First and last address of each prefix, and their neighbours outside. */
static void check_edges(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const uint64_t span = 1ull << (32 - routes[i].prefix);
		const uint64_t first = be32_to_cpu(routes[i].dst) / span * span;

		check(n, cpu_to_be32((uint32_t)first));
		check(n, cpu_to_be32((uint32_t)(first - 1)));
		check(n, cpu_to_be32((uint32_t)(first + span - 1)));
		check(n, cpu_to_be32((uint32_t)(first + span)));
	}
}

Test(route, an_empty_table_knows_no_way)
{
	cr_assert_null(route_lookup(table, FAR_IP));
	route_table_build(table, routes, 0);
	cr_assert_null(route_lookup(table, FAR_IP));
}

Test(route, every_prefix_length_alone)
{
	for (unsigned len = 0; len <= 32; len++) {
		routes[0] =
		    (struct route){.dst = fake_ip(198, 51, 100, 77), .prefix = (uint8_t)len};
		route_table_build(table, routes, 1);
		cr_assert_eq(route_lookup(table, routes[0].dst), &routes[0], "/%u", len);
		check_edges(1);
	}
}

Test(route, prefixes_inside_each_other_in_any_order)
{
	for (unsigned turn = 0; turn < 50; turn++) {
		unsigned n = 0;

		srand(turn);
		for (unsigned len = 0; len <= 32; len++)
			routes[n++] =
			    (struct route){.dst = fake_ip(10, 20, 30, 40), .prefix = (uint8_t)len};
		for (unsigned i = n - 1; i; i--) {
			const unsigned k = (unsigned)rand() % (i + 1);
			const struct route r = routes[i];

			routes[i] = routes[k];
			routes[k] = r;
		}
		route_table_build(table, routes, n);
		check_edges(n);
	}
}

Test(route, as_many_as_there_may_be_at_random)
{
	for (unsigned turn = 0; turn < 300; turn++) {
		srand(turn);
		for (unsigned i = 0; i < ROUTES_MAX; i++)
			routes[i] = (struct route){.dst = fake_ip(10, (unsigned)rand() % 3,
			                                          (unsigned)rand() % 4,
			                                          (unsigned)rand() % 256),
			                           .prefix = (uint8_t)(rand() % 33)};
		route_table_build(table, routes, ROUTES_MAX);
		check_edges(ROUTES_MAX);
		for (unsigned i = 0; i < 1000; i++)
			check(ROUTES_MAX, fake_ip((unsigned)rand() % 12, (unsigned)rand() % 4,
			                          (unsigned)rand() % 5, (unsigned)rand() % 256));
	}
}

Test(route, all_routes_may_need_nodes_of_their_own)
{
	for (unsigned i = 0; i < ROUTES_MAX; i++)
		routes[i] = (struct route){.dst = fake_ip(10, i, 1, 1), .prefix = 32};
	route_table_build(table, routes, ROUTES_MAX);
	cr_assert_eq(table->nb_children, ROUTE_CHILDREN_MAX);
	check_edges(ROUTES_MAX);
}

Test(route, of_two_the_same_the_later_counts)
{
	routes[0] = (struct route){.dst = fake_ip(10, 1, 0, 0), .prefix = 20};
	routes[1] = routes[0];
	route_table_build(table, routes, 2);
	cr_assert_eq(route_lookup(table, fake_ip(10, 1, 1, 1)), &routes[1]);
}
