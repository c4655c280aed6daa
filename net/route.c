/* Building the trie of net/route.h: routes go in by rising prefix length, so that the longer ones
 * overwrite what shorter ones have filled. */
#include "net/route.h"
#include "kernel/assert.h"
#include "kernel/memory.h"
#include "kernel/string.h"

struct route_table *route_table_create(void)
{
	return mem_alloc("route table", sizeof(struct route_table), CACHE_LINE);
}

/* The node below an entry; a new one has what the entry said everywhere. */
static struct route_node *route_child(struct route_table *t, uint16_t *entry)
{
	if (!(*entry & ROUTE_CHILD)) {
		struct route_node *node = &t->child[t->nb_children];

		assert(t->nb_children < ROUTE_CHILDREN_MAX);
		for (unsigned i = 0; i < ARRAY_SIZE(node->entry); i++)
			node->entry[i] = *entry;
		*entry = (uint16_t)(t->nb_children++ | ROUTE_CHILD);
	}
	return &t->child[*entry & ~ROUTE_CHILD];
}

static void route_fill(uint16_t *entry, unsigned n, uint16_t value)
{
	for (unsigned i = 0; i < n; i++)
		entry[i] = value;
}

static void route_insert(struct route_table *t, unsigned number)
{
	const struct route *r = &t->routes[number];
	const unsigned len = r->prefix;
	const uint32_t mask = len ? 0xffffffffu << (32 - len) : 0;
	const uint32_t ip = be32_to_cpu(r->dst) & mask;
	const uint16_t value = (uint16_t)(number + 1);
	struct route_node *node;

	if (len <= 16) {
		route_fill(&t->top[ip >> 16], 1u << (16 - len), value);
		return;
	}
	node = route_child(t, &t->top[ip >> 16]);
	if (len <= 24) {
		route_fill(&node->entry[(ip >> 8) & 0xff], 1u << (24 - len), value);
		return;
	}
	node = route_child(t, &node->entry[(ip >> 8) & 0xff]);
	route_fill(&node->entry[ip & 0xff], 1u << (32 - len), value);
}

void route_table_build(struct route_table *t, const struct route *routes, unsigned n)
{
	assert(n <= ROUTES_MAX);
	memset(t->top, 0, sizeof(t->top));
	t->nb_children = 0;
	t->routes = routes;
	for (unsigned len = 0; len <= 32; len++) {
		for (unsigned i = 0; i < n; i++) {
			if (routes[i].prefix == len)
				route_insert(t, i);
		}
	}
}
