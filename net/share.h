/*
 * The stack on several lcores. Each has a stack of its own: interfaces, neighbours, bound ports,
 * over its own queue pairs, which it may have of some ports only, and no packet goes from one to
 * another. What all have to know comes to the others as a copy, through rings with one writer and
 * one reader each:
 *
 *	ARP packets	from the lcore that received them to the first, and from that to all others
 *	DHCP answers	from the lcore that received them to the first, which has the client
 *	addresses	from the first to all others
 *	frames		that the first sends by a port of which it has no queue pair, to who has one
 *
 * A ring that is full loses copies of packets, as a wire would (counted as share_lost), but no
 * address: that is told again.
 */
#ifndef NET_SHARE_H
#define NET_SHARE_H

#include "net/net_stack.h"

#define NET_SHARE_SLOTS 32
#define NET_SHARE_DATA_MAX 1514 /* an Ethernet frame */

/**
 * net_share_create() - @n stacks where there was one, for lcores 0..@n - 1
 * @first: with all its ports, which have at least @n queue pairs together
 *
 * The pairs of all ports, one behind the other, are dealt to the lcores in turn. Return: 0, or
 * -ENOMEM.
 */
int net_share_create(struct net_stack *first, unsigned n);

/** net_share_stack() - the stack of lcore @i, 1..n - 1 */
struct net_stack *net_share_stack(const struct net_stack *first, unsigned i);

/** net_share_waiting() - is there anything for net_share_poll() of this stack? */
bool net_share_waiting(const struct net_stack *st);

/** net_share_poll() - take what others have told, and tell addresses; often enough */
void net_share_poll(struct net_stack *st);

/** net_share_arp() - the others shall hear of this well-formed packet too */
void net_share_arp(struct net_if *nif, const struct arp_hdr *arp);

/** net_share_dhcp() - a datagram for the DHCP client, which is another lcore's. Owns @m */
void net_share_dhcp(struct net_if *nif, struct mbuf *m);

/** net_share_send() - the collected frames of @nif, of which this lcore has no queue pair, are to
 * be sent by one that has. What does not get there is counted */
void net_share_send(struct net_if *nif);

#endif
