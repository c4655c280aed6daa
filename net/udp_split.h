/*
 * Several datagrams that were received in one (MBUF_USO): making single ones of them in software,
 * for receivers that want them so.
 */
#ifndef NET_UDP_SPLIT_H
#define NET_UDP_SPLIT_H

#include "net/net_stack.h"

#define UDP_SPLIT_MAX 128 /* datagrams in one packet; no sender known makes more */

/* What is left of a packet. */
struct udp_split {
	const struct mbuf *seg; /* where the next byte is */
	uint32_t at;            /* from the start of seg's data */
	uint32_t left;          /* bytes of payload */
	const struct mbuf *first;
	const uint8_t *hdrs; /* Ethernet, IPv4 and UDP header of the whole */
	uint16_t hdrs_len;
};

/** udp_split_count() - how many datagrams are in @m, whose data begins with the UDP header; 0: more
 * than UDP_SPLIT_MAX, or none */
unsigned udp_split_count(const struct mbuf *m);

/** udp_split_begin() - @ip is the header in front of @m's data, which stays the caller's and as it
 * is
 */
void udp_split_begin(struct udp_split *s, const struct mbuf *m, const struct ipv4_hdr *ip);

/** udp_split_next() - the next datagram, its data beginning with the UDP header and the other
 * headers in front of that. NULL when there is none, or no buffer for it */
struct mbuf *udp_split_next(struct udp_split *s, struct net_if *nif);

#endif
