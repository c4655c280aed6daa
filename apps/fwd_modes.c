/*
 * The forwarding modes of testpmd, and the packets that it generates. Frames are hostile: what is
 * read or changed lies in the first segment, and what is shorter, or something else than its header
 * says, goes on with the headers changed up to there (5tswap) or is dropped (icmpecho).
 */
#include "apps/fwd_modes.h"
#include "kernel/string.h"
#include "net/csum.h"
#include "net/mempool.h"

#define ETH_TYPE_IPV6 0x86dd
#define ETH_TYPE_QINQ 0x88a8
#define ETH_TAGS_MAX 2
#define IP_PROTO_TCP 6
#define IPV4_IHL 0x0f
#define IPV4_OFFSET 0x1fff
#define IPV4_FIRST_MULTICAST 224 /* first byte of group and broadcast addresses from here on */
#define IPV6_HDR_LEN 40
#define L4_PORTS_LEN 4
#define GENERATED_PORT 9
#define GENERATED_TTL 64

/* ---- header parts ------------------------------------------------------------------------- */

/* Both addresses of a frame change places. */
static inline void swap_macs(uint8_t *p)
{
	const uint64_t dst_src = load_u64(p); /* all of dst, two bytes of src */
	const uint32_t rest = load_u32(p + 8);

	store_u64(p, dst_src >> 48 | (uint64_t)rest << 16 | dst_src << 48);
	const uint32_t dst_end = (uint32_t)(dst_src >> 16);

	__builtin_memcpy(p + 8, &dst_end, sizeof(dst_end));
}

ALWAYS_INLINE void swap_bytes(uint8_t *a, uint8_t *b, const size_t n)
{
	uint8_t t[16];

	__builtin_memcpy(t, a, n);
	__builtin_memcpy(a, b, n);
	__builtin_memcpy(b, t, n);
}

/* Where the Ethernet header and its tags end, and what follows. 0: the frame is shorter. */
static unsigned l2_end(struct mbuf *m, be16 *type)
{
	const uint8_t *p = mbuf_data(m);
	unsigned at = ETH_HDR_LEN;

	if (m->data_len < at)
		return 0;
	*type = load_u16(p + at - 2);
	for (unsigned i = 0; i < ETH_TAGS_MAX; i++) {
		if (*type != cpu_to_be16(ETH_TYPE_VLAN) && *type != cpu_to_be16(ETH_TYPE_QINQ))
			break;
		at += ETH_VLAN_LEN;
		if (m->data_len < at)
			return 0;
		*type = load_u16(p + at - 2);
	}
	return at;
}

/* Bytes of a header of IPv4 at @at, 0 when it is none or not all there. */
static unsigned ipv4_len(struct mbuf *m, unsigned at)
{
	const struct ipv4_hdr *ip = (const void *)(mbuf_data(m) + at);
	unsigned len;

	if (m->data_len < at + IPV4_HDR_LEN || ip->version_ihl >> 4 != 4)
		return 0;
	len = (ip->version_ihl & IPV4_IHL) * 4u;
	return len >= IPV4_HDR_LEN && m->data_len >= at + len ? len : 0;
}

/* ---- io, mac, macswap, rxonly ------------------------------------------------------------- */

uint16_t fwd_io(struct fwd_stream *s, struct mbuf **pkts, uint16_t n)
{
	(void)s;
	(void)pkts;
	return n;
}

uint16_t fwd_mac(struct fwd_stream *s, struct mbuf **pkts, uint16_t n)
{
	const uint64_t first = load_u64(&s->hdr.eth);
	const uint32_t last = load_u32(s->hdr.eth.src + 2);

	for (unsigned i = 0; i < n; i++) {
		uint8_t *p = mbuf_data(pkts[i]);

		if (unlikely(pkts[i]->data_len < ETH_HDR_LEN))
			continue;
		store_u64(p, first);
		__builtin_memcpy(p + sizeof(first), &last, sizeof(last));
	}
	return n;
}

uint16_t fwd_macswap(struct fwd_stream *s, struct mbuf **pkts, uint16_t n)
{
	(void)s;
	for (unsigned i = 0; i < n; i++) {
		if (likely(pkts[i]->data_len >= ETH_HDR_LEN))
			swap_macs(mbuf_data(pkts[i]));
	}
	return n;
}

uint16_t fwd_rxonly(struct fwd_stream *s, struct mbuf **pkts, uint16_t n)
{
	for (unsigned i = 0; i < n; i++)
		mbuf_free(pkts[i]);
	s->consumed += n;
	return 0;
}

/* ---- 5tswap ------------------------------------------------------------------------------- */

