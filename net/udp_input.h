/* UDP's inner side, for the stack: udp.h is the outer one. */
#ifndef NET_UDP_INPUT_H
#define NET_UDP_INPUT_H

#include "net/udp.h"

/** udp_input() - a datagram; @ip is its header, in front of @m's data. Owns @m */
void udp_input(struct net_if *nif, struct mbuf *m, const struct ipv4_hdr *ip);

/** udp_input_quick() - udp_input() for one segment, sent to the port's own address, behind a header
 * without options */
void udp_input_quick(struct net_if *nif, struct mbuf *m, const struct ipv4_hdr *ip);

/** udp_output() - udp_sendto() with any source port, and without an address too (DHCP) */
int udp_output(struct mbuf *m, be16 src_port, const struct udp_addr *to);

#endif
