/*
 * The stack's loop and its ports: bursts come in and go up, what they cause is collected and goes
 * out at the end of the turn. Here are also the addresses of the ports, from the options net.ip
 * and net.gw, and the counters as text.
 */
#include "net/net_stack.h"
#include "kernel/console.h"
#include "kernel/errno.h"
#include "kernel/fmt.h"
#include "kernel/json.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/options.h"
#include "kernel/plat.h"
#include "kernel/string.h"
#include "net/arp.h"
#include "net/dhcp.h"
#include "net/eth.h"
#include "net/forward.h"
#include "net/icmp.h"
#include "net/ipv4.h"
#include "net/share.h"
#include "net/stack.h"
#include "net/udp.h"
#include <arch/cpu.h>

static_assert(NETDEV_HEADROOM >= UDP_HEADROOM, "a fresh packet can be sent");

const struct option net_stack_options[] = {
    {
	.key = "net.ip",
	.kind = OPTION_IP4_NET,
	.fallback = "dhcp",
	.allowed = "dhcp off",
	.help = "IPv4 address of a port: dhcp, A.B.C.D/len or off",
    },
    {
	.key = "net.gw",
	.kind = OPTION_IP4,
	.help = "IPv4 gateway, with an address given by net.ip",
    },
};
const unsigned net_stack_nb_options = ARRAY_SIZE(net_stack_options);

/* ---- packets ------------------------------------------------------------------------------ */

void net_drop(struct mbuf *m, uint64_t *reason)
{
	(*reason)++;
	mbuf_free(m);
}

void net_trim(struct mbuf *m, uint32_t len)
{
	struct mbuf *last = m;
	uint32_t left = len;

	m->pkt_len = len;
	m->nb_segs = 1;
	while (left > last->data_len) {
		left -= last->data_len;
		last = last->next;
		assert(last);
		m->nb_segs++;
	}
	last->data_len = (uint16_t)left;
	mbuf_free(last->next);
	last->next = NULL;
}

struct mbuf *net_alloc(struct net_if *nif)
{
	struct mbuf *m = mbuf_alloc(net_if_pool(nif));

	if (!m)
		nif->stats.tx_no_mbuf++;
	return m;
}

void net_if_flush(struct net_if *nif)
{
	uint16_t n = nif->nb_out;

	if (!n)
		return;
	if (unlikely(nif->queue_last < 0)) {
		net_share_send(nif);
		return;
	}

	uint16_t sent = netdev_tx_burst(nif->dev, nif->queue, nif->out, n);

	nif->nb_out = 0;
	nif->stats.tx_packets += sent;
	nif->dev->queue[nif->queue].tx_dropped += (uint64_t)(n - sent);
	for (uint16_t i = sent; unlikely(i < n); i++)
		net_drop(nif->out[i], &nif->stats.tx_ring_full);
}

/* ---- the turn ----------------------------------------------------------------------------- */

/* Whose tag the driver took out: of no VLAN (only a priority, 802.1Q 6.9, which ends here), or not
 * for us, as we are in none. Return: how many are left, in front. */
static COLD unsigned net_if_untagged(struct net_if *nif, struct mbuf **pkts, unsigned n)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++) {
		struct mbuf *m = pkts[i];

		if ((m->flags & MBUF_RX_VLAN) && (m->vlan_tci & ETH_VLAN_VID)) {
			net_drop(m, &nif->stats.drop_proto);
			continue;
		}
		m->flags &= ~MBUF_RX_VLAN;
		pkts[kept++] = m;
	}
	return kept;
}

static unsigned net_if_rx(struct net_if *nif)
{
	struct mbuf *pkts[NETDEV_BURST];
	unsigned n = netdev_rx_burst(nif->dev, nif->queue, pkts, NETDEV_BURST);

	unsigned ours = n;

	if (!n)
		return 0;
	nif->stats.rx_packets += n;
	if (unlikely(nif->dev->rx_offloads & MBUF_RX_VLAN))
		ours = net_if_untagged(nif, pkts, n);
	for (unsigned i = 0; i < ours; i++) {
		if (i + 1 < ours)
			cpu_prefetch(mbuf_data(pkts[i + 1]));
		eth_input(nif, pkts[i]);
	}
	return n;
}

/* Answers leave by the queue pair that the questions came in by: devices steer the rest of a flow
 * by that (virtio 5.1.9.5.6). */
static void net_if_use(struct net_if *nif, uint16_t queue)
{
	if (nif->queue == queue)
		return;
	net_if_flush(nif);
	nif->queue = queue;
	nif->pool = nif->dev->queue[queue].pool;
}

