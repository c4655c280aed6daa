/*
 * The DHCP client's state machine (RFC 2131 4.4, figure 5). Speed of boot matters: the first
 * DISCOVER leaves at once, the first good offer is taken, the address is used as soon as it is
 * acknowledged and announced by ARP rather than probed.
 */
#include "net/dhcp.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/plat.h"
#include "net/dhcp_msg.h"
#include "net/stack.h"
#include "net/udp_input.h"

#define DHCP_HEADERS_LEN 28   /* IPv4 and UDP */
#define DHCP_MAX_SIZE_MIN 576 /* least legal value of option 57 (RFC 2132 9.10) */

/* ---- time --------------------------------------------------------------------------------- */

static uint32_t dhcp_random(struct dhcp_client *c)
{
	c->random = c->random * 1664525u + 1013904223u;
	return c->random >> 8;
}

/* 1, 2, 4 .. 64 seconds, a quarter more or less, so that machines started together part. */
static uint64_t dhcp_backoff_ns(struct dhcp_client *c)
{
	unsigned doublings = c->tries ? c->tries - 1 : 0;
	uint64_t s = doublings < 6 ? 1ull << doublings : DHCP_RETRY_MAX_S;

	return s * (750 + dhcp_random(c) % 500) * NS_PER_MS;
}

/* Wait for half of what is left until @end_ns, but not less than a minute, nor longer. */
static uint64_t dhcp_renew_due_ns(uint64_t now_ns, uint64_t end_ns)
{
	uint64_t half = (end_ns - now_ns) / 2;

	return min_u64(now_ns + max_u64(half, DHCP_RENEW_MIN_S * NS_PER_S), end_ns);
}

/* ---- sending ------------------------------------------------------------------------------ */

static void dhcp_send(struct net_if *nif, struct dhcp_question *q, be32 to)
{
	struct dhcp_client *c = nif->dhcp;
	struct mbuf *m = net_alloc(nif);
	struct udp_addr dst = {.nif = nif, .ip = to, .port = cpu_to_be16(DHCP_SERVER_PORT)};

	c->tries++;
	if (!m)
		return;
	if (mbuf_tailroom(m) < DHCP_MSG_MIN) {
		net_drop(m, &nif->stats.tx_no_mbuf);
		return;
	}
	q->xid = c->xid;
	if (q->type != DHCP_DECLINE)
		q->secs = (uint16_t)min_u64((nif->st->now_ns - c->start_ns) / NS_PER_S, UINT16_MAX);
	q->max_size =
	    (uint16_t)max_u64((unsigned)nif->dev->mtu - DHCP_HEADERS_LEN, DHCP_MAX_SIZE_MIN);
	q->mac = nif->dev->mac;
	dhcp_build(mbuf_data(m), q);
	m->data_len = DHCP_MSG_MIN;
	m->pkt_len = DHCP_MSG_MIN;
	(void)udp_output(m, cpu_to_be16(DHCP_CLIENT_PORT), &dst);
}

static void dhcp_send_discover(struct net_if *nif)
{
	dhcp_send(nif, &(struct dhcp_question){.type = DHCP_DISCOVER}, IPV4_BROADCAST);
}

/* RFC 2131 table 5: after an offer the lease is named by options, later by our address. */
static void dhcp_send_request(struct net_if *nif)
{
	struct dhcp_client *c = nif->dhcp;
	struct dhcp_question q = {.type = DHCP_REQUEST};

	c->last_ns = nif->st->now_ns;
	if (c->tries == 0)
		c->asked_ns = c->last_ns;
	if (c->state == DHCP_REQUESTING) {
		q.requested_ip = c->lease.ip;
		q.server = c->lease.server;
	} else {
		q.ciaddr = nif->ip;
	}
	dhcp_send(nif, &q, c->state == DHCP_RENEWING ? c->lease.server : IPV4_BROADCAST);
}

/* ---- states ------------------------------------------------------------------------------- */

static void dhcp_enter(struct dhcp_client *c, enum dhcp_state state)
{
	c->state = state;
	c->tries = 0;
}

static void dhcp_enter_init(struct net_if *nif, uint64_t wait_ns)
{
	struct dhcp_client *c = nif->dhcp;

	plat_random(&c->xid, sizeof(c->xid));
	dhcp_enter(c, DHCP_INIT);
	c->due_ns = nif->st->now_ns + wait_ns;
}

static void dhcp_discover(struct net_if *nif)
{
	struct dhcp_client *c = nif->dhcp;

	if (c->state == DHCP_INIT) {
		c->start_ns = nif->st->now_ns;
		dhcp_enter(c, DHCP_SELECTING);
	}
	dhcp_send_discover(nif);
	c->due_ns = nif->st->now_ns + dhcp_backoff_ns(c);
	if (c->tries == DHCP_SILENT_TRIES)
		log_warn("dhcp",
		         "port %u: no server answered %u requests; asking on (is there a DHCP "
		         "server? net.ip=A.B.C.D/len gives an address without one)",
		         nif->dev->port, DHCP_SILENT_TRIES - 1);
}