/* Swap the addresses of an IP header. Return: where the ports are, 0 when there are none. */
static unsigned swap_ip(struct mbuf *m, unsigned at, be16 type)
{
	uint8_t *p = mbuf_data(m) + at;
	unsigned len = 0, proto = 0;
	bool later_fragment = false;

	if (type == cpu_to_be16(ETH_TYPE_IPV4)) {
		struct ipv4_hdr *ip = (void *)p;

		len = ipv4_len(m, at);
		if (!len)
			return 0;
		swap_bytes((uint8_t *)&ip->src, (uint8_t *)&ip->dst, sizeof(ip->src));
		proto = ip->proto;
		later_fragment = ip->frag & cpu_to_be16(IPV4_OFFSET);
	} else if (type == cpu_to_be16(ETH_TYPE_IPV6)) {
		len = IPV6_HDR_LEN;
		if (m->data_len < at + len || p[0] >> 4 != 6)
			return 0;
		swap_bytes(p + 8, p + 24, 16);
		proto = p[6];
	}
	if (later_fragment || (proto != IP_PROTO_UDP && proto != IP_PROTO_TCP))
		return 0;
	return at + len;
}

uint16_t fwd_5tswap(struct fwd_stream *s, struct mbuf **pkts, uint16_t n)
{
	(void)s;
	for (unsigned i = 0; i < n; i++) {
		struct mbuf *m = pkts[i];
		be16 type = 0;
		unsigned at = l2_end(m, &type);

		if (m->data_len >= ETH_HDR_LEN)
			swap_macs(mbuf_data(m));
		if (at)
			at = swap_ip(m, at, type);
		if (at && m->data_len >= at + L4_PORTS_LEN)
			swap_bytes(mbuf_data(m) + at, mbuf_data(m) + at + 2, 2);
	}
	return n;
}

/* ---- icmpecho ----------------------------------------------------------------------------- */

/* Send it back where it came from; a group's address is nobody's. */
static void answer_macs(const struct fwd_stream *s, struct eth_hdr *eth)
{
	const bool to_group = mac_is_multicast(eth->dst);

	swap_macs(eth->dst);
	if (to_group)
		mac_copy(eth->src, s->tx->mac);
}

/* Every address is ours. */
static bool answer_arp(const struct fwd_stream *s, struct mbuf *m, unsigned at)
{
	struct eth_hdr *eth = (void *)mbuf_data(m);
	struct arp_hdr *arp = (void *)(mbuf_data(m) + at);

	if (m->data_len < at + ARP_HDR_LEN || arp->htype != cpu_to_be16(ARP_HTYPE_ETHERNET) ||
	    arp->ptype != cpu_to_be16(ETH_TYPE_IPV4) || arp->hlen != 6 || arp->plen != 4 ||
	    arp->op != cpu_to_be16(ARP_OP_REQUEST))
		return false;
	mac_copy(eth->dst, eth->src);
	mac_copy(eth->src, s->tx->mac);
	arp->op = cpu_to_be16(ARP_OP_REPLY);
	swap_bytes(arp->sha, arp->tha, sizeof(arp->sha) + sizeof(arp->spa));
	mac_copy(arp->sha, s->tx->mac);
	return true;
}

static bool answer_ping(const struct fwd_stream *s, struct mbuf *m, unsigned at)
{
	struct ipv4_hdr *ip = (void *)(mbuf_data(m) + at);
	const unsigned len = ipv4_len(m, at);
	struct icmp_hdr *icmp = (void *)(mbuf_data(m) + at + len);

	if (!len || m->data_len < at + len + ICMP_HDR_LEN || ip->proto != IP_PROTO_ICMP ||
	    (ip->frag & cpu_to_be16(IPV4_MF_OR_OFFSET)))
		return false;

	const unsigned total = be16_to_cpu(ip->total_len);

	/* an answer to all, or to nobody, is none (RFC 1122 3.2.2.6, 3.2.1.3) */
	if (total < len + ICMP_HDR_LEN || at + total > m->pkt_len || !ipv4_is_host(ip->src) ||
	    (uint8_t)ip->dst >= IPV4_FIRST_MULTICAST || icmp->type != ICMP_ECHO || icmp->code)
		return false;
	answer_macs(s, (void *)mbuf_data(m));
	swap_bytes((uint8_t *)&ip->src, (uint8_t *)&ip->dst, sizeof(ip->src));
	icmp->type = ICMP_ECHO_REPLY;
	icmp->csum = csum_replace(icmp->csum, ICMP_ECHO, ICMP_ECHO_REPLY);
	return true;
}

static bool answer(const struct fwd_stream *s, struct mbuf *m)
{
	be16 type = 0;
	const unsigned at = l2_end(m, &type);

	if (!at || mac_is_multicast(mbuf_data(m) + 6))
		return false;
	if (type == cpu_to_be16(ETH_TYPE_ARP))
		return answer_arp(s, m, at);
	return type == cpu_to_be16(ETH_TYPE_IPV4) && answer_ping(s, m, at);
}

