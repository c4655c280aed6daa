/*
 * ARP for IPv4 over Ethernet (RFC 826): a set-associative cache, found by the low bits of the
 * address, so that no peer can make a look-up long or the cache large.
 *
 *	FREE -> ASKED -> REACHABLE <-> REFRESHING -> FREE
 *	           \-> FAILED -> FREE
 *
 * Entries come into being when we ask, or when a neighbour asks for us (RFC 826 expects that we
 * will want to answer). What others tell unasked only updates entries that exist.
 */
#include "net/arp.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/string.h"
#include "net/dhcp.h"
#include "net/eth.h"
#include "net/forward.h"
#include "net/ipv4.h"
#include "net/share.h"
#include "net/stack.h"

enum arp_state {
	ARP_FREE,
	ARP_ASKED,      /* request sent, nothing known; packets wait */
	ARP_REACHABLE,  /* told lately */
	ARP_REFRESHING, /* still used, asked again */
	ARP_FAILED,     /* did not answer; not asked again until deadline_ns */
};

struct arp_entry {
	be32 ip;
	uint8_t mac[6];
	uint8_t state; /* enum arp_state */
	uint8_t tries; /* requests sent in this state */
	bool used;     /* looked up since it was confirmed */
	uint8_t nb_waiting;
	uint64_t deadline_ns;                /* when arp_timers() has to act */
	uint64_t seq;                        /* the lowest was taken or confirmed longest ago */
	struct mbuf *waiting[ARP_QUEUE_MAX]; /* oldest first */
};

struct arp_cache {
	struct arp_entry entries[ARP_SETS * ARP_WAYS];
	unsigned nb_waiting, waiting_max;
	uint64_t seq;                 /* last one given to an entry */
	struct token_bucket requests; /* for strangers */
	unsigned timers_start;        /* each in turn gets the first token */
	unsigned announcements_left;
	uint64_t announce_ns;
	bool conflict_logged;
};

static const uint8_t mac_broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t mac_unknown[6];

static struct arp_entry *arp_set(struct arp_cache *c, be32 ip)
{
	unsigned set = (ip >> 24 ^ ip >> 16) % ARP_SETS;

	return &c->entries[set * ARP_WAYS];
}

static struct arp_entry *arp_find(struct net_if *nif, be32 ip)
{
	struct arp_entry *set = arp_set(nif->arp, ip);

	for (unsigned i = 0; i < ARP_WAYS; i++)
		if (set[i].state != ARP_FREE && set[i].ip == ip)
			return &set[i];
	return NULL;
}

static bool arp_usable(const struct arp_entry *e)
{
	return e->state == ARP_REACHABLE || e->state == ARP_REFRESHING;
}

/* How little would be lost with an entry. Who did not answer yet goes before who is talked to, so
 * that a flood from made-up addresses keeps nobody out. */
static unsigned arp_spare(const struct arp_entry *e)
{
	switch (e->state) {
	case ARP_FREE:
		return 4;
	case ARP_FAILED:
		return 3;
	case ARP_ASKED:
		return 1;
	default:
		return e->used ? 0 : 2;
	}
}

static void arp_drop_waiting(struct net_if *nif, struct arp_entry *e)
{
	for (unsigned i = 0; i < e->nb_waiting; i++)
		net_drop(e->waiting[i], &nif->stats.tx_unresolved);
	nif->arp->nb_waiting -= e->nb_waiting;
	e->nb_waiting = 0;
}

static void arp_unresolved(struct net_if *nif, struct mbuf *m)
{
	if (nif->st->forward)
		forward_unresolved(nif, m);
	else
		net_drop(m, &nif->stats.tx_unresolved);
}

/* Nobody answered. Their senders may be told, which may take a place in the cache, this one too. */
static void arp_fail(struct net_if *nif, struct arp_entry *e)
{
	struct mbuf *waiting[ARP_QUEUE_MAX];
	const unsigned n = e->nb_waiting;

	memcpy(waiting, e->waiting, n * sizeof(*waiting));
	nif->arp->nb_waiting -= n;
	e->nb_waiting = 0;
	e->state = ARP_FAILED;
	e->deadline_ns = nif->st->now_ns + ARP_FAILED_S * NS_PER_S;
	for (unsigned i = 0; i < n; i++)
		arp_unresolved(nif, waiting[i]);
}

