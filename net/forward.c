/* IPv4 forwarding (RFC 1812 5.2 and 5.3). See net/forward.h. */
#include "net/forward.h"
#include "kernel/errno.h"
#include "kernel/memory.h"
#include "net/arp.h"
#include "net/csum.h"
#include "net/eth.h"
#include "net/icmp.h"
#include "net/stack.h"

struct forward {
	struct route_table *table;
	struct route routes[ROUTES_MAX]; /* given ones, then the subnets of the ports */
	unsigned nb_given;
};

/* ---- routes ------------------------------------------------------------------------------- */

void forward_build(struct net_stack *st)
{
	struct forward *fwd = st->forward;
	unsigned n = fwd->nb_given;

	for (unsigned i = 0; i < st->nb_ifs; i++) {
		const struct net_if *nif = &st->ifs[i];

		if (nif->ip)
			fwd->routes[n++] = (struct route){.dst = nif->ip,
			                                  .prefix = (uint8_t)ipv4_prefix(nif->mask),
			                                  .ifi = (uint8_t)i};
	}
	route_table_build(fwd->table, fwd->routes, n);
}

int forward_start(struct net_stack *st, const struct route *routes, unsigned n)
{
	struct forward *fwd = mem_alloc("forwarding", sizeof(*fwd), CACHE_LINE);

	if (!fwd)
		return -ENOMEM;
	fwd->table = route_table_create();
	if (!fwd->table)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++)
		fwd->routes[i] = routes[i];
	fwd->nb_given = n;
	st->forward = fwd;
	forward_build(st);
	return 0;
}

/* The port that a datagram for @dst leaves by, and the neighbour that takes it. NULL: no route. */
static inline struct net_if *forward_route(struct net_stack *st, be32 dst, be32 *next)
{
	const struct route *r = route_lookup(st->forward->table, dst);

	if (!r || r->ifi >= st->nb_ifs || !st->ifs[r->ifi].ip)
		return NULL;
	*next = r->gw ? r->gw : dst;
	return &st->ifs[r->ifi];
}

static struct net_if *forward_owner(struct net_stack *st, be32 ip)
{
	for (unsigned i = 0; i < st->nb_ifs; i++) {
		if (st->ifs[i].ip == ip)
			return &st->ifs[i];
	}
	return NULL;
}

be32 forward_hop(struct net_if **out, be32 dst)
{
	struct net_stack *st = (*out)->st;
	be32 next;
	struct net_if *nif = forward_route(st, dst, &next);

	if (!nif || forward_owner(st, dst))
		return 0;
	*out = nif;
	return next;
}

/* ---- datagrams ---------------------------------------------------------------------------- */

/* Not forwarded: counted, and its sender told. */
static COLD void forward_refuse(struct net_if *nif, struct mbuf *m, uint64_t *reason,
                                struct icmp_hdr why)
{
	const struct eth_hdr *eth = (const void *)mbuf_data(m);
	const struct ipv4_hdr *ip = (const void *)(eth + 1);

	/* it may have waited for a neighbour, where a device could still write to it */
	mbuf_pull(m, (uint16_t)min_u64(ETH_HDR_LEN + (ip->version_ihl & 15u) * 4, m->data_len));
	icmp_error(nif, m, ip, why, reason);
}

/* Does it fit through the port? What its device cuts may be longer. */
static inline bool forward_fits(const struct netdev *dev, const struct mbuf *m, unsigned total_len)
{
	return total_len <= dev->mtu || (m->flags & MBUF_GSO & dev->tx_offloads);
}

static COLD void forward_too_long(struct net_if *nif, struct mbuf *m, const struct netdev *dev)
{
	forward_refuse(nif, m, &nif->stats.drop_too_long,
	               (struct icmp_hdr){.type = ICMP_UNREACH,
	                                 .code = ICMP_UNREACH_FRAG,
	                                 .rest = cpu_to_be32(dev->mtu)}); /* RFC 1191 */
}

static inline void forward_send(struct net_if *out, be32 next, struct mbuf *m)
{
	const uint8_t *mac = arp_lookup(out, next);

	if (likely(mac))
		eth_output(out, m, mac, ETH_TYPE_IPV4);
	else
		(void)arp_resolve_and_send(out, next, m);
}

/* RFC 1624: the checksum after the TTL, the upper byte of its word, went down by one. */
static inline void forward_ttl(struct ipv4_hdr *ip)
{
	const uint16_t old = load_u16(&ip->ttl);

	ip->ttl--;
	ip->csum = csum_replace(ip->csum, old, load_u16(&ip->ttl));
}

struct net_if *forward_input(struct net_if *nif, struct mbuf *m)
{
	const struct eth_hdr *eth = (const void *)mbuf_data(m);
	struct ipv4_hdr *ip = (void *)(mbuf_data(m) + ETH_HDR_LEN);
	const unsigned total_len = m->pkt_len - ETH_HDR_LEN; /* there is no padding any more */
	struct net_if *out, *owner = forward_owner(nif->st, ip->dst);
	be32 next = 0;

	/* RFC 1812 5.3.4, 5.3.7 */
	if (mac_is_multicast(eth->dst) || !ipv4_is_host(ip->dst)) {
		net_drop(m, &nif->stats.drop_not_for_us);
		return NULL;
	}
	if (unlikely(owner)) {
		nif->stats.rx_forwarded++;
		owner->stats.rx_packets++;
		return owner;
	}
	if (unlikely(ip->ttl <= 1)) {
		forward_refuse(nif, m, &nif->stats.drop_ttl,
		               (struct icmp_hdr){.type = ICMP_TIME_EXCEEDED});
		return NULL;
	}
	out = forward_route(nif->st, ip->dst, &next);
	if (unlikely(!out)) {
		forward_refuse(nif, m, &nif->stats.drop_no_route,
		               (struct icmp_hdr){.type = ICMP_UNREACH, .code = ICMP_UNREACH_NET});
		return NULL;
	}
	if (unlikely(ip->dst == out->broadcast)) { /* RFC 2644 */
		net_drop(m, &nif->stats.drop_not_for_us);
		return NULL;
	}
	if (unlikely(!forward_fits(out->dev, m, total_len))) {
		forward_too_long(nif, m, out->dev);
		return NULL;
	}
	forward_ttl(ip);
	if (unlikely(m->flags) && netdev_tx_prepare(out->dev, m)) {
		net_drop(m, &nif->stats.drop_too_long);
		return NULL;
	}
	nif->stats.rx_forwarded++;
	forward_send(out, next, m);
	return NULL;
}

void forward_unresolved(struct net_if *nif, struct mbuf *m)
{
	const struct ipv4_hdr *ip = (const void *)(mbuf_data(m) + ETH_HDR_LEN);
	struct net_if *back = nif;

	if (!forward_hop(&back, ip->src)) {
		net_drop(m, &nif->stats.tx_unresolved);
		return;
	}
	/* RFC 1812 5.2.7.1; from the address of the port that the sender is behind */
	forward_refuse(back, m, &nif->stats.tx_unresolved,
	               (struct icmp_hdr){.type = ICMP_UNREACH, .code = ICMP_UNREACH_HOST});
}