static void dhcp_request(struct net_if *nif)
{
	struct dhcp_client *c = nif->dhcp;

	if (c->tries == DHCP_REQUEST_TRIES) {
		dhcp_enter_init(nif, 0);
		dhcp_discover(nif);
		return;
	}
	dhcp_send_request(nif);
	c->due_ns = nif->st->now_ns + dhcp_backoff_ns(c);
}

static void dhcp_lease_over(struct net_if *nif)
{
	log_warn("dhcp", "port %u: the lease of %s ended and no server renewed it: address removed",
	         nif->dev->port, ip4_text(nif->ip).s);
	net_if_clear_addr(nif);
	dhcp_enter_init(nif, 0);
	dhcp_discover(nif);
}

static void dhcp_renew(struct net_if *nif, uint64_t now_ns)
{
	struct dhcp_client *c = nif->dhcp;

	if (now_ns >= c->expiry_ns) {
		dhcp_lease_over(nif);
		return;
	}
	if (now_ns < c->last_ns + DHCP_ASK_MIN_S * NS_PER_S) {
		c->due_ns = min_u64(c->last_ns + DHCP_ASK_MIN_S * NS_PER_S, c->expiry_ns);
		return;
	}
	if (now_ns >= c->t2_ns && c->state != DHCP_REBINDING)
		dhcp_enter(c, DHCP_REBINDING);
	else if (c->state == DHCP_BOUND)
		dhcp_enter(c, DHCP_RENEWING);
	if (c->tries == 0)
		c->start_ns = now_ns;
	dhcp_send_request(nif);
	c->due_ns = dhcp_renew_due_ns(now_ns, c->state == DHCP_RENEWING ? c->t2_ns : c->expiry_ns);
}

void dhcp_timers(struct net_if *nif, uint64_t now_ns)
{
	struct dhcp_client *c = nif->dhcp;

	if (now_ns < c->due_ns)
		return;
	switch (c->state) {
	case DHCP_INIT:
	case DHCP_SELECTING:
		dhcp_discover(nif);
		break;
	case DHCP_REQUESTING:
		dhcp_request(nif);
		break;
	case DHCP_BOUND:
	case DHCP_RENEWING:
	case DHCP_REBINDING:
		dhcp_renew(nif, now_ns);
		break;
	}
}

/* ---- answers ------------------------------------------------------------------------------ */

/* Servers may leave the mask out; then the address' class says it (RFC 1122 3.3.6). */
static be32 dhcp_class_mask(be32 ip)
{
	uint8_t first = (uint8_t)ip;

	return ipv4_mask(first < 128 ? 8 : first < 192 ? 16 : 24);
}

/* Make a lease usable or refuse it: everything in it came from the network. */
static bool dhcp_lease_check(struct dhcp_lease *l)
{
	if (!ipv4_is_host(l->ip) || !ipv4_is_host(l->server) || l->lease_s == 0)
		return false;
	if (!l->mask)
		l->mask = dhcp_class_mask(l->ip);
	if (ipv4_prefix(l->mask) < 1 || !ipv4_fits_net(l->ip, l->mask))
		return false;
	if (l->t1_s == 0 || l->t1_s >= l->lease_s)
		l->t1_s = l->lease_s / 2;
	if (l->t2_s <= l->t1_s || l->t2_s >= l->lease_s)
		l->t2_s = (uint32_t)max_u64((uint64_t)l->lease_s * 7 / 8, l->t1_s);
	return true;
}

/* An unreachable gateway is worse than none. Return: the one that was thrown away, or 0 */
static be32 dhcp_check_router(struct dhcp_lease *l)
{
	be32 router = l->router;

	if (!router || ipv4_is_gateway(router, l->ip, l->mask))
		return 0;
	l->router = 0;
	return router;
}

static void dhcp_set_times(struct dhcp_client *c, uint64_t asked_ns)
{
	const struct dhcp_lease *l = &c->lease;

	c->t1_ns = asked_ns + l->t1_s * NS_PER_S;
	c->t2_ns = asked_ns + l->t2_s * NS_PER_S;
	c->expiry_ns = asked_ns + l->lease_s * NS_PER_S;
	c->due_ns = c->t1_ns;
	if (l->lease_s == DHCP_LEASE_FOREVER)
		c->due_ns = c->t1_ns = c->t2_ns = c->expiry_ns = UINT64_MAX;
}

