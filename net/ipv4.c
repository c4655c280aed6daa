/*
 * IPv4 for a host (RFC 791, RFC 1122 3.2 and 3.3): the checks of a received header, and the choice
 * of the next hop for a sent one. What is for others goes to net/forward.c when the stack forwards.
 * No loopback, no reassembly, no multicast. Lengths are loaded once, as the device may go on
 * writing to a frame: behind the checks the mbuf has them.
 */
#include "net/ipv4.h"
#include "kernel/atomic.h"
#include "kernel/errno.h"
#include "kernel/string.h"
#include "net/arp.h"
#include "net/csum.h"
#include "net/eth.h"
#include "net/forward.h"
#include "net/icmp.h"
#include "net/stack.h"
#include "net/udp_input.h"

#define IPV4_OPT_END 0
#define IPV4_OPT_NOP 1
#define IPV4_OPT_LSRR 131
#define IPV4_OPT_SSRR 137

/* ---- input -------------------------------------------------------------------------------- */

/* Options are skipped, but they must be whole (RFC 1122 3.2.1.8), and source routes are refused:
 * answering along them is a way around filters. */
static bool ipv4_options_ok(const struct ipv4_hdr *ip, unsigned hdr_len)
{
	const uint8_t *opt = (const uint8_t *)ip;

	for (unsigned at = IPV4_HDR_LEN; at < hdr_len && opt[at] != IPV4_OPT_END;) {
		if (opt[at] == IPV4_OPT_NOP) {
			at++;
			continue;
		}
		if (opt[at] == IPV4_OPT_LSRR || opt[at] == IPV4_OPT_SSRR)
			return false;
		if (at + 1 >= hdr_len)
			return false;

		const uint8_t len = ring_load_relaxed(&opt[at + 1]);

		if (len < 2 || len > hdr_len - at)
			return false;
		at += len;
	}
	return true;
}

/* Without an address, only DHCP's answers are for us: servers may send them to the new address
 * even when asked to broadcast (RFC 2131 4.1). */
static bool ipv4_is_dhcp_answer(const struct net_if *nif, const struct mbuf *m,
                                const struct ipv4_hdr *ip, unsigned hdr_len)
{
	const struct udp_hdr *udp = (const void *)((const uint8_t *)ip + hdr_len);

	return nif->dhcp && !nif->ip && ip->proto == IP_PROTO_UDP &&
	       m->data_len >= ETH_HDR_LEN + hdr_len + UDP_HEADER_LEN &&
	       udp->dst == cpu_to_be16(DHCP_CLIENT_PORT);
}

static COLD bool ipv4_dst_ok(const struct net_if *nif, const struct mbuf *m,
                             const struct ipv4_hdr *ip, unsigned hdr_len)
{
	if (ipv4_is_dhcp_answer(nif, m, ip, hdr_len))
		return true;
	if (!nif->ip)
		return false;
	return ip->dst == IPV4_BROADCAST || (nif->broadcast && ip->dst == nif->broadcast);
}

static inline bool ipv4_src_ok(const struct net_if *nif, be32 src)
{
	return ipv4_is_host(src) && src != nif->ip && src != nif->broadcast;
}

static unsigned ipv4_refuse(struct mbuf *m, uint64_t *reason)
{
	net_drop(m, reason);
	return 0;
}

