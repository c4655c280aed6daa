/*
 * ARP for IPv4 over Ethernet (RFC 826, RFC 1122 2.3.2, RFC 5227 announcements): a cache of bounded
 * size for each port.
 */
#ifndef NET_ARP_H
#define NET_ARP_H

#include "net/net_stack.h"

#define ARP_SETS 16
#define ARP_WAYS 4          /* 64 entries; one of 4 places for an address */
#define ARP_QUEUE_MAX 32    /* packets that wait for one address */
#define ARP_WAITING_MAX 128 /* packets that wait in all; at most a quarter of the pool */
#define ARP_REQUESTS_PER_S 50
#define ARP_REQUESTS_BURST 32
#define ARP_TRIES 3         /* requests, one a second */
#define ARP_REACHABLE_S 60  /* asked again after this time when in use, else forgotten */
#define ARP_FAILED_S 3      /* nobody is asked again for so long */
#define ARP_ANNOUNCEMENTS 2 /* one at once, one a second later */

/** arp_create() - an empty cache for a port. Return: 0 or -ENOMEM */
int arp_create(struct net_if *nif);

/** arp_input() - an ARP frame, Ethernet header included. Owns @m */
void arp_input(struct net_if *nif, struct mbuf *m);

/** arp_hear() - a well-formed packet that another lcore has received, and answers where that is to
 * be done */
void arp_hear(struct net_if *nif, const struct arp_hdr *arp);

/** arp_lookup() - the address of a neighbour, NULL when it has to be asked for */
const uint8_t *arp_lookup(struct net_if *nif, be32 ip);

/**
 * arp_resolve_and_send() - send an IPv4 datagram as soon as @hop has told its address
 * @m: begins with free space for the Ethernet header
 *
 * Owns @m: sent when the answer comes, dropped and counted when none does or when the queue is
 * full (the oldest goes first). Strangers are asked for within ARP_REQUESTS_PER_S, and one a second
 * by each place of the cache; what is not asked at once, arp_timers() asks. Return: 0, or
 * -EHOSTUNREACH when @hop did not answer lately.
 */
int arp_resolve_and_send(struct net_if *nif, be32 hop, struct mbuf *m);

/** arp_nb_waiting() - packets that wait for an address now */
unsigned arp_nb_waiting(const struct net_if *nif);

/** arp_announce() - tell everybody our new address */
void arp_announce(struct net_if *nif);

/** arp_flush() - forget everything; waiting packets are dropped and counted */
void arp_flush(struct net_if *nif);

/** arp_timers() - retries, expiry and the second announcement; called every NET_TICK_NS */
void arp_timers(struct net_if *nif, uint64_t now_ns);

#endif
