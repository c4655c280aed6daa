/* ICMP (RFC 792, RFC 1122 3.2.2, RFC 1812 4.3): echo, and errors within a rate. */
#ifndef NET_ICMP_H
#define NET_ICMP_H

#include "net/net_stack.h"
#include "net/wire.h"

#define ICMP_ERRORS_PER_S 100
#define ICMP_ERRORS_BURST 20

/** icmp_input() - an ICMP message; @ip is its header, in front of @m's data. Owns @m */
void icmp_input(struct net_if *nif, struct mbuf *m, const struct ipv4_hdr *ip);

/**
 * icmp_unreach() - nobody is there for a datagram: drop it, and tell its sender if one may
 * @code: ICMP_UNREACH_PORT or ICMP_UNREACH_PROTO, which also says how it is counted
 *
 * Owns @m, whose data is the datagram's payload, behind its headers.
 */
void icmp_unreach(struct net_if *nif, struct mbuf *m, const struct ipv4_hdr *ip, uint8_t code);

/**
 * icmp_error() - drop a datagram, and tell its sender if one may
 * @why:    type, code and second word of the message
 * @reason: the counter of the drop
 *
 * Owns @m, whose data is the datagram's payload, behind its headers.
 */
void icmp_error(struct net_if *nif, struct mbuf *m, const struct ipv4_hdr *ip, struct icmp_hdr why,
                uint64_t *reason);

#endif
