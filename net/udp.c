/*
 * UDP (RFC 768, RFC 1122 4.1). Ports are found in an open-addressed table: the first look is
 * nearly always the last one, and as ports are never given up there are no holes in it.
 */
#include "net/udp.h"
#include "kernel/atomic.h"
#include "kernel/errno.h"
#include "net/csum.h"
#include "net/dhcp.h"
#include "net/icmp.h"
#include "net/ipv4.h"
#include "net/share.h"
#include "net/stack.h"
#include "net/udp_input.h"
#include "net/udp_split.h"

/* ---- ports -------------------------------------------------------------------------------- */

static inline unsigned udp_slot(be16 port)
{
	return (port >> 8) % UDP_PCBS_MAX; /* of the low byte of the port number */
}

/* The pcb of a port, or the free one where it would be; NULL: neither. */
static struct udp_pcb *udp_find(const struct net_stack *st, be16 port)
{
	for (unsigned i = 0; i < UDP_PCBS_MAX; i++) {
		struct udp_pcb *pcb = &st->pcbs[(udp_slot(port) + i) % UDP_PCBS_MAX];

		if (pcb->port == port || !pcb->port)
			return pcb;
	}
	return NULL;
}

struct udp_pcb *udp_bind(struct net_stack *st, uint16_t port, udp_recv_fn recv, void *arg)
{
	if (port == 0 || port == DHCP_CLIENT_PORT)
		return NULL;

	struct udp_pcb *pcb = udp_find(st, cpu_to_be16(port));

	if (!pcb || pcb->port)
		return NULL;
	*pcb = (struct udp_pcb){.port = cpu_to_be16(port), .recv = recv, .arg = arg, .st = st};
	return pcb;
}

/* ---- input -------------------------------------------------------------------------------- */

static COLD void udp_input_unbound(struct net_if *nif, struct mbuf *m, const struct ipv4_hdr *ip)
{
	const struct udp_hdr *udp = (const void *)mbuf_data(m);

	if (nif->dhcp && udp->dst == cpu_to_be16(DHCP_CLIENT_PORT) &&
	    udp->src == cpu_to_be16(DHCP_SERVER_PORT)) {
		nif->stats.rx_delivered++;
		mbuf_pull(m, UDP_HEADER_LEN);
		if (nif->st->lcore)
			net_share_dhcp(nif, m);
		else
			dhcp_input(nif, m);
	} else {
		icmp_unreach(nif, m, ip, ICMP_UNREACH_PORT);
	}
}

/* @m is one checked datagram. */
static inline void udp_deliver(struct udp_pcb *pcb, struct net_if *nif, struct mbuf *m,
                               const struct ipv4_hdr *ip, uint16_t reply_csum)
{
	const struct udp_hdr *udp = (const void *)mbuf_data(m);

	nif->from.ip = ip->src;
	nif->from.port = udp->src;
	nif->from.reply_csum = reply_csum;
	nif->stats.rx_delivered++;
	m->data_off = (uint16_t)(m->data_off + UDP_HEADER_LEN);
	m->data_len = (uint16_t)(m->data_len - UDP_HEADER_LEN);
	m->pkt_len -= UDP_HEADER_LEN;
	pcb->recv(pcb, m, &nif->from);
}

/* Several datagrams in one, for a receiver that wants single ones, or of a size that could not be
 * sent back. */
static COLD void udp_deliver_split(struct udp_pcb *pcb, struct net_if *nif, struct mbuf *m,
                                   const struct ipv4_hdr *ip)
{
	struct net_if_stats *stats = &nif->stats;
	unsigned n = udp_split_count(m);
	struct udp_split s;
	struct mbuf *one;

	if (!n) {
		net_drop(m, &stats->drop_udp_length);
		return;
	}
	stats->rx_packets += n - 1; /* now they count one by one */
	udp_split_begin(&s, m, ip);
	for (; n && (one = udp_split_next(&s, nif)); n--)
		udp_deliver(pcb, nif, one, ip, 0);
	stats->drop_no_mbuf += n;
	mbuf_free(m);
}

static bool udp_takes_whole(const struct udp_pcb *pcb, const struct net_if *nif,
                            const struct mbuf *m)
{
	return pcb->takes_uso && (nif->dev->tx_offloads & MBUF_USO) && udp_split_count(m) &&
	       m->gso_size + IPV4_HDR_LEN + UDP_HEADER_LEN <= nif->dev->mtu;
}

static bool udp_csum_ok(const struct mbuf *m, const struct ipv4_hdr *ip, const struct udp_hdr *udp)
{
	if (m->flags & (MBUF_RX_CSUM_GOOD | MBUF_RX_CSUM_NONE) || !udp->csum)
		return true;
	return csum_good(csum_chain(m, ipv4_pseudo_sum(ip->src, ip->dst, udp->len, IP_PROTO_UDP)));
}