/* A place for an address that is not in the cache: an unused one, else the one that was taken or
 * confirmed longest ago. Who takes the place of one just asked for must wait its second out, else
 * silent addresses could drive each other out and be asked for over and over (RFC 1122 2.3.2.1). */
static struct arp_entry *arp_take(struct net_if *nif, be32 ip)
{
	struct arp_entry *set = arp_set(nif->arp, ip), *best = &set[0];

	for (unsigned i = 1; i < ARP_WAYS; i++) {
		unsigned spare = arp_spare(&set[i]), best_spare = arp_spare(best);

		if (spare > best_spare || (spare == best_spare && set[i].seq < best->seq))
			best = &set[i];
	}
	uint64_t ask_ns = best->state == ARP_ASKED ? best->deadline_ns : 0;

	arp_drop_waiting(nif, best);
	*best = (struct arp_entry){.ip = ip, .deadline_ns = ask_ns, .seq = ++nif->arp->seq};
	ipv4_hop_forget(nif);
	return best;
}

static void arp_fill(struct arp_hdr *arp, const struct net_if *nif, uint16_t op)
{
	*arp = (struct arp_hdr){
	    .htype = cpu_to_be16(ARP_HTYPE_ETHERNET),
	    .ptype = cpu_to_be16(ETH_TYPE_IPV4),
	    .hlen = 6,
	    .plen = 4,
	    .op = cpu_to_be16(op),
	    .spa = nif->ip,
	};
	mac_copy(arp->sha, nif->dev->mac);
}

static void arp_send_request(struct net_if *nif, be32 ip)
{
	struct mbuf *m = net_alloc(nif);

	if (!m)
		return;
	m->data_len = ETH_HDR_LEN + ARP_HDR_LEN;
	m->pkt_len = m->data_len;

	struct arp_hdr *arp = (void *)(mbuf_data(m) + ETH_HDR_LEN);

	arp_fill(arp, nif, ARP_OP_REQUEST);
	arp->tpa = ip;
	mac_copy(arp->tha, mac_unknown);
	eth_output(nif, m, mac_broadcast, ETH_TYPE_ARP);
}

static void arp_ask(struct net_if *nif, struct arp_entry *e, enum arp_state state)
{
	e->state = (uint8_t)state;
	e->tries++;
	e->deadline_ns = nif->st->now_ns + NS_PER_S;
	arp_send_request(nif, e->ip);
}

/* Neighbours who have answered once are asked again at their time; those who may not exist, only
 * within a rate. Without a token arp_timers() comes back. */
static void arp_ask_stranger(struct net_if *nif, struct arp_entry *e)
{
	uint64_t now_ns = nif->st->now_ns;

	e->state = ARP_ASKED;
	if (now_ns >= e->deadline_ns &&
	    net_take_token(&nif->arp->requests, now_ns, ARP_REQUESTS_PER_S, ARP_REQUESTS_BURST))
		arp_ask(nif, e, ARP_ASKED);
}

static void arp_send_waiting(struct net_if *nif, struct arp_entry *e)
{
	for (unsigned i = 0; i < e->nb_waiting; i++)
		eth_output(nif, e->waiting[i], e->mac, ETH_TYPE_IPV4);
	nif->arp->nb_waiting -= e->nb_waiting;
	e->nb_waiting = 0;
}

static void arp_confirm(struct net_if *nif, struct arp_entry *e, const uint8_t *mac)
{
	mac_copy(e->mac, mac);
	e->state = ARP_REACHABLE;
	e->tries = 0;
	e->used = false;
	e->seq = ++nif->arp->seq;
	e->deadline_ns = nif->st->now_ns + ARP_REACHABLE_S * NS_PER_S;
	arp_send_waiting(nif, e);
	ipv4_hop_forget(nif);
}

