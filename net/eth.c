/*
 * Ethernet II (RFC 894): which frames are for us, and for which protocol. Frames for multicast
 * addresses are not for us: IPv4 here joins no group.
 */
#include "net/eth.h"
#include "net/arp.h"
#include "net/ipv4.h"
#include "net/stack.h"

void eth_input(struct net_if *nif, struct mbuf *m)
{
	struct net_if_stats *stats = &nif->stats;
	const struct eth_hdr *eth = (const void *)mbuf_data(m);

	if (unlikely(m->data_len < ETH_HDR_LEN)) {
		net_drop(m, &stats->drop_short);
		return;
	}
	/* hop.hdr.eth.src is our own address, near what is used later */
	if (unlikely(!mac_equal(eth->dst, nif->hop.hdr.eth.src) && !mac_is_broadcast(eth->dst))) {
		net_drop(m, &stats->drop_not_for_us);
		return;
	}

	if (likely(eth->type == cpu_to_be16(ETH_TYPE_IPV4)))
		ipv4_input(nif, m);
	else if (eth->type == cpu_to_be16(ETH_TYPE_ARP))
		arp_input(nif, m);
	else
		net_drop(m, &stats->drop_proto);
}

void eth_output(struct net_if *nif, struct mbuf *m, const uint8_t *dst, uint16_t type)
{
	struct eth_hdr *eth = (void *)mbuf_data(m);

	mac_copy(eth->dst, dst);
	mac_copy(eth->src, nif->dev->mac);
	eth->type = cpu_to_be16(type);
	stack_enqueue(nif, m);
}