uint16_t fwd_icmpecho(struct fwd_stream *s, struct mbuf **pkts, uint16_t n)
{
	uint16_t answers = 0;

	for (unsigned i = 0; i < n; i++) {
		if (answer(s, pkts[i]))
			pkts[answers++] = pkts[i];
		else
			mbuf_free(pkts[i]);
	}
	s->consumed += (uint64_t)(n - answers);
	return answers;
}

/* ---- generated packets -------------------------------------------------------------------- */

void fwd_stream_init(struct fwd_stream *s, struct netdev *rx, struct netdev *tx, uint16_t rxq,
                     uint16_t txq)
{
	*s = (struct fwd_stream){
	    .rx = rx,
	    .tx = tx,
	    .rxq = rxq,
	    .txq = txq,
	    .hdr = {.eth = {.dst = {0x02, 0, 0, 0, 0, (uint8_t)tx->port},
	                    .type = cpu_to_be16(ETH_TYPE_IPV4)},
	            .ip = {.version_ihl = IPV4_VERSION_IHL,
	                   .ttl = GENERATED_TTL,
	                   .proto = IP_PROTO_UDP,
	                   .src = cpu_to_be32(0xc6120001), /* 198.18.0.1 and .2, RFC 2544 */
	                   .dst = cpu_to_be32(0xc6120002)},
	            .udp = {.src = cpu_to_be16(GENERATED_PORT),
	                    .dst = cpu_to_be16(GENERATED_PORT)}},
	};
	mac_copy(s->hdr.eth.src, tx->mac);
}

void fwd_sizes_set(struct fwd_stream *s, const struct fwd_sizes *sizes)
{
	unsigned len = 0;

	for (unsigned i = 0; i < sizes->nb_segs; i++)
		len += sizes->seg[i];
	s->hdr.ip.total_len = cpu_to_be16((uint16_t)(len - ETH_HDR_LEN));
	s->hdr.udp.len = cpu_to_be16((uint16_t)(len - ETH_HDR_LEN - IPV4_HDR_LEN));
	s->hdr.ip.csum = 0;
	s->hdr.ip.csum = csum_final(csum_fold(csum_bytes(&s->hdr.ip, IPV4_HDR_LEN, 0)));
}

bool fwd_sizes_parse(const char *text, struct fwd_sizes *sizes)
{
	unsigned total = 0;

	sizes->nb_segs = 0;
	for (;; text++) {
		unsigned len = 0;

		while (*text >= '0' && *text <= '9' && len <= MEMPOOL_DATA_ROOM)
			len = len * 10 + (unsigned)(*text++ - '0');
		total += len;
		if (!len || len > MEMPOOL_DATA_ROOM || sizes->nb_segs == FWD_SEGS_MAX)
			return false;
		sizes->seg[sizes->nb_segs++] = (uint16_t)len;
		if (*text != ',')
			break;
	}
	return !*text && sizes->seg[0] >= sizeof(struct fwd_headers) && total <= NETDEV_FRAME_MAX;
}

/* NULL: there are not enough buffers. */
static struct mbuf *generate_one(struct fwd_stream *s, const struct fwd_sizes *sizes)
{
	struct mbuf *segs[FWD_SEGS_MAX] = {NULL};
	const unsigned n = mempool_get_bulk(s->rx->queue[s->rxq].pool, segs, sizes->nb_segs);

	if (unlikely(!n || n < sizes->nb_segs)) {
		for (unsigned i = 0; i < n; i++)
			mempool_put(segs[i]);
		return NULL;
	}
	mbuf_reset(segs[0]);
	for (unsigned i = 0; i < n; i++) {
		struct mbuf *m = segs[i];

		m->next = i + 1 < n ? segs[i + 1] : NULL;
		m->data_off = NETDEV_HEADROOM;
		m->data_len = sizes->seg[i];
		segs[0]->pkt_len += m->data_len;
		/* what somebody else sent is nobody's business */
		memset(mbuf_data(m), 0, m->data_len);
	}
	segs[0]->nb_segs = (uint16_t)n;
	__builtin_memcpy(mbuf_data(segs[0]), &s->hdr, sizeof(s->hdr));
	return segs[0];
}

uint16_t fwd_generate(struct fwd_stream *s, const struct fwd_sizes *sizes, struct mbuf **pkts,
                      uint16_t n)
{
	uint16_t i;

	for (i = 0; i < n; i++) {
		pkts[i] = generate_one(s, sizes);
		if (!pkts[i])
			break;
	}
	s->generated += i;
	return i;
}