/* Padding goes. Return: bytes of the header, 0: dropped and counted. */
static unsigned ipv4_hdr_check(struct net_if *nif, struct mbuf *m, const struct ipv4_hdr *ip)
{
	struct net_if_stats *stats = &nif->stats;

	if (m->data_len < ETH_HDR_LEN + IPV4_HDR_LEN)
		return ipv4_refuse(m, &stats->drop_short);

	const uint8_t version_ihl = ring_load_relaxed(&ip->version_ihl);
	const unsigned hdr_len = (version_ihl & 15u) * 4;
	const unsigned total_len = be16_to_cpu(ring_load_relaxed(&ip->total_len));

	if (version_ihl >> 4 != 4 || hdr_len < IPV4_HDR_LEN || total_len < hdr_len)
		return ipv4_refuse(m, &stats->drop_ip_header);
	if (m->data_len < ETH_HDR_LEN + hdr_len || m->pkt_len < ETH_HDR_LEN + total_len)
		return ipv4_refuse(m, &stats->drop_short);
	if (!csum_good(csum_bytes(ip, hdr_len, 0)))
		return ipv4_refuse(m, &stats->drop_ip_csum);
	if (!ipv4_src_ok(nif, ip->src) || !ipv4_options_ok(ip, hdr_len))
		return ipv4_refuse(m, &stats->drop_ip_header);
	if (m->pkt_len > ETH_HDR_LEN + total_len)
		net_trim(m, ETH_HDR_LEN + total_len);
	return hdr_len;
}

static bool ipv4_is_for(const struct net_if *nif, const struct mbuf *m, const struct ipv4_hdr *ip,
                        unsigned hdr_len)
{
	const struct eth_hdr *eth = (const struct eth_hdr *)ip - 1;

	/* RFC 1122 3.3.6: what was broadcast as a frame must be so as a datagram */
	return (nif->ip && ip->dst == nif->ip && !mac_is_multicast(eth->dst)) ||
	       ipv4_dst_ok(nif, m, ip, hdr_len);
}

/* A datagram for us, its header was checked. */
static void ipv4_deliver(struct net_if *nif, struct mbuf *m, const struct ipv4_hdr *ip,
                         unsigned hdr_len)
{
	if (ip->frag & cpu_to_be16(IPV4_MF_OR_OFFSET)) {
		net_drop(m, &nif->stats.drop_fragment);
		return;
	}
	mbuf_pull(m, (uint16_t)(ETH_HDR_LEN + hdr_len));
	if (ip->proto == IP_PROTO_UDP)
		udp_input(nif, m, ip);
	else if (ip->proto == IP_PROTO_ICMP)
		icmp_input(nif, m, ip);
	else
		icmp_unreach(nif, m, ip, ICMP_UNREACH_PROTO);
}

/* Any packet. */
static NOINLINE void ipv4_input_any(struct net_if *nif, struct mbuf *m)
{
	const struct ipv4_hdr *ip = (const void *)(mbuf_data(m) + ETH_HDR_LEN);
	const unsigned hdr_len = ipv4_hdr_check(nif, m, ip);
	struct net_if *owner;

	if (!hdr_len)
		return;
	if (ipv4_is_for(nif, m, ip, hdr_len)) {
		ipv4_deliver(nif, m, ip, hdr_len);
	} else if (!nif->st->forward) {
		net_drop(m, &nif->stats.drop_not_for_us);
	} else {
		owner = forward_input(nif, m);
		if (owner)
			ipv4_deliver(owner, m, ip, hdr_len);
	}
}

/* One segment, no options, UDP, all in order, sent to us alone. *@len: of what follows the header
 */
static inline bool ipv4_is_usual(const struct net_if *nif, const struct mbuf *m,
                                 const struct eth_hdr *eth, const struct ipv4_hdr *ip,
                                 unsigned *len)
{
	if (unlikely(m->data_len < ETH_HDR_LEN + IPV4_HDR_LEN || m->next))
		return false;

	/* a total length below 20 becomes huge */
	*len = be16_to_cpu(ring_load_relaxed(&ip->total_len)) - (unsigned)IPV4_HDR_LEN;

	unsigned room = m->data_len - (unsigned)(ETH_HDR_LEN + IPV4_HDR_LEN);

	return ip->version_ihl == IPV4_VERSION_IHL && *len <= room && csum_good(csum_words20(ip)) &&
	       ipv4_src_ok(nif, ip->src) && ip->dst == nif->ip && nif->ip &&
	       !mac_is_multicast(eth->dst) && !(ip->frag & cpu_to_be16(IPV4_MF_OR_OFFSET)) &&
	       ip->proto == IP_PROTO_UDP;
}

