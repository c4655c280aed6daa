/* Ethernet II (RFC 894). */
#ifndef NET_ETH_H
#define NET_ETH_H

#include "net/net_stack.h"

/** eth_input() - a frame from the driver. Owns @m, in which headers are in the first segment or
 * the frame is dropped */
void eth_input(struct net_if *nif, struct mbuf *m);

/** eth_output() - write the header into the first ETH_HDR_LEN bytes of the data, which are left
 * free for it, and send at the end of the turn. Owns @m */
void eth_output(struct net_if *nif, struct mbuf *m, const uint8_t *dst, uint16_t type);

#endif