static void dhcp_bound(struct net_if *nif, struct dhcp_lease *l)
{
	struct dhcp_client *c = nif->dhcp;
	be32 thrown = dhcp_check_router(l);
	bool renewed = nif->ip == l->ip && nif->mask == l->mask && nif->gw == l->router;

	c->lease = *l;
	c->naks = 0;
	dhcp_enter(c, DHCP_BOUND);
	dhcp_set_times(c, c->asked_ns);
	if (renewed) {
		log_debug("dhcp", "port %u: lease renewed for %u s", nif->dev->port, l->lease_s);
		return;
	}
	log_info("dhcp", "port %u: %s leased from %s for %u s", nif->dev->port, ip4_text(l->ip).s,
	         ip4_text(l->server).s, l->lease_s);
	if (thrown)
		log_warn(
		    "dhcp",
		    "port %u: router %s is not in the subnet of %s/%d: going without a gateway "
		    "(the DHCP server's router or mask is wrong)",
		    nif->dev->port, ip4_text(thrown).s, ip4_text(l->ip).s, ipv4_prefix(l->mask));
	if (nif->ip != l->ip)
		c->bound_ns = nif->st->now_ns;
	net_if_set_addr(nif, l->ip, l->mask, l->router, "dhcp");
}

static void dhcp_offer(struct net_if *nif, const struct dhcp_lease *offer)
{
	struct dhcp_client *c = nif->dhcp;
	struct dhcp_lease l = *offer;

	if (c->state != DHCP_SELECTING || !dhcp_lease_check(&l))
		return;
	c->lease = l;
	dhcp_enter(c, DHCP_REQUESTING);
	dhcp_request(nif);
}

static void dhcp_ack(struct net_if *nif, const struct dhcp_lease *ack)
{
	struct dhcp_client *c = nif->dhcp;
	struct dhcp_lease l = *ack;

	if (c->state < DHCP_REQUESTING || c->state == DHCP_BOUND)
		return;
	if (!dhcp_lease_check(&l) || l.ip != c->lease.ip)
		return;
	/* while rebinding any server may answer */
	if (c->state != DHCP_REBINDING && l.server != c->lease.server)
		return;
	dhcp_bound(nif, &l);
}

static void dhcp_nak(struct net_if *nif, const struct dhcp_lease *nak)
{
	struct dhcp_client *c = nif->dhcp;

	if (c->state < DHCP_REQUESTING || c->state == DHCP_BOUND)
		return;
	if (c->state != DHCP_REBINDING && nak->server != c->lease.server)
		return;

	uint64_t wait_s = c->naks < 6 ? 1ull << c->naks : DHCP_NAK_WAIT_MAX_S;

	c->naks++;
	log_warn("dhcp", "port %u: server %s refuses %s: starting again in %u s", nif->dev->port,
	         ip4_text(nak->server).s, ip4_text(c->lease.ip).s, (unsigned)wait_s);
	if (nif->ip)
		net_if_clear_addr(nif);
	dhcp_enter_init(nif, wait_s * NS_PER_S);
}

/* The port has no address when the DECLINE leaves: the datagram must not bear the one that it gives
 * back (RFC 2131 4.4.4). */
void dhcp_conflict(struct net_if *nif)
{
	struct dhcp_client *c = nif->dhcp;
	struct dhcp_question q = {
	    .type = DHCP_DECLINE, .requested_ip = c->lease.ip, .server = c->lease.server};

	if (c->state < DHCP_BOUND || nif->st->now_ns - c->bound_ns > DHCP_CONFLICT_S * NS_PER_S)
		return;
	log_warn("dhcp", "port %u: %s is another machine's: declined, asking again in %d s",
	         nif->dev->port, ip4_text(nif->ip).s, DHCP_DECLINE_WAIT_S);
	net_if_clear_addr(nif);
	dhcp_send(nif, &q, IPV4_BROADCAST);
	dhcp_enter_init(nif, DHCP_DECLINE_WAIT_S * NS_PER_S);
}

void dhcp_input(struct net_if *nif, struct mbuf *m)
{
	struct dhcp_answer a;
	bool good = m->nb_segs == 1 && dhcp_parse(mbuf_data(m), m->data_len, nif->dev->mac, &a) &&
	            a.xid == nif->dhcp->xid;

	mbuf_free(m);
	if (!good)
		return;
	if (a.type == DHCP_OFFER)
		dhcp_offer(nif, &a.lease);
	else if (a.type == DHCP_ACK)
		dhcp_ack(nif, &a.lease);
	else
		dhcp_nak(nif, &a.lease);
}

int dhcp_create(struct net_if *nif)
{
	struct dhcp_client *c = mem_alloc("DHCP client", sizeof(*c), 8);

	if (!c)
		return -ENOMEM;
	plat_random(&c->random, sizeof(c->random));
	nif->dhcp = c;
	dhcp_enter_init(nif, 0);
	if (nif->dev->mtu < DHCP_HEADERS_LEN + DHCP_MSG_MIN) {
		log_err(
		    "dhcp",
		    "port %u: MTU %u is too small for DHCP (%d needed): give net.ip=A.B.C.D/len, "
		    "or a larger net.mtu",
		    nif->dev->port, nif->dev->mtu, DHCP_HEADERS_LEN + DHCP_MSG_MIN);
		c->due_ns = UINT64_MAX;
		return 0;
	}
	dhcp_discover(nif);
	return 0;
}