/* The quick way refuses nothing itself: ipv4_input_any() finds out what is the matter. */
void ipv4_input(struct net_if *nif, struct mbuf *m)
{
	const struct eth_hdr *eth = (const void *)mbuf_data(m);
	const struct ipv4_hdr *ip = (const void *)(eth + 1);

	unsigned len;

	if (unlikely(!ipv4_is_usual(nif, m, eth, ip, &len))) {
		ipv4_input_any(nif, m);
		return;
	}
	m->data_off = (uint16_t)(m->data_off + ETH_HDR_LEN + IPV4_HDR_LEN);
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	udp_input_quick(nif, m, ip);
}

/* ---- output ------------------------------------------------------------------------------- */

/* Who takes the datagram for @dst, RFC 1122 3.3.1: an address for ARP, IPV4_BROADCAST, or 0:
 * nobody. Without an address of our own, only broadcasts can be sent. @out: the port that it leaves
 * by, which is another one only for a router */
static be32 ipv4_next_hop(const struct net_if *nif, be32 dst, struct net_if **out)
{
	if (dst == IPV4_BROADCAST || (nif->broadcast && dst == nif->broadcast))
		return IPV4_BROADCAST;
	if (!nif->ip || dst == nif->ip || !ipv4_is_host(dst))
		return 0;
	if (nif->st->forward)
		return forward_hop(out, dst);
	return (dst ^ nif->ip) & nif->mask ? nif->gw : dst;
}

/* All headers for @dst but the next hop's address. */
static void ipv4_hop_init(const struct net_if *nif, struct net_hop *hop, be32 dst)
{
	*hop = (struct net_hop){
	    .dst = dst,
	    .hdr.eth.type = cpu_to_be16(ETH_TYPE_IPV4),
	    .hdr.ip = {.version_ihl = IPV4_VERSION_IHL,
	               /* what is never fragmented needs no identification (RFC 6864 4.1) */
	               .frag = cpu_to_be16(IPV4_DF),
	               .ttl = IPV4_TTL,
	               .src = nif->ip,
	               .dst = dst},
	};
	memset(hop->hdr.eth.dst, 0xff, 6);
	mac_copy(hop->hdr.eth.src, nif->dev->mac);
	hop->ip_sum = csum_fold(csum_words20(&hop->hdr.ip));
}

void ipv4_hop_forget(struct net_if *nif)
{
	ipv4_hop_init(nif, &nif->hop, IPV4_BROADCAST);
}

/* The longest datagram: what the device cuts into single ones may be longer than the MTU. */
static unsigned ipv4_len_max(const struct net_if *nif, const struct mbuf *m)
{
	const bool uso = m->flags & nif->dev->tx_offloads & MBUF_USO;

	return uso && m->gso_size + IPV4_HDR_LEN + UDP_HEADER_LEN <= nif->dev->mtu ? UINT16_MAX
	                                                                           : nif->dev->mtu;
}

int ipv4_output_any(struct net_if *nif, struct mbuf *m, be32 dst, uint8_t proto)
{
	unsigned total_len = m->pkt_len - ETH_HDR_LEN;
	struct net_if *out = nif;
	be32 next = ipv4_next_hop(nif, dst, &out);
	const uint8_t *mac;
	struct net_hop hop;

	if (!next) {
		net_drop(m, &nif->stats.tx_no_route);
		return -EHOSTUNREACH;
	}
	if (total_len > ipv4_len_max(out, m)) {
		net_drop(m, &nif->stats.tx_too_long);
		return -EMSGSIZE;
	}
	ipv4_hop_init(nif, &hop, dst);
	ipv4_write_hdrs(&hop, m, (uint16_t)total_len, proto);
	if (next == IPV4_BROADCAST) {
		stack_enqueue(nif, m);
		return 0;
	}

	mac = arp_lookup(out, next);
	if (!mac)
		return arp_resolve_and_send(out, next, m);
	if (out == nif) {
		mac_copy(hop.hdr.eth.dst, mac);
		nif->hop = hop;
	}
	eth_output(out, m, mac, ETH_TYPE_IPV4);
	return 0;
}