unsigned net_stack_poll(struct net_stack *st)
{
	unsigned n = 0;

	for (unsigned i = 0; i < st->nb_ifs; i++) {
		struct net_if *nif = &st->ifs[i];

		/* the first one last: what nobody asked for is sent by that */
		for (int q = nif->queue_last; q >= nif->queue_first; q -= (int)st->nb_lcores) {
			net_if_use(nif, (uint16_t)q);
			n += net_if_rx(nif);
		}
		net_if_flush(nif);
	}
	return n;
}

/* The port has another MAC address, or is somewhere else: others are told. */
static void net_if_follow(struct net_if *nif)
{
	const bool moved = nif->dev->announce;

	nif->dev->announce = false;
	if (nif->ip && (moved || !mac_equal(nif->hop.hdr.eth.src, nif->dev->mac)))
		arp_announce(nif);
}

void net_stack_timers(struct net_stack *st, uint64_t now_ns)
{
	st->now_ns = now_ns;
	if (st->share)
		net_share_poll(st);
	if (likely(now_ns < st->next_timer_ns))
		return;
	st->next_timer_ns = now_ns + NET_TICK_NS;
	for (unsigned i = 0; i < st->nb_ifs; i++) {
		struct net_if *nif = &st->ifs[i];

		if (!st->lcore)
			net_if_follow(nif);
		/* so that a neighbour in use is looked up now and then, and seen to be used */
		ipv4_hop_forget(nif);
		arp_timers(nif, now_ns);
		if (nif->dhcp && !st->lcore)
			dhcp_timers(nif, now_ns);
		net_if_flush(nif);
	}
}

/* ---- addresses ---------------------------------------------------------------------------- */

struct ip4_text ip4_text(be32 ip)
{
	struct ip4_text t;
	uint8_t b[4];

