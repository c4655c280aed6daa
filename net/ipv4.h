/* IPv4 for a host (RFC 791, RFC 1122 3), which forwards when told to (net/forward.h). Fragments are
 * not reassembled. */
#ifndef NET_IPV4_H
#define NET_IPV4_H

#include "net/csum.h"
#include "net/stack.h"

#define IPV4_TTL 64

/** ipv4_input() - a frame of type IPv4, Ethernet header included. Owns @m */
void ipv4_input(struct net_if *nif, struct mbuf *m);

/** ipv4_hop_forget() - the next datagram asks the routes and the ARP cache again. Must be called
 * when what they would say, or an address of the port, has changed */
void ipv4_hop_forget(struct net_if *nif);

/** ipv4_output_any() - ipv4_output() for another destination than the last time */
int ipv4_output_any(struct net_if *nif, struct mbuf *m, be32 dst, uint8_t proto);

/* Write the headers of a datagram of @total_len into the front of the data. */
static inline void ipv4_write_hdrs(const struct net_hop *hop, struct mbuf *m, uint16_t total_len,
                                   uint8_t proto)
{
	struct eth_hdr *eth = (void *)mbuf_data(m);
	struct ipv4_hdr *ip = (void *)(eth + 1);
	be16 len = cpu_to_be16(total_len);

	__builtin_memcpy(eth, &hop->hdr, sizeof(hop->hdr));
	ip->total_len = len;
	ip->proto = proto;
	ip->csum = csum_final(csum_fold32(hop->ip_sum + len + cpu_to_be16(proto)));
}

/**
 * ipv4_output() - send one datagram from the port's address
 * @front: bytes in front of @m's data that belong to the datagram too: a header just written
 * @dst:   a host, the subnet's broadcast or 255.255.255.255
 *
 * Owns @m, which has room for the IPv4 and Ethernet headers and the driver's in front of that.
 * Return: 0 (queued, or waiting for ARP), -EMSGSIZE above the MTU, -EHOSTUNREACH without a route;
 * what is not sent is freed and counted.
 */
static inline int ipv4_output(struct net_if *nif, struct mbuf *m, uint16_t front, be32 dst,
                              uint8_t proto)
{
	mbuf_push(m, (uint16_t)(front + IPV4_HDR_LEN + ETH_HDR_LEN));

	unsigned total_len = m->pkt_len - ETH_HDR_LEN;

	if (unlikely(dst != nif->hop.dst || total_len > nif->dev->mtu))
		return ipv4_output_any(nif, m, dst, proto);
	ipv4_write_hdrs(&nif->hop, m, (uint16_t)total_len, proto);
	stack_enqueue(nif, m);
	return 0;
}

/** ipv4_pseudo_sum() - of the pseudo header (RFC 768); @len is that of the UDP datagram */
static inline uint64_t ipv4_pseudo_sum(be32 src, be32 dst, be16 len, uint8_t proto)
{
	return (uint64_t)src + dst + len + cpu_to_be16(proto);
}

#endif