/* Is the packet of the kind that RFC 826 asks to look for, from a sender that can exist? */
static bool arp_well_formed(const struct net_if *nif, const struct arp_hdr *arp)
{
	if (arp->htype != cpu_to_be16(ARP_HTYPE_ETHERNET) ||
	    arp->ptype != cpu_to_be16(ETH_TYPE_IPV4) || arp->hlen != 6 || arp->plen != 4)
		return false;
	if (arp->op != cpu_to_be16(ARP_OP_REQUEST) && arp->op != cpu_to_be16(ARP_OP_REPLY))
		return false;
	if (mac_is_multicast(arp->sha) || mac_is_zero(arp->sha) ||
	    mac_equal(arp->sha, nif->dev->mac))
		return false;
	if (arp->spa == 0) /* RFC 5227: a probe, only as a request */
		return arp->op == cpu_to_be16(ARP_OP_REQUEST);
	return ipv4_is_host(arp->spa) && arp->spa != nif->broadcast;
}

static bool arp_conflict(struct net_if *nif, const struct arp_hdr *arp)
{
	struct arp_cache *c = nif->arp;
	const uint8_t *mac = arp->sha;

	if (!nif->ip || arp->spa != nif->ip)
		return false;
	if (nif->st->lcore) /* the first one will hear of it, too */
		return true;
	nif->stats.arp_conflicts++;
	if (!c->conflict_logged) {
		c->conflict_logged = true;
		log_warn(
		    "arp",
		    "port %u: %02x:%02x:%02x:%02x:%02x:%02x also uses our address %s: give one "
		    "of the two another (net.ip=, or the DHCP server's table)",
		    nif->dev->port, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
		    ip4_text(nif->ip).s);
	}
	if (nif->dhcp)
		dhcp_conflict(nif);
	return true;
}

/* Take in what the sender says of itself. Return: was it of use? */
static bool arp_learn(struct net_if *nif, const struct arp_hdr *arp, bool asks_us)
{
	if (arp->spa == 0)
		return false;

	struct arp_entry *e = arp_find(nif, arp->spa);

	if (!e && asks_us && (!((arp->spa ^ nif->ip) & nif->mask) || arp->spa == nif->gw))
		e = arp_take(nif, arp->spa);
	if (!e)
		return false;
	arp_confirm(nif, e, arp->sha);
	return true;
}

/* Turn a request for our address into the answer, in the same buffer. */
static void arp_answer(struct net_if *nif, struct mbuf *m, const struct arp_hdr *asked)
{
	struct arp_hdr *arp = (void *)(mbuf_data(m) + ETH_HDR_LEN);

	net_trim(m, ETH_HDR_LEN + ARP_HDR_LEN);
	m->flags = 0;
	arp_fill(arp, nif, ARP_OP_REPLY);
	mac_copy(arp->tha, asked->sha);
	arp->tpa = asked->spa;
	eth_output(nif, m, asked->sha, ETH_TYPE_ARP);
}

static bool arp_for_us(const struct net_if *nif, const struct arp_hdr *arp)
{
	return nif->ip && arp->tpa == nif->ip;
}

static bool arp_is_request(const struct arp_hdr *arp)
{
	return arp->op == cpu_to_be16(ARP_OP_REQUEST);
}

void arp_hear(struct net_if *nif, const struct arp_hdr *arp)
{
	if (!arp_conflict(nif, arp))
		(void)arp_learn(nif, arp, arp_for_us(nif, arp) && arp_is_request(arp));
}

void arp_input(struct net_if *nif, struct mbuf *m)
{
	struct net_if_stats *stats = &nif->stats;
	struct arp_hdr own;
	const struct arp_hdr *arp = &own;

	if (m->data_len < ETH_HDR_LEN + ARP_HDR_LEN) {
		net_drop(m, &stats->drop_short);
		return;
	}
	/* the device may go on writing to the frame: what was checked has to be what is used */
	memcpy(&own, mbuf_data(m) + ETH_HDR_LEN, sizeof(own));
	if (!arp_well_formed(nif, arp)) {
		net_drop(m, &stats->drop_arp);
		return;
	}
	if (nif->st->share)
		net_share_arp(nif, arp);
	if (arp_conflict(nif, arp)) {
		net_drop(m, &stats->drop_arp);
		return;
	}

	bool for_us = arp_for_us(nif, arp);
	bool request = arp_is_request(arp);
	bool learnt = arp_learn(nif, arp, for_us && request);

	if (!for_us && !learnt) {
		net_drop(m, &stats->drop_not_for_us);
		return;
	}
	stats->rx_delivered++;
	if (for_us && request)
		arp_answer(nif, m, arp);
	else
		mbuf_free(m);
}