	memcpy(b, &ip, 4);
	fmt_buf(t.s, sizeof(t.s), "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
	return t;
}

static void net_if_report(const struct net_if *nif, const char *source)
{
	char addr[24];
	struct json j;

	fmt_buf(addr, sizeof(addr), "%s/%d", ip4_text(nif->ip).s, ipv4_prefix(nif->mask));
	log_info("net", "port %u %s gateway %s by %s", nif->dev->port, addr,
	         nif->gw ? ip4_text(nif->gw).s : "none", source);
	if (!log_json())
		return;
	json_begin(&j, "addr");
	json_u64(&j, "port", nif->dev->port);
	json_u64(&j, "family", 4);
	json_string(&j, "ip", addr);
	json_string(&j, "gw", nif->gw ? ip4_text(nif->gw).s : "");
	json_string(&j, "source", source);
	json_end(&j);
}

void net_if_take_addr(struct net_if *nif, be32 ip, be32 mask, be32 gw)
{
	nif->ip = ip;
	nif->mask = mask;
	nif->gw = gw;
	nif->broadcast = ip && ipv4_prefix(mask) <= 30 ? ip | ~mask : 0;
	arp_flush(nif);
	if (nif->st->forward)
		forward_build(nif->st);
}

void net_if_set_addr(struct net_if *nif, be32 ip, be32 mask, be32 gw, const char *source)
{
	net_if_take_addr(nif, ip, mask, gw);
	net_if_report(nif, source);
	arp_announce(nif);
}

void net_if_clear_addr(struct net_if *nif)
{
	net_if_take_addr(nif, 0, 0, 0);
}

static int net_if_static(struct net_if *nif, const char *text)
{
	const char *gw_text = options_port_get("net.gw", nif->dev->port);
	be32 ip, gw = 0;
	unsigned prefix, gw_prefix;

	if (options_ip4(text, &ip, &prefix) || prefix < 1 ||
	    !ipv4_fits_net(ip, ipv4_mask(prefix))) {
		log_err("net", "port %u: net.ip=%s: no host's address; give A.B.C.D/len, len 1..32",
		        nif->dev->port, text);
		return -EINVAL;
	}
	if (gw_text && (options_ip4(gw_text, &gw, &gw_prefix) ||
	                !ipv4_is_gateway(gw, ip, ipv4_mask(prefix)))) {
		log_err("net", "port %u: net.gw=%s: give the address of another host inside %s",
		        nif->dev->port, gw_text, text);
		return -EINVAL;
	}
	net_if_set_addr(nif, ip, ipv4_mask(prefix), gw, "static");
	return 0;
}

static int net_if_configure(struct net_if *nif)
{
	const char *text = options_port_get("net.ip", nif->dev->port);

	if (!strcmp(text, "dhcp"))
		return dhcp_create(nif);
	if (strcmp(text, "off"))
		return net_if_static(nif, text);
	nif->ip_off = true;
	return 0;
}

bool net_if_ready(const struct net_if *nif)
{
	return nif->ip || nif->ip_off;
}

/* ---- set-up ------------------------------------------------------------------------------- */

int net_stack_init(struct net_stack *st)
{
	*st = (struct net_stack){.now_ns = plat_time_ns(), .nb_lcores = 1};
	st->pcbs = mem_alloc("UDP ports", UDP_PCBS_MAX * sizeof(*st->pcbs), CACHE_LINE);
	return st->pcbs ? 0 : -ENOMEM;
}

void net_if_deal(struct net_if *nif)
{
	const struct netdev *dev = nif->dev;

	nif->queue_last = -1;
	for (int q = 0; q < dev->nb_queues; q++) {
		if (dev->queue[q].lcore != nif->st->lcore)
			continue;
		if (nif->queue_last < 0)
			nif->queue_first = q;
		nif->queue_last = q;
	}
	if (nif->queue_last < 0)
		nif->queue_first = 0;
	nif->queue = (uint16_t)nif->queue_first;
	nif->pool = dev->queue[nif->queue].pool;
}

/* The next interface of @st; it counts when all went well. */
static int net_if_make(struct net_stack *st, struct netdev *dev)
{
	struct net_if *nif = &st->ifs[st->nb_ifs];

	*nif = (struct net_if){.st = st,
	                       .dev = dev,
	                       .from = {.nif = nif},
	                       .icmp_bucket = {ICMP_ERRORS_BURST, st->now_ns}};
	net_if_deal(nif);
	ipv4_hop_forget(nif);
	return arp_create(nif);
}

int net_stack_join_port(struct net_stack *st, const struct net_if *of)
{
	int err = net_if_make(st, of->dev);

	if (err)
		return err;
	st->ifs[st->nb_ifs].dhcp = of->dhcp;
	st->ifs[st->nb_ifs].ip_off = of->ip_off;
	st->nb_ifs++;
	return 0;
}

int net_stack_add_port(struct net_stack *st, struct netdev *dev)
{
	struct net_if *nif = &st->ifs[st->nb_ifs];
	int err;

	if (st->nb_ifs == NET_IFS_MAX)
		return -ENOSPC;
	err = net_if_make(st, dev);
	if (!err)
		err = net_if_configure(nif);
	if (err)
		return err;
	st->nb_ifs++;
	net_if_flush(nif);
	return 0;
}

/* ---- counters ----------------------------------------------------------------------------- */

struct stat_name {
	const char *name;
	size_t offset;
};

#define STAT(field)                                                                                \
	{                                                                                          \
#field, offsetof(struct net_if_stats, field)                                       \
	}

static const struct stat_name stat_names[] = {
    STAT(rx_packets),    STAT(rx_delivered),    STAT(drop_short),        STAT(drop_not_for_us),
    STAT(drop_proto),    STAT(drop_ip_header),  STAT(drop_ip_csum),      STAT(drop_fragment),
    STAT(drop_udp_csum), STAT(drop_udp_length), STAT(drop_no_port),      STAT(drop_no_mbuf),
    STAT(drop_icmp),     STAT(drop_arp),        STAT(rx_forwarded),      STAT(drop_ttl),
    STAT(drop_no_route), STAT(drop_too_long),   STAT(tx_packets),        STAT(tx_ring_full),
    STAT(tx_no_route),   STAT(tx_too_long),     STAT(tx_arp_queue_full), STAT(tx_unresolved),
    STAT(tx_no_mbuf),    STAT(icmp_errors),     STAT(icmp_limited),      STAT(arp_conflicts),
    STAT(share_lost),
};
static_assert(ARRAY_SIZE(stat_names) * sizeof(uint64_t) == sizeof(struct net_if_stats),
              "every counter has a name");

static const struct net_stack *stack_of(const struct net_stack *st, unsigned lcore)
{
	return lcore ? net_share_stack(st, lcore) : st;
}

/* Of an interface on all lcores. */
static READS_OTHERS uint64_t stat_sum(const struct net_stack *st, unsigned ifi, size_t offset)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < st->nb_lcores; i++) {
		const struct net_stack *of = stack_of(st, i);

		sum +=
		    *(const uint64_t *)(const void *)((const char *)&of->ifs[ifi].stats + offset);
	}
	return sum;
}

static READS_OTHERS unsigned arp_waiting_sum(const struct net_stack *st, unsigned ifi)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < st->nb_lcores; i++)
		sum += arp_nb_waiting(&stack_of(st, i)->ifs[ifi]);
	return sum;
}

void net_stack_print_stats(const struct net_stack *st)
{
	for (unsigned i = 0; i < st->nb_ifs; i++) {
		const struct net_if *nif = &st->ifs[i];

		console_printf("port %u: %s/%d\n", nif->dev->port, ip4_text(nif->ip).s,
		               ipv4_prefix(nif->mask));
		console_printf("  %-18s %u\n", "arp_waiting", arp_waiting_sum(st, i));
		for (unsigned k = 0; k < ARRAY_SIZE(stat_names); k++)
			console_printf("  %-18s %llu\n", stat_names[k].name,
			               (unsigned long long)stat_sum(st, i, stat_names[k].offset));
	}
}
