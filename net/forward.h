/*
 * Forwarding IPv4 between the ports of a stack (RFC 1812): datagrams that are for nobody here go
 * out through the port that the longest matching route names, with a TTL one less. The subnets of
 * the ports are routes by themselves. What cannot be forwarded is counted, and its sender told by
 * ICMP, within a rate.
 *
 *	forward_start(st, routes, n);
 *	forward_build(st);			(an address has changed)
 *
 * Not here: fragmenting (the sender is told to send shorter datagrams, whether DF is set or not),
 * redirects, and the options of IPv4 that routers fill in.
 */
#ifndef NET_FORWARD_H
#define NET_FORWARD_H

#include "net/net_stack.h"
#include "net/route.h"

#define FORWARD_ROUTES_MAX (ROUTES_MAX - NET_IFS_MAX)

/**
 * forward_start() - forward from now on
 * @routes: copied; of a port that does not exist, they lead nowhere
 * @n:      0..FORWARD_ROUTES_MAX
 *
 * Return: 0, or -ENOMEM.
 */
int forward_start(struct net_stack *st, const struct route *routes, unsigned n);

/** forward_build() - an address of a port of a stack that forwards has changed: make its routes
 * anew */
void forward_build(struct net_stack *st);

/**
 * forward_input() - a datagram that is not for @nif, its header was checked
 * @m: the frame, Ethernet header included
 *
 * Owns @m. Return: NULL; or another port whose address it is for: then @m is still the caller's,
 * and came in there.
 */
struct net_if *forward_input(struct net_if *nif, struct mbuf *m);

/** forward_hop() - where a datagram of our own leaves: changes @out to that port. Return: the
 * neighbour that takes it; 0: no route, or it is for ourselves */
be32 forward_hop(struct net_if **out, be32 dst);

/** forward_unresolved() - the neighbour that a datagram of @nif waited for did not answer: tell the
 * sender if it was another, and count and free @m */
void forward_unresolved(struct net_if *nif, struct mbuf *m);

#endif