const uint8_t *arp_lookup(struct net_if *nif, be32 ip)
{
	struct arp_entry *e = arp_find(nif, ip);

	if (!e || !arp_usable(e))
		return NULL;
	e->used = true;
	return e->mac;
}

static void arp_wait(struct net_if *nif, struct arp_entry *e, struct mbuf *m)
{
	struct arp_cache *c = nif->arp;

	if (e->nb_waiting == ARP_QUEUE_MAX) {
		net_drop(e->waiting[0], &nif->stats.tx_arp_queue_full);
		memmove(&e->waiting[0], &e->waiting[1], sizeof(e->waiting) - sizeof(e->waiting[0]));
		e->waiting[ARP_QUEUE_MAX - 1] = m;
		return;
	}
	if (c->nb_waiting == c->waiting_max) {
		net_drop(m, &nif->stats.tx_arp_queue_full);
		return;
	}
	e->waiting[e->nb_waiting++] = m;
	c->nb_waiting++;
}

int arp_resolve_and_send(struct net_if *nif, be32 hop, struct mbuf *m)
{
	struct arp_entry *e = arp_find(nif, hop);

	if (e && arp_usable(e)) {
		e->used = true;
		eth_output(nif, m, e->mac, ETH_TYPE_IPV4);
		return 0;
	}
	if (e && e->state == ARP_FAILED) {
		arp_unresolved(nif, m);
		return -EHOSTUNREACH;
	}
	if (!e) {
		e = arp_take(nif, hop);
		arp_ask_stranger(nif, e);
	}
	arp_wait(nif, e, m);
	return 0;
}

READS_OTHERS unsigned arp_nb_waiting(const struct net_if *nif)
{
	return nif->arp->nb_waiting;
}

void arp_announce(struct net_if *nif)
{
	struct arp_cache *c = nif->arp;

	arp_send_request(nif, nif->ip);
	nif->dev->announce = false;
	c->conflict_logged = false;
	c->announcements_left = ARP_ANNOUNCEMENTS - 1;
	c->announce_ns = nif->st->now_ns + NS_PER_S;
}

void arp_flush(struct net_if *nif)
{
	struct arp_cache *c = nif->arp;

	for (unsigned i = 0; i < ARRAY_SIZE(c->entries); i++) {
		arp_drop_waiting(nif, &c->entries[i]);
		c->entries[i].state = ARP_FREE;
	}
	c->announcements_left = 0;
	ipv4_hop_forget(nif);
}

static void arp_expire(struct net_if *nif, struct arp_entry *e)
{
	switch (e->state) {
	case ARP_ASKED:
		if (e->tries < ARP_TRIES) {
			arp_ask_stranger(nif, e);
			return;
		}
		arp_fail(nif, e);
		return;
	case ARP_REACHABLE:
	case ARP_REFRESHING:
		if (e->used && e->tries < ARP_TRIES) {
			arp_ask(nif, e, ARP_REFRESHING);
			return;
		}
		ipv4_hop_forget(nif);
		break;
	default:
		break;
	}
	e->state = ARP_FREE;
}

void arp_timers(struct net_if *nif, uint64_t now_ns)
{
	struct arp_cache *c = nif->arp;
	unsigned start = c->timers_start++;

	for (unsigned i = 0; i < ARRAY_SIZE(c->entries); i++) {
		struct arp_entry *e = &c->entries[(start + i) % ARRAY_SIZE(c->entries)];

		if (e->state != ARP_FREE && now_ns >= e->deadline_ns)
			arp_expire(nif, e);
	}
	if (c->announcements_left && now_ns >= c->announce_ns) {
		c->announcements_left--;
		c->announce_ns = now_ns + NS_PER_S;
		arp_send_request(nif, nif->ip);
	}
}

int arp_create(struct net_if *nif)
{
	nif->arp = mem_alloc("ARP cache", sizeof(*nif->arp), CACHE_LINE);
	if (!nif->arp)
		return -ENOMEM;
	nif->arp->requests = (struct token_bucket){ARP_REQUESTS_BURST, nif->st->now_ns};
	nif->arp->waiting_max = (unsigned)min_u64(ARP_WAITING_MAX, net_if_pool(nif)->size / 4);
	return 0;
}