void udp_input(struct net_if *nif, struct mbuf *m, const struct ipv4_hdr *ip)
{
	struct net_if_stats *stats = &nif->stats;
	const struct udp_hdr *udp = (const void *)mbuf_data(m);
	unsigned len;

	if (m->data_len < UDP_HEADER_LEN) {
		net_drop(m, &stats->drop_short);
		return;
	}
	/* once: what was checked is what is used */
	len = be16_to_cpu(ring_load_relaxed(&udp->len));
	if (len < UDP_HEADER_LEN || len > m->pkt_len) {
		net_drop(m, &stats->drop_udp_length);
		return;
	}
	net_trim(m, len);
	if (!udp_csum_ok(m, ip, udp)) {
		net_drop(m, &stats->drop_udp_csum);
		return;
	}

	struct udp_pcb *pcb = udp_find(nif->st, udp->dst);

	if (!udp->dst || !pcb || !pcb->port) {
		udp_input_unbound(nif, m, ip);
		return;
	}
	/* false at all other times: udp_input_quick() gets no broadcasts */
	nif->from.broadcast = ip->dst != nif->ip;
	/* an answer to a broadcast comes from another address than the question went to */
	if (unlikely((m->flags & MBUF_USO) && !udp_takes_whole(pcb, nif, m)))
		udp_deliver_split(pcb, nif, m, ip);
	else
		udp_deliver(pcb, nif, m, ip, 0);
	nif->from.broadcast = false;
}

/* Is the datagram whole, and its checksum, if it has one, good or known to be? */
static inline bool udp_is_usual(const struct mbuf *m, const struct ipv4_hdr *ip,
                                const struct udp_hdr *udp)
{
	unsigned len = m->data_len;

	if (unlikely(len < UDP_HEADER_LEN || be16_to_cpu(udp->len) != len))
		return false;
	if (m->flags & (MBUF_RX_CSUM_GOOD | MBUF_RX_CSUM_NONE) || !udp->csum)
		return !(m->flags & MBUF_GSO);

	/* both addresses stand in front of the datagram: add them on the way */
	uint64_t rest = ipv4_pseudo_sum(0, 0, udp->len, IP_PROTO_UDP);

	return csum_good(csum_bytes(&ip->src, len + 8, rest));
}

/* For a usual datagram and a port found at the first look. udp_input() looks after the others, and
 * finds out what is the matter with them. */
void udp_input_quick(struct net_if *nif, struct mbuf *m, const struct ipv4_hdr *ip)
{
	const struct udp_hdr *udp = (const void *)(ip + 1);

	if (unlikely(!udp_is_usual(m, ip, udp))) {
		udp_input(nif, m, ip);
		return;
	}

	struct udp_pcb *pcb = &nif->st->pcbs[udp_slot(udp->dst)];

	if (unlikely(pcb->port != udp->dst || !pcb->port))
		udp_input(nif, m, ip);
	else
		udp_deliver(pcb, nif, m, ip,
		            unlikely(m->flags & MBUF_RX_CSUM_NONE) ? 0 : udp->csum);
}

/* ---- output ------------------------------------------------------------------------------- */

/* The checksum, or what the device makes it from; @udp stands in front of @m's data. */
static NOINLINE void udp_fill_csum(struct mbuf *m, struct udp_hdr *udp, const struct udp_addr *to)
{
	struct net_if *nif = to->nif;
	uint64_t sum = ipv4_pseudo_sum(nif->ip, to->ip, udp->len, IP_PROTO_UDP);

	if (nif->dev->tx_offloads & MBUF_TX_CSUM) {
		m->flags |= MBUF_TX_CSUM;
		m->csum_start = ETH_HDR_LEN + IPV4_HDR_LEN;
		m->csum_offset = offsetof(struct udp_hdr, csum);
		udp->csum = csum_fold(sum);
		return;
	}

	uint16_t csum = csum_final(csum_fold(csum_packet(m, csum_add(sum, load_u64(udp)))));

	udp->csum = csum ? csum : 0xffff;
}

/* @csum: of the whole datagram, 0 when it must be computed. */
ALWAYS_INLINE int udp_send(struct mbuf *m, be16 src_port, const struct udp_addr *to, uint16_t csum)
{
	struct udp_hdr *udp = (struct udp_hdr *)(void *)mbuf_data(m) - 1;

	assert(m->data_off >= UDP_HEADROOM);
	udp->src = src_port;
	udp->dst = to->port;
	/* IPv4 refuses what does not fit into the 16 bits */
	udp->len = cpu_to_be16((uint16_t)(m->pkt_len + UDP_HEADER_LEN));
	udp->csum = csum;
	m->flags &= MBUF_USO;
	if (!csum)
		udp_fill_csum(m, udp, to);
	return ipv4_output(to->nif, m, UDP_HEADER_LEN, to->ip, IP_PROTO_UDP);
}

int udp_output(struct mbuf *m, be16 src_port, const struct udp_addr *to)
{
	return udp_send(m, src_port, to, 0);
}

static COLD int udp_no_address(struct mbuf *m, const struct udp_addr *to)
{
	net_drop(m, &to->nif->stats.tx_no_route);
	return -EHOSTUNREACH;
}

int udp_sendto(struct udp_pcb *pcb, struct mbuf *m, const struct udp_addr *to)
{
	if (unlikely(!to->nif->ip))
		return udp_no_address(m, to);
	return udp_output(m, pcb->port, to);
}

int udp_reply_unchanged(struct udp_pcb *pcb, struct mbuf *m, const struct udp_addr *from)
{
	if (unlikely(!from->reply_csum || !from->nif->ip))
		return udp_sendto(pcb, m, from);
	return udp_send(m, pcb->port, from, from->reply_csum);
}
