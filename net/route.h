/*
 * Longest-prefix match for IPv4 (RFC 1812 5.2.4.3): a trie of three steps, of 16, 8 and 8 bits, so
 * that a look-up is one to three loads, however many routes there are. It is built as a whole:
 *
 *	t = route_table_create();
 *	route_table_build(t, routes, n);	(whenever they change)
 *	r = route_lookup(t, dst);		(NULL: no route)
 */
#ifndef NET_ROUTE_H
#define NET_ROUTE_H

#include "net/wire.h"

#define ROUTES_MAX 80
#define ROUTE_CHILDREN_MAX (2 * ROUTES_MAX) /* a route has at most one on each lower step */
#define ROUTE_CHILD 0x8000u                 /* an entry that leads to a node of the next step */

struct route {
	be32 dst;
	be32 gw; /* 0: the destination is a neighbour */
	uint8_t prefix;
	uint8_t ifi; /* of the port, in net_stack.ifs */
};

struct route_node {
	uint16_t entry[256];
};

/* An entry is 0 for none, the number of a route plus 1, or that of a child and ROUTE_CHILD. */
struct route_table {
	uint16_t top[1 << 16];
	struct route_node child[ROUTE_CHILDREN_MAX];
	unsigned nb_children;
	const struct route *routes;
};

/** route_table_create() - an empty table. Return: NULL when memory is short */
struct route_table *route_table_create(void);

/**
 * route_table_build() - replace all routes
 * @routes: in any order, bits behind the prefix are ignored; kept, not copied. Of two with the
 *          same prefix the later one counts
 * @n:      0..ROUTES_MAX
 */
void route_table_build(struct route_table *t, const struct route *routes, unsigned n);

/** route_lookup() - the route with the longest prefix that @dst has, NULL when there is none */
static inline const struct route *route_lookup(const struct route_table *t, be32 dst)
{
	const uint32_t ip = be32_to_cpu(dst);
	unsigned e = t->top[ip >> 16];

	if (e & ROUTE_CHILD)
		e = t->child[e & ~ROUTE_CHILD].entry[(ip >> 8) & 0xff];
	if (e & ROUTE_CHILD)
		e = t->child[e & ~ROUTE_CHILD].entry[ip & 0xff];
	return e ? &t->routes[e - 1] : NULL;
}

#endif
